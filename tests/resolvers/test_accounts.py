"""Registering, signing in and out, staying signed in."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from auth.revocation import RevokedSessions
from auth.tokens import ACCESS_LIFETIME
from auth.viewer import ANONYMOUS, SignInRequired
from models.errors import NotAllowed, NotFound, Refusals
from models.idempotency import Outcome
from models.ids import new_id
from models.store.sql import Receipt
from models.user import (
    REFRESH_LIFETIME,
    REUSE_GRACE,
    EmailTaken,
    Role,
    SessionEnded,
    WrongCredentials,
)
from resolvers import administration
from resolvers.accounts import (
    Credentials,
    add_role,
    appoint,
    create_session,
    refresh_session,
    register_account,
    revoke_session,
)
from tests.world import PASSWORD, World, kinds, race

MOMENT = timedelta(microseconds=1)


async def register(world: World, email: str, *roles: Role) -> tuple[Receipt, Credentials]:
    return await register_account(
        world.as_(ANONYMOUS),
        email=email,
        password=PASSWORD,
        name="Zoë 🦊 שלום",
        roles=list(roles or (Role.CLIENT,)),
    )


async def signed_in(world: World) -> Credentials:
    _, credentials = await register(world, f"{new_id().hex}@example.com")
    return credentials


async def refresh(world: World, token: str) -> Credentials:
    _, credentials = await refresh_session(world.as_(ANONYMOUS), refresh_token=token)
    return credentials


def session_of(world: World, credentials: Credentials) -> UUID | None:
    return world.services.tokens.viewer_of(credentials.access_token, now=world.clock()).session_id


async def test_an_address_belongs_to_one_of_two_who_register_at_once_in_any_case(world: World) -> None:
    name = f"Zoe.{new_id().hex}"

    outcomes = await race(
        register(world, email) for email in (f"{name}@example.com", f"{name.upper()}@EXAMPLE.com")
    )

    assert kinds(outcomes) == {"tuple": 1, EmailTaken.__name__: 1}
    statement = "select name, id from users where lower(email) = :email"
    (row,) = await world.rows(statement, email=f"{name}@example.com".lower())
    assert row.name == "Zoë 🦊 שלום"
    assert len(await world.rows("select 1 from client_profile where user_id = :id", id=row.id)) == 1
    assert len(await world.rows("select 1 from session where user_id = :id", id=row.id)) == 1


async def test_nobody_makes_themselves_an_administrator(world: World) -> None:
    person = await world.client()
    before = await world.footprint()

    outcomes = await race(
        [
            register(world, f"{new_id().hex}@example.com", Role.ADMIN),
            add_role(world.as_(person), role=Role.SUPER_ADMIN),
            appoint(world.as_(person), email="nobody@example.com", role=Role.ADMIN),
            appoint(world.as_(ANONYMOUS), email="nobody@example.com", role=Role.ADMIN),
        ]
    )

    assert [type(outcome) for outcome in outcomes] == [Refusals, Refusals, NotAllowed, NotFound]
    assert await world.footprint() == before


async def test_a_wrong_password_and_an_unknown_address_are_refused_alike_of_a_shut_account_too(
    world: World,
) -> None:
    email, shut = f"{new_id().hex}@example.com", f"{new_id().hex}@example.com"
    await register(world, email)
    receipt, _ = await register(world, shut)
    admin = world.as_(await world.admin())
    await administration.suspend_account(admin, receipt.entity_id, reason="Spam.", until=None)
    before = await world.footprint()

    wrong = "wrong " + PASSWORD
    outcomes = await race(
        create_session(world.as_(ANONYMOUS), email=address, password=password)
        for address, password in ((email, wrong), ("x" + email, PASSWORD), (shut, wrong))
    )

    assert kinds(outcomes) == {WrongCredentials.__name__: 3}
    assert {str(outcome) for outcome in outcomes} == {str(outcomes[0])}
    assert await world.footprint() == before
    await create_session(world.as_(ANONYMOUS), email=f" {email.upper()} ", password=PASSWORD)


async def test_eight_refreshes_of_one_token_get_the_same_child(world: World) -> None:
    first = await signed_in(world)

    outcomes = await race(refresh(world, first.refresh_token) for _ in range(8))

    children = {outcome.refresh_token for outcome in outcomes if isinstance(outcome, Credentials)}
    assert kinds(outcomes) == {Credentials.__name__: 8}
    assert len(children) == 1
    rows = await world.rows(
        "select replaced_at from refresh_token where session_id = :id order by replaced_at nulls last",
        id=session_of(world, first),
    )
    assert [row[0] for row in rows] == [world.clock(), None]
    await refresh(world, children.pop())


async def test_a_token_used_again_after_the_grace_ends_the_session_for_thief_and_owner(world: World) -> None:
    first = await signed_in(world)
    child = await refresh(world, first.refresh_token)
    world.clock.move(REUSE_GRACE)
    assert (await refresh(world, first.refresh_token)).refresh_token == child.refresh_token
    world.clock.move(MOMENT)

    outcomes = await race([refresh(world, first.refresh_token)])

    assert kinds(outcomes) == {SessionEnded.__name__: 1}
    session_id = session_of(world, child)
    assert session_id in world.services.revoked
    rows = await world.rows("select revoked_at from session where id = :id", id=session_id)
    assert rows[0][0] == world.clock()
    assert kinds(await race([refresh(world, child.refresh_token)])) == {SessionEnded.__name__: 1}


async def test_a_session_lives_as_long_as_it_is_refreshed_in_time(world: World) -> None:
    first = await signed_in(world)
    world.clock.move(REFRESH_LIFETIME - MOMENT)
    child = await refresh(world, first.refresh_token)
    assert child.refresh_expires_at == world.clock() + REFRESH_LIFETIME
    world.clock.move(REFRESH_LIFETIME)
    before = await world.footprint()

    outcomes = await race([refresh(world, child.refresh_token), refresh(world, "made up")])

    assert kinds(outcomes) == {SessionEnded.__name__: 2}
    assert await world.footprint() == before


async def test_signing_out_ends_the_session_once_and_only_ones_own(world: World) -> None:
    person, other = await world.client(), await world.client()
    before = await world.footprint()
    with pytest.raises(NotFound):
        await revoke_session(world.as_(other), session_id=person.session_id)
    with pytest.raises(SignInRequired):
        await revoke_session(world.as_(ANONYMOUS), session_id=person.session_id)
    assert await world.footprint() == before
    assert person.session_id not in world.services.revoked

    outcomes = await race(revoke_session(world.as_(person), session_id=None) for _ in range(2))

    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert sorted(receipt.outcome for receipt in receipts) == [Outcome.APPLIED, Outcome.NOOP]
    assert person.session_id in world.services.revoked


async def test_a_role_is_taken_once_with_its_profile(world: World) -> None:
    client = await world.client()

    outcomes = await race(add_role(world.as_(client), role=Role.FREELANCER) for _ in range(4))

    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert sorted(r.outcome for r in receipts) == [Outcome.APPLIED, *[Outcome.NOOP] * 3]
    rows = await world.rows("select roles from users where id = :id", id=client.user_id)
    assert rows[0][0] == ["CLIENT", "FREELANCER"]


async def test_other_workers_learn_of_a_revocation_and_forget_it_when_no_token_can_be_alive(
    world: World,
) -> None:
    first, second = await world.client(), await world.client()
    here, there = world.services.revoked, RevokedSessions()
    await revoke_session(world.as_(first), session_id=None)
    assert (first.session_id in here, first.session_id in there) == (True, False)

    await there.follow(world.services.db, now=world.clock())

    assert (first.session_id in there, second.session_id in there) == (True, False)
    world.clock.move(ACCESS_LIFETIME - MOMENT)
    await revoke_session(world.as_(replace(second)), session_id=None)
    for revoked in (here, there):
        await revoked.follow(world.services.db, now=world.clock())
        assert (first.session_id in revoked, second.session_id in revoked) == (True, True)
    world.clock.move(MOMENT)
    for revoked in (here, there):
        await revoked.follow(world.services.db, now=world.clock())
        assert (first.session_id in revoked, second.session_id in revoked) == (False, True)
