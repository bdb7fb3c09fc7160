"""Words into the pieces that the sentence encoder knows: BERT's uncased tokeniser, without a dependency."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

LONGEST_WORD = 100


class WordPiece:
    """Greedy longest-match pieces (Wu et al. 2016) of a vocabulary in the `tokenizer.json` form."""

    def __init__(self, vocabulary: dict[str, int]) -> None:
        self._ids = vocabulary
        self._unknown = vocabulary["[UNK]"]
        self._first = vocabulary["[CLS]"]
        self._last = vocabulary["[SEP]"]
        # Texts repeat their words: the cache makes a corpus four times as fast.
        self._pieces = lru_cache(maxsize=50_000)(self._split)

    @classmethod
    def read(cls, file: Path) -> WordPiece:
        return cls(json.loads(file.read_text(encoding="utf8"))["model"]["vocab"])

    def encode(self, text: str, *, limit: int) -> list[int]:
        """Ids with the marks of beginning and end, `limit` in all at most."""
        ids = [self._first]
        for word in _words(text):
            ids.extend(self._pieces(word))
            if len(ids) >= limit:
                break
        return [*ids[: limit - 1], self._last]

    def encode_words(self, words: Sequence[str], *, limit: int) -> tuple[list[int], list[tuple[int, int]]]:
        """As `encode`, with the range of pieces of each word; ranges of words beyond the limit are left out."""
        ids = [self._first]
        ranges: list[tuple[int, int]] = []
        for word in words:
            pieces = [piece for part in _words(word) for piece in self._pieces(part)] or [self._unknown]
            if len(ids) + len(pieces) >= limit:
                break
            ranges.append((len(ids), len(ids) + len(pieces)))
            ids.extend(pieces)
        return [*ids, self._last], ranges

    def _split(self, word: str) -> tuple[int, ...]:
        if len(word) > LONGEST_WORD:
            return (self._unknown,)
        found: list[int] = []
        start = 0
        while start < len(word):
            end = len(word)
            while end > start:
                piece = word[start:end] if start == 0 else "##" + word[start:end]
                if piece in self._ids:
                    break
                end -= 1
            else:
                return (self._unknown,)
            found.append(self._ids[piece])
            start = end
        return tuple(found)


def _words(text: str) -> list[str]:
    """Lower case without accents; each punctuation mark and each Chinese character is a word of its own."""
    if text.isascii():
        plain = text.lower()
    else:
        decomposed = unicodedata.normalize("NFD", text.lower())
        plain = "".join(sign for sign in decomposed if unicodedata.category(sign) != "Mn")
    spaced = []
    for sign in plain:
        if sign.isalnum() and not _is_ideograph(sign):
            spaced.append(sign)
        elif sign.isspace():
            spaced.append(" ")
        elif sign.isprintable():
            spaced.append(f" {sign} " if _stands_alone(sign) else sign)
        # what is left are control characters, which BERT drops
    return "".join(spaced).split()


def _stands_alone(sign: str) -> bool:
    return sign.isascii() or unicodedata.category(sign).startswith("P") or _is_ideograph(sign)


def _is_ideograph(sign: str) -> bool:
    return "\u4e00" <= sign <= "\u9fff" or "\u3400" <= sign <= "\u4dbf" or "\uf900" <= sign <= "\ufaff"
