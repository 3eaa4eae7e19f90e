"""The plain allocation program in other tools: SciPy, and Pyomo with a HiGHS that is kept between stages.

Both are given the rows that PuLP stated, so that they solve the very same program; making their own form of it is part
of their time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pulp

__all__ = ["Rows", "by_pyomo", "by_scipy", "rows_of"]

SLACK = 1e-6


@dataclass(frozen=True)
class Rows:
    """``sum of value x column <= high`` for each row; upper bounds; and goals to be made least, one after the other."""

    high: list[float]
    rows: list[tuple[list[int], list[float], float]]
    goals: dict[str, tuple[list[int], list[float], float]]


def rows_of(prob: pulp.LpProblem, goals: dict[str, Any], order: Sequence[str]) -> Rows:
    """What PuLP stated, in plain lists."""
    columns = {var.name: place for place, var in enumerate(prob.variables())}
    rows = []
    for constraint in prob.constraints():
        at = [columns[var.name] for var in constraint]
        values = [float(value) for value in constraint.values()]
        if constraint.sense <= 0:
            rows.append((at, values, -float(constraint.constant)))
        if constraint.sense >= 0:
            rows.append((at, [-value for value in values], float(constraint.constant)))
    found = {}
    for name in order:
        goal = pulp.LpAffineExpression(goals[name])
        found[name] = [columns[var.name] for var in goal], [float(v) for v in goal.values()], float(goal.constant)
    high = [np.inf if var.upBound is None else float(var.upBound) for var in prob.variables()]
    return Rows(high, rows, found)


def by_scipy(program: Rows) -> dict[str, float]:
    """``scipy.optimize.linprog`` with HiGHS on sparse rows, once a stage, each earlier goal held by a row."""
    from scipy.optimize import linprog
    from scipy.sparse import csr_array, vstack

    n = len(program.high)
    starts = np.cumsum([0, *(len(at) for at, _, _ in program.rows)])
    at = np.concatenate([np.array(row[0], dtype=np.int32) for row in program.rows])
    values = np.concatenate([np.array(row[1]) for row in program.rows])
    matrix: Any = csr_array((values, at, starts), shape=(len(program.rows), n))
    limits = np.array([limit for _, _, limit in program.rows])
    bounds = np.column_stack([np.zeros(n), program.high])
    found = {}
    for name, (columns, costs, constant) in program.goals.items():
        cost = np.zeros(n)
        cost[columns] = costs
        solved = linprog(cost, A_ub=matrix, b_ub=limits, bounds=bounds, method="highs")
        assert solved.status == 0, solved.message
        found[name] = float(solved.fun) + constant
        matrix = vstack([matrix, csr_array(cost[None, :])], format="csr")
        limits = np.append(limits, solved.fun + SLACK)
    return found


def by_pyomo(program: Rows) -> dict[str, float]:
    """A Pyomo model held by its persistent HiGHS; each stage changes the objective and adds a row."""
    import pyomo.environ as pyo
    from pyomo.core.expr.numeric_expr import LinearExpression

    model = pyo.ConcreteModel()
    high = [None if bound == np.inf else bound for bound in program.high]
    model.x = pyo.Var(range(len(high)), bounds=lambda _, place: (0, high[place]))
    model.rows = pyo.ConstraintList()
    x = [model.x[place] for place in range(len(high))]
    for at, values, limit in program.rows:
        model.rows.add(LinearExpression(linear_coefs=values, linear_vars=[x[c] for c in at]) <= limit)
    solver = pyo.SolverFactory("appsi_highs")
    solver.highs_options = {"threads": 1, "parallel": "off"}
    found = {}
    model.goal = pyo.Objective(expr=0.0)
    for name, (columns, costs, constant) in program.goals.items():
        total = LinearExpression(linear_coefs=costs, linear_vars=[x[c] for c in columns])
        model.goal.set_value(total)
        result = solver.solve(model)
        assert str(result.solver.termination_condition) == "optimal"
        value = float(pyo.value(total))
        found[name] = value + constant
        model.rows.add(total <= value + SLACK)
    return found
