"""What every transaction writes last, whatever it is made with: its facts, whom they notify, and the answer for a repeat.

One statement inserts the notifications, locks every stream head that is needed, ordered by stream name, takes the next
numbers, inserts the facts and completes the idempotency row. A fact goes to the streams of those who are notified, too.
Nothing runs between that and COMMIT, so numbers are gapless, commit order is number order, and two transactions cannot
deadlock on heads.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import orjson

from models.event import Event
from models.idempotency import Outcome
from models.ids import new_id
from models.notice import NotificationReason


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
    written: Any = field(default=None, compare=False)
    """The entity's row as it was committed, if the use case hands it out; it need not be read again then."""


class Replayed(Exception):
    """The act was done before under the same key; `receipt` is what to answer. Leaves the use case at once."""

    def __init__(self, receipt: Receipt) -> None:
        self.receipt = receipt


class _Told(NamedTuple):
    """A fact, where it goes, and who is notified of it."""

    event: Event
    actor_id: UUID | None
    streams: tuple[str, ...]
    recipients: dict[UUID, NotificationReason]


class Ledger:
    """What one transaction collects until its end: facts, and the receipt."""

    def __init__(self, *, actor_id: UUID | None, at: datetime, act: Act | None) -> None:
        self.xid: int | None = None
        self._actor_id = actor_id
        self._at = at
        self._act = act
        self._events: list[_Told] = []
        self._receipt: Receipt | None = None
        self._position: Position | None = None

    def emit(self, event: Event, *, by: UUID | None = None) -> None:
        """Collect a fact; it is written at the end of the transaction, in the order of the calls. `by` did it, if that was not
        whoever the transaction is of."""
        actor_id = by or self._actor_id
        recipients = event.recipients(actor_id=actor_id)
        # Streams that the event names, and those of whom it notifies; each once.
        streams = dict.fromkeys((*event.streams(), *(f"user:{user_id}" for user_id in recipients)))
        self._events.append(_Told(event, actor_id, tuple(streams), recipients))

    def done(self, entity_id: UUID, *, written: Any = None) -> Receipt:
        """The act was applied; its receipt learns its position when the transaction commits.

        `written` is the whole row of the entity, of an actor who may see it whatever else is true.
        """
        self._receipt = Receipt(entity_id, written=written)
        return self._receipt

    def noop(self, entity_id: UUID) -> Receipt:
        """Things already are as asked."""
        self._receipt = Receipt(entity_id, Outcome.NOOP)
        return self._receipt

    @property
    def streams(self) -> frozenset[str]:
        """Those that get a fact."""
        return frozenset(stream for told in self._events for stream in told.streams)

    @property
    def _notifies(self) -> bool:
        return any(told.recipients for told in self._events)

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
        rows = []
        notifications = []
        for event, actor_id, streams, recipients in self._events:
            row, ids = _columns_of(event, actor_id), {}
            for stream in streams:
                ids[stream] = new_id()
                rows.append((stream, ids[stream], row))
            # In a person's own stream the fact has the id of their notification, so that one leads to the other.
            notifications += [
                _notification(ids[f"user:{user_id}"], event, user_id, reason, actor_id)
                for user_id, reason in recipients.items()
            ]
        remaining = Counter(stream for stream, _, _ in rows)
        heads = [{"stream": stream, "taken": taken} for stream, taken in sorted(remaining.items())]
        facts = []
        for stream, fact_id, row in rows:
            remaining[stream] -= 1
            facts.append({**row, "stream": stream, "after_it": remaining[stream], "id": fact_id})
        values = {"heads": as_json(heads), "facts": as_json(facts), "first_id": rows[0][1]}
        if notifications:
            values["notifications"] = as_json(notifications)
        return values


def as_json(value: object) -> str:
    """Ids, times and words as they read in text; for a parameter of type jsonb."""
    return orjson.dumps(value, default=str).decode()


@cache
def last_statement(*, changes: Sequence[str] = (), has_facts: bool, notifies: bool, has_key: bool) -> str:
    """The text, with named parameters; answers the first fact's place, if there are facts, and the transaction.

    `changes` are statements that write the act itself and return a row each; they and the notifications are written
    before the heads are locked.
    """
    changes = [*changes, _NOTIFICATIONS] if notifies else changes
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


def _notification(
    id: UUID, event: Event, user_id: UUID, reason: NotificationReason, actor_id: UUID | None
) -> dict[str, Any]:
    """What a fact says in the feed of one person."""
    kind, about, notice = type(event).__name__, event.payload(), event.notice
    assert notice is not None
    return {
        "id": id,
        "user_id": user_id,
        "kind": kind,
        "category": notice.category,
        "is_critical": notice.is_critical,
        "reason": reason,
        "actor_id": actor_id,
        **{
            name: about.get(name)
            for name in (
                "gig_id",
                "application_id",
                "contract_id",
                "invitation_id",
                "task_id",
                "snippet_id",
                "room_id",
            )
        },
        "remark_id": event.remark_id,
        "group_key": f"{_group(about, user_id)}:{kind}",
        "created_at": event.at,
    }


def _group(about: Mapping[str, Any], user_id: UUID) -> str:
    """What it is about, the smallest thing first."""
    for kind in ("task", "snippet", "room", "gig", "report"):
        if (subject_id := about.get(f"{kind}_id")) is not None:
            return f"{kind}:{subject_id}"
    return f"user:{user_id}"


CLAIM_KEY = """
    insert into idempotency_key (actor_id, mutation, key, input_hash, outcome, created_at)
    values (:actor_id, :mutation, :key, :input_hash, 'APPLIED', :at)
    on conflict do nothing returning true as claimed
"""

READ_KEY = """
    select input_hash, entity_id, stream, number from idempotency_key
    where actor_id = :actor_id and mutation = :mutation and key = :key
"""

_NOTIFICATIONS = """
    insert into notification (id, user_id, kind, category, reason, actor_id, gig_id, application_id, contract_id,
                              invitation_id, task_id, snippet_id, room_id, remark_id, group_key, created_at)
    select n.id, n.user_id, n.kind, n.category, n.reason, n.actor_id, n.gig_id, n.application_id, n.contract_id,
           n.invitation_id, n.task_id, n.snippet_id, n.room_id, n.remark_id, n.group_key, n.created_at
    from jsonb_to_recordset(cast(:notifications as jsonb)) as n(
        id uuid, user_id uuid, kind text, category text, is_critical boolean, reason text, actor_id uuid, gig_id uuid,
        application_id uuid, contract_id uuid, invitation_id uuid, task_id uuid, snippet_id uuid, room_id uuid, remark_id uuid,
        group_key text, created_at timestamptz)
    where n.is_critical or not exists (
        select from notification_preference p
        where p.user_id = n.user_id and p.category = n.category and p.channel = 'IN_APP' and not p.is_on)
    returning 1
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
