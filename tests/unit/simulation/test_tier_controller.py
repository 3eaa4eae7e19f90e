"""When tiers change: thresholds, lag, stay, and one step at a time on the way down."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from allocation.scenario import Controller, GradeCover
from allocation.simulation.controller import TierController
from allocation.simulation.cover import GRADES_DOWN, Need, cover_weeks, trigger_limits

PLENTY = 99.0
PRODUCTS = ("large_10", "small_10")


def controller(**changes: Any) -> TierController:
    """Of two products, of which the first meets nine tenths of demand."""
    settings = {
        "review_every_weeks": 1,
        "enter_tier_2_below_weeks": 3.0,
        "enter_tier_3_below_weeks": 2.0,
        "enter_tier_4_below_weeks": 1.0,
        "leave_margin_weeks": 0.5,
        "decision_lag_weeks": 0,
        "minimum_stay_weeks": 0,
        **changes,
    }
    made = Controller.model_validate(settings)
    return TierController(made, trigger_limits(made, PRODUCTS, np.array([90.0, 10.0])))


def row(cover: float = PLENTY, grades: list[float] | None = None, products: tuple[float, float] | None = None) -> Any:
    """Cover of each trigger; plenty where nothing is said."""
    return np.array([cover, *(grades or [PLENTY] * 4), *(products or (PLENTY, PLENTY))])


def tiers(one: TierController, covers: list[float], product: float = PLENTY) -> list[int]:
    rows = [row(cover, products=(product, PLENTY)) for cover in covers]
    return [one.step(week, now, now) for week, now in enumerate(rows)]


@pytest.mark.parametrize(("cover", "tier"), [(3.0, 1), (2.99, 2), (2.0, 2), (1.99, 3), (1.0, 3), (0.99, 4), (0.0, 4)])
def test_tier_called_for(cover: float, tier: int) -> None:
    assert controller().called_for(row(cover)) == tier
    assert tiers(controller(), [cover]) == [tier]


def test_up_at_once_down_one_at_a_time() -> None:
    assert tiers(controller(), [5, 0.5, 5, 5, 5, 5]) == [1, 4, 3, 2, 1, 1]


def test_margin_must_be_cleared_to_leave() -> None:
    assert tiers(controller(), [2.9, 3.0, 3.4, 3.5]) == [2, 2, 2, 1]


def test_lag_both_ways() -> None:
    assert tiers(controller(decision_lag_weeks=2), [2.9, 2.9, 2.9, 5, 5, 5, 5]) == [1, 1, 2, 2, 2, 1, 1]


def test_decision_to_go_up_stands_but_one_to_go_down_is_dropped() -> None:
    assert tiers(controller(decision_lag_weeks=2), [2.9, 5, 5, 5]) == [1, 1, 2, 2]
    falling_again = tiers(controller(decision_lag_weeks=2), [2.9, 2.9, 2.9, 5, 2.9, 2.9, 2.9])
    assert falling_again == [1, 1, 2, 2, 2, 2, 2]


def test_worse_news_while_waiting_takes_its_own_time() -> None:
    assert tiers(controller(decision_lag_weeks=2), [2.9, 1.9, 1.9, 1.9]) == [1, 1, 2, 3]


def test_minimum_stay_counts_from_entry() -> None:
    assert tiers(controller(minimum_stay_weeks=4), [2.9, 5, 5, 5, 5, 5]) == [2, 2, 2, 2, 1, 1]
    assert tiers(controller(minimum_stay_weeks=2), [1.5, 5, 5, 5, 5]) == [3, 3, 2, 2, 1]


def test_stay_does_not_delay_the_way_up() -> None:
    assert tiers(controller(minimum_stay_weeks=10), [2.9, 0.1]) == [2, 4]


def test_reviews_are_only_every_so_often() -> None:
    assert tiers(controller(review_every_weeks=3), [5, 0.5, 0.5, 0.5]) == [1, 1, 1, 4]


def test_one_product_alone_calls_tier_2_only() -> None:
    one = controller(product_enter_tier_2_below_weeks=1.0)
    rows = [row(9, products=(cover, PLENTY)) for cover in (0.9, 1.4, 1.5)]
    assert [one.step(week, now, now) for week, now in enumerate(rows)] == [2, 2, 1]


def test_a_threshold_of_nought_is_off() -> None:
    off = controller(
        enter_tier_2_below_weeks=0.0, enter_tier_3_below_weeks=0.0, enter_tier_4_below_weeks=0.0, starting_tier=2
    )
    assert tiers(off, [0.0, 0.0], product=0.0) == [1, 1]


def test_starting_tier() -> None:
    assert controller(starting_tier=3).tier == 3


# ------------------------------------------------------------------ grades, products, backlog

ALL = ("enter_tier_2_below_weeks", "enter_tier_3_below_weeks", "enter_tier_4_below_weeks")
LIMITS = dict(zip(ALL, (6.0, 4.0, 2.0), strict=True))


@pytest.mark.parametrize(("place", "name"), list(enumerate(GradeCover.model_fields)))
@pytest.mark.parametrize(("cover", "tier"), [(6.0, 1), (5.9, 2), (3.9, 3), (1.9, 4)])
def test_cover_of_grades_calls_each_tier(place: int, name: str, cover: float, tier: int) -> None:
    grades = [PLENTY] * len(GRADES_DOWN)
    grades[place] = cover
    assert controller().called_for(row(grades=grades)) == 1, "off where no threshold is set"
    assert controller(grade_cover={name: LIMITS}).called_for(row(grades=grades)) == tier


@pytest.mark.parametrize(("cover", "tier"), [(6.0, 1), (5.9, 2), (3.9, 3), (1.9, 4)])
def test_cover_of_a_product_calls_each_tier(cover: float, tier: int) -> None:
    of_all = controller(**{f"product_{name}": weeks for name, weeks in LIMITS.items()}, product_share_of_demand=0.2)
    own = controller(product=[{"product": "small_10", **LIMITS}], product_share_of_demand=0.2)
    assert of_all.called_for(row(products=(cover, PLENTY))) == tier
    assert of_all.called_for(row(products=(PLENTY, cover))) == 1, "too small a share of demand to count"
    assert own.called_for(row(products=(cover, PLENTY))) == 1
    assert own.called_for(row(products=(PLENTY, cover))) == tier, "named, so it counts whatever its share"


def test_thresholds_of_a_product_stand_in_place_of_those_of_all() -> None:
    one = controller(
        product_enter_tier_2_below_weeks=3.0, product=[{"product": "large_10", "enter_tier_3_below_weeks": 1.0}]
    )
    assert one.called_for(row(products=(2.0, PLENTY))) == 1
    assert one.called_for(row(products=(0.9, PLENTY))) == 3
    assert one.called_for(row(products=(PLENTY, 2.0))) == 2


def test_the_highest_of_all_triggers_counts() -> None:
    one = controller(grade_cover={"grade_4": LIMITS}, product_enter_tier_2_below_weeks=1.0)
    assert one.called_for(row(2.5, [1.5, *[PLENTY] * 3], (0.5, 0.5))) == 4
    assert one.called_for(row(1.5, [5.0, *[PLENTY] * 3], (0.5, 0.5))) == 3


def test_margin_and_lag_hold_for_every_trigger() -> None:
    grades = [[cover, PLENTY, PLENTY, PLENTY] for cover in (5.9, 6.4, 6.5, 6.5)]
    for lag, expected in ((0, [2, 2, 1, 1]), (1, [1, 2, 2, 1])):
        one = controller(grade_cover={"grade_4": LIMITS}, decision_lag_weeks=lag)
        rows = [row(grades=now) for now in grades]
        assert [one.step(week, now, now) for week, now in enumerate(rows)] == expected


def test_a_tier_is_left_by_what_the_backlog_leaves_and_entered_by_what_is_there() -> None:
    one = controller()
    told = [(2.9, 2.9), (4.0, 2.0), (4.0, 3.4), (4.0, 3.5)]
    assert [one.step(week, row(there), row(left)) for week, (there, left) in enumerate(told)] == [2, 2, 2, 1]
    assert controller().step(0, row(4.0), row(0.1)) == 1, "a backlog alone calls for no tier"


def test_cover_is_stock_less_what_is_owed_over_need() -> None:
    need = Need(10.0, np.array([0.0, 5.0, 6.0, 10.0]), np.array([5.0, 5.0]))
    stock = np.array([30, 0])
    assert cover_weeks(stock, need).tolist() == [3.0, np.inf, 6.0, 5.0, 3.0, 6.0, 0.0]
    owed = np.array([10.0, 0.0, 5.0, 6.0, 10.0, 10.0, 5.0])
    assert cover_weeks(stock, need, owed).tolist() == [2.0, np.inf, 5.0, 4.0, 2.0, 4.0, -1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"grade_cover": {"grade_4": {"enter_tier_3_below_weeks": 1.0, "enter_tier_4_below_weeks": 2.0}}},
        {"product_enter_tier_2_below_weeks": 1.0, "product_enter_tier_4_below_weeks": 2.0},
        {"product": [{"product": "large_10"}, {"product": "large_10"}]},
        {"backlog_share_in_recovery": 1.5},
    ],
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        controller(**wrong)


def test_a_tier_that_is_never_entered_breaks_no_order() -> None:
    assert controller(grade_cover={"grade_4": {"enter_tier_3_below_weeks": 1.0}}).called_for(row()) == 1
