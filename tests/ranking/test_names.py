"""Names are found by their beginning and by likeness."""

import pytest

from ranking.names import Name, NameIndex, trigrams

INDEX = NameIndex(
    Name(text, key, is_preferred, order)
    for text, key, is_preferred, order in [
        ("java", 1, True, (0, 4, "Java")),
        ("javascript", 2, True, (0, 10, "JavaScript")),
        ("js", 2, False, (0, 10, "JavaScript")),
        ("java ee", 3, False, (0, 10, "Jakarta EE")),
        ("javanese", 4, True, (1, 8, "Javanese")),
        ("python", 5, True, (0, 6, "Python")),
    ]
)


def test_exact_names_come_first_then_preferred_ones_then_their_order() -> None:
    assert INDEX.starting("java", limit=10) == [1, 2, 4, 3]
    assert INDEX.starting("java", limit=2) == [1, 2]
    assert INDEX.starting("js", limit=10) == [2]
    assert INDEX.starting("x", limit=10) == []


@pytest.mark.parametrize(("typed", "found"), [("pyhton", [5]), ("javscript", [2, 1]), ("qqq", []), ("%", [])])
def test_a_slip_finds_what_shares_enough_trigrams_most_alike_first(typed: str, found: list[int]) -> None:
    assert INDEX.resembling(typed, near=0.25, limit=10) == found


def test_trigrams_are_taken_of_padded_words() -> None:
    assert trigrams("ab, c") == {"  a", " ab", "ab ", "  c", " c "}
    assert trigrams(" %_ ") == set()
