"""With whom snippets are shared: contracts, rooms, and whoever has a link."""

from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from auth.tokens import hash_of, new_link_token
from models.checks import Checks
from models.contract import Contract
from models.errors import NotAllowed, NotFound
from models.room import RoomKind, RoomMember
from models.snippet import (
    MAX_LINK_LIFE,
    MAX_SHARES,
    MAX_SHARES_IN_ROOM,
    RoomSharesFull,
    Snippet,
    SnippetFull,
    SnippetShare,
    SnippetShareKind,
)
from models.snippet_events import SnippetOffered, SnippetShared, SnippetShareEnded
from models.store.sql import Receipt, Transaction
from resolvers.messages import here_in
from resolvers.open_snippet import OpenSnippet, locked, opened, snippet_of
from resolvers.operation import Operation
from resolvers.rooms import lock_room


async def share_with_contract(
    op: Operation, snippet_id: UUID, contract_id: UUID, *, may_revise: bool
) -> Receipt:
    """Both sides of the contract see it from now on. Shared already, only what they may do changes."""
    me = op.viewer.require_user()
    async with opened(op, snippet_id) as snippet:
        snippet.require_owner()
        snippet.require_live()
        visible = access.visible_contracts(op.viewer)
        contract = await snippet.tx.get(Contract, col(Contract.id) == contract_id, visible)
        if contract is None:
            raise NotFound("contract", path=("contractId",))
        sides = {contract.client_id, contract.freelancer_id}
        if me not in sides:
            raise NotAllowed("PARTICIPANT", "Only the two sides of a contract can share with it.")
        found = await _in_force(snippet, col(SnippetShare.contract_id) == contract_id)
        if found is not None and found.may_revise is may_revise:
            return snippet.tx.noop(found.id)
        if found is None:
            found = await _add(
                snippet, kind=SnippetShareKind.CONTRACT, contract_id=contract_id, may_revise=may_revise
            )
            for person_id in sorted(sides - {me}):
                snippet.tell(SnippetOffered(person_id=person_id, **snippet.about))
        found.may_revise = may_revise
        _told(snippet, found)
        return snippet.tx.done(found.id)


async def share_with_room(op: Operation, snippet_id: UUID, room_id: UUID, *, may_revise: bool) -> Receipt:
    """Whoever is a member of the room sees it while they are. Shared already, only what they may do changes.

    By whoever may write there. In a room of two the other one is notified; in a group nobody is, as of what is said there.
    """
    me = op.viewer.require_user()
    async with op.transaction() as tx:
        # Who belongs to the room changes under its lock only, and whoever leaves finds this share, or it does not find them.
        room, _ = await lock_room(op, tx, room_id, path=("roomId",))
        # What the lock waited for may have closed the room, or been a block.
        here = await here_in(op, room_id, tx=tx)
        here.require_writable()
        snippet = await locked(op, tx, snippet_id)
        snippet.require_owner()
        snippet.require_live()
        found = await _in_force(snippet, col(SnippetShare.room_id) == room_id)
        if found is not None and found.may_revise is may_revise:
            return tx.noop(found.id)
        if found is None:
            await _require_space_in(tx, room_id)
            found = await _add(snippet, kind=SnippetShareKind.ROOM, room_id=room_id, may_revise=may_revise)
            if room.kind is not RoomKind.GROUP:
                others = (col(RoomMember.room_id) == room_id) & (col(RoomMember.user_id) != me)
                for member in await tx.all(RoomMember, others, order_by=col(RoomMember.user_id)):
                    snippet.tell(SnippetOffered(person_id=member.user_id, **snippet.about))
        found.may_revise = may_revise
        _told(snippet, found)
        return tx.done(found.id)


async def share_by_link(op: Operation, snippet_id: UUID, *, expires_at: datetime) -> tuple[Receipt, str]:
    """A link for whoever has it. Its token is answered here and never again: only its hash is kept."""
    checks = Checks()
    checks.future(("expiresAt",), expires_at, now=op.now())
    if expires_at > op.now() + MAX_LINK_LIFE:
        message = f"A link lives for {MAX_LINK_LIFE.days} days at most."
        checks.refuse(("expiresAt",), "RANGE", message, max=(op.now() + MAX_LINK_LIFE).isoformat())
    checks.done()
    async with opened(op, snippet_id) as snippet:
        snippet.require_owner()
        snippet.require_live()
        token = new_link_token()
        share = await _add(
            snippet, kind=SnippetShareKind.LINK, token_hash=hash_of(token), expires_at=expires_at
        )
        _told(snippet, share)
        return snippet.tx.done(share.id), token


async def end_share(op: Operation, share_id: UUID) -> Receipt:
    """Who saw the snippet by it alone does not any more; a link leads nowhere."""
    async with opened(op, await snippet_of(op, SnippetShare, share_id), what="share") as snippet:
        snippet.require_owner()
        share = await snippet.tx.by_id(SnippetShare, share_id)
        assert share is not None
        if share.ended_at is not None:
            return snippet.tx.noop(share.id)
        share.ended_at = op.now()
        snippet.tell(SnippetShareEnded(share_id=share.id, share_kind=share.kind, **snippet.about))
        return snippet.tx.done(share.id)


async def end_shares_for_good(op: Operation, tx: Transaction, user_id: UUID) -> None:
    """Of all snippets of somebody who is erased."""
    shared = sa.select(col(SnippetShare.snippet_id)).where(col(SnippetShare.ended_at).is_(None))
    snippets = (
        sa.select(col(Snippet.id))
        .where(col(Snippet.owner_id) == user_id, col(Snippet.id).in_(shared))
        .order_by(col(Snippet.id))
        .with_for_update(key_share=True)
    )
    ids = (await tx.execute(snippets)).scalars().all()
    in_force = col(SnippetShare.snippet_id).in_(ids) & col(SnippetShare.ended_at).is_(None)
    for share in await tx.all(SnippetShare, in_force, order_by=col(SnippetShare.id)):
        share.ended_at = op.now()
        tx.emit(SnippetShareEnded(
            snippet_id=share.snippet_id, share_id=share.id, share_kind=share.kind, at=op.now()
        ))  # fmt: skip


async def _in_force(snippet: OpenSnippet, those: sa.ColumnElement[bool]) -> SnippetShare | None:
    return await snippet.tx.get(
        SnippetShare,
        col(SnippetShare.snippet_id) == snippet.row.id,
        those,
        col(SnippetShare.ended_at).is_(None),
    )


async def _require_space_in(tx: Transaction, room_id: UUID) -> None:
    """Raises `RoomSharesFull`."""
    there = (col(SnippetShare.room_id) == room_id) & col(SnippetShare.ended_at).is_(None)
    count = (await tx.execute(sa.select(sa.func.count()).where(there))).scalar_one()
    if count >= MAX_SHARES_IN_ROOM:
        raise RoomSharesFull(count=count)


async def _add(snippet: OpenSnippet, **values: Any) -> SnippetShare:
    """Raises `SnippetFull`."""
    count = sa.select(sa.func.count()).where(
        col(SnippetShare.snippet_id) == snippet.row.id, col(SnippetShare.ended_at).is_(None)
    )
    if (await snippet.tx.execute(count)).scalar_one() >= MAX_SHARES:
        raise SnippetFull("shares", limit=MAX_SHARES)
    share = SnippetShare(
        id=snippet.op.new_id(), snippet_id=snippet.row.id, created_at=snippet.op.now(), **values
    )
    snippet.tx.add(share)
    return share


def _told(snippet: OpenSnippet, share: SnippetShare) -> None:
    snippet.tell(SnippetShared(
        share_id=share.id, share_kind=share.kind, may_revise=share.may_revise, **snippet.about
    ))  # fmt: skip
