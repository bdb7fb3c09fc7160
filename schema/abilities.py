"""`viewer { can cannot }` and `allowedTransitions`, made from the same tables as the rules."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import strawberry

from auth.abilities import (
    ApplicationAction,
    BoardAction,
    ContractAction,
    GigAction,
    RoomAction,
    SnippetAction,
)
from models.workflow import Workflow
from schema.words import words

A = TypeVar("A")

for _actions in (GigAction, ApplicationAction, ContractAction, BoardAction, RoomAction, SnippetAction):
    words(_actions)


@strawberry.type(description="Something that cannot be done now.")
class Cannot(Generic[A]):
    action: A = strawberry.field(description="What.")
    reason: str = strawberry.field(description="Why not, for people.")


@strawberry.type(description="What the caller can do to the thing now.")
class Abilities(Generic[A]):
    can: list[A] = strawberry.field(description="What can be done now, as far as status and person go.")
    cannot: list[Cannot[A]] = strawberry.field(description="Everything else, each with the reason.")


def abilities(answers: Mapping[A, str | None]) -> Abilities[A]:
    return Abilities(
        can=[action for action, reason in answers.items() if reason is None],
        cannot=[
            Cannot(action=action, reason=reason) for action, reason in answers.items() if reason is not None
        ],
    )


@strawberry.type(
    description="A step that the workflow allows from the present status, for whoever may take it."
)
class Transition:
    verb: str = strawberry.field(description="The verb, as the mutations name it.")
    to: str = strawberry.field(description="The status it leads to.")
    by: str = strawberry.field(
        description="Who may take it: OWNER, APPLICANT, FREELANCER, CLIENT, EITHER, ADMIN, SYSTEM."
    )


def transitions(workflow: Workflow[Any], status: Any) -> list[Transition]:
    return [Transition(verb=t.verb, to=t.to, by=t.by) for t in workflow.allowed(status)]
