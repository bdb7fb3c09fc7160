"""What people type: kept exactly where it is fine, refused by name where it is not."""

import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.checks import Checks
from models.errors import Invalid, Refusals

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def found(checks: Checks) -> list[tuple[tuple[str, ...], str]]:
    return [(r.path, r.constraint) for r in checks.refusals if isinstance(r, Invalid)]


@pytest.mark.parametrize(
    "text",
    [
        "Zoë Müller",
        "👩🏽‍💻 builds things 🇺🇦",
        "شركة البرمجيات",
        "מפתחת תוכנה",
        "日本語のタイトル",
        "\u202bשלום\u202c",
        "a\tb\nc",
        "ﷺ",
        "e̱̊",
    ],
)
def test_text_in_any_script_is_kept_exactly(text: str) -> None:
    checks = Checks()

    kept = checks.text(("title",), text, max=120)

    assert kept == unicodedata.normalize("NFC", text)
    assert checks.refusals == []


def test_text_is_composed_and_freed_of_outer_white_space() -> None:
    checks = Checks()

    kept = checks.text(("title",), " \u00a0Zoe\u0308\n ", max=120)

    assert kept == "Zo\u00eb"
    assert checks.refusals == []


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x1b", "\x7f", "\ud800", "\udfff"])
def test_nul_controls_and_half_surrogates_are_refused(character: str) -> None:
    checks = Checks()

    checks.text(("title",), f"a{character}b", max=120)

    assert found(checks) == [(("title",), "PRINTABLE")]


@pytest.mark.parametrize(
    ("text", "is_fine"),
    [
        ("", False),
        ("   \n", False),
        ("x" * 120, True),
        ("x" * 121, False),
        ("👩" * 120, True),
        ("👩" * 121, False),
        ("e\u0301" * 120, True),
        ("e\u0301" * 121, False),
        ("x" * 100_000, False),
    ],
)
def test_lengths_are_counted_in_characters_after_composing(text: str, is_fine: bool) -> None:
    checks = Checks()

    checks.text(("title",), text, max=120)

    assert found(checks) == ([] if is_fine else [(("title",), "LENGTH")])


def test_a_refused_length_says_both_limits() -> None:
    checks = Checks()

    checks.text(("title",), "x" * 121, max=120, min=3)

    (refusal,) = checks.refusals
    assert isinstance(refusal, Invalid)
    assert (refusal.min, refusal.max) == ("3", "120")


@given(st.text(max_size=60))
def test_text_is_either_refused_or_kept_and_keeping_twice_changes_nothing(text: str) -> None:
    checks = Checks()
    kept = checks.text(("title",), text, max=40)

    again = Checks()
    twice = again.text(("title",), kept, max=40)

    assert bool(checks.refusals) == bool(again.refusals)
    if not checks.refusals:
        assert kept == unicodedata.normalize("NFC", text.strip()) == twice
        assert 1 <= len(kept) <= 40
        kept.encode()


def test_all_broken_rules_are_told_at_once() -> None:
    checks = Checks()

    checks.between(("wanted",), 0, min=1, max=50)
    checks.future(("deadline",), NOW, now=NOW)
    checks.email(("email",), "nobody")
    checks.country(("country",), "XY")
    checks.currency(("currency",), "eur")
    checks.time_zone(("timeZone",), "Mars/Olympus")
    checks.language(("language",), "EN")
    checks.distinct(("skills",), [1, 2, 1])
    checks.count(("questions",), [1, 2, 3], max=2)

    with pytest.raises(Refusals) as refused:
        checks.done()
    assert list(refused.value.refusals) == checks.refusals
    assert found(checks) == [
        (("wanted",), "RANGE"),
        (("deadline",), "FUTURE"),
        (("email",), "EMAIL"),
        (("country",), "COUNTRY"),
        (("currency",), "CURRENCY"),
        (("timeZone",), "TIME_ZONE"),
        (("language",), "LANGUAGE"),
        (("skills",), "DISTINCT"),
        (("questions",), "COUNT"),
    ]


def test_values_within_the_rules_pass() -> None:
    checks = Checks()

    checks.between(("wanted",), 1, min=1, max=50)
    checks.between(("wanted",), 50, min=1, max=50)
    checks.future(("deadline",), NOW + timedelta(microseconds=1), now=NOW)
    checks.country(("country",), "UA")
    checks.currency(("currency",), "KWD")
    checks.time_zone(("timeZone",), "Europe/Kyiv")
    checks.language(("language",), "uk")
    checks.distinct(("skills",), [1, 2])
    checks.count(("questions",), [], max=2)
    checks.done()

    assert checks.email(("email",), "Zoe@EXAMPLE.com") == "Zoe@example.com"
    assert checks.refusals == []


@pytest.mark.parametrize(
    "address", ["a@b", "a b@example.com", "a@exa\x00mple.com", "\ud800@example.com", "@", ""]
)
def test_what_is_no_address_is_refused(address: str) -> None:
    checks = Checks()

    checks.email(("email",), address)

    assert found(checks) == [(("email",), "EMAIL")]
