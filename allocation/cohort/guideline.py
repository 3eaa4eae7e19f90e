"""What the rulebook would give each patient of a cohort, and how that compares with what is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.demand import sexes_of
from allocation.cohort.in_use import cycle_weeks_of, regimens_in_use, vials_in_use
from allocation.dosing import ChildMethod, dosing_weights
from allocation.dosing.regimens import exact_courses_g
from allocation.dosing.vials import round_each
from allocation.quantities import MG_PER_G
from allocation.rules import ProductSet, Regimen, Rulebook

__all__ = ["Comparison", "Guideline", "compare", "guideline_of"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

COMPARED_WEEKS = 4
"""Weeks over which two treatments with different intervals are compared."""

# Vials come in tenths of a gram at the finest that anybody compares; less is binary dust.
_SAME_G = 0.05


@dataclass(frozen=True, slots=True)
class Guideline:
    """The rulebook's treatment of n patients; arrays of shape (n,), NaN where it has none.

    Attributes
    ----------
    ideal_kg, dosing_kg, flags
        Weights and their warnings, as of :func:`allocation.dosing.dosing_weights`.
    regimen, regimens
        Place of each patient's regimen in the list, -1 for none.
    vials, sizes
        Place of each patient's vial sizes in the list, in mg.
    exact_g, course_mg
        The course in use before vials, and in whole vials as the rulebook rounds (0 where there is none).
    low_g, high_g
        Printed range of the course by dosing weight; the dose in use at both ends where no range is printed. Each end
        reaches as far as its own whole-vial course, so that rounding as the rulebook asks never leaves the range.
    high_by_actual_g
        The upper end reckoned with the actual weight instead.
    interval_weeks, shortest_weeks, longest_weeks
        Interval in use and printed range; NaN for a single course.
    """

    ideal_kg: Floats
    dosing_kg: Floats
    flags: npt.NDArray[np.uint8]
    regimen: Ints
    regimens: tuple[Regimen, ...]
    vials: Ints
    sizes: tuple[tuple[int, ...], ...]
    exact_g: Floats
    course_mg: Ints
    low_g: Floats
    high_g: Floats
    high_by_actual_g: Floats
    interval_weeks: Floats
    shortest_weeks: Floats
    longest_weeks: Floats

    @property
    def known(self) -> Bools:
        """Who has a guideline course."""
        return ~np.isnan(self.exact_g)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Recorded treatment against the guideline; arrays of shape (n,).

    Attributes
    ----------
    difference_g
        Recorded course less the guideline's whole-vial course; NaN where either is not known.
    difference_g_per_4_weeks
        The same for grams every four weeks; NaN unless both repeat.
    beyond_g
        Grams by which the recorded treatment lies above (positive) or below (negative) the printed range, 0 inside;
        a course, or every four weeks where the intervals differ. NaN where either is not known.
    text
        The comparison in words.
    """

    difference_g: Floats
    difference_g_per_4_weeks: Floats
    beyond_g: Floats
    text: npt.NDArray[np.object_]


def guideline_of(
    graded: pd.DataFrame,
    *,
    rulebook: Rulebook,
    products: ProductSet,
    as_of: date,
    child_method: ChildMethod | None = None,
) -> Guideline:
    """The rulebook's treatment of each patient of a graded cohort, whatever is recorded.

    Raises
    ------
    InputError
        Where a code is not known, or a weight, age or sex cannot be used; with its row.
    """
    rulebook = rulebook.on(as_of)
    age, actual, height = (graded[name].to_numpy(dtype=np.float64) for name in ("age_years", "weight_kg", "height_cm"))
    weights = dosing_weights(
        rulebook.dosing,
        sex=sexes_of(graded["sex"]),
        age_years=age,
        height_cm=height,
        weight_kg=actual,
        child_method=child_method,
    )
    in_use, regimens = regimens_in_use(rulebook, graded, as_of=as_of)
    vials, sizes = vials_in_use(graded, products)
    rows = np.flatnonzero(in_use >= 0)
    usual = {
        "dosing_kg": weights.dosing_kg[rows],
        "actual_kg": actual[rows],
        "age_years": age[rows],
        "ideal_kg": weights.ideal_kg[rows],
    }
    by_weight = {**usual, "dosing_kg": actual[rows], "ideal_kg": actual[rows]}
    lowest, highest = ([_at_dose(r, getattr(r, end)) for r in regimens] for end in ("dose_low", "dose_high"))
    exact, low, high, by_actual = (np.full(len(graded), np.nan) for _ in range(4))
    exact[rows] = exact_courses_g(regimens, in_use[rows], **usual)
    low[rows] = np.minimum(exact_courses_g(lowest, in_use[rows], **usual), exact[rows])
    high[rows] = np.maximum(exact_courses_g(highest, in_use[rows], **usual), exact[rows])
    by_actual[rows] = exact_courses_g(highest, in_use[rows], **by_weight)

    some = np.flatnonzero(exact > 0)
    smallest = np.array([sizes_mg[0] for sizes_mg in sizes], dtype=np.int64)[vials[some]]

    def in_vials(grams: Floats) -> Ints:
        return np.maximum(round_each(grams[some], vials[some], sizes, rulebook.dosing.rounding), smallest)

    course = np.zeros(len(graded), dtype=np.int64)
    course[some] = in_vials(exact)
    low[some] = np.minimum(low[some], in_vials(low) / MG_PER_G)
    high[some] = np.maximum(high[some], in_vials(high) / MG_PER_G)
    by_actual[some] = np.maximum(by_actual[some], in_vials(by_actual) / MG_PER_G)
    intervals = np.array([[np.nan] * 3, *map(_intervals, regimens)])[in_use + 1]
    return Guideline(
        ideal_kg=weights.ideal_kg,
        dosing_kg=weights.dosing_kg,
        flags=weights.warnings,
        regimen=in_use,
        regimens=tuple(regimens),
        vials=vials,
        sizes=tuple(sizes),
        exact_g=exact,
        course_mg=course,
        low_g=low,
        high_g=high,
        high_by_actual_g=by_actual,
        interval_weeks=intervals[:, 0],
        shortest_weeks=intervals[:, 1],
        longest_weeks=intervals[:, 2],
    )


def compare(graded: pd.DataFrame, guideline: Guideline) -> Comparison:
    """Recorded dose and interval against the guideline's, patient by patient.

    A single course, or one repeated at an interval that the guideline prints too, is compared course by course. Where
    the intervals differ, grams every four weeks are compared: more often and less at a time may come to the same.
    """
    recorded, weeks = (graded[name].to_numpy(dtype=np.float64) for name in ("dose_g", "interval_weeks"))
    both = ~np.isnan(recorded) & guideline.known
    course = np.where(both, guideline.course_mg / MG_PER_G, np.nan)
    known_weeks = np.where(np.isnan(weeks), guideline.interval_weeks, weeks)
    shortest, longest = guideline.shortest_weeks, guideline.longest_weeks
    by_course = both & (np.isnan(weeks) | np.isnan(shortest) | ((weeks >= shortest) & (weeks <= longest)))
    factor = COMPARED_WEEKS / known_weeks
    rate_low, rate_high = (
        np.where(by_course, guideline.low_g, guideline.low_g * COMPARED_WEEKS / longest),
        np.where(by_course, guideline.high_g, guideline.high_g * COMPARED_WEEKS / shortest),
    )
    given = np.where(by_course, recorded, recorded * factor)
    beyond = np.where(given > rate_high, given - rate_high, np.where(given < rate_low, given - rate_low, 0.0))
    beyond = np.where(both, np.where(np.abs(beyond) < _SAME_G, 0.0, beyond), np.nan)
    difference = np.where(both, recorded - course, np.nan)
    every_four = recorded * factor - course * COMPARED_WEEKS / guideline.interval_weeks
    return Comparison(
        difference_g=difference,
        difference_g_per_4_weeks=np.where(both, every_four, np.nan),
        beyond_g=beyond,
        text=_in_words(recorded, guideline.known, beyond, difference, by_course=by_course),
    )


def _in_words(
    recorded: Floats, known: Bools, beyond: Floats, difference: Floats, *, by_course: Bools
) -> npt.NDArray[np.object_]:
    text = np.full(recorded.shape, "", dtype=object)
    text[np.isnan(recorded) & known] = "no dose on record: the guideline's is used"
    text[~np.isnan(recorded) & ~known] = "no guideline dose"
    text[np.isnan(recorded) & ~known] = "no dose known"
    inside = beyond == 0
    text[inside] = "as the guideline"
    text[inside & (np.abs(difference) >= _SAME_G)] = "within the guideline's range"
    for rows, word in ((beyond > 0, "above"), (beyond < 0, "below")):
        for row in np.flatnonzero(rows).tolist():
            unit = "a course" if by_course[row] else f"every {COMPARED_WEEKS} weeks"
            text[row] = f"{word} guideline by {abs(beyond[row]):.1f} g {unit}".replace(".0 g", " g")
    return text


def _at_dose(regimen: Regimen, dose: float | None) -> Regimen:
    """The regimen with another dose in use; the same where it prints no such dose."""
    return regimen if dose is None else regimen.model_copy(update={"dose_use": dose})


def _intervals(regimen: Regimen) -> list[float]:
    use = cycle_weeks_of(regimen)
    return [use, min(regimen.interval_weeks_low or use, use), max(regimen.interval_weeks_high or use, use)]
