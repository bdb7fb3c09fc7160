"""The load of chat: people who say things in rooms, others who read along, and what the store holds of it in the end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo import AsyncMongoClient

from bench.faults.load import OwnedGig, ask, place_in, sign_up, token_of
from bench.faults.servers import DATABASE, Stage
from bench.faults.verdict import Fact
from models.chat import ChatKind
from models.ids import decode_id
from models.store.chat_mongo import COLLECTION
from subscriptions.log import CHAT_KINDS

ROOMS, WRITERS, READERS = 2, 10, 20
"""Writers and readers of each room."""

ME = "query { viewer { freelancer { id } } }"
OPEN = (
    """mutation($input: RoomCreateInput!) { roomCreate(input: $input) { room { id } errors { message } } }"""
)
PLACE = "query($id: ID!) { messages(roomId: $id, last: 1) { streamCursor } }"
SEND = """mutation($room: ID!, $text: Markdown!, $key: String!) {
  messageSend(input: {roomId: $room, text: $text, idempotencyKey: $key}) { outcome position errors { code message } } }"""
ROOM_EVENTS = """subscription($roomId: ID!, $after: StreamCursor) { roomEvents(roomId: $roomId, after: $after) {
  cursor occurredAt event { __typename ... on MessageSent { message { text } } } } }"""
_SAID = f"{CHAT_KINDS[ChatKind.SENT]} "


@dataclass(slots=True)
class Seat(OwnedGig):
    """Somebody in a room, whose id is `id`. What they say is the key under which they say it."""

    async def place(self, url: str) -> str:
        return str((await ask(url, PLACE, {"id": self.id}, self.token))["streamCursor"])

    def subscription(self) -> tuple[str, dict[str, Any]]:
        return ROOM_EVENTS, {"roomId": self.id, "after": self.cursor}

    def reader(self) -> str | None:
        return self.token

    def act(self, turn: int, key: str) -> tuple[str, dict[str, Any], str]:
        return SEND, {"room": self.id, "text": key, "key": key}, f"{_SAID}{key}"

    def kind_of(self, event: dict[str, Any]) -> str:
        """With what was said: words that were lost, or came from elsewhere, are another fact."""
        words = f" {event['message']['text']}" if "message" in event else ""
        return f"{event['__typename']}{words}"


async def make_rooms(
    url: str, *, count: int = ROOMS, writers: int = WRITERS, readers: int = READERS
) -> tuple[list[Seat], list[Seat]]:
    """Rooms of the same people, of whom the first write in each and the others read."""
    emails = [f"member{number}@faults.example.com" for number in range(writers + readers)]
    tokens = await asyncio.gather(*(sign_up(url, email, "Member", "FREELANCER") for email in emails))
    people = await asyncio.gather(*(ask(url, ME, {}, token) for token in tokens))
    ids = [person["freelancer"]["id"] for person in people]
    seats: tuple[list[Seat], list[Seat]] = ([], [])
    for number in range(count):
        room = {"title": f"Room {number}", "personIds": ids[1:]}
        id = (await ask(url, OPEN, {"input": room}, tokens[0]))["room"]["id"]
        for index, email in enumerate(emails):
            seats[index >= writers].append(Seat(id=id, email=email))
    return seats


async def begin(url: str, seats: Sequence[OwnedGig]) -> None:
    """As `load.begin`, for each person and each room once."""
    emails = list({seat.email for seat in seats})
    tokens = dict(zip(emails, await asyncio.gather(*(token_of(url, email) for email in emails)), strict=True))
    cursors: dict[str, str] = {}
    for seat in seats:
        seat.token = tokens[seat.email]
        if seat.id not in cursors:
            cursors[seat.id] = await seat.place(url)
        seat.cursor = cursors[seat.id]
        seat.stream, seat.number = place_in(seat.cursor)


# -- what is stored ------------------------------------------------------------------------------------------------------


async def read_log(place: Stage, seats: Sequence[OwnedGig]) -> list[Fact]:
    """What was said in the rooms since the run began, in order, read from the store itself: keys as often as they are there."""
    begun = {seat.id: seat for seat in seats}
    found = []
    for seat in begun.values():
        rows = await (_rows_of_mongo(place, seat) if place.mongo else _rows_of_sql(place, seat))
        found += [Fact(seat.stream, seq, f"{CHAT_KINDS[ChatKind(kind)]} {key}") for seq, kind, key in rows]
    return found


def key_of(fact: Fact) -> str:
    return fact.kind.removeprefix(_SAID)


async def _rows_of_sql(place: Stage, seat: OwnedGig) -> list[tuple[int, str, str]]:
    connection = await place.postgres.connect()
    try:
        rows = await connection.fetch(
            "select seq, kind, client_id from chat_fact where room_id = $1 and seq > $2 order by seq",
            decode_id("room", seat.id), seat.number,
        )  # fmt: skip
    finally:
        await connection.close()
    return [tuple(row) for row in rows]


async def _rows_of_mongo(place: Stage, seat: OwnedGig) -> list[tuple[int, str, str]]:
    assert place.mongo is not None
    options = CodecOptions[dict[str, Any]](uuid_representation=UuidRepresentation.STANDARD)
    async with AsyncMongoClient[dict[str, Any]](place.mongo.url(DATABASE)) as client:
        facts = client.get_database(DATABASE).get_collection(COLLECTION, codec_options=options)
        where = {"room": decode_id("room", seat.id), "seq": {"$gt": seat.number}}
        documents = await facts.find(where).sort("seq", 1).to_list()
    return [(int(found["seq"]), found["kind"], found["client"]) for found in documents]
