"""GraphQL over HTTP through real sockets: what is answered, what is refused and how, and what is written down."""

import asyncio
import json
import logging
import re
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import sqlalchemy as sa
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy.ext.asyncio import create_async_engine

from app import Application
from auth.tokens import AUDIENCE, Tokens, new_private_key
from models.ids import encode_id, new_id
from models.user import Role
from tests.wire.server import Api, Log, serving, serving_services, settings_for, token_of, until
from tests.world import PASSWORD, Clock, World, make_test_services, race
from transport.http import MAX_BODY, GraphQLEndpoint
from transport.logs import JsonFormatter
from transport.protocol import MAX_HEAD, BoundedHttpProtocol

GRAPHQL = "application/graphql-response+json"
JSON = {"content-type": "application/json"}
REGISTER = """mutation Register($email: EmailAddress!, $password: String!) {
  accountRegister(input: {email: $email, password: $password, name: "Nora", roles: [CLIENT]}) { outcome errors { code } }
}"""


PUBLISH = 'mutation($id: ID!) { gigPublish(input: {id: $id, idempotencyKey: "once"}) { outcome } }'


def code(answer: httpx.Response) -> str:
    """The one error's code; it must name the request as the header does."""
    (error,) = answer.json()["errors"]
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]
    return str(error["extensions"]["code"])


# -- what is answered --------------------------------------------------------------------------------------------------


async def test_a_post_and_a_get_are_answered_with_json_that_nobody_may_keep(api: Api) -> None:
    posted = await api.post("{ __typename }")
    got = await api.client.get("/graphql", params={"query": "{ __typename }"})

    cost = {"requested": 0, "actual": 0, "limit": 10_000, "remaining": None, "resetAt": None}
    body = {"data": {"__typename": "Query"}, "extensions": {"cost": cost}}
    assert posted.json() == got.json() == body
    for answer in (posted, got):
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "server" not in answer.headers


async def test_variables_and_the_operation_name_travel_both_ways(api: Api) -> None:
    document = "query A { a: __typename } query B($yes: Boolean!) { b: __typename @include(if: $yes) }"

    posted = await api.post(document, variables={"yes": True}, operationName="B")
    got = await api.client.get(
        "/graphql", params={"query": document, "variables": '{"yes": false}', "operationName": "B"}
    )

    assert posted.json()["data"] == {"b": "Query"}
    assert got.json()["data"] == {}


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        (GRAPHQL, GRAPHQL),
        (f"{GRAPHQL}, application/json;q=0.9", GRAPHQL),
        (f"application/json, {GRAPHQL};q=0.5", "application/json"),
        (f"{GRAPHQL};q=0, application/json", "application/json"),
        ("text/html;q=nonsense, image/*", "application/json"),
    ],
)
async def test_the_media_type_is_the_one_the_client_prefers(api: Api, accept: str, content_type: str) -> None:
    answer = await api.post("{ __typename }", headers={"accept": accept})

    assert answer.headers["content-type"] == f"{content_type}; charset=utf-8"


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("", "GRAPHQL_PARSE_FAILED"),
        ("# nothing", "GRAPHQL_PARSE_FAILED"),
        ("{ nope }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("fragment F on Query { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("type T { a: Int }", "GRAPHQL_VALIDATION_FAILED"),
        (
            "query A($n: Int!) { __typename @skip(if: false) gigs(first: $n) { totalCount } }",
            "BAD_USER_INPUT",
        ),
        ('{ node(id: "\\ud800") { id } }', "GRAPHQL_PARSE_FAILED"),
    ],
)
async def test_a_document_that_cannot_run_is_a_400_for_who_knows_the_newer_media_type_alone(
    api: Api, document: str, refusal: str
) -> None:
    plain = await api.post(document)
    newer = await api.post(document, headers={"accept": GRAPHQL})

    assert (plain.status_code, newer.status_code) == (200, 400)
    assert code(plain) == code(newer) == refusal
    assert "data" not in newer.json()


async def test_a_document_that_ran_before_still_has_to_say_which_operation(api: Api) -> None:
    document = "query First { __typename } query Second { __typename }"

    named = [await api.post(document, operationName=name) for name in ("First", "Second")]
    unnamed = await api.post(document)

    assert [answer.json()["data"] for answer in named] == [{"__typename": "Query"}] * 2
    assert code(unnamed) == "GRAPHQL_VALIDATION_FAILED"


async def test_an_error_of_one_field_is_a_200_in_both_media_types(api: Api) -> None:
    plain = await api.post('{ node(id: "x") { id } __typename }')
    newer = await api.post('{ node(id: "x") { id } __typename }', headers={"accept": GRAPHQL})

    assert plain.status_code == newer.status_code == 200
    assert plain.json()["data"] == newer.json()["data"] == {"node": None, "__typename": "Query"}
    assert code(plain) == code(newer) == "BAD_USER_INPUT"


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"1",
        b'"{ __typename }"',
        b"[]",
        b'[{"query": "{ __typename }"}]',
        b"{}",
        b'{"query": null}',
        b'{"query": 7}',
        b'{"query": ["{ __typename }"]}',
        b'{"query": "{ __typename }", "variables": []}',
        b'{"query": "{ __typename }", "variables": "{}"}',
        b'{"query": "{ __typename }", "operationName": 1}',
        b'{"query": "{ __typename }"',
        b'{"query": "{ __typename }"} {}',
        b'{"query": "\xff\xfe"}',
        b'{"query": "\\ud800"}',
        b'{"query": "{ __typename }", "variables": {"a": "\\udc00"}}',
        b'{"query": "{ __typename }", "variables": {"a": NaN}}',
        '{"query": "{ __typename }"}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"query": "{ __typename }", "variables": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}",
    ],
    ids=lambda body: repr(body[:60]),
)
async def test_a_body_that_is_no_request_is_a_400_that_says_so(api: Api, log: Log, body: bytes) -> None:
    answer = await api.client.post("/graphql", content=body, headers=JSON)

    assert answer.status_code == 400
    assert code(answer) == "BAD_REQUEST"
    assert log.named("fault") == []


@pytest.mark.parametrize(
    "parameters", [{}, {"query": "{__typename}", "variables": "{"}, {"query": "{a}", "variables": "[]"}]
)
async def test_an_address_that_is_no_request_is_a_400(api: Api, parameters: dict[str, str]) -> None:
    answer = await api.client.get("/graphql", params=parameters)

    assert answer.status_code == 400
    assert code(answer) == "BAD_REQUEST"


async def test_undecodable_bytes_in_an_address_are_a_refused_document(api: Api) -> None:
    answer = await api.client.get("/graphql?query=%ff%fe", headers={"accept": GRAPHQL})

    assert answer.status_code == 400
    assert code(answer) == "GRAPHQL_PARSE_FAILED"


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/json; charset=utf-16"},
        {"content-type": "application/json", "content-encoding": "gzip"},
        {"content-type": ""},
    ],
    ids=str,
)
async def test_only_plain_json_is_taken_so_that_no_form_of_another_site_can_post(
    api: Api, headers: dict[str, str]
) -> None:
    answer = await api.client.post("/graphql", content=b'{"query": "{ __typename }"}', headers=headers)

    assert answer.status_code == 415
    assert code(answer) == "UNSUPPORTED_MEDIA_TYPE"


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "PATCH", "DELETE", "HEAD", "TRACE"])
async def test_another_method_is_a_405_that_names_the_two_that_work(api: Api, method: str) -> None:
    answer = await api.client.request(method, "/graphql")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_a_mutation_by_get_is_refused_and_does_nothing(api: Api) -> None:
    variables = {"email": f"{new_id().hex}@example.com", "password": PASSWORD}
    parameters = {"query": REGISTER, "variables": json.dumps(variables)}
    before = await api.world.footprint()

    answer = await api.client.get("/graphql", params=parameters)
    after = await api.world.footprint()

    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert code(answer) == "MUTATION_NEEDS_POST"
    assert after == before
    assert (await api.post(REGISTER, variables=variables)).json()["data"]["accountRegister"][
        "outcome"
    ] == "APPLIED"


async def test_a_subscription_is_refused_here(api: Api) -> None:
    answer = await api.post("subscription { __typename }", headers={"accept": GRAPHQL})

    assert answer.status_code == 400
    assert code(answer) == "GRAPHQL_VALIDATION_FAILED"


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_a_megabyte_is_taken_and_one_byte_more_is_not(api: Api) -> None:
    frame = len(b'{"query":"{ __typename }","pad":""}')
    fits = b'{"query":"{ __typename }","pad":"' + b"x" * (MAX_BODY - frame) + b'"}'

    taken = await api.client.post("/graphql", content=fits, headers=JSON)
    refused = await api.client.post("/graphql", content=fits + b" ", headers=JSON)

    assert taken.json()["data"] == {"__typename": "Query"}
    assert refused.status_code == 413
    assert code(refused) == "PAYLOAD_TOO_LARGE"


async def test_a_body_of_undeclared_length_meets_the_same_limit(api: Api) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b" " * (MAX_BODY // 10)

    refused = await api.client.post("/graphql", content=chunks(), headers=JSON)

    assert refused.status_code == 413
    assert code(refused) == "PAYLOAD_TOO_LARGE"


async def test_a_declared_length_over_the_limit_is_refused_before_anything_is_read(api: Api) -> None:
    head = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n"

    answer = await api.raw(head + b"content-length: 1000001\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_answers_of_one_connection_come_in_turn_with_the_headers_that_a_last_answer_has(
    api: Api,
) -> None:
    def asking(name: str, connection: str) -> bytes:
        body = b'{"query": "{ %b: __typename }"}' % name.encode()
        head = (
            f"POST /graphql HTTP/1.1\r\nhost: x\r\nx-request-id: {'1234-' + name}\r\nconnection: {connection}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body

    # The last two go by ASGI: one waits for its turn, and uvicorn ends the connection after the other.
    raw = await api.raw(asking("one", "keep-alive") + asking("two", "keep-alive") + asking("three", "close"))

    answers = [part.partition(b"\r\n\r\n") for part in raw.split(b"HTTP/1.1 ")[1:]]
    heads = [dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:]) for head, _, _ in answers]
    assert [json.loads(body)["data"] for _, _, body in answers] == [
        {"one": "Query"}, {"two": "Query"}, {"three": "Query"},
    ]  # fmt: skip
    assert [head.partition(b"\r\n")[0] for head, _, _ in answers] == [b"200 OK"] * 3
    assert [head["x-request-id"] for head in heads] == ["1234-one", "1234-two", "1234-three"]
    assert [int(head["content-length"]) for head in heads] == [len(body) for _, _, body in answers]
    assert heads[2].pop("connection") == "close"
    varying = {"x-request-id", "content-length", "date"}
    assert [head.keys() for head in heads] == [heads[2].keys()] * 3
    assert [{k: v for k, v in head.items() if k not in varying} for head in heads] == [
        {k: v for k, v in heads[2].items() if k not in varying}
    ] * 3


_QUERY = b'{"query": "{ __typename }"}'
_POST = b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-request-id: 12345678\r\n"
_LENGTH = b"content-length: %d\r\n" % len(_QUERY)


@pytest.mark.parametrize(
    "pieces",
    [
        [_POST + _LENGTH + b"\r\n" + _QUERY],
        [_POST + _LENGTH + b"\r\n", _QUERY],
        [_POST + _LENGTH + b"\r\n" + _QUERY[:9], _QUERY[9:]],
        [_POST + b"transfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(_QUERY), _QUERY)],
        [_POST + _LENGTH + b"expect: 100-continue\r\n\r\n" + _QUERY],
        [_POST.replace(b"1.1", b"1.0") + _LENGTH + b"\r\n" + _QUERY],
    ],
    ids=["whole", "head and body", "in the body", "chunked", "expecting", "old"],
)
async def test_however_a_request_comes_its_answer_is_the_same(api: Api, pieces: list[bytes]) -> None:
    bye = _POST.replace(b"12345678", b"87654321") + b"connection: close\r\n" + _LENGTH + b"\r\n" + _QUERY

    raw = await api.raw(*pieces, bye)

    head, _, rest = raw.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n").partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head)[1])  # type: ignore[index]
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"x-request-id: 12345678\r\n" in head
    assert json.loads(rest[:length])["data"] == {"__typename": "Query"}
    if b"connection: close" not in head:
        assert rest[length:].startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"x-request-id: 87654321\r\n" in rest


async def test_a_body_that_comes_again_is_answered_for_whoever_asks_now_and_as_things_are_now(
    api: Api,
) -> None:
    async def told(headers: dict[str, str]) -> dict[str, Any]:
        content: dict[str, Any] = (await api.post("{ viewer { name } }", headers=headers)).json()
        return content

    clients = [await api.world.client(name=name) for name in ("Ada", "Bob")]
    ada, bob = [{"authorization": f"Bearer {token_of(api.world, client)}"} for client in clients]
    nobody: dict[str, str] = {}

    explained = await told(ada | {"x-explain": "1"})
    answers = [await told(headers) for headers in (ada, bob, nobody, ada)]
    again = await told(bob | {"x-explain": "1"})

    assert [answer["data"]["viewer"] for answer in (explained, *answers, again)] == [
        {"name": "Ada"}, {"name": "Ada"}, {"name": "Bob"}, None, {"name": "Ada"}, {"name": "Bob"},
    ]  # fmt: skip
    assert ["plan" in answer["extensions"] for answer in (explained, *answers, again)] == [
        True, False, False, False, False, True,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "head",
    [b"GET /graphql?query=" + b"x" * 70_000, b"GET /graphql HTTP/1.1\r\nx: " + b"x" * 500_000],
    ids=["address", "header"],
)
async def test_a_head_without_end_is_cut_off(api: Api, head: bytes) -> None:
    answer = await api.raw(*(head[start : start + MAX_HEAD] for start in range(0, len(head), MAX_HEAD)))

    assert answer in (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        b"",
    )
    assert (await api.post("{ __typename }")).status_code == 200


FAN_OUT = "{ viewer { ...F0 } }" + " ".join(
    f"fragment F{n} on User {{ a: freelancer {{ user: node {{ ...F{n + 1} }} }} b: freelancer {{ user: node {{ ...F{n + 1} }} }} }}"
    for n in range(20)
)


@pytest.mark.parametrize(
    ("document", "refusal"),
    [
        ("{" + "viewer " * 1_000 + "}", "DOCUMENT_TOO_LARGE"),
        ("{" + "viewer " * 14_000 + "}", "DOCUMENT_TOO_LARGE"),
        ("{ __typename } #" + "x" * 900_000, "DOCUMENT_TOO_LARGE"),
        ("{" + "__typename " * 300 + "}", "DOCUMENT_TOO_COMPLEX"),
        ("{" + "viewer { name } " * 240 + "}", "DOCUMENT_TOO_COMPLEX"),
        ("{" + ("viewer {" + "name " * 25 + "} ") * 25 + "}", "DOCUMENT_TOO_COMPLEX"),
        ("{" + " ".join(f"a{n}: __typename" for n in range(31)) + "}", "DOCUMENT_TOO_COMPLEX"),
        ("{ node(id: 1) " + "{ node " * 10 + "{ id }" + "}" * 10 + "}", "DOCUMENT_TOO_COMPLEX"),
        (FAN_OUT, "DOCUMENT_TOO_COMPLEX"),
        ("{viewer" * 320 + "}" * 320, "GRAPHQL_PARSE_FAILED"),
        ("{gigs(where:" + "[" * 450 + "]" * 450 + ")}", "GRAPHQL_PARSE_FAILED"),
    ],
    ids=lambda value: value[:40],
)
async def test_a_document_made_to_keep_us_busy_is_refused_at_once(
    api: Api, document: str, refusal: str
) -> None:
    took = []
    for _ in range(3):
        # Of the processor, client included: the clock on the wall would measure our neighbours.
        began = time.process_time()
        answer = await api.post(document)
        took.append(time.process_time() - began)

    assert code(answer) == refusal
    assert min(took) < 0.05


async def test_the_largest_documents_within_the_limits_run(api: Api) -> None:
    repeated = await api.post("{" + "__typename " * 101 + "}")
    aliased = await api.post("{" + " ".join(f"a{n}: __typename" for n in range(30)) + "}")
    spread = await api.post("{" + "...F " * 150 + "} fragment F on Query { __typename }")

    assert repeated.json()["data"] == spread.json()["data"] == {"__typename": "Query"}
    assert len(aliased.json()["data"]) == 30


# -- who is asking -----------------------------------------------------------------------------------------------------


async def test_a_token_names_the_viewer(api: Api) -> None:
    client = await api.world.client("Nadia")

    answer = await api.post("{ viewer { name } }", headers={"authorization": f"Bearer {api.token(client)}"})

    assert answer.json()["data"] == {"viewer": {"name": "Nadia"}}


async def refused_authorizations(world: World) -> dict[str, str]:
    viewer = await world.client()
    tokens, now = world.services.tokens, world.clock()
    assert viewer.user_id and viewer.session_id
    person = {"user_id": viewer.user_id, "session_id": viewer.session_id, "roles": ["CLIENT"]}
    sound = tokens.access_token(**person, now=now)  # type: ignore[arg-type]
    head, claims, signature = sound.split(".")
    stranger = Tokens([new_private_key()], issuer="https://test.invalid", refresh_key=b"x")
    elsewhere = Tokens([new_private_key()], issuer="https://elsewhere.invalid", refresh_key=b"x")
    unsigned = "eyJhbGciOiJub25lIn0." + claims + "."
    return {
        "empty": "",
        "no token": "Bearer",
        "another scheme": "Basic dXNlcjpwYXNz",
        "no scheme": sound,
        "nonsense": "Bearer nonsense",
        "not ASCII": "Bearer ünsinn",
        "cut": f"Bearer {head}.{claims}",
        "changed": f"Bearer {head}.{claims[:-4]}AAAA.{signature}",
        "unsigned": f"Bearer {unsigned}",
        "expired": "Bearer " + tokens.access_token(**person, now=now - timedelta(minutes=16)),  # type: ignore[arg-type]
        "another key": "Bearer " + stranger.access_token(**person, now=now),  # type: ignore[arg-type]
        "another issuer": "Bearer " + elsewhere.access_token(**person, now=now),  # type: ignore[arg-type]
    }


async def test_an_authorization_that_does_not_hold_is_a_401_and_never_anonymous(api: Api) -> None:
    refused = await refused_authorizations(api.world)

    for reason, authorization in refused.items():
        answer = await api.post(
            "{ __typename }", headers=httpx.Headers({"authorization": authorization}, "utf-8")
        )

        assert answer.status_code == 401, reason
        assert code(answer) == "UNAUTHENTICATED", reason
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"', reason
        assert "data" not in answer.json(), reason
    assert (await api.post("{ __typename }")).status_code == 200


async def test_a_field_that_needs_a_sign_in_says_so_to_the_anonymous(api: Api) -> None:
    answer = await api.post("mutation { sessionRevoke(input: {}) { outcome } }")

    assert answer.status_code == 200
    assert code(answer) == "UNAUTHENTICATED"
    assert answer.json()["data"] == {"sessionRevoke": None}


async def test_a_signed_out_session_is_refused_here_at_once_and_by_another_worker_within_a_second(
    empty_world: World, empty_database_url: str, clock: Clock, tmp_path: Path
) -> None:
    other = await make_test_services(empty_database_url, clock)
    async with (
        serving_services(empty_world.services, tmp_path, background=True) as here,
        serving_services(other, tmp_path, background=True) as there,
    ):
        viewer = await empty_world.client()
        api = Api(here, empty_world)
        signed_in = {"authorization": f"Bearer {api.token(viewer)}"}
        question = {"query": "{ viewer { name } }"}
        before = [
            (await each.post("/graphql", json=question, headers=signed_in)).status_code
            for each in (here, there)
        ]

        await api.post("mutation { sessionRevoke(input: {}) { outcome } }", headers=signed_in)
        revoked = time.perf_counter()
        after = (await here.post("/graphql", json=question, headers=signed_in)).status_code

        async def is_refused_there() -> bool:
            return (await there.post("/graphql", json=question, headers=signed_in)).status_code == 401

        await until(is_refused_there, seconds=5)
        took = time.perf_counter() - revoked
    await other.close()

    assert (before, after) == ([200, 200], 401)
    assert took < 1.5


async def test_a_session_revoked_before_a_restart_is_refused_from_the_first_request_on(
    empty_world: World, empty_database_url: str, clock: Clock, tmp_path: Path
) -> None:
    viewer = await empty_world.client()
    token = token_of(empty_world, viewer)
    await empty_world.data(viewer, "mutation { sessionRevoke(input: {}) { outcome } }")
    restarted = await make_test_services(empty_database_url, clock)

    async with serving_services(restarted, tmp_path, background=True) as client:
        answer = await client.get(
            "/graphql", params={"query": "{ __typename }"}, headers={"authorization": f"Bearer {token}"}
        )
    await restarted.close()

    assert answer.status_code == 401


async def test_an_access_token_is_verified_with_the_published_keys_alone(api: Api) -> None:
    viewer = await api.world.person(Role.FREELANCER, Role.CLIENT)
    assert viewer.user_id is not None

    answer = await api.client.get("/.well-known/jwks.json")
    published = KeySet.import_key_set(answer.json())
    token = jwt.decode(api.token(viewer), published, algorithms=["RS256"])

    assert token.header["kid"] == answer.json()["keys"][0]["kid"]
    assert token.claims["sub"] == encode_id("user", viewer.user_id)
    assert (token.claims["aud"], token.claims["exp"] - token.claims["iat"]) == (AUDIENCE, 900)
    assert set(answer.json()["keys"][0]) == {"kty", "n", "e", "kid", "use", "alg"}
    assert answer.headers["cache-control"] == "public, max-age=300"


# -- request ids and logs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/graphql?query={__typename}", "/graphql", "/health/live", "/.well-known/jwks.json", "/no"]
)
async def test_every_answer_carries_the_request_id_that_was_given(api: Api, path: str) -> None:
    answer = await api.client.get(path, headers={"x-request-id": "trace-0123456789"})

    assert answer.headers["x-request-id"] == "trace-0123456789"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "with space in it", 'quote"quote"', "ümlaut-ümlaut"]
)
async def test_a_request_id_that_could_confuse_a_log_is_replaced(api: Api, given: str) -> None:
    headers = httpx.Headers({"x-request-id": given}, "utf-8")

    answer = await api.client.get("/graphql?query={__typename}", headers=headers)

    assert len(answer.headers["x-request-id"]) == 32
    assert answer.headers["x-request-id"].isalnum()


async def test_one_line_is_logged_for_each_request(api: Api, log: Log) -> None:
    client = await api.world.client()
    headers = {"authorization": f"Bearer {api.token(client)}", "x-request-id": "request-of-mine"}

    await api.post("query Me { viewer { name } }", headers=headers)
    await api.post("{ __typename }")
    await api.client.put("/graphql")

    me, anonymous, refused = log.named("request")
    assert {
        name: me[name] for name in ("level", "operation", "viewer", "statements", "request_id", "status")
    } == {
        "level": "info",
        "operation": "Me",
        "viewer": "client",
        "statements": 1,
        "request_id": "request-of-mine",
        "status": 200,
    }
    assert 0 < me["ms"] < 5_000
    assert (anonymous["operation"], anonymous["viewer"], anonymous["statements"]) == (None, "anonymous", 0)
    assert (refused["status"], refused["operation"]) == (405, None)
    assert len(log.lines) == 3


async def test_logs_never_hold_tokens_passwords_or_variables(api: Api, log: Log) -> None:
    viewer = await api.world.client()
    token = api.token(viewer)
    email = f"{new_id().hex}@example.com"

    for _ in range(2):
        await api.post(REGISTER, variables={"email": email, "password": "open sesame 42"})
    await api.post(REGISTER, variables={"email": [email], "password": "open sesame 42"})
    await api.post("{ viewer { name } }", headers={"authorization": f"Bearer {token}"})
    await api.post("{ viewer { name } }", headers={"authorization": f"Bearer {token}x"})

    assert len(log.named("request")) == 5
    assert [word for word in (email, "sesame", token[-20:]) if word in "\n".join(log.texts)] == []


async def test_the_name_of_an_operation_cannot_forge_or_flood_the_log(api: Api, log: Log) -> None:
    forged = 'x"}\n{"event": "request", "status": 200}'

    await api.post("{ __typename }", operationName=forged)
    await api.post("{ __typename }", operationName="x" * 500_000)

    assert [len(text.splitlines()) for text in log.texts] == [1, 1]
    assert [line["operation"] for line in log.lines] == [forged, "x" * 100]


async def test_a_database_error_is_logged_without_the_rows_and_parameters_it_quotes(api: Api) -> None:
    insert = sa.text("insert into seen values (:text)").bindparams(text="a person's words")
    with pytest.raises(sa.exc.IntegrityError) as caught:
        async with api.world.services.db.transaction(actor_id=None, at=api.world.clock()) as tx:
            await tx.execute(sa.text("create temporary table seen (text text unique) on commit drop"))
            await tx.execute(insert)
            await tx.execute(insert)
    record = logging.LogRecord(
        "skillsync", logging.ERROR, "", 0, "fault", None, (type(caught.value), caught.value, None)
    )

    line = json.loads(JsonFormatter().format(record))

    assert "a person's words" in "".join(traceback.format_exception(caught.value))
    assert "a person's words" not in line["error"]
    assert "DETAIL:  (left out)" in line["error"]


# -- faults ------------------------------------------------------------------------------------------------------------


async def test_a_lost_database_is_a_masked_fault_that_is_logged_once_and_passes_by_itself(
    empty_world: World, empty_database_url: str, tmp_path: Path, log: Log
) -> None:
    async with serving_services(empty_world.services, tmp_path) as client:
        name = str((await empty_world.rows("select current_database()"))[0][0])
        await empty_world.rows("select 1")
        admin = administrator(empty_database_url)
        await admin(f'alter database "{name}" allow_connections false')
        await admin(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")

        lost = await client.post("/graphql", json={"query": "{ gigs { totalCount } }"})
        await admin(f'alter database "{name}" allow_connections true')
        back = await client.post("/graphql", json={"query": "{ gigs { totalCount } }"})

    assert lost.status_code == 200
    assert code(lost) == "INTERNAL"
    assert [
        word for word in ("asyncpg", "sqlalchemy", name, "connection", "select") if word in lost.text
    ] == []
    (fault,) = log.named("fault")
    assert fault["request_id"] == lost.headers["x-request-id"]
    assert "Traceback" in fault["error"]
    assert back.json()["data"] == {"gigs": {"totalCount": 0}}


def administrator(url: str) -> Callable[[str], Awaitable[None]]:
    """Statements on the cluster's own database, from which another one can be locked."""
    admin_url = sa.make_url(url).set(database="postgres")

    async def run(statement: str) -> None:
        engine = create_async_engine(admin_url, isolation_level="AUTOCOMMIT")
        async with engine.connect() as connection:
            await connection.execute(sa.text(statement))
        await engine.dispose()

    return run


async def test_no_request_fails_because_the_database_was_restarted_between_two(
    empty_world: World, empty_database_url: str, tmp_path: Path, log: Log
) -> None:
    async with serving_services(empty_world.services, tmp_path) as client:

        async def ask() -> httpx.Response:
            return await client.post("/graphql", json={"query": "{ gigs { totalCount } }"})

        async def register() -> httpx.Response:
            variables = {"email": f"{new_id().hex}@example.com", "password": PASSWORD}
            return await client.post("/graphql", json={"query": REGISTER, "variables": variables})

        acts = [act for _ in range(6) for act in (ask, register)]
        await race([act() for act in acts])
        name = str((await empty_world.rows("select current_database()"))[0][0])
        admin = administrator(empty_database_url)
        await admin(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")

        answers = [
            answer for answer in await race([act() for act in acts]) if isinstance(answer, httpx.Response)
        ]

    assert [answer.json().get("errors") for answer in answers] == [None] * 12
    assert log.named("fault") == []


async def test_a_read_whose_connection_breaks_under_it_is_repeated(
    empty_world: World, empty_database_url: str, tmp_path: Path, log: Log
) -> None:
    admin = administrator(empty_database_url)
    async with serving_services(empty_world.services, tmp_path) as client:
        async with empty_world.services.db.transaction(actor_id=None, at=empty_world.clock()) as tx:
            await tx.execute(sa.text("lock table gig in access exclusive mode"))
            asking = asyncio.create_task(client.post("/graphql", json={"query": "{ gigs { totalCount } }"}))
            await until(lambda: is_waiting(empty_world))
            name = sa.make_url(empty_database_url).database
            await admin(
                f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}' and wait_event_type = 'Lock'"
            )
        answer = await asking

    assert answer.json()["data"] == {"gigs": {"totalCount": 0}}
    assert log.named("fault") == []


# -- connections that end early ----------------------------------------------------------------------------------------


async def test_a_mutation_whose_client_has_gone_is_finished_with_its_facts_and_its_key(
    empty_world: World, tmp_path: Path, log: Log
) -> None:
    client = await empty_world.client()
    gig_id = await empty_world.draft(client)
    before = await empty_world.footprint()
    async with serving_services(empty_world.services, tmp_path) as http:
        api = Api(http, empty_world)
        body = json.dumps({"query": PUBLISH, "variables": {"id": encode_id("gig", gig_id)}}).encode()
        head = f"POST /graphql HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {api.token(client)}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        async with empty_world.services.db.transaction(actor_id=None, at=empty_world.clock()) as tx:
            await tx.execute(_lock(gig_id))
            _, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(head.encode() + body)
            await until(lambda: is_waiting(empty_world))
            writer.transport.abort()
        await until(lambda: bool(log.named("request")))
        repeat = await api.post(
            PUBLISH,
            variables={"id": encode_id("gig", gig_id)},
            headers={"authorization": f"Bearer {api.token(client)}"},
        )

    after = await empty_world.footprint()
    assert repeat.json()["data"]["gigPublish"]["outcome"] == "REPLAYED"
    assert (await empty_world.facts(gig_id))[-1] == "GigPublished"
    assert (await empty_world.facts(gig_id)).count("GigPublished") == 1
    assert after["idempotency_key"] - before["idempotency_key"] == 1
    assert log.named("fault") == []


def _lock(gig_id: UUID) -> sa.Executable:
    return sa.text("select 1 from gig where id = :id for update").bindparams(id=gig_id)


async def is_waiting(world: World) -> bool:
    rows = await world.rows(
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    )
    return bool(rows)


async def test_half_a_request_does_nothing_and_is_written_down(api: Api, log: Log) -> None:
    before = await api.world.footprint()
    body = json.dumps({"query": REGISTER, "variables": {"email": "half@example.com", "password": PASSWORD}})
    head = f"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"

    _, writer = await asyncio.open_connection("127.0.0.1", api.port)
    writer.write((head + body[:-1]).encode())
    await writer.drain()
    writer.close()
    await until(lambda: bool(log.named("request")))

    assert log.named("request")[0]["status"] == 400
    assert await api.world.footprint() == before


async def test_a_stop_lets_a_running_request_finish_and_takes_no_new_one(
    empty_world: World, tmp_path: Path
) -> None:
    client = await empty_world.client()
    gig_id = await empty_world.draft(client)
    headers = {"authorization": f"Bearer {token_of(empty_world, client)}"}
    request = {"query": PUBLISH, "variables": {"id": encode_id("gig", gig_id)}}
    app = Application(settings_for(tmp_path), empty_world.services)
    async with serving(app) as (address, server), httpx.AsyncClient(base_url=address, timeout=20) as http:
        async with empty_world.services.db.transaction(actor_id=None, at=empty_world.clock()) as tx:
            await tx.execute(_lock(gig_id))
            running = asyncio.create_task(http.post("/graphql", json=request, headers=headers))
            await until(lambda: is_waiting(empty_world))
            server.should_exit = True
            await until(lambda: is_refused(address))
        answer = await running

    assert answer.json()["data"]["gigPublish"]["outcome"] == "APPLIED"


async def is_refused(address: str) -> bool:
    async with httpx.AsyncClient(base_url=address) as stranger:
        try:
            await stranger.get("/health/live")
        except httpx.ConnectError:
            return True
        except (httpx.ReadError, httpx.RemoteProtocolError):
            return False  # accepted a moment before the door closed
        return False


async def test_a_body_that_does_not_come_in_time_is_answered_and_hung_up_on(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedHttpProtocol, "body_deadline_s", 0.1)
    head = (
        b"POST /graphql HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n"
    )

    answer = await api.raw(head + b'{"query": ')

    status, _, rest = answer.partition(b"\r\n")
    assert status == b"HTTP/1.1 408 Request Timeout"
    assert b"connection: close" in rest
    assert json.loads(rest.partition(b"\r\n\r\n")[2])["errors"][0]["extensions"]["code"] == "REQUEST_TIMEOUT"


@pytest.mark.parametrize(("explains", "asked"), [(True, True), (True, False), (False, True)])
async def test_a_request_is_explained_where_that_is_switched_on_and_asked_for(
    api: Api, explains: bool, asked: bool
) -> None:
    endpoint = GraphQLEndpoint(api.world.schema, api.world.services, None, explains=explains)
    headers = {"x-explain": "1"} if asked else {}
    async with serving(endpoint) as (address, _), httpx.AsyncClient(base_url=address) as http:
        answer = await http.post(
            "/graphql", json={"query": "{ gigs(first: 1) { nodes { id } } }"}, headers=headers
        )

    plan = answer.json()["extensions"].get("plan")
    assert (plan and [step["kind"] for step in plan]) == (["SQL"] if explains and asked else None)
