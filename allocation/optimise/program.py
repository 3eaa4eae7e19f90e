"""The allocation program: shares of the panels pool by pool, by proof where that is enough, else by a solver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import TypeVar

import numpy as np

from allocation.errors import SolverError
from allocation.optimise.direct import exact_rations, full_ration, serve_everywhere, settle_panels
from allocation.optimise.limited import solve_limited
from allocation.optimise.linear import OpenSession
from allocation.optimise.network import Network, Pool, index_problem
from allocation.optimise.plan import Plan, make_plan
from allocation.optimise.priority import Ration, ration_by_program
from allocation.optimise.problem import Problem
from allocation.optimise.solvers import SolverName, open_quickly, open_session, solver_title
from allocation.optimise.sourcing import Supplies, source_by_program

__all__ = ["solve"]

_Found = TypeVar("_Found")


def solve(problem: Problem, *, solver: SolverName = "highs", by_program: bool = False) -> Plan:
    """The optimal plan of a problem.

    Stage after stage of the tier: the most grams served, then the fairest shares (leximin); the reserve after the
    first stage; then the fewest grams switched, the fewest moved, the fewest given by another route.

    Parameters
    ----------
    solver
        ``"highs"``, or ``"cbc"`` to check it. Their objectives are equal; so are their plans in every case tested.
    by_program
        Leave the proofs of :mod:`allocation.optimise.direct` aside and find every share by the program, to check them.

    Returns
    -------
    Plan
        Whole milligrams. A cell's share is rounded down, so a stage's plan may fall short of its objective by less
        than one milligram a cell.

    Raises
    ------
    SolverError
        Where a program has no proven optimum.
    """
    start = perf_counter()
    opener = open_session(solver)
    net = index_problem(problem)
    pools = net.pools
    supplies = serve_everywhere(net, pools)
    rations = [
        full_ration(net, pool, supply) if supply is not None and not (by_program and len(pool.classes)) else None
        for pool, supply in zip(pools, supplies, strict=True)
    ]
    if not by_program:
        _fill_in(rations, lambda at: exact_rations(net, [pools[n] for n in at]))
    solved = set()
    for number, pool in enumerate(pools):
        if rations[number] is None:
            solved.add(number)
            if net.limited_by_rows(pool):
                rations[number], supplies[number] = solve_limited(net, pool, opener)
            else:
                rations[number] = ration_by_program(net, pool, opener)
    whole = [ration for ration in rations if ration is not None]
    _fill_in(supplies, lambda at: settle_panels(net, [pools[n] for n in at], [whole[n] for n in at]))
    sourcing = opener if by_program else open_quickly(solver, in_turn=True)
    cell_mg = np.zeros(len(net.cell_due_mg), dtype=np.int64)
    given = []
    for number, (pool, ration, settled) in enumerate(zip(pools, whole, supplies, strict=True)):
        if settled is None:
            solved.add(number)
        supply = settled or _sourced(net, pool, ration, sourcing)
        given.append(replace(supply, programs=supply.programs + ration.programs) if ration.programs else supply)
        np.add.at(cell_mg, net.cell[supply.classes], supply.mg)
    return make_plan(
        net,
        cell_mg,
        [ration.stages for ration in whole],
        given,
        solver=solver_title(solver) if solved else "none needed",
        parts=(len(pools) - len(solved), len(solved)),
        seconds=perf_counter() - start,
    )


def _fill_in(found: list[_Found | None], find: Callable[[list[int]], list[_Found | None]]) -> None:
    """Look for what is still missing."""
    missing = [number for number, item in enumerate(found) if item is None]
    if missing:
        for number, item in zip(missing, find(missing), strict=True):
            found[number] = item


def _sourced(net: Network, pool: Pool, ration: Ration, opener: OpenSession) -> Supplies:
    """Products and places for what was rationed.

    Where panels with limits on switching share stock, amounts need not be whole before rounding, and the last
    milligram of a share may not be there: then each cell served in part goes without it.
    """
    try:
        return source_by_program(net, pool, ration, opener)
    except SolverError:
        part = ration.cell_mg < net.cell_due_mg[ration.cells]
        less = np.where(part, np.maximum(ration.cell_mg - 1, 0), ration.cell_mg)
        return source_by_program(net, pool, replace(ration, cell_mg=less), opener)
