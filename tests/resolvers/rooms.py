"""Rooms as the tests of their use cases look at them."""

from collections.abc import Sequence
from uuid import UUID

from auth.viewer import Viewer
from models.chat import ChatFact
from models.message import Content
from resolvers import messages, rooms
from resolvers.messages import Done, Shown
from tests.world import World


def id_of(viewer: Viewer) -> UUID:
    assert viewer.user_id is not None
    return viewer.user_id


async def group(world: World, owner: Viewer, *others: Viewer, is_read_only: bool = False) -> UUID:
    """A group of people who know each other: their profiles are public."""
    receipt = await rooms.create_group(
        world.as_(owner), "Fence", [id_of(other) for other in others], is_read_only=is_read_only
    )
    return receipt.entity_id


async def direct(world: World, one: Viewer, other: Viewer) -> UUID:
    return (await rooms.open_direct(world.as_(one), id_of(other))).entity_id


async def say(
    world: World,
    who: Viewer,
    room_id: UUID,
    text: str = "hello",
    *,
    key: str | None = None,
    **content: object,
) -> Done:
    said = Content(text, **content)  # type: ignore[arg-type]
    return await messages.send_message(world.as_(who, key=key, mutation="message_send"), room_id, said)


async def said(world: World, who: Viewer, room_id: UUID, text: str = "hello", **content: object) -> UUID:
    return (await say(world, who, room_id, text, **content))[0].entity_id  # type: ignore[arg-type]


async def log_of(world: World, room_id: UUID) -> Sequence[ChatFact]:
    return await world.services.chat.store.facts_after(room_id, 0, limit=1_000)


async def read(world: World, who: Viewer, room_id: UUID) -> list[Shown]:
    page = await messages.page_of_messages(world.as_(who), room_id, limit=100)
    assert page is not None
    return list(page.messages)


async def texts(world: World, who: Viewer, room_id: UUID) -> list[str | None]:
    """What each message says, None for those that say nothing any more."""
    return [
        shown.words.text if isinstance(shown.words, Content) else None
        for shown in await read(world, who, room_id)
    ]


async def told(world: World, room_id: UUID) -> list[str]:
    """Kinds of the facts in the room's own stream, in order."""
    rows = await world.rows(
        "select kind from fact where stream = :stream order by number", stream=f"roomstate:{room_id}"
    )
    return [row.kind for row in rows]
