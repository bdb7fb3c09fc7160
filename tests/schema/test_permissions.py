"""The permission table: a row for every root field and every relation, a column for every kind of caller.

A field without a row fails; so does a row without a field. Denied cells of mutations also prove that nothing was written.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import strawberry

from auth.revocation import RevokedSessions
from models.ids import encode_id
from models.profile import Visibility
from resolvers import (
    administration,
    applications,
    contracts,
    gigs,
    invitations,
    notifications,
    profiles,
    reading,
    recommendation_feedback,
    snippet_talk,
    snippets,
    tasks,
)
from resolvers.applications import Answer
from schema.root import MUTATIONS
from tests.schema.stage import AXES, CALLERS, EMOJI, Scene, Stage, key
from tests.world import PASSWORD, World

MakeScene = Callable[[Stage], Awaitable[Scene]]
DONE = {"APPLIED", "NOOP"}


def cells(others: str, **by_caller: str) -> dict[str, str]:
    """What each caller gets; anonymous callers are asked to sign in unless something else is said."""
    return dict.fromkeys(CALLERS, others) | {"anonymous": "UNAUTHENTICATED"} | by_caller


# Whoever can see the thing learns that it is not theirs; to everybody else it does not exist.
OWNER_OF_PUBLIC = cells("NOT_ALLOWED", owner="APPLIED")
OWNER_OF_HIDDEN = cells("NOT_FOUND", owner="APPLIED", admin="NOT_ALLOWED", super_admin="NOT_ALLOWED")
ADMINISTRATORS = cells("NOT_ALLOWED", admin="APPLIED", super_admin="APPLIED")
OF_APPLICATION = {"admin": "NOT_ALLOWED", "super_admin": "NOT_ALLOWED"}
BY_OWNER = cells("NOT_FOUND", **OF_APPLICATION, applicant="NOT_ALLOWED", owner="APPLIED")
BY_APPLICANT = cells("NOT_FOUND", **OF_APPLICATION, applicant="APPLIED", owner="NOT_ALLOWED")
BY_HIRED = cells("NOT_FOUND", **OF_APPLICATION, hired="APPLIED", owner="NOT_ALLOWED")
BY_CLIENT = cells("NOT_FOUND", **OF_APPLICATION, hired="NOT_ALLOWED", owner="APPLIED")
BY_EITHER = cells("NOT_FOUND", **OF_APPLICATION, hired="APPLIED", owner="APPLIED")
# Administrators do not see what is written in snippets. `hired` keeps them, `owner` is the other side.
BY_KEEPER = cells("NOT_FOUND", hired="APPLIED", owner="NOT_ALLOWED")
BY_SPEAKER = cells("NOT_FOUND", hired="NOT_ALLOWED", owner="APPLIED")
BY_BOTH = cells("NOT_FOUND", hired="APPLIED", owner="APPLIED")
SIGNED_IN = cells("APPLIED")
FREELANCERS = cells("NOT_ALLOWED", freelancer="APPLIED", applicant="APPLIED", hired="APPLIED")
# Administrators were told of their appointment.
NOTIFIED = cells("APPLIED", client="NOOP")
BY_NOTIFIED = cells("NOT_FOUND", owner="APPLIED")
CLIENTS = cells("APPLIED", freelancer="NOT_ALLOWED", applicant="NOT_ALLOWED", hired="NOT_ALLOWED")


IN_ROOM = cells("NOT_FOUND", hired="APPLIED", owner="APPLIED")
BY_HIRED_ALONE = cells("NOT_FOUND", hired="APPLIED")
OWNS_ROOM = cells("NOT_FOUND", hired="NOT_ALLOWED", owner="APPLIED")


@dataclass(frozen=True)
class Row:
    """`scene` is what the mutation is tried on, anew for every caller who may; `input` is made of its ids."""

    needs: str
    answers: dict[str, str]
    scene: MakeScene
    input: Callable[[Scene, str], dict[str, Any]] = field(default=lambda scene, caller: {"id": scene.gig})


def of(what: str, /, **more: Any) -> Callable[[Scene, str], dict[str, Any]]:
    return lambda scene, caller: {"id": scene.ids[what]} | more


async def hidden_applicant(stage: Stage) -> Scene:
    """Somebody who hides their profile, and has applied for a gig of `owner`."""
    scene, hidden = await stage.open(), await stage.world.freelancer()
    private = {"visibility": Visibility.PRIVATE}
    await profiles.edit_freelancer(stage.world.as_(hidden), private, expected_version=None)
    answers = (Answer(key(scene.question), "Often."),)
    await applications.submit_application(
        stage.world.as_(hidden), key(scene.gig), stage.world.bid(answers=answers)
    )
    return Scene({"person": encode_id("freelancer", hidden.require_user())})


async def read_room(stage: Stage) -> Scene:
    scene = await stage.room()
    for name in ("owner", "hired"):
        await reading.mark_read(stage.as_(name), key(scene.room), up_to=None)
    return scene


def person(scene: Scene, caller: str) -> dict[str, Any]:
    return {"personId": scene.ids["person"]}


def of_mate(**more: Any) -> Callable[[Scene, str], dict[str, Any]]:
    return lambda scene, caller: {"id": scene.room, "personId": scene.mate} | more


def in_room(**more: Any) -> Callable[[Scene, str], dict[str, Any]]:
    return lambda scene, caller: {"roomId": scene.room} | more


def to_message(**more: Any) -> Callable[[Scene, str], dict[str, Any]]:
    return lambda scene, caller: {"roomId": scene.room, "id": scene.message} | more


def after(scene: MakeScene, act: Callable[[Stage, Scene], Awaitable[object]]) -> MakeScene:
    async def make(stage: Stage) -> Scene:
        made = await scene(stage)
        await act(stage, made)
        return made

    return make


def gig_input(**changes: Any) -> dict[str, Any]:
    budget = {"kind": "FIXED", "min": "100", "max": "200.50", "currency": "EUR"}
    content = {"title": "Paint a fence", "description": "White.", "budget": budget}
    return content | {"deadline": "2027-03-01T12:00:00Z"} | changes


async def paused(stage: Stage, scene: Scene) -> None:
    await gigs.pause_gig(stage.as_("owner"), key(scene.gig))


async def shortlisted(stage: Stage, scene: Scene) -> None:
    await applications.shortlist_application(stage.as_("owner"), key(scene.application))


async def resting(stage: Stage, scene: Scene) -> None:
    await contracts.pause_contract(stage.as_("owner"), key(scene.contract), note=None)


async def hiring_over(stage: Stage, scene: Scene) -> None:
    await gigs.stop_hiring(stage.as_("owner"), key(scene.gig))


async def notified(stage: Stage) -> Scene:
    """Everybody with a part in it, and a freelancer who is invited, has something new; `notification` is the owner's."""
    scene = await stage.working()
    invited = stage["freelancer"].user_id
    assert invited is not None
    await invitations.invite_freelancer(
        stage.as_("owner"), key(scene.gig), freelancer_id=invited, message=None
    )
    newest = "select id from notification where user_id = :id order by created_at desc, id desc limit 1"
    rows = await stage.world.rows(newest, id=stage["owner"].user_id)
    scene.ids["notification"] = encode_id("notification", rows[0][0])
    return scene


async def read(stage: Stage, scene: Scene) -> None:
    await notifications.mark_read(stage.as_("owner"), [key(scene.notification)])


async def on_the_shelf(stage: Stage, scene: Scene) -> None:
    await snippets.archive_snippet(stage.as_("hired"), key(scene.snippet))


async def settled(stage: Stage, scene: Scene) -> None:
    await snippet_talk.resolve_thread(stage.as_("owner"), key(scene.snippetcomment))


async def archived(stage: Stage, scene: Scene) -> None:
    await notifications.archive(stage.as_("owner"), [key(scene.notification)])


async def somebody(stage: Stage) -> Scene:
    """Whom everybody knows and nobody has anything to do with."""
    user_id = (await stage.world.freelancer("Somebody")).require_user()
    return Scene({"user": encode_id("user", user_id), "person": encode_id("freelancer", user_id)})


async def suspended(stage: Stage, scene: Scene) -> None:
    await administration.suspend_account(
        stage.as_("super_admin"), key(scene.user), reason="Spam.", until=None
    )


async def put_away(stage: Stage, scene: Scene) -> None:
    await tasks.archive_task(stage.as_("owner"), key(scene.task))


async def hidden_client(stage: Stage, scene: Scene) -> None:
    for name in ("freelancer", "applicant", "hired"):
        await recommendation_feedback.hide_client(stage.as_(name), key(scene.gig))


def on(what: str, /, **more: Any) -> Callable[[Scene, str], dict[str, Any]]:
    """The input of a mutation that names what it adds to: the `boardId`, `taskId` …"""
    return lambda scene, caller: {f"{what}Id": scene.ids[what]} | more


def the_notification(scene: Scene, caller: str) -> dict[str, Any]:
    return {"ids": [scene.notification]}


async def nothing(stage: Stage) -> Scene:
    return Scene({})


async def open_gig(stage: Stage) -> Scene:
    return await stage.open()


MUTATION_ROWS: dict[str, Row] = {
    "accountRegister": Row("NOTHING", cells("APPLIED", anonymous="APPLIED"), nothing,
        lambda _, caller: {"email": f"{caller}.new@example.com", "password": PASSWORD, "name": "New", "roles": ["CLIENT"]}),
    "sessionCreate": Row("NOTHING", cells("WRONG_CREDENTIALS", anonymous="WRONG_CREDENTIALS"), nothing,
        lambda _, caller: {"email": "nobody@example.com", "password": PASSWORD}),
    "sessionRefresh": Row("NOTHING", cells("SESSION_ENDED", anonymous="SESSION_ENDED"), nothing,
        lambda _, caller: {"refreshToken": "made up"}),
    # Over a socket: tests/wire/test_sockets.py.
    "sessionRefreshSocket": Row("SIGNED_IN", cells("ONLY_OVER_SOCKET"), nothing, lambda _, caller: {"accessToken": "made up"}),
    "sessionRevoke": Row("SIGNED_IN", SIGNED_IN, nothing, lambda _, caller: {}),
    "accountRoleAdd": Row("SIGNED_IN", cells("NOOP", freelancer="APPLIED", applicant="APPLIED", hired="APPLIED"), nothing,
        lambda _, caller: {"role": "CLIENT"}),
    "accountSuspend": Row("ADMIN", ADMINISTRATORS, somebody, of("user", reason="Spam.", until="2027-01-01T00:00:00Z")),
    "accountRestore": Row("ADMIN", ADMINISTRATORS, after(somebody, suspended), of("user", reason="A mistake.")),
    "accountGrantRole": Row("ADMIN", ADMINISTRATORS, somebody, of("user", role="CLIENT", reason="Asked for it.")),
    "accountRevokeRole": Row("ADMIN", ADMINISTRATORS, somebody, of("user", role="FREELANCER", reason="Spam.")),
    # One's own account: tests/resolvers/test_erasure.py.
    "accountErase": Row("SIGNED_IN", cells("NOT_ALLOWED", super_admin="APPLIED"), somebody, of("user", reason="Asked for it.")),
    "freelancerUpdate": Row("FREELANCER", FREELANCERS, nothing, lambda _, caller: {"headline": f"I am {caller}"}),
    "freelancerSkillsSet": Row("FREELANCER", FREELANCERS, nothing, lambda _, caller: {"skills": []}),
    "clientUpdate": Row("CLIENT", CLIENTS, nothing, lambda _, caller: {"company": f"{caller} Ltd"}),
    "gigCreate": Row("CLIENT", CLIENTS, nothing, lambda _, caller: gig_input()),
    "gigEdit": Row("CLIENT", OWNER_OF_PUBLIC, Stage.working, of("gig", title="Another title")),
    "gigPublish": Row("CLIENT", OWNER_OF_HIDDEN, Stage.draft),
    "gigPause": Row("CLIENT", OWNER_OF_PUBLIC, Stage.working),
    "gigResume": Row("CLIENT", OWNER_OF_PUBLIC, after(Stage.working, paused)),
    "gigReopen": Row("CLIENT", OWNER_OF_PUBLIC, after(Stage.working, hiring_over), of("gig", deadline="2027-05-01T00:00:00Z")),
    "gigStopHiring": Row("CLIENT", OWNER_OF_PUBLIC, Stage.working),
    "gigCancel": Row("CLIENT", OWNER_OF_PUBLIC, Stage.applied, of("gig", note="No money left.")),
    "gigDuplicate": Row("CLIENT", OWNER_OF_PUBLIC | dict.fromkeys(("applicant", "hired"), "NOT_ALLOWED"), Stage.working),
    "gigApprove": Row("ADMIN", ADMINISTRATORS, Stage.pending),
    "gigReject": Row("ADMIN", ADMINISTRATORS, Stage.pending, of("gig", reason="Not a gig.")),
    "gigRequestChanges": Row("ADMIN", ADMINISTRATORS, Stage.pending, of("gig", reason="Say more.")),
    "gigSave": Row("SIGNED_IN", SIGNED_IN, open_gig),
    "gigUnsave": Row("SIGNED_IN", cells("NOOP"), open_gig),
    "recommendationDismiss": Row("SIGNED_IN", FREELANCERS, open_gig, on("gig", reason="SKILLS")),
    "recommendationRestore": Row("SIGNED_IN", cells("NOOP"), open_gig, on("gig")),
    "recommendationHideClient": Row("FREELANCER", FREELANCERS, open_gig, on("gig")),
    "recommendationUnhideClient": Row("FREELANCER",
        FREELANCERS, after(open_gig, hidden_client), on("gig")),
    "gigInvite": Row("CLIENT", OWNER_OF_PUBLIC, open_gig),
    "invitationAccept": Row("FREELANCER", BY_APPLICANT, Stage.invited, of("invitation")),
    "invitationDecline": Row("FREELANCER", BY_APPLICANT, Stage.invited, of("invitation", note="No time.")),
    "applicationSubmit": Row("FREELANCER", cells("NOT_ALLOWED", freelancer="APPLIED", applicant="APPLIED", hired="APPLIED"), open_gig),
    "applicationEdit": Row("FREELANCER", BY_APPLICANT, Stage.working, of("application", price="700")),
    "applicationWithdraw": Row("FREELANCER", BY_APPLICANT, Stage.working, of("application", reason="OTHER")),
    "applicationMarkViewed": Row("CLIENT", BY_OWNER, Stage.working, of("application")),
    "applicationShortlist": Row("CLIENT", BY_OWNER, Stage.working, of("application")),
    "applicationUnshortlist": Row("CLIENT", BY_OWNER, after(Stage.working, shortlisted), of("application")),
    "applicationDecline": Row("CLIENT", BY_OWNER, Stage.working, of("application", reason="OTHER")),
    "applicationAccept": Row("CLIENT", BY_OWNER, Stage.working, of("application")),
    "contractReportProgress": Row("FREELANCER", BY_HIRED, Stage.working, of("contract", percent=50)),
    "contractSubmitWork": Row("FREELANCER", BY_HIRED, Stage.working, of("contract")),
    "contractRequestChanges": Row("CLIENT", BY_CLIENT, Stage.submitted, of("contract", note="The colour.")),
    "contractApprove": Row("CLIENT", BY_CLIENT, Stage.submitted, of("contract")),
    "contractPause": Row("SIGNED_IN", BY_EITHER, Stage.working, of("contract")),
    "contractResume": Row("SIGNED_IN", BY_EITHER, after(Stage.working, resting), of("contract")),
    "contractEnd": Row("SIGNED_IN", BY_EITHER, Stage.working, of("contract", reason="MUTUAL")),
    "feedbackLeave": Row("SIGNED_IN", BY_EITHER, Stage.completed,
        lambda scene, caller: {"contractId": scene.contract, "comment": "Good."} | AXES),
    # Revealed feedback is public, so everybody learns that it speaks of somebody else.
    "feedbackReply": Row("SIGNED_IN", cells("NOT_ALLOWED", hired="APPLIED"), Stage.judged,
        lambda scene, caller: {"id": scene.feedback_of_owner, "reply": "Thank you."}),
    "notificationsMarkSeen": Row("SIGNED_IN", NOTIFIED, notified, lambda _, caller: {}),
    "notificationsMarkRead": Row("SIGNED_IN", BY_NOTIFIED, notified, the_notification),
    "notificationsMarkUnread": Row("SIGNED_IN", BY_NOTIFIED, after(notified, read), the_notification),
    "notificationsMarkAllRead": Row("SIGNED_IN", NOTIFIED, notified, lambda _, caller: {}),
    "notificationsArchive": Row("SIGNED_IN", BY_NOTIFIED, notified, the_notification),
    "notificationsUnarchive": Row("SIGNED_IN", BY_NOTIFIED, after(notified, archived), the_notification),
    "notificationPreferenceSet": Row("SIGNED_IN", SIGNED_IN, nothing,
        lambda _, caller: {"category": "FEEDBACK", "channel": "EMAIL", "isOn": True}),
    "boardEdit": Row("CLIENT", BY_CLIENT, Stage.board, of("board", guardsCompletion=True)),
    "boardPresenceSet": Row("SIGNED_IN", BY_EITHER, Stage.board, on("board", doing="LOOKING")),
    "boardUndo": Row("SIGNED_IN", BY_CLIENT, Stage.board, lambda scene, _: {"token": scene.act}),
    "columnAdd": Row("SIGNED_IN", BY_EITHER, Stage.board, on("board", name="Review", category="STARTED")),
    "columnEdit": Row("SIGNED_IN", BY_EITHER, Stage.board, of("todo", name="Next")),
    "columnMove": Row("SIGNED_IN", BY_EITHER, Stage.board, of("todo", position={"edge": "TOP"})),
    "columnRemove": Row("SIGNED_IN", BY_EITHER, Stage.board, of("cancelled")),
    "labelAdd": Row("SIGNED_IN", BY_EITHER, Stage.board, on("board", name="Urgent")),
    "labelEdit": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("label", name="Urgent")),
    "labelRemove": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("label")),
    "taskCreate": Row("SIGNED_IN", BY_EITHER, Stage.board, on("board", title="Sweep up")),
    "taskEdit": Row("SIGNED_IN", BY_EITHER, Stage.board, of("task", title="Paint it red")),
    "taskMove": Row("SIGNED_IN", BY_EITHER, Stage.board,
        lambda scene, _: {"id": scene.task, "columnId": scene.started, "position": {"edge": "TOP"}}),
    "taskArchive": Row("SIGNED_IN", BY_EITHER, Stage.board, of("task")),
    "taskRestore": Row("SIGNED_IN", BY_EITHER, after(Stage.board, put_away), of("task")),
    "taskRelate": Row("SIGNED_IN", BY_EITHER, Stage.furnished,
        lambda scene, _: {"id": scene.task, "otherId": scene.part, "kind": "RELATES"}),
    "taskUnrelate": Row("SIGNED_IN", BY_EITHER, Stage.furnished,
        lambda scene, _: {"id": scene.task, "otherId": scene.part, "kind": "BLOCKS"}),
    "taskWatch": Row("SIGNED_IN", BY_EITHER, Stage.board, of("task")),
    "taskUnwatch": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("task")),
    "tasksMove": Row("SIGNED_IN", BY_EITHER, Stage.board, lambda scene, _: {"boardId": scene.board, "moves": [
        {"taskId": scene.task, "columnId": scene.started, "position": {"edge": "TOP"}}]}),
    "tasksEdit": Row("SIGNED_IN", BY_EITHER, Stage.board,
        lambda scene, _: {"boardId": scene.board, "edits": [{"taskId": scene.task, "title": "Paint it red"}]}),
    "taskAttach": Row("SIGNED_IN", OWNER_OF_HIDDEN, Stage.furnished,
        lambda scene, _: {"id": scene.task, "fileId": scene.upload}),
    "taskDetach": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("file")),
    "checklistAdd": Row("SIGNED_IN", BY_EITHER, Stage.board, on("task", title="After the rain")),
    "checklistRemove": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("checklist")),
    "checklistItemAdd": Row("SIGNED_IN", BY_EITHER, Stage.furnished, on("checklist", text="Clean the brush")),
    "checklistItemEdit": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("item", isDone=True)),
    "checklistItemRemove": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("item")),
    "commentAdd": Row("SIGNED_IN", BY_EITHER, Stage.board, on("task", body="Done by Monday.")),
    "commentEdit": Row("SIGNED_IN", BY_HIRED, Stage.furnished, of("comment", body="Which white, please?")),
    "commentDelete": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("comment")),
    "commentReact": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("comment", emoji="🎉")),
    "commentUnreact": Row("SIGNED_IN", BY_EITHER, Stage.furnished, of("comment", emoji=EMOJI)),
    # Not even administrators know of a room that they do not belong to.
    "roomOpenDirect": Row("SIGNED_IN", cells("NOT_FOUND", owner="APPLIED", admin="APPLIED", super_admin="APPLIED"),
        hidden_applicant, person),
    "roomCreate": Row("SIGNED_IN", SIGNED_IN, Stage.open, lambda scene, _: {"title": "Ours"}),
    "roomEdit": Row("SIGNED_IN", OWNS_ROOM, Stage.room, of("room", title="New")),
    "roomArchive": Row("SIGNED_IN", OWNS_ROOM, Stage.room, of("room")),
    "roomUnarchive": Row("SIGNED_IN", OWNS_ROOM | {"owner": "NOOP"}, Stage.room, of("room")),
    "roomMembersAdd": Row("SIGNED_IN", OWNS_ROOM | {"owner": "NOOP"}, Stage.room,
        lambda scene, _: {"id": scene.room, "personIds": [scene.mate]}),
    "roomMemberRemove": Row("SIGNED_IN", OWNS_ROOM, Stage.room, of_mate()),
    "roomMemberSetRole": Row("SIGNED_IN", OWNS_ROOM, Stage.room, of_mate(role="MODERATOR")),
    "roomLeave": Row("SIGNED_IN", cells("NOT_FOUND", hired="APPLIED", owner="LAST_OWNER"), Stage.room, of("room")),
    "roomPreferenceSet": Row("SIGNED_IN", IN_ROOM, Stage.room, of("room", isMuted=True)),
    "roomMarkRead": Row("SIGNED_IN", IN_ROOM, Stage.room, of("room")),
    "roomMarkUnread": Row("SIGNED_IN", cells("NOT_FOUND", hired="APPLIED", owner="APPLIED"), read_room,
        lambda scene, _: {"id": scene.room, "from": scene.message}),
    "chatPresenceSet": Row("SIGNED_IN", cells("NOOP"), Stage.open, lambda scene, _: {"isOn": True}),
    "personStatusSet": Row("SIGNED_IN", SIGNED_IN, nothing, lambda _, caller: {"text": caller, "emoji": EMOJI}),
    "presenceTell": Row("SIGNED_IN", SIGNED_IN, nothing, lambda _, caller: {"state": "ONLINE"}),
    "roomTyping": Row("SIGNED_IN", IN_ROOM, Stage.room, in_room()),
    "chatReceiptsSet": Row("SIGNED_IN", cells("NOOP"), Stage.open, lambda scene, _: {"isOn": True}),
    "personBlock": Row("SIGNED_IN", SIGNED_IN, somebody, person),
    "personUnblock": Row("SIGNED_IN", cells("NOOP"), somebody, person),
    "messageSend": Row("SIGNED_IN", IN_ROOM, Stage.room, in_room(text="The cheap one.")),
    "messageEdit": Row("SIGNED_IN", IN_ROOM | {"owner": "NOT_ALLOWED"}, Stage.room, to_message(text="Which?")),
    "messageDelete": Row("SIGNED_IN", IN_ROOM, Stage.room, to_message()),
    "messageReact": Row("SIGNED_IN", IN_ROOM, Stage.room, to_message(emoji="🎉")),
    "messageUnreact": Row("SIGNED_IN", IN_ROOM | {"owner": "NOOP"}, Stage.room, to_message(emoji=EMOJI)),
    "messagePin": Row("SIGNED_IN", OWNS_ROOM, Stage.room, to_message()),
    "messageUnpin": Row("SIGNED_IN", OWNS_ROOM, Stage.pinned, to_message()),
    "snippetCreate": Row("SIGNED_IN", SIGNED_IN, nothing, lambda _, caller: {"title": caller, "content": "pass"}),
    "snippetRevise": Row("SIGNED_IN", BY_KEEPER, Stage.shelved, of("snippet", content="dry()")),
    "snippetRename": Row("SIGNED_IN", BY_KEEPER, Stage.shelved, of("snippet", title="Posts")),
    "snippetArchive": Row("SIGNED_IN", BY_KEEPER, Stage.shelved, of("snippet")),
    "snippetRestore": Row("SIGNED_IN", BY_KEEPER, after(Stage.shelved, on_the_shelf), of("snippet")),
    "snippetShareWithContract": Row("SIGNED_IN", BY_KEEPER, Stage.shelved,
        lambda scene, _: {"id": scene.snippet, "contractId": scene.contract, "mayRevise": True}),
    # Whoever is in no such room learns of that first.
    "snippetShareWithRoom": Row("SIGNED_IN", BY_KEEPER, Stage.shelved_and_room,
        lambda scene, _: {"id": scene.snippet, "roomId": scene.room, "mayRevise": True}),
    "snippetShareByLink": Row("SIGNED_IN", BY_KEEPER, Stage.shelved, of("snippet", expiresAt="2027-03-01T12:00:00Z")),
    "snippetShareEnd": Row("SIGNED_IN", BY_KEEPER, Stage.shelved, of("snippetshare")),
    "snippetCommentAdd": Row("SIGNED_IN", BY_BOTH, Stage.shelved, lambda scene, _: {"body": "Hm.", "at": {
        "lines": {"versionId": scene.snippetversion, "first": 1, "last": 3}}}),
    "snippetCommentEdit": Row("SIGNED_IN", BY_SPEAKER, Stage.shelved, of("snippetcomment", body="Thrice?")),
    "snippetCommentDelete": Row("SIGNED_IN", BY_BOTH, Stage.shelved, of("snippetcomment")),
    "snippetCommentResolve": Row("SIGNED_IN", BY_BOTH, Stage.shelved, of("snippetanswer")),
    "snippetCommentReopen": Row("SIGNED_IN", BY_BOTH, after(Stage.shelved, settled), of("snippetcomment")),
    "draftSave": Row("SIGNED_IN", IN_ROOM, Stage.room, in_room(text="Or the other")),
    "draftDiscard": Row("SIGNED_IN", BY_HIRED_ALONE, Stage.kept, of("draft")),
    "messageSchedule": Row("SIGNED_IN", IN_ROOM, Stage.room, in_room(text="Well?", at="2026-12-10T12:00:00Z")),
    "scheduledMessageEdit": Row("SIGNED_IN", BY_HIRED_ALONE, Stage.kept, of("scheduled", text="And?")),
    "scheduledMessageCancel": Row("SIGNED_IN", BY_HIRED_ALONE, Stage.kept, of("scheduled")),
    "threadFollowSet": Row("SIGNED_IN", IN_ROOM, Stage.room,
        lambda scene, _: {"roomId": scene.room, "threadId": scene.message, "isOn": True}),
    "messageReport": Row("SIGNED_IN", IN_ROOM | {"hired": "OWN_MESSAGE"}, Stage.room, to_message(reason="SPAM")),
    "messageReportResolve": Row("ADMIN", cells("NOT_ALLOWED", admin="APPLIED", super_admin="APPLIED"), Stage.kept,
        of("report", outcome="WARNED")),
    "jobRetry": Row("ADMIN", cells("NOT_ALLOWED", admin="NOOP", super_admin="NOOP"), Stage.expiring, of("job")),
}  # fmt: skip


def test_every_mutation_has_a_row(schema: strawberry.Schema) -> None:
    assert set(schema._schema.mutation_type.fields) == set(MUTATION_ROWS)  # type: ignore[union-attr]


def test_the_auth_directive_of_each_mutation_says_what_the_table_says() -> None:
    needs = {_camel(f.python_name): f.directives[0].requires.value for f in MUTATIONS}  # type: ignore[attr-defined]

    assert needs == {name: row.needs for name, row in MUTATION_ROWS.items()}


@pytest.mark.parametrize("name", MUTATION_ROWS)
async def test_each_caller_may_do_what_the_table_says_and_a_refusal_writes_nothing(
    name: str, stage: Stage
) -> None:
    row = MUTATION_ROWS[name]
    shared = await row.scene(stage)
    before = await stage.world.footprint()

    refused = {
        caller: await attempt(stage, caller, name, row, shared)
        for caller, answer in row.answers.items()
        if answer not in DONE
    }

    assert refused == {caller: answer for caller, answer in row.answers.items() if answer not in DONE}
    assert await stage.world.footprint() == before
    untouched: Scene | None = shared
    for caller, answer in row.answers.items():
        if answer in DONE:
            scene = untouched or await row.scene(stage)
            untouched = None
            assert (caller, await attempt(stage, caller, name, row, scene)) == (caller, answer)


async def attempt(stage: Stage, caller: str, name: str, row: Row, scene: Scene) -> str:
    """The outcome of the mutation, or the code of its one refusal."""
    variables = row.input(scene, caller)
    if name == "applicationSubmit":
        answers = [{"questionId": scene.question, "body": "Often."}]
        variables = {"gigId": scene.gig, "coverLetter": "Me!", "price": "600", "answers": answers}
    if name == "gigInvite":
        variables = {"gigId": scene.gig, "freelancerId": stage.id("freelancer", "freelancer")}
    world = stage.world
    if name == "sessionRevoke":
        # The others play on with theirs.
        world = World(replace(world.services, revoked=RevokedSessions()), world.clock, world.schema)
    type_name = f"{name[0].upper()}{name[1:]}Input"
    document = f"mutation($input: {type_name}!) {{ {name}(input: $input) {{ outcome errors {{ code }} }} }}"
    body = await world.graphql(stage[caller], document, input=variables)
    payload = body["data"][name]
    if payload is None:
        return str(body["errors"][0]["extensions"]["code"])
    if payload["outcome"] != "REJECTED":
        return str(payload["outcome"])
    codes = [error["code"] for error in payload["errors"]]
    assert len(codes) == 1, codes
    return str(codes[0])


@pytest.mark.parametrize("name", [name for name, row in MUTATION_ROWS.items() if row.needs != "NOTHING"])
async def test_an_anonymous_caller_learns_to_sign_in_before_anything_about_the_input(
    name: str, stage: Stage
) -> None:
    world = stage.world
    if name == "sessionRevoke":
        # The others play on with theirs.
        world = World(replace(world.services, revoked=RevokedSessions()), world.clock, world.schema)
    type_name = f"{name[0].upper()}{name[1:]}Input"
    document = f"mutation($input: {type_name}!) {{ {name}(input: $input) {{ outcome }} }}"
    scene = Scene(defaultdict(lambda: "nonsense"))
    variables = MUTATION_ROWS[name].input(scene, "anonymous")
    if name == "applicationSubmit":
        variables = {"gigId": "nonsense", "coverLetter": "", "price": "-1"}
    if name == "gigInvite":
        variables = {"gigId": "nonsense", "freelancerId": "nonsense"}

    body = await stage.world.graphql(stage["anonymous"], document, input=variables)

    assert [error["extensions"]["code"] for error in body["errors"]] == ["UNAUTHENTICATED"]


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
