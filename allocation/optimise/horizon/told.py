"""What a look-ahead adds to the words beside each patient: what is planned for them, and what is kept for later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from allocation.dosing.vials import in_grams
from allocation.optimise.horizon.first import FirstWeeks, pool_of_place
from allocation.optimise.horizon.groups import allowed_products, class_of_patients
from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.problem import HorizonProblem
from allocation.optimise.network import Network, index_problem
from allocation.optimise.patients import PatientResult

__all__ = ["kept_by_grade", "told_ahead"]


def told_ahead(
    horizon: HorizonProblem, first: FirstWeeks, demand: pd.DataFrame, people: PatientResult
) -> tuple[PatientResult, int]:
    """The patient list with the look-ahead's words for those who go short, and how many it plans for later.

    Parameters
    ----------
    demand
        The demand table that ``first`` was made of.
    people
        Everybody due in the first weeks.
    """
    rows = demand.reset_index(drop=True)
    listed = people.patients.set_index("patient_id")
    given = listed["given_g"].reindex(rows["patient_id"]).fillna(0.0).to_numpy() > 0
    week = first.planned_week(rows["due_mg"].tolist(), given.tolist())
    planned = {rows["patient_id"].iloc[row]: at for row, at in week.items()}
    kept = _Kept(horizon, first, rows)
    reasons, changes = [], []
    columns = ("patient_id", "status", "reason", "would_help")
    for patient, status, reason, change in people.patients[list(columns)].itertuples(index=False, name=None):
        more, help_more = "", ""
        if status in ("reduced", "deferred", "suspended"):
            words = kept.words(patient)
            more = f" Of what may be given, {words} for later weeks." if words else ""
            help_more = " Or less kept for later weeks." if words else ""
        if patient in planned:
            at = planned[patient]
            why = "from a delivery that is known to come" if at < horizon.first else "within what the grade may wait"
            more += f" The look-ahead plans it for week {at + 1}, {why}."
        reasons.append(reason + more)
        changes.append(change + help_more)
    table = people.patients.assign(reason=reasons, would_help=changes)
    return replace(people, patients=table), len(planned)


class _Kept:
    """What is kept of the products that a patient may be given, within reach."""

    def __init__(self, horizon: HorizonProblem, first: FirstWeeks, rows: pd.DataFrame) -> None:
        self.net: Network = index_problem(horizon.total)
        self.mg: dict[tuple[str, str], int] = {}
        names = ["location", "product", "vial_mg", "vials"]
        for place, code, size, vials in first.kept[names].itertuples(index=False, name=None):
            key = (pool_of_place(horizon, place), code)
            self.mg[key] = self.mg.get(key, 0) + int(size) * int(vials)
        self.class_of = class_of_patients(self.net, rows)
        self.allowed = allowed_products(self.net, np.arange(len(self.net.class_id), dtype=np.int64))
        self.pool = {panel: pool_of_place(horizon, panel) for panel in horizon.total.panels}

    def words(self, patient: str) -> str:
        """Grams and products; blank where nothing is kept that the patient may have."""
        c = self.class_of.get(patient, -1)
        if c < 0:
            return ""
        pool = self.pool[self.net.problem.panels[int(self.net.panel[c])]]
        codes = [code for code, may in zip(self.net.product_codes, self.allowed[c], strict=True) if may]
        parts = [(self.mg[pool, code], code) for code in codes if self.mg.get((pool, code))]
        if not parts:
            return ""
        return f"{', '.join(f'{in_grams(mg)} g of {code}' for mg, code in parts)} {_where(self.net, pool)} are kept"


def _where(net: Network, pool: str) -> str:
    reach = net.problem.tier.stock_reach
    return {"panel": f"at {pool}", "region": f"in {pool}", "national": "in the country"}[reach]


def kept_by_grade(horizon: HorizonProblem, plan: HorizonPlan, first: FirstWeeks) -> dict[int, int]:
    """Milligrams of the stock there now that later weeks use, by grade, in the pools that keep something."""
    pools = {pool_of_place(horizon, place) for place in first.kept["location"].tolist()}
    uses = plan.uses[(plan.uses["week"] >= horizon.first) & (plan.uses["from_week"] == 0)]
    mine = uses[uses["pool"].isin(pools)].merge(plan.groups[["group", "grade"]], on="group")
    sums = mine.groupby("grade")["mg"].sum().sort_index(ascending=False)
    return dict(zip(sums.index.tolist(), sums.tolist(), strict=True))
