"""The public language: printed as committed, described to the last argument, of one form throughout."""

import argparse
import re
from collections.abc import Iterator
from datetime import date

import pytest
import strawberry
from graphql import (
    BreakingChangeType,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    is_introspection_type,
    is_specified_directive,
    is_specified_scalar_type,
)
from strawberry.utils.str_converters import to_camel_case

import app
from schema import payloads
from schema.payloads import Needs
from schema.root import MUTATIONS
from settings import Settings
from tests.architecture.test_rooms import ROOT

SNAPSHOT = ROOT / "schema" / "schema.graphql"
# A copy of the snapshot as it was last released; absent before the first release.
RELEASED = ROOT / "schema" / "released.graphql"
CHANGELOG = ROOT / "CHANGELOG.md"
BEFORE_THE_FIRST_RELEASE = "type Query { nothing: Int } type Mutation { nothing: Int }"


@pytest.fixture
def language(schema: strawberry.Schema) -> GraphQLSchema:
    return schema._schema


def own_types(language: GraphQLSchema) -> Iterator[GraphQLNamedType]:
    for kind in language.type_map.values():
        if not is_introspection_type(kind) and not is_specified_scalar_type(kind):
            yield kind


def coordinates(language: GraphQLSchema) -> dict[str, tuple[str, str | None]]:
    """Everything that can be named, as GraphQL's schema coordinates: its form, and its description."""
    found: dict[str, tuple[str, str | None]] = {}
    for kind in own_types(language):
        found[kind.name] = (type(kind).__name__, kind.description)
        if isinstance(kind, GraphQLEnumType):
            found |= {
                f"{kind.name}.{name}": ("value", value.description) for name, value in kind.values.items()
            }
        elif isinstance(kind, GraphQLInputObjectType):
            found |= {f"{kind.name}.{name}": (str(f.type), f.description) for name, f in kind.fields.items()}
        elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType):
            for name, field in kind.fields.items():
                found[f"{kind.name}.{name}"] = (str(field.type), field.description)
                for argument, its in field.args.items():
                    found[f"{kind.name}.{name}({argument}:)"] = (str(its.type), its.description)
    for directive in language.directives:
        if not is_specified_directive(directive):
            found[f"@{directive.name}"] = ("directive", directive.description)
    return found


def test_the_committed_snapshot_is_what_the_server_speaks(capsys: pytest.CaptureFixture[str]) -> None:
    app.export_schema(Settings.read({}), argparse.Namespace())

    printed = capsys.readouterr().out

    assert printed == SNAPSHOT.read_text(), "the schema changed: run `make schema` and tell CHANGELOG.md"


def test_everything_in_the_schema_has_a_description(language: GraphQLSchema) -> None:
    described = coordinates(language)

    silent = sorted(name for name, (_, description) in described.items() if not (description or "").strip())

    assert len(described) > 500
    assert silent == []


def test_every_mutation_takes_one_input_and_answers_a_payload(language: GraphQLSchema) -> None:
    assert language.mutation_type is not None
    shape = language.get_type("MutationPayload")
    for name, field in language.mutation_type.fields.items():
        assert list(field.args) == ["input"], name
        assert isinstance(field.args["input"].type, GraphQLNonNull), name
        assert isinstance(field.type, GraphQLObjectType), f"{name} must be nullable"
        assert shape in field.type.interfaces, name
        # Acts on boards say how to undo them; bulk ones what became of each row.
        beside = {"outcome", "position", "errors", "undo", "rows"}
        entities = [f for part, f in field.type.fields.items() if part not in beside]
        assert entities, name
        assert not any(isinstance(f.type, GraphQLNonNull) for f in entities), name


def test_every_mutation_of_somebody_signed_in_that_writes_takes_an_idempotency_key(
    language: GraphQLSchema,
) -> None:
    assert language.mutation_type is not None
    anonymous = set()
    for declared in MUTATIONS:
        name = to_camel_case(declared.python_name)
        (needs,) = [
            directive.requires for directive in declared.directives if isinstance(directive, payloads.Auth)
        ]
        kind = language.mutation_type.fields[name].args["input"].type
        assert isinstance(kind, GraphQLNonNull)
        assert isinstance(kind.of_type, GraphQLInputObjectType)
        writes = name not in {"boardPresenceSet", "presenceTell", "roomTyping", "sessionRefreshSocket"}
        assert ("idempotencyKey" in kind.of_type.fields) is (needs is not Needs.NOTHING and writes), name
        if needs is Needs.NOTHING:
            anonymous.add(name)

    assert anonymous == {"accountRegister", "sessionCreate", "sessionRefresh"}


def test_every_root_mutation_field_comes_from_the_decorator(language: GraphQLSchema) -> None:
    assert language.mutation_type is not None

    declared = {to_camel_case(name) for name in payloads.DECLARED}

    assert set(language.mutation_type.fields) == declared


# -- evolution ---------------------------------------------------------------------------------------------------------


def released() -> GraphQLSchema:
    return build_schema(
        RELEASED.read_text() if RELEASED.exists() else BEFORE_THE_FIRST_RELEASE, assume_valid=True
    )


def changes(before: GraphQLSchema, after: GraphQLSchema) -> set[str]:
    """What clients of `before` find added, removed or of another form. What a new type is made of goes with the type,
    and a new type goes with the field that leads to it."""
    old, new = ({n: form for n, (form, _) in coordinates(s).items()} for s in (before, after))
    touched = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    known = {name for name in touched if re.split(r"[.(]", name)[0] in old}
    # An argument of a new field goes with the field.
    return {name for name in known if name.partition("(")[0] == name or name.partition("(")[0] in old} - {
        "Query.nothing",
        "Mutation.nothing",
    }


def unreleased(changelog: str) -> str:
    return changelog.partition("## Unreleased")[2].partition("\n## ")[0]


def untold(before: GraphQLSchema, after: GraphQLSchema, changelog: str) -> list[str]:
    """Changes that the unreleased part does not name in backticks: root fields by their name, others `Type.field`."""
    told = set(re.findall(r"`([^`\n]+)`", unreleased(changelog)))
    return sorted(c for c in changes(before, after) if not {c, re.sub(r"^(Query|Mutation)\.", "", c)} & told)


def test_every_change_of_the_schema_is_told_in_the_changelog(language: GraphQLSchema) -> None:
    assert untold(released(), language, CHANGELOG.read_text()) == []


def test_an_untold_change_would_be_found() -> None:
    before = build_schema("type Query { a: Int, b(x: Int): T } type T { c: Int } enum E { F }")
    after = build_schema(
        "type Query { b(x: Int, y: Int): T, d: U } type T { c: String } type U { e: Int } enum E { F G }"
    )
    changelog = "## Unreleased\n\n- `d` is new.\n\n## 1.0\n\n- `a`, `T.c`, `E.G`, `Query.b(y:)`"

    assert untold(before, after, changelog) == ["E.G", "Query.a", "Query.b(y:)", "T.c"]
    assert untold(before, after, "## Unreleased\n`a` `d` `E.G` `Query.b(y:)` `T.c`") == []


def forbidden(before: GraphQLSchema, after: GraphQLSchema, *, today: date) -> list[str]:
    """Breaking changes, but for the removal of what was announced for a day that has come."""
    removals = {BreakingChangeType.FIELD_REMOVED, BreakingChangeType.VALUE_REMOVED_FROM_ENUM}
    return [
        change.description
        for change in find_breaking_changes(before, after)
        if not (change.type in removals and _was_due(before, change.description, today))
    ]


def _was_due(before: GraphQLSchema, description: str, today: date) -> bool:
    for kind in own_types(before):
        parts = getattr(kind, "fields", None) or getattr(kind, "values", None) or {}
        for name, part in parts.items():
            if re.search(rf"\b{kind.name}\.{name}\b", description):
                day = re.search(r"Removal on (\d{4}-\d\d-\d\d)", part.deprecation_reason or "")
                return day is not None and date.fromisoformat(day[1]) <= today
    return False


def test_nothing_that_was_released_breaks_before_its_day(language: GraphQLSchema) -> None:
    if RELEASED.exists():
        assert forbidden(released(), language, today=date.today()) == []
    else:
        assert "## Unreleased" in CHANGELOG.read_text()


def test_a_removal_is_allowed_from_the_announced_day_on() -> None:
    before = build_schema(
        'type Query { a: Int, b: Int @deprecated(reason: "Use a. Removal on 2027-03-01."), c: Int }'
    )
    without_b, without_c = (
        build_schema("type Query { a: Int, c: Int }"),
        build_schema("type Query { a: Int, b: Int }"),
    )

    early = forbidden(before, without_b, today=date(2027, 2, 28))
    due = forbidden(before, without_b, today=date(2027, 3, 1))
    never = forbidden(before, without_c, today=date(2099, 1, 1))

    assert (len(early), due, len(never)) == (1, [], 1)


def test_every_deprecation_says_when_it_ends(language: GraphQLSchema) -> None:
    reasons = [
        part.deprecation_reason
        for kind in own_types(language)
        for part in (getattr(kind, "fields", None) or getattr(kind, "values", None) or {}).values()
        if part.deprecation_reason
    ]

    assert all(re.search(r"Removal on \d{4}-\d\d-\d\d\.$", reason) for reason in reasons)
