"""Bringing a database to the newest revision, creating it first where that is ours to do."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

_SCRIPTS = Path(__file__).parent.parent.parent / "alembic"


class SchemaOutdated(Exception):
    """The database is not at the newest revision."""


class DatabaseUnreachable(Exception):
    """Nothing answers at the URL, or it does not let us in; the message says what to do and hides the password."""


async def has_database(admin_url: str, name: str) -> bool:
    async with _administering(admin_url) as connection:
        found = await connection.execute(
            sa.text("select 1 from pg_database where datname = :name"), {"name": name}
        )
        return found.first() is not None


async def ensure_database(admin_url: str, name: str, *, template: str | None = None) -> bool:
    """Create the database if it is missing; whether it was created. Names are ours, never a person's input."""
    if await has_database(admin_url, name):
        return False
    suffix = f' template "{template}"' if template else ""
    async with _administering(admin_url) as connection:
        await connection.execute(sa.text(f'create database "{name}"{suffix}'))
    return True


async def drop_database(admin_url: str, name: str) -> None:
    async with _administering(admin_url) as connection:
        await connection.execute(sa.text(f'drop database if exists "{name}" with (force)'))


async def rename_database(admin_url: str, name: str, new_name: str) -> None:
    async with _administering(admin_url) as connection:
        await connection.execute(sa.text(f'alter database "{name}" rename to "{new_name}"'))


@contextlib.asynccontextmanager
async def _administering(admin_url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(admin_url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


async def migrate(url: str) -> tuple[str | None, str]:
    """Run what is missing, one process at a time; the revisions before and after. Raises `DatabaseUnreachable`."""
    async with _connected(url) as connection:
        # Two servers that start at once: the second waits, then finds nothing to do.
        await connection.execute(sa.text("select pg_advisory_lock(7283001)"))
        before = await connection.run_sync(_current)
        if before != newest_revision():
            await connection.run_sync(_upgrade)
            await connection.commit()
        return before, newest_revision()


async def require_newest(url: str) -> None:
    """Raises `SchemaOutdated` with what to run, and `DatabaseUnreachable`."""
    async with _connected(url) as connection:
        current = await connection.run_sync(_current)
    if current != newest_revision():
        raise SchemaOutdated(
            f"The database is at revision {current}, this server needs {newest_revision()}. Run: python app.py migrate"
        )


@contextlib.asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AsyncConnection]:
    try:
        engine = create_async_engine(url, connect_args={"timeout": 10})
    except (SQLAlchemyError, ValueError) as error:
        raise DatabaseUnreachable(f"DATABASE_URL cannot be read: {error}") from error
    try:
        try:
            connection = await engine.connect()
        # TypeError: asyncpg does not know an option after the question mark.
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, SQLAlchemyError, TypeError) as error:
            place = engine.url.render_as_string(hide_password=True)
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DatabaseUnreachable(
                f"No way into the database {place}: {reason}. Check DATABASE_URL, and that PostgreSQL runs there."
            ) from error
        async with contextlib.aclosing(connection):
            yield connection
    finally:
        await engine.dispose()


def newest_revision() -> str:
    """The head by the numbers that revision files begin with: importing Alembic for it would cost every start 0.2 s."""
    return max(path.name.partition("_")[0] for path in (_SCRIPTS / "versions").glob("[0-9]*.py"))


def _current(connection: Connection) -> str | None:
    if connection.execute(sa.text("select to_regclass('alembic_version')")).scalar() is None:
        return None
    revision: str | None = connection.execute(sa.text("select version_num from alembic_version")).scalar()
    return revision


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
