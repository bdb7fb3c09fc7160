"""The generator of documents: everything it writes fits the schema, and it reaches all of it."""

import pytest
from graphql import parse, validate

from schema.limits import excess_of
from tests.schema.documents import IDS, Case, public_schema, reachable, selected, written

ENOUGH, ENOUGH_FOR_IDS = 4_000, 5_000


@pytest.mark.parametrize("count", [100, pytest.param(500, marks=pytest.mark.long)])
def test_every_document_fits_the_schema_and_its_limits(count: int) -> None:
    cases = [written(seed) for seed in range(count)]

    problems = [
        (case.document, error.message)
        for case in cases
        for error in validate(public_schema(), parse(case.document))
    ]

    assert problems == []
    assert {excess_of(parse(case.document)) for case in cases} == {None}


def test_documents_reach_every_field_of_every_type_that_a_query_can_reach() -> None:
    # `__schema` and `__type` are no part of this: they tell of the schema, and no executor of ours answers them.
    missing = reachable(public_schema())
    assert len(missing) > 300

    for seed in range(ENOUGH):
        missing -= selected(public_schema(), written(seed).document)
        if not missing:
            break

    assert missing == set()


@pytest.mark.long
def test_documents_use_every_way_of_asking() -> None:
    cases = [written(seed) for seed in range(ENOUGH)]
    documents = [case.document for case in cases]
    ways = [
        "AND: ", "OR: ", "NOT: ", "any: ", "all: ", "none: ", "client: {", "nulls: FIRST", "search: ", "@skip(if: $", "@include(if: ",
        "... {", "... on Node", "fragment F", "before: ", "after: ", "<cursor.", "paged: ", "totalCount", "query Other", "first: 0",
    ]  # fmt: skip

    unused = [way for way in ways if not any(way in document for document in documents)]

    assert unused == []
    # Given, left out, and null.
    declared = [(case, name) for case in cases for name in _variables(case)]
    assert {name in case.variables for case, name in declared} == {True, False}
    assert any(case.variables.get(name, 0) is None for case, name in declared)
    assert {case.viewer for case in cases} == {
        "anonymous", "freelancer", "applicant", "hired", "owner", "admin",
    }  # fmt: skip


def test_a_seed_writes_the_same_case_again_and_a_saved_case_is_the_same_when_read() -> None:
    cases = [written(seed) for seed in range(50)]

    assert [written(seed) for seed in range(50)] == cases
    assert [Case.read(str(case)) for case in cases] == cases
    assert len({case.document for case in cases}) == 50


@pytest.mark.long
def test_ids_of_every_type_are_asked_for() -> None:
    text = "".join(written(seed).document + str(written(seed).variables) for seed in range(ENOUGH_FOR_IDS))

    assert [prefix for prefix in IDS for name in IDS[prefix] if f"<{prefix}.{name}>" not in text] == []


def _variables(case: Case) -> list[str]:
    operation = parse(case.document).definitions[0]
    return [definition.variable.name.value for definition in operation.variable_definitions or ()]  # type: ignore[attr-defined]
