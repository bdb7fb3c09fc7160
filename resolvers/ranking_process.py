"""The process that ranks, as a coroutine sees it: started, asked with a limit of time and of questions at once, ended.

Ranking is Python that takes milliseconds, so it happens beside this process and not on its loop (ranking/desk.py). When the
process ends by itself, whoever waits is told, and whoever started it starts another one.
"""

import asyncio
import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ranking.desk import HEADER, read, written

MOST_WAITING = 64
"""Questions that wait for their answer; a further one is refused at once rather than after everybody else's."""
PATIENCE_S = 5.0
_CHECKOUT = Path(__file__).resolve().parents[1]
# What it computes with several threads would take the cores from who serves.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


class ProcessLost(Exception):
    """The process has ended, or was not started."""


class ProcessBusy(Exception):
    """Too many wait already, or the answer did not come in time."""


class QuestionFailed(Exception):
    """The process could not answer; its own log says why."""


class RankingProcess:
    """One process. What is asked first is answered first."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._waiting: deque[asyncio.Future[Any]] = deque()
        self._reading = asyncio.create_task(self._read())
        self.ended = asyncio.Event()
        self.on_end: Callable[[], None] | None = None

    @classmethod
    async def start(cls, *arguments: str) -> "RankingProcess":
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "ranking.desk", *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, cwd=_CHECKOUT, env=os.environ | _ONE_THREAD,
        )  # fmt: skip
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def ask(self, method: str, *arguments: Any, patience_s: float | None = PATIENCE_S) -> Any:
        """Raises `ProcessLost`, `ProcessBusy` and `QuestionFailed`."""
        if self.ended.is_set():
            raise ProcessLost
        if len(self._waiting) >= MOST_WAITING:
            raise ProcessBusy
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(written((method, arguments)))
        try:
            async with asyncio.timeout(patience_s):
                with contextlib.suppress(ConnectionError):  # then reading ends, too, and tells those who wait
                    await stdin.drain()
                return await answer
        except TimeoutError as error:
            raise ProcessBusy from error

    async def close(self) -> None:
        """End it at once, whatever it is doing: it keeps nothing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await stdout.readexactly(HEADER.size)
                went_well, result = read(await stdout.readexactly(HEADER.unpack(head)[0]))
                answer = self._waiting.popleft()
                if answer.done():
                    continue  # whoever asked has gone
                if went_well:
                    answer.set_result(result)
                else:
                    answer.set_exception(QuestionFailed(result))
        self.ended.set()
        self._tell_the_waiting(ProcessLost())
        if self.on_end is not None:
            self.on_end()

    def _tell_the_waiting(self, error: Exception) -> None:
        for answer in self._waiting:
            if not answer.done():
                answer.set_exception(error)
                answer.exception()  # looked at, whether somebody waits or not
        self._waiting.clear()


def arguments_of(*, embeds: bool) -> Sequence[str]:
    return () if embeds else ("--lexical",)
