"""The program over several weeks: which stock is used in which week, and who is served in which week.

One pool of stock at a time. A batch is a product with a first and a last week of use; what it gives in all its weeks
together is at most what it holds, which is the balance of stock from week to week. A group of classes that share a
cell, a grade and the products they may take is served in the week it is due or, as long as its grade may wait, later.

The stages of the tier go before the weeks: what the first stage is due in any week comes before what the second is due
in the first. Within a stage the shares of what is due over all weeks are leximin. Then, stage by stage, the fewest
gram-weeks of waiting; then the earliest expiry is used first. The reserve is held in every week after the first stage.
Limits on switching are kept by the allocation of the first weeks; they are not looked ahead to.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocation.optimise.horizon.problem import HorizonProblem
from allocation.optimise.linear import INFINITY, LinearProgram, OpenSession, Row, Session
from allocation.optimise.network import Bools, Floats, Ints, Network, Pool
from allocation.optimise.priority import Columns, StageResult, Units, ration_units
from allocation.optimise.sourcing import tie_break
from allocation.quantities import MG_PER_G

__all__ = ["PoolWeeks", "solve_pool"]

_PLAY_G = 1e-6
_LOCK_G = 2e-6
_WHOLE_MG = 5e-3


@dataclass(frozen=True, slots=True, eq=False)
class PoolWeeks:
    """The weeks of one pool. Whole milligrams, rounded down line by line.

    Attributes
    ----------
    group_of
        Group of each class of the pool.
    served
        ``(group, due week, week)`` and milligrams.
    uses
        ``(product, from week, until week, set of products, week)`` and milligrams; the set is a row of ``sets``.
    set_of
        Set of products of each group.
    held_mg
        Reserve held at the end of each week, shape (weeks,).
    """

    group_of: Ints
    served: dict[tuple[int, int, int], int]
    uses: dict[tuple[int, int, int, int, int], int]
    sets: Bools
    set_of: Ints
    held_mg: Ints
    stages: list[StageResult]
    programs: int


def solve_pool(horizon: HorizonProblem, net: Network, pool: Pool, open_session: OpenSession) -> PoolWeeks:
    """The best use of a pool's stock over the weeks.

    Raises
    ------
    SolverError
        Where a program has no proven optimum.
    """
    build = _Build(horizon, net, pool)
    session = open_session(build.program)
    ration = ration_units(net, pool, build.units, build.columns, session)
    x, solved = _settled(session, build)
    return build.read(x, ration.stages, ration.programs + solved)


def _settled(session: Session, build: _Build) -> tuple[Floats, int]:
    everything = np.arange(len(build.program.high))
    objectives = build.objectives()
    x = np.zeros(0)
    for number, cost in enumerate(objectives):
        solution = session.minimise(everything, cost)
        x = solution.x
        named = np.flatnonzero(cost)
        if number + 1 < len(objectives):
            session.add_rows([Row(named.tolist(), cost[named].tolist(), -INFINITY, solution.objective + _LOCK_G)])
    return x, len(objectives)


class _Build:
    def __init__(self, horizon: HorizonProblem, net: Network, pool: Pool) -> None:
        self.horizon, self.net, self.pool, self.program = horizon, net, pool, LinearProgram()
        cls = pool.classes
        products = np.arange(net.stock_mg.shape[1])
        masks = np.array(
            [net.choices[h] if h >= 0 else products == o for h, o in zip(net.choice[cls], net.own[cls], strict=True)],
            dtype=np.bool_,
        ).reshape(len(cls), len(products))
        self.sets, mask = np.unique(masks, axis=0, return_inverse=True)
        key = np.stack([net.cell[cls], mask.reshape(-1), net.grade[cls]])
        groups, of = np.unique(key, axis=1, return_inverse=True)
        self.group_of: Ints = of.reshape(-1).astype(np.int64)
        self.cell, self.set_of, self.grade = groups
        row_of = {class_id: row for row, class_id in enumerate(horizon.total.classes["class_id"].tolist())}
        rows = np.array([row_of[class_id] for class_id in net.class_id[cls].tolist()], dtype=np.int64)
        self.due_mg = np.zeros((groups.shape[1], horizon.weeks), dtype=np.int64)
        np.add.at(self.due_mg, self.group_of, horizon.due_mg[rows])
        self._serve_columns()
        self._stock_rows()

    def _serve_columns(self) -> None:
        program, weeks = self.program, self.horizon.weeks
        cells, cell_of = np.unique(self.cell, return_inverse=True)
        due_mg = self.net.cell_due_mg[cells]
        self.columns = Columns(program.add_columns(due_mg / MG_PER_G), 0, 0, program, _PLAY_G)
        self.columns.level = int(program.add_columns([1.0])[0])
        self.columns.reserve = int(program.add_columns([self.pool.reserve_mg * weeks / MG_PER_G])[0])
        self.units = Units(self.net.cell_stage[cells], due_mg, cells, np.arange(len(cells)))
        lines = [
            (group, due, week)
            for group, due in zip(*(part.tolist() for part in np.nonzero(self.due_mg)), strict=True)
            for week in range(due, min(due + self.horizon.wait_weeks[int(self.grade[group])], weeks - 1) + 1)
        ]
        self.lines: Ints = np.array(lines, dtype=np.int64).reshape(-1, 3)
        self.serves = program.add_columns(self.due_mg[self.lines[:, 0], self.lines[:, 1]] / MG_PER_G)
        group, due = self.lines[:, 0], self.lines[:, 1]
        self._sums(cell_of.reshape(-1)[group], self.serves, self.columns.unit)
        several = np.flatnonzero(np.bincount(group * weeks + due, minlength=self.due_mg.size) > 1)
        for number in several.tolist():
            mine = self.serves[group * weeks + due == number].tolist()
            high = float(self.due_mg.reshape(-1)[number]) / MG_PER_G
            program.add_row(mine, [1.0] * len(mine), low=-INFINITY, high=high)

    def _sums(self, of: Ints, columns: Ints, totals: Ints) -> None:
        order = np.argsort(of, kind="stable")
        parts = np.split(columns[order], np.searchsorted(of[order], np.arange(1, len(totals))))
        for mine, total in zip(parts, totals.tolist(), strict=True):
            self.program.add_row([*mine.tolist(), total], [1.0] * len(mine) + [-1.0], low=0.0, high=0.0)

    def _stock_rows(self) -> None:
        program, weeks = self.program, self.horizon.weeks
        places = (*self.horizon.total.panels, "NATIONAL")
        here = {places[place] for place in self.pool.locations.tolist()}
        product_of = {code: place for place, code in enumerate(self.net.product_codes)}
        batches: dict[tuple[int, int, int], int] = {}
        for at, code, first, last, mg in self.horizon.stock.itertuples(index=False, name=None):
            if at in here:
                batch = (product_of[code], int(first), int(last))
                batches[batch] = batches.get(batch, 0) + int(mg)
        self.batches = batches
        self.use_keys = [
            (*batch, number, week)
            for batch in sorted(batches)
            for number in np.flatnonzero(self.sets[:, batch[0]]).tolist()
            for week in range(batch[1], batch[2] + 1)
        ]
        self.uses = program.add_columns([batches[key[:3]] / MG_PER_G for key in self.use_keys])
        by_batch: dict[tuple[int, int, int], list[int]] = {}
        by_node: dict[tuple[int, int], list[int]] = {}
        for key, column in zip(self.use_keys, self.uses.tolist(), strict=True):
            by_batch.setdefault(key[:3], []).append(column)
            by_node.setdefault(key[3:], []).append(column)
        for batch, mine in by_batch.items():
            program.add_row(mine, [1.0] * len(mine), low=-INFINITY, high=batches[batch] / MG_PER_G)
        taken: dict[tuple[int, int], list[int]] = {}
        for (group, _, week), column in zip(self.lines.tolist(), self.serves.tolist(), strict=True):
            taken.setdefault((int(self.set_of[group]), week), []).append(column)
        for node, mine in taken.items():
            sent = by_node.get(node, [])
            program.add_row([*mine, *sent], [1.0] * len(mine) + [-1.0] * len(sent), low=-INFINITY, high=0.0)
        self.holds = program.add_columns([self.pool.reserve_mg / MG_PER_G] * weeks)
        for week in range(weeks):
            usable = [batch for batch in batches if batch[1] <= week <= batch[2] and self.net.reserve_choice[batch[0]]]
            spent = [
                column
                for key, column in zip(self.use_keys, self.uses.tolist(), strict=True)
                if key[:3] in set(usable) and key[4] <= week
            ]
            there = sum(batches[batch] for batch in usable) / MG_PER_G
            program.add_row([int(self.holds[week]), *spent], [1.0] * (len(spent) + 1), low=-INFINITY, high=there)
        held = [*self.holds.tolist(), self.columns.reserve]
        program.add_row(held, [1.0] * weeks + [-1.0], low=0.0, high=0.0)

    def objectives(self) -> list[Floats]:
        """Costs for each aim after the stages: waiting, stage by stage, then late expiry, then a fixed tie-break."""
        size = len(self.program.high)
        aims = []
        stage = self.net.cell_stage[self.cell[self.lines[:, 0]]] if len(self.lines) else self.lines[:, 0]
        waits = (self.lines[:, 2] - self.lines[:, 1]).astype(np.float64)
        for number in np.unique(stage[waits > 0]).tolist():
            cost = np.zeros(size)
            cost[self.serves] = np.where(stage == number, waits, 0.0)
            aims.append(cost)
        last = np.zeros(size)
        last[self.uses] = [1.0 + key[2] for key in self.use_keys]
        return [*aims, last + tie_break(size) / (4 * size)]

    def read(self, x: Floats, stages: list[StageResult], programs: int) -> PoolWeeks:
        """Whole milligrams."""
        mg = np.floor(x * MG_PER_G + _WHOLE_MG).astype(np.int64)
        served = {
            (int(g), int(d), int(w)): int(amount)
            for (g, d, w), amount in zip(self.lines.tolist(), mg[self.serves].tolist(), strict=True)
            if amount
        }
        uses = {key: int(a) for key, a in zip(self.use_keys, mg[self.uses].tolist(), strict=True) if a}
        return PoolWeeks(self.group_of, served, uses, self.sets, self.set_of, mg[self.holds], stages, programs)
