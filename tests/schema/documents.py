"""Generated queries: every one fits the schema, and each is small enough to be answered in a few milliseconds.

Hypothesis chooses (`cases`), so that it makes small what fails. Whatever is drawn lowest is simplest: the first of some
options, no to a chance.

Ids and cursors are written as marks, `<gig.open>` or `<cursor.Gig.applications.1>`, which the stage replaces before a case
runs. So the generator needs no database, the same seed makes the same documents everywhere, and a saved case can be
played in another world.
"""

from __future__ import annotations

import itertools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Undefined,
    Visitor,
    build_schema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    parse,
    visit,
)
from graphql.type import GraphQLInterfaceType
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

SCHEMA_FILE = Path(__file__).parents[2] / "schema" / "schema.graphql"
VIEWERS = ("anonymous", "freelancer", "applicant", "hired", "owner", "admin")
"""Nobody, a stranger, somebody who applied, somebody who works, who posted the gigs, and an administrator."""

IDS = {
    "gig": (
        "open", "dollars", "hourly", "invited", "secret", "applied", "working", "submitted", "completed", "judged", "ended",
        "draft", "pending", "returned", "rejected", "paused", "cancelled", "expired", "of_client", "withheld", "missing",
    ),
    "application": ("applied", "viewed", "shortlisted", "declined", "withdrawn", "accepted", "missing"),
    "contract": ("working", "paused", "submitted", "completed", "judged", "ended", "missing"),
    "feedback": ("of_owner", "of_hired", "hidden", "missing"),
    "invitation": ("applied", "secret", "missing"),
    "question": ("open", "draft", "missing"),
    "user": ("freelancer", "applicant", "hired", "owner", "admin", "missing"),
    "freelancer": ("freelancer", "applicant", "hired", "missing"),
    "client": ("client", "owner", "missing"),
    "skill": ("python", "react", "postgresql", "missing"),
    "session": ("owner", "hired", "missing"),
    "job": ("expiry", "missing"),
    "adminact": ("suspended", "appointed", "missing"),
    "notification": ("owner", "hired", "missing"),
    "board": ("working", "judged", "missing"),
    "column": ("todo", "started", "done", "removed", "missing"),
    "label": ("bug", "removed", "missing"),
    "task": ("paint", "part", "urgent", "done", "archived", "missing"),
    "checklist": ("kept", "removed", "missing"),
    "item": ("kept", "removed", "missing"),
    "file": ("kept", "removed", "missing"),
    "comment": ("kept", "answer", "deleted", "missing"),
    "snippet": ("kept", "archived", "missing"),
    "snippetversion": ("first", "latest", "submitted", "missing"),
    "snippetcomment": ("kept", "answer", "deleted", "missing"),
    "snippetshare": ("contract", "link", "room", "missing"),
    "person": ("applicant", "hired", "owner", "missing"),
    "room": ("group", "direct", "contract", "missing"),
    "message": ("first", "answer", "deleted", "missing"),
    "draft": ("kept", "missing"),
    "scheduled": ("kept", "missing"),
    "report": ("kept", "missing"),
}  # fmt: skip
"""Things the stage must have, by the prefix of their ids."""

PREFIXES = {
    f"... on {name}": name.removeprefix("Gig").removeprefix("Board").removeprefix("Task").lower() or name.lower()
    for name in (
        "Gig", "Application", "Contract", "Feedback", "GigInvitation", "GigQuestion", "User", "Freelancer", "Client", "Skill",
        "Session", "Job", "Notification", "Board", "BoardColumn", "BoardLabel", "Task", "TaskChecklist", "TaskComment", "Person",
        "AdminAct", "Room",
        "Snippet", "SnippetVersion", "SnippetComment", "SnippetShare",
    )
} | {
    "... on TaskChecklistItem": "item", "... on Attachment": "file", "... on MessageDraft": "draft",
    "... on ScheduledMessage": "scheduled", "... on MessageReport": "report",
}  # fmt: skip
"""Which ids a type has, by its type condition."""

TEXTS = (
    "booking",
    "Booking page",
    "Anna",
    "a",
    "DE",
    "FR",
    "python",
    "WEB",
    "",
    "%",
    "_",
    "Dollars, please",
    "Zoë",
    "paint",
    "outside",
)
SEARCHES = (
    "booking", "booking page", '"booking page"', "bokking", "pagee slot", "pay -slot", "slot or zebra", "visitors pay",
    "zzzzqq", "dolars", "translate", "bo",
)  # fmt: skip
MOMENTS = (
    "2026-11-22T12:00:00Z", "2026-11-22T14:00:00+02:00", "2026-12-22T12:00:00Z", "2027-01-01T00:00:00Z",
    "2020-02-29T23:59:59.999999Z", "2026-11-22T12:00:00.000001Z",
)  # fmt: skip
SCALARS: dict[str, tuple[Any, ...]] = {
    "String": TEXTS,
    "DateTime": MOMENTS,
    "Date": ("2026-11-22", "2026-12-01", "2027-02-28"),
    "Decimal": ("0", "4.5", "4.50", "5", "500", "750.00", "900", "1e3", "-1"),
    "Int": (0, 1, 2, 3, 20, 40, -1, 2**31 - 1),
    "Boolean": (True, False),
    "CurrencyCode": ("EUR", "USD", "JPY"),
}
PAGES = 5
"""Cursors that the stage offers of each list."""
WITHOUT_CURSORS = {"Query.recommendedGigs", "Gig.recommendedFreelancers"}
"""Lists that are empty on the stage, which has no index."""

MAX_DEPTH = 8
MAX_WEIGHT = 200
"""How many objects a nested list may stand for; more makes a document slow without making it more telling."""


@dataclass(frozen=True, slots=True)
class Case:
    """One request of one viewer. `follow` names the variable that takes a cursor of the list `paged` in a second run."""

    document: str
    variables: dict[str, Any]
    viewer: str
    operation_name: str | None = None
    follow: str | None = None

    def __str__(self) -> str:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False)

    @classmethod
    def read(cls, text: str) -> Case:
        return cls(**json.loads(text))


@cache
def public_schema() -> GraphQLSchema:
    return build_schema(SCHEMA_FILE.read_text())


def cases() -> SearchStrategy[Case]:
    """Cases as hypothesis chooses them; about one in twenty holds an argument that is refused."""
    return st.randoms(use_true_random=False).map(lambda random: _Writer(random).case())


def written(seed: int) -> Case:
    """The case of this seed, the same for ever: for tests that want many cases in no time, and none made smaller."""
    return _Writer(Random(seed)).case()


def reachable(schema: GraphQLSchema) -> set[tuple[str, str]]:
    """(object type, field) for everything that a query can select."""
    assert schema.query_type is not None
    return {(kind.name, name) for kind in _types_below(schema.query_type) for name in kind.fields}


def selected(schema: GraphQLSchema, document: str) -> set[tuple[str, str]]:
    """(type, field) for everything that a document selects."""
    info = TypeInfo(schema)
    found: set[tuple[str, str]] = set()

    class Fields(Visitor):
        def enter_field(self, node: Any, *_: Any) -> None:
            parent = info.get_parent_type()
            assert parent is not None
            found.add((parent.name, node.name.value))

    visit(parse(document), TypeInfoVisitor(info, Fields()))
    return found


def path_to(kind: str, name: str) -> tuple[str, ...]:
    """The shortest path of fields from the query to this field; types of interfaces are written `... on Gig`."""
    return (*_ways()[kind][0], name)


# -- the shape of the schema -------------------------------------------------------------------------------------------


def _below(kind: GraphQLNamedType) -> Sequence[GraphQLObjectType]:
    """Object types that a field of this type may answer."""
    if is_abstract_type(kind):
        return public_schema().get_possible_types(kind)
    return (kind,) if isinstance(kind, GraphQLObjectType) else ()


def _types_below(root: GraphQLObjectType) -> list[GraphQLObjectType]:
    found = {root.name: root}
    waiting = [root]
    while waiting:
        for part in waiting.pop().fields.values():
            for kind in _below(get_named_type(part.type)):
                if kind.name not in found:
                    found[kind.name] = kind
                    waiting.append(kind)
    return list(found.values())


@cache
def _ways() -> dict[str, list[tuple[str, ...]]]:
    """Some of the shortest paths from the query to each type."""
    root = public_schema().query_type
    assert root is not None
    ways: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    waiting: list[tuple[GraphQLObjectType, tuple[str, ...]]] = [(root, ())]
    while waiting:
        following: list[tuple[GraphQLObjectType, tuple[str, ...]]] = []
        for kind, way in waiting:
            if len(ways[kind.name]) >= 6:
                continue
            ways[kind.name].append(way)
            for name, part in kind.fields.items():
                target = get_named_type(part.type)
                for below in _below(target):
                    step = (name, f"... on {below.name}") if is_abstract_type(target) else (name,)
                    following.append((below, way + step))
        waiting = following
    return dict(ways)


@cache
def _goals() -> tuple[tuple[str, str], ...]:
    return tuple(sorted(reachable(public_schema())))


# -- what is selected under one name -----------------------------------------------------------------------------------


@dataclass
class _Answer:
    """What one response key of a level stands for. Two selections of the key must agree in all of it."""

    name: str
    arguments: str
    kind: str
    below: _Level = field(default_factory=lambda: _Level())  # noqa: PLW0108 - defined below

    def agrees(self, other: _Answer) -> bool:
        same = (self.name, self.arguments, self.kind) == (other.name, other.arguments, other.kind)
        return same and self.below.agrees(other.below)


class _Level(dict[str, _Answer]):
    """The response keys at one path of the answer."""

    def agrees(self, other: _Level) -> bool:
        return all(self[key].agrees(other[key]) for key in self.keys() & other.keys())

    def merge(self, other: _Level) -> None:
        for key, answer in other.items():
            if key in self:
                self[key].below.merge(answer.below)
            else:
                self[key] = deepcopy(answer)


# -- values ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Word:
    """A value of an enum."""

    name: str


@dataclass(frozen=True, slots=True)
class _Use:
    """The use of a variable."""

    name: str


def _literal(value: Any) -> str:
    if isinstance(value, _Word):
        return value.name
    if isinstance(value, _Use):
        return f"${value.name}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_literal(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, _Word):
        return value.name
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value


def _mark(prefix: str, name: str) -> str:
    return f"<{prefix}.{name}>"


# -- writing -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Fragment:
    name: str
    type: str
    text: str
    level: _Level


class _Writer:
    def __init__(self, random: Random) -> None:
        self.random = random
        self.schema = public_schema()
        self.fragments: list[_Fragment] = []
        self.declared: dict[str, str] = {}
        self.variables: dict[str, Any] = {}
        self.follow: str | None = None
        self.names = itertools.count(1)
        self.left = 0
        self.aliases = 0
        self.is_sour = False

    def case(self) -> Case:
        viewer = self.choose(VIEWERS)
        self.is_sour = self.chance(5)
        self.left = self.random.randint(4, 24)
        kind, name = self.choose(_goals())
        goal = (*self.choose(_ways()[kind]), name)
        root = self.schema.query_type
        assert root is not None
        text = self.selection(root, _Level(), depth=1, weight=1, goal=goal)
        return self.finished(viewer, text)

    def finished(self, viewer: str, text: str) -> Case:
        """What was discarded on the way leaves neither fragments nor variables behind."""
        by_name = {fragment.name: fragment for fragment in self.fragments}
        used: dict[str, _Fragment] = {}
        waiting = [text]
        while waiting:
            for name in re.findall(r"\.\.\.(F\d+)", waiting.pop()):
                if name not in used:
                    used[name] = by_name[name]
                    waiting.append(by_name[name].text)
        parts = [f"fragment {f.name} on {f.type} {f.text}" for f in used.values()]
        whole = " ".join([text, *parts])
        names = [name for name in self.declared if re.search(rf"\${name}\b", whole)]
        operation_name = None
        if self.chance(10):
            operation_name = "Asked"
            parts.append("query Other { viewer { id } }")
        head = "query Asked" if operation_name or names or self.chance(50) else ""
        if names:
            head += "(" + ", ".join(f"${name}: {self.declared[name]}" for name in names) + ")"
        document = "\n".join([f"{head} {text}".strip(), *parts])
        variables = {name: self.variables[name] for name in names if name in self.variables}
        follow = self.follow if self.follow in names else None
        return Case(document, variables, viewer, operation_name, follow)

    # -- selections --------------------------------------------------------------------------------------------------

    def selection(
        self, parent: Any, level: _Level, *, depth: int, weight: int, goal: Sequence[str] = ()
    ) -> str:
        parts: list[str] = []
        if goal:
            parts.append(self.towards(parent, level, depth, weight, goal))
        wanted = self.random.randint(0 if parts else 1, 2 if depth == 1 else 4)
        for _ in range(wanted):
            parts.append(self.part(parent, level, depth, weight))
        return "{ " + " ".join(self.order(part for part in parts if part) or ["__typename"]) + " }"

    def order(self, parts: Iterable[str]) -> list[str]:
        found = list(parts)
        return list(reversed(found)) if len(found) > 1 and self.chance(30) else found

    def towards(self, parent: Any, level: _Level, depth: int, weight: int, goal: Sequence[str]) -> str:
        if not goal[0].startswith("... on "):
            return self.field(parent, goal[0], level, depth, weight, goal[1:])
        kind = self.schema.type_map[goal[0].removeprefix("... on ")]
        return f"{goal[0]} {self.selection(kind, level, depth=depth, weight=weight, goal=goal[1:])}"

    def part(self, parent: Any, level: _Level, depth: int, weight: int) -> str:
        """A field, `__typename`, or a fragment that holds more of them."""
        style = self.choose(("field",) * 12 + ("typename", "inline", "bare", "interface", "new", "again"))
        if isinstance(parent, GraphQLInterfaceType) and style == "field":
            style = self.choose(("field", "inline", "inline", "inline", "typename", "new"))
        if style == "typename":
            return self.typename(level)
        if style == "again":
            return self.spread_again(parent, level) or self.any_field(parent, level, depth, weight)
        self.left -= 1
        if style == "field" or self.left < 0:
            return self.any_field(parent, level, depth, weight)
        if style == "new":
            return self.spread_new(parent, level, depth, weight)
        if style == "interface":
            return self.on_interface(parent, level) or self.any_field(parent, level, depth, weight)
        kind = self.narrowed(parent)
        head = "..." if style == "bare" else f"... on {kind.name}"
        inner = self.selection(parent if style == "bare" else kind, level, depth=max(depth, 2), weight=weight)
        return f"{head}{self.directive()} {inner}"

    def narrowed(self, parent: Any) -> Any:
        """The type itself, or one of those it may be."""
        kinds = _below(parent)
        return kinds[0] if len(kinds) == 1 else self.choose((*kinds, parent))

    def on_interface(self, parent: Any, level: _Level) -> str | None:
        if not isinstance(parent, GraphQLObjectType) or not parent.interfaces:
            return None
        interface = self.choose(tuple(parent.interfaces))
        parts = [
            self.leaf(interface, name, level) if self.chance(60) else self.typename(level)
            for name in interface.fields
        ]
        return f"... on {interface.name}{self.directive()} {{ {' '.join(parts)} }}"

    def spread_new(self, parent: Any, level: _Level, depth: int, weight: int) -> str:
        kind, own = self.narrowed(parent), _Level()
        text = self.selection(kind, own, depth=max(depth, 2), weight=weight)
        fragment = _Fragment(f"F{next(self.names)}", kind.name, text, own)
        self.fragments.append(fragment)
        return self.spread(fragment, level) or self.typename(level)

    def spread_again(self, parent: Any, level: _Level) -> str | None:
        names = {parent.name, *(kind.name for kind in _below(parent))}
        fitting = [f for f in self.fragments if f.type in names]
        return self.spread(self.choose(fitting), level) if fitting else None

    def spread(self, fragment: _Fragment, level: _Level) -> str | None:
        if not level.agrees(fragment.level):
            return None
        level.merge(fragment.level)
        return f"...{fragment.name}{self.directive()}"

    def typename(self, level: _Level) -> str:
        answer = _Answer("__typename", "", "String!")
        key = self.free_key(level, "__typename", answer, aliased=self.chance(20))
        return "__typename" if key == "__typename" else f"{key}: __typename"

    def any_field(self, parent: Any, level: _Level, depth: int, weight: int) -> str:
        fields = parent.fields
        names = [
            name
            for name, part in fields.items()
            if is_leaf_type(get_named_type(part.type))
            or (depth < MAX_DEPTH - 2 and self.left > 0 and weight <= MAX_WEIGHT)
        ]
        if not names:
            return self.typename(level)
        unseen = [name for name in names if name not in level]
        return self.field(
            parent, self.choose(unseen if unseen and self.chance(80) else names), level, depth, weight
        )

    def leaf(self, parent: Any, name: str, level: _Level) -> str:
        return self.field(parent, name, level, MAX_DEPTH, 1)

    def field(
        self, parent: Any, name: str, level: _Level, depth: int, weight: int, goal: Sequence[str] = ()
    ) -> str:
        self.left -= 1
        definition = parent.fields[name]
        target = get_named_type(definition.type)
        is_followed = False
        if "after" in definition.args:
            is_followed = self.follow is None and "paged" not in level and self.chance(20)
            given, size = self.paging(parent.name, name, definition.args, weight, is_followed)
        else:
            given, size = self.given(name, definition.args, goal), 3 if _is_list(definition.type) else 1
        arguments = "(" + ", ".join(f"{n}: {_literal(v)}" for n, v in given.items()) + ")" if given else ""
        answer = _Answer(name, arguments, str(definition.type))
        if is_followed:
            key = "paged"
            level[key] = answer
        else:
            key = self.free_key(level, name, answer, aliased=self.chance(50 if given else 5))
        head = (name if key == name else f"{key}: {name}") + arguments
        if is_leaf_type(target):
            return head + self.directive()
        below = level[key].below
        inner = self.selection(target, below, depth=depth + 1, weight=weight * size, goal=goal)
        text = f"{head}{'' if goal else self.directive()} {inner}"
        if is_followed:
            cursors = self.selection(target, below, depth=depth + 1, weight=1, goal=("edges", "cursor"))
            text += f" {head} {cursors}"
        if self.left > 0 and self.chance(10):
            text += f" {head} {self.selection(target, below, depth=depth + 1, weight=weight * size)}"
        return text

    def free_key(self, level: _Level, name: str, answer: _Answer, *, aliased: bool) -> str:
        """A response key under which this may be selected here; taken."""
        if (not aliased or self.aliases >= 15) and (name not in level or level[name].agrees(answer)):
            level.setdefault(name, answer)
            return name
        self.aliases += 1
        key = f"a{next(self.names)}"
        level[key] = answer
        return key

    def directive(self) -> str:
        if not self.chance(8):
            return ""
        name = self.choose(("include", "skip"))
        value: Any = self.chance(50)
        if self.chance(60):
            value = self.variable("Boolean!", value, is_nullable=False)
        both = f" @{'skip' if name == 'include' else 'include'}(if: {_literal(self.chance(50))})"
        return f" @{name}(if: {_literal(value)}){both if self.chance(15) else ''}"

    # -- arguments ---------------------------------------------------------------------------------------------------

    def given(self, name: str, arguments: dict[str, GraphQLArgument], goal: Sequence[str]) -> dict[str, Any]:
        """Arguments of a field that is no connection."""
        if goal and goal[0] in PREFIXES and self.chance(80):
            name = PREFIXES[goal[0]]
        given: dict[str, Any] = {}
        for argument, definition in arguments.items():
            is_required = isinstance(definition.type, GraphQLNonNull)
            if not is_required and not self.chance(40):
                continue
            if is_required and definition.default_value is not Undefined and self.chance(40):
                continue
            if argument == "first":
                sizes = (0, 26) if self.is_sour and self.chance(50) else (1, 3, 25)
                value: Any = self.choose(sizes)
            else:
                hint = name if argument in {"id", "ids"} else argument
                value = self.value(definition.type, hint)
            given[argument] = self.perhaps_variable(definition, value)
        return given

    def paging(
        self, parent: str, name: str, arguments: dict[str, GraphQLArgument], weight: int, is_followed: bool
    ) -> tuple[dict[str, Any], int]:
        """Arguments of a connection, and how many items it may answer."""
        given: dict[str, Any] = {}
        if not is_followed and "around" in arguments and self.chance(30):
            given = {
                "around": self.value(arguments["around"].type, "around"),
                "first": self.choose((1, 2, 3)),
            }
            return given | self.named(arguments), given["first"]
        if not is_followed and self.chance(20):
            given = self.from_cursor(f"{parent}.{name}")
        else:
            for argument in ("search", "where", "orderBy"):
                if argument in arguments and self.chance(35):
                    given[argument] = self.value(arguments[argument].type, argument)
            self.pair_relevance(given)
        backwards = "before" in given or ("after" not in given and self.chance(30))
        may_be_default = weight * 20 <= MAX_WEIGHT and not backwards
        size = 20
        if not may_be_default or self.chance(70):
            size = self.choose((1, 2, 3)) if weight > 3 else self.choose((1, 2, 3, 5, 100))
            given["last" if backwards else "first"] = size
        if self.is_sour and self.chance(60):
            given |= self.refused_paging(parent, name)
        nulls = [n for n in ("first", "after", "where") if n in arguments and n not in given]
        if nulls and may_be_default and self.chance(4):
            given[self.choose(nulls)] = None
        for argument, value in given.items():
            is_size = argument in {"first", "last"}
            given[argument] = self.perhaps_variable(arguments[argument], value, must_be_given=is_size)
        if is_followed:
            self.follow = f"v{next(self.names)}"
            self.declared[self.follow] = "String"
            given["before" if backwards else "after"] = _Use(self.follow)
        given |= self.named(arguments)
        items = {key: given[key] for key in self.random.sample(list(given), len(given))}
        return items, min(size, 20)

    def named(self, arguments: dict[str, GraphQLArgument]) -> dict[str, Any]:
        """What the list is of, where a root field says that. Cursors are of one room, which is asked for most of the time."""
        if "roomId" not in arguments:
            return {}
        value = self.value(arguments["roomId"].type, "roomId") if self.chance(30) else _mark("room", "group")
        return {"roomId": self.perhaps_variable(arguments["roomId"], value)}

    def pair_relevance(self, given: dict[str, Any]) -> None:
        by_relevance = any(key["field"] == _Word("RELEVANCE") for key in given.get("orderBy", ()))
        if by_relevance and "search" not in given and not self.is_sour:
            given["search"] = self.choose(SEARCHES)

    def from_cursor(self, name: str) -> dict[str, Any]:
        """A page of the list as it comes without filter and order."""
        if name in WITHOUT_CURSORS:
            return {}
        cursor = _mark(f"cursor.{name}", str(self.random.randint(0, PAGES - 1)))
        return {"before" if self.chance(40) else "after": cursor}

    def refused_paging(self, parent: str, name: str) -> dict[str, Any]:
        other = "Query.skills" if name != "skills" else "Query.gigs"
        own = None if f"{parent}.{name}" in WITHOUT_CURSORS else _mark(f"cursor.{parent}.{name}", "0")
        refused: dict[str, Any] = self.choose(
            (
                {"first": 0},
                {"first": 101},
                {"last": -1},
                {"first": 1, "last": 1},
                {"first": 1, "after": "forged"},
                {"first": 1, "after": _mark(f"cursor.{other}", "0")},
                {"last": 1, "before": ""},
                {"first": 1, "before": own or ""},
            )
        )
        return refused

    def perhaps_variable(
        self, definition: GraphQLArgument | GraphQLInputField, value: Any, *, must_be_given: bool = False
    ) -> Any:
        if not self.chance(35):
            return value
        if _holds_variables(value):
            return value
        is_nullable = not isinstance(definition.type, GraphQLNonNull)
        return self.variable(str(definition.type), value, is_nullable=is_nullable and not must_be_given)

    def variable(self, kind: str, value: Any, *, is_nullable: bool) -> _Use:
        """A variable for a place of this type: with or without a default, given, left out or null."""
        name = f"v{next(self.names)}"
        if value is None or (is_nullable and self.chance(12)):
            self.declared[name] = kind
            if value is None or self.chance(50):
                self.variables[name] = None
            return _Use(name)
        style = self.choose(("given", "given", "demanded", "default", "overridden"))
        base = kind.removesuffix("!")
        if style == "default":
            self.declared[name] = f"{self.choose((base, kind))} = {_literal(value)}"
            return _Use(name)
        self.variables[name] = _plain(value)
        if style == "overridden" and not isinstance(value, list | dict):
            self.declared[name] = f"{base} = {_literal(value)}"
        else:
            self.declared[name] = f"{base}!" if style == "demanded" else kind
        return _Use(name)

    # -- values ------------------------------------------------------------------------------------------------------

    def value(self, kind: GraphQLInputType, hint: str, *, depth: int = 0) -> Any:
        """A value of this type; `hint` is the argument, the field of an input or the root field it is for."""
        if isinstance(kind, GraphQLNonNull):
            return self.value(kind.of_type, hint, depth=depth)
        if isinstance(kind, GraphQLList):
            return self.values(kind, hint, depth)
        if isinstance(kind, GraphQLEnumType):
            return _Word(self.choose(tuple(kind.values)))
        if isinstance(kind, GraphQLInputObjectType):
            return self.input(kind, depth)
        if kind.name == "ID":
            return self.id(hint)
        if hint == "search":
            return (
                self.choose(("", "the", " ")) if self.is_sour and self.chance(30) else self.choose(SEARCHES)
            )
        return self.choose(SCALARS[kind.name])

    def values(self, kind: GraphQLList[Any], hint: str, depth: int) -> Any:
        items = [self.value(kind.of_type, hint, depth=depth + 1) for _ in range(self.random.randint(1, 3))]
        if hint != "orderBy" and self.chance(5):
            return []
        # A single value stands for a list of one.
        return items[0] if len(items) == 1 and hint != "orderBy" and self.chance(20) else items

    def input(self, kind: GraphQLInputObjectType, depth: int) -> dict[str, Any]:
        required = [n for n, part in kind.fields.items() if isinstance(part.type, GraphQLNonNull)]
        optional = [
            n for n in kind.fields if n not in required and (depth < 2 or n not in {"AND", "OR", "NOT"})
        ]
        required = [n for n in required if kind.fields[n].default_value is Undefined or self.chance(60)]
        count = self.random.randint(0 if required else 1, 2) if optional else 0
        chosen = list(dict.fromkeys(self.choose(optional) for _ in range(count)))
        given: dict[str, Any] = {}
        for name in required + chosen:
            part = kind.fields[name]
            value = self.value(part.type, name, depth=depth + 1)
            if self.is_sour and name in chosen and self.chance(10):
                value = None
            given[name] = value if value is None else self.perhaps_input_variable(part, value)
        return given

    def perhaps_input_variable(self, part: GraphQLInputField, value: Any) -> Any:
        return self.perhaps_variable(part, value) if self.chance(25) else value

    def id(self, hint: str) -> str:
        prefixes = {
            "any": "skill", "all": "skill", "none": "skill", "clientId": "client", "accountId": "user", "actorId": "user", "node": None, "nodes": None,
            "columns": "column", "assignees": "person", "labels": "label",
            "roomId": "room", "around": "message", "threadId": "message", "messageVersions": "message", "messageReaders": "message", "authorIds": "person", "mentionedId": "person",
            "from": "snippetversion", "to": "snippetversion",
        }  # fmt: skip
        prefix = prefixes.get(hint, hint)
        if self.is_sour and self.chance(40):
            wrong = ("", "gig_", "nonsense", _mark("user", "owner"), "gig_01jd0000000000000000000000x")
            return str(self.choose(wrong))
        if prefix is None:
            prefix = self.choose(tuple(IDS))
        return _mark(prefix, self.choose(IDS[prefix]))

    # -- chance ------------------------------------------------------------------------------------------------------

    def choose(self, options: Any) -> Any:
        return self.random.choice(options)

    def chance(self, percent: int) -> bool:
        """True in so many of a hundred."""
        return self.random.randrange(100) >= 100 - percent


def _is_list(kind: Any) -> bool:
    """Whether a field of this type answers a list, nullable or not."""
    return is_list_type(kind.of_type if isinstance(kind, GraphQLNonNull) else kind)


def _holds_variables(value: Any) -> bool:
    parts: Iterator[Any] | list[Any] = (
        list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    )
    return isinstance(value, _Use) or any(_holds_variables(part) for part in parts)
