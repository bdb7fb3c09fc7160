"""The process that ranks: what it answers while it is filled, and what a trained model changes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from ranking import artifacts
from ranking.answers import SkillAnswer
from ranking.artifacts import Artifact
from ranking.desk import HEADER, Desk, answered, read, written
from ranking.documents import Gig, Happened, PastGig, Step
from ranking.known_vectors import KnownVectors, VectorFile
from ranking.learning import FirstGuess, Training
from ranking.training import trained_suggester
from tests.ranking.market import CRAFTS, TEXTS, ToyEncoder, gig, past_gigs, people, tagged_gigs
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


class Counting(ToyEncoder):
    """Says how many texts it had to read."""

    texts = 0

    def encode(self, texts: Sequence[str], *, tokens: int = 128) -> NDArray[np.float32]:
        self.texts += len(texts)
        return super().encode(texts, tokens=tokens)


def kept(directory: Path, *, most: int = 100) -> KnownVectors:
    return KnownVectors(Counting(), VectorFile(directory, most=most))


def test_a_text_is_encoded_once() -> None:
    counting = Counting()
    known = KnownVectors(counting)

    first = known.encode(["a b", "c", "a b"])
    again = known.encode(["c", "a b"])

    assert counting.texts == 2
    assert (first[[1, 0]] == again).all() and (first[0] == first[2]).all()
    assert [vector is None for vector in known.recall(["c", "never heard"])] == [False, True]


def test_what_was_computed_is_read_by_the_next_start_and_by_processes_beside(tmp_path: Path) -> None:
    one, beside = kept(tmp_path), kept(tmp_path)
    made = one.encode(["a b", "c"])
    shorter = one.encode(["a b"], tokens=1)

    later = kept(tmp_path)
    found = [each.recall(["c", "new", "a b"]) for each in (beside, later)]

    for c, new, ab in found:
        assert new is None and c is not None and ab is not None
        assert (c == made[1]).all() and (ab == made[0]).all()
    assert not (shorter[0] == made[0]).all()
    assert (beside.found, later.found) == (2, 2)


def test_of_more_vectors_than_are_kept_the_older_half_is_forgotten_by_everybody(tmp_path: Path) -> None:
    one, beside = kept(tmp_path, most=4), kept(tmp_path, most=4)
    texts = [f"text{number}" for number in range(6)]
    beside.encode(texts[:1])
    for text in texts[1:5]:
        one.encode([text])
    beside.encode(texts[5:])

    found = kept(tmp_path).recall(texts)

    assert [vector is not None for vector in found] == [False, False, False, True, True, True]
    assert one.recall(texts[5:])[0] is not None
    assert [path.suffix for path in tmp_path.iterdir()] == [".bin"]


def test_damaged_vectors_are_computed_again_and_those_of_other_weights_deleted(tmp_path: Path) -> None:
    made = kept(tmp_path).encode(["a", "b c"])
    (file,) = tmp_path.iterdir()
    content = bytearray(file.read_bytes())
    content[40] ^= 1
    file.write_bytes(content + b"half of a record")
    other = tmp_path / "meanings-0123-1.bin"
    other.touch()

    damaged = kept(tmp_path).recall(["a", "b c"])
    again = kept(tmp_path).encode(["a", "b c"])
    whole = kept(tmp_path).recall(["a", "b c"])

    assert damaged[0] is None and damaged[1] is not None
    assert (again == made).all() and (damaged[1] == made[1]).all()
    assert [vector is not None for vector in whole] == [True, True]
    assert not other.exists()


def test_without_a_place_to_keep_vectors_they_are_computed(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    found = kept(tmp_path / "file").encode(["a"])

    assert found.shape == (1, 384)


def trained_by_meaning(root: Path) -> None:
    learned = learned_model(ToyEncoder()).learned
    assert learned is not None
    artifacts.save(root, Artifact("v1", Training(learned, {"x": 0.3})))


def work(desk: Desk) -> None:
    while desk.has_work:
        desk.work()


def embedding_desk(directory: Path) -> Desk:
    made = Desk(encoder=Counting())
    made.begin(TAXONOMY, str(directory))
    return made


def test_a_start_finds_the_meanings_that_another_one_computed(tmp_path: Path) -> None:
    gigs = [gig(number, "web", Random(1)) for number in range(30)]
    first, second = (embedding_desk(tmp_path) for _ in range(2))
    first.load(gigs, people())
    first.settle(None)
    before = first.status()
    while first.has_work:
        first.work()
    done = first.status()

    second.load(gigs, people())
    second.settle(None)

    after = second.status()
    assert (before.basis, before.vectors, before.documents, before.recalled) == ("LEXICAL", 0, 39, 0)
    assert (done.basis, done.vectors, done.recalled) == ("HYBRID", 39, 0)
    # Texts that are alike are one.
    assert (after.basis, after.vectors, second.has_work) == ("HYBRID", 39, False) and after.recalled > 9
    asked = people()[0]
    assert second.gigs_for(asked, 9, 9) == first.gigs_for(asked, 9, 9)


def test_a_new_gig_is_found_by_its_words_before_its_meaning_is_computed(tmp_path: Path) -> None:
    made = embedding_desk(tmp_path)
    old, new = (gig(number, "web", Random(number)) for number in (1, 2))
    made.load([old], people())
    made.settle(None)
    while made.has_work:
        made.work()
    asked = people()[0]

    made.change([new], [], [], [])
    at_once = {answer.id: answer for answer in made.gigs_for(asked, 9, 9)}
    explained = made.explain_gigs(asked, [new])
    assert made.has_work
    made.work()
    then = {answer.id: answer for answer in made.gigs_for(asked, 9, 9)}

    assert {id: answer.basis for id, answer in at_once.items()} == {old.id: "HYBRID", new.id: "LEXICAL"}
    assert explained == [at_once[new.id]]
    assert {id: answer.basis for id, answer in then.items()} == {old.id: "HYBRID", new.id: "HYBRID"}
    assert all(a.points == sum(p for _, p in a.parts) for a in (*at_once.values(), *then.values()))
    assert not made.has_work


def test_a_trained_suggester_answers_until_it_is_rolled_back(tmp_path: Path) -> None:
    gigs = tagged_gigs()
    trained = trained_suggester(gigs, None, None)
    made = Desk(embeds=False)
    made.begin([("tool7", ()), ("react", ())])
    made.load(gigs, [])
    made.listen()
    made.hear_tagged(gigs)
    made.remember()
    made.settle(str(tmp_path))

    def suggested() -> SkillAnswer:
        went_well, answer = answered(made, "skills_in", ("", "word1 word2 react tool9 and", 8))
        assert went_well
        return answer  # type: ignore[no-any-return]

    before = suggested()
    artifacts.save(tmp_path, Artifact("v1", Training(FirstGuess()), suggester=trained))
    deadline = time.monotonic() + 30
    while (learnt := suggested()).basis == "LEXICAL":
        assert time.monotonic() < deadline
    status = made.status()
    artifacts.roll_back(tmp_path)
    after = suggested()

    assert (before.basis, before.version) == ("LEXICAL", "blend-1")
    assert (learnt.basis, learnt.version) == ("LEARNED", "v1")
    # What the text names comes first; then what was learnt that names mean.
    assert [(each.skill, each.confidence, each.spans) for each in learnt.skills[:1]] == [
        ("react", 1.0, ((12, 17),))
    ]
    assert learnt.skills[1].skill == "tool9" and 0.3 < learnt.skills[1].confidence < 1
    # There is no trained order: people are ordered by the blend.
    assert (status.basis, status.version) == ("LEXICAL", "blend-1")
    assert after == before


class Scarce(Gig):
    """A gig that cannot be read as long as memory is short."""

    is_short = False

    def __getattribute__(self, name: str) -> object:
        if name == "nice" and type(self).is_short:
            type(self).is_short = False
            raise MemoryError
        return super().__getattribute__(name)


def test_a_suggester_that_could_not_be_made_is_made_when_the_past_is_told_again(tmp_path: Path) -> None:
    gigs = tagged_gigs()
    artifacts.save(
        tmp_path, Artifact("v1", Training(FirstGuess()), suggester=trained_suggester(gigs, None, None))
    )
    last = gigs[-1]
    gigs[-1] = Scarce(last.id, last.title, last.text, last.skills, at=last.at)
    made = desk()
    made.hear_tagged(gigs)
    made.remember()
    Scarce.is_short = True
    made.settle(str(tmp_path))
    deadline = time.monotonic() + 30
    while Scarce.is_short:
        assert time.monotonic() < deadline
    failed = made.skills_in("", "tool9", 8).version

    while made.skills_in("", "tool9", 8).version != "v1":
        assert time.monotonic() < deadline
        made.listen()
        made.hear_tagged(gigs)
        made.remember()

    assert failed == "blend-1"


def test_an_edited_gig_of_the_past_is_known_by_what_it_says_now(tmp_path: Path) -> None:
    made = embedding_desk(tmp_path)
    trained_by_meaning(tmp_path / "models")
    made.load([], people())
    past = past_gigs()
    remember(made, past)
    made.settle(str(tmp_path / "models"))
    work(made)
    asked = gig(1000, "web", Random(3))
    edited = [
        replace(each, gig=replace(each.gig, text=TEXTS["print"]))
        if each.gig.skills[0] in CRAFTS["web"]
        else each
        for each in past
    ]

    remember(made, edited)
    meanwhile = made.status().version
    work(made)

    fresh = embedding_desk(tmp_path)
    fresh.load([], people())
    remember(fresh, edited)
    fresh.settle(str(tmp_path / "models"))
    work(fresh)
    assert (meanwhile, made.status().version) == ("v1", "v1")
    assert made.people_for(asked, 9, 3) == fresh.people_for(asked, 9, 3)


def test_meanings_are_counted_once_for_what_changes_often_and_not_for_what_has_gone(tmp_path: Path) -> None:
    made = embedding_desk(tmp_path)
    first, second, third = (gig(number, "web", Random(number)) for number in (1, 2, 3))
    made.load([first], people()[:1])
    made.settle(None)
    work(made)
    other = people()[4]

    made.change([second, third], [], [other], [])
    made.change([replace(second, text="another text")], [], [other], [])
    both = made.status()
    made.change([], [second.id], [], [other.id])
    one = made.status()
    made.change([replace(third, title=first.title, text=first.text)], [], [], [])
    none = made.status()

    assert (both.vectors, both.documents) == (2, 5)
    assert (one.vectors, one.documents, none.vectors, none.documents) == (2, 3, 3, 3)
    assert not made.has_work


def test_going_back_from_the_first_model_leads_to_the_blend(tmp_path: Path) -> None:
    trained(tmp_path, "v1")
    made = desk()
    made.load([], people())
    remember(made, past_gigs())
    asked = gig(1000, "web", Random(3))
    blend = [replace(each, matched={}) for each in made._matcher.people_for(asked)]
    made.settle(str(tmp_path))
    by_model = {answer.version for answer in made.people_for(asked, 9, 9)}

    assert artifacts.roll_back(tmp_path) is None

    went_well, answers = answered(made, "people_for", (asked, 9, 9))
    assert by_model == {"v1"} and went_well
    assert {(answer.version, answer.basis) for answer in answers} == {("blend-1", "LEXICAL")}
    assert [(a.id, a.points) for a in answers] == [(match.id, match.score.points) for match in blend[:9]]


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
    assert answers[2][1] == SkillAnswer("LEXICAL", "blend-1", ())
    assert done.returncode == 0
    assert pickle.loads(written(("a", ()))[HEADER.size :]) == ("a", ())
