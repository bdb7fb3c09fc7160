"""What every broker keeps, and what the one over Redis does when Redis does not."""

import asyncio
import gc
import logging
import signal
import time
import warnings

import pytest

from subscriptions.broker import WORD_LIMIT, Broker, MemoryBroker
from subscriptions.brokers import broker_from
from subscriptions.redis_broker import PENDING_LIMIT, WORDS_LIMIT, RedisBroker
from tests.redis_server import RedisServer, StartRedis
from tests.subscriptions.conftest import (
    CHANNEL,
    Process,
    running,
    two_processes,
    until,
)
from transport.logs import JsonFormatter

SECRET = "not-the-password"


@pytest.fixture(params=["memory", "redis"])
def broker(request: pytest.FixtureRequest) -> Broker:
    if request.param == "memory":
        return MemoryBroker()
    server: RedisServer = request.getfixturevalue("redis_server")
    return RedisBroker(server.url, channel=CHANNEL)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "skillsync.broker"]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="skillsync.broker")
    return caplog


# -- both --------------------------------------------------------------------------------------------------------------


async def test_publishing_is_possible_before_during_and_after_running(broker: Broker) -> None:
    broker.publish(["gig:1"])
    broker.say(b"one")
    async with running(broker):
        broker.publish({"gig:2"})
        broker.publish([])
        broker.say(b"two")
    broker.publish(["gig:3"])
    broker.say(b"three")

    assert broker.problem is None


async def test_a_broker_that_is_cancelled_leaves_no_task(broker: Broker) -> None:
    before = asyncio.all_tasks()

    async with running(broker):
        broker.publish(["gig:1"])

    assert asyncio.all_tasks() == before


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("memory:", "memory"),
        ("redis://localhost", "redis"),
        ("redis://ada:secret@[::1]:6380/3", "redis"),
        ("rediss://redis.invalid", "redis"),
        ("unix:///run/redis.sock?db=1", "redis"),
    ],
)
def test_the_scheme_chooses_the_broker(url: str, name: str) -> None:
    assert broker_from(url).name == name


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("", "must be memory: or start with redis://"),
        ("memory", "must be memory: or start with redis://"),
        (f"amqp://ada:{SECRET}@localhost", "must be memory: or start with redis://"),
        (f"redis://:{SECRET}/x@localhost", "special characters of the password percent-encoded"),
        (f"redis://localhost?socket_timeout={SECRET}", "write it as redis://user:password@host:6379"),
    ],
)
def test_another_url_is_refused_without_being_quoted(url: str, says: str) -> None:
    with pytest.raises(ValueError, match="broker's URL") as refused:
        broker_from(url)

    assert says in str(refused.value)
    assert SECRET not in str(refused.value)


# -- hearing -----------------------------------------------------------------------------------------------------------


async def test_processes_hear_each_other_and_not_themselves(redis_server: RedisServer) -> None:
    async with two_processes(redis_server) as (one, other):
        one.broker.publish([])
        await asyncio.sleep(0)
        one.broker.publish(["gig:1", "gig:2"])
        await until(lambda: other.told == [{"gig:1", "gig:2"}])
        other.broker.publish(["user:ü 🦊"])
        await until(lambda: one.told != [])

        assert one.told == [{"user:ü 🦊"}]
        assert other.told == [{"gig:1", "gig:2"}]


async def test_processes_hear_each_other_over_tcp(start_redis: StartRedis, free_port: int) -> None:
    server = start_redis(port=free_port, password=SECRET)

    async with two_processes(server, f"redis://:{SECRET}@127.0.0.1:{free_port}/1") as (one, other):
        one.broker.publish(["gig:1"])

        await until(lambda: other.told == [{"gig:1"}])


async def test_names_that_wait_travel_together(redis_server: RedisServer) -> None:
    async with two_processes(redis_server) as (one, other):
        for number in range(3000):
            one.broker.publish([f"gig:{number % 1000}", "user:1"])

        await until(lambda: other.told != [])
        assert other.told == [{"user:1", *(f"gig:{number}" for number in range(1000))}]


async def test_every_name_arrives_however_publishing_and_sending_interleave(
    redis_server: RedisServer,
) -> None:
    async with two_processes(redis_server) as (one, other):
        for number in range(500):
            one.broker.publish([f"gig:{number}"])
            await asyncio.sleep(0)

        await until(lambda: len(other.names) == 500)
        assert other.names == {f"gig:{number}" for number in range(500)}
        assert None not in other.told


async def test_too_many_names_become_any(redis_server: RedisServer) -> None:
    async with two_processes(redis_server) as (one, other):
        one.broker.publish([f"gig:{number}" for number in range(PENDING_LIMIT)])
        await until(lambda: other.told != [])
        assert len(other.names) == PENDING_LIMIT
        other.told.clear()

        one.broker.publish([f"gig:{number}" for number in range(PENDING_LIMIT + 1)])
        one.broker.publish(["gig:one more"])

        await until(lambda: other.told != [])
        assert other.told == [None]


async def test_who_begins_takes_any_stream_for_grown(redis_server: RedisServer) -> None:
    async with running(RedisBroker(redis_server.url, channel=CHANNEL)) as process:
        await until(lambda: process.told == [None])


async def test_what_is_no_hint_is_ignored_and_told_once_a_kind(
    redis_server: RedisServer, log: pytest.LogCaptureFixture
) -> None:
    garbage = [
        b"\xff",
        b"",
        b"gig:1",
        b"[" * 100_000,
        b"{}",
        b"3",
        b'["x"]',
        b'["x", "gig:1"]',
        b'["x", ["a", 1]]',
    ]
    async with running(RedisBroker(redis_server.url, channel=CHANNEL)) as process:
        await until(lambda: process.told == [None])
        for message in garbage:
            redis_server.admin.publish(CHANNEL, message)
        redis_server.admin.publish(CHANNEL, b'["another process", ["gig:1"]]')

        await until(lambda: process.told == [None, {"gig:1"}])
        assert process.broker.problem is None

    assert said(log) == ["a message is no hint"] * 2
    assert {record.__dict__["problem"] for record in log.records} == {"JSONDecodeError", "ValueError"}


async def test_emptying_redis_disturbs_nobody(redis_server: RedisServer) -> None:
    async with two_processes(redis_server) as (one, other):
        redis_server.admin.flushall()
        one.broker.publish(["gig:1"])

        await until(lambda: other.told != [])
        assert (one.told, other.told) == ([], [{"gig:1"}])


# -- words -------------------------------------------------------------------------------------------------------------


async def test_words_reach_the_others_as_they_were_said_and_in_order(redis_server: RedisServer) -> None:
    said_words = [b"", b"a word", b"\xff \x00", b"x" * WORD_LIMIT, b"last"]

    async with two_processes(redis_server) as (one, other):
        for word in said_words:
            one.broker.say(word)
        one.broker.publish(["gig:1"])
        await until(lambda: other.words == said_words and other.told != [])

        assert (one.words, one.told, other.told) == ([], [], [{"gig:1"}])


async def test_a_word_that_is_too_long_is_not_said(
    redis_server: RedisServer, log: pytest.LogCaptureFixture
) -> None:
    async with two_processes(redis_server) as (one, other):
        for word in (b"x" * (WORD_LIMIT + 1), b"y" * (WORD_LIMIT + 1), b"short"):
            one.broker.say(word)
        await until(lambda: other.words == [b"short"])

    assert said(log) == ["a word is too long"]


async def test_of_too_many_words_the_older_ones_are_dropped(redis_server: RedisServer) -> None:
    words = [str(number).encode() for number in range(WORDS_LIMIT + 10)]

    async with two_processes(redis_server) as (one, other):
        for word in words:
            one.broker.say(word)

        await until(lambda: len(other.words) == WORDS_LIMIT)
        assert other.words == words[10:]


async def test_words_go_on_when_a_killed_redis_is_back_and_what_was_lost_stays_lost(
    redis_server: RedisServer,
) -> None:
    async with two_processes(redis_server) as (one, other):
        redis_server.kill()
        one.broker.say(b"lost")
        await until(lambda: one.broker.problem is not None and other.broker.problem is not None)
        redis_server.start()
        # Whoever is told that hints may have been missed hears words again.
        await until(lambda: are_well(one, other) and None in one.told and None in other.told, seconds=2)
        other.broker.say(b"again")

        await until(lambda: one.words == [b"again"])
        assert other.words in ([], [b"lost"])


async def test_what_is_no_word_is_ignored_and_told_once(
    redis_server: RedisServer, log: pytest.LogCaptureFixture
) -> None:
    channel = f"{CHANNEL}:words"
    async with running(RedisBroker(redis_server.url, channel=CHANNEL)) as process:
        await until(lambda: process.told == [None])
        for message in (b"", b"nospace", b"sender " + b"x" * (WORD_LIMIT + 1), b"sender a word"):
            redis_server.admin.publish(channel, message)

        await until(lambda: process.words == [b"a word"])
        assert (process.told, process.broker.problem) == ([None], None)

    assert said(log) == ["a message is no word"]


# -- losing Redis ------------------------------------------------------------------------------------------------------


def are_well(*processes: Process) -> bool:
    return all(process.broker.problem is None for process in processes)


async def test_hints_travel_again_when_a_killed_redis_is_back(
    redis_server: RedisServer, log: pytest.LogCaptureFixture
) -> None:
    async with two_processes(redis_server) as (one, other):
        redis_server.kill()
        await until(lambda: one.broker.problem is not None and other.broker.problem is not None)
        assert {one.broker.problem, other.broker.problem} == {"ConnectionError"}
        redis_server.start()

        await until(lambda: are_well(one, other) and None in one.told and None in other.told, seconds=2)
        one.broker.publish(["gig:1"])
        await until(lambda: "gig:1" in other.names)

    assert sorted(said(log)) == ["hints do not travel"] * 2 + ["hints travel again"] * 2


async def test_names_said_while_redis_is_away_become_any(redis_server: RedisServer) -> None:
    async with two_processes(redis_server) as (one, other):
        redis_server.kill()
        await until(lambda: one.broker.problem is not None)
        for number in range(20_000):
            one.broker.publish([f"gig:{number}"])
        redis_server.start()

        await until(lambda: are_well(one, other) and None in other.told, seconds=2)
        one.broker.publish(["gig:later"])
        await until(lambda: "gig:later" in other.names)
        assert other.names == {"gig:later"}


async def test_who_could_not_speak_tells_those_who_were_never_away(redis_server: RedisServer) -> None:
    async with two_processes(redis_server) as (one, other):
        # Redis answers PING, but holds every PUBLISH back.
        redis_server.admin.client_pause(60_000, all=False)
        one.broker.publish(["gig:1"])
        await until(lambda: one.broker.problem == "TimeoutError", seconds=2)
        assert other.told == []
        redis_server.admin.client_unpause()

        await until(lambda: None in other.told, seconds=2)
        await until(lambda: are_well(one), seconds=2)
        assert (one.told, other.broker.problem) == ([], None)


@pytest.mark.long
async def test_a_stopped_redis_is_noticed_by_who_speaks_and_by_who_only_listens(
    redis_server: RedisServer,
) -> None:
    async with two_processes(redis_server) as (one, other):
        redis_server.send(signal.SIGSTOP)
        stopped, slowest = time.monotonic(), 0.0
        noticed: dict[str, float] = {}
        while (elapsed := time.monotonic() - stopped) < 3:
            before = time.perf_counter()
            one.broker.publish([f"gig:{elapsed}"])
            slowest = max(slowest, time.perf_counter() - before)
            for who, process in (("one", one), ("other", other)):
                if process.broker.problem is not None:
                    noticed.setdefault(who, elapsed)
            await asyncio.sleep(0.01)
        redis_server.send(signal.SIGCONT)

        recovered = await until(lambda: are_well(one, other), seconds=3)
        one.broker.publish(["gig:later"])
        await until(lambda: "gig:later" in other.names)
        print(
            f"noticed after {noticed}, well again after {recovered:.2f} s, slowest publish {slowest * 1e3:.2f} ms"
        )
        assert noticed["one"] < 1 and noticed["other"] < 2.5
        assert slowest < 0.005
        assert None in one.told and None in other.told


@pytest.mark.parametrize("kind", ["pubsub", "normal"])
async def test_connections_that_redis_ends_are_made_anew(redis_server: RedisServer, kind: str) -> None:
    async with two_processes(redis_server) as (one, other):
        assert redis_server.admin.client_kill_filter(_type=kind, skipme=True) == 2
        one.broker.publish(["gig:1"])

        # By its name, or as one of any.
        await until(lambda: other.told != [], seconds=2)
        await until(lambda: redis_server.count_subscribers(CHANNEL) == 2 and are_well(one, other), seconds=2)
        one.broker.publish(["gig:2"])
        await until(lambda: "gig:2" in other.names)


async def test_a_wrong_password_is_told_once_and_not_written_down(
    start_redis: StartRedis, free_port: int, log: pytest.LogCaptureFixture
) -> None:
    server = start_redis(port=free_port, password="the-password")
    broker = RedisBroker(f"redis://:{SECRET}@127.0.0.1:{free_port}", channel=CHANNEL)

    async with running(broker) as process:
        await until(lambda: server.count_calls("auth") > 5)

        assert broker.problem == "AuthenticationError"
        assert process.told == []

    assert said(log) == ["hints do not travel"]
    assert SECRET not in "".join(JsonFormatter().format(record) for record in log.records)


@pytest.mark.long
async def test_attempts_become_rarer(start_redis: StartRedis, free_port: int) -> None:
    server = start_redis(port=free_port, password="the-password")

    async with running(RedisBroker(f"redis://:{SECRET}@127.0.0.1:{free_port}", channel=CHANNEL)):
        # Five of each half: after waits of 0.1, 0.2, 0.4 and 0.8 s, of which chance leaves at least half.
        elapsed = await until(lambda: server.count_calls("auth") >= 10)

    assert elapsed > 0.75


async def test_an_error_of_who_hears_is_a_problem_that_passes(
    redis_server: RedisServer, log: pytest.LogCaptureFixture
) -> None:
    broker = RedisBroker(redis_server.url, channel=CHANNEL)
    told: list[object] = []

    def stumble(streams: object) -> None:
        told.append(streams)
        if len(told) < 3:
            raise KeyError(streams)

    task = asyncio.create_task(broker.run(stumble))
    await until(lambda: len(told) == 3 and broker.problem is None)
    task.cancel()
    await asyncio.wait([task])

    assert told == [None] * 3
    assert "in stumble" in JsonFormatter().format(log.records[0])


# -- ending ------------------------------------------------------------------------------------------------------------


async def test_who_is_cancelled_leaves_no_connection(redis_server: RedisServer) -> None:
    admins = redis_server.admin.client_list()
    assert len(admins) == 1
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")

        async with two_processes(redis_server):
            assert len(redis_server.admin.client_list()) == 1 + 2 * 2

        await until(lambda: len(redis_server.admin.client_list()) == 1)
        gc.collect()
    assert complaints == []


async def test_who_is_cancelled_while_speaking_ends_at_once(redis_server: RedisServer) -> None:
    # Without `_is_cancelled` every fifth or so would go on for ever.
    for number in range(30):
        broker = RedisBroker(redis_server.url, channel=CHANNEL)
        async with running(broker):
            end = time.monotonic() + 0.005 + number / 3000
            while time.monotonic() < end:
                broker.publish(["gig:1"])
                await asyncio.sleep(0)


async def test_who_is_cancelled_while_redis_is_away_ends_at_once(redis_server: RedisServer) -> None:
    redis_server.kill()
    broker = RedisBroker(redis_server.url, channel=CHANNEL)

    async with running(broker):
        await until(lambda: broker.problem is not None)
