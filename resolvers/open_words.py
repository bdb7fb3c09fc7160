"""Opening what people wrote, in pieces: a page of a hundred long messages takes some twenty milliseconds of CPU, and others are
served in between. Not in a thread: one that parses keeps the interpreter from the loop for five milliseconds at a time."""

import asyncio
from collections.abc import Iterator, Sequence

from models.chat import ChatFact, Sealed
from models.chat_cipher import Place
from models.message import Content
from models.message_previews import Named, named_in
from models.store.chat_keys import Unreadable
from resolvers.operation import Operation

SCANNED_CHARS = 15_000
"""What is looked through in one go, about: at most two milliseconds, of what is full of ids; a few microseconds usually."""
PIECE_BYTES = 150_000
"""What is opened in one go, about: a millisecond or two."""

Text = tuple[Sealed, Place]


async def contents_of(op: Operation, facts: Sequence[ChatFact]) -> list[Content | Unreadable]:
    """What each fact says, which must have words. Raises `WrappingKeyMissing` and `StoreAway`."""
    return await contents_at(op, [(fact.sealed, Place.of(fact)) for fact in facts if fact.sealed is not None])


async def contents_at(op: Operation, texts: Sequence[Text]) -> list[Content | Unreadable]:
    """What each says that was sealed for its place. Raises `WrappingKeyMissing` and `StoreAway`."""
    opened: list[Content | Unreadable] = []
    for piece in pieces_of(texts):
        if opened:
            await asyncio.sleep(0)  # others' turn
        found = await op.services.chat.keys.unseal_at(piece)
        opened += [raw if isinstance(raw, Unreadable) else Content.of(raw) for raw in found]
    return opened


async def named_by(texts: Sequence[str]) -> list[tuple[Named, ...]]:
    """What each names of ours."""
    found: list[tuple[Named, ...]] = []
    scanned = 0
    for text in texts:
        if scanned >= SCANNED_CHARS:
            scanned = 0
            await asyncio.sleep(0)  # others' turn
        found.append(named_in(text))
        scanned += len(text)
    return found


def pieces_of(texts: Sequence[Text]) -> Iterator[Sequence[Text]]:
    """All of them in order, each piece with one text at least, and ended by the one that fills it."""
    start, size = 0, 0
    for index, (sealed, _) in enumerate(texts):
        size += len(sealed.text)
        if size >= PIECE_BYTES:
            yield texts[start : index + 1]
            start, size = index + 1, 0
    if start < len(texts):
        yield texts[start:]
