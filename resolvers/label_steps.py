"""Changes of a board's labels."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.board import (
    MAX_LABELS,
    BoardFull,
    BoardLabel,
)
from models.board_events import (
    LabelAdded,
    LabelEdited,
    LabelRemoved,
    TaskEdited,
)
from models.task import (
    TaskLabel,
)
from resolvers.board_steps import ids_of, require_new_name, set_changed, step, told
from resolvers.open_board import OpenBoard, Step


@step("add_label")
async def add_label(
    board: OpenBoard, *, label_id: str, values: Mapping[str, Any], task_ids: Sequence[str] = ()
) -> list[Step]:
    labels = await labels_of(board)
    live = [one for one in labels.values() if one.removed_at is None]
    if len(live) >= MAX_LABELS:
        raise BoardFull("labels", limit=MAX_LABELS)
    require_new_name(values["name"], live)
    label = labels.get(UUID(label_id))
    if label is None:
        label = BoardLabel(id=UUID(label_id), board_id=board.row.id, **values)
        board.tx.add(label)
    label.removed_at = None
    await board.tx.session.flush()
    board.tell(LabelAdded(label_id=label.id, name=label.name, color=label.color, **board.about))
    await _label_again(board, label.id, [UUID(task_id) for task_id in task_ids])
    board.touches.add(f"label:{label.id}")
    return [{"do": "remove_label", "label_id": label_id}]


@step("remove_label")
async def remove_label(board: OpenBoard, *, label_id: str) -> list[Step]:
    label = await board.find(BoardLabel, UUID(label_id), what="label")
    if label.removed_at is not None:
        return []
    gone = await board.tx.execute(
        sa.delete(TaskLabel).where(col(TaskLabel.label_id) == label.id).returning(col(TaskLabel.task_id))
    )
    tasks = sorted(str(task_id) for (task_id,) in gone)
    label.removed_at = board.op.now()
    board.tell(LabelRemoved(label_id=label.id, **board.about))
    board.touches.add(f"label:{label.id}")
    values = {name: getattr(label, name) for name in sorted(BoardLabel.EDITABLE)}
    return [{"do": "add_label", "label_id": label_id, "values": values, "task_ids": tasks}]


@step("edit_label")
async def edit_label(board: OpenBoard, *, label_id: str, values: Mapping[str, Any]) -> list[Step]:
    labels = await labels_of(board)
    label = await board.find(BoardLabel, UUID(label_id), what="label")
    if "name" in values:
        require_new_name(
            values["name"], [o for o in labels.values() if o.removed_at is None and o is not label]
        )
    before = set_changed(label, values)
    if not before:
        return []
    board.tell(LabelEdited(label_id=label.id, changes=told(before, label), **board.about))
    board.uses.add(f"label:{label.id}")
    board.touches.update(f"label:{label.id}:{name}" for name in before)
    return [{"do": "edit_label", "label_id": label_id, "values": before}]


async def labels_of(board: OpenBoard) -> dict[UUID, BoardLabel]:
    """All labels of the board, removed ones too."""
    rows = await board.tx.all(BoardLabel, col(BoardLabel.board_id) == board.row.id)
    return {row.id: row for row in rows}


async def _label_again(board: OpenBoard, label_id: UUID, task_ids: Sequence[UUID]) -> None:
    """Tasks that had a label before it was removed have it again; told of each, as lists of labels are told whole."""
    kept: dict[UUID, set[UUID]] = {task_id: set() for task_id in task_ids}
    found = sa.select(col(TaskLabel.task_id), col(TaskLabel.label_id)).where(
        col(TaskLabel.task_id).in_(task_ids)
    )
    for row in await board.tx.execute(found):
        kept[row.task_id].add(row.label_id)
    for task_id, old in kept.items():
        (await board.task(task_id)).touch(at=board.op.now())
        board.tx.add(TaskLabel(task_id=task_id, label_id=label_id))
        before, after = ids_of("label", old), ids_of("label", {*old, label_id})
        board.tell(TaskEdited(
            task_id=task_id, changes={"labels": (before, after)}, text_ids={}, **board.about
        ))  # fmt: skip
