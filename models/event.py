"""Facts: what happened, told in the past tense, written in the transaction that made it true.

An event declares the streams it belongs to, its audience, and who is notified of it. It carries ids, numbers and codes;
free text that people wrote is referenced by `remark_id`, so that it disappears when its author is erased.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import ClassVar
from uuid import UUID

from models.notice import Notice, NotificationReason
from models.vocabulary import Vocabulary

EVENTS: dict[str, type["Event"]] = {}


class Audience(Vocabulary):
    """Who may learn of a fact, besides administrators."""

    PUBLIC = "PUBLIC", "Everyone who can see the subject."
    OWNER = "OWNER", "The client who owns the gig."
    CONCERNED = "CONCERNED", "The owner and the person the fact is about."
    SUBJECT = "SUBJECT", "The person the fact is about, not the owner."
    ADMINISTRATORS = "ADMINISTRATORS", "Administrators only."


class Topic(Vocabulary):
    """What facts are about, for those who follow everything that concerns them."""

    GIGS = "GIGS", "Gigs of yours, and what administrators decide about them."
    APPLICATIONS = "APPLICATIONS", "Your applications, and those for your gigs."
    INVITATIONS = "INVITATIONS", "Invitations to apply, and the answers to them."
    CONTRACTS = "CONTRACTS", "Work that you do, or that is done for you."
    BOARDS = "BOARDS", "Tasks on boards that are given to you, speak to you, or that you watch."
    ROOMS = "ROOMS", "Rooms of chat that you come into, leave, or set up for yourself."
    SNIPPETS = "SNIPPETS", "Code that is shared with you, and what is said about yours or to you."
    FEEDBACK = "FEEDBACK", "Feedback after the work."
    PROFILE = "PROFILE", "Changes of your own profile."
    ACCOUNT = "ACCOUNT", "What administrators do to your account."
    NOTIFICATIONS = "NOTIFICATIONS", "How many notifications are left, after you marked some."


@dataclass(frozen=True, kw_only=True)
class Event(ABC):
    """One fact. `owner_id` and `person_id` are the people that `audience` speaks of."""

    at: datetime
    owner_id: UUID | None = None
    person_id: UUID | None = None
    remark_id: UUID | None = None

    changes_counts: ClassVar[bool] = False
    """Whether numbers of the gig that everybody sees are others after it, although the fact is not for everybody."""

    joins: ClassVar[bool] = False
    """Whether somebody takes part in the gig from it on, so that who follows all that concerns them follows the gig, too."""

    topic: ClassVar[Topic]

    notice: ClassVar[Notice | None] = None
    """How owner and person are notified; None if nobody is."""

    HIDDEN: ClassVar[frozenset[str]] = frozenset()
    """What is recorded for us and told nobody."""

    _IN_COLUMNS: ClassVar = frozenset({"at", "owner_id", "person_id", "remark_id"})

    def __init_subclass__(cls) -> None:
        EVENTS[cls.__name__] = cls

    @property
    @abstractmethod
    def audience(self) -> Audience: ...

    @abstractmethod
    def streams(self) -> tuple[str, ...]:
        """Names of the streams that get this fact; the first one gives the payload its `position`."""

    @classmethod
    def followed_by(cls, *, owner_id: UUID | None, person_id: UUID | None) -> tuple[UUID | None, ...]:
        """In whose own streams such a fact is, whether they are notified of it or not."""
        return ()

    def recipients(self, *, actor_id: UUID | None) -> dict[UUID, NotificationReason]:
        return self.told(owner_id=self.owner_id, person_id=self.person_id, actor_id=actor_id)

    @classmethod
    def told(
        cls, *, owner_id: UUID | None, person_id: UUID | None, actor_id: UUID | None
    ) -> dict[UUID, NotificationReason]:
        """Who is notified of such a fact, and why: owner and person, but never of what they did themselves."""
        if cls.notice is None:
            return {}
        reasons = {owner_id: NotificationReason.YOU_ARE_THE_CLIENT, person_id: cls.notice.person}
        return {
            id: reason
            for id, reason in reasons.items()
            if id is not None and id != actor_id and reason is not None
        }

    def payload(self) -> dict[str, object]:
        """What the fact says beyond its columns: absolute values, never deltas."""
        return {name: getattr(self, name) for name in _said_by(type(self))}


@cache
def _said_by(kind: type[Event]) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind) if f.name not in kind._IN_COLUMNS)


class ToPerson:
    """Of an `Event` that is told to `person_id` alone, in their own stream. Stands before the event among the bases."""

    person_id: UUID | None

    @property
    def audience(self) -> Audience:
        return Audience.SUBJECT

    def streams(self) -> tuple[str, ...]:
        return (f"user:{self.person_id}",)
