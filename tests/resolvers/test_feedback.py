"""Feedback after the work: hidden until both have spoken or 14 days have passed, then open for good."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.contract import ContractNotOver
from models.errors import NotAllowed, NotFound, Refusals
from models.feedback import AXES, FeedbackExists, FeedbackWindowClosed, ReplyExists
from models.gig import Gig
from models.store.sql import Receipt
from resolvers import contracts
from resolvers.feedback import FeedbackState, leave_feedback, reply_to_feedback, states_of
from resolvers.jobs import run_due_jobs
from resolvers.operation import Operation
from resolvers.reputation import Record, of_clients, of_freelancers
from tests.world import Hired, World, kinds, race

DAYS_14 = timedelta(days=14)


def axes(score: int, **others: int) -> dict[str, int]:
    return dict.fromkeys(AXES, score) | others


async def say(world: World, viewer: Viewer, done: Hired, score: int = 4, **others: int) -> UUID:
    receipt = await leave_feedback(
        world.as_(viewer), done.contract_id, axes=axes(score, **others), comment="Word."
    )
    return receipt.entity_id


async def profile(world: World, table: str, person: Viewer) -> tuple[Any, ...]:
    statement = f"select rating_axis_total, rating_count, rating_hundredths from {table} where user_id = :id"
    return tuple((await world.rows(statement, id=person.user_id))[0])


async def shown_ratings(world: World, done: Hired) -> list[object]:
    """Everything that shows how good somebody is said to be, as the public and as each side learns it."""
    shown: list[object] = [
        await profile(world, "freelancer_profile", done.freelancer),
        await profile(world, "client_profile", done.client),
    ]
    assert done.freelancer.user_id is not None and done.client.user_id is not None
    for viewer in (ANONYMOUS, done.client, done.freelancer):
        op = world.as_(viewer)
        for recent in (False, True):
            shown.append(await of_freelancers(op, [done.freelancer.user_id], recent=recent))
            shown.append(await of_clients(op, [done.client.user_id], recent=recent))
    return shown


async def test_a_hidden_feedback_changes_nothing_but_that_the_other_side_has_answered(world: World) -> None:
    done = await world.completed()
    before = await shown_ratings(world, done)

    feedback_id = await say(world, done.client, done, 1)

    assert await shown_ratings(world, done) == before
    closes = world.clock() + DAYS_14
    states = [
        (await states_of(world.as_(viewer), [done.contract_id])).get(done.contract_id)
        for viewer in (done.client, done.freelancer, ANONYMOUS, await world.client())
    ]
    assert states == [
        FeedbackState(you_answered=True, other_answered=False, revealed_at=None, closes_at=closes),
        FeedbackState(you_answered=False, other_answered=True, revealed_at=None, closes_at=closes),
        None,
        None,
    ]
    statement = "select * from fact where stream = :stream and kind = 'FeedbackGiven'"
    (fact,) = await world.rows(statement, stream=f"gig:{done.gig_id}")
    ids = {"gig_id": str(done.gig_id), "contract_id": str(done.contract_id)}
    assert fact.payload == ids | {"side": "OF_FREELANCER"}
    assert fact.remark_id is None
    assert str(feedback_id) not in str(fact)


async def test_the_second_of_two_simultaneous_feedbacks_reveals_both_once(world: World) -> None:
    done = await world.completed()

    outcomes = await race(
        [
            leave_feedback(world.as_(done.client), done.contract_id, axes=axes(5), comment="Good."),
            leave_feedback(world.as_(done.freelancer), done.contract_id, axes=axes(3), comment="So so."),
        ]
    )

    assert kinds(outcomes) == {Receipt.__name__: 2}
    facts = await world.facts(done.gig_id)
    assert facts[-3:] == ["FeedbackGiven", "FeedbackGiven", "FeedbackRevealed"]
    assert await profile(world, "freelancer_profile", done.freelancer) == (30, 1, 500)
    assert await profile(world, "client_profile", done.client) == (18, 1, 300)
    rows = await world.rows("select revealed_at from feedback where contract_id = :id", id=done.contract_id)
    assert [row[0] for row in rows] == [world.clock()] * 2


async def test_one_side_that_speaks_eight_times_at_once_is_heard_once(world: World) -> None:
    done = await world.completed()

    outcomes = await race(
        leave_feedback(world.as_(done.client), done.contract_id, axes=axes(5), comment="Good.")
        for _ in range(8)
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, FeedbackExists.__name__: 7}
    assert (await world.facts(done.gig_id)).count("FeedbackGiven") == 1
    assert "FeedbackRevealed" not in await world.facts(done.gig_id)


async def test_a_lone_feedback_is_revealed_after_fourteen_days_exactly(idle_world: World) -> None:
    world = idle_world
    done = await world.completed()
    before = await shown_ratings(world, done)
    await say(world, done.client, done, 2)
    world.clock.move(DAYS_14 - timedelta(microseconds=1))
    assert await run_due_jobs(Operation(world.services)) == 0
    assert await shown_ratings(world, done) == before
    world.clock.move(timedelta(microseconds=1))

    assert await run_due_jobs(Operation(world.services)) == 1

    assert (await world.facts(done.gig_id))[-1] == "FeedbackRevealed"
    assert await profile(world, "freelancer_profile", done.freelancer) == (12, 1, 200)
    assert await profile(world, "client_profile", done.client) == (0, 0, None)


async def test_the_reveal_job_does_not_reveal_twice(idle_world: World) -> None:
    world = idle_world
    done = await world.completed()
    await say(world, done.client, done)
    await say(world, done.freelancer, done)
    world.clock.move(DAYS_14)

    assert await run_due_jobs(Operation(world.services)) == 1

    assert (await world.facts(done.gig_id)).count("FeedbackRevealed") == 1
    assert await profile(world, "freelancer_profile", done.freelancer) == (24, 1, 400)


@pytest.mark.parametrize("spoken", [False, True])
async def test_from_the_fourteenth_day_on_nothing_is_accepted(world: World, spoken: bool) -> None:
    done = await world.completed()
    if spoken:
        await say(world, done.freelancer, done)
    world.clock.move(DAYS_14 - timedelta(microseconds=1))
    last = await world.completed()
    world.clock.move(timedelta(microseconds=1))
    before = await world.footprint()

    with pytest.raises(FeedbackWindowClosed):
        await say(world, done.client, done)

    assert await world.footprint() == before
    await say(world, last.client, last)


async def test_feedback_waits_for_the_end_and_comes_from_the_two_sides_alone(world: World) -> None:
    hired, done = await world.hired(), await world.completed()
    admin, stranger = await world.admin(), await world.client()
    before = await world.footprint()

    outcomes = await race(
        leave_feedback(world.as_(viewer), contract_id, axes=scores, comment="Word.")
        for viewer, contract_id, scores in (
            (hired.client, hired.contract_id, axes(4)),
            (admin, done.contract_id, axes(4)),
            (stranger, done.contract_id, axes(4)),
            (done.client, done.contract_id, axes(4, quality=6)),
        )
    )

    assert [type(outcome) for outcome in outcomes] == [ContractNotOver, NotAllowed, NotFound, Refusals]
    assert await world.footprint() == before


async def test_a_hidden_feedback_is_missing_for_everyone_who_would_reply(world: World) -> None:
    done = await world.completed()
    feedback_id = await say(world, done.client, done)
    stranger, admin = await world.client(), await world.admin()
    before = await world.footprint()

    # The subject learns no more than a stranger: that this id exists is not "the other side has answered".
    outcomes = await race(
        reply_to_feedback(world.as_(viewer), feedback_id, body="Thanks.")
        for viewer in (done.freelancer, stranger, admin, done.client)
    )

    assert [type(outcome) for outcome in outcomes] == [NotFound, NotFound, NotFound, NotAllowed]
    assert await world.footprint() == before
    rows = await world.rows("select reply from feedback where id = :id", id=feedback_id)
    assert rows[0][0] is None


async def test_the_one_spoken_of_replies_once(world: World) -> None:
    done = await world.completed()
    feedback_id = await say(world, done.client, done)
    await say(world, done.freelancer, done)

    outcomes = await race(
        reply_to_feedback(world.as_(done.freelancer), feedback_id, body=body) for body in ("One", "Two")
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, ReplyExists.__name__: 1}
    assert (await world.facts(done.gig_id)).count("FeedbackReplied") == 1
    others = await race(
        reply_to_feedback(world.as_(viewer), feedback_id, body="Me too.")
        for viewer in (done.client, await world.client())
    )
    assert kinds(others) == {NotAllowed.__name__: 2}


async def test_feedback_does_not_wait_for_what_else_happens_to_the_gig(world: World) -> None:
    done = await world.completed()

    # Who changes a contract locks the gig first; a feedback that needed the gig's lock too would close a circle.
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.lock(Gig, Gig.__table__.c.id == done.gig_id, what="gig")  # type: ignore[attr-defined]
        await say(world, done.client, done)

    assert (await world.facts(done.gig_id))[-1] == "FeedbackGiven"


async def test_the_rating_of_a_profile_and_of_the_record_round_alike(world: World) -> None:
    freelancer = await world.freelancer()
    # A mean of 112.5 hundredths: 27 points on 24 axes.
    for extra in (3, 0, 0, 0):
        done = await world.completed(freelancer=freelancer)
        await say(world, done.client, done, 1, quality=1 + extra)
        await say(world, done.freelancer, done)
    assert freelancer.user_id is not None

    records = await of_freelancers(world.as_(ANONYMOUS), [freelancer.user_id], recent=False)

    assert records[freelancer.user_id] == Record(completed=4, rating_hundredths=113, rating_count=4)
    assert await profile(world, "freelancer_profile", freelancer) == (27, 4, 113)


async def test_the_lifetime_record_remembers_what_the_recent_one_forgets(world: World) -> None:
    done = await world.completed()
    await say(world, done.client, done, 5)
    await say(world, done.freelancer, done, 3)
    freelancer, client = done.freelancer.user_id, done.client.user_id
    assert freelancer is not None and client is not None
    world.clock.move(timedelta(days=180, microseconds=1))
    op = world.as_(ANONYMOUS)

    lifetime = await of_freelancers(op, [freelancer], recent=False) | await of_clients(
        op, [client], recent=False
    )
    recent = await of_freelancers(op, [freelancer], recent=True) | await of_clients(op, [client], recent=True)

    assert lifetime == {
        freelancer: Record(completed=1, rating_hundredths=500, rating_count=1),
        client: Record(completed=1, rating_hundredths=300, rating_count=1),
    }
    assert recent == {freelancer: Record(), client: Record()}


async def test_two_approvals_at_once_owe_one_reveal(world: World) -> None:
    hired = await world.hired()
    await contracts.submit_work(world.as_(hired.freelancer), hired.contract_id, note=None)

    outcomes = await race(
        contracts.approve_work(world.as_(hired.client), hired.contract_id) for _ in range(2)
    )

    assert kinds(outcomes) == {Receipt.__name__: 1, "InvalidTransition": 1}
    statement = "select run_at from job where kind = 'reveal_feedback' and subject_id = :id"
    assert [row[0] for row in await world.rows(statement, id=hired.contract_id)] == [world.clock() + DAYS_14]
