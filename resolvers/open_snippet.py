"""A snippet under its lock, and what is looked up before it is taken.

Sealing waits for other things than SQL, so it comes before the transaction. Who may do what is asked before that, so that a
refusal leaves nothing behind, not even a key; and again under the lock, where nothing changes any more. The row is locked
after gig, contract, board and room, before stream heads.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import SQLModel, col

from auth import access
from models.chat_cipher import Place
from models.contract import Contract
from models.errors import NotAllowed, NotFound, Path
from models.room import RoomMember
from models.snippet import (
    ArchivedSnippet,
    SealedText,
    Snippet,
    SnippetShare,
    SnippetText,
    SnippetTextKind,
    SnippetVersion,
)
from models.snippet_diff import Diff, Kept, diff_of, kept_lines
from models.snippet_events import SnippetEvent
from models.store.chat_keys import Unreadable
from models.store.sql import Transaction
from resolvers.operation import Operation

AT_ONCE = 16
"""Texts that are opened in one go: a megabyte, about a millisecond."""
MOST_TRIES = 20
"""How often an act begins again because somebody revised the snippet meanwhile."""

NOT_TO_REVISE = "Only the owner, and those whom a share lets, can revise the snippet."
SEALED = [col(getattr(SnippetText, name)) for name in SealedText.COLUMNS]

# Python's own comparing, one after the other: several at once would only take the interpreter from the loop more often.
_comparing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="diff")


class Revised(Exception):
    """Somebody revised the snippet between the look and the lock: look again."""


@dataclass(slots=True)
class OpenSnippet:
    op: Operation
    tx: Transaction
    row: Snippet

    @property
    def is_owner(self) -> bool:
        return self.row.owner_id == self.op.viewer.user_id

    @property
    def about(self) -> dict[str, Any]:
        """What every event of the snippet says."""
        return {"snippet_id": self.row.id, "at": self.op.now()}

    def tell(self, event: SnippetEvent) -> None:
        self.tx.emit(event)

    def require_owner(self) -> None:
        """Raises `NotAllowed`."""
        if not self.is_owner:
            raise NotAllowed("OWNER", "Only the owner of the snippet can do this.")

    def require_live(self) -> None:
        """Raises `ArchivedSnippet`."""
        if self.row.archived_at is not None:
            raise ArchivedSnippet(snippet_id=self.row.id)

    async def require_reviser(self) -> None:
        """Raises `NotAllowed`."""
        allowed = sa.select(may_revise(self.op)).select_from(Snippet).where(col(Snippet.id) == self.row.id)
        if not self.is_owner and not (await self.tx.execute(allowed)).scalar_one():
            raise NotAllowed("OWNER", NOT_TO_REVISE)

    async def people(self, among: Collection[UUID]) -> set[UUID]:
        """Those of some people who see it: the owner, the sides of contracts and the members of rooms that it is shared with."""
        shared = (col(SnippetShare.snippet_id) == self.row.id) & col(SnippetShare.ended_at).is_(None)
        sides = [
            sa.select(side)
            .join(SnippetShare, col(SnippetShare.contract_id) == col(Contract.id))
            .where(shared)
            for side in (col(Contract.client_id), col(Contract.freelancer_id))
        ]
        # Not all members: a room may have thousands.
        members = (
            sa.select(col(RoomMember.user_id))
            .join(SnippetShare, col(SnippetShare.room_id) == col(RoomMember.room_id))
            .where(shared, col(RoomMember.user_id).in_(among), col(RoomMember.left_at).is_(None))
        )
        found = (await self.tx.execute(sa.union_all(*sides, members))).scalars()
        return {self.row.owner_id, *found} & set(among)


@asynccontextmanager
async def opened(
    op: Operation, snippet_id: UUID | None, *, path: Path = ("id",), what: str = "snippet"
) -> AsyncIterator[OpenSnippet]:
    """One transaction on a snippet that the caller sees; `snippet_id` is None where nothing was found. Raises `NotFound`."""
    op.viewer.require_user()
    async with op.transaction() as tx:
        yield await locked(op, tx, snippet_id, path=path, what=what)


async def locked(
    op: Operation, tx: Transaction, snippet_id: UUID | None, *, path: Path = ("id",), what: str = "snippet"
) -> OpenSnippet:
    """A snippet that the caller sees, under its lock; rooms are locked before it. Raises `NotFound`."""
    if snippet_id is None:
        raise NotFound(what, path=path)
    seen = access.visible_snippets(op.viewer)
    return OpenSnippet(
        op, tx, await tx.lock(Snippet, col(Snippet.id) == snippet_id, seen, what=what, path=path)
    )


async def snippet_of(op: Operation, model: type[SQLModel], key: UUID) -> UUID | None:
    """The snippet that a row belongs to, if the caller sees it: a row keeps its snippet."""
    table: Any = model
    visible = access.on_visible_snippets(col(table.snippet_id))(op.viewer)
    found = await op.db.fetch(sa.select(table.snippet_id).where(table.id == key, visible))
    return found[0][0] if found else None


@dataclass(frozen=True, slots=True)
class Look:
    """A snippet as it was a moment ago, with its newest version, and whether a share lets the caller revise it."""

    snippet_id: UUID
    owner_id: UUID
    is_archived: bool
    latest_id: UUID
    latest_number: int
    text_id: UUID
    sha256: str
    may_revise: bool

    def require_reviser(self, user_id: UUID) -> None:
        """Raises `NotAllowed`."""
        if user_id != self.owner_id and not self.may_revise:
            raise NotAllowed("OWNER", NOT_TO_REVISE)

    def require_live(self) -> None:
        """Raises `ArchivedSnippet`."""
        if self.is_archived:
            raise ArchivedSnippet(snippet_id=self.snippet_id)


async def look_at(
    op: Operation, snippet_id: UUID | None, *, path: Path = ("id",), what: str = "snippet"
) -> Look:
    """Raises `NotFound`."""
    statement = (
        sa.select(
            col(Snippet.id),
            col(Snippet.owner_id),
            col(Snippet.archived_at).is_not(None),
            col(Snippet.latest_id),
            col(Snippet.latest_number),
            col(SnippetVersion.text_id),
            col(SnippetVersion.sha256),
            may_revise(op),
        )
        .join(SnippetVersion, col(SnippetVersion.id) == col(Snippet.latest_id))
        .where(col(Snippet.id) == snippet_id, access.visible_snippets(op.viewer))
    )
    found = await op.db.fetch(statement)
    if not found:
        raise NotFound(what, path=path)
    return Look(*tuple(found[0]))


def may_revise(op: Operation) -> sa.ColumnElement[bool]:
    """Of `Snippet`: whether a share lets the caller revise it."""
    shares = sa.exists().where(
        col(SnippetShare.snippet_id) == col(Snippet.id),
        col(SnippetShare.ended_at).is_(None),
        col(SnippetShare.may_revise),
        access.visible_snippet_shares(op.viewer),
    )
    return shares.correlate(Snippet)


# -- sealed texts --------------------------------------------------------------------------------------------------------------


async def seal_text(
    op: Operation, words: bytes, *, snippet_id: UUID, subject_id: UUID, kind: SnippetTextKind
) -> SnippetText:
    """The caller's words under their key for the snippet, which is made when they first write in it."""
    text_id, me = op.new_id(), op.viewer.require_user()
    place = Place(snippet_id, me, subject_id, text_id, kind)
    sealed = await op.services.chat.keys.seal(words, place, at=op.now())
    return SnippetText(
        id=text_id, snippet_id=snippet_id, subject_id=subject_id, kind=kind, author_id=me, key_id=sealed.key_id,
        nonce=sealed.nonce, body=sealed.text, created_at=op.now(),
    )  # fmt: skip


async def words_of(op: Operation, text_ids: Sequence[UUID]) -> dict[UUID, str]:
    """What the texts say, without those whose author is erased or that were tampered with. Who may read them is decided by
    the scope of the row that refers to them."""
    found = await op.db.fetch(sa.select(*SEALED).where(col(SnippetText.id).in_(text_ids)))
    return await unsealed(op, [SealedText.of(row) for row in found])


async def unsealed(op: Operation, texts: Sequence[SealedText]) -> dict[UUID, str]:
    found: dict[UUID, str] = {}
    for start in range(0, len(texts), AT_ONCE):
        some = texts[start : start + AT_ONCE]
        opened = await op.services.chat.keys.unseal_at([(text.sealed, text.place) for text in some])
        for text, words in zip(some, opened, strict=True):
            if not isinstance(words, Unreadable):
                found[text.id] = words.decode()
        await asyncio.sleep(0)  # others' turn
    return found


async def compared(old: str, new: str) -> Diff:
    return await asyncio.get_running_loop().run_in_executor(_comparing, diff_of, old, new)


async def kept_between(op: Operation, old_id: UUID, new: UUID | str) -> list[Kept]:
    """Which lines of a text are in another one, and where; none if one of them cannot be read any more."""
    words = await words_of(op, [old_id] if isinstance(new, str) else [old_id, new])
    before, after = words.get(old_id), new if isinstance(new, str) else words.get(new)
    if before is None or after is None:
        return []
    return await asyncio.get_running_loop().run_in_executor(_comparing, kept_lines, before, after)
