"""Loading the shipped taxonomy of skills into the database: new and changed entries, never removing one."""

import gzip
import hashlib
import json
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from models.seed import SeedVersion
from models.store.sql import Transaction
from resolvers.operation import Operation

SKILLS = Path(__file__).parent.parent / "models" / "skills.jsonl.gz"


async def load_skills(op: Operation) -> int:
    """How many skills were written; 0 when this very file is loaded already."""
    raw = SKILLS.read_bytes()
    digest = hashlib.sha256(raw).hexdigest()
    async with op.db.transaction(actor_id=None, at=op.now()) as tx:
        loaded = await tx.get(SeedVersion, col(SeedVersion.name) == "skills")
        if loaded is not None and loaded.sha256 == digest:
            return 0
        skills = [json.loads(line) for line in gzip.decompress(raw).decode().splitlines()]
        await tx.execute(_WRITE_SKILLS.bindparams(skills=json.dumps(skills)))
        await tx.execute(_FORGET_NAMES)
        await tx.execute(_WRITE_NAMES)
        await _remember(tx, op, digest)
        return len(skills)


async def _remember(tx: Transaction, op: Operation, digest: str) -> None:
    values = {"sha256": digest, "loaded_at": op.now()}
    statement = insert(SeedVersion).values(name="skills", **values)
    await tx.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


_WRITE_SKILLS = sa.text("""
    insert into skill (id, name, aliases, category, status, source, uri, replaced_by)
    select id, label, aliases, category, status, source, uri, "replacedBy"
    from jsonb_to_recordset(cast(:skills as jsonb)) as s(
        id uuid, label text, aliases text[], category text, status text, source text, uri text, "replacedBy" uuid)
    on conflict (id) do update set
        name = excluded.name, aliases = excluded.aliases, category = excluded.category, status = excluded.status,
        source = excluded.source, uri = excluded.uri, replaced_by = excluded.replaced_by
""")
_FORGET_NAMES = sa.text("delete from skill_name")
_WRITE_NAMES = sa.text("""
    insert into skill_name (name, skill_id, is_preferred)
    select distinct on (name) lower(name), id, is_preferred from (
        select name, id, true as is_preferred from skill
        union all select unnest(aliases), id, false from skill
    ) as names order by name, is_preferred desc
    on conflict (name) do nothing
""")
