"""Reading tables as if they held something else: common table expressions of their names, in front of a statement that
knows nothing of it.

PostgreSQL looks for a name among those of the statement first, so whatever reads `task` reads what stands for it: scopes,
filters, orders and pages of a statement hold as they do for the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shadow:
    """`tables` are expressions as they stand behind WITH, the real ones in them as long as they are not hidden by an earlier
    one; `{0}`, `{1}` … in them are the arguments, which are texts."""

    tables: str
    arguments: tuple[str, ...]

    def over(self, text: str, arguments: Sequence[Any]) -> tuple[str, tuple[Any, ...]]:
        """The statement and its arguments with this in front."""
        text = text.lstrip()
        places = range(len(arguments) + 1, len(arguments) + 1 + len(self.arguments))
        tables = self.tables.format(*(f"CAST(${place} AS text)" for place in places))
        # Everything that is read so is our own selection; an expression that called itself would call the shadow.
        assert not text[:14].upper().startswith("WITH RECURSIVE")
        rest = f", {text[5:]}" if text[:5].upper() == "WITH " else f" {text}"
        return f"WITH {tables}{rest}", (*arguments, *self.arguments)
