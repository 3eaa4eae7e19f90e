"""Which products ran out, and when: less than one smallest vial left once the week's courses are allocated."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from allocation.simulation.demand import Bools, Ints

__all__ = ["NEVER", "StockOuts"]

NEVER = -1
"""Week of what has not happened."""


@dataclass(slots=True)
class StockOuts:
    """Stock-outs of one replication.

    Parameters
    ----------
    vial_mg
        Smallest vial of each product.
    used
        Which panels use which products at the start, shape (panels, products); only these can run out.

    Attributes
    ----------
    first_panel_week, first_week
        First week in which a product is out at a panel that uses it, and in all the country; :data:`NEVER` if never.
    panel_weeks
        Weeks out, summed over the panels that use the product.
    """

    vial_mg: Ints
    used: Bools
    first_panel_week: Ints = field(init=False)
    first_week: Ints = field(init=False)
    panel_weeks: Ints = field(init=False)

    def __post_init__(self) -> None:
        products = len(self.vial_mg)
        self.first_panel_week = np.full(products, NEVER, dtype=np.int64)
        self.first_week = np.full(products, NEVER, dtype=np.int64)
        self.panel_weeks = np.zeros(products, dtype=np.int64)

    @property
    def in_use(self) -> Bools:
        """Products that some panel uses."""
        return np.asarray(self.used.any(axis=0))

    def note(self, week: int, usable_mg: Ints) -> None:
        """Look at the shelves, shape (places, products), national stock last."""
        out = self.used & (usable_mg[:-1] < self.vial_mg)
        everywhere = self.in_use & (usable_mg.sum(axis=0) < self.vial_mg)
        self.panel_weeks += out.sum(axis=0)
        for first, now in ((self.first_panel_week, out.any(axis=0)), (self.first_week, everywhere)):
            first[now & (first == NEVER)] = week
