"""Transactions: gapless streams, keys that answer repeats, and connections that break at the worst moment."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col

from models.errors import IdempotencyConflict, OutcomeUnknown
from models.event import EVENTS, Audience, Event
from models.gig import Gig
from models.gig_workflow import GigStatus
from models.idempotency import Outcome
from models.ids import new_id
from models.store.sql import Act, Database, Position, Receipt, Replayed
from resolvers import accounts, gigs
from resolvers.applications import submit_application
from tests.world import World, kinds, race

WRITERS, ROUNDS = 8, 15


@dataclass(frozen=True, kw_only=True)
class Noted(Event):
    """A fact of these tests: `text` in each of `places`."""

    places: tuple[str, ...]
    text: str = ""

    @property
    def audience(self) -> Audience:
        return Audience.ADMINISTRATORS

    def streams(self) -> tuple[str, ...]:
        return self.places


# The catalogue of events is the product's; what tests emit is not part of it.
EVENTS.pop("Noted")


def places(count: int) -> tuple[str, ...]:
    """Names of streams that no other test uses."""
    one = new_id().hex
    return tuple(f"test:{one}:{number}" for number in range(count))


def noted(world: World, *where: str, text: str = "") -> Noted:
    return Noted(places=where, text=text, at=world.clock())


async def note(world: World, *events: Noted, act: Act | None = None) -> Receipt:
    async with world.services.db.transaction(actor_id=None, at=world.clock(), act=act) as tx:
        for event in events:
            tx.emit(event)
        return tx.done(new_id())


async def numbers(world: World, stream: str) -> list[int]:
    rows = await world.rows("select number from fact where stream = :stream order by number", stream=stream)
    return [row[0] for row in rows]


async def texts(world: World, stream: str) -> list[str]:
    rows = await world.rows("select payload from fact where stream = :stream order by number", stream=stream)
    return [row[0]["text"] for row in rows]


async def head(world: World, stream: str) -> tuple[int, int] | None:
    """The number of the stream and the transaction that moved it last."""
    statement = "select number, cast(cast(x as text) as bigint) as x from stream_head where stream = :stream"
    rows = await world.rows(statement, stream=stream)
    return (rows[0].number, rows[0].x) if rows else None


# -- streams -----------------------------------------------------------------------------------------------------------


async def test_eight_writers_in_opposite_orders_neither_deadlock_nor_leave_a_gap(world: World) -> None:
    shared = places(4)

    async def write(writer: int) -> None:
        order = shared if writer % 2 else shared[::-1]
        for turn in range(ROUNDS):
            events = [noted(world, *order, text=f"{writer}.{turn}"), noted(world, order[turn % 4])]
            await note(world, *events)

    await asyncio.gather(*(write(writer) for writer in range(WRITERS)))

    counts = [await numbers(world, stream) for stream in shared]
    assert sum(len(found) for found in counts) == WRITERS * ROUNDS * 5
    assert [found == list(range(1, len(found) + 1)) for found in counts] == [True] * 4
    assert [(await head(world, stream) or (0, 0))[0] for stream in shared] == [len(found) for found in counts]


async def test_a_reader_that_sees_a_number_sees_all_lower_ones(world: World) -> None:
    one, two = places(2)
    writing = asyncio.Event()
    seen: list[list[int]] = []

    async def write(order: tuple[str, str]) -> None:
        for _ in range(ROUNDS):
            await note(world, noted(world, *order))

    async def read() -> None:
        while not writing.is_set():
            seen.append(await numbers(world, one))

    reader = asyncio.create_task(read())
    await asyncio.gather(*(write((one, two) if n % 2 else (two, one)) for n in range(WRITERS)))
    writing.set()
    await reader

    assert [found for found in seen if found != list(range(1, len(found) + 1))] == []
    lengths = [len(found) for found in seen]
    assert lengths == sorted(lengths)
    assert len(set(lengths)) > 2, "the reader looked only before or after the writing"
    assert await numbers(world, one) == list(range(1, WRITERS * ROUNDS + 1))


async def test_a_rolled_back_transaction_takes_no_number(world: World) -> None:
    (stream,) = places(1)
    await note(world, noted(world, stream, text="first"))
    before = await world.footprint()

    with pytest.raises(ZeroDivisionError):
        async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
            tx.emit(noted(world, stream, text="lost"))
            await tx.write_facts()
            raise ZeroDivisionError

    assert await world.footprint() == before
    await note(world, noted(world, stream, text="second"))
    assert (await numbers(world, stream), await texts(world, stream)) == ([1, 2], ["first", "second"])


async def test_facts_of_one_transaction_keep_the_order_of_the_calls_in_every_stream(world: World) -> None:
    one, two = places(2)

    await note(
        world,
        noted(world, two, one, text="a"),
        noted(world, one, text="b"),
        noted(world, one, two, text="c"),
        noted(world, two, two, text="d"),
    )

    assert await texts(world, one) == ["a", "b", "c"]
    assert await texts(world, two) == ["a", "c", "d"]


async def test_the_receipt_points_at_the_first_fact_in_its_first_stream(world: World) -> None:
    one, two = places(2)
    await note(world, noted(world, two))

    receipt = await note(world, noted(world, two, one), noted(world, one, two))

    assert receipt.position == Position(two, 2)
    assert (await note(world)).position is None


async def test_a_head_carries_the_transaction_that_moved_it_last(world: World) -> None:
    moved, still = places(2)
    await note(world, noted(world, moved), noted(world, still))
    before = await head(world, moved)
    assert before == await head(world, still)

    await note(world, noted(world, moved))

    after = await head(world, moved)
    assert before is not None and after is not None
    assert (after[0], after[1] > before[1]) == (2, True)
    assert await head(world, still) == before


async def test_an_act_that_changes_nothing_or_is_refused_emits_nothing(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)
    before = await world.footprint()

    receipt = await gigs.edit_gig(
        world.as_(client), gig_id, {"title": "Build a booking page"}, expected_version=None
    )
    outcomes = await race([gigs.publish_gig(world.as_(client), gig_id)])

    assert (receipt.outcome, receipt.position) == (Outcome.NOOP, None)
    assert kinds(outcomes) == {"InvalidTransition": 1}
    assert await world.footprint() == before


# -- idempotency -------------------------------------------------------------------------------------------------------


def act(actor: UUID, *, mutation: str = "test", key: str = "one", input: bytes = b"") -> Act:
    return Act(mutation, actor, key, input)


async def test_a_crash_stores_no_key_so_that_the_repeat_is_the_first(world: World) -> None:
    (stream,) = places(1)
    the_act = act(new_id())
    before = await world.footprint()

    with pytest.raises(ZeroDivisionError):
        async with world.services.db.transaction(actor_id=None, at=world.clock(), act=the_act) as tx:
            tx.emit(noted(world, stream))
            raise ZeroDivisionError

    assert await world.footprint() == before
    assert (await note(world, noted(world, stream), act=the_act)).outcome is Outcome.APPLIED
    with pytest.raises(Replayed) as repeat:
        await note(world, noted(world, stream), act=the_act)
    assert repeat.value.receipt.position == Position(stream, 1)
    assert await numbers(world, stream) == [1]


async def test_a_key_belongs_to_one_actor_and_one_mutation(world: World) -> None:
    (stream,) = places(1)
    actor = new_id()
    acts = [act(actor), act(actor, mutation="other"), act(actor, key="two"), act(new_id())]

    for each in acts:
        await note(world, noted(world, stream), act=each)

    assert await numbers(world, stream) == [1, 2, 3, 4]
    for each in acts:
        with pytest.raises(IdempotencyConflict):
            await note(world, noted(world, stream), act=replace(each, input_hash=b"other"))
    assert await numbers(world, stream) == [1, 2, 3, 4]


async def test_an_act_that_names_no_entity_for_its_repeat_is_a_bug_and_writes_nothing(world: World) -> None:
    (stream,) = places(1)
    before = await world.footprint()

    with pytest.raises(LookupError):
        async with world.services.db.transaction(actor_id=None, at=world.clock(), act=act(new_id())) as tx:
            tx.emit(noted(world, stream))

    assert await world.footprint() == before


# -- a connection that breaks during COMMIT ----------------------------------------------------------------------------


class Proxy:
    """Stands between client and server; a connection that says COMMIT while `cut` is set breaks, `cut` says where.

    BEFORE the server hears it; AFTER, when the server commits and nobody hears the answer; STALL: nothing moves any more.
    """

    def __init__(self, socket: str) -> None:
        self.cut: str | None = None
        self.refuses_after_cut = False
        self.stalled = asyncio.Event()
        self.cuts = 0
        self.server: asyncio.Server | None = None
        self._socket = socket

    async def serve(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if self.cuts and self.refuses_after_cut:
            client.transport.abort()
            return
        server_reader, server = await asyncio.open_unix_connection(self._socket)
        answers = asyncio.create_task(_pump(server_reader, client))
        try:
            await self._forward(client_reader, client, server)
            async with asyncio.timeout(5):
                await answers
        except (OSError, TimeoutError):
            pass
        finally:
            answers.cancel()
            client.transport.abort()
            server.transport.abort()

    async def _forward(
        self, reader: asyncio.StreamReader, client: asyncio.StreamWriter, server: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(65_536):
            if self.cut and b"COMMIT" in chunk:
                self.cuts += 1
                if self.cut == "BEFORE":
                    raise ConnectionAbortedError
                if self.cut == "STALL":
                    self.stalled.set()
                    await reader.read()
                    raise ConnectionAbortedError
                client.transport.abort()
                server.write(chunk)
                break
            server.write(chunk)
            await server.drain()
        server.write_eof()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(65_536):
        writer.write(chunk)
    writer.close()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    url = make_url(database_url)
    proxy = Proxy(f"{url.query['host']}/.s.PGSQL.{url.query['port']}")
    proxy.server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    yield proxy
    proxy.server.close()


@pytest.fixture
async def behind(world: World, proxy: Proxy, database_url: str) -> AsyncIterator[World]:
    """The same world, its database reached through the proxy with one connection for writes."""
    assert proxy.server is not None
    host, port = proxy.server.sockets[0].getsockname()
    url = make_url(database_url).set(host=host, port=port, query={}).render_as_string(hide_password=False)
    db = Database(url, pool_size=1, settle_timeout_s=0.4)
    yield World(replace(world.services, db=db), world.clock, world.schema)
    proxy.cut = None
    await db.close()


async def test_an_act_whose_commit_was_heard_by_the_server_alone_succeeds(
    world: World, behind: World, proxy: Proxy
) -> None:
    client = await world.client()
    content = world.content()
    proxy.cut = "AFTER"

    receipt = await gigs.create_gig(behind.as_(client, key="one"), content)

    assert proxy.cuts == 1
    assert receipt.outcome is Outcome.APPLIED
    assert receipt.position == Position(f"gig:{receipt.entity_id}", 1)
    assert (await world.gig(receipt.entity_id)).status is GigStatus.DRAFT
    assert await world.facts(receipt.entity_id) == ["GigCreated"]
    with pytest.raises(Replayed) as repeat:
        await gigs.create_gig(world.as_(client, key="one"), content)
    assert repeat.value.receipt.entity_id == receipt.entity_id


async def test_an_act_without_facts_survives_the_loss_of_the_answer_too(
    world: World, behind: World, proxy: Proxy
) -> None:
    person = await world.client()
    proxy.cut = "AFTER"

    receipt = await accounts.revoke_session(behind.as_(person), session_id=None)

    assert (proxy.cuts, receipt.outcome, receipt.entity_id) == (1, Outcome.APPLIED, person.session_id)
    rows = await world.rows("select revoked_at from session where id = :id", id=person.session_id)
    assert rows[0][0] == world.clock()
    assert person.session_id in behind.services.revoked


async def test_an_act_whose_commit_never_arrived_fails_as_it_broke_and_writes_nothing(
    world: World, behind: World, proxy: Proxy
) -> None:
    client = await world.client()
    before = await world.footprint()
    proxy.cut = "BEFORE"

    outcomes = await race([gigs.create_gig(behind.as_(client, key="one"), world.content())])

    assert proxy.cuts == 1
    assert isinstance(outcomes[0], SQLAlchemyError | OSError)
    assert await world.footprint() == before
    proxy.cut = None
    assert (await gigs.create_gig(behind.as_(client, key="one"), world.content())).outcome is Outcome.APPLIED


@pytest.mark.parametrize(("cut", "drafts"), [("BEFORE", 0), ("AFTER", 1)])
async def test_the_outcome_is_unknown_when_nobody_can_be_asked(
    world: World, behind: World, proxy: Proxy, cut: str, drafts: int
) -> None:
    client = await world.client()
    proxy.cut, proxy.refuses_after_cut = cut, True

    outcomes = await race([gigs.create_gig(behind.as_(client), world.content())])

    assert kinds(outcomes) == {OutcomeUnknown.__name__: 1}
    assert len(await world.rows("select 1 from gig where client_id = :id", id=client.user_id)) == drafts


async def test_a_transaction_that_wrote_nothing_is_not_asked_for(
    world: World, behind: World, proxy: Proxy
) -> None:
    client = await world.client()
    gig_id = await world.draft(client)
    proxy.cut, proxy.refuses_after_cut = "AFTER", True

    outcomes = await race([gigs.unsave_gig(behind.as_(client), gig_id)])

    assert proxy.cuts == 1
    assert isinstance(outcomes[0], SQLAlchemyError | OSError)


@pytest.mark.parametrize(("cut", "applications"), [("BEFORE", 0), ("AFTER", 1)])
async def test_an_act_in_two_statements_is_settled_like_any_other(
    world: World, behind: World, proxy: Proxy, cut: str, applications: int
) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()
    proxy.cut = cut

    outcomes = await race([submit_application(behind.as_(freelancer, key="one"), gig_id, world.bid())])

    assert proxy.cuts == 1
    assert [isinstance(outcome, Receipt) for outcome in outcomes] == [bool(applications)]
    assert (await world.gig(gig_id)).application_count == applications
    proxy.cut = None
    repeat = await race([submit_application(behind.as_(freelancer, key="one"), gig_id, world.bid())])
    assert [type(outcome) for outcome in repeat] == [Replayed if applications else Receipt]
    receipts = [o.receipt if isinstance(o, Replayed) else o for o in (*outcomes, *repeat)]
    assert {r.position for r in receipts if isinstance(r, Receipt)} == {Position(f"gig:{gig_id}", 3)}
    assert (await world.gig(gig_id)).application_count == 1


@pytest.mark.parametrize(("cut", "applications"), [("BEFORE", 0), ("AFTER", 1)])
async def test_the_outcome_of_an_act_in_two_statements_is_unknown_when_nobody_can_be_asked(
    world: World, behind: World, proxy: Proxy, cut: str, applications: int
) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()
    proxy.cut, proxy.refuses_after_cut = cut, True

    outcomes = await race([submit_application(behind.as_(freelancer), gig_id, world.bid())])

    assert kinds(outcomes) == {OutcomeUnknown.__name__: 1}
    assert (await world.gig(gig_id)).application_count == applications


async def test_an_applicant_who_gives_up_during_commit_leaves_the_place_to_the_next(
    world: World, behind: World, proxy: Proxy
) -> None:
    gig_id = await world.open_gig(await world.client())
    one, two = await world.freelancer(), await world.freelancer()
    proxy.cut = "STALL"

    impatient = asyncio.create_task(submit_application(behind.as_(one), gig_id, world.bid()))
    await proxy.stalled.wait()
    impatient.cancel()
    outcome = (await race([impatient]))[0]

    assert isinstance(outcome, asyncio.CancelledError)
    proxy.cut = None
    async with asyncio.timeout(5):
        receipt = await submit_application(behind.as_(two), gig_id, world.bid())
    assert receipt.position == Position(f"gig:{gig_id}", 3)
    assert (await world.gig(gig_id)).application_count == 1


async def test_an_applicant_who_gives_up_while_waiting_holds_nothing(world: World, behind: World) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()

    for _ in range(3):
        async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
            await tx.lock(Gig, col(Gig.id) == gig_id, what="gig")
            impatient = asyncio.create_task(submit_application(behind.as_(freelancer), gig_id, world.bid()))
            await world.somebody_waits()
            impatient.cancel()
            await race([impatient])

    async with asyncio.timeout(5):
        receipt = await submit_application(behind.as_(freelancer), gig_id, world.bid())
    assert receipt.position == Position(f"gig:{gig_id}", 3)


@pytest.mark.parametrize("cut", ["BEFORE", "AFTER"])
async def test_no_broken_connection_stays_in_the_pool(
    world: World, behind: World, proxy: Proxy, cut: str
) -> None:
    (stream,) = places(1)
    for _ in range(5):
        proxy.cut = cut
        await race([note(behind, noted(world, stream))])
        proxy.cut = None
        await note(behind, noted(world, stream))

    assert proxy.cuts == 5
    assert len(await numbers(world, stream)) == (10 if cut == "AFTER" else 5)


async def test_a_caller_that_gives_up_during_commit_leaves_its_connection_to_the_next(
    world: World, behind: World, proxy: Proxy
) -> None:
    (stream,) = places(1)
    await note(world, noted(world, stream))
    proxy.cut = "STALL"

    impatient = asyncio.create_task(note(behind, noted(world, stream)))
    await proxy.stalled.wait()
    impatient.cancel()
    outcome = (await race([impatient]))[0]

    assert isinstance(outcome, asyncio.CancelledError)
    proxy.cut = None
    async with asyncio.timeout(5):
        await note(behind, noted(world, stream))
    assert await numbers(world, stream) == [1, 2]


async def test_a_caller_that_gives_up_in_the_middle_leaves_nothing_behind(
    world: World, behind: World
) -> None:
    (stream,) = places(1)
    before = await world.footprint()
    entered = asyncio.Event()

    async def never_end() -> None:
        async with behind.services.db.transaction(actor_id=None, at=world.clock()) as tx:
            tx.emit(noted(world, stream))
            await tx.write_facts()
            entered.set()
            await tx.execute(sa.text("select pg_sleep(30)"))

    for _ in range(3):
        entered.clear()
        impatient = asyncio.create_task(never_end())
        await entered.wait()
        impatient.cancel()
        await race([impatient])

    async with asyncio.timeout(5):
        receipt = await note(behind, noted(world, stream))
    assert receipt.position == Position(stream, 1)
    assert await world.footprint() == before + Counter({"fact": 1, "stream_head": 1})
