"""Cohorts in memory for the tests of doses, savings and weeks: an ordinary patient, changed as a test needs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest

from allocation.cohort.schema import COLUMNS, typed
from allocation.grading import grade_cohort
from allocation.rules import load_rulebook

AS_OF = date(2026, 11, 1)
ORDINARY = {
    "panel": "SRIAP01",
    "indication": "cidp",
    "age_years": 45,
    "sex": "M",
    "height_cm": 170,
    "weight_kg": 84,
    "product": "gammaplex_10",
    "start_date": AS_OF - timedelta(days=2000),
    "last_review_date": AS_OF - timedelta(days=30),
}


@pytest.fixture
def graded_cohort() -> Callable[..., pd.DataFrame]:
    """Builder of a graded cohort: one dictionary a patient with what differs from :data:`ORDINARY`.

    ``None`` blanks a cell; a column that is none of a cohort file's is kept as text.
    """

    def build(*patients: dict[str, Any], as_of: date = AS_OF) -> pd.DataFrame:
        rows = [
            {
                name: "" if value is None else str(value)
                for name, value in {"patient_id": f"P{n:04}", **ORDINARY, **patient}.items()
            }
            for n, patient in enumerate(patients)
        ]
        raw = pd.DataFrame(rows)
        raw = raw.reindex(columns=[*COLUMNS, *(name for name in raw.columns if name not in COLUMNS)]).fillna("")
        return grade_cohort(load_rulebook("nhs"), typed(raw), as_of)

    return build
