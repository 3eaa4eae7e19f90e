"""What is to be looked ahead to: who is due what in each week, which stock is there or comes when, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.weekly import weekly_by_patient
from allocation.errors import Fault, InputError
from allocation.optimise.horizon.limits import BATCH_COLUMNS, BlockLimits, fence_batches, limits_by_block
from allocation.optimise.network import NONE
from allocation.optimise.problem import CLASS_KEYS, Problem, build_problem, class_keys, is_funded
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules import PanelSet, ProductSet
from allocation.rules.limits import LimitSet
from allocation.rules.supply import Tier

__all__ = ["HorizonProblem", "build_horizon", "last_weeks", "weeks_of_stock"]

_WEEK_COLUMNS = tuple(name for name in BATCH_COLUMNS if name not in ("fence", "mg"))


@dataclass(frozen=True, slots=True, eq=False)
class HorizonProblem:
    """Demand and stock of several weeks.

    Attributes
    ----------
    total
        The demand classes with what they are due over all weeks, and all stock: who may take what, and what is fair.
    weeks, first
        Weeks looked at, and how many of them the allocation is for.
    due_mg
        Milligrams due, shape (classes of ``total`` in their order, weeks).
    stock
        ``location``, ``product``, ``from_week`` and ``until_week`` (first and last week of use), ``fence`` (number of
        the fence around it, -1 for open stock), ``mg``; what cannot be used within the weeks is left out.
    wait_weeks
        How long each grade may wait, by grade from 0 to 4.
    limits
        What each block of weeks may bring, switch and infuse.
    """

    total: Problem
    weeks: int
    first: int
    due_mg: npt.NDArray[np.int64]
    stock: pd.DataFrame
    wait_weeks: tuple[int, ...]
    limits: BlockLimits


def build_horizon(
    demand: pd.DataFrame,
    stock: pd.DataFrame,
    *,
    tier: Tier,
    panels: PanelSet,
    products: ProductSet,
    as_of: date,
    weeks: int,
    first: int,
    reserve: pd.DataFrame | None = None,
    limits: LimitSet | None = None,
) -> HorizonProblem:
    """Aggregate a demand table of ``weeks`` weeks, and stock with its deliveries.

    Parameters
    ----------
    demand
        Of :func:`allocation.cohort.demand.demand_table` for the same day and ``weeks``; where there are limits, marked
        by :func:`allocation.optimise.side_limits.mark_patients`.
    stock
        ``location``, ``product``, ``vial_mg``, ``vials``, ``expiry_date`` and ``available_from`` (NaT where there now).
    limits
        Side limits of an allocation of ``first`` weeks.

    Raises
    ------
    InputError
        Where the weeks are out of range, or as :class:`allocation.optimise.problem.Problem` does.
    """
    if not 0 < first <= weeks:
        raise InputError(Fault("--horizon-weeks", f"at least the {first} weeks of the allocation", value=str(weeks)))
    keep = is_funded(demand) & (demand["due_mg"] > 0).to_numpy()
    funded = demand.loc[keep].reset_index(drop=True)
    batches = weeks_of_stock(stock, as_of=as_of, weeks=weeks)
    side = None
    if limits is None:
        batches.insert(len(_WEEK_COLUMNS), "fence", np.int64(NONE))
    else:
        batches, side = fence_batches(batches, limits, panels=tuple(panels.by_code))
    total = build_problem(funded, batches, tier=tier, panels=panels, products=products, reserve=reserve, limits=side)
    long = weekly_by_patient(funded, as_of=as_of, weeks=weeks)
    names = list(CLASS_KEYS)
    keyed = class_keys(funded).merge(total.classes[[*names, "class_id"]], on=names, how="left")
    class_of = keyed["class_id"].to_numpy()
    due_mg = np.zeros((len(total.classes), weeks), dtype=np.int64)
    np.add.at(
        due_mg, (class_of[long["patient"].to_numpy()], long["week"].to_numpy()), long["mg"].to_numpy(dtype=np.int64)
    )
    wait = tuple(_wait(tier, grade, weeks) for grade in range(5))
    return HorizonProblem(total, weeks, first, due_mg, batches, wait, limits_by_block(total, due_mg, first=first))


def _wait(tier: Tier, grade: int, weeks: int) -> int:
    """How long a grade may wait: as its levers say; ungraded patients, who come last, as grade 1 does."""
    lever = tier.lever_of(grade or 1)
    if lever is None or lever.longest_wait_weeks is None or (grade or 1) not in tier.defer_grades:
        return 0
    return min(lever.longest_wait_weeks, weeks - 1)


def weeks_of_stock(stock: pd.DataFrame, *, as_of: date, weeks: int) -> pd.DataFrame:
    """Milligrams by place, product, and first and last week of use.

    A delivery counts from the first week that begins on or after its day; stock is used up to the week in which it
    expires.
    """
    today = np.datetime64(as_of)
    day = np.timedelta64(1, "D")
    come = ((stock["available_from"].to_numpy(dtype="datetime64[D]") - today) / day).astype(np.float64)
    first = np.where(np.isnan(come), 0, np.maximum(np.ceil(come / DAYS_PER_WEEK), 0))
    last = last_weeks(stock, as_of=as_of, weeks=weeks)
    table = pd.DataFrame(
        {
            "location": stock["location"].to_numpy(),
            "product": stock["product"].to_numpy(),
            "from_week": first.astype(np.int64),
            "until_week": last,
            "mg": stock["vial_mg"].to_numpy(dtype=np.int64) * stock["vials"].to_numpy(dtype=np.int64),
        }
    )
    usable = table[(table["from_week"] <= table["until_week"]) & (table["mg"] > 0)]
    grouped = usable.groupby(list(_WEEK_COLUMNS), sort=True)["mg"].sum().reset_index()
    return grouped.astype({"mg": np.int64})


def last_weeks(stock: pd.DataFrame, *, as_of: date, weeks: int) -> npt.NDArray[np.int64]:
    """Last week of use of each row: that of its expiry, or the last of all."""
    days = (stock["expiry_date"].to_numpy(dtype="datetime64[D]") - np.datetime64(as_of)) / np.timedelta64(1, "D")
    gone = days.astype(np.float64)
    return np.where(np.isnan(gone), weeks - 1, np.minimum(np.floor(gone / DAYS_PER_WEEK), weeks - 1)).astype(np.int64)
