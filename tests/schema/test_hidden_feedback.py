"""Double-blind feedback: until the reveal nobody but its author learns anything but that there is an answer."""

import json
from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.ids import encode_id
from resolvers import feedback
from tests.schema.stage import AXES
from tests.world import Hired, World

RATING = "rating { score count }"
RECORDS = """trackRecord { contractsCompleted contractsEndedEarly contractsLive rating { score count } }
    recentTrackRecord { contractsCompleted contractsEndedEarly contractsLive rating { score count } }"""
FEEDBACK = """feedback(first: 100) { totalCount pageInfo { hasNextPage startCursor } nodes {
    id side authorName availability communication cooperation deadlines quality skills comment givenAt revealedAt
    reply repliedAt } }"""
CONTRACT = """id version status overAt reason note feedback { id comment quality }
    feedbackState { youAnswered revealedAt closesAt } viewer { can cannot { action reason } } allowedTransitions { verb }"""

# Everything that shows a rating, a feedback, an aggregate, or is filtered or ordered by one.
EVERYTHING = f"""query Everything($gig: ID!, $contract: ID!, $client: ID!, $freelancer: ID!) {{
    gig(id: $gig) {{ version updatedAt status hired applicationCount client {{ {RATING} {RECORDS} {FEEDBACK} }}
        viewer {{ can cannot {{ action reason }} }}
        contracts {{ nodes {{ {CONTRACT} client {{ {RATING} }} freelancer {{ {RATING} {RECORDS} {FEEDBACK} }} }} }} }}
    contract(id: $contract) {{ {CONTRACT} }}
    contracts(first: 100, orderBy: {{field: OVER_AT}}) {{ totalCount nodes {{ id version feedback {{ id }} }} }}
    client(id: $client) {{ {RATING} {RECORDS} {FEEDBACK} version contracts {{ totalCount }} }}
    freelancer(id: $freelancer) {{ {RATING} {RECORDS} {FEEDBACK} version completeness {{ percent }} }}
    nodes(ids: [$client, $freelancer, $gig, $contract]) {{
        id ... on Client {{ {RATING} }} ... on Freelancer {{ {RATING} }} ... on Contract {{ version }} }}
    best: freelancers(first: 100, orderBy: {{field: RATING}}) {{ nodes {{ id {RATING} }} }}
    worst: freelancers(first: 100, orderBy: {{field: RATING, direction: ASC, nulls: FIRST}}) {{ nodes {{ id }} }}
    rated: freelancers(first: 100, where: {{rating: {{gte: "1"}}}}) {{ totalCount nodes {{ id }} }}
    unrated: freelancers(first: 100, where: {{rating: {{null: true}}}}) {{ totalCount }}
    ofGood: gigs(first: 100, where: {{client: {{rating: {{gte: "4"}}}}}}) {{ totalCount nodes {{ id }} }}
    ofRated: gigs(first: 100, where: {{client: {{rating: {{null: false}}}}}}) {{ totalCount }}
    gigFacets(where: {{client: {{rating: {{gte: "1"}}}}}}) {{ statuses {{ value count }} }}
    jobs(first: 100) {{ nodes {{ id kind status runAt attempts lastError finishedAt }} }}
}}"""
ACTIVITY = """query Activity($gig: ID!) { gig(id: $gig) { activity(first: 100) { nodes {
    number kind occurredAt audience actorName changes { field before after } reason note subjectId } } } }"""


async def everything(world: World, viewer: Viewer, hired: Hired) -> str:
    variables = {
        "gig": encode_id("gig", hired.gig_id),
        "contract": encode_id("contract", hired.contract_id),
        "client": encode_id("client", _user(hired.client)),
        "freelancer": encode_id("freelancer", _user(hired.freelancer)),
    }
    return json.dumps(await world.data(viewer, EVERYTHING, **variables), sort_keys=True)


async def activity(world: World, viewer: Viewer, hired: Hired) -> list[dict[str, Any]]:
    answer = await world.data(viewer, ACTIVITY, gig=encode_id("gig", hired.gig_id))
    nodes: list[dict[str, Any]] = answer["gig"]["activity"]["nodes"]
    return nodes


def _user(viewer: Viewer) -> Any:
    assert viewer.user_id is not None
    return viewer.user_id


async def leave(world: World, viewer: Viewer, hired: Hired, *, stars: int = 5) -> str:
    axes = dict.fromkeys(AXES, stars)
    receipt = await feedback.leave_feedback(
        world.as_(viewer), hired.contract_id, axes=axes, comment="Secret words."
    )
    return encode_id("feedback", receipt.entity_id)


@pytest.mark.parametrize("author", ["client", pytest.param("freelancer", marks=pytest.mark.long)])
async def test_a_hidden_submission_changes_nothing_that_anybody_else_can_ask_for(
    author: str, empty_world: World
) -> None:
    world = empty_world
    hired = await world.completed(client=await world.client(), freelancer=await world.freelancer())
    writer = hired.client if author == "client" else hired.freelancer
    other = hired.freelancer if author == "client" else hired.client
    stranger, admin = await world.freelancer(), await world.admin()
    others = [other, stranger, admin, ANONYMOUS]
    before = [await everything(world, viewer, hired) for viewer in others]
    facts_before = [await activity(world, viewer, hired) for viewer in others]
    own_before = await everything(world, writer, hired)

    feedback_id = await leave(world, writer, hired)

    assert [await everything(world, viewer, hired) for viewer in others] == before
    own = await everything(world, writer, hired)
    assert own != own_before and "Secret words." in own
    facts = [await activity(world, viewer, hired) for viewer in others]
    new = [after[len(earlier) :] for after, earlier in zip(facts, facts_before, strict=True)]
    assert [after[: len(earlier)] for after, earlier in zip(facts, facts_before, strict=True)] == facts_before
    # Both sides and administrators learn that somebody has answered, and nothing else.
    assert [[item["kind"] for item in items] for items in new] == [
        ["FEEDBACK_GIVEN"],
        [],
        ["FEEDBACK_GIVEN"],
        [],
    ]
    assert all(
        item["changes"] == [] and item["reason"] is item["note"] is None for items in new for item in items
    )
    for viewer in others:
        document = "query($id: ID!) { node(id: $id) { ... on Feedback { quality comment } } }"
        assert await world.data(viewer, document, id=feedback_id) == {"node": None}


async def test_the_score_of_a_hidden_submission_makes_no_difference_at_all(empty_world: World) -> None:
    """Two contracts that differ in the hidden stars alone look alike to the other side."""
    world = empty_world
    freelancer = await world.freelancer()
    answers = []
    for stars in (1, 5):
        hired = await world.completed(client=await world.client("Same"), freelancer=freelancer)
        await leave(world, hired.client, hired, stars=stars)
        document = f"query($id: ID!) {{ contract(id: $id) {{ {CONTRACT} feedbackState {{ otherSideAnswered }} freelancer {{ {RATING} {RECORDS} {FEEDBACK} }} }} }}"
        contract = (await world.data(freelancer, document, id=encode_id("contract", hired.contract_id)))[
            "contract"
        ]
        contract.pop("id")
        for name in ("trackRecord", "recentTrackRecord"):
            contract["freelancer"][name].pop("contractsCompleted")
        answers.append(contract)

    assert answers[0] == answers[1]
    assert answers[0]["feedbackState"]["otherSideAnswered"] is True


async def test_the_second_answer_reveals_both_to_everybody(world: World) -> None:
    hired = await world.completed()
    await leave(world, hired.client, hired, stars=4)

    await leave(world, hired.freelancer, hired, stars=2)

    document = "query($f: ID!, $c: ID!) { freelancer(id: $f) { rating { score count } feedback { nodes { comment } } } client(id: $c) { rating { score count } } }"
    ids = {
        "f": encode_id("freelancer", _user(hired.freelancer)),
        "c": encode_id("client", _user(hired.client)),
    }
    assert await world.data(ANONYMOUS, document, **ids) == {
        "freelancer": {
            "rating": {"score": "4.00", "count": 1},
            "feedback": {"nodes": [{"comment": "Secret words."}]},
        },
        "client": {"rating": {"score": "2.00", "count": 1}},
    }


async def test_a_hidden_answer_cannot_be_replied_to_or_even_found_by_its_subject(world: World) -> None:
    hired = await world.completed()
    feedback_id = await leave(world, hired.client, hired)
    before = await world.footprint()
    document = (
        "mutation($i: FeedbackReplyInput!) { feedbackReply(input: $i) { feedback { id } errors { code } } }"
    )

    answer = await world.data(hired.freelancer, document, i={"id": feedback_id, "reply": "No!"})

    assert answer["feedbackReply"] == {"feedback": None, "errors": [{"code": "NOT_FOUND"}]}
    assert await world.footprint() == before


async def test_recent_records_forget_what_is_older_than_180_days(world: World) -> None:
    hired = await world.completed()
    await leave(world, hired.client, hired)
    await leave(world, hired.freelancer, hired)
    document = f"query($id: ID!) {{ freelancer(id: $id) {{ {RECORDS} }} }}"
    id = encode_id("freelancer", _user(hired.freelancer))
    fresh = (await world.data(ANONYMOUS, document, id=id))["freelancer"]

    world.clock.move(timedelta(days=181))

    later = (await world.data(ANONYMOUS, document, id=id))["freelancer"]
    assert fresh["trackRecord"] == fresh["recentTrackRecord"] == later["trackRecord"]
    assert later["recentTrackRecord"] == {
        "contractsCompleted": 0, "contractsEndedEarly": 0, "contractsLive": 0,
        "rating": {"score": None, "count": 0},
    }  # fmt: skip
