"""The three models of a single series; the only file that knows statsforecast."""

from __future__ import annotations

import importlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from allocation.errors import Fault, InputError

__all__ = ["LEVELS", "MODELS", "NAIVE", "Fit", "fit_one"]

NAIVE = "SeasonalNaive"
MODELS = ("AutoETS", "AutoTheta", NAIVE)
"""Names as statsforecast has them; the last is the bar the others must clear."""

LEVELS = (80, 95)
"""Per cent of the prediction intervals."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Forecast of one series on its own.

    Attributes
    ----------
    mean
        Shape (months,).
    below, above
        Distance from the mean to the ends of the intervals, 0 or more, shape (levels, months).
    variance
        Mean squared error of the model one month ahead within its history.
    """

    mean: npt.NDArray[np.float64]
    below: npt.NDArray[np.float64]
    above: npt.NDArray[np.float64]
    variance: float


def fit_one(model: str, series: npt.NDArray[np.float64], *, horizon_months: int, season_months: int) -> Fit:
    """Fit a model and look ahead.

    Parameters
    ----------
    model
        One of :data:`MODELS`.
    series
        Two seasons or more, shape (months,).
    horizon_months, season_months
        Months ahead, and months of a season.

    Raises
    ------
    InputError
        Where statsforecast is not installed.
    """
    flat = np.zeros((len(LEVELS), horizon_months))
    if float(np.ptp(series)) <= 1e-9 * max(1.0, float(np.abs(series).max())):
        return Fit(np.full(horizon_months, series[-1]), flat, flat, 0.0)
    made = getattr(_library(), model)(season_length=season_months)
    # A scale near one keeps the optimisers' tolerances meaningful for a trust as for the nation.
    scale = float(np.abs(series).mean())
    found: dict[str, Any] = made.forecast(y=series / scale, h=horizon_months, level=list(LEVELS), fitted=True)
    mean = np.asarray(found["mean"], dtype=np.float64) * scale
    below = np.stack([mean - np.asarray(found[f"lo-{level}"], dtype=np.float64) * scale for level in LEVELS])
    above = np.stack([np.asarray(found[f"hi-{level}"], dtype=np.float64) * scale - mean for level in LEVELS])
    errors = series - np.asarray(found["fitted"], dtype=np.float64) * scale
    variance = float(np.nanmean(errors**2))
    return Fit(mean, np.maximum(below, 0.0), np.maximum(above, 0.0), variance if math.isfinite(variance) else 0.0)


def _library() -> Any:
    # Loaded by name: the extra is not needed to run the rest, nor to check types.
    try:
        return importlib.import_module("statsforecast.models")
    except ImportError:
        remedy = 'Install it with: python -m pip install "igalloc[forecast]".'
        raise InputError(Fault("igalloc forecast", "the library statsforecast", remedy=remedy)) from None
