"""Checking a look-ahead from first principles: stock from week to week, nobody too early or too late, stages in order.

What is best is asked of single exchanges: stock that lies unused in a week, or that a later stage has in it, is held
against what an earlier stage still lacks and could have had in that week.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pandas as pd

from allocation.optimise.certificate import Certificate, check
from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.problem import HorizonProblem

__all__ = ["verify_horizon"]

# Grams of a week's lines are rounded down one by one; less than this is nobody's.
_SPARE_MG = 1000
Sums = dict[tuple[Any, ...], int]


def _sums(frame: pd.DataFrame, keys: tuple[str, ...]) -> Sums:
    total: Sums = defaultdict(int)
    for *key, mg in zip(*(frame[name].tolist() for name in (*keys, "mg")), strict=True):
        total[tuple(key)] += mg
    return total


def verify_horizon(horizon: HorizonProblem, plan: HorizonPlan) -> Certificate:
    """Every check of a look-ahead."""
    batch = ("location", "product", "from_week", "until_week")
    stock, used = _sums(horizon.stock, batch), _sums(plan.uses, batch)
    over = [f"{key[1]} at {key[0]}" for key, mg in used.items() if mg > stock.get(key, 0) or mg < 0]
    early = plan.uses[plan.uses["week"] < plan.uses["from_week"]]
    gone = plan.uses[plan.uses["week"] > plan.uses["until_week"]]
    checks = [
        check("horizon: no more is used of any batch than there is", over, f"{len(stock)} batches"),
        check("horizon: nothing is used before it comes", early["product"].tolist(), f"{len(plan.uses)} uses"),
        check("horizon: nothing is used after it goes off", gone["product"].tolist(), f"{len(plan.uses)} uses"),
        check("horizon: stock only from within reach", _reach_broken(horizon, plan), "every use"),
        check("horizon: what is given is what is used", _balance_broken(plan), "every week and set of products"),
        check("horizon: nobody above what is due", _due_broken(horizon, plan), f"{len(plan.due)} groups and weeks"),
        check("horizon: nobody before the due week, nor after the wait", _wait_broken(plan), "every line"),
        check("horizon: the reserve held is there", _held_broken(horizon, plan), f"{horizon.weeks} weeks"),
    ]
    if all(item.ok for item in checks):
        broken = _order_broken(horizon, plan)
        checks.append(check("horizon: earlier stages first, in all weeks", broken, "no single exchange serves more"))
    return Certificate(tuple(checks))


def _pool_of(horizon: HorizonProblem, place: str) -> str:
    problem = horizon.total
    region = dict(zip(problem.panels, problem.region_of, strict=True))
    return {"panel": place, "region": region.get(place, ""), "national": "NATIONAL"}[problem.tier.stock_reach]


def _reach_broken(horizon: HorizonProblem, plan: HorizonPlan) -> list[str]:
    broken = []
    for pool, place, product, products in zip(
        *(plan.uses[name].tolist() for name in ("pool", "location", "product", "products")), strict=True
    ):
        if _pool_of(horizon, place) != pool:
            broken.append(f"{place} for {pool}")
        if product not in products.split():
            broken.append(f"{product} where it is not allowed")
    return broken


def _balance_broken(plan: HorizonPlan) -> list[str]:
    used = _sums(plan.uses, ("pool", "products", "week"))
    served = _sums(plan.served.merge(plan.groups[["group", "products"]], on="group"), ("pool", "products", "week"))
    return [f"week {key[2]} in {key[0]}" for key in {**used, **served} if abs(used[key] - served[key]) > _SPARE_MG]


def _due_broken(horizon: HorizonProblem, plan: HorizonPlan) -> list[str]:
    due = _sums(plan.due, ("group", "due_week"))
    served = _sums(plan.served, ("group", "due_week"))
    broken = [f"week {key[1]}" for key, mg in served.items() if mg > due.get(key, 0)]
    member = dict(zip(plan.members["class_id"], plan.members["group"], strict=True))
    again: Sums = defaultdict(int)
    for row, class_id in enumerate(horizon.total.classes["class_id"].tolist()):
        if class_id in member:
            for week, mg in enumerate(horizon.due_mg[row].tolist()):
                again[member[class_id], week] += mg
    return broken + [f"told wrongly in week {key[1]}" for key in {**due, **again} if due[key] != again[key]]


def _wait_broken(plan: HorizonPlan) -> list[str]:
    named = plan.served.merge(plan.groups[["group", "wait_weeks"]], on="group")
    late = named["week"] - named["due_week"]
    return [f"week {week}" for week in named["week"][(late < 0) | (late > named["wait_weeks"])].tolist()]


def _held_broken(horizon: HorizonProblem, plan: HorizonPlan) -> list[str]:
    veins = [product.code for product in horizon.total.products.product if "IV" in product.routes]
    there = horizon.stock.assign(pool=[_pool_of(horizon, place) for place in horizon.stock["location"]])
    broken = []
    for pool, week, mg in plan.held.itertuples(index=False, name=None):
        mine = there[(there["pool"] == pool) & (there["from_week"] <= week) & (there["until_week"] >= week)]
        kind = plan.uses[(plan.uses["pool"] == pool) & (plan.uses["week"] <= week)]
        kind = kind[(kind["from_week"] <= week) & (kind["until_week"] >= week)]
        spent = int(kind.loc[kind["product"].isin(veins), "mg"].sum())
        if mg > int(mine.loc[mine["product"].isin(veins), "mg"].sum()) - spent:
            broken.append(f"week {week} in {pool}")
    return broken


def _order_broken(horizon: HorizonProblem, plan: HorizonPlan) -> list[str]:
    """Stages that lack what lies unused, or what a later stage has, in a week in which they could have it."""
    routes = {product.code: product.routes for product in horizon.total.products.product}
    left: Sums = defaultdict(int)
    for place, product, first, last, mg in horizon.stock.itertuples(index=False, name=None):
        left[_pool_of(horizon, place), product, first, last] += mg
    for pool, product, first, last, mg in zip(
        *(plan.uses[name].tolist() for name in ("pool", "product", "from_week", "until_week", "mg")), strict=True
    ):
        left[pool, product, first, last] -= mg
    wanted = dict.fromkeys(horizon.total.pools, 0)
    if horizon.total.reserve_mg is not None:
        wanted |= dict(zip(horizon.total.reserve_mg["pool"], horizon.total.reserve_mg["mg"], strict=True))
    served = _sums(plan.served, ("group", "due_week"))
    about = {line["group"]: line for line in plan.groups.to_dict("records")}
    later: dict[tuple[str, str, int], int] = defaultdict(int)
    for group, week, mg in zip(*(plan.served[name].tolist() for name in ("group", "week", "mg")), strict=True):
        if mg > _SPARE_MG:
            key = (about[group]["pool"], about[group]["products"], week)
            later[key] = max(later[key], about[group]["stage"])
    names = ("pool", "product", "from_week", "until_week", "products", "week", "mg")
    of_later = {
        (pool, product, first, last, later[pool, products, week])
        for pool, product, first, last, products, week, mg in zip(
            *(plan.uses[name].tolist() for name in names), strict=True
        )
        if mg > _SPARE_MG
    }
    broken = set()
    for group, due_week, mg in plan.due.itertuples(index=False, name=None):
        if mg - served[group, due_week] <= _SPARE_MG:
            continue
        line = about[group]
        weeks = range(due_week, min(due_week + line["wait_weeks"], horizon.weeks - 1) + 1)
        name = f"{horizon.total.tier.stage[line['stage']].name} in {line['pool']}"
        mine = line["products"].split()
        for pool, product, first, last, stage in of_later:
            if (
                pool == line["pool"]
                and stage > line["stage"]
                and product in mine
                and first <= weeks[-1]
                and last >= weeks[0]
            ):
                broken.add(name)
        for (pool, product, first, last), unused in left.items():
            fits = pool == line["pool"] and product in mine
            # Stock that could be the reserve's is not asked after once the first stage has been served.
            kept = line["stage"] > 0 and wanted.get(pool, 0) > 0 and "IV" in routes[product]
            if fits and not kept and unused > _SPARE_MG and first <= weeks[-1] and last >= weeks[0]:
                broken.add(name)
    return sorted(broken)
