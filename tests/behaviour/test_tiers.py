"""What the tiers do to a country: directions of effect, on a made-up cohort of several hundred patients."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from allocation.optimise.patients import serve_patients
from allocation.optimise.problem import build_problem
from allocation.optimise.program import solve
from allocation.optimise.rearrange import Rearranging
from allocation.optimise.reserve import emergency_reserve
from allocation.optimise.stock import check_stock, make_stock
from allocation.optimise.verify import verify
from allocation.rules import load_panels, load_products, load_tiers
from allocation.tables import text_frame

AS_OF = date(2026, 11, 1)
PANELS, PRODUCTS, TIERS = load_panels(), load_products(), load_tiers()
WEEKS = 4


def a_country(seed: int, patients: int = 600) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    route = rng.choice(["IV", "SC", "IM"], patients, p=[0.78, 0.2, 0.02])
    by_route = {r: [p.code for p in PRODUCTS.product if p.route == r] for r in ("IV", "SC")}
    product = [rng.choice(by_route[r]) if r != "IM" else "" for r in route]
    grade = rng.choice([4, 3, 2, 1, 0], patients, p=[0.3, 0.3, 0.25, 0.12, 0.03])
    acute = (grade == 4) & (rng.random(patients) < 0.2)
    # Courses that the vials of every product make.
    due_mg = np.where(route == "IV", rng.integers(4, 20, patients) * 5000, rng.integers(1, 5, patients) * 10_000)
    return pd.DataFrame(
        {
            "patient_id": [f"A{number:04}" for number in range(patients)],
            "panel": rng.choice(list(PANELS.by_code), patients),
            "grade": grade,
            "emergency": acute,
            "acute": acute,
            "route": route,
            "product": np.where(acute, "", product),
            "locked": rng.random(patients) < 0.03,
            "due_mg": due_mg,
            "course_mg": due_mg,
            "days_overdue": rng.integers(0, 15, patients),
            "funded": rng.random(patients) < 0.98,
        }
    )


def stock_for(demand: pd.DataFrame, share: float, national: float = 0.1) -> pd.DataFrame:
    made = make_stock(
        demand, products=PRODUCTS, panels=PANELS, share=share, national_share=national, seed=4, as_of=AS_OF
    )
    loaded = check_stock(text_frame(made), "made", products=PRODUCTS, panels=PANELS, as_of=AS_OF)
    assert not loaded.faults
    return loaded.good


def run(demand: pd.DataFrame, stock: pd.DataFrame, number: int):
    tier = TIERS.of(number)
    reserve = emergency_reserve(demand, tier, PANELS, weeks=WEEKS)
    problem = build_problem(demand, stock, tier=tier, panels=PANELS, products=PRODUCTS, reserve=reserve)
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, stock, seed=9)
    verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()
    return problem, plan, result


def unmet_g(problem, plan, *grades: int) -> float:
    due = problem.classes[problem.classes["grade"].isin(grades)] if grades else problem.classes
    given = plan.given[plan.given["class_id"].isin(due["class_id"])]["mg"].sum()
    return float(due["due_mg"].sum() - given) / 1000


@pytest.fixture(scope="module")
def runs():
    demand = a_country(1)
    return {share: {n: run(demand, stock_for(demand, share), n) for n in (1, 2, 3, 4)} for share in (0.5, 0.85)}


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_with_ample_stock_nobody_waits_at_any_tier(number):
    demand = a_country(2)
    # As many vials again of everything, and small ones of each product at each panel for every course.
    ample = pd.concat([stock_for(demand, 2.0, national=0.0)] * 2)
    small = pd.DataFrame(
        [(panel, p.code, min(p.vial_mg), 200) for panel in PANELS.by_code for p in PRODUCTS.product],
        columns=["location", "product", "vial_mg", "vials"],
    )
    problem, plan, result = run(demand, pd.concat([ample, small], ignore_index=True), number)
    assert unmet_g(problem, plan) == 0
    assert set(result.patients["status"]) == {"treated", "not_funded"}
    assert (plan.switched_mg, plan.moved_mg) == (0, 0)


@pytest.mark.parametrize("share", [0.5, 0.85])
def test_each_higher_tier_leaves_less_of_grade_4_unmet(runs, share):
    unmet = {n: unmet_g(*runs[share][n][:2], 4) for n in (1, 2, 3, 4)}
    assert unmet[4] <= unmet[3] <= min(unmet[1], unmet[2])
    assert unmet[3] < unmet[1]


def test_switching_at_tier_2_leaves_less_unmet_than_tier_1_where_one_product_fails():
    demand = a_country(3)
    stock = stock_for(demand, 1.4)
    stock = stock[stock["product"] != "privigen_10"]
    unmet = {n: unmet_g(*run(demand, stock, n)[:2]) for n in (1, 2)}
    assert unmet[2] < unmet[1]


def test_more_stock_serves_more(runs):
    for n in (1, 2, 3, 4):
        assert unmet_g(*runs[0.85][n][:2]) < unmet_g(*runs[0.5][n][:2])


def test_tiers_1_and_2_move_nothing_between_panels(runs):
    for by_tier in runs.values():
        for n in (1, 2):
            _, plan, result = by_tier[n]
            assert plan.moved_mg == 0
            assert (plan.flows["from_location"] == plan.flows["panel"]).all()
            given = result.patients[result.patients["given_g"] > 0]
            assert (given["from_location"] == given["panel"]).all()


def test_tier_3_moves_within_regions_only(runs):
    region = {code: panel.region for code, panel in PANELS.by_code.items()}
    _, plan, result = runs[0.5][3]
    assert plan.moved_mg > 0
    assert (plan.flows["from_location"].map(region) == plan.flows["panel"].map(region)).all()
    panel_of = result.patients.set_index("patient_id")["panel"]
    assert (result.issues["location"].map(region) == result.issues["patient_id"].map(panel_of).map(region)).all()


def test_tier_1_switches_nobody_and_tier_3_nobody_across_routes(runs):
    problem, plan, _ = runs[0.5][1]
    own = plan.given["class_id"].map(problem.classes.set_index("class_id")["product"])
    assert ((own == "") | (own == plan.given["product"])).all()
    problem, plan, _ = runs[0.5][3]
    route = plan.given["class_id"].map(problem.classes.set_index("class_id")["route"])
    routes = plan.given["product"].map({code: p.routes for code, p in PRODUCTS.by_code.items()})
    assert all(one in many for one, many in zip(route, routes, strict=True))
    assert plan.rerouted_mg == 0


def test_grade_4_is_served_before_any_lower_grade_where_stock_can_move(runs):
    _, plan, result = runs[0.5][4]
    by_stage = plan.cells.groupby("stage")[["due_mg", "planned_mg"]].sum()
    assert by_stage["planned_mg"][0] == by_stage["due_mg"][0]
    assert by_stage["planned_mg"][2:].sum() == 0
    waiting = result.patients[result.patients["status"] == "deferred"]
    assert (waiting["grade"] < 4).all()


def test_panels_share_a_shortage_evenly_at_tier_4(runs):
    _, plan, _ = runs[0.5][4]
    cells = plan.cells[plan.cells["stage"] == 1]
    rates = cells["planned_mg"] / cells["due_mg"]
    assert rates.max() - rates.min() < 0.05


def test_locked_patients_keep_their_product(runs):
    for n in (2, 3, 4):
        problem, plan, _ = runs[0.5][n]
        frame = problem.classes.set_index("class_id")
        lines = plan.given[plan.given["class_id"].map(frame["locked"] & (frame["product"] != ""))]
        assert (lines["product"] == lines["class_id"].map(frame["product"])).all()


def test_the_reserve_of_tiers_3_and_4_is_held(runs):
    for n in (1, 2):
        assert runs[0.85][n][1].reserve.empty
    for n in (3, 4):
        problem, plan, result = runs[0.85][n]
        assert problem.reserve_mg is not None
        wanted, held = problem.reserve_mg["mg"].sum(), (result.held["vial_mg"] * result.held["vials"]).sum()
        assert plan.reserve["mg"].sum() == wanted
        assert wanted <= held < wanted + 40_000 * len(problem.reserve_mg)


def test_rounding_to_vials_costs_little_and_less_than_its_bound(runs):
    for supply, by_tier in runs.items():
        for _, _, result in by_tier.values():
            assert result.rounding[-1].lost_mg <= result.rounding[-1].bound_mg
        # Where stock can move, few vials are left that nobody can use; tier 1 has a handful of patients a heap. Nobody
        # is given several products at once, so each of nineteen products leaves a remainder in each region.
        for n, share in ((3, {0.5: 0.022, 0.85: 0.018}[supply]), (4, 0.002)):
            _, plan, result = by_tier[n]
            assert result.rounding[-1].lost_mg <= share * plan.given["mg"].sum()


@pytest.mark.parametrize(("number", "spared"), [(1, 0.02), (2, 0.2), (3, 0.05)])
def test_dealing_vials_anew_spares_part_of_what_whole_vials_cost(runs, monkeypatch, number, spared):
    """At 50 %: most at tier 2, where a panel's patients may take one another's products."""
    monkeypatch.setattr(Rearranging, "more_for", lambda _self, _patient, _others: [])
    demand = a_country(1)
    problem, plan, after = runs[0.5][number]
    before = serve_patients(demand, problem, plan, stock_for(demand, 0.5), seed=9)
    lost, now = before.rounding[-1].lost_mg, after.rounding[-1].lost_mg
    assert after.rearranged.given_more > 0
    assert now < (1 - spared) * lost
    if number < 3:
        given = [result.patients["given_g"].sum() for result in (before, after)]
        assert given[1] - given[0] == pytest.approx((lost - now) / 1000)
