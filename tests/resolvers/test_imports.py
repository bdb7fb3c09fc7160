"""Loading gigs from a file: what is read, what is refused, and what a second run does."""

import asyncio
import gzip
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from auth.viewer import ANONYMOUS, Viewer
from models.gig import BudgetKind, GigVisibility
from models.gig_workflow import GigStatus
from models.ids import encode_id
from resolvers.import_lines import ImportRefused
from resolvers.imports import ImportReport, Limits, client_with_email, import_gigs
from resolvers.operation import Rules
from tests.world import World, kinds, race

GOOD: dict[str, Any] = {
    "title": "Paint the fence",
    "description": "Forty metres, two coats.",
    "budget": 750,
    "deadline": "2027-01-31",
}


def line(**changes: Any) -> str:
    return json.dumps({name: value for name, value in (GOOD | changes).items() if value is not ...})


def write(folder: Path, *lines: str | bytes) -> Path:
    path = folder / "gigs.jsonl"
    path.write_bytes(b"".join((one if isinstance(one, bytes) else one.encode()) + b"\n" for one in lines))
    return path


async def load(
    world: World, client: Viewer, path: Path, *, keep_going: bool = False, **options: Any
) -> ImportReport:
    report = ImportReport()
    await import_gigs(world.as_(client), path, keep_going=keep_going, report=report, **options)
    return report


async def gigs_of(world: World, client: Viewer) -> list[Any]:
    return list(
        await world.rows("select * from gig where client_id = :id order by number", id=client.user_id)
    )


async def test_a_line_becomes_an_open_gig_with_the_facts_and_the_job_of_any_gig(
    world: World, tmp_path: Path
) -> None:
    client = await world.client()
    python = await world.skill("python")
    path = write(tmp_path, line(
        externalId="crm-1", title="Прибрати сад 🌱", skills=["  PostgreSQL ", encode_id("skill", python)],
        budget={"kind": "hourly", "min": "35.50", "max": 60, "currency": "eur"}, expectedDuration="P14D", wanted=2,
        visibility="INVITE_ONLY", questions=["When?", {"prompt": "Where?", "isRequired": False}],
        languages=["uk", "en"], timeZone="Europe/Kyiv", overlapHours=4,
    ))  # fmt: skip

    report = await load(world, client, path)

    assert (report.loaded, report.known, report.bad_count) == ({GigStatus.OPEN: 1}, 0, 0)
    (row,) = await gigs_of(world, client)
    gig = await world.gig(row.id)
    assert (gig.title, gig.status, gig.version) == ("Прибрати сад 🌱", GigStatus.OPEN, 2)
    assert (gig.budget_kind, gig.budget_min_minor, gig.budget_max_minor, gig.currency) == (
        BudgetKind.HOURLY, 3550, 6000, "EUR",
    )  # fmt: skip
    assert (gig.expected_days, gig.wanted, gig.visibility) == (14, 2, GigVisibility.INVITE_ONLY)
    assert gig.deadline.isoformat() == "2027-01-31T23:59:59+00:00"
    assert (gig.languages, gig.time_zone, gig.overlap_hours) == (["uk", "en"], "Europe/Kyiv", 4)
    assert gig.import_key == "id:crm-1"
    assert await world.facts(gig.id) == ["GigCreated", "GigPublished"]
    skills = await world.rows(
        "select skill_id from gig_skill where gig_id = :id order by position", id=gig.id
    )
    assert [row[0] for row in skills] == [await world.skill("postgresql"), python]
    questions = await world.rows(
        "select prompt || is_required from gig_question where gig_id = :id order by position", id=gig.id
    )
    assert [row[0] for row in questions] == ["When?true", "Where?false"]
    jobs = await world.rows("select kind, run_at from job where subject_id = :id", id=gig.id)
    assert [tuple(job) for job in jobs] == [("expire_gig", gig.deadline)]


async def test_a_plain_number_is_a_fixed_price_in_dollars(world: World, tmp_path: Path) -> None:
    client = await world.client()

    await load(world, client, write(tmp_path, line(budget=750.25)))

    (gig,) = await gigs_of(world, client)
    assert (gig.budget_kind, gig.budget_min_minor, gig.budget_max_minor, gig.currency) == (
        BudgetKind.FIXED, 75025, 75025, "USD",
    )  # fmt: skip


@pytest.mark.parametrize("keep_going", [False, True])
async def test_loading_a_file_again_doubles_nothing(world: World, tmp_path: Path, keep_going: bool) -> None:
    client, other = await world.client(), await world.client()
    path = write(tmp_path, line(externalId="a"), line(), line(), line(title="Paint the gate"))
    first = await load(world, client, path, keep_going=keep_going)
    footprint = await world.footprint()

    again = await load(world, client, path, keep_going=keep_going)

    assert (first.loaded.total(), first.known) == (3, 1)
    assert (again.loaded.total(), again.known) == (0, 4)
    assert await world.footprint() == footprint
    elsewhere = await load(world, other, path, keep_going=keep_going)
    assert elsewhere.loaded.total() == 3


BAD: list[tuple[str | bytes, str]] = [
    (b"\xff\xfe{", "Byte 1 of the line is not UTF-8."),
    ("{nonsense", "This is not JSON: "),
    ("[" * 100_000, "This is not JSON: "),
    ('["a list"]', "This is JSON, but not an object with fields."),
    (b'"' + b"x" * 1_000_000 + b'"', "The line has more than 1,000,000 bytes."),
    (line(dedline="2027-01-01"), "Unknown fields: dedline. Known are budget, deadline, "),
    (line(title=...), "title: It is missing."),
    (line(title=7), "title: It must be a text."),
    (line(title=""), "title: It must not be empty."),
    (line(title="t" * 121), "title: It has 121 characters; the most is 120."),
    (line(title="a\x00b", description="\ud800"), "title: It contains NUL"),
    (line(budget=...), "budget: It is missing"),
    (line(budget=-5), "budget.min: It must be between 0.01"),
    ('{"title": "t", "description": "d", "deadline": "2027-01-01", "budget": 1e999999}', "budget.min: It must be between"),
    ('{"title": "t", "description": "d", "deadline": "2027-01-01", "budget": NaN}', "This is not JSON: NaN is not a number"),
    (line(budget=True), "budget.min: It must be a number"),
    (line(budget={"min": 9, "max": 1}), "budget.max: The upper end 1 lies below the lower end 9."),
    (line(budget={"min": 9, "currency": "XQQ"}), "budget.currency: “XQQ” is not known here."),
    (line(budget={"min": 9, "kind": "BARTER"}), "budget.kind: It must be one of FIXED, HOURLY."),
    (line(deadline=...), "deadline: It is missing; give one, or use --deadline-days."),
    (line(deadline="soon"), "deadline: It must be a day like 2026-11-22"),
    (line(deadline="2027-01-01T00:00:00"), "deadline: It must be a day like 2026-11-22"),
    (line(expectedDuration="two weeks"), "expectedDuration: It must be a number of days"),
    (line(languages=["uk", 7]), "languages.1: It must be a code, such as en."),
    (line(languages=["uk", "xx"]), "languages.1: "),
    (line(timeZone=7, overlapHours=1), "timeZone: It must be the name of a zone, such as Europe/Berlin."),
    (line(timeZone="Kyiv", overlapHours=1), "timeZone: “Kyiv” is not known here."),
    (line(timeZone="Europe/Kyiv"), "overlapHours: Say how many hours have to be in common"),
    (line(overlapHours=2), "timeZone: Say with which time zone"),
    (line(timeZone="Europe/Kyiv", overlapHours=True), "overlapHours: It must be a whole number."),
    (line(expectedDuration=0), "expectedDuration: It must be between 1 and 3650."),
    (line(wanted=51), "wanted: It must be between 1 and 50."),
    (line(wanted=True), "wanted: It must be a whole number."),
    (line(visibility="SECRET"), "visibility: It must be one of PUBLIC, INVITE_ONLY."),
    (line(skills="python"), "skills: It must be a list."),
    (line(skills=["python", "Python"]), "skills: The same thing is named twice."),
    (line(skills=["postgresq"]), "skills: Not in the taxonomy: “postgresq”. Near: PostgreSQL"),
    (line(skills=["\x00"]), "skills: Not in the taxonomy: “\\x00”."),
    (line(skills=["skill_00000000000000000000000000"]), "skills: Not in the taxonomy: “skill_000"),
    (line(skills=[{"skill": "python", "weight": 9}]), "skills.0.weight: It must be between 1 and 5."),
    (line(questions=[7]), "questions: It must be a text, or an object with prompt and isRequired."),
    (line(externalId="x" * 191), "externalId: It has 191 characters; the most is 190."),
]  # fmt: skip


async def test_each_bad_line_is_told_by_its_number_and_reason_and_nothing_is_loaded(
    world: World, tmp_path: Path
) -> None:
    client = await world.client()
    path = write(tmp_path, line(), "", *[raw for raw, _ in BAD], line(title="Paint the gate"))

    report = await load(world, client, path, limits=Limits(shown=100))

    assert await gigs_of(world, client) == []
    assert report.bad_count == len(report.bad) == len(BAD)
    for place, ((number, told), (_, reason)) in enumerate(zip(report.bad, BAD, strict=True)):
        assert number == place + 3
        assert told.startswith(reason), told
    assert list(report.told(keep_going=False))[-1].startswith(f"Nothing was loaded: {len(BAD)} bad lines.")


async def test_with_keep_going_the_good_lines_are_loaded_and_all_bad_ones_counted(
    world: World, tmp_path: Path
) -> None:
    client = await world.client()
    good = [line(title=f"Fence {number}") for number in range(4)]
    path = write(tmp_path, *["{"] * 25, *good)

    report = await load(world, client, path, keep_going=True, limits=Limits(batch=3))

    assert (report.loaded.total(), report.bad_count) == (4, 25)
    assert [number for number, _ in report.bad] == list(range(1, 21))
    assert len(await gigs_of(world, client)) == 4
    assert list(report.told(keep_going=True))[-3:] == [
        "… and 5 more bad lines.",
        "Loaded 4 gigs (4 OPEN); 0 were there already.",
        "25 bad lines were left out.",
    ]


async def test_a_gig_whose_deadline_passed_stays_a_draft_or_gets_a_new_one(
    world: World, tmp_path: Path
) -> None:
    client, other = await world.client(), await world.client()
    path = write(tmp_path, line(deadline="2021-02-17"), line(title="Paint the gate"))

    kept = await load(world, client, path)
    shifted = await load(world, other, path, deadline_days=30)

    assert kept.loaded == {GigStatus.DRAFT: 1, GigStatus.OPEN: 1}
    assert shifted.loaded == {GigStatus.OPEN: 2}
    draft, _ = await gigs_of(world, client)
    assert await world.facts(draft.id) == ["GigCreated"]
    moved, untouched = await gigs_of(world, other)
    assert (moved.deadline - world.clock()).days == 30
    assert untouched.deadline.isoformat() == "2027-01-31T23:59:59+00:00"


async def test_where_gigs_need_approval_imported_ones_wait_for_it(world: World, tmp_path: Path) -> None:
    client = await world.client()
    strict = world.with_rules(Rules(gigs_need_approval=True))

    report = await load(strict, client, write(tmp_path, line()))

    assert report.loaded == {GigStatus.PENDING_APPROVAL: 1}


async def test_gzip_and_a_byte_order_mark_are_understood(world: World, tmp_path: Path) -> None:
    client = await world.client()
    path = tmp_path / "gigs.bin"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbf" + line().encode()))

    report = await load(world, client, path)

    assert (report.loaded.total(), report.bad_count) == (1, 0)


async def test_a_file_that_cannot_be_read_to_its_end_is_refused_as_a_whole(
    world: World, tmp_path: Path
) -> None:
    client = await world.client()
    torn = tmp_path / "torn.jsonl.gz"
    torn.write_bytes(gzip.compress(f"{line()}\n".encode())[:-9])

    for path, reason in (
        (torn, "is damaged"),
        (tmp_path, "Is a directory"),
        (tmp_path / "no", "No such file"),
    ):
        with pytest.raises(ImportRefused, match=reason):
            await load(world, client, path)

    assert await gigs_of(world, client) == []


async def test_all_or_nothing_takes_a_bounded_number_of_gigs(world: World, tmp_path: Path) -> None:
    client = await world.client()
    few = Limits(all_or_nothing=2)
    path = write(tmp_path, *[line(title=f"Fence {number}") for number in range(3)])

    with pytest.raises(ImportRefused, match="more than 2 gigs, too many to load all or nothing"):
        await load(world, client, path, limits=few)

    assert await gigs_of(world, client) == []
    assert (await load(world, client, path, keep_going=True, limits=few)).loaded.total() == 3


@pytest.mark.parametrize(("keep_going", "left"), [(False, 0), (True, 10)])
async def test_an_interruption_leaves_nothing_or_whole_batches(
    world: World, tmp_path: Path, keep_going: bool, left: int
) -> None:
    client = await world.client()
    path = write(tmp_path, *[line(title=f"Fence {number}") for number in range(20)])
    report = ImportReport()

    def interrupt(read_bytes: int) -> None:
        # All or nothing is past its checks then, and has written the first of two batches.
        if read_bytes > path.stat().st_size * (0.6 if not keep_going else 0.4):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await import_gigs(
            world.as_(client),
            path,
            keep_going=keep_going,
            report=report,
            on_progress=interrupt,
            limits=Limits(batch=10),
        )

    assert len(await gigs_of(world, client)) == report.loaded.total() == left
    assert (await load(world, client, path)).loaded.total() == 20 - left


async def test_two_imports_of_one_client_never_load_a_gig_twice(world: World, tmp_path: Path) -> None:
    client = await world.client()
    path = write(tmp_path, *[line(title=f"Fence {number}") for number in range(20)])

    outcomes = await race([load(world, client, path) for _ in range(4)])

    assert set(kinds(outcomes)) <= {"ImportReport", "ImportRefused"}
    loaded = Counter(outcome.loaded.total() for outcome in outcomes if isinstance(outcome, ImportReport))
    assert loaded[20] == 1
    assert len(await gigs_of(world, client)) == 20


async def test_the_client_is_found_by_address_and_must_be_one(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    emails = {
        person.user_id: (await world.rows("select email from users where id = :id", id=person.user_id))[0][0]
        for person in (client, freelancer)
    }

    found = await client_with_email(world.as_(ANONYMOUS), f" {emails[client.user_id].upper()} ")

    assert found.user_id == client.user_id
    with pytest.raises(ImportRefused, match=r"is not a client\. Take the role first"):
        await client_with_email(world.as_(ANONYMOUS), emails[freelancer.user_id])
    with pytest.raises(ImportRefused, match=r"Nobody is registered as nobody@example\.com"):
        await client_with_email(world.as_(ANONYMOUS), "nobody@example.com")
