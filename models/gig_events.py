"""What happens to gigs, as facts."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from models.event import Audience, Event, Topic
from models.gig_workflow import HIDDEN, GigStatus
from models.notice import Notice, NotificationCategory

# Clients are told what others did to their gig: administrators, or the platform at the deadline.
_TO_THE_CLIENT = Notice(NotificationCategory.SYSTEM)


@dataclass(frozen=True, kw_only=True)
class GigEvent(Event):
    topic: ClassVar[Topic] = Topic.GIGS

    gig_id: UUID

    def streams(self) -> tuple[str, ...]:
        people = self.followed_by(owner_id=self.owner_id, person_id=self.person_id)
        return (f"gig:{self.gig_id}", *(f"user:{user_id}" for user_id in people))


@dataclass(frozen=True, kw_only=True)
class ConcernedEvent(GigEvent):
    """Something between the client and one freelancer; nobody else's business."""

    @property
    def audience(self) -> Audience:
        return Audience.CONCERNED

    @classmethod
    def followed_by(cls, *, owner_id: UUID | None, person_id: UUID | None) -> tuple[UUID | None, ...]:
        return (person_id,)


@dataclass(frozen=True, kw_only=True)
class MarketEvent(GigEvent):
    """Something about the gig itself: news of the market if everybody may see both the gig (`is_public`) and the fact."""

    is_public: bool

    def streams(self) -> tuple[str, ...]:
        is_news = self.is_public and self.audience is Audience.PUBLIC
        return (*super().streams(), "market") if is_news else super().streams()


@dataclass(frozen=True, kw_only=True)
class GigMoved(MarketEvent):
    """The gig went from one status to another. Subclasses say by which verb."""

    before: GigStatus
    after: GigStatus

    @property
    def audience(self) -> Audience:
        return Audience.PUBLIC


@dataclass(frozen=True, kw_only=True)
class GigMovedPrivately(GigMoved):
    @property
    def audience(self) -> Audience:
        return Audience.OWNER


class OfAdministration(GigEvent):
    """What waits for administrators, or what they decided: in their stream, too."""

    def streams(self) -> tuple[str, ...]:
        return (*super().streams(), "admin")


class GigPublished(GigMoved):
    """The gig takes applications from now on."""


class GigSubmittedForApproval(OfAdministration, GigMovedPrivately):
    """The client asks administrators to let the gig out."""


class GigApproved(OfAdministration, GigMoved):
    """An administrator let the gig out."""

    notice = _TO_THE_CLIENT


class GigRejected(OfAdministration, GigMovedPrivately):
    """An administrator refused the gig; the remark says why."""

    notice = _TO_THE_CLIENT


class GigChangesRequested(OfAdministration, GigMovedPrivately):
    """An administrator wants changes first; the remark says which."""

    notice = _TO_THE_CLIENT


class GigPaused(GigMoved):
    """The client takes no new applications for now."""


class GigResumed(GigMoved):
    """The gig takes applications again."""


class GigReopened(GigMoved):
    """The gig looks for people again."""


class GigFilled(GigMoved):
    """All places are taken."""


class GigHiringStopped(GigMoved):
    """The client hires nobody more."""

    notice = _TO_THE_CLIENT


class GigCompleted(GigMoved):
    """All work is done."""


class GigFellBack(GigMoved):
    """The last contract ended early and nothing was completed; the client decides how to go on."""


class GigExpired(GigMoved):
    """The deadline passed."""

    notice = _TO_THE_CLIENT


@dataclass(frozen=True, kw_only=True)
class GigCancelled(GigMoved):
    """The client gave the gig up."""

    @property
    def audience(self) -> Audience:
        return Audience.OWNER if self.before in HIDDEN else Audience.PUBLIC


@dataclass(frozen=True, kw_only=True)
class GigCreated(GigEvent):
    """A draft was begun; `source_id` is the gig it was copied from."""

    joins = True

    source_id: UUID | None = None

    @property
    def audience(self) -> Audience:
        return Audience.OWNER

    @classmethod
    def followed_by(cls, *, owner_id: UUID | None, person_id: UUID | None) -> tuple[UUID | None, ...]:
        return (owner_id,)


@dataclass(frozen=True, kw_only=True)
class GigEdited(MarketEvent):
    """Parts of the gig changed. Numbers are given before and after; texts only by name."""

    status: GigStatus
    changes: dict[str, tuple[str | None, str | None]]

    @property
    def audience(self) -> Audience:
        return Audience.OWNER if self.status in HIDDEN else Audience.PUBLIC
