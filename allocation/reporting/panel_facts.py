"""What one panel's report says, worked out once and already fit to be shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from allocation.errors import Fault, InputError
from allocation.reporting import allocation_measures as measures
from allocation.reporting.allocation_facts import allocation_facts
from allocation.reporting.allocation_proof import shared_reasons
from allocation.reporting.disclosure import HIDDEN, is_hidden, protect, shared_count, shared_grams, shown
from allocation.reporting.frames import records
from allocation.reporting.load import AllocationRun
from allocation.rules import load_panels

__all__ = ["PanelFacts", "panel_codes", "panel_facts"]

_FEWEST_OTHERS = 2
_REVIEWS = ("cohort", "reviews_overdue", "overdue_due")


@dataclass(frozen=True, slots=True)
class PanelFacts:
    """One panel of an allocation; ``*`` stands where disclosure control hid a value.

    Attributes
    ----------
    run, code, region, share
        The run, the panel, its region (blank for a panel we do not know) and whether small counts are hidden.
    grades
        By grade, 4 first: ``patients`` due, each of the statuses, grams, ``fill_rate``; ``others`` and ``nearby``, the
        median share given in the other panels of the run and of the region; and, where the run has them, ``cohort``
        (patients due or not), ``reviews_overdue``, ``overdue_due`` (of these, due) and their grams.
    together
        The counts and grams of all grades.
    rank, of
        Place of the panel among all by the share of grams given, 1 for the least; 0 where it cannot be told.
    stock_g, weekly_g, cover_weeks
        Stock of the panel when the allocation was made, grams due a week, and weeks they last; NaN if unknown.
    reasons
        How many were given each reason.
    patients
        Patients of the panel in the order of grade and status; None on a page that is shared.
    """

    run: AllocationRun
    code: str
    region: str
    share: bool
    grades: pd.DataFrame
    together: Mapping[str, float | str]
    rank: int
    of: int
    stock_g: float | str
    weekly_g: float | str
    cover_weeks: float | str
    reasons: pd.DataFrame
    patients: pd.DataFrame | None

    @property
    def has_reviews(self) -> bool:
        """Whether the run noted overdue reviews by panel."""
        return "reviews_overdue" in self.grades.columns


def panel_codes(run: AllocationRun) -> tuple[str, ...]:
    """Panels of a run, sorted."""
    more = () if run.cohort is None else tuple(run.cohort["panel"])
    return tuple(sorted({*run.patients["panel"], *more}))


def panel_facts(run: AllocationRun, code: str, *, share: bool) -> PanelFacts:
    """All that one panel's report says.

    Raises
    ------
    InputError
        Where the run has no such panel.
    """
    codes = panel_codes(run)
    if code not in codes:
        raise InputError(Fault("--panel", f"all, or one of {', '.join(codes)}", value=code))
    own = replace(run, patients=run.patients[run.patients["panel"] == code])
    grades, together = _grades(run, own, code, share=share)
    panel = load_panels().by_code.get(code)
    rank, of = _rank(run, code, share=share)
    stock_g, weekly_g, cover = _shelf(run, code, due=together["patients"], share=share)
    reasons = measures.reason_table(own)
    return PanelFacts(
        run=run,
        code=code,
        region=panel.region if panel else "",
        share=share,
        grades=grades,
        together=together,
        rank=rank,
        of=of,
        stock_g=stock_g,
        weekly_g=weekly_g,
        cover_weeks=cover,
        reasons=shared_reasons(reasons) if share else reasons,
        patients=None if share else _list(own.patients),
    )


def _grades(
    run: AllocationRun, own: AllocationRun, code: str, *, share: bool
) -> tuple[pd.DataFrame, Mapping[str, float | str]]:
    """The table by grade with medians of the others, and the sums of its counts and grams."""
    facts = allocation_facts(run, share=share)
    raw = measures.status_by_grade(own)
    names = [name for name in raw.columns if name != "grade"]
    counted = raw.astype(dict.fromkeys(names, "float64"))
    reviews: list[str] = []
    if run.cohort is not None:
        mine = run.cohort[run.cohort["panel"] == code].rename(columns={"patients": "cohort"})
        reviews = [*_REVIEWS, "overdue_due_g", "overdue_given_g"]
        counted = counted.merge(mine[["grade", *reviews]], on="grade", how="outer").fillna(0.0)
    grams = facts.panels[facts.panels["panel"] == code]
    exact = measures.fill_by_panel(run)
    exact = exact[exact["panel"] == code]
    sums = counted.drop(columns="grade").sum().to_frame().T.astype("float64")
    for name in ("due_g", "given_g", "unmet_g"):
        sums[name] = float(exact[name].sum())
    few = measures.served_and_short(own, ["panel"])
    sums["served"], sums["short"] = (float(few[name].sum()) for name in ("served", "short"))
    sums["fill_rate"] = sums["given_g"] / sums["due_g"].where(sums["due_g"] > 0)
    if share:
        counts = tuple(name for name in (*names, *_REVIEWS) if name in counted)
        behind = {name: ("patients", "overdue_due") for name in reviews if name.endswith("_g")}
        counted = protect(counted, counts=counts, grams=behind)
        given = ("patients", "served", "short")
        sums = protect(
            sums,
            counts=(*counts, "served", "short"),
            grams={"due_g": ("patients",), "given_g": given, "unmet_g": given, **behind},
            resting={"fill_rate": given},
        )
    table = counted.merge(
        grams[["grade", "due_g", "given_g", "unmet_g", "fill_rate"]], on="grade", how="left"
    ).sort_values("grade", ascending=False, ignore_index=True)
    others = facts.panels[facts.panels["panel"] != code]
    region = _regions(others["panel"])
    here = _regions(pd.Series([code])).iloc[0]
    if share:
        # A nought beside few patients would tell what became of every one of them.
        few_rows = table["patients"].map(is_hidden)
        told = [*(name for name in names if name != "patients"), "given_g", "unmet_g", "fill_rate", *reviews]
        held = [name for name in told if name != "cohort"]
        table[held] = table[held].astype(object).mask(few_rows, HIDDEN)
    table["others"] = _medians(others, table["grade"])
    table["nearby"] = _medians(others[region == here] if here else others.iloc[:0], table["grade"])
    return table, records(sums)[0]


def _regions(codes: pd.Series[str]) -> pd.Series[str]:
    known = load_panels().by_code
    return codes.map(lambda code: known[code].region if code in known else "")


def _medians(others: pd.DataFrame, grades: pd.Series[int]) -> list[float]:
    """Median share given by grade, of panels where something was due and may be shown; NaN for fewer than two."""
    values = shown(others, "fill_rate")
    found = []
    for grade in grades:
        known = values[others["grade"] == grade].dropna()
        found.append(float(known.median()) if len(known) >= _FEWEST_OTHERS else math.nan)
    return found


def _rank(run: AllocationRun, code: str, *, share: bool) -> tuple[int, int]:
    """Place among the panels by the share of all grams given, the least first; equal shares share the better place."""
    sums = run.panels.groupby("panel")[["patients", "due_g", "given_g"]].sum()
    few = measures.served_and_short(run, ["panel"]).set_index("panel").reindex(sums.index).fillna(0)
    sums = sums[sums["due_g"] > 0]
    if share:
        counts = pd.concat([sums["patients"], few["served"], few["short"]], axis=1).reindex(sums.index)
        hidden = counts.apply(lambda column: column.between(1, 7)).any(axis=1)
        sums = sums[~hidden]
    if code not in sums.index or len(sums) < _FEWEST_OTHERS:
        return 0, len(sums)
    fill = (sums["given_g"] / sums["due_g"]).round(6)
    return int((fill < fill[code]).sum()) + 1, len(fill)


def _shelf(
    run: AllocationRun, code: str, *, due: float | str, share: bool
) -> tuple[float | str, float | str, float | str]:
    if run.shelves is None:
        return math.nan, math.nan, math.nan
    row = run.shelves[run.shelves["location"] == code]
    if row.empty:
        return 0.0, math.nan, math.nan
    stock_g, weekly_g, cover = (float(row[name].iloc[0]) for name in ("stock_g", "weekly_g", "cover_weeks"))
    if not share:
        return stock_g, weekly_g, cover
    few = isinstance(due, str) or isinstance(shared_count(float(due)), str)
    # What is due a week would be had from stock and cover, so all three go where few are due.
    weekly = shared_grams(weekly_g, hidden=few)
    return shared_grams(stock_g), weekly, HIDDEN if few and not math.isnan(cover) else cover


def _list(patients: pd.DataFrame) -> pd.DataFrame:
    order = {name: place for place, name in enumerate(measures.STATUSES)}
    rank = patients["status"].map(order).fillna(len(order))
    late = pd.to_numeric(patients["days_overdue"], errors="coerce") if "days_overdue" in patients else 0
    sorted_rows = patients.assign(_rank=rank, _late=late, _grade=patients["grade"].astype(int))
    return sorted_rows.sort_values(
        ["_grade", "_rank", "_late", "patient_id"], ascending=[False, True, False, True], ignore_index=True
    ).drop(columns=["_rank", "_late", "_grade"])
