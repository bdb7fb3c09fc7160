"""What can be done to rooms and to who belongs to them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import strawberry
from strawberry import Maybe

from models.errors import NotFound, StaleVersion
from models.ids import decode_id
from models.room import (
    BlockedPerson,
    DirectWithOneself,
    FixedMembers,
    LastOwner,
    RoomFull,
)
from models.user import AccountGone
from resolvers import reading, rooms
from resolvers.operation import Operation
from schema.graph import attached, entity
from schema.inputs import given, given_as
from schema.payloads import IDEMPOTENCY, VERSION, Answer, MutationPayload, Needs, mutation
from schema.person_ids import PERSON, people_of, person_of
from schema.room_words import RoomRole
from schema.rooms import ChatCounts, RoomType, all_counts_for
from schema.type_names import Person


@strawberry.type(description="Answer to a mutation of a room.")
class RoomPayload(MutationPayload):
    room: RoomType | None = entity("The room as it is now; null once you do not belong to it.")


@strawberry.type(description="Answer to a mutation about a person.")
class PersonPayload(MutationPayload):
    person: Person | None = entity("The person; null if you share neither a board nor a room with them.")


@strawberry.input(description="Names a room.")
class RoomActInput:
    id: strawberry.ID = strawberry.field(description="The room.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Names a person.")
class PersonActInput:
    person_id: strawberry.ID = strawberry.field(description=PERSON)
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `roomCreate`.")
class RoomCreateInput:
    title: str = strawberry.field(description="What it is called: 1 to 100 characters.")
    person_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Who shall belong to it beside you: at most 100, as for `personId`."
    )
    is_read_only: bool = strawberry.field(
        default=False, description="Whether only owners and moderators write."
    )
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@strawberry.input(description="Input of `roomEdit`; absent parts stay as they are.")
class RoomEditInput(RoomActInput):
    title: Maybe[str] = strawberry.field(description="What it is called: 1 to 100 characters.")
    is_read_only: Maybe[bool] = strawberry.field(description="Whether only owners and moderators write.")
    slow_mode_seconds: Maybe[int] = strawberry.field(
        description="How long a member waits between two messages, who is neither owner nor moderator: 0 for no wait, to 21,600."
    )
    expected_version: int | None = strawberry.field(default=None, description=VERSION)


@strawberry.input(description="Input of `roomMembersAdd`.")
class RoomMembersAddInput(RoomActInput):
    person_ids: list[strawberry.ID] = strawberry.field(
        description="Who: at most 100, each the id of a person, or of a freelancer's or a client's profile."
    )


@strawberry.input(description="Names somebody in a room.")
class RoomMemberActInput(RoomActInput):
    person_id: strawberry.ID = strawberry.field(description=PERSON)


@strawberry.input(description="Input of `roomMemberSetRole`.")
class RoomMemberSetRoleInput(RoomMemberActInput):
    role: RoomRole = strawberry.field(description="What they may do from now on.")


@strawberry.input(description="Input of `roomPreferenceSet`; absent parts stay as they are.")
class RoomPreferenceSetInput(RoomActInput):
    is_muted: Maybe[bool] = strawberry.field(description="Whether to be told of mentions only.")
    is_hidden: Maybe[bool] = strawberry.field(description="Whether to leave it out of `rooms`.")
    is_favorite: Maybe[bool] = strawberry.field(description="Whether to have it first.")


@strawberry.input(description="Input of `roomMarkRead`.")
class RoomMarkReadInput(RoomActInput):
    up_to: strawberry.ID | None = strawberry.field(
        default=None, description="The last message that you have read; without it, all of them."
    )


@strawberry.input(description="Input of `roomMarkUnread`.")
class RoomMarkUnreadInput(RoomActInput):
    from_: strawberry.ID = strawberry.field(name="from", description="The first message to be unread again.")


@strawberry.input(description="Input of `chatReceiptsSet`.")
class ChatReceiptsSetInput:
    is_on: bool = strawberry.field(description="Whether others are told what you read from now on.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


async def _shows_receipts_for(op: Operation, keys: Sequence[UUID]) -> dict[UUID, bool]:
    return dict.fromkeys(keys, await reading.shows_receipts(op))


@strawberry.type(description="Answer to a mutation of what you have read.")
class ReadPayload(MutationPayload):
    room: RoomType | None = entity("The room as it is now.")
    counts: ChatCounts | None = attached(
        all_counts_for, "entity_id", "What you have not read in all your rooms now; null if it was refused."
    )


@strawberry.type(description="Answer to `chatReceiptsSet`.")
class ChatReceiptsSetPayload(MutationPayload):
    shows_receipts: bool | None = attached(
        _shows_receipts_for, "entity_id", "Whether others are told now; null if it was refused."
    )


def _room(input: Any) -> UUID:
    return decode_id("room", input.id)


@mutation(
    RoomPayload,
    NotFound,
    BlockedPerson,
    AccountGone,
    DirectWithOneself,
    needs=Needs.SIGNED_IN,
    description="Open the room of you and somebody else, which is made the first time. For anybody whose profile you may see, or "
    "with whom you share a board or a room.",
)
async def room_open_direct(op: Operation, input: PersonActInput) -> Answer:
    return await rooms.open_direct(op, person_of(input.person_id))


@mutation(
    RoomPayload,
    NotFound,
    BlockedPerson,
    AccountGone,
    needs=Needs.SIGNED_IN,
    description="Make a group; you own it.",
)
async def room_create(op: Operation, input: RoomCreateInput) -> Answer:
    people = people_of(input.person_ids, "personIds")
    return await rooms.create_group(op, input.title, people, is_read_only=input.is_read_only)


@mutation(
    RoomPayload,
    NotFound,
    FixedMembers,
    StaleVersion,
    needs=Needs.SIGNED_IN,
    description="Change a group's title, or who may write in it and how often. Owners and moderators only.",
)
async def room_edit(op: Operation, input: RoomEditInput) -> Answer:
    changes = given(input, "title", "is_read_only")
    changes |= given_as(input, "slow_mode_seconds", lambda seconds: {"slow_mode_s": seconds})
    return await rooms.edit_room(op, _room(input), changes, expected_version=input.expected_version)


@mutation(
    RoomPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Put a room away: it is read, not written. A group by its owners and moderators, others by either side.",
)
async def room_archive(op: Operation, input: RoomActInput) -> Answer:
    return await rooms.archive_room(op, _room(input), is_on=True)


@mutation(
    RoomPayload, NotFound, needs=Needs.SIGNED_IN, description="Let people write in an archived room again."
)
async def room_unarchive(op: Operation, input: RoomActInput) -> Answer:
    return await rooms.archive_room(op, _room(input), is_on=False)


@mutation(
    RoomPayload,
    NotFound,
    FixedMembers,
    BlockedPerson,
    AccountGone,
    RoomFull,
    needs=Needs.SIGNED_IN,
    description="Take people into a group; who is in it already stays. Owners and moderators only.",
)
async def room_members_add(op: Operation, input: RoomMembersAddInput) -> Answer:
    return await rooms.add_members(op, _room(input), people_of(input.person_ids, "personIds"))


@mutation(
    RoomPayload,
    NotFound,
    FixedMembers,
    LastOwner,
    needs=Needs.SIGNED_IN,
    description="Send somebody away from a group: they read it no more, from this moment on. Owners and moderators only; an owner "
    "only by an owner.",
)
async def room_member_remove(op: Operation, input: RoomMemberActInput) -> Answer:
    return await rooms.remove_member(op, _room(input), person_of(input.person_id))


@mutation(
    RoomPayload,
    NotFound,
    FixedMembers,
    LastOwner,
    needs=Needs.SIGNED_IN,
    description="Say what a member of a group may do. Owners only.",
)
async def room_member_set_role(op: Operation, input: RoomMemberSetRoleInput) -> Answer:
    return await rooms.set_role(op, _room(input), person_of(input.person_id), input.role)


@mutation(
    RoomPayload,
    NotFound,
    FixedMembers,
    LastOwner,
    needs=Needs.SIGNED_IN,
    description="Leave a group.",
)
async def room_leave(op: Operation, input: RoomActInput) -> Answer:
    return await rooms.leave_room(op, _room(input))


@mutation(
    RoomPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Choose how you have a room: muted, hidden, first. Nobody else is told.",
)
async def room_preference_set(op: Operation, input: RoomPreferenceSetInput) -> Answer:
    return await rooms.set_preference(op, _room(input), given(input, "is_muted", "is_hidden", "is_favorite"))


@mutation(
    PersonPayload,
    NotFound,
    DirectWithOneself,
    needs=Needs.SIGNED_IN,
    description="Block somebody: neither of you can open a direct room with the other, write in the one you have, or take the "
    "other into a group. They are not told.",
)
async def person_block(op: Operation, input: PersonActInput) -> Answer:
    return await rooms.block_person(op, person_of(input.person_id))


@mutation(PersonPayload, needs=Needs.SIGNED_IN, description="Block somebody no longer.")
async def person_unblock(op: Operation, input: PersonActInput) -> Answer:
    return await rooms.unblock_person(op, person_of(input.person_id))


@mutation(
    ReadPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Say that you have read a room up to a message, or all of it. Never makes unread what was read: see "
    "`roomMarkUnread`. Members are told (`RoomReadReceipt`), unless you switched that off.",
)
async def room_mark_read(op: Operation, input: RoomMarkReadInput) -> Answer:
    up_to = None if input.up_to is None else decode_id("message", input.up_to, path=("upTo",))
    return await reading.mark_read(op, _room(input), up_to=up_to)


@mutation(
    ReadPayload,
    NotFound,
    needs=Needs.SIGNED_IN,
    description="Have a message and all after it unread again. Nobody else is told.",
)
async def room_mark_unread(op: Operation, input: RoomMarkUnreadInput) -> Answer:
    return await reading.mark_unread(
        op, _room(input), from_id=decode_id("message", input.from_, path=("from",))
    )


@mutation(
    ChatReceiptsSetPayload,
    needs=Needs.SIGNED_IN,
    description="Choose whether others are told what you have read. While it is off, you are not among the readers of any message, "
    "and what you read then is not told later either.",
)
async def chat_receipts_set(op: Operation, input: ChatReceiptsSetInput) -> Answer:
    return await reading.set_receipts(op, is_on=input.is_on)
