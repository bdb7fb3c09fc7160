"""t5: the best team."""

from __future__ import annotations

from math import log1p
from pathlib import Path

from ranking.embedding import Encoder
from ranking.evaluate.rows import Row, read
from ranking.teams.problem import Member, TeamProblem
from ranking.teams.suggest import suggest_teams


def teams(directory: Path, encoder: Encoder | None) -> list[Row]:
    del encoder
    rows = []
    for query in read(directory, "queries"):
        suggestion = suggest_teams(_problem(query))
        team = suggestion.teams[0].members if suggestion.teams else ()
        rows.append(
            {"qid": query["qid"], "team": list(team), "gap": suggestion.gap, "proved": suggestion.is_proved}
        )
    return rows


def _problem(query: Row) -> TeamProblem:
    ids = [candidate["id"] for candidate in query["candidates"]]
    unit = query["lambda"] * query["pair_unit"]
    wanted = set(query["skills"])
    return TeamProblem(
        skills=tuple(query["skills"]),
        members=tuple(
            Member(
                candidate["id"],
                candidate["rate"],
                {
                    skill: query["beta"] * log1p(level)
                    for skill, level in candidate["skills"].items()
                    if skill in wanted and level > 0
                },
            )
            for candidate in query["candidates"]
        ),
        largest=query["max_team"],
        capacity=query["capacity"],
        pair_cost=unit,
        pair_costs={
            (min(ids[one], ids[other]), max(ids[one], ids[other])): unit * distance
            for one, other, distance in query["pairs"]
        },
    )
