"""The names of the skills in use, in memory: whoever types waits for each letter, and PostgreSQL visits every name for it."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.seed import SeedVersion
from models.skill import Skill, SkillName, SkillStatus
from models.store.sql import Database
from ranking.names import Name, NameIndex


class SkillNames:
    """Loaded when first asked for; `follow` loads them anew when another version of the taxonomy was loaded."""

    def __init__(self) -> None:
        self._loaded: tuple[str, NameIndex[UUID]] | None = None
        self._loading = asyncio.Lock()

    async def index(self, db: Database) -> NameIndex[UUID]:
        if self._loaded is None:
            async with self._loading:
                await self.follow(db)
        assert self._loaded is not None
        return self._loaded[1]

    async def follow(self, db: Database) -> None:
        version = sa.select(col(SeedVersion.sha256)).where(col(SeedVersion.name) == "skills")
        rows = await db.fetch(version)
        digest = rows[0][0] if rows else ""
        if self._loaded is not None and self._loaded[0] == digest:
            return
        names = await db.fetch(_NAMES)
        # Some 0.1 s of work: not on the loop.
        self._loaded = digest, await asyncio.to_thread(_indexed, names)


def _indexed(rows: Sequence[Any]) -> NameIndex[UUID]:
    return NameIndex(
        # Of equally good finds our own entries come first, then short names.
        Name(text, key, is_preferred, (source != "skillsync", len(name), name))
        for text, key, is_preferred, source, name in rows
    )


_NAMES: sa.Executable = (
    sa.select(
        col(SkillName.name),
        col(SkillName.skill_id),
        col(SkillName.is_preferred),
        col(Skill.source),
        col(Skill.name).label("skill"),
    )
    .join(Skill, col(Skill.id) == col(SkillName.skill_id))
    .where(col(Skill.status) == SkillStatus.ACTIVE)
)
