"""The weekly allocation: who needs no program, and what the program gives the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from allocation.errors import VerificationError
from allocation.optimise.coded import Coded, coded
from allocation.optimise.plan import Plan
from allocation.optimise.problem import Problem
from allocation.rules import NATIONAL
from allocation.rules.supply import Tier
from allocation.simulation.demand import NO_PRODUCT, ROUTES, Bools, Floats, Ints, People
from allocation.simulation.policy import WeekPlan, plan_week
from allocation.simulation.serve import Issue, Queue, serve_plan, stage_of
from allocation.simulation.world import World

__all__ = ["Allocation", "Waiting", "Watch", "allocate_week"]

# From 0, ungraded, to 4.
_GRADES = 5

Watch = Callable[[int, WeekPlan], None]
"""Told the day and the plan of each week that needed the program."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Patients to be served this week, one element each.

    Attributes
    ----------
    person
        Index among all people.
    grade, owed_mg, due_day
        As they stand now.
    lottery
        Uniform draw that breaks ties of the due day.
    """

    person: Ints
    grade: Ints
    owed_mg: Ints
    due_day: Floats
    lottery: Floats


@dataclass(frozen=True, slots=True)
class Allocation:
    """Who gets what, and from which stock it comes.

    Attributes
    ----------
    issue
        Courses; ``person`` is an index among all people, several times where a course is made of several products.
    moved_mg
        Milligrams of each line of ``issue`` that come from another place than the own panel.
    place, panel, product, mg
        Draws on stock, one element each: grams for a panel's patients from a place.
    solved
        Whether the program was needed.
    """

    issue: Issue
    moved_mg: Ints
    place: Ints
    panel: Ints
    product: Ints
    mg: Ints
    solved: bool


def allocate_week(
    world: World,
    people: People,
    waiting: Waiting,
    *,
    tier: Tier,
    usable_mg: Ints,
    held_mg: Ints,
    day: int = 0,
    watch: Watch | None = None,
) -> Allocation:
    """Allocate usable stock to those who wait.

    Parameters
    ----------
    waiting
        Who waits, but nobody of a grade that the tier suspends.
    usable_mg
        Stock, shape (places, products), national last.
    held_mg
        Milligrams of each pool held back before grade 3; before all where the policy does not keep the tier's order.
    day
        Day of the allocation, which tells how late a course is.
    watch
        Told the plan where the program was needed.

    Notes
    -----
    A pool of stock in which everybody can have a whole course of the own product from the own panel, and what is held
    stays, needs no program: given equals due, which no plan can better. Pools share nothing, so the program is asked
    about the others alone.
    """
    chosen, fed = _plainly(world, people, waiting, usable_mg)
    names, pool_of = world.pools(tier)
    panel = people.panel[waiting.person]
    pool = pool_of[panel]
    short = np.zeros(len(names), dtype=np.bool_)
    short[pool[~fed]] = True
    served_first = waiting.grade < 4 if world.policy.policy.keeps_tier_order else np.ones(len(pool), dtype=np.bool_)
    short |= _eats_into(held_mg, waiting, pool, pool_of, usable_mg, after=served_first)
    plain = ~short[pool]
    mine = np.flatnonzero(plain)
    parts = [Issue(waiting.person[mine], chosen[mine], waiting.owed_mg[mine])]
    draws = [_own_draws(panel[mine], chosen[mine], waiting.owed_mg[mine], world)]
    rest = np.flatnonzero(~plain)
    if rest.size:
        within = np.isin(pool_of, np.flatnonzero(short))
        issue, draw = _by_program(
            world, people, _take(waiting, rest), tier=tier, usable_mg=np.where(within[:, None], usable_mg, 0),
            reserve=_reserve(names, held_mg, short), day=day, watch=watch,
        )  # fmt: skip
        parts.append(issue)
        draws.append(draw)
    whole = Issue(
        person=np.concatenate([part.person for part in parts]),
        product=np.concatenate([part.product for part in parts]),
        mg=np.concatenate([part.mg for part in parts]),
    )
    place, to, product, mg = (np.concatenate(column) for column in zip(*draws, strict=True))
    moved = _moved(people, whole, own=place == to, panel=to, product=product, mg=mg)
    return Allocation(
        issue=whole, moved_mg=moved, place=place, panel=to, product=product, mg=mg, solved=bool(rest.size)
    )


Draws = tuple[Ints, Ints, Ints, Ints]


def _take(waiting: Waiting, index: Ints) -> Waiting:
    columns = (waiting.person, waiting.grade, waiting.owed_mg, waiting.due_day, waiting.lottery)
    return Waiting(*(column[index] for column in columns))  # type: ignore[arg-type]


def _plainly(world: World, people: People, waiting: Waiting, usable_mg: Ints) -> tuple[Ints, Bools]:
    """Product each would get from the own panel's stock if all were served, and who of them can be."""
    panel, own = people.panel[waiting.person], people.product[waiting.person]
    tied = own != NO_PRODUCT
    spare = usable_mg[:-1].copy()
    np.subtract.at(spare, (panel[tied], own[tied]), waiting.owed_mg[tied])
    chosen = own.copy()
    fed = np.ones(len(panel), dtype=np.bool_)
    fed[tied] = spare[panel[tied], own[tied]] >= 0
    free = np.flatnonzero(~tied)
    if free.size:
        route, left, usual_mg = people.route[waiting.person[free]], spare.tolist(), world.usual_mg.tolist()
        takes = [np.flatnonzero(gives).tolist() for gives in world.gives]
        for one, where, which, owed in zip(
            free.tolist(), panel[free].tolist(), route.tolist(), waiting.owed_mg[free].tolist(), strict=True
        ):
            here, usual = left[where], usual_mg[where]
            fits = [product for product in takes[which] if here[product] >= owed]
            fed[one] = bool(fits)
            if fits:
                best = max(fits, key=lambda product: (here[product] - owed) / usual[product])
                chosen[one] = best
                here[best] -= owed
    return chosen, fed


def _eats_into(held_mg: Ints, waiting: Waiting, pool: Ints, pool_of: Ints, usable_mg: Ints, *, after: Bools) -> Bools:
    """Pools in which serving everybody would leave less than is held, though somebody waits who comes after it."""
    count = len(held_mg)
    inside = pool_of >= 0
    stock = np.bincount(pool_of[inside], usable_mg[inside].sum(axis=1), count)
    due = np.bincount(pool, waiting.owed_mg, count)
    lower = np.bincount(pool[after], minlength=count) > 0
    eats: Bools = (held_mg > 0) & lower & (stock - due < held_mg)
    return eats


def _own_draws(panel: Ints, product: Ints, mg: Ints, world: World) -> Draws:
    products = len(world.places.products)
    cell, inverse = np.unique(panel * products + product, return_inverse=True)
    total = np.zeros(len(cell), dtype=np.int64)
    np.add.at(total, inverse, mg)
    return cell // products, cell // products, cell % products, total


def _moved(people: People, issue: Issue, *, own: Bools, panel: Ints, product: Ints, mg: Ints) -> Ints:
    """Milligrams of each course from elsewhere, the own panel's stock counted to the highest grades first."""
    from_own = np.zeros((int(people.panel.max(initial=0)) + 1, int(product.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(from_own, (panel[own], product[own]), mg[own])
    to = people.panel[issue.person]
    cell = to * from_own.shape[1] + issue.product
    order = np.lexsort((issue.person, cell * _GRADES - people.grade[issue.person]))
    amount, cell = issue.mg[order], cell[order]
    running = np.cumsum(amount)
    first = np.flatnonzero(np.r_[True, cell[1:] != cell[:-1]]) if cell.size else np.empty(0, dtype=np.int64)
    before = np.repeat(running[first] - amount[first], np.diff(np.r_[first, len(cell)]))
    beyond = running - before - from_own[to[order], issue.product[order]]
    moved = np.zeros(len(order), dtype=np.int64)
    moved[order] = np.clip(beyond, 0, amount)
    return moved


def _reserve(names: tuple[str, ...], held_mg: Ints, short: Bools) -> Coded | None:
    kept = np.flatnonzero(short & (held_mg > 0))
    return Coded({"pool": kept, "mg": held_mg[kept]}, {"pool": names}) if kept.size else None


def _by_program(
    world: World,
    people: People,
    waiting: Waiting,
    *,
    tier: Tier,
    usable_mg: Ints,
    reserve: Coded | None,
    day: int,
    watch: Watch | None,
) -> tuple[Issue, Draws]:
    who = people.take(waiting.person)
    first, group = _numbered(_class_codes(who, waiting.grade, len(world.places.products)))
    problem = Problem(
        tier=tier,
        panels=world.places.panels,
        region_of=tuple(panel.region for panel in world.panels.panel),
        products=world.products,
        classes=_classes(world, who, waiting, first, group),
        stock=_stock(world, usable_mg),
        reserve_mg=reserve,
    )
    week = plan_week(world, problem, who, group=group, owed_mg=waiting.owed_mg, due_day=waiting.due_day, day=day)
    if watch is not None:
        watch(day, week)
    plan = week.plan
    stage = stage_of(tier, waiting.grade, who.emergency)
    before = np.zeros(len(group), dtype=np.int64) if week.priority is None else week.priority
    keeps_order = world.policy.policy.keeps_tier_order
    shape = (len(first), len(world.places.products))
    lines = coded(plan, "given", {"product": world.places.products})
    given = np.zeros(shape, dtype=np.int64)
    np.add.at(given, (lines["class_id"], lines["product"]), lines["mg"])
    order = np.lexsort((waiting.lottery, waiting.due_day, ~who.acute, before))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    queue = Queue(
        group=group,
        panel=who.panel,
        product=who.product,
        stage=stage if keeps_order else before,
        rank=rank,
        owed_mg=waiting.owed_mg,
        reducible=np.isin(waiting.grade, tier.reduce_grades) & ~who.emergency & ~who.acute,
        mixes=np.array([tier.mixes_products(grade) for grade in range(_GRADES)])[waiting.grade],
    )
    vial_mg = np.array([product.vial_mg[0] for product in world.products.product], dtype=np.int64)
    panels = len(world.places.panels)
    issue = serve_plan(queue, given, smallest_share=tier.smallest_reduced_share, vial_mg=vial_mg, panels=panels)
    issued = np.zeros((panels, shape[1]), dtype=np.int64)
    np.add.at(issued, (who.panel[issue.person], issue.product), issue.mg)
    draws = _draws(world, plan, issued)
    return Issue(waiting.person[issue.person], issue.product, issue.mg), draws


def _class_codes(who: People, grade: Ints, products: int) -> Ints:
    code = who.panel * _GRADES + grade
    code = (code * len(ROUTES) + who.route) * (products + 1) + who.product + 1
    return (code * 2 + who.emergency) * 2 + who.locked


def _numbered(codes: Ints) -> tuple[Ints, Ints]:
    """First place of each code, lowest code first, and the number of each place's code among them.

    As :func:`numpy.unique` finds them, but without sorting: codes are small.
    """
    place = np.full(int(codes.max(initial=-1)) + 1, -1, dtype=np.int64)
    place[codes[::-1]] = np.arange(len(codes) - 1, -1, -1)
    there = place >= 0
    return place[there], (np.cumsum(there) - 1)[codes]


def _classes(world: World, who: People, waiting: Waiting, first: Ints, group: Ints) -> Coded:
    one = who.take(first)
    due_mg = np.zeros(len(first), dtype=np.int64)
    np.add.at(due_mg, group, waiting.owed_mg)
    return Coded(
        {
            "class_id": np.arange(len(first), dtype=np.int64),
            "panel": one.panel,
            "grade": waiting.grade[first],
            "emergency": one.emergency,
            "route": one.route,
            "product": one.product,
            "locked": one.locked,
            "patients": np.bincount(group, minlength=len(first)).astype(np.int64),
            "due_mg": due_mg,
        },
        {"panel": world.places.panels, "route": ROUTES, "product": world.places.products},
    )


def _stock(world: World, usable_mg: Ints) -> Coded:
    place, product = np.nonzero(usable_mg)
    return Coded(
        {"location": place, "product": product, "mg": usable_mg[place, product]},
        {"location": (*world.places.panels, NATIONAL), "product": world.places.products},
    )


def _draws(world: World, plan: Plan, issued: Ints) -> Draws:
    """Where the grams issued come from: each panel's own stock first, then the others of the plan in their order."""
    panels, products = world.places.panels, world.places.products
    lines = coded(plan, "flows", {"from_location": (*panels, NATIONAL), "panel": panels, "product": products})
    flow = np.zeros((len(panels) + 1, *issued.shape), dtype=np.int64)
    np.add.at(flow, (lines["from_location"], lines["panel"], lines["product"]), lines["mg"])
    left = issued.copy()
    drawn = np.zeros_like(flow)
    own = np.arange(len(panels))
    drawn[own, own] = np.minimum(flow[own, own], left)
    left -= drawn[own, own]
    for place in range(len(panels) + 1):
        more = np.minimum(flow[place] - drawn[place], left)
        drawn[place] += more
        left -= more
    if left.any():
        raise VerificationError("more was issued to patients than the plan brought to their panel")
    source, target, product = np.nonzero(drawn)
    return source, target, product, drawn[source, target, product]
