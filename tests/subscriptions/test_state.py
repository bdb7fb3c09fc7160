"""State and events make the fresh state: who keeps a snapshot and applies what is told never needs to read again."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from typing import Any

import orjson
import pytest
from graphql import GraphQLObjectType, GraphQLUnionType

from auth.viewer import Viewer
from models.application import DeclineReason, WithdrawReason
from models.contract import EndReason
from models.ids import encode_id
from resolvers import applications, contracts, feedback, gigs, invitations
from resolvers.applications import Answer
from resolvers.operation import Operation, Rules
from schema.events import KINDS
from schema.execution import Frame, Request, Response
from schema.streaming import perform
from tests.schema.stage import AXES, CALLERS, Scene, Stage, key
from tests.subscriptions.conftest import StartWorker, Worker

FIELDS = """
fragment G on Gig { id title status visibility wanted hired applicationCount version publishedAt updatedAt statusNote
  budget { min { amount } max { amount } } skills { name } viewer { can } allowedTransitions { verb } }
fragment A on Application { id status version coverLetter }
fragment C on Contract { id status progressPercent version }
fragment I on GigInvitation { id status }
"""
SNAPSHOT = """query ($gig: ID!) { gig(id: $gig) { streamCursor ...G
  applications(first: 100) { nodes { ...A } } contracts(first: 100) { nodes { ...C } }
  invitations(first: 100) { nodes { ...I } } } }"""
LISTS = {"application": "applications", "contract": "contracts", "invitation": "invitations"}
SPREADS = {"gig": "G", "application": "A", "contract": "C", "invitation": "I"}
DEADLINE_S = 10


def events_document(worker: Worker) -> str:
    """Every fact with everything it links to, as the schema has it."""
    union = worker.world.schema._schema.type_map["StreamEvent"]
    assert isinstance(union, GraphQLUnionType)
    return f"""subscription ($gig: ID!, $after: StreamCursor) {{ gigEvents(gigId: $gig, after: $after) {{
      cursor event {{ __typename {" ".join(member(kind) for kind in union.types)} }} }} }} {FIELDS}"""


def member(kind: GraphQLObjectType) -> str:
    links = " ".join(f"{link} {{ ...{spread} }}" for link, spread in SPREADS.items() if link in kind.fields)
    return f"... on {kind.name} {{ {links} }}" if links else ""


State = dict[str, Any]


def apply(state: State | None, event: Mapping[str, Any]) -> State | None:
    """The reference reducer: whatever a fact links to is now as the fact shows it."""
    if state is None:
        return None
    for link in SPREADS:
        found = event.get(link)
        if found is None:
            continue
        if link == "gig":
            state["gig"] = found
        else:
            state[LISTS[link]][found["id"]] = found
    return state


async def snapshot(worker: Worker, viewer: Viewer, gig: str) -> tuple[State | None, str | None]:
    found = (await worker.world.data(viewer, SNAPSHOT + FIELDS, gig=gig))["gig"]
    if found is None:
        return None, None
    cursor = found.pop("streamCursor")
    lists = {name: {node["id"]: node for node in found.pop(name)["nodes"]} for name in LISTS.values()}
    return {"gig": found, **lists}, cursor


async def follow(worker: Worker, viewer: Viewer, gig: str, after: str) -> AsyncGenerator[Frame, None]:
    operation = Operation(worker.world.services, viewer, "test")
    request = Request(events_document(worker), {"gig": gig, "after": after})
    frames = await perform(worker.world.schema, worker.streams, request, operation)
    assert not isinstance(frames, Response), frames.body
    return frames


async def caught_up(
    worker: Worker, state: State | None, frames: AsyncGenerator[Frame, None], told: set[str]
) -> State | None:
    """The state once everything up to now was told; the kinds of what was told are added to `told`."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            body = orjson.loads((await anext(frames)).raw)
            assert "errors" not in body, body
            event = body["data"]["gigEvents"]["event"]
            if event["__typename"] == "StreamReady":
                return state
            told.add(event["__typename"])
            state = apply(state, event)


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


async def watched(
    worker: Worker, stage: Stage, scene: Scene, act: Act, told: set[str], callers: tuple[str, ...]
) -> None:
    """Every caller takes a snapshot, the act is done, and what they are told makes what they would read."""
    before = {name: await snapshot(worker, stage[name], scene.gig) for name in callers}
    await act(stage, scene)
    for name, (state, cursor) in before.items():
        fresh, _ = await snapshot(worker, stage[name], scene.gig)
        if cursor is None or fresh is None:
            continue  # not theirs to see before, or not any longer: there is nothing to go on from
        frames = await follow(worker, stage[name], scene.gig, cursor)
        assert await caught_up(worker, state, frames, told) == fresh, name
        await frames.aclose()


@pytest.mark.parametrize(
    "callers",
    [
        pytest.param(("anonymous", "applicant", "hired", "owner"), id="some"),
        pytest.param(CALLERS, id="all", marks=pytest.mark.long),
    ],
)
async def test_every_kind_of_fact_keeps_every_callers_state_true(
    start: StartWorker, callers: tuple[str, ...]
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

    # Of the stream of a person, and before anybody can have read the gig.
    assert set(KINDS) - told == {"ProfileEdited", "NotificationsChanged", "GigCreated"}


@pytest.mark.parametrize("name", ["anonymous", "owner", "hired"])
async def test_a_snapshot_taken_while_others_write_has_no_hole_and_no_double(
    start: StartWorker, name: str
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
        state, cursor = await snapshot(worker, stage[name], scene.gig)
        assert cursor is not None
        return state, await follow(worker, stage[name], scene.gig, cursor)

    writing = asyncio.gather(*map(write, people))
    first, second = await asyncio.gather(read(), read())
    await writing
    fresh, _ = await snapshot(worker, stage[name], scene.gig)
    assert fresh is not None and fresh["gig"]["hired"] == 6

    for state, frames in (first, second):
        numbers = []
        async with asyncio.timeout(DEADLINE_S):
            known = state
            while known != fresh:
                frame = await anext(frames)
                item = orjson.loads(frame.raw)["data"]["gigEvents"]
                numbers.append(
                    orjson.loads(worker.world.services.signer.open("stream", item["cursor"]) or b"")[2]
                )
                known = apply(known, item["event"])
        await frames.aclose()
        facts = sorted(set(numbers))  # each once, in order
        assert numbers == facts
