"""What one more kilogram would buy: found by allocating again with that kilogram, not from duals.

Duals tell the worth of the next milligram at one of several optimal bases, and differ between solvers. A kilogram tried
out has one answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from allocation.optimise.direct import without_solver
from allocation.optimise.linear import OpenSession
from allocation.optimise.network import Ints, Network, Pool, index_problem
from allocation.optimise.plan import Plan
from allocation.optimise.priority import ration_by_program
from allocation.optimise.problem import Problem
from allocation.optimise.program import SolverName, open_session
from allocation.optimise.sourcing import source_by_program
from allocation.quantities import MG_PER_G

__all__ = ["shadow_prices"]

_KILOGRAM_MG = 1_000_000
_GRADES = 5
# Shares are rounded down to milligrams, cell by cell, so the last digits of a difference mean nothing.
_DECIMALS = 1


def shadow_prices(problem: Problem, plan: Plan, *, solver: SolverName = "highs") -> pd.DataFrame:
    """Grams of each grade that one more kilogram of a product at a panel would let the plan serve.

    Parameters
    ----------
    problem, plan
        A problem and its plan.

    Returns
    -------
    DataFrame
        ``panel``, ``product``, ``grade`` (0 for ungraded), ``grams_per_kg``. Only where it is not 0: where nobody goes
        short, or nobody short may take the product, a kilogram buys nothing. A figure below 0 says that a fairer or
        higher use takes grams from that grade.

    Notes
    -----
    Stock moves freely within a pool, so a kilogram is worth the same at each of its panels; and products that the same
    classes may take are worth the same. Each such case is solved once.
    """
    net = index_problem(problem)
    opener = open_session(solver)
    short = plan.cells["planned_mg"].to_numpy() < plan.cells["due_mg"].to_numpy()
    lines = []
    for pool in net.pools:
        if not short[net.cell[pool.classes]].any():
            continue
        before = _by_grade(net, pool, opener)
        for products in _alike(net, pool):
            gain = _by_grade(_with_kilogram(net, pool, int(products[0])), pool, opener) - before
            grams = np.round(gain / MG_PER_G, _DECIMALS)
            lines += [
                (int(panel), int(product), int(grade), float(grams[grade]))
                for panel in pool.panels
                for product in products
                for grade in np.flatnonzero(grams)
            ]
    named = [
        (problem.panels[panel], net.product_codes[product], grade, grams)
        for panel, product, grade, grams in sorted(lines, key=lambda line: (line[0], line[1], -line[2]))
    ]
    frame = pd.DataFrame(named, columns=["panel", "product", "grade", "grams_per_kg"])
    return frame.astype({"grade": np.int64, "grams_per_kg": np.float64})


def _with_kilogram(net: Network, pool: Pool, product: int) -> Network:
    stock_mg = net.stock_mg.copy()
    stock_mg[pool.locations[0], product] += _KILOGRAM_MG
    return replace(net, stock_mg=stock_mg)


def _by_grade(net: Network, pool: Pool, opener: OpenSession) -> Ints:
    """Milligrams served of each grade, shape (grades,)."""
    found = without_solver(net, pool)
    ration = ration_by_program(net, pool, opener) if found is None else found[0]
    if not _mixed(net, pool):
        grade = np.zeros(len(ration.cells), dtype=np.int64)
        grade[np.searchsorted(ration.cells, net.cell[pool.classes])] = net.grade[pool.classes]
        return np.bincount(grade, weights=ration.cell_mg, minlength=_GRADES).astype(np.int64)
    # Within a cell of several grades it is the choice of products that says who is served.
    supplies = source_by_program(net, pool, ration, opener) if found is None else found[1]
    return np.bincount(net.grade[supplies.classes], weights=supplies.mg, minlength=_GRADES).astype(np.int64)


def _mixed(net: Network, pool: Pool) -> bool:
    """Whether some cell has classes of several grades."""
    pairs = np.unique(np.stack([net.cell[pool.classes], net.grade[pool.classes]]), axis=1)
    return bool(len(np.unique(pairs[0])) < pairs.shape[1])


def _alike(net: Network, pool: Pool) -> Iterator[Ints]:
    """Products of a pool that somebody may take, in groups that are worth the same."""
    cls = pool.classes
    used = np.unique(net.choice[cls[net.choice[cls] >= 0]])
    # Whose product it is counts where switching is limited, and where it decides between grades.
    limited = net.switch_limit_mg is not None or _mixed(net, pool)
    tied = cls[(net.own[cls] >= 0) & ((net.choice[cls] < 0) | limited)]
    own = np.zeros((0, net.stock_mg.shape[1]), dtype=np.bool_)
    if len(tied):
        own = np.unique(net.own[tied])[:, None] == np.arange(net.stock_mg.shape[1])
    takes = np.vstack([net.choices[used], own])
    _, kind = np.unique(np.vstack([takes, net.reserve_choice]), axis=1, return_inverse=True)
    kind = np.where(takes.any(axis=0), kind.reshape(-1), -1)
    for group in np.unique(kind[kind >= 0]):
        yield np.flatnonzero(kind == group)
