"""The taxonomy of skills. See docs/skills.md for where it comes from."""

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field, SQLModel

from models.errors import Invalid, Path
from models.table import reference, words
from models.vocabulary import Vocabulary


class SkillStatus(Vocabulary):
    """Whether a skill is for new use."""

    ACTIVE = "ACTIVE", "For use."
    DEPRECATED = "DEPRECATED", "Kept where it stands; new use takes `replacedBy`."


class UnknownSkill(Invalid):
    """A skill id that is not in the taxonomy, or a deprecated one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path, "KNOWN_SKILL", "There is no such skill for new use. `skillSuggest` finds skills."
        )


class Skill(SQLModel, table=True):
    id: UUID = Field(primary_key=True)
    name: str = Field(max_length=80)
    aliases: list[str] = Field(sa_type=ARRAY(sa.Text))
    category: str = Field(max_length=40, index=True)
    status: SkillStatus = words(SkillStatus)
    source: str = Field(max_length=20)
    uri: str | None = Field(max_length=120)
    replaced_by: UUID | None = reference("skill.id", default=None)


class SkillName(SQLModel, table=True):
    """Every name of every skill, casefolded; `resolvers/skill_names.py` finds them in memory."""

    __tablename__ = "skill_name"

    name: str = Field(primary_key=True, max_length=200)
    skill_id: UUID = reference("skill.id", index=True)
    is_preferred: bool
