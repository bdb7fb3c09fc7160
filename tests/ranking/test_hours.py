"""Hours in common, and the filter of the index that goes by them."""

from dataclasses import replace
from datetime import UTC, datetime
from zoneinfo import available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.documents import Gig, Person
from ranking.hours import WORKING_HOURS, common_hours
from ranking.index import Document, Hours, Index, Question
from ranking.matching import Matcher

WINTER, SPRING, SUMMER = (datetime(2026, month, 20, 12, tzinfo=UTC) for month in (1, 3, 7))
ZONES = st.sampled_from(sorted(available_timezones()))
MAYBE = st.none() | ZONES
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))
OVERLAPS = st.integers(1, WORKING_HOURS)
PERSON = Person("p", "web person", "forms for posters", ("css",))
GIG = Gig("g", "web work", "forms for posters", ("css",))


@pytest.mark.parametrize(
    ("one", "other", "at", "hours"),
    [
        ("Europe/Berlin", "Europe/Paris", WINTER, 8),
        ("Europe/Berlin", "Europe/Kyiv", WINTER, 7),
        ("Europe/Berlin", "America/New_York", WINTER, 2),
        ("Europe/Berlin", "America/New_York", SPRING, 3),
        ("Europe/Berlin", "America/New_York", SUMMER, 2),
        ("Europe/Berlin", "Asia/Kolkata", WINTER, 3.5),
        ("Europe/Berlin", "Asia/Kolkata", SUMMER, 4.5),
        ("Europe/Berlin", "Asia/Tokyo", WINTER, 0),
        ("Pacific/Auckland", "Pacific/Honolulu", WINTER, 7),
        ("Europe/Berlin", None, WINTER, 8),
        ("Europe/Berlin", "Atlantis/Harbour", WINTER, 8),
        ("Europe/Berlin", "../../etc/passwd", WINTER, 8),
    ],
)
def test_of_two_working_days_so_many_hours_are_in_common(
    one: str | None, other: str | None, at: datetime, hours: float
) -> None:
    assert common_hours(one, other, at=at) == common_hours(other, one, at=at) == hours


@settings(deadline=None)
@given(
    documents=st.lists(st.tuples(MAYBE, OVERLAPS), max_size=30),
    asking=ZONES,
    overlap=st.integers(0, WORKING_HOURS),
    at=MOMENTS,
)
def test_the_index_lets_through_who_has_the_hours_in_common(
    documents: list[tuple[str | None, int]], asking: str, overlap: int, at: datetime
) -> None:
    index = Index()
    for number, (zone, least) in enumerate(documents):
        index.put(Document(str(number), "", zone=zone, overlap=0 if zone is None else least))

    allowed = index.allowed(Question("", hours=Hours(asking, at, overlap)))

    assert allowed.tolist() == [
        zone is None or common_hours(asking, zone, at=at) >= (overlap or least) for zone, least in documents
    ]


@settings(deadline=None)
@given(people=st.lists(MAYBE, max_size=20), zone=MAYBE, overlap=OVERLAPS, at=MOMENTS)
def test_a_gig_and_a_person_find_each_other_by_the_same_rule(
    people: list[str | None], zone: str | None, overlap: int, at: datetime
) -> None:
    ours, gig = Matcher(), replace(GIG, zone=zone, overlap=0 if zone is None else overlap)
    ours.put_gig(gig)
    everybody = [replace(PERSON, id=f"p{number}", zone=own) for number, own in enumerate(people)]
    for person in everybody:
        ours.put_person(person)

    found = {match.id for match in ours.people_for(gig, at=at)}

    assert found == {p.id for p in everybody if common_hours(zone, p.zone, at=at) >= gig.overlap}
    assert found == {p.id for p in everybody if ours.gigs_for(p, at=at)}


def test_a_time_zone_that_changed_counts_from_then_on() -> None:
    ours, gig = Matcher(), replace(GIG, zone="Europe/Berlin", overlap=4)
    ours.put_person(replace(PERSON, zone="Asia/Tokyo"))
    assert ours.people_for(gig, at=WINTER) == []

    ours.put_person(replace(PERSON, zone="Europe/Kyiv"))

    assert [match.id for match in ours.people_for(gig, at=WINTER)] == ["p"]


def test_who_names_a_time_zone_asks_at_a_moment() -> None:
    with pytest.raises(ValueError, match="Say `at`"):
        Matcher().people_for(replace(GIG, zone="Europe/Berlin", overlap=1))
    with pytest.raises(ValueError, match="Say `at`"):
        Matcher().gigs_for(replace(PERSON, zone="Europe/Berlin"))
