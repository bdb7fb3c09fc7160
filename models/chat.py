"""A room's log, and the messages that it adds up to.

Facts are appended and never changed; their numbers begin at 1 and have no gaps. A message is its `sent` fact folded with the
facts that name it, in the order of their numbers, so whoever has read the same numbers sees the same message.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from hashlib import sha256
from typing import Self
from uuid import UUID

from models.errors import RateLimited
from models.vocabulary import Vocabulary

MAX_CLIENT_ID = 200
MAX_REACTION = 64
SYSTEM = UUID(int=0)
"""The author of what the platform says."""


class ChatKind(Vocabulary):
    """What happened to a message."""

    SENT = "SENT", "It was sent."
    EDITED = "EDITED", "Its author changed the words."
    DELETED = "DELETED", "It was taken back; a tombstone stays in its place."
    REACTED = "REACTED", "Somebody put a reaction under it."
    UNREACTED = "UNREACTED", "Somebody took a reaction back."
    PINNED = "PINNED", "It was pinned to the room."
    UNPINNED = "UNPINNED", "It was taken from the pinned ones."


class KeptKind(Vocabulary):
    """What words are that are kept beside the log: sealed as those in it, and never to be taken for them."""

    DRAFT = "DRAFT", "Its author may send it some day."
    SCHEDULED = "SCHEDULED", "It is sent at its time."
    REPORTED = "REPORTED", "What a message said when somebody reported it; the platform's own copy."


WITH_WORDS = frozenset({ChatKind.SENT, ChatKind.EDITED})
WITH_REACTION = frozenset({ChatKind.REACTED, ChatKind.UNREACTED})


class RoomBusy(RateLimited):
    """Others appended to the room's log faster than this fact could, again and again. Nothing was written."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Words as they are kept: encrypted under the key `key_id`, the tag at the end of `text`."""

    key_id: UUID
    nonce: bytes
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatDraft:
    """A fact without a number. Its ids are chosen before it is appended, so that trying again changes nothing in it.

    `message_id` is the fact's own id for a message sent, else the message that it is about. `client_id` makes the author's
    sending idempotent, for ever. `at` is cut to milliseconds, which every store keeps.
    """

    room_id: UUID
    id: UUID
    kind: ChatKind
    message_id: UUID
    author_id: UUID
    client_id: str
    at: datetime
    reaction: str | None = None
    sealed: Sealed | None = None

    def __post_init__(self) -> None:
        """Raises ValueError for what no store may hold: whoever drafts has checked what people gave."""
        if (self.kind is ChatKind.SENT) != (self.id == self.message_id):
            raise ValueError("a message sent, and nothing else, is its own message")
        if (self.sealed is not None) != (self.kind in WITH_WORDS):
            raise ValueError(f"{self.kind} with words that are missing or too many")
        if (self.reaction is not None) != (self.kind in WITH_REACTION):
            raise ValueError(f"{self.kind} with a reaction that is missing or too many")
        for text, limit in ((self.client_id, MAX_CLIENT_ID), (self.reaction or "-", MAX_REACTION)):
            # A lone surrogate cannot be encoded, which is a ValueError, too.
            if not 0 < len(text) <= limit or "\0" in text or not text.encode():
                raise ValueError("an id or a reaction that cannot be kept")
        object.__setattr__(self, "at", self.at.replace(microsecond=self.at.microsecond // 1000 * 1000))


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatFact(ChatDraft):
    """A fact in its place."""

    seq: int

    @classmethod
    def of(cls, draft: ChatDraft, *, seq: int) -> Self:
        return cls(**{part.name: getattr(draft, part.name) for part in fields(ChatDraft)}, seq=seq)

    @property
    def as_bytes(self) -> bytes:
        """All that it says, each part with its length before it: equal bytes are equal facts, in any store."""
        sealed = self.sealed
        words = (sealed.key_id.bytes, sealed.nonce, sealed.text) if sealed else (b"", b"", b"")
        parts = (
            self.room_id.bytes, str(self.seq).encode(), self.id.bytes, self.kind.encode(), self.message_id.bytes,
            self.author_id.bytes, self.client_id.encode(), str(round(self.at.timestamp() * 1000)).encode(),
            (self.reaction or "").encode(), *words,
        )  # fmt: skip
        return b"".join(len(part).to_bytes(4) + part for part in parts)


def digest_of(facts: Iterable[ChatFact], *, after: bytes = b"") -> bytes:
    """One hash for a run of facts; `after` is the hash of the run before it."""
    for fact in facts:
        after = sha256(after + fact.as_bytes).digest()
    return after


@dataclass(slots=True)
class ChatMessage:
    """A message as it stands after some number of its room's log."""

    sent: ChatFact
    words: ChatFact | None
    """The fact whose sealed words are in force: `sent` or the last edit; None once it is deleted."""
    last_seq: int
    edits: int = 0
    edited_at: datetime | None = None
    deleted_at: datetime | None = None
    deleted_by: UUID | None = None
    pinned_at: datetime | None = None
    pinned_by: UUID | None = None
    reactions: dict[str, list[UUID]] = field(default_factory=dict)
    """Who put each under it, both in the order in which they came."""

    @classmethod
    def of(cls, sent: ChatFact) -> Self:
        return cls(sent, sent, sent.seq)

    @property
    def id(self) -> UUID:
        return self.sent.id

    @property
    def seq(self) -> int:
        return self.sent.seq

    def take(self, fact: ChatFact) -> None:
        """Fold in the next fact. Nothing happens to what is deleted: acts that crossed the deletion came too late."""
        if self.deleted_at is not None:
            return
        self.last_seq = fact.seq
        match fact.kind:
            case ChatKind.EDITED if fact.author_id == self.sent.author_id:
                self.words, self.edited_at = fact, fact.at
                self.edits += 1
            case ChatKind.DELETED:
                self.words, self.deleted_at, self.deleted_by = None, fact.at, fact.author_id
                self.pinned_at = self.pinned_by = None
                self.reactions = {}
            case ChatKind.PINNED:
                self.pinned_at, self.pinned_by = fact.at, fact.author_id
            case ChatKind.UNPINNED:
                self.pinned_at = self.pinned_by = None
            case ChatKind.REACTED | ChatKind.UNREACTED:
                self._react(fact)

    def _react(self, fact: ChatFact) -> None:
        assert fact.reaction is not None
        people = self.reactions.get(fact.reaction, [])
        if fact.kind is ChatKind.REACTED and fact.author_id not in people:
            self.reactions[fact.reaction] = [*people, fact.author_id]
        elif fact.kind is ChatKind.UNREACTED and fact.author_id in people:
            people.remove(fact.author_id)
            if not people:
                del self.reactions[fact.reaction]


def fold(facts: Sequence[ChatFact]) -> list[ChatMessage]:
    """The messages that are sent in `facts`, each with everything in `facts` that is about it, in the order of sending."""
    messages: dict[UUID, ChatMessage] = {}
    for fact in sorted(facts, key=lambda fact: fact.seq):
        if fact.kind is ChatKind.SENT:
            messages[fact.id] = ChatMessage.of(fact)
        elif message := messages.get(fact.message_id):
            message.take(fact)
    return list(messages.values())
