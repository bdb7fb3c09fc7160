"""Training anew on what happened, and keeping the result only if it is better than what is in use."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from ranking import artifacts
from ranking.artifacts import Artifact, Span
from ranking.documents import PastGig
from ranking.embedding import Encoder, Floats
from ranking.experience import vectors_of
from ranking.learning import FEWEST_GROUPS, LAST, ROUNDS, Learned, Progress, Segment, Training, train

FEWEST_GIGS = FEWEST_GROUPS
FEWEST_NEW = 30
"""On fewer gigs since the last training chance says which model is better."""
ENCODED_AT_ONCE = 32


class NotTrained(Exception):
    """The model in use, if any, stays; the message says why and what would help."""


class TooFewOutcomes(NotTrained):
    """There is too little to learn from; facts: `have`, `needed` gigs."""

    def __init__(self, *, have: int, needed: int) -> None:
        super().__init__(
            f"Learning needs {needed} gigs to which known people answered, and there are {have}: {needed - have} more. "
            "Until then recommendations stay LEXICAL or HYBRID."
        )
        self.have, self.needed = have, needed


class TooFewNew(NotTrained):
    """Nobody can tell which is better; facts: `have`, `needed` gigs since the model in use was trained."""

    def __init__(self, version: str, *, have: int, needed: int) -> None:
        super().__init__(
            f"Since {version} was trained {have} gigs got answers; {needed} tell which model is better. {version} stays."
        )
        self.have, self.needed = have, needed


class NothingLearnt(NotTrained):
    """A simpler order reaches as much; facts: `reached`, by order."""

    def __init__(self, reached: dict[str, float]) -> None:
        super().__init__(
            "On the last quarter of the past nothing that was learnt orders better than what needs no training. "
            "Nothing was replaced."
        )
        self.reached = reached


class NotBetter(NotTrained):
    """The model in use reached as much on the same gigs; facts: `before`, `after` (nDCG@10)."""

    def __init__(self, version: str, *, before: float, after: float, gigs: int) -> None:
        super().__init__(
            f"On {gigs} gigs since then {version} reached {before:.4f}, the new model {after:.4f}. {version} stays."
        )
        self.before, self.after = before, after


def retrain(
    past: Sequence[PastGig],
    *,
    root: Path,
    encoder: Encoder | None,
    at: datetime,
    rounds: int = ROUNDS,
    on_progress: Progress = lambda what, done, of: None,
) -> Artifact:
    """The new model, which is in use from now on. Raises NotTrained, and ArtifactDamaged if the one in use is."""
    have = usable(past)
    if have < FEWEST_GIGS:
        raise TooFewOutcomes(have=have, needed=FEWEST_GIGS)
    in_use = artifacts.load(root)
    if in_use is not None and (new := _since(in_use, past)) < FEWEST_NEW:
        raise TooFewNew(in_use.version, have=new, needed=FEWEST_NEW)
    segment = Segment(tuple(past), _vectors(past, encoder, on_progress))
    training = train(
        [segment],
        rounds=rounds,
        in_use=None if in_use is None else in_use.trees,
        since=-np.inf if in_use is None else in_use.span.last,
        on_progress=on_progress,
    )
    if not isinstance(training.order, Learned):
        raise NothingLearnt(training.reached)
    if in_use is not None and in_use.trees.names == training.order.trees.names:
        _require_better(in_use, training)
    artifact = Artifact(version_at(at), training, at.isoformat(timespec="seconds"), _span(past))
    artifacts.save(root, artifact)
    return artifact


def usable(past: Sequence[PastGig]) -> int:
    """Gigs to which somebody answered who had answered to another one before: from others nothing can be foretold."""
    known: set[str] = set()
    count = 0
    for each in past:
        people = {outcome.person for outcome in each.outcomes}
        count += bool(people & known)
        known |= people
    return count


def version_at(at: datetime) -> str:
    """Names rise with time."""
    return at.strftime("%Y-%m-%dT%H%M%SZ")


def _since(in_use: Artifact, past: Sequence[PastGig]) -> int:
    """Gigs with answers that the model in use has not learnt from, of the stretch on which both are measured."""
    return sum(
        each.gig.at > in_use.span.last and bool(each.outcomes) for each in past[int(len(past) * LAST) :]
    )


def _require_better(in_use: Artifact, training: Training) -> None:
    if training.new < FEWEST_NEW:  # some of them were answered by strangers
        raise TooFewNew(in_use.version, have=training.new, needed=FEWEST_NEW)
    before, after = training.reached["in use, since"], training.reached["learned, since"]
    if after <= before:
        raise NotBetter(in_use.version, before=before, after=after, gigs=training.new)


def _vectors(past: Sequence[PastGig], encoder: Encoder | None, on_progress: Progress) -> Floats | None:
    if encoder is None:
        return None
    made = []
    for start in range(0, len(past), ENCODED_AT_ONCE):
        on_progress("meanings", start, len(past))
        made.append(vectors_of([each.gig for each in past[start : start + ENCODED_AT_ONCE]], encoder))
    on_progress("meanings", len(past), len(past))
    return np.concatenate([each for each in made if each is not None])


def _span(past: Sequence[PastGig]) -> Span:
    people = {outcome.person for each in past for outcome in each.outcomes}
    outcomes = sum(len(each.outcomes) for each in past)
    return Span(past[0].gig.at, past[-1].gig.at, len(past), outcomes, len(people))
