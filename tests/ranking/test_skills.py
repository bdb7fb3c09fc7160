"""Skills from text: those that are named, those that are meant, and where they stand."""

import numpy as np
import pytest
from numpy.typing import NDArray

from ranking.basis import Basis
from ranking.meaning import Named, NameSearch
from ranking.skills.naming import Mention, SkillName, SkillNames
from ranking.skills.spans import Marked, SpanFinder
from ranking.skills.suggesting import SkillSuggester, Tagged
from ranking.text import best_first, terms
from tests.ranking.market import TEXTS, ToyEncoder, past_gigs

NAMES = SkillNames(
    [
        SkillName("react", ("React", "ReactJS")),
        SkillName("react native", ("React Native",)),
        SkillName("go", ("Go", "Golang")),
        SkillName("c++", ("C++",)),
        SkillName("make", ("Make", "Make.com"), needs_case=True),
    ]
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We use reactjs here", [Mention("react", 7, 14)]),
        ("React Native and React", [Mention("react native", 0, 12), Mention("react", 17, 22)]),
        ("Ready to go? Write Go, or golang", [Mention("go", 19, 21), Mention("go", 26, 32)]),
        ("make it work with C++", [Mention("c++", 18, 21)]),
        ("Automate with Make", [Mention("make", 14, 18)]),
        ("nothing", []),
    ],
)
def test_names_are_found_where_they_stand_and_words_are_not_taken_for_names(
    text: str, found: list[Mention]
) -> None:
    assert NAMES.mentions(text) == found


def tagged() -> list[Tagged]:
    return [Tagged(past.gig.title, past.gig.text, past.gig.skills) for past in past_gigs(60)]


def test_skills_that_the_text_does_not_name_are_learnt_from_tagged_texts() -> None:
    suggester = SkillSuggester.fit(tagged(), None)

    first, second = suggester.suggest([Tagged("", TEXTS["web"]), Tagged("", TEXTS["data"])], limit=3)

    assert {each.skill for each in first} == {"react", "css", "typescript"}
    assert {each.skill for each in second} == {"sql", "python", "pandas"}
    assert suggester.basis is Basis.LEARNED and not any(each.is_named for each in first)


def test_a_few_texts_are_enough_to_begin_with() -> None:
    suggester = SkillSuggester.fit(tagged()[:12], ToyEncoder())

    assert suggester.basis is Basis.HYBRID
    assert len(suggester.suggest([Tagged("", TEXTS["web"])], limit=3)[0]) == 3


def test_spans_are_learnt_from_marked_sentences() -> None:
    things = ["python", "docker", "sql", "react"]
    marked = [
        Marked(("you", "know", thing, "and", other, "well"), ((2, 3), (4, 5)))
        for thing in things
        for other in things
    ]
    marked += [Marked(("we", "are", "a", "team"))] * 5

    finder = SpanFinder.fit(marked, None)

    asked = [
        Marked(("you", "know", "kotlin", "and", "sql", "well")),
        Marked(("we", "are", "a", "team")),
        Marked(()),
    ]
    assert finder.find(asked) == [[(2, 3), (4, 5)], [], []]


def test_a_group_answers_with_its_best_name_before_any_group_answers_twice() -> None:
    names = [
        Named("1", "web developer", "dev"), Named("2", "front end developer", "dev"),
        Named("3", "web designer", "art"), Named("4", "graphic designer", "art"),
    ]  # fmt: skip

    found = [each.id for each in NameSearch(names, None).find("web developers", limit=4)]

    assert found[:2] == ["1", "3"]
    assert sorted(found) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(("encoder", "basis"), [(None, Basis.LEXICAL), (ToyEncoder(), Basis.HYBRID)])
def test_a_skill_is_found_in_a_sentence_that_holds_it(encoder: ToyEncoder | None, basis: Basis) -> None:
    names = [
        Named("1", "manage databases"),
        Named("2", "bake bread"),
        Named("3", "paint walls"),
        Named("4", "write code"),
    ]
    search = NameSearch(names, encoder)

    found = search.find("You manage our databases, and a team", limit=2, parts=True)

    assert found[0].id == "1" and search.basis is basis


def test_terms_keep_what_makes_names_of_technologies() -> None:
    assert terms("Node.js, C++ and C# queries. Classes?") == [
        "node.js",
        "c++",
        "and",
        "c#",
        "querie",
        "classe",
    ]


@pytest.mark.parametrize("limit", [1, 3, 50, 400])
@pytest.mark.parametrize(
    "scores", [np.array([1, 3, 3, 2] * 10), np.arange(20_000) * 7919 % 1009, np.arange(20_000) % 3]
)
def test_ties_keep_their_order(scores: NDArray[np.int64], limit: int) -> None:

    assert best_first(scores, limit).tolist() == np.argsort(-scores, kind="stable")[:limit].tolist()
