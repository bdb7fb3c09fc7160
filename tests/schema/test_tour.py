"""The tour of GraphiQL, played from first to last in a fresh demo world."""

import json
from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, parse, validate

from auth.viewer import ANONYMOUS, Viewer
from models.user import Role
from resolvers import demo
from resolvers.demo_cast import ADA, CARLA, FARID, Person
from schema.execution import Request, Response
from schema.streaming import perform
from settings import CHECKOUT
from subscriptions.broker import MemoryBroker
from subscriptions.follow import Streams
from tests.world import World
from transport.graphiql import TourStep, read_tour

STEPS = {step.title: step for step in read_tour(CHECKOUT / "transport" / "tour")}
# Whom each operation is meant for; the rest is Carla's, whom the page signs in first.
OF_FARID = {"MyApplications", "Apply", "MyContracts", "ReportProgress", "Recommended"}
OF_ADA = {"Jobs"}
REFUSED = {"Refused"}


def operations_of(step: TourStep) -> list[str | None]:
    definitions = [
        node for node in parse(step.query).definitions if isinstance(node, OperationDefinitionNode)
    ]
    return [node.name.value if node.name else None for node in definitions]


async def viewer_of(world: World, person: Person) -> Viewer:
    row = (await world.rows("select id, roles from users where email = :email", email=person.email))[0]
    return Viewer(user_id=row.id, roles=frozenset(Role(role) for role in row.roles))


async def answer(world: World, viewer: Viewer, step: TourStep, name: str, **pasted: Any) -> dict[str, Any]:
    variables = json.loads(step.variables or "{}") | pasted
    streams = Streams(world.services.db, MemoryBroker())
    response = await perform(world.schema, streams, Request(step.query, variables, name), world.as_(viewer))
    if not isinstance(response, Response):
        first = await anext(response)
        await response.aclose()
        data: dict[str, Any] = json.loads(first.raw)["data"]
        return data
    assert "errors" not in response.body, (name, response.body["errors"])
    answered: dict[str, Any] = response.body["data"]
    return answered


def pasted_from(data: dict[str, Any]) -> dict[str, Any]:
    """The ids that the comment of a step tells the reader to copy from the answers before."""
    if gig := (data.get("gigCreate") or {}).get("gig"):
        return {"id": gig["id"]}
    if boards := (data.get("boards") or {}).get("nodes"):
        return {"boardId": boards[0]["id"], "columnId": boards[0]["columns"][2]["id"]}
    if task := (data.get("taskCreate") or {}).get("task"):
        return {"taskId": task["id"]}
    if kept := (data.get("snippetCreate") or {}).get("snippet"):
        return {"snippetId": kept["id"], "older": kept["latest"]["id"]}
    if revised := (data.get("snippetRevise") or {}).get("snippet"):
        return {"newer": revised["latest"]["id"]}
    nodes = (data.get("contracts") or {}).get("nodes") or []
    for node in nodes:
        state = node.get("feedbackState") or {}
        is_waiting = state.get("otherSideAnswered") and not state["youAnswered"]
        if node.get("status") == "ACTIVE" or "submittedAt" in node or is_waiting:
            return {"id": node["id"]}
    return {}


@pytest.mark.parametrize("title", STEPS)
def test_every_operation_is_named_and_fits_the_schema(schema: strawberry.Schema, title: str) -> None:
    step = STEPS[title]

    names, errors = operations_of(step), validate(schema._schema, parse(step.query))

    assert None not in names
    assert errors == []


async def test_the_tour_runs_from_first_to_last_in_a_fresh_demo_world(empty_world: World) -> None:
    await demo.build_world(empty_world.services)
    people = {person: await viewer_of(empty_world, person) for person in (CARLA, FARID, ADA)}

    answers: dict[str, dict[str, Any]] = {}
    for step in STEPS.values():
        pasted: dict[str, Any] = {}
        for name in operations_of(step):
            assert name is not None
            person = FARID if name in OF_FARID else ADA if name in OF_ADA else CARLA
            answers[name] = await answer(empty_world, people[person], step, name, **pasted)
            pasted |= pasted_from(answers[name])

    payloads = {
        name: (payload["outcome"], payload["errors"])
        for name, data in answers.items()
        for payload in data.values()
        if isinstance(payload, dict) and "outcome" in payload
    }
    assert payloads.pop("Refused")[0] == "REJECTED"
    assert payloads == dict.fromkeys(payloads, ("APPLIED", []))
    assert len(payloads) == 14
    assert answers["FollowGig"]["gigEvents"]["event"] == {"__typename": "StreamReady", "replayed": 0}
    assert answers["FollowBoard"]["boardEvents"]["event"] == {"__typename": "StreamReady", "replayed": 0}
    assert answers["MoveTask"]["taskMove"]["task"] == {
        "version": 2, "column": {"name": "In progress", "taskCount": 1},
    }  # fmt: skip
    assert [hunk["newStart"] for hunk in answers["Compare"]["snippetDiff"]["hunks"]] == [1]
    assert answers["MySnippets"]["snippets"]["nodes"][0]["latest"]["number"] == 2
    refused = answers["Refused"]["gigCreate"]["errors"]
    assert sorted(error["path"] for error in refused) == [
        ["budget", "max"],
        ["deadline"],
        ["title"],
        ["wanted"],
    ]
    assert {error["__typename"] for error in refused} == {"ValidationError"}
    assert answers["Browse"]["gigs"]["nodes"][0]["title"] == "Booking page for walking tours"
    assert len(answers["Pipeline"]["gigs"]["nodes"]) == 9
    assert answers["ByIds"]["nodes"][3] is None
    assert answers["LeaveFeedback"]["feedbackLeave"]["feedback"]["revealedAt"] is not None
    assert answers["Jobs"]["jobs"]["totalCount"] == 17
    assert answers["MyApplications"]["viewer"]["freelancer"]["completeness"]["missing"] == []

    # The tour changes nothing around the gig whose activity it shows, so that others can look at it now.
    activity = STEPS["What happened around a gig, each item for its audience"]
    for viewer in (people[FARID], ANONYMOUS):
        gig = (await answer(empty_world, viewer, activity, "ActivityOfAGig"))["gig"]
        assert [item["kind"] for item in gig["activity"]["nodes"]] == ["GIG_PUBLISHED", "GIG_FILLED"]
    seen_by_carla = {item["kind"] for item in answers["ActivityOfAGig"]["gig"]["activity"]["nodes"]}
    assert {"APPLICATION_DECLINED", "APPLICATION_ACCEPTED", "CONTRACT_PROGRESS_REPORTED"} <= seen_by_carla
