"""What hangs on snippets, as those see it who see the snippet: versions, comments, shares, and what was submitted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
import strawberry
from sqlalchemy.orm import aliased
from sqlmodel import col

from auth import access
from models.snippet import (
    SnippetComment,
    SnippetMention,
    SnippetShare,
    SnippetText,
    SnippetVersion,
    SubmittedSnippet,
)
from resolvers import open_snippet
from resolvers.operation import Operation
from schema.analysis import priced
from schema.connections import Connection, connection
from schema.filters import Clause, means
from schema.graph import Source, column, computed, declare, many, node, one, record, source, sql
from schema.keyset import Key
from schema.node import Node
from schema.people import PersonType
from schema.scalars import Markdown
from schema.snippet_words import SnippetShareKind
from schema.type_names import Contract, Room, Snippet
from schema.type_names import SnippetComment as SnippetCommentName


async def _code(op: Operation, text_ids: Sequence[UUID]) -> dict[UUID, str]:
    return await open_snippet.words_of(op, text_ids)


async def _said(op: Operation, text_ids: Sequence[UUID | None]) -> dict[UUID | None, Markdown]:
    found = await open_snippet.words_of(op, [text_id for text_id in text_ids if text_id is not None])
    return {text_id: Markdown(words) for text_id, words in found.items()}


@node(
    "snippetversion",
    SnippetVersion,
    scope=access.visible_snippet_versions,
    name="SnippetVersion",
    description="One version of a snippet, which never changes. Whoever sees the snippet sees it; what was submitted with work, "
    "both sides of the contract see for ever.",
)
class SnippetVersionType(Node):
    number: int = column(SnippetVersion.number, "Its number in the snippet, from 1.")
    content: str | None = declare(
        Source(_code, sql(SnippetVersion.text_id), lambda: None),
        "The code, to the byte as it was given, at most 64 KB; null if its author was erased.",
        metadata=priced(surcharge=50),
    )
    sha256: str = column(SnippetVersion.sha256, "SHA-256 of the content in UTF-8, as 64 hexadecimal digits.")
    size_bytes: int = column(SnippetVersion.size_bytes, "How many bytes the content has in UTF-8.")
    line_count: int = column(
        SnippetVersion.line_count, "How many lines it has: one more than there are line feeds."
    )
    message: str | None = column(
        SnippetVersion.message, "What its author says was changed; null if they said nothing."
    )
    author: PersonType | None = one(
        SnippetVersion.author_id, "Who wrote it; null if you share nothing with them any more."
    )
    snippet: Snippet | None = one(
        SnippetVersion.snippet_id,
        "The snippet; null if you see this version only as a part of submitted work.",
    )
    created_at: datetime = column(SnippetVersion.created_at, "When it was written.")


@record(
    SnippetText,
    scope=access.visible_snippet_texts,
    name="SnippetWording",
    description="What a comment on a snippet said from some time on.",
)
class SnippetWordingType:
    body: Markdown | None = source(_said, "What it said; null if its author was erased.", key=SnippetText.id)
    created_at: datetime = column(SnippetText.created_at, "When it was worded so.")


# A deleted one is asked for no words.
_spoken_text = sa.case((col(SnippetComment.deleted_at).is_(None), col(SnippetComment.text_id))).label(
    "spoken_text"
)


@node(
    "snippetcomment",
    SnippetComment,
    scope=access.on_visible_snippets(col(SnippetComment.snippet_id)),
    name="SnippetComment",
    description="What somebody said about lines of a snippet, or answered.",
)
class SnippetCommentType(Node):
    body: Markdown | None = source(
        _said,
        "What was said, at most 10,000 characters; null once it was deleted, or if its author was erased.",
        key=_spoken_text,
    )
    author: PersonType | None = one(
        SnippetComment.author_id, "Who said it; null if you share nothing with them any more."
    )
    snippet: Snippet | None = one(SnippetComment.snippet_id, "The snippet; always there.")
    on_version: SnippetVersionType | None = one(
        SnippetComment.version_id, "The version whose lines it is about; always there."
    )
    first_line: int = column(SnippetComment.first_line, "The first of these lines in that version, from 1.")
    last_line: int = column(SnippetComment.last_line, "The last of these lines in that version.")
    current_first_line: int | None = column(
        SnippetComment.now_first, "Where they begin in the newest version; null if it is outdated."
    )
    current_last_line: int | None = column(
        SnippetComment.now_last, "Where they end in the newest version; null if it is outdated."
    )
    is_outdated: bool = computed(
        lambda line: line is None,
        SnippetComment.now_first,
        description="Whether a later version changed these lines.",
    )
    thread: SnippetCommentName | None = one(
        SnippetComment.thread_id, "The comment that the thread began with; null for that one itself."
    )
    answers: Connection[SnippetCommentName] = connection(
        SnippetComment.thread_id, "What was answered in its thread, oldest first; of the comment that began it.",
        default=(Key(sql(SnippetComment.created_at)),),
    )  # fmt: skip
    mentions: list[PersonType] = many(
        SnippetMention.comment_id,
        "To whom it speaks.",
        to=SnippetMention.user_id,
        order=[SnippetMention.user_id],
    )
    wordings: Connection[SnippetWordingType] = connection(
        SnippetText.subject_id,
        "What it said over time, oldest first; empty once it was deleted.",
        default=(Key(sql(SnippetText.created_at)),),
        tie_break=SnippetText.id,
    )
    created_at: datetime = column(SnippetComment.created_at, "When it was said.")
    edited_at: datetime | None = column(
        SnippetComment.edited_at, "When it was worded anew last; null if never."
    )
    deleted_at: datetime | None = column(
        SnippetComment.deleted_at, "When it was deleted; null while it is there."
    )
    resolved_at: datetime | None = column(
        SnippetComment.resolved_at,
        "When the thread that it began was resolved; null while it is open, and for answers.",
    )
    resolved_by: PersonType | None = one(
        SnippetComment.resolved_by,
        "Who resolved it; null while it is open, or if you share nothing with them any more.",
    )


def _is_outdated(wanted: bool, _: Operation) -> Clause:
    now = col(SnippetComment.now_first)
    return now.is_(None) if wanted else now.is_not(None)


def _is_resolved(wanted: bool, _: Operation) -> Clause:
    begun = sa.func.coalesce(col(SnippetComment.thread_id), col(SnippetComment.id))
    beginning: Any = aliased(SnippetComment)
    resolved = sa.exists().where(beginning.id == begun, beginning.resolved_at.is_not(None))
    found = resolved.correlate_except(beginning)
    return found if wanted else ~found


def _begins(wanted: bool, _: Operation) -> Clause:
    thread = col(SnippetComment.thread_id)
    return thread.is_(None) if wanted else thread.is_not(None)


@strawberry.input(description="Which comments of a snippet to list.")
class SnippetCommentWhere:
    is_outdated: strawberry.Maybe[bool] = means(
        _is_outdated,
        "True: about lines that changed since. False: about lines that are in the newest version.",
    )
    is_resolved: strawberry.Maybe[bool] = means(
        _is_resolved, "True: of threads that were resolved. False: of open ones."
    )
    begins_thread: strawberry.Maybe[bool] = means(
        _begins, "True: those that threads began with. False: answers."
    )


@node(
    "snippetshare",
    SnippetShare,
    scope=access.visible_snippet_shares,
    name="SnippetShare",
    description="With whom a snippet is shared. Its owner sees all of them, others those with their contracts and rooms.",
)
class SnippetShareType(Node):
    kind: SnippetShareKind = column(SnippetShare.kind, "With whom.")
    snippet: Snippet | None = one(SnippetShare.snippet_id, "The snippet; null if you do not see it any more.")
    contract: Contract | None = one(SnippetShare.contract_id, "The contract; null unless it is with one.")
    room: Room | None = one(
        SnippetShare.room_id,
        "The room; null unless it is with one, and if you are not a member of it any more.",
    )
    may_revise: bool = column(SnippetShare.may_revise, "Whether they may write new versions, too.")
    created_at: datetime = column(SnippetShare.created_at, "When it was shared.")
    expires_at: datetime | None = column(
        SnippetShare.expires_at, "Until when a link can be used; null for all others."
    )
    ended_at: datetime | None = column(
        SnippetShare.ended_at, "When the owner ended it; null while it is in force."
    )


@record(
    SubmittedSnippet,
    scope=access.visible_submissions,
    name="SubmittedSnippet",
    description="A version of a snippet that was handed in with work.",
)
class SubmittedSnippetType:
    version: SnippetVersionType | None = one(
        SubmittedSnippet.version_id,
        "The version, whether the snippet is still shared or not; null for administrators.",
    )
    submission: int = column(
        SubmittedSnippet.contract_version, "The same number for what was handed in together; later is higher."
    )
    submitted_at: datetime = column(SubmittedSnippet.submitted_at, "When.")
