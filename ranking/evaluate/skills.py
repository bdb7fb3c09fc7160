"""t3a: tags of a gig. t3b: spans in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ranking.embedding import Encoder
from ranking.evaluate.rows import Row, read
from ranking.skills.spans import Marked, SpanFinder, WordEncoder
from ranking.skills.suggesting import SkillSuggester, Tagged

LIMIT = 60


def tags(directory: Path, encoder: Encoder | None) -> list[Row]:
    suggester = SkillSuggester.fit([_tagged(row) for row in read(directory, "history")], encoder)
    queries = read(directory, "queries")
    answers = suggester.suggest([_tagged(row) for row in queries], limit=LIMIT)
    return [
        {
            "qid": query["gig_id"],
            "ranking": [each.skill for each in answer],
            "set": [each.skill for each in answer if each.is_likely],
            "basis": suggester.basis,
        }
        for query, answer in zip(queries, answers, strict=True)
    ]


def _tagged(row: Row) -> Tagged:
    return Tagged(
        row["title"], row["text"], tuple(dict.fromkeys(row.get("skills", ()))), row.get("track", "")
    )


def spans(directory: Path, encoder: WordEncoder | None) -> list[Row]:
    history, queries = read(directory, "history"), read(directory, "queries")
    # Both kinds see the same words: read them once.
    words = None if encoder is None else _Read(encoder, [row["tokens"] for row in [*history, *queries]])
    answers = {}
    for kind in ("skill", "knowledge"):
        finder = SpanFinder.fit([_marked(row, kind) for row in history], words)
        answers[kind] = finder.find([_marked(row, None) for row in queries])
    return [
        {"qid": row["qid"], "skill": skill, "knowledge": knowledge}
        for row, skill, knowledge in zip(queries, answers["skill"], answers["knowledge"], strict=True)
    ]


class _Read:
    def __init__(self, encoder: WordEncoder, sentences: list[list[str]]) -> None:
        keys = [tuple(sentence) for sentence in sentences]
        self._known = dict(zip(keys, encoder.words(keys), strict=True))

    def words(self, sentences: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        return [self._known[tuple(sentence)] for sentence in sentences]


def _marked(row: Row, kind: str | None) -> Marked:
    spans = tuple((start, end) for start, end in row[kind]) if kind else ()
    return Marked(tuple(row["tokens"]), spans, row.get("source", ""))
