"""SkillSync: settings become services, services become the application; and the command line.

The only file that wires. Adapters are chosen by URL scheme; everything below gets what it needs handed in.
"""

import argparse
import asyncio
import contextlib
import functools
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from joserfc.errors import JoseError
from sqlmodel import col
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.passwords import Passwords
from auth.revocation import RevokedSessions
from auth.signing import Signer
from auth.tokens import Tokens, new_private_key
from models.errors import NotFound
from models.ids import new_id
from models.pace import ChatPaces, Pace
from models.store import migrations
from models.store.chat import ChatStore, StoreAway
from models.store.chat_copy import CopyReport, copy_rooms, count_facts
from models.store.chat_keys import ChatKeys
from models.store.chat_pace import forget_full
from models.store.chat_rotation import Rotation, renew, rewrap
from models.store.chat_sql import Statements
from models.store.chat_words import ChatWords
from models.store.chats import chat_store_from
from models.store.embedded import EmbeddedPostgresError, start_embedded
from models.store.files import FileStore, file_store_from
from models.store.keys import KeyRing, new_wrapping_key
from models.store.sql import Database
from models.stream import StreamEpoch
from models.user import Role
from resolvers import accounts, demo, imports, notices, outcomes, projection, taxonomy
from resolvers.files import delete_loose_files
from resolvers.import_lines import ImportRefused
from resolvers.jobs import run_due_jobs
from resolvers.operation import Chat, Operation, Rules, Services
from resolvers.projection import Projector
from resolvers.recommender import Recommender
from resolvers.retention import delete_outdated
from resolvers.views import ViewCounter
from schema.execution import build_executable
from schema.streaming import perform
from settings import CHECKOUT, Settings, SettingsError
from subscriptions.broker import Broker
from subscriptions.brokers import broker_from
from subscriptions.follow import Streams
from subscriptions.log import room_of
from subscriptions.market import keep_index
from transport.files import FILES, FileDoor
from transport.graphiql import DemoAccount, DemoLogin, GraphiQLPage
from transport.health import Health
from transport.http import Envelope, GraphQLEndpoint
from transport.logs import RequestLines, configure_logs, log_request
from transport.metrics import Metrics
from transport.server import AnnouncingServer, CannotListen, bound_sockets, stop_signals
from transport.sockets import GraphQLSockets
from transport.traffic import Traffic
from transport.workers import FIRST, Parent, WorkersFail, inherited_sockets, run_workers

VERSION = "0.1.0"
DATABASE = "skillsync"
RETRY_S = 5
_log = logging.getLogger("skillsync")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# -- wiring ------------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def opened_services(settings: Settings, database_url: str) -> AsyncIterator[Services]:
    """What all operations share; closed with the block. Raises `SettingsError` for keys that do not work."""
    secret_keys, private_keys = load_keys(settings)
    tokens = _make_tokens(private_keys, settings, refresh_key=secret_keys[0])
    newest = sa.select(col(StreamEpoch.id)).order_by(col(StreamEpoch.began_at).desc()).limit(1)
    async with contextlib.AsyncExitStack() as stack:
        db = Database(database_url, pool_size=settings.database_pool)
        stack.push_async_callback(db.close)
        chat = _open_chat(settings, database_url)
        stack.push_async_callback(chat.close)
        epoch = (await db.fetch(newest))[0][0]
        yield Services(
            db=db,
            rules=Rules(
                gigs_need_approval=settings.gigs_need_approval,
                file_limit_bytes=settings.file_limit_bytes,
                file_quota_bytes=settings.file_quota_bytes,
                chat_paces=_chat_paces(settings),
            ),
            epoch=epoch.hex,
            passwords=Passwords(),
            tokens=tokens,
            signer=Signer(secret_keys),
            clock=lambda: datetime.now(UTC),
            revoked=RevokedSessions(),
            views=ViewCounter(),
            files=_files(settings),
            chat=chat,
            recommender=Recommender(artifacts=settings.local / "ranking"),
        )


def _chat_paces(settings: Settings) -> ChatPaces:
    person, room = settings.chat_person_burst, settings.chat_room_burst
    return ChatPaces(
        sends_of_person=Pace(settings.chat_person_sends, person),
        sends_in_room=Pace(settings.chat_room_sends, room),
        reactions_of_person=Pace(settings.chat_person_reactions, person),
        reactions_in_room=Pace(settings.chat_room_reactions, room),
    )


def _open_chat(settings: Settings, database_url: str) -> Chat:
    """Nothing is connected yet: whoever cannot reach the store is told so, and nobody else. Raises `SettingsError`."""
    try:
        store = chat_store_from(
            settings.chat_url, database_url=database_url, pool_size=settings.database_pool
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error
    statements = Statements(database_url, size=settings.database_pool)
    searches = Statements(database_url, size=settings.database_pool, is_generic=False)
    keys, words = ChatKeys(statements, load_chat_ring(settings)), ChatWords(statements, searches)
    return Chat(store, keys, words, (statements, searches))


class Application:
    """The ASGI application. Background work runs for as long as its lifespan; `log` is told of each request.

    A worker ends with its `parent`. `wholes` answers small requests without ASGI, for a server that can.
    """

    def __init__(
        self,
        settings: Settings,
        services: Services,
        *,
        log: Callable[[dict[str, Any]], None] = log_request,
        parent: Parent | None = None,
    ) -> None:
        chat = services.chat
        self._streams = Streams(
            services.db, _broker(settings), chat=chat.store, attendance=services.attendance
        )
        self._projector = Projector(Operation(services))
        services.db.on_facts, chat.on_facts = self._streams.committed, self._said
        services.recommender.is_on = settings.recommendations
        adapters = {
            "sql": "embedded" if settings.is_embedded else "postgresql",
            "chat": chat.store.name,
            "broker": self._streams.broker.name,
            "files": services.files.name,
        }
        schema = build_executable(introspection=settings.introspection)
        health = Health(
            services.db, adapters, VERSION, schema.documents.unplanned, self._streams, services.recommender
        )
        page = _graphiql(settings) if settings.graphiql else None
        answer = functools.partial(perform, schema, self._streams)
        traffic = Traffic()
        self._graphql = GraphQLEndpoint(
            schema,
            services,
            page and Envelope(page),
            explains=not settings.is_production,
            is_crossed=bool(settings.cors_origins),
            perform=answer,
            log=log,
            traffic=traffic,
        )
        self.wholes = self._graphql
        self._files = FileDoor(services, log=log)
        self._sockets = GraphQLSockets(
            answer,
            services,
            allowed_origins=settings.cors_origins,
            public_url=settings.public_url,
            log=log,
            traffic=traffic,
        )
        metrics = Metrics(
            health,
            schema.documents,
            traffic,
            self._graphql,
            self._sockets,
            token=settings.metrics_token,
            is_open=not settings.is_production,
        )
        routes: list[Route | Mount] = [
            Route("/health/live", health.live),
            Route("/health/ready", health.ready),
            Route("/metrics", metrics.answer),
            Route("/.well-known/jwks.json", _jwks(services.tokens)),
        ]
        if page is not None:
            routes.insert(0, Mount("/graphql/assets", page.static_app))
            routes.append(Route("/", lambda _: RedirectResponse("/graphql")))

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            async with background_work(services, self._streams, self._projector, health, parent):
                yield

        others = Starlette(routes=routes, lifespan=lifespan)
        # It would redirect to whatever host the request names.
        others.router.redirect_slashes = False
        self._others = Envelope(others)
        origins = settings.cors_origins
        self._entrance = Envelope(_with_cors(self._doors, origins)) if origins else self._doors

    def _said(self, streams: frozenset[str]) -> None:
        """Something was said in these rooms. Never waits."""
        self._streams.committed(streams)
        self._projector.hear({room_of(stream) for stream in streams})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._entrance(scope, receive, send)

    async def _doors(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GraphQL first: Starlette's routing would cost a fifth of a small query."""
        if scope["type"] == "http" and scope["path"] == "/graphql":
            await self._graphql(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == "/graphql":
            await self._sockets(scope, receive, send)
        elif scope["type"] == "http" and scope["path"].startswith(FILES):
            await self._files(scope, receive, send)
        else:
            await self._others(scope, receive, send)

    async def stop(self) -> None:
        """Let all streams end with a word, then part with who holds them, while connections still work."""
        await self._streams.stop()
        self._graphql.stop()
        await self._sockets.stop()


def _files(settings: Settings) -> FileStore:
    try:
        return file_store_from(settings.files_url, default=settings.local / "files")
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _broker(settings: Settings) -> Broker:
    try:
        return broker_from(settings.broker_url)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _with_cors(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=["GET", "POST", "PUT"],
        allow_headers=["authorization", "content-type", "last-event-id", "range", "x-request-id"],
        expose_headers=["content-disposition", "content-range", "x-request-id"],
        max_age=600,
    )


@contextlib.asynccontextmanager
async def background_work(
    services: Services, streams: Streams, projector: Projector, health: Health, parent: Parent | None
) -> AsyncIterator[None]:
    """Streams, jobs, revocations, view counts and retention; what was counted is written before it ends."""
    op = Operation(services)

    async def follow_revocations() -> None:
        streams.administered.clear()
        have_changed = await services.revoked.follow(services.db, now=services.clock())
        streams.end_sessions(services.revoked, now=services.clock())
        if have_changed:
            # What others see may have gone with them: the gigs of who is suspended.
            await streams.recheck()

    async def write_views() -> None:
        await services.views.write(services.db, at=services.clock())
        await services.last_seen.write(services.db, at=services.clock())

    async def follow_taxonomy() -> None:
        await services.skill_names.follow(services.db)

    async def write_recommendations() -> None:
        await services.recommender.log.write(services.db, at=services.clock())

    async def look_at_ranking() -> None:
        await services.recommender.look()

    async def remember_work() -> None:
        await services.recommender.remember(services.db)

    async def run_jobs() -> None:
        await run_due_jobs(op)

    async def forget() -> None:
        await delete_outdated(op)
        await delete_loose_files(op)
        await forget_full(services.chat.keys.statements, before=op.now())

    async def look_after_chat() -> None:
        await services.chat.check()

    async def say_what_is_owed() -> None:
        await notices.say_notices(op)

    async def project_all() -> None:
        await projection.sweep(op)

    # Before the first request: a session revoked a moment before a restart stays revoked.
    await follow_revocations()
    tasks = [
        asyncio.create_task(streams.run()),
        asyncio.create_task(projector.run()),
        asyncio.create_task(_every(0.5, "sweep", streams.sweep, health)),
        asyncio.create_task(_every(0.5, "chat sweep", streams.sweep_rooms, health)),
        asyncio.create_task(_every(5, "chat", look_after_chat, health)),
        asyncio.create_task(_every(1, "chat notices", say_what_is_owed, health)),
        asyncio.create_task(_every(2, "chat projection", project_all, health)),
        asyncio.create_task(_every(5, "sight", streams.recheck, health)),
        # Half of what a person who is shut out may wait at most, should no hint come.
        asyncio.create_task(
            _every(0.5, "revocations", follow_revocations, health, sooner=streams.administered)
        ),
        asyncio.create_task(_every(1, "jobs", run_jobs, health)),
        asyncio.create_task(_every(60, "taxonomy", follow_taxonomy, health)),
        asyncio.create_task(_every(5, "views", write_views, health)),
        asyncio.create_task(_every(3600, "retention", forget, health)),
        asyncio.create_task(_every(0.2, "recommendations", write_recommendations, health)),
        asyncio.create_task(_every(2, "ranking", look_at_ranking, health)),
        asyncio.create_task(_every(600, "past work", remember_work, health)),
    ]
    if services.recommender.is_on:
        tasks.append(asyncio.create_task(keep_index(streams, services.recommender, services.db)))
    if parent is not None:
        tasks.append(asyncio.create_task(_every(1, "parent", parent.check, health)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await services.recommender.close()
        try:
            await write_views()
            await services.recommender.log.write(services.db, at=services.clock())
        except Exception as error:
            _log.error("view counts and shown recommendations of the last seconds are lost", exc_info=error)


async def _every(
    seconds: float,
    name: str,
    work: Callable[[], Awaitable[None]],
    health: Health,
    *,
    sooner: asyncio.Event | None = None,
) -> None:
    """Do `work` again and again, and at once when `sooner` is set; a failure is logged, shown by `/health/ready`, and tried
    again within seconds."""
    while True:
        try:
            await work()
            if health.background.get(name) is not None:
                _log.info("background work goes on", extra={"task": name})
            health.background[name] = None
        except Exception as error:
            if health.background.get(name) is None:
                _log.exception("background work failed", extra={"task": name})
            # Only its class: the text of a database's error holds what people wrote, and anybody may ask for health.
            health.background[name] = type(error).__name__
        pause_s = seconds if health.background[name] is None else min(seconds, RETRY_S)
        if sooner is None:
            await asyncio.sleep(pause_s)
            continue
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await sooner.wait()


def load_keys(settings: Settings) -> tuple[list[bytes], list[str]]:
    """Secrets from the settings; in development made once and kept, readable for their owner alone."""
    secret_keys = [key.encode() for key in settings.secret_keys]
    try:
        private_keys = [path.read_text() for path in settings.jwt_private_keys]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"JWT_PRIVATE_KEYS names a file that cannot be read: {error}.") from error
    try:
        if not secret_keys:
            secret_keys = [
                _kept(settings.local / "keys" / "secret", lambda: secrets.token_urlsafe(48)).encode()
            ]
        if not private_keys:
            private_keys = [_kept(settings.local / "keys" / "access-token.pem", new_private_key)]
    except OSError as error:
        raise SettingsError(f"Keys cannot be kept in LOCAL_DIRECTORY: {error}.") from error
    return secret_keys, private_keys


def _make_tokens(private_keys: Sequence[str], settings: Settings, *, refresh_key: bytes) -> Tokens:
    try:
        tokens = Tokens(private_keys, issuer=settings.public_url, refresh_key=refresh_key)
        # A key that cannot sign, such as a public one, is found now and not at the first sign-in.
        tokens.access_token(user_id=new_id(), session_id=new_id(), roles=[], now=datetime.now(UTC))
    except (JoseError, ValueError, TypeError) as error:
        raise SettingsError(
            "JWT_PRIVATE_KEYS must name RSA private keys in PEM form, without a passphrase."
        ) from error
    return tokens


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
    return GraphiQLPage(settings.local / "graphiql", CHECKOUT / "transport" / "tour", login)


def _jwks(tokens: Tokens) -> Callable[[Request], Awaitable[Response]]:
    async def jwks(_: Request) -> Response:
        return JSONResponse(tokens.jwks(), headers={"cache-control": "public, max-age=300"})

    return jwks


def load_chat_ring(settings: Settings) -> KeyRing:
    """The keys that wrap the keys of chat; in development one is made the first time, with a warning."""
    path = settings.local / "keys" / "chat.pem"
    if settings.chat_keys:
        texts = [_key_text(key) for key in settings.chat_keys]
    else:
        try:
            is_new = not path.exists()
            texts = [_kept(path, new_wrapping_key)]
        except OSError as error:
            raise SettingsError(f"Keys cannot be kept in LOCAL_DIRECTORY: {error}.") from error
        if is_new:
            say(
                f"WARNING: made a key for development, {path}. Whoever loses it loses every chat message and snippet, and whoever "
                "has it and the database can read them. Production takes CHAT_KEYS instead."
            )
    try:
        return KeyRing(texts, is_for_development=not settings.chat_keys)
    except ValueError as error:
        raise SettingsError(
            f"CHAT_KEYS must name RSA private keys of 3072 bits or more in PEM form: {error}."
        ) from error


def _key_text(key: str) -> str:
    if key.startswith("-----BEGIN "):
        return key
    try:
        return Path(key).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"CHAT_KEYS names a file that cannot be read: {error}.") from error


@contextlib.asynccontextmanager
async def opened_chat(settings: Settings, url: str, database_url: str) -> AsyncIterator[ChatStore]:
    """The store at `url`, ready for use; closed with the block."""
    try:
        store = chat_store_from(url, database_url=database_url, pool_size=settings.database_pool)
    except ValueError as error:
        raise SettingsError(str(error)) from error
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        await store.prepare()
        yield store


@contextlib.asynccontextmanager
async def opened_chat_keys(settings: Settings, database_url: str) -> AsyncIterator[ChatKeys]:
    statements = Statements(database_url, size=settings.database_pool)
    keys = ChatKeys(statements, load_chat_ring(settings))
    try:
        yield keys
    finally:
        keys.close()
        await statements.close()


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
    async with opened_services(settings, url) as services:
        if written := await taxonomy.load_skills(Operation(services)):
            say(f"Loaded {written:,} skills.")
        if settings.demo_world and await demo.build_world(services):
            say("Built the demo world.")


def run(settings: Settings, arguments: argparse.Namespace) -> int:
    """Start the server."""
    count: int = arguments.workers
    if count > 1 and settings.broker_url == "memory:":
        raise SettingsError(
            "Several workers need a broker that reaches all of them: set BROKER_URL=redis://…, or run one worker."
        )
    # The address comes first: who starts a second server is told at once, and nothing was touched.
    with bound_sockets(settings.host, settings.port) as sockets:
        load_chat_ring(settings)
        return _run_on(settings, sockets, count)


def _run_on(settings: Settings, sockets: list[socket.socket], count: int) -> int:
    with database_url(settings) as url:
        asyncio.run(_check_or_prepare(settings, url))
        if count == 1:
            return _run_loop(_serve(settings, url, sockets))
        command = [sys.executable, str(CHECKOUT / "app.py"), "worker"]
        run_workers(command, count, sockets, {**os.environ, "DATABASE_URL": url})
        return 0


def worker(settings: Settings, _: argparse.Namespace) -> int:
    """One of several, started by `run`, which has prepared everything."""
    sockets = inherited_sockets(os.environ)
    is_first = os.environ.get(FIRST) == "1"
    return _run_loop(_serve(settings, settings.database_url, sockets, says=is_first, parent=Parent()))


def _run_loop(serving: Coroutine[Any, Any, int]) -> int:
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(serving)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop

    return uvloop.new_event_loop


async def _check_or_prepare(settings: Settings, url: str) -> None:
    if settings.is_production:
        await migrations.require_newest(url)
        await _require_no_demo_world(settings, url)
    else:
        await prepare(settings, url)


async def _require_no_demo_world(settings: Settings, url: str) -> None:
    async with opened_services(settings, url) as services:
        if await accounts.find_by_email(Operation(services), demo.LOGINS[-1].email) is not None:
            raise SettingsError(
                "This database holds the demo world, whose passwords are public and one of whose people is an "
                "administrator. ENV=production needs a database without it."
            )


async def _serve(
    settings: Settings,
    url: str,
    sockets: list[socket.socket],
    *,
    says: bool = True,
    parent: Parent | None = None,
) -> int:
    async with opened_services(settings, url) as services:
        lines = RequestLines(sys.stderr)
        app = Application(settings, services, log=lines, parent=parent)
        say_where = functools.partial(announce, settings) if says else lambda port: None
        server = AnnouncingServer(app, settings.host, settings.port, say_where, before_stop=app.stop)
        await server.serve(sockets)
        lines.flush()
        return 0 if server.started else 1


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

    async def appoint(url: str) -> None:
        async with opened_services(settings, url) as services:
            await accounts.appoint(Operation(services), email=arguments.email, role=Role.SUPER_ADMIN)

    with database_url(settings) as url:
        asyncio.run(_check_or_prepare(settings, url))
        try:
            asyncio.run(appoint(url))
        except NotFound:
            say(f"Nobody is registered as {arguments.email}. Register first (mutation accountRegister).")
            return 1
    say(f"{arguments.email} is a super admin now. Sign in again for a token that knows it.")
    return 0


def import_gigs(settings: Settings, arguments: argparse.Namespace) -> int:
    """Load gigs from a file with one JSON object a line; see docs/import.md."""
    report = imports.ImportReport()

    async def load(url: str) -> None:
        from tqdm import tqdm

        async with opened_services(settings, url) as services:
            viewer = await imports.client_with_email(Operation(services), arguments.client)
            with tqdm(unit="B", unit_scale=True, file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
                bar.total = arguments.file.stat().st_size if arguments.file.is_file() else None
                await imports.import_gigs(
                    Operation(services, viewer),
                    arguments.file,
                    keep_going=arguments.keep_going,
                    deadline_days=arguments.deadline_days,
                    report=report,
                    on_progress=lambda read: bar.update(read - bar.n),
                )

    code, refused = 0, None
    with database_url(settings) as url:
        asyncio.run(_check_or_prepare(settings, url))
        try:
            asyncio.run(load(url))
        except ImportRefused as error:
            code, refused = 1, str(error)
        except KeyboardInterrupt:
            code, refused = 130, "Interrupted. Run it again to go on: what is loaded is not loaded twice."
    if refused is None or report.loaded or report.bad_count:
        for line in report.told(keep_going=arguments.keep_going):
            say(line)
    if refused is not None:
        say(f"skillsync: {refused}")
    return code or int(report.bad_count > 0)


def new_epoch(settings: Settings, _: argparse.Namespace) -> int:
    """Begin a new incarnation of the streams, after a restore or a failover."""

    async def begin(url: str) -> None:
        async with opened_services(settings, url) as services:
            op = Operation(services)
            async with op.transaction() as tx:
                tx.add(StreamEpoch(id=op.new_id(), began_at=op.now()))

    with database_url(settings) as url:
        asyncio.run(migrations.require_newest(url))
        asyncio.run(begin(url))
    say("A new epoch has begun. Restart the servers; clients with older cursors will start afresh.")
    return 0


def copy_chat(settings: Settings, arguments: argparse.Namespace) -> int:
    """Copy the logs of chat rooms from one store to another; run it again to go on or to catch up."""
    report = CopyReport()

    async def copy(database: str) -> None:
        from tqdm import tqdm

        async with (
            opened_chat(settings, arguments.source, database) as source,
            opened_chat(settings, arguments.target, database) as target,
        ):
            with tqdm(unit=" facts", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
                bar.total = await count_facts(source)
                await copy_rooms(source, target, report, bar.update)

    if arguments.source == arguments.target:
        raise SettingsError("A store cannot be copied to itself.")
    code = _do_on_database(settings, copy)
    say(
        f"Copied {report.copied:,} facts of {report.rooms:,} rooms. "
        f"In both stores: {report.verified:,} facts, SHA-256 {report.digest.hex()[:32]}."
    )
    for refused in report.refused:
        say(f"Not the same: {refused}.")
    return code or int(bool(report.refused))


def rotate_keys(settings: Settings, arguments: argparse.Namespace) -> int:
    """Wrap all keys of chat by the first of CHAT_KEYS, and replace those of authors that are old; run it again to go on."""
    report = Rotation()

    async def rotate(database: str) -> None:
        from tqdm import tqdm

        now = datetime.now(UTC)
        made_before = now - timedelta(days=arguments.older_than_days)
        async with (
            opened_chat(settings, settings.chat_url, database) as store,
            opened_chat_keys(settings, database) as keys,
        ):
            with tqdm(unit=" keys", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
                bar.total = await keys.count_not_current()
                await rewrap(keys, report, bar.update)
            with tqdm(unit=" facts", file=sys.stderr, disable=not sys.stderr.isatty()) as bar:
                await renew(store, keys, report, bar.update, made_before=made_before, at=now)
            if left := await keys.count_not_current():
                say(
                    f"{left:,} keys are wrapped by others than the first of CHAT_KEYS; keep those in CHAT_KEYS."
                )

    code = _do_on_database(settings, rotate)
    say(
        f"Wrapped {report.rewrapped:,} keys anew, replaced {report.retired:,}, sealed {report.resealed:,} texts anew, "
        f"destroyed {report.dropped:,} old keys."
    )
    if report.not_settled:
        say(
            f"{report.not_settled:,} old keys may just have been used. Run this again in ten minutes to destroy them."
        )
    if report.forged or report.unreadable:
        say(f"{report.forged:,} keys and {report.unreadable:,} texts do not open: they were tampered with.")
    return code or int(bool(report.forged or report.unreadable))


def train_ranking(settings: Settings, _: argparse.Namespace) -> int:
    """Train the order of recommendations on what happened here; it replaces the one in use only if it is better."""
    from tqdm import tqdm

    from ranking.artifacts import ArtifactDamaged
    from ranking.documents import Gig, PastGig
    from ranking.embedding import installed_encoder
    from ranking.known_vectors import KnownVectors, VectorFile
    from ranking.training import NothingLearnt, NotTrained, retrain

    past: list[PastGig] = []
    tagged: list[Gig] = []
    refusals: list[NotTrained] = []

    async def read(url: str) -> None:
        async with opened_services(settings, url) as services:
            past.extend(await outcomes.read_past(services.db))
            tagged.extend(await outcomes.read_tagged(services.db))

    if code := _do_on_database(settings, read):
        return code
    say(
        f"Read {len(past):,} gigs with {sum(len(each.outcomes) for each in past):,} answers, and {len(tagged):,} public ones."
    )
    root = settings.local / "ranking"
    installed = installed_encoder()
    encoder = None if installed is None else KnownVectors(installed, VectorFile(root))
    try:
        with tqdm(file=sys.stderr, disable=not sys.stderr.isatty()) as bar:

            def show(what: str, done: int, of: int) -> None:
                bar.set_description(what, refresh=False)
                bar.total, bar.n = of, done
                bar.refresh()

            made = retrain(
                past, root=root, encoder=encoder, at=datetime.now(UTC), tagged=tagged, on_progress=show, on_refused=refusals.append,
            )  # fmt: skip
    except ArtifactDamaged as error:
        say(f"skillsync: {error}")
        return 1
    except NotTrained:
        made = None
    for refused in refusals:
        say(f"skillsync: {refused}")
        if isinstance(refused, NothingLearnt):
            _say_reached(refused.reached)
    if made is None:
        return 1
    if made.orders:
        say(f"nDCG@10 on the newest {made.training.measured:,} gigs, by what was known before:")
        _say_reached(made.training.reached)
    if made.suggester is not None:
        say(f"Skills of texts, nDCG@10 on the newest of {made.suggester.gigs:,} public gigs:")
        _say_reached(made.suggester.reached)
    say(f"{made.version} is in use; running servers take it up by themselves.")
    return 0


def _say_reached(reached: Mapping[str, float]) -> None:
    for name, value in reached.items():
        say(f"  {name:28} {value:.4f}")


def list_ranking(settings: Settings, _: argparse.Namespace) -> int:
    """List the trained orders, oldest first; * is in use."""
    from ranking import artifacts

    root = settings.local / "ranking"
    in_use = artifacts.current(root)
    for version in artifacts.versions(root):
        mark = "*" if version == in_use else " "
        try:
            kept = artifacts.read(root, version)
        except artifacts.ArtifactDamaged as error:
            print(f"{mark} {version}  damaged: {error}")
            continue
        parts = []
        if kept.orders:
            reached = kept.training.reached["learned, on the last"]
            parts.append(f"{kept.span.gigs:,} gigs until {_day(kept.span.last)}, nDCG@10 {reached:.4f}")
        if (skills := kept.suggester) is not None:
            reached = skills.reached["learned"]
            parts.append(f"skills of {skills.gigs:,} texts until {_day(skills.last)}, nDCG@10 {reached:.4f}")
        print(f"{mark} {version}  {'; '.join(parts)}")
    return 0


def _day(days: float) -> date:
    return datetime.fromtimestamp(days * 86_400, UTC).date()


def roll_ranking_back(settings: Settings, _: argparse.Namespace) -> int:
    """Go back to what was in use before; from the first that was trained to none."""
    from ranking import artifacts

    try:
        back = artifacts.roll_back(settings.local / "ranking")
    except artifacts.NothingToRollBackTo:
        say("skillsync: Nothing trained is in use. `ranking list` shows what there is.")
        return 1
    except artifacts.ArtifactDamaged as error:
        say(f"skillsync: {error}")
        return 1
    if back is None:
        say(
            "Nothing trained is in use now, as before the first training; running servers take that up by themselves."
        )
    else:
        say(f"{back.version} is in use again; running servers take it up by themselves.")
    return 0


def _do_on_database(settings: Settings, act: Callable[[str], Coroutine[Any, Any, None]]) -> int:
    """Run it on a database of the newest revision; 130 when it was interrupted, 1 when a store went away."""
    with database_url(settings) as url:
        asyncio.run(_check_or_prepare(settings, url))
        try:
            asyncio.run(act(url))
        except KeyboardInterrupt:
            say("Interrupted. Run it again to go on.")
            return 130
        except StoreAway as error:
            say(
                f"skillsync: a chat store cannot be reached ({type(error.__cause__).__name__}). Run it again to go on."
            )
            return 1
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
    server = commands.add_parser("run", help=run.__doc__)
    server.add_argument(
        "--workers",
        type=int,
        choices=range(1, 65),
        default=1,
        metavar="N",
        help="processes behind the one port; more than one need BROKER_URL=redis://…",
    )
    server.set_defaults(act=run)
    commands.add_parser("worker").set_defaults(act=worker)  # without help: `run` starts it
    for name, command in (("migrate", migrate), ("export-schema", export_schema)):
        commands.add_parser(name, help=command.__doc__).set_defaults(act=command)
    admin = commands.add_parser("create-admin", help=create_admin.__doc__)
    admin.add_argument("email")
    admin.set_defaults(act=create_admin)
    gigs = commands.add_parser("import-gigs", help=import_gigs.__doc__)
    gigs.add_argument("file", type=Path, help="JSON Lines, plain or gzipped")
    gigs.add_argument("--client", required=True, metavar="EMAIL", help="whose gigs they become")
    gigs.add_argument(
        "--keep-going", action="store_true", help="load the good lines, though there are bad ones"
    )
    gigs.add_argument(
        "--deadline-days",
        type=int,
        choices=range(1, 3651),
        metavar="N",
        help="give gigs without a deadline, or with a past one, N days from now",
    )
    gigs.set_defaults(act=import_gigs)
    streams = commands.add_parser("streams", help="Look after the streams.").add_subparsers(required=True)
    streams.add_parser("new-epoch", help=new_epoch.__doc__).set_defaults(act=new_epoch)
    chat = commands.add_parser("chat-copy", help=copy_chat.__doc__)
    for name, destination in (("--from", "source"), ("--to", "target")):
        chat.add_argument(
            name, dest=destination, required=True, metavar="URL", help="sql: or mongodb://…, as for CHAT_URL"
        )
    chat.set_defaults(act=copy_chat)
    keys = commands.add_parser("keys", help="Look after the keys of chat.").add_subparsers(required=True)
    rotation = keys.add_parser("rotate", help=rotate_keys.__doc__)
    rotation.add_argument(
        "--older-than-days",
        type=int,
        choices=range(3651),
        default=90,
        metavar="N",
        help="replace the keys of authors that were made N days ago or earlier (90; 0 for all)",
    )
    rotation.set_defaults(act=rotate_keys)
    ranking = commands.add_parser("ranking", help="Look after the order of recommendations.").add_subparsers(
        required=True
    )
    for name, command in (("train", train_ranking), ("list", list_ranking), ("rollback", roll_ranking_back)):
        ranking.add_parser(name, help=command.__doc__).set_defaults(act=command)
    return parser.parse_args(arguments)


def main() -> int:
    arguments = parse_arguments()
    for number in stop_signals():
        if number != signal.SIGINT:
            # Every way to be told to stop is a Ctrl-C: what was started is stopped on the way out.
            signal.signal(number, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        settings = Settings.read(os.environ)
        configure_logs()
        return int(arguments.act(settings, arguments))
    except (
        SettingsError,
        CannotListen,
        WorkersFail,
        EmbeddedPostgresError,
        migrations.SchemaOutdated,
        migrations.DatabaseUnreachable,
    ) as error:
        say(f"skillsync: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
