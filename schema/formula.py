"""A price as a formula over page sizes, so that a request only fills in its variables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Formula = dict[tuple[int, ...], int]
"""Coefficients by the sizes they are multiplied with: sorted places in the list of sizes; the constant is under ()."""


@dataclass(frozen=True, slots=True)
class Place:
    """Of a size that depends on variables, in the list of sizes."""

    index: int


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A field of one object, or a part of its price: what it costs once, how many objects it holds, and what each costs."""

    key: str
    once: int
    size: int | Place
    each: int
    below: tuple[Selection, ...] = ()
    """One selection for each type that the objects may be of."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What is selected of one object, and what it costs without the object itself."""

    fields: tuple[Field, ...]
    formula: Formula

    @classmethod
    def of(cls, fields: tuple[Field, ...]) -> Selection:
        formula: Formula = {(): 0}
        for field in fields:
            formula[()] += field.once
            if field.size == 0:
                continue
            for factors, cost in _of_each(field).items():
                if isinstance(field.size, int):
                    formula[factors] = formula.get(factors, 0) + cost * field.size
                else:
                    product = tuple(sorted((*factors, field.size.index)))
                    formula[product] = formula.get(product, 0) + cost
        return cls(fields, formula)


def value_of(formula: Formula, sizes: Sequence[int]) -> int:
    total = 0
    for factors, term in formula.items():
        cost = term
        for factor in factors:
            cost *= sizes[factor]
        total += cost
    return total


def prices(root: Selection, sizes: Sequence[int]) -> Iterator[tuple[str, int, int]]:
    """Path, objects and own cost of each field, without what is below it; a path may come in parts."""
    waiting = [("", 1, root)]
    while waiting:
        path, count, selection = waiting.pop()
        for field in selection.fields:
            size = field.size if isinstance(field.size, int) else sizes[field.size.index]
            here = ".".join(part for part in (path, field.key) if part)
            yield here, count * size, count * (field.once + size * field.each)
            if field.below and size:
                dearest = max(field.below, key=lambda type_: value_of(type_.formula, sizes))
                waiting.append((here, count * size, dearest))


def _of_each(field: Field) -> Formula:
    """What each object of the field costs: itself, and the dearest of its types.

    Term by term, so that it is one formula: never less than the dearest, and exact where one is dearest for all sizes.
    """
    if not field.below:
        return {(): field.each}
    first, *others = field.below
    dearest = dict(first.formula)
    for other in others:
        for factors, cost in other.formula.items():
            dearest[factors] = max(cost, dearest.get(factors, 0))
    dearest[()] += field.each
    return dearest
