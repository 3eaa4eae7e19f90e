"""Dates of patients: start, review, last and next course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
import numpy.typing as npt

from allocation.cohort.epidemiology import Epidemiology, Line
from allocation.quantities import DAYS_PER_WEEK, DAYS_PER_YEAR
from allocation.rules.models import Settings
from allocation.seeds import stream

__all__ = ["Dates", "TimingModel", "acute_starts", "month_factor_of_window"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Dates:
    """Dates of n patients, datetime64[ns], NaT where there is none; ``first_year`` tells the newly started."""

    start: Days
    last_review: Days
    last_dose: Days
    next_due: Days
    first_year: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TimingModel:
    """Dates of long-term patients by line."""

    mean_years: Floats
    longest_years: Floats
    review_valid_days: int
    review_share: float
    early_review_share: float
    never_reviewed_share: float
    lapsed_days_mean: float
    overdue_share: float
    overdue_days_high: float

    @classmethod
    def of(cls, lines: Sequence[Line], epidemiology: Epidemiology, *, settings: Settings, review_share: float) -> Self:
        """For long-term lines, in their order; ``settings`` are the rulebook's."""
        return cls(
            mean_years=np.array([line.years_on_treatment for line in lines]),
            longest_years=np.array([line.longest_years or np.inf for line in lines]),
            review_valid_days=settings.review_valid_days,
            review_share=review_share,
            early_review_share=epidemiology.of("early_review_share"),
            never_reviewed_share=epidemiology.of("never_reviewed_share"),
            lapsed_days_mean=epidemiology.of("lapsed_days_mean"),
            overdue_share=epidemiology.of("overdue_share"),
            overdue_days_high=epidemiology.of("overdue_days_high"),
        )

    def draw(self, line: Ints, *, age_years: Floats, interval_weeks: Floats, as_of: date, seed: int) -> Dates:
        """Dates of patients with the given ages and intervals.

        The next course falls on any day of the coming interval alike, so demand is even from day to day. Time on
        treatment is exponential, as it is where patients start and stop at steady rates.
        """
        count = len(line)
        interval_days = np.rint(interval_weeks * DAYS_PER_WEEK).astype(np.int64)
        phase = np.floor(_uniform(seed, "next due", count) * interval_days).astype(np.int64)
        late_by = np.minimum(self.overdue_days_high, interval_days)
        late = 1 + np.floor(_uniform(seed, "days overdue", count) * late_by).astype(np.int64)
        overdue = _uniform(seed, "overdue", count) < self.overdue_share
        until_due = np.where(overdue, -late, phase)
        since_dose = interval_days - until_due
        since_start = np.maximum(self._since_start(line, age_years, seed), since_dose)
        reviewed = self._since_review(since_start, seed)
        return Dates(
            start=_before(as_of, since_start),
            last_review=_before(as_of, reviewed),
            last_dose=_before(as_of, since_dose),
            next_due=_before(as_of, -until_due),
            first_year=since_start < self.review_valid_days,
        )

    def _since_start(self, line: Ints, age_years: Floats, seed: int) -> Ints:
        mean = self.mean_years[line]
        longest = np.minimum(self.longest_years[line], age_years)
        uniform = _uniform(seed, "time on treatment", len(line))
        years = -mean * np.log1p(-uniform * -np.expm1(-longest / mean))
        return np.floor(years * DAYS_PER_YEAR).astype(np.int64)

    def _since_review(self, since_start: Ints, seed: int) -> Floats:
        """Days since the last review, NaN where none is on record; never before the start."""
        count = len(since_start)
        valid = self.review_valid_days
        done = _uniform(seed, "review done", count)
        when = _uniform(seed, "review date", count)
        in_date = 1 + np.floor(when * (valid - 1))
        lapsed = np.floor(valid + 1 - self.lapsed_days_mean * np.log1p(-when))
        lapsed[_uniform(seed, "never reviewed", count) < self.never_reviewed_share] = np.nan
        days = np.where(done < self.review_share, in_date, lapsed)
        early = np.where(done < self.early_review_share, np.floor(when * since_start), np.nan)
        days = np.where(since_start < valid, early, days)
        return np.where(days <= since_start, days, np.nan)


def acute_starts(patients: int, *, window_days: int, as_of: date, rng: np.random.Generator) -> Days:
    """Start dates of short-term patients: any day of the window that ends on the as-of date."""
    return _before(as_of, rng.integers(0, window_days, size=patients))


def month_factor_of_window(month_factor: Floats, *, window_days: int, as_of: date) -> Floats:
    """Mean of monthly factors over the days of the window, for factors of shape (lines, 12)."""
    days = np.datetime64(as_of, "D") - np.arange(window_days)
    months = days.astype("datetime64[M]").astype(np.int64) % 12
    mean: Floats = month_factor[:, months].mean(axis=1)
    return mean


def _uniform(seed: int, purpose: str, count: int) -> Floats:
    return stream(seed, "cohort", "dates", purpose).random(count)


def _before(as_of: date, days: npt.NDArray[np.generic]) -> Days:
    """Dates this many days before, NaT where the days are NaN."""
    number = np.asarray(days, dtype=np.float64)
    known = ~np.isnan(number)
    found = np.full(len(number), np.datetime64("NaT"), dtype="datetime64[D]")
    found[known] = np.datetime64(as_of, "D") - number[known].astype(np.int64)
    return found.astype("datetime64[ns]")
