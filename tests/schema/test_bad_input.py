"""Bad input: each gets a typed answer that says what to do, and nothing is written."""

from typing import Any
from uuid import UUID

import orjson
import pytest

from auth.viewer import ANONYMOUS
from models.ids import encode_id
from tests.schema.stage import AXES, Stage
from tests.world import PASSWORD, World

CREATE = """mutation($input: GigCreateInput!) { gigCreate(input: $input) {
    outcome gig { id } errors { code message path retryable ... on ValidationError { constraint min max } } } }"""
BUDGET = {"kind": "FIXED", "min": "100", "max": "200", "currency": "EUR"}
GIG = {"title": "Paint", "description": "White.", "budget": BUDGET, "deadline": "2027-03-01T12:00:00Z"}
DECOMPOSED = "e\N{COMBINING ACUTE ACCENT}"


def budget(**changes: str) -> dict[str, Any]:
    return {"budget": BUDGET | changes}


# What is sent instead, and for each refusal: the input it names and the rule it names.
REFUSED: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "empty title": ({"title": ""}, [("title", "LENGTH")]),
    "blank title": ({"title": " \t\n"}, [("title", "LENGTH")]),
    "title of 100 kB": ({"title": "x" * 100_000}, [("title", "LENGTH")]),
    "NUL": ({"title": "a\0b"}, [("title", "PRINTABLE")]),
    "escape sequence": ({"title": "\x1b[31m"}, [("title", "PRINTABLE")]),
    "long description": ({"description": "x" * 20_001}, [("description", "LENGTH")]),
    "negative budget": (budget(min="-1"), [("budget.min", "RANGE")]),
    "zero budget": (budget(min="0"), [("budget.min", "RANGE")]),
    "huge budget": (budget(max="1e39"), [("budget.max", "RANGE")]),
    "inverted budget": (budget(min="300"), [("budget.max", "ORDER")]),
    "too many decimals": (budget(min="100.001"), [("budget.min", "DECIMAL_PLACES")]),
    "decimals of yen": (budget(currency="JPY", min="100.5"), [("budget.min", "DECIMAL_PLACES")]),
    "no currency": (budget(currency="XYZ"), [("budget.currency", "CURRENCY")]),
    "NUL as currency": (budget(currency="\0"), [("budget.currency", "CURRENCY")]),
    "deadline in the past": ({"deadline": "2020-01-01T00:00:00Z"}, [("deadline", "FUTURE")]),
    "deadline of the first year": ({"deadline": "0001-01-02T00:00:00Z"}, [("deadline", "FUTURE")]),
    "36 hours": ({"expectedDuration": "PT36H"}, [("expectedDuration", "WHOLE_DAYS")]),
    "negative duration": ({"expectedDuration": "-P3D"}, [("expectedDuration", "RANGE")]),
    "no duration": ({"expectedDuration": "P0D"}, [("expectedDuration", "RANGE")]),
    "huge duration": ({"expectedDuration": "P999999999D"}, [("expectedDuration", "RANGE")]),
    "nobody wanted": ({"wanted": 0}, [("wanted", "RANGE")]),
    "too many wanted": ({"wanted": 2**31 - 1}, [("wanted", "RANGE")]),
    "unknown skill": ({"skills": [{"skillId": encode_id("skill", UUID(int=7))}]}, [("skills.0.skillId", "KNOWN_SKILL")]),
    "a gig as skill": ({"skills": [{"skillId": encode_id("gig", UUID(int=7))}]}, [("skills.0.skillId", "ID_TYPE")]),
    "no id": ({"id": "GIG-1"}, [("id", "ID_FORMAT")]),
    "id of another type": ({"id": encode_id("user", UUID(int=7))}, [("id", "ID_TYPE")]),
    "NUL in id": ({"id": "gig_\0"}, [("id", "ID_FORMAT")]),
    "long question": ({"questions": [{"prompt": "x" * 501}]}, [("questions.0.prompt", "LENGTH")]),
    "many questions": ({"questions": [{"prompt": "Why?"}] * 11}, [("questions", "COUNT")]),
    "unknown language": ({"languages": ["en", "klingon"]}, [("languages.1", "LANGUAGE")]),
    "a language twice": ({"languages": ["en", "en"]}, [("languages", "DISTINCT")]),
    "many languages": ({"languages": ["en", "de", "fr", "it", "es", "pt", "nl", "sv", "da", "nb", "fi"]}, [("languages", "COUNT")]),
    "a time zone of no place": ({"timeZone": "Mars/Base", "overlapHours": 3}, [("timeZone", "TIME_ZONE")]),
    "a time zone without hours": ({"timeZone": "Europe/Kyiv"}, [("overlapHours", "REQUIRED")]),
    "hours without a time zone": ({"overlapHours": 3}, [("timeZone", "REQUIRED")]),
    "no hours in common": ({"timeZone": "Europe/Kyiv", "overlapHours": 0}, [("overlapHours", "RANGE")]),
    "more hours than a working day": ({"timeZone": "Europe/Kyiv", "overlapHours": 9}, [("overlapHours", "RANGE")]),
    "empty key": ({"idempotencyKey": ""}, [("idempotencyKey", "LENGTH")]),
    "long key": ({"idempotencyKey": "k" * 100_000}, [("idempotencyKey", "LENGTH")]),
    "NUL in key": ({"idempotencyKey": "\0"}, [("idempotencyKey", "PRINTABLE")]),
    "several at once": (
        {"title": "", "description": "\0", "wanted": 51, **budget(min="9", max="8")},
        [("title", "LENGTH"), ("description", "PRINTABLE"), ("wanted", "RANGE"), ("budget.max", "ORDER")],
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
async def test_a_broken_rule_is_told_with_its_input_and_nothing_is_written(what: str, stage: Stage) -> None:
    changes, expected = REFUSED[what]
    before = await stage.world.footprint()

    payload = (await stage.world.data(stage["client"], CREATE, input=GIG | changes))["gigCreate"]

    assert (payload["outcome"], payload["gig"]) == ("REJECTED", None)
    assert [(".".join(e["path"]), e["constraint"]) for e in payload["errors"]] == expected
    assert all(len(e["message"]) > 10 and not e["retryable"] for e in payload["errors"])
    assert orjson.dumps(payload)
    assert await stage.world.footprint() == before


UNREADABLE: dict[str, tuple[dict[str, Any], str]] = {
    "half a surrogate pair": ({"title": "\ud800"}, "`input.title`"),
    "half a surrogate pair deeper": ({"questions": [{"prompt": "x\udfff"}]}, "`input.questions.0.prompt`"),
    "1e400": (budget(min="1e400"), ".budget.min: '1e400'"),
    "1e999999999": (budget(min="1e999999999"), ".budget.min"),
    "1e-999999": (budget(min="1e-999999"), ".budget.min"),
    "NaN": (budget(max="NaN"), ".budget.max: 'NaN'"),
    "Infinity": (budget(max="Infinity"), ".budget.max"),
    "underscores": (budget(max="1_000"), ".budget.max"),
    "Arabic digits": (budget(max="\u0661\u0662"), ".budget.max"),
    "a float": ({"budget": BUDGET | {"min": 1.5}}, ".budget.min"),
    "no offset": ({"deadline": "2027-01-01T00:00:00"}, ".deadline"),
    "year 0": ({"deadline": "0000-01-01T00:00:00Z"}, ".deadline"),
    "before year 1 in UTC": ({"deadline": "0001-01-01T00:00:00+14:00"}, ".deadline"),
    "after year 9999 in UTC": ({"deadline": "9999-12-31T23:59:59-14:00"}, ".deadline"),
    "a number of days": ({"expectedDuration": "14"}, ".expectedDuration"),
    "an endless duration": ({"expectedDuration": "P99999999999D"}, ".expectedDuration"),
    "33 bits": ({"wanted": 2**31}, ".wanted"),
    "a text for a number": ({"wanted": "1"}, ".wanted"),
    "an unknown word": ({"visibility": "SECRET"}, ".visibility"),
    "an unknown field": ({"colour": "red"}, "colour"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNREADABLE)
async def test_what_cannot_be_read_is_told_with_its_place_and_nothing_is_written(
    what: str, stage: Stage
) -> None:
    changes, place = UNREADABLE[what]
    before = await stage.world.footprint()

    body = await stage.world.graphql(stage["client"], CREATE, input=GIG | changes)

    assert "data" not in body
    assert [e["extensions"] for e in body["errors"]] == [{"code": "BAD_USER_INPUT", "requestId": "test"}]
    assert place in body["errors"][0]["message"]
    assert orjson.dumps(body)
    assert await stage.world.footprint() == before


@pytest.mark.parametrize("part", ["title", "visibility", "deadline", "skills", "budget", "wanted"])
async def test_null_for_a_part_that_may_only_be_left_out_is_told(part: str, stage: Stage) -> None:
    scene = await stage.draft()
    document = "mutation($input: GigEditInput!) { gigEdit(input: $input) { outcome } }"
    before = await stage.world.footprint()

    body = await stage.world.graphql(stage["owner"], document, input={"id": scene.gig, part: None})

    assert body["data"] == {"gigEdit": None}
    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "requestId": "test"}
    assert "Leave it out" in body["errors"][0]["message"] and "Strawberry" not in body["errors"][0]["message"]
    assert await stage.world.footprint() == before


@pytest.mark.parametrize(
    "name",
    [
        "\U0001f469\u200d\U0001f4bb Zo\u00eb",
        "\u05d3\u05d5\u05d3 \u202b\u05d1\u202c",
        "\u674e\u5c0f\u9f99",
        "O'Neil; drop table users --",
    ],
)
async def test_names_in_any_script_are_kept_exactly(name: str, world: World) -> None:
    person = await world.client(name)

    assert (await world.data(person, "{ viewer { name client { name } } }"))["viewer"] == {
        "name": name,
        "client": {"name": name},
    }


async def test_texts_are_measured_as_they_are_stored(stage: Stage) -> None:
    """Decomposed accents are composed first; what fits then must fit the column too."""
    fitting = {
        "title": DECOMPOSED * 120,
        "questions": [{"prompt": DECOMPOSED * 500}],
        "idempotencyKey": " " * 50 + DECOMPOSED * 200,
    }
    document = CREATE.replace("gig { id }", "gig { title questions { prompt } }")

    payload = (await stage.world.data(stage["client"], document, input=GIG | fitting))["gigCreate"]

    assert payload["gig"] == {"title": "\u00e9" * 120, "questions": [{"prompt": "\u00e9" * 500}]}


async def test_amounts_and_moments_come_back_exactly(stage: Stage) -> None:
    given = {"deadline": "2027-03-01T12:00:00.123456+05:30", **budget(min="0.01", max="1e5", currency="KWD")}
    document = CREATE.replace("gig { id }", "gig { deadline budget { min { amount } max { amount } } }")

    gig = (await stage.world.data(stage["client"], document, input=GIG | given))["gigCreate"]["gig"]

    assert gig == {
        "deadline": "2027-03-01T06:30:00.123456Z",
        "budget": {"min": {"amount": "0.010"}, "max": {"amount": "100000.000"}},
    }


# -- accounts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"email": "nobody"}, "email"),
        ({"email": "a\0@example.com"}, "email"),
        ({"email": "a" * 100_000 + "@example.com"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "p" * 201}, "password"),
        ({"name": ""}, "name"),
        ({"name": "a\0"}, "name"),
        ({"roles": []}, "roles"),
        ({"roles": ["ADMIN"]}, "roles"),
        ({"roles": ["CLIENT", "CLIENT"]}, "roles"),
    ],
)
async def test_an_account_with_bad_parts_is_refused(changes: dict[str, Any], path: str, stage: Stage) -> None:
    document = """mutation($input: AccountRegisterInput!) { accountRegister(input: $input) {
        outcome tokens { accessToken } errors { path } } }"""
    account = {"email": "fine@example.org", "password": PASSWORD, "name": "Fine", "roles": ["CLIENT"]}
    before = await stage.world.footprint()

    payload = (await stage.world.data(ANONYMOUS, document, input=account | changes))["accountRegister"]

    assert payload == {"outcome": "REJECTED", "tokens": None, "errors": [{"path": [path]}]}
    assert await stage.world.footprint() == before


async def test_signing_in_with_nonsense_is_refused_like_a_wrong_password(stage: Stage) -> None:
    document = """mutation($input: SessionCreateInput!) { sessionCreate(input: $input) {
        outcome errors { __typename code } } }"""

    for email, password in [("a\0@example.com", "x"), ("", ""), ("x" * 100_000, "\0" * 1000)]:
        payload = await stage.world.data(ANONYMOUS, document, input={"email": email, "password": password})
        assert payload["sessionCreate"] == {
            "outcome": "REJECTED",
            "errors": [{"__typename": "CredentialsError", "code": "WRONG_CREDENTIALS"}],
        }


# -- queries -----------------------------------------------------------------------------------------------------------

GIGS = "query($where: GigWhere, $search: String) { gigs(where: $where, search: $search) { totalCount } }"
BAD_FILTERS: dict[str, tuple[dict[str, Any], str | None]] = {
    "NUL": ({"title": {"contains": "\0"}}, "where.title.contains"),
    "NUL in a list": ({"title": {"in": ["a", "\0"]}}, "where.title.in"),
    "NUL deep inside": ({"AND": [{}, {"OR": [{"NOT": {"title": {"ne": "\0"}}}]}]}, "where.AND.1.OR.0.NOT.title.ne"),
    "NUL of a client": ({"client": {"company": {"eq": "\0"}}}, "where.client.company.eq"),
    "NUL as currency": ({"budget": {"currency": "\0"}}, "where.budget.currency"),
    "no currency": ({"budget": {"currency": "XYZ"}}, "where.budget.currency"),
    "an id of another type": ({"clientId": encode_id("gig", UUID(int=7))}, "where.clientId"),
    "no id": ({"clientId": "\0"}, "where.clientId"),
    "a gig as skill": ({"skills": {"any": [encode_id("gig", UUID(int=7))]}}, "where.skills.any"),
    "many skills": ({"skills": {"none": [encode_id("skill", UUID(int=i)) for i in range(21)]}}, "where.skills.none"),
    "many values": ({"wanted": {"in": list(range(101))}}, "where.wanted.in"),
    "many terms": ({"AND": [{"title": {"eq": "x"}}] * 50}, "where"),
    "null": ({"publishedAt": None}, None),
    "null inside": ({"title": {"eq": None}}, None),
    "33 bits": ({"applicationCount": {"gt": 2**31}}, None),
    "1e400": ({"client": {"rating": {"gt": "1e400"}}}, None),
    "1e999999": ({"budget": {"currency": "EUR", "fixed": {"min": "1e999999"}}}, None),
    "NaN": ({"client": {"rating": {"eq": "NaN"}}}, None),
    "year 0": ({"deadline": {"lt": "0000-01-01T00:00:00Z"}}, None),
    "half a surrogate pair": ({"title": {"eq": "\ud800"}}, None),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD_FILTERS)
async def test_a_filter_that_cannot_be_honoured_is_refused(what: str, stage: Stage) -> None:
    where, argument = BAD_FILTERS[what]

    body = await stage.world.graphql(stage["client"], GIGS, where=where)

    (error,) = body["errors"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"].get("argument") == argument
    assert error["extensions"]["requestId"] == "test"


@pytest.mark.parametrize(
    "where",
    [
        {"deadline": {"gt": "0001-01-01T00:00:00Z", "lt": "9999-12-31T23:59:59Z"}},
        {"applicationCount": {"gte": -(2**31), "lte": 2**31 - 1}},
        {"client": {"rating": {"lt": "1e39"}}},
        {"budget": {"currency": "EUR", "fixed": {"min": "-1e39", "max": "1e39"}}},
        {"title": {"contains": "\\%_'\"\n"}},
        {"AND": [], "NOT": {"OR": []}},
    ],
)
async def test_extreme_filters_are_honoured(where: dict[str, Any], stage: Stage) -> None:
    assert (await stage.world.data(stage["client"], GIGS, where=where))["gigs"]["totalCount"] >= 0


@pytest.mark.parametrize(
    "search", ["the", "-", '"', "or", "a & b | !c <-> (", "foo:*", "%", "\\", "'; --", "\u202e\U0001f600"]
)
async def test_no_search_that_people_type_is_a_fault(search: str, stage: Stage) -> None:
    """It finds something or nothing, or is refused because nothing is left to look for."""
    body = await stage.world.graphql(stage["client"], GIGS, search=search)

    refused = [(e["extensions"]["code"], e["extensions"]["argument"]) for e in body.get("errors", [])]
    assert refused == ([] if body["data"] else [("BAD_USER_INPUT", "search")])


@pytest.mark.parametrize("search", ["", "   ", "\0", "x" * 201])
async def test_a_search_without_words_or_too_long_is_refused(search: str, stage: Stage) -> None:
    (error,) = (await stage.world.graphql(stage["client"], GIGS, search=search))["errors"]

    assert (error["extensions"]["code"], error["extensions"]["argument"]) == ("BAD_USER_INPUT", "search")


@pytest.mark.parametrize(
    "query",
    [
        'node(id: "nonsense") { id }', 'node(id: "") { id }', 'node(id: "gig_") { id }',
        'node(id: "gig_\\u0000") { id }', 'gig(id: "user_01m82dt43zenwbxnvzgntsd363") { id }',
        'nodes(ids: ["x"]) { id }', 'skillSuggest(prefix: "\\u0000") { id }',
        'skillSuggest(prefix: "a", first: 26) { id }', 'skillSuggest(prefix: "a", first: 0) { id }',
        'skills(where: {name: {contains: "\\u0000"}}) { totalCount }',
        'gigs(orderBy: {field: RELEVANCE}) { totalCount }',
    ],
)  # fmt: skip
async def test_an_argument_that_cannot_be_honoured_is_refused(query: str, stage: Stage) -> None:
    (error,) = (await stage.world.graphql(stage["client"], f"{{ {query} }}"))["errors"]

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["path"]


async def test_at_most_a_hundred_nodes_are_found_at_once(stage: Stage) -> None:
    document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    id = stage.id("client", "client")

    assert len((await stage.world.data(stage["client"], document, ids=[id] * 100))["nodes"]) == 100
    (error,) = (await stage.world.graphql(stage["client"], document, ids=[id] * 101))["errors"]

    assert (error["extensions"]["code"], error["extensions"]["max"]) == ("BAD_USER_INPUT", "100")


async def test_bad_bids_and_marks_are_refused_by_name(stage: Stage) -> None:
    scene = await stage.open()
    other = await stage.open()
    done = await stage.completed()
    bid = {"gigId": scene.gig, "coverLetter": "", "price": "0.001", "duration": "P4000D",
           "answers": [{"questionId": other.question, "body": "x"}]}  # fmt: skip
    marks = {"contractId": done.contract, "comment": ""} | AXES | {"quality": 6, "skills": 0}
    before = await stage.world.footprint()

    submitted = await _refusals(stage, "applicationSubmit", "freelancer", bid)
    left = await _refusals(stage, "feedbackLeave", "hired", marks)

    assert submitted == ["coverLetter", "duration", "price", "answers.0.questionId", "answers"]
    assert left == ["quality", "skills", "comment"]
    assert await stage.world.footprint() == before


async def _refusals(stage: Stage, name: str, caller: str, input: dict[str, Any]) -> list[str]:
    type_name = f"{name[0].upper()}{name[1:]}Input"
    document = f"mutation($i: {type_name}!) {{ {name}(input: $i) {{ outcome errors {{ path }} }} }}"
    payload = (await stage.world.data(stage[caller], document, i=input))[name]
    assert payload["outcome"] == "REJECTED"
    return [".".join(error["path"]) for error in payload["errors"]]
