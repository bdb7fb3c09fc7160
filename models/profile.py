"""What people show of themselves: the freelancer's and the client's profile."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.event import Audience, Event, Topic
from models.table import Versioned, big, long_text, reference, utc, words
from models.vocabulary import Vocabulary


class Visibility(Vocabulary):
    """Who may see a profile."""

    PUBLIC = "PUBLIC", "Everyone, signed in or not."
    MEMBERS = "MEMBERS", "Everyone who is signed in."
    PRIVATE = "PRIVATE", "The person alone, and those the person has applied to or works with."


class SkillLevel(Vocabulary):
    """How well a freelancer masters a skill, by their own word."""

    BEGINNER = "BEGINNER", "Has used it with help."
    INTERMEDIATE = "INTERMEDIATE", "Uses it alone for ordinary work."
    ADVANCED = "ADVANCED", "Solves hard cases and reviews others' work."
    EXPERT = "EXPERT", "Is asked when nobody else knows."


@dataclass(frozen=True, kw_only=True)
class ProfileEdited(Event):
    """A freelancer or client changed their profile; `parts` names what."""

    topic = Topic.PROFILE

    parts: tuple[str, ...]

    @property
    def audience(self) -> Audience:
        return Audience.SUBJECT

    def streams(self) -> tuple[str, ...]:
        # Whom gigs are offered to is news of the market; it is read there and told nobody.
        return (f"user:{self.person_id}", "market")


class Rated(SQLModel):
    """Sums of revealed feedback, so that the rating is exact and cheap; ×6 axes, so that no fraction is lost."""

    rating_axis_total: int = big(default=0)
    rating_count: int = 0
    # What the rating is sorted and filtered by: the mean of all axes × 100, or null without feedback.
    rating_hundredths: int | None = None

    def add_rating(self, axis_total: int) -> None:
        self.rating_axis_total += axis_total
        self.rating_count += 1
        # Rounded half up in whole numbers, as PostgreSQL rounds numerics: the same mean is the same number everywhere.
        axes = 6 * self.rating_count
        self.rating_hundredths = (200 * self.rating_axis_total + axes) // (2 * axes)


class FreelancerProfile(Versioned, Rated, table=True):
    __tablename__ = "freelancer_profile"
    __table_args__ = (
        sa.CheckConstraint("rate_minor > 0", name="rate_positive"),
        sa.CheckConstraint("hours_per_week between 1 and 80", name="hours_range"),
    )

    user_id: UUID = reference("users.id", primary_key=True)
    headline: str = Field(default="", max_length=120)
    overview: str = long_text(default="")
    rate_minor: int | None = big(default=None)
    rate_currency: str | None = Field(default=None, max_length=3)
    hours_per_week: int | None = None
    available_from: date | None = None
    time_zone: str | None = Field(default=None, max_length=64)
    country: str | None = Field(default=None, max_length=2)
    languages: list[str] = Field(default_factory=list, sa_type=ARRAY(sa.Text))
    visibility: Visibility = words(Visibility, default=Visibility.PUBLIC)
    created_at: datetime = utc()


class ClientProfile(Versioned, Rated, table=True):
    __tablename__ = "client_profile"

    user_id: UUID = reference("users.id", primary_key=True)
    company: str = Field(default="", max_length=120)
    about: str = long_text(default="")
    country: str | None = Field(default=None, max_length=2)
    visibility: Visibility = words(Visibility, default=Visibility.PUBLIC)
    created_at: datetime = utc()


class FreelancerSkill(SQLModel, table=True):
    __tablename__ = "freelancer_skill"
    __table_args__ = (
        sa.CheckConstraint("years between 0 and 60", name="years_range"),
        sa.Index("ix_freelancer_skill_by_skill", "skill_id", "freelancer_id"),
        # As a profile shows them, in order and without reading the table.
        sa.Index(
            "ix_freelancer_skill_in_order", "freelancer_id", "position", postgresql_include=["skill_id"]
        ),
    )

    freelancer_id: UUID = reference("freelancer_profile.user_id", primary_key=True)
    skill_id: UUID = reference("skill.id", primary_key=True)
    level: SkillLevel = words(SkillLevel)
    years: int
    last_used_on: date | None
    position: int


MAX_SKILLS = 50


def missing_parts(
    *,
    headline: str,
    overview: str,
    rate_minor: int | None,
    hours_per_week: int | None,
    time_zone: str | None,
    country: str | None,
    languages: list[str],
    skills: int,
) -> list[str]:
    """Which parts of a freelancer's profile are still empty, in the order in which filling them helps most."""
    parts = {
        "SKILLS": skills >= 3,
        "HEADLINE": bool(headline),
        "OVERVIEW": len(overview) >= 100,
        "RATE": rate_minor is not None,
        "AVAILABILITY": hours_per_week is not None,
        "LANGUAGES": bool(languages),
        "COUNTRY": country is not None,
        "TIME_ZONE": time_zone is not None,
    }
    return [part for part, is_there in parts.items() if not is_there]


def completeness_percent(missing: list[str]) -> int:
    return round(100 * (8 - len(missing)) / 8)


def check_last_used(checks: Checks, path: tuple[str, ...], day: date | None, *, now: datetime) -> None:
    if day is not None and day > now.date():
        checks.refuse(path, "PAST", "It lies in the future.", max=now.date())
