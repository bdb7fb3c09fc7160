"""The best team, and a bound below which no team can be: branch and bound over groups of skills.

A team of k members is a split of the skills into k groups with one member each. Forgetting that a member can be taken
once only, and giving each member half of the best savings they could have with k - 1 others, leaves a problem that a
table over subsets of skills solves exactly: that is the bound. It is tight, because pairs who save much are few.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ranking.teams.problem import CANNOT, Costs

EXACT_SKILLS = 12
NODES = 100_000


@dataclass(slots=True)
class Found:
    """The best known objective for each team seen, and whether nothing better can exist; `bound` holds either way."""

    bound: float
    is_proved: bool
    teams: dict[tuple[int, ...], float] = field(default_factory=dict)


def best_teams(costs: Costs, known: dict[tuple[int, ...], float], *, nodes: int = NODES) -> Found:
    """Search from the known teams on, `nodes` steps at most (deterministic, unlike a time limit)."""
    if len(costs.problem.skills) > EXACT_SKILLS or not costs.problem.skills:
        return Found(bound=_simple_bound(costs), is_proved=False, teams=dict(known))
    search = _Search(costs, dict(known), nodes)
    least = -(-len(costs.problem.skills) // costs.problem.capacity)
    sizes = range(least, min(costs.problem.largest, len(costs.problem.skills)) + 1)
    # Where the smallest bound is, the best team probably is, and it then prunes the other sizes.
    tables = sorted((_Table(costs, size) for size in sizes), key=lambda table: table.bound)
    bound = min((table.bound for table in tables), default=float("inf"))
    for table in tables:
        search.size(table)
    best = min(search.teams.values(), default=float("inf"))
    is_proved = search.nodes > 0
    return Found(bound=best if is_proved else min(bound, best), is_proved=is_proved, teams=search.teams)


def _simple_bound(costs: Costs) -> float:
    """Every skill at its best, the cheapest members, the cheapest pairs: weak, but valid for any size."""
    if not costs.problem.skills:
        return 0.0
    least = -(-len(costs.problem.skills) // costs.problem.capacity)
    worth = costs.worth.max(axis=1).sum()
    cheapest = np.sort(costs.cost)[:least].sum()
    pairs = costs.pairs[~np.eye(len(costs.cost), dtype=bool)]
    return float(cheapest + (pairs.min() if len(pairs) else 0.0) * least * (least - 1) / 2 - worth)


class _Table:
    """For teams of exactly `size`: the groups of skills, who takes a group at what price, and the relaxed optimum."""

    def __init__(self, costs: Costs, size: int) -> None:
        problem = costs.problem
        self.size = size
        skills = len(problem.skills)
        saved = np.maximum(0.0, problem.pair_cost - costs.pairs)
        np.fill_diagonal(saved, 0.0)
        ordered = -np.sort(-saved, axis=1)
        # half_savings[place, n]: half of the best that `place` can save with n others
        self.half_savings = np.concatenate(
            [np.zeros((len(saved), 1)), np.cumsum(ordered, axis=1)], axis=1
        ) / 2  # fmt: skip
        n = min(size - 1, self.half_savings.shape[1] - 1)
        self.base = problem.pair_cost * size * (size - 1) / 2
        self.groups: dict[int, list[tuple[int, list[tuple[float, float, int]]]]] = {
            skill: [] for skill in range(skills)
        }
        prices: dict[int, float] = {}
        for length in range(1, problem.capacity + 1):
            for group in combinations(range(skills), length):
                worth = costs.worth[list(group)].sum(axis=0)
                able = np.flatnonzero(worth > -CANNOT / 2)
                if not len(able):
                    continue
                price = costs.cost[able] - worth[able]
                relaxed = price - self.half_savings[able, n]
                takers = sorted(zip(relaxed.tolist(), price.tolist(), able.tolist(), strict=True))
                mask = sum(1 << skill for skill in group)
                prices[mask] = takers[0][0]
                self.groups[group[0]].append((mask, takers))
        self.rest = _rest(prices, skills, size)
        for groups in self.groups.values():
            groups.sort(key=lambda group: group[1][0][0])
        self.bound = self.base + self.rest[size][(1 << skills) - 1]


def _rest(prices: dict[int, float], skills: int, size: int) -> list[list[float]]:
    """rest[n][mask]: the least relaxed price of covering the skills of `mask` by n groups."""
    full = 1 << skills
    by_lowest: dict[int, list[tuple[int, float]]] = {}
    for mask, price in prices.items():
        by_lowest.setdefault(mask & -mask, []).append((mask, price))
    rest = [[float("inf")] * full for _ in range(size + 1)]
    rest[0][0] = 0.0
    for n in range(1, size + 1):
        fewer, here = rest[n - 1], rest[n]
        for mask in range(1, full):
            here[mask] = min(
                (
                    price + fewer[mask ^ group]
                    for group, price in by_lowest.get(mask & -mask, ())
                    if group & mask == group
                ),
                default=float("inf"),
            )
    return rest


class _Search:
    def __init__(self, costs: Costs, teams: dict[tuple[int, ...], float], nodes: int) -> None:
        self.costs = costs
        self.teams = teams
        self.nodes = nodes
        self.best = min(teams.values(), default=float("inf"))

    def size(self, table: _Table) -> None:
        full = (1 << len(self.costs.problem.skills)) - 1
        if table.bound < self.best - 1e-9:
            self._extend(table, full, (), table.base)

    def _extend(self, table: _Table, mask: int, team: tuple[int, ...], price: float) -> None:
        """`price`: the base, the prices of the groups taken, minus the savings inside `team`."""
        if self.nodes <= 0:
            return
        self.nodes -= 1
        if not mask:
            self._note(team)
            return
        left = table.size - len(team)
        hoped = sum(
            float(table.half_savings[place, min(left, table.half_savings.shape[1] - 1)]) for place in team
        )
        lowest = (mask & -mask).bit_length() - 1
        for group, takers in table.groups[lowest]:
            if group & mask != group:
                continue
            after = table.rest[left - 1][mask ^ group]
            if price - hoped + takers[0][0] + after >= self.best - 1e-9:
                continue
            for relaxed, own, place in takers:
                if price - hoped + relaxed + after >= self.best - 1e-9:
                    break
                if place in team or self.costs.apart[place, list(team)].any():
                    continue
                if not self._is_payable(team, place):
                    continue
                saved = sum(
                    self.costs.problem.pair_cost - float(self.costs.pairs[place, other]) for other in team
                )
                self._extend(table, mask ^ group, (*team, place), price + own - saved)

    def _is_payable(self, team: tuple[int, ...], place: int) -> bool:
        budget = self.costs.problem.budget
        return budget is None or float(self.costs.cost[[*team, place]].sum()) <= budget

    def _note(self, team: tuple[int, ...]) -> None:
        objective = self.costs.objective(team)
        if objective is not None:
            self.teams[tuple(sorted(team))] = objective
            self.best = min(self.best, objective)
