"""What one more kilogram would buy and one fewer would cost: found by allocating again, not from duals.

Duals tell the worth of the next milligram at one of several optimal bases, and differ between solvers. A kilogram tried
out has one answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd

from allocation.optimise.direct import exact_ration, settle_alone, without_solver
from allocation.optimise.linear import OpenSession
from allocation.optimise.network import UNLIMITED, Bools, Ints, Network, Pool, index_problem
from allocation.optimise.plan import Plan
from allocation.optimise.priority import Ration, ration_by_program
from allocation.optimise.problem import Problem
from allocation.optimise.shadow_limited import KeptProgram
from allocation.optimise.solvers import SolverName, open_quickly
from allocation.optimise.sourcing import source_by_program
from allocation.quantities import MG_PER_G
from allocation.rules import NATIONAL

__all__ = ["LeftOut", "ShadowPrices", "Trials", "price_pools", "shadow_prices"]

_KILOGRAM_MG = 1_000_000
_GRADES = 5
# Shares are rounded down to milligrams, cell by cell, so the last digits of a difference mean nothing.
_DECIMALS = 1
# Demand classes allocated again, one count a class and trial. Counted and not timed, so that every machine prices the
# same: some minutes' work on one processor, and several times what the national cohort takes at any tier.
_MOST_CLASSES_TRIED = 2_000_000


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Products at panels that were not priced, and why."""

    panels: tuple[str, ...]
    products: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class ShadowPrices:
    """What kilograms are worth, and which were not tried.

    Attributes
    ----------
    lines
        ``panel``, ``product``, ``grade`` (0 for ungraded), ``grams_per_kg`` served more with one kilogram more, and
        ``grams_per_kg_fewer`` served less with one kilogram fewer, or with none where less than one is in reach. Only
        where one of them is not 0. A figure below 0 says that a fairer or higher use takes grams from that grade, or
        gives them back.
    left_out
        What was not priced; empty where everything was.
    """

    lines: pd.DataFrame
    left_out: tuple[LeftOut, ...]


class Trials(Protocol):
    """Allocating a pool again with other stock.

    Attributes
    ----------
    before
        Milligrams served of each grade with the stock as it is, shape (grades,).
    cost
        What a trial counts against the budget: the demand classes of a pool, or 0 where trials are cheap.
    """

    before: Ints
    cost: int

    def with_stock(self, changed: Network, *, more: bool) -> tuple[Ints, bool]:
        """Milligrams served of each grade, and whether these follow from the shares of the cells alone.

        Where they do, it does not matter in which place of the pool the stock lies, nor whose own product it is.
        ``more`` says that no stock is less than it was.
        """


def shadow_prices(problem: Problem, plan: Plan, *, solver: SolverName = "highs") -> ShadowPrices:
    """Grams of each grade that a kilogram more or fewer of a product at a panel adds to the plan or takes from it.

    Parameters
    ----------
    problem, plan
        A problem and its plan.

    Raises
    ------
    SolverError
        Where a program has no proven optimum.

    Notes
    -----
    Kilograms that must be worth the same are tried once: stock moves freely within a pool, but for places whose
    deliveries are limited, which are tried by themselves; and products that the same classes may take are alike. A
    kilogram that can change nothing is not tried: one more where nobody of the pool is short or where side limits leave
    some of it lying idle already, one fewer where it would come out of what lies idle.
    """
    opener = open_quickly(solver)

    def trials(net: Network, pool: Pool) -> Trials:
        if net.rows is not None and net.limited_by_rows(pool):
            return KeptProgram(net, pool, net.rows, opener, room_mg=_KILOGRAM_MG)
        return _Plain(net, pool, opener)

    return price_pools(index_problem(problem), plan, trials)


def price_pools(
    net: Network, plan: Plan, trials: Callable[[Network, Pool], Trials], *, rests_on: Sequence[Plan] = ()
) -> ShadowPrices:
    """Price every product at every panel, pool by pool.

    Parameters
    ----------
    plan
        Of the network's problem.
    trials
        What allocates a pool again.
    rests_on
        Plans of programs with the same stock, on which the plan rests. What lies idle in the plan may be of use in
        them, and change what is asked of the plan.
    """
    pricing = _Pricing(net, plan, rests_on)
    for number, pool in enumerate(net.pools):
        if len(pool.classes):
            pricing.price(number, trials)
    return ShadowPrices(pricing.lines(), pricing.left_out())


@dataclass(frozen=True, slots=True, eq=False)
class _Change:
    """More or fewer milligrams of any one of some products.

    Attributes
    ----------
    panels
        At which it is told.
    source
        Places from which fewer are taken, in order; the first is where more are put.
    """

    more: bool
    mg: int
    products: Ints
    panels: Ints
    source: Ints

    def apart(self) -> list[_Change]:
        """Product by product, and panel by panel where more are put somewhere."""
        panels = [np.array([panel]) for panel in self.panels.tolist()] if self.more else [self.panels]
        return [
            replace(self, products=np.array([product]), panels=at, source=at if self.more else self.source)
            for product in self.products.tolist()
            for at in panels
        ]

    def put_to(self, net: Network) -> Network:
        """The network after it, for the first of the products."""
        product = int(self.products[0])
        if self.more:
            return _with_more(net, int(self.source[0]), product, self.mg)
        return _with_fewer(net, self.source, product, self.mg)


class _Pricing:
    """Prices of all pools as they are found.

    Attributes
    ----------
    grams
        Served more with one kilogram more, and less with one fewer, shape (2, panels, products, grades).
    unpriced
        Shape (panels, products).
    left
        What trials may still cost.
    idle
        Of each plan, as :func:`_idle_and_held` says.
    parts
        In how many stages of a program a class may stand.
    """

    def __init__(self, net: Network, plan: Plan, rests_on: Sequence[Plan]) -> None:
        self.net = net
        shape = (net.n_panels, net.stock_mg.shape[1])
        self.grams = np.zeros((2, *shape, _GRADES))
        self.unpriced = np.zeros(shape, dtype=np.bool_)
        self.left = _MOST_CLASSES_TRIED
        self.short = plan.cells["planned_mg"].to_numpy() < plan.cells["due_mg"].to_numpy()
        self.idle = [_idle_and_held(net, one) for one in (plan, *rests_on)]
        self.parts = max((int(one.cells["stage"].max()) + 1 for one in rests_on if len(one.cells)), default=1)

    def price(self, number: int, trials: Callable[[Network, Pool], Trials]) -> None:
        """Try a kilogram more and one fewer of each product of a pool at each of its panels."""
        pool, again = self.net.pools[number], None
        kinds = list(_alike(self.net, pool))
        for panels, source in _same_place(self.net, pool):
            for products in kinds:
                for change in self._changes(number, panels, source, products):
                    again = again or trials(self.net, pool)
                    self._try(again, change)

    def _changes(self, number: int, panels: Ints, source: Ints, products: Ints) -> Iterator[_Change]:
        """What is to be tried: nothing where it is proven to change nothing."""
        idle = self._sure_idle(number, source, products)
        useful = products[idle <= 0]
        if len(useful) and self.short[self.net.cell[self.net.pools[number].classes]].any():
            yield _Change(more=True, mg=_KILOGRAM_MG, products=useful, panels=panels, source=panels[:1])
        taken = np.minimum(self.net.stock_mg[source][:, products].sum(axis=0), _KILOGRAM_MG)
        matters = taken > np.maximum(idle, 0)
        for amount in np.unique(taken[matters]).tolist():
            alike = products[matters & (taken == amount)]
            yield _Change(more=False, mg=amount, products=alike, panels=panels, source=source)

    def _sure_idle(self, number: int, source: Ints, products: Ints) -> Ints:
        """Milligrams that side limits leave lying at places whatever is done, by product; 0 or less for none.

        All that is asked of plans is convex. So if a plan with more of what lies idle were better, a part of the way to
        it would be too, and that part needs no more than is there; and a plan that leaves it lying stays the best of
        those that cannot use it. Where plans rest on one another it lies idle in all of them, so each asks the same of
        the next.
        """
        net, pool, rows = self.net, self.net.pools[number], self.net.rows
        if rows is None or not net.limited_by_rows(pool):
            return np.zeros(len(products), dtype=np.int64)
        fenced: Bools = np.logical_or.reduce(rows.fence_mg[:, pool.locations] > 0, axis=1)
        # Amounts are rounded down line by line, so a plan may leave a milligram a line that its optimum uses.
        lines = (self.parts * len(pool.classes) + 2 * len(pool.locations)) * (net.stock_mg.shape[1] + len(fenced))
        left = [idle[source][:, products].sum(axis=0) - held[number, products] for idle, held in self.idle]
        idle = np.min(left, axis=0) - lines
        none: Ints = np.where(np.isin(products, rows.fence_product[fenced]), 0, idle)
        return none

    def _try(self, again: Trials, change: _Change) -> None:
        """Price a change for all its products and panels, or one by one where what one trial says holds for one."""
        at = np.ix_(change.panels, change.products)
        if self.left < again.cost:
            self.unpriced[at] = True
            return
        self.left -= again.cost
        mg, by_shares = again.with_stock(change.put_to(self.net), more=change.more)
        parts = [change] if by_shares else change.apart()
        gained = mg - again.before if change.more else again.before - mg
        at = np.ix_(parts[0].panels, parts[0].products)
        self.grams[int(not change.more)][at] = np.round(gained / MG_PER_G, _DECIMALS)
        for part in parts[1:]:
            self._try(again, part)

    def lines(self) -> pd.DataFrame:
        """The prices that are not 0, by panel, product and grade, the highest grade first."""
        there = (self.grams != 0).any(axis=0) & ~self.unpriced[:, :, None]
        panel, product, grade = np.nonzero(there)
        order = np.lexsort((-grade, product, panel))
        panel, product, grade = panel[order], product[order], grade[order]
        more, fewer = self.grams[:, panel, product, grade]
        return pd.DataFrame(
            {
                "panel": np.array(self.net.problem.panels, dtype=object)[panel],
                "product": np.array(self.net.product_codes, dtype=object)[product],
                "grade": grade,
                "grams_per_kg": more,
                "grams_per_kg_fewer": fewer,
            }
        )

    def left_out(self) -> tuple[LeftOut, ...]:
        """What was not priced, panels that miss the same products together."""
        panels: dict[tuple[str, ...], list[str]] = {}
        for code, missing in zip(self.net.problem.panels, self.unpriced, strict=True):
            products = tuple(np.array(self.net.product_codes, dtype=object)[missing].tolist())
            if products:
                panels.setdefault(products, []).append(code)
        why = (
            f"allocating again for them would go beyond {_MOST_CLASSES_TRIED:,} demand classes allocated again in all, "
            "where pricing stops"
        )
        return tuple(LeftOut(tuple(codes), products, why) for products, codes in panels.items())


def _idle_and_held(net: Network, plan: Plan) -> tuple[Ints, Ints]:
    """What a plan takes from no place, shape (places, products), and holds as reserve, shape (pools, products)."""
    place = {code: number for number, code in enumerate((*net.problem.panels, NATIONAL))}
    product = {code: number for number, code in enumerate(net.product_codes)}
    pool_at = {pool.name: number for number, pool in enumerate(net.pools)}
    idle_mg, held_mg = net.stock_mg.copy(), np.zeros((len(net.pools), net.stock_mg.shape[1]), dtype=np.int64)
    flows, reserve = plan.flows, plan.reserve
    for source, code, mg in zip(flows["from_location"], flows["product"], flows["mg"], strict=True):
        idle_mg[place[source], product[code]] -= mg
    for pool, code, mg in zip(reserve["pool"], reserve["product"], reserve["mg"], strict=True):
        held_mg[pool_at[pool], product[code]] += mg
    return idle_mg, held_mg


def _same_place(net: Network, pool: Pool) -> Iterator[tuple[Ints, Ints]]:
    """Panels of a pool at which a kilogram is worth the same, and the places whose stock it is.

    All places are alike but those whose deliveries are limited.
    """
    rows = net.rows
    if rows is None:
        yield pool.panels, pool.locations
        return
    limited = rows.out_of_mg < UNLIMITED
    limited[: net.n_panels] |= rows.into_mg < UNLIMITED
    panels = pool.panels[~limited[pool.panels]]
    if len(panels):
        yield panels, pool.locations[~limited[pool.locations]]
    for panel in pool.panels[limited[pool.panels]].tolist():
        yield np.array([panel]), np.array([panel])


def _with_more(net: Network, place: int, product: int, mg: int) -> Network:
    stock_mg = net.stock_mg.copy()
    stock_mg[place, product] += mg
    return replace(net, stock_mg=stock_mg)


def _with_fewer(net: Network, places: Ints, product: int, mg: int) -> Network:
    """The network with stock taken away, from open stock before stock inside a fence."""
    stock_mg, rows = net.stock_mg.copy(), net.rows
    fence_mg = None if rows is None else rows.fence_mg.copy()
    left = mg
    for place in places.tolist():
        fenced = 0 if rows is None else int(rows.fence_mg[rows.fence_product == product, place].sum())
        taken = min(left, int(stock_mg[place, product]) - fenced)
        stock_mg[place, product] -= taken
        left -= taken
    if left and rows is not None and fence_mg is not None:
        for place in places.tolist():
            for fence in np.flatnonzero(rows.fence_product == product).tolist():
                taken = min(left, int(fence_mg[fence, place]))
                fence_mg[fence, place] -= taken
                stock_mg[place, product] -= taken
                left -= taken
        return replace(net, stock_mg=stock_mg, rows=replace(rows, fence_mg=fence_mg))
    return replace(net, stock_mg=stock_mg)


class _Plain:
    """A pool in which stock flows freely: the way of the plan, from the start."""

    def __init__(self, net: Network, pool: Pool, opener: OpenSession) -> None:
        self.pool, self.opener = pool, opener
        pairs = np.unique(np.stack([net.cell[pool.classes], net.grade[pool.classes]]), axis=1)
        cells, grades = np.unique(pairs[0], return_counts=True)
        self.mixed_cells = cells[grades > 1]
        self.cost = len(pool.classes) if len(self.mixed_cells) else 0
        self.before, _ = self.with_stock(net, more=True)

    def with_stock(self, changed: Network, *, more: bool) -> tuple[Ints, bool]:
        """As :meth:`Trials.with_stock` says."""
        del more
        pool = self.pool
        found = without_solver(changed, pool)
        ration = found[0] if found else exact_ration(changed, pool) or ration_by_program(changed, pool, self.opener)
        mixed = np.searchsorted(ration.cells, self.mixed_cells)
        due_mg = changed.cell_due_mg[self.mixed_cells]
        if ((ration.cell_mg[mixed] == 0) | (ration.cell_mg[mixed] == due_mg)).all():
            return self._by_shares(changed, ration), True
        # Within a cell of several grades it is the choice of products that says who is served.
        supplies = found[1] if found else settle_alone(changed, pool, ration)
        supplies = supplies or source_by_program(changed, pool, ration, self.opener)
        return np.bincount(changed.grade[supplies.classes], weights=supplies.mg, minlength=_GRADES).astype(
            np.int64
        ), False

    def _by_shares(self, net: Network, ration: Ration) -> Ints:
        """Each class of a cell of one grade, or of one served in full or not at all, by its cell's share."""
        cls = self.pool.classes
        at = np.searchsorted(ration.cells, net.cell[cls])
        grade = np.zeros(len(ration.cells), dtype=np.int64)
        grade[at] = net.grade[cls]
        mg = ration.cell_mg.copy()
        mixed = np.searchsorted(ration.cells, self.mixed_cells)
        of_mixed = np.isin(at, mixed) & (mg[at] > 0)
        mg[mixed] = 0
        alone = np.bincount(grade, weights=mg, minlength=_GRADES).astype(np.int64)
        return alone + np.bincount(
            net.grade[cls[of_mixed]], weights=net.due_mg[cls[of_mixed]], minlength=_GRADES
        ).astype(np.int64)


def _alike(net: Network, pool: Pool) -> Iterator[Ints]:
    """Products of a pool that somebody or its reserve may take, in groups between which shares make no difference."""
    cls = pool.classes
    used = np.unique(net.choice[cls[net.choice[cls] >= 0]])
    # Whose product it is counts where switching is limited; a fence and the vein, where there are limits of that kind.
    limited = net.switch_limit_mg is not None or net.limited_by_rows(pool)
    tied = cls[(net.own[cls] >= 0) & ((net.choice[cls] < 0) | limited)]
    own = np.zeros((0, net.stock_mg.shape[1]), dtype=np.bool_)
    if len(tied):
        own = np.unique(net.own[tied])[:, None] == np.arange(net.stock_mg.shape[1])
    takes = np.vstack([net.choices[used], own, net.reserve_choice & (pool.reserve_mg > 0)])
    told_apart = [takes]
    if net.rows is not None and net.limited_by_rows(pool):
        fenced = net.rows.fence_product[net.rows.fence_mg[:, pool.locations].any(axis=1)]
        told_apart += [fenced[:, None] == np.arange(takes.shape[1]), np.unique(net.rows.infuses[cls], axis=0)]
    _, kind = np.unique(np.vstack(told_apart), axis=1, return_inverse=True)
    kind = np.where(takes.any(axis=0), kind.reshape(-1), -1)
    for group in np.unique(kind[kind >= 0]):
        yield np.flatnonzero(kind == group)
