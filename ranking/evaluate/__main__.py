"""Answer a task of labelled data: `python -m ranking.evaluate --task T --in DIR --out FILE`.

DIR holds `history.jsonl` (what may be learnt from), `corpus.jsonl` (candidates) and `queries.jsonl`; FILE gets one JSON object
for each query. The answers come from the code that serves, trained on DIR's history alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

# One core is what is promised; BLAS reads these when numpy is first imported.
for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

TASKS = {
    "t1": "people:people_for_gigs",
    "t1r": "people:gigs_for_people",
    "t2": "people:people_for_gigs",
    "t3a": "skills:tags",
    "t3b": "skills:spans",
    "t3c": "names:skills_in_sentences",
    "t4a": "names:occupations",
    "t4b": "names:titles",
    "t5": "teams:teams",
}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ranking.evaluate", description="Answer a task of labelled data."
    )
    parser.add_argument("--task", required=True, choices=sorted(TASKS))
    parser.add_argument(
        "--in", dest="directory", required=True, type=Path, help="history, corpus and queries (.jsonl)"
    )
    parser.add_argument("--out", required=True, type=Path, help="the file to write")
    parser.add_argument(
        "--lexical", action="store_true", help="as if the embedding weights were not installed"
    )
    asked = parser.parse_args(arguments)

    from ranking.embedding import installed_encoder
    from ranking.evaluate.rows import Row, write

    encoder = None if asked.lexical else installed_encoder()
    if encoder is None:
        sys.stderr.write("ranking.evaluate: no embedding weights: basis LEXICAL where it would be HYBRID\n")
    module, name = TASKS[asked.task].split(":")
    answer: Callable[[Path, object], list[Row]] = getattr(import_module(f"ranking.evaluate.{module}"), name)
    write(asked.out, answer(asked.directory, encoder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
