"""The tables and the verdict."""

import math
from collections.abc import Sequence
from statistics import median

from bench.reads.measuring import Cell, Cells
from bench.reads.operations import Operation
from bench.reads.servers import OURS


def print_operation(operation: Operation, cells: Cells) -> None:
    """Rates are medians over the rounds, and the best round; the rest are medians."""
    rows = cells[operation.name]
    print(
        f"\n{operation.name:14}{'req/s':>9}{'best':>9}{'p50 ms':>9}{'p99 ms':>9}{'server µs':>11}{'database µs':>13}"
    )
    for name, measured in rows.items():
        print(
            f"  {name:12}{_middle(measured):9,.0f}{_best(measured):9,.0f}"
            f"{median(cell.load.percentile(0.5) for cell in measured):9.2f}"
            f"{median(cell.load.percentile(0.99) for cell in measured):9.2f}"
            f"{median(cell.server_us for cell in measured):11,.0f}"
            f"{median(cell.database_us for cell in measured):13,.0f}"
        )
    if compared := _ratios(rows):
        peer, middle, best = compared
        print(
            f"  ours over the best peer ({peer}): {middle:.2f} by medians, {best:.2f} by best rounds,"
            f" {_by_processor_time(rows):.2f} by processor time",
            flush=True,
        )


def print_insert(alone: list[Cell], rows: dict[str, list[Cell]]) -> None:
    """How much of M1 is what makes it safe: the rate of a peer that inserts the row and nothing else."""
    ours = (
        f"; ours, with all of M1, is {_middle(rows[OURS]) / _middle(alone):.2f} of that"
        if OURS in rows
        else ""
    )
    print(
        f"  the row alone, without key, lock, facts and notification (mercurius): {_middle(alone):,.0f} req/s, "
        f"server {median(cell.server_us for cell in alone):,.0f} µs, "
        f"database {median(cell.database_us for cell in alone):,.0f} µs{ours}",
        flush=True,
    )


def verdict(cells: Cells, chosen: Sequence[Operation]) -> str:
    ratios = {operation.name: _ratios(cells[operation.name]) for operation in chosen}
    middles = [ratio[1] for ratio in ratios.values() if ratio is not None]
    if not middles:
        return "reads: nothing to compare"
    geometric = math.exp(sum(map(math.log, middles)) / len(middles))
    return f"reads: geomean {geometric:.2f} min {min(middles):.2f}"


def _ratios(rows: dict[str, list[Cell]]) -> tuple[str, float, float] | None:
    """The best peer by medians, and our rate over the best one's by medians and by best rounds."""
    peers = [name for name in rows if name != OURS]
    if OURS not in rows or not peers:
        return None
    best = max(peers, key=lambda name: _middle(rows[name]))
    by_best = _best(rows[OURS]) / max(_best(rows[name]) for name in peers)
    return best, _middle(rows[OURS]) / _middle(rows[best]), by_best


def _by_processor_time(rows: dict[str, list[Cell]]) -> float:
    """The same ratio from the time that a request costs server and database: other work on the machine hardly moves it."""
    spent = {
        name: median(cell.server_us + cell.database_us for cell in measured)
        for name, measured in rows.items()
    }
    return min(time for name, time in spent.items() if name != OURS) / spent[OURS]


def _middle(measured: Sequence[Cell]) -> float:
    return median(cell.load.per_second for cell in measured)


def _best(measured: Sequence[Cell]) -> float:
    return max(cell.load.per_second for cell in measured)
