"""What all doors share about an operation: who performs it, its request id, and its name in the log."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import lru_cache
from typing import Any, Protocol

import uuid_utils

from resolvers.operation import Operation
from schema.execution import Frame, Request, Response
from schema.streaming import SendAtOnce

MAX_LOGGED_NAME = 100


class Perform(Protocol):
    """Runs a document: one answer, or the frames of a subscription, which whoever asked for them closes.

    While the next frame is waited for, frames may go to `send_at_once` instead.
    """

    def __call__(
        self, request: Request, op: Operation, send_at_once: SendAtOnce | None = None, /
    ) -> Awaitable[Response | AsyncGenerator[Frame, None]]: ...


def seen(outcome: Response | AsyncGenerator[Frame, None]) -> tuple[str | None, int]:
    """The kind of an operation and its status, as HTTP would have it, where there is none of HTTP."""
    if not isinstance(outcome, Response):
        return "subscription", 200
    return outcome.kind, 200 if outcome.executed else 400


Log = Callable[[dict[str, Any]], None]
_READ = 2_000
_OPERATION = re.compile(r"\b(?:query|mutation|subscription)\s+([_A-Za-z][_0-9A-Za-z]*)")


def new_request_id() -> str:
    return uuid_utils.uuid7().hex


def logged_name(request: Request) -> str | None:
    """The operation's name, cut: it is a stranger's text. Without one, the first that the document names."""
    if request.operation_name is not None:
        return request.operation_name[:MAX_LOGGED_NAME]
    return _first_name(request.query if len(request.query) <= _READ else request.query[:_READ])


@lru_cache(500)
def _first_name(beginning: str) -> str | None:
    named = _OPERATION.search(beginning)
    return named[1][:MAX_LOGGED_NAME] if named else None
