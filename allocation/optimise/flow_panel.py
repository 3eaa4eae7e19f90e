"""Exact fair shares between classes where each panel has only its own stock, with or without a limit on switching.

Products of a panel that the same patients may take are one heap, and where heaps share no product what can be
delivered is told by few sums. With ``a`` the milligrams for patients on a product, whatever they are given, and
``s`` its stock, a plan is possible exactly if

1. those who can take nothing else get at most ``s`` of it,
2. all patients of a heap together get at most the heap,
3. the milligrams switched, at least the sum of ``max(a - s, 0)`` over products, are within the limit.

Without (3) a stage is shared out by filling: everybody rises together, and who can take one product only stops where
it ends. If that needs no more switches than are allowed, it is the answer with a limit too; if not,
:mod:`allocation.optimise.flow_limited` has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from allocation.optimise.flow import floor_shares
from allocation.optimise.flow_heaps import Demand, Heap, Served, Unit, fill, switched_mg
from allocation.optimise.flow_limited import limited_shares
from allocation.optimise.network import UNLIMITED, Ints, Network, Pool
from allocation.optimise.priority import Ration, StageResult

__all__ = ["ration_panels"]

_EXACT = 2**62


def ration_panels(net: Network, pools: Sequence[Pool]) -> list[Ration | None]:
    """Exact milligrams for the cells of pools of one place each; None for a pool that this cannot decide."""
    found: list[Ration | None] = [None] * len(pools)
    apt = [number for number, pool in enumerate(pools) if _is_apt(net, pool)]
    if not apt:
        return found
    stock_mg = net.stock_mg.tolist()
    cls = np.concatenate([pools[number].classes for number in apt])
    pool_of = np.repeat(np.arange(len(apt)), [len(pools[number].classes) for number in apt])
    products, kinds = net.stock_mg.shape[1], len(net.choices)
    node = np.where(net.choice[cls] >= 0, products + net.choice[cls], net.own[cls])
    if net.switch_limit_mg is not None:
        limited = (net.switch_limit_mg[net.panel[cls]] < UNLIMITED) & (net.own[cls] >= 0) & (net.choice[cls] >= 0)
        node = np.where(limited, products + kinds + net.choice[cls] * products + net.own[cls], node)
    nodes = products + kinds + kinds * products
    key = (pool_of * len(net.stages) + net.stage[cls]) * nodes + node
    keys, group = np.unique(key, return_inverse=True)
    group = group.reshape(-1)
    due = np.bincount(group, weights=net.due_mg[cls], minlength=len(keys)).astype(np.int64)
    ends = np.searchsorted(keys // (nodes * len(net.stages)), np.arange(len(apt) + 1)).tolist()
    masks = [sum(1 << p for p in np.flatnonzero(row).tolist()) for row in net.choices]
    shares: list[tuple[int, int]] = []
    results: list[list[StageResult] | None] = []
    stage_of, node_of, due_of = (keys // nodes % len(net.stages)).tolist(), (keys % nodes).tolist(), due.tolist()
    for place, number in enumerate(apt):
        panel = int(pools[number].panels[0])
        limit = None if net.switch_limit_mg is None else int(net.switch_limit_mg[panel])
        span = slice(ends[place], ends[place + 1])
        lines = list(zip(stage_of[span], node_of[span], due_of[span], strict=True))
        one = _Panel(stock_mg[panel], masks, limit if limit is not None and limit < UNLIMITED else None)
        results.append(one.solve(lines, stages=len(net.stages)))
        shares += one.shares if results[-1] is not None else [(0, 1)] * len(lines)
    mg = _floors(net.due_mg[cls], group, shares)
    first = 0
    for number, stages in zip(apt, results, strict=True):
        cells = net.cell[pools[number].classes]
        if stages is not None:
            # Every class is a cell here, and classes are in the order of cells.
            found[number] = Ration(cells, mg[first : first + len(cells)], stages)
        first += len(cells)
    return found


def _is_apt(net: Network, pool: Pool) -> bool:
    return (
        len(pool.locations) == 1
        and not pool.reserve_mg
        and not net.limited_by_rows(pool)
        and bool(net.by_class[net.stage[pool.classes]].all())
    )


def _floors(due_mg: Ints, group: Ints, shares: list[tuple[int, int]]) -> Ints:
    """Shares of what is due, rounded down."""
    most = max((max(pair) for pair in shares), default=0)
    if most * int(due_mg.max(initial=0)) < _EXACT:
        pairs = np.array(shares, dtype=np.int64).reshape(len(shares), 2)
        floors: Ints = due_mg * pairs[group, 0] // pairs[group, 1]
        return floors
    return np.concatenate(
        [np.zeros(0, dtype=np.int64)]
        + [floor_shares(due_mg[i : i + 1], *shares[g]) for i, g in enumerate(group.tolist())]
    )


class _Panel:
    """The heaps of one panel, and the shares of its groups of classes in the order given."""

    def __init__(self, stock_mg: list[int], masks: list[int], limit_mg: int | None) -> None:
        self.stock_mg, self.masks, self.limit_mg = stock_mg, masks, limit_mg
        self.stocked = sum(1 << product for product, mg in enumerate(stock_mg) if mg)
        self.shares: list[tuple[int, int]] = []

    def solve(self, lines: list[tuple[int, int, int]], *, stages: int) -> list[StageResult] | None:
        """Shares of groups told by stage, node and milligrams due; None where heaps share products."""
        kinds = {node: self._kind(node) for node in {line[1] for line in lines}}
        masks = {mask for kind, mask, _ in kinds.values() if kind in ("open", "switch")}
        covered = 0
        for mask in masks:
            if covered & mask:
                return None
            covered |= mask
        masks |= {mask for kind, mask, _ in kinds.values() if kind == "lock" and not covered & mask}
        order = sorted(masks)
        heaps = [self._heap(mask) for mask in order]
        home = {product: number for number, heap in enumerate(heaps) for product in heap.stock_mg}
        where = {
            node: (kind, home[product] if kind == "lock" else order.index(mask) if mask else -1, product)
            for node, (kind, mask, product) in kinds.items()
        }
        demands = [[Demand() for _ in heaps] for _ in range(stages)]
        for stage, node, due in lines:
            kind, at, product = where[node]
            if kind == "lock":
                locks = demands[stage][at].locks
                locks[product] = locks.get(product, 0) + due
            elif kind == "open":
                demands[stage][at].opens += due
            elif kind == "switch":
                switchers = demands[stage][at].switchers
                switchers[product] = switchers.get(product, 0) + due
        found = [[fill(*pair) for pair in zip(heaps, of_heaps, strict=True)] for of_heaps in demands]
        if self.limit_mg is not None and switched_mg(self.stock_mg, demands, found) > self.limit_mg:
            found = limited_shares([self._heap(mask) for mask in order], demands, self.limit_mg)
        return self._told(lines, where, found)

    def _kind(self, node: int) -> tuple[str, int, int]:
        """Lock, open or switch, the products it may take as bits, and its own product or -1."""
        products, kinds = len(self.stock_mg), len(self.masks)
        if node < products:
            return ("lock", 1 << node, node) if self.stocked >> node & 1 else ("dead", 0, -1)
        node -= products
        choice, own = (node, -1) if node < kinds else divmod(node - kinds, products)
        mask = self.masks[choice] & self.stocked
        if not mask:
            return "dead", 0, -1
        if own >= 0 and mask & ~(1 << own):
            return "switch", mask, own
        if mask & (mask - 1) == 0:
            return "lock", mask, mask.bit_length() - 1
        return "open", mask, -1

    def _heap(self, mask: int) -> Heap:
        stock = {product: mg for product, mg in enumerate(self.stock_mg) if mask >> product & 1}
        return Heap(stock, sum(stock.values()))

    def _told(
        self, lines: list[tuple[int, int, int]], where: dict[int, Unit], found: list[list[Served]]
    ) -> list[StageResult]:
        due_mg = [0] * len(found)
        least = [min((heap.least for heap in heaps), default=1.0) for heaps in found]
        for stage, node, due in lines:
            kind, at, product = where[node]
            due_mg[stage] += due
            if kind == "lock":
                share = found[stage][at].locks[product]
            elif kind == "open":
                share = found[stage][at].opens
            elif kind == "switch":
                share = found[stage][at].switchers[product]
            else:
                share, least[stage] = (0, 1), 0.0
            self.shares.append(share)
        served = [_number(sum(heap.mg for heap in heaps)) for heaps in found]
        return [StageResult(*numbers) for numbers in zip(due_mg, served, least, strict=True)]


def _number(value: Fraction | int) -> float:
    return value.numerator if value.denominator == 1 else float(value)
