"""What the schema says of itself: asked for once by every explorer, and a second of work."""

import asyncio
import threading

import pytest
from graphql import get_introspection_query

from resolvers.operation import Operation
from schema.documents import Documents
from schema.execution import Request, build_executable, execute
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


async def test_descriptions_are_bounded_together_whoever_keeps_what_asked_for_them(world: World) -> None:
    schema = build_executable(introspection=True)
    schema.documents = Documents(schema, introspection=True, max_described=1_000_000)
    viewer, asked, lengths = await world.client(), [], []

    for number in range(20):
        asked.append(Request(f"query D{number} {{ __schema {{ types {{ name description }} }} }}"))
        lengths.append(len((await execute(schema, asked[-1], Operation(world.services, viewer, "test"))).raw))

    kept = schema.documents.descriptions.size
    assert all(request.ready is not None for request in asked)
    assert len(set(lengths)) == 1 and 50_000 < lengths[0] < 100_000
    assert kept <= 1_000_000 < kept + lengths[0] < sum(lengths)


async def test_other_variables_get_a_description_of_their_own(world: World) -> None:
    viewer = await world.client()

    answers = await asyncio.gather(
        *(world.graphql(viewer, TYPES, old=is_old) for is_old in (True, False, True, False))
    )

    assert answers[0]["data"] == answers[2]["data"] and answers[1]["data"] == answers[3]["data"]
    assert {answer["data"]["again"] for answer in answers} == {"Query"}
    assert "title" in {field["name"] for field in answers[1]["data"]["__type"]["fields"]}
