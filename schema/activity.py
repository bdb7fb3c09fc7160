"""What happened around a gig or on its board, each item only for its audience."""

from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry

from auth import access
from models.event import Audience, Event
from models.ids import encode_id
from models.registry import EVENTS
from models.stream import Fact
from resolvers import people
from resolvers.operation import Operation
from schema.graph import column, computed, record, source
from schema.notes import notes
from schema.scalars import Markdown
from schema.words import words

words(Audience)


def sentence_of(kind: type[Event]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def concrete_events() -> dict[str, type[Event]]:
    """Kinds that can happen: those without a more special kind below them."""
    return {name: kind for name, kind in sorted(EVENTS.items()) if not kind.__subclasses__()}


def _code(name: str) -> str:
    return "".join("_" + c if c.isupper() else c for c in name).lstrip("_").upper()


ActivityKind = Enum("ActivityKind", {_code(name): name for name in concrete_events()})  # type: ignore[misc]
strawberry.enum(ActivityKind, description="What happened.")
for _value in ActivityKind.__strawberry_definition__.values:  # type: ignore[attr-defined]
    _value.description = sentence_of(EVENTS[_value.value])


@strawberry.type(description="A value before and after; texts are named without their content.")
class Change:
    field: str = strawberry.field(description="What changed, as the API names it.")
    before: str | None = strawberry.field(
        description="The value before; null if there was none, or for a text."
    )
    after: str | None = strawberry.field(description="The value after; null if there is none, or for a text.")


def changes_of(payload: Mapping[str, Any]) -> list[Change]:
    changes = [
        Change(field=name, before=before, after=after)
        for name, (before, after) in (payload.get("changes") or {}).items()
    ]
    if payload.get("before") != payload.get("after"):
        changes.insert(0, Change(field="status", before=payload.get("before"), after=payload.get("after")))
    moved = [payload.get("column_before_id"), payload.get("column_id")]
    if moved[0] is not None and moved[0] != moved[1]:
        before, after = (encode_id("column", UUID(id)) for id in moved)
        changes.append(Change(field="column", before=before, after=after))
    if payload.get("progress_percent") is not None:
        changes.append(Change(field="progressPercent", before=None, after=str(payload["progress_percent"])))
    return changes


def _subject(payload: dict[str, Any]) -> strawberry.ID | None:
    # A task before the column it stands in.
    for prefix in ("contract", "application", "invitation", "task", "column", "label"):
        if key := payload.get(f"{prefix}_id"):
            return strawberry.ID(encode_id(prefix, UUID(key)))
    return None


async def names(op: Operation, keys: Any) -> dict[Any, str]:
    return await people.names_of(op, [key for key in keys if key is not None])


@record(
    Fact,
    scope=access.visible_facts,
    name="Activity",
    description="Something that happened, for its audience.",
)
class ActivityType:
    number: int = column(
        Fact.number,
        "Its place in the stream of the gig or the board, counted from 1. You may not see all of them.",
    )
    kind: ActivityKind = computed(ActivityKind, Fact.kind, description="What happened.")
    occurred_at: datetime = column(Fact.occurred_at, "When.")
    audience: Audience = column(Fact.audience, "Who else can see this item, besides administrators.")
    actor_name: str | None = source(
        names,
        "Who did it; null for the platform itself, if they are gone, or if they hide their profile from you.",
        key=Fact.actor_id,
    )
    changes: list[Change] = computed(changes_of, Fact.payload, description="What changed, before and after.")
    reason: str | None = computed(
        lambda payload: payload.get("reason"),
        Fact.payload,
        description="The reason, for programs; null without one.",
    )
    note: Markdown | None = source(
        notes, "What was written with it; null without a text, or if it was erased.", key=Fact.remark_id
    )
    subject_id: strawberry.ID | None = computed(
        _subject,
        Fact.payload,
        description="The contract, application, invitation, task, column or label it is about; null if it is about the gig or its "
        "board. See `node`.",
    )
