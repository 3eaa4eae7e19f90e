"""Vials that go off inside the window: dealt to whom they last for, and counted where they last for nobody.

The plan counts grams and the vials are drawn the earliest expiry first, whoever is served; when a course is due inside
the window decides nothing there. So once it is known how many vials of each size a patient gets from where, batches
are dealt again between those who get the same vials: nobody's grams, product, place or sizes change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.grading import days_of
from allocation.quantities import DAYS_PER_WEEK

__all__ = ["dealt_by_due_day", "gone_off"]

Lot = tuple[str, str, int]
"""Place, product and size in mg."""

# Days that lie before every expiry and after every due date: for courses without a date and for vials without one.
_ALWAYS, _NEVER = -(2**40), 2**40


@dataclass(slots=True)
class _Ask:
    """Vials of one lot that one patient gets for one course: the course's day, and how many of each expiry day."""

    line: int
    patient_id: str
    lot: Lot
    day: int
    expiries: dict[int, int]

    @property
    def gone_off(self) -> int:
        """Vials that go off before the day of the course."""
        return sum(count for expiry, count in self.expiries.items() if expiry < self.day)


def dealt_by_due_day(
    demand: pd.DataFrame, issues: pd.DataFrame, left: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Deal batches so that as few vials as may be go off before the day of the course they are for.

    Parameters
    ----------
    demand
        The demand table, with ``next_due_date``, ``cycle_weeks``, ``course_mg`` and ``days_overdue`` where they are
        known. Without a due date a course may be given on the first day, and every usable vial lasts for it.
    issues, left
        Vials given and left, as in :class:`~allocation.optimise.patients.PatientResult`. Drawn the earliest expiry
        first, unless some were put back.

    Returns
    -------
    tuple of DataFrame
        Both by other batches of the same place, product and size; the number of vials of each is the same. A course
        takes the batch that goes off first of those that last until its day, the earliest course first; then those
        that found none take what goes off first.
    """
    asks = _asks(demand, issues)
    there = _batches(left, {ask.lot for ask in asks})
    lots: dict[Lot, list[_Ask]] = {ask.lot: [] for ask in asks if ask.gone_off or _sooner_left(ask, there[ask.lot])}
    if not lots:
        return issues, left
    for ask in asks:
        if ask.lot in lots:
            lots[ask.lot].append(ask)
            for expiry, count in ask.expiries.items():
                there[ask.lot][expiry] += count
    for lot, of_lot in lots.items():
        _deal(of_lot, there[lot])
    lines: dict[tuple[int, int], int] = defaultdict(int)
    for ask in asks:
        for expiry, count in ask.expiries.items():
            lines[ask.line, expiry] += count
    where = _lots_of(left)
    first = {lot: at for at, lot in reversed(list(enumerate(where)))}
    kept = [line for line in _lines(left) if where[line[0]] not in lots]
    kept += [(first[lot], day, n) for lot in lots for day, n in there[lot].items() if n]
    return _frame(issues, sorted((*line, count) for line, count in lines.items())), _frame(left, sorted(kept))


def gone_off(demand: pd.DataFrame, issues: pd.DataFrame) -> pd.DataFrame:
    """What is given in vials that go off before the day of the course they are for.

    Returns
    -------
    DataFrame
        ``panel``, ``patients`` and ``mg``, by panel; empty where every vial lasts.
    """
    asks = [ask for ask in _asks(demand, issues) if ask.gone_off]
    lines = [(ask.patient_id, ask.lot[2] * ask.gone_off) for ask in asks]
    found = pd.DataFrame(lines, columns=["patient_id", "mg"]).merge(demand[["patient_id", "panel"]], on="patient_id")
    table = found.groupby("panel", sort=True).agg(patients=("patient_id", "nunique"), mg=("mg", "sum")).reset_index()
    return table.astype({"patients": "int64", "mg": "int64"})


def _asks(demand: pd.DataFrame, issues: pd.DataFrame) -> list[_Ask]:
    """Every line of the issues, cut where one course ends and the next begins."""
    days = _course_days(demand, set(issues["patient_id"]))
    used: dict[str, int] = {}
    asks: list[_Ask] = []
    lots, ids = _lots_of(issues), issues["patient_id"].tolist()
    for line, expiry, count in _lines(issues):
        patient_id, size = ids[line], lots[line][2]
        course_mg, of = days.get(patient_id, (1, [_ALWAYS]))
        left = count
        while left:
            before = used.get(patient_id, 0)
            course = min(before // course_mg, len(of) - 1)
            # Vials that begin inside this course; the last one takes all that is left.
            fit = left if course == len(of) - 1 else min(left, -(-((course + 1) * course_mg - before) // size))
            asks.append(_Ask(line, patient_id, lots[line], of[course], {expiry: fit}))
            used[patient_id] = before + fit * size
            left -= fit
    return asks


def _course_days(demand: pd.DataFrame, served: set[str]) -> dict[str, tuple[int, list[int]]]:
    """Milligrams of a course, and the day each course of the window is due, of patients with a due date."""
    if "next_due_date" not in demand.columns:
        return {}
    days, dated = days_of(pd.to_datetime(demand["next_due_date"]))
    rows = np.flatnonzero(dated & demand["patient_id"].isin(served).to_numpy())
    due_mg = demand["due_mg"].to_numpy(dtype=np.int64)
    course_mg = demand["course_mg"].to_numpy(dtype=np.int64) if "course_mg" in demand.columns else due_mg
    nothing = np.zeros(len(demand))
    cycle = demand["cycle_weeks"].to_numpy(dtype=np.float64) if "cycle_weeks" in demand.columns else nothing
    overdue = demand["days_overdue"].to_numpy(dtype=np.float64) if "days_overdue" in demand.columns else nothing
    ids = demand["patient_id"].tolist()
    found = {}
    for row in rows.tolist():
        step = float(cycle[row]) * DAYS_PER_WEEK
        courses = -(-int(due_mg[row]) // max(int(course_mg[row]), 1)) if step > 0 else 1
        # Courses of the past are due once, together; the next one follows on the first date still to come.
        past = max(int(np.ceil(float(overdue[row]) / step)) - 1, 0) if step > 0 else 0
        dates = [int(days[row]) + int((past * (n > 0) + n) * step) if n else int(days[row]) for n in range(courses)]
        found[ids[row]] = (max(int(course_mg[row]), 1), dates or [int(days[row])])
    return found


def _sooner_left(ask: _Ask, left: dict[int, int]) -> bool:
    """Whether a batch that goes off sooner than one given is left."""
    return min((day for day, count in left.items() if count), default=_NEVER) < max(ask.expiries)


def _deal(asks: list[_Ask], there: dict[int, int]) -> None:
    """Give each ask its vials, and take them off what is there."""
    wanted = {number: sum(ask.expiries.values()) for number, ask in enumerate(asks)}
    order = sorted(wanted, key=lambda number: (asks[number].day, number))
    for ask in asks:
        ask.expiries = {}
    for lasting in (True, False):
        for number in order:
            ask = asks[number]
            for expiry in sorted(there):
                taken = min(wanted[number], there[expiry])
                if taken and (expiry >= ask.day or not lasting):
                    ask.expiries[expiry] = ask.expiries.get(expiry, 0) + taken
                    there[expiry] -= taken
                    wanted[number] -= taken


def _lots_of(frame: pd.DataFrame) -> list[Lot]:
    names = ("location", "product", "vial_mg")
    return list(zip(*(frame[name].tolist() for name in names), strict=True))


def _lines(frame: pd.DataFrame) -> list[tuple[int, int, int]]:
    """Place in the frame, expiry day and number of vials of each line."""
    days, dated = days_of(frame["expiry_date"])
    expiry = np.where(dated, days, _NEVER).tolist()
    return list(zip(range(len(frame)), expiry, frame["vials"].tolist(), strict=True))


def _batches(frame: pd.DataFrame, lots: Iterable[Lot]) -> dict[Lot, dict[int, int]]:
    found: dict[Lot, dict[int, int]] = {lot: defaultdict(int) for lot in lots}
    where = _lots_of(frame)
    for at, expiry, count in _lines(frame):
        if where[at] in found:
            found[where[at]][expiry] += count
    return found


def _frame(like: pd.DataFrame, lines: list[tuple[int, int, int]]) -> pd.DataFrame:
    """Lines of a frame with other expiry days and counts."""
    rows = like.iloc[[at for at, _, _ in lines]].reset_index(drop=True)
    days = np.array([day for _, day, _ in lines], dtype=np.int64)
    when = np.where(days == _NEVER, np.datetime64("NaT", "ns"), days.astype("datetime64[D]").astype("datetime64[ns]"))
    rows["expiry_date"] = when
    rows["vials"] = np.array([count for _, _, count in lines], dtype=np.int64)
    return rows.astype({"expiry_date": like["expiry_date"].dtype})
