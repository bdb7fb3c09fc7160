"""Things that messages name: shown as whoever reads may see them, in one statement for a page."""

from typing import Any
from uuid import UUID

from auth.viewer import Viewer
from models.ids import encode_id
from models.snippet import SnippetLanguage
from models.store.sql import counting_statements
from resolvers import gigs, snippets
from tests.resolvers.boards import board_stage
from tests.resolvers.rooms import direct, group, said, say
from tests.world import World

PAGE = """query ($room: ID!) { messages(roomId: $room) { nodes { text previews {
  id kind title excerpt gigStatus applicationStatus contractStatus } } } }"""
BARE = "query ($room: ID!) { messages(roomId: $room) { nodes { text } } }"


async def shown(world: World, who: Viewer, room_id: UUID) -> list[list[tuple[str, str]]]:
    """Kind and title of what each message shows."""
    page = await world.data(who, PAGE, room=encode_id("room", room_id))
    return [
        [(preview["kind"], preview["title"]) for preview in node["previews"]]
        for node in page["messages"]["nodes"]
    ]


async def test_each_reader_sees_of_what_is_named_what_they_may_see(world: World) -> None:
    stage = await board_stage(world)
    client, freelancer = stage.hired.client, stage.hired.freelancer
    stranger = await world.freelancer()
    task_id = await stage.task("Paint")
    snippet = await snippets.create_snippet(
        world.as_(freelancer), title="Mine", language=SnippetLanguage.PYTHON, content="1", message=""
    )
    open_id = await world.open_gig(await world.client())
    draft_id = await world.draft(client)
    room_id = await group(world, client, freelancer, stranger)
    names = [
        encode_id("task", task_id), encode_id("contract", stage.hired.contract_id),
        encode_id("snippet", snippet.entity_id), encode_id("gig", open_id), encode_id("gig", draft_id),
    ]  # fmt: skip
    await say(world, freelancer, room_id, " ".join(names))

    gig = await world.gig(stage.hired.gig_id)
    draft, free = await world.gig(draft_id), await world.gig(open_id)
    task, contract = ("TASK", "Paint"), ("CONTRACT", gig.title)
    mine, public = ("SNIPPET", "Mine"), ("GIG", free.title)
    assert await shown(world, client, room_id) == [[task, contract, public, ("GIG", draft.title)]]
    assert await shown(world, freelancer, room_id) == [[task, contract, mine, public]]
    assert await shown(world, stranger, room_id) == [[public]]
    assert (await world.data(await world.admin(), PAGE, room=encode_id("room", room_id)))["messages"] is None


async def test_a_preview_is_of_today(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig_id = await world.open_gig(client)
    application_id = await world.application(freelancer, gig_id)
    room_id = await direct(world, client, freelancer)
    gig, application = encode_id("gig", gig_id), encode_id("application", application_id)
    await say(world, freelancer, room_id, f"{gig} {application}")
    await gigs.pause_gig(world.as_(client), gig_id)

    page = await world.data(client, PAGE, room=encode_id("room", room_id))

    row = await world.gig(gig_id)
    nothing = {"gigStatus": None, "applicationStatus": None, "contractStatus": None}
    assert page["messages"]["nodes"][0]["previews"] == [
        nothing
        | {"id": gig, "kind": "GIG", "title": row.title, "excerpt": row.description[:200], "gigStatus": "PAUSED"},
        nothing
        | {"id": application, "kind": "APPLICATION", "title": row.title, "excerpt": None, "applicationStatus": "SUBMITTED"},
    ]  # fmt: skip


async def test_a_page_of_messages_costs_one_statement_for_all_that_they_name(world: World) -> None:
    stage = await board_stage(world)
    client, freelancer = stage.hired.client, stage.hired.freelancer
    room_id = await group(world, client, freelancer)
    gig = encode_id("gig", stage.hired.gig_id)
    names = [gig, encode_id("contract", stage.hired.contract_id), encode_id("board", stage.id)]

    async def statements(document: str) -> int:
        with counting_statements() as counted:
            await world.data(client, document, room=encode_id("room", room_id))
        return sum(counted.values())

    await say(world, freelancer, room_id, "nothing of ours: https://example.com/gig_1")
    assert await statements(PAGE) == await statements(BARE)
    for number in range(12):
        await say(world, freelancer, room_id, f"{names[number % 3]} {encode_id('task', await stage.task())}")
    assert await statements(PAGE) == await statements(BARE) + 1


async def test_what_was_taken_back_shows_nothing(world: World) -> None:
    client, freelancer = await world.client(), await world.freelancer()
    gig = encode_id("gig", await world.open_gig(client))
    room_id = await direct(world, client, freelancer)
    message_id = await said(world, client, room_id, gig)
    assert len((await shown(world, freelancer, room_id))[0]) == 1

    act = "mutation ($i: MessageDeleteInput!) { messageDelete(input: $i) { outcome } }"
    names: dict[str, Any] = {"roomId": encode_id("room", room_id), "id": encode_id("message", message_id)}
    await world.data(client, act, i=names)

    assert await shown(world, freelancer, room_id) == [[]]
