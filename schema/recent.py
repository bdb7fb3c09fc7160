"""What was asked for last, by the text that asked."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K", str, bytes)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values of the keys used last: all together at most `limit` long, one at most a tenth of that, so that no single
    client empties it. A value is as long as its key, unless it is kept with a length of its own."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: K) -> V | None:
        known = self._known.get(key)
        if known is None:
            return None
        self._known.move_to_end(key)
        return known[0]

    def keep(self, key: K, value: V, *, length: int | None = None) -> None:
        length = len(key) if length is None else length
        if length > self._limit // 10:
            return
        if key in self._known:
            self.size -= self._known[key][1]
        self.size += length
        self._known[key] = value, length
        while self.size > self._limit:
            _, (_, oldest) = self._known.popitem(last=False)
            self.size -= oldest
