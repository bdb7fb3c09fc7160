"""Reports of messages: members call administrators, who see that message as it was then, and nothing else of the room."""

from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from models.chat import SYSTEM, ChatDraft, ChatKind
from models.errors import NotFound
from models.kept_events import MessageModerated, MessageReported, MessageReportResolved
from models.kept_words import (
    MessageReport,
    OwnMessage,
    ReportOutcome,
    ReportReason,
    ReportState,
    WordsLost,
    columns_of,
)
from models.message import Content, DeletedMessage
from models.store.chat_keys import Unreadable
from models.store.sql import Receipt
from models.user import Role
from resolvers import messages
from resolvers.drafts import lock_person, opened
from resolvers.jobs import outside_job, schedule
from resolvers.messages import here_in
from resolvers.operation import Operation
from resolvers.remarks import write_remark

JOB = "message.remove"


async def report_message(
    op: Operation, room_id: UUID, message_id: UUID, reason: ReportReason, *, note: str | None
) -> Receipt:
    """Show administrators what a message says now. While a report of the caller is open, another one changes nothing."""
    me = op.viewer.require_user()
    await here_in(op, room_id)
    shown = (await messages.messages_of(op, room_id, [message_id])).get(message_id)
    if shown is None:
        raise NotFound("message")
    author_id = shown.message.sent.author_id
    if author_id in {me, SYSTEM}:
        raise OwnMessage
    if shown.words is None:
        raise DeletedMessage
    if not isinstance(shown.words, Content):
        raise WordsLost(kept_id=message_id)
    place = MessageReport.place_of(room_id, message_id, op.new_id())
    kept = columns_of(await op.services.chat.keys.seal(shown.words.as_bytes, place, at=op.now()), place)
    async with op.transaction() as tx:
        await lock_person(tx, me)
        already = await tx.get(
            MessageReport,
            col(MessageReport.reporter_id) == me,
            col(MessageReport.message_id) == message_id,
            col(MessageReport.state) == ReportState.OPEN,
        )
        if already is not None:
            return tx.noop(already.id)
        remark_id = await write_remark(op, tx, note)
        row = MessageReport(
            id=op.new_id(), room_id=room_id, message_id=message_id, author_id=author_id, reporter_id=me,
            reason=reason, remark_id=remark_id, sent_at=shown.message.sent.at, edit_count=shown.message.edits,
            state=ReportState.OPEN, created_at=op.now(), updated_at=op.now(), **kept,
        )  # fmt: skip
        tx.add(row)
        tx.emit(MessageReported(person_id=me, report_id=row.id, at=op.now()))
        return tx.done(row.id)


async def resolve_report(
    op: Operation, report_id: UUID, outcome: ReportOutcome, *, note: str | None
) -> Receipt:
    """Decide. The reporter is told, and whoever wrote the message unless it is dismissed; neither learns who the other two are."""
    me = op.viewer.require(Role.ADMIN)
    async with op.transaction() as tx:
        report = await tx.lock(MessageReport, col(MessageReport.id) == report_id, what="report")
        resolution_id = await write_remark(op, tx, note)
        report.resolve(outcome, resolver_id=me, resolution_id=resolution_id, at=op.now())
        tx.emit(MessageReportResolved(
            person_id=report.reporter_id, report_id=report.id, outcome=outcome, remark_id=resolution_id, at=op.now()
        ))  # fmt: skip
        if outcome is not ReportOutcome.DISMISSED:
            tx.emit(MessageModerated(
                person_id=report.author_id, room_id=report.room_id, outcome=outcome, remark_id=resolution_id,
                at=op.now(),
            ))  # fmt: skip
        if outcome is ReportOutcome.REMOVED:
            # The log may be in another store: the deletion is owed, and appended once.
            await schedule(tx, JOB, report.id, run_at=op.now(), at=op.now())
        return tx.done(report.id)


@outside_job(JOB)
async def remove_reported(op: Operation, report_id: UUID) -> None:
    """Delete a message as the platform."""
    rows = await op.db.fetch(_rows([report_id]))
    if not rows:
        return
    report, store = rows[0], op.services.chat.store
    message = await store.message(report.room_id, report.message_id)
    if message is None or message.deleted_at is not None:
        return
    draft = ChatDraft(
        room_id=report.room_id, id=op.new_id(), kind=ChatKind.DELETED, message_id=report.message_id,
        author_id=SYSTEM, client_id=MessageReport.REMOVAL.format(report.id), at=op.now(),
    )  # fmt: skip
    await store.append_fact(draft)
    op.services.chat.tell(report.room_id)


async def evidence_of(op: Operation, report_ids: Sequence[UUID]) -> dict[UUID, Content | Unreadable]:
    """What the messages said when they were reported; for administrators alone."""
    if not op.viewer.is_admin:
        return {}
    rows = await op.db.fetch(_rows(report_ids))
    kept = [row for row in rows if row.key_id is not None]
    places = [MessageReport.place_of(row.room_id, row.message_id, row.words_id) for row in kept]
    lost: dict[UUID, Content | Unreadable] = dict.fromkeys((row.id for row in rows), Unreadable.DESTROYED)
    return lost | await opened(op, kept, places)


def _rows(ids: Sequence[UUID]) -> sa.Select[tuple[object, ...]]:
    table = MessageReport.__table__  # type: ignore[attr-defined]
    return sa.select(table).where(col(MessageReport.id).in_(ids))
