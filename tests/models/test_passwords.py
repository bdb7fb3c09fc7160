"""Passwords: a wrong one and an unknown account cost the same."""

from typing import Literal

import pytest
from argon2 import PasswordHasher

from auth.passwords import Passwords
from tests.world import kinds, race


class CountingHasher(PasswordHasher):
    """The shipped hasher, which also writes down what it was asked to verify."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.verified: list[str | bytes] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
        self.verified.append(hash)
        return super().verify(hash, password)


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(memory_kib=8, iterations=1)


async def test_only_the_right_password_belongs_to_its_hash(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")

    answers = [
        await passwords.verify(stored, text) for text in ("correct horse battery", "wrong", "", "x" * 200)
    ]

    assert answers == [True, False, False, False]
    assert stored.startswith("$argon2id$v=19$m=8,t=1,p=1$")


async def test_two_hashes_of_one_password_differ(passwords: Passwords) -> None:
    assert await passwords.hash("correct horse battery") != await passwords.hash("correct horse battery")


async def test_an_unknown_account_runs_the_hasher_like_a_known_one(passwords: Passwords) -> None:
    hasher = CountingHasher()
    passwords._hasher = hasher
    stored = await passwords.hash("correct horse battery")

    known = await passwords.verify(stored, "wrong")
    unknown = await passwords.verify(None, "wrong")

    assert (known, unknown) == (False, False)
    assert len(hasher.verified) == 2
    parameters = [str(text).split("$")[1:4] for text in hasher.verified]
    assert parameters == [["argon2id", "v=19", "m=8,t=1,p=1"]] * 2


async def test_a_stored_text_that_is_no_hash_lets_nobody_in(passwords: Passwords) -> None:
    answers = [await passwords.verify(stored, "") for stored in ("", "!")]

    assert answers == [False, False]


async def test_the_shipped_cost_is_the_minimum_that_owasp_asks_for() -> None:
    stored = await Passwords().hash("correct horse battery")

    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")


async def test_when_too_many_wait_the_next_one_is_asked_to_come_again() -> None:
    passwords = Passwords(memory_kib=8, iterations=1, max_waiting=3)

    outcomes = await race(passwords.hash("correct horse battery") for _ in range(5))

    assert kinds(outcomes) == {"str": 3, "PasswordsBusy": 2}
    assert await passwords.verify(await passwords.hash("correct horse battery"), "correct horse battery")
