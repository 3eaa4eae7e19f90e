"""Patients within side limits, levers in every order, and look-aheads: whatever comes, the verifier passes them."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.optimise.horizon import (
    build_horizon,
    first_weeks,
    look_ahead,
    offer_rest,
    verify_first,
    verify_horizon,
)
from allocation.optimise.levers import mark_stretch
from allocation.optimise.patients import serve_patients
from allocation.optimise.problem import build_problem
from allocation.optimise.program import solve
from allocation.optimise.side_limits import limits_in_use, mark_patients
from allocation.optimise.verify import verify
from allocation.rules import NATIONAL, PanelSet, ProductSet, load_products, load_tiers
from allocation.rules.limits import Delivery, Infusion, LimitSet, Lock, RingFence, SwitchQuota
from allocation.rules.supply import Panel

CODES = ("privigen_10", "octagam_10", "hizentra_20")
PRODUCTS = ProductSet(product=tuple(load_products().by_code[code] for code in CODES))
REGIONS = {"P1": "North", "P2": "North", "P3": "South"}
PANELS = PanelSet(panel=tuple(Panel(code=c, name=c, region=r, population=1, trusts=1) for c, r in REGIONS.items()))
TIERS = load_tiers()
TODAY = date(2026, 11, 2)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])

person = st.fixed_dictionaries(
    {
        "panel": st.sampled_from(list(REGIONS)),
        "grade": st.integers(1, 4),
        "route": st.sampled_from(("IV", "IV", "SC")),
        "product": st.sampled_from(("", *CODES)),
        "locked": st.booleans(),
        "indication": st.sampled_from(("cidp", "pid")),
        "days_overdue": st.integers(0, 30),
        "cycle_weeks": st.sampled_from((3.0, 6.0, 12.0)),
        "course": st.sampled_from((5, 10, 20, 35)),
        "courses_due": st.integers(1, 2),
        "week": st.integers(0, 3),
    }
)
vials = st.lists(
    st.tuples(
        st.sampled_from((*REGIONS, NATIONAL)),
        st.sampled_from(CODES),
        st.integers(0, 2),
        st.integers(1, 6),
        st.sampled_from((None, 0, 1, 2)),
        st.sampled_from((None, None, 1, 2)),
    ),
    min_size=1,
    max_size=8,
)
amount = st.integers(0, 60)
panel = st.sampled_from(list(REGIONS))


def demand_of(people) -> pd.DataFrame:
    frame = pd.DataFrame(people)
    course_mg = frame.pop("course") * 1000
    due = [pd.Timestamp(TODAY) + pd.Timedelta(days=7 * week) for week in frame.pop("week")]
    return frame.assign(
        patient_id=[f"A{n:03}" for n in range(len(frame))],
        situation="",
        emergency=False,
        funded=True,
        course_mg=course_mg,
        due_mg=course_mg * frame["courses_due"],
        due=due,
    )


def stock_of(rows) -> pd.DataFrame:
    def day(week):
        return pd.NaT if week is None else pd.Timestamp(TODAY) + pd.Timedelta(days=7 * week)

    lines = [
        (p, c, PRODUCTS.by_code[c].vial_mg[size % len(PRODUCTS.by_code[c].vial_mg)], n, day(gone), day(come))
        for p, c, size, n, gone, come in rows
    ]
    names = ["location", "product", "vial_mg", "vials", "expiry_date", "available_from"]
    dates = {"expiry_date": "datetime64[ns]", "available_from": "datetime64[ns]"}
    return pd.DataFrame(lines, columns=names).astype({"vial_mg": "int64", "vials": "int64", **dates})


@st.composite
def limit_sets(draw) -> LimitSet:
    said = {"assumption": "Drawn."}
    codes = st.sampled_from(CODES)
    return LimitSet(
        delivery=tuple(
            [Delivery(into=p, grams=draw(amount), **said) for p in draw(st.sets(panel, max_size=2))]
            + [Delivery(out_of=p, grams=draw(amount), **said) for p in draw(st.sets(panel, max_size=1))]
        ),
        infusion=tuple(
            [Infusion(panel=p, grams=draw(amount), **said) for p in draw(st.sets(panel, max_size=1))]
            + [Infusion(panel=p, courses=draw(st.integers(0, 3)), **said) for p in draw(st.sets(panel, max_size=1))]
        ),
        switch_quota=tuple(SwitchQuota(panel=p, share=0.3, **said) for p in draw(st.sets(panel, max_size=1))),
        ring_fence=tuple(
            RingFence(product=code, indication=who, grams=draw(amount), **said)
            for code, who in draw(st.sets(st.tuples(codes, st.sampled_from(("cidp", "pid"))), max_size=2))
        ),
        lock=(Lock(product="hizentra_20", **said),),
    )


@pytest.mark.slow
@FEW
@given(st.lists(person, min_size=1, max_size=10), vials, st.sampled_from(TIERS.tier), limit_sets())
def test_patients_within_side_limits(people, rows, tier, limits):
    demand = mark_patients(demand_of(people), limits)
    stock = stock_of(rows).drop(columns="available_from")
    mg = stock.assign(mg=stock["vial_mg"] * stock["vials"])[["location", "product", "mg"]]
    side, _ = limits_in_use(limits, mg, panels=tuple(REGIONS), source="limits")
    problem = build_problem(demand, mg, tier=tier, panels=PANELS, products=PRODUCTS, limits=side)
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, stock, seed=1)
    verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()


ORDERS = (("stretch", "reduce", "defer"), ("reduce", "defer"), ("stretch", "defer", "reduce"), ("defer", "reduce"))


@pytest.mark.slow
@FEW
@given(st.lists(person, min_size=1, max_size=10), vials, st.sampled_from(TIERS.tier), st.sampled_from(ORDERS))
def test_levers_in_every_order(people, rows, tier, order):
    tier = tier.model_copy(update={"lever_order": order})
    demand = mark_stretch(demand_of(people), tier, weeks=1)
    stock = stock_of(rows).drop(columns="available_from")
    problem = build_problem(demand, stock, tier=tier, panels=PANELS, products=PRODUCTS)
    plan = solve(problem)
    result = serve_patients(demand, problem, plan, stock, seed=1)
    verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()


@pytest.mark.slow
@FEW
@given(
    st.lists(person, min_size=1, max_size=8),
    vials,
    st.sampled_from(TIERS.tier),
    st.sampled_from((0, 20)),
    st.integers(1, 2),
)
def test_looking_ahead(people, rows, tier, reserve_g, first):
    demand = demand_of(people)
    demand = demand.assign(
        interval_weeks=float("nan"),
        cycle_weeks=float("nan"),
        courses_due=1,
        due_mg=demand["course_mg"],
        days_overdue=0,
        start_date=pd.NaT,
        last_dose_date=pd.NaT,
        next_due_date=demand["due"],
    ).astype({"start_date": "datetime64[ns]", "last_dose_date": "datetime64[ns]"})
    stock = stock_of(rows)
    pools = {"panel": "P1", "region": "North", "national": NATIONAL}
    held = pd.DataFrame([(pools[tier.stock_reach], reserve_g * 1000)], columns=["pool", "mg"]).astype({"mg": "int64"})
    horizon = build_horizon(
        demand, stock, tier=tier, panels=PANELS, products=PRODUCTS, as_of=TODAY, weeks=4, first=first, reserve=held
    )
    from allocation.optimise.solvers import open_session

    plan = look_ahead(horizon, open_session("highs"))
    verify_horizon(horizon, plan).raise_if_failed()
    begins = pd.Timestamp(TODAY) + pd.Timedelta(days=7 * first)
    now = demand[(demand["next_due_date"] < begins).to_numpy()].reset_index(drop=True)
    there = stock[stock["available_from"].isna()].drop(columns="available_from").reset_index(drop=True)
    chosen = first_weeks(horizon, plan, now, there, as_of=TODAY, seed=1)
    kept = int((there["vial_mg"] * there["vials"]).sum()) - int((chosen.stock["vial_mg"] * chosen.stock["vials"]).sum())
    assert kept == chosen.kept_mg
    served = now[~chosen.waits].reset_index(drop=True)
    problem = build_problem(served, chosen.stock, tier=tier, panels=PANELS, products=PRODUCTS, reserve=held)
    result = serve_patients(served, problem, solve(problem), chosen.stock, seed=1)
    verify(problem, solve(problem), demand=served, stock=chosen.stock, result=result).raise_if_failed()
    rest = offer_rest(chosen, now, result, tier=tier, panels=PANELS, products=PRODUCTS, seed=1, stock=there)
    assert (rest is not None) == chosen.waits.any()
    if rest is not None:
        rest.certificate.raise_if_failed()
        result = rest.people
    checks = verify_first(chosen, now, there, result)
    assert all(item.ok for item in checks), checks
