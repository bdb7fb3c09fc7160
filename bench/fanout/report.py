"""The tables and the verdict."""

from collections.abc import Mapping, Sequence
from statistics import median

from bench.fanout.measuring import Cell
from bench.fanout.servers import MERCURIUS
from bench.reads.servers import OURS

Rounds = Mapping[str, Sequence[Cell]]
"""What was measured on each server with one number of subscribers."""


def print_table(subscribers: int, rounds: Rounds, broken: Mapping[str, str]) -> None:
    """Medians over the rounds, and the best round's rate."""
    print(
        f"\n{f'{subscribers:,} subscribers':18}{'deliveries/s':>13}{'best':>10}{'µs each':>9}{'per core-s':>12}"
        f"{'p50 ms':>9}{'p99 ms':>9}{'KB idle':>9}{'driver':>8}"
    )
    for name, cells in rounds.items():
        if name in broken:
            print(f"  {name:16}broken: {broken[name]}")
            continue
        server_us = median(cell.server_us for cell in cells)
        print(
            f"  {name:16}{_rate(cells):13,.0f}{max(cell.per_second for cell in cells):10,.0f}"
            f"{server_us:9.1f}{1e6 / server_us:12,.0f}"
            f"{median(cell.percentile(0.5) for cell in cells):9.1f}"
            f"{median(cell.percentile(0.99) for cell in cells):9.1f}"
            f"{median(cell.idle_kb for cell in cells):9.1f}"
            f"{median(cell.driver_share for cell in cells):8.0%}"
        )
    for name in rounds:
        if name != OURS and (ratio := rate_ratio(rounds, broken, name)) is not None:
            print(
                f"  ours / {name}: {ratio:.2f} by rate, {_time_ratio(rounds, name):.2f} by processor time",
                flush=True,
            )


def rate_ratio(rounds: Rounds, broken: Mapping[str, str], peer: str) -> float | None:
    """Our deliveries a second over the peer's, by medians."""
    if any(name in broken or not rounds.get(name) for name in (OURS, peer)):
        return None
    return _rate(rounds[OURS]) / _rate(rounds[peer])


def _time_ratio(rounds: Rounds, peer: str) -> float:
    """The same from the processor time of a delivery: other work on the machine hardly moves it."""
    return median(cell.server_us for cell in rounds[peer]) / median(cell.server_us for cell in rounds[OURS])


def verdict(ratio: float | None) -> str:
    return "fanout: nothing to compare" if ratio is None else f"fanout: {ratio:.2f} x {MERCURIUS}"


def _rate(cells: Sequence[Cell]) -> float:
    return median(cell.per_second for cell in cells)
