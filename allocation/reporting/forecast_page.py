"""The page of a forecast: how much will be needed, how sure that is, and how it compares with the patients counted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from allocation.quantities import G_PER_KG
from allocation.reporting import charts_forecast
from allocation.reporting.blocks import Chart, Column, Page, Section, Table, chart, rows_of_mapping, table
from allocation.reporting.disclosure import is_hidden, shared_count
from allocation.reporting.forecast_facts import UNMAPPED, ForecastFacts, forecast_facts
from allocation.reporting.frames import highest, records
from allocation.reporting.load_forecast import ForecastRun
from allocation.reporting.shared_parts import manifest_section
from allocation.reporting.style import LEAD
from allocation.reporting.words import count, kilograms, number, panel_name, percent, plural, whole, words_of

__all__ = ["forecast_headlines", "forecast_page"]

_ANSWERS = 3
"""Sentences of the findings that answer the question; the others say how far to trust them."""

_SENTENCE = re.compile(r"(?<=[.)])\s+(?=[A-Z\d])")
_PURPOSE = "This is for planning"
_LIMITS = (
    ("An interval speaks of what the past has shown. A new indication, a recall or a change of criteria is not in it."),
    "Use in a shortage is what was to be had, not what was needed; a past shortage is carried into the forecast.",
)
_LEVELS = {
    "nation": "All together",
    "group": "By group",
    "panel": "By panel",
    "panel and group": "By panel and group",
    "all": "Mean of all",
}
_PARTS = {"growth": "growth", "patients": "number of patients", "mix": "mix of conditions", "dose": "grams per patient"}


def forecast_page(run: ForecastRun, *, share: bool) -> Page:
    """Everything the page of a forecast says, in order.

    Parameters
    ----------
    run
        From :func:`~allocation.reporting.load_forecast.load_forecast`.
    share
        Whether grams below national level must be rounded and small counts hidden.
    """
    facts = forecast_facts(run, share=share)
    said = _sentences(run.findings[0]) if run.findings else ()
    compared = _comparison(facts)
    sections = [
        _panel_section(facts),
        _trust_section(facts, said[_ANSWERS:]),
        *([compared] if compared is not None else []),
        _breaks_section(facts),
        _assumed(run),
        Section(key="limits-section", title="Limits", words=_LIMITS),
        manifest_section(_without_many(run.manifest), shared=share, changed=run.changed),
    ]
    return Page(
        title=f"Demand from {facts.ahead[0]} to {facts.ahead[-1]}",
        kind="Forecast of demand",
        about="Grams used, forecast by panel, group and nation from the use of the past.",
        facts=_head(facts),
        headlines=forecast_headlines(run),
        lead=_nation(facts, said),
        sections=tuple(sections),
        shared=share,
        changed=run.changed,
    )


def forecast_headlines(run: ForecastRun) -> tuple[str, ...]:
    """The sentences that the page opens with."""
    return _sentences(run.findings[0])[:_ANSWERS] if run.findings else ()


def _sentences(text: str) -> tuple[str, ...]:
    parts = (part.strip() for part in _SENTENCE.split(text))
    return tuple(part for part in parts if part and not part.startswith(_PURPOSE))


def _head(facts: ForecastFacts) -> tuple[tuple[str, str], ...]:
    made = facts.run.manifest.get("forecast", {})
    panels = [code for code in facts.panels["panel"] if code != UNMAPPED]
    pairs = (
        ("History", f"{facts.months[0]} to {facts.months[-1]}"),
        ("Ahead", plural(len(facts.ahead), "month")),
        ("Model", str(made.get("model", "")) if isinstance(made, Mapping) else ""),
        ("Panels", number(len(panels), 0) if panels else ""),
    )
    return tuple((name, value) for name, value in pairs if value)


def _nation(facts: ForecastFacts, said: tuple[str, ...]) -> Chart:
    ahead = facts.nation.dropna(subset=["grams"])
    last = records(ahead.tail(1))[0]
    finding = (
        f"{kilograms(last['grams'])} kg in {last['month']}, most likely from {kilograms(last['low_80'])} to "
        f"{kilograms(last['high_80'])} kg"
    )
    columns = [
        Column("month", "Month"),
        Column("used", "Used, kg", kilograms),
        Column("grams", "Forecast, kg", kilograms),
        Column("low_80", "80% from, kg", kilograms),
        Column("high_80", "80% to, kg", kilograms),
        Column("low_95", "95% from, kg", kilograms),
        Column("high_95", "95% to, kg", kilograms),
    ]
    return chart(
        lambda size: charts_forecast.draw_fan(facts.fan, size),
        key="nation",
        finding=finding,
        description=" ".join(said[:_ANSWERS]) or finding,
        caption="Use of all panels together by month, and its forecast with the intervals that hold 80 and 95 months "
        "in 100.",
        data=table(facts.nation, columns, key="nation-data", caption="Use and forecast by month"),
        desk=LEAD,
    )


def _panel_section(facts: ForecastFacts) -> Section:
    key, title = "panels-section", "Which panels need more"
    if facts.panels.empty:
        return Section(key=key, title=title, words=("The history tells of no panels.",))
    ahead = min(len(facts.ahead), 12)
    columns = [
        Column("name", "Panel", roomy=True),
        Column("before", "Last twelve months, kg", kilograms),
        Column("next", f"Next {plural(ahead, 'month')}, kg", kilograms),
        Column("change", "Change on the same months a year before, %", percent),
    ]
    data = table(facts.panels, columns, key="panel-sums", caption="Use and forecast by panel")
    known = facts.panels[facts.panels["change"].notna() & facts.panels["panel"].ne(UNMAPPED)]
    finding = "Use and forecast by panel"
    if len(known):
        most = highest(known, known["change"])
        word = "grows most" if most["change"] > 0 else "falls least"
        finding = f"{most['name']} {word}: {percent(most['change'])} on the same months a year before"
    drawn = chart(
        lambda size: charts_forecast.draw_panels(list(facts.fans), size),
        key="panel-fans",
        finding=finding,
        description=f"{finding}. The table below holds every panel.",
        caption="Each panel on a scale of its own.",
        data=data,
    )
    return Section(key=key, title=title, parts=(drawn,))


def _trust_section(facts: ForecastFacts, words: tuple[str, ...]) -> Section:
    parts: list[Table] = []
    tried = facts.run.backtest
    if tried is not None:
        frame = tried.assign(
            level=[_LEVELS.get(level, words_of(level)) for level in tried["level"]],
            loses=tried["loses_to_naive"],
        )
        columns = [
            Column("model", "Model"),
            Column("level", "Level"),
            Column("mase", "Scaled error", _two),
            Column("wape", "Error, % of grams", percent),
            Column("coverage_80", "Held by 80%", percent),
            Column("coverage_95", "Held by 95%", percent),
            Column("coverage_80_corrected", "Held by 80%, corrected", percent),
            Column("coverage_95_corrected", "Held by 95%, corrected", percent),
            Column("loses", "Loses to last year’s month"),
        ]
        note = (
            "Scaled error: below 1 is better than repeating last year’s month. Held: months that lay in the interval; "
            "corrected by the misses of the past."
        )
        parts.append(
            table(
                frame, columns, key="backtest", caption="How each model would have done on the past", note=note, heads=2
            )
        )
    else:
        words = (*words, "The models were not tried on the past; --backtest does that.")
    return Section(key="trust-section", title="How far to trust it", words=words, parts=tuple(parts))


def _two(value: object) -> str:
    return number(value, 2)


def _comparison(facts: ForecastFacts) -> Section | None:
    run = facts.run
    if run.comparison is None or run.groups is None or facts.together is None:
        return None
    key, title = "cohort-section", "Counted from the patients up"
    if facts.share and is_hidden(shared_count(float(run.groups["patients"].sum()))):
        return Section(key=key, title=title, words=("The cohort has too few patients for its need to be shown.",))
    said = _sentences(run.findings[1]) if len(run.findings) > 1 else ()
    rows = run.comparison
    total = records(rows[rows["panel"].eq("All panels")])[0] if rows["panel"].eq("All panels").any() else None
    parts: list[Chart | Table] = [_beside(facts, said)]
    if total is not None:
        parts.append(_difference(total))
    if not facts.share:
        parts.append(_by_panel(rows))
    if facts.groups is not None:
        parts.append(_by_group(facts.groups))
    if facts.share:
        said = (*said, "Panels are left out: how many patients of each stand behind its grams is not in the run.")
    return Section(key=key, title=title, words=said, parts=tuple(parts))


def _beside(facts: ForecastFacts, said: tuple[str, ...]) -> Chart:
    fan = facts.together
    if fan is None or fan.cohort is None or fan.cohort_low is None or fan.cohort_high is None:
        raise ValueError("the forecast was not compared with a cohort")
    frame = pd.DataFrame(
        {
            "month": facts.ahead,
            "forecast": fan.mean * G_PER_KG,
            "cohort": fan.cohort * G_PER_KG,
            "low": fan.cohort_low * G_PER_KG,
            "high": fan.cohort_high * G_PER_KG,
        }
    )
    columns = [
        Column("month", "Month"),
        Column("forecast", "Forecast, kg", kilograms),
        Column("cohort", "Cohort needs, kg", kilograms),
        Column("low", "95% from, kg", kilograms),
        Column("high", "95% to, kg", kilograms),
    ]
    gap = float(fan.cohort.sum() / fan.mean.sum() - 1) if fan.mean.sum() else 0.0
    word = "more" if gap > 0 else "less"
    finding = f"The cohort needs {percent(abs(gap))} {word} than the forecast from past use"
    return chart(
        lambda size: charts_forecast.draw_fan(fan, size),
        key="cohort",
        finding=finding,
        description=said[0] if said else finding,
        caption=f"{fan.name}: past use, its forecast, and what the patients counted need.",
        data=table(frame, columns, key="cohort-data", caption="Forecast and need of the cohort by month"),
    )


def _difference(total: Mapping[str, Any]) -> Chart:
    bars = [(name, float(total[f"{name}_g"]) / G_PER_KG) for name in _PARTS]
    difference = float(total["difference_g"]) / G_PER_KG
    largest = max(bars, key=lambda bar: abs(bar[1]))
    finding = f"Most of the difference is {_PARTS[largest[0]]}: {_signed(largest[1])} kg"
    frame = pd.DataFrame(
        [(_PARTS.get(name, name).capitalize(), kg) for name, kg in [*bars, ("together", difference)]],
        columns=["part", "kg"],
    )
    columns = [Column("part", "Part"), Column("kg", "Cohort less forecast, kg", _signed)]
    return chart(
        lambda size: charts_forecast.draw_parts(bars, difference, size),
        key="cohort-parts",
        finding=finding,
        description="; ".join(f"{name} {_signed(kg)} kg" for name, kg in [*bars, ("together", difference)]) + ".",
        caption="What the difference between the cohort’s need and the forecast is made of.",
        data=table(frame, columns, key="cohort-parts-data", caption="Parts of the difference"),
    )


def _signed(value: object) -> str:
    kg = float(value)  # type: ignore[arg-type]
    return ("+" if kg > 0 else "") + number(kg)


def _by_panel(rows: pd.DataFrame) -> Table:
    frame = rows.assign(name=[panel_name(code) for code in rows["panel"]])
    columns = [
        Column("name", "Panel", roomy=True),
        Column("top_down_g", "Forecast, kg", kilograms),
        Column("bottom_up_g", "Cohort needs, kg", kilograms),
        Column("difference_g", "Difference, kg", kilograms),
        *(Column(f"{name}_g", f"Of it {words}, kg", kilograms) for name, words in _PARTS.items()),
    ]
    return table(frame, columns, key="cohort-panels", caption="Forecast and need of the cohort by panel")


def _by_group(groups: pd.DataFrame) -> Table:
    columns = [Column("group", "Group of conditions"), Column("patients", "Patients", count, counts_people=True)]
    if "share" in groups:
        columns.append(Column("share", "Share of patients, %", percent))
    columns += [
        Column("grams_per_patient_year", "Grams a patient and year", whole),
        Column("reference_share", "Share in the reference, %", percent),
        Column("reference_grams_per_patient_year", "Grams in the reference", whole),
    ]
    return table(groups, columns, key="cohort-groups", caption="Who is in the cohort, beside the reference")


def _breaks_section(facts: ForecastFacts) -> Section:
    run = facts.run
    words = [] if len(run.breaks) else ["No month stands out and no level shifts."]
    parts: list[Table] = []
    if len(run.breaks):
        frame = run.breaks.assign(
            level=[_LEVELS.get(level, words_of(level)) for level in run.breaks["level"]],
            kind=[words_of(kind) for kind in run.breaks["kind"]],
        )
        columns = [
            Column("level", "Level"),
            Column("panel", "Panel"),
            Column("group", "Group"),
            Column("kind", "What"),
            Column("first_month", "From"),
            Column("months", "Months", whole),
            Column("change_share", "Against what was expected, %", percent),
            Column("handled", "Taken out"),
        ]
        parts.append(table(frame, columns, key="breaks", caption="Months and shifts that stand out", heads=3))
    if len(run.notes) and facts.share:
        words.append("Notes on the data of single trusts are left out of a page to be shared.")
    elif len(run.notes):
        columns = [
            Column("kind", "What"),
            Column("name", "Of"),
            Column("first_month", "From"),
            Column("last_month", "To"),
            Column("text", "Note", roomy=True),
        ]
        frame = run.notes.assign(kind=[words_of(kind) for kind in run.notes["kind"]])
        parts.append(table(frame, columns, key="data-notes", caption="What is wrong or special in the data", heads=2))
    return Section(key="breaks-section", title="What stands out in the past", words=tuple(words), parts=tuple(parts))


def _assumed(run: ForecastRun) -> Section:
    made = run.manifest.get("forecast")
    settings = {**(made if isinstance(made, Mapping) else {}), **_options(run.manifest)}
    record = rows_of_mapping(settings, key="assumed", caption="Settings of this forecast", head="Setting", body="Value")
    words = (
        "The past goes on: season, trend and spread are those of the history. Every level adds up to the one above it.",
    )
    return Section(key="assumptions-section", title="What was assumed", words=words, parts=(record,))


def _options(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    found = manifest.get("options")
    return found if isinstance(found, Mapping) else {}


def _without_many(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without the settings, which stand above."""
    return {key: value for key, value in manifest.items() if key not in ("options", "forecast")}
