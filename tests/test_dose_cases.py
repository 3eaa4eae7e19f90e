"""The cases with a dose that a clinician can read, run through the grading and the demand."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from allocation.cohort.demand import demand_table
from allocation.cohort.load import check_cohort
from allocation.cohort.schema import COLUMNS
from allocation.grading import grade_cohort
from allocation.quantities import MG_PER_G
from allocation.rules import load_panels, load_products, load_rulebook

CASES: list[dict[str, Any]] = tomllib.loads(
    (Path(__file__).parent / "cases" / "doses_nhs.toml").read_text(encoding="utf-8")
)["case"]
USUAL = {"patient_id": "P1", "panel": "SRIAP01", "age_years": 45, "sex": "M", "height_cm": 172, "weight_kg": 75}


def test_the_cases_are_well_formed_and_many() -> None:
    assert len(CASES) >= 20
    assert len({case["name"] for case in CASES}) == len(CASES)
    for case in CASES:
        assert set(case) == {"name", "as_of", "patient", "arithmetic", "expect"}
        assert set(case["patient"]) <= set(COLUMNS), case["name"]
        assert set(case["expect"]) == {"grade", "course_g"}, case["name"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_case_has_the_grade_and_the_grams_that_were_reckoned_by_hand(case: dict[str, Any]) -> None:
    rulebook, products = load_rulebook("nhs"), load_products()
    told = {**USUAL, "product": "privigen_10", **case["patient"]}
    raw = pd.DataFrame([{name: str(value) for name, value in told.items()}]).reindex(columns=list(COLUMNS)).fillna("")
    read = check_cohort(raw, "case", rulebook=rulebook, panels=load_panels(), products=products)
    assert read.faults == ()
    graded = grade_cohort(rulebook, read.good, case["as_of"])
    row = demand_table(graded, rulebook=rulebook, products=products, as_of=case["as_of"], weeks=4).iloc[0]
    assert {"grade": int(row["grade"]), "course_g": row["course_mg"] / MG_PER_G} == case["expect"]
    assert row["regimen_source"] == ("recorded" if "dose_g" in case["patient"] else "rulebook")
