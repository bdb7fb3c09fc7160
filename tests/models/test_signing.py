"""Signatures: what we signed opens, everything else does not."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth.signing import Signer

SIGNER = Signer([b"a" * 32])


@given(st.binary(max_size=200))
def test_what_was_signed_opens_for_its_purpose_only(message: bytes) -> None:
    text = SIGNER.sign("cursor", message)

    assert SIGNER.open("cursor", text) == message
    assert SIGNER.open("stream", text) is None
    assert Signer([b"b" * 32]).open("cursor", text) is None


@given(st.binary(min_size=1, max_size=60), st.data())
def test_a_changed_byte_breaks_the_signature(message: bytes, data: st.DataObject) -> None:
    text = SIGNER.sign("cursor", message)
    raw = bytearray(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))

    forged = base64.urlsafe_b64encode(raw).decode().rstrip("=")

    assert SIGNER.open("cursor", forged) is None


@given(st.text(max_size=60))
def test_no_text_of_a_stranger_opens(text: str) -> None:
    assert SIGNER.open("cursor", text) is None


@pytest.mark.parametrize(
    "text", ["", "=", "A", "…", "\ud800", "A" * 16, "A" * 15, "====", "AAAA AAAA", "\x00"]
)
def test_garbage_does_not_open(text: str) -> None:
    assert SIGNER.open("cursor", text) is None


def test_keys_rotate_without_breaking_what_is_out_there() -> None:
    old, new = b"o" * 32, b"n" * 32
    before = Signer([old]).sign("cursor", b"place")
    rotated = Signer([new, old])

    after = rotated.sign("cursor", b"place")

    assert rotated.open("cursor", before) == b"place"
    assert Signer([new]).open("cursor", after) == b"place"
    assert Signer([new]).open("cursor", before) is None


def test_a_signer_without_a_key_is_not_made() -> None:
    with pytest.raises(ValueError, match="needs a key"):
        Signer([])
