"""Loading many gigs of one client from a file, each as if the client had written and published it.

A gig is known again by its import key, unique for its client, so that loading a file twice doubles nothing. Only one
import of a client runs at a time; a second one is refused rather than made to wait.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import col

from auth.viewer import Viewer
from models.errors import Refusals
from models.gig import Gig, GigQuestion, GigSkill
from models.gig_events import GigCreated
from models.gig_workflow import GigStatus
from models.skill import Skill, SkillName, SkillStatus
from models.store.sql import Transaction
from models.user import Role, UserStatus
from resolvers.accounts import find_by_email
from resolvers.gigs import new_draft, schedule_expiry
from resolvers.import_lines import (
    BadLine,
    ImportRefused,
    Line,
    Taxonomy,
    read_lines,
    reason_of,
    understand,
)
from resolvers.operation import Operation
from resolvers.skills import require_known_skills, suggest_skills


@dataclass(frozen=True, slots=True)
class Limits:
    """All or nothing is one transaction: its facts wait in memory, and publishing by others waits while they are written."""

    batch: int = 250
    all_or_nothing: int = 10_000
    shown: int = 20


LIMITS = Limits()


@dataclass(slots=True)
class ImportReport:
    """What became of the lines. `loaded` counts committed gigs by status; `bad` holds the first bad lines."""

    loaded: Counter[GigStatus] = field(default_factory=Counter)
    known: int = 0
    bad_count: int = 0
    bad: list[tuple[int, str]] = field(default_factory=list)

    def told(self, *, keep_going: bool) -> Iterator[str]:
        """The report in sentences."""
        for number, reason in self.bad:
            yield f"line {number}: {reason}"
        if self.bad_count > len(self.bad):
            yield f"… and {self.bad_count - len(self.bad):,} more bad lines."
        if self.bad_count and not keep_going:
            yield f"Nothing was loaded: {self.bad_count:,} bad lines. Mend them, or load the rest with --keep-going."
            return
        by_status = ", ".join(f"{count:,} {status}" for status, count in sorted(self.loaded.items()))
        yield f"Loaded {self.loaded.total():,} gigs{f' ({by_status})' if by_status else ''}; {self.known:,} were there already."
        if drafts := self.loaded[GigStatus.DRAFT]:
            yield (
                f"{drafts:,} stay drafts, because their deadline has passed: "
                "give each a new one (gigEdit), then publish it (gigPublish)."
            )
        if self.bad_count:
            yield f"{self.bad_count:,} bad lines were left out."


@dataclass(frozen=True, slots=True)
class _Draft:
    """A line as rows that are not written yet."""

    number: int
    gig: Gig
    lists: list[GigSkill | GigQuestion]


@dataclass(slots=True)
class _Import:
    """One run over one file."""

    op: Operation
    client_id: UUID
    taxonomy: Taxonomy
    deadline_days: int | None
    report: ImportReport
    on_progress: Callable[[int], None]
    limits: Limits

    def draft(self, line: Line) -> _Draft:
        """Raises `BadLine` for everything that creating the gig would refuse but the state of the database."""
        try:
            gig_line = understand(line, self.taxonomy, now=self.op.now(), deadline_days=self.deadline_days)
            gig, lists = new_draft(
                self.op, gig_line.content, client_id=self.client_id, past_deadline_is_fine=True
            )
        except Refusals as several:
            raise BadLine(reason_of(several)) from several
        gig.import_key = gig_line.import_key
        return _Draft(line.number, gig, lists)

    async def note_bad(self, number: int, bad: BadLine) -> None:
        self.report.bad_count += 1
        if len(self.report.bad) < self.limits.shown:
            self.report.bad.append((number, bad.reason + await self._suggestion(bad.unknown_skills)))

    async def _suggestion(self, unknown: tuple[str, ...]) -> str:
        names = self.taxonomy.names
        nearest = [
            names[skill_id]
            for name in unknown
            for skill_id in await suggest_skills(self.op, _searchable(name), limit=2)
            if skill_id in names
        ]
        return f" Near: {', '.join(nearest)}." if nearest else ""


async def client_with_email(op: Operation, email: str) -> Viewer:
    """The client as the one who acts. Raises `ImportRefused`."""
    user = await find_by_email(op, email)
    if user is None:
        raise ImportRefused(f"Nobody is registered as {email}. Register first (mutation accountRegister).")
    if Role.CLIENT not in user.role_set:
        raise ImportRefused(f"{email} is not a client. Take the role first (mutation accountRoleAdd).")
    if user.status is not UserStatus.ACTIVE:
        raise ImportRefused(f"The account of {email} is suspended.")
    return Viewer(user_id=user.id, roles=user.role_set)


async def import_gigs(
    op: Operation,
    path: Path,
    *,
    keep_going: bool,
    report: ImportReport,
    deadline_days: int | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
    limits: Limits = LIMITS,
) -> None:
    """Load the gigs of the file for the client who acts.

    Without `keep_going` all lines are checked first, and one bad line means that nothing is loaded. With it, good lines
    are loaded in batches, each in a transaction of its own. A gig whose deadline passed stays a draft.
    `report` says at any time what is committed; `on_progress` is told how many bytes of the file have been read.
    Raises `ImportRefused`.
    """
    client_id = op.viewer.require(Role.CLIENT)
    run = _Import(op, client_id, await _taxonomy(op), deadline_days, report, on_progress, limits)
    if keep_going:
        await _load_in_batches(run, path)
    else:
        await _load_all_or_nothing(run, path)


async def _load_all_or_nothing(run: _Import, path: Path) -> None:
    size = 0
    for count, line in enumerate(read_lines(path), start=1):
        if count > run.limits.all_or_nothing:
            raise ImportRefused(
                f"The file has more than {run.limits.all_or_nothing:,} gigs, too many to load all or nothing. "
                "Use --keep-going: whole batches are loaded, and running it again doubles nothing."
            )
        try:
            run.draft(line)
        except BadLine as bad:
            await run.note_bad(line.number, bad)
        size = line.read_bytes
        run.on_progress(size // 2)
    if run.report.bad_count:
        return
    loaded: Counter[GigStatus] = Counter()
    known = 0
    async with run.op.transaction() as tx:
        await _lock_imports(tx, run.client_id)
        for lines in _batches(run, path):
            drafts = [_still_good(run, line) for line in lines]
            written = await _write(run, tx, drafts)
            loaded += written
            known += len(drafts) - written.total()
            run.on_progress((size + lines[-1].read_bytes) // 2)
    run.report.loaded += loaded
    run.report.known += known


def _still_good(run: _Import, line: Line) -> _Draft:
    try:
        return run.draft(line)
    except BadLine as bad:
        raise ImportRefused(f"Line {line.number} changed while the file was read: {bad.reason}") from bad


async def _load_in_batches(run: _Import, path: Path) -> None:
    for lines in _batches(run, path):
        drafts: list[_Draft] = []
        for line in lines:
            try:
                drafts.append(run.draft(line))
            except BadLine as bad:
                await run.note_bad(line.number, bad)
        if drafts:
            async with run.op.transaction() as tx:
                await _lock_imports(tx, run.client_id)
                written = await _write(run, tx, drafts)
            run.report.loaded += written
            run.report.known += len(drafts) - written.total()
        run.on_progress(lines[-1].read_bytes)


def _batches(run: _Import, path: Path) -> Iterator[list[Line]]:
    lines = read_lines(path)
    while batch := list(islice(lines, run.limits.batch)):
        yield batch


async def _lock_imports(tx: Transaction, client_id: UUID) -> None:
    free = sa.select(sa.func.pg_try_advisory_xact_lock(sa.func.hashtextextended(f"import {client_id}", 0)))
    if not (await tx.execute(free)).scalar_one():
        raise ImportRefused("Another import for this client is running. Wait for it, then start again.")


async def _write(run: _Import, tx: Transaction, drafts: Sequence[_Draft]) -> Counter[GigStatus]:
    """Create and publish what is not there yet; how many by status."""
    new = await _not_yet_loaded(tx, run.client_id, drafts)
    lists = [row for draft in new for row in draft.lists]
    await require_known_skills(tx, list({row.skill_id for row in lists if isinstance(row, GigSkill)}))
    gigs = [draft.gig for draft in new]
    now = run.op.now()
    for gig in gigs:
        tx.emit(GigCreated(gig_id=gig.id, owner_id=run.client_id, at=now))
        if gig.deadline > now:
            tx.emit(gig.publish(needs_approval=run.op.services.rules.gigs_need_approval, at=now))
    tx.add(*gigs)
    await tx.session.flush()
    tx.add(*lists)
    await schedule_expiry(run.op, tx, *gigs)
    await tx.session.flush()
    # What is flushed is not looked at again; letting go of it keeps a long file from filling the memory.
    tx.session.expunge_all()
    return Counter(gig.status for gig in gigs)


async def _not_yet_loaded(tx: Transaction, client_id: UUID, drafts: Sequence[_Draft]) -> list[_Draft]:
    """The first draft of each import key that the client has no gig of."""
    first: dict[str | None, _Draft] = {}
    for draft in drafts:
        first.setdefault(draft.gig.import_key, draft)
    statement = sa.select(col(Gig.import_key)).where(
        col(Gig.client_id) == client_id, col(Gig.import_key).in_(list(first))
    )
    known = {row[0] for row in await tx.execute(statement)}
    return [draft for key, draft in first.items() if key not in known]


async def _taxonomy(op: Operation) -> Taxonomy:
    """Every name of a skill for new use; the names of a deprecated one mean its successor."""
    meant = sa.func.coalesce(col(Skill.replaced_by), col(Skill.id))
    named = (
        sa.select(col(SkillName.name), meant.label("skill_id"))
        .join(Skill, col(Skill.id) == col(SkillName.skill_id))
        .subquery()
    )
    statement = (
        sa.select(named.c.name, named.c.skill_id, col(Skill.name).label("preferred"))
        .join(Skill, col(Skill.id) == named.c.skill_id)
        .where(col(Skill.status) == SkillStatus.ACTIVE)
    )
    rows = await op.db.fetch(statement)
    by_name = {row.name: row.skill_id for row in rows}
    return Taxonomy(by_name, {row.skill_id: row.preferred for row in rows})


def _searchable(name: str) -> str:
    """A part of the name that the database can hold, short enough to compare."""
    return "".join(character for character in name[:60] if character.isprintable())
