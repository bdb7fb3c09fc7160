"""What became of each fact and of each write: judged by the log of PostgreSQL, which is the truth."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Fact(NamedTuple):
    """One entry of the log."""

    stream: str
    number: int
    kind: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """A fact as a subscriber got it. Times are seconds of the calendar's clock; a fact occurs before its commit."""

    fact: Fact
    occurred_at: float
    arrived_at: float


@dataclass(slots=True)
class Following:
    """What one subscriber got, in the order it came."""

    stream: str
    arrivals: list[Arrival] = field(default_factory=list)
    ended: str | None = None
    """Why it follows no longer; None while it does."""


@dataclass(frozen=True, slots=True)
class Settled:
    """One write that was repeated under its key until somebody knew what became of it."""

    key: str
    outcome: str
    fact: Fact | None
    """What the answer says was written."""
    began_at: float
    took_s: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Window:
    """When something was wrong, and the moment from which recovery counts, as seconds of the calendar's clock."""

    began_at: float
    ended_at: float
    counts_from: float


@dataclass(frozen=True, slots=True)
class Delivery:
    """How far what was delivered differs from the log, over all subscribers."""

    delivered: int
    lost: int
    doubled: int
    misordered: int


def judge_delivery(log: Iterable[Fact], followings: Iterable[Following]) -> Delivery:
    """A fact that the log does not have counts as doubled, one in front of an earlier one as misordered."""
    by_stream: dict[str, set[Fact]] = {}
    for fact in log:
        by_stream.setdefault(fact.stream, set()).add(fact)
    delivered = lost = doubled = misordered = 0
    for following in followings:
        truth = by_stream.get(following.stream, set())
        got = [arrival.fact for arrival in following.arrivals]
        once = list(dict.fromkeys(fact for fact in got if fact in truth))
        delivered += len(got)
        lost += len(truth) - len(once)
        doubled += len(got) - len(once)
        misordered += _count_misordered([fact.number for fact in once])
    return Delivery(delivered, lost, doubled, misordered)


def _count_misordered(numbers: Sequence[int]) -> int:
    highest, found = 0, 0
    for number in numbers:
        found += number < highest
        highest = max(highest, number)
    return found


@dataclass(frozen=True, slots=True)
class Writing:
    """How far what writers were told differs from the log."""

    outcomes: Mapping[str, int]
    repeated: int
    """Writes that took more than one attempt."""
    acknowledged_but_missing: int
    refused_but_stored: int
    unacknowledged: int
    """Facts in the log that no answer spoke of: something was written twice."""
    stored_twice: int = 0
    """Repeats of a key among those that are stored."""


def judge_writing(log: Iterable[Fact], writes: Collection[Settled], stored_keys: Collection[str]) -> Writing:
    """`stored_keys` are those that the database holds as done, as often as it does."""
    truth = set(log)
    told = [write.fact for write in writes if write.outcome in {"APPLIED", "REPLAYED"}]
    outcomes: dict[str, int] = {}
    for write in writes:
        outcomes[write.outcome] = outcomes.get(write.outcome, 0) + 1
    return Writing(
        outcomes=outcomes,
        repeated=sum(write.attempts > 1 for write in writes),
        acknowledged_but_missing=sum(fact not in truth for fact in told),
        refused_but_stored=sum(write.outcome == "REJECTED" and write.key in stored_keys for write in writes),
        unacknowledged=len(truth - set(told)),
        stored_twice=len(stored_keys) - len(set(stored_keys)),
    )


def recovery_s(followings: Iterable[Following], since: float) -> float:
    """Until every subscriber had a fact that occurred after `since`; infinite if one never had."""
    return max(
        min((a.arrived_at for a in following.arrivals if a.occurred_at >= since), default=math.inf) - since
        for following in followings
    )


def slowest_write_s(writes: Iterable[Settled], window: Window) -> float:
    """Of those that began within the window; 0 if none did."""
    return max((w.took_s for w in writes if window.began_at <= w.began_at < window.ended_at), default=0.0)


def slowest_delivery_s(followings: Iterable[Following]) -> float:
    """From when a fact occurred, which is before its commit, to its arrival."""
    return max((a.arrived_at - a.occurred_at for f in followings for a in f.arrivals), default=0.0)
