"""Running one document: through graphql-core and the batch execution of the declared graph."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.exceptions import MissingQueryError, StrawberryInputCoercionError
from strawberry.extensions import DisableIntrospection, SchemaExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from auth.viewer import SignInRequired
from models.errors import DomainError, Invalid, NotAllowed, OutcomeUnknown, Refusals
from resolvers.operation import Operation
from schema.cost import COST_LIMIT_EXCEEDED, Cost, count_objects
from schema.cost_limit import CostLimit
from schema.document_cache import DocumentCache, ValidDocuments
from schema.graph import Context
from schema.limits import MAX_CHARACTERS, TOO_LARGE, DocumentLimits, excess_of_variables
from schema.root import build_schema

MUTATION_NEEDS_POST = "MUTATION_NEEDS_POST"
_log = logging.getLogger("skillsync.errors")
_HALF_PAIR = re.compile("[\ud800-\udfff]")


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
    documents = ValidDocuments()
    extensions: list[SchemaExtension | Callable[[], SchemaExtension]] = [
        lambda: DocumentCache(documents),
        # After the cache, whose documents kept the limits when they came first.
        DocumentLimits,
        # The one place where operations are priced; behind the others, so that it sees only what is valid.
        CostLimit,
    ]
    if not introspection:
        extensions.append(DisableIntrospection)
    return build_schema(extensions)


async def execute(
    schema: strawberry.Schema, request: Request, op: Operation, *, mutations_allowed: bool = True
) -> Response:
    """The answer to one document; never raises. What is wrong with it is told in `errors`, each with a code."""
    allowed = {OperationType.QUERY, OperationType.MUTATION} if mutations_allowed else {OperationType.QUERY}
    if len(request.query) > MAX_CHARACTERS:
        message = f"A document has at most {MAX_CHARACTERS:,} characters. Long texts belong into variables."
        return _never_ran(TOO_LARGE, message, op.request_id)
    excess = excess_of_variables(request.variables or {})
    if excess is not None:
        return _never_ran("BAD_USER_INPUT", excess, op.request_id)
    broken = next(_broken_texts(request.variables or {}), None)
    if broken is not None:
        message = f"The variable `{broken}` holds half of a surrogate pair, which is no text."
        return _never_ran("BAD_USER_INPUT", message, op.request_id)
    context = Context(op)
    try:
        result = await schema.execute(
            request.query,
            variable_values=request.variables,
            context_value=context,
            operation_name=request.operation_name,
            allowed_operation_types=allowed,
        )
    except MissingQueryError:
        return _never_ran("GRAPHQL_PARSE_FAILED", "The document is empty.", op.request_id)
    except CannotGetOperationTypeError:
        message = (
            "Name the operation to run in `operationName`: the document has none of that name, or several."
        )
        return _never_ran("GRAPHQL_VALIDATION_FAILED", message, op.request_id)
    except InvalidOperationTypeError as error:
        if error.operation_type is OperationType.MUTATION:
            message = "A mutation must come by POST."
            return _never_ran(MUTATION_NEEDS_POST, message, op.request_id)
        message = f"A {error.operation_type.value} cannot be run this way."
        return _never_ran("GRAPHQL_VALIDATION_FAILED", message, op.request_id)
    except Exception as error:  # whatever escapes the executor is a bug, and is answered like one
        return Response({"data": None, "errors": [fault(error, op.request_id)]}, executed=True)
    assert isinstance(result, ExecutionResult)
    if isinstance(result, PreExecutionError):
        refused: dict[str, Any] = {"errors": [_refused(e, op.request_id) for e in result.errors or ()]}
        if refused["errors"][0]["extensions"]["code"] == COST_LIMIT_EXCEEDED:
            refused["extensions"] = {"cost": Cost(context.requested).as_extension()}
        return Response(refused, executed=False)
    errors = [describe(error, op.request_id) for error in result.errors or ()]
    executed = result.data is not None or any(error.path for error in result.errors or ())
    body: dict[str, Any] = {"data": result.data} if executed else {}
    if errors:
        body["errors"] = errors
    if executed:
        cost = Cost(context.requested, actual=count_objects(result.data))
        body["extensions"] = {"cost": cost.as_extension()}
    return Response(body, executed)


def describe(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """The error of a running document as clients see it. Bugs are masked and logged once, with the request id."""
    cause: BaseException | None = error.original_error
    is_unreadable = isinstance(cause, StrawberryInputCoercionError) or error.message.startswith("Argument ")
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    if cause is None and (is_unreadable or error.path is None):
        # Raised while variables and arguments are read; without a path before the first field.
        return _answer(error, request_id, {"code": "BAD_USER_INPUT"}, message=_readable(error.message))
    expected = None if cause is None else _expected(cause)
    if expected is None:
        return {**error.formatted, **fault(cause or error, request_id)}
    message, extensions = expected
    return _answer(error, request_id, extensions, message=message)


def _refused(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """An error of a document that never ran: of its grammar, or of what the schema allows."""
    if error.message.startswith("Syntax Error: Document contains more than"):
        return _answer(error, request_id, {"code": TOO_LARGE})
    is_grammar = error.message.startswith("Syntax Error")
    usual = "GRAPHQL_PARSE_FAILED" if is_grammar else "GRAPHQL_VALIDATION_FAILED"
    return _answer(error, request_id, {"code": usual} | (error.extensions or {}))


def _answer(
    error: GraphQLError, request_id: str, extensions: dict[str, Any], *, message: str | None = None
) -> dict[str, Any]:
    described = dict(error.formatted)
    described["message"] = error.message if message is None else message
    described["extensions"] = extensions | {"requestId": request_id}
    return described


def _never_ran(code: str, message: str, request_id: str) -> Response:
    error = {"message": message, "extensions": {"code": code, "requestId": request_id}}
    return Response({"errors": [error]}, executed=False)


def _readable(message: str) -> str:
    """Strawberry names its own classes where an input is null that may only be left out."""
    if "cannot be explicitly set to null" in message:
        return "An input is null that may only be left out. Leave it out, or give it a value."
    return message


def _broken_texts(value: Any, path: str = "") -> Iterator[str]:
    """Paths of texts that cannot be written as UTF-8, so that no driver, log or answer stumbles over them."""
    waiting = [(path, value)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, str) and not value.isascii() and _HALF_PAIR.search(value):
            yield path.encode(errors="replace").decode()
        elif isinstance(value, dict):
            waiting.extend((f"{path}.{key}".lstrip("."), part) for key, part in value.items())
        elif isinstance(value, list):
            waiting.extend((f"{path}.{index}", part) for index, part in enumerate(value))


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
