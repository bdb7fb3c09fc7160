"""graphql-sse in its distinct connections mode, through real sockets: every event and every end, as a client meets them."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
import strawberry

from auth.tokens import ACCESS_LIFETIME
from auth.viewer import ANONYMOUS
from resolvers.operation import Services
from schema.execution import Executable
from tests.wire.doors import Doors, Play, bearer, somebody
from tests.wire.server import until
from tests.world import Clock
from transport.http import GraphQLEndpoint

EVENTS = {"accept": "text/event-stream"}
FAULT = (
    "Something went wrong on our side; nothing of it is your fault. Name the request id when you report it."
)
ONE_ANSWER = 'event: next\ndata: {"data": {"spaces":  1}}\n\nevent: complete\ndata:\n\n'


@strawberry.type
class Query:
    word: str


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> str:
        raise NotImplementedError


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self, after: str | None = None) -> AsyncGenerator[int, None]:
        raise NotImplementedError
        yield 0


@pytest.fixture(scope="session")
def small_schema() -> Executable:
    return Executable(Query, mutation=Mutation, subscription=Subscription)


@dataclass
class House:
    """An endpoint with a play behind its streams."""

    doors: Doors
    services: Services
    schema: Executable
    play: Play = field(default_factory=Play)
    lines: list[dict[str, Any]] = field(default_factory=list)
    endpoint: GraphQLEndpoint = field(init=False)
    address: httpx.URL = field(init=False)
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        self.opened()

    def opened(self, **options: Any) -> None:
        options = {"perform": self.play} | options
        self.endpoint = GraphQLEndpoint(self.schema, self.services, None, log=self.lines.append, **options)
        self.address = httpx.URL(f"http://{self.doors.open(self.endpoint)}")
        self.client = httpx.AsyncClient(headers=EVENTS, timeout=5, trust_env=False)

    async def post(self, query: str, headers: dict[str, str] | None = None, **parts: Any) -> httpx.Response:
        return await self.client.post(self.address, json={"query": query, **parts}, headers=headers)

    @contextlib.asynccontextmanager
    async def stream(self, query: str, **headers: str) -> AsyncIterator[AsyncIterator[str]]:
        """The texts of a stream, as they come."""
        async with self.client.stream("POST", self.address, json={"query": query}, headers=headers) as answer:
            assert answer.status_code == 200
            yield answer.aiter_text()


@pytest.fixture
async def house(doors: Doors, services: Services, small_schema: Executable) -> AsyncIterator[House]:
    house = House(doors, services, small_schema)
    yield house
    house.endpoint.stop()
    await house.client.aclose()


# -- what is streamed --------------------------------------------------------------------------------------------------


async def test_a_subscription_is_a_stream_of_events_with_cursors(house: House) -> None:
    answer = await house.post("count 2", headers={"x-request-id": "from-the-page"})

    assert answer.text == (
        'event: next\nid: c0\ndata: {"data":{"count":0}}\n\n'
        'event: next\nid: c1\ndata: {"data":{"count":1}}\n\n'
        "event: complete\ndata:\n\n"
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/event-stream"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-accel-buffering"] == "no"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-request-id"] == "from-the-page"
    await house.play.until("closed")


async def test_each_event_comes_when_it_happens(house: House) -> None:
    async with house.stream("count-on-cue 0") as texts:
        await house.play.until("opened")
        house.play.cue.set()

        assert await anext(texts) == 'event: next\nid: c0\ndata: {"data":{"count":0}}\n\n'


async def test_a_browser_may_ask_by_get(house: House) -> None:
    params = {"query": "answer", "variables": '{"a":1}', "operationName": "Named"}

    answer = await house.client.get(house.address, params=params)

    assert answer.text == ONE_ANSWER
    request, _ = house.play.asked[0]
    assert (request.query, request.variables, request.operation_name) == ("answer", {"a": 1}, "Named")


async def test_a_query_is_one_event(house: House) -> None:
    assert (await house.post("answer")).text == ONE_ANSWER


async def test_a_document_that_cannot_run_is_told_as_an_event(house: House) -> None:
    answer = await house.post("refuse")

    assert answer.status_code == 200
    assert answer.text == (
        'event: next\ndata: {"errors":[{"message":"no such field"}]}\n\nevent: complete\ndata:\n\n'
    )


@pytest.mark.parametrize("query", ["fail", "break 0"])
async def test_a_bug_is_masked(house: House, query: str) -> None:
    answer = await house.post(query)

    extensions = {"code": "INTERNAL", "requestId": answer.headers["x-request-id"]}
    body = json.dumps({"errors": [{"message": FAULT, "extensions": extensions}]}, separators=(",", ":"))
    assert answer.text == f"event: next\ndata: {body}\n\nevent: complete\ndata:\n\n"


async def test_the_caller_is_the_bearer_of_the_token(house: House) -> None:
    viewer = somebody()

    await house.post(
        "answer", headers={"authorization": bearer(house.services, viewer), "user-agent": "a test"}
    )
    await house.post("answer")

    (_, first), (_, second) = house.play.asked
    assert (first.viewer, first.device, first.services) == (viewer, "a test", house.services)
    assert second.viewer == ANONYMOUS


async def test_a_stream_is_one_line_of_the_log(house: House) -> None:
    answer = await house.post("count 2", operationName="Named")
    await until(lambda: house.lines)

    (line,) = house.lines
    assert line.pop("ms") >= 0
    assert line == {
        "request_id": answer.headers["x-request-id"],
        "viewer": "anonymous",
        "operation": "Named",
        "status": 200,
        "transport": "sse",
        "statements": 0,
    }


# -- who gets events ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("text/event-stream", "text/event-stream"),
        ("text/event-stream, */*", "text/event-stream"),
        ("text/event-stream, application/json;q=0.9", "text/event-stream"),
        (
            "application/graphql-response+json, application/json, text/event-stream",
            "application/graphql-response+json",
        ),
        ("text/event-stream;q=0.5, application/json", "application/json"),
        ("text/event-stream;q=0", "application/json"),
        ("*/*", "application/json"),
    ],
)
async def test_events_are_for_who_prefers_them(house: House, accept: str, content_type: str) -> None:
    answer = await house.post("{ __typename }", headers={"accept": accept})

    assert answer.headers["content-type"].partition(";")[0] == content_type
    assert house.play.asked == [] or content_type == "text/event-stream"


async def test_without_a_performer_everybody_gets_json(house: House) -> None:
    house.opened(perform=None)

    answer = await house.post("{ __typename }")

    assert answer.json()["data"] == {"__typename": "Query"}


async def test_what_never_becomes_a_document_is_refused_as_ever(house: House) -> None:
    answers = [
        await house.client.put(house.address, json={}),
        await house.client.post(house.address, json={"query": 7}),
        await house.client.post(house.address, content=b"x"),
        await house.post("answer", headers={"authorization": "Bearer abc"}),
    ]

    codes = [(answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) for answer in answers]
    assert codes == [
        (405, "METHOD_NOT_ALLOWED"),
        (400, "BAD_REQUEST"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
        (401, "UNAUTHENTICATED"),
    ]
    assert [line["status"] for line in house.lines] == [405, 400, 415, 401]
    assert house.play.asked == []


async def test_a_mutation_must_come_by_post(house: House) -> None:
    mutation = "#answer\nmutation { change }"

    got = await house.client.get(house.address, params={"query": mutation})
    posted = await house.post(mutation)

    assert got.text.startswith('event: next\ndata: {"errors":[{"message":"A mutation must come by POST."')
    assert "MUTATION_NEEDS_POST" in got.text and got.text.endswith("event: complete\ndata:\n\n")
    assert posted.text == ONE_ANSWER
    assert len(house.play.asked) == 1


# -- going on after a break --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("document", "given", "performed"),
    [
        ("subscription($after: String) { ticks(after: $after) }", None, {"after": "c7"}),
        ("subscription($after: String) { ticks(after: $after) }", {"after": "c1"}, {"after": "c7"}),
        ("subscription { ticks }", None, None),
        ("subscription($other: String) { ticks(after: $other) }", {"other": "c1"}, {"other": "c1"}),
        ("subscription { no_such_field }", None, None),
    ],
)
async def test_the_last_event_id_is_the_cursor_of_who_declares_one(
    house: House, document: str, given: dict[str, str] | None, performed: dict[str, str] | None
) -> None:
    await house.post(f"#answer\n{document}", variables=given, headers={"last-event-id": "c7"})

    assert house.play.asked[0][0].variables == performed


async def test_without_a_last_event_id_the_variables_are_the_clients(house: House) -> None:
    document = "#answer\nsubscription($after: String) { ticks(after: $after) }"

    await house.post(document, variables={"after": "c1"}, headers={"last-event-id": ""})

    assert house.play.asked[0][0].variables == {"after": "c1"}


# -- the end of streams ------------------------------------------------------------------------------------------------


async def test_comments_keep_a_quiet_stream_alive(house: House) -> None:
    house.opened(keep_alive_s=0.02)

    async with house.stream("wait 0") as texts:
        assert [await anext(texts), await anext(texts)] == [":\n\n", ":\n\n"]


async def test_what_runs_is_closed_when_the_client_leaves(house: House) -> None:
    async with house.stream("wait 1") as texts:
        await anext(texts)

    async with asyncio.timeout(1):
        await house.play.until("closed")
    await until(lambda: house.lines)


async def test_an_operation_that_misses_its_cancellation_is_not_heard_either(house: House) -> None:
    async with house.stream("deaf") as texts:
        await house.play.until("began")
        house.endpoint.stop()
        await house.play.until("heard")

        assert [text async for text in texts] == []


async def test_a_stop_ends_streams_without_completing_them(house: House) -> None:
    async with house.stream("wait 1") as texts:
        first = await anext(texts)
        house.endpoint.stop()
        rest = [text async for text in texts]

    assert first.startswith("event: next") and rest == []
    assert house.play.happened["closed"] == 1
    assert (await house.post("wait 1")).text == ""


async def test_a_stream_ends_with_the_token_it_was_begun_with(house: House, clock: Clock) -> None:
    house.opened(keep_alive_s=0.02)
    async with house.stream("wait 1", authorization=bearer(house.services, somebody())) as texts:
        first = await anext(texts)
        clock.move(ACCESS_LIFETIME - timedelta(seconds=1))
        before = await anext(texts)
        clock.move(timedelta(seconds=1))
        after = {text async for text in texts}

    assert (first[:11], before) == ("event: next", ":\n\n")
    assert after <= {":\n\n"}
    assert house.play.happened["closed"] == 1


async def test_a_stream_ends_with_the_session_it_was_begun_in(house: House, clock: Clock) -> None:
    house.opened(keep_alive_s=0.02)
    viewer = somebody()
    async with house.stream("wait 1", authorization=bearer(house.services, viewer)) as texts:
        await anext(texts)
        assert viewer.session_id is not None
        house.services.revoked.add(viewer.session_id, at=clock())
        after = {text async for text in texts}

    assert after <= {":\n\n"}
    assert house.play.happened["closed"] == 1


async def test_who_does_not_read_delays_nobody_holds_little_and_is_dropped(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.opened(send_s=0.3)
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    url = house.address
    await loop.sock_connect(line, (url.host, url.port))
    request = f"GET {url.path}?query=big HTTP/1.1\r\nhost: x\r\naccept: text/event-stream\r\n\r\n"
    await loop.sock_sendall(line, request.encode())
    await house.play.until("big")

    for _ in range(10):
        assert (await house.post("answer")).text == ONE_ANSWER
    waiting = house.play.happened["closed"]
    await house.play.until("closed")

    assert waiting == 0
    await until(lambda: house.lines[10:])
    line.close()
    assert caplog.text == ""
    assert house.play.happened["big"] < 100  # 10 MB: what the system buffers for both ends of the line
