from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from allocation.simulation.statistics import bands, interval


def test_interval_is_students() -> None:
    values = np.random.default_rng(1).normal(10, 2, 20)
    got = interval(values)
    low, high = stats.t.interval(0.95, 19, values.mean(), stats.sem(values))
    assert got.mean == pytest.approx(values.mean())
    assert (got.low, got.high) == pytest.approx((low, high))
    assert got.replications == 20


def test_missing_values_do_not_count() -> None:
    got = interval([3.0, float("nan"), 5.0])
    assert (got.mean, got.replications) == (4.0, 2)
    assert interval([float("nan")]) == interval([])
    assert interval([float("nan")]).mean is None


def test_one_value_has_no_interval_and_equal_ones_a_point() -> None:
    assert interval([2.0]).low is None
    same = interval([2.0, 2.0, 2.0])
    assert (same.low, same.high) == (2.0, 2.0)


def test_coverage_is_about_what_it_says() -> None:
    rng = np.random.default_rng(2)
    hits = 0
    for _ in range(400):
        got = interval(rng.exponential(1.0, 40))
        assert got.low is not None
        assert got.high is not None
        hits += got.low <= 1.0 <= got.high
    assert 0.88 < hits / 400 < 0.99


def test_bands() -> None:
    values = np.arange(101, dtype=float)[:, None] * np.array([[1.0, 2.0]])
    assert bands(values, [0.05, 0.5]).tolist() == [[5.0, 10.0], [50.0, 100.0]]
