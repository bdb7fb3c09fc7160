"""The process that ranks: `python -m ranking.desk` answers calls from its standard input until that ends.

Beside the process that serves, so that what takes milliseconds of Python never holds up an event loop. One call after the
other; between calls, meanings of documents are computed, a few at a time. A call is a length and a pickled (method, arguments),
its answer a length and a pickled (whether it went well, result): both ends are the same program.
"""

from __future__ import annotations

import logging
import os
import pickle
import select
import signal
import struct
import sys
from collections import OrderedDict, deque
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranking.answers import (
    Answer,
    Hindrance,
    Mentioned,
    Near,
    Proof,
    ProposedTeam,
    Status,
    TeamAnswer,
    TeamRequest,
)
from ranking.documents import Gig, Happened, PastGig, Person, past_gigs

if TYPE_CHECKING:
    from ranking.artifacts import Artifact, Artifacts
    from ranking.embedding import Encoder, Floats
    from ranking.experience import Experience
    from ranking.matching import Match, Matcher, Model
    from ranking.skills.naming import SkillNames

HEADER = struct.Struct("<Q")
AT_ONCE = 1
"""Documents whose meaning is computed within one call: some tens of milliseconds."""
KEPT_VECTORS = 20_000
NEWCOMER_GIGS = 5
NEIGHBOURS = 20
LIKELY = 0.3
_log = logging.getLogger(__name__)


class KnownVectors:
    """An encoder that remembers the newest texts: what is asked again and again is computed once."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._known: OrderedDict[str, Floats] = OrderedDict()

    def encode(self, texts: Sequence[str], *, tokens: int = 128) -> Floats:
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            self._known.update(zip(new, self._encoder.encode(new, tokens=tokens), strict=True))
        found = []
        for text in texts:
            self._known.move_to_end(text)
            found.append(self._known[text])
        while len(self._known) > KEPT_VECTORS:
            self._known.popitem(last=False)
        return np.stack(found)


class Desk:
    """Holds what is on the market and answers by it. First by words alone; by meaning once all meanings are computed."""

    def __init__(self, *, embeds: bool = True) -> None:
        self._embeds = embeds
        self._names: SkillNames | None = None
        # Filled when all gigs are there, for a matcher that has it already; an empty one it would take for none.
        self._adjacency: dict[str, dict[str, float]] = {"": {}}
        self._encoder: KnownVectors | None = None
        self._waiting: deque[tuple[bool, str]] = deque()
        self._draft: Matcher | None = None
        """Of all documents with their meaning, until it has them."""
        self._matcher = self._new_matcher()
        self._heard_gigs: list[Gig] = []
        self._heard: list[Happened] = []
        self._past: list[PastGig] = []
        self._experience: Experience | None = None
        self._close_experience: Experience | None = None
        """The same with the meanings of past gigs, once somebody counts on them."""
        self._past_vectors: dict[str, Floats] = {}
        self._past_waiting: deque[tuple[str, str]] = deque()
        self._artifacts: Artifacts | None = None
        self._artifact: Artifact | None = None

    # -- what is known -------------------------------------------------------------------------------------------------

    def begin(self, taxonomy: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """The names of skills; before any document."""
        from ranking.skills.naming import SkillName, SkillNames

        self._names = SkillNames(SkillName(name, (name, *others)) for name, others in taxonomy)
        self._matcher = self._new_matcher()

    def load(self, gigs: Sequence[Gig], people: Sequence[Person]) -> None:
        """Add many documents, by words and skills."""
        for gig in gigs:
            self._matcher.put_gig(gig)
        for person in people:
            self._matcher.put_person(person)

    def settle(self, artifacts: str | None) -> None:
        """Everything is loaded; `artifacts` is where trained models are. From here on it answers, and computes meanings between
        the answers."""
        from ranking.matching import adjacency

        self._artifacts = _artifacts_in(artifacts)
        self._adjacency.update(adjacency([gig.skills for gig in self._matcher.gigs.values()]))
        encoder = self._installed_encoder()
        if encoder is not None:
            self._encoder = KnownVectors(encoder)
            self._draft = self._new_matcher()
            # What came last is looked for first.
            self._waiting.extend((True, gig_id) for gig_id in reversed(self._matcher.gigs))
            self._waiting.extend((False, person_id) for person_id in self._matcher.people)
        self.look()
        self._use_model()
        if not self.has_work:
            self._finish()

    def listen(self) -> None:
        """What became of gigs is told anew, from the beginning."""
        self._heard_gigs, self._heard = [], []

    def hear(self, gigs: Sequence[Gig], happened: Sequence[Happened]) -> None:
        """A part of it, in any order; nothing counts before `remember`."""
        self._heard_gigs.extend(gigs)
        self._heard.extend(happened)

    def remember(self) -> None:
        """All was told; it replaces what was told before. What a trained model needs to know of it is computed first."""
        from ranking.experience import Experience

        # When each step happened matters to training alone.
        past = [PastGig(each.gig, each.outcomes) for each in past_gigs(self._heard_gigs, self._heard)]
        self.listen()
        self._past, self._close_experience = past, None
        self._experience = Experience(past) if past else None
        known = {each.gig.id for each in past}
        self._past_vectors = {id: vector for id, vector in self._past_vectors.items() if id in known}
        self._prepare()

    def look(self) -> bool:
        """Whether another model was found in its place, trained or rolled back to: it is taken up. Costs microseconds if not."""
        found = None if self._artifacts is None else self._artifacts.current
        if found is self._artifact:
            return False
        self._artifact = found
        self._prepare()
        return True

    def change(
        self,
        gigs: Sequence[Gig],
        gone_gigs: Sequence[str],
        people: Sequence[Person],
        gone_people: Sequence[str],
    ) -> None:
        """Documents that came or changed, and ids of those that are no longer to be found."""
        for matcher in self._matchers:
            for gig_id in gone_gigs:
                matcher.remove_gig(gig_id)
            for person_id in gone_people:
                matcher.remove_person(person_id)
        is_bulk = len(gigs) + len(people) > AT_ONCE
        for gig in gigs:
            self._put(gig, is_gig=True, is_bulk=is_bulk)
        for person in people:
            self._put(person, is_gig=False, is_bulk=is_bulk)

    def status(self) -> Status:
        matcher = self._matcher
        documents = len(matcher.gigs) + len(matcher.people)
        vectors = None if self._encoder is None else documents - len(self._waiting)
        basis = "HYBRID" if matcher.embeds else "LEXICAL"
        if matcher.model.learned is not None:
            basis = "LEARNED"
        return Status(gigs=len(matcher.gigs), people=len(matcher.people), past_gigs=len(self._past), vectors=vectors,
                      documents=documents, basis=basis, version=matcher.model.version, memory_mb=_memory_mb())  # fmt: skip

    # -- answers -------------------------------------------------------------------------------------------------------

    def gigs_for(self, person: Person, limit: int, explained: int) -> list[Answer]:
        found = self._matcher.gigs_for(person, limit=limit, explained=explained)
        return [self._answer(match) for match in found]

    def explain_gigs(self, person: Person, gigs: Sequence[Gig]) -> list[Answer]:
        """As `gigs_for` would say of these."""
        return [self._answer(match) for match in self._matcher.explain_gigs(person, gigs)]

    def people_for(self, gig: Gig, limit: int, explained: int) -> list[Answer]:
        found = self._matcher.people_for(gig, limit=limit, explained=explained)
        return [self._answer(match) for match in found]

    def fits(self, pairs: Sequence[tuple[Gig, Person]]) -> list[Answer]:
        """As `people_for` would say of each person."""
        return [self._answer(self._matcher.fit(gig, person)) for gig, person in pairs]

    def similar(self, gig: Gig, limit: int) -> list[tuple[str, int]]:
        """Other gigs with how alike they are, 0 to 100."""
        return [
            (name, min(100, max(0, round(score))))
            for name, score in self._matcher.similar_gigs(gig, limit=limit)
        ]

    def skills_in(self, title: str, text: str, limit: int) -> list[Mentioned]:
        """Skills that a text names, then those that gigs like it ask for; spans count from the start of `text`."""
        spans: dict[str, list[tuple[int, int]]] = {}
        if self._names is not None:
            for mention in self._names.mentions(text):
                spans.setdefault(mention.skill, []).append((mention.start, mention.end))
            for mention in self._names.mentions(title):
                spans.setdefault(mention.skill, [])
        named = [Mentioned(skill, 1.0, tuple(found)) for skill, found in spans.items()]
        votes: dict[str, float] = {}
        whole = 0.0
        matcher = self._matcher
        for name, score in matcher.similar_gigs(Gig("", title, text), limit=NEIGHBOURS):
            whole += score
            for skill in matcher.gigs[name].skills:
                votes[skill] = votes.get(skill, 0.0) + score
        likely = sorted(
            (-votes[skill] / whole, skill)
            for skill in votes
            if skill not in spans and whole and votes[skill] / whole >= LIKELY
        )
        return [*named, *(Mentioned(skill, -share) for share, skill in likely)][:limit]

    def teams(self, request: TeamRequest) -> TeamAnswer:
        return _teams(request)

    # -- between answers -----------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._past_waiting)

    def work(self) -> None:
        """Compute the meaning of the next document."""
        if self._waiting:
            self._know(*self._waiting.popleft())
        elif self._encoder is not None:
            name, text = self._past_waiting.popleft()
            self._past_vectors[name] = self._encoder.encode([text])[0]
        if not self.has_work:
            self._finish()

    def _know(self, is_gig: bool, name: str) -> None:
        target = self._draft or self._matcher
        if is_gig and (gig := self._matcher.gigs.get(name)) is not None:
            target.put_gig(gig)
        elif not is_gig and (person := self._matcher.people.get(name)) is not None:
            target.put_person(person)

    def _finish(self) -> None:
        if self._draft is not None:
            self._matcher, self._draft = self._draft, None
        self._use_model()

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _matchers(self) -> list[Matcher]:
        return [self._matcher] if self._draft is None else [self._matcher, self._draft]

    def _new_matcher(self) -> Matcher:
        from ranking.matching import Matcher

        return Matcher(self._encoder, adjacency=self._adjacency, names=self._names)

    def _put(self, document: Gig | Person, *, is_gig: bool, is_bulk: bool) -> None:
        """At once by words; by meaning, too, unless many came at once: then their meanings wait for a quiet moment."""
        for matcher in self._matchers:
            vector = _no_meaning() if is_bulk and matcher.embeds else None
            if isinstance(document, Gig):
                matcher.put_gig(document, vector=vector)
            else:
                matcher.put_person(document, vector=vector)
        if is_bulk and self._encoder is not None:
            self._waiting.append((is_gig, document.id))

    def _prepare(self) -> None:
        """Use the model at once, or when the meanings of past gigs that it counts on are known; until then nothing changes."""
        from ranking.experience import sentence_of

        self._past_waiting.clear()
        if self._encoder is not None and needs_meanings(self._artifact):
            self._past_waiting.extend(
                (each.gig.id, sentence_of(each.gig))
                for each in self._past
                if each.gig.id not in self._past_vectors
            )
        if not self._past_waiting:
            self._use_model()

    def _use_model(self) -> None:
        """From the next answer on."""
        model = self._model()
        for matcher in self._matchers:
            matcher.use(model)

    def _model(self) -> Model:
        """Without one that is trained, or if what it counts on is not there, people are ordered by the blend."""
        from ranking.learning import Learned
        from ranking.matching import Model

        artifact, experience = self._artifact, self._experience
        if artifact is None or not isinstance(artifact.training.order, Learned):
            return Model(experience=experience)
        if needs_meanings(artifact):
            experience = self._experience_by_meaning()
        if experience is None:
            return Model(experience=self._experience)
        return Model(artifact.version, experience, artifact.training.order)

    def _experience_by_meaning(self) -> Experience | None:
        """None as long as the meaning of a past gig is missing."""
        if self._close_experience is None and self._past:
            vectors = [self._past_vectors.get(each.gig.id) for each in self._past]
            known = [vector for vector in vectors if vector is not None]
            if len(known) == len(vectors):
                import numpy as np

                from ranking.experience import Experience

                self._close_experience = Experience(self._past, np.stack(known))
        return self._close_experience

    def _installed_encoder(self) -> Encoder | None:
        from ranking.embedding import installed_encoder

        return installed_encoder() if self._embeds else None

    def _answer(self, match: Match) -> Answer:
        experience = self._experience
        done = 0 if experience is None else len(experience.gigs_of(match.id))
        return Answer(
            id=match.id,
            points=match.score.points,
            parts=tuple((part.value, points) for part, points in match.score.parts.items()),
            basis=match.basis.value,
            version=match.version,
            matched=tuple(
                (
                    skill,
                    tuple(Proof(p.source.value, p.gig, p.at, *(p.span or (None, None))) for p in proofs),
                )
                for skill, proofs in match.matched.items()
            ),
            missing=match.missing,
            missing_nice=match.missing_nice,
            adjacent=tuple(Near(each.skill, each.missing, each.likeness) for each in match.adjacent),
            wishes=tuple((wish.skill, wish.points) for wish in match.wishes),
            is_newcomer=done <= NEWCOMER_GIGS,
        )


def _no_meaning() -> Floats:
    import numpy as np

    from ranking.embedding import DIMENSIONS

    return np.zeros(DIMENSIONS, np.float32)


def _artifacts_in(root: str | None) -> Artifacts | None:
    """None, too, if models cannot be read here, which the log tells and the basis of answers shows."""
    try:
        from ranking.artifacts import Artifacts
    except (ImportError, OSError) as error:
        _log.warning("no trained model is used: %s", error)
        return None
    return None if root is None else Artifacts(Path(root))


def needs_meanings(artifact: Artifact | None) -> bool:
    from ranking.learning import Learned

    if artifact is None or not isinstance(artifact.training.order, Learned):
        return False
    return any(name.startswith("meaning") for name in artifact.training.order.trees.names)


def _teams(request: TeamRequest) -> TeamAnswer:
    from ranking.teams.problem import Member, TeamProblem
    from ranking.teams.suggest import suggest_teams

    known = {(min(pair), max(pair)) for pair in request.known_pairs}
    problem = TeamProblem(
        skills=request.skills,
        members=tuple(Member(each.id, each.cost, dict(each.levels)) for each in request.members),
        largest=request.largest,
        capacity=request.capacity,
        pair_cost=request.pair_cost,
        pair_costs=dict.fromkeys(known, 0.0),
        budget=request.budget,
        apart=frozenset((min(pair), max(pair)) for pair in request.apart),
    )
    found = suggest_teams(problem)
    teams = [
        ProposedTeam(
            team.members,
            tuple(sorted(team.covers.items())),
            round(team.cost),
            sum((one, other) in known for one in team.members for other in team.members),
        )
        for team in found.teams
    ]
    hindrances = [
        Hindrance(each.limit.value, each.skill, None if each.needed is None else round(each.needed))
        for each in found.obstacles
    ]
    return TeamAnswer(tuple(teams), found.gap, found.is_proved, tuple(hindrances))


@cache
def _page_mb() -> float:
    return float(os.sysconf("SC_PAGE_SIZE")) / 2**20 if hasattr(os, "sysconf") else 0.0


def _memory_mb() -> int:
    """0 where the system does not tell."""
    try:
        return round(int(Path("/proc/self/statm").read_text().split()[1]) * _page_mb())
    except OSError:
        return 0


# -- calls -------------------------------------------------------------------------------------------------------------

CALLS = (
    "begin", "load", "settle", "listen", "hear", "remember", "change", "status", "gigs_for", "explain_gigs", "people_for", "fits", "similar",
    "skills_in", "teams",
)  # fmt: skip


def written(message: Any) -> bytes:
    content = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(content)) + content


def read(content: bytes) -> Any:
    return pickle.loads(content)  # noqa: S301  from the other end of our own pipe


def answered(desk: Desk, method: str, arguments: Sequence[Any]) -> tuple[bool, Any]:
    try:
        if method not in CALLS:
            raise LookupError(method)
        desk.look()
        return True, getattr(desk, method)(*arguments)
    except Exception as error:
        _log.exception("%s failed", method)
        return False, f"{type(error).__name__} in {method}"


def main(arguments: Sequence[str]) -> int:
    # A Ctrl-C of the terminal reaches the whole group; this process ends when its input does.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    asks, answers = os.dup(0), os.dup(1)
    # Whatever a library prints must not stand among the answers.
    os.dup2(2, 1)
    desk = Desk(embeds="--lexical" not in arguments)
    while True:
        if desk.has_work and not select.select([asks], [], [], 0)[0]:
            desk.work()
            continue
        head = _exactly(asks, HEADER.size)
        if head is None:
            return 0
        content = _exactly(asks, HEADER.unpack(head)[0])
        if content is None:
            return 0
        method, given = read(content)
        try:
            _write_all(answers, written(answered(desk, method, given)))
        except BrokenPipeError:  # nobody waits for it any more
            return 0


def _exactly(source: int, size: int) -> bytes | None:
    """None at the end of the input."""
    content = bytearray()
    while len(content) < size:
        more = os.read(source, min(size - len(content), 1 << 20))
        if not more:
            return None
        content += more
    return bytes(content)


def _write_all(target: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(target, view) :]


if __name__ == "__main__":
    # By its own name, so that what is pickled here is read there as the same class.
    from ranking.desk import main as run

    sys.exit(run(sys.argv[1:]))
