"""Grams of a course for every basis a rulebook may use."""

from __future__ import annotations

import numpy as np
import pytest

from allocation.dosing import exact_course_g
from allocation.rules.models import Band


def grams(regimen, *, dosing: object = 70.0, actual: object = 90.0, age: object = 40.0, ideal: object = 60.0):
    return exact_course_g(regimen, dosing_kg=dosing, actual_kg=actual, age_years=age, ideal_kg=ideal).tolist()


@pytest.mark.parametrize(
    ("basis", "weight"),
    [("rulebook", 70), ("actual", 90), ("booking", 90), ("booking_adjusted", 70), ("ideal", 60)],
)
def test_weight_basis(regimen, basis, weight) -> None:
    assert grams(regimen(weight_basis=basis, dose_use=2.0)) == [2 * weight]


def test_each_day_is_multiplied_out_before_the_cap(regimen) -> None:
    assert grams(regimen(dose_use=0.4, per="day", days_use=5)) == [pytest.approx(140)]
    assert grams(regimen(dose_use=0.4, per="day", days_use=5, cap_g_per_course=100)) == [100]


def test_cap_for_each_week(regimen) -> None:
    """As in gestational alloimmune liver disease: 1 g/kg, at most 60 g a week."""
    assert grams(regimen(cap_g_per_week=60.0), dosing=[50.0, 70.0]) == [50.0, 60.0]
    assert grams(regimen(cap_g_per_week=60.0, per="day", days_use=8)) == [120.0]


def test_cap_for_each_day(regimen) -> None:
    """As in the note on kidney transplants in the Prairie criteria: at most 140 g a day."""
    assert grams(regimen(dose_use=2.0, days_use=2, cap_g_per_day=140.0), dosing=[80.0, 150.0]) == [160.0, 280.0]
    assert grams(regimen(dose_use=2.0, cap_g_per_day=140.0), dosing=[60.0, 80.0]) == [120.0, 140.0]


def test_several_doses_a_day_by_mouth(regimen) -> None:
    """As for norovirus in the Prairie criteria: 25 to 45 mg four times a day for two days, at most 360 mg."""
    by_mouth = {"route": "ORAL", "basis": "g", "per": "dose", "doses_per_day": 4, "days_use": 2}
    assert grams(regimen(dose_use=0.035, cap_g_per_course=0.36, **by_mouth)) == [pytest.approx(0.28)]
    assert grams(regimen(dose_use=0.045, cap_g_per_course=0.36, **by_mouth)) == [pytest.approx(0.36)]
    assert grams(regimen(dose_use=0.05, cap_g_per_course=0.36, **by_mouth)) == [pytest.approx(0.36)]


def test_fixed_amount(regimen) -> None:
    assert grams(regimen(basis="g", dose_use=3.0), dosing=[50.0, np.nan]) == [3.0, 3.0]


def test_bands_hold_their_lower_edge(regimen) -> None:
    bands = (Band(from_=0, below=10, dose=0.5), Band(from_=10, below=None, dose=1.0))
    by_age = regimen(basis="g_by_age", dose_use=None, bands=bands)
    assert grams(by_age, age=[0.0, 9.99, 10.0, 70.0]) == [0.5, 0.5, 1.0, 1.0]
    by_weight = regimen(basis="g_by_weight", dose_use=None, bands=bands)
    assert grams(by_weight, actual=[9.99, 10.0], dosing=[50.0, 1.0]) == [0.5, 1.0]


def test_outside_all_bands_there_is_no_dose(regimen) -> None:
    bands = (Band(from_=1, below=10, dose=0.5),)
    found = grams(regimen(basis="g_by_age", dose_use=None, bands=bands), age=[0.5, 10.0])
    assert np.isnan(found).all()


def test_volume_with_concentration_and_cap(regimen) -> None:
    """As for infants exposed to measles: 0.6 ml/kg of a 16 % product, at most 1 g."""
    infant = regimen(
        basis="ml_per_kg", dose_use=0.6, concentration_g_per_ml=0.16, weight_basis="actual", cap_g_per_course=1.0
    )
    assert grams(infant, actual=[8.0, 12.0]) == [pytest.approx(0.768), 1.0]


def test_units_of_a_specific_immunoglobulin_are_no_grams_of_ours(regimen) -> None:
    assert grams(regimen(basis="iu", dose_use=250.0)) == [0.0]


def test_unknown_weight_stays_unknown_under_a_cap(regimen) -> None:
    assert np.isnan(grams(regimen(cap_g_per_course=10.0, cap_g_per_week=10.0), dosing=np.nan)).all()
