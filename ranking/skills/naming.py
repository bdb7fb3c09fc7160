"""Skills that a text names, and where: phrases of the taxonomy with their aliases, case-sensitive where the name is a word too."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

# Names up to so many letters are ordinary words more often than not ("Go", "R", "C"): they must be written as they are.
SHORT = 3


@dataclass(frozen=True, slots=True)
class SkillName:
    """A skill with its names. With `needs_case` any of its names counts only as written here."""

    skill: str
    names: tuple[str, ...]
    needs_case: bool = False


@dataclass(frozen=True, slots=True)
class Mention:
    """Characters `start` to `end` (exclusive) of the text name the skill."""

    skill: str
    start: int
    end: int


class SkillNames:
    """Made once for a taxonomy (some 10,000 names in a second or two), then 0.2 ms for a text."""

    def __init__(self, skills: Iterable[SkillName]) -> None:
        from spacy.matcher import PhraseMatcher

        language = _tokeniser()
        self._exact = PhraseMatcher(language.vocab, attr="ORTH")
        self._any = PhraseMatcher(language.vocab, attr="LOWER")
        self._skill: dict[str, str] = {}
        for number, each in enumerate(skills):
            exact = [name for name in each.names if each.needs_case or len(name) <= SHORT]
            loose = [name for name in each.names if name not in exact]
            for matcher, names, kind in ((self._exact, exact, "exact"), (self._any, loose, "any")):
                if names:
                    key = f"{kind}:{number}"
                    self._skill[key] = each.skill
                    matcher.add(key, [language.make_doc(name) for name in names])

    def mentions(self, text: str) -> list[Mention]:
        """From left to right; where names overlap the longest counts ("React Native", not "React")."""
        document = _tokeniser().make_doc(text)
        strings = document.vocab.strings
        found = [
            (start, end, self._skill[strings[key]])
            for matcher in (self._exact, self._any)
            for key, start, end in matcher(document)
        ]
        found.sort(key=lambda match: (match[0] - match[1], match[0], match[2]))
        taken: set[int] = set()
        mentions = []
        for start, end, skill in found:
            if taken.isdisjoint(range(start, end)):
                taken.update(range(start, end))
                span = document[start:end]
                mentions.append(Mention(skill, span.start_char, span.end_char))
        return sorted(mentions, key=lambda mention: mention.start)


@cache
def _tokeniser() -> Any:
    import spacy

    return spacy.blank("en")
