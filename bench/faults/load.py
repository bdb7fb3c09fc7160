"""The load: people who pause and resume their gigs, or move a task on their board to and fro, over HTTP, and subscribers who
follow those with the reference client."""

import asyncio
import base64
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson

from bench.faults.servers import CannotMeasure
from bench.faults.verdict import Arrival, Fact, Following, Settled
from docs.examples.follow import GIG_EVENTS, Refused, Reset, follow

GIGS = 5
SUBSCRIBERS = 20
FACTS_PER_S = 20
_ANSWER_S = 2
"""How long a writer waits for an answer before it sends the same again."""
_AGAIN_S = 0.1
_SETTLE_S = 60
_MAC_BYTES = 12
_UNKNOWN = {"INTERNAL", "OUTCOME_UNKNOWN", "UNAVAILABLE"}
_BUSY = "ROOM_BUSY"
_PASSWORD = secrets.token_urlsafe(16)

REGISTER = """mutation($input: AccountRegisterInput!) { accountRegister(input: $input) { outcome errors { message } } }"""
SIGN_IN = """mutation($email: EmailAddress!, $password: String!) {
  sessionCreate(input: {email: $email, password: $password}) { tokens { accessToken } errors { message } } }"""
CREATE = """mutation($input: GigCreateInput!) { gigCreate(input: $input) { outcome gig { id } errors { message } } }"""
PUBLISH = (
    """mutation($id: ID!) { gigPublish(input: {id: $id}) { outcome gig { status } errors { message } } }"""
)
PLACE = "query($id: ID!) { gig(id: $id) { streamCursor } }"
PAUSE, RESUME = (
    f"""mutation($id: ID!, $key: String!) {{ {name}(input: {{id: $id, idempotencyKey: $key}}) {{
  outcome position errors {{ code message }} }} }}"""
    for name in ("gigPause", "gigResume")
)
_ACTS = ((PAUSE, "GigPaused"), (RESUME, "GigResumed"))
APPLY = """mutation($input: ApplicationSubmitInput!) {
  applicationSubmit(input: $input) { application { id } errors { message } } }"""
ACCEPT = (
    """mutation($id: ID!) { applicationAccept(input: {id: $id}) { contract { id } errors { message } } }"""
)
BOARD_OF = """query($id: ID!) { gig(id: $id) { board { id streamCursor columns { id }
  members { person { id name } } } } }"""
ADD_TASK = (
    """mutation($input: TaskCreateInput!) { taskCreate(input: $input) { task { id } errors { message } } }"""
)
MOVE = """mutation($id: ID!, $key: String!, $column: ID!) { taskMove(
  input: {id: $id, columnId: $column, position: {edge: TOP}, idempotencyKey: $key}) {
  outcome position errors { code message } } }"""
BOARD_EVENTS = """subscription ($boardId: ID!, $after: StreamCursor) { boardEvents(boardId: $boardId, after: $after) {
  cursor occurredAt event { __typename ... on TaskMoved { task { id } column { id } } } } }"""


def place_in(cursor: str) -> tuple[str, int]:
    """Stream and number of a cursor, whose form is the server's own affair: only a bench may look into it.

    Of a cursor in both streams of a room: the one of what is said.
    """
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    _, *place = orjson.loads(raw[_MAC_BYTES:])
    if isinstance(place[0], dict):
        (place,) = ([stream, number] for stream, number in place[0].items() if stream.startswith("room:"))
    stream, number = place
    return str(stream), int(number)


@dataclass(slots=True)
class OwnedGig:
    """A gig, its client, and where its stream stood before the run."""

    id: str
    email: str
    token: str = ""
    cursor: str = ""
    stream: str = ""
    number: int = 0

    async def place(self, url: str) -> str:
        """Where its stream stands."""
        return str((await ask(url, PLACE, {"id": self.id}))["streamCursor"])

    def subscription(self) -> tuple[str, dict[str, Any]]:
        """What its subscribers ask for."""
        return GIG_EVENTS, {"gigId": self.id, "after": self.cursor}

    def reader(self) -> str | None:
        """As whom they ask: as nobody, of whom there may be many."""
        return None

    def act(self, turn: int, key: str) -> tuple[str, dict[str, Any], str]:
        """What its writer does in this turn, and the kind of fact that comes of it; two turns leave it as it was."""
        document, kind = _ACTS[turn % 2]
        return document, {"id": self.id, "key": key}, kind

    def kind_of(self, event: dict[str, Any]) -> str:
        """The kind of fact that its subscribers are told of."""
        return str(event["__typename"])


@dataclass(slots=True)
class OwnedBoard(OwnedGig):
    """The board of a gig for which somebody is hired, with a task that is moved between two columns."""

    board_id: str = ""
    task_id: str = ""
    columns: tuple[str, ...] = ()

    async def place(self, url: str) -> str:
        return str((await ask(url, BOARD_OF, {"id": self.id}, self.token))["board"]["streamCursor"])

    def subscription(self) -> tuple[str, dict[str, Any]]:
        return BOARD_EVENTS, {"boardId": self.board_id, "after": self.cursor}

    def reader(self) -> str | None:
        return self.token

    def act(self, turn: int, key: str) -> tuple[str, dict[str, Any], str]:
        return MOVE, {"id": self.task_id, "column": self.columns[1 - turn % 2], "key": key}, "TaskMoved"


async def ask(url: str, document: str, variables: dict[str, Any], token: str | None = None) -> Any:
    """The first root field of the answer. Raises `CannotMeasure` if there is none: nothing is broken at that time."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(url, json={"query": document, "variables": variables}, headers=headers)
    body = answer.json()
    result = next(iter((body.get("data") or {}).values()), None)
    if result is None or result.get("errors"):
        raise CannotMeasure(f"The server refused to begin: {body}")
    return result


async def make_gigs(url: str, *, count: int = GIGS) -> list[OwnedGig]:
    """Open gigs, each of a client of its own; every second one with a board that is followed instead."""
    return list(await asyncio.gather(*(
        make_board(url, number) if number % 2 else make_gig(url, number) for number in range(count)
    )))  # fmt: skip


async def make_gig(
    url: str, number: int, *, description: str = "Paused and resumed, again and again.", wanted: int = 2
) -> OwnedGig:
    email = f"client{number}@faults.example.com"
    token = await sign_up(url, email, f"Client {number}", "CLIENT")
    content = {
        "title": f"Gig {number}", "description": description, "wanted": wanted,
        "budget": {"kind": "FIXED", "min": "100.00", "max": "200.00", "currency": "EUR"},
        "deadline": (datetime.now(UTC) + timedelta(days=20)).isoformat(),
    }  # fmt: skip
    id = (await ask(url, CREATE, {"input": content}, token))["gig"]["id"]
    await ask(url, PUBLISH, {"id": id}, token)
    return OwnedGig(id=id, email=email, token=token)


async def hire(url: str, gig: OwnedGig, token: str) -> None:
    """Whose token it is works for the gig from now on."""
    bid = {"gigId": gig.id, "coverLetter": "Mine.", "price": "150.00"}
    id = (await ask(url, APPLY, {"input": bid}, token))["application"]["id"]
    await ask(url, ACCEPT, {"id": id}, gig.token)


async def make_board(url: str, number: int) -> OwnedBoard:
    gig = await make_gig(url, number)
    await hire(url, gig, await sign_up(url, f"hired{number}@faults.example.com", "Hired", "FREELANCER"))
    board = (await ask(url, BOARD_OF, {"id": gig.id}, gig.token))["board"]
    columns = [column["id"] for column in board["columns"]]
    task = {"boardId": board["id"], "columnId": columns[0], "title": "Moved to and fro, again and again"}
    task_id = (await ask(url, ADD_TASK, {"input": task}, gig.token))["task"]["id"]
    return OwnedBoard(
        id=gig.id, email=gig.email, board_id=board["id"], task_id=task_id, columns=tuple(columns[:2])
    )


async def sign_up(url: str, email: str, name: str, role: str) -> str:
    """A new person's access token."""
    person = {"email": email, "password": _PASSWORD, "name": name, "roles": [role]}
    await ask(url, REGISTER, {"input": person})
    return await token_of(url, email)


async def token_of(url: str, email: str) -> str:
    answer = await ask(url, SIGN_IN, {"email": email, "password": _PASSWORD})
    return str(answer["tokens"]["accessToken"])


async def begin(url: str, gigs: Sequence[OwnedGig]) -> None:
    """Sign everybody in anew, as tokens last 15 minutes, and note where the streams stand."""
    for gig in gigs:
        gig.token = await token_of(url, gig.email)
        gig.cursor = await gig.place(url)
        gig.stream, gig.number = place_in(gig.cursor)


# -- subscribers ---------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def subscribers(
    url: str, gigs: Sequence[OwnedGig], *, count: int = SUBSCRIBERS
) -> AsyncIterator[list[Following]]:
    """What each of them got so far; all are gone after the block. They are spread over the gigs."""
    followings = [Following(gigs[number % len(gigs)].stream) for number in range(count)]
    tasks = [
        asyncio.create_task(_subscribe(url, gigs[number % len(gigs)], following))
        for number, following in enumerate(followings)
    ]
    try:
        yield followings
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _subscribe(url: str, gig: OwnedGig, following: Following) -> None:
    try:
        async for item in follow(url, *gig.subscription(), token=gig.reader):
            fact = Fact(*place_in(item["cursor"]), gig.kind_of(item["event"]))
            occurred_at = datetime.fromisoformat(item["occurredAt"]).timestamp()
            following.arrivals.append(Arrival(fact, occurred_at, time.time()))
    except (Refused, Reset) as error:
        following.ended = f"{type(error).__name__}: {error}"


# -- writers -------------------------------------------------------------------------------------------------------------


async def write(
    url: str, gigs: Sequence[OwnedGig], *, seconds: float, run: str, per_s: int = FACTS_PER_S
) -> list[Settled]:
    """`per_s` writes a second over all gigs; ends when each is settled. Who was held up catches up.

    So there are as many facts after each run as after any other. Keys begin with `run`.
    """
    count = round(seconds * per_s / len(gigs) / 2) * 2  # even: each gig is left as it was found
    async with asyncio.TaskGroup() as tasks:
        writers = [
            tasks.create_task(
                _write_all(url, gig, _dues(count, number / per_s, len(gigs) / per_s), f"{run}-{number}")
            )
            for number, gig in enumerate(gigs)
        ]
    return [settled for writer in writers for settled in writer.result()]


def _dues(count: int, first_s: float, every_s: float) -> Iterator[float]:
    """When each write of one writer is due; the writers take turns."""
    began = time.monotonic()
    for turn in range(count):
        yield began + first_s + turn * every_s


async def _write_all(url: str, gig: OwnedGig, dues: Iterator[float], name: str) -> list[Settled]:
    settled = []
    headers = {"authorization": f"Bearer {gig.token}"}
    async with httpx.AsyncClient(timeout=_ANSWER_S, headers=headers) as client:
        for turn, due in enumerate(dues):
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            key = f"{name}-{turn}"
            settled.append(await _settle(client, url, *gig.act(turn, key), key))
    return settled


async def _settle(
    client: httpx.AsyncClient, url: str, document: str, about: dict[str, Any], kind: str, key: str
) -> Settled:
    """Send it, and again under its key for as long as nobody knows what became of it."""
    began_at, began, attempts = time.time(), time.monotonic(), 0
    while True:
        attempts += 1
        payload = await _attempt(client, url, document, about)
        if payload is not None:
            position = payload["position"]
            fact = Fact(*place_in(position), kind) if position else None
            return Settled(key, payload["outcome"], fact, began_at, time.monotonic() - began, attempts)
        if time.monotonic() - began > _SETTLE_S:
            raise CannotMeasure(f"A write did not settle within {_SETTLE_S} s.")
        await asyncio.sleep(_AGAIN_S)


async def _attempt(
    client: httpx.AsyncClient, url: str, document: str, variables: dict[str, Any]
) -> dict[str, Any] | None:
    """The payload; None if the outcome is unknown. Raises `CannotMeasure` for what repeating would not change."""
    try:
        answer = await client.post(url, json={"query": document, "variables": variables})
    except httpx.TransportError:
        return None
    if answer.status_code >= 500:
        return None
    body = answer.json()
    errors = body.get("errors") or []
    if unexpected := [e for e in errors if e["extensions"]["code"] not in _UNKNOWN]:
        raise CannotMeasure(f"A write was not understood: {unexpected[0]}")
    if errors:
        return None
    payload: dict[str, Any] = next(iter(body["data"].values()))
    # Refused for now: an earlier attempt may have been stored all the same, and repeating tells.
    return None if any(error["code"] == _BUSY for error in payload["errors"]) else payload
