"""Health: whether the process lives, and whether it can serve."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError
from sqlmodel import col
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from models.job import Job, JobStatus
from models.store.sql import Database
from resolvers.recommender import Recommender
from subscriptions.follow import Streams

_log = logging.getLogger("skillsync.health")


@dataclass(slots=True)
class Health:
    """`adapters` names what is in force, `unplanned` how often which reason left a field to the slower executor;
    `background` holds the class of each task's last error, None when fine."""

    db: Database
    adapters: Mapping[str, str]
    version: str
    unplanned: Mapping[str, int]
    streams: Streams
    recommender: Recommender
    background: dict[str, str | None] = field(default_factory=dict)

    async def live(self, _: Request) -> Response:
        return _fresh({"status": "ok", "version": self.version})

    @property
    def errors(self) -> dict[str, str | None]:
        """The class of the last error of everything that goes on in the background, None when it is fine."""
        return {
            **self.background,
            "streams": self.streams.problem,
            "chat streams": self.streams.problem_of_rooms,
            "broker": self.streams.broker.problem,
        }

    async def ready(self, _: Request) -> Response:
        """200 when requests can be served; 503 when the database does not answer."""
        errors = self.errors
        tasks = {name: "ok" if error is None else f"failing: {error}" for name, error in errors.items()}
        facts = {
            "version": self.version,
            "adapters": dict(self.adapters),
            "background": tasks,
            "unplanned": dict(self.unplanned),
            "followers": self.streams.followers,
            "recommendations": self.recommender.report(),
        }
        try:
            statement = sa.select(sa.func.count()).where(col(Job.status) == JobStatus.DEAD)
            dead = (await self.db.fetch(statement))[0][0]
        except (SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            _log.warning("not ready", extra={"reason": type(error).__name__})
            return _fresh({"status": "unavailable", "database": "does not answer", **facts}, status=503)
        troubled = any(errors.values())
        return _fresh({"status": "degraded" if troubled else "ok", "deadJobs": dead, **facts})


def _fresh(content: Mapping[str, object], *, status: int = 200) -> Response:
    return JSONResponse(content, status_code=status, headers={"cache-control": "no-store"})
