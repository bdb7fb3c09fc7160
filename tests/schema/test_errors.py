"""How a document that goes wrong is answered: a code, a request id, and never the inside of the server."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import ANONYMOUS
from models.ids import encode_id
from models.message import Content
from models.store.sql import Database
from resolvers import drafts, rooms, scheduled_messages
from resolvers.operation import Operation
from schema.execution import Request, execute
from schema.graph import NODES
from tests.schema.stage import Stage, key

CODES: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing": ("", {}, "GRAPHQL_PARSE_FAILED"),
    "half a document": ("{", {}, "GRAPHQL_PARSE_FAILED"),
    "half a surrogate pair": ('{ node(id: "\\ud800") { id } }', {}, "GRAPHQL_PARSE_FAILED"),
    "a raw half of a pair": ('{ node(id: "\ud800") { id } }', {}, "GRAPHQL_PARSE_FAILED"),
    "an unknown field": ("{ nope }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "a bad literal": ("{ gigs(first: true) { totalCount } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "a missing argument": ("{ node { id } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "no operation of that kind": ("subscription { gig }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "several operations": ("query A { viewer { id } } query B { viewer { id } }", {}, "GRAPHQL_VALIDATION_FAILED"),
    "a missing variable": ("query($id: ID!) { node(id: $id) { id } }", {}, "BAD_USER_INPUT"),
    "a variable of another type": ("query($n: Int) { gigs(first: $n) { totalCount } }", {"n": "1"}, "BAD_USER_INPUT"),
    "a variable that is no text": ("query($id: ID!) { node(id: $id) { id } }", {"id": "\ud800"}, "BAD_USER_INPUT"),
}  # fmt: skip


@pytest.mark.parametrize("what", CODES)
async def test_a_document_that_never_ran_says_why(what: str, stage: Stage) -> None:
    query, variables, code = CODES[what]

    response = await execute(stage.world.schema, Request(query, variables), stage.as_("client"))

    assert not response.executed and "data" not in response.body
    assert [e["extensions"]["code"] for e in response.body["errors"]] == [code]
    assert all(e["extensions"]["requestId"] == "test" for e in response.body["errors"])


async def test_an_operation_that_is_not_there_or_not_allowed_is_no_fault(stage: Stage) -> None:
    unknown = Request("query A { viewer { id } }", None, "B")
    writing = Request('mutation { gigSave(input: {id: "x"}) { outcome } }')

    first = await execute(stage.world.schema, unknown, stage.as_("client"))
    second = await execute(stage.world.schema, writing, stage.as_("client"), mutations_allowed=False)

    assert not first.executed and not second.executed
    assert first.body["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert second.body["errors"][0]["extensions"]["code"] != "INTERNAL"


async def test_an_argument_out_of_range_names_the_argument(stage: Stage) -> None:
    body = await stage.world.graphql(stage["client"], "{ gigs(first: 101) { totalCount } }")

    (error,) = body["errors"]
    assert body["data"] is None and error["path"] == ["gigs"]
    assert error["extensions"] == {
        "code": "BAD_USER_INPUT", "requestId": "test", "argument": "first",
        "constraint": "RANGE", "min": "1", "max": "100",
    }  # fmt: skip


async def test_a_fault_is_masked_and_its_siblings_live(stage: Stage) -> None:
    """The database is gone: what needs none is answered, the rest is null with a request id."""
    gone = replace(stage.world.services, db=Database("postgresql+asyncpg://nobody@127.0.0.1:1/gone"))
    document = """mutation {
        lost: sessionRefresh(input: {refreshToken: "x"}) { outcome }
        refused: accountRegister(input: {email: "x", password: "", name: "", roles: []}) { outcome } }"""

    body = (await execute(stage.world.schema, Request(document), Operation(gone, request_id="r-1"))).body

    assert body["data"] == {"lost": None, "refused": {"outcome": "REJECTED"}}
    (error,) = body["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "r-1"}
    assert "127.0.0.1" not in error["message"]


async def test_an_anonymous_mutation_is_asked_to_sign_in(stage: Stage) -> None:
    body = await stage.world.graphql(ANONYMOUS, 'mutation { gigSave(input: {id: "x"}) { outcome } }')

    assert body["data"] == {"gigSave": None}
    assert body["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED", "requestId": "test"}


# -- the language itself -----------------------------------------------------------------------------------------------


async def test_every_type_with_an_id_is_found_by_node_with_its_typename(stage: Stage) -> None:
    scene = await stage.judged(await stage.kept(await stage.shelved(await stage.furnished())))
    admin, room_id = stage.as_("admin"), key(scene.room)
    await rooms.add_members(stage.as_("owner"), room_id, [stage["admin"].require_user()])
    draft = await drafts.save_draft(admin, room_id, None, Content("Hm"), expected_version=None)
    later = admin.now() + timedelta(days=1)
    scheduled = await scheduled_messages.schedule_message(admin, room_id, Content("Hm"), send_at=later)
    job = await stage.expiring()
    ids = {
        "gig": scene.gig, "question": scene.question, "application": scene.application,
        "contract": scene.contract, "invitation": scene.invitation, "feedback": scene.feedback_of_owner,
        "user": stage.id("user", "owner"), "client": stage.id("client", "owner"),
        "freelancer": stage.id("freelancer", "hired"), "job": job.job, "board": scene.board, "column": scene.todo,
        "label": scene.label, "task": scene.task, "checklist": scene.checklist, "item": scene.item,
        "comment": scene.comment, "person": stage.id("person", "hired"), "file": scene.file, "room": scene.room,
        "draft": encode_id("draft", draft.entity_id), "scheduled": encode_id("scheduled", scheduled.entity_id),
        "report": scene.report,
        "adminact": encode_id("adminact", (await stage.world.rows("select id from admin_act limit 1"))[0][0]),
    }  # fmt: skip
    secret = {
        name: scene.ids[name] for name in ("snippet", "snippetversion", "snippetcomment", "snippetshare")
    }
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"

    found = (await stage.world.data(stage["admin"], document, ids=list(ids.values())))["nodes"]
    hidden = (await stage.world.data(stage["admin"], document, ids=list(secret.values())))["nodes"]
    seen = (await stage.world.data(stage["hired"], document, ids=list(secret.values())))["nodes"]

    assert hidden == [None] * 4
    assert [(node["__typename"], node["id"]) for node in seen] == list(
        zip(("Snippet", "SnippetVersion", "SnippetComment", "SnippetShare"), secret.values(), strict=True)
    )
    assert [node["id"] for node in found] == list(ids.values())
    assert [node["__typename"] for node in found] == [
        "Gig", "GigQuestion", "Application", "Contract", "GigInvitation", "Feedback", "User", "Client", "Freelancer", "Job",
        "Board", "BoardColumn", "BoardLabel", "Task", "TaskChecklist", "TaskChecklistItem", "TaskComment", "Person",
        "Attachment", "Room", "MessageDraft", "ScheduledMessage", "MessageReport", "AdminAct",
    ]  # fmt: skip
    assert set(NODES) == set(ids) | set(secret) | {"skill", "session", "notification"}


async def test_fragments_aliases_directives_and_defaults_mean_what_they_say(stage: Stage) -> None:
    scene = await stage.open()
    document = """query Q($id: ID!, $with: Boolean! = true, $without: Boolean = false, $n: Int = 1, $title: String!) {
        __typename
        one: node(id: $id) { ...Named ... on Application { status } ... on Node { id } }
        two: gig(id: $id) { a: title b: title @skip(if: $with) c: title @include(if: $without)
            skills { name } requirements { need skill { name } } questions { __typename } }
        gigs(first: $n, where: {title: {eq: $title}}) { __typename edges { __typename node { ...Named } } }
    }
    fragment Named on Gig { __typename title client { ...Who } }
    fragment Who on Client { name }"""

    answer = await stage.world.data(stage["owner"], document, id=scene.gig, title=scene.title)

    named = {"__typename": "Gig", "title": scene.title, "client": {"name": "Olga"}}
    assert answer == {
        "__typename": "Query",
        "one": named | {"id": scene.gig},
        "two": {
            "a": scene.title,
            "skills": [{"name": "Python"}],
            "requirements": [{"need": "REQUIRED", "skill": {"name": "Python"}}],
            "questions": [{"__typename": "GigQuestion"}],
        },
        "gigs": {"__typename": "GigConnection", "edges": [{"__typename": "GigEdge", "node": named}]},
    }
