"""Who may follow what: the scopes of `auth.access`, asked for many followers in one statement."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol, TypeVar
from uuid import UUID

import sqlalchemy as sa

from auth.access import visible_boards, visible_gigs, visible_rooms, visible_snippets
from auth.viewer import Viewer
from models.board import Board
from models.board_events import BoardMemberLeft
from models.gig import Gig
from models.gig_workflow import HIDDEN
from models.room import Room
from models.room_events import RoomMemberLeft, RoomMemberRemoved
from models.snippet import Snippet
from models.snippet_events import SnippetShareEnded
from models.store.sql import Database
from subscriptions.log import LoggedFact


class Following(Protocol):
    stream: str
    viewer: Viewer


F = TypeVar("F", bound=Following)
_HIDDEN = frozenset(status.value for status in HIDDEN)


_PARTINGS = frozenset(
    {
        BoardMemberLeft.__name__,
        RoomMemberLeft.__name__,
        RoomMemberRemoved.__name__,
        SnippetShareEnded.__name__,
    }
)


def blinded_by(fact: LoggedFact) -> tuple[str, ...]:
    """The streams of which somebody may see less after it: through a gig's visibility, or a status in which it is hidden; who
    belongs to a board or a room; with whom a snippet is shared."""
    kind, _, name = fact.stream.partition(":")
    is_parting = fact.kind in _PARTINGS
    if is_parting and kind == "roomstate":
        return (fact.stream, f"room:{name}")
    may = (
        is_parting
        or fact.payload.get("after") in _HIDDEN
        or "visibility" in (fact.payload.get("changes") or ())
    )
    return (fact.stream,) if may else ()


async def may_follow(db: Database, followers: Iterable[F]) -> set[F]:
    """Those whose viewers may see the subject of their stream now; one statement for all viewers of the same roles."""
    seeing: set[F] = set()
    of_subjects: dict[Any, list[tuple[F, UUID]]] = defaultdict(list)
    for follower in followers:
        kind, _, name = follower.stream.partition(":")
        viewer = follower.viewer
        if kind in _SUBJECTS:
            of_subjects[kind, viewer.user_id is None, viewer.roles].append((follower, UUID(name)))
        elif kind == "user":
            if viewer.user_id is not None and str(viewer.user_id) == name:
                seeing.add(follower)
        elif kind in {"admin", "market"}:
            if viewer.is_admin:
                seeing.add(follower)
        else:
            raise LookupError(follower.stream)
    for (kind, *_), asked in of_subjects.items():
        found = await _seen(db, kind, [(f.viewer, key) for f, key in asked])
        seeing.update(f for f, key in asked if (f.viewer.user_id, key) in found)
    return seeing


# The streams of things that not everybody sees: their table, and the scope of it.
_SUBJECTS: dict[str, tuple[Any, Callable[[Viewer], sa.ColumnElement[bool]]]] = {
    "gig": (Gig, visible_gigs),
    "board": (Board, visible_boards),
    "room": (Room, visible_rooms),
    "roomstate": (Room, visible_rooms),
    "snippet": (Snippet, visible_snippets),
}


async def _seen(
    db: Database, kind: str, asked: Collection[tuple[Viewer, UUID]]
) -> set[tuple[UUID | None, UUID]]:
    """Which of these subjects which of these viewers see; all viewers have the same roles, or all are anonymous."""
    table, scope = _SUBJECTS[kind]
    pairs = list({(viewer.user_id, key) for viewer, key in asked})
    some = next(viewer for viewer, _ in asked)
    wanted = (
        sa.func.unnest(
            sa.cast([user_id for user_id, _ in pairs], sa.ARRAY(sa.Uuid)),
            sa.cast([key for _, key in pairs], sa.ARRAY(sa.Uuid)),
        )
        .table_valued(sa.column("user_id", sa.Uuid), sa.column("key", sa.Uuid))
        .render_derived("wanted")
    )
    # The scope reads the viewer's id from the row instead of from a parameter: the same words, for many viewers.
    user_id: Any = wanted.c.user_id
    viewer = some if some.user_id is None else Viewer(user_id=user_id, roles=some.roles)
    statement = (
        sa.select(wanted.c.user_id, wanted.c.key)
        .select_from(wanted.join(table.__table__, table.id == wanted.c.key))
        .where(scope(viewer))
    )
    return {(row.user_id, row.key) for row in await db.fetch(statement)}
