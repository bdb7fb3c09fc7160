"""What differs between two texts, line by line: pure, and bounded in the work it takes and in what it answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import Match, SequenceMatcher
from itertools import accumulate

from models.vocabulary import Vocabulary

CONTEXT = 3
MOST_STEPS = 1_000_000
"""How much is compared before the rest counts as changed: a tenth or two of a second of CPU."""
MOST_SHOWN = 1_000
"""Lines that one answer shows."""


class LineKind(Vocabulary):
    """What became of a line."""

    CONTEXT = "CONTEXT", "It is in both versions."
    REMOVED = "REMOVED", "It is in the older one only."
    ADDED = "ADDED", "It is in the newer one only."


@dataclass(frozen=True, slots=True)
class DiffLine:
    """`old` and `new` are its numbers, from 1; None where it is not."""

    kind: LineKind
    old: int | None
    new: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Hunk:
    """Starts are line numbers from 1; 0 where nothing of that side is before or in it, as in unified diffs."""

    old_start: int
    old_count: int
    new_start: int
    new_count: int
    lines: tuple[DiffLine, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    added: int
    removed: int
    hunks: tuple[Hunk, ...]
    is_coarse: bool
    """Lines may be shown as changed that are not: comparing all would have taken too long."""
    is_cut: bool
    """There is more than `MOST_SHOWN` lines of hunks; the rest is left out."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Lines `first` to `last` of the older text stand `shift` lines further down in the newer one."""

    first: int
    last: int
    shift: int


def diff_of(old: str, new: str) -> Diff:
    matcher = _Matcher(old.split("\n"), new.split("\n"))
    codes = matcher.get_opcodes()
    hunks, shown, is_cut = [], 0, False
    for group in matcher.get_grouped_opcodes(CONTEXT):
        hunk = _hunk(matcher, group)
        lines = hunk.lines[: MOST_SHOWN - shown]
        is_cut = len(lines) < len(hunk.lines)
        if lines:
            hunks.append(hunk if not is_cut else _cut(hunk, lines))
        shown += len(lines)
        if is_cut:
            break
    return Diff(
        added=sum(j2 - j1 for tag, _, _, j1, j2 in codes if tag != "equal"),
        removed=sum(i2 - i1 for tag, i1, i2, _, _ in codes if tag != "equal"),
        hunks=tuple(hunks),
        is_coarse=matcher.is_coarse,
        is_cut=is_cut,
    )


def kept_lines(old: str, new: str) -> list[Kept]:
    """Where the lines of `old` that are still there stand in `new`, in order. Runs without a gap are one."""
    matcher = _Matcher(old.split("\n"), new.split("\n"))
    return [
        Kept(match.a + 1, match.a + match.size, match.b - match.a)
        for match in matcher.get_matching_blocks()
        if match.size
    ]


class _Matcher(SequenceMatcher[str]):
    """`difflib`'s, but equal ends are taken first, and what is left when the steps are used up counts as different."""

    def __init__(self, old: Sequence[str], new: Sequence[str]) -> None:
        super().__init__(None, old, new)
        self.old, self.new = old, new
        self.is_coarse = False
        self._steps = MOST_STEPS
        shorter = min(len(old), len(new))
        self._prefix = next((i for i in range(shorter) if old[i] != new[i]), shorter)
        most = shorter - self._prefix
        self._suffix = next((i for i in range(most) if old[-1 - i] != new[-1 - i]), most)
        # What looking for a match costs from the first line up to each.
        where: dict[str, list[int]] = self.b2j  # type: ignore[attr-defined]  # a documented attribute
        self._cost = [0, *accumulate(1 + len(where.get(line, ())) for line in old)]

    def find_longest_match(
        self, alo: int = 0, ahi: int | None = None, blo: int = 0, bhi: int | None = None
    ) -> Match:
        ahi = len(self.old) if ahi is None else ahi
        bhi = len(self.new) if bhi is None else bhi
        if alo == 0 and blo == 0 and self._prefix:
            return Match(0, 0, self._prefix)
        if ahi == len(self.old) and bhi == len(self.new) and self._suffix:
            return Match(ahi - self._suffix, bhi - self._suffix, self._suffix)
        self._steps -= self._cost[ahi] - self._cost[alo]
        if self._steps < 0:
            self.is_coarse = True
            return Match(alo, blo, 0)
        return super().find_longest_match(alo, ahi, blo, bhi)


def _hunk(matcher: _Matcher, group: Sequence[tuple[str, int, int, int, int]]) -> Hunk:
    lines: list[DiffLine] = []
    for tag, i1, i2, j1, j2 in group:
        if tag == "equal":
            lines += (
                DiffLine(LineKind.CONTEXT, i + 1, j + 1, matcher.old[i])
                for i, j in zip(range(i1, i2), range(j1, j2), strict=True)
            )
            continue
        lines += (DiffLine(LineKind.REMOVED, i + 1, None, matcher.old[i]) for i in range(i1, i2))
        lines += (DiffLine(LineKind.ADDED, None, j + 1, matcher.new[j]) for j in range(j1, j2))
    return _counted(group[0][1], group[0][3], tuple(lines))


def _cut(hunk: Hunk, lines: tuple[DiffLine, ...]) -> Hunk:
    old = hunk.old_start - 1 if hunk.old_count else hunk.old_start
    new = hunk.new_start - 1 if hunk.new_count else hunk.new_start
    return _counted(old, new, lines)


def _counted(old: int, new: int, lines: tuple[DiffLine, ...]) -> Hunk:
    """`old` and `new` are how many lines of each side are before it."""
    old_count = sum(line.old is not None for line in lines)
    new_count = sum(line.new is not None for line in lines)
    return Hunk(old + bool(old_count), old_count, new + bool(new_count), new_count, lines)
