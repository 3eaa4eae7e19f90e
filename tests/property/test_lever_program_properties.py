"""The mix of levers against a plain program in PuLP, and the way its limits and its order pull."""

from __future__ import annotations

from collections import defaultdict

import pandas as pd
import pulp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.optimise.levers import STRETCH_COLUMN
from allocation.optimise.patients import serve_patients
from allocation.optimise.problem import build_problem
from allocation.optimise.program import solve
from allocation.optimise.verify import verify
from allocation.rules import NATIONAL, PanelSet, ProductSet, load_products, load_tiers
from allocation.rules.supply import Lever, Panel, Stage

CODES = ("privigen_10", "octagam_10", "hizentra_20")
PRODUCTS = ProductSet(product=tuple(load_products().by_code[code] for code in CODES))
REGIONS = {"P1": "North", "P2": "North", "P3": "South"}
PANELS = PanelSet(panel=tuple(Panel(code=c, name=c, region=r, population=1, trusts=1) for c, r in REGIONS.items()))
TIERS = load_tiers()
SOME = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ORDERS = (
    ("stretch", "reduce", "defer"),
    ("stretch", "defer", "reduce"),
    ("reduce", "stretch", "defer"),
    ("reduce", "defer", "stretch"),
    ("defer", "stretch", "reduce"),
    ("defer", "reduce", "stretch"),
    ("reduce", "defer"),
    ("stretch",),
    ("reduce",),
)

person = st.fixed_dictionaries(
    {
        "panel": st.sampled_from(list(REGIONS)),
        "grade": st.integers(0, 4),
        "route": st.sampled_from(("IV", "IV", "SC")),
        "product": st.sampled_from(("", *CODES)),
        "locked": st.booleans(),
        "days_overdue": st.integers(0, 3),
        STRETCH_COLUMN: st.sampled_from((0, 9)),
        "course": st.sampled_from((5, 10, 20, 35)),
    }
)
vials = st.lists(
    st.tuples(st.sampled_from((*REGIONS, NATIONAL)), st.sampled_from(CODES), st.integers(0, 2), st.integers(0, 8)),
    min_size=0,
    max_size=7,
)
share = st.sampled_from((0.3, 0.5, 0.75, 1.0))


@st.composite
def tiers(draw, orders=ORDERS):
    """A tier with an order of levers; now and then one that mixes grades in a stage, or limits switching."""
    tier = draw(st.sampled_from(TIERS.tier))
    more = {"lever_order": draw(st.sampled_from(orders))}
    more["lever"] = tuple(
        Lever(grade=grade, smallest_reduced_share=draw(share), longest_stretch_share=0.5, assumption="Drawn.")
        for grade in (1, 2, 3)
    )
    if draw(st.booleans()):
        more["stage"] = (
            Stage(name="first", grades=(4, 3)),
            Stage(name="then", grades=(2, 1), include_ungraded=True),
        )
    if draw(st.integers(0, 3)) == 0:
        more["switch_capacity"] = draw(st.sampled_from((0.0, 0.2, 0.5)))
    if draw(st.integers(0, 3)) == 0:
        more["defer_grades"] = (1, 2)
    return tier.model_copy(update=more)


def demand_of(people, tier) -> pd.DataFrame:
    frame = pd.DataFrame(people, columns=[*person.mapping] if hasattr(person, "mapping") else None)
    course_mg = frame.pop("course") * 1000
    waits = frame["grade"].clip(lower=1).isin(tier.defer_grades) & ("stretch" in tier.lever_order)
    return frame.assign(
        patient_id=[f"A{n:03}" for n in range(len(frame))],
        emergency=False,
        funded=True,
        cycle_weeks=8.0,
        course_mg=course_mg,
        due_mg=course_mg,
        **{STRETCH_COLUMN: frame[STRETCH_COLUMN].where(waits, 0)},
    )


def stock_of(rows) -> pd.DataFrame:
    lines = [
        (p, c, PRODUCTS.by_code[c].vial_mg[size % len(PRODUCTS.by_code[c].vial_mg)], n, pd.NaT) for p, c, size, n in rows
    ]
    frame = pd.DataFrame(lines, columns=["location", "product", "vial_mg", "vials", "expiry_date"])
    return frame.astype({"vial_mg": "int64", "vials": "int64", "expiry_date": "datetime64[ns]"})


def problem_of(people, rows, tier, reserve_g=0):
    demand, stock = demand_of(people, tier), stock_of(rows)
    pools = {"panel": "P1", "region": "North", "national": NATIONAL}
    held = pd.DataFrame([(pools[tier.stock_reach], reserve_g * 1000)], columns=["pool", "mg"])
    problem = build_problem(
        demand,
        stock,
        tier=tier,
        panels=PANELS,
        products=PRODUCTS,
        reserve=held.astype({"mg": "int64"}) if reserve_g else None,
    )
    return demand, stock, problem


def uses_of(plan):
    """Grams put off, taken off courses and stretched, by stage, of a plan's mix."""
    frame = plan.levers
    frame = frame.assign(
        defer=frame["deferred_mg"],
        reduce=frame["reduced_mg"] - frame["reduced_given_mg"],
        stretch=frame["stretched_mg"],
    )
    sums = frame.groupby("stage")[["defer", "reduce", "stretch"]].sum()
    return {(stage, lever): mg / 1000 for stage, row in sums.to_dict("index").items() for lever, mg in row.items()}


def reference(problem, plan):
    """The same uses by one plain program: every place, class and product, the cells' grams and the reserve as planned."""
    from allocation.optimise.verify_rules import Rules

    rules, tier = Rules(problem), problem.tier
    order = [*tier.lever_order, *(["defer"] if "defer" not in tier.lever_order else [])]
    lp = pulp.LpProblem("levers", pulp.LpMinimize)
    number = iter(range(10**9))

    def column(high=None):
        return lp.add_variable(f"v{next(number)}", lowBound=0, upBound=high)

    def row(expression, sense, right):
        if isinstance(expression, pulp.LpAffineExpression) and len(expression):
            lp.addConstraint(pulp.LpConstraint(expression, sense, rhs=right))

    used, arrived, switched = defaultdict(list), defaultdict(list), defaultdict(list)
    in_cell, lever_use = defaultdict(list), defaultdict(list)
    for c in rules.classes.values():
        if c.stage < 0 or not c.due_mg:
            continue
        given = []
        for (place, product), mg in rules.stock.items():
            if product in c.allowed and rules.in_reach(place, c.panel) and mg:
                x = column()
                given.append(x)
                used[place, product].append(x)
                if c.own not in ("", product):
                    switched[c.panel].append(x)
        in_cell[c.cell] += given
        grade = c.grade or 1
        smallest = tier.smallest_share(grade) if "reduce" in order and grade in tier.reduce_grades else 1.0
        stretch = c.stretch_mg if "stretch" in order else 0
        total = []
        for due, lever in ((c.due_mg - stretch, "defer"), (stretch, "stretch")):
            if not due:
                continue
            lever = "forbidden" if lever == "defer" and grade not in tier.defer_grades else lever
            courses, grams = column(due / 1000), column(due / 1000)
            row(grams - courses, -1, 0)
            row(grams - smallest * courses, 1, 0)
            lever_use[c.stage, lever].append(due / 1000 - courses)
            lever_use[c.stage, "reduce"].append(courses - grams)
            total.append(grams)
        row(pulp.lpSum(given) - pulp.lpSum(total), 0, 0)
        if not given:
            for x in total:
                row(x + 0, 0, 0)
    planned = defaultdict(int)
    allotted = plan.given.groupby("class_id")["mg"].sum().to_dict()
    for c in rules.classes.values():
        planned[c.cell] += allotted.get(c.id, 0)
    for cell, columns in in_cell.items():
        row(pulp.lpSum(columns), 0, planned[cell] / 1000)
    held = defaultdict(list)
    for pool, places in rules.pools.items():
        kept = int(plan.reserve.loc[plan.reserve["pool"] == pool, "mg"].sum()) if len(plan.reserve) else 0
        if kept:
            parts = []
            for (place, product), mg in rules.stock.items():
                if place in places and "IV" in rules.routes[product]:
                    x = column(mg / 1000)
                    parts.append(x)
                    held[place, product].append(x)
            row(pulp.lpSum(parts), 0, kept / 1000)
    for at, mg in rules.stock.items():
        row(pulp.lpSum([*used[at], *held[at]]), -1, mg / 1000)
    for panel, most in (rules.switch_limit or {}).items():
        row(pulp.lpSum(switched[panel]), -1, most / 1000)
    found = {}
    for stage in range(len(tier.stage)):
        for lever in ("forbidden", *reversed(order)):
            if not lever_use[stage, lever]:
                continue
            aim = pulp.lpSum(lever_use[stage, lever])
            lp.setObjective(aim)
            lp.solve(pulp.HiGHS(msg=False, threads=1))
            assert pulp.LpStatus[lp.status] == "Optimal", pulp.LpStatus[lp.status]
            found[stage, lever] = float(pulp.value(aim))
            row(aim, -1, found[stage, lever] + 1e-6)
    for stage, lever in list(found):
        if lever == "forbidden":
            found[stage, "defer"] = found.get((stage, "defer"), 0.0) + found.pop((stage, lever))
    return found


def assert_as_reference(people, rows, tier, reserve_g):
    demand, stock, problem = problem_of(people, rows, tier, reserve_g)
    plan = solve(problem)
    uses, best = uses_of(plan), reference(problem, plan)
    # Whole milligrams: a class's least and its courses are rounded, each by less than one over its share.
    play = 0.01 + 0.005 * len(problem.classes)
    assert {key: value for key, value in uses.items() if abs(value - best.get(key, 0.0)) > play} == {}
    return demand, stock, problem, plan


@pytest.mark.slow
@SOME
@given(st.lists(person, min_size=1, max_size=12), vials, tiers(), st.sampled_from((0, 0, 15)))
def test_the_mix_is_that_of_a_plain_program(people, rows, tier, reserve_g):
    demand, stock, problem, plan = assert_as_reference(people, rows, tier, reserve_g)
    result = serve_patients(demand, problem, plan, stock, seed=1)
    verify(problem, plan, demand=demand, stock=stock, result=result).raise_if_failed()


@pytest.mark.slow
@settings(SOME, max_examples=25)
@given(st.lists(person, min_size=1, max_size=10), vials, tiers())
def test_both_solvers_find_the_same_mix(people, rows, tier):
    *_, problem = problem_of(people, rows, tier)
    one, other = solve(problem), solve(problem, solver="cbc")
    assert [item.value for item in one.objectives] == pytest.approx([item.value for item in other.objectives], abs=2e-3)
    if tier.switch_capacity is None:
        pd.testing.assert_frame_equal(one.given, other.given)
        pd.testing.assert_frame_equal(one.levers, other.levers)
