"""Whether a week's sourcing program gains from the week before.

    python tests/benchmark/bench_week_to_week.py [--rounds 5] [--panels 24] [--weeks 104] [--out FILE]

Plays the shortage of ``bench_simulation.py`` once and keeps every program it solves. Then it solves them in order, each
way in turn: with a solver made anew; with one solver, emptied, as igalloc does; from the basis that the week before
ended with; the same with costs that do not depend on the week, so that this basis still prices right; and over the
columns that earlier weeks used, others coming in where they would gain. Each way must reach the least cost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import zlib
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import highspy
import numpy as np
from bench_simulation import PANELS, PATIENTS, WEEKS, world_of
from scipy.sparse import csc_matrix, csr_matrix

from allocation.optimise import solvers, sourcing
from allocation.optimise.network import Floats, Ints, Network, Pool
from allocation.optimise.priority import Ration
from allocation.simulation.engine import play

OPTIONS = {"output_flag": False, "threads": 1, **solvers._HIGHS_OPTIONS, **solvers._ONCE}
PRIMAL = 4
GAIN = 1e-7
"""A column comes in where it gains more than this, the solver's own tolerance."""
CLOSE = 1e-9
SWITCHED, MOVED, ROUTED = 1e6, 2e4, 2e2
"""Costs of a gram that are the same each week."""
LOWER, BASIC = highspy.HighsBasisStatus.kLower, highspy.HighsBasisStatus.kBasic


@dataclass(frozen=True)
class Stated:
    """A program, with names of its columns and rows that mean the same in another week."""

    pool: str
    columns: list[Hashable]
    rows: list[Hashable]
    bounds: tuple[Floats, Floats, Floats, Floats]
    matrix: csr_matrix
    cost: Floats
    same_cost: Floats


class Named(sourcing._Build):
    """A program that can say what its columns and rows are."""

    found: list[Stated] = []

    def __init__(self, net: Network, pool: Pool, ration: Ration) -> None:
        self.put: list[Ints] = []
        super().__init__(net, pool, ration)
        sets = [(row.tobytes(), route) for row, route in zip(net.choices, net.choice_route.tolist(), strict=True)]

        def group(at: int) -> Hashable:
            cells = ration.cells[at - net.n_panels :]
            return at if at < net.n_panels else ("part", int(net.cell_stage[cells[0]]), int(net.cell_panel[cells[0]]))

        def path(key: int) -> Hashable:
            return group(key // self.n_choices), sets[key % self.n_choices]

        def hub(at: int) -> Hashable:
            return path(int(self.hubs[at]))

        into = zip(self.into.tolist(), self.into_product.tolist(), strict=True)
        kinds: list[tuple[Ints, Iterable[Hashable]]] = [
            (self.same.columns, [(path(k // self.n_products), k % self.n_products) for k in self.same.keys.tolist()]),
            (self.lock.columns, [(group(k // self.n_products), k % self.n_products) for k in self.lock.keys.tolist()]),
            (self.switch.columns, [path(k) for k in self.switch.keys.tolist()]),
            (self.open.columns, [path(k) for k in self.open.keys.tolist()]),
            (self.into_columns, [(hub(at), product) for at, product in into]),
            (self.held_columns, range(len(self.held_columns))),
            (self.moved_columns, self.uses[: len(self.moved_columns)].tolist()),
        ]
        columns: dict[int, Hashable] = {}
        for kind, (at, names) in enumerate(kinds):
            columns |= {column: (kind, name) for column, name in zip(at.tolist(), names, strict=True)}
        # In the order in which rows are put: uses, what pools hold, the reserve, hubs, cells, switches.
        say: list[Callable[[int], Hashable]] = [lambda n: int(self.uses[n])]
        say += [lambda n: ("pool", n)] * bool(self.several or self.reserve_mg)
        say += [lambda n: ("reserve", n)] * bool(self.reserve_mg)
        say += [lambda n: ("hub", hub(n)), lambda n: ("cell", group(n + net.n_panels))]
        say += [lambda n: ("switch", path(int(self.switch.keys[n])))]
        rows = [(kind, say[kind](n)) for kind, numbers in enumerate(self.put) for n in numbers.tolist()]
        every, size = self.program.matrix(), len(columns)
        starts = np.append(0, np.cumsum(every.lengths))
        _, whole = self._hub_of_block(self.same)
        same_cost = np.array([zlib.crc32(repr(columns[n]).encode()) / 2**32 for n in range(size)])
        same_cost[self.same.columns[whole]] -= SWITCHED
        same_cost[self.switch.columns] += SWITCHED
        same_cost[self.moved_columns] += MOVED
        same_cost[self.into_columns] += ROUTED * self._other_route()
        bounds = (np.array(self.program.low), np.array(self.program.high), every.low, every.high)
        matrix = csr_matrix((every.values, every.columns, starts), shape=(len(rows), size))
        Named.found.append(
            Stated(pool.name, [columns[n] for n in range(size)], rows, bounds, matrix, self.objectives()[-1], same_cost)
        )

    def _rows(self) -> None:
        _, panels, products = self._uses()
        self.uses = np.unique(panels * self.n_products + products)
        super()._rows()

    def _put(self, row: Ints, *rest: Any, **bounds: Any) -> None:
        self.put.append(np.unique(row))
        super()._put(row, *rest, **bounds)


def new_solver() -> Any:
    solver = highspy.Highs()
    for name, value in OPTIONS.items():
        solver.setOptionValue(name, value)
    return solver


def passed(solver: Any, stated: Stated, cost: Floats, columns: Ints | None = None) -> Any:
    low, high, row_low, row_high = stated.bounds
    matrix = stated.matrix
    if columns is not None:
        low, high, cost, matrix = low[columns], high[columns], cost[columns], matrix[:, columns]
    solver.passModel(
        *(len(cost), len(row_low), matrix.nnz, int(highspy.MatrixFormat.kRowwise)),
        *(int(highspy.ObjSense.kMinimize), 0.0, cost, low, high, row_low, row_high),
        *(matrix.indptr.astype(np.int32), matrix.indices.astype(np.int32), matrix.data),
        np.zeros(len(cost), dtype=np.int32),
    )
    return solver


class Way:
    """One way to solve the programs of one week after the other. ``steps`` and ``run_s`` are the solver's own."""

    def __init__(self, *, same: bool = False) -> None:
        self.same, self.steps, self.run_s = same, 0, 0.0

    def least(self, solver: Any) -> float:
        """The least cost; NaN where there is no solution."""
        start = time.process_time()
        solver.run()
        self.run_s += time.process_time() - start
        info = solver.getInfo()
        self.steps += info.simplex_iteration_count
        optimal = solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
        return float(info.objective_function_value) if optimal else float("nan")

    def cost(self, stated: Stated) -> Floats:
        return stated.same_cost if self.same else stated.cost

    def solver(self) -> Any:
        return new_solver()

    def solve(self, stated: Stated) -> float:
        return self.least(passed(self.solver(), stated, self.cost(stated)))


class Kept(Way):
    """One solver, emptied."""

    def __init__(self) -> None:
        super().__init__()
        self.model = new_solver()

    def solver(self) -> Any:
        self.model.clearModel()
        return self.model


class LastBasis(Way):
    """From where the same pool's last program ended; a new column is at 0, a new row does not bind."""

    def __init__(self, *, same: bool = False) -> None:
        super().__init__(same=same)
        self.last: dict[str, tuple[dict[Hashable, Any], dict[Hashable, Any]]] = {}

    def solve(self, stated: Stated) -> float:
        solver = passed(self.solver(), stated, self.cost(stated))
        if stated.pool in self.last:
            columns, rows = self.last[stated.pool]
            basis = highspy.HighsBasis()
            basis.col_status = [columns.get(name, LOWER) for name in stated.columns]
            basis.row_status = [rows.get(name, BASIC) for name in stated.rows]
            # Said to be from elsewhere, so that it is completed where it is no basis of this program.
            basis.valid = basis.alien = True
            solver.setBasis(basis)
        found = self.least(solver)
        ended = solver.getBasis()
        self.last[stated.pool] = (
            dict(zip(stated.columns, ended.col_status, strict=True)),
            dict(zip(stated.rows, ended.row_status, strict=True)),
        )
        return found


class UsedColumns(Way):
    """Over the columns that the pool's programs have used so far, then those that would gain come in; else over all."""

    def __init__(self) -> None:
        super().__init__()
        self.used: dict[str, set[Hashable]] = {}

    def solve(self, stated: Stated) -> float:
        used = self.used.setdefault(stated.pool, set())
        at = np.flatnonzero([name in used for name in stated.columns])
        found = float("nan")
        if len(at):
            solver = passed(self.solver(), stated, stated.cost, at)
            found = self.least(solver)
        while not np.isnan(found):
            gain = stated.matrix.T @ np.array(solver.getSolution().row_dual) - stated.cost
            gain[at] = 0.0
            better = np.flatnonzero(gain > GAIN)
            if not len(better):
                break
            part, (low, high, *_) = csc_matrix(stated.matrix[:, better]), stated.bounds
            solver.setOptionValue("simplex_strategy", PRIMAL)
            solver.addCols(
                *(len(better), stated.cost[better], low[better], high[better], part.nnz),
                *(part.indptr[:-1].astype(np.int32), part.indices.astype(np.int32), part.data),
            )
            at, found = np.append(at, better), self.least(solver)
        if np.isnan(found):
            at = np.arange(len(stated.columns))
            solver = passed(self.solver(), stated, stated.cost)
            found = self.least(solver)
        gives = np.array(solver.getSolution().col_value) > 0
        used |= {stated.columns[n] for n in at[gives].tolist()}
        return found


WAYS: dict[str, Callable[[], Way]] = {
    "a new solver each time": Way,
    "one solver, emptied (ours)": Kept,
    "from the last basis": LastBasis,
    "costs the same each week": lambda: Way(same=True),
    "the same, from the last basis": lambda: LastBasis(same=True),
    "over the columns used so far": UsedColumns,
}


def programs_of(panels: int, weeks: int) -> list[Stated]:
    """Every sourcing program of a replication, in order."""
    plain = sourcing._Build
    sourcing._Build = Named  # type: ignore[misc]
    try:
        play(world_of(PATIENTS, panels, weeks), seed=1, replication=0)
    finally:
        sourcing._Build = plain  # type: ignore[misc]
    return Named.found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--panels", type=int, default=PANELS)
    parser.add_argument("--weeks", type=int, default=WEEKS)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    every = programs_of(options.panels, options.weeks)
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    steps: dict[str, float] = {}
    best: dict[bool, Floats] = {}
    for _ in range(options.rounds):
        for name, make in WAYS.items():
            way = make()
            start = time.process_time()
            found = np.array([way.solve(stated) for stated in every])
            seconds[name].append((time.process_time() - start, way.run_s))
            steps[name] = way.steps / len(every)
            known = best.setdefault(way.same, found)
            if not np.allclose(found, known, rtol=CLOSE, atol=1e-3):
                sys.exit(f"{name}: not the least cost")
    print(f"{len(every)} programs of {options.weeks} weeks, {options.panels} panels, {options.rounds} rounds")
    first, told = seconds["a new solver each time"], {}
    for name, spent in seconds.items():
        each = [[one / new for one, new in zip(*pair, strict=True)] for pair in zip(spent, first, strict=True)]
        told[name] = {"seconds": spent, "of_new": each, "steps": steps[name]}
        all_of_it, run = (
            f"{statistics.median(of):.2f} ({min(of):.2f} to {max(of):.2f})" for of in zip(*each, strict=True)
        )
        print(f"  {name}: {all_of_it}, the solver alone {run}, {steps[name]:.0f} steps")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps({"programs": len(every), "ways": told}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
