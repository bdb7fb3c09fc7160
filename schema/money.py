"""Money as clients see it."""

from decimal import Decimal

import strawberry

from models.gig import BudgetKind
from models.money import Money as DomainMoney
from schema.scalars import CurrencyCode
from schema.words import words

words(BudgetKind)


@strawberry.type(description="An amount of money.")
class Money:
    amount: Decimal = strawberry.field(description="In units of the currency, with all its decimal places.")
    currency: CurrencyCode = strawberry.field(description="ISO 4217.")

    @classmethod
    def of(cls, minor: int | None, currency: str | None) -> "Money | None":
        if minor is None or currency is None:
            return None
        return cls(amount=DomainMoney(minor, currency).amount, currency=CurrencyCode(currency))


@strawberry.type(description="What a client is ready to pay.")
class Budget:
    kind: BudgetKind = strawberry.field(
        description="Whether `min` and `max` are for the whole work or for an hour."
    )
    min: Money = strawberry.field(description="The lower end.")
    max: Money = strawberry.field(description="The upper end; equal to `min` for one price.")

    @classmethod
    def of(cls, kind: BudgetKind, min_minor: int, max_minor: int, currency: str) -> "Budget":
        low, high = Money.of(min_minor, currency), Money.of(max_minor, currency)
        assert low is not None and high is not None
        return cls(kind=kind, min=low, max=high)


@strawberry.input(description="What a client is ready to pay.")
class BudgetInput:
    kind: BudgetKind = strawberry.field(
        description="Whether `min` and `max` are for the whole work or for an hour."
    )
    min: Decimal = strawberry.field(description="The lower end, above zero.")
    max: Decimal = strawberry.field(description="The upper end, not below `min`.")
    currency: CurrencyCode = strawberry.field(description="ISO 4217.")


@strawberry.input(description="An amount of money.")
class MoneyInput:
    amount: Decimal = strawberry.field(
        description="Above zero, with no more decimal places than the currency has."
    )
    currency: CurrencyCode = strawberry.field(description="ISO 4217.")
