"""Looking ahead within limits: each kind holds in every block of weeks, and the verifier catches what breaks it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

import dated_cases
from allocation.optimise.horizon import build_horizon, first_weeks, look_ahead, verify_horizon
from allocation.optimise.side_limits import limits_in_use, mark_patients
from allocation.optimise.solvers import open_session
from allocation.rules.limits import Delivery, Infusion, LimitSet, Lock, RingFence, SwitchQuota
from dated_cases import TODAY, dated, served

SAID = {"assumption": "For a test."}


def demand(small, *rows):
    """Patients with one course on a day given by its week."""
    frame = dated_cases.demand(small, *({k: v for k, v in row.items() if k != "indication"} for row in rows))
    return frame.assign(indication=[row.get("indication", "cidp") for row in rows], situation="")


def stock(small, *rows):
    """Vials of 10 g: place, product, number, week of expiry or None, week of coming or None."""
    rows = [(*row, *(None,) * (5 - len(row))) for row in rows]
    return dated_cases.stock(small, *((place, code, 10, *rest) for place, code, *rest in rows))


def solved(small, people, there, limits=None, *, tier=3, weeks=4, first=1):
    limits = limits or LimitSet()
    people = mark_patients(people, limits)
    problem = build_horizon(
        people,
        there,
        tier=small.tier(tier),
        panels=small.panels(P1="North", P2="North"),
        products=small.products(),
        as_of=TODAY,
        weeks=weeks,
        first=first,
        limits=limits,
    )
    plan = look_ahead(problem, open_session("highs"))
    verify_horizon(problem, plan).raise_if_failed()
    begins = dated(first)
    now = people[(people["next_due_date"] < begins).to_numpy()].reset_index(drop=True)
    usable = there[there["available_from"].isna()].reset_index(drop=True).drop(columns="available_from")
    mg = usable.assign(mg=usable["vial_mg"] * usable["vials"])
    side, _ = limits_in_use(limits, mg, panels=("P1", "P2"), source="limits")
    return problem, plan, first_weeks(problem, plan, now, usable, as_of=TODAY, seed=1, limits=side)


def test_stock_is_not_kept_for_a_use_that_a_limit_forbids(small):
    people = demand(small, {"due_g": 20, "grade": 1, "panel": "P2"}, {"due_g": 20, "grade": 4, "week": 2})
    there = stock(small, ("P2", "privigen_10", 2))
    _, plan, first = solved(small, people, there)
    assert served(plan, grade=4) == 20
    assert first.kept_mg == 20_000
    for limits in (
        LimitSet(infusion=(Infusion(panel="P1", grams=0, **SAID),)),
        LimitSet(infusion=(Infusion(panel="P1", courses=0, **SAID),)),
        LimitSet(delivery=(Delivery(into="P1", grams=0, **SAID),)),
        LimitSet(delivery=(Delivery(out_of="P2", grams=0, **SAID),)),
        LimitSet(ring_fence=(RingFence(product="privigen_10", indication="pid", **SAID),)),
    ):
        _, plan, first = solved(small, people.assign(indication=["pid", "cidp"]), there, limits)
        assert served(plan, grade=4) == 0, limits
        assert served(plan, grade=1, week=0) == 20, limits
        assert not first.waits.any(), limits
        assert first.kept_mg == 0, limits


def test_chairs_are_counted_in_each_block_of_weeks(small):
    people = demand(small, *({"due_g": 30, "grade": 4, "week": week} for week in (0, 0, 1, 2)))
    there = stock(small, ("P1", "privigen_10", 20))
    limits = LimitSet(infusion=(Infusion(panel="P1", grams=40, **SAID),))
    _, plan, _ = solved(small, people, there, limits)
    # Grade 4 may not wait: 40 of 60 g in week 0, all later on.
    assert [served(plan, week=week) for week in range(4)] == [40, 30, 30, 0]
    _, plan, _ = solved(small, people, there, limits, first=2)
    assert served(plan, week=0) + served(plan, week=1) == 40
    assert served(plan, week=2) == 30
    # The last block is of one week of two, so it has half.
    _, plan, _ = solved(small, people, there, limits, first=2, weeks=3)
    assert served(plan, week=2) == 20
    counted = LimitSet(infusion=(Infusion(panel="P1", courses=1, **SAID),))
    _, plan, _ = solved(small, people, there, counted)
    assert [served(plan, week=week) for week in range(4)] == [30, 30, 30, 0]


def test_who_may_wait_waits_for_a_chair(small):
    people = demand(small, {"due_g": 20, "grade": 3}, {"due_g": 20, "grade": 3})
    there = stock(small, ("P1", "privigen_10", 4))
    limits = LimitSet(infusion=(Infusion(panel="P1", grams=20, **SAID),))
    _, plan, first = solved(small, people, there, limits)
    assert [served(plan, week=week) for week in range(4)] == [20, 20, 0, 0]
    assert sorted(first.waits.tolist()) == [False, True]
    assert set(first.planned_week([20_000] * 2, (~first.waits).tolist()).values()) == {1}


def test_the_tiers_share_is_of_what_falls_due_in_a_block(small):
    people = demand(small, *({"due_g": 40, "grade": 4, "week": week} for week in (0, 2)))
    there = stock(small, ("P1", "octagam_10", 20))
    _, plan, first = solved(small, people, there, tier=2)
    assert [served(plan, week=week) for week in range(4)] == [10, 0, 10, 0]
    # The quota of the first weeks is of what everybody is due, not only of those who are served.
    assert first.limits.switch_mg["P1"] == 10_000
    quota = LimitSet(switch_quota=(SwitchQuota(panel="P1", grams=25, **SAID),))
    _, plan, _ = solved(small, people, there, quota, tier=2)
    assert [served(plan, week=week) for week in range(4)] == [25, 0, 25, 0]


def test_a_van_brings_so_much_in_each_block(small):
    people = demand(small, *({"due_g": 40, "grade": 4, "week": week} for week in (0, 2)))
    there = stock(small, ("P2", "privigen_10", 9), ("P1", "privigen_10", 1))
    for limits in (
        LimitSet(delivery=(Delivery(into="P1", grams=20, **SAID),)),
        LimitSet(delivery=(Delivery(out_of="P2", grams=20, **SAID),)),
    ):
        _, plan, _ = solved(small, people, there, limits)
        assert served(plan) == 50
        assert plan.uses[plan.uses["location"] == "P2"].groupby("week")["mg"].sum().tolist() == [20_000, 20_000]


def test_a_fence_stays_with_its_indication_over_the_weeks(small):
    people = demand(
        small,
        {"due_g": 30, "grade": 4, "indication": "cidp"},
        {"due_g": 30, "grade": 1, "indication": "pid", "week": 3},
    )
    limits = LimitSet(ring_fence=(RingFence(product="privigen_10", indication="pid", grams=30, **SAID),))
    # Of what is there now, what goes off last is fenced; the rest of the grams when more comes.
    there = stock(small, ("P1", "privigen_10", 2, 1), ("P1", "privigen_10", 2, None, 2))
    problem, plan, first = solved(small, people, there, limits)
    fenced = problem.stock[problem.stock["fence"] == 0]
    assert fenced[["from_week", "until_week", "mg"]].to_numpy().tolist() == [[0, 1, 20_000], [2, 3, 10_000]]
    assert served(plan, grade=4) == 0
    assert served(plan, grade=1) == 20
    there = stock(small, ("P1", "privigen_10", 3, 1), ("P1", "privigen_10", 3))
    problem, plan, first = solved(small, people, there, limits)
    assert served(plan, grade=4, week=0) == 30
    assert served(plan, grade=1, week=3) == 30
    # Nobody is short and nobody waits, so all is there; and all of the fence with it.
    assert first.kept_mg == 0
    assert first.limits.fences[0].mg == {"P1": 30_000}


def test_a_fence_is_cut_by_what_of_it_is_kept(small):
    people = demand(
        small,
        {"due_g": 40, "grade": 4, "indication": "cidp"},
        {"due_g": 10, "grade": 3, "indication": "pid"},
        {"due_g": 20, "grade": 3, "indication": "pid", "week": 3},
    )
    limits = LimitSet(ring_fence=(RingFence(product="privigen_10", indication="pid", grams=30, **SAID),))
    _, plan, first = solved(small, people, stock(small, ("P1", "privigen_10", 5)), limits)
    assert served(plan, grade=4) == 20
    assert first.kept_mg == 20_000
    assert first.limits.fences[0].mg == {"P1": 10_000}
    assert int((first.stock["vials"] * first.stock["vial_mg"]).sum()) == 30_000


def test_the_locked_keep_their_product_in_every_week(small):
    people = demand(small, {"due_g": 20, "grade": 4, "week": 2}, {"due_g": 20, "grade": 4, "product": "octagam_10"})
    there = stock(small, ("P1", "octagam_10", 4))
    _, plan, _ = solved(small, people, there)
    assert served(plan) == 40
    _, plan, _ = solved(small, people, there, LimitSet(lock=(Lock(product="privigen_10", **SAID),)))
    assert served(plan) == 20


def test_a_delivery_that_goes_off_before_it_can_be_used_counts_for_nothing(small):
    people = demand(small, {"due_g": 20, "grade": 4, "week": 2})
    problem, plan, _ = solved(small, people, stock(small, ("P1", "privigen_10", 2, 1, 2)))
    assert problem.stock.empty
    assert served(plan) == 0
    # It comes within week 1 and counts from week 2, in which it goes off.
    there = stock(small, ("P1", "privigen_10", 2, 2, 2))
    there["available_from"] -= pd.Timedelta(days=3)
    problem, plan, _ = solved(small, people, there)
    assert served(plan) == 20


@pytest.fixture
def case(small):
    people = demand(
        small,
        {"due_g": 20, "grade": 4, "product": "octagam_10"},
        {"due_g": 20, "grade": 3, "panel": "P2", "indication": "pid"},
        {"due_g": 20, "grade": 3, "panel": "P2", "week": 2},
        {"due_g": 20, "grade": 1, "week": 3},
    )
    there = stock(small, ("P1", "privigen_10", 3), ("P2", "privigen_10", 3), ("P1", "octagam_10", 1))
    limits = LimitSet(
        delivery=(Delivery(into="P2", grams=10, **SAID), Delivery(out_of="P1", grams=10, **SAID)),
        infusion=(Infusion(panel="P1", grams=20, **SAID), Infusion(panel="P2", courses=1, **SAID)),
        switch_quota=(SwitchQuota(panel="P1", grams=10, **SAID),),
        ring_fence=(RingFence(product="privigen_10", indication="pid", location="P2", grams=20, **SAID),),
        lock=(Lock(indication="pid", **SAID),),
    )
    problem, plan, _ = solved(small, people, there, limits)
    return problem, plan


def broken(problem, plan):
    return {item.name.removeprefix("horizon: ") for item in verify_horizon(problem, plan).checks if not item.ok}


def tightened(problem, **changes):
    """The same look-ahead judged by tighter limits."""
    return replace(problem, total=replace(problem.total, limits=replace(problem.total.limits, **changes)))


def test_a_plan_beyond_each_limit_is_caught(case):
    problem, plan = case
    assert broken(problem, plan) == set()
    assert plan.limited == {"North"}
    assert "limits on switching, by panel" in broken(tightened(problem, switch_mg={"P1": 1000}), plan)
    infusion = "limits on infusion, in grams and courses"
    assert infusion in broken(tightened(problem, infused_mg={"P1": 5000}), plan)
    assert infusion in broken(tightened(problem, infused_courses={"P2": 0}), plan)
    moves = "limits on deliveries, into panels and out of places"
    elsewhere = plan.uses["location"].map({"P1": "P2", "P2": "P1"})
    assert moves in broken(problem, replace(plan, uses=plan.uses.assign(location=elsewhere)))
    fence = plan.uses[plan.uses["fence"] >= 0]
    assert len(fence)
    outsider = plan.members[~plan.members["group"].isin(fence["group"])]["group"].iloc[0]
    wrong = replace(plan, uses=plan.uses.assign(group=plan.uses["group"].mask(plan.uses["fence"] >= 0, outsider)))
    assert "stock only from within reach" in broken(problem, wrong)
    opened = replace(problem, stock=problem.stock.assign(fence=-1))
    assert "fences are around their grams" in broken(opened, plan)
    locked = problem.total.classes.assign(locked=True)
    all_locked = replace(problem, total=replace(problem.total, classes=locked))
    assert "stock only from within reach" in broken(all_locked, plan)
    told = plan.weeks.assign(expiring_g=plan.weeks["expiring_g"] + 5)
    assert broken(problem, replace(plan, weeks=told)) == {"the weeks told are those planned"}


def test_room_left_unused_is_caught(case):
    problem, plan = case
    idle = replace(plan, served=plan.served.iloc[:0], uses=plan.uses.iloc[:0])
    assert "earlier stages first, in all weeks" in broken(problem, idle)
