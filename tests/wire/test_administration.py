"""Who loses an account, a session or a role loses all streams within a second, two without a broker, and is refused then.

Two workers share a database and a Redis: the act is done in one, the person is connected to the other.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from auth.viewer import ANONYMOUS
from models.gig import GigVisibility
from models.ids import encode_id
from models.user import Role
from resolvers import accounts, erasure, gigs
from resolvers.administration import grant_role, restore_account, revoke_role, suspend_account
from tests.redis_server import RedisServer
from tests.wire.server import token_of
from tests.wire.test_streams import event_in, product
from tests.world import PASSWORD, World

DEADLINE_S = 30
END = "__typename ... on StreamEnd { reason }"
MINE = {
    "all": f"subscription {{ viewerEvents {{ event {{ {END} }} }} }}",
    "mine": f"subscription {{ viewerEvents(topics: [FEEDBACK]) {{ event {{ {END} }} }} }}",
    "told": f"subscription {{ notificationEvents {{ event {{ {END} }} }} }}",
}
OF_ADMINISTRATORS = {"admin": f"subscription {{ adminEvents {{ event {{ {END} }} }} }}"}
REASON = "Asked for money outside the platform."


def of_gig(gig_id: Any) -> dict[str, str]:
    return {
        "gig": f'subscription {{ gigEvents(gigId: "{encode_id("gig", gig_id)}") {{ event {{ {END} }} }} }}'
    }


@dataclass
class Watch:
    """A socket with some subscriptions: what each ended with, and how the socket did."""

    ws: ClientConnection
    ends: dict[str, str] = field(default_factory=dict)
    took_s: float = 0
    closed: tuple[int, str] | None = None

    async def until_ready(self, documents: dict[str, str]) -> None:
        for id, document in documents.items():
            await self._say(id=id, type="subscribe", payload={"query": document})
        waiting = set(documents)
        while waiting:
            message = json.loads(await self.ws.recv())
            if message["type"] == "next" and event_in(json.dumps(message))["__typename"] == "StreamReady":
                waiting.remove(message["id"])

    async def until_closed(self, began: float) -> None:
        """Ends come before the close; `took_s` is when the last of them did."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    message = json.loads(await self.ws.recv())
                    if message["type"] == "next" and (reason := event_in(json.dumps(message)).get("reason")):
                        self.ends[message["id"]] = reason
                        self.took_s = time.monotonic() - began
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            self.closed = closed.rcvd.code, closed.rcvd.reason

    async def _say(self, **message: Any) -> None:
        await self.ws.send(json.dumps(message))


@asynccontextmanager
async def watching(address: str, token: str | None, documents: dict[str, str]) -> AsyncIterator[Watch]:
    async with connect(
        address.replace("http", "ws") + "/graphql",
        subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
    ) as ws:
        payload = {} if token is None else {"authorization": f"Bearer {token}"}
        await ws.send(json.dumps({"type": "connection_init", "payload": payload}))
        watch = Watch(ws)
        await watch.until_ready(documents)
        yield watch


@dataclass
class Workers:
    """`acting` writes through one worker, `address` is the other one."""

    acting: World
    address: str
    redis: RedisServer

    async def post(self, token: str) -> httpx.Response:
        async with httpx.AsyncClient(timeout=DEADLINE_S) as client:
            return await client.post(
                f"{self.address}/graphql",
                json={"query": "{ viewer { name } }"},
                headers={"authorization": f"Bearer {token}"},
            )

    async def init_closes(self, token: str) -> tuple[int, str]:
        """How a new socket ends that brings the token."""
        async with connect(
            self.address.replace("http", "ws") + "/graphql",
            subprotocols=["graphql-transport-ws"],  # type: ignore[list-item]
        ) as ws:
            message = {"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}
            await ws.send(json.dumps(message))
            with pytest.raises(ConnectionClosed) as closed:
                await ws.recv()
        assert closed.value.rcvd is not None
        return closed.value.rcvd.code, closed.value.rcvd.reason


@pytest.fixture
async def workers(
    database_url: str, world: World, tmp_path: Path, redis_server: RedisServer
) -> AsyncIterator[Workers]:
    broker = {"BROKER_URL": redis_server.url}
    async with (
        product(database_url, world, tmp_path, variables=broker) as (_, acting),
        product(database_url, world, tmp_path, variables=broker) as (address, _),
    ):
        yield Workers(acting, address, redis_server)


@pytest.fixture(params=[pytest.param(True, id="broker"), pytest.param(False, id="no-broker")])
def bound_s(request: pytest.FixtureRequest, workers: Workers) -> Callable[[], float]:
    """Called when everybody is connected: the broker lives, or dies now; how long an end may take then."""

    def begin() -> float:
        if not request.param:
            workers.redis.kill()
        return 1 if request.param else 2

    return begin


async def test_a_ban_ends_all_streams_of_the_account_and_refuses_it_at_every_door(
    workers: Workers, world: World, bound_s: Callable[[], float]
) -> None:
    admin, person = await world.admin(), await world.client()
    gig_id = await world.open_gig(person)
    token = token_of(world, person)
    until = "2027-01-31T10:00:00+00:00"

    async with watching(workers.address, token, MINE | of_gig(gig_id)) as watch:
        limit, began = bound_s(), time.monotonic()
        await suspend_account(
            workers.acting.as_(admin),
            person.require_user(),
            reason=REASON,
            until=datetime.fromisoformat(until),
        )
        await watch.until_closed(began)
    refused = await workers.post(token)

    assert watch.ends == dict.fromkeys([*MINE, "gig"], "ACCOUNT_SUSPENDED")
    assert watch.took_s < limit
    text = "ACCOUNT_SUSPENDED: This account is suspended until 2027-01-31 10:00 UTC."
    assert watch.closed == (4403, text)
    assert refused.status_code == 401
    error = refused.json()["errors"][0]["extensions"]
    assert (error["code"], error["until"]) == ("ACCOUNT_SUSPENDED", until)
    assert await workers.init_closes(token) == (4403, text)


async def test_a_ban_ends_a_stream_of_server_sent_events(
    workers: Workers, world: World, bound_s: Callable[[], float]
) -> None:
    admin, person = await world.admin(), await world.client()

    async def act() -> None:
        await suspend_account(workers.acting.as_(admin), person.require_user(), reason=REASON, until=None)

    last, took_s, limit = await told_last(workers, token_of(world, person), act, bound_s)

    assert last == {"__typename": "StreamEnd", "reason": "ACCOUNT_SUSPENDED"}
    assert took_s < limit


async def test_a_suspended_account_begins_no_stream_and_moves_no_file(
    database_url: str, world: World, tmp_path: Path
) -> None:
    admin, person = await world.admin(), await world.client()
    headers = {"authorization": f"Bearer {token_of(world, person)}"}
    events = headers | {"accept": "text/event-stream"}

    async with (
        product(database_url, world, tmp_path) as (address, acting),
        httpx.AsyncClient(base_url=address, timeout=DEADLINE_S) as client,
    ):
        taken = await client.put("/files", params={"name": "plan.txt"}, content=b"A plan.", headers=headers)
        await suspend_account(acting.as_(admin), person.require_user(), reason=REASON, until=None)
        refused = [
            await client.put("/files", params={"name": "more.txt"}, content=b"More.", headers=headers),
            await client.get(f"/files/{taken.json()['id']}", headers=headers),
            await client.post("/graphql", json={"query": MINE["told"]}, headers=events),
        ]

    assert taken.status_code == 201
    codes = [(answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) for answer in refused]
    assert codes == [(401, "ACCOUNT_SUSPENDED")] * 3
    kept = await world.rows("select name from attachment where uploader_id = :id", id=person.user_id)
    assert [row.name for row in kept] == ["plan.txt"]


async def test_an_administrator_who_is_one_no_longer_loses_all_streams_and_goes_on_after_renewing(
    workers: Workers, world: World, bound_s: Callable[[], float]
) -> None:
    boss, admin = await world.admin(Role.SUPER_ADMIN), await world.admin()
    email = (await world.rows("select email from users where id = :id", id=admin.user_id))[0][0]
    _, session = await accounts.create_session(world.as_(ANONYMOUS), email=email, password=PASSWORD)

    async with watching(workers.address, session.access_token, MINE | OF_ADMINISTRATORS) as watch:
        limit, began = bound_s(), time.monotonic()
        await revoke_role(workers.acting.as_(boss), admin.require_user(), Role.ADMIN, reason="Left the team.")
        await watch.until_closed(began)
    refused = await workers.post(session.access_token)
    _, renewed = await accounts.refresh_session(world.as_(ANONYMOUS), refresh_token=session.refresh_token)
    welcome = await workers.post(renewed.access_token)

    assert watch.ends == dict.fromkeys([*MINE, "admin"], "ROLES_CHANGED")
    assert watch.took_s < limit
    assert watch.closed is not None and watch.closed[0] == 4403
    assert (refused.status_code, refused.json()["errors"][0]["extensions"]["code"]) == (401, "ROLES_CHANGED")
    assert welcome.json() == {"data": {"viewer": {"name": "Ada"}}} | {
        "extensions": welcome.json()["extensions"]
    }
    async with watching(workers.address, renewed.access_token, MINE):
        pass


async def test_a_role_that_was_given_reaches_server_sent_events_too(
    workers: Workers, world: World, bound_s: Callable[[], float]
) -> None:
    admin, person = await world.admin(), await world.client()

    async def act() -> None:
        await grant_role(workers.acting.as_(admin), person.require_user(), Role.FREELANCER, reason="Asked.")

    last, took_s, limit = await told_last(workers, token_of(world, person), act, bound_s)

    assert last == {"__typename": "StreamEnd", "reason": "ROLES_CHANGED"}
    assert took_s < limit


async def test_who_leaves_for_good_loses_all_streams(
    workers: Workers, world: World, bound_s: Callable[[], float]
) -> None:
    person = await world.freelancer()
    token = token_of(world, person)

    async with watching(workers.address, token, MINE) as watch:
        limit = bound_s()
        await erasure.erase_own_account(workers.acting.as_(person), password=PASSWORD)
        # Erasing takes its time; what counts is when it is done.
        await watch.until_closed(time.monotonic())

    assert watch.ends == dict.fromkeys(MINE, "SESSION_ENDED")
    assert watch.took_s < limit
    assert (await workers.post(token)).status_code == 401


async def test_a_session_that_was_revoked_ends_in_another_worker(
    workers: Workers, world: World, bound_s: Callable[[], float]
) -> None:
    person = await world.freelancer()
    token = token_of(world, person)

    async with watching(workers.address, token, MINE) as watch:
        limit, began = bound_s(), time.monotonic()
        await accounts.revoke_session(workers.acting.as_(person), session_id=None)
        await watch.until_closed(began)

    assert watch.ends == dict.fromkeys(MINE, "SESSION_ENDED")
    assert watch.took_s < limit


async def test_strangers_lose_the_streams_of_a_gig_whose_client_is_banned_and_partners_keep_them(
    workers: Workers, world: World, bound_s: Callable[[], float]
) -> None:
    admin, hired = await world.admin(), await world.hired(wanted=2)
    stranger = await world.freelancer()
    document = of_gig(hired.gig_id)

    async with (
        watching(workers.address, token_of(world, hired.freelancer), document) as partner,
        watching(workers.address, None, document) as nobody,
        watching(workers.address, token_of(world, stranger), document) as watch,
    ):
        limit, began = bound_s(), time.monotonic()
        client = hired.client.require_user()
        await suspend_account(workers.acting.as_(admin), client, reason=REASON, until=None)
        ends = [await event_end(socket, began) for socket in (watch, nobody)]
        await restore_account(workers.acting.as_(admin), client, reason=None)
        await gigs.pause_gig(workers.acting.as_(hired.client), hired.gig_id)
        async with asyncio.timeout(DEADLINE_S):
            after = event_in(await partner.ws.recv())["__typename"]

    assert [reason for reason, _ in ends] == ["ACCESS_LOST"] * 2
    assert max(took_s for _, took_s in ends) < limit
    assert after == "GigPaused"


async def test_strangers_lose_a_gig_that_is_made_private(
    workers: Workers, world: World, bound_s: Callable[[], float]
) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)

    async with watching(workers.address, None, of_gig(gig_id)) as watch:
        limit, began = bound_s(), time.monotonic()
        private = {"visibility": GigVisibility.INVITE_ONLY}
        await gigs.edit_gig(workers.acting.as_(client), gig_id, private, expected_version=None)
        reason, took_s = await event_end(watch, began)

    assert reason == "ACCESS_LOST"
    assert took_s < limit


async def test_with_one_worker_all_of_it_happens_without_a_broker(
    database_url: str, world: World, tmp_path: Path
) -> None:
    admin, person = await world.admin(), await world.client()
    gig_id = await world.open_gig(person)

    async with (
        product(database_url, world, tmp_path) as (address, acting),
        watching(address, token_of(world, person), MINE) as watch,
        watching(address, None, of_gig(gig_id)) as stranger,
    ):
        began = time.monotonic()
        await suspend_account(acting.as_(admin), person.require_user(), reason=REASON, until=None)
        end = await event_end(stranger, began)
        await watch.until_closed(began)

    assert (end[0], watch.ends) == ("ACCESS_LOST", dict.fromkeys(MINE, "ACCOUNT_SUSPENDED"))
    assert max(end[1], watch.took_s) < 1


async def event_end(watch: Watch, began: float) -> tuple[str, float]:
    """The reason of the one subscription that ends; the socket stays."""
    async with asyncio.timeout(DEADLINE_S):
        event = event_in(await watch.ws.recv())
    return event["reason"], time.monotonic() - began


async def told_last(
    workers: Workers, token: str, act: Callable[[], Awaitable[None]], bound_s: Callable[[], float]
) -> tuple[dict[str, Any], float, float]:
    """The last event that a stream of server-sent events tells after the act, when that was, and when it had to be."""
    headers = {"authorization": f"Bearer {token}", "accept": "text/event-stream"}
    last, took_s, limit, began = {}, 0.0, 0.0, 0.0
    async with (
        httpx.AsyncClient(timeout=DEADLINE_S) as client,
        client.stream(
            "POST", f"{workers.address}/graphql", json={"query": MINE["told"]}, headers=headers
        ) as answer,
    ):
        async for line in answer.aiter_lines():
            if not line.startswith("data: {"):
                continue
            (item,) = json.loads(line.removeprefix("data: "))["data"].values()
            last = item["event"]
            took_s = time.monotonic() - began
            if last["__typename"] == "StreamReady":
                limit, began = bound_s(), time.monotonic()
                await act()
    return last, took_s, limit
