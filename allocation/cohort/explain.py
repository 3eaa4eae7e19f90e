"""The arithmetic of a dosed cohort, patient by patient, in plain sentences."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.dosed import WEIGHT_NOTE, day_limits_mg, spread
from allocation.cohort.guideline import Comparison, Guideline
from allocation.cohort.stewardship_settings import KINDS, load_stewardship
from allocation.dosing import ChildMethod, WeightWarning
from allocation.dosing.vials import in_grams
from allocation.dosing.words import (
    day_steps,
    is_pregnancy,
    note_warning,
    pregnancy_warning,
    rounding_step,
    weight_steps,
    weight_warnings,
)
from allocation.grading import codes_of
from allocation.quantities import MG_PER_G
from allocation.rules import Regimen, Rulebook, entry_key

__all__ = ["different_patients", "explained"]

Bools = npt.NDArray[np.bool_]

# What a way of dosing differs in counts before the condition, which counts before nothing.
_OF_KIND, _OF_CONDITION = 100, 1


def different_patients(graded: pd.DataFrame, guideline: Guideline, comparison: Comparison, count: int) -> list[int]:
    """Places of patients whose doses come about in as many different ways as possible, in the order chosen.

    Each next one shows the most that is new: child or adult, route, what the dose goes by, phase, warnings, recorded or
    not, above or below the guideline, and the condition. Of several that show as much, the first of the file.
    """
    features = _features(graded, guideline, comparison)
    weights = np.array([weight for _, weight in features], dtype=np.int64)
    shown = np.array([rows for rows, _ in features], dtype=bool)
    chosen: list[int] = []
    for _ in range(min(count, len(graded))):
        new = (shown * weights[:, None]).sum(axis=0)
        new[chosen] = -1
        best = int(np.argmax(new))
        chosen.append(best)
        weights = np.where(shown[:, best], 0, weights)
    return chosen


def _features(
    graded: pd.DataFrame, guideline: Guideline, comparison: Comparison
) -> list[tuple[npt.NDArray[np.bool_], int]]:
    regimens = [*guideline.regimens, None]

    def by_regimen(what: object) -> list[tuple[Bools, int]]:
        found = np.array([what(regimen) if regimen else "" for regimen in regimens])[guideline.regimen]  # type: ignore[operator]
        return [(found == value, _OF_KIND) for value in np.unique(found)]

    recorded = ~np.isnan(graded["dose_g"].to_numpy(dtype=np.float64))
    routes, names = codes_of(graded["route"])
    conditions, texts = codes_of(graded["indication"])
    return [
        *by_regimen(lambda regimen: f"{regimen.basis} {regimen.per} {regimen.weight_basis}"),
        *by_regimen(lambda regimen: regimen.purpose),
        *by_regimen(is_pregnancy),
        *(((guideline.flags & flag) > 0, _OF_KIND) for flag in WeightWarning if flag),
        *((routes == place, _OF_KIND) for place in range(len(names))),
        (~recorded, _OF_KIND),
        (comparison.beyond_g > 0, _OF_KIND),
        (comparison.beyond_g < 0, _OF_KIND),
        (recorded & ~guideline.known, _OF_KIND),
        *((conditions == place, _OF_CONDITION) for place in range(len(texts))),
    ]


def explained(
    row: int,
    graded: pd.DataFrame,
    guideline: Guideline,
    comparison: Comparison,
    savings: pd.DataFrame,
    *,
    course_mg: int,
    rulebook: Rulebook,
    child_method: ChildMethod | None = None,
) -> list[str]:
    """One patient's dose step by step: weights, course, vials, days, comparison, savings and warnings."""
    patient = graded.iloc[row]
    regimen = guideline.regimens[guideline.regimen[row]] if guideline.regimen[row] >= 0 else None
    sizes = guideline.sizes[guideline.vials[row]]
    height = None if np.isnan(patient["height_cm"]) else float(patient["height_cm"])
    flags = int(guideline.flags[row])
    known_weight = not np.isnan(guideline.dosing_kg[row])
    tall = "no height" if height is None else f"{height:g} cm"
    body = f"{patient['sex']}, {patient['age_years']:g} years, {tall}, {patient['weight_kg']:g} kg"
    key = entry_key(patient["indication"], patient["situation"])
    lines = [f"{patient['patient_id']}: {key}, {patient['route']}, {body}."]
    if known_weight:
        lines += weight_steps(
            rulebook.dosing,
            sex=patient["sex"],
            age_years=float(patient["age_years"]),
            height_cm=height,
            weight_kg=float(patient["weight_kg"]),
            ideal_kg=float(guideline.ideal_kg[row]),
            dosing_kg=float(guideline.dosing_kg[row]),
            flags=flags,
            child_method=child_method,
        )
    else:
        lines.append("No dosing weight: the height is not on record.")
    lines += _course_lines(
        row, regimen, guideline, actual_kg=float(patient["weight_kg"]), age=float(patient["age_years"])
    )
    if guideline.known[row]:
        lines.append(rounding_step(rulebook.dosing.rounding, sizes, int(guideline.course_mg[row])))
    lines += _recorded_lines(patient, comparison, row)
    if course_mg:
        lines.append(f"To give: {in_grams(course_mg)} g.")
        limit = int(day_limits_mg(guideline, rulebook)[row])
        lines += day_steps(spread(course_mg, regimen.days_use if regimen else 1, sizes, None if limit < 0 else limit))
    lines += _saving_lines(savings.iloc[row])
    warnings = weight_warnings(
        rulebook.dosing,
        height_cm=height,
        weight_kg=float(patient["weight_kg"]),
        ideal_kg=float(guideline.ideal_kg[row]),
        flags=flags,
    )
    note = str(patient.get(WEIGHT_NOTE, ""))
    told = note_warning(note)
    warnings += [told] if told else []
    if regimen and is_pregnancy(regimen, key) and note != "booking":
        warnings.append(pregnancy_warning())
    return [*lines, *(f"Look again: {warning}" for warning in warnings)]


def _course_lines(
    row: int, regimen: Regimen | None, guideline: Guideline, *, actual_kg: float, age: float
) -> list[str]:
    if regimen is None:
        return ["The rulebook has no regimen: not listed."]
    name = f"Regimen {regimen.id} ({regimen.purpose})"
    exact = float(guideline.exact_g[row])
    if np.isnan(exact):
        return [f"{name}: it has no dose for this patient."]
    kg = {
        "rulebook": (float(guideline.dosing_kg[row]), "dosing weight"),
        "booking_adjusted": (float(guideline.dosing_kg[row]), "dosing weight at booking"),
        "ideal": (float(guideline.ideal_kg[row]), "ideal weight"),
        "booking": (actual_kg, "weight at booking"),
        "actual": (actual_kg, "actual weight"),
    }[regimen.weight_basis]
    dose = regimen.dose_use or 0.0
    times = regimen.days_use * regimen.doses_per_day if regimen.per != "course" else 1
    each = f" x {times} doses" if times > 1 else ""
    match regimen.basis:
        case "g_per_kg":
            sum_, before = f"{dose:g} g/kg x {kg[0]:.1f} kg ({kg[1]}){each}", dose * kg[0] * times
        case "ml_per_kg":
            strength = regimen.concentration_g_per_ml or 0.0
            sum_ = f"{dose:g} ml/kg x {kg[0]:.1f} kg ({kg[1]}) x {strength:g} g/ml{each}"
            before = dose * kg[0] * strength * times
        case "g_by_age":
            sum_, before = f"fixed amount at {age:g} years", exact
        case "g_by_weight":
            sum_, before = f"fixed amount at {actual_kg:g} kg", exact
        case _:
            sum_, before = f"fixed amount{each}", dose * times
    capped = " (capped)" if exact < before * (1 - 1e-9) else ""
    return [f"{name}: {sum_} = {exact:.1f} g{capped}{_every(guideline.interval_weeks[row])}."]


def _every(weeks: float) -> str:
    if np.isnan(weeks):
        return ""
    return " every week" if weeks == 1 else f" every {weeks:g} weeks"


def _recorded_lines(patient: pd.Series, comparison: Comparison, row: int) -> list[str]:
    if np.isnan(patient["dose_g"]):
        return ["No dose on record: the guideline's is given."]
    return [f"On record: {patient['dose_g']:g} g{_every(patient['interval_weeks'])}; {comparison.text[row]}."]


def _saving_lines(savings: pd.Series) -> list[str]:
    if savings["now_mg"] == 0:
        return ["No savings counted: not funded, no dose known, or no further course is due within a year."]
    used = f"Used now: {savings['now_mg'] / MG_PER_G:,.0f} g a year."
    titles = load_stewardship().kind
    freed = [
        f"{titles[kind].title.lower()} {savings[f'saving_{kind}_mg'] / MG_PER_G:,.0f} g"
        for kind in KINDS
        if savings[f"saving_{kind}_mg"] > 0
    ]
    return [f"{used} Could be freed: {', '.join(freed)}." if freed else f"{used} Nothing to free."]
