"""What the schema says of itself: asked for once by every explorer, and a second of work."""

import asyncio
import threading

import pytest
from graphql import get_introspection_query

from schema.planner import operation
from tests.world import World

TYPES = 'query($old: Boolean!) { __type(name: "Gig") { fields(includeDeprecated: $old) { name } } again: __typename }'


async def test_the_description_is_what_batches_answer_and_is_made_beside_the_loop_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    makers: list[threading.Thread] = []
    describe = operation._describe

    def seen(*arguments: object) -> object:
        makers.append(threading.current_thread())
        return describe(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(operation, "_describe", seen)
    viewer, batched = await world.client(), await world.client()
    document = get_introspection_query()

    first, second = await world.graphql(viewer, document), await world.graphql(viewer, document)
    world.planned = False
    by_batches = await world.graphql(batched, document)

    assert first["data"] == second["data"] == by_batches["data"]
    assert first["extensions"]["cost"] == by_batches["extensions"]["cost"]
    assert len(makers) == 1 and makers[0] is not threading.main_thread()


async def test_other_variables_get_a_description_of_their_own(world: World) -> None:
    viewer = await world.client()

    answers = await asyncio.gather(
        *(world.graphql(viewer, TYPES, old=is_old) for is_old in (True, False, True, False))
    )

    assert answers[0]["data"] == answers[2]["data"] and answers[1]["data"] == answers[3]["data"]
    assert {answer["data"]["again"] for answer in answers} == {"Query"}
    assert "title" in {field["name"] for field in answers[1]["data"]["__type"]["fields"]}
