"""Teams: the best one is found and proved, and where there is none the smallest reason is told."""

from dataclasses import replace
from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from ranking.teams.problem import Costs, Member, TeamProblem
from ranking.teams.suggest import Limit, Obstacle, suggest_teams

DUO = TeamProblem(
    skills=("react", "sql"),
    members=(
        Member("ada", 50, {"react": 5}),
        Member("bob", 40, {"sql": 5}),
        Member("cyn", 95, {"react": 5, "sql": 5}),
    ),
    largest=2,
    capacity=2,
    pair_cost=10,
)


def random_problem(seed: int, *, members: int = 9, skills: int = 5) -> TeamProblem:
    random = Random(seed)
    names = tuple(f"s{number}" for number in range(skills))
    people = tuple(
        Member(
            f"p{n}",
            random.randint(20, 90),
            {s: random.randint(0, 20) for s in names if random.random() < 0.5},
        )
        for n in range(members)
    )
    pairs = {
        (f"p{i}", f"p{j}"): random.randint(0, 15)
        for i, j in combinations(range(members), 2)
        if random.random() < 0.3
    }
    return TeamProblem(names, people, largest=4, capacity=2, pair_cost=15, pair_costs=pairs)


def by_enumeration(problem: TeamProblem) -> float | None:
    costs = Costs(problem)
    sizes = range(1, problem.largest + 1)
    teams = [team for size in sizes for team in combinations(range(len(problem.members)), size)]
    return min((o for team in teams if (o := costs.objective(team)) is not None), default=None)


def by_mixed_integer_programme(problem: TeamProblem) -> float:
    """The same objective for HiGHS, which comes with scipy."""
    costs = Costs(problem)
    people, skills = len(problem.members), len(problem.skills)
    couples = list(combinations(range(people), 2))
    able = [
        (s, p) for s in range(skills) for p in range(people) if problem.skills[s] in problem.members[p].worth
    ]
    width = people + len(couples) + len(able)
    objective = np.concatenate(
        [costs.cost, [costs.pairs[i, j] for i, j in couples], [-costs.worth[s, p] for s, p in able]]
    )
    rows: list[tuple[dict[int, float], float, float]] = []
    for at, (i, j) in enumerate(couples):
        rows.append(({i: 1, j: 1, people + at: -1}, -np.inf, 1))
    for skill in range(skills):
        rows.append(({people + len(couples) + at: 1.0 for at, (s, _) in enumerate(able) if s == skill}, 1, 1))
    for person in range(people):
        own = {people + len(couples) + at: 1.0 for at, (_, p) in enumerate(able) if p == person}
        rows.append(({**own, person: -float(problem.capacity)}, -np.inf, 0))
    rows.append((dict.fromkeys(range(people), 1.0), 1, problem.largest))
    matrix = np.zeros((len(rows), width))
    for at, (cells, _, _) in enumerate(rows):
        for column, value in cells.items():
            matrix[at, column] = value
    limits = LinearConstraint(matrix, [low for _, low, _ in rows], [high for _, _, high in rows])
    found = milp(objective, constraints=limits, integrality=np.ones(width), bounds=Bounds(0, 1))
    return float(found.fun)


def test_a_pair_is_cheaper_than_one_who_can_do_both_only_if_meeting_costs_little() -> None:
    assert suggest_teams(DUO).teams[0].members == ("cyn",)
    assert suggest_teams(replace(DUO, pair_cost=2)).teams[0].members == ("ada", "bob")


def test_the_objective_is_cost_plus_pairs_minus_worth() -> None:
    team = suggest_teams(replace(DUO, pair_cost=2)).teams[0]

    assert (team.cost, team.pairs, team.worth, team.objective) == (90, 2, 10, 82)
    assert team.covers == {"react": "ada", "sql": "bob"}


@pytest.mark.parametrize("seed", range(5))
def test_the_best_team_is_that_of_enumeration_and_is_proved(seed: int) -> None:
    problem = random_problem(seed)

    suggestion = suggest_teams(problem)

    best = by_enumeration(problem)
    assert suggestion.is_proved
    assert (suggestion.teams[0].objective if suggestion.teams else None) == (
        None if best is None else pytest.approx(best)
    )


@pytest.mark.parametrize("seed", [1])
def test_a_mixed_integer_programme_finds_nothing_better(seed: int) -> None:
    problem = random_problem(seed, members=12)

    assert suggest_teams(problem).teams[0].objective == pytest.approx(by_mixed_integer_programme(problem))


@given(st.randoms(use_true_random=False))
@settings(max_examples=3, deadline=None)
def test_the_order_of_members_and_skills_does_not_matter(random: Random) -> None:
    problem = random_problem(3)
    members, skills = list(problem.members), list(problem.skills)
    random.shuffle(members)
    random.shuffle(skills)

    shuffled = TeamProblem(
        tuple(skills),
        tuple(members),
        problem.largest,
        problem.capacity,
        problem.pair_cost,
        problem.pair_costs,
    )

    assert suggest_teams(shuffled) == suggest_teams(problem)


def test_alternatives_are_worse_and_do_not_only_add_somebody() -> None:
    teams = suggest_teams(random_problem(1), count=3).teams

    assert len(teams) == 3
    assert [team.objective for team in teams] == sorted(team.objective for team in teams)
    assert not any(set(a.members) <= set(b.members) for a, b in combinations(teams, 2))


def test_a_search_that_ends_early_says_how_far_from_the_best_it_may_be() -> None:
    suggestion = suggest_teams(random_problem(1), nodes=1)

    assert not suggestion.is_proved
    assert 0 <= suggestion.gap < 1
    assert suggestion.bound <= suggest_teams(random_problem(1)).teams[0].objective


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (replace(DUO, skills=("react", "cobol")), Obstacle(Limit.SKILL, skill="cobol")),
        (replace(DUO, budget=80.0), Obstacle(Limit.BUDGET, needed=90.0)),
        (replace(DUO, largest=1, capacity=1), Obstacle(Limit.SIZE, needed=2.0)),
        (replace(DUO, budget=92.0, apart=frozenset({("ada", "bob")})), Obstacle(Limit.BUDGET, needed=95.0)),
        (replace(DUO, members=DUO.members[:2], apart=frozenset({("ada", "bob")})), Obstacle(Limit.APART)),
    ],
    ids=["skill", "budget", "size", "budget again", "apart"],
)
def test_the_smallest_reason_why_there_is_no_team(problem: TeamProblem, reason: Obstacle) -> None:
    suggestion = suggest_teams(problem)

    assert (suggestion.teams, suggestion.obstacles) == ((), (reason,))


def test_a_member_listed_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="listed twice"):
        replace(DUO, members=(*DUO.members, DUO.members[0]))
