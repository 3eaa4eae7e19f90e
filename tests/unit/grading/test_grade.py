"""Grades, their reasons, and everything else that grading adds."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pandas.testing as pdt
import pytest

from allocation.errors import InputError
from allocation.grading import GRADE_COLUMNS, grade_cohort
from allocation.rules import load_rulebook

AS_OF = date(2026, 11, 1)


def ago(days: int) -> str:
    return (AS_OF - timedelta(days=days)).isoformat()


@pytest.fixture
def grade(small_rulebook, cohort):
    """Grade one patient; return the row."""

    def graded(patient: dict | None = None, **settings) -> pd.Series:
        return grade_cohort(small_rulebook(**settings), cohort(patient or {}), AS_OF).iloc[0]

    return graded


@pytest.mark.parametrize(
    ("patient", "expected"),
    [
        ({}, 2),
        ({"last_review_date": ago(10)}, 2),
        ({"ig_dependent": "yes"}, 2),
        ({"ig_dependent": "yes", "last_review_date": ago(10)}, 3),
        ({"ig_dependent": "no", "last_review_date": ago(10)}, 2),
        ({"ig_dependent": "yes", "last_review_date": ago(0)}, 3),
        ({"ig_dependent": "yes", "last_review_date": ago(365)}, 3),
        ({"ig_dependent": "yes", "last_review_date": ago(366)}, 2),
        ({"ig_dependent": "yes", "last_review_date": ago(-1)}, 2),
        ({"ig_dependent": "yes", "start_date": ago(100), "panel_decision": "approved"}, 3),
        ({"ig_dependent": "yes", "start_date": ago(365), "panel_decision": "approved"}, 3),
        ({"ig_dependent": "yes", "start_date": ago(366), "panel_decision": "approved"}, 2),
        ({"ig_dependent": "yes", "start_date": ago(100), "panel_decision": "pending"}, 2),
        ({"ig_dependent": "yes", "start_date": ago(100)}, 2),
        ({"ig_dependent": "yes", "start_date": ago(-7), "panel_decision": "approved"}, 3),
        ({"indication": "gbs"}, 4),
        ({"indication": "myositis"}, 2),
        ({"indication": "myositis", "last_review_date": ago(1)}, 3),
        ({"indication": "myositis", "last_review_date": ago(1), "life_threatening": "yes"}, 4),
        ({"indication": "myositis", "life_threatening": "yes"}, 4),
        ({"indication": "myasthenia", "situation": "crisis"}, 3),
        ({"indication": "myasthenia", "situation": "crisis", "plex_unavailable": "yes"}, 4),
        ({"indication": "myasthenia", "situation": "crisis", "alternatives_exhausted": "yes"}, 4),
        ({"indication": "myasthenia", "situation": "long_term", "plex_unavailable": "yes"}, 2),
    ],
)
def test_truth_table(grade, patient, expected) -> None:
    row = grade(patient)
    assert row["grade"] == expected
    assert row["upgraded"] == ("yes" if expected > row["base_grade"] else "no")


def test_first_year_is_a_setting(grade) -> None:
    new = {"ig_dependent": "yes", "start_date": ago(100), "panel_decision": "approved"}
    assert grade(new, first_year_counts_if_approved=False)["grade"] == 2
    assert grade({"ig_dependent": "yes", "last_review_date": ago(40)}, review_valid_days=30)["grade"] == 2


def test_reason_of_an_upgrade(grade) -> None:
    row = grade({"ig_dependent": "yes", "last_review_date": ago(10)})
    assert row["reason"] == (
        "cidp: base grade 2; raised to 3 because the annual review is complete and the patient depends on "
        "immunoglobulin (Neurology: CIDP)"
    )


@pytest.mark.parametrize(
    ("patient", "told"),
    [
        ({"ig_dependent": "yes"}, "stays 2: no annual review in the 365 days to 2026-11-01 (none is recorded)"),
        ({"ig_dependent": "yes", "last_review_date": ago(400)}, "2026-11-01 (the last one is older)"),
        ({"ig_dependent": "yes", "last_review_date": ago(-3)}, "2026-11-01 (the date recorded lies in the future)"),
        ({"ig_dependent": "yes", "start_date": ago(9)}, "(first year, and the panel has not approved the start)"),
        ({"last_review_date": ago(9)}, "stays 2: no record that the patient depends on immunoglobulin"),
        (
            {"ig_dependent": "yes", "start_date": ago(9), "panel_decision": "approved"},
            "(first year, start approved by the panel)",
        ),
        (
            {"indication": "myasthenia", "situation": "crisis"},
            "stays 3: no record that plasma exchange is unavailable or that the alternatives are exhausted",
        ),
        ({"indication": "myositis", "last_review_date": ago(1)}, "not raised to 4: no record that it threatens life"),
        ({"panel_decision": "declined"}, "the panel declined this treatment"),
        ({"clinical_trial": "yes"}, "in a clinical trial, graded by its indication"),
        ({"indication": "unlisted"}, "no individual funding approved"),
        ({"indication": "unlisted", "ifr_approved": "yes"}, "funded by an approved individual request"),
        ({"indication": "unlisted", "clinical_trial": "yes"}, "held until supply is secure"),
        ({"indication": "old"}, "not in force on 2026-11-01"),
    ],
)
def test_reasons_in_plain_words(grade, patient, told) -> None:
    assert told in grade(patient)["reason"]


def test_a_grade_that_no_rule_can_raise_needs_no_excuse(grade) -> None:
    assert grade({"indication": "gbs"})["reason"] == "gbs: base grade 4 (Neurology: GBS)"


@pytest.mark.parametrize(
    ("patient", "overdue"),
    [
        ({}, "yes"),
        ({"last_review_date": ago(365)}, "no"),
        ({"last_review_date": ago(366)}, "yes"),
        ({"start_date": ago(30), "panel_decision": "approved"}, "no"),
        ({"start_date": ago(30)}, "yes"),
        ({"indication": "gbs"}, "no"),
        ({"indication": "gbs", "interval_weeks": 4}, "no"),
        ({"indication": "myositis"}, "no"),
        ({"indication": "myositis", "interval_weeks": 4}, "yes"),
        ({"indication": "unlisted", "interval_weeks": 4}, "no"),
    ],
)
def test_review_overdue(grade, patient, overdue) -> None:
    assert grade(patient)["review_overdue"] == overdue


@pytest.mark.parametrize(
    ("patient", "approval"),
    [
        ({}, "required"),
        ({"interval_weeks": 4}, "not_required"),
        ({"interval_weeks": 4, "start_date": ago(55)}, "required"),
        ({"interval_weeks": 4, "start_date": ago(56)}, "not_required"),
        ({"interval_weeks": 4, "start_date": ago(-5)}, "required"),
        ({"start_date": ago(500)}, "required"),
        ({"indication": "unlisted", "interval_weeks": 4}, "required"),
    ],
)
def test_prior_approval_follows_the_phase(grade, patient, approval) -> None:
    assert grade(patient)["prior_approval"] == approval


@pytest.mark.parametrize(
    ("patient", "commissioned"),
    [
        ({}, "routine"),
        ({"panel_decision": "declined"}, "routine"),
        ({"clinical_trial": "yes"}, "routine"),
        ({"indication": "unlisted"}, "no"),
        ({"indication": "unlisted", "ifr_approved": "yes"}, "ifr"),
        ({"indication": "unlisted", "ifr_approved": "no"}, "no"),
        ({"indication": "unlisted", "ifr_approved": "yes", "clinical_trial": "yes"}, "no"),
        ({"indication": "old"}, "no"),
        ({"indication": "old", "ifr_approved": "yes"}, "ifr"),
    ],
)
def test_commissioned(grade, patient, commissioned) -> None:
    row = grade(patient)
    assert row["commissioned"] == commissioned
    assert pd.isna(row["grade"]) == (commissioned != "routine")


def test_an_entry_holds_on_its_last_day(small_rulebook, cohort) -> None:
    patients = cohort({"indication": "old"})
    assert grade_cohort(small_rulebook(), patients, date(2025, 12, 31))["grade"].tolist() == [2]
    assert grade_cohort(small_rulebook(), patients, date(2026, 1, 1))["grade"].isna().all()


def test_types_order_and_extra_columns(small_rulebook, cohort) -> None:
    patients = cohort({"ward": "7"}, {"indication": "unlisted", "ward": ""})
    before = patients.copy(deep=True)
    graded = grade_cohort(small_rulebook(), patients, AS_OF)
    assert list(graded.columns) == [*before.columns, *GRADE_COLUMNS]
    assert graded["grade"].dtype == graded["base_grade"].dtype == pd.Int8Dtype()
    assert graded["grade"].isna().tolist() == [False, True]
    assert all(isinstance(cell, str) for column in GRADE_COLUMNS[2:] for cell in graded[column])
    pdt.assert_frame_equal(patients, before)


def test_grading_twice_is_grading_once(small_rulebook, cohort) -> None:
    once = grade_cohort(small_rulebook(), cohort({}, {"indication": "gbs"}), AS_OF)
    pdt.assert_frame_equal(grade_cohort(small_rulebook(), once, AS_OF), once)


def test_no_patients(small_rulebook, cohort) -> None:
    graded = grade_cohort(small_rulebook(), cohort({}).iloc[:0], AS_OF)
    assert len(graded) == 0
    assert set(GRADE_COLUMNS) <= set(graded.columns)


def test_categories_and_plain_text_agree(small_rulebook, cohort) -> None:
    patients = cohort(
        {"ig_dependent": "yes", "last_review_date": ago(1)},
        {"indication": "myasthenia", "situation": "crisis", "plex_unavailable": "yes"},
        {"indication": "unlisted", "ifr_approved": "yes", "panel_decision": "declined"},
    )
    packed = patients.copy()
    for column in packed.select_dtypes("object"):
        packed[column] = packed[column].where(packed[column] != "", np.nan).astype("category")
    found = grade_cohort(small_rulebook(), packed, AS_OF)[list(GRADE_COLUMNS)]
    pdt.assert_frame_equal(found, grade_cohort(small_rulebook(), patients, AS_OF)[list(GRADE_COLUMNS)])


def test_order_of_patients_does_not_matter(small_rulebook, cohort) -> None:
    patients = cohort(
        {"ig_dependent": "yes"}, {"indication": "gbs"}, {"indication": "myositis", "life_threatening": "yes"}, {}
    )
    graded = grade_cohort(small_rulebook(), patients, AS_OF)
    turned = grade_cohort(small_rulebook(), patients.iloc[::-1], AS_OF)
    pdt.assert_frame_equal(turned.iloc[::-1], graded)


def test_unknown_codes_are_named_with_their_row(small_rulebook, cohort) -> None:
    patients = cohort({}, {"indication": "cipd"}, {"indication": "myasthenia"}, {"indication": "cipd"})
    with pytest.raises(InputError) as error:
        grade_cohort(small_rulebook(), patients, AS_OF)
    assert [(fault.row, fault.value) for fault in error.value.faults] == [(3, "cipd"), (4, "myasthenia")]


def test_missing_columns_are_named(small_rulebook, cohort) -> None:
    with pytest.raises(InputError, match="last_review_date"):
        grade_cohort(small_rulebook(), cohort({}).drop(columns="last_review_date"), AS_OF)


def test_a_rulebook_of_categories_does_not_grade(cohort) -> None:
    with pytest.raises(InputError, match="this rulebook does not grade") as caught:
        grade_cohort(load_rulebook("prairie"), cohort({}), AS_OF)
    (fault,) = caught.value.faults
    assert (fault.source, fault.value) == ("--rulebook", "prairie_2022")
    assert "kind grades" in fault.remedy
