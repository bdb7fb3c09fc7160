"""One PostgreSQL server process on one data directory: made, found, started and stopped.

Callers hold the cluster's start lock, so that nothing here meets itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from models.store.embedded_lock import EmbeddedPostgresError, Log
from models.store.embedded_place import PORT, Place, environment

START_DEADLINE_S = 300.0  # crash recovery after a power cut may take long
STOP_DEADLINE_S = 30
ORPHANS_DEADLINE_S = 20.0  # sessions of a killed server end when they next wait for anything
NO_PROCESS = 2**31 - 2  # above every system's largest process id
LOG_LIMIT_BYTES = 16 * 1024 * 1024


def make_cluster(place: Place, log: Log) -> None:
    for draft in place.area.glob("making-*"):
        shutil.rmtree(draft)  # left by a process that was killed: we hold the lock, so nobody works on it
    if place.directory.exists():
        _check_version(place)
        return
    log("making a new PostgreSQL cluster")
    draft = Path(tempfile.mkdtemp(prefix="making-", dir=place.area))
    os.chown(draft, place.server_user.pw_uid, place.server_user.pw_gid)
    # lower(), LIKE and sorting use the built-in locale, but the trigram index asks the system's LC_CTYPE what
    # a letter is, and under plain C finds none beyond ASCII. Not every system has C.UTF-8.
    for ctype in ("C.UTF-8", "en_US.UTF-8", "C"):
        made = place.run("initdb", f"--pgdata={draft}", *_initdb_options(ctype), timeout_s=120)
        if "invalid locale name" not in made.stderr:
            break
    if made.returncode != 0:
        shutil.rmtree(draft)
        raise EmbeddedPostgresError(f"PostgreSQL's initdb failed in {place.area}: {made.stderr.strip()}")
    draft.rename(place.directory)


def _initdb_options(ctype: str) -> list[str]:
    options = ["--username=postgres", "--encoding=UTF8", "--auth=peer", "--no-instructions"]
    return [
        *options,
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        f"--lc-ctype={ctype}",
    ]


def _check_version(place: Place) -> None:
    version_file = place.directory / "PG_VERSION"
    if not version_file.exists():
        raise EmbeddedPostgresError(
            f"{place.directory} is damaged: it has no PG_VERSION. Restore it from a backup, or move it away "
            "to start with an empty database."
        )
    reported = place.run("postgres", "--version", timeout_s=30).stdout  # "postgres (PostgreSQL) 18.6"
    data, program = version_file.read_text().strip(), reported.split()[-1].split(".")[0]
    if data != program:
        raise EmbeddedPostgresError(
            f"{place.directory} was made by PostgreSQL {data} and this is {program}: dump it with the former "
            "version and restore it here, or move it away to start with an empty database."
        )


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What postmaster.pid says; its lines are written in steps while the server starts."""

    pid: int
    socket_directory: Path
    is_ready: bool

    @classmethod
    def read(cls, place: Place) -> Postmaster | None:
        try:
            lines = (place.directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return None
        if not lines or not lines[0].strip().isdigit():
            return None
        socket_directory = Path(lines[4]) if len(lines) > 4 and lines[4] else place.socket_directory
        return cls(int(lines[0]), socket_directory, is_ready=len(lines) > 7 and lines[7].strip() == "ready")


def running_postmaster(place: Place, *, is_alone: bool, log: Log) -> Postmaster | None:
    """The server that already runs on our data, once it is ready; None if one may be started."""
    found = _settled_postmaster(place)
    if found is None:
        _bury_the_dead(place)
        return None
    if served_directory(place, found) == place.directory:
        return found
    if not is_alone:
        raise EmbeddedPostgresError(
            f"The embedded PostgreSQL (process {found.pid}) does not answer or serves this data under a "
            f"former path, and another SkillSync process uses it: stop that one first. See {place.log_file}."
        )
    log(f"stopping the PostgreSQL that was started before this checkout moved (process {found.pid})")
    stop(place)
    return None


def _bury_the_dead(place: Place) -> None:
    """Make the lock files of a server that is gone name no living process.

    PostgreSQL asks only whether the process id is in use, and after a reboot, or in a container, it often is,
    by another program. The file is changed and not removed: it also names the shared memory by which
    PostgreSQL sees that a session of a killed server is still at work on the data.
    """
    for name in (f".s.PGSQL.{PORT}.lock", f".s.PGSQL.{PORT}"):
        (place.socket_directory / name).unlink(missing_ok=True)
    pid_file = place.directory / "postmaster.pid"
    if not pid_file.exists():
        return
    _, _, rest = pid_file.read_text().partition("\n")
    # Written elsewhere and moved: as root we must not write through a name that `nobody` controls.
    draft = place.area / "postmaster.pid"
    draft.write_text(f"{NO_PROCESS}\n{rest}")
    os.chown(draft, place.server_user.pw_uid, place.server_user.pw_gid)
    draft.chmod(0o600)
    draft.replace(pid_file)


def _settled_postmaster(place: Place) -> Postmaster | None:
    """Wait while a server starts or stops."""
    deadline = time.monotonic() + START_DEADLINE_S
    while (found := Postmaster.read(place)) is not None and _serves(found.pid, place.directory):
        if found.is_ready:
            return found
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"The embedded PostgreSQL (process {found.pid}) is neither ready nor gone; "
                f"see {place.log_file}."
            )
        time.sleep(0.01)
    return None


def _serves(pid: int, directory: Path) -> bool:
    """Whether the process is a postmaster on this directory; in doubt, yes: two would ruin the data.

    A postmaster works in its data directory, which tells even after a move. Root without CAP_SYS_PTRACE, as
    in Docker, may not look there, but everybody sees the arguments.
    """
    if not Path("/proc/self").exists():
        shown = subprocess.run(
            ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return "postgres" in shown.stdout
    try:
        return os.path.samefile(f"/proc/{pid}/cwd", directory)
    except (
        FileNotFoundError,
        ProcessLookupError,
    ):  # no such process, or a dead one that nobody has waited for
        return False
    except PermissionError:
        return os.fsencode(directory) in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")


def served_directory(place: Place, postmaster: Postmaster) -> Path | None:
    """Which data directory answers at the socket; None if nothing does."""
    target = f"host='{postmaster.socket_directory}' port={PORT} user=postgres dbname=postgres"
    command = place.command("psql", "-XAtq", "-c", "SHOW data_directory", f"{target} connect_timeout=10")
    answer = subprocess.run(
        command, capture_output=True, text=True, env=environment(), check=False, timeout=30
    )
    return Path(answer.stdout.strip()) if answer.returncode == 0 else None


def start(place: Place, log: Log) -> subprocess.Popen[bytes]:
    log("starting PostgreSQL")
    _write_access_rules(place)
    deadline = time.monotonic() + ORPHANS_DEADLINE_S
    while True:
        process: subprocess.Popen[bytes] | None = None
        try:
            with _undisturbed():
                process = _launch(place)
            _wait_until_ready(place, process, log)
        except _OrphansRemain:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        except BaseException:
            if process is not None:
                process.send_signal(signal.SIGQUIT)  # at once: it has served nobody yet
                process.wait(STOP_DEADLINE_S)
            raise
        else:
            return process


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Without the signals that end us: one that came while a program is started would leave it running, known to nobody.

    They arrive when this ends. PostgreSQL chooses for itself which signals it takes.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _OrphansRemain(EmbeddedPostgresError):
    """Sessions of a killed server still use its shared memory."""


def _launch(place: Place) -> subprocess.Popen[bytes]:
    if place.log_file.exists() and place.log_file.stat().st_size > LOG_LIMIT_BYTES:
        place.log_file.replace(place.log_file.with_suffix(".log.old"))
    descriptor = os.open(place.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        # Its own session: Ctrl-C reaches the whole foreground group, and the server must outlive our last
        # word.
        return subprocess.Popen(
            place.command("postgres", "-D", str(place.directory), *_settings(place)),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            cwd="/",
            env=environment(),
            start_new_session=True,
            user=place.uid,
            group=place.gid,
            extra_groups=place.extra_groups,
        )
    finally:
        os.close(descriptor)


def _wait_until_ready(place: Place, process: subprocess.Popen[bytes], log: Log) -> None:
    started = time.monotonic()
    has_said = False
    while not ((found := Postmaster.read(place)) and found.pid == process.pid and found.is_ready):
        if process.poll() is not None:
            said = _tail(place)
            error = _OrphansRemain if "pre-existing shared memory block" in said else EmbeddedPostgresError
            raise error(f"PostgreSQL did not start; the end of {place.log_file} says: {said}")
        waited_s = time.monotonic() - started
        if waited_s > START_DEADLINE_S:
            raise EmbeddedPostgresError(
                f"PostgreSQL was not ready after {waited_s:.0f} s; see {place.log_file}."
            )
        if waited_s > 5 and not has_said:
            log(f"PostgreSQL is still starting, perhaps recovering from a crash; see {place.log_file}")
            has_said = True
        time.sleep(0.01)


def _settings(place: Place) -> list[str]:
    settings = {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_directories": f'"{place.socket_directory}"',  # a list, hence the quotes around spaces
        "unix_socket_permissions": "0700",
        "hba_file": str(place.area / "pg_hba.conf"),
        "ident_file": str(place.area / "pg_ident.conf"),
        "max_connections": "400",
        # Taken only as far as there is data; 100,000 gigs with their index of words fit in it.
        "shared_buffers": "256MB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %d ",
        "logging_collector": "off",
        "cluster_name": "skillsync",
    }
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _write_access_rules(place: Place) -> None:
    """Only our own user may connect, as `postgres`; other programs that run as `nobody` may not."""
    (place.area / "pg_hba.conf").write_text("local all all peer map=skillsync\n")
    (place.area / "pg_ident.conf").write_text(f'skillsync "{place.own_user.pw_name}" postgres\n')
    for name in ("pg_hba.conf", "pg_ident.conf"):
        (place.area / name).chmod(0o644)  # the server's user reads them


def stop(place: Place) -> None:
    """Shut down: sessions are cut and everything committed is kept. Does nothing if no server runs."""
    for mode in ("fast", "immediate"):
        found = Postmaster.read(place)
        if found is None or not _serves(found.pid, place.directory):
            return
        # pg_ctl and no signal of ours: as root we would signal whatever number stands in a file of
        # `nobody`'s.
        options = [f"--pgdata={place.directory}", f"--mode={mode}", "--wait", f"--timeout={STOP_DEADLINE_S}"]
        stopped = place.run("pg_ctl", "stop", *options, timeout_s=STOP_DEADLINE_S + 10)
        if stopped.returncode == 0:
            return
    raise EmbeddedPostgresError(f"The embedded PostgreSQL does not stop; see {place.log_file}.")


def _tail(place: Place) -> str:
    return "\n".join(place.log_file.read_text(errors="replace").splitlines()[-8:])
