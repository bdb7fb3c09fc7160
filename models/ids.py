"""Ids are UUIDv7; outside they are typed and readable: a prefix and 26 characters of Crockford base32 (TypeID)."""

from uuid import UUID

import uuid_utils.compat
from typeid import TypeID
from typeid.errors import TypeIDException

from models.errors import Invalid


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()


def encode_id(prefix: str, key: UUID) -> str:
    return str(TypeID.from_uuid(suffix=key, prefix=prefix))  # type: ignore[arg-type]


def decode_id(prefix: str, text: str, *, path: tuple[str, ...] = ("id",)) -> UUID:
    """Raises `Invalid` naming `path` when the text is no id, or an id of another type."""
    try:
        parsed = TypeID.from_string(text)
    except (TypeIDException, ValueError) as error:
        raise Invalid(path, "ID_FORMAT", f"This is not an id. Expected one like {prefix}_01jd….") from error
    if parsed.prefix != prefix:
        raise Invalid(path, "ID_TYPE", f"This is the id of a {parsed.prefix}; expected the id of a {prefix}.")
    return UUID(bytes=parsed.uuid.bytes)


def prefix_of(text: str) -> str:
    return text.rpartition("_")[0]
