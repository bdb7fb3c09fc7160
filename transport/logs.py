"""Structured logs: one JSON object a line, on standard error."""

import asyncio
import json
import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

_requests = logging.getLogger("skillsync.requests")
_OWN = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "taskName", "asctime", "color_message"}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        line |= {name: value for name, value in record.__dict__.items() if name not in _OWN}
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _described(record.exc_info[1])
        try:
            return orjson.dumps(line, default=str).decode()
        except TypeError:  # half a surrogate pair, or a number of more than 64 bits, must not cost the line
            return json.dumps(line, default=str)


def _described(error: BaseException) -> str:
    """The traceback without what PostgreSQL quotes from rows: those are people's texts, and hashes of passwords."""
    text = "".join(traceback.format_exception(error))
    for cause in _causes(error):
        detail = getattr(cause, "detail", None)
        if isinstance(detail, str) and detail:
            text = text.replace(detail, "(left out)")
    return text


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        # SQLAlchemy keeps the driver's error as `orig`, which may hang elsewhere in the chain.
        if isinstance(orig := getattr(error, "orig", None), BaseException):
            yield from (orig, *([orig.__cause__] if orig.__cause__ else []))
        error = error.__cause__ or error.__context__


class RequestLines:
    """Writes the line of each request, some milliseconds later and together: a write for each costs as much as a tenth
    of a small query. A killed server loses the last `WAIT_S` of them, an ending one none."""

    WAIT_S = 0.05

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[bytes] = []

    def __call__(self, line: dict[str, Any]) -> None:
        if not self._lines:
            asyncio.get_running_loop().call_later(self.WAIT_S, self.flush)
        line = {"at": datetime.now(UTC), "level": "info", "event": "request", **line}
        self._lines.append(orjson.dumps(line))

    def flush(self) -> None:
        lines, self._lines = self._lines, []
        if lines:
            self._stream.write(b"\n".join(lines).decode() + "\n")
            self._stream.flush()


def log_request(line: dict[str, Any]) -> None:
    """The line of one request, at once."""
    _requests.info("request", extra=line)


def configure_logs(level: str = "INFO") -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    # Nobody reads thread, process and place of the call, and finding them costs half of a line.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # as the library's documentation advises
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    hush_libraries()


def hush_libraries() -> None:
    """Leave out what libraries would say a second time, or to nobody's use."""
    # uvicorn's own lines go the same way; requests are logged by the endpoint, with more to say.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("uvicorn.error").setLevel("WARNING")
    logging.getLogger("alembic").setLevel("WARNING")
