"""What words of a message can be searched by: keyed hashes of each word and of its stem.

Who has the key of a room can ask whether a word is there; who has only the hashes sees which messages share a word, and how
often it comes, but not which word it is.
"""

import hmac
import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any

import snowballstemmer

from models.errors import Invalid

TOKEN_BYTES = 8
MAX_WORD = 64
MAX_WORDS = 1_000
"""Different words of one message that can be found; more are not."""
MAX_ASKED = 8
LANGUAGES = frozenset(snowballstemmer.algorithms())
_WORD = re.compile(r"[^\W_]+")
_QUOTE = re.compile(r'["“”„«»]')


def words_in(text: str) -> list[str]:
    """Each word once, in order, as it is compared: NFKC, case folded, longer ones cut."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return list(dict.fromkeys(word[:MAX_WORD] for word in _WORD.findall(folded)))


def tokens_of(text: str, *, key: bytes, language: str, traits: Iterable[str] = ()) -> list[int]:
    """For the index, sorted. `traits` are what a message has besides words (`code`, `file`, `mention:<id>`).

    Stemming takes 0.2 ms for a word that was not seen before: not on the loop for long texts.
    """
    found = {token(trait_of(trait), key=key) for trait in traits}
    for word in words_in(text)[:MAX_WORDS]:
        found |= set(_tokens(word, key=key, language=language))
    return sorted(found)


def asked_tokens(
    query: str, *, key: bytes, language: str, traits: Iterable[str] = ()
) -> list[tuple[int, ...]]:
    """For a search: of each group one token has to be there. Raises `Invalid` for what the index cannot answer."""
    if _QUOTE.search(query):
        raise Invalid(
            ("query",),
            "PHRASE",
            "Exact phrases cannot be searched: only single words are indexed, because messages are encrypted.",
        )
    if "*" in query:
        raise Invalid(
            ("query",),
            "PREFIX",
            "Beginnings of words cannot be searched: only whole words are indexed, because messages are encrypted.",
        )
    words = words_in(query)
    if len(words) > MAX_ASKED:
        raise Invalid(("query",), "WORDS", f"Search for at most {MAX_ASKED} words.", max=str(MAX_ASKED))
    groups = [_tokens(word, key=key, language=language) for word in words]
    return groups + [(token(trait_of(trait), key=key),) for trait in traits]


def trait_of(trait: str) -> str:
    # No word begins like this.
    return f"\0{trait}"


def token(term: str, *, key: bytes) -> int:
    """HMAC-SHA-256, cut to 8 bytes, as PostgreSQL's bigint has them."""
    return int.from_bytes(hmac.digest(key, term.encode(), "sha256")[:TOKEN_BYTES], signed=True)


def _tokens(word: str, *, key: bytes, language: str) -> tuple[int, ...]:
    terms = dict.fromkeys((word, _stem(language, word)))
    return tuple(token(term, key=key) for term in terms)


@lru_cache(65_536)
def _stem(language: str, word: str) -> str:
    return str(_stemmer(language).stemWord(word))


@cache
def _stemmer(language: str) -> Any:
    return snowballstemmer.stemmer(language)
