"""How scalars are printed, by whichever executor answers."""

from datetime import timedelta

import pytest

from models.ids import encode_id
from tests.schema.two_executors import Executor, by_batches, by_plan
from tests.world import World


@pytest.mark.parametrize("executor", [by_plan, by_batches], ids=["plan", "batches"])
@pytest.mark.parametrize(
    ("microseconds", "printed"),
    [(0, "2026-11-22T12:00:00Z"), (120_300, "2026-11-22T12:00:00.1203Z"), (1, "2026-11-22T12:00:00.000001Z")],
)
async def test_a_moment_is_printed_in_utc_with_no_more_digits_than_it_has(
    world: World, executor: Executor, microseconds: int, printed: str
) -> None:
    world.clock.move(timedelta(microseconds=microseconds))
    client = await world.client()
    gig_id = encode_id("gig", await world.draft(client))
    document = "query($id: ID!) { gig(id: $id) { createdAt publishedAt } }"

    body = await executor(world, document, {"id": gig_id}, client, None)

    assert body["data"] == {"gig": {"createdAt": printed, "publishedAt": None}}
