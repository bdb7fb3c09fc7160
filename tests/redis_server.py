"""A Redis of the test's own."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError


class RedisServer:
    """A redis-server that keeps nothing, on a socket of its own; `port` adds TCP."""

    def __init__(self, program: str, directory: Path, *, port: int = 0, password: str | None = None) -> None:
        self.socket = directory / "redis.sock"
        self.url = f"unix://{self.socket}"
        self.admin = redis.Redis(unix_socket_path=str(self.socket), password=password, socket_timeout=5)
        self._arguments = [program, "--port", str(port), "--unixsocket", str(self.socket)]
        self._arguments += [
            "--bind",
            "127.0.0.1",
            "--dir",
            str(directory),
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._arguments += ["--requirepass", password] if password else []
        self.start()

    def start(self) -> None:
        """Ends when the server answers."""
        self._process = subprocess.Popen(self._arguments, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended at once"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.01)

    def send(self, sign: signal.Signals) -> None:
        self._process.send_signal(sign)

    def kill(self) -> None:
        """At once, as a machine dies. Also ends a stopped server."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.admin.close()
        self.kill()

    def count_subscribers(self, channel: str) -> int:
        [(_, count)] = self.admin.pubsub_numsub(channel)
        return int(count)

    def count_calls(self, command: str) -> int:
        return int(self.admin.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])

    def _answers(self) -> bool:
        try:
            return bool(self.admin.ping())
        except (RedisError, OSError):
            return False


StartRedis = Callable[..., RedisServer]


@pytest.fixture
def start_redis() -> Iterator[StartRedis]:
    program = shutil.which("redis-server")
    if program is None:
        if "redis-server" in os.environ.get("REQUIRE", ""):
            pytest.fail("REQUIRE asks for redis-server, and there is none on the path")
        pytest.skip("no redis-server on the path")
    with contextlib.ExitStack() as stack:

        def start(*, port: int = 0, password: str | None = None) -> RedisServer:
            # pytest's own directories are too deep for the name of a socket on some systems.
            directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="skillsync-redis-"))
            server = RedisServer(program, Path(directory), port=port, password=password)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def redis_server(start_redis: StartRedis) -> RedisServer:
    return start_redis()
