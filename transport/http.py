"""The HTTP door of GraphQL, as plain ASGI: GraphQL over HTTP, one JSON object each way."""

import logging
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import strawberry
from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send

from auth.http import viewer_of
from auth.viewer import SignInRequired, Viewer
from models.store.sql import counting_statements
from resolvers.operation import Operation, Services
from schema.execution import Request, Response, execute

MAX_BODY = 1_000_000
GRAPHQL_RESPONSE = "application/graphql-response+json"
_log = logging.getLogger("skillsync.requests")
Page = Callable[[Scope, Receive, Send], Awaitable[None]]


class HttpError(Exception):
    """The request never becomes a document; answered with this status, code and sentence."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


class GraphQLEndpoint:
    """GET and POST of `/graphql`. A browser that asks for HTML gets `page`."""

    def __init__(self, schema: strawberry.Schema, services: Services, page: Page | None) -> None:
        self._schema = schema
        self._services = services
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if self._page is not None and _wants_page(scope, headers):
            await self._page(scope, receive, send)
            return
        request_id = _request_id(headers)
        began = time.perf_counter()
        line: dict[str, Any] = {"request_id": request_id, "viewer": "anonymous", "operation": None}
        with counting_statements() as statements:
            try:
                status, body, extra = await self._answer(scope, headers, receive, request_id, line)
            except HttpError as error:
                extensions = {"code": error.code, "requestId": request_id}
                body = {"errors": [{"message": error.message, "extensions": extensions}]}
                status, extra = error.status, error.headers
        content_type = _content_type(headers, status)
        await _send(send, status, body, content_type, request_id, extra)
        line["status"] = status
        line["ms"] = round((time.perf_counter() - began) * 1000, 2)
        line["statements"] = sum(count for word, count in statements.items())
        _log.info("request", extra=line)

    async def _answer(
        self, scope: Scope, headers: Headers, receive: Receive, request_id: str, line: dict[str, Any]
    ) -> tuple[int, dict[str, Any], dict[str, str]]:
        viewer = self._viewer(headers)
        line["viewer"] = viewer.kind
        if scope["method"] == "GET":
            request = _from_query_string(QueryParams(scope["query_string"]))
        elif scope["method"] == "POST":
            request = _from_body(headers, await _read_body(headers, receive))
        else:
            raise HttpError(405, "METHOD_NOT_ALLOWED", "Use POST, or GET for a query.", allow="GET, POST")
        line["operation"] = request.operation_name
        op = Operation(self._services, viewer, request_id, device=headers.get("user-agent", ""))
        response = await execute(self._schema, request, op, mutations_allowed=scope["method"] == "POST")
        return _status_of(response, headers), response.body, {}

    def _viewer(self, headers: Headers) -> Viewer:
        services = self._services
        try:
            return viewer_of(headers, services.tokens, services.revoked, now=services.clock())
        except SignInRequired as error:
            raise HttpError(
                401, "UNAUTHENTICATED", error.message, **{"www-authenticate": 'Bearer error="invalid_token"'}
            ) from error


def _wants_page(scope: Scope, headers: Headers) -> bool:
    if scope["method"] != "GET" or b"query=" in scope["query_string"]:
        return False
    return "text/html" in headers.get("accept", "")


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


def _from_body(headers: Headers, body: bytes) -> Request:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HttpError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json.")
    return _request(_json(body, "the body"))


def _json(raw: bytes, what: str) -> Any:
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise HttpError(400, "BAD_REQUEST", f"JSON in {what} cannot be read: {error}.") from error


def _request(content: Any) -> Request:
    if not isinstance(content, dict):
        raise HttpError(400, "BAD_REQUEST", 'Send one JSON object such as {"query": "{ viewer { name } }"}.')
    query, variables, name = (content.get(part) for part in ("query", "variables", "operationName"))
    if not isinstance(query, str):
        raise HttpError(400, "BAD_REQUEST", "`query` must be a text with a GraphQL document.")
    if variables is not None and not isinstance(variables, dict):
        raise HttpError(400, "BAD_REQUEST", "`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise HttpError(400, "BAD_REQUEST", "`operationName` must be a text.")
    return Request(query, variables, name or None)


async def _read_body(headers: Headers, receive: Receive) -> bytes:
    too_large = HttpError(413, "PAYLOAD_TOO_LARGE", f"A request has at most {MAX_BODY:,} bytes.")
    declared = headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > MAX_BODY:
        raise too_large
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HttpError(400, "BAD_REQUEST", "The connection ended before the whole request was here.")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY:
            raise too_large
        if not message.get("more_body"):
            return b"".join(chunks)


def _status_of(response: Response, headers: Headers) -> int:
    """GraphQL over HTTP: a document that never ran is a 400, but a plain JSON client always gets 200 for it."""
    if response.executed or GRAPHQL_RESPONSE not in headers.get("accept", ""):
        return 200
    return 400


def _content_type(headers: Headers, status: int) -> str:
    return GRAPHQL_RESPONSE if GRAPHQL_RESPONSE in headers.get("accept", "") else "application/json"


async def _send(
    send: Send, status: int, body: dict[str, Any], content_type: str, request_id: str, extra: dict[str, str]
) -> None:
    raw = orjson.dumps(body)
    headers = {
        "content-type": f"{content_type}; charset=utf-8",
        "content-length": str(len(raw)),
        "cache-control": "no-store",
        "vary": "accept, authorization",
        "x-request-id": request_id,
        **extra,
    }
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": raw})


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    sound = 8 <= len(given) <= 64 and given.replace("-", "").isalnum() and given.isascii()
    return given if sound else uuid.uuid4().hex
