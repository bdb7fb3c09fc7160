"""Filters: every comparator, their combination, and what missing values do."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import sqlalchemy as sa
from strawberry import Some

from models.application import WithdrawReason
from models.gig import BudgetKind, Gig
from models.gig_content import WantedSkill
from models.ids import encode_id
from resolvers import applications, gigs
from schema.filters import TextFilter, compare
from schema.graph import sql
from tests.world import World

TITLES = ("100% done_well", "100x done-well", "Ünïcode", "cheap", "dear", "hourly")


class Shelf:
    """Six open gigs of one client, filtered by one viewer who is a freelancer."""

    def __init__(self, world: World, viewer: Any, client: str, skills: dict[str, str]) -> None:
        self.world, self.viewer, self.client, self.skills = world, viewer, client, skills

    async def titles(self, where: dict[str, Any]) -> list[str]:
        document = "query($w: GigWhere!) { gigs(first: 100, where: $w) { nodes { title } } }"
        both = {"AND": [{"clientId": self.client}, where]}
        nodes = (await self.world.data(self.viewer, document, w=both))["gigs"]["nodes"]
        return sorted(node["title"] for node in nodes)


@pytest.fixture(scope="module")
async def shelf(module_world: World) -> Shelf:
    world, client, viewer = module_world, await module_world.client(), await module_world.freelancer()
    ids = {name: await world.skill(name) for name in ("python", "java", "figma")}
    contents: list[dict[str, Any]] = [
        {"skills": (WantedSkill(ids["python"]),)},
        {"skills": (WantedSkill(ids["python"]), WantedSkill(ids["java"]))},
        {"skills": (WantedSkill(ids["figma"]),)},
        {"budget_min": Decimal(10), "budget_max": Decimal(20), "deadline": world.clock() + timedelta(days=1)},
        {"budget_min": Decimal(5000), "budget_max": Decimal(9000), "wanted": 3},
        {"budget_kind": BudgetKind.HOURLY, "budget_min": Decimal(40), "budget_max": Decimal(60)},
    ]
    keys = [
        await world.open_gig(client, title=title, **content)
        for title, content in zip(TITLES, contents, strict=True)
    ]
    await world.application(viewer, keys[3])
    withdrawn = await world.application(viewer, keys[4])
    await applications.withdraw_application(
        world.as_(viewer), withdrawn, reason=WithdrawReason.OTHER, note=None
    )
    await gigs.save_gig(world.as_(viewer), keys[5])
    await gigs.pause_gig(world.as_(client), keys[5])
    assert client.user_id is not None
    skills = {name: encode_id("skill", id) for name, id in ids.items()}
    return Shelf(world, viewer, encode_id("client", client.user_id), skills)


DONE, SIMILAR, UNICODE, CHEAP, DEAR, HOURLY = TITLES
ALL = sorted(TITLES)
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ALL),
    ({"title": {}}, ALL),
    ({"title": {"eq": "cheap"}}, [CHEAP]),
    ({"title": {"ne": "cheap"}}, [t for t in ALL if t != CHEAP]),
    ({"title": {"in": ["cheap", "dear", "none"]}}, [CHEAP, DEAR]),
    ({"title": {"in": []}}, []),
    ({"title": {"contains": "100%"}}, [DONE]),
    ({"title": {"contains": "done_"}}, [DONE]),
    ({"title": {"contains": "DONE"}}, [DONE, SIMILAR]),
    ({"title": {"contains": "ÜNÏ"}}, [UNICODE]),
    ({"title": {"contains": "%"}}, [DONE]),
    ({"title": {"contains": "/"}}, []),
    ({"title": {"contains": "\\"}}, []),
    ({"title": {"contains": ""}}, ALL),
    ({"title": {"null": False}}, ALL),
    ({"title": {"null": True}}, []),
    ({"wanted": {"eq": 3}}, [DEAR]),
    ({"wanted": {"ne": 3}}, [t for t in ALL if t != DEAR]),
    ({"wanted": {"lt": 3}}, [t for t in ALL if t != DEAR]),
    ({"wanted": {"lte": 3}}, ALL),
    ({"wanted": {"gt": 1}}, [DEAR]),
    ({"wanted": {"gte": 1, "lt": 2}}, [t for t in ALL if t != DEAR]),
    ({"wanted": {"in": [2, 3]}}, [DEAR]),
    ({"wanted": {"notIn": [1]}}, [DEAR]),
    ({"wanted": {"notIn": []}}, ALL),
    ({"status": {"eq": "PAUSED"}}, [HOURLY]),
    ({"status": {"notIn": ["OPEN"]}}, [HOURLY]),
    ({"applicationCount": {"gte": 1}}, [CHEAP]),
    ({"deadline": {"lt": "2026-12-01T00:00:00+14:00"}}, [CHEAP]),
    ({"hasApplied": True}, [CHEAP]),
    ({"hasApplied": False}, [t for t in ALL if t != CHEAP]),
    ({"isSaved": True}, [HOURLY]),
    ({"isSaved": False}, [t for t in ALL if t != HOURLY]),
    ({"budget": {"currency": "EUR"}}, ALL),
    ({"budget": {"currency": "USD"}}, []),
    ({"budget": {"currency": "EUR", "hourly": {}}}, [HOURLY]),
    ({"budget": {"currency": "EUR", "hourly": {"min": "60"}}}, [HOURLY]),
    ({"budget": {"currency": "EUR", "hourly": {"min": "60.001"}}}, []),
    ({"budget": {"currency": "EUR", "fixed": {"max": "20"}}}, [CHEAP]),
    ({"budget": {"currency": "EUR", "fixed": {"max": "9.999"}}}, []),
    ({"budget": {"currency": "EUR", "fixed": {"min": "5000"}, "hourly": {"max": "40"}}}, [DEAR, HOURLY]),
    ({"budget": {"currency": "EUR", "fixed": {"min": "300", "max": "100"}}}, []),
    ({"client": {"rating": {"gte": "1"}}}, []),
    ({"client": {"rating": {"null": True}}}, ALL),
    ({"client": {"rating": {"ne": "5"}}}, ALL),
    ({"NOT": {"client": {"rating": {"gte": "1"}}}}, ALL),
    ({"AND": []}, ALL),
    ({"OR": []}, []),
    ({"NOT": {}}, []),
    ({"OR": [{"title": {"eq": "cheap"}}, {"wanted": {"eq": 3}}]}, [CHEAP, DEAR]),
    ({"OR": [{"title": {"eq": "cheap"}}], "wanted": {"eq": 3}}, []),
    ({"NOT": {"OR": [{"wanted": {"eq": 3}}, {"title": {"contains": "o"}}]}}, [CHEAP]),
    ({"AND": [{"NOT": {"title": {"eq": "cheap"}}}, {"deadline": {"lt": "2027-01-01T00:00:00Z"}}, {"wanted": {"eq": 3}}]}, [DEAR]),
]  # fmt: skip


@pytest.mark.parametrize(("where", "expected"), CASES, ids=lambda case: str(case)[:60])
async def test_a_filter_finds_exactly_what_it_says(
    where: dict[str, Any], expected: list[str], shelf: Shelf
) -> None:
    assert await shelf.titles(where) == sorted(expected)


@pytest.mark.parametrize(
    ("skills", "expected"),
    [
        ({"any": ["python"]}, [DONE, SIMILAR]),
        ({"any": ["python", "figma"]}, [DONE, SIMILAR, UNICODE]),
        ({"any": []}, []),
        ({"all": ["python", "java"]}, [SIMILAR]),
        ({"all": ["python", "python"]}, [DONE, SIMILAR]),
        ({"all": []}, ALL),
        ({"none": ["python"]}, [UNICODE, CHEAP, DEAR, HOURLY]),
        ({"none": []}, ALL),
        ({"any": ["python"], "none": ["java"]}, [DONE]),
    ],
)
async def test_skills_are_any_all_or_none_of_those_named(
    skills: dict[str, list[str]], expected: list[str], shelf: Shelf
) -> None:
    ids = {how: [shelf.skills[name] for name in names] for how, names in skills.items()}

    assert await shelf.titles({"skills": ids}) == sorted(expected)


async def test_facets_count_what_the_filter_finds(shelf: Shelf) -> None:
    document = """query($w: GigWhere!) { gigFacets(where: $w) { skills { skill { name } count }
        budgetKinds { value count } currencies { value count } statuses { value count } } }"""

    facets = (await shelf.world.data(shelf.viewer, document, w={"clientId": shelf.client}))["gigFacets"]

    skills = facets.pop("skills")
    assert facets == {
        "budgetKinds": [{"value": "FIXED", "count": 5}, {"value": "HOURLY", "count": 1}],
        "currencies": [{"value": "EUR", "count": 6}],
        "statuses": [{"value": "OPEN", "count": 5}, {"value": "PAUSED", "count": 1}],
    }
    assert [skill["count"] for skill in skills] == [2, 1, 1]
    assert skills[0]["skill"] == {"name": "Python"}


POSTGRES: sa.Dialect = sa.make_url("postgresql://").get_dialect()()


async def test_a_part_of_a_title_can_be_looked_up_in_an_index(world: World) -> None:
    condition = compare(
        sql(Gig.title),
        TextFilter(eq=None, ne=None, in_=None, contains=Some("50% off"), null=None),
        path=("title",),
    )
    written = condition.compile(dialect=POSTGRES, compile_kwargs={"literal_binds": True})
    plan = sa.text(f"explain (costs off) select 1 from gig where {written}".replace("%%", "%"))

    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        # A table this small is read as a whole unless that is forbidden.
        await tx.execute(sa.text("set local enable_seqscan = off"))
        lines = [row[0] for row in await tx.execute(plan)]

    assert [line.strip() for line in lines] == [
        "Bitmap Heap Scan on gig",
        "Recheck Cond: ((title)::text ~~* '%50\\% off%'::text)",
        "->  Bitmap Index Scan on ix_gig_title_trigram",
        "Index Cond: ((title)::text ~~* '%50\\% off%'::text)",
    ]
