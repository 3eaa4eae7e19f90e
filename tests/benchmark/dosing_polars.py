"""Grade, dose and vials with polars expressions: the same answers from joins and columns.

The rulebook becomes three small tables: upgrades as bit masks, regimens by condition, phase, route and age, and every
total that the vials of a product make.
"""

from __future__ import annotations

import math
from datetime import date
from itertools import pairwise
from typing import Any, Literal

import polars as pl

from allocation.cohort.in_use import route_vials
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules import FLAGS, ProductSet, Rulebook
from allocation.rules.models import Entry, Regimen

__all__ = ["PolarsRules", "polars_doses"]

_MOST_G = 1000
_REVIEW = len(FLAGS)
_KEY = ["indication", "situation"]


class PolarsRules:
    """The rules as tables; made once."""

    def __init__(self, rulebook: Rulebook, products: ProductSet) -> None:
        self.rulebook = rulebook
        self.most_upgrades = max(len(entry.upgrade) for entry in rulebook.entry)
        self.entries = pl.DataFrame([self._entry(entry) for entry in rulebook.entry])
        self.regimens = pl.DataFrame(
            [
                row
                for entry in rulebook.entry
                for ongoing in (False, True)
                for route in ("IV", "SC", "IM")
                for row in _regimen_rows(entry, ongoing=ongoing, route=route)
            ],
            infer_schema_length=None,
        ).sort("age_from")
        self.vials, self.totals = _vials(products)

    def _entry(self, entry: Entry) -> dict[str, Any]:
        bits = {**{flag: 1 << bit for bit, flag in enumerate(FLAGS)}, "annual_review_complete": 1 << _REVIEW}
        row: dict[str, Any] = {
            "indication": entry.indication,
            "situation": entry.situation,
            "base_grade": entry.base_grade,
            "long_term": entry.term == "long",
            "initiation_weeks": entry.initiation_weeks or self.rulebook.settings.initiation_weeks,
        }
        for place in range(self.most_upgrades):
            upgrade = entry.upgrade[place] if place < len(entry.upgrade) else None
            row[f"to_{place}"] = upgrade.to if upgrade else 0
            row[f"all_{place}"] = sum(bits[name] for name in upgrade.all_of) if upgrade else 0
            row[f"any_{place}"] = sum(bits[name] for name in upgrade.any_of) if upgrade else 0
        return row


def polars_doses(cohort: pl.DataFrame, rules: PolarsRules, as_of: date) -> pl.DataFrame:
    """Columns ``grade`` (0 for none) and ``course_mg``, in the order of the cohort."""
    settings, dosing = rules.rulebook.settings, rules.rulebook.dosing
    today = pl.lit(as_of)
    in_year = pl.col("last_review_date").is_between(today - pl.duration(days=settings.review_valid_days), today)
    first_year = (today - pl.col("start_date")) <= pl.duration(days=settings.review_valid_days)
    approved = first_year & (pl.col("panel_decision") == "approved")
    review = in_year.fill_null(value=False) | (approved.fill_null(value=False) & settings.first_year_counts_if_approved)
    held = pl.sum_horizontal(
        *((pl.col(flag) == "yes").cast(pl.Int64) * (1 << bit) for bit, flag in enumerate(FLAGS)),
        review.cast(pl.Int64) * (1 << _REVIEW),
    )
    weeks = pl.col("initiation_weeks").fill_null(settings.initiation_weeks)
    settled = (today - pl.col("start_date")) >= pl.duration(days=weeks * DAYS_PER_WEEK)
    undated = pl.col("interval_weeks").is_not_nan() | (pl.col("long_term") & pl.col("dose_g").is_nan())
    frame = (
        cohort.with_row_index("place")
        .join(rules.entries, on=_KEY, how="left", maintain_order="left")
        .with_columns(
            held=held,
            ongoing=pl.when(pl.col("start_date").is_null()).then(undated).otherwise(settled).fill_null(value=False),
        )
        .join(rules.vials, on=["product", "route"], how="left", maintain_order="left")
    )
    grade = pl.max_horizontal(pl.col("base_grade"), *(_raised(place) for place in range(rules.most_upgrades)))
    frame = frame.with_columns(grade=grade.fill_null(0), **_weights(dosing))
    frame = (
        frame.sort("age_years")
        .join_asof(
            rules.regimens,
            left_on="age_years",
            right_on="age_from",
            by=[*_KEY, "ongoing", "route"],
            strategy="backward",
            check_sortedness=False,
        )
        .sort("place")
    )
    exact = pl.when(pl.col("dose_g").is_not_nan()).then(pl.col("dose_g")).otherwise(_exact_g())
    frame = frame.with_columns(exact_mg=(exact * 1000).round().fill_nan(None).cast(pl.Int64))
    place = pl.col("first_total") + pl.min_horizontal(pl.col("exact_mg") // pl.col("unit_mg"), pl.col("last_total"))
    whole = pl.lit(rules.totals).gather(place.fill_null(0))
    course = pl.when(pl.col("exact_mg") > 0).then(pl.max_horizontal(whole, pl.col("smallest_mg"))).otherwise(0)
    return frame.select("grade", course_mg=course.fill_null(0))


def _raised(place: int) -> pl.Expr:
    held, all_of, any_of = pl.col("held"), pl.col(f"all_{place}"), pl.col(f"any_{place}")
    applies = ((held & all_of) == all_of) & ((any_of == 0) | ((held & any_of) != 0))
    return pl.when(applies).then(pl.col(f"to_{place}")).otherwise(0)


def _weights(dosing: Any) -> dict[str, pl.Expr]:
    adult, child = dosing.adult, dosing.child
    slope_kg, step_cm = adult.slope
    male, age, actual = pl.col("sex") == "M", pl.col("age_years"), pl.col("weight_kg")
    base = pl.when(male).then(adult.base_kg_male).otherwise(adult.base_kg_female)
    ideal = base + slope_kg * (pl.col("height_cm") - adult.reference_height_cm) / step_cm
    adjusted = ideal + adult.adjustment_fraction * (actual - ideal)
    grown = pl.when((ideal <= 0) | (actual < ideal)).then(actual).otherwise(adjusted)
    young = pl.when(male).then(_interpolated(child, "M", age)).otherwise(_interpolated(child, "F", age))
    is_child = age < child.below_age_years
    return {
        "ideal_kg": pl.when(is_child).then(young).when(ideal <= 0).then(float("nan")).otherwise(ideal),
        "dosing_kg": pl.when(is_child).then(young if child.basis == "ideal" else actual).otherwise(grown),
    }


def _interpolated(child: Any, sex: str, age: pl.Expr) -> pl.Expr:
    points = {
        row.age_years: row.weight_kg
        for row in sorted(child.mean_weight, key=lambda row: row.sex)
        if row.sex in ("", sex)
    }
    ages = sorted(points)
    weight = pl.when(age >= ages[-1]).then(points[ages[-1]])
    for low, high in reversed(list(pairwise(ages))):
        slope = (points[high] - points[low]) / (high - low)
        weight = weight.when(age >= low).then(slope * (age - low) + points[low])
    return weight.otherwise(points[ages[0]])


def _exact_g() -> pl.Expr:
    weight = (
        pl.when(pl.col("weight_basis") == "actual")
        .then(pl.col("weight_kg"))
        .when(pl.col("weight_basis") == "ideal")
        .then(pl.col("ideal_kg"))
        .otherwise(pl.col("dosing_kg"))
    )
    by_weight = pl.when(pl.col("weight_kg") < pl.col("edge_kg")).then(pl.col("below_g")).otherwise(pl.col("above_g"))
    grams = (
        pl.when(pl.col("basis") == "kg")
        .then(pl.col("factor") * weight * pl.col("strength") * pl.col("times"))
        .when(pl.col("basis") == "weight")
        .then(by_weight)
        .otherwise(pl.col("factor") * pl.col("times"))
    )
    return pl.when(grams.is_nan()).then(grams).otherwise(pl.min_horizontal(grams, pl.col("cap_g")))


def _regimen_rows(entry: Entry, *, ongoing: bool, route: str) -> list[dict[str, Any]]:
    phase: Literal["start", "ongoing"] = "ongoing" if ongoing else "start"
    chosen = entry.default_regimens(phase)
    if not any(regimen.route == route for regimen in chosen):
        others = [r for r in entry.regimen if r.route == route and r.basis != "iu" and not r.default_for]
        chosen = tuple(others) if len(others) == 1 else chosen
    key = {"indication": entry.indication, "situation": entry.situation, "ongoing": ongoing, "route": route}
    by_age = sorted(chosen, key=lambda regimen: regimen.age_from_years or 0.0)
    return [{**key, **row} for place, regimen in enumerate(by_age) for row in _rows(regimen, first=place == 0)]


def _rows(regimen: Regimen, *, first: bool) -> list[dict[str, Any]]:
    weeks = math.ceil(regimen.days_use / 7)
    caps = [
        regimen.cap_g_per_course,
        regimen.cap_g_per_week and regimen.cap_g_per_week * weeks,
        regimen.cap_g_per_day and regimen.cap_g_per_day * regimen.days_use,
    ]
    booked = {"booking": "actual", "booking_adjusted": "rulebook"}
    row = {
        "age_from": 0.0 if first else float(regimen.age_from_years or 0.0),
        "basis": {"g_per_kg": "kg", "ml_per_kg": "kg", "g_by_weight": "weight"}.get(regimen.basis, "fixed"),
        "weight_basis": booked.get(regimen.weight_basis, regimen.weight_basis),
        "factor": 0.0 if regimen.basis == "iu" else regimen.dose_use or 0.0,
        "strength": regimen.concentration_g_per_ml if regimen.basis == "ml_per_kg" else 1.0,
        "times": float(regimen.days_use * regimen.doses_per_day if regimen.per != "course" else 1),
        "cap_g": min([cap for cap in caps if cap is not None], default=math.inf),
        "edge_kg": 0.0,
        "below_g": math.nan,
        "above_g": math.nan,
    }
    if regimen.basis == "g_by_weight":
        below, above = regimen.bands
        return [{**row, "edge_kg": above.from_, "below_g": below.dose, "above_g": above.dose}]
    if regimen.basis == "g_by_age":
        return [{**row, "age_from": band.from_, "factor": band.dose} for band in regimen.bands]
    return [row]


def _vials(products: ProductSet) -> tuple[pl.DataFrame, pl.Series]:
    rows: list[dict[str, Any]] = []
    totals: list[int] = []
    sizes_of = {(code, route): p.vial_mg for code, p in products.by_code.items() for route in ("IV", "SC", "IM")}
    sizes_of |= {("", route): route_vials(products, route) for route in ("IV", "SC", "IM")}
    for (product, route), sizes in sizes_of.items():
        unit = math.gcd(*sizes)
        count = _MOST_G * 1000 // unit + 1
        best = [0] * count
        for total in range(1, count):
            made = any(total >= size // unit and best[total - size // unit] == total - size // unit for size in sizes)
            best[total] = total if made else best[total - 1]
        rows.append(
            {
                "product": product,
                "route": route,
                "unit_mg": unit,
                "smallest_mg": sizes[0],
                "first_total": len(totals),
                "last_total": count - 1,
            }
        )
        totals.extend(units * unit for units in best)
    return pl.DataFrame(rows), pl.Series("totals", totals, dtype=pl.Int64)
