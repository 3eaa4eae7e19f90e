"""The page of a comparison of policies: paired differences on the same patients and the same luck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from allocation.reporting import charts_studies
from allocation.reporting.blocks import Chart, Column, Page, Section, chart, table
from allocation.reporting.comparison_disclosure import shared_comparison
from allocation.reporting.disclosure import is_national, shown
from allocation.reporting.load import StudyRun
from allocation.reporting.shared_parts import assumptions_section, cohort_table, manifest_section
from allocation.reporting.simulation_facts import summary_list
from allocation.reporting.study_parts import figure_text, study_facts
from allocation.reporting.style import LEAD
from allocation.reporting.words import grade_name, joined, panel_name, whole

__all__ = ["comparison_headlines", "comparison_page", "shareable"]

_LEAD = ("fill_grade_4_percent", "patients_late", "fill_grade_1_percent")
_MORE = ("unmet_g", "patients_late_grade_4", "mean_days_late", "grams_switched_g", "grams_moved_g", "grams_expired_g")
_GROUP_MEASURES = ("fill_percent", "late_percent", "patients_late")
_NUMBERS = ("mean", "mean_against", "difference", "low", "high")
_CAPTION = "Dot: mean of the paired differences, filled where clear; line: 95% interval."
_LIMITS = (
    (
        "Each replication meets the same patients and the same luck under every policy, so a difference is due to the "
        "policy. Whether the scenario is right is another question; see what was assumed."
    ),
    (
        "A difference is clear where its 95% interval leaves zero out. With many outcomes looked at, one in twenty is "
        "clear by chance alone."
    ),
)


def shareable(rows: pd.DataFrame, *, share: bool) -> pd.DataFrame:
    """Differences as they may be shared, NaN where they may not."""
    if not share:
        return rows
    made = shared_comparison(rows)
    return made.assign(**{name: shown(made, name) for name in _NUMBERS})


def comparison_headlines(run: StudyRun, *, share: bool) -> tuple[str, ...]:
    """What the page opens with."""
    if not share:
        return tuple(str(line) for line in run.summary["headlines"])
    rows = shareable(run.tables["differences"], share=True)
    clear = rows[(rows["clear"] == "yes") & rows["difference"].notna() & rows["outcome"].isin((*_LEAD, *_MORE))]
    against = run.summary["against"]
    said = [f"{_title(run, name)}: {_clear_words(clear[clear['policy'] == name], against)}" for name in _others(run)]
    return (str(run.summary["headlines"][0]), *said)


def _clear_words(rows: pd.DataFrame, against: str) -> str:
    if rows.empty:
        return f"no clear difference to {against} that may be shown."
    told = [
        f"{label[0].lower()}{label[1:]} {figure_text(value)} {unit} {'more' if value > 0 else 'less'}"
        for label, value, unit in zip(rows["label"], rows["difference"].abs(), rows["unit"], strict=True)
    ]
    return f"{joined(told)} than under {against}."


def comparison_page(run: StudyRun, *, share: bool) -> Page:
    """The page of ``igalloc compare``."""
    summary = run.summary
    differences = shareable(run.tables["differences"], share=share)
    sections = [
        Section(
            key="outcomes-section",
            title="More outcomes",
            parts=(_strips(run, differences, _MORE, key="more"), _outcome_table(run, differences)),
        ),
        _group_section(run, "grade", share=share),
        _group_section(run, "panel", share=share),
        _policies(summary),
        assumptions_section(summary_list(summary, "assumptions"), list(summary.get("sources") or []), ()),
        Section(key="limits-section", title="Limits", words=_LIMITS),
    ]
    made = cohort_table(summary["cohort"], shared=share, national=is_national(()))
    sections.append(manifest_section(run.manifest, shared=share, changed=run.changed, before=[made] if made else []))
    return Page(
        title=f"Policies compared: {summary['title']}",
        kind="Comparison of policies",
        about=str(summary.get("description") or ""),
        facts=study_facts(summary, share=share),
        headlines=comparison_headlines(run, share=share),
        lead=_strips(run, differences, _LEAD, key="differences", desk=True),
        sections=tuple(sections),
        shared=share,
        changed=run.changed,
    )


def _others(run: StudyRun) -> list[str]:
    return [str(one["name"]) for one in run.summary["policies"][1:]]


def _title(run: StudyRun, name: str) -> str:
    titles = {str(one["name"]): str(one.get("title") or one["name"]) for one in run.summary["policies"]}
    return titles.get(name, name)


def _strips(
    run: StudyRun, differences: pd.DataFrame, outcomes: Sequence[str], *, key: str, desk: bool = False
) -> Chart:
    against = _title(run, str(run.summary["against"]))
    wanted = [name for name in outcomes if name in set(differences["outcome"])]
    part = differences[differences["outcome"].isin(wanted)]
    part = part.sort_values("outcome", key=lambda column: column.map(wanted.index), kind="stable")
    frame = part.assign(
        outcome=[f"{label}, {unit}" for label, unit in zip(part["label"], part["unit"], strict=True)],
        policy=[_title(run, name) for name in part["policy"]],
    )
    # Seen on the run's own numbers: the shared ones have no intervals.
    same = _all_same(run.tables["differences"].loc[part.index])
    if same.all():
        same[:] = False
    finding = _finding(frame[~same.to_numpy()], against)
    unchanged = list(dict.fromkeys(part.loc[same, "label"]))
    alike = [f"Not drawn, as every replication is the same: {joined(unchanged).lower()}."] if unchanged else []
    columns = [
        Column("outcome", "Outcome"),
        Column("policy", "Policy"),
        *_number_columns(),
        Column("clear", "Clear"),
    ]
    return chart(
        lambda size: charts_studies.differences(frame[~same.to_numpy()], size=size, against=against),
        key=key,
        finding=finding,
        description=f"{finding}. The table below has every number.",
        caption=" ".join([_CAPTION, f"Zero is “{against}”.", *alike]),
        data=table(frame, columns, key=f"{key}-data", caption="Differences shown in the chart", heads=2),
        **({"desk": LEAD} if desk else {}),
    )


def _all_same(rows: pd.DataFrame) -> pd.Series[bool]:
    """Rows of outcomes that no policy changes in any replication."""
    none = (rows["difference"] == 0) & (rows["low"] == 0) & (rows["high"] == 0)
    return none.groupby(rows["outcome"]).transform("all")


def _finding(frame: pd.DataFrame, against: str) -> str:
    clear = frame[(frame["clear"] == "yes") & frame["difference"].notna()]
    if clear.empty:
        return f"No difference to “{against}” is clear"
    parts = [
        f"{policy} {'raises' if value > 0 else 'lowers'} “{label[0].lower()}{label[1:]}”"
        for policy, label, value in zip(clear["policy"], clear["label"], clear["difference"], strict=True)
    ]
    more = f", and {len(parts) - 2} more differences are clear" if len(parts) > 2 else ""
    return f"Against “{against}”, {joined(parts[:2]) if not more else ', '.join(parts[:2])}{more}"


def _number_columns() -> list[Column]:
    return [
        Column("mean", "Mean", figure_text),
        Column("mean_against", "Mean of the first", figure_text),
        Column("difference", "Difference", figure_text),
        Column("low", "95% low", figure_text),
        Column("high", "95% high", figure_text),
        Column("replications", "Replications", whole),
    ]


def _outcome_table(run: StudyRun, differences: pd.DataFrame) -> Any:
    frame = differences.assign(policy=[_title(run, name) for name in differences["policy"]])
    columns = [
        Column("label", "Outcome"),
        Column("unit", "Unit"),
        Column("policy", "Policy"),
        *_number_columns(),
        Column("clear", "Clear"),
    ]
    return table(frame, columns, key="all-differences", caption="All outcomes", heads=3)


def _group_section(run: StudyRun, group: str, *, share: bool) -> Section:
    rows = shareable(run.tables[f"by_{group}"], share=share)
    rows = rows[rows["measure"].isin(_GROUP_MEASURES)]
    name = (lambda key: grade_name(int(float(key)))) if group == "grade" else panel_name
    frame = rows.assign(group=[name(key) for key in rows[group]], policy=[_title(run, one) for one in rows["policy"]])
    columns = [
        Column("group", group.capitalize()),
        Column("policy", "Policy"),
        Column("label", "Measure"),
        *_number_columns(),
        Column("clear", "Clear"),
    ]
    made = table(frame, columns, key=f"by-{group}", caption=f"Differences by {group}", heads=3)
    return Section(key=f"by-{group}-section", title=f"Who gains and who loses, by {group}", parts=(made,))


def _policies(summary: Mapping[str, Any]) -> Section:
    frame = pd.DataFrame(
        [
            {
                "name": str(one.get("title") or one["name"]),
                "rule": str(one.get("rule", "")),
                "package": " ".join(str(one.get(key, "")) for key in ("distribution", "version")).strip(),
                "assumptions": " ".join(str(text) for text in one.get("assumptions") or ()) or "none",
            }
            for one in summary["policies"]
        ]
    )
    columns = [
        Column("name", "Policy"),
        Column("rule", "Rule", roomy=True),
        Column("assumptions", "Assumptions", roomy=True),
        Column("package", "Package"),
    ]
    made = table(
        frame, columns, key="policies", caption="Policies compared; the first is what the others are set against"
    )
    return Section(key="policies-section", title="The policies", parts=(made,))
