"""Plans that can be worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from allocation.optimise.program import solve


def test_tier_1_emergencies_first_then_pro_rata_by_product(small):
    demand = small.patients(
        {"due_g": 10, "grade": 4, "emergency": True},
        {"due_g": 40, "grade": 4},
        {"due_g": 20, "grade": 1},
        {"due_g": 30, "product": "octagam_10"},
    )
    stock = small.grams(("P1", "privigen_10", 40), ("P1", "octagam_10", 30), ("P2", "privigen_10", 90))
    plan = solve(problem := small.problem(demand, stock, 1))
    # 40 g of Privigen: 10 to the emergency, the other 30 shared by 60 due.
    assert small.served(problem, plan) == {
        ("P1", 4, "privigen_10"): 30,
        ("P1", 1, "privigen_10"): 10,
        ("P1", 3, "octagam_10"): 30,
    }
    assert small.value(plan, "all others, pro rata: least share served") == pytest.approx(0.5)
    assert (plan.switched_mg, plan.moved_mg) == (0, 0)
    assert plan.solver == "none needed"


def test_tier_1_shares_between_those_with_and_without_a_product(small):
    """Whoever has no product may take either, so the heap is shared: 30 g for 60 g due, half each."""
    demand = small.patients({"due_g": 20}, {"due_g": 20, "product": "octagam_10"}, {"due_g": 20, "product": ""})
    plan = solve(problem := small.problem(demand, small.grams(("P1", "privigen_10", 15), ("P1", "octagam_10", 15)), 1))
    by_class = plan.given.groupby("class_id")["mg"].sum()
    assert by_class.tolist() == [10000, 10000, 10000]
    assert plan.switched_mg == 0
    assert plan.solver == "none needed"
    assert len(problem.classes) == 3


def test_tier_2_switches_no_more_than_a_quarter_of_what_is_due(small):
    demand = small.patients({"due_g": 60}, {"due_g": 40, "product": "octagam_10"})
    plan = solve(problem := small.problem(demand, small.grams(("P1", "octagam_10", 100)), 2))
    assert small.served(problem, plan) == {("P1", 3, "octagam_10"): 65}
    assert plan.switched_mg == 25_000
    assert small.value(plan, "all others, pro rata: unmet, g") == 35


def test_tier_2_never_switches_route_or_a_locked_patient(small):
    demand = small.patients({"due_g": 10, "locked": True}, {"due_g": 10, "route": "SC", "product": "hizentra_20"})
    plan = solve(problem := small.problem(demand, small.grams(("P1", "octagam_10", 50)), 2))
    assert small.served(problem, plan) == {}


def test_tier_3_grade_4_first_and_aid_within_the_region_only(small):
    demand = small.patients(
        {"due_g": 30, "grade": 4},
        {"due_g": 30, "grade": 3, "panel": "P2"},
        {"due_g": 30, "grade": 4, "panel": "P3"},
    )
    stock = small.grams(("P2", "privigen_10", 40), ("NATIONAL", "privigen_10", 100))
    plan = solve(problem := small.problem(demand, stock, 3))
    assert small.served(problem, plan) == {("P1", 4, "privigen_10"): 30, ("P2", 3, "privigen_10"): 10}
    assert plan.flows.values.tolist() == [
        ["P2", "P1", "privigen_10", 30000],
        ["P2", "P2", "privigen_10", 10000],
    ]
    assert plan.moved_mg == 30_000


def test_tier_4_pools_everything_and_crosses_routes_but_not_to_im(small):
    demand = small.patients(
        {"due_g": 10, "route": "SC", "product": "hizentra_20", "panel": "P3", "grade": 4},
        {"due_g": 10, "route": "IM", "product": "", "grade": 4},
    )
    plan = solve(problem := small.problem(demand, small.grams(("NATIONAL", "privigen_10", 50)), 4))
    assert small.served(problem, plan) == {("P3", 4, "privigen_10"): 10}
    assert (plan.switched_mg, plan.moved_mg, plan.rerouted_mg) == (10_000, 10_000, 10_000)


def test_a_switch_within_the_route_is_taken_before_one_across(small):
    demand = small.patients({"due_g": 10, "grade": 4})
    stock = small.grams(("P1", "hizentra_20", 10), ("P1", "octagam_10", 10))
    plan = solve(problem := small.problem(demand, stock, 4))
    assert small.served(problem, plan) == {("P1", 4, "octagam_10"): 10}
    assert plan.rerouted_mg == 0


def test_switching_is_avoided_before_moving(small):
    demand = small.patients({"due_g": 10, "grade": 4})
    stock = small.grams(("P1", "octagam_10", 10), ("P2", "privigen_10", 10))
    plan = solve(problem := small.problem(demand, stock, 3))
    assert small.served(problem, plan) == {("P1", 4, "privigen_10"): 10}
    assert (plan.switched_mg, plan.moved_mg) == (0, 10_000)


def test_fairness_is_leximin_and_not_only_the_least_share(small):
    """P1 can only have its own product; what it cannot use is shared evenly between the others."""
    demand = small.patients(
        {"due_g": 100, "locked": True},
        {"due_g": 100, "panel": "P2", "product": "octagam_10", "locked": True},
        {"due_g": 100, "panel": "P3", "product": "octagam_10", "locked": True},
    )
    stock = small.grams(("NATIONAL", "privigen_10", 10), ("NATIONAL", "octagam_10", 101))
    plan = solve(small.problem(demand, stock, 4))
    cells = plan.cells[plan.cells["stage"] == 1]
    assert cells["planned_mg"].tolist() == [10_000, 50_500, 50_500]
    assert small.value(plan, "grade 3: least share served") == pytest.approx(0.1)


def test_shares_are_of_what_is_due_and_rounded_down(small):
    demand = small.patients({"due_g": 10}, {"due_g": 20, "panel": "P2"})
    plan = solve(small.problem(demand, small.grams(("P1", "privigen_10", 0.002)), 3))
    cells = plan.cells["planned_mg"].tolist()
    assert cells == [0, 1]
    assert small.value(plan, "grade 3: unmet, g") == pytest.approx(29.998)


def test_the_reserve_comes_after_grade_4_and_before_grade_3(small):
    demand = small.patients({"due_g": 30, "grade": 4}, {"due_g": 30, "grade": 3})
    stock = small.grams(("P1", "privigen_10", 50), ("P1", "hizentra_20", 50))
    plan = solve(problem := small.problem(demand, stock, 3, reserve=[("North", 15), ("South", 5)]))
    assert small.served(problem, plan) == {("P1", 4, "privigen_10"): 30, ("P1", 3, "privigen_10"): 5}
    assert plan.reserve.values.tolist() == [["North", "privigen_10", 15000]]
    assert small.value(plan, "emergency reserve: not held, g") == 5


def test_the_reserve_takes_the_product_that_nobody_needs(small):
    demand = small.patients({"due_g": 20, "grade": 3})
    stock = small.grams(("P1", "privigen_10", 20), ("P2", "octagam_10", 20))
    plan = solve(small.problem(demand, stock, 3, reserve=[("North", 20)]))
    assert plan.reserve.values.tolist() == [["North", "octagam_10", 20000]]
    assert (plan.switched_mg, plan.moved_mg) == (0, 0)


def test_a_suspended_grade_gets_what_all_above_leave(small):
    demand = small.patients({"due_g": 10, "grade": 2}, {"due_g": 10, "grade": 1}, {"due_g": 10, "grade": None})
    plan = solve(problem := small.problem(demand, small.grams(("P1", "privigen_10", 15)), 3))
    assert small.served(problem, plan) == {("P1", 2, "privigen_10"): 10, ("P1", 1, "privigen_10"): 5}


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
def test_nothing_in_stock_and_nobody_in_need(small, tier):
    demand = small.patients({"due_g": 10, "grade": 4}, {"due_g": 10, "panel": "P3", "product": ""})
    plan = solve(small.problem(demand, small.grams(), tier))
    assert plan.given.empty
    assert plan.flows.empty
    none_due = solve(small.problem(demand.iloc[:0], small.grams(("P1", "privigen_10", 5)), tier))
    assert none_due.given.empty
    assert all(item.value in (0.0, 1.0) for item in none_due.objectives)


def test_nobody_in_need_still_holds_a_reserve(small):
    demand = small.patients({"due_g": 10}).iloc[:0]
    plan = solve(small.problem(demand, small.grams(("P3", "octagam_10", 5)), 4, reserve=[("NATIONAL", 20)]))
    assert plan.reserve.values.tolist() == [["NATIONAL", "octagam_10", 5000]]
    assert small.value(plan, "emergency reserve: not held, g") == 15


def test_one_panel_and_one_product(small):
    places = small.panels(ONLY="North")
    demand = small.patients({"due_g": 10, "panel": "ONLY", "grade": 4}, {"due_g": 10, "panel": "ONLY"})
    stock = small.grams(("ONLY", "privigen_10", 13))
    for tier, unmet in ((1, 7), (2, 7), (3, 7), (4, 7)):
        plan = solve(small.problem(demand, stock, tier, places=places))
        assert 20 - plan.given["mg"].sum() / 1000 == unmet


def test_stock_that_no_panel_holds_is_drawn_on_before_other_panels(small):
    demand = small.patients({"due_g": 30, "grade": 4})
    stock = small.grams(("P3", "privigen_10", 30), ("P2", "privigen_10", 10), ("NATIONAL", "privigen_10", 15))
    plan = solve(small.problem(demand, stock, 4))
    assert plan.flows[["from_location", "mg"]].values.tolist() == [["P2", 10000], ["P3", 5000], ["NATIONAL", 15000]]


def test_grade_4_keeps_its_own_product_where_some_must_switch(small):
    demand = small.patients({"due_g": 10, "grade": 4}, {"due_g": 10, "grade": 1})
    stock = small.grams(("P1", "privigen_10", 10), ("P1", "octagam_10", 10))
    plan = solve(problem := small.problem(demand, stock, 3))
    assert small.served(problem, plan) == {("P1", 4, "privigen_10"): 10, ("P1", 1, "octagam_10"): 10}


def test_the_record_of_a_plan(small):
    demand = small.patients({"due_g": 10, "grade": 4}, {"due_g": 10, "grade": 3, "product": ""})
    plan = solve(small.problem(demand, small.grams(("P2", "privigen_10", 15)), 3))
    assert plan.solver.startswith("HiGHS 1.")
    assert plan.parts == (1, 1)
    assert plan.programs == 1, "the shares are proven; the products take one program"
    assert plan.seconds > 0
    assert [item.name for item in plan.objectives][-3:] == [
        "given as another product, g",
        "given from another place, g",
        "given by another route, g",
    ]
    assert isinstance(plan.cells, pd.DataFrame)
