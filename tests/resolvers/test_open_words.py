"""What people wrote is opened in pieces, so that a page of long messages keeps nobody waiting."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from models.chat import ChatKind, Sealed
from models.chat_cipher import Place
from models.ids import encode_id, new_id
from models.message import MAX_TEXT, Content
from models.message_previews import PreviewKind
from resolvers import messages
from resolvers.open_words import PIECE_BYTES, Text, named_by, pieces_of
from tests.resolvers.rooms import direct, say
from tests.world import World

LOOP_MS = 5


def text_of(size: int) -> Text:
    id = new_id()
    return Sealed(id, b"", bytes(size)), Place(id, id, id, id, ChatKind.SENT)


def test_pieces_are_all_texts_in_order_and_end_with_the_one_that_fills_them() -> None:
    sizes = [PIECE_BYTES - 1, 1, 1, PIECE_BYTES * 3, 5, PIECE_BYTES // 2, PIECE_BYTES // 2, 7]
    texts = [text_of(size) for size in sizes]

    pieces = list(pieces_of(texts))

    assert [[len(sealed.text) for sealed, _ in piece] for piece in pieces] == [
        [PIECE_BYTES - 1, 1], [1, PIECE_BYTES * 3], [5, PIECE_BYTES // 2, PIECE_BYTES // 2], [7],
    ]  # fmt: skip
    assert [text for piece in pieces for text in piece] == texts
    assert list(pieces_of([])) == []


@asynccontextmanager
async def turns(taken: list[float]) -> AsyncIterator[None]:
    """How much CPU, in milliseconds, this thread took between each two turns of somebody else on the loop."""

    async def count() -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            taken.append((now - last) * 1_000)
            last = now

    counting = asyncio.create_task(count())
    await asyncio.sleep(0)
    try:
        yield
    finally:
        counting.cancel()


async def test_a_page_of_a_hundred_messages_of_the_longest_kind_lets_others_have_their_turn(
    world: World,
) -> None:
    one, other = await world.client(), await world.freelancer()
    room_id = await direct(world, one, other)
    text = " ".join(f'wörd{number} *"b"*' for number in range(2_000))[:MAX_TEXT]
    for _ in range(100):
        await say(world, one, room_id, text)
    op = world.as_(other)
    await messages.page_of_messages(op, room_id, limit=100)

    longest = []
    for _ in range(3):
        taken: list[float] = []
        async with turns(taken):
            page = await messages.page_of_messages(op, room_id, limit=100)
        longest.append(max(taken))

    assert page is not None
    assert [shown.words for shown in page.messages] == [Content(text)] * 100
    # The least of three: collecting garbage is nobody's turn.
    assert min(longest) < LOOP_MS


async def test_others_have_a_turn_between_the_longest_messages_that_are_looked_through() -> None:
    gig_id = new_id()
    text = "_0" * (MAX_TEXT // 2 - 20) + " " + encode_id("gig", gig_id)
    others_turns = 0

    async def others() -> None:
        nonlocal others_turns
        while True:
            others_turns += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(others())
    found = await named_by([text] * 100)
    watching.cancel()

    assert found == [((PreviewKind.GIG, gig_id),)] * 100
    assert others_turns == 99
