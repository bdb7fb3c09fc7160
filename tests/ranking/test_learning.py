"""Learning from what happened: the better order is chosen, models are files with checksums, and text needs no weights."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ranking import artifacts
from ranking.artifacts import Artifact, ArtifactDamaged, NotBetter
from ranking.documents import Gig
from ranking.experience import Experience
from ranking.interests import gigs_by_person
from ranking.learning import FirstGuess, Learned, Momentum, Segment, Training, train
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

    guess = experience.evidence(WEB, None).first_guess

    best = sorted(experience.people, key=lambda person: -guess[experience.place[person]])
    assert best[0] == "p0"
    assert set(best[:3]) == {"p0", "p1", "p2"}


def test_one_more_gig_with_a_skill_raises_what_speaks_for_that_skill_and_nobody_else() -> None:
    experience = Experience(past_gigs())

    before = experience.evidence(WEB, None).columns
    after = experience.evidence(WEB, None, gained=("p8", "react")).columns

    place = experience.place["p8"]
    assert after["skills_depth"][place] > before["skills_depth"][place]
    others = np.delete(after["skills_depth"], place)
    assert np.array_equal(others, np.delete(before["skills_depth"], place))
    assert np.array_equal(after["words_inf"], before["words_inf"])


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
    columns = Experience(past, vectors).evidence(WEB, ToyEncoder().encode([WEB.text])[0]).columns

    assert {name.split("_")[0] for name in columns} == {
        "words",
        "meaning",
        "skill",
        "skills",
        "activity",
        "record",
    }
    assert "meaning_profile" not in Experience(past).evidence(WEB, None).columns


@pytest.mark.parametrize(
    "order", [trees(), Momentum(5.0), FirstGuess()], ids=["trees", "momentum", "first guess"]
)
def test_a_model_is_read_as_it_was_written(tmp_path: Path, order: Learned | Momentum | FirstGuess) -> None:
    artifacts.save(tmp_path, Artifact("v1", Training(order, {"x": 0.3})))

    read = artifacts.load(tmp_path)

    assert read is not None and (read.version, read.training.reached) == ("v1", {"x": 0.3})
    if isinstance(order, Learned):
        assert isinstance(read.training.order, Learned)
        rows = np.random.default_rng(2).random((20, 2), dtype=np.float32)
        assert np.array_equal(read.training.order.trees.scores(rows), order.trees.scores(rows))
    else:
        assert read.training.order == order


def test_a_worse_model_does_not_replace_a_better_one_and_rolling_back_is_one_step(tmp_path: Path) -> None:
    artifacts.save(tmp_path, Artifact("v1", Training(Momentum(5.0), {"x": 0.3})))

    with pytest.raises(NotBetter, match=r"reached 0\.2000, the model in use 0\.3000"):
        artifacts.save(tmp_path, Artifact("v2", Training(Momentum(8.0), {"x": 0.2})))

    assert artifacts.versions(tmp_path) == ["v1"]
    artifacts.save(tmp_path, Artifact("v3", Training(Momentum(9.0), {"x": 0.4})))
    artifacts.use(tmp_path, "v1")
    back = artifacts.load(tmp_path)
    assert back is not None and back.version == "v1"
    assert artifacts.versions(tmp_path) == ["v1", "v3"]


def test_changed_trees_are_not_loaded(tmp_path: Path) -> None:
    artifacts.save(tmp_path, Artifact("v1", Training(trees(), {"x": 0.3})))
    file = tmp_path / "v1" / "trees.txt"
    file.write_text(file.read_text().replace("tree", "tree ", 1))

    with pytest.raises(ArtifactDamaged, match="not what was written"):
        artifacts.load(tmp_path)


def test_shapley_values_sum_to_the_score() -> None:
    model = trees().trees
    rows = np.random.default_rng(3).random((20, 2), dtype=np.float32)

    assert np.allclose(model.contributions(rows).sum(axis=1), model.scores(rows))


@pytest.mark.parametrize(
    ("listed", "grades", "expected"),
    [([2, 0], [2], 1.0), ([0, 2], [2], 0.6309), ([], [1], 0.0), ([1], [], 0.0)],
)
def test_gain_is_discounted_by_place(listed: list[int], grades: list[int], expected: float) -> None:
    assert ndcg(listed, grades, 10) == pytest.approx(expected, abs=1e-4)
