"""Moves that were queued offline: between which neighbours they aim, by the board as their maker saw it.

The gap of such a move lies between the tasks that stood there for its maker, although they may have left since. Who has
come into the gap meanwhile, unseen, is ordered with it by (time of the move, id of the move), whatever arrived first; so
independent moves give the same board in every order of arrival.
"""

from collections.abc import Sequence
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

    `stays` are those of other tasks in the column that go on or ended after `queued.seen`. Raises `AnchorElsewhere`.
    """
    stays = sorted(stays, key=lambda stay: (stay.rank or "", stay.task_id))
    gap = _gap(position, [stay for stay in stays if queued.saw_standing(stay)])
    if gap is None:
        raise AnchorElsewhere(path, moved_id=moved_id)
    low, high = gap
    inside = [
        stay for stay in stays if stay.until_number == NEVER and _lies_between(stay.rank or "", low, high)
    ]
    # Behind the last that goes before it: what came into the gap may itself have been put beside another there.
    smaller = [at for at, stay in enumerate(inside) if stay.order < queued.order]
    at = smaller[-1] + 1 if smaller else 0
    return inside[at - 1].rank if at else low, inside[at].rank if at < len(inside) else high


def _gap(position: Position, seen: Sequence[TaskStay]) -> tuple[str | None, str | None] | None:
    """The ranks of the neighbours between which the move aims, among the tasks that its maker saw; None if its anchor is gone."""
    if position.anchor is None:
        at = 0 if position.edge is Edge.TOP else len(seen)
    else:
        ids = [stay.task_id for stay in seen]
        if position.anchor not in ids:
            return None
        at = ids.index(position.anchor)
        # Moved by somebody else since: what it was to stand beside is not there, and where it is now is another wish.
        if seen[at].until_number != NEVER:
            return None
        at += position.after is not None
    return seen[at - 1].rank if at else None, seen[at].rank if at < len(seen) else None


def _lies_between(rank: str, low: str | None, high: str | None) -> bool:
    return (low is None or low < rank) and (high is None or rank < high)
