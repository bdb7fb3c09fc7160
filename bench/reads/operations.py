"""What is asked, in the words of each server, and how answers are made comparable."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from models.ids import decode_id, encode_id, prefix_of

_TYPED_ID = re.compile(r"[a-z]+_[0-7][0-9a-z]{25}")
_TIMES = frozenset({"deadline", "createdAt", "publishedAt", "updatedAt", "submittedAt"})
_SKILLS = "skills: gigSkillsList(orderBy: POSITION_ASC) { skill { id: rowId name } }"
_CLIENT = "client { id: userId user { name } }"
_NEWEST = "orderBy: [LISTED_AT_DESC, ROW_ID_DESC]"
LETTER = "I have done three projects of this kind, two of them for customers in your line of business. " * 3


@dataclass(frozen=True, slots=True)
class Operation:
    """One kind of request. `asker` says whose variables and whose token it takes."""

    name: str
    document: str
    postgraphile: str
    asker: str = "reader"  # or "owner", or "applicant"
    must: bytes = b'"id":"'


Q1 = Operation(
    "Q1",
    "query Q1($first: Int!) { gigs(first: $first) {"
    " nodes { id title status applicationCount publishedAt deadline } pageInfo { hasNextPage } } }",
    f"query Q1($first: Int!) {{ gigs(first: $first, {_NEWEST}) {{"
    " nodes { id: rowId title status applicationCount publishedAt deadline } pageInfo { hasNextPage } } }",
)
Q2 = Operation(
    "Q2",
    "query Q2($first: Int!) { gigs(first: $first) {"
    " nodes { id title status applicationCount publishedAt deadline client { id name } skills { id name } }"
    " pageInfo { hasNextPage } } }",
    f"query Q2($first: Int!) {{ gigs(first: $first, {_NEWEST}) {{"
    f" nodes {{ id: rowId title status applicationCount publishedAt deadline {_CLIENT} {_SKILLS} }}"
    " pageInfo { hasNextPage } } }",
)
Q3 = Operation(
    "Q3",
    "query Q3($id: ID!) { client(id: $id) { id name gigs(first: 20) { nodes { id title client { id name }"
    " skills { id name } applications(first: 5) { nodes { id status submittedAt"
    " freelancer { id name skills { id name } } } } } } } }",
    f"query Q3($id: UUID!) {{ client: clientProfile(userId: $id) {{ id: userId user {{ name }}"
    f" gigs: gigsByClientIdList(first: 20, {_NEWEST}) {{ id: rowId title {_CLIENT} {_SKILLS}"
    " applications: applicationsList(first: 5, orderBy: [SUBMITTED_AT_DESC, ROW_ID_DESC]) {"
    " id: rowId status submittedAt freelancer { id: userId user { name }"
    " skills: freelancerSkillsByFreelancerIdList(orderBy: POSITION_ASC) { skill { id: rowId name } } } } } } }",
    asker="owner",
)
Q4 = Operation(
    "Q4",
    "query Q4($id: ID!) { gig(id: $id) { id title description status applicationCount createdAt"
    " client { id name } skills { id name } } }",
    f"query Q4($id: UUID!) {{ gig(rowId: $id) {{ id: rowId title description status applicationCount createdAt"
    f" {_CLIENT} {_SKILLS} }} }}",
)
Q5 = Operation(
    "Q5",
    "query Q5 { gigs(first: 100) {"
    " nodes { id title status visibility wanted hired applicationCount version deadline updatedAt } } }",
    f"query Q5 {{ gigs(first: 100, {_NEWEST}) {{"
    " nodes { id: rowId title status visibility wanted hired applicationCount version deadline updatedAt } } }",
)
_SUBMIT = (
    "mutation M1($input: ApplicationSubmitInput!) {"
    " applicationSubmit(input: $input) { outcome application { id status } } }"
)
M1 = Operation("M1", _SUBMIT, _SUBMIT, asker="applicant", must=b'"APPLIED"')
# Beside M1, without a floor: what a peer needs for the row alone.
INSERT = Operation(
    "insert",
    M1.document.replace("applicationSubmit", "applicationInsert"),
    "",
    asker="applicant",
    must=M1.must,
)
READS = (Q1, Q2, Q3, Q4, Q5)
ALL = (*READS, M1)


@dataclass(frozen=True, slots=True)
class Variables:
    """Of one request, before it is written for a server: who asks, and about what."""

    user_id: UUID
    subject_id: UUID
    key: str = ""

    def of(self, operation: Operation, *, typed: bool) -> dict[str, Any]:
        """`typed` writes our public ids, otherwise plain UUIDs."""
        match operation.name:
            case "Q1" | "Q2":
                return {"first": 20}
            case "Q3":
                return {"id": encode_id("client", self.user_id) if typed else str(self.user_id)}
            case "Q4":
                return {"id": self._gig(typed=typed)}
            case "M1" | "insert":
                gig = self._gig(typed=typed)
                values = {"gigId": gig, "coverLetter": LETTER, "price": "500.00", "idempotencyKey": self.key}
                return {"input": values}
            case _:
                return {}

    def _gig(self, *, typed: bool) -> str:
        return encode_id("gig", self.subject_id) if typed else str(self.subject_id)


def canonical(answer: bytes) -> Any:
    """Data that is equal for equal answers: ids as UUIDs, times as instants, wrappers of one field unwrapped."""
    parsed = json.loads(answer, parse_float=Decimal)
    if parsed.get("errors"):
        raise ValueError(f"answered with errors: {parsed['errors']}")
    return _plain(parsed["data"], "")


def _plain(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_plain(item, name) for item in value]
    if isinstance(value, dict):
        return _unwrapped({key: _plain(item, key) for key, item in value.items()})
    if isinstance(value, str) and _TYPED_ID.fullmatch(value) and name == "id":
        return str(decode_id(prefix_of(value), value))
    if isinstance(value, str) and name in _TIMES:
        return datetime.fromisoformat(value).astimezone(UTC)
    return value


def _unwrapped(value: dict[str, Any]) -> Any:
    """A list may be the `nodes` of a connection, a skill that of a link, a name that of the profile's user."""
    if value.keys() == {"nodes"} or value.keys() == {"skill"}:
        return next(iter(value.values()))
    if isinstance(value.get("user"), dict):
        return {**{key: item for key, item in value.items() if key != "user"}, **value["user"]}
    return value


def difference(ours: Any, theirs: Any, path: str = "data") -> str | None:
    """Where two canonical answers first differ; None if they do not."""
    if isinstance(ours, dict) and isinstance(theirs, dict) and ours.keys() == theirs.keys():
        return _first(difference(ours[key], theirs[key], f"{path}.{key}") for key in ours)
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        return _first(
            difference(a, b, f"{path}[{i}]") for i, (a, b) in enumerate(zip(ours, theirs, strict=True))
        )
    return None if ours == theirs else f"{path}: {str(ours)[:200]} is not {str(theirs)[:200]}"


def _first(differences: Any) -> str | None:
    return next((found for found in differences if found is not None), None)


def chosen(names: Sequence[str]) -> list[Operation]:
    known = {operation.name: operation for operation in ALL}
    return [known[name] for name in names] if names else list(ALL)
