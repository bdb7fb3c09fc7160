"""Fractional index keys: texts that sort as bytes, with room for another one between any two.

A key is a fraction written in base 62: a head of four digits, then as many as were needed. Whoever inserts between two
neighbours writes a key between theirs and touches no other row; at the ends of a list only the head counts up or down, so
that appending never makes keys longer. Keys that grew too long are replaced by evenly spread ones (`spread`).
"""

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
HEAD = 4
LONGEST = 16
"""A longer key is a reason to spread the list anew: after some 70 insertions at one and the same place."""

_VALUE = {digit: value for value, digit in enumerate(DIGITS)}
_BASE = len(DIGITS)
_HEADS = _BASE**HEAD


def between(low: str | None, high: str | None) -> str:
    """A key strictly between two others, as short as there is one; None stands for an end of the list.

    Raises ValueError when `low` is not below `high`.
    """
    if low is not None and high is not None and low >= high:
        raise ValueError(f"there is nothing between {low!r} and {high!r}")
    if low is None and high is None:
        return _head(_HEADS // 2)
    if high is None and low is not None and (value := _value(low)) + 1 < _HEADS:
        return _head(value + 1)
    if low is None and high is not None and (value := _value(high)) > 1:
        return _head(value - 1)
    return _middle(low or "", high)


def spread(count: int) -> list[str]:
    """`count` keys in order, as far apart as possible."""
    step = _HEADS // (count + 1)
    return [_head(step * (i + 1)) for i in range(count)]


def _middle(low: str, high: str | None) -> str:
    digits = ""
    while True:
        at = len(digits)
        below = _VALUE[low[at]] if at < len(low) else 0
        above = _BASE if high is None else _VALUE[high[at]] if at < len(high) else 0
        if above - below > 1:
            return (digits + DIGITS[(below + above) // 2]).ljust(HEAD, DIGITS[0])
        digits += DIGITS[below]
        if above > below:
            high = None  # whatever follows is below it already


def _value(key: str) -> int:
    value = 0
    for digit in key[:HEAD]:
        value = value * _BASE + _VALUE[digit]
    return value


def _head(value: int) -> str:
    digits = ""
    for _ in range(HEAD):
        value, digit = divmod(value, _BASE)
        digits = DIGITS[digit] + digits
    return digits
