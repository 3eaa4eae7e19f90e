"""Everyone of a replication, in arrays, and acute arrivals; long-term patients are drawn in ``long_term``.

All who will ever come are drawn before the clock starts, each group from its own random stream, named by what brings
it. So whatever a scenario changes, those whom it does not touch come on the same days; and each has a key of luck, so
that what happens to them later is the same whoever else comes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.quantities import DAYS_PER_WEEK, DAYS_PER_YEAR
from allocation.scenario import Demand, DemandSurge
from allocation.seeds import Keys, keys_of, stream
from allocation.simulation.names import Name, named

__all__ = [
    "NO_PRODUCT",
    "ROUTES",
    "AcuteSource",
    "People",
    "Places",
    "draw_arrivals",
    "join",
    "people_of",
]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

ROUTES = ("IV", "SC", "IM")
NO_PRODUCT = -1
"""Product index of a patient for whom none is recorded."""


@dataclass(frozen=True, slots=True)
class Places:
    """What index stands for what: panels, products and rows of the criteria."""

    panels: tuple[str, ...]
    products: tuple[str, ...]
    entries: tuple[tuple[str, str], ...]

    @property
    def national(self) -> int:
        """Place index of stock that no panel holds; it follows the panels."""
        return len(self.panels)


@dataclass(frozen=True, slots=True)
class People:
    """Patients, one element each in every array.

    Attributes
    ----------
    panel, product, route, entry
        Indices into :class:`Places` and :data:`ROUTES`; product is :data:`NO_PRODUCT` where none is recorded.
    grade, grade_if_reviewed, grade_if_lapsed
        1 to 4, 0 for ungraded: when the patient comes into the run, while an annual review counts, and while none does.
    review_overdue, locked, emergency, acute
        Flags; locked patients take no other product, and a review is overdue when the patient comes into the run.
    review_due_day, review_days
        Day from which the annual review counts no longer, and days from a review done to that day; infinite where none
        is asked for.
    first_year_counts
        Whether one who starts counts as reviewed, as the panel approved the start.
    course_mg
        Milligrams of a course.
    interval_days
        Days from one course to the next; infinite where one course is all, as for an acute patient.
    first_due_day
        Day of the first course, counted from day 0; NaN where not known. Day of arrival for acute patients.
    leaves_day, death_day
        Day on which the patient needs no more, is lost to treatment or dies, and day of death, which may come after;
        infinite for never.
    luck
        Key of what is drawn for the patient alone.
    """

    panel: Ints
    product: Ints
    route: Ints
    entry: Ints
    grade: Ints
    grade_if_reviewed: Ints
    grade_if_lapsed: Ints
    review_overdue: Bools
    review_due_day: Floats
    review_days: Floats
    first_year_counts: Bools
    locked: Bools
    emergency: Bools
    acute: Bools
    course_mg: Ints
    interval_days: Floats
    first_due_day: Floats
    leaves_day: Floats
    death_day: Floats
    luck: Keys

    def __len__(self) -> int:
        return len(self.panel)

    def take(self, index: npt.NDArray[np.generic]) -> People:
        """The patients of an index or a mask."""
        return People(**{part.name: getattr(self, part.name)[index] for part in fields(self)})

    def with_(self, **arrays: npt.NDArray[np.generic]) -> People:
        """A copy with some arrays replaced."""
        return People(**{part.name: arrays.get(part.name, getattr(self, part.name)) for part in fields(self)})

    @property
    def weekly_mg(self) -> Floats:
        """Milligrams a week in the long run; 0 for an acute patient."""
        return self.course_mg * (DAYS_PER_WEEK / self.interval_days)


class AcuteSource(Protocol):
    """Where acute patients come from."""

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Indication and situation of each line of the rates."""

    def rate_per_day(self, days: int) -> Floats:
        """Expected arrivals, shape (days, lines, panels), from day 0."""

    def draw(self, rng: np.random.Generator, line: Ints, panel: Ints) -> pd.DataFrame:
        """Patients of these lines and panels, with the columns of the demand table."""


def join(*groups: People) -> People:
    """All groups one after the other."""
    return People(**{part.name: np.concatenate([getattr(g, part.name) for g in groups]) for part in fields(People)})


def people_of(table: pd.DataFrame, places: Places, *, as_of: pd.Timestamp | None, acute: bool) -> People:
    """Arrays of the rows of a demand table, all of them long-term or all acute.

    Parameters
    ----------
    table
        Columns of ``allocation.cohort.demand.demand_table``, and of ``allocation.grading.annual_reviews`` besides where
        reviews are asked for.
    as_of
        Day 0; None leaves the first due day unknown.
    """
    n = len(table)
    flags = np.zeros(n, dtype=np.bool_)
    grade = table["grade"].fillna(0).to_numpy(dtype=np.int64)
    course_mg = table["course_mg"].to_numpy(dtype=np.int64)
    first_due_day = np.full(n, np.nan)
    if acute:
        interval_days = np.full(n, np.inf)
        # A new acute patient is on no product yet, so any of the route may be given.
        product = np.full(n, NO_PRODUCT, dtype=np.int64)
    else:
        cycle_weeks = table["cycle_weeks"].to_numpy(dtype=np.float64)
        interval_days = np.where(np.isnan(cycle_weeks), np.inf, cycle_weeks * DAYS_PER_WEEK)
        product = _codes(table["product"], places.products)
        pooled = interval_days < DAYS_PER_WEEK
        per_week = np.rint(course_mg * DAYS_PER_WEEK / interval_days).astype(np.int64)
        course_mg = np.where(pooled, per_week, course_mg)
        interval_days = np.where(pooled, float(DAYS_PER_WEEK), interval_days)
        if as_of is not None:
            first_due_day = ((table["next_due_date"] - as_of) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
    pairs = pd.MultiIndex.from_arrays([table["indication"], table["situation"]])
    overdue = (table["review_overdue"] == "yes").to_numpy(dtype=np.bool_)
    review_days, review_due_day = np.full(n, np.inf), np.full(n, np.inf)
    if "review_lapses_on" in table and as_of is not None:
        # The last day that counts is so many days after the review; the next is the first that does not.
        review_days = table["review_valid_days"].to_numpy(dtype=np.float64) + 1
        lapses_day = ((table["review_lapses_on"] - as_of) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
        review_due_day = np.where(np.isnan(review_days), np.inf, np.where(overdue, 0.0, lapses_day))
        review_days = np.where(np.isnan(review_days), np.inf, review_days)
    return People(
        panel=_codes(table["panel"], places.panels),
        product=product,
        route=_codes(table["route"], ROUTES),
        entry=pd.MultiIndex.from_tuples(places.entries).get_indexer(pairs).astype(np.int64),
        grade=grade,
        grade_if_reviewed=table.get("grade_if_reviewed", table["grade"]).fillna(0).to_numpy(dtype=np.int64),
        grade_if_lapsed=table.get("grade_if_lapsed", table["grade"]).fillna(0).to_numpy(dtype=np.int64),
        review_overdue=overdue,
        review_due_day=review_due_day,
        review_days=review_days,
        first_year_counts=table["first_year_counts"].to_numpy(dtype=np.bool_)
        if "first_year_counts" in table
        else ~flags,
        locked=(table["locked"] == "yes").to_numpy(dtype=np.bool_) if "locked" in table else flags,
        emergency=table["emergency"].to_numpy(dtype=np.bool_),
        acute=np.full(n, acute, dtype=np.bool_),
        course_mg=course_mg,
        interval_days=interval_days,
        first_due_day=first_due_day,
        leaves_day=np.full(n, np.inf),
        death_day=np.full(n, np.inf),
        luck=np.zeros(n, dtype=np.uint64),
    )


def _codes(values: pd.Series, known: Sequence[str]) -> Ints:
    return pd.Index(known).get_indexer(pd.Index(values)).astype(np.int64)


def draw_arrivals(
    source: AcuteSource,
    places: Places,
    demand: Demand,
    surges: Sequence[DemandSurge],
    *,
    seed: int,
    replication: int,
    days: int,
    follow: Floats | None = None,
) -> People:
    """Acute patients of a replication in the order in which they come.

    Those of a surge are drawn apart and come on top, so a surge never changes who comes anyway. Nor does ``follow``,
    shape (days, panels), by which arrivals are multiplied: more come on top, or some of them do not come.
    """
    path = (seed, "replication", replication, "acute")
    growth = np.exp(np.log1p(demand.growth_per_year) * np.arange(days) / DAYS_PER_YEAR)
    rate = source.rate_per_day(days) * growth[:, None, None]
    rates: list[tuple[Name, Floats]] = [(("arrivals",), rate)]
    for name, surge in named(surges):
        first = surge.start_week * DAYS_PER_WEEK
        extra = np.zeros_like(rate)
        window = slice(first, first + surge.weeks * DAYS_PER_WEEK)
        extra[window] = rate[window] * surge.fraction
        rates.append((name, extra))
    groups = [_arrivals(source, each, *path, *name) for name, each in rates]
    if follow is not None:
        groups = [
            _kept(group, places, follow, stream(*path, *name, "demand forecast"))
            for group, (name, _) in zip(groups, rates, strict=True)
        ]
        more = rate * np.maximum(follow - 1, 0.0)[:, None, :]
        if more.any():
            groups.append(_arrivals(source, more, *path, "demand forecast"))
    some = [groups[0], *(group for group in groups[1:] if len(group))]
    people = join(*(people_of(group, places, as_of=None, acute=True) for group in some))
    day, luck = (np.concatenate([group[name].to_numpy() for group in some]) for name in ("arrival_day", "luck"))
    day = day.astype(np.float64)
    order = np.argsort(day, kind="stable")
    # The patience counts whole days waited, so the patient is lost on the day after the last of them.
    timed = people.with_(first_due_day=day, leaves_day=day + demand.acute_patience_days + 1, luck=luck).take(order)
    return timed.take(timed.course_mg > 0)


def _arrivals(source: AcuteSource, rate: Floats, seed: int, *path: str | int) -> pd.DataFrame:
    rng = stream(seed, *path)
    count = rng.poisson(rate)
    day, line, panel = (np.repeat(part, count[count > 0]) for part in np.nonzero(count))
    table = source.draw(rng, line.astype(np.int64), panel.astype(np.int64))
    return table.assign(arrival_day=day, luck=keys_of(stream(seed, *path, "luck"), len(table)))


def _kept(table: pd.DataFrame, places: Places, follow: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Arrivals that come although fewer do."""
    day = table["arrival_day"].to_numpy(dtype=np.int64)
    comes = rng.random(len(table)) < follow[day, _codes(table["panel"], places.panels)]
    return table.take(np.flatnonzero(comes))
