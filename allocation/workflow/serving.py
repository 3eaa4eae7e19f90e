"""Serving those due now: the program, the policy and whole vials; again where a look-ahead kept the wrong vials."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from allocation.workflow.looking_ahead import LookedAhead
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    import pandas as pd

    from allocation.optimise import PatientResult, Problem
    from allocation.optimise.policies import FoundPolicy, Settled
    from allocation.optimise.side_limits import SideLimits
    from allocation.optimise.solvers import SolverName
    from allocation.rules.supply import Tier

__all__ = ["ServedNow", "grams_of", "serve_now"]


@dataclass(frozen=True, slots=True)
class ServedNow:
    """Who gets which vials now.

    Attributes
    ----------
    asked
        The problem before the policy made its rounds of it.
    demand
        The demand table that was served, with what the policy put into it.
    usable
        Vials that might be given.
    ahead
        The look-ahead as it is after that; None without one.
    """

    asked: Problem
    settled: Settled
    demand: pd.DataFrame
    people: PatientResult
    usable: pd.DataFrame
    ahead: LookedAhead | None


def serve_now(
    demand: pd.DataFrame,
    usable: pd.DataFrame,
    limits: SideLimits | None,
    *,
    ahead: LookedAhead | None,
    policy: FoundPolicy,
    tier: Tier,
    reserve: pd.DataFrame,
    all_stock: pd.DataFrame,
    seed: int,
    solver: str,
    rules: RulesInUse,
) -> ServedNow:
    """Plan, settle and serve.

    Parameters
    ----------
    usable, all_stock
        Vials that may be given, and all there are.

    Raises
    ------
    SolverError
        Where the program has no proven optimum.
    """
    from allocation.optimise import build_problem, serve_patients
    from allocation.optimise.policies import settle_demand, with_priority

    while True:
        asked = build_problem(
            demand,
            grams_of(usable),
            tier=tier,
            panels=rules.panels,
            products=rules.products,
            reserve=reserve,
            limits=limits,
        )
        by: SolverName = "cbc" if solver == "cbc" else "highs"
        settled = settle_demand(policy, asked, demand, solver=by)
        settled_demand = with_priority(settled, demand)
        people = serve_patients(
            settled_demand, settled.problem, settled.plan, usable, seed=seed, all_stock=all_stock, solver=by
        )
        eased = None if ahead is None else ahead.released(people)
        if eased is None:
            return ServedNow(asked, settled, settled_demand, people, usable, ahead)
        # Somebody goes short whom a vial kept for a later stage would serve: once more, with that vial.
        ahead, usable = eased, eased.first.stock


def grams_of(stock: pd.DataFrame) -> pd.DataFrame:
    """Milligrams by place and product, from vials."""
    mg = stock["vial_mg"] * stock["vials"]
    return stock.assign(mg=mg).groupby(["location", "product"], sort=True)["mg"].sum().reset_index()
