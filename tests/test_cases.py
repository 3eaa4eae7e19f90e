"""The cases a clinician can read, run through the grading."""

from __future__ import annotations

import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from allocation.cohort.schema import COLUMNS, typed
from allocation.grading import grade_cohort
from allocation.rules import load_rulebook

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "cases" / "grading_nhs.toml").read_text(encoding="utf-8")
)["case"]

# A patient in every other respect ordinary, so that a case says only what matters.
USUAL = {"patient_id": "P1", "panel": "SRIAP01", "age_years": 45, "sex": "M", "height_cm": 172, "weight_kg": 75}
ANSWERS = {"grade", "base_grade", "upgraded", "commissioned", "prior_approval", "review_overdue", "reason_contains"}


def graded(cases: list[dict[str, Any]], as_of: date) -> pd.DataFrame:
    rows = [{name: str(value) for name, value in {**USUAL, **case["patient"]}.items()} for case in cases]
    raw = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).fillna("")
    return grade_cohort(load_rulebook("nhs"), typed(raw), as_of)


def answers(row: pd.Series) -> dict[str, Any]:
    names = ("upgraded", "commissioned", "prior_approval", "review_overdue")
    grades = {name: int(row[name]) for name in ("grade", "base_grade") if not pd.isna(row[name])}
    return {**grades, **{name: row[name] for name in names}}


def test_the_cases_are_well_formed_and_many() -> None:
    assert len(CASES) >= 40
    names = [case["name"] for case in CASES]
    assert len(names) == len(set(names))
    for case in CASES:
        assert set(case) == {"name", "as_of", "patient", "expect"}
        assert isinstance(case["as_of"], date)
        assert set(case["patient"]) <= set(COLUMNS), case["name"]
        assert set(case["expect"]) <= ANSWERS, case["name"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_is_graded_as_the_plan_says(case: dict[str, Any]) -> None:
    row = graded([case], case["as_of"]).iloc[0]
    expected = dict(case["expect"])
    told = answers(row)
    if "grade" not in expected:
        assert "grade" not in told
        assert "base_grade" not in told
        told.pop("prior_approval")
    assert expected.pop("reason_contains", "") in row["reason"]
    assert told == expected


def test_each_case_is_answered_alike_among_all_the_others() -> None:
    alike = [case for case in CASES if case["as_of"] == CASES[0]["as_of"]]
    together = graded(alike, CASES[0]["as_of"])
    for place, case in enumerate(alike):
        assert answers(together.iloc[place]) == answers(graded([case], case["as_of"]).iloc[0]), case["name"]


def test_the_reason_names_the_rule() -> None:
    for case in CASES:
        reason = graded([case], case["as_of"]).iloc[0]["reason"]
        assert case["patient"]["indication"] in reason
