"""The HTTP door of GraphQL, as plain ASGI: GraphQL over HTTP, one JSON object each way."""

import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

import orjson
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth.http import expiry_of, viewer_of
from auth.viewer import SignInRequired, Viewer
from models.store.sql import counting_statements
from resolvers.operation import Operation, Services
from schema.execution import MUTATION_NEEDS_POST, Executable, Request, Response, execute, fault
from schema.recent import Recent
from transport.logs import log_request
from transport.operations import Log, Perform, logged_name, new_request_id
from transport.protocol import ABORT, BODY_DEADLINE_S, TOO_SLOW, Whole, first_of_each
from transport.sse import EVENT_STREAM, Caller, EventStreams
from transport.traffic import Traffic

MAX_BODY = 1_000_000
MOST_REPEATED = 100_000  # bytes; what is kept with them is as in schema/documents.py
GRAPHQL_RESPONSE = "application/graphql-response+json"
_ALLOW = "GET, POST"
_MARKS = (b"x-request-id", b"x-content-type-options")
Headers = Mapping[bytes, bytes]
Page = Callable[[Scope, Receive, Send], Awaitable[None]]


class HttpError(Exception):
    """The request never becomes a document; answered with this status, code and sentence."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        facts: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`facts` stand beside the code."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.facts = facts or {}
        self.message = message
        self.headers = dict(headers or {})


class Envelope:
    """Around what we serve: each answer carries the request's id, given or made, and is what it says it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = request_id_of(headers_of(scope))
        scope.setdefault("state", {})["request_id"] = request_id

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = (h for h in message.get("headers", ()) if h[0] not in _MARKS)
                message["headers"] = [*given, (_MARKS[0], request_id.encode()), (_MARKS[1], b"nosniff")]
            await send(message)

        await self._app(scope, receive, send_marked)


class GraphQLEndpoint:
    """GET and POST of `/graphql`. A browser that asks for HTML gets `page`, inside an `Envelope`.

    What it answers itself carries the marks of an envelope already. `takes` and `answer` are the short way of POSTs that came
    in one piece (`transport.protocol.Wholes`).
    """

    path = b"/graphql"

    def __init__(
        self,
        schema: Executable,
        services: Services,
        page: Page | None,
        *,
        explains: bool = False,
        is_crossed: bool = False,
        perform: Perform | None = None,
        keep_alive_s: float = 15,
        send_s: float = 30,
        log: Log = log_request,
        traffic: Traffic | None = None,
    ) -> None:
        """`explains`: a request with the header `x-explain` is told how it was answered; for development. `is_crossed`: pages of
        other origins are answered, by whoever stands before us.

        `perform` answers who prefers server-sent events; without it everybody gets JSON. A comment goes out every
        `keep_alive_s` then, and who takes nothing for `send_s` is dropped.
        """
        self._traffic = Traffic() if traffic is None else traffic
        self._schema = schema
        self._services = services
        self._page = page
        self._explains = explains
        self._is_crossed = is_crossed
        self._streams = (
            None
            if perform is None
            else EventStreams(schema, perform, self._traffic, keep_alive_s=keep_alive_s, send_s=send_s)
        )
        self._log = log
        self._repeated: Recent[bytes, Request] = Recent(MOST_REPEATED)
        """Queries by the body that they came in: pages ask the same again and again."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        if self._page is not None and _wants_page(scope, headers):
            await self._page(scope, receive, send)
            return
        request_id = scope.get("state", {}).get("request_id") or request_id_of(headers)
        began = time.perf_counter()
        line = _line_of(request_id)
        kind: str | None = None
        with counting_statements() as statements:
            try:
                if self._streams is not None and _prefers_events(headers.get(b"accept", b"")):
                    await self._stream(self._streams, scope, headers, receive, send, request_id, line)
                    return
                try:
                    request, op = await self._read(scope, headers, receive, request_id, line)
                    kind, status, raw = await self._executed(
                        request, op, headers, mutations_allowed=scope["method"] == "POST"
                    )
                    extra = {"allow": "POST"} if status == 405 else {}
                except Exception as error:
                    status, raw, extra = refusal_of(error, request_id)
                line["status"] = status
                await send_whole(send, status, raw, _content_type(headers), request_id, extra)
            finally:
                self._write(line, began, statements, kind)

    def takes(self, headers: Headers) -> bool:
        if self._is_crossed and b"origin" in headers:
            return False
        return self._streams is None or not _prefers_events(headers.get(b"accept", b""))

    async def answer(self, headers: Headers, body: bytes) -> Whole:
        request_id = request_id_of(headers)
        began = time.perf_counter()
        line = _line_of(request_id)
        kind: str | None = None
        with counting_statements() as statements:
            try:
                try:
                    viewer = self._viewer(headers, line)
                    _require_json(headers)
                    known = self._repeated.get(body)
                    request, op = self._asked(viewer, known or _from_json(body), headers, request_id, line)
                    kind, status, raw = await self._executed(request, op, headers, mutations_allowed=True)
                    extra: dict[str, str] = {}
                    if known is None and request.ready is not None and not request.explain:
                        self._repeated.keep(body, request)
                except Exception as error:
                    status, raw, extra = refusal_of(error, request_id)
                line["status"] = status
                return Whole(status, lines_of(_content_type(headers), request_id, extra), raw)
            finally:
                self._write(line, began, statements, kind)

    @property
    def streaming(self) -> int:
        """How many operations are being answered as server-sent events."""
        return 0 if self._streams is None else self._streams.open

    def stop(self) -> None:
        """End what is streamed: it would not end by itself."""
        if self._streams is not None:
            self._streams.stop()

    def _write(
        self, line: dict[str, Any], began: float, statements: Mapping[str, int], kind: str | None
    ) -> None:
        seconds = time.perf_counter() - began
        if "transport" not in line:  # streams are counted where their kind is known
            self._traffic.add("http", kind, line["status"], seconds)
        line["ms"] = round(seconds * 1000, 2)
        line["statements"] = sum(statements.values())
        self._log(line)

    async def _executed(
        self, request: Request, op: Operation, headers: Headers, *, mutations_allowed: bool
    ) -> tuple[str | None, int, bytes]:
        response = await execute(self._schema, request, op, mutations_allowed=mutations_allowed)
        return response.kind, _status_of(response, headers), response.raw

    async def _stream(
        self,
        streams: EventStreams,
        scope: Scope,
        headers: Headers,
        receive: Receive,
        send: Send,
        request_id: str,
        line: dict[str, Any],
    ) -> None:
        line["transport"] = "sse"
        try:
            request, op = await self._read(scope, headers, receive, request_id, line)
            expires_at = self._expiry(headers)
        except Exception as error:
            status, raw, extra = refusal_of(error, request_id)
            line["status"] = status
            await send_whole(send, status, raw, "application/json", request_id, extra)
            return
        line["status"] = 200
        # Whoever buffers on the way, nginx above all, would keep the events until there are many.
        head = head_of(EVENT_STREAM, request_id, {"x-accel-buffering": "no"})
        await send({"type": "http.response.start", "status": 200, "headers": head})
        last_id = text_of(headers, b"last-event-id")
        caller = Caller(receive, send, scope["state"][ABORT], last_id, expires_at)
        await streams.answer(request, op, caller, mutations_allowed=scope["method"] == "POST")

    async def _read(
        self, scope: Scope, headers: Headers, receive: Receive, request_id: str, line: dict[str, Any]
    ) -> tuple[Request, Operation]:
        """Who asks for what. Raises `HttpError`."""
        if scope["method"] not in {"GET", "POST"}:
            raise HttpError(
                405, "METHOD_NOT_ALLOWED", "Use POST, or GET for a query.", headers={"allow": _ALLOW}
            )
        viewer = self._viewer(headers, line)
        if scope["method"] == "GET":
            request = _from_query_string(QueryParams(scope["query_string"]))
        else:
            _require_json(headers)
            request = _from_json(await _read_body(scope, headers, receive))
        return self._asked(viewer, request, headers, request_id, line)

    def _viewer(self, headers: Headers, line: dict[str, Any]) -> Viewer:
        viewer = viewer_in(headers, self._services)
        line["viewer"] = viewer.kind
        return viewer

    def _asked(
        self, viewer: Viewer, request: Request, headers: Headers, request_id: str, line: dict[str, Any]
    ) -> tuple[Request, Operation]:
        if self._explains and b"x-explain" in headers:
            request = replace(request, explain=True)
        line["operation"] = logged_name(request)
        device = headers.get(b"user-agent", b"").decode("latin-1")
        return request, Operation(self._services, viewer, request_id, device)

    def _expiry(self, headers: Headers) -> datetime | None:
        services = self._services
        try:
            return expiry_of(text_of(headers, b"authorization"), services.tokens, now=services.clock())
        except SignInRequired as error:
            raise unauthenticated(error) from error


def _line_of(request_id: str) -> dict[str, Any]:
    """What is logged of a request that ends now: cancelled, as a stop could wait no longer."""
    return {"request_id": request_id, "viewer": "anonymous", "operation": None, "status": 503}


def viewer_in(headers: Headers, services: Services) -> Viewer:
    """Who is asking. Raises `HttpError`."""
    try:
        return viewer_of(
            text_of(headers, b"authorization"), services.tokens, services.revoked, now=services.clock()
        )
    except SignInRequired as error:
        raise unauthenticated(error) from error


def unauthenticated(error: SignInRequired) -> HttpError:
    challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
    return HttpError(401, error.why, error.message, facts=error.facts, headers=challenge)


def refusal_of(error: Exception, request_id: str) -> tuple[int, bytes, dict[str, str]]:
    """Status, body and headers for a request that failed."""
    if not isinstance(
        error, HttpError
    ):  # a bug of ours outside of the resolvers, and answered like one inside
        return 500, orjson.dumps({"errors": [fault(error, request_id)]}), {}
    extensions = {"code": error.code, **error.facts, "requestId": request_id}
    body = {"errors": [{"message": error.message, "extensions": extensions}]}
    return error.status, orjson.dumps(body), error.headers


def _wants_page(scope: Scope, headers: Headers) -> bool:
    if scope["method"] != "GET" or b"query=" in scope["query_string"]:
        return False
    return b"text/html" in headers.get(b"accept", b"")


def _from_query_string(query: QueryParams) -> Request:
    if "query" not in query:
        raise HttpError(
            400, "BAD_REQUEST", "Give a document in the parameter `query`, or open this page in a browser."
        )
    variables = query.get("variables")
    return _request({
        "query": query["query"],
        "variables": None if variables is None else _json(variables.encode(), "variables"),
        "operationName": query.get("operationName"),
    })  # fmt: skip


def _require_json(headers: Headers) -> None:
    if not _is_json(headers.get(b"content-type", b"")):
        raise HttpError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json in UTF-8.")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        raise HttpError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request uncompressed.")


def _from_json(body: bytes) -> Request:
    return _request(_json(body, "the body"))


@lru_cache(100)
def _is_json(content_type: bytes) -> bool:
    media_type, _, parameters = content_type.decode("latin-1").lower().partition(";")
    charset = re.search(r"charset\s*=\s*\"?([^\s;\"]+)", parameters)
    is_utf8 = charset is None or charset[1] in {"utf-8", "utf8"}
    return media_type.strip() == "application/json" and is_utf8


def _json(raw: bytes, what: str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, "BAD_REQUEST", f"JSON in {what} cannot be read: {error}.") from error


def _request(content: Any) -> Request:
    if not isinstance(content, dict):
        raise HttpError(400, "BAD_REQUEST", 'Send one JSON object such as {"query": "{ viewer { name } }"}.')
    query, variables, name = content.get("query"), content.get("variables"), content.get("operationName")
    if not isinstance(query, str):
        raise HttpError(400, "BAD_REQUEST", "`query` must be a text with a GraphQL document.")
    if variables is not None and not isinstance(variables, dict):
        raise HttpError(400, "BAD_REQUEST", "`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise HttpError(400, "BAD_REQUEST", "`operationName` must be a text.")
    return Request(query, variables, name or None)


async def _read_body(scope: Scope, headers: Headers, receive: Receive) -> bytes:
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise _too_large()
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "BAD_REQUEST", "The connection ended before the whole request was here.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY:
            raise _too_large()
        if not message.get("more_body"):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)
        if scope["state"].get(TOO_SLOW):
            text = f"The whole request must be here within {BODY_DEADLINE_S} seconds."
            raise HttpError(408, "REQUEST_TIMEOUT", text, headers={"connection": "close"})


def _too_large() -> HttpError:
    return HttpError(413, "PAYLOAD_TOO_LARGE", f"A request has at most {MAX_BODY:,} bytes.")


def _status_of(response: Response, headers: Headers) -> int:
    """GraphQL over HTTP: a document that never ran is a 400, but a plain JSON client always gets 200 for it."""
    if response.executed:
        return 200
    if response.code == MUTATION_NEEDS_POST:
        return 405
    return 400 if _content_type(headers) == GRAPHQL_RESPONSE else 200


def _content_type(headers: Headers) -> str:
    return _preferred_type(headers.get(b"accept", b""))


@lru_cache(100)
def _preferred_type(accept: bytes) -> str:
    """The newer media type for who ranks it at least as high as plain JSON, which a client that says nothing gets."""
    accepted = dict(_accepted(accept))
    newer, plain = accepted.get(GRAPHQL_RESPONSE, 0.0), accepted.get("application/json", 0.0)
    return GRAPHQL_RESPONSE if newer > 0 and newer >= plain else "application/json"


@lru_cache(100)
def _prefers_events(accept: bytes) -> bool:
    """Who ranks JSON as high wants events for subscriptions only, and cannot be told before the document is read."""
    accepted = dict(_accepted(accept))
    events = accepted.pop(EVENT_STREAM, 0.0)
    return events > max(accepted.get(GRAPHQL_RESPONSE, 0.0), accepted.get("application/json", 0.0))


def _accepted(accept: bytes) -> Iterator[tuple[str, float]]:
    for choice in accept.decode("latin-1").lower().split(","):
        media_type, *parameters = (part.strip() for part in choice.split(";"))
        quality = next((part[2:] for part in parameters if part.startswith("q=")), "1")
        yield media_type, float(quality) if re.fullmatch(r"[01](\.\d{0,3})?", quality) else 0.0


async def send_whole(
    send: Send, status: int, raw: bytes, content_type: str, request_id: str, extra: dict[str, str]
) -> None:
    headers = head_of(f"{content_type}; charset=utf-8", request_id, extra)
    headers.append((b"content-length", b"%d" % len(raw)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": raw})


def head_of(content_type: str, request_id: str, extra: dict[str, str]) -> list[tuple[bytes, bytes]]:
    headers = [(_MARKS[0], request_id.encode()), *_usual_headers(content_type)]
    if extra:
        headers += [(name.encode(), value.encode()) for name, value in extra.items()]
    return headers


def lines_of(content_type: str, request_id: str, extra: dict[str, str]) -> bytes:
    """The headers of an answer but for its length, as they are sent."""
    lines = b"x-request-id: %b\r\n%b" % (request_id.encode(), _usual_lines(content_type))
    if extra:
        lines += b"".join(b"%b: %b\r\n" % (name.encode(), value.encode()) for name, value in extra.items())
    return lines


@cache
def _usual_lines(content_type: str) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in _usual_headers(f"{content_type}; charset=utf-8"))


@cache
def _usual_headers(content_type: str) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (_MARKS[1], b"nosniff"),
        (b"content-type", content_type.encode()),
        (b"cache-control", b"no-store"),
        (b"vary", b"accept, authorization"),
    )


def headers_of(scope: Scope) -> Headers:
    return first_of_each(scope["headers"])


def text_of(headers: Headers, name: bytes) -> str | None:
    given = headers.get(name)
    return None if given is None else given.decode("latin-1")


def request_id_of(headers: Headers) -> str:
    """The one that the client gave, if it cannot confuse a log; otherwise a new one."""
    given = headers.get(b"x-request-id")
    if given is not None and 8 <= len(given) <= 64 and given.replace(b"-", b"").isalnum():
        return given.decode()
    return new_request_id()
