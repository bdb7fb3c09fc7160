"""A workflow is a declared table: which verb leads from which states to which.

The verbs, the exhaustive test, `allowedTransitions`, `can` and the diagrams in `docs/` all read the same table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from models.errors import InvalidTransition

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Transition(Generic[S]):
    """`by` names who may: OWNER, APPLICANT, FREELANCER, CLIENT, ADMIN or SYSTEM."""

    verb: str
    sources: frozenset[S]
    to: S
    by: str


class Workflow(Generic[S]):
    def __init__(self, noun: str, transitions: Iterable[Transition[S]]) -> None:
        self.noun = noun
        self.transitions = tuple(transitions)

    def allowed(self, status: S) -> list[Transition[S]]:
        return [t for t in self.transitions if status in t.sources]

    def find(self, verb: str) -> list[Transition[S]]:
        return [t for t in self.transitions if t.verb == verb]

    def check(self, verb: str, status: S, to: S | None = None, *, entity_id: UUID) -> S:
        """Where `verb` leads from `status`; `to` chooses where it can lead to several. Raises InvalidTransition."""
        candidates = [t for t in self.find(verb) if to is None or t.to is to]
        for transition in candidates:
            if status in transition.sources:
                return transition.to
        if not candidates:
            raise LookupError(f"{self.noun} has no verb {verb!r} to {to}")
        allowed = sorted({t.verb for t in self.allowed(status)})
        raise InvalidTransition(verb, status, candidates[0].to, allowed, entity_id=entity_id)


def step(verb: str, sources: S | Iterable[S], to: S, *, by: str) -> Transition[S]:
    origin = frozenset([sources]) if isinstance(sources, StrEnum) else frozenset(sources)
    return Transition(verb, origin, to, by)
