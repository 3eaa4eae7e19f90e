"""Grades of a cohort, with reasons.

A grade depends on few things: the entry, the flags its upgrades ask for, whether the annual review counts, and some
yes/no facts. Rows that agree in all of these share one decision, so decisions are taken once for each combination
and handed out, however many rows there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.grading.columns import (
    NANOSECONDS_PER_DAY,
    Dates,
    Facts,
    blocks,
    categorical,
    coded,
    day_of,
    entries_of,
    looked_up,
    need_columns,
)
from allocation.grading.words import REVIEW, Review, blocked, source_of
from allocation.quantities import DAYS_PER_WEEK
from allocation.rules.models import FLAGS, Entry, Rulebook, Settings

__all__ = ["GRADE_COLUMNS", "grade_cohort"]

GRADE_COLUMNS = ("grade", "base_grade", "upgraded", "commissioned", "prior_approval", "review_overdue", "reason")
"""Columns that grading adds, in their order."""

_NEEDED = (
    "indication",
    "situation",
    "interval_weeks",
    "start_date",
    "last_review_date",
    "panel_decision",
    *FLAGS,
)
_NUMBERS = ("grade", "base_grade")
_IFR, _TRIAL, _YES = "ifr_approved", "clinical_trial", "yes"

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Case:
    """Everything a decision depends on."""

    entry: Entry | None
    in_force: bool
    held: frozenset[str]
    review: Review
    phase: Literal["start", "ongoing"]
    repeated: bool
    declined: bool


@dataclass(frozen=True, slots=True)
class _Decision:
    """One row's answers; ``grade`` and ``base_grade`` are None when ungraded."""

    grade: int | None
    base_grade: int | None
    upgraded: str
    commissioned: str
    prior_approval: str
    review_overdue: str
    reason: str


def grade_cohort(rulebook: Rulebook, cohort: pd.DataFrame, as_of: date) -> pd.DataFrame:
    """Grade every patient of a cohort.

    Parameters
    ----------
    rulebook
        Criteria to grade by.
    cohort
        A cohort frame. It is not changed; the result shares its columns.
    as_of
        Day on which reviews and phases are judged.

    Returns
    -------
    DataFrame
        The cohort, its index kept, with the columns of :data:`GRADE_COLUMNS`. ``grade`` and ``base_grade`` are Int8
        (<NA> when ungraded). The others are text, kept as categories: ``upgraded`` and ``review_overdue`` are yes or
        no, ``commissioned`` is routine, ifr or no, ``prior_approval`` is required, not_required or retrospective,
        ``reason`` is a sentence.

    Raises
    ------
    InputError
        Where the rulebook does not grade, a column is missing, or a code is neither in the rulebook nor ``unlisted``.

    Notes
    -----
    The highest upgrade whose conditions hold wins. A review counts when dated in the ``review_valid_days`` up to the
    as-of date, both ends included; a date in the future does not. Where the rulebook says so, a patient no longer
    than that after the start of treatment (or not yet started) counts as reviewed if the panel approved. A flag that
    is blank does not hold. Of several dated entries of one code the one in force on the as-of date is used; where none
    is, the code is treated as not listed.
    """
    settings = rulebook.settings
    rulebook = rulebook.on(as_of)
    need_columns(cohort, _NEEDED, "cohort")
    entries = entries_of(rulebook, cohort)
    places, distinct = _cases(rulebook, cohort, settings=settings, entries=entries, as_of=as_of)
    decisions = [_decide(_case_of(key, rulebook, as_of), rulebook, as_of) for key in distinct]
    # Set one by one each column would be copied once more.
    return pd.DataFrame(
        {**{str(name): column for name, column in cohort.items()}, **_handed_out(decisions, places)},
        index=cohort.index,
        copy=False,
    )


def _handed_out(decisions: list[_Decision], places: Codes) -> dict[str, Any]:
    """The columns of grades: to each row the answers of its case."""
    numbers = {name: [getattr(each, name) for each in decisions] for name in _NUMBERS}
    texts = {name: coded([getattr(each, name) for each in decisions]) for name in GRADE_COLUMNS if name not in _NUMBERS}
    tables = [
        *(np.array([answer or 0 for answer in answers], dtype=np.int8) for answers in numbers.values()),
        *(np.array([answer is None for answer in answers], dtype=bool) for answers in numbers.values()),
        *(codes for codes, _ in texts.values()),
    ]
    found = iter(looked_up(tables, places))
    values, blanks = ([next(found) for _ in _NUMBERS] for _ in range(2))
    columns: dict[str, Any] = {
        name: pd.arrays.IntegerArray(value, blank) for name, value, blank in zip(_NUMBERS, values, blanks, strict=True)
    }
    columns |= {name: categorical(next(found), categories) for name, (_, categories) in texts.items()}
    return {name: columns[name] for name in GRADE_COLUMNS}


# A case is packed into one whole number: flags held in the low bits, then these fields, then the entry.
_REVIEW_AT = len(FLAGS)
_ONGOING_AT = _REVIEW_AT + 3
_REPEATED_AT = _ONGOING_AT + 1
_DECLINED_AT = _REPEATED_AT + 1
_ENTRY_AT = _DECLINED_AT + 1


def _cases(
    rulebook: Rulebook, cohort: pd.DataFrame, *, settings: Settings, entries: Ints, as_of: date
) -> tuple[Codes, list[int]]:
    """For each row the place of its case in a list, in order of first appearance; and the list of packed cases."""
    today = day_of(as_of)
    asks = {flag: _asks_for(rulebook, flag, as_of) for flag in FLAGS}
    asked = np.zeros(len(rulebook.entry) + 1, dtype=np.uint16)
    for bit, flag in enumerate(FLAGS):
        asked |= asks[flag].astype(np.uint16) << np.uint16(bit)
    flags = {flag: Facts.of(cohort[flag], _YES) for flag in FLAGS}
    declined, approved = (Facts.of(cohort["panel_decision"], text) for text in ("declined", "approved"))
    interval = cohort["interval_weeks"].to_numpy(dtype=np.float64)
    starts, reviews = Dates.of(cohort["start_date"]), Dates.of(cohort["last_review_date"])
    first_counted = today - settings.review_valid_days
    initiation = Initiation.of(rulebook, as_of)
    places = np.empty(len(cohort), dtype=np.int32)
    place_of: dict[int, int] = {}
    for part in blocks(len(cohort)):
        chosen = entries[part]
        small = _reviews(
            past=reviews.until(today, part),
            recent=reviews.since(first_counted, part),
            first_year=starts.since(first_counted, part) & settings.first_year_counts_if_approved,
            approved=approved.hold(part),
        ).view(np.uint8)
        repeated = ~np.isnan(interval[part])
        for bit, fact in (
            (_ONGOING_AT, repeated & ~initiation.under_way(starts, chosen, part)),
            (_REPEATED_AT, repeated),
            (_DECLINED_AT, declined.hold(part)),
        ):
            small |= fact.view(np.uint8) << np.uint8(bit - _REVIEW_AT)
        # Two bytes of eight flags each: shorter numbers are faster.
        held_bytes = np.zeros((2, len(chosen)), dtype=np.uint8)
        for bit, (flag, facts) in enumerate(flags.items()):
            byte, shift = held_bytes[bit // 8], np.uint8(bit % 8)
            if facts.by_code:
                byte |= facts.hold(part).view(np.uint8) << shift
            else:
                # Text is slow to compare, so only where the answer matters.
                rows = np.flatnonzero(asks[flag][chosen])
                byte[rows] |= facts.hold(rows + part.start).view(np.uint8) << shift
        held = held_bytes[0] | held_bytes[1].astype(np.uint16) << np.uint16(8)
        # Unlisted is -1, so one is added to keep the number positive.
        keys = (chosen + 1) << _ENTRY_AT
        keys |= small.astype(np.int64) << _REVIEW_AT
        keys |= held & asked[chosen]
        here, distinct = pd.factorize(keys)
        known = np.array([place_of.setdefault(key, len(place_of)) for key in distinct.tolist()], dtype=np.int32)
        places[part] = known[here]
    return places, list(place_of)


@dataclass(frozen=True, slots=True)
class Initiation:
    """Until when a patient counts as starting; days are counted as by :func:`allocation.grading.day_of`.

    Attributes
    ----------
    usual_day
        The latest day of start that is ongoing by now.
    own_day
        The same of entries with a length of their own, by their place in the rulebook.
    """

    usual_day: int
    own_day: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, rulebook: Rulebook, as_of: date) -> Self:
        """As a rulebook has it on a day."""
        today = day_of(as_of)
        own = tuple(
            (place, math.floor(today - entry.initiation_weeks * DAYS_PER_WEEK))
            for place, entry in enumerate(rulebook.entry)
            if entry.initiation_weeks is not None
        )
        return cls(math.floor(today - rulebook.settings.initiation_weeks * DAYS_PER_WEEK), own)

    def under_way(self, starts: Dates, entries: Ints, rows: slice) -> Bools:
        """Whether each of these rows is starting still; one without a date of start is not.

        Parameters
        ----------
        entries
            Place of the entry of each of these rows.
        """
        found = starts.since(self.usual_day + 1, rows)
        for place, day in self.own_day:
            own = np.flatnonzero(entries == place)
            found[own] = starts.nanoseconds[own + rows.start] >= (day + 1) * NANOSECONDS_PER_DAY
        return found


def _asks_for(rulebook: Rulebook, flag: str, as_of: date) -> Bools:
    """For each entry, and last for unlisted (place -1), whether its decision depends on a flag."""
    asks = [
        flag == _TRIAL
        or (flag == _IFR and not entry.in_force(as_of))
        or any(flag in (*upgrade.all_of, *upgrade.any_of) for upgrade in entry.upgrade)
        for entry in rulebook.entry
    ]
    return np.array([*asks, flag in (_IFR, _TRIAL)])


def _reviews(*, past: Bools, recent: Bools, first_year: Bools, approved: Bools) -> npt.NDArray[np.int8]:
    """State of each row's annual review, as numbers of :class:`Review`; for the facts see :func:`_review_of`."""
    # Four facts make sixteen states: looking them up costs a fraction of writing each to its rows.
    states = [
        _review_of(past=bool(n & 1), recent=bool(n & 2), first_year=bool(n & 4), approved=bool(n & 8))
        for n in range(1 << 4)
    ]
    state = past.view(np.uint8).copy()
    for bit, fact in enumerate((recent, first_year, approved), start=1):
        state |= fact.view(np.uint8) << np.uint8(bit)
    return np.array(states, dtype=np.int8)[state]


def _review_of(*, past: bool, recent: bool, first_year: bool, approved: bool) -> Review:
    """State of a review: dated up to today (past), on or after the day from which reviews count (recent)."""
    if past and recent:
        return Review.DONE
    if first_year:
        return Review.FIRST_YEAR_APPROVED if approved else Review.FIRST_YEAR_NOT_APPROVED
    if past:
        return Review.OUT_OF_DATE
    # What is dated, and not up to today, is recent too: it lies in the future.
    return Review.IN_THE_FUTURE if recent else Review.NONE


def _case_of(key: int, rulebook: Rulebook, as_of: date) -> _Case:
    place = (key >> _ENTRY_AT) - 1
    entry = rulebook.entry[place] if place >= 0 else None
    review = Review(key >> _REVIEW_AT & 7)
    held = {flag for bit, flag in enumerate(FLAGS) if key >> bit & 1}
    if review.counts:
        held.add(REVIEW)
    return _Case(
        entry=entry,
        in_force=entry is not None and entry.in_force(as_of),
        held=frozenset(held),
        review=review,
        phase="ongoing" if key >> _ONGOING_AT & 1 else "start",
        repeated=bool(key >> _REPEATED_AT & 1),
        declined=bool(key >> _DECLINED_AT & 1),
    )


def _decide(case: _Case, rulebook: Rulebook, as_of: date) -> _Decision:
    if case.entry is None or not case.in_force:
        return _not_listed(case, as_of)
    entry = case.entry
    base_grade, approval = entry.graded
    applying = [
        upgrade
        for upgrade in entry.upgrade
        if case.held.issuperset(upgrade.all_of) and (not upgrade.any_of or case.held.intersection(upgrade.any_of))
    ]
    best = max(applying, key=lambda upgrade: upgrade.to, default=None)
    grade = best.to if best else base_grade
    parts = [f"{entry.key}: base grade {base_grade}"]
    if best:
        first_year = REVIEW in (*best.all_of, *best.any_of) and case.review is Review.FIRST_YEAR_APPROVED
        note = " (first year, start approved by the panel)" if first_year else ""
        parts.append(f"raised to {best.to} because {best.reason}{note}")
    for upgrade in entry.upgrade:
        if upgrade.to > grade:
            missing = blocked(upgrade, held=case.held, review=case.review, settings=rulebook.settings, as_of=as_of)
            stays = f"not raised to {upgrade.to}" if best or len(entry.upgrade) > 1 else f"stays {grade}"
            parts.append(f"{stays}: {missing}")
    if _TRIAL in case.held:
        parts.append("in a clinical trial, graded by its indication")
    long_term = entry.term == "long" or (entry.term == "either" and case.repeated)
    return _Decision(
        grade=grade,
        base_grade=base_grade,
        upgraded="yes" if best else "no",
        commissioned="routine",
        prior_approval=getattr(approval, case.phase),
        review_overdue="yes" if long_term and not case.review.counts else "no",
        reason=_sentence(parts, case, source_of(entry)),
    )


def _not_listed(case: _Case, as_of: date) -> _Decision:
    entry = case.entry
    if entry is None:
        first = "unlisted: the criteria do not list it, so it has no grade"
    else:
        first = f"{entry.key}: not in force on {as_of.isoformat()}, so it has no grade"
    if _TRIAL in case.held:
        commissioned, funding = "no", "a clinical trial of something not commissioned, held until supply is secure"
    elif _IFR in case.held:
        commissioned, funding = "ifr", "funded by an approved individual request, after grade 1"
    else:
        commissioned, funding = "no", "no individual funding approved"
    return _Decision(
        grade=None,
        base_grade=None,
        upgraded="no",
        commissioned=commissioned,
        prior_approval="required",
        review_overdue="no",
        reason=_sentence([first, funding], case, "" if entry is None else source_of(entry)),
    )


def _sentence(parts: list[str], case: _Case, source: str) -> str:
    if case.declined:
        parts = [*parts, "the panel declined this treatment"]
    return "; ".join(parts) + (f" ({source})" if source else "")
