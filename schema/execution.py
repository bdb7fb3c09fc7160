"""Running one document: through graphql-core and the batch execution of the declared graph.

The planner takes over here: a document that can be planned is answered from SQL, everything else comes this way.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.extensions import DisableIntrospection, MaxTokensLimiter, SchemaExtension
from strawberry.types import ExecutionResult
from strawberry.types.graphql import OperationType

from auth.viewer import SignInRequired
from models.errors import DomainError, Invalid, NotAllowed, OutcomeUnknown, Refusals
from resolvers.operation import Operation
from schema.graph import Context
from schema.root import build_schema

MAX_TOKENS = 1_000
_log = logging.getLogger("skillsync.errors")


@dataclass(frozen=True, slots=True)
class Request:
    """A GraphQL request as any transport carries it."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """`executed` is False when the document never ran (syntax, validation, variables)."""

    body: dict[str, Any]
    executed: bool


def build_executable(*, introspection: bool) -> strawberry.Schema:
    """The schema with the limits that apply to every document."""
    extensions: list[SchemaExtension | Callable[[], SchemaExtension]] = [
        lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS)
    ]
    if not introspection:
        extensions.append(DisableIntrospection)
    return build_schema(extensions)


async def execute(
    schema: strawberry.Schema, request: Request, op: Operation, *, mutations_allowed: bool = True
) -> Response:
    allowed = {OperationType.QUERY, OperationType.MUTATION} if mutations_allowed else {OperationType.QUERY}
    try:
        result = await schema.execute(
            request.query,
            variable_values=request.variables,
            context_value=Context(op),
            operation_name=request.operation_name,
            allowed_operation_types=allowed,
        )
    except Exception as error:  # whatever escapes the executor is a bug, and is answered like one
        return Response({"data": None, "errors": [fault(error, op.request_id)]}, executed=True)
    assert isinstance(result, ExecutionResult)
    errors = [describe(error, op.request_id) for error in result.errors or ()]
    executed = result.data is not None or any(error.path for error in result.errors or ())
    body: dict[str, Any] = {"data": result.data} if executed else {}
    if errors:
        body["errors"] = errors
    return Response(body, executed)


def describe(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """The error as clients see it. Bugs are masked and logged once, with the request id."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    answer: dict[str, Any] = dict(error.formatted)
    extensions: dict[str, Any]
    answer["extensions"] = {"code": "GRAPHQL_VALIDATION_FAILED", "requestId": request_id}
    if error.path is None and cause is None:
        if error.message.startswith("Syntax Error"):
            answer["extensions"]["code"] = "GRAPHQL_PARSE_FAILED"
        return answer
    if cause is None:
        # Raised by graphql-core while running: arguments or variables that cannot be read.
        answer["extensions"]["code"] = "BAD_USER_INPUT"
        return answer
    expected = _expected(cause)
    if expected is None:
        return {**answer, **fault(cause, request_id)}
    message, extensions = expected
    return {**answer, "message": message, "extensions": answer["extensions"] | extensions}


def _expected(cause: BaseException) -> tuple[str, dict[str, Any]] | None:
    if isinstance(cause, SignInRequired):
        return cause.message, {"code": "UNAUTHENTICATED"}
    if isinstance(cause, Refusals):
        return _expected(cause.refusals[0])
    if isinstance(cause, Invalid):
        facts = {
            "constraint": cause.constraint,
            "argument": ".".join(cause.path),
            "min": cause.min,
            "max": cause.max,
        }
        return cause.message, {"code": "BAD_USER_INPUT"} | facts
    if isinstance(cause, NotAllowed):
        return cause.message, {"code": "FORBIDDEN", "needed": cause.needed}
    if isinstance(cause, DomainError):
        return None
    if isinstance(cause, OutcomeUnknown):
        message = "The connection to the database broke while saving. Look whether it happened, or repeat it with the same idempotency key."
        return message, {"code": "OUTCOME_UNKNOWN", "retryable": True}
    return None


def fault(cause: BaseException, request_id: str) -> dict[str, Any]:
    _log.error("fault", exc_info=cause, extra={"request_id": request_id})
    return {
        "message": "Something went wrong on our side; nothing of it is your fault. Name the request id when you report it.",
        "extensions": {"code": "INTERNAL", "requestId": request_id},
    }
