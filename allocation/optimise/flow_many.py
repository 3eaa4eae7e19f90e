"""The shares of :mod:`allocation.optimise.flow_panel` for many panels at once, where switching is not limited.

One row of arrays a panel. Whole numbers throughout: floating point only orders ratios, and a panel in which two of them
are too near to be told apart is left to the exact way, one panel at a time.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from allocation.optimise.network import UNLIMITED, Bools, Floats, Ints, Network, Pool
from allocation.optimise.priority import Ration, StageResult

__all__ = ["ration_many"]

# Ratios that differ by less, beside their size, are not told apart.
_NEAR = 1e-9
_EXACT = 2**62


def ration_many(net: Network, pools: Sequence[Pool]) -> list[Ration | None]:
    """Exact milligrams for the cells of pools of one place each; None for a pool that this cannot decide."""
    found: list[Ration | None] = [None] * len(pools)
    if net.stock_mg.shape[1] > _EXACT.bit_length() or not net.by_class.any():
        return found
    apt = [
        number
        for number, pool in enumerate(pools)
        if len(pool.locations) == 1 and not pool.reserve_mg and len(pool.classes) and not net.limited_by_rows(pool)
    ]
    if not apt:
        return found
    panel = np.array([pools[number].panels[0] for number in apt])
    cls = np.concatenate([pools[number].classes for number in apt])
    row = np.repeat(np.arange(len(apt)), [len(pools[number].classes) for number in apt])
    open_to = net.choice[cls] >= 0
    unfit = ~net.by_class[net.stage[cls]]
    if net.switch_limit_mg is not None:
        unfit |= open_to & (net.own[cls] >= 0) & (net.switch_limit_mg[net.panel[cls]] < UNLIMITED)
    left_out = np.zeros(len(apt), dtype=np.bool_)
    left_out[row[unfit]] = True
    filling = _Filling(net, net.stock_mg[panel], cls=cls, row=row, open_to=open_to)
    results = [filling.serve(stage) for stage in range(len(net.stages))]
    left_out |= filling.doubtful
    mg = filling.floors()
    if mg is None:
        return found
    ends = np.cumsum([0, *(len(pools[number].classes) for number in apt)]).tolist()
    numbers = [[column.tolist() for column in result] for result in results]
    for place, number in enumerate(apt):
        if not left_out[place]:
            stages = [StageResult(due[place], served[place], least[place]) for due, served, least in numbers]
            # Every class is a cell here, and classes are in the order of cells.
            found[number] = Ration(net.cell[pools[number].classes], mg[ends[place] : ends[place + 1]], stages)
    return found


class _Filling:
    """Panels that are filled stage by stage. Nodes are products, for those who take one only, and then choices."""

    def __init__(self, net: Network, stock_mg: Ints, *, cls: Ints, row: Ints, open_to: Bools) -> None:
        self.rows, self.products = stock_mg.shape
        self.choices, stages = len(net.choices), len(net.stages)
        self.nodes = self.products + self.choices
        self.due_mg, self.stock_mg = net.due_mg[cls], stock_mg
        stocked: Bools = stock_mg > 0
        may: Bools = net.choices[None, :, :] & stocked[:, None, :]
        node = np.where(open_to, self.products + net.choice[cls], net.own[cls])
        # A choice of one product in stock is as good as being tied to it.
        single = np.concatenate([np.zeros_like(stock_mg, dtype=np.bool_), may.sum(axis=2) == 1], axis=1)[row, node]
        node[single] = may[row[single], node[single] - self.products].argmax(axis=1)
        self.at = (row * stages + net.stage[cls]) * self.nodes + node
        due = np.bincount(self.at, weights=self.due_mg, minlength=self.rows * stages * self.nodes)
        self.due = due.astype(np.int64).reshape(self.rows, stages, self.nodes)
        asked: Bools = self.due[:, :, self.products :].max(axis=1, initial=0) > 0
        self.may = may & asked[:, :, None]
        self.doubtful: Bools = np.any(self.may.sum(axis=1) > 1, axis=1)
        self.share = np.zeros_like(self.due)
        self.whole = np.ones_like(self.due)
        self.cap = stock_mg.copy()
        self.room = (self.may * stock_mg[:, None, :]).sum(axis=2)

    def serve(self, stage: int) -> tuple[Ints, Ints, Floats]:
        """Milligrams due and served, and the least share, of each panel."""
        due, open_due = self.due[:, stage, : self.products], self.due[:, stage, self.products :]
        share, whole = self.share[:, stage], self.whole[:, stage]
        got = np.minimum(due, self.cap)
        share[:, : self.products] = np.where(due > 0, got, 0)
        whole[:, : self.products] = np.maximum(due, 1)
        served = np.where(self.may.any(axis=1), 0, got).sum(axis=1)
        for choice in np.flatnonzero(self.may.any(axis=(0, 2))).tolist():
            inside = self.may[:, choice]
            wanted = np.where(inside, got, 0).sum(axis=1) + open_due[:, choice]
            over = np.flatnonzero(wanted > self.room[:, choice])
            reached = inside.any(axis=1)
            share[reached, self.products + choice] = 1
            if len(over):
                self._share_out(over, choice, due, open_due[:, choice], share, whole)
            used = np.minimum(wanted, self.room[:, choice])
            served += used
            self.room[:, choice] -= used
        self.cap -= got
        level = np.where(self.due[:, stage] > 0, share / whole, 1.0)
        return self.due[:, stage].sum(axis=1), served, level.min(axis=1)

    def _share_out(self, over: Ints, choice: int, due: Ints, open_due: Ints, share: Ints, whole: Ints) -> None:
        """Fill heaps of a choice that do not suffice: who takes one product only may stop where that ends."""
        inside = self.may[over, choice]
        mine = np.where(inside, due[over], 0)
        cap = np.where(inside & (mine > 0), self.cap[over], 0)
        ratio = np.where(mine > 0, cap / np.maximum(mine, 1), np.inf)
        order = np.argsort(ratio, axis=1, kind="stable")
        ratio = np.take_along_axis(ratio, order, axis=1)
        cap_before = np.cumsum(np.take_along_axis(cap, order, axis=1), axis=1)
        due_before = np.cumsum(np.take_along_axis(mine, order, axis=1), axis=1)
        left = np.column_stack([self.room[over, choice], self.room[over, choice][:, None] - cap_before])
        total = mine.sum(axis=1) + open_due[over]
        due_left = np.column_stack([total, total[:, None] - due_before])
        level = left[:, :-1] / np.maximum(due_left[:, :-1], 1)
        near = np.abs(ratio - level) <= _NEAR * np.maximum(level, _NEAR)
        stops = np.logical_and.accumulate((ratio < level) & (due_left[:, :-1] > 0), axis=1)
        count = stops.sum(axis=1)
        # What comes after those that stop does not matter; the next one must be clearly above.
        last = np.arange(ratio.shape[1]) <= count[:, None]
        self.doubtful[over[(near & last).any(axis=1)]] = True
        common, among = left[np.arange(len(over)), count], due_left[np.arange(len(over)), count]
        stopped = np.zeros_like(inside)
        np.put_along_axis(stopped, order, stops, axis=1)
        rows, columns = np.nonzero(inside & ~stopped)
        share[over[rows], columns] = common[rows]
        whole[over[rows], columns] = np.maximum(among[rows], 1)
        share[over, self.products + choice] = common
        whole[over, self.products + choice] = np.maximum(among, 1)

    def floors(self) -> Ints | None:
        """Whole milligrams of each class, rounded down; None where 64 bits do not do."""
        if int(self.share.max(initial=0)) * int(self.due_mg.max(initial=0)) >= _EXACT:
            return None
        floors: Ints = self.due_mg * self.share.ravel()[self.at] // self.whole.ravel()[self.at]
        return floors
