"""What all doors share about an operation: who performs it, its request id, and its name in the log."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import lru_cache
from typing import Any

import uuid_utils

from resolvers.operation import Operation
from schema.execution import Frame, Request, Response

MAX_LOGGED_NAME = 100
Perform = Callable[[Request, Operation], Awaitable[Response | AsyncGenerator[Frame, None]]]
"""Runs a document: one answer, or the frames of a subscription, which whoever asked for them closes."""
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
