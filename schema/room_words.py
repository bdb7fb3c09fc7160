"""Words of rooms that several modules show: made words of the public language before anybody uses them."""

from models.room import RoomKind, RoomRole
from schema.words import words

__all__ = ["RoomKind", "RoomRole"]

for _vocabulary in (RoomKind, RoomRole):
    words(_vocabulary)
