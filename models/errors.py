"""Refusals: states of the world that a caller can act on, raised beside the rule that found them.

Each family answers as one typed member of a payload's `errors`; each class has its own code (its name in capitals).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

Path = tuple[str, ...]

BY_CONSTRAINT: dict[str, type["DomainError"]] = {}


class DomainError(Exception):
    """`path` names the input that caused it, `entity_id` the thing whose current state the answer should show."""

    code: ClassVar[str] = "REFUSED"
    retryable: ClassVar[bool] = False
    # The database constraint that guards the same rule; breaking it raises this class with `violated()`.
    guarded_by: ClassVar[str | None] = None

    def __init__(self, message: str, *, path: Path = (), entity_id: UUID | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.entity_id = entity_id

    def __init_subclass__(cls) -> None:
        cls.code = "".join("_" + c if c.isupper() else c for c in cls.__name__).lstrip("_").upper()
        if guard := cls.__dict__.get("guarded_by"):
            BY_CONSTRAINT[guard] = cls

    @classmethod
    def violated(cls) -> "DomainError":
        """The refusal as it reads when the database found it, not the rule."""
        raise LookupError(f"{cls.__name__} is guarded by a constraint but does not say how that reads")


class Invalid(DomainError):
    """An input breaks the rule named `constraint`; `min` and `max` are its limits where it has any."""

    def __init__(
        self, path: Path, constraint: str, message: str, *, min: str | None = None, max: str | None = None
    ) -> None:
        super().__init__(message, path=path)
        self.constraint = constraint
        self.min = min
        self.max = max


class Refusals(Exception):
    """Several refusals found at once, so that a form can show all of them."""

    def __init__(self, refusals: Sequence[DomainError]) -> None:
        super().__init__("; ".join(r.message for r in refusals))
        self.refusals = tuple(refusals)


class NotFound(DomainError):
    """The thing does not exist, or the caller may not know that it does."""

    def __init__(self, what: str, *, path: Path = ("id",)) -> None:
        super().__init__(f"There is no such {what}, or you cannot see it.", path=path)


class NotAllowed(DomainError):
    """The caller sees the thing but may not do this; `needed` says who may."""

    def __init__(self, needed: str, message: str | None = None) -> None:
        super().__init__(message or f"Only the {needed.lower().replace('_', ' ')} can do this.")
        self.needed = needed


class StaleVersion(DomainError):
    """Somebody changed the thing since the caller read it."""

    def __init__(self, current_version: int, *, entity_id: UUID) -> None:
        super().__init__(
            f"It has changed since you read it: it is now version {current_version}. Read it again, then decide.",
            path=("expectedVersion",),
            entity_id=entity_id,
        )
        self.current_version = current_version


class InvalidTransition(DomainError):
    """The workflow does not lead from the present status to where the verb would take it."""

    def __init__(self, verb: str, status: str, to: str, allowed: Sequence[str], *, entity_id: UUID) -> None:
        options = ", ".join(allowed) or "nothing, this is an end state"
        super().__init__(
            f"It is {status}, so it cannot {verb}. Possible now: {options}.", entity_id=entity_id
        )
        self.status = status
        self.to = to
        self.allowed = tuple(allowed)


class NotOpen(DomainError):
    """The thing does not take this any more, or not yet."""

    def __init__(self, message: str, *, status: str, entity_id: UUID | None = None) -> None:
        super().__init__(message, entity_id=entity_id)
        self.status = status


class LimitReached(DomainError):
    """A number that may not be exceeded is reached."""

    def __init__(self, message: str, *, limit: int, count: int, path: Path = ()) -> None:
        super().__init__(message, path=path)
        self.limit = limit
        self.count = count


class RateLimited(DomainError):
    """Too many calls in too short a time."""

    retryable = True

    def __init__(self, message: str, *, retry_at: datetime) -> None:
        super().__init__(message)
        self.retry_at = retry_at


class IdempotencyConflict(DomainError):
    """The key was used before with another input."""

    def __init__(self) -> None:
        super().__init__(
            "This idempotency key was used before with another input. Use a new key for a new act.",
            path=("idempotencyKey",),
        )


class AlreadyExists(DomainError):
    """Something unique is taken; `path` names the input that clashes."""


class OutcomeUnknown(Exception):
    """The connection broke during COMMIT and nobody could be asked what became of it. A fault, never a refusal."""
