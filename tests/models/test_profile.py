"""Ratings are exact sums; a profile says what is still missing."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.checks import Checks
from models.ids import new_id
from models.profile import FreelancerProfile, Visibility, check_last_used, completeness_percent, missing_parts

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
FULL: dict[str, Any] = {
    "headline": "Python engineer",
    "overview": "x" * 100,
    "rate_minor": 9_000,
    "hours_per_week": 30,
    "time_zone": "Europe/Kyiv",
    "country": "UA",
    "languages": ["uk"],
    "skills": 3,
}


def a_profile() -> FreelancerProfile:
    return FreelancerProfile(user_id=new_id(), visibility=Visibility.PUBLIC, created_at=NOW, updated_at=NOW)


@given(st.lists(st.integers(6, 30), min_size=1, max_size=200))
def test_a_rating_is_the_mean_of_all_axes_to_the_hundredth(totals: list[int]) -> None:
    profile = a_profile()

    for total in totals:
        profile.add_rating(total)

    mean = Fraction(sum(totals), 6 * len(totals))
    assert (profile.rating_axis_total, profile.rating_count) == (sum(totals), len(totals))
    assert profile.rating_hundredths is not None
    # Half up, as PostgreSQL rounds: -1/2 < hundredths - mean × 100 <= 1/2.
    assert Fraction(-1, 2) < profile.rating_hundredths - mean * 100 <= Fraction(1, 2)


def test_nobody_is_rated_before_the_first_feedback() -> None:
    assert a_profile().rating_hundredths is None


@pytest.mark.parametrize(
    ("totals", "hundredths"), [([30], 500), ([6], 100), ([25], 417), ([25, 26], 425), ([24, 25, 25, 25], 413)]
)
def test_ratings_round_half_up(totals: list[int], hundredths: int) -> None:
    profile = a_profile()

    for total in totals:
        profile.add_rating(total)

    assert profile.rating_hundredths == hundredths


def test_a_full_profile_misses_nothing() -> None:
    assert missing_parts(**FULL) == []


@pytest.mark.parametrize(
    ("emptied", "part"),
    [
        ({"skills": 2}, "SKILLS"),
        ({"headline": ""}, "HEADLINE"),
        ({"overview": "x" * 99}, "OVERVIEW"),
        ({"rate_minor": None}, "RATE"),
        ({"hours_per_week": None}, "AVAILABILITY"),
        ({"languages": []}, "LANGUAGES"),
        ({"country": None}, "COUNTRY"),
        ({"time_zone": None}, "TIME_ZONE"),
    ],
)
def test_each_empty_part_is_missing_by_its_name(emptied: dict[str, Any], part: str) -> None:
    assert missing_parts(**FULL | emptied) == [part]


@pytest.mark.parametrize(("missing", "percent"), list(enumerate([100, 88, 75, 62, 50, 38, 25, 12, 0])))
def test_completeness_counts_the_eight_parts(missing: int, percent: int) -> None:
    assert completeness_percent(["PART"] * missing) == percent


def test_a_new_profile_misses_everything_most_helpful_first() -> None:
    nothing: dict[str, Any] = dict.fromkeys(FULL) | {
        "headline": "",
        "overview": "",
        "languages": [],
        "skills": 0,
    }

    assert missing_parts(**nothing) == [
        "SKILLS", "HEADLINE", "OVERVIEW", "RATE", "AVAILABILITY", "LANGUAGES", "COUNTRY", "TIME_ZONE"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("day", "is_fine"), [(None, True), (date(2026, 11, 22), True), (date(2026, 11, 23), False)]
)
def test_a_skill_was_last_used_in_the_past(day: date | None, is_fine: bool) -> None:
    checks = Checks()

    check_last_used(checks, ("lastUsedOn",), day, now=NOW)

    assert [r.path for r in checks.refusals] == ([] if is_fine else [("lastUsedOn",)])
