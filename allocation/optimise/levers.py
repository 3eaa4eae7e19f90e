"""Stretching and reducing as levers of their own: who can be late within the limit, and what is the best mix of levers.

Used where the tier says in which order its levers are used up. What a class is given fixes the best mix of its levers,
in closed form; which class of a cell is given how much is the program's to say (:mod:`allocation.optimise.
lever_program`). Under a policy of its own rounds the mix is not planned, and patients are served by a rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.quantities import DAYS_PER_WEEK
from allocation.rules.supply import Tier

__all__ = [
    "FORBIDDEN",
    "STRETCH_COLUMN",
    "ClassLevers",
    "Mix",
    "Part",
    "Segment",
    "class_levers",
    "even_targets_mg",
    "mark_stretch",
]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

FORBIDDEN = "forbidden"
"""Putting off a grade that the tier does not let wait: spared before all levers."""

_SHARE_DIGITS = 6

STRETCH_COLUMN = "stretch_days"
"""Days by which a patient would be late at the next allocation, where the tier lets the interval be stretched so far;
0 where it does not."""


def mark_stretch(demand: pd.DataFrame, tier: Tier, *, weeks: float) -> pd.DataFrame:
    """The demand table with :data:`STRETCH_COLUMN`, where the tier uses stretching; as it is otherwise.

    Parameters
    ----------
    demand
        With ``cycle_weeks``, ``days_overdue`` and, where known, ``next_due_date``.
    weeks
        Weeks until the next allocation. Who has no due date, or is overdue, may be due today, and is counted so.
    """
    if "stretch" not in tier.lever_order:
        return demand
    share = np.array([_stretch_share(tier, grade) for grade in demand["grade"].fillna(0).astype(np.int64)])
    cycle_days = demand["cycle_weeks"].to_numpy(dtype=np.float64) * DAYS_PER_WEEK
    late = np.ceil(weeks * DAYS_PER_WEEK) + demand["days_overdue"].to_numpy(dtype=np.float64)
    emergency = demand["emergency"].to_numpy(dtype=np.bool_) if "emergency" in demand else np.zeros(len(demand), bool)
    within = ~np.isnan(cycle_days) & (late <= share * np.nan_to_num(cycle_days)) & ~emergency
    return demand.assign(**{STRETCH_COLUMN: np.where(within, late, 0.0).astype(np.int64)})


def _stretch_share(tier: Tier, grade: int) -> float:
    lever = tier.lever_of(grade or 1)
    return 0.0 if lever is None or (grade or 1) not in tier.defer_grades else lever.longest_stretch_share


def even_targets_mg(
    *, cell: Sequence[int], due_mg: Sequence[int], least_mg: Sequence[int], planned_mg: Sequence[int]
) -> list[int]:
    """What each patient of a stage is offered first where courses are reduced before any is put off.

    Every cell's planned share of each course, but the least that may be given at least.

    Parameters
    ----------
    cell, due_mg, least_mg
        One element a patient.
    planned_mg
        One element a cell.
    """
    total: dict[int, int] = {}
    for number, due in zip(cell, due_mg, strict=True):
        total[number] = total.get(number, 0) + due
    return [
        max(least, due * min(planned_mg[number], total[number]) // total[number])
        for number, due, least in zip(cell, due_mg, least_mg, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Segment:
    """Milligrams of a class that all spare the same: ``of`` is the part of the class they go to, an index of its parts.

    ``cost`` says by how much a milligram given adds to what each lever is used for, by lever.
    """

    of: int
    mg: int
    cost: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Part:
    """Those of a class who can all be stretched, or who all cannot.

    ``lever`` is what happens to who of them is given nothing. ``least_mg`` serves them all, each with the least that
    may be given in place of the course, where that is done before the lever is used; it is ``due_mg`` otherwise.
    """

    lever: str
    due_mg: int
    least_mg: int


@dataclass(frozen=True, slots=True)
class Mix:
    """How what one class is due is dealt with, in milligrams due: the four parts of it add up to what is due.

    Attributes
    ----------
    full_mg, reduced_mg
        Due to those who are given a whole course, and part of one.
    reduced_given_mg
        What the latter are given.
    stretched_mg, deferred_mg
        Due to those who are given nothing, and are late within the limit of stretching, or put off beyond.
    """

    full_mg: int = 0
    reduced_mg: int = 0
    reduced_given_mg: int = 0
    stretched_mg: int = 0
    deferred_mg: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class ClassLevers:
    """How far each class may be stretched and reduced, one element a class.

    Attributes
    ----------
    spared
        Levers, the one to be spared most first.
    due_mg, stretch_mg
        Due, and of it to those who can be late within the limit.
    share
        The least of a course that may be given in its place, 1 where it may not be reduced.
    may_wait
        Whether the tier lets the grade wait at all.
    """

    spared: tuple[str, ...]
    due_mg: Ints
    stretch_mg: Ints
    share: Floats
    may_wait: Bools

    def parts(self, c: int) -> tuple[Part, ...]:
        """The parts of a class that are due something: those who cannot be stretched, then those who can."""
        stretch, share = int(self.stretch_mg[c]), float(self.share[c])
        beyond = "defer" if self.may_wait[c] else FORBIDDEN
        parts = []
        for due, lever in ((int(self.due_mg[c]) - stretch, beyond), (stretch, "stretch")):
            if not due:
                continue
            first = "reduce" in self.spared and self.spared.index(lever) < self.spared.index("reduce")
            least = math.ceil(round(due * share, _SHARE_DIGITS)) if first and share < 1 else due
            parts.append(Part(lever, due, least))
        return tuple(parts)

    def segments(self, c: int) -> tuple[Segment, ...]:
        """What milligrams given to a class spare, in the order in which they are best given.

        Down to its least, a part is served by more and smaller courses: each milligram saves ``1 / share`` of the
        lever, and lets ``1 / share - 1`` be taken off courses. Above, each milligram makes courses larger.
        """
        share, found = float(self.share[c]), []
        for number, part in enumerate(self.parts(c)):
            if part.least_mg < part.due_mg:
                found.append(Segment(number, part.least_mg, {part.lever: -1 / share, "reduce": 1 / share - 1}))
                found.append(Segment(number, part.due_mg - part.least_mg, {"reduce": -1.0}))
            else:
                found.append(Segment(number, part.due_mg, {part.lever: -1.0}))
        return tuple(sorted(found, key=lambda one: [one.cost.get(lever, 0.0) for lever in self.spared]))

    def filled(self, c: int, given_mg: int) -> list[tuple[Part, int, int]]:
        """The best mix of a class by part: the part, what is given to it, and what is due to those who get anything.

        See :meth:`mix` for the proof.
        """
        parts = self.parts(c)
        given, left = [0] * len(parts), given_mg
        for one in self.segments(c):
            put = min(left, one.mg)
            given[one.of] += put
            left -= put
        return [
            (part, mg, part.due_mg if mg >= part.least_mg else mg * part.due_mg // part.least_mg)
            for part, mg in zip(parts, given, strict=True)
        ]

    def mix(self, c: int, given_mg: int) -> Mix:
        """The best mix of a class that is given so many milligrams.

        Notes
        -----
        For a class by itself the program need not be solved. What a part is given fixes the least use of its lever:
        courses of the least share come first, so ``max(0, due - given / share)`` is put off, and with that no more can
        be taken off courses than ``min(due, given / share) - given``; where reducing is spared more than the lever,
        nothing is taken off and ``due - given`` is put off. Either way the use of the levers, read in the order in
        which they are spared, is convex in what is given: its slopes (:meth:`segments`) only rise. The class is the
        sum of its parts, so filling the segments of both in the order of their slopes is the lexicographic optimum.
        """
        mix = {"full_mg": 0, "reduced_mg": 0, "reduced_given_mg": 0, "stretched_mg": 0, "deferred_mg": 0}
        for part, mg, courses_mg in self.filled(c, given_mg):
            if mg < courses_mg:
                mix["reduced_mg"] += courses_mg
                mix["reduced_given_mg"] += mg
            else:
                mix["full_mg"] += mg
            mix["stretched_mg" if part.lever == "stretch" else "deferred_mg"] += part.due_mg - courses_mg
        return Mix(**mix)


def class_levers(tier: Tier, classes: pd.DataFrame) -> ClassLevers | None:
    """How far each class may be stretched and reduced; None where the tier, or a policy, leaves no order of levers.

    Parameters
    ----------
    classes
        ``grade`` and ``due_mg``; ``stretch_mg`` where intervals may be stretched. Under a policy a class says its stage
        itself, and what it claims is the policy's to say.
    """
    if not tier.lever_order or "stage" in classes:
        return None
    treated_as = np.maximum(classes["grade"].to_numpy(dtype=np.int64), 1).tolist()
    reducible = set(tier.reduce_grades) if "reduce" in tier.lever_order else set()
    none = np.zeros(len(classes), dtype=np.int64)
    stretched = "stretch" in tier.lever_order and "stretch_mg" in classes
    return ClassLevers(
        spared=(FORBIDDEN, *tier.levers_spared),
        due_mg=classes["due_mg"].to_numpy(dtype=np.int64),
        stretch_mg=classes["stretch_mg"].to_numpy(dtype=np.int64) if stretched else none,
        share=np.array([tier.smallest_share(grade) if grade in reducible else 1.0 for grade in treated_as]),
        may_wait=np.array([grade in tier.defer_grades for grade in treated_as], dtype=np.bool_),
    )
