"""Limits beyond which a value of a cohort file is taken for a slip. Data, in ``data/plausible.toml``."""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict, Field, model_validator

from allocation.resources import package_data
from allocation.rules.load import parse, read_toml
from allocation.rules.models import Confidence, Model

__all__ = ["AgeLimits", "DateLimits", "Limits", "Plausible", "limits_at_age", "load_plausible"]


class Limits(Model):
    """From ``low`` (included), or from ``above`` (left out), up to ``high`` (included)."""

    low: float | None = None
    above: float | None = None
    high: float
    unit: str
    reason: str
    confidence: Confidence

    @model_validator(mode="after")
    def _has_one_lower_end(self) -> Self:
        if (self.low is None) == (self.above is None):
            raise ValueError("give either low or above")
        return self

    def __str__(self) -> str:
        start = f"a number from {self.low:g} to" if self.low is not None else f"a number above {self.above:g}, up to"
        return f"{start} {self.high:g} {self.unit}"


class DateLimits(Model):
    """First and last date taken."""

    first: date
    last: date
    reason: str
    confidence: Confidence

    def __str__(self) -> str:
        return f"a date from {self.first} to {self.last}"


class AgeLimits(Model):
    """``low`` to ``high``, both included, for ages in years from ``from_`` (included) to ``below`` (left out)."""

    from_: float = Field(ge=0, alias="from")
    below: float | None = None
    low: float
    high: float
    reason: str
    confidence: Confidence
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Plausible(Model):
    """All limits."""

    age_years: Limits
    dose_g: Limits
    interval_weeks: Limits
    dates: DateLimits
    weight_kg: tuple[AgeLimits, ...] = Field(min_length=1)
    height_cm: tuple[AgeLimits, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ages_are_covered(self) -> Self:
        for name in ("weight_kg", "height_cm"):
            bands: tuple[AgeLimits, ...] = getattr(self, name)
            follows = all(left.below == right.from_ for left, right in pairwise(bands))
            if bands[0].from_ != 0 or bands[-1].below is not None or not follows:
                raise ValueError(f"{name}: ages must run from 0 without gap or overlap, the last without below")
        return self


@lru_cache(maxsize=4)
def load_plausible(path: Path | None = None) -> Plausible:
    """The limits that come with igalloc, or those of a file.

    Raises
    ------
    InputError
        Where the file cannot be used.
    """
    source = path or package_data("cohort", "data", "plausible.toml")
    return parse(Plausible, read_toml(source), str(source))


def limits_at_age(
    bands: tuple[AgeLimits, ...], age_years: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Low and high limit for each age, both of the shape of ``age_years``; the widest where the age is NaN."""
    lows = np.array([*(band.low for band in bands), min(band.low for band in bands)])
    highs = np.array([*(band.high for band in bands), max(band.high for band in bands)])
    place = np.searchsorted(np.array([band.from_ for band in bands]), age_years, side="right") - 1
    place = np.where(np.isnan(age_years), len(bands), np.maximum(place, 0))
    return lows[place], highs[place]
