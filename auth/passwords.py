"""Passwords: argon2id, hashed and verified in threads, because each takes tens of milliseconds of CPU."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_AT_ONCE = 2
# With about 40 ms each and two at once, the last one waits two seconds; whoever comes then is asked to come again.
MAX_WAITING = 100


class PasswordsBusy(Exception):
    """So many passwords wait to be hashed that another one would wait too long."""


class Passwords:
    def __init__(
        self, *, memory_kib: int = 19_456, iterations: int = 2, max_waiting: int = MAX_WAITING
    ) -> None:
        """The defaults are OWASP's minimum for argon2id (19 MiB, 2 iterations, 1 lane)."""
        self._hasher = PasswordHasher(time_cost=iterations, memory_cost=memory_kib, parallelism=1)
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0
        self._max_waiting = max_waiting
        # Verified against when there is no such account, so that the answer takes as long as with one.
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        """Raises `PasswordsBusy`."""
        async with self._waiting_turn():
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` belongs to `stored`; takes the same time when `stored` is None.

        Raises `PasswordsBusy`.
        """
        async with self._waiting_turn():
            matches = await asyncio.to_thread(self._matches, stored or self._nobodys, password)
        return matches and stored is not None

    @contextlib.asynccontextmanager
    async def _waiting_turn(self) -> AsyncIterator[None]:
        if self._waiting >= self._max_waiting:
            raise PasswordsBusy
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
