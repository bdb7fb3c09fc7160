"""The taxonomy: what a name or a part of it finds, and which ids are for new use."""

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.errors import DomainError, Refusals
from models.skill import Skill, SkillStatus, UnknownSkill
from models.store.sql import Transaction
from resolvers.operation import Operation

# With this many names that begin so, nobody has mistyped.
ENOUGH = 3
# How many of its trigrams a name must share with what was typed: a quarter still finds "python" for "pyhton".
NEAR = 0.25


async def suggest_skills(op: Operation, typed: str, *, limit: int) -> list[UUID]:
    """Ids of skills with a name that starts as `typed`, then, if those are few, of those with a similar name."""
    name = " ".join(typed.casefold().split())
    if not name:
        return []
    names = await op.services.skill_names.index(op.db)
    starting = names.starting(name, limit=limit)
    if len(starting) >= min(limit, ENOUGH):
        return starting
    resembling = names.resembling(name, near=NEAR, limit=limit + ENOUGH)
    return list(dict.fromkeys([*starting, *resembling]))[:limit]


async def require_known_skills(
    tx: Transaction, skill_ids: Sequence[UUID], *, kept: Collection[UUID] = ()
) -> None:
    """Raises `Refusals` with an `UnknownSkill` for each id that is not for new use, by its place in the list.

    `kept` are those that stood there before: a skill that was retired since is no reason to refuse the rest.
    """
    statement = sa.select(col(Skill.id)).where(
        col(Skill.id).in_(skill_ids), col(Skill.status) == SkillStatus.ACTIVE
    )
    known = {row[0] for row in await tx.execute(statement)}
    unknown: list[DomainError] = [
        UnknownSkill(("skills", str(index), "skillId"))
        for index, skill_id in enumerate(skill_ids)
        if skill_id not in known and skill_id not in kept
    ]
    if unknown:
        raise Refusals(unknown)
