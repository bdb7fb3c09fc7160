"""The labelled tasks, answered and scored, against what was recorded last: `EVAL_DATA=DIR make eval`.

DIR holds one directory for each task (t1, t1r, …) with `history.jsonl`, `corpus.jsonl`, `queries.jsonl`, and `SCORER`, a command
that is called as `SCORER --task T --run FILE` and prints a line "<primary metric> <value> [<low>, <high>]" for the task. The figures
are kept in `.local/eval.json`; data and figures stay outside of the project.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path

from ranking.evaluate.__main__ import TASKS

CHECKOUT = Path(__file__).resolve().parents[2]
RECORD = CHECKOUT / ".local" / "eval.json"
FIGURE = re.compile(r"^\s*(\S+)\s+(-?[0-9.]+)\s+\[(-?[0-9.]+), (-?[0-9.]+)\]", re.MULTILINE)


def main() -> int:
    where, scorer = os.environ.get("EVAL_DATA"), os.environ.get("SCORER")
    if not where or not scorer:
        print(
            "make eval needs EVAL_DATA (a directory per task) and SCORER (a command that scores a run)",
            file=sys.stderr,
        )
        return 2
    before = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    now: dict[str, list[object]] = {}
    print(f"{'task':5} {'metric':20} {'value':>7} {'interval':>18} {'before':>7} {'s':>6}")
    for task in TASKS:
        directory = Path(where) / task
        if not directory.is_dir():
            continue
        metric, value, low, high, seconds = answered(task, directory, shlex.split(scorer))
        now[task] = [metric, value, low, high]
        old = before.get(task)
        shown = f"{old[1]:.4f}" if old else ""
        print(
            f"{task:5} {metric:20} {value:7.4f} [{low:7.4f}, {high:7.4f}] {shown:>7} {seconds:6.0f}",
            flush=True,
        )
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_text(json.dumps({**before, **now}, indent=1))
    return 0


def answered(task: str, directory: Path, scorer: list[str]) -> tuple[str, float, float, float, float]:
    run = CHECKOUT / ".local" / f"eval-{task}.jsonl"
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "ranking.evaluate",
        "--task",
        task,
        "--in",
        str(directory),
        "--out",
        str(run),
    ]
    subprocess.run(command, check=True, cwd=CHECKOUT)
    seconds = time.perf_counter() - began
    scored = subprocess.run(
        [*scorer, "--task", task, "--run", str(run)], check=True, capture_output=True, text=True
    )
    found = FIGURE.search(scored.stdout)
    if found is None:
        raise SystemExit(f"{task}: the scorer printed no figure with an interval:\n{scored.stdout}")
    metric, *numbers = found.groups()
    value, low, high = map(float, numbers)
    return metric, value, low, high, seconds


if __name__ == "__main__":
    sys.exit(main())
