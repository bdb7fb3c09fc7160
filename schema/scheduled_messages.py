"""Messages that are sent later, as their author sees them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry
from strawberry import Maybe

from auth import access
from models.errors import Invalid, NotFound, StaleVersion
from models.ids import decode_id
from models.kept_words import ScheduledMessage, SendingNow, TooManyScheduled
from models.message import Content, DeletedMessage
from models.presence import RoomTooLarge
from models.room import ArchivedRoom, BlockedPerson, ReadOnlyRoom
from models.user import AccountGone
from resolvers import scheduled_messages
from resolvers.operation import Operation
from schema.connections import Connection, connection
from schema.filters import Equality, compares
from schema.graph import column, entity, node, one, source
from schema.kept_words import KeptText, ScheduledState, kept_text
from schema.keyset import newest
from schema.node import Node
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.person_ids import people_of
from schema.scalars import Markdown
from schema.type_names import Room

_AT = "When to send it: in the future, at most 30 days ahead."


async def _texts(op: Operation, keys: Sequence[UUID]) -> dict[UUID, KeptText]:
    found = await scheduled_messages.words_of_scheduled(op, keys)
    return {key: kept_text(words) for key, words in found.items()}


@node(
    "scheduled",
    ScheduledMessage,
    scope=access.visible_scheduled,
    name="ScheduledMessage",
    description="What you want to have said at some time; you alone see it. Once it is sent it is a message, and no "
    "scheduled one any more.",
)
class ScheduledMessageType(Node):
    room: Room | None = one(ScheduledMessage.room_id, "The room; null once you do not belong to it.")
    send_at: datetime = column(ScheduledMessage.send_at, "When it is to be sent.")
    state: ScheduledState = column(ScheduledMessage.state, "Where it stands.")
    refusal: str | None = column(
        ScheduledMessage.refusal,
        "Why it was not sent, as the `code` of an error; `ACCOUNT_SUSPENDED` for a suspended account. Null unless REFUSED.",
    )
    content: KeptText | None = source(_texts, "What it says; always there.")
    version: int = column(ScheduledMessage.version, "Counts its changes; for `expectedVersion`.")
    created_at: datetime = column(ScheduledMessage.created_at, "When it was scheduled.")
    updated_at: datetime = column(ScheduledMessage.updated_at, "When it changed last.")


@strawberry.input(description="Which of your scheduled messages to list.")
class ScheduledMessageWhere:
    state: Maybe[Equality[ScheduledState]] = compares(ScheduledMessage.state, "By where it stands.")


@strawberry.type
class ScheduledMessageQuery:
    scheduled_messages: Connection[ScheduledMessageType] = connection(
        None,
        "What you want to have said later, the latest time first; empty for an anonymous caller.",
        default=newest(ScheduledMessage.send_at),
        where=ScheduledMessageWhere,
    )


@strawberry.type(description="Answer to a mutation of a scheduled message.")
class ScheduledMessagePayload(MutationPayload):
    scheduled_message: ScheduledMessageType | None = entity(
        "The scheduled message as it is now; null if it was refused, or is gone."
    )


@strawberry.input(description="Input of `messageSchedule`.")
class MessageScheduleInput:
    room_id: strawberry.ID = strawberry.field(description="The room.")
    at: datetime = strawberry.field(description=_AT)
    text: Markdown = strawberry.field(description="1 to 20,000 characters.")
    answers_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message that it answers; both are of one thread then."
    )
    quote_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message of the room to show again."
    )
    mention_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Members of the room whom it speaks to: at most 50."
    )
    mentions_room: bool = strawberry.field(
        default=False,
        description="Whether it speaks to everybody in the room; in a group by its owners and moderators.",
    )
    mentions_here: bool = strawberry.field(
        default=False,
        description="Whether it speaks to those by name who are there (ONLINE) when it is sent; as in `messageSend`.",
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a scheduled message.")
class ScheduledMessageActInput:
    id: strawberry.ID = strawberry.field(description="The scheduled message.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `scheduledMessageEdit`; absent parts stay as they are.")
class ScheduledMessageEditInput(ScheduledMessageActInput):
    at: datetime | None = strawberry.field(
        default=None,
        description=f"{_AT} One that was refused is tried again at once if absent.",
    )
    text: Markdown | None = strawberry.field(
        default=None, description="1 to 20,000 characters; what it answers and shows again stays as it is."
    )
    mention_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Whom `text` speaks to: at most 50; goes with `text`."
    )
    mentions_room: bool = strawberry.field(
        default=False, description="Whether `text` speaks to everybody in the room; goes with `text`."
    )
    mentions_here: bool = strawberry.field(
        default=False,
        description="Whether `text` speaks to those who are there when it is sent; goes with `text`.",
    )
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@mutation(
    ScheduledMessagePayload,
    NotFound,
    ArchivedRoom,
    BlockedPerson,
    AccountGone,
    ReadOnlyRoom,
    DeletedMessage,
    RoomTooLarge,
    TooManyScheduled,
    needs=Needs.SIGNED_IN,
    description="Have something said in a room later, at most 50 things at a time. If you cannot write there then, it is not "
    "sent, you are notified of the reason, and you keep the text.",
)
async def message_schedule(op: Operation, input: MessageScheduleInput) -> Answer:
    content = Content(
        input.text,
        answers_id=_message(input.answers_id, "answersId"),
        quote_id=_message(input.quote_id, "quoteId"),
        mention_ids=tuple(people_of(input.mention_ids, "mentionIds")),
        mentions_room=input.mentions_room,
        here_ids=() if input.mentions_here else None,
    )
    room_id = decode_id("room", input.room_id, path=("roomId",))
    return await scheduled_messages.schedule_message(op, room_id, content, send_at=input.at)


@mutation(
    ScheduledMessagePayload,
    NotFound,
    StaleVersion,
    SendingNow,
    TooManyScheduled,
    needs=Needs.SIGNED_IN,
    description="Change a message that is not sent yet, or have one sent that was refused.",
)
async def scheduled_message_edit(op: Operation, input: ScheduledMessageEditInput) -> Answer:
    content = None
    if input.text is not None:
        mentions = tuple(people_of(input.mention_ids, "mentionIds"))
        here = () if input.mentions_here else None
        content = Content(input.text, mention_ids=mentions, mentions_room=input.mentions_room, here_ids=here)
    elif input.mention_ids or input.mentions_room or input.mentions_here:
        raise Invalid(("text",), "PAIRING", "Mentions go with the text that they are in.")
    return await scheduled_messages.edit_scheduled(
        op, _id(input), content, send_at=input.at, expected_version=input.expected_version
    )


@mutation(
    ScheduledMessagePayload,
    NotFound,
    SendingNow,
    needs=Needs.SIGNED_IN,
    description="Do not have it said. Once this is answered, it is never sent.",
)
async def scheduled_message_cancel(op: Operation, input: ScheduledMessageActInput) -> Answer:
    return await scheduled_messages.cancel_scheduled(op, _id(input))


def _id(input: ScheduledMessageActInput) -> UUID:
    return decode_id("scheduled", input.id)


def _message(id: str | None, path: str) -> UUID | None:
    return None if id is None else decode_id("message", id, path=(path,))
