"""What was recommended to whom, what they were shown of it, and what they do not want to be recommended again."""

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.table import reference, utc, words
from models.vocabulary import Vocabulary

KEPT_DAYS = 90
MOST_LISTED = 100


class RecommendationKind(Vocabulary):
    """What a list recommends."""

    GIGS = "GIGS", "Gigs for a freelancer."
    FREELANCERS = "FREELANCERS", "Freelancers for a gig."


class DismissReason(Vocabulary):
    """Why somebody does not want a recommendation."""

    SKILLS = "SKILLS", "It asks for other skills than fit."
    PRICE = "PRICE", "The price does not fit."
    TIME = "TIME", "The time does not fit."
    PERSON = "PERSON", "Not with this client or freelancer."
    SEEN = "SEEN", "Known already, and decided."
    OTHER = "OTHER", "Something else."


class RecommendationList(SQLModel, table=True):
    """A list as it was made: its order stays, whatever comes to the market. Subjects, points and places are by position."""

    __tablename__ = "recommendation_list"
    __table_args__ = (
        sa.CheckConstraint(
            "cardinality(subjects) = cardinality(points) and cardinality(subjects) = cardinality(placed_by)",
            name="one_of_each",
        ),
        sa.CheckConstraint("(kind = 'FREELANCERS') = (gig_id is not null)", name="gig_of_its_kind"),
        sa.Index("ix_recommendation_list_made_at", "made_at"),
    )

    id: UUID = Field(primary_key=True)
    user_id: UUID = reference("users.id", index=True)
    kind: RecommendationKind = words(RecommendationKind)
    gig_id: UUID | None = Field(default=None, index=True)
    model_version: str = Field(max_length=60)
    basis: str = Field(max_length=20)
    made_at: datetime = utc()
    subjects: list[UUID] = Field(sa_type=ARRAY(sa.Uuid))
    points: list[int] = Field(sa_type=ARRAY(sa.SmallInteger))
    placed_by: list[str] = Field(sa_type=ARRAY(sa.String(20)))


class RecommendationShown(SQLModel, table=True):
    """One place of a list that was put before somebody's eyes, with the points it had then."""

    __tablename__ = "recommendation_shown"
    __table_args__ = (sa.Index("ix_recommendation_shown_shown_at", "shown_at"),)

    list_id: UUID = Field(primary_key=True)
    position: int = Field(primary_key=True, sa_type=sa.SmallInteger)
    subject_id: UUID
    points: int = Field(sa_type=sa.SmallInteger)
    shown_at: datetime = utc()


class RecommendationDismissal(SQLModel, table=True):
    """This person does not want this freelancer recommended for this gig; for gigs for oneself, oneself is the freelancer."""

    __tablename__ = "recommendation_dismissal"

    user_id: UUID = reference("users.id", primary_key=True)
    gig_id: UUID = reference("gig.id", primary_key=True, index=True)
    freelancer_id: UUID = reference("users.id", primary_key=True, index=True)
    reason: DismissReason = words(DismissReason)
    dismissed_at: datetime = utc()


class HiddenClient(SQLModel, table=True):
    """This person wants no gigs of this client recommended."""

    __tablename__ = "hidden_client"

    user_id: UUID = reference("users.id", primary_key=True)
    client_id: UUID = reference("users.id", primary_key=True, index=True)
    hidden_at: datetime = utc()
