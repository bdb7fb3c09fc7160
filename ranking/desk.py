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
from collections.abc import Callable, Sequence
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
from ranking.documents import Gig, PastGig, Person

if TYPE_CHECKING:
    from ranking.artifacts import Artifact
    from ranking.embedding import Encoder, Floats
    from ranking.experience import Experience
    from ranking.matching import Match, Matcher, Model
    from ranking.skills.naming import SkillNames

HEADER = struct.Struct("<Q")
AT_ONCE = 1
"""Documents whose meaning is computed within one call: some tens of milliseconds."""
KEPT_VECTORS = 20_000
ASKED = 2_000
"""People who asked for gigs, and gigs that people were asked for, kept beside those that can be found."""
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
        self._past: list[PastGig] = []
        self._artifacts: Path | None = None
        self._names: SkillNames | None = None
        self._experience: Experience | None = None
        # Filled when all gigs are there, for matchers that have it already; an empty one they would take for none.
        self._adjacency: dict[str, dict[str, float]] = {"": {}}
        self._encoder: KnownVectors | None = None
        self._artifact: Artifact | None = None
        self._waiting: deque[tuple[bool, str]] = deque()
        self._past_vectors: dict[str, Floats] = {}
        self._past_waiting: deque[tuple[str, str]] = deque()
        self._draft: Sides | None = None
        self._sides = Sides(None, None, self._adjacency)

    # -- what is known -------------------------------------------------------------------------------------------------

    def begin(self, taxonomy: Sequence[tuple[str, tuple[str, ...]]]) -> None:
        """The names of skills; before any document."""
        from ranking.skills.naming import SkillName, SkillNames

        self._names = SkillNames(SkillName(name, (name, *others)) for name, others in taxonomy)
        self._sides = Sides(None, self._names, self._adjacency)

    def load(self, gigs: Sequence[Gig], people: Sequence[Person]) -> None:
        """Add many documents, by words and skills."""
        for gig in gigs:
            self._sides.gigs.put_gig(gig)
        for person in people:
            self._sides.people.put_person(person)

    def settle(self, past: Sequence[PastGig], artifacts: str | None) -> None:
        """Everything is loaded: what was done before, and where models are. From here on it answers, and computes meanings
        between the answers."""
        from ranking.matching import adjacency

        self._artifacts = None if artifacts is None else Path(artifacts)
        self._adjacency.update(adjacency([gig.skills for gig in self._sides.gigs.gigs.values()]))
        encoder = self._installed_encoder()
        if encoder is not None:
            self._encoder = KnownVectors(encoder)
            self._draft = Sides(self._encoder, self._names, self._adjacency)
            # What came last is looked for first.
            self._waiting.extend((True, gig_id) for gig_id in reversed(self._sides.gigs.gigs))
            self._waiting.extend((False, person_id) for person_id in self._sides.people.people)
        self.remember(past)
        if not self.has_work:
            self._finish()

    def remember(self, past: Sequence[PastGig]) -> None:
        """What was done by now; replaces what was told before. What a trained model needs to know of it is computed first."""
        from ranking.experience import Experience, sentence_of

        self._experience = Experience(past) if past else None
        self._artifact = read_artifact(self._artifacts)
        self._past = list(past)
        if self._encoder is not None and needs_meanings(self._artifact):
            texts = {each.gig.id: sentence_of(each.gig) for each in past}
            self._past_vectors = {id: v for id, v in self._past_vectors.items() if id in texts}
            self._past_waiting = deque(item for item in texts.items() if item[0] not in self._past_vectors)
        if not self._past_waiting:
            self._use_models()

    def change(
        self,
        gigs: Sequence[Gig],
        gone_gigs: Sequence[str],
        people: Sequence[Person],
        gone_people: Sequence[str],
    ) -> None:
        """Documents that came or changed, and ids of those that are no longer to be found."""
        for sides in filter(None, (self._sides, self._draft)):
            for gig_id in gone_gigs:
                sides.gigs.remove_gig(gig_id)
            for person_id in gone_people:
                sides.people.remove_person(person_id)
        is_bulk = len(gigs) + len(people) > AT_ONCE
        for gig in gigs:
            self._put(gig, is_gig=True, is_bulk=is_bulk)
        for person in people:
            self._put(person, is_gig=False, is_bulk=is_bulk)

    def status(self) -> Status:
        sides = self._sides
        gigs, people = sides.gigs.gigs, sides.people.people
        documents = len(gigs) + len(people)
        past = 0 if self._experience is None else len(self._experience.past)
        vectors = None if self._encoder is None else documents - len(self._waiting)
        basis = "LEXICAL" if sides.encoder is None else "HYBRID"
        model = sides.people.model
        if model.learned is not None:
            basis = "LEARNED"
        return Status(gigs=len(gigs), people=len(people), past_gigs=past, vectors=vectors, documents=documents,
                      basis=basis, version=model.version, memory_mb=_memory_mb())  # fmt: skip

    # -- answers -------------------------------------------------------------------------------------------------------

    def gigs_for(self, person: Person, limit: int, explained: int) -> list[Answer]:
        matcher = self._sides.asking_person(person)
        return [self._answer(match) for match in matcher.gigs_for(person, limit=limit, explained=explained)]

    def explain_gigs(self, person: Person, gigs: Sequence[Gig]) -> list[Answer]:
        """As `gigs_for` would say of these."""
        matcher = self._sides.asking_person(person)
        return [self._answer(matcher.fit(gig, person), id=gig.id) for gig in gigs]

    def people_for(self, gig: Gig, limit: int, explained: int) -> list[Answer]:
        matcher = self._sides.asked_gig(gig)
        return [self._answer(match) for match in matcher.people_for(gig, limit=limit, explained=explained)]

    def fits(self, pairs: Sequence[tuple[Gig, Person]]) -> list[Answer]:
        """As `people_for` would say of each person."""
        found = []
        for gig, person in pairs:
            matcher = self._sides.asked_gig(gig)
            known = matcher.people.get(person.id)
            if known != person:
                matcher.put_person(person)
            found.append(self._answer(matcher.fit(gig, person)))
        return found

    def similar(self, gig: Gig, limit: int) -> list[tuple[str, int]]:
        """Other gigs with how alike they are, 0 to 100."""
        return [
            (name, min(100, max(0, round(score))))
            for name, score in self._sides.gigs.similar_gigs(gig, limit=limit)
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
        gigs = self._sides.gigs
        for name, score in gigs.similar_gigs(Gig("", title, text), limit=NEIGHBOURS):
            whole += score
            for skill in gigs.gigs[name].skills:
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
        target = self._draft or self._sides
        if is_gig and (gig := self._sides.gigs.gigs.get(name)) is not None:
            target.gigs.put_gig(gig)
        elif not is_gig and (person := self._sides.people.people.get(name)) is not None:
            target.people.put_person(person)

    def _finish(self) -> None:
        if self._draft is not None:
            self._sides, self._draft = self._draft, None
        self._use_models()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _put(self, document: Gig | Person, *, is_gig: bool, is_bulk: bool) -> None:
        """At once by words; by meaning, too, unless many came at once: then their meanings wait for a quiet moment."""
        for sides in filter(None, (self._sides, self._draft)):
            vector = sides.no_vector if is_bulk else None
            if isinstance(document, Gig):
                sides.gigs.put_gig(document, vector=vector)
            else:
                sides.people.put_person(document, vector=vector)
        if is_bulk and self._encoder is not None:
            self._waiting.append((is_gig, document.id))

    def _use_models(self) -> None:
        """For gigs, which a trained model cannot compare, and for people."""
        from ranking.matching import Model

        plain = Model(experience=self._experience)
        vectors = [self._past_vectors.get(each.gig.id) for each in self._past]
        learned = served_model(self._artifact, self._past, self._experience, vectors)
        for sides in filter(None, (self._sides, self._draft)):
            sides.use(plain, plain if learned is None else learned)

    def _installed_encoder(self) -> Encoder | None:
        from ranking.embedding import installed_encoder

        return installed_encoder() if self._embeds else None

    def _answer(self, match: Match, *, id: str | None = None) -> Answer:
        experience = self._experience
        done = 0 if experience is None else len(experience.gigs_of(match.id))
        return Answer(
            id=id or match.id,
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


class Sides:
    """Gigs that people look for, and people whom gigs look for: two indexes, as a trained model serves the second only.

    Those who ask are known to the other side's matcher, too, a limited number of them, so that their meaning is known.
    """

    def __init__(
        self,
        encoder: KnownVectors | None,
        names: SkillNames | None,
        near: dict[str, dict[str, float]],
    ) -> None:
        from ranking.matching import Matcher

        self.encoder = encoder
        self.gigs: Matcher = Matcher(encoder, adjacency=near, names=names)
        self.people: Matcher = Matcher(encoder, adjacency=near, names=names)
        self._asking: OrderedDict[str, None] = OrderedDict()
        self._asked: OrderedDict[str, None] = OrderedDict()

    @property
    def no_vector(self) -> Floats | None:
        if self.encoder is None:
            return None
        import numpy as np

        from ranking.embedding import DIMENSIONS

        return np.zeros(DIMENSIONS, np.float32)

    def use(self, for_gigs: Model, for_people: Model) -> None:
        self.gigs.use(for_gigs)
        self.people.use(for_people)

    def asking_person(self, person: Person) -> Matcher:
        if self.gigs.people.get(person.id) != person:
            self.gigs.put_person(person)
        _note(self._asking, person.id, self.gigs.remove_person)
        return self.gigs

    def asked_gig(self, gig: Gig) -> Matcher:
        if self.people.gigs.get(gig.id) != gig:
            self.people.put_gig(gig)
        _note(self._asked, gig.id, self.people.remove_gig)
        return self.people


def _note(kept: OrderedDict[str, None], name: str, forget: Callable[[str], None]) -> None:
    kept[name] = None
    kept.move_to_end(name)
    if len(kept) > ASKED:
        forget(kept.popitem(last=False)[0])


def read_artifact(artifacts: Path | None) -> Artifact | None:
    """The trained model in use, if there is one that can be read; why not is logged, and the basis of answers shows it."""
    from ranking.artifacts import ArtifactDamaged, load

    try:
        return None if artifacts is None or not artifacts.exists() else load(artifacts)
    except (ArtifactDamaged, ImportError, OSError) as error:
        _log.warning("the trained model is not used: %s", error)
        return None


def needs_meanings(artifact: Artifact | None) -> bool:
    from ranking.learning import Learned

    if artifact is None or not isinstance(artifact.training.order, Learned):
        return False
    return any(name.startswith("meaning") for name in artifact.training.order.trees.names)


def served_model(
    artifact: Artifact | None,
    past: Sequence[PastGig],
    experience: Experience | None,
    vectors: Sequence[Floats | None],
) -> Model | None:
    """What orders people by this artifact, if it can serve by what is known: the past, and its meanings if it counts on them."""
    from ranking.experience import Experience
    from ranking.learning import Learned
    from ranking.matching import Model

    if artifact is None or experience is None or not isinstance(artifact.training.order, Learned):
        return None
    if needs_meanings(artifact):
        import numpy as np

        known = [vector for vector in vectors if vector is not None]
        if len(known) < len(past):
            return None
        experience = Experience(past, np.stack(known))
    return Model(artifact.version, experience, artifact.training.order)


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
    "begin", "load", "settle", "remember", "change", "status", "gigs_for", "explain_gigs", "people_for", "fits", "similar",
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
