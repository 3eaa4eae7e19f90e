"""Weaning by dose and by interval, as the Prairie criteria print it."""

from __future__ import annotations

import numpy as np
import pytest

from allocation.dosing.parameters import weaning_of
from allocation.dosing.weaning import dose_steps, interval_steps, wean, weaned_rates, weaning_phases
from allocation.errors import InputError
from allocation.rules import load_rulebook

RULE = weaning_of()
COMMON = (5000, 10000, 20000)


def monthly(grams, kg=70.0, **options):
    return dose_steps(grams, dosing_kg=kg, rule=RULE.by_dose, **options).monthly_mg[:, 0].tolist()


def test_the_protocol_is_the_printed_one() -> None:
    assert (RULE.by_dose.cut_low, RULE.by_dose.cut_high, RULE.by_dose.round_down_to_g) == (0.2, 0.3, 5)
    assert (RULE.by_dose.hold_months_low, RULE.by_dose.hold_months_high) == (4, 6)
    assert RULE.by_dose.stop_below_g_per_kg_per_month == 0.5
    assert RULE.by_interval.interval_weeks == (6, 8, 10, 12)
    assert weaning_of(load_rulebook("prairie")) == RULE
    assert weaning_of(load_rulebook("nhs")) == RULE


@pytest.mark.parametrize(
    ("grams", "cut", "steps"),
    [
        (70, None, [50_000, 35_000, 25_000, 0]),
        (70, 0.2, [55_000, 40_000, 30_000, 0]),
        (70, 0.3, [45_000, 30_000, 0]),
        (40, None, [30_000, 0]),
        (35, None, [25_000, 0]),
        (34.9, None, [0]),
        (5, None, [0]),
    ],
)
def test_steps_of_a_quarter_down_to_five_grams_and_off_below_half_a_gram_a_kg(grams, cut, steps) -> None:
    assert monthly(grams, cut=cut) == steps


def test_without_an_end_the_last_dose_stays() -> None:
    assert monthly(70, ending=False) == [50_000, 35_000, 25_000]
    assert monthly(30, ending=False) == [30_000]


def test_the_month_and_the_hold() -> None:
    assert dose_steps(70, dosing_kg=70, rule=RULE.by_dose).hold_weeks == 20
    assert dose_steps(70, dosing_kg=70, rule=RULE.by_dose, hold_months=6).hold_weeks == 24


@pytest.mark.parametrize(("option", "value"), [("cut", 0.19), ("cut", 0.31), ("hold_months", 3), ("hold_months", 7)])
def test_what_the_protocol_does_not_print_is_refused(option, value) -> None:
    with pytest.raises(InputError, match=option):
        monthly(70, **{option: value})


def test_weaning_by_dose_on_days() -> None:
    phases = weaning_phases(70_000, interval_weeks=4, dosing_kg=70, vial_mg=COMMON, rule=RULE)
    schedule = wean(70_000, phases, interval_weeks=4, weeks=104)
    assert [course.mg for course in schedule.courses] == [50_000] * 5 + [35_000] * 5 + [25_000] * 5
    assert schedule.ended_because == "all courses are given"


def test_a_three_weekly_course_is_cut_by_the_month() -> None:
    """60 g every three weeks is 80 g a month; a quarter off is 60 g, which is 45 g every three weeks."""
    phases = weaning_phases(60_000, interval_weeks=3, dosing_kg=70, vial_mg=COMMON, rule=RULE)
    assert [(phase.mg, phase.courses) for phase in phases[:2]] == [((45_000,), 7), ((30_000,), 7)]


@pytest.mark.parametrize(
    ("problems", "doses"),
    [
        (1, [50_000] * 5 + [70_000]),
        (2, [50_000] * 5 + [35_000] * 5 + [50_000]),
        (4, [50_000] * 5 + [35_000] * 5 + [25_000] * 5 + [25_000]),
    ],
)
def test_back_to_what_worked_when_problems_recur(problems, doses) -> None:
    phases = weaning_phases(70_000, interval_weeks=4, dosing_kg=70, vial_mg=COMMON, rule=RULE)
    schedule = wean(70_000, phases, interval_weeks=4, weeks=150, problems_at_step=problems)
    assert [course.mg for course in schedule.courses][: len(doses)] == doses
    assert len({course.mg for course in schedule.courses[len(doses) - 1 :]}) == 1
    assert schedule.ended_because == ""


def test_a_step_that_does_not_exist_is_refused() -> None:
    phases = weaning_phases(70_000, interval_weeks=4, dosing_kg=70, vial_mg=COMMON, rule=RULE)
    for step in (0, len(phases) + 2):
        with pytest.raises(InputError, match="problems_at_step"):
            wean(70_000, phases, interval_weeks=4, weeks=50, problems_at_step=step)


@pytest.mark.parametrize(
    ("interval", "steps"),
    [
        (4, ((6, 4), (8, 3), (10, 3), (12, 2))),
        (6, ((8, 3), (10, 3), (12, 2))),
        (7, ((8, 3), (10, 3), (12, 2))),
        (11, ((12, 2),)),
        (12, ((12, 2),)),
        (16, ((16, 2),)),
    ],
)
def test_longer_intervals_of_the_list(interval, steps) -> None:
    assert interval_steps(interval, RULE.by_interval) == steps


def test_weaning_by_interval_on_days() -> None:
    phases = weaning_phases(70_000, interval_weeks=8, dosing_kg=70, vial_mg=COMMON, rule=RULE, method="interval")
    schedule = wean(70_000, phases, interval_weeks=8, weeks=104)
    assert [course.week for course in schedule.courses] == [0, 10, 20, 32, 44]
    assert {course.mg for course in schedule.courses} == {70_000}


@pytest.mark.parametrize("method", ["dose", "interval"])
def test_the_rates_of_many_agree_with_the_schedule_of_one(method) -> None:
    """Over a horizon that holds whole steps the mean rate times its weeks is the schedule's total."""
    phases = weaning_phases(70_000, interval_weeks=4, dosing_kg=70, vial_mg=COMMON, rule=RULE, method=method)
    weeks = 60 if method == "dose" else 24 + 24
    rate = weaned_rates(
        np.array([70_000 / 4]),
        interval_weeks=np.array([4.0]),
        dosing_kg=np.array([70.0]),
        course_of=[(np.array([0]), COMMON)],
        rule=RULE,
        method=method,
        weeks=weeks,
        ending=True,
    )
    assert rate[0] * weeks == pytest.approx(wean(70_000, phases, interval_weeks=4, weeks=weeks).total_mg)


@pytest.mark.parametrize("method", ["dose", "interval"])
def test_an_end_saves_more_and_nothing_costs_more(method) -> None:
    now = np.array([70_000 / 4, 20_000 / 4, 40_000 / 12])
    rates = [
        weaned_rates(
            now,
            interval_weeks=np.array([4.0, 4.0, 12.0]),
            dosing_kg=np.array([70.0, 70.0, 70.0]),
            course_of=[(np.arange(3), COMMON)],
            rule=RULE,
            method=method,
            weeks=52,
            ending=ending,
        )
        for ending in (False, True)
    ]
    assert (rates[0] <= now).all()
    assert (rates[1] <= rates[0]).all()
    assert rates[1][2] < rates[0][2]
