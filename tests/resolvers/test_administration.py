"""What administrators do to accounts: who may, what follows at once, and what is written down about it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from auth.revocation import Loss, LossKind, RevokedSessions
from auth.viewer import ANONYMOUS, SignInRequired, Viewer
from models.application import ApplicantAway
from models.errors import Invalid, NotAllowed, NotFound, Refusals
from models.gig import GigVisibility, GigWithheld
from models.idempotency import Outcome
from models.ids import encode_id, new_id
from models.store.sql import Receipt
from models.user import AccountSuspended, Role, RoleTaken, SessionEnded, User, UserStatus
from resolvers import accounts, applications, contracts, gigs, invitations
from resolvers.accounts import add_role, create_session, refresh_session
from resolvers.administration import grant_role, restore_account, revoke_role, suspend_account
from resolvers.jobs import run_due_jobs
from tests.world import PASSWORD, World, kinds, race

REASON = "Asked for money outside the platform."
HOUR = timedelta(hours=1)


async def email_of(world: World, viewer: Viewer) -> str:
    return str((await world.rows("select email from users where id = :id", id=viewer.user_id))[0][0])


async def sign_in(world: World, viewer: Viewer) -> accounts.Credentials:
    email = await email_of(world, viewer)
    return (await create_session(world.as_(ANONYMOUS), email=email, password=PASSWORD))[1]


GIG = "query ($id: ID!) { gig(id: $id) { id } }"


async def suspend(world: World, by: Viewer, whom: Viewer, **parts: Any) -> Receipt:
    return await suspend_account(
        world.as_(by), whom.require_user(), **{"reason": REASON, "until": None} | parts
    )


async def acts_on(world: World, viewer: Viewer) -> list[tuple[Any, ...]]:
    statement = (
        "select kind, actor_id, role, until, body from admin_act left join remark on remark.id = remark_id "
        "where account_id = :id order by at, admin_act.id"
    )
    return [tuple(row) for row in await world.rows(statement, id=viewer.user_id)]


async def facts_about(world: World, viewer: Viewer) -> list[tuple[str, str]]:
    """Which kinds of facts about the account are in which stream: the person's own, and the administrators'."""
    statement = (
        "select case when stream = 'admin' then stream else 'user' end as place, kind from fact "
        "where person_id = :id and stream in ('admin', 'user:' || cast(:id as text)) "
        "and kind in ('SuspensionBegan', 'SuspensionEnded', 'RoleGranted', 'RoleRevoked', 'AccountErased') "
        "order by place, number"
    )
    return [(row.place, row.kind) for row in await world.rows(statement, id=viewer.user_id)]


# -- suspension ----------------------------------------------------------------------------------------------------------


async def test_a_suspension_ends_all_sessions_and_nobody_can_sign_in(world: World) -> None:
    admin, person = await world.admin(), await world.client()
    second = await sign_in(world, person)
    until = world.clock() + HOUR

    receipt = await suspend(world, admin, person, until=until)

    assert receipt.position is not None and receipt.position.stream == "admin"
    sessions = await world.rows("select revoked_at from session where user_id = :id", id=person.user_id)
    assert [row[0] for row in sessions] == [world.clock()] * 2
    loss = world.services.revoked.loss_of(person, now=world.clock())
    assert loss == Loss(LossKind.ACCOUNT_SUSPENDED, until)
    for door in (
        lambda: sign_in(world, person),
        lambda: refresh_session(world.as_(ANONYMOUS), refresh_token=second.refresh_token),
    ):
        with pytest.raises(AccountSuspended) as refused:
            await door()
        assert (refused.value.until, refused.value.reason) == (until, REASON)
    assert await acts_on(world, person) == [("SUSPENDED", admin.user_id, None, until, REASON)]
    assert await facts_about(world, person) == [("admin", "SuspensionBegan"), ("user", "SuspensionBegan")]
    feed = await world.rows(
        "select kind, category, reason, gig_id, actor_id from notification where user_id = :id",
        id=person.user_id,
    )
    assert [tuple(row) for row in feed] == [
        ("SuspensionBegan", "SYSTEM", "IT_IS_YOUR_ACCOUNT", None, admin.user_id)
    ]


async def test_another_worker_learns_of_it_from_the_database_and_forgets_it_when_all_tokens_have_expired(
    world: World,
) -> None:
    admin, person = await world.admin(), await world.client()
    elsewhere = RevokedSessions()
    assert (
        await elsewhere.follow(world.services.db, now=world.clock()) is True
    )  # the administrator's own role
    until = world.clock() + HOUR

    await suspend(world, admin, person, until=until)

    assert elsewhere.loss_of(person, now=world.clock()) is None
    assert await elsewhere.follow(world.services.db, now=world.clock()) is True
    assert await elsewhere.follow(world.services.db, now=world.clock()) is False
    assert elsewhere.loss_of(person, now=world.clock()) == Loss(LossKind.ACCOUNT_SUSPENDED, until)
    world.clock.move(timedelta(minutes=15))
    await elsewhere.follow(world.services.db, now=world.clock())
    assert elsewhere.loss_of(person, now=world.clock()) is None


async def test_a_suspension_ends_by_itself_at_the_moment_it_says(world: World) -> None:
    admin, person = await world.admin(), await world.client()
    await suspend(world, admin, person, until=world.clock() + HOUR)

    world.clock.move(HOUR - timedelta(microseconds=1))
    with pytest.raises(AccountSuspended):
        await sign_in(world, person)
    world.clock.move(timedelta(microseconds=1))
    await sign_in(world, person)  # before the job has run
    await run_due_jobs(world.as_(ANONYMOUS))

    user = await world.get(User, person.require_user())
    assert (user.status, user.suspended_until, user.suspension_remark_id) == (UserStatus.ACTIVE, None, None)
    assert [act[:2] for act in await acts_on(world, person)] == [
        ("SUSPENDED", admin.user_id),
        ("RESTORED", None),
    ]
    assert await facts_about(world, person) == [
        (place, kind) for place in ("admin", "user") for kind in ("SuspensionBegan", "SuspensionEnded")
    ]
    await sign_in(world, person)


async def test_a_suspension_that_was_made_longer_does_not_end_at_its_first_end(world: World) -> None:
    admin, person = await world.admin(), await world.client()
    await suspend(world, admin, person, until=world.clock() + HOUR)
    await suspend(world, admin, person, until=None, reason="Again.")

    world.clock.move(2 * HOUR)
    await run_due_jobs(world.as_(ANONYMOUS))

    with pytest.raises(AccountSuspended) as refused:
        await sign_in(world, person)
    assert (refused.value.until, refused.value.reason) == (None, "Again.")


async def test_a_restored_account_signs_in_anew_and_its_old_sessions_stay_ended(world: World) -> None:
    admin, person = await world.admin(), await world.client()
    old = await sign_in(world, person)
    await suspend(world, admin, person)

    await restore_account(world.as_(admin), person.require_user(), reason="A mistake.")
    again = await restore_account(world.as_(admin), person.require_user(), reason=None)

    assert again.outcome == "NOOP"
    # Of before the suspension: it is refused for what holds now, not for what is over.
    assert world.services.revoked.loss_of(person, now=world.clock()) == Loss(LossKind.ROLES_CHANGED)
    with pytest.raises(SessionEnded):
        await refresh_session(world.as_(ANONYMOUS), refresh_token=old.refresh_token)
    fresh = await sign_in(world, person)
    viewer = world.services.tokens.viewer_of(fresh.access_token, now=world.clock())
    assert world.services.revoked.loss_of(viewer, now=world.clock()) is None
    assert await acts_on(world, person) == [
        ("SUSPENDED", admin.user_id, None, None, REASON),
        ("RESTORED", admin.user_id, None, None, "A mistake."),
    ]


async def test_a_sign_in_that_races_a_suspension_leaves_no_session_behind(world: World) -> None:
    admin = await world.admin()
    for _ in range(5):
        person = await world.client()

        await race([sign_in(world, person), suspend(world, admin, person), sign_in(world, person)])

        alive = "select count(*) from session where user_id = :id and revoked_at is null"
        assert (await world.rows(alive, id=person.user_id))[0][0] == 0


async def test_a_suspension_needs_a_reason_and_an_end_in_the_future(world: World) -> None:
    admin, person = world.as_(await world.admin()), await world.client()
    before = await world.footprint()

    outcomes = await race([
        suspend_account(admin, person.require_user(), reason=" ", until=None),
        suspend_account(admin, person.require_user(), reason=REASON, until=world.clock()),
        suspend_account(admin, new_id(), reason=REASON, until=None),
    ])  # fmt: skip

    assert kinds(outcomes) == {"Refusals": 2, "NotFound": 1}
    broken = [outcome.refusals[0] for outcome in outcomes if isinstance(outcome, Refusals)]
    assert [(r.path, r.constraint) for r in broken if isinstance(r, Invalid)] == [
        (("reason",), "LENGTH"),
        (("until",), "FUTURE"),
    ]
    assert await world.footprint() == before


# -- who may -------------------------------------------------------------------------------------------------------------


async def test_only_super_admins_act_on_administrators_and_nobody_on_themselves(world: World) -> None:
    admin, other, boss = await world.admin(), await world.admin(), await world.admin(Role.SUPER_ADMIN)
    client, freelancer = await world.client(), await world.freelancer()
    as_admin, as_boss, as_client = world.as_(admin), world.as_(boss), world.as_(client)
    before = await world.footprint()

    refused: list[Any] = [
        suspend(world, client, freelancer),
        suspend(world, admin, other),
        suspend(world, admin, boss),
        suspend(world, admin, admin),
        suspend(world, boss, boss),
        restore_account(as_admin, boss.require_user(), reason=None),
        grant_role(as_client, client.require_user(), Role.FREELANCER, reason=REASON),
        grant_role(as_admin, client.require_user(), Role.ADMIN, reason=REASON),
        grant_role(as_admin, client.require_user(), Role.SUPER_ADMIN, reason=REASON),
        grant_role(as_admin, admin.require_user(), Role.FREELANCER, reason=REASON),
        revoke_role(as_admin, other.require_user(), Role.ADMIN, reason=REASON),
        revoke_role(as_boss, boss.require_user(), Role.SUPER_ADMIN, reason=REASON),
    ]
    outcomes = [(await race([act]))[0] for act in refused]

    needed = [outcome.needed for outcome in outcomes if isinstance(outcome, NotAllowed)]
    assert needed == [
        "ADMIN", "SUPER_ADMIN", "SUPER_ADMIN", "ANOTHER_ADMIN", "ANOTHER_ADMIN", "SUPER_ADMIN", "ADMIN", "SUPER_ADMIN",
        "SUPER_ADMIN", "ANOTHER_ADMIN", "SUPER_ADMIN", "ANOTHER_ADMIN",
    ]  # fmt: skip
    assert kinds(outcomes)["OwnAccount"] == 4
    assert await world.footprint() == before
    await suspend(world, boss, admin)


@pytest.mark.parametrize("act", ["suspend", "strip"])
async def test_of_two_super_admins_who_turn_on_each_other_at_once_one_is_left(
    empty_world: World, act: str
) -> None:
    world = empty_world
    one, two = await world.admin(Role.SUPER_ADMIN), await world.admin(Role.SUPER_ADMIN)

    def against(by: Viewer, whom: Viewer) -> Any:
        if act == "suspend":
            return suspend(world, by, whom)
        return revoke_role(world.as_(by), whom.require_user(), Role.SUPER_ADMIN, reason=REASON)

    outcomes = await race([against(one, two), against(two, one)])

    assert kinds(outcomes) == {Receipt.__name__: 1, SignInRequired.__name__: 1}
    left = await world.rows(
        "select id from users where roles @> '{SUPER_ADMIN}' and status = 'ACTIVE'",
    )
    assert len(left) == 1


async def test_who_was_suspended_a_moment_ago_suspends_nobody(world: World) -> None:
    boss, admin, person = await world.admin(Role.SUPER_ADMIN), await world.admin(), await world.client()
    await suspend(world, boss, admin)

    with pytest.raises(SignInRequired):
        await suspend(world, admin, person)

    assert await acts_on(world, person) == []


# -- roles ---------------------------------------------------------------------------------------------------------------


async def test_a_granted_role_comes_with_its_profile_and_makes_access_tokens_of_before_useless(
    world: World,
) -> None:
    admin, person = await world.admin(), await world.client()
    session = await sign_in(world, person)

    await grant_role(world.as_(admin), person.require_user(), Role.FREELANCER, reason="Passed the test.")
    again = await grant_role(world.as_(admin), person.require_user(), Role.FREELANCER, reason="Twice.")

    assert again.outcome == "NOOP"
    revoked, tokens = world.services.revoked, world.services.tokens
    old = tokens.viewer_of(session.access_token, now=world.clock())
    assert revoked.loss_of(old, now=world.clock()) == Loss(LossKind.ROLES_CHANGED)
    _, renewed = await refresh_session(world.as_(ANONYMOUS), refresh_token=session.refresh_token)
    new = tokens.viewer_of(renewed.access_token, now=world.clock())
    assert revoked.loss_of(new, now=world.clock()) is None
    assert new.roles == {Role.CLIENT, Role.FREELANCER}
    profiles = await world.rows("select 1 from freelancer_profile where user_id = :id", id=person.user_id)
    assert len(profiles) == 1
    assert await acts_on(world, person) == [
        ("ROLE_GRANTED", admin.user_id, "FREELANCER", None, "Passed the test.")
    ]
    assert await facts_about(world, person) == [("admin", "RoleGranted"), ("user", "RoleGranted")]


async def test_a_role_that_was_taken_only_an_administrator_gives_back(world: World) -> None:
    admin, person = await world.admin(), await world.person(Role.CLIENT, Role.FREELANCER)
    await revoke_role(world.as_(admin), person.require_user(), Role.FREELANCER, reason=REASON)
    again = await revoke_role(world.as_(admin), person.require_user(), Role.FREELANCER, reason=REASON)
    before = await world.footprint()

    with pytest.raises(RoleTaken):
        await add_role(world.as_(person), role=Role.FREELANCER)

    assert again.outcome == "NOOP"
    assert await world.footprint() == before
    await grant_role(world.as_(admin), person.require_user(), Role.FREELANCER, reason="Talked about it.")
    assert (await world.get(User, person.require_user())).role_set == {Role.CLIENT, Role.FREELANCER}


async def test_the_first_super_admin_is_in_the_audit_log_without_an_actor(world: World) -> None:
    boss = await world.admin(Role.SUPER_ADMIN)

    assert await acts_on(world, boss) == [("ROLE_GRANTED", None, "SUPER_ADMIN", None, None)]
    assert await facts_about(world, boss) == [("admin", "RoleGranted"), ("user", "RoleGranted")]


# -- what becomes of the person's work -------------------------------------------------------------------------------------


async def test_gigs_of_the_suspended_are_hidden_but_from_those_with_a_part_in_them(world: World) -> None:
    admin, hired = await world.admin(), await world.hired(wanted=2)
    stranger, applicant, invited = [await world.freelancer() for _ in range(3)]
    bid = await world.application(applicant, hired.gig_id)
    await invitations.invite_freelancer(
        world.as_(hired.client), hired.gig_id, freelancer_id=invited.require_user(), message=None
    )
    gig = encode_id("gig", hired.gig_id)
    document = "query ($id: ID!) { gig(id: $id) { id } gigs(first: 100) { nodes { id } } }"

    async def who_sees() -> list[tuple[bool, bool]]:
        answers = [
            await world.data(viewer, document, id=gig)
            for viewer in (ANONYMOUS, stranger, applicant, invited, hired.freelancer, admin)
        ]
        return [(answer["gig"] is not None, _lists(answer, gig)) for answer in answers]

    before = await who_sees()
    await suspend(world, admin, hired.client)
    during = await who_sees()

    with pytest.raises(NotFound):
        await world.application(stranger, hired.gig_id)
    with pytest.raises(GigWithheld):
        await world.application(invited, hired.gig_id)
    # Contracts go on.
    await contracts.submit_work(world.as_(hired.freelancer), hired.contract_id, note=None)
    await restore_account(world.as_(admin), hired.client.require_user(), reason=None)
    await applications.accept_application(world.as_(hired.client), bid)
    assert before == [(True, True)] * 6
    assert during == [(False, False)] * 2 + [(True, True)] * 4
    assert await who_sees() == [(True, True)] * 6


async def test_a_gig_that_races_the_suspension_of_its_client_is_withheld_as_well(world: World) -> None:
    admin, stranger = await world.admin(), await world.freelancer()
    clients = [await world.client() for _ in range(8)]

    posted, _ = await asyncio.gather(
        asyncio.gather(*(world.open_gig(client) for client in clients)),
        asyncio.gather(*(suspend(world, admin, client) for client in clients)),
    )

    for gig_id in posted:
        assert await world.data(stranger, GIG, id=encode_id("gig", gig_id)) == {"gig": None}
    for client in clients:
        await restore_account(world.as_(admin), client.require_user(), reason=None)
    for gig_id in posted:
        shown = encode_id("gig", gig_id)
        assert await world.data(stranger, GIG, id=shown) == {"gig": {"id": shown}}


async def test_a_copy_of_a_gig_and_the_suspension_of_its_client_never_wait_for_each_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, client = await world.admin(), await world.client()
    gig_id = await world.open_gig(client)
    content_of = gigs._content_of
    has_locked = asyncio.Event()

    async def read_while_somebody_waits(*arguments: Any) -> Any:
        has_locked.set()
        content = await content_of(*arguments)
        await world.somebody_waits()
        return content

    monkeypatch.setattr(gigs, "_content_of", read_while_somebody_waits)

    async def suspend_beside() -> Receipt:
        await has_locked.wait()
        return await suspend(world, admin, client)

    copied, suspended = await asyncio.gather(gigs.duplicate_gig(world.as_(client), gig_id), suspend_beside())

    assert (copied.outcome, suspended.outcome) == (Outcome.APPLIED, Outcome.APPLIED)
    rows = await world.rows("select is_withheld from gig where client_id = :id", id=client.require_user())
    assert [row.is_withheld for row in rows] == [True, True]


async def test_profiles_of_the_suspended_are_hidden_but_from_those_with_business(world: World) -> None:
    admin, hired = await world.admin(), await world.hired()
    stranger = await world.client()
    freelancer = encode_id("freelancer", hired.freelancer.require_user())
    document = "query ($id: ID!) { freelancer(id: $id) { id } freelancers(first: 100) { nodes { id } } }"

    await suspend(world, admin, hired.freelancer)

    answers = [
        await world.data(viewer, document, id=freelancer)
        for viewer in (ANONYMOUS, stranger, hired.client, admin)
    ]
    assert [answer["freelancer"] is not None for answer in answers] == [False, False, True, True]
    assert [{"id": freelancer} in answer["freelancers"]["nodes"] for answer in answers[:2]] == [False, False]


async def test_a_suspended_freelancer_is_not_hired(world: World) -> None:
    admin, client, freelancer = await world.admin(), await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    bid = await world.application(freelancer, gig_id)
    await suspend(world, admin, freelancer)
    before = await world.footprint()

    with pytest.raises(ApplicantAway):
        await applications.accept_application(world.as_(client), bid)

    assert await world.footprint() == before
    await restore_account(world.as_(admin), freelancer.require_user(), reason=None)
    await applications.accept_application(world.as_(client), bid)


async def test_an_invite_only_gig_stays_what_it_is(world: World) -> None:
    """The scope of those who have a part in a gig holds for public gigs, too, and opens nothing else."""
    client, invited, stranger = await world.client(), await world.freelancer(), await world.freelancer()
    gig_id = await world.open_gig(client, visibility=GigVisibility.INVITE_ONLY)
    await invitations.invite_freelancer(
        world.as_(client), gig_id, freelancer_id=invited.require_user(), message=None
    )
    document = "query ($id: ID!) { gig(id: $id) { id } }"

    answers = [
        await world.data(viewer, document, id=encode_id("gig", gig_id))
        for viewer in (invited, stranger, ANONYMOUS)
    ]

    assert [answer["gig"] is not None for answer in answers] == [True, False, False]


# -- the audit log ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", ["update admin_act set actor_id = null", "delete from admin_act"])
async def test_the_audit_log_only_grows(world: World, change: str) -> None:
    admin, person = await world.admin(), await world.client()
    await suspend(world, admin, person)

    with pytest.raises(DBAPIError, match="never changed or deleted"):
        async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
            await tx.execute(sa.text(f"{change} where account_id = :id").bindparams(id=person.user_id))

    assert len(await acts_on(world, person)) == 1


async def test_a_repeat_under_the_same_key_suspends_once(world: World) -> None:
    admin, person = await world.admin(), await world.client()
    act = {"reason": REASON, "until": None}

    first = await suspend_account(world.as_(admin, key="k"), person.require_user(), **act)  # type: ignore[arg-type]
    outcomes = await race(
        [suspend_account(world.as_(admin, key="k"), person.require_user(), **act)]  # type: ignore[arg-type]
    )

    assert first.outcome == "APPLIED"
    assert kinds(outcomes) == {"Replayed": 1}
    assert len(await acts_on(world, person)) == 1


def _lists(answer: dict[str, Any], gig: str) -> bool:
    return {"id": gig} in answer["gigs"]["nodes"]
