"""Grams of a course before vials."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from allocation.quantities import DAYS_PER_WEEK
from allocation.rules.models import Band, Regimen

__all__ = ["exact_course_g", "exact_courses_g"]

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
        Grams, shape (n,). Doses for each day are multiplied by ``days_use`` (and by the doses of a day), then caps
        applied; a cap for each day counts for every day, one for each week once for every week that the days of the
        course take up. Units of a specific immunoglobulin are 0 g.
        NaN where the regimen gives no dose: no band holds the patient, or the weight it asks for is not known.
    """
    return exact_courses_g(
        (regimen,), np.int64(0), dosing_kg=dosing_kg, actual_kg=actual_kg, age_years=age_years, ideal_kg=ideal_kg
    )


def exact_courses_g(
    regimens: Sequence[Regimen],
    which: npt.NDArray[np.int64] | np.int64,
    *,
    dosing_kg: npt.ArrayLike,
    actual_kg: npt.ArrayLike,
    age_years: npt.ArrayLike,
    ideal_kg: npt.ArrayLike,
) -> Floats:
    """The same for many patients, each by a regimen of its own.

    Parameters
    ----------
    which
        For each patient the place of the regimen in ``regimens``, shape (n,); or one place for all.
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
    grams = _weight(regimens, which, dosing=dosing, actual=actual, ideal=ideal)
    for name in ("dose", "concentration", "days", "doses_per_day"):
        factors = np.array([_factors(regimen)[name] for regimen in regimens])
        # Multiplying by one changes no bit, but takes time.
        if (factors != 1).any():
            grams = grams * factors[which]
    for place, regimen in enumerate(regimens):
        if regimen.bands:
            rows = np.flatnonzero(np.broadcast_to(which, grams.shape) == place)
            measure = age if regimen.basis == "g_by_age" else actual
            fixed = _by_band(regimen.bands, measure[rows]) * _factors(regimen)["days"]
            grams[rows] = fixed * _factors(regimen)["doses_per_day"]
    caps = np.array([_cap_g(regimen) for regimen in regimens])
    return np.minimum(grams, caps[which]) if np.isfinite(caps).any() else grams


def _weight(
    regimens: Sequence[Regimen],
    which: npt.NDArray[np.int64] | np.int64,
    *,
    dosing: Floats,
    actual: Floats,
    ideal: Floats,
) -> Floats:
    """The weight each regimen multiplies its dose with; 1 where it goes by none."""
    # In pregnancy the recorded weights are those at booking, so each basis at booking is the plain one.
    bases = {"rulebook": 0, "booking_adjusted": 0, "actual": 1, "booking": 1, "ideal": 2}
    weighed = [regimen.basis in ("g_per_kg", "ml_per_kg") for regimen in regimens]
    kinds = np.array(
        [bases[r.weight_basis] if by_weight else 3 for r, by_weight in zip(regimens, weighed, strict=True)]
    )
    if not kinds.any():
        return dosing.copy()
    choices = (dosing, actual, ideal, np.ones(dosing.shape))
    return np.choose(np.broadcast_to(kinds[which], dosing.shape), choices)


def _factors(regimen: Regimen) -> dict[str, float]:
    """What the weight is multiplied with, in this order. The model makes sure that whatever a basis needs is there."""
    repeated = regimen.per != "course"
    return {
        "dose": 0.0 if regimen.basis == "iu" else regimen.dose_use or 0.0,
        "concentration": (regimen.concentration_g_per_ml or 0.0) if regimen.basis == "ml_per_kg" else 1.0,
        "days": float(regimen.days_use) if repeated else 1.0,
        "doses_per_day": float(regimen.doses_per_day) if repeated else 1.0,
    }


def _cap_g(regimen: Regimen) -> float:
    """The least of a regimen's caps for one course; infinite where it has none."""
    weeks = math.ceil(regimen.days_use / DAYS_PER_WEEK)
    caps = (
        (regimen.cap_g_per_course, 1),
        (regimen.cap_g_per_week, weeks),
        (regimen.cap_g_per_day, regimen.days_use),
    )
    return min((cap * times for cap, times in caps if cap is not None), default=math.inf)


def _by_band(bands: tuple[Band, ...], measure: Floats) -> Floats:
    grams = np.full(measure.shape, np.nan)
    for band in bands:
        below = np.inf if band.below is None else band.below
        grams[(measure >= band.from_) & (measure < below)] = band.dose
    return grams
