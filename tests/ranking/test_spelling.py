"""How far apart two spellings are, and what somebody may have meant."""

import pytest

from ranking.spelling import MEANINGS, distance, meanings


@pytest.mark.parametrize(
    ("one", "other", "edits"),
    [
        ("", "", 0),
        ("python", "python", 0),
        ("", "abc", 3),
        ("pyhton", "python", 1),
        ("pythn", "python", 1),
        ("pythonn", "python", 1),
        ("pithon", "python", 1),
        ("kitten", "sitting", 3),
        ("ca", "abc", 3),
    ],
)
def test_the_distance_counts_missing_extra_changed_and_swapped_letters(
    one: str, other: str, edits: int
) -> None:
    assert distance(one, other) == distance(other, one) == edits


def test_a_word_means_itself_first_then_what_it_begins_and_what_it_misspells() -> None:
    assert meanings("devlop", ["develop", "devop", "garden"]) == ["devlop", "develop", "devop"]
    assert meanings("deve", ["develop", "deve", "devil"]) == ["deve", "develop"]


def test_two_letters_mean_only_themselves() -> None:
    assert meanings("go", ["gone", "to"]) == ["go"]


def test_a_beginning_of_many_words_means_only_the_first_of_them() -> None:
    known = [f"com{letter}" for letter in "abcdefghijkl"]

    assert meanings("com", known) == ["com", *known[: MEANINGS - 1]]
