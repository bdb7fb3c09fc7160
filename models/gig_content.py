"""What a client writes into a gig, checked as a whole whether it is new or edited."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from models.checks import Checks
from models.errors import Invalid
from models.gig import (
    MAX_DAYS,
    MAX_DESCRIPTION,
    MAX_LANGUAGES,
    MAX_OVERLAP_HOURS,
    MAX_QUESTIONS,
    MAX_SKILLS,
    MAX_TITLE,
    MAX_WANTED,
    BudgetKind,
    Gig,
    GigVisibility,
    SkillNeed,
)
from models.money import Money


@dataclass(frozen=True, slots=True)
class WantedSkill:
    """A skill with its weight, 1 (slightly) to 5 (decisive)."""

    skill_id: UUID
    need: SkillNeed = SkillNeed.REQUIRED
    weight: int = 3


@dataclass(frozen=True, slots=True)
class Question:
    prompt: str
    is_required: bool = True


@dataclass(frozen=True, slots=True)
class GigContent:
    """Amounts are decimals of `currency`; `expected_days` is how long the work takes, None when it is open. Who speaks one of the
    `languages` (ISO 639) can do it; everybody if there are none. Whoever does it has `overlap_hours` of a working day in common with
    `time_zone` (IANA).
    """

    title: str
    description: str
    budget_kind: BudgetKind
    budget_min: Decimal
    budget_max: Decimal
    currency: str
    deadline: datetime
    expected_days: int | None = None
    wanted: int = 1
    visibility: GigVisibility = GigVisibility.PUBLIC
    skills: tuple[WantedSkill, ...] = ()
    questions: tuple[Question, ...] = ()
    languages: tuple[str, ...] = ()
    time_zone: str | None = None
    overlap_hours: int | None = None

    @classmethod
    def of(cls, gig: Gig, skills: tuple[WantedSkill, ...], questions: tuple[Question, ...]) -> "GigContent":
        budget = gig.budget
        return cls(
            title=gig.title,
            description=gig.description,
            budget_kind=budget.kind,
            budget_min=budget.min.amount,
            budget_max=budget.max.amount,
            currency=gig.currency,
            deadline=gig.deadline,
            expected_days=gig.expected_days,
            wanted=gig.wanted,
            visibility=gig.visibility,
            skills=skills,
            questions=questions,
            languages=tuple(gig.languages),
            time_zone=gig.time_zone,
            overlap_hours=gig.overlap_hours,
        )

    def write_to(self, gig: Gig, *, now: datetime, past_deadline_is_fine: bool = False) -> None:
        """Check everything, then set the columns of `gig`. Raises `Refusals` and leaves `gig` untouched."""
        checks = Checks()
        title = checks.text(("title",), self.title, max=MAX_TITLE)
        description = checks.text(("description",), self.description, max=MAX_DESCRIPTION)
        if not past_deadline_is_fine:
            checks.future(("deadline",), self.deadline, now=now)
        if self.expected_days is not None:
            checks.between(("expectedDuration",), self.expected_days, min=1, max=MAX_DAYS)
        # One place more than are taken: to hire nobody more is `stop_hiring`, not an open gig without a place.
        checks.between(("wanted",), self.wanted, min=(gig.hired or 0) + 1, max=MAX_WANTED)
        self._check_skills(checks)
        self._check_questions(checks)
        self._check_languages(checks)
        self._check_hours(checks)
        low, high = self._checked_budget(checks)
        checks.done()
        gig.title, gig.description = title, description
        gig.budget_kind, gig.currency = self.budget_kind, self.currency
        gig.budget_min_minor, gig.budget_max_minor = low, high
        gig.deadline, gig.expected_days = self.deadline, self.expected_days
        gig.wanted, gig.visibility = self.wanted, self.visibility
        gig.languages = list(self.languages)
        gig.time_zone, gig.overlap_hours = self.time_zone, self.overlap_hours

    def _check_skills(self, checks: Checks) -> None:
        checks.count(("skills",), self.skills, max=MAX_SKILLS)
        checks.distinct(("skills",), [skill.skill_id for skill in self.skills])
        for index, skill in enumerate(self.skills):
            checks.between(("skills", str(index), "weight"), skill.weight, min=1, max=5)

    def _check_questions(self, checks: Checks) -> None:
        checks.count(("questions",), self.questions, max=MAX_QUESTIONS)
        for index, question in enumerate(self.questions):
            checks.text(("questions", str(index), "prompt"), question.prompt, max=500)

    def _check_languages(self, checks: Checks) -> None:
        checks.count(("languages",), self.languages, max=MAX_LANGUAGES)
        checks.distinct(("languages",), self.languages)
        for index, language in enumerate(self.languages):
            checks.language(("languages", str(index)), language)

    def _check_hours(self, checks: Checks) -> None:
        if self.time_zone is not None:
            checks.time_zone(("timeZone",), self.time_zone)
        if self.overlap_hours is not None:
            checks.between(("overlapHours",), self.overlap_hours, min=1, max=MAX_OVERLAP_HOURS)
        if self.overlap_hours is None and self.time_zone is not None:
            message = "Say how many hours have to be in common with this time zone, or name no zone."
            checks.refuse(("overlapHours",), "REQUIRED", message, min=1, max=MAX_OVERLAP_HOURS)
        if self.time_zone is None and self.overlap_hours is not None:
            message = "Say with which time zone these hours have to be in common, or ask for no hours."
            checks.refuse(("timeZone",), "REQUIRED", message)

    def _checked_budget(self, checks: Checks) -> tuple[int, int]:
        known = len(checks.refusals)
        checks.currency(("budget", "currency"), self.currency)
        if len(checks.refusals) > known:
            return 0, 0
        low = self._checked_amount(checks, "min", self.budget_min)
        high = self._checked_amount(checks, "max", self.budget_max)
        if len(checks.refusals) == known and high < low:
            message = f"The upper end {self.budget_max} lies below the lower end {self.budget_min}."
            checks.refuse(("budget", "max"), "ORDER", message, min=self.budget_min)
        return low, high

    def _checked_amount(self, checks: Checks, end: str, amount: Decimal) -> int:
        try:
            return Money.parse(amount, self.currency, path=("budget", end)).minor
        except Invalid as refusal:
            checks.refusals.append(refusal)
            return 0


def terms_changed(before: GigContent, after: GigContent) -> bool:
    """Whether something changed that applicants rely on."""
    return any(
        getattr(before, name) != getattr(after, name)
        for name in ("budget_kind", "budget_min", "budget_max", "currency", "visibility", "questions")
    )


def changes_between(before: GigContent, after: GigContent) -> dict[str, tuple[str | None, str | None]]:
    """Per changed part: numbers, dates and words before and after; texts and lists only by name."""
    changes: dict[str, tuple[str | None, str | None]] = {}
    for name in GigContent.__dataclass_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            is_text = name in {"title", "description", "skills", "questions", "languages"}
            changes[name] = (None, None) if is_text else (_plain(old), _plain(new))
    return changes


def _plain(value: object) -> str | None:
    return None if value is None else value.isoformat() if isinstance(value, datetime) else str(value)
