"""Which known words somebody may have meant: beginnings and small slips, by edit distance."""

from collections.abc import Sequence

SHORTEST = 3
MEANINGS = 8


def meanings(typed: str, known: Sequence[str]) -> list[str]:
    """`typed` itself, then those of `known`, in their order, that it is the beginning or a misspelling of; 8 at most."""
    near = [word for word in known if word != typed and _may_mean(typed, word)]
    return [typed, *near][:MEANINGS]


def _may_mean(typed: str, word: str) -> bool:
    if len(typed) < SHORTEST:
        return False
    return word.startswith(typed) or distance(typed, word) <= (1 if len(typed) < 6 else 2)


def distance(one: str, other: str) -> int:
    """How many letters were left out, added, changed, or swapped with their neighbour.

    The optimal string alignment distance (Damerau 1964): no part is edited twice.
    """
    before: list[int] = []
    above = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        row = [i]
        for j, candidate in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != candidate))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == candidate:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
