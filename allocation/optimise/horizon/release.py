"""Kept vials that somebody of an earlier stage needs now.

What is kept is counted in grams. In whole vials it may turn out that the one that fits a patient of today is kept for
somebody of a later stage, while what is left on the shelf fits nobody: then it is given after all, and what stays on
the shelf is there for the later weeks in its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocation.optimise.horizon.first import FirstWeeks, pool_of_place
from allocation.optimise.horizon.groups import allowed_products, class_of_patients
from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.problem import HorizonProblem
from allocation.optimise.mix import least_mg
from allocation.optimise.network import NONE, Network, index_problem
from allocation.optimise.patients import PatientResult
from allocation.optimise.shelf import Vials, best_of
from allocation.quantities import MG_PER_G

__all__ = ["released"]

_SHORT = ("reduced", "deferred", "suspended")
_Lot = tuple[str, str]
"""Pool and product."""


@dataclass(frozen=True, slots=True)
class _Short:
    """Somebody who goes short: class, grade, milligrams due and given, and the product given, blank for none."""

    c: int
    grade: int
    due_mg: int
    given_mg: int
    product: str = ""


def released(
    horizon: HorizonProblem, plan: HorizonPlan, first: FirstWeeks, demand: pd.DataFrame, people: PatientResult
) -> FirstWeeks | None:
    """The first weeks with fewer vials kept; None where nobody waits for what is kept for a later stage.

    Parameters
    ----------
    demand, people
        Those who do not stand back, and what they were given.

    Notes
    -----
    Within limits on fences, deliveries, infusion or switching nothing is released: there vials are not all that binds.
    """
    if first.kept.empty:
        return None
    net = index_problem(horizon.total)
    allowed = allowed_products(net, np.arange(len(net.class_id), dtype=np.int64))
    left, kept = _counted(horizon, people.left), _counted(horizon, first.kept)
    later = _later_mg(horizon, plan)
    pool_of = {number: pool for pool in net.pools for number in pool.panels.tolist()}
    takes: dict[_Lot, Vials] = {}
    for one in _in_line(net, demand, people):
        pool, own = pool_of[int(net.panel[one.c])], int(net.own[one.c])
        if net.limited_by_rows(pool):
            continue
        for product in sorted(np.flatnonzero(allowed[one.c]).tolist(), key=lambda product: (product != own, product)):
            code = net.product_codes[product]
            lot = (pool.name, code)
            if net.switch_limit_mg is not None and own not in (NONE, product):
                continue
            free_mg = _free_mg(kept.get(lot, {}), later.get(lot, {}), int(net.stage[one.c]))
            taken = _wanted(net, one, code, left.get(lot, {}), kept.get(lot, {}), free_mg)
            if taken:
                into = takes.setdefault(lot, {})
                for size, count in taken.items():
                    kept[lot][size] -= count
                    into[size] = into.get(size, 0) + count
                break
    return _moved(horizon, first, takes) if takes else None


def _in_line(net: Network, demand: pd.DataFrame, people: PatientResult) -> Iterator[_Short]:
    """Those who go short, the first stage first, in the order in which they were served."""
    of = class_of_patients(net, demand)
    short = people.patients[people.patients["status"].isin(_SHORT)]
    columns = ("patient_id", "grade", "due_g", "given_g", "product", "days_overdue", "lottery")
    found = []
    for patient, grade, due_g, given_g, product, overdue, lottery in short[list(columns)].itertuples(
        index=False, name=None
    ):
        c = of.get(patient, NONE)
        if c >= 0 and net.stage[c] >= 0:
            one = _Short(c, 0 if pd.isna(grade) else int(grade), round(due_g * MG_PER_G), round(given_g * MG_PER_G))
            if given_g and not net.problem.tier.mixes_products(one.grade):
                one = replace(one, product=product)
            found.append(((int(net.stage[c]), -int(overdue), float(lottery), patient), one))
    return (one for _, one in sorted(found, key=lambda item: item[0]))


def _counted(horizon: HorizonProblem, vials: pd.DataFrame) -> dict[_Lot, Vials]:
    found: dict[_Lot, Vials] = {}
    for place, code, size, count in vials[["location", "product", "vial_mg", "vials"]].itertuples(
        index=False, name=None
    ):
        sizes = found.setdefault((pool_of_place(horizon, place), code), {})
        sizes[int(size)] = sizes.get(int(size), 0) + int(count)
    return found


def _later_mg(horizon: HorizonProblem, plan: HorizonPlan) -> dict[_Lot, dict[int, int]]:
    """What later weeks use of the stock there now, by pool and product, and by stage."""
    uses = plan.uses[(plan.uses["week"] >= horizon.first) & (plan.uses["from_week"] == 0)]
    staged = uses.merge(plan.groups[["group", "stage"]], on="group")
    found: dict[_Lot, dict[int, int]] = {}
    for pool, code, stage, mg in staged[["pool", "product", "stage", "mg"]].itertuples(index=False, name=None):
        of = found.setdefault((pool, code), {})
        of[int(stage)] = of.get(int(stage), 0) + int(mg)
    return found


def _free_mg(kept: Vials, later: dict[int, int], stage: int) -> int:
    """What of a lot is kept for stages after one."""
    mine = sum(mg for other, mg in later.items() if other <= stage)
    return _mg(kept) - mine


def _wanted(net: Network, one: _Short, code: str, left: Vials, kept: Vials, free_mg: int) -> Vials:
    """Kept vials with which somebody would be given more: beside what was given, or in its place."""
    together = dict(left)
    for size, count in kept.items():
        together[size] = together.get(size, 0) + min(count, max(free_mg, 0) // size)
    least = max(least_mg(net, one.grade, one.due_mg), one.given_mg + 1)
    for beside_mg in (one.given_mg, 0) if one.product in ("", code) else (0,):
        best = best_of(one.due_mg - beside_mg, together)
        taken = {size: count - left.get(size, 0) for size, count in best.items() if count > left.get(size, 0)}
        if taken and beside_mg + _mg(best) >= least and _mg(taken) <= free_mg:
            return taken
    return {}


def _mg(vials: Vials) -> int:
    return sum(size * count for size, count in vials.items())


def _moved(horizon: HorizonProblem, first: FirstWeeks, takes: dict[_Lot, Vials]) -> FirstWeeks:
    """Those vials put back on the shelf, what goes off first before the rest."""
    days = first.kept["expiry_date"].fillna(pd.Timestamp.max).tolist()
    names = ["location", "product", "vial_mg", "vials"]
    rows = list(first.kept[names].itertuples(index=False, name=None))
    back = np.zeros(len(rows), dtype=np.int64)
    for row in sorted(range(len(rows)), key=lambda row: (days[row], row)):
        place, code, size, vials = rows[row]
        wanted = takes.get((pool_of_place(horizon, place), code), {})
        back[row] = min(int(vials), wanted.get(int(size), 0))
        if back[row]:
            wanted[int(size)] -= int(back[row])
    kept = first.kept.assign(vials=first.kept["vials"] - back)
    stock = pd.concat([first.stock, first.kept.assign(vials=back)], ignore_index=True)
    return replace(
        first,
        stock=stock[stock["vials"] > 0].reset_index(drop=True),
        kept=kept[kept["vials"] > 0].reset_index(drop=True),
    )
