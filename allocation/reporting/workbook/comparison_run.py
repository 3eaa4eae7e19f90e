"""The workbook of a comparison of policies: paired differences, by grade and by panel, and what each policy came to."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from allocation.reporting.comparison_disclosure import shared_comparison
from allocation.reporting.disclosure import shared_count
from allocation.reporting.load import StudyRun
from allocation.reporting.simulation_facts import summary_list
from allocation.reporting.words import count, grade_name, number, panel_name, plural
from allocation.reporting.workbook.common import GRADE, PANEL, assumption_sheets, finished, run_facts
from allocation.reporting.workbook.model import Field, Sheet, Tone, Workbook, code_sheet

__all__ = ["comparison_workbook"]

_LIMITS = (
    "Every policy meets the same patients and the same luck, so differences are paired by replication.",
    "A difference is clear where its 95% interval leaves 0 out; many rows are looked at, so some are clear by chance.",
)
_CLEAR: Mapping[str, Tone] = {"yes": "good", "no": "quiet"}
_POLICY = Field("policy", "Policy", "Name of the policy.")
_UNIT = Field("unit", "Unit", "Unit of the numbers in this row.")
_LABEL = Field("label", "Measure", "What is measured in each replication.", roomy=True)
_PAIRED = (
    _UNIT,
    Field("mean", "Mean", "Mean of this policy over the paired replications.", "by_unit"),
    Field("mean_against", "Mean of the other", "Mean of the policy it is compared with.", "by_unit"),
    Field("difference", "Difference", "Mean of this policy less the other, replication by replication.", "by_unit"),
    Field("low", "Low", "Lower end of the 95% interval of the difference.", "by_unit"),
    Field("high", "High", "Upper end of the 95% interval of the difference.", "by_unit"),
    Field("clear", "Clear", "yes where the interval leaves 0 out.", tones=_CLEAR),
    Field("replications", "Replications", "Pairs of replications with a value in both.", "whole"),
)
_AGAINST = Field("against", "Compared with", "The first policy named.")


def comparison_workbook(run: StudyRun, *, share: bool) -> Workbook:
    """Everything the workbook of a comparison holds.

    Parameters
    ----------
    share
        Hide small counts, what rests on them and intervals of counts and grams; round the rest.
    """
    summary, tables = run.summary, run.tables
    cohort = summary["cohort"]
    people = float(cohort["patients"])
    said = [str(text) for text in summary.get("headlines", ())]
    facts = (
        ("Scenario", str(summary["scenario"])),
        ("As of", str(summary.get("as_of") or "")),
        ("Policies", ", ".join(str(policy["name"]) for policy in summary["policies"])),
        ("Length", plural(int(summary["weeks"]), "week")),
        ("Replications", number(summary["replications"], 0)),
        ("Patients in the cohort", count(shared_count(people) if share else people)),
        *((name, value) for name, value in run_facts(run.manifest)),
    )
    policies: list[tuple[str, ...]] = [
        (
            str(item["name"]),
            str(item.get("title", "")),
            str(item.get("rule", "")),
            " ".join(item.get("assumptions", ())),
        )
        for item in summary["policies"]
    ]
    book = Workbook(
        title=str(summary["title"]),
        kind="Comparison of policies" + (", shared version" if share else ""),
        about=str(summary.get("description") or ""),
        # Sentences are made from exact numbers, so those that count people stay at home.
        answer=tuple(text for text in said if not share or "patient" not in text.lower().replace("same patients", "")),
        facts=tuple((name, value) for name, value in facts if value),
        sheets=(),
        shared=share,
        changed=run.changed,
    ).with_sheets(
        _paired("Differences", "Each outcome of a policy against the first", tables["differences"], (), share=share),
        _paired("By grade", "Differences by grade", _graded(tables["by_grade"]), (GRADE,), share=share),
        _paired("By panel", "Differences by panel", _placed(tables["by_panel"]), (PANEL,), share=share),
        _levels(tables["levels"], share=share),
        code_sheet(
            "Policies",
            "The policies compared, the first being the one the others are compared with",
            (
                ("name", "Policy", "Name of the policy."),
                ("title", "Title", "In words."),
                ("rule", "Rule", "Who goes first."),
                ("assumptions", "Assumptions", "What it takes for granted."),
            ),
            policies,
        ),
        *assumption_sheets(list(summary_list(summary, "assumptions")), list(summary.get("sources") or [])),
    )
    return finished(book, manifest=run.manifest, limits=_LIMITS)


def _graded(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(grade_name=[grade_name(int(grade)) for grade in frame["grade"]])


def _placed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(panel_name=[panel_name(str(code)) for code in frame["panel"]])


def _paired(name: str, what: str, frame: pd.DataFrame, groups: tuple[Field, ...], *, share: bool) -> Sheet:
    keys = ["policy", *(field.key for field in groups)]
    if share:
        frame = shared_comparison(frame)
    return Sheet(name, what, (_POLICY, _AGAINST, *groups, _LABEL, *_PAIRED), frame, heads=len(keys) + 2)


def _levels(frame: pd.DataFrame, *, share: bool) -> Sheet:
    if share:
        frame = shared_comparison(frame)
    fields = (
        _POLICY,
        Field("group", "Group", "all, grade or panel."),
        Field("key", "Which", "Grade or code of the panel; blank for all."),
        _LABEL,
        _UNIT,
        Field("mean", "Mean", "Mean of the replications.", "by_unit"),
        Field("low", "Low", "Lower end of the 95% interval of the mean.", "by_unit"),
        Field("high", "High", "Upper end of the 95% interval of the mean.", "by_unit"),
        Field("replications", "Replications", "Replications with a value.", "whole"),
    )
    return Sheet("Levels", "What each policy came to by itself", fields, frame, heads=4)
