"""What one more kilogram buys is what allocating again with it shows."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from allocation.optimise import shadow
from allocation.optimise.problem import Problem
from allocation.optimise.program import solve
from allocation.optimise.shadow import shadow_prices
from allocation.optimise.side_limits import SideLimits


def change(problem: Problem, place: str, product: str, mg: int) -> dict[int, float]:
    """Grams of each grade that milligrams more or fewer of a product, from one place on, add to the plan."""
    stock = problem.stock
    if mg > 0:
        stock = pd.concat([stock, pd.DataFrame([(place, product, mg)], columns=stock.columns)])
    else:
        stock, left = stock.copy(), -mg
        region = dict(zip(problem.panels, problem.region_of, strict=True))
        reach = problem.tier.stock_reach
        for row in stock.index:
            at = stock.loc[row, "location"]
            near = at == place or reach == "national" or (reach == "region" and region.get(at) == region[place])
            if near and stock.loc[row, "product"] == product:
                taken = min(left, int(stock.loc[row, "mg"]))
                stock.loc[row, "mg"] -= taken
                left -= taken
    grades = problem.classes.set_index("class_id")["grade"]
    totals = []
    for there in (problem.stock, stock):
        plan = solve(replace(problem, stock=there))
        totals.append(plan.given.assign(grade=plan.given["class_id"].map(grades)).groupby("grade")["mg"].sum())
    difference = totals[1].sub(totals[0], fill_value=0) / 1000
    return {int(grade): round(float(value), 1) for grade, value in difference.items() if abs(value) > 0.05}


KILOGRAM_MG = 1_000_000


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
def test_each_price_is_what_solving_again_gives(small, tier):
    demand = small.patients(
        {"due_g": 4000, "grade": 4},
        {"due_g": 900, "grade": 3, "product": "octagam_10", "locked": True},
        {"due_g": 2000, "grade": 2, "panel": "P2", "product": ""},
        {"due_g": 700, "grade": 1, "panel": "P2", "route": "SC", "product": "hizentra_20"},
        {"due_g": 400, "grade": None, "panel": "P3", "product": "octagam_10"},
        {"due_g": 300, "grade": 3, "panel": "P3", "route": "IM", "product": ""},
    )
    stock = small.grams(
        ("P1", "privigen_10", 3600), ("P1", "octagam_10", 500), ("P2", "privigen_10", 600), ("P2", "hizentra_20", 400)
    )
    problem = small.problem(demand, stock, tier, reserve=[("North", 100)] if tier == 3 else [])
    frame = shadow_prices(problem, solve(problem)).lines
    assert list(frame.columns) == ["panel", "product", "grade", "grams_per_kg", "grams_per_kg_fewer"]
    told = {
        (panel, product): rows.set_index("grade")[["grams_per_kg", "grams_per_kg_fewer"]]
        for (panel, product), rows in frame.groupby(["panel", "product"])
    }
    assert told
    nothing = pd.DataFrame({"grams_per_kg": [], "grams_per_kg_fewer": []})
    for panel in problem.panels:
        for product in problem.products.by_code:
            prices = told.get((panel, product), nothing)
            more = {int(grade): value for grade, value in prices["grams_per_kg"].items() if value}
            fewer = {int(grade): -value for grade, value in prices["grams_per_kg_fewer"].items() if value}
            assert more == pytest.approx(change(problem, panel, product, KILOGRAM_MG), abs=0.11)
            assert fewer == pytest.approx(change(problem, panel, product, -KILOGRAM_MG), abs=0.11)


def test_without_shortage_more_buys_nothing_and_fewer_costs_what_is_used(small):
    problem = small.problem(small.patients({"due_g": 10}), small.grams(("P1", "privigen_10", 10)), 3)
    frame = shadow_prices(problem, solve(problem)).lines
    # Another panel of the region has no stock of its own, but the same kilogram would be missing.
    assert frame.values.tolist() == [["P1", "privigen_10", 3, 0.0, 10.0], ["P2", "privigen_10", 3, 0.0, 10.0]]
    plenty = small.problem(small.patients({"due_g": 10}), small.grams(("P1", "privigen_10", 5000)), 3)
    frame = shadow_prices(plenty, solve(plenty)).lines
    assert frame.empty
    assert frame["grams_per_kg_fewer"].dtype == float


def test_a_kilogram_at_tier_4_is_worth_the_same_anywhere(small):
    demand = small.patients({"due_g": 5000, "grade": 3}, {"due_g": 5000, "grade": 2, "panel": "P3"})
    problem = small.problem(demand, small.grams(("NATIONAL", "octagam_10", 4700)), 4)
    frame = shadow_prices(problem, solve(problem)).lines
    assert set(frame["panel"]) == {"P1", "P2", "P3"}
    by_grade = frame.groupby("grade")["grams_per_kg"].unique()
    assert {grade: values.tolist() for grade, values in by_grade.items()} == {3: [300.0], 2: [700.0]}


def test_a_cell_of_several_grades_is_told_by_grade(small):
    tier = small.tier(3)
    both = tier.stage[0].model_copy(update={"grades": (4, 3)})
    tier = tier.model_copy(update={"stage": (both, *tier.stage[2:])})
    demand = small.patients({"due_g": 2000, "grade": 4}, {"due_g": 2000, "grade": 3, "product": "octagam_10"})
    problem = small.problem(demand, small.grams(("P1", "privigen_10", 500)), tier)
    frame = shadow_prices(problem, solve(problem)).lines
    octagam = frame[(frame["panel"] == "P2") & (frame["product"] == "octagam_10")]
    assert octagam[["grade", "grams_per_kg"]].values.tolist() == [[3, 1000.0]]


def test_what_goes_beyond_the_budget_is_named(small, monkeypatch):
    demand = small.patients({"due_g": 5000, "grade": 3}, {"due_g": 5000, "grade": 2, "panel": "P3"})
    problem = small.problem(demand, small.grams(("P1", "octagam_10", 4700), ("P3", "octagam_10", 900)), 3)
    problem = replace(
        problem,
        limits=SideLimits(into_mg={"P1": 1}),
        classes=problem.classes.assign(fences="", courses=1),
    )
    whole = shadow_prices(problem, solve(problem))
    assert whole.left_out == ()
    monkeypatch.setattr(shadow, "_MOST_CLASSES_TRIED", 3)
    cut = shadow_prices(problem, solve(problem))
    assert {panel for part in cut.left_out for panel in part.panels} == {"P1"}
    assert all("3 demand classes" in part.why for part in cut.left_out)
    missing = {(panel, product) for part in cut.left_out for panel in part.panels for product in part.products}
    kept = [at not in missing for at in zip(whole.lines["panel"], whole.lines["product"], strict=True)]
    pd.testing.assert_frame_equal(cut.lines, whole.lines[kept].reset_index(drop=True))


def test_a_stage_that_was_served_in_full_may_lose_a_delivery_to_one_before_it(small):
    demand = small.patients(
        {"due_g": 2000, "grade": 3, "panel": "P2", "product": ""},
        {"due_g": 600, "grade": 1, "panel": "P2", "route": "SC", "product": "hizentra_20"},
        {"due_g": 300, "grade": None, "panel": "P2", "route": "SC", "product": "hizentra_20"},
    )
    problem = small.problem(demand, small.grams(("P1", "hizentra_20", 700)), 3)
    problem = replace(
        problem, limits=SideLimits(out_of_mg={"P1": 1_200_000}), classes=problem.classes.assign(fences="", courses=1)
    )
    lines = shadow_prices(problem, solve(problem)).lines
    # P1 can send 1200 g: the kilogram for grade 3, and then 200 g of the 600 that grade 1 has now, and none of the 100
    # that the others have.
    at = lines[(lines["panel"] == "P1") & (lines["product"] == "privigen_10")]
    assert at.set_index("grade")["grams_per_kg"].to_dict() == {3: 1000, 1: -400, 0: -100}


@pytest.mark.parametrize("limits", [None, SideLimits(into_mg={"P2": 1})])
def test_what_only_the_reserve_may_take_frees_what_it_holds(small, limits):
    tier = small.tier(1).model_copy(update={"stock_reach": "region"})
    tier = tier.model_copy(update={"stage": small.tier(3).stage})
    demand = small.patients({"due_g": 500, "grade": 1, "product": "privigen_10"})
    problem = small.problem(demand, small.grams(("P1", "privigen_10", 500)), tier, reserve=[("North", 300)])
    problem = replace(problem, limits=limits, classes=problem.classes.assign(fences="", courses=1))
    told = shadow_prices(problem, solve(problem)).lines.set_index(["panel", "product", "grade"])["grams_per_kg"]
    # Nobody may take octagam, but it can be held, and the 300 g of privigen be given.
    assert told["P1", "octagam_10", 1] == told["P1", "privigen_10", 1] == 300
