"""What schedules, weaning, savings and weeks must keep to, whatever the patient."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.cohort.demand import demand_table
from allocation.cohort.guideline import compare, guideline_of
from allocation.cohort.schema import COLUMNS, typed
from allocation.cohort.stewardship import KINDS, SavingsOptions, savings_of, stewardship_table
from allocation.cohort.weekly import weekly_by_patient, weekly_demand
from allocation.dosing import dosing_weights, exact_course_g, fewest_days, round_to_vials, split_days
from allocation.dosing.equivalence import alternating_mg, equivalent_g
from allocation.dosing.parameters import weaning_of
from allocation.dosing.regimens import exact_courses_g
from allocation.dosing.schedule import Phase, StopRule, make_schedule, repeated_days
from allocation.dosing.vials import round_each
from allocation.dosing.weaning import dose_steps, weaned_rates
from allocation.grading import grade_cohort
from allocation.rules import load_products, load_rulebook

AS_OF = date(2026, 11, 1)
BOOK, PRODUCTS = load_rulebook("nhs"), load_products()
SIZES = sorted({product.vial_mg for product in PRODUCTS.product})
REGIMENS = [regimen for book in ("nhs", "prairie") for entry in load_rulebook(book).entry for regimen in entry.regimen]

phases = st.lists(
    st.builds(
        Phase,
        name=st.sampled_from(["a", "b"]),
        mg=st.lists(st.integers(0, 400_000), min_size=1, max_size=3).map(tuple),
        interval_weeks=st.lists(st.floats(0.5, 12), min_size=1, max_size=3).map(tuple),
        courses=st.one_of(st.none(), st.integers(0, 9)),
        gap_weeks=st.one_of(st.none(), st.floats(0, 12)),
        last_day=st.one_of(st.none(), st.integers(0, 400)),
    ),
    min_size=1,
    max_size=4,
)
stops = st.builds(
    StopRule,
    most_courses=st.one_of(st.none(), st.integers(0, 20)),
    without_benefit_after=st.one_of(st.none(), st.integers(1, 9)),
    benefit=st.one_of(st.none(), st.booleans()),
    most_mg=st.one_of(st.none(), st.integers(0, 2_000_000)),
)


@settings(deadline=None)
@given(phases, st.floats(0.1, 104), stops)
def test_a_schedule_is_the_sum_of_its_courses_in_order(plan, weeks, stop) -> None:
    schedule = make_schedule(plan, weeks=weeks, stop=stop)
    assert schedule.total_mg == sum(course.mg for course in schedule.courses) == schedule.by_week().sum()
    days = [course.day for course in schedule.courses]
    assert days == sorted(days)
    assert all(
        0 <= course.day < schedule.horizon_days and course.week == course.day // 7 for course in schedule.courses
    )
    assert stop.most_courses is None or len(days) <= stop.most_courses
    assert stop.most_mg is None or schedule.total_mg <= stop.most_mg


@settings(deadline=None)
@given(phases, st.floats(0.1, 52), st.floats(0, 52))
def test_a_longer_horizon_only_adds_courses(plan, weeks, more) -> None:
    short, long = make_schedule(plan, weeks=weeks), make_schedule(plan, weeks=weeks + more)
    assert long.courses[: len(short.courses)] == short.courses


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.floats(0.5, 80), st.integers(0, 12)), min_size=1, max_size=12))
def test_many_schedules_at_once_are_those_of_each(patients) -> None:
    first, cycle, courses = (np.array(column) for column in zip(*patients, strict=True))
    patient, number, day = repeated_days(first, cycle, courses)
    assert patient.size == courses.sum()
    for place, (start, step, count) in enumerate(patients):
        rows = patient == place
        assert number[rows].tolist() == list(range(count))
        alone = repeated_days(start, step, count)[2]
        assert day[rows].tolist() == alone.tolist()


@settings(deadline=None)
@given(st.floats(0.5, 200), st.sampled_from(SIZES), st.integers(1, 12))
def test_doses_in_turn_never_pass_the_exact_sum_nor_fall_short_by_a_vial(exact, sizes, turns) -> None:
    doses = alternating_mg(exact, sizes, turns)
    owed = 0
    for turn, dose in enumerate(doses, start=1):
        owed += dose
        assert owed <= round(exact * turn * 1000) + 1
    if exact * 1000 >= 4 * sizes[-1]:
        assert exact * turns * 1000 - owed < sizes[0] + 1


@settings(deadline=None)
@given(st.floats(1, 200), st.floats(0.5, 8), st.floats(0.5, 8))
def test_an_equivalent_course_is_the_same_grams_a_week_and_goes_back(grams, weeks, other) -> None:
    there = equivalent_g(grams, from_weeks=weeks, to_weeks=other)
    assert np.isclose(there[0] / other, grams / weeks)
    assert np.isclose(equivalent_g(there, from_weeks=other, to_weeks=weeks)[0], grams)


@settings(deadline=None)
@given(st.floats(1, 300), st.floats(10, 150), st.floats(0.2, 0.3), st.booleans())
def test_weaning_goes_down_in_steps_and_ends_where_it_should(monthly, kg, cut, ending) -> None:
    rule = weaning_of().by_dose
    steps = dose_steps(monthly, dosing_kg=kg, rule=rule, cut=cut, ending=ending).monthly_mg[:, 0]
    before = np.concatenate(([round(monthly * 1000)], steps[:-1]))
    limit = rule.stop_below_g_per_kg_per_month * kg * 1000
    for earlier, later in zip(before.tolist(), steps.tolist(), strict=True):
        if earlier < limit:
            assert later == (0 if ending else earlier)
        else:
            assert later % 5000 == 0
            assert later <= earlier * (1 - cut) + 1
    assert not ending or steps[-1] == 0


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(200, 40_000), st.floats(1, 16), st.floats(20, 150)), min_size=1, max_size=8),
    st.sampled_from(SIZES),
    st.sampled_from(["dose", "interval"]),
    st.floats(1, 104),
)
def test_weaning_never_costs_and_an_end_never_costs_more(patients, sizes, method, weeks) -> None:
    rate, interval, kg = (np.array(column) for column in zip(*patients, strict=True))
    usual = {"interval_weeks": interval, "dosing_kg": kg, "rule": weaning_of(), "method": method, "weeks": weeks}
    course_of = [(np.arange(len(patients)), sizes)]
    going_on = weaned_rates(rate, course_of=course_of, ending=False, **usual)
    ended = weaned_rates(rate, course_of=course_of, ending=True, **usual)
    assert (going_on <= rate * (1 + 1e-12)).all()
    assert (ended <= going_on * (1 + 1e-12)).all()
    assert (ended >= 0).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_regimens_of_many_are_those_of_each_bit_for_bit(data) -> None:
    count = data.draw(st.integers(1, 12))
    which = np.array(data.draw(st.lists(st.integers(0, len(REGIMENS) - 1), min_size=count, max_size=count)))
    weights = {
        name: np.array(data.draw(st.lists(st.floats(2, 200), min_size=count, max_size=count)))
        for name in ("dosing_kg", "actual_kg", "age_years", "ideal_kg")
    }
    together = exact_courses_g(REGIMENS, which, **weights)
    for place in range(count):
        alone = exact_course_g(REGIMENS[which[place]], **{name: values[place] for name, values in weights.items()})
        assert alone.tobytes() == together[place : place + 1].tobytes()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 400), st.integers(0, len(SIZES) - 1)), min_size=1, max_size=20),
    st.sampled_from(["down", "nearest", "up"]),
)
def test_rounding_for_many_products_is_that_of_each(doses, rounding) -> None:
    grams, which = np.array([dose for dose, _ in doses]), np.array([place for _, place in doses])
    together = round_each(grams, which, SIZES, rounding)
    assert together.tolist() == [int(round_to_vials(dose, SIZES[place], rounding)[0]) for dose, place in doses]


@settings(deadline=None)
@given(st.floats(0, 400), st.sampled_from(SIZES))
def test_up_is_never_below_and_down_never_above(dose, sizes) -> None:
    down, up = (int(round_to_vials(dose, sizes, way)[0]) for way in ("down", "up"))
    assert down <= round(dose * 1000) <= up
    assert (down == up) is (down == round(dose * 1000))


@settings(deadline=None)
@given(st.floats(0.2, 2), st.floats(0, 1), st.floats(40, 150), st.floats(0, 50), st.sampled_from(SIZES))
def test_courses_rise_with_weight_and_with_the_dose(dose, more, weight, heavier, sizes) -> None:
    regimen = REGIMENS[0].model_copy(update={"dose_use": dose, "dose_high": None, "dose_low": None})
    richer = regimen.model_copy(update={"dose_use": dose + more})

    def course(what, kg: float) -> int:
        body = dosing_weights(BOOK.dosing, sex="M", age_years=45, height_cm=170, weight_kg=kg)
        exact = exact_course_g(what, dosing_kg=body.dosing_kg, actual_kg=kg, age_years=45, ideal_kg=body.ideal_kg)
        return int(round_to_vials(exact, sizes)[0])

    assert course(regimen, weight) <= course(regimen, weight + heavier)
    assert course(regimen, weight) <= course(richer, weight)


CONDITIONS = [(entry.indication, entry.situation) for entry in BOOK.entry] + [("unlisted", "")]
patients = st.fixed_dictionaries(
    {
        "condition": st.sampled_from(CONDITIONS),
        "panel": st.sampled_from(["SRIAP01", "SRIAP02", "SRIAP03"]),
        "age_years": st.floats(0, 95),
        "sex": st.sampled_from("FM"),
        "height_cm": st.one_of(st.none(), st.floats(50, 205)),
        "weight_kg": st.floats(2, 180),
        "route": st.sampled_from(["IV", "SC"]),
        "dose_g": st.one_of(st.none(), st.floats(0.5, 250)),
        "interval_weeks": st.one_of(st.none(), st.floats(1, 12)),
        "started": st.one_of(st.none(), st.integers(-40, 4000)),
        "due": st.one_of(st.none(), st.integers(-200, 60)),
        "reviewed": st.one_of(st.none(), st.integers(0, 800)),
        "panel_decision": st.sampled_from(["", "approved", "declined"]),
        "ongoing_need_proven": st.sampled_from(["", "yes", "no"]),
    }
)


def graded(people) -> pd.DataFrame:
    rows = []
    for number, person in enumerate(people):
        indication, situation = person["condition"]
        codes = [product.code for product in PRODUCTS.product if product.route == person["route"]]
        days = {
            "start_date": person["started"],
            "next_due_date": None if person["due"] is None else -person["due"],
            "last_review_date": person["reviewed"],
        }
        rows.append(
            {
                "patient_id": f"P{number}",
                "indication": indication,
                "situation": situation,
                "product": codes[number % len(codes)] if number % 3 else "",
                **{
                    name: "" if person[name] is None else str(person[name])
                    for name in person
                    if name in COLUMNS and name != "condition"
                },
                **{
                    name: "" if ago is None else (AS_OF - timedelta(days=ago)).isoformat() for name, ago in days.items()
                },
            }
        )
    raw = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).fillna("")
    return grade_cohort(BOOK, typed(raw), AS_OF)


def savings(frame, options) -> pd.DataFrame:
    guideline = guideline_of(frame, rulebook=BOOK, products=PRODUCTS, as_of=AS_OF)
    return savings_of(frame, guideline, rulebook=BOOK, products=PRODUCTS, as_of=AS_OF, options=options)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(patients, min_size=1, max_size=15),
    st.builds(
        SavingsOptions,
        recorded_by=st.sampled_from(["unknown", "actual", "dosing"]),
        packs=st.sampled_from(["same_route", "any_route", "none"]),
        weaning=st.sampled_from(["dose", "interval", "none"]),
    ),
)
def test_savings_are_never_negative_and_add_up(people, options) -> None:
    frame = graded(people)
    found = savings(frame, options)
    kinds = found[[f"saving_{kind}_mg" for kind in KINDS]]
    assert (kinds >= 0).all().all()
    assert (found["left_mg"] >= 0).all()
    assert (kinds.sum(axis=1) == found["saving_mg"]).all()
    assert (found["saving_mg"] + found["left_mg"] == found["now_mg"]).all()
    table = stewardship_table(pd.concat([frame[["panel", "indication"]], found], axis=1), ["panel", "indication"])
    assert table["saving_mg"].sum() == found["saving_mg"].sum()
    assert table["patients"].sum() == len(frame)


@settings(max_examples=40, deadline=None)
@given(st.lists(patients, min_size=2, max_size=10), st.randoms(use_true_random=False))
def test_savings_of_a_patient_do_not_depend_on_the_others(people, luck) -> None:
    frame = graded(people)
    together = savings(frame, SavingsOptions())
    order = list(range(len(frame)))
    luck.shuffle(order)
    shuffled = savings(frame.iloc[order].reset_index(drop=True), SavingsOptions())
    amounts = [column for column in together if column.endswith("_mg")]
    assert (shuffled[amounts].to_numpy() == together[amounts].to_numpy()[order]).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(patients, min_size=1, max_size=15))
def test_a_comparison_says_what_its_numbers_say(people) -> None:
    frame = graded(people)
    found = compare(frame, guideline_of(frame, rulebook=BOOK, products=PRODUCTS, as_of=AS_OF))
    for text, beyond in zip(found.text, found.beyond_g, strict=True):
        assert text
        assert text.startswith("above") is bool(beyond > 0)
        assert text.startswith("below") is bool(beyond < 0)
        assert (text.startswith("no ")) is bool(np.isnan(beyond))


@settings(max_examples=60, deadline=None)
@given(st.lists(patients, min_size=1, max_size=15), st.integers(1, 30), st.sampled_from([0.0, 0.5]))
def test_every_milligram_due_stands_in_one_week(people, weeks, part) -> None:
    demand = demand_table(graded(people), rulebook=BOOK, products=PRODUCTS, as_of=AS_OF, weeks=weeks + part)
    long = weekly_by_patient(demand, as_of=AS_OF, weeks=weeks + part)
    each = long.groupby("patient")["mg"].sum().reindex(range(len(demand)), fill_value=0)
    assert each.tolist() == demand["due_mg"].tolist()
    assert long["week"].between(0, int(np.ceil(weeks + part)) - 1).all()
    for by in (["panel", "grade", "product"], ["grade"], []):
        weekly = weekly_demand(demand, as_of=AS_OF, weeks=weeks + part, by=by)
        assert weekly["mg"].sum() == demand["due_mg"].sum()


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=3, unique=True).map(lambda sizes: tuple(sorted(sizes))),
    st.integers(0, 24),
    st.integers(1, 3),
    st.integers(1, 14),
)
def test_days_within_a_maximum_against_every_possible_split(sizes, dose, days, most) -> None:
    course = int(round_to_vials(dose / 1000, sizes)[0])
    makes = [mg for mg in range(course + 1) if round_to_vials(mg / 1000, sizes)[0] == mg]

    def splits(count: int) -> list[tuple[int, ...]]:
        return [way for way in combinations_with_replacement(makes, count) if sum(way) == course and way[-1] <= most]

    enough = fewest_days(course, days, sizes, max_daily_mg=most)
    if enough is None or enough > days + 3:
        assert not splits(days)
        return
    assert splits(enough) or course == 0
    assert all(not splits(fewer) for fewer in range(days, enough))
    found = sorted(
        sum(size * count for size, count in day.items())
        for day in split_days(course, enough, sizes, max_daily_mg=None if course == 0 else most)
    )
    least = min((max(way) - min(way) for way in splits(enough)), default=0)
    assert found[-1] - found[0] == least
    assert course == 0 or found[-1] <= most
