"""Reports: administrators read the one message as it was, and whoever is concerned is told what concerns them."""

from uuid import UUID

import pytest

from auth.viewer import Viewer
from models.chat import SYSTEM, ChatKind
from models.errors import NotAllowed, NotFound
from models.ids import encode_id
from models.kept_words import OwnMessage, ReportOutcome, ReportReason, ReportResolved
from models.message import Content, DeletedMessage
from models.store.chat_keys import Unreadable
from models.store.sql import Receipt
from resolvers import message_reports, messages
from resolvers.jobs import run_due_jobs
from resolvers.operation import Operation
from tests.resolvers.rooms import direct, group, id_of, log_of, said, texts
from tests.world import World, kinds, race


@pytest.fixture
async def world(idle_world: World) -> World:
    """Jobs are run here, so none of other tests may be due."""
    return idle_world


async def report(
    world: World, who: Viewer, room_id: UUID, message_id: UUID, note: str | None = None
) -> Receipt:
    return await message_reports.report_message(
        world.as_(who), room_id, message_id, ReportReason.FRAUD, note=note
    )


async def notices(world: World, who: Viewer) -> list[tuple[str, str]]:
    rows = await world.rows(
        "select kind, reason from notification where user_id = :id order by created_at", id=id_of(who)
    )
    return [(row.kind, row.reason) for row in rows]


async def test_what_a_message_said_then_is_kept_whatever_becomes_of_it(world: World) -> None:
    one, other, admin = await world.client(), await world.freelancer(), await world.admin()
    room_id = await direct(world, one, other)
    message_id = await said(world, other, room_id, "pay me elsewhere")

    report_id = (await report(world, one, room_id, message_id, note="See?")).entity_id
    await messages.edit_message(world.as_(other), room_id, message_id, Content("never mind"))
    await messages.delete_message(world.as_(other), room_id, message_id)

    found = await message_reports.evidence_of(world.as_(admin), [report_id])
    assert found == {report_id: Content("pay me elsewhere")}
    for who in (one, other):
        assert await message_reports.evidence_of(world.as_(who), [report_id]) == {}
    # The room itself stays closed.
    assert await messages.message_in(world.as_(admin), room_id, message_id) is None
    (row,) = await world.rows("select sealed from message_report where id = :id", id=report_id)
    assert b"elsewhere" not in row.sealed


async def test_administrators_learn_which_files_a_reported_message_showed_also_after_they_are_gone(
    world: World,
) -> None:
    one, other, admin = await world.client(), await world.freelancer(), await world.admin()
    room_id = await direct(world, one, other)
    file_ids = tuple([await world.upload(other, name, name.encode()) for name in ("one.txt", "two.txt")])
    message_id = await said(world, other, room_id, "see", file_ids=file_ids)

    report_id = (await report(world, one, room_id, message_id)).entity_id
    await messages.delete_message(world.as_(other), room_id, message_id)

    asked = "query ($id: ID!) { node(id: $id) { ... on MessageReport { evidence { attachmentIds } } } }"
    shown = [
        (await world.data(who, asked, id=encode_id("report", report_id)))["node"]["evidence"]
        for who in (admin, one)
    ]
    assert shown == [{"attachmentIds": [encode_id("file", id) for id in file_ids]}, None]


async def test_of_ten_reports_at_once_by_one_person_one_is_open(world: World) -> None:
    one, other, third = await world.client(), await world.freelancer(), await world.freelancer()
    room_id = await group(world, one, other, third)
    message_id = await said(world, other, room_id)

    outcomes = await race(report(world, one, room_id, message_id) for _ in range(10))
    again = await report(world, third, room_id, message_id)

    receipts = [outcome for outcome in outcomes if isinstance(outcome, Receipt)]
    assert sorted(receipt.outcome for receipt in receipts) == ["APPLIED"] + ["NOOP"] * 9
    assert len({receipt.entity_id for receipt in receipts}) == 1
    assert again.outcome == "APPLIED"


async def test_what_cannot_be_reported_leaves_no_trace(world: World) -> None:
    one, other, admin = await world.client(), await world.freelancer(), await world.admin()
    room_id = await direct(world, one, other)
    mine, gone = await said(world, one, room_id), await said(world, other, room_id)
    await messages.delete_message(world.as_(other), room_id, gone)
    before = await world.footprint()

    outcomes = await race([
        report(world, one, room_id, mine), report(world, one, room_id, gone), report(world, admin, room_id, mine),
        report(world, one, room_id, room_id),
    ])  # fmt: skip

    assert [type(outcome) for outcome in outcomes] == [OwnMessage, DeletedMessage, NotFound, NotFound]
    assert await world.footprint() == before


async def test_of_two_administrators_one_decides_and_each_concerned_is_told_once(world: World) -> None:
    one, other, admin, second = (
        await world.client(), await world.freelancer(), await world.admin(), await world.admin()
    )  # fmt: skip
    room_id = await direct(world, one, other)
    message_id = await said(world, other, room_id, "pay me elsewhere")
    report_id = (await report(world, one, room_id, message_id)).entity_id

    outcomes = await race(
        message_reports.resolve_report(world.as_(who), report_id, ReportOutcome.REMOVED, note="Fraud.")
        for who in (admin, second)
    )
    assert kinds(outcomes) == {"Receipt": 1, ReportResolved.__name__: 1}
    await run_due_jobs(Operation(world.services))
    await message_reports.remove_reported(Operation(world.services), report_id)

    assert await texts(world, one, room_id) == [None]
    deletions = [fact for fact in await log_of(world, room_id) if fact.kind is ChatKind.DELETED]
    assert [(fact.author_id, fact.client_id) for fact in deletions] == [(SYSTEM, f"report:{report_id}")]
    assert await notices(world, one) == [("MessageReportResolved", "YOU_REPORTED_IT")]
    assert await notices(world, other) == [("MessageModerated", "YOU_WROTE_IT")]
    # Whoever wrote it learns neither who reported it nor which administrator decided from what is public of the fact.
    (fact,) = await world.rows(
        "select payload, person_id from fact where stream = :stream and kind = 'MessageModerated'",
        stream=f"user:{id_of(other)}",
    )
    assert fact.person_id == id_of(other)
    assert str(id_of(one)) not in str(fact.payload) and str(report_id) not in str(fact.payload)


async def test_a_dismissed_report_is_told_to_the_reporter_alone_and_only_administrators_decide(
    world: World,
) -> None:
    one, other, admin = await world.client(), await world.freelancer(), await world.admin()
    room_id = await direct(world, one, other)
    report_id = (await report(world, one, room_id, await said(world, other, room_id))).entity_id

    def resolve(who: Viewer) -> object:
        return message_reports.resolve_report(world.as_(who), report_id, ReportOutcome.DISMISSED, note=None)

    assert kinds(await race([resolve(one), resolve(other)])) == {NotAllowed.__name__: 2}  # type: ignore[list-item]
    assert kinds(await race([resolve(admin)])) == {"Receipt": 1}  # type: ignore[list-item]

    assert await notices(world, one) == [("MessageReportResolved", "YOU_REPORTED_IT")]
    assert await notices(world, other) == []
    assert await texts(world, one, room_id) == ["hello"]


async def test_erasing_whoever_wrote_it_takes_the_evidence_too(world: World) -> None:
    one, other, admin = await world.client(), await world.freelancer(), await world.admin()
    room_id = await direct(world, one, other)
    report_id = (await report(world, one, room_id, await said(world, other, room_id))).entity_id

    await world.services.chat.keys.destroy(id_of(other))

    found = await message_reports.evidence_of(world.as_(admin), [report_id])
    assert found == {report_id: Unreadable.DESTROYED}
