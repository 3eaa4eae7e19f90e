"""From patients, or whoever waits, to the claims that a policy is asked about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.optimise.network import NONE, stage_of
from allocation.optimise.policies.base import CLAIM_COLUMNS, Case, Ints
from allocation.optimise.problem import CLASS_KEYS, Problem, class_keys, is_funded
from allocation.quantities import MG_PER_G
from allocation.rules import NATIONAL

__all__ = ["Claims", "claims_of_demand", "gather_claims", "make_case", "usual_mg_by_panel"]

_TOLD_APART = ("class_id", "indication", "situation", "days_overdue", "each_mg")


@dataclass(frozen=True, slots=True, eq=False)
class Claims:
    """Claims of a problem, and the claim that each patient belongs to.

    Attributes
    ----------
    frame
        Columns of :data:`CLAIM_COLUMNS`.
    of_row
        Claim of each row the claims were made from, shape (rows,); -1 for one that is in no claim.
    """

    frame: pd.DataFrame
    of_row: Ints


def gather_claims(problem: Problem, rows: pd.DataFrame) -> Claims:
    """Put together rows that no policy can tell apart.

    Parameters
    ----------
    rows
        ``class_id`` (-1 for a row that asks for nothing), ``indication``, ``situation``, ``days_overdue``, ``due_mg``
        and, where a row stands for several patients, ``patients``. Classes that the tier does not serve are left out.
    """
    classes = problem.classes.set_index("class_id")
    stage = pd.Series(
        stage_of(
            problem.tier,
            classes["grade"].to_numpy(dtype=np.int64),
            classes["emergency"].to_numpy(dtype=np.bool_),
        ),
        index=classes.index,
    )
    class_id = rows["class_id"].to_numpy(dtype=np.int64)
    asks = class_id >= 0
    asks[asks] = stage.loc[class_id[asks]].to_numpy() != NONE
    patients = rows["patients"].to_numpy(dtype=np.int64) if "patients" in rows else np.ones(len(rows), np.int64)
    due_mg = rows["due_mg"].to_numpy(dtype=np.int64)
    kept = pd.DataFrame(
        {
            "class_id": class_id,
            "indication": rows["indication"].astype(str).to_numpy(dtype=object),
            "situation": rows["situation"].fillna("").astype(str).to_numpy(dtype=object),
            "days_overdue": rows["days_overdue"].to_numpy(dtype=np.int64),
            "each_mg": due_mg / np.maximum(patients, 1),
            "patients": patients,
            "due_mg": due_mg,
        }
    )[asks]
    of_row = np.full(len(rows), NONE, dtype=np.int64)
    groups = kept.groupby(list(_TOLD_APART), sort=True)
    of_row[asks] = groups.ngroup().to_numpy(dtype=np.int64)
    frame = groups[["patients", "due_mg"]].sum().reset_index().drop(columns="each_mg")
    alike = classes.loc[frame["class_id"]]
    for name in ("panel", "grade", "emergency", "route", "product", "locked"):
        frame[name] = alike[name].to_numpy()
    frame["stage"] = stage.loc[frame["class_id"]].to_numpy(dtype=np.int64)
    frame["pool"] = _pool_of(problem, frame["panel"])
    return Claims(frame[list(CLAIM_COLUMNS)], of_row)


def _pool_of(problem: Problem, panel: pd.Series) -> npt.NDArray[np.object_]:
    reach = problem.tier.stock_reach
    regions = dict(zip(problem.panels, problem.region_of, strict=True))
    pool = {code: {"panel": code, "region": regions[code], "national": NATIONAL}[reach] for code in problem.panels}
    return np.array([pool[code] for code in panel.tolist()], dtype=object)


def claims_of_demand(problem: Problem, demand: pd.DataFrame) -> Claims:
    """Claims of the demand table that a problem was built from; rows that are not funded or due nothing ask nothing.

    ``indication``, ``situation`` and ``days_overdue`` count as blank and 0 where the table does not have them.
    """
    asks = is_funded(demand) & (demand["due_mg"] > 0).to_numpy()
    keys = list(CLASS_KEYS)
    known = problem.classes.assign(fences=problem.classes.get("fences", ""))
    found = class_keys(demand[asks]).merge(known[[*keys, "class_id"]], on=keys, how="left", validate="many_to_one")
    class_id = np.full(len(demand), NONE, dtype=np.int64)
    class_id[asks] = found["class_id"].to_numpy(dtype=np.int64)
    rows = pd.DataFrame({"class_id": class_id, "due_mg": demand["due_mg"].to_numpy(dtype=np.int64)})
    for name in ("indication", "situation"):
        rows[name] = demand[name].astype(object).fillna("").to_numpy() if name in demand else ""
    rows["days_overdue"] = demand["days_overdue"].to_numpy() if "days_overdue" in demand else 0
    if "patients" in demand:
        rows["patients"] = demand["patients"].to_numpy()
    return gather_claims(problem, rows)


def usual_mg_by_panel(demand: pd.DataFrame) -> dict[str, float]:
    """Milligrams a week that each panel's funded long-term patients are on, whether or not they are due now.

    Every panel of the table has an entry. Where the table does not say how often courses come, all are 0.
    """
    usual = dict.fromkeys(sorted(demand["panel"].astype(str).unique().tolist()), 0.0)
    if not {"course_mg", "cycle_weeks"} <= set(demand.columns):
        return usual
    weekly = demand["course_mg"] / demand["cycle_weeks"].where(demand["cycle_weeks"] > 0)
    sums = weekly[is_funded(demand)].fillna(0.0).groupby(demand["panel"].astype(str)).sum()
    # Rounded, so that the order of the rows cannot show in the last digits.
    return usual | {str(panel): round(float(mg) / MG_PER_G, 3) * MG_PER_G for panel, mg in sums.items()}


def make_case(problem: Problem, claims: Claims, *, estate_mg: Mapping[str, int], usual_mg: Mapping[str, float]) -> Case:
    """The case of a policy; a copy, so that nothing it does to it reaches the engine."""
    return Case(claims.frame.copy(), problem.tier, dict(estate_mg), dict(usual_mg))
