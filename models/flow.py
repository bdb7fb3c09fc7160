"""Figures of flow: how long work takes, how much is done, and when the rest will be. Pure, from where tasks have stood."""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from math import ceil
from typing import NamedTuple
from uuid import UUID

from models.board import ColumnCategory

WINDOW_DAYS = 90
TRIALS = 1_000
HORIZON_DAYS = 1_000
CONFIDENCES = (50, 70, 85, 95)

C = ColumnCategory
_OPEN = frozenset({C.BACKLOG, C.UNSTARTED, C.STARTED})


class Stay(NamedTuple):
    """A task stood in a column of this category from one moment to another; `until` is None while it stands there."""

    task_id: UUID
    category: ColumnCategory
    since: datetime
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of durations, by nearest rank; None when there are none."""

    count: int
    p50: timedelta | None
    p85: timedelta | None
    p95: timedelta | None

    @classmethod
    def of(cls, durations: Iterable[timedelta]) -> "Percentiles":
        ordered = sorted(durations)

        def at(percent: int) -> timedelta | None:
            return ordered[max(0, ceil(len(ordered) * percent / 100) - 1)] if ordered else None

        return cls(len(ordered), at(50), at(85), at(95))


@dataclass(frozen=True, slots=True)
class Day:
    """One day, by UTC: tasks completed on it, and how many stood in columns of each category at its end."""

    on: date
    completed: int
    standing: Mapping[ColumnCategory, int]


@dataclass(frozen=True, slots=True)
class Age:
    """A task in work, and how long it has been."""

    task_id: UUID
    age: timedelta


@dataclass(frozen=True, slots=True)
class Flow:
    cycle_time: Percentiles
    lead_time: Percentiles
    days: tuple[Day, ...]
    in_work: tuple[Age, ...]


@dataclass(frozen=True, slots=True)
class Milestone:
    """With this probability, in percent, everything is done by the end of that day; None: not within the horizon."""

    probability: int
    on: date | None


@dataclass(frozen=True, slots=True)
class Forecast:
    remaining: int
    milestones: tuple[Milestone, ...]


@dataclass(frozen=True, slots=True)
class _Life:
    """One task: when it was written, first started, and completed for good."""

    written: datetime
    started: datetime | None
    completed: datetime | None


def flow_of(stays: Sequence[Stay], *, now: datetime, days: int = WINDOW_DAYS) -> Flow:
    """Cycle time runs from the first day in a STARTED column (or completion, if it never stood in one), lead time from the
    writing of the task, both to when it came into a COMPLETED column for good. Of tasks completed in the last `days`."""
    lives = _lives(stays)
    first = (now - timedelta(days=days - 1)).date()
    done = [life for life in lives.values() if life.completed is not None and life.completed.date() >= first]
    completed = Counter(life.completed.date() for life in done if life.completed is not None)
    return Flow(
        cycle_time=Percentiles.of(
            life.completed - (life.started or life.completed) for life in done if life.completed is not None
        ),
        lead_time=Percentiles.of(
            life.completed - life.written for life in done if life.completed is not None
        ),
        days=tuple(
            Day(on, completed[on], standing)
            for on, standing in _standing(stays, first=first, last=now.date())
        ),
        in_work=_in_work(stays, lives, now=now),
    )


def forecast_of(stays: Sequence[Stay], *, now: datetime, seed: int) -> Forecast | None:
    """When the remaining tasks will be done, by Monte-Carlo simulation of throughput.

    Each of `TRIALS` trials draws, for day after day from tomorrow on, how many tasks were completed on a random one of the
    last `WINDOW_DAYS` days (or since the first task, if that is later; with replacement), until the remaining ones are done.
    A milestone is the day by which that share of the trials had ended. Assumes that the future resembles those days, that
    nothing is added, and that days are independent. None when nothing was completed in those days; `seed` makes it repeatable.
    """
    if not stays:
        return None
    remaining = sum(1 for stay in stays if stay.until is None and stay.category in _OPEN)
    first = max((now - timedelta(days=WINDOW_DAYS - 1)).date(), min(stay.since for stay in stays).date())
    completed = Counter(
        life.completed.date() for life in _lives(stays).values() if life.completed is not None
    )
    history = [completed[first + timedelta(days=i)] for i in range((now.date() - first).days + 1)]
    if not any(history):
        return None
    chance = random.Random(seed)  # noqa: S311  a simulation, not a secret
    lengths = sorted(_trial(chance, history, remaining) for _ in range(TRIALS))
    return Forecast(remaining, tuple(_milestone(lengths, percent, now) for percent in CONFIDENCES))


def _trial(chance: random.Random, history: Sequence[int], remaining: int) -> int:
    """How many days one trial takes; one more than the horizon if it is not over by then."""
    total = days = 0
    while total < remaining and days < HORIZON_DAYS:
        drawn = list(accumulate(chance.choices(history, k=32), initial=total))[1:]
        for total in drawn:
            days += 1
            if total >= remaining:
                break
    return days if total >= remaining else HORIZON_DAYS + 1


def _milestone(lengths: Sequence[int], percent: int, now: datetime) -> Milestone:
    days = lengths[ceil(len(lengths) * percent / 100) - 1]
    return Milestone(percent, None if days > HORIZON_DAYS else now.date() + timedelta(days=days))


def _lives(stays: Sequence[Stay]) -> dict[UUID, _Life]:
    of_task: dict[UUID, list[Stay]] = defaultdict(list)
    for stay in sorted(stays, key=lambda stay: stay.since):
        of_task[stay.task_id].append(stay)
    return {task_id: _life(mine) for task_id, mine in of_task.items()}


def _life(mine: Sequence[Stay]) -> _Life:
    started = next((stay.since for stay in mine if stay.category is C.STARTED), None)
    completed = None
    # An archived task is as done as it was.
    for stay in reversed(mine):
        if stay.category is not C.COMPLETED:
            break
        completed = stay.since
    return _Life(mine[0].since, started, completed)


def _standing(
    stays: Sequence[Stay], *, first: date, last: date
) -> Iterable[tuple[date, Mapping[ColumnCategory, int]]]:
    """At the end of each day, in one pass over what came and went."""
    changes: dict[date, Counter[ColumnCategory]] = defaultdict(Counter)
    now: Counter[ColumnCategory] = Counter()
    for stay in stays:
        since, until = stay.since.date(), None if stay.until is None else stay.until.date()
        if until == since:
            continue  # gone before the day ended
        if since < first:
            now[stay.category] += 1
        else:
            changes[since][stay.category] += 1
        if until is not None:
            if until < first:
                now[stay.category] -= 1
            else:
                changes[until][stay.category] -= 1
    for i in range((last - first).days + 1):
        on = first + timedelta(days=i)
        now.update(changes.get(on, {}))
        yield on, {category: now[category] for category in C}


def _in_work(stays: Sequence[Stay], lives: Mapping[UUID, _Life], *, now: datetime) -> tuple[Age, ...]:
    ages = [
        Age(stay.task_id, now - (lives[stay.task_id].started or stay.since))
        for stay in stays
        if stay.until is None and stay.category is C.STARTED
    ]
    return tuple(sorted(ages, key=lambda age: (-age.age, age.task_id)))
