"""What is measured, and what it stands on, each of our own: PostgreSQL, Redis and `app.py run --workers 2`.

Everything is ended by its process id when its block is left, whatever happened in it, and what was stopped goes on before
that. Nothing is in the process group of whoever started us: Ctrl-C reaches it through us.
"""

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from models.store import migrations
from models.store.embedded import EmbeddedCluster, start_embedded
from models.store.embedded_place import Place, choose_place, wheel_binaries
from models.store.embedded_server import Postmaster, start
from tests.ferretdb_server import FerretServer
from tools.ferretdb import PROGRAM

CHECKOUT = Path(__file__).resolve().parent.parent.parent
DATABASE = "skillsync"
WORKERS = 2
"""Unless told."""
T = TypeVar("T")
_ESTABLISHED = "01"


class CannotMeasure(Exception):
    """Something is missing or did not start; the message says what to do."""


@contextlib.contextmanager
def own_directory() -> Iterator[Path]:
    """Removed with the block. Others may enter: the PostgreSQL of root runs as somebody else."""
    # A short name: it holds sockets, whose paths have a limit.
    with tempfile.TemporaryDirectory(prefix="skillsync-faults-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@contextlib.contextmanager
def stopped(pids: Iterable[int]) -> Iterator[None]:
    """These processes stand still, and go on with the end of the block, the last one first."""
    halted: list[int] = []
    try:
        for pid in pids:
            halted.append(pid)
            _send(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in reversed(halted):
            _send(pid, signal.SIGCONT)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def children_of(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def _wait_until(holds: Callable[[], bool], *, deadline_s: float, complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + deadline_s
    while not holds():
        if time.monotonic() > deadline:
            raise CannotMeasure(complaint())
        time.sleep(0.02)


# -- PostgreSQL ----------------------------------------------------------------------------------------------------------


class Postgres:
    """A cluster that nobody else uses."""

    def __init__(self, cluster: EmbeddedCluster, place: Place) -> None:
        self.url = cluster.url(DATABASE)
        self.socket_directory = cluster.socket_directory
        self._place = place
        self._restarted: list[subprocess.Popen[bytes]] = []

    def processes(self) -> Iterator[int]:
        """The postmaster first: asked for one by one, the list is complete once that one makes no more."""
        pid = self._postmaster()
        yield pid
        yield from children_of(pid)

    def restart(self) -> None:
        """As after a crash: no session is said goodbye to, nothing is written back, and the log is replayed."""
        told = self._place.run(
            "pg_ctl", "stop", f"--pgdata={self._place.directory}", "--mode=immediate", "--wait", timeout_s=40
        )
        if told.returncode != 0:
            raise CannotMeasure(f"PostgreSQL could not be stopped: {told.stderr.strip()}")
        self._restarted.append(start(self._place, lambda _: None))

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(host=str(self.socket_directory), user="postgres", database=DATABASE)

    def reap(self) -> None:
        for process in self._restarted:
            process.wait(30)

    def _postmaster(self) -> int:
        found = Postmaster.read(self._place)
        if found is None:
            raise CannotMeasure("PostgreSQL is not there.")
        return found.pid


@contextlib.contextmanager
def postgres(directory: Path) -> Iterator[Postgres]:
    data = directory / "postgres"
    cluster = start_embedded(CHECKOUT, data=data, log=lambda _: None)
    place = choose_place(CHECKOUT, wheel_binaries(), data, lambda _: None)
    try:
        found = Postgres(cluster, place)
        try:
            yield found
        finally:
            cluster.stop()
            found.reap()
    finally:
        shutil.rmtree(place.socket_directory, ignore_errors=True)


# -- Redis ---------------------------------------------------------------------------------------------------------------


class Redis:
    """A server that keeps nothing, on a socket of its own."""

    def __init__(self, program: str, directory: Path) -> None:
        self.path = directory / "redis.sock"
        self.url = f"unix://{self.path}"
        self._command = [program, "--port", "0", "--unixsocket", str(self.path), "--dir", str(directory)]
        self._command += ["--save", "", "--appendonly", "no"]
        self.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Ends when it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, start_new_session=True)
        try:
            _wait_until(self._answers, deadline_s=10, complaint=lambda: "redis-server does not answer.")
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as line, contextlib.suppress(OSError):
            line.settimeout(1)
            line.connect(str(self.path))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
        return False


@contextlib.contextmanager
def redis(directory: Path) -> Iterator[Redis]:
    program = shutil.which("redis-server")
    if program is None:
        raise CannotMeasure("There is no redis-server on the path: install it (Debian: redis-server).")
    server = Redis(program, directory)
    try:
        yield server
    finally:
        server.kill()


# -- MongoDB -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def mongo(directory: Path) -> Iterator[FerretServer]:
    """FerretDB, which speaks MongoDB's protocol, on a socket of its own."""
    if not PROGRAM.exists():
        raise CannotMeasure("There is no FerretDB: python tools/ferretdb.py builds it where there is go.")
    place = directory / "mongo"
    place.mkdir()
    server = FerretServer(place)
    try:
        yield server
    finally:
        server.kill()


# -- SkillSync -----------------------------------------------------------------------------------------------------------


class Server:
    """`app.py run` with its workers."""

    def __init__(self, environment: Mapping[str, str], log: Path, *, workers: int) -> None:
        self._count = workers
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}/graphql"
        self.log = log
        # What the server makes for itself where it is given none.
        self.chat_key = Path(environment["LOCAL_DIRECTORY"]) / "keys" / "chat.pem"
        ours = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        command = [sys.executable, "app.py", "run", "--workers", str(workers)]
        with log.open("w") as output:
            self._process = subprocess.Popen(
                command, cwd=CHECKOUT, env={**ours, **environment, "PORT": str(self.port)},
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip

    def wait(self) -> None:
        """Ends when it has all its workers and says that all is well, several times: any of them may have answered."""
        for _ in range(4 * self._count):
            _wait_until(self._is_well, deadline_s=60, complaint=lambda: f"No server: {self.said()[-2000:]}")

    @property
    def pid(self) -> int:
        """Of the only worker, or of the parent of several."""
        return self._process.pid

    def workers(self) -> dict[int, int]:
        """The process id of each worker, and how many connections it has."""
        held = _connections_at(self.port)
        # One alone is no child.
        pids = [pid for pid in children_of(self._process.pid) if b"worker" in _command_line(pid)]
        return {
            pid: len(held & _sockets_of(pid)) for pid in (pids if self._count > 1 else [self._process.pid])
        }

    def health(self) -> dict[str, Any]:
        """What one of the workers says of itself. Raises OSError and `HTTPException` if none answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        with contextlib.closing(connection):
            connection.request("GET", "/health/ready")
            answer: dict[str, Any] = json.load(connection.getresponse())
        return answer

    def said(self) -> str:
        return self.log.read_text()

    def end(self) -> None:
        workers = children_of(self._process.pid)
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            for pid in (self._process.pid, *workers):
                _send(pid, signal.SIGKILL)
            self._process.wait()

    def _is_well(self) -> bool:
        if self._process.poll() is not None:
            raise CannotMeasure(f"The server ended: {self.said()[-2000:]}")
        if len(self.workers()) < self._count:
            return False
        with contextlib.suppress(OSError, http.client.HTTPException):
            return bool(self.health()["status"] == "ok")
        return False


def _connections_at(port: int) -> set[str]:
    """The sockets that are established at the server's end, by inode."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    end = f":{port:04X}"
    return {line[9] for line in lines if line[1].endswith(end) and line[3] == _ESTABLISHED}


def _sockets_of(pid: int) -> set[str]:
    held = set()
    with contextlib.suppress(FileNotFoundError):
        for path in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                held.add(str(path.readlink()).removeprefix("socket:[").removesuffix("]"))
    return held


def _command_line(pid: int) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@contextlib.contextmanager
def server(
    directory: Path, database_url: str, broker_url: str, chat_url: str, *, workers: int
) -> Iterator[Server]:
    environment = {
        "DATABASE_URL": database_url, "BROKER_URL": broker_url, "CHAT_URL": chat_url,
        "LOCAL_DIRECTORY": str(directory / "local"), "DEMO_WORLD": "0", "GRAPHIQL": "0", "RECOMMENDATIONS": "0",
        # Nobody shall be slowed down: what is told when there is too much would be an answer, not a fault.
        "CHAT_PERSON_SENDS": "0", "CHAT_ROOM_SENDS": "0",
    }  # fmt: skip
    started = Server(environment, directory / "server.log", workers=workers)
    try:
        started.wait()
        yield started
    finally:
        started.end()


# -- all of it -----------------------------------------------------------------------------------------------------------


class Stage:
    """Everything that a fault can hit. Without `mongo`, rooms are in PostgreSQL, too."""

    def __init__(self, postgres: Postgres, redis: Redis, server: Server, mongo: FerretServer | None) -> None:
        self.postgres = postgres
        self.redis = redis
        self.server = server
        self.mongo = mongo


@contextlib.contextmanager
def stage(*, workers: int = WORKERS, has_mongo: bool = False) -> Iterator[Stage]:
    """All of it, well and empty. Raises `CannotMeasure`."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(own_directory())
        hints = stack.enter_context(redis(directory))
        cluster = stack.enter_context(postgres(directory))
        asyncio.run(_ensure_database(cluster))
        rooms = stack.enter_context(mongo(directory)) if has_mongo else None
        chat_url = rooms.url(DATABASE) if rooms else "sql:"
        running = server(directory, cluster.url, hints.url, chat_url, workers=workers)
        yield Stage(cluster, hints, stack.enter_context(running), rooms)


def measured(
    name: str,
    measure: Callable[[Stage], Coroutine[None, None, T]],
    *,
    workers: int = WORKERS,
    has_mongo: bool = False,
    server_log: Path | None = None,
) -> T:
    """What `measure` finds on a stage of its own. Exits with 1 and why if it finds nothing, with 130 if told to stop."""
    # Every way to be told to stop is a Ctrl-C: what was started is ended on the way out.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        with stage(workers=workers, has_mongo=has_mongo) as place:
            try:
                return asyncio.run(measure(place))
            finally:
                if server_log:
                    shutil.copy(place.server.log, server_log)
    except CannotMeasure as error:
        print(f"{name}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


async def _ensure_database(cluster: Postgres) -> None:
    await migrations.ensure_database(cluster.url.replace(f"/{DATABASE}?", "/postgres?"), DATABASE)
