"""Solvers of programs. The only file that knows PuLP and HiGHS.

A program is stated in PuLP once for each component. HiGHS (simplex, one thread, fixed seed) then keeps it and is given
new costs, bounds and rows in place, starting each time from where the last one ended. CBC, which comes with PuLP, is
given the program anew each time; it is there to check HiGHS. Only a proven optimum is a result.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np

from allocation.errors import SolverError
from allocation.optimise.linear import INFINITY, LinearProgram, OpenSession, Row, Solution
from allocation.optimise.network import Floats, Ints

__all__ = ["SolverName", "open_quickly", "open_session", "open_whole", "solver_title"]

SolverName = Literal["highs", "cbc"]

_SEED = 20211
_HIGHS_OPTIONS: dict[str, object] = {
    "solver": "simplex",
    "parallel": "off",
    "random_seed": _SEED,
    # Primal: only costs change from one solve to the next, and the last optimum stays feasible.
    "simplex_strategy": 4,
}
# For a program solved once or twice: dual, and no presolve, which costs more than it saves here. The tie-break already
# tells costs apart, so shaking them more only makes steps that are taken back; and steps are cheap, so they are priced
# in the cheap way (Devex).
_ONCE: dict[str, object] = {
    "simplex_strategy": 1,
    "presolve": "off",
    "dual_simplex_cost_perturbation_multiplier": 0.0,
    "simplex_dual_edge_weight_strategy": 1,
}
# In whole numbers, with an objective that is whole too: less than one above the least is the least. Branches are
# counted, not seconds, so that what is left open is the same on every machine.
_BRANCHES = 100
_IN_WHOLE: dict[str, object] = {
    "solver": "choose",
    "presolve": "choose",
    "mip_rel_gap": 0.0,
    "mip_abs_gap": 0.99,
    "mip_max_nodes": _BRANCHES,
}
_MAGNIFY = 100.0
_CBC_DIGITS = 1e-7
_CBC_FLOOR = 1e-6


def _pulp() -> Any:
    import pulp

    return pulp


def _highspy() -> Any:
    import highspy

    return highspy


def open_session(solver: SolverName) -> OpenSession:
    """What opens a program with a solver.

    Raises
    ------
    SolverError
        Where there is no such solver.
    """
    return _named(solver, highs=_Highs, cbc=_Cbc)


def open_quickly(solver: SolverName, *, in_turn: bool = False) -> OpenSession:
    """What opens a program with a solver in the shortest way, for programs solved many times over.

    Parameters
    ----------
    in_turn
        Whether a thread is done with each program before it opens the next, as from week to week.

    Raises
    ------
    SolverError
        Where there is no such solver.
    """
    if solver == "highs":
        return _Kept if in_turn else _Arrays
    return open_session(solver)


def open_whole(solver: SolverName) -> OpenSession:
    """What opens a small program with columns in whole numbers, of an objective that is whole too.

    Where a number of branches does not prove an optimum, its sessions raise SolverError as they do where there is none.

    Raises
    ------
    SolverError
        Where there is no such solver.
    """
    return _named(solver, highs=_Whole, cbc=_CbcWhole)


def _named(solver: SolverName, *, highs: OpenSession, cbc: OpenSession) -> OpenSession:
    if solver == "highs":
        return highs
    if solver == "cbc":
        return cbc
    raise SolverError(f"there is no solver {solver!r}; expected highs or cbc")


@lru_cache(maxsize=2)
def solver_title(solver: SolverName) -> str:
    """Name and version of a solver, for the record of a run."""
    if solver == "highs":
        return f"HiGHS {_highspy().Highs().version()} through PuLP {_pulp().__version__}"
    return f"CBC as it comes with PuLP {_pulp().__version__}"


def _stated(low: Floats, high: Floats, costs: Floats, rows: Sequence[Row], whole: Sequence[int] = ()) -> Any:
    """The program in PuLP. Columns are named so that PuLP's order by name is their order."""
    pulp = _pulp()
    kinds = [pulp.LpContinuous] * len(high)
    for column in whole:
        kinds[column] = pulp.LpInteger
    stated = pulp.LpProblem("allocation", pulp.LpMinimize)
    width = len(str(len(high)))
    columns = [
        stated.add_variable(f"x{number:0{width}d}", below, None if above == INFINITY else above, kind)
        for number, (below, above, kind) in enumerate(zip(low.tolist(), high.tolist(), kinds, strict=True))
    ]
    stated.setObjective(pulp.LpAffineExpression(dict(zip(columns, costs.tolist(), strict=True))))
    for number, row in enumerate(rows):
        terms = {columns[column]: value for column, value in zip(row.columns, row.values, strict=True)}
        for sense, side, name in _senses(row):
            expression = pulp.LpAffineExpression(terms)
            stated.addConstraint(pulp.LpConstraint(expression, sense, rhs=side), f"{name}{number}")
    return stated


def _senses(row: Row) -> list[tuple[int, float, str]]:
    """How PuLP must say the bounds of a row: nothing where it is free, twice where both bind and differ."""
    if row.low == row.high:
        return [(0, row.low, "e")]
    said = []
    if row.low > -INFINITY:
        said.append((1, row.low, "g"))
    if row.high < INFINITY:
        said.append((-1, row.high, "l"))
    return said


class _Highs:
    """A program held by HiGHS and changed in place."""

    _afresh = False

    def __init__(self, program: LinearProgram) -> None:
        pulp = _pulp()
        low, high = np.array(program.low), np.array(program.high)
        self._columns = np.arange(len(high), dtype=np.int32)
        self._costs = np.zeros(len(high))
        stated = _stated(low, high, self._costs, program.rows)
        solver = pulp.HiGHS(msg=False, threads=1, **_HIGHS_OPTIONS)
        solver.createAndConfigureSolver(stated)
        solver.buildSolverModel(stated)
        self._model = stated.solverModel
        self._optimal = _highspy().HighsModelStatus.kOptimal

    def minimise(self, columns: Sequence[int] | Ints, costs: Sequence[float] | Floats) -> Solution:
        if not len(self._columns):
            return Solution(np.zeros(0), np.zeros(0), 0.0)
        self._costs[:] = 0.0
        self._costs[np.asarray(columns, dtype=np.int64)] = costs
        self._model.changeColsCost(len(self._columns), self._columns, self._costs)
        if self._afresh:
            self._model.clearSolver()
        self._model.run()
        if self._model.getModelStatus() != self._optimal and not self._afresh:
            # A start from the last basis can fail on numbers alone; a fresh one tells whether there is an optimum.
            self._model.clearSolver()
            self._model.run()
        status = self._model.getModelStatus()
        if status != self._optimal:
            raise SolverError(f"HiGHS proved no optimum; it says: {self._model.modelStatusToString(status)}")
        solution = self._model.getSolution()
        x = np.array(solution.col_value)
        return Solution(x, np.array(solution.row_dual), float(self._costs @ x))

    def bound(self, columns: Sequence[int] | Ints, low: Floats, high: Floats) -> None:
        at = np.asarray(columns, dtype=np.int32)
        self._model.changeColsBounds(len(at), at, np.asarray(low, dtype=float), np.asarray(high, dtype=float))

    def add_rows(self, rows: Sequence[Row]) -> Ints:
        first = self._model.getNumRow()
        for row in rows:
            at, values = np.array(row.columns, dtype=np.int32), np.array(row.values, dtype=float)
            self._model.addRow(row.low, row.high, len(at), at, values)
        return np.arange(first, first + len(rows), dtype=np.int64)

    def free(self, rows: Ints) -> None:
        for row in rows.tolist():
            self._model.changeRowBounds(row, -INFINITY, INFINITY)


class _Arrays(_Highs):
    """A program given to HiGHS as arrays, without PuLP's objects: the same rows and columns, far sooner there."""

    def __init__(self, program: LinearProgram) -> None:
        highspy = _highspy()
        low, high, rows = np.array(program.low), np.array(program.high), program.matrix()
        self._columns = np.arange(len(high), dtype=np.int32)
        self._costs = np.zeros(len(high))
        self._model = self._solver()
        # Arrays are taken as they are here; a HighsLp would take them number by number.
        self._model.passModel(
            *(len(high), len(rows.lengths), len(rows.columns)),
            *(int(highspy.MatrixFormat.kRowwise), int(highspy.ObjSense.kMinimize), 0.0),
            *(self._costs, low, high, rows.low, rows.high),
            *(np.append(0, np.cumsum(rows.lengths)).astype(np.int32), rows.columns.astype(np.int32), rows.values),
            np.isin(self._columns, program.whole).astype(np.int32),
        )
        self._optimal = highspy.HighsModelStatus.kOptimal

    def _solver(self) -> Any:
        model = _highspy().Highs()
        for name, value in {"output_flag": False, "threads": 1, **_HIGHS_OPTIONS, **_ONCE}.items():
            model.setOptionValue(name, value)
        return model


_kept = threading.local()


class _Kept(_Arrays):
    """The same by the solver that the last such program of this thread had, emptied: one at a time.

    Making a solver takes a tenth as long as a week's program. It brings nothing along but its options, so what is found
    does not depend on what was solved before.
    """

    def _solver(self) -> Any:
        model = getattr(_kept, "model", None)
        if model is None:
            model = _kept.model = super()._solver()
        model.clearModel()
        return model


class _Whole(_Arrays):
    """A program in whole numbers, given to HiGHS as arrays."""

    # Where the last search ended must not decide which of equally good answers comes out.
    _afresh = True

    def _solver(self) -> Any:
        model = super()._solver()
        for name, value in _IN_WHOLE.items():
            model.setOptionValue(name, value)
        return model


class _Cbc:
    """A program stated anew for each solve by CBC."""

    _whole: tuple[int, ...] = ()

    def __init__(self, program: LinearProgram) -> None:
        self._low, self._high = np.array(program.low), np.array(program.high)
        self._rows = list(program.rows)

    def minimise(self, columns: Sequence[int] | Ints, costs: Sequence[float] | Floats) -> Solution:
        if not len(self._high):
            return Solution(np.zeros(0), np.zeros(0), 0.0)
        all_costs = np.zeros(len(self._high))
        all_costs[np.asarray(columns, dtype=np.int64)] = costs
        rough, duals = self._run(self._low, self._high, all_costs, self._rows)
        # CBC writes its answer to a file with eight digits. Solving for what is missing, under a magnifying glass,
        # brings the others back.
        near = _MAGNIFY * (_CBC_DIGITS * np.abs(rough) + _CBC_FLOOR)
        low = np.maximum((self._low - rough) * _MAGNIFY, -near)
        high = np.minimum((self._high - rough) * _MAGNIFY, near)
        rows = []
        for row in self._rows:
            met = float(np.dot(rough[list(row.columns)], row.values))
            bounds = (row.low - met) * _MAGNIFY, (row.high - met) * _MAGNIFY
            rows.append(Row(row.columns, row.values, *bounds))
        missing, _ = self._run(low, high, all_costs, rows)
        x = rough + missing / _MAGNIFY
        return Solution(x, duals, float(all_costs @ x))

    def _options(self) -> list[str]:
        return [f"randomSeed {_SEED}"]

    def _run(self, low: Floats, high: Floats, costs: Floats, rows: Sequence[Row]) -> tuple[Floats, Floats]:
        pulp = _pulp()
        stated = _stated(low, high, costs, rows, self._whole)
        solver = pulp.COIN_CMD(path=pulp.PULP_CBC_CMD.pulp_cbc_path, msg=False, options=self._options())
        stated.solve(solver)
        if stated.status != pulp.LpStatusOptimal or stated.sol_status != pulp.LpSolutionOptimal:
            raise SolverError(f"CBC proved no optimum; it says: {pulp.LpStatus[stated.status]}")
        x = np.array([variable.varValue or 0.0 for variable in stated.variables()])
        duals = np.zeros(len(rows))
        for constraint in stated.constraints():
            duals[int(constraint.name[1:])] += constraint.pi or 0.0
        return x, duals

    def bound(self, columns: Sequence[int] | Ints, low: Floats, high: Floats) -> None:
        at = np.asarray(columns, dtype=np.int64)
        self._low[at], self._high[at] = low, high

    def add_rows(self, rows: Sequence[Row]) -> Ints:
        first = len(self._rows)
        self._rows.extend(rows)
        return np.arange(first, len(self._rows), dtype=np.int64)

    def free(self, rows: Ints) -> None:
        for row in rows.tolist():
            old = self._rows[row]
            self._rows[row] = Row(old.columns, old.values, -INFINITY, INFINITY)


class _CbcWhole(_Cbc):
    """A program in whole numbers, stated anew for each solve by CBC."""

    def __init__(self, program: LinearProgram) -> None:
        super().__init__(program)
        self._whole = tuple(program.whole)

    def minimise(self, columns: Sequence[int] | Ints, costs: Sequence[float] | Floats) -> Solution:
        all_costs = np.zeros(len(self._high))
        all_costs[np.asarray(columns, dtype=np.int64)] = costs
        x, duals = self._run(self._low, self._high, all_costs, self._rows)
        return Solution(x, duals, float(all_costs @ x))

    def _options(self) -> list[str]:
        return [*super()._options(), "ratioGap 0", "allowableGap 0.99", f"maxNodes {_BRANCHES}"]
