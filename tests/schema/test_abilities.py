"""`viewer { can cannot }` says what the mutations do: each status, each caller, each action, through the public API."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from auth.abilities import ApplicationAction, BoardAction, ContractAction, GigAction
from models.application import DeclineReason, WithdrawReason
from models.contract import EndReason
from models.gig_workflow import GigStatus
from resolvers import applications, contracts, gigs, jobs
from tests.schema.stage import Scene, Stage, key

Make = Callable[[Stage], Awaitable[Scene]]


async def rejected(stage: Stage) -> Scene:
    scene = await stage.pending()
    await gigs.reject_gig(stage.as_("admin"), key(scene.gig), reason="Not a gig.")
    return scene


async def paused(stage: Stage) -> Scene:
    scene = await stage.applied()
    await gigs.pause_gig(stage.as_("owner"), key(scene.gig))
    return scene


async def paused_with_somebody_hired(stage: Stage) -> Scene:
    scene = await stage.working()
    await gigs.pause_gig(stage.as_("owner"), key(scene.gig))
    return scene


async def in_progress(stage: Stage) -> Scene:
    scene = await stage.working()
    await gigs.stop_hiring(stage.as_("owner"), key(scene.gig))
    return scene


async def full(stage: Stage) -> Scene:
    scene = await stage.open(wanted=1)
    accepted = await stage.apply("hired", scene)
    scene.ids["application"] = await stage.apply("applicant", scene)
    await applications.accept_application(stage.as_("owner"), key(accepted))
    return scene


async def completed(stage: Stage) -> Scene:
    scene = await stage.completed()
    await gigs.stop_hiring(stage.as_("owner"), key(scene.gig))
    return scene


async def cancelled(stage: Stage) -> Scene:
    scene = await stage.applied()
    await gigs.cancel_gig(stage.as_("owner"), key(scene.gig), note=None)
    return scene


async def expired(stage: Stage) -> Scene:
    scene = await stage.open(deadline=stage.world.clock() + timedelta(minutes=1))
    stage.world.clock.move(timedelta(minutes=2))
    await jobs.run_due_jobs(stage.as_("anonymous"))
    assert (await stage.world.gig(key(scene.gig))).status is GigStatus.EXPIRED
    return scene


GIGS: dict[str, Make] = {
    "DRAFT": Stage.draft,
    "PENDING_APPROVAL": Stage.pending,
    "REJECTED": rejected,
    "OPEN": Stage.applied,
    "OPEN, somebody hired": Stage.working,
    "PAUSED": paused,
    "PAUSED, somebody hired": paused_with_somebody_hired,
    "IN_PROGRESS": in_progress,
    "IN_PROGRESS, full": full,
    "COMPLETED": completed,
    "CANCELLED": cancelled,
    "EXPIRED": expired,
}


def application(act: Callable[[Stage, Any], Awaitable[object]]) -> Make:
    async def make(stage: Stage) -> Scene:
        scene = await stage.applied()
        await act(stage, key(scene.application))
        return scene

    return make


def contract(act: Callable[[Stage, Any], Awaitable[object]]) -> Make:
    async def make(stage: Stage) -> Scene:
        scene = await stage.working()
        await act(stage, key(scene.contract))
        return scene

    return make


APPLICATIONS: dict[str, Make] = {
    "SUBMITTED": Stage.applied,
    "SUBMITTED, gig paused": paused,
    "SUBMITTED, gig cancelled": cancelled,
    "SUBMITTED, gig full": full,
    "VIEWED": application(lambda s, id: applications.mark_application_viewed(s.as_("owner"), id)),
    "SHORTLISTED": application(lambda s, id: applications.shortlist_application(s.as_("owner"), id)),
    "WITHDRAWN": application(
        lambda s, id: applications.withdraw_application(s.as_("applicant"), id, reason=WithdrawReason.OTHER, note=None)
    ),
    "DECLINED": application(
        lambda s, id: applications.decline_application(s.as_("owner"), id, reason=DeclineReason.OTHER, message=None)
    ),
    "ACCEPTED": application(lambda s, id: applications.accept_application(s.as_("owner"), id)),
}  # fmt: skip
CONTRACTS: dict[str, Make] = {
    "ACTIVE": Stage.working,
    "PAUSED": contract(lambda s, id: contracts.pause_contract(s.as_("owner"), id, note=None)),
    "SUBMITTED": Stage.submitted,
    "COMPLETED": Stage.completed,
    "ENDED": contract(
        lambda s, id: contracts.end_contract(s.as_("hired"), id, reason=EndReason.MUTUAL, note=None)
    ),
}


async def rests(stage: Stage) -> Scene:
    return await stage.completed(await stage.board())


BOARDS: dict[str, Make] = {"with work going on": Stage.board, "with all work done": rests}


def gig_act(action: GigAction, scene: Scene, stage: Stage) -> tuple[str, dict[str, Any]]:
    further: dict[GigAction, dict[str, Any]] = {
        GigAction.EDIT: {"title": "Another title"},
        GigAction.REOPEN: {"deadline": "2027-05-01T00:00:00Z"},
        GigAction.REJECT: {"reason": "No."},
        GigAction.REQUEST_CHANGES: {"reason": "Say more."},
    }
    if action is GigAction.INVITE:
        return "gigInvite", {"gigId": scene.gig, "freelancerId": stage.id("freelancer", "freelancer")}
    if action is GigAction.APPLY:
        answers = [{"questionId": scene.question, "body": "Often."}]
        return "applicationSubmit", {
            "gigId": scene.gig, "coverLetter": "Me!", "price": "600", "answers": answers
        }  # fmt: skip
    return "gig" + _camel(action), {"id": scene.gig} | further.get(action, {})


def application_act(action: ApplicationAction, scene: Scene, _: Stage) -> tuple[str, dict[str, Any]]:
    further: dict[ApplicationAction, dict[str, Any]] = {
        ApplicationAction.EDIT: {"price": "700"},
        ApplicationAction.WITHDRAW: {"reason": "OTHER"},
        ApplicationAction.DECLINE: {"reason": "OTHER"},
    }
    return "application" + _camel(action), {"id": scene.application} | further.get(action, {})


def contract_act(action: ContractAction, scene: Scene, _: Stage) -> tuple[str, dict[str, Any]]:
    further: dict[ContractAction, dict[str, Any]] = {
        ContractAction.REPORT_PROGRESS: {"percent": 10},
        ContractAction.REQUEST_CHANGES: {"note": "The colour."},
        ContractAction.END: {"reason": "MUTUAL"},
    }
    return "contract" + _camel(action), {"id": scene.contract} | further.get(action, {})


def board_act(action: BoardAction, scene: Scene, _: Stage) -> tuple[str, dict[str, Any]]:
    acts: dict[BoardAction, tuple[str, dict[str, Any]]] = {
        BoardAction.EDIT: ("boardEdit", {"id": scene.board, "guardsCompletion": True}),
        BoardAction.ADD_COLUMN: (
            "columnAdd",
            {"boardId": scene.board, "name": "Review", "category": "STARTED"},
        ),
        BoardAction.ADD_LABEL: ("labelAdd", {"boardId": scene.board, "name": "Bug"}),
        BoardAction.ADD_TASK: ("taskCreate", {"boardId": scene.board, "title": "Sweep up"}),
    }
    return acts[action]


@pytest.mark.parametrize("caller", ["freelancer", "owner", pytest.param("admin", marks=pytest.mark.long)])
@pytest.mark.parametrize("status", GIGS)
async def test_what_a_caller_can_do_to_a_gig_is_what_the_mutations_take(
    status: str, caller: str, stage: Stage
) -> None:
    await agrees(stage, caller, GIGS[status], "gig", GigAction, gig_act)


@pytest.mark.parametrize("caller", ["applicant", "owner", pytest.param("admin", marks=pytest.mark.long)])
@pytest.mark.parametrize("status", APPLICATIONS)
async def test_what_a_caller_can_do_to_an_application_is_what_the_mutations_take(
    status: str, caller: str, stage: Stage
) -> None:
    await agrees(stage, caller, APPLICATIONS[status], "application", ApplicationAction, application_act)


@pytest.mark.parametrize("caller", ["hired", "owner", pytest.param("admin", marks=pytest.mark.long)])
@pytest.mark.parametrize("status", CONTRACTS)
async def test_what_a_caller_can_do_to_a_contract_is_what_the_mutations_take(
    status: str, caller: str, stage: Stage
) -> None:
    await agrees(stage, caller, CONTRACTS[status], "contract", ContractAction, contract_act)


@pytest.mark.parametrize("caller", ["hired", "owner", "admin"])
@pytest.mark.parametrize("status", BOARDS)
async def test_what_a_caller_can_do_to_a_board_is_what_the_mutations_take(
    status: str, caller: str, stage: Stage
) -> None:
    await agrees(stage, caller, BOARDS[status], "board", BoardAction, board_act)


async def agrees(stage: Stage, caller: str, make: Make, noun: str, actions: Any, act: Any) -> None:
    scene = await make(stage)
    document = f"query($id: ID!) {{ {noun}(id: $id) {{ viewer {{ can cannot {{ action reason }} }} }} }}"
    shown = (await stage.world.data(stage[caller], document, id=scene.ids[noun]))[noun]
    if shown is None:  # a draft of somebody else: nothing can be done to it
        can, cannot = [], list(actions)
    else:
        can = [actions(action) for action in shown["viewer"]["can"]]
        cannot = [actions(item["action"]) for item in shown["viewer"]["cannot"]]
        assert all(item["reason"] for item in shown["viewer"]["cannot"])
    assert sorted([*can, *cannot]) == sorted(actions)

    before = await stage.world.footprint()
    refused = await outcomes(stage, caller, [act(action, scene, stage) for action in cannot])
    assert set(refused) <= {"REJECTED", "NOOP"}, dict(zip(cannot, refused, strict=True))
    assert await stage.world.footprint() == before

    for number, action in enumerate(can):
        fresh = scene if number == 0 else await make(stage)
        (outcome,) = await outcomes(stage, caller, [act(action, fresh, stage)])
        assert (action, outcome) in {(action, "APPLIED"), (action, "NOOP")}


async def outcomes(stage: Stage, caller: str, acts: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """The outcomes of several mutations, in one document."""
    if not acts:
        return []
    types = [f"${name}: {name[0].upper()}{name[1:]}Input!" for name, _ in acts]
    fields = [f"{name}(input: ${name}) {{ outcome }}" for name, _ in acts]
    document = f"mutation({', '.join(types)}) {{ {' '.join(fields)} }}"
    answer = await stage.world.data(stage[caller], document, **dict(acts))
    return [answer[name]["outcome"] for name, _ in acts]


def _camel(action: str) -> str:
    return "".join(part.capitalize() for part in action.split("_"))
