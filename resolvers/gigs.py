"""What clients do with their gigs, and administrators with the ones that wait for approval.

Locks are taken in this order: gig, invitation or application, contract, feedback, profiles (by id); stream heads last.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any
from unicodedata import normalize
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped
from sqlmodel import col

from auth import access
from auth.viewer import Viewer
from models.application import Application
from models.contract import LIVE, Contract
from models.errors import NotAllowed, NotFound
from models.gig import Gig, GigNotEditable, GigQuestion, GigSkill, GigVisibility, SavedGig, TermsFixed
from models.gig_content import GigContent, Question, WantedSkill, changes_between, terms_changed
from models.gig_events import GigCreated, GigEdited
from models.gig_workflow import EDITABLE, GigStatus
from models.ids import new_id
from models.store.sql import M, Receipt, Transaction
from models.table import check_version
from models.user import Role, User
from resolvers.jobs import job, schedule, schedule_many
from resolvers.operation import Operation
from resolvers.remarks import require_remark, write_remark
from resolvers.skills import require_known_skills


async def create_gig(
    op: Operation, content: GigContent, *, id: UUID | None = None, import_key: str | None = None
) -> Receipt:
    """A draft that only its client sees."""
    client_id = op.viewer.require(Role.CLIENT)
    async with op.transaction() as tx:
        gig = await _write_draft(op, tx, content, client_id=client_id, id=id)
        gig.import_key = import_key
        tx.emit(GigCreated(gig_id=gig.id, owner_id=client_id, at=op.now()))
        return tx.done(gig.id)


async def duplicate_gig(op: Operation, gig_id: UUID) -> Receipt:
    """A new draft with the content of an own gig, whatever its status. The draft needs a new deadline if it passed."""
    client_id = op.viewer.require(Role.CLIENT)
    async with op.transaction() as tx:
        # People before gigs, as whoever suspends the client has it: the new gig shares the lock of that row.
        await tx.execute(sa.select(col(User.id)).where(col(User.id) == client_id).with_for_update(read=True))
        original = await lock_own_gig(op, tx, gig_id)
        content = await _content_of(tx, original)
        gig = await _write_draft(op, tx, content, client_id=client_id, is_copy=True)
        tx.emit(GigCreated(gig_id=gig.id, owner_id=client_id, source_id=original.id, at=op.now()))
        return tx.done(gig.id)


async def edit_gig(
    op: Operation, gig_id: UUID, changes: Mapping[str, Any], *, expected_version: int | None
) -> Receipt:
    """Change parts of the content; once people have applied, budget, visibility and questions are fixed."""
    async with op.transaction() as tx:
        gig = await lock_own_gig(op, tx, gig_id, expected_version=expected_version)
        if gig.status not in EDITABLE:
            raise GigNotEditable(gig.status, gig_id=gig.id)
        before = await _content_of(tx, gig)
        after = dataclasses.replace(before, **changes)
        if terms_changed(before, after) and await _somebody_applied(tx, gig.id):
            raise TermsFixed(gig.status, gig_id=gig.id)
        after.write_to(gig, now=op.now(), past_deadline_is_fine=after.deadline == before.deadline)
        difference = changes_between(before, GigContent.of(gig, after.skills, after.questions))
        if not difference:
            return tx.noop(gig.id)
        await _rewrite_lists(tx, gig, before, after)
        gig.touch(at=op.now())
        if gig.status in {GigStatus.OPEN, GigStatus.PAUSED}:
            await schedule(tx, "expire_gig", gig.id, run_at=gig.deadline, at=op.now())
        tx.emit(
            GigEdited(
                gig_id=gig.id,
                owner_id=gig.client_id,
                is_public=gig.visibility is GigVisibility.PUBLIC,
                status=gig.status,
                changes=difference,
                at=op.now(),
            )
        )
        return tx.done(gig.id)


async def publish_gig(op: Operation, gig_id: UUID, *, expected_version: int | None = None) -> Receipt:
    """Let a draft out, or hand it to the administrators where gigs need approval."""
    async with op.transaction() as tx:
        gig = await lock_own_gig(op, tx, gig_id, expected_version=expected_version)
        tx.emit(gig.publish(needs_approval=op.services.rules.gigs_need_approval, at=op.now()))
        await schedule_expiry(op, tx, gig)
        return tx.done(gig.id)


async def approve_gig(op: Operation, gig_id: UUID) -> Receipt:
    op.viewer.require(Role.ADMIN)
    async with op.transaction() as tx:
        gig = await tx.lock(Gig, col(Gig.id) == gig_id, what="gig")
        tx.emit(gig.approve(at=op.now()))
        await schedule_expiry(op, tx, gig)
        return tx.done(gig.id)


async def reject_gig(op: Operation, gig_id: UUID, *, reason: str) -> Receipt:
    op.viewer.require(Role.ADMIN)
    async with op.transaction() as tx:
        gig = await tx.lock(Gig, col(Gig.id) == gig_id, what="gig")
        remark_id = await require_remark(op, tx, reason, path="reason")
        tx.emit(gig.reject(remark_id=remark_id, at=op.now()))
        return tx.done(gig.id)


async def request_gig_changes(op: Operation, gig_id: UUID, *, reason: str) -> Receipt:
    op.viewer.require(Role.ADMIN)
    async with op.transaction() as tx:
        gig = await tx.lock(Gig, col(Gig.id) == gig_id, what="gig")
        remark_id = await require_remark(op, tx, reason, path="reason")
        tx.emit(gig.request_changes(remark_id=remark_id, at=op.now()))
        return tx.done(gig.id)


async def pause_gig(op: Operation, gig_id: UUID, *, expected_version: int | None = None) -> Receipt:
    async with op.transaction() as tx:
        gig = await lock_own_gig(op, tx, gig_id, expected_version=expected_version)
        tx.emit(gig.pause(at=op.now()))
        return tx.done(gig.id)


async def resume_gig(op: Operation, gig_id: UUID, *, expected_version: int | None = None) -> Receipt:
    async with op.transaction() as tx:
        gig = await lock_own_gig(op, tx, gig_id, expected_version=expected_version)
        tx.emit(gig.resume(at=op.now()))
        await schedule_expiry(op, tx, gig)
        return tx.done(gig.id)


async def reopen_gig(
    op: Operation, gig_id: UUID, *, deadline: datetime, expected_version: int | None = None
) -> Receipt:
    """Look for people again: after expiry, or when a place became free."""
    async with op.transaction() as tx:
        gig = await lock_own_gig(op, tx, gig_id, expected_version=expected_version)
        tx.emit(gig.reopen(deadline=deadline, at=op.now()))
        await schedule_expiry(op, tx, gig)
        return tx.done(gig.id)


async def stop_hiring(op: Operation, gig_id: UUID, *, expected_version: int | None = None) -> Receipt:
    """Go on with those who are hired, though places are left."""
    async with op.transaction() as tx:
        gig = await lock_own_gig(op, tx, gig_id, expected_version=expected_version)
        tx.emit(gig.stop_hiring(live_contracts=await live_contracts(tx, gig.id), at=op.now()))
        return tx.done(gig.id)


async def cancel_gig(
    op: Operation, gig_id: UUID, *, note: str | None, expected_version: int | None = None
) -> Receipt:
    async with op.transaction() as tx:
        gig = await lock_own_gig(op, tx, gig_id, expected_version=expected_version)
        remark_id = await write_remark(op, tx, note)
        tx.emit(gig.cancel(remark_id=remark_id, at=op.now()))
        return tx.done(gig.id)


async def save_gig(op: Operation, gig_id: UUID) -> Receipt:
    """Keep an eye on a gig."""
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        if await tx.get(Gig, col(Gig.id) == gig_id, access.visible_gigs(op.viewer)) is None:
            raise NotFound("gig")
        statement = insert(SavedGig).values(user_id=user_id, gig_id=gig_id, saved_at=op.now())
        result = await tx.execute(statement.on_conflict_do_nothing().returning(col(SavedGig.gig_id)))
        return tx.done(gig_id) if result.first() else tx.noop(gig_id)


async def unsave_gig(op: Operation, gig_id: UUID) -> Receipt:
    user_id = op.viewer.require_user()
    async with op.transaction() as tx:
        statement = sa.delete(SavedGig).where(
            col(SavedGig.user_id) == user_id, col(SavedGig.gig_id) == gig_id
        )
        result = await tx.execute(statement.returning(col(SavedGig.gig_id)))
        return tx.done(gig_id) if result.first() else tx.noop(gig_id)


@job("expire_gig")
async def expire_gig(op: Operation, tx: Transaction, gig_id: UUID) -> None:
    """At the deadline: nothing if the gig has moved on, or if the deadline was moved."""
    gig = await tx.lock_if_any(Gig, col(Gig.id) == gig_id)
    if gig is None or gig.status not in {GigStatus.OPEN, GigStatus.PAUSED} or gig.deadline > op.now():
        return
    tx.emit(gig.expire(live_contracts=await live_contracts(tx, gig.id), at=op.now()))


async def saved_among(op: Operation, gig_ids: Sequence[UUID]) -> dict[UUID, bool]:
    """Which of these gigs the viewer keeps an eye on."""
    if op.viewer.user_id is None:
        return {}
    statement = sa.select(col(SavedGig.gig_id)).where(
        col(SavedGig.user_id) == op.viewer.user_id, col(SavedGig.gig_id).in_(gig_ids)
    )
    return {row[0]: True for row in await op.db.fetch(statement)}


async def live_contracts(tx: Transaction, gig_id: UUID) -> int:
    statement = (
        sa.select(sa.func.count())
        .select_from(Contract)
        .where(col(Contract.gig_id) == gig_id, col(Contract.status).in_(LIVE))
    )
    return int((await tx.execute(statement)).scalar_one())


def new_draft(
    op: Operation,
    content: GigContent,
    *,
    client_id: UUID,
    id: UUID | None = None,
    past_deadline_is_fine: bool = False,
) -> tuple[Gig, list[GigSkill | GigQuestion]]:
    """A checked draft and the rows of its lists, to be written after it. Whether its skills are known is not checked."""
    gig = Gig(
        id=id or op.new_id(),
        client_id=client_id,
        title=content.title,
        currency=content.currency,
        expected_days=content.expected_days,
        status=GigStatus.DRAFT,
        hired=0,
        created_at=op.now(),
        listed_at=op.now(),
        updated_at=op.now(),
    )
    content.write_to(gig, now=op.now(), past_deadline_is_fine=past_deadline_is_fine)
    return gig, [*_skill_rows(gig.id, content.skills), *_question_rows(gig.id, content.questions)]


async def schedule_expiry(op: Operation, tx: Transaction, *gigs: Gig) -> None:
    """Owe the end of those that are open, each at its deadline."""
    deadlines = {gig.id: gig.deadline for gig in gigs if gig.status is GigStatus.OPEN}
    if deadlines:
        await schedule_many(tx, "expire_gig", deadlines, at=op.now())


async def lock_gig_first(
    tx: Transaction, model: type[M], gig_id: Mapped[UUID], visible: sa.ColumnElement[bool], *, what: str
) -> tuple[Gig, M]:
    """Lock the gig that the one visible row belongs to (its column `gig_id`), then the row. Raises `NotFound`."""
    found = (await tx.execute(sa.select(gig_id).where(visible))).scalar()
    gig = await tx.lock(Gig, col(Gig.id) == found, what=what)
    return gig, await tx.lock(model, visible, what=what)


async def lock_visible_gig(
    op: Operation, tx: Transaction, gig_id: UUID, *, path: tuple[str, ...] = ("id",)
) -> Gig:
    return await tx.lock(Gig, col(Gig.id) == gig_id, _visible_to(op.viewer), what="gig", path=path)


@lru_cache(200)
def _visible_to(viewer: Viewer) -> sa.ColumnElement[bool]:
    """Composed once for who does several things: that takes a fifth of a small transaction (measured)."""
    return access.visible_gigs(viewer)


async def lock_own_gig(
    op: Operation, tx: Transaction, gig_id: UUID, *, expected_version: int | None = None
) -> Gig:
    """The gig for its client alone, at the version the client has seen."""
    op.viewer.require_user()
    gig = await lock_visible_gig(op, tx, gig_id)
    require_owner(op, gig)
    check_version(gig, expected_version, entity_id=gig.id)
    return gig


def require_owner(op: Operation, gig: Gig) -> None:
    if gig.client_id != op.viewer.user_id:
        raise NotAllowed("OWNER", "Only the client who posted the gig can do this.")


async def _somebody_applied(tx: Transaction, gig_id: UUID) -> bool:
    statement = sa.select(sa.exists().where(col(Application.gig_id) == gig_id))
    return bool((await tx.execute(statement)).scalar_one())


async def _write_draft(
    op: Operation,
    tx: Transaction,
    content: GigContent,
    *,
    client_id: UUID,
    id: UUID | None = None,
    is_copy: bool = False,
) -> Gig:
    """A copy may have what its original has, though it is not for new use: a passed deadline, retired skills."""
    gig, lists = new_draft(op, content, client_id=client_id, id=id, past_deadline_is_fine=is_copy)
    skill_ids = [skill.skill_id for skill in content.skills]
    await require_known_skills(tx, skill_ids, kept=skill_ids if is_copy else ())
    tx.add(gig)
    await tx.session.flush()
    tx.add(*lists)
    return gig


async def _rewrite_lists(tx: Transaction, gig: Gig, before: GigContent, after: GigContent) -> None:
    if before.skills != after.skills:
        kept = {skill.skill_id for skill in before.skills}
        await require_known_skills(tx, [skill.skill_id for skill in after.skills], kept=kept)
        await tx.execute(sa.delete(GigSkill).where(col(GigSkill.gig_id) == gig.id))
        tx.add(*_skill_rows(gig.id, after.skills))
    if before.questions != after.questions:
        await tx.execute(sa.delete(GigQuestion).where(col(GigQuestion.gig_id) == gig.id))
        tx.add(*_question_rows(gig.id, after.questions))


def _skill_rows(gig_id: UUID, skills: tuple[WantedSkill, ...]) -> list[GigSkill]:
    return [
        GigSkill(gig_id=gig_id, skill_id=s.skill_id, need=s.need, weight=s.weight, position=position)
        for position, s in enumerate(skills)
    ]


def _question_rows(gig_id: UUID, questions: tuple[Question, ...]) -> list[GigQuestion]:
    return [
        GigQuestion(
            id=new_id(),
            gig_id=gig_id,
            # As it was measured when it was checked: decomposed accents would not fit the column.
            prompt=normalize("NFC", q.prompt.strip()),
            is_required=q.is_required,
            position=position,
        )
        for position, q in enumerate(questions)
    ]


async def _content_of(tx: Transaction, gig: Gig) -> GigContent:
    skills = await tx.all(GigSkill, col(GigSkill.gig_id) == gig.id, order_by=col(GigSkill.position))
    questions = await tx.all(
        GigQuestion, col(GigQuestion.gig_id) == gig.id, order_by=col(GigQuestion.position)
    )
    return GigContent.of(
        gig,
        tuple(WantedSkill(s.skill_id, s.need, s.weight) for s in skills),
        tuple(Question(q.prompt, q.is_required) for q in questions),
    )
