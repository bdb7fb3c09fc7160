"""What counts as one emoji."""

import re

MAX_EMOJI = 16
"""Characters; the longest that are in use have ten."""
# A symbol or the two letters of a flag, with what colours and tags it, and more of them joined to it; a keycap; a sign that is
# one only in its emoji style.
_SYMBOL = "[\u2190-\u2bff\u3297\u3299\u00a9\u00ae\u2122\U0001f000-\U0001f1e5\U0001f200-\U0001faff]"
_MARKS = "[\ufe0f\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]*"
_EMOJI = re.compile(
    f"{_SYMBOL}{_MARKS}(?:\u200d{_SYMBOL}{_MARKS})*"
    "|[\U0001f1e6-\U0001f1ff]{2}"
    "|[0-9#*]\ufe0f?\u20e3|[\u2139\u203c\u2049\u3030\u303d]\ufe0f"
)


def is_emoji(text: str) -> bool:
    """Whether a text is one emoji, as far as can be told without the list of them."""
    return len(text) <= MAX_EMOJI and _EMOJI.fullmatch(text) is not None
