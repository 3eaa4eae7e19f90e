"""The annual review of each patient as days pass: until when it counts, and the grade with it and without it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from allocation.grading.columns import is_value
from allocation.grading.grade import grade_cohort
from allocation.rules.models import Rulebook

__all__ = ["REVIEW_COLUMNS", "annual_reviews"]

REVIEW_COLUMNS = (
    "grade_if_reviewed",
    "grade_if_lapsed",
    "review_valid_days",
    "review_lapses_on",
    "first_year_counts",
)
"""Columns of :func:`annual_reviews`, in their order."""


def annual_reviews(rulebook: Rulebook, cohort: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """What the annual review of each patient means for the grade, and when it is overdue.

    Parameters
    ----------
    cohort
        A cohort frame, with the columns that :func:`allocation.grading.grade_cohort` needs.
    as_of
        Day on which the criteria are read.

    Returns
    -------
    DataFrame
        Index of the cohort. ``grade_if_reviewed`` and ``grade_if_lapsed``, Int8: the grade where a review counts, and
        where none does. ``review_valid_days``, float: days that a review counts, NaN where none is asked for.
        ``review_lapses_on``, date: the first day on which neither the last review nor an approved start counts any
        more, blank where none counts on ``as_of``. ``first_year_counts``, bool: whether a start now would count as
        reviewed.

    Raises
    ------
    InputError
        As :func:`allocation.grading.grade_cohort` does.

    Notes
    -----
    Grades are those of :func:`allocation.grading.grade_cohort` itself, asked with a review of the day and with neither
    review nor start on record. A review dated after ``as_of`` has not been done.
    """
    settings, today = rulebook.settings, pd.Timestamp(as_of)
    reviewed = grade_cohort(rulebook, cohort.assign(last_review_date=today), as_of)
    never = pd.Series(pd.NaT, index=cohort.index, dtype="datetime64[ns]")
    lapsed = grade_cohort(rulebook, cohort.assign(last_review_date=never, start_date=never), as_of)
    last = pd.to_datetime(cohort["last_review_date"])
    start = pd.to_datetime(cohort["start_date"])
    counts = is_value(cohort["panel_decision"], "approved") & settings.first_year_counts_if_approved
    # A review counts on its day and so many days after; the first year of an approved start counts as long.
    beyond = pd.Timedelta(days=settings.review_valid_days + 1)
    until = pd.concat([last.where(last <= today) + beyond, start.where(counts) + beyond], axis=1).max(axis=1)
    asked = is_value(lapsed["review_overdue"], "yes")
    columns = (
        reviewed["grade"],
        lapsed["grade"],
        np.where(asked, float(settings.review_valid_days), np.nan),
        until.where(until > today),
        counts,
    )
    return pd.DataFrame(dict(zip(REVIEW_COLUMNS, columns, strict=True)), index=cohort.index)
