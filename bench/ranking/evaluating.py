"""The labelled tasks, answered and scored, beside what was recorded last.

    EVAL="python …/run_engine.py" make eval [TASKS=t1,t5] [RECORD=1]

`EVAL` is called as `EVAL --engine COMMAND --task T` and prints a line "<metric> <value> [<low>, <high>]", the primary metric
first. The data stay with it; `figures.json` here holds nothing but figures. A task is WORSE if it is below the interval that was
recorded; then the exit code is 1. `RECORD=1` records what was measured.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ranking.evaluate.__main__ import TASKS

CHECKOUT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("figures.json")
FIGURE = re.compile(r"^\s*(\S+)\s+(-?[0-9.]+)\s+\[(-?[0-9.]+), (-?[0-9.]+)\]", re.MULTILINE)
LOWER_IS_BETTER = frozenset({"gap"})


@dataclass(frozen=True, slots=True)
class Figure:
    """With its 95 % interval."""

    metric: str
    value: float
    low: float
    high: float

    def is_worse_than(self, before: Figure) -> bool:
        if self.metric in LOWER_IS_BETTER:
            return self.value > before.high + 1e-9
        return self.value < before.low


def main() -> int:
    runner = os.environ.get("EVAL")
    if not runner:
        print(
            "make eval needs EVAL, a command that answers a task by an engine and scores it", file=sys.stderr
        )
        return 2
    tasks = os.environ.get("TASKS") or ",".join(TASKS)
    return evaluate(shlex.split(runner), tasks.split(","), RECORD, records=bool(os.environ.get("RECORD")))


def evaluate(runner: list[str], tasks: list[str], record: Path, *, records: bool) -> int:
    before = recorded(record)
    now: dict[str, Figure] = {}
    is_worse = False
    print(f"{'task':5} {'metric':20} {'value':>7} {'95 % interval':>18} {'before':>7} {'change':>8} {'s':>6}")
    for task in tasks:
        began = time.perf_counter()
        now[task] = found = answered(runner, task)
        seconds = time.perf_counter() - began
        row = f"{task:5} {found.metric:20} {found.value:7.4f} [{found.low:7.4f}, {found.high:7.4f}]"
        if (old := before.get(task)) is None:
            print(f"{row} {'':7} {'new':>8} {seconds:6.0f}", flush=True)
            continue
        worse = found.is_worse_than(old)
        is_worse |= worse
        print(
            f"{row} {old.value:7.4f} {found.value - old.value:+8.4f} {seconds:6.0f}{'  WORSE' if worse else ''}",
            flush=True,
        )
    if records:
        kept = {task: asdict(figure) for task, figure in sorted({**before, **now}.items())}
        record.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf8")
    return int(is_worse)


def recorded(record: Path) -> dict[str, Figure]:
    if not record.exists():
        return {}
    return {task: Figure(**figure) for task, figure in json.loads(record.read_text(encoding="utf8")).items()}


def answered(runner: list[str], task: str) -> Figure:
    engine = f"{shlex.quote(sys.executable)} -m ranking.evaluate"
    command = [*runner, "--engine", engine, "--task", task]
    scored = subprocess.run(command, check=True, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    found = FIGURE.search(scored.stdout)
    if found is None:
        raise SystemExit(f"{task}: {runner} printed no figure with an interval:\n{scored.stdout}")
    metric, *numbers = found.groups()
    return Figure(metric, *map(float, numbers))


if __name__ == "__main__":
    sys.exit(main())
