"""Scopes: which rows a viewer may see, as SQL conditions. They are part of every path to a row, root or nested.

Deny by default: a scope names who may see, and nothing else is seen. Scopes use columns of the row itself wherever they
can, so that they cost no join.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, aliased
from sqlmodel import col

from auth.viewer import Viewer
from models.application import Application, ApplicationAnswer, ApplicationStatus
from models.attachment import Attachment
from models.board import Board, BoardText
from models.contract import LIVE, Contract, ContractStatus
from models.event import Audience
from models.feedback import Feedback
from models.gig import Gig, GigQuestion, GigVisibility, SavedGig
from models.gig_workflow import HIDDEN, GigStatus
from models.invitation import GigInvitation, InvitationStatus
from models.kept_words import MessageDraft, MessageReport, ScheduledMessage
from models.notification import Notification
from models.profile import ClientProfile, FreelancerProfile, Visibility
from models.room import ChatPreference, PersonBlock, Room, RoomMember, RoomProgress
from models.snippet import (
    Snippet,
    SnippetComment,
    SnippetShare,
    SnippetText,
    SnippetVersion,
    SubmittedSnippet,
)
from models.stream import Fact
from models.task import TaskComment, TaskReaction
from models.user import Session, User, UserStatus

Clause = sa.ColumnElement[bool]
T = TypeVar("T")
EVERYTHING: Clause = sa.true()
NOTHING: Clause = sa.false()

MOST_FOLLOWED = 60
"""Gigs that one follows at once: a place in so many streams, and in those of rooms, fits into 4 KB."""
MOST_ROOMS = 80
"""Rooms that one follows at once."""
PENDING = (ApplicationStatus.SUBMITTED, ApplicationStatus.VIEWED, ApplicationStatus.SHORTLISTED)
_SHOWN = [status for status in GigStatus if status not in HIDDEN]


def visible_gigs(viewer: Viewer) -> Clause:
    """Public gigs that have been out, unless their client is suspended; one's own; those one is invited to or has applied to;
    administrators see all."""
    if viewer.is_admin:
        return EVERYTHING
    shown = col(Gig.status).in_(_SHOWN) & col(Gig.published_at).is_not(None)
    public = shown & (col(Gig.visibility) == GigVisibility.PUBLIC) & ~col(Gig.is_withheld)
    if viewer.user_id is None:
        return public
    return public | (col(Gig.client_id) == viewer.user_id) | (shown & _has_a_part_in(viewer.user_id))


def _of_the_active(user_id: Mapped[UUID]) -> Clause:
    """Rows of people who are not suspended. Those who are stand in an index of few entries, which is read once."""
    shut = aliased(User)
    suspended = sa.select(col(shut.id)).where(col(shut.status) == UserStatus.SUSPENDED)
    return user_id.not_in(suspended)


def _has_a_part_in(user_id: UUID) -> Clause:
    # Arrays, which are made once, not EXISTS or IN: the planner would price those for every gig it looks at, and read all
    # gigs that are open rather than the 900 with a skill.
    invited = sa.select(col(GigInvitation.gig_id)).where(col(GigInvitation.freelancer_id) == user_id)
    applied = sa.select(col(Application.gig_id)).where(col(Application.freelancer_id) == user_id)
    # Public ones, too: their client may be suspended, which does not end the business one has with them.
    return _in_array(col(Gig.id), invited) | _in_array(col(Gig.id), applied)


def _in_array(column: Mapped[UUID], ids: sa.Select[UUID]) -> Clause:
    return column == sa.any_(sa.func.array(ids.scalar_subquery()))


def visible_questions(viewer: Viewer) -> Clause:
    """Whoever may see the gig: an id of a question must not open a draft."""
    if viewer.is_admin:
        return EVERYTHING
    return sa.exists().where(col(Gig.id) == col(GigQuestion.gig_id), visible_gigs(viewer))


def taking_part(viewer: Viewer) -> Clause:
    """Of `Gig`: those that are not over and that one posted, works on, has a bid for, or is invited to."""
    if viewer.user_id is None:
        return NOTHING
    me = viewer.user_id
    bids = sa.select(col(Application.gig_id)).where(
        col(Application.freelancer_id) == me, col(Application.status).in_(PENDING)
    )
    work = sa.select(col(Contract.gig_id)).where(
        col(Contract.freelancer_id) == me, col(Contract.status).in_(LIVE)
    )
    invitations = sa.select(col(GigInvitation.gig_id)).where(
        col(GigInvitation.freelancer_id) == me, col(GigInvitation.status) != InvitationStatus.DECLINED
    )
    # `me` may be a column of whatever statement this stands in.
    bids, work = bids.correlate_except(Application), work.correlate_except(Contract)
    invitations = invitations.correlate_except(GigInvitation)
    is_over = col(Gig.status).in_([GigStatus.REJECTED, GigStatus.COMPLETED, GigStatus.CANCELLED])
    parts = [_in_array(col(Gig.id), ids) for ids in (bids, work, invitations)]
    return ~is_over & sa.or_(col(Gig.client_id) == me, *parts)


def followed_gigs(viewer: Viewer, column: sa.SQLColumnExpression[T]) -> sa.Select[T]:
    """This column of the gigs that one follows with all that concerns one: of those one takes part in, the newest first."""
    newest = (col(Gig.created_at).desc(), col(Gig.id).desc())
    return sa.select(column).where(taking_part(viewer)).order_by(*newest).limit(MOST_FOLLOWED)


def followed_rooms(viewer: Viewer, *columns: sa.SQLColumnExpression[Any]) -> sa.Select[Any]:
    """These columns of the rooms that one follows with all that concerns one, and of how one has them: those that one did not
    mute, where something was said last first."""
    said_at = sa.func.coalesce(col(RoomProgress.said_at), col(Room.created_at))
    return (
        sa.select(*columns)
        .select_from(RoomMember)
        .join(Room, col(Room.id) == col(RoomMember.room_id))
        .outerjoin(RoomProgress, col(RoomProgress.room_id) == col(RoomMember.room_id))
        .where(
            col(RoomMember.user_id) == viewer.user_id,
            col(RoomMember.left_at).is_(None),
            col(RoomMember.is_muted).is_(False),
        )
        .order_by(said_at.desc(), col(Room.id).desc())
        .limit(MOST_ROOMS)
    )


def visible_applications(viewer: Viewer) -> Clause:
    """The applicant, the owner of the gig, administrators."""
    return _between(viewer, col(Application.client_id), col(Application.freelancer_id))


def visible_answers(viewer: Viewer) -> Clause:
    if viewer.is_admin:
        return EVERYTHING
    application = sa.exists().where(
        col(Application.id) == col(ApplicationAnswer.application_id), visible_applications(viewer)
    )
    return application if viewer.user_id is not None else NOTHING


def visible_contracts(viewer: Viewer) -> Clause:
    return _between(viewer, col(Contract.client_id), col(Contract.freelancer_id))


def visible_boards(viewer: Viewer) -> Clause:
    """The client of the gig, those who work for it or did so to the end, administrators."""
    if viewer.is_admin:
        return EVERYTHING
    if viewer.user_id is None:
        return NOTHING
    hired = sa.select(col(Contract.gig_id)).where(
        col(Contract.freelancer_id) == viewer.user_id, col(Contract.status) != ContractStatus.ENDED
    )
    return (col(Board.client_id) == viewer.user_id) | _in_array(
        col(Board.gig_id), hired.correlate_except(Contract)
    )


WITHIN: dict[Callable[[Viewer], Clause], Callable[[Viewer], Clause]] = {}
"""Scopes of things that belong to a subject for ever, by the scope of the subject: who sees that sees them."""


def on_visible_boards(board_id: Mapped[UUID]) -> Callable[[Viewer], Clause]:
    """A scope for rows of a table that belong to the board in this column."""

    def scope(viewer: Viewer) -> Clause:
        if viewer.is_admin:
            return EVERYTHING
        if viewer.user_id is None:
            return NOTHING
        boards = sa.select(col(Board.id)).where(visible_boards(viewer)).correlate_except(Board)
        return _in_array(board_id, boards)

    WITHIN[scope] = visible_boards
    return scope


_on_tasks = on_visible_boards(col(Attachment.board_id))  # type: ignore[arg-type]  # null: on no task


def visible_attachments(viewer: Viewer) -> Clause:
    """Files on what one sees: on tasks of boards, and on messages in rooms of one's own, but for those that were taken away
    there. Administrators see those of boards."""
    # Not by OR with those of boards for administrators, who see everything there.
    in_a_room = col(Attachment.room_id).is_not(None)
    of_tasks = _on_tasks(viewer) & ~in_a_room
    if viewer.is_platform:
        return of_tasks | (in_a_room & col(Attachment.removed_at).is_(None))
    if viewer.user_id is None:
        return NOTHING
    here = col(Attachment.removed_at).is_(None) & _belongs(viewer, col(Attachment.room_id))  # type: ignore[arg-type]
    return of_tasks | (in_a_room & here)


# Those that are reached from a board hang on its tasks.
WITHIN[visible_attachments] = visible_boards


def visible_board_texts(viewer: Viewer) -> Clause:
    """Older words of a board, but not of a comment that was taken away."""
    gone = sa.exists().where(
        col(TaskComment.id) == col(BoardText.subject_id), col(TaskComment.deleted_at).is_not(None)
    )
    return on_visible_boards(col(BoardText.board_id))(viewer) & ~gone


def visible_reactions(viewer: Viewer) -> Clause:
    """Of the comments that one sees."""
    if viewer.is_admin:
        return EVERYTHING
    seen = on_visible_boards(col(TaskComment.board_id))(viewer)
    return sa.exists().where(col(TaskComment.id) == col(TaskReaction.comment_id), seen)


def own_uploads(viewer: Viewer) -> Clause:
    """Of `Attachment`: files that one uploaded and hung on nothing yet."""
    return _is(viewer, col(Attachment.uploader_id)) & col(Attachment.subject_id).is_(None)


def visible_snippets(viewer: Viewer) -> Clause:
    """The owner, the two sides of each contract that it is shared with, and the members of each such room. Administrators see no
    more than others: what is written is as secret as messages."""
    if viewer.user_id is None:
        return NOTHING
    # Two arrays rather than one OR, so that each is found by its own index.
    shared = [
        sa.select(col(SnippetShare.snippet_id)).where(those, col(SnippetShare.ended_at).is_(None))
        for those in (
            col(SnippetShare.contract_id).in_(_contracts_of(viewer)),
            col(SnippetShare.room_id).in_(rooms_of(viewer)),
        )
    ]
    seen = [_in_array(col(Snippet.id), snippets.correlate_except(SnippetShare)) for snippets in shared]
    return sa.or_(col(Snippet.owner_id) == viewer.user_id, *seen)


def _contracts_of(viewer: Viewer) -> sa.Select[UUID]:
    """Those that the viewer is a side of, in whatever status."""
    me = viewer.user_id
    sides = (col(Contract.client_id) == me) | (col(Contract.freelancer_id) == me)
    return sa.select(col(Contract.id)).where(sides).correlate_except(Contract)


def rooms_of(viewer: Viewer) -> sa.Select[UUID]:
    """Those that the viewer is a member of now."""
    mine = (col(RoomMember.user_id) == viewer.user_id) & col(RoomMember.left_at).is_(None)
    return sa.select(col(RoomMember.room_id)).where(mine).correlate_except(RoomMember)


def on_visible_snippets(snippet_id: Mapped[UUID]) -> Callable[[Viewer], Clause]:
    """A scope for rows of a table that belong to the snippet in this column."""

    def scope(viewer: Viewer) -> Clause:
        if viewer.user_id is None:
            return NOTHING
        seen = sa.exists().where(col(Snippet.id) == snippet_id, visible_snippets(viewer))
        return seen.correlate_except(Snippet)

    return scope


def visible_snippet_versions(viewer: Viewer) -> Clause:
    """With their snippet; what was submitted with work, both sides of the contract see for ever."""
    if viewer.user_id is None:
        return NOTHING
    submitted = sa.select(col(SubmittedSnippet.version_id)).where(
        col(SubmittedSnippet.contract_id).in_(_contracts_of(viewer))
    )
    return on_visible_snippets(col(SnippetVersion.snippet_id))(viewer) | _in_array(
        col(SnippetVersion.id), submitted.correlate_except(SubmittedSnippet)
    )


def visible_snippet_texts(viewer: Viewer) -> Clause:
    """Wordings of comments, but not of one that was taken away. The code is read by its version."""
    spoken = sa.exists().where(
        col(SnippetComment.id) == col(SnippetText.subject_id), col(SnippetComment.deleted_at).is_(None)
    )
    return on_visible_snippets(col(SnippetText.snippet_id))(viewer) & spoken.correlate_except(SnippetComment)


def visible_snippet_shares(viewer: Viewer) -> Clause:
    """The owner of the snippet sees all, the sides of a contract those with it, the members of a room those with that."""
    if viewer.user_id is None:
        return NOTHING
    own = sa.exists().where(
        col(Snippet.id) == col(SnippetShare.snippet_id), col(Snippet.owner_id) == viewer.user_id
    )
    with_contracts = col(SnippetShare.contract_id).in_(_contracts_of(viewer))
    return own.correlate_except(Snippet) | with_contracts | col(SnippetShare.room_id).in_(rooms_of(viewer))


def visible_submissions(viewer: Viewer) -> Clause:
    """Of `SubmittedSnippet`: whoever sees the contract."""
    if viewer.is_admin:
        return EVERYTHING
    if viewer.user_id is None:
        return NOTHING
    return col(SubmittedSnippet.contract_id).in_(_contracts_of(viewer))


def visible_people(viewer: Viewer) -> Clause:
    """Of `User`: whoever shares a board with one, or a room of chat, or did so while one was in it."""
    if viewer.is_admin:
        return EVERYTHING
    if viewer.user_id is None:
        return NOTHING
    mine = visible_boards(viewer)
    clients = sa.select(col(Board.client_id)).where(mine)
    hired = sa.select(col(Contract.freelancer_id)).where(
        col(Contract.gig_id).in_(sa.select(col(Board.gig_id)).where(mine)),
        col(Contract.status) != ContractStatus.ENDED,
    )
    others = sa.union_all(clients, hired).subquery()
    return (
        _is(viewer, col(User.id)) | _in_array(col(User.id), sa.select(others.c[0])) | _shares_a_room(viewer)
    )


def _shares_a_room(viewer: Viewer) -> Clause:
    """Of `User`: whoever is in a room of one's own, or was, so that what they wrote there has a name."""
    mine: Any = aliased(RoomMember)
    theirs: Any = aliased(RoomMember)
    return sa.exists().where(
        mine.user_id == viewer.user_id,
        mine.left_at.is_(None),
        theirs.room_id == mine.room_id,
        theirs.user_id == col(User.id),
    )


def visible_presence(viewer: Viewer) -> Clause:
    """Of `User`: whether they are there, which those see who share a room with them now, unless one of the two has blocked the
    other, or they do not show it. Administrators have no other eyes."""
    if viewer.user_id is None:
        return NOTHING
    return _is(viewer, col(User.id)) | (_is_company(viewer) & ~hides_presence(col(User.id)))


def visible_status(viewer: Viewer) -> Clause:
    """Of `User`: what they say about themselves. Like `visible_presence`, but they wrote it to be read."""
    if viewer.user_id is None:
        return NOTHING
    return _is(viewer, col(User.id)) | _is_company(viewer)


def _is_company(viewer: Viewer) -> Clause:
    """Of `User`: whoever shares a room with one now, and neither has blocked the other."""
    mine: Any = aliased(RoomMember)
    theirs: Any = aliased(RoomMember)
    shares = sa.exists().where(
        mine.user_id == viewer.user_id,
        mine.left_at.is_(None),
        theirs.room_id == mine.room_id,
        theirs.user_id == col(User.id),
        theirs.left_at.is_(None),
    )
    is_active = col(User.status) == UserStatus.ACTIVE
    return is_active & shares & ~is_blocked_between(viewer.user_id, col(User.id))


def hides_presence(user_id: Any) -> Clause:
    return sa.exists().where(
        col(ChatPreference.user_id) == user_id, col(ChatPreference.shows_presence).is_(False)
    )


def is_blocked_between(one: Any, other: Any) -> Clause:
    """Whether one of two people has blocked the other."""
    blocker, blocked = col(PersonBlock.blocker_id), col(PersonBlock.blocked_id)
    return sa.exists().where(
        ((blocker == one) & (blocked == other)) | ((blocker == other) & (blocked == one))
    )


def visible_rooms(viewer: Viewer) -> Clause:
    """Members alone, for as long as they are: what people write to each other is not an administrator's business."""
    if viewer.is_platform:
        return EVERYTHING
    if viewer.user_id is None:
        return NOTHING
    return _belongs(viewer, col(Room.id))


def _belongs(viewer: Viewer, room_id: Mapped[UUID]) -> Clause:
    mine: Any = aliased(RoomMember)
    return sa.exists().where(mine.room_id == room_id, mine.user_id == viewer.user_id, mine.left_at.is_(None))


def visible_room_members(viewer: Viewer) -> Clause:
    """Whoever is in a room of one's own."""
    if viewer.is_platform:
        return EVERYTHING
    return NOTHING if viewer.user_id is None else _belongs(viewer, col(RoomMember.room_id))


WITHIN[visible_room_members] = visible_rooms


def visible_blocks(viewer: Viewer) -> Clause:
    """Whom one blocks oneself; nobody learns by whom they are blocked."""
    return _is(viewer, col(PersonBlock.blocker_id))


def visible_drafts(viewer: Viewer) -> Clause:
    """One's own, whatever became of the room; nobody else's, for administrators neither."""
    return _is(viewer, col(MessageDraft.author_id))


def visible_scheduled(viewer: Viewer) -> Clause:
    """One's own; nobody else's, for administrators neither."""
    return _is(viewer, col(ScheduledMessage.author_id))


def visible_reports(viewer: Viewer) -> Clause:
    """Administrators see all, the reporter their own."""
    return EVERYTHING if viewer.is_admin else _is(viewer, col(MessageReport.reporter_id))


def visible_invitations(viewer: Viewer) -> Clause:
    return _between(viewer, col(GigInvitation.client_id), col(GigInvitation.freelancer_id))


def visible_feedback(viewer: Viewer) -> Clause:
    """Revealed feedback is public; a hidden one is its author's alone, not even an administrator's."""
    revealed = col(Feedback.revealed_at).is_not(None)
    return revealed if viewer.user_id is None else revealed | (col(Feedback.author_id) == viewer.user_id)


def visible_freelancers(viewer: Viewer) -> Clause:
    """By the profile's visibility; those one has business with are always visible."""
    profile = FreelancerProfile
    business = sa.exists().where(
        col(Application.freelancer_id) == col(profile.user_id), col(Application.client_id) == viewer.user_id
    ) | sa.exists().where(
        col(GigInvitation.freelancer_id) == col(profile.user_id),
        col(GigInvitation.client_id) == viewer.user_id,
    )
    return _visible_profile(viewer, col(profile.visibility), col(profile.user_id), business)


def visible_clients(viewer: Viewer) -> Clause:
    """By the profile's visibility; those one has business with are always visible."""
    profile = ClientProfile
    business = sa.exists().where(
        col(Application.client_id) == col(profile.user_id), col(Application.freelancer_id) == viewer.user_id
    ) | sa.exists().where(
        col(GigInvitation.client_id) == col(profile.user_id),
        col(GigInvitation.freelancer_id) == viewer.user_id,
    )
    return _visible_profile(viewer, col(profile.visibility), col(profile.user_id), business)


def visible_names(viewer: Viewer) -> Clause:
    """Of `User`: whoever may see one of a person's profiles may know the name behind an act."""
    if viewer.is_admin:
        return EVERYTHING
    freelancer = sa.exists().where(
        col(FreelancerProfile.user_id) == col(User.id), visible_freelancers(viewer)
    )
    client = sa.exists().where(col(ClientProfile.user_id) == col(User.id), visible_clients(viewer))
    return freelancer | client | _is(viewer, col(User.id))


def visible_users(viewer: Viewer) -> Clause:
    """The account itself is the person's own; administrators see it."""
    return EVERYTHING if viewer.is_admin else _is(viewer, col(User.id))


def visible_sessions(viewer: Viewer) -> Clause:
    return _is(viewer, col(Session.user_id))


def visible_saved_gigs(viewer: Viewer) -> Clause:
    return _is(viewer, col(SavedGig.user_id))


def visible_notifications(viewer: Viewer) -> Clause:
    """One's own, for administrators too."""
    return _is(viewer, col(Notification.user_id))


def visible_jobs(viewer: Viewer) -> Clause:
    return EVERYTHING if viewer.is_admin else NOTHING


def visible_admin_acts(viewer: Viewer) -> Clause:
    """The audit log: administrators read all of it."""
    return EVERYTHING if viewer.is_admin else NOTHING


def everybody(_: Viewer) -> Clause:
    return EVERYTHING


def visible_facts(viewer: Viewer) -> Clause:
    """Each fact only by its audience; the subject's own scope applies beside this one."""
    if viewer.is_admin:
        return EVERYTHING
    audience = col(Fact.audience)
    public = audience == Audience.PUBLIC
    if viewer.user_id is None:
        return public
    owner = audience.in_([Audience.OWNER, Audience.CONCERNED]) & (col(Fact.owner_id) == viewer.user_id)
    person = audience.in_([Audience.CONCERNED, Audience.SUBJECT]) & (col(Fact.person_id) == viewer.user_id)
    return public | owner | person


class Told(Protocol):
    """A fact, as far as its audience goes."""

    @property
    def audience(self) -> Audience: ...
    @property
    def owner_id(self) -> UUID | None: ...
    @property
    def person_id(self) -> UUID | None: ...


def sees_fact(viewer: Viewer, fact: Told) -> bool:
    """`visible_facts` for a fact that was read already, for many viewers."""
    if viewer.is_admin or fact.audience is Audience.PUBLIC:
        return True
    if viewer.user_id is None:
        return False
    is_owner = fact.audience in {Audience.OWNER, Audience.CONCERNED} and fact.owner_id == viewer.user_id
    is_person = fact.audience in {Audience.CONCERNED, Audience.SUBJECT} and fact.person_id == viewer.user_id
    return is_owner or is_person


def _is(viewer: Viewer, column: Mapped[UUID]) -> Clause:
    return NOTHING if viewer.user_id is None else column == viewer.user_id


def _between(viewer: Viewer, *columns: Mapped[UUID]) -> Clause:
    if viewer.is_admin:
        return EVERYTHING
    return NOTHING if viewer.user_id is None else sa.or_(*(column == viewer.user_id for column in columns))


def _visible_profile(
    viewer: Viewer, visibility: Mapped[Visibility], owner: Mapped[UUID], business: Clause
) -> Clause:
    if viewer.is_admin:
        return EVERYTHING
    if viewer.user_id is None:
        return (visibility == Visibility.PUBLIC) & _of_the_active(owner)
    shown = visibility.in_([Visibility.PUBLIC, Visibility.MEMBERS]) & _of_the_active(owner)
    return shown | (owner == viewer.user_id) | business
