"""What a pool within side limits serves of each grade with other stock: one program kept, and only its stock changed.

The program is that of :mod:`allocation.optimise.limited` with its stock as columns, which are bounded to what is there,
and with what holds from step to step as columns too: what a stage gets together, and whether a unit still counts in the
fairness of its stage. So every step of every trial is the same program under other bounds and costs. Each step has a
solver of its own, which starts from where the same step ended the last time, a kilogram away.

Only what says grams by grade is solved. A stage of one grade that cannot be served in full is told by what it gets
together; how that is shared matters only where later stages could still be given something, which one more step shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from allocation.optimise.limited import LimitedProgram, lots_of, solve_limited
from allocation.optimise.linear import INFINITY, OpenSession, Row, Session, Solution
from allocation.optimise.network import Bools, Floats, Ints, Network, Pool, SideRows
from allocation.optimise.priority import fair_shares, pin
from allocation.quantities import MG_PER_G

__all__ = ["KeptProgram"]

_GRADES = 5
# Milligrams: what a total may miss and still count as reached. Prices are told in tenths of a gram.
_REACHED_MG = 2.0


class KeptProgram:
    """The program of a pool within side limits, solved again and again with other stock.

    Parameters
    ----------
    room_mg
        The most that any trial adds to the stock of a product at a place.

    Attributes
    ----------
    before, cost
        As :class:`allocation.optimise.shadow.Trials` says.
    """

    def __init__(self, net: Network, pool: Pool, rows: SideRows, open_session: OpenSession, *, room_mg: int) -> None:
        self.net, self.pool, self.open_session = net, pool, open_session
        self.due_by_grade = _grades_by_cell(net, pool)
        stock_mg = net.stock_mg.copy()
        stock_mg[np.ix_(pool.locations, _in_use(net, pool))] += room_mg
        build = LimitedProgram(replace(net, stock_mg=stock_mg), pool, rows)
        self.build, self.program, self.columns, self.units = build, build.program, build.columns, build.units
        self._stock_columns()
        self._stage_columns()
        self._fairness_columns()
        self.low, self.high = np.array(self.program.low), np.array(self.program.high)
        self.cost = len(pool.classes)
        self.sessions: dict[tuple[int, int], Session] = {}
        trial = self._run(net, frozenset())
        self.full = frozenset(trial.full)
        self.before = self._served(trial, net)

    def _stock_columns(self) -> None:
        """What is there of each lot at each place, as columns on which the rows of the stock draw."""
        program = self.program
        self.there = program.add_columns(np.zeros(len(self.build.stock_rows)))
        for number, column in zip(self.build.stock_rows, self.there.tolist(), strict=True):
            row = program.blocks[number]
            if isinstance(row, Row):
                program.blocks[number] = Row([*row.columns, column], [*row.values, -1.0], row.low, 0.0)

    def _stage_columns(self) -> None:
        """What each stage with anybody in it gets together."""
        units = self.units
        self.total: dict[int, int] = {}
        self.members: dict[int, Ints] = {}
        for stage in np.unique(units.stage).tolist():
            members = np.flatnonzero(units.stage == stage)
            at = self.columns.unit[members].tolist()
            total = int(self.program.add_columns([float(units.due_mg[members].sum()) / MG_PER_G])[0])
            self.program.add_row([*at, total], [1.0] * len(at) + [-1.0], low=0.0, high=0.0)
            self.total[stage], self.members[stage] = total, members

    def _fairness_columns(self) -> None:
        """A row for each unit that keeps it at the common level or above, and what lets the row off."""
        due_g = self.units.due_mg / MG_PER_G
        self.let_off = self.program.add_columns(due_g)
        first = len(self.program.blocks)
        for unit, due, off in zip(self.columns.unit.tolist(), due_g.tolist(), self.let_off.tolist(), strict=True):
            self.program.add_row([unit, self.columns.level, off], [1.0, -due, 1.0], low=0.0, high=INFINITY)
        self.fair_rows = np.arange(first, first + len(due_g), dtype=np.int64)
        self.unit_of = {column: unit for unit, column in enumerate(self.columns.unit.tolist())}

    def session(self, stage: int, step: int) -> Session:
        """The solver of a step."""
        if (stage, step) not in self.sessions:
            self.sessions[stage, step] = self.open_session(self.program)
        return self.sessions[stage, step]

    def with_stock(self, changed: Network, *, more: bool) -> tuple[Ints, bool]:
        """Milligrams served of each grade, shape (grades,), and whether shares alone tell them.

        Parameters
        ----------
        changed
            The network with other stock, fences included.
        more
            Whether no lot of it is smaller than in the network that was given at first; then the first stages that were
            all served in full still are.

        Raises
        ------
        SolverError
            Where a step has no proven optimum.
        """
        trial = self._run(changed, self.full if more else frozenset())
        return self._served(trial, changed), trial.told

    def _run(self, net: Network, full: frozenset[int]) -> _Trial:
        """Serve the stages; ``full`` names some that are known to be served in full."""
        trial = _Trial(self, net)
        for stage in range(len(net.stages)):
            trial.stage, trial.step = stage, 0
            if stage in self.total and not self._serve(trial, known_full=stage in full):
                break
            if stage == 0 and self.pool.reserve_mg:
                trial.hold_reserve()
        return trial

    def _served(self, trial: _Trial, net: Network) -> Ints:
        """Milligrams of each grade."""
        served: Ints = np.rint(trial.served if trial.told else self._as_planned(net)).astype(np.int64)
        return served

    def _serve(self, trial: _Trial, *, known_full: bool) -> bool:
        """Serve the stage that a trial is at; whether there is any need to look at later ones."""
        total, members = self.total[trial.stage], self.members[trial.stage]
        at, due_mg = self.columns.unit[members], self.units.due_mg[members]
        x, got_mg = due_mg / MG_PER_G, float(due_mg.sum())
        if not known_full:
            solution = trial.minimise([total], [-1.0])
            x, got_mg = solution.x[at], float(solution.x[total]) * MG_PER_G
        if got_mg >= float(due_mg.sum()) - _REACHED_MG:
            # A milligram that is missing can be told in no price, but the bounds of a stage known to be in full ask it.
            trial.note_full(reached=got_mg >= float(due_mg.sum()) - self.columns.play_g * MG_PER_G)
            trial.bound(at, np.maximum(x - self.columns.play_g, 0.0), due_mg / MG_PER_G)
            trial.served += self.due_by_grade[members].sum(axis=0)
            return True
        trial.note_full(reached=False)
        if got_mg <= _REACHED_MG:
            trial.bound(at, np.zeros(len(at)), np.zeros(len(at)))
            return True
        of_grade = np.flatnonzero(self.due_by_grade[members].any(axis=0))
        trial.bound([total], np.array([got_mg / MG_PER_G - self.columns.play_g]), self.high[[total]])
        if len(of_grade) == 1 and not trial.anything_later():
            trial.served[of_grade] += got_mg
            return False
        if len(members) == 1:
            pin(trial, at, x, self.columns.play_g)
        else:
            x, _ = fair_shares(trial, self.columns, at, due_mg / MG_PER_G)
            trial.bound([total], np.zeros(1), self.high[[total]])
        trial.told = self._told(members, x)
        trial.served += (self.due_by_grade[members] * (x * MG_PER_G / due_mg)[:, None]).sum(axis=0)
        return trial.told

    def _told(self, members: Ints, x: Floats) -> bool:
        """Whether the grams of units say those of their grades: of one grade, or all or nothing of what is due."""
        mg, due = x * MG_PER_G, self.units.due_mg[members]
        settled = (mg <= _REACHED_MG) | (mg >= due - _REACHED_MG)
        return bool((settled | ((self.due_by_grade[members] > 0).sum(axis=1) == 1)).all())

    def _as_planned(self, net: Network) -> Ints:
        """By a whole plan, where the choice of products says which grade of a cell is served."""
        supplies = solve_limited(net, self.pool, self.open_session)[1]
        return np.bincount(net.grade[supplies.classes], weights=supplies.mg, minlength=_GRADES).astype(np.int64)


class _Trial:
    """The kept program with one stock: its bounds as they are settled step by step. A session of its own kind.

    Attributes
    ----------
    served
        Milligrams of each grade so far.
    full, all_full
        Stages served in full before anything, a stage or the reserve, was not; and whether nothing was not so far. With
        more stock these stay in full. A stage after one in part may not: the stage before may take up with the new
        stock what both need of a delivery, a quota or another limit.
    told
        Whether shares have told the grades so far.
    """

    def __init__(self, kept: KeptProgram, net: Network) -> None:
        self.kept = kept
        self.low, self.high = kept.low.copy(), kept.high.copy()
        build = kept.build
        rows = net.rows or build.rows
        there_g = lots_of(net, kept.pool, rows)[build.lots][build.send_lot, build.send_place] / MG_PER_G
        self.low[kept.there] = self.high[kept.there] = there_g
        self.stage, self.step = 0, 0
        self.served, self.told = np.zeros(_GRADES), True
        self.full, self.all_full = set[int](), True

    def note_full(self, *, reached: bool) -> None:
        """Note whether the stage that the trial is at was served in full."""
        self.all_full &= reached
        if self.all_full:
            self.full.add(self.stage)

    def hold_reserve(self) -> None:
        """Hold as much of the reserve as there is."""
        reserve = [self.kept.columns.reserve]
        held = self.minimise(reserve, [-1.0]).x[reserve]
        self.all_full &= bool(held[0] >= self.kept.pool.reserve_mg / MG_PER_G - self.kept.columns.play_g)
        pin(self, reserve, held, self.kept.columns.play_g)

    def anything_later(self) -> bool:
        """Whether later stages could be given anything, however this one is shared."""
        later = [total for number, total in self.kept.total.items() if number > self.stage]
        if not later:
            return False
        most = -self.minimise(later, [-1.0] * len(later)).objective
        return most * MG_PER_G > _REACHED_MG + len(self.kept.units.due_mg) * self.kept.columns.play_g * MG_PER_G

    def minimise(self, columns: Sequence[int] | Ints, costs: Sequence[float] | Floats) -> Solution:
        session = self.kept.session(self.stage, self.step)
        self.step += 1
        session.bound(np.arange(len(self.high)), self.low, self.high)
        return session.minimise(columns, costs)

    def bound(self, columns: Sequence[int] | Ints, low: Floats, high: Floats) -> None:
        self.low[columns], self.high[columns] = low, high

    def add_rows(self, rows: Sequence[Row]) -> Ints:
        """Let the fairness rows of the units hold; they are there already."""
        units = [self.kept.unit_of[row.columns[0]] for row in rows]
        self.high[self.kept.let_off[units]] = 0.0
        return self.kept.fair_rows[units]

    def free(self, rows: Ints) -> None:
        off = self.kept.let_off[rows - self.kept.fair_rows[0]]
        self.high[off] = self.kept.high[off]


def _in_use(net: Network, pool: Pool) -> Ints:
    """Products that some class of a pool may take, or its reserve."""
    cls = pool.classes
    used: Bools = np.logical_or.reduce(net.choices[np.unique(net.choice[cls[net.choice[cls] >= 0]])], axis=0)
    used[net.own[cls[net.own[cls] >= 0]]] = True
    used |= net.reserve_choice & (pool.reserve_mg > 0)
    return np.flatnonzero(used)


def _grades_by_cell(net: Network, pool: Pool) -> Floats:
    """Milligrams due of each grade in each cell of a pool, shape (cells, grades)."""
    _, cell = np.unique(net.cell[pool.classes], return_inverse=True)
    due = np.zeros((int(cell.max(initial=-1)) + 1, _GRADES))
    np.add.at(due, (cell.reshape(-1), net.grade[pool.classes]), net.due_mg[pool.classes])
    return due
