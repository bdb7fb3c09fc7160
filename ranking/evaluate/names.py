"""t3c, t4a, t4b: names by what they mean."""

from __future__ import annotations

from pathlib import Path

from ranking.embedding import Encoder
from ranking.evaluate.rows import Row, read
from ranking.meaning import Named, NameSearch

LIMIT = 200


def skills_in_sentences(directory: Path, encoder: Encoder | None) -> list[Row]:
    return _answers(directory, encoder, parts=True)


def occupations(directory: Path, encoder: Encoder | None) -> list[Row]:
    return _answers(directory, encoder)


def titles(directory: Path, encoder: Encoder | None) -> list[Row]:
    return _answers(directory, encoder, clusters=True)


def _answers(
    directory: Path, encoder: Encoder | None, *, parts: bool = False, clusters: bool = False
) -> list[Row]:
    corpus, queries = read(directory, "corpus"), read(directory, "queries")
    search = NameSearch([Named(row["id"], row["text"], row.get("concept", "")) for row in corpus], encoder)
    answers = search.find_all([row["text"] for row in queries], limit=LIMIT, parts=parts, clusters=clusters)
    return [
        {"qid": query["qid"], "ranking": [found.id for found in answer], "basis": search.basis}
        for query, answer in zip(queries, answers, strict=True)
    ]
