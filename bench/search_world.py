"""A marketplace of realistic size for measuring: made once, by COPY, from a fixed seed.

The texts are drawn from word lists of our own with a Zipf-like distribution, so that some words are in half of the gigs
and thousands are in a handful.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

import asyncpg

SKILLS_PER_GIG = 4
COMMON = "project"
NEWEST = datetime(2026, 11, 1, tzinfo=UTC)

_SUBJECTS = """website shop booking calendar invoice payment dashboard report newsletter forum chatbot crawler pipeline
 warehouse inventory logistics delivery restaurant clinic school hotel museum library podcast video animation logo brand
 brochure catalogue poster packaging illustration portrait translation subtitle transcript article manual tutorial course
 workshop survey interview campaign advert landing checkout basket subscription membership loyalty coupon recipe fitness
 travel insurance mortgage accounting payroll recruiting onboarding ticket helpdesk knowledge search ranking forecast
 segmentation sensor firmware robot drone camera thermostat meter vehicle charging battery solar turbine greenhouse farm
 fishery forest mining shipyard railway airport stadium theatre orchestra festival gallery auction charity embassy archive
 genome protein vaccine laboratory microscope telescope satellite climate weather ocean earthquake census election budget
 audit compliance privacy encryption firewall backup migration upgrade refactoring benchmark deployment container cluster
 queue cache database schema index replica gateway proxy parser compiler debugger editor terminal browser extension widget
 plugin theme template component layout typography palette icon sprite shader texture avatar level quest puzzle""".split()
_PLAIN = """we need a you will the and with for our your that has to be of in on by is are have it as team new people work
 experience skills good time data build make write help must should clear simple fast small large existing modern clean
 reliable weekly remote english documentation tests code review design users customers company business product feature
 system application service mobile desktop online support maintain improve develop create deliver explain prepare connect
 integrate export import convert measure monitor automate schedule publish translate illustrate record edit analyse""".split()
_ADJECTIVES = (
    "fast simple modern clean secure friendly bilingual accessible small large custom seasonal".split()
)
_VERBS = (
    "Build Design Write Translate Improve Migrate Review Automate Test Document Illustrate Analyse".split()
)
_ONSETS = "b br c ch d dr f fl g gr h j k l m n p pl qu r s st t tr v w z".split()
_NUCLEI = "a e i o u ai ea io ou".split()
_CODAS = "n r l s t m nd rk st x th".split()


def vocabulary() -> list[str]:
    """Some 6,000 words, commonest first."""
    chance = random.Random(1)
    invented: dict[str, None] = {}
    while len(invented) < 6_000:
        syllables = [chance.choice(_ONSETS) + chance.choice(_NUCLEI) for _ in range(chance.choice((2, 2, 3)))]
        invented["".join(syllables) + chance.choice(_CODAS)] = None
    return list(dict.fromkeys([*_PLAIN, *_SUBJECTS, *invented]))


@dataclass(frozen=True, slots=True)
class WorldSize:
    """How much there is of everything; `skills` is how many of the taxonomy's are in use, by default all."""

    users: int = 20_000
    gigs: int = 100_000
    applications: int = 200_000
    invitations: int = 20_000
    skills: int | None = None
    skills_per_freelancer: int = 0
    description_words: int = 110
    is_all_visible: bool = False  # no drafts, no gigs by invitation, no private clients


@dataclass(frozen=True)
class _Gig:
    id: UUID
    client: UUID
    listed_at: datetime
    is_hidden: bool


class Author:
    """Writes the rows of one world; the same seed always writes the same world."""

    def __init__(self, skills: Sequence[UUID], size: WorldSize, *, seed: int = 2026) -> None:
        self.size = size
        self.chance = random.Random(seed)
        self.words = vocabulary()
        self.word_weights = _zipf(len(self.words), 1.0)
        self.skills = list(skills)
        self.chance.shuffle(self.skills)
        self.skills = self.skills[: size.skills]
        self.skill_weights = _zipf(len(self.skills), 0.9)
        self.people = [self._id(NEWEST - timedelta(days=900)) for _ in range(size.users)]
        self.clients = self.people[: size.users // 5]
        self.freelancers = self.people[size.users // 5 :]
        self.count = size.gigs
        self.gigs: list[_Gig] = []

    def users(self) -> Iterator[tuple[Any, ...]]:
        at = NEWEST - timedelta(days=900)
        for number, person in enumerate(self.people):
            role = "CLIENT" if number < len(self.clients) else "FREELANCER"
            yield 1, at, person, f"p{number}@bench.example", f"Person {number}", "!", [role], "ACTIVE", at, 0

    def client_profiles(self) -> Iterator[tuple[Any, ...]]:
        at = NEWEST - timedelta(days=900)
        for number, person in enumerate(self.clients):
            rating = self.chance.randint(250, 500) if self.chance.random() < 0.7 else None
            count = 0 if rating is None else self.chance.randint(1, 40)
            total = 0 if rating is None else rating * 6 * count // 100
            visibility = "PUBLIC" if number % 20 or self.size.is_all_visible else "PRIVATE"
            yield person, 1, at, f"Company {number}", "", "CH", visibility, at, total, count, rating

    def freelancer_profiles(self) -> Iterator[tuple[Any, ...]]:
        at = NEWEST - timedelta(days=900)
        for person in self.freelancers:
            yield person, 1, at, "Freelancer", "", [], "PUBLIC", at, 0, 0

    def freelancer_skills(self) -> Iterator[tuple[Any, ...]]:
        levels = ("BEGINNER", "INTERMEDIATE", "ADVANCED", "EXPERT")
        wanted = self.size.skills_per_freelancer
        for person in self.freelancers if wanted else ():
            drawn = self.chance.choices(self.skills, cum_weights=self.skill_weights, k=wanted + 2)
            for position, skill in enumerate(list(dict.fromkeys(drawn))[:wanted]):
                yield person, skill, self.chance.choice(levels), self.chance.randint(0, 20), position

    def gig_rows(self) -> Iterator[tuple[Any, ...]]:
        statuses = ["OPEN", "IN_PROGRESS", "COMPLETED", "DRAFT", "PAUSED", "CANCELLED", "EXPIRED"]
        for number in range(self.count):
            # Two years of gigs, evenly spread, oldest first as they would have been inserted.
            at = NEWEST - timedelta(seconds=(self.count - number) * 63_072_000 / self.count)
            status = self.chance.choices(statuses, (60, 10, 15, 5, 4, 2, 4))[0]
            visibility = "INVITE_ONLY" if self.chance.random() < 0.05 else "PUBLIC"
            if self.size.is_all_visible:
                status, visibility = "OPEN" if status == "DRAFT" else status, "PUBLIC"
            kind = self.chance.choice(("FIXED", "FIXED", "HOURLY"))
            low = self.chance.randint(10, 200) * (100 if kind == "HOURLY" else 1_000)
            high = low + self.chance.randint(0, low)
            currency = self.chance.choices(("EUR", "USD", "GBP", "CHF"), (50, 30, 12, 8))[0]
            gig = _Gig(self._id(at), self.chance.choice(self.clients), at, status == "DRAFT")
            self.gigs.append(gig)
            yield (
                1, at, gig.id, gig.client, self._title(), self._description(), kind, low, high, currency,
                at + timedelta(days=self.chance.randint(10, 120)), self.chance.randint(1, 200), 1, 0, visibility,
                status, self.chance.randint(0, 30), 0, at, None if gig.is_hidden else at, at,
            )  # fmt: skip

    def gig_skills(self) -> Iterator[tuple[Any, ...]]:
        for gig in self.gigs:
            drawn = self.chance.choices(self.skills, cum_weights=self.skill_weights, k=SKILLS_PER_GIG + 2)
            for position, skill in enumerate(list(dict.fromkeys(drawn))[:SKILLS_PER_GIG]):
                yield gig.id, skill, "REQUIRED" if position < 2 else "NICE_TO_HAVE", 3, position

    def applications(self) -> Iterator[tuple[Any, ...]]:
        for gig, person in self._pairs(self.size.applications):
            at = gig.listed_at + timedelta(hours=2)
            yield (
                1,
                at,
                self._id(at),
                gig.id,
                gig.client,
                person,
                "SUBMITTED",
                "I would like to.",
                50_000,
                "EUR",
                at,
            )

    def invitations(self) -> Iterator[tuple[Any, ...]]:
        for gig, person in self._pairs(self.size.invitations):
            at = gig.listed_at + timedelta(hours=1)
            yield 1, at, self._id(at), gig.id, gig.client, person, "PENDING", at

    def _pairs(self, count: int) -> Iterator[tuple[_Gig, UUID]]:
        shown = [gig for gig in self.gigs if not gig.is_hidden]
        seen: set[tuple[UUID, UUID]] = set()
        while len(seen) < count:
            gig, person = self.chance.choice(shown), self.chance.choice(self.freelancers)
            if (gig.id, person) not in seen:
                seen.add((gig.id, person))
                yield gig, person

    def _title(self) -> str:
        tail = " ".join(self.chance.choices(self.words, cum_weights=self.word_weights, k=3))
        choose = self.chance.choice
        return (
            f"{choose(_VERBS)} a {choose(_ADJECTIVES)} {choose(_SUBJECTS)} for a {choose(_SUBJECTS)} {tail}"
        )

    def _description(self) -> str:
        words = self.chance.choices(self.words, cum_weights=self.word_weights, k=self.size.description_words)
        if self.chance.random() < 0.5:
            words[self.chance.randrange(40)] = COMMON
        return " ".join(words)

    def _id(self, at: datetime) -> UUID:
        """A UUIDv7 of that time."""
        random_bits = self.chance.getrandbits(74)
        high, low = random_bits >> 62, random_bits & ((1 << 62) - 1)
        milliseconds = int(at.timestamp() * 1000)
        return UUID(int=(milliseconds << 80) | (7 << 76) | (high << 64) | (2 << 62) | low)


def _zipf(count: int, exponent: float) -> list[float]:
    """Cumulative weights of words by rank; the first few are nearly alike, as in real text."""
    return list(accumulate(1 / (rank + 8) ** exponent for rank in range(count)))


async def write_world(dsn: str, size: WorldSize) -> None:
    """Fill a migrated database that has the taxonomy. Search indexes are built after the rows, as a restore does."""
    connection = await asyncpg.connect(dsn)
    try:
        skills = await connection.fetch("select id from skill where status = 'ACTIVE' order by id")
        author = Author([row["id"] for row in skills], size)
        indexes = await connection.fetch(
            "select indexname, indexdef from pg_indexes where tablename = 'gig' and indexdef like '%USING gin%'"
        )
        for index in indexes:
            await connection.execute(f"drop index {index['indexname']}")
        await connection.execute("alter table gig disable trigger gig_words")
        for table, columns, rows in (
            ("users", "version updated_at id email name password_hash roles status created_at access_version", author.users()),
            ("client_profile", "user_id version updated_at company about country visibility created_at rating_axis_total rating_count rating_hundredths", author.client_profiles()),
            ("freelancer_profile", "user_id version updated_at headline overview languages visibility created_at rating_axis_total rating_count", author.freelancer_profiles()),
            ("freelancer_skill", "freelancer_id skill_id level years position", author.freelancer_skills()),
            ("gig", "version updated_at id client_id title description budget_kind budget_min_minor budget_max_minor currency deadline expected_days wanted hired visibility status application_count view_count created_at published_at listed_at", author.gig_rows()),
            ("gig_skill", "gig_id skill_id need weight position", author.gig_skills()),
            ("application", "version updated_at id gig_id client_id freelancer_id status cover_letter price_minor currency submitted_at", author.applications()),
            ("gig_invitation", "version updated_at id gig_id client_id freelancer_id status created_at", author.invitations()),
        ):  # fmt: skip
            await connection.copy_records_to_table(table, records=rows, columns=columns.split(), timeout=300)
        await connection.execute("alter table gig enable trigger gig_words")
        await connection.execute(_WORDS)
        await connection.execute("set maintenance_work_mem = '256MB'")
        for index in indexes:
            await connection.execute(index["indexdef"])
        await connection.execute("vacuum analyze")
    finally:
        await connection.close()


_WORDS = """
    insert into gig_word (gig_id, word)
    select (array_agg(gig.id))[1], word from gig, unnest(tsvector_to_array(search)) as word
    where length(word) between 3 and 40 and word ~ '^[[:alpha:]]' group by word
"""
