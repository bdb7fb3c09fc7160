"""Pages of the tasks in a column, while the column changes."""

from datetime import timedelta
from typing import Any

from auth.viewer import Viewer
from models.board import Position
from models.ids import encode_id
from resolvers import tasks
from tests.resolvers.boards import BOTTOM, TOP, Stage, board_stage
from tests.schema.two_executors import by_batches, by_plan, difference
from tests.world import World

PAGE = """query ($id: ID!, $after: String, $at: DateTime) { board(id: $id, asOf: $at) { columns {
  name tasks(first: 2, after: $after) { nodes { title } edges { cursor } pageInfo { endCursor hasNextPage } } } } }"""


async def page(
    stage: Stage, viewer: Viewer, after: str | None = None, at: str | None = None
) -> tuple[list[str], Any]:
    """Titles in “To do”, and the cursor of the end of the page."""
    variables = {"id": encode_id("board", stage.id), "after": after, "at": at}
    planned = await by_plan(stage.world, PAGE, variables, viewer)
    assert difference(planned, await by_batches(stage.world, PAGE, variables, viewer)) is None
    assert "errors" not in planned, planned
    column = next(one for one in planned["data"]["board"]["columns"] if one["name"] == "To do")
    return [node["title"] for node in column["tasks"]["nodes"]], column["tasks"]["pageInfo"]["endCursor"]


async def test_a_cursor_survives_that_ranks_are_spread_anew(world: World) -> None:
    stage = await board_stage(world)
    a, b, *_ = [await stage.task(title) for title in "abcd"]
    first, after = await page(stage, stage.hired.client)
    ranks = await world.rows("select rank from task where id = :id", id=b)
    for at in range(90):  # at one and the same place, until keys are too long
        new = await stage.task(str(at), "Backlog")
        await stage.move(new, "To do", Position(after=a))
    spread = await world.rows("select rank from task where id = :id", id=b)

    second, _ = await page(stage, stage.hired.client, after)

    assert (first, second) == (["a", "b"], ["c", "d"])
    assert ranks != spread


async def test_a_cursor_survives_that_its_task_moves_on(world: World) -> None:
    stage = await board_stage(world)
    _, b, *_ = [await stage.task(title) for title in "abcd"]
    _, after = await page(stage, stage.hired.client)

    await stage.move(b, "Done")
    assert (await page(stage, stage.hired.client, after))[0] == ["c", "d"]
    await stage.move(b, "To do", BOTTOM)
    assert (await page(stage, stage.hired.client, after))[0] == []
    await stage.move(b, "To do", TOP)
    assert (await page(stage, stage.hired.client, after))[0] == ["a", "c"]
    await tasks.archive_task(stage.client, b)
    assert (await page(stage, stage.hired.client, after))[0] == ["a", "c"]


async def test_the_past_has_pages_of_its_own(world: World) -> None:
    stage = await board_stage(world)
    a, *_ = [await stage.task(title) for title in "abcd"]
    then = world.clock().isoformat()
    world.clock.move(timedelta(minutes=1))
    await stage.move(a, "To do", BOTTOM)

    first, after = await page(stage, stage.hired.client, at=then)
    second, _ = await page(stage, stage.hired.client, after, at=then)

    assert (first, second) == (["a", "b"], ["c", "d"])
    variables = {"id": encode_id("board", stage.id), "after": after, "at": None}
    body = await by_plan(world, PAGE, variables, stage.hired.client)
    assert {error["extensions"]["constraint"] for error in body["errors"]} == {"CURSOR"}
