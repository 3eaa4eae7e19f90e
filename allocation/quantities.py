"""Grams for people, whole milligrams wherever equality matters."""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt

__all__ = [
    "CM_PER_INCH",
    "CM_PER_M",
    "DAYS_PER_WEEK",
    "DAYS_PER_YEAR",
    "G_PER_KG",
    "MG_PER_G",
    "WEEKS_PER_YEAR",
    "to_g",
    "to_mg",
]

MG_PER_G = 1000
G_PER_KG = 1000
CM_PER_INCH = 2.54
CM_PER_M = 100
DAYS_PER_WEEK = 7
DAYS_PER_YEAR = 365.25
WEEKS_PER_YEAR = DAYS_PER_YEAR / DAYS_PER_WEEK


@overload
def to_mg(grams: float) -> int: ...
@overload
def to_mg(grams: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]: ...
def to_mg(grams: float | npt.NDArray[np.generic]) -> int | npt.NDArray[np.int64]:
    """Grams to whole milligrams, nearest first, halves to even.

    >>> to_mg(73.2)
    73200
    """
    if isinstance(grams, np.ndarray):
        return np.rint(grams.astype(np.float64) * MG_PER_G).astype(np.int64)
    return round(float(grams) * MG_PER_G)


@overload
def to_g(milligrams: int) -> float: ...
@overload
def to_g(milligrams: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]: ...
def to_g(milligrams: int | npt.NDArray[np.integer]) -> float | npt.NDArray[np.float64]:
    """Whole milligrams to grams.

    >>> to_g(145000)
    145.0
    """
    return milligrams / MG_PER_G
