"""Moves that were queued offline: between which neighbours they aim, by the board as their maker saw it.

The gap of such a move lies between the tasks that stood there for its maker, although they may have left since. Who has
come into the gap meanwhile, unseen, is ordered with it by (time of the move, id of the move), whatever arrived first; so
independent moves give the same board in every order of arrival.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from models.board import NEVER, AnchorElsewhere, Edge, Position
from models.errors import Path
from models.task import TaskStay


@dataclass(frozen=True, slots=True)
class Queued:
    """What a move knew that was made offline: the board up to the fact `seen`, and what the same device did itself."""

    id: str
    device: str
    seen: int
    moved_at: datetime

    @property
    def order(self) -> tuple[datetime, str]:
        return self.moved_at, self.id

    def saw(self, number: int, device: str | None) -> bool:
        return number <= self.seen or device == self.device

    def saw_standing(self, stay: TaskStay) -> bool:
        has_ended = stay.until_number != NEVER and self.saw(stay.until_number, stay.until_device)
        return self.saw(stay.from_number, stay.device) and not has_ended


def neighbours_as_seen(
    stays: Sequence[TaskStay],
    position: Position,
    queued: Queued,
    *,
    moved_id: UUID,
    path: Path = ("position",),
) -> tuple[str | None, str | None]:
    """The ranks between which the task `moved_id` is to stand; None for an end of the column.

    `stays` are those in the column that go on or ended after `queued.seen`. Raises `AnchorElsewhere`.
    """
    stays = sorted(stays, key=lambda stay: (stay.rank or "", stay.task_id))
    standing = [stay for stay in stays if stay.task_id != moved_id and stay.until_number == NEVER]
    # What the device itself has taken away, others still see: it parts the gap for them, and so it does here.
    known = [
        stay
        for stay in stays
        if stay.from_number <= queued.seen or (stay.task_id != moved_id and queued.saw_standing(stay))
    ]
    gap = _gap(position, known, {stay.task_id: stay for stay in standing})
    if gap is None:
        raise AnchorElsewhere(path, moved_id=moved_id)
    low, high = gap
    # Those that left again, too: what has been put beside them is still there.
    inside = [
        stay for stay in stays if stay.from_number > queued.seen and _lies_between(stay.rank or "", low, high)
    ]
    # Behind the last that goes before it: what came into the gap may itself have been put beside another there.
    smaller = [at for at, stay in enumerate(inside) if stay.order < queued.order]
    at = smaller[-1] + 1 if smaller else 0
    return _between(inside, at, low, high)


def _gap(
    position: Position, known: Sequence[TaskStay], standing: Mapping[UUID, TaskStay]
) -> tuple[str | None, str | None] | None:
    """The ranks of the neighbours between which the move aims, among the places that its maker knew; None if its anchor is
    gone."""
    if position.anchor is None:
        at = 0 if position.edge is Edge.TOP else len(known)
    else:
        # Moved by somebody else since: what it was to stand beside is not there, and where it is now is another wish.
        anchor = standing.get(position.anchor)
        found = next((at for at, stay in enumerate(known) if stay is anchor), None)
        if found is None:
            return None
        at = found + (position.after is not None)
    return _between(known, at, None, None)


def _between(
    stays: Sequence[TaskStay], at: int, low: str | None, high: str | None
) -> tuple[str | None, str | None]:
    """The ranks around the place `at`; a place that was left may have been taken again exactly."""
    low = stays[at - 1].rank if at else low
    above = (stay.rank for stay in stays[at:] if low is None or (stay.rank or "") > low)
    return low, next(above, high)


def _lies_between(rank: str, low: str | None, high: str | None) -> bool:
    return (low is None or low < rank) and (high is None or rank < high)
