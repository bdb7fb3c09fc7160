"""What happens to snippets, as facts: ids, numbers and hashes; titles and words are named without their content."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from models.event import Audience, Event, ToPerson, Topic
from models.notice import Notice, NotificationCategory, NotificationReason
from models.snippet import SnippetShareKind


@dataclass(frozen=True, kw_only=True)
class SnippetEvent(Event):
    """Told to all who see the snippet; whoever does not follows nothing of it."""

    topic: ClassVar[Topic] = Topic.SNIPPETS

    snippet_id: UUID

    @property
    def audience(self) -> Audience:
        return Audience.PUBLIC

    def streams(self) -> tuple[str, ...]:
        return (f"snippet:{self.snippet_id}",)


@dataclass(frozen=True, kw_only=True)
class SnippetVersioned(SnippetEvent):
    snippet_version_id: UUID
    version_number: int
    sha256: str


class SnippetCreated(SnippetVersioned):
    """A snippet was kept, with its first version."""


class SnippetRevised(SnippetVersioned):
    """A snippet has a new version. Comments stand at other lines since, or are outdated."""


@dataclass(frozen=True, kw_only=True)
class SnippetRenamed(SnippetEvent):
    """A snippet has another title or language. The title is named without its content."""

    changes: dict[str, tuple[str | None, str | None]]


class SnippetArchived(SnippetEvent):
    """A snippet was put away."""


class SnippetRestored(SnippetEvent):
    """A snippet is back."""


# -- sharing -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SnippetShareEvent(SnippetEvent):
    share_id: UUID
    share_kind: SnippetShareKind


@dataclass(frozen=True, kw_only=True)
class SnippetShared(SnippetShareEvent):
    """A snippet was shared, or shared otherwise than before."""

    may_revise: bool


class SnippetShareNarrowed(SnippetShareEvent):
    """Somebody belongs no longer to the room that a share is with; if they saw the snippet by it alone, they do not any more."""


class SnippetShareEnded(SnippetShareEvent):
    """A share is over; who saw the snippet by it alone does not any more."""


# -- comments ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SnippetCommentEvent(SnippetEvent):
    snippet_comment_id: UUID


class SnippetCommented(SnippetCommentEvent):
    """Somebody said something about lines, or answered."""


class SnippetCommentEdited(SnippetCommentEvent):
    """The author changed what they had said."""


class SnippetCommentDeleted(SnippetCommentEvent):
    """A comment was taken away; answers to it stay."""


class SnippetThreadResolved(SnippetCommentEvent):
    """A thread is settled."""


class SnippetThreadReopened(SnippetCommentEvent):
    """A thread is not settled after all."""


# -- to one person -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class SnippetForPerson(ToPerson, SnippetEvent):
    """Told to `person_id` alone: the snippet's own stream has the thing itself."""


class SnippetOffered(SnippetForPerson):
    """A snippet was shared with you."""

    notice = Notice(NotificationCategory.SNIPPETS, NotificationReason.YOU_ARE_GIVEN_IT)


@dataclass(frozen=True, kw_only=True)
class SnippetCommentForPerson(SnippetForPerson):
    snippet_comment_id: UUID


class SnippetCommentNoticed(SnippetCommentForPerson):
    """Your snippet was commented."""

    notice = Notice(NotificationCategory.SNIPPETS, NotificationReason.YOU_OWN_IT)


class SnippetCommentMentioned(SnippetCommentForPerson):
    """A comment on a snippet speaks to you."""

    notice = Notice(NotificationCategory.SNIPPETS, NotificationReason.YOU_ARE_MENTIONED)


class SnippetCommentAnswered(SnippetCommentForPerson):
    """A thread that you spoke in was answered."""

    notice = Notice(NotificationCategory.SNIPPETS, NotificationReason.YOU_SPOKE_IN_IT)


class SnippetThreadSettled(SnippetCommentForPerson):
    """The thread that you began was resolved."""

    notice = Notice(NotificationCategory.SNIPPETS, NotificationReason.YOU_SPOKE_IN_IT)
