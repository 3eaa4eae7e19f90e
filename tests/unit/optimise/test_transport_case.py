"""A transport program from outside, solved through our own statement of programs.

Supplies 1000 and 4000, demands 500, 900, 1800, 200 and 700, and costs 2 4 5 2 1 / 3 1 3 2 3: the beer distribution
problem of PuLP's documentation (its case study "A Transportation Problem"). Least cost 8600; one more unit of the first
supply lowers it by 1.
"""

from __future__ import annotations

import numpy as np
import pytest

from allocation.optimise.linear import INFINITY, LinearProgram, Row
from allocation.optimise.solvers import open_session

SUPPLY = (1000.0, 4000.0)
DEMAND = (500.0, 900.0, 1800.0, 200.0, 700.0)
COST = np.array([[2, 4, 5, 2, 1], [3, 1, 3, 2, 3]], dtype=np.float64)


def transport(supply=SUPPLY):
    program = LinearProgram()
    columns = program.add_columns(np.full(10, INFINITY)).reshape(2, 5)
    for row, amount in zip(columns, supply, strict=True):
        program.add_row(row.tolist(), [1.0] * 5, low=-INFINITY, high=amount)
    for column, amount in zip(columns.T, DEMAND, strict=True):
        program.add_row(column.tolist(), [1.0] * 2, low=amount, high=INFINITY)
    return program, columns


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_least_cost_and_dual_of_the_first_supply(solver):
    program, columns = transport()
    solution = open_session(solver)(program).minimise(columns.reshape(-1), COST.reshape(-1))
    assert solution.objective == pytest.approx(8600)
    assert solution.row_dual[0] == pytest.approx(-1)
    assert solution.row_dual[1] == pytest.approx(0)
    shipped = solution.x[columns]
    assert shipped.sum(axis=0) == pytest.approx(DEMAND)
    assert (shipped.sum(axis=1) <= np.array(SUPPLY) + 1e-6).all()


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_the_dual_is_what_solving_again_shows(solver):
    for change in (1.0, -1.0):
        program, columns = transport((SUPPLY[0] + change, SUPPLY[1]))
        solution = open_session(solver)(program).minimise(columns.reshape(-1), COST.reshape(-1))
        assert solution.objective == pytest.approx(8600 - change)


@pytest.mark.parametrize("solver", ["highs", "cbc"])
def test_a_session_takes_new_rows_and_bounds(solver):
    program, columns = transport()
    session = open_session(solver)(program)
    flat, cost = columns.reshape(-1), COST.reshape(-1)
    row = session.add_rows([Row([int(columns[1, 1])], [1.0], -INFINITY, 500.0)])
    # 400 to the second place come from the first supplier, which frees nothing else: each costs 3 more, and the
    # first supplier's cheapest alternatives are displaced at 1 more.
    limited = session.minimise(flat, cost).objective
    assert limited > 8600
    session.free(row)
    assert session.minimise(flat, cost).objective == pytest.approx(8600)
    session.bound([int(columns[0, 4])], np.array([0.0]), np.array([0.0]))
    assert session.minimise(flat, cost).objective > 8600
