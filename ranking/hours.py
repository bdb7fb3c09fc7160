"""Hours in common: what two who live by different clocks share of a working day, as clocks stand at a moment."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

WORKING_HOURS = 8


def common_hours(one: str | None, other: str | None, *, at: datetime) -> float:
    """Of two working days of eight hours that begin at the same time of day; all of it where a zone is not told.

    `one` and `other` are IANA names; `at` decides about daylight saving. A name that this machine does not know, any longer or yet,
    is as good as none.
    """
    return _shared(_offset(one, at), _offset(other, at))


def hours_with(zone: str, others: Iterable[str | None], *, at: datetime) -> list[float]:
    """`common_hours` with each of the others, in half of the time."""
    own = _offset(zone, at)
    return [_shared(own, _offset(other, at)) for other in others]


@lru_cache(4096)  # many zones, but few offsets
def _shared(one: timedelta | None, other: timedelta | None) -> float:
    if one is None or other is None:
        return WORKING_HOURS
    apart = abs((one - other).total_seconds()) / 3600
    return max(0.0, WORKING_HOURS - min(apart, 24 - apart))


def _offset(zone: str | None, at: datetime) -> timedelta | None:
    rules = None if zone is None else _rules(zone)
    return None if rules is None else at.astimezone(rules).utcoffset()


@cache  # zoneinfo itself keeps the last eight alone, and reading one is a file
def _rules(zone: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
