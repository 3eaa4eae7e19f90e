"""The verifier: every result is checked without the solver before anybody sees it."""

from __future__ import annotations

import pandas as pd

from allocation.optimise.certificate import Certificate
from allocation.optimise.patients import PatientResult
from allocation.optimise.plan import Plan
from allocation.optimise.problem import Problem
from allocation.optimise.verify_patients import verify_patients
from allocation.optimise.verify_plan import verify_plan

__all__ = ["verify"]


def verify(
    problem: Problem,
    plan: Plan,
    *,
    demand: pd.DataFrame | None = None,
    stock: pd.DataFrame | None = None,
    result: PatientResult | None = None,
) -> Certificate:
    """Check a plan, and the whole vials made of it where they are given too.

    Parameters
    ----------
    demand, stock, result
        The demand table and the vials in stock that the patients were served from, and the result; all or none.

    Raises
    ------
    ValueError
        Where some of the three are given and others not.
    """
    checks = verify_plan(problem, plan)
    if demand is not None and stock is not None and result is not None:
        checks += verify_patients(problem, demand, stock, result)
    elif not (demand is None and stock is None and result is None):
        raise ValueError("demand, stock and result go together")
    return Certificate(tuple(checks))
