"""What a viewer can do to a thing now, and why not: computed from the same workflow tables as the rules.

Each function answers every action with None (it can be done) or the reason why it cannot.
"""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from auth.viewer import Viewer
from models.application import APPLICATION_WORKFLOW, ApplicationStatus
from models.contract import CONTRACT_WORKFLOW, ContractStatus
from models.gig_workflow import EDITABLE, GIG_WORKFLOW, GigStatus
from models.room import MODERATING, RoomKind, RoomRole
from models.user import Role
from models.vocabulary import Vocabulary
from models.workflow import Workflow


class GigAction(Vocabulary):
    """What can be done to a gig."""

    EDIT = "EDIT", "`gigEdit`"
    PUBLISH = "PUBLISH", "`gigPublish`"
    PAUSE = "PAUSE", "`gigPause`"
    RESUME = "RESUME", "`gigResume`"
    REOPEN = "REOPEN", "`gigReopen`"
    STOP_HIRING = "STOP_HIRING", "`gigStopHiring`"
    CANCEL = "CANCEL", "`gigCancel`"
    DUPLICATE = "DUPLICATE", "`gigDuplicate`"
    INVITE = "INVITE", "`gigInvite`"
    APPROVE = "APPROVE", "`gigApprove`"
    REJECT = "REJECT", "`gigReject`"
    REQUEST_CHANGES = "REQUEST_CHANGES", "`gigRequestChanges`"
    APPLY = "APPLY", "`applicationSubmit`"
    SAVE = "SAVE", "`gigSave`"


class ApplicationAction(Vocabulary):
    """What can be done to an application."""

    EDIT = "EDIT", "`applicationEdit`"
    WITHDRAW = "WITHDRAW", "`applicationWithdraw`"
    MARK_VIEWED = "MARK_VIEWED", "`applicationMarkViewed`"
    SHORTLIST = "SHORTLIST", "`applicationShortlist`"
    UNSHORTLIST = "UNSHORTLIST", "`applicationUnshortlist`"
    DECLINE = "DECLINE", "`applicationDecline`"
    ACCEPT = "ACCEPT", "`applicationAccept`"


class ContractAction(Vocabulary):
    """What can be done to a contract."""

    REPORT_PROGRESS = "REPORT_PROGRESS", "`contractReportProgress`"
    SUBMIT_WORK = "SUBMIT_WORK", "`contractSubmitWork`"
    REQUEST_CHANGES = "REQUEST_CHANGES", "`contractRequestChanges`"
    APPROVE = "APPROVE", "`contractApprove`"
    PAUSE = "PAUSE", "`contractPause`"
    RESUME = "RESUME", "`contractResume`"
    END = "END", "`contractEnd`"


class BoardAction(Vocabulary):
    """What can be done to a board."""

    EDIT = "EDIT", "`boardEdit`"
    ADD_COLUMN = "ADD_COLUMN", "`columnAdd`"
    ADD_LABEL = "ADD_LABEL", "`labelAdd`"
    ADD_TASK = "ADD_TASK", "`taskCreate`"


class RoomAction(Vocabulary):
    """What can be done in a room."""

    WRITE = "WRITE", "`messageSend`"
    REACT = "REACT", "`messageReact`"
    PIN = "PIN", "`messagePin`"
    DELETE_OF_OTHERS = "DELETE_OF_OTHERS", "`messageDelete` for what others wrote"
    EDIT = "EDIT", "`roomEdit`"
    ARCHIVE = "ARCHIVE", "`roomArchive`"
    ADD_MEMBERS = "ADD_MEMBERS", "`roomMembersAdd`"
    REMOVE_MEMBERS = "REMOVE_MEMBERS", "`roomMemberRemove`"
    SET_ROLES = "SET_ROLES", "`roomMemberSetRole`"
    LEAVE = "LEAVE", "`roomLeave`"


class SnippetAction(Vocabulary):
    """What can be done to a snippet."""

    REVISE = "REVISE", "`snippetRevise`"
    RENAME = "RENAME", "`snippetRename`"
    ARCHIVE = "ARCHIVE", "`snippetArchive`"
    RESTORE = "RESTORE", "`snippetRestore`"
    SHARE = "SHARE", "`snippetShareWithContract`, `snippetShareWithRoom`, `snippetShareByLink`"
    COMMENT = "COMMENT", "`snippetCommentAdd`"


A = TypeVar("A", bound=Vocabulary)
_ADMIN_ACTIONS = frozenset({GigAction.APPROVE, GigAction.REJECT, GigAction.REQUEST_CHANGES})


def on_gig(
    viewer: Viewer, client_id: UUID, status: GigStatus, hired: int, wanted: int
) -> dict[GigAction, str | None]:
    is_owner = viewer.user_id == client_id and viewer.user_id is not None
    return {action: _why_not_gig(action, viewer, is_owner, status, hired, wanted) for action in GigAction}


def _why_not_gig(
    action: GigAction, viewer: Viewer, is_owner: bool, status: GigStatus, hired: int, wanted: int
) -> str | None:
    if viewer.user_id is None:
        return "Sign in first."
    if action is GigAction.SAVE:
        return None
    if action is GigAction.APPLY:
        return _why_not_apply(viewer, is_owner, status)
    if action in _ADMIN_ACTIONS:
        return (
            _why_not_step(GIG_WORKFLOW, action, status) if viewer.is_admin else "Only an administrator can."
        )
    if not is_owner:
        return "Only the client who posted the gig can."
    if action is GigAction.DUPLICATE:
        return None
    if action is GigAction.INVITE:
        return None if status is GigStatus.OPEN else f"The gig is {status}, not OPEN."
    if action is GigAction.EDIT:
        return None if status in EDITABLE else f"The gig is {status}."
    if action is GigAction.CANCEL and hired:
        return "Somebody is hired; end the contracts first."
    if action is GigAction.STOP_HIRING and not hired:
        return "Nobody is hired yet."
    if action is GigAction.REOPEN and hired >= wanted:
        return "All places are taken."
    return _why_not_step(GIG_WORKFLOW, action, status)


def _why_not_apply(viewer: Viewer, is_owner: bool, status: GigStatus) -> str | None:
    if Role.FREELANCER not in viewer.roles:
        return "Only a freelancer can apply."
    if is_owner:
        return "The gig is your own."
    return None if status is GigStatus.OPEN else f"The gig is {status}, not OPEN."


def on_application(
    viewer: Viewer, client_id: UUID, freelancer_id: UUID, status: ApplicationStatus, gig_status: GigStatus
) -> dict[ApplicationAction, str | None]:
    parties = {"OWNER": client_id, "APPLICANT": freelancer_id}
    answers = _by_workflow(APPLICATION_WORKFLOW, ApplicationAction, viewer, status, parties)
    if answers[ApplicationAction.ACCEPT] is None and gig_status is not GigStatus.OPEN:
        answers[ApplicationAction.ACCEPT] = f"The gig is {gig_status}, not OPEN."
    return answers


def on_contract(
    viewer: Viewer, client_id: UUID, freelancer_id: UUID, status: ContractStatus
) -> dict[ContractAction, str | None]:
    parties = {"CLIENT": client_id, "FREELANCER": freelancer_id}
    return _by_workflow(CONTRACT_WORKFLOW, ContractAction, viewer, status, parties)


def on_board(
    viewer: Viewer, members: Sequence[tuple[UUID, bool]], *, is_past: bool
) -> dict[BoardAction, str | None]:
    """`members` are the client first, then the others; each with whether they can change anything."""
    is_active = dict(members).get(viewer.user_id) if viewer.user_id is not None else None
    reason: str | None = None
    if is_active is None:
        reason = "Only members of the board can."
    elif is_past:
        reason = "This is the board as it was; read it without `asOf` to change it."
    elif not is_active:
        reason = "Your contract for this gig is over."
    answers: dict[BoardAction, str | None] = dict.fromkeys(BoardAction, reason)
    if reason is None and viewer.user_id != members[0][0]:
        answers[BoardAction.EDIT] = "Only the client can."
    return answers


def on_room(
    kind: RoomKind,
    role: RoomRole,
    *,
    is_archived: bool,
    is_read_only: bool,
    is_blocked: bool,
    is_deserted: bool,
) -> dict[RoomAction, str | None]:
    """For a member of the room."""
    closed = (
        "The room is archived."
        if is_archived
        else "One of you two has blocked the other."
        if is_blocked
        else "The other side's account was erased."
        if is_deserted
        else None
    )
    moderates = None if role in MODERATING else "Only its owners and moderators can."
    a_group = None if kind is RoomKind.GROUP else f"This is a room of kind {kind}."
    return {
        RoomAction.WRITE: closed or (moderates if is_read_only else None),
        RoomAction.REACT: closed,
        RoomAction.PIN: closed or (None if a_group else moderates),
        RoomAction.DELETE_OF_OTHERS: a_group or moderates,
        RoomAction.EDIT: a_group or moderates,
        RoomAction.ARCHIVE: None if a_group else moderates,
        RoomAction.ADD_MEMBERS: a_group or moderates,
        RoomAction.REMOVE_MEMBERS: a_group or moderates,
        RoomAction.SET_ROLES: a_group or (None if role is RoomRole.OWNER else "Only its owners can."),
        RoomAction.LEAVE: a_group,
    }


def on_snippet(
    viewer: Viewer, owner_id: UUID, *, may_revise: bool, is_archived: bool
) -> dict[SnippetAction, str | None]:
    """Of somebody who sees it; `may_revise` if a share lets them."""
    is_owner = viewer.user_id == owner_id
    answers: dict[SnippetAction, str | None] = {}
    for action in SnippetAction:
        if action is SnippetAction.COMMENT or is_owner:
            reason = None
        elif action is SnippetAction.REVISE:
            reason = None if may_revise else "Only the owner can, and those whom a share lets."
        else:
            reason = "Only the owner can."
        if reason is None and is_archived is (action is not SnippetAction.RESTORE):
            reason = "The snippet is archived." if is_archived else "The snippet is not archived."
        answers[action] = reason
    return answers


def _by_workflow(
    workflow: Workflow[ApplicationStatus] | Workflow[ContractStatus],
    actions: type[A],
    viewer: Viewer,
    status: ApplicationStatus | ContractStatus,
    parties: dict[str, UUID],
) -> dict[A, str | None]:
    answers: dict[A, str | None] = {}
    for action in actions:
        by = workflow.find(action.lower())[0].by
        allowed = set(parties.values()) if by == "EITHER" else {parties[by]}
        if viewer.user_id not in allowed:
            answers[action] = f"Only the {by.lower()} can." if by != "EITHER" else "Only the two sides can."
        else:
            answers[action] = _why_not_step(workflow, action, status)
    return answers


def _why_not_step(workflow: Workflow[Any], action: Vocabulary, status: Vocabulary) -> str | None:
    if any(status in transition.sources for transition in workflow.find(action.lower())):
        return None
    return f"The {workflow.noun} is {status}."
