"""Plans that need no solver, because a short argument proves them best.

Each function makes the plan and returns None where its argument does not hold; the program is solved then. Pools are
taken together, so that many small ones cost little more than one.

Everybody served. If every class gets all it is due, no stage can be better. Where a panel's own stock does it with
no switch (or, in a pool of one panel, with no more switches than each product falls short of its own patients' due),
the later objectives cannot be better either: grams of a product beyond its stock must come from another product.

Shares. Cuts of the network, or the heaps of a panel, prove who is served how far
(:mod:`allocation.optimise.flow`, :mod:`allocation.optimise.flow_panel`).

Products. Once the milligrams of every class of a panel are settled, its own product goes first, and what then misses
is switched. That is the fewest switches possible, by the argument above. Which products a class is given depends on
the settled milligrams alone, so it is the same whoever found them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from allocation.optimise.flow import ration_by_cuts
from allocation.optimise.flow_many import ration_many
from allocation.optimise.flow_panel import ration_panels
from allocation.optimise.matching import match, share_in_order
from allocation.optimise.network import Bools, Ints, Network, Pool
from allocation.optimise.priority import Ration, StageResult
from allocation.optimise.sourcing import Supplies

__all__ = [
    "exact_ration",
    "exact_rations",
    "full_ration",
    "serve_everyone",
    "serve_everywhere",
    "settle_alone",
    "settle_panels",
    "without_solver",
]


def serve_everywhere(net: Network, pools: Sequence[Pool]) -> list[Supplies | None]:
    """Everything due from each panel's own stock, one element a pool; None where that, or its reserve, is not there.

    A pool in which nobody is due anything holds what there is of its reserve.
    """
    alone = np.zeros(net.n_panels, dtype=np.bool_)
    for pool in pools:
        alone[pool.panels] = len(pool.locations) == 1
    short = _short(net, alone)
    hopeful = [pool.classes for pool in pools if not short[pool.panels].any()]
    cls = np.concatenate([np.zeros(0, dtype=np.int64), *hopeful])
    lines = _settle(net, cls, net.due_mg[cls], net.stock_mg[: net.n_panels], may_switch=alone)
    found: list[Supplies | None] = []
    for pool, part in zip(pools, lines.by_pool(net, pools), strict=True):
        if (short | lines.failed)[pool.panels].any() or net.limited_by_rows(pool):
            found.append(None)
            continue
        left = net.stock_mg[pool.locations].sum(axis=0)
        free = np.where(net.reserve_choice, left - _used(part, len(left)), 0)
        if int(free.sum()) < pool.reserve_mg and len(pool.classes):
            found.append(None)
            continue
        held = np.zeros(len(free), dtype=np.int64)
        if pool.reserve_mg:
            held = share_in_order(held, np.array([pool.reserve_mg]), free)
        found.append(Supplies(part.classes, part.product, part.mg, held))
    return found


def _short(net: Network, alone: Bools) -> Bools:
    """Panels that lack a product for those who must have it from there, shape (panels,)."""
    must = np.flatnonzero((net.cell >= 0) & (net.own >= 0) & ((net.choice < 0) | ~alone[net.panel]))
    stock_mg = net.stock_mg[: net.n_panels]
    key = net.panel[must] * stock_mg.shape[1] + net.own[must]
    needed = np.bincount(key, weights=net.due_mg[must], minlength=stock_mg.size).reshape(stock_mg.shape)
    short: Bools = np.logical_or.reduce(needed > stock_mg, axis=1)
    return short


def serve_everyone(net: Network, pool: Pool) -> Supplies | None:
    """What :func:`serve_everywhere` says of one pool."""
    return serve_everywhere(net, [pool])[0]


def full_ration(net: Network, pool: Pool, supplies: Supplies) -> Ration:
    """Everything due to everyone, and the reserve as it is held."""
    cells = np.unique(net.cell[pool.classes])
    due_mg = net.cell_due_mg[cells]
    due = np.bincount(net.cell_stage[cells], weights=due_mg, minlength=len(net.stages)).tolist()
    return Ration(cells, due_mg, [StageResult(mg, mg, 1.0) for mg in due], int(supplies.reserve_mg.sum()))


def exact_rations(net: Network, pools: Sequence[Pool]) -> list[Ration | None]:
    """Shares of pools where cuts or heaps prove them; None where it takes the program."""
    found = ration_many(net, pools)
    for way in (ration_panels, _by_cuts):
        missing = [number for number, ration in enumerate(found) if ration is None]
        if missing:
            for number, ration in zip(missing, way(net, [pools[n] for n in missing]), strict=True):
                found[number] = ration
    return found


def _by_cuts(net: Network, pools: Sequence[Pool]) -> list[Ration | None]:
    return [ration_by_cuts(net, pool) for pool in pools]


def exact_ration(net: Network, pool: Pool) -> Ration | None:
    """What :func:`exact_rations` says of one pool."""
    return exact_rations(net, [pool])[0]


def without_solver(net: Network, pool: Pool) -> tuple[Ration, Supplies] | None:
    """A pool's optimal shares and products where short arguments prove both; None where it takes a solver."""
    supplies = serve_everyone(net, pool)
    if supplies is not None:
        return full_ration(net, pool, supplies), supplies
    ration = exact_ration(net, pool)
    supplies = None if ration is None else settle_alone(net, pool, ration)
    return None if ration is None or supplies is None else (ration, supplies)


def settle_alone(net: Network, pool: Pool, ration: Ration) -> Supplies | None:
    """What :func:`settle_panels` says of one pool."""
    return settle_panels(net, [pool], [ration])[0]


def settle_panels(net: Network, pools: Sequence[Pool], rations: Sequence[Ration]) -> list[Supplies | None]:
    """Products for classes whose milligrams are settled, in pools of one panel, with the fewest switches.

    None where the pool has several places, a cell of several classes is served in part, or products do not come out in
    simple order.
    """
    found: list[Supplies | None] = [None] * len(pools)
    apt, classes, wants = [], [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for number, (pool, ration) in enumerate(zip(pools, rations, strict=True)):
        if len(pool.locations) == 1 and not ration.reserve_mg and not net.limited_by_rows(pool):
            wanted = _class_mg(net, pool, ration)
            if wanted is not None:
                apt.append(number)
                classes.append(pool.classes)
                wants.append(wanted)
    if not apt:
        return found
    cls, wanted = np.concatenate(classes), np.concatenate(wants)
    stock = net.stock_mg[: net.n_panels].copy()
    aside = _serve_unrecorded(net, cls, wanted, stock)
    rest = ~np.isin(cls, aside.classes)
    every = np.ones(net.n_panels, dtype=np.bool_)
    lines = _settle(net, cls[rest], wanted[rest], stock, may_switch=every)
    joined = _Lines(
        np.concatenate([aside.classes, lines.classes]),
        np.concatenate([aside.product, lines.product]),
        np.concatenate([aside.mg, lines.mg]),
        lines.failed,
    )
    chosen = [pools[number] for number in apt]
    for number, pool, part in zip(apt, chosen, joined.by_pool(net, chosen), strict=True):
        if not lines.failed[pool.panels[0]]:
            found[number] = part
    return found


def _class_mg(net: Network, pool: Pool, ration: Ration) -> Ints | None:
    """Milligrams of each class of a pool; None where its cell's milligrams leave that open."""
    cells = net.cell[pool.classes]
    if len(ration.cells) == len(cells):
        # Every class is a cell, and classes are in the order of cells.
        return ration.cell_mg
    place = np.searchsorted(ration.cells, cells)
    mg, due = ration.cell_mg[place], net.cell_due_mg[cells]
    alone = np.bincount(place, minlength=len(ration.cells))[place] == 1
    if not (alone | (mg == due) | (mg == 0)).all():
        return None
    return np.where(alone, mg, np.where(mg == due, net.due_mg[pool.classes], 0))


@dataclass(frozen=True, slots=True, eq=False)
class _Lines:
    """Class, product and milligrams of what panels give out, and whether it failed, shape (panels,)."""

    classes: Ints
    product: Ints
    mg: Ints
    failed: Bools

    def by_pool(self, net: Network, pools: Sequence[Pool]) -> list[Supplies]:
        """The lines of each pool."""
        pool_of = np.full(net.n_panels, len(pools))
        for number, pool in enumerate(pools):
            pool_of[pool.panels] = number
        at = pool_of[net.panel[self.classes]]
        order = np.argsort(at, kind="stable")
        ends = np.searchsorted(at[order], np.arange(len(pools) + 1)).tolist()
        classes, product, mg = self.classes[order], self.product[order], self.mg[order]
        none = np.zeros(net.stock_mg.shape[1], dtype=np.int64)
        return [Supplies(classes[start:end], product[start:end], mg[start:end], none) for start, end in pairwise(ends)]


def _settle(net: Network, cls: Ints, wanted: Ints, stock: Ints, *, may_switch: Bools) -> _Lines:
    """Give classes exactly what they want out of their own panel's stock, with the fewest switches.

    Parameters
    ----------
    stock
        Milligrams, shape (panels, products).
    may_switch
        Shape (panels,).
    """
    own, choice, panel = net.own[cls], net.choice[cls], net.panel[cls]
    products = stock.shape[1]
    # Those who can take nothing else come first, then the stages in their order.
    order = np.argsort(choice >= 0, kind="stable")
    has_own = order[own[order] >= 0]
    own_mg = np.zeros(len(cls), dtype=np.int64)
    own_mg[has_own] = share_in_order(panel[has_own] * products + own[has_own], stock.ravel(), wanted[has_own])
    other = wanted - own_mg
    switched = np.bincount(panel[own >= 0], weights=other[own >= 0], minlength=net.n_panels)
    failed = np.bincount(panel[(choice < 0) & (other > 0)], minlength=net.n_panels) > 0
    failed |= (switched > 0) & ~may_switch
    if net.switch_limit_mg is not None:
        failed |= switched > net.switch_limit_mg
    left = stock.copy()
    np.subtract.at(left, (panel[has_own], own[has_own]), own_mg[has_own])
    mine = has_own[own_mg[has_own] > 0]
    parts = [(cls[mine], own[mine], own_mg[mine])]
    to = np.flatnonzero((other > 0) & ~failed[panel])
    # Sets of fewer products first, as they have the least choice; all of their own route before any of another.
    hubs = sorted(set(choice[to].tolist()), key=lambda hub: (int(net.choices[hub].sum()), hub))
    same_route = {hub: net.choices[hub] & net.by_route[net.choice_route[hub]] for hub in hubs}
    for may_take in (same_route, {hub: net.choices[hub] for hub in hubs}):
        for hub in hubs:
            at = to[(choice[to] == hub) & (other[to] > 0)]
            if len(at):
                line, product, mg = _drawn(panel[at], other[at], left, may_take[hub])
                np.subtract.at(left, (panel[at[line]], product), mg)
                np.subtract.at(other, at[line], mg)
                parts.append((cls[at[line]], product, mg))
    failed |= np.bincount(panel[other > 0], minlength=net.n_panels) > 0
    classes, product, mg = (np.concatenate(column) for column in zip(*parts, strict=True))
    return _Lines(classes, product, mg, failed)


def _drawn(panel: Ints, wanted: Ints, left: Ints, may_take: Bools) -> tuple[Ints, Ints, Ints]:
    """What those at panels draw on free stock, the product of which most is left first: line, product, milligrams.

    So whole courses come out of few products.
    """
    panels, at = np.unique(panel, return_inverse=True)
    free = np.where(may_take, left[panels], 0)
    plenty = np.argsort(-free, axis=1, kind="stable")
    group = np.repeat(np.arange(len(panels)), free.shape[1])
    line, place, mg = match(at.reshape(-1), wanted, group, np.take_along_axis(free, plenty, axis=1).ravel())
    return line, plenty.ravel()[place], mg


def _serve_unrecorded(net: Network, cls: Ints, wanted: Ints, stock: Ints) -> _Lines:
    """Serve the classes without a product from what no class on record could use, and take that off the stock.

    Nothing is taken where switching could use it, or where it does not do for all of a panel: they then stay with the
    others.
    """
    panel, own = net.panel[cls], net.own[cls]
    bound = np.bincount(panel[(own >= 0) & (net.choice[cls] >= 0)], minlength=net.n_panels) > 0
    short = np.bincount(panel[wanted < net.due_mg[cls]][own[wanted < net.due_mg[cls]] < 0], minlength=net.n_panels) > 0
    loose = (own < 0) & ~(bound | short)[panel]
    tied = own >= 0
    spare = stock.copy()
    np.subtract.at(spare, (panel[tied], own[tied]), net.due_mg[cls[tied]])
    every = np.ones(net.n_panels, dtype=np.bool_)
    lines = _settle(net, cls[loose], wanted[loose], np.maximum(spare, 0), may_switch=every)
    kept = ~lines.failed[net.panel[lines.classes]]
    classes, product, mg = lines.classes[kept], lines.product[kept], lines.mg[kept]
    np.subtract.at(stock, (net.panel[classes], product), mg)
    return _Lines(classes, product, mg, lines.failed)


def _used(part: Supplies, products: int) -> Ints:
    return np.bincount(part.product, weights=part.mg, minlength=products).astype(np.int64)
