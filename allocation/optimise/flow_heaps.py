"""A panel's products that the same patients may take, as one heap, and how it is shared out by filling."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

__all__ = ["ALL", "NOTHING", "WHOLE", "Demand", "Heap", "Pair", "Served", "Unit", "fill", "switched_mg"]

NOTHING = Fraction(0)
ALL = Fraction(1)
WHOLE = (1, 1)

Pair = tuple[int, int]
"""A share as one whole number over another."""

Unit = tuple[str, int, int]
"""Kind (lock, open, switch), heap and product."""


@dataclass(slots=True)
class Heap:
    """Products that the same patients may take, and what earlier stages left: in all, and used by locks by product."""

    stock_mg: dict[int, int]
    left: int
    locked: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Demand:
    """Milligrams due at one heap in one stage.

    ``locks`` is due to those who take one product only, ``opens`` to those who take any without it being a switch,
    ``switchers`` to those on a product who may take the others by a switch.
    """

    locks: dict[int, int] = field(default_factory=dict)
    opens: int = 0
    switchers: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Served:
    """Shares at one heap in one stage, milligrams served, and the least share."""

    locks: dict[int, Pair]
    switchers: dict[int, Pair]
    opens: Pair
    mg: Fraction | int
    least: float


def switched_mg(stock_mg: list[int], demands: list[list[Demand]], found: list[list[Served]]) -> Fraction:
    """Fewest milligrams switched for these shares."""
    given: dict[Pair, Fraction] = {}
    for of_heaps, shares in zip(demands, found, strict=True):
        for at, (demand, served) in enumerate(zip(of_heaps, shares, strict=True)):
            for due_of, share_of in ((demand.locks, served.locks), (demand.switchers, served.switchers)):
                for product, due in due_of.items():
                    given[at, product] = given.get((at, product), NOTHING) + Fraction(*share_of[product]) * due
    return sum((max(NOTHING, mg - stock_mg[product]) for (_, product), mg in given.items()), NOTHING)


def fill(heap: Heap, demand: Demand) -> Served:
    """Share a heap out in one stage where switching is not limited, and take that off the heap."""
    due_mg = wanted = demand.opens + sum(demand.switchers.values())
    caps = {}
    for product, due in demand.locks.items():
        caps[product] = cap = heap.stock_mg[product] - heap.locked.get(product, 0)
        due_mg += due
        wanted += min(due, cap)
    if not due_mg:
        return Served({}, {}, WHOLE, 0, 1.0)
    common, left = WHOLE, heap.left
    if wanted > left:
        wanted = left
        for product, due in sorted(demand.locks.items(), key=lambda item: caps[item[0]] / item[1]):
            if caps[product] * due_mg < left * due:
                left -= caps[product]
                due_mg -= due
        common = left, due_mg
    heap.left -= wanted
    locks, least = {}, common[0] / common[1]
    for product, due in demand.locks.items():
        cap = caps[product]
        if cap * common[1] < common[0] * due:
            locks[product] = cap, due
            least = min(least, cap / due)
        else:
            locks[product] = common
        # Where the share is common and below 1 the heap is empty, and what is locked matters no more.
        heap.locked[product] = heap.locked.get(product, 0) + min(due, cap)
    return Served(locks, dict.fromkeys(demand.switchers, common), common, wanted, least)
