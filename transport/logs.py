"""Structured logs: one JSON object a line, on standard error."""

import logging
import sys
import traceback
from datetime import UTC, datetime

import orjson

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
            line["error"] = "".join(traceback.format_exception(record.exc_info[1]))
        return orjson.dumps(line, default=str).decode()


def configure_logs(level: str = "INFO") -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # uvicorn's own lines go the same way; requests are logged by the endpoint, with more to say.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logging.getLogger(name).handlers[:] = []
        logging.getLogger(name).propagate = name != "uvicorn.access"
    logging.getLogger("uvicorn.error").setLevel("WARNING")
    # Faults are described by `schema.execution`; the library would log them a second time.
    logging.getLogger("strawberry.execution").disabled = True
    logging.getLogger("alembic").setLevel("WARNING")
