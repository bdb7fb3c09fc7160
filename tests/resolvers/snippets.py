"""Snippets as the tests of their use cases look at them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from auth.viewer import Viewer
from models.snippet import SnippetLanguage
from models.store.sql import Receipt
from resolvers import snippet_shares, snippet_talk, snippets
from resolvers.operation import Operation
from resolvers.snippet_talk import Lines
from tests.world import Hired, World

CODE = "def add(a, b):\n    return a + b\n\n\nprint(add(1, 2))\n"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A snippet of the client's, shared with the contract, and its two sides."""

    world: World
    hired: Hired
    id: UUID
    share_id: UUID

    @property
    def owner(self) -> Operation:
        return self.world.as_(self.hired.client)

    @property
    def other(self) -> Operation:
        return self.world.as_(self.hired.freelancer)

    async def latest(self) -> UUID:
        rows = await self.world.rows("select latest_id from snippet where id = :id", id=self.id)
        return rows[0].latest_id  # type: ignore[no-any-return]

    async def revise(
        self, content: str, *, op: Operation | None = None, expected_version: int | None = None
    ) -> Receipt:
        return await snippets.revise_snippet(
            op or self.owner, self.id, content=content, message=None, expected_version=expected_version
        )

    async def say(
        self,
        body: str = "Hm.",
        *,
        first: int = 1,
        last: int = 1,
        version_id: UUID | None = None,
        op: Operation | None = None,
        mentions: Sequence[UUID] = (),
    ) -> UUID:
        lines = Lines(version_id or await self.latest(), first, last)
        receipt = await snippet_talk.comment_lines(op or self.other, lines, body, mentions=mentions)
        return receipt.entity_id

    async def answer(
        self,
        comment_id: UUID,
        body: str = "So.",
        *,
        op: Operation | None = None,
        mentions: Sequence[UUID] = (),
    ) -> UUID:
        receipt = await snippet_talk.answer_comment(op or self.owner, comment_id, body, mentions=mentions)
        return receipt.entity_id

    async def places(self) -> dict[UUID, tuple[int, int] | None]:
        """Where each comment stands in the newest version."""
        rows = await self.world.rows(
            "select id, now_first, now_last from snippet_comment where snippet_id = :id", id=self.id
        )
        return {row.id: None if row.now_first is None else (row.now_first, row.now_last) for row in rows}

    async def told(self) -> list[str]:
        """Kinds of the facts in the snippet's stream, in order."""
        rows = await self.world.rows(
            "select kind from fact where stream = :stream order by number", stream=f"snippet:{self.id}"
        )
        return [row.kind for row in rows]


async def keep(world: World, owner: Viewer, content: str = CODE, **values: Any) -> UUID:
    wanted = {"title": "Adding", "language": SnippetLanguage.PYTHON, "content": content, **values}
    return (await snippets.create_snippet(world.as_(owner), **wanted)).entity_id


async def shelf(
    world: World, *, hired: Hired | None = None, content: str = CODE, may_revise: bool = False
) -> Shelf:
    hired = hired or await world.hired()
    snippet_id = await keep(world, hired.client, content)
    share = await snippet_shares.share_with_contract(
        world.as_(hired.client), snippet_id, hired.contract_id, may_revise=may_revise
    )
    return Shelf(world, hired, snippet_id, share.entity_id)
