"""Validation by the specification's rules, none of which is asked in vain.

A rule takes its time for every node of a document, whether or not there is anything in it that the rule is about: the rules
about fragments, directives and variables take half of the time of a document that has none (measured).
"""

from collections.abc import Mapping

import strawberry
from graphql import (
    ASTValidationRule,
    DeferStreamDirectiveLabel,
    DeferStreamDirectiveOnRootField,
    DeferStreamDirectiveOnValidOperationsRule,
    DocumentNode,
    FragmentsOnCompositeTypesRule,
    GraphQLError,
    KnownDirectivesRule,
    KnownFragmentNamesRule,
    NoFragmentCyclesRule,
    NoSchemaIntrospectionCustomRule,
    NoUndefinedVariablesRule,
    NoUnusedFragmentsRule,
    NoUnusedVariablesRule,
    PossibleFragmentSpreadsRule,
    SingleFieldSubscriptionsRule,
    StreamDirectiveOnListField,
    UniqueDirectivesPerLocationRule,
    UniqueFragmentNamesRule,
    UniqueVariableNamesRule,
    VariablesAreInputTypesRule,
    VariablesInAllowedPositionRule,
    specified_rules,
)
from strawberry.schema.schema import validate_document

Rule = type[ASTValidationRule]

_FRAGMENT, _SPREAD, _DIRECTIVE, _VARIABLE = ("fragment", "..."), ("...",), ("@",), ("$",)
WRITTEN_WITH: Mapping[Rule, tuple[str, ...]] = {
    FragmentsOnCompositeTypesRule: _FRAGMENT,
    UniqueFragmentNamesRule: _FRAGMENT,
    NoUnusedFragmentsRule: _FRAGMENT,
    KnownFragmentNamesRule: _SPREAD,
    PossibleFragmentSpreadsRule: _SPREAD,
    NoFragmentCyclesRule: _SPREAD,
    KnownDirectivesRule: _DIRECTIVE,
    UniqueDirectivesPerLocationRule: _DIRECTIVE,
    DeferStreamDirectiveOnRootField: _DIRECTIVE,
    DeferStreamDirectiveOnValidOperationsRule: _DIRECTIVE,
    DeferStreamDirectiveLabel: _DIRECTIVE,
    StreamDirectiveOnListField: _DIRECTIVE,
    VariablesAreInputTypesRule: _VARIABLE,
    UniqueVariableNamesRule: _VARIABLE,
    NoUndefinedVariablesRule: _VARIABLE,
    NoUnusedVariablesRule: _VARIABLE,
    VariablesInAllowedPositionRule: _VARIABLE,
    SingleFieldSubscriptionsRule: ("subscription",),
}
"""Text that everything a rule is about is written with. It may stand in a comment or a string; then the rule is asked, too."""


def errors_of(
    schema: strawberry.Schema, text: str, document: DocumentNode, *, introspection: bool
) -> list[GraphQLError]:
    """What the specification has against the document, which was parsed from `text`."""
    rules = [rule for rule in specified_rules if _is_about(rule, text)]
    if not introspection:
        rules.append(NoSchemaIntrospectionCustomRule)
    return validate_document(schema._schema, document, tuple(rules))


def _is_about(rule: Rule, text: str) -> bool:
    signs = WRITTEN_WITH.get(rule)
    return signs is None or any(sign in text for sign in signs)
