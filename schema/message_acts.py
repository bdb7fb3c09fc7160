"""What can be said, and done to what was said."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import strawberry

from models.attachment import AttachedAlready
from models.chat import RoomBusy
from models.errors import NotFound
from models.ids import decode_id
from models.message import Content, DeletedMessage, MessageIsFull
from models.pace import SlowMode, TooFast
from models.presence import RoomTooLarge
from models.room import ArchivedRoom, BlockedPerson, ReadOnlyRoom
from models.user import AccountGone
from resolvers import drafts, messages
from resolvers.messages import Done
from resolvers.operation import Operation
from schema.messages import MessageType, shown_message
from schema.payloads import Answer, MutationPayload, Needs, mutation
from schema.person_ids import people_of
from schema.scalars import Markdown

CLIENT_ID = (
    "Any text up to 200 characters that names this act among all of yours in this room, for ever. A repeat with the same key and "
    "input changes nothing and answers REPLAYED; the same key with another input is refused."
)
_MENTIONS = "Members of the room whom it speaks to: at most 50."


@strawberry.type(description="Answer to a mutation of a message.")
class MessagePayload(MutationPayload):
    message: MessageType | None = strawberry.field(
        default=None, description="The message as it is now; null if it was refused."
    )


_FILES = "Files of yours that hang on nothing, uploaded by `PUT /files` before: at most 10."


@strawberry.input(description="Input of `messageSend`.")
class MessageSendInput:
    room_id: strawberry.ID = strawberry.field(description="The room.")
    text: Markdown = strawberry.field(description="1 to 20,000 characters; it may be empty beside files.")
    answers_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message that it answers; both are of one thread then."
    )
    quote_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message of the room to show again."
    )
    mention_ids: list[strawberry.ID] = strawberry.field(default_factory=list, description=_MENTIONS)
    mentions_room: bool = strawberry.field(
        default=False,
        description="Whether it speaks to everybody in the room; in a group by its owners and moderators.",
    )
    mentions_here: bool = strawberry.field(
        default=False,
        description="Whether it speaks to those by name who are there (ONLINE) when it is sent, for who may speak to everybody; in "
        "rooms of at most 200 members.",
    )
    attachment_ids: list[strawberry.ID] = strawberry.field(default_factory=list, description=_FILES)
    draft_id: strawberry.ID | None = strawberry.field(
        default=None, description="A draft of yours for this room, which is discarded once it is sent."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=CLIENT_ID)


@strawberry.input(description="Names a message.")
class MessageActInput:
    room_id: strawberry.ID = strawberry.field(description="The room.")
    id: strawberry.ID = strawberry.field(description="The message.")
    idempotency_key: str | None = strawberry.field(default=None, description=CLIENT_ID)


@strawberry.input(description="Input of `messageEdit`.")
class MessageEditInput(MessageActInput):
    text: Markdown = strawberry.field(
        description="1 to 20,000 characters; it may be empty where `attachmentIds` names files."
    )
    mention_ids: list[strawberry.ID] = strawberry.field(default_factory=list, description=_MENTIONS)
    mentions_room: bool = strawberry.field(
        default=False,
        description="Whether it speaks to everybody in the room; in a group by its owners and moderators.",
    )
    attachment_ids: list[strawberry.ID] | None = strawberry.field(
        default=None,
        description="The files that it shows from now on: those it showed before, and others of yours that hang on nothing. What it "
        "shows no longer is given up for good. Without this they stay as they are.",
    )


@strawberry.input(description="Names a message and an emoji.")
class MessageReactInput(MessageActInput):
    emoji: str = strawberry.field(description="One emoji.")


def _room(input: Any) -> UUID:
    return decode_id("room", input.room_id, path=("roomId",))


def _message(id: str | None, path: str = "id") -> UUID | None:
    return None if id is None else decode_id("message", id, path=(path,))


def _files(ids: Sequence[str]) -> tuple[UUID, ...]:
    return tuple(decode_id("file", id, path=("attachmentIds", str(index))) for index, id in enumerate(ids))


def _answer(done: Done) -> Answer:
    receipt, shown = done
    return receipt, {"message": None if shown is None else shown_message(shown)}


_ALWAYS = (NotFound, RoomBusy)
_WRITES = (*_ALWAYS, ArchivedRoom, BlockedPerson, AccountGone)


@mutation(
    MessagePayload,
    *_WRITES,
    ReadOnlyRoom,
    DeletedMessage,
    SlowMode,
    TooFast,
    AttachedAlready,
    RoomTooLarge,
    needs=Needs.SIGNED_IN,
    description="Say something in a room that you belong to.",
)
async def message_send(op: Operation, input: MessageSendInput) -> Answer:
    content = Content(
        input.text,
        answers_id=_message(input.answers_id, "answersId"),
        quote_id=_message(input.quote_id, "quoteId"),
        mention_ids=tuple(people_of(input.mention_ids, "mentionIds")),
        mentions_room=input.mentions_room,
        here_ids=() if input.mentions_here else None,
        file_ids=_files(input.attachment_ids),
    )
    if input.draft_id is None:
        return _answer(await messages.send_message(op, _room(input), content))
    draft_id = decode_id("draft", input.draft_id, path=("draftId",))
    return _answer(await drafts.send_draft(op, _room(input), content, draft_id))


@mutation(
    MessagePayload,
    *_WRITES,
    ReadOnlyRoom,
    DeletedMessage,
    MessageIsFull,
    AttachedAlready,
    needs=Needs.SIGNED_IN,
    description="Word a message of yours anew. What it said before stays readable in `messageVersions`. Whom `mentionsHere` spoke to "
    "stays.",
)
async def message_edit(op: Operation, input: MessageEditInput) -> Answer:
    content = Content(
        input.text,
        mention_ids=tuple(people_of(input.mention_ids, "mentionIds")),
        mentions_room=input.mentions_room,
        file_ids=_files(input.attachment_ids or ()),
    )
    key, keeps_files = decode_id("message", input.id), input.attachment_ids is None
    return _answer(await messages.edit_message(op, _room(input), key, content, keeps_files=keeps_files))


@mutation(
    MessagePayload,
    *_ALWAYS,
    needs=Needs.SIGNED_IN,
    description="Take a message back; a tombstone stays. Its author, or in a group its owners and moderators.",
)
async def message_delete(op: Operation, input: MessageActInput) -> Answer:
    return _answer(await messages.delete_message(op, _room(input), decode_id("message", input.id)))


@mutation(
    MessagePayload,
    *_WRITES,
    DeletedMessage,
    MessageIsFull,
    TooFast,
    needs=Needs.SIGNED_IN,
    description="Put an emoji under a message.",
)
async def message_react(op: Operation, input: MessageReactInput) -> Answer:
    return await _react(op, input, is_on=True)


@mutation(
    MessagePayload,
    *_WRITES,
    DeletedMessage,
    MessageIsFull,
    TooFast,
    needs=Needs.SIGNED_IN,
    description="Take an emoji of yours back.",
)
async def message_unreact(op: Operation, input: MessageReactInput) -> Answer:
    return await _react(op, input, is_on=False)


async def _react(op: Operation, input: MessageReactInput, *, is_on: bool) -> Answer:
    key = decode_id("message", input.id)
    return _answer(await messages.react_to_message(op, _room(input), key, input.emoji, is_on=is_on))


@mutation(
    MessagePayload,
    *_WRITES,
    DeletedMessage,
    MessageIsFull,
    needs=Needs.SIGNED_IN,
    description="Pin a message to the room. In a group its owners and moderators, elsewhere either side.",
)
async def message_pin(op: Operation, input: MessageActInput) -> Answer:
    return await _pin(op, input, is_on=True)


@mutation(
    MessagePayload,
    *_WRITES,
    DeletedMessage,
    MessageIsFull,
    needs=Needs.SIGNED_IN,
    description="Take a message from the pinned ones.",
)
async def message_unpin(op: Operation, input: MessageActInput) -> Answer:
    return await _pin(op, input, is_on=False)


async def _pin(op: Operation, input: MessageActInput, *, is_on: bool) -> Answer:
    key = decode_id("message", input.id)
    return _answer(await messages.pin_message(op, _room(input), key, is_on=is_on))
