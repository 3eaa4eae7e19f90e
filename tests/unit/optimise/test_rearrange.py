"""Vials dealt anew for who goes short: who gains, who keeps what, and when it is let be."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from allocation.errors import SolverError, VerificationError
from allocation.optimise import patients as serving
from allocation.optimise import rearrange
from allocation.optimise.patients import serve_patients
from allocation.optimise.problem import build_problem
from allocation.optimise.program import solve
from allocation.optimise.side_limits import SideLimits
from allocation.optimise.verify import verify


@pytest.fixture
def serve(small):
    """Solve, serve and verify."""

    def run(demand, stock, tier, **rest):
        problem = small.problem(demand, stock, tier)
        plan = solve(problem)
        result = serve_patients(demand, problem, plan, stock, seed=1, **rest)
        verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()
        return result

    return run


@pytest.fixture
def as_offered(monkeypatch):
    """Let the offers stand as they were made."""
    return lambda: monkeypatch.setattr(rearrange.Rearranging, "more_for", lambda _self, _patient, _others: [])


def given_g(result):
    return result.patients.set_index("patient_id")["given_g"].to_dict()


def another_takes_another_product(small):
    """Tier 2, 40 g of each of two products: 20 g of either for A000, 40 g of one for A001, 20 g of the second for A002.

    In grams it does not matter who has which. A000 comes first and is given the own product, and then 20 g of each are
    left, which is no course of A001.
    """
    demand = small.patients(
        {"due_g": 20, "days_overdue": 9},
        {"due_g": 40, "days_overdue": 1},
        {"due_g": 20, "product": "octagam_10"},
    )
    return demand, small.shelf(("P1", "privigen_10", 20, 2), ("P1", "octagam_10", 20, 2))


def test_who_can_takes_another_product_for_who_cannot(small, serve, as_offered):
    demand, stock = another_takes_another_product(small)
    result = serve(demand, stock, 2)
    told = result.patients.set_index("patient_id")
    assert given_g(result) == dict.fromkeys(demand["patient_id"], 20.0) | {"A001": 40.0}
    assert told.loc["A000", "product"] == "octagam_10"
    assert told.loc["A000", "reason"].endswith(
        "of another product, as privigen_10 is short from the panel's own stock."
    )
    assert (result.rearranged.given_more, result.rearranged.more_mg, result.rearranged.unproven) == (1, 20_000, 0)
    as_offered()
    with pytest.raises(VerificationError, match="one exchange would help: 1 kinds of patients in P1"):
        serve(demand, stock, 2)


def test_loss_is_told_as_it_is_after_all(small, serve):
    demand, stock = another_takes_another_product(small)
    result = serve(demand, stock, 2)
    last = result.rounding[-1]
    assert last.given_mg == 80_000
    assert last.lost_mg <= 0 <= last.bound_mg


def test_at_tier_1_nobody_changes_product(small, serve):
    demand, stock = another_takes_another_product(small)
    result = serve(demand, stock, 1)
    assert given_g(result)["A001"] == 20.0
    assert set(result.patients["product"]) == {"privigen_10", "octagam_10"}


def test_switching_stays_within_the_quota_of_the_tier(small, serve):
    demand, stock = another_takes_another_product(small)
    tight = small.tier(2).model_copy(update={"switch_capacity": 0.1})
    assert given_g(serve(demand, stock, tight))["A001"] == 20.0


def test_vials_of_one_product_are_shared_in_another_way(small, serve, as_offered):
    """Who is due 10 g has two vials of 5 g of the own panel; who is due 5 g finds only one of 10 g."""
    demand = small.patients({"due_g": 10, "panel": "P1", "days_overdue": 9}, {"due_g": 5, "panel": "P2"})
    stock = small.shelf(("P1", "privigen_10", 5, 2), ("P2", "privigen_10", 10, 1))
    told = serve(demand, stock, 3).patients.set_index("patient_id")
    assert told["vials"].to_dict() == {"A000": "1x10", "A001": "1x5"}
    assert told["from_location"].to_dict() == {"A000": "P2", "A001": "P1"}
    as_offered()
    assert given_g(serve(demand, stock, 3))["A001"] == 0.0


def test_nobody_has_less_than_by_the_offers(small, serve, as_offered):
    demand, stock = another_takes_another_product(small)
    after = given_g(serve(demand, stock, 2))
    as_offered()
    problem = small.problem(demand, stock, 2)
    before = given_g(serve_patients(demand, problem, solve(problem), stock, seed=1))
    assert all(after[patient] >= mg for patient, mg in before.items())
    assert after["A001"] > before["A001"]


def test_both_solvers_give_everybody_the_same(small, serve):
    demand, stock = another_takes_another_product(small)
    assert given_g(serve(demand, stock, 2, solver="cbc")) == given_g(serve(demand, stock, 2, solver="highs"))


def test_in_larger_parts_nothing_is_tried_and_the_pool_is_not_called_searched(small, serve, monkeypatch):
    demand, stock = another_takes_another_product(small)
    monkeypatch.setattr(rearrange, "_ONE", 1)
    result = serve(demand, stock, 2)
    assert given_g(result)["A001"] == 20.0
    assert (result.rearranged.asked, result.rearranged.searched) == (0, ("P2", "P3"))


def test_in_parts_of_middling_size_one_patient_is_changed(small, serve, monkeypatch):
    demand, stock = another_takes_another_product(small)
    monkeypatch.setattr(rearrange, "_ANYONE", 1)
    result = serve(demand, stock, 2)
    assert given_g(result)["A001"] == 40.0
    assert result.rearranged.searched == ("P1", "P2", "P3")


def test_without_a_proof_the_offers_stand(small, serve, monkeypatch):
    def unproven(_program):
        raise SolverError("HiGHS proved no optimum")

    demand, stock = another_takes_another_product(small)
    monkeypatch.setattr(serving, "open_whole", lambda _solver: unproven)
    result = serve(demand, stock, 2)
    assert given_g(result)["A001"] == 20.0
    assert (result.rearranged.unproven, result.rearranged.searched) == (1, ("P2", "P3"))


def test_what_cannot_be_packed_leaves_the_offers(small, serve, monkeypatch):
    demand, stock = another_takes_another_product(small)
    monkeypatch.setattr(rearrange, "packed", lambda _needs, _vials: None)
    result = serve(demand, stock, 2)
    assert given_g(result)["A001"] == 20.0
    assert result.rearranged.unproven == 1


def test_what_would_go_to_a_later_stage_goes_to_an_earlier_one(small, serve, as_offered):
    demand, stock = another_takes_another_product(small)
    later = small.patients({"due_g": 20, "grade": 2, "product": "octagam_10", "days_overdue": 30})
    demand = pd.concat([demand, later.assign(patient_id="A003")], ignore_index=True)
    assert given_g(serve(demand, stock, 3)) == {"A000": 20.0, "A001": 40.0, "A002": 20.0, "A003": 0.0}
    as_offered()
    problem = small.problem(demand, stock, 3)
    assert given_g(serve_patients(demand, problem, solve(problem), stock, seed=1))["A003"] == 20.0


def test_stock_of_the_own_panel_is_drawn_first(small, serve):
    """A000 takes another product, of which both panels have some left: that of the own one."""
    demand = small.patients(
        {"due_g": 20, "panel": "P2", "days_overdue": 9},
        {"due_g": 40, "panel": "P2", "days_overdue": 1},
        {"due_g": 20, "panel": "P1", "product": "octagam_10"},
    )
    stock = small.shelf(
        ("P2", "privigen_10", 20, 2),
        ("P1", "octagam_10", 20, 1),
        ("P1", "octagam_10", 10, 1),
        ("P2", "octagam_10", 10, 2),
    )
    result = serve(demand, stock, 3)
    told = result.patients.set_index("patient_id")
    assert result.rearranged.given_more == 1
    assert told["product"].to_dict() == {"A000": "octagam_10", "A001": "privigen_10", "A002": "octagam_10"}
    assert told["from_location"].to_dict() == {"A000": "P2", "A001": "P2", "A002": "P1"}


def test_within_side_limits_the_offers_stand(small):
    demand, stock = another_takes_another_product(small)
    problem = build_problem(
        demand.assign(fences=""),
        stock.assign(mg=stock["vial_mg"] * stock["vials"]),
        tier=small.tier(2),
        panels=small.panels(P1="North"),
        products=small.products(),
        limits=SideLimits(infused_mg={"P1": 10**6}),
    )
    result = serve_patients(demand.assign(fences=""), problem, solve(problem), stock, seed=1)
    assert (result.rearranged.asked, result.rearranged.searched) == (0, ())


def test_where_levers_go_in_an_order_the_offers_stand(small, serve):
    demand, stock = another_takes_another_product(small)
    ordered = small.tier(2).model_copy(update={"lever_order": ("reduce", "defer")})
    result = serve(demand, stock, ordered)
    assert (result.rearranged.asked, result.rearranged.searched) == (0, ())


def test_sums_of_two_servings_are_told_together():
    one = rearrange.Rearranged(asked=2, given_more=1, more_mg=5, unproven=1, searched=("P1", "P2"))
    both = one.with_those_of(replace(one, searched=("P2",)))
    assert both == rearrange.Rearranged(asked=4, given_more=2, more_mg=10, unproven=2, searched=("P2",))


@pytest.mark.parametrize("number", [3, 4])
def test_those_of_an_earlier_stage_keep_their_vials_while_one_of_it_goes_short(small, number):
    """A001 could leave its hizentra to A002; then A000, of grade 4 as well, would go without a vial that fits."""
    demand = small.patients(
        {"due_g": 9, "grade": 4, "product": "cuvitru_20"},
        {"due_g": 4, "grade": 4, "product": "hizentra_20"},
        {"due_g": 4, "grade": 3, "product": "hizentra_20", "locked": True},
    ).assign(route="SC")
    stock = small.shelf(("P1", "hizentra_20", 1, 4), ("P1", "cuvitru_20", 8, 1), ("P1", "xembify_20", 4, 1))
    problem = build_problem(
        demand,
        stock.assign(mg=stock["vial_mg"] * stock["vials"]),
        tier=small.tier(number),
        panels=small.panels(P1="North"),
        products=small.products("hizentra_20", "cuvitru_20", "xembify_20"),
    )
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, stock, seed=1)
    verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()
    told = result.patients.set_index("patient_id")
    assert told["product"].to_dict() == {"A000": "cuvitru_20", "A001": "hizentra_20", "A002": ""}


def test_a_part_passed_by_leaves_nothing_to_later_stages(small, serve, monkeypatch):
    """What would come free fits one of grade 4 who was not asked for, so that grade 3 may not have it."""
    monkeypatch.setattr(rearrange, "_ONE", 3)
    demand = small.patients(
        {"due_g": 10, "grade": 4, "panel": "P1", "locked": True},
        {"due_g": 5, "grade": 4, "panel": "P2"},
        {"due_g": 7.5, "grade": 3, "panel": "P1", "locked": True},
        *({"due_g": 5, "grade": 4, "panel": "P1", "product": "octagam_10", "locked": True} for _ in range(4)),
    )
    stock = small.shelf(
        ("P1", "privigen_10", 5, 1),
        ("P1", "privigen_10", 2.5, 2),
        ("P2", "privigen_10", 10, 1),
        ("P1", "octagam_10", 5, 4),
    )
    assert serve(demand, stock, 3).rearranged.searched == ("South",)


def test_those_of_an_earlier_stage_may_give_way_while_none_of_it_goes_short(small, serve):
    """At tier 1 an emergency without a product on record takes the one that nobody else needs."""
    demand = small.patients(
        {"due_g": 20, "grade": 4, "emergency": True, "product": ""},
        {"due_g": 40, "grade": 3},
        {"due_g": 10, "grade": 3, "product": "octagam_10"},
    )
    stock = small.shelf(("P1", "privigen_10", 20, 2), ("P1", "octagam_10", 10, 3))
    result = serve(demand, stock, 1)
    assert given_g(result) == {"A000": 20.0, "A001": 40.0, "A002": 10.0}
