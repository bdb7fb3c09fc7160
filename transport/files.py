"""The door of files, as plain ASGI: `PUT /files?name=…` takes one, `GET /files/<id>` hands it out.

What comes in goes to the disk as it comes. What goes out is to be saved, never shown: a page of ours that opened a file
of somebody's as HTML would run what they wrote in it.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson
from starlette.datastructures import QueryParams
from starlette.types import Receive, Scope, Send

from auth.viewer import SignInRequired
from models.attachment import Attachment, FileQuotaReached
from models.errors import Invalid, NotFound, Refusals
from models.ids import decode_id, encode_id
from models.store.files import PART, FileMissing, Reading
from models.store.sql import counting_statements
from resolvers import files
from resolvers.operation import Operation, Services
from transport.http import (
    Headers,
    HttpError,
    head_of,
    headers_of,
    refusal_of,
    request_id_of,
    send_whole,
    unauthenticated,
    viewer_in,
)
from transport.logs import log_request
from transport.operations import Log

FILES = "/files"
UPLOAD_S = 300
"""How long a file may take to come in: over a slow line, ten megabytes take some minutes."""
_RANGE = re.compile(rb"bytes=(\d{0,15})-(\d{0,15})")


class FileDoor:
    """PUT of `/files`, GET and HEAD of `/files/<id>`."""

    def __init__(self, services: Services, *, log: Log = log_request) -> None:
        self._services = services
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = headers_of(scope)
        request_id = scope.get("state", {}).get("request_id") or request_id_of(headers)
        began = time.perf_counter()
        line: dict[str, Any] = {
            "request_id": request_id,
            "viewer": "anonymous",
            "operation": f"{scope['method']} {FILES}",
            "status": 503,
        }
        with counting_statements() as statements:
            try:
                try:
                    await self._answer(scope, headers, receive, send, request_id, line)
                except Exception as error:
                    if line["status"] != 503:
                        raise  # the answer has begun; that it ends early tells the client
                    status, raw, extra = refusal_of(_told(error), request_id)
                    line["status"] = status
                    await send_whole(send, status, raw, "application/json", request_id, extra)
            finally:
                line["ms"] = round((time.perf_counter() - began) * 1000, 2)
                line["statements"] = sum(statements.values())
                self._log(line)

    async def _answer(
        self,
        scope: Scope,
        headers: Headers,
        receive: Receive,
        send: Send,
        request_id: str,
        line: dict[str, Any],
    ) -> None:
        path, method = scope["path"].removeprefix(FILES), scope["method"]
        viewer = viewer_in(headers, self._services)
        line["viewer"] = viewer.kind
        op = Operation(self._services, viewer, request_id)
        if path == "":
            if method != "PUT":
                raise HttpError(
                    405, "METHOD_NOT_ALLOWED", "Use PUT to upload a file.", headers={"allow": "PUT"}
                )
            row = await self._take(op, QueryParams(scope["query_string"]).get("name"), headers, receive)
            line["status"] = 201
            await send_whole(send, 201, orjson.dumps(_shown(row)), "application/json", request_id, {})
        elif path.startswith("/") and method in {"GET", "HEAD"}:
            row = await files.find_file(op, decode_id("file", path[1:]))
            async with self._services.files.reading(row.sha256) as content:
                await _hand_out(row, content, headers, send, request_id, line, is_head=method == "HEAD")
        elif path.startswith("/"):
            raise HttpError(
                405, "METHOD_NOT_ALLOWED", "Use GET to read a file.", headers={"allow": "GET, HEAD"}
            )
        else:
            raise NotFound("page")

    async def _take(self, op: Operation, name: str | None, headers: Headers, receive: Receive) -> Attachment:
        op.viewer.require_user()
        Attachment.checked_name(name or "")
        limit = self._services.rules.file_limit_bytes
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            raise _too_large(limit)
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise HttpError(
                415, "UNSUPPORTED_MEDIA_TYPE", "Send the file as it is, not compressed for the way."
            )
        async with files.drafting(op) as draft:
            try:
                async with asyncio.timeout(UPLOAD_S):
                    more = True
                    while more:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise HttpError(
                                400, "BAD_REQUEST", "The connection ended before the whole file was here."
                            )
                        more = message.get("more_body", False)
                        if draft.size + len(body := message.get("body", b"")) > limit:
                            raise _too_large(limit)
                        await draft.write(body)
            except TimeoutError as error:
                text = f"The whole file must be here within {UPLOAD_S} seconds."
                raise HttpError(408, "REQUEST_TIMEOUT", text, headers={"connection": "close"}) from error
            return await files.keep_upload(op, draft, name or "")


async def _hand_out(
    row: Attachment,
    content: Reading,
    headers: Headers,
    send: Send,
    request_id: str,
    line: dict[str, Any],
    *,
    is_head: bool,
) -> None:
    etag = f'"{row.sha256}"'
    extra = {
        "content-disposition": f"attachment; filename*=UTF-8''{quote(row.name, safe='')}",
        "content-security-policy": "default-src 'none'; sandbox",
        "accept-ranges": "bytes",
        "etag": etag,
    }
    start, stop, status = 0, row.size, 200
    # A range of something that has changed would be glued to bytes of another file; contents never change here.
    wanted = _RANGE.fullmatch(headers.get(b"range", b""))
    if wanted is not None and headers.get(b"if-range", etag.encode()) == etag.encode():
        start, stop = _span(wanted.groups(), row.size)
        status = 206
        extra["content-range"] = f"bytes {start}-{stop - 1}/{row.size}"
    head = head_of(row.media_type, request_id, extra)
    head.append((b"content-length", b"%d" % (stop - start)))
    line["status"] = status
    await send({"type": "http.response.start", "status": status, "headers": head})
    while not is_head and start < stop:
        part = await content.part(start, min(PART, stop - start))
        if not part:
            raise FileMissing(row.sha256)
        start += len(part)
        await send({"type": "http.response.body", "body": part, "more_body": start < stop})
    if is_head or row.size == 0:
        await send({"type": "http.response.body", "body": b""})


def _span(wanted: Sequence[bytes], size: int) -> tuple[int, int]:
    """From the first byte to the one behind the last. Raises `HttpError` when there is none of them."""
    first, last = wanted
    if not first:
        start, stop = size - min(int(last or 0), size), size
    else:
        start, stop = int(first), min(int(last) + 1 if last else size, size)
    if start >= stop:
        text = f"The file has {size:,} bytes."
        raise HttpError(416, "RANGE_NOT_SATISFIABLE", text, headers={"content-range": f"bytes */{size}"})
    return start, stop


def _shown(row: Attachment) -> dict[str, Any]:
    return {
        "id": encode_id("file", row.id),
        "name": row.name,
        "mediaType": row.media_type,
        "size": row.size,
        "sha256": row.sha256,
    }


def _told(error: Exception) -> Exception:
    """A refusal as this door tells it; anything else is a bug."""
    if isinstance(error, Refusals):
        error = error.refusals[0]
    match error:
        case SignInRequired():
            return unauthenticated(error)
        case NotFound() | FileMissing():
            return HttpError(404, "NOT_FOUND", "There is no such file, or you cannot see it.")
        case FileQuotaReached():
            return HttpError(413, error.code, error.message)
        case Invalid():
            return HttpError(400, "BAD_REQUEST", f"{'.'.join(error.path)}: {error.message}")
    return error


def _too_large(limit: int) -> HttpError:
    return HttpError(
        413, "PAYLOAD_TOO_LARGE", f"A file has at most {limit:,} bytes.", headers={"connection": "close"}
    )
