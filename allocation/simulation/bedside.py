"""Acute patients on the day they come: served at once where stock in the tier's reach allows."""

from __future__ import annotations

import numpy as np

from allocation.rules.supply import Tier
from allocation.simulation.demand import Bools, Floats, Ints
from allocation.simulation.serve import stage_of
from allocation.simulation.state import State
from allocation.simulation.stock import Ledger
from allocation.simulation.world import World

__all__ = ["serve_acute"]


def serve_acute(
    world: World, state: State, waiting: Ints, *, ledger: Ledger, tier: Tier, held_mg: Ints, day: int, week: int
) -> None:
    """Give whole courses to acute patients in the order they stand, each from one product.

    The own panel's stock comes first, then all stock in reach, a course then being gathered from as few places as can
    be. Of the products of the route the one is taken of which most weeks of cover stay behind. A tier that holds a
    reserve keeps it for its first stage: others are served only from what lies above it. Suspended grades wait.

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
    reach = [pool_of == pool for pool in range(len(names))]
    usual_mg = [world.usual_mg[places].sum(axis=0) for places in reach]
    served: list[tuple[int, int, int, int]] = []
    for person, first in zip(waiting[allowed].tolist(), privileged[allowed].tolist(), strict=True):
        panel, need = int(people.panel[person]), int(state.owed_mg[person])
        pool = int(pool_of[panel])
        if not first and free_mg[pool] < need:
            continue
        fits = world.gives[people.route[person]]
        product = _product(ledger.usable[panel], need, fits, world.usual_mg[panel])
        if product is None and tier.stock_reach != "panel":
            product = _product(ledger.usable[reach[pool]].sum(axis=0), need, fits, usual_mg[pool])
        if product is None:
            continue
        moved = max(need - int(ledger.usable[panel, product]), 0)
        for place, mg in _gather(ledger.usable[:, product], need, panel, reach[pool]):
            ledger.issue(place, product, mg)
        free_mg[pool] -= need
        served.append((person, product, need, moved))
    if served:
        who, product_given, mg, moved_mg = np.array(served).T
        panels, grades = people.panel[who], state.grade[who]
        state.record.add("moved", week=week, panel=panels, grade=grades, product=product_given, mg=moved_mg)
        state.serve(who, product=product_given, mg=mg, day=day, week=week)


def _product(stock_mg: Ints, need: int, fits: Bools, usual_mg: Floats) -> int | None:
    """Of the products of which places together hold a course, the one whose cover stays highest."""
    enough = fits & (stock_mg >= need)
    if not enough.any():
        return None
    left_weeks = (stock_mg - need) / usual_mg
    return int(np.where(enough, left_weeks, -1.0).argmax())


def _gather(stock_mg: Ints, need: int, panel: int, reach: Bools) -> list[tuple[int, int]]:
    """Places and milligrams for a course: the own panel first, then those with most."""
    if stock_mg[panel] >= need:
        return [(panel, need)]
    order = [panel, *(place for place in np.argsort(-stock_mg, kind="stable").tolist() if place != panel)]
    draws = []
    for place in order:
        mg = min(need, int(stock_mg[place])) if reach[place] else 0
        if mg:
            draws.append((place, mg))
            need -= mg
    return draws
