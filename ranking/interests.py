"""Gigs in the order in which each person may want them.

A model of people for one gig says nothing about gigs for one person: its scores are not comparable across gigs. Here
each kind of evidence is first taken relative to the best person for that gig (where everybody is good, being good means little),
then standardised over the gigs of one person, and added. Which kinds, was chosen on the past alone (docs/decisions/0020).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ranking.documents import Gig
from ranking.experience import TINY, Experience, Floats
from ranking.text import best_first, standardised

WITH_VECTORS = ("meaning_profile", "meaning_inf", "words_inf", "skills_depth", "skills_cover")
WITHOUT_VECTORS = ("words_inf", "skills_depth", "skills_cover")


def gigs_by_person(
    experience: Experience, gigs: Sequence[Gig], vectors: Floats | None, people: Sequence[str]
) -> dict[str, list[str]]:
    """For each of `people`, all gigs, best first; people without experience get none."""
    known = [person for person in people if person in experience.place]
    places = np.array([experience.place[person] for person in known], np.intp)
    kinds = WITH_VECTORS if vectors is not None and experience.has_vectors else WITHOUT_VECTORS
    at = [experience.columns.index(name) for name in kinds]
    everybody = np.arange(len(experience.people))
    columns = np.zeros((len(kinds), len(gigs), len(known)))
    for row, gig in enumerate(gigs):
        glance = experience.glance(gig, None if vectors is None else vectors[row])
        table = experience.evidence(glance, everybody).table[:, at]
        columns[:, row] = (table[places] / (table.max(axis=0, initial=0.0) + TINY)).T
    scores = np.sum([standardised(kind.T) for kind in columns], axis=0)
    return {
        person: [gigs[place].id for place in best_first(scores[at], len(gigs))]
        for at, person in enumerate(known)
    }
