"""Erasing an account: nothing of the person is left in any table, and everything of everybody else is."""

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from auth.viewer import ANONYMOUS, SignInRequired, Viewer
from models.application import ApplicationStatus, DeclineReason, WithdrawReason
from models.chat import SYSTEM, ChatDraft, ChatKind, Sealed
from models.chat_cipher import Place
from models.contract import EndReason
from models.errors import NotAllowed
from models.gig import Gig
from models.gig_content import Question
from models.gig_workflow import GigStatus
from models.ids import encode_id, new_id
from models.kept_words import ReportOutcome, ReportReason
from models.message import Content
from models.notice import NotificationCategory
from models.notification import NotificationChannel
from models.pace import ChatPaces, Pace
from models.person_status import Saying
from models.profile import SkillLevel
from models.recommendation import DismissReason, RecommendationKind, RecommendationList
from models.registry import metadata
from models.room import RoomRole
from models.store.chat_keys import Unreadable
from models.store.files import DirectoryFiles
from models.user import (
    ERASED_NAME,
    AccountGone,
    ContractsActive,
    LastSuperAdmin,
    Role,
    SessionEnded,
    User,
    UserStatus,
    WrongCredentials,
    WrongPassword,
)
from resolvers import (
    accounts,
    applications,
    contracts,
    drafts,
    feedback,
    files,
    gigs,
    invitations,
    message_reports,
    messages,
    notifications,
    person_status,
    profiles,
    projection,
    reading,
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
from resolvers.administration import suspend_account
from resolvers.applications import Answer
from resolvers.erasure import (
    ERASED_FILE,
    ERASED_GROUP,
    ERASED_SNIPPET,
    ERASED_TITLE,
    FINISH,
    erase_account_of,
    erase_own_account,
)
from resolvers.jobs import run_due_jobs
from resolvers.operation import Operation, Rules
from resolvers.room_members import names_in_rooms
from tests.resolvers.boards import board_stage
from tests.resolvers.rooms import direct, group, id_of, read, said, say, texts, told
from tests.resolvers.snippets import keep
from tests.schema.stage import AXES
from tests.world import PASSWORD, Hired, World, kinds, race, services_of

WORD = "quillon"
"""In everything that the person wrote, and in nothing else."""

WRITTEN_IN = {
    "users", "remark", "application", "feedback", "task_comment", "gig", "gig_word", "room", "snippet", "snippet_version",
    "attachment",
}  # fmt: skip
"""What is sealed shows nothing of it: messages, code, comments on code."""

GONE = {
    "board_act.actor_id", "chat_pace.user_id", "message_draft.author_id", "scheduled_message.author_id", "chat_key.author_id", "chat_preference.user_id", "person_seen.user_id", "person_status.user_id", "chat_word.author_id",
    "freelancer_skill.freelancer_id", "hidden_client.client_id", "hidden_client.user_id", "idempotency_key.actor_id",
    "notification.user_id", "notification_preference.user_id", "person_block.blocker_id",
    "recommendation_dismissal.freelancer_id", "recommendation_dismissal.user_id", "recommendation_list.user_id",
    "saved_gig.user_id", "session.user_id", "thread_follow.user_id",
}  # fmt: skip
"""Of these no row is left."""

_WORK = "the other side's contract, and how it came about"
_TASK = "the board is the other side's record of the work; an id without a name"
_SEALED = "sealed under a key that is destroyed; the other side keeps that something was said, and when"
KEPT = {
    "admin_act.account_id": "the audit log is not changed by anybody",
    "admin_act.actor_id": "the audit log is not changed by anybody",
    "application.client_id": _WORK,
    "application.freelancer_id": _WORK,
    "attachment.uploader_id": "what hangs on a task is work; its name goes",
    "board.client_id": _TASK,
    "board_text.author_id": _TASK,
    "chat_fact.author_id": _SEALED,
    "client_profile.user_id": "gigs refer to it; emptied",
    "contract.client_id": _WORK,
    "contract.freelancer_id": _WORK,
    "fact.actor_id": "facts are never changed; they hold ids and numbers",
    "fact.owner_id": "facts are never changed; they hold ids and numbers",
    "fact.person_id": "facts are never changed; they hold ids and numbers",
    "feedback.author_id": "the rating is the other's; its words go",
    "feedback.subject_id": "what the other side wrote is theirs",
    "freelancer_profile.user_id": "contracts refer to it; emptied",
    "gig.client_id": "gigs that somebody worked for stay; others are emptied",
    "gig_invitation.client_id": _WORK,
    "gig_invitation.freelancer_id": _WORK,
    "message_report.author_id": "what administrators decided; evidence and reasons go",
    "message_report.reporter_id": "what administrators decided; what the person said goes",
    "message_report.resolver_id": "what administrators decided",
    "notification.actor_id": "somebody else's feed; it shows the name of today, which is none",
    "person_block.blocked_id": "whom others have blocked is theirs",
    "recommendation_list.subjects": "what others were recommended, for ninety days, by ids",
    "remark.author_id": "emptied; reasons that administrators gave about others stay",
    "room.high_id": "the room is the other side's, too",
    "room.low_id": "the room is the other side's, too",
    "room_member.user_id": "the room is the other side's, too; preferences go",
    "room_message.author_id": _SEALED,
    "room_message.mention_ids": _SEALED,
    "snippet.owner_id": "versions that were handed in refer to it; its title goes",
    "snippet_comment.author_id": _SEALED,
    "snippet_comment.resolved_by": _SEALED,
    "snippet_mention.user_id": _SEALED,
    "snippet_text.author_id": _SEALED,
    "snippet_version.author_id": "what was handed in stays named by its hash; " + _SEALED,
    "task.creator_id": _TASK,
    "task_assignee.user_id": _TASK,
    "task_checklist_item.assignee_id": _TASK,
    "task_comment.author_id": _TASK + "; emptied",
    "task_mention.user_id": _TASK,
    "task_reaction.user_id": _TASK,
    "task_watcher.user_id": _TASK,
}
"""Of these rows stay, and why: what the person wrote in them is emptied, or cannot be read any more."""


OF_ADMINISTRATORS = {"admin_act.actor_id", "message_report.resolver_id"}


def columns_of_people() -> list[str]:
    """Whatever refers to somebody by id: by a foreign key, or by its name where the thing may be elsewhere."""
    people = {"users.id", "freelancer_profile.user_id", "client_profile.user_id"}
    return [
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if people & {key.target_fullname for key in column.foreign_keys}
        or (
            not column.foreign_keys and isinstance(column.type, sa.Uuid) and _OF_PEOPLE.fullmatch(column.name)
        )
        or (isinstance(column.type, ARRAY) and isinstance(column.type.item_type, sa.Uuid))
    ]


_OF_PEOPLE = re.compile(r"(.+_)?(user|author|actor|owner|person|client|freelancer|member)_id")


async def columns_with(world: World, user_id: UUID, *, with_none: bool = False) -> dict[str, int]:
    """In how many rows each of these columns names this person."""
    found = {}
    for name in columns_of_people():
        table, column = name.split(".")
        is_list = isinstance(metadata.tables[table].c[column].type, ARRAY)
        here = f":id = any({column})" if is_list else f"{column} = :id"
        count = (await world.rows(f"select count(*) from {table} where {here}", id=user_id))[0][0]
        if count or with_none:
            found[name] = count
    return found


async def person_of_word(world: World, *roles: Role) -> Viewer:
    op = Operation(world.services, ANONYMOUS, device=f"{WORD}'s telephone")
    receipt, credentials = await accounts.register_account(
        op, email=f"{WORD}.{new_id().hex}@example.com", password=PASSWORD, name=f"Q. {WORD}", roles=roles
    )
    viewer = world.services.tokens.viewer_of(credentials.access_token, now=world.clock())
    return replace(viewer, user_id=receipt.entity_id)


async def rows_with(world: World, word: str) -> dict[str, int]:
    """How many rows of which tables hold the word, in whatever column: what a dump would show."""
    tables = await world.rows(
        "select table_name from information_schema.tables where table_schema = 'public'"
    )
    found = {}
    for (table,) in tables:
        statement = f"select count(*) from {table} as t where cast(t as text) ilike :pattern"
        count = (await world.rows(statement, pattern=f"%{word}%"))[0][0]
        if count:
            found[table] = count
    return found


async def append(world: World, room_id: UUID, author: Viewer, text: str) -> None:
    """A message whose author was allowed to say it a moment before."""
    id = new_id()
    draft = ChatDraft(
        room_id=room_id, id=id, kind=ChatKind.SENT, message_id=id, author_id=author.require_user(), client_id=str(id),
        at=world.clock(), sealed=Sealed(id, b"to be sealed", b""),
    )  # fmt: skip
    words = Content(text).as_bytes
    sealed = await world.services.chat.keys.seal(words, Place.of(draft), at=world.clock())
    await world.services.chat.store.append_fact(replace(draft, sealed=sealed))


async def spoken(
    world: World, who: Viewer, room_id: UUID
) -> list[tuple[str | Unreadable | None, str | None]]:
    """What each message says and what its author is called, as a member reads it; the platform's own aside."""
    shown = [one for one in await read(world, who, room_id) if one.message.sent.author_id != SYSTEM]
    names = await names_in_rooms(world.as_(who), [one.message.sent.author_id for one in shown])
    return [
        (one.words.text if isinstance(one.words, Content) else one.words, names[one.message.sent.author_id])
        for one in shown
    ]


async def rooms_of(world: World, who: Viewer) -> list[UUID]:
    statement = "select room_id from room_member where user_id = :id and left_at is null"
    return [row.room_id for row in await world.rows(statement, id=who.user_id)]


async def recommended(world: World, viewer: Viewer, *subjects: UUID) -> None:
    """A list that was made for somebody, and the first place of it that they were shown."""
    log = world.services.recommender.log
    row = RecommendationList(
        id=new_id(), user_id=viewer.require_user(), kind=RecommendationKind.GIGS, model_version="1", basis="MODEL",
        made_at=world.clock(), subjects=list(subjects), points=[50] * len(subjects),
        placed_by=["SCORE"] * len(subjects),
    )  # fmt: skip
    log.made(row)
    log.shown(row.id, [(1, subjects[0], 50)], at=world.clock())
    await log.write(world.services.db, at=world.clock())


async def wrote_everywhere(world: World, me: Viewer) -> UUID:
    """The person wrote wherever one can write, and all work with them is over; a gig of theirs that is open."""
    mine, admin = world.as_(me), await world.admin()
    my_id = me.require_user()
    other_client, other_freelancer = await world.client(), await world.freelancer()
    about = {"headline": WORD, "overview": f"I am {WORD}.", "country": "DE", "languages": ["de"]}
    await profiles.edit_freelancer(mine, about, expected_version=None)
    await profiles.edit_client(mine, {"company": WORD, "about": WORD}, expected_version=None)
    await profiles.set_expertise(
        mine, [profiles.Expertise(await world.skill(), SkillLevel.EXPERT, 3)], expected_version=None
    )
    # A gig of theirs, with bids and an invitation.
    gig_id = await world.open_gig(
        me,
        title=f"Paint for {WORD}",
        description=f"Ask {WORD}.",
        questions=(Question(f"Do you know {WORD}?", is_required=False),),
    )
    await world.draft(me, title=f"A draft of {WORD}")
    bid = await world.application(other_freelancer, gig_id)
    await applications.decline_application(mine, bid, reason=DeclineReason.OTHER, message=f"{WORD} says no.")
    await invitations.invite_freelancer(
        mine, gig_id, freelancer_id=other_freelancer.require_user(), message=f"Come to {WORD}."
    )
    await gigs.save_gig(world.as_(me, key=f"{WORD}-1"), gig_id)
    # A bid of theirs, with an answer, and one that was taken back with a note.
    asked = await world.open_gig(other_client, questions=(Question("Who are you?"),))
    question = (await world.rows("select id from gig_question where gig_id = :id", id=asked))[0][0]
    await world.application(me, asked, cover_letter=f"{WORD} here.", answers=(Answer(question, WORD),))
    taken = await world.application(me, await world.open_gig(other_client), cover_letter=WORD)
    await applications.withdraw_application(mine, taken, reason=WithdrawReason.OTHER, note=f"{WORD} is busy.")
    # Work that is over, on both sides, with everything that is said about it.
    for hired in (
        await world.hired(client=me, title="A fence"),
        await world.hired(freelancer=me, title="A gate"),
    ):
        board = await board_stage(world, hired=hired)
        task_id = await board.task(assignee_ids=[my_id])
        comment, _ = await task_talk.add_comment(
            mine, task_id, f"{WORD} asks.", answers_id=None, mentions=[my_id]
        )
        await task_talk.edit_comment(mine, comment.entity_id, f"{WORD} asks again.")
        checklist, _ = await task_talk.add_checklist(mine, task_id, "Colours")
        await task_talk.add_item(mine, checklist.entity_id, {"text": "Green", "assignee_id": my_id})
        await task_talk.react(mine, comment.entity_id, "👍", is_on=True)
        await tasks.watch_task(mine, task_id, is_on=True)
        for name in ("held", "removed"):
            file_id = await world.upload(me, f"{name} {WORD}.txt")
            await task_files.attach(mine, task_id, file_id)
        await task_files.detach(mine, file_id)
        await world.upload(me, f"loose {WORD}.txt")
        await write_in_snippets(world, me, hired)
        await contracts.submit_work(
            world.as_(hired.freelancer), hired.contract_id, note=WORD if hired.freelancer == me else None
        )
        await contracts.approve_work(world.as_(hired.client), hired.contract_id)
        other = hired.freelancer if hired.client == me else hired.client
        await feedback.leave_feedback(mine, hired.contract_id, axes=AXES, comment=f"{WORD} was glad.")
        answered = await feedback.leave_feedback(
            world.as_(other), hired.contract_id, axes=AXES, comment="Good work."
        )
        await feedback.reply_to_feedback(mine, answered.entity_id, body=f"Thanks, {WORD}.")
        await group(world, me, other)
        await direct(world, me, other)
        for room_id in await rooms_of(world, me):
            thread_id = await said(world, me, room_id, f"{WORD} says hello.", mention_ids=(my_id,))
            await projection.project(mine, room_id)
            await threads.set_follow(mine, room_id, thread_id, is_on=False)
            await rooms.set_preference(mine, room_id, {"is_favorite": True})
        await write_in_room(world, me, other, await direct(world, me, other))
    await rooms.create_group(mine, f"{WORD} alone", [], is_read_only=False)
    await rooms.block_person(mine, other_client.require_user())
    await rooms.block_person(world.as_(other_freelancer), my_id)
    await reading.set_receipts(mine, is_on=False)
    await person_status.set_status(mine, Saying(f"{WORD} is away", "🌴"))
    world.services.last_seen.note(my_id, at=mine.now())
    await world.services.last_seen.write(world.services.db, at=mine.now())
    await notifications.set_preference(
        mine, NotificationCategory.SNIPPETS, NotificationChannel.IN_APP, is_on=False
    )
    open_elsewhere = await world.open_gig(await world.client())
    await recommended(world, me, open_elsewhere)
    await recommended(world, other_client, my_id)
    await invitations.invite_freelancer(
        world.as_(other_client), await world.open_gig(other_client), freelancer_id=my_id, message="Come."
    )
    await recommendation_feedback.dismiss(mine, asked, freelancer_id=None, reason=DismissReason.PRICE)
    await recommendation_feedback.hide_client(mine, open_elsewhere)
    await recommendation_feedback.hide_client(world.as_(await world.freelancer()), gig_id)
    until = world.clock() + timedelta(hours=1)
    await suspend_account(world.as_(admin), me.require_user(), reason=f"{WORD} shouted.", until=until)
    world.clock.move(timedelta(hours=2))
    await run_due_jobs(world.as_(ANONYMOUS))
    return gig_id


async def write_in_room(world: World, me: Viewer, other: Viewer, room_id: UUID) -> None:
    """What is kept beside messages: drafts, what is sent later, and reports in both directions."""
    admin, mine = await world.admin(), world.as_(me)
    await drafts.save_draft(mine, room_id, None, Content(f"{WORD} begins"), expected_version=None)
    await scheduled_messages.schedule_message(
        mine, room_id, Content(f"{WORD} later"), send_at=world.clock() + timedelta(days=9)
    )
    of_me, of_other = await said(world, me, room_id, WORD), await said(world, other, room_id)
    await message_reports.report_message(mine, room_id, of_other, ReportReason.SPAM, note=f"{WORD} minds.")
    report = await message_reports.report_message(
        world.as_(other), room_id, of_me, ReportReason.SPAM, note=f"It is {WORD}."
    )
    await message_reports.resolve_report(
        world.as_(admin), report.entity_id, ReportOutcome.WARNED, note=f"So it is, {WORD}."
    )


async def write_in_snippets(world: World, me: Viewer, hired: Hired) -> None:
    """In one of theirs, which is handed in and shared in both ways, and in one of the other side's."""
    mine, other = world.as_(me), hired.freelancer if hired.client == me else hired.client
    own = await keep(world, me, f"print({WORD!r})\n", title=f"{WORD} prints", message=f"{WORD} began.")
    theirs = await keep(world, other)
    for viewer, snippet_id in ((me, own), (other, theirs)):
        await snippet_shares.share_with_contract(
            world.as_(viewer), snippet_id, hired.contract_id, may_revise=True
        )
    await snippet_shares.share_by_link(mine, own, expires_at=world.clock() + timedelta(days=9))
    await snippets.revise_snippet(
        mine, theirs, content=f"# {WORD}\n", message=f"{WORD} was here.", expected_version=None
    )
    latest = (await world.rows("select latest_id from snippet where id = :id", id=theirs))[0][0]
    receipt = await snippet_talk.comment_lines(
        mine, snippet_talk.Lines(latest, 1, 1), f"{WORD} asks.", mentions=[me.require_user()]
    )
    await snippet_talk.resolve_thread(mine, receipt.entity_id)


async def test_nothing_of_the_person_is_left_in_any_table_and_others_keep_their_words(
    empty_world: World,
) -> None:
    paces = ChatPaces(sends_of_person=Pace(per_minute=100, burst=60))
    world = empty_world.with_rules(Rules(chat_paces=paces))
    older = await world.client()
    me = await person_of_word(world, Role.CLIENT, Role.FREELANCER)
    partner = await world.client("Paula")
    await direct(world, older, me)
    room_id = await direct(world, partner, me)
    await say(world, me, room_id, f"{WORD} speaking")
    await say(world, partner, room_id, "Paula answers")
    gig_id = await wrote_everywhere(world, me)
    before, named = await rows_with(world, WORD), await columns_with(world, me.require_user())

    receipt = await erase_own_account(world.as_(me), password=PASSWORD)

    # Whatever refers to people did to this one, so that nothing below holds for want of rows.
    assert set(columns_of_people()) - named.keys() == OF_ADMINISTRATORS
    assert before.keys() >= WRITTEN_IN
    assert await rows_with(world, WORD) == {}
    assert dict.fromkeys(GONE, 0) == {
        column: count
        for column, count in (await columns_with(world, me.require_user(), with_none=True)).items()
        if column in GONE
    }
    assert receipt.entity_id == me.user_id
    user = await world.get(User, me.require_user())
    assert (user.name, user.status, user.roles) == (ERASED_NAME, UserStatus.ERASED, [])
    gig = await world.gig(gig_id)
    assert (gig.status, gig.title, gig.description) == (GigStatus.CANCELLED, ERASED_TITLE, "")
    left = await world.rows("select status from application where freelancer_id = :id", id=me.user_id)
    assert {row[0] for row in left} == {ApplicationStatus.WITHDRAWN, ApplicationStatus.ACCEPTED}
    # What others need, and said.
    kept = await world.rows("select title from gig where title in ('A fence', 'A gate')")
    assert len(kept) == 2
    praise = await world.rows("select count(*) from feedback where comment = 'Good work.'")
    assert praise[0][0] == 2
    # The words of their chat cannot be opened any more, in any copy; those of others can.
    assert (await spoken(world, partner, room_id))[:2] == [
        (Unreadable.DESTROYED, ERASED_NAME), ("Paula answers", "Paula"),
    ]  # fmt: skip
    keys = await world.rows(
        "select author_id from chat_key where room_id = :id and author_id is not null", id=room_id
    )
    assert [row[0] for row in keys] == [partner.user_id]
    boss = await world.admin()
    reports = await world.rows("select id from message_report where author_id = :id", id=me.user_id)
    evidence = await message_reports.evidence_of(world.as_(boss), [row.id for row in reports])
    assert list(evidence.values()) == [Unreadable.DESTROYED] * 2
    # The audit log keeps what happened, without a word about the person.
    acts = await world.rows(
        "select kind, body from admin_act left join remark on remark.id = remark_id where account_id = :id order by at",
        id=me.user_id,
    )
    assert [tuple(row) for row in acts] == [("SUSPENDED", ""), ("RESTORED", None), ("ERASED", None)]


async def test_what_was_on_its_way_while_the_account_was_erased_is_erased_a_minute_later(
    empty_world: World,
) -> None:
    world = empty_world
    boss, me = await world.admin(Role.SUPER_ADMIN), await world.person(Role.CLIENT, Role.FREELANCER)
    partner = await world.client()
    room_id = await direct(world, partner, me)
    asked = await world.open_gig(partner)
    await erase_account_of(world.as_(boss), me.require_user(), reason="Asked by letter.")
    await append(world, room_id, me, "On its way.")
    mine = await group(world, me, partner)
    snippet_id = await keep(world, me, title=WORD, message=WORD)
    await snippet_shares.share_by_link(
        world.as_(me), snippet_id, expires_at=world.clock() + timedelta(days=1)
    )
    await world.upload(me, WORD)
    bid = await world.application(me, asked, cover_letter=WORD)
    draft = await world.draft(me, title=WORD)

    world.clock.move(timedelta(minutes=1))
    await run_due_jobs(world.as_(ANONYMOUS))

    assert await spoken(world, partner, room_id) == [(Unreadable.DESTROYED, ERASED_NAME)]
    assert await rows_with(world, WORD) == {}
    assert await owners(world, mine) == [partner.user_id]
    assert await world.rows("select 1 from snippet_share where ended_at is null") == []
    assert (await world.gig(draft)).title == ERASED_TITLE
    letter = await world.rows("select cover_letter from application where id = :id", id=bid)
    assert letter[0][0] == ""
    kept = await world.rows("select body from remark where author_id = :id", id=boss.user_id)
    assert [row[0] for row in kept] == ["Asked by letter."]
    done = await world.rows("select status from job where kind = :kind", kind=FINISH)
    assert [row[0] for row in done] == ["DONE"]


# -- what refers to people ---------------------------------------------------------------------------------------------


def test_whatever_refers_to_people_is_erased_or_kept_for_a_reason() -> None:
    """Of a new column of people, say here whether its rows go (`GONE`: let them in `_deleted`, and let the person have some in
    `wrote_everywhere`), or why they stay; what is written in rows that stay has to be emptied."""
    columns = set(columns_of_people())

    assert len(columns) > 50
    assert columns - GONE - KEPT.keys() == set(), "neither erased nor kept for a reason"
    assert (GONE | KEPT.keys()) - columns == set(), "no such column"
    assert GONE & KEPT.keys() == set()


# -- rooms -------------------------------------------------------------------------------------------------------------


async def owners(world: World, room_id: UUID) -> list[UUID]:
    statement = "select user_id from room_member where room_id = :id and role = 'OWNER' and left_at is null"
    return [row.user_id for row in await world.rows(statement, id=room_id)]


async def test_groups_go_on_under_who_is_there_longest_and_others_keep_their_owners(world: World) -> None:
    me, first, second = await world.client(), await world.freelancer(), await world.freelancer()
    owned = await group(world, me, second)
    world.clock.move(timedelta(minutes=1))
    await rooms.add_members(world.as_(me), owned, [id_of(first)])
    shared = await group(world, me, first, second)
    await rooms.set_role(world.as_(me), shared, id_of(second), RoomRole.OWNER)
    joined = await group(world, first, me)
    alone = await group(world, me)

    await erase_own_account(world.as_(me), password=PASSWORD)

    assert [await owners(world, room_id) for room_id in (owned, shared, joined, alone)] == [
        [second.user_id], [second.user_id], [first.user_id], [],
    ]  # fmt: skip
    assert (await told(world, owned))[-2:] == ["RoomMemberRoleSet", "RoomMemberLeft"]
    assert [(await told(world, room_id))[-2:] for room_id in (shared, joined, alone)] == [
        ["RoomMemberRoleSet", "RoomMemberLeft"], ["RoomMemberAdded", "RoomMemberLeft"], ["RoomMemberAdded", "RoomMemberLeft"],
    ]  # fmt: skip
    assert (await told(world, shared)).count("RoomMemberRoleSet") == 1
    titles = await world.rows("select title from room where id = any(:ids) order by id", ids=[owned, alone])
    assert [row.title for row in titles] == ["Fence", ERASED_GROUP]
    assert await rooms_of(world, me) == []


async def test_nobody_writes_to_who_is_gone_and_what_was_said_stays_to_be_read(world: World) -> None:
    done = await world.completed()
    me, other = done.client, done.freelancer
    private, fence = await direct(world, me, other), await group(world, other)
    for who in (me, other):
        await say(world, who, private, f"From {id_of(who)}.")
    message_id = (await read(world, other, private))[-1].message.id
    await erase_own_account(world.as_(me), password=PASSWORD)
    fixed = [room_id for room_id in await rooms_of(world, other) if room_id != fence]
    before = await world.footprint()

    refused = await race([
        *(say(world, other, room_id) for room_id in fixed),
        messages.edit_message(world.as_(other), private, message_id, Content("Anew.")),
        messages.react_to_message(world.as_(other), private, message_id, "👍", is_on=True),
        rooms.open_direct(world.as_(other), id_of(me)),
        rooms.add_members(world.as_(other), fence, [id_of(me)]),
        rooms.create_group(world.as_(other), "All", [id_of(me)], is_read_only=False),
    ])  # fmt: skip

    assert (len(fixed), kinds(refused)) == (3, {AccountGone.__name__: 8})
    assert await world.footprint() == before
    mine = (await world.rows("select name from users where id = :id", id=other.user_id))[0].name
    assert await spoken(world, other, private) == [
        (Unreadable.DESTROYED, ERASED_NAME), (f"From {id_of(other)}.", mine),
    ]  # fmt: skip


async def test_a_message_is_not_stored_once_it_is_known_that_its_author_is_suspended(world: World) -> None:
    admin, me, other = await world.admin(), await world.client(), await world.freelancer()
    room_id = await direct(world, me, other)
    await say(world, me, room_id, "Before.")
    elsewhere = World(services_of(world.services, world.clock), world.clock, world.schema)
    await suspend_account(elsewhere.as_(admin), me.require_user(), reason="Spam.", until=None)
    before = await world.footprint()

    # The table says it, though this process has not followed yet.
    assert world.services.revoked.loss_of(me, now=world.clock()) is None
    assert kinds(await race([say(world, me, room_id, "After.")])) == {SignInRequired.__name__: 1}

    assert await world.footprint() == before
    assert await texts(world, other, room_id) == ["Before."]


async def test_a_message_is_not_stored_if_its_author_is_suspended_while_it_is_made(world: World) -> None:
    admin, me, other = await world.admin(), await world.client(), await world.freelancer()
    room_id = await direct(world, me, other)

    outcomes = await race([
        *(say(world, me, room_id, f"{at}") for at in range(5)),
        suspend_account(world.as_(admin), me.require_user(), reason="Spam.", until=None),
    ])  # fmt: skip
    stored = await texts(world, other, room_id)
    late = await race([say(world, me, room_id, "After.")])

    assert kinds(outcomes)["tuple"] == len(stored)
    assert kinds(outcomes)["tuple"] + kinds(outcomes)[SignInRequired.__name__] == 5
    assert kinds(late) == {SignInRequired.__name__: 1}
    assert await texts(world, other, room_id) == stored


# -- snippets and files ------------------------------------------------------------------------------------------------


async def test_snippets_end_and_what_was_handed_in_is_named_without_its_content(world: World) -> None:
    hired = await world.hired()
    me, other = hired.freelancer, hired.client
    snippet_id = await keep(world, me, title="Adding", message="First.")
    await snippet_shares.share_with_contract(world.as_(me), snippet_id, hired.contract_id, may_revise=False)
    _, token = await snippet_shares.share_by_link(
        world.as_(me), snippet_id, expires_at=world.clock() + timedelta(days=9)
    )
    row = (await world.rows("select id, sha256 from snippet_version where snippet_id = :id", id=snippet_id))[
        0
    ]
    handed_in = [snippets.NamedVersion(row.id, row.sha256)]
    await contracts.submit_work(world.as_(me), hired.contract_id, note=None, snippets=handed_in)
    await contracts.approve_work(world.as_(other), hired.contract_id)

    await erase_own_account(world.as_(me), password=PASSWORD)

    assert await snippets.read_by_link(world.as_(ANONYMOUS), token) is None
    stream = await world.rows(
        "select kind from fact where stream = :stream order by number", stream=f"snippet:{snippet_id}"
    )
    assert [fact.kind for fact in stream][-2:] == ["SnippetShareEnded"] * 2
    title = await world.rows("select title from snippet where id = :id", id=snippet_id)
    assert title[0].title == ERASED_SNIPPET
    document = """query ($id: ID!) { contract(id: $id) { submittedSnippets {
        version { number sha256 lineCount message content snippet { title } } } } }"""
    shown = await world.data(other, document, id=encode_id("contract", hired.contract_id))
    version = {
        "number": 1, "sha256": row.sha256, "lineCount": 6, "message": None, "content": None, "snippet": None,
    }  # fmt: skip
    assert shown["contract"]["submittedSnippets"] == [{"version": version}]


async def test_files_lose_their_names_and_what_hangs_on_nothing_goes(
    empty_world: World, tmp_path: Path
) -> None:
    files_of = DirectoryFiles(tmp_path / "files")
    services = replace(empty_world.services, files=files_of)
    world = World(services, empty_world.clock, empty_world.schema)
    stage = await board_stage(world)
    me, task_id = stage.hired.freelancer, await stage.task()
    held, removed, _ = [await world.upload(me, name, name.encode()) for name in ("held", "removed", "loose")]
    for file_id in (held, removed):
        await task_files.attach(stage.freelancer, task_id, file_id)
    await task_files.detach(stage.freelancer, removed)
    await contracts.submit_work(stage.freelancer, stage.hired.contract_id, note=None)
    await contracts.approve_work(stage.client, stage.hired.contract_id)

    await erase_own_account(world.as_(me), password=PASSWORD)
    world.clock.move(timedelta(hours=2))
    deleted = await files.delete_loose_files(world.as_(ANONYMOUS))

    left = await world.rows("select id, name, gone_at is null as is_there from attachment order by id")
    assert [tuple(row) for row in left] == [(held, ERASED_FILE, True), (removed, ERASED_FILE, False)]
    # Of what they took of the quota, only what others work with.
    used = await world.rows("select sum(size) as used from attachment where gone_at is null")
    assert (used[0].used, deleted) == (len("held"), 2)
    row = await files.find_file(stage.client, held)
    async with files_of.reading(row.sha256) as content:
        assert await content.part(0, 99) == b"held"


# -- accounts ----------------------------------------------------------------------------------------------------------


async def test_contracts_have_to_be_over_and_are_named(world: World) -> None:
    one = await world.hired()
    two = await world.hired(client=one.client)
    before = await world.footprint()

    outcomes = await race([
        erase_own_account(world.as_(one.client), password=PASSWORD),
        erase_own_account(world.as_(one.freelancer), password=PASSWORD),
    ])  # fmt: skip

    ids = [encode_id("contract", hired.contract_id) for hired in (one, two)]
    assert [sorted(o.contract_ids) for o in outcomes if isinstance(o, ContractsActive)] == [
        sorted(ids),
        ids[:1],
    ]
    assert await world.footprint() == before


async def test_a_hiring_that_races_the_erasure_leaves_no_contract_with_nobody(world: World) -> None:
    for _ in range(4):
        client, freelancer = await world.client(), await world.freelancer()
        bid = await world.application(freelancer, await world.open_gig(client))

        outcomes = await race([
            erase_own_account(world.as_(freelancer), password=PASSWORD),
            applications.accept_application(world.as_(client), bid),
        ])  # fmt: skip

        hired = await world.rows(
            "select count(*) from contract where freelancer_id = :id", id=freelancer.user_id
        )
        status = (await world.get(User, freelancer.require_user())).status
        assert (status, hired[0][0]) in {(UserStatus.ERASED, 0), (UserStatus.ACTIVE, 1)}
        assert kinds(outcomes)["Receipt"] == 1


async def test_gigs_end_by_the_ways_that_gigs_have(world: World) -> None:
    done = await world.completed(wanted=2)
    paused = await world.open_gig(done.client)
    await gigs.pause_gig(world.as_(done.client), paused)
    cancelled = await world.open_gig(done.client)
    await gigs.cancel_gig(world.as_(done.client), cancelled, note=None)

    await erase_own_account(world.as_(done.client), password=PASSWORD)

    async def end_of(gig_id: UUID) -> tuple[GigStatus, str]:
        gig: Gig = await world.gig(gig_id)
        return gig.status, (await world.facts(gig_id))[-1]

    assert await end_of(done.gig_id) == (GigStatus.COMPLETED, "GigHiringStopped")
    assert await end_of(paused) == (GigStatus.CANCELLED, "GigCancelled")
    assert await end_of(cancelled) == (GigStatus.CANCELLED, "GigCancelled")


async def test_a_word_that_other_gigs_use_is_still_known_to_the_search(world: World) -> None:
    # Of letters, and with an end that no stemmer takes away.
    word = "".join(chr(ord("a") + int(digit, 16)) for digit in new_id().hex[-10:]) + "zork"
    me, other = await world.client(), await world.client()
    await world.open_gig(me, title=f"A {word} of mine")
    kept = await world.open_gig(other, title=f"A {word} of theirs")

    await erase_own_account(world.as_(me), password=PASSWORD)

    homes = await world.rows("select gig_id from gig_word where word = :word", word=word)
    assert [row[0] for row in homes] == [kept]


async def test_ones_own_account_takes_its_password_and_others_a_super_admin(world: World) -> None:
    person, admin, boss = await world.client(), await world.admin(), await world.admin(Role.SUPER_ADMIN)
    before = await world.footprint()

    refused = [
        (await race([act]))[0]
        for act in (
            erase_own_account(world.as_(person), password="wrong " + PASSWORD),
            erase_account_of(world.as_(person), admin.require_user(), reason="No."),
            erase_account_of(world.as_(admin), person.require_user(), reason="No."),
            erase_account_of(world.as_(boss), person.require_user(), reason=""),
        )
    ]

    assert [type(outcome).__name__ for outcome in refused] == [
        WrongPassword.__name__, NotAllowed.__name__, NotAllowed.__name__, "Refusals",
    ]  # fmt: skip
    assert await world.footprint() == before
    await erase_account_of(world.as_(boss), person.require_user(), reason="Asked by letter.")
    with pytest.raises(AccountGone):
        await erase_account_of(world.as_(boss), person.require_user(), reason="Again.")
    with pytest.raises(AccountGone):
        await suspend_account(world.as_(admin), person.require_user(), reason="Spam.", until=None)


async def test_nobody_signs_in_to_an_erased_account_and_its_address_is_free(world: World) -> None:
    email = f"{new_id().hex}@example.com"
    parts: dict[str, Any] = {"email": email, "password": PASSWORD}
    op = world.as_(ANONYMOUS)
    receipt, old = await accounts.register_account(op, **parts, name="One", roles=[Role.CLIENT])
    viewer = world.services.tokens.viewer_of(old.access_token, now=world.clock())

    await erase_own_account(world.as_(viewer), password=PASSWORD)

    with pytest.raises(WrongCredentials):
        await accounts.create_session(op, **parts)
    with pytest.raises(SessionEnded):
        await accounts.refresh_session(op, refresh_token=old.refresh_token)
    again, _ = await accounts.register_account(op, **parts, name="Two", roles=[Role.CLIENT])
    assert again.entity_id != receipt.entity_id


async def test_of_two_super_admins_who_leave_at_once_one_has_to_stay(empty_world: World) -> None:
    world = empty_world
    bosses = [await world.admin(Role.SUPER_ADMIN) for _ in range(2)]

    outcomes = await race([erase_own_account(world.as_(boss), password=PASSWORD) for boss in bosses])

    assert kinds(outcomes) == {"Receipt": 1, LastSuperAdmin.__name__: 1}


async def test_the_answer_names_the_contracts_or_shows_the_account_without_a_name(world: World) -> None:
    hired = await world.hired()
    document = """mutation ($input: AccountEraseInput!) { accountErase(input: $input) { outcome account { name status }
        errors { code message ... on ContractsActiveError { contractIds } } } }"""
    contract = encode_id("contract", hired.contract_id)

    refused = await world.data(hired.client, document, input={"password": PASSWORD})
    await contracts.end_contract(
        world.as_(hired.client), hired.contract_id, reason=EndReason.MUTUAL, note=None
    )
    wrong = await world.data(hired.client, document, input={"password": "no"})
    erased = await world.data(hired.client, document, input={"password": PASSWORD, "idempotencyKey": "k"})

    message = "Contracts that are not over: 1. Complete or end them first."
    error = {"code": "CONTRACTS_ACTIVE", "message": message, "contractIds": [contract]}
    account = {"name": "Carla", "status": "ACTIVE"}
    assert refused["accountErase"] == {"outcome": "REJECTED", "account": account, "errors": [error]}
    assert [e["code"] for e in wrong["accountErase"]["errors"]] == ["WRONG_PASSWORD"]
    assert erased["accountErase"] == {
        "outcome": "APPLIED", "account": {"name": ERASED_NAME, "status": "ERASED"}, "errors": [],
    }  # fmt: skip
    # Not even the text of the key is left.
    keys = await world.rows("select 1 from idempotency_key where actor_id = :id", id=hired.client.user_id)
    assert keys == []
