"""Notifications: who is told of what, with the act that is told; and what people do with what they were told."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.application import DeclineReason, WithdrawReason
from models.contract import EndReason
from models.errors import NotFound, Refusals
from models.feedback import AXES
from models.gig_events import GigExpired
from models.gig_workflow import GigStatus
from models.idempotency import Outcome
from models.ids import new_id
from models.notice import CRITICAL, NotificationCategory
from models.notification import AlwaysOn, NotificationChannel
from models.registry import EVENTS
from models.store.sql import Position, Receipt, Replayed, counting_statements
from resolvers import (
    applications,
    contracts,
    feedback,
    gigs,
    invitations,
    notifications,
    profiles,
    task_talk,
    tasks,
)
from resolvers.feedback import reveal_feedback
from resolvers.jobs import run_due_jobs
from resolvers.operation import Operation, Rules
from tests.resolvers.boards import board_stage
from tests.world import World, kinds, race

IN_APP, EMAIL = NotificationChannel.IN_APP, NotificationChannel.EMAIL
ALL = [(category, channel) for category in NotificationCategory for channel in NotificationChannel]
Told = tuple[str, str, str, str]


async def told_by(world: World, act: Awaitable[object], **people: Viewer) -> list[Told]:
    """Everything that anybody is told because of the act, in order: whom, of what, category and reason."""
    known = {row[0] for row in await world.rows("select id from notification")}
    await act
    names = {viewer.user_id: name for name, viewer in people.items()}
    rows = await world.rows("select * from notification order by created_at, id")
    return [(names[row.user_id], row.kind, row.category, row.reason) for row in rows if row.id not in known]


async def feed_of(world: World, viewer: Viewer) -> list[UUID]:
    """The ids of everything a person was told, oldest first."""
    rows = await world.rows(
        "select id from notification where user_id = :id order by created_at, id", id=viewer.user_id
    )
    return [row[0] for row in rows]


async def states(world: World, viewer: Viewer) -> list[str]:
    """What a person has done with each notification, oldest first: seen, read, archived by their first letters."""
    rows = await world.rows(
        "select seen_at, read_at, archived_at from notification where user_id = :id order by created_at, id",
        id=viewer.user_id,
    )
    return ["".join(letter for letter, at in zip("sra", row, strict=True) if at is not None) for row in rows]


async def counts(world: World, viewer: Viewer) -> tuple[int, int]:
    found = await notifications.counts_of(world.as_(viewer))
    return found.unseen, found.unread


async def changes_told(world: World, viewer: Viewer) -> list[tuple[int, int]]:
    """Unseen and unread, as the person's own stream told them."""
    rows = await world.rows(
        "select * from fact where stream = :stream and kind = 'NotificationsChanged' order by number",
        stream=f"user:{viewer.user_id}",
    )
    assert {(row.audience, row.person_id, row.actor_id) for row in rows} <= {
        ("SUBJECT", viewer.user_id, viewer.user_id)
    }
    return [(row.payload["unseen"], row.payload["unread"]) for row in rows]


async def client_with(world: World, count: int) -> tuple[Viewer, UUID]:
    """A client who was told of so many applications for one gig."""
    client = await world.client()
    gig_id = await world.open_gig(client)
    for _ in range(count):
        world.clock.move(timedelta(seconds=1))
        await world.application(await world.freelancer(), gig_id)
    return client, gig_id


# -- who is told of what -------------------------------------------------------------------------------------------------


async def test_each_act_of_the_life_of_a_gig_tells_the_other_side_and_nobody_else(world: World) -> None:
    client, freelancer, other = await world.client(), await world.freelancer(), await world.freelancer()
    as_client, as_freelancer, as_other = (world.as_(viewer) for viewer in (client, freelancer, other))
    assert freelancer.user_id is not None
    person_id = freelancer.user_id
    gig_id = await world.draft(client)
    ids: dict[str, UUID] = {}

    async def keep(name: str, act: Awaitable[Receipt]) -> None:
        ids[name] = (await act).entity_id

    def client_is_told(kind: str, category: str) -> list[Told]:
        return [("client", kind, category, "YOU_ARE_THE_CLIENT")]

    def applicant_is_told(kind: str) -> list[Told]:
        return [("freelancer", kind, "APPLICATIONS", "YOU_APPLIED")]

    def hired_is_told(kind: str) -> list[Told]:
        return [("freelancer", kind, "CONTRACTS", "YOU_WORK_ON_IT")]

    axes = dict.fromkeys(AXES, 5)
    story: list[tuple[Callable[[], Awaitable[object]], list[Told]]] = [
        (lambda: profiles.edit_client(as_client, {"company": "C"}, expected_version=None), []),
        (lambda: profiles.edit_freelancer(as_freelancer, {"headline": "B"}, expected_version=None), []),
        (lambda: gigs.publish_gig(as_client, gig_id), []),
        (lambda: gigs.edit_gig(as_client, gig_id, {"title": "T"}, expected_version=None), []),
        (lambda: gigs.pause_gig(as_client, gig_id), []),
        (lambda: gigs.resume_gig(as_client, gig_id), []),
        (lambda: gigs.save_gig(as_other, gig_id), []),
        (
            lambda: keep(
                "invitation",
                invitations.invite_freelancer(as_client, gig_id, freelancer_id=person_id, message="Come."),
            ),
            [("freelancer", "FreelancerInvited", "INVITATIONS", "YOU_ARE_INVITED")],
        ),
        (
            lambda: invitations.answer_invitation(as_freelancer, ids["invitation"], accepts=True, note=None),
            client_is_told("InvitationAccepted", "INVITATIONS"),
        ),
        (
            lambda: keep("bid", applications.submit_application(as_freelancer, gig_id, world.bid())),
            client_is_told("ApplicationSubmitted", "APPLICATIONS"),
        ),
        (lambda: applications.submit_application(as_freelancer, gig_id, world.bid()), []),
        (
            lambda: applications.edit_application(
                as_freelancer, ids["bid"], {"cover_letter": "L"}, expected_version=None
            ),
            client_is_told("ApplicationEdited", "APPLICATIONS"),
        ),
        (
            lambda: applications.mark_application_viewed(as_client, ids["bid"]),
            applicant_is_told("ApplicationViewed"),
        ),
        (lambda: applications.mark_application_viewed(as_client, ids["bid"]), []),
        (
            lambda: applications.shortlist_application(as_client, ids["bid"]),
            applicant_is_told("ApplicationShortlisted"),
        ),
        (
            lambda: applications.unshortlist_application(as_client, ids["bid"]),
            applicant_is_told("ApplicationUnshortlisted"),
        ),
        (
            lambda: keep("others", applications.submit_application(as_other, gig_id, world.bid())),
            client_is_told("ApplicationSubmitted", "APPLICATIONS"),
        ),
        (
            lambda: applications.withdraw_application(
                as_other, ids["others"], reason=WithdrawReason.TERMS, note="No."
            ),
            client_is_told("ApplicationWithdrawn", "APPLICATIONS"),
        ),
        # The acceptance, its contract and the last place are one act.
        (
            lambda: keep("work", applications.accept_application(as_client, ids["bid"])),
            applicant_is_told("ApplicationAccepted"),
        ),
        (
            lambda: contracts.report_progress(
                as_freelancer, ids["work"], percent=50, note="Half.", expected_version=None
            ),
            client_is_told("ContractProgressReported", "CONTRACTS"),
        ),
        (
            lambda: contracts.pause_contract(as_client, ids["work"], note=None),
            hired_is_told("ContractPaused"),
        ),
        (
            lambda: contracts.resume_contract(as_freelancer, ids["work"]),
            client_is_told("ContractResumed", "CONTRACTS"),
        ),
        (
            lambda: contracts.submit_work(as_freelancer, ids["work"], note="There."),
            client_is_told("WorkSubmitted", "CONTRACTS"),
        ),
        (
            lambda: contracts.request_changes(as_client, ids["work"], note="The colour."),
            hired_is_told("ChangesRequested"),
        ),
        (
            lambda: contracts.submit_work(as_freelancer, ids["work"], note=None),
            client_is_told("WorkSubmitted", "CONTRACTS"),
        ),
        (lambda: contracts.approve_work(as_client, ids["work"]), hired_is_told("ContractCompleted")),
        (
            lambda: keep("said", feedback.leave_feedback(as_client, ids["work"], axes=axes, comment="Good.")),
            [("freelancer", "FeedbackGiven", "FEEDBACK", "YOU_WORK_ON_IT")],
        ),
        (
            lambda: feedback.leave_feedback(as_freelancer, ids["work"], axes=axes, comment="Good."),
            [*client_is_told("FeedbackGiven", "FEEDBACK"), *client_is_told("FeedbackRevealed", "FEEDBACK")],
        ),
        (
            lambda: feedback.reply_to_feedback(as_freelancer, ids["said"], body="Thanks."),
            client_is_told("FeedbackReplied", "FEEDBACK"),
        ),
    ]

    for act, expected in story:
        world.clock.move(timedelta(minutes=1))
        found = await told_by(world, act(), client=client, freelancer=freelancer, other=other)
        assert found == expected


async def test_answers_that_are_no_and_ends_that_are_early_are_told_to_the_other_side(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    assert freelancer.user_id is not None
    gig_id = await world.open_gig(client, wanted=2)
    people = {"client": client, "freelancer": freelancer}
    invited = await invitations.invite_freelancer(
        world.as_(client), gig_id, freelancer_id=freelancer.user_id, message=None
    )

    no = await told_by(
        world,
        invitations.answer_invitation(
            world.as_(freelancer), invited.entity_id, accepts=False, note="No time."
        ),
        **people,
    )
    bid = await world.application(freelancer, gig_id)
    declined = await told_by(
        world,
        applications.decline_application(
            world.as_(client), bid, reason=DeclineReason.PRICE, message="Too much."
        ),
        **people,
    )
    ends = []
    for name, viewer in people.items():
        hired = await world.hired(client=client, freelancer=freelancer)
        end = contracts.end_contract(world.as_(viewer), hired.contract_id, reason=EndReason.OTHER, note=None)
        ends.append((name, await told_by(world, end, **people)))

    assert no == [("client", "InvitationDeclined", "INVITATIONS", "YOU_ARE_THE_CLIENT")]
    assert declined == [("freelancer", "ApplicationDeclined", "APPLICATIONS", "YOU_APPLIED")]
    assert ends == [
        ("client", [("freelancer", "ContractEnded", "CONTRACTS", "YOU_WORK_ON_IT")]),
        ("freelancer", [("client", "ContractEnded", "CONTRACTS", "YOU_ARE_THE_CLIENT")]),
    ]


async def test_a_client_is_told_what_administrators_and_deadlines_do_to_their_gig(idle_world: World) -> None:
    world = idle_world
    strict = world.with_rules(Rules(gigs_need_approval=True))
    client, admin, freelancer = await world.client(), await world.admin(), await world.freelancer()
    as_client, as_admin = world.as_(client), world.as_(admin)
    waiting = [await world.draft(client) for _ in range(3)]

    async def publish_all() -> None:
        for gig_id in waiting:
            await gigs.publish_gig(strict.as_(client), gig_id)

    async def decide() -> None:
        await gigs.request_gig_changes(as_admin, waiting[0], reason="Say more.")
        world.clock.move(timedelta(seconds=1))
        await gigs.reject_gig(as_admin, waiting[1], reason="No gig.")
        world.clock.move(timedelta(seconds=1))
        await gigs.approve_gig(as_admin, waiting[2])

    asked = await told_by(world, publish_all(), client=client, admin=admin)
    decided = await told_by(world, decide(), client=client, admin=admin)
    hired = await world.hired(client=client, freelancer=freelancer, wanted=2)
    stopped = await world.hired(client=client, freelancer=freelancer, wanted=2)
    own = await told_by(
        world, gigs.stop_hiring(as_client, stopped.gig_id), client=client, freelancer=freelancer
    )
    world.clock.move(timedelta(days=31))
    at_deadline = await told_by(
        world, run_due_jobs(world.as_(ANONYMOUS)), client=client, freelancer=freelancer
    )

    def client_is_told(*of: str) -> list[Told]:
        return [("client", kind, "SYSTEM", "YOU_ARE_THE_CLIENT") for kind in of]

    assert (asked, own) == ([], [])
    assert decided == client_is_told("GigChangesRequested", "GigRejected", "GigApproved")
    assert sorted(at_deadline) == client_is_told("GigExpired", "GigHiringStopped")
    assert (await world.gig(hired.gig_id)).status is GigStatus.IN_PROGRESS


async def test_the_reveal_at_day_fourteen_is_told_to_both(world: World) -> None:
    hired = await world.completed()
    await feedback.leave_feedback(
        world.as_(hired.client), hired.contract_id, axes=dict.fromkeys(AXES, 1), comment="Bad."
    )

    async def reveal() -> None:
        async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
            await reveal_feedback(world.as_(ANONYMOUS), tx, hired.contract_id)

    told = await told_by(world, reveal(), client=hired.client, freelancer=hired.freelancer)

    assert told == [
        ("freelancer", "FeedbackRevealed", "FEEDBACK", "YOU_WORK_ON_IT"),
        ("client", "FeedbackRevealed", "FEEDBACK", "YOU_ARE_THE_CLIENT"),
    ]


async def test_members_are_told_of_tasks_for_them_and_of_comments_but_not_of_the_rest(world: World) -> None:
    stage = await board_stage(world)
    people = {"client": stage.hired.client, "freelancer": stage.hired.freelancer}
    client, freelancer = stage.client, stage.freelancer
    her, his = client.viewer.require_user(), freelancer.viewer.require_user()
    task_id = await stage.task()

    def assign(op: Operation, *user_ids: UUID) -> Awaitable[object]:
        return tasks.edit_task(op, task_id, {"assignee_ids": list(user_ids)}, expected_version=None)

    def say(op: Operation, *mentions: UUID) -> Awaitable[object]:
        return task_talk.add_comment(op, task_id, "Well.", answers_id=None, mentions=mentions)

    def is_told(who: str, kind: str, reason: str) -> list[Told]:
        return [(who, kind, "TASKS", reason)]

    story: list[tuple[Callable[[], Awaitable[object]], list[Told]]] = [
        (lambda: stage.task("Sweep"), []),
        (lambda: stage.move(task_id, "In progress"), []),
        (lambda: assign(client, his, her), is_told("freelancer", "TaskAssigned", "YOU_ARE_ASSIGNED")),
        (lambda: say(client), is_told("freelancer", "CommentNoticed", "YOU_WATCH_IT")),
        (lambda: say(client, his), is_told("freelancer", "CommentMentioned", "YOU_ARE_MENTIONED")),
        (lambda: assign(freelancer, her), []),
        (lambda: assign(freelancer), is_told("client", "TaskUnassigned", "YOU_ARE_ASSIGNED")),
        (lambda: say(client), []),
        (lambda: tasks.watch_task(client, task_id, is_on=True), []),
        (lambda: say(freelancer), is_told("client", "CommentNoticed", "YOU_WATCH_IT")),
        (lambda: tasks.archive_task(freelancer, task_id), []),
    ]

    for act, expected in story:
        world.clock.move(timedelta(seconds=1))
        assert await told_by(world, act(), **people) == expected


async def test_what_is_said_about_one_task_is_one_group(world: World) -> None:
    stage = await board_stage(world)
    for title, count in (("Paint", 2), ("Sweep", 1)):
        task_id = await stage.task(title)
        for _ in range(count):
            await task_talk.add_comment(
                stage.client,
                task_id,
                "Hear.",
                answers_id=None,
                mentions=[stage.freelancer.viewer.require_user()],
            )

    rows = await world.rows(
        "select task_id, group_key, count(*) as size from notification where user_id = :id and category = 'TASKS' "
        "group by 1, 2 order by 3 desc",
        id=stage.hired.freelancer.user_id,
    )

    assert [row.size for row in rows] == [2, 1]
    assert [row.group_key for row in rows] == [f"task:{row.task_id}:CommentMentioned" for row in rows]


async def test_hidden_feedback_is_told_without_a_word_of_it(world: World) -> None:
    shown = []
    for axes, comment in ((1, "Never again."), (5, "A pleasure.")):
        hired = await world.completed()
        world.clock.move(timedelta(seconds=1))
        await feedback.leave_feedback(
            world.as_(hired.client),
            hired.contract_id,
            axes=dict.fromkeys(AXES, axes),
            comment=comment,
        )
        rows = await world.rows(
            "select * from notification where user_id = :id order by created_at desc limit 1",
            id=hired.freelancer.user_id,
        )
        told = {
            k: v
            for k, v in rows[0]._mapping.items()
            if not k.endswith("_id") and k not in {"id", "created_at"}
        }
        assert rows[0].remark_id is None
        shown.append({**told, "group_key": told["group_key"].replace(str(hired.gig_id), "")})

    assert shown[0] == shown[1]
    assert shown[0]["kind"] == "FeedbackGiven"


async def test_a_notification_is_written_as_the_fact_says(world: World) -> None:
    hired = await world.hired()
    await contracts.submit_work(world.as_(hired.freelancer), hired.contract_id, note="It is all there.")

    rows = await world.rows(
        "select * from notification where user_id = :id and kind = 'WorkSubmitted'", id=hired.client.user_id
    )
    fact = (await world.rows(
        "select * from fact where stream = :stream and kind = 'WorkSubmitted'", stream=f"user:{hired.client.user_id}"
    ))[0]  # fmt: skip

    (row,) = rows
    assert (row.actor_id, row.remark_id, row.created_at) == (
        hired.freelancer.user_id, fact.remark_id, fact.occurred_at,
    )  # fmt: skip
    assert row.remark_id is not None
    assert (row.gig_id, row.contract_id, row.application_id, row.invitation_id) == (
        hired.gig_id, hired.contract_id, None, None,
    )  # fmt: skip
    assert row.group_key == f"gig:{hired.gig_id}:WorkSubmitted"
    assert (row.seen_at, row.read_at, row.archived_at) == (None, None, None)


async def test_many_applications_for_one_gig_are_one_group(world: World) -> None:
    client, gig_id = await client_with(world, 3)
    await world.application(await world.freelancer(), await world.open_gig(client))

    rows = await world.rows(
        "select group_key, count(*) as size from notification where user_id = :id group by 1 order by 2 desc",
        id=client.user_id,
    )

    assert [row.size for row in rows] == [3, 1]
    assert rows[0].group_key == f"gig:{gig_id}:ApplicationSubmitted"


async def test_an_act_that_fails_tells_nobody(world: World) -> None:
    client = await world.client()
    gig_id = await world.open_gig(client)
    before = await world.footprint()

    with pytest.raises(Refusals):
        await world.application(await world.freelancer(), gig_id, cover_letter="")

    after = await world.footprint()
    assert {t: after[t] - before[t] for t in ("notification", "fact", "application")} == dict.fromkeys(
        ("notification", "fact", "application"), 0
    )


async def test_a_replay_tells_nobody_again(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    await applications.submit_application(world.as_(freelancer, key="k"), gig_id, world.bid())
    before = await world.footprint()

    with pytest.raises(Replayed):
        await applications.submit_application(world.as_(freelancer, key="k"), gig_id, world.bid())

    assert await world.footprint() == before
    assert await counts(world, client) == (1, 1)


def test_only_kinds_that_name_people_are_told() -> None:
    """Kinds that nobody is told of, so that a new kind is decided about."""
    concrete = {name: kind for name, kind in EVENTS.items() if not kind.__subclasses__()}

    assert {name for name, kind in concrete.items() if kind.notice is None} == {
        "BoardCreated", "BoardEdited", "BoardMemberJoined", "BoardMemberLeft", "ChecklistAdded", "ChecklistItemAdded",
        "ChecklistItemEdited", "ChecklistItemRemoved", "ChecklistRemoved", "ColumnAdded", "ColumnEdited", "ColumnMoved",
        "ColumnRemoved", "CommentAdded", "CommentDeleted", "CommentEdited", "CommentReacted", "CommentRestored", "LabelAdded",
        "LabelEdited", "LabelRemoved", "TaskArchived", "TaskAttached", "TaskCreated", "TaskDetached", "TaskEdited", "TaskFreed", "TaskMoved", "TaskRelated", "TaskRestored",
        "TaskUnrelated",
        "AccountErased", "ContractStarted", "GigCancelled", "GigCompleted", "GigCreated", "GigEdited", "GigFellBack", "GigFilled", "GigPaused",
        "GigPublished", "GigReopened", "GigResumed", "GigSubmittedForApproval", "NotificationsChanged", "ProfileEdited",
        "ChatPreferenceSet", "ChatPresenceSet", "PersonStatusSet", "PersonBlocked", "PersonUnblocked", "RoomReadMarked", "RoomReadReceipt", "RoomArchived", "RoomCreated", "RoomEdited", "RoomMemberAdded", "RoomMemberLeft",
        "RoomMemberRemoved", "RoomMemberRoleSet", "RoomPreferenceSet", "RoomUnarchived",
        "SnippetArchived", "SnippetCommentDeleted", "SnippetCommentEdited", "SnippetCommented", "SnippetCreated", "SnippetRenamed",
        "SnippetRestored", "SnippetRevised", "SnippetShareEnded", "SnippetShareNarrowed", "SnippetShared", "SnippetThreadReopened", "SnippetThreadResolved",
        "MessageDraftDiscarded", "MessageDraftSaved", "MessageReported", "MessageScheduled", "ScheduledMessageCancelled",
        "ScheduledMessageSent", "ThreadFollowSet",
    }  # fmt: skip
    assert {n for n, kind in concrete.items() if kind.notice and kind.notice.is_decision} == {
        "ApplicationAccepted", "ContractCompleted", "ContractEnded",
    }  # fmt: skip


# -- what people want to be told -----------------------------------------------------------------------------------------


async def test_a_category_that_is_off_is_not_told_until_it_is_on_again(world: World) -> None:
    client, gig_id = await client_with(world, 0)
    off = await notifications.set_preference(
        world.as_(client), NotificationCategory.APPLICATIONS, IN_APP, is_on=False
    )

    while_off = await told_by(world, world.application(await world.freelancer(), gig_id), client=client)
    await notifications.set_preference(
        world.as_(client), NotificationCategory.APPLICATIONS, IN_APP, is_on=True
    )
    again_on = await told_by(world, world.application(await world.freelancer(), gig_id), client=client)

    assert off.outcome is Outcome.APPLIED
    assert while_off == []
    assert again_on == [("client", "ApplicationSubmitted", "APPLICATIONS", "YOU_ARE_THE_CLIENT")]


async def test_what_is_off_for_one_person_or_channel_or_category_is_on_for_the_others(world: World) -> None:
    hired = await world.hired()
    as_client = world.as_(hired.client)
    await notifications.set_preference(as_client, NotificationCategory.APPLICATIONS, IN_APP, is_on=False)
    await notifications.set_preference(as_client, NotificationCategory.CONTRACTS, EMAIL, is_on=True)
    await notifications.set_preference(as_client, NotificationCategory.CONTRACTS, EMAIL, is_on=False)

    told = [
        await told_by(world, act, client=hired.client, freelancer=hired.freelancer)
        for act in (
            contracts.submit_work(world.as_(hired.freelancer), hired.contract_id, note=None),
            contracts.request_changes(as_client, hired.contract_id, note="Blue."),
        )
    ]

    assert [[row[:2] for row in rows] for rows in told] == [
        [("client", "WorkSubmitted")], [("freelancer", "ChangesRequested")],
    ]  # fmt: skip


async def test_decisions_are_told_whatever_is_off(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    for category in set(NotificationCategory) - CRITICAL:
        for viewer in (client, freelancer):
            await notifications.set_preference(world.as_(viewer), category, IN_APP, is_on=False)

    async def work() -> None:
        hired = await world.completed(client=client, freelancer=freelancer)
        await feedback.leave_feedback(
            world.as_(client), hired.contract_id, axes=dict.fromkeys(AXES, 3), comment="Fair."
        )

    told = await told_by(world, work(), client=client, freelancer=freelancer)

    assert [row[:2] for row in told] == [
        ("freelancer", "ApplicationAccepted"),
        ("freelancer", "ContractCompleted"),
    ]


async def test_a_critical_category_stays_on_in_the_feed(world: World) -> None:
    client = await world.client()
    before = await world.footprint()

    for category in CRITICAL:
        with pytest.raises(AlwaysOn):
            await notifications.set_preference(world.as_(client), category, IN_APP, is_on=False)

    assert await world.footprint() == before
    on_mail = await notifications.set_preference(
        world.as_(client), NotificationCategory.SYSTEM, EMAIL, is_on=True
    )
    off_mail = await notifications.set_preference(
        world.as_(client), NotificationCategory.SYSTEM, EMAIL, is_on=False
    )
    assert (on_mail.outcome, off_mail.outcome) == (Outcome.APPLIED, Outcome.APPLIED)


async def test_the_matrix_shows_defaults_and_choices_and_choosing_the_same_changes_nothing(
    world: World,
) -> None:
    client = await world.client()
    as_client = world.as_(client)
    await notifications.set_preference(as_client, NotificationCategory.FEEDBACK, IN_APP, is_on=False)
    await notifications.set_preference(as_client, NotificationCategory.FEEDBACK, EMAIL, is_on=True)
    before = await world.footprint()

    same = [
        await notifications.set_preference(as_client, category, channel, is_on=is_on)
        for category, channel, is_on in (
            (NotificationCategory.FEEDBACK, IN_APP, False),
            (NotificationCategory.SYSTEM, IN_APP, True),
            (NotificationCategory.SYSTEM, EMAIL, False),
        )
    ]

    matrix = await notifications.preferences_of(as_client)
    assert {receipt.outcome for receipt in same} == {Outcome.NOOP}
    assert await world.footprint() == before
    assert [(p.category, p.channel) for p in matrix] == ALL
    assert [(p.category, p.channel) for p in matrix if p.is_on != (p.channel is IN_APP)] == [
        (NotificationCategory.FEEDBACK, IN_APP),
        (NotificationCategory.FEEDBACK, EMAIL),
    ]
    assert [(p.category, p.channel) for p in matrix if not p.can_be_switched_off] == [
        (NotificationCategory.SYSTEM, IN_APP)
    ]
    assert await notifications.preferences_of(world.as_(ANONYMOUS)) == []


# -- what people do with what they were told -----------------------------------------------------------------------------


async def test_marks_and_their_undoing_change_what_they_name_and_tell_the_counts(world: World) -> None:
    client, _ = await client_with(world, 4)
    as_client = world.as_(client)
    one, two, three, four = await feed_of(world, client)
    steps: list[tuple[Callable[[], Awaitable[Receipt]], list[str], tuple[int, int]]] = [
        (lambda: notifications.mark_seen(as_client, up_to=two), ["s", "s", "", ""], (2, 4)),
        (lambda: notifications.mark_read(as_client, [one, four]), ["sr", "s", "", "sr"], (1, 2)),
        (lambda: notifications.mark_unread(as_client, [four]), ["sr", "s", "", "s"], (1, 3)),
        (lambda: notifications.archive(as_client, [one, three]), ["sra", "s", "a", "s"], (0, 2)),
        (lambda: notifications.unarchive(as_client, [three]), ["sra", "s", "", "s"], (1, 3)),
        (lambda: notifications.mark_seen(as_client, up_to=None), ["sra", "s", "s", "s"], (0, 3)),
        (lambda: notifications.mark_all_read(as_client, category=None), ["sra", "sr", "sr", "sr"], (0, 0)),
    ]

    for act, expected, left in steps:
        receipt = await act()

        assert (receipt.outcome, receipt.entity_id) == (Outcome.APPLIED, client.user_id)
        assert (await states(world, client), await counts(world, client)) == (expected, left)
        assert receipt.position is not None and receipt.position.stream == f"user:{client.user_id}"
        before = await world.footprint()
        assert (await act()).outcome is Outcome.NOOP
        assert await world.footprint() == before
    assert await changes_told(world, client) == [left for _, _, left in steps]


async def test_reading_everything_of_one_category_leaves_the_others(world: World) -> None:
    hired = await world.completed()
    as_client = world.as_(hired.client)

    await notifications.mark_all_read(as_client, category=NotificationCategory.CONTRACTS)

    found = await notifications.counts_of(as_client)
    assert {c.category: (c.unseen, c.unread) for c in found.by_category} == {
        **dict.fromkeys(NotificationCategory, (0, 0)),
        NotificationCategory.APPLICATIONS: (1, 1),
    }


async def test_what_is_archived_is_neither_seen_nor_read_with_the_rest(world: World) -> None:
    client, _ = await client_with(world, 2)
    as_client = world.as_(client)
    one, _ = await feed_of(world, client)
    await notifications.archive(as_client, [one])

    await notifications.mark_seen(as_client, up_to=None)
    await notifications.mark_all_read(as_client, category=None)

    assert await states(world, client) == ["a", "sr"]
    await notifications.mark_read(as_client, [one])
    assert await states(world, client) == ["sra", "sr"]


async def test_nobody_marks_what_others_were_told(world: World) -> None:
    client, _ = await client_with(world, 2)
    stranger, _ = await client_with(world, 1)
    own, others = await feed_of(world, stranger), await feed_of(world, client)
    as_stranger, as_admin = world.as_(stranger), world.as_(await world.admin())
    before, seen = await world.footprint(), await states(world, client)

    for mark in (
        notifications.mark_read,
        notifications.mark_unread,
        notifications.archive,
        notifications.unarchive,
    ):
        with pytest.raises(NotFound) as refused:
            await mark(as_stranger, [own[0], others[0]])
        assert refused.value.path == ("ids", "1")
    with pytest.raises(NotFound) as refused:
        await notifications.mark_seen(as_stranger, up_to=others[1])
    assert refused.value.path == ("upTo",)
    with pytest.raises(NotFound):
        await notifications.mark_read(as_admin, others)

    await notifications.mark_seen(as_stranger, up_to=None)
    await notifications.mark_all_read(as_stranger, category=None)
    assert (await states(world, client), await states(world, stranger)) == (seen, ["sr"])
    assert (await world.footprint())["notification"] == before["notification"]


@pytest.mark.parametrize(("count", "repeat"), [(0, 0), (101, 0), (2, 1)])
async def test_a_list_of_ids_has_one_to_a_hundred_different_ones(
    world: World, count: int, repeat: int
) -> None:
    client = await world.client()
    ids = [new_id() for _ in range(count)]
    before = await world.footprint()

    with pytest.raises(Refusals):
        await notifications.mark_read(world.as_(client), [*ids, *ids[:repeat]])

    assert await world.footprint() == before


async def test_a_mark_under_a_key_happens_once(world: World) -> None:
    client, gig_id = await client_with(world, 1)
    keyed = world.as_(client, key="k")
    first = await notifications.mark_all_read(keyed, category=None)
    await world.application(await world.freelancer(), gig_id)

    with pytest.raises(Replayed) as repeat:
        await notifications.mark_all_read(keyed, category=None)

    assert repeat.value.receipt == Receipt(first.entity_id, Outcome.REPLAYED, first.position)
    assert await counts(world, client) == (1, 1)


async def test_a_mark_takes_few_statements_however_many_it_marks(world: World) -> None:
    client, _ = await client_with(world, 5)
    ids = await feed_of(world, client)

    with counting_statements() as of_one:
        await notifications.mark_read(world.as_(client), ids[:1])
    with counting_statements() as of_four:
        await notifications.mark_read(world.as_(client), ids[1:])
    with counting_statements() as of_all:
        await notifications.mark_seen(world.as_(client), up_to=None)

    # Find them, change them, lock the head, count, tell.
    assert dict(of_one) == dict(of_four) == {"select": 2, "update": 1, "insert": 1, "with": 1}
    assert sum(of_all.values()) == 2


async def test_telling_takes_no_statement_of_its_own(world: World) -> None:
    client, gig_id = await client_with(world, 0)
    taken = []

    for is_on in (True, False):
        await notifications.set_preference(
            world.as_(client), NotificationCategory.APPLICATIONS, IN_APP, is_on=is_on
        )
        freelancer = await world.freelancer()
        with counting_statements() as hot:
            application_id = await world.application(freelancer, gig_id)
        with counting_statements() as ordinary:
            await applications.mark_application_viewed(world.as_(client), application_id)
        taken.append((dict(hot), dict(ordinary)))

    assert taken == [({"select": 1, "with": 1}, {"select": 3, "update": 1, "with": 1})] * 2
    assert len(await feed_of(world, client)) == 1


# -- at once -------------------------------------------------------------------------------------------------------------


async def test_the_counts_that_are_told_include_what_was_told_before_them(world: World) -> None:
    client, gig_id = await client_with(world, 2)
    stream = f"user:{client.user_id}"
    first, _ = await feed_of(world, client)

    async with world.services.db.transaction(actor_id=None, at=world.clock()) as tx:
        await tx.lock_heads(stream)
        marking = asyncio.create_task(notifications.mark_read(world.as_(client), [first]))
        await world.somebody_waits()
        tx.emit(
            GigExpired(
                gig_id=gig_id, owner_id=client.user_id, is_public=True, before=GigStatus.OPEN, after=GigStatus.EXPIRED,
                at=world.clock(),
            )
        )  # fmt: skip
    receipt = await marking

    assert receipt.position == Position(stream, 5)  # the gig, two bids, its end, this
    assert await changes_told(world, client) == [(2, 2)]
    assert await counts(world, client) == (2, 2)


async def test_counts_are_exact_while_eight_people_apply_and_the_client_marks(world: World) -> None:
    client, gig_id = await client_with(world, 8)
    known = await feed_of(world, client)
    people = [await world.freelancer() for _ in range(8)]
    as_client = world.as_(client)
    marks = [
        *(notifications.mark_read(as_client, [known[i], known[i - 1]]) for i in range(4)),
        *(notifications.mark_unread(as_client, [known[i + 1], known[i]]) for i in range(2)),
        notifications.mark_seen(as_client, up_to=None),
        notifications.archive(as_client, known[5:7]),
    ]

    outcomes = await race([*(world.application(person, gig_id) for person in people), *marks])

    assert kinds(outcomes) == {"UUID": 8, "Receipt": 8}
    facts = await world.rows(
        "select kind, payload from fact where stream = :stream order by number",
        stream=f"user:{client.user_id}",
    )
    last = max(place for place, fact in enumerate(facts) if fact.kind == "NotificationsChanged")
    since = len(facts) - 1 - last
    unseen, unread = await counts(world, client)
    assert (facts[last].payload["unseen"] + since, facts[last].payload["unread"] + since) == (unseen, unread)
    rows = await world.rows(
        "select count(*) filter (where seen_at is null and archived_at is null),"
        " count(*) filter (where read_at is null and archived_at is null), count(*)"
        " from notification where user_id = :id",
        id=client.user_id,
    )
    assert tuple(rows[0]) == (unseen, unread, 16)


async def test_eight_equal_marks_at_once_are_one_change(world: World) -> None:
    client, _ = await client_with(world, 3)

    outcomes = await race(notifications.mark_all_read(world.as_(client), category=None) for _ in range(8))

    applied = [o for o in outcomes if isinstance(o, Receipt) and o.outcome is Outcome.APPLIED]
    assert kinds(outcomes) == {"Receipt": 8}
    assert (len(applied), await changes_told(world, client)) == (1, [(0, 0)])
