"""The search for a breaking point against shocks whose breaking points are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.simulation.breaking import find_breaking_point, share_interval
from allocation.simulation.demand import Bools


class Known:
    """Replications that each break above (or below) a threshold of their own."""

    def __init__(self, thresholds: list[float], *, rising: bool = True) -> None:
        self.thresholds = np.array(thresholds)
        self.rising = rising
        self.calls: list[float] = []

    def __call__(self, value: float) -> Bools:
        self.calls.append(value)
        broken: Bools = value > self.thresholds if self.rising else value < self.thresholds
        return broken


@given(
    thresholds=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=9),
    share=st.sampled_from([0.1, 0.5, 1.0]),
    rising=st.booleans(),
)
def test_the_bracket_holds_the_threshold_of_the_share(thresholds: list[float], share: float, rising: bool) -> None:
    known = Known(thresholds, rising=rising)
    found = find_breaking_point(known, low=0.0, high=1.0, tolerance=1e-3, share=share)
    assert found.status == "found"
    assert found.holds_at is not None
    assert found.breaks_at is not None
    assert abs(found.breaks_at - found.holds_at) <= 1e-3
    assert (found.breaks_at > found.holds_at) == rising
    assert known(found.breaks_at).mean() >= share > known(found.holds_at).mean()
    assert found.contradictions == 0


def test_each_size_is_played_once_and_no_more_than_halving_needs() -> None:
    known = Known([0.37])
    find_breaking_point(known, low=0.0, high=1.0, tolerance=1 / 64)
    assert len(known.calls) == len(set(known.calls)) == 2 + 6


@given(threshold=st.integers(1, 51), rising=st.booleans())
def test_whole_numbers_are_found_exactly(threshold: int, rising: bool) -> None:
    known = Known([threshold + 0.5 if rising else threshold - 0.5], rising=rising)
    found = find_breaking_point(known, low=0.0, high=52.0, tolerance=0.01, whole=True)
    assert found.holds_at == threshold
    assert found.breaks_at == threshold + (1 if rising else -1)
    assert all(value == math.floor(value) for value in known.calls)


@pytest.mark.parametrize(("threshold", "status"), [(2.0, "never"), (-1.0, "already")])
def test_no_breaking_point_in_the_range_is_said(threshold: float, status: str) -> None:
    known = Known([threshold])
    found = find_breaking_point(known, low=0.0, high=1.0, tolerance=0.1)
    assert found.status == status
    assert known.calls == [0.0, 1.0]
    assert (found.breaks_at is None) == (status == "never")


def test_a_larger_shock_that_mends_is_counted() -> None:
    def odd(value: float) -> Bools:
        return np.array([value >= 0.5, 0.2 < value < 0.9])

    found = find_breaking_point(odd, low=0.0, high=1.0, tolerance=0.2, share=0.5)
    assert found.contradictions > 0


def test_the_interval_of_a_share_is_wilsons() -> None:
    # 5 of 10 at 95 %: Wilson's interval worked out by hand from z = 1.959964.
    z = 1.959964
    middle = (0.5 + z**2 / 20) / (1 + z**2 / 10)
    half = z / (1 + z**2 / 10) * math.sqrt(0.25 / 10 + z**2 / 400)
    assert share_interval(5, 10) == pytest.approx((middle - half, middle + half), abs=1e-6)
