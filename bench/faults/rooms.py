"""The load of chat: people who say things in rooms, others who read along, and what the store holds of it in the end."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bench.faults.load import OwnedGig, ask, place_in, sign_up, token_of
from bench.faults.servers import DATABASE, Stage
from bench.faults.verdict import Fact
from models.chat import ChatFact, ChatKind
from models.ids import decode_id
from models.message import Content
from models.store.chat import ChatStore
from models.store.chat_keys import ChatKeys, Unreadable
from models.store.chat_sql import Statements
from models.store.chats import chat_store_from
from models.store.keys import KeyRing
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
_PAGE = 1_000
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
    """What was said in the rooms since the run began, in order, read from the store itself and unsealed: as often as it is there."""
    chat_url = place.mongo.url(DATABASE) if place.mongo else "sql:"
    store = chat_store_from(chat_url, database_url=place.postgres.url, pool_size=1)
    statements = Statements(place.postgres.url, size=1)
    keys = ChatKeys(statements, KeyRing([place.server.chat_key.read_text()]))
    try:
        found = []
        for seat in {seat.id: seat for seat in seats}.values():
            facts = [fact async for fact in _facts_of(store, decode_id("room", seat.id), seat.number)]
            words = await keys.unseal(facts)
            found += [
                Fact(seat.stream, fact.seq, f"{CHAT_KINDS[fact.kind]} {_said_in(raw)}")
                for fact, raw in zip(facts, words, strict=True)
            ]
        return found
    finally:
        keys.close()
        await statements.close()
        await store.close()


async def _facts_of(store: ChatStore, room_id: UUID, number: int) -> AsyncIterator[ChatFact]:
    while facts := await store.facts_after(room_id, number, limit=_PAGE):
        for fact in facts:
            yield fact
        number = facts[-1].seq


def _said_in(raw: bytes | Unreadable) -> str:
    return raw.name if isinstance(raw, Unreadable) else Content.of(raw).text


def key_of(fact: Fact) -> str:
    return fact.kind.removeprefix(_SAID)
