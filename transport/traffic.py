"""What goes through the doors of GraphQL, counted since the process began. Nothing is asked that was not known already."""

from bisect import bisect_left
from dataclasses import dataclass, field

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper limits of the times that are counted together; longer ones come last."""


@dataclass(slots=True)
class Traffic:
    """`requests` are counts by bucket, and last the seconds of all together, by transport, kind of operation and status. The
    kind is None where no operation was found: the document does not parse, or has none of that name."""

    requests: dict[tuple[str, str | None, int], list[float]] = field(default_factory=dict)
    frames: int = 0
    """Answers of operations that were sent over sockets and event streams."""

    def add(self, transport: str, kind: str | None, status: int, seconds: float) -> None:
        key = (transport, kind, status)
        try:
            counts = self.requests[key]
        except KeyError:
            counts = self.requests[key] = [0] * (len(BUCKETS_S) + 2)
        counts[bisect_left(BUCKETS_S, seconds)] += 1
        counts[-1] += seconds
