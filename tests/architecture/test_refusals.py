"""What a use case can refuse, its mutation declares: found by reading the code along its calls, not by running it.

A call is followed by name. Receivers of methods are told apart by what they are called here (`RECEIVERS`); a receiver
that is not listed, of a method that can refuse, fails the test, so that nothing is overlooked.
"""

import ast
import importlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import sqlalchemy as sa
from strawberry.types.base import StrawberryList

from auth.viewer import SignInRequired
from models import registry
from models.errors import BY_CONSTRAINT, DomainError, IdempotencyConflict, Invalid, NotAllowed, StaleVersion
from models.table import metadata
from schema import payloads, root
from schema.payloads import DECLARED, MEMBERS
from tests.architecture.test_rooms import ROOT

assert root  # declares every mutation

RECEIVERS = {
    "gig": "Gig",
    "original": "Gig",
    "application": "Application",
    "contract": "Contract",
    "invitation": "GigInvitation",
    "feedback": "Feedback",
    "content": "GigContent",
    "after": "GigContent",
    "before": "GigContent",
    "checks": "Checks",
    "tx": "Transaction",
    "op": "Operation",
    "viewer": "Viewer",
    "user": "User",
    "session": "Session",
    "token": "RefreshToken",
    "row": "Job",
    "profile": "FreelancerProfile",
    "passwords": "Passwords",
    "tokens": "Tokens",
    "attendance": "Attendance",
    "db": "Database",
    "func": "SQL",
    "text": "str",
    "board": "OpenBoard",
    "snippet": "OpenSnippet",
    "look": "Look",
    "comment": "SnippetComment",
    "column": "BoardColumn",
    "task": "Task",
    "act": "BoardAct",
    "room": "Room",
    "here": "Here",
    "saying": "Saying",
    "message": "ChatMessage",
    "scheduled": "ScheduledMessage",
    "report": "MessageReport",
    "store": "OptimisticLog",
    "words": "ChatWords",
    "GIG_WORKFLOW": "Workflow",
    "INVITATION_WORKFLOW": "Workflow",
    "APPLICATION_WORKFLOW": "Workflow",
    "CONTRACT_WORKFLOW": "Workflow",
}
# Found by the reading, impossible in the running.
IMPOSSIBLE = {
    ("application_accept", "KeyTaken"): "a new board is called after its gig, and no other board can be",
    ("account_erase", "InvalidTransition"): "the verb is one that the status of the gig allows",
    ("account_erase", "NobodyHired"): "hiring is stopped where somebody was hired",
    ("comment_unreact", "TaskIsFull"): "what is taken back adds nothing",
    ("gig_duplicate", "GigIdTaken"): "the copy gets an id of our own making",
    ("session_create", "EmailTaken"): "a person is read into a row, none is written",
    ("task_create", "ArchivedTask"): "the lists of a task are filled when it has just been written",
    ("task_unrelate", "TaskIsFull"): "one use case does both, and only relating adds",
    ("session_refresh", "NotFound"): "a token's session is there as long as the token: a foreign key",
}


@dataclass
class Code:
    """All functions of the rooms that take part in a mutation, and where names lead."""

    functions: dict[tuple[str, str], ast.AsyncFunctionDef | ast.FunctionDef] = field(default_factory=dict)
    methods: dict[str, dict[str, tuple[str, str]]] = field(default_factory=dict)
    modules: dict[str, ModuleType] = field(default_factory=dict)


@cache
def code() -> Code:
    found = Code()
    for room in ("models", "auth", "resolvers", "schema"):
        for file in sorted((ROOT / room).rglob("*.py")):
            _read(found, file)
    return found


def _read(found: Code, file: Path) -> None:
    name = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    found.modules[name] = importlib.import_module(name)
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.functions[(name, node.name)] = node
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
                    place = (name, f"{node.name}.{method.name}")
                    found.functions[place] = method
                    found.methods.setdefault(node.name, {})[method.name] = place


Place = tuple[str, str]


@cache
def steps(place: Place) -> tuple[frozenset[type[DomainError]], frozenset[Place], frozenset[str]]:
    """What a function raises itself, the functions it calls, and methods it calls on nobody knows whom."""
    module, name = place
    raised: set[type[DomainError]] = set()
    called: set[Place] = set()
    unknown: set[str] = set()
    for node in ast.walk(code().functions[place]):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name):
            raised |= _refusals_named(module, node.exc)
        if isinstance(node, ast.Call):
            raised |= _refusals_named(module, node.func)
            called |= _dispatched(module, node.func)
            target = _target(module, name.rpartition(".")[0], node.func)
            if isinstance(target, str):
                unknown.add(target)
            elif target is not None:
                called.add(target)
            raised |= _guards(module, name.rpartition(".")[0], _made(node))
    return frozenset(raised), frozenset(called), frozenset(unknown)


def _value(module: str, node: ast.expr) -> object:
    """What a name or a dotted name means in that module."""
    if isinstance(node, ast.Name):
        return getattr(code().modules[module], node.id, None)
    if isinstance(node, ast.Attribute):
        owner = _value(module, node.value)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
    return None


def _refusals_named(module: str, node: ast.expr) -> set[type[DomainError]]:
    """`X(…)`, `module.X(…)` and `X.violated()` of a refusal class."""
    if isinstance(node, ast.Attribute) and node.attr == "violated":
        node = node.value
    value = _value(module, node)
    return {value} if isinstance(value, type) and issubclass(value, DomainError) else set()


def _made(call: ast.Call) -> ast.expr:
    """The class of the row that a call makes, if it makes one: `Table(…)` or `new_row(Table, …)`."""
    return call.args[0] if ast.unparse(call.func) == "new_row" else call.func


def _guards(module: str, own_class: str, node: ast.expr) -> set[type[DomainError]]:
    """Refusals that the database raises for us when a row of that table is written."""
    if isinstance(node, ast.Name) and node.id == "cls":
        node = ast.Name(own_class)
    table = getattr(_value(module, node), "__table__", None)
    if not isinstance(table, sa.Table):
        return set()
    return {refusal for name, refusal in BY_CONSTRAINT.items() if _table_of(name) == table.name}


def _table_of(constraint: str) -> str:
    for table in metadata.tables.values():
        names = {str(c.name) for c in table.constraints} | {str(i.name) for i in table.indexes}
        if constraint in names:
            return table.name
    raise LookupError(f"no table has the constraint {constraint}")


def _target(module: str, own_class: str, node: ast.expr) -> Place | str | None:
    """The function that a call leads to; its name alone if the receiver is unknown; None if it is none of ours."""
    value = _value(module, node)
    if value is not None:
        place = _place(value)
        return place if place in code().functions else None
    if not isinstance(node, ast.Attribute):
        return None
    if _value(module, _root(node)) is sa:
        return None
    owner = _value(module, node.value)
    if isinstance(owner, type):
        return _method(owner.__name__, node.attr)
    receiver = ast.unparse(node.value).rpartition(".")[2]
    if receiver in {"self", "cls", "super()"}:
        return _method(own_class, node.attr)
    if receiver in RECEIVERS:
        return _method(RECEIVERS[receiver], node.attr)
    return f"{receiver}.{node.attr}"


def _root(node: ast.expr) -> ast.expr:
    """What a chain of calls and attributes begins with: `sa` of `sa.select(…).where(…).distinct`."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.value if isinstance(node, ast.Attribute) else node.func
    return node


def _dispatched(module: str, node: ast.expr) -> set[Place]:
    """All functions of a table of functions, where one is called that is picked at run time: `TABLE[name](…)`."""
    table = _value(module, node.value) if isinstance(node, ast.Subscript) else None
    return {_place(value) for value in table.values()} if isinstance(table, dict) else set()


def _place(function: object) -> Place:
    return getattr(function, "__module__", ""), getattr(function, "__qualname__", "")


def _method(owner: str, name: str) -> Place | None:
    return code().methods.get(owner, {}).get(name)


def can_raise(place: Place) -> tuple[set[type[DomainError]], set[str]]:
    """Everything along all calls."""
    seen: set[Place] = set()
    waiting = [place]
    raised: set[type[DomainError]] = set()
    unknown: set[str] = set()
    while waiting:
        here = waiting.pop()
        if here in seen:
            continue
        seen.add(here)
        refusals, calls, unnamed = steps(here)
        raised |= refusals
        unknown |= unnamed
        waiting += calls
    return raised, unknown


@cache
def refusing_methods() -> frozenset[str]:
    """Names of methods that can refuse, whoever they belong to."""
    return frozenset(
        name
        for owner in code().methods.values()
        for name, place in owner.items()
        if not place[0].startswith("schema") and can_raise(place)[0] - {SignInRequired}
    )


def mutations() -> Iterator[tuple[str, Place]]:
    for place, node in code().functions.items():
        if place[1] in DECLARED and any("mutation(" in ast.unparse(d) for d in node.decorator_list):
            yield place[1], place


def missing_in(name: str, place: Place) -> set[str]:
    """Refusals that the use case can raise and the mutation does not declare."""
    raised, _ = can_raise(place)
    if "expected_version" not in ast.unparse(code().functions[place]):
        raised -= {StaleVersion}  # nothing is expected, so nothing is stale
    return {
        refusal.__name__
        for refusal in raised - {SignInRequired}
        if not issubclass(refusal, DECLARED[name]) and (name, refusal.__name__) not in IMPOSSIBLE
    }


@pytest.mark.parametrize("refusal", registry.all_refusals(), ids=lambda refusal: refusal.__name__)
def test_every_refusal_is_answered_by_exactly_one_member(refusal: type[DomainError]) -> None:
    members = [member for family, member, _ in MEMBERS if issubclass(refusal, family)]

    if issubclass(refusal, SignInRequired):
        assert members == []  # a top-level error
    else:
        assert len(members) == 1


def test_every_refusal_has_a_code_of_its_own() -> None:
    codes = [refusal.code for refusal in registry.all_refusals()]

    assert len(codes) == len(set(codes))
    assert set(codes) == set(payloads.ErrorCode.__members__)


def test_every_guard_names_a_constraint_that_exists() -> None:
    assert {name: _table_of(name) for name in BY_CONSTRAINT} == {
        "pk_gig": "gig",
        "uq_gig_invitation_gig_id_freelancer_id": "gig_invitation",
        "ck_application_not_own_gig": "application",
        "pk_application": "application",
        "pk_task": "task",
        "uq_board_key": "board",
        "uq_feedback_contract_id_author_id": "feedback",
        "uq_users_email_lower": "users",
    }
    for refusal in BY_CONSTRAINT.values():
        assert type(refusal.violated()) is refusal


def test_every_mutation_is_found_by_the_reading() -> None:
    assert {name for name, _ in mutations()} == set(DECLARED)


@pytest.mark.parametrize(
    ("name", "place"), list(mutations()), ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_mutation_declares_what_its_use_case_can_refuse(name: str, place: Place) -> None:
    _, unknown = can_raise(place)

    assert missing_in(name, place) == set()
    assert {call for call in unknown if call.rpartition(".")[2] in refusing_methods()} == set()


@pytest.mark.parametrize(
    ("name", "place"), list(mutations()), ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_mutation_declares_nothing_that_cannot_happen(name: str, place: Place) -> None:
    raised, _ = can_raise(place)
    of_its_own = set(DECLARED[name]) - {Invalid, IdempotencyConflict, NotAllowed}

    vain = {declared.__name__ for declared in of_its_own if not any(issubclass(r, declared) for r in raised)}

    assert vain == set()


def test_the_reading_finds_what_is_there() -> None:
    raised, _ = can_raise(("resolvers.applications", "accept_application"))

    assert {"NoPlaceLeft", "GigNotOpen", "InvalidTransition", "NotAllowed", "NotFound"} <= {
        r.__name__ for r in raised
    }


@pytest.mark.parametrize(
    ("name", "place"), list(mutations()), ids=lambda part: part if isinstance(part, str) else ""
)
def test_a_mutation_that_takes_an_expected_version_heeds_it(name: str, place: Place) -> None:
    function = code().functions[place]
    annotation = next(a.annotation for a in function.args.args if a.arg == "input")
    assert annotation is not None
    kind = _value(place[0], annotation)

    takes_it = _takes_a_version(kind)

    assert takes_it == ("expected_version" in ast.unparse(function)), name
    assert takes_it == (StaleVersion in DECLARED[name]), name


def _takes_a_version(kind: object) -> bool:
    """Whether an input has the field, or the rows of a list in it have it."""
    fields = getattr(kind, "__dataclass_fields__", {})
    rows = [part.type.of_type for part in fields.values() if isinstance(part.type, StrawberryList)]
    return "expected_version" in fields or any(_takes_a_version(row) for row in rows)
