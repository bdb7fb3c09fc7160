"""A SQLAlchemy statement as the text and the arguments that asyncpg takes: compiled once, executed often."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql.compiler import SQLCompiler

DIALECT = asyncpg.dialect()  # type: ignore[no-untyped-call]

Convert = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Compiled:
    """`names` are the parameters in the order of `$1`, `$2` …; `constants` the values that the statement brings along."""

    text: str
    names: tuple[str, ...]
    constants: Mapping[str, object]
    converters: Mapping[str, Convert]

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """In order. Raises KeyError for an open parameter that `values` does not give."""
        given = {**self.constants, **values}
        for name, convert in self.converters.items():
            given[name] = convert(given[name])
        return [given[name] for name in self.names]


def compiled(statement: sa.ClauseElement) -> Compiled:
    """Values that are part of the statement become constants, lists of `IN` included; named parameters stay open."""
    compiler = statement.compile(dialect=DIALECT)
    assert isinstance(compiler, SQLCompiler)
    opened = {name for name, bind in compiler.binds.items() if bind.required}
    state = compiler.construct_expanded_state(dict.fromkeys(opened))
    names = tuple(state.positiontup or ())
    converters = {name: convert for name in names if (convert := _converter(compiler, name))}
    converters |= {name: state.processors[name] for name in names if name in state.processors}
    constants = {
        name: converters[name](value) if name in converters else value
        for name, value in state.parameters.items()
        if name not in opened
    }
    return Compiled(
        state.statement, names, constants, {name: converters[name] for name in opened & converters.keys()}
    )


def _converter(compiler: SQLCompiler, name: str) -> Convert | None:
    """How the type of a parameter writes its values; None if the driver knows how, or for one of a list of `IN`."""
    bind = compiler.binds.get(name)
    return None if bind is None else bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
