"""Words open in their own place, unchanged, with their own key, and nowhere else."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from models.chat import ChatKind, Sealed
from models.chat_cipher import DataKey, Place, WordsForged, seal, unseal
from models.ids import new_id
from models.store.keys import KeyForged, KeyRing, WrappingKeyMissing
from tests.chat_keys import ring_of

KEY = DataKey(new_id(), b"k" * 32)
PLACE = Place(new_id(), new_id(), new_id(), new_id(), ChatKind.EDITED)
NONCE = bytes(range(12))
WORDS = "Meet me at the old mill, ü 🦊".encode()
SEALED = seal(WORDS, key=KEY, place=PLACE, nonce=NONCE)


def test_words_open_where_they_were_sealed() -> None:
    assert unseal(SEALED, key=KEY, place=PLACE) == WORDS
    assert WORDS not in SEALED.text
    assert len(SEALED.text) == len(WORDS) + 16


@pytest.mark.parametrize("part", ["room_id", "author_id", "message_id", "fact_id"])
def test_words_moved_to_another_place_do_not_open(part: str) -> None:
    elsewhere = replace(PLACE, **{part: new_id()})  # type: ignore[arg-type]

    with pytest.raises(WordsForged):
        unseal(SEALED, key=KEY, place=elsewhere)


def test_words_of_one_version_do_not_pass_for_another() -> None:
    first = replace(PLACE, fact_id=PLACE.message_id, kind=ChatKind.SENT)
    sealed = seal(b"I owe you 100", key=KEY, place=first, nonce=NONCE)

    for place in (PLACE, replace(first, kind=ChatKind.EDITED), replace(first, fact_id=PLACE.fact_id)):
        with pytest.raises(WordsForged):
            unseal(sealed, key=KEY, place=place)

    assert unseal(sealed, key=KEY, place=first) == b"I owe you 100"


@pytest.mark.parametrize(
    "forge",
    [
        lambda s: replace(s, text=s.text[:-1]),
        lambda s: replace(s, text=s.text[:-4]),
        lambda s: replace(s, text=s.text[-16:]),
        lambda s: replace(s, text=s.text[:15]),
        lambda s: replace(s, text=b""),
        lambda s: replace(s, text=s.text + b"\0"),
        lambda s: replace(s, text=bytes([s.text[0] ^ 1]) + s.text[1:]),
        lambda s: replace(s, text=s.text[:-1] + bytes([s.text[-1] ^ 128])),
        lambda s: replace(s, nonce=bytes([s.nonce[0] ^ 1]) + s.nonce[1:]),
        lambda s: replace(s, nonce=s.nonce[:11]),
        lambda s: replace(s, nonce=s.nonce + b"\0"),
        lambda s: replace(s, nonce=b""),
        lambda s: replace(s, key_id=new_id()),
    ],
    ids=[
        "tag of 15", "tag of 12", "tag alone", "less than a tag", "nothing", "more", "first bit", "last bit", "nonce",
        "short nonce", "long nonce", "no nonce", "key id",
    ],
)  # fmt: skip
def test_words_that_were_changed_do_not_open(forge: Callable[[Sealed], Sealed]) -> None:
    with pytest.raises(WordsForged):
        unseal(forge(SEALED), key=KEY, place=PLACE)


def test_another_key_does_not_open_words_even_under_the_same_name() -> None:
    with pytest.raises(WordsForged):
        unseal(SEALED, key=DataKey(KEY.id, b"j" * 32), place=PLACE)


def test_a_replayed_nonce_gives_nothing_away_and_opens_nothing() -> None:
    """Under one key and one nonce, two texts would differ by what their ciphertexts differ by."""
    other = replace(PLACE, fact_id=new_id())
    again = seal(WORDS, key=KEY, place=other, nonce=NONCE)

    assert again.text[:-16] != SEALED.text[:-16]
    for sealed, place in ((again, PLACE), (SEALED, other), (replace(again, text=SEALED.text), other)):
        with pytest.raises(WordsForged):
            unseal(sealed, key=KEY, place=place)


def test_a_nonce_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        seal(WORDS, key=KEY, place=PLACE, nonce=b"short")


def test_a_key_does_not_show_itself() -> None:
    assert "kkkk" not in repr(KEY)


# -- wrapping ----------------------------------------------------------------------------------------------------------


def test_the_first_key_of_a_ring_wraps_and_all_of_them_unwrap() -> None:
    old, both = ring_of(1), ring_of(2, 1)
    wrapped = old.wrap(KEY.secret, belongs_to=b"here")

    assert both.current != old.current
    assert both.ids == (both.current, old.current)
    assert both.unwrap(wrapped, by=old.current, belongs_to=b"here") == KEY.secret
    assert len(wrapped) == 384


def test_a_wrapped_key_opens_only_by_its_key_and_in_its_place() -> None:
    ring = ring_of(2, 1)
    wrapped = ring.wrap(KEY.secret, belongs_to=b"here")

    for by, text, place in (
        (ring.ids[1], wrapped, b"here"),
        (ring.current, wrapped, b"there"),
        (ring.current, wrapped[:-1], b"here"),
        (ring.current, bytes([wrapped[0] ^ 1]) + wrapped[1:], b"here"),
    ):
        with pytest.raises(KeyForged):
            ring.unwrap(text, by=by, belongs_to=place)
    with pytest.raises(WrappingKeyMissing, match="0123 is not in the ring"):
        ring.unwrap(wrapped, by="0123", belongs_to=b"here")


@pytest.mark.parametrize(
    "pems", [[], ["nonsense"], ["-----BEGIN PRIVATE KEY-----\nx\n-----END PRIVATE KEY-----"]]
)
def test_what_is_no_key_makes_no_ring(pems: list[str]) -> None:
    with pytest.raises(ValueError, match="key"):
        KeyRing(pems)


def test_a_key_that_is_too_short_makes_no_ring() -> None:
    from auth.tokens import new_private_key

    with pytest.raises(ValueError, match="3072 bits or more"):
        KeyRing([new_private_key()])
