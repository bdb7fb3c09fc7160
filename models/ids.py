"""Ids are UUIDv7; outside they are typed and readable: a prefix and 26 characters of Crockford base32 (TypeID)."""

import re
from collections.abc import Callable
from functools import lru_cache
from uuid import UUID

import uuid_utils.compat
from typeid import TypeID
from typeid.errors import TypeIDException

from models.errors import Invalid

# Crockford's alphabet in small letters, as TypeID wants it; 128 bits are written as 8 bits in two letters and 15 in three.
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_TWO = [a + b for a in _LETTERS[:8] for b in _LETTERS]
_THREE = [a + b + c for a in _LETTERS for b in _LETTERS for c in _LETTERS]
_SUFFIX = re.compile(f"[0-7][{_LETTERS}]{{25}}")
_AS_DIGITS = str.maketrans(_LETTERS, "0123456789abcdefghijklmnopqrstuv")


def new_id() -> UUID:
    return uuid_utils.compat.uuid7()


def encode_id(prefix: str, key: UUID) -> str:
    return str(TypeID.from_uuid(suffix=key, prefix=prefix))  # type: ignore[arg-type]


def id_encoder(prefix: str) -> Callable[[bytes], str]:
    """`encode_id` for one prefix and the 16 bytes of a UUID, some ten times as fast: a page prints hundreds of ids.

    What is printed often (skills, people, the newest gigs) is remembered, about 4 MB for each prefix.
    """
    head = f"{prefix}_"

    @lru_cache(16_384)
    def encode(key: bytes) -> str:
        n = int.from_bytes(key)
        return (
            f"{head}{_TWO[n >> 120]}{_THREE[n >> 105 & 32767]}{_THREE[n >> 90 & 32767]}{_THREE[n >> 75 & 32767]}"
            f"{_THREE[n >> 60 & 32767]}{_THREE[n >> 45 & 32767]}{_THREE[n >> 30 & 32767]}{_THREE[n >> 15 & 32767]}"
            f"{_THREE[n & 32767]}"
        )

    return encode


def decode_id(prefix: str, text: str, *, path: tuple[str, ...] = ("id",)) -> UUID:
    """Raises `Invalid` naming `path` when the text is no id, or an id of another type."""
    kind, _, suffix = text.rpartition("_")
    if kind == prefix and _SUFFIX.fullmatch(suffix):
        return UUID(int=int(suffix.translate(_AS_DIGITS), 32))
    # Whatever else it is; the library takes 50 µs for an id (measured).
    try:
        parsed = TypeID.from_string(text)
    except (TypeIDException, ValueError) as error:
        raise Invalid(path, "ID_FORMAT", f"This is not an id. Expected one like {prefix}_01jd….") from error
    if parsed.prefix != prefix:
        raise Invalid(path, "ID_TYPE", f"This is the id of a {parsed.prefix}; expected the id of a {prefix}.")
    return UUID(bytes=parsed.uuid.bytes)


def prefix_of(text: str) -> str:
    return text.rpartition("_")[0]
