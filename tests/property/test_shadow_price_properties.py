"""Every shadow price is what allocating again from scratch gives, with a kilogram more of a product and one fewer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from allocation.optimise.policies import find_policy, gather_claims, list_policies, settle, settled_prices
from allocation.optimise.problem import Problem
from allocation.optimise.program import solve
from allocation.optimise.shadow import ShadowPrices, shadow_prices
from allocation.rules import NATIONAL, load_tiers
from limited_problems import (
    KEYS,
    NO_LIMITS,
    PANELS,
    PLACES,
    any_limits,
    any_rows,
    any_stock,
    limited_problem,
    products_of,
)

CODES = ("privigen_10", "octagam_10", "hizentra_20")
PRODUCTS = products_of(CODES)
TIERS = load_tiers()
UNIT_MG = 130_000
KILOGRAM_MG = 1_000_000
# Prices are told in tenths of a gram, of amounts that are rounded down to milligrams.
NEAR_G = 0.11
FEW = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], phases=[Phase.explicit, Phase.generate]
)
POLICIES = [one.name for one in list_policies() if one.distribution == "igalloc" and one.name != "grade_order"]

rows_of = any_rows(CODES, st.integers(0, 4), st.booleans())
stock_of = any_stock(CODES, most=20, rows=6)
limits_of = any_limits(CODES, counted=1)
UNFENCED = {**NO_LIMITS, "fences": [("octagam_10", 0), ("octagam_10", 0)]}


def problem_of(rows, stock, tier, *, limits=None, reserve=0) -> Problem:
    held = None
    if reserve:
        pools = {"panel": PANELS, "region": ("North", "South"), "national": (NATIONAL,)}[tier.stock_reach]
        held = pd.DataFrame({"pool": list(pools), "mg": [reserve * UNIT_MG] * len(pools)})
    keys = ("panel", "grade", "emergency", *KEYS[2:])
    made = {"products": PRODUCTS, "unit_mg": UNIT_MG, "keys": keys, "reserve_mg": held}
    return limited_problem(rows, stock, tier, limits=limits, **made)


def with_more(problem: Problem, panel: str, product: str) -> Problem:
    more = pd.DataFrame([(panel, product, KILOGRAM_MG)], columns=problem.stock.columns)
    return replace(problem, stock=pd.concat([problem.stock, more], ignore_index=True))


def with_fewer(problem: Problem, panel: str, product: str) -> Problem:
    """One kilogram fewer where the panel's stock may lie: open stock first, then what is inside fences."""
    region = dict(zip(problem.panels, problem.region_of, strict=True))
    reach = problem.tier.stock_reach
    limited = set() if problem.limits is None else {*problem.limits.into_mg, *problem.limits.out_of_mg}
    near = [
        place
        for place in PLACES
        if place == panel
        or (
            not {place, panel} & limited
            and (reach == "national" or (reach == "region" and region.get(place) == region[panel]))
        )
    ]
    stock = problem.stock.set_index(["location", "product"])["mg"].to_dict()
    fences = [] if problem.limits is None else [replace(fence, mg=dict(fence.mg)) for fence in problem.limits.fences]
    left = KILOGRAM_MG
    for place in near:
        inside = sum(fence.mg.get(place, 0) for fence in fences if fence.product == product)
        taken = min(left, stock.get((place, product), 0) - inside)
        stock[place, product] = stock.get((place, product), 0) - taken
        left -= taken
    for place in near:
        for fence in fences:
            taken = min(left, fence.mg.get(place, 0)) if fence.product == product else 0
            if taken:
                fence.mg[place] -= taken
                stock[place, product] -= taken
                left -= taken
    there = pd.DataFrame([(*at, mg) for at, mg in stock.items()], columns=problem.stock.columns)
    limits = None if problem.limits is None else replace(problem.limits, fences=tuple(fences))
    return replace(problem, stock=there, limits=limits)


def by_grade(problem: Problem, given: pd.DataFrame) -> np.ndarray:
    grade = given["class_id"].map(problem.classes.set_index("class_id")["grade"])
    return np.bincount(grade.astype(int), weights=given["mg"], minlength=5) / 1000


def check(problem: Problem, prices: ShadowPrices, allocate) -> None:
    """Compare every price, and every price that is 0, with allocating again."""
    assert prices.left_out == ()
    before = by_grade(problem, allocate(problem))
    told = prices.lines.set_index(["panel", "product", "grade"])
    none = pd.Series({"grams_per_kg": 0.0, "grams_per_kg_fewer": 0.0})
    for panel in PANELS:
        for product in CODES:
            more = by_grade(problem, allocate(with_more(problem, panel, product))) - before
            fewer = before - by_grade(problem, allocate(with_fewer(problem, panel, product)))
            for grade in range(5):
                at = (panel, product, grade)
                line = told.loc[at] if at in told.index else none
                assert line["grams_per_kg"] == pytest.approx(more[grade], abs=NEAR_G), at
                assert line["grams_per_kg_fewer"] == pytest.approx(fewer[grade], abs=NEAR_G), at


@FEW
@example(
    rows=[("P2", 0, False, "IV", "privigen_10", False, "", 1)],
    stock=[("P2", "privigen_10", 1)],
    tier=TIERS.tier[0],
    reserve=1,
)  # what nobody but the reserve may take frees what the reserve holds
@given(rows=rows_of, stock=stock_of, tier=st.sampled_from(TIERS.tier), reserve=st.integers(0, 5))
def test_prices_are_what_allocating_again_gives(rows, stock, tier, reserve):
    problem = problem_of(rows, stock, tier, reserve=reserve)
    check(problem, shadow_prices(problem, solve(problem)), lambda one: solve(one).given)


@settings(FEW, max_examples=12)
@given(rows=rows_of, stock=stock_of, tier=st.sampled_from(TIERS.tier), limits=limits_of, reserve=st.integers(0, 5))
def test_prices_within_side_limits_are_what_allocating_again_gives(rows, stock, tier, limits, reserve):
    problem = problem_of(rows, stock, tier, limits=limits, reserve=reserve)
    check(problem, shadow_prices(problem, solve(problem)), lambda one: solve(one).given)


def check_policy(name: str, problem: Problem, late: int) -> None:
    people = problem.classes.assign(indication="cidp", situation="")
    # Two lines a class, one of them late, so that rounds cut through classes.
    part = people["due_mg"] // 3
    lines = pd.concat([people.assign(due_mg=part, days_overdue=late * people["class_id"] % 15),
                       people.assign(due_mg=people["due_mg"] - part, days_overdue=0)], ignore_index=True)  # fmt: skip
    claims = gather_claims(problem, lines)
    usual = {"P1": 4e6, "P2": 1e6, "P3": 2e6}
    found = find_policy(name)
    settled = settle(found, problem, claims, usual_mg=usual)
    check(problem, settled_prices(settled), lambda one: settle(found, one, claims, usual_mg=usual).plan.given)


@pytest.mark.parametrize("name", POLICIES)
@settings(FEW, max_examples=3)
@given(
    rows=rows_of, stock=stock_of, tier=st.sampled_from(TIERS.tier), reserve=st.integers(0, 5), late=st.integers(0, 9)
)
def test_prices_under_a_policy_let_it_claim_anew(name, rows, stock, tier, reserve, late):
    check_policy(name, problem_of(rows, stock, tier, reserve=reserve), late)


@settings(FEW, max_examples=8)
@example(
    name="equal_losses",
    rows=[
        ("P2", 0, True, "SC", "", True, "0 1", 24),
        ("P2", 1, False, "IV", "octagam_10", False, "0", 19),
        ("P1", 3, False, "IV", "octagam_10", False, "0 1", 14),
    ],
    stock=[("P1", "hizentra_20", 3), ("P1", "privigen_10", 11)],
    tier=TIERS.tier[2],
    limits={**UNFENCED, "out_of": {"P1": 10}},
    reserve=0,
    late=7,
)  # hizentra lies idle in the plan, but more of it is more to claim
@example(
    name="first_come",
    rows=[("P2", 3, False, "IV", "", False, "1", 16), ("P2", 0, False, "IV", "", False, "", 28)],
    stock=[("P1", "privigen_10", 9), ("NATIONAL", "octagam_10", 16)],
    tier=TIERS.tier[3],
    limits={**UNFENCED, "fences": [("octagam_10", 0), ("octagam_10", 95)]},
    reserve=1,
    late=0,
)  # where privigen lies decides which grade of a panel is given it
@example(
    name="historical_share",
    rows=[
        ("P2", 3, False, "IV", "hizentra_20", False, "", 11),
        ("P3", 2, False, "IV", "hizentra_20", False, "", 21),
        ("P1", 0, False, "IV", "hizentra_20", False, "", 1),
        ("P2", 3, True, "IV", "octagam_10", True, "0", 17),
        ("P1", 0, True, "SC", "octagam_10", False, "", 13),
    ],
    stock=[("P3", "octagam_10", 17)],
    tier=TIERS.tier[3],
    limits={**UNFENCED, "out_of": {"P3": 25}, "switch": {"P1": 24}, "infused": {"P2": 20}, "courses": {"P1": 1}},
    reserve=5,
    late=0,
)  # a row that counts courses, a thousand times as coarse as grams, let the solver find no plan
@given(
    name=st.sampled_from(POLICIES),
    rows=rows_of,
    stock=stock_of,
    tier=st.sampled_from(TIERS.tier),
    limits=limits_of,
    reserve=st.integers(0, 5),
    late=st.integers(0, 9),
)
def test_prices_under_a_policy_within_side_limits_let_it_claim_anew(name, rows, stock, tier, limits, reserve, late):
    check_policy(name, problem_of(rows, stock, tier, limits=limits, reserve=reserve), late)


@settings(FEW, max_examples=3)
@given(rows=rows_of, stock=stock_of, tier=st.sampled_from(TIERS.tier), limits=limits_of)
def test_both_solvers_price_alike(rows, stock, tier, limits):
    problem = problem_of(rows, stock, tier, limits=limits)
    plan = solve(problem)
    one, other = (shadow_prices(problem, plan, solver=solver).lines for solver in ("highs", "cbc"))
    keys = ["panel", "product", "grade"]
    both = one.merge(other, on=keys, how="outer", suffixes=("", "_too")).fillna(0.0)
    for name in ("grams_per_kg", "grams_per_kg_fewer"):
        assert np.abs((both[name] - both[f"{name}_too"]).to_numpy()).max(initial=0.0) < NEAR_G
