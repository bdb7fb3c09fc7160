"""Threads as clients ask for them: what they show, how they are paged, and what choosing to follow one answers."""

from typing import Any
from uuid import UUID

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.ids import encode_id
from models.store.sql import counting_statements
from resolvers import messages, projection, threads
from tests.resolvers.rooms import group, id_of, said
from tests.schema.two_executors import by_batches, by_plan, difference
from tests.world import World

THREAD = "thread { id replyCount lastReplyAt unreadCount isFollowed }"
LIST = f"""query ($first: Int, $after: String, $last: Int, $before: String) {{
    followedThreads(first: $first, after: $after, last: $last, before: $before) {{
        edges {{ cursor node {{ id }} }} nodes {{ id text state room {{ title }} author {{ name }} {THREAD} }}
        pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""
SET = f"""mutation ($input: ThreadFollowSetInput!) {{ threadFollowSet(input: $input) {{ outcome position
    message {{ text {THREAD} }} errors {{ code path ... on ValidationError {{ constraint }} }} }} }}"""


def public(message_id: UUID) -> str:
    return encode_id("message", message_id)


async def choose(
    world: World, who: Viewer, room_id: UUID, thread_id: UUID, *, is_on: bool, key: str
) -> dict[str, Any]:
    named = {"roomId": encode_id("room", room_id), "threadId": public(thread_id)}
    input = {**named, "isOn": is_on, "idempotencyKey": key}
    answer: dict[str, Any] = (await world.data(who, SET, input=input))["threadFollowSet"]
    return answer


async def conversation(
    world: World, *people: Viewer, threads: int = 1, answers: int = 1
) -> tuple[UUID, list[UUID]]:
    """A group, and the first messages of its threads: each begun by the first and answered by the second of the people."""
    room_id = await group(world, *people)
    firsts = [await said(world, people[0], room_id, f"{number}") for number in range(threads)]
    for first in firsts:
        for _ in range(answers):
            await said(world, people[1], room_id, "answer", answers_id=first)
    return room_id, firsts


async def test_choosing_answers_with_the_thread_as_it_is_now_also_when_it_is_repeated(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id, (first,) = await conversation(world, one, other)

    chosen = await choose(world, one, room_id, first, is_on=False, key="a")
    repeated = await choose(world, one, room_id, first, is_on=False, key="a")
    again = await choose(world, one, room_id, first, is_on=False, key="b")
    back = await choose(world, one, room_id, first, is_on=True, key="c")
    conflict = await choose(world, one, room_id, first, is_on=True, key="a")

    shown = [chosen, repeated, again, back]
    assert [answer["outcome"] for answer in shown] == ["APPLIED", "REPLAYED", "NOOP", "APPLIED"]
    assert [answer["message"]["text"] for answer in shown] == ["0"] * 4
    assert [answer["message"]["thread"]["isFollowed"] for answer in shown] == [False, False, False, True]
    assert [answer["position"] is not None for answer in shown] == [True, True, False, True]
    assert chosen["message"]["thread"] | {"lastReplyAt": None} == {
        "id": public(first), "replyCount": 1, "lastReplyAt": None, "unreadCount": 1, "isFollowed": False,
    }  # fmt: skip
    assert (conflict["outcome"], conflict["message"]) == ("REJECTED", None)
    assert conflict["errors"][0]["code"] == "IDEMPOTENCY_CONFLICT"


async def test_what_begins_no_thread_is_refused_with_what_to_do(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id, (first,) = await conversation(world, one, other)
    answer = await said(world, other, room_id, answers_id=first)
    gone = await said(world, other, room_id)
    await messages.delete_message(world.as_(other), room_id, gone)
    await projection.project(world.as_(one), room_id)
    before = await world.footprint()

    refused = [await choose(world, one, room_id, id, is_on=True, key="k") for id in (answer, gone)]

    assert [(body["outcome"], body["message"], body["errors"]) for body in refused] == [
        ("REJECTED", None, [{"code": "INVALID", "path": ["threadId"], "constraint": "FIRST_MESSAGE"}]),
        ("REJECTED", None, [{"code": "DELETED_MESSAGE", "path": []}]),
    ]
    assert await world.footprint() == before


async def test_the_list_goes_on_from_its_cursors_both_ways_and_from_no_others(world: World) -> None:
    one, other = await world.client("Olga"), await world.freelancer("Farid")
    _, firsts = await conversation(world, one, other, threads=3)
    ids = sorted(map(public, firsts), reverse=True)

    async def page(**asked: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await world.data(one, LIST, **asked))["followedThreads"]
        return found

    def seen(found: dict[str, Any]) -> tuple[list[str], bool, bool]:
        info = found["pageInfo"]
        assert [edge["node"]["id"] for edge in found["edges"]] == [node["id"] for node in found["nodes"]]
        return [node["id"] for node in found["nodes"]], info["hasPreviousPage"], info["hasNextPage"]

    newest = await page(first=2)
    oldest = await page(first=2, after=newest["pageInfo"]["endCursor"])
    before = await page(last=2, before=oldest["pageInfo"]["startCursor"])
    last = await page(last=1)
    forged = await world.graphql(one, LIST, after="nothing")

    # All were answered at one moment, so the later ones by their ids come first.
    assert [seen(found) for found in (newest, oldest, before, last)] == [
        (ids[:2], False, True), (ids[2:], True, False), (ids[:2], False, True), (ids[2:], True, False)
    ]  # fmt: skip
    assert newest["nodes"][0] | {"thread": None, "text": None} == {
        "id": ids[0], "text": None, "state": "SHOWN", "room": {"title": "Fence"}, "author": {"name": "Olga"}, "thread": None,
    }  # fmt: skip
    (error,) = forged["errors"]
    assert (error["extensions"]["code"], error["path"]) == ("BAD_USER_INPUT", ["followedThreads"])
    assert (await world.data(ANONYMOUS, LIST))["followedThreads"]["nodes"] == []


@pytest.mark.parametrize("deleted", [False, True])
async def test_both_executors_show_threads_alike(world: World, deleted: bool) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id, firsts = await conversation(world, one, other, third, threads=2, answers=2)
    await threads.set_follow(world.as_(third), room_id, firsts[0], is_on=True)
    if deleted:
        await messages.delete_message(world.as_(one), room_id, firsts[0])
    document = f"""query ($room: ID!) {{ followedThreads {{ edges {{ cursor node {{ id number {THREAD} }} }} pageInfo {{ endCursor }} }}
        messages(roomId: $room) {{ nodes {{ id state threadId {THREAD} }} }} }}"""
    variables = {"room": encode_id("room", room_id)}

    for who, count in (
        (one, 1 if deleted else 2),
        (other, 2),
        (third, 1),
        (await world.admin(), 0),
        (ANONYMOUS, 0),
    ):
        planned = await by_plan(world, document, variables, who)
        assert difference(planned, await by_batches(world, document, variables, who)) is None
        assert len(planned["data"]["followedThreads"]["edges"]) == count


async def test_threads_take_as_many_statements_however_many_there_are(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id, _ = await conversation(world, one, other, threads=2)
    taken = []
    for number in (2, 8):
        await world.data(one, LIST)
        with counting_statements() as statements:
            shown = (await world.data(one, LIST))["followedThreads"]["nodes"]
        assert len(shown) == number
        taken.append(dict(statements))
        for _ in range(6):
            first = await said(world, one, room_id, mention_ids=(id_of(other),))
            await said(world, other, room_id, answers_id=first)

    assert taken == [{"select": 9, "with": 1}] * 2
