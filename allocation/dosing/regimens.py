"""Grams of a course before vials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from allocation.quantities import DAYS_PER_WEEK
from allocation.rules.models import Band, Regimen

__all__ = ["RegimenFigures", "exact_course_g", "exact_courses_g"]

Floats = npt.NDArray[np.float64]

_FACTORS = ("dose", "concentration", "days", "doses_per_day")


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
    return RegimenFigures.of(regimens).exact_g(
        which, dosing_kg=dosing_kg, actual_kg=actual_kg, age_years=age_years, ideal_kg=ideal_kg
    )


@dataclass(frozen=True, slots=True)
class RegimenFigures:
    """The figures of some regimens as arrays, gathered once for patients that come block by block.

    Attributes
    ----------
    weight
        For each regimen which weight it multiplies its dose with: the dosing weight (0), the actual one (1), the ideal
        one (2) or none (3), shape (regimens,).
    factors
        What that is multiplied with, in this order, each of shape (regimens,); those that are one throughout left out.
    dose, plain
        For each regimen the first factor, and whether the dosing weight times that is all there is to it, as nearly
        always.
    banded
        Places and regimens that give a fixed dose by age or weight.
    cap_g
        The least of each regimen's caps for one course, infinite where it has none; None where none has any.
    """

    weight: npt.NDArray[np.int64]
    factors: tuple[Floats, ...]
    dose: Floats
    plain: npt.NDArray[np.bool_]
    banded: tuple[tuple[int, Regimen], ...]
    cap_g: Floats | None

    @classmethod
    def of(cls, regimens: Sequence[Regimen]) -> Self:
        """Gather the figures."""
        # In pregnancy the recorded weights are those at booking, so each basis at booking is the plain one.
        bases = {"rulebook": 0, "booking_adjusted": 0, "actual": 1, "booking": 1, "ideal": 2}
        weighed = [regimen.basis in ("g_per_kg", "ml_per_kg") for regimen in regimens]
        each = [_factors(regimen) for regimen in regimens]
        columns = [np.array([factors[name] for factors in each]) for name in _FACTORS]
        caps = np.array([_cap_g(regimen) for regimen in regimens])
        banded = tuple((place, regimen) for place, regimen in enumerate(regimens) if regimen.bands)
        weight = np.array(
            [bases[r.weight_basis] if by_weight else 3 for r, by_weight in zip(regimens, weighed, strict=True)],
            dtype=np.int64,
        )
        plain = (weight == 0) & np.isinf(caps)
        for column in columns[1:]:
            plain &= column == 1
        plain[[place for place, _ in banded]] = False
        return cls(
            weight=weight,
            # Multiplying by one changes no bit, but takes time.
            factors=tuple(column for column in columns if (column != 1).any()),
            dose=columns[0],
            plain=plain,
            banded=banded,
            cap_g=caps if np.isfinite(caps).any() else None,
        )

    def exact_g(
        self,
        which: npt.NDArray[np.int64] | np.int64,
        *,
        dosing_kg: npt.ArrayLike,
        actual_kg: npt.ArrayLike,
        age_years: npt.ArrayLike,
        ideal_kg: npt.ArrayLike,
    ) -> Floats:
        """Grams of one course of each patient; see :func:`exact_courses_g`."""
        dosing, actual, age, ideal = (
            np.atleast_1d(each)
            for each in np.broadcast_arrays(
                np.asarray(dosing_kg, dtype=np.float64),
                np.asarray(actual_kg, dtype=np.float64),
                np.asarray(age_years, dtype=np.float64),
                np.asarray(ideal_kg, dtype=np.float64),
            )
        )
        which = np.broadcast_to(np.asarray(which), dosing.shape)
        grams: Floats = dosing * self.dose[which]
        rest = np.flatnonzero(~self.plain[which])
        if rest.size:
            grams[rest] = self._in_full(which[rest], dosing[rest], actual[rest], age[rest], ideal[rest])
        return grams

    def _in_full(
        self, which: npt.NDArray[np.int64], dosing: Floats, actual: Floats, age: Floats, ideal: Floats
    ) -> Floats:
        """Grams by regimens of any kind."""
        grams = self._weights(which, dosing=dosing, actual=actual, ideal=ideal)
        for factor in self.factors:
            grams = grams * factor[which]
        for place, regimen in self.banded:
            rows = np.flatnonzero(which == place)
            if rows.size:
                measure = age if regimen.basis == "g_by_age" else actual
                fixed = _by_band(regimen.bands, measure[rows]) * _factors(regimen)["days"]
                grams[rows] = fixed * _factors(regimen)["doses_per_day"]
        return grams if self.cap_g is None else np.minimum(grams, self.cap_g[which])

    def _weights(self, which: npt.NDArray[np.int64], *, dosing: Floats, actual: Floats, ideal: Floats) -> Floats:
        """The weight each regimen multiplies its dose with; 1 where it goes by none."""
        if not self.weight.any():
            return dosing.copy()
        kinds = self.weight[which]
        weights = dosing.copy()
        # Nearly all go by the dosing weight.
        for kind, other in ((1, actual), (2, ideal), (3, None)):
            rows = np.flatnonzero(kinds == kind)
            if rows.size:
                weights[rows] = 1.0 if other is None else other[rows]
        return weights


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
