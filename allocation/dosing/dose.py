"""The dose of one patient, with every step in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from allocation.dosing.days import daily_limit_mg, fewest_days, split_days
from allocation.dosing.vials import check_sizes, in_grams, round_to_vials
from allocation.dosing.weights import ChildMethod, dosing_weights
from allocation.dosing.words import (
    DoseWarning,
    day_steps,
    rounding_step,
    together,
    total_mg,
    weight_steps,
    weight_warnings,
)
from allocation.errors import Fault, InputError
from allocation.quantities import MG_PER_G
from allocation.rules.models import DosingRules, Rulebook

__all__ = ["Dose", "DoseWarning", "dose_patient"]

# A course longer than this is a slip of the keyboard, and the split over days would take for ever.
_MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class Dose:
    """One patient's course.

    Attributes
    ----------
    ideal_weight_kg, dosing_weight_kg, exact_g
        Weights and exact course, not rounded; ``ideal_weight_kg`` is None where the rulebook has no way to find it.
    course_mg
        Course in whole vials.
    days
        Vials of each day: size in mg to number, larger days first.
    warnings, steps
        What to look at again; the arithmetic in plain sentences.
    """

    ideal_weight_kg: float | None
    dosing_weight_kg: float
    exact_g: float
    course_mg: int
    days: tuple[Mapping[int, int], ...]
    warnings: tuple[DoseWarning, ...]
    steps: tuple[str, ...]

    @property
    def daily_mg(self) -> tuple[int, ...]:
        """Milligrams of each day, larger first."""
        return tuple(total_mg(day) for day in self.days)

    @property
    def vials(self) -> dict[int, int]:
        """Vials of the whole course, size in mg to number, larger sizes first: those of the days together."""
        return together(self.days)

    def as_dict(self) -> dict[str, object]:
        """The dose as JSON: weights and the exact course to one decimal, everything in whole vials exactly."""
        ideal = self.ideal_weight_kg
        return {
            "ideal_weight_kg": None if ideal is None else round(ideal, 1),
            "dosing_weight_kg": round(self.dosing_weight_kg, 1),
            "exact_g": round(self.exact_g, 1),
            "course_g": _grams(self.course_mg),
            "daily_g": [_grams(amount) for amount in self.daily_mg],
            "vials": {in_grams(size): count for size, count in self.vials.items()},
            "warnings": [str(warning) for warning in self.warnings],
            "steps": list(self.steps),
        }


def dose_patient(
    rulebook: Rulebook,
    *,
    sex: str,
    age_years: float,
    height_cm: float | None,
    weight_kg: float,
    g_per_kg: float,
    days: int,
    vial_mg: tuple[int, ...],
    rounding: Literal["down", "nearest"] | None = None,
    child_method: ChildMethod | None = None,
) -> Dose:
    """Dose one patient by a rulebook's rules.

    Parameters
    ----------
    rulebook
        Whose weights and rounding to use.
    sex, age_years, height_cm, weight_kg
        The patient. ``height_cm`` may be None where the dosing weight does not use it.
    g_per_kg, days
        Grams for each kg for the whole course, and the days it is given over.
    vial_mg
        Vial sizes of the product, in mg.
    rounding, child_method
        Instead of the rulebook's own.

    Raises
    ------
    InputError
        With one fault for every value that cannot be right.

    Notes
    -----
    Nothing is rounded before the whole vials: a man of 175 cm and 100 kg at 2 g/kg by the formula in inches comes to
    164.56 g, not to the 164.4 g of a weight rounded first.
    """
    _check(sex=sex, age_years=age_years, height_cm=height_cm, weight_kg=weight_kg, g_per_kg=g_per_kg, days=days)
    sizes = check_sizes(tuple(vial_mg))
    rules = rulebook.dosing
    rounding = rounding or rules.rounding
    height = math.nan if height_cm is None else height_cm
    weights = dosing_weights(
        rules, sex=sex, age_years=age_years, height_cm=height, weight_kg=weight_kg, child_method=child_method
    )
    ideal, dosing, flags = float(weights.ideal_kg[0]), float(weights.dosing_kg[0]), int(weights.warnings[0])
    if math.isnan(dosing):
        raise InputError(Fault("--height-cm", "the height, which the dosing weight uses"))

    exact = g_per_kg * dosing
    course_mg = int(round_to_vials(exact, sizes, rounding)[0])
    limit_mg = daily_limit_mg(rules.max_g_per_kg_per_day, dosing_kg=dosing)
    within = fewest_days(course_mg, days, sizes, max_daily_mg=limit_mg)
    # The days are the user's choice: where they are too few the usual maximum is passed, and said to be.
    by_day = tuple(split_days(course_mg, days, sizes, max_daily_mg=limit_mg if within == days else None))
    return Dose(
        ideal_weight_kg=None if math.isnan(ideal) else ideal,
        dosing_weight_kg=dosing,
        exact_g=exact,
        course_mg=course_mg,
        days=by_day,
        warnings=(
            *weight_warnings(rules, height_cm=height_cm, weight_kg=weight_kg, ideal_kg=ideal, flags=flags),
            *_course_warnings(by_day, course_mg=course_mg, exact_g=exact, sizes=sizes, rules=rules, within=within),
        ),
        steps=(
            *weight_steps(
                rules,
                sex=sex,
                age_years=age_years,
                height_cm=height_cm,
                weight_kg=weight_kg,
                ideal_kg=ideal,
                dosing_kg=dosing,
                flags=flags,
                child_method=child_method,
            ),
            f"Course: {g_per_kg:g} g/kg x {dosing:.1f} kg = {exact:.1f} g, reckoned with weights that are not rounded.",
            rounding_step(rounding, sizes, course_mg),
            *day_steps(by_day),
        ),
    )


def _check(
    *, sex: str, age_years: float, height_cm: float | None, weight_kg: float, g_per_kg: float, days: int
) -> None:
    faults = []
    if sex not in ("F", "M"):
        faults.append(Fault("--sex", "F or M", value=str(sex)))
    if not (math.isfinite(age_years) and age_years >= 0):
        faults.append(Fault("--age", "an age in years, 0 or more", value=str(age_years)))
    for option, value, expected in (
        ("--height-cm", height_cm, "a height in cm above 0"),
        ("--weight-kg", weight_kg, "a weight in kg above 0"),
        ("--g-per-kg", g_per_kg, "grams for each kg above 0"),
    ):
        if value is not None and not (math.isfinite(value) and value > 0):
            faults.append(Fault(option, expected, value=str(value)))
    if not 1 <= days <= _MOST_DAYS:
        faults.append(Fault("--days", f"a whole number from 1 to {_MOST_DAYS}", value=str(days)))
    if faults:
        raise InputError(faults)


def _course_warnings(
    by_day: tuple[Mapping[int, int], ...],
    *,
    course_mg: int,
    exact_g: float,
    sizes: tuple[int, ...],
    rules: DosingRules,
    within: int | None,
) -> list[DoseWarning]:
    if course_mg == 0:
        smallest = in_grams(sizes[0])
        text = f"the course of {exact_g:.2f} g rounds to nothing, because the smallest vial holds {smallest} g."
        return [DoseWarning("COURSE_BELOW_SMALLEST_VIAL", text)]
    found = []
    empty = sum(not day for day in by_day)
    if empty:
        found.append(DoseWarning("DAYS_WITHOUT_DOSE", f"{empty} of {len(by_day)} days get no vial; use fewer days."))
    limit = rules.max_g_per_kg_per_day
    if within != len(by_day) and limit is not None:
        remedy = f"use {within} days" if within else "no number of days in whole vials keeps to it"
        text = f"the largest day, {in_grams(total_mg(by_day[0]))} g, is above the usual {limit:g} g/kg a day; {remedy}."
        found.append(DoseWarning("DAILY_ABOVE_USUAL_MAXIMUM", text))
    return found


def _grams(milligrams: int) -> int | float:
    whole, rest = divmod(milligrams, MG_PER_G)
    return milligrams / MG_PER_G if rest else whole
