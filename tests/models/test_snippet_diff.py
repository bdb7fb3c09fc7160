"""What differs between two texts: right, and bounded."""

import random
from difflib import unified_diff
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.snippet_diff import MOST_SHOWN, Diff, LineKind, diff_of, kept_lines

LINES = st.lists(st.sampled_from(["", "a", "b", "c", "}"]), min_size=1, max_size=12).map("\n".join)
SIGN = {LineKind.CONTEXT: " ", LineKind.REMOVED: "-", LineKind.ADDED: "+"}


def as_unified(diff: Diff) -> list[str]:
    """As `diff -u` writes it, without its first two lines."""
    text = []
    for hunk in diff.hunks:
        text.append(
            f"@@ -{_range(hunk.old_start, hunk.old_count)} +{_range(hunk.new_start, hunk.new_count)} @@"
        )
        text += [SIGN[line.kind] + line.text for line in hunk.lines]
    return text


def _range(start: int, count: int) -> str:
    return str(start) if count == 1 else f"{start},{count}"


def test_a_small_difference_is_told_as_diff_tells_it() -> None:
    old = "\n".join(str(number) for number in range(1, 21))
    new = old.replace("\n5\n", "\nfive\n5b\n").replace("\n18\n", "\n")

    diff = diff_of(old, new)

    assert as_unified(diff) == list(unified_diff(old.split("\n"), new.split("\n"), lineterm=""))[2:]
    assert (diff.added, diff.removed, diff.is_coarse, diff.is_cut) == (2, 2, False, False)
    numbers = [(line.old, line.new) for line in diff.hunks[0].lines]
    assert numbers == [(2, 2), (3, 3), (4, 4), (5, None), (None, 5), (None, 6), (6, 7), (7, 8), (8, 9)]


@given(LINES, LINES)
def test_a_difference_makes_the_one_of_the_other(old: str, new: str) -> None:
    diff = diff_of(old, new)

    made, at, before = [], 0, old.split("\n")
    for hunk in diff.hunks:
        begin = hunk.old_start - 1 if hunk.old_count else hunk.old_start
        made += before[at:begin]
        made += [line.text for line in hunk.lines if line.kind is not LineKind.REMOVED]
        at = begin + hunk.old_count
        assert [line.text for line in hunk.lines if line.kind is not LineKind.ADDED] == before[begin:at]
    assert made + before[at:] == new.split("\n")
    assert (diff.hunks == ()) == (old == new)
    shown = [line.kind for hunk in diff.hunks for line in hunk.lines]
    assert (shown.count(LineKind.ADDED), shown.count(LineKind.REMOVED)) == (diff.added, diff.removed)


@given(LINES, LINES)
def test_lines_that_were_kept_say_the_same_where_they_stand_now(old: str, new: str) -> None:
    before, after = old.split("\n"), new.split("\n")

    for kept in kept_lines(old, new):
        for number in range(kept.first, kept.last + 1):
            assert before[number - 1] == after[number - 1 + kept.shift]


def test_a_change_at_one_place_leaves_all_others_kept_however_alike_they_are() -> None:
    old = "\n".join([""] * 4_000)

    diffs = [diff_of(old, new) for new in (f"x\n{old}", f"{old}\ny", f"\nx{old}")]

    assert [(diff.added, diff.removed) for diff in diffs] == [(1, 0)] * 3


def test_a_text_without_a_line_feed_at_its_end_differs_from_one_with_it_by_an_empty_line() -> None:
    (hunk,) = diff_of("a", "a\n").hunks

    assert [(line.kind, line.text) for line in hunk.lines] == [(LineKind.CONTEXT, "a"), (LineKind.ADDED, "")]


def test_more_than_a_thousand_lines_are_cut_and_counted_all_the_same() -> None:
    old, new = "\n".join(f"a{n}" for n in range(700)), "\n".join(f"b{n}" for n in range(700))

    diff = diff_of(old, new)

    (hunk,) = diff.hunks
    assert (diff.added, diff.removed, diff.is_cut) == (700, 700, True)
    assert len(hunk.lines) == MOST_SHOWN
    assert (hunk.old_start, hunk.old_count, hunk.new_start, hunk.new_count) == (1, 700, 1, 300)


def _alike(seed: int) -> str:
    chance = random.Random(seed)
    return "\n".join(str(chance.randrange(110)) for _ in range(4_000))


def _scattered() -> tuple[str, str]:
    lines = [f"line {number}" for number in range(4_000)]
    return "\n".join(lines), "\n".join("x" if n % 7 == 0 else line for n, line in enumerate(lines))


@pytest.mark.parametrize("texts", [(_alike(1), _alike(2)), _scattered()], ids=["alike", "scattered"])
def test_what_would_take_long_is_cut_short_and_says_so(texts: tuple[str, str]) -> None:
    began = process_time()

    diff = diff_of(*texts)

    assert diff.is_coarse
    # 0.1 to 0.3 s where it was measured; without the bound 20 s and more.
    assert process_time() - began < 3
