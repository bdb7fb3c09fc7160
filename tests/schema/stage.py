"""The stage of the schema tests: eight callers, and one gig with everything on it that they stand in some relation to."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from typeid import TypeID

from auth.viewer import ANONYMOUS, Viewer
from models.gig_content import Question, WantedSkill
from models.ids import encode_id, new_id
from models.kept_words import ReportReason
from models.message import Content
from models.profile import Visibility
from models.snippet import SnippetLanguage
from models.task import TaskRelationKind
from models.user import Role
from resolvers import (
    applications,
    boards,
    contracts,
    drafts,
    feedback,
    gigs,
    invitations,
    message_reports,
    messages,
    profiles,
    rooms,
    scheduled_messages,
    snippet_shares,
    snippet_talk,
    snippets,
    task_files,
    task_talk,
    tasks,
)
from resolvers.applications import Answer
from resolvers.operation import Operation, Rules
from resolvers.snippet_talk import Lines
from tests.world import World

CALLERS = ("anonymous", "freelancer", "client", "applicant", "hired", "owner", "admin", "super_admin")
AXES = {"availability": 5, "communication": 4, "cooperation": 5, "deadlines": 4, "quality": 5, "skills": 4}

COLUMNS = {
    "Backlog": "backlog",
    "To do": "todo",
    "In progress": "started",
    "Done": "done",
    "Cancelled": "cancelled",
}
"""What scenes call the columns that a board is made with."""
EMOJI = "👍"


@dataclass
class Scene:
    """Public ids of one gig and of what belongs to it."""

    ids: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> str:
        return self.ids[name]


@dataclass
class Stage:
    """`freelancer` and `client` have no part in any gig here; `applicant` applied, `hired` works, `owner` posted."""

    world: World
    people: dict[str, Viewer]

    @classmethod
    async def cast(cls, world: World) -> "Stage":
        people = {
            "anonymous": ANONYMOUS,
            "freelancer": await world.freelancer("Stranger F"),
            "client": await world.client("Stranger C"),
            "applicant": await world.freelancer("Anna"),
            "hired": await world.freelancer("Hira"),
            "owner": await world.client("Olga"),
            "admin": await world.admin(),
            "super_admin": await world.admin(Role.SUPER_ADMIN),
        }
        stage = cls(world, people)
        await stage._hide_profiles()
        return stage

    def __getitem__(self, name: str) -> Viewer:
        return self.people[name]

    def id(self, prefix: str, name: str) -> str:
        """The public id of a person: their account or a profile."""
        user_id = self.people[name].user_id
        assert user_id is not None
        return encode_id(prefix, user_id)

    async def _hide_profiles(self) -> None:
        """`hired` and `owner` show their profiles only to those they have business with, `applicant` to members."""
        private, members = {"visibility": Visibility.PRIVATE}, {"visibility": Visibility.MEMBERS}
        await profiles.edit_freelancer(self.as_("applicant"), members, expected_version=None)
        await profiles.edit_freelancer(self.as_("hired"), private, expected_version=None)
        await profiles.edit_client(self.as_("owner"), private, expected_version=None)

    # -- scenes ------------------------------------------------------------------------------------------------------

    async def draft(self) -> Scene:
        skill, title = WantedSkill(await self.world.skill()), f"Booking page {new_id().hex[-12:]}"
        questions = (Question("Have you done this before?"),)
        gig_id = await self.world.draft(
            self["owner"], title=title, wanted=3, skills=(skill,), questions=questions
        )
        question = await self.world.rows("select id from gig_question where gig_id = :id", id=gig_id)
        ids = {"gig": encode_id("gig", gig_id), "question": encode_id("question", question[0][0])}
        return Scene(ids | {"title": title})

    async def pending(self) -> Scene:
        scene = await self.draft()
        strict = self.world.with_rules(Rules(gigs_need_approval=True))
        await gigs.publish_gig(strict.as_(self["owner"]), key(scene.gig))
        return scene

    async def open(self, **content: Any) -> Scene:
        scene = await self.draft()
        if content:
            await gigs.edit_gig(self.as_("owner"), key(scene.gig), content, expected_version=None)
        await gigs.publish_gig(self.as_("owner"), key(scene.gig))
        return scene

    async def invited(self) -> Scene:
        """Open, and the applicant is asked to apply."""
        scene = await self.open()
        user_id = self["applicant"].user_id
        assert user_id is not None
        receipt = await invitations.invite_freelancer(
            self.as_("owner"), key(scene.gig), freelancer_id=user_id, message="Have a look."
        )
        scene.ids["invitation"] = encode_id("invitation", receipt.entity_id)
        return scene

    async def applied(self) -> Scene:
        scene = await self.invited()
        scene.ids["application"] = await self.apply("applicant", scene)
        return scene

    async def working(self) -> Scene:
        """Applied, and `hired` works on one of the three places."""
        scene = await self.applied()
        accepted = await self.apply("hired", scene)
        receipt = await applications.accept_application(self.as_("owner"), key(accepted))
        scene.ids["contract"] = encode_id("contract", receipt.entity_id)
        return scene

    async def submitted(self, scene: Scene | None = None) -> Scene:
        """With the version of the snippet, if there is one."""
        scene = scene or await self.working()
        named = []
        if "snippetversion" in scene.ids:
            named.append(snippets.NamedVersion(key(scene.snippetversion), scene.sha256))
        await contracts.submit_work(
            self.as_("hired"), key(scene.contract), note="It is all there.", snippets=named
        )
        return scene

    async def completed(self, scene: Scene | None = None) -> Scene:
        scene = await self.submitted(scene)
        await contracts.approve_work(self.as_("owner"), key(scene.contract))
        return scene

    async def judged(self, scene: Scene | None = None) -> Scene:
        """Completed, and both sides have said how it was."""
        scene = await self.completed(scene)
        for name in ("owner", "hired"):
            receipt = await feedback.leave_feedback(
                self.as_(name), key(scene.contract), axes=AXES, comment=f"Said by {name}."
            )
            scene.ids[f"feedback_of_{name}"] = encode_id("feedback", receipt.entity_id)
        return scene

    async def board(self) -> Scene:
        """Working, and a task for `hired` on the board, written by `owner`; `act` is what wrote it."""
        scene = await self.working()
        statement = (
            "select board_id, board_column.id, name from board_column join board on board.id = board_id "
            "where gig_id = :id"
        )
        for row in await self.world.rows(statement, id=key(scene.gig)):
            scene.ids["board"] = encode_id("board", row.board_id)
            scene.ids[COLUMNS[row.name]] = encode_id("column", row.id)
        values = {
            "title": "Paint the fence",
            "description": "White.",
            "assignee_ids": [self["hired"].user_id],
        }
        receipt, act = await tasks.create_task(
            self.as_("owner"), key(scene.board), values, column_id=key(scene.todo)
        )
        assert act is not None
        scene.ids |= {"task": encode_id("task", receipt.entity_id), "act": encode_id("act", act.id)}
        return scene

    async def room(self, scene: Scene | None = None) -> Scene:
        """Working, and a group of `owner` with `hired`, in which `hired` said something; `mate` is the person of `hired`."""
        scene = scene or await self.working()
        owner, hired = self.as_("owner"), self.as_("hired")
        mate = self.id("person", "hired")
        made = await rooms.create_group(owner, "Paint", [key(mate)], is_read_only=False)
        said, _ = await messages.send_message(hired, made.entity_id, Content("Which white?"))
        await messages.react_to_message(hired, made.entity_id, said.entity_id, EMOJI, is_on=True)
        scene.ids |= {
            "room": encode_id("room", made.entity_id), "mate": mate,
            "message": encode_id("message", said.entity_id),
        }  # fmt: skip
        return scene

    async def kept(self, scene: Scene | None = None) -> Scene:
        """In the room `hired` has a draft and a scheduled message, and `owner` has reported what `hired` said."""
        scene = await self.room(scene)
        owner, hired, room_id = self.as_("owner"), self.as_("hired"), key(scene.room)
        draft = await drafts.save_draft(hired, room_id, None, Content("Or the other"), expected_version=None)
        scheduled = await scheduled_messages.schedule_message(
            hired, room_id, Content("Well?"), send_at=hired.now() + timedelta(days=20)
        )
        report = await message_reports.report_message(
            owner, room_id, key(scene.message), ReportReason.SPAM, note="White?"
        )
        scene.ids |= {
            "draft": encode_id("draft", draft.entity_id), "scheduled": encode_id("scheduled", scheduled.entity_id),
            "report": encode_id("report", report.entity_id),
        }  # fmt: skip
        return scene

    async def pinned(self) -> Scene:
        scene = await self.room()
        await messages.pin_message(self.as_("owner"), key(scene.room), key(scene.message), is_on=True)
        return scene

    async def furnished(self) -> Scene:
        """A board with one of everything; what `hired` can have said, `hired` has said."""
        scene = await self.board()
        owner, hired, task_id = self.as_("owner"), self.as_("hired"), key(scene.task)
        label, _ = await boards.add_label(owner, key(scene.board), {"name": "Bug", "color": "#d73a4a"})
        await tasks.edit_task(owner, task_id, {"label_ids": [label.entity_id]}, expected_version=None)
        part, _ = await tasks.create_task(
            owner, key(scene.board), {"title": "Buy paint", "parent_id": task_id}, column_id=None
        )
        await tasks.relate_tasks(hired, task_id, part.entity_id, TaskRelationKind.BLOCKS, is_on=True)
        checklist, _ = await task_talk.add_checklist(hired, task_id, "Before it rains")
        item, _ = await task_talk.add_item(
            hired, checklist.entity_id, {"text": "Sand it", "assignee_id": self["hired"].user_id}
        )
        comment, _ = await task_talk.add_comment(
            hired, task_id, "Which white?", answers_id=None, mentions=[owner.viewer.require_user()]
        )
        answer, _ = await task_talk.add_comment(
            owner, task_id, "The cheap one.", answers_id=comment.entity_id, mentions=[]
        )
        file_id = await self.world.upload(hired.viewer, "fence.txt", b"Two metres high.")
        await task_files.attach(hired, task_id, file_id)
        scene.ids["file"] = encode_id("file", file_id)
        scene.ids["upload"] = encode_id(
            "file", await self.world.upload(owner.viewer, "white.txt", b"#ffffff")
        )
        for op in (owner, hired):
            await tasks.watch_task(op, task_id, is_on=True)
            await task_talk.react(op, comment.entity_id, EMOJI, is_on=True)
        scene.ids |= {
            "label": encode_id("label", label.entity_id), "part": encode_id("task", part.entity_id),
            "checklist": encode_id("checklist", checklist.entity_id), "item": encode_id("item", item.entity_id),
            "comment": encode_id("comment", comment.entity_id), "answer": encode_id("comment", answer.entity_id),
        }  # fmt: skip
        return scene

    async def shelved(self, scene: Scene | None = None) -> Scene:
        """Working, and `hired` has shared a snippet with the contract and by a link; `owner` has said something about it, and
        speaks to `hired`, who has answered."""
        scene = scene or await self.working()
        owner, hired = self.as_("owner"), self.as_("hired")
        kept = await snippets.create_snippet(
            hired,
            title="Fences",
            language=SnippetLanguage.PYTHON,
            content="paint()\ndry()\n",
            message="First.",
        )
        share = await snippet_shares.share_with_contract(
            hired, kept.entity_id, key(scene.contract), may_revise=False
        )
        link, token = await snippet_shares.share_by_link(
            hired, kept.entity_id, expires_at=hired.now() + timedelta(days=300)
        )
        latest = "select v.id, v.sha256 from snippet s join snippet_version v on v.id = s.latest_id where s.id = :id"
        version = (await self.world.rows(latest, id=kept.entity_id))[0]
        comment = await snippet_talk.comment_lines(
            owner, Lines(version.id, 1, 2), "Twice?", mentions=[hired.viewer.require_user()]
        )
        answer = await snippet_talk.answer_comment(hired, comment.entity_id, "Once.", mentions=[])
        scene.ids |= {
            "snippet": encode_id("snippet", kept.entity_id), "snippetversion": encode_id("snippetversion", version.id),
            "sha256": version.sha256, "snippetshare": encode_id("snippetshare", share.entity_id),
            "link": encode_id("snippetshare", link.entity_id), "token": token,
            "snippetcomment": encode_id("snippetcomment", comment.entity_id),
            "snippetanswer": encode_id("snippetcomment", answer.entity_id),
        }  # fmt: skip
        return scene

    async def shelved_and_room(self) -> Scene:
        """`shelved`, and the group of `room`."""
        return await self.room(await self.shelved())

    async def apply(self, name: str, scene: Scene) -> str:
        answers = (Answer(key(scene.question), "Three times."),)
        receipt = await applications.submit_application(
            self.as_(name), key(scene.gig), self.world.bid(answers=answers)
        )
        return encode_id("application", receipt.entity_id)

    async def expiring(self) -> Scene:
        """Open, with the job that ends it at the deadline."""
        scene = await self.open()
        rows = await self.world.rows("select id from job where subject_id = :id", id=key(scene.gig))
        scene.ids["job"] = encode_id("job", rows[0][0])
        return scene

    def as_(self, name: str) -> Operation:
        return self.world.as_(self[name])


def key(public_id: str) -> UUID:
    """The key behind a public id."""
    return UUID(bytes=TypeID.from_string(public_id).uuid.bytes)
