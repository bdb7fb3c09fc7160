"""Who may follow what: the scopes of `auth.access`, asked for many followers in one statement."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import lru_cache
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
from models.snippet_events import SnippetShareEnded, SnippetShareNarrowed
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
        SnippetShareNarrowed.__name__,
    }
)


def blinded_by(fact: LoggedFact) -> tuple[str, ...]:
    """The streams of which somebody may see less after it: through a gig's visibility, or a status in which it is hidden; who
    belongs to a board or a room; with whom a snippet is shared."""
    is_parting = fact.kind in _PARTINGS
    if is_parting and "room_id" in fact.payload:
        # Also when only the person's own stream is followed here, which has the same fact.
        return (fact.stream, f"room:{fact.payload['room_id']}")
    may = (
        is_parting
        or fact.payload.get("after") in _HIDDEN
        or "visibility" in (fact.payload.get("changes") or ())
    )
    return (fact.stream,) if may else ()


async def may_follow(db: Database, followers: Iterable[F]) -> set[F]:
    """Those whose viewers may see the subject of their stream now; one statement for all viewers of the same roles, and for
    both streams of a room."""
    seeing: set[F] = set()
    of_subjects: dict[tuple[_Subject, Viewer, bool], list[tuple[F, UUID]]] = defaultdict(list)
    for follower in followers:
        kind, _, name = follower.stream.partition(":")
        viewer = follower.viewer
        if kind in _SUBJECTS:
            is_anonymous = viewer.user_id is None
            alike = viewer if is_anonymous else Viewer(user_id=None, roles=viewer.roles)
            of_subjects[_SUBJECTS[kind], alike, is_anonymous].append((follower, UUID(name)))
        elif kind == "user":
            if viewer.user_id is not None and str(viewer.user_id) == name:
                seeing.add(follower)
        elif kind in {"admin", "market"}:
            if viewer.is_admin:
                seeing.add(follower)
        else:
            raise LookupError(follower.stream)
    for (subject, alike, is_anonymous), asked in of_subjects.items():
        pairs = list({(f.viewer.user_id, key) for f, key in asked})
        statement = _seen(subject, alike, is_anonymous=is_anonymous)
        values = {"user_ids": [user_id for user_id, _ in pairs], "keys": [key for _, key in pairs]}
        found = {(row.user_id, row.key) for row in await db.fetch(statement, values)}
        seeing.update(f for f, key in asked if (f.viewer.user_id, key) in found)
    return seeing


_Subject = tuple[Any, Callable[[Viewer], sa.ColumnElement[bool]]]
# The streams of things that not everybody sees: their table, and the scope of it.
_SUBJECTS: dict[str, _Subject] = {
    "gig": (Gig, visible_gigs),
    "board": (Board, visible_boards),
    "room": (Room, visible_rooms),
    "roomstate": (Room, visible_rooms),
    "snippet": (Snippet, visible_snippets),
}


# Composed once: thousands come at the same time when a worker is gone, and to compose it takes longer than to ask it.
@lru_cache(256)
def _seen(subject: _Subject, alike: Viewer, *, is_anonymous: bool) -> sa.Select[Any]:
    """Which of some subjects which of some viewers see, who have the roles of `alike`, or all are anonymous like it."""
    table, scope = subject
    wanted = (
        sa.func.unnest(
            sa.bindparam("user_ids", type_=sa.ARRAY(sa.Uuid)), sa.bindparam("keys", type_=sa.ARRAY(sa.Uuid))
        )
        .table_valued(sa.column("user_id", sa.Uuid), sa.column("key", sa.Uuid))
        .render_derived("wanted")
    )
    # The scope reads the viewer's id from the row instead of from a parameter: the same words, for many viewers.
    user_id: Any = wanted.c.user_id
    viewer = alike if is_anonymous else Viewer(user_id=user_id, roles=alike.roles)
    return (
        sa.select(wanted.c.user_id, wanted.c.key)
        .select_from(wanted.join(table.__table__, table.id == wanted.c.key))
        .where(scope(viewer))
    )
