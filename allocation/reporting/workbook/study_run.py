"""The workbooks of a breaking point and of a sensitivity analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from allocation.reporting.disclosure import HIDDEN, is_hidden, shared_count
from allocation.reporting.load import StudyRun
from allocation.reporting.shared_parts import cohort_frame
from allocation.reporting.simulation_facts import summary_list
from allocation.reporting.simulation_measures import counts_people
from allocation.reporting.study_sentences import breaking_headlines, sensitivity_headlines
from allocation.reporting.words import count, number, plural
from allocation.reporting.workbook.common import assumption_sheets, finished, run_facts
from allocation.reporting.workbook.model import Field, Sheet, Tone, Workbook

__all__ = ["breaking_workbook", "sensitivity_workbook"]

_LIMITS = (
    (
        "Every scenario here meets the same patients and the same luck, so differences are due to the numbers turned. "
        "Whether those numbers are right is another question."
    ),
    "A number found here belongs to this scenario, cohort and rulebook, and to no other.",
)
_FOUND: Mapping[str, Tone] = {"found": "good", "never": "quiet", "already": "part"}
_TRIED = (
    Field("replications", "Replications", "Replications played at this size.", "whole"),
    Field("broken", "Broken", "Replications that break.", "whole"),
    Field("share_broken", "Broken (%)", "Share of the replications that break.", "share"),
    Field("share_low", "Broken, low (%)", "Lower end of the 95% interval of the share (Wilson).", "share"),
    Field("share_high", "Broken, high (%)", "Upper end of the 95% interval of the share (Wilson).", "share"),
    Field("unit", "Unit", "Unit of the outcome."),
    Field("outcome_mean", "Outcome, mean", "Mean of the outcome over the replications.", "by_unit"),
    Field("outcome_low", "Outcome, low", "Lower end of the 95% interval of the mean.", "by_unit"),
    Field("outcome_high", "Outcome, high", "Upper end of the 95% interval of the mean.", "by_unit"),
)
_EFFECTS = (
    Field("label", "Outcome", "What is measured in each replication.", roomy=True),
    Field("key", "Input", "Number of the scenario that is turned.", most=44),
    Field("end", "End", "Which end of the input's range."),
    Field("value", "Set to", "What the input is set to.", "number"),
    Field("base_value", "As written", "What the scenario has.", "number"),
    Field("unit", "Unit", "Unit of the outcome."),
    Field("difference", "Change", "Mean change of the outcome, paired by replication.", "by_unit"),
    Field("low", "Low", "Lower end of the 95% interval of the change.", "by_unit"),
    Field("high", "High", "Upper end of the 95% interval of the change.", "by_unit"),
    Field("swing", "Swing", "Largest less smallest mean over both ends and as written.", "by_unit"),
    Field(
        "first_order",
        "Alone",
        "Sobol's first-order index: share of the variance due to the input alone.",
        "number",
        digits=3,
    ),
    Field("first_order_low", "Alone, low", "Lower end of its 95% interval.", "number", digits=3),
    Field("first_order_high", "Alone, high", "Upper end of its 95% interval.", "number", digits=3),
    Field(
        "total", "With interplay", "Sobol's total index: share due to the input and its interplay.", "number", digits=3
    ),
    Field("total_low", "With interplay, low", "Lower end of its 95% interval.", "number", digits=3),
    Field("total_high", "With interplay, high", "Upper end of its 95% interval.", "number", digits=3),
    Field("replications", "Replications", "Replications behind the row.", "whole"),
)
_CHANGES = ("difference", "low", "high", "swing")


def breaking_workbook(run: StudyRun, *, share: bool) -> Workbook:
    """Where a scenario breaks, and every size tried."""
    summary, points = run.summary, run.tables["breaking_points"]
    keys = [str(one["key"]) for one in summary["vary"]]
    second = () if len(keys) < 2 else (Field("second_value", keys[1], "Number of the scenario, as set.", "number"),)
    found = (
        *second,
        Field("status", "Found", "found, never (nowhere in the range) or already (at both ends).", tones=_FOUND),
        Field("holds_at", "Holds at", f"Largest size of {keys[0]} at which it holds.", "number"),
        Field("breaks_at", "Breaks at", f"Smallest size of {keys[0]} at which it breaks.", "number"),
    )
    tried = run.tables["tried"].assign(unit=str(summary["outcome"]["unit"]))
    if share and counts_people(str(summary["outcome"]["unit"])):
        means = [shared_count(float(value)) for value in tried["outcome_mean"]]
        tried = tried.assign(outcome_mean=means, outcome_low=HIDDEN, outcome_high=HIDDEN)
    value = Field("value", keys[0], "Number of the scenario, as set.", "number")
    return _finished(
        run,
        share=share,
        kind="Breaking point",
        title=f"Where “{summary['title']}” breaks: {keys[0]}",
        answer=breaking_headlines(summary, points),
        sheets=(
            Sheet("Breaking points", "Where the scenario breaks", found, points),
            Sheet("Tried", "Every size tried", (*second, value, *_TRIED), tried, heads=len(keys),
                  note=f"The outcome is: {summary['outcome']['label']}."),
        ),
    )  # fmt: skip


def sensitivity_workbook(run: StudyRun, *, share: bool) -> Workbook:
    """Which inputs of a scenario matter."""
    summary, frame = run.summary, run.tables["sensitivity"]
    outcomes = {str(one["name"]): one for one in summary["outcomes"]}
    labels = [outcomes.get(name, {}) for name in frame["outcome"].astype(str)]
    frame = frame.assign(
        label=[str(one.get("label", name)) for one, name in zip(labels, frame["outcome"], strict=True)],
        unit=[str(one.get("unit", "")) for one in labels],
    )
    shown = _shared(frame) if share else frame
    fields = tuple(field for field in _EFFECTS if field.key in shown)
    said = shown.assign(**{n: pd.to_numeric(shown[n], errors="coerce") for n in _CHANGES if n in shown})
    return _finished(
        run,
        share=share,
        kind="Sensitivity analysis",
        title=f"Which inputs of “{summary['title']}” matter",
        answer=sensitivity_headlines(summary, said),
        sheets=(Sheet("Effects", "What each input does to each outcome", fields, shown, heads=2),),
    )


def _shared(frame: pd.DataFrame) -> pd.DataFrame:
    """Effects as they may be shared: a small change of a count tells of few people as a small count does."""
    counted = [counts_people(unit) for unit in frame["unit"]]
    changed: dict[str, pd.Series[Any]] = {}
    for name in _CHANGES:
        if name in frame:
            values = [_change(value, ends=name in ("low", "high")) if people else value
                      for value, people in zip(frame[name], counted, strict=True)]  # fmt: skip
            changed[name] = pd.Series(values, index=frame.index, dtype=object)
    return frame.assign(**changed)


def _change(value: float, *, ends: bool) -> float | str:
    if np.isnan(value):
        return value
    rounded = shared_count(abs(value))
    return HIDDEN if ends or is_hidden(rounded) else float(np.copysign(float(rounded), value)) + 0.0


def _finished(
    run: StudyRun, *, share: bool, kind: str, title: str, answer: tuple[str, ...], sheets: tuple[Sheet, ...]
) -> Workbook:
    summary = run.summary
    cohort = summary["cohort"]
    people = float(cohort["patients"])
    facts = (
        ("Scenario", str(summary["scenario"])),
        ("As of", str(summary.get("as_of") or "")),
        ("Length", plural(int(summary["weeks"]), "week")),
        ("Replications of each", number(summary["replications"], 0)),
        ("Patients in the cohort", count(shared_count(people) if share else people)),
        *run_facts(run.manifest),
    )
    groups = cohort_frame(cohort, shared=share, national=False)
    in_cohort = (
        Field("name", "In the cohort", "Group of the cohort file.", roomy=True),
        Field("people", "Patients", "Number of patients.", "count"),
    )
    told = () if groups is None else (Sheet("Cohort", "Patients of the cohort", in_cohort, groups),)
    book = Workbook(
        title=title,
        kind=kind + (", shared version" if share else ""),
        about=str(summary.get("description") or ""),
        answer=answer,
        facts=tuple((name, value) for name, value in facts if value),
        sheets=(),
        shared=share,
        changed=run.changed,
    ).with_sheets(
        *sheets,
        *told,
        *assumption_sheets(list(summary_list(summary, "assumptions")), list(summary.get("sources") or [])),
    )
    return finished(book, manifest=run.manifest, limits=_LIMITS)
