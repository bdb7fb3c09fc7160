"""Wrapping keys for tests: made once for a checkout, as making one takes half a second of CPU."""

import contextlib
import os
from functools import cache
from pathlib import Path

from models.store.keys import KeyRing, new_wrapping_key

PLACE = Path(__file__).parent.parent / ".local"


@cache
def pem_path(number: int) -> Path:
    path = PLACE / f"test-chat-key-{number}.pem"
    if not path.exists():
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(new_wrapping_key())
        # Of several workers that make one, one wins, and all use it.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path


@cache
def ring_of(*numbers: int) -> KeyRing:
    """Rings that share keys by number."""
    return KeyRing([pem_path(number).read_text() for number in numbers])
