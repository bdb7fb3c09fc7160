"""Typed ids: readable outside, UUIDs inside, and nothing else passes for one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import Invalid
from models.ids import decode_id, encode_id, new_id, prefix_of

SOME = UUID("01a204dc-72e2-754a-9691-07d80553ff5a")
TEXT = encode_id("gig", SOME)


@given(key=st.uuids(), prefix=st.sampled_from(["gig", "user", "application", "session"]))
def test_an_id_comes_back_as_it_went_out(key: UUID, prefix: str) -> None:
    text = encode_id(prefix, key)

    assert decode_id(prefix, text) == key
    assert len(text) == len(prefix) + 27
    assert prefix_of(text) == prefix


def test_ids_are_made_in_the_order_of_time() -> None:
    made = [new_id() for _ in range(100)]

    assert made == sorted(made)
    assert {key.version for key in made} == {7}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "gig",
        "gig_",
        "garbage",
        TEXT.upper(),
        "gig_" + TEXT[4:].upper(),
        TEXT + "0",
        TEXT[:-1],
        "gig_8" + TEXT[5:],
        "gig_" + "u" * 26,
        "gig_" + "٠" * 26,
        "gig_" + "\ud800" * 26,
        " " + TEXT,
        TEXT + "\n",
        str(SOME),
        "gig_" + "0" * 100_000,
    ],
    ids=lambda text: ascii(text[:40]),
)
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        decode_id("gig", text, path=("gigId",))

    assert (refused.value.path, refused.value.constraint) == (("gigId",), "ID_FORMAT")


@pytest.mark.parametrize("text", ["user_" + TEXT[4:], TEXT[4:]])
def test_the_id_of_another_thing_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        decode_id("gig", text)

    assert refused.value.constraint == "ID_TYPE"


@given(st.text(max_size=60))
def test_no_text_breaks_the_reading_of_ids(text: str) -> None:
    try:
        key = decode_id("gig", text)
    except Invalid:
        return
    assert encode_id("gig", key) == text
