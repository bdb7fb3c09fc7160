"""What a message says, and the rules of it. All of this is sealed together, so that a dump of the log shows none of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self
from uuid import UUID

import orjson

from models.checks import Checks
from models.errors import LimitReached, NotOpen

MAX_TEXT = 20_000
MAX_MENTIONS = 50
MAX_FILES = 10
_SNIPPET = re.compile(r"\bsnippet_[0-9a-z]{26}\b")
MAX_EMOJIS = 20
"""Different reactions under one message."""
MAX_FACTS = 10_000
"""Facts about one message: whoever reads it reads all of them."""


class DeletedMessage(NotOpen):
    """The message was taken back."""

    def __init__(self) -> None:
        super().__init__("This message was deleted.", status="DELETED")


class MessageIsFull(LimitReached):
    """A message takes no more reactions, edits or pins."""

    def __init__(self, what: str, *, limit: int, count: int) -> None:
        super().__init__(f"A message takes at most {limit:,} {what}.", limit=limit, count=count)


@dataclass(frozen=True, slots=True)
class Content:
    """`answers_id` is the message that it answers, `thread_id` the first one of that thread, `quote_id` one that it shows again."""

    text: str
    answers_id: UUID | None = None
    thread_id: UUID | None = None
    quote_id: UUID | None = None
    mention_ids: tuple[UUID, ...] = ()
    mentions_room: bool = False
    file_ids: tuple[UUID, ...] = ()
    """Files that it shows, in order."""
    notice: tuple[tuple[str, str], ...] = ()
    """Of what the platform says: the kind of the fact, and what it is about."""
    here_ids: tuple[UUID, ...] | None = None
    """Members who were there when it was sent, if it speaks to them; None if it does not. Until it is sent there are none."""

    def checked(self) -> Self:
        """As it is kept: mentions each once, in order. Raises `Refusals`."""
        checks = Checks()
        text = checks.text(("text",), self.text, max=MAX_TEXT, min=0 if self.file_ids else 1)
        checks.count(("attachmentIds",), self.file_ids, max=MAX_FILES)
        checks.distinct(("attachmentIds",), self.file_ids)
        checks.count(("mentionIds",), self.mention_ids, max=MAX_MENTIONS)
        checks.done()
        return replace(self, text=text, mention_ids=tuple(sorted(set(self.mention_ids))))

    @property
    def mentioned_ids(self) -> tuple[UUID, ...]:
        """Whom it speaks to, by name or because they were there; each once, in order."""
        return tuple(sorted({*self.mention_ids, *self.here_ids})) if self.here_ids else self.mention_ids

    @property
    def as_bytes(self) -> bytes:
        """The same for the same content."""
        parts: dict[str, Any] = {"text": self.text}
        if self.answers_id is not None:
            parts["answers"] = self.answers_id
        if self.thread_id is not None:
            parts["thread"] = self.thread_id
        if self.quote_id is not None:
            parts["quote"] = self.quote_id
        if self.mention_ids:
            parts["mentions"] = self.mention_ids
        if self.mentions_room:
            parts["room"] = True
        if self.here_ids is not None:
            # They come from a database driver, whose UUIDs are of another type.
            parts["here"] = [str(id) for id in self.here_ids]
        if self.file_ids:
            parts["files"] = self.file_ids
        if self.notice:
            parts["notice"] = dict(self.notice)
        return orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)

    @property
    def traits(self) -> list[str]:
        """What it can be found by beside its words."""
        has = {
            "code": "```" in self.text,
            "file": bool(self.file_ids),
            "mention": bool(self.mentioned_ids) or self.mentions_room,
            "snippet": _SNIPPET.search(self.text) is not None,
        }
        return [trait for trait, it_has in has.items() if it_has] + [
            f"mention:{id}" for id in self.mentioned_ids
        ]

    def says_the_same_as(self, given: "Content", *, is_edit: bool, keeps_files: bool = False) -> bool:
        """Whether it is what somebody gave: the thread is ours, and who was there; and an edit keeps what a message answers and
        quotes, and its files where it names none."""
        kept: dict[str, Any] = {"thread_id": self.thread_id}
        if is_edit or (given.here_ids is not None and self.here_ids is not None):
            kept["here_ids"] = self.here_ids
        if keeps_files:
            kept["file_ids"] = self.file_ids
        if is_edit:
            kept |= {"answers_id": self.answers_id, "quote_id": self.quote_id}
        return self == replace(given, **kept)

    @classmethod
    def of(cls, raw: bytes) -> Self:
        parts: Mapping[str, Any] = orjson.loads(raw)
        answers, thread, quote = (_id(parts.get(name)) for name in ("answers", "thread", "quote"))
        mentions = tuple(UUID(id) for id in parts.get("mentions", ()))
        files = tuple(UUID(id) for id in parts.get("files", ()))
        notice = tuple(parts.get("notice", {}).items())
        here = tuple(UUID(id) for id in parts["here"]) if "here" in parts else None
        return cls(
            parts["text"], answers, thread, quote, mentions, parts.get("room", False), files, notice, here
        )


def _id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
