"""From a history to a forecast of every series that adds up, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from allocation.forecast.breaks import Break, adjusted, find_breaks
from allocation.forecast.hierarchy import Hierarchy, Level, hierarchy_of
from allocation.forecast.history import History
from allocation.forecast.models import LEVELS, fit_one
from allocation.forecast.months import DAYS_PER_MONTH, days_in, month_range
from allocation.forecast.settings import Settings
from allocation.quantities import MG_PER_G, to_g, to_mg

__all__ = ["Factors", "Forecast", "Progress", "forecast", "project"]

Array = npt.NDArray[np.float64]
Progress = Callable[[], None]
Factors = dict[tuple[Level, int], float]
"""By how much an interval is widened or narrowed: by level of the hierarchy and per cent. None named: 1."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast of every node.

    Attributes
    ----------
    model
        Its name.
    months
        Months ahead.
    hierarchy
        The nodes.
    mean
        Grams, shape (nodes, months); nodes add up exactly.
    low, high
        Ends of the intervals in grams, 0 or more, shape (nodes, levels, months). Ends do not add up: what is
        uncertain in each panel partly evens out in the nation.
    breaks
        Outliers and level shifts of each node.
    factors
        Corrections of the intervals that were applied.
    """

    model: str
    months: tuple[str, ...]
    hierarchy: Hierarchy
    mean: Array
    low: Array
    high: Array
    breaks: tuple[tuple[Break, ...], ...]
    factors: Factors


def forecast(
    history: History,
    *,
    model: str,
    horizon_months: int,
    adjust_breaks: bool,
    settings: Settings,
    factors: Factors | None = None,
    progress: Progress | None = None,
) -> Forecast:
    """Forecast a history.

    Parameters
    ----------
    history
        Grams a month.
    model
        One of :data:`allocation.forecast.models.MODELS`.
    horizon_months
        Months ahead.
    adjust_breaks
        Whether outliers and level shifts are taken out before the model sees the series. They are found either way.
    settings
        Seasons and what counts as a break.
    factors
        Corrections of the intervals that a back-test called for.
    progress
        Called after each series.
    """
    return project(
        history.grams, history.months, hierarchy_of(history.labels), model=model, horizon_months=horizon_months,
        adjust_breaks=adjust_breaks, settings=settings, factors=factors, progress=progress,
    )  # fmt: skip


def project(
    grams: Array,
    months: tuple[str, ...],
    hierarchy: Hierarchy,
    *,
    model: str,
    horizon_months: int,
    adjust_breaks: bool,
    settings: Settings,
    factors: Factors | None = None,
    progress: Progress | None = None,
) -> Forecast:
    """As :func:`forecast`, from the lowest series alone, shape (months, lowest)."""
    season = settings.series.season_months
    # Long months use more, which is neither trend nor noise, so models see months of one length.
    even = (grams / days_in(months)[:, None] * DAYS_PER_MONTH) @ hierarchy.sums.T
    fits, breaks = [], []
    for series in even.T:
        found = find_breaks(series, season_months=season, settings=settings.breaks)
        seen = adjusted(series, found) if adjust_breaks else series
        fits.append(fit_one(model, seen, horizon_months=horizon_months, season_months=season))
        breaks.append(found)
        if progress is not None:
            progress()
    lowest = hierarchy.reconcile(np.stack([fit.mean for fit in fits]), np.array([fit.variance for fit in fits]))
    ahead = month_range(months[-1], horizon_months + 1)[1:]
    length = days_in(ahead) / DAYS_PER_MONTH
    mean = np.asarray(to_g(_summed(hierarchy, to_mg(lowest * length))))
    widen = np.array([[(factors or {}).get((node.level, level), 1.0) for level in LEVELS] for node in hierarchy.nodes])
    below = np.stack([fit.below for fit in fits]) * length * widen[:, :, None]
    above = np.stack([fit.above for fit in fits]) * length * widen[:, :, None]
    low = np.maximum(mean[:, None, :] - below, 0.0)
    # Rounded as the means are, so that an interval never ends a hair inside its own mean.
    low, high = (np.rint(ends * MG_PER_G) / MG_PER_G for ends in (low, mean[:, None, :] + above))
    return Forecast(model, ahead, hierarchy, mean, low, high, tuple(breaks), dict(factors or {}))


def _summed(hierarchy: Hierarchy, lowest_mg: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return hierarchy.sums.astype(np.int64) @ lowest_mg
