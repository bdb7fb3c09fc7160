"""Places in streams, as clients carry them: signed cursors, not bound to a viewer, of one incarnation of the log."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import col

from auth.access import followed_gigs, followed_rooms
from auth.viewer import Viewer
from models.errors import Invalid
from models.gig import Gig
from models.room import Room, RoomMember, RoomProgress
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


def vector_cursor(op: Operation, place: Mapping[str, int]) -> StreamCursor:
    """A place in several streams: the number in each."""
    return StreamCursor(op.services.signer.sign("stream", packed(op.services.epoch, place)))


FEW = 2
"""Streams whose places are written out; more of them are packed, so that a place in 141 fits into 4 KB."""
_PACKED = b"\x01"
_KINDS = ("user", "gig", "room", "roomstate", "board", "snippet")


def packed(epoch: str, place: Mapping[str, int]) -> bytes:
    """Of each stream a byte for its kind, the 16 of its id, and its number in groups of seven bits, the low ones first."""
    if len(place) <= FEW:
        return orjson.dumps([epoch, dict(place)])
    parts = [_PACKED, bytes([len(epoch)]), epoch.encode()]
    for name, number in place.items():
        kind, _, id = name.partition(":")
        parts += [_BYTE_OF[kind], bytes.fromhex(id.replace("-", ""))]
        rest = number
        while rest > 127:
            parts.append(bytes([rest & 127 | 128]))
            rest >>= 7
        parts.append(bytes([rest]))
    return b"".join(parts)


def unpacked(message: bytes) -> tuple[str, dict[str, int]]:
    """The epoch, and the number in each stream."""
    if not message.startswith(_PACKED):
        epoch, *place = orjson.loads(message)
        return epoch, place[0] if isinstance(place[0], dict) else {place[0]: place[1]}
    at = 2 + message[1]
    epoch, numbers = message[2:at].decode(), {}
    while at < len(message):
        name = f"{_KINDS[message[at]]}:{UUID(bytes=message[at + 1 : at + 17])}"
        at, number, shift = at + 17, 0, 0
        while message[at] > 127:
            number |= (message[at] & 127) << shift
            at, shift = at + 1, shift + 7
        numbers[name] = number | message[at] << shift
        at += 1
    return epoch, numbers


_BYTE_OF = {kind: bytes([number]) for number, kind in enumerate(_KINDS)}


class CursorOf:
    """A cursor that is signed when it is printed: most payloads are read without their position."""

    def __init__(self, op: Operation, position: Position) -> None:
        self._op = op
        self._position = position

    def __str__(self) -> str:
        return stream_cursor(self._op, self._position)


def place_of(op: Operation, cursor: str | None, stream: str) -> int | None:
    """The number that a cursor of this stream stands for; None without one. Raises `Invalid` and `NewEpoch`."""
    numbers = vector_of(op, cursor, stream)
    if numbers is None:
        return None
    if len(numbers) > 1:
        raise _of_another_stream()
    return numbers[stream]


def vector_of(op: Operation, cursor: str | None, *streams: str) -> dict[str, int] | None:
    """The numbers that a cursor stands for, of one of `streams` among them; None without one. A cursor of one alone will do.

    Raises `Invalid` and `NewEpoch`.
    """
    if cursor is None:
        return None
    message = op.services.signer.open("stream", cursor)
    if message is None:
        text = "This is not a cursor of ours. Take `cursor`, `streamCursor` or `position` of an answer."
        raise Invalid(("after",), "CURSOR", text)
    epoch, numbers = unpacked(message)
    if not any(stream in numbers for stream in streams):
        raise _of_another_stream()
    if epoch != op.services.epoch:
        raise NewEpoch
    return numbers


def _of_another_stream() -> Invalid:
    text = "This cursor belongs to another stream. Subscribe to that one, or without `after`."
    return Invalid(("after",), "CURSOR", text)


def current_place_of_all(user_id: Any, description: str) -> Any:
    """A field that tells where everything stands that concerns a person, read in the statement of their row."""
    them = Viewer(user_id=sql(user_id))  # type: ignore[arg-type]  # the id stands in the row
    name_of_gig = sa.literal_column("'gig:'", sa.Text) + sa.cast(col(Gig.id), sa.Text)
    of_gigs = followed_gigs(them, name_of_gig).correlate_except(Gig)
    own = sa.literal_column("'user:'", sa.Text) + sa.cast(sql(user_id), sa.Text)
    names = sa.func.array(of_gigs.scalar_subquery())
    numbers = (
        sa.select(sa.func.jsonb_object_agg(col(StreamHead.stream), col(StreamHead.number)))
        .where(sa.or_(col(StreamHead.stream) == own, col(StreamHead.stream) == sa.any_(names)))
        .correlate_except(StreamHead)
        .scalar_subquery()
    )
    # How far rooms are projected, which is never beyond where they end: what is told from there on may be known already.
    name_of_room = sa.literal_column("'room:'", sa.Text) + sa.cast(col(RoomMember.room_id), sa.Text)
    rooms = (
        followed_rooms(
            them, name_of_room.label("name"), sa.func.coalesce(col(RoomProgress.seq), 0).label("seq")
        )
        .correlate_except(RoomMember, Room, RoomProgress)
        .subquery("followed_room")
    )
    of_rooms = sa.select(sa.func.jsonb_object_agg(rooms.c.name, rooms.c.seq)).scalar_subquery()
    nothing = sa.text("'{}'::jsonb")
    place = (
        sa.func.coalesce(sa.type_coerce(numbers, JSONB), nothing, type_=JSONB)
        .op("||")(sa.func.coalesce(sa.type_coerce(of_rooms, JSONB), nothing, type_=JSONB))
        .label("stream_numbers")
    )

    def cursor(op: Operation, id: UUID, numbers: Mapping[str, int]) -> StreamCursor:
        return vector_cursor(op, {f"user:{id}": 0, **numbers})

    return personal(cursor, user_id, place, description=description)


def own_place(user_id: Any) -> sa.Select[Any]:
    """The number of a person's own stream, as `place`."""
    name = sa.literal_column("'user:'", sa.Text) + sa.cast(user_id, sa.Text)
    number = sa.select(col(StreamHead.number)).where(col(StreamHead.stream) == name).scalar_subquery()
    return sa.select(sa.func.coalesce(number, 0).label("place"))


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
