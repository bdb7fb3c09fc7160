"""Who may follow what: the scopes of `auth.access`, asked for many followers in one statement."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any, Protocol, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.access import visible_gigs
from auth.viewer import Viewer
from models.gig import Gig
from models.gig_workflow import HIDDEN
from models.store.sql import Database
from subscriptions.log import LoggedFact


class Following(Protocol):
    stream: str
    viewer: Viewer


F = TypeVar("F", bound=Following)
_HIDDEN = frozenset(status.value for status in HIDDEN)


def may_take_sight(fact: LoggedFact) -> bool:
    """Whether somebody may see less of the gig after it: its visibility, or a status in which it is hidden."""
    return fact.payload.get("after") in _HIDDEN or "visibility" in (fact.payload.get("changes") or ())


async def may_follow(db: Database, followers: Iterable[F]) -> set[F]:
    """Those whose viewers may see the subject of their stream now; one statement for all viewers of the same roles."""
    seeing: set[F] = set()
    of_gigs: dict[Any, list[tuple[F, UUID]]] = defaultdict(list)
    for follower in followers:
        kind, _, name = follower.stream.partition(":")
        viewer = follower.viewer
        if kind == "gig":
            of_gigs[viewer.user_id is None, viewer.roles].append((follower, UUID(name)))
        elif kind == "user":
            if viewer.user_id is not None and str(viewer.user_id) == name:
                seeing.add(follower)
        elif kind == "admin":
            if viewer.is_admin:
                seeing.add(follower)
        else:
            raise LookupError(follower.stream)
    for asked in of_gigs.values():
        found = await _seen_gigs(db, [(f.viewer, gig_id) for f, gig_id in asked])
        seeing.update(f for f, gig_id in asked if (f.viewer.user_id, gig_id) in found)
    return seeing


async def _seen_gigs(db: Database, asked: Collection[tuple[Viewer, UUID]]) -> set[tuple[UUID | None, UUID]]:
    """Which of these gigs which of these viewers see; all viewers have the same roles, or all are anonymous."""
    pairs = list({(viewer.user_id, gig_id) for viewer, gig_id in asked})
    some = next(viewer for viewer, _ in asked)
    wanted = (
        sa.func.unnest(
            sa.cast([user_id for user_id, _ in pairs], sa.ARRAY(sa.Uuid)),
            sa.cast([gig_id for _, gig_id in pairs], sa.ARRAY(sa.Uuid)),
        )
        .table_valued(sa.column("user_id", sa.Uuid), sa.column("gig_id", sa.Uuid))
        .render_derived("wanted")
    )
    # The scope reads the viewer's id from the row instead of from a parameter: the same words, for many viewers.
    user_id: Any = wanted.c.user_id
    viewer = some if some.user_id is None else Viewer(user_id=user_id, roles=some.roles)
    statement = (
        sa.select(wanted.c.user_id, wanted.c.gig_id)
        .select_from(wanted.join(Gig.__table__, col(Gig.id) == wanted.c.gig_id))  # type: ignore[attr-defined]
        .where(visible_gigs(viewer))
    )
    return {(row.user_id, row.gig_id) for row in await db.fetch(statement)}
