"""Plans that need no solver, because a short argument proves them best.

Each function makes the plan and returns None where its argument does not hold; the program is solved then.

Everybody served. If every class gets all it is due, no stage can be better. Where a panel's own stock does it with
no switch (or, in a pool of one panel, with no more switches than each product falls short of its own patients' due),
the later objectives cannot be better either: grams of a product beyond its stock must come from another product.

One source. In a pool of one panel, where all classes of a part draw on one and the same set of products, the stock of
the part is one heap: each stage takes what it can, and the stage that meets the end of it shares evenly. No stage can
serve more, and even shares are the leximin ones. If the switches this needs are within the limit, they are the fewest
possible, by the argument above.
"""

from __future__ import annotations

import numpy as np

from allocation.optimise.matching import match, share_in_order
from allocation.optimise.network import Ints, Network, Pool
from allocation.optimise.priority import Ration, StageResult, whole_shares
from allocation.optimise.sourcing import Supplies

__all__ = ["ration_one_source", "serve_everyone", "settle_alone", "without_solver"]


def serve_everyone(net: Network, pool: Pool) -> Supplies | None:
    """Everything due from each panel's own stock; None where that, or the reserve beside it, is not there.

    A pool in which nobody is due anything holds what there is of its reserve.
    """
    left = net.stock_mg[pool.locations]
    parts = []
    for place, panel in enumerate(pool.panels.tolist()):
        cls = pool.classes[net.panel[pool.classes] == panel]
        part = _settle(net, cls, net.due_mg[cls], left[place], may_switch=len(pool.locations) == 1)
        if part is None:
            return None
        parts.append(part)
        left[place] -= _used(part, left.shape[1])
    free = np.where(net.reserve_choice, left.sum(axis=0), 0)
    if int(free.sum()) < pool.reserve_mg and len(pool.classes):
        return None
    none = np.zeros(len(free), dtype=np.int64)
    reserve = share_in_order(none, np.array([pool.reserve_mg]), free)
    return _joined(parts, reserve)


def ration_one_source(net: Network, pool: Pool) -> tuple[Ration, Supplies] | None:
    """Shares of a pool of one panel whose parts each draw on one set of products; None where that is not so.

    None too where a cell of several classes is served in part.
    """
    if len(pool.locations) != 1 or pool.reserve_mg:
        return None
    cls = pool.classes
    stock = net.stock_mg[pool.locations[0]].copy()
    aside = _serve_unrecorded(net, cls, stock)
    rest = cls[~np.isin(cls, aside.classes)]
    part_of, sets = _parts(net, rest)
    if part_of is None:
        return None
    given = np.zeros(len(net.due_mg), dtype=np.int64)
    np.add.at(given, aside.classes, aside.mg)
    stages = len(net.stages)
    due, least = np.bincount(net.stage[cls], weights=net.due_mg[cls], minlength=stages), np.ones(stages)
    served = np.bincount(net.stage[aside.classes], weights=aside.mg, minlength=stages)
    for part, products in enumerate(sets):
        heap = int(stock[products].sum())
        members = rest[part_of == part]
        for stage in range(stages):
            at = members[net.stage[members] == stage]
            wanted = int(net.due_mg[at].sum())
            had = min(wanted, heap)
            if 0 < had < wanted and len(at) > 1 and not net.by_class[stage]:
                # Which of the cell's classes are served is then a matter of fewest switches.
                return None
            given[at] = net.due_mg[at] if had == wanted else whole_shares(had, net.due_mg[at], np.zeros(len(at)))
            served[stage] += had
            least[stage] = min(least[stage], had / wanted) if wanted else least[stage]
            heap -= had
    supplies = _settle(net, rest, given[rest], stock, may_switch=True)
    if supplies is None:
        return None
    cells, local = np.unique(net.cell[cls], return_inverse=True)
    cell_mg = np.bincount(local.reshape(-1), weights=given[cls], minlength=len(cells)).astype(np.int64)
    ration = Ration(cells, cell_mg, [StageResult(*numbers) for numbers in zip(due, served, least, strict=True)])
    return ration, _joined([aside, supplies], np.zeros(len(stock), dtype=np.int64))


def without_solver(net: Network, pool: Pool) -> tuple[Ration, Supplies] | None:
    """A pool's optimal shares and products where a short argument proves them; None where it takes the program."""
    supplies = serve_everyone(net, pool)
    if supplies is None:
        return ration_one_source(net, pool)
    cells = np.unique(net.cell[pool.classes])
    due_mg = net.cell_due_mg[cells]
    due = np.bincount(net.cell_stage[cells], weights=due_mg, minlength=len(net.stages)).tolist()
    full = [StageResult(mg, mg, 1.0) for mg in due]
    return Ration(cells, due_mg, full, int(supplies.reserve_mg.sum())), supplies


def settle_alone(net: Network, pool: Pool, ration: Ration) -> Supplies | None:
    """Products for classes whose milligrams are settled, in a pool of one panel, with the fewest switches.

    None where the pool has several places, a cell several classes, or products do not come out in simple order.
    """
    if len(pool.locations) != 1 or ration.reserve_mg or len(ration.cells) != len(pool.classes):
        return None
    wanted = ration.cell_mg[np.searchsorted(ration.cells, net.cell[pool.classes])]
    return _settle(net, pool.classes, wanted, net.stock_mg[pool.locations[0]], may_switch=True)


def _settle(net: Network, cls: Ints, wanted: Ints, stock: Ints, *, may_switch: bool) -> Supplies | None:
    """Give classes of one panel exactly what they want out of its stock, with the fewest switches."""
    own, choice = net.own[cls], net.choice[cls]
    # Those who can take nothing else come first, then the stages in their order.
    order = np.lexsort((np.arange(len(cls)), choice >= 0))
    has_own = order[own[order] >= 0]
    own_mg = np.zeros(len(cls), dtype=np.int64)
    own_mg[has_own] = share_in_order(own[has_own], stock, wanted[has_own])
    other = wanted - own_mg
    if (other[choice < 0] > 0).any():
        return None
    switched = int(other[own >= 0].sum())
    limit = net.switch_limit_mg
    if switched and (not may_switch or (limit is not None and switched > limit[net.panel[cls[0]]])):
        return None
    left = stock.copy()
    np.subtract.at(left, own[has_own], own_mg[has_own])
    parts = [_line(cls[has_own], own[has_own], own_mg[has_own])]
    # Sets of fewer products first, as they have the least choice; all of their own route before any of another.
    hubs = sorted((int(hub) for hub in np.unique(choice[other > 0])), key=lambda hub: int(net.choices[hub].sum()))
    same_route = {hub: net.choices[hub] & net.by_route[net.choice_route[hub]] for hub in hubs}
    for may_take in (same_route, {hub: net.choices[hub] for hub in hubs}):
        for hub in hubs:
            part = _drawn(cls, np.flatnonzero((choice == hub) & (other > 0)), other, np.where(may_take[hub], left, 0))
            np.subtract.at(left, part.product, part.mg)
            np.subtract.at(other, np.searchsorted(cls, part.classes), part.mg)
            parts.append(part)
    return None if other.any() else _joined(parts, np.zeros(len(stock), dtype=np.int64))


def _drawn(cls: Ints, to: Ints, wanted: Ints, free: Ints) -> Supplies:
    """What classes at places ``to`` draw on free stock: the product of which most is left first.

    So whole courses come out of few products.
    """
    plenty = np.argsort(-free, kind="stable")
    one = np.zeros(max(len(to), len(free)), dtype=np.int64)
    line, place, mg = match(one[: len(to)], wanted[to], one[: len(free)], free[plenty])
    return _line(cls[to[line]], plenty[place], mg)


def _serve_unrecorded(net: Network, cls: Ints, stock: Ints) -> Supplies:
    """Serve the classes without a product from what no class on record could use, and take that off the stock.

    Nothing is taken where switching could use it, or where it does not do for all of them: they then stay with the
    others.
    """
    nothing = _joined([], np.zeros(len(stock), dtype=np.int64))
    loose = net.own[cls] < 0
    if not loose.any() or (net.choice[cls[~loose]] >= 0).any():
        return nothing
    promised = np.bincount(net.own[cls[~loose]], weights=net.due_mg[cls[~loose]], minlength=len(stock))
    spare = np.maximum(stock - promised.astype(np.int64), 0)
    served = _settle(net, cls[loose], net.due_mg[cls[loose]], spare, may_switch=True)
    if served is None:
        return nothing
    stock -= _used(served, len(stock))
    return served


def _parts(net: Network, cls: Ints) -> tuple[Ints | None, list[Ints]]:
    """Part of each class, and the products of each; None where some part is not one source."""
    sets = np.array(
        [
            net.choices[h] if h >= 0 else np.eye(1, net.stock_mg.shape[1], o, dtype=bool)[0]
            for h, o in zip(net.choice[cls].tolist(), net.own[cls].tolist(), strict=True)
        ],
        dtype=np.bool_,
    ).reshape(len(cls), net.stock_mg.shape[1])
    distinct, part_of = np.unique(sets, axis=0, return_inverse=True)
    if (distinct.sum(axis=0) > 1).any():
        return None, []
    return part_of.reshape(-1).astype(np.int64), [np.flatnonzero(row) for row in distinct]


def _line(classes: Ints, product: Ints, mg: Ints) -> Supplies:
    there = mg > 0
    return Supplies(classes[there], product[there], mg[there], np.zeros(0, dtype=np.int64))


def _joined(parts: list[Supplies], reserve: Ints) -> Supplies:
    empty = np.zeros(0, dtype=np.int64)
    return Supplies(
        np.concatenate([empty, *(part.classes for part in parts)]),
        np.concatenate([empty, *(part.product for part in parts)]),
        np.concatenate([empty, *(part.mg for part in parts)]),
        reserve,
    )


def _used(part: Supplies, products: int) -> Ints:
    return np.bincount(part.product, weights=part.mg, minlength=products).astype(np.int64)
