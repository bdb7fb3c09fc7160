"""One schema, two executors, and something breaks: both lose the same part of the answer and report the same errors."""

from typing import Any

import pytest
from graphql import get_named_type, is_leaf_type

from schema.graph import Computed, Source
from tests.schema.faults import (
    answer_instead,
    break_function,
    break_type,
    declarations,
    empty_column,
    without_plans,
)
from tests.schema.rich_stage import RichStage
from tests.schema.two_executors import Body, Executor, by_batches, by_plan, difference, errors_of

Patch = pytest.MonkeyPatch

# How to come to things of each type: below a parent that can be null, and in lists that cannot hold nulls.
WAYS = {
    "Gig": ['{ gig(id: "<gig.judged>") { title FIELD } }', "{ gigs(first: 3) { totalCount nodes { id FIELD } } }"],
    "GigSkill": ["{ gigs(first: 2) { nodes { title requirements { weight FIELD } } } }"],
    "GigQuestion": ['{ gig(id: "<gig.open>") { title questions { id FIELD } } }'],
    "Activity": ['{ gig(id: "<gig.judged>") { title activity(first: 3) { edges { cursor node { number FIELD } } } } }'],
    "Application": [
        '{ gig(id: "<gig.applied>") { title applications(first: 3) { nodes { id FIELD } } } }',
        '{ viewer { name } application(id: "<application.applied>") { id FIELD } }',
    ],
    "ApplicationAnswer": ['{ application(id: "<application.viewed>") { id answers { body FIELD } } }'],
    "Contract": ["{ contracts(first: 3) { nodes { id FIELD } } }", '{ node(id: "<contract.judged>") { id ... on Contract { FIELD } } }'],
    "Feedback": ['{ contract(id: "<contract.judged>") { status feedback { comment FIELD } } }'],
    "GigInvitation": ['{ gig(id: "<gig.applied>") { title invitations { nodes { id FIELD } } } }'],
    "Freelancer": ["{ freelancers(first: 3) { edges { node { name FIELD } } } }", '{ freelancer(id: "<freelancer.hired>") { name FIELD } }'],
    "Expertise": ['{ freelancer(id: "<freelancer.hired>") { name expertise { years FIELD } } }'],
    "Client": ['{ client(id: "<client.owner>") { name FIELD } }', "{ gigs(first: 3) { nodes { title client { name FIELD } } } }"],
    "Skill": ["{ gigs(first: 2) { nodes { title skills { id FIELD } } } }", '{ skillSuggest(prefix: "py", first: 2) { name FIELD } }'],
    "User": ["{ viewer { name FIELD } }", "{ accounts(first: 3) { nodes { id FIELD } } }"],
    "AdminAct": ["{ adminActs(first: 3) { nodes { id FIELD } } }"],
    "Session": ["{ viewer { name sessions { totalCount nodes { id FIELD } } } }"],
    "Notification": [
        "{ notifications(first: 3) { nodes { id FIELD } } }",
        '{ node(id: "<notification.owner>") { id ... on Notification { FIELD } } }',
    ],
    "Board": [
        '{ board(id: "<board.working>") { key FIELD } }', "{ boards(first: 3) { totalCount nodes { id FIELD } } }",
    ],
    "BoardColumn": ['{ board(id: "<board.working>") { key columns { id FIELD } } }'],
    "Task": [
        '{ task(id: "<task.paint>") { title FIELD } }',
        "{ boards(first: 2) { nodes { id tasks(first: 3) { nodes { id FIELD } } } } }",
    ],
    "TaskComment": ['{ task(id: "<task.paint>") { title comments { nodes { id FIELD } } } }'],
    "Attachment": ['{ task(id: "<task.paint>") { title attachments { id FIELD } } }'],
    "Room": ["{ rooms(first: 3) { nodes { id FIELD } } }", '{ room(id: "<room.group>") { title FIELD } }'],
    "RoomMember": ['{ room(id: "<room.group>") { title members { nodes { role FIELD } } } }'],
    "PersonBlock": ["{ personBlocks { nodes { createdAt FIELD } } }"],
    "Snippet": ['{ snippet(id: "<snippet.kept>") { title FIELD } }', "{ snippets { totalCount nodes { id FIELD } } }"],
    "SnippetVersion": ['{ snippet(id: "<snippet.kept>") { title versions { nodes { number FIELD } } } }'],
    "SnippetComment": ['{ snippet(id: "<snippet.kept>") { title comments { nodes { id FIELD } } } }'],
    "SnippetWording": ['{ node(id: "<snippetcomment.kept>") { id ... on SnippetComment { wordings { nodes { FIELD } } } } }'],
    "MessageDraft": [
        "{ messageDrafts { nodes { id FIELD } } }", '{ room(id: "<room.group>") { title drafts { nodes { id FIELD } } } }',
    ],
    "ScheduledMessage": ["{ scheduledMessages { nodes { id FIELD } } }"],
    "MessageReport": [
        "{ messageReports(first: 3) { nodes { id FIELD } } }",
        '{ node(id: "<report.kept>") { id ... on MessageReport { FIELD } } }',
    ],
    "Person": [
        '{ node(id: "<person.hired>") { id ... on Person { FIELD } } }',
        '{ room(id: "<room.group>") { members(first: 3) { nodes { role person { FIELD } } } } }',
    ],
    "Job": ['{ jobs(first: 2) { nodes { id FIELD } } }', '{ node(id: "<job.expiry>") { id ... on Job { FIELD } } }'],
}  # fmt: skip


@pytest.mark.parametrize("part", [0, pytest.param(1, marks=pytest.mark.long)])
async def test_both_lose_the_same_part_when_a_function_of_a_field_raises(
    part: int, rich: RichStage, monkeypatch: Patch
) -> None:
    """All computed fields, personal fields and batched sources, one at a time."""
    names = [n for n, d in declarations(rich.world).items() if isinstance(d, Computed | Source)]
    assert len(names) > 20

    for name in names[part::2]:
        with monkeypatch.context() as patch:
            break_function(patch, rich.world, name)
            await both_lose_the_same(rich, name)


@pytest.mark.parametrize(
    "kind", ["Skill", "Client", "Application", "GigSkill", "Activity", "Freelancer", "Task", "SnippetVersion"]
)
async def test_both_lose_the_same_part_when_rows_of_a_type_cannot_be_read(
    kind: str, rich: RichStage, monkeypatch: Patch
) -> None:
    break_type(monkeypatch, rich.world, kind)
    await both_lose_the_same(rich, f"{kind}.__typename")


@pytest.mark.parametrize(
    "name", ["Gig.description", "Skill.name", "GigSkill.need", "Freelancer.createdAt", "Job.kind"]
)
async def test_both_lose_the_same_part_when_a_column_is_empty_that_must_not_be(
    name: str, rich: RichStage, monkeypatch: Patch
) -> None:
    empty_column(monkeypatch, rich.world, name)
    await both_lose_the_same(rich, name)


async def test_a_fault_of_one_item_nulls_only_what_it_must(rich: RichStage, monkeypatch: Patch) -> None:
    ids = rich.filled('["<gig.open>", "<gig.dollars>"]')
    document = f"{{ nodes(ids: {ids}) {{ ... on Gig {{ title key budget {{ kind }} }} }} }}"
    titles = [node["title"] for node in (await fresh(rich, document, by_batches))["data"]["nodes"]]
    break_function(
        monkeypatch, rich.world, "Gig.budget", when=lambda kind, low, high, currency: currency == "USD"
    )

    bodies = [await fresh(rich, document, executor) for executor in (by_plan, by_batches)]

    assert difference(*bodies) is None
    for body in bodies:
        assert [node and node["title"] for node in body["data"]["nodes"]] == [titles[0], None]
        assert errors_of(body) == {(("nodes", 1, "budget"), "INTERNAL")}


async def test_a_source_without_a_value_for_one_item_nulls_only_what_it_must(
    rich: RichStage, monkeypatch: Patch
) -> None:
    ids = rich.filled('["<gig.open>", "<gig.dollars>"]')
    document = f"{{ nodes(ids: {ids}) {{ ... on Gig {{ title isSaved }} }} }}"

    async def saved(op: Any, keys: Any) -> dict[Any, Any]:
        return {key: None if str(key) == second else True for key in keys}

    rows = await rich.world.rows("select id from gig where currency = 'USD'")
    second = str(rows[0][0])
    answer_instead(monkeypatch, rich.world, "Gig.isSaved", saved)

    bodies = [await fresh(rich, document, executor) for executor in (by_plan, by_batches)]

    assert difference(*bodies) is None
    assert bodies[0]["data"]["nodes"][1] is None and bodies[0]["data"]["nodes"][0]["isSaved"] is True
    assert errors_of(bodies[0]) == {(("nodes", 1, "isSaved"), "INTERNAL")}


async def test_when_two_fields_fail_under_one_null_either_may_be_reported(
    rich: RichStage, monkeypatch: Patch
) -> None:
    document = "{ gigs(first: 2) { nodes { title key budget { kind } } } }"
    for name in ("Gig.key", "Gig.budget"):
        break_function(monkeypatch, rich.world, name)

    bodies = [await fresh(rich, document, executor) for executor in (by_plan, by_batches)]

    assert difference(*bodies) is None
    assert [body["data"] for body in bodies] == [None, None]
    for body in bodies:
        assert {path[-1] for path, _ in errors_of(body) if path} <= {"key", "budget"}


_ASKS = {"Job": "admin", "AdminAct": "admin", "MessageDraft": "hired", "ScheduledMessage": "hired"}


async def both_lose_the_same(rich: RichStage, name: str) -> None:
    kind, _, field = name.partition(".")
    viewer = rich.stage[_ASKS.get(kind, "owner")]
    world, lost = without_plans(rich.world), False
    for way in WAYS[kind]:
        document = rich.filled(way.replace("FIELD", _selection(rich, kind, field)))
        ours, theirs = [
            await executor(world, document, None, viewer, None) for executor in (by_plan, by_batches)
        ]
        assert difference(ours, theirs) is None, (name, document)
        codes = {code for _, code in errors_of(theirs)}
        assert codes <= {"INTERNAL"}, (name, document, theirs)
        lost = lost or codes == {"INTERNAL"}
    assert lost, f"the fault in {name} shows nowhere"


async def fresh(rich: RichStage, document: str, executor: Executor) -> Body:
    """The owner's answer in a schema that has no plans from before the fault."""
    return await executor(without_plans(rich.world), document, None, rich.stage["owner"], None)


def _selection(rich: RichStage, kind: str, field: str) -> str:
    if field == "__typename":
        return "__typename"
    target = rich.world.schema._schema.type_map[kind].fields[field].type  # type: ignore[attr-defined]
    return field if is_leaf_type(get_named_type(target)) else f"{field} {{ __typename }}"
