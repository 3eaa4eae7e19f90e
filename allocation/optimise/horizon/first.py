"""The first weeks of a look-ahead as an allocation of their own: who is to wait, and which vials are kept for later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.problem import HorizonProblem, last_weeks
from allocation.optimise.patients import PATIENT_COLUMNS, PatientResult
from allocation.optimise.problem import CLASS_KEYS, class_keys, is_funded
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
    """

    waits: npt.NDArray[np.bool_]
    when: npt.NDArray[np.int64]
    stock: pd.DataFrame
    kept_mg: int


def first_weeks(
    horizon: HorizonProblem, plan: HorizonPlan, demand: pd.DataFrame, stock: pd.DataFrame, *, as_of: date, seed: int
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

    Notes
    -----
    Each group is given the share of what it is due in the first weeks that the look-ahead serves in them from stock
    that is there now. Its patients come in the order in which vials are given: emergencies, days overdue, lottery.
    Stock is cut to what those weeks use and what the reserve holds, batch by batch, to the nearest whole vial above. A
    pool in which everybody is served in the week due keeps nothing back.
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
    return FirstWeeks(waits, np.where(waits, planned, -1), cut, kept)


def _groups(plan: HorizonPlan, horizon: HorizonProblem, rows: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Group of each row of a demand table; -1 for those who are not served."""
    names = list(CLASS_KEYS)
    classes = horizon.total.classes[[*names, "class_id"]].merge(plan.members, on="class_id", how="left")
    found = class_keys(rows).merge(classes, on=names, how="left")["group"].fillna(-1).to_numpy(dtype=np.int64)
    return np.where(is_funded(rows) & (rows["due_mg"] > 0).to_numpy(), found, -1)


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


def _from_deliveries(plan: HorizonPlan, first: int) -> dict[int, float]:
    """Milligrams that each group is served in the first weeks from what is not there yet: the last stages first."""
    uses = plan.uses[(plan.uses["week"] < first) & (plan.uses["from_week"] > 0)]
    coming = uses.groupby(["pool", "products", "week"])["mg"].sum().to_dict()
    named = plan.served.merge(plan.groups[["group", "products"]], on="group")
    named = named[named["week"] < first].sort_values(["stage", "due_week", "group"], ascending=False)
    parts: dict[int, float] = {}
    for line in named.to_dict("records"):
        key = (line["pool"], line["products"], line["week"])
        taken = min(coming.get(key, 0), line["mg"])
        if taken:
            coming[key] -= taken
            if line["due_week"] < first:
                parts[line["group"]] = parts.get(line["group"], 0.0) + float(taken)
    return parts


def _pool_of(horizon: HorizonProblem, place: str) -> str:
    """Pool that stock at a place belongs to; blank where no panel may draw on it."""
    problem = horizon.total
    region = dict(zip(problem.panels, problem.region_of, strict=True))
    own = place if place in region else ""
    return {"panel": own, "region": region.get(place, ""), "national": NATIONAL}[problem.tier.stock_reach]


def _cut(horizon: HorizonProblem, plan: HorizonPlan, stock: pd.DataFrame, *, as_of: date) -> tuple[pd.DataFrame, int]:
    problem, first = horizon.total, horizon.first
    late = plan.served[plan.served["week"] > plan.served["due_week"]]
    served = plan.served.groupby("pool")["mg"].sum().reindex(list(problem.pools), fill_value=0)
    due = plan.due.merge(plan.groups[["group", "pool"]], on="group").groupby("pool")["mg"].sum()
    # What rounding down left over does not make a pool short.
    spare = len(plan.served) + len(plan.uses)
    plenty = {
        name for name in problem.pools if due.get(name, 0) - served[name] <= spare and name not in set(late["pool"])
    }
    pool_of = {place: _pool_of(horizon, place) for place in set(stock["location"])}
    until = last_weeks(stock, as_of=as_of, weeks=horizon.weeks).tolist()
    now = plan.uses[(plan.uses["week"] < first) & (plan.uses["from_week"] == 0)]
    wanted: dict[tuple[str, str, int], int] = {}
    for use in zip(*(now[name].tolist() for name in ("pool", "product", "until_week", "mg")), strict=True):
        wanted[use[:3]] = wanted.get(use[:3], 0) + use[3]
    _reserve(horizon, plan, wanted)
    days = stock["expiry_date"].fillna(pd.Timestamp.max).tolist()
    order = sorted(range(len(stock)), key=lambda row: (days[row], row))
    vials = stock["vials"].tolist()
    sizes, places, codes = (stock[name].tolist() for name in ("vial_mg", "location", "product"))
    used = [0] * len(stock)
    kept = 0
    for row in order:
        pool = pool_of[places[row]]
        if pool in plenty or not pool:
            used[row] = vials[row]
            continue
        key = (pool, codes[row], until[row])
        used[row] = int(min(vials[row], -(-max(wanted.get(key, 0), 0) // sizes[row])))
        wanted[key] = wanted.get(key, 0) - used[row] * sizes[row]
        kept += (vials[row] - used[row]) * sizes[row]
    cut = stock.assign(vials=np.array(used, dtype=np.int64))
    return cut[cut["vials"] > 0].reset_index(drop=True), kept


def _reserve(horizon: HorizonProblem, plan: HorizonPlan, wanted: dict[tuple[str, str, int], int]) -> None:
    """Add what the reserve holds at the end of the first weeks, of what goes off last."""
    last = horizon.first - 1
    held = plan.held[plan.held["week"] == last].groupby("pool")["mg"].sum().to_dict()
    routes = {product.code: product.routes for product in horizon.total.products.product}
    total: dict[tuple[str, str, int], int] = {}
    for at, code, first, until, mg in horizon.stock.itertuples(index=False, name=None):
        pool = _pool_of(horizon, at)
        if first == 0 and "IV" in routes[code]:
            total[pool, code, until] = total.get((pool, code, until), 0) + int(mg)
    for key in sorted(total, key=lambda key: (-key[2], key)):
        part = min(held.get(key[0], 0), total[key] - wanted.get(key, 0))
        if part > 0:
            wanted[key] = wanted.get(key, 0) + part
            held[key[0]] -= part


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
        if week >= weeks:
            what = f"waits, within what the grade may wait, until week {week + 1}, when the look-ahead has stock for it"
        elif week < 0:
            what = "waits, as the look-ahead needs the stock for others or for weeks to come, and none is known to come"
        else:
            what = "waits for a delivery that is known to come"
        days = int(rows["days_overdue"].iloc[row]) if "days_overdue" in rows else 0
        lines.append(
            (
                rows["patient_id"].iloc[row], rows["panel"].iloc[row], int(grade[row]),
                int(rows["due_mg"].iloc[row]) / MG_PER_G, 0.0, "deferred", "", "", "",
                f"{head}: {what}.", days, np.nan, "An earlier or larger delivery.",
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
