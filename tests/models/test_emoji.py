"""What people may put under what others say, and beside their own name."""

import pytest

from models.emoji import is_emoji


@pytest.mark.parametrize(
    "emoji",
    [
        "👍",
        "👍🏽",
        "1️⃣",
        "ℹ️",
        "👩‍💻",
        "🇩🇪",
        "👩🏻‍❤️‍💋‍👩🏻",
        "👨🏻‍👩🏻‍👦🏻‍👦🏻",
        "❤️‍🔥",
        "🏴󠁧󠁢󠁥󠁮󠁧󠁿",
        "Ⓜ️",
        "㊗️",
        "◾",
        "©️",
    ],
)
def test_emojis_of_every_make_pass(emoji: str) -> None:
    assert is_emoji(emoji)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1",
        "\u200d",
        "\u202e",
        "!!!",
        "<>/",
        "\u2066\u2067",
        "a\ufe0f",
        "👍👍",
        "🇩🇪🇫🇷",
        "🇩",
        "👍\u200d",
        "1️⃣2️⃣",
        "👍" + "🏽" * 16,
    ],
)
def test_what_is_seen_as_no_emoji_is_none(text: str) -> None:
    assert not is_emoji(text)
