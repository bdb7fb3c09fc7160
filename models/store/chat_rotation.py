"""Rotating the keys of chat while it is in use. Every step may be interrupted and goes on where it was."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from models.chat import ChatFact
from models.chat_cipher import Place
from models.store.chat import ChatStore
from models.store.chat_kept import reseal_kept
from models.store.chat_keys import ChatKeys, Unreadable
from models.store.snippet_rotation import drop_unused, reseal, texts_under

PAGE, SNIPPET_PAGE = 500, 100
# Processes hold a key in force for a minute at most, and try to append for seconds.
SETTLED = timedelta(minutes=10)


@dataclass(slots=True)
class Rotation:
    """What was done, and what is left."""

    rewrapped: int = 0
    retired: int = 0
    resealed: int = 0
    dropped: int = 0
    not_settled: int = 0
    """Retired keys that somebody may have used a moment ago; they go when this is run again ten minutes later."""
    forged: int = 0
    """Keys that do not open in their place. They stay as they are."""
    unreadable: int = 0
    """Facts whose words do not open. Their keys are kept."""


async def rewrap(keys: ChatKeys, report: Rotation, on_progress: Callable[[int], None]) -> None:
    """Wrap every key by the current wrapping key; afterwards the older ones may leave the ring."""
    last = UUID(int=0)
    while True:
        done, forged = await keys.rewrap_some(after=last, limit=100)
        if not done and not forged:
            return
        last = max(*done, *forged, last)
        report.rewrapped += len(done)
        report.forged += len(forged)
        on_progress(len(done))


async def renew(
    store: ChatStore,
    keys: ChatKeys,
    report: Rotation,
    on_progress: Callable[[int], None],
    *,
    made_before: datetime,
    at: datetime,
) -> None:
    """Replace the authors' keys made before that time, seal their words anew, and destroy those that seal nothing more."""
    while done := await keys.retire_some(made_before=made_before, at=at, limit=1_000):
        report.retired += done
    for room_id in await keys.rooms_with_retired():
        await _reseal_room(store, keys, room_id, report, on_progress, at=at)
    for snippet_id in await keys.snippets_with_retired():
        await _reseal_snippet(keys, snippet_id, report, on_progress, at=at)


async def _reseal_room(
    store: ChatStore,
    keys: ChatKeys,
    room_id: UUID,
    report: Rotation,
    on_progress: Callable[[int], None],
    *,
    at: datetime,
) -> None:
    retired = await keys.retired_in(room_id)
    seq = min(retired.values(), default=0)
    while facts := await store.facts_after(room_id, seq, limit=PAGE):
        stuck = set()
        sealed = [fact for fact in facts if fact.sealed and fact.sealed.key_id in retired]
        for fact, words in zip(sealed, await keys.unseal(sealed), strict=True):
            if not await _reseal(store, keys, fact, words, at=at):
                assert fact.sealed is not None
                stuck.add(fact.sealed.key_id)
                report.unreadable += 1
            else:
                report.resealed += 1
        seq = facts[-1].seq
        # A key that does not open something stays where it is, and stays.
        retired = {id: swept for id, swept in retired.items() if id not in stuck}
        await keys.note_swept(retired, up_to=seq)
        on_progress(len(facts))
    resealed, stuck = await reseal_kept(keys.statements, keys, retired, at=at)
    report.resealed += resealed
    report.unreadable += len(stuck)
    dropped = await keys.drop_swept(room_id, head=seq, retired_before=at - SETTLED)
    report.dropped += dropped
    report.not_settled += len(retired) - dropped


async def _reseal_snippet(
    keys: ChatKeys, snippet_id: UUID, report: Rotation, on_progress: Callable[[int], None], *, at: datetime
) -> None:
    """Its texts are rows, each with the id of its key: what is left under a retired one is asked for, page by page."""
    retired = await keys.retired_in(snippet_id)
    last = UUID(int=0)
    while texts := await texts_under(keys.statements, list(retired), after=last, limit=SNIPPET_PAGE):
        found = await keys.unseal_at([(text.sealed, text.place) for text in texts])
        for text, words in zip(texts, found, strict=True):
            if words is Unreadable.FORGED:
                report.unreadable += 1
            elif not isinstance(words, Unreadable):
                await reseal(keys.statements, text, await keys.seal(words, text.place, at=at))
                report.resealed += 1
        last = texts[-1].id
        on_progress(len(texts))
    dropped = await drop_unused(keys.statements, snippet_id, retired_before=at - SETTLED)
    report.dropped += dropped
    report.not_settled += len(retired) - dropped


async def _reseal(
    store: ChatStore, keys: ChatKeys, fact: ChatFact, words: bytes | Unreadable, *, at: datetime
) -> bool:
    if isinstance(words, Unreadable):
        # Destroyed meanwhile: there is nothing left to keep readable.
        return words is Unreadable.DESTROYED
    sealed = await keys.seal(words, Place.of(fact), at=at)
    await store.reseal(fact, replace(fact, sealed=sealed))
    return True
