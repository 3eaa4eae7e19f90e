"""The pages of a breaking point and of a sensitivity analysis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from allocation.reporting import charts_studies
from allocation.reporting.blocks import Chart, Column, Page, Section, Table, chart, table
from allocation.reporting.comparison_page import comparison_page
from allocation.reporting.disclosure import is_hidden, is_national, shared_count
from allocation.reporting.load import StudyRun
from allocation.reporting.shared_parts import assumptions_section, cohort_table, manifest_section
from allocation.reporting.simulation_facts import summary_list
from allocation.reporting.simulation_measures import counts_people
from allocation.reporting.study_parts import figure_text, study_facts
from allocation.reporting.study_sentences import breaking_headlines, sensitivity_headlines
from allocation.reporting.style import LEAD, WIDE, Size
from allocation.reporting.words import percent, whole

__all__ = ["STUDY_PAGES", "breaking_page", "sensitivity_page"]

_LIMITS = (
    (
        "Every scenario here meets the same patients and the same luck, so differences are due to the numbers turned. "
        "Whether those numbers are right is another question; see what was assumed."
    ),
    "A number found here belongs to this scenario, cohort and rulebook, and to no other.",
)


def breaking_page(run: StudyRun, *, share: bool) -> Page:
    """The page of ``igalloc breaking-point``."""
    summary, points, tried = run.summary, run.tables["breaking_points"], run.tables["tried"]
    first = summary["vary"][0]
    mapped = len(summary["vary"]) > 1
    said = breaking_headlines(summary, points)
    data = _tried_table(summary, tried, share=share)
    lead = _map(summary, points, said) if mapped else _curve(summary, points, tried, said, data)
    sections = [Section(key="tried-section", title="Every size tried", parts=(data,))] if mapped else []
    return Page(
        title=f"Where it breaks: {first['label']}",
        kind="Breaking point",
        about=str(summary.get("description") or ""),
        facts=study_facts(summary, share=share),
        headlines=said,
        lead=lead,
        sections=(*sections, *_ending(run, share=share)),
        shared=share,
        changed=run.changed,
    )


def _curve(
    summary: Mapping[str, Any], points: pd.DataFrame, tried: pd.DataFrame, said: tuple[str, ...], data: Table
) -> Chart:
    first, point = summary["vary"][0], points.iloc[0]
    bracket = (float(point["holds_at"]), float(point["breaks_at"])) if point["status"] == "found" else None
    return chart(
        lambda size: charts_studies.breaking_curve(
            tried,
            size=size,
            axis=first["label"],
            share=float(summary["share_of_replications"]),
            bracket=bracket,
            base=float(first["base"]),
        ),
        key="breaking",
        finding=said[0].rstrip("."),
        description=" ".join(said),
        caption="Share of replications that break at each size tried; bars: 95% interval of the share (Wilson).",
        data=data,
        desk=LEAD,
    )


def _map(summary: Mapping[str, Any], points: pd.DataFrame, said: tuple[str, ...]) -> Chart:
    first, second = summary["vary"]
    found = points[points["status"] == "found"]
    finding = f"Where it breaks depends on “{second['label']}”"
    if found["breaks_at"].nunique() <= 1 and len(found) == len(points):
        finding = f"“{second['label']}” does not change where it breaks"
    columns = [
        Column("second_value", second["label"].capitalize(), figure_text),
        Column("status", "Found"),
        Column("holds_at", "Holds at", figure_text),
        Column("breaks_at", "Breaks at", figure_text),
    ]
    return chart(
        lambda size: charts_studies.breaking_map(
            points, size=size, first=first["label"], second=second["label"], low=first["low"], high=first["high"]
        ),
        key="breaking-map",
        finding=finding,
        description=" ".join(said),
        caption=f"“{first['label']}” from which on the scenario breaks, for each “{second['label']}”.",
        data=table(points, columns, key="breaking-points", caption="Breaking points"),
        desk=LEAD,
    )


def _tried_table(summary: Mapping[str, Any], tried: pd.DataFrame, *, share: bool) -> Table:
    outcome, names = summary["outcome"], [one["label"].capitalize() for one in summary["vary"]]
    frame = tried
    if share and counts_people(outcome["unit"]):
        frame = frame.assign(
            **{name: [shared_count(value) for value in frame[name]] for name in ("outcome_mean",)},
            outcome_low=np.nan,
            outcome_high=np.nan,
        )
    label = f"{outcome['label']}, {outcome['unit']}"
    columns = [
        *([Column("second_value", names[1], figure_text)] if len(names) > 1 else []),
        Column("value", names[0], figure_text),
        Column("broken", "Broken", whole),
        Column("replications", "Of replications", whole),
        Column("share_broken", "Share", percent),
        Column("share_low", "95% low", percent),
        Column("share_high", "95% high", percent),
        Column("outcome_mean", f"{label}, mean", figure_text, counts_people=counts_people(outcome["unit"])),
        Column("outcome_low", "95% low", figure_text),
        Column("outcome_high", "95% high", figure_text),
    ]
    return table(frame, columns, key="tried", caption="Every size tried", heads=len(names))


def sensitivity_page(run: StudyRun, *, share: bool) -> Page:
    """The page of ``igalloc sensitivity``."""
    summary, rows = run.summary, _shareable(run.summary, run.tables["sensitivity"], share=share)
    said = sensitivity_headlines(summary, rows)
    one_way = summary["method"] == "one_way"
    labels = {one["key"]: one["label"] for one in summary["vary"]}
    rows = rows.assign(label=rows["key"].map(labels))
    made: list[Chart | Table] = []
    for outcome, sentence in zip(summary["outcomes"], said, strict=False):
        part = rows[rows["outcome"] == outcome["name"]]
        if one_way:
            made.append(_tornado(outcome, part, sentence, desk=WIDE if made else LEAD))
        else:
            made.append(_indices(outcome, part, sentence))
    lead = made[0] if isinstance(made[0], Chart) else None
    rest = tuple(made[1:] if lead is not None else made)
    evidence = Section(key="effects-section", title="What each input does", parts=rest)
    return Page(
        title=f"Which inputs of “{summary['title']}” matter",
        kind="Sensitivity analysis",
        about=str(summary.get("description") or ""),
        facts=study_facts(summary, share=share),
        headlines=said,
        lead=lead,
        sections=(*([evidence] if rest else []), *_ending(run, share=share)),
        shared=share,
        changed=run.changed,
    )


def _shareable(summary: Mapping[str, Any], rows: pd.DataFrame, *, share: bool) -> pd.DataFrame:
    """The effects as they may be shared: a small difference of counts tells of few people as a small count does.

    Intervals of counts are hidden, as in the workbook.
    """
    people = [outcome["name"] for outcome in summary["outcomes"] if counts_people(outcome["unit"])]
    if not share or "difference" not in rows.columns:
        return rows
    counted = rows["outcome"].isin(people).to_numpy()
    small = np.array([is_hidden(shared_count(abs(value))) for value in rows["difference"]], dtype=np.bool_)
    rows = rows.copy()
    for name in ("low", "high"):
        rows[name] = rows[name].mask(counted)
    for name in ("difference", "swing"):
        rounded = 5.0 * np.floor(rows[name] / 5 + 0.5)
        rows[name] = np.where(counted, np.where(small, np.nan, rounded), rows[name])
    return rows


def _tornado(outcome: Mapping[str, Any], part: pd.DataFrame, sentence: str, *, desk: Size) -> Chart:
    people = counts_people(outcome["unit"])
    frame = part.reset_index(drop=True)
    axis = f"Change of: {outcome['label'].lower()}, {outcome['unit']}"
    columns_shown = [
        Column("label", "Input"),
        Column("value", "Set to", figure_text),
        Column("base_value", "As written", figure_text),
        Column("difference", f"Change, {outcome['unit']}", figure_text, counts_people=people),
        Column("low", "95% low", figure_text),
        Column("high", "95% high", figure_text),
        Column("replications", "Replications", whole),
    ]
    return chart(
        lambda size: charts_studies.tornado(frame, size=size, axis=axis),
        key=f"tornado-{outcome['name'].replace('_', '-')}",
        finding=f"{outcome['label']} depends most on “{frame['label'].iloc[0]}”",
        description=sentence,
        caption="Light bar: the low end of the input; dark bar: the high end; line: 95% interval of the paired change.",
        data=table(frame, columns_shown, key=f"effects-{outcome['name'].replace('_', '-')}", caption=axis, heads=2),
        desk=desk,
    )


def _indices(outcome: Mapping[str, Any], part: pd.DataFrame, sentence: str) -> Table:
    columns = [
        Column("label", "Input"),
        Column("first_order", "Alone", figure_text),
        Column("first_order_low", "95% low", figure_text),
        Column("first_order_high", "95% high", figure_text),
        Column("total", "With interplay", figure_text),
        Column("total_low", "95% low", figure_text),
        Column("total_high", "95% high", figure_text),
    ]
    key = f"indices-{outcome['name'].replace('_', '-')}"
    caption = f"Sobol’s indices: shares of the variance of “{outcome['label'].lower()}”"
    return table(part, columns, key=key, caption=caption, note=sentence)


def _ending(run: StudyRun, *, share: bool) -> tuple[Section, ...]:
    summary = run.summary
    made = cohort_table(summary["cohort"], shared=share, national=is_national(()))
    return (
        assumptions_section(summary_list(summary, "assumptions"), list(summary.get("sources") or []), ()),
        Section(key="limits-section", title="Limits", words=_LIMITS),
        manifest_section(run.manifest, shared=share, changed=run.changed, before=[made] if made else []),
    )


STUDY_PAGES = {"comparison": comparison_page, "breaking_point": breaking_page, "sensitivity": sensitivity_page}
"""What draws the page of each kind of study."""
