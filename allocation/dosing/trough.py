"""Titration to a trough level, by the mean rise that studies of replacement found."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from allocation.dosing.parameters import load_parameters
from allocation.dosing.schedule import Phase
from allocation.dosing.vials import round_to_vials
from allocation.errors import Fault, InputError
from allocation.quantities import MG_PER_G

__all__ = ["dose_for_trough_g", "expected_trough_g_per_l", "titration_phases"]

Floats = npt.NDArray[np.float64]


def dose_for_trough_g(
    course_g: npt.ArrayLike,
    *,
    interval_weeks: npt.ArrayLike,
    weight_kg: npt.ArrayLike,
    trough_g_per_l: npt.ArrayLike,
    target_g_per_l: npt.ArrayLike,
) -> Floats:
    """The course expected to bring a measured trough to a target, in grams before vials; 0 at the least.

    Parameters
    ----------
    course_g, interval_weeks
        What is given now. The relation was measured for intervals of 3 to 4 weeks and is refused for others.
    weight_kg
        The weight doses go by.
    trough_g_per_l, target_g_per_l
        Level before the next course now, and wanted.

    Raises
    ------
    InputError
        Where an interval lies outside the range of the studies, or a level or weight is not above 0.

    Notes
    -----
    The mean of many patients: one patient's own rise must be measured, and the dose titrated again.
    """
    course, interval, weight, trough, target = _alike(
        course_g, interval_weeks, weight_kg, trough_g_per_l, target_g_per_l
    )
    _check(interval, weight, trough, target)
    step_g = _grams_per_level(weight)
    return np.maximum(course + (target - trough) * step_g, 0.0)


def expected_trough_g_per_l(
    trough_g_per_l: npt.ArrayLike,
    *,
    before_g: npt.ArrayLike,
    after_g: npt.ArrayLike,
    interval_weeks: npt.ArrayLike,
    weight_kg: npt.ArrayLike,
) -> Floats:
    """Trough expected once a course of another size has settled."""
    trough, before, after, interval, weight = _alike(trough_g_per_l, before_g, after_g, interval_weeks, weight_kg)
    _check(interval, weight, trough, trough)
    return np.maximum(trough + (after - before) / _grams_per_level(weight), 0.0)


def titration_phases(
    course_mg: int,
    *,
    interval_weeks: float,
    weight_kg: float,
    trough_g_per_l: float,
    target_g_per_l: float,
    courses_before: int,
    vial_mg: tuple[int, ...],
) -> tuple[Phase, Phase]:
    """The course as it is until the trough has been measured, then the one expected to reach the target.

    Rounded to the nearest amount that whole vials make: below or above the target by half a vial at the most.
    """
    exact = dose_for_trough_g(
        course_mg / MG_PER_G,
        interval_weeks=interval_weeks,
        weight_kg=weight_kg,
        trough_g_per_l=trough_g_per_l,
        target_g_per_l=target_g_per_l,
    )
    titrated = int(round_to_vials(exact, vial_mg, "nearest")[0])
    return (
        Phase("before the trough", (course_mg,), interval_weeks=(interval_weeks,), courses=courses_before),
        Phase("titrated to the trough", (titrated,), interval_weeks=(interval_weeks,), courses=None),
    )


def _alike(*values: npt.ArrayLike) -> tuple[Floats, ...]:
    return tuple(np.broadcast_arrays(*(np.atleast_1d(np.asarray(value, dtype=np.float64)) for value in values)))


def _grams_per_level(weight_kg: Floats) -> Floats:
    """Grams a course for each g/L of trough."""
    relation = load_parameters().trough
    return np.asarray(weight_kg * relation.per_mg_per_kg / MG_PER_G / relation.gain_g_per_l)


def _check(interval: Floats, weight: Floats, trough: Floats, target: Floats) -> None:
    relation = load_parameters().trough
    low, high = relation.interval_weeks_low, relation.interval_weeks_high
    faults = []
    if not ((interval >= low) & (interval <= high)).all():
        remedy = f"Reckon the equivalent course every {high:g} weeks first."
        faults.append(Fault("trough", f"{low:g} to {high:g} weeks", column="interval_weeks", remedy=remedy))
    for name, values in (("weight_kg", weight), ("trough_g_per_l", trough), ("target_g_per_l", target)):
        if not (values > 0).all():
            faults.append(Fault("trough", "a number above 0", column=name))
    if faults:
        raise InputError(faults)
