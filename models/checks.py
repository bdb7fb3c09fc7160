"""Checks of what people type: every broken rule is collected, so that a form can show all of them at once."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from zoneinfo import available_timezones

from babel import Locale
from babel.numbers import list_currencies
from email_validator import EmailNotValidError, validate_email

from models.errors import DomainError, Invalid, Path, Refusals

_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Checks:
    """Collect broken rules, then `done()` raises `Refusals` if there are any."""

    def __init__(self) -> None:
        self.refusals: list[DomainError] = []

    def done(self) -> None:
        if self.refusals:
            raise Refusals(self.refusals)

    def refuse(
        self, path: Path, constraint: str, message: str, *, min: object = None, max: object = None
    ) -> None:
        limits = [None if limit is None else str(limit) for limit in (min, max)]
        self.refusals.append(Invalid(path, constraint, message, min=limits[0], max=limits[1]))

    def text(self, path: Path, value: str, *, max: int, min: int = 1) -> str:
        """The value in Unicode NFC without outer white space. Lengths are in characters; emoji and any script pass."""
        value = unicodedata.normalize("NFC", value.strip()) if len(value) <= max * 4 else value
        if _UNPRINTABLE.search(value):
            self.refuse(path, "PRINTABLE", "It contains NUL, a control character or half a surrogate pair.")
        elif len(value) < min:
            message = "It must not be empty." if min == 1 else f"It needs at least {min} characters."
            self.refuse(path, "LENGTH", message, min=min, max=max)
        elif len(value) > max:
            self.refuse(
                path, "LENGTH", f"It has {len(value)} characters; the most is {max}.", min=min, max=max
            )
        return value

    def between(self, path: Path, value: int, *, min: int, max: int) -> int:
        if not min <= value <= max:
            self.refuse(path, "RANGE", f"It must be between {min} and {max}.", min=min, max=max)
        return value

    def future(self, path: Path, value: datetime, *, now: datetime) -> datetime:
        if value <= now:
            self.refuse(path, "FUTURE", "It lies in the past.", min=now.isoformat())
        return value

    def email(self, path: Path, value: str) -> str:
        try:
            return validate_email(value, check_deliverability=False).normalized
        except EmailNotValidError as error:
            self.refuse(path, "EMAIL", f"This is not an e-mail address: {error}")
            return value

    def one_of(self, path: Path, value: str, options: frozenset[str], *, kind: str, example: str) -> str:
        if value not in options:
            self.refuse(path, kind, f"“{value[:40]}” is not known here. Expected for example {example}.")
        return value

    def country(self, path: Path, value: str) -> str:
        return self.one_of(path, value, _countries(), kind="COUNTRY", example="DE (ISO 3166-1)")

    def currency(self, path: Path, value: str) -> str:
        return self.one_of(path, value, currencies(), kind="CURRENCY", example="EUR (ISO 4217)")

    def time_zone(self, path: Path, value: str) -> str:
        return self.one_of(path, value, _time_zones(), kind="TIME_ZONE", example="Europe/Berlin")

    def language(self, path: Path, value: str) -> str:
        return self.one_of(path, value, _languages(), kind="LANGUAGE", example="en (ISO 639-1)")

    def distinct(self, path: Path, values: Sequence[object]) -> None:
        if len(set(values)) != len(values):
            self.refuse(path, "DISTINCT", "The same thing is named twice.")

    def count(self, path: Path, values: Sequence[object], *, max: int, min: int = 0) -> None:
        if not min <= len(values) <= max:
            self.refuse(
                path, "COUNT", f"It takes {min} to {max} entries, here are {len(values)}.", min=min, max=max
            )


@cache
def currencies() -> frozenset[str]:
    """Codes of today's and yesterday's money, as ISO 4217 writes them."""
    return frozenset(list_currencies())


@cache
def _countries() -> frozenset[str]:
    return frozenset(code for code in map(str, Locale("en").territories) if len(code) == 2 and code.isalpha())


@cache
def _languages() -> frozenset[str]:
    return frozenset(code for code in map(str, Locale("en").languages) if code.isalpha() and code.islower())


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())
