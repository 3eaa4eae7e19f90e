"""The program over several weeks: which stock is used in which week, and who is served in which week.

One pool of stock at a time. A batch is a product with a first and a last week of use; what it gives in all its weeks
together is at most what it holds, which is the balance of stock from week to week. A group of classes
(:mod:`allocation.optimise.horizon.groups`) is served in the week it is due or, as long as its grade may wait, later.

The stages of the tier go before the weeks: what the first stage is due in any week comes before what the second is due
in the first. Within a stage the shares of what is due over all weeks are leximin. Then, stage by stage, the fewest
gram-weeks of waiting; then what is due sooner is served, so that of equals nobody due now goes without for somebody due
later; then the earliest expiry is used first. The reserve is held in every week after the first stage.

Limits hold in each block of weeks (:mod:`allocation.optimise.horizon.limits`). What lies inside a fence is a batch of
its own. Stock is brought in the week in which it is used. A place with a limit on deliveries is a spot of its own: what
it uses of its own stock, what is brought to it and what it sends are told apart; all other places are one spot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from allocation.optimise.horizon.groups import Groups, group_classes
from allocation.optimise.horizon.problem import HorizonProblem
from allocation.optimise.linear import INFINITY, LinearProgram, OpenSession, Row, Session
from allocation.optimise.network import NONE, UNLIMITED, Floats, Ints, Network, Pool
from allocation.optimise.priority import Columns, StageResult, Units, ration_units
from allocation.optimise.sourcing import tie_break
from allocation.quantities import MG_PER_G
from allocation.rules import NATIONAL

__all__ = ["PoolWeeks", "solve_pool"]

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_PLAY_G = 1e-6
_LOCK_G = 2e-6
_WHOLE_MG = 5e-3


Batch = tuple[int, int, int]
"""Kind of stock, first and last week of use."""


@dataclass(frozen=True, slots=True)
class Use:
    """Milligrams of stock for a group in a week; ``spot`` is where the stock lies."""

    product: int
    fence: int
    from_week: int
    until_week: int
    spot: int
    group: int
    week: int
    mg: int


@dataclass(frozen=True, slots=True, eq=False)
class PoolWeeks:
    """The weeks of one pool. Whole milligrams, rounded down line by line.

    Attributes
    ----------
    served
        ``(group, due week, week)`` and milligrams.
    held_mg
        Reserve held at the end of each week, shape (weeks,).
    """

    groups: Groups
    served: dict[tuple[int, int, int], int]
    uses: list[Use]
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
    """The program of a pool, and how to read its solution. Amounts are grams."""

    def __init__(self, horizon: HorizonProblem, net: Network, pool: Pool) -> None:
        self.horizon, self.net, self.pool, self.program = horizon, net, pool, LinearProgram()
        self.groups = group_classes(horizon, net, pool)
        self._serve_columns()
        self._take_columns()
        self._stock_columns()
        self._stock_rows()
        self._reserve_rows()
        self._limit_rows()

    def _serve_columns(self) -> None:
        program, weeks, groups = self.program, self.horizon.weeks, self.groups
        cells, cell_of = np.unique(groups.cell, return_inverse=True)
        due_mg = self.net.cell_due_mg[cells]
        self.columns = Columns(program.add_columns(due_mg / MG_PER_G), 0, 0, program, _PLAY_G)
        self.columns.level = int(program.add_columns([1.0])[0])
        self.columns.reserve = int(program.add_columns([self.pool.reserve_mg * weeks / MG_PER_G])[0])
        self.units = Units(self.net.cell_stage[cells], due_mg, cells, np.arange(len(cells)))
        lines = [
            (group, due, week)
            for group, due in zip(*(part.tolist() for part in np.nonzero(groups.due_mg)), strict=True)
            for week in range(due, min(due + self.horizon.wait_weeks[int(groups.grade[group])], weeks - 1) + 1)
        ]
        self.lines: Ints = np.array(lines, dtype=np.int64).reshape(-1, 3)
        self.serves = program.add_columns(groups.due_mg[self.lines[:, 0], self.lines[:, 1]] / MG_PER_G)
        group, due = self.lines[:, 0], self.lines[:, 1]
        self._sums(cell_of.reshape(-1)[group], self.serves, self.columns.unit)
        node = group * weeks + due
        for number, mine in _grouped(zip(node.tolist(), self.serves.tolist(), strict=True)):
            if len(mine) > 1:
                self._at_most(mine, float(groups.due_mg.reshape(-1)[number]) / MG_PER_G)

    def _sums(self, of: Ints, columns: Ints, totals: Ints) -> None:
        order = np.argsort(of, kind="stable")
        parts = np.split(columns[order], np.searchsorted(of[order], np.arange(1, len(totals))))
        for mine, total in zip(parts, totals.tolist(), strict=True):
            self.program.add_row([*mine.tolist(), total], [1.0] * len(mine) + [-1.0], low=0.0, high=0.0)

    def _at_most(self, columns: list[int], high: float, values: list[float] | None = None) -> None:
        self.program.add_limit(columns, values or [1.0] * len(columns), high)

    def _take_columns(self) -> None:
        """What each group is given in each week, by way: its own columns, but where there is one way only."""
        groups, program = self.groups, self.program
        several = groups.several
        takes = [
            (int(column), group, 0, week)
            for (group, _, week), column in zip(self.lines.tolist(), self.serves, strict=True)
            if not several[group]
        ]
        split = [
            ((group, week), int(column))
            for (group, _, week), column in zip(self.lines.tolist(), self.serves, strict=True)
            if several[group]
        ]
        for (group, week), served in _grouped(split):
            most = sum(program.high[column] for column in served)
            ways = np.flatnonzero(groups.way_set[group] >= 0).tolist()
            mine = program.add_columns([most] * len(ways)).tolist()
            program.add_row([*served, *mine], [1.0] * len(served) + [-1.0] * len(mine), low=0.0, high=0.0)
            takes += [(column, group, way, week) for column, way in zip(mine, ways, strict=True)]
        table: Ints = np.array(takes, dtype=np.int64).reshape(-1, 4)
        self.takes, self.take_group, self.take_way, self.take_week = table.T

    def _batches(self) -> dict[tuple[int, int, int, int], int]:
        """Milligrams by kind, first and last week of use, and spot."""
        places = (*self.horizon.total.panels, NATIONAL)
        here = {places[at]: int(self.groups.spot_of[at]) for at in self.pool.locations.tolist()}
        product_of = {code: place for place, code in enumerate(self.net.product_codes)}
        kinds = zip(self.groups.kind_product.tolist(), self.groups.kind_fence.tolist(), strict=True)
        kind_of = {kind: number for number, kind in enumerate(kinds)}
        batches: dict[tuple[int, int, int, int], int] = {}
        for at, code, first, last, fence, mg in self.horizon.stock.itertuples(index=False, name=None):
            if at in here:
                batch = (kind_of[product_of[code], int(fence)], int(first), int(last), here[at])
                batches[batch] = batches.get(batch, 0) + int(mg)
        return batches

    def _stock_columns(self) -> None:
        """What each spot uses of its own stock, what is brought to it, and what it sends; by batch and week."""
        groups, program = self.groups, self.program
        self.batches = self._batches()
        wanted: dict[int, list[int]] = {}
        for spot in np.unique(groups.spot).tolist():
            numbers = groups.way_set[groups.spot == spot]
            wanted[spot] = np.unique(numbers[numbers >= 0]).tolist()
        self.use_keys = [
            (*batch, number, week)
            for batch in sorted(self.batches)
            for number in wanted.get(batch[3], [])
            if groups.sets[number, batch[0]]
            for week in range(batch[1], batch[2] + 1)
        ]
        self.uses = program.add_columns([self.batches[key[:4]] / MG_PER_G for key in self.use_keys])
        apart = groups.spot_of[self.pool.locations].max() > 0
        total: dict[Batch, int] = {}
        for batch, mg in self.batches.items():
            total[batch[:3]] = total.get(batch[:3], 0) + mg
        self.bring_keys = [
            (*kind, spot, number, week)
            for kind in sorted(total)
            for spot in (sorted(wanted) if apart else ())
            if total[kind] > self.batches.get((*kind, spot), 0)
            for number in wanted[spot]
            if groups.sets[number, kind[0]]
            for week in range(kind[1], kind[2] + 1)
        ]
        most = [total[key[:3]] - self.batches.get(key[:4], 0) for key in self.bring_keys]
        self.brings = program.add_columns(np.array(most, dtype=np.float64) / MG_PER_G)
        self.send_keys = [
            (*batch, week)
            for batch in (sorted(self.batches) if apart else ())
            for week in range(batch[1], batch[2] + 1)
        ]
        self.sends = program.add_columns([self.batches[key[:4]] / MG_PER_G for key in self.send_keys])

    def _stock_rows(self) -> None:
        program, groups = self.program, self.groups
        own = list(zip(self.use_keys, self.uses.tolist(), strict=True))
        into = list(zip(self.bring_keys, self.brings.tolist(), strict=True))
        out = list(zip(self.send_keys, self.sends.tolist(), strict=True))
        for batch, mine in _grouped([(key[:4], column) for key, column in own + out]):
            self._at_most(mine, self.batches[batch] / MG_PER_G)
        brought = dict(_grouped([((*key[:3], key[5]), column) for key, column in into]))
        for lot, mine in _grouped([((*key[:3], key[4]), column) for key, column in out]):
            come = brought.get(lot, [])
            program.add_row([*mine, *come], [1.0] * len(mine) + [-1.0] * len(come), low=0.0, high=0.0)
        by_node = dict(_grouped([(key[3:], column) for key, column in own + into]))
        node = zip(
            groups.spot[self.take_group].tolist(),
            groups.way_set[self.take_group, self.take_way].tolist(),
            self.take_week.tolist(),
            strict=True,
        )
        for at, mine in _grouped(zip(node, self.takes.tolist(), strict=True)):
            sent = by_node.get(at, [])
            program.add_row([*mine, *sent], [1.0] * len(mine) + [-1.0] * len(sent), low=-INFINITY, high=0.0)

    def _reserve_rows(self) -> None:
        program, weeks, groups = self.program, self.horizon.weeks, self.groups
        reserve = self.net.reserve_choice[groups.kind_product] & (groups.kind_fence == NONE)
        self.holds = program.add_columns([self.pool.reserve_mg / MG_PER_G] * weeks)
        held = [batch for batch in self.batches if reserve[batch[0]]]
        spends = [
            (key, column)
            for keys, columns in ((self.use_keys, self.uses), (self.send_keys, self.sends))
            for key, column in zip(keys, columns.tolist(), strict=True)
            if reserve[key[0]]
        ]
        for week in range(weeks):
            spent = [c for key, c in spends if key[1] <= week <= key[2] and key[-1] <= week]
            there = sum(self.batches[batch] for batch in held if batch[1] <= week <= batch[2]) / MG_PER_G
            self._at_most([int(self.holds[week]), *spent], there)
        total = [*self.holds.tolist(), self.columns.reserve]
        program.add_row(total, [1.0] * weeks + [-1.0], low=0.0, high=0.0)

    def _limit_rows(self) -> None:
        limits, groups = self.horizon.limits, self.groups
        panel, block = groups.panel[self.take_group], limits.block[self.take_week]
        switched = groups.way_switched[self.take_group, self.take_way]
        infused = groups.way_infused[self.take_group, self.take_way]
        for number in self.pool.panels.tolist():
            for at in range(limits.switch_mg.shape[1]):
                here = (panel == number) & (block == at)
                rate = groups.courses_per_g[self.take_group[here & infused]].tolist()
                self._limit(self.takes[here & switched], limits.switch_mg[number, at] / MG_PER_G)
                self._limit(self.takes[here & infused], limits.infused_mg[number, at] / MG_PER_G)
                self._limit(self.takes[here & infused], float(limits.infused_courses[number, at]), rate)
        for columns, keys, most in (
            (self.brings, self.bring_keys, limits.into_mg),
            (self.sends, self.send_keys, limits.out_of_mg),
        ):
            ends = [(key[3], int(limits.block[key[-1]])) for key in keys]
            moved = dict(_grouped(zip(ends, columns.tolist(), strict=True)))
            for place in self.pool.locations[self.pool.locations < len(most)].tolist():
                for at in range(most.shape[1]):
                    mine = moved.get((int(groups.spot_of[place]), at), [])
                    self._limit(np.array(mine, dtype=np.int64), most[place, at] / MG_PER_G)

    def _limit(self, columns: Ints, high: float, values: list[float] | None = None) -> None:
        if len(columns) and high < UNLIMITED / MG_PER_G:
            self._at_most(columns.tolist(), high, values)

    def objectives(self) -> list[Floats]:
        """Costs for each aim after the stages: waiting, stage by stage, late use, late expiry, a fixed tie-break."""
        size = len(self.program.high)
        aims = []
        stage = self.net.cell_stage[self.groups.cell[self.lines[:, 0]]] if len(self.lines) else self.lines[:, 0]
        waits = (self.lines[:, 2] - self.lines[:, 1]).astype(np.float64)
        for number in np.unique(stage[waits > 0]).tolist():
            cost = np.zeros(size)
            cost[self.serves] = np.where(stage == number, waits, 0.0)
            aims.append(cost)
        if len(self.lines):
            sooner = np.zeros(size)
            sooner[self.serves] = self.lines[:, 2]
            aims.append(sooner)
        last = np.zeros(size)
        last[self.uses] = [1.0 + key[2] for key in self.use_keys]
        last[self.brings] = [1.0 + key[2] for key in self.bring_keys]
        return [*aims, last + tie_break(size) / (4 * size)]

    def read(self, x: Floats, stages: list[StageResult], programs: int) -> PoolWeeks:
        """Whole milligrams."""
        mg = np.floor(x * MG_PER_G + _WHOLE_MG).astype(np.int64)
        served = {
            (int(g), int(d), int(w)): int(amount)
            for (g, d, w), amount in zip(self.lines.tolist(), mg[self.serves].tolist(), strict=True)
            if amount
        }
        return PoolWeeks(self.groups, served, list(self._paired(mg)), mg[self.holds], stages, programs)

    def _paired(self, mg: Ints) -> Iterator[Use]:
        """Stock with those who are given it: the first stages have what is there first."""
        groups = self.groups
        stage = self.net.cell_stage[groups.cell]
        supply = dict(_grouped([(line[4:6], line) for line in sorted(self._supply(mg))]))
        takes = zip(self.take_week, self.take_group, self.take_way, mg[self.takes], strict=True)
        ordered = sorted((int(w), int(stage[g]), int(g), int(way), int(amount)) for w, g, way, amount in takes)
        for week, _, group, way, amount in ordered:
            node = (int(groups.spot[group]), int(groups.way_set[group, way]))
            lots = supply.get((node, week), [])
            missing = amount
            while missing and lots:
                first, last, kind, spot, *_, there = lots.pop(0)
                part = min(missing, there)
                if part:
                    product, fence = int(groups.kind_product[kind]), int(groups.kind_fence[kind])
                    yield Use(product, fence, first, last, spot, group, week, part)
                    missing -= part
                if there > part:
                    lots.insert(0, (first, last, kind, spot, node, week, there - part))

    def _supply(self, mg: Ints) -> Iterator[tuple[int, int, int, int, tuple[int, int], int, int]]:
        """First and last week, kind, spot where it lies, spot and set that use it, week, milligrams."""
        for (kind, first, last, spot, number, week), amount in zip(self.use_keys, mg[self.uses].tolist(), strict=True):
            yield first, last, kind, spot, (spot, number), week, amount
        sent: dict[tuple[int, ...], dict[int, int]] = {}
        for (kind, first, last, spot, week), amount in zip(self.send_keys, mg[self.sends].tolist(), strict=True):
            sent.setdefault((kind, first, last, week), {})[spot] = amount
        for (kind, first, last, to, number, week), amount in zip(
            self.bring_keys, mg[self.brings].tolist(), strict=True
        ):
            missing = amount
            there = sent[kind, first, last, week]
            for spot in sorted(there, key=lambda spot: (spot == to, spot)):
                part = min(missing, there[spot])
                if part:
                    there[spot] -= part
                    missing -= part
                    yield first, last, kind, spot, (to, number), week, part


def _grouped(pairs: Iterable[tuple[_Key, _Value]]) -> Iterable[tuple[_Key, list[_Value]]]:
    """Values by key, in the order in which the keys come."""
    found: dict[_Key, list[_Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found.items()
