"""Mutations answer with payloads: the entity, what became of the act, and typed refusals.

`@mutation` wraps one use case: it opens the operation under the caller's idempotency key, turns the use case's refusals
into members of `errors`, and treats a refusal that was not declared as the bug it is.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry.schema_directive import Location
from strawberry.types.field import StrawberryField
from strawberry.types.info import Info

from auth.viewer import SignInRequired
from models import errors
from models.board import WipLimit
from models.checks import Checks
from models.errors import DomainError, Refusals
from models.idempotency import Outcome
from models.registry import all_refusals
from models.store.sql import Act, Receipt, Replayed
from models.user import AccountSuspended, ContractsActive, CredentialsRefused
from models.vocabulary import Vocabulary
from resolvers.operation import Operation
from schema.filters import canonical
from schema.graph import Context
from schema.places import CursorOf
from schema.scalars import Markdown, StreamCursor
from schema.words import words

words(Outcome)


class Needs(Vocabulary):
    """Who may call a field. Ownership of the thing itself is checked beyond that."""

    NOTHING = "NOTHING", "Anybody, signed in or not."
    SIGNED_IN = "SIGNED_IN", "Anybody with an access token."
    FREELANCER = "FREELANCER", "A freelancer."
    CLIENT = "CLIENT", "A client."
    ADMIN = "ADMIN", "An administrator."


words(Needs)


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION], name="auth", description="Who may call this field."
)
class Auth:
    """Who may call this field."""

    requires: Needs


def _codes() -> dict[str, str]:
    found = {cls.code: (cls.__doc__ or "").strip().splitlines()[0] for cls in all_refusals()}
    return dict(sorted(found.items()))


ErrorCode = Enum("ErrorCode", {code: code for code in _codes()})  # type: ignore[misc]
strawberry.enum(
    ErrorCode, description="Why something was refused. Codes are never reused for another meaning."
)
for _value in ErrorCode.__strawberry_definition__.values:  # type: ignore[attr-defined]
    _value.description = _codes()[_value.name]


# -- refusals as clients see them --------------------------------------------------------------------------------------


@strawberry.interface(description="Why an act was refused. Nothing was changed.")
class MutationError:
    code: ErrorCode = strawberry.field(description="The reason, for programs.")
    message: str = strawberry.field(description="The reason, for people: what is wrong and what to do.")
    path: list[str] = strawberry.field(description="Which input it is about; empty if none in particular.")
    retryable: bool = strawberry.field(description="Whether the same call may succeed later.")


@strawberry.type(description="An input breaks a rule.")
class ValidationError(MutationError):
    constraint: str = strawberry.field(description="The rule, for programs: LENGTH, RANGE, FUTURE, ….")
    min: str | None = strawberry.field(description="The lower limit of the rule; null if it has none.")
    max: str | None = strawberry.field(description="The upper limit of the rule; null if it has none.")


@strawberry.type(
    description="The thing changed since the caller read it; the payload shows its current state."
)
class StaleVersionError(MutationError):
    current_version: int = strawberry.field(description="The version it has now.")


@strawberry.type(description="The workflow does not lead there from the present status.")
class InvalidTransitionError(MutationError):
    from_: str = strawberry.field(name="from", description="The present status.")
    to: str = strawberry.field(description="Where the act would have led.")
    allowed: list[str] = strawberry.field(description="The verbs that are possible now.")


@strawberry.type(description="The caller may not do this.")
class PermissionError(MutationError):
    needed: str = strawberry.field(description="Who may.")


@strawberry.type(description="There is no such thing, or the caller cannot see it.")
class NotFoundError(MutationError):
    pass


@strawberry.type(description="The thing does not take this in its present status.")
class NotOpenError(MutationError):
    status: str = strawberry.field(description="The present status.")


@strawberry.type(description="A number that may not be exceeded is reached.")
class LimitReachedError(MutationError):
    limit: int = strawberry.field(description="The most there may be.")
    count: int = strawberry.field(description="How many there are.")


@strawberry.type(description="A hard limit of work in progress is reached.")
class WipLimitError(MutationError):
    limit: int = strawberry.field(description="How many tasks there may be.")
    count: int = strawberry.field(description="How many there are.")


@strawberry.type(description="Something that has to be unique exists already.")
class AlreadyExistsError(MutationError):
    pass


@strawberry.type(description="The idempotency key was used before with another input.")
class IdempotencyConflictError(MutationError):
    pass


@strawberry.type(description="Too many calls in too short a time.")
class RateLimitError(MutationError):
    retry_at: datetime = strawberry.field(description="When the next call may succeed.")


@strawberry.type(description="Password or token do not prove who the caller is.")
class CredentialsError(MutationError):
    pass


@strawberry.type(description="The account is suspended; nobody can sign in to it.")
class AccountSuspendedError(MutationError):
    until: datetime | None = strawberry.field(
        description="When it ends by itself; null: when an administrator ends it."
    )
    reason: Markdown | None = strawberry.field(description="Why, in the administrator's words.")


@strawberry.type(description="Somebody still works with the person.")
class ContractsActiveError(MutationError):
    contract_ids: list[strawberry.ID] = strawberry.field(
        description="The contracts that have to be completed or ended first."
    )


# One member for each family of refusals, with the facts it takes over; the first that fits answers.
MEMBERS: list[tuple[type[DomainError], type[MutationError], dict[str, str]]] = [
    (errors.Invalid, ValidationError, {"constraint": "constraint", "min": "min", "max": "max"}),
    (errors.StaleVersion, StaleVersionError, {"current_version": "current_version"}),
    (errors.InvalidTransition, InvalidTransitionError, {"from_": "status", "to": "to", "allowed": "allowed"}),
    (errors.NotAllowed, PermissionError, {"needed": "needed"}),
    (errors.NotFound, NotFoundError, {}),
    (errors.NotOpen, NotOpenError, {"status": "status"}),
    (errors.LimitReached, LimitReachedError, {"limit": "limit", "count": "count"}),
    (errors.AlreadyExists, AlreadyExistsError, {}),
    (errors.IdempotencyConflict, IdempotencyConflictError, {}),
    (WipLimit, WipLimitError, {"limit": "limit", "count": "count"}),
    (errors.RateLimited, RateLimitError, {"retry_at": "retry_at"}),
    (CredentialsRefused, CredentialsError, {}),
    (AccountSuspended, AccountSuspendedError, {"until": "until", "reason": "reason"}),
    (ContractsActive, ContractsActiveError, {"contract_ids": "contract_ids"}),
]


def member_for(refusal: DomainError) -> MutationError:
    """The typed error that answers this refusal."""
    for family, member, facts in MEMBERS:
        if isinstance(refusal, family):
            extra = {name: getattr(refusal, fact) for name, fact in facts.items()}
            return member(
                code=ErrorCode[refusal.code],
                message=refusal.message,
                path=list(refusal.path),
                retryable=refusal.retryable,
                **{name: list(v) if isinstance(v, tuple) else v for name, v in extra.items()},
            )
    raise LookupError(f"no member of MutationError answers {type(refusal).__name__}")


@strawberry.interface(description="What every mutation answers beside its entity.")
class MutationPayload:
    outcome: Outcome = strawberry.field(description="What became of the act.")
    position: StreamCursor | None = strawberry.field(
        description="Where the act stands in its stream; null if it changed nothing that others follow."
    )
    errors: list[MutationError] = strawberry.field(description="Why it was refused; empty unless REJECTED.")
    entity_id: strawberry.Private[UUID | None] = None


# -- mutations ---------------------------------------------------------------------------------------------------------

INPUT = strawberry.argument(
    description="Everything the act needs, as one object; a refusal names its part of it in `path`."
)
IDEMPOTENCY = (
    "Any text up to 200 characters that names this act. A repeat with the same key and input changes nothing and answers "
    "REPLAYED, for 30 days; the same key with another input is refused."
)
VERSION = "The `version` the caller has seen; if it has changed since, the act is refused and shows the current state."

DECLARED: dict[str, tuple[type[DomainError], ...]] = {}
"""Refusals that each mutation declares, by its Python name; read by the tests and the docs."""

ACTS: dict[str, Callable[[Context, Any], Awaitable[Any]]] = {}
"""What each mutation does, by its Python name: from the context and the input to the payload."""

Answer = Receipt | tuple[Receipt, dict[str, Any]]
UseCase = Callable[[Operation, Any], Awaitable[Answer]]
_ALWAYS = (errors.Invalid, errors.IdempotencyConflict)


def mutation(
    payload: type[MutationPayload], *declared: type[DomainError], needs: Needs, description: str
) -> Callable[[UseCase], StrawberryField]:
    """Make `async def verb(op, input) -> Receipt` a root field. It may answer further payload fields beside the receipt."""

    def decorate(use_case: UseCase) -> StrawberryField:
        name = use_case.__name__
        noun = "".join(part.capitalize() for part in name.split("_"))
        answer_type = _payload_named(f"{noun}Payload", payload)
        input_type = _input_named(f"{noun}Input", use_case.__annotations__["input"])
        refusals = (*_ALWAYS, *declared, *((errors.NotAllowed,) if needs is not Needs.NOTHING else ()))

        async def act(context: Context, input: Any) -> Any:
            op = context.op
            # What an earlier mutation of the same document read is not true any more.
            context.loaders.clear()
            context.written.clear()
            if needs is not Needs.NOTHING:
                op.viewer.require_user()
            try:
                op = _acting(op, name, input)
                answer = await use_case(op, input)
            except Replayed as replay:
                answer = replay.receipt
            except Refusals as several:
                return _refused(answer_type, several.refusals, refusals)
            except SignInRequired:
                raise
            except DomainError as refusal:
                return _refused(answer_type, [refusal], refusals)
            receipt, further = answer if isinstance(answer, tuple) else (answer, {})
            if receipt.written is not None:
                context.written[receipt.entity_id] = receipt.written
            return _applied(answer_type, op, receipt, further)

        async def resolver(info: Info[Context, None], input: Any) -> Any:
            done = info.context.done
            return done[info.path.key] if info.path.key in done else await act(info.context, input)

        ACTS[name] = act
        resolver.__name__ = name
        resolver.__annotations__ = {
            "info": Info[Context, None],
            "input": Annotated[input_type, INPUT],
            "return": answer_type | None,
        }
        DECLARED[name] = refusals
        codes = ", ".join(f"`{code}`" for code in sorted({r.code for r in refusals}))
        field: StrawberryField = strawberry.field(
            resolver=resolver,
            description=f"{description}\n\nRefusals: {codes}.",
            directives=[Auth(requires=needs)],
        )
        return field

    return decorate


def digest_of(input: Any) -> bytes:
    """What stands beside an idempotency key for 30 days: the same for the same input, whatever the key.

    Without passwords: a fast hash of one must not be kept.
    """
    content = [part for part in canonical(input) if part[0] not in {"idempotency_key", "password"}]
    return sha256(repr(content).encode()).digest()


def _payload_named(name: str, shape: type[MutationPayload]) -> type[MutationPayload]:
    """A payload type of the mutation's own with the fields of `shape`: clients generate code by these names."""
    if shape.__name__ == name:
        return shape
    field = f"{name[0].lower()}{name[1:].removesuffix('Payload')}"
    return strawberry.type(type(name, (shape,), {}), description=f"Answer to `{field}`.")


def _input_named(name: str, shape: type) -> type:
    """An input type of the mutation's own with the fields of `shape`, so that it can grow alone."""
    if shape.__name__ == name:
        return shape
    field = f"{name[0].lower()}{name[1:].removesuffix('Input')}"
    return strawberry.input(type(name, (shape,), {}), description=f"Input of `{field}`.")


def _acting(op: Operation, mutation_name: str, input: Any) -> Operation:
    """The operation under the caller's idempotency key, if there is a caller and a key."""
    key = getattr(input, "idempotency_key", None)
    if key is None or op.viewer.user_id is None:
        return dataclasses.replace(op, act=None)
    checks = Checks()
    key = checks.text(("idempotencyKey",), key, max=200)
    checks.done()
    return dataclasses.replace(op, act=Act(mutation_name, op.viewer.user_id, key, digest_of(input)))


def _applied(
    payload: type[MutationPayload], op: Operation, receipt: Receipt, further: dict[str, Any]
) -> MutationPayload:
    return payload(
        outcome=receipt.outcome,
        position=None if receipt.position is None else CursorOf(op, receipt.position),  # type: ignore[arg-type]  # a text once it is printed
        entity_id=receipt.entity_id,
        **({"errors": []} | further),
    )


def _refused(
    payload: type[MutationPayload], found: Sequence[DomainError], declared: Sequence[type[DomainError]]
) -> MutationPayload:
    for refusal in found:
        if not isinstance(refusal, tuple(declared)):
            raise LookupError(f"{payload.__name__} does not declare {type(refusal).__name__}") from refusal
    entity_id = next((refusal.entity_id for refusal in found if refusal.entity_id), None)
    return payload(
        outcome=Outcome.REJECTED,
        position=None,
        errors=[member_for(refusal) for refusal in found],
        entity_id=entity_id,
    )
