"""Where the logs of rooms are kept: the port, and how every store appends.

A fact takes the number after the head by being inserted there; uniqueness of (room, number) lets one of those who try win.
One insert is atomic, so no transaction is needed, and numbers have no gaps: whoever takes a number has seen the one before it.
Uniqueness of (room, author, client id) makes trying again harmless, also after a connection broke: nobody needs to know
what became of the first try.
"""

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, TypeVar
from uuid import UUID
from weakref import WeakValueDictionary

from models.chat import ChatDraft, ChatFact, ChatMessage, RoomBusy, fold
from models.errors import OutcomeUnknown

T = TypeVar("T")

MAX_PAGE = 200
PATIENCE_S = 5.0
_BUSY_FOR = timedelta(seconds=1)
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.1


class StoreAway(Exception):
    """The store cannot be asked now, or the connection broke while it was asked. A fault, never a refusal."""


@dataclass(frozen=True, slots=True)
class Appended:
    """The fact as it is stored; `is_repeat` when the author's client id had been used before, whatever the draft says."""

    fact: ChatFact
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class ChatPage:
    """Messages in the order of sending, as they stood when the room's log ended at `at`: follow on from there."""

    messages: Sequence[ChatMessage]
    has_before: bool
    has_after: bool
    at: int


@dataclass(frozen=True, slots=True)
class MovedRooms:
    """The heads of rooms that moved; ask again with this `mark`. Rooms that did not move may be among them."""

    mark: str
    heads: Mapping[UUID, int]


class ChatStore(Protocol):
    """The port. Adapters are chosen by the scheme of their URL, and held to `tests/contracts/test_chat_store.py`.

    All reads see everything that was acknowledged before. All raise `StoreAway`.
    """

    @property
    def name(self) -> str:
        """For health: which adapter is in force."""

    async def prepare(self) -> None:
        """Make what the store needs before its first use; may be called again."""

    async def close(self) -> None: ...

    async def append_fact(self, draft: ChatDraft) -> Appended:
        """Write the fact after all others of its room; on return it is durable. Raises `RoomBusy` and `OutcomeUnknown`."""

    async def page(
        self,
        room_id: UUID,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        at: int | None = None,
    ) -> ChatPage:
        """The newest messages below `before` (below nothing: of all), or the oldest above `after`; at most `limit`.

        `at` reads the room as it was when its log ended there.
        """

    async def around(
        self, room_id: UUID, message_id: UUID, *, earlier: int, later: int, at: int | None = None
    ) -> ChatPage | None:
        """The message with some before and after it; None if the room has no such message."""

    async def message(
        self, room_id: UUID, message_id: UUID, *, at: int | None = None
    ) -> ChatMessage | None: ...

    async def messages(self, room_id: UUID, message_ids: Collection[UUID]) -> dict[UUID, ChatMessage]:
        """Those of these messages that the room has, as they stand now."""

    async def repeat_of(self, room_id: UUID, author_id: UUID, client_id: str) -> ChatFact | None:
        """What the author wrote in the room under that client id, if anything."""

    async def facts_about(self, room_id: UUID, message_id: UUID) -> list[ChatFact]:
        """Everything that happened to a message, its sending first."""

    async def facts_after(self, room_id: UUID, seq: int, *, limit: int) -> list[ChatFact]:
        """The facts that follow that number, in order; for followers, projectors and moves."""

    async def heads(self, room_ids: Collection[UUID]) -> dict[UUID, int]:
        """The highest number of each room; 0 for one without facts."""

    async def moved_since(self, mark: str | None) -> MovedRooms:
        """The rooms that got facts since that mark, at least; without a mark only where to begin."""

    async def rooms_after(self, room_id: UUID | None, *, limit: int) -> list[UUID]:
        """Rooms with facts in the order of their ids; for moves and rotation."""

    async def copy(self, facts: Sequence[ChatFact]) -> None:
        """Write facts of one room as they are, the next numbers in order. Stops at the first that is not the next one, or
        whose id is taken, with `CopyRefused`; what was written before it stays."""

    async def reseal(self, before: ChatFact, after: ChatFact) -> bool:
        """Replace the sealed words of a fact, and nothing else, if they are still those of `before`; whether they were."""


class CopyRefused(Exception):
    """The target holds something else in the place of a fact that is copied."""


class OptimisticLog(ABC):
    """What the adapters share: taking turns, trying again, and reads that are made of others."""

    def __init__(self, *, patience_s: float = PATIENCE_S) -> None:
        """`patience_s` is how long to try before giving up, the last try not counted."""
        self._patience_s = patience_s
        self._turns: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._under_way: dict[tuple[UUID, UUID, str], asyncio.Future[ChatFact | None]] = {}
        """What is being appended, by room, author and client id; None comes of what failed."""

    async def append_fact(self, draft: ChatDraft) -> Appended:
        # Who had no answer in time and repeats waits for what is under way: in a turn of their own they would come after all
        # others, again too late, and every repeat would make the queue longer.
        name = (draft.room_id, draft.author_id, draft.client_id)
        while (under_way := self._under_way.get(name)) is not None:
            if (fact := await asyncio.shield(under_way)) is not None:
                return Appended(fact, is_repeat=True)
        done = self._under_way[name] = asyncio.get_running_loop().create_future()
        fact = None
        try:
            appended = await self._append(draft)
            fact = appended.fact
        finally:
            del self._under_way[name]
            done.set_result(fact)
        return appended

    async def _append(self, draft: ChatDraft) -> Appended:
        ends_at = asyncio.get_running_loop().time() + self._patience_s
        broken: StoreAway | None = None
        tries = 0
        async with self._turn(draft):
            while True:
                try:
                    if (appended := await self._try(draft)) is not None:
                        return appended
                except StoreAway as error:
                    # Whether it was written will show: trying again finds it by its client id.
                    broken = error
                if asyncio.get_running_loop().time() >= ends_at:
                    break
                await asyncio.sleep(_pause_s(tries))
                tries += 1
        if broken is not None:
            raise OutcomeUnknown("the chat store broke off and cannot be asked") from broken
        raise _busy(draft)

    @asynccontextmanager
    async def _turn(self, draft: ChatDraft) -> AsyncIterator[None]:
        """Within one process they queue for a room: trying is for those who cannot."""
        turn = self._turns.setdefault(draft.room_id, asyncio.Lock())
        try:
            async with asyncio.timeout(self._patience_s):
                await turn.acquire()
        except TimeoutError:
            raise _busy(draft) from None
        try:
            yield
        finally:
            turn.release()

    async def around(
        self, room_id: UUID, message_id: UUID, *, earlier: int, later: int, at: int | None = None
    ) -> ChatPage | None:
        sent = await self._sent(room_id, message_id)
        if sent is None or (at is not None and sent.seq > at):
            return None
        # Facts are never taken back, so two reads up to one number are one snapshot.
        up_to = await self.page(room_id, before=sent.seq + 1, limit=earlier + 1, at=at)
        beyond = await self.page(room_id, after=sent.seq, limit=later, at=up_to.at)
        return ChatPage([*up_to.messages, *beyond.messages], up_to.has_before, beyond.has_after, up_to.at)

    async def message(self, room_id: UUID, message_id: UUID, *, at: int | None = None) -> ChatMessage | None:
        facts = await self.facts_about(room_id, message_id)
        messages = fold([fact for fact in facts if at is None or fact.seq <= at])
        return messages[0] if messages else None

    async def messages(self, room_id: UUID, message_ids: Collection[UUID]) -> dict[UUID, ChatMessage]:
        wanted = list(dict.fromkeys(message_ids))
        found: dict[UUID, ChatMessage] = {}
        for start in range(0, len(wanted), MAX_PAGE):
            facts = await self._facts_of(room_id, wanted[start : start + MAX_PAGE])
            found |= {message.id: message for message in fold(facts)}
        return found

    async def _asked(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` answers; asked again while the store is away, for as long as patience lasts. Only for what may be done
        twice."""
        ends_at = asyncio.get_running_loop().time() + self._patience_s
        tries = 0
        while True:
            try:
                return await ask()
            except StoreAway:
                if asyncio.get_running_loop().time() >= ends_at:
                    raise
            await asyncio.sleep(_pause_s(tries))
            tries += 1

    @abstractmethod
    async def _try(self, draft: ChatDraft) -> Appended | None:
        """Insert at head + 1; None if somebody else took that number. Raises `StoreAway`."""

    @abstractmethod
    async def _sent(self, room_id: UUID, message_id: UUID) -> ChatFact | None: ...

    @abstractmethod
    async def page(
        self,
        room_id: UUID,
        *,
        limit: int,
        before: int | None = None,
        after: int | None = None,
        at: int | None = None,
    ) -> ChatPage: ...

    @abstractmethod
    async def facts_about(self, room_id: UUID, message_id: UUID) -> list[ChatFact]: ...

    @abstractmethod
    async def _facts_of(self, room_id: UUID, message_ids: Sequence[UUID]) -> list[ChatFact]:
        """Everything that happened to some messages, in any order."""


def page_of(
    facts: Sequence[ChatFact], *, limit: int, at: int, before: int | None, after: int | None
) -> ChatPage:
    """The page from one message more than fits, read to know whether there are more."""
    messages = fold(facts)
    has_more = len(messages) > limit
    if after is not None:
        return ChatPage(messages[:limit], True, has_more, at)
    has_after = before is not None and before <= at
    return ChatPage(messages[-limit:] if has_more and limit else messages[:limit], has_more, has_after, at)


def _pause_s(tries: int) -> float:
    """Random, so that those who met once do not meet again."""
    return random.uniform(0, min(_FIRST_PAUSE_S * 2 ** min(tries, 10), _LONGEST_PAUSE_S))  # noqa: S311  no secret


def _busy(draft: ChatDraft) -> RoomBusy:
    return RoomBusy(
        "The room is very busy just now; it was not written. Try again.", retry_at=draft.at + _BUSY_FOR
    )
