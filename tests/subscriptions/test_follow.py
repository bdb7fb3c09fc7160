"""Following: every fact once, in order, from any place, whatever is lost on the way; and only for as long as one may."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import product
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlmodel import col

from auth.access import sees_fact, visible_facts, visible_gigs
from auth.revocation import RevokedSessions
from auth.viewer import ANONYMOUS, Viewer
from models.contract import EndReason as Reason
from models.event import Audience
from models.gig import Gig, GigVisibility
from models.ids import new_id
from models.store.sql import Position
from models.stream import Fact
from models.user import Role
from resolvers import applications, boards, contracts, gigs, invitations
from subscriptions import follow as following
from subscriptions import log
from subscriptions.broker import Heard, MemoryBroker, Told, ignore
from subscriptions.follow import Ahead, EndReason, Follower, Gap, TooOld, Unseen
from subscriptions.log import read_after
from subscriptions.sight import may_follow
from tests.subscriptions.conftest import StartWorker, Worker
from tests.world import World

DEADLINE_S = 5


async def move(worker: Worker, gig_id: UUID, client: Viewer) -> None:
    """Two facts about the gig."""
    await gigs.pause_gig(worker.world.as_(client), gig_id)
    await gigs.resume_gig(worker.world.as_(client), gig_id)


async def take(follower: Follower, count: int) -> list[tuple[int, str]]:
    """The next facts until there are `count`."""
    taken: list[tuple[int, str]] = []
    async with asyncio.timeout(DEADLINE_S):
        while len(taken) < count:
            taken += [(fact.number, fact.kind) for fact in await follower.take()]
    return taken


async def ending(follower: Follower) -> EndReason:
    async with asyncio.timeout(DEADLINE_S):
        while follower.ended is None:
            await follower.take()
    return follower.ended


async def logged(world: World, gig_id: UUID) -> list[tuple[int, str]]:
    return list(enumerate(await world.facts(gig_id), start=1))


# -- every fact once, in order --------------------------------------------------------------------------------------------


async def test_a_follower_without_a_place_gets_what_happens_from_now_on(start: StartWorker) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)
    before = await logged(worker.world, gig_id)

    async with worker.streams.follow(f"gig:{gig_id}", ANONYMOUS) as follower:
        await move(worker, gig_id, client)
        taken = await take(follower, 2)

    assert [kind for _, kind in taken] == ["GigPaused", "GigResumed"]
    assert before + taken == await logged(worker.world, gig_id)


async def test_a_follower_begins_again_after_any_place(start: StartWorker) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)
    await move(worker, gig_id, client)
    everything = await logged(worker.world, gig_id)
    assert len(everything) == 4

    for place in range(len(everything) + 1):
        async with worker.streams.follow(f"gig:{gig_id}", client, after=place) as follower:
            assert follower.head == 4
            assert await take(follower, 4 - place) == everything[place:]


async def test_readers_that_come_and_go_while_eight_write_get_every_fact_once_in_order(
    start: StartWorker,
) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)
    people = [await worker.world.freelancer() for _ in range(8)]
    total = 2 + 8 * 2
    chance = random.Random(4)

    async def write(freelancer: Viewer) -> None:
        application_id = await worker.world.application(freelancer, gig_id)
        await applications.shortlist_application(worker.world.as_(client), application_id)

    async def read() -> list[tuple[int, str]]:
        got: list[tuple[int, str]] = []
        while len(got) < total:
            place = got[-1][0] if got else 0
            async with worker.streams.follow(f"gig:{gig_id}", client, after=place) as follower:
                for _ in range(chance.randint(1, 4)):
                    if len(got) < total:
                        got += await take(follower, 1)
        return got

    async with asyncio.timeout(30):
        *_, one, two, three = await asyncio.gather(*map(write, people), read(), read(), read())

    assert len(await logged(worker.world, gig_id)) == total
    assert one == two == three == await logged(worker.world, gig_id)
    assert worker.streams.followers == 0


async def test_a_follower_behind_the_tail_reads_the_log(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "TAIL", 2)
    monkeypatch.setattr(following, "PAGE", 3)
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)

    async with (
        worker.streams.follow(f"gig:{gig_id}", client) as slow,
        worker.streams.follow(f"gig:{gig_id}", client) as quick,
    ):
        taken = []
        for _ in range(4):
            await move(worker, gig_id, client)
            taken += await take(quick, 2)

        assert await take(slow, 8) == taken
        assert len(taken) == 8


async def test_a_stream_nobody_wrote_to_yet_can_be_followed(start: StartWorker) -> None:
    worker = await start()
    freelancer = await worker.world.freelancer()
    gig_id = await worker.world.open_gig(await worker.world.client())

    async with worker.streams.follow(f"user:{freelancer.user_id}", freelancer) as follower:
        await worker.world.application(freelancer, gig_id)

        assert [kind for _, kind in await take(follower, 1)] == ["ApplicationSubmitted"]


async def test_streams_do_not_mix(start: StartWorker) -> None:
    worker = await start()
    client = await worker.world.client()
    one, other = await worker.world.open_gig(client), await worker.world.open_gig(client)

    async with (
        worker.streams.follow(f"gig:{one}", client) as first,
        worker.streams.follow(f"gig:{other}", client) as second,
    ):
        await move(worker, other, client)
        await move(worker, one, client)

        assert await take(first, 2) == (await logged(worker.world, one))[2:]
        assert await take(second, 2) == (await logged(worker.world, other))[2:]


# -- what is lost on the way ----------------------------------------------------------------------------------------------


class Between:
    """A broker between the workers of a test, which loses what `loses` says."""

    def __init__(self, *, loses: bool) -> None:
        self.loses = loses
        self.heard: list[Heard] = []


class Ours(MemoryBroker):
    def __init__(self, between: Between) -> None:
        self._between = between
        self._heard: Heard | None = None

    def publish(self, streams: Collection[str]) -> None:
        for heard in [] if self._between.loses else self._between.heard:
            if heard is not self._heard:
                heard(streams)

    async def run(self, heard: Heard, told: Told = ignore) -> None:
        self._heard = heard
        self._between.heard.append(heard)


async def test_another_worker_is_told(start: StartWorker) -> None:
    between = Between(loses=False)
    writer, reader = await start(Ours(between)), await start(Ours(between))
    client = await writer.world.client()
    gig_id = await writer.world.open_gig(client)

    async with reader.streams.follow(f"gig:{gig_id}", client) as follower:
        await move(writer, gig_id, client)

        assert await take(follower, 2) == (await logged(writer.world, gig_id))[2:]


async def test_a_lost_hint_costs_a_delay_and_no_fact(start: StartWorker) -> None:
    between = Between(loses=True)
    writer, reader = await start(Ours(between)), await start(Ours(between))
    client = await writer.world.client()
    gig_id = await writer.world.open_gig(client)

    async with reader.streams.follow(f"gig:{gig_id}", client) as follower:
        await move(writer, gig_id, client)
        await reader.streams.sweep()
        assert await take(follower, 2) == (await logged(writer.world, gig_id))[2:]

        await move(writer, gig_id, client)
        await reader.streams.sweep()
        assert await take(follower, 2) == (await logged(writer.world, gig_id))[4:]


async def test_a_sweep_finds_what_commits_after_it_began_before(start: StartWorker) -> None:
    """The transaction takes its number before the sweep and commits after it."""
    writer, reader = await start(Ours(Between(loses=True))), await start()
    client = await writer.world.client()
    gig_id = await writer.world.open_gig(client)
    is_open, may_commit = asyncio.Event(), asyncio.Event()

    async def slow_write() -> None:
        async with writer.world.as_(client).transaction() as tx:
            gig = await tx.lock(Gig, col(Gig.id) == gig_id, what="gig")
            tx.emit(gig.pause(at=writer.world.clock()))
            await tx.execute(sa.text("select pg_current_xact_id()"))
            is_open.set()
            await may_commit.wait()

    async with reader.streams.follow(f"gig:{gig_id}", client) as follower:
        writing = asyncio.create_task(slow_write())
        await is_open.wait()
        await reader.streams.sweep()
        await reader.streams.sweep()
        may_commit.set()
        await writing
        await reader.streams.sweep()

        assert [kind for _, kind in await take(follower, 1)] == ["GigPaused"]


async def test_a_database_that_fails_for_a_while_delays_and_loses_nothing(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)
    fetch, failures = worker.world.services.db.fetch, 0

    async def failing(statement: Any, *values: Any) -> Any:
        nonlocal failures
        if "lateral" in str(statement) and failures < 2:
            failures += 1
            raise ConnectionRefusedError
        return await fetch(statement, *values)

    async with worker.streams.follow(f"gig:{gig_id}", client) as follower:
        monkeypatch.setattr(worker.world.services.db, "fetch", failing)
        await move(worker, gig_id, client)

        assert await take(follower, 2) == (await logged(worker.world, gig_id))[2:]
    assert failures == 2
    assert worker.streams.problem is None


async def test_a_follow_that_begins_while_the_database_is_away_waits_for_it(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)
    await move(worker, gig_id, client)
    db, was_asked, is_away = worker.world.services.db, asyncio.Event(), True

    def failing(read: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def ask(*question: Any) -> Any:
            if is_away:
                was_asked.set()
                raise ConnectionRefusedError
            return await read(*question)

        return ask

    async def follow() -> list[tuple[int, str]]:
        async with worker.streams.follow(f"gig:{gig_id}", client, after=2) as follower:
            return await take(follower, 2)

    monkeypatch.setattr(db, "fetch", failing(db.fetch))
    monkeypatch.setattr(db, "poll", failing(db.poll))
    taken = asyncio.create_task(follow())
    await was_asked.wait()
    with pytest.raises(ConnectionRefusedError):
        await worker.streams.sweep()
    is_away = False
    await worker.streams.sweep()

    assert await taken == (await logged(worker.world, gig_id))[2:]


async def test_a_follow_that_cannot_begin_although_the_database_answers_fails(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)
    fetch, attempts = worker.world.services.db.fetch, 0

    async def failing(statement: Any, *values: Any) -> Any:
        nonlocal attempts
        if "wanted" in str(statement):
            attempts += 1
            raise ConnectionResetError
        return await fetch(statement, *values)

    async def follow() -> None:
        async with worker.streams.follow(f"gig:{gig_id}", client):
            pass

    monkeypatch.setattr(worker.world.services.db, "fetch", failing)
    following_it = asyncio.create_task(follow())
    async with asyncio.timeout(DEADLINE_S):
        while not following_it.done():
            await worker.streams.sweep()
            await asyncio.sleep(0)

    assert isinstance(following_it.exception(), ConnectionResetError)
    assert attempts == following.BEGINNINGS
    assert worker.streams.followers == 0


async def test_a_place_that_never_was_is_refused(start: StartWorker) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)

    with pytest.raises(Ahead):
        async with worker.streams.follow(f"gig:{gig_id}", client, after=3):
            pass
    assert worker.streams.followers == 0


async def test_a_place_this_worker_has_not_heard_of_yet_is_no_error(start: StartWorker) -> None:
    writer, reader = await start(), await start()
    client = await writer.world.client()
    gig_id = await writer.world.open_gig(client)

    async with reader.streams.follow(f"gig:{gig_id}", client):
        await move(writer, gig_id, client)
        async with reader.streams.follow(f"gig:{gig_id}", client, after=4) as follower:
            await move(writer, gig_id, client)
            await reader.streams.sweep()
            await reader.streams.sweep()

            assert await take(follower, 2) == [(5, "GigPaused"), (6, "GigResumed")]


async def test_facts_that_are_kept_no_longer_are_told_and_not_skipped(start: StartWorker) -> None:
    worker = await start()
    freelancer = await worker.world.freelancer()
    gig_id = await worker.world.open_gig(await worker.world.client())
    await worker.world.application(freelancer, gig_id)
    stream = f"user:{freelancer.user_id}"
    async with worker.world.as_(ANONYMOUS).transaction() as tx:
        await tx.execute(sa.text("delete from fact where stream = :stream").bindparams(stream=stream))

    async with worker.streams.follow(stream, freelancer, after=0) as follower:
        with pytest.raises(TooOld):
            await follower.take()


async def test_a_hole_in_what_is_kept_is_told_and_not_skipped(start: StartWorker) -> None:
    worker = await start()
    client = await worker.world.client()
    gig_id = await worker.world.open_gig(client)
    for _ in range(3):
        await worker.world.application(await worker.world.freelancer(), gig_id)
    stream = f"user:{client.user_id}"
    async with worker.world.as_(ANONYMOUS).transaction() as tx:
        await tx.execute(
            sa.text("delete from fact where stream = :stream and number = 2").bindparams(stream=stream)
        )

    async with worker.streams.follow(stream, client, after=0) as follower:
        before = await take(follower, 1)
        with pytest.raises(Gap) as gap:
            await follower.take()
        behind = await take(follower, 2)
    async with worker.streams.follow(stream, client, after=1) as follower:
        with pytest.raises(TooOld):
            await follower.take()

    assert (before, behind) == (
        [(1, "GigCreated")],
        [(3, "ApplicationSubmitted"), (4, "ApplicationSubmitted")],
    )
    assert gap.value.before == Position(stream, 1)


# -- who may see what -----------------------------------------------------------------------------------------------------


async def test_the_audience_of_a_fact_is_the_same_in_sql_and_here(world: World) -> None:
    people = [new_id() for _ in range(3)]
    viewers = [ANONYMOUS, *(Viewer(user_id=id, roles=frozenset({Role.CLIENT})) for id in people)]
    viewers += [Viewer(user_id=people[2], roles=frozenset({role})) for role in (Role.ADMIN, Role.SUPER_ADMIN)]
    whose = [None, people[0], people[1]]
    told = list(enumerate(product(Audience, whose, whose), start=1))
    stream, at = f"test:{new_id()}", world.clock()
    facts = [
        Fact(
            stream=stream, number=number, id=new_id(), kind="Told", audience=audience, actor_id=None, owner_id=owner_id,
            person_id=person_id, remark_id=None, occurred_at=at, payload={},
        )
        for number, (audience, owner_id, person_id) in told
    ]  # fmt: skip
    async with world.as_(ANONYMOUS).transaction() as tx:
        tx.add(*facts)

    for viewer in viewers:
        asked: sa.Select[Any] = sa.select(sa.column("number")).where(
            col(Fact.stream) == stream, visible_facts(viewer)
        )
        seen = {row.number for row in await world.services.db.fetch(asked.select_from(Fact))}
        assert {fact.number for fact in facts if sees_fact(viewer, fact)} == seen, viewer
        assert seen


async def test_of_facts_for_others_no_more_is_told_than_all_may_know(start: StartWorker) -> None:
    worker = await start()
    client, stranger = await worker.world.client(), await worker.world.freelancer()
    gig_id = await worker.world.open_gig(client)

    async with worker.streams.follow(f"gig:{gig_id}", stranger) as follower:
        await worker.world.application(await worker.world.freelancer(), gig_id)
        await gigs.pause_gig(worker.world.as_(client), gig_id)

        assert await take(follower, 2) == [(3, "GigCountsChanged"), (4, "GigPaused")]


async def test_many_followers_are_checked_as_each_alone(world: World) -> None:
    owner, invited, stranger = await world.client(), await world.freelancer(), await world.freelancer()
    admin = await world.admin()
    private = await world.open_gig(owner, visibility=GigVisibility.INVITE_ONLY)
    await invitations.invite_freelancer(
        world.as_(owner), private, freelancer_id=invited.require_user(), message=None
    )
    all_gigs = [await world.open_gig(owner), private, await world.draft(owner), new_id()]
    everybody = [ANONYMOUS, owner, invited, stranger, admin]

    class Asking:
        def __init__(self, viewer: Viewer, gig_id: UUID) -> None:
            self.viewer, self.gig_id, self.stream = viewer, gig_id, f"gig:{gig_id}"

    asking = [Asking(viewer, gig_id) for viewer in everybody for gig_id in all_gigs]
    together = await may_follow(world.services.db, asking)

    for one in asking:
        table = Gig.__table__  # type: ignore[attr-defined]
        alone = sa.select(table.c.id).where(table.c.id == one.gig_id, visible_gigs(one.viewer))
        assert (one in together) is bool(await world.services.db.fetch(alone)), (one.viewer, one.gig_id)
    assert {one.gig_id for one in together if one.viewer is invited} == {all_gigs[0], private}


@asynccontextmanager
async def refused(worker: Worker, stream: str, viewer: Viewer) -> AsyncIterator[None]:
    before = worker.streams.followers
    with pytest.raises(Unseen):
        async with worker.streams.follow(stream, viewer):
            pass
    assert worker.streams.followers == before
    yield


async def test_what_one_may_not_see_cannot_be_followed(start: StartWorker) -> None:
    worker = await start()
    owner, stranger = await worker.world.client(), await worker.world.freelancer()
    draft = await worker.world.draft(owner)

    for stream, viewer in (
        (f"gig:{draft}", stranger),
        (f"gig:{draft}", ANONYMOUS),
        (f"gig:{new_id()}", owner),
        (f"user:{owner.user_id}", stranger),
        (f"user:{owner.user_id}", ANONYMOUS),
        ("admin", owner),
        ("admin", ANONYMOUS),
    ):
        async with refused(worker, stream, viewer):
            pass


async def test_a_gig_that_is_made_private_ends_the_follows_of_strangers_before_they_learn_of_it(
    start: StartWorker,
) -> None:
    worker = await start()
    owner, invited = await worker.world.client(), await worker.world.freelancer()
    gig_id = await worker.world.open_gig(owner)
    await invitations.invite_freelancer(
        worker.world.as_(owner), gig_id, freelancer_id=invited.require_user(), message=None
    )
    stream = f"gig:{gig_id}"

    async with (
        worker.streams.follow(stream, ANONYMOUS) as stranger,
        worker.streams.follow(stream, invited) as concerned,
        worker.streams.follow(stream, owner) as its_owner,
    ):
        content = {"visibility": GigVisibility.INVITE_ONLY}
        await gigs.edit_gig(worker.world.as_(owner), gig_id, content, expected_version=None)
        edited = await take(its_owner, 1)

        assert await ending(stranger) is EndReason.ACCESS_LOST
        assert stranger.number == 3
        assert edited == [(4, "GigEdited")]
        assert await take(concerned, 1) == edited


async def test_whoever_leaves_a_board_follows_it_no_longer_and_learns_nothing_of_what_comes(
    start: StartWorker,
) -> None:
    worker = await start()
    world = worker.world
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    contracts_of = {}
    for name in ("leaves", "stays"):
        freelancer = await world.freelancer(name)
        application_id = await world.application(freelancer, gig_id)
        receipt = await applications.accept_application(world.as_(client), application_id)
        contracts_of[name] = (freelancer, receipt.entity_id)
    (leaver, contract_id), (stayer, _) = contracts_of.values()
    board_id = (await world.rows("select id from board where gig_id = :id", id=gig_id))[0][0]
    stream = f"board:{board_id}"

    async with (
        worker.streams.follow(stream, leaver) as ends,
        worker.streams.follow(stream, stayer) as goes_on,
        refused(worker, stream, await world.freelancer()),
    ):
        began = asyncio.get_running_loop().time()
        await contracts.end_contract(world.as_(client), contract_id, reason=Reason.OTHER, note=None)
        assert await ending(ends) is EndReason.ACCESS_LOST
        assert asyncio.get_running_loop().time() - began < 1
        await boards.add_label(world.as_(client), board_id, {"name": "Bug", "color": "#000000"})

        assert ends.number == goes_on.head
        assert [kind for _, kind in await take(goes_on, 2)] == ["BoardMemberLeft", "LabelAdded"]
        assert await ends.take() == []


async def test_a_lost_sight_that_no_fact_told_is_found_by_the_next_recheck(start: StartWorker) -> None:
    worker, other = await start(), await start(Ours(Between(loses=True)))
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner)

    async with worker.streams.follow(f"gig:{gig_id}", ANONYMOUS) as follower:
        content = {"visibility": GigVisibility.INVITE_ONLY}
        await gigs.edit_gig(other.world.as_(owner), gig_id, content, expected_version=None)
        await worker.streams.recheck()

        assert follower.ended is EndReason.ACCESS_LOST
        assert await follower.take() == []


async def test_the_follows_of_a_revoked_session_end_and_no_others(start: StartWorker) -> None:
    worker = await start()
    owner = replace(await worker.world.client(), session_id=new_id())
    gig_id = await worker.world.open_gig(owner)
    elsewhere = replace(owner, session_id=new_id())
    revoked = RevokedSessions()
    assert owner.session_id is not None
    revoked.add(owner.session_id, at=worker.world.clock())

    async with (
        worker.streams.follow(f"gig:{gig_id}", owner) as ended,
        worker.streams.follow(f"gig:{gig_id}", elsewhere) as stays,
    ):
        worker.streams.end_sessions(revoked, now=worker.world.clock())

        assert await ending(ended) is EndReason.SESSION_ENDED
        assert stays.ended is None


async def test_a_stop_ends_every_follow_and_those_that_begin_after_it(start: StartWorker) -> None:
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner)

    async with worker.streams.follow(f"gig:{gig_id}", owner) as before:
        await worker.streams.stop(timeout_s=0)
        async with worker.streams.follow(f"gig:{gig_id}", owner, after=0) as after:
            assert await ending(after) is EndReason.SERVER_STOPPING
        assert await ending(before) is EndReason.SERVER_STOPPING


async def test_an_end_while_the_log_is_read_leaves_the_place_before_what_was_not_told(
    start: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await start()
    owner = await worker.world.client()
    gig_id = await worker.world.open_gig(owner)

    async with worker.streams.follow(f"gig:{gig_id}", owner, after=0) as follower:

        async def read_while_it_ends(*arguments: Any, **options: Any) -> Any:
            follower.end(EndReason.SERVER_STOPPING)
            return await read_after(*arguments, **options)

        monkeypatch.setattr(log, "read_after", read_while_it_ends)
        assert await follower.take() == []

        assert follower.number == 0


async def test_a_hidden_contract_of_others_never_reaches_a_stranger(start: StartWorker) -> None:
    """Everything two people do between them, watched by a third from the beginning."""
    worker = await start()
    hired = await worker.world.completed()
    stranger = await worker.world.freelancer()

    async with worker.streams.follow(f"gig:{hired.gig_id}", stranger, after=0) as follower:
        seen = await take(follower, 5)

    everything = await logged(worker.world, hired.gig_id)
    counts = [place for place in seen if place[1] == "GigCountsChanged"]
    assert [everything[number - 1][1] for number, _ in counts] == [
        "ApplicationSubmitted",
        "ApplicationAccepted",
    ]
    assert [place for place in seen if place not in counts] == [
        place for place in everything if place[1] in {"GigPublished", "GigFilled", "GigCompleted"}
    ]
