"""Paging: forwards or backwards, with ties, nulls and several keys, every item comes exactly once and in order."""

from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest

from models.ids import encode_id
from models.store.sql import counting_statements
from resolvers import applications
from schema.execution import Request, execute
from tests.world import World

ORDERS = [
    [{"field": f1, "direction": d1, **n1}, *second]
    for (f1, d1), n1 in product(
        product(["PRICE", "DURATION"], ["ASC", "DESC"]), [{}, {"nulls": "FIRST"}, {"nulls": "LAST"}]
    )
    for second in ([], [{"field": "DURATION", "direction": "ASC", "nulls": "FIRST"}])
]
PAGE = """query($gig: ID!, $order: [ApplicationOrder!], $first: Int, $after: String, $last: Int, $before: String) {
    gig(id: $gig) { applications(orderBy: $order, first: $first, after: $after, last: $last, before: $before) {
        nodes { id price { amount } duration } edges { cursor }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"""


class Bids:
    """Seven applications with ties and missing durations on one gig."""

    def __init__(self, world: World, client: Any, gig: str) -> None:
        self.world, self.client, self.gig = world, client, gig

    async def page(self, **arguments: Any) -> dict[str, Any]:
        answer = await self.world.data(self.client, PAGE, gig=self.gig, **arguments)
        page: dict[str, Any] = answer["gig"]["applications"]
        return page


@pytest.fixture(scope="module")
async def bids(module_world: World) -> Bids:
    client = await module_world.client()
    gig_id = await module_world.open_gig(client, wanted=5)
    for price, days in [(700, 3), (700, None), (600, 3), (600, 3), (700, 5), (500, None), (600, None)]:
        await module_world.application(
            await module_world.freelancer(), gig_id, price=Decimal(price), duration_days=days
        )
    return Bids(module_world, client, encode_id("gig", gig_id))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: " ".join("-".join(key.values()) for key in order))
async def test_pages_in_both_directions_make_up_the_whole_list(
    order: list[dict[str, str]], bids: Bids
) -> None:
    whole = [node["id"] for node in (await bids.page(order=order, first=100))["nodes"]]

    for size in (1, 3):
        forwards: list[str] = []
        page = await bids.page(order=order, first=size)
        forwards += [node["id"] for node in page["nodes"]]
        while page["pageInfo"]["hasNextPage"]:
            page = await bids.page(order=order, first=size, after=page["pageInfo"]["endCursor"])
            assert page["pageInfo"]["hasPreviousPage"]
            forwards += [node["id"] for node in page["nodes"]]
        backwards: list[str] = []
        page = await bids.page(order=order, last=size)
        backwards = [node["id"] for node in page["nodes"]] + backwards
        while page["pageInfo"]["hasPreviousPage"]:
            page = await bids.page(order=order, last=size, before=page["pageInfo"]["startCursor"])
            assert page["pageInfo"]["hasNextPage"]
            backwards = [node["id"] for node in page["nodes"]] + backwards
        assert (forwards, backwards) == (whole, whole)
    assert len(set(whole)) == 7


async def test_missing_values_stand_behind_the_smallest_unless_asked_otherwise(bids: Bids) -> None:
    async def durations(**key: str) -> list[str | None]:
        page = await bids.page(order=[{"field": "DURATION", **key}], first=100)
        return [node["duration"] for node in page["nodes"]]

    nothing = [None, None, None]
    assert await durations(direction="DESC") == ["P5D", "P3D", "P3D", "P3D", *nothing]
    assert await durations(direction="ASC") == [*nothing, "P3D", "P3D", "P3D", "P5D"]
    assert await durations(direction="DESC", nulls="FIRST") == [*nothing, "P5D", "P3D", "P3D", "P3D"]
    assert await durations(direction="ASC", nulls="LAST") == ["P3D", "P3D", "P3D", "P5D", *nothing]


async def test_a_cursor_survives_what_comes_in_before_and_after_it(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)
    bids = Bids(world, client, encode_id("gig", gig_id))
    for _ in range(3):
        world.clock.move(timedelta(minutes=1))
        await world.application(await world.freelancer(), gig_id)
    first = await bids.page(first=2)
    rest = [node["id"] for node in (await bids.page(first=9, after=first["pageInfo"]["endCursor"]))["nodes"]]
    world.clock.move(timedelta(minutes=1))
    await world.application(await world.freelancer(), gig_id)

    again = await bids.page(first=9, after=first["pageInfo"]["endCursor"])

    assert [node["id"] for node in again["nodes"]] == rest and len(rest) == 1
    assert len((await bids.page(first=9))["nodes"]) == 4


async def test_an_empty_page_has_no_cursors(world: World) -> None:
    client = await world.client()
    bids = Bids(world, client, encode_id("gig", await world.open_gig(client)))

    assert (await bids.page())["pageInfo"] == {
        "hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None,
    }  # fmt: skip


REFUSED = [
    ({"first": 0}, "first"), ({"first": -1}, "first"), ({"first": 101}, "first"), ({"last": 0}, "last"),
    ({"last": 101}, "last"), ({"first": 1, "last": 1}, "first"), ({"before": "x"}, "before"),
    ({"last": 1, "after": "x"}, "last"), ({"last": 1, "before": "x", "after": "x"}, "after"),
    ({"after": "forged"}, "after"), ({"after": ""}, "after"), ({"last": 2, "before": "\0"}, "before"),
    ({"order": [{"field": "PRICE"}] * 5}, "orderBy"),
]  # fmt: skip


@pytest.mark.parametrize(("arguments", "named"), REFUSED)
async def test_bad_paging_is_refused_by_the_argument(
    arguments: dict[str, Any], named: str, bids: Bids
) -> None:
    body = await bids.world.graphql(bids.client, PAGE, gig=bids.gig, **arguments)

    (error,) = body["errors"]
    assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("BAD_USER_INPUT", named)


async def test_a_cursor_of_another_order_filter_list_or_search_is_refused(bids: Bids) -> None:
    cursor = (await bids.page(first=1, order=[{"field": "PRICE"}]))["pageInfo"]["endCursor"]
    gig = f'gig(id: "{bids.gig}")'
    others = [
        f'{gig} {{ applications(after: "{cursor}") {{ totalCount }} }}',
        f'{gig} {{ applications(after: "{cursor}", orderBy: {{field: PRICE, direction: ASC}}) {{ totalCount }} }}',
        f'{gig} {{ applications(after: "{cursor}", orderBy: {{field: PRICE}}, where: {{status: {{eq: VIEWED}}}}) {{ totalCount }} }}',
        f'{gig} {{ contracts(after: "{cursor}") {{ totalCount }} }}',
        f'gigs(after: "{cursor}") {{ totalCount }}',
        f'gigs(after: "{cursor}", search: "page") {{ totalCount }}',
        f'gigs(after: "{cursor[:-2]}AA", orderBy: {{field: DEADLINE}}) {{ totalCount }}',
    ]

    for other in others:
        (error,) = (await bids.world.graphql(bids.client, f"{{ {other} }}"))["errors"]
        assert (error["extensions"]["code"], error["extensions"]["constraint"]) == (
            "BAD_USER_INPUT",
            "CURSOR",
        ), other
    same = f'{gig} {{ applications(after: "{cursor}", orderBy: {{field: PRICE}}) {{ nodes {{ id }} }} }}'
    assert len((await bids.world.data(bids.client, f"{{ {same} }}"))["gig"]["applications"]["nodes"]) == 6


async def test_each_parent_has_a_page_of_its_own(world: World) -> None:
    client = await world.client()
    for count in (0, 1, 3):
        gig_id = await world.open_gig(client, title=f"{count} bids", wanted=5)
        for _ in range(count):
            await world.application(await world.freelancer(), gig_id)
    document = """query($id: ID!) { client(id: $id) { gigs(first: 10) { nodes { title
        applications(first: 2) { totalCount nodes { gig { title } } pageInfo { hasNextPage } } } } } }"""
    assert client.user_id is not None

    gigs = (await world.data(client, document, id=encode_id("client", client.user_id)))["client"]["gigs"][
        "nodes"
    ]

    found = {
        gig["title"]: (
            gig["applications"]["totalCount"],
            [node["gig"]["title"] for node in gig["applications"]["nodes"]],
            gig["applications"]["pageInfo"]["hasNextPage"],
        )
        for gig in gigs
    }
    assert found == {
        "0 bids": (0, [], False), "1 bids": (1, ["1 bids"], False), "3 bids": (3, ["3 bids"] * 2, True),
    }  # fmt: skip


# -- statements --------------------------------------------------------------------------------------------------------

FEED = """query($id: ID!, $first: Int!) { gigs(first: $first, where: {clientId: $id}) { nodes { title
    budget { kind min { amount currency } } client { name rating { score } } skills { name }
    applications(first: 5) { nodes { freelancer { name skills { name } } } } } } }"""
DEEP = """query($id: ID!, $first: Int!) { gigs(first: $first, where: {clientId: $id}) { nodes { title viewer { can } isSaved
    activity(first: 10) { nodes { kind actorName note } } invitations { nodes { freelancer { name } message } }
    contracts { nodes { viewer { can } client { name } freelancer { name recentTrackRecord { rating { score } } }
        feedback { authorName comment } feedbackState { youAnswered } } } } } }"""


async def statements(world: World, viewer: Any, document: str, **variables: Any) -> int:
    with counting_statements() as counter:
        await world.data(viewer, document, **variables)
    return sum(counter.values())


async def test_the_three_level_feed_takes_one_statement_for_any_page(world: World) -> None:
    client = await world.client()
    skill = await world.skill()
    freelancers = [await world.freelancer() for _ in range(3)]
    for number in range(20):
        gig_id = await world.open_gig(client, wanted=5)
        if number in {0, 19}:
            for freelancer in freelancers:
                await world.application(freelancer, gig_id)
            accepted = await world.rows("select id from application where gig_id = :id limit 1", id=gig_id)
            await applications.accept_application(world.as_(client), accepted[0][0])
    assert client.user_id is not None and skill
    id = encode_id("client", client.user_id)

    feed = [await statements(world, client, FEED, id=id, first=first) for first in (1, 5, 20)]
    deep = [await statements(world, client, DEEP, id=id, first=first) for first in (1, 5, 20)]

    assert feed == [1, 1, 1]
    assert deep == [6, 6, 6]


async def test_the_total_is_counted_only_when_it_is_selected(bids: Bids) -> None:
    root = "query { gigs(first: 1) { %s } }"
    below = "query($id: ID!) { gig(id: $id) { applications(first: 1) { %s } } }"

    async def counts(document: str, **variables: Any) -> list[int]:
        """How often each statement counts."""
        request = Request(document, variables, explain=True)
        body = (await execute(bids.world.schema, request, bids.world.as_(bids.client))).body
        return [step["sql"].count("count(*)") for step in body["extensions"]["plan"]]

    assert await counts(root % "nodes { id }") == [0]
    assert await counts(root % "nodes { id } totalCount") == [1]
    assert await counts(below % "nodes { id }", id=bids.gig) == [0]
    assert await counts(below % "nodes { id } totalCount", id=bids.gig) == [1]


async def test_what_is_left_to_batches_is_told_with_the_reason(bids: Bids) -> None:
    request = Request(
        "{ ok: gigs(first: 1) { nodes { id } } bad: gigs(first: 0) { nodes { id } } }", explain=True
    )

    body = (await execute(bids.world.schema, request, bids.world.as_(bids.client))).body

    assert [error["path"] for error in body["errors"]] == [["bad"]]
    left = [step for step in body["extensions"]["plan"] if step["kind"] == "BATCHES"]
    assert left == [{"kind": "BATCHES", "field": "bad", "reason": "Invalid"}]
    assert bids.world.schema.documents.unplanned["Invalid"] >= 1
