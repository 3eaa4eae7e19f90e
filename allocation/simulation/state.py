"""Where each patient stands: what is owed since when, and what waiting has cost so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from allocation.quantities import DAYS_PER_WEEK
from allocation.simulation.demand import NO_PRODUCT, Bools, Floats, Ints, People
from allocation.simulation.record import Recorder

__all__ = ["State"]


@dataclass(slots=True)
class State:
    """Everyone of a replication as time goes by.

    A patient owes nothing, or is owed one course since ``due_day``. The grams of a week add up, by panel and grade:
    backlog before + newly due = issued + unmet + backlog after.

    Attributes
    ----------
    people
        Who they are; never changed.
    record
        Where what happens is counted.
    due_day
        Day of the course owed, or of the next one.
    owed_mg
        Milligrams owed, 0 for a patient not waiting.
    course_mg, interval_days
        Of courses that fall due now, and from a course given now to the next: the patient's own, but for what is being
        done about a shortage.
    longest_wait_days, total_wait_days
        Whole days from due to given, the worst course and all courses together.
    hardest_grade
        Grade of each patient during the longest wait so far, or when something was given up without any wait; -1 where
        neither has happened.
    deferred_mg_weeks
        Milligrams owed at the end of each week, summed over the weeks.
    unmet_mg
        Milligrams given up for good.
    review_open, review_due_day
        Whether the annual review is overdue, and the day from which it is or was.
    ever_due, lost
        Whether a course ever fell due, and whether the patient left while waiting for one.
    switched, reduced, interrupted
        Whether a course was ever given of another product than the own, or in part, and whether a long-term patient
        ever waited for one as long as a whole interval.
    doses
        Courses given, for what is reckoned from them afterwards: who, on which days, milligrams; None where not kept.
    """

    people: People
    record: Recorder
    grade: Ints = field(init=False)
    due_day: Floats = field(init=False)
    leaves_day: Floats = field(init=False)
    owed_mg: Ints = field(init=False)
    course_mg: Ints = field(init=False)
    interval_days: Floats = field(init=False)
    longest_wait_days: Ints = field(init=False)
    total_wait_days: Ints = field(init=False)
    hardest_grade: Ints = field(init=False)
    deferred_mg_weeks: Ints = field(init=False)
    unmet_mg: Ints = field(init=False)
    review_open: Bools = field(init=False)
    review_due_day: Floats = field(init=False)
    ever_due: Bools = field(init=False)
    lost: Bools = field(init=False)
    switched: Bools = field(init=False)
    reduced: Bools = field(init=False)
    interrupted: Bools = field(init=False)
    doses: list[tuple[Ints, Floats, Ints]] | None = None
    _last_wait_days: Ints = field(init=False)

    def __post_init__(self) -> None:
        n = len(self.people)
        self.grade = self.people.grade.copy()
        self.due_day = self.people.first_due_day.copy()
        self.leaves_day = self.people.leaves_day.copy()
        self.owed_mg = np.zeros(n, dtype=np.int64)
        self.course_mg = self.people.course_mg
        self.interval_days = self.people.interval_days
        self.longest_wait_days = np.zeros(n, dtype=np.int64)
        self.total_wait_days = np.zeros(n, dtype=np.int64)
        self.hardest_grade = np.full(n, -1, dtype=np.int64)
        self.deferred_mg_weeks = np.zeros(n, dtype=np.int64)
        self.unmet_mg = np.zeros(n, dtype=np.int64)
        self.review_open = self.people.review_overdue.copy()
        self.review_due_day = self.people.review_due_day.copy()
        self.ever_due = np.zeros(n, dtype=np.bool_)
        self.lost = np.zeros(n, dtype=np.bool_)
        self.switched = np.zeros(n, dtype=np.bool_)
        self.reduced = np.zeros(n, dtype=np.bool_)
        self.interrupted = np.zeros(n, dtype=np.bool_)
        self._last_wait_days = np.zeros(n, dtype=np.int64)

    @property
    def weekly_mg(self) -> Floats:
        """Milligrams a week in the long run, as things stand; 0 for an acute patient."""
        return self.course_mg * (DAYS_PER_WEEK / self.interval_days)

    @property
    def told_grade(self) -> Ints:
        """The grade that each patient is counted under: that of the hardest time, else the present one."""
        return np.where(self.hardest_grade >= 0, self.hardest_grade, self.grade)

    def fall_due(self, index: Ints, week: int) -> None:
        """The next course of these patients falls due."""
        self.owed_mg[index] = self.course_mg[index]
        self.ever_due[index] = True
        self._count("due", week, index, self.owed_mg[index])

    def serve(self, index: Ints, *, product: Ints, mg: Ints, day: int, week: int) -> Ints:
        """Give patients their course, or a part of it; what is missing from a part is unmet.

        The course counts as given on its due date, or on ``day`` where that is later. Somebody who stands there several
        times is given one course of several products.

        Returns
        -------
        Ints
            Who was given a course, each once.
        """
        people = self.people
        own = people.product[index]
        panel, grade = people.panel[index], self.grade[index]
        self.record.add("issued", week=week, panel=panel, grade=grade, product=product, mg=mg)
        other = (own != product) & (own != NO_PRODUCT)
        self.record.add(
            "switched", week=week, panel=panel[other], grade=grade[other], product=product[other], mg=mg[other]
        )
        self.switched[index[other]] = True
        index, mg = self._courses(index, mg)
        missing = self.owed_mg[index] - mg
        self.reduced[index[missing > 0]] = True
        self._give_up(index, missing, week)
        self._wait_until(index, float(day))
        self.owed_mg[index] = 0
        given_day = np.maximum(self.due_day[index], float(day))
        if self.doses is not None:
            self.doses.append((index, given_day, mg))
        self.due_day[index] = given_day + self.interval_days[index]
        return index

    def _courses(self, index: Ints, mg: Ints) -> tuple[Ints, Ints]:
        """The same with what is given to one person in one sum, where the person stood last."""
        place = np.arange(len(index))
        last = np.empty(len(self.people), dtype=np.int64)
        last[index] = place
        once = last[index] == place
        if once.all():
            return index, mg
        total_mg = np.zeros(len(index), dtype=np.int64)
        np.add.at(total_mg, last[index], mg)
        return index[once], total_mg[once]

    def wait_for_chair(self, person: int, days: int) -> None:
        """A patient whose course is ready is given it so many days later, as no chair is free."""
        self.total_wait_days[person] += days
        wait = int(self._last_wait_days[person]) + days
        if wait > self.longest_wait_days[person]:
            self.longest_wait_days[person] = wait
            self.hardest_grade[person] = self.grade[person]
        self.due_day[person] += days

    def lose(self, index: Ints, *, day: Floats | int, week: int) -> None:
        """These patients wait no longer from a day on: all they are owed is unmet, and no course follows."""
        self._give_up(index, self.owed_mg[index], week)
        self._wait_until(index, day)
        self.owed_mg[index] = 0
        self.due_day[index] = np.inf
        self.lost[index] = True

    def close_week(self, week: int) -> None:
        """Count what is owed at the end of a week."""
        waiting = np.flatnonzero(self.owed_mg)
        owed = self.owed_mg[waiting]
        self._count("deferred", week, waiting, owed)
        self.deferred_mg_weeks[waiting] += owed

    def close_run(self, weeks: int) -> None:
        """Count the days waited so far by those still waiting when the run ends, or to when they left just before."""
        waiting = np.flatnonzero(self.owed_mg)
        self._wait_until(waiting, np.minimum(self.leaves_day[waiting], weeks * DAYS_PER_WEEK))

    def _give_up(self, index: Ints, mg: Ints, week: int) -> None:
        short = mg > 0
        who = index[short]
        self.unmet_mg[who] += mg[short]
        first = who[self.hardest_grade[who] < 0]
        self.hardest_grade[first] = self.grade[first]
        self._count("unmet", week, who, mg[short])

    def _wait_until(self, index: Ints, day: Floats | float) -> None:
        # Nobody is counted late for the time before the run began.
        since = np.maximum(self.due_day[index], 0.0)
        days = np.floor(np.maximum(day - since, 0.0)).astype(np.int64)
        self.total_wait_days[index] += days
        self._last_wait_days[index] = days
        longer = index[days > self.longest_wait_days[index]]
        self.hardest_grade[longer] = self.grade[longer]
        self.longest_wait_days[index] = np.maximum(self.longest_wait_days[index], days)
        self.interrupted[index] |= days >= self.people.interval_days[index]

    def _count(self, measure: str, week: int, index: Ints, mg: Ints) -> None:
        people = self.people
        self.record.add(
            measure, week=week, panel=people.panel[index], grade=self.grade[index], product=people.product[index], mg=mg
        )
