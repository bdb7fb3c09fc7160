"""Figures of flow, from where tasks have stood."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from models.board import ColumnCategory
from models.flow import HORIZON_DAYS, Milestone, Percentiles, Stay, flow_of, forecast_of

C = ColumnCategory
NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def life(task: int, *steps: tuple[ColumnCategory, float]) -> list[Stay]:
    """A task that came into columns of these categories so many days ago, and stands in the last one."""
    ends = [ago(days) for _, days in steps[1:]]
    return [
        Stay(UUID(int=task), category, ago(days), until)
        for (category, days), until in zip(steps, [*ends, None], strict=True)
    ]


def test_cycle_time_runs_from_the_first_start_and_lead_time_from_the_writing() -> None:
    stays = [
        *life(1, (C.BACKLOG, 10), (C.STARTED, 6), (C.UNSTARTED, 5), (C.STARTED, 4), (C.COMPLETED, 3)),
        *life(2, (C.UNSTARTED, 8), (C.COMPLETED, 2)),
        # Done once, but not for good.
        *life(3, (C.STARTED, 9), (C.COMPLETED, 7), (C.STARTED, 1)),
    ]

    flow = flow_of(stays, now=NOW)

    days = timedelta(days=1)
    assert flow.cycle_time == Percentiles(2, 0 * days, 3 * days, 3 * days)
    assert flow.lead_time == Percentiles(2, 6 * days, 7 * days, 7 * days)
    assert [(age.task_id.int, age.age) for age in flow.in_work] == [(3, 9 * days)]


def test_a_task_that_moves_among_columns_of_the_done_was_done_with_the_first() -> None:
    stays = life(1, (C.STARTED, 6), (C.COMPLETED, 4), (C.COMPLETED, 1))

    flow = flow_of(stays, now=NOW)

    assert flow.cycle_time.p50 == timedelta(days=2)
    assert {day.on for day in flow.days if day.completed} == {date(2026, 11, 22)}


def test_the_cumulative_flow_is_what_stands_at_the_end_of_each_day() -> None:
    stays = [
        *life(1, (C.BACKLOG, 100), (C.STARTED, 2), (C.COMPLETED, 0.1)),
        *life(2, (C.BACKLOG, 1), (C.STARTED, 0.9)),  # both on the same day
    ]

    days = flow_of(stays, now=NOW, days=4).days

    assert [day.on.day for day in days] == [23, 24, 25, 26]
    assert [(d.standing[C.BACKLOG], d.standing[C.STARTED], d.standing[C.COMPLETED]) for d in days] == [
        (1, 0, 0), (0, 1, 0), (0, 2, 0), (0, 1, 1),
    ]  # fmt: skip
    assert [day.completed for day in days] == [0, 0, 0, 1]


def test_a_steady_pace_leads_to_a_certain_day() -> None:
    """One task a day on each of the last five days: every trial takes as many days as there are tasks left."""
    stays = [stay for i in range(5) for stay in life(i, (C.STARTED, 4.4), (C.COMPLETED, i + 0.1))]
    stays += [stay for i in range(5, 8) for stay in life(i, (C.BACKLOG, 1))]

    forecast = forecast_of(stays, now=NOW, seed=1)

    assert forecast is not None and forecast.remaining == 3
    assert forecast.milestones == tuple(Milestone(p, date(2026, 11, 29)) for p in (50, 70, 85, 95))


def test_an_uneven_pace_spreads_the_forecast_and_the_same_seed_repeats_it() -> None:
    stays = [stay for i in range(6) for stay in life(i, (C.STARTED, 20), (C.COMPLETED, 19 if i else 1))]
    stays += [stay for i in range(6, 18) for stay in life(i, (C.UNSTARTED, 2))]

    first, again = (forecast_of(stays, now=NOW, seed=7) for _ in range(2))

    assert first is not None and first == again
    dates = [milestone.on for milestone in first.milestones if milestone.on is not None]
    assert dates == sorted(dates) and dates[0] < dates[-1]
    assert first != forecast_of(stays, now=NOW, seed=8)


def test_nothing_done_means_no_forecast_and_too_much_left_no_date() -> None:
    assert forecast_of([], now=NOW, seed=1) is None
    assert forecast_of(life(1, (C.STARTED, 3)), now=NOW, seed=1) is None

    endless = [*life(0, (C.STARTED, 80), (C.COMPLETED, 79))]
    endless += [stay for i in range(1, 200) for stay in life(i, (C.BACKLOG, 1))]
    forecast = forecast_of(endless, now=NOW, seed=1)

    assert forecast is not None
    assert [milestone.on for milestone in forecast.milestones] == [None] * 4
    assert HORIZON_DAYS == 1_000
