"""What a team is asked for, and what a team costs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Pair = tuple[str, str]
CANNOT = 1e6


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who could join: what they cost (any unit, the budget's), and what each skill of theirs is worth.

    `worth` holds only skills that they have at the level asked for.
    """

    id: str
    cost: float
    worth: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TeamProblem:
    """Cover each skill by one member; a member covers `capacity` skills at most.

    The objective is the costs, plus `pair_cost` for each two members (what working together for the first time costs; less
    for those who have worked together: `pair_costs`, by sorted ids), minus the worth of the skills as assigned at best.
    Pairs in `apart` cannot be on one team (no common working hours, a block).
    """

    skills: tuple[str, ...]
    members: tuple[Member, ...]
    largest: int
    capacity: int
    pair_cost: float = 0.0
    pair_costs: Mapping[Pair, float] = field(default_factory=dict)
    budget: float | None = None
    apart: frozenset[Pair] = frozenset()

    def __post_init__(self) -> None:
        # Whatever order they came in, the same team is found.
        object.__setattr__(self, "members", tuple(sorted(self.members, key=lambda member: member.id)))
        object.__setattr__(self, "skills", tuple(sorted(set(self.skills))))
        if len({member.id for member in self.members}) < len(self.members):
            raise ValueError("a member is listed twice")


@dataclass(frozen=True, slots=True)
class Team:
    """Members by id, who covers which skill, and the objective in its three parts: objective = cost + pairs - worth."""

    members: tuple[str, ...]
    covers: Mapping[str, str]
    cost: float
    pairs: float
    worth: float

    @property
    def objective(self) -> float:
        return self.cost + self.pairs - self.worth


class Costs:
    """The problem as numbers by place. Teams are sorted tuples of places; each is looked at once."""

    def __init__(self, problem: TeamProblem) -> None:
        self.problem = problem
        count = len(problem.members)
        places = {member.id: place for place, member in enumerate(problem.members)}
        self.cost = np.array([member.cost for member in problem.members], float)
        self.worth = np.array(
            [[member.worth.get(skill, -CANNOT) for member in problem.members] for skill in problem.skills],
            float,
        ).reshape(len(problem.skills), count)
        self.pairs = np.full((count, count), problem.pair_cost)
        np.fill_diagonal(self.pairs, 0.0)
        for (one, other), cost in problem.pair_costs.items():
            if one in places and other in places:
                self.pairs[places[one], places[other]] = self.pairs[places[other], places[one]] = cost
        self.apart = np.zeros((count, count), bool)
        for one, other in problem.apart:
            if one in places and other in places:
                self.apart[places[one], places[other]] = self.apart[places[other], places[one]] = True
        self._known: dict[tuple[int, ...], float | None] = {}

    def objective(self, team: Iterable[int]) -> float | None:
        """None where the team does not do: too large or dear, two who cannot meet, or a skill left over."""
        key = tuple(sorted(team))
        if key not in self._known:
            self._known[key] = self._objective(key)
        return self._known[key]

    def team(self, places: Sequence[int]) -> Team:
        members = sorted(places)
        skills, slots, worth = self._assigned(members)
        names = self.problem.members
        return Team(
            members=tuple(names[place].id for place in members),
            covers={
                self.problem.skills[skill]: names[members[slot // self.problem.capacity]].id
                for skill, slot in zip(skills, slots, strict=True)
            },
            cost=float(self.cost[members].sum()),
            pairs=sum(float(self.pairs[one, other]) for one, other in combinations(members, 2)),
            worth=worth,
        )

    def _objective(self, team: tuple[int, ...]) -> float | None:
        problem = self.problem
        if not team or len(set(team)) < len(team) or len(team) > problem.largest:
            return None
        if len(team) * problem.capacity < len(problem.skills):
            return None
        members = list(team)
        cost = float(self.cost[members].sum())
        if problem.budget is not None and cost > problem.budget:
            return None
        square = np.ix_(members, members)
        if self.apart[square].any():
            return None
        worth = self._assigned(members)[2]
        return None if worth < -CANNOT / 2 else cost + float(self.pairs[square].sum()) / 2 - worth

    def _assigned(self, members: Sequence[int]) -> tuple[NDArray[np.intp], NDArray[np.intp], float]:
        slots = np.repeat(self.worth[:, members], self.problem.capacity, axis=1)
        skill, slot = linear_sum_assignment(slots, maximize=True)
        return skill, slot, float(slots[skill, slot].sum())
