"""Holes that an adversary's reading found, each shut by a test that goes through the door it stood open at."""

from datetime import timedelta
from typing import Any

import pytest

from auth.viewer import ANONYMOUS
from models.feedback import AXES, WINDOW, FeedbackWindowClosed
from models.ids import new_id
from resolvers.feedback import leave_feedback
from resolvers.jobs import run_due_jobs
from schema.limits import MAX_DESCRIPTION_ALIASES, MAX_INPUT_OBJECTS, MAX_INPUT_VALUES, objection_to
from tests.world import World

FILTERED = "query ($where: GigWhere) { gigs(where: $where) { nodes { id } } }"
SEARCHED = (
    "query ($words: String) { gigs(search: $words) { nodes { title } totalCount search { mode isLimited } } }"
)


def word() -> str:
    """A word that no other test has: letters alone, so that it stays one word; its beginning is no form of it."""
    return "zv" + "".join(chr(ord("a") + int(digit, 16)) for digit in new_id().hex[-14:]) + "qqqq"


async def errors_of(world: World, document: str, **variables: Any) -> list[tuple[str, str]]:
    body = await world.graphql(ANONYMOUS, document, **variables)
    assert "data" not in body
    return [(error["extensions"]["code"], error["message"]) for error in body["errors"]]


@pytest.mark.parametrize(
    "where",
    [
        {"OR": [{}] * MAX_INPUT_OBJECTS},
        {"AND": [{"OR": [{}] * 100}] * 10},
        {"deadline": {"in": ["2026-11-22T18:30:00Z"] * MAX_INPUT_VALUES}},
    ],
    ids=["empty filters", "empty filters in filters", "a list of dates"],
)
async def test_variables_that_would_hold_up_everybody_are_refused_before_they_are_read(
    world: World, where: dict[str, Any]
) -> None:
    allowed = {"OR": [{"wanted": {"in": [1] * 100}} for _ in range(25)]}
    assert "errors" not in await world.graphql(ANONYMOUS, FILTERED, where=allowed)

    refused = await errors_of(world, FILTERED, where=where)

    assert refused == [("BAD_USER_INPUT", "The variables hold more than 1,000 objects or 10,000 values.")]


def test_variables_at_the_limits_are_taken() -> None:
    objects: dict[str, Any] = {"where": [{} for _ in range(MAX_INPUT_OBJECTS - 1)]}
    values = {"ids": ["a"] * (MAX_INPUT_VALUES - 1)}

    assert objection_to(objects) is None
    assert objection_to(values) is None


async def test_the_whole_schema_is_described_a_few_times_in_a_document_not_thirty(world: World) -> None:
    described = "__schema { types { name fields { name args { name type { name } } } } }"
    few = " ".join(f"a{number}: {described}" for number in range(MAX_DESCRIPTION_ALIASES))
    inside = " ".join(f"a{number}: types {{ name }}" for number in range(MAX_DESCRIPTION_ALIASES + 1))
    assert "errors" not in await world.graphql(ANONYMOUS, f"{{ {few} }}")

    refused = await errors_of(world, f"{{ {few} more: {described} }}")
    refused_inside = await errors_of(world, f"{{ __schema {{ {inside} }} }}")

    message = "The document has more than 5 aliases in descriptions of the schema."
    assert refused == refused_inside == [("DOCUMENT_TOO_COMPLEX", message)]


async def test_a_search_cannot_spell_out_the_words_of_somebody_elses_draft(world: World) -> None:
    client, secret = await world.client(), word()
    await world.draft(client, title=f"Project {secret}")
    assert (await world.data(client, SEARCHED, words=secret[:-2]))["gigs"]["search"]["mode"] == "SIMILAR"

    beginning = await world.data(ANONYMOUS, SEARCHED, words=secret[:-2])
    misspelt = await world.data(ANONYMOUS, SEARCHED, words=secret[:-1] + "zz")
    nowhere = await world.data(ANONYMOUS, SEARCHED, words=word())

    assert beginning == misspelt == nowhere
    assert nowhere["gigs"] == {"nodes": [], "totalCount": 0, "search": {"mode": "WORDS", "isLimited": False}}


async def test_what_another_worker_has_opened_already_is_neither_answered_nor_counted_twice(
    world: World,
) -> None:
    done = await world.completed()
    axes = dict.fromkeys(AXES, 2)
    await leave_feedback(world.as_(done.client), done.contract_id, axes=axes, comment="Late.")
    world.clock.move(WINDOW)
    await run_due_jobs(world.as_(ANONYMOUS))
    rated = "select rating_axis_total, rating_count from freelancer_profile where user_id = :id"
    before = await world.rows(rated, id=done.freelancer.user_id)
    assert [tuple(row) for row in before] == [(12, 1)]

    world.clock.move(-timedelta(seconds=2))  # the clock of a worker that is behind the one of the job
    with pytest.raises(FeedbackWindowClosed):
        await leave_feedback(world.as_(done.freelancer), done.contract_id, axes=axes, comment="I read yours.")

    assert await world.rows(rated, id=done.freelancer.user_id) == before
    given = "select count(*) from feedback where contract_id = :id"
    assert (await world.rows(given, id=done.contract_id))[0][0] == 1
