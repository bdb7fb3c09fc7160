"""The demo world of a first start: a small cast and their gigs, made by the same use cases as everything else.

The story is told in the order it happens, over the five weeks before the start, so that streams read naturally. Every
act has an idempotency key: a start that was interrupted half-way is completed by the next one, which repeats nothing.
"""

import contextlib
import dataclasses
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Concatenate, ParamSpec
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.viewer import Viewer
from models.application import DeclineReason
from models.board import Board, BoardColumn
from models.feedback import AXES
from models.gig import BudgetKind, GigVisibility, SkillNeed
from models.gig_content import GigContent, Question, WantedSkill
from models.invitation import GigInvitation
from models.profile import SkillLevel
from models.seed import SeedVersion
from models.skill import SkillName
from models.store.sql import Act, Receipt, Replayed
from models.user import EmailTaken, Role
from resolvers import (
    accounts,
    applications,
    boards,
    contracts,
    feedback,
    gigs,
    invitations,
    profiles,
    task_talk,
    tasks,
)
from resolvers.applications import Bid
from resolvers.boards import Done
from resolvers.demo_board import CHECKLIST, LABELS, TASKS, Planned
from resolvers.demo_cast import ADA, ANA, CARLA, CAST, FARID, JONAS, MEI, OLENA, PROFILES, THABO, Person
from resolvers.jobs import run_due_jobs
from resolvers.operation import Operation, Rules, Services
from resolvers.profiles import Expertise, Rate
from resolvers.tasks import BOTTOM

_SKILLS = (
    "adobe illustrator", "copywriting", "css", "data analysis", "data visualisation", "docker", "email marketing", "figma",
    "flutter", "geographic information systems", "graphql", "illustration", "kotlin", "logo design", "machine learning",
    "node.js", "pandas", "penetration testing", "postgresql", "python", "react", "redis", "seo", "shopify", "spanish", "sql",
    "swift", "translation", "typescript",
)  # fmt: skip
PASSWORD = "demo-only-2026"
LOGINS = (CARLA, FARID, ADA)
P = ParamSpec("P")


def demo_id(number: int) -> UUID:
    """Ids that the tour can name: those of gigs and applications, which whoever makes them may choose."""
    return UUID(f"019a0000-0000-7000-8000-{number:012d}")


BOOKING, GUIDE_APP, TRANSLATION, CLEAN_UP, NEWSLETTER, POSTCARDS, REVIEW, REPORT, ATLAS, LOGO = map(
    demo_id, range(1, 11)
)
SHOP, BOT, TILL, WHOLESALE = map(demo_id, range(11, 15))


async def build_world(services: Services) -> bool:
    """Make the world, or complete it, unless it is there; whether anything was to be done."""
    statement = sa.select(sa.func.count()).where(col(SeedVersion.name) == "demo")
    if (await services.db.fetch(statement))[0][0]:
        return False
    await _tell(_Stage(services))
    async with services.db.transaction(actor_id=None, at=services.clock()) as tx:
        tx.add(SeedVersion(name="demo", sha256=hashlib.sha256(b"1").hexdigest(), loaded_at=services.clock()))
    return True


class _Stage:
    """Where the story is played: who is on it, and what time it is there."""

    def __init__(self, services: Services) -> None:
        self.start = services.clock()
        self.now = self.start
        # The story needs its gigs open, whatever the operator decided about new ones.
        self._services = dataclasses.replace(
            services, clock=lambda: self.now, rules=Rules(gigs_need_approval=False)
        )
        self._viewers: dict[Person, Viewer] = {}
        self._skills: dict[str, UUID] = {}
        self._beside: list[tuple[datetime, Callable[[], Awaitable[object]]]] = []

    async def move_to(self, days_ago: float) -> None:
        """The story goes forward only: facts stand in their streams in the order of their times. What happens beside it until
        then happens now."""
        moment = self.start - timedelta(days=days_ago)
        if moment < self.now < self.start:
            raise ValueError(f"the story cannot go back to {days_ago} days ago")
        while self._beside and self._beside[0][0] <= moment:
            self.now, act = self._beside.pop(0)
            await act()
        self.now = moment

    def beside(self, acts: Iterable[tuple[float, Callable[[], Awaitable[object]]]]) -> None:
        """What happens while the story goes on elsewhere, by how many days ago."""
        self._beside += [(self.start - timedelta(days=days_ago), act) for days_ago, act in acts]
        self._beside.sort(key=lambda one: one[0])

    def system(self) -> Operation:
        return Operation(self._services)

    def id_of(self, person: Person) -> UUID:
        return self._viewers[person].require_user()

    async def enter(self, person: Person) -> None:
        """Register the person, or find them if they are registered."""
        # Only the three logins have a password that anybody knows.
        password = PASSWORD if person in LOGINS else secrets.token_urlsafe(24)
        # An earlier start may have come this far.
        with contextlib.suppress(EmailTaken):
            await accounts.register_account(
                self.system(), email=person.email, password=password, name=person.name, roles=person.roles
            )
        user = await accounts.find_by_email(self.system(), person.email)
        if user is None:
            raise LookupError(f"{person.email} has just been registered, and is not there")
        self._viewers[person] = Viewer(user_id=user.id, roles=frozenset(person.roles))

    async def act(
        self,
        person: Person,
        name: str,
        use_case: Callable[Concatenate[Operation, P], Awaitable[Receipt]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> UUID:
        """Let the person act once, however often the story is begun: `name` is unique among acts of this kind."""
        viewer = self._viewers[person]
        act = Act("demo", viewer.require_user(), f"{use_case.__name__} {name}", b"")
        try:
            receipt = await use_case(Operation(self._services, viewer, act=act), *args, **kwargs)
        except Replayed as replay:
            receipt = replay.receipt
        return receipt.entity_id

    async def learn_skills(self) -> None:
        rows = await self._services.db.fetch(
            sa.select(col(SkillName.name), col(SkillName.skill_id)).where(col(SkillName.name).in_(_SKILLS))
        )
        self._skills = {row.name: row.skill_id for row in rows}

    def skill(self, name: str) -> UUID:
        return self._skills[name]

    async def board_of(self, gig_id: UUID) -> tuple[UUID, dict[str, UUID]]:
        """The board of a gig, and its columns by name."""
        statement = (
            sa.select(col(BoardColumn.board_id), col(BoardColumn.name), col(BoardColumn.id))
            .join(Board, col(Board.id) == col(BoardColumn.board_id))
            .where(col(Board.gig_id) == gig_id)
        )
        rows = await self._services.db.fetch(statement)
        return rows[0].board_id, {row.name: row.id for row in rows}

    async def act_on_board(
        self,
        person: Person,
        name: str,
        use_case: Callable[Concatenate[Operation, P], Awaitable[Done]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> UUID:
        """`act` for what can be undone."""

        async def receipt_of(op: Operation) -> Receipt:
            return (await use_case(op, *args, **kwargs))[0]

        return await self.act(person, f"{use_case.__name__} {name}", receipt_of)

    # -- what people do here ------------------------------------------------------------------------------------------

    async def introduce(self, person: Person, profile: Mapping[str, Any]) -> None:
        changes = dict(profile)
        skills: Mapping[str, tuple[SkillLevel, int]] = changes.pop("skills")
        if isinstance(rate := changes.pop("rate"), tuple):
            changes["rate"] = Rate(Decimal(rate[0]), rate[1])
        await self.act(person, "profile", profiles.edit_freelancer, changes, expected_version=None)
        last_used = date(self.start.year - 1, 6, 1)
        expertise = [
            Expertise(self.skill(name), level, years, last_used) for name, (level, years) in skills.items()
        ]
        await self.act(person, "skills", profiles.set_expertise, expertise, expected_version=None)

    async def post(self, client: Person, gig_id: UUID, content: GigContent, *, publish: bool = True) -> None:
        await self.act(client, str(gig_id), gigs.create_gig, content, id=gig_id)
        if publish:
            await self.act(client, str(gig_id), gigs.publish_gig, gig_id)

    def content(
        self,
        title: str,
        description: str,
        budget: tuple[BudgetKind, int, int, str],
        *,
        closes_in: float,
        skills: tuple[str, ...],
        nice: tuple[str, ...] = (),
        **more: Any,
    ) -> GigContent:
        """The last of `skills` weighs least. `closes_in` counts days from the stage's own time."""
        kind, low, high, currency = budget
        wanted = [WantedSkill(self.skill(name), weight=5 - place) for place, name in enumerate(skills)]
        wanted += [WantedSkill(self.skill(name), SkillNeed.NICE_TO_HAVE, 2) for name in nice]
        return GigContent(
            title=title,
            description=description,
            budget_kind=kind,
            budget_min=Decimal(low),
            budget_max=Decimal(high),
            currency=currency,
            deadline=self._day_end(self.now + timedelta(days=closes_in)),
            skills=tuple(wanted),
            **more,
        )

    def _day_end(self, moment: datetime) -> datetime:
        return moment.replace(hour=23, minute=59, second=59, microsecond=0)

    async def apply(
        self, person: Person, gig_id: UUID, number: int, letter: str, price: int, *, days: int | None = None
    ) -> UUID:
        bid = Bid(letter, Decimal(price), days)
        return await self.act(
            person, str(gig_id), applications.submit_application, gig_id, bid, id=demo_id(number)
        )

    async def hire(self, client: Person, application_id: UUID) -> UUID:
        return await self.act(client, str(application_id), applications.accept_application, application_id)

    async def view(self, client: Person, *application_ids: UUID) -> None:
        for one in application_ids:
            await self.act(client, str(one), applications.mark_application_viewed, one)

    async def progress(self, person: Person, contract_id: UUID, percent: int, note: str) -> None:
        await self.act(
            person,
            f"{contract_id} {percent}",
            contracts.report_progress,
            contract_id,
            percent=percent,
            note=note,
            expected_version=None,
        )

    async def rate(self, person: Person, contract_id: UUID, axes: str, comment: str) -> UUID:
        """`axes` are six digits in the order of the API's axes."""
        values = dict(zip(AXES, map(int, axes), strict=True))
        return await self.act(
            person, str(contract_id), feedback.leave_feedback, contract_id, axes=values, comment=comment
        )


async def _tell(stage: _Stage) -> None:
    await stage.learn_skills()
    await _people_arrive(stage)
    await _the_translation(stage)
    await _work_begins(stage)
    await _carlas_last_two_weeks(stage)
    await _jonas_posts(stage)
    await _this_week(stage)


async def _people_arrive(stage: _Stage) -> None:
    await stage.move_to(36)
    for person in CAST:
        await stage.enter(person)
    await accounts.appoint(stage.system(), email=ADA.email, role=Role.ADMIN)
    about = (
        "We lead small groups through old towns, on foot and by bicycle. Ten guides, one office, two dogs."
    )
    client = {"company": "Conti Walks", "about": about, "country": "IT"}
    await stage.act(CARLA, "client", profiles.edit_client, client, expected_version=None)
    about = (
        "A bakery with four shops on the coast. We bake at night and would like our software to sleep then."
    )
    client = {"company": "Nordljus Bageri", "about": about, "country": "SE"}
    await stage.act(JONAS, "client", profiles.edit_client, client, expected_version=None)
    for person, profile in PROFILES.items():
        await stage.introduce(person, profile)


async def _the_translation(stage: _Stage) -> None:
    """A finished piece of work: both have spoken, and the freelancer replied."""
    await stage.move_to(34)
    text = "Our guidebook has **14 chapters**, about 18,000 words in English. We need it in lively Spanish, not in dictionary Spanish."
    budget = (BudgetKind.FIXED, 900, 1400, "EUR")
    content = stage.content("Translate our walking guide into Spanish", text, budget, closes_in=7, expected_days=12,
                            skills=("translation", "spanish"), nice=("copywriting",))  # fmt: skip
    await stage.post(CARLA, TRANSLATION, content)
    await stage.move_to(33)
    letter = "¡Hola, Carla! I translate travel writing from English and Italian. I would begin with chapter one as a sample, for free."
    application = await stage.apply(ANA, TRANSLATION, 101, letter, 1150, days=12)
    await stage.move_to(32)
    await stage.view(CARLA, application)
    contract = await stage.hire(CARLA, application)
    await stage.move_to(26)
    await stage.progress(
        ANA, contract, 60, "Nine chapters are done; the one about bridges needed some research."
    )
    await stage.move_to(21)
    await stage.act(ANA, "done", contracts.submit_work, contract, note="All fourteen chapters, read twice.")
    await stage.move_to(20)
    await stage.act(CARLA, "guide", contracts.approve_work, contract)
    await stage.move_to(19)
    await stage.rate(
        CARLA,
        contract,
        "555455",
        "Reads as if it had been written in Spanish. One chapter came a day late, announced in time.",
    )
    await stage.move_to(18)
    given = await stage.rate(ANA, contract, "555555", "Clear wishes, quick answers, paid the same day.")
    await stage.move_to(17)
    reply = "Thank you! The second edition is yours if you want it."
    await stage.act(CARLA, "thanks", feedback.reply_to_feedback, given, body=reply)


async def _work_begins(stage: _Stage) -> None:
    """A guide app that is being built, and a clean-up that is done but not yet judged by both."""
    await stage.move_to(16)
    text = "Guides need today's route, the guests' names and an offline map on their phones. The API exists."
    budget = (BudgetKind.FIXED, 6000, 9000, "EUR")
    content = stage.content("Offline app for our tour guides", text, budget, closes_in=10, expected_days=45,
                            skills=("flutter", "graphql"), nice=("figma",))  # fmt: skip
    await stage.post(CARLA, GUIDE_APP, content)
    text = "Eleven years of bookings in 40 spreadsheets, to be one PostgreSQL database without doubles."
    budget = (BudgetKind.FIXED, 800, 1500, "EUR")
    content = stage.content("Move our bookings from spreadsheets to PostgreSQL", text, budget, closes_in=6,
                            expected_days=8, skills=("postgresql", "python"), nice=("pandas",))  # fmt: skip
    await stage.post(CARLA, CLEAN_UP, content)
    await stage.move_to(15)
    thabo = await stage.apply(
        THABO,
        GUIDE_APP,
        102,
        "I have shipped three offline-first apps; maps are the part I like best.",
        8200,
        days=45,
    )
    mei = await stage.apply(
        MEI,
        GUIDE_APP,
        103,
        "I could design it and build the screens; for the offline part I would need help.",
        6900,
        days=60,
    )
    farid = await stage.apply(
        FARID,
        CLEAN_UP,
        104,
        "Spreadsheets to PostgreSQL is half of what I do. I test every rule against last year's numbers.",
        1200,
        days=8,
    )
    await stage.move_to(14)
    await stage.view(CARLA, thabo, mei, farid)
    message = "Your screens are lovely. This time the offline part decides."
    await stage.act(
        CARLA, "mei", applications.decline_application, mei, reason=DeclineReason.EXPERIENCE, message=message
    )
    app = await stage.hire(CARLA, thabo)
    clean_up = await stage.hire(CARLA, farid)
    await _the_guide_board(stage)
    await stage.move_to(10)
    await stage.progress(THABO, app, 20, "Routes and guests load; the map comes next.")
    await stage.progress(
        FARID, clean_up, 50, "Doubles are found: 312 guests were written in two or more ways."
    )
    await stage.move_to(6)
    await stage.act(
        FARID, "first", contracts.submit_work, clean_up, note="All years are in, with a report of doubles."
    )
    await stage.move_to(5)
    note = "2019 lacks the cancelled tours. Please bring them in, marked as cancelled."
    await stage.act(CARLA, "2019", contracts.request_changes, clean_up, note=note)
    await stage.move_to(4)
    await stage.act(
        FARID, "second", contracts.submit_work, clean_up, note="The 87 cancelled tours of 2019 are in."
    )
    await stage.move_to(3.5)
    await stage.act(CARLA, "clean up", contracts.approve_work, clean_up)
    await stage.progress(THABO, app, 55, "The map works without a network. Next: signing in.")
    await stage.move_to(3)
    comment = "Knew what she wanted and why. The files were worse than described, the help with them better."
    await stage.rate(FARID, clean_up, "545545", comment)


async def _the_guide_board(stage: _Stage) -> None:
    """How the guide app was planned and built, told while the rest goes on."""
    board_id, columns = await stage.board_of(GUIDE_APP)
    labels = {
        name: await stage.act_on_board(
            THABO, name, boards.add_label, board_id, {"name": name, "color": color}
        )
        for name, color in LABELS.items()
    }
    await stage.act_on_board(
        CARLA, "limit", boards.edit_column, columns["In progress"], {"wip_limit": 3}, expected_version=None
    )
    ids = {task.title: demo_id(201 + at) for at, task in enumerate(TASKS)}

    async def write(task: Planned) -> None:
        values = {
            "title": task.title,
            "description": task.description,
            "priority": task.priority,
            "estimate": task.estimate,
            "due_on": None if task.due_in is None else (stage.start + timedelta(days=task.due_in)).date(),
            "label_ids": [] if task.label is None else [labels[task.label]],
            "assignee_ids": [stage.id_of(THABO)] if task.moves else [],
        }
        id, column_id = ids[task.title], columns[task.column]
        await stage.act_on_board(
            CARLA, task.title, tasks.create_task, board_id, values, column_id=column_id, id=id
        )

    async def move(task: Planned, column: str) -> None:
        id, name = ids[task.title], f"{task.title} to {column}"
        await stage.act_on_board(
            THABO,
            name,
            tasks.move_task,
            id,
            column_id=columns[column],
            position=BOTTOM,
            expected_version=None,
        )

    async def talk() -> None:
        tried = ids["Try it out on the evening tour"]
        checklist = await stage.act_on_board(
            THABO, "tried", task_talk.add_checklist, tried, "Before the guests come"
        )
        items = [
            await stage.act_on_board(THABO, text, task_talk.add_item, checklist, {"text": text})
            for text in CHECKLIST
        ]
        await stage.act_on_board(THABO, "first", task_talk.edit_item, items[0], {"is_done": True})
        asked = await stage.act_on_board(
            CARLA, "phone", task_talk.add_comment, tried, "Nico has an old phone. Will it do?",
            answers_id=None, mentions=[stage.id_of(THABO)],
        )  # fmt: skip
        await stage.act_on_board(
            THABO, "yes", task_talk.add_comment, tried, "It will: I develop on an older one.", answers_id=asked, mentions=[]
        )  # fmt: skip
        await stage.act_on_board(CARLA, "good", task_talk.react, asked, "👍", is_on=True)

    stage.beside((task.written, partial(write, task)) for task in TASKS)
    stage.beside((days, partial(move, task, column)) for task in TASKS for days, column in task.moves)
    stage.beside([(1.4, talk)])


async def _carlas_last_two_weeks(stage: _Stage) -> None:
    await stage.move_to(2.9)
    text = "Guests pick a tour, a day and how many they are, then pay a deposit. It must work **by keyboard** and in four languages."
    budget = (BudgetKind.FIXED, 2500, 4000, "EUR")
    content = stage.content("Booking page for walking tours", text, budget, closes_in=24, expected_days=30,
                            questions=(Question("When could you begin?", is_required=False),),
                            skills=("python", "graphql", "typescript"), nice=("postgresql", "docker"))  # fmt: skip
    await stage.post(CARLA, BOOKING, content)
    text = "Every Monday a page that tells how last week went: guests, no-shows, weather. Two or three hours a week."
    content = stage.content("Weekly numbers for our tours", text, (BudgetKind.HOURLY, 35, 55, "EUR"), closes_in=18,
                            time_zone="Europe/Lisbon", overlap_hours=4, skills=("data analysis", "sql"), nice=("data visualisation",))  # fmt: skip
    await stage.post(CARLA, REPORT, content)
    text = "Please look at how we take deposits before we go live. The code is small; the trust is not."
    content = stage.content("Security review of our deposits", text, (BudgetKind.FIXED, 1500, 2500, "EUR"), closes_in=20,
                            expected_days=5, skills=("penetration testing",), nice=("python",), visibility=GigVisibility.INVITE_ONLY)  # fmt: skip
    await stage.post(CARLA, REVIEW, content)
    for person, message in (
        (FARID, "You know our data; would you look at the money, too?"),
        (OLENA, "Recommended by Farid."),
    ):
        await stage.act(
            CARLA,
            person.email,
            invitations.invite_freelancer,
            REVIEW,
            freelancer_id=stage.id_of(person),
            message=message,
        )
    text = "Six postcards of towns we walk through, drawn, not photographed."
    content = stage.content("Six illustrated postcards", text, (BudgetKind.FIXED, 600, 900, "EUR"), closes_in=30,
                            skills=("illustration",))  # fmt: skip
    await stage.post(CARLA, POSTCARDS, content)
    text = "Our newsletter looks like 2009. To be written."
    content = stage.content("A new look for our newsletter", text, (BudgetKind.FIXED, 400, 700, "EUR"), closes_in=40,
                            skills=("email marketing",))  # fmt: skip
    await stage.post(CARLA, NEWSLETTER, content, publish=False)
    text = "The walking stick in our logo looks like a question mark. Keep the idea, mend the stick."
    content = stage.content("Mend the stick in our logo", text, (BudgetKind.FIXED, 150, 300, "EUR"), closes_in=5,
                            expected_days=2, skills=("logo design", "adobe illustrator"))  # fmt: skip
    await stage.post(CARLA, LOGO, content)


async def _jonas_posts(stage: _Stage) -> None:
    await stage.move_to(2.7)
    text = "A map of every mill that ever ground our flour, for the wall of the shop."
    content = stage.content("Atlas of old mills", text, (BudgetKind.FIXED, 5000, 8000, "SEK"), closes_in=1,
                            skills=("geographic information systems",))  # fmt: skip
    await stage.post(JONAS, ATLAS, content)
    text = (
        "People abroad want our sourdough starter by post. A small shop, two products, honest shipping costs."
    )
    content = stage.content("Online shop for sourdough starters", text, (BudgetKind.FIXED, 20000, 35000, "SEK"), closes_in=21,
                            expected_days=25, skills=("shopify", "css"), nice=("seo",))  # fmt: skip
    await stage.post(JONAS, SHOP, content)
    text = "“Is the rye bread left?” – forty times a day. Answer from the till's stock, politely, in Swedish and English."
    content = stage.content("Chat assistant that knows our shelves", text, (BudgetKind.HOURLY, 50, 80, "USD"), closes_in=28,
                            skills=("python", "machine learning"), nice=("redis",))  # fmt: skip
    await stage.post(JONAS, BOT, content)
    text = "Connect the till to the flour store."
    content = stage.content("Connect till and store room", text, (BudgetKind.FIXED, 10000, 15000, "SEK"), closes_in=14,
                            skills=("node.js",))  # fmt: skip
    await stage.post(JONAS, TILL, content)
    text = "Cafés order by telephone until midnight. We want a page where they order, and a list for the bakers at one o'clock. Two people, front and back."
    content = stage.content("Wholesale orders for cafés", text, (BudgetKind.FIXED, 30000, 60000, "SEK"), closes_in=16,
                            expected_days=40, wanted=2, skills=("python", "react", "postgresql"))  # fmt: skip
    await stage.post(JONAS, WHOLESALE, content)


async def _this_week(stage: _Stage) -> None:
    """The pipeline as a visitor finds it: bids at every stage, work going on, one hand-in waiting for Carla."""
    await stage.move_to(2.2)
    farid = await stage.apply(
        FARID,
        BOOKING,
        105,
        "I would start with the keyboard: if that works, the rest is easy. مع أطيب التحيات",
        3400,
        days=28,
    )
    olena = await stage.apply(
        OLENA,
        BOOKING,
        106,
        "Дякую за чіткий опис! I build the data side first, so that no tour is sold twice.",
        3900,
        days=35,
    )
    mei = await stage.apply(
        MEI, LOGO, 107, "杖の角度を少し変えるだけで解決します。 A small change of angle will do.", 220, days=2
    )
    await stage.apply(OLENA, REPORT, 108, "Mondays suit me; I would send the page before nine.", 45)
    wholesale = await stage.apply(
        FARID,
        WHOLESALE,
        109,
        "The bakers' list at one o'clock is a deadline I respect. I take the back.",
        42000,
        days=40,
    )
    await stage.apply(ANA, SHOP, 110, "I write product pages that people read to the end.", 24000, days=20)
    await stage.move_to(1.8)
    await stage.act(OLENA, "review", _accept_invitation, REVIEW)
    await stage.view(CARLA, farid, olena, mei)
    await stage.act(CARLA, "farid", applications.shortlist_application, farid)
    logo = await stage.hire(CARLA, mei)
    await stage.view(JONAS, wholesale)
    work = await stage.hire(JONAS, wholesale)
    await stage.act(CARLA, "postcards", gigs.pause_gig, POSTCARDS)
    await stage.act(JONAS, "till", gigs.cancel_gig, TILL, note="The maker of the till does it after all.")
    await stage.move_to(1)
    await stage.progress(FARID, work, 15, "The list for one o'clock prints itself; orders are next.")
    await stage.progress(MEI, logo, 80, "It is a stick now.")
    await stage.apply(
        THABO, BOOKING, 111, "Payments in four languages: built twice, both in use.", 2900, days=30
    )
    await stage.move_to(0.5)
    await stage.act(MEI, "logo", contracts.submit_work, logo, note="As a vector file and in three sizes.")
    await stage.act(FARID, "bot", gigs.save_gig, BOT)
    await stage.move_to(0)
    await run_due_jobs(stage.system())


async def _accept_invitation(op: Operation, gig_id: UUID) -> Receipt:
    statement = sa.select(col(GigInvitation.id)).where(
        col(GigInvitation.gig_id) == gig_id, col(GigInvitation.freelancer_id) == op.viewer.user_id
    )
    invitation_id = (await op.db.fetch(statement))[0][0]
    return await invitations.answer_invitation(op, invitation_id, accepts=True, note=None)
