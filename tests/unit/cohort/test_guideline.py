"""What the rulebook would give, and the record against it."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from allocation.cohort.demand import courses_in_vials
from allocation.cohort.guideline import compare, guideline_of
from allocation.rules import load_products, load_rulebook

AS_OF = date(2026, 11, 1)


def both(frame, **options):
    guideline = guideline_of(frame, rulebook=load_rulebook("nhs"), products=load_products(), as_of=AS_OF, **options)
    return guideline, compare(frame, guideline)


def text(frame) -> str:
    return str(both(frame)[1].text[0])


# The man of 170 cm and 84 kg has a dosing weight of 73.2 kg; maintenance of CIDP is 1 g/kg every 3 to 4 weeks.
@pytest.mark.parametrize(
    ("dose", "weeks", "told"),
    [
        (70, 3, "as the guideline"),
        (70, 4, "as the guideline"),
        (73.2, 3, "within the guideline's range"),
        (85.2, 3, "above guideline by 12 g a course"),
        (85.2, 4, "above guideline by 12 g a course"),
        (60, 3, "below guideline by 10 g a course"),
        (140, 6, "within the guideline's range"),
        (55, 2, "above guideline by 12.4 g every 4 weeks"),
        (20, 1, "within the guideline's range"),
        (5, 1, "below guideline by 50 g every 4 weeks"),
        (70, 6, "below guideline by 23.3 g every 4 weeks"),
    ],
)
def test_a_record_against_the_guideline(graded_cohort, dose, weeks, told) -> None:
    assert text(graded_cohort({"dose_g": dose, "interval_weeks": weeks})) == told


def test_twelve_grams_above_whatever_the_interval_says(graded_cohort) -> None:
    """Replacement 0.4-0.6 g/kg every four weeks: 29.3 to 43.9 g by dosing weight."""
    pid = {"indication": "pid", "interval_weeks": 4}
    guideline, comparison = both(graded_cohort({**pid, "dose_g": 55.9}))
    assert comparison.text[0] == "above guideline by 12 g a course"
    assert comparison.beyond_g[0] == pytest.approx(11.97, abs=0.01)
    assert comparison.difference_g[0] == pytest.approx(55.9 - 25)
    assert guideline.course_mg[0] == 25_000


@pytest.mark.parametrize(
    ("patient", "told"),
    [
        ({}, "no dose on record: the guideline's is used"),
        ({"indication": "unlisted", "dose_g": 40}, "no guideline dose"),
        ({"indication": "unlisted"}, "no dose known"),
        ({"height_cm": None, "dose_g": 40}, "no guideline dose"),
        ({"height_cm": None}, "no dose known"),
    ],
)
def test_where_there_is_nothing_to_compare(graded_cohort, patient, told) -> None:
    frame = graded_cohort(patient)
    _, comparison = both(frame)
    assert comparison.text[0] == told
    assert np.isnan(comparison.beyond_g[0])
    assert np.isnan(comparison.difference_g[0])


def test_the_range_is_the_printed_one_by_dosing_weight(graded_cohort) -> None:
    guideline, _ = both(graded_cohort({"indication": "pid", "product": "flebogamma_5"}))
    assert guideline.low_g[0] == 29.0
    assert guideline.high_g[0] == pytest.approx(0.6 * 73.2096)
    assert guideline.high_by_actual_g[0] == pytest.approx(0.6 * 84)
    assert (guideline.interval_weeks[0], guideline.shortest_weeks[0], guideline.longest_weeks[0]) == (4, 4, 4)


def test_the_smallest_vial_is_not_above_the_guideline(graded_cohort) -> None:
    """1 g/kg of 3.6 kg in vials of 5 g: one vial is what there is."""
    newborn = {"indication": "haemolytic_disease_newborn", "age_years": 0.01, "weight_kg": 3.4, "height_cm": None}
    guideline, comparison = both(graded_cohort({**newborn, "dose_g": 5}))
    assert guideline.course_mg[0] == 5_000
    assert comparison.text[0] == "as the guideline"


def test_the_guideline_follows_phase_route_and_age(graded_cohort) -> None:
    frame = graded_cohort(
        {"start_date": "2026-10-20"},
        {"indication": "pid", "route": "SC", "product": "hizentra_20"},
        {"indication": "itp", "situation": "planned_surgery", "age_years": 5, "weight_kg": 18, "height_cm": None},
    )
    guideline, _ = both(frame)
    assert [guideline.regimens[place].id for place in guideline.regimen] == [
        "initiation",
        "subcutaneous",
        "child_single",
    ]
    assert guideline.course_mg.tolist() == [145_000, 7_000, 15_000]


def test_guideline_and_demand_agree_where_nothing_is_recorded(graded_cohort) -> None:
    frame = graded_cohort(
        {},
        {"indication": "gbs"},
        {"indication": "pid", "route": "SC", "product": ""},
        {"indication": "tetanus", "situation": "suspected_case", "weight_kg": 45},
        {"indication": "gestational_alloimmune_liver_disease", "sex": "F", "weight_kg": 80},
        {"indication": "hepatitis_a", "route": "IM", "product": ""},
        {"indication": "unlisted"},
    )
    guideline, _ = both(frame)
    course, source = courses_in_vials(frame, rulebook=load_rulebook("nhs"), products=load_products(), as_of=AS_OF)
    assert guideline.course_mg.tolist() == course.tolist()
    assert source.tolist() == ["rulebook"] * 6 + ["unknown"]
    assert guideline.course_mg[4] == 60_000


def test_another_way_to_weigh_children(graded_cohort) -> None:
    child = graded_cohort({"indication": "pid", "age_years": 10, "height_cm": 150, "weight_kg": 60})
    by_age, _ = both(child)
    by_bmi, _ = both(child, child_method="bmi_by_age")
    assert by_age.dosing_kg[0] == 32
    assert by_bmi.dosing_kg[0] == pytest.approx(16.63 * 2.25, abs=0.05)
