"""A chat store that is away: chat says so, and everything else works."""

from dataclasses import replace

from models.ids import encode_id
from models.store.chat_sql import SqlChatStore
from tests.resolvers.rooms import direct, said
from tests.world import World

NOWHERE = "postgresql+asyncpg://nobody@127.0.0.1:1/nothing"


async def test_only_chat_is_unavailable_while_its_store_is_away(world: World) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    message_id = encode_id("message", await said(world, one, room_id))
    chat = replace(world.services.chat, store=SqlChatStore(NOWHERE, patience_s=0.05))
    away = World(replace(world.services, chat=chat), world.clock, world.schema)
    room = encode_id("room", room_id)
    # Acts are named by it, and it is in PostgreSQL: made by the first who has a key for what they say.
    await world.services.chat.keys.in_force(room_id, None, at=world.clock())
    before = await world.footprint()

    read = await away.graphql(
        one,
        "query ($room: ID!) { messages(roomId: $room) { nodes { text } } room(id: $room) { kind counts { unread } } gigs { nodes { id } } }",
        room=room,
    )
    act = "mutation ($input: MessageDeleteInput!) { messageDelete(input: $input) { outcome } }"
    deleted = await away.graphql(one, act, input={"roomId": room, "id": message_id})
    send = "mutation ($input: MessageSendInput!) { messageSend(input: $input) { outcome } }"
    sent = await away.graphql(one, send, input={"roomId": room, "text": "hello", "idempotencyKey": "k"})

    assert read["data"]["messages"] is None
    assert read["data"]["room"] == {"kind": "DIRECT", "counts": None}
    assert read["data"]["gigs"]["nodes"] is not None
    codes = [error["extensions"]["code"] for error in read["errors"]]
    assert codes == ["UNAVAILABLE", "UNAVAILABLE"]
    assert deleted["errors"][0]["extensions"] == {
        "code": "UNAVAILABLE", "retryable": True, "requestId": "test"
    }  # fmt: skip
    # Nobody can know what became of it; with its key it can be repeated.
    assert sent["errors"][0]["extensions"]["code"] == "OUTCOME_UNKNOWN"
    assert await world.footprint() == before
    again = await world.data(one, send, input={"roomId": room, "text": "hello", "idempotencyKey": "k"})
    assert again["messageSend"]["outcome"] == "APPLIED"
