"""The dose of one patient, with every step in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from allocation.dosing.days import split_days
from allocation.dosing.vials import check_sizes, in_grams, round_to_vials
from allocation.dosing.weights import Weights, WeightWarning, dosing_weights
from allocation.errors import Fault, InputError
from allocation.quantities import MG_PER_G
from allocation.rules.models import DosingRules, Rulebook

__all__ = ["Dose", "DoseWarning", "dose_patient"]

# A course longer than this is a slip of the keyboard, and the split over days would take for ever.
_MOST_DAYS = 366


@dataclass(frozen=True, slots=True)
class DoseWarning:
    """Something to look at again: a code that does not change, and a sentence."""

    code: str
    text: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


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
        return tuple(_total_mg(day) for day in self.days)

    @property
    def vials(self) -> dict[int, int]:
        """Vials of the whole course, size in mg to number, larger sizes first: those of the days together."""
        return _together(self.days)

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
    rounding
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
    weights = dosing_weights(rules, sex=sex, age_years=age_years, height_cm=height, weight_kg=weight_kg)
    ideal, dosing = float(weights.ideal_kg[0]), float(weights.dosing_kg[0])
    if math.isnan(dosing):
        raise InputError(Fault("--height-cm", "the height, which the dosing weight uses"))

    exact = g_per_kg * dosing
    course_mg = int(round_to_vials(exact, sizes, rounding)[0])
    by_day = tuple(split_days(course_mg, days, sizes))
    return Dose(
        ideal_weight_kg=None if math.isnan(ideal) else ideal,
        dosing_weight_kg=dosing,
        exact_g=exact,
        course_mg=course_mg,
        days=by_day,
        warnings=(
            *_weight_warnings(weights, rules, height_cm=height_cm, weight_kg=weight_kg),
            *_course_warnings(by_day, course_mg=course_mg, exact_g=exact, dosing_kg=dosing, sizes=sizes, rules=rules),
        ),
        steps=(
            *_weight_steps(weights, rules, sex=sex, age_years=age_years, height_cm=height_cm, weight_kg=weight_kg),
            f"Course: {g_per_kg:g} g/kg x {dosing:.1f} kg = {exact:.1f} g, reckoned with weights that are not rounded.",
            _rounding_step(rounding, sizes, course_mg),
            *_day_steps(by_day),
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


def _weight_steps(
    weights: Weights, rules: DosingRules, *, sex: str, age_years: float, height_cm: float | None, weight_kg: float
) -> list[str]:
    ideal, dosing, flags = float(weights.ideal_kg[0]), float(weights.dosing_kg[0]), int(weights.warnings[0])
    if flags & WeightWarning.CHILD:
        if rules.child.basis == "actual":
            return [f"Dosing weight of a child: the actual weight, {dosing:.1f} kg."]
        where = f"height {height_cm:g} cm" if rules.child.method == "table_by_height" else f"age {age_years:g} years"
        return [f"Dosing weight of a child: the ideal weight from the table at {where}, {dosing:.1f} kg."]
    adult = rules.adult
    base = adult.base_kg_male if sex == "M" else adult.base_kg_female
    formula = f"{base:g} + {adult.slope_kg_per_cm:.6g} x ({height_cm:g} cm - {adult.reference_height_cm:g} cm)"
    if flags & WeightWarning.FORMULA_NOT_USABLE:
        return [f"Ideal weight: {formula} is not above 0, so the actual weight, {dosing:.1f} kg, is the dosing weight."]
    first = f"Ideal weight: {formula} = {ideal:.1f} kg."
    if flags & WeightWarning.BELOW_IDEAL:
        return [first, f"Dosing weight: the actual weight, {dosing:.1f} kg, because it is below the ideal weight."]
    above = f"{adult.adjustment_fraction:g} x ({weight_kg:g} - {ideal:.1f})"
    return [first, f"Dosing weight: {ideal:.1f} + {above} = {dosing:.1f} kg."]


def _rounding_step(rounding: str, sizes: tuple[int, ...], course_mg: int) -> str:
    towards = "down" if rounding == "down" else "to the nearest amount"
    listed = _listed(in_grams(size) for size in sizes)
    return f"Rounded {towards} to whole vials of {listed} g: {in_grams(course_mg)} g."


def _day_steps(by_day: tuple[Mapping[int, int], ...]) -> list[str]:
    given = _listed(f"{in_grams(_total_mg(day))} g" for day in by_day)
    vials = _listed(f"{count} x {in_grams(size)} g" for size, count in _together(by_day).items()) or "none"
    spread = [f"Over {len(by_day)} days, larger days first: {given}."] if len(by_day) > 1 else []
    return [*spread, f"Vials: {vials}."]


def _weight_warnings(
    weights: Weights, rules: DosingRules, *, height_cm: float | None, weight_kg: float
) -> list[DoseWarning]:
    flags = WeightWarning(int(weights.warnings[0]))
    adult, ideal = rules.adult, float(weights.ideal_kg[0])
    child_by_ideal = WeightWarning.CHILD in flags and rules.child.basis == "ideal"
    used = "the ideal weight is used all the same" if child_by_ideal else "the actual weight is used"
    words = {
        WeightWarning.CHILD: "a child: dosed by the "
        + ("ideal weight from a table of mean weights." if child_by_ideal else "actual weight."),
        WeightWarning.BELOW_IDEAL: f"actual weight {weight_kg:g} kg is below the ideal weight {ideal:.1f} kg; {used}.",
        WeightWarning.HEIGHT_BELOW_FORMULA: f"height {height_cm or 0:g} cm is below {adult.height_range_low_cm:g} cm, "
        "where the formula for the ideal weight was not made to go.",
        WeightWarning.FORMULA_NOT_USABLE: "the formula gives no weight above 0 at this height.",
        WeightWarning.BMI_HIGH: f"body mass index is {adult.bmi_flag_kg_m2 or 0:g} or more; "
        "the dose rests on the adjusted weight, so check the response.",
    }
    return [DoseWarning(str(flag.name), text) for flag, text in words.items() if flag in flags]


def _course_warnings(
    by_day: tuple[Mapping[int, int], ...],
    *,
    course_mg: int,
    exact_g: float,
    dosing_kg: float,
    sizes: tuple[int, ...],
    rules: DosingRules,
) -> list[DoseWarning]:
    if course_mg == 0:
        smallest = in_grams(sizes[0])
        text = f"the course of {exact_g:.2f} g rounds to nothing, because the smallest vial holds {smallest} g."
        return [DoseWarning("COURSE_BELOW_SMALLEST_VIAL", text)]
    found = []
    empty = sum(not day for day in by_day)
    if empty:
        found.append(DoseWarning("DAYS_WITHOUT_DOSE", f"{empty} of {len(by_day)} days get no vial; use fewer days."))
    most, limit = _total_mg(by_day[0]), rules.max_g_per_kg_per_day
    if limit is not None and most > limit * dosing_kg * MG_PER_G:
        text = f"the largest day, {in_grams(most)} g, is above the usual {limit:g} g/kg a day; use more days."
        found.append(DoseWarning("DAILY_ABOVE_USUAL_MAXIMUM", text))
    return found


def _together(by_day: tuple[Mapping[int, int], ...]) -> dict[int, int]:
    counts: dict[int, int] = {}
    for day in by_day:
        for size, count in day.items():
            counts[size] = counts.get(size, 0) + count
    return dict(sorted(counts.items(), reverse=True))


def _total_mg(vials: Mapping[int, int]) -> int:
    return sum(size * count for size, count in vials.items())


def _grams(milligrams: int) -> int | float:
    whole, rest = divmod(milligrams, MG_PER_G)
    return milligrams / MG_PER_G if rest else whole


def _listed(items: Iterable[str]) -> str:
    words = list(items)
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1]))) if words else ""
