"""What mutations answer: the entity, the outcome, the position and the refusals, exactly."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
from strawberry.schema.config import StrawberryConfig
from strawberry.tools import create_type

from models.errors import NotFound
from models.ids import encode_id, new_id
from models.store.sql import counting_statements
from resolvers import gigs
from resolvers.operation import Operation
from schema.execution import Executable, Request, execute
from schema.gig_acts import GigPayload
from schema.payloads import DECLARED, MEMBERS, Answer, Needs, mutation
from schema.root import MUTATIONS, Query
from schema.scalars import SCALARS
from tests.schema.stage import Stage, key

EDIT = """mutation($i: GigEditInput!) { gigEdit(input: $i) { outcome position gig { id title version }
    errors { __typename code message path retryable ... on StaleVersionError { currentVersion } } } }"""
PUBLISH = "mutation($i: GigPublishInput!) { gigPublish(input: $i) { outcome position gig { status } errors { code ... on InvalidTransitionError { from to allowed } } } }"


async def test_a_time_zone_is_written_and_taken_away_with_its_hours(stage: Stage) -> None:
    scene = await stage.draft()
    document = """mutation($i: GigEditInput!) { gigEdit(input: $i) { outcome gig { timeZone overlapHours }
        errors { __typename path } } }"""

    async def edited(**changes: Any) -> tuple[Any, ...]:
        data = await stage.world.data(stage["owner"], document, i={"id": scene.gig, **changes})
        answer = data["gigEdit"]
        return answer["outcome"], answer["gig"], [error["path"] for error in answer["errors"]]

    there = {"timeZone": "America/Bogota", "overlapHours": 6}
    assert await edited(**there) == ("APPLIED", there, [])
    assert await edited(title="Another") == ("APPLIED", there, [])
    assert await edited(timeZone=None) == ("REJECTED", None, [["timeZone"]])
    nowhere = dict.fromkeys(there)
    assert await edited(**nowhere) == ("APPLIED", nowhere, [])


async def test_of_two_edits_with_the_same_version_one_is_applied_and_one_sees_the_current_state(
    stage: Stage,
) -> None:
    scene = await stage.open()
    gig = await stage.world.gig(key(scene.gig))

    async def edit(title: str) -> dict[str, Any]:
        change = {"id": scene.gig, "title": title, "expectedVersion": gig.version}
        answer: dict[str, Any] = (await stage.world.data(stage["owner"], EDIT, i=change))["gigEdit"]
        return answer

    answers = sorted(await asyncio.gather(edit("One"), edit("Two")), key=lambda answer: answer["outcome"])

    applied, rejected = answers
    assert (applied["outcome"], applied["errors"], applied["gig"]["version"]) == (
        "APPLIED",
        [],
        gig.version + 1,
    )
    assert rejected["outcome"] == "REJECTED" and rejected["position"] is None
    assert rejected["gig"] == applied["gig"]
    (error,) = rejected["errors"]
    assert error.pop("message").startswith("It has changed since you read it")
    assert error == {
        "__typename": "StaleVersionError",
        "code": "STALE_VERSION",
        "path": ["expectedVersion"],
        "retryable": False,
        "currentVersion": gig.version + 1,
    }


async def test_a_step_the_workflow_does_not_allow_says_what_is_possible(stage: Stage) -> None:
    scene = await stage.open()

    payload = (await stage.world.data(stage["owner"], PUBLISH, i={"id": scene.gig}))["gigPublish"]

    assert payload == {
        "outcome": "REJECTED",
        "position": None,
        "gig": {"status": "OPEN"},
        "errors": [
            {"code": "INVALID_TRANSITION", "from": "OPEN", "to": "OPEN",
             "allowed": ["cancel", "expire", "fill", "pause", "stop_hiring"]}
        ],
    }  # fmt: skip


async def test_a_repeat_answers_replayed_with_the_same_position_and_todays_entity(stage: Stage) -> None:
    scene = await stage.draft()
    publish = {"id": scene.gig, "idempotencyKey": "out"}
    first = (await stage.world.data(stage["owner"], PUBLISH, i=publish))["gigPublish"]
    await gigs.pause_gig(stage.as_("owner"), key(scene.gig))
    before = await stage.world.footprint()

    repeat = (await stage.world.data(stage["owner"], PUBLISH, i=publish))["gigPublish"]

    assert (first["outcome"], first["gig"]) == ("APPLIED", {"status": "OPEN"}) and first["position"]
    assert repeat == first | {"outcome": "REPLAYED", "gig": {"status": "PAUSED"}}
    assert await stage.world.footprint() == before


async def test_a_repeat_with_another_input_is_a_conflict(stage: Stage) -> None:
    one, two = await stage.draft(), await stage.draft()
    await stage.world.data(stage["owner"], PUBLISH, i={"id": one.gig, "idempotencyKey": "same"})
    before = await stage.world.footprint()

    payload = (await stage.world.data(stage["owner"], PUBLISH, i={"id": two.gig, "idempotencyKey": "same"}))[
        "gigPublish"
    ]

    assert (payload["outcome"], payload["errors"][0]["code"]) == ("REJECTED", "IDEMPOTENCY_CONFLICT")
    assert await stage.world.footprint() == before


async def test_a_refused_act_leaves_its_key_free(stage: Stage) -> None:
    scene = await stage.open()
    pause = "mutation($i: GigPauseInput!) { gigPause(input: $i) { outcome } }"
    resume = "mutation($i: GigResumeInput!) { gigResume(input: $i) { outcome } }"
    act = {"id": scene.gig, "idempotencyKey": "later"}

    refused = await stage.world.data(stage["owner"], resume, i=act)
    await stage.world.data(stage["owner"], pause, i={"id": scene.gig})
    applied = await stage.world.data(stage["owner"], resume, i=act)

    assert (refused["gigResume"]["outcome"], applied["gigResume"]["outcome"]) == ("REJECTED", "APPLIED")


async def test_a_noop_has_the_entity_and_no_position(stage: Stage) -> None:
    scene = await stage.open()
    save = "mutation($i: GigSaveInput!) { gigSave(input: $i) { outcome position gig { isSaved } } }"

    answers = [
        (await stage.world.data(stage["client"], save, i={"id": scene.gig}))["gigSave"] for _ in range(2)
    ]

    saved = {"position": None, "gig": {"isSaved": True}}
    assert answers == [{"outcome": "APPLIED"} | saved, {"outcome": "NOOP"} | saved]


async def test_mutations_of_one_document_each_show_the_state_they_left(stage: Stage) -> None:
    scene = await stage.open()
    document = """mutation($id: ID!) {
        first: gigPause(input: {id: $id}) { gig { status version activity(last: 1) { nodes { kind } } } }
        second: gigResume(input: {id: $id}) { gig { status version activity(last: 1) { nodes { kind } } } }
        third: gigEdit(input: {id: $id, title: "Third"}) { gig { title version } } }"""

    answer = await stage.world.data(stage["owner"], document, id=scene.gig)

    version = answer["first"]["gig"]["version"]
    assert answer == {
        "first": {
            "gig": {"status": "PAUSED", "version": version, "activity": {"nodes": [{"kind": "GIG_PAUSED"}]}}
        },
        "second": {
            "gig": {
                "status": "OPEN",
                "version": version + 1,
                "activity": {"nodes": [{"kind": "GIG_RESUMED"}]},
            }
        },
        "third": {"gig": {"title": "Third", "version": version + 2}},
    }


@pytest.fixture
def broken_schema() -> Iterator[Executable]:
    """A schema with a mutation that refuses in a way it never declared, beside one that works."""

    @strawberry.input
    class ActBreakInput:
        id: strawberry.ID

    @mutation(GigPayload, needs=Needs.NOTHING, description="Breaks.")
    async def act_break(op: Operation, input: ActBreakInput) -> Answer:
        raise NotFound("password of the database")

    DECLARED.pop("act_break")
    save = next(field for field in MUTATIONS if field.python_name == "gig_save")
    config = StrawberryConfig(scalar_map=SCALARS)
    yield Executable(Query, mutation=create_type("Mutation", [act_break, save]), config=config)


async def test_an_undeclared_refusal_is_a_masked_fault_that_does_not_null_its_siblings(
    stage: Stage, broken_schema: Executable
) -> None:
    scene = await stage.open()
    document = """mutation($id: ID!) {
        before: gigSave(input: {id: $id}) { outcome }
        broken: actBreak(input: {id: $id}) { outcome }
        after: gigSave(input: {id: $id}) { outcome } }"""

    body = (await execute(broken_schema, Request(document, {"id": scene.gig}), stage.as_("client"))).body

    assert body["data"] == {"before": {"outcome": "APPLIED"}, "broken": None, "after": {"outcome": "NOOP"}}
    (error,) = body["errors"]
    assert (error["path"], error["extensions"]) == (["broken"], {"code": "INTERNAL", "requestId": "test"})
    assert "password" not in error["message"]


def test_every_declared_refusal_answers_as_exactly_one_member() -> None:
    families = [family for family, _, _ in MEMBERS]

    for name, refusals in DECLARED.items():
        for refusal in refusals:
            fitting = [family for family in families if issubclass(refusal, family)]
            assert len(fitting) == 1, (name, refusal)


async def test_a_taken_id_of_ones_own_making_is_refused(stage: Stage) -> None:
    id = encode_id("gig", new_id())
    document = "mutation($i: GigCreateInput!) { gigCreate(input: $i) { outcome gig { id } errors { __typename code path } } }"
    gig = {"id": id, "title": "Paint", "description": "White.", "deadline": "2027-03-01T12:00:00Z",
           "budget": {"kind": "HOURLY", "min": "20", "max": "30", "currency": "EUR"}}  # fmt: skip

    first = (await stage.world.data(stage["client"], document, i=gig))["gigCreate"]
    second = (await stage.world.data(stage["client"], document, i=gig))["gigCreate"]

    assert (first["outcome"], first["gig"]) == ("APPLIED", {"id": id})
    assert second["outcome"] == "REJECTED"
    assert second["errors"] == [{"__typename": "AlreadyExistsError", "code": "GIG_ID_TAKEN", "path": ["id"]}]


@pytest.mark.parametrize("viewer", ["freelancer", "client"])
async def test_a_repeat_shows_no_more_than_the_caller_may_see_today(viewer: str, stage: Stage) -> None:
    scene = await stage.open()
    save = "mutation($i: GigSaveInput!) { gigSave(input: $i) { outcome gig { id } } }"
    act = {"id": scene.gig, "idempotencyKey": "keep"}
    assert (await stage.world.data(stage[viewer], save, i=act))["gigSave"]["gig"] == {"id": scene.gig}

    hidden = {"visibility": "INVITE_ONLY"}
    await stage.world.data(stage["owner"], EDIT, i={"id": scene.gig} | hidden)

    assert (await stage.world.data(stage[viewer], save, i=act))["gigSave"] == {
        "outcome": "REPLAYED",
        "gig": None,
    }


OWN = "id status coverLetter price { amount currency } duration reason submittedAt viewedAt version"


async def test_what_was_just_written_is_shown_without_reading_it_again_and_as_it_would_be_read(
    stage: Stage,
) -> None:
    scene = await stage.open()
    letter = {
        "gigId": scene.gig,
        "coverLetter": 'Yes, "I" can.',
        "answers": [{"questionId": scene.question, "body": "Twice."}],
    }
    bid = letter | {"price": "750.5", "duration": "P14D"}
    document = f"mutation($i: ApplicationSubmitInput!) {{ applicationSubmit(input: $i) {{ application {{ {OWN} }} }} }}"

    with counting_statements() as statements:
        answer = await stage.world.data(stage["freelancer"], document, i=bid)

    shown = answer["applicationSubmit"]["application"]
    assert statements == {"with": 1, "select": 1}  # what is written, what is locked; nothing for the payload
    question = f"query($id: ID!) {{ application(id: $id) {{ {OWN} }} }}"
    assert shown == (await stage.world.data(stage["freelancer"], question, id=shown["id"]))["application"]
    assert shown["price"] == {"amount": "750.50", "currency": "EUR"} and shown["duration"] == "P14D"


async def test_what_an_earlier_mutation_of_the_document_wrote_is_read_again_after_a_later_one(
    stage: Stage,
) -> None:
    scene = await stage.open()
    id, given = encode_id("application", new_id()), [{"questionId": scene.question, "body": "Twice."}]
    document = """mutation($a: ApplicationSubmitInput!, $b: ApplicationEditInput!) {
        a: applicationSubmit(input: $a) { application { price { amount } version gig { id } } }
        b: applicationEdit(input: $b) { application { price { amount } version } } }"""

    answer = await stage.world.data(
        stage["freelancer"],
        document,
        a={"id": id, "gigId": scene.gig, "coverLetter": "Yes.", "price": "700", "answers": given},
        b={"id": id, "price": "800"},
    )

    first, second = answer["a"]["application"], answer["b"]["application"]
    assert first == {"price": {"amount": "700.00"}, "version": 1, "gig": {"id": scene.gig}}
    assert second == {"price": {"amount": "800.00"}, "version": 2}


async def test_a_refused_row_of_many_names_its_place_in_the_input(stage: Stage) -> None:
    scene = await stage.board()
    stranger = stage.id("person", "applicant")
    document = """mutation($input: TasksEditInput!) { tasksEdit(input: $input) {
        outcome rows { outcome errors { code path } task { id } } errors { code path } } }"""
    edits = [
        {"taskId": scene.task, "title": "Paint it red"},
        {"taskId": scene.board.replace("board", "task"), "title": "Of no task"},
        {"taskId": scene.task, "title": ""},
        {"taskId": scene.task, "assigneeIds": [stranger]},
    ]

    one_by_one, none = [
        (await stage.world.data(stage["owner"], document, input={"boardId": scene.board, "edits": some}))[
            "tasksEdit"
        ]
        for some in (edits, [])
    ]

    assert (one_by_one["outcome"], one_by_one["errors"]) == ("APPLIED", [])
    assert [(row["outcome"], row["errors"]) for row in one_by_one["rows"]] == [
        ("APPLIED", []),
        ("REJECTED", [{"code": "NOT_FOUND", "path": ["edits", "1", "taskId"]}]),
        ("REJECTED", [{"code": "INVALID", "path": ["edits", "2", "title"]}]),
        ("REJECTED", [{"code": "NOT_FOUND", "path": ["edits", "3", "assigneeIds"]}]),
    ]
    assert none["errors"] == [{"code": "INVALID", "path": ["edits"]}]
