"""The taxonomy: what a name or a part of it finds, and which ids are for new use."""

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.errors import DomainError, Refusals
from models.skill import Skill, SkillStatus, UnknownSkill
from models.store.sql import Transaction
from resolvers.operation import Operation

# With this many names that begin so, nobody has mistyped: likeness, which costs 4 ms, is not asked for.
ENOUGH = 3


async def suggest_skills(op: Operation, prefix: str, *, limit: int) -> list[Skill]:
    """Skills with a name that starts with `prefix`, then, if those are few, those with a similar name."""
    name = " ".join(prefix.casefold().split())
    if not name:
        return []
    pattern = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    starting = await _found(op, _STARTING.bindparams(name=name, pattern=pattern, limit=limit))
    if len(starting) >= min(limit, ENOUGH):
        return starting
    resembling = await _found(op, _RESEMBLING.bindparams(name=name, limit=limit + ENOUGH))
    known = {skill.id for skill in starting}
    return [*starting, *(skill for skill in resembling if skill.id not in known)][:limit]


async def _found(op: Operation, statement: sa.TextualSelect) -> list[Skill]:
    return [Skill(**row._mapping) for row in await op.db.fetch(statement)]


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


_TYPES = {column.key: column.type for column in Skill.__table__.columns}  # type: ignore[attr-defined]

_STARTING = sa.text("""
    with starting as (
        select skill_id, bool_or(name = :name) as is_exact, bool_or(is_preferred) as is_preferred
        from skill_name where name like :pattern group by skill_id
    )
    select skill.* from starting join skill on skill.id = starting.skill_id
    where skill.status = 'ACTIVE'
    order by is_exact desc, is_preferred desc, (skill.source = 'skillsync') desc, length(skill.name), skill.name
    limit :limit
""").columns(**_TYPES)

# Like enough is what shares a quarter of the trigrams (`models/store/sql.py`): that still finds "python" for "pyhton".
# Finding all of those and sorting them takes a quarter less than asking the index for the nearest in order.
_RESEMBLING = sa.text("""
    with resembling as (
        select skill_id, max(similarity(name, :name)) as closeness from skill_name where name % :name group by skill_id
    )
    select skill.* from resembling join skill on skill.id = resembling.skill_id
    where skill.status = 'ACTIVE'
    order by closeness desc, (skill.source = 'skillsync') desc, length(skill.name), skill.name
    limit :limit
""").columns(**_TYPES)
