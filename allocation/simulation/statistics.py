"""From replications to what a reader is told: means with confidence intervals, and bands of quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Interval", "bands", "interval"]

Floats = npt.NDArray[np.float64]

_CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """Mean of the replications that have a value, and its confidence interval; None where there is none.

    ``low`` and ``high`` need two replications.
    """

    mean: float | None
    low: float | None
    high: float | None
    replications: int


def interval(values: Sequence[float] | Floats, *, confidence: float = _CONFIDENCE) -> Interval:
    """Mean and Student's t interval of independent values; NaN stands for a replication without one.

    >>> interval([1.0, 2.0, 3.0]).mean
    2.0
    >>> interval([float("nan")]).replications
    0
    """
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    n = len(known)
    if n == 0:
        return Interval(None, None, None, 0)
    mean = float(known.mean())
    if n == 1:
        return Interval(mean, None, None, 1)
    from scipy.stats import t

    half = float(t.ppf(0.5 + confidence / 2, n - 1) * known.std(ddof=1) / np.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def bands(values: Floats, quantiles: Sequence[float] = (0.05, 0.25, 0.5, 0.75, 0.95)) -> Floats:
    """Quantiles over replications.

    Parameters
    ----------
    values
        Shape (replications, weeks).
    quantiles
        From 0 to 1.

    Returns
    -------
    array of shape (quantiles, weeks)
    """
    result: Floats = np.quantile(values, np.asarray(quantiles, dtype=np.float64), axis=0)
    return result
