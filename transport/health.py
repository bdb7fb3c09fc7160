"""Health: whether the process lives, and whether it can serve."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from models.job import Job, JobStatus
from models.store.sql import Database

_log = logging.getLogger("skillsync.health")


@dataclass(slots=True)
class Health:
    """`adapters` names what is in force; `background` holds the last error of each background task, None when fine."""

    db: Database
    adapters: Mapping[str, str]
    version: str
    background: dict[str, str | None] = field(default_factory=dict)

    async def live(self, _: Request) -> Response:
        return JSONResponse({"status": "ok", "version": self.version})

    async def ready(self, _: Request) -> Response:
        """200 when requests can be served; 503 when the database does not answer."""
        facts = {"version": self.version, "adapters": dict(self.adapters), "background": self.background}
        try:
            statement = sa.select(sa.func.count()).where(col(Job.status) == JobStatus.DEAD)
            dead = (await self.db.fetch(statement))[0][0]
        except (SQLAlchemyError, OSError) as error:
            _log.warning("not ready", exc_info=error)
            return JSONResponse(
                {"status": "unavailable", "database": "does not answer", **facts}, status_code=503
            )
        troubled = any(self.background.values())
        return JSONResponse({"status": "degraded" if troubled else "ok", "deadJobs": dead, **facts})
