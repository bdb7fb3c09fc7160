"""The process that ranks: what it answers while it is filled, and what a trained model changes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from ranking import artifacts
from ranking.artifacts import Artifact
from ranking.desk import HEADER, Desk, KnownVectors, read, written
from ranking.learning import Training
from tests.ranking.market import ToyEncoder, gig, past_gigs, people
from tests.ranking.test_matching import learned_model

ROOT = Path(__file__).resolve().parents[2]
TAXONOMY = [("react", ("reactjs",)), ("css", ()), ("sql", ()), ("python", ())]


def desk() -> Desk:
    desk = Desk(embeds=False)
    desk.begin(TAXONOMY)
    return desk


def test_what_is_put_is_found_and_what_is_removed_is_not() -> None:
    made, random = desk(), Random(1)
    one, two = (replace(gig(number, "web", random), skills=("react", "css")) for number in (1, 2))
    person = replace(people()[0], skills=("react", "css"))
    made.load([one], [person])
    made.settle([], None)

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
    made.settle(past_gigs(20), None)

    listed = {answer.id: answer for answer in made.gigs_for(person, 10, 10)}
    explained = made.explain_gigs(person, [each for each in gigs if each.id in listed])

    assert len(listed) > 1
    assert {answer.id: answer for answer in explained} == listed
    assert all(answer.points == sum(points for _, points in answer.parts) for answer in explained)


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_trained_model_orders_people_and_one_that_is_damaged_is_left_out(
    tmp_path: Path, is_damaged: bool
) -> None:
    past = past_gigs()
    learned = learned_model().learned
    assert learned is not None
    artifacts.save(tmp_path, Artifact("v1", Training(learned, {"x": 0.3})))
    if is_damaged:
        (tmp_path / "v1" / "head-0.txt").write_text("trees")
    made = desk()
    made.load([], people())
    made.settle(past, str(tmp_path))
    asked = gig(1000, "web", Random(3))

    answers = made.people_for(asked, 9, 3)

    basis = "LEXICAL" if is_damaged else "LEARNED"
    assert {answer.basis for answer in answers} == {basis}
    assert {answer.version for answer in answers} == {"blend-1" if is_damaged else "v1"}
    assert all(answer.points == sum(points for _, points in answer.parts) for answer in answers)
    assert made.status().basis == basis
    # One person for different gigs is not what it learnt to compare.
    made.change([asked], [], [], [])
    assert {answer.basis for answer in made.gigs_for(people()[0], 9, 3)} == {"LEXICAL"}


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
