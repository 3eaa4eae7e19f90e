"""How much is held back for acute grade 4 patients yet to come."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from allocation.optimise.reserve import compound_poisson_quantile_mg, emergency_reserve


@pytest.mark.parametrize("mean", [0.2, 1.0, 7.5, 60.0])
@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99])
def test_equal_courses_give_the_poisson_quantile(mean, quantile):
    found = compound_poisson_quantile_mg(np.array([5000, 5000]), mean_courses=mean, quantile=quantile)
    assert found == int(stats.poisson.ppf(quantile, mean)) * 5000


def test_unequal_courses_agree_with_drawing_them():
    sizes = np.array([20_000, 35_000, 35_000, 140_000])
    rng = np.random.default_rng(11)
    totals = [rng.choice(sizes, n).sum() for n in rng.poisson(6.0, 40_000)]
    found = compound_poisson_quantile_mg(sizes, mean_courses=6.0, quantile=0.95)
    assert found == pytest.approx(np.quantile(totals, 0.95), rel=0.02)


def test_many_courses_agree_with_the_normal_approximation():
    sizes = np.array([20_000, 30_000])
    near = compound_poisson_quantile_mg(sizes, mean_courses=600.0, quantile=0.95)
    beyond = compound_poisson_quantile_mg(sizes, mean_courses=700.0, quantile=0.95)
    for found, mean in ((near, 600.0), (beyond, 700.0)):
        expected = mean * 25_000 + stats.norm.ppf(0.95) * np.sqrt(mean * (sizes.astype(float) ** 2).mean())
        assert found == pytest.approx(expected, rel=0.002)


def test_odd_sizes_err_to_the_safe_side():
    exact = compound_poisson_quantile_mg(np.array([35_000]), mean_courses=3.0, quantile=0.95)
    odd = compound_poisson_quantile_mg(np.array([35_000, 34_999]), mean_courses=3.0, quantile=0.95)
    assert exact <= odd <= exact * 1.02


@pytest.mark.parametrize(("mean", "quantile"), [(0.0, 0.95), (1.0, 0.0)])
def test_nothing_expected_holds_nothing(mean, quantile):
    assert compound_poisson_quantile_mg(np.array([5000]), mean_courses=mean, quantile=quantile) == 0
    assert compound_poisson_quantile_mg(np.zeros(0, dtype=np.int64), mean_courses=1.0, quantile=0.95) == 0


def test_a_rare_course_below_the_quantile_is_not_held():
    assert compound_poisson_quantile_mg(np.array([5000]), mean_courses=0.04, quantile=0.95) == 0


def test_pools_follow_the_tier(small):
    acute = {"grade": 4, "acute": True, "due_g": 100}
    demand = small.patients(
        *({**acute, "panel": panel} for panel in ("P1", "P2", "P3", "P3")),
        {**acute, "funded": False},
        {**acute, "grade": 3},
        {"grade": 4, "due_g": 100},
    )
    places = small.panels(P1="North", P2="North", P3="South")
    found = {n: emergency_reserve(demand, small.tier(n), places, weeks=4) for n in (1, 2, 3, 4)}
    assert found[1].empty
    assert found[2].empty
    # Two courses in four weeks are half a course in the one week to be covered; 2 is its 95th centile.
    assert found[3].values.tolist() == [["North", 200_000], ["South", 200_000]]
    assert found[4].values.tolist() == [["NATIONAL", 300_000]]


def test_no_acute_column_and_no_weeks(small):
    demand = small.patients({"grade": 4, "due_g": 100}).drop(columns="acute")
    places = small.panels(P1="North")
    assert emergency_reserve(demand, small.tier(4), places, weeks=4).empty
    with pytest.raises(ValueError, match="more than 0 weeks"):
        emergency_reserve(demand, small.tier(4), places, weeks=0)
