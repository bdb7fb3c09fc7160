"""Searching gigs: what is found, in which order and page by page, and what must never be found."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from auth.viewer import ANONYMOUS, Viewer
from models.gig import BudgetKind, GigVisibility
from models.gig_content import WantedSkill
from models.ids import encode_id, new_id
from resolvers import gigs, invitations
from schema.gig_search import CANDIDATES, FACET_CANDIDATES
from schema.planner.statement import compile_statement
from schema.planner.unit import statements_of
from tests.world import World

SEARCH = """query ($search: String, $first: Int, $after: String, $last: Int, $before: String,
                   $order: [GigOrder!], $where: GigWhere) {
  gigs(search: $search, first: $first, after: $after, last: $last, before: $before, orderBy: $order, where: $where) {
    nodes { id title } totalCount
    pageInfo { endCursor startCursor hasNextPage hasPreviousPage }
    search { mode candidateLimit isLimited } } }"""
FACETS = """query ($search: String, $where: GigWhere) {
  gigFacets(search: $search, where: $where) {
    skills { skill { id } count } budgetKinds { value count } currencies { value count } statuses { value count }
    candidateLimit isLimited } }"""


async def search(
    world: World, words: str | None, viewer: Viewer = ANONYMOUS, **arguments: Any
) -> dict[str, Any]:
    page: dict[str, Any] = (await world.data(viewer, SEARCH, search=words, **arguments))["gigs"]
    return page


async def titles(world: World, words: str, viewer: Viewer = ANONYMOUS, **arguments: Any) -> list[str]:
    return [node["title"] for node in (await search(world, words, viewer, **arguments))["nodes"]]


async def refusal(world: World, document: str = SEARCH, **arguments: Any) -> dict[str, Any]:
    body = await world.graphql(ANONYMOUS, document, **arguments)
    assert body["data"] in (None, {"gigs": None}, {"gigFacets": None})
    extensions: dict[str, Any] = body["errors"][0]["extensions"]
    return {name: extensions[name] for name in ("code", "constraint", "argument")}


def word() -> str:
    """A word that no other test has: letters alone, so that it stays one word."""
    return "zq" + "".join(chr(ord("a") + int(digit, 16)) for digit in new_id().hex[-14:])


# -- the statement ------------------------------------------------------------------------------------------------------


async def test_other_words_and_other_values_of_a_filter_are_no_other_statement(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []

    def counting(*arguments: Any) -> Any:
        compiled.append(1)
        return compile_statement(*arguments)

    monkeypatch.setattr("schema.planner.unit.compile_statement", counting)
    statements_of.cache_clear()  # other tests select the same
    client = await world.client()
    skills = [await world.skill(name) for name in ("python", "java", "docker")]
    names = [word() for _ in skills]
    for name, skill in zip(names, skills, strict=True):
        await world.open_gig(client, title=f"{name} wanted", skills=(WantedSkill(skill),))
    document = SEARCH.replace("gigs(", "gigs: gigs(")  # one that nobody has read yet

    async def found(words: str, wanted: list[UUID], statuses: list[str]) -> list[str]:
        ids = [encode_id("skill", skill) for skill in wanted]
        where = {"skills": {"any": ids}, "status": {"in": statuses}}
        answer = await world.data(ANONYMOUS, document, search=words, where=where, first=1)
        return [node["title"] for node in answer["gigs"]["nodes"]]

    assert await found(names[0], skills[:1], ["OPEN"]) == [f"{names[0]} wanted"]
    assert await found(names[1], skills, ["PAUSED", "OPEN"]) == [f"{names[1]} wanted"]
    assert len(compiled) == 1


# -- words ---------------------------------------------------------------------------------------------------------------


async def test_words_are_found_in_any_grammatical_form_in_title_and_description(world: World) -> None:
    client, ours = await world.client(), word()
    await world.open_gig(client, title=f"{ours} translating brochures", description="Nothing else.")
    await world.open_gig(client, title=f"{ours} other", description="One brochure is to be translated.")
    await world.open_gig(client, title=f"{ours} printing", description="A brochure.")

    page = await search(world, f"{ours} translate Brochure", first=2)

    assert [node["title"] for node in page["nodes"]] == [f"{ours} translating brochures", f"{ours} other"]
    assert page["search"] == {"mode": "WORDS", "candidateLimit": CANDIDATES, "isLimited": False}
    assert page["totalCount"] == 2


async def test_quotes_or_and_minus_work_as_in_web_searches(world: World) -> None:
    client, x = await world.client(), word()
    together, apart, alone = f"A {x}sea {x}port", f"A {x}port at {x}sea", f"The {x}sea {x}alone"
    for title in (together, apart, alone):
        await world.open_gig(client, title=title, description="Nothing.")
    searches = {
        f'"{x}sea {x}port"': {together},
        f"{x}sea {x}port": {together, apart},
        f"{x}sea -{x}port": {alone},
        f"{x}alone or {x}port": {together, apart, alone},
        f'{x}sea -"{x}sea {x}port"': {apart, alone},
    }

    found = {
        words: set(await titles(world, words, first=len(expected))) for words, expected in searches.items()
    }

    assert found == searches


async def test_what_has_the_word_in_its_title_comes_before_what_has_it_in_its_description(
    world: World,
) -> None:
    client, ours = await world.client(), word()
    await world.open_gig(client, title=f"Paint a {ours}", description="On a wall of ten metres.")
    await world.open_gig(client, title="A wall", description=f"It needs something like a {ours} on the side.")

    assert await titles(world, ours, first=2) == [f"Paint a {ours}", "A wall"]


# -- spelling ------------------------------------------------------------------------------------------------------------


async def test_a_misspelt_or_unfinished_word_is_found_by_its_likeness(empty_world: World) -> None:
    world = empty_world
    client = await world.client()
    await world.open_gig(client, title="A Python script", description="It sorts photos.")
    await world.open_gig(client, title="A garden", description="With roses.")

    for typed in ("pyhton", "pythn", "pythonn", "pyt", "Pyhton script", "pyhton scirpt"):
        page = await search(world, typed)
        assert [node["title"] for node in page["nodes"]] == ["A Python script"], typed
        assert page["search"]["mode"] == "SIMILAR"


async def test_likeness_counts_only_where_the_words_find_less_than_a_page(empty_world: World) -> None:
    world = empty_world
    client = await world.client()
    for title in ("Harvest apples", "Harvest pears", "Harvesters wanted"):
        await world.open_gig(client, title=title, description="Nothing.")
    await world.open_gig(client, title="A harvext typo", description="Nothing.")

    full = await search(world, "harvest", first=3)
    short = await search(world, "harvest", first=4)

    assert (full["search"]["mode"], full["totalCount"]) == ("WORDS", 3)
    assert (short["search"]["mode"], short["totalCount"]) == ("SIMILAR", 4)
    assert short["nodes"][-1]["title"] == "A harvext typo"


async def test_what_is_excluded_stays_excluded_when_the_rest_is_misspelt(empty_world: World) -> None:
    world = empty_world
    client = await world.client()
    await world.open_gig(client, title="A violin concert", description="In spring.")
    await world.open_gig(client, title="A violin lesson", description="In spring.")

    assert await titles(world, "voilin -lesson") == ["A violin concert"]


async def test_a_word_that_an_edit_brings_is_known_to_the_spelling_too(empty_world: World) -> None:
    world = empty_world
    client = await world.client()
    gig_id = await world.draft(client, title="A garden", description="Nothing.")
    changed = {"title": "A vineyard"}
    await gigs.edit_gig(world.as_(client), gig_id, changed, expected_version=None)

    assert await titles(world, "vinyeard", client) == ["A vineyard"]


async def test_a_search_for_nothing_but_filler_words_is_refused(world: World) -> None:
    answer = await refusal(world, search="the of and")

    assert answer == {"code": "BAD_USER_INPUT", "constraint": "WORDS", "argument": "search"}


# -- pages ---------------------------------------------------------------------------------------------------------------


async def test_pages_of_equally_relevant_gigs_neither_skip_nor_repeat_in_either_mode(world: World) -> None:
    client, ours = await world.client(), word()
    for number in range(11):
        await world.open_gig(
            client, title=f"{ours} {ours if number % 3 == 0 else 'plain'}", description="Same."
        )
        if number % 2:
            world.clock.move(timedelta(seconds=1))

    for typed, mode in ((ours, "WORDS"), (ours[:8], "SIMILAR")):
        whole = await search(world, typed, first=100)
        for size in (1, 3, 4):
            forwards = await walk(world, typed, first=size)
            assert [node["id"] for node in forwards] == [node["id"] for node in whole["nodes"]]
            assert len({node["id"] for node in forwards}) == 11
        first = await search(world, typed, first=2)
        assert first["search"]["mode"] == mode


async def walk(world: World, words: str, *, first: int) -> list[dict[str, Any]]:
    """All nodes, page by page; every page must be found the same way as the first."""
    page = await search(world, words, first=first)
    mode, nodes = page["search"]["mode"], list(page["nodes"])
    while page["pageInfo"]["hasNextPage"]:
        page = await search(world, words, first=first, after=page["pageInfo"]["endCursor"])
        assert page["search"]["mode"] == mode and page["nodes"]
        nodes += page["nodes"]
    return nodes


async def test_a_last_page_that_is_short_stays_in_the_mode_of_the_first(world: World) -> None:
    client, ours = await world.client(), word()
    for number in range(3):
        await world.open_gig(client, title=f"{ours} {number}", description="Nothing.")
    await world.open_gig(client, title=f"{ours}x", description="Nothing.")

    first = await search(world, ours, first=2)
    second = await search(world, ours, first=2, after=first["pageInfo"]["endCursor"])

    assert (first["search"]["mode"], second["search"]["mode"]) == ("WORDS", "WORDS")
    assert len(first["nodes"]) == 2 and len(second["nodes"]) == 1
    assert not second["pageInfo"]["hasNextPage"]


async def test_a_page_read_backwards_is_the_same_page(world: World) -> None:
    client, ours = await world.client(), word()
    for number in range(5):
        await world.open_gig(client, title=f"{ours} {number}", description="Same.")
    whole = await search(world, ours, first=5)
    third = await search(world, ours, first=3)

    back = await search(world, ours, last=2, before=third["pageInfo"]["endCursor"])

    assert back["nodes"] == whole["nodes"][:2]
    assert back["pageInfo"]["hasPreviousPage"] is False


async def test_a_cursor_of_another_search_is_refused(world: World) -> None:
    client, ours = await world.client(), word()
    for number in range(2):
        await world.open_gig(client, title=f"{ours} {number}", description="Same.")
    cursor = (await search(world, ours, first=1))["pageInfo"]["endCursor"]

    answer = await refusal(world, search="something", after=cursor)

    assert answer == {"code": "BAD_USER_INPUT", "constraint": "CURSOR", "argument": "after"}


async def test_what_a_search_finds_can_be_ordered_otherwise(world: World) -> None:
    client, ours = await world.client(), word()
    for days in (20, 10, 30):
        await world.open_gig(client, title=f"{ours} in {days}", deadline=world.clock() + timedelta(days=days))

    soonest = await titles(world, ours, first=2, order=[{"field": "DEADLINE", "direction": "ASC"}])
    least = await titles(world, ours, first=3, order=[{"field": "RELEVANCE", "direction": "ASC"}])

    assert soonest == [f"{ours} in 10", f"{ours} in 20"]
    assert least == list(reversed(await titles(world, ours, first=3)))


async def test_relevance_without_a_search_is_refused(world: World) -> None:
    answer = await refusal(world, order=[{"field": "RELEVANCE"}])

    assert answer == {"code": "BAD_USER_INPUT", "constraint": "PAIRING", "argument": "orderBy"}


@pytest.mark.parametrize("words", ["", "   ", "nul\0byte", "x" * 201])
async def test_an_empty_overlong_or_broken_search_is_refused(world: World, words: str) -> None:
    expected = {"code": "BAD_USER_INPUT", "constraint": "LENGTH", "argument": "search"}

    assert await refusal(world, search=words) == expected
    assert await refusal(world, FACETS, search=words) == expected


@pytest.mark.parametrize(
    "words", ["'", '"', "\\", "a'b:* & !c | (d", "50% _x_", "!!!", "<->", "-", "a' | 'b:*"]
)
async def test_signs_of_the_query_language_are_only_signs(world: World, words: str) -> None:
    body = await world.graphql(ANONYMOUS, SEARCH, search=words)

    codes = {
        (error["extensions"]["code"], error["extensions"]["constraint"]) for error in body.get("errors", [])
    }
    assert codes <= {("BAD_USER_INPUT", "WORDS")}


# -- who sees what ---------------------------------------------------------------------------------------------------------


async def test_a_hidden_gig_is_found_by_nobody_who_may_not_see_it(world: World) -> None:
    ours = word()
    client, invited, stranger = await world.client(), await world.freelancer(), await world.freelancer()
    assert invited.user_id is not None
    await world.draft(client, title=f"{ours} draft")
    secret = await world.open_gig(client, title=f"{ours} secret", visibility=GigVisibility.INVITE_ONLY)
    await invitations.invite_freelancer(
        world.as_(client), secret, freelancer_id=invited.user_id, message=None
    )

    for typed in (ours, ours[:8]):
        for viewer, found in (
            (client, {f"{ours} draft", f"{ours} secret"}),
            (invited, {f"{ours} secret"}),
            (stranger, set()),
            (ANONYMOUS, set()),
        ):
            page = await search(world, typed, viewer)
            assert {node["title"] for node in page["nodes"]} == found
            assert page["totalCount"] == len(found)
            counted = (await world.data(viewer, FACETS, search=ours))["gigFacets"]
            assert sum(facet["count"] for facet in counted["currencies"]) == len(found)


# -- facets ----------------------------------------------------------------------------------------------------------------


async def test_facets_count_what_a_count_by_hand_counts(empty_world: World) -> None:
    world, chance = empty_world, random.Random(7)
    client = await world.client()
    skills = [await world.skill(name) for name in ("python", "java", "docker")]
    expected: dict[str, dict[str, int]] = {"skills": {}, "budgetKinds": {}, "currencies": {}, "statuses": {}}
    for number in range(24):
        wanted = chance.sample(skills, chance.randint(0, 3))
        kind, currency = chance.choice(list(BudgetKind)), chance.choice(["EUR", "USD", "JPY"])
        has_word = number % 3 != 0
        content = {"budget_kind": kind, "currency": currency, "skills": tuple(map(WantedSkill, wanted))}
        title = "Paint boats" if has_word else "Something else"
        gig_id = await world.open_gig(client, title=title, description="Nothing.", **content)
        is_paused = number % 4 == 0
        if is_paused:
            await gigs.pause_gig(world.as_(client), gig_id)
        if has_word:
            status = "PAUSED" if is_paused else "OPEN"
            for facet, values in (
                ("skills", [encode_id("skill", UUID(bytes=id.bytes)) for id in wanted]),
                ("budgetKinds", [kind.value]),
                ("currencies", [currency]),
                ("statuses", [status]),
            ):
                for value in values:
                    expected[facet][value] = expected[facet].get(value, 0) + 1

    facets = (await world.data(ANONYMOUS, FACETS, search="painting boat"))["gigFacets"]

    counted = {name: {f["value"]: f["count"] for f in facets[name]} for name in expected if name != "skills"}
    counted["skills"] = {f["skill"]["id"]: f["count"] for f in facets["skills"]}
    assert counted == expected
    assert (facets["candidateLimit"], facets["isLimited"]) == (FACET_CANDIDATES, False)
    assert [f["count"] for f in facets["skills"]] == sorted(
        (f["count"] for f in facets["skills"]), reverse=True
    )


async def test_facets_of_a_phrase_count_only_where_the_words_stand_side_by_side(world: World) -> None:
    client, x = await world.client(), word()
    await world.open_gig(client, title=f"A {x}sea {x}port", description="Nothing.", currency="EUR")
    await world.open_gig(client, title=f"A {x}port at {x}sea", description="Nothing.", currency="USD")
    await world.open_gig(client, title=f"A {x}sea-{x}port", description="Nothing.", currency="GBP")

    counted = {
        words: {
            facet["value"]: facet["count"]
            for facet in (await world.data(ANONYMOUS, FACETS, search=words))["gigFacets"]["currencies"]
        }
        for words in (f"{x}sea {x}port", f'"{x}sea {x}port"', f"{x}sea-{x}port")
    }

    assert counted == {
        f"{x}sea {x}port": {"EUR": 1, "USD": 1, "GBP": 1},
        f'"{x}sea {x}port"': {"EUR": 1, "GBP": 1},
        f"{x}sea-{x}port": {"GBP": 1},
    }


# -- the cap ---------------------------------------------------------------------------------------------------------------

_MANY = sa.text("""
    insert into gig (version, updated_at, id, client_id, title, description, budget_kind, budget_min_minor,
                     budget_max_minor, currency, deadline, wanted, hired, visibility, status, application_count,
                     view_count, created_at, published_at, listed_at)
    select 1, :at, gen_random_uuid(), :client, 'A lighthouse ' || n, 'Nothing.', 'FIXED', 100, 200, 'EUR', :at, 1, 0,
           'PUBLIC', 'OPEN', 0, 0, :at, listed, listed
    from generate_series(1, :count) as n, lateral (select cast(:at as timestamptz) - n * interval '1 minute') as t(listed)
""")


async def insert_gigs(world: World, count: int, client: Viewer) -> None:
    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        values = {"at": world.clock(), "client": client.user_id, "count": count}
        await tx.execute(
            _MANY.bindparams(sa.bindparam("at", type_=sa.DateTime(timezone=True))).bindparams(**values)
        )


@pytest.mark.long
async def test_the_newest_candidates_are_ranked_and_the_answer_says_when_there_are_more(
    empty_world: World,
) -> None:
    world = empty_world
    client = await world.client()
    await insert_gigs(world, CANDIDATES, client)
    exact = await search(world, "lighthouse", first=1)
    world.clock.move(timedelta(hours=1))
    await world.open_gig(client, title="A lighthouse of today", description="Nothing.")

    page = await search(world, "lighthouse", first=1)
    found = await walk(world, "lighthouse", first=100)

    assert exact["search"]["isLimited"] is False and exact["totalCount"] == CANDIDATES
    assert page["search"]["isLimited"] is True and page["totalCount"] == CANDIDATES
    assert len({node["id"] for node in found}) == CANDIDATES
    assert f"A lighthouse {CANDIDATES}" not in {node["title"] for node in found}


@pytest.mark.long
async def test_facets_count_the_newest_gigs_and_say_when_there_are_more(empty_world: World) -> None:
    world = empty_world
    client = await world.client()
    await insert_gigs(world, FACET_CANDIDATES + 1, client)

    facets = (await world.data(ANONYMOUS, FACETS, search="lighthouse"))["gigFacets"]

    assert facets["currencies"] == [{"value": "EUR", "count": FACET_CANDIDATES}]
    assert facets["isLimited"] is True
