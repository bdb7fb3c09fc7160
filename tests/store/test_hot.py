"""Hot transactions: two statements under the laws of all transactions."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm.exc import DetachedInstanceError
from sqlmodel import col

from models.application import Application
from models.errors import IdempotencyConflict, NotFound, Refusals
from models.event import Audience
from models.gig import Gig, GigQuestion
from models.gig_workflow import GigStatus
from models.idempotency import IdempotencyKey, Outcome
from models.ids import new_id
from models.store.compiled import compiled
from models.store.hot import Look, Many
from models.store.pool import Pool
from models.store.rows import new_row, shape_of
from models.store.sql import Act, Position, Receipt, Replayed, counting_statements
from models.stream import Fact
from resolvers.applications import Answer, submit_application
from tests.world import World, kinds, race

GIG = Look[Gig](
    (Gig.id, Gig.status, Gig.application_count), where=col(Gig.id) == sa.bindparam("gig_id", type_=sa.Uuid)
)


# -- what a hot transaction does -----------------------------------------------------------------------------------------


async def test_an_application_takes_two_statements_with_and_without_a_key(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    one, two = await world.freelancer(), await world.freelancer()

    with counting_statements() as plain:
        await submit_application(world.as_(one), gig_id, world.bid())
    with counting_statements() as keyed:
        await submit_application(world.as_(two, key="one"), gig_id, world.bid())

    assert (dict(plain), dict(keyed)) == ({"select": 1, "with": 1}, {"with": 2})


async def test_an_application_is_written_as_it_was_offered(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    letter = "“Ünï”, \\ and 'quotes'\n\tand 漢字 😀 $1 :name"

    receipt = await submit_application(
        world.as_(freelancer, key="one"), gig_id, world.bid(cover_letter=letter)
    )

    row = await world.get(Application, receipt.entity_id)
    assert (row.cover_letter, row.price_minor, row.currency, row.duration_days) == (letter, 75_000, "EUR", 14)
    assert (row.status, row.version, row.reason, row.viewed_at) == ("SUBMITTED", 1, None, None)
    assert (row.gig_id, row.client_id, row.freelancer_id) == (gig_id, client.user_id, freelancer.user_id)
    assert (row.submitted_at, row.updated_at) == (world.clock(), world.clock())
    facts = await world.rows(
        "select * from fact where id = (select id from fact where stream = :stream order by number desc limit 1)",
        stream=f"gig:{gig_id}",
    )
    assert [(f.kind, f.audience, f.number, f.occurred_at) for f in facts] == [
        ("ApplicationSubmitted", Audience.CONCERNED, 3, world.clock())
    ]
    assert facts[0].payload == {
        "gig_id": str(gig_id),
        "application_id": str(receipt.entity_id),
        "before": None,
        "after": "SUBMITTED",
        "reason": None,
    }
    key = (await world.rows("select * from idempotency_key where entity_id = :id", id=receipt.entity_id))[0]
    assert (key.outcome, Position(key.stream, key.number)) == ("APPLIED", receipt.position)


async def test_only_the_columns_that_a_verb_changed_are_written(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    before = await world.gig(gig_id)

    async with world.services.db.hot_transaction(actor_id=None, at=world.clock()) as tx:
        gig = (await tx.lock(GIG, what="gig", gig_id=gig_id)).row
        gig.application_count += 5

    after = await world.gig(gig_id)
    assert after.application_count == 5
    assert after.model_dump(exclude={"application_count"}) == before.model_dump(exclude={"application_count"})


async def test_a_hot_transaction_that_changes_nothing_writes_nothing(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    before = await world.footprint()

    async with world.services.db.hot_transaction(actor_id=None, at=world.clock()) as tx:
        seen = await tx.lock(GIG, what="gig", gig_id=gig_id)
        receipt = tx.noop(gig_id)

    assert seen.row.status is GigStatus.OPEN
    assert (receipt.outcome, receipt.position, tx.xid) == (Outcome.NOOP, None, None)
    assert await world.footprint() == before


async def test_a_missing_row_is_not_found_with_and_without_a_key_and_stores_no_key(world: World) -> None:
    freelancer = await world.freelancer()
    before = await world.footprint()

    outcomes = await race(
        submit_application(world.as_(freelancer, key=key), new_id(), world.bid()) for key in ("one", None)
    )

    assert kinds(outcomes) == {NotFound.__name__: 2}
    assert [outcome.path for outcome in outcomes if isinstance(outcome, NotFound)] == [("gigId",)] * 2
    assert await world.footprint() == before


async def test_a_noop_under_a_key_is_replayed_to_its_repeat(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()
    first = await world.application(freelancer, gig_id)

    receipt = await submit_application(world.as_(freelancer, key="one"), gig_id, world.bid())
    with pytest.raises(Replayed) as repeat:
        await submit_application(world.as_(freelancer, key="one"), gig_id, world.bid())
    with pytest.raises(IdempotencyConflict):
        await submit_application(world.as_(freelancer, key="one", input=b"x"), gig_id, world.bid())

    assert (receipt.outcome, receipt.entity_id, receipt.position) == (Outcome.NOOP, first, None)
    assert (repeat.value.receipt.entity_id, repeat.value.receipt.position) == (first, None)


@pytest.mark.parametrize("is_keyed", [True, False])
async def test_what_changed_while_somebody_waited_for_the_gig_is_what_they_see(
    world: World, is_keyed: bool
) -> None:
    gig_id = await world.open_gig(await world.client())
    freelancer = await world.freelancer()
    question_id = new_id()

    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        gig = await tx.lock(Gig, col(Gig.id) == gig_id, what="gig")
        waiting = asyncio.create_task(
            submit_application(world.as_(freelancer, key="one" if is_keyed else None), gig_id, world.bid())
        )
        await world.somebody_waits()
        gig.touch(at=world.clock())
        tx.add(GigQuestion(id=question_id, gig_id=gig_id, prompt="Where?", is_required=True, position=0))

    with pytest.raises(Refusals, match="Where"):
        await waiting
    answered = world.bid(answers=(Answer(question_id, "Here."),))
    receipt = await submit_application(world.as_(freelancer, key="one"), gig_id, answered)
    rows = await world.rows(
        "select question_id, body, position from application_answer where application_id = :id",
        id=receipt.entity_id,
    )
    assert [tuple(row) for row in rows] == [(question_id, "Here.", 0)]


async def test_eight_people_who_apply_at_once_under_keys_are_all_counted(world: World) -> None:
    gig_id = await world.open_gig(await world.client())
    people = [await world.freelancer() for _ in range(8)]

    outcomes = await race(
        submit_application(world.as_(person, key="one"), gig_id, world.bid()) for person in people
    )

    assert kinds(outcomes) == {Receipt.__name__: 8}
    positions = {outcome.position for outcome in outcomes if isinstance(outcome, Receipt)}
    assert positions == {Position(f"gig:{gig_id}", number) for number in range(3, 11)}
    assert (await world.gig(gig_id)).application_count == 8


async def test_a_key_that_no_lock_claimed_is_a_bug_and_writes_nothing(world: World) -> None:
    before = await world.footprint()
    act = Act("test", new_id(), "one", b"")

    with pytest.raises(LookupError):
        async with world.services.db.hot_transaction(actor_id=None, at=world.clock(), act=act) as tx:
            tx.done(new_id())

    assert await world.footprint() == before


# -- what it is made of --------------------------------------------------------------------------------------------------


def test_a_row_that_was_read_has_the_rules_of_its_table_and_no_column_that_was_not_read() -> None:
    gig = shape_of(Gig).read({"id": new_id(), "status": "OPEN"})

    gig.require_open()
    assert gig.status is GigStatus.OPEN
    with pytest.raises(DetachedInstanceError):
        _ = gig.title


def test_a_new_row_has_the_defaults_of_its_table() -> None:
    row = new_row(Application, currency="EUR", price_minor=1)

    defaults = {
        name: field.default for name, field in Application.model_fields.items() if not field.is_required()
    }
    assert {name: getattr(row, name) for name in defaults} == defaults
    assert (row.version, row.currency) == (1, "EUR")


def test_a_compiled_statement_keeps_its_values_and_leaves_its_parameters_open() -> None:
    statement = sa.select(col(Gig.id)).where(
        col(Gig.id) == sa.bindparam("gig_id", type_=sa.Uuid),
        col(Gig.status).in_([GigStatus.OPEN, GigStatus.PAUSED]),
        (col(Gig.client_id) == sa.bindparam("who", type_=sa.Uuid)) | (col(Gig.currency) == "EUR"),
        col(Gig.client_id) != sa.bindparam("who", type_=sa.Uuid),
    )
    gig_id, who = new_id(), new_id()

    done = compiled(statement)

    places = {name: f"${number}" for number, name in enumerate(done.names, 1)}
    assert sorted(map(str, done.arguments({"gig_id": gig_id, "who": who}))) == sorted(
        [str(gig_id), str(who), "OPEN", "PAUSED", "EUR"]
    )
    assert done.text.count(places["who"]) == 2
    with pytest.raises(KeyError):
        done.arguments({"gig_id": gig_id})


def test_a_compiled_statement_writes_values_as_their_types_do() -> None:
    fact = compiled(sa.select(col(Fact.id)).where(col(Fact.payload) == sa.bindparam("what", type_=JSONB)))

    assert fact.arguments({"what": {"a": [1]}}) == ['{"a": [1]}']


def test_many_rows_come_in_order_with_the_types_of_their_columns() -> None:
    many = Many[IdempotencyKey](
        (IdempotencyKey.actor_id, IdempotencyKey.outcome), where=sa.true(), order_by=col(IdempotencyKey.key)
    )
    ids: list[UUID] = [new_id(), new_id()]

    rows = many.read([(ids[0], "APPLIED"), (ids[1], "NOOP")])

    assert [(row.actor_id, row.outcome) for row in rows] == [
        (ids[0], Outcome.APPLIED),
        (ids[1], Outcome.NOOP),
    ]
    assert many.read(None) == []


# -- the connections -----------------------------------------------------------------------------------------------------


async def test_a_pool_takes_no_more_than_its_size_at_once_and_says_so(database_url: str) -> None:
    pool = Pool(database_url, size=1, server_settings={}, wait_s=0.05)

    async with pool.begin() as first:
        pid = await first.connection.fetchval("select pg_backend_pid()")
        with pytest.raises(TimeoutError):
            async with pool.begin():
                pass

    async with pool.begin() as second:
        assert await second.connection.fetchval("select pg_backend_pid()") == pid
    await pool.close()


async def test_an_old_connection_is_replaced_and_a_failed_transaction_leaves_nothing_open(
    database_url: str,
) -> None:
    pool = Pool(database_url, size=1, server_settings={}, kept_s=0)
    pids = []

    for _ in range(2):
        with pytest.raises(asyncpg.DivisionByZeroError):
            async with pool.begin() as lane:
                pids.append(await lane.connection.fetchval("select pg_backend_pid()"))
                await lane.connection.execute("select 1 / 0")
        assert not lane.connection.is_in_transaction()

    assert len(set(pids)) == 2
    await pool.close()
