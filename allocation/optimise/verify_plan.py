"""Checking a plan in grams from first principles, without a solver.

Rules are read from the tier and the products again here; no code is shared with what made the plan. That a plan is best
is shown by what cannot be done to it:

- a stage is served as far as it can be, if no change leads from unused stock (or stock of later stages) to it while
  stages before keep what they have;
- its shares are fair, if no change takes from a cell to give to one with a lower share;
- levers are used in their order, where the tier has one, if no circle of changes spares one that is to be spared
  before all that it uses more (:mod:`allocation.optimise.verify_levers`);
- switches and moves are fewest, if no circle of changes lowers their number.

Where grams flow through a network each of these is exact (augmenting paths and negative cycles). A limit on switching
that is used up allows only changes that do not add to it; where one panel is a pool, as at tier 2, that is exact too.
Where several panels with limits share stock it finds faults but proves less, and the check says so.
"""

from __future__ import annotations

from collections import defaultdict

from allocation.optimise.certificate import Check, check
from allocation.optimise.plan import Plan
from allocation.optimise.problem import Problem
from allocation.optimise.verify_levers import levers_planned, limits_kept, mix_best
from allocation.optimise.verify_limits import Exchange, fence_broken, limits_broken
from allocation.optimise.verify_optimum import Proof
from allocation.optimise.verify_rules import Amounts, Rules, sums_of

__all__ = ["verify_plan"]


def verify_plan(problem: Problem, plan: Plan) -> list[Check]:
    """Every check of a plan. Where the sums do not add up, what is best is not asked any more."""
    rules = Rules(problem)
    given = sums_of(plan.given, ("class_id", "product"))
    flows = sums_of(plan.flows, ("from_location", "panel", "product"))
    held = sums_of(plan.reserve, ("pool", "product"))
    checks = [
        check("plan: stock is not exceeded", _stock_broken(rules, flows, held), "every place and product adds up"),
        check("plan: what arrives is what is given", _arrivals_broken(rules, flows, given), "every panel and product"),
        check("plan: nobody above what is due", _due_broken(rules, given), f"{len(rules.classes)} classes"),
        check("plan: stock only from within reach", _reach_broken(rules, flows), f"{len(flows)} flows"),
        check("plan: products allowed by the tier", _products_broken(rules, given), f"{len(given)} lines"),
        check("plan: switching within its limit", _switch_broken(rules, given), "every panel"),
        check("plan: reserve as asked for, of products for it", _reserve_broken(rules, held), f"{len(held)} lines"),
        check(
            "plan: totals reported are the sums", _totals_broken(rules, plan, given, flows), "switched, moved, cells"
        ),
    ]
    if problem.limits is not None:
        checks.append(check("plan: side limits are kept", _limits_broken(rules, given, flows, held), "every limit"))
    if levers_planned(problem):
        kept = limits_kept(rules, plan, given)
        checks.append(check("plan: levers within their limits", kept, "every class's mix adds up"))
        if not kept:
            checks.append(
                check("plan: each class's mix is its best", mix_best(rules, plan), "the grams allow no better")
            )
    if not all(item.ok for item in checks):
        return checks
    served, unfair, levers, costly = [], [], [], []
    for pool in rules.pools:
        judge = Exchange if rules.limited(pool) else Proof
        proof = judge(rules, pool, given, flows, held)
        served += proof.not_fully_served()
        unfair += proof.unfair()
        wasted, switched = proof.costly()
        levers += wasted
        costly += switched
    partly = rules.switch_limit is not None and rules.tier.stock_reach != "panel"
    how = "no change can; with shared limits on switching, of changes of one kind" if partly else "no change can"
    if any(rules.limited(pool) for pool in rules.pools):
        how = "no single exchange can, side limits being kept,"
    checks.append(check("plan: each stage served as far as it can be", served, f"{how} serve it more"))
    checks.append(check("plan: shares are fair", unfair, f"{how} raise a lower share at the cost of a higher one"))
    if levers_planned(problem):
        checks.append(check("plan: levers used in their order", levers, f"{how} spare one that goes before"))
    checks.append(check("plan: fewest switches, then moves", costly, f"{how} lower them"))
    return checks


def _stock_broken(rules: Rules, flows: Amounts, held: Amounts) -> list[str]:
    out: dict[tuple[str, str], int] = defaultdict(int)
    for (location, _, product), mg in flows.items():
        out[location, product] += mg
    broken = [f"{p} at {at}" for (at, p), mg in out.items() if mg > rules.stock.get((at, p), 0)]
    for (pool, product), mg in held.items():
        left = sum(rules.stock.get((at, product), 0) - out[at, product] for at in rules.pools[pool])
        if mg > left:
            broken.append(f"reserve of {product} in {pool}")
    return broken + [f"a negative amount of {key[-1]}" for key, mg in {**flows, **held}.items() if mg < 0]


def _arrivals_broken(rules: Rules, flows: Amounts, given: Amounts) -> list[str]:
    balance: dict[tuple[str, str], int] = defaultdict(int)
    for (_, panel, product), mg in flows.items():
        balance[panel, product] += mg
    for (class_id, product), mg in given.items():
        balance[rules.classes[class_id].panel, product] -= mg
    return [f"{product} at {panel}" for (panel, product), mg in balance.items() if mg]


def _due_broken(rules: Rules, given: Amounts) -> list[str]:
    total: dict[int, int] = defaultdict(int)
    for (class_id, _), mg in given.items():
        total[class_id] += mg
    broken = [f"class {c} above its due" for c, mg in total.items() if mg > rules.classes[c].due_mg]
    return broken + [
        f"class {c} is not served at this tier" for c, mg in total.items() if rules.classes[c].stage < 0 < mg
    ]


def _reach_broken(rules: Rules, flows: Amounts) -> list[str]:
    return [f"{at} to {panel}" for (at, panel, _), mg in flows.items() if mg and not rules.in_reach(at, panel)]


def _products_broken(rules: Rules, given: Amounts) -> list[str]:
    return [f"{p} for class {c}" for (c, p), mg in given.items() if mg and p not in rules.classes[c].allowed]


def _switched(rules: Rules, given: Amounts) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for (class_id, product), mg in given.items():
        item = rules.classes[class_id]
        if item.own and product != item.own:
            total[item.panel] += mg
    return total


def _switch_broken(rules: Rules, given: Amounts) -> list[str]:
    limit = rules.switch_limit
    return [] if limit is None else [panel for panel, mg in _switched(rules, given).items() if mg > limit[panel]]


def _limits_broken(rules: Rules, given: Amounts, flows: Amounts, held: Amounts) -> list[str]:
    infused: dict[tuple[str], int] = defaultdict(int)
    courses: dict[str, float] = defaultdict(float)
    used: dict[str, dict[tuple[str, frozenset[int]], int]] = defaultdict(lambda: defaultdict(int))
    for (class_id, product), mg in given.items():
        item = rules.classes[class_id]
        used[rules.pool_of(item.panel)][product, item.inside] += mg
        if rules.infuses(item, product):
            infused[(item.panel,)] += mg
            courses[item.panel] += mg * item.courses / item.due_mg if item.due_mg else 0.0
    for (pool, product), mg in held.items():
        used[pool][product, frozenset()] += mg
    broken = limits_broken(rules, flows, infused, courses)
    for pool, places in rules.pools.items():
        broken += fence_broken(rules, used[pool], places, f"in {pool}")
    return broken


def _reserve_broken(rules: Rules, held: Amounts) -> list[str]:
    total: dict[str, int] = defaultdict(int)
    for (pool, _), mg in held.items():
        total[pool] += mg
    broken = [f"more than asked for in {pool}" for pool, mg in total.items() if mg > rules.reserve.get(pool, 0)]
    return broken + [f"{product} held" for _, product in held if "IV" not in rules.routes[product]]


def _totals_broken(rules: Rules, plan: Plan, given: Amounts, flows: Amounts) -> list[str]:
    broken = []
    if plan.switched_mg != sum(_switched(rules, given).values()):
        broken.append("switched")
    if plan.moved_mg != sum(mg for (at, panel, _), mg in flows.items() if at != panel):
        broken.append("moved")
    by_stage: dict[tuple[int, str], int] = defaultdict(int)
    for (class_id, _), mg in given.items():
        item = rules.classes[class_id]
        by_stage[item.stage, item.panel] += mg
    told: dict[tuple[int, str], int] = defaultdict(int)
    for stage, panel, mg in zip(*(plan.cells[name].tolist() for name in ("stage", "panel", "planned_mg")), strict=True):
        told[stage, panel] += mg
    broken += [f"stage {s} at {p}" for s, p in {*by_stage, *told} if by_stage[s, p] != told[s, p]]
    return broken
