"""What happens to words beside the log of a room, as facts. None of them says what the words are."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from models.event import Audience, Event, ToPerson, Topic
from models.kept_words import ReportOutcome
from models.notice import Notice, NotificationCategory, NotificationReason

_TO_THE_AUTHOR = Notice(NotificationCategory.SYSTEM, NotificationReason.YOU_WROTE_IT)


@dataclass(frozen=True, kw_only=True)
class KeptEvent(ToPerson, Event):
    """Told to one person, in their own stream."""

    topic: ClassVar[Topic] = Topic.ROOMS

    room_id: UUID


@dataclass(frozen=True, kw_only=True)
class MessageDraftSaved(KeptEvent):
    """You wrote a draft, or wrote on."""

    draft_id: UUID


@dataclass(frozen=True, kw_only=True)
class MessageDraftDiscarded(KeptEvent):
    """A draft of yours is gone: discarded, or sent."""

    removed_id: str


@dataclass(frozen=True, kw_only=True)
class MessageScheduled(KeptEvent):
    """You scheduled a message, or changed one that is scheduled."""

    scheduled_id: UUID


@dataclass(frozen=True, kw_only=True)
class ScheduledMessageCancelled(KeptEvent):
    """You cancelled a scheduled message."""

    removed_id: str


@dataclass(frozen=True, kw_only=True)
class ScheduledMessageSent(KeptEvent):
    """A scheduled message of yours is in the room."""

    removed_id: str


@dataclass(frozen=True, kw_only=True)
class ScheduledMessageRefused(KeptEvent):
    """A scheduled message of yours was not sent, because you could not write there at its time. You keep the text."""

    notice = _TO_THE_AUTHOR

    scheduled_id: UUID
    reason: str


@dataclass(frozen=True, kw_only=True)
class MessageModerated(KeptEvent):
    """Administrators warned you about a message of yours, or removed it; the note says why."""

    notice = _TO_THE_AUTHOR

    outcome: ReportOutcome


@dataclass(frozen=True, kw_only=True)
class ReportEvent(Event):
    """About a report, which administrators see."""

    topic: ClassVar[Topic] = Topic.ROOMS

    report_id: UUID


@dataclass(frozen=True, kw_only=True)
class MessageReported(ReportEvent):
    """Somebody reported a message."""

    @property
    def audience(self) -> Audience:
        return Audience.ADMINISTRATORS

    def streams(self) -> tuple[str, ...]:
        return ("admin",)


@dataclass(frozen=True, kw_only=True)
class MessageReportResolved(ReportEvent):
    """Administrators decided about a message that you reported."""

    notice = Notice(NotificationCategory.SYSTEM, NotificationReason.YOU_REPORTED_IT)

    outcome: ReportOutcome

    @property
    def audience(self) -> Audience:
        return Audience.SUBJECT

    def streams(self) -> tuple[str, ...]:
        return (f"user:{self.person_id}", "admin")
