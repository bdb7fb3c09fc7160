"""Every table, so that whoever needs the whole metadata (Alembic, the tests) imports one name."""

from models import (
    application,
    contract,
    feedback,
    gig,
    idempotency,
    job,
    profile,
    remark,
    seed,
    skill,
    stream,
    user,
)
from models.table import metadata

__all__ = [
    "application",
    "contract",
    "feedback",
    "gig",
    "idempotency",
    "job",
    "metadata",
    "profile",
    "remark",
    "seed",
    "skill",
    "stream",
    "user",
]
