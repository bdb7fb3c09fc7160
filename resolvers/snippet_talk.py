"""What is said about the lines of snippets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth import access
from models.checks import Checks
from models.errors import NotAllowed, NotFound
from models.snippet import (
    MAX_COMMENT,
    MAX_COMMENTS,
    MAX_MENTIONS,
    SnippetBusy,
    SnippetComment,
    SnippetFull,
    SnippetMention,
    SnippetText,
    SnippetTextKind,
    SnippetVersion,
)
from models.snippet_diff import Kept
from models.snippet_events import (
    SnippetCommentAnswered,
    SnippetCommentDeleted,
    SnippetCommented,
    SnippetCommentEdited,
    SnippetCommentMentioned,
    SnippetCommentNoticed,
    SnippetThreadReopened,
    SnippetThreadResolved,
    SnippetThreadSettled,
)
from models.store.sql import Receipt
from resolvers.open_snippet import (
    MOST_TRIES,
    OpenSnippet,
    Revised,
    kept_between,
    look_at,
    opened,
    seal_text,
    snippet_of,
    words_of,
)
from resolvers.operation import Operation


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of a version, from 1, both ends included."""

    version_id: UUID
    first: int
    last: int


async def comment_lines(op: Operation, lines: Lines, body: str, *, mentions: Sequence[UUID]) -> Receipt:
    """Begin a thread about some lines. Who is mentioned is told, and so is the owner."""
    body = _checked(body, mentions)
    path = ("at", "lines", "versionId")
    snippet_id = await snippet_of(op, SnippetVersion, lines.version_id)
    text: SnippetText | None = None
    for _ in range(MOST_TRIES):
        look = await look_at(op, snippet_id, path=path, what="version of a snippet")
        look.require_live()
        version = (
            await op.db.fetch(
                sa.select(col(SnippetVersion.text_id), col(SnippetVersion.line_count)).where(
                    col(SnippetVersion.id) == lines.version_id
                )
            )
        )[0]
        _check_lines(lines, version.line_count)
        if text is None:
            text = await _sealed(op, body, look.snippet_id, op.new_id())
        now: tuple[int, int] | None = (lines.first, lines.last)
        if lines.version_id != look.latest_id:
            now = _place_of(lines, await kept_between(op, version.text_id, look.text_id))
        try:
            async with opened(op, look.snippet_id, path=path, what="version of a snippet") as snippet:
                snippet.require_live()
                if snippet.row.latest_id != look.latest_id:
                    raise Revised
                comment = SnippetComment(
                    id=text.subject_id, snippet_id=look.snippet_id, version_id=lines.version_id, thread_id=None,
                    author_id=text.author_id, text_id=text.id, first_line=lines.first, last_line=lines.last,
                    now_first=now and now[0], now_last=now and now[1], created_at=op.now(),
                )  # fmt: skip
                return await _say(snippet, comment, text, mentions)
        except Revised:
            continue
    raise SnippetBusy(
        "The snippet is revised all the time. Try again.", retry_at=op.now() + timedelta(seconds=1)
    )


async def answer_comment(op: Operation, answers_id: UUID, body: str, *, mentions: Sequence[UUID]) -> Receipt:
    """Say something in the thread of a comment. Who is mentioned is told, who spoke in it, and the owner."""
    body = _checked(body, mentions)
    path = ("at", "answersId")
    look = await look_at(op, await snippet_of(op, SnippetComment, answers_id), path=path, what="comment")
    look.require_live()
    text = await _sealed(op, body, look.snippet_id, op.new_id())
    async with opened(op, look.snippet_id, path=path, what="comment") as snippet:
        snippet.require_live()
        begun = await _thread(snippet, answers_id)
        comment = SnippetComment(
            id=text.subject_id, snippet_id=look.snippet_id, version_id=begun.version_id, thread_id=begun.id,
            author_id=text.author_id, text_id=text.id, first_line=begun.first_line, last_line=begun.last_line,
            now_first=begun.now_first, now_last=begun.now_last, created_at=op.now(),
        )  # fmt: skip
        return await _say(snippet, comment, text, mentions)


async def edit_comment(op: Operation, comment_id: UUID, body: str) -> Receipt:
    """The author words it anew; what it said before stays readable."""
    body = _checked(body, [])
    snippet_id = await snippet_of(op, SnippetComment, comment_id)
    found = await op.db.fetch(
        sa.select(
            col(SnippetComment.author_id), col(SnippetComment.text_id), col(SnippetComment.deleted_at)
        ).where(
            col(SnippetComment.id) == comment_id,
            access.on_visible_snippets(col(SnippetComment.snippet_id))(op.viewer),
        )
    )
    if snippet_id is None or not found:
        raise NotFound("comment")
    before = found[0]
    is_same = before.deleted_at is None and (await words_of(op, [before.text_id])).get(before.text_id) == body
    text = None
    if before.author_id == op.viewer.user_id and before.deleted_at is None and not is_same:
        text = await _sealed(op, body, snippet_id, comment_id)
    async with opened(op, snippet_id, what="comment") as snippet:
        comment = await _comment(snippet, comment_id)
        if comment.author_id != op.viewer.user_id:
            raise NotAllowed("AUTHOR")
        comment.require_spoken()
        if text is None:
            return snippet.tx.noop(comment.id)
        snippet.tx.add(text)
        await snippet.tx.session.flush()
        comment.text_id, comment.edited_at = text.id, op.now()
        snippet.tell(SnippetCommentEdited(snippet_comment_id=comment.id, **snippet.about))
        return snippet.tx.done(comment.id)


async def delete_comment(op: Operation, comment_id: UUID) -> Receipt:
    """By its author or the owner of the snippet. Answers stay, below a place that says that something was here."""
    async with opened(op, await snippet_of(op, SnippetComment, comment_id), what="comment") as snippet:
        comment = await _comment(snippet, comment_id)
        if op.viewer.user_id not in {comment.author_id, snippet.row.owner_id}:
            raise NotAllowed("AUTHOR", "Only the author or the owner of the snippet can do this.")
        if comment.deleted_at is not None:
            return snippet.tx.noop(comment.id)
        comment.deleted_at = op.now()
        snippet.tell(SnippetCommentDeleted(snippet_comment_id=comment.id, **snippet.about))
        return snippet.tx.done(comment.id)


async def resolve_thread(op: Operation, comment_id: UUID) -> Receipt:
    """Settle the thread of a comment: by whoever began it or the owner of the snippet."""
    async with opened(op, await snippet_of(op, SnippetComment, comment_id), what="comment") as snippet:
        begun = await _settling(snippet, comment_id)
        if begun.resolved_at is not None:
            return snippet.tx.noop(begun.id)
        begun.resolved_at, begun.resolved_by = op.now(), op.viewer.user_id
        snippet.tell(SnippetThreadResolved(snippet_comment_id=begun.id, **snippet.about))
        if begun.author_id in await snippet.people([begun.author_id]) - {op.viewer.user_id}:
            snippet.tell(SnippetThreadSettled(
                person_id=begun.author_id, snippet_comment_id=begun.id, **snippet.about
            ))  # fmt: skip
        return snippet.tx.done(begun.id)


async def reopen_thread(op: Operation, comment_id: UUID) -> Receipt:
    async with opened(op, await snippet_of(op, SnippetComment, comment_id), what="comment") as snippet:
        begun = await _settling(snippet, comment_id)
        if begun.resolved_at is None:
            return snippet.tx.noop(begun.id)
        begun.resolved_at = begun.resolved_by = None
        snippet.tell(SnippetThreadReopened(snippet_comment_id=begun.id, **snippet.about))
        return snippet.tx.done(begun.id)


# -- within --------------------------------------------------------------------------------------------------------------------


def _checked(body: str, mentions: Sequence[UUID]) -> str:
    checks = Checks()
    body = checks.text(("body",), body, max=MAX_COMMENT)
    checks.count(("mentionIds",), mentions, max=MAX_MENTIONS)
    checks.done()
    return body


def _check_lines(lines: Lines, count: int) -> None:
    checks = Checks()
    first = checks.between(("at", "lines", "first"), lines.first, min=1, max=count)
    if not checks.refusals:
        checks.between(("at", "lines", "last"), lines.last, min=first, max=count)
    checks.done()


def _place_of(lines: Lines, kept: Sequence[Kept]) -> tuple[int, int] | None:
    """Where lines stand among those that were kept; None if they were not, or not together."""
    for run in kept:
        if run.first <= lines.first and lines.last <= run.last:
            return lines.first + run.shift, lines.last + run.shift
    return None


async def _sealed(op: Operation, body: str, snippet_id: UUID, comment_id: UUID) -> SnippetText:
    kind = SnippetTextKind.COMMENT
    return await seal_text(op, body.encode(), snippet_id=snippet_id, subject_id=comment_id, kind=kind)


async def _comment(snippet: OpenSnippet, comment_id: UUID) -> SnippetComment:
    """Raises `NotFound`."""
    comment = await snippet.tx.by_id(SnippetComment, comment_id)
    if comment is None or comment.snippet_id != snippet.row.id:
        raise NotFound("comment")
    return comment


async def _thread(snippet: OpenSnippet, comment_id: UUID) -> SnippetComment:
    """The comment that the thread of this one began with."""
    comment = await _comment(snippet, comment_id)
    return comment if comment.thread_id is None else await _comment(snippet, comment.thread_id)


async def _settling(snippet: OpenSnippet, comment_id: UUID) -> SnippetComment:
    """The beginning of a thread that the caller may settle. Raises `NotAllowed`."""
    begun = await _thread(snippet, comment_id)
    if snippet.op.viewer.user_id not in {begun.author_id, snippet.row.owner_id}:
        raise NotAllowed("AUTHOR", "Only who began the thread or the owner of the snippet can do this.")
    return begun


async def _say(
    snippet: OpenSnippet, comment: SnippetComment, text: SnippetText, mentions: Sequence[UUID]
) -> Receipt:
    """Raises `NotFound` and `SnippetFull`."""
    tx = snippet.tx
    spoke = await _speakers(snippet, comment)
    people = await snippet.people({*mentions, *spoke})
    if set(mentions) - people:
        raise NotFound("person who sees the snippet", path=("mentionIds",))
    count = sa.select(sa.func.count()).where(col(SnippetComment.snippet_id) == snippet.row.id)
    if (await tx.execute(count)).scalar_one() >= MAX_COMMENTS:
        raise SnippetFull("comments", limit=MAX_COMMENTS)
    tx.add(text)
    await tx.session.flush()
    tx.add(comment)
    await tx.session.flush()
    tx.add(*(SnippetMention(comment_id=comment.id, user_id=user_id) for user_id in sorted(set(mentions))))
    about = {"snippet_comment_id": comment.id, **snippet.about}
    snippet.tell(SnippetCommented(**about))
    told = {comment.author_id}
    for event, whom in (
        (SnippetCommentMentioned, set(mentions)),
        (SnippetCommentAnswered, spoke & people),
        (SnippetCommentNoticed, {snippet.row.owner_id}),
    ):
        for person_id in sorted(whom - told):
            snippet.tell(event(person_id=person_id, **about))
        told |= whom
    return tx.done(comment.id)


async def _speakers(snippet: OpenSnippet, comment: SnippetComment) -> set[UUID]:
    """Those who said something in its thread before."""
    if comment.thread_id is None:
        return set()
    statement = sa.select(col(SnippetComment.author_id)).where(
        sa.or_(
            col(SnippetComment.id) == comment.thread_id, col(SnippetComment.thread_id) == comment.thread_id
        )
    )
    return {author_id for (author_id,) in await snippet.tx.execute(statement)}
