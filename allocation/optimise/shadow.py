"""What one more kilogram would buy and one fewer would cost: found by allocating again, not from duals.

Duals tell the worth of the next milligram at one of several optimal bases, and differ between solvers. A kilogram tried
out has one answer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from allocation.optimise.direct import exact_ration, without_solver
from allocation.optimise.limited import ration_limited, solve_limited
from allocation.optimise.linear import OpenSession
from allocation.optimise.network import UNLIMITED, Ints, Network, Pool, index_problem
from allocation.optimise.plan import Plan
from allocation.optimise.priority import Ration, ration_by_program
from allocation.optimise.problem import Problem
from allocation.optimise.program import SolverName, open_quickly
from allocation.optimise.sourcing import source_by_program
from allocation.quantities import MG_PER_G

__all__ = ["shadow_prices"]

_KILOGRAM_MG = 1_000_000
_GRADES = 5
_MOST_SOLVES = 40
_MOST_CLASSES = 200
# Shares are rounded down to milligrams, cell by cell, so the last digits of a difference mean nothing.
_DECIMALS = 1


def shadow_prices(problem: Problem, plan: Plan, *, solver: SolverName = "highs") -> pd.DataFrame:
    """Grams of each grade that a kilogram more or fewer of a product at a panel adds to the plan or takes from it.

    Parameters
    ----------
    problem, plan
        A problem and its plan.

    Returns
    -------
    DataFrame
        ``panel``, ``product``, ``grade`` (0 for ungraded), ``grams_per_kg`` served more with one kilogram more, and
        ``grams_per_kg_fewer`` served less with one kilogram fewer, or with none where less than one is in reach. Only
        where one of them is not 0. A figure below 0 says that a fairer or higher use takes grams from that grade, or
        gives them back.

    Notes
    -----
    Stock moves freely within a pool, so a kilogram is worth the same at each of its panels, but for panels whose
    deliveries are limited, which are priced by themselves or, in a pool with many of them, not at all; and products
    that the same classes may take are worth the same. Each such case is solved once. Where nobody is short another
    kilogram buys nothing, which needs no solving. A pool within side limits of more than :data:`_MOST_CLASSES` classes
    is not priced: each of its many programs would take seconds.
    """
    net = index_problem(problem)
    opener = open_quickly(solver)
    short = plan.cells["planned_mg"].to_numpy() < plan.cells["due_mg"].to_numpy()
    lines = []
    for pool in net.pools:
        if not len(pool.classes) or (net.limited_by_rows(pool) and len(pool.classes) > _MOST_CLASSES):
            continue
        before = _by_grade(net, pool, opener)
        lacking = bool(short[net.cell[pool.classes]].any())
        kinds = list(_alike(net, pool))
        for products in kinds:
            for places in _same_place(net, pool, len(kinds)):
                lines += _priced(net, pool, opener, products=products, places=places, before=before, lacking=lacking)
    named = [
        (problem.panels[panel], net.product_codes[product], grade, more, fewer)
        for panel, product, grade, more, fewer in sorted(lines, key=lambda line: (line[0], line[1], -line[2]))
    ]
    frame = pd.DataFrame(named, columns=["panel", "product", "grade", "grams_per_kg", "grams_per_kg_fewer"])
    return frame.astype({"grade": np.int64, "grams_per_kg": np.float64, "grams_per_kg_fewer": np.float64})


def _priced(
    net: Network, pool: Pool, opener: OpenSession, *, products: Ints, places: Ints, before: Ints, lacking: bool
) -> list[tuple[int, int, int, float, float]]:
    """Lines of products and panels at which a kilogram is worth the same."""
    more = np.zeros(_GRADES)
    if lacking:
        changed = _with_more(net, int(places[0]), int(products[0]), _KILOGRAM_MG)
        more = np.round((_by_grade(changed, pool, opener) - before) / MG_PER_G, _DECIMALS)
    # Where the panels are alike stock moves between them, so it is the pool that has a kilogram fewer.
    source = pool.locations if len(places) == len(pool.panels) else places[:1]
    taken = np.minimum(net.stock_mg[source][:, products].sum(axis=0), _KILOGRAM_MG)
    lines = []
    for amount in np.unique(taken):
        alike = products[taken == amount]
        fewer = np.zeros(_GRADES)
        if amount:
            changed = _with_fewer(net, source, int(alike[0]), int(amount))
            fewer = np.round((before - _by_grade(changed, pool, opener)) / MG_PER_G, _DECIMALS)
        lines += [
            (int(panel), int(product), int(grade), float(more[grade]), float(fewer[grade]))
            for panel in places
            for product in alike
            for grade in np.flatnonzero((more != 0) | (fewer != 0))
        ]
    return lines


def _same_place(net: Network, pool: Pool, kinds: int) -> Iterator[Ints]:
    """Panels of a pool at which a kilogram is worth the same: all but those whose deliveries are limited.

    Those are left out where pricing each by itself would take more programs than :data:`_MOST_SOLVES`.
    """
    rows = net.rows
    if rows is None:
        yield pool.panels
        return
    alone = (rows.into_mg[pool.panels] < UNLIMITED) | (rows.out_of_mg[pool.panels] < UNLIMITED)
    if not alone.all():
        yield pool.panels[~alone]
    if 2 * kinds * int(alone.sum()) <= _MOST_SOLVES:
        for panel in pool.panels[alone]:
            yield np.array([panel])


def _with_more(net: Network, place: int, product: int, mg: int) -> Network:
    stock_mg = net.stock_mg.copy()
    stock_mg[place, product] += mg
    return replace(net, stock_mg=stock_mg)


def _with_fewer(net: Network, places: Ints, product: int, mg: int) -> Network:
    """The network with stock taken away, from open stock before stock inside a fence."""
    stock_mg, rows = net.stock_mg.copy(), net.rows
    fence_mg = None if rows is None else rows.fence_mg.copy()
    left = mg
    for place in places.tolist():
        fenced = 0 if rows is None else int(rows.fence_mg[rows.fence_product == product, place].sum())
        taken = min(left, int(stock_mg[place, product]) - fenced)
        stock_mg[place, product] -= taken
        left -= taken
    if left and rows is not None and fence_mg is not None:
        for place in places.tolist():
            for fence in np.flatnonzero(rows.fence_product == product).tolist():
                taken = min(left, int(fence_mg[fence, place]))
                fence_mg[fence, place] -= taken
                stock_mg[place, product] -= taken
                left -= taken
        return replace(net, stock_mg=stock_mg, rows=replace(rows, fence_mg=fence_mg))
    return replace(net, stock_mg=stock_mg)


def _by_grade(net: Network, pool: Pool, opener: OpenSession) -> Ints:
    """Milligrams served of each grade, shape (grades,)."""
    if net.limited_by_rows(pool) and not _mixed(net, pool):
        return _grades_of(net, pool, ration_limited(net, pool, opener))
    if net.limited_by_rows(pool):
        supplies = solve_limited(net, pool, opener)[1]
        return np.bincount(net.grade[supplies.classes], weights=supplies.mg, minlength=_GRADES).astype(np.int64)
    found = without_solver(net, pool)
    ration = found[0] if found else exact_ration(net, pool) or ration_by_program(net, pool, opener)
    if not _mixed(net, pool):
        return _grades_of(net, pool, ration)
    # Within a cell of several grades it is the choice of products that says who is served.
    supplies = source_by_program(net, pool, ration, opener) if found is None else found[1]
    return np.bincount(net.grade[supplies.classes], weights=supplies.mg, minlength=_GRADES).astype(np.int64)


def _grades_of(net: Network, pool: Pool, ration: Ration) -> Ints:
    grade = np.zeros(len(ration.cells), dtype=np.int64)
    grade[np.searchsorted(ration.cells, net.cell[pool.classes])] = net.grade[pool.classes]
    return np.bincount(grade, weights=ration.cell_mg, minlength=_GRADES).astype(np.int64)


def _mixed(net: Network, pool: Pool) -> bool:
    """Whether some cell has classes of several grades."""
    pairs = np.unique(np.stack([net.cell[pool.classes], net.grade[pool.classes]]), axis=1)
    return bool(len(np.unique(pairs[0])) < pairs.shape[1])


def _alike(net: Network, pool: Pool) -> Iterator[Ints]:
    """Products of a pool that somebody may take, in groups that are worth the same."""
    cls = pool.classes
    used = np.unique(net.choice[cls[net.choice[cls] >= 0]])
    # Whose product it is counts where switching is limited, and where it decides between grades.
    limited = net.switch_limit_mg is not None or _mixed(net, pool) or net.limited_by_rows(pool)
    tied = cls[(net.own[cls] >= 0) & ((net.choice[cls] < 0) | limited)]
    own = np.zeros((0, net.stock_mg.shape[1]), dtype=np.bool_)
    if len(tied):
        own = np.unique(net.own[tied])[:, None] == np.arange(net.stock_mg.shape[1])
    takes = np.vstack([net.choices[used], own])
    _, kind = np.unique(np.vstack([takes, net.reserve_choice]), axis=1, return_inverse=True)
    kind = np.where(takes.any(axis=0), kind.reshape(-1), -1)
    for group in np.unique(kind[kind >= 0]):
        yield np.flatnonzero(kind == group)
