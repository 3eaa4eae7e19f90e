"""Weeks that patients went without treatment beyond their interval, from which relapses are reckoned."""

from __future__ import annotations

import numpy as np

from allocation.quantities import DAYS_PER_WEEK
from allocation.simulation.demand import Floats, Ints

__all__ = ["weeks_without"]


def weeks_without(
    *,
    interval_days: Floats,
    first_due_day: Floats,
    leaves_day: Floats,
    doses: tuple[Ints, Floats, Floats],
    days: int,
    reduced_weight: float,
) -> Floats:
    """Weeks beyond the usual interval, all gaps of each patient together; a course given in part counts in part.

    Parameters
    ----------
    interval_days, first_due_day, leaves_day
        Of each patient; days before the run count as day 0.
    doses
        Courses given: patient, day, and grams over those of the usual course.
    reduced_weight
        What the missing part of a course counts, against the same part of its interval without treatment.
    """
    who, day, share = doses
    order = np.lexsort((day, who))
    who, day, share = who[order], day[order], share[order]
    patients = len(interval_days)
    first = np.r_[True, who[1:] != who[:-1]] if len(who) else np.zeros(0, dtype=np.bool_)
    expected = np.where(first, first_due_day[who], np.r_[0.0, day[:-1]][: len(day)] + interval_days[who])
    gaps = np.bincount(who, np.maximum(day - expected, 0.0), patients)
    missing = np.bincount(who, np.clip(1.0 - share, 0.0, 1.0) * interval_days[who], patients)
    next_due = first_due_day.copy()
    next_due[who] = day + interval_days[who]
    until = np.minimum(leaves_day, float(days))
    gaps = gaps + np.maximum(until - next_due, 0.0)
    weeks: Floats = (gaps + reduced_weight * missing) / DAYS_PER_WEEK
    return weeks
