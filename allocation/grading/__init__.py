"""Grades: how much a patient depends on immunoglobulin, by the rulebook, with reasons."""

from allocation.grading.columns import (
    UNLISTED,
    codes_of,
    day_of,
    days_of,
    entries_of,
    is_value,
    need_columns,
    rows_of_each,
)
from allocation.grading.grade import GRADE_COLUMNS, grade_cohort

__all__ = [
    "GRADE_COLUMNS",
    "UNLISTED",
    "codes_of",
    "day_of",
    "days_of",
    "entries_of",
    "grade_cohort",
    "is_value",
    "need_columns",
    "rows_of_each",
]
