"""`python app.py …` as an operator runs it: what it says, how it ends, what it leaves behind."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.tokens import new_private_key
from models.store.embedded import EmbeddedCluster
from models.store.embedded_place import choose_place, wheel_binaries
from resolvers.demo import LOGINS, build_world
from resolvers.demo import PASSWORD as DEMO_PASSWORD
from tests.chat_keys import pem_path
from tests.redis_server import RedisServer
from tests.world import Clock, make_test_services

CHECKOUT = Path(__file__).resolve().parents[2]
SIGN_IN = """mutation($email: EmailAddress!, $password: String!) {
  sessionCreate(input: {email: $email, password: $password}) { tokens { accessToken } errors { code } }
}"""
REGISTER = """mutation($email: EmailAddress!, $password: String!) {
  accountRegister(input: {email: $email, password: $password, name: "Olga", roles: [CLIENT]}) { outcome }
}"""
OLGA = {"email": "olga@example.com", "password": "correct horse battery"}


class Command:
    """One run of app.py. Its lines are collected as they come."""

    def __init__(self, home: "Home", *arguments: str, **variables: str) -> None:
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.began = time.monotonic()
        self.lines: list[str] = []
        self._changed = threading.Condition()
        self.process = subprocess.Popen(
            [sys.executable, "app.py", *arguments],
            cwd=CHECKOUT,
            env={**kept, "RECOMMENDATIONS": "0", **home.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            # Its own group, so that what is sent to it does not reach the tests.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.rstrip())
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def said(self, words: str) -> str:
        """The first line with these words, as soon as it is there."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: (
                    next((line for line in self.lines if words in line), None) or not self._reader.is_alive()
                ),
                timeout=90,
            )
        assert isinstance(found, str), f"never said {words!r}:\n{self.text}"
        return found

    def address(self) -> str:
        address = self.said("answers at").split(" answers at ")[1].split("/graphql")[0]
        self.said("Ctrl-C stops everything.")
        return address

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.address()}/graphql", json={"query": query, "variables": variables}, timeout=20
        )
        body: dict[str, Any] = answer.json()
        return body

    def end(self, number: signal.Signals | None = None) -> int:
        """The exit code, after this signal or of its own accord."""
        if number is not None:
            self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join(10)
        return code


class Home:
    """A place of its own for keys and data, so that nothing meets the checkout's cluster."""

    def __init__(self, directory: Path) -> None:
        self.data = directory / "postgres"
        # Making one takes half a second of CPU.
        (directory / "local" / "keys").mkdir(parents=True, mode=0o700)
        shutil.copy(pem_path(1), directory / "local" / "keys" / "chat.pem")
        self.variables = {
            "LOCAL_DIRECTORY": str(directory / "local"),
            "POSTGRES_DATA": str(self.data),
            "PORT": "0",
        }

    @property
    def postmaster(self) -> int | None:
        """The process id of the database server that runs here."""
        try:
            return int((self.data / "data" / "postmaster.pid").read_text().split()[0])
        except FileNotFoundError:
            return None


Run = Callable[..., Command]


@contextmanager
def own_home() -> Iterator[Home]:
    # Not below pytest's own directory, which is private: the database of root runs as somebody else.
    directory = Path(tempfile.mkdtemp(prefix="skillsync-"))
    directory.chmod(0o755)
    home = Home(directory)
    yield home
    shutil.rmtree(
        choose_place(CHECKOUT, wheel_binaries(), home.data, print).socket_directory, ignore_errors=True
    )
    shutil.rmtree(directory)


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with own_home() as home:
        yield home


@pytest.fixture
def run(home: Home) -> Iterator[Run]:
    started: list[Command] = []

    def launch(*arguments: str, **variables: str) -> Command:
        started.append(Command(home, *arguments, **variables))
        return started[-1]

    yield launch
    for command in started:
        if command.process.poll() is None:
            command.end(signal.SIGTERM)


def refusal(command: Command) -> str:
    """The one sentence of a command that could not do its work."""
    assert command.end() == 1, command.text
    (sentence,) = [line for line in command.lines if line.startswith("skillsync: ")]
    assert "Traceback" not in command.text
    return sentence.removeprefix("skillsync: ")


def test_one_command_starts_everything_says_where_it_is_and_ends_with_ctrl_c(home: Home, run: Run) -> None:
    server = run("run")

    answer = server.ask("{ __typename }")
    runs = home.postmaster
    code = server.end(signal.SIGINT)

    assert answer["data"] == {"__typename": "Query"}
    assert all(any(person.email in line for line in server.lines) for person in LOGINS)
    assert DEMO_PASSWORD in server.text
    assert runs is not None
    assert (code, home.postmaster) == (0, None)
    assert "Traceback" not in server.text
    assert [line for line in server.lines if '"error"' in line] == []


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_every_way_to_tell_it_to_stop_stops_the_database_too(
    home: Home, run: Run, number: signal.Signals
) -> None:
    server = run("run")
    idle = httpx.Client(base_url=server.address())
    idle.get("/health/live")

    began = time.monotonic()
    code = server.end(number)
    took = time.monotonic() - began
    idle.close()

    assert (code, home.postmaster) == (0, None)
    assert "Traceback" not in server.text
    assert took < 5


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_during_the_start_leaves_no_database_behind(
    home: Home, run: Run, number: signal.Signals
) -> None:
    server = run("run")
    server.said("starting PostgreSQL")

    code = server.end(number)

    assert code in {0, 130}
    assert home.postmaster is None
    assert "Traceback" not in server.text


@pytest.mark.long
def test_a_killed_server_leaves_its_data_and_the_next_one_takes_over(home: Home, run: Run) -> None:
    first = run("run")
    registered = first.ask(REGISTER, **OLGA)
    first.end(signal.SIGKILL)
    left = home.postmaster

    second = run("run")
    signed_in = second.ask(SIGN_IN, **OLGA)
    adopted = home.postmaster
    code = second.end(signal.SIGINT)

    assert registered["data"]["accountRegister"]["outcome"] in {"APPLIED", "REJECTED"}
    assert left is not None
    assert adopted == left
    assert "adopting the PostgreSQL" in second.text
    assert signed_in["data"]["sessionCreate"]["tokens"]["accessToken"]
    assert (code, home.postmaster) == (0, None)


@pytest.mark.long
def test_a_second_command_uses_the_running_database_and_leaves_it(home: Home, run: Run) -> None:
    server = run("run")
    server.address()
    before = home.postmaster

    migrated = run("migrate").end()
    after = home.postmaster
    answer = server.ask("{ gigs { totalCount } }")

    assert migrated == 0
    assert after == before
    assert "errors" not in answer


@pytest.mark.long
def test_a_taken_port_is_one_sentence_and_no_database_is_left(home: Home, run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        said = refusal(run("run", PORT=str(port)))

    assert said == (
        f"Cannot listen on 127.0.0.1:{port}: Address already in use. "
        "Stop what uses the port, or set PORT (0 takes a free one) or HOST."
    )
    assert home.postmaster is None


@pytest.mark.long
def test_a_later_start_takes_three_seconds_at_most(run: Run) -> None:
    run("migrate").end()

    server = run("run")
    server.address()
    took = time.monotonic() - server.began

    print(f"a later start took {took:.2f} s")
    assert took < 15  # three on a machine that does nothing else; measured in docs/measurements.md


BROKEN = {
    "port": ({"PORT": "eighty"}, "PORT is 'eighty'; set it to a whole number."),
    "environment": ({"ENV": "staging"}, "ENV is 'staging'; set it to development or production."),
    "flag": ({"DEMO_WORLD": "maybe"}, "DEMO_WORLD is 'maybe'; set it to 1 or 0."),
    "database": (
        {"DATABASE_URL": "mysql://x"},
        "DATABASE_URL must be embedded: or start with postgresql+asyncpg://",
    ),
    "host": ({"HOST": "nowhere.invalid"}, "Cannot listen on nowhere.invalid:0: "),
    "local": ({"LOCAL_DIRECTORY": "/dev/null/x"}, "Keys cannot be kept in LOCAL_DIRECTORY: "),
    "no key": ({"JWT_PRIVATE_KEYS": "/nowhere.pem"}, "JWT_PRIVATE_KEYS names a file that cannot be read: "),
    "bad key": (
        {"JWT_PRIVATE_KEYS": "settings.py"},
        "JWT_PRIVATE_KEYS must name RSA private keys in PEM form",
    ),
    "embedded": ({"ENV": "production"}, "ENV=production needs a real database: set DATABASE_URL="),
    "away": (
        {"DATABASE_URL": "postgresql+asyncpg://u:secret@127.0.0.1:1/x"},
        "No way into the database postgresql+asyncpg://u:***@127.0.0.1:1/x: ",
    ),
    "misspelt": ({"DATABASE_URL": "postgresql+asyncpg://127.0.0.1:1x/x"}, "DATABASE_URL cannot be read: "),
    "option": (
        {"DATABASE_URL": "postgresql+asyncpg://u:secret@127.0.0.1:1/x?nope=1"},
        "No way into the database postgresql+asyncpg://u:***@127.0.0.1:1/x?nope=1: ",
    ),
}


@pytest.mark.long
@pytest.mark.parametrize("name", BROKEN)
def test_what_is_set_wrong_is_one_sentence_that_keeps_the_password(home: Home, run: Run, name: str) -> None:
    variables, sentence = BROKEN[name]

    said = refusal(run("run", **variables))

    assert said.startswith(sentence)
    assert "secret@" not in said
    assert home.postmaster is None


@pytest.mark.long
def test_an_administrator_is_appointed_by_address_and_a_stranger_is_not(home: Home, run: Run) -> None:
    unknown = run("create-admin", "nobody@example.com")
    unknown_code = unknown.end()
    known = run("create-admin", LOGINS[0].email.upper())
    known_code = known.end()
    server = run("run")
    signed_in = server.ask(SIGN_IN, email=LOGINS[0].email, password=DEMO_PASSWORD)
    token = signed_in["data"]["sessionCreate"]["tokens"]["accessToken"]
    viewer = httpx.post(
        f"{server.address()}/graphql",
        json={"query": "{ viewer { roles } }"},
        headers={"authorization": f"Bearer {token}"},
        timeout=20,
    ).json()

    assert unknown_code == 1
    assert unknown.lines[-1].startswith("Nobody is registered as nobody@example.com.")
    assert known_code == 0
    assert "SUPER_ADMIN" in viewer["data"]["viewer"]["roles"]


@pytest.mark.long
def test_a_new_epoch_of_the_streams_begins(run: Run) -> None:
    run("migrate").end()

    command = run("streams", "new-epoch")

    assert command.end() == 0
    assert command.lines[-1].startswith("A new epoch has begun.")


# -- production --------------------------------------------------------------------------------------------------------


@contextmanager
def production(database_url: str) -> Iterator[dict[str, str]]:
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as key:
        key.write(new_private_key())
        key.flush()
        yield {
            "ENV": "production",
            "DATABASE_URL": database_url,
            "SECRET_KEYS": "s" * 32,
            "JWT_PRIVATE_KEYS": key.name,
            "CHAT_KEYS": str(pem_path(1)),
            "FILES_URL": f"file:{Path(key.name).parent / 'files'}",
            "PUBLIC_URL": "https://api.example.com",
        }


@pytest.mark.long
def test_production_serves_a_migrated_database_without_graphiql_or_demo_logins(
    run: Run, empty_database_url: str
) -> None:
    with production(empty_database_url) as variables:
        server = run("run", **variables)

        answer = server.ask("{ __typename }")
        page = httpx.get(f"{server.address()}/graphql", headers={"accept": "text/html"})
        metrics = httpx.get(f"{server.address()}/metrics")
        ready = httpx.get(f"{server.address()}/health/ready").json()
        code = server.end(signal.SIGTERM)

    assert answer["data"] == {"__typename": "Query"}
    assert (page.status_code, metrics.status_code, metrics.text) == (400, 404, "")
    assert ready["adapters"] == {"sql": "postgresql", "chat": "sql", "broker": "memory", "files": "directory"}
    assert DEMO_PASSWORD not in server.text
    assert code == 0


@pytest.mark.long
async def test_production_refuses_a_database_whose_people_have_public_passwords(
    run: Run, empty_database_url: str
) -> None:
    services = await make_test_services(empty_database_url, Clock())
    await build_world(services)
    await services.close()

    with production(empty_database_url) as variables:
        said = refusal(run("run", **variables))

    assert said.startswith("This database holds the demo world, whose passwords are public")


@pytest.mark.long
def test_production_never_migrates_by_itself(run: Run, cluster: EmbeddedCluster) -> None:
    with production(cluster.url("postgres")) as variables:
        said = refusal(run("run", **variables))

    assert said.startswith("The database is at revision None, this server needs ")
    assert said.endswith("Run: python app.py migrate")


@pytest.mark.long
@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ("SECRET_KEYS", "ENV=production needs SECRET_KEYS: "),
        ("JWT_PRIVATE_KEYS", "ENV=production needs JWT_PRIVATE_KEYS: "),
        ("CHAT_KEYS", "ENV=production needs CHAT_KEYS: "),
        ("FILES_URL", "ENV=production needs FILES_URL: "),
        ("PUBLIC_URL", "ENV=production needs PUBLIC_URL, "),
    ],
)
def test_production_refuses_to_start_without_what_makes_it_safe(
    run: Run, missing: str, sentence: str
) -> None:
    with production("postgresql+asyncpg://127.0.0.1:1/x") as variables:
        del variables[missing]

        said = refusal(run("run", **variables))

    assert said.startswith(sentence)


@pytest.mark.long
def test_production_refuses_the_demo_world_whose_passwords_are_public(run: Run) -> None:
    with production("postgresql+asyncpg://127.0.0.1:1/x") as variables:
        said = refusal(run("run", **variables, DEMO_WORLD="1"))

    assert said.startswith("ENV=production cannot have DEMO_WORLD")


# -- several workers ------------------------------------------------------------------------------------------------------


def workers_of(command: Command) -> set[int]:
    """The process ids of the workers that run."""
    children = Path(f"/proc/{command.process.pid}/task/{command.process.pid}/children").read_text().split()
    return {int(pid) for pid in children if b"worker" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@pytest.mark.long
def test_workers_share_the_port_are_started_again_and_end_together(
    home: Home, run: Run, redis_server: RedisServer
) -> None:
    server = run("run", "--workers", "2", BROKER_URL=redis_server.url)
    address = server.address()
    before = workers_of(server)
    health = httpx.get(f"{address}/health/ready", timeout=20).json()

    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    until(lambda: len(workers_of(server) - {victim}) == 2)
    after = workers_of(server)
    answer = server.ask("{ __typename }")
    code = server.end(signal.SIGINT)

    assert (health["adapters"]["broker"], health["status"]) == ("redis", "ok")
    assert len(before) == len(after) == 2
    assert before - after == {victim}
    assert answer["data"] == {"__typename": "Query"}
    assert (code, home.postmaster) == (0, None)
    assert all(map(is_gone, before | after))
    assert "Traceback" not in server.text


@pytest.mark.long
def test_workers_whose_parent_was_killed_end_by_themselves(run: Run, redis_server: RedisServer) -> None:
    server = run("run", "--workers", "2", BROKER_URL=redis_server.url)
    server.address()
    workers = workers_of(server)

    server.end(signal.SIGKILL)

    until(lambda: all(map(is_gone, workers)))


@pytest.mark.long
def test_several_workers_without_a_broker_are_refused_before_anything_is_started(run: Run) -> None:
    command = run("run", "--workers", "2")

    assert refusal(command).startswith("Several workers need a broker that reaches all of them")
    assert len(command.lines) == 1
