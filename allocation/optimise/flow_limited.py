"""Exact fair shares between classes of one panel where no more than a limit may be switched.

The greatest total that a heap allows is ``min(M, B + y)``: ``y`` is what it may switch, ``M`` its stock or all that is
due, whichever is less, and ``B`` what it gives without a switch. So the total of a stage is known beforehand, and
least shares go together with it exactly if the switches that they need, and those that the total needs, are within the
limit. All of this is piecewise linear and convex in a common share, so Newton's steps in fractions find where it ends.
What stops is settled and the others go on.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from allocation.optimise.flow_heaps import ALL, NOTHING, Demand, Heap, Served, Unit

__all__ = ["limited_shares"]


def limited_shares(heaps: list[Heap], demands: list[list[Demand]], limit_mg: int) -> list[list[Served]]:
    """Shares where no more than a limit may be switched in all heaps together."""
    fixed = [_Fixed({}, {}, NOTHING) for _ in heaps]
    found = []
    for of_heaps in demands:
        shares = _LimitedStage(heaps, fixed, of_heaps, limit_mg).settle()
        found.append(
            [
                _booked(before, demand, shares, at)
                for at, (before, demand) in enumerate(zip(fixed, of_heaps, strict=True))
            ]
        )
    return found


def _booked(before: _Fixed, demand: Demand, shares: dict[Unit, Fraction], at: int) -> Served:
    """What a stage is given at a heap, added to what is fixed there."""
    locks = {product: shares["lock", at, product] for product in demand.locks}
    switchers = {product: shares["switch", at, product] for product in demand.switchers}
    opens = shares["open", at, -1] if demand.opens else ALL
    mg = opens * demand.opens
    before.opens += mg
    for share_of, due_of in ((locks, demand.locks), (switchers, demand.switchers)):
        for product, share in share_of.items():
            given = share * due_of[product]
            before.given[product] = before.given.get(product, NOTHING) + given
            mg += given
    for product, share in locks.items():
        before.locked[product] = before.locked.get(product, NOTHING) + share * demand.locks[product]
    return Served(
        {product: share.as_integer_ratio() for product, share in locks.items()},
        {product: share.as_integer_ratio() for product, share in switchers.items()},
        opens.as_integer_ratio(),
        mg,
        float(min([opens, *locks.values(), *switchers.values()])),
    )


def _above(mg: Fraction, stock_mg: int) -> Fraction:
    return max(NOTHING, mg - stock_mg)


@dataclass(slots=True)
class _Fixed:
    """What earlier stages get at a heap: by product, of this what locks get, and what opens get."""

    given: dict[int, Fraction]
    locked: dict[int, Fraction]
    opens: Fraction


class _LimitedStage:
    """One stage under a limit on switching.

    Every unit that may still rise has the same share; ``base`` is what a product's patients have beside that, and
    ``slope`` the milligrams due that rise.
    """

    def __init__(self, heaps: list[Heap], fixed: list[_Fixed], demands: list[Demand], limit_mg: int) -> None:
        self.limit_mg = limit_mg
        self.units: dict[Unit, int] = {}
        self.base: list[dict[int, Fraction]] = []
        self.opens: list[Fraction] = []
        self.stock: list[dict[int, int]] = []
        self.all_mg: list[int] = []
        self.caps: dict[Unit, Fraction] = {}
        needed: list[Fraction] = []
        switched: list[Fraction] = []
        for at, (heap, before, demand) in enumerate(zip(heaps, fixed, demands, strict=True)):
            products = {*heap.stock_mg, *before.given, *demand.locks, *demand.switchers}
            stock = {product: heap.stock_mg.get(product, 0) for product in sorted(products)}
            base = {product: before.given.get(product, NOTHING) for product in stock}
            self.stock.append(stock)
            self.base.append(base)
            self.opens.append(before.opens)
            self.all_mg.append(heap.left)
            most = dict(base)
            for product, due in demand.locks.items():
                cap = stock[product] - before.locked.get(product, NOTHING)
                self.units["lock", at, product] = due
                self.caps["lock", at, product] = cap
                most[product] += min(Fraction(due), cap)
            for product, due in demand.switchers.items():
                self.units["switch", at, product] = due
                most[product] += due
            if demand.opens:
                self.units["open", at, -1] = demand.opens
            opens = before.opens + demand.opens
            without = opens + sum((min(mg, Fraction(stock[product])) for product, mg in most.items()), NOTHING)
            whole = min(Fraction(heap.left), opens + sum(most.values(), NOTHING))
            needed.append(max(NOTHING, whole - without))
            switched.append(sum((_above(mg, stock[product]) for product, mg in base.items()), NOTHING))
        self.needed = needed
        self.most_switched = [max(one, other) for one, other in zip(needed, switched, strict=True)]
        # Whether every heap can reach its greatest total.
        self.within = sum(self.most_switched, NOTHING) <= limit_mg

    def settle(self) -> dict[Unit, Fraction]:
        """Share of every unit."""
        shares: dict[Unit, Fraction] = {}
        active = dict(self.units)
        while active:
            share = self._next(active)
            stuck = self._stuck(active, share)
            for unit in stuck:
                shares[unit] = share
                kind, at, product = unit
                if kind == "open":
                    self.opens[at] += share * active[unit]
                else:
                    self.base[at][product] += share * active[unit]
                del active[unit]
        return shares

    def _slopes(self, active: dict[Unit, int]) -> tuple[list[dict[int, int]], list[int]]:
        slopes: list[dict[int, int]] = [{} for _ in self.stock]
        opens = [0] * len(self.stock)
        for (kind, at, product), due in active.items():
            if kind == "open":
                opens[at] += due
            else:
                slopes[at][product] = slopes[at].get(product, 0) + due
        return slopes, opens

    def _switching(self, at: int, slopes: dict[int, int], share: Fraction) -> tuple[Fraction, int]:
        """What a heap must switch at a common share, and how fast that grows below it."""
        switched, growth = NOTHING, 0
        for product, base in self.base[at].items():
            slope = slopes.get(product, 0)
            over = base + share * slope - self.stock[at][product] if slope else base - self.stock[at][product]
            if over > 0:
                switched += over
                growth += slope
        return switched, growth

    def _next(self, active: dict[Unit, int]) -> Fraction:
        slopes, opens = self._slopes(active)
        share = min([ALL, *(self.caps[unit] / due for unit, due in active.items() if unit[0] == "lock")])
        for at, stock_mg in enumerate(self.all_mg):
            slope = opens[at] + sum(slopes[at].values())
            if slope:
                share = min(share, (stock_mg - self.opens[at] - sum(self.base[at].values(), NOTHING)) / slope)
        while True:
            lower = share
            total, growth = NOTHING, 0
            for at, slope_of in enumerate(slopes):
                switched, slope = self._switching(at, slope_of, share)
                if self.within:
                    if switched < self.needed[at]:
                        switched, slope = self.needed[at], 0
                elif switched > self.most_switched[at]:
                    lower = min(lower, share - (switched - self.most_switched[at]) / slope)
                total += switched
                growth += slope
            if total > self.limit_mg:
                lower = min(lower, share - (total - self.limit_mg) / growth)
            if lower == share:
                return share
            share = lower

    def _stuck(self, active: dict[Unit, int], share: Fraction) -> list[Unit]:
        """Units that cannot rise above a share."""
        if share == 1:
            return list(active)
        slopes, opens = self._slopes(active)
        switching = [self._switching(at, slope_of, share)[0] for at, slope_of in enumerate(slopes)]
        if self.within:
            switching = [max(pair) for pair in zip(switching, self.needed, strict=True)]
        no_more = sum(switching, NOTHING) == self.limit_mg
        full = [
            self.opens[at] + sum(self.base[at].values(), NOTHING) + share * (opens[at] + sum(slopes[at].values()))
            == stock_mg
            for at, stock_mg in enumerate(self.all_mg)
        ]
        stuck = []
        for unit, due in active.items():
            kind, at, product = unit
            stops = full[at] or (kind == "lock" and share * due == self.caps[unit])
            if kind != "open" and not stops:
                at_stock = self.base[at][product] + share * slopes[at][product] >= self.stock[at][product]
                if self.within:
                    # Below what the total needs anyway, more may be switched here.
                    stops = at_stock and no_more and self._switching(at, slopes[at], share)[0] >= self.needed[at]
                else:
                    stops = at_stock and (no_more or switching[at] == self.most_switched[at])
            if stops:
                stuck.append(unit)
        return stuck
