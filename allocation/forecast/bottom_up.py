"""Demand from the patients up: who is treated, who starts and stops, how demand grows, who comes at short notice.

The parameters are those a simulation plays with, but nothing is drawn: means and variances are reckoned, so the
months of a forecast cost no replications. Nobody waits here; it is what patients need, not what they get.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from allocation.cohort.epidemiology import Epidemiology
from allocation.forecast.models import LEVELS
from allocation.forecast.months import days_in
from allocation.quantities import DAYS_PER_WEEK, DAYS_PER_YEAR, MG_PER_G
from allocation.scenario import Demand
from allocation.seeds import stream
from allocation.simulation.demand import AcuteSource, People, Places, people_of

__all__ = ["BottomUp", "Reference", "bottom_up", "reference_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

UNKNOWN = "Not in the reference"
_SAMPLE_PER_LINE = 400
"""Patients drawn of each line of the acute rates to know the mean of its courses and of their squares."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The mix and the doses that a cohort is held against.

    Attributes
    ----------
    groups
        Groups of indications; the last takes what the reference does not have.
    group_of
        Group of each row of the criteria.
    share
        Share of patients by group, shape (groups,).
    grams_a_year
        Grams of a patient in a year by group, shape (groups,); NaN for the last.
    courses_per_patient
        Courses of an acute patient, by row of the criteria.
    """

    groups: tuple[str, ...]
    group_of: Mapping[tuple[str, str], str]
    share: Floats
    grams_a_year: Floats
    courses_per_patient: Mapping[tuple[str, str], float]


def reference_of(epidemiology: Epidemiology) -> Reference:
    """The reference that the epidemiology states."""
    patients = np.array([target.patients for target in epidemiology.target])
    grams = np.array([target.grams_per_patient for target in epidemiology.target])
    rows = {(line.indication, line.situation): line for line in epidemiology.line}
    return Reference(
        (*(target.group for target in epidemiology.target), UNKNOWN),
        {row: line.group for row, line in rows.items()},
        np.append(patients / patients.sum(), 0.0),
        np.append(grams, np.nan),
        {row: line.courses_per_patient or 1.0 for row, line in rows.items()},
    )


@dataclass(frozen=True, slots=True)
class BottomUp:
    """Demand of a cohort by panel and month.

    Attributes
    ----------
    as_of
        Day on which the cohort stands.
    months
        Months, M of them.
    panels
        Panels with patients, n of them.
    groups
        Groups of indications of the reference, k of them.
    long_term, acute
        Expected grams, shape (n, M).
    variance
        Of the grams of a month, shape (n, M): who stops and starts, how many come at short notice and with what
        course, and how many courses fall into the month. That rates might be others is not in it.
    patients
        Patients on the as-of date: long-term ones on treatment, acute ones in a year; shape (n, k).
    level_g
        Grams over all the months if demand did not grow, shape (n, k).
    growth_per_year, leaving_per_year
        As the scenario has them; who leaves stops or dies, and as many start.
    """

    as_of: date
    months: tuple[str, ...]
    panels: tuple[str, ...]
    groups: tuple[str, ...]
    long_term: Floats
    acute: Floats
    variance: Floats
    patients: Floats
    level_g: Floats
    growth_per_year: float
    leaving_per_year: float

    @property
    def mean(self) -> Floats:
        """Expected grams, shape (n, M)."""
        return np.asarray(self.long_term + self.acute)

    def interval(self, panels: list[int] | None = None) -> tuple[Floats, Floats]:
        """Ends of the 80 and 95 % intervals of each panel, shape (2, n, M); of panels together, shape (2, M).

        Panels are independent of each other, so variances add up.
        """
        mean = self.mean if panels is None else self.mean[panels].sum(axis=0)
        deviation = np.sqrt(self.variance if panels is None else self.variance[panels].sum(axis=0))
        tails = np.array([NormalDist().inv_cdf((1 + level / 100) / 2) for level in LEVELS])
        reach = tails.reshape((-1,) + (1,) * mean.ndim) * deviation
        return np.maximum(mean - reach, 0.0), mean + reach


def bottom_up(
    start: People,
    *,
    places: Places,
    acute: AcuteSource,
    demand: Demand,
    reference: Reference,
    as_of: date,
    months: tuple[str, ...],
) -> BottomUp:
    """Demand of each month.

    Parameters
    ----------
    start
        Long-term patients on the as-of date, with a course and an interval each.
    acute
        Rates and patients of short-term treatment.
    demand
        Turnover, deaths and growth; what else a scenario says of demand does not count here.
    as_of
        Day on which the patients stand. Growth counts from there, backward too for months before it.

    Notes
    -----
    Long-term patients count by their grams a week in the long run: what is overdue on the day is no need of a usual
    month. Starts copy the patients there are, so the mix changes only with the season of acute treatment.
    """
    days = days_in(months)
    panel = np.unique(start.panel)
    place = np.full(len(places.panels), -1, dtype=np.int64)
    place[panel] = np.arange(len(panel))
    years = _years_to_middle(as_of, months, days)
    growth = float(np.log1p(demand.growth_per_year))
    grown = np.exp(growth * years)
    groups = {name: i for i, name in enumerate(reference.groups)}
    group_of = [groups.get(reference.group_of.get(entry, UNKNOWN), len(groups) - 1) for entry in places.entries]

    own = place[start.panel]
    weekly_g = start.weekly_mg / MG_PER_G
    kind = np.array(group_of, dtype=np.int64)[start.entry]
    shape = (len(panel), len(groups))
    long_patients, long_g = np.zeros(shape), np.zeros(shape)
    np.add.at(long_patients, (own, kind), 1.0)
    np.add.at(long_g, (own, kind), weekly_g)
    long_term = np.outer(long_g.sum(axis=1) / DAYS_PER_WEEK, days * grown)
    variance = _long_term_variance(start, own, len(panel), demand=demand, days=days, years=years)

    rate = _rate_by_month(acute, as_of)[:, :, panel]
    mean_g, square_g = _courses(acute, places)
    in_month = rate[[int(month[5:7]) - 1 for month in months]] * days[:, None, None]
    acute_g = np.einsum("mlp,l->pm", in_month, mean_g) * grown
    variance += np.einsum("mlp,l->pm", in_month, square_g) * grown

    entry_group = [groups.get(reference.group_of.get(key, UNKNOWN), len(groups) - 1) for key in acute.keys]
    courses = np.array([reference.courses_per_patient.get(key, 1.0) for key in acute.keys])
    patients, level = long_patients, long_g / DAYS_PER_WEEK * days.sum()
    yearly = rate.mean(axis=0) * DAYS_PER_YEAR / courses[:, None]
    np.add.at(patients.T, entry_group, yearly)
    np.add.at(level.T, entry_group, in_month.sum(axis=0) * mean_g[:, None])
    return BottomUp(
        as_of, months, tuple(places.panels[i] for i in panel.tolist()), reference.groups, long_term, acute_g, variance,
        patients, level, demand.growth_per_year, demand.turnover_per_year + demand.deaths_per_year,
    )  # fmt: skip


def _years_to_middle(as_of: date, months: tuple[str, ...], days: Floats) -> Floats:
    first = [date(int(month[:4]), int(month[5:7]), 1) for month in months]
    return np.array([(one - as_of).days for one in first], dtype=np.float64) / DAYS_PER_YEAR + days / 2 / DAYS_PER_YEAR


def _long_term_variance(
    start: People, own: Ints, panels: int, *, demand: Demand, days: Floats, years: Floats
) -> Floats:
    """Variance of a month's grams, shape (panels, months)."""
    growth = float(np.log1p(demand.growth_per_year))
    away = np.abs(years)
    stays = np.exp(-(demand.turnover_per_year + demand.deaths_per_year + max(-growth, 0.0)) * away)
    # Those of the start stay or not; those who came since are a Poisson number.
    of_one = stays * (1 - stays) + np.maximum(np.exp(growth * away) - stays, 0.0)
    daily = start.weekly_mg / MG_PER_G / DAYS_PER_WEEK
    found = np.outer(np.bincount(own, daily**2, panels), days**2 * of_one)
    course_squared = (start.course_mg / MG_PER_G) ** 2
    for place, length in enumerate(days.tolist()):
        # A course every so many days falls once more or once less into a month, as its dates happen to lie.
        part = np.modf(length / start.interval_days)[0]
        found[:, place] += np.bincount(own, course_squared * part * (1 - part), panels)
    return np.asarray(found, dtype=np.float64)


def _rate_by_month(acute: AcuteSource, as_of: date) -> Floats:
    """Arrivals a day in each calendar month, shape (12, lines, panels)."""
    count = int(np.ceil(DAYS_PER_YEAR))
    rate = acute.rate_per_day(count)
    month = np.array([(as_of + timedelta(days=day)).month - 1 for day in range(count)])
    return np.stack([rate[month == number].mean(axis=0) for number in range(12)])


def _courses(acute: AcuteSource, places: Places) -> tuple[Floats, Floats]:
    """Mean of a course and of its square by line, in grams and grams squared."""
    lines = len(acute.keys)
    line = np.repeat(np.arange(lines), _SAMPLE_PER_LINE)
    if not lines:
        return np.zeros(0), np.zeros(0)
    # Not a run's seed: what is expected does not depend on luck.
    drawn = acute.draw(stream(0, "bottom-up acute courses"), line, np.arange(len(line)) % len(places.panels))
    grams = (people_of(drawn, places, as_of=None, acute=True).course_mg / MG_PER_G).reshape(lines, _SAMPLE_PER_LINE)
    return grams.mean(axis=1), (grams**2).mean(axis=1)
