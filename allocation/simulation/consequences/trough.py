"""IgG between courses of replacement, as decay in one compartment, and the infections expected at its trough.

A course lifts the patient's IgG above the own level at once, in proportion to its grams; the lift then decays. With the
usual course at the usual interval the trough is the usual one. What counts on a day is the trough that day leads up to:
the level when the next course should come, or the level itself once that day has passed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocation.quantities import DAYS_PER_YEAR
from allocation.simulation.demand import Floats, Ints

__all__ = ["Troughs", "play_troughs", "usual_rise_g_per_l"]

_PER_MG_PER_KG = 100.0
_REFERENCE_PNEUMONIA_G_PER_L = 5.0
_REFERENCE_INFECTION_G_PER_L = 7.0


@dataclass(frozen=True, slots=True)
class Troughs:
    """What a cohort comes to over a run: years on treatment, means over them, and events expected and beyond usual."""

    patient_years: float
    trough_g_per_l: float
    fall_g_per_l: float
    pneumonias: float
    pneumonias_extra: float
    infections: float
    infections_extra: float


def usual_rise_g_per_l(drawn: dict[str, float]) -> float:
    """Trough above the own IgG at the usual dose."""
    return drawn["trough_per_100_mg_per_kg_g_per_l"] * drawn["usual_dose_mg_per_kg"] / _PER_MG_PER_KG


def play_troughs(
    drawn: dict[str, float],
    *,
    interval_days: Floats,
    first_due_day: Floats,
    begins_day: Floats,
    leaves_day: Floats,
    doses: tuple[Ints, Floats, Floats],
    days: int,
) -> Troughs:
    """Follow everybody's IgG day by day.

    Parameters
    ----------
    drawn
        The layer's numbers.
    interval_days, first_due_day, begins_day, leaves_day
        Of each patient, day 0 or later for the first two days; ``begins_day`` is from when the patient counts.
    doses
        Courses given in the order of their days: patient, day, and grams over those of the usual course.
    days
        Length of the run.

    Notes
    -----
    Everybody begins as if all courses before had come on time.
    """
    decay = np.log(2) / drawn["half_life_days"]
    rise = usual_rise_g_per_l(drawn)
    lift = rise * np.expm1(decay * interval_days)
    since = interval_days - np.minimum(first_due_day - begins_day, interval_days)
    level = rise * np.exp(decay * (interval_days - since))
    who, day, share = doses
    bounds = np.searchsorted(np.floor(day), np.arange(days + 1))
    sums = np.zeros(6)
    usual = _rates(drawn, np.array([rise]))[:, 0]
    for today in range(days):
        end = float(today + 1)
        # Who begins today was at the level of the start until then.
        running = begins_day < end
        step = np.where(running, np.minimum(end - begins_day, 1.0), 0.0)
        level = level * np.exp(-decay * step)
        since = since + step
        part = slice(bounds[today], bounds[today + 1])
        ago = end - day[part]
        np.add.at(level, who[part], lift[who[part]] * share[part] * np.exp(-decay * ago))
        since[who[part]] = ago
        here = running & (leaves_day > today)
        trough = level[here] * np.exp(-decay * np.maximum(interval_days[here] - since[here], 0.0))
        rates = _rates(drawn, trough)
        sums[0] += len(trough)
        sums[1] += trough.sum()
        sums[2:4] += rates.sum(axis=1)
        sums[4:6] += (rates - usual[:, None]).sum(axis=1)
    counted = max(sums[0], 1.0)
    own = drawn["own_igg_g_per_l"]
    mean_rise = sums[1] / counted
    return Troughs(
        patient_years=float(sums[0] / DAYS_PER_YEAR),
        trough_g_per_l=float(own + mean_rise) if sums[0] else np.nan,
        fall_g_per_l=float(rise - mean_rise) if sums[0] else np.nan,
        pneumonias=float(sums[2]),
        pneumonias_extra=float(sums[4]),
        infections=float(sums[3]),
        infections_extra=float(sums[5]),
    )


def _rates(drawn: dict[str, float], above_own: Floats) -> Floats:
    """Pneumonias and infections of a patient a day at these troughs above the own IgG, shape (2, troughs)."""
    trough = drawn["own_igg_g_per_l"] + above_own
    capped = np.minimum(trough, drawn["infection_trough_cap_g_per_l"])
    pneumonia = drawn["pneumonia_per_year_at_5_g_per_l"] * drawn["pneumonia_rate_ratio_per_g_per_l"] ** (
        trough - _REFERENCE_PNEUMONIA_G_PER_L
    )
    infection = drawn["infections_per_year_at_7_g_per_l"] * drawn["infection_rate_ratio_per_g_per_l"] ** (
        capped - _REFERENCE_INFECTION_G_PER_L
    )
    rates: Floats = np.stack([pneumonia, infection]) / DAYS_PER_YEAR
    return rates
