"""Checking a look-ahead from first principles: stock from week to week, nobody too early or too late, stages in order.

Limits, and whether a single exchange would serve more, are looked at in
:mod:`allocation.optimise.horizon.verify_limits`.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from allocation.optimise.certificate import Certificate, Check, check
from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.problem import HorizonProblem
from allocation.optimise.horizon.verify_best import best_broken, expiry_broken
from allocation.optimise.horizon.verify_limits import SPARE_MG, Batch, Weeks, limits_broken, order_broken
from allocation.optimise.verify_rules import sums_of
from allocation.quantities import MG_PER_G

__all__ = ["verify_horizon"]

_BATCH = ("location", "product", "from_week", "until_week", "fence")
_LIMITS = {
    "switching, by panel": ("switch",),
    "deliveries, into panels and out of places": ("into", "out"),
    "infusion, in grams and courses": ("vein", "chairs"),
}


def verify_horizon(horizon: HorizonProblem, plan: HorizonPlan) -> Certificate:
    """Every check of a look-ahead."""
    weeks = Weeks(horizon, plan)
    stock, used = sums_of(horizon.stock, _BATCH), sums_of(plan.uses, _BATCH)
    over = [f"{key[1]} at {key[0]}" for key, mg in used.items() if mg > stock.get(key, 0) or mg < 0]
    early = plan.uses[plan.uses["week"] < plan.uses["from_week"]]
    gone = plan.uses[plan.uses["week"] > plan.uses["until_week"]]
    lines = f"{len(plan.uses)} uses"
    checks = [
        check("horizon: no more is used of any batch than there is", over, f"{len(stock)} batches"),
        check("horizon: nothing is used before it comes", early["product"].tolist(), lines),
        check("horizon: nothing is used after it goes off", gone["product"].tolist(), lines),
        check("horizon: stock only from within reach", _reach_broken(weeks, plan), "every use"),
        check("horizon: what is given is what is used", _balance_broken(plan), "every group and week"),
        check("horizon: nobody above what is due", _due_broken(horizon, plan), f"{len(plan.due)} groups and weeks"),
        check("horizon: nobody before the due week, nor after the wait", _wait_broken(weeks, plan), "every line"),
        check("horizon: the reserve held is there", _held_broken(weeks, plan), f"{horizon.weeks} weeks"),
    ]
    if horizon.total.limits is not None:
        checks.append(check("horizon: fences are around their grams", _fences_broken(horizon), "every fence and place"))
    if weeks.limit:
        checks += [
            check(f"horizon: limits on {what}", limits_broken(weeks, plan, kinds), "every block of weeks")
            for what, kinds in _LIMITS.items()
        ]
    told = check("horizon: the weeks told are those planned", _told_broken(weeks, plan), "stock, expiry and service")
    if all(item.ok for item in checks):
        checks += _best(weeks, plan)
    return Certificate((*checks, told))


def _best(weeks: Weeks, plan: HorizonPlan) -> list[Check]:
    """What no change could better; asked where the lines add up."""
    found = best_broken(weeks, plan)
    held = any(weeks.rules.reserve.values())
    how = "no chain of changes" + (" that leaves limits and the reserve as they are" if weeks.limit or held else "")
    stages = sorted({*order_broken(weeks, plan), *found["stages"]})
    expiry = [*found["expiry"], *expiry_broken(weeks, plan)]
    return [
        check("horizon: earlier stages first, in all weeks", stages, f"no single exchange and {how} serves more"),
        check("horizon: shares over all weeks are leximin", found["shares"], f"{how} raises a lower share"),
        check("horizon: least waiting, stage by stage", found["waiting"], f"{how} saves any"),
        check("horizon: of equals who is due sooner first", found["use"], f"{how} serves sooner"),
        check("horizon: earliest expiry first", expiry, f"no single exchange and {how} uses what goes off sooner"),
    ]


def _reach_broken(weeks: Weeks, plan: HorizonPlan) -> list[str]:
    broken = []
    names = [*_BATCH, "pool", "group"]
    for *line, pool, group in plan.uses[names].drop_duplicates().itertuples(index=False, name=None):
        batch, about = Batch(*line), weeks.groups[group]
        if pool != about.pool or not weeks.may_have(about, batch):
            inside = "" if batch.fence < 0 else ", from inside a fence,"
            broken.append(f"{batch.product} of {batch.location}{inside} for {about.panel}")
    return broken


def _balance_broken(plan: HorizonPlan) -> list[str]:
    used, served = sums_of(plan.uses, ("group", "week")), sums_of(plan.served, ("group", "week"))
    return [f"week {key[1]}" for key in {**used, **served} if abs(used.get(key, 0) - served.get(key, 0)) > SPARE_MG]


def _due_broken(horizon: HorizonProblem, plan: HorizonPlan) -> list[str]:
    due = sums_of(plan.due, ("group", "due_week"))
    served = sums_of(plan.served, ("group", "due_week"))
    broken = [f"week {key[1]}" for key, mg in served.items() if mg > due.get(key, 0)]
    member = dict(zip(plan.members["class_id"], plan.members["group"], strict=True))
    again: dict[tuple[int, int], int] = defaultdict(int)
    for row, class_id in enumerate(horizon.total.classes["class_id"].tolist()):
        if class_id in member:
            for week, mg in enumerate(horizon.due_mg[row].tolist()):
                again[member[class_id], week] += mg
    return broken + [
        f"told wrongly in week {key[1]}" for key in {**due, **again} if due.get(key, 0) != again.get(key, 0)
    ]


def _wait_broken(weeks: Weeks, plan: HorizonPlan) -> list[str]:
    lines = plan.served[["group", "due_week", "week"]].itertuples(index=False, name=None)
    return [
        f"week {week}" for group, due_week, week in lines if not 0 <= week - due_week <= weeks.groups[group].wait_weeks
    ]


def _held_broken(weeks: Weeks, plan: HorizonPlan) -> list[str]:
    """Weeks in which less open stock for the vein is left than the reserve is said to hold."""
    veins = [code for code, routes in weeks.rules.routes.items() if "IV" in routes]
    stock, uses = (
        frame[frame["product"].isin(veins) & (frame["fence"] < 0)] for frame in (weeks.horizon.stock, plan.uses)
    )
    broken = []
    for pool, week, mg in plan.held.itertuples(index=False, name=None):
        mine = stock[stock["location"].isin(weeks.rules.pools[pool])]
        there = mine[(mine["from_week"] <= week) & (mine["until_week"] >= week)]["mg"].sum()
        kind = uses[(uses["pool"] == pool) & (uses["week"] <= week)]
        spent = kind[(kind["from_week"] <= week) & (kind["until_week"] >= week)]["mg"].sum()
        if mg > there - spent:
            broken.append(f"week {week} in {pool}")
    return broken


def _told_broken(weeks: Weeks, plan: HorizonPlan) -> list[str]:
    """Weeks whose table says other stock, expiry or service than the lines do."""
    horizon, broken = weeks.horizon, []
    stock: dict[tuple[str, int], int] = defaultdict(int)
    expiring: dict[tuple[str, int], int] = defaultdict(int)
    left = sums_of(horizon.stock, _BATCH)
    by_week: dict[tuple[object, ...], dict[int, int]] = defaultdict(dict)
    for (*batch, week), mg in sums_of(plan.uses, (*_BATCH, "week")).items():
        by_week[tuple(batch)][week] = mg
    pool_of = {place: pool for pool, places in weeks.rules.pools.items() for place in places}
    for key, total in left.items():
        pool, there = pool_of.get(key[0], ""), total
        for week in range(key[2], key[3] + 1):
            stock[pool, week] += there
            there -= by_week[key].get(week, 0)
        if key[3] < horizon.weeks - 1:
            expiring[pool, key[3]] += there
    planned = sums_of(plan.served, ("panel", "grade", "week"))
    for week, panel, grade, due_g, planned_g, stock_g, expiring_g in plan.weeks.itertuples(index=False, name=None):
        pool = weeks.rules.pool_of(panel)
        told = np.array([planned_g, stock_g, expiring_g]) * MG_PER_G
        true = [planned.get((panel, grade, week), 0), stock[pool, week], expiring[pool, week]]
        if due_g < 0 or np.abs(told - true).max() > 1:
            broken.append(f"week {week} at {panel}")
    return broken


def _fences_broken(horizon: HorizonProblem) -> list[str]:
    """Fences of which the batches say something else than the limits."""
    limits = horizon.total.limits
    if limits is None:
        return []
    fenced = sums_of(horizon.stock[horizon.stock["fence"] >= 0], ("fence", "product", "location"))
    told = {(n, f.product, place): mg for n, f in enumerate(limits.fences) for place, mg in f.mg.items()}
    return [f"{key[1]} at {key[2]}" for key in {**fenced, **told} if fenced.get(key, 0) != told.get(key, 0)]
