"""Numbers of a price that depend on the variables of a request: page sizes above all.

They are read before anything checks the variables, so each is safe for any JSON: what an argument will refuse never
runs, and what it will take is counted as it is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from schema.connections import MAX_PAGE
from schema.node import MAX_IDS

Variables = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Variable:
    name: str

    def value(self, variables: Variables, defaults: Variables) -> Any:
        return variables[self.name] if self.name in variables else defaults.get(self.name)


Given = Variable | int | None


@dataclass(frozen=True, slots=True)
class Page:
    """The page size of `first` and `last`; null and absent are `default`."""

    first: Given
    last: Given
    default: int

    @property
    def is_fixed(self) -> bool:
        return not isinstance(self.first, Variable) and not isinstance(self.last, Variable)

    def value(self, variables: Variables, defaults: Variables) -> int:
        for given in (self.last, self.first):
            value = given.value(variables, defaults) if isinstance(given, Variable) else given
            if value is not None:
                return page_size(value)
        return self.default


@dataclass(frozen=True, slots=True)
class Length:
    """How many ids the list in a variable has; one id that is no list stands for a list of it."""

    of: Variable

    def value(self, variables: Variables, defaults: Variables) -> int:
        value = self.of.value(variables, defaults)
        return max(1, min(MAX_IDS, len(value))) if isinstance(value, list) else 1


@dataclass(frozen=True, slots=True)
class Presence:
    """1 if the variable has a value, 0 if it is null or absent."""

    of: Variable

    def value(self, variables: Variables, defaults: Variables) -> int:
        return int(self.of.value(variables, defaults) is not None)


Size = Page | Length | Presence


def page_size(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return max(1, min(MAX_PAGE, value))
    if isinstance(value, float) and value.is_integer():
        return int(max(1.0, min(float(MAX_PAGE), value)))
    return MAX_PAGE
