"""What every transaction writes last, whatever it is made with: its facts, and the answer for a repeat of its act.

One statement locks every stream head that is needed, ordered by stream name, takes the next numbers, inserts the facts
and completes the idempotency row. Nothing runs between that and COMMIT, so numbers are gapless, commit order is number
order, and two transactions cannot deadlock on heads.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import orjson

from models.event import Event
from models.idempotency import Outcome
from models.ids import new_id


@dataclass(frozen=True, slots=True)
class Act:
    """Who does which mutation, under which idempotency key, with which input."""

    mutation: str
    actor_id: UUID
    key: str
    input_hash: bytes


@dataclass(frozen=True, slots=True)
class Position:
    stream: str
    number: int


@dataclass(slots=True)
class Receipt:
    """What a use case hands back: the entity to show, what became of the act, and where its facts begin."""

    entity_id: UUID
    outcome: Outcome = Outcome.APPLIED
    position: Position | None = None


class Replayed(Exception):
    """The act was done before under the same key; `receipt` is what to answer. Leaves the use case at once."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt


class Ledger:
    """What one transaction collects until its end: facts, and the receipt."""

    def __init__(self, *, actor_id: UUID | None, at: datetime, act: Act | None) -> None:
        self.xid: int | None = None
        self._actor_id = actor_id
        self._at = at
        self._act = act
        self._events: list[Event] = []
        self._receipt: Receipt | None = None
        self._position: Position | None = None

    def emit(self, event: Event) -> None:
        """Collect a fact; it is written at the end of the transaction, in the order of the calls."""
        self._events.append(event)

    def done(self, entity_id: UUID) -> Receipt:
        """The act was applied; its receipt learns its position when the transaction commits."""
        self._receipt = Receipt(entity_id)
        return self._receipt

    def noop(self, entity_id: UUID) -> Receipt:
        """Things already are as asked."""
        self._receipt = Receipt(entity_id, Outcome.NOOP)
        return self._receipt

    @property
    def streams(self) -> frozenset[str]:
        """Those that get a fact."""
        return frozenset(stream for event in self._events for stream in event.streams())

    def settle_receipt(self) -> None:
        if self._receipt is not None:
            self._receipt.position = self._position

    def _last_values(self) -> dict[str, object]:
        """The parameters of `last_statement`. Raises LookupError when a key has no entity to answer with."""
        values = self._fact_values() if self._events else {}
        if self._act is not None:
            if self._receipt is None:
                raise LookupError(
                    f"{self._act.mutation} ended without saying which entity a repeat shall show"
                )
            values |= {
                "actor_id": self._act.actor_id,
                "mutation": self._act.mutation,
                "key": self._act.key,
                "entity_id": self._receipt.entity_id,
                "outcome": self._receipt.outcome.value,
            }
        return values

    def _fact_values(self) -> dict[str, object]:
        rows = [
            (stream, new_id(), row)
            for event in self._events
            for row in (_columns_of(event, self._actor_id),)
            for stream in dict.fromkeys(event.streams())
        ]
        remaining = Counter(stream for stream, _, _ in rows)
        heads = [{"stream": stream, "taken": taken} for stream, taken in sorted(remaining.items())]
        facts = []
        for stream, fact_id, row in rows:
            remaining[stream] -= 1
            facts.append({**row, "stream": stream, "after_it": remaining[stream], "id": fact_id})
        return {"heads": as_json(heads), "facts": as_json(facts), "first_id": rows[0][1]}


def as_json(value: object) -> str:
    """Ids, times and words as they read in text; for a parameter of type jsonb."""
    return orjson.dumps(value, default=str).decode()


@cache
def last_statement(*, changes: Sequence[str] = (), has_facts: bool, has_key: bool) -> str:
    """The text, with named parameters; answers the first fact's place, if there are facts, and the transaction.

    `changes` are statements that write the act itself and return a row each; they run before the heads are locked.
    """
    parts = [f"change_{number} as ({text})" for number, text in enumerate(changes)]
    counts = " + ".join(f"(select count(*) from change_{number})" for number in range(len(changes)))  # noqa: S608  numbers
    parts.append(f"changed as (select {counts or 0} as rows)")
    parts.append(_FACTS if has_facts else _NO_FACTS)
    if has_key:
        parts.append(_KEY)
    answer = "select first.stream, first.number, pg_current_xact_id()::text as xid from first"
    return f"with {', '.join(parts)} {answer}"


def _columns_of(event: Event, actor_id: UUID | None) -> dict[str, Any]:
    """What a fact says in every one of its streams."""
    return {
        "kind": type(event).__name__,
        "audience": event.audience.value,
        "actor_id": actor_id,
        "owner_id": event.owner_id,
        "person_id": event.person_id,
        "remark_id": event.remark_id,
        "occurred_at": event.at,
        "payload": event.payload(),
    }


CLAIM_KEY = """
    insert into idempotency_key (actor_id, mutation, key, input_hash, outcome, created_at)
    values (:actor_id, :mutation, :key, :input_hash, 'APPLIED', :at)
    on conflict do nothing returning true as claimed
"""

READ_KEY = """
    select input_hash, entity_id, stream, number from idempotency_key
    where actor_id = :actor_id and mutation = :mutation and key = :key
"""

# `changed` is asked for only to have it run first: the parts of a WITH run when somebody reads them.
_FACTS = """
    head as (
        insert into stream_head as h (stream, number, x)
        select stream, taken, pg_current_xact_id()
        from jsonb_to_recordset(cast(:heads as jsonb)) as wanted(stream text, taken bigint)
        where (select rows from changed) is not null
        order by stream
        on conflict (stream) do update set number = h.number + excluded.number, x = excluded.x
        returning h.stream, h.number
    ), written as (
        insert into fact (stream, number, id, kind, audience, actor_id, owner_id, person_id, remark_id,
                          occurred_at, payload)
        select f.stream, head.number - f.after_it, f.id, f.kind, f.audience, f.actor_id, f.owner_id, f.person_id,
               f.remark_id, f.occurred_at, f.payload
        from jsonb_to_recordset(cast(:facts as jsonb)) as f(
            stream text, after_it bigint, id uuid, kind text, audience text, actor_id uuid, owner_id uuid,
            person_id uuid, remark_id uuid, occurred_at timestamptz, payload jsonb)
        join head using (stream)
        returning stream, number, id
    ), first as (
        select stream, number from written where id = cast(:first_id as uuid)
    )
"""

_NO_FACTS = """
    first as (select cast(null as text) as stream, cast(null as bigint) as number from changed)
"""

_KEY = """
    keyed as (
        update idempotency_key k
        set entity_id = cast(:entity_id as uuid), outcome = cast(:outcome as text),
            stream = first.stream, number = first.number
        from first
        where k.actor_id = cast(:actor_id as uuid) and k.mutation = cast(:mutation as text)
          and k.key = cast(:key as text)
    )
"""
