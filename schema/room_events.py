"""What is said in rooms, as followers are told it: a type for each kind of fact of a room's log."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import strawberry

from models.ids import encode_id
from resolvers.messages import messages_of
from resolvers.operation import Operation
from schema.graph import attached, reference
from schema.messages import MessageType, shown_message
from schema.rooms import RoomCounts, room_counts
from schema.type_names import Room
from subscriptions.log import LoggedFact

_TODAY = "in today's state; always there"


@strawberry.interface(description="Something that happened to a message.")
class MessageEvent:
    room: Room | None = reference("room_id", f"The room, {_TODAY}.")
    in_room: strawberry.ID = strawberry.field(name="roomId", description="The id of the room.")
    message: MessageType | None = strawberry.field(
        description="The message as it is now: what was edited or deleted since is told so. Always there."
    )
    counts: RoomCounts | None = attached(
        room_counts, "room_id", "What you have not read in the room, now; always there."
    )
    room_id: strawberry.Private[UUID]
    message_id: strawberry.Private[UUID]


@strawberry.type(description="Somebody said something.")
class MessageSent(MessageEvent):
    pass


@strawberry.type(description="Somebody worded their message anew.")
class MessageEdited(MessageEvent):
    pass


@strawberry.type(description="A message was taken back; its tombstone stays.")
class MessageDeleted(MessageEvent):
    pass


@strawberry.type(description="Somebody put an emoji under a message.")
class MessageReacted(MessageEvent):
    emoji: str = strawberry.field(description="The emoji.")


@strawberry.type(description="Somebody took an emoji back.")
class MessageUnreacted(MessageEvent):
    emoji: str = strawberry.field(description="The emoji.")


@strawberry.type(description="A message was pinned to the room.")
class MessagePinned(MessageEvent):
    pass


@strawberry.type(description="A message was taken from the pinned ones.")
class MessageUnpinned(MessageEvent):
    pass


MESSAGE_EVENTS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        MessageSent,
        MessageEdited,
        MessageDeleted,
        MessageReacted,
        MessageUnreacted,
        MessagePinned,
        MessageUnpinned,
    )
}
SAID = frozenset(MESSAGE_EVENTS)
"""The kinds whose messages are read before they are shown."""


def message_event(fact: LoggedFact) -> Any:
    about: dict[str, Any] = {name: fact.payload[name] for name in ("room_id", "message_id")}
    if fact.payload["reaction"] is not None:
        about["emoji"] = fact.payload["reaction"]
    in_room = strawberry.ID(encode_id("room", fact.payload["room_id"]))
    return MESSAGE_EVENTS[fact.kind](message=None, in_room=in_room, **about)


async def fill(op: Operation, events: Sequence[Any]) -> None:
    """Read the messages that these events lead to. Whoever is shown them is known to see the rooms."""
    of_rooms: dict[UUID, list[MessageEvent]] = defaultdict(list)
    for event in events:
        if isinstance(event, MessageEvent):
            of_rooms[event.room_id].append(event)
    await asyncio.gather(*(_fill(op, room_id, some) for room_id, some in of_rooms.items()))


async def _fill(op: Operation, room_id: UUID, events: Sequence[MessageEvent]) -> None:
    found = await messages_of(op, room_id, {event.message_id for event in events})
    for event in events:
        event.message = shown_message(found[event.message_id])
