"""Threads that somebody follows, and how they choose to."""

from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import strawberry

from models.errors import Invalid, NotFound
from models.ids import decode_id
from models.message import DeletedMessage
from models.thread import MOST_TOLD
from resolvers.operation import Operation
from resolvers.threads import ThreadPlace, followed_threads, set_follow
from schema.analysis import priced
from schema.connections import Page, PageInfo, paging_arguments
from schema.graph import Answered, Context, declare
from schema.messages import MessageEdge, MessageType, shown_message
from schema.payloads import IDEMPOTENCY, Answer, MutationPayload, Needs, mutation

# -- the list ----------------------------------------------------------------------------------------------------------------


@strawberry.type(description="One page of the threads that you follow, the one with the newest answer first.")
class FollowedThreadConnection:
    edges: list[MessageEdge] = strawberry.field(description="Their first messages with their cursors.")
    nodes: list[MessageType] = strawberry.field(
        description="Their first messages; `thread` and `room` tell the rest."
    )
    page_info: PageInfo = strawberry.field(description="Where this page lies among all of them.")


async def _followed(
    context: Context,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> FollowedThreadConnection:
    op = context.op
    asked = Page.of({"first": first, "after": after, "last": last, "before": before})
    beyond = (
        None if asked.cursor is None else _place(op, asked.cursor, "before" if asked.backwards else "after")
    )
    page = await followed_threads(op, limit=asked.limit, beyond=beyond, is_backwards=asked.backwards)
    edges = [
        MessageEdge(cursor=_cursor(op, one.place), node=shown_message(one.first)) for one in page.threads
    ]
    return FollowedThreadConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo.of(
            [edge.cursor for edge in edges],
            has_next_page=page.has_older,
            has_previous_page=page.has_newer,
        ),
    )


def _cursor(op: Operation, place: ThreadPlace) -> str:
    return op.services.signer.sign("thread", orjson.dumps([place.answered_at.isoformat(), str(place.id)]))


def _place(op: Operation, cursor: str, path: str) -> ThreadPlace:
    """Raises `Invalid`."""
    opened = op.services.signer.open("thread", cursor)
    if opened is None:
        raise Invalid(
            (path,), "CURSOR", "This is no cursor of threads that you follow. Take one of this list."
        )
    answered_at, id = orjson.loads(opened)
    return ThreadPlace(datetime.fromisoformat(answered_at), UUID(id))


def _list() -> Any:
    field = declare(
        Answered(_followed),
        "Threads that you follow in the rooms that you belong to, the one with the newest answer first: those you wrote in and "
        "did not give up by `threadFollowSet`, and those you chose. Threads without answers are left out, as those of rooms that "
        "you left, until you come back. Empty for an anonymous caller.",
        metadata=priced(surcharge=20),
    )
    field.arguments = paging_arguments(None, None)
    return field


@strawberry.type
class ThreadQuery:
    followed_threads: FollowedThreadConnection = _list()


# -- choosing ----------------------------------------------------------------------------------------------------------------


@strawberry.type(description="Answer to `threadFollowSet`.")
class ThreadFollowSetPayload(MutationPayload):
    message: MessageType | None = strawberry.field(
        default=None,
        description="The first message of the thread as it is now, with `thread`; null if it was refused.",
    )


@strawberry.input(description="Input of `threadFollowSet`.")
class ThreadFollowSetInput:
    room_id: strawberry.ID = strawberry.field(description="The room.")
    thread_id: strawberry.ID = strawberry.field(
        description="The first message of the thread, or a message that may still be answered."
    )
    is_on: bool = strawberry.field(description="Whether you want to be told of answers from now on.")
    idempotency_key: str | None = strawberry.field(default=None, description=IDEMPOTENCY)


@mutation(
    ThreadFollowSetPayload,
    NotFound,
    DeletedMessage,
    needs=Needs.SIGNED_IN,
    description="Choose whether you are told of answers in a thread. It holds whatever you write there later; without a choice you "
    "follow the threads in which you wrote. Of those who follow a thread the "
    f"{MOST_TOLD} who wrote in it, or chose to follow it, last are told (`MessageForPerson`), unless they muted the room. Nobody "
    "else learns what you chose.",
)
async def thread_follow_set(op: Operation, input: ThreadFollowSetInput) -> Answer:
    room_id = decode_id("room", input.room_id, path=("roomId",))
    thread_id = decode_id("message", input.thread_id, path=("threadId",))
    receipt, shown = await set_follow(op, room_id, thread_id, is_on=input.is_on)
    return receipt, {"message": None if shown is None else shown_message(shown)}
