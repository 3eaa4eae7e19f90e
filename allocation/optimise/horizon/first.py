"""The first weeks of a look-ahead as an allocation of their own: who is to wait, and which vials are kept for later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.problem import HorizonProblem, last_weeks
from allocation.optimise.network import UNLIMITED
from allocation.optimise.patients import PATIENT_COLUMNS, PatientResult
from allocation.optimise.problem import CLASS_KEYS, class_keys, is_funded
from allocation.optimise.side_limits import SideLimits, switch_limits_mg
from allocation.quantities import MG_PER_G
from allocation.rules import NATIONAL
from allocation.seeds import stream

__all__ = ["FirstWeeks", "first_weeks", "with_waiting"]

# A course counts as planned if half of it is.
_HALF = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class FirstWeeks:
    """What is allocated now.

    Attributes
    ----------
    waits
        Whether each row of the demand table is kept for later weeks.
    when
        Week in which each who waits is planned, counted from 0; -1 where no week has stock for them.
    stock
        Vials that may be given now; the others are kept.
    kept_mg
        Kept for later weeks.
    limits
        Side limits of the allocation: fences without what of them is kept, and quotas for switching in milligrams, as
        shares are of what everybody is due, not only those who are served now.
    limited
        Whether some limit holds where each row draws its stock.
    """

    waits: npt.NDArray[np.bool_]
    when: npt.NDArray[np.int64]
    stock: pd.DataFrame
    kept_mg: int
    limits: SideLimits | None
    limited: npt.NDArray[np.bool_]


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
    Each group is given the share of what it is due in the first weeks that the look-ahead serves in them from stock
    that is there now. Its patients come in the order in which vials are given: emergencies, days overdue, lottery.
    Stock is cut to what those weeks use and what the reserve holds, batch by batch, to the nearest whole vial above. A
    pool in which everybody is served in the week due keeps nothing back. Where a limit holds, stock is kept place by
    place, as the limits count it.
    """
    rows = demand.reset_index(drop=True)
    group_of = _groups(plan, horizon, rows)
    share, when = _shares(horizon, plan)
    waits = np.zeros(len(rows), dtype=np.bool_)
    ids = rows["patient_id"].tolist()
    due_mg = rows["due_mg"].to_numpy(dtype=np.int64)
    overdue = rows["days_overdue"].tolist() if "days_overdue" in rows else [0] * len(rows)
    emergency = class_keys(rows)["emergency"].tolist()
    for group in np.unique(group_of[group_of >= 0]).tolist():
        if share.get(group, 1.0) >= 1.0:
            continue
        members = sorted(
            np.flatnonzero(group_of == group).tolist(),
            key=lambda row: (
                not emergency[row],
                -int(overdue[row]),
                stream(seed, "lottery", ids[row]).random(),
                ids[row],
            ),
        )
        target = share[group] * float(due_mg[members].sum())
        before = 0.0
        for row in members:
            waits[row] = before + _HALF * due_mg[row] > target
            before += float(due_mg[row])
    planned = np.array([when.get(group, -1) for group in group_of.tolist()], dtype=np.int64)
    cut, kept = _cut(horizon, plan, stock, as_of=as_of)
    within = limits
    if waits.any() or kept:
        within = _limits_now(horizon, plan, limits, kept, _due_of(horizon, rows))
    left = cut[cut["vials"] > 0].reset_index(drop=True)
    limited = np.array([_pool_of(horizon, panel) in plan.limited for panel in rows["panel"]], dtype=np.bool_)
    return FirstWeeks(waits, np.where(waits, planned, -1), left, sum(kept.values()), within, limited)


def _groups(plan: HorizonPlan, horizon: HorizonProblem, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Group of each row of a demand table; -1 for those who are not served."""
    names = list(CLASS_KEYS)
    classes = horizon.total.classes[[*names, "class_id"]].merge(plan.members, on="class_id", how="left")
    found = class_keys(rows).merge(classes, on=names, how="left")["group"].fillna(-1).to_numpy(dtype=np.int64)
    return np.where(is_funded(rows) & (rows["due_mg"] > 0).to_numpy(), found, -1)


def _due_of(horizon: HorizonProblem, rows: pd.DataFrame) -> list[int]:
    """Milligrams that each panel's funded patients are due."""
    due = rows.loc[is_funded(rows)].groupby("panel")["due_mg"].sum()
    return [int(mg) for mg in due.reindex(list(horizon.total.panels), fill_value=0)]


def _shares(horizon: HorizonProblem, plan: HorizonPlan) -> tuple[dict[int, float], dict[int, int]]:
    """Share of each group's first weeks served in them from stock there now; and when those who wait are planned."""
    first = horizon.first
    due = plan.due[plan.due["due_week"] < first].groupby("group")["mg"].sum()
    mine = plan.served[plan.served["due_week"] < first]
    now = mine[mine["week"] < first].groupby("group")["mg"].sum().reindex(due.index, fill_value=0)
    share: dict[int, float] = dict(zip(due.index.tolist(), (now / due).tolist(), strict=True))
    for group, part in _from_deliveries(plan, first).items():
        if group in share:
            share[group] = max(0.0, share[group] - part / float(due[group]))
    later = mine[mine["week"] >= first].groupby("group")["week"].min()
    when = dict(zip(later.index.tolist(), later.tolist(), strict=True))
    return share, when


def _from_deliveries(plan: HorizonPlan, first: int) -> dict[int, int]:
    """Milligrams that each group is served in the first weeks from what is not there yet."""
    coming = plan.uses[(plan.uses["week"] < first) & (plan.uses["from_week"] > 0)]
    parts = coming.groupby("group")["mg"].sum()
    return dict(zip(parts.index.tolist(), parts.tolist(), strict=True))


def _pool_of(horizon: HorizonProblem, place: str) -> str:
    """Pool that stock at a place belongs to; blank where no panel may draw on it."""
    problem = horizon.total
    region = dict(zip(problem.panels, problem.region_of, strict=True))
    own = place if place in region else ""
    return {"panel": own, "region": region.get(place, ""), "national": NATIONAL}[problem.tier.stock_reach]


def _spot(horizon: HorizonProblem, plan: HorizonPlan, place: str) -> str:
    """Where stock counts together: a pool, or a place of one in which some limit holds."""
    pool = _pool_of(horizon, place)
    return place if pool in plan.limited else pool


_Spot = tuple[str, str, int]
"""Where stock counts together, product, and last week of use."""


def _cut(
    horizon: HorizonProblem, plan: HorizonPlan, stock: pd.DataFrame, *, as_of: date
) -> tuple[pd.DataFrame, dict[tuple[str, str], int]]:
    """The stock without what is kept, and milligrams kept by place and product."""
    problem, first = horizon.total, horizon.first
    late = plan.served[plan.served["week"] > plan.served["due_week"]]
    served = plan.served.groupby("pool")["mg"].sum().reindex(list(problem.pools), fill_value=0)
    due = plan.due.merge(plan.groups[["group", "pool"]], on="group").groupby("pool")["mg"].sum()
    # What rounding down left over does not make a pool short.
    spare = len(plan.served) + len(plan.uses)
    plenty = {
        name for name in problem.pools if due.get(name, 0) - served[name] <= spare and name not in set(late["pool"])
    }
    spot_of = {place: _spot(horizon, plan, place) for place in {*stock["location"], *plan.uses["location"]}}
    until = last_weeks(stock, as_of=as_of, weeks=horizon.weeks).tolist()
    now = plan.uses[(plan.uses["week"] < first) & (plan.uses["from_week"] == 0)]
    wanted: dict[_Spot, int] = {}
    for place, code, last, mg in now[["location", "product", "until_week", "mg"]].itertuples(index=False, name=None):
        key = (spot_of[place], code, last)
        wanted[key] = wanted.get(key, 0) + mg
    _reserve(horizon, plan, wanted)
    days = stock["expiry_date"].fillna(pd.Timestamp.max).tolist()
    order = sorted(range(len(stock)), key=lambda row: (days[row], row))
    vials = stock["vials"].tolist()
    sizes, places, codes = (stock[name].tolist() for name in ("vial_mg", "location", "product"))
    used = [0] * len(stock)
    kept: dict[tuple[str, str], int] = {}
    for row in order:
        pool = _pool_of(horizon, places[row])
        if pool in plenty or not pool:
            used[row] = vials[row]
            continue
        key = (spot_of[places[row]], codes[row], until[row])
        used[row] = int(min(vials[row], -(-max(wanted.get(key, 0), 0) // sizes[row])))
        wanted[key] = wanted.get(key, 0) - used[row] * sizes[row]
        here = (places[row], codes[row])
        kept[here] = kept.get(here, 0) + (vials[row] - used[row]) * sizes[row]
    return stock.assign(vials=np.array(used, dtype=np.int64)), kept


def _reserve(horizon: HorizonProblem, plan: HorizonPlan, wanted: dict[_Spot, int]) -> None:
    """Add what the reserve holds at the end of the first weeks, of what goes off last."""
    last = horizon.first - 1
    held = plan.held[plan.held["week"] == last].groupby("pool")["mg"].sum().to_dict()
    routes = {product.code: product.routes for product in horizon.total.products.product}
    names = ["location", "product", "until_week", "mg"]
    used = plan.uses[(plan.uses["week"] < horizon.first) & (plan.uses["from_week"] == 0) & (plan.uses["fence"] < 0)]
    free: dict[tuple[str, str, str, int], int] = {}
    for sign, lines in (
        (1, horizon.stock[(horizon.stock["from_week"] == 0) & (horizon.stock["fence"] < 0)]),
        (-1, used),
    ):
        for at, code, until, mg in lines[names].itertuples(index=False, name=None):
            if "IV" in routes[code]:
                key = (_pool_of(horizon, at), _spot(horizon, plan, at), code, until)
                free[key] = free.get(key, 0) + sign * int(mg)
    for key in sorted(free, key=lambda key: (-key[3], key)):
        part = min(held.get(key[0], 0), free[key])
        if part > 0:
            wanted[key[1:]] = wanted.get(key[1:], 0) + part
            held[key[0]] -= part


def _limits_now(
    horizon: HorizonProblem,
    plan: HorizonPlan,
    limits: SideLimits | None,
    kept: dict[tuple[str, str], int],
    due_mg: Sequence[int],
) -> SideLimits | None:
    """The limits of the first weeks; ``due_mg`` is what each panel is due in them, whoever waits."""
    problem = horizon.total
    quotas = switch_limits_mg(problem.panels, due_mg, problem.tier.switch_capacity, limits, no_limit=UNLIMITED)
    if limits is None and quotas is None:
        return None
    limits = limits or SideLimits()
    left = dict(kept)
    fences = []
    now = plan.uses[(plan.uses["week"] < horizon.first) & (plan.uses["from_week"] == 0)]
    wanted = now.groupby(["fence", "location"])["mg"].sum().to_dict()
    for number, fence in enumerate(limits.fences):
        inside: dict[str, int] = {}
        for place, mg in fence.mg.items():
            # What is kept of a product is taken off its fences as far as the plan does not use them now.
            off = min(left.get((place, fence.product), 0), max(mg - int(wanted.get((number, place), 0)), 0))
            if off:
                left[place, fence.product] -= off
            if mg > off:
                inside[place] = mg - off
        fences.append(replace(fence, mg=inside))
    told = zip(problem.panels, quotas or [UNLIMITED] * len(problem.panels), strict=True)
    own = {panel: mg for panel, mg in told if mg < UNLIMITED}
    return replace(limits, switch_mg=own, switch_share={}, fences=tuple(fences))


def with_waiting(
    result: PatientResult, first: FirstWeeks, demand: pd.DataFrame, *, tier: int, weeks: int, panels: Sequence[str]
) -> PatientResult:
    """The patient list with those who wait for later weeks, each with why."""
    rows = demand.reset_index(drop=True)
    waiting = np.flatnonzero(first.waits)
    grade = rows["grade"].fillna(0).astype(np.int64)
    lines = []
    for row in waiting.tolist():
        week = int(first.when[row])
        head = f"Tier {tier}, {f'grade {grade[row]}' if grade[row] else 'ungraded'}"
        limited = bool(first.limited[row])
        if week >= weeks:
            what = f"waits, within what the grade may wait, until week {week + 1}, when the look-ahead has stock for it"
        elif week < 0 and limited:
            what = "waits, as the look-ahead finds nothing for them in the weeks to come, within the limits"
        elif week < 0:
            what = "waits, as the look-ahead needs the stock for others or for weeks to come, and none is known to come"
        else:
            what = "waits for a delivery that is known to come"
        days = int(rows["days_overdue"].iloc[row]) if "days_overdue" in rows else 0
        lines.append(
            (
                rows["patient_id"].iloc[row], rows["panel"].iloc[row], int(grade[row]),
                int(rows["due_mg"].iloc[row]) / MG_PER_G, 0.0, "deferred", "", "", "",
                f"{head}: {what}.", days, np.nan,
                f"An earlier or larger delivery{', or a wider limit' if limited else ''}.",
            )
        )  # fmt: skip
    more = pd.DataFrame(lines, columns=list(PATIENT_COLUMNS))
    for name in result.patients.columns.difference(more.columns):
        more[name] = 0
    more = more[result.patients.columns].astype(result.patients.dtypes.to_dict())
    place = {code: number for number, code in enumerate(panels)}
    joined = pd.concat([result.patients, more], ignore_index=True)
    keys = joined.assign(place=joined["panel"].map(place), below=-joined["grade"])
    listed = joined.loc[keys.sort_values(["place", "below", "patient_id"]).index].reset_index(drop=True)
    return PatientResult(listed, result.issues, result.held, result.left, result.rounding, result.nothing_due)
