"""What people do with snippets: keep them, revise them, name them, put them away; and what is read of them."""

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import col

from auth import access
from auth.tokens import hash_of
from models.checks import Checks
from models.contract import Contract
from models.errors import Invalid, NotFound, Path
from models.snippet import (
    MAX_SUBMITTED,
    MAX_VERSIONS,
    Content,
    SealedText,
    Snippet,
    SnippetBusy,
    SnippetFull,
    SnippetLanguage,
    SnippetShare,
    SnippetText,
    SnippetTextKind,
    SnippetVersion,
    SubmittedSnippet,
    checked_message,
    line_count,
)
from models.snippet_diff import Diff, Kept
from models.snippet_events import (
    SnippetArchived,
    SnippetCreated,
    SnippetRenamed,
    SnippetRestored,
    SnippetRevised,
)
from models.store.sql import Receipt, Transaction
from models.table import check_version
from resolvers.open_snippet import (
    MOST_TRIES,
    SEALED,
    Look,
    OpenSnippet,
    Revised,
    compared,
    kept_between,
    look_at,
    may_revise,
    opened,
    seal_text,
    unsealed,
    words_of,
)
from resolvers.operation import Operation

MAX_TOKEN = 200


async def create_snippet(
    op: Operation, *, title: str, language: SnippetLanguage, content: str, message: str | None = None
) -> Receipt:
    """A new snippet of the caller's, with its first version."""
    me = op.viewer.require_user()
    values = Snippet.checked({"title": title, "language": language})
    code, said = Content.of(content), checked_message(message)
    snippet_id, version_id = op.new_id(), op.new_id()
    text = await _sealed(op, code, snippet_id, version_id)
    async with op.transaction() as tx:
        tx.add(Snippet(
            id=snippet_id, owner_id=me, latest_id=version_id, created_at=op.now(), updated_at=op.now(), **values
        ))  # fmt: skip
        await tx.session.flush()
        version = await _add_version(op, tx, text, code, number=1, message=said)
        tx.emit(SnippetCreated(
            snippet_id=snippet_id, snippet_version_id=version.id, version_number=1, sha256=version.sha256, at=op.now()
        ))  # fmt: skip
        return tx.done(snippet_id)


async def revise_snippet(
    op: Operation, snippet_id: UUID, *, content: str, message: str | None, expected_version: int | None
) -> Receipt:
    """A new version, by the owner or whoever a share lets. The same content as in the newest one changes nothing.

    Comments move with their lines; where these changed, they are outdated from then on.
    """
    me = op.viewer.require_user()
    code, said = Content.of(content), checked_message(message)
    text: SnippetText | None = None
    for _ in range(MOST_TRIES):
        look = await look_at(op, snippet_id)
        look.require_reviser(me)
        look.require_live()
        kept: Sequence[Kept] = ()
        if look.sha256 != code.sha256:
            text = text or await _sealed(op, code, snippet_id, op.new_id())
            kept = await kept_between(op, look.text_id, code.text)
        try:
            return await _revise(op, look, text, code, kept, message=said, expected_version=expected_version)
        except Revised:
            continue
    raise SnippetBusy(
        "The snippet is revised all the time. Try again.", retry_at=op.now() + timedelta(seconds=1)
    )


async def _revise(
    op: Operation,
    look: Look,
    text: SnippetText | None,
    code: Content,
    kept: Sequence[Kept],
    *,
    message: str | None,
    expected_version: int | None,
) -> Receipt:
    """Raises `Revised`."""
    async with opened(op, look.snippet_id) as snippet:
        row = snippet.row
        await snippet.require_reviser()
        check_version(row, expected_version, entity_id=row.id)
        snippet.require_live()
        if row.latest_id != look.latest_id:
            raise Revised
        if look.sha256 == code.sha256:
            return snippet.tx.noop(row.id)
        if row.latest_number >= MAX_VERSIONS:
            raise SnippetFull("versions", limit=MAX_VERSIONS)
        assert text is not None
        number = row.latest_number + 1
        version = await _add_version(op, snippet.tx, text, code, number=number, message=message)
        row.latest_number, row.latest_id = number, version.id
        row.touch(at=op.now())
        await snippet.tx.execute(_MOVE_COMMENTS, [{"snippet_id": row.id, **_columns_of(kept)}])
        snippet.tell(SnippetRevised(
            snippet_version_id=version.id, version_number=number, sha256=version.sha256, **snippet.about
        ))  # fmt: skip
        return snippet.tx.done(row.id)


async def _sealed(op: Operation, code: Content, snippet_id: UUID, version_id: UUID) -> SnippetText:
    kind = SnippetTextKind.VERSION
    return await seal_text(op, code.data, snippet_id=snippet_id, subject_id=version_id, kind=kind)


async def _add_version(
    op: Operation, tx: Transaction, text: SnippetText, code: Content, *, number: int, message: str | None
) -> SnippetVersion:
    version = SnippetVersion(
        id=text.subject_id, snippet_id=text.snippet_id, number=number, author_id=text.author_id, text_id=text.id,
        sha256=code.sha256, size_bytes=len(code.data), line_count=line_count(code.text), message=message,
        created_at=op.now(),
    )  # fmt: skip
    tx.add(text)
    await tx.session.flush()
    tx.add(version)
    await tx.session.flush()
    return version


async def rename_snippet(
    op: Operation, snippet_id: UUID, changes: Mapping[str, Any], *, expected_version: int | None
) -> Receipt:
    """Another title, another language."""
    async with opened(op, snippet_id) as snippet:
        row = snippet.row
        snippet.require_owner()
        check_version(row, expected_version, entity_id=row.id)
        snippet.require_live()
        changed = {
            name: value for name, value in Snippet.checked(changes).items() if getattr(row, name) != value
        }
        if not changed:
            return snippet.tx.noop(row.id)
        told: dict[str, tuple[str | None, str | None]] = {
            name: (None, None) if name == "title" else (getattr(row, name), value)
            for name, value in changed.items()
        }
        for name, value in changed.items():
            setattr(row, name, value)
        row.touch(at=op.now())
        snippet.tell(SnippetRenamed(changes=told, **snippet.about))
        return snippet.tx.done(row.id)


async def archive_snippet(op: Operation, snippet_id: UUID) -> Receipt:
    """Put it away: it is read as before, and nothing is added to it. Shares stay."""
    async with opened(op, snippet_id) as snippet:
        snippet.require_owner()
        return _put(snippet, is_archived=True)


async def restore_snippet(op: Operation, snippet_id: UUID) -> Receipt:
    async with opened(op, snippet_id) as snippet:
        snippet.require_owner()
        return _put(snippet, is_archived=False)


def _put(snippet: OpenSnippet, *, is_archived: bool) -> Receipt:
    row, now = snippet.row, snippet.op.now()
    if (row.archived_at is not None) is is_archived:
        return snippet.tx.noop(row.id)
    row.archived_at = now if is_archived else None
    row.touch(at=now)
    event = SnippetArchived if is_archived else SnippetRestored
    snippet.tell(event(**snippet.about))
    return snippet.tx.done(row.id)


# -- handed in with work -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NamedVersion:
    """A version, and the hash by which its content is known to be what was meant."""

    version_id: UUID
    sha256: str


async def submit_versions(
    op: Operation, tx: Transaction, contract: Contract, named: Sequence[NamedVersion], *, path: str
) -> None:
    """Keep these versions with the submission that the contract's present version is. Raises `NotFound`, `Invalid` and
    `Refusals`."""
    checks = Checks()
    checks.count((path,), named, max=MAX_SUBMITTED)
    checks.distinct((path,), [one.version_id for one in named])
    checks.done()
    statement = sa.select(col(SnippetVersion.id), col(SnippetVersion.sha256)).where(
        col(SnippetVersion.id).in_([one.version_id for one in named]),
        access.visible_snippet_versions(op.viewer),
    )
    hashes = {row.id: row.sha256 for row in await tx.execute(statement)} if named else {}
    for index, one in enumerate(named):
        where: Path = (path, str(index))
        if one.version_id not in hashes:
            raise NotFound("version of a snippet", path=(*where, "id"))
        if hashes[one.version_id] != one.sha256.lower():
            raise Invalid((*where, "sha256"), "SHA256", "The content of this version has another hash.")
        tx.add(SubmittedSnippet(
            contract_id=contract.id, contract_version=contract.version, version_id=one.version_id, submitted_at=op.now()
        ))  # fmt: skip


# -- reading -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shared:
    """What whoever has a link reads."""

    title: str
    language: SnippetLanguage
    number: int
    sha256: str
    line_count: int
    content: str | None
    created_at: datetime


async def read_by_link(op: Operation, token: str) -> Shared | None:
    """The newest version of the snippet that the link leads to; None for a token that was never made, has expired or was
    revoked, all in the same time but for reading what is there."""
    digest = hash_of(token[:MAX_TOKEN])
    statement = (
        sa.select(
            col(SnippetShare.token_hash),
            col(Snippet.title),
            col(Snippet.language),
            col(SnippetVersion.number),
            col(SnippetVersion.sha256),
            col(SnippetVersion.line_count),
            col(SnippetVersion.created_at).label("written_at"),
            *SEALED,
        )
        .join(Snippet, col(Snippet.id) == col(SnippetShare.snippet_id))
        .join(SnippetVersion, col(SnippetVersion.id) == col(Snippet.latest_id))
        .join(SnippetText, col(SnippetText.id) == col(SnippetVersion.text_id))
        .where(
            col(SnippetShare.token_hash) == digest,
            col(SnippetShare.ended_at).is_(None),
            col(SnippetShare.expires_at) > op.now(),
        )
    )
    found = await op.db.fetch(statement)
    # The index found it by the hash; that it is this hash is not left to how long an index takes.
    if not found or not hmac.compare_digest(found[0].token_hash, digest):
        return None
    row = found[0]
    text = SealedText.of(row)
    content = (await unsealed(op, [text])).get(text.id)
    return Shared(row.title, row.language, row.number, row.sha256, row.line_count, content, row.written_at)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions of one snippet, and what differs; None where one of them cannot be read any more."""

    from_id: UUID
    to_id: UUID
    diff: Diff | None


async def compare_versions(op: Operation, from_id: UUID, to_id: UUID) -> Comparison | None:
    """None unless the caller sees both. Raises `Invalid` for versions of two snippets."""
    statement = sa.select(
        col(SnippetVersion.id), col(SnippetVersion.snippet_id), col(SnippetVersion.text_id)
    ).where(col(SnippetVersion.id).in_([from_id, to_id]), access.visible_snippet_versions(op.viewer))
    found = {row.id: row for row in await op.db.fetch(statement)}
    if from_id not in found or to_id not in found:
        return None
    old, new = found[from_id], found[to_id]
    if old.snippet_id != new.snippet_id:
        raise Invalid(("to",), "SNIPPET", "It is a version of another snippet than `from`.")
    words = await words_of(op, [old.text_id, new.text_id])
    if old.text_id not in words or new.text_id not in words:
        return Comparison(from_id, to_id, None)
    return Comparison(from_id, to_id, await compared(words[old.text_id], words[new.text_id]))


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides what the caller can do with a snippet."""

    owner_id: UUID
    may_revise: bool
    is_archived: bool


async def standings_of(op: Operation, snippet_ids: Sequence[UUID]) -> dict[UUID, Standing]:
    statement = sa.select(
        col(Snippet.id), col(Snippet.owner_id), may_revise(op), col(Snippet.archived_at).is_not(None)
    ).where(col(Snippet.id).in_(snippet_ids), access.visible_snippets(op.viewer))
    return {row[0]: Standing(*tuple(row)[1:]) for row in await op.db.fetch(statement)}


def _columns_of(kept: Sequence[Kept]) -> dict[str, list[int]]:
    return {
        "firsts": [lines.first for lines in kept],
        "lasts": [lines.last for lines in kept],
        "shifts": [lines.shift for lines in kept],
    }


_NUMBERS = ARRAY(sa.Integer)
_MOVE_COMMENTS = sa.text("""
    update snippet_comment c set now_first = c.now_first + found.shift, now_last = c.now_last + found.shift
    from (
        select moved.id, kept.shift from snippet_comment moved
        left join unnest(:firsts, :lasts, :shifts) as kept(first, last, shift)
            on moved.now_first >= kept.first and moved.now_last <= kept.last
        where moved.snippet_id = :snippet_id and moved.now_first is not null
    ) as found
    where c.id = found.id
""").bindparams(
    sa.bindparam("firsts", type_=_NUMBERS),
    sa.bindparam("lasts", type_=_NUMBERS),
    sa.bindparam("shifts", type_=_NUMBERS),
    sa.bindparam("snippet_id", type_=sa.Uuid),
)
