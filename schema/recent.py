"""What was asked for last, by the text that asked."""

from collections import OrderedDict
from typing import Generic, TypeVar

K = TypeVar("K", str, bytes)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values of the keys used last: all keys together at most `limit` long, one at most a tenth of that, so that no single
    client empties it."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: OrderedDict[K, V] = OrderedDict()
        self.size = 0

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: K) -> V | None:
        value = self._known.get(key)
        if value is not None:
            self._known.move_to_end(key)
        return value

    def keep(self, key: K, value: V) -> None:
        if len(key) > self._limit // 10:
            return
        if key not in self._known:
            self.size += len(key)
        self._known[key] = value
        while self.size > self._limit:
            oldest, _ = self._known.popitem(last=False)
            self.size -= len(oldest)
