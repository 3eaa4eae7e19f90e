"""Weeks of cover, in one row for all triggers of a tier: the country, the grades from 4 down, each product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocation.scenario import Controller, Thresholds
from allocation.simulation.demand import Bools, Floats, Ints
from allocation.simulation.dispatch import owed_by_product
from allocation.simulation.record import GRADES
from allocation.simulation.state import State
from allocation.simulation.world import World

__all__ = [
    "FIRST_PRODUCT",
    "GRADES_DOWN",
    "Need",
    "cover_weeks",
    "need_of",
    "owed_of",
    "trigger_limits",
]

GRADES_DOWN = (4, 3, 2, 1)
"""Lowest of the grades whose need a stock is held against, in the order of the row."""

FIRST_PRODUCT = 1 + len(GRADES_DOWN)
"""Place in the row of the first product; the country's is 0, the grades' follow it."""


def trigger_limits(settings: Controller, products: tuple[str, ...], use_mg: Floats) -> Floats:
    """Weeks of cover below which tiers 2, 3 and 4 are called for; 0 for never.

    Parameters
    ----------
    products
        Their codes.
    use_mg
        Milligrams used a week at the start, by product: too small a share of it does not count.

    Returns
    -------
    array of shape (1 + grades + products, 3)
    """
    of_all = Thresholds(**{name: getattr(settings, f"product_{name}") for name in Thresholds.model_fields})
    own = {one.product: one for one in settings.product}
    grades = settings.grade_cover
    rows: list[Thresholds | Controller] = [
        settings, grades.grade_4, grades.grades_4_to_3, grades.grades_4_to_2, grades.grades_4_to_1,
    ]  # fmt: skip
    counts = (use_mg > 0) & (use_mg >= settings.product_share_of_demand * use_mg.sum())
    rows += [
        own.get(code, of_all if counted else Thresholds())
        for code, counted in zip(products, counts.tolist(), strict=True)
    ]
    return np.array([[getattr(row, name) for name in Thresholds.model_fields] for row in rows], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Need:
    """Milligrams needed in a week: by the country, by the grades from 4 down to each, and of each product."""

    demand_mg: float
    grade_demand_mg: Floats
    product_use_mg: Floats


def need_of(world: World, state: State, here: Bools, use_mg: Floats, week: int) -> Need:
    """What the patients now on treatment and the acute patients expected need in a week.

    Parameters
    ----------
    here
        Who is on treatment.
    use_mg
        Milligrams a week that each panel now uses of each product.
    """
    season, weekly_mg = world.expected.season[week], state.weekly_mg[here]
    by_grade = np.bincount(state.grade[here], weekly_mg, GRADES) + world.expected.by_grade * season
    return Need(
        demand_mg=float(weekly_mg.sum() + world.expected.by_route.sum() * season),
        grade_demand_mg=np.cumsum(by_grade[list(GRADES_DOWN)]),
        product_use_mg=use_mg.sum(axis=0),
    )


def owed_of(world: World, state: State) -> Floats:
    """Milligrams owed to patients now, in the order of the row."""
    by_grade = np.bincount(state.grade, state.owed_mg, GRADES)
    of_product = owed_by_product(world, state).sum(axis=0)
    return np.concatenate([[by_grade.sum()], np.cumsum(by_grade[list(GRADES_DOWN)]), of_product])


def cover_weeks(stock_mg: Ints, need: Need, owed_mg: Floats | None = None) -> Floats:
    """Stock over what is needed in a week, in the order of the row; infinite where nothing is needed.

    Parameters
    ----------
    stock_mg
        Usable, by product.
    owed_mg
        From :func:`owed_of`, to be taken off the stock first.
    """
    stock = np.concatenate([np.full(FIRST_PRODUCT, stock_mg.sum()), stock_mg]).astype(np.float64)
    if owed_mg is not None:
        stock -= owed_mg
    needed = np.concatenate([[need.demand_mg], need.grade_demand_mg, need.product_use_mg])
    weeks: Floats = np.where(needed > 0, stock / np.where(needed > 0, needed, 1.0), np.inf)
    return weeks
