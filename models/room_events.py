"""What happens to rooms and to who belongs to them, as facts. What is said in them is in the chat's own log."""

from dataclasses import dataclass
from typing import ClassVar
from uuid import UUID

from models.event import Audience, Event, ToPerson, Topic
from models.notice import Notice, NotificationCategory, NotificationReason
from models.room import RoomKind, RoomRole


@dataclass(frozen=True, kw_only=True)
class RoomEvent(Event):
    """Told to all members of the room; whoever is not one follows nothing of it."""

    topic: ClassVar[Topic] = Topic.ROOMS

    room_id: UUID

    @property
    def audience(self) -> Audience:
        return Audience.PUBLIC

    def streams(self) -> tuple[str, ...]:
        return (f"roomstate:{self.room_id}",)


@dataclass(frozen=True, kw_only=True)
class RoomCreated(RoomEvent):
    """The room was made; whoever belongs to it follows, one by one, unless that is given by what it is for."""

    room_kind: RoomKind


@dataclass(frozen=True, kw_only=True)
class RoomEdited(RoomEvent):
    """Its title changed, or who may write in it."""

    changes: dict[str, tuple[str | None, str | None]]


class RoomArchived(RoomEvent):
    """The room was put away: it is read, not written."""


class RoomUnarchived(RoomEvent):
    """The room can be written in again."""


@dataclass(frozen=True, kw_only=True)
class RoomMemberEvent(RoomEvent):
    """About one member, who is told in their own stream, too."""

    def streams(self) -> tuple[str, ...]:
        return (f"roomstate:{self.room_id}", f"user:{self.person_id}")

    @classmethod
    def followed_by(cls, *, owner_id: UUID | None, person_id: UUID | None) -> tuple[UUID | None, ...]:
        return (person_id,)


@dataclass(frozen=True, kw_only=True)
class RoomMemberAdded(RoomMemberEvent):
    """Somebody belongs to the room from now on."""

    room_role: RoomRole


class RoomMemberRemoved(RoomMemberEvent):
    """Somebody was sent away from the room."""


class RoomMemberLeft(RoomMemberEvent):
    """Somebody left the room."""


@dataclass(frozen=True, kw_only=True)
class RoomMemberRoleSet(RoomMemberEvent):
    """A member may do more in the room from now on, or less."""

    room_role: RoomRole


@dataclass(frozen=True, kw_only=True)
class RoomPreferenceSet(ToPerson, RoomEvent):
    """You chose how you want to have a room."""

    is_muted: bool
    is_hidden: bool
    is_favorite: bool


@dataclass(frozen=True, kw_only=True)
class RoomReadReceipt(RoomEvent):
    """Somebody has read the room up to a number; of those who show it."""

    number: int


@dataclass(frozen=True, kw_only=True)
class RoomReadMarked(ToPerson, RoomEvent):
    """You marked a room as read up to a number, or as unread from one on; the counts are yours from then on."""

    number: int
    unread: int
    mentions: int


@dataclass(frozen=True, kw_only=True)
class MessageForPerson(ToPerson, RoomEvent):
    """Somebody wrote to you: in a room of two that you did not mute, speaking to you, or in a thread that you follow."""

    notice = Notice(NotificationCategory.CHAT, NotificationReason.YOU_ARE_WRITTEN_TO)

    message_id: UUID
    is_mention: bool
    followed_thread_id: UUID | None = None

    def recipients(self, *, actor_id: UUID | None) -> dict[UUID, NotificationReason]:
        told = super().recipients(actor_id=actor_id)
        if self.is_mention:
            return dict.fromkeys(told, NotificationReason.YOU_ARE_MENTIONED)
        return (
            told
            if self.followed_thread_id is None
            else dict.fromkeys(told, NotificationReason.YOU_FOLLOW_THE_THREAD)
        )


@dataclass(frozen=True, kw_only=True)
class ThreadFollowSet(ToPerson, RoomEvent):
    """You chose whether to be told of answers in a thread."""

    thread_id: UUID
    is_followed: bool


@dataclass(frozen=True, kw_only=True)
class ChatPreferenceSet(ToPerson, Event):
    """You chose whether others are told what you have read."""

    topic: ClassVar[Topic] = Topic.ROOMS

    shows_receipts: bool


@dataclass(frozen=True, kw_only=True)
class ChatPresenceSet(ToPerson, Event):
    """You chose whether members of your rooms see if you are there."""

    topic: ClassVar[Topic] = Topic.ROOMS

    shows_presence: bool


@dataclass(frozen=True, kw_only=True)
class PersonStatusSet(ToPerson, Event):
    """You said something about yourself, or nothing any more."""

    topic: ClassVar[Topic] = Topic.ROOMS


@dataclass(frozen=True, kw_only=True)
class PersonBlockEvent(ToPerson, Event):
    """Told to whoever blocked, and nobody else."""

    topic: ClassVar[Topic] = Topic.ROOMS

    other_id: UUID


class PersonBlocked(PersonBlockEvent):
    """You blocked somebody: neither of you can write to the other alone."""


class PersonUnblocked(PersonBlockEvent):
    """You blocked somebody no longer."""
