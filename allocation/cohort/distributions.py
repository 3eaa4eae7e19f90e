"""Distributions the cohort is drawn from, as arrays: one draw for a million patients of any line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from allocation.cohort.epidemiology import AgeComponent, Ages, Interval

__all__ = [
    "AgeTable",
    "IntervalTable",
    "Pick",
    "largest_remainder",
    "lognormal_factor",
    "stratified_normal",
    "week_shares",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_NEWTON_STEPS = 60
_KINDS = ("normal", "lognormal", "uniform")


def largest_remainder(total: int, weights: Floats) -> Ints:
    """Whole numbers in proportion to weights that sum to ``total``; ties go to the earlier.

    >>> largest_remainder(10, np.array([1.0, 1.0, 1.0])).tolist()
    [4, 3, 3]
    """
    exact = total * weights / weights.sum()
    # Rounding keeps a quota that is whole but for the last bit from losing its unit.
    whole: Ints = np.floor(np.round(exact, 9)).astype(np.int64)
    left = total - int(whole.sum())
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[:left]] += 1
    return whole


def lognormal_factor(deviate: Floats, cv: npt.ArrayLike) -> Floats:
    """Factor of mean 1 and the given coefficient of variation, from standard normal deviates."""
    sigma = np.sqrt(np.log1p(np.square(np.asarray(cv, dtype=np.float64))))
    return np.exp(sigma * deviate - sigma**2 / 2)


def stratified_normal(group: Ints, rng: np.random.Generator) -> Floats:
    """Standard normal deviates, one from each of n equal strata within every group of n.

    What differs most between patients of a line is then spread as it should be in a small line too, instead of
    moving the line's grams by chance.
    """
    from scipy.special import ndtri

    order = np.lexsort((rng.random(len(group)), group))
    sizes = np.bincount(group)
    starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    ranked = group[order]
    within = np.arange(len(group)) - starts[ranked]
    deviate = np.empty(len(group))
    deviate[order] = ndtri((within + rng.random(len(group))) / sizes[ranked])
    return deviate


@dataclass(frozen=True, slots=True)
class Pick:
    """A choice between named things with given shares."""

    names: tuple[str, ...]
    cumulative: Floats

    @classmethod
    def of(cls, shares: Mapping[str, float]) -> Self:
        """From shares that sum to 1."""
        return cls(tuple(shares), _cumulative(list(shares.values())))

    def draw(self, uniform: Floats) -> Ints:
        """Index of the name for each uniform number."""
        return _index(self.cumulative, uniform)


@dataclass(frozen=True, slots=True)
class IntervalTable:
    """Whole weeks between courses for each of several named intervals.

    Attributes
    ----------
    weeks
        Shape (names, most weeks); the last value repeats where an interval has fewer.
    cumulative
        Cumulative probability, same shape.
    need_correlation
        Correlation of the deviates of interval and of grams a week, shape (names,).
    """

    weeks: Floats
    cumulative: Floats
    need_correlation: Floats

    @classmethod
    def of(cls, intervals: Sequence[Interval]) -> Self:
        """From intervals of the epidemiology, in their order."""
        most = max((len(interval.weeks) for interval in intervals), default=1)
        weeks = np.empty((len(intervals), most))
        cumulative = np.ones((len(intervals), most))
        for row, interval in enumerate(intervals):
            count = len(interval.weeks)
            weeks[row, :count], weeks[row, count:] = interval.weeks, interval.weeks[-1]
            cumulative[row, :count] = _cumulative(week_shares(interval).tolist())
        return cls(weeks, cumulative, np.array([interval.need_correlation for interval in intervals]))

    def draw(self, row: Ints, *, need: Floats, deviate: Floats) -> Floats:
        """Weeks for each patient: ``row`` names the interval, ``need`` and ``deviate`` are standard normal."""
        from scipy.special import ndtr

        tie = self.need_correlation[row]
        uniform = ndtr(tie * need + np.sqrt(1 - tie**2) * deviate)
        found = (uniform[:, None] >= self.cumulative[row]).sum(axis=1)
        weeks: Floats = self.weeks[row, np.minimum(found, self.weeks.shape[1] - 1)]
        return weeks


def week_shares(interval: Interval) -> Floats:
    """Share of patients at each of an interval's weeks.

    Of all distributions on these weeks with the given mean and SD this is the one of greatest entropy,
    ``share ~ exp(a week + b week**2)``: it assumes nothing more. Found by Newton's method on the dual, which is
    convex; a step is halved while it would not lower it.
    """
    weeks = np.array(interval.weeks, dtype=np.float64)
    if len(weeks) == 1:
        return np.ones(1)
    centred = (weeks - interval.mean) / (weeks[-1] - weeks[0])
    features = [centred]
    if interval.sd is not None and len(weeks) > 2:
        features.append(centred**2 - (interval.sd / (weeks[-1] - weeks[0])) ** 2)
    table = np.stack(features)
    slope = np.zeros(len(features))
    for _ in range(_NEWTON_STEPS):
        shares, value = _tilted(table, slope)
        gradient = table @ shares
        if np.abs(gradient).max() < 1e-14:
            break
        step = np.linalg.solve((table * shares) @ table.T - np.outer(gradient, gradient), gradient)
        factor = 1.0
        while factor > 1e-9 and _tilted(table, slope - factor * step)[1] > value:
            factor /= 2
        slope = slope - factor * step
    return _tilted(table, slope)[0]


def _tilted(table: Floats, slope: Floats) -> tuple[Floats, float]:
    power = slope @ table
    top = float(power.max())
    weight = np.exp(power - top)
    return weight / weight.sum(), top + float(np.log(weight.sum()))


@dataclass(frozen=True, slots=True)
class AgeTable:
    """Ages for each of several named mixtures; arrays of shape (names, most components)."""

    cumulative: Floats
    kind: Ints
    location: Floats
    scale: Floats
    low: Floats
    high: Floats
    female_share: Floats

    @classmethod
    def of(cls, ages: Sequence[Ages]) -> Self:
        """From age distributions of the epidemiology, in their order."""
        most = max((len(entry.component) for entry in ages), default=1)
        shape = (len(ages), most)
        table = cls(
            cumulative=np.ones(shape),
            kind=np.zeros(shape, dtype=np.int64),
            location=np.zeros(shape),
            scale=np.ones(shape),
            low=np.zeros(shape),
            high=np.zeros(shape),
            female_share=np.full(shape, np.nan),
        )
        for row, entry in enumerate(ages):
            table.cumulative[row, : len(entry.component)] = _cumulative([part.share for part in entry.component])
            for column, part in enumerate(entry.component):
                table._set(row, column, part)
        return table

    def _set(self, row: int, column: int, part: AgeComponent) -> None:
        self.kind[row, column] = _KINDS.index(part.kind)
        if part.kind == "normal":
            self.location[row, column], self.scale[row, column] = part.mean or 0.0, part.sd or 1.0
        elif part.kind == "lognormal":
            self.location[row, column], self.scale[row, column] = np.log(part.median or 1.0), part.sigma or 1.0
        self.low[row, column], self.high[row, column] = part.low, part.high
        if part.female_share is not None:
            self.female_share[row, column] = part.female_share

    def draw(self, row: Ints, *, component: Floats, age: Floats) -> tuple[Floats, Floats]:
        """Ages in years, and the component's own share of women (NaN where it has none), from uniform numbers."""
        part = np.minimum((component[:, None] >= self.cumulative[row]).sum(axis=1), self.kind.shape[1] - 1)
        kind, low, high = self.kind[row, part], self.low[row, part], self.high[row, part]
        location, scale = self.location[row, part], self.scale[row, part]
        years = low + age * (high - low)
        for number, name in enumerate(_KINDS[:2]):
            here = kind == number
            if here.any():
                years[here] = _truncated(
                    age[here], location[here], scale[here], low[here], high[here], log=name != "normal"
                )
        return np.clip(years, low, high), self.female_share[row, part]


def _truncated(uniform: Floats, location: Floats, scale: Floats, low: Floats, high: Floats, *, log: bool) -> Floats:
    from scipy.special import ndtr, ndtri

    if log:
        # log(0) is minus infinity, which is the right lower end.
        with np.errstate(divide="ignore"):
            low, high = np.log(low), np.log(high)
    bottom, top = ndtr((low - location) / scale), ndtr((high - location) / scale)
    value = location + scale * ndtri(bottom + uniform * (top - bottom))
    return np.exp(value) if log else value


def _cumulative(shares: Sequence[float]) -> Floats:
    total = np.cumsum(np.array(shares, dtype=np.float64))
    # The last step takes whatever rounding left, so that no uniform number falls beyond it.
    total[-1] = 1.0
    return total


def _index(cumulative: Floats, uniform: Floats) -> Ints:
    return np.searchsorted(cumulative, uniform, side="right").astype(np.int64)
