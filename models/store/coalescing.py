"""Planned reads that are asked for at the same moment in the same words, asked of PostgreSQL as one statement.

Under load, several requests of one turn of the event loop want the same statement, each with arguments of its own. What a
small statement costs beside its rows (a message each way, a turn of two processes, the start of a plan) is paid once for all
of them then, and what is asked with equal arguments is read once. Nobody waits for company: who asks alone in its turn is
answered alone.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence
from typing import Any

import orjson

from models.store.pool import Pool

MOST = 16
"""Askers of one statement."""
SLOW_S = 0.25
"""Where a statement for many took longer, one of them may have kept the others waiting: for a while each is asked by itself."""
_FORMS = 1_000
_SIMPLE = frozenset(
    {"bool", "int2", "int4", "int8", "numeric", "text", "varchar", "uuid", "date", "timestamptz"}
)
"""Types whose values mean through JSON what they mean without it."""
_PLACEHOLDER = re.compile(r"'(?:[^']|'')*'|\$(\d+)")
_log = logging.getLogger("skillsync.store")


class CoalescedReads:
    """Over one pool of connections. Every statement answers exactly one row."""

    def __init__(self, pool: Pool, *, apart_s: float = 60) -> None:
        """`apart_s` is how long askers of what was slow stay apart."""
        self.asked = self.statements = 0
        """Rows that were asked for, and statements that were sent for them, since the beginning."""
        self._pool = pool
        self._apart_s = apart_s
        self._groups: dict[str, list[_Asker]] = {}
        """Those that more may still join, by the text of what they ask."""
        self._forms: dict[str, _Form] = {}

    async def fetch_row(self, text: str, arguments: Sequence[Any]) -> Any:
        """The row, which may be another asker's, too: it is read, never written. Raises what `Pool.fetch_rows` raises."""
        self.asked += 1
        group = self._groups.get(text)
        if group is None:
            return await self._lead(text, arguments)
        asker = _Asker(arguments)
        group.append(asker)
        if len(group) == MOST:
            del self._groups[text]
        row = await asker.row
        return await self._alone(text, arguments) if row is None else row

    async def _lead(self, text: str, arguments: Sequence[Any]) -> Any:
        """Ask for all who want the same in this turn."""
        asker = _Asker(arguments)
        group = self._groups[text] = [asker]
        try:
            await asyncio.sleep(0)
            self._close(text, group)
            if len(group) > 1:
                await self._ask(text, group)
        finally:
            # Cancelled, or it did not work for all together: everybody asks alone.
            self._close(text, group)
            for each in group:
                each.learn(None)
        row = asker.row.result()
        return await self._alone(text, arguments) if row is None else row

    def _close(self, text: str, group: list[_Asker]) -> None:
        if self._groups.get(text) is group:
            del self._groups[text]

    async def _alone(self, text: str, arguments: Sequence[Any]) -> Any:
        self.statements += 1
        (row,) = await self._pool.fetch_rows(text, arguments)
        return row

    async def _ask(self, text: str, group: Sequence[_Asker]) -> None:
        """Tell everybody of the group their row, or nobody."""
        form = self._forms.get(text) or await self._form_of(text)
        began = time.monotonic()
        if form.text is None or form.apart_until > began:
            return
        try:
            places: dict[str, int] = {}
            theirs = [places.setdefault(each.as_json(), len(places)) for each in group]
            self.statements += 1
            rows = await self._pool.fetch_rows(form.text, [f"[{','.join(places)}]"])
            found = {row[-1] - 1: row for row in rows}
            answers = [found[place] for place in theirs]
        except TimeoutError as error:  # all connections stay busy: who asked alone would wait as long again
            for each in group:
                each.learn(error)
        except Exception as error:  # one of them may ask what cannot be answered: they are told so, alone
            _log.info("reads are asked one by one", exc_info=error, extra={"askers": len(group)})
        else:
            for each, row in zip(group, answers, strict=True):
                each.learn(row)
        if (ended := time.monotonic()) - began > SLOW_S:
            form.apart_until = ended + self._apart_s

    async def _form_of(self, text: str) -> _Form:
        form = self._forms[text] = _Form(_for_many(text, await self._pool.parameter_types(text)))
        if len(self._forms) > _FORMS:
            del self._forms[next(iter(self._forms))]
        return form


class _Asker:
    """One request that waits for its row; None tells it to ask alone."""

    __slots__ = ("_arguments", "row")

    def __init__(self, arguments: Sequence[Any]) -> None:
        self._arguments = arguments
        self.row: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def as_json(self) -> str:
        named = {f"_{number}": value for number, value in enumerate(self._arguments, 1)}
        return orjson.dumps(named, default=str).decode()

    def learn(self, row: Any) -> None:
        """Unless it knows already, or has gone."""
        if self.row.done():
            return
        if isinstance(row, Exception):
            self.row.set_exception(row)
        else:
            self.row.set_result(row)


class _Form:
    """How a statement is asked for many: as `text`; None if it cannot be."""

    __slots__ = ("apart_until", "text")

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.apart_until = 0.0


def _for_many(text: str, types: Sequence[str]) -> str | None:
    """The statement over a list of arguments, as JSON: each row ends with its place in the list, from 1."""
    if not all(name.removesuffix("[]") in _SIMPLE for name in types):
        return None
    names = [f"_{number}" for number, _ in enumerate(types, 1)]
    columns = ", ".join(f"{name} {type_name}" for name, type_name in zip(names, types, strict=True))
    each = _PLACEHOLDER.sub(lambda found: f"_asked._{found[1]}" if found[1] else found[0], text)
    asked = f"ROWS FROM (json_to_recordset($1::json) AS ({columns})) WITH ORDINALITY AS _asked({', '.join(names)}, place)"
    return f"SELECT _answer.*, _asked.place FROM {asked} CROSS JOIN LATERAL ({each}) AS _answer"  # noqa: S608  texts of ours
