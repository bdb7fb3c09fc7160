"""SkillSync: settings become services, services become the application; and the command line.

The only file that wires. Adapters are chosen by URL scheme; everything below gets what it needs handed in.
"""

import argparse
import asyncio
import contextlib
import gc
import logging
import os
import secrets
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from auth.passwords import Passwords
from auth.revocation import RevokedSessions
from auth.signing import Signer
from auth.tokens import Tokens, new_private_key
from models.store import migrations
from models.store.embedded import EmbeddedPostgresError, start_embedded
from models.store.sql import Database
from models.stream import StreamEpoch
from models.user import Role
from resolvers import accounts, demo, taxonomy
from resolvers.jobs import run_due_jobs
from resolvers.operation import Operation, Rules, Services
from resolvers.views import ViewCounter
from schema.execution import build_executable
from settings import CHECKOUT, Settings, SettingsError
from transport.graphiql import DemoAccount, DemoLogin, GraphiQLPage
from transport.health import Health
from transport.http import GraphQLEndpoint
from transport.logs import configure_logs

VERSION = "0.1.0"
DATABASE = "skillsync"
_log = logging.getLogger("skillsync")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# -- wiring ------------------------------------------------------------------------------------------------------------


async def make_services(
    settings: Settings, database_url: str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Services:
    """What all operations share. The caller closes `services.db`."""
    secret_keys, private_keys = load_keys(settings)
    db = Database(database_url, pool_size=settings.database_pool)
    epoch = (await db.fetch(sa.select(StreamEpoch.id).order_by(sa.desc("began_at")).limit(1)))[0][0]  # type: ignore[call-overload]
    return Services(
        db=db,
        rules=Rules(gigs_need_approval=settings.gigs_need_approval),
        epoch=epoch.hex,
        passwords=Passwords(),
        tokens=Tokens(private_keys, issuer=settings.public_url, refresh_key=secret_keys[0]),
        signer=Signer(secret_keys),
        clock=clock,
        revoked=RevokedSessions(),
        views=ViewCounter(),
    )


def create_app(settings: Settings, services: Services) -> ASGIApp:
    """The ASGI application. Background work runs for as long as its lifespan."""
    adapters = {"sql": "embedded" if settings.is_embedded else "postgresql"}
    health = Health(services.db, adapters, VERSION)
    schema = build_executable(introspection=settings.introspection)
    page = _graphiql(settings) if settings.graphiql else None
    routes: list[Route | Mount] = [
        Route("/graphql", GraphQLEndpoint(schema, services, page)),
        Route("/health/live", health.live),
        Route("/health/ready", health.ready),
        Route("/.well-known/jwks.json", _jwks(services.tokens)),
    ]
    if page is not None:
        routes.insert(0, Mount("/graphql/assets", page.static_app))
        routes.append(Route("/", lambda _: RedirectResponse("/graphql")))
    cors = Middleware(
        CORSMiddleware,
        allow_origins=settings.cors_origins,
        allow_methods=["GET", "POST"],
        allow_headers=["authorization", "content-type", "x-request-id"],
        expose_headers=["x-request-id"],
        max_age=600,
    )

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with background_work(services, health):
            gc.freeze()
            yield

    return Starlette(routes=routes, middleware=[cors] if settings.cors_origins else [], lifespan=lifespan)


@contextlib.asynccontextmanager
async def background_work(services: Services, health: Health) -> AsyncIterator[None]:
    """Jobs, revocations and view counts; what was counted is written before it ends."""
    op = Operation(services)

    async def follow_revocations() -> None:
        await services.revoked.follow(services.db, now=services.clock())

    async def write_views() -> None:
        await services.views.write(services.db, at=services.clock())

    async def run_jobs() -> None:
        await run_due_jobs(op)

    tasks = [
        asyncio.create_task(_every(1, "revocations", follow_revocations, health)),
        asyncio.create_task(_every(1, "jobs", run_jobs, health)),
        asyncio.create_task(_every(5, "views", write_views, health)),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await write_views()


async def _every(seconds: float, name: str, work: Callable[[], Awaitable[None]], health: Health) -> None:
    """Do `work` again and again; a failure is logged, shown by `/health/ready`, and tried again."""
    while True:
        try:
            await work()
            health.background[name] = None
        except Exception as error:
            if health.background.get(name) is None:
                _log.error("background work failed", exc_info=error, extra={"task": name})
            health.background[name] = f"{type(error).__name__}: {error}"[:300]
        await asyncio.sleep(seconds)


def load_keys(settings: Settings) -> tuple[list[bytes], list[str]]:
    """Secrets from the settings; in development made once and kept, readable for their owner alone."""
    secret_keys = [key.encode() for key in settings.secret_keys]
    private_keys = [path.read_text() for path in settings.jwt_private_keys]
    if not secret_keys:
        secret_keys = [_kept(settings.local / "keys" / "secret", lambda: secrets.token_urlsafe(48)).encode()]
    if not private_keys:
        private_keys = [_kept(settings.local / "keys" / "access-token.pem", new_private_key)]
    return secret_keys, private_keys


def _kept(path: Path, make: Callable[[], str]) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(make())
        # Two processes that start at once: the first link wins, both read the same key.
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_text()


def _graphiql(settings: Settings) -> GraphiQLPage:
    accounts = tuple(
        DemoAccount(label=person.label, email=person.email, password=demo.PASSWORD) for person in demo.LOGINS
    )
    login = DemoLogin(accounts, token_ttl_s=900) if settings.demo_world else None
    return GraphiQLPage(
        settings.local / "graphiql", CHECKOUT / "transport" / "tour", login, subscriptions=None
    )


def _jwks(tokens: Tokens) -> Callable[[Request], Awaitable[Response]]:
    async def jwks(_: Request) -> Response:
        return JSONResponse(tokens.jwks(), headers={"cache-control": "public, max-age=300"})

    return jwks


# -- commands ----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def database_url(settings: Settings) -> Iterator[str]:
    """The URL of the database; the embedded one is started first and left when the block ends."""
    if not settings.is_embedded:
        yield settings.database_url
        return
    cluster = start_embedded(
        CHECKOUT, binaries=settings.postgres_binaries, data=settings.postgres_data, log=say
    )
    try:
        asyncio.run(migrations.ensure_database(cluster.url("postgres"), DATABASE))
        yield cluster.url(DATABASE)
    finally:
        cluster.stop()


async def prepare(settings: Settings, url: str) -> None:
    """The newest revision, the taxonomy, and in development the demo world."""
    before, after = await migrations.migrate(url)
    if before != after:
        say(f"Migrated the database from {before or 'nothing'} to {after}.")
    services = await make_services(settings, url)
    try:
        op = Operation(services)
        if written := await taxonomy.load_skills(op):
            say(f"Loaded {written:,} skills.")
        if settings.demo_world and await demo.build_world(services):
            say("Built the demo world.")
    finally:
        await services.db.close()


def run(settings: Settings, _: argparse.Namespace) -> int:
    """Start the server."""
    with database_url(settings) as url:
        asyncio.run(_check_or_prepare(settings, url))
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(settings, url))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


async def _check_or_prepare(settings: Settings, url: str) -> None:
    if settings.is_production:
        await migrations.require_newest(url)
    else:
        await prepare(settings, url)


async def _serve(settings: Settings, url: str) -> int:
    services = await make_services(settings, url)
    try:
        app = create_app(settings, services)
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http="httptools",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=10,
        )
        server = AnnouncingServer(config, settings)
        await server.serve()
        return 0 if server.started else 1
    finally:
        await services.db.close()


class AnnouncingServer(uvicorn.Server):
    """Says where it is once it listens."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings

    async def startup(self, sockets: list[object] | None = None) -> None:  # type: ignore[override]
        await super().startup(sockets)  # type: ignore[arg-type]
        if self.started and not self.should_exit:
            port = self.servers[0].sockets[0].getsockname()[1]
            announce(self._settings, port)


def announce(settings: Settings, port: int) -> None:
    base = f"http://{settings.host}:{port}"
    say(
        f"\nSkillSync {VERSION} answers at {base}/graphql"
        + (" (GraphiQL in a browser)" if settings.graphiql else "")
    )
    if settings.demo_world:
        say(f"Demo logins, all with the password {demo.PASSWORD}:")
        for person in demo.LOGINS:
            say(f"  {person.email:28} {person.label}")
    say("Ctrl-C stops everything.\n")


def migrate(settings: Settings, _: argparse.Namespace) -> int:
    """Bring the database to the newest revision and load the taxonomy."""
    with database_url(settings) as url:
        asyncio.run(prepare(settings, url))
    return 0


def create_admin(settings: Settings, arguments: argparse.Namespace) -> int:
    """Make a registered person a super admin."""
    from models.errors import NotFound

    async def appoint(url: str) -> None:
        services = await make_services(settings, url)
        try:
            await accounts.appoint(Operation(services), email=arguments.email, role=Role.SUPER_ADMIN)
        finally:
            await services.db.close()

    with database_url(settings) as url:
        asyncio.run(_check_or_prepare(settings, url))
        try:
            asyncio.run(appoint(url))
        except NotFound:
            say(f"Nobody is registered as {arguments.email}. Register first (mutation accountRegister).")
            return 1
    say(f"{arguments.email} is a super admin now. Sign in again for a token that knows it.")
    return 0


def new_epoch(settings: Settings, _: argparse.Namespace) -> int:
    """Begin a new incarnation of the streams, after a restore or a failover."""

    async def begin(url: str) -> None:
        services = await make_services(settings, url)
        try:
            op = Operation(services)
            async with op.transaction() as tx:
                tx.add(StreamEpoch(id=op.new_id(), began_at=op.now()))
        finally:
            await services.db.close()

    with database_url(settings) as url:
        asyncio.run(begin(url))
    say("A new epoch has begun. Restart the servers; clients with older cursors will start afresh.")
    return 0


def export_schema(_: Settings, __: argparse.Namespace) -> int:
    """Print the schema in SDL."""
    print(build_executable(introspection=True).as_str())
    return 0


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="app.py", description="SkillSync, a freelance collaboration platform."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in (("run", run), ("migrate", migrate), ("export-schema", export_schema)):
        commands.add_parser(name, help=command.__doc__).set_defaults(act=command)
    admin = commands.add_parser("create-admin", help=create_admin.__doc__)
    admin.add_argument("email")
    admin.set_defaults(act=create_admin)
    streams = commands.add_parser("streams", help="Look after the streams.").add_subparsers(required=True)
    streams.add_parser("new-epoch", help=new_epoch.__doc__).set_defaults(act=new_epoch)
    return parser.parse_args(arguments)


def main() -> int:
    arguments = parse_arguments()
    try:
        settings = Settings.read(os.environ)
        configure_logs()
        return int(arguments.act(settings, arguments))
    except (SettingsError, EmbeddedPostgresError, migrations.SchemaOutdated) as error:
        say(f"skillsync: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
