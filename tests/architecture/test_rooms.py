"""Laws that imports alone cannot keep; the layers themselves are checked by import-linter in `make check`."""

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("transport", "schema", "subscriptions", "resolvers", "auth", "ranking", "models")
FILES = [
    ROOT / "app.py",
    ROOT / "settings.py",
    *(f for room in ROOMS for f in sorted((ROOT / room).rglob("*.py"))),
]
STORE = ROOT / "models" / "store"
OUTSIDE_THE_STORE = [file for file in FILES if not file.is_relative_to(STORE)]


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def calls_in(file: Path) -> list[tuple[str, str, str]]:
    """Each call of a method: the receiver as written, the name, and the place."""
    found = []
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            place = f"{file.relative_to(ROOT)}:{node.lineno}"
            found.append((ast.unparse(node.func.value), node.func.attr, place))
    return found


def imports_in(file: Path) -> set[str]:
    """Everything imported, as dotted names: modules, and names from modules."""
    found = set()
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_there_are_files_to_look_at() -> None:
    assert {ROOT / "resolvers" / "gigs.py", ROOT / "models" / "store" / "sql.py", ROOT / "app.py"} < set(
        FILES
    )
    assert ("self.session", "commit") not in {
        (who, name) for f in OUTSIDE_THE_STORE for who, name, _ in calls_in(f)
    }
    assert "commit" in {name for _, name, _ in calls_in(STORE / "sql.py")}


def test_only_the_store_begins_commits_and_connects() -> None:
    verbs = {"begin", "begin_nested", "commit", "rollback", "connect", "create_async_engine", "create_engine"}

    found = [place for file in OUTSIDE_THE_STORE for _, name, place in calls_in(file) if name in verbs]
    engines = [
        file for file in OUTSIDE_THE_STORE if any("create_async_engine" in name for name in imports_in(file))
    ]

    assert found == []
    assert engines == []


def test_use_cases_execute_through_their_transaction_only() -> None:
    # `schema.execute` runs a GraphQL document; `tx.execute` is Transaction.execute, of an open board or snippet too;
    # `messages` go to Redis.
    allowed = {"tx", "board.tx", "snippet.tx", "self.tx", "schema", "self._schema", "messages"}
    found = [
        place
        for file in OUTSIDE_THE_STORE
        for receiver, name, place in calls_in(file)
        if name == "execute" and receiver not in allowed
    ]

    assert found == []


def test_a_session_is_only_synchronised_outside_the_store() -> None:
    found = [
        place
        for file in OUTSIDE_THE_STORE
        for receiver, name, place in calls_in(file)
        if receiver.endswith("tx.session") and name not in {"flush", "refresh", "expunge_all", "delete"}
    ]

    assert found == []


@pytest.mark.parametrize("room", ["resolvers", "models", "auth", "ranking"])
def test_the_world_is_told_through_events_only(room: str) -> None:
    importers = [
        f
        for f in sorted((ROOT / room).rglob("*.py"))
        if any(n.split(".")[0] == "subscriptions" for n in imports_in(f))
    ]

    assert importers == []


def test_models_outside_the_store_wait_for_nothing() -> None:
    waiting = {
        "asyncio",
        "asyncpg",
        "httpx",
        "socket",
        "subprocess",
        "threading",
        "starlette",
        "redis",
        "pymongo",
    }
    rules = [file for file in sorted((ROOT / "models").rglob("*.py")) if not file.is_relative_to(STORE)]

    importers = {
        file.name: names for file in rules if (names := {n.split(".")[0] for n in imports_in(file)} & waiting)
    }
    awaiting = [
        file.name
        for file in rules
        if any(isinstance(node, ast.AsyncFunctionDef | ast.Await) for node in ast.walk(parsed(file)))
    ]

    assert len(rules) > 15
    assert importers == {}
    assert awaiting == []


def test_time_and_chance_are_handed_in() -> None:
    taken = {"now", "utcnow", "today", "time", "uuid4", "uuid1", "random"}
    # `op.now()` is the operation's clock; ids are made in one place.
    found = [
        place
        for room in ("models", "resolvers", "auth")
        for file in sorted((ROOT / room).rglob("*.py"))
        if not file.is_relative_to(STORE)
        for receiver, name, place in calls_in(file)
        if name in taken and receiver in {"datetime", "date", "datetime.datetime", "time", "uuid", "random"}
    ]

    assert found == []


def test_nobody_imports_the_wiring() -> None:
    importers = [f for f in FILES if {"app", "app.py"} & imports_in(f)]

    assert importers == []


def test_the_migrations_do_not_shadow_the_library() -> None:
    assert (ROOT / "alembic" / "env.py").exists()
    assert not (ROOT / "alembic" / "__init__.py").exists()
