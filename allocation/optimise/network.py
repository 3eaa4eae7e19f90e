"""A problem as integer arrays: who may draw on what.

Classes are put in one order that depends on what they are and not on how they came, so the same problem gives the
same plan whatever the order of its rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allocation.optimise.coded import Coded
from allocation.optimise.levers import ClassLevers, class_levers
from allocation.optimise.problem import ROUTES, Problem
from allocation.optimise.side_limits import FENCE_SEPARATOR, switch_limits_mg
from allocation.rules import NATIONAL
from allocation.rules.supply import Stage, Tier

__all__ = ["NONE", "UNLIMITED", "Bools", "Floats", "Ints", "Network", "Pool", "SideRows", "index_problem"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

NONE = -1
UNLIMITED = 2**50
"""Stands for no limit where others are limited: more than all milligrams of a problem."""


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Places whose stock may serve each other's patients.

    Attributes
    ----------
    locations
        Rows of the stock matrix.
    panels
        Those of them that are panels.
    classes
        Classes of those panels that have a stage, in canonical order.
    reserve_mg
        Emergency reserve to hold.
    """

    name: str
    locations: Ints
    panels: Ints
    classes: Ints
    reserve_mg: int


@dataclass(frozen=True, slots=True, eq=False)
class SideRows:
    """Side limits as arrays. Amounts that are not limited are :data:`UNLIMITED`.

    Attributes
    ----------
    member
        Whether each class is inside each fence, shape (classes, fences).
    fence_product, fence_mg
        Product of each fence, and milligrams of it at each place, shapes (fences,) and (fences, panels + 1).
    into_mg, out_of_mg
        What may be brought into each panel, and out of each place, shapes (panels,) and (panels + 1,).
    infused_mg, infused_courses
        What each panel can infuse, shape (panels,).
    infuses
        Whether a class given a product is infused, shape (classes, products).
    courses
        Courses that each class is due, or for a part of a class its part of them, shape (classes,).
    """

    member: Bools
    fence_product: Ints
    fence_mg: Ints
    into_mg: Ints
    out_of_mg: Ints
    infused_mg: Ints
    infused_courses: Ints
    infuses: Bools
    courses: Floats

    def concern(self, pool: Pool) -> bool:
        """Whether any of them limits something in a pool."""
        places, panels = pool.locations, pool.panels
        apart = len(places) > 1
        return bool(
            self.fence_mg[:, places].any()
            or (self.infused_mg[panels] < UNLIMITED).any()
            or (self.infused_courses[panels] < UNLIMITED).any()
            or (apart and (self.into_mg[panels] < UNLIMITED).any())
            or (apart and (self.out_of_mg[places] < UNLIMITED).any())
        )


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """Arrays of a problem, one element a class in canonical order unless said otherwise.

    Attributes
    ----------
    class_id
        Identifier in the problem.
    panel, grade, stage, own, due_mg
        Indices, the grade (0 for ungraded), and milligrams due. ``stage`` is -1 for a class that gets nothing at this
        tier, ``own`` for a class without a product.
    cell
        Unit between which its stage is fair: a panel, or the class itself. -1 where there is no stage.
    choice
        Set of products it may take, a row of ``choices``; -1 for a class that takes its own product only.
    choices, choice_route
        Products of each set, shape (sets, products), and the route (index into ``ROUTES``) of the classes it serves.
    by_route
        Products that may be given by each route, shape (routes, products).
    reserve_choice
        Products that may be held as reserve, shape (products,).
    stock_mg
        Shape (panels + 1, products); the last row is stock that no panel holds.
    switch_limit_mg
        What each panel may give as another product, shape (panels,); None for no limit.
    cell_stage, cell_panel, cell_due_mg
        One element a cell.
    rows
        Side limits that make the program more than a flow; None for none.
    levers
        How far each class may be stretched and reduced, where the tier says in which order that is done; None where it
        does not.
    """

    problem: Problem
    class_id: Ints
    panel: Ints
    grade: Ints
    stage: Ints
    own: Ints
    due_mg: Ints
    cell: Ints
    choice: Ints
    choices: Bools
    choice_route: Ints
    by_route: Bools
    reserve_choice: Bools
    stock_mg: Ints
    switch_limit_mg: Ints | None
    cell_stage: Ints
    cell_panel: Ints
    cell_due_mg: Ints
    pools: tuple[Pool, ...]
    rows: SideRows | None = None
    levers: ClassLevers | None = None

    def side_limits(self, pool: Pool) -> bool:
        """Whether limits across products hold in a pool, so that what it can deliver is no polymatroid.

        The program carries them as rows; a plan made by a shorter argument must decline such a pool.
        """
        return self.limited_by_rows(pool) or (self.switch_limit_mg is not None and len(pool.locations) > 1)

    def limited_by_rows(self, pool: Pool) -> bool:
        """Whether fences, deliveries or infusion are limited in a pool."""
        return self.rows is not None and self.rows.concern(pool)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages of the tier, first served first."""
        return self.problem.tier.stage

    @property
    def by_class(self) -> Bools:
        """Whether each stage is fair between classes, rather than between panels."""
        return np.array([rule.fair_between == "classes" for rule in self.stages], dtype=np.bool_)

    @property
    def n_panels(self) -> int:
        """How many panels there are."""
        return len(self.problem.panels)

    @property
    def product_codes(self) -> tuple[str, ...]:
        """Codes of the products by index."""
        return tuple(self.problem.products.by_code)


def stage_of(tier: Tier, grade: Ints, emergency: Bools) -> Ints:
    """Stage of each class: the first that takes it; -1 where no stage does."""
    stage = np.full(len(grade), NONE, dtype=np.int64)
    for number, rule in enumerate(tier.stage):
        takes = np.isin(grade, rule.grades) | ((grade == 0) & rule.include_ungraded)
        if rule.emergencies_only:
            takes = emergency & (takes if rule.grades or rule.include_ungraded else np.True_)
        stage[takes & (stage == NONE)] = number
    return stage


def index_problem(problem: Problem) -> Network:
    """Arrays of a problem."""
    tier, table, stock = problem.tier, problem.coded_classes, problem.coded_stock
    class_id = table["class_id"].astype(np.int64)
    grade = table["grade"].astype(np.int64)
    emergency, locked = (table[name].astype(np.bool_) for name in ("emergency", "locked"))
    panel, own, route = table["panel"], table["product"], table["route"]
    # Under a policy a class says its stage itself.
    stage = table["stage"].astype(np.int64) if "stage" in table.columns else stage_of(tier, grade, emergency)
    fences = np.zeros(len(class_id), dtype=np.int64)
    if problem.limits is not None:
        fences = _fences(table["fences"].tolist())
    order = np.lexsort((class_id, fences, locked, own < 0, own, route, -grade, ~emergency, panel, stage))
    class_id, grade, panel, own, route, stage = (
        values[order] for values in (class_id, grade, panel, own, route, stage)
    )
    due_mg = table["due_mg"].astype(np.int64)[order]

    by_route = np.array(
        [[code in product.routes for product in problem.products.product] for code in ROUTES], dtype=np.bool_
    )
    fixed = (own >= 0) & (locked[order] | (tier.product_reach == "same"))
    choice, choices, choice_route = _choices(tier, by_route, own=own, route=route, fixed=fixed)
    cell, first = _cells(tier, stage, panel)
    stock_mg = np.zeros((len(problem.panels) + 1, len(problem.products.product)), dtype=np.int64)
    np.add.at(stock_mg, (stock["location"], stock["product"]), stock["mg"].astype(np.int64))
    panel_due = np.bincount(panel, weights=due_mg, minlength=len(problem.panels)).astype(np.int64)
    limit = switch_limits_mg(
        problem.panels, panel_due.tolist(), tier.switch_capacity, problem.limits, no_limit=UNLIMITED
    )
    return Network(
        problem=problem,
        class_id=class_id,
        panel=panel,
        grade=grade,
        stage=stage,
        own=own,
        due_mg=due_mg,
        cell=cell,
        choice=choice,
        choices=choices,
        choice_route=choice_route,
        by_route=by_route,
        reserve_choice=by_route[ROUTES.index("IV")],
        stock_mg=stock_mg,
        switch_limit_mg=None if limit is None else np.array(limit, dtype=np.int64),
        cell_stage=stage[first],
        cell_panel=panel[first],
        cell_due_mg=np.bincount(cell[cell >= 0], weights=due_mg[cell >= 0], minlength=len(first)).astype(np.int64),
        pools=_pools(problem, panel, np.where(due_mg > 0, cell, NONE)),
        rows=_side_rows(problem, table, order, by_route, route=route),
        levers=class_levers(tier, {name: values[order] for name, values in table.columns.items()}),
    )


def _fences(texts: list[str]) -> Ints:
    """Fences of each class as bits."""
    bits = {text: sum(1 << int(n) for n in text.split(FENCE_SEPARATOR) if n) for text in set(texts)}
    return np.array([bits[text] for text in texts], dtype=np.int64)


def _side_rows(problem: Problem, table: Coded, order: Ints, by_route: Bools, *, route: Ints) -> SideRows | None:
    limits = problem.limits
    if limits is None:
        return None
    places = (*problem.panels, NATIONAL)
    product_at = {code: place for place, code in enumerate(problem.products.by_code)}
    bits = _fences(table["fences"].tolist())[order]
    # What is given by the vein: any product for it, but where the patient's other route takes the product too.
    vein = by_route[ROUTES.index("IV")]
    fence_mg = [[fence.mg.get(place, 0) for place in places] for fence in limits.fences]
    return SideRows(
        member=(bits[:, None] >> np.arange(len(limits.fences))) & 1 == 1,
        fence_product=np.array([product_at[fence.product] for fence in limits.fences], dtype=np.int64),
        fence_mg=np.array(fence_mg, dtype=np.int64).reshape(len(limits.fences), len(places)),
        into_mg=_limit_of(problem.panels, limits.into_mg),
        out_of_mg=_limit_of(places, limits.out_of_mg),
        infused_mg=_limit_of(problem.panels, limits.infused_mg),
        infused_courses=_limit_of(problem.panels, limits.infused_courses),
        infuses=vein[None, :] & ((route == ROUTES.index("IV"))[:, None] | ~by_route[route]),
        courses=table["courses"].astype(np.float64)[order],
    )


def _limit_of(places: Sequence[str], limit: Mapping[str, int]) -> Ints:
    return np.array([limit.get(place, UNLIMITED) for place in places], dtype=np.int64)


def _choices(tier: Tier, by_route: Bools, *, own: Ints, route: Ints, fixed: Bools) -> tuple[Ints, Bools, Ints]:
    products = by_route.shape[1]
    if tier.product_reach == "any_route":
        either = by_route[0] | by_route[1]
        by_route = np.array([either, either, by_route[2]])
    # The current product stays allowed even where it is not of the route on record.
    outside = np.where((own >= 0) & ~by_route[route, own], own, NONE)
    key = np.where(fixed, NONE, route * (products + 1) + outside + 1)
    kinds, choice = np.unique(key, return_inverse=True)
    choice = choice.reshape(-1).astype(np.int64)
    if len(kinds) and kinds[0] == NONE:
        kinds, choice = kinds[1:], choice - 1
    choice_route, extra = kinds // (products + 1), kinds % (products + 1) - 1
    choices = by_route[choice_route].reshape(len(kinds), products).copy()
    rows = np.flatnonzero(extra >= 0)
    choices[rows, extra[rows]] = True
    return choice, choices, choice_route.astype(np.int64)


def _cells(tier: Tier, stage: Ints, panel: Ints) -> tuple[Ints, Ints]:
    """Cell of each class, and the first class of each cell. Classes are sorted by stage, then panel."""
    by_class = np.array([rule.fair_between == "classes" for rule in tier.stage], dtype=np.bool_)
    alone = by_class[stage] & (stage >= 0) if len(stage) else np.zeros(0, dtype=np.bool_)
    index = np.arange(len(stage))
    new = np.ones(len(stage), dtype=np.bool_)
    new[1:] = (stage[1:] != stage[:-1]) | (panel[1:] != panel[:-1])
    new = (new | alone) & (stage >= 0)
    cell = np.where(stage >= 0, np.cumsum(new) - 1, NONE).astype(np.int64)
    return cell, index[new]


def _pools(problem: Problem, panel: Ints, cell: Ints) -> tuple[Pool, ...]:
    names = problem.pools
    n_panels = len(problem.panels)
    if problem.tier.stock_reach == "panel":
        of_panel = np.arange(n_panels, dtype=np.int64)
    elif problem.tier.stock_reach == "region":
        of_panel = np.array([names.index(region) for region in problem.region_of], dtype=np.int64)
    else:
        of_panel = np.zeros(n_panels, dtype=np.int64)
    reserve = problem.reserve_by_pool.tolist()
    national = problem.tier.stock_reach == "national"
    pool_of_class = np.where(cell >= 0, of_panel[panel], NONE)
    order = np.argsort(pool_of_class, kind="stable")
    ends = np.searchsorted(pool_of_class[order], np.arange(len(names) + 1)).tolist()
    pools = []
    for number, name in enumerate(names):
        members = np.flatnonzero(of_panel == number)
        locations = np.append(members, n_panels) if national else members
        pools.append(Pool(name, locations, members, order[ends[number] : ends[number + 1]], reserve[number]))
    return tuple(pools)
