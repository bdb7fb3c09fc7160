"""A gig's content is taken as a whole or not at all."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from models.errors import Invalid, Refusals
from models.gig import BudgetKind, GigVisibility
from models.gig_content import GigContent, Question, WantedSkill, changes_between, terms_changed
from models.gig_workflow import GigStatus
from models.ids import new_id
from tests.models.test_workflows import LATER, NOW, a_gig

SKILL = new_id()
CONTENT = GigContent(
    title="Build a booking page",
    description="Visitors pick a slot and pay for it.",
    budget_kind=BudgetKind.FIXED,
    budget_min=Decimal(500),
    budget_max=Decimal(900),
    currency="EUR",
    deadline=LATER,
    expected_days=20,
)


def refusals_of(content: GigContent, *, hired: int = 0) -> list[tuple[str, str]]:
    """Write it to a gig, which must be refused and leave the gig as it was: the paths and constraints."""
    gig = a_gig(GigStatus.OPEN, hired=hired)
    before = gig.model_dump()
    with pytest.raises(Refusals) as refused:
        content.write_to(gig, now=NOW)
    assert gig.model_dump() == before
    return [(".".join(r.path), r.constraint) for r in refused.value.refusals if isinstance(r, Invalid)]


def test_content_within_the_rules_fills_the_columns() -> None:
    gig = a_gig(GigStatus.DRAFT)
    content = replace(
        CONTENT,
        title="  Zoe\u0308s Seite ",
        budget_kind=BudgetKind.HOURLY,
        budget_min=Decimal("12.345"),
        budget_max=Decimal("12.345"),
        currency="KWD",
        expected_days=None,
        wanted=50,
        visibility=GigVisibility.INVITE_ONLY,
        time_zone="Asia/Kolkata",
        overlap_hours=8,
    )

    content.write_to(gig, now=NOW)

    assert (gig.title, gig.wanted, gig.visibility) == ("Zo\u00ebs Seite", 50, GigVisibility.INVITE_ONLY)
    assert (gig.budget_min_minor, gig.budget_max_minor, gig.currency) == (12_345, 12_345, "KWD")
    assert (gig.budget_kind, gig.expected_days, gig.deadline) == (BudgetKind.HOURLY, None, LATER)
    assert (gig.time_zone, gig.overlap_hours) == ("Asia/Kolkata", 8)


@pytest.mark.parametrize(
    ("changes", "refusals"),
    [
        ({"title": ""}, [("title", "LENGTH")]),
        ({"title": "x" * 100_000}, [("title", "LENGTH")]),
        ({"title": "a\x00b"}, [("title", "PRINTABLE")]),
        ({"description": "\ud800"}, [("description", "PRINTABLE")]),
        ({"deadline": NOW}, [("deadline", "FUTURE")]),
        ({"expected_days": 0}, [("expectedDuration", "RANGE")]),
        ({"expected_days": 3651}, [("expectedDuration", "RANGE")]),
        ({"wanted": 0}, [("wanted", "RANGE")]),
        ({"wanted": 51}, [("wanted", "RANGE")]),
        ({"budget_min": Decimal(901)}, [("budget.max", "ORDER")]),
        ({"budget_min": Decimal(-1)}, [("budget.min", "RANGE")]),
        ({"budget_min": Decimal(-2), "budget_max": Decimal(-1)}, [("budget.min", "RANGE"), ("budget.max", "RANGE")]),
        ({"budget_max": Decimal("900.001")}, [("budget.max", "DECIMAL_PLACES")]),
        ({"currency": "EURO"}, [("budget.currency", "CURRENCY")]),
        ({"currency": "JPY", "budget_min": Decimal("500.5")}, [("budget.min", "DECIMAL_PLACES")]),
        ({"skills": (WantedSkill(SKILL), WantedSkill(SKILL))}, [("skills", "DISTINCT")]),
        ({"skills": tuple(WantedSkill(new_id()) for _ in range(21))}, [("skills", "COUNT")]),
        ({"skills": (WantedSkill(SKILL, weight=0),)}, [("skills.0.weight", "RANGE")]),
        ({"skills": (WantedSkill(new_id()), WantedSkill(SKILL, weight=6))}, [("skills.1.weight", "RANGE")]),
        ({"time_zone": "Mars/Base", "overlap_hours": 1}, [("timeZone", "TIME_ZONE")]),
        ({"time_zone": "", "overlap_hours": 1}, [("timeZone", "TIME_ZONE")]),
        ({"time_zone": "Asia/Tokyo", "overlap_hours": 0}, [("overlapHours", "RANGE")]),
        ({"time_zone": "Asia/Tokyo", "overlap_hours": 9}, [("overlapHours", "RANGE")]),
        ({"time_zone": "Asia/Tokyo"}, [("overlapHours", "REQUIRED")]),
        ({"overlap_hours": 8}, [("timeZone", "REQUIRED")]),
        ({"questions": (Question(""),)}, [("questions.0.prompt", "LENGTH")]),
        ({"questions": tuple(Question("Why?") for _ in range(11))}, [("questions", "COUNT")]),
    ],
)  # fmt: skip
def test_content_against_a_rule_is_refused_by_its_name(
    changes: dict[str, Any], refusals: list[tuple[str, str]]
) -> None:
    assert refusals_of(replace(CONTENT, **changes)) == refusals


def test_all_broken_rules_are_told_at_once() -> None:
    content = replace(
        CONTENT,
        title="",
        description="",
        deadline=NOW - timedelta(days=1),
        expected_days=-1,
        wanted=0,
        skills=(WantedSkill(SKILL, weight=9), WantedSkill(SKILL)),
        questions=(Question(" "),),
        budget_min=Decimal("NaN"),
        budget_max=Decimal(0),
    )

    assert refusals_of(content) == [
        ("title", "LENGTH"),
        ("description", "LENGTH"),
        ("deadline", "FUTURE"),
        ("expectedDuration", "RANGE"),
        ("wanted", "RANGE"),
        ("skills", "DISTINCT"),
        ("skills.0.weight", "RANGE"),
        ("questions.0.prompt", "LENGTH"),
        ("budget.min", "DECIMAL"),
        ("budget.max", "RANGE"),
    ]


@pytest.mark.parametrize("wanted", [1, 2])
def test_a_gig_that_is_edited_wants_more_people_than_it_has_hired(wanted: int) -> None:
    assert refusals_of(replace(CONTENT, wanted=wanted), hired=2) == [("wanted", "RANGE")]


def test_an_unchanged_deadline_may_have_passed() -> None:
    gig = a_gig(GigStatus.EXPIRED, deadline=NOW - timedelta(days=1))

    replace(CONTENT, deadline=gig.deadline).write_to(gig, now=NOW, past_deadline_is_fine=True)

    assert gig.deadline == NOW - timedelta(days=1)


def test_content_read_from_a_gig_writes_the_same_gig() -> None:
    gig = a_gig(GigStatus.OPEN)
    gig.time_zone, gig.overlap_hours = "Asia/Tokyo", 3
    before = gig.model_dump()

    GigContent.of(gig, (), ()).write_to(gig, now=NOW)

    assert gig.model_dump() == before


@pytest.mark.parametrize(
    ("changes", "is_a_term"),
    [
        ({"title": "Another"}, False),
        ({"deadline": NOW}, False),
        ({"skills": (WantedSkill(SKILL),)}, False),
        ({"budget_min": Decimal(600)}, True),
        ({"budget_min": Decimal("500.00")}, False),
        ({"currency": "USD"}, True),
        ({"visibility": GigVisibility.INVITE_ONLY}, True),
        ({"questions": (Question("Why?"),)}, True),
    ],
)
def test_terms_are_what_applicants_rely_on(changes: dict[str, Any], is_a_term: bool) -> None:
    assert terms_changed(CONTENT, replace(CONTENT, **changes)) is is_a_term


def test_changes_tell_numbers_before_and_after_and_texts_only_by_name() -> None:
    hours: dict[str, Any] = {"time_zone": "Asia/Tokyo", "overlap_hours": 3}
    after = replace(
        CONTENT, title="Another", budget_max=Decimal(950), expected_days=None, deadline=NOW, **hours
    )

    changes = changes_between(CONTENT, after)

    assert changes == {
        "title": (None, None),
        "budget_max": ("900", "950"),
        "deadline": (LATER.isoformat(), NOW.isoformat()),
        "expected_days": ("20", None),
        "time_zone": (None, "Asia/Tokyo"),
        "overlap_hours": (None, "3"),
    }
