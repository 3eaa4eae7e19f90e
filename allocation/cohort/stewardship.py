"""Grams a year that stewardship could free, patient by patient, and the table a panel asks for first.

Seven kinds of saving are taken one after the other, each on what those before it leave (:data:`KINDS`), so that no gram
is counted twice and the kinds add up to the total exactly:

1. ``interval``: courses more often than printed, with more grams a week than the criteria allow.
2. ``dose``: grams above the highest printed dose even by actual weight.
3. ``dosing_weight``: grams above the highest printed dose by dosing weight.
4. ``packs``: the same dose from a product whose vials waste less of it.
5. ``rounding``: the rest of the waste, rounded to whole vials as the rulebook rounds.
6. ``weaning``: the protocol's steps in the year ahead, for those taken to be stable: long on treatment, and reviewed.
7. ``trial_off``: what is saved besides where the protocol lets treatment end.

What is used now counts whole vials: part of one that is opened and thrown away is used. Nothing here says that a saving
is right for a person; weaning in particular is counted as if it succeeded in everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.demand import courses_within
from allocation.cohort.guideline import Guideline
from allocation.cohort.in_use import cycle_weeks_of
from allocation.cohort.packs import PackPolicy, Pieces, best_packs, in_vials
from allocation.cohort.stewardship_settings import KINDS, load_stewardship
from allocation.dosing.parameters import weaning_of
from allocation.dosing.weaning import weaned_rates
from allocation.grading import day_of, days_of, entries_of, is_value, need_columns
from allocation.quantities import DAYS_PER_WEEK, MG_PER_G, WEEKS_PER_YEAR
from allocation.rules import ProductSet, Rulebook

__all__ = ["KINDS", "SavingsOptions", "savings_of", "stewardship_table"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_NEEDED = (
    *("start_date", "last_dose_date", "next_due_date", "panel_decision", "commissioned", "review_overdue"),
    *("dose_g", "interval_weeks", "weight_kg", "ongoing_need_proven", "route", "product"),
)
# A dose within a billionth of a limit keeps to it.
_DUST = 1e-9


@dataclass(frozen=True, slots=True)
class SavingsOptions:
    """What the cohort and the panel say about the savings.

    Attributes
    ----------
    recorded_by
        By which weight the recorded doses were reckoned: ``unknown`` counts only grams that the actual weight alone
        explains; ``actual`` scales every recorded dose to the dosing weight; ``dosing`` counts none.
    packs
        Which products may stand in for the patient's: of the ``same_route``, of ``any_route`` that the criteria print
        for the condition, or ``none``.
    weaning
        By ``dose``, by ``interval``, or ``none``.
    """

    recorded_by: Literal["unknown", "actual", "dosing"] = "unknown"
    packs: PackPolicy = "same_route"
    weaning: Literal["dose", "interval", "none"] = "dose"


def savings_of(
    graded: pd.DataFrame,
    guideline: Guideline,
    *,
    rulebook: Rulebook,
    products: ProductSet,
    as_of: date,
    options: SavingsOptions | None = None,
) -> pd.DataFrame:
    """Milligrams a year used now and freed by each kind of saving.

    Parameters
    ----------
    graded, guideline
        A graded cohort and its :func:`allocation.cohort.guideline.guideline_of`.

    Returns
    -------
    DataFrame
        With the index of ``graded``; all amounts int64 milligrams in the year ahead:

        ``now_mg``
            What the recorded treatment takes, or the guideline's where none is recorded. A course without an interval
            counts as often as it is due within a year, short-term treatment no more often than the rulebook repeats it,
            and as if it began today. 0 for those declined or not commissioned, and where no dose is
            known.
        ``saving_<kind>_mg``
            For each of :data:`KINDS`; never negative.
        ``saving_mg``, ``left_mg``
            All of them together, and what remains; the two sum to ``now_mg``.
        ``proposed_course_mg``, ``proposed_interval_weeks``, ``proposed_product``
            The treatment before weaning that the first five kinds lead to; the product is blank where it stays.

    Raises
    ------
    InputError
        Where a column is missing.
    """
    need_columns(graded, _NEEDED, "graded cohort")
    options = options or SavingsOptions()
    rulebook = rulebook.on(as_of)
    now = _Now.of(graded, guideline, rulebook=rulebook, as_of=as_of)
    interval = _interval_back(now, guideline, graded)
    to_highest = np.minimum(now.dose_g, now.allowed(_limit_by_actual(guideline, options), interval))
    by_weight = np.minimum(to_highest, now.allowed(_limit(guideline.high_g), interval))
    if options.recorded_by == "actual":
        share = guideline.dosing_kg / graded["weight_kg"].to_numpy(dtype=np.float64)
        by_weight = np.minimum(by_weight, to_highest * np.where(np.isnan(share), 1.0, np.minimum(share, 1.0)))
    own = Pieces(by_weight, interval, guideline.vials, guideline.sizes)
    packed = best_packs(graded, guideline, own, rulebook=rulebook, products=products, policy=options.packs)
    rounded = in_vials(packed.pieces, rulebook.dosing.rounding)

    used: list[Ints] = [
        now.a_year(in_vials(Pieces(now.dose_g, now.interval_weeks, guideline.vials, guideline.sizes), "up")),
        now.a_year(in_vials(Pieces(now.dose_g, interval, guideline.vials, guideline.sizes), "up"), interval),
        now.a_year(in_vials(Pieces(to_highest, interval, guideline.vials, guideline.sizes), "up"), interval),
        now.a_year(in_vials(own, "up"), interval),
        now.a_year(in_vials(packed.pieces, "up"), packed.pieces.interval_weeks),
        now.a_year(rounded, packed.pieces.interval_weeks),
    ]
    may = _may_be_weaned(graded, now, guideline, rulebook=rulebook, as_of=as_of) & (options.weaning != "none")
    method: Literal["dose", "interval"] = "interval" if options.weaning == "interval" else "dose"
    for ending in (False, True):
        weaned = _weaned(used[5], packed.pieces, guideline, np.flatnonzero(may), rulebook, method=method, ending=ending)
        used.append(np.minimum(weaned, used[-1]))
    columns: dict[str, npt.NDArray[np.generic]] = {"now_mg": used[0]}
    for kind, (before, after) in zip(KINDS, pairwise(used), strict=True):
        columns[f"saving_{kind}_mg"] = before - after
    columns["saving_mg"], columns["left_mg"] = used[0] - used[-1], used[-1]
    counted = used[0] > 0
    columns["proposed_course_mg"] = np.where(counted, rounded, 0)
    columns["proposed_interval_weeks"] = packed.pieces.interval_weeks
    columns["proposed_product"] = np.where(counted, packed.product, "")
    return pd.DataFrame(columns, index=graded.index)


def stewardship_table(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Savings by group: patients, grams used now, each kind of saving, the total and its share.

    Parameters
    ----------
    frame
        Columns of ``by`` (and ``review_overdue`` where reviews are to be counted) beside those of :func:`savings_of`.
    by
        Columns to group by; none for one row of totals.

    Returns
    -------
    DataFrame
        ``by``, ``patients``, ``patients_with_savings``, ``reviews_overdue`` where known, amounts of :func:`savings_of`
        as int64 milligrams a year, and ``share`` saved of what is used. Largest total saving first.
    """
    amounts = ["now_mg", *(f"saving_{kind}_mg" for kind in KINDS), "saving_mg", "left_mg"]
    need_columns(frame, (*by, *amounts), "savings")
    counted = frame[[*by, *amounts]].assign(patients=1, patients_with_savings=(frame["saving_mg"] > 0).astype(np.int64))
    counts = ["patients", "patients_with_savings"]
    if "review_overdue" in frame:
        counted["reviews_overdue"] = is_value(frame["review_overdue"], "yes").astype(np.int64)
        counts.append("reviews_overdue")
    if by:
        grouped = counted.groupby(list(by), observed=True, dropna=False, sort=True)[[*counts, *amounts]].sum()
        table = grouped.astype(np.int64).reset_index()
    else:
        table = counted[[*counts, *amounts]].sum().astype(np.int64).to_frame().T
    table["share"] = table["saving_mg"] / table["now_mg"].where(table["now_mg"] > 0)
    return table.sort_values("saving_mg", ascending=False, kind="stable").reset_index(drop=True)


@dataclass(frozen=True, slots=True)
class _Now:
    """Treatment as it is: grams of a course (0 where none is counted), interval (NaN for none), courses a year.

    ``singles`` are the courses of those without an interval, ``most`` those that short-term treatment may have at all.
    """

    dose_g: Floats
    interval_weeks: Floats
    singles: Floats
    most: Floats
    shortest_weeks: Floats

    @classmethod
    def of(cls, graded: pd.DataFrame, guideline: Guideline, *, rulebook: Rulebook, as_of: date) -> _Now:
        recorded, weeks = (graded[name].to_numpy(dtype=np.float64) for name in ("dose_g", "interval_weeks"))
        dose = np.where(np.isnan(recorded), guideline.course_mg / MG_PER_G, recorded)
        funded = ~is_value(graded["commissioned"], "no") & ~is_value(graded["panel_decision"], "declined")
        open_ended = np.array([*(regimen.open_ended for regimen in guideline.regimens), False])[guideline.regimen]
        cycles = np.array([*map(cycle_weeks_of, guideline.regimens), np.nan])[guideline.regimen]
        most = np.array([*(float(r.courses_use or np.inf) for r in guideline.regimens), np.inf])[guideline.regimen]
        short = np.array([*(entry.term == "short" for entry in rulebook.entry), False])[entries_of(rulebook, graded)]
        most = np.where(open_ended | (~np.isnan(weeks) & ~short), np.inf, most)
        interval = np.where(np.isnan(weeks) & open_ended, cycles, weeks)
        cycle = np.where(np.isnan(weeks), cycles, weeks)
        singles, _ = courses_within(graded, cycle_weeks=cycle, at_most=most, today=day_of(as_of), weeks=WEEKS_PER_YEAR)
        dose = np.where(funded, dose, 0.0)
        return cls(dose, interval, singles.astype(np.float64), most, guideline.shortest_weeks)

    @property
    def repeats(self) -> Bools:
        return ~np.isnan(self.interval_weeks)

    def allowed(self, limit_g: Floats, interval_weeks: Floats) -> Floats:
        """Grams of a course that keep to a limit printed for the shortest interval, at another interval."""
        by_rate = self.repeats & ~np.isnan(self.shortest_weeks)
        return np.where(by_rate, limit_g * np.where(by_rate, interval_weeks / self.shortest_weeks, 1.0), limit_g)

    def a_year(self, course_mg: Ints, interval_weeks: Floats | None = None) -> Ints:
        """Milligrams in a year of a whole-vial course."""
        weeks = self.interval_weeks if interval_weeks is None else interval_weeks
        rate = np.minimum(WEEKS_PER_YEAR / np.where(self.repeats, weeks, 1.0), self.most)
        courses = np.where(self.repeats, rate, self.singles)
        return np.rint(course_mg * courses).astype(np.int64)


def _limit(grams: Floats) -> Floats:
    """No limit where the rulebook has no grams of ours for the patient."""
    return np.where(grams > 0, grams, np.inf)


def _limit_by_actual(guideline: Guideline, options: SavingsOptions) -> Floats:
    by_dosing = _limit(guideline.high_g)
    if options.recorded_by == "dosing":
        return by_dosing
    return np.maximum(np.where(np.isnan(guideline.high_by_actual_g), by_dosing, guideline.high_by_actual_g), by_dosing)


def _interval_back(now: _Now, guideline: Guideline, graded: pd.DataFrame) -> Floats:
    """The interval after stepping back: the shortest printed, or the one at which the grams are those allowed."""
    limit = np.maximum(_limit(guideline.high_by_actual_g), _limit(guideline.high_g))
    routes = np.array([*(regimen.route for regimen in guideline.regimens), ""], dtype=object)[guideline.regimen]
    # A dose given by another route than the one printed goes by intervals of its own.
    same_route = routes == graded["route"].to_numpy(dtype=object)
    shortest, weeks = now.shortest_weeks, now.interval_weeks
    too_often = now.repeats & same_route & (weeks < shortest) & np.isfinite(limit)
    too_much = too_often & (now.dose_g > now.allowed(limit, weeks) * (1 + _DUST))
    longer = np.minimum(shortest, now.dose_g * shortest / np.where(np.isfinite(limit), limit, 1.0))
    return np.where(too_much, np.maximum(longer, weeks), weeks)


def _may_be_weaned(graded: pd.DataFrame, now: _Now, guideline: Guideline, *, rulebook: Rulebook, as_of: date) -> Bools:
    """Long-term treatment that modulates immunity, stable long enough and reviewed, not shown to be needed still."""
    rule = load_stewardship().weaning
    modulates = np.array([*(entry.specialty not in rule.replacement_specialties for entry in rulebook.entry), False])[
        entries_of(rulebook, graded)
    ]
    started, has_start = days_of(graded["start_date"])
    long_enough = has_start & (day_of(as_of) - started >= rule.stable_for_weeks * DAYS_PER_WEEK)
    reviewed = is_value(graded["review_overdue"], "no")
    unsettled = np.logical_or.reduce(
        [is_value(graded[flag], "yes") for flag in ("ongoing_need_proven", *rule.not_while)]
    )
    open_ended = np.array([*(regimen.open_ended for regimen in guideline.regimens), False])[guideline.regimen]
    known = now.repeats & open_ended & ~np.isnan(guideline.dosing_kg) & (now.dose_g > 0)
    return np.asarray(modulates & long_enough & reviewed & ~unsettled & known)


def _weaned(
    used: Ints,
    pieces: Pieces,
    guideline: Guideline,
    rows: npt.NDArray[np.intp],
    rulebook: Rulebook,
    *,
    method: Literal["dose", "interval"],
    ending: bool,
) -> Ints:
    after = used.copy()
    if rows.size:
        rates = weaned_rates(
            used[rows] / WEEKS_PER_YEAR,
            interval_weeks=pieces.interval_weeks[rows],
            dosing_kg=guideline.dosing_kg[rows],
            course_of=pieces.take(rows).rows_by_vials(),
            rule=weaning_of(rulebook),
            method=method,
            weeks=WEEKS_PER_YEAR,
            ending=ending,
        )
        after[rows] = np.rint(rates * WEEKS_PER_YEAR).astype(np.int64)
    return after
