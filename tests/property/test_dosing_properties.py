"""What dosing and demand must keep to, whatever the patient, the vials or the grouping."""

from __future__ import annotations

from datetime import date
from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from allocation.cohort.demand import due_by
from allocation.dosing import (
    dose_patient,
    dosing_weights,
    exact_course_g,
    fewest_vials,
    round_to_vials,
    split_days,
    vials_from_stock,
)
from allocation.dosing.vials import makeable
from allocation.rules import load_products, load_rulebook
from allocation.rules.models import Regimen

PRODUCTS = {code: product.vial_mg for code, product in load_products().by_code.items()}
RULES = load_rulebook("nhs").dosing
COURSE = Regimen(id="course", purpose="single", basis="g_per_kg", dose_use=1.0)

sizes_in_use = st.sampled_from(sorted(PRODUCTS.values()))
any_sizes = st.one_of(
    sizes_in_use,
    st.lists(st.integers(1, 30).map(lambda n: n * 250), min_size=1, max_size=5, unique=True).map(tuple),
)
doses_g = st.floats(0, 400, allow_nan=False)
patients = st.fixed_dictionaries(
    {
        "sex": st.sampled_from("FM"),
        "age_years": st.floats(0, 100),
        "height_cm": st.floats(45, 210),
        "weight_kg": st.floats(2, 250),
    }
)


def total(vials: dict[int, int]) -> int:
    return sum(size * count for size, count in vials.items())


@settings(deadline=None)
@given(patients, st.floats(0, 50))
def test_more_weight_never_means_a_smaller_dosing_weight(patient, more) -> None:
    weights = dosing_weights(RULES, **{**patient, "weight_kg": [patient["weight_kg"], patient["weight_kg"] + more]})
    usable = not np.isnan(weights.ideal_kg).any()
    if usable:
        assert weights.dosing_kg[0] <= weights.dosing_kg[1]


@settings(deadline=None)
@given(patients, st.floats(0.05, 2), st.floats(0, 1), any_sizes, st.sampled_from(["down", "nearest"]))
def test_more_grams_for_each_kg_never_make_a_smaller_course(patient, g_per_kg, more, sizes, rounding) -> None:
    dosing = dosing_weights(RULES, **patient).dosing_kg[0]
    course = round_to_vials([g_per_kg * dosing, (g_per_kg + more) * dosing], sizes, rounding)
    assert course[0] <= course[1]


@settings(deadline=None)
@given(doses_g, any_sizes)
def test_rounding_errs_on_the_right_side_by_no_more_than_the_step(dose_g, sizes) -> None:
    exact_mg = round(dose_g * 1000)
    down, nearest = (int(round_to_vials(dose_g, sizes, way)[0]) for way in ("down", "nearest"))
    units = makeable(sizes)
    above = int(units.around(np.array([exact_mg // units.unit_mg]))[1][0]) * units.unit_mg
    assert down <= exact_mg < above
    assert nearest in (down, above)
    assert 2 * abs(nearest - exact_mg) <= above - down
    assert total(fewest_vials(down, sizes)) == down
    assert total(fewest_vials(nearest, sizes)) == nearest


@settings(deadline=None)
@given(doses_g, st.integers(1, 7), sizes_in_use)
def test_days_sum_to_the_course_and_stand_larger_first(dose_g, days, sizes) -> None:
    course = int(round_to_vials(dose_g, sizes)[0])
    amounts = [total(day) for day in split_days(course, days, sizes)]
    assert sum(amounts) == course
    assert len(amounts) == days
    assert amounts == sorted(amounts, reverse=True)
    assert all(set(day) <= set(sizes) for day in split_days(course, days, sizes))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=4, unique=True).map(tuple), st.integers(0, 40), st.integers(1, 4)
)
def test_no_other_split_is_more_even(sizes, dose, days) -> None:
    course = int(round_to_vials(dose / 1000, sizes)[0])
    makes = [mg for mg in range(course + 1) if round_to_vials(mg / 1000, sizes)[0] == mg]
    splits = [split for split in combinations_with_replacement(makes, days) if sum(split) == course]
    found = sorted(total(day) for day in split_days(course, days, sizes))
    least = min(max(split) - min(split) for split in splits)
    assert tuple(found) in splits
    assert found[-1] - found[0] == least


@pytest.mark.parametrize("code", sorted(PRODUCTS))
def test_fewest_vials_of_every_product_up_to_400_g(code) -> None:
    """Against the textbook recursion, one total after the other."""
    sizes = PRODUCTS[code]
    unit = makeable(sizes).unit_mg
    fewest: list[float] = [0]
    for units in range(1, 400_000 // unit + 1):
        fewest.append(min((fewest[units - s // unit] + 1 for s in sizes if s // unit <= units), default=np.inf))
    for units, count in enumerate(fewest):
        if count < np.inf:
            vials = fewest_vials(units * unit, sizes)
            assert total(vials) == units * unit
            assert sum(vials.values()) == count
        else:
            assert round_to_vials(units * unit / 1000, sizes)[0] < units * unit


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(st.integers(1, 12), st.integers(0, 3), max_size=4).map(
        lambda s: {k * 500: n for k, n in s.items()}
    ),
    st.integers(0, 30_000),
)
def test_nothing_better_comes_out_of_the_stock(stock, target) -> None:
    best, best_count = 0, 0
    choices: list[tuple[int, int]] = [(0, 0)]
    for size, count in stock.items():
        choices = [(mg + size * n, used + n) for mg, used in choices for n in range(count + 1)]
    for mg, used in choices:
        if mg <= target and (mg, -used) > (best, -best_count):
            best, best_count = mg, used
    found = vials_from_stock(target, stock)
    assert (total(found), sum(found.values())) == (best, best_count)
    assert all(count <= stock[size] for size, count in found.items())


@settings(deadline=None)
@given(st.lists(patients, min_size=1, max_size=20), sizes_in_use, st.sampled_from(["down", "nearest"]))
def test_one_by_one_is_all_at_once_bit_for_bit(many, sizes, rounding) -> None:
    together = dosing_weights(RULES, **{name: [patient[name] for patient in many] for name in many[0]})
    for place, patient in enumerate(many):
        alone = dosing_weights(RULES, **patient)
        for name in ("ideal_kg", "dosing_kg", "warnings"):
            assert getattr(alone, name).tobytes() == getattr(together, name)[place : place + 1].tobytes()
    actual, age = (np.array([patient[name] for patient in many]) for name in ("weight_kg", "age_years"))
    others = {"actual_kg": actual, "age_years": age, "ideal_kg": together.ideal_kg}
    exact = exact_course_g(COURSE, dosing_kg=together.dosing_kg, **others)
    course = round_to_vials(exact, sizes, rounding)
    for place, grams in enumerate(exact.tolist()):
        assert round_to_vials(grams, sizes, rounding).tobytes() == course[place : place + 1].tobytes()


@settings(max_examples=50, deadline=None)
@given(patients, st.floats(0.05, 3), st.integers(1, 7), sizes_in_use)
def test_a_dose_agrees_with_itself(patient, g_per_kg, days, sizes) -> None:
    dose = dose_patient(load_rulebook("nhs"), **patient, g_per_kg=g_per_kg, days=days, vial_mg=sizes)
    assert dose.course_mg <= round(dose.exact_g * 1000)
    assert sum(dose.daily_mg) == total(dose.vials) == dose.course_mg
    assert dose.exact_g == g_per_kg * dose.dosing_weight_kg


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_demand_keeps_every_milligram_under_any_grouping(data) -> None:
    rows = data.draw(st.integers(0, 30))
    frame = pd.DataFrame(
        {
            "panel": data.draw(st.lists(st.sampled_from(["A", "B", ""]), min_size=rows, max_size=rows)),
            "grade": pd.array(
                data.draw(st.lists(st.sampled_from([1, 2, 3, 4, None]), min_size=rows, max_size=rows)), dtype="Int8"
            ),
            "emergency": np.array(data.draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), dtype=bool),
            "seen": pd.to_datetime(pd.Series([date(2026, 1, 1), None] * rows, dtype=object)[:rows]),
            "courses_due": np.array(
                data.draw(st.lists(st.integers(0, 9), min_size=rows, max_size=rows)), dtype=np.int64
            ),
            "due_mg": np.array(
                data.draw(st.lists(st.integers(0, 2**40), min_size=rows, max_size=rows)), dtype=np.int64
            ),
        }
    )
    by = data.draw(st.lists(st.sampled_from(["panel", "grade", "emergency", "seen"]), unique=True))
    grouped = due_by(frame, by)
    assert grouped["due_mg"].sum() == frame["due_mg"].sum()
    assert grouped["courses_due"].sum() == frame["courses_due"].sum()
    assert grouped["patients"].sum() == len(frame)
    assert not by or not grouped.duplicated(by).any()
