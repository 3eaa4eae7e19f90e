"""Grade, dose and vials one patient after the other: the plain Python that a careful analyst would write first.

Rules are looked up once and vial totals are tabulated once for each product; nothing is slow on purpose.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from datetime import date, timedelta
from functools import lru_cache
from typing import Any

import pandas as pd

from allocation.cohort.in_use import route_vials
from allocation.rules import FLAGS, ProductSet, Rulebook
from allocation.rules.models import Entry, Regimen

__all__ = ["row_by_row"]

_MOST_G = 1000


def row_by_row(
    cohort: pd.DataFrame, rulebook: Rulebook, products: ProductSet, as_of: date
) -> tuple[list[int], list[int]]:
    """Grade (0 for none) and whole-vial course in mg of each patient of a plain cohort frame."""
    entries = {(entry.indication, entry.situation): entry for entry in rulebook.entry}
    vials = {code: product.vial_mg for code, product in products.by_code.items()}
    grades, courses = [], []
    for patient in cohort.itertuples(index=False):
        entry = entries.get((patient.indication, patient.situation))
        grades.append(grade_of(patient, entry, rulebook, as_of) if entry else 0)
        sizes = vials[patient.product] if patient.product else route_vials(products, patient.route)
        courses.append(course_of(patient, entry, rulebook, sizes, as_of))
    return grades, courses


def grade_of(patient: Any, entry: Entry, rulebook: Rulebook, as_of: date) -> int:
    held = {flag for flag in FLAGS if getattr(patient, flag) == "yes"}
    if review_counts(patient, rulebook, as_of):
        held.add("annual_review_complete")
    grade = entry.base_grade or 0
    for upgrade in entry.upgrade:
        if held.issuperset(upgrade.all_of) and (not upgrade.any_of or held.intersection(upgrade.any_of)):
            grade = max(grade, upgrade.to)
    return grade


def review_counts(patient: Any, rulebook: Rulebook, as_of: date) -> bool:
    valid = timedelta(days=rulebook.settings.review_valid_days)
    today = pd.Timestamp(as_of)
    if not pd.isna(patient.last_review_date) and today - valid <= patient.last_review_date <= today:
        return True
    if not rulebook.settings.first_year_counts_if_approved or pd.isna(patient.start_date):
        return False
    return bool(today - patient.start_date <= valid and patient.panel_decision == "approved")


def course_of(patient: Any, entry: Entry | None, rulebook: Rulebook, sizes: tuple[int, ...], as_of: date) -> int:
    if not math.isnan(patient.dose_g):
        return in_vials(patient.dose_g, sizes)
    if entry is None:
        return 0
    exact = exact_g(patient, regimen_of(patient, entry, rulebook, as_of), rulebook)
    return 0 if math.isnan(exact) else in_vials(exact, sizes)


def regimen_of(patient: Any, entry: Entry, rulebook: Rulebook, as_of: date) -> Regimen:
    has_dose, has_interval = not math.isnan(patient.dose_g), not math.isnan(patient.interval_weeks)
    if pd.isna(patient.start_date):
        ongoing = has_interval or (entry.term == "long" and not has_dose)
    else:
        weeks = entry.initiation_weeks or rulebook.settings.initiation_weeks
        ongoing = pd.Timestamp(as_of) - patient.start_date >= timedelta(weeks=weeks)
    defaults = entry.default_regimens("ongoing" if ongoing else "start")
    if not any(regimen.route == patient.route for regimen in defaults):
        others = [r for r in entry.regimen if r.route == patient.route and r.basis != "iu" and not r.default_for]
        defaults = tuple(others) if len(others) == 1 else defaults
    return next((regimen for regimen in defaults if regimen.covers_age(patient.age_years)), defaults[0])


def weights_of(patient: Any, rulebook: Rulebook) -> tuple[float, float]:
    rules = rulebook.dosing
    if patient.age_years < rules.child.below_age_years:
        ideal = mean_weight(rulebook, patient.sex, patient.age_years)
        return ideal, ideal if rules.child.basis == "ideal" else patient.weight_kg
    slope_kg, step_cm = rules.adult.slope
    base = rules.adult.base_kg_male if patient.sex == "M" else rules.adult.base_kg_female
    ideal = base + slope_kg * (patient.height_cm - rules.adult.reference_height_cm) / step_cm
    if ideal <= 0:
        return math.nan, patient.weight_kg
    if patient.weight_kg < ideal:
        return ideal, patient.weight_kg
    return ideal, ideal + rules.adult.adjustment_fraction * (patient.weight_kg - ideal)


@lru_cache(maxsize=4)
def growth(rulebook_id: str, sex: str, table: tuple[tuple[float, str, float], ...]) -> tuple[list[float], list[float]]:
    points = {age: weight for age, row_sex, weight in sorted(table, key=lambda row: row[1]) if row_sex in ("", sex)}
    return sorted(points), [points[age] for age in sorted(points)]


def mean_weight(rulebook: Rulebook, sex: str, age: float) -> float:
    table = tuple((row.age_years, row.sex, row.weight_kg) for row in rulebook.dosing.child.mean_weight)
    ages, weights = growth(rulebook.id, sex, table)
    above = bisect_right(ages, age)
    if above == 0 or above == len(ages):
        return weights[min(above, len(ages) - 1)]
    low, high = ages[above - 1], ages[above]
    slope = (weights[above] - weights[above - 1]) / (high - low)
    return slope * (age - low) + weights[above - 1]


def exact_g(patient: Any, regimen: Regimen, rulebook: Rulebook) -> float:
    ideal, dosing = weights_of(patient, rulebook)
    at_booking = {"booking": patient.weight_kg, "booking_adjusted": dosing}
    weight = {"rulebook": dosing, "actual": patient.weight_kg, "ideal": ideal, **at_booking}[regimen.weight_basis]
    dose = regimen.dose_use or 0.0
    if regimen.basis == "g_per_kg":
        grams = dose * weight
    elif regimen.basis == "ml_per_kg":
        grams = dose * weight * (regimen.concentration_g_per_ml or 0.0)
    elif regimen.basis == "g":
        grams = dose
    elif regimen.basis == "iu":
        return 0.0
    else:
        measure = patient.age_years if regimen.basis == "g_by_age" else patient.weight_kg
        fitting = [b.dose for b in regimen.bands if b.from_ <= measure and (b.below is None or measure < b.below)]
        grams = fitting[0] if fitting else math.nan
    if regimen.per != "course":
        grams = grams * regimen.days_use * regimen.doses_per_day
    weeks = math.ceil(regimen.days_use / 7)
    for cap in (
        regimen.cap_g_per_course,
        regimen.cap_g_per_week and regimen.cap_g_per_week * weeks,
        regimen.cap_g_per_day and regimen.cap_g_per_day * regimen.days_use,
    ):
        if cap is not None:
            grams = min(grams, cap)
    return grams


@lru_cache(maxsize=64)
def makeable_mg(sizes: tuple[int, ...]) -> list[int]:
    unit = math.gcd(*sizes)
    reached = [True] + [False] * (_MOST_G * 1000 // unit)
    for total in range(1, len(reached)):
        reached[total] = any(total >= size // unit and reached[total - size // unit] for size in sizes)
    return [total * unit for total, yes in enumerate(reached) if yes]


def in_vials(grams: float, sizes: tuple[int, ...]) -> int:
    totals = makeable_mg(sizes)
    whole = totals[bisect_right(totals, round(grams * 1000)) - 1]
    return max(whole, sizes[0]) if grams > 0 else 0
