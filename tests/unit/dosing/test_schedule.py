"""Courses on days: phases, repeats, alternation, stop rules."""

from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from allocation.dosing.schedule import Phase, StopRule, make_schedule, repeated_days
from allocation.errors import InputError

INDUCTION = Phase("induction", (145_000,), interval_weeks=(6,), courses=2)
MAINTENANCE = Phase("maintenance", (72_500,), interval_weeks=(3,), courses=None)


def days(schedule) -> list[int]:
    return [course.day for course in schedule.courses]


def test_induction_then_maintenance_one_maintenance_interval_later() -> None:
    schedule = make_schedule([INDUCTION, MAINTENANCE], weeks=15)
    assert days(schedule) == [0, 42, 63, 84]
    assert [course.week for course in schedule.courses] == [0, 6, 9, 12]
    assert [course.phase for course in schedule.courses] == ["induction"] * 2 + ["maintenance"] * 2
    assert schedule.total_mg == 2 * 145_000 + 2 * 72_500
    assert schedule.ended_because == ""


def test_a_gap_of_its_own_and_the_interval_before() -> None:
    loading = Phase("loading", (30_000,))
    later = Phase("maintenance", (30_000,), interval_weeks=(4,), courses=2, gap_weeks=1)
    assert days(make_schedule([loading, later], weeks=20)) == [0, 7, 35]
    single = Phase("relapse", (60_000,))
    assert days(make_schedule([INDUCTION, single], weeks=20)) == [0, 42, 84]
    with pytest.raises(InputError, match="gap_weeks"):
        make_schedule([loading, single], weeks=20)


def test_a_course_on_the_last_day_belongs_to_the_next_horizon() -> None:
    assert days(make_schedule([MAINTENANCE], weeks=3)) == [0]
    assert days(make_schedule([MAINTENANCE], weeks=3.01)) == [0, 21]


def test_alternating_intervals_and_doses() -> None:
    phase = Phase("in turn", (30_000, 25_000), interval_weeks=(3, 4), courses=None)
    schedule = make_schedule([phase], weeks=15)
    assert days(schedule) == [0, 21, 49, 70, 98]
    assert [course.mg for course in schedule.courses] == [30_000, 25_000, 30_000, 25_000, 30_000]


def test_intervals_with_fractions_keep_their_pace() -> None:
    phase = Phase("every 3.5 weeks", (10_000,), interval_weeks=(3.5,), courses=None)
    assert days(make_schedule([phase], weeks=15)) == [0, 24, 49, 73, 98]


def test_given_days_start_late_and_end_with_the_last_day() -> None:
    pregnancy = Phase("prophylaxis", (60_000,), courses=None, days=(-14, 0, 7, 14, 21), last_day=14)
    schedule = make_schedule([pregnancy], weeks=10)
    assert days(schedule) == [0, 7, 14]
    assert "day 14" in schedule.ended_because


def test_weeks_hold_the_grams_and_dates_count_from_the_start() -> None:
    schedule = make_schedule([Phase("weekly", (4_000,), interval_weeks=(1,), courses=3)], weeks=5, first_day=8)
    assert schedule.by_week().tolist() == [0, 4_000, 4_000, 4_000, 0]
    assert next(day for day, _ in schedule.dated(date(2026, 2, 23))) == date(2026, 3, 3)
    assert schedule.ended_because == "all courses are given"


@pytest.mark.parametrize(
    ("stop", "courses", "because"),
    [
        (StopRule(), 9, ""),
        (StopRule(most_courses=1), 1, "no more than 1 courses"),
        (StopRule(without_benefit_after=3), 9, ""),
        (StopRule(without_benefit_after=3, benefit=True), 9, ""),
        (StopRule(without_benefit_after=3, benefit=False), 3, "no benefit after 3"),
        (StopRule(most_courses=5, without_benefit_after=3, benefit=False), 3, "no benefit"),
        (StopRule(most_courses=2, without_benefit_after=3, benefit=False), 2, "no more than 2"),
        (StopRule(most_mg=290_000), 2, "290000 mg"),
        (StopRule(most_mg=289_999), 1, "289999 mg"),
    ],
)
def test_stop_rules(stop, courses, because) -> None:
    schedule = make_schedule([INDUCTION, MAINTENANCE], weeks=30, stop=stop)
    assert len(schedule.courses) == courses
    assert because in schedule.ended_because
    assert bool(because) == bool(schedule.ended_because)


def test_a_stop_after_the_last_course_is_not_called_one() -> None:
    schedule = make_schedule([INDUCTION], weeks=30, stop=StopRule(most_courses=2))
    assert schedule.ended_because == "all courses are given"


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ({"mg": ()}, "mg"),
        ({"mg": (-1,)}, "mg"),
        ({"interval_weeks": (0,)}, "interval_weeks"),
        ({"courses": None, "interval_weeks": ()}, "interval_weeks"),
        ({"courses": -1}, "courses"),
    ],
)
def test_a_phase_that_cannot_be_is_refused(wrong, column) -> None:
    with pytest.raises(InputError, match=column):
        Phase("x", **{"mg": (1,), "interval_weeks": (1,), **wrong})


@pytest.mark.parametrize(("weeks", "first_day"), [(0, 0), (-1, 0), (float("inf"), 0), (4, -1)])
def test_a_horizon_that_is_none_is_refused(weeks, first_day) -> None:
    with pytest.raises(InputError):
        make_schedule([INDUCTION], weeks=weeks, first_day=first_day)


def test_many_patients_at_once_agree_with_each_alone() -> None:
    first, cycle, courses = np.array([0.0, 3.0, 10.0, 5.0]), np.array([21.0, 24.5, np.nan, 7.0]), np.array([4, 3, 1, 0])
    patient, number, day = repeated_days(first, cycle, courses)
    assert patient.tolist() == [0] * 4 + [1] * 3 + [2]
    assert number.tolist() == [0, 1, 2, 3, 0, 1, 2, 0]
    assert day.tolist() == [0, 21, 42, 63, 3, 27, 52, 10]
    phase = Phase("x", (1,), interval_weeks=(3.5,), courses=3)
    assert days(make_schedule([phase], weeks=99, first_day=3)) == day[4:7].tolist()
