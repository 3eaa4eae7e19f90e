"""Grams of a course before vials."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from allocation.quantities import DAYS_PER_WEEK
from allocation.rules.models import Band, Regimen

__all__ = ["exact_course_g"]

Floats = npt.NDArray[np.float64]


def exact_course_g(
    regimen: Regimen,
    *,
    dosing_kg: npt.ArrayLike,
    actual_kg: npt.ArrayLike,
    age_years: npt.ArrayLike,
    ideal_kg: npt.ArrayLike,
) -> Floats:
    """Grams of one course by a regimen, before vials and without rounding anything.

    Parameters
    ----------
    regimen
        What the rulebook says to give.
    dosing_kg, ideal_kg
        Weights of :func:`allocation.dosing.dosing_weights`.
    actual_kg
        Recorded weight; in pregnancy the weight at booking.
    age_years
        Age.

    Returns
    -------
    ndarray
        Grams, shape (n,). Doses for each day are multiplied by ``days_use``, then caps applied; a cap for each week
        counts once for every week the days of the course take up. Units of a specific immunoglobulin are 0 g.
        NaN where the regimen gives no dose: no band holds the patient, or the weight it asks for is not known.
    """
    dosing, actual, age, ideal = (
        np.atleast_1d(each)
        for each in np.broadcast_arrays(
            np.asarray(dosing_kg, dtype=np.float64),
            np.asarray(actual_kg, dtype=np.float64),
            np.asarray(age_years, dtype=np.float64),
            np.asarray(ideal_kg, dtype=np.float64),
        )
    )
    weight = {"rulebook": dosing, "actual": actual, "booking": actual, "ideal": ideal}[regimen.weight_basis]
    # The model makes sure that whatever a basis needs is there.
    dose = regimen.dose_use or 0.0
    match regimen.basis:
        case "g_per_kg":
            grams = dose * weight
        case "ml_per_kg":
            grams = dose * weight * (regimen.concentration_g_per_ml or 0.0)
        case "g":
            grams = np.full(weight.shape, dose)
        case "g_by_age":
            grams = _by_band(regimen.bands, age)
        case "g_by_weight":
            grams = _by_band(regimen.bands, actual)
        case "iu":
            return np.zeros(weight.shape)
    if regimen.per == "day":
        grams = grams * regimen.days_use
    if regimen.cap_g_per_course is not None:
        grams = np.minimum(grams, regimen.cap_g_per_course)
    if regimen.cap_g_per_week is not None:
        grams = np.minimum(grams, regimen.cap_g_per_week * math.ceil(regimen.days_use / DAYS_PER_WEEK))
    return grams


def _by_band(bands: tuple[Band, ...], measure: Floats) -> Floats:
    grams = np.full(measure.shape, np.nan)
    for band in bands:
        below = np.inf if band.below is None else band.below
        grams[(measure >= band.from_) & (measure < below)] = band.dose
    return grams
