"""Shared by the parts of the embedded PostgreSQL: an error, a voice, and locks that die with their holder."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOCK_DEADLINE_S = 300.0  # as long as the holder may take to start a server

Log = Callable[[str], None]


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be used; the message says why, and what to do."""


def try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def exclusively(path: Path, log: Log) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        started = time.monotonic()
        has_said = False
        while not try_lock(descriptor):
            waited_s = time.monotonic() - started
            if waited_s > LOCK_DEADLINE_S:
                raise EmbeddedPostgresError(
                    f"Another process holds {path} for {waited_s:.0f} s now; stop it first."
                )
            if waited_s > 1 and not has_said:
                log("waiting for another process that starts or stops the embedded PostgreSQL")
                has_said = True
            time.sleep(0.01)
        yield
    finally:
        os.close(descriptor)
