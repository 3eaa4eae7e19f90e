"""Stretching and reducing as levers of their own: who can be put off within the interval, and reducing before waiting.

Used where the tier says in which order its levers are used up. With grams settled for a cell, the fewest patients are
put off if those who can wait within the limit of stretching come last, and, where reducing goes before deferring, if
everybody is reduced evenly down to the smallest share before anybody is left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from allocation.quantities import DAYS_PER_WEEK
from allocation.rules.supply import Tier

__all__ = ["STRETCH_COLUMN", "even_targets_mg", "mark_stretch"]

STRETCH_COLUMN = "stretch_days"
"""Days by which a patient would be late at the next allocation, where the tier lets the interval be stretched so far;
0 where it does not."""


def mark_stretch(demand: pd.DataFrame, tier: Tier, *, weeks: float) -> pd.DataFrame:
    """The demand table with :data:`STRETCH_COLUMN`, where the tier uses stretching; as it is otherwise.

    Parameters
    ----------
    demand
        With ``cycle_weeks``, ``days_overdue`` and, where known, ``next_due_date``.
    weeks
        Weeks until the next allocation. Who has no due date, or is overdue, may be due today, and is counted so.
    """
    if "stretch" not in tier.lever_order:
        return demand
    share = np.array([_stretch_share(tier, grade) for grade in demand["grade"].fillna(0).astype(np.int64)])
    cycle_days = demand["cycle_weeks"].to_numpy(dtype=np.float64) * DAYS_PER_WEEK
    late = np.ceil(weeks * DAYS_PER_WEEK) + demand["days_overdue"].to_numpy(dtype=np.float64)
    emergency = demand["emergency"].to_numpy(dtype=np.bool_) if "emergency" in demand else np.zeros(len(demand), bool)
    within = ~np.isnan(cycle_days) & (late <= share * np.nan_to_num(cycle_days)) & ~emergency
    return demand.assign(**{STRETCH_COLUMN: np.where(within, late, 0.0).astype(np.int64)})


def _stretch_share(tier: Tier, grade: int) -> float:
    lever = tier.lever_of(grade or 1)
    return 0.0 if lever is None or (grade or 1) not in tier.defer_grades else lever.longest_stretch_share


def even_targets_mg(
    *, cell: Sequence[int], due_mg: Sequence[int], least_mg: Sequence[int], planned_mg: Sequence[int]
) -> list[int]:
    """What each patient of a stage is offered first where courses are reduced before any is put off.

    Every cell's planned share of each course, but the least that may be given at least.

    Parameters
    ----------
    cell, due_mg, least_mg
        One element a patient.
    planned_mg
        One element a cell.
    """
    total: dict[int, int] = {}
    for number, due in zip(cell, due_mg, strict=True):
        total[number] = total.get(number, 0) + due
    return [
        max(least, due * min(planned_mg[number], total[number]) // total[number])
        for number, due, least in zip(cell, due_mg, least_mg, strict=True)
    ]
