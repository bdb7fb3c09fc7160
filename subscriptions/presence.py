"""Who is where, told to other processes and to those who follow the subject's stream.

What a client says is kept by the process that heard it (`models.presence`) and said to the others, for as long as its lease
has to go; none of them passes on what it was told. So a process that dies takes nobody along at once, and leaves no ghost:
its people vanish everywhere with their leases, unless they have turned to another process meanwhile. Who begins to listen,
or may have missed something, asks the others, and each answers with what clients told it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import orjson

from models.presence import Attendance, Present
from subscriptions.broker import Broker

PAUSE_S = 0.2
"""Between two rounds of telling: where many come and go, what happens meanwhile is told together."""
AT_ONCE = 500
"""Words of an answer that are said together, and subjects of which it is told that they changed."""
_WHO = orjson.dumps(["who"])
_log = logging.getLogger("skillsync.streams")


class Presence:
    """The telling of one process. `changed` is called with a subject whose followers are to look who is there now."""

    def __init__(
        self,
        attendance: Attendance,
        broker: Broker,
        changed: Callable[[str], None],
        *,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._attendance = attendance
        self._broker = broker
        self._changed = changed
        self._pause_s = pause_s
        self._subjects: set[str] = set()
        self._is_asked = False
        self._wake = asyncio.Event()
        self._has_complained = False
        attendance.on_word = self._say
        attendance.on_change = self._note

    async def run(self) -> None:
        """Tell who comes, leaves and vanishes, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._attendance.wait_s):
                    await self._wake.wait()
            self._wake.clear()
            self._attendance.expire()
            if self._is_asked:
                self._is_asked = False
                for count, (word, left_s) in enumerate(self._attendance.own(), 1):
                    self._broker.say(_here(word, left_s))
                    if count % AT_ONCE == 0:
                        # A broker keeps so many words that wait, and drops older ones.
                        await asyncio.sleep(PAUSE_S)
            subjects, self._subjects = self._subjects, set()
            for count, subject in enumerate(subjects, 1):
                self._changed(subject)
                if count % AT_ONCE == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(self._pause_s)

    def ask(self) -> None:
        """Words may have been missed: the others are to say again what they know."""
        self._broker.say(_WHO)

    def told(self, message: bytes) -> None:
        """A word of another process. Never raises: it may be of another version."""
        try:
            self._take(orjson.loads(message))
        except ValueError as error:
            if not self._has_complained:
                self._has_complained = True
                _log.warning("a word about presence is not understood", extra={"problem": str(error)[:100]})

    def _take(self, message: object) -> None:
        match message:
            case ["who"]:
                self._is_asked = True
                self._wake.set()
            case ["gone", str(subject), str(person), str(client)]:
                self._attendance.hear(Present(subject, UUID(person), client, None), left_s=0)
            case [
                "here", str(subject), str(person), str(client), str(doing), str() | None as part, str(until), int() | float() as left_s
            ]:  # fmt: skip
                word = Present(
                    subject, UUID(person), client, doing, UUID(part) if part else None, datetime.fromisoformat(until)
                )  # fmt: skip
                self._attendance.hear(word, left_s=left_s)
            case _:
                raise ValueError("not a word about presence")

    def _say(self, word: Present, left_s: float) -> None:
        if word.doing is None:
            self._broker.say(orjson.dumps(["gone", word.subject, word.person_id, word.client]))
        else:
            self._broker.say(_here(word, left_s))

    def _note(self, subject: str) -> None:
        self._subjects.add(subject)
        self._wake.set()


def _here(word: Present, left_s: float) -> bytes:
    return orjson.dumps(
        ["here", word.subject, word.person_id, word.client, word.doing, word.part, word.until, left_s]
    )
