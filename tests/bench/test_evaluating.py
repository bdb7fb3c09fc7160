"""Figures of labelled tasks are compared with those recorded last."""

import sys
from pathlib import Path

import pytest

from bench.ranking.evaluating import Figure, evaluate, recorded

RUNNER = """
import sys
task, engine = sys.argv[sys.argv.index("--task") + 1], sys.argv[sys.argv.index("--engine") + 1]
assert engine.endswith("-m ranking.evaluate")
print(f"{task} dev n=3")
print({"t1": "  ndcg@10   0.3000  [0.2800, 0.3200]", "t5": "  gap  0.0100  [0.0050, 0.0200]"}[task])
print("  mrr   0.9000  [0.8000, 1.0000]")
"""


def runner(tmp_path: Path) -> list[str]:
    (tmp_path / "runner.py").write_text(RUNNER)
    return [sys.executable, str(tmp_path / "runner.py")]


def test_what_was_recorded_is_shown_beside_what_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "figures.json"

    first = evaluate(runner(tmp_path), ["t1", "t5"], record, records=True)
    again = evaluate(runner(tmp_path), ["t1"], record, records=False)

    assert (first, again) == (0, 0)
    assert recorded(record) == {
        "t1": Figure("ndcg@10", 0.3, 0.28, 0.32),
        "t5": Figure("gap", 0.01, 0.005, 0.02),
    }
    rows = capsys.readouterr().out.splitlines()
    assert rows[1].split()[:5] == ["t1", "ndcg@10", "0.3000", "[", "0.2800,"] and " new " in rows[1]
    assert rows[4].split()[6:8] == ["0.3000", "+0.0000"]


@pytest.mark.parametrize(
    ("now", "before", "is_worse"),
    [
        (Figure("mrr", 0.27, 0, 1), Figure("mrr", 0.3, 0.28, 0.32), True),
        (Figure("mrr", 0.29, 0, 1), Figure("mrr", 0.3, 0.28, 0.32), False),
        (Figure("gap", 0.01, 0, 1), Figure("gap", 0.0, 0.0, 0.0), True),
        (Figure("gap", 0.0, 0, 1), Figure("gap", 0.0, 0.0, 0.0), False),
    ],
)
def test_below_the_recorded_interval_is_worse(now: Figure, before: Figure, is_worse: bool) -> None:
    assert now.is_worse_than(before) is is_worse
