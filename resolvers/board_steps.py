"""The changes that acts on boards are made of: each tells what happened and answers the steps that take it back. How they are
registered and taken, and what they share; the steps themselves are beside what they change."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from typing import Any
from uuid import UUID

from models.board import (
    BoardColumn,
    BoardLabel,
    BoardText,
    NameTaken,
)
from models.ids import encode_id, new_id
from resolvers.open_board import OpenBoard, Step

Change = Callable[..., Awaitable[list[Step]]]
STEPS: dict[str, Change] = {}
_REFERENCES = {"parent_id": "task", "assignee_id": "person"}


def step(name: str) -> Callable[[Change], Change]:
    """Register a change under the name that steps call it by; arguments are named, and come as they do from JSON."""

    def register(change: Change) -> Change:
        STEPS[name] = change
        return change

    return register


async def take(board: OpenBoard, *steps: Step) -> list[Step]:
    """Do the steps in order; what takes them back, in the order to do that."""
    inverse: list[Step] = []
    for one in steps:
        inverse = [*await STEPS[one["do"]](board, **{k: v for k, v in one.items() if k != "do"}), *inverse]
    return inverse


def plain(value: Any) -> Any:
    """A value as JSON keeps it."""
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, UUID) else value


def set_changed(row: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Set the values that differ; what they were."""
    before = {name: getattr(row, name) for name, value in values.items() if getattr(row, name) != value}
    for name in before:
        setattr(row, name, values[name])
    return before


def told(before: Mapping[str, Any], row: Any) -> dict[str, tuple[str | None, str | None]]:
    return named(
        {name: (text_of(name, old), text_of(name, getattr(row, name))) for name, old in before.items()}
    )


def named(changes: Mapping[str, tuple[str | None, str | None]]) -> dict[str, tuple[str | None, str | None]]:
    """By the names of the API."""
    return {_public(name): change for name, change in changes.items()}


def _public(name: str) -> str:
    if name in _REFERENCES:
        return name.removesuffix("_id")
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def text_of(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if name in _REFERENCES:
        return encode_id(_REFERENCES[name], value)
    return str(value).lower() if isinstance(value, bool) else str(plain(value))


def typed(name: str, value: Any) -> Any:
    if isinstance(value, str):
        if name in {"starts_on", "due_on"}:
            return date.fromisoformat(value)
        if name == "parent_id":
            return UUID(value)
    return value


def ids_of(prefix: str, keys: set[UUID]) -> str:
    return " ".join(encode_id(prefix, key) for key in sorted(keys))


def require_new_name(name: str, others: Sequence[BoardColumn | BoardLabel]) -> None:
    if any(other.name.lower() == name.lower() for other in others):
        raise NameTaken(f"There is one called “{name}” already.", path=("name",))


def keep_text(board: OpenBoard, subject_id: UUID, name: str, body: str) -> UUID:
    text = BoardText(
        id=new_id(), board_id=board.row.id, subject_id=subject_id, field=name,
        author_id=board.op.viewer.user_id, body=body, created_at=board.op.now(),
    )  # fmt: skip
    board.tx.add(text)
    return text.id
