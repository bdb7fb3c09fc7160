"""State and events make the fresh state: who keeps a snapshot and applies what is told never needs to read again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial, reduce
from itertools import pairwise
from typing import Any

import orjson
import pytest
from graphql import GraphQLObjectType, GraphQLUnionType

from auth.viewer import Viewer
from models.application import DeclineReason, WithdrawReason
from models.board_events import BoardEvent
from models.contract import EndReason
from models.event import EVENTS
from models.ids import encode_id, new_id
from models.kept_events import KeptEvent, ReportEvent
from models.room_events import (
    ChatPreferenceSet,
    ChatPresenceSet,
    PersonBlockEvent,
    PersonStatusSet,
    RoomEvent,
)
from models.snippet_events import SnippetEvent
from models.user import AccountEvent
from resolvers import applications, contracts, feedback, gigs, invitations, notifications, profiles
from resolvers.applications import Answer
from resolvers.operation import Rules
from resolvers.profiles import Rate
from schema.events import KINDS
from schema.execution import Frame
from schema.places import unpacked
from tests.schema.stage import AXES, CALLERS, Scene, Stage, key
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import DEADLINE_S, frames_of, replayed
from tests.subscriptions.test_merge import streams_in

FIELDS = """
fragment G on Gig { id title status visibility wanted hired applicationCount version publishedAt updatedAt statusNote
  budget { min { amount } max { amount } } skills { name } viewer { can } allowedTransitions { verb } }
fragment A on Application { id status version coverLetter }
fragment C on Contract { id status progressPercent version }
fragment I on GigInvitation { id status }
"""
PROFILE = "headline overview rate { amount } hoursPerWeek country"
# The place in all that concerns a person is read first: the gig is another root field, so it may be a little newer.
SNAPSHOT = f"""query ($gig: ID!) {{ viewer {{ streamCursor freelancer {{ {PROFILE} }} }} notificationCounts {{ unseen unread }}
  gig(id: $gig) {{ streamCursor ...G
    applications(first: 100) {{ nodes {{ ...A }} }} contracts(first: 100) {{ nodes {{ ...C }} }}
    invitations(first: 100) {{ nodes {{ ...I }} }} }} }}"""
LISTS = {"application": "applications", "contract": "contracts", "invitation": "invitations"}
SPREADS = {"gig": "G", "application": "A", "contract": "C", "invitation": "I"}

State = dict[str, Any]


@dataclass
class Known:
    """What a client keeps, and the places it goes on from: in the gig, and in all that concerns the person."""

    gig: State | None
    badge: dict[str, int]
    profile: State | None
    in_gig: str | None
    in_all: str | None


async def snapshot(worker: Worker, viewer: Viewer, gig: str) -> Known:
    found = await worker.world.data(viewer, SNAPSHOT + FIELDS, gig=gig)
    gig_found, me = found["gig"], found["viewer"] or {}
    known = Known(None, found["notificationCounts"], me.get("freelancer"), None, me.get("streamCursor"))
    if gig_found is not None:
        known.in_gig = gig_found.pop("streamCursor")
        lists = {name: {node["id"]: node for node in gig_found.pop(name)["nodes"]} for name in LISTS.values()}
        known.gig = {"gig": gig_found, **lists}
    return known


def apply(state: State | None, event: Mapping[str, Any]) -> State | None:
    """The reference reducer: whatever a fact links to is now as the fact shows it."""
    if state is None and event.get("gig") is not None:
        state = {"gig": None} | {name: {} for name in LISTS.values()}  # seen for the first time
    for link in SPREADS:
        found = event.get(link)
        if found is None or state is None:
            continue
        if link == "gig":
            state["gig"] = found
        else:
            state[LISTS[link]][found["id"]] = found
    return state


# -- what is told ----------------------------------------------------------------------------------------------------------


def subscription(worker: Worker, root: str, declared: str, arguments: str, more: str = "") -> str:
    """Every fact with everything it links to, as the schema has it."""
    union = worker.world.schema._schema.type_map["StreamEvent"]
    assert isinstance(union, GraphQLUnionType)
    return f"""subscription ({declared}) {{ {root}({arguments}) {{
      cursor {more} event {{ __typename {" ".join(member(kind) for kind in union.types)} }} }} }} {FIELDS}"""


def member(kind: GraphQLObjectType) -> str:
    links = " ".join(f"{link} {{ ...{spread} }}" for link, spread in SPREADS.items() if link in kind.fields)
    links += " parts" if kind.name == "ProfileEdited" else ""
    return f"... on {kind.name} {{ {links} }}" if links else ""


async def follow(worker: Worker, viewer: Viewer, gig: str, after: str) -> AsyncGenerator[Frame, None]:
    document = subscription(
        worker, "gigEvents", "$gig: ID!, $after: StreamCursor", "gigId: $gig, after: $after"
    )
    return await frames_of(worker, viewer, document, gig=gig, after=after)


async def follow_all(worker: Worker, viewer: Viewer, after: str) -> AsyncGenerator[Frame, None]:
    badge = "notificationCounts { unseen unread }"
    document = subscription(worker, "viewerEvents", "$after: StreamCursor", "after: $after", badge)
    return await frames_of(worker, viewer, document, after=after)


# -- everything that can happen to a gig ----------------------------------------------------------------------------------

Act = Callable[[Stage, Scene], Awaitable[object]]


async def keep(scene: Scene, name: str, receipt: Awaitable[Any]) -> None:
    scene.ids[name] = encode_id(name.partition("_")[0], (await receipt).entity_id)


def _judged(stage: Stage, scene: Scene, name: str) -> Awaitable[object]:
    return keep(
        scene,
        f"feedback_{name}",
        feedback.leave_feedback(stage.as_(name), key(scene.contract), axes=AXES, comment="Said."),
    )


def story() -> Iterator[Act]:
    """From a draft to mutual feedback, over every way of a gig, an application, a contract and an invitation."""
    owner = "owner"
    yield lambda s, g: gigs.edit_gig(s.as_(owner), key(g.gig), {"title": "Other"}, expected_version=None)
    yield lambda s, g: gigs.publish_gig(
        s.world.with_rules(Rules(gigs_need_approval=True)).as_(s[owner]), key(g.gig)
    )
    yield lambda s, g: gigs.request_gig_changes(s.as_("admin"), key(g.gig), reason="Say more.")
    yield lambda s, g: gigs.publish_gig(
        s.world.with_rules(Rules(gigs_need_approval=True)).as_(s[owner]), key(g.gig)
    )
    yield lambda s, g: gigs.approve_gig(s.as_("admin"), key(g.gig))
    yield lambda s, g: gigs.edit_gig(s.as_(owner), key(g.gig), {"title": "Another"}, expected_version=None)
    yield lambda s, g: gigs.pause_gig(s.as_(owner), key(g.gig))
    yield lambda s, g: gigs.resume_gig(s.as_(owner), key(g.gig))
    for name, accepts in (("applicant", True), ("freelancer", False)):
        yield partial(_invited, name)
        yield partial(_answered, name, accepts)
    yield lambda s, g: keep_application(s, g, "applicant")
    yield lambda s, g: applications.edit_application(
        s.as_("applicant"), key(g.application_applicant), {"cover_letter": "Better."}, expected_version=None)  # fmt: skip
    yield lambda s, g: applications.mark_application_viewed(s.as_(owner), key(g.application_applicant))
    yield lambda s, g: applications.shortlist_application(s.as_(owner), key(g.application_applicant))
    yield lambda s, g: applications.unshortlist_application(s.as_(owner), key(g.application_applicant))
    yield lambda s, g: applications.decline_application(
        s.as_(owner), key(g.application_applicant), reason=DeclineReason.PRICE, message="No.")  # fmt: skip
    yield lambda s, g: keep_application(s, g, "hired")
    yield lambda s, g: applications.withdraw_application(
        s.as_("hired"), key(g.application_hired), reason=WithdrawReason.TERMS, note="No.")  # fmt: skip
    yield lambda s, g: keep_application(s, g, "hired")
    yield lambda s, g: keep(
        g, "contract", applications.accept_application(s.as_(owner), key(g.application_hired))
    )
    yield lambda s, g: contracts.report_progress(
        s.as_("hired"), key(g.contract), percent=50, note="Half.", expected_version=None)  # fmt: skip
    yield lambda s, g: contracts.pause_contract(s.as_("hired"), key(g.contract), note=None)
    yield lambda s, g: contracts.resume_contract(s.as_(owner), key(g.contract))
    yield lambda s, g: gigs.stop_hiring(s.as_(owner), key(g.gig))
    yield lambda s, g: contracts.submit_work(s.as_("hired"), key(g.contract), note=None)
    yield lambda s, g: contracts.request_changes(s.as_(owner), key(g.contract), note="More.")
    yield lambda s, g: contracts.submit_work(s.as_("hired"), key(g.contract), note=None)
    yield lambda s, g: contracts.approve_work(s.as_(owner), key(g.contract))
    yield lambda s, g: _judged(s, g, owner)
    yield lambda s, g: _judged(s, g, "hired")
    yield lambda s, g: feedback.reply_to_feedback(s.as_("hired"), key(g.feedback_owner), body="Thanks.")


async def _invited(name: str, stage: Stage, scene: Scene) -> None:
    invitation = invitations.invite_freelancer(
        stage.as_("owner"), key(scene.gig), freelancer_id=stage[name].require_user(), message=None
    )
    await keep(scene, "invitation", invitation)


async def _answered(name: str, accepts: bool, stage: Stage, scene: Scene) -> None:
    await invitations.answer_invitation(stage.as_(name), key(scene.invitation), accepts=accepts, note=None)


def keep_application(stage: Stage, scene: Scene, name: str) -> Awaitable[object]:
    async def submit() -> None:
        scene.ids[f"application_{name}"] = await stage.apply(name, scene)

    return submit()


async def _published(stage: Stage, scene: Scene) -> None:
    await gigs.publish_gig(stage.as_("owner"), key(scene.gig))


async def _rejected(stage: Stage, scene: Scene) -> None:
    await gigs.reject_gig(stage.as_("admin"), key(scene.gig), reason="Not here.")


async def _cancelled(stage: Stage, scene: Scene) -> None:
    await gigs.cancel_gig(stage.as_("owner"), key(scene.gig), note="No money.")


async def _expired_and_reopened(stage: Stage, scene: Scene) -> None:
    operation = stage.as_("anonymous")
    stage.world.clock.move(timedelta(days=31))
    async with operation.transaction() as tx:
        await gigs.expire_gig(operation, tx, key(scene.gig))
    deadline = operation.now() + timedelta(days=9)
    await gigs.reopen_gig(stage.as_("owner"), key(scene.gig), deadline=deadline)


async def _ended_early(stage: Stage, scene: Scene) -> None:
    """Everybody wanted is hired, then the only contract ends, and nothing was done."""
    application = await stage.apply("hired", scene)
    receipt = await applications.accept_application(stage.as_("owner"), key(application))
    await contracts.end_contract(stage.as_("owner"), receipt.entity_id, reason=EndReason.OTHER, note="Bye.")


async def _begun(stage: Stage, scene: Scene) -> None:
    scene.ids |= (await stage.draft()).ids


async def _marked(stage: Stage, scene: Scene) -> None:
    await notifications.mark_all_read(stage.as_("owner"), category=None)


async def _described(stage: Stage, scene: Scene) -> None:
    changes = {"headline": "Builds things", "hours_per_week": 20, "rate": Rate(Decimal(50), "EUR")}
    await profiles.edit_freelancer(stage.as_("applicant"), changes, expected_version=None)


async def watched(
    worker: Worker, stage: Stage, scene: Scene, act: Act, told: set[str], callers: Mapping[str, bool]
) -> None:
    """Every caller takes a snapshot, the act is done, and what they are told makes what they would read; for those that are
    marked, also what they are told of all that concerns them."""
    before = {name: await snapshot(worker, stage[name], scene.gig) for name in callers}
    await act(stage, scene)
    for name, known in before.items():
        fresh = await snapshot(worker, stage[name], scene.gig)
        if callers[name]:
            await _told_of_all(worker, stage[name], deepcopy(known), fresh, told, name)
        if known.in_gig is None or fresh.gig is None:
            continue  # not theirs to see before, or not any longer: there is nothing to go on from
        items = await replayed(await follow(worker, stage[name], scene.gig, known.in_gig))
        told |= {item["event"]["__typename"] for item in items}
        assert reduce(apply, (item["event"] for item in items), known.gig) == fresh.gig, name


async def _told_of_all(
    worker: Worker, viewer: Viewer, known: Known, fresh: Known, told: set[str], name: str
) -> None:
    """The same with all that concerns the caller: the badge, what did not change of the profile, and the gig, unless it was
    none of their business all the time."""
    if known.in_all is None or fresh.in_all is None:
        return
    items = await replayed(await follow_all(worker, viewer, known.in_all))
    told |= {item["event"]["__typename"] for item in items}
    badges = [known.badge, *(item["notificationCounts"] for item in items)]
    assert badges[-1] == fresh.badge, name
    stale = {part for item in items for part in item["event"].get("parts", ())}
    assert without(known.profile, stale) == without(fresh.profile, stale), name
    if fresh.gig is None:
        return
    gigs_told = [item["event"] for item in items if item["event"].get("gig") is not None]
    stream = f"gig:{key(fresh.gig['gig']['id'])}"
    takes_part = any(stream in streams_in(worker, place) for place in (known.in_all, fresh.in_all))
    if gigs_told or takes_part:
        assert reduce(apply, gigs_told, known.gig) == fresh.gig, name


def without(profile: State | None, parts: set[str]) -> State:
    return {name: value for name, value in (profile or {}).items() if name not in parts}


@pytest.mark.parametrize(
    "callers",
    [
        pytest.param({"anonymous": False, "applicant": True, "owner": True}, id="some"),
        pytest.param(dict.fromkeys(CALLERS, True), id="all", marks=pytest.mark.long),
    ],
)
async def test_every_kind_of_fact_keeps_every_callers_state_true(
    start: StartWorker, callers: Mapping[str, bool]
) -> None:
    worker = await start()
    stage = await Stage.cast(worker.world)
    told: set[str] = set()

    scene = await stage.draft()
    for act in story():
        await watched(worker, stage, scene, act, told, callers)
    await watched(worker, stage, await stage.draft(), _published, told, callers)
    await watched(worker, stage, await stage.pending(), _rejected, told, callers)
    await watched(worker, stage, await stage.open(), _cancelled, told, callers)
    await watched(worker, stage, await stage.open(wanted=1), _ended_early, told, callers)
    await watched(worker, stage, await stage.open(), _expired_and_reopened, told, callers)
    await watched(worker, stage, Scene({"gig": encode_id("gig", new_id())}), _begun, told, callers)
    await watched(worker, stage, scene, _marked, told, callers)
    await watched(worker, stage, scene, _described, told, callers)

    # What happens on boards, in rooms, to snippets and to accounts has tests of its own.
    of_others = (
        BoardEvent,
        RoomEvent,
        SnippetEvent,
        PersonBlockEvent,
        ChatPreferenceSet,
        ChatPresenceSet,
        PersonStatusSet,
        KeptEvent,
        ReportEvent,
        AccountEvent,
    )
    assert {name for name in KINDS if not issubclass(EVENTS[name], of_others)} - told == set()


@pytest.mark.parametrize(
    ("name", "is_merged"), [("anonymous", False), ("owner", False), ("hired", False), ("owner", True)]
)
async def test_a_snapshot_taken_while_others_write_has_no_hole_and_no_double(
    start: StartWorker, name: str, is_merged: bool
) -> None:
    worker = await start()
    stage = await Stage.cast(worker.world)
    scene = await stage.open(wanted=8)
    people = [await worker.world.freelancer() for _ in range(6)]
    questions = key(scene.question)

    async def write(freelancer: Viewer) -> None:
        bid = worker.world.bid(answers=(Answer(questions, "Yes."),))
        receipt = await applications.submit_application(worker.world.as_(freelancer), key(scene.gig), bid)
        await applications.accept_application(stage.as_("owner"), receipt.entity_id)

    async def read() -> tuple[State | None, AsyncGenerator[Frame, None]]:
        known = await snapshot(worker, stage[name], scene.gig)
        if is_merged:
            assert known.in_all is not None
            return known.gig, await follow_all(worker, stage[name], known.in_all)
        assert known.in_gig is not None
        return known.gig, await follow(worker, stage[name], scene.gig, known.in_gig)

    writing = asyncio.gather(*map(write, people))
    first, second = await asyncio.gather(read(), read())
    await writing
    fresh = (await snapshot(worker, stage[name], scene.gig)).gig
    assert fresh is not None and fresh["gig"]["hired"] == 6

    for state, frames in (first, second):
        places: list[dict[str, int]] = []
        async with asyncio.timeout(DEADLINE_S):
            known = state
            while known != fresh:
                (item,) = orjson.loads((await anext(frames)).raw)["data"].values()
                places.append(numbers_in(worker, item["cursor"]))
                known = apply(known, item["event"])
        await frames.aclose()
        for one, next_one in pairwise(places):  # each once, in order
            assert one != next_one and all(number <= next_one[stream] for stream, number in one.items())


def numbers_in(worker: Worker, cursor: str) -> dict[str, int]:
    """The number in each stream that a cursor is a place in."""
    return unpacked(worker.world.services.signer.open("stream", cursor) or b"")[1]
