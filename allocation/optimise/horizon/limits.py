"""Side limits over several weeks: what each block of weeks may bring, switch and infuse, and which batches are fenced.

What a limit says of one allocation holds of each block of as many weeks as the allocation is for, counted from the
first; a last block that is shorter has its part of it. Shares for switching are of the grams that fall due in a block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.optimise.network import NONE, UNLIMITED, Bools, Floats, Ints, Pool
from allocation.optimise.problem import Problem
from allocation.optimise.side_limits import Fence, SideLimits, limits_in_use, switch_limits_mg
from allocation.quantities import MG_PER_G
from allocation.rules import NATIONAL
from allocation.rules.limits import LimitSet

__all__ = ["BATCH_COLUMNS", "BlockLimits", "fence_batches", "limits_by_block"]

BATCH_COLUMNS = ("location", "product", "from_week", "until_week", "fence", "mg")


@dataclass(frozen=True, slots=True, eq=False)
class BlockLimits:
    """Limits by block of weeks. Amounts that are not limited are :data:`allocation.optimise.network.UNLIMITED`.

    Attributes
    ----------
    block
        Block of each week, shape (weeks,).
    into_mg, switch_mg, infused_mg, infused_courses
        Shape (panels, blocks).
    out_of_mg
        Shape (panels + 1, blocks); the last row is stock that no panel holds.
    """

    block: Ints
    into_mg: Ints
    out_of_mg: Ints
    switch_mg: Ints
    infused_mg: Ints
    infused_courses: Floats

    @property
    def switching(self) -> Bools:
        """Panels that may not switch as they like, shape (panels,)."""
        return _limited(self.switch_mg)

    @property
    def counted(self) -> Bools:
        """Panels whose infused courses are counted, shape (panels,)."""
        return _limited(self.infused_courses)

    @property
    def infusing(self) -> Bools:
        """Panels that may not infuse as they like, shape (panels,)."""
        return _limited(self.infused_mg) | self.counted

    def spots(self, pool: Pool) -> Ints:
        """Spot of each place, shape (panels + 1,): one for each with a limit on deliveries, and one for the rest."""
        into = np.append(_limited(self.into_mg), False)
        limited: Bools = _limited(self.out_of_mg) | into
        apart = pool.locations[limited[pool.locations]] if len(pool.locations) > 1 else pool.locations[:0]
        spot = np.full(len(limited), len(apart), dtype=np.int64)
        spot[apart] = np.arange(len(apart))
        return spot

    def concern(self, pool: Pool) -> bool:
        """Whether any of them limits something in a pool."""
        here = (self.switching | self.infusing)[pool.panels]
        return bool(here.any() or self.spots(pool).any())


def _limited(amounts: Ints | Floats) -> Bools:
    limited: Bools = np.any(amounts < UNLIMITED, axis=1)
    return limited


def limits_by_block(problem: Problem, due_mg: Ints, *, first: int) -> BlockLimits:
    """The limits of a problem in each block of weeks.

    Parameters
    ----------
    due_mg
        Milligrams that fall due, shape (classes in the problem's order, weeks).
    first
        Weeks of a block.
    """
    weeks = due_mg.shape[1]
    block = np.arange(weeks, dtype=np.int64) // first
    length = np.bincount(block)
    limits = problem.limits or SideLimits()

    def part(amount: Iterable[float]) -> Floats:
        whole = np.array(list(amount), dtype=np.float64)[:, None]
        parts: Floats = np.where(whole < UNLIMITED, whole * length / first, UNLIMITED)
        return parts

    def of(places: Sequence[str], amounts: Mapping[str, int]) -> Floats:
        return part(amounts.get(place, UNLIMITED) for place in places)

    panel = problem.classes["panel"].map({code: at for at, code in enumerate(problem.panels)}).to_numpy(dtype=np.int64)
    by_block = np.zeros((len(problem.panels), len(length)), dtype=np.int64)
    np.add.at(by_block, (panel[:, None], block[None, :]), due_mg)
    share = [
        switch_limits_mg(problem.panels, due, problem.tier.switch_capacity, limits, no_limit=UNLIMITED)
        for due in by_block.T.tolist()
    ]
    unlimited = [UNLIMITED] * len(problem.panels)
    switch = np.array([unlimited if one is None else one for one in share], dtype=np.int64).T
    quota = of(problem.panels, limits.switch_mg)
    return BlockLimits(
        block=block,
        into_mg=of(problem.panels, limits.into_mg).astype(np.int64),
        out_of_mg=of((*problem.panels, NATIONAL), limits.out_of_mg).astype(np.int64),
        switch_mg=np.where(quota < UNLIMITED, quota, switch).astype(np.int64),
        infused_mg=of(problem.panels, limits.infused_mg).astype(np.int64),
        infused_courses=of(problem.panels, limits.infused_courses),
    )


def fence_batches(batches: pd.DataFrame, limits: LimitSet, *, panels: Sequence[str]) -> tuple[pd.DataFrame, SideLimits]:
    """Put fences around batches: what is there first, then what comes, week by week, until a fence has its grams.

    At one place it is what goes off last that is fenced, so that it is there for its indication the longest.

    Parameters
    ----------
    batches
        :data:`BATCH_COLUMNS` without ``fence``.

    Returns
    -------
    tuple
        The batches with ``fence`` (-1 for open stock), and the limits with each fence's milligrams over all weeks.
    """
    left, rows = limits, []
    total: list[dict[str, int]] = [{} for _ in limits.ring_fence]
    every, _ = limits_in_use(limits, batches, panels=panels, source="")
    for _, wave in batches.groupby("from_week", sort=True):
        here, _ = limits_in_use(left, wave, panels=panels, source="")
        rows += _split(wave, here.fences)
        rings = []
        for ring, fence, sums in zip(left.ring_fence, here.fences, total, strict=True):
            for place, mg in fence.mg.items():
                sums[place] = sums.get(place, 0) + mg
            missing = None if ring.grams is None else max(ring.grams - sum(fence.mg.values()) / MG_PER_G, 0.0)
            rings.append(ring.model_copy(update={"grams": missing}))
        left = left.model_copy(update={"ring_fence": tuple(rings)})
    fences = tuple(
        Fence(fence.product, fence.indication, fence.situation, mg)
        for fence, mg in zip(every.fences, total, strict=True)
    )
    whole = SideLimits(
        into_mg=every.into_mg,
        out_of_mg=every.out_of_mg,
        switch_mg=every.switch_mg,
        switch_share=every.switch_share,
        infused_mg=every.infused_mg,
        infused_courses=every.infused_courses,
        fences=fences,
    )
    table = pd.DataFrame(rows, columns=list(BATCH_COLUMNS))
    numbers = dict.fromkeys(BATCH_COLUMNS[2:], np.int64)
    return table.astype(numbers).sort_values(list(BATCH_COLUMNS[:-1]), ignore_index=True), whole


def _split(wave: pd.DataFrame, fences: Sequence[Fence]) -> list[tuple[object, ...]]:
    """Batches that come together, by fence."""
    rows: list[tuple[object, ...]] = []
    wanted = {(n, place): mg for n, fence in enumerate(fences) for place, mg in fence.mg.items()}
    ordered = wave.sort_values("until_week", ascending=False, kind="stable")
    for place, product, first, last, mg in ordered.itertuples(index=False, name=None):
        open_mg = int(mg)
        for number, fence in enumerate(fences):
            taken = min(open_mg, wanted.get((number, place), 0)) if fence.product == product else 0
            if taken:
                rows.append((place, product, first, last, number, taken))
                wanted[number, place] -= taken
                open_mg -= taken
        if open_mg:
            rows.append((place, product, first, last, NONE, open_mg))
    return rows
