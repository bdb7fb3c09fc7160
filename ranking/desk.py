"""The process that ranks: `python -m ranking.desk` answers calls from its standard input until that ends.

Beside the process that serves, so that what takes milliseconds of Python never holds up an event loop. One call after the
other; between calls, meanings of documents are computed, a few at a time. A call is a length and a pickled (method, arguments),
its answer a length and a pickled (whether it went well, result): both ends are the same program.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import select
import signal
import struct
import sys
import time
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from ranking.answers import (
    Answer,
    Hindrance,
    Mentioned,
    Near,
    Proof,
    ProposedTeam,
    SkillAnswer,
    Status,
    TeamAnswer,
    TeamRequest,
)
from ranking.documents import Gig, Happened, PastGig, Person, past_gigs

if TYPE_CHECKING:
    from ranking.artifacts import Artifact, Artifacts
    from ranking.embedding import Encoder, Floats
    from ranking.experience import Experience
    from ranking.known_vectors import KnownVectors
    from ranking.matching import Match, Matcher, Model
    from ranking.skills.naming import SkillNames
    from ranking.skills.suggesting import SkillSuggester, TrainedSuggester

HEADER = struct.Struct("<Q")
MOST_ANSWERS = 10
"""Answers that are given before a document gets its meaning, where questions never pause: some tenths of a second."""
QUIET_S = 0.02
"""Who has just changed a document or asked asks again soon: so long it is waited before some tens of milliseconds are spent."""
FEW = 20
WORK_S = 0.01
NEWCOMER_GIGS = 5
LIKELY = 0.3
SURE = 0.999
"""What is only likely never counts as named, whose confidence is 1."""
_log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Making:
    """Of what the suggester in use is made, or is being made."""

    version: str
    tagged: Sequence[Gig]
    has_failed: bool = False

    def is_of(self, version: str, tagged: Sequence[Gig]) -> bool:
        return self.version == version and self.tagged is tagged


class Desk:
    """Holds what is on the market and answers by it. First by words alone; by meaning once all meanings are computed."""

    def __init__(self, *, embeds: bool = True, encoder: Encoder | None = None) -> None:
        """`encoder` computes meanings, by default the one that is installed; without `embeds` nothing does."""
        self._embeds = embeds
        self._own_encoder = encoder
        self._names: SkillNames | None = None
        # Filled when all gigs are there, for a matcher that has it already; an empty one it would take for none.
        self._adjacency: dict[str, dict[str, float]] = {"": {}}
        self._encoder: KnownVectors | None = None
        self._waiting: OrderedDict[tuple[bool, str], None] = OrderedDict()
        """Gigs (true) and people whose meaning is not known yet, each once; whose turn it is comes first."""
        self._matcher = self._new_matcher()
        self._heard_gigs: list[Gig] = []
        self._heard: list[Happened] = []
        self._past: list[PastGig] = []
        self._experience: Experience | None = None
        self._close_experience: Experience | None = None
        """The same with the meanings of past gigs, once somebody counts on them."""
        self._past_vectors: dict[bytes, Floats] = {}
        """By the text, which may be edited."""
        self._past_waiting: deque[str] = deque()
        self._waits = False
        """Whether the model is to be taken up when it can be."""
        self._artifacts: Artifacts | None = None
        self._artifact: Artifact | None = None
        self._heard_tagged: list[Gig] = []
        self._tagged: list[Gig] = []
        """Of which skills of texts are learnt."""
        self._suggests: tuple[str, SkillSuggester] | None = None
        """The suggester in use with its version."""
        self._making: _Making | None = None
        """Nothing else is put in use."""

    # -- what is known -------------------------------------------------------------------------------------------------

    def begin(self, taxonomy: Sequence[tuple[str, tuple[str, ...]]], vectors: str | None = None) -> None:
        """The names of skills, and where vectors are kept from one start to the next; before any document."""
        from ranking.skills.naming import SkillName, SkillNames

        self._names = SkillNames(SkillName(name, (name, *others)) for name, others in taxonomy)
        self._encoder = self._known_vectors(vectors)
        self._matcher = self._new_matcher()

    def load(self, gigs: Sequence[Gig], people: Sequence[Person]) -> None:
        """Add many documents, by words and skills, and by meaning where it was computed before."""
        self._waiting.update(dict.fromkeys(self._put(gigs, people)))

    def settle(self, artifacts: str | None) -> None:
        """Everything is loaded; `artifacts` is where trained models are. From here on it answers, and computes meanings between
        the answers."""
        from ranking.matching import adjacency

        self._artifacts = _artifacts_in(artifacts)
        self._adjacency.update(adjacency([gig.skills for gig in self._matcher.gigs.values()]))
        # What came last is looked for first.
        gigs = [each for each in self._waiting if each[0]]
        people = [each for each in self._waiting if not each[0]]
        self._waiting = OrderedDict.fromkeys([*reversed(gigs), *people])
        self._embed_if_all_are_known()
        self.look()
        self._use_model()

    def listen(self) -> None:
        """What became of gigs is told anew, from the beginning."""
        self._heard_gigs, self._heard, self._heard_tagged = [], [], []

    def hear_tagged(self, gigs: Sequence[Gig]) -> None:
        """Gigs for everybody's eyes, of whose texts and skills is learnt; as `hear`."""
        self._heard_tagged.extend(gigs)

    def hear(self, gigs: Sequence[Gig], happened: Sequence[Happened]) -> None:
        """A part of it, in any order; nothing counts before `remember`."""
        self._heard_gigs.extend(gigs)
        self._heard.extend(happened)

    def remember(self) -> None:
        """All was told; it replaces what was told before. What a trained model needs to know of it is computed first."""
        from ranking.experience import Experience

        # When each step happened matters to training alone.
        past = [PastGig(each.gig, each.outcomes) for each in past_gigs(self._heard_gigs, self._heard)]
        tagged = self._heard_tagged
        self.listen()
        if tagged != self._tagged:
            self._tagged = tagged
        self._past, self._close_experience = past, None
        self._experience = Experience(past) if past else None
        known = {_text_key(gig) for gig in (*(each.gig for each in past), *tagged)}
        self._past_vectors = {key: vector for key, vector in self._past_vectors.items() if key in known}
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
        for gig_id in gone_gigs:
            self._matcher.remove_gig(gig_id)
            self._waiting.pop((True, gig_id), None)
        for person_id in gone_people:
            self._matcher.remove_person(person_id)
            self._waiting.pop((False, person_id), None)
        for lacking in self._put(gigs, people):
            self._waiting[lacking] = None
            self._waiting.move_to_end(lacking, last=False)

    def status(self) -> Status:
        matcher = self._matcher
        documents = len(matcher.gigs) + len(matcher.people)
        encoder = self._encoder
        vectors = None if encoder is None else documents - len(self._waiting)
        basis = "HYBRID" if matcher.embeds else "LEXICAL"
        if matcher.model.learned is not None:
            basis = "LEARNED"
        return Status(gigs=len(matcher.gigs), people=len(matcher.people), past_gigs=len(self._past), vectors=vectors,
                      recalled=0 if encoder is None else encoder.found, documents=documents, basis=basis, version=matcher.model.version, memory_mb=_memory_mb())  # fmt: skip

    # -- answers -------------------------------------------------------------------------------------------------------

    def gigs_for(
        self, person: Person, limit: int, explained: int, at: datetime | None = None
    ) -> list[Answer]:
        found = self._matcher.gigs_for(person, limit=limit, explained=explained, at=at)
        return [self._answer(match) for match in found]

    def explain_gigs(self, person: Person, gigs: Sequence[Gig]) -> list[Answer]:
        """As `gigs_for` would say of these."""
        return [self._answer(match) for match in self._matcher.explain_gigs(person, gigs)]

    def people_for(
        self,
        gig: Gig,
        limit: int,
        explained: int,
        without: Sequence[str] = (),
        at: datetime | None = None,
    ) -> list[Answer]:
        found = self._matcher.people_for(gig, limit=limit, explained=explained, without=without, at=at)
        return [self._answer(match) for match in found]

    def fits(self, pairs: Sequence[tuple[Gig, Person]]) -> list[Answer]:
        """As `people_for` would say of each person."""
        return [self._answer(self._matcher.fit(gig, person)) for gig, person in pairs]

    def similar(self, gig: Gig, limit: int) -> list[Answer]:
        """Other gigs, and how they are like it."""
        return [self._answer(match) for match in self._matcher.similar_gigs(gig, limit=limit)]

    def skills_in(self, title: str, text: str, limit: int) -> SkillAnswer:
        """Skills that a text names, then those that are likely; spans count from the start of `text`."""
        spans: dict[str, list[tuple[int, int]]] = {}
        if self._names is not None:
            for mention in self._names.mentions(text):
                spans.setdefault(mention.skill, []).append((mention.start, mention.end))
            for mention in self._names.mentions(title):
                spans.setdefault(mention.skill, [])
        named = [Mentioned(skill, 1.0, tuple(found)) for skill, found in spans.items()]
        basis, version, likely = self._likely_skills(title, text, limit + len(spans))
        more = [Mentioned(skill, min(share, SURE)) for skill, share in likely if skill not in spans]
        return SkillAnswer(basis, version, tuple([*named, *more][:limit]))

    def _likely_skills(self, title: str, text: str, limit: int) -> tuple[str, str, list[tuple[str, float]]]:
        """By what was learnt of tagged gigs, or what gigs like it ask for; with basis and version."""
        from ranking.matching import BLEND_VERSION
        from ranking.skills.suggesting import Tagged
        from ranking.skills.voting import voted

        if (suggests := self._suggests) is None:
            basis = "HYBRID" if self._matcher.embeds else "LEXICAL"
            found = [each for each in voted(self._matcher, title, text) if each[1] >= LIKELY]
            return basis, BLEND_VERSION, found
        version, suggester = suggests
        (suggested,) = suggester.suggest([Tagged(title, text)], limit=limit)
        likely = [(each.skill, each.probability) for each in suggested if each.is_likely]
        return suggester.basis.value, version, likely

    def teams(self, request: TeamRequest) -> TeamAnswer:
        return _teams(request)

    # -- between answers -----------------------------------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        return bool(self._waiting or self._past_waiting)

    @property
    def quiet_s(self) -> float:
        """How long nobody should have asked before there is time to work."""
        return QUIET_S if len(self._waiting) + len(self._past_waiting) <= FEW else 0.0

    def work(self) -> None:
        """Compute the meaning of the next document, or of as many as take a few milliseconds, most of them known already."""
        until = time.monotonic() + WORK_S
        while self.has_work and time.monotonic() < until:
            self._work_once()

    def _work_once(self) -> None:
        assert self._encoder is not None
        if self._waiting:
            (is_gig, name), _ = self._waiting.popitem(last=False)
            self._know(is_gig, name, self._encoder)
            self._embed_if_all_are_known()
        else:
            text = self._past_waiting.popleft()
            self._past_vectors[_key(text)] = self._encoder.encode([text])[0]
            if not self._past_waiting:
                self._make_suggester()
        if self._waits and self._is_ready:
            self._use_model()

    def _know(self, is_gig: bool, name: str, encoder: KnownVectors) -> None:
        from ranking.experience import sentence_of
        from ranking.matching import profile_of

        if is_gig and (gig := self._matcher.gigs.get(name)) is not None:
            self._matcher.know_gig(name, encoder.encode([sentence_of(gig)])[0])
        elif not is_gig and (person := self._matcher.people.get(name)) is not None:
            self._matcher.know_person(name, encoder.encode([profile_of(person)])[0])

    def _embed_if_all_are_known(self) -> None:
        """From then on for good: a few that come later are without for a moment."""
        if self._encoder is not None and not self._waiting and not self._matcher.embeds:
            self._matcher.embed(self._encoder)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _new_matcher(self) -> Matcher:
        """By words and skills, until all meanings are known: scores with and without are not to be compared."""
        from ranking.matching import Matcher

        return Matcher(adjacency=self._adjacency, names=self._names)

    def _known_vectors(self, directory: str | None) -> KnownVectors | None:
        from ranking.embedding import installed_encoder
        from ranking.known_vectors import KnownVectors, VectorFile

        encoder = (self._own_encoder or installed_encoder()) if self._embeds else None
        if encoder is None:
            return None
        return KnownVectors(encoder, None if directory is None else VectorFile(Path(directory)))

    def _put(self, gigs: Sequence[Gig], people: Sequence[Person]) -> list[tuple[bool, str]]:
        """By words and skills, and by meaning if it is known; whose is not is answered, and nobody of them waits any more."""
        from ranking.experience import sentence_of
        from ranking.matching import profile_of

        lacking = []
        for gig, vector in zip(gigs, self._recalled([sentence_of(gig) for gig in gigs]), strict=True):
            self._matcher.put_gig(gig, vector=vector, later=True)
            self._waiting.pop((True, gig.id), None)
            if vector is None:
                lacking.append((True, gig.id))
        texts = [profile_of(person) for person in people]
        for person, vector in zip(people, self._recalled(texts), strict=True):
            self._matcher.put_person(person, vector=vector, later=True)
            self._waiting.pop((False, person.id), None)
            if vector is None:
                lacking.append((False, person.id))
        return [] if self._encoder is None else lacking

    def _recalled(self, texts: Sequence[str]) -> Sequence[Floats | None]:
        return [None] * len(texts) if self._encoder is None else self._encoder.recall(texts)

    def _prepare(self) -> None:
        """Use the model at once, or when the meanings that it counts on are known; until then nothing changes."""
        from ranking.experience import sentence_of

        self._past_waiting.clear()
        needed: list[Gig] = []
        if self._encoder is not None and needs_meanings(self._artifact):
            needed += [each.gig for each in self._past]
        if self._encoder is not None and self._learnt_of_skills is not None:
            needed += self._tagged
        texts = dict.fromkeys(map(sentence_of, needed))
        self._past_waiting.extend(text for text in texts if _key(text) not in self._past_vectors)
        self._waits = not self._is_ready
        if not self._waits:
            self._use_model()
        self._make_suggester()

    @property
    def _learnt_of_skills(self) -> TrainedSuggester | None:
        return None if self._artifact is None else self._artifact.suggester

    def _make_suggester(self) -> None:
        """In a thread, because it takes a second or two: answers go on meanwhile, by the one before, unless it was rolled back."""
        trained, artifact = self._learnt_of_skills, self._artifact
        if trained is None or artifact is None:
            self._suggests, self._making = None, None
            return
        if not self._tagged or self._past_waiting:
            return
        before, now = self._making, (artifact.version, self._tagged)
        if before is not None and not before.has_failed and before.is_of(*now):
            return
        vectors = None
        if self._encoder is not None:
            import numpy as np

            vectors = np.stack([self._past_vectors[_text_key(gig)] for gig in self._tagged])
        making = self._making = _Making(*now)
        try:
            Thread(target=self._made_suggester, args=(making, trained, vectors), daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            _log.exception("the suggester of skills of %s is not made", making.version)
            making.has_failed = True

    def _made_suggester(self, making: _Making, trained: TrainedSuggester, vectors: Any) -> None:
        """What fails is tried again when the past is told again, not at once: it may fail for good."""
        from ranking.skills.suggesting import SkillSuggester, tagged_as

        try:
            tagged = [tagged_as(gig) for gig in making.tagged]
            made = SkillSuggester.of(tagged, trained, self._encoder, vectors)
        except Exception:
            _log.exception("the suggester of skills of %s cannot be used", making.version)
            making.has_failed = True
            return
        if self._making is making:
            self._suggests = making.version, made

    @property
    def _is_ready(self) -> bool:
        """Whether the meanings are known that the model counts on, if it does."""
        if self._encoder is None or not needs_meanings(self._artifact):
            return True
        return self._matcher.embeds and not self._past_waiting

    def _use_model(self) -> None:
        """From the next answer on."""
        self._waits = not self._is_ready
        self._matcher.use(self._model())

    def _model(self) -> Model:
        """Without one that is trained, or if what it counts on is not there, people are ordered by the blend."""
        from ranking.learning import Learned
        from ranking.matching import Model

        artifact, experience = self._artifact, self._experience
        if artifact is None or not isinstance(artifact.training.order, Learned):
            return Model(experience=experience)
        if needs_meanings(artifact):
            experience = self._experience_by_meaning() if self._is_ready else None
        if experience is None:
            return Model(experience=self._experience)
        return Model(artifact.version, experience, artifact.training.order)

    def _experience_by_meaning(self) -> Experience | None:
        """None as long as the meaning of a past gig is missing."""
        if self._close_experience is None and self._past:
            vectors = [self._past_vectors.get(_text_key(each.gig)) for each in self._past]
            known = [vector for vector in vectors if vector is not None]
            if len(known) == len(vectors):
                import numpy as np

                from ranking.experience import Experience

                self._close_experience = Experience(self._past, np.stack(known))
        return self._close_experience

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


def _text_key(gig: Gig) -> bytes:
    from ranking.experience import sentence_of

    return _key(sentence_of(gig))


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()


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
    "begin", "load", "settle", "listen", "hear", "hear_tagged", "remember", "change", "status", "gigs_for", "explain_gigs", "people_for", "fits", "similar",
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
    answers_given = 0
    while True:
        is_asked = answers_given < MOST_ANSWERS and bool(select.select([asks], [], [], desk.quiet_s)[0])
        if desk.has_work and not is_asked:
            desk.work()
            answers_given = 0
            continue
        answers_given += desk.has_work
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
