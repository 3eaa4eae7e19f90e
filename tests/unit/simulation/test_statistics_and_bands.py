from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from allocation.simulation.statistics import bands, half_width, interval, quantiles, replications_needed


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


def test_quantiles_are_of_the_replications_that_have_a_value() -> None:
    values = np.append(np.arange(101.0), np.nan)
    assert quantiles(values) == {"q05": 5.0, "q50": 50.0, "q95": 95.0}
    assert quantiles([7.0]) == dict.fromkeys(("q05", "q50", "q95"), 7.0)
    assert quantiles([np.nan]) == dict.fromkeys(("q05", "q50", "q95"))


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


def test_interval_is_cut_where_values_cannot_go() -> None:
    got = interval([0.0, 0.0, 9.0], lowest=0.0)
    assert got.low == 0
    assert got.high is not None
    assert got.high > 9
    assert interval([99.0, 100.0, 80.0], highest=100.0).high == 100


@pytest.mark.parametrize(("sd", "wanted"), [(1.0, 0.5), (3.0, 0.5), (0.2, 5.0), (40.0, 1.0)])
def test_replications_needed_are_the_fewest(sd: float, wanted: float) -> None:
    needed = replications_needed(sd, wanted)
    assert half_width(sd, needed) <= wanted
    assert needed == 2 or half_width(sd, needed - 1) > wanted
    assert replications_needed(sd, 1e-9, most=50) == 50
    assert replications_needed(0.0, wanted) == 2
