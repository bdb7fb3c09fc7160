"""Training anew on what happened, and keeping the result only if it is better than what is in use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from ranking import artifacts
from ranking.artifacts import Artifact, Span
from ranking.documents import MOST_TAGGED, Gig, PastGig
from ranking.embedding import Encoder, Floats
from ranking.experience import vectors_of
from ranking.learning import (
    FEWEST_GROUPS,
    LAST,
    LISTED,
    ROUNDS,
    FirstGuess,
    Learned,
    Progress,
    Segment,
    Training,
    train,
)
from ranking.matching import Matcher
from ranking.metrics import ndcg
from ranking.skills.suggesting import SkillSuggester, Tagged, TrainedSuggester, learn, tagged_as
from ranking.skills.voting import voted

FEWEST_GIGS = FEWEST_GROUPS
FEWEST_TAGGED = 200
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


class TooFewTagged(NotTrained):
    """There are too few gigs to learn which skills texts are about; facts: `have`, `needed`."""

    def __init__(self, *, have: int, needed: int) -> None:
        super().__init__(
            f"Learning which skills a text is about needs {needed} public gigs with skills, and there are {have}."
        )
        self.have, self.needed = have, needed


class NoBetterSuggester(NotTrained):
    """What suggests skills now stays."""


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
    tagged: Sequence[Gig] = (),
    rounds: int = ROUNDS,
    on_progress: Progress = lambda what, done, of: None,
    on_refused: Callable[[NotTrained], None] = lambda refused: None,
) -> Artifact:
    """What is in use from now on: a new order of people, a new suggester of skills (of `tagged`, public gigs), or both; what is not
    better stays as it was.

    Raises NotTrained if neither is better, about the order; `on_refused` is told of each. Raises ArtifactDamaged if what is in use is.
    """
    in_use = artifacts.load(root)
    found: list[Training | TrainedSuggester | NotTrained] = []
    for train_one in (
        lambda: _order(past, in_use, encoder, rounds, on_progress),
        lambda: trained_suggester(tagged, encoder, None if in_use is None else in_use.suggester, on_progress),
    ):
        try:
            found.append(train_one())
        except NotTrained as refused:
            on_refused(refused)
            found.append(refused)
    order, suggester = found
    if isinstance(order, NotTrained) and isinstance(suggester, NotTrained):
        raise order
    made = Artifact(version_at(at), Training(FirstGuess()), at.isoformat(timespec="seconds"))
    if in_use is not None:
        made = replace(made, training=in_use.training, span=in_use.span, suggester=in_use.suggester)
    if isinstance(order, Training):
        made = replace(made, training=order, span=_span(past))
    if isinstance(suggester, TrainedSuggester):
        made = replace(made, suggester=suggester)
    return artifacts.save(root, made)


def _order(
    past: Sequence[PastGig],
    in_use: Artifact | None,
    encoder: Encoder | None,
    rounds: int,
    on_progress: Progress,
) -> Training:
    """Raises NotTrained."""
    have = usable(past)
    if have < FEWEST_GIGS:
        raise TooFewOutcomes(have=have, needed=FEWEST_GIGS)
    before = in_use if in_use is not None and in_use.orders else None
    if before is not None and (new := _since(before, past)) < FEWEST_NEW:
        raise TooFewNew(before.version, have=new, needed=FEWEST_NEW)
    segment = Segment(tuple(past), _vectors([each.gig for each in past], encoder, on_progress))
    training = train(
        [segment],
        rounds=rounds,
        in_use=None if before is None else before.trees,
        since=-np.inf if before is None else before.span.last,
        on_progress=on_progress,
    )
    if not isinstance(training.order, Learned):
        raise NothingLearnt(training.reached)
    if before is not None and before.trees.names == training.order.trees.names:
        _require_better(before, training)
    return training


def trained_suggester(
    gigs: Sequence[Gig],
    encoder: Encoder | None,
    in_use: TrainedSuggester | None,
    on_progress: Progress = lambda what, done, of: None,
) -> TrainedSuggester:
    """Learnt from all, if what is learnt from the older three quarters suggests better for the newest one. Raises NotTrained."""
    gigs = sorted((gig for gig in gigs if gig.skills or gig.nice), key=lambda gig: (gig.at, gig.id))[
        -MOST_TAGGED:
    ]
    if len(gigs) < FEWEST_TAGGED:
        raise TooFewTagged(have=len(gigs), needed=FEWEST_TAGGED)
    cut = int(len(gigs) * LAST)
    newer = [gig for gig in gigs[cut:] if in_use is None or gig.at > in_use.last]
    if len(newer) < FEWEST_NEW:
        raise NoBetterSuggester(
            f"Of the newest {len(gigs):,} gigs {len(newer)} came since; {FEWEST_NEW} tell which is better."
        )
    vectors = _vectors(gigs, encoder, on_progress)
    tagged = [tagged_as(gig) for gig in gigs]
    on_progress("skills of texts", 0, 2)
    old, old_vectors = tagged[:cut], None if vectors is None else vectors[:cut]
    trained = learn(old, old_vectors)
    reached = {
        "alike gigs": _quality(newer, _voting(gigs[:cut], old_vectors, encoder)),
        "learned": _quality(newer, _suggesting(SkillSuggester.of(old, trained, encoder, old_vectors))),
    }
    if in_use is not None:
        reached["in use"] = _quality(newer, _suggesting(SkillSuggester.of(old, in_use, encoder, old_vectors)))
    on_progress("skills of texts", 1, 2)
    best = max((name for name in reached if name != "learned"), key=lambda name: reached[name])
    if reached["learned"] <= reached[best]:
        raise NoBetterSuggester(
            f"On {len(newer)} gigs suggesting skills by {best} reached {reached[best]:.4f}, what was learnt {reached['learned']:.4f}."
        )
    whole = replace(learn(tagged, vectors), reached=reached, gigs=len(gigs), last=gigs[-1].at)
    on_progress("skills of texts", 2, 2)
    return whole


def _voting(
    gigs: Sequence[Gig], vectors: Floats | None, encoder: Encoder | None
) -> Callable[[Gig], list[str]]:
    matcher = Matcher(encoder)
    for place, gig in enumerate(gigs):
        known = replace(gig, skills=tagged_as(gig).skills)
        matcher.put_gig(known, vector=None if vectors is None else vectors[place])
    return lambda gig: [skill for skill, _ in voted(matcher, gig.title, gig.text)]


def _suggesting(suggester: SkillSuggester) -> Callable[[Gig], list[str]]:
    return lambda gig: [each.skill for each in suggester.suggest([Tagged(gig.title, gig.text)])[0]]


def _quality(gigs: Sequence[Gig], suggest: Callable[[Gig], list[str]]) -> float:
    """nDCG@10 of the skills that clients chose."""
    found = []
    for gig in gigs:
        own = set(tagged_as(gig).skills)
        found.append(ndcg([int(skill in own) for skill in suggest(gig)[:LISTED]], [1] * len(own), LISTED))
    return float(np.mean(found))


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


def _vectors(gigs: Sequence[Gig], encoder: Encoder | None, on_progress: Progress) -> Floats | None:
    if encoder is None:
        return None
    made = []
    for start in range(0, len(gigs), ENCODED_AT_ONCE):
        on_progress("meanings", start, len(gigs))
        made.append(vectors_of(gigs[start : start + ENCODED_AT_ONCE], encoder))
    on_progress("meanings", len(gigs), len(gigs))
    return np.concatenate([each for each in made if each is not None])


def _span(past: Sequence[PastGig]) -> Span:
    people = {outcome.person for each in past for outcome in each.outcomes}
    outcomes = sum(len(each.outcomes) for each in past)
    return Span(past[0].gig.at, past[-1].gig.at, len(past), outcomes, len(people))
