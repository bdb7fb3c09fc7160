"""Learning from what happened: the better order is chosen, and nothing is learnt from what was not known yet."""

from dataclasses import replace

import numpy as np
import pytest

from ranking.documents import Gig
from ranking.experience import Experience
from ranking.interests import gigs_by_person
from ranking.learning import FirstGuess, Learned, Momentum, Segment, train
from ranking.metrics import ndcg
from ranking.trees import fit_trees
from tests.ranking.market import ToyEncoder, past_gigs

WEB = Gig("new", "web work", "page form button", ("react", "css"))


def trees() -> Learned:
    random = np.random.default_rng(1)
    rows = random.random((300, 2), dtype=np.float32)
    return Learned(
        fit_trees(rows, (rows[:, 0] > 0.7).astype(int), [10] * 30, ("words_a", "skills_b"), rounds=5)
    )


def test_who_did_such_work_lately_comes_first() -> None:
    experience = Experience(past_gigs())

    guess = experience.glance(WEB, None).first_guess

    best = sorted(experience.people, key=lambda person: -guess[experience.place[person]])
    assert best[0] == "p0"
    assert set(best[:3]) == {"p0", "p1", "p2"}


def test_one_more_gig_with_a_skill_raises_what_speaks_for_that_skill_and_nobody_else() -> None:
    experience = Experience(past_gigs())

    everybody = np.arange(len(experience.people))
    glance = experience.glance(WEB, None)
    before = experience.evidence(glance, everybody).table
    after = experience.evidence(experience.supposing(glance, "p8", "react"), everybody).table

    place, depth = experience.place["p8"], experience.columns.index("skills_depth")
    assert after[place, depth] > before[place, depth]
    assert np.array_equal(np.delete(after, place, axis=0), np.delete(before, place, axis=0))
    words = [experience.columns.index(name) for name in experience.columns if name.startswith("words")]
    assert np.array_equal(after[:, words], before[:, words])


def test_a_market_without_skills_and_texts_is_ordered_by_who_does_well_lately() -> None:
    bare = [replace(past, gig=Gig(past.gig.id, "", "")) for past in past_gigs(48)]

    training = train([Segment(tuple(bare))])

    assert isinstance(training.order, Momentum)
    standing = training.order.order(Experience(bare))
    assert Experience(bare).people[int(standing.argmax())] in {"p0", "p3", "p6"}


def test_where_crafts_differ_momentum_is_not_chosen() -> None:
    training = train([Segment(tuple(past_gigs(48)))])

    assert isinstance(training.order, FirstGuess)
    assert training.reached["first guess"] > max(
        v for name, v in training.reached.items() if name != "first guess"
    )


def test_gigs_of_ones_own_craft_come_first() -> None:
    past = past_gigs()
    gigs = [replace(each.gig, id=f"open {each.gig.id}") for each in past[:30]]

    ordered = gigs_by_person(Experience(past), gigs, None, ["p0", "p3", "nobody"])

    titles = {gig.id: gig.title for gig in gigs}
    assert {titles[name] for name in ordered["p0"][:3]} == {"web work"}
    assert {titles[name] for name in ordered["p3"][:3]} == {"data work"}
    assert "nobody" not in ordered


def test_meaning_counts_when_there_are_vectors() -> None:
    past = past_gigs()
    vectors = ToyEncoder().encode([each.gig.text for each in past])
    experience = Experience(past, vectors)
    table = experience.evidence(experience.glance(WEB, ToyEncoder().encode([WEB.text])[0])).table

    assert table.shape == (9, len(experience.columns))
    assert table[:, experience.columns.index("meaning_profile")].max() > 0
    assert {name.split("_")[0] for name in experience.columns} == {
        "words",
        "meaning",
        "skill",
        "skills",
        "activity",
        "record",
    }
    assert "meaning_profile" not in Experience(past).columns
    with pytest.raises(ValueError, match="has none"):
        experience.glance(WEB, None)


@pytest.mark.parametrize("heads", [1, 2])
def test_shapley_values_sum_to_the_score(heads: int) -> None:
    rows = np.random.default_rng(3).random((200, 2), dtype=np.float32)
    model = trees().trees
    if heads == 2:
        labels = (rows[:, 1] > 0.5).astype(int)
        second = fit_trees(rows, labels, [200], model.names, rounds=5, objective="binary")
        model = model.plus(second, 0.5, rows)

    assert len(model.boosters) == heads
    assert np.allclose(model.contributions(rows).sum(axis=1), model.scores(rows), atol=1e-12)


@pytest.mark.parametrize(
    ("listed", "grades", "expected"),
    [([2, 0], [2], 1.0), ([0, 2], [2], 0.6309), ([], [1], 0.0), ([1], [], 0.0)],
)
def test_gain_is_discounted_by_place(listed: list[int], grades: list[int], expected: float) -> None:
    assert ndcg(listed, grades, 10) == pytest.approx(expected, abs=1e-4)
