"""How fast browsing and searching is: 100,000 gigs, one server process, through HTTP.

    python -m bench.search [--requests 300] [--rebuild] [--only NAME]

The world is made once (about a minute) in the database `bench_search` of the embedded cluster, and kept. Each shape is
asked with varied words after a warm-up, one request at a time over one kept connection. The last line is the verdict.
"""

import argparse
import asyncio
import contextlib
import hashlib
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import sqlalchemy as sa

from auth.tokens import Tokens, new_private_key
from bench import search_world
from bench.search_world import COMMON, WorldSize, vocabulary, write_world
from models.ids import encode_id, new_id
from models.store import migrations
from models.store.embedded import EmbeddedCluster, start_embedded
from models.store.sql import Database

CHECKOUT = Path(__file__).resolve().parent.parent
DATABASE = "bench_search"
WARM_UP = 30
SECRET = "bench only " * 4
ISSUER = "http://bench.invalid"


# -- the shapes ----------------------------------------------------------------------------------------------------------

PAGE = "edges { cursor node { id title budget { min { amount } } publishedAt } } pageInfo { endCursor hasNextPage }"
SEARCH = f"""query Search($search: String, $where: GigWhere, $after: String, $order: [GigOrder!]) {{
  gigs(first: 20, search: $search, where: $where, after: $after, orderBy: $order) {{
    {PAGE} search {{ mode candidateLimit isLimited }} }} }}"""
COUNTED = """query Counted($search: String) {
  gigs(first: 20, search: $search) { totalCount search { isLimited } nodes { id } } }"""
FACETS = """query Facets($search: String, $where: GigWhere) {
  gigFacets(search: $search, where: $where) {
    skills { count skill { name } } budgetKinds { value count } currencies { value count } statuses { value count } } }"""
SUGGEST = "query Suggest($prefix: String!) { skillSuggest(prefix: $prefix) { id name aliases } }"


@dataclass(frozen=True)
class Shape:
    """One kind of request: its document, its variables drawn anew for every request, who asks, and its limit."""

    name: str
    document: str
    variables: Callable[[random.Random], dict[str, Any]]
    limit_ms: float
    callers: tuple[str, ...] = ("anonymous", "freelancer", "client")


@dataclass
class Material:
    """What the variables are drawn from."""

    skills: list[str]
    skill_names: list[str]
    words: list[str] = field(default_factory=vocabulary)
    cursors: list[str] = field(default_factory=list)
    common_cursors: list[str] = field(default_factory=list)

    def some_skills(self, chance: random.Random, count: int) -> list[str]:
        return chance.sample(self.skills, count)

    def subject(self, chance: random.Random) -> str:
        """A word of which there are between some thousand and a few hundred."""
        return chance.choice(self.words[80:300])

    def rare(self, chance: random.Random) -> str:
        return chance.choice(self.words[600:])

    def misspelt(self, chance: random.Random) -> str:
        word = chance.choice([word for word in self.words[100:300] if len(word) > 6])
        at = chance.randrange(1, len(word) - 2)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    def prefix(self, chance: random.Random) -> str:
        name = chance.choice(self.skill_names)
        return name[: chance.randint(1, max(2, len(name) - 1))]

    def misspelt_skill(self, chance: random.Random) -> str:
        name = chance.choice([name for name in self.skill_names if len(name) > 6])
        at = chance.randrange(2, len(name) - 2)
        return name[:at] + name[at + 1 :]


def shapes(material: Material) -> list[Shape]:
    m = material
    newest = [{"field": "PUBLISHED_AT"}]
    return [
        Shape("nothing (how busy the machine is)", "{ __typename }", lambda _: {}, 5),
        Shape("newest 20", SEARCH, lambda _: {}, 10),
        Shape("newest 20, deep page", SEARCH, lambda c: {"after": c.choice(m.cursors)}, 10),
        Shape("open, one skill of any 3", SEARCH, lambda c: _where(status={"eq": "OPEN"}, skills={"any": m.some_skills(c, 3)}), 50),
        Shape("all of 2 skills", SEARCH, lambda c: _where(skills={"all": m.some_skills(c, 2)}), 50),
        Shape("none of 2 skills", SEARCH, lambda c: _where(skills={"none": m.some_skills(c, 2)}), 50),
        Shape("budget in one currency", SEARCH, lambda c: _where(budget={"currency": c.choice(("EUR", "CHF")), "fixed": {"min": str(c.randint(100, 3000))}}), 50),
        Shape("clients rated 4.5 and more", SEARCH, lambda _: _where(client={"rating": {"gte": "4.5"}}), 50),
        Shape("deadline soonest, open", SEARCH, lambda _: _where(status={"eq": "OPEN"}, deadline={"gte": "2026-11-01T00:00:00Z"}) | {"order": [{"field": "DEADLINE", "direction": "ASC"}]}, 50),
        Shape("highest budget", SEARCH, lambda _: {"order": [{"field": "BUDGET"}]}, 50),
        Shape("a word in half of all", SEARCH, lambda _: {"search": COMMON}, 50),
        Shape("a word in half of all, page 2", SEARCH, lambda c: {"search": COMMON, "after": c.choice(m.common_cursors)}, 50),
        Shape("half of all and another word", SEARCH, lambda c: {"search": f"{COMMON} {m.subject(c)}"}, 50),
        Shape("two words in many", SEARCH, lambda c: {"search": " ".join(c.sample(["experience", "people", "review", "support", "company"], 2))}, 50),
        Shape("a word in hundreds", SEARCH, lambda c: {"search": m.subject(c)}, 50),
        Shape("a rare word", SEARCH, lambda c: {"search": m.rare(c)}, 50),
        Shape("two rare words", SEARCH, lambda c: {"search": f"{m.rare(c)} {m.rare(c)}"}, 50),
        Shape("three words and a filter", SEARCH, lambda c: {"search": f"{COMMON} {m.subject(c)}"} | _where(status={"eq": "OPEN"}, skills={"any": m.some_skills(c, 3)}), 50),
        Shape("a typo", SEARCH, lambda c: {"search": m.misspelt(c)}, 50),
        Shape("a typo and a word", SEARCH, lambda c: {"search": f"{m.misspelt(c)} {m.subject(c)}"}, 50),
        Shape("half a word", SEARCH, lambda c: {"search": m.subject(c)[:5]}, 50),
        Shape("without a word", SEARCH, lambda c: {"search": f"-{m.subject(c)}"}, 50),
        Shape("either of two words", SEARCH, lambda c: {"search": f"{m.subject(c)} or {m.subject(c)}"}, 50),
        Shape("a phrase", SEARCH, lambda c: {"search": f'"{c.choice(("fast", "modern", "secure"))} {m.subject(c)}"'}, 50),
        Shape("a common word, newest first", SEARCH, lambda _: {"search": COMMON, "order": newest}, 50),
        Shape("a common word with totalCount", COUNTED, lambda _: {"search": COMMON}, 80),
        Shape("facets of everything", FACETS, lambda _: {}, 100),
        Shape("facets of a word in half", FACETS, lambda _: {"search": COMMON}, 100),
        Shape("facets of a word in hundreds", FACETS, lambda c: {"search": m.subject(c)}, 100),
        Shape("facets of open gigs with a skill", FACETS, lambda c: _where(status={"eq": "OPEN"}, skills={"any": m.some_skills(c, 1)}), 100),
        Shape("skillSuggest, a beginning", SUGGEST, lambda c: {"prefix": m.prefix(c)}, 10, ("anonymous",)),
        Shape("skillSuggest, a typo", SUGGEST, lambda c: {"prefix": m.misspelt_skill(c)}, 10, ("anonymous",)),
        Shape("skillSuggest, one letter", SUGGEST, lambda c: {"prefix": c.choice("abcdefgjprstw")}, 10, ("anonymous",)),
    ]  # fmt: skip


def _where(**filters: Any) -> dict[str, Any]:
    return {"where": filters}


# -- measuring -----------------------------------------------------------------------------------------------------------


class Client:
    """One kept connection that asks as one person."""

    def __init__(self, port: int, token: str | None) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self._headers = {"content-type": "application/json"}
        if token is not None:
            self._headers["authorization"] = f"Bearer {token}"

    def ask(self, document: str, variables: dict[str, Any]) -> tuple[float, dict[str, Any]]:
        """Milliseconds until the whole answer was here, and the answer. Raises for an answer with errors."""
        body = json.dumps({"query": document, "variables": variables})
        began = time.perf_counter()
        self._connection.request("POST", "/graphql", body, self._headers)
        raw = self._connection.getresponse().read()
        elapsed = (time.perf_counter() - began) * 1000
        answer = json.loads(raw)
        if "errors" in answer:
            raise RuntimeError(f"{variables}: {answer['errors']}")
        return elapsed, answer["data"]


def measure(clients: dict[str, Client], shape: Shape, requests: int) -> bool:
    """Print one line; whether it stayed within its limit for every caller together."""
    chance = random.Random(shape.name)
    times: list[float] = []
    found: list[int] = []
    modes: set[str] = set()
    slowest: tuple[float, Any] = (0.0, None)
    for number in range(WARM_UP + requests):
        variables = shape.variables(chance)
        caller = shape.callers[number % len(shape.callers)]
        elapsed, answer = clients[caller].ask(shape.document, variables)
        if number < WARM_UP:
            continue
        times.append(elapsed)
        slowest = max(
            slowest, (elapsed, f"{caller} {variables.get('search') or variables}"), key=lambda s: s[0]
        )
        gigs = answer.get("gigs", {})
        if "edges" in gigs:
            found.append(len(gigs["edges"]))
            if gigs["search"] is not None:
                modes.add(gigs["search"]["mode"].lower() + ("*" if gigs["search"]["isLimited"] else ""))
    times.sort()
    p50, p95, p99 = (times[min(len(times) - 1, int(len(times) * share))] for share in (0.5, 0.95, 0.99))
    holds = p95 <= shape.limit_ms
    rows = f"{sum(found) / len(found):4.1f}" if found else "   –"
    verdict = "ok" if holds else f"OVER; slowest {slowest[0]:.0f} ms: {slowest[1]}"[:140]
    print(
        f"{shape.name:34}{p50:8.1f}{p95:8.1f}{p99:8.1f}{shape.limit_ms:7.0f}  {rows}  {','.join(sorted(modes)):17} {verdict}",
        flush=True,
    )
    return holds


def gather_cursors(client: Client, variables: dict[str, Any], *, pages: int) -> list[str]:
    cursors: list[str] = []
    for _ in range(pages):
        _, answer = client.ask(SEARCH, variables | {"after": cursors[-1] if cursors else None})
        info = answer["gigs"]["pageInfo"]
        if not info["hasNextPage"]:
            break
        cursors.append(info["endCursor"])
    return cursors


# -- the world and the server ----------------------------------------------------------------------------------------------


async def build(cluster: EmbeddedCluster, database: str, size: WorldSize, *, rebuild: bool) -> None:
    """Make the database unless one of this migration, this generator and this size is there."""
    admin = cluster.url("postgres")
    sources = [*sorted((CHECKOUT / "alembic" / "versions").glob("*.py")), Path(search_world.__file__)]
    material = b"".join(path.read_bytes() for path in sources) + repr(size).encode()
    digest = hashlib.sha256(material).hexdigest()[:16]
    if not rebuild and await digest_of(admin, database) == digest:
        return
    from resolvers.operation import Operation
    from resolvers.taxonomy import load_skills
    from tests.world import Clock, make_test_services

    print(f"building {database} …", flush=True)
    began = time.perf_counter()
    draft = f"{database}_draft"
    await migrations.drop_database(admin, draft)
    await migrations.ensure_database(admin, draft)
    await migrations.migrate(cluster.url(draft))
    services = await make_test_services(cluster.url(draft), Clock())
    await load_skills(Operation(services))
    await services.close()
    dsn = f"postgresql://postgres@/{draft}?host={cluster.socket_directory}&port={cluster.port}"
    await write_world(dsn, size)
    await migrations.drop_database(admin, database)
    await migrations.rename_database(admin, draft, database)
    await execute(cluster.url(database), f"comment on database {database} is '{digest}'")
    print(f"built in {time.perf_counter() - began:.0f} s", flush=True)


async def digest_of(admin: str, database: str) -> str | None:
    rows = await _rows(
        admin, f"select shobj_description(oid, 'pg_database') from pg_database where datname = '{database}'"
    )
    return rows[0][0] if rows else None


async def _rows(url: str, statement: str) -> list[Any]:
    db = Database(url, pool_size=1)
    try:
        return list(await db.fetch(sa.text(statement)))
    finally:
        await db.close()


async def execute(url: str, statement: str) -> None:
    db = Database(url, pool_size=1)
    try:
        async with db.transaction(actor_id=None, at=datetime.now(UTC)) as tx:
            await tx.execute(sa.text(statement))
    finally:
        await db.close()


async def gather_material(url: str) -> tuple[Material, dict[str, UUID]]:
    skills = await _rows(
        url, "select skill_id from gig_skill group by skill_id order by count(*) desc limit 300"
    )
    names = await _rows(url, "select name from skill_name where length(name) > 3 order by name")
    people = await _rows(
        url,
        "(select freelancer_id from application group by 1 order by count(*) desc limit 1) union all"
        " (select client_id from gig group by 1 order by count(*) desc limit 1)",
    )
    material = Material([encode_id("skill", row[0]) for row in skills], [row[0] for row in names])
    return material, {"freelancer": people[0][0], "client": people[1][0]}


@contextlib.contextmanager
def server(url: str, directory: Path) -> Iterator[tuple[int, Tokens]]:
    """`app.py run` on that database: one process, its own port and keys; stopped in the end."""
    pem = new_private_key()
    key = directory / "key.pem"
    key.write_text(pem)
    settings = {
        "DATABASE_URL": url, "DEMO_WORLD": "0", "GRAPHIQL": "0", "RECOMMENDATIONS": "0", "PORT": "0", "SECRET_KEYS": SECRET,
        "JWT_PRIVATE_KEYS": str(key), "PUBLIC_URL": ISSUER,
    }  # fmt: skip
    log = directory / "server.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py", "run"],
            cwd=CHECKOUT,
            env=os.environ | settings,
            stdout=output,
            stderr=output,
        )
    try:
        yield _port_of(process, log), Tokens([pem], issuer=ISSUER, refresh_key=SECRET.encode())
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def _port_of(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text().splitlines():
            if " answers at http://" in line:
                return int(line.partition("/graphql")[0].rpartition(":")[2])
        time.sleep(0.1)
    raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure browsing and searching at 100,000 gigs.")
    parser.add_argument("--requests", type=int, default=300, help="measured requests for each shape")
    parser.add_argument("--rebuild", action="store_true", help="make the world again")
    parser.add_argument("--only", default="", help="only shapes whose name contains this")
    arguments = parser.parse_args()
    cluster = start_embedded(CHECKOUT, log=lambda text: print(text, file=sys.stderr))
    try:
        asyncio.run(build(cluster, DATABASE, WorldSize(), rebuild=arguments.rebuild))
        url = cluster.url(DATABASE)
        material, people = asyncio.run(gather_material(url))
        with tempfile.TemporaryDirectory() as directory, server(url, Path(directory)) as (port, tokens):
            return run(port, tokens, material, people, arguments)
    finally:
        cluster.stop()


def run(
    port: int,
    tokens: Tokens,
    material: Material,
    people: dict[str, UUID],
    arguments: argparse.Namespace,
) -> int:
    now = datetime.now(UTC)
    clients = {"anonymous": Client(port, None)}
    for role, user_id in people.items():
        token = tokens.access_token(user_id=user_id, session_id=new_id(), roles=[role.upper()], now=now)
        clients[role] = Client(port, token)
    # A cursor is bound to its filter and order, not to a viewer, so one walk serves all callers.
    material.cursors = gather_cursors(clients["anonymous"], {}, pages=100)
    material.common_cursors = gather_cursors(clients["anonymous"], {"search": COMMON}, pages=20)
    print(f"{'ms':34}{'p50':>8}{'p95':>8}{'p99':>8}{'limit':>7}  rows  mode (* limited)")
    chosen = [shape for shape in shapes(material) if arguments.only in shape.name]
    over = [shape.name for shape in chosen if not measure(clients, shape, arguments.requests)]
    print(f"OVER: {', '.join(over)}" if over else f"all {len(chosen)} shapes within their limits (p95)")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
