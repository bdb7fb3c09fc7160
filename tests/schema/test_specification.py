"""Sections of the GraphQL specification (October 2021 and the draft after it), through our schema, for both executors."""

from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest

from auth.viewer import Viewer
from models.ids import encode_id
from schema.execution import Executable
from tests.schema.faults import answer_instead, break_function, break_type, empty_column, without_plans
from tests.schema.two_executors import Body, Executor, by_batches, by_plan, errors_of
from tests.world import Clock, World, make_test_services

Patch = pytest.MonkeyPatch
TITLES = ["Third", "Second", "First"]


class Scene:
    """Three open gigs of one client; the newest has two applications, `First` none."""

    def __init__(self, world: World, client: Viewer, gigs: dict[str, str], executor: Executor) -> None:
        self.world, self.client, self.gigs, self.executor = world, client, gigs, executor

    async def body(self, document: str, operation: str | None = None, **variables: Any) -> Body:
        for title, id in self.gigs.items():
            document = document.replace(f"<{title}>", id)
        return await self.executor(self.world, document, variables, self.client, operation)

    async def data(self, document: str, operation: str | None = None, **variables: Any) -> Any:
        body = await self.body(document, operation, **variables)
        assert "errors" not in body, body["errors"]
        return body["data"]

    async def titles(self, arguments: str, head: str = "", **variables: Any) -> list[str]:
        answer = await self.data(f"query{head} {{ gigs({arguments}) {{ nodes {{ title }} }} }}", **variables)
        return [node["title"] for node in answer["gigs"]["nodes"]]

    async def refused(self, document: str, **variables: Any) -> str:
        """The code of a document that is refused before any field of it runs."""
        body = await self.body(document, **variables)
        assert "data" not in body
        (error,) = body["errors"]
        return str(error["extensions"]["code"])

    def after_a_fault(self) -> "Scene":
        return Scene(without_plans(self.world), self.client, self.gigs, self.executor)


@pytest.fixture(scope="module")
async def make_scene(own_database_url: str, schema: Executable) -> AsyncIterator[Callable[[Executor], Scene]]:
    clock = Clock()
    services = await make_test_services(own_database_url, clock)
    world = World(services, clock, schema)
    client = await world.client()
    gigs = {title: await world.open_gig(client, title=title, wanted=2) for title in reversed(TITLES)}
    for name, price in (("Anna", 600), ("Bela", 700)):
        await world.application(await world.freelancer(name), gigs["Third"], price=Decimal(price))
    ids = {title: encode_id("gig", id) for title, id in gigs.items()}
    yield lambda executor: Scene(world, client, ids, executor)
    await services.close()


@pytest.fixture(params=[by_plan, by_batches], ids=["plan", "batches"])
def executor(request: pytest.FixtureRequest) -> Executor:
    chosen: Executor = request.param
    return chosen


@pytest.fixture
def scene(executor: Executor, make_scene: Callable[[Executor], Scene]) -> Scene:
    return make_scene(executor)


# -- 6.4.4 Handling field errors ---------------------------------------------------------------------------------------


async def test_a_field_that_may_be_null_is_null_when_it_fails_and_the_rest_is_there(
    scene: Scene, monkeypatch: Patch
) -> None:
    break_function(monkeypatch, scene.world, "Gig.expectedDuration")

    body = await scene.after_a_fault().body('{ gig(id: "<Third>") { title expectedDuration wanted } }')

    assert body["data"] == {"gig": {"title": "Third", "expectedDuration": None, "wanted": 2}}
    assert errors_of(body) == {(("gig", "expectedDuration"), "INTERNAL")}


async def test_an_error_is_reported_once_for_each_item_under_its_response_key(
    scene: Scene, monkeypatch: Patch
) -> None:
    break_function(monkeypatch, scene.world, "Gig.expectedDuration")

    body = await scene.after_a_fault().body("{ all: gigs { nodes { title span: expectedDuration } } }")

    assert body["data"]["all"]["nodes"] == [{"title": title, "span": None} for title in TITLES]
    assert errors_of(body) == {(("all", "nodes", i, "span"), "INTERNAL") for i in range(3)}
    assert len(body["errors"]) == 3


async def test_a_field_that_must_not_be_null_nulls_its_parent_when_it_fails(
    scene: Scene, monkeypatch: Patch
) -> None:
    break_function(monkeypatch, scene.world, "Gig.key")

    body = await scene.after_a_fault().body('{ gig(id: "<Third>") { title key } viewer { name } }')

    assert body["data"] == {"gig": None, "viewer": {"name": "Carla"}}
    assert errors_of(body) == {(("gig", "key"), "INTERNAL")}


async def test_null_where_none_may_be_is_an_error_of_that_field(scene: Scene, monkeypatch: Patch) -> None:
    empty_column(monkeypatch, scene.world, "Gig.description")

    body = await scene.after_a_fault().body('{ gig(id: "<Third>") { title description } }')

    assert body["data"] == {"gig": None}
    assert errors_of(body) == {(("gig", "description"), "INTERNAL")}


async def test_the_null_goes_up_through_lists_and_parents_that_must_not_be_null_up_to_the_data(
    scene: Scene, monkeypatch: Patch
) -> None:
    break_function(monkeypatch, scene.world, "Gig.key")

    body = await scene.after_a_fault().body("{ viewer { name } gigs(first: 1) { nodes { key } } }")

    assert body["data"] is None
    assert errors_of(body) == {(("gigs", "nodes", 0, "key"), "INTERNAL")}


async def test_the_null_stops_at_the_nearest_parent_that_may_be_null(
    scene: Scene, monkeypatch: Patch
) -> None:
    break_function(monkeypatch, scene.world, "Application.allowedTransitions")

    body = await scene.after_a_fault().body(
        '{ gigs(first: 1) { totalCount } third: gig(id: "<Third>") { applications(first: 1) { nodes { allowedTransitions { verb } } } } '
        'first: gig(id: "<First>") { applications(first: 1) { nodes { allowedTransitions { verb } } } } }'
    )

    assert body["data"] == {
        "gigs": {"totalCount": 3},
        "third": None,
        "first": {"applications": {"nodes": []}},
    }
    assert errors_of(body) == {(("third", "applications", "nodes", 0, "allowedTransitions"), "INTERNAL")}


async def test_in_a_list_of_what_may_be_null_only_the_failed_item_is_null(
    scene: Scene, monkeypatch: Patch
) -> None:
    number = int((await scene.data('{ gig(id: "<Third>") { key } }'))["gig"]["key"].removeprefix("GIG-"))
    break_function(monkeypatch, scene.world, "Gig.key", when=lambda value: value == number)

    body = await scene.after_a_fault().body(
        '{ nodes(ids: ["<First>", "<Third>", "<Second>"]) { ... on Gig { title key } } }'
    )

    assert [node and node["title"] for node in body["data"]["nodes"]] == ["First", None, "Second"]
    assert errors_of(body) == {(("nodes", 1, "key"), "INTERNAL")}


async def test_a_field_selected_under_two_keys_fails_under_both(scene: Scene, monkeypatch: Patch) -> None:
    break_function(monkeypatch, scene.world, "Gig.expectedDuration")

    body = await scene.after_a_fault().body(
        '{ gig(id: "<Third>") { a: expectedDuration b: expectedDuration } }'
    )

    assert body["data"] == {"gig": {"a": None, "b": None}}
    assert errors_of(body) == {(("gig", "a"), "INTERNAL"), (("gig", "b"), "INTERNAL")}


async def test_a_failed_relation_is_null_where_it_may_be_and_nulls_its_parent_where_not(
    scene: Scene, monkeypatch: Patch
) -> None:
    break_type(monkeypatch, scene.world, "Application")

    body = await scene.after_a_fault().body(
        '{ gig(id: "<Third>") { applications { totalCount } } bare: gig(id: "<Third>") { title } }'
    )

    assert body["data"] == {"gig": None, "bare": {"title": "Third"}}
    # The page fails, or what is selected of it: both lie under the same null.
    ((path, code),) = errors_of(body)
    assert code == "INTERNAL"
    assert path in {("gig", "applications"), ("gig", "applications", "totalCount")}


async def test_a_batched_source_that_fails_fails_for_each_of_its_items(
    scene: Scene, monkeypatch: Patch
) -> None:
    break_function(monkeypatch, scene.world, "Gig.statusNote")

    body = await scene.after_a_fault().body("{ gigs(first: 2) { nodes { title statusNote } } }")

    assert body["data"]["gigs"]["nodes"] == [{"title": t, "statusNote": None} for t in TITLES[:2]]
    assert errors_of(body) == {(("gigs", "nodes", i, "statusNote"), "INTERNAL") for i in range(2)}


async def test_a_value_that_is_no_member_of_its_enum_is_an_error_of_that_field(
    scene: Scene, monkeypatch: Patch
) -> None:
    answer_instead(monkeypatch, scene.world, "User.roles", lambda roles: ["EMPEROR"])

    body = await scene.after_a_fault().body("{ viewer { name roles } gigs(first: 1) { totalCount } }")

    assert body["data"] == {"viewer": None, "gigs": {"totalCount": 3}}
    assert errors_of(body) == {(("viewer", "roles", 0), "INTERNAL")}


async def test_what_a_skipped_field_would_have_broken_is_whole(scene: Scene, monkeypatch: Patch) -> None:
    break_function(monkeypatch, scene.world, "Gig.key")

    data = await scene.after_a_fault().data('{ gig(id: "<Third>") { title key @skip(if: true) } }')

    assert data == {"gig": {"title": "Third"}}


# -- 6.3.2 Field collection, 5.3.2 field selection merging -------------------------------------------------------------


ORDERS = {
    "as selected": ("wanted title hired", ["wanted", "title", "hired"]),
    "first place of a repeated key": ("title wanted title", ["title", "wanted"]),
    "aliases": ("b: title a: title title", ["b", "a", "title"]),
    "inline fragment in its place": ("wanted ... on Gig { title } hired", ["wanted", "title", "hired"]),
    "bare fragment in its place": ("wanted ... { hired title } version", ["wanted", "hired", "title", "version"]),
    "fragment of an interface": ("wanted ... on Node { id } title", ["wanted", "id", "title"]),
    "named fragment in its place": ("wanted ...F hired", ["wanted", "title", "version", "hired"]),
    "named fragment once": ("...F wanted ...F hired", ["title", "version", "wanted", "hired"]),
    "key known before the fragment": ("version ...F", ["version", "title"]),
    "skipped first place": ("title @skip(if: true) wanted title", ["wanted", "title"]),
    "skipped fragment": ("...F @include(if: false) wanted ...F", ["wanted", "title", "version"]),
    "one of two is included": ("title @include(if: false) title wanted", ["title", "wanted"]),
    "typename": ("__typename wanted t: __typename", ["__typename", "wanted", "t"]),
}  # fmt: skip


@pytest.mark.parametrize("what", ORDERS)
async def test_keys_stand_in_the_order_in_which_they_are_first_met(what: str, scene: Scene) -> None:
    selection, keys = ORDERS[what]
    fragment = " fragment F on Gig { title version }" if "...F" in selection else ""

    below_lookup = await scene.data(f'{{ gig(id: "<Third>") {{ {selection} }} }}{fragment}')
    below_list = await scene.data(f"{{ gigs(first: 1) {{ nodes {{ {selection} }} }} }}{fragment}")

    assert list(below_lookup["gig"]) == keys
    assert list(below_list["gigs"]["nodes"][0]) == keys


async def test_root_fields_stand_in_the_order_in_which_they_are_first_met(scene: Scene) -> None:
    data = await scene.data(
        '{ v: viewer { id } ...R gig(id: "<Third>") { title } ... { last: __typename } v: viewer { name } } '
        "fragment R on Query { gigs(first: 1) { totalCount } }"
    )

    assert list(data) == ["v", "gigs", "gig", "last"]
    assert list(data["v"]) == ["id", "name"]


async def test_selections_of_one_key_are_merged_at_every_depth(scene: Scene) -> None:
    data = await scene.data(
        "{ gigs(first: 1) { nodes { applications(first: 1) { nodes { status } } } } "
        "gigs(first: 1) { totalCount nodes { applications(first: 1) { totalCount nodes { price { currency } status } } title } } "
        "...F } fragment F on Query { gigs(first: 1) { nodes { applications(first: 1) { nodes { price { amount } } } } } }"
    )

    bid = {"status": "SUBMITTED", "price": {"currency": "EUR", "amount": "700.00"}}
    applications = {"nodes": [bid], "totalCount": 2}
    assert data == {"gigs": {"nodes": [{"applications": applications, "title": "Third"}], "totalCount": 3}}
    assert list(data["gigs"]) == ["nodes", "totalCount"]
    assert list(data["gigs"]["nodes"][0]) == ["applications", "title"]
    assert list(data["gigs"]["nodes"][0]["applications"]["nodes"][0]) == ["status", "price"]


async def test_a_field_is_answered_for_each_alias_with_its_own_arguments(scene: Scene) -> None:
    data = await scene.data(
        "{ one: gigs(first: 1) { nodes { title } } last: gigs(last: 1) { nodes { title } } "
        '... on Query { third: gig(id: "<Third>") { low: applications(orderBy: {field: PRICE, direction: ASC}, first: 1) { nodes { price { amount } } } '
        "high: applications(orderBy: {field: PRICE}, first: 1) { nodes { price { amount } } } } } }"
    )

    assert data["one"]["nodes"] == [{"title": "Third"}]
    assert data["last"]["nodes"] == [{"title": "First"}]
    prices = {name: page["nodes"][0]["price"]["amount"] for name, page in data["third"].items()}
    assert prices == {"low": "600.00", "high": "700.00"}


@pytest.mark.parametrize(
    "document",
    [
        "{ gigs(first: 1) { totalCount } gigs(first: 2) { totalCount } }",
        "{ a: viewer { id } a: gigs { totalCount } }",
        "{ viewer { name: email name } }",
        "{ nodes(ids: []) { ... on Gig { status } ... on Contract { status } } }",
    ],
)
async def test_selections_of_one_key_that_differ_are_refused(document: str, scene: Scene) -> None:
    assert await scene.refused(document) == "GRAPHQL_VALIDATION_FAILED"


# -- 6.4.1 Coercing field arguments ------------------------------------------------------------------------------------


ARGUMENTS: dict[str, tuple[str, str, dict[str, Any], list[str]]] = {
    "a literal": ("first: 1", "", {}, TITLES[:1]),
    "a variable": ("first: $n", "($n: Int)", {"n": 2}, TITLES[:2]),
    "a demanded variable": ("first: $n", "($n: Int!)", {"n": 2}, TITLES[:2]),
    "a variable left out": ("first: $n", "($n: Int)", {}, TITLES),
    "null": ("first: null", "", {}, TITLES),
    "a variable that is null": ("first: $n", "($n: Int)", {"n": None}, TITLES),
    "the default of a variable": ("first: $n", "($n: Int = 2)", {}, TITLES[:2]),
    "null instead of the default": ("first: $n", "($n: Int = 2)", {"n": None}, TITLES),
    "a value instead of the default": ("first: $n", "($n: Int = 2)", {"n": 1}, TITLES[:1]),
    "a whole input left out": ("where: $w", "($w: GigWhere)", {}, TITLES),
    "a whole input that is null": ("where: $w", "($w: GigWhere)", {"w": None}, TITLES),
    "an empty input": ("where: {}", "", {}, TITLES),
    "a variable in an input": ("where: {title: {eq: $t}}", "($t: String!)", {"t": "Second"}, ["Second"]),
    "a variable left out of an input": ("where: {title: {eq: $t}}", "($t: String)", {}, TITLES),
    "a variable with default in an input": ("where: {title: {eq: $t}}", '($t: String = "First")', {}, ["First"]),
    "a list": ("where: {title: {in: [\"First\", \"Third\"]}}", "", {}, ["Third", "First"]),
    "one value for a list": ('where: {title: {in: "First"}}', "", {}, ["First"]),
    "one value in a variable for a list": ("where: {title: {in: $t}}", "($t: [String!])", {"t": "First"}, ["First"]),
    "a variable in a list": ('where: {title: {in: ["Third", $t]}}', "($t: String!)", {"t": "First"}, ["Third", "First"]),
    "an empty list": ("where: {title: {in: []}}", "", {}, []),
    "one object for a list of objects": ("orderBy: {field: PUBLISHED_AT, direction: ASC}", "", {}, TITLES[::-1]),
    "one object in a variable": ("orderBy: $o", "($o: [GigOrder!])", {"o": {"field": "PUBLISHED_AT", "direction": "ASC"}}, TITLES[::-1]),
    "an enum": ("orderBy: [{field: PUBLISHED_AT, direction: $d}]", "($d: Direction!)", {"d": "ASC"}, TITLES[::-1]),
    "the default of an input field": ("orderBy: [{field: PUBLISHED_AT}]", "", {}, TITLES),
    "a variable left out for an input field with default": ("orderBy: [{field: PUBLISHED_AT, direction: $d}]", "($d: Direction = ASC)", {}, TITLES[::-1]),
    "an object of variables": ("orderBy: $o", "($o: [GigOrder!] = [{field: PUBLISHED_AT, direction: ASC}])", {}, TITLES[::-1]),
    "Boolean": ("where: {isSaved: $b}", "($b: Boolean!)", {"b": False}, TITLES),
    "arguments in another order": ("first: 1, where: {title: {ne: $t}}", "($t: String!)", {"t": "Third"}, ["Second"]),
}  # fmt: skip


@pytest.mark.parametrize("what", ARGUMENTS)
async def test_arguments_are_read_as_the_specification_says(what: str, scene: Scene) -> None:
    arguments, head, variables, titles = ARGUMENTS[what]

    assert await scene.titles(arguments, head, **variables) == titles


async def test_an_argument_with_a_default_takes_it_when_it_is_left_out(scene: Scene) -> None:
    data = await scene.data(
        'query($n: Int! = 1, $gone: Int! = 2) { ten: skillSuggest(prefix: "s") { id } one: skillSuggest(prefix: "s", first: $n) { id } '
        'two: skillSuggest(prefix: "s", first: $gone) { id } }'
    )

    assert [len(found) for found in data.values()] == [10, 1, 2]


async def test_an_id_may_be_written_as_a_number_and_is_read_as_its_text(scene: Scene) -> None:
    bodies = [
        await scene.body("{ node(id: 7) { id } }"),
        await scene.body('{ node(id: "7") { id } }'),
        await scene.body("query($id: ID!) { node(id: $id) { id } }", id=7),
    ]

    assert [body["data"] for body in bodies] == [{"node": None}] * 3
    assert [errors_of(body) for body in bodies] == [{(("node",), "BAD_USER_INPUT")}] * 3


@pytest.mark.parametrize(
    "document",
    [
        "{ gigs(first: 2147483648) { totalCount } }",
        "{ gigs(first: 1.0) { totalCount } }",
        '{ gigs(first: "1") { totalCount } }',
        "{ gigs(first: true) { totalCount } }",
        '{ gigs(orderBy: {field: "BUDGET"}) { totalCount } }',
        "{ gigs(orderBy: {field: COLOUR}) { totalCount } }",
        "{ gigs(orderBy: {direction: ASC}) { totalCount } }",
        "{ gigs(where: {colour: 1}) { totalCount } }",
        "{ gigs(where: {title: {in: [null]}}) { totalCount } }",
        "{ node(id: 1.5) { id } }",
        "{ node(id: null) { id } }",
        "{ node { id } }",
        "query($n: Int) { skillSuggest(prefix: $n) { id } }",
        "query($t: String) { skillSuggest(prefix: $t) { id } }",
    ],
)
async def test_a_literal_that_does_not_fit_is_refused_before_anything_runs(
    document: str, scene: Scene
) -> None:
    assert await scene.refused(document) == "GRAPHQL_VALIDATION_FAILED"


async def test_null_in_a_variable_with_a_default_is_an_error_of_the_field_that_must_not_have_it(
    scene: Scene,
) -> None:
    body = await scene.body(
        'query($id: ID = "x") { node(id: $id) { id } viewer { name } }',
        id=None,
    )

    assert body["data"] == {"node": None, "viewer": {"name": "Carla"}}
    assert errors_of(body) == {(("node",), "BAD_USER_INPUT")}


# -- 6.1.2 Coercing variable values ------------------------------------------------------------------------------------


VARIABLES: dict[str, tuple[str, dict[str, Any]]] = {
    "missing": ("query($n: Int!) { gigs(first: $n) { totalCount } }", {}),
    "null": ("query($n: Int!) { gigs(first: $n) { totalCount } }", {"n": None}),
    "null instead of a default": ("query($n: Int! = 1) { gigs(first: $n) { totalCount } }", {"n": None}),
    "a text for a number": ("query($n: Int) { gigs(first: $n) { totalCount } }", {"n": "1"}),
    "a fraction for a number": ("query($n: Int) { gigs(first: $n) { totalCount } }", {"n": 1.5}),
    "33 bits": ("query($n: Int) { gigs(first: $n) { totalCount } }", {"n": 2**31}),
    "a flag for a number": ("query($n: Int) { gigs(first: $n) { totalCount } }", {"n": True}),
    "a number for a text": ("query($t: String!) { skillSuggest(prefix: $t) { id } }", {"t": 1}),
    "an unknown word": ("query($d: Direction!) { gigs(orderBy: {field: BUDGET, direction: $d}) { totalCount } }", {"d": "UP"}),
    "an unknown key": ("query($w: GigWhere) { gigs(where: $w) { totalCount } }", {"w": {"colour": 1}}),
    "a missing key": ("query($o: [GigOrder!]) { gigs(orderBy: $o) { totalCount } }", {"o": [{"direction": "ASC"}]}),
    "null in a list": ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": [None]}),
    "a text for an object": ("query($w: GigWhere) { gigs(where: $w) { totalCount } }", {"w": "x"}),
    "a list for one value": ("query($n: Int) { gigs(first: $n) { totalCount } }", {"n": [1]}),
    "of a variable that nothing runs with": ("query($n: Int!) { viewer { id } gigs(first: $n) @skip(if: true) { totalCount } }", {"n": "1"}),
}  # fmt: skip


@pytest.mark.parametrize("what", VARIABLES)
async def test_a_variable_that_does_not_fit_is_refused_before_anything_runs(what: str, scene: Scene) -> None:
    document, variables = VARIABLES[what]

    assert await scene.refused(document, **variables) == "BAD_USER_INPUT"


async def test_variables_that_the_operation_does_not_declare_are_ignored(scene: Scene) -> None:
    assert await scene.titles("first: $n", "($n: Int)", n=1, other="x", first=2) == TITLES[:1]


async def test_an_id_in_a_variable_may_be_a_number_and_a_whole_fraction_is_a_number(scene: Scene) -> None:
    assert await scene.titles("first: $n", "($n: Int)", n=1.0) == TITLES[:1]


# -- 3.13 @skip and @include -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skip", "include", "is_there"),
    [(False, True, True), (True, True, False), (False, False, False), (True, False, False)],
)
async def test_a_selection_is_there_if_it_is_included_and_not_skipped(
    skip: bool, include: bool, is_there: bool, scene: Scene
) -> None:
    marks = "@skip(if: $s) @include(if: $i)"
    data = await scene.data(
        f'query($s: Boolean!, $i: Boolean!) {{ gig(id: "<Third>") {{ wanted title {marks} ... on Gig {marks} {{ hired }} '
        f"...F {marks} applications(first: 1) {marks} {{ totalCount }} }} viewer {marks} {{ name }} }} fragment F on Gig {{ version }}",
        s=skip,
        i=include,
    )

    assert list(data) == (["gig", "viewer"] if is_there else ["gig"])
    more = ["title", "hired", "version", "applications"]
    assert list(data["gig"]) == ["wanted", *(more if is_there else [])]


async def test_one_document_with_other_flags_is_answered_anew(scene: Scene) -> None:
    document = "query($b: Boolean = true) { gigs(first: 1) { nodes { title @include(if: $b) wanted @skip(if: $b) } } }"

    no_flag_and_both: list[dict[str, Any]] = [{}, {"b": False}, {"b": True}]
    answers = [await scene.data(document, **variables) for variables in no_flag_and_both]

    assert [answer["gigs"]["nodes"] for answer in answers] == [
        [{"title": "Third"}], [{"wanted": 2}], [{"title": "Third"}],
    ]  # fmt: skip


async def test_where_everything_is_skipped_an_empty_object_is_left(scene: Scene) -> None:
    data = await scene.data(
        '{ gig(id: "<Third>") { title @skip(if: true) } gigs(first: 2) { nodes { ... @include(if: false) { id } } } }'
    )

    assert data == {"gig": {}, "gigs": {"nodes": [{}, {}]}}


async def test_a_document_of_which_nothing_is_included_answers_an_empty_object(scene: Scene) -> None:
    assert await scene.data("{ viewer @skip(if: true) { id } }") == {}


# -- 2.8 Fragments and type conditions, 4.2.1 type names ---------------------------------------------------------------


async def test_a_fragment_is_taken_where_its_type_fits_and_left_out_elsewhere(scene: Scene) -> None:
    python = await scene.world.skill()
    document = (
        "query($ids: [ID!]!) { nodes(ids: $ids) { __typename ...N ... on Gig { title ... on Node { again: id } } "
        "... on Skill { name } ...S } } fragment N on Node { ... on Gig { wanted } } fragment S on Skill { category }"
    )

    # There is no gig with the key of a skill.
    ids = [scene.gigs["Third"], encode_id("gig", python), encode_id("skill", python)]
    data = await scene.data(document, ids=ids)

    gig, nobody, skill = data["nodes"]
    assert gig == {"__typename": "Gig", "wanted": 2, "title": "Third", "again": scene.gigs["Third"]}
    assert list(gig) == ["__typename", "wanted", "title", "again"]
    assert nobody is None
    assert skill == {"__typename": "Skill", "name": "Python", "category": skill["category"]}


@pytest.mark.parametrize(
    "document",
    [
        "{ viewer { ... on Gig { title } } }",
        "{ viewer { ...F } } fragment F on Gig { title }",
        "{ viewer { ...F } }",
        "{ viewer { ...F } } fragment F on User { ...F }",
        "{ viewer { id } } fragment F on User { id }",
        "{ node(id: 1) { title } }",
        "{ viewer }",
        "{ viewer { name { first } } }",
    ],
)
async def test_what_can_never_fit_is_refused(document: str, scene: Scene) -> None:
    assert await scene.refused(document) == "GRAPHQL_VALIDATION_FAILED"


async def test_the_name_of_the_type_is_told_at_every_level(scene: Scene) -> None:
    data = await scene.data(
        "{ __typename gigs(first: 1) { __typename pageInfo { __typename } edges { __typename node { __typename budget { __typename min { __typename } } "
        "viewer { __typename } allowedTransitions { __typename } applications(first: 1) { t: __typename nodes { __typename freelancer { __typename rating { __typename } } } } } } } }"
    )

    page = data["gigs"]
    gig = page["edges"][0]["node"]
    assert (data["__typename"], page["__typename"]) == ("Query", "GigConnection")
    assert (page["pageInfo"]["__typename"], page["edges"][0]["__typename"]) == ("PageInfo", "GigEdge")
    assert (gig["__typename"], gig["budget"]) == (
        "Gig", {"__typename": "Budget", "min": {"__typename": "Money"}},
    )  # fmt: skip
    assert gig["viewer"] == {"__typename": "GigActionAbilities"}
    assert {step["__typename"] for step in gig["allowedTransitions"]} == {"Transition"}
    person = {"__typename": "Freelancer", "rating": {"__typename": "Rating"}}
    bid = {"__typename": "Application", "freelancer": person}
    assert gig["applications"] == {"t": "ApplicationConnection", "nodes": [bid]}


# -- 6.1 Executing requests: several operations ------------------------------------------------------------------------


SEVERAL = (
    "query A { viewer { name } } query B($n: Int!) { gigs(first: $n) { nodes { ...T } } } fragment T on Gig { title } "
    "query C { gigs(first: 2) { nodes { ...T wanted } } }"
)


async def test_the_named_one_of_several_operations_runs(scene: Scene) -> None:
    assert await scene.data(SEVERAL, "A") == {"viewer": {"name": "Carla"}}
    assert await scene.data(SEVERAL, "B", n=1) == {"gigs": {"nodes": [{"title": "Third"}]}}
    wanted = [{"title": title, "wanted": 2} for title in TITLES[:2]]
    assert await scene.data(SEVERAL, "C") == {"gigs": {"nodes": wanted}}


@pytest.mark.parametrize("name", [None, "D"])
async def test_without_the_name_of_one_of_them_none_of_several_operations_runs(
    name: str | None, scene: Scene
) -> None:
    body = await scene.body(SEVERAL, name)

    assert "data" not in body
    assert errors_of(body) == {(None, "GRAPHQL_VALIDATION_FAILED")}


async def test_the_only_operation_runs_with_and_without_its_name(scene: Scene) -> None:
    document = "query Only { viewer { name } }"

    assert await scene.data(document) == await scene.data(document, "Only") == {"viewer": {"name": "Carla"}}


async def test_variables_of_another_operation_are_not_asked_for(scene: Scene) -> None:
    assert await scene.data(SEVERAL, "A", n="not a number") == {"viewer": {"name": "Carla"}}
