"""The stage of the differential test: every kind of thing in every state, and the marks of documents filled in."""

import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.viewer import Viewer
from models.application import DeclineReason, WithdrawReason
from models.contract import EndReason
from models.gig import BudgetKind, GigVisibility, SkillNeed
from models.gig_content import WantedSkill
from models.ids import encode_id
from models.message import Content
from models.person_status import Saying
from models.profile import SkillLevel
from models.snippet import SnippetLanguage
from models.task import TaskPriority, TaskRelationKind
from models.user import Session
from resolvers import (
    administration,
    applications,
    boards,
    contracts,
    feedback,
    gigs,
    invitations,
    jobs,
    messages,
    notifications,
    person_status,
    profiles,
    rooms,
    snippet_shares,
    snippet_talk,
    snippets,
    task_files,
    task_talk,
    tasks,
)
from resolvers.operation import Rules
from resolvers.tasks import BOTTOM
from tests.schema.documents import IDS, PAGES, Case
from tests.schema.stage import AXES, EMOJI, Scene, Stage, key
from tests.schema.two_executors import by_batches
from tests.world import World

_MARK = re.compile(r"<([a-z]+)\.(?:([A-Za-z]+\.[A-Za-z]+)\.(\d+)|([a-z_]+))>")
# Whose view of which thing shows most of each list: (viewer, root field, the list's own path).
_LISTS = {
    "Query.gigs": ("owner", "gigs"),
    "Query.contracts": ("owner", "contracts"),
    "Query.freelancers": ("admin", "freelancers"),
    "Query.skills": ("anonymous", "skills"),
    "Query.jobs": ("admin", "jobs"),
    "Query.notifications": ("owner", "notifications"),
    "Query.accounts": ("admin", "accounts"),
    "Query.adminActs": ("admin", "adminActs"),
    "Gig.applications": ("owner", 'gig(id: "<gig.applied>") { applications'),
    "Gig.viewerApplications": ("applicant", 'gig(id: "<gig.applied>") { viewerApplications'),
    "Gig.contracts": ("owner", 'gig(id: "<gig.ended>") { contracts'),
    "Gig.invitations": ("owner", 'gig(id: "<gig.applied>") { invitations'),
    "Gig.activity": ("owner", 'gig(id: "<gig.judged>") { activity'),
    "Freelancer.applications": ("applicant", 'freelancer(id: "<freelancer.applicant>") { applications'),
    "Freelancer.contracts": ("hired", 'freelancer(id: "<freelancer.hired>") { contracts'),
    "Freelancer.invitations": ("applicant", 'freelancer(id: "<freelancer.applicant>") { invitations'),
    "Freelancer.feedback": ("owner", 'freelancer(id: "<freelancer.hired>") { feedback'),
    "Client.gigs": ("owner", 'client(id: "<client.owner>") { gigs'),
    "Client.contracts": ("owner", 'client(id: "<client.owner>") { contracts'),
    "Client.feedback": ("hired", 'client(id: "<client.owner>") { feedback'),
    "User.sessions": ("owner", "viewer { sessions"),
    "Query.boards": ("owner", "boards"),
    "Board.tasks": ("owner", 'board(id: "<board.working>") { tasks'),
    "Board.activity": ("owner", 'board(id: "<board.working>") { activity'),
    "BoardColumn.tasks": ("owner", 'node(id: "<column.todo>") { ... on BoardColumn { tasks'),
    "Task.activity": ("owner", 'task(id: "<task.paint>") { activity'),
    "Task.subtasks": ("owner", 'task(id: "<task.paint>") { subtasks'),
    "Task.texts": ("owner", 'task(id: "<task.paint>") { texts'),
    "TaskComment.versions": ("owner", 'node(id: "<comment.kept>") { ... on TaskComment { versions'),
    "Query.snippets": ("hired", "snippets"),
    "Snippet.versions": ("owner", 'snippet(id: "<snippet.kept>") { versions'),
    "Snippet.comments": ("owner", 'snippet(id: "<snippet.kept>") { comments'),
    "SnippetComment.answers": (
        "owner",
        'node(id: "<snippetcomment.kept>") { ... on SnippetComment { answers',
    ),
    "SnippetComment.wordings": (
        "owner",
        'node(id: "<snippetcomment.kept>") { ... on SnippetComment { wordings',
    ),
    "Task.comments": ("owner", 'task(id: "<task.paint>") { comments'),
    "Query.rooms": ("owner", "rooms"),
    "Query.personBlocks": ("owner", "personBlocks"),
    "Query.messages": ("owner", 'messages(roomId: "<room.group>")'),
    "Query.messageSearch": ("owner", "messageSearch(has: [MENTION])"),
    "Query.followedThreads": ("owner", "followedThreads"),
    "Room.drafts": ("hired", 'room(id: "<room.group>") { drafts'),
    "Query.messageDrafts": ("hired", "messageDrafts"),
    "Query.scheduledMessages": ("hired", "scheduledMessages"),
    "Query.messageReports": ("owner", "messageReports"),
    "Room.members": ("owner", 'room(id: "<room.group>") { members'),
}


@dataclass
class RichStage:
    """`ids` and `cursors` are what the marks of documents stand for."""

    stage: Stage
    ids: dict[str, dict[str, str]] = field(default_factory=dict)
    cursors: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    async def cast(cls, world: World) -> "RichStage":
        rich = cls(await Stage.cast(world), {prefix: {} for prefix in IDS})
        await _Story(rich).tell()
        assert {prefix: set(found) for prefix, found in rich.ids.items()} == {
            prefix: set(names) for prefix, names in IDS.items()
        }
        for name, (viewer, way) in _LISTS.items():
            rich.cursors[name] = await rich._cursors(viewer, way)
        return rich

    @property
    def world(self) -> World:
        return self.stage.world

    def viewer(self, case: Case) -> Viewer:
        return self.stage[case.viewer]

    def filled(self, value: Any) -> Any:
        """The text, or everything in the variables, with real ids and cursors."""
        if isinstance(value, str):
            return _MARK.sub(self._meaning, value)
        if isinstance(value, dict):
            return {name: self.filled(part) for name, part in value.items()}
        if isinstance(value, list):
            return [self.filled(part) for part in value]
        return value

    def _meaning(self, mark: re.Match[str]) -> str:
        prefix, list_name, number, name = mark.groups()
        if list_name is None:
            return self.ids[prefix][name]
        return self.cursors[list_name][min(int(number), len(self.cursors[list_name]) - 1)]

    async def _cursors(self, viewer: str, way: str) -> list[str]:
        asked = f"{way[:-1]}, first: {PAGES})" if way.endswith(")") else f"{way}(first: {PAGES})"
        document = f"{{ {asked} {{ edges {{ cursor }} }}" + " }" * (way.count("{") + 1)
        body = await by_batches(self.world, self.filled(document), None, self.stage[viewer])
        found = body["data"]
        while "edges" not in found:
            (found,) = found.values()
        cursors = [edge["cursor"] for edge in found["edges"]]
        assert cursors, f"the stage has nothing in {way}"
        return cursors


_TASKS: dict[str, dict[str, Any]] = {
    "urgent": {
        "title": "Zoë's fence", "description": "Outside.", "priority": TaskPriority.URGENT, "starts_on": date(2026, 11, 22),
        "due_on": date(2026, 12, 1), "estimate": 3, "swimlane": "outside",
    },
    "done": {"title": "Measure", "priority": TaskPriority.LOW, "due_on": date(2027, 2, 28), "swimlane": "outside"},
    "archived": {"title": "Paint it black", "estimate": 20},
}  # fmt: skip


class _Story:
    board: Scene

    def __init__(self, rich: RichStage) -> None:
        self.stage, self.world, self.ids = rich.stage, rich.stage.world, rich.ids

    async def tell(self) -> None:
        await self.profiles()
        await self.gigs_that_end()
        await self.gigs_in_all_states()
        await self.bids()
        await self.work()
        await self.boards()
        await self.chat()
        await self.snippets()
        await self.what_stands_alone()

    def pass_time(self) -> None:
        self.world.clock.move(timedelta(minutes=7, microseconds=1))

    async def profiles(self) -> None:
        python, react = [await self.world.skill(name) for name in ("python", "react")]
        for name, years in (("freelancer", 3), ("hired", 9)):
            skills = [
                profiles.Expertise(python, SkillLevel.EXPERT, years, date(2026, 10, 1)),
                profiles.Expertise(react, SkillLevel.BEGINNER, 1),
            ]
            await profiles.set_expertise(self.stage.as_(name), skills, expected_version=None)
        told = {
            "headline": "Zoë's booking pages", "overview": "x" * 120, "hours_per_week": 20, "country": "DE",
            "languages": ["de", "en"], "rate": profiles.Rate(Decimal("45.50"), "EUR"), "time_zone": "Europe/Berlin",
            "available_from": date(2026, 12, 1),
        }  # fmt: skip
        await profiles.edit_freelancer(self.stage.as_("freelancer"), told, expected_version=None)
        client = {"company": "Conti Walks", "country": "FR", "about": "Walks."}
        await profiles.edit_client(self.stage.as_("client"), client, expected_version=None)

    async def gigs_that_end(self) -> None:
        scene = await self.stage.open(deadline=self.world.clock() + timedelta(days=1))
        self.world.clock.move(timedelta(days=2))
        await jobs.run_due_jobs(self.world.as_(self.stage["admin"]))
        self.ids["gig"]["expired"] = scene.gig

    async def gigs_in_all_states(self) -> None:
        owner, admin, found = self.stage.as_("owner"), self.stage.as_("admin"), self.ids["gig"]
        react, python = [await self.world.skill(name) for name in ("react", "python")]
        skills = (WantedSkill(react, SkillNeed.NICE_TO_HAVE, 5), WantedSkill(python))
        dollars = {
            "title": "Dollars, please: translate a booking app", "currency": "USD", "skills": skills,
            "budget_min": Decimal("1200.50"), "budget_max": Decimal("1200.50"), "expected_days": None,
            "languages": ("en", "de"), "time_zone": "America/New_York", "overlap_hours": 2,
        }  # fmt: skip
        hourly = {"budget_kind": BudgetKind.HOURLY, "budget_min": Decimal(30), "budget_max": Decimal(45)}
        scene = await self.stage.open()
        self.ids["question"]["open"] = scene.question
        found["open"] = scene.gig
        found["dollars"] = (await self.stage.open(**dollars)).gig
        self.pass_time()
        found["hourly"] = (await self.stage.open(**hourly)).gig
        scene = await self.stage.draft()
        found["draft"], self.ids["question"]["draft"] = scene.gig, scene.question
        found["pending"] = (await self.stage.pending()).gig
        found["returned"] = (await self.stage.pending()).gig
        await gigs.request_gig_changes(admin, key(found["returned"]), reason="Say more.")
        found["rejected"] = (await self.stage.pending()).gig
        await gigs.reject_gig(admin, key(found["rejected"]), reason="No work at all.")
        self.pass_time()
        found["paused"] = (await self.stage.open()).gig
        await gigs.pause_gig(owner, key(found["paused"]))
        found["cancelled"] = (await self.stage.open()).gig
        await gigs.cancel_gig(owner, key(found["cancelled"]), note="The budget is gone.")
        found["of_client"] = encode_id("gig", await self.world.open_gig(self.stage["client"]))
        strict = self.world.with_rules(Rules(gigs_need_approval=True))
        approved = await self.world.draft(self.stage["client"], title="Approved: a map of walks")
        await gigs.publish_gig(strict.as_(self.stage["client"]), approved)
        await gigs.approve_gig(admin, approved)
        for name in ("applicant", "freelancer"):
            await gigs.save_gig(self.stage.as_(name), key(found["open"]))

    async def bids(self) -> None:
        owner, found = self.stage.as_("owner"), self.ids["application"]
        self.pass_time()
        scene = await self.stage.invited()
        self.ids["gig"]["invited"] = scene.gig
        secret = await self.stage.open(visibility=GigVisibility.INVITE_ONLY)
        applicant = self.stage["applicant"].user_id
        assert applicant is not None
        receipt = await invitations.invite_freelancer(
            owner, key(secret.gig), freelancer_id=applicant, message=None
        )
        self.ids["gig"]["secret"] = secret.gig
        self.ids["invitation"]["secret"] = encode_id("invitation", receipt.entity_id)
        await invitations.answer_invitation(
            self.stage.as_("applicant"), receipt.entity_id, accepts=False, note="No time."
        )
        scene = await self.stage.applied()
        self.ids["gig"]["applied"], found["applied"] = scene.gig, scene.application
        self.ids["invitation"]["applied"] = scene.invitation
        for number, name in enumerate(("viewed", "shortlisted", "declined", "withdrawn")):
            person = await self.world.freelancer(f"Zoë {number}")
            self.pass_time()
            bid = self.world.bid(price=Decimal(700 + number // 2), duration_days=None if number % 2 else 14)
            answers = (applications.Answer(key(scene.question), "Often."),)
            receipt = await applications.submit_application(
                self.world.as_(person),
                key(scene.gig),
                applications.Bid(bid.cover_letter, bid.price, bid.duration_days, answers),
            )
            found[name] = encode_id("application", receipt.entity_id)
            if name == "withdrawn":
                await applications.withdraw_application(
                    self.world.as_(person), receipt.entity_id, reason=WithdrawReason.TERMS, note="Too little."
                )
        await applications.mark_application_viewed(owner, key(found["viewed"]))
        await applications.shortlist_application(owner, key(found["shortlisted"]))
        await applications.decline_application(
            owner, key(found["declined"]), reason=DeclineReason.PRICE, message="Too much."
        )
        await gigs.edit_gig(owner, key(scene.gig), {"title": f"{scene.title}, urgent"}, expected_version=None)

    async def work(self) -> None:
        owner, hired = self.stage.as_("owner"), self.stage.as_("hired")
        found = self.ids["contract"]
        for name in ("working", "submitted", "completed", "judged"):
            scene = await (self.stage.furnished() if name == "working" else getattr(self.stage, name)())
            self.ids["gig"][name], found[name] = scene.gig, scene.contract
            if name == "working":
                self.board = scene
                rows = await self.world.rows(
                    "select application_id from contract where id = :id", id=key(scene.contract)
                )
                self.ids["application"]["accepted"] = encode_id("application", rows[0][0])
            self.pass_time()
        await contracts.report_progress(
            hired, key(found["working"]), percent=40, note="Orders arrive.", expected_version=None
        )
        paused = await self.stage.working()
        found["paused"] = paused.contract
        await contracts.pause_contract(owner, key(paused.contract), note="Until Monday.")
        ended = await self.stage.working()
        self.ids["gig"]["ended"], found["ended"] = ended.gig, ended.contract
        await contracts.end_contract(owner, key(ended.contract), reason=EndReason.MUTUAL, note="Good-bye.")
        receipt = await feedback.leave_feedback(
            owner, key(found["completed"]), axes=AXES, comment="Hidden until both have spoken."
        )
        self.ids["feedback"] |= {
            "hidden": encode_id("feedback", receipt.entity_id),
            "of_owner": scene.feedback_of_owner,
            "of_hired": scene.feedback_of_hired,
        }
        await feedback.reply_to_feedback(hired, key(scene.feedback_of_owner), body="Thank you.")

    async def boards(self) -> None:
        """Everything on the board of `working` is there, and once removed, archived, moved or worded anew."""
        owner, hired, scene = self.stage.as_("owner"), self.stage.as_("hired"), self.board
        board_id, todo, started, done = (key(scene.ids[n]) for n in ("board", "todo", "started", "done"))
        written: dict[str, UUID] = {}
        for name, values in _TASKS.items():
            assignees = [self.stage[who].user_id for who in ("owner", "hired")] if name == "urgent" else []
            receipt, _ = await tasks.create_task(
                owner, board_id, values | {"assignee_ids": assignees}, column_id=todo
            )
            written[name] = receipt.entity_id
            self.pass_time()
        for name, columns in {"done": [started, done], "urgent": [started]}.items():
            for column_id in columns:
                self.world.clock.move(timedelta(hours=30))
                await tasks.move_task(
                    hired, written[name], column_id=column_id, position=BOTTOM, expected_version=None
                )
        await tasks.archive_task(owner, written["archived"])
        await tasks.relate_tasks(
            owner, written["urgent"], key(scene.task), TaskRelationKind.DUPLICATES, is_on=True
        )
        await tasks.edit_task(owner, key(scene.task), {"description": "White."}, expected_version=None)
        await boards.edit_column(
            owner, started, {"wip_limit": 1, "wip_is_hard": True, "name": "Doing"}, expected_version=None
        )
        await boards.edit_column(owner, todo, {"wip_limit": 1}, expected_version=None)
        await boards.remove_column(owner, key(scene.cancelled))
        await boards.edit_board(owner, board_id, {"assignee_limit": 3}, expected_version=None)
        label, _ = await boards.add_label(owner, board_id, {"name": "Later", "color": "#000000"})
        await boards.remove_label(owner, label.entity_id)
        checklist, _ = await task_talk.add_checklist(owner, key(scene.task), "After")
        item, _ = await task_talk.add_item(
            hired, key(scene.checklist), {"text": "Look", "due_on": date(2026, 12, 1)}
        )
        await task_talk.edit_item(hired, key(scene.item), {"is_done": True})
        await task_talk.remove_item(owner, item.entity_id)
        await task_talk.remove_checklist(owner, checklist.entity_id)
        removed = await self.world.upload(owner.viewer, "Entwürfe.zip", b"PK\x03\x04 nothing more")
        await task_files.attach(owner, key(scene.task), removed)
        await task_files.detach(hired, removed)
        self.pass_time()
        comment, _ = await task_talk.add_comment(owner, key(scene.task), "No.", answers_id=None, mentions=[])
        await task_talk.delete_comment(owner, comment.entity_id)
        await task_talk.edit_comment(hired, key(scene.comment), "Which white, please?")
        judged = "select id from board where gig_id = :id"
        rows = await self.world.rows(judged, id=key(self.ids["gig"]["judged"]))
        self.ids["board"] |= {"working": scene.board, "judged": encode_id("board", rows[0][0])}
        self.ids["column"] |= {
            "todo": scene.todo, "started": scene.started, "done": scene.done, "removed": scene.cancelled
        }  # fmt: skip
        self.ids["task"] |= {"paint": scene.task, "part": scene.part}
        self.ids["task"] |= {name: encode_id("task", id) for name, id in written.items()}
        kept = {name: {"kept": scene.ids[name]} for name in ("checklist", "item", "comment", "file")}
        self.ids["file"] |= kept["file"] | {"removed": encode_id("file", removed)}
        self.ids["label"] |= {"bug": scene.label, "removed": encode_id("label", label.entity_id)}
        self.ids["checklist"] |= kept["checklist"] | {"removed": encode_id("checklist", checklist.entity_id)}
        self.ids["item"] |= kept["item"] | {"removed": encode_id("item", item.entity_id)}
        self.ids["comment"] |= kept["comment"] | {
            "answer": scene.answer, "deleted": encode_id("comment", comment.entity_id)
        }  # fmt: skip

    async def chat(self) -> None:
        """In a group a message was edited, one answers and quotes it, one was deleted; somebody is blocked."""
        stage, world = self.stage, self.world
        owner, hired = stage.as_("owner"), stage.as_("hired")
        scene = await stage.kept(self.board)
        room_id, first = key(scene.room), key(scene.message)
        await messages.edit_message(hired, room_id, first, Content("Which white, please?"))
        price = await world.upload(owner.viewer, "price.txt", b"12 a litre")
        answer, _ = await messages.send_message(
            owner,
            room_id,
            Content(
                "The cheap one.",
                answers_id=first,
                quote_id=first,
                mentions_room=True,
                here_ids=(),
                file_ids=(price,),
            ),
        )
        gone, _ = await messages.send_message(owner, room_id, Content("No.", mention_ids=(key(scene.mate),)))
        await messages.delete_message(owner, room_id, gone.entity_id)
        await messages.react_to_message(owner, room_id, first, EMOJI, is_on=True)
        await messages.pin_message(owner, room_id, first, is_on=True)
        await rooms.set_preference(hired, room_id, {"is_favorite": True})
        saying = Saying("On holiday", EMOJI, owner.now() + timedelta(days=9))
        await person_status.set_status(owner, saying)
        await person_status.set_status(hired, Saying(emoji=EMOJI))
        applicant = stage["applicant"].user_id
        assert applicant is not None
        direct = await rooms.open_direct(owner, applicant)
        await rooms.block_person(owner, applicant)
        of_contract = await world.rows(
            "select id from room where contract_id = :id", id=key(self.ids["contract"]["working"])
        )
        self.ids["room"] |= {
            "group": scene.room, "direct": encode_id("room", direct.entity_id),
            "contract": encode_id("room", of_contract[0][0]),
        }  # fmt: skip
        for prefix in ("draft", "scheduled", "report"):
            self.ids[prefix]["kept"] = scene.ids[prefix]
        self.ids["message"] |= {
            "first": scene.message, "answer": encode_id("message", answer.entity_id),
            "deleted": encode_id("message", gone.entity_id),
        }  # fmt: skip

    async def snippets(self) -> None:
        """What `hired` keeps and shares: revised, talked about, submitted elsewhere; and one that is put away."""
        owner, hired = self.stage.as_("owner"), self.stage.as_("hired")
        scene = await self.stage.shelved(self.board)
        snippet_id = key(scene.snippet)
        self.pass_time()
        for content in ("# White.\npaint()\npaint()\ndry()\n", "# White.\npaint()\npaint()\n"):
            await snippets.revise_snippet(
                hired, snippet_id, content=content, message="Twice.", expected_version=None
            )
            self.pass_time()
        rows = await self.world.rows(
            "select id, sha256 from snippet_version where snippet_id = :id order by number", id=snippet_id
        )
        place = snippet_talk.Lines(rows[-1].id, 1, 1)
        deleted = await snippet_talk.comment_lines(owner, place, "No.", mentions=[])
        await snippet_talk.delete_comment(owner, deleted.entity_id)
        await snippet_talk.edit_comment(owner, key(scene.snippetcomment), "Twice, please?")
        await snippet_talk.resolve_thread(hired, key(scene.snippetcomment))
        put_away = await snippets.create_snippet(
            hired, title="Zoë's booking", language=SnippetLanguage.SQL, content="select 1"
        )
        await snippets.archive_snippet(hired, put_away.entity_id)
        other = await self.stage.working()
        await contracts.submit_work(
            hired,
            key(other.contract),
            note=None,
            snippets=[snippets.NamedVersion(rows[1].id, rows[1].sha256)],
        )
        versions = zip(("first", "submitted", "latest"), rows, strict=True)
        self.ids["snippet"] |= {"kept": scene.snippet, "archived": encode_id("snippet", put_away.entity_id)}
        self.ids["snippetversion"] |= {name: encode_id("snippetversion", row.id) for name, row in versions}
        in_room = await snippet_shares.share_with_room(
            hired, snippet_id, key(self.ids["room"]["contract"]), may_revise=True
        )
        self.ids["snippetshare"] |= {
            "contract": scene.snippetshare, "link": scene.link, "room": encode_id("snippetshare", in_room.entity_id),
        }  # fmt: skip
        self.ids["snippetcomment"] |= {
            "kept": scene.snippetcomment, "answer": scene.snippetanswer,
            "deleted": encode_id("snippetcomment", deleted.entity_id),
        }  # fmt: skip

    async def notifications(self) -> None:
        """Some of the owner's are read, some archived."""
        owner = self.stage.as_("owner")
        rows = await self.world.rows(
            "select id from notification where user_id = :id order by id limit 6", id=owner.viewer.user_id
        )
        ids = [row[0] for row in rows]
        await notifications.mark_read(owner, ids[:4])
        await notifications.archive(owner, ids[3:5])
        await notifications.mark_seen(owner, up_to=ids[5])

    async def administration(self) -> None:
        """A client is suspended, whose gig somebody has a bid for."""
        admin, banned = self.stage.as_("admin"), await self.world.client("Zoë B")
        gig_id = await self.world.open_gig(banned, title="Booking page of the banned")
        await self.world.application(self.stage["applicant"], gig_id)
        self.ids["gig"]["withheld"] = encode_id("gig", gig_id)
        until = self.world.clock() + timedelta(days=9)
        await administration.suspend_account(admin, banned.require_user(), reason="Spam.", until=until)
        acts = "select id from admin_act where account_id = :id"
        for name, person in (("suspended", banned), ("appointed", self.stage["super_admin"])):
            rows = await self.world.rows(acts, id=person.user_id)
            self.ids["adminact"][name] = encode_id("adminact", rows[0][0])

    async def what_stands_alone(self) -> None:
        for prefix in ("user", "freelancer", "client", "person"):
            for name in IDS[prefix]:
                if name != "missing":
                    self.ids[prefix][name] = self.stage.id(prefix, name)
        for name in ("python", "react", "postgresql"):
            self.ids["skill"][name] = encode_id("skill", await self.world.skill(name))
        for name in ("owner", "hired"):
            of_person = sa.select(col(Session.id)).where(col(Session.user_id) == self.stage[name].user_id)
            rows = await self.world.services.db.fetch(of_person)
            self.ids["session"][name] = encode_id("session", rows[0][0])
        for name in ("owner", "hired"):
            newest = (
                "select id from notification where user_id = :id order by created_at desc, id desc limit 1"
            )
            rows = await self.world.rows(newest, id=self.stage[name].user_id)
            self.ids["notification"][name] = encode_id("notification", rows[0][0])
        await self.notifications()
        await self.administration()
        rows = await self.world.rows(
            "select id from job where subject_id = :id", id=key(self.ids["gig"]["open"])
        )
        self.ids["job"]["expiry"] = encode_id("job", rows[0][0])
        for prefix, found in self.ids.items():
            found["missing"] = encode_id(prefix, UUID(int=7))
        assert self.world.clock() > datetime(2026, 11, 24, tzinfo=UTC)
