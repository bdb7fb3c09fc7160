"""Starting what is measured, one server at a time: ours as a user runs it, the peers as their documentation does."""

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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.reads.driver import request_bytes
from bench.reads.machine import DRIVER_CORE, SERVER_CORE, on_core
from bench.reads.servers import CHECKOUT, NODE, OURS
from models.ids import encode_id
from models.store.embedded_place import choose_place, wheel_binaries
from resolvers.demo import PASSWORD, REPORT
from resolvers.demo_cast import CARLA

PEERS = Path(__file__).resolve().parent / "peers"
INSTALLED = CHECKOUT / ".local" / "bench-fanout"
MERCURIUS = "mercurius"
NAMES = (OURS, MERCURIUS, "graphql-ws", "strawberry")
# What is set for ours; all else is as it comes. Printed with the results, without the places.
SETTINGS = {"DEMO_WORLD": "1", "RECOMMENDATIONS": "0"}
GIG = encode_id("gig", REPORT)
EVENTS = """subscription ($gigId: ID!) {
  gigEvents(gigId: $gigId) {
    cursor
    occurredAt
    event { __typename ... on GigPaused { gigStatus isPublic } ... on GigResumed { gigStatus isPublic } }
  }
}"""
SIGN_IN = """mutation ($email: EmailAddress!, $password: String!) {
  sessionCreate(input: {email: $email, password: $password}) { tokens { accessToken } }
}"""
PUBLISH = "mutation ($gigId: ID!) { publish(gigId: $gigId) }"
START_DEADLINE_S, STOP_DEADLINE_S = 90, 30


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and how an event is made on it."""

    name: str
    port: int
    pid: int
    acts: Sequence[tuple[bytes, bytes]]
    """Requests that make one event each, to be sent in turn, and what the answer must hold."""
    subscription: Mapping[str, Any] = field(
        default_factory=lambda: {"query": EVENTS, "variables": {"gigId": GIG}}
    )


class Home:
    """A place of its own for our keys and data, in a temporary directory, for all rounds."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.data = directory / "postgres"
        self.variables = {
            "LOCAL_DIRECTORY": str(directory / "local"),
            "POSTGRES_DATA": str(self.data),
            **SETTINGS,
        }

    @property
    def postmaster(self) -> int | None:
        """The process id of the database server that runs here."""
        try:
            return int((self.data / "data" / "postmaster.pid").read_text().split()[0])
        except FileNotFoundError:
            return None

    def move_database(self, core: int) -> None:
        """PostgreSQL with all it has started, and what it starts from now on."""
        postmaster = self.postmaster
        assert postmaster is not None
        children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
        for pid in (postmaster, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(pid, {core})

    def end_database(self) -> None:
        """What our server left running because it was killed."""
        if (postmaster := self.postmaster) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(postmaster, signal.SIGINT)
            _wait_until(lambda: self.postmaster is None, STOP_DEADLINE_S)


@contextlib.contextmanager
def temporary_home() -> Iterator[Home]:
    directory = Path(tempfile.mkdtemp(prefix="skillsync-fanout-"))
    # The database of root runs as somebody else, who must get there.
    directory.chmod(0o755)
    home = Home(directory)
    try:
        yield home
    finally:
        home.end_database()
        place = choose_place(CHECKOUT, wheel_binaries(), home.data, lambda _: None)
        shutil.rmtree(place.socket_directory, ignore_errors=True)
        shutil.rmtree(directory)


@contextlib.contextmanager
def running(name: str, home: Home, peers: Path) -> Iterator[Server]:
    """The server alone on its core, just started; stopped in the end."""
    port = free_port()
    command, variables = _launch(name, port, home, peers)
    log = home.directory / f"{name}.log"
    stop = signal.SIGINT if name == OURS else signal.SIGTERM
    with started(command, variables | {"PORT": str(port)}, log, lambda: answers(port), stop) as process:
        if name == OURS:
            home.move_database(DRIVER_CORE)
            yield _ours(port, process.pid)
        else:
            publish = request_bytes(_body(PUBLISH, {"gigId": GIG}), {})
            yield Server(name, port, process.pid, [(publish, b'"publish":true')])


@contextlib.contextmanager
def started(
    command: Sequence[str],
    variables: Mapping[str, str],
    log: Path,
    is_up: Callable[[], bool],
    stop: signal.Signals = signal.SIGTERM,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process on the servers' core once it is up; told to stop in the end, and killed where that does not help."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    with log.open("w") as output, on_core(SERVER_CORE):
        process = subprocess.Popen(
            command,
            cwd=CHECKOUT,
            env={**kept, **variables},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # Its own group: Ctrl-C reaches us alone, and we stop it.
            start_new_session=True,
        )
    try:
        if not _wait_until(lambda: process.poll() is not None or is_up(), START_DEADLINE_S) or (
            process.poll() is not None
        ):
            raise RuntimeError(f"{log.stem} did not start: {log.read_text()[-2000:]}")
        yield process
    finally:
        process.send_signal(stop)
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_DEADLINE_S)


def _launch(name: str, port: int, home: Home, peers: Path) -> tuple[list[str], dict[str, str]]:
    if name == OURS:
        return [sys.executable, "app.py", "run"], home.variables
    if name == "strawberry":
        return [sys.executable, "-m", "bench.fanout.peers.strawberry_peer"], {}
    return [str(NODE), str(peers / f"{name}.mjs")], {"NODE_ENV": "production"}


def _ours(port: int, pid: int) -> Server:
    """The gig is open then, before anybody follows it: the last round may have left it paused."""
    signed_in = _ask(port, _body(SIGN_IN, {"email": CARLA.email, "password": PASSWORD}))
    headers = {"authorization": f"Bearer {signed_in['data']['sessionCreate']['tokens']['accessToken']}"}
    pause, resume = (
        _body(f"mutation ($gigId: ID!) {{ {act}(input: {{id: $gigId}}) {{ outcome }} }}", {"gigId": GIG})
        for act in ("gigPause", "gigResume")
    )
    _ask(port, resume, headers)
    acts = [(request_bytes(body, headers), b'"outcome":"APPLIED"') for body in (pause, resume)]
    return Server(OURS, port, pid, acts)


def _body(query: str, variables: dict[str, Any]) -> bytes:
    return json.dumps({"query": query, "variables": variables}).encode()


def _ask(port: int, body: bytes, headers: dict[str, str] | None = None) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        connection.request("POST", "/graphql", body, {"content-type": "application/json", **(headers or {})})
        return json.loads(connection.getresponse().read())


def answers(port: int) -> bool:
    """Whether it is up."""
    try:
        return bool(_ask(port, _body("{ __typename }", {}))["data"])
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return False


def _wait_until(is_so: Callable[[], bool], deadline_s: float) -> bool:
    """Whether it became so in time."""
    deadline = time.monotonic() + deadline_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
