"""The product served on a free port of this machine, for tests that speak HTTP through real sockets."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from app import Application
from auth.viewer import Viewer
from resolvers.operation import Services
from settings import Settings
from tests.world import World
from transport.logs import JsonFormatter, hush_libraries
from transport.server import bound_sockets, server_config


class QuietServer(uvicorn.Server):
    """Leaves signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp, *, background: bool = False, port: int = 0, websockets: type[asyncio.Protocol] | None = None
) -> AsyncIterator[tuple[str, uvicorn.Server]]:
    """The address and the server of an app, served as the product serves it; `background` runs its jobs as well."""
    hush_libraries()
    config = server_config(app)
    config.ws = websockets or config.ws
    config.lifespan = "on" if background else "off"
    server = QuietServer(config)
    with bound_sockets("127.0.0.1", port) as sockets:
        port = sockets[0].getsockname()[1]
        task = asyncio.create_task(server.serve(sockets))
        try:
            await until(lambda: server.started or task.done())
            yield f"http://127.0.0.1:{port}", server
        finally:
            server.should_exit = True
            await task


def settings_for(local: Path, **variables: str) -> Settings:
    """Without an index of recommendations, which takes seconds to start; those who want one say so."""
    defaults = {"PORT": "0", "GRAPHIQL": "0", "RECOMMENDATIONS": "0", "LOCAL_DIRECTORY": str(local)}
    return Settings.read(defaults | variables)


@contextlib.asynccontextmanager
async def serving_services(
    services: Services, local: Path, *, background: bool = False, **variables: str
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole product over these services."""
    app = Application(settings_for(local, **variables), services)
    async with (
        serving(app, background=background) as (address, _),
        httpx.AsyncClient(base_url=address, timeout=20) as client,
    ):
        yield client


@dataclass(frozen=True, slots=True)
class Api:
    """The running server, and the world behind it."""

    client: httpx.AsyncClient
    world: World

    @property
    def port(self) -> int:
        assert self.client.base_url.port is not None
        return self.client.base_url.port

    def token(self, viewer: Viewer) -> str:
        return token_of(self.world, viewer)

    async def post(
        self, query: object, *, headers: Mapping[str, str] | None = None, **rest: Any
    ) -> httpx.Response:
        return await self.client.post("/graphql", json={"query": query, **rest}, headers=headers)

    async def raw(self, *parts: bytes) -> bytes:
        """Everything the server says to these bytes, sent one after the other, until it hangs up."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        with contextlib.suppress(ConnectionError):
            for part in parts:
                writer.write(part)
                await writer.drain()
        answer = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                answer = await reader.read()
        writer.close()
        return answer


def token_of(world: World, viewer: Viewer) -> str:
    assert viewer.user_id is not None and viewer.session_id is not None
    roles = [role.value for role in viewer.roles]
    return world.services.tokens.access_token(
        user_id=viewer.user_id,
        session_id=viewer.session_id,
        roles=roles,
        now=world.clock(),
        version=viewer.access_version,
    )


@dataclass
class Log(logging.Handler):
    """What the product logs, as the lines an operator reads."""

    lines: list[dict[str, Any]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        logging.Handler.__init__(self)

    __hash__ = logging.Handler.__hash__

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(JsonFormatter().format(record))
        self.lines.append(json.loads(self.texts[-1]))

    def named(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["event"] == event]


async def until(holds: Any, *, seconds: float = 10) -> None:
    """Wait for a condition, sync or async, with a deadline."""
    async with asyncio.timeout(seconds):
        while True:
            outcome = holds()
            if await outcome if asyncio.iscoroutine(outcome) else outcome:
                return
            await asyncio.sleep(0.01)
