"""What each patient of a graded cohort is due: courses in whole vials over a horizon.

A recorded dose or interval goes before the rulebook's; the rulebook fills in what the record leaves blank. Nothing
here decides who gets it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.in_use import cycle_weeks_of, most_courses_of, regimens_in_use, vials_in_use
from allocation.dosing import dosing_weights
from allocation.dosing.regimens import RegimenFigures
from allocation.dosing.vials import Rounding, round_each
from allocation.errors import Fault, InputError
from allocation.grading import (
    blocks,
    day_of,
    days_of,
    from_codes,
    is_value,
    need_columns,
)
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules import ProductSet, Regimen, Rulebook

__all__ = [
    "DEMAND_COLUMNS",
    "courses_in_vials",
    "courses_within",
    "demand_table",
    "due_by",
    "sexes_of",
    "unknown_doses",
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
_SOURCES = ("recorded", "rulebook", "unknown")
_RECORDED, _RULEBOOK, _UNKNOWN = range(3)
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
            One course in whole vials of the patient's product, or of the usual one of the route where none is
            recorded (:func:`~allocation.cohort.in_use.route_vials`). A recorded dose is rounded down, the rulebook's
            as the rulebook says; either is one smallest vial at least, since a vial must be opened even for part of it.
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
    at_most = np.where(recorded, np.inf, np.array([*map(most_courses_of, regimens), np.inf])[in_use])
    courses, overdue = courses_within(graded, cycle_weeks=cycle, at_most=at_most, today=day_of(as_of), weeks=weeks)

    acute = ~recorded & ~open_ended
    flagged = np.logical_or.reduce([is_value(graded[flag], "yes") for flag in _EMERGENCIES])
    highest = (graded["grade"] == _HIGHEST_GRADE).fillna(value=False).to_numpy(dtype=bool)
    added = {
        "course_mg": course_mg,
        "regimen_source": from_codes(_SOURCES, source),
        "cycle_weeks": cycle,
        "courses_due": courses,
        "due_mg": course_mg * courses,
        "days_overdue": overdue,
        "acute": acute,
        "emergency": highest & (acute | flagged),
        "funded": ~is_value(graded["commissioned"], "no") & ~is_value(graded["panel_decision"], "declined"),
    }
    columns: dict[str, Any] = {str(name): column for name, column in graded.items()}
    columns |= {name: added[name] for name in DEMAND_COLUMNS}
    return pd.DataFrame(columns, index=graded.index, copy=False)


def courses_in_vials(
    graded: pd.DataFrame, *, rulebook: Rulebook, products: ProductSet, as_of: date
) -> tuple[Ints, pd.Categorical]:
    """The ``course_mg`` and ``regimen_source`` of :func:`demand_table` alone, for when no dates matter.

    Raises
    ------
    InputError
        Where a column is missing or a code is not known.
    """
    need_columns(graded, _NEEDED, "graded cohort")
    in_use, regimens = regimens_in_use(rulebook, graded, as_of=as_of)
    course_mg, source = _courses(graded, in_use, regimens, rulebook=rulebook, products=products)
    return course_mg, from_codes(_SOURCES, source)


def unknown_doses(demand: pd.DataFrame, source: str = "cohort") -> tuple[Fault, ...]:
    """One fault for each row of a demand table whose dose nobody knows, for a caller to show or to refuse."""
    rows = np.flatnonzero(is_value(demand["regimen_source"], _SOURCES[_UNKNOWN]))
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


def _courses(
    graded: pd.DataFrame, in_use: Ints, regimens: list[Regimen], *, rulebook: Rulebook, products: ProductSet
) -> tuple[Ints, npt.NDArray[np.int8]]:
    """One course in mg, and where its dose comes from."""
    groups, sizes = vials_in_use(graded, products)
    smallest = np.array([vial_mg[0] for vial_mg in sizes], dtype=np.int64)
    figures = RegimenFigures.of(regimens)
    recorded, age, height, actual = (
        graded[name].to_numpy(dtype=np.float64) for name in ("dose_g", "age_years", "height_cm", "weight_kg")
    )
    sex = sexes_of(graded["sex"])
    course = np.empty(len(graded), dtype=np.int64)
    source = np.empty(len(graded), dtype=np.int8)
    for part in blocks(len(graded)):
        exact = recorded[part].copy()
        comes_from = np.where(np.isnan(exact), _RULEBOOK, _RECORDED).astype(np.int8)
        here = np.flatnonzero((comes_from == _RULEBOOK) & (in_use[part] >= 0))
        rows = here + part.start
        weights = dosing_weights(
            rulebook.dosing,
            sex=sex[rows],
            age_years=age[rows],
            height_cm=height[rows],
            weight_kg=actual[rows],
            warn=False,
        )
        exact[here] = figures.exact_g(
            in_use[rows],
            dosing_kg=weights.dosing_kg,
            actual_kg=actual[rows],
            age_years=age[rows],
            ideal_kg=weights.ideal_kg,
        )
        comes_from[np.isnan(exact)] = _UNKNOWN
        source[part] = comes_from
        course[part] = _in_vials(exact, comes_from, groups[part], sizes, smallest, rulebook.dosing.rounding)
    return course, source


def _in_vials(
    exact_g: Floats,
    source: npt.NDArray[np.int8],
    groups: Ints,
    sizes: Sequence[tuple[int, ...]],
    smallest: Ints,
    rounding: Rounding,
) -> Ints:
    # What is recorded is rounded down whatever the rulebook does; where it does so too, one pass serves both.
    passes: list[tuple[Bools, Rounding]] = [(source == _RECORDED, "down"), (source == _RULEBOOK, rounding)]
    if rounding == "down":
        passes = [(source != _UNKNOWN, "down")]
    grams = np.where(source == _UNKNOWN, 0.0, exact_g)
    course = np.zeros(len(grams), dtype=np.int64)
    for chosen, towards in passes:
        whole = np.maximum(round_each(grams, groups, sizes, towards), smallest[groups])
        course = np.where(chosen & (grams > 0), whole, course)
    return course


def sexes_of(column: pd.Series) -> npt.NDArray[np.generic]:
    """Sex for :func:`allocation.dosing.dosing_weights`: True for male where everybody is M or F, else the letters."""
    male = is_value(column, "M")
    return male if (male | is_value(column, "F")).all() else column.to_numpy(dtype=object)


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
