"""What messages name, as whoever reads them may see it: one statement for all messages that are read together."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.application import Application
from models.board import Board
from models.contract import Contract
from models.gig import Gig
from models.message_previews import MAX_EXCERPT, Named, PreviewKind
from models.snippet import Snippet
from models.task import Task
from resolvers.operation import Operation


@dataclass(frozen=True, slots=True)
class Preview:
    """A thing as it is now. `status` is that of gigs, applications and contracts."""

    kind: PreviewKind
    id: UUID
    title: str
    excerpt: str | None
    status: str | None


async def previews_of(
    op: Operation, named: Iterable[Sequence[Named]]
) -> dict[Sequence[Named], list[Preview]]:
    """Those of the things that some texts name which the caller may see, by what each text names."""
    asked = list(named)
    ids: dict[PreviewKind, set[UUID]] = defaultdict(set)
    for some in asked:
        for kind, id in some:
            ids[kind].add(id)
    if not ids:
        return {some: [] for some in asked}
    statement = sa.union_all(*(_selected(op, kind, ids[kind]) for kind in PreviewKind if kind in ids))
    found = {
        (PreviewKind(row.kind), row.id): Preview(
            PreviewKind(row.kind), row.id, row.title, row.excerpt or None, row.status
        )
        for row in await op.db.fetch(statement)
    }
    return {some: [found[one] for one in some if one in found] for some in asked}


def _selected(op: Operation, kind: PreviewKind, ids: Iterable[UUID]) -> sa.Select[Any]:
    of_gig = sa.join
    nothing = sa.cast(sa.null(), sa.Text)
    sources: dict[PreviewKind, tuple[Any, Any, Any, Any, Any, Any]] = {
        PreviewKind.GIG: (Gig, Gig, Gig.title, Gig.description, Gig.status, access.visible_gigs),
        PreviewKind.APPLICATION: (
            Application, of_gig(Application, Gig, col(Gig.id) == col(Application.gig_id)), Gig.title, nothing,
            Application.status, access.visible_applications,
        ),
        PreviewKind.CONTRACT: (
            Contract, of_gig(Contract, Gig, col(Gig.id) == col(Contract.gig_id)), Gig.title, nothing,
            Contract.status, access.visible_contracts,
        ),
        PreviewKind.BOARD: (
            Board, of_gig(Board, Gig, col(Gig.id) == col(Board.gig_id)), Gig.title, nothing, nothing,
            access.visible_boards,
        ),
        PreviewKind.TASK: (
            Task, Task, Task.title, Task.description, nothing, access.on_visible_boards(col(Task.board_id)),
        ),
        PreviewKind.SNIPPET: (Snippet, Snippet, Snippet.title, nothing, nothing, access.visible_snippets),
    }  # fmt: skip
    table, source, title, text, status, scope = sources[kind]
    return (
        sa.select(
            sa.literal(kind.value).label("kind"),
            col(table.id).label("id"),
            sa.cast(title, sa.Text).label("title"),
            sa.func.left(text, MAX_EXCERPT).label("excerpt"),
            sa.cast(status, sa.Text).label("status"),
        )
        .select_from(source)
        .where(col(table.id).in_(ids), scope(op.viewer))
    )
