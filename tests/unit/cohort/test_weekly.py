"""Demand week by week."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest

from allocation.cohort.demand import demand_table
from allocation.cohort.weekly import weekly_by_patient, weekly_demand
from allocation.errors import InputError
from allocation.rules import load_products, load_rulebook

AS_OF = date(2026, 11, 1)


def demand(frame, weeks: float = 8) -> pd.DataFrame:
    return demand_table(frame, rulebook=load_rulebook("nhs"), products=load_products(), as_of=AS_OF, weeks=weeks)


def weeks_of(frame, weeks: float = 8) -> dict[int, int]:
    long = weekly_by_patient(demand(frame, weeks), as_of=AS_OF, weeks=weeks)
    assert (long["mg"] == long["scheduled_mg"] + long["expected_mg"]).all()
    return dict(zip(long["week"], long["mg"] // 1000, strict=True))


@pytest.mark.parametrize(
    ("due", "interval", "weeks", "found"),
    [
        (0, 4, 8, {0: 70, 4: 70}),
        (6, 4, 8, {0: 70, 4: 70}),
        (7, 4, 8, {1: 70, 5: 70}),
        (-3, 4, 8, {0: 70, 3: 70, 7: 70}),
        (-30, 4, 8, {0: 70, 3: 70, 7: 70}),
        (-40, 4, 8, {0: 70, 2: 70, 6: 70}),
        (56, 4, 8, {7: 70}),
        (57, 4, 8, {}),
        (3, None, 8, {0: 70}),
        (-3, None, 8, {0: 70}),
        (10, 3.5, 8, {1: 70, 4: 70}),
        (24, 4, 4.5, {3: 70}),
    ],
)
def test_courses_in_the_week_they_are_due(graded_cohort, due, interval, weeks, found) -> None:
    patient = {"dose_g": 70, "interval_weeks": interval, "next_due_date": AS_OF + timedelta(days=due)}
    if interval is None:
        patient["indication"] = "gbs"
    assert weeks_of(graded_cohort(patient), weeks) == found


def test_without_a_date_the_grams_are_spread(graded_cohort) -> None:
    found = weeks_of(graded_cohort({"dose_g": 70, "interval_weeks": 4}))
    assert list(found) == list(range(8))
    assert set(found.values()) == {17}
    long = weekly_by_patient(demand(graded_cohort({"dose_g": 70, "interval_weeks": 4})), as_of=AS_OF, weeks=8)
    assert long["expected_mg"].tolist() == [17_500] * 8
    assert long["scheduled_mg"].sum() == 0


def test_spread_from_the_start_of_treatment_on(graded_cohort) -> None:
    later = {"dose_g": 70, "interval_weeks": 4, "start_date": AS_OF + timedelta(days=30)}
    assert list(weeks_of(graded_cohort(later))) == [4, 5, 6, 7]


@pytest.mark.parametrize(("start", "week"), [(None, 0), (-5, 0), (20, 2), (56, 7)])
def test_a_single_course_without_a_date(graded_cohort, start, week) -> None:
    begins = None if start is None else AS_OF + timedelta(days=start)
    assert weeks_of(graded_cohort({"indication": "gbs", "start_date": begins})) == {week: 145}


def test_no_milligram_is_lost_in_any_grouping(graded_cohort) -> None:
    frame = graded_cohort(
        {"dose_g": 70, "interval_weeks": 3, "next_due_date": AS_OF - timedelta(days=10)},
        {"dose_g": 33, "interval_weeks": 4, "panel": "SRIAP02"},
        {"indication": "gbs", "product": ""},
        {"indication": "unlisted", "dose_g": 40, "interval_weeks": 2, "panel": "SRIAP02"},
        {"indication": "unlisted"},
    )
    table = demand(frame, 13)
    for by in (["panel", "grade", "product"], ["panel"], ["grade"], ["product", "emergency"], []):
        weekly = weekly_demand(table, as_of=AS_OF, weeks=13, by=by)
        assert weekly["mg"].sum() == table["due_mg"].sum()
        assert list(weekly.columns) == ["week", *by, "patients", "scheduled_mg", "expected_mg", "mg"]
        assert not weekly.duplicated(["week", *by]).any()
        assert weekly["mg"].dtype == "int64"
    by_grade = weekly_demand(table, as_of=AS_OF, weeks=13, by=["grade"])
    assert by_grade["grade"].isna().any()


def test_nobody(graded_cohort) -> None:
    table = demand(graded_cohort({}).iloc[:0])
    assert weekly_demand(table, as_of=AS_OF, weeks=8).empty


@pytest.mark.parametrize(("weeks", "day"), [(12, 0), (4, 0), (8, 1), (8, -9)])
def test_a_table_of_another_day_or_horizon_is_refused(graded_cohort, weeks, day) -> None:
    frame = graded_cohort({"dose_g": 70, "interval_weeks": 3, "next_due_date": AS_OF - timedelta(days=2)})
    with pytest.raises(InputError, match="horizon"):
        weekly_demand(demand(frame, 8), as_of=AS_OF + timedelta(days=day), weeks=weeks)


@pytest.mark.parametrize("weeks", [0, -1, float("inf")])
def test_a_horizon_that_is_none_is_refused(graded_cohort, weeks) -> None:
    with pytest.raises(InputError, match="weeks"):
        weekly_demand(demand(graded_cohort({})), as_of=AS_OF, weeks=weeks)
