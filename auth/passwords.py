"""Passwords: argon2id, hashed and verified in threads, because each takes tens of milliseconds of CPU."""

import asyncio
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

_AT_ONCE = 2


class Passwords:
    def __init__(self, *, memory_kib: int = 19_456, iterations: int = 2) -> None:
        """The defaults are OWASP's minimum for argon2id (19 MiB, 2 iterations, 1 lane)."""
        self._hasher = PasswordHasher(time_cost=iterations, memory_cost=memory_kib, parallelism=1)
        self._turn = asyncio.Semaphore(_AT_ONCE)
        # Verified against when there is no such account, so that the answer takes as long as with one.
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(16))

    async def hash(self, password: str) -> str:
        async with self._turn:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether `password` belongs to `stored`; takes the same time when `stored` is None."""
        async with self._turn:
            matches = await asyncio.to_thread(self._matches, stored or self._nobodys, password)
        return matches and stored is not None

    def _matches(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerifyMismatchError, InvalidHashError):
            return False
