"""Every row has a home: a user or a gig. Each use case says here which homes it writes.

The fewer homes an act writes, the easier the data is divided among several databases one day. The market stream is a home
of its own, for everybody's eyes.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from uuid import UUID

import pytest

from auth.viewer import ANONYMOUS
from models.application import DeclineReason, WithdrawReason
from models.contract import EndReason
from models.feedback import AXES
from models.ids import new_id
from models.kept_words import ReportOutcome, ReportReason
from models.message import Content
from models.notice import NotificationCategory
from models.notification import NotificationChannel
from models.profile import SkillLevel
from models.recommendation import DismissReason
from models.store.sql import Receipt
from models.task import TaskRelationKind
from models.user import Role
from resolvers import (
    accounts,
    administration,
    applications,
    boards,
    contracts,
    drafts,
    feedback,
    gigs,
    invitations,
    message_reports,
    messages,
    notifications,
    profiles,
    projection,
    recommendation_feedback,
    rooms,
    scheduled_messages,
    snippet_shares,
    snippet_talk,
    snippets,
    task_files,
    task_talk,
    tasks,
    threads,
)
from resolvers.profiles import Expertise
from tests.resolvers.boards import BOTTOM, TOP, board_stage
from tests.resolvers.snippets import shelf
from tests.world import PASSWORD, World

# Where a row lives, in SQL. A job lives with its subject, a remark with its author, a board and all on it with its gig, a
# snippet and all on it with its owner.
HOMES = {
    "users": "'user:' || id",
    "session": "'user:' || user_id",
    "refresh_token": "'user:' || (select user_id from session where session.id = session_id)",
    "freelancer_profile": "'user:' || user_id",
    "client_profile": "'user:' || user_id",
    "freelancer_skill": "'user:' || freelancer_id",
    "saved_gig": "'user:' || user_id",
    **dict.fromkeys(
        ("recommendation_list", "recommendation_dismissal", "hidden_client"), "'user:' || user_id"
    ),
    "recommendation_shown": "(select 'user:' || user_id from recommendation_list as l where l.id = list_id)",
    "remark": "'user:' || author_id",
    "idempotency_key": "'user:' || actor_id",
    "gig": "'gig:' || id",
    "gig_skill": "'gig:' || gig_id",
    "gig_question": "'gig:' || gig_id",
    "gig_word": "'gig:' || gig_id",
    "gig_invitation": "'gig:' || gig_id",
    "application": "'gig:' || gig_id",
    "application_answer": "'gig:' || (select gig_id from application where application.id = application_id)",
    "contract": "'gig:' || gig_id",
    "feedback": "'gig:' || gig_id",
    # An upload is its maker's until it hangs on something.
    "attachment": "coalesce((select 'gig:' || gig_id from board where board.id = board_id), 'room:' || room_id, 'user:' || uploader_id)",
    "notification": "'user:' || user_id",
    "notification_preference": "'user:' || user_id",
    "board": "'gig:' || gig_id",
    **dict.fromkeys(
        (
            "board_column",
            "board_label",
            "board_text",
            "board_act",
            "task",
            "task_stay",
            "task_relation",
            "task_checklist",
            "task_checklist_item",
            "task_comment",
        ),
        "'gig:' || (select gig_id from board where board.id = board_id)",
    ),
    **dict.fromkeys(
        ("task_assignee", "task_watcher", "task_label"),
        "'gig:' || (select gig_id from board join task on board.id = board_id where task.id = task_id)",
    ),
    **dict.fromkeys(
        ("task_mention", "task_reaction"),
        "'gig:' || (select gig_id from board join task_comment on board.id = board_id "
        "where task_comment.id = comment_id)",
    ),
    "snippet": "'user:' || owner_id",
    **dict.fromkeys(
        ("snippet_version", "snippet_text", "snippet_comment", "snippet_share"),
        "'user:' || (select owner_id from snippet where snippet.id = snippet_id)",
    ),
    "snippet_mention": "'user:' || (select owner_id from snippet join snippet_comment on snippet.id = snippet_id "
    "where snippet_comment.id = comment_id)",
    "submitted_snippet": "'gig:' || (select gig_id from contract where contract.id = contract_id)",
    "message_draft": "'user:' || author_id",
    "thread_follow": "'user:' || user_id",
    "scheduled_message": "'user:' || author_id",
    # With whoever decides: administrators.
    "message_report": "'admin'",
    "chat_pace": "case when user_id = '00000000-0000-0000-0000-000000000000' then 'room:' || room_id else 'user:' || user_id end",
    "job": "case when kind in ('end_suspension', 'finish_erasure') then 'user:' || subject_id else "
    "coalesce((select 'user:' || author_id from scheduled_message where scheduled_message.id = subject_id), "
    "(select 'admin' from message_report where message_report.id = subject_id), "
    "'gig:' || coalesce((select gig_id from contract where contract.id = subject_id), "
    "(select gig_id from board where board.id = subject_id), subject_id)) end",
    "admin_act": "'user:' || account_id",
    **dict.fromkeys(
        ("stream_head", "fact"),
        "coalesce((select 'gig:' || gig_id from board where 'board:' || board.id = stream), "
        "(select 'user:' || owner_id from snippet where 'snippet:' || snippet.id = stream), "
        "regexp_replace(stream, '^roomstate:', 'room:'))",
    ),
    "room": "coalesce('gig:' || gig_id, 'room:' || id)",
    "room_member": "(select coalesce('gig:' || gig_id, 'room:' || id) from room where room.id = room_id)",
    **dict.fromkeys(
        ("room_message", "room_progress", "room_notice"),
        "(select coalesce('gig:' || gig_id, 'room:' || id) from room where room.id = room_id)",
    ),
    "chat_preference": "'user:' || user_id",
    "person_seen": "'user:' || user_id",
    "person_status": "'user:' || user_id",
    "person_block": "'user:' || blocker_id",
    "chat_fact": "'room:' || room_id",
    "chat_key": "coalesce((select 'user:' || owner_id from snippet where snippet.id = room_id), 'room:' || room_id)",
    "chat_word": "'room:' || room_id",
}
# Written by the operator's commands, not by anybody's act.
OF_THE_PLATFORM = {"chat_mark", "skill", "skill_name", "stream_epoch", "seed_version", "alembic_version"}


async def homes_written(world: World, act: Awaitable[object], names: Mapping[str, UUID | None]) -> set[str]:
    """The homes of all rows that `act` wrote, by the names of who and what they are.

    Rows are told by the transaction that wrote them: tests of one worker run one after the other, in a database of their own.
    """
    before = (
        await world.rows("select cast(cast(pg_snapshot_xmax(pg_current_snapshot()) as text) as bigint)")
    )[0]
    await act
    found: set[str] = set()
    for table, home in HOMES.items():
        statement = f"select distinct {home} from {table} where cast(cast(xmin as text) as bigint) >= :before"
        found |= {str(row[0]) for row in await world.rows(statement, before=before[0])}
    called = {str(id): name for name, id in names.items()}
    return {":".join(called.get(part, part) for part in home.split(":")) for home in found}


async def test_every_table_has_a_home_or_belongs_to_the_platform(world: World) -> None:
    rows = await world.rows("select table_name from information_schema.tables where table_schema = 'public'")

    assert {row[0] for row in rows} == HOMES.keys() | OF_THE_PLATFORM


@pytest.mark.long
async def test_each_use_case_writes_the_homes_that_it_says(world: World) -> None:
    client, freelancer, other = await world.client(), await world.freelancer(), await world.freelancer()
    assert freelancer.user_id is not None
    python = await world.skill()
    gig_id = await world.draft(client)
    names = {
        "gig": gig_id,
        "client": client.user_id,
        "freelancer": freelancer.user_id,
        "other": other.user_id,
    }
    as_client, as_freelancer, as_other = (world.as_(viewer) for viewer in (client, freelancer, other))
    ids: dict[str, UUID] = {}

    async def keep(name: str, act: Awaitable[Receipt]) -> None:
        ids[name] = (await act).entity_id

    market = {"gig:gig", "market"}
    concerned = {"gig:gig", "user:freelancer"}
    # Whoever is notified learns of it in a stream of their own.
    told = {"user:client"}
    by_other = {"gig:gig", "user:other"} | told
    story: list[tuple[Callable[[], Awaitable[object]], set[str]]] = [
        (
            lambda: profiles.edit_freelancer(as_freelancer, {"headline": "B"}, expected_version=None),
            {"user:freelancer", "market"},
        ),
        (
            lambda: profiles.set_expertise(
                as_freelancer, [Expertise(python, SkillLevel.EXPERT, 3)], expected_version=None
            ),
            {"user:freelancer", "market"},
        ),
        (
            lambda: profiles.edit_client(as_client, {"company": "C"}, expected_version=None),
            {"user:client", "market"},
        ),
        (lambda: accounts.add_role(as_other, role=Role.CLIENT), {"user:other"}),
        (lambda: accounts.revoke_session(as_other, session_id=None), {"user:other"}),
        (lambda: gigs.edit_gig(as_client, gig_id, {"title": "T"}, expected_version=None), {"gig:gig"}),
        (lambda: gigs.publish_gig(as_client, gig_id), market),
        (lambda: gigs.pause_gig(as_client, gig_id), market),
        (lambda: gigs.resume_gig(as_client, gig_id), market),
        (
            lambda: recommendation_feedback.dismiss(
                as_other, gig_id, freelancer_id=None, reason=DismissReason.PRICE
            ),
            {"user:other"},
        ),
        (lambda: recommendation_feedback.hide_client(as_other, gig_id), {"user:other"}),
        (lambda: gigs.save_gig(as_other, gig_id), {"user:other"}),
        # A row that is gone cannot be asked where it lived.
        (lambda: gigs.unsave_gig(as_other, gig_id), set()),
        (
            lambda: keep(
                "invitation",
                invitations.invite_freelancer(
                    as_client, gig_id, freelancer_id=freelancer.user_id or new_id(), message="Come."
                ),
            ),
            concerned | {"user:client"},
        ),
        (
            lambda: invitations.answer_invitation(as_freelancer, ids["invitation"], accepts=True, note=None),
            concerned | told,
        ),
        (
            lambda: keep("bid", applications.submit_application(as_freelancer, gig_id, world.bid())),
            concerned | told,
        ),
        (
            lambda: applications.edit_application(
                as_freelancer, ids["bid"], {"cover_letter": "L"}, expected_version=None
            ),
            concerned | told,
        ),
        (
            lambda: keep("second", applications.submit_application(as_other, gig_id, world.bid())),
            by_other,
        ),
        (
            lambda: applications.withdraw_application(
                as_other, ids["second"], reason=WithdrawReason.TERMS, note="No."
            ),
            by_other,
        ),
        (
            lambda: keep("third", applications.submit_application(as_other, gig_id, world.bid())),
            by_other,
        ),
        (
            lambda: applications.decline_application(
                as_client, ids["third"], reason=DeclineReason.PRICE, message="No."
            ),
            {"gig:gig", "user:other", "user:client"},
        ),
        (lambda: applications.mark_application_viewed(as_client, ids["bid"]), concerned),
        (lambda: applications.shortlist_application(as_client, ids["bid"]), concerned),
        (lambda: keep("work", applications.accept_application(as_client, ids["bid"])), concerned | market),
        (
            lambda: contracts.report_progress(
                as_freelancer, ids["work"], percent=50, note="Half.", expected_version=None
            ),
            concerned | told,
        ),
        (lambda: contracts.pause_contract(as_freelancer, ids["work"], note=None), concerned | told),
        (lambda: contracts.resume_contract(as_client, ids["work"]), concerned),
        (lambda: contracts.submit_work(as_freelancer, ids["work"], note=None), concerned | told),
        (lambda: contracts.approve_work(as_client, ids["work"]), concerned | market),
        (
            lambda: keep(
                "said",
                feedback.leave_feedback(as_client, ids["work"], axes=dict.fromkeys(AXES, 5), comment="Good."),
            ),
            concerned,
        ),
        # The rating is a sum in the profile of the one spoken of, so a reveal reaches both sides.
        (
            lambda: feedback.leave_feedback(
                as_freelancer, ids["work"], axes=dict.fromkeys(AXES, 5), comment="Good."
            ),
            concerned | {"user:client"},
        ),
        (lambda: feedback.reply_to_feedback(as_freelancer, ids["said"], body="Thanks."), concerned | told),
        (lambda: notifications.mark_seen(as_client, up_to=None), {"user:client"}),
        (lambda: notifications.mark_all_read(as_freelancer, category=None), {"user:freelancer"}),
        (
            lambda: notifications.set_preference(
                as_other,
                NotificationCategory.CONTRACTS,
                NotificationChannel.EMAIL,
                is_on=True,
            ),
            {"user:other"},
        ),
    ]

    for act, expected in story:
        assert await homes_written(world, act(), names) == expected


async def test_an_account_begins_in_one_home(world: World) -> None:
    email = f"{new_id().hex}@example.com"
    op = world.as_(ANONYMOUS)

    registered = await homes_written(
        world,
        accounts.register_account(op, email=email, password=PASSWORD, name="N", roles=[Role.CLIENT]),
        {},
    )
    returned = await homes_written(world, accounts.create_session(op, email=email, password=PASSWORD), {})

    assert len(registered) == 1
    assert returned == registered


async def test_what_is_done_to_an_account_is_written_at_home_in_the_audit_and_for_administrators(
    world: World,
) -> None:
    admin, person = await world.admin(), await world.client()
    names = {"admin": admin.user_id, "person": person.user_id}

    homes = await homes_written(
        world,
        administration.suspend_account(world.as_(admin), person.require_user(), reason="Spam.", until=None),
        names,
    )

    # The reason is a remark, which lives with its author; `admin` alone is the stream.
    assert homes == {"user:person", "user:admin", "admin", "market"}


async def test_a_contract_that_ends_early_writes_the_gig_the_freelancer_and_the_market(world: World) -> None:
    hired = await world.hired()
    names = {"gig": hired.gig_id, "client": hired.client.user_id, "freelancer": hired.freelancer.user_id}

    homes = await homes_written(
        world,
        contracts.end_contract(
            world.as_(hired.client), hired.contract_id, reason=EndReason.OTHER, note="Over."
        ),
        names,
    )

    assert homes == {"gig:gig", "user:freelancer", "user:client", "market"}


@pytest.mark.long
async def test_each_act_on_a_board_writes_its_gig_and_whom_it_speaks_to(world: World) -> None:
    stage = await board_stage(world)
    hired, client, freelancer = stage.hired, stage.client, stage.freelancer
    names = {"gig": hired.gig_id, "client": hired.client.user_id, "freelancer": hired.freelancer.user_id}
    me = freelancer.viewer.require_user()
    one, two = await stage.task(), await stage.task()
    ids: dict[str, UUID] = {}

    async def keep(name: str, act: Awaitable[boards.Done]) -> None:
        receipt, done = await act
        ids[name] = receipt.entity_id
        if done is not None:
            ids["act"] = done.id

    async def upload() -> None:
        ids["file"] = await world.upload(hired.freelancer)

    move = tasks.Move(task_id=one, column_id=stage.columns["Done"], position=TOP)
    gig, told = {"gig:gig"}, {"gig:gig", "user:freelancer"}
    story: list[tuple[Callable[[], Awaitable[object]], set[str]]] = [
        (
            lambda: boards.edit_board(client, stage.id, {"progress_follows": True}, expected_version=None),
            gig,
        ),
        (
            lambda: boards.move_column(client, stage.columns["Done"], position=TOP),
            gig,
        ),
        (
            lambda: boards.edit_column(
                client, stage.columns["Done"], {"name": "Ready"}, expected_version=None
            ),
            gig,
        ),
        (lambda: boards.remove_column(client, stage.columns["Cancelled"]), gig),
        (lambda: keep("label", boards.add_label(client, stage.id, {"name": "A", "color": "#000000"})), gig),
        (
            lambda: tasks.edit_task(
                client, one, {"assignee_ids": [me], "label_ids": [ids["label"]]}, expected_version=None
            ),
            told,
        ),
        (lambda: boards.edit_label(client, ids["label"], {"name": "B"}), gig),
        (lambda: boards.remove_label(client, ids["label"]), gig),
        (lambda: stage.move(one, "In progress"), gig),
        (lambda: tasks.move_tasks(freelancer, stage.id, [move], all_or_nothing=True), gig),
        (
            lambda: tasks.edit_tasks(
                freelancer, stage.id, [tasks.Edit(two, {"estimate": 3})], all_or_nothing=True
            ),
            gig,
        ),
        (lambda: tasks.relate_tasks(client, one, two, TaskRelationKind.RELATES, is_on=True), gig),
        (lambda: tasks.watch_task(freelancer, two, is_on=True), gig),
        (lambda: keep("list", task_talk.add_checklist(client, one, "L")), gig),
        (lambda: keep("item", task_talk.add_item(client, ids["list"], {"text": "I"})), gig),
        (lambda: task_talk.edit_item(client, ids["item"], {"is_done": True}), gig),
        (lambda: task_talk.remove_item(client, ids["item"]), gig),
        (lambda: task_talk.remove_checklist(client, ids["list"]), gig),
        (upload, {"user:freelancer"}),
        (lambda: task_files.attach(freelancer, one, ids["file"]), gig),
        (lambda: task_files.detach(client, ids["file"]), gig),
        (
            lambda: keep("said", task_talk.add_comment(client, one, "Hear.", answers_id=None, mentions=[me])),
            told,
        ),
        (lambda: task_talk.edit_comment(client, ids["said"], "Hear!"), gig),
        (lambda: task_talk.react(freelancer, ids["said"], "👍", is_on=True), gig),
        (lambda: task_talk.delete_comment(client, ids["said"]), gig),
        (lambda: keep("archived", tasks.archive_task(client, one)), gig),
        (lambda: boards.undo(client, ids["act"]), gig),
        (lambda: tasks.archive_task(client, two), gig),
        (lambda: tasks.restore_task(client, two, column_id=None, position=BOTTOM), gig),
    ]

    for at, (act, expected) in enumerate(story):
        assert (at, await homes_written(world, act(), names)) == (at, expected)


async def test_each_act_on_a_snippet_writes_its_owner_and_whom_it_speaks_to(world: World) -> None:
    hired = await world.hired()
    made = await shelf(world, hired=hired)
    names = {"gig": hired.gig_id, "client": hired.client.user_id, "freelancer": hired.freelancer.user_id}
    own, told = {"user:client"}, {"user:client", "user:freelancer"}
    ids: dict[str, UUID] = {}

    async def keep(name: str, act: Awaitable[UUID]) -> None:
        ids[name] = await act

    async def keep_shared() -> None:
        rooms_of_two = await world.rows("select id from room where contract_id = :id", id=hired.contract_id)
        shared = await snippet_shares.share_with_room(
            made.owner, made.id, rooms_of_two[0].id, may_revise=False
        )
        ids["shared"] = shared.entity_id

    async def submit() -> None:
        rows = await world.rows("select id, sha256 from snippet_version where snippet_id = :id", id=made.id)
        named = [snippets.NamedVersion(rows[0].id, rows[0].sha256)]
        await contracts.submit_work(made.other, hired.contract_id, note=None, snippets=named)

    story: list[tuple[Callable[[], Awaitable[object]], set[str]]] = [
        (lambda: made.revise("x"), own),
        (lambda: keep("said", made.say()), own),
        (lambda: made.answer(ids["said"], mentions=[hired.freelancer.require_user()]), told),
        (lambda: snippet_talk.resolve_thread(made.owner, ids["said"]), told),
        (lambda: snippet_talk.reopen_thread(made.owner, ids["said"]), own),
        (lambda: snippet_talk.edit_comment(made.other, ids["said"], "Well."), own),
        (lambda: snippet_talk.delete_comment(made.other, ids["said"]), own),
        (lambda: snippets.rename_snippet(made.owner, made.id, {"title": "T"}, expected_version=None), own),
        (lambda: snippet_shares.end_share(made.owner, made.share_id), own),
        (
            lambda: snippet_shares.share_with_contract(
                made.owner, made.id, hired.contract_id, may_revise=True
            ),
            told,
        ),
        (keep_shared, {"user:client", "user:freelancer"}),
        (lambda: snippet_shares.end_share(made.owner, ids["shared"]), own),
        (lambda: snippets.archive_snippet(made.owner, made.id), own),
        (submit, {"gig:gig", "user:freelancer", "user:client"}),
    ]

    for at, (act, expected) in enumerate(story):
        assert (at, await homes_written(world, act(), names)) == (at, expected)


async def test_what_is_kept_beside_a_room_is_at_home_with_its_author_and_reports_with_administrators(
    world: World,
) -> None:
    one, other, admin = await world.client(), await world.freelancer(), await world.admin()
    assert other.user_id is not None
    room_id = (await rooms.open_direct(world.as_(one), other.user_id)).entity_id
    said, _ = await messages.send_message(world.as_(other), room_id, Content("hello"))
    await messages.send_message(world.as_(one), room_id, Content("hello"))
    names = {"one": one.user_id, "other": other.user_id, "room": room_id, "deciding": admin.user_id}
    op, later = world.as_(one), world.clock() + timedelta(days=1)
    await projection.project(op, room_id)
    reports: list[UUID] = []

    async def report() -> None:
        made = await message_reports.report_message(op, room_id, said.entity_id, ReportReason.SPAM, note=None)
        reports.append(made.entity_id)

    homes = [
        await homes_written(world, act(), names)
        for act in (
            lambda: drafts.save_draft(op, room_id, None, Content("d"), expected_version=None),
            lambda: scheduled_messages.schedule_message(op, room_id, Content("s"), send_at=later),
            lambda: threads.set_follow(op, room_id, said.entity_id, is_on=True),
            report,
            lambda: message_reports.resolve_report(
                world.as_(admin), reports[0], ReportOutcome.REMOVED, note=None
            ),
        )
    ]

    # The first report of a room makes the key that seals it.
    assert homes == [*[{"user:one"}] * 3, {"admin", "room:room"}, {"admin", "user:one", "user:other"}]
