"""How chat does at its largest: long rooms, searches of a million messages, thousands online in one room.

    python -m bench.chat [--parts pages,search,online] [--requests 300] [--mongo] [--rebuild]

The rooms are made once (some minutes) in the database `bench_chat` of the embedded cluster, and kept. Each part prints what it
found; the last line is the verdict, `chat: ok` or what went over its limit.
"""

import argparse
import asyncio
import random
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from bench.chat import online
from bench.chat.searching import LIMIT_MS as SEARCH_LIMIT_MS
from bench.chat.searching import search_all
from bench.chat.servers import ours, peer
from bench.chat.world import REACTED_EVERY, READ, Size, build, message_id
from bench.fanout.audience import Broken, become_driver
from bench.fanout.servers import INSTALLED, PEERS
from bench.reads.machine import DRIVER_CORE, facts, pin, rss_kb
from bench.reads.servers import install_peers
from bench.reads.world import postmaster_of
from bench.search import Client
from models.ids import encode_id
from models.store.chat_mongo import MongoChatStore
from models.store.chat_sql import SqlChatStore
from models.store.embedded import EmbeddedCluster, start_embedded
from models.store.keys import KeyRing, new_wrapping_key
from tests.ferretdb_server import FerretServer
from tools.ferretdb import PROGRAM

CHECKOUT = Path(__file__).resolve().parent.parent.parent
PLACE = CHECKOUT / ".local" / "bench-chat"
PARTS = ("pages", "search", "online")
WARM_UP = 30
PAGE_LIMIT_MS = 30.0
GROWTH_LIMIT_MB = 10.0
"""Of the server, while a long room is read."""
ALIKE = 0.1
"""How much payloads may differ in size, as a share."""
MONGO_REQUESTS, MONGO_MESSAGES = 3, 2_000
RATES = (15, 20, 30, 40, 50, 60, 80, 100)

_NODE = "id number state text sentAt authorName reactions { emoji count }"
_PAGE = f"edges {{ cursor node {{ {_NODE} }} }} pageInfo {{ hasPreviousPage hasNextPage }} streamCursor"
MESSAGES = f"""query Page($room: ID!, $last: Int, $before: String, $first: Int, $around: ID) {{
  messages(roomId: $room, last: $last, before: $before, first: $first, around: $around) {{ {_PAGE} }} }}"""


# -- long rooms ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shape:
    name: str
    variables: Callable[[random.Random], dict[str, Any]]
    size: int = 20
    """Messages in the answer."""


def shapes(messages: int, cursors: Sequence[str]) -> list[Shape]:
    room = {"room": encode_id("room", READ)}

    def around(chance: random.Random) -> dict[str, Any]:
        number = chance.randint(100, messages - 100)
        return {**room, "around": encode_id("message", message_id(READ, number)), "first": 20}

    return [
        Shape("first page", lambda _: {**room, "last": 20}),
        Shape("first page of 100", lambda _: {**room, "last": 100}, 100),
        Shape("jump to an old message", around),
        Shape("further back by cursor", lambda c: {**room, "last": 20, "before": c.choice(cursors)}),
    ]


def read_pages(
    client: Client, pid: int, *, messages: int, requests: int, limit_ms: float | None
) -> list[str]:
    """Print a line for each shape; what went over a limit, in words. Without a limit nothing does."""
    room = encode_id("room", READ)
    middle = encode_id("message", message_id(READ, messages // 2))
    _, answer = client.ask(MESSAGES, {"room": room, "around": middle, "first": 50})
    cursors = [edge["cursor"] for edge in answer["messages"]["edges"]]
    broken = []
    warm_up = WARM_UP if limit_ms is not None else 1
    for round_number in range(2 if limit_ms is not None else 1):
        before_kb = rss_kb(pid)
        for shape in shapes(messages, cursors):
            chance, times = random.Random(shape.name), []
            for number in range(warm_up + requests):
                elapsed, answer = client.ask(MESSAGES, shape.variables(chance))
                found = answer["messages"]["edges"]
                if len(found) != shape.size or any(edge["node"]["state"] != "SHOWN" for edge in found):
                    raise Broken(f"{shape.name}: not the messages that were asked for")
                if number >= warm_up:
                    times.append(elapsed)
            times.sort()
            p50, p95, p99 = (online.percentile(times, share) for share in (0.5, 0.95, 0.99))
            print(f"  {shape.name:28}{p50:9.1f}{p95:9.1f}{p99:9.1f} ms", flush=True)
            if limit_ms is not None and round_number and p95 > limit_ms:
                broken.append(f"{shape.name}: p95 {p95:.1f} ms, not {limit_ms:g}")
        grown_mb = (rss_kb(pid) - before_kb) / 1024
        print(f"  server grew by {grown_mb:.1f} MB to {rss_kb(pid) / 1024:.0f}")
        if limit_ms is not None and round_number and grown_mb > GROWTH_LIMIT_MB:
            broken.append(f"the server grew by {grown_mb:.1f} MB over pages")
    return broken


def measure_pages(stage: "Stage", arguments: argparse.Namespace) -> list[str]:
    size = stage.size
    print(f"\npages of a room of {size.read:,} messages, PostgreSQL{'':7}p50      p95      p99")
    with (
        tempfile.TemporaryDirectory() as directory,
        ours(stage.url, Path(directory), stage.chat_key) as running,
    ):
        client = Client(running.server.port, running.token(0))
        return read_pages(
            client, running.server.pid, messages=size.read, requests=arguments.requests, limit_ms=PAGE_LIMIT_MS
        )  # fmt: skip


def measure_pages_of_mongo(stage: "Stage", messages: int) -> None:
    """FerretDB reads everything for each question, so the room is short; there is no limit."""
    with tempfile.TemporaryDirectory(prefix="skillsync-chat-") as directory:
        server = FerretServer(Path(directory))
        try:
            asyncio.run(_copy(stage, server.url("bench"), messages))
            print(f"\npages of a room of {messages:,} messages, FerretDB{'':9}p50      p95      p99")
            with ours(stage.url, Path(directory), stage.chat_key, chat_url=server.url("bench")) as running:
                client = Client(running.server.port, running.token(0))
                read_pages(
                    client, running.server.pid, messages=messages, requests=MONGO_REQUESTS, limit_ms=None
                )  # fmt: skip
        finally:
            server.kill()


async def _copy(stage: "Stage", url: str, messages: int) -> None:
    source, target = SqlChatStore(stage.url, pool_size=1), MongoChatStore(url)
    try:
        await target.prepare()
        at, end = 0, messages + messages // REACTED_EVERY
        while some := await source.facts_after(READ, at, limit=min(500, end - at)):
            await target.copy(some)
            at = some[-1].seq
            if at >= end:
                break
    finally:
        await source.close()
        await target.close()


# -- searching -----------------------------------------------------------------------------------------------------------


def measure_search(stage: "Stage", arguments: argparse.Namespace) -> list[str]:
    print(
        f"\nsearch over {stage.size.searched:,} messages: the index, the messages, their words{'':3}p50      p95      p99"
    )
    found = uvloop.run(search_all(stage.url, stage.ring, requests=arguments.requests))
    for each in found:
        print(f"  {each}", flush=True)
    return [
        f"search, {each.name}: p95 {each.p95:.1f} ms, not {SEARCH_LIMIT_MS:g}"
        for each in found
        if each.p95 > SEARCH_LIMIT_MS
    ]


# -- online --------------------------------------------------------------------------------------------------------------


def measure_online(stage: "Stage", arguments: argparse.Namespace) -> list[str]:
    """In the same run ours and the peer, each alone on the servers' core; PostgreSQL is on the driver's."""
    peers = install_peers(PEERS, INSTALLED)
    become_driver(stage.size.members)
    pin(postmaster_of(stage.cluster), {DRIVER_CORE})
    highest: dict[str, float] = {}
    sizes: dict[str, int] = {}
    broken: list[str] = []
    for name in ("ours", "graphql-ws"):
        print(f"\n{stage.size.members:,} members online, {name}", flush=True)
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            opened = ours(stage.url, place, stage.chat_key) if name == "ours" else peer(peers, place)
            with opened as running:
                try:
                    found, sizes[name] = uvloop.run(
                        online.measure(
                            running, members=stage.size.members, rate=arguments.rate, seconds=arguments.seconds,
                            steps=[rate for rate in RATES if rate > arguments.rate], step_s=arguments.step_seconds,
                        )
                    )  # fmt: skip
                except Broken as problem:
                    print(f"  broken: {problem}")
                    if name == "ours":
                        broken.append(f"online: {problem}")
                    continue
        for held in found:
            print(f"  {held}", flush=True)
        if name == "ours" and not found[0].holds:
            broken.append(
                f"online: p99 {found[0].p99:.0f} ms at {found[0].rate:g}/s, not {online.LIMIT_MS:g}"
            )
        highest[name] = max((held.rate for held in found if held.holds), default=0)
    print("\nhighest rate that holds:", ", ".join(f"{name} {rate:g}/s" for name, rate in highest.items()))
    print("bytes of a message:", ", ".join(f"{name} {size}" for name, size in sizes.items()))
    if sizes and max(sizes.values()) > (1 + ALIKE) * min(sizes.values()):
        broken.append("online: payloads differ too much to compare")
    if highest.get("graphql-ws"):
        print(f"ours / graphql-ws: {highest.get('ours', 0) / highest['graphql-ws']:.2f}")
    return broken


# -- the command ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stage:
    """The rooms, and the key that opens them."""

    cluster: EmbeddedCluster
    url: str
    size: Size
    chat_key: Path
    ring: KeyRing


def _chat_key() -> Path:
    """Made once: the rooms are sealed with it."""
    path = PLACE / "chat.pem"
    if not path.exists():
        PLACE.mkdir(parents=True, exist_ok=True)
        path.write_text(new_wrapping_key())
    return path


def main() -> int:
    arguments = _arguments()
    # A polite end from outside runs what Ctrl-C runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"machine: {facts()}")
    key = _chat_key()
    ring = KeyRing([key.read_text()])
    size = Size(arguments.messages, arguments.searched, arguments.members)
    cluster = start_embedded(CHECKOUT, log=lambda text: print(text, file=sys.stderr))
    try:
        url = asyncio.run(build(cluster, size, ring, rebuild=arguments.rebuild))
        stage = Stage(cluster, url, size, key, ring)
        broken = []
        if "pages" in arguments.parts:
            broken += measure_pages(stage, arguments)
            if arguments.mongo:
                measure_pages_of_mongo(stage, min(arguments.mongo_messages, size.read))
        if "search" in arguments.parts:
            broken += measure_search(stage, arguments)
        if "online" in arguments.parts:
            broken += measure_online(stage, arguments)
    finally:
        cluster.stop()
    print("\n".join(["", *broken, f"chat: {'over' if broken else 'ok'}"]), flush=True)
    return 1 if broken else 0


def _arguments() -> argparse.Namespace:
    def names(text: str) -> list[str]:
        return [part.strip() for part in text.split(",") if part.strip()]

    usual = Size()
    parser = argparse.ArgumentParser(prog="python -m bench.chat", description="Measure chat at its largest.")
    parser.add_argument("--parts", type=names, default=list(PARTS), metavar=",".join(PARTS))
    parser.add_argument("--requests", type=int, default=300, help="measured requests for each shape")
    parser.add_argument("--messages", type=int, default=usual.read, help="of the room that is read")
    parser.add_argument("--searched", type=int, default=usual.searched, help="messages that are searched")
    parser.add_argument("--members", type=int, default=usual.members, help="who are online")
    parser.add_argument("--rate", type=float, default=10, help="messages a second that must hold")
    parser.add_argument("--seconds", type=float, default=30, help="of that rate")
    parser.add_argument("--step-seconds", type=float, default=10, help="of each higher rate")
    parser.add_argument("--mongo", action="store_true", help="read pages from FerretDB, too")
    parser.add_argument("--mongo-messages", type=int, default=MONGO_MESSAGES, help="of the room there")
    parser.add_argument("--rebuild", action="store_true", help="make the rooms again")
    arguments = parser.parse_args()
    if wrong := set(arguments.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(wrong))}; there are {', '.join(PARTS)}")
    if arguments.mongo and not PROGRAM.exists():
        parser.error("there is no FerretDB: python tools/ferretdb.py builds it where there is go")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
