"""Those who stand back: what the first weeks leave on the shelf is offered to them, and everybody is put in one list.

They wait for something that is planned, so nobody of them is given part of a course in its place: whole courses only.
Else it is an allocation as any other, in the order of the tier, within what is left of the limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from allocation.optimise.certificate import Certificate, Check, check
from allocation.optimise.horizon.first import FirstWeeks
from allocation.optimise.network import index_problem
from allocation.optimise.patients import VIAL_COLUMNS, PatientResult, serve_patients
from allocation.optimise.plan import Plan, StageValue
from allocation.optimise.problem import CLASS_KEYS, Problem, build_problem
from allocation.optimise.program import solve
from allocation.optimise.rounding import StageRounding
from allocation.optimise.solvers import SolverName
from allocation.optimise.verify import verify
from allocation.quantities import MG_PER_G
from allocation.rules import PanelSet, ProductSet
from allocation.rules.supply import Tier

__all__ = ["Rest", "joined_objectives", "offer_rest", "verify_first"]

_GRADES = (1, 2, 3, 4)
_UNMET, _LEAST = ": unmet, g", ": least share served"


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """What those who stood back were offered.

    Attributes
    ----------
    problem, plan
        Of those who stood back.
    people
        Everybody, and what is left on the shelf after all; what is kept is not among it.
    certificate
        The verifier's word on those who stood back.
    """

    problem: Problem
    plan: Plan
    people: PatientResult
    certificate: Certificate


def offer_rest(
    first: FirstWeeks,
    demand: pd.DataFrame,
    people: PatientResult,
    *,
    tier: Tier,
    panels: PanelSet,
    products: ProductSet,
    seed: int,
    stock: pd.DataFrame,
    solver: SolverName = "highs",
) -> Rest | None:
    """Offer what is left to those who stood back; None where nobody did.

    Parameters
    ----------
    demand
        The demand table that ``first`` was made of.
    people
        Those who did not stand back, as they were served.
    stock
        All vials there are now.

    Raises
    ------
    SolverError
        Where the program has no proven optimum.
    """
    if not first.waits.any():
        return None
    rows = demand.reset_index(drop=True).loc[first.waits].reset_index(drop=True)
    whole = tier.model_copy(update={"reduce_grades": (), "defer_grades": _GRADES})
    problem = build_problem(rows, people.left, tier=whole, panels=panels, products=products, limits=people.limits_left)
    plan = solve(problem, solver=solver)
    served = serve_patients(rows, problem, plan, people.left, seed=seed, all_stock=stock, solver=solver)
    checks = verify(problem, plan, demand=rows, stock=people.left, result=served).checks
    named = tuple(replace(item, name=f"{item.name}, of those who stood back") for item in checks)
    return Rest(problem, plan, _joined(people, served, tuple(panels.by_code)), Certificate(named))


def _joined(one: PatientResult, other: PatientResult, panels: Sequence[str]) -> PatientResult:
    listed = pd.concat([one.patients, other.patients], ignore_index=True)
    place = {code: number for number, code in enumerate(panels)}
    keys = listed.assign(place=listed["panel"].map(place), below=-listed["grade"])
    listed = listed.loc[keys.sort_values(["place", "below", "patient_id"]).index].reset_index(drop=True)
    issues = pd.concat([one.issues, other.issues], ignore_index=True)
    at = {patient: number for number, patient in enumerate(listed["patient_id"].tolist())}
    order = np.argsort(issues["patient_id"].map(at).to_numpy(), kind="stable")
    return replace(
        one,
        patients=listed,
        issues=issues.iloc[order].reset_index(drop=True),
        left=other.left,
        rounding=tuple(
            StageRounding(
                stage=a.stage,
                planned_mg=a.planned_mg + b.planned_mg,
                given_mg=a.given_mg + b.given_mg,
                lost_mg=a.lost_mg + b.lost_mg,
                bound_mg=a.bound_mg + b.bound_mg,
            )
            for a, b in zip(one.rounding, other.rounding, strict=True)
        ),
        limits_left=other.limits_left,
        rearranged=one.rearranged.with_those_of(other.rearranged),
    )


def verify_first(first: FirstWeeks, demand: pd.DataFrame, stock: pd.DataFrame, people: PatientResult) -> list[Check]:
    """Whether everybody due in the first weeks is in the list, and every vial there now is accounted for."""
    due = sorted(demand.loc[(demand["due_mg"] > 0).to_numpy(), "patient_id"].tolist())
    listed = sorted(people.patients["patient_id"].tolist())
    balance = _counted(stock)
    for frame in (people.issues, people.held, people.left, first.kept):
        for batch, count in _counted(frame).items():
            balance[batch] = balance.get(batch, 0) - count
    wrong = [f"{batch[1]} at {batch[0]}" for batch, count in balance.items() if count]
    return [
        check(
            "first weeks: everybody due is listed once",
            [] if due == listed else [f"{len(listed)} listed of {len(due)}"],
            f"{len(due)} patients, {int(first.waits.sum())} of whom stood back",
        ),
        check(
            "first weeks: every vial is given, held, left or kept for later",
            wrong,
            f"{int(stock['vials'].sum())} vials",
        ),
    ]


def _counted(frame: pd.DataFrame) -> dict[tuple[str, ...], int]:
    """Vials by place, product, size and expiry, as text."""
    counted: dict[tuple[str, ...], int] = {}
    for place, product, size, vials, day in frame[list(VIAL_COLUMNS)].itertuples(index=False, name=None):
        batch = (place, product, str(size), str(day))
        counted[batch] = counted.get(batch, 0) + int(vials)
    return counted


def joined_objectives(parts: Sequence[tuple[Problem, Plan]]) -> tuple[StageValue, ...]:
    """Objectives over everybody due: what stages lack and their least share from all plans together, sums of the rest.

    With one plan these are its own.
    """
    (problem, plan), *more = parts
    if not more:
        return plan.objectives
    sums = pd.concat([_by_cell(*part) for part in parts]).groupby(["stage", "cell"]).sum().reset_index()
    number = {stage.name: at for at, stage in enumerate(problem.tier.stage)}
    values = []
    for item in plan.objectives:
        value = item.value + sum(one.value for _, other in more for one in other.objectives if one.name == item.name)
        for ending in (_UNMET, _LEAST):
            stage = number.get(item.name.removesuffix(ending)) if item.name.endswith(ending) else None
            if stage is not None:
                mine = sums[sums["stage"] == stage]
                lacking = float((mine["due_mg"] - mine["planned_mg"]).sum()) / MG_PER_G
                least = float((mine["planned_mg"] / mine["due_mg"]).min()) if len(mine) else 1.0
                value = lacking if ending == _UNMET else least
        values.append(StageValue(item.name, value))
    return tuple(values)


def _by_cell(problem: Problem, plan: Plan) -> pd.DataFrame:
    """Due and planned by stage and cell, a cell told by what its classes have in common."""
    net = index_problem(problem)
    classes = problem.classes.set_index("class_id").loc[net.class_id]
    planned = plan.given.groupby("class_id")["mg"].sum().reindex(net.class_id, fill_value=0)
    by_class = np.array([stage >= 0 and net.stages[stage].fair_between == "classes" for stage in net.stage.tolist()])
    keys = classes[list(CLASS_KEYS)].astype(str).agg("|".join, axis=1)
    return pd.DataFrame(
        {
            "stage": net.stage,
            "cell": np.where(by_class, keys.to_numpy(), classes["panel"].to_numpy()),
            "due_mg": classes["due_mg"].to_numpy(),
            "planned_mg": planned.to_numpy(),
        }
    )
