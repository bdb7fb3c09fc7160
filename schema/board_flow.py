"""Figures of flow as clients see them."""

from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

import strawberry

from models import flow as figures
from resolvers import board_flow
from resolvers.operation import Operation
from schema.board_words import ColumnCategory
from schema.graph import reference
from schema.type_names import Task


@strawberry.type(description="Of durations, by nearest rank.")
class Percentiles:
    count: int = strawberry.field(description="How many there are.")
    p50: timedelta | None = strawberry.field(
        description="Half of them are at most this; null when there are none."
    )
    p85: timedelta | None = strawberry.field(
        description="85 of 100 are at most this; null when there are none."
    )
    p95: timedelta | None = strawberry.field(
        description="95 of 100 are at most this; null when there are none."
    )

    @classmethod
    def of(cls, found: figures.Percentiles) -> "Percentiles":
        return cls(count=found.count, p50=found.p50, p85=found.p85, p95=found.p95)


@strawberry.type(description="How many tasks stood in columns of a category.")
class Standing:
    category: ColumnCategory = strawberry.field(description="The category.")
    count: int = strawberry.field(description="How many stood there at the end of the day.")


@strawberry.type(description="One day, by UTC.")
class FlowDay:
    on: date = strawberry.field(description="Which.")
    completed: int = strawberry.field(
        description="How many tasks were completed on it, for good: the throughput."
    )
    standing: list[Standing] = strawberry.field(
        description="The cumulative flow: each category, in their order."
    )


@strawberry.type(description="A task in work.")
class TaskAge:
    age: timedelta = strawberry.field(description="For how long, since it was first started.")
    task: Task | None = reference("task_id", "The task; always there.")
    task_id: strawberry.Private[UUID]


@strawberry.type(description="How work flows over a board.")
class Flow:
    cycle_time: Percentiles = strawberry.field(
        description="From first being started to completion, of tasks completed in the last 90 days."
    )
    lead_time: Percentiles = strawberry.field(
        description="From being written to completion, of tasks completed in the last 90 days."
    )
    days: list[FlowDay] = strawberry.field(description="The last 90 days, oldest first; today as it is now.")
    in_work: list[TaskAge] = strawberry.field(description="Tasks in STARTED columns, the oldest first.")


@strawberry.type(description="With what probability everything is done by when.")
class Milestone:
    probability: int = strawberry.field(description="In percent.")
    on: date | None = strawberry.field(
        description="By the end of this day, by UTC; null: not within 1,000 days."
    )


@strawberry.type(
    description="When the remaining tasks will be done: 1,000 trials that draw each day's throughput from the last 90 days, with "
    "replacement. Assumes that the future resembles them and that nothing is added."
)
class Forecast:
    remaining: int = strawberry.field(description="How many tasks are neither completed nor cancelled.")
    milestones: list[Milestone] = strawberry.field(description="For 50, 70, 85 and 95 percent.")


async def flows(op: Operation, keys: Sequence[UUID]) -> dict[UUID, Flow]:
    return {key: _flow(found) for key, found in (await board_flow.flows(op, keys)).items()}


async def forecasts(op: Operation, keys: Sequence[UUID]) -> dict[UUID, Forecast | None]:
    found = await board_flow.forecasts(op, keys)
    return {key: None if one is None else _forecast(one) for key, one in found.items()}


def _flow(found: figures.Flow) -> Flow:
    return Flow(
        cycle_time=Percentiles.of(found.cycle_time),
        lead_time=Percentiles.of(found.lead_time),
        days=[
            FlowDay(
                on=day.on,
                completed=day.completed,
                standing=[
                    Standing(category=category, count=count) for category, count in day.standing.items()
                ],
            )
            for day in found.days
        ],
        in_work=[TaskAge(age=one.age, task_id=one.task_id) for one in found.in_work],
    )


def _forecast(found: figures.Forecast) -> Forecast:
    return Forecast(
        remaining=found.remaining,
        milestones=[Milestone(probability=one.probability, on=one.on) for one in found.milestones],
    )
