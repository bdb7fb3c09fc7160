"""Erasing an account: what is personal goes, what others need stays without it.

What the person said is emptied; the words of their chat and snippets are under keys of their own, which are destroyed. Their
gigs and shares end, and their groups go on, by the ways these have. What stays is what others need for their own work: contracts with their gig's text, tasks, ratings, facts and the
audit log, none of which hold a name.
"""

import contextlib
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.access import PENDING
from models.administration import AdminAct, AdminActKind
from models.application import Application, ApplicationAnswer, WithdrawReason
from models.attachment import Attachment
from models.board import BoardAct, BoardText
from models.contract import LIVE, Contract
from models.feedback import Feedback
from models.gig import Gig, GigQuestion, SavedGig
from models.gig_workflow import GIG_WORKFLOW
from models.idempotency import IdempotencyKey
from models.invitation import GigInvitation, InvitationStatus
from models.kept_words import MessageDraft, MessageReport, ScheduledMessage
from models.notification import Notification, NotificationPreference
from models.pace import ChatPace
from models.person_status import PersonStatus
from models.profile import ClientProfile, FreelancerProfile, FreelancerSkill, Visibility
from models.recommendation import (
    HiddenClient,
    RecommendationDismissal,
    RecommendationList,
    RecommendationShown,
)
from models.remark import Remark
from models.room import ChatPreference, PersonBlock, PersonSeen, Room, RoomKind, RoomMember
from models.snippet import Snippet, SnippetVersion
from models.store.chat import StoreAway
from models.store.sql import M, Receipt, Transaction
from models.task import TaskComment
from models.thread import ThreadFollow
from models.user import ContractsActive, RefreshToken, Role, Session, User, WrongPassword
from resolvers.accounts import asking_to_come_again
from resolvers.administration import act_of, lock_accounts, note_standing, require_another_super_admin
from resolvers.jobs import job, schedule
from resolvers.operation import Operation
from resolvers.remarks import require_remark
from resolvers.rooms import leave_groups_for_good
from resolvers.snippet_shares import end_shares_for_good

Clause = sa.ColumnElement[bool]
ERASED_TITLE = "Erased gig"
ERASED_GROUP = "Erased group"
ERASED_SNIPPET = "Erased snippet"
ERASED_FILE = "Erased file"
FINISH = "finish_erasure"
FINISH_AFTER = timedelta(minutes=1)
"""When all of it is erased once more: whatever was being written as the account was erased has ended by then."""


async def erase_own_account(op: Operation, *, password: str) -> Receipt:
    """Leave for good."""
    user_id = op.viewer.require_user()
    stored = await op.db.fetch(sa.select(col(User.password_hash)).where(col(User.id) == user_id))
    with asking_to_come_again(op):
        if not await op.services.passwords.verify(stored[0][0] if stored else None, password):
            raise WrongPassword
    return await _erase(op, user_id, reason=None)


async def erase_account_of(op: Operation, user_id: UUID, *, reason: str) -> Receipt:
    """Erase somebody who asked for it another way. Only super admins."""
    op.viewer.require(Role.SUPER_ADMIN)
    return await _erase(op, user_id, reason=reason)


@job(FINISH)
async def finish_erasure(op: Operation, tx: Transaction, user_id: UUID) -> None:
    """Erase what came in at the very moment, and what a crash right after it has left. May be repeated."""
    await _leave(op, tx, user_id)
    await _erase_words(op, tx, user_id)
    await op.services.chat.keys.destroy(user_id)


async def _erase(op: Operation, user_id: UUID, *, reason: str | None) -> Receipt:
    async with op.transaction() as tx:
        user = await lock_accounts(op, tx, user_id)
        user.require_there()
        await require_another_super_admin(tx, user, at=op.now())
        await _close_business(op, tx, user_id)
        await _leave(op, tx, user_id)
        await _erase_words(op, tx, user_id)
        remark_id = None if reason is None else await require_remark(op, tx, reason, path="reason")
        tx.emit(user.erase(remark_id=remark_id, at=op.now()))
        tx.add(act_of(op, AdminActKind.ERASED, user, remark_id=remark_id))
        await schedule(tx, FINISH, user_id, run_at=op.now() + FINISH_AFTER, at=op.now())
        receipt = tx.done(user_id)
    note_standing(op, user)
    # At once, so that the answer means it; if the database is away just now, the job does it.
    with contextlib.suppress(StoreAway):
        await op.services.chat.keys.destroy(user_id)
    return receipt


async def _close_business(op: Operation, tx: Transaction, user_id: UUID) -> None:
    """End the person's gigs, bids and open invitations. Raises `ContractsActive`.

    Whoever hires holds the lock of the gig, so once these are locked no contract can come.
    """
    bids = sa.select(col(Application.gig_id)).where(
        col(Application.freelancer_id) == user_id, col(Application.status).in_(PENDING)
    )
    concerned = (col(Gig.client_id) == user_id) | col(Gig.id).in_(bids)
    gigs = await _locked(tx, Gig, concerned)
    live = sa.select(col(Contract.id)).where(
        (col(Contract.client_id) == user_id) | (col(Contract.freelancer_id) == user_id),
        col(Contract.status).in_(LIVE),
    )
    if found := (await tx.execute(live.order_by(col(Contract.id)))).scalars().all():
        raise ContractsActive(list(found), user_id=user_id)
    counted = {gig.id: gig for gig in gigs}
    for invitation in await _locked(
        tx,
        GigInvitation,
        col(GigInvitation.freelancer_id) == user_id,
        col(GigInvitation.status) == InvitationStatus.PENDING,
    ):
        tx.emit(invitation.decline(remark_id=None, at=op.now()))
    # A bid that comes for another gig just now waits with its client, who cannot accept it.
    for application in await _locked(
        tx,
        Application,
        col(Application.freelancer_id) == user_id,
        col(Application.status).in_(PENDING),
        col(Application.gig_id).in_(counted),
    ):
        tx.emit(application.withdraw(WithdrawReason.OTHER, remark_id=None, at=op.now()))
        counted[application.gig_id].application_count -= 1
    for gig in gigs:
        if gig.client_id == user_id:
            _close(op, tx, gig)


def _close(op: Operation, tx: Transaction, gig: Gig) -> None:
    """By the verb that leads to an end: with people who were hired once and are done, the gig is completed."""
    verbs = {transition.verb for transition in GIG_WORKFLOW.allowed(gig.status)}
    if gig.hired and "stop_hiring" in verbs:
        tx.emit(gig.stop_hiring(live_contracts=0, at=op.now()))
    elif not gig.hired and "cancel" in verbs:
        tx.emit(gig.cancel(remark_id=None, at=op.now()))


async def _leave(op: Operation, tx: Transaction, user_id: UUID) -> None:
    await leave_groups_for_good(op, tx, user_id)
    await end_shares_for_good(op, tx, user_id)


async def _locked(tx: Transaction, model: type[M], *where: Clause) -> Sequence[M]:
    key: sa.ColumnElement[UUID] = sa.inspect(model).primary_key[0]
    statement = sa.select(model).where(*where).order_by(key).with_for_update(key_share=True)
    return (await tx.execute(statement.execution_options(populate_existing=True))).scalars().all()


# -- what goes -----------------------------------------------------------------------------------------------------------


async def _erase_words(op: Operation, tx: Transaction, user_id: UUID) -> None:
    for statement in (*_emptied(user_id, op), *_deleted(user_id)):
        await tx.execute(statement.execution_options(synchronize_session=False))


def _emptied(user_id: UUID, op: Operation) -> Sequence[sa.Executable]:
    """Rows that stay, without what the person wrote in them."""
    own = sa.select(col(Gig.id)).where(
        col(Gig.client_id) == user_id, ~sa.exists().where(col(Contract.gig_id) == col(Gig.id))
    )
    has_words = (col(Gig.title) != ERASED_TITLE) | (col(Gig.description) != "")
    said = sa.select(col(TaskComment.id)).where(col(TaskComment.author_id) == user_id)
    bids = sa.select(col(Application.id)).where(col(Application.freelancer_id) == user_id)
    # Why the person was suspended may say who they are. Why they suspended others is not about them.
    about = sa.select(col(AdminAct.remark_id)).where(
        col(AdminAct.account_id) == user_id,
        col(AdminAct.kind) != AdminActKind.ERASED,
        col(AdminAct.remark_id).is_not(None),
    )
    in_office = sa.select(col(AdminAct.remark_id)).where(
        col(AdminAct.account_id) != user_id, col(AdminAct.remark_id).is_not(None)
    )
    # Neither is why messages of others were removed; why theirs were is.
    resolved = sa.select(col(MessageReport.resolution_id)).where(
        col(MessageReport.author_id) != user_id, col(MessageReport.resolution_id).is_not(None)
    )
    accused = [
        sa.select(column).where(col(MessageReport.author_id) == user_id, column.is_not(None))
        for column in (col(MessageReport.remark_id), col(MessageReport.resolution_id))
    ]
    private_remark = (col(Remark.author_id) == user_id) & col(Remark.id).not_in(
        sa.union_all(in_office, resolved)
    )
    in_rooms = col(Attachment.room_id).is_not(None)
    about_them = col(Remark.id).in_(sa.union_all(about, *accused))
    return (
        sa.update(Gig)
        .where(col(Gig.id).in_(own), has_words)
        .values(title=ERASED_TITLE, description="", import_key=None, version=col(Gig.version) + 1),
        sa.update(GigQuestion).where(col(GigQuestion.gig_id).in_(own)).values(prompt=""),
        _FORGET_WORDS.bindparams(user_id=user_id),
        sa.update(Application).where(col(Application.id).in_(bids)).values(cover_letter=""),
        sa.update(ApplicationAnswer)
        .where(col(ApplicationAnswer.application_id).in_(bids))
        .values(body=""),
        sa.update(Feedback).where(col(Feedback.author_id) == user_id).values(comment=""),
        sa.update(Feedback)
        .where(col(Feedback.subject_id) == user_id, col(Feedback.reply).is_not(None))
        .values(reply=""),
        sa.update(BoardText).where(col(BoardText.subject_id).in_(said)).values(body=""),
        sa.update(TaskComment)
        .where(col(TaskComment.author_id) == user_id)
        .values(body="", deleted_at=sa.func.coalesce(col(TaskComment.deleted_at), op.now())),
        sa.update(Remark).where(private_remark | about_them).values(body=""),
        # Evidence is sealed under a key of the platform's, so it is taken out.
        sa.update(MessageReport)
        .where(col(MessageReport.author_id) == user_id)
        .values(key_id=None, nonce=None, sealed=None, words_id=None),
        sa.update(FreelancerProfile).where(col(FreelancerProfile.user_id) == user_id).values(
            headline="", overview="", rate_minor=None, rate_currency=None, hours_per_week=None, available_from=None,
            time_zone=None, country=None, languages=[], visibility=Visibility.PRIVATE,
        ),
        _emptied_groups(user_id),
        sa.update(RoomMember)
        .where(col(RoomMember.user_id) == user_id)
        .values(dict.fromkeys(RoomMember.PREFERENCES, False)),
        sa.update(Snippet)
        .where(col(Snippet.owner_id) == user_id, col(Snippet.title) != ERASED_SNIPPET)
        .values(title=ERASED_SNIPPET, version=col(Snippet.version) + 1),
        sa.update(SnippetVersion).where(col(SnippetVersion.author_id) == user_id).values(message=None),
        # What hangs on a task stays there; what was taken from one is not to come back, and its bytes go. What hangs on
        # messages goes with their words.
        sa.update(Attachment)
        .where(col(Attachment.uploader_id) == user_id)
        .values(
            name=ERASED_FILE,
            removed_at=sa.case((in_rooms, sa.func.coalesce(col(Attachment.removed_at), op.now())),
                               else_=col(Attachment.removed_at)),
            gone_at=sa.case((in_rooms | col(Attachment.removed_at).is_not(None),
                             sa.func.coalesce(col(Attachment.gone_at), op.now())),
                            else_=col(Attachment.gone_at)),
            promised_to=None,
        ),
        sa.update(ClientProfile)
        .where(col(ClientProfile.user_id) == user_id)
        .values(company="", about="", country=None, visibility=Visibility.PRIVATE),
    )  # fmt: skip


def _emptied_groups(user_id: UUID) -> sa.Executable:
    """Groups that the person was the last one in; titles of others stay."""
    member = sa.exists().where(col(RoomMember.room_id) == col(Room.id))
    return (
        sa.update(Room)
        .where(
            col(Room.kind) == RoomKind.GROUP,
            col(Room.title) != ERASED_GROUP,
            member.where(col(RoomMember.user_id) == user_id),
            ~member.where(col(RoomMember.left_at).is_(None)),
        )
        .values(title=ERASED_GROUP, version=col(Room.version) + 1)
    )


def _deleted(user_id: UUID) -> Sequence[sa.Executable]:
    """Rows that are nobody else's."""
    sessions = sa.select(col(Session.id)).where(col(Session.user_id) == user_id)
    lists = sa.select(col(RecommendationList.id)).where(col(RecommendationList.user_id) == user_id)
    return (
        sa.delete(RefreshToken).where(col(RefreshToken.session_id).in_(sessions)),
        sa.delete(Session).where(col(Session.user_id) == user_id),
        sa.delete(SavedGig).where(col(SavedGig.user_id) == user_id),
        sa.delete(FreelancerSkill).where(col(FreelancerSkill.freelancer_id) == user_id),
        sa.delete(Notification).where(col(Notification.user_id) == user_id),
        sa.delete(NotificationPreference).where(col(NotificationPreference.user_id) == user_id),
        # Their job finds nothing to send then.
        sa.delete(MessageDraft).where(col(MessageDraft.author_id) == user_id),
        sa.delete(ScheduledMessage).where(col(ScheduledMessage.author_id) == user_id),
        sa.delete(ChatPace).where(col(ChatPace.user_id) == user_id),
        sa.delete(ChatPreference).where(col(ChatPreference.user_id) == user_id),
        sa.delete(ThreadFollow).where(col(ThreadFollow.user_id) == user_id),
        sa.delete(PersonSeen).where(col(PersonSeen.user_id) == user_id),
        sa.delete(PersonStatus).where(col(PersonStatus.user_id) == user_id),
        # Whom others have blocked is theirs to know.
        sa.delete(PersonBlock).where(col(PersonBlock.blocker_id) == user_id),
        # Uploads that hang on nothing. Their bytes go with the next round of `delete_loose_files`.
        sa.delete(Attachment).where(
            col(Attachment.uploader_id) == user_id, col(Attachment.subject_id).is_(None)
        ),
        sa.delete(RecommendationShown).where(col(RecommendationShown.list_id).in_(lists)),
        sa.delete(RecommendationList).where(col(RecommendationList.user_id) == user_id),
        # Nobody who is gone is recommended, so what others wanted of that is over, too.
        sa.delete(RecommendationDismissal).where(
            (col(RecommendationDismissal.user_id) == user_id)
            | (col(RecommendationDismissal.freelancer_id) == user_id)
        ),
        sa.delete(HiddenClient).where(
            (col(HiddenClient.user_id) == user_id) | (col(HiddenClient.client_id) == user_id)
        ),
        # What it takes to undo: former words.
        sa.delete(BoardAct).where(col(BoardAct.actor_id) == user_id),
        # Their texts are of the person's choice. That of this very act, too: nobody is left who could repeat it.
        sa.delete(IdempotencyKey).where(col(IdempotencyKey.actor_id) == user_id),
    )


# The words of emptied gigs, but for those that other gigs use: these remember them from now on.
_FORGET_WORDS = sa.text("""
    with gone as (
        delete from gig_word w using gig g
        where g.id = w.gig_id and g.client_id = :user_id and not g.search @@ cast(quote_literal(w.word) as tsquery)
        returning w.word
    )
    insert into gig_word (gig_id, word)
    select other.id, gone.word from gone
    cross join lateral (
        select id from gig where search @@ cast(quote_literal(gone.word) as tsquery) limit 1
    ) as other
    on conflict do nothing
""")
