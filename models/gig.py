"""A gig: what a client wants done, and its way from draft to done."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.errors import AlreadyExists, InvalidTransition, LimitReached, NotOpen
from models.gig_events import (
    GigApproved,
    GigCancelled,
    GigChangesRequested,
    GigCompleted,
    GigExpired,
    GigFellBack,
    GigFilled,
    GigHiringStopped,
    GigMoved,
    GigPaused,
    GigPublished,
    GigRejected,
    GigReopened,
    GigResumed,
    GigSubmittedForApproval,
)
from models.gig_workflow import EDITABLE, GIG_WORKFLOW, GigStatus
from models.money import Money
from models.table import Versioned, big, long_text, reference, utc, words
from models.vocabulary import Vocabulary

MAX_TITLE, MAX_DESCRIPTION, MAX_SKILLS, MAX_QUESTIONS, MAX_WANTED = 120, 20_000, 20, 10, 50
MAX_DAYS = 3650
MAX_LANGUAGES = 10
MAX_OVERLAP_HOURS = 8
S = GigStatus


class BudgetKind(Vocabulary):
    """How the work is paid."""

    FIXED = "FIXED", "One price for the whole work."
    HOURLY = "HOURLY", "A price for each hour."


class GigVisibility(Vocabulary):
    """Who may see an open gig."""

    PUBLIC = "PUBLIC", "Everyone."
    INVITE_ONLY = "INVITE_ONLY", "Invited freelancers."


class SkillNeed(Vocabulary):
    """How much a gig depends on a skill."""

    REQUIRED = "REQUIRED", "The work cannot be done without it."
    NICE_TO_HAVE = "NICE_TO_HAVE", "It helps."


class GigNotOpen(NotOpen):
    """The gig takes no applications and hires nobody now."""

    def __init__(self, status: GigStatus, *, gig_id: UUID) -> None:
        super().__init__(
            f"This gig is {status}; only an OPEN gig does this.", status=status, entity_id=gig_id
        )


class GigWithheld(NotOpen):
    """The client is suspended, so the gig is not shown and takes no applications."""

    def __init__(self, *, gig_id: UUID) -> None:
        message = "Whoever posted this gig cannot answer now, so it takes no applications."
        super().__init__(message, status="WITHHELD", entity_id=gig_id)


class GigNotEditable(NotOpen):
    """The gig has left the states in which its text may change."""

    def __init__(self, status: GigStatus, *, gig_id: UUID) -> None:
        states = ", ".join(sorted(EDITABLE))
        message = f"This gig is {status}; its text can be changed while it is {states}."
        super().__init__(message, status=status, entity_id=gig_id)


class TermsFixed(NotOpen):
    """Freelancers applied to these terms; budget and questions cannot change under them."""

    def __init__(self, status: GigStatus, *, gig_id: UUID) -> None:
        message = "People have applied to this gig, so budget, visibility and questions stay as they are. Duplicate the gig instead."
        super().__init__(message, status=status, entity_id=gig_id)


class NoPlaceLeft(LimitReached):
    """As many freelancers are hired as the gig wants."""

    def __init__(self, wanted: int) -> None:
        super().__init__(f"All {wanted} places of this gig are taken.", limit=wanted, count=wanted)


class NobodyHired(NotOpen):
    """Hiring cannot stop before it began."""

    def __init__(self, status: GigStatus, *, gig_id: UUID) -> None:
        message = "Nobody is hired for this gig yet. Accept an application first, or cancel the gig."
        super().__init__(message, status=status, entity_id=gig_id)


class GigIdTaken(AlreadyExists):
    """The id that the caller chose is in use."""

    guarded_by = "pk_gig"

    @classmethod
    def violated(cls) -> "GigIdTaken":
        return cls("This id is taken. Leave it out, or make a new one.", path=("id",))


@dataclass(frozen=True, slots=True)
class Budget:
    """A range of money, for the whole work or for each hour."""

    kind: BudgetKind
    min: Money
    max: Money


class Gig(Versioned, table=True):
    __table_args__ = (
        sa.CheckConstraint("budget_min_minor > 0 and budget_max_minor >= budget_min_minor", name="budget_range"),
        sa.CheckConstraint("hired between 0 and wanted", name="hired_within_wanted"),
        sa.CheckConstraint("wanted between 1 and 50", name="wanted_range"),
        sa.CheckConstraint("expected_days between 1 and 3650", name="expected_days_range"),
        sa.CheckConstraint("overlap_hours between 1 and 8", name="overlap_hours_range"),
        sa.CheckConstraint("(time_zone is null) = (overlap_hours is null)", name="overlap_is_with_a_zone"),
        sa.UniqueConstraint("client_id", "import_key"),
        sa.Index("ix_gig_newest", sa.text("listed_at desc"), sa.text("id desc")),
        # No index on the counters: they change often, and an update that touches no indexed column is cheap.
        sa.Index("ix_gig_deadline", "deadline", "id"),
        sa.Index("ix_gig_budget", "budget_max_minor", "id"),
        # Without OPEN, which most gigs are: searches read 60,000 entries of it to rule out almost nothing.
        sa.Index("ix_gig_status", "status", postgresql_where=sa.text("status <> 'OPEN'")),
        sa.Index("ix_gig_search", "search", postgresql_using="gin"),
        sa.Index("ix_gig_title_trigram", "title", postgresql_using="gin",
                 postgresql_ops={"title": "gin_trgm_ops"}),
    )  # fmt: skip

    id: UUID = Field(primary_key=True)
    number: int | None = Field(
        default=None,
        sa_type=sa.BigInteger,
        sa_column_args=(sa.Identity(always=True),),
        unique=True,
        nullable=False,
    )
    client_id: UUID = reference("client_profile.user_id", index=True)
    title: str = Field(max_length=MAX_TITLE)
    description: str = long_text()
    budget_kind: BudgetKind = words(BudgetKind)
    budget_min_minor: int = big()
    budget_max_minor: int = big()
    currency: str = Field(max_length=3)
    # For filters and order across currencies nothing is converted; a filter names its currency.
    deadline: datetime = utc()
    expected_days: int | None
    # One of them is enough; without any, nobody is asked what they speak.
    languages: list[str] = Field(
        default_factory=list, sa_type=ARRAY(sa.Text), sa_column_kwargs={"server_default": "{}"}
    )
    # Of an eight-hour working day there, so many hours have to be in common; both or neither.
    time_zone: str | None = Field(default=None, max_length=64)
    overlap_hours: int | None = None
    wanted: int = 1
    hired: int = 0
    visibility: GigVisibility = words(GigVisibility)
    status: GigStatus = words(GigStatus)
    status_remark_id: UUID | None = reference("remark.id", default=None)
    # Whether its client is suspended. PostgreSQL keeps it: a read of gigs need not ask who posted them.
    is_withheld: bool = False
    application_count: int = 0
    view_count: int = 0
    import_key: str | None = Field(default=None, max_length=200)
    created_at: datetime = utc()
    published_at: datetime | None = utc(default=None)
    # When it was published, or begun if it was not yet: never null, so that the newest page is one index scan.
    listed_at: datetime = utc()
    # Kept in the row (storage `main`): fetching it from the TOAST table made matching and ranking five times slower.
    search: str | None = Field(
        default=None,
        sa_type=TSVECTOR,
        sa_column_args=(
            sa.Computed(
                "setweight(to_tsvector('english', title), 'A') || setweight(to_tsvector('english', description), 'B')",
                persisted=True,
            ),
        ),
    )

    @property
    def budget(self) -> Budget:
        low, high = (Money(minor, self.currency) for minor in (self.budget_min_minor, self.budget_max_minor))
        return Budget(self.budget_kind, low, high)

    @property
    def places_left(self) -> int:
        return self.wanted - self.hired

    # -- verbs: check, change, report --------------------------------------------------------------------------------

    def publish(self, *, needs_approval: bool, at: datetime) -> GigMoved:
        to = S.PENDING_APPROVAL if needs_approval else S.OPEN
        GIG_WORKFLOW.check("publish", self.status, to, entity_id=self.id)
        _require_future(self.deadline, at=at)
        if needs_approval:
            return self._move("publish", GigSubmittedForApproval, to=to, at=at)
        return self._let_out("publish", GigPublished, at=at)

    def approve(self, *, at: datetime) -> GigMoved:
        return self._let_out("approve", GigApproved, at=at)

    def reject(self, *, remark_id: UUID, at: datetime) -> GigMoved:
        return self._move_with_remark("reject", GigRejected, remark_id=remark_id, at=at)

    def request_changes(self, *, remark_id: UUID, at: datetime) -> GigMoved:
        return self._move_with_remark("request_changes", GigChangesRequested, remark_id=remark_id, at=at)

    def pause(self, *, at: datetime) -> GigMoved:
        return self._move("pause", GigPaused, at=at)

    def resume(self, *, at: datetime) -> GigMoved:
        GIG_WORKFLOW.check("resume", self.status, entity_id=self.id)
        _require_future(self.deadline, at=at)
        return self._move("resume", GigResumed, at=at)

    def reopen(self, *, deadline: datetime, at: datetime) -> GigMoved:
        """Look for people again, until `deadline`. Needs a place that is not taken."""
        GIG_WORKFLOW.check("reopen", self.status, entity_id=self.id)
        if self.places_left == 0:
            raise NoPlaceLeft(self.wanted)
        _require_future(deadline, at=at)
        self.deadline = deadline
        return self._move("reopen", GigReopened, at=at)

    def cancel(self, *, remark_id: UUID | None, at: datetime) -> GigMoved:
        """Give the gig up. Live contracts have to be ended first, so a gig with hired people cannot be cancelled."""
        if self.hired:
            allowed = sorted({t.verb for t in GIG_WORKFLOW.allowed(self.status)} - {"cancel"})
            raise InvalidTransition("cancel", self.status, S.CANCELLED, allowed, entity_id=self.id)
        return self._move_with_remark("cancel", GigCancelled, remark_id=remark_id, at=at)

    def hire(self, *, at: datetime) -> GigMoved | None:
        """Take one place; the event says whether it was the last one."""
        if self.places_left == 0:
            raise NoPlaceLeft(self.wanted)
        self.require_open()
        self.hired += 1
        if self.places_left == 0:
            return self._move("fill", GigFilled, at=at)
        self.touch(at=at)
        return None

    def stop_hiring(self, *, live_contracts: int, at: datetime) -> GigMoved:
        if self.hired == 0:
            raise NobodyHired(self.status, gig_id=self.id)
        to = S.IN_PROGRESS if live_contracts else S.COMPLETED
        return self._move("stop_hiring", GigHiringStopped, to=to, at=at)

    def expire(self, *, live_contracts: int, at: datetime) -> GigMoved:
        """The deadline passed: with people hired the work goes on, otherwise the gig is over."""
        if self.hired:
            return self.stop_hiring(live_contracts=live_contracts, at=at)
        return self._move("expire", GigExpired, at=at)

    def contract_over(
        self, *, completed: bool, live_contracts: int, any_completed: bool, at: datetime
    ) -> GigMoved | None:
        """A contract was completed or ended early; the gig follows when it was the last one."""
        if not completed:
            self.hired -= 1
        if self.status is S.IN_PROGRESS and live_contracts == 0:
            if any_completed:
                return self._move("finish", GigCompleted, at=at)
            return self._move("fall_back", GigFellBack, at=at)
        self.touch(at=at)
        return None

    def require_open(self) -> None:
        if self.status is not S.OPEN:
            raise GigNotOpen(self.status, gig_id=self.id)

    def _let_out(self, verb: str, event: type[GigMoved], *, at: datetime) -> GigMoved:
        moved = self._move(verb, event, to=S.OPEN, at=at)
        if self.published_at is None:
            self.published_at = self.listed_at = at
        return moved

    def _move_with_remark(
        self, verb: str, event: type[GigMoved], *, remark_id: UUID | None, at: datetime
    ) -> GigMoved:
        moved = self._move(verb, event, remark_id=remark_id, at=at)
        self.status_remark_id = remark_id
        return moved

    def _move(
        self,
        verb: str,
        event: type[GigMoved],
        *,
        at: datetime,
        to: GigStatus | None = None,
        remark_id: UUID | None = None,
    ) -> GigMoved:
        before = self.status
        self.status = GIG_WORKFLOW.check(verb, before, to, entity_id=self.id)
        # The word that came with an earlier step (to the client alone, say) must not show beside a later status.
        self.status_remark_id = remark_id
        self.touch(at=at)
        return event(
            gig_id=self.id,
            owner_id=self.client_id,
            is_public=self.visibility is GigVisibility.PUBLIC,
            before=before,
            after=self.status,
            remark_id=remark_id,
            at=at,
        )


def _require_future(deadline: datetime, *, at: datetime) -> None:
    checks = Checks()
    checks.future(("deadline",), deadline, now=at)
    checks.done()


class GigWord(SQLModel, table=True):
    """A word, as the search index knows it, beside a gig that used it when no other did: what a typo is compared with.

    Written by a trigger of `gig`. Two gigs that bring the same new word at once both keep a row, so that neither waits.
    """

    __tablename__ = "gig_word"
    __table_args__ = (
        sa.Index("ix_gig_word_word", "word"),
        sa.Index("ix_gig_word_trigram", "word", postgresql_using="gin",
                 postgresql_ops={"word": "gin_trgm_ops"}),
    )  # fmt: skip

    gig_id: UUID = reference("gig.id", primary_key=True)
    word: str = Field(primary_key=True, max_length=40)


class GigSkill(SQLModel, table=True):
    __tablename__ = "gig_skill"
    __table_args__ = (
        sa.CheckConstraint("weight between 1 and 5", name="weight_range"),
        # With the gig, so that the gigs with a skill are read from the index alone: 2 ms instead of 9 for 12,000.
        sa.Index("ix_gig_skill_by_skill", "skill_id", "gig_id"),
        # As a gig shows them, in order and without reading the table.
        sa.Index("ix_gig_skill_in_order", "gig_id", "position", postgresql_include=["skill_id"]),
    )

    gig_id: UUID = reference("gig.id", primary_key=True)
    skill_id: UUID = reference("skill.id", primary_key=True)
    need: SkillNeed = words(SkillNeed)
    weight: int
    position: int


class GigQuestion(SQLModel, table=True):
    __tablename__ = "gig_question"

    id: UUID = Field(primary_key=True)
    gig_id: UUID = reference("gig.id", index=True)
    prompt: str = Field(max_length=500)
    is_required: bool
    position: int


class SavedGig(SQLModel, table=True):
    """A gig a person keeps an eye on."""

    __tablename__ = "saved_gig"

    user_id: UUID = reference("users.id", primary_key=True)
    gig_id: UUID = reference("gig.id", primary_key=True, index=True)
    saved_at: datetime = utc()
