"""What `skillSuggest` answers while somebody types."""

from typing import Any

import pytest

from auth.viewer import ANONYMOUS
from tests.world import World

SUGGEST = "query ($prefix: String!, $first: Int! = 10) { skillSuggest(prefix: $prefix, first: $first) { name aliases } }"


async def suggest(world: World, prefix: str, *, first: int = 10) -> list[str]:
    found = (await world.data(ANONYMOUS, SUGGEST, prefix=prefix, first=first))["skillSuggest"]
    return [skill["name"] for skill in found]


async def refusal(world: World, prefix: str, *, first: int = 10) -> dict[str, Any]:
    body = await world.graphql(ANONYMOUS, SUGGEST, prefix=prefix, first=first)
    assert body["data"] is None
    extensions: dict[str, Any] = body["errors"][0]["extensions"]
    return {name: extensions[name] for name in ("code", "constraint", "argument")}


async def test_an_alias_finds_its_skill(world: World) -> None:
    rows = await world.rows(
        "select n.name as alias, s.name from skill_name n join skill s on s.id = n.skill_id "
        "where not n.is_preferred and length(n.name) > 8 and s.status = 'ACTIVE' order by n.name limit 5"
    )

    for row in rows:
        assert (await suggest(world, row.alias))[0] == row.name


@pytest.mark.parametrize("typed", ["python", "Python", "PYTHON", "  python  "])
async def test_upper_and_lower_case_and_spaces_around_make_no_difference(world: World, typed: str) -> None:
    assert (await suggest(world, typed))[0] == "Python"


async def test_a_beginning_finds_names_that_start_with_it_before_similar_ones(world: World) -> None:
    found = await suggest(world, "postgre", first=3)

    assert found[0] == "PostgreSQL"


async def test_the_exact_name_comes_before_longer_ones(world: World) -> None:
    found = await suggest(world, "java")

    assert found[0] == "Java" and "JavaScript" in found


@pytest.mark.parametrize(
    ("typed", "meant"), [("pyhton", "Python"), ("javascritp", "JavaScript"), ("kuberntes", "Kubernetes")]
)
async def test_a_typo_finds_what_was_meant(world: World, typed: str, meant: str) -> None:
    assert meant in await suggest(world, typed, first=5)


@pytest.mark.parametrize("typed", ["%", "_", "%%%", "_%", "\\", "'"])
async def test_wildcards_are_letters_like_any_other(world: World, typed: str) -> None:
    assert await suggest(world, typed, first=25) == []


async def test_a_deprecated_skill_is_not_suggested(world: World) -> None:
    rows = await world.rows(
        "select s.name from skill s where s.status = 'DEPRECATED' order by s.name limit 3"
    )

    for (name,) in rows:
        assert name not in await suggest(world, name)


async def test_nothing_typed_suggests_nothing(world: World) -> None:
    assert await suggest(world, "   ") == []


async def test_no_more_is_suggested_than_was_asked_for(world: World) -> None:
    assert len(await suggest(world, "a", first=1)) == 1
    assert len(await suggest(world, "a", first=25)) == 25


@pytest.mark.parametrize("first", [0, -1, 26])
async def test_a_number_out_of_range_is_refused(world: World, first: int) -> None:
    answer = await refusal(world, "python", first=first)

    assert answer == {"code": "BAD_USER_INPUT", "constraint": "RANGE", "argument": "first"}


@pytest.mark.parametrize("prefix", ["nul\0byte", "x" * 101])
async def test_an_overlong_or_broken_prefix_is_refused(world: World, prefix: str) -> None:
    answer = await refusal(world, prefix)

    assert answer == {"code": "BAD_USER_INPUT", "constraint": "LENGTH", "argument": "prefix"}
