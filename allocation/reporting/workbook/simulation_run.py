"""The workbook of a simulation: outcomes, grades, panels, indications, and every week of cover, tier and fill."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pandas as pd

from allocation.reporting.load import SimulationRun
from allocation.reporting.shared_parts import cohort_frame
from allocation.reporting.simulation_answer import sentences
from allocation.reporting.simulation_facts import Facts, facts_of, summary_list
from allocation.reporting.simulation_page import LIMITS, head_facts
from allocation.reporting.words import grade_name
from allocation.reporting.workbook.common import GRADE, PANEL, SERVED, assumption_sheets, finished, run_facts, served
from allocation.reporting.workbook.model import Field, Sheet, Workbook, code_sheet, in_kilograms

__all__ = ["simulation_workbook"]

_WEEK = Field("week", "Week", "Week of the run; 0 is the first.", "whole")
_START = Field("starts", "Week starts", "First day of the week.", "date")
_BAND = (("p05", "5%"), ("p25", "25%"), ("median", "Median"), ("p75", "75%"), ("p95", "95%"))
_OVER = "over replications"
_MEAN = "Means over replications for the whole run."
_PATIENTS = Field("patients", "Patients", "Patients who had a course due, mean of the replications.", "count")
_LATE = Field("patients_late", "Late at least once", "Patients with a course late, mean of the replications.", "count")
_LATE_SHARE = Field("late_share", "Late (% of patients)", "Patients late as a share of the patients.", "share")
_DAYS_EACH = Field(
    "days_each",
    "Longest delay of a late patient (days)",
    "Mean over those who were late, each by the longest delay.",
    "days",
)
_DUE = Field("due_kg", "Due (kg)", "Grams newly due over the run, in kilograms.", "kilograms")
_ISSUED = Field("issued_kg", "Given (kg)", "Grams given over the run, in kilograms.", "kilograms")
_UNMET = Field("unmet_kg", "Given up (kg)", "Never given, not merely late, in kilograms.", "kilograms")
_WAIT = Field("wait_days", "Mean wait of a gram (days)", "Backlog summed over weeks divided by grams due.", "days")
_FILL = Field("fill", "Given (% of owed)", "Share of the grams owed that is given by the end of the run.", "share")


def simulation_workbook(run: SimulationRun, *, share: bool) -> Workbook:
    """Everything the workbook of a simulation holds.

    Parameters
    ----------
    share
        Whether small counts must be hidden.
    """
    facts = facts_of(run, share=share)
    summary = run.summary
    as_of = str(summary.get("as_of") or "")
    head = (*((("As of", as_of),) if as_of else ()), *head_facts(facts))
    known = {name for name, _ in head}
    book = Workbook(
        title=str(summary["title"]),
        kind="Simulation of a shortage" + (", shared version" if share else ""),
        about=str(summary.get("description") or ""),
        answer=sentences(facts.answer),
        facts=(*head, *((name, value) for name, value in run_facts(run.manifest) if name not in known)),
        sheets=(),
        shared=share,
        changed=run.changed,
    ).with_sheets(
        _outcomes(facts),
        _grades(facts),
        _panels(facts),
        _indications(facts),
        _cover(facts),
        _fill(facts),
        _tiers(facts),
        _reached(facts),
        _disruptions(facts),
        *_tier_names(summary),
        *_cohort(facts),
        *assumption_sheets(list(summary_list(summary, "assumptions")), list(summary.get("sources") or [])),
    )
    return finished(book, manifest=run.manifest, limits=LIMITS)


def _dated(frame: pd.DataFrame, facts: Facts) -> tuple[pd.DataFrame, tuple[Field, ...]]:
    """The frame with the first day of each week where the run has a calendar, and the columns for both."""
    try:
        first = date.fromisoformat(str(facts.run.summary.get("as_of") or ""))
    except ValueError:
        return frame, (_WEEK,)
    days = pd.Series([first + timedelta(weeks=int(week)) for week in frame["week"]], index=frame.index, dtype=object)
    return frame.assign(starts=days), (_WEEK, _START)


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(grade_name=[grade_name(int(grade)) for grade in frame["grade"]])


def _outcomes(facts: Facts) -> Sheet:
    level = facts.run.summary.get("confidence_level")
    interval = f"{float(level) * 100:g}% confidence interval" if level else "confidence interval"
    fields = (
        Field("label", "Outcome", "What is measured in each replication.", roomy=True),
        Field("unit", "Unit", "Unit of the numbers in this row."),
        Field("mean", "Mean", "Mean of the replications.", "by_unit"),
        Field("low", "Low", f"Lower end of the {interval} of the mean.", "by_unit"),
        Field("high", "High", f"Upper end of the {interval} of the mean.", "by_unit"),
        Field("p05", "5%", f"Quantile {_OVER}: 5 in 100 lie below.", "by_unit"),
        Field("median", "Median", f"Median {_OVER}: half of them lie below.", "by_unit"),
        Field("p95", "95%", f"Quantile {_OVER}: 5 in 100 lie above.", "by_unit"),
        Field("replications", "Replications", "Number of replications behind the row.", "whole"),
    )
    note = (
        f"Low and high are the ends of the {interval} of the mean, which narrows as replications are added; columns "
        "headed 5%, median and 95% show how far single replications spread."
    )
    return Sheet("Outcomes", "Every outcome of the run with its interval", fields, facts.outcomes, note=note)


def _grades(facts: Facts) -> Sheet:
    frame = in_kilograms(_named(facts.grades), "due_g", "issued_g", "unmet_g")
    frame = frame.assign(served=[served(value) for value in frame["fill"]])
    words = Field("served", "Served", "The share given in words.", tones=SERVED)
    fields = (GRADE, _PATIENTS, _LATE, _LATE_SHARE, _DAYS_EACH, _DUE, _ISSUED, _FILL, words, _UNMET, _WAIT)
    return Sheet("Grades", "Grades over the whole run", fields, frame, note=_MEAN)


def _panels(facts: Facts) -> Sheet:
    frame = in_kilograms(_named(facts.panels), "due_g", "unmet_g")
    lost = Field("unmet_share", "Given up (% of due)", "Given up as a share of the grams due.", "share")
    fields = (PANEL, GRADE, _PATIENTS, _LATE, _LATE_SHARE, _DUE, _UNMET, lost, _WAIT)
    return Sheet("Panels", "Panels and grades over the whole run", fields, frame, heads=2, note=_MEAN)


def _indications(facts: Facts) -> Sheet:
    frame = in_kilograms(facts.indications, "unmet_g") if len(facts.indications) else facts.indications
    fields = (
        Field("name", "Indication", "Indication and situation in words.", roomy=True),
        Field("indication", "Indication code", "Code as in the cohort file."),
        Field("situation", "Situation code", "Code as in the cohort file; blank where there is only one."),
        _PATIENTS,
        _LATE,
        Field("late_p05", "Late, 5%", f"Quantile {_OVER} of the patients late: 5 in 100 lie below.", "count"),
        Field("late_p95", "Late, 95%", f"Quantile {_OVER} of the patients late: 5 in 100 lie above.", "count"),
        _LATE_SHARE,
        _DAYS_EACH,
        _UNMET,
    )
    return Sheet("Indications", "Patients late by indication", fields, frame, note=_MEAN)


def _cover(facts: Facts) -> Sheet:
    frame, when = _dated(in_kilograms(facts.cover, "stock_g", "demand_g"), facts)
    bands = (Field(key, f"{label} (weeks)", f"Weeks of cover: {label} {_OVER}.", "weeks") for key, label in _BAND)
    fields = (
        *when,
        *bands,
        Field("stock_kg", "Stock (kg)", f"Usable stock in all places, median {_OVER}.", "kilograms"),
        Field("demand_kg", "Weekly demand (kg)", f"Expected demand of a week, median {_OVER}.", "kilograms"),
    )
    what = "Weeks of cover by week: usable stock divided by expected weekly demand"
    return Sheet("Cover by week", what, fields, frame)


def _fill(facts: Facts) -> Sheet:
    frame = facts.fill.dropna(subset=["median"]).sort_values(["week", "grade"], ascending=[True, False])
    frame, when = _dated(_named(frame), facts)
    bands = (Field(key, label, f"Share given: {label} {_OVER}.", "share") for key, label in _BAND)
    note = "Of the grams newly due in a week or still waiting, the share given in that week."
    fields = (*when, GRADE, *bands)
    return Sheet(
        "Given by week",
        "Share of the grams owed that is given, by week and grade",
        fields,
        frame,
        note=note,
        heads=len(when) + 1,
    )


def _tiers(facts: Facts) -> Sheet:
    frame, when = _dated(facts.tiers.sort_values(["week", "tier"]), facts)
    tier = Field("tier", "Tier", "Tier of the shortage, 1 to 4.", "whole")
    share = Field("share", "Replications (%)", "Share of the replications that are in this tier.", "share")
    return Sheet(
        "Tiers by week", "Share of replications in each tier, by week", (*when, tier, share), frame, heads=len(when) + 1
    )


def _reached(facts: Facts) -> Sheet:
    fields = (
        Field("tier", "Tier", "Tier of the shortage or above.", "whole"),
        Field("replications", "Replications", "Replications that reach it.", "whole"),
        Field("first_median", "First week, median", "Over the replications that reach it.", "number", digits=0),
        Field("first_p05", "First week, 5%", "Over the replications that reach it.", "number", digits=0),
        Field("first_p95", "First week, 95%", "Over the replications that reach it.", "number", digits=0),
        Field("weeks_at_or_above", "Held (weeks)", "Weeks at the tier or above, median of all replications.", "weeks"),
    )
    return Sheet("Tiers reached", "When each tier is reached, and for how long", fields, facts.reached)


def _disruptions(facts: Facts) -> Sheet:
    fields = (
        Field("letter", "Mark", "Letter of the disruption in the charts."),
        Field("kind", "Kind", "Kind of disruption."),
        Field("text", "What happens", "In words.", roomy=True),
        Field("start", "From week", "First week of it.", "whole"),
        Field("weeks", "Weeks", "How many weeks it lasts.", "whole"),
        Field("role", "Role", "Disruption, or mitigation of one."),
    )
    return Sheet("Disruptions", "What befalls supply and demand in this scenario", fields, facts.disruptions)


def _tier_names(summary: Mapping[str, object]) -> tuple[Sheet, ...]:
    rows: list[tuple[str, ...]] = [
        (f"Tier {item.get('tier')}", str(item.get("name", ""))) for item in summary_list(summary, "tiers")
    ]
    columns = (("tier", "Tier", "Tier of the shortage."), ("name", "What it means", "In words."))
    return (code_sheet("Tiers", "Tiers of the shortage and what they mean", columns, rows),)


def _cohort(facts: Facts) -> tuple[Sheet, ...]:
    cohort = facts.run.summary.get("cohort")
    frame = cohort_frame(cohort, shared=facts.share, national=facts.national) if isinstance(cohort, Mapping) else None
    if frame is None:
        return ()
    fields = (
        Field("name", "In the cohort", "Group of the cohort file.", roomy=True),
        Field("people", "Patients", "Number of patients.", "count"),
    )
    return (Sheet("Cohort", "Patients of the cohort, and what became of them in the run", fields, frame),)
