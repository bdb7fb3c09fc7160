"""What is answered and why: parts sum to the score, a counterfactual is a real re-score, input order does not matter."""

from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranking.basis import Basis
from ranking.documents import Gig, Person
from ranking.embedding import Encoder
from ranking.experience import Experience
from ranking.explaining import Part, largest_remainder, score_of
from ranking.learning import Learned, feature_names, features, looked_at
from ranking.matching import Adjacent, Matcher, Model, SkillEvidence, Source, adjacency
from ranking.skills.naming import SkillName, SkillNames
from ranking.trees import fit_trees
from tests.ranking.market import ToyEncoder, past_gigs, people

ASKED = Gig(
    "new",
    "web work",
    "page form for a poster",
    ("react", "css", "sql"),
    nice=("typescript",),
    owner="client",
    budget=60,
)


@cache
def learned_model() -> Model:
    past = past_gigs()
    experience = Experience(past)
    rows, grades, groups = [], [], []
    for each in past:
        evidence = experience.evidence(each.gig, None)
        places = looked_at(evidence)
        own = {outcome.person: 2 if outcome.was_chosen else 1 for outcome in each.outcomes}
        rows.append(features(experience, each.gig, evidence, places))
        grades.append(np.array([own.get(experience.people[place], 0) for place in places]))
        groups.append(len(places))
    names = feature_names(tuple(evidence.columns))
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
            vector = again._known_vector(again._person_index, person.id)
            # The vector is of the profile's text, which a skill more does not change until it is written anew.
            again.put_person(replace(person, skills=(*person.skills, wish.skill)), vector=vector)

            assert again.fit(ASKED, again.people[match.id]).score.points == wish.points


def test_with_a_skill_more_the_model_scores_as_if_one_more_gig_had_been_done() -> None:
    model = learned_model()
    ours = matcher(model=model)
    assert model.experience is not None and model.learned is not None
    match = next(match for match in ours.people_for(ASKED) if match.wishes)
    wish = match.wishes[0]

    evidence = model.experience.evidence(ASKED, None, gained=(match.id, wish.skill))
    row = features(model.experience, ASKED, evidence, np.array([model.experience.place[match.id]]))
    low, high = model.learned.trees.low, model.learned.trees.high
    exact = 100 * (float(model.learned.trees.scores(row)[0]) - low) / (high - low)

    assert wish.points == round(min(100.0, max(0.0, exact)))


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
        {"id": "client"},
    ],
    ids=["unavailable", "hidden", "too dear", "blocked the client", "the client"],
)
@pytest.mark.parametrize("kind", [None, "learned"])
def test_filters_hold_before_anything_is_scored(change: dict[str, object], kind: str | None) -> None:
    ours = made(kind, None)
    person = replace(ours.people["p0"], **change)  # type: ignore[arg-type]
    assert "p0" in [match.id for match in ours.people_for(ASKED)]

    ours.remove_person("p0")
    ours.put_person(person)

    assert person.id not in [match.id for match in ours.people_for(ASKED)]


def test_a_language_in_common_is_needed_where_both_name_theirs() -> None:
    ours = matcher()
    ours.put_person(replace(ours.people["p0"], languages=frozenset({"de"})))
    ours.put_person(replace(ours.people["p1"], languages=frozenset({"en", "de"})))

    found = {match.id for match in ours.people_for(replace(ASKED, languages=frozenset({"en"})))}

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

    found = [name for name, _ in ours.similar_gigs(asked, limit=3)]

    assert asked.id not in found
    assert {ours.gigs[name].title for name in found} == {asked.title}


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
