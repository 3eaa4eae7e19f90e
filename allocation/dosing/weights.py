"""Ideal and dosing weights of adults and children.

Adults: ideal = base + slope x (height - reference height); the dosing weight lies a fraction of the way from ideal
to actual, and is the actual weight where that is lower. Children: a table of mean weights, or the actual weight.
Every figure comes from the rulebook. No weight is rounded here, nor anywhere before the whole vials.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
import numpy.typing as npt

from allocation.errors import Fault, InputError
from allocation.rules.models import AdultWeightRule, ChildWeightRule, DosingRules

__all__ = ["WeightWarning", "Weights", "dosing_weights", "ideal_adult_kg"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_CM_PER_M = 100


class WeightWarning(IntFlag):
    """What a reader should know about a dosing weight; bits of ``Weights.warnings``."""

    NONE = 0
    HEIGHT_BELOW_FORMULA = 1
    BELOW_IDEAL = 2
    BMI_HIGH = 4
    CHILD = 8
    HEIGHT_MISSING = 16
    FORMULA_NOT_USABLE = 32


@dataclass(frozen=True, slots=True)
class Weights:
    """Weights of n patients.

    Attributes
    ----------
    ideal_kg
        Ideal weight, shape (n,); NaN where the rulebook has no way to find it.
    dosing_kg
        Weight the dose is reckoned from, shape (n,); NaN where it needs a height that is missing.
    warnings
        Bits of :class:`WeightWarning`, shape (n,), unsigned 8-bit.
    """

    ideal_kg: Floats
    dosing_kg: Floats
    warnings: npt.NDArray[np.uint8]


def dosing_weights(
    rules: DosingRules,
    *,
    sex: npt.ArrayLike,
    age_years: npt.ArrayLike,
    height_cm: npt.ArrayLike,
    weight_kg: npt.ArrayLike,
) -> Weights:
    """Ideal and dosing weights of one patient or of many.

    Parameters
    ----------
    rules
        Dosing rules of a rulebook.
    sex
        ``"M"`` or ``"F"``.
    age_years, weight_kg
        Age and actual weight.
    height_cm
        Height; NaN where it is not known. Children dosed by age or by actual weight do not need it.

    Returns
    -------
    Weights
        Arrays of one dimension; a scalar is an array of size 1.

    Raises
    ------
    InputError
        For a sex other than M and F, an age that is not 0 or more, a weight or height that is not above 0.

    Notes
    -----
    A height for which the adult formula gives no positive weight leaves nothing to adjust: the actual weight is
    used and ``FORMULA_NOT_USABLE`` set.
    """
    male, age, height, actual = (
        np.atleast_1d(each)
        for each in np.broadcast_arrays(
            _is_male(sex),
            np.asarray(age_years, dtype=np.float64),
            np.asarray(height_cm, dtype=np.float64),
            np.asarray(weight_kg, dtype=np.float64),
        )
    )
    _refuse(~(age >= 0) | np.isinf(age), age, "age_years", "an age of 0 or more")
    _refuse(~(actual > 0) | np.isinf(actual), actual, "weight_kg", "a weight above 0")
    _refuse((height <= 0) | np.isinf(height), height, "height_cm", "a height above 0")

    child = age < rules.child.below_age_years
    ideal, dosing, warnings = _adults(rules.adult, male=male, height_cm=height, actual_kg=actual)
    if child.any():
        young_ideal, young_dosing, young_warnings = _children(
            rules.child, male=male[child], age_years=age[child], height_cm=height[child], actual_kg=actual[child]
        )
        ideal[child], dosing[child], warnings[child] = young_ideal, young_dosing, young_warnings
    return Weights(ideal_kg=ideal, dosing_kg=dosing, warnings=warnings)


def ideal_adult_kg(rule: AdultWeightRule, *, male: Bools, height_cm: Floats) -> Floats:
    """Ideal weight of adults by the rulebook's formula, in kg, not rounded; NaN without a height."""
    base = np.where(male, rule.base_kg_male, rule.base_kg_female)
    return base + rule.slope_kg_per_cm * (height_cm - rule.reference_height_cm)


def _adults(
    rule: AdultWeightRule, *, male: Bools, height_cm: Floats, actual_kg: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.uint8]]:
    ideal = ideal_adult_kg(rule, male=male, height_cm=height_cm)
    unknown = np.isnan(height_cm)
    unusable = ideal <= 0
    below = actual_kg < ideal
    ideal[unusable] = np.nan
    dosing = ideal + rule.adjustment_fraction * (actual_kg - ideal)
    dosing = np.where(below | unusable, actual_kg, dosing)
    warnings = (
        _flag(height_cm < rule.height_range_low_cm, WeightWarning.HEIGHT_BELOW_FORMULA)
        | _flag(below, WeightWarning.BELOW_IDEAL)
        | _flag(unknown, WeightWarning.HEIGHT_MISSING)
        | _flag(unusable, WeightWarning.FORMULA_NOT_USABLE)
    )
    if rule.bmi_flag_kg_m2 is not None:
        bmi = actual_kg / (height_cm / _CM_PER_M) ** 2
        warnings |= _flag(bmi >= rule.bmi_flag_kg_m2, WeightWarning.BMI_HIGH)
    return ideal, dosing, warnings


def _children(
    rule: ChildWeightRule, *, male: Bools, age_years: Floats, height_cm: Floats, actual_kg: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.uint8]]:
    by_height = rule.method == "table_by_height"
    ideal = np.full(age_years.shape, np.nan)
    if rule.mean_weight:
        asked = height_cm if by_height else age_years
        for sex, rows in (("M", male), ("F", ~male)):
            if rows.any():
                points, weights = _growth_curve(rule, sex=sex, by_height=by_height)
                # np.interp is constant beyond the ends of the table and passes NaN through.
                ideal[rows] = np.interp(asked[rows], points, weights)
    elif rule.basis == "ideal":
        raise InputError(Fault("the rulebook", "a table of children's mean weights", column="dosing.child.mean_weight"))
    dosing = ideal.copy() if rule.basis == "ideal" else actual_kg.copy()
    warnings = (
        np.full(age_years.shape, WeightWarning.CHILD, dtype=np.uint8)
        | _flag(actual_kg < ideal, WeightWarning.BELOW_IDEAL)
        | _flag(np.isnan(dosing), WeightWarning.HEIGHT_MISSING)
    )
    return ideal, dosing, warnings


def _growth_curve(rule: ChildWeightRule, *, sex: str, by_height: bool) -> tuple[Floats, Floats]:
    """Points of the table for one sex; a row of that sex goes before one for both at the same point."""
    curve: dict[float, float] = {}
    for row in sorted(rule.mean_weight, key=lambda row: row.sex):
        if row.sex in ("", sex):
            curve[row.height_cm if by_height else row.age_years] = row.weight_kg
    points = sorted(curve)
    return np.array(points), np.array([curve[point] for point in points])


def _is_male(sex: npt.ArrayLike) -> Bools:
    letters = np.asarray(sex, dtype=object)
    male = np.asarray(letters == "M", dtype=bool)
    neither = ~(male | np.asarray(letters == "F", dtype=bool))
    _refuse(neither, letters, "sex", "M or F")
    return male


def _flag(where: Bools, flag: WeightWarning) -> npt.NDArray[np.uint8]:
    return where.astype(np.uint8) * np.uint8(flag)


def _refuse(wrong: Bools, values: npt.NDArray[np.generic], column: str, expected: str) -> None:
    if wrong.any():
        first = np.atleast_1d(values)[np.atleast_1d(wrong)][0]
        raise InputError(Fault("dosing weight", expected, column=column, value=str(first)))
