"""Places in streams, as clients carry them: signed cursors, not bound to a viewer, of one incarnation of the log."""

from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlmodel import col

from models.errors import Invalid
from models.store.sql import Position
from models.stream import StreamHead
from resolvers.operation import Operation
from schema.graph import personal, sql
from schema.scalars import StreamCursor


class NewEpoch(Exception):
    """The cursor is of an earlier incarnation of the log."""


def stream_cursor(op: Operation, position: Position) -> StreamCursor:
    place = [op.services.epoch, position.stream, position.number]
    return StreamCursor(op.services.signer.sign("stream", orjson.dumps(place)))


class CursorOf:
    """A cursor that is signed when it is printed: most payloads are read without their position."""

    def __init__(self, op: Operation, position: Position) -> None:
        self._op = op
        self._position = position

    def __str__(self) -> str:
        return stream_cursor(self._op, self._position)


def place_of(op: Operation, cursor: str | None, stream: str) -> int | None:
    """The number that a cursor of this stream stands for; None without one. Raises `Invalid` and `NewEpoch`."""
    if cursor is None:
        return None
    message = op.services.signer.open("stream", cursor)
    if message is None:
        text = "This is not a cursor of ours. Take `cursor`, `streamCursor` or `position` of an answer."
        raise Invalid(("after",), "CURSOR", text)
    epoch, written_for, number = orjson.loads(message)
    if written_for != stream:
        text = "This cursor belongs to another stream. Subscribe to that one, or without `after`."
        raise Invalid(("after",), "CURSOR", text)
    if epoch != op.services.epoch:
        raise NewEpoch
    return int(number)


def current_place(kind: str, key: Any, description: str) -> Any:
    """A field that tells where the stream `kind:<key>` stands, read in the statement of the row it belongs to.

    So a client that reads a row and subscribes behind its cursor misses nothing.
    """
    name = sa.literal_column(f"'{kind}:'", sa.Text) + sa.cast(sql(key), sa.Text)
    head = sa.select(col(StreamHead.number)).where(col(StreamHead.stream) == name).scalar_subquery()
    number = sa.func.coalesce(head, 0).label(f"{kind}_stream_number")

    def cursor(op: Operation, id: UUID, number: int) -> StreamCursor:
        return stream_cursor(op, Position(f"{kind}:{id}", number))

    return personal(cursor, key, number, description=description)
