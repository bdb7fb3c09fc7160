"""A board of the past: the same document as of now, and the same answer as then."""

from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import ANONYMOUS
from models.contract import EndReason
from models.ids import encode_id
from models.store.sql import counting_statements
from models.task import TaskRelationKind
from resolvers import boards, contracts, task_talk, tasks
from tests.resolvers.boards import TOP, board_stage
from tests.schema.two_executors import by_batches, by_plan, difference
from tests.subscriptions.test_board_state import story
from tests.world import World

# All that is known of the past; `version` and what is of now only are not.
EVERYTHING = """
query ($id: ID!, $at: DateTime) { board(id: $id, asOf: $at) {
  id key assigneeLimit assigneeLimitIsHard guardsCompletion progressFollows progressPercent createdAt updatedAt streamCursor
  gig { id title } members { isActive person { name } } labels { ...L }
  columns { id name category wipLimit wipIsHard taskCount isOverLimit removedAt tasks(first: 5) {
    totalCount nodes { key } pageInfo { hasNextPage } } }
  tasks(first: 4, orderBy: [{ field: NUMBER, direction: ASC }]) { totalCount nodes { ...T } }
  urgent: tasks(first: 3, where: { priority: { eq: HIGH } }) { totalCount nodes { key } }
  activity(last: 3) { totalCount nodes { __typename } }
} }
fragment L on BoardLabel { id name color removedAt }
fragment T on Task { id key number title description priority startsOn dueOn estimate swimlane createdAt startedAt completedAt
  archivedAt updatedAt column { name } board { key } parent { key title } subtasks(first: 2) { nodes { title } } creator { name }
  assignees { name } labels { ...L }
  relations { kind other { key } } inverseRelations { kind task { key } }
  checklists { title removedAt items { text isDone dueOn assignee { name } } }
  attachments { name size url removedAt uploader { name } }
  comments(first: 3) { totalCount nodes { body editedAt deletedAt author { name } thread { id } mentions { name }
    reactions { emoji person { name } } versions(first: 3) { nodes { body } } } }
  texts(first: 5) { nodes { field body } } activity(last: 2) { nodes { __typename } } }
"""


async def test_every_moment_is_read_again_as_it_was_read_then(world: World) -> None:
    stage = await board_stage(world)
    board_id, me = encode_id("board", stage.id), stage.hired.freelancer
    read: list[tuple[str, dict[str, Any]]] = []

    async def look() -> None:
        at = world.clock().isoformat()
        body = await by_plan(world, EVERYTHING, {"id": board_id}, me)
        assert "errors" not in body, body
        read.append((at, body["data"]))
        world.clock.move(timedelta(minutes=1))

    await look()
    async for act in story(stage):
        await act()
        await look()

    for at, data in read:
        variables = {"id": board_id, "at": at}
        planned = await by_plan(world, EVERYTHING, variables, me)
        assert planned.get("errors") is None
        assert planned["data"] == data
        assert difference(planned, await by_batches(world, EVERYTHING, variables, me)) is None


async def test_undone_moves_and_ticks_are_of_the_past_as_they_were(world: World) -> None:
    stage = await board_stage(world)
    board_id, op = encode_id("board", stage.id), stage.client
    a = await stage.task("a")
    checklist = (await task_talk.add_checklist(op, a, "Steps"))[0].entity_id
    item = (await task_talk.add_item(op, checklist, {"text": "One"}))[0].entity_id
    read = []

    async def look() -> None:
        read.append((world.clock().isoformat(), await world.data(op.viewer, EVERYTHING, id=board_id)))
        world.clock.move(timedelta(minutes=1))

    await stage.move(a, "Done")
    await look()
    _, back = await stage.move(a, "To do", TOP)
    await look()
    await stage.undo(back)
    await look()
    await task_talk.edit_item(op, item, {"text": "1", "assignee_id": stage.hired.freelancer.user_id})
    await look()
    _, gone = await task_talk.remove_checklist(op, checklist)
    await look()
    await stage.undo(gone)
    await look()
    label = (await boards.add_label(op, stage.id, {"name": "Bug", "color": "#ff0000"}))[0].entity_id
    await tasks.edit_task(op, a, {"label_ids": [label]}, expected_version=None)
    _, unlabelled = await boards.remove_label(op, label)
    await look()
    await stage.undo(unlabelled)
    await look()

    for at, data in read:
        assert await world.data(op.viewer, EVERYTHING, id=board_id, at=at) == data


async def test_members_of_the_past_are_those_of_then(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client, wanted=2)
    first = await world.hired(client=client, gig_id=gig_id)
    stage = await board_stage(world, hired=first)
    document = (
        "query ($id: ID!, $at: DateTime) { board(id: $id, asOf: $at) { members { isActive person { id } } } }"
    )
    read = []
    for change in (None, "join", "leave"):
        if change == "join":
            await world.hired(client=client, gig_id=gig_id)
        if change == "leave":
            await contracts.end_contract(stage.client, first.contract_id, reason=EndReason.MUTUAL, note=None)
        now = await world.data(client, document, id=encode_id("board", stage.id))
        read.append((world.clock().isoformat(), [one["isActive"] for one in now["board"]["members"]]))
        world.clock.move(timedelta(minutes=1))

    assert [actives for _, actives in read] == [[True, True], [True, True, True], [True, True]]
    for at, actives in read:
        then = await world.data(client, document, id=encode_id("board", stage.id), at=at)
        assert [one["isActive"] for one in then["board"]["members"]] == actives


async def test_what_nobody_knows_of_the_past_is_null_and_nothing_can_be_done(world: World) -> None:
    stage = await board_stage(world)
    task_id = await stage.task()
    await tasks.watch_task(stage.client, task_id, is_on=True)
    document = """query ($id: ID!, $at: DateTime) { board(id: $id, asOf: $at) {
      version presence { doing } flow { days { completed } } forecast { remaining } viewer { can cannot { reason } }
      columns { version tasks { nodes { version watchers { id } } } } } }"""
    at = world.clock().isoformat()

    then = await by_plan(world, document, {"id": encode_id("board", stage.id), "at": at}, stage.hired.client)
    batched = await by_batches(
        world, document, {"id": encode_id("board", stage.id), "at": at}, stage.hired.client
    )

    board = then["data"]["board"]
    assert (board["version"], board["presence"], board["flow"], board["forecast"]) == (0, None, None, None)
    assert board["viewer"]["can"] == []
    assert {one["reason"] for one in board["viewer"]["cannot"]} == {
        "This is the board as it was; read it without `asOf` to change it."
    }
    assert board["columns"][1] == {"version": 0, "tasks": {"nodes": [{"version": 0, "watchers": None}]}}
    assert difference(then, batched) is None


@pytest.mark.parametrize(
    "by, says",
    [(-timedelta(days=1), "There was no board yet."), (timedelta(seconds=1), "Nobody knows the future.")],
)
async def test_a_moment_without_a_board_is_refused_with_what_to_ask_for(
    world: World, by: timedelta, says: str
) -> None:
    stage = await board_stage(world)
    made = world.clock()
    world.clock.move(timedelta(days=2))
    at = made + by if by < timedelta() else world.clock() + by
    document = "query ($id: ID!, $at: DateTime) { board(id: $id, asOf: $at) { key } }"

    body = await world.graphql(
        stage.hired.client, document, id=encode_id("board", stage.id), at=at.isoformat()
    )

    assert body["data"] == {"board": None}
    (error,) = body["errors"]
    assert error["message"].startswith(says)
    assert {name: error["extensions"][name] for name in ("code", "constraint", "argument", "min", "max")} == {
        "code": "BAD_USER_INPUT",
        "constraint": "RANGE",
        "argument": "asOf",
        "min": made.isoformat(),
        "max": world.clock().isoformat(),
    }


async def test_only_members_see_the_past_and_strangers_learn_nothing_from_the_moment(world: World) -> None:
    stage = await board_stage(world)
    stranger = await world.client()
    document = "query ($id: ID!, $at: DateTime) { board(id: $id, asOf: $at) { key } }"
    early = (world.clock() - timedelta(days=1)).isoformat()

    for viewer in (stranger, ANONYMOUS):
        for at in (early, world.clock().isoformat()):
            body = await world.graphql(viewer, document, id=encode_id("board", stage.id), at=at)
            assert body["data"] == {"board": None}
            assert "errors" not in body
    await contracts.end_contract(stage.client, stage.hired.contract_id, reason=EndReason.MUTUAL, note=None)
    shown = await world.data(
        stage.hired.freelancer, document, id=encode_id("board", stage.id), at=world.clock().isoformat()
    )
    assert shown["board"] is None


async def test_only_the_one_board_is_of_the_past(world: World) -> None:
    stage = await board_stage(world)
    other = await board_stage(world, hired=await world.hired(client=stage.hired.client))
    before = world.clock().isoformat()
    world.clock.move(timedelta(minutes=1))
    for one, key in ((stage, "NEW"), (other, "OTHER")):
        await boards.edit_board(one.client, one.id, {"key": key}, expected_version=None)
        await one.task("Later")
    document = """query ($id: ID!, $other: ID!, $at: DateTime) {
      then: board(id: $id, asOf: $at) { key tasks { totalCount } gig { board { key } client { gigs { nodes { board { key
        tasks { totalCount } } } } } } }
      now: board(id: $id) { key tasks { totalCount } }
      other: board(id: $other) { key } }"""
    variables = {"id": encode_id("board", stage.id), "other": encode_id("board", other.id), "at": before}

    body = await by_plan(world, document, variables, stage.hired.client)

    data = body["data"]
    assert (data["then"]["key"], data["then"]["tasks"]["totalCount"]) != ("NEW", 1)
    assert data["now"] == {"key": "NEW", "tasks": {"totalCount": 1}}
    assert data["other"] == {"key": "OTHER"}
    assert data["then"]["gig"]["board"]["key"] == data["then"]["key"]
    below = [gig["board"] for gig in data["then"]["gig"]["client"]["gigs"]["nodes"]]
    assert {"key": "OTHER", "tasks": {"totalCount": 1}} in below
    assert difference(body, await by_batches(world, document, variables, stage.hired.client)) is None


async def test_the_past_takes_as_many_statements_whatever_the_board_holds(world: World) -> None:
    stage = await board_stage(world)

    async def statements() -> int:
        with counting_statements() as counted:
            await world.data(
                stage.hired.client, EVERYTHING, id=encode_id("board", stage.id), at=world.clock().isoformat()
            )
        return sum(counted.values())

    await stage.task()
    few = await statements()
    for at in range(8):
        await tasks.relate_tasks(
            stage.client, await stage.task(str(at)), await stage.task(), TaskRelationKind.BLOCKS, is_on=True
        )

    assert await statements() == few == 5
