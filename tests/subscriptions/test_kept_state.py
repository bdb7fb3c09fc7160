"""State and events make the fresh state, for what people keep beside rooms: their drafts, scheduled messages and reports."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

from auth.viewer import Viewer
from models.event import EVENTS
from models.ids import encode_id
from models.kept_events import KeptEvent, ReportEvent
from models.kept_words import ReportOutcome, ReportReason
from models.message import Content
from resolvers import drafts, message_reports, rooms, scheduled_messages
from resolvers.operation import Operation
from schema.events import KINDS
from tests.resolvers.rooms import group, id_of, said
from tests.subscriptions.conftest import StartWorker, Worker
from tests.subscriptions.frames import frames_of
from tests.subscriptions.test_room_events import Follow

State = dict[str, dict[str, Any]]
PARTS = """
fragment D on MessageDraft { id threadId version content { state text } }
fragment S on ScheduledMessage { id sendAt state refusal version content { state text } }
fragment R on MessageReport { id state outcome resolution }
"""
SNAPSHOT = f"""{{ messageDrafts {{ nodes {{ ...D }} }} scheduledMessages {{ nodes {{ ...S }} }} messageReports {{ nodes {{ ...R }} }} }}
{PARTS}"""
EVENT = """cursor event { __typename
  ... on MessageDraftSaved { draft { ...D } } ... on MessageDraftDiscarded { removedId }
  ... on MessageScheduled { scheduledMessage { ...S } } ... on ScheduledMessageCancelled { removedId }
  ... on ScheduledMessageSent { removedId } ... on ScheduledMessageRefused { scheduledMessage { ...S } reason }
  ... on MessageReportResolved { report { ...R } outcome } ... on MessageReported { report { ...R } }
  ... on MessageModerated { outcome note room { id } } }"""
OWN = f"subscription ($after: StreamCursor) {{ viewerEvents(topics: [ROOMS], after: $after) {{ {EVENT} }} }} {PARTS}"
ADMIN = f"subscription ($after: StreamCursor) {{ adminEvents(after: $after) {{ {EVENT} }} }} {PARTS}"


async def snapshot(worker: Worker, who: Viewer) -> State:
    data = await worker.world.data(who, SNAPSHOT)
    return {node["id"]: node for found in data.values() for node in found["nodes"]}


async def follow(worker: Worker, who: Viewer, after: str | None, document: str, root: str) -> Follow:
    return Follow(await frames_of(worker, who, document, after=after), root)


def apply(state: State, event: dict[str, Any]) -> None:
    """The reference reducer."""
    if "removedId" in event:
        state.pop(event["removedId"], None)
    for name in ("draft", "scheduledMessage", "report"):
        # What is gone since is told to be gone later.
        if event.get(name) is not None:
            state[event[name]["id"]] = event[name]


async def test_a_snapshot_and_what_is_told_after_it_make_the_fresh_state(start: StartWorker) -> None:
    worker = await start()
    world = worker.world
    owner, member, admin = await world.client(), await world.freelancer(), await world.admin()
    room_id = await group(world, owner, member)
    op, later = world.as_(member), world.clock() + timedelta(hours=1)
    first = await said(world, owner, room_id, "first")
    live = await follow(worker, member, None, OWN, "viewerEvents")
    await live.next()
    kept = [(await snapshot(worker, member), live.cursor)]
    beginning = await follow(worker, admin, None, ADMIN, "adminEvents")
    await beginning.next()

    async def schedule(text: str) -> Any:
        return (
            await scheduled_messages.schedule_message(op, room_id, Content(text), send_at=later)
        ).entity_id

    draft = (await drafts.save_draft(op, room_id, None, Content("a"), expected_version=None)).entity_id
    await drafts.save_draft(op, room_id, None, Content("b"), expected_version=None)
    await drafts.save_draft(op, room_id, first, Content("c"), expected_version=None)
    cancelled, sent, refused = [await schedule(text) for text in ("x", "y", "z")]
    await scheduled_messages.cancel_scheduled(op, cancelled)
    await drafts.discard_draft(op, draft)
    reported = (
        await message_reports.report_message(op, room_id, first, ReportReason.SPAM, note=None)
    ).entity_id
    system = Operation(world.services)
    world.clock.move(timedelta(hours=1))
    await scheduled_messages.send_scheduled(system, sent)
    await rooms.archive_room(world.as_(owner), room_id, is_on=True)
    await scheduled_messages.send_scheduled(system, refused)
    await message_reports.resolve_report(world.as_(admin), reported, ReportOutcome.WARNED, note="No.")

    fresh = await snapshot(worker, member)
    told: set[str] = set()
    for state, cursor in kept:
        now = deepcopy(state)
        again = await follow(worker, member, cursor, OWN, "viewerEvents")
        while (event := await again.next())["__typename"] != "StreamReady":
            told.add(event["__typename"])
            apply(now, event)
        await again.close()
        assert now == fresh
    assert {node["state"] for node in fresh.values() if "sendAt" in node} == {"REFUSED"}

    reports = await beginning.some(2)
    assert [event["__typename"] for event in reports] == ["MessageReported", "MessageReportResolved"]
    assert reports[-1]["report"] | {"id": None} == {
        "id": None, "state": "RESOLVED", "outcome": "WARNED", "resolution": "No."
    }  # fmt: skip
    # The author is told what concerns them, in their own stream and nobody else's.
    rows = await world.rows(
        "select kind from fact where stream = :stream and kind like 'Message%'", stream=f"user:{id_of(owner)}"
    )
    assert [row.kind for row in rows] == ["MessageModerated"]
    of_reports = {"MessageReported", "MessageModerated"}
    kinds = {name for name in KINDS if issubclass(EVENTS[name], (KeptEvent, ReportEvent))}
    # The scheduled message was said in a room of theirs, too.
    assert told - {"MessageSent"} | of_reports == kinds
    assert told & of_reports == set()
    assert encode_id("report", reported) in fresh
