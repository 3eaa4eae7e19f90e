"""Titration to a trough level: +0.73 g/L for +100 mg/kg every three to four weeks."""

from __future__ import annotations

import numpy as np
import pytest

from allocation.dosing.schedule import make_schedule
from allocation.dosing.trough import dose_for_trough_g, expected_trough_g_per_l, titration_phases
from allocation.errors import InputError

NOW = {"interval_weeks": 4, "weight_kg": 70, "trough_g_per_l": 6.0}


def test_the_published_relation() -> None:
    """Lee et al. 2020: 0.73 g/L more with 100 mg/kg more, which is 7 g for 70 kg."""
    assert dose_for_trough_g(28, **NOW, target_g_per_l=6.73)[0] == pytest.approx(35)
    risen = expected_trough_g_per_l(6.0, before_g=28, after_g=35, interval_weeks=4, weight_kg=70)
    assert risen[0] == pytest.approx(6.73)


def test_up_down_and_never_below_nothing() -> None:
    assert dose_for_trough_g(28, **NOW, target_g_per_l=6.0)[0] == 28
    assert dose_for_trough_g(28, **NOW, target_g_per_l=5.27)[0] == pytest.approx(21)
    assert dose_for_trough_g(1, **NOW, target_g_per_l=3)[0] == 0


def test_the_two_undo_each_other_for_many() -> None:
    rng = np.random.default_rng(7)
    course, weight = rng.uniform(10, 60, 50), rng.uniform(30, 110, 50)
    trough, target = rng.uniform(4, 8, 50), rng.uniform(8, 12, 50)
    dose = dose_for_trough_g(course, interval_weeks=3, weight_kg=weight, trough_g_per_l=trough, target_g_per_l=target)
    reached = expected_trough_g_per_l(trough, before_g=course, after_g=dose, interval_weeks=3, weight_kg=weight)
    assert reached == pytest.approx(target)


def test_titration_on_days() -> None:
    phases = titration_phases(25_000, **NOW, target_g_per_l=8.0, courses_before=3, vial_mg=(2500, 5000, 10000))
    schedule = make_schedule(phases, weeks=24)
    assert [course.mg for course in schedule.courses] == [25_000] * 3 + [45_000] * 3


@pytest.mark.parametrize(("interval", "fits"), [(2.9, False), (3, True), (4, True), (4.1, False), (1, False)])
def test_only_for_the_intervals_that_were_measured(interval, fits) -> None:
    asked = {**NOW, "interval_weeks": interval, "target_g_per_l": 8.0}
    if fits:
        assert dose_for_trough_g(28, **asked)[0] > 28
    else:
        with pytest.raises(InputError, match="interval_weeks"):
            dose_for_trough_g(28, **asked)


@pytest.mark.parametrize("name", ["weight_kg", "trough_g_per_l", "target_g_per_l"])
def test_impossible_values_are_refused_by_name(name) -> None:
    with pytest.raises(InputError, match=name):
        dose_for_trough_g(28, **{**NOW, "target_g_per_l": 8.0, name: 0.0})
