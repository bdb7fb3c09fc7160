"""What people say in rooms: sealed, appended to the room's log once for ever, and read as it stands.

Whether somebody may write is asked of PostgreSQL first, in one statement; then the fact is appended to the chat store, which
may be another database. Nothing is held meanwhile, so an act that was allowed may be appended a moment after its author was
removed; one that begins after the removal is refused.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from auth.revocation import LossKind
from auth.viewer import SignInRequired
from models.chat import ChatDraft, ChatFact, ChatKind, ChatMessage, Sealed
from models.chat_cipher import Place, sealed_name
from models.emoji import is_emoji
from models.errors import DomainError, IdempotencyConflict, Invalid, NotAllowed, NotFound
from models.idempotency import Outcome
from models.message import MAX_EMOJIS, MAX_FACTS, Content, DeletedMessage, MessageIsFull
from models.message_previews import Named
from models.presence import RoomDoing
from models.room import (
    MODERATING,
    ArchivedRoom,
    BlockedPerson,
    ReadOnlyRoom,
    Room,
    RoomKind,
    RoomMember,
    RoomMessage,
    RoomProgress,
)
from models.store.chat import ChatPage
from models.store.chat_keys import Unreadable
from models.store.sql import Position, Receipt, Transaction
from models.stream import StreamHead
from models.user import AccountGone
from resolvers.message_files import (
    MessageFile,
    claim_files,
    files_in,
    let_files_go,
    require_free,
    return_files,
)
from resolvers.message_pace import take_turn_to_react, take_turn_to_send
from resolvers.open_words import contents_of, named_by
from resolvers.operation import Operation
from resolvers.projection import catch_up
from resolvers.room_members import Part, parts_in, who_is_here

Words = Content | Unreadable | None
"""What a message says now, or why that cannot be read; None once it is deleted."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as a member reads it. `quoted` is the one that it shows again, if that is there, `files` those that it shows
    and that are there, `named` what of ours its text names."""

    message: ChatMessage
    words: Words
    quoted: "Shown | None" = None
    files: Sequence[MessageFile] = ()
    named: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """What a message said from `at` on."""

    at: datetime
    words: Words


@dataclass(frozen=True, slots=True)
class ShownPage:
    """Messages in the order of sending. `at` is where the log ended then, `state_number` where the room's other stream did,
    read before it."""

    messages: Sequence[Shown]
    has_before: bool
    has_after: bool
    at: int
    state_number: int


Done = tuple[Receipt, Shown | None]

# -- acts --------------------------------------------------------------------------------------------------------------------


async def send_message(op: Operation, room_id: UUID, content: Content) -> Done:
    """Say something. The idempotency key names it in this room for ever: a repeat answers with what was stored."""
    op.viewer.require_user()
    here = await here_in(op, room_id)
    content = content.checked()
    fact_id = op.new_id()

    async def draft() -> ChatDraft:
        here.require_writable()
        here.require_may_address(content)
        said = await settled(op, room_id, content)
        client_id = await _client_id(op, room_id, fact_id)
        await require_free(op, room_id, content.file_ids, client_id=client_id)
        slow_mode_s = 0 if here.moderates else here.part.slow_mode_s
        await take_turn_to_send(op, room_id, fact_id, slow_mode_s=slow_mode_s)
        await claim_files(op, room_id, fact_id, content.file_ids, client_id=client_id)
        return await _sealed_draft(op, room_id, ChatKind.SENT, fact_id, fact_id, said)

    return await _act(op, room_id, draft, kind=ChatKind.SENT, content=content)


async def edit_message(
    op: Operation, room_id: UUID, message_id: UUID, content: Content, *, keeps_files: bool = True
) -> Done:
    """Word it anew; what it said before stays readable. Thread and quote stay as they are, and files unless others are named:
    those that are named no longer are given up for good."""
    me = op.viewer.require_user()
    here = await here_in(op, room_id)
    content = content.checked()
    fact_id = op.new_id()
    given_up: set[UUID] = set()

    async def draft() -> ChatDraft | None:
        here.require_writable()
        message = await require_editable(op, room_id, message_id)
        words = await _current(op, message)
        await _require_members(op, room_id, content.mention_ids)
        before = words if isinstance(words, Content) else Content("")
        if not before.mentions_room:
            here.require_may_address(content)
        new = replace(
            content, answers_id=before.answers_id, thread_id=before.thread_id, quote_id=before.quote_id,
            here_ids=before.here_ids,
            file_ids=before.file_ids if keeps_files else content.file_ids,
        )  # fmt: skip
        if new == before:
            return None
        await _require_few(op, message)
        added = [id for id in new.file_ids if id not in before.file_ids]
        client_id = await _client_id(op, room_id, fact_id)
        await claim_files(op, room_id, message_id, added, client_id=client_id)
        given_up.update(set(before.file_ids) - set(new.file_ids))
        return await _sealed_draft(op, room_id, ChatKind.EDITED, message_id, fact_id, new)

    done = await _act(
        op, room_id, draft, kind=ChatKind.EDITED, message_id=message_id, content=content, keeps_files=keeps_files
    )  # fmt: skip
    if done[0].outcome is not Outcome.REPLAYED:
        op.services.attendance.has_done(f"room:{room_id}", me, RoomDoing.EDITING, part=message_id)
    if given_up and done[0].outcome is Outcome.APPLIED:
        await let_files_go(op, message_id, given_up)
    return done


async def delete_message(op: Operation, room_id: UUID, message_id: UUID) -> Done:
    """Take it back: by its author, or in a group by who moderates it. A tombstone stays."""
    me = op.viewer.require_user()
    here = await here_in(op, room_id)

    async def draft() -> ChatDraft | None:
        message = await _message(op, room_id, message_id)
        if message.sent.author_id != me and not here.moderates:
            raise NotAllowed(
                "AUTHOR", "Only whoever wrote a message can delete it, or who moderates the group."
            )
        if message.deleted_at is not None:
            return None
        return await _draft(op, room_id, ChatKind.DELETED, message_id, op.new_id())

    done = await _act(op, room_id, draft, kind=ChatKind.DELETED, message_id=message_id)
    receipt, shown = done
    if receipt.outcome is not Outcome.REPLAYED and shown is not None:
        author_id = shown.message.sent.author_id
        op.services.attendance.has_done(f"room:{room_id}", author_id, RoomDoing.EDITING, part=message_id)
    if receipt.outcome is Outcome.APPLIED:
        await let_files_go(op, message_id)
    return done


async def react_to_message(
    op: Operation, room_id: UUID, message_id: UUID, emoji: str, *, is_on: bool
) -> Done:
    """Put an emoji under a message, or take it back."""
    me = op.viewer.require_user()
    here = await here_in(op, room_id)
    if not is_emoji(emoji):
        raise Invalid(("emoji",), "EMOJI", "This is not an emoji.")
    kind = ChatKind.REACTED if is_on else ChatKind.UNREACTED
    fact_id = op.new_id()

    async def draft() -> ChatDraft | None:
        here.require_open()
        message = await _live(op, room_id, message_id)
        if (me in message.reactions.get(emoji, ())) == is_on:
            return None
        if is_on and emoji not in message.reactions and len(message.reactions) >= MAX_EMOJIS:
            raise MessageIsFull("different reactions", limit=MAX_EMOJIS, count=len(message.reactions))
        if is_on:
            await _require_few(op, message)
        await take_turn_to_react(op, room_id, fact_id)
        return await _draft(op, room_id, kind, message_id, fact_id, reaction=emoji)

    return await _act(op, room_id, draft, kind=kind, message_id=message_id, reaction=emoji)


async def pin_message(op: Operation, room_id: UUID, message_id: UUID, *, is_on: bool) -> Done:
    """Pin a message to the room, or take it from the pinned ones: in a group by who moderates it, elsewhere by each side."""
    op.viewer.require_user()
    here = await here_in(op, room_id)
    kind = ChatKind.PINNED if is_on else ChatKind.UNPINNED

    async def draft() -> ChatDraft | None:
        here.require_open()
        if here.part.kind is RoomKind.GROUP and not here.moderates:
            raise NotAllowed("MODERATOR", "Only owners and moderators of the room can do this.")
        message = await _live(op, room_id, message_id)
        if (message.pinned_at is not None) == is_on:
            return None
        if is_on:
            await _require_few(op, message)
        return await _draft(op, room_id, kind, message_id, op.new_id())

    return await _act(op, room_id, draft, kind=kind, message_id=message_id)


# -- reading -----------------------------------------------------------------------------------------------------------------


async def page_of_messages(
    op: Operation, room_id: UUID, *, limit: int, before: int | None = None, after: int | None = None
) -> ShownPage | None:
    """The newest messages below a number, or the oldest above one; None if the caller does not see the room."""
    state_number = await state_number_of(op, room_id)
    if state_number is None:
        return None
    page = await op.services.chat.store.page(room_id, limit=limit, before=before, after=after)
    return await _shown_page(op, room_id, page, state_number)


async def page_around(
    op: Operation, room_id: UUID, message_id: UUID, *, earlier: int, later: int
) -> ShownPage | None:
    """A message with some before and after it; None if the caller does not see the room, or the room has no such message."""
    state_number = await state_number_of(op, room_id)
    if state_number is None:
        return None
    page = await op.services.chat.store.around(room_id, message_id, earlier=earlier, later=later)
    return None if page is None else await _shown_page(op, room_id, page, state_number)


async def page_of_some(
    op: Operation,
    room_id: UUID,
    *,
    thread_id: UUID | None,
    is_pinned: bool,
    limit: int,
    before: int | None = None,
    after: int | None = None,
) -> ShownPage | None:
    """Like `page_of_messages`, of those of one thread, or of those that are pinned; exact as of now."""
    state_number = await state_number_of(op, room_id)
    if state_number is None:
        return None
    await catch_up(op, [room_id])
    place = sa.select(col(RoomProgress.seq)).where(col(RoomProgress.room_id) == room_id)
    at = int((await op.db.fetch(sa.select(sa.func.coalesce(place.scalar_subquery(), 0))))[0][0])
    seq, id = col(RoomMessage.seq), col(RoomMessage.message_id)
    where: list[sa.ColumnElement[bool]] = [col(RoomMessage.room_id) == room_id]
    if thread_id is not None:
        where.append((col(RoomMessage.thread_id) == thread_id) | (id == thread_id))
    if is_pinned:
        where.append(col(RoomMessage.is_pinned).is_(True))
    bounds = [] if before is None else [seq < before]
    bounds += [] if after is None else [seq > after]
    order = seq.desc() if after is None else seq
    rows = await op.db.fetch(sa.select(id).where(*where, *bounds).order_by(order).limit(limit + 1))
    ids = [row[0] for row in rows][:limit]
    found = sorted((await op.services.chat.store.messages(room_id, ids)).values(), key=lambda one: one.seq)
    has_more = len(rows) > limit
    has_before = has_more if after is None else after > 0
    has_after = before is not None if after is None else has_more
    return await _shown_page(op, room_id, ChatPage(found, has_before, has_after, at), state_number)


async def message_in(op: Operation, room_id: UUID, message_id: UUID) -> Shown | None:
    """None if the caller does not see the room, or the room has no such message."""
    if await state_number_of(op, room_id) is None:
        return None
    return (await messages_of(op, room_id, [message_id])).get(message_id)


async def versions_of(op: Operation, room_id: UUID, message_id: UUID) -> list[Version]:
    """Everything that a message ever said, in order; nothing of one that is deleted, or that the caller does not see."""
    if await state_number_of(op, room_id) is None:
        return []
    facts = await op.services.chat.store.facts_about(room_id, message_id)
    if not facts or any(fact.kind is ChatKind.DELETED for fact in facts):
        return []
    said = [fact for fact in facts if fact.sealed is not None and fact.author_id == facts[0].author_id]
    return [Version(fact.at, words) for fact, words in zip(said, await contents_of(op, said), strict=True)]


async def messages_of(op: Operation, room_id: UUID, message_ids: Collection[UUID]) -> dict[UUID, Shown]:
    """Messages of a room that the caller is known to see."""
    found = await op.services.chat.store.messages(room_id, message_ids)
    return {shown.message.id: shown for shown in await _shown(op, room_id, list(found.values()))}


async def state_number_of(op: Operation, room_id: UUID) -> int | None:
    """Where the room's own stream stands; None if the caller does not see the room."""
    statement = sa.select(_state_number()).where(col(Room.id) == room_id, access.visible_rooms(op.viewer))
    rows = await op.db.fetch(statement)
    return int(rows[0][0]) if rows else None


def _state_number() -> sa.ColumnElement[int]:
    name = sa.literal("roomstate:", sa.Text) + sa.cast(col(Room.id), sa.Text)
    head = sa.select(col(StreamHead.number)).where(col(StreamHead.stream) == name).scalar_subquery()
    return sa.func.coalesce(head, 0)


async def _shown_page(op: Operation, room_id: UUID, page: ChatPage, state_number: int) -> ShownPage:
    messages = await _shown(op, room_id, page.messages)
    return ShownPage(messages, page.has_before, page.has_after, page.at, state_number)


async def _shown(op: Operation, room_id: UUID, messages: Sequence[ChatMessage]) -> list[Shown]:
    """With what they say, show and quote; two steps at most: what is quoted shows no quote of its own, nor files."""
    words_of = await _words_of(op, messages)
    named = [id for words in words_of if isinstance(words, Content) for id in words.file_ids]
    files = await files_in(op, room_id, named)
    texts = [words.text if isinstance(words, Content) else "" for words in words_of]
    shown = [
        Shown(message, words, files=_files_of(words, files), named=found)
        for message, words, found in zip(messages, words_of, await named_by(texts), strict=True)
    ]
    quotes = {one.words.quote_id for one in shown if isinstance(one.words, Content)} - {None}
    if not quotes:
        return shown
    here = {one.message.id: one for one in shown}
    missing = [id for id in quotes if id is not None and id not in here]
    found = list((await op.services.chat.store.messages(room_id, missing)).values()) if missing else []
    quoted = here | {
        message.id: Shown(message, words)
        for message, words in zip(found, await _words_of(op, found), strict=True)
    }
    return [
        replace(one, quoted=quoted.get(one.words.quote_id))
        if isinstance(one.words, Content) and one.words.quote_id is not None
        else one
        for one in shown
    ]


def _files_of(words: Words, files: Mapping[UUID, MessageFile]) -> list[MessageFile]:
    named = words.file_ids if isinstance(words, Content) else ()
    return [files[id] for id in named if id in files]


async def _words_of(op: Operation, messages: Sequence[ChatMessage]) -> list[Words]:
    said = [message.words for message in messages if message.words is not None]
    opened = iter(await contents_of(op, said))
    return [None if message.words is None else next(opened) for message in messages]


# -- who may -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Here:
    """The caller's part in a room, as one statement read it."""

    room_id: UUID
    part: Part

    @property
    def moderates(self) -> bool:
        return self.part.kind is RoomKind.GROUP and self.part.role in MODERATING

    def require_open(self) -> None:
        """Raises `ArchivedRoom`, `BlockedPerson` and `AccountGone`."""
        if self.part.is_archived:
            raise ArchivedRoom(room_id=self.room_id)
        if self.part.is_blocked:
            raise BlockedPerson
        if self.part.is_deserted:
            raise AccountGone

    def require_writable(self) -> None:
        """Raises `ArchivedRoom`, `BlockedPerson`, `AccountGone` and `ReadOnlyRoom`."""
        self.require_open()
        if self.part.is_read_only and self.part.role not in MODERATING:
            raise ReadOnlyRoom

    def require_may_address(self, content: Content) -> None:
        """In a group not everybody speaks to everybody. Raises `NotAllowed`."""
        speaks_to_many = content.mentions_room or content.here_ids is not None
        if speaks_to_many and self.part.kind is RoomKind.GROUP and not self.moderates:
            raise NotAllowed(
                "MODERATOR",
                "Only owners and moderators speak to everybody in a group. Mention whom you mean.",
            )


async def here_in(op: Operation, room_id: UUID, *, tx: Transaction | None = None) -> Here:
    """In a transaction as of its locks. Raises `NotFound`, and `SignInRequired` for who was suspended or erased a moment ago."""
    part = (await parts_in(op, [room_id], tx=tx)).get(room_id)
    if part is None:
        raise NotFound("room", path=("roomId",))
    if part.is_shut_out:
        raise SignInRequired("Your account was changed a moment ago. Sign in again.")
    return Here(room_id, part)


async def _require_members(op: Operation, room_id: UUID, people: Sequence[UUID]) -> None:
    if not people:
        return
    statement = sa.select(sa.func.count()).where(
        col(RoomMember.room_id) == room_id,
        col(RoomMember.user_id).in_(people),
        col(RoomMember.left_at).is_(None),
    )
    if (await op.db.fetch(statement))[0][0] != len(people):
        raise NotFound("member of this room", path=("mentionIds",))


async def require_editable(
    op: Operation, room_id: UUID, message_id: UUID, *, path: str | None = None
) -> ChatMessage:
    """A message that the caller wrote in this room. Raises `NotFound`, `NotAllowed` and `DeletedMessage`."""
    message = await _message(op, room_id, message_id, path=path)
    if message.sent.author_id != op.viewer.user_id:
        raise NotAllowed("AUTHOR", "Only whoever wrote a message can edit it.")
    if message.deleted_at is not None:
        raise DeletedMessage
    return message


async def _message(op: Operation, room_id: UUID, message_id: UUID, *, path: str | None = None) -> ChatMessage:
    message = await op.services.chat.store.message(room_id, message_id)
    if message is None:
        raise NotFound("message", path=() if path is None else (path,))
    return message


async def _live(op: Operation, room_id: UUID, message_id: UUID) -> ChatMessage:
    message = await _message(op, room_id, message_id)
    if message.deleted_at is not None:
        raise DeletedMessage
    return message


async def _current(op: Operation, message: ChatMessage) -> Words:
    return (await _words_of(op, [message]))[0]


async def _require_few(op: Operation, message: ChatMessage) -> None:
    facts = await op.services.chat.store.facts_about(message.sent.room_id, message.id)
    if len(facts) > MAX_FACTS:
        raise MessageIsFull("edits, reactions and pins", limit=MAX_FACTS, count=len(facts))


async def settled(op: Operation, room_id: UUID, content: Content) -> Content:
    """With what it refers to checked, the thread named by its first message, and those who are there, if it speaks to them.

    Raises `NotFound`, `DeletedMessage` and `RoomTooLarge`.
    """
    await _require_members(op, room_id, content.mention_ids)
    if content.here_ids is not None:
        content = replace(content, here_ids=await who_is_here(op, room_id))
    named = {"answersId": content.answers_id, "quoteId": content.quote_id}
    found = await op.services.chat.store.messages(room_id, [id for id in named.values() if id is not None])
    for path, id in named.items():
        if id is not None and id not in found:
            raise NotFound("message", path=(path,))
        if id is not None and found[id].deleted_at is not None:
            raise DeletedMessage
    if content.answers_id is None:
        return content
    answered = await _current(op, found[content.answers_id])
    begun = answered.thread_id if isinstance(answered, Content) else None
    return replace(content, thread_id=begun or content.answers_id)


# -- appending ---------------------------------------------------------------------------------------------------------------


async def client_id_of(op: Operation, room_id: UUID, author_id: UUID, key: str) -> str:
    """What an act is called in a room's log: not by its key, which may hold words of whoever chose it."""
    room_key = await op.services.chat.keys.in_force(room_id, None, at=op.now())
    return sealed_name(key, author_id=author_id, secret=room_key.secret)


async def _client_id(op: Operation, room_id: UUID, fact_id: UUID) -> str:
    if op.act is None:
        return str(fact_id)
    return await client_id_of(op, room_id, op.viewer.require_user(), op.act.key)


async def _draft(
    op: Operation,
    room_id: UUID,
    kind: ChatKind,
    message_id: UUID,
    fact_id: UUID,
    *,
    reaction: str | None = None,
    sealed: Sealed | None = None,
) -> ChatDraft:
    return ChatDraft(
        room_id=room_id, id=fact_id, kind=kind, message_id=message_id, author_id=op.viewer.require_user(),
        client_id=await _client_id(op, room_id, fact_id), at=op.now(), reaction=reaction, sealed=sealed,
    )  # fmt: skip


async def _sealed_draft(
    op: Operation, room_id: UUID, kind: ChatKind, message_id: UUID, fact_id: UUID, content: Content
) -> ChatDraft:
    place = Place(room_id, op.viewer.require_user(), message_id, fact_id, kind)
    sealed = await op.services.chat.keys.seal(content.as_bytes, place, at=op.now())
    return await _draft(op, room_id, kind, message_id, fact_id, sealed=sealed)


async def _act(
    op: Operation,
    room_id: UUID,
    draft: Callable[[], Awaitable[ChatDraft | None]],
    *,
    kind: ChatKind,
    message_id: UUID | None = None,
    content: Content | None = None,
    reaction: str | None = None,
    keeps_files: bool = False,
) -> Done:
    """Append what `draft` makes, unless it finds that nothing is to be done.

    What was done before under the same client id is answered again, whatever would be refused, or would not be needed, today.
    Raises `IdempotencyConflict` if that was something else.
    """
    store = op.services.chat.store
    repeated: ChatFact | None = None
    made: ChatDraft | None = None
    try:
        made = await draft()
    except DomainError:
        repeated = await _repeated(op, room_id)
        if repeated is None:
            raise
    if made is not None:
        # Sealing may have waited, and what was taken from the caller meanwhile is known without asking anybody. Roles have no
        # say in rooms, and what was scheduled comes without any.
        loss = op.services.revoked.loss_of(op.viewer, now=op.now())
        if loss is not None and loss.kind is not LossKind.ROLES_CHANGED:
            raise loss.refusal
        appended = await store.append_fact(made)
        if not appended.is_repeat:
            op.services.chat.tell(room_id)
            if kind is ChatKind.SENT:
                # Whoever has said it does not write it any more.
                me = op.viewer.require_user()
                op.services.attendance.has_done(f"room:{room_id}", me, RoomDoing.WRITING)
            return await _done(op, appended.fact, Outcome.APPLIED)
        repeated = appended.fact
    elif repeated is None:
        repeated = await _repeated(op, room_id)
    if repeated is None:
        assert message_id is not None
        shown = await messages_of(op, room_id, [message_id])
        return Receipt(message_id, Outcome.NOOP), shown.get(message_id)
    says: Words = None
    if content is not None and repeated.sealed is not None:
        (says,) = await contents_of(op, [repeated])
    if made is not None and content is not None and content.file_ids:
        named = None if isinstance(says, Unreadable) else says.file_ids if says is not None else ()
        await return_files(op, made, repeated, named)
    is_same = repeated.kind is kind and repeated.reaction == reaction
    is_same = is_same and message_id in {None, repeated.message_id}
    if content is not None and is_same:
        is_edit = kind is ChatKind.EDITED
        is_same = isinstance(says, Unreadable) or (
            says is not None and says.says_the_same_as(content, is_edit=is_edit, keeps_files=keeps_files)
        )
    if not is_same:
        raise IdempotencyConflict
    return await _done(op, repeated, Outcome.REPLAYED)


async def _repeated(op: Operation, room_id: UUID) -> ChatFact | None:
    if op.act is None:
        return None
    me = op.viewer.require_user()
    client_id = await client_id_of(op, room_id, me, op.act.key)
    return await op.services.chat.store.repeat_of(room_id, me, client_id)


async def _done(op: Operation, fact: ChatFact, outcome: Outcome) -> Done:
    shown = await messages_of(op, fact.room_id, [fact.message_id])
    position = Position(f"room:{fact.room_id}", fact.seq)
    return Receipt(fact.message_id, outcome, position), shown.get(fact.message_id)
