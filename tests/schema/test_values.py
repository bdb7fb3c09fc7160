"""What the planner makes of values that Python made."""

from collections.abc import Sequence
from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, parse
from strawberry.schema.config import StrawberryConfig

from resolvers.operation import Operation
from schema.graph import attached
from schema.planner.code import Code, Reads, Unplanned, Values
from schema.planner.selection import Selections


async def _answers(op: Operation, keys: Sequence[Any]) -> dict[Any, Any]:
    return {}


@strawberry.type
class _Leaf:
    text: str


@strawberry.type
class _Middle:
    key: strawberry.Private[int]
    name: str
    leaf: _Leaf | None = attached(_answers, "key", "What stands beside what stands beside a value.")


@strawberry.type
class _Query:
    key: strawberry.Private[int]
    middle: _Middle | None = attached(_answers, "key", "What stands beside a value.")


def planned(document: str) -> list[Any]:
    """What would be read for it."""
    schema = strawberry.Schema(_Query, config=StrawberryConfig())._schema
    (operation,) = parse(document).definitions
    assert isinstance(operation, OperationDefinitionNode) and schema.query_type is not None
    selections, reads = Selections(schema, {}, {}), Reads()
    below = selections.of(schema.query_type, [operation.selection_set])
    Values(Code(), selections, reads, "s").parts(schema.query_type, below, "v", ())
    return list(reads)


def test_what_stands_beside_a_value_is_read_at_once() -> None:
    assert len(planned("{ middle { name } again: middle { name } }")) == 1


def test_what_stands_beside_an_answer_of_these_is_left_to_the_batch_execution() -> None:
    """Its keys are in that answer, not in the values: it would be null."""
    with pytest.raises(Unplanned, match=r"Middle\.leaf inside a value"):
        planned("{ middle { leaf { text } } }")
