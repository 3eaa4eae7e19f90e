"""Ideal and dosing weights against published cases, and at every boundary."""

from __future__ import annotations

import numpy as np
import pytest

from allocation.dosing import WeightWarning, dosing_weights
from allocation.errors import InputError

# Devine's formula in inches, as the Australian National Blood Authority's calculator and the Prairie criteria use it.
IN_INCHES = {"slope_kg_per_cm": None, "slope_kg_per_inch": 2.3}


def one(rules, *, sex: str = "M", age: float = 45, height: float = 170, weight: float = 84):
    weights = dosing_weights(rules, sex=sex, age_years=age, height_cm=height, weight_kg=weight)
    return float(weights.ideal_kg[0]), float(weights.dosing_kg[0]), WeightWarning(int(weights.warnings[0]))


def test_worked_example_of_the_nhs_plan(dosing_rules) -> None:
    ideal, dosing, warnings = one(dosing_rules())
    assert ideal == pytest.approx(66.016, abs=1e-12)
    assert dosing == pytest.approx(73.2096, abs=1e-12)
    assert warnings == WeightWarning.NONE


@pytest.mark.parametrize(
    ("sex", "height", "weight", "ideal", "dosing"),
    [("M", 175, 100, 70.465, 82.279), ("F", 160, 90, 52.382, 67.429), ("M", 180, 120, 74.992, 92.995)],
)
def test_australian_cases_in_inches(dosing_rules, sex, height, weight, ideal, dosing) -> None:
    """Published by the National Blood Authority of Australia for its dosing weight calculator."""
    found = one(dosing_rules(adult=IN_INCHES), sex=sex, height=height, weight=weight)
    assert found[0] == pytest.approx(ideal, abs=5e-4)
    assert found[1] == pytest.approx(dosing, abs=1e-3)


def test_inches_and_centimetres_give_the_same_weight(dosing_rules) -> None:
    by_cm = one(dosing_rules(adult={"slope_kg_per_cm": 2.3 / 2.54}), height=183.5, weight=97.3)
    by_inch = one(dosing_rules(adult=IN_INCHES), height=183.5, weight=97.3)
    assert by_inch[:2] == pytest.approx(by_cm[:2], abs=1e-9)
    assert by_inch[2] == by_cm[2]


def test_weights_are_not_rounded_on_the_way(dosing_rules) -> None:
    """Man, 175 cm, 100 kg, 2 g/kg: 164.56 g; rounding the weight first would make it 164.4 g or less."""
    _, dosing, _ = one(dosing_rules(adult=IN_INCHES), height=175, weight=100)
    assert 2 * dosing == pytest.approx(164.56, abs=5e-3)


@pytest.mark.parametrize(
    ("weight", "dosing", "below"), [(60.0, 60.0, True), (66.015, 66.015, True), (66.0160001, 66.01600004, False)]
)
def test_actual_below_ideal_gives_actual(dosing_rules, weight, dosing, below) -> None:
    found = one(dosing_rules(), weight=weight)
    assert found[1] == pytest.approx(dosing, abs=1e-9)
    assert (WeightWarning.BELOW_IDEAL in found[2]) is below


@pytest.mark.parametrize(("height", "flagged"), [(152.3, True), (152.4, False)])
def test_height_below_the_formula_is_flagged(dosing_rules, height, flagged) -> None:
    """The Ontario calculator takes heights from 152.4 cm only."""
    assert (WeightWarning.HEIGHT_BELOW_FORMULA in one(dosing_rules(), height=height, weight=60)[2]) is flagged


def test_formula_without_a_positive_weight_falls_back_to_actual(dosing_rules) -> None:
    ideal, dosing, warnings = one(dosing_rules(), sex="F", height=100, weight=30)
    assert np.isnan(ideal)
    assert dosing == 30
    assert WeightWarning.FORMULA_NOT_USABLE in warnings
    assert WeightWarning.HEIGHT_BELOW_FORMULA in warnings


def test_body_mass_index_flag_comes_from_the_rules(dosing_rules) -> None:
    rules = dosing_rules(adult={"bmi_flag_kg_m2": 30.0})
    assert WeightWarning.BMI_HIGH in one(rules, height=200, weight=120)[2]
    assert WeightWarning.BMI_HIGH not in one(rules, height=200, weight=119.9)[2]
    assert WeightWarning.BMI_HIGH not in one(dosing_rules(), height=150, weight=200)[2]


def test_adult_without_height_has_no_dosing_weight(dosing_rules) -> None:
    ideal, dosing, warnings = one(dosing_rules(), height=np.nan)
    assert np.isnan(ideal)
    assert np.isnan(dosing)
    assert WeightWarning.HEIGHT_MISSING in warnings


@pytest.mark.parametrize(
    ("sex", "age", "ideal"),
    [
        ("M", 0.1, 4.05),
        ("F", 0.5, 6.25),
        ("M", 1, 9),
        ("M", 5.5, 20.5),
        ("M", 12, 40.5),
        ("F", 12, 41),
        ("M", 14, 49),
        ("F", 14, 50),
    ],
)
def test_child_by_age_between_the_rows_of_the_table(dosing_rules, sex, age, ideal) -> None:
    found = one(dosing_rules(), sex=sex, age=age, height=np.nan, weight=200)
    assert found[0] == pytest.approx(ideal)
    assert found[1] == found[0]
    assert found[2] == WeightWarning.CHILD


def test_child_below_ideal_keeps_the_ideal_weight(dosing_rules) -> None:
    _, dosing, warnings = one(dosing_rules(), age=10, weight=20)
    assert dosing == 32
    assert warnings == WeightWarning.CHILD | WeightWarning.BELOW_IDEAL


def test_child_by_height(dosing_rules) -> None:
    rules = dosing_rules(child={"method": "table_by_height"})
    assert one(rules, age=3, height=63)[1] == pytest.approx(6.25)
    assert one(rules, age=3, height=30)[1] == 3.5
    ideal, dosing, warnings = one(rules, age=3, height=np.nan)
    assert np.isnan([ideal, dosing]).all()
    assert WeightWarning.HEIGHT_MISSING in warnings


def test_child_by_actual_weight(dosing_rules) -> None:
    ideal, dosing, _ = one(dosing_rules(child={"basis": "actual", "mean_weight": ()}), age=4, height=np.nan, weight=17)
    assert dosing == 17
    assert np.isnan(ideal)


def test_adulthood_begins_on_the_birthday_of_the_rules(dosing_rules) -> None:
    assert WeightWarning.CHILD in one(dosing_rules(), age=17.999)[2]
    assert WeightWarning.CHILD not in one(dosing_rules(), age=18)[2]


def test_ideal_basis_without_a_table_is_refused(dosing_rules) -> None:
    with pytest.raises(InputError, match="mean_weight"):
        one(dosing_rules(child={"mean_weight": ()}), age=4)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sex", "X"),
        ("sex", ""),
        ("age_years", -1.0),
        ("age_years", np.nan),
        ("weight_kg", 0.0),
        ("weight_kg", np.nan),
        ("weight_kg", np.inf),
        ("height_cm", 0.0),
    ],
)
def test_impossible_values_are_refused_by_name(dosing_rules, column, value) -> None:
    patient = {"sex": "M", "age_years": 45.0, "height_cm": 170.0, "weight_kg": 84.0, column: value}
    with pytest.raises(InputError, match=column):
        dosing_weights(dosing_rules(), **patient)


@pytest.mark.parametrize(("days", "newborn"), [(0, True), (27, True), (27.99, True), (28, False), (29, False)])
def test_a_newborn_is_flagged_below_28_days(dosing_rules, days, newborn) -> None:
    ideal, _, warnings = one(dosing_rules(), age=days / 365.25, height=np.nan, weight=2.1)
    assert (WeightWarning.NEONATE in warnings) is newborn
    assert ideal >= 3.5
    assert WeightWarning.BELOW_IDEAL in warnings


def test_no_adult_is_a_newborn_and_a_rulebook_by_actual_weight_flags_one_too(dosing_rules) -> None:
    assert WeightWarning.NEONATE not in one(dosing_rules())[2]
    by_actual = dosing_rules(child={"basis": "actual", "mean_weight": ()})
    assert WeightWarning.NEONATE in one(by_actual, age=0.01, height=np.nan, weight=2)[2]


@pytest.mark.parametrize(
    ("method", "age", "height", "outside"),
    [
        ("table_by_age", 14, 170, False),
        ("table_by_age", 14.01, 170, True),
        ("table_by_height", 3, 51, False),
        ("table_by_height", 3, 50.9, True),
        ("table_by_height", 13, 163, False),
        ("table_by_height", 13, 163.1, True),
        ("bmi_by_age", 2, 86, False),
        ("bmi_by_age", 1.99, 86, True),
        ("bmi_by_age", 17.99, 180, False),
    ],
)
def test_where_the_data_of_a_method_end(dosing_rules, method, age, height, outside) -> None:
    found = dosing_weights(dosing_rules(), sex="M", age_years=age, height_cm=height, weight_kg=30, child_method=method)
    assert bool(found.warnings[0] & WeightWarning.OUTSIDE_TABLE) is outside
    assert np.isfinite(found.dosing_kg[0])


@pytest.mark.parametrize(
    ("sex", "age", "height", "ideal"),
    [
        ("M", 2, 100, 16.58),
        ("F", 2, 100, 16.42),
        ("M", 10.0417, 140, 16.65 * 1.96),
        ("F", 12.0417, 150, 18.10 * 2.25),
        ("M", 1, 75, 9),
    ],
)
def test_child_by_median_body_mass_index(dosing_rules, sex, age, height, ideal) -> None:
    """Median x height squared; below two years, where it has no data, the table by age."""
    rules = dosing_rules()
    found = dosing_weights(rules, sex=sex, age_years=age, height_cm=height, weight_kg=40, child_method="bmi_by_age")
    assert found.dosing_kg[0] == pytest.approx(ideal)


def test_body_mass_index_needs_a_height(dosing_rules) -> None:
    found = dosing_weights(
        dosing_rules(), sex="M", age_years=5, height_cm=np.nan, weight_kg=18, child_method="bmi_by_age"
    )
    assert np.isnan(found.dosing_kg[0])
    assert found.warnings[0] & WeightWarning.HEIGHT_MISSING


def test_the_method_does_not_touch_adults_or_children_by_actual_weight(dosing_rules) -> None:
    for method in ("table_by_age", "table_by_height", "bmi_by_age"):
        adult = dosing_weights(dosing_rules(), sex="M", age_years=45, height_cm=170, weight_kg=84, child_method=method)
        assert adult.dosing_kg[0] == pytest.approx(73.2096)
        by_actual = dosing_rules(child={"basis": "actual"})
        child = dosing_weights(by_actual, sex="F", age_years=5, height_cm=110, weight_kg=21, child_method=method)
        assert child.dosing_kg[0] == 21


def test_sex_as_booleans(dosing_rules) -> None:
    letters = dosing_weights(dosing_rules(), sex=["M", "F"], age_years=45, height_cm=170, weight_kg=84)
    booleans = dosing_weights(dosing_rules(), sex=[True, False], age_years=45, height_cm=170, weight_kg=84)
    assert letters.dosing_kg.tobytes() == booleans.dosing_kg.tobytes()


def test_a_fault_among_many_names_its_row(dosing_rules) -> None:
    with pytest.raises(InputError, match=r"row 4, weight_kg: found '0.0'"):
        dosing_weights(dosing_rules(), sex="M", age_years=40, height_cm=170, weight_kg=[80.0, 70.0, 0.0])
