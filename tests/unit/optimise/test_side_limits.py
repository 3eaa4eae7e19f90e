"""Side limits one by one: what they do to plans and patients, how they are told, that breaking one is caught."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from allocation.optimise.network import index_problem
from allocation.optimise.patients import serve_patients
from allocation.optimise.problem import build_problem
from allocation.optimise.program import solve
from allocation.optimise.shadow import shadow_prices
from allocation.optimise.side_limits import limits_in_use, mark_patients
from allocation.optimise.verify import verify
from allocation.rules.limits import Delivery, Infusion, LimitSet, Lock, RingFence, SwitchQuota


def limits(**kinds):
    models = {"delivery": Delivery, "infusion": Infusion, "switch_quota": SwitchQuota, "ring_fence": RingFence}
    models["lock"] = Lock
    return LimitSet(
        **{kind: tuple(models[kind](assumption="Ours.", **row) for row in rows) for kind, rows in kinds.items()}
    )


@pytest.fixture
def run(small):
    def allocate(people, vials, tier, asked, *, reserve=(), seed=1):
        demand = people.assign(indication=people.get("indication", "cidp"), situation="")
        demand = mark_patients(demand, asked)
        mg = vials.assign(mg=vials["vial_mg"] * vials["vials"])[["location", "product", "mg"]]
        places = small.panels(P1="North", P2="North", P3="South")
        side, faults = limits_in_use(asked, mg, panels=tuple(places.by_code), source="limits.toml")
        held = pd.DataFrame(list(reserve), columns=["pool", "mg"]).astype({"mg": "int64"})
        problem = build_problem(
            demand, mg, tier=small.tier(tier) if isinstance(tier, int) else tier, panels=places,
            products=small.products(), limits=side,
            reserve=held if len(held) else None,
        )  # fmt: skip
        plan = solve(problem)
        result = serve_patients(demand, problem, plan, vials, seed=seed)
        certificate = verify(problem, plan, demand=demand, stock=vials, result=result)
        certificate.raise_if_failed()
        return problem, plan, {"demand": demand, "stock": vials, "result": result}, faults

    return allocate


def given(served):
    frame = served["result"].patients
    return dict(zip(frame["patient_id"], frame["given_g"], strict=True))


def reasons(served):
    frame = served["result"].patients
    return dict(zip(frame["patient_id"], frame["reason"], strict=True))


def failed(problem, plan, served=None):
    return {item.name for item in verify(problem, plan, **(served or {})).checks if not item.ok}


def test_what_may_be_brought_into_a_panel(small, run):
    people = small.patients({"due_g": 40, "panel": "P2"}, {"due_g": 40, "panel": "P2"})
    problem, plan, served, _ = run(
        people, small.shelf(("P1", "privigen_10", 10, 8)), 3, limits(delivery=[{"into": "P2", "grams": 50}])
    )
    assert plan.moved_mg == 50_000
    assert sorted(given(served).values()) == [0, 40]
    deferred = next(text for text in reasons(served).values() if "limit" in text)
    assert "deliveries into P2 have reached their limit of 50 g" in deferred
    assert "30 g more delivered into P2 would have helped" in deferred
    more = plan.flows.assign(mg=80_000)
    whole = replace(
        plan,
        flows=more,
        given=plan.given.assign(mg=80_000),
        cells=plan.cells.assign(planned_mg=80_000),
        moved_mg=80_000,
    )
    assert failed(problem, whole) == {"plan: side limits are kept"}


def test_what_may_leave_a_place(small, run):
    people = small.patients({"due_g": 40, "panel": "P2"})
    _, plan, served, _ = run(
        people, small.shelf(("P1", "privigen_10", 10, 8)), 3, limits(delivery=[{"out_of": "P1", "grams": 0}])
    )
    assert plan.moved_mg == 0
    assert "what is left at P1 may not leave it" in reasons(served)["A000"]
    assert given(served)["A000"] == 0


def test_what_may_leave_a_place_counts_all_products_of_a_course(small, run):
    """Grade 4 may be given several products here, and together no more than may leave."""
    people = small.patients({"due_g": 50, "panel": "P2", "grade": 4, "product": ""})
    vials = small.shelf(("P1", "privigen_10", 10, 3), ("P1", "octagam_10", 10, 2))
    _, _, served, _ = run(people, vials, 3, limits(delivery=[{"out_of": "P1", "grams": 40}]))
    assert given(served)["A000"] == 40
    assert served["result"].patients["product"][0] == "privigen_10+octagam_10"


@pytest.mark.parametrize(("limit", "words"), [({"courses": 1}, "1 courses"), ({"grams": 50}, "50 g it can infuse")])
def test_what_a_panel_can_infuse(small, run, limit, words):
    people = small.patients(
        {"due_g": 40, "grade": 3},
        {"due_g": 40, "grade": 2},
        {"due_g": 10, "grade": 1, "route": "SC", "product": "hizentra_20"},
    )
    vials = small.shelf(("P1", "privigen_10", 10, 8), ("P1", "hizentra_20", 1, 10))
    problem, plan, served, _ = run(people, vials, 3, limits(infusion=[{"panel": "P1", **limit}]))
    assert given(served)["A000"] == 40
    assert given(served)["A001"] == 0
    assert given(served)["A002"] == 10
    assert words in reasons(served)["A001"]
    assert "more" in reasons(served)["A001"]
    issues = served["result"].issues
    copied = issues[issues["patient_id"] == "A000"].assign(patient_id="A001")
    wrong = replace(served["result"], issues=pd.concat([issues, copied], ignore_index=True))
    assert "patients: side limits are kept" in failed(problem, plan, {**served, "result": wrong})


def test_a_quota_goes_before_the_tiers_share(small, run):
    people = small.patients({"due_g": 40}, {"due_g": 40})
    vials = small.shelf(("P1", "octagam_10", 10, 8))
    for quota, most in (({"grams": 40}, 40), ({"share": 1.0}, 80)):
        problem, plan, served, _ = run(people, vials, 2, limits(switch_quota=[{"panel": "P1", **quota}]))
        assert plan.switched_mg == most * 1000
        assert sum(given(served).values()) == most
    problem, plan, served, _ = run(people, vials, 2, limits(switch_quota=[{"panel": "P1", "grams": 40}]))
    text = next(text for text in reasons(served).values() if "switch" in text)
    assert "its quota of 40 g" in text
    wrong = replace(problem, limits=replace(problem.limits, switch_mg={"P1": 10_000}))
    assert "plan: switching within its limit" in failed(wrong, plan)


def test_a_ring_fence_keeps_stock_for_its_indication(small, run):
    people = small.patients(
        {"due_g": 40, "grade": 4}, {"due_g": 20, "grade": 1, "panel": "P2"}, {"due_g": 40, "grade": 1}
    ).assign(indication=["cidp", "pid", "cidp"])
    fence = [{"product": "privigen_10", "indication": "pid", "grams": 30}]
    problem, plan, served, _ = run(people, small.shelf(("P1", "privigen_10", 10, 6)), 3, limits(ring_fence=fence))
    # Grade 4 is outside: it has the 30 g that are not fenced, and grade 1 inside has its course.
    assert given(served) == {"A000": 30, "A001": 20, "A002": 0}
    assert "privigen_10 is ring-fenced for pid" in reasons(served)["A000"]
    assert "a smaller ring-fence of privigen_10 would have helped" in reasons(served)["A000"]
    taken = plan.given.assign(mg=[40_000 if mg == 30_000 else mg for mg in plan.given["mg"]])
    flows = plan.flows.assign(mg=[40_000 if mg == 30_000 else mg for mg in plan.flows["mg"]])
    cells = plan.cells.assign(planned_mg=[40_000 if mg == 30_000 else mg for mg in plan.cells["planned_mg"]])
    assert failed(problem, replace(plan, given=taken, flows=flows, cells=cells)) == {"plan: side limits are kept"}
    issues = served["result"].issues
    more = issues.assign(
        vials=[4 if who == "A000" else n for who, n in zip(issues["patient_id"], issues["vials"], strict=True)]
    )
    wrong = {**served, "result": replace(served["result"], issues=more)}
    assert "patients: fenced stock only to those inside" in failed(problem, plan, wrong)


def test_the_reserve_is_never_held_from_fenced_stock(small, run):
    people = small.patients({"due_g": 10, "grade": 4}).assign(indication="cidp")
    fence = [{"product": "privigen_10", "indication": "pid"}]
    vials = small.shelf(("P1", "privigen_10", 10, 5), ("P1", "octagam_10", 10, 2))
    _, plan, served, _ = run(people, vials, 3, limits(ring_fence=fence), reserve=[("North", 30_000)])
    assert set(plan.reserve["product"]) == {"octagam_10"}
    assert set(served["result"].held["product"]) == {"octagam_10"}


def test_a_fence_around_more_than_there_is_is_cut_and_told(small, run):
    people = small.patients({"due_g": 40}).assign(indication="pid")
    fence = [{"product": "privigen_10", "indication": "pid", "grams": 500}]
    _, _, served, faults = run(people, small.shelf(("P1", "privigen_10", 10, 6)), 3, limits(ring_fence=fence))
    assert given(served)["A000"] == 40
    assert len(faults) == 1
    assert "limits.toml, ring_fence.grams: found '500 g for pid'" in str(faults[0])
    assert "60 g" in str(faults[0])


def test_grams_of_a_fence_are_split_over_places_exactly(small):
    stock = small.grams(("P1", "privigen_10", 10), ("P2", "privigen_10", 20), ("NATIONAL", "privigen_10", 0.001))
    asked = limits(ring_fence=[{"product": "privigen_10", "indication": "pid", "grams": 10}])
    side, faults = limits_in_use(asked, stock, panels=("P1", "P2"), source="x")
    assert not faults
    assert sum(side.fences[0].mg.values()) == 10_000
    assert all(side.fences[0].mg.get(place, 0) <= mg for place, mg in (("P1", 10_000), ("P2", 20_000)))


def test_locks_by_list_and_by_column(small, run):
    people = small.patients(
        {"due_g": 40}, {"due_g": 40, "locked": True}, {"due_g": 40, "product": "", "locked": True}, {"due_g": 40}
    ).assign(indication=["pid", "cidp", "cidp", "cidp"])
    asked = limits(lock=[{"indication": "pid", "route": "IV"}])
    problem, plan, served, _ = run(people, small.shelf(("P1", "octagam_10", 10, 16)), 3, asked)
    # Only those with a product on record can be locked to it.
    assert given(served) == {"A000": 0, "A001": 0, "A002": 40, "A003": 40}
    issues = served["result"].issues
    wrong = replace(served["result"], issues=issues.assign(patient_id=issues["patient_id"].replace("A003", "A000")))
    assert "patients: products allowed by the tier" in failed(problem, plan, {**served, "result": wrong})


def test_short_arguments_know_of_side_limits(small, run):
    people = small.patients({"due_g": 40, "panel": "P2"})
    vials = small.shelf(("P1", "privigen_10", 10, 8))
    problem, *_ = run(people, vials, 3, limits(delivery=[{"into": "P2", "grams": 50}]))
    net = index_problem(problem)
    assert {pool.name: net.side_limits(pool) for pool in net.pools} == {"North": True, "South": False}
    plain = index_problem(replace(problem, limits=None))
    assert not any(plain.side_limits(pool) for pool in plain.pools)


def test_a_plan_that_could_be_better_within_limits_is_caught(small, run):
    people = small.patients(
        {"due_g": 40, "grade": 4}, {"due_g": 40, "grade": 3}, {"due_g": 40, "grade": 3, "panel": "P2"}
    )
    vials = small.shelf(("P1", "privigen_10", 10, 6), ("P2", "privigen_10", 10, 1))
    problem, plan, _, _ = run(people, vials, 3, limits(infusion=[{"panel": "P1", "grams": 60}]))
    classes = problem.classes.set_index(["panel", "grade"])["class_id"]

    def wrong(*lines):
        given_mg = pd.DataFrame(lines, columns=["panel", "grade", "from_location", "mg"])
        given_mg["class_id"] = [classes[p, g] for p, g in zip(given_mg["panel"], given_mg["grade"], strict=True)]
        given_mg = given_mg.assign(product="privigen_10")
        flows = given_mg.groupby(["from_location", "panel", "product"], as_index=False)["mg"].sum()
        cells = plan.cells.assign(planned_mg=0)
        for panel, grade, _, mg in lines:
            cells.loc[(cells["panel"] == panel) & (cells["stage"] == 4 - grade), "planned_mg"] += mg
        moved = sum(mg for panel, _, place, mg in lines if panel != place)
        return replace(plan, given=given_mg[["class_id", "product", "mg"]], flows=flows, cells=cells, moved_mg=moved)

    served = "plan: each stage served as far as it can be"
    lower = wrong(("P1", 4, "P1", 20_000), ("P1", 3, "P1", 40_000), ("P2", 3, "P2", 10_000))
    assert served in failed(problem, lower)
    idle = wrong(("P1", 4, "P1", 40_000), ("P1", 3, "P1", 20_000))
    assert served in failed(problem, idle)
    unfair = wrong(("P1", 4, "P1", 40_000), ("P1", 3, "P1", 20_000), ("P2", 3, "P2", 10_000))
    assert "plan: shares are fair" in failed(problem, unfair)


def test_prices_within_limits_are_what_solving_again_gives(small, run):
    people = small.patients({"due_g": 2000, "panel": "P2"}, {"due_g": 2000, "grade": 2})
    vials = small.shelf(("P1", "privigen_10", 20, 100), ("P2", "privigen_10", 20, 1))
    problem, plan, _, _ = run(people, vials, 3, limits(delivery=[{"into": "P2", "grams": 500}]))
    frame = shadow_prices(problem, plan).lines
    told = frame.set_index(["panel", "product", "grade"])["grams_per_kg"].to_dict()
    # At P2 a kilogram serves grade 3; at P1 none of it gets there, so it serves grade 2.
    assert told["P2", "privigen_10", 3] == 1000
    assert told["P1", "privigen_10", 2] == 500


def test_who_goes_short_is_told_what_would_have_helped(small):
    people = small.patients(
        {"due_g": 40}, {"due_g": 40}, {"due_g": 40, "panel": "P3"}, {"due_g": 40, "funded": False}, {"due_g": 25}
    )
    vials = small.shelf(("P1", "privigen_10", 10, 4), ("P3", "privigen_10", 20, 1), ("P3", "octagam_10", 30, 1))
    problem = small.problem(people, vials, 3)
    result = serve_patients(people, problem, solve(problem), vials, seed=1)
    frame = result.patients.set_index("patient_id")
    told = frame["would_help"].to_dict()
    assert "individual funding" in told["A003"]
    whole = frame["status"] == "treated"
    assert (frame["would_help"] == "")[whole].all()
    assert (frame["would_help"] != "")[~whole].all()
    assert any("g more of privigen_10 or octagam_10 in North" in text for text in told.values())
    # 30 g were the one vial of a product; the vial of another that is left is neither of it nor small enough.
    assert told["A002"] == "10 g more of octagam_10 in South, beyond what those who come first still lack."
    assert "no more octagam_10 is left in South, and a course is of one product" in frame["reason"]["A002"]


def words(served):
    return tuple(served["result"].patients[["reason", "would_help"]].iloc[0])


@pytest.mark.parametrize(
    ("asked", "vials"),
    [
        ({"delivery": [{"out_of": "P2", "grams": 5}]}, [("P2", "octagam_10", 20, 0)]),
        ({"delivery": [{"out_of": "P1", "grams": 5}]}, [("P1", "octagam_10", 5, 1)]),
        ({"delivery": [{"into": "P1", "grams": 5}]}, [("P1", "octagam_10", 5, 1)]),
        ({"infusion": [{"panel": "P1", "courses": 0}]}, [("P2", "octagam_10", 5, 1)]),
    ],
)
def test_a_limit_is_no_reason_where_there_is_no_stock_behind_it(small, run, asked, vials):
    people = small.patients({"due_g": 20, "product": "octagam_10"})
    _, _, served, _ = run(people, small.shelf(*vials), 3, limits(**asked))
    reason, change = words(served)
    assert "limit" not in reason
    assert "may not leave" not in reason
    assert "infuse" not in reason
    assert "g more of octagam_10" in change
    assert ("room for one more course at P1" in change) == ("infusion" in asked)


def test_every_limit_in_the_way_is_named(small, run):
    people = small.patients({"due_g": 20})
    asked = limits(delivery=[{"out_of": "P2", "grams": 5}], infusion=[{"panel": "P1", "courses": 0}])
    _, _, served, _ = run(people, small.shelf(("P2", "privigen_10", 10, 2)), 3, asked)
    assert words(served)[1] == "Room for one more course at P1 and more sent out of P2."


def test_fenced_stock_is_not_told_as_left(small, run):
    people = small.patients({"due_g": 2.5, "grade": 4})
    fence = limits(ring_fence=[{"product": "privigen_10", "indication": "pid", "grams": 20}])
    vials = small.shelf(("P1", "privigen_10", 2.5, 8), ("P1", "octagam_10", 2, 1))
    _, _, served, _ = run(people, vials, 3, fence)
    assert given(served)["A000"] == 2
    assert "ring-fenced" in words(served)[0]


@pytest.mark.parametrize(("count", "size", "vials"), [(3, 10, 6), (4, 5, 16)])
def test_topping_up_a_course_takes_no_second_chair(small, run, count, size, vials):
    people = small.patients(*({"due_g": 20} for _ in range(count)))
    stock = small.shelf(("P1", "privigen_10", size, vials))
    asked = limits(infusion=[{"panel": "P1", "courses": count}])
    tier = small.tier(3).model_copy(update={"lever_order": ("reduce", "defer")})
    _, _, served, _ = run(people, stock, tier, asked)
    assert set(given(served).values()) == {20}


@pytest.mark.parametrize("seed", range(6))
def test_courses_of_two_sizes_share_chairs_in_any_order(small, run, seed):
    people = small.patients({"due_g": 40}, {"due_g": 40}).assign(course_mg=[20_000, 40_000])
    stock = small.shelf(("P1", "privigen_10", 10, 8))
    _, _, served, _ = run(people, stock, 3, limits(infusion=[{"panel": "P1", "courses": 1}]), seed=seed)
    assert sum(given(served).values()) > 0
