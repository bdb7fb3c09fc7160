"""graphql-transport-ws through real sockets: every message and every closing code, as a client meets them."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Origin, Subprotocol

from auth.tokens import ACCESS_LIFETIME
from auth.viewer import ANONYMOUS, Viewer
from resolvers.operation import Services
from schema.execution import Executable, execute
from tests.wire.doors import Doors, Play, bearer, somebody
from tests.wire.server import serving, until
from tests.world import Clock
from transport.connection import MAX_REASON_BYTES
from transport.operations import Perform
from transport.protocol import DroppableWebSocketProtocol, text_frame
from transport.server import MAX_MESSAGE
from transport.sockets import USUAL, GraphQLSockets

PUBLIC_URL = "https://SkillSync.test:443/"
QUICK = replace(USUAL, look_s=0.01)
HANDSHAKE = (
    b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
FAULT = (
    "Something went wrong on our side; nothing of it is your fault. Name the request id when you report it."
)


@dataclass
class Client:
    connection: ClientConnection

    async def say(self, type: str, **parts: Any) -> None:
        await self.connection.send(json.dumps({"type": type, **parts}))

    async def subscribe(self, query: str, id: str = "1", **parts: Any) -> None:
        await self.say("subscribe", id=id, payload={"query": query, **parts})

    async def hear(self) -> str:
        async with asyncio.timeout(5):
            text = await self.connection.recv()
        assert isinstance(text, str)
        return text

    async def hear_json(self) -> Any:
        return json.loads(await self.hear())

    async def end(self) -> tuple[int, str]:
        """The code and the reason that the socket is closed with; nothing else may come before."""
        with pytest.raises(ConnectionClosed):
            await self.hear()
        assert self.connection.close_code is not None
        return self.connection.close_code, self.connection.close_reason or ""

    async def answers(self) -> None:
        """Everything said so far was heard, and nothing came of it."""
        await self.say("ping", payload={"mark": 1})
        assert await self.hear_json() == {"type": "pong", "payload": {"mark": 1}}


@dataclass
class House:
    """A door of sockets with a play behind it."""

    doors: Doors
    services: Services
    play: Play = field(default_factory=Play)
    perform: Perform | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    sockets: GraphQLSockets = field(init=False)
    address: str = field(init=False)
    clients: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    def __post_init__(self) -> None:
        self.limited()

    def limited(self, **limits: Any) -> None:
        """Open the door with these limits."""
        self.sockets = GraphQLSockets(
            self.perform or self.play,
            self.services,
            allowed_origins=["https://spa.example"],
            public_url=PUBLIC_URL,
            limits=replace(QUICK, **limits),
            log=self.lines.append,
        )
        self.address = f"ws://{self.doors.open(self.sockets)}"

    async def visit(self, *subprotocols: str, **options: Any) -> Client:
        """A client that has said nothing yet."""
        connection = await self.clients.enter_async_context(
            connect(
                self.address,
                subprotocols=[Subprotocol(name) for name in subprotocols or ("graphql-transport-ws",)],
                ping_interval=None,
                proxy=None,
                user_agent_header="a test",
                close_timeout=0.5,
                **options,
            )
        )
        return Client(connection)

    async def client(self, viewer: Viewer = ANONYMOUS, **options: Any) -> Client:
        """A client whose connection is acknowledged."""
        client = await self.visit(**options)
        payload = {} if viewer.user_id is None else {"authorization": bearer(self.services, viewer)}
        await client.say("connection_init", payload=payload)
        assert await client.hear() == '{"type":"connection_ack"}'
        return client

    async def slow_client(self) -> Client:
        """One at the end of a narrow line, which reads nothing that it is not asked for."""
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.setblocking(False)
        host, _, port = self.doors.address.partition(":")
        await asyncio.get_running_loop().sock_connect(line, (host, int(port)))
        return await self.client(sock=line, max_queue=1)


@pytest.fixture
async def house(doors: Doors, services: Services) -> AsyncIterator[House]:
    house = House(doors, services)
    yield house
    house.play.cue.set()
    await house.sockets.stop()
    await house.clients.aclose()


# -- the handshake -----------------------------------------------------------------------------------------------------


async def test_the_subprotocol_is_agreed_upon_and_nothing_is_compressed(house: House) -> None:
    client = await house.visit("graphql-ws", "graphql-transport-ws", compression="deflate")

    assert client.connection.subprotocol == "graphql-transport-ws"
    assert client.connection.response is not None
    assert "sec-websocket-extensions" not in client.connection.response.headers


async def test_another_subprotocol_is_not_spoken(house: House) -> None:
    client = await house.visit("graphql-ws")

    assert await client.end() == (4406, "Subprotocol not acceptable")


async def test_a_page_that_came_from_here_may_connect_by_whatever_name_it_reached_us(house: House) -> None:
    client = await house.client(origin=Origin(f"http://{house.doors.address}"))

    await client.answers()


@pytest.mark.parametrize("origin", ["https://skillsync.test", "https://spa.example", None])
async def test_allowed_pages_and_whatever_is_no_page_may_connect(house: House, origin: str | None) -> None:
    client = await house.client(origin=None if origin is None else Origin(origin))

    await client.answers()


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "http://skillsync.test", "https://skillsync.test:8443", "null"]
)
async def test_other_pages_are_refused_before_the_socket_is_open(house: House, origin: str) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await house.visit(origin=Origin(origin))

    assert refusal.value.response.status_code == 403


@pytest.mark.parametrize(
    "payload", [{}, {"payload": None}, {"payload": {}}, {"payload": {"authorization": None}}]
)
async def test_who_brings_no_token_is_anonymous(house: House, payload: dict[str, Any]) -> None:
    client = await house.visit()
    await client.say("connection_init", **payload)
    acknowledged = await client.hear()
    await client.subscribe("answer")
    await client.hear()

    assert acknowledged == '{"type":"connection_ack"}'
    assert house.play.asked[0][1].viewer == ANONYMOUS


@pytest.mark.parametrize("key", ["authorization", "Authorization"])
async def test_the_bearer_of_the_token_is_who_asks(house: House, key: str) -> None:
    viewer = somebody()
    client = await house.visit()
    await client.say("connection_init", payload={key: bearer(house.services, viewer)})
    await client.hear()
    for id in ("1", "2"):
        await client.subscribe("answer", id, variables={"a": 1}, operationName="Named")
        await client.hear()
        await client.hear()

    (request, op), (_, other) = house.play.asked
    assert (request.query, request.variables, request.operation_name) == ("answer", {"a": 1}, "Named")
    assert (op.viewer, op.device, op.services) == (viewer, "a test", house.services)
    assert op.request_id != other.request_id and len(op.request_id) == 32


@pytest.mark.parametrize(
    ("authorization", "reason"),
    [
        ("Basic abc", "The Authorization header must read: Bearer <access token>."),
        ("Bearer abc", "The access token is not valid. Sign in again."),
    ],
)
async def test_a_bad_token_is_never_treated_as_none(house: House, authorization: str, reason: str) -> None:
    client = await house.visit()

    await client.say("connection_init", payload={"authorization": authorization})

    assert await client.end() == (4403, reason)


async def test_an_expired_or_revoked_token_opens_nothing(house: House, clock: Clock) -> None:
    viewer = somebody()
    revoked, expired = await house.visit(), await house.visit()
    authorization = bearer(house.services, viewer)

    house.services.revoked.add(viewer.session_id, at=clock())  # type: ignore[arg-type]
    await revoked.say("connection_init", payload={"authorization": authorization})
    assert await revoked.end() == (4403, "This session was ended. Sign in again.")

    clock.move(ACCESS_LIFETIME)
    await expired.say("connection_init", payload={"authorization": authorization})
    assert await expired.end() == (4403, "The access token has expired. Refresh the session.")


async def test_nothing_runs_before_the_connection_is_acknowledged(house: House) -> None:
    client = await house.visit()

    await client.subscribe("answer")

    assert await client.end() == (4401, "Unauthorized")
    assert house.play.asked == []


async def test_a_connection_is_begun_once(house: House) -> None:
    client = await house.client()

    await client.say("connection_init")

    assert await client.end() == (4429, "Too many initialisation requests")


async def test_a_connection_is_begun_in_time(house: House) -> None:
    house.limited(init_s=0.05)
    begun, silent = await house.client(), await house.visit()

    assert await silent.end() == (4408, "Connection initialisation timeout")
    await begun.answers()


async def test_time_is_kept_again_after_nobody_was_there(house: House) -> None:
    house.limited(init_s=0.05)
    await (await house.visit()).end()
    await until(lambda: all(task.get_name() != "sockets" for task in asyncio.all_tasks()))

    silent = await house.visit()

    assert await silent.end() == (4408, "Connection initialisation timeout")


async def test_a_user_has_only_so_many_sockets_until_one_is_gone(house: House) -> None:
    house.limited(sockets=2)
    viewer = somebody()
    first, second = [await house.client(viewer) for _ in range(2)]
    one_more = await house.visit()
    await one_more.say("connection_init", payload={"authorization": bearer(house.services, viewer)})
    refusal = await one_more.end()
    await first.connection.close()

    assert refusal == (4403, "Too many sockets: at most 2 a user")
    await house.client(somebody())
    await (await house.client(viewer)).answers()
    await second.answers()


# -- messages ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"{}", "Send texts: a binary message was received."),
        ("[]", "A message must be a JSON object."),
        ("{}", "A message must have a `type`, which is a text."),
        ('{"type":7}', "A message must have a `type`, which is a text."),
        ('{"type":"start"}', "The `type` of the message is none that a client may send."),
        (
            '{"type":"next","id":"1","payload":{}}',
            "The `type` of the message is none that a client may send.",
        ),
        ('{"type":"ping","payload":"x"}', "The `payload` of `ping` must be an object, null or absent."),
        ('{"type":"pong","payload":[]}', "The `payload` of `pong` must be an object, null or absent."),
        (
            '{"type":"connection_init","payload":1}',
            "The `payload` of `connection_init` must be an object, null or absent.",
        ),
        (
            '{"type":"ping","payload":{"authorization":7}}',
            "`authorization` must be a text: Bearer <access token>.",
        ),
        ('{"type":"complete"}', "The message `complete` must have an `id`, which is a text and not empty."),
        (
            '{"type":"subscribe","id":"","payload":{"query":"answer"}}',
            "The message `subscribe` must have an `id`, which is a text and not empty.",
        ),
        ('{"type":"subscribe","id":"1"}', "The `payload` of `subscribe` must be an object."),
        (
            '{"type":"subscribe","id":"1","payload":{"query":null}}',
            "The `query` of `subscribe` must be a text with a GraphQL document.",
        ),
        (
            '{"type":"subscribe","id":"1","payload":{"query":"answer","variables":[]}}',
            "The `variables` of `subscribe` must be an object, null or absent.",
        ),
        (
            '{"type":"subscribe","id":"1","payload":{"query":"answer","operationName":1}}',
            "The `operationName` of `subscribe` must be a text, null or absent.",
        ),
        (
            '{"type":"subscribe","id":"1","payload":{"query":"answer","extensions":1}}',
            "The `extensions` of `subscribe` must be an object, null or absent.",
        ),
    ],
)
async def test_what_is_no_message_ends_the_socket_and_says_why(
    house: House, message: str | bytes, reason: str
) -> None:
    client = await house.client()

    await client.connection.send(message)

    assert await client.end() == (4400, reason)
    assert house.play.asked == []


async def test_what_is_not_json_ends_the_socket(house: House) -> None:
    client = await house.client()

    await client.connection.send("{")

    code, reason = await client.end()
    assert code == 4400 and reason.startswith("The message is not JSON: ")


async def test_nothing_is_heard_after_what_ends_the_socket(house: House) -> None:
    client = await house.client()

    await client.connection.send("[]")
    await client.subscribe("answer")

    assert await client.end() == (4400, "A message must be a JSON object.")
    assert house.play.asked == []


async def test_a_message_may_be_large_but_not_too_large(house: House) -> None:
    client = await house.client()
    frame = '{"type":"pong","payload":{"x":"%s"}}'
    room = MAX_MESSAGE - len(frame % "")

    await client.connection.send(frame % ("x" * room))
    await client.answers()
    await client.connection.send(frame % ("x" * (room + 1)))

    assert (await client.end())[0] == 1009


@pytest.mark.parametrize(
    ("ping", "pong"),
    [
        ({}, '{"type":"pong"}'),
        ({"payload": None}, '{"type":"pong"}'),
        ({"payload": {"a": [1]}}, '{"type":"pong","payload":{"a":[1]}}'),
    ],
)
async def test_a_ping_is_answered_with_its_payload_even_before_the_connection_is_begun(
    house: House, ping: dict[str, Any], pong: str
) -> None:
    client = await house.visit()

    await client.say("ping", **ping)

    assert await client.hear() == pong


async def test_pongs_are_welcome_whenever_they_come(house: House) -> None:
    client = await house.client()

    for payload in ({}, {"payload": None}, {"payload": {"a": 1}}):
        await client.say("pong", **payload)

    await client.answers()


async def test_a_query_gets_one_answer_byte_for_byte_and_is_complete(house: House) -> None:
    client = await house.client()

    await client.subscribe("answer", 'ä"1')

    assert await client.hear() == '{"id":"ä\\"1","type":"next","payload":{"data": {"spaces":  1}}}'
    assert await client.hear() == '{"id":"ä\\"1","type":"complete"}'


async def test_a_document_that_cannot_run_fails_alone(house: House) -> None:
    client = await house.client()
    await client.subscribe("count-on-cue 0", "other")

    await client.subscribe("refuse")
    refusal = await client.hear()
    house.play.cue.set()

    assert refusal == '{"id":"1","type":"error","payload":[{"message":"no such field"}]}'
    assert await client.hear() == '{"id":"other","type":"next","payload":{"data":{"count":0}}}'
    assert await client.hear() == '{"id":"other","type":"complete"}'


async def test_a_subscription_gets_its_frames_in_order_and_is_closed(house: House) -> None:
    client = await house.client()

    await client.subscribe("count 3")

    heard = [await client.hear() for _ in range(4)]
    assert heard == [
        *(f'{{"id":"1","type":"next","payload":{{"data":{{"count":{count}}}}}}}' for count in range(3)),
        '{"id":"1","type":"complete"}',
    ]
    await house.play.until("closed")


@pytest.mark.parametrize(("query", "frames"), [("fail", 0), ("leak", 0), ("break 1", 1)])
async def test_a_bug_is_masked_and_ends_its_operation_only(house: House, query: str, frames: int) -> None:
    client = await house.client()
    await client.subscribe("wait", "other")

    await client.subscribe(query)
    heard = [await client.hear_json() for _ in range(frames + 1)]

    error = {
        "message": FAULT,
        "extensions": {"code": "INTERNAL", "requestId": house.play.asked[1][1].request_id},
    }
    assert heard[-1] == {"id": "1", "type": "error", "payload": [error]}
    await client.answers()
    await client.subscribe("answer")
    assert (await client.hear_json())["type"] == "next"
    assert house.play.happened["opened"] - house.play.happened["closed"] == 1


async def test_documents_are_answered_as_over_http(house: House, schema: Executable) -> None:
    house.perform = lambda request, op, _=None: execute(schema, request, op)
    house.limited()
    client = await house.client()

    for id, document in enumerate(["{ __typename }", "{", "{ noSuchField }", "query A { a: __typename }"]):
        await client.subscribe(document, str(id), operationName="B" if id == 3 else None)
    heard = [await client.hear_json() for _ in range(5)]

    by_id = {message["id"]: message for message in heard if message["type"] != "complete"}
    assert by_id["0"]["payload"]["data"] == {"__typename": "Query"}
    assert [(by_id[id]["type"], by_id[id]["payload"][0]["extensions"]["code"]) for id in ("1", "2", "3")] == [
        ("error", "GRAPHQL_PARSE_FAILED"),
        ("error", "GRAPHQL_VALIDATION_FAILED"),
        ("error", "GRAPHQL_VALIDATION_FAILED"),
    ]
    assert [message for message in heard if message["type"] == "complete"] == [
        {"id": "0", "type": "complete"}
    ]


async def test_an_id_is_used_once_at_a_time(house: House) -> None:
    client = await house.client()
    await client.subscribe("wait 1", "twice")
    await client.hear()

    await client.subscribe("answer", "twice")

    assert await client.end() == (4409, "Subscriber for twice already exists")
    await house.play.until("closed")
    assert len(house.play.asked) == 1


async def test_a_reason_is_cut_to_what_a_closing_frame_holds(house: House) -> None:
    client = await house.client()
    await client.subscribe("wait 1", "ä" * 200)
    await client.hear()

    await client.subscribe("wait 1", "ä" * 200)

    code, reason = await client.end()
    assert code == 4409 and reason.startswith("Subscriber for ää")
    assert MAX_REASON_BYTES - 1 <= len(reason.encode()) <= MAX_REASON_BYTES


async def test_an_id_is_free_as_soon_as_either_side_has_completed_it(house: House) -> None:
    client = await house.client()
    for _ in range(3):
        await client.subscribe("answer")
        assert [(await client.hear_json())["type"] for _ in range(2)] == ["next", "complete"]

    for _ in range(3):
        await client.subscribe("wait 1")
        assert (await client.hear_json())["type"] == "next"
        await client.say("complete", id="1")

    await client.answers()
    await house.play.until("closed", 3)


async def test_nothing_comes_after_the_client_has_completed(house: House) -> None:
    client = await house.client()
    for id, query in (("1", "count-on-cue 0"), ("2", "answer-on-cue"), ("3", "count-on-cue 0")):
        await client.subscribe(query, id)
    await house.play.until("opened", 2)

    await client.say("complete", id="1")
    await client.say("complete", id="2")
    await client.answers()
    house.play.cue.set()

    assert [(await client.hear_json())["id"] for _ in range(2)] == ["3", "3"]
    await client.answers()


async def test_a_frame_that_is_due_while_the_client_completes_is_the_last(house: House) -> None:
    client = await house.client()
    await client.subscribe("count-on-cue 0")
    await house.play.until("opened")

    house.play.cue.set()
    await client.say("complete", id="1")
    await client.say("ping")

    while (await client.hear_json())["type"] != "pong":
        pass
    await client.answers()
    await house.play.until("closed")


async def test_an_operation_that_misses_its_cancellation_is_not_heard_either(house: House) -> None:
    client = await house.client()
    await client.subscribe("deaf")
    await house.play.until("began")

    await client.say("complete", id="1")
    await house.play.until("heard")

    await client.answers()


async def test_completing_what_is_not_running_is_a_race_and_no_offence(house: House) -> None:
    client = await house.client()
    await client.subscribe("answer")
    await client.hear()
    await client.hear()

    await client.say("complete", id="1")
    await client.say("complete", id="never")

    await client.answers()


async def test_only_so_many_operations_run_at_once(house: House) -> None:
    house.limited(operations=3)
    client = await house.client()
    for id in ("a", "b", "c"):
        await client.subscribe("wait 1", id)
        await client.hear()

    await client.subscribe("answer", "d")
    refusal = await client.hear_json()
    await client.say("complete", id="a")
    await client.subscribe("answer", "d")

    (error,) = refusal.pop("payload")
    assert refusal == {"id": "d", "type": "error"}
    assert error == {
        "message": "At most 3 operations run at once on one socket. Complete one, or open another socket.",
        "extensions": {"code": "TOO_MANY_OPERATIONS", "requestId": house.lines[0]["request_id"]},
    }
    assert [(await client.hear_json())["type"] for _ in range(2)] == ["next", "complete"]


def test_the_usual_limits_are_those_that_are_documented() -> None:
    assert (USUAL.operations, USUAL.sockets, USUAL.init_s, USUAL.ping_s) == (100, 10, 10, 15)
    assert (USUAL.silence_s, USUAL.send_s, USUAL.expired_s, USUAL.revoked_s) == (45, 30, 30, 1)


async def test_each_operation_is_one_line_of_the_log(house: House) -> None:
    client = await house.client(somebody())

    await client.subscribe("answer", operationName="Named")
    await client.hear()
    await client.hear()
    await until(lambda: house.lines)

    (line,) = house.lines
    assert line.pop("ms") >= 0
    assert line == {
        "request_id": house.play.asked[0][1].request_id,
        "viewer": "client",
        "operation": "Named",
        "transport": "ws",
        "statements": 0,
    }


# -- the end of sockets ------------------------------------------------------------------------------------------------


async def test_what_runs_is_closed_when_the_client_leaves(house: House) -> None:
    client = await house.client()
    for id in ("1", "2"):
        await client.subscribe("wait 1", id)
        await client.hear()

    await client.connection.close()

    await house.play.until("closed", 2)
    assert len(house.lines) == 2


async def test_what_runs_is_closed_when_the_line_breaks(house: House) -> None:
    client = await house.client()
    await client.subscribe("wait 1")
    await client.hear()

    client.connection.transport.abort()

    await house.play.until("closed")


async def test_who_answers_pings_may_be_silent_otherwise(house: House) -> None:
    house.limited(ping_s=0.05, silence_s=0.5)
    polite, dead = await house.client(), await house.client()
    await dead.subscribe("wait 1")
    await dead.hear()

    async def answer_pings() -> None:
        while True:
            assert await polite.hear() == '{"type":"ping"}'
            await polite.say("pong")

    answering = asyncio.create_task(answer_pings())
    while dead.connection.close_code is None:
        with contextlib.suppress(ConnectionClosed):
            assert json.loads(await dead.hear())["type"] == "ping"
    answering.cancel()
    await asyncio.gather(answering, return_exceptions=True)

    assert dead.connection.close_code == 1006
    await house.play.until("closed")
    await polite.say("ping", payload={"still": "here"})
    while (message := await polite.hear_json())["type"] == "ping":
        pass
    assert message == {"type": "pong", "payload": {"still": "here"}}


async def test_who_does_not_read_delays_nobody_holds_little_and_is_dropped(house: House) -> None:
    house.limited(send_s=0.3)
    slow, other = await house.slow_client(), await house.client()
    await slow.subscribe("big", "1")
    await slow.subscribe("big", "2")
    await house.play.until("big", 2)

    for _ in range(10):
        await other.subscribe("answer")
        assert [(await other.hear_json())["type"] for _ in range(2)] == ["next", "complete"]
    waiting = house.play.happened["opened"] - house.play.happened["closed"]
    await house.play.until("closed", 2)

    assert waiting == 2
    assert house.play.happened["big"] < 200  # 20 MB: what the system buffers for both ends of the line
    await other.answers()


async def test_what_runs_is_closed_before_a_slow_peer_has_read_the_goodbye(house: House) -> None:
    house.limited(stop_s=0.05)
    slow = await house.slow_client()
    await slow.subscribe("big")
    await house.play.until_stalled()

    await slow.subscribe("answer")

    await house.play.until("closed")
    assert len(house.play.asked) == 1


async def test_who_sends_after_the_parser_has_closed_is_told_that_nobody_listens(doors: Doors) -> None:
    errors: list[Exception] = []

    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        try:
            await send({"type": "websocket.send", "text": "too late"})
        except Exception as error:
            errors.append(error)

    async with connect(f"ws://{doors.open(talk)}", compression=None, proxy=None) as connection:
        await connection.send("x" * (MAX_MESSAGE + 1))
        await connection.wait_closed()
        await until(lambda: errors)

    assert connection.close_code == 1009
    assert isinstance(errors[0], OSError)


async def test_a_connection_ends_though_its_peer_does_not_read_what_is_left() -> None:
    class Impatient(DroppableWebSocketProtocol):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.close_timeout = 0.1

    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "x" * 20_000_000})

    async with serving(talk, websockets=Impatient) as (address, server):
        host, _, port = address.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1)
        writer.write(HANDSHAKE)
        await reader.readexactly(12)
        open_at_first = len(server.server_state.connections)
        await until(lambda: not server.server_state.connections)
        writer.close()

    assert open_at_first == 1


async def test_stopping_sends_everybody_away_and_lets_nobody_in(house: House) -> None:
    begun, silent = await house.client(), await house.visit()
    await begun.subscribe("wait 1")
    await begun.hear()

    await house.sockets.stop()

    goodbye = (1012, "Service restart: connect again")
    assert house.play.happened["closed"] == 1
    assert [await begun.end(), await silent.end(), await (await house.visit()).end()] == [goodbye] * 3


async def test_stopping_takes_no_longer_than_it_may(house: House) -> None:
    house.limited(stop_s=0.05)
    client = await house.client()
    await client.subscribe("stay 1")
    await client.hear()
    await client.subscribe("wait 1", "2")
    await client.hear()
    await client.say("complete", id="1")

    async with asyncio.timeout(2):
        await house.sockets.stop()

    assert house.play.happened["opened"] - house.play.happened["closed"] == 1


# -- sessions and tokens -----------------------------------------------------------------------------------------------


async def test_a_revoked_session_starts_nothing_and_ends_when_its_subscriptions_have(
    house: House, clock: Clock
) -> None:
    house.limited(revoked_s=60)
    viewer = somebody()
    client, other = await house.client(viewer), await house.client(somebody())
    await client.subscribe("count-on-cue 0")
    await house.play.until("opened")

    assert viewer.session_id is not None
    house.services.revoked.add(viewer.session_id, at=clock())
    await client.subscribe("answer", "2")
    refusal = await client.hear_json()
    house.play.cue.set()

    assert refusal["type"] == "error" and refusal["id"] == "2"
    assert refusal["payload"][0]["message"] == "This session was ended. Sign in again."
    assert refusal["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert [(await client.hear_json())["type"] for _ in range(2)] == ["next", "complete"]
    assert await client.end() == (4403, "This session was ended. Sign in again.")
    await other.answers()


async def test_subscriptions_of_a_revoked_session_that_do_not_end_are_ended(
    house: House, clock: Clock
) -> None:
    house.limited(revoked_s=0.05)
    viewer = somebody()
    client = await house.client(viewer)
    await client.subscribe("wait 1")
    await client.hear()

    assert viewer.session_id is not None
    house.services.revoked.add(viewer.session_id, at=clock())

    assert await client.end() == (4403, "This session was ended. Sign in again.")
    await house.play.until("closed")


async def test_an_expired_token_is_announced_once_and_then_ends_the_socket(
    house: House, clock: Clock
) -> None:
    house.limited(init_s=0.05)
    client = await house.client(somebody())
    await client.subscribe("wait 1")
    await client.hear()

    clock.move(ACCESS_LIFETIME)
    announced = await client.hear()
    await (await house.visit()).end()  # which takes a few more looks
    await client.answers()
    clock.move(timedelta(seconds=USUAL.expired_s))

    assert announced == '{"type":"ping","payload":{"reason":"TOKEN_EXPIRED"}}'
    assert await client.end() == (4403, "The access token has expired. Connect again with a fresh one.")
    await house.play.until("closed")


@pytest.mark.parametrize("key", ["authorization", "Authorization"])
async def test_a_fresh_token_in_a_ping_prolongs_the_socket(house: House, clock: Clock, key: str) -> None:
    viewer = somebody()
    client = await house.client(viewer)
    clock.move(ACCESS_LIFETIME)
    await client.hear()

    await client.say("ping", payload={key: bearer(house.services, viewer)})
    pong = await client.hear()
    clock.move(timedelta(seconds=USUAL.expired_s))
    await client.answers()
    clock.move(ACCESS_LIFETIME - timedelta(seconds=USUAL.expired_s))

    assert pong == '{"type":"pong"}'
    assert await client.hear() == '{"type":"ping","payload":{"reason":"TOKEN_EXPIRED"}}'


async def test_a_fresh_token_must_be_of_the_same_user_and_good(house: House) -> None:
    signed_in, anonymous, forger = await house.client(somebody()), await house.client(), await house.client()

    for client in (signed_in, anonymous):
        await client.say("ping", payload={"authorization": bearer(house.services, somebody())})
    await forger.say("ping", payload={"authorization": "Bearer abc"})

    other = (4403, "The token is of another user. Open another socket for them.")
    assert [await signed_in.end(), await anonymous.end()] == [other, other]
    assert await forger.end() == (4403, "The access token is not valid. Sign in again.")


REFRESH = """mutation ($accessToken: String!) { sessionRefreshSocket(input: {accessToken: $accessToken}) {
    outcome expiresAt errors { code path ... on PermissionError { needed } } } }"""


async def refreshed(client: Client, authorization: str) -> Any:
    """What the mutation answers to the token."""
    await client.subscribe(
        REFRESH, "refresh", variables={"accessToken": authorization.removeprefix("Bearer ")}
    )
    message, complete = await client.hear_json(), await client.hear_json()
    assert complete == {"id": "refresh", "type": "complete"}
    return message["payload"]["data"]["sessionRefreshSocket"]


async def test_a_fresh_token_in_a_mutation_prolongs_the_socket(
    house: House, clock: Clock, schema: Executable
) -> None:
    viewer = somebody()
    house.perform = lambda request, op, _=None: execute(schema, request, op)
    house.limited()
    client = await house.client(viewer)
    clock.move(ACCESS_LIFETIME)
    await client.hear()

    answer = await refreshed(client, bearer(house.services, viewer))
    clock.move(timedelta(seconds=USUAL.expired_s))
    await client.answers()
    clock.move(ACCESS_LIFETIME - timedelta(seconds=USUAL.expired_s))

    until = f"{clock():%Y-%m-%dT%H:%M:%SZ}"
    assert answer == {"outcome": "APPLIED", "expiresAt": until, "errors": []}
    assert await client.hear() == '{"type":"ping","payload":{"reason":"TOKEN_EXPIRED"}}'


async def test_a_token_that_does_not_hold_is_refused_and_the_socket_stays_as_it_was(
    house: House, clock: Clock, schema: Executable
) -> None:
    viewer, stale = somebody(), somebody()
    house.perform = lambda request, op, _=None: execute(schema, request, op)
    house.limited()
    assert stale.session_id is not None
    house.services.revoked.add(stale.session_id, at=clock())
    client = await house.client(viewer)
    expired = bearer(house.services, viewer)
    clock.move(ACCESS_LIFETIME)
    await client.hear()

    answers = [
        await refreshed(client, token)
        for token in (
            "Bearer abc",
            expired,
            bearer(house.services, stale),
            bearer(house.services, somebody()),
        )
    ]
    clock.move(timedelta(seconds=USUAL.expired_s))

    refused = {"outcome": "REJECTED", "expiresAt": None}
    codes = ["ACCESS_TOKEN_REFUSED"] * 3 + ["TOKEN_OF_ANOTHER"]
    assert answers == [refused | {"errors": [{"code": code, "path": ["accessToken"]}]} for code in codes]
    assert await client.end() == (4403, "The access token has expired. Connect again with a fresh one.")


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_frame_is_what_the_parser_would_write(size: int) -> None:
    parser = ServerProtocol()
    parser.state = State.OPEN
    content = b"x" * size

    parser.send_text(content)

    assert text_frame(content) == b"".join(parser.data_to_send())
