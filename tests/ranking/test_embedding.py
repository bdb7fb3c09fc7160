"""Sentences as vectors: only with the weights we know, and as the model's authors compute them."""

import numpy as np
import pytest

from ranking.embedding import Encoder, installed_encoder
from ranking.index import Document, Index, Question
from ranking.wordpiece import WordPiece
from tests.ranking.market import ToyEncoder

PIECES = WordPiece(
    {
        piece: n
        for n, piece in enumerate(
            ["[UNK]", "[CLS]", "[SEP]", "un", "##able", "##s", "c", "+", "cafe", "\u4e2d"]
        )
    }
)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("unables", [1, 3, 4, 5, 2]),
        ("C++", [1, 6, 7, 7, 2]),
        ("Café", [1, 8, 2]),
        ("\u4e2dzzz", [1, 9, 0, 2]),
        ("", [1, 2]),
    ],
)
def test_words_are_cut_as_bert_cuts_them(text: str, ids: list[int]) -> None:
    assert PIECES.encode(text, limit=10) == ids


def test_pieces_beyond_the_limit_are_not_read() -> None:
    assert PIECES.encode("c c c c c", limit=4) == [1, 6, 6, 2]
    assert PIECES.encode_words(["unable", "c", "c"], limit=6) == (
        [1, 3, 4, 6, 6, 2],
        [(1, 3), (3, 4), (4, 5)],
    )
    assert PIECES.encode_words(["unable", "c", "c"], limit=5) == ([1, 3, 4, 6, 2], [(1, 3), (3, 4)])


def test_the_stand_in_for_tests_is_an_encoder() -> None:
    encoder: Encoder = ToyEncoder()

    assert np.allclose(np.linalg.norm(encoder.encode(["a b", "c"]), axis=1), 1)


@pytest.mark.long
def test_the_installed_weights_know_what_is_alike() -> None:
    encoder = installed_encoder()
    assert encoder is not None

    cat, feline, index = encoder.encode(
        ["a cat sits on a mat", "there is a feline on the rug", "database index tuning"]
    )

    # 0.50054526 and 0.02556294 with the exact Φ in place of its approximation
    assert float(cat @ feline) == pytest.approx(0.5005, abs=1e-3)
    assert float(cat @ index) == pytest.approx(0.0256, abs=1e-3)
    words = encoder.words([["a", "feline"], []])
    assert [word.shape for word in words] == [(2, 768), (0, 768)]


def test_an_index_that_many_left_answers_like_one_they_never_joined() -> None:
    ours, fresh = Index(), Index()
    for number in range(2_000):
        ours.put(Document(f"d{number}", f"word{number % 7} common", (f"s{number % 5}",)))
    for number in range(1_500):
        ours.remove(f"d{number}")
    for number in range(1_500, 2_000):
        fresh.put(Document(f"d{number}", f"word{number % 7} common", (f"s{number % 5}",)))
    question = Question("word3", ("s1",))

    answers = [index.answers(question, limit=600) for index in (ours, fresh)]

    found = [
        sorted((index.documents[slot].id, round(float(word), 3), float(skill))
               for slot, word, skill in zip(each.slots, each.words, each.skills, strict=True))
        for index, each in zip((ours, fresh), answers, strict=True)
    ]  # fmt: skip
    assert [name for name, _, _ in found[0]] == [name for name, _, _ in found[1]]
    assert len(ours) == len(fresh) == 500
