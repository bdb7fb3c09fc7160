"""Who looks at a board, and who drags what there: words of the moment, not facts."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

import strawberry

from models.errors import NotFound
from models.ids import decode_id
from models.presence import BoardDoing, Crowded, Present
from models.store.sql import Receipt
from resolvers import board_presence
from resolvers.operation import Operation
from schema.graph import reference
from schema.payloads import Answer, MutationPayload, Needs, mutation
from schema.type_names import Person, Task
from schema.words import words

words(BoardDoing)
_DOINGS = frozenset(BoardDoing)
CLIENT = "Names the tab or device, 1 to 40 characters, so that two of yours do not overrule each other; without it, your session."
UNTIL = (
    "When they vanish unless they say it again, which is not told: show them until you are told otherwise."
)


@strawberry.type(
    description="Somebody who is at a board now. Whoever does several things in several tabs comes once with each."
)
class BoardPresence:
    doing: BoardDoing = strawberry.field(description="What they do there: LOOKING or DRAGGING.")
    until: datetime = strawberry.field(description=UNTIL)
    person: Person | None = reference("person_id", "Who it is; null if they belong to the board no longer.")
    task: Task | None = reference("task_id", "The task they are at; null: the board as a whole.")
    person_id: strawberry.Private[UUID]
    task_id: strawberry.Private[UUID | None]


def shown(people: Iterable[Present]) -> list[BoardPresence]:
    return [
        BoardPresence(doing=BoardDoing(one.doing), until=one.until, person_id=one.person_id, task_id=one.part)
        for one in people
        # Another version of the server may know more.
        if one.doing in _DOINGS and one.until is not None
    ]


async def people_at(op: Operation, keys: Sequence[UUID]) -> dict[UUID, list[BoardPresence]]:
    """Who is at these boards, as far as this process knows."""
    attendance = op.services.attendance
    return {key: shown(attendance.at(board_presence.subject_of(key))) for key in keys}


@strawberry.type(
    description="Who is at the board now, whenever that changes: the whole list, to who selects `people`. Like every word about "
    "a stream it is no fact: it moves no cursor and is not replayed."
)
class PresenceChanged:
    people: list[BoardPresence] = strawberry.field(description="Everybody who is there, by person.")


@strawberry.type(description="Answer to `boardPresenceSet`.")
class BoardPresenceSetPayload(MutationPayload):
    people: list[BoardPresence] | None = strawberry.field(
        default=None, description="Everybody who is at the board now, you too; null if it was refused."
    )


@strawberry.input(description="Input of `boardPresenceSet`.")
class BoardPresenceSetInput:
    board_id: strawberry.ID = strawberry.field(description="The board.")
    doing: BoardDoing = strawberry.field(description="What you do there; AWAY: you are gone from it.")
    task_id: strawberry.ID | None = strawberry.field(
        default=None, description="The task of the board that you are at; needed for DRAGGING."
    )
    client: str | None = strawberry.field(default=None, description=CLIENT)


@mutation(
    BoardPresenceSetPayload,
    NotFound,
    Crowded,
    needs=Needs.SIGNED_IN,
    description="Show the others at a board what you do there. It is true for 30 seconds: say it again every 15, and AWAY when "
    "you leave. Writes nothing, so it takes no `idempotencyKey`. Members of the board only, not administrators. At most 200 "
    "people are shown, each with at most 10 clients.",
)
async def board_presence_set(op: Operation, input: BoardPresenceSetInput) -> Answer:
    board_id = decode_id("board", input.board_id, path=("boardId",))
    task_id = None if input.task_id is None else decode_id("task", input.task_id, path=("taskId",))
    people = await board_presence.set_presence(
        op, board_id, doing=input.doing, task_id=task_id, client=input.client
    )
    return Receipt(board_id), {"people": shown(people)}
