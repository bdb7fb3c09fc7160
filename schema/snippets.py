"""Snippets as those see them whom they are shared with. What can be done to them is in `snippet_acts`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlalchemy.orm import aliased
from sqlmodel import col
from strawberry import Maybe

from auth import abilities as may
from auth import access
from auth.abilities import SnippetAction
from models.ids import decode_id
from models.snippet import Snippet, SnippetComment, SnippetShare, SnippetVersion
from models.vocabulary import Vocabulary
from resolvers import snippets
from resolvers.operation import Operation
from schema.abilities import Abilities, abilities
from schema.analysis import priced
from schema.connections import Connection, connection
from schema.filters import Clause, DateTimeFilter, Equality, TextFilter, compares, means
from schema.graph import Answered, Context, argument, column, declare, lookup, many, node, one, source, sql
from schema.keyset import Direction, Key, Nulls, newest
from schema.node import Node
from schema.people import PersonType
from schema.places import current_place
from schema.scalars import StreamCursor
from schema.snippet_diff import SnippetDiff, snippet_diff_field
from schema.snippet_parts import SnippetCommentType, SnippetCommentWhere, SnippetShareType, SnippetVersionType
from schema.snippet_words import SnippetLanguage
from schema.words import words


async def _can(op: Operation, keys: Sequence[UUID]) -> dict[UUID, Abilities[SnippetAction]]:
    found = await snippets.standings_of(op, keys)
    return {
        key: abilities(
            may.on_snippet(
                op.viewer, standing.owner_id, may_revise=standing.may_revise, is_archived=standing.is_archived
            )
        )
        for key, standing in found.items()
    }


@node(
    "snippet",
    Snippet,
    scope=access.visible_snippets,
    name="Snippet",
    description="Code in versions, to share and to talk about line by line. Its owner sees it, and the sides of contracts and the "
    "members of rooms that it is shared with; administrators do not. Live by `snippetEvents`.",
)
class SnippetType(Node):
    title: str = column(Snippet.title, "1 to 200 characters.")
    language: SnippetLanguage = column(Snippet.language, "What it is written in, as its owner says.")
    owner: PersonType | None = one(
        Snippet.owner_id, "Whose it is; null if you share nothing else with them any more."
    )
    latest: SnippetVersionType | None = one(Snippet.latest_id, "The newest version; always there.")
    versions: Connection[SnippetVersionType] = connection(
        SnippetVersion.snippet_id,
        "All its versions, the newest first; at most 1,000.",
        default=(Key(sql(SnippetVersion.number), descending=True),),
    )
    comments: Connection[SnippetCommentType] = connection(
        SnippetComment.snippet_id,
        "What was said about it, oldest first; answers stand by their own time, under the thread they belong to.",
        default=(Key(sql(SnippetComment.created_at)),),
        where=SnippetCommentWhere,
    )
    shares: list[SnippetShareType] = many(
        SnippetShare.snippet_id,
        "With whom it is shared now, oldest first; to others than the owner, only the shares with their contracts and rooms. Links that "
        "have expired stay until they are ended.",
        order=[SnippetShare.created_at, SnippetShare.id],
        where=sql(SnippetShare.ended_at).is_(None),
    )
    archived_at: datetime | None = column(
        Snippet.archived_at, "When it was put away; null while it is in use."
    )
    created_at: datetime = column(Snippet.created_at, "When it was kept first.")
    updated_at: datetime = column(Snippet.updated_at, "When it was revised, named or put away last.")
    version: int = column(
        Snippet.version, "Counts the changes of it, new versions among them; for `expectedVersion`."
    )
    stream_cursor: StreamCursor = current_place(
        "snippet",
        Snippet.id,
        "Where the snippet's stream stood when this was read; with it in `after`, `snippetEvents` tells what came later.",
    )
    viewer: Abilities[SnippetAction] = source(_can, "What you can do to it now.")


def _is_mine(wanted: bool, op: Operation) -> Clause:
    mine = col(Snippet.owner_id) == op.viewer.user_id
    return mine if wanted else ~mine


def _is_shared_with(room_id: str, op: Operation) -> Clause:
    room = decode_id("room", room_id, path=("where", "roomId"))
    share: Any = aliased(SnippetShare)
    shared = sa.select(share.snippet_id).where(
        share.room_id == room, share.ended_at.is_(None), share.room_id.in_(access.rooms_of(op.viewer))
    )
    return col(Snippet.id).in_(shared)


def _is_archived(wanted: bool, _: Operation) -> Clause:
    return col(Snippet.archived_at).is_not(None) if wanted else col(Snippet.archived_at).is_(None)


@strawberry.input(description="Which snippets to list, among those you may see.")
class SnippetWhere:
    and_: Maybe[list["SnippetWhere"]] = strawberry.field(name="AND", description="All of these hold.")
    or_: Maybe[list["SnippetWhere"]] = strawberry.field(name="OR", description="One of these holds.")
    not_: Maybe["SnippetWhere"] = strawberry.field(name="NOT", description="This does not hold.")
    title: Maybe[TextFilter] = compares(Snippet.title, "By title.")
    language: Maybe[Equality[SnippetLanguage]] = compares(Snippet.language, "By language.")
    is_mine: Maybe[bool] = means(_is_mine, "True: your own. False: those that others share with you.")
    room_id: Maybe[strawberry.ID] = means(
        _is_shared_with, "Shared with this room, which you are a member of."
    )
    is_archived: Maybe[bool] = means(_is_archived, "True: those put away. False: those in use.")
    created_at: Maybe[DateTimeFilter] = compares(Snippet.created_at, "By when it was kept first.")
    updated_at: Maybe[DateTimeFilter] = compares(Snippet.updated_at, "By when it was changed last.")


class SnippetOrderField(Vocabulary):
    """What snippets can be ordered by."""

    UPDATED_AT = "UPDATED_AT", "When they were changed last."
    CREATED_AT = "CREATED_AT", "When they were kept first."
    TITLE = "TITLE", "Their titles."
    LANGUAGE = "LANGUAGE", "Their languages, by name."


words(SnippetOrderField)


@strawberry.input(description="One key of an order of snippets.")
class SnippetOrder:
    field: SnippetOrderField = strawberry.field(description="What to order by.")
    direction: Direction = strawberry.field(default=Direction.DESC, description="Which end comes first.")
    nulls: Nulls | None = strawberry.field(
        default=None, description="Without a meaning here: all have values."
    )


@strawberry.type(
    description="What whoever has a link reads of a snippet: its newest version, and nothing else."
)
class SharedSnippet:
    title: str = strawberry.field(description="What it is called.")
    language: SnippetLanguage = strawberry.field(description="What it is written in.")
    number: int = strawberry.field(description="The number of the version.")
    content: str | None = strawberry.field(description="The code; null if its author was erased.")
    sha256: str = strawberry.field(description="SHA-256 of the content in UTF-8, as 64 hexadecimal digits.")
    line_count: int = strawberry.field(description="How many lines it has.")
    created_at: datetime = strawberry.field(description="When the version was written.")


async def _by_link(context: Context, token: str) -> SharedSnippet | None:
    found = await snippets.read_by_link(context.op, token)
    if found is None:
        return None
    return SharedSnippet(
        title=found.title, language=found.language, number=found.number, content=found.content, sha256=found.sha256,
        line_count=found.line_count, created_at=found.created_at,
    )  # fmt: skip


def _shared_snippet() -> Any:
    field = declare(
        Answered(_by_link),
        "What a link leads to, for anybody who has its token; null if it was never made, has expired, or was revoked.",
        metadata=priced(surcharge=50),
    )
    field.arguments = [argument("token", str, "As `snippetShareByLink` answered it.")]
    return field


@strawberry.type
class SnippetQuery:
    snippet: SnippetType | None = lookup("A snippet by its id; null if there is none or you may not see it.")
    snippets: Connection[SnippetType] = connection(
        None,
        "Snippets you may see, your own and those shared with you, the last changed first unless ordered otherwise; archived ones "
        "too, unless `where` says otherwise. Empty for an anonymous caller.",
        default=newest(Snippet.updated_at),
        where=SnippetWhere,
        order=SnippetOrder,
        orders={
            SnippetOrderField.UPDATED_AT: Key(sql(Snippet.updated_at)),
            SnippetOrderField.CREATED_AT: Key(sql(Snippet.created_at)),
            SnippetOrderField.TITLE: Key(sql(Snippet.title)),
            SnippetOrderField.LANGUAGE: Key(sql(Snippet.language)),
        },
    )
    snippet_diff: SnippetDiff | None = snippet_diff_field()
    shared_snippet: SharedSnippet | None = _shared_snippet()
