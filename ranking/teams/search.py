"""Good teams quickly: greedy from many starts, then swapping, adding and dropping until nothing helps."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from ranking.teams.problem import CANNOT, Costs

STARTS = 12


def local_teams(costs: Costs, *, seed: int = 0) -> dict[tuple[int, ...], float]:
    """Every team that was found and does, with its objective; empty when no start led to one."""
    found: dict[tuple[int, ...], float] = {}
    random = Random(seed)  # noqa: S311 - starts, not secrets
    for start in range(STARTS):
        team = _greedy(costs, random, noise=0.0 if start == 0 else 0.3)
        objective = costs.objective(team) if team else None
        if objective is None or team in found:
            continue
        found[team] = objective
        while (
            better := min(neighbours(costs, team), key=lambda each: (each[0], each[1]), default=None)
        ) is not None:
            if better[0] >= objective - 1e-9:
                break
            objective, team = better
            found[team] = objective
    return found


def neighbours(costs: Costs, team: tuple[int, ...]) -> Iterator[tuple[float, tuple[int, ...]]]:
    """Teams that do, one member added, dropped or exchanged, with their objectives."""
    outside = [place for place in range(len(costs.problem.members)) if place not in team]
    for leaving in (None, *team):
        rest = tuple(place for place in team if place != leaving)
        for joining in (None, *outside):
            other = tuple(sorted(rest if joining is None else (*rest, joining)))
            objective = costs.objective(other) if other != team else None
            if objective is not None:
                yield objective, other


def _greedy(costs: Costs, random: Random, *, noise: float) -> tuple[int, ...]:
    """Whoever is cheapest for each skill still open, one after the other; () when the skills outlast the team."""
    problem = costs.problem
    missing = set(range(len(problem.skills)))
    team: list[int] = []
    while missing and len(team) < problem.largest:
        best: tuple[float, int, list[int]] | None = None
        for place in range(len(problem.members)):
            able = sorted(
                (s for s in missing if costs.worth[s, place] > -CANNOT), key=lambda s: -costs.worth[s, place]
            )
            able = able[: problem.capacity]
            if not able or place in team or costs.apart[place, team].any():
                continue
            price = costs.cost[place] + costs.pairs[place, team].sum() - costs.worth[able, place].sum()
            price = (price + problem.pair_cost * problem.largest) / len(able) * (1 + noise * random.random())
            if best is None or price < best[0]:
                best = (price, place, able)
        if best is None:
            return ()
        team.append(best[1])
        missing -= set(best[2])
    return () if missing else tuple(sorted(team))
