"""The tables as declared, the tables as migrated: the same, to the last constraint."""

import re
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

from models.registry import metadata
from models.store import migrations
from models.store.embedded import EmbeddedCluster
from tests.architecture.test_rooms import ROOT

T = TypeVar("T")

# Everything PostgreSQL knows about our tables, as texts that it writes itself.
CATALOGUE = """
    select 'column', table_name, column_name, concat_ws(' ', data_type, udt_name, character_maximum_length, is_nullable,
           column_default, is_identity, identity_generation, generation_expression)
    from information_schema.columns where table_schema = 'public' and table_name <> 'alembic_version'
    union all
    select 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    from pg_constraint where connamespace = 'public'::regnamespace and conrelid <> 0
      and conrelid::regclass::text <> 'alembic_version'
    union all
    select 'index', tablename, indexname, indexdef
    from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'
"""


async def look(url: str, read: Callable[[sa.Connection], T]) -> T:
    engine = create_async_engine(url, poolclass=sa.NullPool)
    async with engine.connect() as connection:
        return await connection.run_sync(read)


def catalogue(connection: sa.Connection) -> set[tuple[Any, ...]]:
    return {tuple(row) for row in connection.execute(sa.text(CATALOGUE))}


@pytest.fixture(scope="module")
async def declared_url(cluster: EmbeddedCluster, worker: str) -> AsyncIterator[str]:
    """A database made from the declared tables, without migrations."""
    name = f"declared_{worker}"
    await migrations.ensure_database(cluster.url("postgres"), name)
    engine = create_async_engine(cluster.url(name), poolclass=sa.NullPool)
    async with engine.begin() as connection:
        await connection.execute(sa.text("create extension pg_trgm"))
        await connection.run_sync(metadata.create_all)
    yield cluster.url(name)
    await migrations.drop_database(cluster.url("postgres"), name)


@pytest.fixture(scope="module")
async def migrated_url(cluster: EmbeddedCluster, worker: str) -> AsyncIterator[str]:
    """A database made from nothing by the migrations alone."""
    name = f"migrated_{worker}"
    await migrations.ensure_database(cluster.url("postgres"), name)
    await migrations.migrate(cluster.url(name))
    yield cluster.url(name)
    await migrations.drop_database(cluster.url("postgres"), name)


def test_the_migrations_have_exactly_one_head() -> None:
    config = Config()
    config.set_main_option("script_location", str(ROOT / "alembic").replace("%", "%%"))

    heads = ScriptDirectory.from_config(config).get_heads()

    assert heads == [migrations.newest_revision()]


async def test_the_migrated_database_is_the_declared_one(migrated_url: str, declared_url: str) -> None:
    migrated, declared = await look(migrated_url, catalogue), await look(declared_url, catalogue)

    assert len(declared) > 200
    assert migrated - declared == set()
    assert declared - migrated == set()


# Alembic cannot compare the type of the one column that is an xid8; the catalogue above does.
@pytest.mark.filterwarnings("ignore:Did not recognize type 'xid8' of column 'x'")
async def test_alembic_would_generate_nothing(migrated_url: str) -> None:
    def differences(connection: sa.Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))

    assert await look(migrated_url, differences) == []


async def test_every_enum_column_is_guarded_by_a_check_of_its_words(migrated_url: str) -> None:
    columns = {
        (table.name, column.name): set(column.type.enums)
        for table in metadata.tables.values()
        for column in table.columns
        if isinstance(column.type, sa.Enum)
    }

    constraints = [row for row in await look(migrated_url, catalogue) if row[0] == "constraint"]
    guarded: dict[tuple[str, str], set[str]] = {}
    for _, table, _, definition in constraints:
        if match := re.match(r"CHECK \(\(\((\w+)\)::text = (?:ANY|')", definition):
            guarded[(table.strip('"'), match[1])] = set(re.findall(r"'(\w+)'::", definition))

    assert len(columns) > 10
    assert guarded == columns
