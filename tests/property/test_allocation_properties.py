"""Properties that every plan must have, whatever the demand, the stock and the tier.

The reference below is a plain program over class, place and product, solved by SciPy, with the fairness step done by
trying each cell in turn. It shares nothing with the package but the data.
"""

from __future__ import annotations

from itertools import product as every_combination

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from allocation.optimise.problem import Problem
from allocation.optimise.program import solve
from allocation.optimise.verify import verify
from allocation.rules import NATIONAL, ProductSet, load_products, load_tiers
from allocation.rules.supply import Tier

CODES = ("privigen_10", "octagam_10", "hizentra_20", "subgam_16")
PRODUCTS = ProductSet(product=tuple(load_products().by_code[code] for code in CODES))
PANELS = ("P1", "P2", "P3")
REGIONS = ("North", "North", "South")
TIERS = load_tiers()
UNIT_MG = 500
FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
FEWER = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def other_tiers() -> list[Tier]:
    """Regimes that a planner could write and that ours do not cover."""
    two, three, four = TIERS.of(2), TIERS.of(3), TIERS.of(4)
    by_class = tuple(stage.model_copy(update={"fair_between": "classes"}) for stage in three.stage)
    return [
        two.model_copy(update={"stock_reach": "region"}),
        two.model_copy(update={"stock_reach": "national", "switch_capacity": 0.1, "product_reach": "any_route"}),
        three.model_copy(update={"stage": by_class}),
        four.model_copy(update={"product_reach": "same"}),
        TIERS.of(1).model_copy(update={"stage": three.stage}),
    ]


ALL_TIERS = [*TIERS.tier, *other_tiers()]

class_rows = st.lists(
    st.tuples(
        st.sampled_from(PANELS),
        st.integers(0, 4),
        st.booleans(),
        st.sampled_from(("IV", "IV", "SC", "IM")),
        st.sampled_from(("", *CODES)),
        st.sampled_from((False, False, True)),
        st.integers(0, 40),
    ),
    max_size=12,
)
stock_rows = st.lists(
    st.tuples(st.sampled_from((*PANELS, NATIONAL)), st.sampled_from(CODES), st.integers(0, 40)), max_size=10
)


def problem_of(
    rows: list[tuple[str, int, bool, str, str, bool, int]],
    stock: list[tuple[str, str, int]],
    tier: Tier,
    reserve: int = 0,
) -> Problem:
    keys = ["panel", "grade", "emergency", "route", "product", "locked"]
    frame = pd.DataFrame(rows, columns=[*keys, "due_mg"])
    frame["due_mg"] = frame["due_mg"].astype("int64") * UNIT_MG
    frame = frame.groupby(keys, as_index=False)["due_mg"].sum() if len(frame) else frame
    frame = frame.astype({"grade": "int64", "emergency": bool, "locked": bool, "due_mg": "int64"})
    frame.insert(0, "class_id", np.arange(len(frame)))
    frame["patients"] = 1
    shelf = pd.DataFrame(stock, columns=["location", "product", "mg"]).astype({"mg": "int64"})
    shelf["mg"] *= UNIT_MG
    shelf = shelf.groupby(["location", "product"], as_index=False)["mg"].sum().astype({"mg": "int64"})
    held = None
    if reserve:
        pools = {"panel": PANELS, "region": dict.fromkeys(REGIONS), "national": (NATIONAL,)}[tier.stock_reach]
        held = pd.DataFrame({"pool": list(pools), "mg": [reserve * UNIT_MG] * len(pools)})
    return Problem(
        tier=tier, panels=PANELS, region_of=REGIONS, products=PRODUCTS, classes=frame, stock=shelf, reserve_mg=held
    )


class Reference:
    """The program as the design writes it: x[class, place, product], one stage after the other."""

    def __init__(self, problem: Problem) -> None:
        self.problem, tier = problem, problem.tier
        self.classes = problem.classes.to_dict("records")
        self.stage = [self._stage(tier, c) for c in self.classes]
        region = dict(zip(problem.panels, problem.region_of, strict=True))
        pool = {p: {"panel": p, "region": region[p], "national": NATIONAL}[tier.stock_reach] for p in problem.panels}
        pool[NATIONAL] = NATIONAL if tier.stock_reach == "national" else "out of reach"
        self.lots = [(r["location"], r["product"], r["mg"] / 1000) for r in problem.stock.to_dict("records")]
        reserve = [] if problem.reserve_mg is None else problem.reserve_mg.to_dict("records")
        self.columns: list[tuple[str, int, int]] = []
        self.high: list[float] = []
        for k, c in enumerate(self.classes):
            for lot, (place, code, _) in enumerate(self.lots):
                if self.stage[k] >= 0 and pool[place] == pool[c["panel"]] and self._may(tier, c, code):
                    self.columns.append(("give", k, lot))
                    self.high.append(c["due_mg"] / 1000)
        for k, row in enumerate(reserve):
            for lot, (place, code, _) in enumerate(self.lots):
                if pool[place] == row["pool"] and "IV" in PRODUCTS.by_code[code].routes:
                    self.columns.append(("hold", k, lot))
                    self.high.append(row["mg"] / 1000)
        self.rows: list[np.ndarray] = []
        self.limits: list[float] = []
        for lot, (_, _, grams) in enumerate(self.lots):
            self._at_most([float(lot == col[2]) for col in self.columns], grams)
        for k, c in enumerate(self.classes):
            self._at_most([float(col[:2] == ("give", k)) for col in self.columns], c["due_mg"] / 1000)
        for k, row in enumerate(reserve):
            self._at_most([float(col[:2] == ("hold", k)) for col in self.columns], row["mg"] / 1000)
        self.switched = np.array([float(col[0] == "give" and self._is_switch(col)) for col in self.columns])
        if tier.switch_capacity is not None:
            for p in problem.panels:
                due = sum(c["due_mg"] for c in self.classes if c["panel"] == p)
                mine = np.array([col[0] == "give" and self.classes[col[1]]["panel"] == p for col in self.columns])
                self._at_most(self.switched * mine, np.floor(due * tier.switch_capacity) / 1000)

    @staticmethod
    def _stage(tier: Tier, c: dict) -> int:
        if not c["due_mg"]:
            return -1
        for number, stage in enumerate(tier.stage):
            named = c["grade"] in stage.grades or (not c["grade"] and stage.include_ungraded)
            if (stage.emergencies_only and c["emergency"]) or (not stage.emergencies_only and named):
                return number
        return -1

    @staticmethod
    def _may(tier: Tier, c: dict, code: str) -> bool:
        if c["product"] == code:
            return True
        if c["product"] and (c["locked"] or tier.product_reach == "same"):
            return False
        either = tier.product_reach == "any_route" and c["route"] != "IM"
        return bool(set(PRODUCTS.by_code[code].routes) & ({"IV", "SC"} if either else {c["route"]}))

    def _is_switch(self, col: tuple[str, int, int]) -> bool:
        return self.classes[col[1]]["product"] not in ("", self.lots[col[2]][1])

    def _at_most(self, row: object, limit: float) -> None:
        self.rows.append(np.asarray(row, dtype=float))
        self.limits.append(limit)

    def _best(self, gain: np.ndarray) -> float:
        found = linprog(
            -gain,
            A_ub=np.array(self.rows),
            b_ub=np.array(self.limits) + 1e-9,
            bounds=list(zip([0.0] * len(self.high), self.high, strict=True)),
            method="highs",
        )
        assert found.status == 0
        return -float(found.fun)

    def _keep(self, gain: np.ndarray, value: float) -> None:
        self._at_most(-gain, -(value - 1e-6))

    def solve(self) -> dict[str, object]:
        out: dict[str, object] = {"served": [], "fills": {}}
        if not self.columns:
            return {"served": [0.0] * len(self.problem.tier.stage), "fills": {}, "switched": 0.0, "moved": 0.0}

        for number, stage in enumerate(self.problem.tier.stage):
            gain = np.array([float(c[0] == "give" and self.stage[c[1]] == number) for c in self.columns])
            best = self._best(gain)
            self._keep(gain, best)
            out["served"].append(best)  # type: ignore[attr-defined]
            out["fills"].update(self._leximin(number, stage.fair_between))  # type: ignore[attr-defined]
            if number == 0:
                hold = np.array([float(c[0] == "hold") for c in self.columns])
                self._keep(hold, self._best(hold))
        out["switched"] = -self._best(-self.switched)
        self._keep(-self.switched, -out["switched"])  # type: ignore[operator]
        moved = np.array(
            [float(c[0] == "give" and self.lots[c[2]][0] != self.classes[c[1]]["panel"]) for c in self.columns]
        )
        out["moved"] = -self._best(-moved)
        return out

    def _leximin(self, number: int, fair_between: str) -> dict[tuple[int, object], float]:
        cells: dict[object, list[int]] = {}
        for k, c in enumerate(self.classes):
            if self.stage[k] == number:
                cells.setdefault(c["panel"] if fair_between == "panels" else c["class_id"], []).append(k)
        due = {cell: sum(self.classes[k]["due_mg"] for k in members) / 1000 for cell, members in cells.items()}
        gain = {
            cell: np.array([float(c[0] == "give" and c[1] in members) for c in self.columns])
            for cell, members in cells.items()
        }
        fills: dict[tuple[int, object], float] = {}
        while len(fills) < len(cells):
            unsettled = [cell for cell in cells if (number, cell) not in fills]
            level = self._level(unsettled, due, gain)
            rows, limits = list(self.rows), list(self.limits)
            for cell in unsettled:
                self._keep(gain[cell], level * due[cell])
            stuck = [cell for cell in unsettled if self._best(gain[cell]) <= level * due[cell] + 5e-5]
            assert stuck
            self.rows, self.limits = rows, limits
            for cell in stuck:
                fills[number, cell] = level
                self._keep(gain[cell], level * due[cell])
                self._at_most(gain[cell], level * due[cell] + 1e-6)
        return fills

    def _level(self, cells: list[object], due: dict, gain: dict) -> float:
        width = len(self.columns)
        rows = [np.append(row, 0.0) for row in self.rows] + [np.append(-gain[c], due[c]) for c in cells]
        limits = [limit + 1e-9 for limit in self.limits] + [0.0] * len(cells)
        found = linprog(
            np.append(np.zeros(width), -1.0),
            A_ub=np.array(rows),
            b_ub=np.array(limits),
            bounds=[*zip([0.0] * width, self.high, strict=True), (0.0, 1.0)],
            method="highs",
        )
        assert found.status == 0
        return -float(found.fun)


def values(plan: object) -> list[float]:
    return [item.value for item in plan.objectives]  # type: ignore[attr-defined]


@pytest.mark.slow
@FEW
@given(class_rows, stock_rows, st.sampled_from(ALL_TIERS), st.sampled_from((0, 0, 6)))
def test_the_plan_is_the_optimum_of_the_plain_program(rows, stock, tier, reserve):
    problem = problem_of(rows, stock, tier, reserve)
    plan, reference = solve(problem), Reference(problem)
    expected = reference.solve()
    stage_names = [stage.name for stage in tier.stage]
    unmet = {item.name: item.value for item in plan.objectives}
    for number, name in enumerate(stage_names):
        due = sum(c["due_mg"] for k, c in enumerate(reference.classes) if reference.stage[k] == number) / 1000
        assert unmet[f"{name}: unmet, g"] == pytest.approx(due - expected["served"][number], abs=1e-3)
    frame = problem.classes.set_index("class_id")
    by_class = plan.given.groupby("class_id")["mg"].sum()
    for (number, cell), level in expected["fills"].items():
        fair = tier.stage[number].fair_between
        members = [
            c["class_id"]
            for k, c in enumerate(reference.classes)
            if reference.stage[k] == number and cell == (c["panel"] if fair == "panels" else c["class_id"])
        ]
        got = sum(int(by_class.get(member, 0)) for member in members)
        assert got == pytest.approx(level * frame.loc[members, "due_mg"].sum(), abs=3)
    spare = len(plan.cells) + 3
    assert plan.switched_mg == pytest.approx(expected["switched"] * 1000, abs=spare)
    # Which cells leave a milligram to rounding may change what has to move by as much.
    assert plan.moved_mg == pytest.approx(expected["moved"] * 1000, abs=2 * spare)


@pytest.mark.slow
@FEW
@given(class_rows, stock_rows, st.sampled_from(ALL_TIERS), st.sampled_from((0, 0, 6)))
def test_every_plan_passes_the_verifier(rows, stock, tier, reserve):
    problem = problem_of(rows, stock, tier, reserve)
    verify(problem, solve(problem)).raise_if_failed()


@pytest.mark.slow
@FEWER
@given(class_rows, stock_rows, st.sampled_from(ALL_TIERS), st.sampled_from((0, 6)))
def test_highs_and_cbc_agree_on_every_objective(rows, stock, tier, reserve):
    problem = problem_of(rows, stock, tier, reserve)
    ours, check = solve(problem), solve(problem, solver="cbc")
    assert values(ours) == pytest.approx(values(check), abs=0.01)
    if tier in TIERS.tier:
        pd.testing.assert_frame_equal(ours.given, check.given)
        pd.testing.assert_frame_equal(ours.flows, check.flows)


@FEW
@given(class_rows, stock_rows, st.sampled_from(TIERS.tier), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(rows, stock, tier, random):
    first = problem_of(rows, stock, tier)
    order = list(range(len(first.classes)))
    random.shuffle(order)
    shuffled = Problem(
        tier=tier,
        panels=PANELS,
        region_of=REGIONS,
        products=PRODUCTS,
        classes=first.classes.iloc[order],
        stock=first.stock.iloc[::-1],
    )
    one, two = solve(first), solve(shuffled)
    pd.testing.assert_frame_equal(one.given, two.given)
    pd.testing.assert_frame_equal(one.flows, two.flows)


@FEW
@given(
    class_rows, stock_rows, st.tuples(st.sampled_from((*PANELS, NATIONAL)), st.sampled_from(CODES), st.integers(1, 20))
)
def test_more_stock_never_makes_the_ordered_objectives_worse(rows, stock, more):
    for tier in TIERS.tier:
        before, after = (
            [item.value for item in solve(problem_of(rows, s, tier)).objectives[: 2 * len(tier.stage)]]
            for s in (stock, [*stock, more])
        )
        # Unmet grams count upwards, least shares downwards.
        signed = [[v if n % 2 == 0 else -v for n, v in enumerate(found)] for found in (before, after)]
        first_change = next((pair for pair in zip(*signed, strict=True) if abs(pair[0] - pair[1]) > 1e-5), None)
        assert first_change is None or first_change[1] < first_change[0]


@FEW
@given(class_rows, stock_rows, class_rows)
def test_lower_grades_take_nothing_from_higher_ones(rows, stock, more):
    lower = [(*row[:1], 1 + row[1] % 2, *row[2:]) for row in more]
    higher = [row for row in rows if row[1] >= 3]
    for tier in (TIERS.of(3), TIERS.of(4)):
        alone, crowded = (problem_of(found, stock, tier) for found in (higher, higher + lower))
        served = []
        for problem in (alone, crowded):
            plan = solve(problem)
            served.append(plan.cells[plan.cells["stage"] <= 1].groupby(["stage", "panel"])["planned_mg"].sum())
        pd.testing.assert_series_equal(*served)


@FEW
@given(class_rows, stock_rows, st.sampled_from(ALL_TIERS), st.sampled_from((0, 6)))
def test_grams_are_conserved(rows, stock, tier, reserve):
    problem = problem_of(rows, stock, tier, reserve)
    plan = solve(problem)
    panel_of = problem.classes.set_index("class_id")["panel"]
    arrived = plan.flows.groupby(["panel", "product"])["mg"].sum()
    given_at = plan.given.assign(panel=plan.given["class_id"].map(panel_of)).groupby(["panel", "product"])["mg"].sum()
    assert arrived.to_dict() == given_at.to_dict()
    there = problem.stock.groupby(["location", "product"])["mg"].sum()
    out = plan.flows.groupby(["from_location", "product"])["mg"].sum()
    assert all(mg <= there[key] for key, mg in out.items())
    total = plan.flows.groupby("product")["mg"].sum().add(plan.reserve.groupby("product")["mg"].sum(), fill_value=0)
    assert all(mg <= problem.stock.groupby("product")["mg"].sum()[code] for code, mg in total.items())
    due = problem.classes.set_index("class_id")["due_mg"]
    assert all(mg <= due[c] for c, mg in plan.given.groupby("class_id")["mg"].sum().items())
    assert (plan.given["mg"] > 0).all()
    assert (plan.flows["mg"] > 0).all()


tiny_classes = st.lists(
    st.tuples(
        st.sampled_from(PANELS[:2]),
        st.sampled_from((4, 3)),
        st.sampled_from(("privigen_10", "octagam_10")),
        st.integers(1, 3),
    ),
    min_size=1,
    max_size=3,
)


@FEW
@given(tiny_classes, st.tuples(*[st.integers(0, 3)] * 4), st.sampled_from((1, 3)))
def test_no_whole_allocation_of_a_tiny_case_is_better(rows, amounts, tier_number):
    """All allocations in whole units are tried out; the plan, free to split units, is never worse."""
    tier = TIERS.of(tier_number)
    stock = [
        (place, code, amount)
        for (place, code), amount in zip(every_combination(PANELS[:2], CODES[:2]), amounts, strict=True)
    ]
    problem = problem_of([(p, g, False, "IV", code, False, due) for p, g, code, due in rows], stock, tier)
    reference = Reference(problem)
    choices = [range(c["due_mg"] // UNIT_MG + 1) for k, c in enumerate(reference.classes)]
    best: tuple[float, ...] | None = None
    for served in every_combination(*choices):
        if _deliverable(reference, served):
            unmet = [
                sum(
                    c["due_mg"] / UNIT_MG - served[k]
                    for k, c in enumerate(reference.classes)
                    if reference.stage[k] == number
                )
                for number in range(len(tier.stage))
            ]
            best = min(best or tuple(unmet), tuple(unmet))
    found = [item.value for item in solve(problem).objectives if item.name.endswith("unmet, g")]
    assert tuple(np.round(np.array(found) * 1000 / UNIT_MG, 6)) == best


def _deliverable(reference: Reference, served: tuple[int, ...]) -> bool:
    """Whether stock can make these whole units reach these classes: Hall's condition, set by set."""
    lots_of = [
        frozenset(col[2] for col in reference.columns if col[0] == "give" and col[1] == k)
        for k in range(len(reference.classes))
    ]
    for chosen in every_combination((False, True), repeat=len(served)):
        need = sum(amount for amount, taken in zip(served, chosen, strict=True) if taken)
        lots = frozenset().union(*(lots for lots, taken in zip(lots_of, chosen, strict=True) if taken))
        if need > sum(reference.lots[lot][2] * 1000 / UNIT_MG for lot in lots) + 1e-9:
            return False
    return True
