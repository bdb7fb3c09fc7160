"""Scalars of the public language. What cannot be read is refused with what was expected."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, NewType

import strawberry
from pydantic import TypeAdapter, ValidationError
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.types.scalar import ScalarDefinition

from models.errors import Invalid

CurrencyCode = NewType("CurrencyCode", str)
EmailAddress = NewType("EmailAddress", str)
Markdown = NewType("Markdown", str)
StreamCursor = NewType("StreamCursor", str)

_duration = TypeAdapter(timedelta)
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def _parser(parse: Callable[[str], Any], expected: str) -> Callable[[object], Any]:
    def parse_value(value: object) -> Any:
        if isinstance(value, str):
            try:
                return parse(value)
            except (ValueError, InvalidOperation, ValidationError, OverflowError):
                pass  # answered below, with what was expected
        raise StrawberryInputCoercionError(f"{str(value)[:60]!r} is not {expected}.")

    return parse_value


def _parse_datetime(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment.astimezone(UTC)


def _parse_decimal(text: str) -> Decimal:
    # `Decimal` itself takes NaN, Infinity, underscores and digits of any script, and 1e999999999 breaks all arithmetic.
    if len(text) > 40 or not _DECIMAL.fullmatch(text):
        raise ValueError("not a plain number")
    number = Decimal(text)
    if abs(number.adjusted()) > 40:
        raise ValueError("too large or too fine")
    return number


def print_moment(moment: datetime) -> str:
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0') if '.' in text else text}Z"


def _text(name: str, description: str) -> ScalarDefinition:
    return strawberry.scalar(
        name=name, description=description, serialize=str, parse_value=_parser(str, "a text")
    )


SCALARS: dict[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A moment in UTC as RFC 3339 writes it: `2026-11-22T18:30:00Z`. Input may carry any offset.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=print_moment,
        parse_value=_parser(_parse_datetime, "a moment with an offset, like 2026-11-22T18:30:00Z"),
    ),
    date: strawberry.scalar(
        name="Date",
        description="A calendar day as ISO 8601 writes it: `2026-11-22`.",
        serialize=date.isoformat,
        parse_value=_parser(date.fromisoformat, "a day like 2026-11-22"),
    ),
    timedelta: strawberry.scalar(
        name="Duration",
        description="A span of time as ISO 8601 writes it: `P14D`, `PT36H`.",
        serialize=lambda span: _duration.dump_python(span, mode="json"),
        parse_value=_parser(_duration.validate_python, "a duration like P14D"),
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description="A decimal number as a text, so that nothing is rounded on the way: `1250.00`.",
        serialize=lambda number: format(number, "f"),
        parse_value=_parser(_parse_decimal, 'a decimal number in a text, like "1250.00"'),
    ),
    CurrencyCode: _text("CurrencyCode", "A currency as ISO 4217 names it: `EUR`."),
    EmailAddress: _text("EmailAddress", "An e-mail address."),
    Markdown: _text("Markdown", "Text in Markdown (CommonMark), as its author wrote it; render it safely."),
    StreamCursor: _text(
        "StreamCursor",
        "A place in a stream of events. Opaque; a subscription takes it in `after` and goes on behind it.",
    ),
}


def days(count: int | None) -> timedelta | None:
    return None if count is None else timedelta(days=count)


def whole_days(duration: timedelta | None, *, path: str) -> int | None:
    """Raises `Invalid` for a duration that is not a whole number of days."""
    if duration is None:
        return None
    if duration % timedelta(days=1):
        raise Invalid((path,), "WHOLE_DAYS", "It must be a whole number of days, such as P14D.")
    return duration // timedelta(days=1)
