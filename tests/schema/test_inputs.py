"""Inputs are read by functions that are made once: they take what they take exactly as graphql-core and Strawberry do."""

import dataclasses
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError, GraphQLInputObjectType, Undefined, coerce_input_value
from strawberry import Some
from strawberry.exceptions import StrawberryInputCoercionError
from strawberry.types.arguments import convert_argument

from schema.documents import Refused
from schema.execution import Executable
from schema.filters import canonical
from schema.payloads import digest_of
from schema.planner.arguments import reader
from schema.planner.inputs import MOST_LEVELS, Inputs, Readers
from tests.schema.documents import written
from tests.schema.input_values import Writer, input_types

FEW, MANY = 10, 150
GIGS = "query ($where: GigWhere, $first: Int = 2) { gigs(where: $where, first: $first) { nodes { id } } }"
SUGGESTED = 'query ($first: Int = 5) { skillSuggest(prefix: "p", first: $first) { name } }'
BID = {
    "gigId": "gig_01k8z3m4n5p6q7r8s9t0v1w2x3",
    "coverLetter": "I have done this before. " * 8,
    "price": "1250.00",
    "duration": "P14D",
    "answers": [{"questionId": "question_01k8z3m4n5p6q7r8s9t0v1w2x3", "body": "Yes, twice."}],
    "idempotencyKey": "k-1234567890",
}


class NotTaken(Exception):
    """graphql-core or Strawberry refuses the value."""


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.long)])
def test_what_a_reader_takes_is_what_strawberry_makes_of_it(schema: Executable, count: int) -> None:
    readers, outcomes = Readers(schema), Counter[str]()

    for kind in input_types(schema._schema):
        writer, read = Writer(kind.name), readers.of(kind)
        valid = [writer.fewest(kind), *(writer.value(kind) for _ in range(count))]
        for value in valid:
            assert same(read(value), slowly(schema, kind, value)), (kind.name, value)
        for value in (writer.damaged(value) for value in valid for _ in range(2)):
            outcomes[outcome(schema, read, kind, value)] += 1

    # Damages of all three kinds were met, the last by readers that are stricter than they must be.
    assert outcomes.keys() == {"taken by both", "taken by neither", "left to Strawberry"}
    assert outcomes["left to Strawberry"] < outcomes["taken by neither"]


def test_the_reader_is_what_reads_a_valid_input_of_every_mutation(schema: Executable) -> None:
    root = schema._schema.mutation_type
    assert root is not None
    read_by_readers = 0

    for name, field in root.fields.items():
        kind = field.args["input"].type
        text = f"mutation ($input: {kind}) {{ {name}(input: $input) {{ __typename }} }}"
        inputs = received(schema, text, {"input": Writer(name).value(kind)})
        arguments = arguments_of(schema, text, inputs)
        assert inputs.ready is not None and arguments["input"] is inputs.ready["input"], name
        read_by_readers += 1

    assert read_by_readers == len(root.fields) == 141


@pytest.mark.parametrize("count", [15, pytest.param(60, marks=pytest.mark.long)])
def test_readers_read_the_variables_of_queries(schema: Executable, count: int) -> None:
    read_by_readers, refused = [], []

    for case in map(written, range(count)):
        document = schema.documents.read(case.document)
        operation = document.operation(case.operation_name)
        assert operation is not None
        try:
            inputs = document.values(operation, case.variables)
        except Refused:
            refused.append(case)
        else:
            read_by_readers.append(inputs.ready is not None)

    # One value in place of a list is valid, unusual, and left to the library.
    assert read_by_readers.count(False) <= count // 30 and refused == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"first": 2, "where": None}),
        ({"first": 7}, {"first": 7, "where": None}),
        ({"first": None, "where": None}, {"first": None, "where": None}),
    ],
)
def test_variables_left_out_leave_the_defaults_of_the_operation_and_of_the_argument(
    schema: Executable, variables: dict[str, Any], expected: dict[str, Any]
) -> None:
    arguments = arguments_of(schema, GIGS, received(schema, GIGS, variables))

    assert {name: arguments[name] for name in expected} == expected


def test_null_for_an_argument_that_may_not_be_null_is_an_error_of_graphql(schema: Executable) -> None:
    assert arguments_of(schema, SUGGESTED, received(schema, SUGGESTED, {})) == {"prefix": "p", "first": 5}

    with pytest.raises(GraphQLError, match="'first' has invalid value"):
        arguments_of(schema, SUGGESTED, received(schema, SUGGESTED, {"first": None}))


def test_filters_deeper_than_readers_go_are_read_and_those_too_deep_are_refused(schema: Executable) -> None:
    shallow, deep = negated(MOST_LEVELS - 2), negated(MOST_LEVELS - 1)
    assert received(schema, GIGS, {"where": shallow}).ready is not None

    inputs = received(schema, GIGS, {"where": deep})
    with pytest.raises(Refused) as refused:
        received(schema, GIGS, {"where": negated(300)})

    expected = slowly(schema, input_type(schema, "GigWhere"), deep)
    assert inputs.ready is None and same(arguments_of(schema, GIGS, inputs)["where"], expected)
    assert [error.message for error in refused.value.errors] == ["Variable values are nested too deeply."]


def test_digests_of_inputs_are_those_that_are_stored(schema: Executable) -> None:
    readers = Readers(schema)

    for kind in input_types(schema._schema):
        writer, read = Writer(kind.name), readers.of(kind)
        for value in [writer.fewest(kind), *(writer.value(kind) for _ in range(FEW))]:
            assert repr(canonical(read(value))) == repr(as_it_was(read(value)))
    bid = readers.of(input_type(schema, "ApplicationSubmitInput"))(BID)

    # Written down when the first of them were stored.
    assert digest_of(bid).hex() == "64150b32a95754ea5c47e95a3859cbd93119f12608dccd27744b70bcee2b2558"


def received(schema: Executable, text: str, variables: dict[str, Any]) -> Inputs:
    document = schema.documents.read(text)
    return document.values(document.operations[0], variables)


def arguments_of(schema: Executable, text: str, inputs: Inputs) -> Mapping[str, Any]:
    """What the only root field of the document is called with."""
    operation = schema.documents.read(text).operations[0]
    root = schema._schema.get_root_type(operation.operation)
    node: Any = operation.selection_set.selections[0]
    assert root is not None
    return reader(schema, root.fields[node.name.value], node)(inputs)


def input_type(schema: Executable, name: str) -> GraphQLInputObjectType:
    kind = schema._schema.type_map[name]
    assert isinstance(kind, GraphQLInputObjectType)
    return kind


def negated(levels: int) -> dict[str, Any]:
    filter_: dict[str, Any] = {"status": {"eq": "OPEN"}}
    for _ in range(levels):
        filter_ = {"NOT": filter_}
    return filter_


def outcome(schema: Executable, read: Any, kind: GraphQLInputObjectType, value: Any) -> str:
    try:
        expected = slowly(schema, kind, value)
    except NotTaken:
        with pytest.raises(Exception):  # noqa: B017  whatever it is, the reader gave up
            read(value)
        return "taken by neither"
    try:
        found = read(value)
    except Exception:
        return "left to Strawberry"
    assert same(found, expected), (kind.name, value)
    return "taken by both"


def slowly(schema: Executable, kind: GraphQLInputObjectType, value: Any) -> Any:
    """Raises `NotTaken`."""
    try:
        coerced = coerce_input_value(value, kind)
    except StrawberryInputCoercionError as error:
        raise NotTaken from error
    if coerced is Undefined:
        raise NotTaken
    origin = kind.extensions["strawberry-definition"].origin
    try:
        return convert_argument(coerced, origin, schema.schema_converter.scalar_registry, schema.config)
    except GraphQLError as error:
        raise NotTaken from error


def same(one: Any, other: Any) -> bool:
    """Whether two inputs are of the same classes and hold the same, `UNSET` included."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Some):
        return same(one.value, other.value)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one):
        names = [field.name for field in dataclasses.fields(one)]
        return all(same(getattr(one, name), getattr(other, name)) for name in names)
    return one is other or (one == other and repr(one) == repr(other))


def as_it_was(value: Any) -> Any:
    """`canonical` of the day when the first digests were stored."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = [(f.name, getattr(value, f.name)) for f in dataclasses.fields(value)]
        given = [
            (name, content)
            for name, content in fields
            if not (content is None or content is strawberry.UNSET)
        ]
        return [(name, as_it_was(content)) for name, content in given]
    if isinstance(value, Some):
        return ("some", as_it_was(value.value))
    if isinstance(value, list | tuple):
        return [as_it_was(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, datetime | date | Decimal) else value
