"""Vectors are found whether they are few or many, and stay with their documents."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ranking.documents import Person
from ranking.index import Document, Index
from ranking.matching import Matcher
from ranking.nearest import EXACT_BELOW, Vectors
from tests.ranking.test_matching import ASKED, learned_model


def alike(count: int) -> NDArray[np.float32]:
    """Unit vectors that lie, as those of sentences do, mostly along some directions."""
    random = np.random.default_rng(5)
    along = random.normal(size=(60, 384)) * (0.9 ** np.arange(60))[:, None]
    made = random.normal(size=(count, 60)) @ along + 0.02 * random.normal(size=(count, 384))
    return np.asarray(made / np.linalg.norm(made, axis=1, keepdims=True), np.float32)


def grown(vectors: NDArray[np.float32]) -> Vectors:
    made = Vectors()
    for vector in vectors:
        made.append(vector)
    return made


def told_later(vectors: NDArray[np.float32]) -> Vectors:
    made = Vectors()
    for _ in vectors:
        made.append(None)
    for place in np.random.default_rng(1).permutation(len(vectors)).tolist():
        made.put(place, vectors[place])
    return made


def test_few_vectors_are_compared_exactly() -> None:
    vectors = alike(500)

    places, cosines = grown(vectors).nearest(vectors[7], 20)

    assert places.tolist() == np.argsort(-(vectors @ vectors[7]), kind="stable")[:20].tolist()
    assert places[0] == 7 and cosines[0] == pytest.approx(1.0)


@pytest.mark.parametrize("make", [grown, Vectors.of, told_later], ids=["one by one", "at once", "later"])
def test_of_many_vectors_nearly_all_of_the_nearest_are_found(make: type[Vectors]) -> None:
    vectors = alike(EXACT_BELOW + 1_000)
    many = make(vectors)  # type: ignore[call-arg]
    asked = vectors[[3, EXACT_BELOW, EXACT_BELOW + 999]]

    found = [many.nearest(vector, 60)[0] for vector in asked]

    exact = [np.argsort(-(vectors @ vector), kind="stable")[:60] for vector in asked]
    assert [places[0] for places in found] == [3, EXACT_BELOW, EXACT_BELOW + 999]
    assert np.mean([len(np.intersect1d(a, b)) / 60 for a, b in zip(found, exact, strict=True)]) >= 0.95


def test_only_those_asked_for_are_near_and_who_has_no_vector_has_none() -> None:
    vectors = alike(EXACT_BELOW + 10)
    many = grown(vectors)
    many.append(None)
    among = np.zeros(len(many), bool)
    among[[5, 6, EXACT_BELOW + 3]] = True

    places, _ = many.nearest(vectors[5], 300, among=among)

    assert places[0] == 5 and set(places.tolist()) == {5, 6, EXACT_BELOW + 3}
    assert many.get(EXACT_BELOW + 10) is None
    assert np.array_equal(many.get(6), vectors[6])  # type: ignore[arg-type]


def test_documents_keep_their_vectors_when_the_index_closes_its_gaps() -> None:
    vectors, index = alike(1_500), Index()
    for number, vector in enumerate(vectors):
        index.put(Document(f"d{number}", "", vector=None if number == 1_400 else vector))
    before = index.moves

    for number in range(1_100):
        index.remove(f"d{number}")

    assert index.moves > before and len(index) == 400
    assert index.vector("d7") is None and index.vector("d1400") is None
    assert np.array_equal(index.vector("d1499"), vectors[1_499])  # type: ignore[arg-type]


def test_a_model_finds_its_people_after_the_index_has_closed_its_gaps() -> None:
    ours = Matcher(model=learned_model())
    for number in range(1_500):
        ours.put_person(Person(f"x{number:04}"))
    ours.put_person(Person("p0", skills=("react",)))
    before = [match for match in ours.people_for(ASKED) if match.id == "p0"]

    for number in range(1_100):
        ours.remove_person(f"x{number:04}")

    assert len(before) == 1
    assert [match for match in ours.people_for(ASKED) if match.id == "p0"] == before
