"""Drafts of messages, as their author sees them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from auth import access
from models.errors import NotFound, StaleVersion
from models.ids import decode_id
from models.kept_words import MessageDraft, TooManyDrafts
from models.message import Content
from resolvers import drafts
from resolvers.operation import Operation
from schema.connections import Connection, connection
from schema.graph import column, computed, entity, node, one, source
from schema.kept_words import KeptText, kept_text
from schema.keyset import newest
from schema.messages import message_id
from schema.node import Node
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.person_ids import people_of
from schema.scalars import Markdown
from schema.type_names import Room


async def _texts(op: Operation, keys: Sequence[UUID]) -> dict[UUID, KeptText]:
    return {key: kept_text(words) for key, words in (await drafts.words_of_drafts(op, keys)).items()}


@node(
    "draft",
    MessageDraft,
    scope=access.visible_drafts,
    name="MessageDraft",
    description="What you may say in a room some day; you alone see it, on all your devices.",
)
class MessageDraftType(Node):
    room: Room | None = one(MessageDraft.room_id, "The room; null once you do not belong to it.")
    thread_id: strawberry.ID | None = computed(
        lambda id: None if id is None else message_id(id),
        MessageDraft.thread_id,
        description="The first message of the thread that it is for; null if it is for the room itself.",
    )
    content: KeptText | None = source(_texts, "What it says; always there.")
    version: int = column(MessageDraft.version, "Counts how often it was saved; for `expectedVersion`.")
    created_at: datetime = column(MessageDraft.created_at, "When it was begun.")
    updated_at: datetime = column(MessageDraft.updated_at, "When it was saved last.")


@strawberry.type
class DraftQuery:
    message_drafts: Connection[MessageDraftType] = connection(
        None,
        "Your drafts in all rooms, the one saved last first; empty for an anonymous caller.",
        default=newest(MessageDraft.updated_at),
    )


@strawberry.type(description="Answer to a mutation of a draft.")
class DraftPayload(MutationPayload):
    draft: MessageDraftType | None = entity("The draft as it is now; null if it was refused, or is gone.")


@strawberry.input(description="Input of `draftSave`.")
class DraftSaveInput:
    room_id: strawberry.ID = strawberry.field(description="The room.")
    thread_id: strawberry.ID | None = strawberry.field(
        default=None,
        description="The first message of a thread, to keep a draft for that; for the room itself if absent.",
    )
    text: Markdown = strawberry.field(description="1 to 20,000 characters.")
    answers_id: strawberry.ID | None = strawberry.field(
        default=None, description="A message that it answers."
    )
    quote_id: strawberry.ID | None = strawberry.field(default=None, description="A message to show again.")
    mention_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Whom it speaks to: at most 50."
    )
    mentions_room: bool = strawberry.field(
        default=False, description="Whether it speaks to everybody in the room."
    )
    mentions_here: bool = strawberry.field(
        default=False, description="Whether it speaks to those who are there when it is sent."
    )
    expected_version: int | None = strawberry.field(
        default=None, description=f"{VERSION} Without it the last to save wins."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `draftDiscard`.")
class DraftDiscardInput:
    id: strawberry.ID = strawberry.field(description="The draft.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    DraftPayload,
    NotFound,
    StaleVersion,
    TooManyDrafts,
    needs=Needs.SIGNED_IN,
    description="Keep what you may say in a room, in the place of what you kept for it before. What it answers, shows and "
    "mentions is looked at when it is sent.",
)
async def draft_save(op: Operation, input: DraftSaveInput) -> Answer:
    room_id = decode_id("room", input.room_id, path=("roomId",))
    content = Content(
        input.text,
        answers_id=_message(input.answers_id, "answersId"),
        quote_id=_message(input.quote_id, "quoteId"),
        mention_ids=tuple(people_of(input.mention_ids, "mentionIds")),
        mentions_room=input.mentions_room,
        here_ids=() if input.mentions_here else None,
    )
    thread_id = _message(input.thread_id, "threadId")
    return await drafts.save_draft(op, room_id, thread_id, content, expected_version=input.expected_version)


@mutation(DraftPayload, NotFound, needs=Needs.SIGNED_IN, description="Throw a draft of yours away.")
async def draft_discard(op: Operation, input: DraftDiscardInput) -> Answer:
    return await drafts.discard_draft(op, decode_id("draft", input.id))


def _message(id: str | None, path: str) -> UUID | None:
    return None if id is None else decode_id("message", id, path=(path,))
