"""Tables by panel that an allocation leaves behind."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from allocation.workflow.panel_facts import panel_cohort, panel_stock


@pytest.fixture
def demand() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patient_id": ["a", "b", "c", "d", "e"],
            "panel": pd.Categorical(["X", "X", "X", "Y", "Y"]),
            "grade": pd.array([4, 3, 3, 3, None], dtype="Int8"),
            "review_overdue": pd.Categorical(["no", "yes", "yes", "yes", "no"]),
            "due_mg": [30_000, 20_000, 0, 10_000, 40_000],
            "funded": [True, True, True, True, False],
        }
    )


def test_the_cohort_is_counted_whether_due_or_not(demand):
    patients = pd.DataFrame({"patient_id": ["a", "b", "d", "e"], "given_g": [30.0, 5.0, 0.0, 0.0]})
    found = panel_cohort(demand, patients)
    assert found.to_dict("list") == {
        "panel": ["X", "X", "Y", "Y"],
        "grade": [4, 3, 3, 0],
        "patients": [1, 2, 1, 1],
        "patients_due": [1, 1, 1, 1],
        "reviews_overdue": [0, 2, 1, 0],
        "overdue_due": [0, 1, 1, 0],
        "overdue_due_g": [0.0, 20.0, 10.0, 0.0],
        "overdue_given_g": [0.0, 5.0, 0.0, 0.0],
    }


def test_cover_is_stock_over_what_funded_patients_are_due_a_week(demand):
    stock = pd.DataFrame(
        {"location": ["X", "X", "NATIONAL"], "product": ["p", "q", "p"], "vial_mg": [10_000, 5_000, 10_000],
         "vials": [2, 1, 7]}
    )  # fmt: skip
    found = panel_stock(demand, stock, weeks=4.0).set_index("location")
    assert found["stock_g"].to_dict() == {"NATIONAL": 70.0, "X": 25.0, "Y": 0.0}
    assert found.loc["X", ["weekly_g", "cover_weeks"]].tolist() == [12.5, 2.0]
    assert found.loc["Y", ["weekly_g", "cover_weeks"]].tolist() == [2.5, 0.0]
    assert np.isnan(found.loc["NATIONAL", ["weekly_g", "cover_weeks"]].astype(float)).all()
