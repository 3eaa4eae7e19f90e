"""The measures of one simulation, each worked out once and already fit to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from allocation.reporting import simulation_measures as measures
from allocation.reporting.charts import Mark
from allocation.reporting.disclosure import HIDDEN, is_hidden, is_national, protect, shared_count, shown
from allocation.reporting.frames import records
from allocation.reporting.load import SimulationRun
from allocation.reporting.shared_parts import named
from allocation.reporting.simulation_answer import Answer, everybody_told

__all__ = ["Facts", "facts_of", "summary_list"]

_BOTH = ("patients", "patients_late")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the page of a simulation says, as frames; ``*`` stands where disclosure control hid a value.

    Attributes
    ----------
    run, share, replications, national
        The run, whether small counts are hidden, how many replications, and whether every panel of England is in it.
    cover, lowest, tiers, reached, fill
        By week: weeks of cover with band; its lowest point in each replication; share of replications in each tier;
        when each tier is reached; share of grams owed that is given, by grade.
    grades, panels, indications, outcomes
        Means over replications.
    everybody
        ``patients``, ``late``, ``days_each`` and ``unmet_g`` of all together; empty where nobody was counted.
    marks, disruptions
        Disruptions for charts and as a table.
    """

    run: SimulationRun
    share: bool
    replications: int
    national: bool
    cover: pd.DataFrame
    lowest: pd.DataFrame
    tiers: pd.DataFrame
    reached: pd.DataFrame
    fill: pd.DataFrame
    grades: pd.DataFrame
    panels: pd.DataFrame
    indications: pd.DataFrame
    outcomes: pd.DataFrame
    everybody: Mapping[str, float | str]
    marks: list[Mark]
    disruptions: pd.DataFrame

    @property
    def answer(self) -> Answer:
        """What of them the sentences at the top rest on."""
        return Answer(
            lowest=self.lowest,
            start_cover=float(self.cover["median"].iloc[0]),
            reached=self.reached,
            replications=self.replications,
            grades=self.grades,
            everybody=self.everybody,
        )


def facts_of(run: SimulationRun, *, share: bool) -> Facts:
    """All measures of a run, with small counts hidden where it is to be shared."""
    national = is_national(run.panels["panel"])
    raw = measures.grade_totals(run)
    grades, panels = raw, measures.panel_totals(run)
    indications, outcomes = measures.indication_totals(run), measures.outcome_table(run)
    fill = measures.fill_by_week(run)
    everybody = _everybody(raw, share=False, exact=True) if not run.affected.empty else {}
    if share:
        grades = _shared_groups(raw, national=national)
        panels = _shared_groups(panels, national=False)
        indications = _shared_indications(indications)
        few = [int(row["grade"]) for row in records(grades) if is_hidden(row["patients"]) or row["patients"] == 0]
        hidden = {int(row["grade"]): any(is_hidden(row[name]) for name in _BOTH) for row in records(grades)}
        exact = national and not any(hidden.values())
        everybody = _everybody(raw, share=True, exact=exact) if everybody else {}
        outcomes = _shared_outcomes(outcomes, hidden=hidden, few=few, everybody=everybody, exact=exact)
        fill = fill[~fill["grade"].isin(few)]
    marks, disruptions = _marks(summary_list(run.summary, "disruptions"))
    return Facts(
        run=run,
        share=share,
        replications=len(run.replications),
        national=national,
        cover=measures.cover_by_week(run),
        lowest=measures.lowest_cover(run.national),
        tiers=measures.tier_by_week(run),
        reached=measures.tier_reached(measures.tiers_met(run.national), len(run.replications)),
        fill=fill,
        grades=grades,
        panels=panels,
        indications=indications,
        outcomes=outcomes,
        everybody=everybody,
        marks=marks,
        disruptions=disruptions,
    )


def summary_list(summary: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A list of objects in the summary; empty where there is none."""
    found = summary.get(key) or []
    return [item for item in found if isinstance(item, Mapping)]


def _shared_groups(frame: pd.DataFrame, *, national: bool) -> pd.DataFrame:
    # Of a whole grade of the country the share given rests on all its patients, not on the few who were late.
    given_by = ("patients",) if national else _BOTH
    result = protect(
        frame,
        counts=(*_BOTH, "late_p05", "late_p95"),
        grams={"due_g": ("patients",), "issued_g": ("patients",), "unmet_g": _BOTH, "deferred_g_weeks": _BOTH},
        resting={"fill": given_by, "unmet_share": _BOTH, "wait_days": _BOTH, "days_each": ("patients_late",)},
        shares={"late_share": ("patients_late", "patients")},
        national=national,
    )
    # A group in which nobody was counted cannot vouch for its grams: they are hidden as if few stood behind them.
    unknown = (frame["patients"] == 0) & (frame["due_g"] > 0)
    for column in ("due_g", "issued_g", "unmet_g", "fill", "unmet_share", "wait_days"):
        result[column] = result[column].astype(object).mask(unknown, HIDDEN)
    losses = ("unmet_g", "unmet_share", "deferred_g_weeks", "wait_days", *(() if national else ("fill",)))
    return _without_uncounted(result, frame, losses)


def _without_uncounted(result: pd.DataFrame, raw: pd.DataFrame, losses: tuple[str, ...]) -> pd.DataFrame:
    """Hide what was lost by people nobody counted: grams given up or waiting in a group with no patient late."""
    lost = (raw["unmet_g"] > 0) | (raw["deferred_g_weeks"] > 0)
    uncounted = (raw["patients_late"] == 0) & lost
    return result.assign(
        **{name: result[name].astype(object).mask(uncounted & raw[name].ne(0), HIDDEN) for name in losses}
    )


def _shared_indications(frame: pd.DataFrame) -> pd.DataFrame:
    result = protect(
        frame,
        counts=(*_BOTH, "late_p05", "late_p95"),
        grams={"unmet_g": _BOTH},
        resting={"days_each": ("patients_late",)},
        shares={"late_share": ("patients_late", "patients")},
    )
    result = _without_uncounted(result, frame, ("unmet_g",))
    # The order of hidden rows must not rank them, so it is by name.
    rank = -shown(result, "patients_late").fillna(0.5)
    return result.assign(rank=rank).sort_values(["rank", "name"], ignore_index=True).drop(columns="rank")


def _everybody(grades: pd.DataFrame, *, share: bool, exact: bool) -> dict[str, float | str]:
    totals = measures.everybody(grades)
    if share:
        totals = protect(
            totals,
            counts=_BOTH,
            grams={"unmet_g": _BOTH},
            resting={"days_each": ("patients_late",)},
            national=exact,
        ).pipe(_without_uncounted, totals, ("unmet_g",))
    return everybody_told(totals)


def _shared_outcomes(
    frame: pd.DataFrame,
    *,
    hidden: Mapping[int, bool],
    few: list[int],
    everybody: Mapping[str, float | str],
    exact: bool,
) -> pd.DataFrame:
    """Outcomes as they may be shared: counts as counts, amounts hidden where the count behind them is.

    The ends of an interval lie evenly about the mean, so a hidden mean takes them with it.
    """
    numbers = ["mean", "low", "high", *measures.QUANTILE_COLUMNS]
    result = frame.astype(dict.fromkeys(numbers, object))
    any_hidden = any(is_hidden(value) for value in everybody.values())
    for place, row in enumerate(records(frame)):
        if measures.counts_people(str(row["unit"])):
            for column in numbers:
                result.loc[place, column] = shared_count(float(row[column]), national=exact)
            if is_hidden(result.loc[place, "mean"]):
                result.loc[place, numbers] = HIDDEN
            continue
        grade = measures.grade_in(f"{row['name']} {row['label']}")
        behind = any_hidden if grade is None else hidden.get(grade, False)
        if measures.is_share(str(row["unit"])):
            behind = is_hidden(everybody.get("patients")) if grade is None else grade in few
        if behind and measures.rests_on_people(str(row["unit"])):
            result.loc[place, numbers] = HIDDEN
    return result


def _marks(disruptions: list[Mapping[str, Any]]) -> tuple[list[Mark], pd.DataFrame]:
    """Letters for disruptions: as spans for charts and as rows for a table."""
    rows: list[dict[str, Any]] = []
    for place, item in enumerate(disruptions):
        weeks, kind = item.get("weeks"), named(item.get("kind", ""))
        rows.append(
            {
                "letter": chr(ord("A") + place) if place < 26 else str(place + 1),
                "kind": kind,
                "text": str(item.get("text", "")),
                "what": str(item.get("text") or kind).rstrip("."),
                "start": float(item.get("start_week") or 0),
                "weeks": float("inf") if weeks is None else float(weeks),
                "role": str(item.get("role", "")).capitalize(),
            }
        )
    frame = pd.DataFrame(rows, columns=["letter", "kind", "text", "what", "start", "weeks", "role"])
    return [(row["letter"], row["start"], row["start"] + row["weeks"]) for row in rows], frame
