"""Newcomers get places of their own, and nobody stands first everywhere."""

from ranking.placing import NEWCOMER_PLACES, Exposure, PlacedBy, place, spread

ORDERED = [f"p{number:02}" for number in range(40)]


def test_scores_place_the_first_ten_and_newcomers_are_shown_after_them() -> None:
    placed = place(ORDERED, is_newcomer=lambda person: person >= "p30")

    assert [each.id for each in placed[:10]] == ORDERED[:10]
    assert [each.id for each in placed[10:20]] == ORDERED[30:40]
    assert {each.placed_by for each in placed[10:20]} == {PlacedBy.EXPLORATION}
    assert len(NEWCOMER_PLACES) == 10


def test_everybody_is_placed_once() -> None:
    placed = place(ORDERED, is_newcomer=lambda person: person < "p05", newcomers=["x1", "p03"])

    assert sorted(each.id for each in placed) == sorted(ORDERED)
    assert sorted(each.id for each in place(["a"], is_newcomer=lambda _: True, newcomers=["b"])) == ["a", "b"]


def test_who_stood_first_in_most_lists_makes_room_and_the_list_says_so() -> None:
    exposure = Exposure(window=50, most_share=0.5)
    lists = [place(ORDERED, is_newcomer=lambda _: False, exposure=exposure) for _ in range(100)]

    shown = sum("p00" in [each.id for each in placed[:10]] for placed in lists)
    assert shown / len(lists) <= 0.65
    moved = [each for placed in lists for each in placed if each.placed_by is PlacedBy.EXPOSURE]
    assert {each.id for each in moved} >= {"p00"}
    assert all([e.id for e in placed].index("p00") == 10 for placed in lists if placed[0].id != "p00")


def test_of_one_owner_three_stand_in_the_first_places_as_long_as_there_are_others() -> None:
    owner = {name: "often" if number < 9 or number > 30 else name for number, name in enumerate(ORDERED)}

    placed = spread(ORDERED, owner=owner.__getitem__)

    assert [each.id for each in placed[:16]] == [*ORDERED[:3], *ORDERED[9:16], *ORDERED[3:9]]
    assert sorted(each.id for each in placed) == ORDERED
    by_place = [each.placed_by for each in placed]
    assert by_place == [PlacedBy.SCORE] * 10 + [PlacedBy.DIVERSITY] * 6 + [PlacedBy.SCORE] * 24


def test_where_nobody_else_offers_anything_the_order_is_that_of_the_scores() -> None:
    placed = spread(ORDERED[:20], owner=lambda _: "the only one")

    assert [(each.id, each.placed_by) for each in placed] == [(name, PlacedBy.SCORE) for name in ORDERED[:20]]
