"""Acute patients on the day they come: served at once where stock in the tier's reach allows."""

from __future__ import annotations

import numpy as np

from allocation.rules.supply import Tier
from allocation.simulation.demand import Ints
from allocation.simulation.record import GRADES
from allocation.simulation.serve import stage_of
from allocation.simulation.state import State
from allocation.simulation.stock import Ledger
from allocation.simulation.world import World

__all__ = ["serve_acute"]


def serve_acute(
    world: World, state: State, waiting: Ints, *, ledger: Ledger, tier: Tier, held_mg: Ints, day: int, week: int
) -> None:
    """Give whole courses to acute patients in the order they stand, each from one product where one makes it.

    The own panel's stock comes first, then all stock in reach, a course then being gathered from as few places as can
    be. Of the products of the route the one is taken of which most weeks of cover stay behind. Where none makes a whole
    course, those whose grade the tier lets have several products are given it of these, the most plentiful in reach
    first. A tier that holds a reserve keeps it for its first stage: others are served only from what lies above it.
    Suspended grades wait.

    Parameters
    ----------
    waiting
        Indices of people who are owed a course.
    held_mg
        Milligrams of each pool held back before grade 3.
    """
    if not waiting.size:
        return
    people = state.people
    names, pool_of = world.pools(tier)
    inside = pool_of >= 0
    free_mg = np.bincount(pool_of[inside], ledger.usable[inside].sum(axis=1), len(names)).astype(np.int64) - held_mg
    grade = state.grade[waiting]
    privileged = (stage_of(tier, grade, people.emergency[waiting]) == 0) | (tier.stock_reach == "panel")
    allowed = ~np.isin(grade, tier.suspend_grades)
    shelves = _Shelves(world, ledger.usable, pool_of)
    served: list[tuple[int, int, int, int]] = []
    free = free_mg.tolist()
    who = waiting[allowed]
    mixed = np.array([tier.mixes_products(one) for one in range(GRADES)])[state.grade[who]] & ~people.locked[who]
    columns = (who, people.panel[who], people.route[who], state.owed_mg[who], privileged[allowed], mixed)
    for person, panel, route, need, first, mixes in zip(*(column.tolist() for column in columns), strict=True):
        pool = shelves.pool_of[panel]
        if not first and free[pool] < need:
            continue
        product = shelves.of_panel(panel, route, need)
        if product is None and tier.stock_reach != "panel":
            product = shelves.of_pool(pool, route, need)
        parts = [] if product is None else [(product, need)]
        if product is None and mixes:
            parts = shelves.of_several(pool, route, need)
        for given, mg in parts:
            moved = max(mg - shelves.mg[panel][given], 0)
            shelves.take(panel, given, mg)
            free[pool] -= mg
            served.append((person, given, mg, moved))
    if served:
        ledger.issue_all(shelves.taken())
        who, product_given, mg, moved_mg = np.array(served).T
        panels, grades = people.panel[who], state.grade[who]
        state.record.add("moved", week=week, panel=panels, grade=grades, product=product_given, mg=moved_mg)
        state.serve(who, product=product_given, mg=mg, day=day, week=week)


class _Shelves:
    """Stock while the patients of a day are served, in plain numbers: one after the other, arrays would only be slow.

    Attributes
    ----------
    mg
        Milligrams by place and product.
    pool_of
        Pool of each place.
    """

    def __init__(self, world: World, usable: Ints, pool_of: Ints) -> None:
        self.mg: list[list[int]] = usable.tolist()
        self.pool_of: list[int] = pool_of.tolist()
        self._world = world
        self._usable = usable
        self._usual_mg: list[list[float]] = world.usual_mg.tolist()
        self._fits: list[list[int]] = [np.flatnonzero(fits).tolist() for fits in world.gives]
        # Of the pools asked about: places, milligrams and usual milligrams a week by product.
        self._pools: dict[int, tuple[list[int], list[int], list[float]]] = {}

    def of_panel(self, panel: int, route: int, need: int) -> int | None:
        """Product that the panel's own stock gives a course of, if any."""
        return _product(self.mg[panel], need, self._fits[route], self._usual_mg[panel])

    def of_pool(self, pool: int, route: int, need: int) -> int | None:
        """Product that all places of a pool together give a course of, if any."""
        _, stock, usual = self._pool(pool)
        return _product(stock, need, self._fits[route], usual)

    def of_several(self, pool: int, route: int, need: int) -> list[tuple[int, int]]:
        """Products that all places of a pool make a course of and how much of each, most plentiful first; or none."""
        _, stock, _ = self._pool(pool)
        fits = self._fits[route]
        if sum(stock[product] for product in fits) < need:
            return []
        parts = []
        for product in sorted(fits, key=lambda product: -stock[product]):
            if mg := min(need, stock[product]):
                parts.append((product, mg))
                need -= mg
        return parts

    def _pool(self, pool: int) -> tuple[list[int], list[int], list[float]]:
        if pool not in self._pools:
            places = [place for place, of in enumerate(self.pool_of) if of == pool]
            stock = [sum(column) for column in zip(*(self.mg[place] for place in places), strict=True)]
            self._pools[pool] = (places, stock, self._world.usual_mg[places].sum(axis=0).tolist())
        return self._pools[pool]

    def take(self, panel: int, product: int, need: int) -> None:
        """Gather a course: from the own panel first, then from the places of its pool that have most."""
        pool = self.pool_of[panel]
        if pool in self._pools:
            self._pools[pool][1][product] -= need
        own = self.mg[panel]
        if own[product] >= need:
            own[product] -= need
            return
        others = [place for place in self._pools[pool][0] if place != panel]
        for place in (panel, *sorted(others, key=lambda place: -self.mg[place][product])):
            mg = min(need, self.mg[place][product])
            self.mg[place][product] -= mg
            need -= mg
            if not need:
                break

    def taken(self) -> Ints:
        """Milligrams taken, shape (places, products)."""
        return np.asarray(self._usable - np.array(self.mg, dtype=np.int64))


def _product(stock_mg: list[int], need: int, fits: list[int], usual_mg: list[float]) -> int | None:
    """Of the products of which places together hold a course, the one whose cover stays highest."""
    best, most = None, -1.0
    for product in fits:
        left_mg = stock_mg[product] - need
        if left_mg >= 0 and (weeks := left_mg / usual_mg[product]) > most:
            best, most = product, weeks
    return best
