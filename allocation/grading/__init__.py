"""Grades: how much a patient depends on immunoglobulin, by the rulebook, with reasons."""

from allocation.grading.columns import (
    UNLISTED,
    Dates,
    blocks,
    codes_of,
    day_of,
    days_of,
    entries_of,
    from_codes,
    is_value,
    looked_up,
    need_columns,
    present,
    rows_of_each,
)
from allocation.grading.grade import GRADE_COLUMNS, Initiation, grade_cohort
from allocation.grading.lapse import REVIEW_COLUMNS, annual_reviews
from allocation.grading.pathway import PATHWAY_COLUMN, panel_status, with_panel_status

__all__ = [
    "GRADE_COLUMNS",
    "PATHWAY_COLUMN",
    "REVIEW_COLUMNS",
    "UNLISTED",
    "Dates",
    "Initiation",
    "annual_reviews",
    "blocks",
    "codes_of",
    "day_of",
    "days_of",
    "entries_of",
    "from_codes",
    "grade_cohort",
    "is_value",
    "looked_up",
    "need_columns",
    "panel_status",
    "present",
    "rows_of_each",
    "with_panel_status",
]
