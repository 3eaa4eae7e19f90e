"""Weeks of cover, in one row for all triggers of a tier: the country, the grades from 4 down, and each product."""

from __future__ import annotations

import numpy as np

from allocation.scenario import Controller, Thresholds
from allocation.simulation.demand import Floats

__all__ = ["FIRST_PRODUCT", "GRADES_DOWN", "cover_weeks", "trigger_limits"]

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


def cover_weeks(
    *, stock_mg: Floats, demand_mg: float, grade_demand_mg: Floats, product_use_mg: Floats, owed_mg: Floats
) -> Floats:
    """Stock, less what is owed, over what is needed in a week; infinite where nothing is needed.

    Parameters
    ----------
    stock_mg, product_use_mg
        By product.
    demand_mg
        Of the country in a week.
    grade_demand_mg
        Part of it of the grades from 4 down to each of :data:`GRADES_DOWN`.
    owed_mg
        Of the country, of these grades and of products, in the order of the row; 0 where nothing is taken off.
    """
    total = np.full(FIRST_PRODUCT, float(stock_mg.sum()))
    stock = np.concatenate([total, stock_mg]) - owed_mg
    need = np.concatenate([[demand_mg], grade_demand_mg, product_use_mg])
    weeks: Floats = np.where(need > 0, stock / np.where(need > 0, need, 1.0), np.inf)
    return weeks
