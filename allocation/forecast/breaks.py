"""Outlying months and level shifts: found by stepwise regression, and taken out only where that is asked for.

The series (logarithm of grams a day, or grams where some month is not above zero) is described by a line, a
season, and the breaks found so far. Among all runs of outlying months and all level shifts the one that explains
most is added while it stands out both from the noise and in size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from allocation.forecast.settings import Breaks

__all__ = ["Break", "adjusted", "find_breaks"]

Array = npt.NDArray[np.float64]

_MAD_TO_DEVIATION = 1.4826  # of a normal distribution
_LEAST_FREE = 0.05  # share of a shape that line, season and earlier breaks must leave unexplained


@dataclass(frozen=True, slots=True)
class Break:
    """One break.

    Attributes
    ----------
    kind
        ``outlier`` for months that stand out and come back, ``level shift`` for a change that stays.
    start
        Position of its first month.
    months
        How many months; for a level shift those to the end of the history.
    effect
        On the scale of ``logarithmic``.
    logarithmic
        Whether the effect is a difference of logarithms; grams a month otherwise.
    share
        Size as a share of the level: 0.2 is a fifth up.
    """

    kind: Literal["outlier", "level shift"]
    start: int
    months: int
    effect: float
    logarithmic: bool
    share: float


def find_breaks(series: Array, *, season_months: int, settings: Breaks) -> tuple[Break, ...]:
    """Breaks of a series of grams per month of usual length, in order of time.

    Parameters
    ----------
    series
        Shape (months,).
    season_months
        Months of a season.
    settings
        What counts as a break.
    """
    count = len(series)
    level = float(np.abs(series).mean())
    if level <= 0 or float(np.ptp(series)) <= 1e-9 * level:
        return ()
    logarithmic = bool((series > 0).all())
    y = np.log(series) if logarithmic else series / level
    base = _base(count, season_months)
    shapes, runs = _candidates(count, settings)
    chosen: list[int] = []
    while len(chosen) < settings.most:
        best = _best(y, np.column_stack([base, shapes[:, chosen]]), shapes, settings)
        if best is None or best in chosen:
            break
        chosen.append(best)
    effects: Array = np.zeros(0)
    while chosen:
        lengths = np.array([runs[place][1] for place in chosen])
        effects, ratios = _weighed(y, base, shapes[:, chosen], lengths, settings)
        sizes = np.abs(np.expm1(effects) if logarithmic else effects)
        ratios = np.where(sizes < settings.smallest_share, 0.0, ratios)
        weakest = int(np.argmin(ratios))
        if ratios[weakest] >= settings.smallest_ratio:
            break
        chosen.pop(weakest)
        effects = np.delete(effects, weakest)
    found = []
    for place, effect in zip(chosen, effects, strict=True):
        start, months = runs[place]
        share = float(np.expm1(effect) if logarithmic else effect)
        size = float(effect) if logarithmic else float(effect) * level
        kind: Literal["outlier", "level shift"] = (
            "level shift" if start + months == count and months > settings.longest_outlier_months else "outlier"
        )
        found.append(Break(kind, start, months, size, logarithmic, share))
    return tuple(sorted(found, key=lambda one: (one.start, one.months)))


def adjusted(series: Array, breaks: tuple[Break, ...]) -> Array:
    """The series without its outliers, and with what lies before a level shift moved to the present level."""
    result = series.astype(np.float64).copy()
    for one in breaks:
        part = slice(one.start, one.start + one.months) if one.kind == "outlier" else slice(0, one.start)
        effect = -one.effect if one.kind == "outlier" else one.effect
        result[part] = result[part] * np.exp(effect) if one.logarithmic else result[part] + effect
    return np.maximum(result, 0.0) if (series >= 0).all() else result


def _base(count: int, season_months: int) -> Array:
    month = np.arange(count)
    season = (month[:, None] % season_months == np.arange(1, season_months)).astype(np.float64)
    return np.column_stack([np.ones(count), month / count, season])


def _candidates(count: int, settings: Breaks) -> tuple[Array, list[tuple[int, int]]]:
    """Shape of every possible break as a column, and its first month and length."""
    runs = [
        (start, months)
        for months in range(1, settings.longest_outlier_months + 1)
        for start in range(count - months + 1)
    ]
    side = settings.shortest_side_months
    runs += [(start, count - start) for start in range(side, count - side + 1)]
    shapes = np.zeros((count, len(runs)))
    for column, (start, months) in enumerate(runs):
        shapes[start : start + months, column] = 1.0
    return shapes, runs


def _best(y: Array, design: Array, shapes: Array, settings: Breaks) -> int | None:
    """Candidate that explains most, or None where none stands out from the noise."""
    count, used = design.shape
    if count - used - 1 < settings.shortest_side_months:
        return None
    basis, _ = np.linalg.qr(design)
    rest = y - basis @ (basis.T @ y)
    free = shapes - basis @ (basis.T @ shapes)
    norm = np.einsum("ij,ij->j", free, free)
    usable = norm > _LEAST_FREE * shapes.sum(axis=0)
    gain = np.where(usable, (free.T @ rest) ** 2 / np.where(usable, norm, 1.0), 0.0)
    best = int(np.argmax(gain))
    after = rest - free[:, best] * float(free[:, best] @ rest) / max(float(norm[best]), 1e-300)
    # By the median, so that a second break not yet found does not hide the first in its noise.
    noise = float(np.median(np.abs(after))) * _MAD_TO_DEVIATION * np.sqrt(count / (count - used - 1))
    return best if gain[best] > 0 and np.sqrt(gain[best]) >= settings.smallest_ratio * noise else None


def _weighed(
    y: Array, base: Array, shapes: Array, lengths: npt.NDArray[np.int64], settings: Breaks
) -> tuple[Array, Array]:
    """Effect of each chosen break beside the others, and its ratio to its standard error."""
    design = np.column_stack([base, shapes])
    count, used = design.shape
    inverse = np.linalg.pinv(design.T @ design)
    solved = inverse @ (design.T @ y)
    after = y - design @ solved
    noise = np.sqrt(float(after @ after) / (count - used))
    effects = np.asarray(solved[base.shape[1] :], dtype=np.float64)
    if noise <= 0:
        return effects, np.full(len(effects), np.inf)
    # Neighbouring months alike make a run or a shift look surer than it is.
    alike = float(after[1:] @ after[:-1]) / float(after @ after)
    alike = min(max(alike, 0.0), settings.highest_autocorrelation)
    errors = noise * np.sqrt(np.diag(inverse)[base.shape[1] :] * np.where(lengths > 1, (1 + alike) / (1 - alike), 1.0))
    return effects, np.abs(effects) / errors
