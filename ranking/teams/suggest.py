"""The best teams with how far from the best they can be, or the smallest reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import combinations

from ranking.teams.exact import NODES, best_teams
from ranking.teams.problem import Costs, Member, Team, TeamProblem
from ranking.teams.search import local_teams, neighbours


class Limit(StrEnum):
    SKILL = "SKILL"  # nobody, or nobody who may be combined, has it at the level asked for
    SIZE = "SIZE"
    BUDGET = "BUDGET"
    APART = "APART"  # members who cannot be on one team: no common hours, a block


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One condition that stands in the way; `needed` is what would do where that is a number (members, budget)."""

    limit: Limit
    skill: str | None = None
    needed: float | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """Teams from best to worse, each differing from the better ones in at least one member; `gap` of the first, 0 if proved.

    When there is none, `obstacles` are conditions that together exclude every team, while without any one of them there
    would be teams (for single ones: dropping it alone would do). Empty with no teams: the search ended before it knew.
    """

    teams: tuple[Team, ...]
    bound: float
    is_proved: bool
    obstacles: tuple[Obstacle, ...] = ()

    @property
    def gap(self) -> float:
        """(objective − bound) / |objective| of the best team, an upper limit of what a better team could save."""
        if not self.teams or self.is_proved:
            return 0.0
        best = self.teams[0].objective
        return max(0.0, best - self.bound) / max(abs(best), 1e-9)


def suggest_teams(problem: TeamProblem, *, count: int = 3, seed: int = 0, nodes: int = NODES) -> Suggestion:
    """The same problem gives the same teams, whatever order its members come in."""
    costs = Costs(problem)
    found = best_teams(costs, local_teams(costs, seed=seed), nodes=nodes)
    if not found.teams:
        return Suggestion((), found.bound, found.is_proved, _obstacles(problem, nodes))
    # The search keeps only what it passed; alternatives are looked for around the best.
    best = min(found.teams.items(), key=lambda item: (round(item[1], 9), item[0]))[0]
    found.teams.update((team, objective) for objective, team in neighbours(costs, best))
    ordered = sorted(found.teams, key=lambda team: (round(found.teams[team], 9), team))
    chosen = [best]
    # An alternative that only adds somebody to a better team is none.
    for team in ordered[1:]:
        if len(chosen) == count:
            break
        if not any(set(other) <= set(team) for other in chosen):
            chosen.append(team)
    return Suggestion(tuple(costs.team(team) for team in chosen), found.bound, found.is_proved)


def _obstacles(problem: TeamProblem, nodes: int) -> tuple[Obstacle, ...]:
    alone = [
        skill for skill in problem.skills if not any(skill in member.worth for member in problem.members)
    ]
    if alone:
        return tuple(Obstacle(Limit.SKILL, skill=skill) for skill in alone)
    for obstacle, relaxed in _relaxations(problem):
        team = _any_team(relaxed, nodes)
        if team is not None:
            return (replace(obstacle, needed=_needed(obstacle.limit, team)),)
    for one, other in combinations(_relaxations(problem), 2):
        both = _both(problem, one[0], other[0])
        team = _any_team(both, nodes)
        if team is not None:
            return tuple(replace(each[0], needed=_needed(each[0].limit, team)) for each in (one, other))
    return ()


def _relaxations(problem: TeamProblem) -> list[tuple[Obstacle, TeamProblem]]:
    relaxed: list[tuple[Obstacle, TeamProblem]] = []
    if problem.budget is not None:
        # The dearest condition to meet is asked for its price: the cheapest team, not the best one.
        cheapest = replace(problem, budget=None, pair_cost=0.0, pair_costs={}, members=_worthless(problem))
        relaxed.append((Obstacle(Limit.BUDGET), cheapest))
    if problem.largest < len(problem.skills):
        smallest = replace(problem, largest=len(problem.skills), pair_cost=0.0, pair_costs={})
        relaxed.append((Obstacle(Limit.SIZE), smallest))
    if problem.apart:
        relaxed.append((Obstacle(Limit.APART), replace(problem, apart=frozenset())))
    relaxed.extend(
        (
            Obstacle(Limit.SKILL, skill=skill),
            replace(problem, skills=tuple(s for s in problem.skills if s != skill)),
        )
        for skill in problem.skills
        if len(problem.skills) > 1
    )
    return relaxed


def _both(problem: TeamProblem, one: Obstacle, other: Obstacle) -> TeamProblem:
    for obstacle in (one, other):
        if obstacle.limit is Limit.BUDGET:
            problem = replace(problem, budget=None, pair_cost=0.0, pair_costs={}, members=_worthless(problem))
        elif obstacle.limit is Limit.SIZE:
            problem = replace(problem, largest=len(problem.skills))
        elif obstacle.limit is Limit.APART:
            problem = replace(problem, apart=frozenset())
        else:
            problem = replace(
                problem, skills=tuple(s for s in problem.skills if s != obstacle.skill) or problem.skills
            )
    return problem


def _worthless(problem: TeamProblem) -> tuple[Member, ...]:
    return tuple(replace(member, worth=dict.fromkeys(member.worth, 0.0)) for member in problem.members)


def _any_team(problem: TeamProblem, nodes: int) -> Team | None:
    costs = Costs(problem)
    found = best_teams(costs, local_teams(costs), nodes=nodes).teams
    return costs.team(min(found.items(), key=lambda item: (item[1], item[0]))[0]) if found else None


def _needed(limit: Limit, team: Team) -> float | None:
    if limit is Limit.BUDGET:
        return team.cost
    return float(len(team.members)) if limit is Limit.SIZE else None
