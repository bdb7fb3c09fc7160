"""Rules are left out where they have nothing to look at, and nobody can tell from the answer."""

import random

import pytest
from graphql import (
    GraphQLError,
    GraphQLSyntaxError,
    Lexer,
    NoSchemaIntrospectionCustomRule,
    Source,
    TokenKind,
    parse,
    specified_rules,
    validate,
)
from strawberry.schema.schema import validate_document

from schema.execution import Executable
from schema.validation import WRITTEN_WITH, errors_of
from tests.schema.documents import written

# At least one for each rule that is ever left out.
INVALID = {
    "a fragment on a scalar": "{ ...F } fragment F on Int { x }",
    "an inline fragment on a scalar": "{ ... on Int { x } }",
    "two fragments of one name": "{ ...F } fragment F on Query { __typename } fragment F on Query { __typename }",
    "a fragment that nobody uses": "{ __typename } fragment F on Query { __typename }",
    "a fragment that is not there": "{ ...F }",
    "a fragment that cannot apply": "{ ... on Gig { id } }",
    "a fragment in itself": "{ ...F } fragment F on Query { ...F }",
    "an unknown directive": "{ __typename @nope }",
    "a directive twice": "{ __typename @skip(if: true) @skip(if: false) }",
    "a deferred mutation": "mutation { ... @defer { __typename } }",
    "a deferred subscription": "subscription { ... on Subscription { ... @defer { __typename } } }",
    "labels that are the same": '{ ... @defer(label: "a") { __typename } ... @defer(label: "a") { __typename } }',
    "a stream of one value": "{ __typename @stream }",
    "a variable of an output type": "query ($v: Gig) { __typename @skip(if: $v) }",
    "two variables of one name": "query ($v: Boolean!, $v: Boolean!) { __typename @skip(if: $v) }",
    "a variable that is not declared": "{ gigs(first: $n) { totalCount } }",
    "a variable that nobody uses": "query ($n: Int) { __typename }",
    "a variable at the wrong place": "query ($n: String) { gigs(first: $n) { totalCount } }",
    "a subscription of two fields": "subscription { a: __typename b: __typename }",
}


def all_errors(schema: Executable, text: str) -> list[GraphQLError]:
    return validate_document(schema._schema, parse(text), (*specified_rules, NoSchemaIntrospectionCustomRule))


def told(errors: list[GraphQLError]) -> list[object]:
    return [error.formatted for error in errors]


@pytest.mark.parametrize("name", INVALID)
def test_what_is_wrong_with_a_document_is_told_as_all_rules_tell_it(name: str, schema: Executable) -> None:
    text = INVALID[name]

    errors = errors_of(schema, text, parse(text), introspection=False)

    assert errors and told(errors) == told(all_errors(schema, text))


def test_each_rule_that_is_ever_left_out_refuses_one_of_these_documents(schema: Executable) -> None:
    documents = [parse(text) for text in INVALID.values()]

    idle = [
        rule.__name__
        for rule in WRITTEN_WITH
        if not any(validate(schema._schema, document, [rule]) for document in documents)
    ]

    assert idle == []


@pytest.mark.parametrize("count", [80, pytest.param(700, marks=pytest.mark.long)])
def test_documents_with_mistakes_in_them_are_refused_as_by_all_rules(schema: Executable, count: int) -> None:
    chance, wrong = random.Random(8), 0

    for seed in range(count):
        text = _mistaken(written(seed).document, chance)
        try:
            document = parse(text)
        except GraphQLSyntaxError:
            continue
        errors = errors_of(schema, text, document, introspection=False)
        assert told(errors) == told(all_errors(schema, text)), text
        wrong += bool(errors)

    assert wrong > count // 12


def test_descriptions_of_the_schema_are_refused_only_where_they_are_switched_off(schema: Executable) -> None:
    text = "{ __schema { queryType { name } } }"

    assert errors_of(schema, text, parse(text), introspection=True) == []
    assert len(errors_of(schema, text, parse(text), introspection=False)) == 2


def _mistaken(text: str, chance: random.Random) -> str:
    """The document with one token left out, said twice, or another one's in its place."""
    tokens = []
    lexer = Lexer(Source(text))
    while (token := lexer.advance()).kind is not TokenKind.EOF:
        tokens.append(text[token.start : token.end])
    at, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
    tokens[at : at + 1] = chance.choice(([], [tokens[at]] * 2, [tokens[other]]))
    return " ".join(tokens)
