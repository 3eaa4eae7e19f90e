"""Demand week by week: what falls on a date on record, and what is expected without one.

Every milligram of ``due_mg`` in a demand table stands in exactly one week, so any sum over weeks, patients or groups is
the sum of the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.demand import courses_within
from allocation.dosing.schedule import repeated_days
from allocation.errors import Fault, InputError
from allocation.grading import day_of, days_of, need_columns
from allocation.quantities import DAYS_PER_WEEK

__all__ = ["weekly_by_patient", "weekly_demand"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_NEEDED = (
    *("interval_weeks", "course_mg", "cycle_weeks", "courses_due", "due_mg", "days_overdue"),
    *("start_date", "last_dose_date", "next_due_date"),
)
_AMOUNTS = ["scheduled_mg", "expected_mg", "mg"]


def weekly_demand(
    demand: pd.DataFrame, *, as_of: date, weeks: float, by: Sequence[str] = ("panel", "grade", "product")
) -> pd.DataFrame:
    """Milligrams due in each week of a horizon, by columns of the demand table.

    Parameters
    ----------
    demand
        A table of :func:`allocation.cohort.demand.demand_table` made for the same day and horizon.
    as_of, weeks
        That day and horizon. Week 0 begins on the day.
    by
        Columns to group by. Blanks and missing grades are groups of their own.

    Returns
    -------
    DataFrame
        ``week`` int64, the columns of ``by``, ``patients`` int64 (with something due that week), and as int64:
        ``scheduled_mg`` on dates on record, ``expected_mg`` without a date, ``mg`` the two together. Rows of nothing
        are left out; ``mg`` sums to ``due_mg`` of the table.

    Raises
    ------
    InputError
        Where a column is missing, or the table was made for another day or horizon.
    """
    need_columns(demand, by, "demand")
    long = weekly_by_patient(demand, as_of=as_of, weeks=weeks)
    keys = demand[list(by)].take(long["patient"].to_numpy()).reset_index(drop=True)
    table = pd.concat([long[["week"]], keys, long[_AMOUNTS]], axis=1).assign(patients=1)
    columns = ["week", *by]
    grouped = table.groupby(columns, observed=True, dropna=False, sort=True)[["patients", *_AMOUNTS]].sum()
    return grouped.astype(np.int64).reset_index()


def weekly_by_patient(demand: pd.DataFrame, *, as_of: date, weeks: float) -> pd.DataFrame:
    """The same for each patient and week.

    Returns
    -------
    DataFrame
        ``patient`` (place of the row in the table, from 0), ``week``, ``scheduled_mg``, ``expected_mg`` and ``mg``, all
        int64, in the order of patients and weeks.

    Notes
    -----
    A course with a date stands in the week of its date, one that is overdue in week 0. Courses without a date that
    repeat are spread evenly over the horizon from the start of treatment on; a single one stands in the week treatment
    starts, or else in week 0.
    """
    need_columns(demand, _NEEDED, "demand")
    if not 0 < weeks < np.inf:
        raise InputError(Fault("demand", "a horizon of more than 0 weeks", column="weeks", value=str(weeks)))
    today, count = day_of(as_of), int(np.ceil(weeks))
    _refuse_another_horizon(demand, today=today, weeks=weeks)
    courses = demand["courses_due"].to_numpy(dtype=np.int64)
    _, dated = days_of(demand["next_due_date"])
    repeats = ~np.isnan(demand["cycle_weeks"].to_numpy(dtype=np.float64))
    parts = [
        _on_dates(demand, np.flatnonzero(dated & (courses > 0)), today=today, weeks=count),
        _spread(demand, np.flatnonzero(~dated & repeats & (courses > 0)), today=today, weeks=weeks),
        _at_once(demand, np.flatnonzero(~dated & ~repeats & (courses > 0)), today=today, weeks=count),
    ]
    found = pd.concat(parts, ignore_index=True)
    total = found.groupby(["patient", "week"], sort=True)[["scheduled_mg", "expected_mg"]].sum().reset_index()
    total = total.loc[(total["scheduled_mg"] + total["expected_mg"]) > 0].reset_index(drop=True)
    return total.assign(mg=total["scheduled_mg"] + total["expected_mg"])


def _refuse_another_horizon(demand: pd.DataFrame, *, today: int, weeks: float) -> None:
    """A table made for another day or length would lose or invent courses in silence."""
    cycle = demand["cycle_weeks"].to_numpy(dtype=np.float64)
    here, overdue = courses_within(
        demand, cycle_weeks=cycle, at_most=np.full(len(demand), np.inf), today=today, weeks=weeks
    )
    # Without a recorded interval the rulebook may limit the courses, so there may be fewer than dates.
    told = demand["courses_due"].to_numpy(dtype=np.int64)
    recorded = ~np.isnan(demand["interval_weeks"].to_numpy(dtype=np.float64))
    wrong = np.where(recorded, told != here, (told > here) | ((told == 0) & (here > 0)))
    wrong |= overdue != demand["days_overdue"].to_numpy(dtype=np.int64)
    if wrong.any():
        row = int(np.argmax(wrong)) + 2
        remedy = "Make the demand table and the weeks from the same as-of date and horizon."
        raise InputError(Fault("demand", "the courses of this horizon", row=row, column="courses_due", remedy=remedy))


def _on_dates(demand: pd.DataFrame, rows: npt.NDArray[np.intp], *, today: int, weeks: int) -> pd.DataFrame:
    chosen = demand.take(rows)
    due, _ = days_of(chosen["next_due_date"])
    cycle = chosen["cycle_weeks"].to_numpy(dtype=np.float64) * DAYS_PER_WEEK
    late = chosen["days_overdue"].to_numpy(dtype=np.int64)
    # Whatever is overdue counts once, today; the next one keeps to the dates it would have had.
    missed = np.where(late > 0, np.maximum(np.ceil(late / np.where(np.isnan(cycle), np.inf, cycle)), 1), 0)
    patient, number, day = repeated_days(
        np.where(late > 0, due + np.where(np.isnan(cycle), 0, (missed - 1) * cycle), due) - today,
        cycle,
        chosen["courses_due"].to_numpy(dtype=np.int64),
    )
    day = np.where((late[patient] > 0) & (number == 0), 0, day)
    week = np.clip(day // DAYS_PER_WEEK, 0, weeks - 1)
    return _rows(rows[patient], week, scheduled=chosen["course_mg"].to_numpy(dtype=np.int64)[patient])


def _spread(demand: pd.DataFrame, rows: npt.NDArray[np.intp], *, today: int, weeks: float) -> pd.DataFrame:
    chosen = demand.take(rows)
    due = chosen["due_mg"].to_numpy(dtype=np.int64)
    started, has_start = days_of(chosen["start_date"])
    count = int(np.ceil(weeks))
    begins = np.where(has_start, np.clip((started - today) / DAYS_PER_WEEK, 0.0, None), 0.0)
    begins = np.minimum(np.floor(begins), count - 1)
    edges = np.minimum(np.arange(count + 1), weeks)
    share = np.clip((edges[None, :] - begins[:, None]) / (weeks - begins)[:, None], 0.0, 1.0)
    # Differences of rounded running totals: they sum to the due milligrams exactly.
    until = np.rint(share * due[:, None]).astype(np.int64)
    each = np.diff(until, axis=1)
    patient, week = np.nonzero(each)
    return _rows(rows[patient], week, expected=each[patient, week])


def _at_once(demand: pd.DataFrame, rows: npt.NDArray[np.intp], *, today: int, weeks: int) -> pd.DataFrame:
    chosen = demand.take(rows)
    started, has_start = days_of(chosen["start_date"])
    week = np.where(has_start, np.clip((started - today) // DAYS_PER_WEEK, 0, weeks - 1), 0)
    return _rows(rows, week, expected=chosen["due_mg"].to_numpy(dtype=np.int64))


def _rows(
    patient: npt.NDArray[np.intp],
    week: npt.NDArray[np.integer],
    *,
    scheduled: Ints | None = None,
    expected: Ints | None = None,
) -> pd.DataFrame:
    nothing = np.zeros(len(patient), dtype=np.int64)
    return pd.DataFrame(
        {
            "patient": patient.astype(np.int64),
            "week": week.astype(np.int64),
            "scheduled_mg": nothing if scheduled is None else scheduled,
            "expected_mg": nothing if expected is None else expected,
        }
    )
