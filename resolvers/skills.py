"""The taxonomy: what a name or a part of it finds, and which ids are for new use."""

from collections.abc import Collection, Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.errors import DomainError, Refusals
from models.skill import Skill, SkillStatus, UnknownSkill
from models.store.sql import Transaction
from resolvers.operation import Operation

# How like a name must be to what was typed, by shared trigrams: 0.25 still finds "python" for "pyhton".
NEAR = 0.25
# With this many names that begin so, nobody has mistyped: likeness, which costs 5 ms, is not asked for.
ENOUGH = 3


async def suggest_skills(op: Operation, prefix: str, *, limit: int) -> list[UUID]:
    """Ids of skills with a name that starts with `prefix`, then, if those are few, of those with a similar name."""
    name = " ".join(prefix.casefold().split())
    if not name:
        return []
    pattern = name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    rows = await op.db.fetch(
        _SUGGEST.bindparams(name=name, near=NEAR, enough=ENOUGH, pattern=pattern, limit=limit)
    )
    return [row[0] for row in rows]


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


# The nearest names are looked for only when the beginnings are too few: the planner tests that once, before the index.
_SUGGEST = sa.text("""
    with starting as (
        select skill_id, bool_or(name = :name) as is_exact, bool_or(is_preferred) as is_preferred, 1.0 as closeness
        from skill_name where name like :pattern group by skill_id
    ), nearest as (
        select skill_id, similarity(name, :name) as closeness from skill_name
        where (select count(*) from starting) < least(:limit, :enough) order by name <-> :name limit 60
    ), resembling as (
        select skill_id, false, false, max(closeness)::numeric from nearest
        where closeness >= :near group by skill_id
    ), found as (
        select * from starting
        union all select * from resembling where skill_id not in (select skill_id from starting)
    )
    select skill.id from found join skill on skill.id = found.skill_id
    where skill.status = 'ACTIVE'
    order by found.is_exact desc, found.closeness desc, found.is_preferred desc, (skill.source = 'skillsync') desc,
             length(skill.name), skill.name
    limit :limit
""").bindparams(sa.bindparam("near", type_=sa.Float))
