"""Weaning by dose and by interval, from the protocols a rulebook prints.

By dose: the monthly dose is cut by a fraction, rounded down to a step, held for some months, and cut again; once it is
below so many grams a kg a month, and was held, treatment ends. By interval: the course stays, the interval goes to the
next longer one of a list, is held for some months, and after enough of the longest intervals treatment ends.

A month is that of ``data/parameters.toml``. Within a printed range the middle is used unless another is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from allocation.dosing.parameters import load_parameters
from allocation.dosing.schedule import Phase, Schedule, make_schedule
from allocation.dosing.vials import round_to_vials
from allocation.errors import Fault, InputError
from allocation.quantities import MG_PER_G, to_mg
from allocation.rules.general import WeaningByDose, WeaningByInterval, WeaningOff

__all__ = ["DoseSteps", "dose_steps", "interval_steps", "wean", "weaned_rates", "weaning_phases"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Method = Literal["dose", "interval"]

# No dose is cut more often than this before it is nothing: a fifth less each time, from a kilogram to five grams.
_MOST_STEPS = 64


@dataclass(frozen=True, slots=True)
class DoseSteps:
    """Monthly doses of n patients at each step of weaning by dose.

    Attributes
    ----------
    monthly_mg
        Shape (steps, n): the dose after each cut, down to the last that changes anything; 0 where treatment has ended.
    hold_weeks
        Weeks that each step is held.
    """

    monthly_mg: Ints
    hold_weeks: float


def dose_steps(
    monthly_g: npt.ArrayLike,
    *,
    dosing_kg: npt.ArrayLike,
    rule: WeaningByDose,
    cut: float | None = None,
    hold_months: float | None = None,
    ending: bool = True,
) -> DoseSteps:
    """Monthly doses of weaning by dose, for one patient or many.

    Parameters
    ----------
    monthly_g, dosing_kg
        Grams a month now, and the weight they go by.
    cut, hold_months
        Within the rule's ranges; the middle where left out.
    ending
        Whether treatment ends once the dose is below the rule's limit; otherwise it stays at that dose.

    Raises
    ------
    InputError
        Where ``cut`` or ``hold_months`` lies outside what the rule prints.

    Notes
    -----
    A dose that is already below the limit is not cut again: the first step ends treatment, or changes nothing.
    """
    cut = _within("cut", cut, rule.cut_low, rule.cut_high)
    hold = _within("hold_months", hold_months, rule.hold_months_low, rule.hold_months_high)
    now, weight = (
        np.atleast_1d(values)
        for values in np.broadcast_arrays(
            np.asarray(monthly_g, dtype=np.float64), np.asarray(dosing_kg, dtype=np.float64)
        )
    )
    limit_mg = rule.stop_below_g_per_kg_per_month * weight * MG_PER_G
    step_mg = to_mg(rule.round_down_to_g)
    steps: list[Ints] = []
    dose = np.rint(now * MG_PER_G)
    for _ in range(_MOST_STEPS):
        # A thousandth of a milligram keeps 25 % off 40 g at 30 g, whatever the binary digits say.
        cut_mg = np.floor((dose * (1 - cut) + 1e-3) / step_mg) * step_mg
        following = np.where(dose < limit_mg, 0.0 if ending else dose, cut_mg)
        if steps and np.array_equal(following, dose):
            break
        dose = following
        steps.append(dose.astype(np.int64))
    return DoseSteps(np.stack(steps), hold * load_parameters().month.weeks)


def interval_steps(interval_weeks: float, rule: WeaningByInterval) -> tuple[tuple[float, int], ...]:
    """Intervals of weaning by interval and the courses given at each, from the next longer one on.

    >>> rule = WeaningByInterval(
    ...     section="", notes=("x",), interval_weeks=(6, 8, 10, 12), hold_months=6, stop_after_longest_intervals=2
    ... )
    >>> interval_steps(4, rule)
    ((6.0, 4), (8.0, 3), (10.0, 3), (12.0, 2))
    """
    hold = rule.hold_months * load_parameters().month.weeks
    last = rule.interval_weeks[-1]
    # An interval that is the longest already, or longer, is kept for the courses that show whether treatment may end.
    longer = [weeks for weeks in rule.interval_weeks if weeks > interval_weeks] or [interval_weeks]
    return tuple(
        (float(weeks), rule.stop_after_longest_intervals if weeks >= last else int(-(-hold // weeks)))
        for weeks in longer
    )


def weaning_phases(
    course_mg: int,
    *,
    interval_weeks: float,
    dosing_kg: float,
    vial_mg: tuple[int, ...],
    rule: WeaningOff,
    method: Method = "dose",
    cut: float | None = None,
    hold_months: float | None = None,
) -> tuple[Phase, ...]:
    """Phases of weaning one patient from a course; the last is followed by nothing.

    Every course is whole vials, rounded down. A phase holds as many courses as its weeks take up, one at the least.
    """
    if method == "interval":
        return tuple(
            Phase(f"every {weeks:g} weeks", (course_mg,), interval_weeks=(float(weeks),), courses=courses)
            for weeks, courses in interval_steps(interval_weeks, rule.by_interval)
        )
    month = load_parameters().month.weeks
    monthly_g = course_mg / MG_PER_G * month / interval_weeks
    steps = dose_steps(monthly_g, dosing_kg=dosing_kg, rule=rule.by_dose, cut=cut, hold_months=hold_months)
    courses = max(1, int(-(-steps.hold_weeks // interval_weeks)))
    phases = []
    for number, monthly_mg in enumerate(steps.monthly_mg[:, 0].tolist(), start=1):
        exact_g = monthly_mg / MG_PER_G * interval_weeks / month
        whole = int(round_to_vials(exact_g, vial_mg, "down")[0])
        if whole == 0:
            break
        phases.append(Phase(f"weaning step {number}", (whole,), interval_weeks=(interval_weeks,), courses=courses))
    return tuple(phases)


def wean(
    course_mg: int,
    phases: Sequence[Phase],
    *,
    interval_weeks: float,
    weeks: float,
    problems_at_step: int | None = None,
) -> Schedule:
    """A schedule of weaning; where problems recur at a step, back to the dose and interval before it for good.

    Parameters
    ----------
    course_mg, interval_weeks
        The treatment that weaning starts from.
    phases
        Of :func:`weaning_phases`.
    problems_at_step
        Number of the step, from 1, at the end of which problems recur; None where they never do. A number one above
        the last step means that they recur once treatment has ended.
    """
    if problems_at_step is None:
        return make_schedule(phases, weeks=weeks)
    if not 1 <= problems_at_step <= len(phases) + 1:
        expected = f"a step from 1 to {len(phases) + 1}"
        raise InputError(Fault("weaning", expected, column="problems_at_step", value=str(problems_at_step)))
    tried = list(phases[:problems_at_step])
    good = phases[problems_at_step - 2] if problems_at_step > 1 else None
    dose, interval = (good.mg, good.interval_weeks) if good else ((course_mg,), (interval_weeks,))
    return make_schedule(
        [*tried, Phase("back to what worked", dose, interval_weeks=interval, courses=None)], weeks=weeks
    )


def weaned_rates(
    rate_mg_per_week: Floats,
    *,
    interval_weeks: Floats,
    dosing_kg: Floats,
    course_of: Sequence[tuple[npt.NDArray[np.intp], tuple[int, ...]]],
    rule: WeaningOff,
    method: Method,
    weeks: float,
    ending: bool,
) -> Floats:
    """Mean milligrams a week of many patients over a horizon in which they are weaned without problems.

    Parameters
    ----------
    rate_mg_per_week, interval_weeks, dosing_kg
        What is given now, shape (n,).
    course_of
        Rows and the vial sizes their courses are made of; together they hold every row.
    weeks
        Length of the horizon, which begins with the first step.
    ending
        Whether treatment ends where the protocol has it end; otherwise the last dose or interval goes on.

    Returns
    -------
    ndarray
        Never more than ``rate_mg_per_week``; each step counts for the weeks it is held within the horizon.
    """
    if method == "interval":
        return _weaned_by_interval(rate_mg_per_week, interval_weeks, rule.by_interval, weeks=weeks, ending=ending)
    month = load_parameters().month.weeks
    steps = dose_steps(rate_mg_per_week * month / MG_PER_G, dosing_kg=dosing_kg, rule=rule.by_dose, ending=ending)
    last = len(steps.monthly_mg) - 1
    given = np.zeros(rate_mg_per_week.shape)
    for number, monthly_mg in enumerate(steps.monthly_mg):
        left = weeks - number * steps.hold_weeks
        held = left if number == last else min(left, steps.hold_weeks)
        if held <= 0:
            break
        course_g = monthly_mg / MG_PER_G * interval_weeks / month
        whole = np.zeros(rate_mg_per_week.shape)
        for rows, vial_mg in course_of:
            # A vial is opened even for part of it, as everywhere in the demand.
            opened = np.maximum(round_to_vials(course_g[rows], vial_mg, "down"), min(vial_mg))
            whole[rows] = np.where(course_g[rows] > 0, opened, 0)
        given += np.minimum(whole / interval_weeks, rate_mg_per_week) * held
    return np.asarray(given / weeks)


def _weaned_by_interval(
    rate_mg_per_week: Floats, interval_weeks: Floats, rule: WeaningByInterval, *, weeks: float, ending: bool
) -> Floats:
    mean = np.empty(rate_mg_per_week.shape)
    distinct, which = np.unique(interval_weeks, return_inverse=True)
    for place, interval in enumerate(distinct.tolist()):
        left, share, longer = weeks, 0.0, interval
        for longer, courses in interval_steps(interval, rule):
            held = min(left, longer * courses)
            share += held * interval / longer
            left -= held
        share += 0.0 if ending else left * interval / longer
        rows = which == place
        mean[rows] = rate_mg_per_week[rows] * share / weeks
    return mean


def _within(name: str, value: float | None, low: float, high: float) -> float:
    if value is None:
        return (low + high) / 2
    if not low <= value <= high:
        raise InputError(Fault("weaning", f"{low:g} to {high:g}", column=name, value=f"{value:g}"))
    return value
