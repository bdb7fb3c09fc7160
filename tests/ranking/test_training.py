"""Training on what happened here: with what was known at the time, and only ever for the better."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ranking import artifacts
from ranking.artifacts import Artifact, Span
from ranking.documents import Gig, Happened, Outcome, PastGig, Step, outcomes_of, past_gigs
from ranking.experience import Experience
from ranking.learning import Learned, Segment, _with_shown, train
from ranking.training import (
    FEWEST_GIGS,
    NoBetterSuggester,
    NotBetter,
    NothingLearnt,
    NotTrained,
    TooFewNew,
    TooFewOutcomes,
    TooFewTagged,
    retrain,
    trained_suggester,
    usable,
)
from tests.ranking import market

NOW = datetime(2026, 11, 26, 8, tzinfo=UTC)
ROUNDS = 30


def steps_of(gig: Gig, random: Random) -> list[Happened]:
    """The eager apply for nearly everything and are never chosen; two of the craft apply, and the better one is.

    Words, skills and activity speak for the eager. That they are never chosen is there to be learnt.
    """
    craft = list(market.CRAFTS).index(gig.title.split()[0])
    eager = [f"eager{number}" for number in range(8) if random.random() < 0.9]
    crafty = [f"p{3 * craft + number}" for number in range(3) if random.random() < 0.7]
    steps = [Happened(gig.id, person, Step.APPLIED, gig.at + random.random()) for person in eager + crafty]
    if crafty:
        steps += [
            Happened(gig.id, crafty[0], Step.ACCEPTED, gig.at + 2),
            Happened(gig.id, crafty[0], Step.COMPLETED, gig.at + 9),
            Happened(gig.id, crafty[0], Step.RATED, gig.at + 20, random.choice((0.25, 1.0))),
        ]
    return steps


@cache
def told(count: int = 400) -> tuple[PastGig, ...]:
    random = Random(3)
    gigs = [market.gig(number, random.choice(list(market.CRAFTS)), random) for number in range(count)]
    return tuple(past_gigs(gigs, (step for gig in gigs for step in steps_of(gig, random))))


# -- what happened -----------------------------------------------------------------------------------------------------


def test_the_farthest_step_says_what_became_of_somebody() -> None:
    at = [
        Happened("g", "shown", Step.SHOWN, 1),
        Happened("g", "applied", Step.APPLIED, 1),
        Happened("g", "closer", Step.APPLIED, 1),
        Happened("g", "closer", Step.SHORTLISTED, 2),
        Happened("g", "good", Step.ACCEPTED, 2),
        Happened("g", "good", Step.COMPLETED, 3),
        Happened("g", "good", Step.RATED, 4, 1.0),
        Happened("g", "ended", Step.ACCEPTED, 2),
        Happened("g", "ended", Step.ENDED, 3),
    ]

    assert outcomes_of(at) == (
        Outcome("applied", was_chosen=False, worth=1.0, went_well=None, was_done=False),
        Outcome("closer", was_chosen=False, worth=2.0, went_well=None, was_done=False),
        Outcome("ended", was_chosen=True, worth=1.0, went_well=False, was_done=False),
        Outcome("good", was_chosen=True, worth=4.5, went_well=True, was_done=True),
    )


def test_at_an_earlier_time_only_what_had_happened_is_known() -> None:
    (past,) = past_gigs(
        [Gig("g", "", "", at=1.0), Gig("untold", "", "")],
        [
            Happened("g", "p", Step.COMPLETED, 9),
            Happened("g", "p", Step.APPLIED, 2),
            Happened("g", "p", Step.ACCEPTED, 4),
        ],
    )

    assert [past.known_at(at).outcomes for at in (1.5, 3, 5)] == [
        (),
        (Outcome("p", was_chosen=False, worth=1.0, was_done=False),),
        (Outcome("p", was_chosen=True, worth=3.0, was_done=False),),
    ]
    assert past.outcomes == (Outcome("p", was_chosen=True, worth=4.0),)


def evidence_of(segment: Segment, end: int) -> tuple[list[str], NDArray[np.float32]]:
    experience = segment.until(end)
    glance = experience.glance(segment.past[end].gig, None)
    everybody = np.arange(len(experience.people))
    return experience.people, experience.evidence(glance, everybody).table


@given(end=st.integers(20, 110), seed=st.integers(0, 1_000))
@settings(max_examples=8, deadline=None)
def test_numbers_for_a_moment_are_the_same_whatever_happened_later(end: int, seed: int) -> None:
    past, random = told(120), Random(seed)
    now = past[end].gig.at

    def otherwise(each: PastGig) -> PastGig:
        later = [
            replace(
                step,
                person=random.choice(("p0", "eager1", "nobody")),
                step=random.choice(list(Step)),
                rating=0.0,
            )
            for step in each.happened
            if step.at > now
        ]
        return PastGig.of(each.gig, [*(step for step in each.happened if step.at <= now), *later])

    people, numbers = evidence_of(Segment(past), end)
    again, others = evidence_of(Segment(tuple(map(otherwise, past))), end)

    assert people == again
    assert np.array_equal(numbers, others)


def test_numbers_with_the_future_in_them_would_have_been_others() -> None:
    past = told(120)
    leaking = Experience(past[:60])
    glance = leaking.glance(past[60].gig, None)

    numbers = leaking.evidence(glance, np.arange(len(leaking.people))).table

    assert not np.array_equal(numbers, evidence_of(Segment(past), 60)[1])


def test_people_who_were_shown_are_compared_even_if_no_guess_leads_to_them() -> None:
    experience = Experience(told(120))
    shown = [Happened("g", person, Step.SHOWN, 1) for person in ("p8", "nobody", experience.people[0])]

    glance = replace(experience.glance(Gig("g", "", ""), None), first=np.array([0, 1]))

    compared = _with_shown(experience, glance, PastGig.of(Gig("g", "", ""), shown))

    assert [experience.people[place] for place in compared] == [*experience.people[:2], "p8"]
    assert outcomes_of(shown) == ()


def test_of_a_crowd_that_was_shown_only_the_likeliest_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ranking.learning.SHOWN_AT_MOST", 2)
    experience = Experience(told(120))
    glance = experience.glance(market.gig(0, "web", Random(1)), None)
    crowd = [Happened("g", person, Step.SHOWN, 1) for person in experience.people]

    compared = _with_shown(
        experience, replace(glance, first=glance.first[:1]), PastGig.of(Gig("g", "", ""), crowd)
    )

    assert compared.tolist() == glance.first[:3].tolist()


# -- training ----------------------------------------------------------------------------------------------------------


def test_what_is_learnt_is_used_because_it_orders_better_than_what_needs_no_training(tmp_path: Path) -> None:
    progress: list[tuple[str, int, int]] = []

    made = retrain(
        told(),
        root=tmp_path,
        encoder=None,
        at=NOW,
        rounds=ROUNDS,
        on_progress=lambda *step: progress.append(step),
    )

    reached = made.training.reached
    assert reached["learned, on the last"] > reached["first guess, on the last"]
    assert made.version == artifacts.current(tmp_path) == "2026-11-26T080000Z"
    assert (made.span.gigs, made.span.people) == (len(told()), 17)
    assert progress[0] == ("moments of the past", 0, 5) and progress[-1] == ("trees", 3, 3)


def test_the_same_past_gives_the_same_model() -> None:
    again = train([Segment(told())], rounds=ROUNDS).order

    assert isinstance(again, Learned)
    assert again.trees.texts == first().trees.texts


def test_too_little_is_refused_with_how_much_is_missing(tmp_path: Path) -> None:
    few = told()[:57]

    with pytest.raises(TooFewOutcomes) as refused:
        retrain(few, root=tmp_path, encoder=None, at=NOW, rounds=ROUNDS)

    assert (refused.value.have, refused.value.needed) == (usable(few), FEWEST_GIGS)
    assert f"{FEWEST_GIGS - usable(few)} more" in str(refused.value)
    assert artifacts.versions(tmp_path) == []
    assert usable([]) == 0


def test_where_a_guess_is_as_good_as_what_is_learnt_nothing_is_kept(tmp_path: Path) -> None:
    clear = [
        PastGig(Gig(f"g{n}", "", "", (f"s{n % 5}",), at=float(n)), (Outcome(f"p{n % 5}", was_chosen=True),))
        for n in range(400)
    ]

    with pytest.raises(NothingLearnt) as refused:
        retrain(clear, root=tmp_path, encoder=None, at=NOW, rounds=ROUNDS)

    assert refused.value.reached["first guess"] == 1.0
    assert artifacts.versions(tmp_path) == []


@cache
def first() -> Artifact:
    order = train([Segment(told())], rounds=ROUNDS)
    return Artifact("2026-11-01", order, span=Span(told()[0].gig.at, told()[-1].gig.at))


def test_nothing_is_replaced_until_enough_has_happened_since(tmp_path: Path) -> None:
    artifacts.save(tmp_path, first())

    with pytest.raises(TooFewNew, match="Since 2026-11-01 was trained 0 gigs got answers; 30 tell"):
        retrain(told(), root=tmp_path, encoder=None, at=NOW, rounds=ROUNDS)

    assert artifacts.versions(tmp_path) == ["2026-11-01"]


def test_a_model_that_is_no_better_on_what_happened_since_does_not_replace_the_one_in_use(
    tmp_path: Path,
) -> None:
    knows_the_answers = replace(first(), span=Span(0, told()[-60].gig.at))
    artifacts.save(tmp_path, knows_the_answers)

    with pytest.raises(NotBetter) as refused:
        retrain(told(), root=tmp_path, encoder=None, at=NOW, rounds=ROUNDS)

    assert refused.value.before >= refused.value.after
    assert artifacts.versions(tmp_path) == ["2026-11-01"]


def test_a_model_that_is_better_on_what_happened_since_replaces_the_one_in_use(tmp_path: Path) -> None:
    worse = upside_down(first())
    artifacts.save(tmp_path, worse)

    made = retrain(told(), root=tmp_path, encoder=None, at=NOW, rounds=ROUNDS)

    assert made.training.reached["learned, since"] > made.training.reached["in use, since"]
    assert artifacts.current(tmp_path) == made.version == "2026-11-26T080000Z"
    back = artifacts.roll_back(tmp_path)
    assert back is not None and back.version == worse.version


def upside_down(made: Artifact) -> Artifact:
    """Trained long ago, and wrong."""
    trees = replace(made.trees, boosters=tuple((-weight, booster) for weight, booster in made.trees.boosters))
    return replace(
        made,
        training=replace(made.training, order=Learned(trees)),
        span=replace(made.span, last=told()[300].gig.at),
    )


# -- skills of texts ---------------------------------------------------------------------------------------------------


def test_a_suggester_is_kept_beside_the_order_and_each_only_for_the_better(tmp_path: Path) -> None:
    refused: list[NotTrained] = []
    gigs = market.tagged_gigs()

    def trained(past: list[PastGig], tagged: list[Gig], day: int) -> Artifact:
        at = NOW.replace(day=day)
        return retrain(
            past, root=tmp_path, encoder=None, at=at, tagged=tagged, rounds=ROUNDS, on_refused=refused.append
        )

    alone = trained(list(told(20)), gigs, 1)
    both = trained(list(told()), gigs, 2)

    assert not alone.orders and alone.before is None and alone.suggester is not None
    reached = alone.suggester.reached
    assert reached["learned"] > reached["alike gigs"] and set(reached) == {"learned", "alike gigs"}
    assert (alone.suggester.gigs, alone.suggester.last) == (240, 239.0)
    # The order is new; no gig came since, so the suggester is carried over.
    assert both.orders and both.suggester is not None
    assert both.suggester.trees.texts == alone.suggester.trees.texts
    assert both.before == alone.version and both.span.gigs == len(told())
    assert [type(each) for each in refused] == [TooFewOutcomes, NoBetterSuggester]
    with pytest.raises(TooFewNew):
        trained(list(told()), gigs[:50], 3)
    assert artifacts.versions(tmp_path) == [alone.version, both.version]
    back = artifacts.roll_back(tmp_path)
    assert back is not None and not back.orders and back.suggester is not None


def test_too_few_tagged_gigs_teach_nothing() -> None:
    with pytest.raises(TooFewTagged) as refused:
        trained_suggester(market.tagged_gigs(199), None, None)

    assert (refused.value.have, refused.value.needed) == (199, 200)


def test_a_suggester_that_is_no_better_than_the_one_in_use_is_refused() -> None:
    gigs = market.tagged_gigs()
    in_use = trained_suggester(gigs, None, None)

    with pytest.raises(NoBetterSuggester, match="in use reached"):
        trained_suggester(gigs, None, replace(in_use, last=-1.0))
