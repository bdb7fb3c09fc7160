"""Money in, money out: nothing is rounded, nothing strange gets in."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Invalid
from models.money import MAX_MINOR, Money, digits_of

DIGITS = {"EUR": 2, "JPY": 0, "KWD": 3}


def refused(amount: str, currency: str = "EUR") -> str:
    with pytest.raises(Invalid) as refusal:
        Money.parse(Decimal(amount), currency, path=("price",))
    assert refusal.value.path == ("price",)
    return refusal.value.constraint


@pytest.mark.parametrize(("currency", "digits"), DIGITS.items())
def test_each_currency_has_its_own_number_of_decimal_places(currency: str, digits: int) -> None:
    assert digits_of(currency) == digits


@given(currency=st.sampled_from(sorted(DIGITS)), minor=st.integers(1, MAX_MINOR))
def test_every_amount_comes_back_as_it_went_in(currency: str, minor: int) -> None:
    money = Money(minor, currency)

    assert money.amount * 10 ** DIGITS[currency] == minor
    assert Money.parse(money.amount, currency, path=("price",)) == money


@given(
    currency=st.sampled_from(sorted(DIGITS)), minor=st.integers(1, MAX_MINOR - 1), further=st.integers(1, 40)
)
def test_an_amount_finer_than_its_currency_is_refused_and_never_rounded(
    currency: str, minor: int, further: int
) -> None:
    places = DIGITS[currency] + further
    finer = (
        f"{Money(minor, currency).amount:f}" + ("" if DIGITS[currency] else ".") + "0" * (further - 1) + "1"
    )

    assert Decimal(finer).as_tuple().exponent == -places
    assert refused(finer, currency) == "DECIMAL_PLACES"


def test_trailing_zeros_are_not_decimal_places() -> None:
    amount = Decimal("12.50" + "0" * 40)

    assert Money.parse(amount, "EUR", path=("price",)) == Money(1250, "EUR")


@pytest.mark.parametrize("text", ["NaN", "sNaN", "-NaN", "Infinity", "-Infinity"])
def test_what_is_not_a_number_is_refused(text: str) -> None:
    assert refused(text) == "DECIMAL"


@pytest.mark.parametrize(
    "text", ["0", "-0", "-0.01", "-5", "100000000000.01", "1E+30", "1E+999999", "-1E+999999", "0.001"]
)
def test_an_amount_out_of_range_is_refused(text: str) -> None:
    assert refused(text) == "RANGE"


def test_the_refusal_of_an_amount_out_of_range_says_the_range() -> None:
    with pytest.raises(Invalid) as refusal:
        Money.parse(Decimal(-1), "KWD", path=("price",))

    assert (refusal.value.min, refusal.value.max) == ("0.001", "10000000000.000")


def test_the_ends_of_the_range_are_in_it() -> None:
    lowest = Money.parse(Decimal("0.01"), "EUR", path=())
    highest = Money.parse(Decimal("100000000000"), "EUR", path=())

    assert (lowest.minor, highest.minor) == (1, MAX_MINOR)
