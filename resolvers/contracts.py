"""The work itself: progress, hand-in, approval, rest and end. The gig's own status follows."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.contract import Contract, ContractStatus, EndReason, ProgressFollowsBoard
from models.errors import NotAllowed
from models.feedback import WINDOW
from models.gig import Gig
from models.store.sql import Receipt, Transaction
from models.table import check_version
from resolvers.boards import follows_board, leave_board
from resolvers.gigs import live_contracts, lock_gig_first
from resolvers.jobs import schedule
from resolvers.notices import tell
from resolvers.operation import Operation
from resolvers.remarks import require_remark, write_remark
from resolvers.snippets import NamedVersion, submit_versions


async def report_progress(
    op: Operation, contract_id: UUID, *, percent: int, note: str | None, expected_version: int | None
) -> Receipt:
    async with op.transaction() as tx:
        _, contract = await _lock_gig_then_contract(op, tx, contract_id)
        _require_freelancer(op, contract)
        check_version(contract, expected_version, entity_id=contract.id)
        if await follows_board(tx, contract.gig_id):
            raise ProgressFollowsBoard(contract_id=contract.id)
        remark_id = await write_remark(op, tx, note)
        await tell(op, tx, contract.report_progress(percent, remark_id=remark_id, at=op.now()))
        return tx.done(contract.id)


async def submit_work(
    op: Operation, contract_id: UUID, *, note: str | None, snippets: Sequence[NamedVersion] = ()
) -> Receipt:
    """With versions of snippets, if any are named: both sides see these for ever."""
    async with op.transaction() as tx:
        _, contract = await _lock_gig_then_contract(op, tx, contract_id)
        _require_freelancer(op, contract)
        remark_id = await write_remark(op, tx, note)
        await tell(op, tx, contract.submit_work(remark_id=remark_id, at=op.now()))
        await submit_versions(op, tx, contract, snippets, path="snippetVersions")
        return tx.done(contract.id)


async def request_changes(op: Operation, contract_id: UUID, *, note: str) -> Receipt:
    async with op.transaction() as tx:
        _, contract = await _lock_gig_then_contract(op, tx, contract_id)
        _require_client(op, contract)
        remark_id = await require_remark(op, tx, note)
        await tell(op, tx, contract.request_changes(remark_id=remark_id, at=op.now()))
        return tx.done(contract.id)


async def approve_work(op: Operation, contract_id: UUID) -> Receipt:
    """The work is done; feedback can be given from now on, for 14 days."""
    async with op.transaction() as tx:
        gig, contract = await _lock_gig_then_contract(op, tx, contract_id)
        _require_client(op, contract)
        await tell(op, tx, contract.approve(at=op.now()))
        await _close(op, tx, gig, contract)
        return tx.done(contract.id)


async def pause_contract(op: Operation, contract_id: UUID, *, note: str | None) -> Receipt:
    async with op.transaction() as tx:
        _, contract = await _lock_gig_then_contract(op, tx, contract_id)
        require_participant(op, contract)
        remark_id = await write_remark(op, tx, note)
        await tell(op, tx, contract.pause(remark_id=remark_id, at=op.now()))
        return tx.done(contract.id)


async def resume_contract(op: Operation, contract_id: UUID) -> Receipt:
    async with op.transaction() as tx:
        _, contract = await _lock_gig_then_contract(op, tx, contract_id)
        require_participant(op, contract)
        await tell(op, tx, contract.resume(at=op.now()))
        return tx.done(contract.id)


async def end_contract(op: Operation, contract_id: UUID, *, reason: EndReason, note: str | None) -> Receipt:
    """Stop early; the place in the gig becomes free."""
    async with op.transaction() as tx:
        gig, contract = await _lock_gig_then_contract(op, tx, contract_id)
        require_participant(op, contract)
        remark_id = await write_remark(op, tx, note)
        await tell(op, tx, contract.end(reason, remark_id=remark_id, at=op.now()))
        await _close(op, tx, gig, contract)
        await leave_board(op, tx, gig, contract.freelancer_id)
        return tx.done(contract.id)


async def _close(op: Operation, tx: Transaction, gig: Gig, contract: Contract) -> None:
    """What follows from a contract being over: the gig moves, and the reveal of feedback is owed."""
    live = await live_contracts(tx, gig.id)
    completed = contract.status is ContractStatus.COMPLETED
    any_completed = completed or await _any_completed(tx, gig.id)
    moved = gig.contract_over(
        completed=completed, live_contracts=live, any_completed=any_completed, at=op.now()
    )
    if moved is not None:
        tx.emit(moved)
    await schedule(tx, "reveal_feedback", contract.id, run_at=op.now() + WINDOW, at=op.now())


async def _any_completed(tx: Transaction, gig_id: UUID) -> bool:
    statement = sa.select(sa.exists().where(
        col(Contract.gig_id) == gig_id, col(Contract.status) == ContractStatus.COMPLETED
    ))  # fmt: skip
    return bool((await tx.execute(statement)).scalar_one())


async def _lock_gig_then_contract(op: Operation, tx: Transaction, contract_id: UUID) -> tuple[Gig, Contract]:
    op.viewer.require_user()
    visible = (col(Contract.id) == contract_id) & access.visible_contracts(op.viewer)
    return await lock_gig_first(tx, Contract, col(Contract.gig_id), visible, what="contract")


def _require_freelancer(op: Operation, contract: Contract) -> None:
    if contract.freelancer_id != op.viewer.user_id:
        raise NotAllowed("FREELANCER", "Only the freelancer of this contract can do this.")


def _require_client(op: Operation, contract: Contract) -> None:
    if contract.client_id != op.viewer.user_id:
        raise NotAllowed("CLIENT", "Only the client of this contract can do this.")


def require_participant(op: Operation, contract: Contract) -> None:
    if op.viewer.user_id not in {contract.client_id, contract.freelancer_id}:
        raise NotAllowed("PARTICIPANT", "Only the two sides of this contract can do this.")
