"""The taxonomy as clients see it."""

from typing import Any
from uuid import UUID

import strawberry

from auth import access
from models.errors import Invalid
from models.skill import Skill, SkillStatus
from resolvers.operation import Operation
from resolvers.skills import suggest_skills
from schema.connections import Connection, connection
from schema.filters import Equality, TextFilter, compares
from schema.graph import Chosen, argument, column, declare, lookup, node, source, sql
from schema.keyset import Key
from schema.node import Node
from schema.skill_market import SkillDemand, demands, no_demand
from schema.words import words

words(SkillStatus)


@node("skill", Skill, scope=access.everybody, name="Skill", description="A skill of the taxonomy.")
class SkillType(Node):
    name: str = column(Skill.name, "The preferred name.")
    aliases: list[str] = column(Skill.aliases, "Other names that find it.")
    category: str = column(
        Skill.category, "The group it belongs to, such as WEB or DESIGN; see docs/skills.md."
    )
    status: SkillStatus = column(Skill.status, "Whether it is for new use.")
    demand: SkillDemand = source(
        demands, "How much it is asked for now.", default=no_demand, is_personal=False
    )


@strawberry.input(description="Which skills to list.")
class SkillWhere:
    name: strawberry.Maybe[TextFilter] = compares(Skill.name, "By the preferred name.")
    category: strawberry.Maybe[TextFilter] = compares(Skill.category, "By category.")
    status: strawberry.Maybe[Equality[SkillStatus]] = compares(Skill.status, "By status.")


async def suggested(op: Operation, prefix: str, first: int) -> list[UUID]:
    if not 1 <= first <= 25:
        raise Invalid(
            ("first",), "RANGE", f"`first` is {first}; it must be between 1 and 25.", min="1", max="25"
        )
    if len(prefix) > 100 or "\0" in prefix:
        raise Invalid(("prefix",), "LENGTH", "A prefix has at most 100 characters and no NUL.", max="100")
    return await suggest_skills(op, prefix, limit=first)


def _skill_suggest() -> Any:
    field = declare(
        Chosen(suggested),
        "Skills for what somebody is typing: names and aliases that start with it, and similar ones when those are few.",
    )
    field.arguments = [
        argument("prefix", str, "What has been typed so far; any name or alias."),
        argument("first", int, "How many at most: 1 to 25.", default=10),
    ]
    return field


@strawberry.type
class SkillQuery:
    skill: SkillType | None = lookup("A skill by its id; null if there is none.")
    skills: Connection[SkillType] = connection(
        None,
        "The taxonomy, by name.",
        default=(Key(sql(Skill.name)),),
        where=SkillWhere,
    )
    skill_suggest: list[SkillType] = _skill_suggest()
