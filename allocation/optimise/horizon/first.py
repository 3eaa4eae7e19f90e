"""The first weeks of a look-ahead as an allocation of their own: which vials are kept for later, and who stands back.

Kept is what the plan uses of the stock there now in later weeks, and nothing else. All other vials are shared out among
everybody due in the first weeks as without a look-ahead. Only as many as the plan serves later, from a later week or
from a delivery that is still to come, stand back from that: those at the end of the line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.problem import HorizonProblem, last_weeks
from allocation.optimise.levers import STRETCH_COLUMN
from allocation.optimise.network import UNLIMITED
from allocation.optimise.problem import CLASS_KEYS, class_keys, is_funded
from allocation.optimise.side_limits import SideLimits, switch_limits_mg
from allocation.rules import NATIONAL
from allocation.seeds import stream

__all__ = ["FirstWeeks", "first_weeks", "pool_of_place"]

# A course counts as planned if half of it is.
_HALF = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class FirstWeeks:
    """What is allocated now.

    Attributes
    ----------
    waits
        Whether each row of the demand table stands back, as the plan serves as much of its group later.
    line
        For each group of which some are planned later, its rows in the order in which they are served, and what is
        planned later as week (counted from 0) and milligrams.
    stock
        Vials that may be given now.
    kept
        Vials kept for later weeks, in the columns of ``stock``.
    limits
        Side limits of the allocation: fences without what of them is kept, and quotas for switching in milligrams, as
        shares are of what everybody is due, not only those who are served now.
    """

    waits: npt.NDArray[np.bool_]
    line: tuple[tuple[tuple[int, ...], tuple[tuple[int, int], ...]], ...]
    stock: pd.DataFrame
    kept: pd.DataFrame
    limits: SideLimits | None

    @property
    def kept_mg(self) -> int:
        """Milligrams kept for later weeks."""
        return int((self.kept["vial_mg"] * self.kept["vials"]).sum())

    def planned_week(self, due_mg: Sequence[int], served: Sequence[bool]) -> dict[int, int]:
        """Week in which each row that goes without is planned, the first in line first; nothing for the others."""
        found: dict[int, int] = {}
        for rows, later in self.line:
            before, ends = 0.0, np.cumsum([mg for _, mg in later])
            for row in rows:
                if served[row]:
                    continue
                at = int(np.searchsorted(ends, before + _HALF * due_mg[row]))
                if at < len(later):
                    found[row] = later[at][0]
                before += due_mg[row]
        return found


def first_weeks(
    horizon: HorizonProblem,
    plan: HorizonPlan,
    demand: pd.DataFrame,
    stock: pd.DataFrame,
    *,
    as_of: date,
    seed: int,
    limits: SideLimits | None = None,
) -> FirstWeeks:
    """Split the demand and the stock of the first weeks.

    Parameters
    ----------
    demand
        The demand table of the first weeks only.
    stock
        Vials there now: ``location``, ``product``, ``vial_mg``, ``vials``, ``expiry_date``.
    seed
        Seed of the lottery, which decides here as it does among those who are served.
    limits
        Side limits put to the stock that is there now.

    Notes
    -----
    Stock is kept batch by batch, to the nearest whole vial below. A pool in which everybody is served in the week due
    keeps nothing back. Where a limit holds, stock is kept place by place, as the limits count it. So where no later
    week needs anything, nothing is kept, nobody stands back, and the allocation is that without a look-ahead.
    """
    rows = demand.reset_index(drop=True)
    group_of = _groups(plan, horizon, rows)
    waits = np.zeros(len(rows), dtype=np.bool_)
    due_mg = rows["due_mg"].tolist()
    rank = _ranks(horizon, rows, seed)
    lines = []
    for group, later in sorted(_later(horizon, plan).items()):
        members = sorted(np.flatnonzero(group_of == group).tolist(), key=lambda row: rank[row])
        lines.append((tuple(members), later))
        planned, before = sum(mg for _, mg in later), 0.0
        for row in reversed(members):
            waits[row] = before + _HALF * due_mg[row] <= planned
            before += due_mg[row]
    keeps = _kept(horizon, plan, stock, as_of=as_of)
    usable, kept = (
        table[table["vials"] > 0].reset_index(drop=True)
        for table in (stock.assign(vials=stock["vials"] - keeps), stock.assign(vials=keeps))
    )
    first = FirstWeeks(waits, tuple(lines), usable, kept, limits)
    if not (waits.any() or first.kept_mg):
        return first
    return replace(first, limits=_limits_now(horizon, plan, limits, kept, _due_of(horizon, rows)))


def _groups(plan: HorizonPlan, horizon: HorizonProblem, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Group of each row of a demand table; -1 for those who are not served."""
    names = list(CLASS_KEYS)
    classes = horizon.total.classes[[*names, "class_id"]].merge(plan.members, on="class_id", how="left")
    found = class_keys(rows).merge(classes, on=names, how="left")["group"].fillna(-1).to_numpy(dtype=np.int64)
    return np.where(is_funded(rows) & (rows["due_mg"] > 0).to_numpy(), found, -1)


def _ranks(horizon: HorizonProblem, rows: pd.DataFrame, seed: int) -> list[tuple[Any, ...]]:
    """Who goes first, as where vials are given: emergencies, days overdue, the lottery."""
    ids = rows["patient_id"].tolist()
    none = [0] * len(rows)
    overdue = rows["days_overdue"].tolist() if "days_overdue" in rows else none
    stretch = rows[STRETCH_COLUMN].tolist() if STRETCH_COLUMN in rows else none
    last = horizon.total.tier.stretches_last
    return [
        ((days > 0) != last, not emergency, -int(late), stream(seed, "lottery", patient).random(), patient)
        for days, emergency, late, patient in zip(
            stretch, class_keys(rows)["emergency"].tolist(), overdue, ids, strict=True
        )
    ]


def _due_of(horizon: HorizonProblem, rows: pd.DataFrame) -> list[int]:
    """Milligrams that each panel's funded patients are due."""
    due = rows.loc[is_funded(rows)].groupby("panel")["due_mg"].sum()
    return [int(mg) for mg in due.reindex(list(horizon.total.panels), fill_value=0)]


def _later(horizon: HorizonProblem, plan: HorizonPlan) -> dict[int, tuple[tuple[int, int], ...]]:
    """By group, week and milligrams of what falls due in the first weeks and is served later, or from deliveries."""
    first = horizon.first
    late = plan.served[(plan.served["due_week"] < first) & (plan.served["week"] >= first)]
    coming = plan.uses[(plan.uses["week"] < first) & (plan.uses["from_week"] > 0)]
    parts = pd.concat([late[["group", "week", "mg"]], coming[["group", "week", "mg"]]])
    sums = parts.groupby(["group", "week"], sort=True)["mg"].sum().reset_index()
    found: dict[int, tuple[tuple[int, int], ...]] = {}
    for group, week, mg in sums[["group", "week", "mg"]].itertuples(index=False, name=None):
        found[group] = (*found.get(group, ()), (week, mg))
    return found


def pool_of_place(horizon: HorizonProblem, place: str) -> str:
    """Pool that stock at a place belongs to; blank where no panel may draw on it."""
    problem = horizon.total
    region = dict(zip(problem.panels, problem.region_of, strict=True))
    own = place if place in region else ""
    return {"panel": own, "region": region.get(place, ""), "national": NATIONAL}[problem.tier.stock_reach]


_Lot = tuple[str, str, str, int]
"""Pool, where stock counts together (the pool, or a place of one in which some limit holds), product, last week."""


def _lots(horizon: HorizonProblem, plan: HorizonPlan, lines: pd.DataFrame) -> dict[_Lot, int]:
    """Milligrams of stock or uses by lot."""
    found: dict[_Lot, int] = {}
    for place, code, last, mg in lines[["location", "product", "until_week", "mg"]].itertuples(index=False, name=None):
        key = _lot(horizon, plan, place, code, last)
        found[key] = found.get(key, 0) + int(mg)
    return found


def _lot(horizon: HorizonProblem, plan: HorizonPlan, place: str, product: str, until_week: int) -> _Lot:
    pool = pool_of_place(horizon, place)
    return pool, place if pool in plan.limited else pool, product, int(until_week)


def _kept(horizon: HorizonProblem, plan: HorizonPlan, stock: pd.DataFrame, *, as_of: date) -> npt.NDArray[np.int64]:
    """Vials of each row that are kept."""
    uses = plan.uses[(plan.uses["from_week"] == 0) & ~plan.uses["pool"].isin(_plenty(horizon, plan))]
    wanted = _lots(horizon, plan, uses[uses["week"] >= horizon.first])
    _lend_to_reserve(horizon, plan, wanted)
    until = last_weeks(stock, as_of=as_of, weeks=horizon.weeks).tolist()
    places, codes = stock["location"].tolist(), stock["product"].tolist()
    days = stock["expiry_date"].fillna(pd.Timestamp.max).tolist()
    vials, sizes = stock["vials"].tolist(), stock["vial_mg"].tolist()
    keeps = np.zeros(len(stock), dtype=np.int64)
    # Of what lasts as long as the look-ahead cares, the largest vials are kept, as small ones fit more of those served
    # now; and of these what goes off last, so that what goes off first is given first.
    for row in sorted(range(len(stock)), key=lambda row: (until[row], sizes[row], days[row], row), reverse=True):
        key = _lot(horizon, plan, places[row], codes[row], until[row])
        keeps[row] = min(vials[row], max(wanted.get(key, 0), 0) // sizes[row])
        wanted[key] = wanted.get(key, 0) - int(keeps[row]) * sizes[row]
    return keeps


def _plenty(horizon: HorizonProblem, plan: HorizonPlan) -> set[str]:
    """Pools in which everybody is served in the week due."""
    late = plan.served[plan.served["week"] > plan.served["due_week"]]
    pools = list(horizon.total.pools)
    served = plan.served.groupby("pool")["mg"].sum().reindex(pools, fill_value=0)
    due = plan.due.merge(plan.groups[["group", "pool"]], on="group").groupby("pool")["mg"].sum()
    # What rounding down left over does not make a pool short.
    spare = len(plan.served) + len(plan.uses)
    return {name for name in pools if due.get(name, 0) - served[name] <= spare} - set(late["pool"])


def _lend_to_reserve(horizon: HorizonProblem, plan: HorizonPlan, wanted: dict[_Lot, int]) -> None:
    """Take off what is kept as much as the reserve of the first weeks lacks in stock that no week uses.

    The plan may hold in the first weeks, as the reserve, what it uses when a delivery has taken its place.
    """
    last = horizon.first - 1
    lacking = plan.held[plan.held["week"] == last].groupby("pool")["mg"].sum().to_dict()
    may_hold = {product.code for product in horizon.total.products.product if "IV" in product.routes}

    def held(lines: pd.DataFrame) -> dict[_Lot, int]:
        mine = (lines["from_week"] == 0) & (lines["fence"] < 0) & (lines["until_week"] >= last)
        return _lots(horizon, plan, lines[mine & lines["product"].isin(may_hold)])

    used, later = held(plan.uses), held(plan.uses[plan.uses["week"] >= horizon.first])
    for key, mg in held(horizon.stock).items():
        lacking[key[0]] = lacking.get(key[0], 0) - max(mg - used.get(key, 0), 0)
    for key in sorted(later, key=lambda key: (-key[3], key)):
        part = min(max(lacking.get(key[0], 0), 0), later[key], wanted.get(key, 0))
        if part > 0:
            wanted[key] -= part
            lacking[key[0]] -= part


def _limits_now(
    horizon: HorizonProblem,
    plan: HorizonPlan,
    limits: SideLimits | None,
    kept: pd.DataFrame,
    due_mg: Sequence[int],
) -> SideLimits | None:
    """The limits of the first weeks; ``due_mg`` is what each panel is due in them, whoever waits."""
    problem = horizon.total
    quotas = switch_limits_mg(problem.panels, due_mg, problem.tier.switch_capacity, limits, no_limit=UNLIMITED)
    if limits is None and quotas is None:
        return None
    limits = limits or SideLimits()
    left = kept.assign(mg=kept["vial_mg"] * kept["vials"]).groupby(["location", "product"])["mg"].sum().to_dict()
    later = plan.uses[(plan.uses["week"] >= horizon.first) & (plan.uses["from_week"] == 0)]
    wanted: Mapping[Any, int] = later.groupby(["fence", "location"])["mg"].sum().to_dict()
    fences = []
    for number, fence in enumerate(limits.fences):
        inside: dict[str, int] = {}
        for place, mg in fence.mg.items():
            # What is kept of a product is taken off its fences as far as the plan uses them later.
            off = int(min(left.get((place, fence.product), 0), wanted.get((number, place), 0), mg))
            if off:
                left[place, fence.product] -= off
            if mg > off:
                inside[place] = mg - off
        fences.append(replace(fence, mg=inside))
    told = zip(problem.panels, quotas or [UNLIMITED] * len(problem.panels), strict=True)
    own = {panel: mg for panel, mg in told if mg < UNLIMITED}
    return replace(limits, switch_mg=own, switch_share={}, fences=tuple(fences))
