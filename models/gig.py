"""A gig: what a client wants done, and its way from draft to done."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel

from models.checks import Checks
from models.errors import AlreadyExists, InvalidTransition, LimitReached, NotOpen
from models.event import Audience, Event
from models.ids import new_id
from models.money import Money
from models.table import Versioned, big, long_text, reference, utc, words
from models.vocabulary import Vocabulary
from models.workflow import Workflow, step

MAX_TITLE, MAX_DESCRIPTION, MAX_SKILLS, MAX_QUESTIONS, MAX_WANTED = 120, 20_000, 20, 10, 50


class GigStatus(Vocabulary):
    """Where a gig is on its way."""

    DRAFT = "DRAFT", "Being written; only the client sees it."
    PENDING_APPROVAL = (
        "PENDING_APPROVAL",
        "Waits for an administrator's word; only the client and administrators see it.",
    )
    REJECTED = "REJECTED", "An administrator refused it, with a reason. An end state; it can be duplicated."
    OPEN = "OPEN", "Takes applications."
    PAUSED = "PAUSED", "Takes no new applications for now; those that came in stay."
    IN_PROGRESS = "IN_PROGRESS", "Hiring is over and work is going on."
    COMPLETED = "COMPLETED", "All work is done. An end state."
    CANCELLED = "CANCELLED", "The client gave it up. An end state; it can be duplicated."
    EXPIRED = "EXPIRED", "The deadline passed and nobody was hired. A new deadline reopens it."


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


class InvitationStatus(Vocabulary):
    """What became of an invitation."""

    PENDING = "PENDING", "Not answered yet."
    ACCEPTED = "ACCEPTED", "The freelancer wants to look at the gig and may apply."
    DECLINED = "DECLINED", "The freelancer is not interested."


S = GigStatus
GIG_WORKFLOW = Workflow[GigStatus](
    "gig",
    [
        step("publish", S.DRAFT, S.OPEN, by="OWNER"),
        step("publish", S.DRAFT, S.PENDING_APPROVAL, by="OWNER"),
        step("approve", S.PENDING_APPROVAL, S.OPEN, by="ADMIN"),
        step("reject", S.PENDING_APPROVAL, S.REJECTED, by="ADMIN"),
        step("request_changes", S.PENDING_APPROVAL, S.DRAFT, by="ADMIN"),
        step("pause", S.OPEN, S.PAUSED, by="OWNER"),
        step("resume", S.PAUSED, S.OPEN, by="OWNER"),
        step("reopen", [S.EXPIRED, S.IN_PROGRESS], S.OPEN, by="OWNER"),
        step("fill", S.OPEN, S.IN_PROGRESS, by="SYSTEM"),
        step("stop_hiring", [S.OPEN, S.PAUSED], S.IN_PROGRESS, by="OWNER"),
        step("stop_hiring", [S.OPEN, S.PAUSED], S.COMPLETED, by="OWNER"),
        step("finish", S.IN_PROGRESS, S.COMPLETED, by="SYSTEM"),
        step("fall_back", S.IN_PROGRESS, S.PAUSED, by="SYSTEM"),
        step("expire", [S.OPEN, S.PAUSED], S.EXPIRED, by="SYSTEM"),
        step("cancel", [S.DRAFT, S.PENDING_APPROVAL, S.OPEN, S.PAUSED, S.EXPIRED], S.CANCELLED, by="OWNER"),
    ],
)

INVITATION_WORKFLOW = Workflow[InvitationStatus](
    "invitation",
    [
        step("accept", InvitationStatus.PENDING, InvitationStatus.ACCEPTED, by="FREELANCER"),
        step("decline", InvitationStatus.PENDING, InvitationStatus.DECLINED, by="FREELANCER"),
    ],
)

EDITABLE = frozenset({S.DRAFT, S.OPEN, S.PAUSED, S.EXPIRED})
HIDDEN = frozenset({S.DRAFT, S.PENDING_APPROVAL, S.REJECTED})


class GigNotOpen(NotOpen):
    """The gig takes no applications and hires nobody now."""

    def __init__(self, status: GigStatus, *, gig_id: UUID) -> None:
        super().__init__(
            f"This gig is {status}; only an OPEN gig does this.", status=status, entity_id=gig_id
        )


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


class AlreadyInvited(AlreadyExists):
    """One invitation for each freelancer and gig."""

    guarded_by = "uq_gig_invitation_gig_id_freelancer_id"

    @classmethod
    def violated(cls) -> "AlreadyInvited":
        return cls("This freelancer is invited to this gig already.", path=("freelancerId",))


# -- events ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GigEvent(Event):
    gig_id: UUID

    def streams(self) -> tuple[str, ...]:
        return (f"gig:{self.gig_id}",)


@dataclass(frozen=True, kw_only=True)
class GigMoved(GigEvent):
    """The gig went from one status to another. Subclasses say by which verb."""

    before: GigStatus
    after: GigStatus

    @property
    def audience(self) -> Audience:
        return Audience.PUBLIC

    def streams(self) -> tuple[str, ...]:
        return (
            (f"gig:{self.gig_id}", "market") if self.audience is Audience.PUBLIC else (f"gig:{self.gig_id}",)
        )


@dataclass(frozen=True, kw_only=True)
class GigMovedPrivately(GigMoved):
    @property
    def audience(self) -> Audience:
        return Audience.OWNER


class GigPublished(GigMoved):
    """The gig takes applications from now on."""


class GigSubmittedForApproval(GigMovedPrivately):
    """The client asks administrators to let the gig out."""


class GigApproved(GigMoved):
    """An administrator let the gig out."""


class GigRejected(GigMovedPrivately):
    """An administrator refused the gig; the remark says why."""


class GigChangesRequested(GigMovedPrivately):
    """An administrator wants changes first; the remark says which."""


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


class GigCompleted(GigMoved):
    """All work is done."""


class GigFellBack(GigMoved):
    """The last contract ended early and nothing was completed; the client decides how to go on."""


class GigExpired(GigMoved):
    """The deadline passed."""


@dataclass(frozen=True, kw_only=True)
class GigCancelled(GigMoved):
    """The client gave the gig up."""

    @property
    def audience(self) -> Audience:
        return Audience.OWNER if self.before in HIDDEN else Audience.PUBLIC


@dataclass(frozen=True, kw_only=True)
class GigCreated(GigEvent):
    """A draft was begun; `source_id` is the gig it was copied from."""

    source_id: UUID | None = None

    @property
    def audience(self) -> Audience:
        return Audience.OWNER


@dataclass(frozen=True, kw_only=True)
class GigEdited(GigEvent):
    """Parts of the gig changed. Numbers are given before and after; texts only by name."""

    status: GigStatus
    changes: dict[str, tuple[str | None, str | None]]

    @property
    def audience(self) -> Audience:
        return Audience.OWNER if self.status in HIDDEN else Audience.PUBLIC

    def streams(self) -> tuple[str, ...]:
        own = f"gig:{self.gig_id}"
        return (own,) if self.status in HIDDEN else (own, "market")


@dataclass(frozen=True, kw_only=True)
class InvitationEvent(GigEvent):
    invitation_id: UUID

    @property
    def audience(self) -> Audience:
        return Audience.CONCERNED

    def streams(self) -> tuple[str, ...]:
        return (f"gig:{self.gig_id}", f"user:{self.person_id}")


E = TypeVar("E", bound=InvitationEvent)


class FreelancerInvited(InvitationEvent):
    """The client invited a freelancer to apply."""


class InvitationAccepted(InvitationEvent):
    """The freelancer wants to look at the gig."""


class InvitationDeclined(InvitationEvent):
    """The freelancer is not interested."""


# -- tables ------------------------------------------------------------------------------------------------------------


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
        sa.UniqueConstraint("client_id", "import_key"),
        sa.Index("ix_gig_newest", sa.text("listed_at desc"), sa.text("id desc")),
        # No index on the counters: they change often, and an update that touches no indexed column is cheap.
        sa.Index("ix_gig_deadline", "deadline", "id"),
        sa.Index("ix_gig_budget", "budget_max_minor", "id"),
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
    wanted: int = 1
    hired: int = 0
    visibility: GigVisibility = words(GigVisibility)
    status: GigStatus = words(GigStatus, index=True)
    status_remark_id: UUID | None = reference("remark.id", default=None)
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
        self._require_deadline(self.deadline, at=at)
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
        self._require_deadline(self.deadline, at=at)
        return self._move("resume", GigResumed, at=at)

    def reopen(self, *, deadline: datetime, at: datetime) -> GigMoved:
        """Look for people again, until `deadline`. Needs a place that is not taken."""
        GIG_WORKFLOW.check("reopen", self.status, entity_id=self.id)
        if self.places_left == 0:
            raise NoPlaceLeft(self.wanted)
        self._require_deadline(deadline, at=at)
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
        if self.status is not S.OPEN:
            raise (
                NoPlaceLeft(self.wanted) if self.places_left == 0 else GigNotOpen(self.status, gig_id=self.id)
            )
        if self.places_left == 0:
            raise NoPlaceLeft(self.wanted)
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

    def _require_deadline(self, deadline: datetime, *, at: datetime) -> None:
        checks = Checks()
        checks.future(("deadline",), deadline, now=at)
        checks.done()

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
            before=before,
            after=self.status,
            remark_id=remark_id,
            at=at,
        )


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
    __table_args__ = (sa.CheckConstraint("weight between 1 and 5", name="weight_range"),)

    gig_id: UUID = reference("gig.id", primary_key=True)
    skill_id: UUID = reference("skill.id", primary_key=True, index=True)
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


class GigInvitation(Versioned, table=True):
    __tablename__ = "gig_invitation"
    __table_args__ = (sa.UniqueConstraint("gig_id", "freelancer_id"),)

    id: UUID = Field(primary_key=True)
    gig_id: UUID = reference("gig.id")
    client_id: UUID = reference("client_profile.user_id")
    freelancer_id: UUID = reference("freelancer_profile.user_id", index=True)
    status: InvitationStatus = words(InvitationStatus)
    remark_id: UUID | None = reference("remark.id")
    created_at: datetime = utc()

    @classmethod
    def send(
        cls, gig: Gig, *, freelancer_id: UUID, remark_id: UUID | None, at: datetime
    ) -> tuple[Self, FreelancerInvited]:
        gig.require_open()
        invitation = cls(
            id=new_id(),
            gig_id=gig.id,
            client_id=gig.client_id,
            freelancer_id=freelancer_id,
            status=InvitationStatus.PENDING,
            remark_id=remark_id,
            created_at=at,
            updated_at=at,
        )
        return invitation, invitation._event(FreelancerInvited, remark_id=remark_id, at=at)

    def accept(self, *, at: datetime) -> InvitationAccepted:
        return self._answer("accept", InvitationAccepted, remark_id=None, at=at)

    def decline(self, *, remark_id: UUID | None, at: datetime) -> InvitationDeclined:
        return self._answer("decline", InvitationDeclined, remark_id=remark_id, at=at)

    def _answer(self, verb: str, event: type[E], *, remark_id: UUID | None, at: datetime) -> E:
        self.status = INVITATION_WORKFLOW.check(verb, self.status, entity_id=self.id)
        self.touch(at=at)
        return self._event(event, remark_id=remark_id, at=at)

    def _event(self, event: type[E], *, remark_id: UUID | None, at: datetime) -> E:
        return event(
            gig_id=self.gig_id,
            invitation_id=self.id,
            owner_id=self.client_id,
            person_id=self.freelancer_id,
            remark_id=remark_id,
            at=at,
        )


class SavedGig(SQLModel, table=True):
    """A gig a person keeps an eye on."""

    __tablename__ = "saved_gig"

    user_id: UUID = reference("users.id", primary_key=True)
    gig_id: UUID = reference("gig.id", primary_key=True, index=True)
    saved_at: datetime = utc()


MAX_DURATION = timedelta(days=3650)
