"""The process that ranks: what it answers while it is filled, and what a trained model changes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from ranking import artifacts
from ranking.artifacts import Artifact
from ranking.desk import HEADER, Desk, KnownVectors, answered, read, written
from ranking.documents import Happened, PastGig, Step
from ranking.learning import Training
from tests.ranking.market import ToyEncoder, gig, past_gigs, people
from tests.ranking.test_matching import learned_model

ROOT = Path(__file__).resolve().parents[2]
TAXONOMY = [("react", ("reactjs",)), ("css", ()), ("sql", ()), ("python", ())]


def desk() -> Desk:
    desk = Desk(embeds=False)
    desk.begin(TAXONOMY)
    return desk


def remember(desk: Desk, past: Sequence[PastGig]) -> None:
    """All of it, told in two parts, the steps before the gigs."""
    desk.listen()
    for each in past:
        for outcome in each.outcomes:
            steps = [Step.APPLIED, *([Step.ACCEPTED, Step.COMPLETED] if outcome.was_chosen else [])]
            told = [Happened(each.gig.id, outcome.person, step, each.gig.at) for step in steps]
            desk.hear([], told)
    desk.hear([each.gig for each in past], [])
    desk.remember()


def trained(root: Path, *versions: str) -> None:
    learned = learned_model().learned
    assert learned is not None
    for version in versions:
        artifacts.save(root, Artifact(version, Training(learned, {"x": 0.3})))


def test_what_is_put_is_found_and_what_is_removed_is_not() -> None:
    made, random = desk(), Random(1)
    one, two = (replace(gig(number, "web", random), skills=("react", "css")) for number in (1, 2))
    person = replace(people()[0], skills=("react", "css"))
    made.load([one], [person])
    made.settle(None)

    made.change([two], [], [], [])
    both = {answer.id for answer in made.gigs_for(person, 10, 10)}
    made.change([], [one.id], [], [])
    left = {answer.id for answer in made.gigs_for(person, 10, 10)}

    assert (both, left) == ({one.id, two.id}, {two.id})
    assert (made.status().gigs, made.status().people, made.has_work) == (1, 1, False)


def test_an_explained_gig_is_what_the_list_says_of_it() -> None:
    made, random = desk(), Random(2)
    gigs = [gig(number, "data", random) for number in range(6)]
    person = people()[4]
    made.load(gigs, [])
    remember(made, past_gigs(20))
    made.settle(None)

    listed = {answer.id: answer for answer in made.gigs_for(person, 10, 10)}
    explained = made.explain_gigs(person, [each for each in gigs if each.id in listed])

    assert len(listed) > 1
    assert {answer.id: answer for answer in explained} == listed
    assert all(answer.points == sum(points for _, points in answer.parts) for answer in explained)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_trained_model_orders_people_and_one_that_is_damaged_is_left_out(
    tmp_path: Path, is_damaged: bool
) -> None:
    trained(tmp_path, "v1")
    if is_damaged:
        (tmp_path / "v1" / "head-0.txt").write_text("trees")
    made = desk()
    made.load([], people())
    remember(made, past_gigs())
    made.settle(str(tmp_path))
    asked = gig(1000, "web", Random(3))

    answers = made.people_for(asked, 9, 3)

    basis = "LEXICAL" if is_damaged else "LEARNED"
    assert {answer.basis for answer in answers} == {basis}
    assert {answer.version for answer in answers} == {"blend-1" if is_damaged else "v1"}
    assert all(answer.points == sum(points for _, points in answer.parts) for answer in answers)
    assert made.status().basis == basis
    # One person for different gigs is not what it learnt to compare.
    made.change([asked], [], [], [])
    listed = made.gigs_for(people()[0], 9, 3)
    assert {(answer.basis, answer.version) for answer in listed} == {("LEXICAL", "blend-1")}
    assert made.explain_gigs(people()[0], [asked]) == listed


def test_another_model_is_taken_up_from_the_next_answer_on_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    made = desk()
    made.load([], people())
    remember(made, past_gigs())
    made.settle(str(tmp_path / "ranking"))
    asked = gig(1000, "web", Random(3))

    def versions() -> tuple[str, str]:
        (_, answers), (_, status) = (
            answered(made, *call) for call in (("people_for", (asked, 9, 3)), ("status", ()))
        )
        (version,) = {answer.version for answer in answers}
        return version, status.basis

    before = versions()
    trained(tmp_path / "ranking", "v1")
    one = versions()
    trained(tmp_path / "ranking", "v2")
    two = versions()
    artifacts.roll_back(tmp_path / "ranking")
    back = versions()
    artifacts.use(tmp_path / "ranking", "v2")
    (tmp_path / "ranking" / "v2" / "head-0.txt").write_text("trees")
    damaged = versions()

    assert (before, one, two, back, damaged) == (
        ("blend-1", "LEXICAL"), ("v1", "LEARNED"), ("v2", "LEARNED"), ("v1", "LEARNED"), ("v1", "LEARNED"),
    )  # fmt: skip


def test_asking_changes_nothing_for_others(tmp_path: Path) -> None:
    made = desk()
    hidden = replace(people()[0], is_visible=False)
    made.load([], [hidden])
    made.settle(None)
    asked = gig(1, "web", Random(3))

    fit = made.fits([(asked, replace(hidden, is_visible=True))])
    made.gigs_for(replace(hidden, is_visible=True), 9, 9)

    assert [answer.id for answer in fit] == [hidden.id]
    assert made.people_for(asked, 9, 9) == []
    assert (made.status().gigs, made.status().people) == (0, 1)


def test_a_text_is_encoded_once() -> None:
    class Counting(ToyEncoder):
        texts = 0

        def encode(self, texts, *, tokens=128):  # type: ignore[no-untyped-def]
            self.texts += len(texts)
            return super().encode(texts, tokens=tokens)

    counting = Counting()
    known = KnownVectors(counting)

    first = known.encode(["a b", "c", "a b"])
    again = known.encode(["c", "a b"])

    assert counting.texts == 2
    assert (first[[1, 0]] == again).all() and (first[0] == first[2]).all()


def test_the_process_answers_in_order_and_ends_with_its_input() -> None:
    calls = [("status", ()), ("unheard_of", ()), ("skills_in", ("", "React", 5))]

    done = subprocess.run(
        [sys.executable, "-m", "ranking.desk", "--lexical"],
        input=b"".join(written(call) for call in calls), capture_output=True, cwd=ROOT, timeout=60, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip

    answers, at = [], 0
    while at < len(done.stdout):
        (size,) = HEADER.unpack_from(done.stdout, at)
        at += HEADER.size + size
        answers.append(read(done.stdout[at - size : at]))
    assert [went_well for went_well, _ in answers] == [True, False, True]
    assert answers[0][1].gigs == 0
    assert answers[1][1] == "LookupError in unheard_of"
    assert answers[2][1] == []
    assert done.returncode == 0
    assert pickle.loads(written(("a", ()))[HEADER.size :]) == ("a", ())
