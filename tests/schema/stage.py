"""The stage of the schema tests: eight callers, and one gig with everything on it that they stand in some relation to."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from typeid import TypeID

from auth.viewer import ANONYMOUS, Viewer
from models.gig_content import Question, WantedSkill
from models.ids import encode_id, new_id
from models.profile import Visibility
from models.user import Role
from resolvers import applications, contracts, feedback, gigs, invitations, profiles
from resolvers.applications import Answer
from resolvers.operation import Operation, Rules
from tests.world import World

CALLERS = ("anonymous", "freelancer", "client", "applicant", "hired", "owner", "admin", "super_admin")
AXES = {"availability": 5, "communication": 4, "cooperation": 5, "deadlines": 4, "quality": 5, "skills": 4}


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

    async def submitted(self) -> Scene:
        scene = await self.working()
        await contracts.submit_work(self.as_("hired"), key(scene.contract), note="It is all there.")
        return scene

    async def completed(self) -> Scene:
        scene = await self.submitted()
        await contracts.approve_work(self.as_("owner"), key(scene.contract))
        return scene

    async def judged(self) -> Scene:
        """Completed, and both sides have said how it was."""
        scene = await self.completed()
        for name in ("owner", "hired"):
            receipt = await feedback.leave_feedback(
                self.as_(name), key(scene.contract), axes=AXES, comment=f"Said by {name}."
            )
            scene.ids[f"feedback_of_{name}"] = encode_id("feedback", receipt.entity_id)
        return scene

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
