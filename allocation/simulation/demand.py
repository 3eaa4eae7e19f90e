"""Everyone of a replication, in arrays: patients at the start, those who will start, and acute arrivals.

All who will ever come are drawn before the clock starts, each group from its own random stream. So whatever a
scenario changes on the side of supply or policy, the same patients come on the same days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.quantities import DAYS_PER_WEEK, DAYS_PER_YEAR
from allocation.scenario import Demand, DemandSurge, NewIndication
from allocation.seeds import stream

__all__ = [
    "NO_PRODUCT",
    "ROUTES",
    "AcuteSource",
    "People",
    "Places",
    "draw_arrivals",
    "draw_long_term",
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
    grade, grade_if_reviewed
        1 to 4, 0 for ungraded: now, and once an overdue annual review has been done.
    review_overdue, locked, emergency, acute
        Flags; locked patients take no other product.
    course_mg
        Milligrams of a course.
    interval_days
        Days from one course to the next; infinite where one course is all, as for an acute patient.
    first_due_day
        Day of the first course, counted from day 0; NaN where not known. Day of arrival for acute patients.
    leaves_day
        Day on which the patient needs no more, or is lost to treatment; infinite for never.
    """

    panel: Ints
    product: Ints
    route: Ints
    entry: Ints
    grade: Ints
    grade_if_reviewed: Ints
    review_overdue: Bools
    locked: Bools
    emergency: Bools
    acute: Bools
    course_mg: Ints
    interval_days: Floats
    first_due_day: Floats
    leaves_day: Floats

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
        Columns of ``allocation.cohort.demand.demand_table``; ``grade_if_reviewed`` besides where it is known.
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
    return People(
        panel=_codes(table["panel"], places.panels),
        product=product,
        route=_codes(table["route"], ROUTES),
        entry=pd.MultiIndex.from_tuples(places.entries).get_indexer(pairs).astype(np.int64),
        grade=grade,
        grade_if_reviewed=table.get("grade_if_reviewed", table["grade"]).fillna(0).to_numpy(dtype=np.int64),
        review_overdue=(table["review_overdue"] == "yes").to_numpy(dtype=np.bool_),
        locked=(table["locked"] == "yes").to_numpy(dtype=np.bool_) if "locked" in table else flags,
        emergency=table["emergency"].to_numpy(dtype=np.bool_),
        acute=np.full(n, acute, dtype=np.bool_),
        course_mg=course_mg,
        interval_days=interval_days,
        first_due_day=first_due_day,
        leaves_day=np.full(n, np.inf),
    )


def _codes(values: pd.Series, known: Sequence[str]) -> Ints:
    return pd.Index(known).get_indexer(pd.Index(values)).astype(np.int64)


def draw_long_term(
    start: People,
    demand: Demand,
    surges: Sequence[DemandSurge],
    *,
    seed: int,
    replication: int,
    days: int,
    new: Sequence[NewIndication] = (),
    entries: Sequence[tuple[str, str]] = (),
    follow: Floats | None = None,
) -> People:
    """Long-term patients of a replication: those at the start and all who will start, with the day each leaves.

    Growth, turnover and deaths are hazards a year; as many start as stop or die. A new patient copies one drawn at
    random from those at the start; one of a new indication copies one of those with the indication it is like, found in
    ``entries``. ``follow``, shape (days, panels), is what the number of patients of each
    panel is multiplied by: more start or fewer, and where that is not enough more stop, but whoever would come anyway
    is the same.
    """
    path = ("replication", replication, "long-term")
    growth = float(np.log1p(demand.growth_per_year))
    # Who stops and who dies leaves alike, and whichever comes first counts, so the two hazards add up.
    leaving = demand.turnover_per_year + demand.deaths_per_year
    start_hazard = (leaving + max(growth, 0.0)) / DAYS_PER_YEAR
    stop_hazard = (leaving + max(-growth, 0.0)) / DAYS_PER_YEAR

    unknown = np.isnan(start.first_due_day)
    phase = stream(seed, *path, "first due").random(len(start))
    guess = phase * np.where(np.isfinite(start.interval_days), start.interval_days, 0.0)
    first_due = np.where(unknown, guess, start.first_due_day)
    here = start.with_(
        first_due_day=first_due, leaves_day=_leave(stream(seed, *path, "stops"), len(start), stop_hazard)
    )

    per_day = len(start) * start_hazard * np.exp(growth * np.arange(days) / DAYS_PER_YEAR)
    groups = [here, _starters(start, per_day, stop_hazard, stream(seed, *path, "starts"))]
    if follow is not None:
        groups = _following(
            here, groups[1], start, follow, stop_hazard=stop_hazard, rng=stream(seed, *path, "demand forecast")
        )
    for number, surge in enumerate(surges):
        if surge.applies_to == "all":
            per_day = _evenly(surge, len(start), days)
            groups.append(_starters(start, per_day, stop_hazard, stream(seed, *path, "surge", number)))
    for number, one in enumerate(new):
        alike = start.take(np.array([indication == one.like for indication, _ in entries])[start.entry])
        per_day = _evenly(one, len(start), days)
        group = _starters(alike, per_day, stop_hazard, stream(seed, *path, "new indication", number))
        grade = np.full(len(group), one.grade, dtype=np.int64)
        on_time = np.zeros(len(group), dtype=np.bool_)
        groups.append(group.with_(grade=grade, grade_if_reviewed=grade, review_overdue=on_time))
    return join(*groups)


def _following(
    here: People, starters: People, start: People, follow: Floats, *, stop_hazard: float, rng: np.random.Generator
) -> list[People]:
    """The same with patients added or taken away, so that the number expected in each panel follows ``follow``."""
    days, panels = follow.shape
    count = np.bincount(start.panel, minlength=panels)
    # Starts beyond the usual ones, a patient of the start and day: what is gained, and what the additional ones lose.
    net = np.zeros_like(follow)
    net[1:] = np.diff(follow, axis=0) + stop_hazard * (follow[:-1] - 1)
    kept = np.clip(1 + net / stop_hazard, 0.0, 1.0) if stop_hazard > 0 else np.ones_like(net)
    present = np.vstack([np.ones(panels), follow[:-1]])
    more_stops = np.maximum(-net - stop_hazard, 0.0) / np.maximum(present, np.finfo(float).tiny)
    stops_by_day = np.vstack([np.zeros(panels), np.cumsum(np.minimum(more_stops, days), axis=0)])

    # At the start the level itself may differ: some are not there, or more are, at any point of their interval.
    gone = rng.random(len(here)) >= follow[0, here.panel]
    here = here.with_(leaves_day=np.where(gone, -np.inf, here.leaves_day))
    begins = starters.first_due_day.astype(np.int64)
    starters = starters.take(rng.random(len(starters)) < kept[begins, starters.panel])
    groups = [here, starters]
    for panel in np.flatnonzero(count).tolist():
        alike = start.take(start.panel == panel)
        extra = np.maximum(net[:, panel], 0.0)
        extra[0] = max(follow[0, panel] - 1, 0.0)
        group = _starters(alike, count[panel] * extra, stop_hazard, rng)
        wait = np.where(np.isfinite(group.interval_days), group.interval_days, 0.0) * rng.random(len(group))
        groups.append(group.with_(first_due_day=group.first_due_day + np.where(group.first_due_day == 0, wait, 0.0)))
    return [_stopping(group, stops_by_day, rng) for group in groups]


def _stopping(people: People, stops_by_day: Floats, rng: np.random.Generator) -> People:
    """The same leaving earlier: ``stops_by_day`` is the hazard summed up to each day, shape (days + 1, panels)."""
    begins = np.clip(np.nan_to_num(people.first_due_day), 0, len(stops_by_day) - 1).astype(np.int64)
    until = stops_by_day[begins, people.panel] + rng.standard_exponential(len(people))
    day = np.full(len(people), np.inf)
    for panel in np.unique(people.panel).tolist():
        own = people.panel == panel
        found = np.searchsorted(stops_by_day[:, panel], until[own])
        day[own] = np.where(found < len(stops_by_day), found, np.inf)
    return people.with_(leaves_day=np.minimum(people.leaves_day, day))


def _evenly(one: DemandSurge | NewIndication, patients: int, days: int) -> Floats:
    """Starts on each day, spread evenly over the weeks it lasts."""
    first, length = one.start_week * DAYS_PER_WEEK, one.weeks * DAYS_PER_WEEK
    per_day = np.zeros(days)
    per_day[first : first + length] = patients * one.fraction / length
    return per_day


def _starters(start: People, per_day: Floats, stop_hazard: float, rng: np.random.Generator) -> People:
    count = rng.poisson(per_day) if len(start) else np.zeros(len(per_day), dtype=np.int64)
    day = np.repeat(np.arange(len(per_day)), count).astype(np.float64)
    like = start.take(rng.integers(0, max(len(start), 1), len(day)))
    return like.with_(first_due_day=day, leaves_day=day + _leave(rng, len(day), stop_hazard))


def _leave(rng: np.random.Generator, count: int, hazard_per_day: float) -> Floats:
    waits = rng.standard_exponential(count)
    return waits / hazard_per_day if hazard_per_day > 0 else np.full(count, np.inf)


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
    path = ("replication", replication, "acute")
    growth = np.exp(np.log1p(demand.growth_per_year) * np.arange(days) / DAYS_PER_YEAR)
    rate = source.rate_per_day(days) * growth[:, None, None]
    groups = [_arrivals(source, rate, stream(seed, *path, "arrivals"))]
    for number, surge in enumerate(surges):
        first = surge.start_week * DAYS_PER_WEEK
        extra = np.zeros_like(rate)
        window = slice(first, first + surge.weeks * DAYS_PER_WEEK)
        extra[window] = rate[window] * surge.fraction
        groups.append(_arrivals(source, extra, stream(seed, *path, "surge", number)))
    if follow is not None:
        rng = stream(seed, *path, "demand forecast")
        groups = [_kept(group, places, follow, rng) for group in groups]
        more = rate * np.maximum(follow - 1, 0.0)[:, None, :]
        if more.any():
            groups.append(_arrivals(source, more, rng))
    some = [groups[0], *(group for group in groups[1:] if len(group))]
    people = join(*(people_of(group, places, as_of=None, acute=True) for group in some))
    day = np.concatenate([group["arrival_day"].to_numpy(dtype=np.float64) for group in some])
    order = np.argsort(day, kind="stable")
    # The patience counts whole days waited, so the patient is lost on the day after the last of them.
    timed = people.with_(first_due_day=day, leaves_day=day + demand.acute_patience_days + 1).take(order)
    return timed.take(timed.course_mg > 0)


def _arrivals(source: AcuteSource, rate: Floats, rng: np.random.Generator) -> pd.DataFrame:
    count = rng.poisson(rate)
    day, line, panel = (np.repeat(part, count[count > 0]) for part in np.nonzero(count))
    return source.draw(rng, line.astype(np.int64), panel.astype(np.int64)).assign(arrival_day=day)


def _kept(table: pd.DataFrame, places: Places, follow: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Arrivals that come although fewer do."""
    day = table["arrival_day"].to_numpy(dtype=np.int64)
    comes = rng.random(len(table)) < follow[day, _codes(table["panel"], places.panels)]
    return table.take(np.flatnonzero(comes))
