"""Skills that gigs like a text ask for: what can be suggested before anything is learnt."""

from __future__ import annotations

from ranking.documents import Gig
from ranking.matching import Matcher

NEIGHBOURS = 20


def voted(matcher: Matcher, title: str, text: str) -> list[tuple[str, float]]:
    """Skills with the share of the most alike gigs that ask for each, the more alike counting more; the largest first."""
    votes: dict[str, float] = {}
    whole = 0.0
    for name, likeness in matcher.near_gigs(Gig("", title, text), limit=NEIGHBOURS):
        whole += likeness
        for skill in matcher.gigs[name].skills:
            votes[skill] = votes.get(skill, 0.0) + likeness
    if not whole:
        return []
    return sorted(
        ((skill, vote / whole) for skill, vote in votes.items()), key=lambda each: (-each[1], each[0])
    )
