"""Gigs for a person, people for a gig, and why: the one object that serves.

Filters come first, then what may answer is looked for (ranking/index.py), then it is scored. Without outcomes the score is a
blend of shares (BLEND); with a trained model, people whom past gigs tell about get the model's score, the others the blend's, and
each answer says which (`basis`). The order of two answers with one score is by id, so the order in which documents
came does not matter.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ranking.basis import Basis
from ranking.documents import Gig, Person
from ranking.embedding import Encoder, Floats
from ranking.experience import LOOKED_AT as MODEL_LOOKS_AT
from ranking.experience import Experience, Glance, sentence_of
from ranking.explaining import BLEND, Part, Score, parts_of_trees, score_of, tables_of
from ranking.index import Answers, Document, Hours, Index, Question
from ranking.learning import Learned, features
from ranking.skills.naming import SkillNames
from ranking.text import best_first, joined, promising, stop_words, terms

# Half as many beside a model, where only people are left of whom it knows nothing.
LOOKED_AT = 300
FINALISTS = 30
WISHES = 3
ADJACENT_WORTH = 0.5
ROUNDED_TO = 6
EVIDENCE = 3
BLEND_VERSION = "blend-1"


class Source(StrEnum):
    PROFILE = "PROFILE"
    GIG = "GIG"
    TEXT = "TEXT"
    PAST_GIG = "PAST_GIG"


@dataclass(frozen=True, slots=True)
class SkillEvidence:
    """Where a skill is seen: in the list of the profile or gig, in its text (`span`: characters), or in a past gig (`gig`, `at`)."""

    source: Source
    gig: str | None = None
    at: float | None = None
    span: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Adjacent:
    """A skill they have that is often asked for together with a missing one; `likeness` 0 to 1."""

    skill: str
    missing: str
    likeness: float


@dataclass(frozen=True, slots=True)
class Wish:
    """With this skill, too, the same scoring would have given `points`."""

    skill: str
    points: int


@dataclass(frozen=True, slots=True)
class Match:
    """`matched` with evidence, `missing` and `missing_nice` in the gig's order. `version` is of what made the score: of the model, or
    of the blend for whom the model knows nothing."""

    id: str
    score: Score
    basis: Basis
    version: str
    matched: Mapping[str, tuple[SkillEvidence, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    missing_nice: tuple[str, ...] = ()
    adjacent: tuple[Adjacent, ...] = ()
    wishes: tuple[Wish, ...] = ()


@dataclass(frozen=True, slots=True)
class Model:
    """What was learnt, with the version that its answers carry; both None until there is something to learn from."""

    version: str = BLEND_VERSION
    experience: Experience | None = None
    learned: Learned | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Serving:
    """A model, and where the people of its experience stand in the index (-1: nowhere); one object, so nobody sees half of it."""

    model: Model
    slots: NDArray[np.intp]
    present: NDArray[np.intp]  # those of them that are somewhere
    moves: int  # of the index, when they were looked up

    @classmethod
    def of(cls, model: Model, index: Index) -> _Serving:
        people = () if model.experience is None else model.experience.people
        slots = np.fromiter((index.slot(name) for name in people), np.intp, len(people))
        return cls(model, slots, slots[slots >= 0], index.moves)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """What is found out once for a gig, or for a gig and a person (`profile`: their vector, default: the indexed one).

    `glance` if a model knows something that can be asked for it.
    """

    gig: Gig
    vector: Floats | None
    glance: Glance | None = None
    profile: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Scored:
    """`exact` parts of the total; None until somebody is shown, because a model's cost more than the score of its `row`."""

    id: str
    total: float
    basis: Basis
    exact: Mapping[Part, float] | None = None
    row: Floats | None = None

    @classmethod
    def of(cls, name: str, exact: Mapping[Part, float], basis: Basis) -> _Scored:
        return cls(name, sum(exact.values()), basis, exact)

    @classmethod
    def blended(cls, name: str, exact: Mapping[Part, float]) -> _Scored:
        """LEXICAL as long as the meaning of either is not known yet."""
        return cls.of(name, exact, Basis.HYBRID if Part.MEANING in exact else Basis.LEXICAL)

    @property
    def key(self) -> tuple[float, str]:
        return (-round(self.total, ROUNDED_TO), self.id)


class Matcher:
    """`names` finds skills in people's texts, as evidence; `adjacency` says which skills go together (see below)."""

    def __init__(
        self,
        encoder: Encoder | None = None,
        *,
        model: Model | None = None,
        adjacency: Mapping[str, Mapping[str, float]] | None = None,
        names: SkillNames | None = None,
    ) -> None:
        self._encoder = encoder
        self._mentions = None if names is None else lru_cache(maxsize=20_000)(names.mentions)
        self._adjacency = adjacency or {}
        self.gigs: dict[str, Gig] = {}
        self.people: dict[str, Person] = {}
        self._gig_index, self._person_index = Index(), Index()
        self.use(model or Model())

    @property
    def model(self) -> Model:
        return self._serving.model

    @property
    def embeds(self) -> bool:
        """Whether it goes by meanings beside words."""
        return self._encoder is not None

    def embed(self, encoder: Encoder) -> None:
        """Go by meanings from the next answer on."""
        self._encoder = encoder

    # -- what is known -----------------------------------------------------------------------------------------------

    def put_gig(self, gig: Gig, *, vector: Floats | None = None, later: bool = False) -> None:
        """`later`: its meaning is told by `know_gig`; until then it is found and scored by words and skills."""
        self.gigs[gig.id] = gig
        vector = self._vector(sentence_of(gig)) if vector is None and not later else vector
        self._gig_index.put(_gig_document(gig, vector))

    def know_gig(self, gig_id: str, vector: Floats) -> None:
        self._gig_index.know(gig_id, vector)

    def remove_gig(self, gig_id: str) -> None:
        self.gigs.pop(gig_id, None)
        self._gig_index.remove(gig_id)

    def put_person(self, person: Person, *, vector: Floats | None = None, later: bool = False) -> None:
        """As `put_gig`."""
        self.people[person.id] = person
        vector = self._vector(profile_of(person)) if vector is None and not later else vector
        self._person_index.put(_person_document(person, vector))
        self._moved(person.id)

    def know_person(self, person_id: str, vector: Floats) -> None:
        self._person_index.know(person_id, vector)

    def remove_person(self, person_id: str) -> None:
        self.people.pop(person_id, None)
        self._person_index.remove(person_id)
        self._moved(person_id)

    def use(self, model: Model) -> None:
        """From the next answer on; one assignment, so no answer sees half of a model."""
        if model.learned is not None:
            tables_of(model.learned.trees)  # made here, so that no answer waits for them
        self._serving = _Serving.of(model, self._person_index)

    def _moved(self, person_id: str) -> None:
        serving = self._serving
        if serving.moves != self._person_index.moves:
            self.use(serving.model)
        elif serving.model.experience is not None and person_id in serving.model.experience.place:
            slots = serving.slots.copy()
            slots[serving.model.experience.place[person_id]] = self._person_index.slot(person_id)
            self._serving = replace(serving, slots=slots, present=slots[slots >= 0])

    # -- answers -----------------------------------------------------------------------------------------------------

    def people_for(
        self,
        gig: Gig,
        *,
        limit: int = 20,
        explained: int | None = None,
        without: Collection[str] = (),
        at: datetime | None = None,
    ) -> list[Match]:
        """Best first; only the first `explained` (all if None) say what would raise their score, which costs most.

        `without` are ids of people who are nothing for it, like those who blocked its owner. `at` is when time zones are compared: a
        gig that names one cannot be asked about without.
        """
        serving, look = self._serving, self._look(gig)
        question = _question_of_gig(gig, look.vector, without, at)
        allowed = self._person_index.allowed(question)
        scored = self._learned_people(serving, look, allowed, limit)
        if look.glance is not None:
            # The model says what is to be said of those whom it knows.
            allowed[serving.present] = False
        scored.extend(self._blended_people(look, question, allowed))
        chosen = _with_parts(serving.model, sorted(scored, key=lambda each: each.key)[:limit])
        explained = limit if explained is None else explained
        return [
            self._match(look, self.people[each.id], each, each.id, with_wishes=place < explained)
            for place, each in enumerate(chosen)
        ]

    def gigs_for(
        self, person: Person, *, limit: int = 20, explained: int | None = None, at: datetime | None = None
    ) -> list[Match]:
        """By the blend: a model's scores of one person for different gigs are not made to be compared. `at` as of `people_for`, for
        somebody who names a time zone."""
        vector = self._profile_vector(person)
        question = _question_of_person(person, vector, at)
        answers = self._gig_index.answers(question, limit=LOOKED_AT)
        scored = []
        for slot in _finalists(answers, question, FINALISTS):
            document = self._gig_index.documents[slot]
            if document is not None and person.id not in _blocked_by(self.gigs[document.id], self.people):
                gig = self.gigs[document.id]
                parts = self._blend(gig, person, self._gig_index.vector(gig.id), vector)
                scored.append(_Scored.blended(gig.id, parts))
        chosen = sorted(scored, key=lambda each: each.key)[:limit]
        explained = limit if explained is None else explained
        return [
            self._match(
                _Look(self.gigs[each.id], self._gig_index.vector(each.id), profile=vector),
                person,
                each,
                each.id,
                with_wishes=place < explained,
            )
            for place, each in enumerate(chosen)
        ]

    def explain_gigs(self, person: Person, gigs: Sequence[Gig]) -> list[Match]:
        """What `gigs_for` would say of these, wherever they would stand."""
        profile = self._profile_vector(person)
        looks = [_Look(gig, self._listed_vector(gig), profile=profile) for gig in gigs]
        return [
            self._match(look, person, self._score(look, person), look.gig.id, with_wishes=True)
            for look in looks
        ]

    def similar_gigs(self, gig: Gig, *, limit: int = 10) -> list[Match]:
        """Other open gigs, the most alike first. `matched` are skills that both ask for, with where the other one says so."""
        named = {name: parts for name, parts, _ in self._alike(gig, limit)}
        return [self._alike_match(gig, self.gigs[name], parts) for name, parts in named.items()]

    def near_gigs(self, gig: Gig, *, limit: int = 10) -> list[tuple[str, float]]:
        """The same without reasons: ids with how alike they are, 0 to 100."""
        return [(name, total) for name, _, total in self._alike(gig, limit)]

    def _alike(self, gig: Gig, limit: int) -> list[tuple[str, dict[Part, float], float]]:
        vector = self._gig_vector(gig)
        question = Question(
            gig.title + " " + gig.text, gig.skills, vector=vector, without=frozenset({gig.id})
        )
        answers = self._gig_index.answers(question, limit=LOOKED_AT)
        shares = _shares(answers, question)
        found = []
        # Whoever equals the last of them is among them: it is the id that decides.
        for at in promising(np.round(BLEND.totals(shares), ROUNDED_TO), limit).tolist():
            document = self._gig_index.documents[answers.slots[at]]
            if document is not None:
                own = {part: float(share[at]) for part, share in shares.items()}
                if self._gig_index.vector(document.id) is None:
                    own.pop(Part.MEANING, None)
                parts = BLEND.parts(own)
                found.append((document.id, parts, sum(parts.values())))
        return sorted(found, key=lambda each: (-round(each[2], ROUNDED_TO), each[0]))[:limit]

    def _alike_match(self, gig: Gig, other: Gig, parts: Mapping[Part, float]) -> Match:
        spans: dict[str, tuple[int, int]] = {}
        for mention in self._mentions(other.text) if self._mentions is not None else ():
            spans.setdefault(mention.skill, (mention.start, mention.end))
        asked = tuple(dict.fromkeys((*gig.skills, *gig.nice)))
        matched = {}
        for skill in asked:
            seen = [SkillEvidence(Source.GIG)] if skill in {*other.skills, *other.nice} else []
            if skill in spans:
                seen.append(SkillEvidence(Source.TEXT, span=spans[skill]))
            if seen:
                matched[skill] = tuple(seen)
        return Match(
            id=other.id,
            score=score_of(parts),
            basis=Basis.HYBRID if Part.MEANING in parts else Basis.LEXICAL,
            version=BLEND_VERSION,
            matched=matched,
            missing=tuple(skill for skill in dict.fromkeys(gig.skills) if skill not in matched),
            missing_nice=tuple(skill for skill in dict.fromkeys(gig.nice) if skill not in matched),
        )

    def fit(self, gig: Gig, person: Person) -> Match:
        """How one person fits one gig: what `people_for` would say of them, wherever they would stand."""
        look = replace(self._look(gig), profile=self._profile_vector(person))
        return self._match(look, person, self._score(look, person), person.id, with_wishes=True)

    # -- scores ------------------------------------------------------------------------------------------------------

    def _look(self, gig: Gig) -> _Look:
        model, vector = self.model, self._gig_vector(gig)
        experience = model.experience
        # Without a vector, a model that was trained with them lacks numbers: then nobody is known.
        if model.learned is None or experience is None or (experience.has_vectors and vector is None):
            return _Look(gig, vector, None)
        return _Look(gig, vector, experience.glance(gig, vector if experience.has_vectors else None))

    def _score(self, look: _Look, person: Person, *, gained: str | None = None) -> _Scored:
        """`gained`: supposing the person had one skill more, both in the profile and proven by one gig done now."""
        model, glance = self.model, look.glance
        experience, learned = model.experience, model.learned
        if (
            glance is not None
            and learned is not None
            and experience is not None
            and person.id in experience.place
        ):
            if gained is not None:
                glance = experience.supposing(glance, person.id, gained)
            evidence = experience.evidence(glance, np.array([experience.place[person.id]]))
            parts = parts_of_trees(learned.trees, features(experience, evidence))[0]
            return _Scored.of(person.id, parts, Basis.LEARNED)
        if gained is not None:
            person = replace(person, skills=(*person.skills, gained))
        profile = look.profile
        if profile is None and look.vector is not None:
            profile = self._person_index.vector(person.id)
        return _Scored.blended(person.id, self._blend(look.gig, person, look.vector, profile))

    def _learned_people(
        self, serving: _Serving, look: _Look, allowed: NDArray[np.bool_], limit: int
    ) -> list[_Scored]:
        """The best by the model of those who may, chosen by the first guess: filters come first here, too."""
        model, glance, slots = serving.model, look.glance, serving.slots
        if glance is None or model.experience is None or model.learned is None or not len(allowed):
            return []
        may = allowed[slots]
        may &= slots >= 0
        people = glance.first
        if not may[people].all():
            people = best_first(glance.first_guess * may, MODEL_LOOKS_AT)
            people = people[may[people]]
        names, owner = model.experience.people, look.gig.owner
        people = np.array(
            [at for at in people.tolist() if owner not in self.people[names[at]].blocked], np.intp
        )
        if not len(people):
            return []
        trees = model.learned.trees
        rows = features(model.experience, model.experience.evidence(glance, people))
        totals = trees.points(trees.scores(rows))
        # As they are compared: whoever equals the last of them is among them.
        best = promising(np.round(totals, ROUNDED_TO), limit).tolist()
        return [_Scored(names[people[at]], float(totals[at]), Basis.LEARNED, row=rows[at]) for at in best]

    def _blended_people(self, look: _Look, question: Question, allowed: NDArray[np.bool_]) -> list[_Scored]:
        looked_at, finalists = LOOKED_AT, FINALISTS
        if look.glance is not None:
            looked_at, finalists = LOOKED_AT // 2, FINALISTS // 2
        answers = self._person_index.answers(question, limit=looked_at, allowed=allowed)
        scored = []
        for slot in _finalists(answers, question, finalists):
            document = self._person_index.documents[slot]
            if document is None or look.gig.owner in self.people[document.id].blocked:
                continue
            parts = self._blend(
                look.gig, self.people[document.id], look.vector, self._person_index.vector(document.id)
            )
            scored.append(_Scored.blended(document.id, parts))
        return scored

    def _blend(
        self, gig: Gig, person: Person, gig_vector: Floats | None, person_vector: Floats | None
    ) -> dict[Part, float]:
        own = set(person.skills)
        shares: dict[Part, float] = {}
        if gig.skills:
            held = sum(
                1.0 if skill in own else ADJACENT_WORTH * self._nearest(skill, own)[1] for skill in gig.skills
            )
            shares[Part.SKILLS] = held / len(gig.skills)
        if gig.nice:
            shares[Part.NICE_SKILLS] = len(own.intersection(gig.nice)) / len(set(gig.nice))
        shares[Part.WORDS] = _shared_words(gig, person)
        if gig_vector is not None and person_vector is not None:
            shares[Part.MEANING] = float(np.clip(gig_vector @ person_vector, 0, 1))
        if gig.budget is not None and person.price is not None:
            shares[Part.PRICE] = min(1.0, max(0.0, (gig.budget - person.price) / max(1, gig.budget) + 0.5))
        return BLEND.parts(shares)

    # -- reasons -----------------------------------------------------------------------------------------------------

    def _match(self, look: _Look, person: Person, scored: _Scored, shown: str, *, with_wishes: bool) -> Match:
        assert scored.exact is not None
        gig = look.gig
        evidence = self._evidence(person, tuple(dict.fromkeys((*gig.skills, *gig.nice))))
        missing = tuple(skill for skill in dict.fromkeys(gig.skills) if not evidence[skill])
        own = {*person.skills, *(skill for skill, found in evidence.items() if found)}
        near = [(skill, *self._nearest(skill, own)) for skill in missing]
        wishes = []
        if with_wishes:
            for skill in missing[:WISHES]:
                exact = self._score(look, person, gained=skill).exact
                assert exact is not None
                wishes.append(Wish(skill, score_of(exact).points))
        return Match(
            id=shown,
            score=score_of(scored.exact),
            basis=scored.basis,
            version=self.model.version if scored.basis is Basis.LEARNED else BLEND_VERSION,
            matched={skill: found for skill, found in evidence.items() if found},
            missing=missing,
            missing_nice=tuple(skill for skill in dict.fromkeys(gig.nice) if not evidence[skill]),
            adjacent=tuple(Adjacent(held, skill, likeness) for skill, held, likeness in near if likeness > 0),
            wishes=tuple(sorted(wishes, key=lambda wish: (-wish.points, wish.skill))),
        )

    def _evidence(self, person: Person, skills: Sequence[str]) -> dict[str, tuple[SkillEvidence, ...]]:
        own = set(person.skills)
        found = {skill: [SkillEvidence(Source.PROFILE)] if skill in own else [] for skill in skills}
        if self._mentions is not None:
            spans: dict[str, tuple[int, int]] = {}
            for mention in self._mentions(person.text):
                spans.setdefault(mention.skill, (mention.start, mention.end))
            for skill in spans.keys() & found.keys():
                found[skill].append(SkillEvidence(Source.TEXT, span=spans[skill]))
        experience = self.model.experience
        if experience is not None:
            told = dict.fromkeys(skills, 0)
            for place in reversed(experience.gigs_of(person.id)):
                gig = experience.past[place].gig
                for skill in dict.fromkeys(gig.skills) if gig.is_visible else ():
                    if skill in found and told[skill] < EVIDENCE:
                        told[skill] += 1
                        found[skill].append(SkillEvidence(Source.PAST_GIG, gig=gig.id, at=gig.at))
        return {skill: tuple(each) for skill, each in found.items()}

    def _nearest(self, skill: str, own: set[str]) -> tuple[str, float]:
        near = self._adjacency.get(skill, {})
        held = [(likeness, other) for other, likeness in near.items() if other in own]
        likeness, other = max(held, key=lambda item: (item[0], item[1]), default=(0.0, ""))
        return other, likeness

    # -- vectors -----------------------------------------------------------------------------------------------------

    def _vector(self, text: str) -> Floats | None:
        return None if self._encoder is None else self._encoder.encode([text])[0]

    def _profile_vector(self, person: Person) -> Floats | None:
        """As that of whoever asks: computed if it is not known yet."""
        text, known = profile_of(person), self.people.get(person.id)
        is_indexed = self._encoder is not None and known is not None and profile_of(known) == text
        stored = self._person_index.vector(person.id) if is_indexed else None
        return self._vector(text) if stored is None else stored

    def _gig_vector(self, gig: Gig) -> Floats | None:
        """As that of what is asked about: computed if it is not known yet."""
        stored = self._listed_vector(gig) if self.gigs.get(gig.id) == gig else None
        return self._vector(sentence_of(gig)) if stored is None else stored

    def _listed_vector(self, gig: Gig) -> Floats | None:
        """As a list holds it: None until its meaning is known."""
        if self._encoder is None:
            return None
        if self.gigs.get(gig.id) != gig:
            return self._vector(sentence_of(gig))
        return self._gig_index.vector(gig.id)


def _with_parts(model: Model, chosen: list[_Scored]) -> list[_Scored]:
    rows = [each.row for each in chosen if each.row is not None]
    if not rows or model.learned is None:
        return chosen
    parts = iter(parts_of_trees(model.learned.trees, np.stack(rows)))
    return [each if each.row is None else replace(each, exact=next(parts)) for each in chosen]


def _shares(answers: Answers, question: Question) -> dict[Part, NDArray[np.float64]]:
    shares = {Part.WORDS: answers.words}
    if question.skills:
        shares[Part.SKILLS] = answers.skills
    if question.nice:
        shares[Part.NICE_SKILLS] = answers.nice
    if answers.meaning is not None:
        shares[Part.MEANING] = answers.meaning
    return shares


def _finalists(answers: Answers, question: Question, limit: int) -> list[int]:
    """Slots worth an exact score, which is Python and costs some 30 µs each."""
    totals = BLEND.totals(_shares(answers, question))
    return [int(answers.slots[at]) for at in best_first(totals, limit)]


def adjacency(
    tagged: Sequence[Sequence[str]], *, least: float = 0.2, most: int = 5
) -> dict[str, dict[str, float]]:
    """Skills that are asked for together: the cosine of their occurrences, where at least `least`, the `most` nearest."""
    times: dict[str, int] = {}
    together: dict[str, dict[str, int]] = {}
    for skills in tagged:
        own = sorted(set(skills))
        for skill in own:
            times[skill] = times.get(skill, 0) + 1
            row = together.setdefault(skill, {})
            for other in own:
                if other != skill:
                    row[other] = row.get(other, 0) + 1
    near: dict[str, dict[str, float]] = {}
    for skill, row in together.items():
        cosines = [
            (count / (times[skill] * times[other]) ** 0.5, other) for other, count in row.items() if count > 1
        ]
        kept = sorted(
            ((c, other) for c, other in cosines if c >= least), key=lambda item: (-item[0], item[1])
        )[:most]
        near[skill] = {other: cosine for cosine, other in kept}
    return near


def _shared_words(gig: Gig, person: Person) -> float:
    """Share of the gig's distinct telling words that stand in the profile, damped: half of them is already much."""
    asked = _telling(f"{gig.title} {gig.text}")
    return float((len(asked & _telling(profile_of(person))) / len(asked)) ** 0.5) if asked else 0.0


@lru_cache(maxsize=20_000)  # some 50 MB; the same people are looked at again and again
def _telling(text: str) -> frozenset[str]:
    return frozenset(terms(text)) - stop_words()


def profile_of(person: Person) -> str:
    return joined([person.title + ".", person.text, *person.skills])


def _gig_document(gig: Gig, vector: Floats | None) -> Document:
    return Document(
        gig.id,
        joined([gig.title, gig.text]),
        gig.skills,
        vector,
        gig.budget,
        gig.until,
        gig.languages,
        gig.owner,
        gig.is_visible,
        gig.zone,
        gig.overlap,
    )


def _person_document(person: Person, vector: Floats | None) -> Document:
    open_to_work = person.is_available and person.is_visible
    return Document(
        person.id,
        profile_of(person),
        person.skills,
        vector,
        person.price,
        person.free_from,
        person.languages,
        is_open=open_to_work,
        zone=person.zone,
    )


def _question_of_gig(
    gig: Gig, vector: Floats | None, without: Collection[str], at: datetime | None
) -> Question:
    return Question(
        joined([gig.title, gig.text]),
        gig.skills,
        gig.nice,
        vector,
        most=gig.budget,
        not_after=gig.until,
        languages=gig.languages,
        hours=_hours(gig.zone, at, overlap=gig.overlap),
        without=frozenset({gig.owner, *without} - {""}),
    )


def _question_of_person(person: Person, vector: Floats | None, at: datetime | None) -> Question:
    without = frozenset({person.id, *person.blocked})
    return Question(
        profile_of(person),
        person.skills,
        (),
        vector,
        least=person.price,
        not_before=person.free_from,
        languages=person.languages,
        hours=_hours(person.zone, at),
        without=without,
    )


def _hours(zone: str | None, at: datetime | None, *, overlap: int = 0) -> Hours | None:
    if zone is None:
        return None
    if at is None:
        raise ValueError(f"When is it that {zone} is compared with other time zones? Say `at`.")
    return Hours(zone, at, overlap)


def _blocked_by(gig: Gig, people: Mapping[str, Person]) -> frozenset[str]:
    owner = people.get(gig.owner)
    return frozenset() if owner is None else owner.blocked
