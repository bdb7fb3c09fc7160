"""What a message can be found by."""

import pytest

from models.chat_words import MAX_WORD, MAX_WORDS, asked_tokens, tokens_of, words_in
from models.errors import Invalid

KEY, OTHER = b"k" * 32, b"o" * 32


def finds(query: str, text: str, *, language: str = "english") -> bool:
    tokens = set(tokens_of(text, key=KEY, language=language))
    return all(tokens & set(group) for group in asked_tokens(query, key=KEY, language=language))


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("payment", "Two PAYMENTS are due."),
        ("payments", "One payment is due."),
        ("ＦＵＬＬ", "full width"),
        ("straße", "STRASSE"),
        ("snake", "call snake_case(x)"),
        ("paid invoice", "The invoice was paid."),
        ("файл", "Где файл?"),
        ("e\u0301tude", "étude"),
    ],
)
def test_a_word_is_found_in_any_of_its_forms(query: str, text: str) -> None:
    assert finds(query, text)


@pytest.mark.parametrize(("query", "text"), [("pay", "paymaster"), ("paid refund", "paid"), ("ship", "shop")])
def test_other_words_are_not_found(query: str, text: str) -> None:
    assert not finds(query, text)


def test_the_language_of_the_room_tells_the_stem() -> None:
    assert finds("häuser", "haus", language="german")
    assert not finds("häuser", "haus", language="english")


def test_tokens_of_two_rooms_have_nothing_in_common() -> None:
    here, there = (set(tokens_of("the same words", key=key, language="english")) for key in (KEY, OTHER))

    assert len(here) == 4
    assert here & there == set()
    assert all(-(2**63) <= token < 2**63 for token in here)


def test_traits_are_no_words() -> None:
    tokens = set(tokens_of("code", key=KEY, language="english", traits=["file"]))
    (group,) = asked_tokens("", key=KEY, language="english", traits=["code"])

    assert not tokens & set(group)
    assert tokens & set(asked_tokens("", key=KEY, language="english", traits=["file"])[0])


def test_words_are_bounded() -> None:
    assert words_in("x" * 1_000) == ["x" * MAX_WORD]
    text = " ".join(f"w{number}x" for number in range(MAX_WORDS + 50))
    assert len(tokens_of(text, key=KEY, language="english")) == MAX_WORDS


@pytest.mark.parametrize(
    ("query", "constraint"),
    [('"exact phrase"', "PHRASE"), ("„so“", "PHRASE"), ("pref*", "PREFIX"), ("a b c d e f g h i", "WORDS")],
)
def test_what_the_index_cannot_answer_is_refused_with_the_reason(query: str, constraint: str) -> None:
    with pytest.raises(Invalid) as refused:
        asked_tokens(query, key=KEY, language="english")

    assert (refused.value.constraint, refused.value.path) == (constraint, ("query",))
