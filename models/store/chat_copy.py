"""Moving the logs of rooms from one store to another, while the first is in use.

Facts go in the order of their numbers, so what was interrupted goes on at the end of each room's copy. Then both are read
again and compared: as many facts, with the same hash. What is written meanwhile comes with the next run.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from uuid import UUID

from models.chat import ChatFact, digest_of
from models.store.chat import ChatStore, CopyRefused

PAGE = 1_000
ROOMS = 500


@dataclass(slots=True)
class CopyReport:
    rooms: int = 0
    copied: int = 0
    resealed: int = 0
    """Facts whose words had been sealed anew since they were copied."""
    verified: int = 0
    digest: bytes = b""
    """Of all facts, room by room; equal in both stores."""
    refused: list[str] = field(default_factory=list)
    """Rooms that are not the same, with the reason."""


async def copy_rooms(
    source: ChatStore, target: ChatStore, report: CopyReport, on_progress: Callable[[int], None]
) -> None:
    """Raises `StoreAway`. `on_progress` is told of facts as they are verified."""
    last: UUID | None = None
    while rooms := await source.rooms_after(last, limit=ROOMS):
        for room_id in rooms:
            report.rooms += 1
            try:
                await _copy(source, target, room_id, report)
                await _verify(source, target, room_id, report, on_progress)
            except CopyRefused as error:
                report.refused.append(str(error))
        last = rooms[-1]


async def count_facts(store: ChatStore) -> int:
    """For a progress bar: one look at the head of each room."""
    total, last = 0, None
    while rooms := await store.rooms_after(last, limit=ROOMS):
        total += sum((await store.heads(rooms)).values())
        last = rooms[-1]
    return total


async def _copy(source: ChatStore, target: ChatStore, room_id: UUID, report: CopyReport) -> None:
    seq = (await target.heads([room_id]))[room_id]
    while facts := await source.facts_after(room_id, seq, limit=PAGE):
        await target.copy(facts)
        report.copied += len(facts)
        seq = facts[-1].seq


async def _verify(
    source: ChatStore,
    target: ChatStore,
    room_id: UUID,
    report: CopyReport,
    on_progress: Callable[[int], None],
) -> None:
    seq, digest = 0, b""
    while copies := await target.facts_after(room_id, seq, limit=PAGE):
        facts = (await source.facts_after(room_id, seq, limit=PAGE))[: len(copies)]
        if len(facts) != len(copies):
            raise CopyRefused(f"room {room_id}: the copy has facts that the source does not have")
        if digest_of(facts) != digest_of(copies):
            await _reseal(target, room_id, facts, copies, report)
        digest = digest_of(facts, after=digest)
        seq = facts[-1].seq
        report.verified += len(facts)
        on_progress(len(facts))
    report.digest = sha256(report.digest + digest).digest()


async def _reseal(
    target: ChatStore, room_id: UUID, facts: list[ChatFact], copies: list[ChatFact], report: CopyReport
) -> None:
    """Keys may rotate during a move: then the words of both are sealed differently, and nothing else is different."""
    for fact, copy in zip(facts, copies, strict=True):
        if fact == copy:
            continue
        if fact.sealed is None or copy.sealed is None or replace(copy, sealed=fact.sealed) != fact:
            raise CopyRefused(f"room {room_id}: number {fact.seq} is another fact in the copy")
        await target.reseal(copy, fact)
        report.resealed += 1
    again = await target.facts_after(room_id, facts[0].seq - 1, limit=len(facts))
    if digest_of(again) != digest_of(facts):
        raise CopyRefused(f"room {room_id}: the copy changes while it is compared")
