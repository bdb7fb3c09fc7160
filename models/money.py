"""Money is a whole number of minor units and a currency; floats never carry it."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Self

from babel.numbers import get_currency_precision

from models.errors import Invalid, Path

MAX_MINOR = 10**13


@cache
def digits_of(currency: str) -> int:
    """How many decimal places the currency has: EUR 2, JPY 0, KWD 3 (CLDR)."""
    return get_currency_precision(currency)


@dataclass(frozen=True, slots=True)
class Money:
    minor: int
    currency: str

    @property
    def amount(self) -> Decimal:
        return Decimal(self.minor).scaleb(-digits_of(self.currency))

    @classmethod
    def parse(cls, amount: Decimal, currency: str, *, path: Path, min_minor: int = 1) -> Self:
        """Raises `Invalid` for an amount below `min_minor`, above the maximum, or finer than the currency."""
        digits = digits_of(currency)
        if not amount.is_finite():
            raise Invalid(path, "DECIMAL", "This is not a number.")
        # An exponent such as 1e999999 cannot even be scaled.
        minor = amount.scaleb(digits) if amount.adjusted() < len(str(MAX_MINOR)) else None
        if minor is None or abs(minor) > MAX_MINOR or not min_minor <= minor:
            low, high = cls(min_minor, currency).amount, cls(MAX_MINOR, currency).amount
            message = f"It must be between {low} and {high} {currency}."
            raise Invalid(path, "RANGE", message, min=str(low), max=str(high))
        # Asked of the amount itself: scaling rounds to 28 digits, and would make 0.01000…01 a whole cent.
        if amount % Decimal(1).scaleb(-digits):
            raise Invalid(path, "DECIMAL_PLACES", f"{currency} has {digits} decimal places.", max=str(digits))
        return cls(int(minor), currency)
