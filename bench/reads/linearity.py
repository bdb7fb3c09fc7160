"""Our own series: does the time grow with the answer and no faster, and does memory stay where it is."""

import random
import time
from statistics import median
from uuid import uuid4

from bench.reads.driver import Connection
from bench.reads.machine import rss_kb
from bench.reads.operations import Q1, Q2
from bench.reads.servers import Server
from bench.reads.world import Asking

ASKED = 60
DOCUMENTS = 1_000
NESTED = (
    "{ gigs(first: 20) { nodes { id title } } }",
    "{ gigs(first: 20) { nodes { id title client { id name } } } }",
    "{ gigs(first: 20) { nodes { id title client { id name gigs(first: 3) { nodes { id title } } } } } }",
    "{ gigs(first: 20) { nodes { id title client { id name"
    " gigs(first: 3) { nodes { id title skills { id name } } } } } } }",
)


def print_series(server: Server, asking: Asking) -> None:
    asking.renew()
    chance = random.Random(1)
    asker = asking.variables(Q2, chance)
    connection = Connection(server.port)

    def times(documents: list[str]) -> list[float]:
        taken = []
        for document in documents:
            request = asking.request(server, Q1, asker, document)
            began = time.perf_counter()
            answer = connection.answer(request)
            taken.append((time.perf_counter() - began) * 1000)
            if b'"errors":[{' in answer:
                raise RuntimeError(answer.decode(errors="replace")[:1000])
        return taken

    def warm(document: str) -> float:
        return median(times([document] * ASKED)[5:])

    def cold(document: str) -> list[str]:
        # A comment alone might be dropped before a look-up; the alias makes it another document in every sense.
        return [
            document.replace("id title", f"id a{uuid4().hex[:8]}: title", 1) + f" # {uuid4().hex}"
            for _ in range(ASKED)
        ]

    print("\nours alone, one request at a time, median ms")
    by_first = {n: warm(Q2.document.replace("first: $first", f"first: {n}").replace("($first: Int!)", "")) for n in (20, 50, 100)}  # fmt: skip
    print("  Q2, first:      " + "   ".join(f"{first}: {ms:.2f}" for first, ms in by_first.items()))
    print("  levels:         " + "   ".join(f"{n}: {warm(text):.2f}" for n, text in enumerate(NESTED, 1)))
    plain = Q2.document
    print(f"  a new document: {median(times(cold(plain))):.2f}, against {warm(plain):.2f} for a known one")
    before = rss_kb(server.pid)
    for _ in range(DOCUMENTS // ASKED + 1):
        times(cold(plain))
    after = rss_kb(server.pid)
    print(
        f"  RSS:            {before / 1024:.1f} MB, after {DOCUMENTS:,} new documents {after / 1024:.1f} MB"
    )
    connection.socket.close()
