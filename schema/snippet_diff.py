"""What differs between two versions of a snippet, as clients see it."""

from typing import Any
from uuid import UUID

import strawberry

from models.ids import decode_id
from models.snippet_diff import MOST_SHOWN, Diff
from resolvers.snippets import compare_versions
from schema.analysis import priced
from schema.graph import Answered, Context, Reference, argument, declare, reference
from schema.snippet_words import LineKind
from schema.type_names import SnippetVersion


@strawberry.type(description="A line of a difference.")
class SnippetDiffLine:
    kind: LineKind = strawberry.field(description="What became of it.")
    old_number: int | None = strawberry.field(
        description="Its number in the older version; null where it is not in it."
    )
    new_number: int | None = strawberry.field(
        description="Its number in the newer version; null where it is not in it."
    )
    text: str = strawberry.field(description="The line without its line feed.")


@strawberry.type(description="Lines that changed, with three unchanged ones around them.")
class SnippetDiffHunk:
    old_start: int = strawberry.field(
        description="Its first line in the older version; if it has none there, the line before it."
    )
    old_count: int = strawberry.field(description="How many of its lines are in the older version.")
    new_start: int = strawberry.field(
        description="Its first line in the newer version; if it has none there, the line before it."
    )
    new_count: int = strawberry.field(description="How many of its lines are in the newer version.")
    lines: list[SnippetDiffLine] = strawberry.field(
        description="Its lines, in order: removed ones before those added in their place.",
        metadata=priced(size=20),
    )


@strawberry.type(description="What differs between two versions of a snippet, as a unified diff tells it.")
class SnippetDiff:
    from_: SnippetVersion | None = declare(
        Reference("from_id"), "The version named so; always there.", graphql_name="from"
    )
    to: SnippetVersion | None = reference("to_id", "The version named so; always there.")
    added: int = strawberry.field(description="How many lines are in `to` only.")
    removed: int = strawberry.field(description="How many lines are in `from` only.")
    hunks: list[SnippetDiffHunk] = strawberry.field(
        description=f"Where they differ, in order; of at most {MOST_SHOWN:,} lines, those that do not differ included. Empty "
        "for versions that say the same.",
        metadata=priced(size=20),
    )
    is_coarse: bool = strawberry.field(
        description="Whether lines may be shown as changed that are not: the texts differ so much that comparing was cut short."
    )
    is_cut: bool = strawberry.field(
        description="Whether there is more than is shown. Compare the contents yourself then."
    )
    from_id: strawberry.Private[UUID]
    to_id: strawberry.Private[UUID]


async def _snippet_diff(context: Context, from_: str, to: str) -> SnippetDiff | None:
    old, new = (decode_id("snippetversion", id, path=(name,)) for id, name in ((from_, "from"), (to, "to")))
    found = await compare_versions(context.op, old, new)
    if found is None or found.diff is None:
        return None
    return _shown(found.diff, found.from_id, found.to_id)


def _shown(diff: Diff, from_id: UUID, to_id: UUID) -> SnippetDiff:
    hunks = [
        SnippetDiffHunk(
            old_start=hunk.old_start,
            old_count=hunk.old_count,
            new_start=hunk.new_start,
            new_count=hunk.new_count,
            lines=[
                SnippetDiffLine(kind=line.kind, old_number=line.old, new_number=line.new, text=line.text)
                for line in hunk.lines
            ],
        )
        for hunk in diff.hunks
    ]
    return SnippetDiff(
        added=diff.added, removed=diff.removed, hunks=hunks, is_coarse=diff.is_coarse, is_cut=diff.is_cut,
        from_id=from_id, to_id=to_id,
    )  # fmt: skip


def snippet_diff_field() -> Any:
    field = declare(
        Answered(_snippet_diff),
        "What differs between two versions of one snippet, line by line; null if there is no such version, if you may not see "
        "it, or if its author was erased.",
        metadata=priced(surcharge=100),
    )
    older = argument("from_", strawberry.ID, "The version to begin with.")
    older.graphql_name = "from"
    field.arguments = [older, argument("to", strawberry.ID, "The version to come to.")]
    return field
