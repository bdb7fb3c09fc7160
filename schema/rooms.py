"""Rooms of chat as their members see them. What can be done to them is in `room_acts`, what is said in `messages`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlmodel import col
from strawberry import Maybe

from auth import abilities as may
from auth import access
from auth.abilities import RoomAction
from auth.viewer import Viewer
from models.kept_words import MessageDraft
from models.room import PersonBlock, Room, RoomMember
from resolvers import reading, room_members
from resolvers.operation import Operation
from resolvers.room_members import Part
from schema.abilities import Abilities, abilities
from schema.connections import Connection, ConnectionOf, connection, paging_arguments
from schema.drafts import MessageDraftType
from schema.filters import Clause, Equality, compares, means
from schema.graph import Answered, Context, column, computed, declare, lookup, node, one, record, source, sql
from schema.keyset import Key, newest
from schema.node import Node
from schema.places import current_place
from schema.room_presence import shows_presence
from schema.room_words import RoomKind, RoomRole
from schema.scalars import StreamCursor
from schema.type_names import Application, Contract, Gig, Person


@record(
    RoomMember,
    scope=access.visible_room_members,
    name="RoomMember",
    description="Somebody who belongs to a room.",
)
class RoomMemberType:
    person: Person | None = one(RoomMember.user_id, "Who it is; always there.")
    role: RoomRole = column(RoomMember.role, "What they may do in the room.")
    joined_at: datetime = column(RoomMember.joined_at, "Since when they belong to it.")


@strawberry.type(description="How you have a room. Nobody else sees it.")
class RoomMembership:
    role: RoomRole = strawberry.field(description="What you may do in the room.")
    is_muted: bool = strawberry.field(description="Whether you want to be told of mentions only.")
    is_hidden: bool = strawberry.field(
        description="Whether you put it out of your sight; `rooms` leaves it out unless asked."
    )
    is_favorite: bool = strawberry.field(description="Whether you want to have it first.")


@strawberry.type(description="What you have not read in a room; exact as of now.")
class RoomCounts:
    unread: int = strawberry.field(
        description="Messages of others that you have not read; deleted ones do not count."
    )
    mentions: int = strawberry.field(
        description="Those of them that speak to you, or to everybody in the room."
    )
    read_number: int = strawberry.field(
        description="The number in the room's log up to which you have read it."
    )


@strawberry.type(description="What you have not read in all your rooms; exact as of now.")
class ChatCounts:
    unread: int = strawberry.field(
        description="Messages of others that you have not read; of muted rooms, those that speak to you."
    )
    mentions: int = strawberry.field(description="Those that speak to you, or to everybody in a room.")
    rooms: int = strawberry.field(description="Rooms with something unread that counts here.")


async def room_counts(op: Operation, keys: Sequence[UUID]) -> dict[UUID, RoomCounts]:
    return {
        key: RoomCounts(unread=found.unread, mentions=found.mentions, read_number=found.read_number)
        for key, found in (await reading.counts_in(op, keys)).items()
    }


async def all_counts(op: Operation) -> ChatCounts:
    found = await reading.counts_of_all(op)
    return ChatCounts(unread=found.unread, mentions=found.mentions, rooms=found.rooms)


async def all_counts_for(op: Operation, keys: Sequence[Any]) -> dict[Any, ChatCounts]:
    """The caller's, whatever they are asked for."""
    return dict.fromkeys(keys, await all_counts(op))


async def _chat_counts(context: Context) -> ChatCounts:
    return await all_counts(context.op)


async def _shows_receipts(context: Context) -> bool:
    return await reading.shows_receipts(context.op)


def _live(_: Viewer) -> Clause:
    return col(RoomMember.left_at).is_(None)


_count = (
    sa.select(sa.func.count())
    .where(col(RoomMember.room_id) == col(Room.id), col(RoomMember.left_at).is_(None))
    .correlate_except(RoomMember)
    .scalar_subquery()
    .label("room_member_count")
)


async def _memberships(op: Operation, keys: Sequence[UUID]) -> dict[UUID, RoomMembership]:
    found = await room_members.parts_in(op, keys)
    return {
        key: RoomMembership(
            role=part.role, is_muted=part.is_muted, is_hidden=part.is_hidden, is_favorite=part.is_favorite
        )
        for key, part in found.items()
    }


async def _can(op: Operation, keys: Sequence[UUID]) -> dict[UUID, Abilities[RoomAction]]:
    return {key: abilities(_abilities(part)) for key, part in (await room_members.parts_in(op, keys)).items()}


def _abilities(part: Part) -> dict[RoomAction, str | None]:
    return may.on_room(
        part.kind, part.role, is_archived=part.is_archived, is_read_only=part.is_read_only, is_blocked=part.is_blocked,
        is_deserted=part.is_deserted,
    )  # fmt: skip


@node(
    "room",
    Room,
    scope=access.visible_rooms,
    name="Room",
    description="A place to talk. Its members see it, and nobody else: no administrator either. What is said is in `messages`, "
    "live by `roomEvents`.",
)
class RoomType(Node):
    kind: RoomKind = column(Room.kind, "What it is for.")
    title: str | None = column(Room.title, "What a group is called, at most 100 characters; null for others.")
    gig: Gig | None = one(
        Room.gig_id, "The gig it is around; null if it is around none, or you may not see it."
    )
    application: Application | None = one(
        Room.application_id, "The application it is for; null for other rooms."
    )
    contract: Contract | None = one(Room.contract_id, "The contract it is for; null for other rooms.")
    members: Connection[RoomMemberType] = connection(
        RoomMember.room_id,
        "Who belongs to it, in the order in which they came.",
        default=(Key(sql(RoomMember.joined_at)),),
        tie_break=RoomMember.user_id,
        narrowed=_live,
    )
    member_count: int = computed(lambda count: count, _count, description="How many belong to it.")
    is_read_only: bool = column(Room.is_read_only, "Whether only its owners and moderators write.")
    slow_mode_seconds: int = column(
        Room.slow_mode_s,
        "How long a member waits between two messages, who is neither owner nor moderator; 0 for no wait.",
    )
    archived_at: datetime | None = column(
        Room.archived_at, "When it was put away; null while it can be written in."
    )
    membership: RoomMembership | None = source(_memberships, "How you have it; always there.")
    counts: RoomCounts | None = source(room_counts, "What you have not read in it; always there.")
    drafts: Connection[MessageDraftType] = connection(
        MessageDraft.room_id,
        "What you may say in it some day, the draft saved last first: one for the room itself, and one for each thread.",
        default=newest(MessageDraft.updated_at),
    )
    version: int = column(Room.version, "Counts the changes of its settings; for `expectedVersion`.")
    created_at: datetime = column(Room.created_at, "When it was made.")
    updated_at: datetime = column(Room.updated_at, "When its settings changed last.")
    stream_cursor: StreamCursor = current_place(
        "roomstate",
        Room.id,
        "Where the room's own facts stood when this was read; with it in `after`, `roomEvents` tells those that came later, and "
        "of messages those from now on. To go on from messages that you read, take `streamCursor` of `messages`.",
    )
    viewer: Abilities[RoomAction] | None = source(_can, "What you can do in it now; always there.")


@record(
    PersonBlock,
    scope=access.visible_blocks,
    name="PersonBlock",
    description="Somebody whom you blocked. They are not told.",
)
class PersonBlockType:
    person: Person | None = one(
        PersonBlock.blocked_id, "Who it is; null if you share neither a board nor a room with them."
    )
    created_at: datetime = column(PersonBlock.created_at, "Since when.")


@strawberry.input(description="Which of your rooms to list.")
class RoomWhere:
    kind: Maybe[Equality[RoomKind]] = compares(Room.kind, "By what it is for.")
    is_archived: Maybe[bool] = means(
        lambda is_archived, _: col(Room.archived_at).is_not(None) == is_archived, "Whether it was put away."
    )
    is_hidden: Maybe[bool] = means(
        lambda is_hidden, op: _has(op.viewer, col(RoomMember.is_hidden) == is_hidden),
        "Whether you put it out of your sight; only those that you did not, if absent.",
    )
    is_favorite: Maybe[bool] = means(
        lambda is_favorite, op: _has(op.viewer, col(RoomMember.is_favorite) == is_favorite),
        "Whether you want to have it first.",
    )


def _has(viewer: Viewer, condition: Clause) -> Clause:
    return sa.exists().where(
        col(RoomMember.room_id) == col(Room.id), col(RoomMember.user_id) == viewer.user_id, condition
    )


class _Rooms(ConnectionOf):
    """What is hidden shows only to those who ask for it."""

    def conditions(self, where: Any, op: Operation) -> list[Clause]:
        is_asked = where is not None and where.is_hidden is not None
        shown = [] if is_asked else [_has(op.viewer, col(RoomMember.is_hidden).is_(False))]
        return super().conditions(where, op) + shown


def _rooms() -> Any:
    field = declare(
        _Rooms(None, {}, newest(Room.created_at)),
        "Rooms that you belong to, the newest first; empty for an anonymous caller.",
    )
    field.arguments = paging_arguments(RoomWhere, None)
    return field


@strawberry.type
class RoomQuery:
    room: RoomType | None = lookup("A room by its id; null if there is none or you do not belong to it.")
    rooms: Connection[RoomType] = _rooms()
    chat_counts: ChatCounts = declare(
        Answered(_chat_counts), "What you have not read in all your rooms; zeros for an anonymous caller."
    )
    chat_shows_receipts: bool = declare(
        Answered(_shows_receipts),
        "Whether others are told what you have read: true until `chatReceiptsSet` says otherwise.",
    )
    chat_shows_presence: bool = declare(
        Answered(shows_presence),
        "Whether members of your rooms see if you are there: true until `chatPresenceSet` says otherwise.",
    )
    person_blocks: Connection[PersonBlockType] = connection(
        None,
        "Whom you blocked, the latest first; empty for an anonymous caller.",
        default=newest(PersonBlock.created_at),
        tie_break=PersonBlock.blocked_id,
    )
