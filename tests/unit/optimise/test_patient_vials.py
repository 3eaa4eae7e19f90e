"""Whole vials for patients: who, which, from where, and why."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from allocation.optimise.patients import PATIENT_COLUMNS, serve_patients
from allocation.optimise.program import solve
from allocation.optimise.shelf import Shelf
from allocation.optimise.verify import verify
from allocation.seeds import stream


@pytest.fixture
def serve(small):
    """Solve, serve and verify; the patient list by identifier."""

    def run(demand, stock, tier, *, seed=1, reserve=()):
        problem = small.problem(demand, stock, tier, reserve=reserve)
        plan = solve(problem)
        result = serve_patients(demand, problem, plan, stock, seed=seed)
        verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()
        return result

    return run


def rows(result, *names):
    return result.patients.set_index("patient_id")[list(names)].values.tolist()


def test_a_whole_course_in_the_fewest_vials(small, serve):
    demand = small.patients({"due_g": 45})
    stock = small.shelf(("P1", "privigen_10", 20, 3), ("P1", "privigen_10", 5, 9))
    result = serve(demand, stock, 1)
    assert tuple(result.patients.columns) == PATIENT_COLUMNS
    assert rows(result, "due_g", "given_g", "status", "product", "vials", "from_location") == [
        [45, 45, "treated", "privigen_10", "2x20+1x5", "P1"]
    ]
    assert result.patients["reason"][0] == (
        "Tier 1, grade 3: whole course of the recorded product from the panel's own stock."
    )
    left = result.left.groupby("vial_mg")["vials"].sum()
    assert left.to_dict() == {5000: 8, 20000: 1}


def test_earliest_expiry_goes_first_and_no_date_last(small, serve):
    demand = small.patients({"due_g": 30})
    stock = small.shelf(
        ("P1", "privigen_10", 10, 2, None),
        ("P1", "privigen_10", 10, 1, "2027-05-01"),
        ("P1", "privigen_10", 10, 1, "2026-12-01"),
    )
    result = serve(demand, stock, 1)
    assert result.issues["vials"].tolist() == [1, 1, 1]
    days = result.issues["expiry_date"].astype(str).tolist()
    assert days == ["2026-12-01", "2027-05-01", "NaT"]


def test_longest_overdue_first_then_the_lottery(small, serve):
    demand = small.patients(
        {"due_g": 10}, {"due_g": 10, "days_overdue": 3}, {"due_g": 10, "days_overdue": 9}, {"due_g": 10}
    )
    stock = small.shelf(("P1", "privigen_10", 10, 3))
    draws = {p: stream(5, "lottery", p).random() for p in ("A000", "A003")}
    result = serve(demand, stock, 1, seed=5)
    lucky = min(draws, key=draws.__getitem__)
    assert set(result.patients.loc[result.patients["status"] == "treated", "patient_id"]) == {"A001", "A002", lucky}
    listed = result.patients.set_index("patient_id")
    assert listed.loc["A003", "lottery"] == draws["A003"]
    assert "then the lottery" in listed.loc[({"A000", "A003"} - {lucky}).pop(), "reason"]


def test_the_lottery_depends_on_seed_and_patient_alone(small, serve):
    demand = small.patients(*({"due_g": 10} for _ in range(12)))
    stock = small.shelf(("P1", "privigen_10", 10, 6))
    first = serve(demand, stock, 1, seed=1)
    again = serve(demand.sample(frac=1, random_state=3), stock.iloc[::-1], 1, seed=1)
    pd.testing.assert_frame_equal(first.patients, again.patients)
    pd.testing.assert_frame_equal(first.issues, again.issues)
    others = [tuple(serve(demand, stock, 1, seed=seed).patients["status"]) for seed in range(2, 6)]
    assert len({tuple(first.patients["status"]), *others}) > 1


def test_nobody_is_passed_over_for_a_smaller_course(small, serve):
    """20 g are left for a class of 30 g and 10 g; the one who has waited longer takes the first offer."""
    demand = small.patients({"due_g": 30, "days_overdue": 5}, {"due_g": 10})
    result = serve(demand, small.shelf(("P1", "privigen_10", 10, 3)), 1)
    assert rows(result, "given_g") == [[30], [0]]


def test_left_over_grams_are_offered_again(small, serve):
    """Each of two classes is planned half a course; together that is one whole course."""
    demand = small.patients({"due_g": 20, "grade": 4}, {"due_g": 20, "grade": 1})
    result = serve(demand, small.shelf(("P1", "privigen_10", 10, 2)), 1)
    assert sorted(result.patients["status"]) == ["deferred", "treated"]


def test_a_reduced_course_is_at_least_the_smallest_share(small, serve):
    demand = small.patients({"due_g": 40, "grade": 2})
    for vials, status, given_g in ((1, "deferred", 0), (2, "reduced", 20), (3, "reduced", 30)):
        result = serve(demand, small.shelf(("P1", "privigen_10", 10, vials)), 3)
        assert rows(result, "status", "given_g") == [[status, given_g]]
        if status == "reduced":
            assert f"{given_g} g of the 40 g due" in result.patients["reason"][0]


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
def test_a_course_is_of_one_product(small, serve, tier):
    """30 g of one product and 20 g of another are no course of 50 g, but part of one."""
    demand = small.patients({"due_g": 50, "product": "", "grade": 2})
    stock = small.shelf(("P1", "privigen_10", 10, 3), ("P1", "octagam_10", 10, 2))
    result = serve(demand, stock, tier)
    assert rows(result, "given_g", "status", "product", "vials") == [[30, "reduced", "privigen_10", "3x10"]]
    reason, change = rows(result, "reason", "would_help")[0]
    assert "no more privigen_10 is left" in reason
    assert "a course is of one product" in reason
    assert change.startswith("20 g more of privigen_10")


def test_who_waits_is_told_that_no_single_product_would_do(small, serve):
    demand = small.patients({"due_g": 50, "product": "", "grade": 2})
    stock = small.shelf(("P1", "privigen_10", 20, 1), ("P1", "octagam_10", 10, 2))
    result = serve(demand, stock, 3)
    assert rows(result, "given_g", "status") == [[0, "deferred"]]
    reason, change = rows(result, "reason", "would_help")[0]
    assert (
        "of privigen_10 and octagam_10 no more than 20 g of any one is left in North, less than 50% of the c" in reason
    )
    assert change.startswith("30 g more of privigen_10")
    large = small.shelf(("P1", "privigen_10", 20, 1), ("P1", "octagam_10", 60, 1))
    assert "no single one makes 50% of the course" in rows(serve(demand, large, 3), "reason")[0][0]


def test_only_grade_4_is_given_several_products_and_only_where_it_may_not_wait(small, serve):
    demand = small.patients({"due_g": 50, "product": "", "grade": 4})
    stock = small.shelf(("P1", "privigen_10", 10, 3), ("P1", "octagam_10", 10, 2))
    assert rows(serve(demand, stock, 3), "given_g", "product") == [[50, "privigen_10+octagam_10"]]
    assert rows(serve(demand, stock, 1), "given_g", "product") == [[30, "privigen_10"]]
    single = small.shelf(("P1", "privigen_10", 10, 3), ("P1", "octagam_10", 10, 5))
    assert rows(serve(demand, single, 3), "given_g", "product") == [[50, "octagam_10"]]


def test_what_is_left_over_tops_up_with_the_product_given(small):
    """Where courses are reduced before any is put off, too, nobody is given two products."""
    tier = small.tier(3).model_copy(update={"lever_order": ("reduce", "defer")})
    demand = small.patients(*({"due_g": 40, "product": "", "grade": 2} for _ in range(3)))
    stock = small.shelf(("P1", "privigen_10", 10, 5), ("P1", "octagam_10", 10, 6))
    problem = small.problem(demand, stock, tier)
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, stock, seed=1)
    verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()
    assert not result.patients["product"].str.contains("+", regex=False).any()
    assert sorted(result.patients["given_g"]) == [30, 30, 40]


def test_grade_4_takes_whatever_there_is_where_it_may_neither_wait_nor_be_reduced(small, serve):
    demand = small.patients({"due_g": 40, "grade": 4}, {"due_g": 10, "grade": 3})
    result = serve(demand, small.shelf(("P1", "privigen_10", 10, 1)), 3)
    assert rows(result, "status", "given_g") == [["reduced", 10], ["deferred", 0]]


def test_a_vial_that_fits_a_higher_grade_never_goes_to_a_lower_one(small, serve):
    """The plan sends grade 4 its 35 g; vials make 30. The 5 g vial of another product completes it before grade 3."""
    demand = small.patients({"due_g": 35, "grade": 4}, {"due_g": 5, "grade": 3, "panel": "P2"})
    stock = small.shelf(("P1", "privigen_10", 10, 4), ("P2", "octagam_10", 5, 1))
    result = serve(demand, stock, 3)
    assert rows(result, "given_g", "product", "vials", "from_location") == [
        [35, "privigen_10+octagam_10", "3x10;1x5", "P1+P2"],
        [0, "", "", ""],
    ]


def test_whole_courses_of_one_product_are_preferred(small, serve):
    demand = small.patients({"due_g": 30, "grade": 4, "product": ""})
    stock = small.shelf(("P1", "privigen_10", 20, 1), ("P1", "octagam_10", 10, 1), ("P2", "octagam_10", 10, 2))
    result = serve(demand, stock, 3)
    assert rows(result, "product", "vials", "from_location") == [["octagam_10", "3x10", "P1+P2"]]


def test_tiers_1_and_2_never_touch_another_panels_stock(small, serve):
    demand = small.patients({"due_g": 10, "grade": 4, "emergency": True})
    stock = small.shelf(("P2", "privigen_10", 10, 5), ("NATIONAL", "privigen_10", 10, 5))
    for tier in (1, 2):
        result = serve(demand, stock, tier)
        assert rows(result, "status") == [["deferred"]]
        assert "P1 holds no privigen_10" in result.patients["reason"][0]
        assert result.left["vials"].tolist() == [5, 5]


def test_everyone_is_listed_with_a_status(small, serve):
    demand = small.patients(
        {"due_g": 10, "grade": 1, "panel": "P2"},
        {"due_g": 10, "grade": 4, "panel": "P2"},
        {"due_g": 10, "funded": False},
        {"due_g": 0},
        {"due_g": 10, "grade": None},
    ).assign(commissioned=["routine", "routine", "no", "routine", "ifr"])
    result = serve(demand, small.shelf(("P2", "privigen_10", 10, 1)), 3)
    assert rows(result, "panel", "grade", "status") == [
        ["P1", 3, "not_funded"],
        ["P1", 0, "deferred"],
        ["P2", 4, "treated"],
        ["P2", 1, "suspended"],
    ]
    assert result.nothing_due == 1
    reasons = result.patients["reason"].tolist()
    assert reasons[0] == "Not commissioned, and no individual funding request has been approved."
    assert reasons[1].startswith("Tier 3, ungraded: waits")
    assert "suspended" in reasons[3]


def test_a_declined_patient_is_told_so(small):
    demand = small.patients({"due_g": 10}).drop(columns="funded").assign(panel_decision="declined")
    problem = small.problem(demand, small.grams(), 3)
    result = serve_patients(demand, problem, solve(problem), small.shelf(), seed=1)
    assert rows(result, "status", "reason") == [["not_funded", "The panel has declined this treatment."]]
    assert np.isnan(result.patients["lottery"][0])


def test_a_tier_without_a_stage_for_a_grade_says_so(small, serve):
    tier = small.tier(3).model_copy(update={"stage": small.tier(3).stage[:1]})
    result = serve(small.patients({"due_g": 10, "grade": 2}), small.shelf(("P1", "privigen_10", 10, 9)), tier)
    assert rows(result, "status", "reason") == [
        ["deferred", "Tier 3, grade 2: no stage of this tier serves such patients."]
    ]


def test_reasons_name_switch_and_source(small, serve):
    demand = small.patients(
        {"due_g": 10, "grade": 4}, {"due_g": 10, "grade": 4, "panel": "P2", "product": "octagam_10"}
    )
    stock = small.shelf(("P2", "octagam_10", 10, 2))
    said = serve(demand, stock, 3).patients["reason"].tolist()
    assert said == [
        "Tier 3, grade 4: whole course of another product, as privigen_10 is short with aid from the region.",
        "Tier 3, grade 4: whole course of the recorded product from the panel's own stock.",
    ]
    national = small.shelf(("NATIONAL", "privigen_10", 10, 1), ("P3", "octagam_10", 10, 1))
    said = serve(demand, national, 4).patients["reason"].tolist()
    assert said[0].endswith("recorded product with stock that no panel holds.")
    assert said[1].endswith("recorded product from the national pool.")


def test_reasons_name_the_limit_on_switching(small, serve):
    demand = small.patients({"due_g": 40}, {"due_g": 10, "product": "octagam_10"})
    stock = small.shelf(("P1", "octagam_10", 10, 9))
    result = serve(demand, stock, 2)
    assert rows(result, "given_g") == [[0], [10]]
    assert "used up what it may switch (25%)" in result.patients["reason"][0]


def test_the_reserve_is_held_in_whole_vials_and_kept_from_grade_3(small, serve):
    demand = small.patients({"due_g": 10, "grade": 4}, {"due_g": 20, "grade": 3})
    stock = small.shelf(("P1", "privigen_10", 10, 3))
    result = serve(demand, stock, 3, reserve=[("North", 15)])
    assert result.held[["pool", "location", "product", "vial_mg", "vials"]].values.tolist() == [
        ["North", "P1", "privigen_10", 10000, 2]
    ]
    assert rows(result, "status") == [["treated"], ["deferred"]]
    assert "the emergency reserve being kept" in result.patients["reason"][1]


def test_rounding_is_told_stage_by_stage(small, serve):
    demand = small.patients({"due_g": 35, "grade": 4}, {"due_g": 35, "grade": 3})
    result = serve(demand, small.shelf(("P1", "privigen_10", 10, 6)), 3)
    four, three = result.rounding[:2]
    assert (four.planned_mg, four.given_mg, four.lost_mg) == (35000, 30000, 5000)
    assert (three.planned_mg, three.given_mg, three.lost_mg) == (25000, 30000, 0)
    assert all(item.lost_mg <= item.bound_mg for item in result.rounding)
    assert four.bound_mg == 5000


def test_the_shelf_gives_no_vial_twice(small):
    shelf = Shelf(small.shelf(("P1", "privigen_10", 10, 1)), panels=("P1",), products=("privigen_10",))
    shelf.draw([(0, 0)], {10000: 1})
    assert shelf.left() == []
    assert shelf.best(0, 0, 50000) == {}
    with pytest.raises(Exception, match="drawn where there are 0"):
        shelf.draw([(0, 0)], {10000: 1})


def test_the_reserve_is_of_vials_that_go_off_last(small, serve):
    demand = small.patients({"due_g": 20})
    stock = small.shelf(("P1", "privigen_10", 20, 1, "2026-11-03"), ("P1", "privigen_10", 20, 1, "2028-01-01"))
    result = serve(demand, stock, 3, reserve=[("North", 20)])
    assert result.held["expiry_date"].astype(str).tolist() == ["2028-01-01"]
    assert result.issues["expiry_date"].astype(str).tolist() == ["2026-11-03"]


def test_a_reserve_of_what_somebody_may_not_have_is_no_reason(small, serve):
    demand = small.patients({"due_g": 20, "route": "SC", "product": "hizentra_20"})
    result = serve(demand, small.shelf(("P1", "privigen_10", 20, 1)), 3, reserve=[("North", 20)])
    assert "emergency reserve" not in result.patients["reason"][0]


def test_where_the_quota_binds_only_the_own_product_would_help(small):
    tier = small.tier(2).model_copy(update={"switch_capacity": 0.5})
    demand = small.patients({"due_g": 20, "product": "octagam_10"})
    for vials, change in (
        ([("P2", "privigen_10", 10, 1)], "20 g more of octagam_10 at P1."),
        ([("P1", "privigen_10", 10, 1)], "20 g more of octagam_10 at P1."),
        ([("P1", "privigen_10", 10, 2)], "20 g more of octagam_10 at P1, or room to switch 10 g more."),
    ):
        stock = small.shelf(*vials)
        problem = small.problem(demand, stock, tier)
        result = serve_patients(demand, problem, solve(problem), stock, seed=1)
        assert result.patients["would_help"].tolist() == [change]
