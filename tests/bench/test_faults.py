"""`make bench-faults`: that it would see what it looks for, and its short form in whole."""

import contextlib
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bench.faults.verdict import (
    Arrival,
    Delivery,
    Fact,
    Following,
    Settled,
    Window,
    judge_delivery,
    judge_writing,
    recovery_s,
    slowest_write_s,
)
from tests.ferretdb_server import require_ferretdb

CHECKOUT = Path(__file__).resolve().parents[2]
KINDS = ("GigPaused", "GigResumed")
LOG = [Fact("gig:1", number, KINDS[number % 2]) for number in range(7, 12)]


def following(facts: Sequence[Fact], *, times: Sequence[tuple[float, float]] = ()) -> Following:
    """Somebody who got these; `times` are when each occurred and arrived."""
    times = times or [(0, 0)] * len(facts)
    arrivals = [Arrival(fact, *moments) for fact, moments in zip(facts, times, strict=True)]
    return Following("gig:1", arrivals)


def settled(outcome: str, fact: Fact | None, *, began_at: float = 0, took_s: float = 0) -> Settled:
    return Settled("key", outcome, fact, began_at, took_s, attempts=1)


# -- the judge -----------------------------------------------------------------------------------------------------------


def test_who_got_everything_once_and_in_order_lost_nothing() -> None:
    other = Fact("gig:2", 7, "GigPaused")

    judged = judge_delivery([*LOG, other], [following(LOG), following(LOG)])

    assert judged == Delivery(delivered=10, lost=0, doubled=0, misordered=0)


@pytest.mark.parametrize(
    ("got", "lost", "doubled", "misordered"),
    [
        ([], 5, 0, 0),
        (LOG[:2] + LOG[3:], 1, 0, 0),
        ([*LOG, LOG[4]], 0, 1, 0),
        ([*LOG, LOG[0]], 0, 1, 0),
        ([LOG[1], LOG[0], *LOG[2:]], 0, 0, 1),
        ([*LOG[:4], LOG[4]._replace(kind="GigClosed")], 1, 1, 0),
        ([*LOG, Fact("gig:1", 12, "GigPaused")], 0, 1, 0),
    ],
    ids=[
        "nothing",
        "a hole",
        "the last twice",
        "the first again",
        "swapped",
        "another kind",
        "not in the log",
    ],
)
def test_what_was_delivered_otherwise_than_the_log_says_is_counted(
    got: list[Fact], lost: int, doubled: int, misordered: int
) -> None:
    judged = judge_delivery(LOG, [following(got), following(LOG)])

    assert judged == Delivery(len(got) + 5, lost, doubled, misordered)


def test_answers_that_the_log_contradicts_are_counted() -> None:
    missing = Fact("gig:1", 12, "GigPaused")
    writes = [
        settled("APPLIED", LOG[0]),
        settled("REPLAYED", LOG[1]),
        settled("APPLIED", missing),
        settled("REJECTED", None),
    ]

    judged = judge_writing(LOG[:3], writes, {"key"})

    assert judged.outcomes == {"APPLIED": 2, "REPLAYED": 1, "REJECTED": 1}
    assert (judged.acknowledged_but_missing, judged.refused_but_stored, judged.unacknowledged) == (1, 1, 1)
    assert (judged.stored_twice, judge_writing(LOG[:3], writes, ["key", "key"]).stored_twice) == (0, 1)


def test_recovery_is_that_of_the_last_subscriber_and_counts_later_facts_only() -> None:
    early = following(LOG[:3], times=[(9, 9), (9.9, 10.1), (10.2, 10.5)])
    late = following(LOG[:3], times=[(9, 12), (9.9, 12), (10.2, 12.5)])
    never = following(LOG[:2], times=[(9, 12), (9.9, 12)])

    assert recovery_s([early], 10) == 0.5
    assert recovery_s([early, late], 10) == 2.5
    assert recovery_s([early, never], 10) == math.inf


def test_the_slowest_write_of_a_window_is_one_that_began_in_it() -> None:
    writes = [
        settled("APPLIED", None, began_at=at, took_s=took) for at, took in ((1, 9), (2, 3), (3, 4), (4, 9))
    ]

    assert slowest_write_s(writes, Window(2, 4, counts_from=2)) == 4


# -- the whole -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def scratch() -> Iterator[Path]:
    """Where the bench puts what it makes, so that what it leaves can be found."""
    if shutil.which("redis-server") is None:
        if "redis-server" in os.environ.get("REQUIRE", ""):
            pytest.fail("REQUIRE asks for redis-server, and there is none on the path")
        pytest.skip("no redis-server on the path")
    # Not below pytest's own directory, which is private: the database of root runs as somebody else.
    directory = Path(tempfile.mkdtemp(prefix="skillsync-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def start(scratch: Path, *arguments: str, module: str = "bench.faults") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def processes_in(directory: Path) -> list[int]:
    """Those that were told of a file there, or are told of one by their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_bytes() + (path / "environ").read_bytes()
            if str(directory).encode() in words:
                found.append(int(path.name))
    return found


def is_stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except FileNotFoundError:
        return False


def test_nothing_is_lost_when_a_worker_and_redis_are_killed(scratch: Path) -> None:
    bench = start(scratch, "--quick")

    said, _ = bench.communicate(timeout=100)

    assert said.splitlines()[-1] == "faults: lost 0 doubled 0 misordered 0", said
    assert bench.returncode == 0, said
    assert (processes_in(scratch), list(scratch.iterdir())) == ([], [])


@pytest.mark.long
@pytest.mark.parametrize("store", ["sql", "mongo"])
def test_nothing_said_is_lost_or_stored_twice_when_what_a_room_stands_on_is_killed(
    scratch: Path, store: str
) -> None:
    if store == "mongo":
        require_ferretdb()
    bench = start(scratch, "--quick", "--chat", store)

    said, _ = bench.communicate(timeout=200)

    zeros = "lost 0 doubled 0 misordered 0 acked but missing 0 refused but stored 0 stored twice 0"
    assert said.splitlines()[-1] == f"chat faults, {store}: {zeros}", said
    assert bench.returncode == 0, said
    assert (processes_in(scratch), list(scratch.iterdir())) == ([], [])


@pytest.mark.long
def test_nothing_is_lost_doubled_or_misordered_while_things_die(scratch: Path) -> None:
    bench = start(scratch, "--short")

    said, _ = bench.communicate(timeout=180)

    assert said.splitlines()[-1] == "faults: lost 0 doubled 0 misordered 0", said
    assert bench.returncode == 0, said
    assert (processes_in(scratch), list(scratch.iterdir())) == ([], [])


@pytest.mark.long
def test_two_hundred_who_vanish_leave_nothing_and_one_who_stops_reading_delays_nobody(scratch: Path) -> None:
    bench = start(scratch, "--size", "200", "--rounds", "2", "--pairs", "4", module="bench.faults.vanishing")

    said, _ = bench.communicate(timeout=120)

    crowds = re.findall(r"descriptors (\d+) (\d+) (\d+)  followers (\d+) (\d+)  gone after ([\d.]+) s", said)
    assert len(crowds) == 4, said
    for before, during, _, followed, follow, gone_s in crowds:
        assert (followed, follow) == ("200", "0")
        assert int(during) == int(before) + 200
        assert float(gone_s) < 2
    assert said.splitlines()[-1] == "vanishing: ok", said
    assert bench.returncode == 0, said
    assert (processes_in(scratch), list(scratch.iterdir())) == ([], [])


@pytest.mark.long
def test_ctrl_c_ends_everything_also_what_stands_still(scratch: Path) -> None:
    bench = start(scratch, "--short", "--only", "redis stop")
    deadline = time.monotonic() + 90
    while not any(map(is_stopped, processes_in(scratch))):
        assert time.monotonic() < deadline and bench.poll() is None
        time.sleep(0.05)

    bench.send_signal(signal.SIGINT)
    said, _ = bench.communicate(timeout=60)

    assert bench.returncode == 130, said
    assert "Traceback" not in said
    assert (processes_in(scratch), list(scratch.iterdir())) == ([], [])
