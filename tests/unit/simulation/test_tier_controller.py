"""When tiers change: thresholds, lag, stay, and one step at a time on the way down."""

from __future__ import annotations

import pytest

from allocation.scenario import Controller
from allocation.simulation.controller import TierController

PLENTY = 99.0


def controller(**changes: float) -> TierController:
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
    return TierController(Controller.model_validate(settings))


def tiers(one: TierController, covers: list[float], product: float = PLENTY) -> list[int]:
    return [one.step(week, cover, product) for week, cover in enumerate(covers)]


@pytest.mark.parametrize(("cover", "tier"), [(3.0, 1), (2.99, 2), (2.0, 2), (1.99, 3), (1.0, 3), (0.99, 4), (0.0, 4)])
def test_tier_called_for(cover: float, tier: int) -> None:
    assert controller().called_for(cover, PLENTY) == tier
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
    assert [one.step(0, 9, 0.9), one.step(1, 9, 1.4), one.step(2, 9, 1.5)] == [2, 2, 1]


def test_a_threshold_of_nought_is_off() -> None:
    off = controller(
        enter_tier_2_below_weeks=0.0, enter_tier_3_below_weeks=0.0, enter_tier_4_below_weeks=0.0, starting_tier=2
    )
    assert tiers(off, [0.0, 0.0], product=0.0) == [1, 1]


def test_starting_tier() -> None:
    assert controller(starting_tier=3).tier == 3
