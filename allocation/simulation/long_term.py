"""Long-term patients of a replication: those at the start, all who will start, and the day on which each leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocation.quantities import DAYS_PER_WEEK, DAYS_PER_YEAR
from allocation.scenario import Demand, DemandSurge, NewIndication
from allocation.seeds import keys_of, stream
from allocation.simulation.demand import Floats, People, join
from allocation.simulation.names import named

__all__ = ["draw_long_term"]


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

    Growth, turnover and deaths are hazards a year; as many start as stop or die, and as many besides as late reviews at
    the usual pace are expected to find without need. A new patient copies one drawn at random from those at the start,
    and counts as reviewed where the panel approved that one's start; one of a new indication copies one of those with
    the indication it is like, found in ``entries``. ``follow``, shape (days, panels), is what the number of patients of
    each panel is multiplied by: more start or fewer, and where that is not enough more stop, but whoever would come
    anyway is the same.
    """
    path = (seed, "replication", replication, "long-term")
    growth = float(np.log1p(demand.growth_per_year))
    # Whoever stops and whoever dies makes place for one who starts.
    leaving = demand.turnover_per_year + demand.deaths_per_year
    starts = (leaving + max(growth, 0.0)) / DAYS_PER_YEAR
    hazards = _Hazards(
        stop=(demand.turnover_per_year + max(-growth, 0.0)) / DAYS_PER_YEAR,
        death=demand.deaths_per_year / DAYS_PER_YEAR,
    )

    unknown = np.isnan(start.first_due_day)
    phase = stream(*path, "first due").random(len(start))
    guess = phase * np.where(np.isfinite(start.interval_days), start.interval_days, 0.0)
    here = start.with_(
        first_due_day=np.where(unknown, guess, start.first_due_day), luck=keys_of(stream(*path, "luck"), len(start))
    )
    here = _leaving(here, np.zeros(len(here)), hazards, stream(*path, "stops"), stream(*path, "deaths"))

    grown = np.exp(growth * np.arange(days) / DAYS_PER_YEAR)
    groups = [here, _starters(start, len(start) * starts * grown, hazards, *path, "starts")]
    stops = _review_stops(start, demand)
    if follow is not None:
        found_fit = float(stops.mean()) if len(start) else 0.0
        groups = _following(here, groups[1], start, follow, hazards, *path, "demand forecast", found_fit=found_fit)
    asked = start.take(np.isfinite(start.review_days))
    groups.append(_starters(asked, stops.sum() * grown, hazards, *path, "starts after reviews"))
    for name, surge in named(surges):
        if surge.applies_to == "all":
            groups.append(_starters(start, _evenly(surge, len(start), days), hazards, *path, *name))
    for name, one in named(new):
        alike = start.take(np.array([indication == one.like for indication, _ in entries])[start.entry])
        group = _starters(alike, _evenly(one, len(start), days), hazards, *path, *name)
        grade = np.full(len(group), one.grade, dtype=np.int64)
        groups.append(
            group.with_(
                grade=grade,
                grade_if_reviewed=grade,
                grade_if_lapsed=grade,
                review_overdue=np.zeros(len(group), dtype=np.bool_),
                review_due_day=group.first_due_day + group.review_days,
            )
        )
    return join(*groups)


@dataclass(frozen=True, slots=True)
class _Hazards:
    """Of stopping and of dying, a day."""

    stop: float
    death: float


def _review_stops(start: People, demand: Demand) -> Floats:
    """How many a day of each patient's like stop since a late review finds no need, at the usual pace of reviews.

    A review that is not done on time is done after as many weeks as one over the pace; a cycle lasts until then.
    """
    late, per_week = 1.0 - demand.reviews_on_time_share, demand.overdue_reviews_done_per_week
    if not late or not per_week:
        return np.zeros(len(start))
    stops: Floats = demand.review_stop_share * late / (start.review_days + late * DAYS_PER_WEEK / per_week)
    return stops


def _following(
    here: People,
    starters: People,
    start: People,
    follow: Floats,
    hazards: _Hazards,
    seed: int,
    *path: str | int,
    found_fit: float,
) -> list[People]:
    """The same with patients added or taken away, so that the number expected in each panel follows ``follow``.

    ``found_fit`` is the hazard of stopping at a review, for which as many start as at the start of the run.
    """
    rng = stream(seed, *path)
    usual = hazards.stop + hazards.death
    days, panels = follow.shape
    count = np.bincount(start.panel, minlength=panels)
    # Starts beyond the usual ones, a patient of the start and day: what is gained, and what the additional ones lose.
    net = np.zeros_like(follow)
    net[1:] = np.diff(follow, axis=0) + (usual + found_fit) * (follow[:-1] - 1)
    kept = np.clip(1 + net / usual, 0.0, 1.0) if usual > 0 else np.ones_like(net)
    present = np.vstack([np.ones(panels), follow[:-1]])
    more_stops = np.maximum(-net - usual, 0.0) / np.maximum(present, np.finfo(float).tiny)
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
        group = _copies(alike, count[panel] * extra, hazards, seed, *path, panel)
        # Who is there on day 0 stands as those of the cohort do, in the middle of treatment.
        first = group.first_due_day == 0
        group = join(group.take(first), _beginning(group.take(~first)))
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


def _starters(start: People, per_day: Floats, hazards: _Hazards, seed: int, *path: str | int) -> People:
    """Patients who start, so many expected each day, each like one of ``start``; drawn from the streams of a group."""
    return _beginning(_copies(start, per_day, hazards, seed, *path))


def _copies(start: People, per_day: Floats, hazards: _Hazards, seed: int, *path: str | int) -> People:
    rng = stream(seed, *path)
    count = rng.poisson(per_day) if len(start) else np.zeros(len(per_day), dtype=np.int64)
    day = np.repeat(np.arange(len(per_day)), count).astype(np.float64)
    like = start.take(rng.integers(0, max(len(start), 1), len(day)))
    luck = keys_of(stream(seed, *path, "luck"), len(day))
    return _leaving(like.with_(first_due_day=day, luck=luck), day, hazards, rng, stream(seed, *path, "deaths"))


def _beginning(people: People) -> People:
    """The same at the start of treatment: the year begins that counts as reviewed where the panel approved."""
    asked, counts = np.isfinite(people.review_days), people.first_year_counts
    return people.with_(
        grade=np.where(asked, np.where(counts, people.grade_if_reviewed, people.grade_if_lapsed), people.grade),
        review_overdue=asked & ~counts,
        review_due_day=people.first_due_day + np.where(counts | ~asked, people.review_days, 0.0),
    )


def _leaving(
    people: People, begins: Floats, hazards: _Hazards, stops: np.random.Generator, deaths: np.random.Generator
) -> People:
    """The same with the day of death, and that of leaving, which is the day of stopping where that comes first."""
    death_day = begins + _wait(deaths, len(people), hazards.death)
    stop_day = begins + _wait(stops, len(people), hazards.stop)
    return people.with_(death_day=death_day, leaves_day=np.minimum(stop_day, death_day))


def _wait(rng: np.random.Generator, count: int, hazard_per_day: float) -> Floats:
    waits = rng.standard_exponential(count)
    return waits / hazard_per_day if hazard_per_day > 0 else np.full(count, np.inf)
