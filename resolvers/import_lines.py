"""Files of gigs, one JSON object a line: how they are read and what a line may say. See docs/import.md."""

import gzip
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar
from uuid import UUID

from models.checks import Checks
from models.errors import Invalid, Refusals
from models.gig import BudgetKind, GigVisibility, SkillNeed
from models.gig_content import GigContent, Question, WantedSkill
from models.ids import decode_id
from models.vocabulary import Vocabulary

LINE_LIMIT_BYTES = 1_000_000
_FIELDS = frozenset({
    "title", "description", "skills", "budget", "deadline", "expectedDuration", "wanted", "visibility", "questions", "languages",
    "timeZone", "overlapHours", "externalId",
})  # fmt: skip
_SKILL_ID = re.compile("skill_[0-9a-z]{26}")
_DAYS = re.compile(r"P(\d{1,5})D")
V = TypeVar("V", bound=Vocabulary)


class ImportRefused(Exception):
    """The file as a whole cannot be loaded; the message says why and what to do."""


class BadLine(Exception):
    """One line cannot become a gig. `unknown_skills` are names that a suggestion may help with."""

    def __init__(self, reason: str, *, unknown_skills: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.unknown_skills = unknown_skills


@dataclass(frozen=True, slots=True)
class Line:
    """`raw` is None for a line over the limit; `read_bytes` counts what was read of the file so far."""

    number: int
    raw: bytes | None
    read_bytes: int


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """Skills for new use: ids by casefolded name, and preferred names by id."""

    by_name: dict[str, UUID]
    names: dict[UUID, str]

    def find(self, name_or_id: str, *, path: tuple[str, ...]) -> UUID | None:
        if not _SKILL_ID.fullmatch(name_or_id):
            return self.by_name.get(" ".join(name_or_id.casefold().split()))
        skill_id = decode_id("skill", name_or_id, path=path)
        return skill_id if skill_id in self.names else None


@dataclass(frozen=True, slots=True)
class GigLine:
    number: int
    content: GigContent
    import_key: str


def read_lines(path: Path) -> Iterator[Line]:
    """Every line that is not blank, of a plain or gzipped file, one at a time. Raises `ImportRefused`."""
    with _opened(path) as (file, position):
        number = 0
        while raw := file.readline(LINE_LIMIT_BYTES + 1):
            number += 1
            is_long = len(raw) > LINE_LIMIT_BYTES and not raw.endswith(b"\n")
            if is_long:
                _skip_to_line_end(file)
            if number == 1:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            if raw.strip():
                yield Line(number, None if is_long else raw, position())


def understand(line: Line, taxonomy: Taxonomy, *, now: datetime, deadline_days: int | None) -> GigLine:
    """What the line says, by its form. Raises `BadLine`.

    With `deadline_days`, a deadline that is missing or past becomes so many days from `now`.
    """
    entry = _object_of(line)
    try:
        content = GigContent(
            title=_text(entry, "title"),
            description=_text(entry, "description"),
            **_budget(entry.get("budget")),
            deadline=_deadline(entry.get("deadline"), now=now, days=deadline_days),
            expected_days=_expected_days(entry.get("expectedDuration")),
            wanted=_whole(entry.get("wanted", 1), "wanted"),
            visibility=_word(GigVisibility, entry.get("visibility", "PUBLIC"), "visibility"),
            skills=_skills(_list(entry, "skills"), taxonomy),
            questions=tuple(_question(item) for item in _list(entry, "questions")),
            languages=tuple(_language(item, index) for index, item in enumerate(_list(entry, "languages"))),
            time_zone=_zone(entry.get("timeZone")),
            overlap_hours=_hours(entry.get("overlapHours")),
        )
        return GigLine(line.number, content, _import_key(entry))
    except Refusals as several:
        raise BadLine(reason_of(several)) from several
    except Invalid as refusal:
        raise BadLine(f"{'.'.join(refusal.path)}: {refusal.message}") from refusal


def reason_of(several: Refusals) -> str:
    return " ".join(f"{'.'.join(refusal.path)}: {refusal.message}" for refusal in several.refusals)


# -- the file ----------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], Callable[[], int]]]:
    """The content, unpacked if it begins as gzip does, and how far the file itself has been read."""
    try:
        with path.open("rb") as outer:
            is_packed = outer.peek(2)[:2] == b"\x1f\x8b"
            content: IO[bytes] = gzip.GzipFile(fileobj=outer) if is_packed else outer  # type: ignore[assignment]
            yield content, outer.tell
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ImportRefused(f"{path} is damaged: its gzip data cannot be unpacked ({error}).") from error
    except OSError as error:
        raise ImportRefused(f"{path} cannot be read: {error.strerror}.") from error


def _skip_to_line_end(file: IO[bytes]) -> None:
    while (rest := file.readline(LINE_LIMIT_BYTES)) and not rest.endswith(b"\n"):
        pass


# -- the parts of a line -----------------------------------------------------------------------------------------------


def _object_of(line: Line) -> dict[str, Any]:
    if line.raw is None:
        raise BadLine(f"The line has more than {LINE_LIMIT_BYTES:,} bytes.")
    try:
        entry = json.loads(line.raw.decode(), parse_float=Decimal, parse_constant=_no_number)
    except UnicodeDecodeError as error:
        raise BadLine(f"Byte {error.start + 1} of the line is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise BadLine(f"This is not JSON: {error}.") from error
    if not isinstance(entry, dict):
        raise BadLine("This is JSON, but not an object with fields.")
    if unknown := sorted(entry.keys() - _FIELDS):
        shown = ", ".join(map(_shown, unknown[:5]))
        raise BadLine(f"Unknown fields: {shown}. Known are {', '.join(sorted(_FIELDS))}.")
    return entry


def _shown(name: str) -> str:
    """A name from the file as a terminal can show it."""
    return (name if name.isprintable() else ascii(name)[1:-1])[:60]


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number")


def _text(entry: dict[str, Any], name: str) -> str:
    value = entry.get(name)
    if not isinstance(value, str):
        raise Invalid((name,), "TEXT", "It is missing." if value is None else "It must be a text.")
    return value


def _list(entry: dict[str, Any], name: str) -> list[Any]:
    value = entry.get(name)
    if value is not None and not isinstance(value, list):
        raise Invalid((name,), "LIST", "It must be a list.")
    return value or []


def _whole(value: object, *path: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Invalid(path, "WHOLE", "It must be a whole number.")


def _word(kind: type[V], value: object, *path: str) -> V:
    word = value.upper() if isinstance(value, str) else value
    for member in kind:
        if member == word:
            return member
    raise Invalid(path, "WORD", f"It must be one of {', '.join(kind)}.")


def _budget(value: object) -> dict[str, Any]:
    """A number is a fixed price in US dollars; an object leaves out what it does not know: FIXED, USD, max = min."""
    if not isinstance(value, dict):
        value = {"min": value}
    if unknown := sorted(value.keys() - {"kind", "min", "max", "currency"}):
        raise Invalid(("budget",), "FIELDS", f"Unknown fields: {', '.join(map(_shown, unknown[:5]))}.")
    low, high = value.get("min"), value.get("max")
    if low is None and high is None:
        raise Invalid(("budget",), "AMOUNT", "It is missing; give a number, or an object with min and max.")
    return {
        "budget_kind": _word(BudgetKind, value.get("kind", "FIXED"), "budget", "kind"),
        "budget_min": _amount(high if low is None else low, "budget", "min"),
        "budget_max": _amount(low if high is None else high, "budget", "max"),
        "currency": _currency(value.get("currency", "USD")),
    }


def _amount(value: object, *path: str) -> Decimal:
    if isinstance(value, str) and re.fullmatch(r"\d{1,15}(\.\d{1,6})?", value):
        return Decimal(value)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    raise Invalid(path, "DECIMAL", 'It must be a number, or a text like "1250.00".')


def _currency(value: object) -> str:
    if not isinstance(value, str):
        raise Invalid(("budget", "currency"), "CURRENCY", "It must be a text such as EUR.")
    return value.upper()


def _deadline(value: object, *, now: datetime, days: int | None) -> datetime:
    """A day ends with its last second in UTC."""
    moment = None if value is None else _moment(value)
    if days is not None and (moment is None or moment <= now):
        return now + timedelta(days=days)
    if moment is None:
        raise Invalid(("deadline",), "MOMENT", "It is missing; give one, or use --deadline-days.")
    return moment


def _moment(value: object) -> datetime:
    expected = "It must be a day like 2026-11-22 or a moment with an offset like 2026-11-22T18:30:00Z."
    try:
        if not isinstance(value, str):
            raise Invalid(("deadline",), "MOMENT", expected)
        moment = datetime.fromisoformat(value)
        if len(value) == len("2026-11-22"):
            return datetime.combine(moment.date(), time(23, 59, 59), UTC)
        if moment.tzinfo is None:
            raise Invalid(("deadline",), "MOMENT", expected)
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid(("deadline",), "MOMENT", expected) from error


def _expected_days(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, str) and (found := _DAYS.fullmatch(value)):
        return int(found[1])
    if isinstance(value, str):
        raise Invalid(("expectedDuration",), "DAYS", "It must be a number of days, such as 14 or P14D.")
    return _whole(value, "expectedDuration")


def _skills(items: list[Any], taxonomy: Taxonomy) -> tuple[WantedSkill, ...]:
    found: list[WantedSkill] = []
    unknown: list[str] = []
    for index, item in enumerate(items):
        wanted = item if isinstance(item, dict) else {"skill": item}
        name = wanted.get("skill")
        if not isinstance(name, str) or wanted.keys() - {"skill", "need", "weight"}:
            message = "It must be a name or id, or an object with skill, need and weight."
            raise Invalid(("skills", str(index)), "SKILL", message)
        skill_id = taxonomy.find(name, path=("skills", str(index)))
        if skill_id is None:
            unknown.append(name)
            continue
        need = _word(SkillNeed, wanted.get("need", "REQUIRED"), "skills", str(index), "need")
        weight = _whole(wanted.get("weight", 3), "skills", str(index), "weight")
        found.append(WantedSkill(skill_id, need, weight))
    if unknown:
        shown = ", ".join(f"“{_shown(name)}”" for name in unknown[:5])
        raise BadLine(f"skills: Not in the taxonomy: {shown}.", unknown_skills=tuple(unknown[:5]))
    return tuple(found)


def _language(item: object, index: int) -> str:
    if not isinstance(item, str):
        raise Invalid(("languages", str(index)), "LANGUAGE", "It must be a code, such as en.")
    return item


def _zone(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise Invalid(("timeZone",), "TIME_ZONE", "It must be the name of a zone, such as Europe/Berlin.")
    return value


def _hours(value: object) -> int | None:
    return None if value is None else _whole(value, "overlapHours")


def _question(item: object) -> Question:
    asked = item if isinstance(item, dict) else {"prompt": item}
    prompt, is_required = asked.get("prompt"), asked.get("isRequired", True)
    if (
        not isinstance(prompt, str)
        or not isinstance(is_required, bool)
        or asked.keys() - {"prompt", "isRequired"}
    ):
        raise Invalid(
            ("questions",), "QUESTION", "It must be a text, or an object with prompt and isRequired."
        )
    return Question(prompt, is_required)


def _import_key(entry: dict[str, Any]) -> str:
    """By what a gig is known again: the id its source gave it, else a hash of all the line says."""
    external = entry.get("externalId")
    if external is None:
        canonical = json.dumps(entry, sort_keys=True, default=str)
        return f"sha256:{hashlib.sha256(canonical.encode()).hexdigest()}"
    checks = Checks()
    if isinstance(external, int) and not isinstance(external, bool):
        external = str(external)
    if not isinstance(external, str):
        raise Invalid(("externalId",), "TEXT", "It must be a text or a whole number.")
    external = checks.text(("externalId",), external, max=190)
    checks.done()
    return f"id:{external}"
