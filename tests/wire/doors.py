"""What tests of streaming doors share: one server for all of them, and a play that is performed instead of documents."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Receive, Scope, Send

from auth.viewer import Viewer
from models.ids import new_id
from models.user import Role
from resolvers.operation import Operation, Services
from schema.execution import Frame, Request, Response
from schema.streaming import SendAtOnce
from tests.wire.server import serving, until

BIG = 100_000


@dataclass
class Doors:
    """Applications of single tests at paths of one server: starting one for each test would take longer than they do."""

    address: str = ""
    at: dict[str, ASGIApp] = field(default_factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.at[scope["path"]](scope, receive, send)

    def open(self, app: ASGIApp) -> str:
        """The address of the app, without the scheme."""
        path = f"/{len(self.at)}"
        self.at[path] = app
        return f"{self.address}{path}"


@contextlib.asynccontextmanager
async def serving_doors() -> AsyncIterator[Doors]:
    doors = Doors()
    async with serving(doors) as (address, _):
        doors.address = address.removeprefix("http://")
        yield doors


@dataclass
class Play:
    """Performs by the first words of a document, or of the comment it begins with, and remembers whom it did what for."""

    asked: list[tuple[Request, Operation]] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)
    cue: asyncio.Event = field(default_factory=asyncio.Event)
    """What a play waits for that does not go on for ever."""

    async def __call__(
        self, request: Request, op: Operation, send_at_once: SendAtOnce | None = None, /
    ) -> Response | AsyncGenerator[Frame, None]:
        self.asked.append((request, op))
        match request.query.removeprefix("#").partition("\n")[0].split():
            case ["answer"]:
                return Response(b'{"data": {"spaces":  1}}', executed=True)
            case ["refuse"]:
                return Response(b'{"errors":[{"message":"no such field"}]}', executed=False)
            case ["fail"]:
                raise ConnectionError("a secret")
            case ["leak"]:
                raise asyncio.CancelledError
            case ["answer-on-cue"]:
                await self.cue.wait()
                return Response(b'{"data":"late"}', executed=True)
            case ["deaf"]:
                # asyncio.wait_for of Python 3.11 loses a cancellation in such a way.
                with contextlib.suppress(asyncio.CancelledError):
                    self.happened["began"] += 1
                    await asyncio.Event().wait()
                self.happened["heard"] += 1
                return Response(b'{"data":"unwanted"}', executed=True)
            case [what, *number]:
                return self._frames(what, int(number[0]) if number else 0)
        raise AssertionError(request.query)

    async def _frames(self, what: str, number: int) -> AsyncGenerator[Frame, None]:
        self.happened["opened"] += 1
        try:
            if what == "big":
                while True:
                    self.happened["big"] += 1
                    yield Frame(b'{"data":"%b"}' % (b"x" * BIG), None)
            for count in range(number):
                yield frame(count)
            if what == "wait":
                await asyncio.Event().wait()
            elif what == "count-on-cue":
                await self.cue.wait()
                yield frame(number)
            elif what == "break":
                raise ConnectionError("a secret")
        finally:
            if what == "stay":
                await self.cue.wait()
            self.happened["closed"] += 1

    async def until_stalled(self) -> None:
        """Until nobody takes another big frame."""
        before = 0

        def stalled() -> bool:
            nonlocal before
            last, before = before, self.happened["big"]
            return last == before > 0

        await until(stalled)

    async def until(self, what: str, times: int = 1) -> None:
        await until(lambda: self.happened[what] >= times)


def frame(count: int) -> Frame:
    return Frame(b'{"data":{"count":%d}}' % count, f"c{count}")


def somebody() -> Viewer:
    return Viewer(new_id(), new_id(), frozenset({Role.CLIENT}))


def bearer(services: Services, viewer: Viewer) -> str:
    assert viewer.user_id is not None and viewer.session_id is not None
    token = services.tokens.access_token(
        user_id=viewer.user_id, session_id=viewer.session_id, roles=["CLIENT"], now=services.clock()
    )
    return f"Bearer {token}"
