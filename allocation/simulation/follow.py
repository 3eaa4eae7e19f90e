"""Demand that follows a forecast: one line through its fan for each replication, in ratio to demand at the start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from allocation.errors import Fault, InputError
from allocation.quantities import DAYS_PER_WEEK
from allocation.scenario import DemandForecast, month_number
from allocation.seeds import stream

__all__ = ["Follow", "follow_forecast"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_YEAR = 12
_QUANTILES = (0.025, 0.1, 0.5, 0.9, 0.975)
"""Where the ends of the 95 % and 80 % intervals and the forecast itself stand in a fan."""

_FARTHEST = 2.0
"""A cohort that needs so many times more or less than the forecast says is not what was forecast."""

_DECIMALS = 9  # what interpolation leaves behind must not pass for a change
_REMEDY = "Forecast more months, start later, or shorten the run."


@dataclass(frozen=True, slots=True)
class Follow:
    """What demand is multiplied by, day by day.

    Attributes
    ----------
    lines
        Factor on the demand at the start at five quantiles of the fan, the forecast itself in the middle: shape
        (5, days, panels). 1 for panels without patients.
    common
        Share of the variance that all panels have in common.
    """

    lines: Floats
    common: float

    @property
    def forecast(self) -> Floats:
        """Factor of the forecast itself, shape (days, panels)."""
        return np.asarray(self.lines[len(_QUANTILES) // 2])

    def draw(self, *, seed: int, replication: int) -> Floats:
        """Factor of one replication, shape (days, panels): each panel keeps to one place in its fan all the time."""
        luck = stream(seed, "replication", replication, "demand forecast").standard_normal(1 + self.lines.shape[2])
        place = np.sqrt(self.common) * luck[0] + np.sqrt(1 - self.common) * luck[1:]
        known = np.array([NormalDist().inv_cdf(share) for share in _QUANTILES])
        # Between two known lines, or beyond the outer ones as far as the nearest two point.
        low = np.clip(np.searchsorted(known, place) - 1, 0, len(known) - 2)
        share = (place - known[low]) / (known[low + 1] - known[low])
        panel = np.arange(len(place))
        below, above = self.lines[low, :, panel].T, self.lines[low + 1, :, panel].T
        return np.asarray(np.round(np.maximum(below + (above - below) * share, 0.0), _DECIMALS))

    def by_week(self, weight: Floats, weeks: int) -> Floats:
        """The forecast's own factor for each week, panels weighed, shape (weeks,)."""
        if weight.sum() <= 0:
            return np.ones(weeks)
        daily = self.forecast @ (weight / weight.sum())
        return np.asarray(np.round(daily.reshape(weeks, DAYS_PER_WEEK).mean(axis=1), _DECIMALS))


def follow_forecast(
    forecast: DemandForecast,
    *,
    panels: tuple[str, ...],
    needed: Ints,
    as_of: date,
    days: int,
    start_g_per_day: Floats | None = None,
) -> Follow:
    """Factors of a run from a forecast.

    Parameters
    ----------
    panels
        All panels.
    needed
        Places of those with patients.
    as_of, days
        Day 0 and length of the run.
    start_g_per_day
        What each panel needs at the start, where the forecast gives the level too; None where the cohort gives it and
        the forecast only the change from day 0.

    Raises
    ------
    InputError
        Where a panel with patients is not in the forecast, the forecast does not cover the run, or its level is far
        from the cohort's.

    Notes
    -----
    Season is taken out of the forecast by means of twelve months, with the history before it where that is known:
    acute arrivals have a season of their own, and long-term patients do not come and go with one.
    """
    source = forecast.source
    missing = [panels[place] for place in needed.tolist() if panels[place] not in forecast.panels]
    if missing:
        remedy = "Forecast a history by the same panels as the cohort's; --trusts maps trusts to them."
        raise InputError(
            [Fault(source, "a forecast of every panel of the cohort", column="panel", value=one, remedy=remedy)
             for one in missing]
        )  # fmt: skip
    _check_cover(forecast, as_of, days)
    rows = [forecast.panels.index(panels[place]) for place in needed.tolist()]
    at = _month_of_day(as_of, days) - forecast.first_month
    known = forecast.before.shape[1]
    lines = np.ones((len(_QUANTILES), days, len(panels)))
    faults: list[Fault] = []
    for place, row in zip(needed.tolist(), rows, strict=True):
        months = np.arange(forecast.mean.shape[1])
        trend = _without_season(np.concatenate([forecast.before[row], forecast.mean[row]]))[known:]
        daily = np.interp(at, months, trend)
        level = daily[0] if start_g_per_day is None else start_g_per_day[place]
        if level <= 0 or daily[0] <= 0:
            faults.append(
                Fault(source, "use above 0 on day 0", column="grams", value=panels[place],
                      remedy="A forecast of nothing has no ratio to follow.")
            )  # fmt: skip
            continue
        if not 1 / _FARTHEST <= daily[0] / level <= _FARTHEST:
            value = f"{panels[place]}: {daily[0]:,.0f} g a day forecast, {level:,.0f} g a day in the cohort"
            remedy = 'With forecast_level = "cohort" the cohort gives the level and the forecast the change.'
            faults.append(Fault(source, "the level of the cohort, or near it", value=value, remedy=remedy))
        mean = forecast.mean[row]
        ends = np.where(mean > 0, forecast.ends[:, row] / np.where(mean > 0, mean, 1.0), 1.0)
        spread = np.stack([ends[0], ends[1], np.ones_like(mean), ends[2], ends[3]])
        lines[:, :, place] = np.round(
            daily / level * np.stack([np.interp(at, months, one) for one in spread]), _DECIMALS
        )
    if faults:
        raise InputError(faults)
    return Follow(lines, forecast.common)


def _check_cover(forecast: DemandForecast, as_of: date, days: int) -> None:
    last = as_of + timedelta(days=days - 1)
    ends = forecast.first_month + forecast.mean.shape[1] - 1
    begins, wanted = month_number(as_of.year, as_of.month), month_number(last.year, last.month)
    if begins < forecast.first_month or wanted > ends:
        first, until = (f"{number // _YEAR:04d}-{number % _YEAR + 1:02d}" for number in (forecast.first_month, ends))
        expected = f"a forecast of all months from {as_of:%Y-%m} to {last:%Y-%m}"
        raise InputError(Fault(forecast.source, expected, column="month", value=f"{first} to {until}", remedy=_REMEDY))


def _month_of_day(as_of: date, days: int) -> Floats:
    """Month of each day, counted from the middle of one month to the middle of the next."""
    found = np.empty(days)
    for day in range(days):
        now = as_of + timedelta(days=day)
        first = now.replace(day=1)
        length = ((first + timedelta(days=31)).replace(day=1) - first).days
        found[day] = month_number(now.year, now.month) + (now.day - 0.5) / length - 0.5
    return found


def _without_season(series: Floats) -> Floats:
    """Means of twelve months, each put in the middle of them, and the ends drawn out as they last grew.

    Of logarithms where every month is above 0, as season and growth multiply.
    """
    count = len(series)
    if count <= _YEAR:
        return series
    positive = bool((series > 0).all())
    means = np.convolve(np.log(series) if positive else series, np.ones(_YEAR), mode="valid") / _YEAR
    reach = min(_YEAR, len(means) - 1)
    middle = np.arange(len(means)) + (_YEAR - 1) / 2
    place = np.arange(count)
    found = np.interp(place, middle, means)
    early, late = place < middle[0], place > middle[-1]
    found[early] = means[0] + (place[early] - middle[0]) * (means[reach] - means[0]) / reach
    found[late] = means[-1] + (place[late] - middle[-1]) * (means[-1] - means[-1 - reach]) / reach
    return np.exp(found) if positive else np.maximum(found, 0.0)
