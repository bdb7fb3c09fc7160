"""Who did something: told by name and as a person, to each subscriber as they may know it and to nobody else."""

import asyncio
from typing import Any

import orjson
import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.ids import encode_id
from models.profile import Visibility
from resolvers import gigs, profiles
from tests.resolvers.rooms import group, id_of, said
from tests.subscriptions.conftest import StartWorker
from tests.subscriptions.frames import frames_of

OF_THE_GIG = """subscription ($id: ID!) { gigEvents(gigId: $id) {
  actorName actor { id name } event { __typename ... on GigPaused { gig { id } } } } }"""
OF_THE_ROOM = """subscription ($id: ID!) { roomEvents(roomId: $id) {
  actorName actor { id name } event { __typename ... on RoomMemberAdded { person { id name } } } } }"""
PERSON = "query ($id: ID!) { node(id: $id) { ... on Person { name } } }"
DEADLINE_S = 5


def person(viewer: Viewer, name: str) -> dict[str, str]:
    return {"id": encode_id("person", id_of(viewer)), "name": name}


async def test_the_actor_of_a_gigs_fact_is_a_person_only_to_those_who_share_a_board_with_them(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    world = worker.world
    hired = await world.hired(wanted=2)
    people = {
        "anonymous": ANONYMOUS, "stranger": await world.freelancer("Stan"), "hired": hired.freelancer,
        "owner": hired.client, "admin": await world.admin(),
    }  # fmt: skip

    async def told() -> tuple[dict[str, Any], set[int]]:
        """What each was told, and in how many texts."""
        followed = {
            name: await frames_of(worker, viewer, OF_THE_GIG, id=encode_id("gig", hired.gig_id))
            for name, viewer in people.items()
        }
        for frames in followed.values():
            ready = orjson.loads((await anext(frames)).raw)["data"]["gigEvents"]
            assert (ready["actorName"], ready["actor"]) == (None, None)
        await gigs.pause_gig(world.as_(hired.client), hired.gig_id)
        async with asyncio.timeout(DEADLINE_S):
            raw = {name: (await anext(frames)).raw for name, frames in followed.items()}
        for frames in followed.values():
            await frames.aclose()
        await gigs.resume_gig(world.as_(hired.client), hired.gig_id)
        found = {name: orjson.loads(text)["data"]["gigEvents"] for name, text in raw.items()}
        return {n: (item["actorName"], item["actor"]) for n, item in found.items()}, {*map(id, raw.values())}

    async def failing(*_: Any) -> Any:
        raise LookupError("a bug")

    planned, texts = await told()
    with monkeypatch.context() as patch:
        # Only plans read by it; what they cannot tell is told by the batch execution.
        patch.setattr(world.services.db, "read", failing)
        batched, _ = await told()

    owner = person(hired.client, "Carla")
    assert planned == batched == {
        "anonymous": ("Carla", None), "stranger": ("Carla", None), "hired": ("Carla", owner),
        "owner": ("Carla", owner), "admin": ("Carla", owner),
    }  # fmt: skip
    assert len(texts) == len(people)


async def test_in_a_room_the_actor_stays_unknown_to_those_from_whom_they_hide(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, hidden, member = (
        await world.client("Olga"), await world.freelancer("Ida"), await world.freelancer("Mo"),
    )  # fmt: skip
    room_id = await group(world, owner, hidden, member)
    await profiles.edit_freelancer(
        world.as_(hidden), {"visibility": Visibility.PRIVATE}, expected_version=None
    )
    followed = [
        await frames_of(worker, viewer, OF_THE_ROOM, id=encode_id("room", room_id))
        for viewer in (owner, hidden, member)
    ]
    for frames in followed:
        await anext(frames)

    found = []
    for who in (hidden, owner):
        await said(world, who, room_id)
        async with asyncio.timeout(DEADLINE_S):
            raw = [(await anext(frames)).raw for frames in followed]
        items = [orjson.loads(text)["data"]["roomEvents"] for text in raw]
        found.append([(item["actorName"], item["actor"]) for item in items])
    for frames in followed:
        await frames.aclose()

    # Both share the room with her, so as a person she is there to see; but who wrote is not told by the envelope.
    seen = await world.data(owner, PERSON, id=encode_id("person", id_of(hidden)))
    assert seen == {"node": {"name": "Ida"}}
    ida, olga = person(hidden, "Ida"), person(owner, "Olga")
    assert found == [[(None, None), ("Ida", ida), (None, None)], [("Olga", olga)] * 3]
