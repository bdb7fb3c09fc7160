"""Who writes in a room just now, and who is there: words of the moment, not facts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import strawberry

from models.errors import NotFound
from models.ids import decode_id, encode_id
from models.message import DeletedMessage
from models.presence import Crowded, PersonState, Present, RoomDoing, SaidTooOften
from models.room import ArchivedRoom, BlockedPerson, ReadOnlyRoom
from models.store.sql import Receipt
from models.user import AccountGone
from resolvers import room_presence
from resolvers.operation import Operation
from schema.board_presence import CLIENT, UNTIL
from schema.graph import Context, attached, reference
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation
from schema.type_names import Person, Room
from schema.words import words

words(PersonState)
words(RoomDoing)
_DOINGS = frozenset(RoomDoing)


# -- who writes --------------------------------------------------------------------------------------------------------


@strawberry.type(description="Somebody who writes just now, a new message or one of theirs anew.")
class RoomTypist:
    person: Person | None = reference(
        "person_id", "Who it is; null if they do not belong to the room any more."
    )
    doing: RoomDoing = strawberry.field(description="What they do there.")
    thread_id: strawberry.ID | None = strawberry.field(
        description="The first message of the thread for which they write a new one; null: for the room itself, or EDITING."
    )
    message_id: strawberry.ID | None = strawberry.field(
        description="The message that they edit; null unless EDITING."
    )
    until: datetime = strawberry.field(description=UNTIL)
    person_id: strawberry.Private[UUID]


def typists(people: Iterable[Present]) -> list[RoomTypist]:
    return [
        RoomTypist(
            doing=RoomDoing(one.doing),
            thread_id=_part(one, RoomDoing.WRITING),
            message_id=_part(one, RoomDoing.EDITING),
            until=one.until,
            person_id=one.person_id,
        )
        for one in people
        # Another version of the server may know more.
        if one.doing in _DOINGS and one.until is not None
    ]


def _part(one: Present, doing: RoomDoing) -> strawberry.ID | None:
    if one.part is None or one.doing != doing:
        return None
    return strawberry.ID(encode_id("message", one.part))


@strawberry.type(
    description="Who writes in a room now, whenever that changes: everybody but you, to who selects `typists`; in `viewerEvents` of "
    "each room that is followed there, until you leave or mute it. Like every word about a stream it is no fact: it moves no cursor "
    "and is not replayed."
)
class TypingChanged:
    room: Room | None = reference(
        "room_id", "The room, in today's state; null if you do not belong to it any more."
    )
    in_room: strawberry.ID = strawberry.field(name="roomId", description="The id of the room.")
    typists: list[RoomTypist] = strawberry.field(description="Everybody who writes, by person.")
    room_id: strawberry.Private[UUID]


def typing_changed(room_id: UUID, people: Iterable[Present]) -> TypingChanged:
    in_room = strawberry.ID(encode_id("room", room_id))
    return TypingChanged(in_room=in_room, typists=typists(people), room_id=room_id)


@strawberry.type(description="Answer to `roomTyping`.")
class RoomTypingPayload(MutationPayload):
    typists: list[RoomTypist] | None = strawberry.field(
        default=None, description="Everybody who writes in the room now, you too; null if it was refused."
    )


@strawberry.input(description="Input of `roomTyping`.")
class RoomTypingInput:
    room_id: strawberry.ID = strawberry.field(description="The room.")
    is_typing: bool = strawberry.field(default=True, description="Whether you write; false: no longer.")
    thread_id: strawberry.ID | None = strawberry.field(
        default=None, description="The first message of the thread you write in; without it, the room itself."
    )
    message_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="A message of yours in the room that you edit, without `threadId`; without it, you write a new one.",
    )
    client: str | None = strawberry.field(default=None, description=CLIENT)


@mutation(
    RoomTypingPayload,
    NotFound,
    DeletedMessage,
    ArchivedRoom,
    BlockedPerson,
    ReadOnlyRoom,
    AccountGone,
    Crowded,
    SaidTooOften,
    needs=Needs.SIGNED_IN,
    description="Show the other members of a room that you write something (`TypingChanged`). It is true for 10 "
    "seconds: say it again every 5 as long as you write. Sending a message ends it, and for a message that you edit its edit or "
    "deletion. A tab or device writes one thing at a time. Writes nothing, so it takes no `idempotencyKey`. For those alone who may "
    "write there, and edit that message.",
)
async def room_typing(op: Operation, input: RoomTypingInput) -> Answer:
    room_id = decode_id("room", input.room_id, path=("roomId",))
    thread_id = None if input.thread_id is None else decode_id("message", input.thread_id, path=("threadId",))
    message_id = (
        None if input.message_id is None else decode_id("message", input.message_id, path=("messageId",))
    )
    people = await room_presence.say_typing(
        op,
        room_id,
        is_typing=input.is_typing,
        thread_id=thread_id,
        message_id=message_id,
        client=input.client,
    )
    return Receipt(room_id), {"typists": typists(people)}


# -- who is there ------------------------------------------------------------------------------------------------------


@strawberry.type(description="Whether somebody is there.")
class PersonPresence:
    state: PersonState = strawberry.field(description="The liveliest that one of their tabs or devices says.")
    last_seen_at: datetime | None = strawberry.field(
        description="When they said last that they are there; null if that is not known."
    )


async def presence_of(op: Operation, keys: Sequence[UUID]) -> dict[UUID, PersonPresence]:
    return {
        key: PersonPresence(state=found.state, last_seen_at=found.seen_at)
        for key, found in (await room_presence.seen(op, keys)).items()
    }


@strawberry.type(description="Whether a member of the room is there now.")
class MemberPresence:
    state: PersonState = strawberry.field(description="The liveliest that one of their tabs or devices says.")
    person_id: strawberry.ID = strawberry.field(description="The id of the person.")
    person: Person | None = reference("user_id", "Who it is; null if you share no room with them any more.")
    user_id: strawberry.Private[UUID]


def member_presence(people: Iterable[tuple[UUID, PersonState]]) -> list[MemberPresence]:
    return [
        MemberPresence(state=state, person_id=strawberry.ID(encode_id("person", user_id)), user_id=user_id)
        for user_id, state in people
    ]


@strawberry.type(
    description="Members of the room who came, went or turned away, or say something else about themselves (`status` of the person), "
    "to who selects `members`: when the stream is ready, those who are there; then whoever is in another state than you were told, or "
    "has another status than before. Not in rooms of more than 200 members. In `viewerEvents` members "
    "of all rooms that are followed there, each person once: keep what you were told of them. It holds for whoever is with you in "
    "one of these rooms, and whoever you were told nothing of is OFFLINE; of those with whom you share none any more, nothing is "
    "told until you do again. Like every word about a stream it is no fact: it moves no cursor and is not replayed."
)
class MembersPresenceChanged:
    members: list[MemberPresence] = strawberry.field(description="Each with their state as it is now.")


@strawberry.type(description="Answer to `presenceTell`.")
class PresenceTellPayload(MutationPayload):
    state: PersonState | None = strawberry.field(
        default=None, description="What others see of you now; null if it was refused."
    )


@strawberry.input(description="Input of `presenceTell`.")
class PresenceTellInput:
    state: PersonState = strawberry.field(
        description="Whether you are there; OFFLINE: this tab or device is gone."
    )
    client: str | None = strawberry.field(default=None, description=CLIENT)


@mutation(
    PresenceTellPayload,
    Crowded,
    SaidTooOften,
    needs=Needs.SIGNED_IN,
    description="Say that you are there, or away. It is true for 90 seconds: say it again every 45, and OFFLINE when you leave. "
    "Members of your rooms see it, unless one of you has blocked the other or you switched it off with `chatPresenceSet`, which "
    "answers NOOP. Writes nothing, so it takes no `idempotencyKey`.",
)
async def presence_tell(op: Operation, input: PresenceTellInput) -> Answer:
    receipt, state = await room_presence.say_presence(op, input.state, client=input.client)
    return receipt, {"state": state}


async def _shows_presence_for(op: Operation, keys: Sequence[UUID]) -> dict[UUID, bool]:
    return dict.fromkeys(keys, await room_presence.shows_presence(op))


@strawberry.type(description="Answer to `chatPresenceSet`.")
class ChatPresenceSetPayload(MutationPayload):
    shows_presence: bool | None = attached(
        _shows_presence_for, "entity_id", "Whether members of your rooms see it now; null if it was refused."
    )


@strawberry.input(description="Input of `chatPresenceSet`.")
class ChatPresenceSetInput:
    is_on: bool = strawberry.field(description="Whether members of your rooms see if you are there.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    ChatPresenceSetPayload,
    needs=Needs.SIGNED_IN,
    description="Choose whether members of your rooms see if you are there, and when you were last. While it is off, nobody does, "
    "and when you were there meanwhile is not kept.",
)
async def chat_presence_set(op: Operation, input: ChatPresenceSetInput) -> Answer:
    return await room_presence.set_shown(op, is_on=input.is_on)


async def shows_presence(context: Context) -> Any:
    return await room_presence.shows_presence(context.op)
