"""Gigs for a person, people for a gig, and why: the one object that serves.

Filters come first, then what may answer is looked for (ranking/index.py), then it is scored. Without outcomes the score is a
blend of shares (BLEND); with a trained model, people whom past gigs tell about get the model's score, the others the blend's, and
each answer says which (`basis`). The order of two answers with one score is by id, so the order in which documents
came does not matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ranking.basis import Basis
from ranking.documents import Gig, Person
from ranking.embedding import Encoder, Floats
from ranking.experience import Evidence, Experience, sentence_of
from ranking.explaining import BLEND, Part, Score, parts_of_trees, score_of
from ranking.index import Answers, Document, Index, Question
from ranking.learning import Learned, features, looked_at
from ranking.skills.naming import SkillNames
from ranking.text import best_first, joined, stop_words, terms

LOOKED_AT = 300
FINALISTS = 30
WISHES = 3
ADJACENT_WORTH = 0.5
EVIDENCE = 3


class Source(StrEnum):
    PROFILE = "PROFILE"
    TEXT = "TEXT"
    PAST_GIG = "PAST_GIG"


@dataclass(frozen=True, slots=True)
class SkillEvidence:
    """Where a skill is seen: in the profile's list, in its text (`span`: characters), or in a past gig (`gig`, `at`)."""

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
    """`matched` with evidence, `missing` and `missing_nice` in the gig's order; `placed_by` is set by ranking/placing.py."""

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
    """What was learnt, with the version that answers carry; both None until there is something to learn from."""

    version: str = "blend-1"
    experience: Experience | None = None
    learned: Learned | None = None


@dataclass(frozen=True, slots=True)
class _Scored:
    """`exact` parts of the total; None until somebody is shown, because a model's cost more than the score itself."""

    id: str
    total: float
    basis: Basis
    exact: Mapping[Part, float] | None = None

    @classmethod
    def of(cls, name: str, exact: Mapping[Part, float], basis: Basis) -> _Scored:
        return cls(name, sum(exact.values()), basis, exact)

    @property
    def key(self) -> tuple[float, str]:
        return (-round(self.total, 6), self.id)


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
        self.model = model or Model()
        self._adjacency = adjacency or {}
        self.gigs: dict[str, Gig] = {}
        self.people: dict[str, Person] = {}
        self._gig_index, self._person_index = Index(), Index()

    # -- what is known -----------------------------------------------------------------------------------------------

    def put_gig(self, gig: Gig, *, vector: Floats | None = None) -> None:
        self.gigs[gig.id] = gig
        self._gig_index.put(_gig_document(gig, self._vector(sentence_of(gig), vector)))

    def remove_gig(self, gig_id: str) -> None:
        self.gigs.pop(gig_id, None)
        self._gig_index.remove(gig_id)

    def put_person(self, person: Person, *, vector: Floats | None = None) -> None:
        self.people[person.id] = person
        self._person_index.put(_person_document(person, self._vector(_profile(person), vector)))

    def remove_person(self, person_id: str) -> None:
        self.people.pop(person_id, None)
        self._person_index.remove(person_id)

    def use(self, model: Model) -> None:
        """From the next answer on; one assignment, so no answer sees half of a model."""
        self.model = model

    # -- answers -----------------------------------------------------------------------------------------------------

    def people_for(self, gig: Gig, *, limit: int = 20, explained: int | None = None) -> list[Match]:
        """Best first; only the first `explained` (all if None) say what would raise their score, which costs most."""
        model = self.model
        vector = self._gig_vector(gig)
        evidence = self._evidence_for(model, gig, vector)
        scored = [
            *self._blended_people(model, gig, vector),
            *self._learned_people(model, gig, vector, evidence),
        ]
        chosen = sorted(scored, key=lambda each: each.key)[:limit]
        chosen = self._with_parts(model, gig, evidence, chosen)
        explained = limit if explained is None else explained
        return [
            self._match(
                model, gig, self.people[each.id], each, each.id, vector, with_wishes=place < explained
            )
            for place, each in enumerate(chosen)
        ]

    def gigs_for(self, person: Person, *, limit: int = 20, explained: int | None = None) -> list[Match]:
        """By the blend: a model's scores of one person for different gigs are not made to be compared."""
        model = self.model
        vector = self._vector(_profile(person), self._known_vector(self._person_index, person.id))
        question = _question_of_person(person, vector)
        answers = self._gig_index.answers(question, limit=LOOKED_AT)
        scored = []
        for slot in _finalists(answers, question):
            document = self._gig_index.documents[slot]
            if document is not None and person.id not in _blocked_by(self.gigs[document.id], self.people):
                gig = self.gigs[document.id]
                scored.append(
                    _Scored.of(gig.id, self._blend(gig, person, document.vector, vector), self._blend_basis)
                )
        chosen = sorted(scored, key=lambda each: each.key)[:limit]
        explained = limit if explained is None else explained
        return [
            self._match(model, self.gigs[each.id], person, each, each.id, None, with_wishes=place < explained)
            for place, each in enumerate(chosen)
        ]

    def similar_gigs(self, gig: Gig, *, limit: int = 10) -> list[tuple[str, float]]:
        """Other open gigs with how alike they are, 0 to 100, by words, skills and meaning."""
        vector = self._gig_vector(gig)
        question = Question(
            gig.title + " " + gig.text, gig.skills, vector=vector, without=frozenset({gig.id})
        )
        answers = self._gig_index.answers(question, limit=LOOKED_AT)
        totals = BLEND.totals(_shares(answers, question))
        named = [
            (document.id, float(total))
            for slot, total in zip(answers.slots.tolist(), totals, strict=True)
            if (document := self._gig_index.documents[slot]) is not None
        ]
        return sorted(named, key=lambda item: (-round(item[1], 9), item[0]))[:limit]

    def fit(self, gig: Gig, person: Person) -> Match:
        """How one person fits one gig: what `people_for` would say of them, wherever they would stand."""
        model, vector = self.model, self._gig_vector(gig)
        scored = self._score(model, gig, person, vector)
        return self._match(model, gig, person, scored, person.id, vector, with_wishes=True)

    # -- scores ------------------------------------------------------------------------------------------------------

    @property
    def _blend_basis(self) -> Basis:
        return Basis.HYBRID if self._encoder is not None else Basis.LEXICAL

    def _score(
        self, model: Model, gig: Gig, person: Person, vector: Floats | None, *, gained: str | None = None
    ) -> _Scored:
        """`gained`: supposing the person had one skill more, both in the profile and proven by one gig done now."""
        if model.learned is not None and model.experience is not None and person.id in model.experience.place:
            supposed = None if gained is None else (person.id, gained)
            evidence = model.experience.evidence(gig, vector, gained=supposed)
            places = np.array([model.experience.place[person.id]])
            rows = features(model.experience, gig, evidence, places)
            return _Scored.of(person.id, parts_of_trees(model.learned.trees, rows)[0], Basis.LEARNED)
        if gained is not None:
            person = replace(person, skills=(*person.skills, gained))
        profile = self._known_vector(self._person_index, person.id) if vector is not None else None
        return _Scored.of(person.id, self._blend(gig, person, vector, profile), self._blend_basis)

    @staticmethod
    def _evidence_for(model: Model, gig: Gig, vector: Floats | None) -> Evidence | None:
        if model.learned is None or model.experience is None:
            return None
        return model.experience.evidence(gig, vector)

    def _learned_people(
        self, model: Model, gig: Gig, vector: Floats | None, evidence: Evidence | None
    ) -> list[_Scored]:
        if model.learned is None or model.experience is None or evidence is None:
            return []
        question = _question_of_gig(gig, vector)
        names = model.experience.people
        places = looked_at(evidence).tolist()
        kept = [place for place in places if self._may(gig, question, self.people.get(names[place]))]
        if not kept:
            return []
        trees = model.learned.trees
        totals = trees.points(trees.scores(features(model.experience, gig, evidence, np.array(kept))))
        return [
            _Scored(names[place], float(total), Basis.LEARNED)
            for place, total in zip(kept, totals, strict=True)
        ]

    @staticmethod
    def _with_parts(
        model: Model, gig: Gig, evidence: Evidence | None, chosen: list[_Scored]
    ) -> list[_Scored]:
        bare = [each.id for each in chosen if each.exact is None]
        if not bare or model.learned is None or model.experience is None or evidence is None:
            return chosen
        places = np.array([model.experience.place[name] for name in bare])
        rows = features(model.experience, gig, evidence, places)
        parts = dict(zip(bare, parts_of_trees(model.learned.trees, rows), strict=True))
        return [replace(each, exact=parts[each.id]) if each.exact is None else each for each in chosen]

    def _blended_people(self, model: Model, gig: Gig, vector: Floats | None) -> list[_Scored]:
        """Those of whom the model knows nothing."""
        known = model.experience.place if model.learned is not None and model.experience is not None else {}
        question = _question_of_gig(gig, vector)
        answers = self._person_index.answers(question, limit=LOOKED_AT)
        scored = []
        for slot in _finalists(answers, question):
            document = self._person_index.documents[slot]
            if document is None or document.id in known or gig.owner in self.people[document.id].blocked:
                continue
            person = self.people[document.id]
            scored.append(
                _Scored.of(person.id, self._blend(gig, person, vector, document.vector), self._blend_basis)
            )
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

    def _may(self, gig: Gig, question: Question, person: Person | None) -> bool:
        if person is None or not (person.is_available and person.is_visible):
            return False
        if person.id in question.without or gig.owner in person.blocked:
            return False
        if gig.budget is not None and person.price is not None and person.price > gig.budget:
            return False
        return not (gig.languages and person.languages and not gig.languages & person.languages)

    # -- reasons -----------------------------------------------------------------------------------------------------

    def _match(
        self,
        model: Model,
        gig: Gig,
        person: Person,
        scored: _Scored,
        shown: str,
        vector: Floats | None,
        *,
        with_wishes: bool,
    ) -> Match:
        assert scored.exact is not None
        evidence = {
            skill: self._evidence(model, person, skill) for skill in dict.fromkeys((*gig.skills, *gig.nice))
        }
        missing = tuple(skill for skill in dict.fromkeys(gig.skills) if not evidence[skill])
        own = {*person.skills, *(skill for skill, found in evidence.items() if found)}
        near = [(skill, *self._nearest(skill, own)) for skill in missing]
        wishes: list[Wish] = []
        if with_wishes:
            vector = vector if vector is not None else self._gig_vector(gig)
            for skill in missing[:WISHES]:
                exact = self._score(model, gig, person, vector, gained=skill).exact
                assert exact is not None
                wishes.append(Wish(skill, score_of(exact).points))
        return Match(
            id=shown,
            score=score_of(scored.exact),
            basis=scored.basis,
            version=model.version,
            matched={skill: found for skill, found in evidence.items() if found},
            missing=missing,
            missing_nice=tuple(skill for skill in dict.fromkeys(gig.nice) if not evidence[skill]),
            adjacent=tuple(Adjacent(held, skill, likeness) for skill, held, likeness in near if likeness > 0),
            wishes=tuple(sorted(wishes, key=lambda wish: (-wish.points, wish.skill))),
        )

    def _evidence(self, model: Model, person: Person, skill: str) -> tuple[SkillEvidence, ...]:
        found: list[SkillEvidence] = []
        if skill in person.skills:
            found.append(SkillEvidence(Source.PROFILE))
        if self._mentions is not None:
            named = [mention for mention in self._mentions(person.text) if mention.skill == skill]
            found.extend(SkillEvidence(Source.TEXT, span=(each.start, each.end)) for each in named[:1])
        if model.experience is not None:
            past = [model.experience.past[place] for place in reversed(model.experience.gigs_of(person.id))]
            done = [each.gig for each in past if skill in each.gig.skills][:EVIDENCE]
            found.extend(SkillEvidence(Source.PAST_GIG, gig=gig.id, at=gig.at) for gig in done)
        return tuple(found)

    def _nearest(self, skill: str, own: set[str]) -> tuple[str, float]:
        near = self._adjacency.get(skill, {})
        held = [(likeness, other) for other, likeness in near.items() if other in own]
        likeness, other = max(held, key=lambda item: (item[0], item[1]), default=(0.0, ""))
        return other, likeness

    # -- vectors -----------------------------------------------------------------------------------------------------

    def _vector(self, text: str, known: Floats | None) -> Floats | None:
        if known is not None or self._encoder is None:
            return known
        vector: Floats = self._encoder.encode([text])[0]
        return vector

    def _gig_vector(self, gig: Gig) -> Floats | None:
        known = self.gigs.get(gig.id)
        stored = self._known_vector(self._gig_index, gig.id) if known == gig else None
        return self._vector(sentence_of(gig), stored)

    @staticmethod
    def _known_vector(index: Index, document_id: str) -> Floats | None:
        document = index.get(document_id)
        return None if document is None else document.vector


def _shares(answers: Answers, question: Question) -> dict[Part, NDArray[np.float64]]:
    shares = {Part.WORDS: answers.words}
    if question.skills:
        shares[Part.SKILLS] = answers.skills
    if question.nice:
        shares[Part.NICE_SKILLS] = answers.nice
    if answers.meaning is not None:
        shares[Part.MEANING] = answers.meaning
    return shares


def _finalists(answers: Answers, question: Question) -> list[int]:
    """Slots worth an exact score, which is Python and costs some 30 µs each."""
    totals = BLEND.totals(_shares(answers, question))
    return [int(answers.slots[at]) for at in best_first(totals, FINALISTS)]


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
    return float((len(asked & _telling(_profile(person))) / len(asked)) ** 0.5) if asked else 0.0


@lru_cache(maxsize=20_000)  # some 50 MB; the same people are looked at again and again
def _telling(text: str) -> frozenset[str]:
    return frozenset(terms(text)) - stop_words()


def _profile(person: Person) -> str:
    return joined([person.title + ".", person.text, *person.skills])


def _gig_document(gig: Gig, vector: Floats | None) -> Document:
    return Document(
        gig.id,
        joined([gig.title, gig.text]),
        gig.skills,
        vector,
        gig.budget,
        gig.languages,
        gig.owner,
        gig.is_visible,
    )


def _person_document(person: Person, vector: Floats | None) -> Document:
    open_to_work = person.is_available and person.is_visible
    return Document(
        person.id,
        _profile(person),
        person.skills,
        vector,
        person.price,
        person.languages,
        is_open=open_to_work,
    )


def _question_of_gig(gig: Gig, vector: Floats | None) -> Question:
    without = frozenset({gig.owner} - {""})
    return Question(
        joined([gig.title, gig.text]),
        gig.skills,
        gig.nice,
        vector,
        most=gig.budget,
        languages=gig.languages,
        without=without,
    )


def _question_of_person(person: Person, vector: Floats | None) -> Question:
    without = frozenset({person.id, *person.blocked})
    return Question(
        _profile(person),
        person.skills,
        (),
        vector,
        least=person.price,
        languages=person.languages,
        without=without,
    )


def _blocked_by(gig: Gig, people: Mapping[str, Person]) -> frozenset[str]:
    owner = people.get(gig.owner)
    return frozenset() if owner is None else owner.blocked
