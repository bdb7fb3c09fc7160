"""Finding people and reading the audit log: by what, in which order, page by page; and the refusals as clients see them."""

from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.ids import encode_id, new_id
from models.user import Role
from resolvers import accounts
from resolvers.administration import grant_role, restore_account, suspend_account
from schema.administration import AccountEraseInput
from schema.payloads import digest_of
from tests.world import PASSWORD, World

ACCOUNTS = """query ($where: AccountWhere, $order: [AccountOrder!], $first: Int, $after: String) {
    accounts(where: $where, orderBy: $order, first: $first, after: $after) {
        totalCount nodes { id name status } pageInfo { hasNextPage endCursor } } }"""


async def named(world: World, name: str, *roles: Role) -> Viewer:
    world.clock.move(timedelta(seconds=1))
    return await world.person(*(roles or (Role.CLIENT,)), name=name)


async def found(world: World, viewer: Viewer, **where: Any) -> list[str]:
    answer = await world.data(viewer, ACCOUNTS, where=where)
    assert answer["accounts"]["totalCount"] == len(answer["accounts"]["nodes"])
    return [node["name"] for node in answer["accounts"]["nodes"]]


async def test_administrators_find_people_by_text_role_and_status(empty_world: World) -> None:
    world = empty_world
    admin = await world.admin()
    ann, bob = await named(world, "Ann 100%"), await named(world, "Bob", Role.FREELANCER)
    await named(world, "Cem", Role.CLIENT, Role.FREELANCER)
    until = world.clock() + timedelta(days=2)
    await suspend_account(world.as_(admin), bob.require_user(), reason="Spam.", until=until)
    email = (await world.rows("select email from users where id = :id", id=ann.user_id))[0][0]

    assert await found(world, admin, text="ANN") == ["Ann 100%"]
    assert await found(world, admin, text="0%") == ["Ann 100%"]
    assert await found(world, admin, text=email.split(".")[1][:8]) == ["Ann 100%"]
    assert await found(world, admin, role="FREELANCER") == ["Cem", "Bob"]
    assert await found(world, admin, role="ADMIN") == ["Ada"]
    assert await found(world, admin, status={"eq": "SUSPENDED"}) == ["Bob"]
    assert await found(world, admin, suspendedUntil={"lte": until.isoformat()}) == ["Bob"]
    assert await found(world, admin, role="CLIENT", status={"ne": "SUSPENDED"}) == ["Cem", "Ann 100%", "Ada"]
    # Others find nobody but themselves, whatever they ask.
    assert await found(world, ann) == ["Ann 100%"]
    assert await found(world, ann, text="Bob") == []
    assert await found(world, ANONYMOUS) == []


async def test_accounts_come_in_the_order_asked_for_page_by_page(empty_world: World) -> None:
    world = empty_world
    admin = await world.admin()
    for name in ("Bob", "Ann", "Ann", "Cem"):
        await named(world, name)
    variables: dict[str, Any] = {"order": [{"field": "NAME", "direction": "ASC"}], "first": 2}

    pages: list[list[str]] = []
    while True:
        page = (await world.data(admin, ACCOUNTS, **variables))["accounts"]
        pages.append([node["name"] for node in page["nodes"]])
        if not page["pageInfo"]["hasNextPage"]:
            break
        variables["after"] = page["pageInfo"]["endCursor"]

    assert pages == [["Ada", "Ann"], ["Ann", "Bob"], ["Cem"]]


async def test_the_audit_log_is_filtered_by_whom_by_whom_to_whom_and_what(empty_world: World) -> None:
    world = empty_world
    admin, other = await world.admin(), await world.admin()
    ann, bob = await named(world, "Ann"), await named(world, "Bob")
    for act in (
        suspend_account(world.as_(admin), ann.require_user(), reason="Spam.", until=None),
        suspend_account(world.as_(other), bob.require_user(), reason="Rude.", until=None),
        restore_account(world.as_(other), ann.require_user(), reason=None),
        grant_role(world.as_(admin), ann.require_user(), Role.FREELANCER, reason="Asked."),
    ):
        world.clock.move(timedelta(seconds=1))
        await act
    document = """query ($where: AdminActWhere) { adminActs(where: $where) {
        totalCount nodes { kind role reason account { name } } } }"""

    async def acts(**where: Any) -> list[tuple[Any, ...]]:
        nodes = (await world.data(admin, document, where=where))["adminActs"]["nodes"]
        return [(n["kind"], n["account"]["name"], n["role"], n["reason"]) for n in nodes]

    granted = ("ROLE_GRANTED", "Ann", "FREELANCER", "Asked.")
    restored, rude = ("RESTORED", "Ann", None, None), ("SUSPENDED", "Bob", None, "Rude.")
    spam = ("SUSPENDED", "Ann", None, "Spam.")
    of_ann, by_other = encode_id("user", ann.require_user()), encode_id("user", other.require_user())
    assert await acts(accountId=of_ann) == [granted, restored, spam]
    assert await acts(actorId=by_other) == [restored, rude]
    assert await acts(kind={"eq": "SUSPENDED"}) == [rude, spam]
    assert await acts(role={"eq": "FREELANCER"}) == [granted]
    assert await acts(at={"gte": world.clock().isoformat()}) == [granted]
    assert (await world.data(ann, document, where={}))["adminActs"] == {"totalCount": 0, "nodes": []}


@pytest.mark.parametrize(
    ("document", "constraint"),
    [
        ('{ accounts(where: {text: "\\u0000"}) { totalCount } }', "PRINTABLE"),
        ('{ adminActs(where: {accountId: "gig_x"}) { totalCount } }', "ID_FORMAT"),
        ("{ accounts(first: 101) { totalCount } }", "RANGE"),
    ],
)
async def test_what_cannot_be_found_by_is_refused(world: World, document: str, constraint: str) -> None:
    body = await world.graphql(await world.admin(), document)

    (error,) = body["errors"]
    assert (error["extensions"]["code"], error["extensions"]["constraint"]) == ("BAD_USER_INPUT", constraint)


async def test_signing_in_to_a_suspended_account_tells_until_when_and_why(world: World) -> None:
    admin, email = await world.admin(), f"{new_id().hex}@example.com"
    receipt, tokens = await accounts.register_account(
        world.as_(ANONYMOUS), email=email, password=PASSWORD, name="Ann", roles=[Role.CLIENT]
    )
    until = world.clock() + timedelta(days=1)
    await suspend_account(world.as_(admin), receipt.entity_id, reason="Spam.", until=until)
    error = "outcome errors { code message ... on AccountSuspendedError { until reason } }"
    document = f"""mutation ($in: SessionCreateInput!, $token: String!) {{
        sessionCreate(input: $in) {{ {error} }} sessionRefresh(input: {{refreshToken: $token}}) {{ {error} }} }}"""
    credentials = {"email": email, "password": PASSWORD}

    answers = await world.data(ANONYMOUS, document, **{"in": credentials, "token": tokens.refresh_token})

    day = until.strftime("%Y-%m-%d %H:%M")
    expected = {
        "outcome": "REJECTED",
        "errors": [{
            "code": "ACCOUNT_SUSPENDED", "until": until.isoformat().replace("+00:00", "Z"), "reason": "Spam.",
            "message": f"This account is suspended until {day} UTC. The reason: Spam.",
        }],
    }  # fmt: skip
    assert answers == {"sessionCreate": expected, "sessionRefresh": expected}


def test_a_password_leaves_no_hash_beside_an_idempotency_key() -> None:
    one, other = (AccountEraseInput(password=password) for password in ("one", "other"))

    assert digest_of(one) == digest_of(other) != digest_of(AccountEraseInput(reason="x"))
