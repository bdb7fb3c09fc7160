"""What a text names of ours."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from models.ids import encode_id, new_id
from models.message_previews import MOST_PREVIEWS, PreviewKind, named_in

GIG, TASK = new_id(), new_id()
A_GIG, A_TASK = encode_id("gig", GIG), encode_id("task", TASK)


def test_things_are_named_by_their_ids_alone_in_links_and_between_other_signs() -> None:
    text = f"See {A_TASK}, https://example.com/work/{A_GIG}?tab=1 and [again]({A_GIG})."

    assert named_in(text) == ((PreviewKind.TASK, TASK), (PreviewKind.GIG, GIG))


def test_what_only_looks_like_an_id_names_nothing() -> None:
    for text in (
        f"x{A_GIG}", f"{A_GIG}0", f"{A_GIG}_", A_GIG[:-1], A_GIG.upper(), "gig_8" + "z" * 25, "gig_" + "i" * 26,
        encode_id("user", GIG), encode_id("person", GIG), encode_id("message", GIG), "gig_", "",
    ):  # fmt: skip
        assert named_in(text) == (), text


def test_the_first_five_are_shown_each_once() -> None:
    ids = [new_id() for _ in range(MOST_PREVIEWS + 3)]
    text = " ".join(encode_id("snippet", id) for id in (ids[0], *ids, ids[1]))

    assert named_in(text) == tuple((PreviewKind.SNIPPET, id) for id in ids[:MOST_PREVIEWS])


@given(kind=st.sampled_from(PreviewKind), id=st.uuids(), before=st.text("ab/ (_1", max_size=3))
def test_every_id_is_found_unless_it_is_part_of_a_longer_word(
    kind: PreviewKind, id: UUID, before: str
) -> None:
    found = named_in(before + encode_id(kind.value.lower(), id))

    assert found == (() if before and before[-1] in "ab_1" else ((kind, id),))
