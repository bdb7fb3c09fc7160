"""t1, t2: people for a gig; t1r: gigs for a person."""

from __future__ import annotations

from math import log1p
from pathlib import Path

from ranking.basis import Basis
from ranking.documents import Gig, Outcome, PastGig
from ranking.embedding import Encoder
from ranking.evaluate.rows import Row, read
from ranking.experience import Experience, Floats, vectors_of
from ranking.interests import gigs_by_person
from ranking.learning import Learned, Momentum, Order, Segment, features, train
from ranking.placing import NEWCOMER_GIGS, place
from ranking.text import best_first

LIMIT = 200
BEST_EARNERS = 5


def people_for_gigs(directory: Path, encoder: Encoder | None) -> list[Row]:
    history, queries = read(directory, "history"), read(directory, "queries")
    segments = _segments(history, encoder)
    training = train(list(segments.values()))
    answers = []
    for name, segment in segments.items():
        experience = segment.until(len(segment.past))
        newcomers = experience.newcomers(NEWCOMER_GIGS)
        asked = [row for row in queries if row.get("site", "") == name]
        gigs = [_gig(row) for row in asked]
        vectors = vectors_of(gigs, encoder) if segment.vectors is not None else None
        for number, gig in enumerate(gigs):
            ranked = _order(training.order, experience, gig, None if vectors is None else vectors[number])
            placed = place(ranked, is_newcomer=newcomers.__contains__)
            answers.append(
                {
                    "qid": gig.id,
                    "ranking": [each.id for each in placed],
                    "basis": training.order.basis,
                    "reached": training.reached,
                }
            )
    return answers


def gigs_for_people(directory: Path, encoder: Encoder | None) -> list[Row]:
    history, corpus, queries = (read(directory, name) for name in ("history", "corpus", "queries"))
    answers: list[Row] = []
    for name, segment in _segments(history, encoder).items():
        asked = [row["qid"] for row in queries if row.get("site", "") == name]
        rows = [row for row in corpus if row.get("site", "") == name]
        gigs = [_gig(row) for row in rows]
        ranked = gigs_by_person(segment.until(len(segment.past)), gigs, vectors_of(gigs, encoder), asked)
        answers.extend(
            {"qid": person, "ranking": gigs_of[:LIMIT], "basis": Basis.LEARNED}
            for person, gigs_of in ranked.items()
        )
    return answers


def _order(order: Order, experience: Experience, gig: Gig, vector: Floats | None) -> list[str]:
    if isinstance(order, Momentum):
        return [experience.people[place] for place in best_first(order.order(experience), LIMIT)]
    glance = experience.glance(gig, vector)
    people = best_first(glance.first_guess, LIMIT)
    if isinstance(order, Learned):
        scores = order.trees.scores(features(experience, experience.evidence(glance, people)))
        people = people[best_first(scores, LIMIT)]
    return [experience.people[place] for place in people]


def _segments(history: list[Row], encoder: Encoder | None) -> dict[str, Segment]:
    found = {}
    for site in sorted({row.get("site", "") for row in history}):
        rows = sorted((row for row in history if row.get("site", "") == site), key=lambda row: row["order"])
        found[site] = Segment.of([_past(row) for row in rows], lambda gigs: vectors_of(gigs, encoder))
    return found


def _gig(row: Row) -> Gig:
    return Gig(
        row["gig_id"],
        row.get("title", ""),
        row.get("text", ""),
        tuple(row.get("skills", ())),
        at=float(row["order"]),
    )


def _past(row: Row) -> PastGig:
    workers = row["workers"]
    if workers and "earned" in workers[0]:
        ordered = sorted(workers, key=lambda worker: -worker["earned"])
        outcomes = [
            Outcome(worker["id"], place < BEST_EARNERS, log1p(worker["earned"]), place < BEST_EARNERS)
            for place, worker in enumerate(ordered)
        ]
    else:
        is_decided = any(w["accepted"] for w in workers)
        outcomes = [
            Outcome(
                w["id"],
                bool(w["accepted"]),
                max(0, w["score"]) + 1.0,
                bool(w["accepted"]) if is_decided else None,
            )
            for w in workers
        ]
    return PastGig(_gig(row), tuple(outcomes))
