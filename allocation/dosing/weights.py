"""Ideal and dosing weights of adults and children.

Adults: ideal = base + slope x (height - reference height); the dosing weight lies a fraction of the way from ideal
to actual, and is the actual weight where that is lower. Children: a table of mean weights by age or by height, the
median body mass index for age times height squared, or the actual weight. Every figure comes from the rulebook or from
``data/parameters.toml``. No weight is rounded here, nor anywhere before the whole vials.

What each method covers, and what a person must look at:

======================  ============================================================================================
adult                   Any height; below ``height_range_low_cm`` flagged, as the formula was not made for it. Without
                        a height there is no dosing weight. From a BMI of ``bmi_flag_kg_m2`` on flagged.
``table_by_age``        From birth to the table's last age; needs no height. The rulebook's choice.
``table_by_height``     Weight of the mean child of that height; ages play no part.
``bmi_by_age``          From 2 years; below that the table by age, flagged. The medians are not British ones.
beyond a table          Its first or last row, flagged ``OUTSIDE_TABLE``.
newborn                 The rulebook's rule, flagged ``NEONATE``: the table's first row was born at term.
pregnancy               The weight at booking is what the cohort file asks for; see :mod:`allocation.dosing.cautions`.
amputation              The file asks for height and weight as before; see the same module.
======================  ============================================================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import Literal

import numpy as np
import numpy.typing as npt

from allocation.dosing.parameters import load_parameters
from allocation.errors import Fault, InputError
from allocation.quantities import CM_PER_M, DAYS_PER_YEAR
from allocation.rules.models import AdultWeightRule, ChildWeightRule, DosingRules

__all__ = ["ChildMethod", "WeightWarning", "Weights", "dosing_weights", "ideal_adult_kg"]

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
ChildMethod = Literal["table_by_age", "table_by_height", "bmi_by_age"]


class WeightWarning(IntFlag):
    """What a reader should know about a dosing weight; bits of ``Weights.warnings``."""

    NONE = 0
    HEIGHT_BELOW_FORMULA = 1
    BELOW_IDEAL = 2
    BMI_HIGH = 4
    CHILD = 8
    HEIGHT_MISSING = 16
    FORMULA_NOT_USABLE = 32
    NEONATE = 64
    OUTSIDE_TABLE = 128


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
    child_method: ChildMethod | None = None,
    warn: bool = True,
) -> Weights:
    """Ideal and dosing weights of one patient or of many.

    Parameters
    ----------
    rules
        Dosing rules of a rulebook.
    sex
        ``"M"`` or ``"F"``; or booleans, True for male.
    age_years, weight_kg
        Age and actual weight.
    height_cm
        Height; NaN where it is not known. Children dosed by age or by actual weight do not need it.
    child_method
        How the ideal weight of a child is found, instead of the rulebook's own method.
    warn
        Whether to look for what a reader should know of adults; without, they have no warnings, which is faster.

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
    _refuse(~((age >= 0) & (age < np.inf)), age, "age_years", "an age of 0 or more")
    _refuse(~((actual > 0) & (actual < np.inf)), actual, "weight_kg", "a weight above 0")
    _refuse((height <= 0) | (height == np.inf), height, "height_cm", "a height above 0")

    child = age < rules.child.below_age_years
    ideal, dosing, warnings = _adults(rules.adult, male=male, height_cm=height, actual_kg=actual, warn=warn)
    if child.any():
        young_ideal, young_dosing, young_warnings = _children(
            rules.child,
            method=child_method or rules.child.method,
            male=male[child],
            age_years=age[child],
            height_cm=height[child],
            actual_kg=actual[child],
        )
        ideal[child], dosing[child], warnings[child] = young_ideal, young_dosing, young_warnings
    return Weights(ideal_kg=ideal, dosing_kg=dosing, warnings=warnings)


def ideal_adult_kg(rule: AdultWeightRule, *, male: Bools, height_cm: Floats) -> Floats:
    """Ideal weight of adults by the rulebook's formula, in kg, not rounded; NaN without a height."""
    base = np.where(male, rule.base_kg_male, rule.base_kg_female)
    slope_kg, step_cm = rule.slope
    return base + slope_kg * (height_cm - rule.reference_height_cm) / step_cm


def _adults(
    rule: AdultWeightRule, *, male: Bools, height_cm: Floats, actual_kg: Floats, warn: bool
) -> tuple[Floats, Floats, npt.NDArray[np.uint8]]:
    ideal = ideal_adult_kg(rule, male=male, height_cm=height_cm)
    unusable = ideal <= 0
    below = actual_kg < ideal
    ideal[unusable] = np.nan
    dosing = ideal + rule.adjustment_fraction * (actual_kg - ideal)
    dosing = np.where(below | unusable, actual_kg, dosing)
    if not warn:
        return ideal, dosing, np.zeros(len(ideal), dtype=np.uint8)
    warnings = (
        _flag(height_cm < rule.height_range_low_cm, WeightWarning.HEIGHT_BELOW_FORMULA)
        | _flag(below, WeightWarning.BELOW_IDEAL)
        | _flag(np.isnan(height_cm), WeightWarning.HEIGHT_MISSING)
        | _flag(unusable, WeightWarning.FORMULA_NOT_USABLE)
    )
    if rule.bmi_flag_kg_m2 is not None:
        bmi = actual_kg / (height_cm / CM_PER_M) ** 2
        warnings |= _flag(bmi >= rule.bmi_flag_kg_m2, WeightWarning.BMI_HIGH)
    return ideal, dosing, warnings


def _children(
    rule: ChildWeightRule,
    *,
    method: ChildMethod,
    male: Bools,
    age_years: Floats,
    height_cm: Floats,
    actual_kg: Floats,
) -> tuple[Floats, Floats, npt.NDArray[np.uint8]]:
    if rule.mean_weight:
        ideal, outside = _ideal_child(rule, method, male=male, age_years=age_years, height_cm=height_cm)
    elif rule.basis == "ideal":
        raise InputError(Fault("the rulebook", "a table of children's mean weights", column="dosing.child.mean_weight"))
    else:
        ideal, outside = np.full(age_years.shape, np.nan), np.zeros(age_years.shape, dtype=bool)
    dosing = ideal.copy() if rule.basis == "ideal" else actual_kg.copy()
    # Ages come as fractions of a year, so 28 days may arrive a binary digit short.
    newborn = np.round(age_years * DAYS_PER_YEAR, 6) < load_parameters().neonate.below_days
    warnings = (
        np.full(age_years.shape, WeightWarning.CHILD, dtype=np.uint8)
        | _flag(actual_kg < ideal, WeightWarning.BELOW_IDEAL)
        | _flag(np.isnan(dosing), WeightWarning.HEIGHT_MISSING)
        | _flag(newborn, WeightWarning.NEONATE)
        | _flag(outside & (rule.basis == "ideal"), WeightWarning.OUTSIDE_TABLE)
    )
    return ideal, dosing, warnings


def _ideal_child(
    rule: ChildWeightRule, method: ChildMethod, *, male: Bools, age_years: Floats, height_cm: Floats
) -> tuple[Floats, Bools]:
    """Ideal weight in kg, NaN without a height that is needed, and whether the method's data end before the child."""
    ideal, outside = np.full(age_years.shape, np.nan), np.zeros(age_years.shape, dtype=bool)
    by_height = method == "table_by_height"
    asked = height_cm if by_height else age_years
    for sex, rows in (("M", male), ("F", ~male)):
        if rows.any():
            points, weights = _growth_curve(rule, sex=sex, by_height=by_height)
            # np.interp is constant beyond the ends of the table and passes NaN through.
            ideal[rows] = np.interp(asked[rows], points, weights)
            outside[rows] = (asked[rows] < points[0]) | (asked[rows] > points[-1])
    if method == "bmi_by_age":
        medians = load_parameters().child_bmi.row
        ages = np.array([row.age_years for row in medians])
        bmi = np.where(
            male,
            np.interp(age_years, ages, [row.male_kg_m2 for row in medians]),
            np.interp(age_years, ages, [row.female_kg_m2 for row in medians]),
        )
        covered = age_years >= ages[0]
        ideal = np.where(covered, bmi * (height_cm / CM_PER_M) ** 2, ideal)
        outside = ~covered | (age_years > ages[-1])
    return ideal, outside


def _growth_curve(rule: ChildWeightRule, *, sex: str, by_height: bool) -> tuple[Floats, Floats]:
    """Points of the table for one sex; a row of that sex goes before one for both at the same point."""
    curve: dict[float, float] = {}
    for row in sorted(rule.mean_weight, key=lambda row: row.sex):
        if row.sex in ("", sex):
            curve[row.height_cm if by_height else row.age_years] = row.weight_kg
    points = sorted(curve)
    return np.array(points), np.array([curve[point] for point in points])


def _is_male(sex: npt.ArrayLike) -> Bools:
    letters = np.asarray(sex)
    if letters.dtype == bool:
        return letters
    letters = letters.astype(object)
    male = np.asarray(letters == "M", dtype=bool)
    neither = ~(male | np.asarray(letters == "F", dtype=bool))
    _refuse(neither, letters, "sex", "M or F")
    return male


def _flag(where: Bools, flag: WeightWarning) -> npt.NDArray[np.uint8]:
    return where.astype(np.uint8) * np.uint8(flag)


def _refuse(wrong: Bools, values: npt.NDArray[np.generic], column: str, expected: str) -> None:
    if wrong.any():
        at = int(np.argmax(np.atleast_1d(wrong)))
        values = np.atleast_1d(values)
        row = at + 2 if values.size > 1 else None
        raise InputError(Fault("dosing weight", expected, row=row, column=column, value=str(values[at])))
