"""Courses on days: phases one after the other, over a horizon.

A schedule is made of phases: a single course, repeats with a limit, repeats for as long as it helps, given days.
Doses and intervals may alternate. Everything is counted in whole days from the first day of the schedule (day 0) and in
whole milligrams, so the total of a schedule is the sum of its courses, exactly. One function places the courses of one
patient and of two million: :func:`repeated_days`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count, cycle

import numpy as np
import numpy.typing as npt

from allocation.errors import Fault, InputError
from allocation.quantities import DAYS_PER_WEEK

__all__ = ["Course", "Phase", "Schedule", "StopRule", "make_schedule", "repeated_days"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Course:
    """One course.

    Attributes
    ----------
    day, week
        Whole days and weeks since the first day of the schedule.
    mg
        The whole course in milligrams.
    phase
        Why it is given: ``induction``, ``maintenance``, ``weaning step 1`` ...
    """

    day: int
    week: int
    mg: int
    phase: str


@dataclass(frozen=True, slots=True)
class Schedule:
    """Courses in the order of their days.

    Attributes
    ----------
    courses
        Those from day 0 to the day before ``horizon_days``.
    ended_because
        Why treatment ended within the horizon; blank where it goes on.
    """

    courses: tuple[Course, ...]
    horizon_days: int
    ended_because: str = ""

    @property
    def total_mg(self) -> int:
        """Milligrams of all courses."""
        return sum(course.mg for course in self.courses)

    def by_week(self) -> Ints:
        """Milligrams of each week of the horizon."""
        weeks = np.zeros(-(-self.horizon_days // DAYS_PER_WEEK), dtype=np.int64)
        for course in self.courses:
            weeks[course.week] += course.mg
        return weeks

    def dated(self, start: date) -> tuple[tuple[date, Course], ...]:
        """Each course with its date, day 0 being ``start``."""
        return tuple((start + timedelta(days=course.day), course) for course in self.courses)


@dataclass(frozen=True, slots=True)
class Phase:
    """One stretch of a schedule.

    Attributes
    ----------
    mg
        Courses in milligrams, taken in turn and from the beginning again: ``(30_000, 25_000)`` alternates.
    interval_weeks
        Weeks from one course to the next, taken in turn as well: ``(3, 4)`` alternates. Blank for a single course.
    courses
        How many; None for as long as the horizon, or until ``weeks`` have passed.
    gap_weeks
        From the last course before this phase to its first; None for the phase's own first interval, or else for the
        last interval of the phase before. Nothing comes before the first phase, which starts on its first day.
    days
        Given days of the courses instead of intervals, ascending, day 0 being the first of the schedule.
    last_day
        No course after this day, as when a pregnancy ends.
    """

    name: str
    mg: tuple[int, ...]
    interval_weeks: tuple[float, ...] = ()
    courses: int | None = 1
    gap_weeks: float | None = None
    days: tuple[int, ...] | None = None
    last_day: int | None = None

    def __post_init__(self) -> None:
        wrong = []
        if not self.mg or any(mg < 0 for mg in self.mg):
            wrong.append(Fault(self.name, "milligrams of 0 or more for at least one course", column="mg"))
        if any(not weeks > 0 for weeks in self.interval_weeks):
            wrong.append(Fault(self.name, "weeks above 0", column="interval_weeks", value=str(self.interval_weeks)))
        if self.days is None and self.courses != 1 and not self.interval_weeks:
            wrong.append(Fault(self.name, "an interval for a course that is repeated", column="interval_weeks"))
        if self.courses is not None and self.courses < 0:
            wrong.append(Fault(self.name, "0 courses or more", column="courses", value=str(self.courses)))
        if wrong:
            raise InputError(wrong)


@dataclass(frozen=True, slots=True)
class StopRule:
    """When treatment ends before its phases do.

    Attributes
    ----------
    most_courses
        Courses in all.
    without_benefit_after
        Courses after which treatment that has not helped ends.
    benefit
        Whether it has helped; None while nobody knows, and then it goes on.
    most_mg
        Milligrams of all courses together; the course that would pass it is not given.
    """

    most_courses: int | None = None
    without_benefit_after: int | None = None
    benefit: bool | None = None
    most_mg: int | None = None

    def limit(self) -> tuple[float, str]:
        """Most courses, and why no more."""
        reasons = []
        if self.most_courses is not None:
            reasons.append((float(self.most_courses), f"no more than {self.most_courses} courses are given"))
        if self.without_benefit_after is not None and self.benefit is False:
            after = self.without_benefit_after
            reasons.append((float(after), f"no benefit after {after} courses"))
        return min(reasons, default=(np.inf, ""))


def make_schedule(
    phases: Sequence[Phase], *, weeks: float, first_day: int = 0, stop: StopRule | None = None
) -> Schedule:
    """Place the courses of phases that follow each other.

    Parameters
    ----------
    phases
        In order. A phase whose courses are not limited ends the schedule unless its ``last_day`` does.
    weeks
        Length of the horizon; a course on the day it ends belongs to the next one.
    first_day
        Day of the first course.
    stop
        When treatment ends early.

    Raises
    ------
    InputError
        Where the horizon is not above 0 weeks or the first day is negative.
    """
    if not 0 < weeks < np.inf:
        raise InputError(Fault("schedule", "a horizon of more than 0 weeks", column="weeks", value=str(weeks)))
    if first_day < 0:
        raise InputError(Fault("schedule", "a first day of 0 or later", column="first_day", value=str(first_day)))
    horizon = int(np.ceil(weeks * DAYS_PER_WEEK))
    stop = stop or StopRule()
    most, reason = stop.limit()
    left_mg: float = np.inf if stop.most_mg is None else stop.most_mg
    placed: list[Course] = []
    at, ended = float(first_day), "all courses are given"
    before: float | None = None
    for phase in phases:
        start = _start(phase, at=at, before=before) if placed else at
        for day, mg in zip(_phase_days(phase, start), cycle(phase.mg), strict=False):
            if day >= horizon:
                return Schedule(tuple(placed), horizon)
            if len(placed) >= most:
                return Schedule(tuple(placed), horizon, reason)
            if phase.last_day is not None and day > phase.last_day:
                ended = f"{phase.name} ends on day {phase.last_day}"
                break
            left_mg -= mg
            if left_mg < 0:
                return Schedule(tuple(placed), horizon, f"no more than {stop.most_mg} mg are given in all")
            placed.append(Course(int(day), int(day) // DAYS_PER_WEEK, mg, phase.name))
            at = day
        before = phase.interval_weeks[-1] if phase.interval_weeks else before
    return Schedule(tuple(placed), horizon, ended)


def _start(phase: Phase, *, at: float, before: float | None) -> float:
    """First day of a phase after a course on day ``at``."""
    gap = phase.gap_weeks
    if gap is None:
        gap = phase.interval_weeks[0] if phase.interval_weeks else before
    if gap is None:
        remedy = "Neither of the two has an interval."
        raise InputError(Fault(phase.name, "weeks since the phase before", column="gap_weeks", remedy=remedy))
    return at + gap * DAYS_PER_WEEK


def _phase_days(phase: Phase, start: float) -> Iterator[float]:
    """Days of a phase's courses; without end where neither a number nor given days limit them."""
    if phase.days is not None:
        # Weeks before treatment starts are not made up for.
        yield from (float(day) for day in phase.days if day >= 0)
        return
    steps = cycle(phase.interval_weeks or (0.0,))
    for _ in range(phase.courses) if phase.courses is not None else count():
        yield start
        start += next(steps) * DAYS_PER_WEEK


def repeated_days(
    first_day: npt.ArrayLike, cycle_days: npt.ArrayLike, courses: npt.ArrayLike
) -> tuple[Ints, Ints, Ints]:
    """Days of repeated courses of many patients, patient by patient.

    Parameters
    ----------
    first_day
        Day of the first course, shape (n,).
    cycle_days
        Days from one to the next, shape (n,); may have fractions, and does not matter where there is one course.
    courses
        Courses of each, shape (n,); 0 for none.

    Returns
    -------
    patient, number, day
        One element a course: place of the patient, number of the course from 0, and its whole day, all of shape (m,),
        where m is the sum of ``courses``.
    """
    first = np.atleast_1d(np.asarray(first_day, dtype=np.float64))
    steps = np.broadcast_to(np.asarray(cycle_days, dtype=np.float64), first.shape)
    counts = np.broadcast_to(np.asarray(courses, dtype=np.int64), first.shape)
    patient = np.repeat(np.arange(first.size, dtype=np.int64), counts)
    before = np.cumsum(counts) - counts
    number = np.arange(patient.size, dtype=np.int64) - before[patient]
    # Without a repeat the step may be missing, and 0 x NaN is not 0.
    moved = np.where(number > 0, number * np.where(number > 0, steps[patient], 0.0), 0.0)
    return patient, number, np.floor(first[patient] + moved).astype(np.int64)
