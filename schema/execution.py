"""Running one document: from the text of a request to the bytes of the answer."""

import logging
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson
import strawberry
from graphql import GraphQLError, OperationDefinitionNode, OperationType
from strawberry.exceptions import StrawberryInputCoercionError

from auth.viewer import SignInRequired
from models.errors import DomainError, Invalid, NotAllowed, OutcomeUnknown, Refusals
from models.store.chat import StoreAway
from resolvers.operation import Operation
from schema.cost import MAX_COST, Cost, excess_cost
from schema.documents import Document, Documents, Refused
from schema.graph import Context
from schema.limits import MAX_CHARACTERS, TOO_LARGE, objection_to
from schema.planner.inputs import Inputs
from schema.root import the_schema

MUTATION_NEEDS_POST = "MUTATION_NEEDS_POST"
_log = logging.getLogger("skillsync.errors")


# What every request makes is a named tuple: frozen, and made in a fifth of the time of a frozen dataclass.


@dataclass(slots=True)
class Request:
    """A GraphQL request as any transport carries it."""

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    explain: bool = False
    """Whether `extensions.plan` shall tell what was done; for development."""
    ready: "Ready | None" = field(default=None, init=False, compare=False, repr=False)
    """A query that ran. Who keeps the request, because it comes again and again, need not have it read again."""


class Response(NamedTuple):
    """`executed` is False when the document never ran (syntax, validation, variables)."""

    raw: bytes
    executed: bool
    code: str | None = None
    """The code of the first error of a document that never ran."""
    kind: str | None = None
    """`query` or `mutation`, of one that ran."""

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = orjson.loads(self.raw)
        return body


class Frame(NamedTuple):
    """One answer of a subscription: the bytes of an execution result, and the place in the stream that it leads to."""

    raw: bytes
    cursor: str | None


class Executable(strawberry.Schema):
    """A schema with the documents that were run against it."""

    def __init__(self, query: type, *, introspection: bool = True, **options: Any) -> None:
        super().__init__(query, **options)
        self.documents = Documents(self, introspection=introspection)


def build_executable(*, introspection: bool) -> Executable:
    return Executable(**the_schema(), introspection=introspection)


async def execute(
    schema: Executable,
    request: Request,
    op: Operation,
    *,
    mutations_allowed: bool = True,
    planned: bool = True,
) -> Response:
    """The answer to one document; never raises. What is wrong with it is told in `errors`, each with a code.

    With `planned=False` batches answer all of it: the planner is held to the same answers.
    """
    try:
        ready = request.ready or _made_ready(schema, request, op, mutations_allowed=mutations_allowed)
        if isinstance(ready, Response):
            return ready
        return await _run(ready, request, op, planned=planned)
    except NeverRan as never:
        return _never_ran(never.code, never.message, op.request_id)
    except Refused as refused:
        return refusal([_refused(error, op.request_id) for error in refused.errors])
    except Exception as error:  # whatever escapes the executor is a bug, and is answered like one
        return Response(orjson.dumps({"data": None, "errors": [fault(error, op.request_id)]}), executed=True)


def _made_ready(
    schema: Executable, request: Request, op: Operation, *, mutations_allowed: bool
) -> "Ready | Response":
    document, operation = read(schema, request, mutations_allowed=mutations_allowed)
    ready = prepared(document, operation, request, op)
    if isinstance(ready, Ready) and operation.operation is OperationType.QUERY:
        request.ready = ready
    return ready


async def _run(ready: "Ready", request: Request, op: Operation, *, planned: bool) -> Response:
    variables = request.variables or {}
    context = Context(op, steps=[] if request.explain else None, requested=ready.requested)
    plan = ready.document.plan(ready.operation, ready.values)
    outcome = await (
        plan.run(context, ready.values, variables) if planned else plan.run_batched(context, variables)
    )
    body: dict[str, Any] = {"data": outcome.data}
    if outcome.errors:
        body["errors"] = [describe(error, op.request_id) for error in outcome.errors]
    body["extensions"] = {"cost": Cost(ready.requested, outcome.objects).as_extension()}
    if context.steps is not None:
        body["extensions"]["plan"] = context.steps
    # An enum's `value` costs as much as counting the request.
    kind = "query" if ready.operation.operation is OperationType.QUERY else "mutation"
    return Response(to_json(body), executed=True, kind=kind)


class Ready(NamedTuple):
    """An operation that may run: within its cost, with variables that fit."""

    document: Document
    operation: OperationDefinitionNode
    values: Inputs
    requested: int


def prepared(
    document: Document, operation: OperationDefinitionNode, request: Request, op: Operation
) -> Ready | Response:
    """What will run, which for a dry run is less than what was asked; or the refusal."""
    variables = request.variables or {}
    pricing = document.pricing(operation)
    requested = pricing.price(variables)
    excess = excess_cost(pricing, variables) if requested > MAX_COST else None
    if excess is not None:
        return refusal([_refused(excess, op.request_id)], cost=Cost(requested))
    if pricing.is_dry_run(variables):
        document = document.dry_run(operation, variables)
        operation = document.operations[0]
    try:
        values = document.values(operation, variables)
    except Refused as refused:
        return refusal([describe(error, op.request_id) for error in refused.errors])
    return Ready(document, operation, values, requested)


def read(
    schema: Executable, request: Request, *, mutations_allowed: bool = True, streaming: bool = False
) -> tuple[Document, OperationDefinitionNode]:
    """The document and the operation to run. Raises `NeverRan` and `Refused`."""
    if len(request.query) > MAX_CHARACTERS:
        message = f"A document has at most {MAX_CHARACTERS:,} characters. Long texts belong into variables."
        raise NeverRan(TOO_LARGE, message)
    objection = objection_to(request.variables) if request.variables else None
    if objection is not None:
        raise NeverRan("BAD_USER_INPUT", objection)
    if not request.query:
        raise NeverRan("GRAPHQL_PARSE_FAILED", "The document is empty.")
    document = schema.documents.read(request.query)
    operation = document.operation(request.operation_name)
    if operation is None:
        message = (
            "Name the operation to run in `operationName`: the document has none of that name, or several."
        )
        raise NeverRan("GRAPHQL_VALIDATION_FAILED", message)
    if operation.operation is OperationType.MUTATION and not mutations_allowed:
        raise NeverRan(MUTATION_NEEDS_POST, "A mutation must come by POST.")
    if operation.operation is OperationType.SUBSCRIPTION and not streaming:
        message = (
            "A subscription has many answers: send it over a WebSocket (graphql-transport-ws) to this address, "
            "or with `Accept: text/event-stream`."
        )
        raise NeverRan("SUBSCRIPTION_NEEDS_STREAM", message)
    return document, operation


class NeverRan(Exception):
    """The request has no document that could run."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def to_json(body: Any) -> bytes:
    """Days are printed as the scalar does it, other values come from the plans as JSON has them."""
    return orjson.dumps(body)


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
    return refusal([{"message": message, "extensions": {"code": code, "requestId": request_id}}])


def refusal(errors: list[dict[str, Any]], *, cost: Cost | None = None) -> Response:
    """The answer to a document that never runs."""
    body: dict[str, Any] = {"errors": errors}
    if cost is not None:
        body["extensions"] = {"cost": cost.as_extension()}
    return Response(to_json(body), executed=False, code=errors[0]["extensions"]["code"])


def _readable(message: str) -> str:
    """Strawberry names its own classes where an input is null that may only be left out."""
    if "cannot be explicitly set to null" in message:
        return "An input is null that may only be left out. Leave it out, or give it a value."
    return message


def _expected(cause: BaseException) -> tuple[str, dict[str, Any]] | None:
    if isinstance(cause, SignInRequired):
        return cause.message, dict(cause.facts)
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
    if isinstance(cause, StoreAway):
        message = "Messages cannot be reached just now; everything else works. Try again."
        return message, {"code": "UNAVAILABLE", "retryable": True}
    return None


def fault(cause: BaseException, request_id: str) -> dict[str, Any]:
    _log.error("fault", exc_info=cause, extra={"request_id": request_id})
    return {
        "message": "Something went wrong on our side; nothing of it is your fault. Name the request id when you report it.",
        "extensions": {"code": "INTERNAL", "requestId": request_id},
    }
