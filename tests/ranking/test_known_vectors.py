"""The file of vectors, whatever others do to it meanwhile."""

import os
from pathlib import Path

import numpy as np
import pytest

from ranking.embedding import DIMENSIONS, Floats
from ranking.known_vectors import VectorFile


def key(number: int) -> bytes:
    return bytes([number]) * 32


def vector(number: int) -> dict[bytes, Floats]:
    return {key(number): np.full(DIMENSIONS, number, np.float32)}


def test_a_file_that_was_emptied_where_it_lies_knows_nothing_and_goes_on(tmp_path: Path) -> None:
    vectors = VectorFile(tmp_path, most=8)
    vectors.keep(vector(1))
    vectors.keep(vector(2))
    assert vectors.find([key(1), key(2)]).keys() == {key(1), key(2)}
    (path,) = tmp_path.iterdir()

    os.truncate(path, 0)

    assert vectors.find([key(1)]) == {}
    vectors.keep(vector(3))
    assert vectors.find([key(1), key(3)]).keys() == {key(3)}


def test_a_file_that_another_process_replaces_while_it_is_looked_at_gives_no_wrong_vector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = VectorFile(tmp_path, most=8), VectorFile(tmp_path, most=8)
    for number in range(1, 9):
        one.keep(vector(number))
    is_current = one._is_current

    def then_is_replaced() -> bool:
        found = is_current()
        other.keep(vector(9))
        return found

    monkeypatch.setattr(one, "_is_current", then_is_replaced)

    found = one.find([key(7)])

    assert all((values == 7).all() for values in found.values())
    monkeypatch.undo()
    assert one.find([key(1), key(9)]).keys() == {key(9)}
