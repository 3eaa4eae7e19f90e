"""From replications to what a reader is told: means with confidence intervals, and bands of quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["CONFIDENCE", "QUANTILES", "Interval", "bands", "half_width", "interval", "quantiles", "replications_needed"]

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
"""Confidence level of every interval told."""

QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}
"""Quantiles over replications that are told besides: where single replications lie, however many there are."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Mean of the replications that have a value, and its confidence interval; None where there is none.

    ``low`` and ``high`` need two replications.
    """

    mean: float | None
    low: float | None
    high: float | None
    replications: int


def interval(
    values: Sequence[float] | Floats,
    *,
    confidence: float = CONFIDENCE,
    lowest: float = -np.inf,
    highest: float = np.inf,
) -> Interval:
    """Mean and Student's t interval of independent values; NaN stands for a replication without one.

    The interval is symmetric about the mean and then cut at ``lowest`` and ``highest``, which the values cannot pass.

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
    half = half_width(float(known.std(ddof=1)), n, confidence=confidence)
    return Interval(mean, max(mean - half, min(lowest, mean)), min(mean + half, max(highest, mean)), n)


def quantiles(values: Sequence[float] | Floats) -> dict[str, float | None]:
    """The :data:`QUANTILES` of the replications that have a value, by linear interpolation; None where none has.

    They need the value of every replication at once, eight bytes each.

    >>> quantiles([1.0, 2.0, float("nan"), 3.0])["q50"]
    2.0
    """
    array = np.asarray(values, dtype=np.float64)
    known = array[~np.isnan(array)]
    if not len(known):
        return dict.fromkeys(QUANTILES)
    return dict(zip(QUANTILES, np.quantile(known, list(QUANTILES.values())).tolist(), strict=True))


def half_width(sd: float, replications: int, *, confidence: float = CONFIDENCE) -> float:
    """Half the width of Student's t interval of the mean of so many values with this standard deviation."""
    # The same quantile as scipy.stats has, whose import takes far longer than a run's statistics.
    from scipy.special import stdtrit

    return float(stdtrit(replications - 1, 0.5 + confidence / 2) * sd / np.sqrt(replications))


def replications_needed(sd: float, wanted: float, *, confidence: float = CONFIDENCE, most: int = 1_000_000) -> int:
    """Fewest values, at least two, whose interval is no wider than ``wanted`` to each side; ``most`` where none is.

    >>> replications_needed(1.0, 0.5)
    18
    """
    low, high = 1, 2
    while half_width(sd, high, confidence=confidence) > wanted:
        if high >= most:
            return most
        low, high = high, min(high * 2, most)
    while high - low > 1:
        middle = (low + high) // 2
        enough = half_width(sd, middle, confidence=confidence) <= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high


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
