"""Answers as server-sent events: the distinct connections mode of graphql-sse.

https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from graphql import OperationDefinitionNode, OperationType
from starlette.types import Receive, Send

from resolvers.operation import Operation
from schema.documents import Refused
from schema.execution import MUTATION_NEEDS_POST, Executable, Request, Response, fault
from schema.limits import MAX_CHARACTERS
from transport.operations import Perform, seen
from transport.traffic import Traffic

EVENT_STREAM = "text/event-stream"
_COMPLETE = b"event: complete\ndata:\n\n"
_COMMENT = b":\n\n"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is answered: the connection, what they had before, and until when their access token holds."""

    receive: Receive
    send: Send
    abort: Callable[[], None]
    last_event_id: str | None
    expires_at: datetime | None


class _TooSlow(Exception):
    """The client did not take what was sent to it."""


class EventStreams:
    """The answers that are being streamed, each over a connection of its own."""

    def __init__(
        self, schema: Executable, perform: Perform, traffic: Traffic, *, keep_alive_s: float, send_s: float
    ) -> None:
        """A comment is sent every `keep_alive_s`; a client that takes nothing for `send_s` is dropped."""
        self._schema = schema
        self._perform = perform
        self._traffic = traffic
        self._keep_alive_s = keep_alive_s
        self._send_s = send_s
        self._telling: set[asyncio.Task[None]] = set()
        self._is_stopping = False

    async def answer(
        self, request: Request, op: Operation, caller: Caller, *, mutations_allowed: bool
    ) -> None:
        """Send what the operation answers, until it is complete.

        Without a word, so that the client comes again, the stream ends when the server stops, and no later than a
        keep-alive after the access token has expired or its session was ended. What runs is cancelled then, as it is
        when the client leaves.
        """
        async with asyncio.TaskGroup() as tasks:
            telling = tasks.create_task(self._tell(request, op, caller, mutations_allowed=mutations_allowed))
            leaving = tasks.create_task(_until_gone(caller.receive))
            self._telling.add(telling)
            while not self._is_stopping and _holds(op, caller.expires_at):
                done, _ = await asyncio.wait(
                    {telling, leaving}, timeout=self._keep_alive_s, return_when=asyncio.FIRST_COMPLETED
                )
                if done:
                    break
                with contextlib.suppress(_TooSlow):
                    await self._give(caller, _COMMENT)
            self._telling.discard(telling)
            telling.cancel()
            leaving.cancel()
        with contextlib.suppress(_TooSlow):
            await self._give(caller, b"", is_last=True)

    @property
    def open(self) -> int:
        return len(self._telling)

    def stop(self) -> None:
        """End all streams, and those that are about to begin."""
        self._is_stopping = True
        for task in self._telling:
            task.cancel()
        self._telling.clear()

    async def _tell(
        self, request: Request, op: Operation, caller: Caller, *, mutations_allowed: bool
    ) -> None:
        with contextlib.suppress(_TooSlow):
            if not mutations_allowed and self._is_mutation(request):
                await self._give(caller, _next(_needs_post(op.request_id)))
            else:
                await self._tell_outcome(self._resumed(request, caller.last_event_id), op, caller)
            await self._give(caller, _COMPLETE)

    async def _tell_outcome(self, request: Request, op: Operation, caller: Caller) -> None:
        began = time.perf_counter()
        kind, status = None, 400
        try:
            outcome = await self._perform(request, op)
            kind, status = seen(outcome)
            if isinstance(outcome, Response):
                await self._give_result(caller, outcome.raw, None)
                return
            async with aclosing(outcome) as frames:
                async for frame in frames:
                    await self._give_result(caller, frame.raw, frame.cursor)
        except _TooSlow:
            raise
        except Exception as error:
            status = 500
            await self._give(caller, _next(orjson.dumps({"errors": [fault(error, op.request_id)]})))
        finally:
            self._traffic.add("sse", kind, status, time.perf_counter() - began)

    def _is_mutation(self, request: Request) -> bool:
        operation = self._operation_of(request)
        return operation is not None and operation.operation is OperationType.MUTATION

    def _resumed(self, request: Request, cursor: str | None) -> Request:
        """The request from the cursor on, if there is one and the operation declares `$after`."""
        if not cursor:
            return request
        operation = self._operation_of(request)
        declared = () if operation is None else operation.variable_definitions or ()
        if all(each.variable.name.value != "after" for each in declared):
            return request
        return replace(request, variables={**(request.variables or {}), "after": cursor})

    def _operation_of(self, request: Request) -> OperationDefinitionNode | None:
        """None where there is none: what is wrong with the document is told when it is performed."""
        if len(request.query) > MAX_CHARACTERS:
            return None
        try:
            return self._schema.documents.read(request.query).operation(request.operation_name)
        except Refused:
            return None

    async def _give_result(self, caller: Caller, result: bytes, cursor: str | None) -> None:
        if asyncio.current_task() not in self._telling:
            # It was cancelled and did not learn of it: `asyncio.wait_for` of Python 3.11 can lose a cancellation.
            raise asyncio.CancelledError
        await self._give(caller, _next(result, cursor))
        self._traffic.frames += 1

    async def _give(self, caller: Caller, text: bytes, *, is_last: bool = False) -> None:
        """Wait until the transport takes it. Raises `_TooSlow` if that takes too long; the client is dropped then."""
        try:
            async with asyncio.timeout(self._send_s):
                await caller.send({"type": "http.response.body", "body": text, "more_body": not is_last})
        except TimeoutError as error:
            caller.abort()
            raise _TooSlow from error


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass  # the body of a GET, which nobody has read


def _holds(op: Operation, expires_at: datetime | None) -> bool:
    """Whether the caller is still who they were when the stream began."""
    if op.services.revoked.loss_of(op.viewer, now=op.now()) is not None:
        return False
    return expires_at is None or op.now() < expires_at


def _next(result: bytes, cursor: str | None = None) -> bytes:
    id_line = b"" if cursor is None else b"id: %b\n" % cursor.encode()
    return b"event: next\n%bdata: %b\n\n" % (id_line, result)


def _needs_post(request_id: str) -> bytes:
    extensions = {"code": MUTATION_NEEDS_POST, "requestId": request_id}
    return orjson.dumps({"errors": [{"message": "A mutation must come by POST.", "extensions": extensions}]})
