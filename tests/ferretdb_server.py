"""A FerretDB of the test's own: it speaks MongoDB's protocol and keeps everything in SQLite files."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tools.ferretdb import PROGRAM


class FerretServer:
    """On a socket of its own; what it was given survives `kill` and `start`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._socket = directory / "mongo.sock"
        self.start()

    def url(self, database: str) -> str:
        return f"mongodb://{quote(str(self._socket), safe='')}/{database}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self) -> None:
        """Ends when the server answers."""
        self._socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [
                PROGRAM,
                "--handler=sqlite",
                f"--sqlite-url=file:{self.directory}/",
                f"--state-dir={self.directory}",
                "--listen-addr=",
                f"--listen-unix={self._socket}",
                "--debug-addr=",
                "--telemetry=disable",
                "--log-level=error",
            ],
            env={"DO_NOT_TRACK": "1", "HOME": str(self.directory)},
            # Ctrl-C reaches it through whoever started it.
            start_new_session=True,
        )
        deadline = time.monotonic() + 20
        while not self._answers():
            assert self._process.poll() is None, "ferretdb ended at once"
            assert time.monotonic() < deadline, "ferretdb does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        """At once, as a machine dies."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._socket)) == 0


def require_ferretdb() -> None:
    """Skip, or fail where it must be there, without the program."""
    if not PROGRAM.exists():
        if "ferretdb" in os.environ.get("REQUIRE", ""):
            pytest.fail("REQUIRE asks for ferretdb, and tools/ferretdb.py has not built it")
        pytest.skip("no ferretdb: python tools/ferretdb.py builds it where there is go")


def running_ferretdb() -> Iterator[FerretServer]:
    """For fixtures of any scope."""
    require_ferretdb()
    # pytest's own directories are too deep for the name of a socket on some systems.
    directory = Path(tempfile.mkdtemp(prefix="skillsync-ferretdb-"))
    server = FerretServer(directory)
    try:
        yield server
    finally:
        server.kill()
        shutil.rmtree(directory)
