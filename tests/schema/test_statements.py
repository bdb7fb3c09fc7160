"""Documents that read the same rows have their statements in common; those that differ in anything that is read have not."""

from dataclasses import replace
from datetime import timedelta
from itertools import combinations

import pytest
import sqlalchemy as sa
from sqlmodel import col

from auth.viewer import ANONYMOUS, Viewer
from models.gig import Gig, GigSkill
from models.ids import new_id
from models.message import Content
from models.store.sql import counting_statements
from resolvers import administration, drafts, messages, scheduled_messages, tasks
from resolvers.operation import Operation
from resolvers.tasks import BOTTOM
from schema.execution import Request, execute
from schema.graph import NodeSpec, Scope, sql
from schema.planner.rows import Rows
from schema.planner.statement import compile_statement
from schema.planner.unit import MOST_READINGS, statements_of
from tests.schema.documents import Case, written
from tests.schema.rich_stage import RichStage
from tests.schema.stage import Stage, key
from tests.schema.test_differential import DOCUMENTS
from tests.schema.two_executors import by_batches, by_plan, difference

OF_A_GIG = "id title client { id name } skills { id name }"
GIGS = f"{{ gigs(first: 3) {{ nodes {{ {OF_A_GIG} }} }} }}"
SAME = {
    "an alias": f"{{ gigs(first: 3) {{ nodes {{ {OF_A_GIG.replace('title', 'heading: title')} }} }} }}",
    "the name of the operation": f"query Gigs {GIGS}",
    "a comment": f"{GIGS} # for the front page",
    "a fragment": f"{{ gigs(first: 3) {{ ...F }} }} fragment F on GigConnection {{ nodes {{ {OF_A_GIG} }} }}",
    "a variable": f"query ($n: Int = 3) {{ gigs(first: $n) {{ nodes {{ {OF_A_GIG} }} }} }}",
    "the size of the page": f"{{ gigs(first: 9) {{ nodes {{ {OF_A_GIG} }} }} }}",
    "`__typename`": f"{{ gigs(first: 3) {{ nodes {{ __typename {OF_A_GIG} }} }} }}",
    "`hasNextPage`": f"{{ gigs(first: 3) {{ nodes {{ {OF_A_GIG} }} pageInfo {{ hasNextPage }} }} }}",
}
OTHER = {
    "a column": GIGS.replace("title", "status"),
    "one column more": GIGS.replace("title", "title status"),
    "the order of columns": GIGS.replace("id title", "title id"),
    "a column of a relation": GIGS.replace("client { id name }", "client { id }"),
    "a relation": GIGS.replace("client { id name }", ""),
    "the order of relations": "{ gigs(first: 3) { nodes { id title skills { id name } client { id name } } } }",
    "a page below": GIGS.replace("title", "title applications { nodes { id } }"),
    "another page below": GIGS.replace("title", "title viewerApplications { nodes { id } }"),
    "the total": GIGS.replace("nodes", "totalCount nodes"),
    "cursors": GIGS.replace("nodes", "pageInfo { endCursor } nodes"),
    "a search": GIGS.replace("first: 3", 'first: 3, search: "booking"'),
    "the report of a search": GIGS.replace("first: 3", 'first: 3, search: "booking"').replace(
        "nodes", "search { mode } nodes"
    ),
    "an order": GIGS.replace("first: 3", "first: 3, orderBy: { field: DEADLINE }"),
    "the direction": GIGS.replace("first", "last"),
    "a filter": GIGS.replace("first: 3", "first: 3, where: { status: { eq: OPEN } }"),
    "another filter": GIGS.replace("first: 3", "first: 3, where: { status: { ne: OPEN } }"),
}


@pytest.fixture(autouse=True)
def no_statement_is_known() -> None:
    statements_of.cache_clear()


@pytest.mark.parametrize("name", SAME)
async def test_documents_that_read_the_same_share_a_statement_though_they_differ_in(
    name: str, rich: RichStage
) -> None:
    first, second = await sql_of(rich, GIGS), await sql_of(rich, SAME[name])

    assert len(first) == 1 and first == second
    assert statements_of.cache_info().currsize == 1
    assert await is_right(rich, SAME[name])


async def test_no_two_documents_share_a_statement_that_differ_in_what_is_read(rich: RichStage) -> None:
    found = {name: await sql_of(rich, document) for name, document in {"nothing": GIGS, **OTHER}.items()}

    shared = [(one, other) for one, other in combinations(found, 2) if found[one] == found[other]]
    wrong = [name for name, document in OTHER.items() if not await is_right(rich, document)]
    assert {name: len(sql) for name, sql in found.items()} == dict.fromkeys(found, 1)
    assert shared == [] and wrong == []


async def test_callers_of_other_roles_share_no_statement(rich: RichStage) -> None:
    found = {name: await sql_of(rich, GIGS, name) for name in ("anonymous", "owner", "client", "admin")}

    assert len({*found["anonymous"], *found["owner"], *found["admin"]}) == 3
    assert found["client"] == found["owner"]


async def test_values_in_the_text_of_a_document_are_not_those_of_the_document_it_shares_with(
    rich: RichStage,
) -> None:
    document = "{ gigs(first: 2, where: { status: { eq: %s } }) { totalCount nodes { status } } }"

    found = {status: await sql_of(rich, document % status) for status in ("OPEN", "COMPLETED")}

    assert found["OPEN"] == found["COMPLETED"]
    assert statements_of.cache_info().currsize == 1
    assert await is_right(rich, document % "OPEN") and await is_right(rich, document % "COMPLETED")


@pytest.mark.long
async def test_a_statement_is_the_same_whatever_other_documents_were_read_before(rich: RichStage) -> None:
    cases = [Case(document, {}, "owner") for document in DOCUMENTS.values()]
    cases += [written(seed) for seed in range(60)]

    among_others = [await sql_of_case(rich, case) for case in cases]

    for case, known in zip(cases, among_others, strict=True):
        statements_of.cache_clear()
        assert await sql_of_case(rich, replace(case, document=f"{case.document} # alone")) == known
    assert sum(map(bool, among_others)) > 50


def test_statements_are_kept_for_the_selections_used_last() -> None:
    for number in range(MOST_READINGS + 1):
        statements_of(number)

    assert statements_of.cache_info().currsize == MOST_READINGS


# -- boards --------------------------------------------------------------------------------------------------------------

KEPT = """{ messageDrafts { nodes { room { title } content { text mentions { person { name } } } } }
    scheduledMessages { nodes { room { title } content { text } } } }"""


async def test_what_is_kept_is_read_and_opened_in_as_many_statements_however_much_it_is(stage: Stage) -> None:
    scene, taken = await stage.kept(), []
    hired, room_id = stage.as_("hired"), key(scene.room)
    await stage.world.data(stage["hired"], KEPT)

    for _ in range(2):
        with counting_statements() as statements:
            shown = await stage.world.data(stage["hired"], KEPT)
        taken.append((dict(statements), [len(part["nodes"]) for part in shown.values()]))
        for number in range(4):
            content = Content(f"{number}", mention_ids=(key(scene.mate),))
            first, _ = await messages.send_message(hired, room_id, content)
            await drafts.save_draft(hired, room_id, first.entity_id, content, expected_version=None)
            later = hired.now() + timedelta(days=1)
            await scheduled_messages.schedule_message(hired, room_id, content, send_at=later)

    # One for each list, one for the words of each, and one for the people that they name.
    assert taken == [({"select": 4}, [1, 1]), ({"select": 5}, [5, 5])]


BOARD = """query ($id: ID!) { board(id: $id) { key streamCursor labels { name color }
    columns { id name category wipLimit taskCount isOverLimit
        tasks(first: 50) { totalCount nodes { id key title priority assignees { id name } labels { id } version } } } %s } }"""


async def test_the_first_load_of_a_board_is_one_statement_however_many_tasks_it_has(stage: Stage) -> None:
    scene, taken = await stage.furnished(), []
    owner = stage["owner"]
    await stage.world.data(owner, BOARD % "", id=scene.board)

    for _ in range(2):
        with counting_statements() as statements:
            shown = (await stage.world.data(owner, BOARD % "", id=scene.board))["board"]
        taken.append((dict(statements), sum(len(column["tasks"]["nodes"]) for column in shown["columns"])))
        for number in range(4):
            values = {
                "title": f"Post {number}",
                "assignee_ids": [owner.user_id],
                "label_ids": [key(scene.label)],
            }
            await tasks.create_task(stage.as_("owner"), key(scene.board), values, column_id=key(scene.todo))

    assert taken == [({"select": 1}, 2), ({"select": 1}, 6)]


async def test_what_python_counts_of_a_board_refers_to_people_and_tasks_within_the_plan(stage: Stage) -> None:
    scene = await stage.furnished()
    await tasks.move_task(
        stage.as_("hired"),
        key(scene.task),
        column_id=key(scene.started),
        position=BOTTOM,
        expected_version=None,
    )
    document = (
        BOARD % "members { isActive person { name } } flow { inWork { age task { title } } } viewer { can }"
    )
    request = Request(document, {"id": scene.board}, explain=True)

    body = (await execute(stage.world.schema, request, Operation(
        stage.world.services, stage["owner"], "test"
    ))).body  # fmt: skip

    shown = body["data"]["board"]
    assert [m["person"]["name"] for m in shown["members"]] == ["Olga", "Hira"]
    assert [one["task"]["title"] for one in shown["flow"]["inWork"]] == ["Paint the fence"]
    # The board, the people, the tasks; members, figures and abilities by functions.
    steps = [step["kind"] for step in body["extensions"]["plan"]]
    assert (steps.count("SQL"), steps.count("SOURCE"), len(steps)) == (3, 3, 6)


# -- administration ------------------------------------------------------------------------------------------------------


async def test_a_page_of_the_audit_log_takes_as_many_statements_however_long_it_is(stage: Stage) -> None:
    document = """query ($n: Int!) { adminActs(first: $n) { nodes { kind at reason actor { name } account { name sessions { totalCount } } } }
        accounts(first: $n) { nodes { name suspensionReason freelancer { id } } } }"""
    admin, taken = stage["admin"], []
    for number in range(4):
        person = await stage.world.freelancer(f"Somebody {number}")
        await administration.suspend_account(
            stage.as_("admin"), person.require_user(), reason="Spam.", until=None
        )
    await stage.world.data(admin, document, n=1)

    for n in (1, 4):
        with counting_statements() as statements:
            shown = (await stage.world.data(admin, document, n=n))["adminActs"]["nodes"]
        assert len(shown) == n
        taken.append(dict(statements))

    # One for each root field, and one for the reasons of each.
    assert taken == [{"select": 4}] * 2


# -- scopes --------------------------------------------------------------------------------------------------------------


def text_under(scope: Scope, viewer: Viewer) -> str:
    """The statement for titles of gigs under this scope."""
    source: sa.FromClause = Gig.__table__  # type: ignore[attr-defined]
    rows = Rows("c0", NodeSpec(object, source, scope, sql(Gig.id), None))
    rows.travels(sql(Gig.title))
    return " ".join(compile_statement(rows, [rows], viewer, []).text.split())


def test_a_scope_is_written_with_its_constants_and_with_the_viewer_as_a_parameter() -> None:
    def scope(viewer: Viewer) -> sa.ColumnElement[bool]:
        return (col(Gig.title) == "50 %: :viewer_id it's") | (col(Gig.client_id) == viewer.user_id)

    text = text_under(scope, Viewer(user_id=new_id()))

    assert text == (
        "WITH c0 AS (SELECT gig.title AS gig__title FROM gig WHERE gig.id = ANY ($1::UUID[])"
        " AND (gig.title = '50 %: :viewer_id it''s' OR gig.client_id = $2::UUID))"
        " SELECT c0_0 FROM (SELECT array_agg(c0.gig__title) AS c0_0 FROM c0) AS a0"
    )


def test_subqueries_of_a_scope_refer_to_the_rows_it_is_about() -> None:
    def scope(viewer: Viewer) -> sa.ColumnElement[bool]:
        return sa.exists().where(col(GigSkill.gig_id) == col(Gig.id))

    text = text_under(scope, ANONYMOUS)

    assert "AND (EXISTS (SELECT * FROM gig_skill WHERE gig_skill.gig_id = gig.id))" in text


def test_a_scope_that_reads_from_elsewhere_is_refused() -> None:
    with pytest.raises(AssertionError, match="a scope that reads from other tables"):
        text_under(lambda _: col(GigSkill.gig_id) == col(Gig.id), ANONYMOUS)


async def sql_of(rich: RichStage, document: str, viewer: str = "owner") -> list[str]:
    return await sql_of_case(rich, Case(document, {}, viewer))


async def sql_of_case(rich: RichStage, case: Case) -> list[str]:
    """The statements that answered it."""
    document, variables = rich.filled(case.document), rich.filled(case.variables)
    request = Request(document, variables, case.operation_name, explain=True)
    operation = Operation(rich.world.services, rich.viewer(case), "test")
    body = (await execute(rich.world.schema, request, operation)).body
    steps = body.get("extensions", {}).get("plan", ())
    return sorted(step["sql"] for step in steps if step["kind"] == "SQL")


async def is_right(rich: RichStage, document: str) -> bool:
    owner = rich.stage["owner"]
    planned = await by_plan(rich.world, document, {}, owner)
    return difference(planned, await by_batches(rich.world, document, {}, owner)) is None
