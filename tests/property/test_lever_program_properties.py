"""The mix of levers against a plain program in PuLP, and the way its limits and its order pull."""

from __future__ import annotations

from collections import defaultdict
from itertools import count, permutations

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
from allocation.optimise.verify_rules import Rules
from allocation.rules import NATIONAL, PanelSet, ProductSet, load_products, load_tiers
from allocation.rules.supply import Lever, Panel, Stage

CODES = ("privigen_10", "octagam_10", "hizentra_20")
PRODUCTS = ProductSet(product=tuple(load_products().by_code[code] for code in CODES))
REGIONS = {"P1": "North", "P2": "North", "P3": "South"}
PANELS = PanelSet(panel=tuple(Panel(code=c, name=c, region=r, population=1, trusts=1) for c, r in REGIONS.items()))
TIERS = load_tiers()
SOME = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
    frame = pd.DataFrame(people)
    course_mg = frame.pop("course") * 1000
    waits = frame["grade"].clip(lower=1).isin({*tier.defer_grades} - {4}) & ("stretch" in tier.lever_order)
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
        (p, c, PRODUCTS.by_code[c].vial_mg[size % len(PRODUCTS.by_code[c].vial_mg)], n, pd.NaT)
        for p, c, size, n in rows
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


class Reference:
    """The same uses by one plain program of every place, class and product, with cells and reserve as planned."""

    def __init__(self, problem, plan):
        self.rules, self.tier, self.plan = Rules(problem), problem.tier, plan
        named = problem.tier.lever_order
        self.order = [*named, *(["defer"] if "defer" not in named else [])]
        self.lp = pulp.LpProblem("levers", pulp.LpMinimize)
        self.number = count()
        self.used, self.switched = defaultdict(list), defaultdict(list)
        self.in_cell, self.lever_use = defaultdict(list), defaultdict(list)
        for c in self.rules.classes.values():
            if c.stage >= 0 and c.due_mg:
                self.add_class(c)
        self.keep_cells()
        self.keep_reserve()
        for at, mg in self.rules.stock.items():
            self.row(self.used[at], -1, mg / 1000)
        for panel, most in (self.rules.switch_limit or {}).items():
            self.row(self.switched[panel], -1, most / 1000)

    def column(self, high=None):
        return self.lp.add_variable(f"v{next(self.number)}", lowBound=0, upBound=high)

    def row(self, terms, sense, right):
        total = pulp.lpSum(terms)
        if len(total):
            self.lp.addConstraint(pulp.LpConstraint(total, sense, rhs=right))

    def add_class(self, c):
        given = []
        for (place, product), mg in self.rules.stock.items():
            if product in c.allowed and self.rules.in_reach(place, c.panel) and mg:
                x = self.column()
                given.append(x)
                self.used[place, product].append(x)
                if c.own not in ("", product):
                    self.switched[c.panel].append(x)
        self.in_cell[c.cell] += given
        grade = c.grade or 1
        reducible = "reduce" in self.order and grade in self.tier.reduce_grades
        smallest = self.tier.smallest_share(grade) if reducible else 1.0
        waits = "defer" if grade in self.tier.defer_grades else "forbidden"
        stretch = c.stretch_mg if "stretch" in self.order else 0
        taken = []
        for due, lever in ((c.due_mg - stretch, waits), (stretch, "stretch")):
            courses, grams = self.column(due / 1000), self.column(due / 1000)
            self.row([grams, -courses], -1, 0)
            self.row([grams, -smallest * courses], 1, 0)
            self.lever_use[c.stage, lever].append(due / 1000 - courses)
            self.lever_use[c.stage, "reduce"].append(courses - grams)
            taken.append(-grams)
        self.row([*given, *taken], 0, 0)

    def keep_cells(self):
        planned = defaultdict(int)
        allotted = self.plan.given.groupby("class_id")["mg"].sum().to_dict()
        for c in self.rules.classes.values():
            planned[c.cell] += allotted.get(c.id, 0)
        for cell, columns in self.in_cell.items():
            self.row(columns, 0, planned[cell] / 1000)

    def keep_reserve(self):
        for pool, places in self.rules.pools.items():
            held = self.plan.reserve.loc[self.plan.reserve["pool"] == pool, "mg"].sum() / 1000
            parts = []
            for (place, product), mg in self.rules.stock.items() if held else ():
                if place in places and "IV" in self.rules.routes[product]:
                    parts.append(self.column(mg / 1000))
                    self.used[place, product].append(parts[-1])
            self.row(parts, 0, held)

    def uses(self):
        found = {}
        for stage in range(len(self.tier.stage)):
            for lever in ("forbidden", *reversed(self.order)):
                aim = pulp.lpSum(self.lever_use[stage, lever])
                self.lp.setObjective(aim)
                self.lp.solve(pulp.HiGHS(msg=False, threads=1))
                assert pulp.LpStatus[self.lp.status] == "Optimal"
                least = float(pulp.value(aim) or 0.0)
                self.row([aim], -1, least + 1e-6)
                name = "defer" if lever == "forbidden" else lever
                found[stage, name] = found.get((stage, name), 0.0) + least
        return found


def assert_as_reference(people, rows, tier, reserve_g):
    demand, stock, problem = problem_of(people, rows, tier, reserve_g)
    plan = solve(problem)
    uses, best = uses_of(plan), Reference(problem, plan).uses()
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
@settings(SOME, max_examples=8)
@given(st.lists(person, min_size=1, max_size=10), vials, tiers())
def test_both_solvers_find_the_same_mix(people, rows, tier):
    *_, problem = problem_of(people, rows, tier)
    one, other = solve(problem), solve(problem, solver="cbc")
    assert [item.value for item in one.objectives] == pytest.approx([item.value for item in other.objectives], abs=2e-3)
    if tier.switch_capacity is None:
        pd.testing.assert_frame_equal(one.given, other.given)
        pd.testing.assert_frame_equal(one.levers, other.levers)


def one_stage(order, *, smallest=0.5):
    """Everybody in one stage, and every grade may be stretched, reduced and put off."""
    every = (4, 3, 2, 1)
    lever = {"longest_stretch_share": 0.5, "smallest_reduced_share": smallest, "assumption": "Drawn."}
    more = {
        "lever": tuple(Lever(grade=grade, **lever) for grade in every),
        "lever_order": order,
        "defer_grades": every,
        "reduce_grades": every,
        "stage": (Stage(name="all", grades=every, include_ungraded=True),),
    }
    return TIERS.of(4).model_copy(update=more)


def planned(people, rows, tier):
    *_, problem = problem_of(people, rows, tier)
    uses = uses_of(solve(problem))
    return {lever: uses.get((0, lever), 0.0) for lever in ("defer", "reduce", "stretch")}


FEW_MG = 0.05
last_is_defer = st.sampled_from((("stretch", "reduce", "defer"), ("reduce", "stretch", "defer")))


@pytest.mark.slow
@SOME
@given(st.lists(person, min_size=2, max_size=10), vials, last_is_defer, st.data())
def test_more_who_can_be_stretched_never_put_more_off(people, rows, order, data):
    more = [{**one, STRETCH_COLUMN: one[STRETCH_COLUMN] or data.draw(st.sampled_from((0, 9)))} for one in people]
    few, many = planned(people, rows, one_stage(order)), planned(more, rows, one_stage(order))
    assert many["defer"] <= few["defer"] + FEW_MG


@pytest.mark.slow
@SOME
@given(st.lists(person, min_size=2, max_size=10), vials, last_is_defer, st.sampled_from(((0.3, 0.5), (0.5, 0.75))))
def test_smaller_courses_never_put_more_off(people, rows, order, shares):
    small, large = (planned(people, rows, one_stage(order, smallest=smallest)) for smallest in shares)
    assert small["defer"] <= large["defer"] + FEW_MG


@pytest.mark.slow
@settings(SOME, max_examples=8)
@given(st.lists(person, min_size=2, max_size=10), vials)
def test_the_lever_named_last_is_used_least(people, rows):
    uses = {order: planned(people, rows, one_stage(order)) for order in permutations(("stretch", "reduce", "defer"))}
    for order, use in uses.items():
        assert use[order[-1]] <= min(other[order[-1]] for other in uses.values()) + FEW_MG
