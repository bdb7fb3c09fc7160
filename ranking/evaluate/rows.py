"""Reading and writing JSON lines, and rows as the library's types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def read(directory: Path, name: str) -> list[Row]:
    """The rows of `name`.jsonl, none if there is no such file."""
    file = directory / f"{name}.jsonl"
    if not file.exists():
        return []
    with file.open(encoding="utf8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def write(file: Path, rows: Iterable[Row]) -> None:
    with file.open("w", encoding="utf8") as out:
        out.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
