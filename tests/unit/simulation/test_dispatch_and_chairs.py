"""Orders by level, and how chairs are counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.scenario import Panels, Replenishment
from allocation.simulation.chairs import chairs_of
from allocation.simulation.dispatch import orders

USE = np.array([[10.0, 0.0], [20.0, 5.0]])
LARGEST = np.array([[3.0, 0.0], [1.0, 2.0]])


def ordered(position: float, **rule: object) -> list[list[float]]:
    """Orders of two panels for two products, all at the same position."""
    found = orders(
        Replenishment.model_validate(rule), use_mg=USE, largest_mg=LARGEST, position_mg=np.full((2, 2), position)
    )
    return [[float(one) for one in row] for row in found]


def test_orders_fill_up_to_the_level_of_what_is_used() -> None:
    assert ordered(0.0, policy="order_up_to", up_to_weeks=4.0) == [[43.0, 0.0], [81.0, 22.0]]
    assert ordered(50.0, policy="order_up_to", up_to_weeks=4.0) == [[0.0, 0.0], [31.0, 0.0]]
    assert ordered(400.0, policy="order_up_to", up_to_g=1.0) == [[600.0, 0.0], [600.0, 600.0]]


def test_what_is_owed_is_ordered_besides() -> None:
    assert ordered(-7.0, policy="order_up_to", up_to_g=1.0) == [[1007.0, 0.0], [1007.0, 1007.0]]


def test_nothing_is_ordered_above_the_reorder_level() -> None:
    rule = {"policy": "s_S", "up_to_weeks": 4.0, "reorder_below_weeks": 2.0}
    assert ordered(30.0, **rule) == [[0.0, 0.0], [51.0, 0.0]]
    assert ordered(22.9, **rule)[0][0] == pytest.approx(43.0 - 22.9)
    assert ordered(23.0, **rule)[0][0] == 0


@given(st.lists(st.floats(0, 50), min_size=3, max_size=3), st.integers(1, 200))
def test_chairs_are_shared_out_by_need(need: list[float], chairs: int) -> None:
    courses = np.array(need)
    found = chairs_of(Panels(infusion_chairs=chairs), courses)
    assert ((found >= 1) == (courses > 0)).all()
    some = int((courses > 0).sum())
    if some:
        assert chairs <= found.sum() <= chairs + some
        exact = chairs * courses / courses.sum()
        assert (np.abs(found - exact)[courses > 0] <= 1 + 1e-9).all()


def test_chairs_by_load_keep_busy_for_that_share() -> None:
    settings = Panels.model_validate(
        {"infusion_chair_load": 0.5, "infusion_hours": {"mean": 7.0, "sd": 0.0}, "infusion_chair_hours_per_day": 10.0}
    )
    assert chairs_of(settings, np.array([10.0, 10.1, 0.0])).tolist() == [2, 3, 0]
    assert chairs_of(Panels(), np.array([10.0])).tolist() == [0]
