"""Which class of a cell goes short, and how: levers inside the program, and the checks of what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from allocation.optimise.lever_program import mix_table
from allocation.optimise.levers import STRETCH_COLUMN, Mix, class_levers
from allocation.optimise.network import index_problem
from allocation.optimise.patients import serve_patients
from allocation.optimise.program import solve
from allocation.optimise.side_limits import limits_in_use, mark_patients
from allocation.optimise.verify import verify
from allocation.rules import load_tiers
from allocation.rules.limits import Delivery, LimitSet

ORDER = ("stretch", "reduce", "defer")


def tier_of(small, *order):
    return small.tier(3).model_copy(update={"lever_order": order})


def two_classes(small, grams, order=ORDER):
    """Two on privigen who can be stretched, two on octagam who cannot; there is privigen only, in vials of 5 g."""
    people = small.patients(*({"due_g": 20, "product": code} for code in ("privigen_10", "octagam_10") for _ in "ab"))
    people = people.assign(cycle_weeks=12.0)
    if "stretch" in order:
        people[STRETCH_COLUMN] = [14, 14, 0, 0]
    vials = small.shelf(("P1", "privigen_10", 5, grams // 5))
    problem = small.problem(people, vials, tier_of(small, *order))
    return people, vials, problem


def by_product(problem, plan):
    frame = problem.classes[["class_id", "product"]].merge(plan.levers, on="class_id")
    names = ["full_mg", "reduced_mg", "reduced_given_mg", "stretched_mg", "deferred_mg"]
    return {product: tuple(row) for product, *row in frame[["product", *names]].itertuples(index=False, name=None)}


def failed(problem, plan, **told):
    return {item.name for item in verify(problem, plan, **told).checks if not item.ok}


def test_who_can_be_stretched_lends_the_product_to_who_cannot(small):
    people, vials, problem = two_classes(small, 30)
    plan = solve(problem)
    assert by_product(problem, plan) == {
        "octagam_10": (0, 40_000, 30_000, 0, 0),
        "privigen_10": (0, 0, 0, 40_000, 0),
    }
    assert plan.switched_mg == 30_000
    assert small.value(plan, "grade 3: put off beyond the limits, g") == 0.0
    assert small.value(plan, "grade 3: taken off courses, g") == 10.0
    assert small.value(plan, "grade 3: late within the limit, g") == 40.0
    result = serve_patients(people, problem, plan, vials, seed=1)
    frame = result.patients.set_index("patient_id")
    assert frame["given_g"].to_dict() == {"A000": 0, "A001": 0, "A002": 15, "A003": 15}
    assert frame["status"].to_dict() == {"A000": "deferred", "A001": "deferred", "A002": "reduced", "A003": "reduced"}
    assert "stretched by 14 days, within its limit of 16" in frame.loc["A000", "reason"]
    assert "at least 50% of it may be given" in frame.loc["A002", "reason"]
    assert failed(problem, plan, demand=people, stock=vials, result=result) == set()


def test_without_levers_the_fewest_switches_decide(small):
    *_, problem = two_classes(small, 30, ())
    plan = solve(problem)
    assert (plan.levers, plan.switched_mg) == (None, 0)


@pytest.mark.parametrize(
    ("order", "octagam", "privigen"),
    [
        (("stretch", "reduce", "defer"), (0, 40_000, 30_000, 0, 0), (0, 0, 0, 40_000, 0)),
        (("stretch", "defer", "reduce"), (30_000, 0, 0, 0, 10_000), (0, 0, 0, 40_000, 0)),
        (("reduce", "stretch", "defer"), (0, 40_000, 20_000, 0, 0), (0, 20_000, 10_000, 20_000, 0)),
        (("defer", "stretch", "reduce"), (0, 0, 0, 0, 40_000), (30_000, 0, 0, 10_000, 0)),
        (("defer", "reduce", "stretch"), (0, 0, 0, 0, 40_000), (0, 40_000, 30_000, 0, 0)),
        (("reduce", "defer"), None, None),
    ],
)
def test_the_order_says_the_mix(small, order, octagam, privigen):
    people, vials, problem = two_classes(small, 30, order)
    plan = solve(problem)
    result = serve_patients(people, problem, plan, vials, seed=1)
    assert failed(problem, plan, demand=people, stock=vials, result=result) == set()
    if octagam is None:
        # 30 g are enough for 60 g of courses, whoever's they are.
        assert plan.levers[["reduced_mg", "deferred_mg"]].sum().tolist() == [60_000, 20_000]
    else:
        assert by_product(problem, plan) == {"octagam_10": octagam, "privigen_10": privigen}


def test_one_class_by_itself():
    tier = load_tiers().of(3).model_copy(update={"lever_order": ORDER})
    frame = pd.DataFrame({"grade": [3, 4], "due_mg": [100_000, 10_000], "stretch_mg": [40_000, 0]})
    levers = class_levers(tier, frame)
    assert levers.mix(0, 0) == Mix(stretched_mg=40_000, deferred_mg=60_000)
    # Half of each course that cannot be stretched; then more of them; then those who could have been stretched.
    assert levers.mix(0, 15_000) == Mix(0, 30_000, 15_000, 40_000, 30_000)
    assert levers.mix(0, 30_000) == Mix(0, 60_000, 30_000, 40_000, 0)
    assert levers.mix(0, 45_000) == Mix(0, 60_000, 45_000, 40_000, 0)
    assert levers.mix(0, 70_000) == Mix(70_000, 0, 0, 30_000, 0)
    # Grade 4 has no levers: what it goes short is put off, though it may not be.
    assert levers.mix(1, 4_000) == Mix(full_mg=4_000, deferred_mg=6_000)
    assert class_levers(load_tiers().of(3), frame) is None
    assert class_levers(tier, frame.assign(stage=0)) is None


LIMITS, BEST, ORDERED = (
    "plan: levers within their limits",
    "plan: each class's mix is its best",
    "plan: levers used in their order",
)


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"stretched_mg": 30_000, "deferred_mg": 10_000}, BEST),
        ({"stretched_mg": 41_000, "deferred_mg": -1_000}, LIMITS),
        ({"stretched_mg": 39_000}, LIMITS),
        ({"given_mg": 1_000}, LIMITS),
        ({"full_mg": 1_000, "stretched_mg": 39_000}, LIMITS),
        ({"stage": 2}, LIMITS),
        ({"panel": "P2"}, LIMITS),
    ],
)
def test_a_mix_told_wrongly_of_the_stretched_is_caught(small, wrong, check):
    *_, problem = two_classes(small, 30)
    plan = solve(problem)
    at = plan.levers["stretched_mg"] > 0
    table = plan.levers.copy()
    for name, value in wrong.items():
        table.loc[at, name] = value
    assert check in failed(problem, replace(plan, levers=table))


@pytest.mark.parametrize(
    ("wrong", "check"),
    [
        ({"reduced_mg": 35_000, "deferred_mg": 5_000}, BEST),
        ({"reduced_mg": 30_000, "reduced_given_mg": 20_000, "full_mg": 10_000}, None),
        ({"reduced_mg": 20_000, "reduced_given_mg": 10_000, "full_mg": 20_000}, None),
        ({"reduced_mg": 20_000, "reduced_given_mg": 9_000, "full_mg": 21_000}, LIMITS),
        ({"stretched_mg": 10_000, "reduced_mg": 30_000}, LIMITS),
    ],
)
def test_a_mix_told_wrongly_of_the_reduced_is_caught(small, wrong, check):
    *_, problem = two_classes(small, 30)
    plan = solve(problem)
    at = plan.levers["reduced_mg"] > 0
    table = plan.levers.copy()
    for name, value in wrong.items():
        table.loc[at, name] = value
    found = failed(problem, replace(plan, levers=table))
    # Taking more off fewer courses is as good: grams taken off are what counts.
    assert found == (set() if check is None else {check})


def test_a_plan_that_does_not_heed_its_levers_is_caught(small):
    *_, problem = two_classes(small, 30)
    plan = solve(problem)
    assert failed(problem, replace(plan, levers=None)) == {LIMITS}
    assert failed(problem, replace(plan, levers=plan.levers.iloc[:1])) == {LIMITS}
    blind = solve(replace(problem, tier=tier_of(small)))
    net = index_problem(problem)
    given = blind.given.groupby("class_id")["mg"].sum().reindex(net.class_id, fill_value=0).to_numpy(dtype=np.int64)
    # Every class's own mix is its best; the wrong class has the product.
    assert failed(problem, replace(blind, levers=mix_table(net, given))) == {ORDERED}


def test_patients_put_off_whom_reducing_would_have_spared_are_caught(small):
    people = small.patients(*({"due_g": 20} for _ in range(2)))
    vials = small.shelf(("P1", "privigen_10", 10, 2))
    problem = small.problem(people, vials, tier_of(small, "reduce", "defer"))
    plan = solve(problem)
    result = serve_patients(people, problem, plan, vials, seed=1)
    assert result.patients["given_g"].tolist() == [10, 10]
    first, second = result.patients.sort_values("lottery")["patient_id"]
    given = result.patients["patient_id"].map({first: 20.0, second: 0.0})
    status = result.patients["patient_id"].map({first: "treated", second: "deferred"})
    issues = result.issues.assign(patient_id=first)
    wrong = replace(result, patients=result.patients.assign(given_g=given, status=status), issues=issues)
    told = {"demand": people, "stock": vials, "result": wrong}
    assert failed(problem, plan, **told) == {"patients: nobody put off whom the levers could have spared"}


def test_levers_within_a_limit_on_switching(small):
    people, vials, problem = two_classes(small, 30)
    tier = problem.tier.model_copy(update={"switch_capacity": 0.125})
    problem = small.problem(people, vials, tier)
    plan = solve(problem)
    # A panel due 80 g may switch 10 g; the other 20 g go to those who are on the product.
    assert plan.switched_mg == 10_000
    assert by_product(problem, plan) == {
        "octagam_10": (0, 20_000, 10_000, 0, 20_000),
        "privigen_10": (20_000, 0, 0, 20_000, 0),
    }
    result = serve_patients(people, problem, plan, vials, seed=1)
    assert failed(problem, plan, demand=people, stock=vials, result=result) == set()


def test_levers_within_side_limits(small):
    limits = LimitSet(delivery=(Delivery(into="P1", grams=1000, assumption="Made up."),))
    people, vials, _ = two_classes(small, 30)
    people = mark_patients(people.assign(indication="cidp", situation=""), limits)
    mg = vials.assign(mg=vials["vial_mg"] * vials["vials"])[["location", "product", "mg"]]
    side, _ = limits_in_use(limits, mg, panels=("P1", "P2", "P3"), source="limits")
    plain = small.problem(people, mg, tier_of(small, *ORDER))
    problem = replace(plain, classes=plain.classes.assign(courses=2), limits=side)
    plan = solve(problem)
    assert by_product(problem, plan) == {
        "octagam_10": (0, 40_000, 30_000, 0, 0),
        "privigen_10": (0, 0, 0, 40_000, 0),
    }
    result = serve_patients(people, problem, plan, vials, seed=1)
    assert failed(problem, plan, demand=people, stock=vials, result=result) == set()
