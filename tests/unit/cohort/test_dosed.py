"""The dosed cohort as people read it, and its arithmetic in words."""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pandas as pd
import pytest

from allocation.cohort.demand import courses_in_vials
from allocation.cohort.dosed import DOSED_COLUMNS, dosed_table, spread
from allocation.cohort.explain import different_patients, explained
from allocation.cohort.guideline import compare, guideline_of
from allocation.cohort.stewardship import KINDS, savings_of
from allocation.rules import load_products, load_rulebook
from allocation.rules.models import Rulebook

AS_OF = date(2026, 11, 1)


def parts(frame, book: Rulebook | None = None):
    book, products = book or load_rulebook("nhs"), load_products()
    guideline = guideline_of(frame, rulebook=book, products=products, as_of=AS_OF)
    savings = savings_of(frame, guideline, rulebook=book, products=products, as_of=AS_OF)
    course, _ = courses_in_vials(frame, rulebook=book, products=products, as_of=AS_OF)
    return guideline, compare(frame, guideline), savings, course, book


def table(frame, book: Rulebook | None = None) -> pd.DataFrame:
    guideline, comparison, savings, course, book = parts(frame, book)
    return dosed_table(frame, guideline, comparison, savings, course_mg=course, rulebook=book)


def with_daily_maximum(**limits) -> Rulebook:
    """The NHS rulebook with a most for each day, as the Prairie criteria print one."""
    book = load_rulebook("nhs")
    return book.model_copy(update={"dosing": book.dosing.model_copy(update={"max_g_per_kg_per_day": 1.0, **limits})})


def test_the_worked_example_of_the_plan_as_a_row(graded_cohort) -> None:
    row = table(graded_cohort({"indication": "gbs"})).iloc[0]
    assert (row["ideal_weight_kg"], row["dosing_weight_kg"]) == (66.0, 73.2)
    assert (row["guideline_g"], row["course_g"], row["days"]) == (145, 145, 5)
    assert row["per_day_g"] == "30/30/30/30/25"
    assert row["vials"] == "5 x 20 g + 4 x 10 g + 1 x 5 g"
    assert row["warnings"] == ""
    assert np.isnan(row["recorded_g"])
    assert row["against_guideline"] == "no dose on record: the guideline's is used"


def test_columns_and_their_order(graded_cohort) -> None:
    found = table(graded_cohort({"dose_g": 85.2, "interval_weeks": 3}, {"indication": "unlisted"}))
    assert tuple(found.columns) == DOSED_COLUMNS
    assert {f"saving_{kind}_g_a_year" for kind in KINDS} < set(found.columns)
    row = found.iloc[0]
    assert row["saving_g_a_year"] == pytest.approx(sum(row[f"saving_{kind}_g_a_year"] for kind in KINDS))
    assert (row["recorded_g"], row["course_g"]) == (85.2, 85)
    assert row["difference_g"] == pytest.approx(15.2)


@pytest.mark.parametrize(
    ("patient", "codes"),
    [
        ({}, ""),
        ({"weight_kg": 60}, "BELOW_IDEAL"),
        ({"height_cm": 150, "weight_kg": 80}, "HEIGHT_BELOW_FORMULA; BMI_HIGH"),
        ({"height_cm": 152.4, "weight_kg": 69}, ""),
        ({"height_cm": None}, "HEIGHT_MISSING; DOSE_UNKNOWN"),
        ({"indication": "pid", "age_years": 9, "height_cm": None, "weight_kg": 35}, "CHILD"),
        (
            {"indication": "haemolytic_disease_newborn", "age_years": 0.01, "height_cm": None, "weight_kg": 3.4},
            "BELOW_IDEAL; CHILD; NEONATE; COURSE_BELOW_SMALLEST_VIAL",
        ),
        ({"dose_g": 85, "interval_weeks": 3}, "ABOVE_GUIDELINE"),
        ({"dose_g": 72, "interval_weeks": 3}, "PART_VIAL"),
        ({"dose_g": 40, "interval_weeks": 3}, ""),
        ({"indication": "itp", "situation": "pregnancy", "sex": "F", "weight_kg": 70}, "BOOKING_WEIGHT"),
        (
            {"indication": "gestational_alloimmune_liver_disease", "sex": "F", "weight_kg": 70},
            "BOOKING_WEIGHT",
        ),
        (
            {
                "indication": "gestational_alloimmune_liver_disease",
                "sex": "F",
                "weight_kg": 70,
                "weight_note": "booking",
            },
            "",
        ),
        ({"weight_note": "amputation"}, "WEIGHT_AMPUTATION"),
        ({"weight_note": "see letter", "weight_kg": 60}, "BELOW_IDEAL; WEIGHT_NOTE"),
    ],
)
def test_a_code_where_a_person_should_look(graded_cohort, patient, codes) -> None:
    assert table(graded_cohort(patient)).iloc[0]["warnings"] == codes


def test_notes_stay_with_their_patient(graded_cohort) -> None:
    found = table(graded_cohort({"weight_note": "amputation"}, {"weight_note": ""}, {"weight_note": "fluid"}, {}))
    assert found["warnings"].tolist() == ["WEIGHT_AMPUTATION", "", "WEIGHT_FLUID", ""]


def test_no_day_above_the_daily_maximum(graded_cohort) -> None:
    """2 g/kg over two days would be 75 and 70 g; 1 g/kg of 73.2 kg a day asks for three."""
    frame = graded_cohort({"start_date": "2026-10-25"})
    assert table(frame).iloc[0]["per_day_g"] == "75/70"
    row = table(frame, with_daily_maximum()).iloc[0]
    assert (row["per_day_g"], row["days"], row["warnings"]) == ("50/50/45", 3, "MORE_DAYS_THAN_USUAL")


def test_a_vial_above_the_daily_maximum_is_told(graded_cohort) -> None:
    newborn = {"indication": "haemolytic_disease_newborn", "age_years": 0.1, "height_cm": None, "weight_kg": 4.5}
    row = table(graded_cohort(newborn), with_daily_maximum()).iloc[0]
    assert row["per_day_g"] == "5"
    assert "DAILY_ABOVE_USUAL_MAXIMUM" in row["warnings"]


def test_spread_over_days() -> None:
    assert spread(0, 3, (5000,), None) == ()
    assert len(spread(145_000, 2, (5000, 10000, 20000), 73_209)) == 3
    assert len(spread(5_000, 1, (5000,), 4_000)) == 1


VARIED = (
    {},
    {"dose_g": 100, "interval_weeks": 3},
    {"dose_g": 70, "interval_weeks": 3},
    {"indication": "pid", "age_years": 9, "height_cm": None, "weight_kg": 35},
    {"indication": "pid", "route": "SC", "product": "hizentra_20", "dose_g": 8, "interval_weeks": 1},
    {"indication": "tetanus", "situation": "suspected_case", "weight_kg": 45},
    {"indication": "measles", "situation": "pregnant_or_infant", "route": "IM", "product": "", "sex": "F"},
    {
        "indication": "measles",
        "situation": "pregnant_or_infant",
        "route": "IM",
        "product": "",
        "age_years": 0.5,
        "weight_kg": 7,
        "height_cm": None,
    },
    {"indication": "coagulation_factor_inhibitors", "situation": "emergency"},
    {"indication": "gestational_alloimmune_liver_disease", "sex": "F", "weight_kg": 70},
    {"indication": "unlisted", "dose_g": 40, "interval_weeks": 4},
    {"indication": "unlisted"},
    {"height_cm": None},
    {"weight_note": "amputation"},
)


def test_every_kind_of_patient_is_explained(graded_cohort) -> None:
    frame = graded_cohort(*VARIED)
    guideline, comparison, savings, course, book = parts(frame)
    for row in range(len(frame)):
        lines = explained(row, frame, guideline, comparison, savings, course_mg=int(course[row]), rulebook=book)
        assert lines[0].startswith(f"P{row:04}: ")
        assert all(line[-1] in ".!" for line in lines), lines
        assert not re.search(r"\bnan\b", " ".join(lines).lower())
        if course[row]:
            assert f"To give: {course[row] / 1000:g} g." in lines


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (0, "1 g/kg x 73.2 kg (dosing weight) = 73.2 g every 3 weeks"),
        (1, "On record: 100 g every 3 weeks; above guideline by 26.8 g a course."),
        (5, "fixed amount at 45 kg = 20.0 g"),
        (6, "fixed amount = 3.0 g"),
        (7, "0.6 ml/kg x 7.6 kg (dosing weight) x 0.16 g/ml = 0.7 g"),
        (8, "0.4 g/kg x 73.2 kg (dosing weight) x 5 doses = 146.4 g"),
        (9, "(capped)"),
        (10, "The rulebook has no regimen: not listed."),
        (12, "No dosing weight: the height is not on record."),
        (13, "Look again: WEIGHT_AMPUTATION"),
    ],
)
def test_the_arithmetic_is_shown(graded_cohort, row, said) -> None:
    frame = graded_cohort(*VARIED)
    guideline, comparison, savings, course, book = parts(frame)
    lines = explained(row, frame, guideline, comparison, savings, course_mg=int(course[row]), rulebook=book)
    assert said in " ".join(lines)


def test_different_patients_are_chosen(graded_cohort) -> None:
    frame = graded_cohort(*[{"dose_g": 70, "interval_weeks": 3}] * 20, *VARIED)
    guideline, comparison, *_ = parts(frame)
    chosen = different_patients(frame, guideline, comparison, 10)
    assert len(set(chosen)) == 10
    assert sum(place < 20 for place in chosen) <= 1
    assert frame["age_years"].iloc[chosen].min() < 18 <= frame["age_years"].iloc[chosen].max()
    assert set(frame["route"].iloc[chosen]) == {"IV", "SC", "IM"}
    assert chosen == different_patients(frame, guideline, comparison, 10)
    assert len(different_patients(frame.head(3), *parts(frame.head(3))[:2], 10)) == 3
    assert different_patients(frame, guideline, comparison, 0) == []
