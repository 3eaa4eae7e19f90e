"""What the whole country comes to in a week: tier, stock and need, reviews, and who left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from allocation.quantities import DAYS_PER_WEEK
from allocation.simulation.cover import FIRST_PRODUCT, Need
from allocation.simulation.demand import Bools, Floats, Ints
from allocation.simulation.state import State

__all__ = ["NationalWeek", "has_died", "has_stopped", "with_leavers"]


@dataclass(frozen=True, slots=True)
class NationalWeek:
    """The country at the allocation of one week, and the patients who left in its course.

    ``cover_weeks`` is NaN where nobody needs anything, and so is each of ``grade_cover_weeks``, stock over the demand
    of the grades from 4 down to 4, 3, 2 and 1; ``solved`` says whether the program was needed; of each product
    ``product_stock_mg`` is usable and ``product_use_mg`` is used in a week. Those lost while waiting are acute patients
    whose patience ended, and long-term patients who stopped or died with a course owed; the latter count as stopped or
    died too.
    """

    tier: int
    cover_weeks: float
    stock_mg: int
    demand_mg: float
    grade_cover_weeks: Floats
    product_stock_mg: Ints
    product_use_mg: Floats
    reviews_overdue: int
    solved: bool = False
    stopped: int = 0
    died: int = 0
    lost_waiting: int = 0

    @classmethod
    def of(cls, tier: int, stock_mg: Ints, need: Need, weeks: Floats, *, reviews_overdue: int) -> NationalWeek:
        """A week by the cover its tier was reviewed with.

        Parameters
        ----------
        stock_mg
            Usable, by product.
        weeks
            From :func:`allocation.simulation.cover.cover_weeks`.
        """
        known = np.where(np.isfinite(weeks), weeks, np.nan)
        return cls(
            tier=tier,
            cover_weeks=float(known[0]),
            stock_mg=int(stock_mg.sum()),
            demand_mg=need.demand_mg,
            grade_cover_weeks=known[1:FIRST_PRODUCT],
            product_stock_mg=stock_mg,
            product_use_mg=need.product_use_mg,
            reviews_overdue=reviews_overdue,
        )


def has_died(state: State, days: float) -> Bools:
    """Long-term patients who died on treatment in the first so many days."""
    people = state.people
    died: Bools = _has_left(state, days) & (people.death_day <= state.leaves_day)
    return died


def has_stopped(state: State, days: float) -> Bools:
    """Long-term patients who left otherwise in the first so many days: treatment stopped."""
    stopped: Bools = _has_left(state, days) & (state.people.death_day > state.leaves_day)
    return stopped


def _has_left(state: State, days: float) -> Bools:
    left: Bools = ~state.people.acute & (state.leaves_day >= 0) & (state.leaves_day < days)
    return left


def with_leavers(weeks: Sequence[NationalWeek], state: State) -> list[NationalWeek]:
    """The same weeks with those who left in each."""
    count = len(weeks)
    days = float(count * DAYS_PER_WEEK)
    columns = []
    for who in (has_stopped(state, days), has_died(state, days), state.lost & (state.leaves_day < days)):
        week = (state.leaves_day[who] // DAYS_PER_WEEK).astype(np.int64)
        columns.append(np.bincount(week, minlength=count).tolist())
    return [
        replace(week, stopped=stopped, died=died, lost_waiting=lost)
        for week, stopped, died, lost in zip(weeks, *columns, strict=True)
    ]
