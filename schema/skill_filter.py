"""Filtering whatever has skills by the skills it has."""

from typing import Any

import sqlalchemy as sa
import strawberry
from strawberry import Maybe

from models.errors import Invalid
from models.ids import decode_id
from schema.filters import as_array
from schema.graph import sql

MAX_SKILLS = 20


@strawberry.input(description="By skills; several at once must all hold.")
class SkillsFilter:
    any: Maybe[list[strawberry.ID]] = strawberry.field(description="Has at least one of these skills.")
    all: Maybe[list[strawberry.ID]] = strawberry.field(description="Has every one of these skills.")
    none: Maybe[list[strawberry.ID]] = strawberry.field(description="Has none of these skills.")


def has_skills(filter: SkillsFilter, *, owner: Any, skill: Any, of: Any) -> sa.ColumnElement[bool]:
    """`owner` and `skill` are the columns of the association table, `of` is the key of the filtered row."""
    conditions: list[sa.ColumnElement[bool]] = [sa.true()]
    for name in ("any", "all", "none"):
        given = getattr(filter, name)
        if not given:
            continue
        if given.value is None or len(given.value) > MAX_SKILLS:
            raise Invalid(
                ("where", "skills", name), "COUNT", f"Name up to {MAX_SKILLS} skills.", max=str(MAX_SKILLS)
            )
        ids = {decode_id("skill", id, path=("where", "skills", name)) for id in given.value}
        having = sa.select(sql(owner)).where(sql(skill) == sa.any_(as_array(sorted(ids), sql(skill))))
        if name == "all":
            having = having.group_by(sql(owner)).having(sa.func.count() == len(ids))
        if name == "all" and not ids:
            continue
        found = sql(of).in_(having)
        conditions.append(sa.not_(found) if name == "none" else found)
    return sa.and_(*conditions)
