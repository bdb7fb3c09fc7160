"""What is kept of what was asked for last."""

from schema.recent import Recent


def test_what_was_used_longest_ago_goes_first_once_the_keys_are_too_long_together() -> None:
    recent: Recent[str, int] = Recent(30)
    for number, key in enumerate(["aaa", "bbb", "ccc", "ddd", "eee", "fff", "ggg", "hhh", "iii", "jjj"]):
        recent.keep(key, number)

    assert (recent.get("aaa"), recent.size) == (0, 30)
    recent.keep("kkk", 10)

    assert (recent.get("aaa"), recent.get("bbb"), recent.get("kkk"), recent.size) == (0, None, 10, 30)


def test_values_count_by_their_own_length_if_it_is_told() -> None:
    recent: Recent[bytes, int] = Recent(30)
    for number, key in enumerate([b"a", b"b", b"c", b"d"]):
        recent.keep(key, number, length=3)
    recent.keep(b"much", 4, length=4)

    assert (recent.get(b"d"), recent.get(b"much"), recent.size) == (3, None, 12)
    recent.keep(b"d", 5, length=1)
    assert (recent.get(b"d"), recent.size) == (5, 10)


def test_one_key_takes_a_tenth_at_most() -> None:
    recent: Recent[str, int] = Recent(30)

    recent.keep("aaaa", 1)

    assert (recent.get("aaaa"), recent.size) == (None, 0)


def test_a_key_that_is_kept_twice_counts_once() -> None:
    recent: Recent[bytes, int] = Recent(30)

    recent.keep(b"aaa", 1)
    recent.keep(b"aaa", 2)

    assert (recent.get(b"aaa"), recent.size) == (2, 3)
