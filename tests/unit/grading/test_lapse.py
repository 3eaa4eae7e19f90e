"""Annual reviews as days pass: what grading says on each day is what was foretold on the first."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.grading import REVIEW_COLUMNS, annual_reviews, grade_cohort
from allocation.rules import load_panels, load_products, load_rulebook

AS_OF = date(2026, 11, 1)


def ago(days: int) -> str:
    return (AS_OF - timedelta(days=days)).isoformat()


@pytest.mark.parametrize(
    ("patient", "lapses_in_days"),
    [
        ({}, None),
        ({"last_review_date": ago(0)}, 366),
        ({"last_review_date": ago(365)}, 1),
        ({"last_review_date": ago(366)}, None),
        ({"last_review_date": ago(-3)}, None),
        ({"start_date": ago(100), "panel_decision": "approved"}, 266),
        ({"start_date": ago(100), "panel_decision": "pending"}, None),
        ({"start_date": ago(100), "panel_decision": "approved", "last_review_date": ago(20)}, 346),
        ({"start_date": ago(700), "panel_decision": "approved", "last_review_date": ago(400)}, None),
    ],
)
def test_a_review_lapses_the_day_after_the_last_that_counts(small_rulebook, cohort, patient, lapses_in_days) -> None:
    found = annual_reviews(small_rulebook(), cohort(patient | {"ig_dependent": "yes"}), AS_OF).iloc[0]
    assert tuple(found.index) == REVIEW_COLUMNS
    assert (found["grade_if_reviewed"], found["grade_if_lapsed"]) == (3, 2)
    assert found["review_valid_days"] == 365
    lapses = found["review_lapses_on"]
    assert (None if pd.isna(lapses) else (lapses.date() - AS_OF).days) == lapses_in_days


def test_where_the_first_year_does_not_count_an_approved_start_is_no_review(small_rulebook, cohort) -> None:
    rows = cohort({"start_date": ago(10), "panel_decision": "approved"})
    assert annual_reviews(small_rulebook(), rows, AS_OF)["first_year_counts"].tolist() == [True]
    found = annual_reviews(small_rulebook(first_year_counts_if_approved=False), rows, AS_OF).iloc[0]
    assert not found["first_year_counts"]
    assert pd.isna(found["review_lapses_on"])


def test_no_review_is_asked_for_in_a_short_treatment(small_rulebook, cohort) -> None:
    found = annual_reviews(small_rulebook(), cohort({"indication": "gbs"}), AS_OF).iloc[0]
    assert np.isnan(found["review_valid_days"])
    assert found["grade_if_reviewed"] == found["grade_if_lapsed"] == 4


def test_grading_on_every_later_day_says_what_was_foretold() -> None:
    rulebook = load_rulebook()
    rows = generate_cohort(
        patients=400, seed=3, as_of=AS_OF, rulebook=rulebook, panels=load_panels(), products=load_products(),
        epidemiology=load_epidemiology(),
    )  # fmt: skip
    found = annual_reviews(rulebook, rows, AS_OF)
    asked = found["review_valid_days"].notna()
    assert asked.sum() > 300
    seen = set()
    for days in (0, 1, 30, 90, 180, 270, 365, 366, 400):
        day = AS_OF + timedelta(days=days)
        graded = grade_cohort(rulebook, rows, day)
        lapsed = asked & ~(found["review_lapses_on"] > pd.Timestamp(day))
        assert ((graded["review_overdue"] == "yes") == lapsed).all(), days
        grade = found["grade_if_reviewed"].where(~lapsed, found["grade_if_lapsed"])
        assert (graded["grade"][asked] == grade[asked]).all(), days
        seen.add(int(lapsed.sum()))
    assert len(seen) > 5
    assert max(seen) == asked.sum()
