"""Who is served how far, without a solver: exact fair shares from cuts of the network.

While grams only flow from products through sets of allowed products ("nodes") to cells, the amounts that can be
delivered form a polymatroid (Megiddo 1974; Federgruen and Groenevelt 1986), and three things follow.

- A plan is possible exactly if no cut forbids it. A cut is told by the set of nodes on the side of the stock: the
  products that feed a node on the other side are cut, and each cell is cut down to what it may draw from the nodes on
  the stock's side. Nodes are few, so all cuts worth looking at are listed, and each is a sum over cells.
- What a stage can have beside those before it depends only on how much these can have together, not on how they
  share it. So earlier stages count with all they are due, and every number stays a whole number of milligrams.
- Raising all shares together until a cut is tight, settling the cells behind it, and going on with the others gives
  the leximin shares, and these use all that the stage can have. The share at a tight cut is one whole number over
  another.

Floating point only picks the cuts to look at; what they say is computed and compared in whole numbers.

Limits across products break the argument. Where they hold, and where there are too many nodes to list their cuts, the
program decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from allocation.optimise.network import Bools, Ints, Network, Pool
from allocation.optimise.priority import Ration, StageResult

__all__ = ["floor_shares", "ration_by_cuts"]

# Cuts are two to the power of this at most.
_MOST_NODES = 12
# Products of whole numbers below this are exact in 64 bits.
_EXACT = 2**62
# Excess of a cut in floating point, beside the size of its terms, that is looked at in whole numbers.
_NEAR = 2.0**-44


@dataclass(frozen=True, slots=True, eq=False)
class _Cuts:
    """Cuts of a pool: nodes on the side of the stock, shape (cuts, nodes), and stock of the products cut, (cuts,)."""

    inside: Ints
    room_mg: Ints


def ration_by_cuts(net: Network, pool: Pool) -> Ration | None:
    """Exact milligrams for each cell of a pool; None where limits across products hold or cuts are too many."""
    cls = pool.classes
    if net.limited_by_rows(pool) or (net.switch_limit_mg is not None and (net.choice[cls] >= 0).any()):
        return None
    node, masks, reserve = _nodes(net, pool)
    stages = net.stage[cls]
    all_due = np.bincount(node[node >= 0], weights=net.due_mg[cls][node >= 0], minlength=len(masks)).astype(np.int64)
    if reserve >= 0:
        all_due[reserve] += pool.reserve_mg
    cuts = _cuts(masks, net.stock_mg[pool.locations].sum(axis=0).tolist(), all_due.tolist())
    if cuts is None:
        return None
    cells, cell_of = np.unique(net.cell[cls], return_inverse=True)
    ration = Ration(cells, np.zeros(len(cells), dtype=np.int64), [])
    taken = cuts.room_mg.copy()
    for number, by_class in enumerate(net.by_class.tolist()):
        at = np.flatnonzero(stages == number)
        taken, result = _stage(net, ration, cuts, taken, cls=cls[at], node=node[at], cell=cell_of[at], alike=by_class)
        ration.stages.append(result)
        if number == 0 and reserve >= 0:
            before = int(taken.min())
            taken = taken + cuts.inside[:, reserve] * pool.reserve_mg
            ration.reserve_mg = int(taken.min()) - before
    return ration


def _nodes(net: Network, pool: Pool) -> tuple[Ints, list[int], int]:
    """Node of each class (-1 for none of its products in stock), products of each node as bits, node of the reserve."""
    cls = pool.classes
    stocked = _bits((net.stock_mg[pool.locations].sum(axis=0) > 0)[None, :])[0]
    choices = [mask & stocked for mask in _bits(net.choices)]
    key = np.where(net.choice[cls] >= 0, net.choice[cls], len(choices) + np.maximum(net.own[cls], 0))
    keys, of = np.unique(key, return_inverse=True)
    nodes: dict[int, int] = {}
    found = []
    for number in keys.tolist():
        mask = choices[number] if number < len(choices) else stocked & (1 << (number - len(choices)))
        found.append(nodes.setdefault(mask, len(nodes)) if mask else -1)
    held = _bits(net.reserve_choice[None, :])[0] & stocked
    reserve = nodes.setdefault(held, len(nodes)) if held and pool.reserve_mg else -1
    return np.array(found, dtype=np.int64)[of.reshape(-1)], list(nodes), reserve


def _bits(rows: Bools) -> list[int]:
    return [sum(1 << place for place in np.flatnonzero(row).tolist()) for row in rows]


def _cuts(masks: list[int], stock_mg: list[int], due_mg: list[int]) -> _Cuts | None:
    """All cuts that can ever be the tightest; None where they are too many.

    A node of one product is on the stock's side if all larger nodes with this product are and the product suffices for
    all that may ask for it there; it is on the other side if the product is cut anyway. So only larger nodes, and
    nodes of one product that is short, are tried on either side.
    """
    single = [node for node, mask in enumerate(masks) if mask & (mask - 1) == 0]
    ample = [node for node in single if stock_mg[masks[node].bit_length() - 1] >= due_mg[node]]
    tried = [node for node in range(len(masks)) if node not in set(ample)]
    if len(tried) > _MOST_NODES:
        return None
    lines: dict[tuple[int, ...], int] = {}
    for chosen in range(1 << len(tried)):
        inside = [0] * len(masks)
        cut = 0
        for bit, node in enumerate(tried):
            if chosen >> bit & 1:
                inside[node] = 1
            else:
                cut |= masks[node]
        for node in ample:
            inside[node] = int(not cut & masks[node])
        lines[tuple(inside)] = sum(mg for place, mg in enumerate(stock_mg) if cut >> place & 1)
    inside_of = np.array(list(lines), dtype=np.int64).reshape(len(lines), len(masks))
    return _Cuts(inside_of, np.array(list(lines.values()), dtype=np.int64))


def _stage(
    net: Network, ration: Ration, cuts: _Cuts, taken: Ints, *, cls: Ints, node: Ints, cell: Ints, alike: bool
) -> tuple[Ints, StageResult]:
    """Serve one stage and write its cells' milligrams.

    Parameters
    ----------
    taken
        Each cut with everything before the stage on it; the least of them is what that can have.
    alike
        Whether each class is a cell by itself: those that draw on one node then have the same share.
    """
    total_mg = int(net.due_mg[cls].sum())
    if not total_mg:
        return taken, StageResult(0, 0, 1.0)
    keys, unit = np.unique(node if alike else cell, return_inverse=True)
    unit = unit.reshape(-1)
    due_mg = np.bincount(unit, weights=net.due_mg[cls], minlength=len(keys)).astype(np.int64)
    by_node = np.zeros((len(keys), cuts.inside.shape[1]), dtype=np.int64)
    there = node >= 0
    np.add.at(by_node, (unit[there], node[there]), net.due_mg[cls[there]])
    reach = by_node @ cuts.inside.T
    before = int(taken.min())
    after = taken + reach.sum(axis=0)
    served_mg = int(after.min()) - before
    cells, first = np.unique(cell, return_index=True)
    if served_mg == total_mg:
        ration.cell_mg[cells] = net.cell_due_mg[ration.cells[cells]]
        return after, StageResult(total_mg, total_mg, 1.0)
    if not served_mg:
        return after, StageResult(total_mg, 0, 0.0)
    least = 1.0
    unit_of_cell = unit[first]
    for units, share, whole in _settled(due_mg, reach, taken - before):
        least = min(least, share / whole)
        at = cells[np.isin(unit_of_cell, units)]
        ration.cell_mg[at] = floor_shares(net.cell_due_mg[ration.cells[at]], share, whole)
    return after, StageResult(total_mg, served_mg, least)


def floor_shares(due_mg: Ints, share: int, whole: int) -> Ints:
    """``share`` parts in ``whole`` of each amount due, in whole milligrams rounded down."""
    if int(due_mg.max(initial=0)) * share < _EXACT:
        return due_mg * share // whole
    return np.array([int(mg) * share // whole for mg in due_mg.tolist()], dtype=np.int64)


def _settled(due_mg: Ints, reach: Ints, room: Ints) -> Iterator[tuple[Ints, int, int]]:
    """Units that come to rest together, lowest share first, and their share as one whole number over another.

    Parameters
    ----------
    due_mg
        Shape (units,).
    reach
        What each unit may draw on the stock's side of each cut, shape (units, cuts).
    room
        What each cut leaves for units beyond their reach, shape (cuts,).
    """
    active = np.arange(len(due_mg))
    while len(active):
        due, within = due_mg[active], reach[active]
        share, whole, tight = _next_share(due, within, room)
        stuck = np.zeros(len(active), dtype=np.bool_)
        for cut in tight:
            stuck |= ~_beyond(within[:, cut], due, whole=share, share=whole)
        units = active[stuck]
        yield units, share, whole
        # What is settled counts with all it is due, as earlier stages do.
        room = room + reach[units].sum(axis=0) - share * int(due_mg[units].sum()) // whole
        active = active[~stuck]


def _next_share(due: Ints, within: Ints, room: Ints) -> tuple[int, int, list[int]]:
    """The greatest share that all units can have together, as a fraction, and the cuts that are tight there."""
    share, whole = 1, 1
    size = float(due.sum()) + float(np.abs(room).max())
    while True:
        level = share / whole
        excess = np.maximum(level * due[:, None] - within, 0.0).sum(axis=0) - room
        worst = int(excess.argmax())
        if excess[worst] <= _NEAR * size:
            exact = {
                cut: _excess(due, within[:, cut], share, whole) - whole * int(room[cut])
                for cut in np.flatnonzero(excess >= -_NEAR * size).tolist()
            }
            worst = max(exact, key=lambda cut: exact[cut])
            if exact[worst] <= 0:
                return share, whole, [cut for cut, over in exact.items() if over == 0]
        # Newton's step: the excess is convex in the share, so it never steps over the root.
        over = _beyond(due, within[:, worst], share=share, whole=whole)
        share = int(room[worst]) + int(within[over, worst].sum())
        whole = int(due[over].sum())


def _beyond(due: Ints, within: Ints, *, share: int, whole: int) -> Bools:
    """Where ``due * share > within * whole``, exactly."""
    left, right = due * float(share), within * float(whole)
    over: Bools = left > right
    for place in np.flatnonzero(np.abs(left - right) <= 1e-9 * np.maximum(left, right)).tolist():
        over[place] = int(due[place]) * share > int(within[place]) * whole
    return over


def _excess(due: Ints, within: Ints, share: int, whole: int) -> int:
    over = _beyond(due, within, share=share, whole=whole)
    return share * int(due[over].sum()) - whole * int(within[over].sum())
