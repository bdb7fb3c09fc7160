"""Speaking to those of a room who are there: whom that names, and that it is kept as if they had been named."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.errors import IdempotencyConflict, NotAllowed
from models.ids import encode_id
from models.message import MAX_MENTIONS, Content
from models.notice import NotificationReason
from models.presence import RoomTooLarge
from models.room import RoomRole
from resolvers import (
    administration,
    messages,
    reading,
    room_members,
    room_presence,
    rooms,
    scheduled_messages,
)
from resolvers.jobs import run_due_jobs
from tests.resolvers.rooms import direct, group, id_of, log_of, say
from tests.resolvers.test_message_notices import notified, project
from tests.subscriptions.test_room_presence import tells
from tests.world import World, race

SEND = """mutation ($i: MessageSendInput!) { messageSend(input: $i) { outcome errors { code message }
  message { mentionsHere mentionsRoom mentions { person { name } } } } }"""
SCHEDULE = """mutation ($i: MessageScheduleInput!) { messageSchedule(input: $i) { outcome
  scheduledMessage { content { mentionsHere mentions { person { name } } } } errors { code } } }"""


async def sends(world: World, who: Viewer, room_id: UUID, **more: Any) -> Any:
    input = {"roomId": encode_id("room", room_id), "text": "Quick question", "mentionsHere": True} | more
    return (await world.data(who, SEND, i=input))["messageSend"]


async def test_it_names_those_who_are_there_and_nobody_else(world: World) -> None:
    owner = await world.client("Olga")
    names = ["Ada", "Bob", "Away", "Gone", "Hal", "Eve", "Sue", "Former"]
    people = {name: await world.freelancer(name) for name in names}
    room_id = await group(world, owner, *people.values())
    for who in (owner, *people.values()):
        await tells(world, who)
    await tells(world, people["Away"], "AWAY")
    await tells(world, people["Gone"], "OFFLINE")
    await room_presence.set_shown(world.as_(people["Hal"]), is_on=False)
    await rooms.block_person(world.as_(people["Eve"]), id_of(owner))
    await administration.suspend_account(
        world.as_(await world.admin()), id_of(people["Sue"]), reason="Spam.", until=None
    )
    await rooms.remove_member(world.as_(owner), room_id, id_of(people["Former"]))

    answer = await sends(world, owner, room_id)

    assert (answer["outcome"], answer["errors"]) == ("APPLIED", [])
    message = answer["message"]
    assert (message["mentionsHere"], message["mentionsRoom"]) == (True, False)
    assert sorted(one["person"]["name"] for one in message["mentions"]) == ["Ada", "Bob"]


async def test_they_are_counted_notified_and_found_as_if_they_had_been_named(world: World) -> None:
    owner, ada, bob = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, owner, ada, bob)
    await rooms.set_preference(world.as_(ada), room_id, {"is_muted": True})
    await tells(world, ada)

    done, _ = await say(world, owner, room_id, "Quick question", here_ids=())
    await tells(world, bob)
    await project(world, room_id)

    mentioned = NotificationReason.YOU_ARE_MENTIONED
    assert await notified(world, ada) == [(mentioned, id_of(owner), room_id)]
    assert (await notified(world, bob), await notified(world, owner)) == ([], [])
    counts = [(await reading.counts_in(world.as_(who), [room_id]))[room_id] for who in (ada, bob)]
    assert [(found.unread, found.mentions) for found in counts] == [(1, 1), (1, 0)]
    search = "query ($who: ID!) { messageSearch(mentionedId: $who) { nodes { id } } }"
    found = [await world.data(owner, search, who=encode_id("person", id_of(who))) for who in (ada, bob)]
    ids = [[node["id"] for node in page["messageSearch"]["nodes"]] for page in found]
    assert ids == [[encode_id("message", done.entity_id)], []]


async def test_whom_it_names_beside_them_is_named_once(world: World) -> None:
    owner, ada, bob = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    room_id = await group(world, owner, ada, bob)
    await tells(world, ada)

    named = [encode_id("person", id_of(who)) for who in (ada, bob)]
    answer = await sends(world, owner, room_id, mentionIds=named)
    await project(world, room_id)

    assert sorted(one["person"]["name"] for one in answer["message"]["mentions"]) == ["Ada", "Bob"]
    assert [len(await notified(world, who)) for who in (ada, bob)] == [1, 1]


async def test_it_names_more_people_than_can_be_named_by_hand(world: World) -> None:
    owner, people = await world.client(), [await world.freelancer() for _ in range(MAX_MENTIONS + 1)]
    room_id = await group(world, owner, *people)
    for who in people:
        await tells(world, who)

    _, shown = await say(world, owner, room_id, here_ids=())
    await project(world, room_id)

    assert shown is not None
    assert shown.words == Content("hello", here_ids=tuple(sorted(map(id_of, people))))
    assert [len(await notified(world, who)) for who in people] == [1] * len(people)


async def test_of_several_that_are_sent_at_once_under_one_key_one_is_kept_whoever_was_there(
    world: World,
) -> None:
    owner, ada = await world.client(), await world.freelancer()
    room_id = await group(world, owner, ada)

    done = await race(
        [
            *(say(world, owner, room_id, key="k", here_ids=()) for _ in range(4)),
            *(tells(world, ada, state) for state in ("ONLINE", "OFFLINE")),
        ]
    )

    said = [one for one in done if isinstance(one, tuple)]
    assert sorted(receipt.outcome for receipt, _ in said) == ["APPLIED", "REPLAYED", "REPLAYED", "REPLAYED"]
    assert len(await log_of(world, room_id)) == 1
    words = [shown.words for _, shown in said]
    assert words == words[:1] * 4


async def test_where_nobody_is_there_it_speaks_to_nobody(world: World) -> None:
    owner, other = await world.client(), await world.freelancer()
    room_id = await group(world, owner, other)

    answer = await sends(world, owner, room_id)

    assert answer["message"] == {"mentionsHere": True, "mentionsRoom": False, "mentions": []}


async def test_in_a_group_only_who_may_speak_to_everybody_speaks_to_those_who_are_there(world: World) -> None:
    owner, moderator, member = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, owner, moderator, member)
    await rooms.set_role(world.as_(owner), room_id, id_of(moderator), RoomRole.MODERATOR)
    before = await world.footprint()

    for act in (
        say(world, member, room_id, here_ids=()),
        scheduled_messages.schedule_message(
            world.as_(member),
            room_id,
            Content("later", here_ids=()),
            send_at=world.clock() + timedelta(hours=1),
        ),
    ):
        with pytest.raises(NotAllowed) as refused:
            await act
        assert refused.value.needed == "MODERATOR"

    assert (await log_of(world, room_id), await world.footprint()) == ([], before)
    assert (await sends(world, moderator, room_id))["outcome"] == "APPLIED"
    assert (await sends(world, member, await direct(world, member, owner)))["outcome"] == "APPLIED"


async def test_in_a_larger_room_it_is_refused_with_what_to_do_instead(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_members, "MOST_PEOPLE", 2)
    owner, one, other = await world.client(), await world.freelancer(), await world.freelancer()
    large, small = await group(world, owner, one, other), await group(world, owner, one)
    await tells(world, one)

    answer = await sends(world, owner, large)

    assert (answer["outcome"], answer["message"]) == ("REJECTED", None)
    (error,) = answer["errors"]
    assert error["code"] == "ROOM_TOO_LARGE" and "mentionsRoom" in error["message"]
    assert await log_of(world, large) == []
    with pytest.raises(RoomTooLarge) as refused:
        await scheduled_messages.schedule_message(
            world.as_(owner), large, Content("later", here_ids=()), send_at=world.clock() + timedelta(hours=1)
        )
    assert refused.value.count == 3
    assert len((await sends(world, owner, small))["message"]["mentions"]) == 1


async def test_a_repeat_answers_with_those_who_were_there_first(world: World) -> None:
    owner, ada, bob = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, owner, ada, bob)
    await tells(world, ada)
    await say(world, owner, room_id, key="k", here_ids=())
    await tells(world, bob)

    receipt, shown = await say(world, owner, room_id, key="k", here_ids=())

    assert receipt.outcome == "REPLAYED" and shown is not None
    assert shown.words == Content("hello", here_ids=(id_of(ada),))
    with pytest.raises(IdempotencyConflict):
        await say(world, owner, room_id, key="k")
    await say(world, owner, room_id, key="another")
    with pytest.raises(IdempotencyConflict):
        await say(world, owner, room_id, key="another", here_ids=())


async def test_an_edit_keeps_whom_it_spoke_to(world: World) -> None:
    owner, ada, bob = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, owner, ada, bob)
    await tells(world, ada)
    done, _ = await say(world, owner, room_id, here_ids=())
    await tells(world, bob)

    op = world.as_(owner, key="k", mutation="message_edit")
    _, shown = await messages.edit_message(op, room_id, done.entity_id, Content("better"))
    again, _ = await messages.edit_message(op, room_id, done.entity_id, Content("better"))

    assert shown is not None and shown.words == Content("better", here_ids=(id_of(ada),))
    assert again.outcome == "REPLAYED"


async def test_what_is_scheduled_speaks_to_those_who_are_there_at_its_time(idle_world: World) -> None:
    world = idle_world
    owner, ada, bob = await world.client(), await world.freelancer("Ada"), await world.freelancer("Bob")
    room_id = await group(world, owner, ada, bob)
    await tells(world, ada)
    input = {
        "roomId": encode_id("room", room_id), "text": "later", "mentionsHere": True,
        "at": (world.clock() + timedelta(hours=1)).isoformat(),
    }  # fmt: skip
    answer = (await world.data(owner, SCHEDULE, i=input))["messageSchedule"]
    await tells(world, ada, "OFFLINE")
    await tells(world, bob)

    world.clock.move(timedelta(hours=1))
    await run_due_jobs(world.as_(ANONYMOUS))

    assert answer["scheduledMessage"]["content"] == {"mentionsHere": True, "mentions": []}
    page = await messages.page_of_messages(world.as_(ada), room_id, limit=1)
    assert page is not None
    assert page.messages[0].words == Content("later", here_ids=(id_of(bob),))


async def test_what_is_scheduled_is_refused_if_the_room_has_grown_too_large(
    idle_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = idle_world
    monkeypatch.setattr(room_members, "MOST_PEOPLE", 2)
    owner, one, other = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, owner, one)
    receipt = await scheduled_messages.schedule_message(
        world.as_(owner), room_id, Content("later", here_ids=()), send_at=world.clock() + timedelta(hours=1)
    )
    await rooms.add_members(world.as_(owner), room_id, [id_of(other)])

    world.clock.move(timedelta(hours=1))
    await run_due_jobs(world.as_(ANONYMOUS))

    rows = await world.rows(
        "select state, refusal from scheduled_message where id = :id", id=receipt.entity_id
    )
    assert [tuple(row) for row in rows] == [("REFUSED", "ROOM_TOO_LARGE")]
    assert await log_of(world, room_id) == []
