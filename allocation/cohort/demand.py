"""What each patient of a graded cohort is due: courses in whole vials over a horizon.

A recorded dose or interval goes before the rulebook's; the rulebook fills in what the record leaves blank. Nothing
here decides who gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.dosing import dosing_weights
from allocation.dosing.regimens import exact_courses_g
from allocation.dosing.vials import round_each
from allocation.errors import Fault, InputError
from allocation.grading import codes_of, day_of, days_of, entries_of, is_value, need_columns, present
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules import Entry, ProductSet, Regimen, Rulebook

__all__ = [
    "DEMAND_COLUMNS",
    "courses_in_vials",
    "courses_within",
    "cycle_weeks_of",
    "demand_table",
    "due_by",
    "regimens_in_use",
    "route_vials",
    "sexes_of",
    "unknown_doses",
    "vials_in_use",
]

DEMAND_COLUMNS = (
    "course_mg",
    "regimen_source",
    "cycle_weeks",
    "courses_due",
    "due_mg",
    "days_overdue",
    "acute",
    "emergency",
    "funded",
)
"""Columns that the demand table adds, in their order."""

_NEEDED = (
    *("indication", "situation", "age_years", "sex", "height_cm", "weight_kg", "route", "product", "dose_g"),
    *("interval_weeks", "start_date", "last_dose_date", "next_due_date", "panel_decision"),
    *("acute_emergency", "life_threatening", "status_epilepticus", "grade", "commissioned"),
)
_EMERGENCIES = ("acute_emergency", "life_threatening", "status_epilepticus")
_SOURCES = np.array(["recorded", "rulebook", "unknown"], dtype=object)
_RECORDED, _RULEBOOK, _UNKNOWN = range(3)
_OF_THE_BODY = ("sex", "age_years", "height_cm", "weight_kg")
_HIGHEST_GRADE = 4
_HALF = 0.5

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def demand_table(
    graded: pd.DataFrame, *, rulebook: Rulebook, products: ProductSet, as_of: date, weeks: float
) -> pd.DataFrame:
    """Courses and grams each patient is due within a horizon.

    Parameters
    ----------
    graded
        A graded cohort frame. It is not changed; the result shares its columns.
    rulebook, products
        Regimens for those whose own is not recorded, and the vials a course is made of.
    as_of, weeks
        First day and length of the horizon.

    Returns
    -------
    DataFrame
        The graded frame, its index kept, and:

        ``course_mg``
            One course in whole vials of the patient's product, or of :func:`route_vials` where none is recorded. A
            recorded dose is rounded down, the rulebook's as the rulebook says; either is one smallest vial at least,
            since a vial must be opened even for part of it.
        ``regimen_source``
            Where the dose comes from: ``recorded``, ``rulebook``, or ``unknown`` where neither has one (not listed, no
            height for the dosing weight, an age the regimen does not cover). Such a row has 0 mg; see
            :func:`unknown_doses`.
        ``cycle_weeks``
            Weeks between courses, NaN for a single course.
        ``courses_due``, ``due_mg``
            Courses due within the horizon, and ``course_mg`` times that.
        ``days_overdue``
            Days from the next due date to the as-of date, 0 where that date is still to come or not recorded.
        ``acute``
            No interval recorded, and the rulebook's regimen for the phase is not open-ended.
        ``emergency``
            Grade 4, and acute or flagged as an emergency, life-threatening or status epilepticus.
        ``funded``
            Neither outside commissioning nor declined by the panel.

    Raises
    ------
    InputError
        Where a column is missing, ``weeks`` is not above 0, or a code is not known.

    Notes
    -----
    With a next due date every due date counts up to the end of the horizon, those before the as-of date once together.
    A first due date on the very last day counts; a repeat on that day belongs to the next horizon, so four weeks hold
    one course of a patient due today and every four weeks. Without a due date the horizon divided by the interval is
    rounded to whole courses, halves up. A repeated course that is not open-ended is never due more often than the
    rulebook repeats it. Without a due date nothing is due before treatment starts.
    """
    need_columns(graded, _NEEDED, "graded cohort")
    if not 0 < weeks < np.inf:
        raise InputError(Fault("demand", "a horizon of more than 0 weeks", column="weeks", value=str(weeks)))
    in_use, regimens = regimens_in_use(rulebook, graded, as_of=as_of)
    course_mg, source = _courses(graded, in_use, regimens, rulebook=rulebook, products=products)

    interval = graded["interval_weeks"].to_numpy(dtype=np.float64)
    recorded = ~np.isnan(interval)
    cycle = np.where(recorded, interval, np.array([*map(cycle_weeks_of, regimens), np.nan])[in_use])
    open_ended = np.array([*(regimen.open_ended for regimen in regimens), False])[in_use]
    at_most = np.where(recorded, np.inf, np.array([*map(_most_courses, regimens), np.inf])[in_use])
    courses, overdue = courses_within(graded, cycle_weeks=cycle, at_most=at_most, today=day_of(as_of), weeks=weeks)

    acute = ~recorded & ~open_ended
    flagged = np.logical_or.reduce([is_value(graded[flag], "yes") for flag in _EMERGENCIES])
    highest = (graded["grade"] == _HIGHEST_GRADE).fillna(value=False).to_numpy(dtype=bool)
    added = {
        "course_mg": course_mg,
        "regimen_source": _SOURCES[source],
        "cycle_weeks": cycle,
        "courses_due": courses,
        "due_mg": course_mg * courses,
        "days_overdue": overdue,
        "acute": acute,
        "emergency": highest & (acute | flagged),
        "funded": ~is_value(graded["commissioned"], "no") & ~is_value(graded["panel_decision"], "declined"),
    }
    table = graded.copy(deep=False)
    for column in DEMAND_COLUMNS:
        table[column] = added[column]
    return table


def courses_in_vials(
    graded: pd.DataFrame, *, rulebook: Rulebook, products: ProductSet, as_of: date
) -> tuple[Ints, npt.NDArray[np.object_]]:
    """The ``course_mg`` and ``regimen_source`` of :func:`demand_table` alone, for when no dates matter.

    Raises
    ------
    InputError
        Where a column is missing or a code is not known.
    """
    need_columns(graded, _NEEDED, "graded cohort")
    in_use, regimens = regimens_in_use(rulebook, graded, as_of=as_of)
    course_mg, source = _courses(graded, in_use, regimens, rulebook=rulebook, products=products)
    return course_mg, _SOURCES[source]


def route_vials(products: ProductSet, route: str) -> tuple[int, ...]:
    """Vial sizes in mg used for a route where no product is recorded.

    They are those of the first product of the file whose usual route it is, else of the first that may also be given
    that way: the order of the product file decides, so a planner can change it.

    Raises
    ------
    InputError
        Where no product has the route.
    """
    usual = [product for product in products.product if product.route == route]
    possible = usual or [product for product in products.product if route in product.routes]
    if not possible:
        raise InputError(Fault("products", f"a product given {route}", column="route", value=route))
    return possible[0].vial_mg


def unknown_doses(demand: pd.DataFrame, source: str = "cohort") -> tuple[Fault, ...]:
    """One fault for each row of a demand table whose dose nobody knows, for a caller to show or to refuse."""
    rows = np.flatnonzero(is_value(demand["regimen_source"], str(_SOURCES[_UNKNOWN])))
    remedy = "Record dose_g: the rulebook has no dose for this patient."
    return tuple(Fault(source, "the dose now given", row=int(row) + 2, column="dose_g", remedy=remedy) for row in rows)


def due_by(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Patients, courses and milligrams due for each combination of columns.

    Parameters
    ----------
    frame
        A demand table.
    by
        Columns to group by; none for one row of totals. Blanks and missing grades are groups of their own.

    Returns
    -------
    DataFrame
        ``by``, then ``patients``, ``courses_due`` and ``due_mg`` as int64, in the order of the groups. Whatever the
        grouping, ``due_mg`` sums to that of the frame.
    """
    need_columns(frame, (*by, "courses_due", "due_mg"), "demand")
    totals = frame[[*by, "courses_due", "due_mg"]].assign(patients=1)
    amounts = ["patients", "courses_due", "due_mg"]
    if not by:
        return totals[amounts].sum().astype(np.int64).to_frame().T
    grouped = totals.groupby(list(by), observed=True, dropna=False, sort=True)[amounts].sum()
    return grouped.astype(np.int64).reset_index()


def regimens_in_use(rulebook: Rulebook, graded: pd.DataFrame, *, as_of: date) -> tuple[Ints, list[Regimen]]:
    """For each row the place of the rulebook's regimen for its phase in a list, -1 for unlisted; and the list."""
    rulebook = rulebook.on(as_of)
    entries = entries_of(rulebook, graded)
    started, has_start = days_of(graded["start_date"])
    has_dose, has_interval = (~np.isnan(graded[name].to_numpy(np.float64)) for name in ("dose_g", "interval_weeks"))
    settled = has_start & (day_of(as_of) - started >= rulebook.settings.initiation_weeks * DAYS_PER_WEEK)
    long_term = np.array([*(entry.term == "long" for entry in rulebook.entry), False])[entries]
    ongoing = settled | (~has_start & (has_interval | (long_term & ~has_dose)))
    routes, names = codes_of(graded["route"])

    # One is added so that unlisted, which is -1, makes no negative code.
    cases = ((entries + 1) * 2 + ongoing) * max(len(names), 1) + routes
    regimens: list[Regimen] = []
    first_of = np.full(2 * (len(rulebook.entry) + 1) * max(len(names), 1), -1, dtype=np.int64)
    by_age: dict[int, tuple[Regimen, ...]] = {}
    for case in present(cases):
        place, phase = divmod(case // len(names), 2)
        if place == 0:
            continue
        chosen = _regimens_of(rulebook.entry[place - 1], "ongoing" if phase else "start", names[case % len(names)])
        first_of[case] = len(regimens)
        regimens.extend(chosen)
        if len(chosen) > 1:
            by_age[case] = chosen
    in_use = first_of[cases]
    ages = graded["age_years"].to_numpy(dtype=np.float64)
    for case, chosen in by_age.items():
        rows = np.flatnonzero(cases == case)
        # Backwards, so that of several that fit the one written first is taken; where none fits it stands as well.
        for place in range(len(chosen) - 1, -1, -1):
            low, below = chosen[place].age_from_years or 0.0, chosen[place].age_below_years or np.inf
            fits = rows[(ages[rows] >= low) & (ages[rows] < below)]
            in_use[fits] = first_of[case] + place
    return in_use, regimens


def _regimens_of(entry: Entry, phase: Literal["start", "ongoing"], route: str) -> tuple[Regimen, ...]:
    """Default regimens of a phase; for another route the entry's only regimen by that route, where it has just one."""
    defaults = entry.default_regimens(phase)
    if any(regimen.route == route for regimen in defaults):
        return defaults
    others = tuple(
        regimen
        for regimen in entry.regimen
        if regimen.route == route and regimen.basis != "iu" and not regimen.default_for
    )
    return others if len(others) == 1 else defaults


def cycle_weeks_of(regimen: Regimen) -> float:
    """Weeks between courses of a regimen, NaN for a single course."""
    if not _is_repeated(regimen):
        return np.nan
    if regimen.interval_weeks_use is not None:
        return regimen.interval_weeks_use
    return 1.0 if regimen.weekly_from_gestation_week is not None else np.nan


def _most_courses(regimen: Regimen) -> float:
    return np.inf if regimen.open_ended or regimen.courses_use is None else float(regimen.courses_use)


def _is_repeated(regimen: Regimen) -> bool:
    return regimen.open_ended or regimen.courses_use is None or regimen.courses_use > 1


def _courses(
    graded: pd.DataFrame, in_use: Ints, regimens: list[Regimen], *, rulebook: Rulebook, products: ProductSet
) -> tuple[Ints, npt.NDArray[np.int8]]:
    """One course in mg, and where its dose comes from."""
    exact = graded["dose_g"].to_numpy(dtype=np.float64).copy()
    source = np.where(np.isnan(exact), _RULEBOOK, _RECORDED).astype(np.int8)
    rows = np.flatnonzero((source == _RULEBOOK) & (in_use >= 0))
    exact[rows] = _exact_g(graded[list(_OF_THE_BODY)].take(rows), in_use[rows], regimens, rulebook)
    source[np.isnan(exact)] = _UNKNOWN
    course = np.zeros(len(graded), dtype=np.int64)
    groups, sizes = vials_in_use(graded, products)
    # What is recorded is rounded down whatever the rulebook does; where it does so too, one pass serves both.
    passes: list[tuple[Bools, Literal["down", "nearest"]]] = [
        (source == _RECORDED, "down"),
        (source == _RULEBOOK, rulebook.dosing.rounding),
    ]
    if rulebook.dosing.rounding == "down":
        passes = [(source != _UNKNOWN, "down")]
    smallest = np.array([vial_mg[0] for vial_mg in sizes], dtype=np.int64)[groups]
    grams = np.where(source == _UNKNOWN, 0.0, exact)
    for chosen, rounding in passes:
        whole = np.maximum(round_each(grams, groups, sizes, rounding), smallest)
        course = np.where(chosen & (grams > 0), whole, course)
    return course, source


def _exact_g(patients: pd.DataFrame, in_use: Ints, regimens: list[Regimen], rulebook: Rulebook) -> Floats:
    age, actual = (patients[name].to_numpy(dtype=np.float64) for name in ("age_years", "weight_kg"))
    weights = dosing_weights(
        rulebook.dosing,
        sex=sexes_of(patients["sex"]),
        age_years=age,
        height_cm=patients["height_cm"].to_numpy(dtype=np.float64),
        weight_kg=actual,
    )
    return exact_courses_g(
        regimens,
        in_use,
        dosing_kg=weights.dosing_kg,
        actual_kg=actual,
        age_years=age,
        ideal_kg=weights.ideal_kg,
    )


def sexes_of(column: pd.Series) -> npt.NDArray[np.generic]:
    """Sex for :func:`allocation.dosing.dosing_weights`: True for male where everybody is M or F, else the letters."""
    male = is_value(column, "M")
    return male if (male | is_value(column, "F")).all() else column.to_numpy(dtype=object)


def vials_in_use(graded: pd.DataFrame, products: ProductSet) -> tuple[Ints, list[tuple[int, ...]]]:
    """For each row the place of its vial sizes in a list of the sizes in use; and the list, in mg.

    Raises
    ------
    InputError
        Where a product is not known.
    """
    codes, names = codes_of(graded["product"])
    routes, route_names = codes_of(graded["route"])
    pairs = codes * max(len(route_names), 1) + routes
    sizes: dict[tuple[int, ...], int] = {}
    found = np.zeros(max(len(names) * len(route_names), 1), dtype=np.int64)
    for pair in present(pairs):
        code, route = names[pair // len(route_names)], route_names[pair % len(route_names)]
        if code and code not in products.by_code:
            row = int(np.argmax(pairs == pair)) + 2
            raise InputError(Fault("cohort", "a product code in use", row=row, column="product", value=code))
        vial_mg = products.by_code[code].vial_mg if code else route_vials(products, route)
        found[pair] = sizes.setdefault(vial_mg, len(sizes))
    return found[pairs], list(sizes)


def courses_within(
    graded: pd.DataFrame, *, cycle_weeks: Floats, at_most: Floats, today: int, weeks: float
) -> tuple[Ints, Ints]:
    """Courses due within the horizon, and days overdue."""
    next_due, dated = days_of(graded["next_due_date"])
    started, has_start = days_of(graded["start_date"])
    dosed, has_dose_date = days_of(graded["last_dose_date"])
    end = today + weeks * DAYS_PER_WEEK
    repeats = ~np.isnan(cycle_weeks)
    cycle_days = np.where(repeats, cycle_weeks * DAYS_PER_WEEK, np.inf)

    due = np.where(dated, next_due, today)
    # Due dates before a day: none up to the first one, then one more after every cycle.
    before_end, before_today = (
        np.where(day > due, np.maximum(np.ceil((day - due) / cycle_days), 1), 0) for day in (end, today)
    )
    on_dates = before_end - before_today + (before_today > 0) + (due == end)
    single = np.where(has_dose_date & (dosed <= today), 0, 1)
    by_rate = np.where(repeats, np.floor(weeks / np.where(repeats, cycle_weeks, 1) + _HALF), single)
    by_rate = np.where(has_start & (started > end), 0, by_rate)
    courses = np.minimum(np.where(dated, on_dates, by_rate), at_most).astype(np.int64)
    overdue = np.where(dated & (next_due < today), today - due, 0).astype(np.int64)
    return courses, overdue
