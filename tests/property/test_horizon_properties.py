"""Look-aheads within limits: each objective as a plain program finds it, and what more weeks or wider limits do."""

from __future__ import annotations

from datetime import date

import pandas as pd
import pulp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.optimise.horizon import HorizonPlan, HorizonProblem, build_horizon, look_ahead, verify_horizon
from allocation.optimise.problem import build_problem
from allocation.optimise.program import solve
from allocation.optimise.side_limits import SideLimits, limits_in_use, mark_patients
from allocation.optimise.solvers import open_session
from allocation.optimise.verify_rules import Rules
from allocation.rules import NATIONAL, PanelSet, ProductSet, load_products, load_tiers
from allocation.rules.limits import Delivery, Infusion, LimitSet, Lock, RingFence, SwitchQuota
from allocation.rules.supply import Panel, Tier

CODES = ("privigen_10", "octagam_10", "hizentra_20")
PRODUCTS = ProductSet(product=tuple(load_products().by_code[code] for code in CODES))
REGIONS = {"P1": "North", "P2": "North", "P3": "South"}
PANELS = PanelSet(panel=tuple(Panel(code=c, name=c, region=r, population=1, trusts=1) for c, r in REGIONS.items()))
TIERS = load_tiers()
TODAY = date(2026, 11, 2)
WEEKS = 4
FEW = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
SAID = {"assumption": "Drawn."}

person = st.tuples(
    st.sampled_from(list(REGIONS)),
    st.integers(1, 4),
    st.sampled_from(("IV", "IV", "SC")),
    st.sampled_from(("", *CODES)),
    st.sampled_from(("cidp", "pid")),
    st.sampled_from((5, 10, 20, 35)),
    st.integers(0, WEEKS - 1),
)
people_of = st.lists(person, min_size=1, max_size=8)
# Place, product, vials of 10 g, last week of use, week of coming.
lot = st.tuples(
    st.sampled_from((*REGIONS, NATIONAL)),
    st.sampled_from(CODES),
    st.integers(1, 6),
    st.sampled_from((None, 0, 1, 2)),
    st.sampled_from((None, None, 1, 2)),
)
lots_of = st.lists(lot, min_size=1, max_size=6)
amount = st.sampled_from((0, 5, 12, 30))
panel = st.sampled_from(list(REGIONS))


@st.composite
def limit_sets(draw) -> LimitSet:
    return LimitSet(
        delivery=tuple(
            [Delivery(into=p, grams=draw(amount), **SAID) for p in sorted(draw(st.sets(panel, max_size=2)))]
            + [Delivery(out_of=p, grams=draw(amount), **SAID) for p in sorted(draw(st.sets(panel, max_size=1)))]
        ),
        infusion=tuple(
            [Infusion(panel=p, grams=draw(amount), **SAID) for p in sorted(draw(st.sets(panel, max_size=1)))]
            + [Infusion(panel=p, courses=draw(st.integers(0, 3)), **SAID) for p in draw(st.sets(panel, max_size=1))]
        ),
        switch_quota=tuple(
            [SwitchQuota(panel="P1", share=draw(st.sampled_from((0.0, 0.3))), **SAID)] * draw(st.booleans())
            + [SwitchQuota(panel="P2", grams=draw(amount), **SAID)] * draw(st.booleans())
        ),
        ring_fence=tuple(
            RingFence(product=code, indication=who, grams=draw(st.one_of(st.none(), amount)), **SAID)
            for code, who in sorted(draw(st.sets(st.tuples(st.sampled_from(CODES), st.sampled_from(("cidp", "pid"))))))
        )[:2],
        lock=(Lock(product="hizentra_20", **SAID),) * draw(st.booleans()),
    )


def day(week: int | None) -> object:
    return pd.NaT if week is None else pd.Timestamp(TODAY) + pd.Timedelta(days=7 * week)


def demand_of(people) -> pd.DataFrame:
    names = ["panel", "grade", "route", "product", "indication", "course_g", "week"]
    frame = pd.DataFrame(people, columns=names)
    course_mg = frame.pop("course_g") * 1000
    return frame.assign(
        patient_id=[f"A{n:03}" for n in range(len(frame))],
        situation="",
        emergency=frame["grade"] == 4,
        funded=True,
        course_mg=course_mg,
        due_mg=course_mg,
        courses_due=1,
        days_overdue=0,
        interval_weeks=float("nan"),
        cycle_weeks=float("nan"),
        start_date=pd.NaT,
        last_dose_date=pd.NaT,
        next_due_date=[day(week) for week in frame.pop("week")],
    ).astype({"start_date": "datetime64[ns]", "last_dose_date": "datetime64[ns]", "next_due_date": "datetime64[ns]"})


def stock_of(lots) -> pd.DataFrame:
    lines = [(p, c, 10_000, n, day(gone), day(come)) for p, c, n, gone, come in lots]
    names = ["location", "product", "vial_mg", "vials", "expiry_date", "available_from"]
    dates = {"expiry_date": "datetime64[ns]", "available_from": "datetime64[ns]"}
    return pd.DataFrame(lines, columns=names).astype({"vial_mg": "int64", "vials": "int64", **dates})


def reserve_of(tier: Tier, reserve_g: int) -> pd.DataFrame:
    pool = {"panel": "P1", "region": "North", "national": NATIONAL}[tier.stock_reach]
    return pd.DataFrame([(pool, reserve_g * 1000)], columns=["pool", "mg"]).astype({"mg": "int64"})


def solved(
    people, lots, tier, limits, *, first: int, weeks: int = WEEKS, reserve_g: int = 0
) -> tuple[HorizonProblem, HorizonPlan]:
    demand = demand_of(people)
    horizon = build_horizon(
        demand if limits is None else mark_patients(demand, limits),
        stock_of(lots),
        tier=tier,
        panels=PANELS,
        products=PRODUCTS,
        as_of=TODAY,
        weeks=weeks,
        first=first,
        reserve=reserve_of(tier, reserve_g),
        limits=limits,
    )
    plan = look_ahead(horizon, open_session("highs"))
    verify_horizon(horizon, plan).raise_if_failed()
    return horizon, plan


class Plain:
    """The weeks of a pool, written down line by line: class, batch, due week, week."""

    def __init__(self, horizon: HorizonProblem, pool: str) -> None:
        self.horizon, self.rules = horizon, Rules(horizon.total)
        self.places = self.rules.pools[pool]
        self.program = pulp.LpProblem("weeks", pulp.LpMinimize)
        self.classes = [c for c in self.rules.classes.values() if c.panel in self.places and c.stage >= 0]
        self.row = {int(c): n for n, c in enumerate(horizon.total.classes["class_id"])}
        self.lots = [lot for lot in horizon.stock.itertuples(index=False) if lot.location in self.places]
        self.x = {}
        for c in self.classes:
            for n, lot in enumerate(self.lots):
                if lot.product not in c.allowed or (lot.fence >= 0 and lot.fence not in c.inside):
                    continue
                for due in range(horizon.weeks):
                    for week in range(due, min(due + horizon.wait_weeks[c.grade], horizon.weeks - 1) + 1):
                        if lot.from_week <= week <= lot.until_week and self.due(c, due):
                            name = f"x_{c.id}_{n}_{due}_{week}"
                            self.x[c, n, due, week] = self.program.add_variable(name, lowBound=0)
        self.rows()

    def due(self, c, week) -> float:
        return float(self.horizon.due_mg[self.row[c.id], week]) / 1000

    def total(self, wanted, weight=lambda *key: 1.0):
        return pulp.lpSum(x * weight(*key) for key, x in self.x.items() if wanted(*key))

    def add(self, sum_, most) -> None:
        self.program += sum_ <= most

    def rows(self) -> None:
        horizon = self.horizon
        for n, lot in enumerate(self.lots):
            self.add(self.total(lambda c, k, d, t, n=n: k == n), lot.mg / 1000)
        for c in self.classes:
            for week in range(horizon.weeks):
                self.add(self.total(lambda k, n, d, t, c=c, week=week: k == c and d == week), self.due(c, week))
        for start in range(0, horizon.weeks, horizon.first):
            for place in self.places:
                self.limits(place, range(start, min(start + horizon.first, horizon.weeks)))
        reserve = self.rules.reserve[self.rules.pool_of(next(p for p in self.places if p in self.rules.region))] / 1000
        self.holds = []
        for week in range(horizon.weeks):
            hold = self.program.add_variable(f"h_{week}", lowBound=0, upBound=reserve)
            usable = [
                n
                for n, lot in enumerate(self.lots)
                if lot.from_week <= week <= lot.until_week and lot.fence < 0 and "IV" in self.rules.routes[lot.product]
            ]
            spent = self.total(lambda c, n, d, t, usable=usable, week=week: n in usable and t <= week)
            self.add(hold + spent, sum(self.lots[n].mg for n in usable) / 1000)
            self.holds.append(hold)

    def limits(self, place: str, block: range) -> None:
        """Rows of the limits of a place in a block of weeks."""
        limits, part = self.horizon.total.limits or SideLimits(), len(block) / self.horizon.first

        def here(c, _n, _d, t):
            return c.panel == place and t in block

        def infused(c, n, d, t):
            return here(c, n, d, t) and self.rules.infuses(c, self.lots[n].product)

        def switched(c, n, d, t):
            return here(c, n, d, t) and c.own not in ("", self.lots[n].product)

        def into(c, n, d, t):
            return here(c, n, d, t) and self.lots[n].location != place

        def out_of(c, n, _d, t):
            return t in block and self.lots[n].location == place != c.panel

        panels = self.horizon.total.classes["panel"].to_numpy() == place
        due_mg = self.horizon.due_mg[panels][:, list(block)].sum()
        share = limits.switch_share.get(place, self.horizon.total.tier.switch_capacity)
        if place in limits.switch_mg:
            self.add(self.total(switched), int(limits.switch_mg[place] * part) / 1000)
        elif share is not None:
            self.add(self.total(switched), int(due_mg * share) / 1000)
        for of, wanted in ((limits.infused_mg, infused), (limits.into_mg, into), (limits.out_of_mg, out_of)):
            if place in of:
                self.add(self.total(wanted), int(of[place] * part) / 1000)
        if place in limits.infused_courses:
            courses = self.total(infused, lambda c, n, d, t: c.courses * 1000 / c.due_mg)
            self.add(courses, limits.infused_courses[place] * part)

    def least(self, objective) -> float:
        self.program.setObjective(pulp.lpSum(objective))
        self.program.solve(pulp.HiGHS(msg=False, threads=1))
        assert pulp.LpStatus[self.program.status] == "Optimal"
        return float(pulp.value(self.program.objective) or 0.0)

    def lock(self, objective) -> float:
        """Least value, kept from here on."""
        value = self.least(objective)
        self.add(pulp.lpSum(objective), value + 1e-6)
        return value

    def stage(self, number: int) -> tuple[float, float]:
        """Grams served and least share of a stage, its leximin shares kept from here on."""
        mine = [c for c in self.classes if c.stage == number and c.due_mg]
        if not mine:
            return 0.0, 1.0
        served = -self.lock(-self.total(lambda c, n, d, t: c in mine))
        cells = {}
        for c in mine:
            cells[c.cell] = cells.get(c.cell, 0.0) + c.due_mg / 1000
        sums = {cell: self.total(lambda c, n, d, t, cell=cell: c.cell == cell) for cell in cells}
        level = {}
        while len(level) < len(cells):
            open_ = [cell for cell in cells if cell not in level]
            rate = self.program.add_variable(f"level_{number}_{len(level)}", lowBound=0, upBound=1)
            for cell in open_:
                self.program += sums[cell] >= rate * cells[cell]
            least = -self.lock(-rate)
            for cell in open_:
                most = -self.least(-sums[cell])
                if most <= least * cells[cell] + 1e-4:
                    level[cell] = least
                    # What earlier rows leave open by a hair must stay possible.
                    self.add(sums[cell], most + 1e-6)
        return served, min(level.values())

    def objectives(self) -> dict[str, float]:
        found = {}
        for number, _ in enumerate(self.horizon.total.tier.stage):
            found[f"served {number}"], found[f"share {number}"] = self.stage(number)
            if number == 0:
                found["held"] = -self.lock(-pulp.lpSum(self.holds))
        for number, _ in enumerate(self.horizon.total.tier.stage):
            late = self.total(
                lambda c, n, d, t, number=number: c.stage == number and t > d, lambda c, n, d, t: float(t - d)
            )
            found[f"waiting {number}"] = self.lock(late)
        found["sooner"] = self.lock(self.total(lambda *key: True, lambda c, n, d, t: float(t)))
        found["expiry"] = self.lock(self.total(lambda *key: True, lambda c, n, d, t: 1.0 + self.lots[n].until_week))
        return found


def objectives(horizon: HorizonProblem, plan: HorizonPlan, pool: str) -> dict[str, float]:
    found = {}
    stages = plan.stages[plan.stages["pool"] == pool]
    served = plan.served[plan.served["pool"] == pool]
    uses = plan.uses[plan.uses["pool"] == pool]
    for number, got, share in stages[["stage", "served_mg", "least_fill"]].itertuples(index=False, name=None):
        found[f"served {number}"], found[f"share {number}"] = got / 1000, share
        late = served[served["stage"] == number]
        found[f"waiting {number}"] = float((late["mg"] * (late["week"] - late["due_week"])).sum()) / 1000
    found["held"] = float(plan.held.loc[plan.held["pool"] == pool, "mg"].sum()) / 1000
    found["sooner"] = float((served["mg"] * served["week"]).sum()) / 1000
    found["expiry"] = float((uses["mg"] * (1 + uses["until_week"])).sum()) / 1000
    return found


@pytest.mark.slow
@FEW
@given(
    people_of,
    lots_of,
    st.sampled_from(TIERS.tier),
    st.one_of(st.none(), limit_sets()),
    st.sampled_from((1, 2, 3)),
    st.sampled_from((0, 20)),
)
def test_every_objective_is_that_of_a_plain_program(people, lots, tier, limits, first, reserve_g):
    horizon, plan = solved(people, lots, tier, limits, first=first, reserve_g=reserve_g)
    for pool in plan.groups["pool"].unique():
        assert objectives(horizon, plan, pool) == pytest.approx(Plain(horizon, pool).objectives(), abs=0.05), pool


@pytest.mark.slow
@FEW
@given(people_of, st.lists(lot.map(lambda one: (*one[:3], None, None)), min_size=1, max_size=6),
       st.sampled_from(TIERS.tier), st.one_of(st.none(), limit_sets()), st.sampled_from((0, 20)))  # fmt: skip
def test_weeks_of_one_allocation_are_that_allocation(people, lots, tier, limits, reserve_g):
    """Each stage has the grams and the least share of the allocation of the same weeks, limits and all."""
    _, plan = solved(people, lots, tier, limits, first=WEEKS, reserve_g=reserve_g)
    demand, stock = demand_of(people), stock_of(lots)
    mg = stock.assign(mg=stock["vial_mg"] * stock["vials"])[["location", "product", "mg"]]
    side = None
    if limits is not None:
        demand = mark_patients(demand, limits)
        side, _ = limits_in_use(limits, mg, panels=tuple(REGIONS), source="limits")
    at_once = solve(
        build_problem(demand, mg, tier=tier, panels=PANELS, products=PRODUCTS, limits=side,
                      reserve=reserve_of(tier, reserve_g))
    )  # fmt: skip
    told = {item.name: item.value for item in at_once.objectives}
    for number, stage in enumerate(tier.stage):
        mine = plan.stages[plan.stages["stage"] == number]
        unmet = float((mine["due_mg"] - mine["served_mg"]).sum()) / 1000
        assert unmet == pytest.approx(told[f"{stage.name}: unmet, g"], abs=0.01)
        assert mine["least_fill"].min() == pytest.approx(told[f"{stage.name}: least share served"], abs=1e-5)


def first_stage(people, lots, tier, limits, *, weeks: int, first: int) -> tuple[float, float]:
    """Grams due and served of the tier's first stage."""
    here = [one for one in people if one[-1] < weeks]
    if not here:
        return 0.0, 0.0
    _, plan = solved(here, lots, tier, limits, first=first, weeks=weeks)
    mine = plan.stages[plan.stages["stage"] == 0]
    return float(mine["due_mg"].sum()) / 1000, float(mine["served_mg"].sum()) / 1000


@pytest.mark.slow
@FEW
@given(people_of, lots_of, st.sampled_from(TIERS.tier), st.one_of(st.none(), limit_sets()), st.sampled_from((1, 2)))
def test_more_weeks_never_take_from_the_first_stage(people, lots, tier, limits, first):
    """The first stage has no fewer grams; and where nobody more falls due, it lacks no more."""
    before = None
    for weeks in range(2, WEEKS + 1):
        due, served = first_stage(people, lots, tier, limits, weeks=weeks, first=first)
        if before is not None:
            assert served >= before[1] - 0.01
            if due == before[0]:
                assert due - served <= before[0] - before[1] + 0.01
        before = due, served


def wider(limits: LimitSet) -> LimitSet:
    """Limits that allow more, with nobody locked and nothing fenced."""
    return LimitSet(
        delivery=tuple(one.model_copy(update={"grams": one.grams + 10}) for one in limits.delivery),
        infusion=tuple(
            one.model_copy(update={"courses": one.courses + 1} if one.grams is None else {"grams": one.grams + 10})
            for one in limits.infusion
        ),
        switch_quota=tuple(
            one.model_copy(update={"share": one.share + 0.3} if one.grams is None else {"grams": one.grams + 10})
            for one in limits.switch_quota
        ),
    )


@pytest.mark.slow
@FEW
@given(people_of, lots_of, st.sampled_from(TIERS.tier), limit_sets(), st.sampled_from((1, 2)))
def test_wider_limits_never_take_from_the_first_stage(people, lots, tier, limits, first):
    _, narrow = first_stage(people, lots, tier, limits, weeks=WEEKS, first=first)
    _, wide = first_stage(people, lots, tier, wider(limits), weeks=WEEKS, first=first)
    assert wide >= narrow - 0.01
