"""State and events make the fresh state of accounts, too: for the person, and for administrators."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import orjson
import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.event import EVENTS
from models.user import AccountEvent, Role
from resolvers import administration, erasure
from resolvers.jobs import run_due_jobs
from schema.events import KINDS
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import frames_of, replayed

OF_ACCOUNT = "id name email status roles suspendedUntil suspensionReason"
EVENT = "event { __typename " + " ".join(
    f"... on {kind} {{ account {{ {OF_ACCOUNT} }} }}" for kind in KINDS if issubclass(EVENTS[kind], AccountEvent)
) + " }"  # fmt: skip
ROOTS = {
    "person": f"subscription ($after: StreamCursor) {{ viewerEvents(after: $after) {{ cursor notificationCounts {{ unread }} {EVENT} }} }}",
    "admin": f"subscription ($after: StreamCursor) {{ adminEvents(after: $after) {{ cursor {EVENT} }} }}",
}
STATES = {
    "person": f"{{ viewer {{ streamCursor {OF_ACCOUNT} }} notificationCounts {{ unread }} }}",
    "admin": f"query ($text: String!) {{ accounts(where: {{text: $text}}) {{ nodes {{ {OF_ACCOUNT} }} }} }}",
}
Act = Callable[[], Awaitable[object]]


async def state_of(worker: Worker, who: str, viewer: Viewer, email: str) -> dict[str, Any]:
    """The account as the person or an administrator reads it, and the person's badge."""
    if who == "person":
        found = await worker.world.data(viewer, STATES[who])
        found["viewer"].pop("streamCursor")
        return {"account": found["viewer"], "unread": found["notificationCounts"]["unread"]}
    (account,) = (await worker.world.data(viewer, STATES[who], text=email))["accounts"]["nodes"]
    return {"account": account}


async def place_of(worker: Worker, who: str, viewer: Viewer) -> str:
    frames = await frames_of(worker, viewer, ROOTS[who])
    (item,) = orjson.loads((await anext(frames)).raw)["data"].values()
    await frames.aclose()
    assert item["event"]["__typename"] == "StreamReady"
    return str(item["cursor"])


@pytest.mark.parametrize("who", ["person", "admin"])
async def test_every_fact_of_an_account_keeps_what_is_known_of_it_true(start: StartWorker, who: str) -> None:
    worker = await start()
    world = worker.world
    admin, boss, person = await world.admin(), await world.admin(Role.SUPER_ADMIN), await world.freelancer()
    email = (await world.rows("select email from users where id = :id", id=person.user_id))[0][0]
    id, viewer = person.require_user(), person if who == "person" else admin
    as_admin = world.as_(admin)

    async def time_passes() -> None:
        world.clock.move(timedelta(hours=2))
        await run_due_jobs(world.as_(ANONYMOUS))

    def suspended(hours: int | None) -> Act:
        until = None if hours is None else world.clock() + timedelta(hours=hours)
        return lambda: administration.suspend_account(as_admin, id, reason="Spam.", until=until)

    acts: list[tuple[str, Act]] = [
        ("SuspensionBegan", suspended(1)),
        ("SuspensionEnded", time_passes),
        ("SuspensionBegan", suspended(None)),
        ("SuspensionEnded", lambda: administration.restore_account(as_admin, id, reason=None)),
        ("RoleGranted", lambda: administration.grant_role(as_admin, id, Role.CLIENT, reason="Asked.")),
        ("RoleRevoked", lambda: administration.revoke_role(as_admin, id, Role.CLIENT, reason="Spam.")),
    ]
    if who == "admin":
        acts.append(("AccountErased", lambda: erasure.erase_account_of(world.as_(boss), id, reason="Asked.")))
    told: list[str] = []
    for kind, act in acts:
        known = await state_of(worker, who, viewer, email)
        after = await place_of(worker, who, viewer)
        await act()
        for item in await replayed(await frames_of(worker, viewer, ROOTS[who], after=after)):
            known["account"] = item["event"]["account"]
            told.append(item["event"]["__typename"])
            if who == "person":
                known["unread"] = item["notificationCounts"]["unread"]
        if kind == "AccountErased":
            email = known["account"]["email"]
        assert (kind, await state_of(worker, who, viewer, email)) == (kind, known)

    assert told == [kind for kind, _ in acts]
    if who == "admin":
        assert set(told) == {name for name in KINDS if issubclass(EVENTS[name], AccountEvent)}
