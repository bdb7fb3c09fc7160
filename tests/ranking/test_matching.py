"""What is answered and why: parts sum to the score, a counterfactual is a real re-score, input order does not matter."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.basis import Basis
from ranking.documents import Gig, Outcome, PastGig, Person
from ranking.embedding import Encoder, Floats
from ranking.experience import Experience, Glance, vectors_of
from ranking.explaining import Part, largest_remainder, score_of
from ranking.learning import Learned, feature_names, features
from ranking.matching import Adjacent, Matcher, Model, SkillEvidence, Source, adjacency
from ranking.skills.naming import SkillName, SkillNames
from ranking.trees import fit_trees
from tests.ranking.market import CRAFTS, TEXTS, ToyEncoder, past_gigs, people

ALL_SKILLS = [skill for skills in CRAFTS.values() for skill in skills]
ASKED = Gig(
    "new",
    "web work",
    "page form for a poster",
    ("react", "css", "sql"),
    nice=("typescript",),
    owner="client",
    budget=60,
    until=30.0,
)


@cache
def learned_model(encoder: Encoder | None = None) -> Model:
    past = past_gigs()
    vectors = vectors_of([each.gig for each in past], encoder)
    experience = Experience(past, vectors)
    rows, grades, groups = [], [], []
    for place, each in enumerate(past):
        vector = None if vectors is None else vectors[place]
        evidence = experience.evidence(experience.glance(each.gig, vector))
        own = {outcome.person: 2 if outcome.was_chosen else 1 for outcome in each.outcomes}
        rows.append(features(experience, evidence))
        grades.append(np.array([own.get(experience.people[place], 0) for place in evidence.people]))
        groups.append(len(evidence.people))
    names = feature_names(experience.columns)
    trees = fit_trees(np.concatenate(rows), np.concatenate(grades), groups, names, rounds=8)
    return Model("model-1", experience, Learned(trees))


def matcher(
    *, model: Model | None = None, encoder: Encoder | None = None, shuffled_by: Random | None = None
) -> Matcher:
    everybody = people()
    if shuffled_by:
        shuffled_by.shuffle(everybody)
    made = Matcher(encoder, model=model, adjacency={"sql": {"react": 0.4}})
    for person in everybody:
        made.put_person(person)
    return made


KINDS = [
    pytest.param(None, None, Basis.LEXICAL, id="lexical"),
    pytest.param(None, ToyEncoder(), Basis.HYBRID, id="hybrid"),
    pytest.param("learned", None, Basis.LEARNED, id="learned"),
]


def made(kind: str | None, encoder: Encoder | None) -> Matcher:
    return matcher(model=learned_model() if kind else None, encoder=encoder)


@pytest.mark.parametrize(("kind", "encoder", "basis"), KINDS)
def test_parts_sum_to_the_score_and_every_answer_says_what_it_stands_on(
    kind: str | None, encoder: Encoder | None, basis: Basis
) -> None:
    matches = made(kind, encoder).people_for(ASKED)

    assert len(matches) >= 6
    assert [sum(match.score.parts.values()) for match in matches] == [match.score.points for match in matches]
    assert {match.basis for match in matches} == {basis}


@pytest.mark.parametrize(("kind", "encoder", "basis"), KINDS)
def test_somebody_looked_at_alone_gets_what_the_list_says(
    kind: str | None, encoder: Encoder | None, basis: Basis
) -> None:
    ours = made(kind, encoder)

    assert [ours.fit(ASKED, ours.people[match.id]) for match in ours.people_for(ASKED)] == ours.people_for(
        ASKED
    )


def test_with_a_skill_more_the_blend_scores_as_promised() -> None:
    ours = matcher(encoder=ToyEncoder())
    for match in ours.people_for(ASKED):
        for wish in match.wishes:
            person = ours.people[match.id]
            again = matcher(encoder=ToyEncoder())
            vector = again._person_index.vector(person.id)
            # The vector is of the profile's text, which a skill more does not change until it is written anew.
            again.put_person(replace(person, skills=(*person.skills, wish.skill)), vector=vector)

            assert again.fit(ASKED, again.people[match.id]).score.points == wish.points


class Supposed(Experience):
    """An experience in which that has happened: somebody did one more gig with a skill just now."""

    gained: tuple[str, str]

    def glance(self, gig: Gig, vector: Floats | None) -> Glance:
        return self.supposing(super().glance(gig, vector), *self.gained)


GIGS = st.builds(
    Gig,
    st.just("asked"),
    st.sampled_from([f"{craft} work" for craft in CRAFTS]),
    st.sampled_from(list(TEXTS.values())),
    st.lists(st.sampled_from(ALL_SKILLS), unique=True, max_size=4).map(tuple),
    st.lists(st.sampled_from(ALL_SKILLS), unique=True, max_size=2).map(tuple),
    budget=st.none() | st.integers(41, 60),
)


@given(GIGS)
@settings(max_examples=15, deadline=None)
def test_with_a_skill_more_the_model_scores_as_if_one_more_gig_had_been_done(gig: Gig) -> None:
    model = learned_model()
    ours = matcher(model=model)
    for match in ours.people_for(gig, limit=4):
        for wish in match.wishes:
            supposed = Supposed(past_gigs())
            supposed.gained = (match.id, wish.skill)
            again = matcher(model=replace(model, experience=supposed))

            assert again.fit(gig, again.people[match.id]).score.points == wish.points


@given(GIGS, st.sampled_from(["lexical", "hybrid", "learned"]))
@settings(max_examples=40, deadline=None)
def test_whatever_is_asked_parts_sum_to_the_score_which_is_the_score_alone(gig: Gig, kind: str) -> None:
    ours = standing(kind)

    for match in ours.people_for(gig, explained=0):
        assert sum(match.score.parts.values()) == match.score.points
        assert 0 <= match.score.points <= 100
        assert ours.fit(gig, ours.people[match.id]).score == match.score


@cache
def standing(kind: str) -> Matcher:
    return matcher(
        model=learned_model() if kind == "learned" else None,
        encoder=ToyEncoder() if kind == "hybrid" else None,
    )


def test_wishes_of_gigs_for_a_person_are_scored_as_the_list_is() -> None:
    ours = matcher(model=learned_model())
    ours.put_gig(ASKED)
    person = ours.people["p1"]

    (match,) = ours.gigs_for(person)

    assert match.basis is Basis.LEXICAL and [wish.skill for wish in match.wishes] == ["sql"]
    plain = matcher()
    plain.put_gig(ASKED)
    (again,) = plain.gigs_for(replace(person, skills=(*person.skills, "sql")))
    assert again.score.points == match.wishes[0].points


def test_filters_hold_before_the_model_chooses_whom_to_look_at() -> None:
    many = [
        PastGig(Gig(f"g{n}", "", "", ("react",), at=float(n)), (Outcome(f"x{n:03}", was_chosen=True),))
        for n in range(400)
    ]
    model = learned_model()
    experience = Experience([*past_gigs(), *many])
    ours = Matcher(model=replace(model, experience=experience))
    for n in range(400):
        ours.put_person(Person(f"x{n:03}", skills=("react",), price=99))
    ours.put_person(Person("p3", price=10))  # last in every order for this gig, but affordable

    found = ours.people_for(replace(ASKED, skills=("react",)))

    assert [(match.id, match.basis) for match in found] == [("p3", Basis.LEARNED)]


def test_people_are_found_by_the_model_from_when_they_come_until_they_go() -> None:
    ours = Matcher(model=learned_model())
    asked = replace(ASKED, skills=("react",))
    seen = []
    for person in (people()[0], replace(people()[0], price=61), people()[0], None):
        if person is None:
            ours.remove_person("p0")
        else:
            ours.put_person(person)
        seen.append([match.id for match in ours.people_for(asked)])

    assert seen == [["p0"], [], ["p0"], []]


def test_a_model_that_counts_on_meanings_waits_until_gigs_have_them() -> None:
    past = past_gigs()
    vectors = ToyEncoder().encode([each.gig.text for each in past])
    ours = matcher(model=replace(learned_model(), experience=Experience(past, vectors)))

    assert {match.basis for match in ours.people_for(ASKED)} == {Basis.LEXICAL}


def test_only_finished_work_that_everybody_may_see_is_evidence() -> None:
    gigs = [
        Gig("done", "", "", ("sql",)),
        Gig("applied", "", "", ("sql",)),
        Gig("hidden", "", "", ("sql",), is_visible=False),
    ]
    past = [PastGig(gig, (Outcome("p8", was_chosen=True, was_done=gig.id != "applied"),)) for gig in gigs]
    ours = matcher(model=Model(experience=Experience(past)))

    assert ours.fit(ASKED, ours.people["p8"]).matched["sql"] == (
        SkillEvidence(Source.PAST_GIG, gig="done", at=0.0),
    )
    assert Experience(past).gigs_of("p8") == [0, 2]


@given(st.randoms(use_true_random=False))
@settings(max_examples=2, deadline=None)
def test_the_order_in_which_people_came_does_not_matter(random: Random) -> None:
    model = learned_model()

    assert matcher(model=model, shuffled_by=random).people_for(ASKED) == matcher(model=model).people_for(
        ASKED
    )
    assert matcher(shuffled_by=random).people_for(ASKED) == matcher().people_for(ASKED)


def test_reasons_name_what_is_there_what_is_missing_and_what_is_near() -> None:
    ours = matcher()

    match = ours.fit(ASKED, ours.people["p1"])

    assert dict(match.matched) == {
        "react": (SkillEvidence(Source.PROFILE),),
        "css": (SkillEvidence(Source.PROFILE),),
    }
    assert (match.missing, match.missing_nice) == (("sql",), ("typescript",))
    assert match.adjacent == (Adjacent("react", "sql", 0.4),)
    assert [wish.skill for wish in match.wishes] == ["sql"]
    assert match.wishes[0].points > match.score.points


def test_a_past_gig_is_evidence_newest_first() -> None:
    ours = matcher(model=learned_model())

    found = ours.fit(ASKED, ours.people["p0"]).matched["react"]

    past = [
        each.gig for each in past_gigs() if "react" in each.gig.skills and each.outcomes[0].person == "p0"
    ]
    assert [each.gig for each in found if each.source is Source.PAST_GIG] == [
        gig.id for gig in reversed(past)
    ][:3]


def test_where_a_text_names_a_skill_is_evidence() -> None:
    ours = Matcher(names=SkillNames([SkillName("sql", ("SQL",))]))
    person = Person("p9", "", "Ten years of SQL")

    match = ours.fit(ASKED, person)

    assert match.matched["sql"] == (SkillEvidence(Source.TEXT, span=(13, 16)),)
    assert match.missing == ("react", "css")


@pytest.mark.parametrize(
    "change",
    [
        {"is_available": False},
        {"is_visible": False},
        {"price": 61},
        {"blocked": frozenset({"client"})},
        {"free_from": 31.0},
        {"id": "client"},
        {"id": "left out"},
    ],
    ids=[
        "unavailable",
        "hidden",
        "too dear",
        "blocked the client",
        "free too late",
        "the client",
        "left out",
    ],
)
@pytest.mark.parametrize("kind", [None, "learned"])
def test_filters_hold_before_anything_is_scored(change: dict[str, object], kind: str | None) -> None:
    ours = made(kind, None)
    person = replace(ours.people["p0"], **change)  # type: ignore[arg-type]
    assert "p0" in [match.id for match in ours.people_for(ASKED)]

    ours.remove_person("p0")
    ours.put_person(person)

    assert person.id not in [match.id for match in ours.people_for(ASKED, without=("left out",))]


@pytest.mark.parametrize("kind", [None, "learned"])
def test_who_may_not_be_listed_takes_nobodys_place(kind: str | None) -> None:
    ours = made(kind, None)
    for number in range(400):
        busy = Person(f"x{number:03}", "web person", ASKED.text, ASKED.skills, free_from=31.0 + number)
        ours.put_person(busy if number % 2 else replace(busy, free_from=None))
    known = [f"x{number:03}" for number in range(0, 400, 2)]

    found = {match.id for match in ours.people_for(ASKED, limit=50, without=known)}

    assert "p0" in found and not any(name.startswith("x") for name in found)


def test_gigs_that_end_before_somebody_is_free_or_are_of_the_blocked_are_not_for_them() -> None:
    ours = Matcher()
    for number in range(300):
        ours.put_gig(replace(ASKED, id=f"early{number:03}", until=29.5))
    ours.put_gig(replace(ASKED, id="blocked", owner="other"))
    ours.put_gig(replace(ASKED, id="whole", title="", text="", skills=("react",)))
    ours.put_gig(replace(ASKED, id="open", title="", text="", until=None))
    asking = replace(people()[0], free_from=30.0, blocked=frozenset({"other"}))

    found = [match.id for match in ours.gigs_for(asking)]

    assert sorted(found) == ["open", "whole"]


def test_a_language_in_common_is_needed_where_both_name_theirs() -> None:
    ours = matcher()
    ours.put_person(replace(ours.people["p0"], languages=frozenset({"de"})))
    ours.put_person(replace(ours.people["p1"], languages=frozenset({"en", "de"})))

    found = {match.id for match in ours.people_for(replace(ASKED, languages=frozenset({"en"})))}

    assert "p0" not in found and "p1" in found


@pytest.mark.parametrize("kind", [None, "learned"])
def test_hours_in_common_are_needed_where_both_name_a_time_zone(kind: str | None) -> None:
    ours, at = made(kind, None), datetime(2026, 11, 22, 12, tzinfo=UTC)
    gig = replace(ASKED, zone="Europe/Berlin", overlap=4)
    before = ours.people_for(gig, at=at)
    assert [match.id for match in before] == [match.id for match in ours.people_for(ASKED)]

    ours.put_person(replace(ours.people["p0"], zone="Asia/Tokyo"))
    ours.put_person(replace(ours.people["p1"], zone="Asia/Dubai"))

    found = {match.id for match in ours.people_for(gig, at=at)}
    assert {"p0", "p1"} <= {match.id for match in before}
    assert "p0" not in found and "p1" in found


def test_a_gig_is_found_from_when_it_is_put_until_it_is_removed() -> None:
    ours = matcher()
    person = ours.people["p0"]
    assert ours.gigs_for(person) == []

    ours.put_gig(ASKED)
    first = ours.gigs_for(person)
    ours.put_gig(replace(ASKED, skills=("react",)))
    second = ours.gigs_for(person)
    ours.remove_gig("new")

    assert [match.id for match in first] == ["new"]
    assert first[0].missing == ("css", "sql") and second[0].missing == ()
    assert ours.gigs_for(person) == []


def test_both_directions_give_a_pair_the_same_score_while_nothing_is_learnt() -> None:
    ours = matcher(encoder=ToyEncoder())
    ours.put_gig(ASKED)

    for match in ours.people_for(ASKED):
        assert [found.score for found in ours.gigs_for(ours.people[match.id])] == [match.score]


def test_similar_gigs_are_others_of_the_same_craft_first() -> None:
    ours = matcher()
    for past in past_gigs(20):
        ours.put_gig(past.gig)
    asked = past_gigs(1)[0].gig

    found = [match.id for match in ours.similar_gigs(asked, limit=3)]

    assert asked.id not in found
    assert {ours.gigs[name].title for name in found} == {asked.title}
    assert [name for name, _ in ours.near_gigs(asked, limit=3)] == found


@pytest.mark.parametrize("encoder", [None, ToyEncoder()], ids=["words", "meaning"])
def test_likeness_of_gigs_is_the_sum_of_its_parts_whatever_order_they_came_in(
    encoder: Encoder | None,
) -> None:
    past = past_gigs(40)
    asked = past[0].gig
    names = SkillNames([SkillName(skill, (skill,)) for skill in ALL_SKILLS])
    answers = []
    for seed in (1, 2):
        ours = Matcher(encoder, names=names)
        Random(seed).shuffle(past)
        for each in past:
            ours.put_gig(replace(each.gig, text=each.gig.text + " and react"))
        ours.put_gig(replace(asked, id="late", text="poster"), later=True)
        answers.append(ours.similar_gigs(asked, limit=30))

    assert answers[0] == answers[1]
    found = {match.id: match for match in answers[0]}
    assert all(match.score.points == sum(match.score.parts.values()) for match in found.values())
    assert found["late"].basis is Basis.LEXICAL and Part.MEANING not in found["late"].score.parts
    bases = {match.basis for match in found.values() if match.id != "late"}
    assert bases == {Basis.LEXICAL if encoder is None else Basis.HYBRID}
    assert found["late"].matched == {skill: (SkillEvidence(Source.GIG),) for skill in asked.skills}


def test_a_similar_gig_shows_where_it_names_what_is_asked_for() -> None:
    ours = Matcher(names=SkillNames([SkillName("react", ("react",))]))
    ours.put_gig(Gig("other", "Form", "A form, in react", ("css",), nice=("sql",)))

    (match,) = ours.similar_gigs(replace(ASKED, nice=("sql",)))

    assert match.matched == {
        "react": (SkillEvidence(Source.TEXT, span=(11, 16)),),
        "css": (SkillEvidence(Source.GIG),),
        "sql": (SkillEvidence(Source.GIG),),
    }
    assert (match.missing, match.missing_nice) == ((), ())


def test_skills_tagged_together_are_adjacent() -> None:
    near = adjacency([("react", "css"), ("react", "css"), ("react", "sql"), ("sql",), ("sql",)])

    assert near["css"] == {"react": pytest.approx(2 / 6**0.5)}
    assert "sql" not in near["react"]


@given(st.dictionaries(st.sampled_from(list(Part)), st.floats(-90, 130), min_size=1))
@settings(max_examples=30, deadline=None)
def test_rounded_parts_sum_to_the_points_and_none_is_a_point_away(exact: dict[Part, float]) -> None:
    score = score_of(exact)

    assert sum(score.parts.values()) == score.points == round(min(100.0, max(0.0, sum(exact.values()))))
    assert all(abs(score.parts[part] - value) <= 1 for part, value in exact.items() if part is not Part.LIMIT)


def test_what_was_cut_off_most_is_rounded_up() -> None:
    assert largest_remainder({Part.SKILLS: 1.4, Part.WORDS: 1.5, Part.MEANING: 1.1}, 4) == {
        Part.SKILLS: 1,
        Part.WORDS: 2,
        Part.MEANING: 1,
    }
