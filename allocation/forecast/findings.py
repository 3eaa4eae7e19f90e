"""What a forecast says, in a paragraph."""

from __future__ import annotations

import pandas as pd

from allocation.forecast.backtest import Backtest
from allocation.forecast.bottom_up import BottomUp
from allocation.forecast.breaks import Break
from allocation.forecast.decompose import ALL, PARTS, Comparison
from allocation.forecast.hierarchy import METHOD
from allocation.forecast.history import History
from allocation.forecast.project import Forecast
from allocation.forecast.scmd import NOT_KNOWN
from allocation.quantities import G_PER_KG

__all__ = ["cohort_findings", "findings"]

_YEAR = 12
_NAMED = 3
# What must be said first where it occurs, and how a count of it is put.
_GAPS = (
    ("missing month", "month without any data", "months without any data"),
    ("missing panel", "month of a panel without data", "months of a panel without data"),
    ("missing trust", "spell without data of a trust", "spells without data of a trust"),
    ("unmapped trust", "trust on no map", "trusts on no map"),
    ("merged trust", "merged trust", "merged trusts"),
    ("trust stops", "trust that stops", "trusts that stop"),
    ("panel stops", "panel that stops", "panels that stop"),
    (
        "superseded month",
        "provisional month replaced by its finalised file",
        "provisional months replaced by finalised files",
    ),
    ("provisional month", "month still provisional", "months still provisional"),
    ("negative month", "month below zero", "months below zero"),
)


def findings(history: History, forecast: Forecast, tried: Backtest | None, *, adjust_breaks: bool) -> str:
    """The forecast in words, for the top of a report: level, change, panels, trust in it, and what the data lack."""
    said = [_headline(history, forecast), _panels(history, forecast), _trial(forecast, tried)]
    said += [_intervals(forecast, tried), _breaks(history, forecast, adjust_breaks=adjust_breaks), _gaps(history)]
    said.append(f"Forecasts of panels, groups and the nation add up: {METHOD}.")
    said.append("Grams a day are modelled, so that long and short months compare.")
    said.append("This is for planning, not for decisions about a patient.")
    return " ".join(part for part in said if part)


def _headline(history: History, forecast: Forecast) -> str:
    months = min(_YEAR, len(forecast.months))
    ahead = float(forecast.mean[0, :months].sum())
    # The same months of the last year known, so that a season is not taken for growth.
    before = float(history.grams[-_YEAR:].sum(axis=1)[:months].sum())
    change = f", {_change(ahead / before - 1)} on the same months a year before" if before > 0 else ""
    last = forecast.months[-1]
    low, high = forecast.low[0, 0, -1], forecast.high[0, 0, -1]
    return (
        f"From {forecast.months[0]} to {forecast.months[months - 1]} all panels together are forecast to use "
        f"{ahead / G_PER_KG:,.0f} kg{change}. In {last} alone the forecast is "
        f"{forecast.mean[0, -1] / G_PER_KG:,.1f} kg, with four chances in five of lying between "
        f"{low / G_PER_KG:,.1f} and {high / G_PER_KG:,.1f} kg."
    )


def _change(share: float) -> str:
    return f"{abs(share):.1%} {'more' if share >= 0 else 'less'}"


def _panels(history: History, forecast: Forecast) -> str:
    months = min(_YEAR, len(forecast.months))
    grown = []
    for i, node in enumerate(forecast.hierarchy.nodes):
        if node.level == "panel":
            before = float((history.grams[-_YEAR:] @ forecast.hierarchy.sums[i])[:months].sum())
            if before > 0:
                grown.append((float(forecast.mean[i, :months].sum()) - before, before, node.panel))
    if len(grown) < 2:
        return ""
    top = sorted(grown, reverse=True)[:_NAMED]
    named = ", ".join(f"{name} ({gain / G_PER_KG:+,.1f} kg, {gain / before:+.1%})" for gain, before, name in top)
    return f"The panels that add most are {named}."


def _trial(forecast: Forecast, tried: Backtest | None) -> str:
    if tried is None:
        return (
            f"The model is {forecast.model}; no back-test was run, so neither it nor its intervals have been "
            "tried on this history."
        )
    if forecast.model != tried.chosen:
        return f"The model is {forecast.model}, as asked for. In the back-test: {tried.why}"
    return tried.why


def _intervals(forecast: Forecast, tried: Backtest | None) -> str:
    if tried is None:
        return ""
    own = tried.summary[(tried.summary["model"] == forecast.model) & (tried.summary["level"] == "all")].iloc[0]
    text = f"Intervals of 80 % held {own['coverage_80']:.0%} of what came, those of 95 % held {own['coverage_95']:.0%}."
    if forecast.factors:
        named = ", ".join(
            f"{level} {per_cent} % by {factor:.2f}" for (level, per_cent), factor in forecast.factors.items()
        )
        text += f" They missed by more than allowed and were corrected by conformal factors ({named})."
    return text


def _breaks(history: History, forecast: Forecast, *, adjust_breaks: bool) -> str:
    found = [
        (node, one) for node, breaks in zip(forecast.hierarchy.nodes, forecast.breaks, strict=True) for one in breaks
    ]
    if not found:
        return "No outlying month and no level shift was found."
    national = [_told(one, history) for node, one in found if node.level == "nation"]
    shifts = sum(one.kind == "level shift" for _, one in found)
    text = f"{len(found) - shifts} spells of outlying months and {shifts} level shifts were found over all series"
    text += f"; nationally: {', '.join(national)}." if national else ", none of them national."
    if adjust_breaks:
        return f"{text} They were taken out before modelling."
    return f"{text} They were left in; --breaks adjust takes them out."


def _told(one: Break, history: History) -> str:
    length = f", {one.months} months" if one.kind == "outlier" and one.months > 1 else ""
    return f"{one.kind} from {history.months[one.start]} ({one.share:+.0%}{length})"


def _gaps(history: History) -> str:
    kinds = [note.kind for note in history.notes]
    parts = []
    for kind, one, many in _GAPS:
        if count := kinds.count(kind):
            parts.append(f"{count} {one if count == 1 else many}")
    if history.medicines is not None:
        unknown = history.medicines[history.medicines["why"] == NOT_KNOWN]
        if len(unknown):
            parts.append(f"{len(unknown)} immunoglobulins not known to be normal and not counted (medicines.csv)")
    return f"The data have {', '.join(parts)}: data_notes.csv names each." if parts else "No gap was found in the data."


_PART_NAMES = {
    "growth": "growth",
    "patients": "the number of patients",
    "mix": "their mix",
    "dose": "grams per patient",
}


def cohort_findings(found: Comparison, cohort: BottomUp) -> str:
    """What a cohort's demand says beside the forecast, in words."""
    total = found.panels.loc[found.panels["panel"] == ALL].iloc[0]
    top, bottom, gap = (float(total[f"{name}_g"]) / G_PER_KG for name in ("top_down", "bottom_up", "difference"))
    share = f"{abs(gap) / top:.1%} {'more' if gap >= 0 else 'less'} than" if top > 0 else "against"
    parts = ", ".join(f"{_PART_NAMES[part]} {float(total[f'{part}_g']) / G_PER_KG:+,.1f} kg" for part in PARTS)
    counted = (
        f"Counted from the patients up, a cohort of {cohort.as_of:%Y-%m-%d} in {_panels_in_words(found)} needs "
        f"{bottom:,.0f} kg from {total['from_month']} to {total['to_month']}, {share} the {top:,.0f} kg forecast from "
        "past use."
    )
    assumed = (
        f"In the cohort {cohort.leaving_per_year:.1%} of patients a year leave and as many start, and demand grows by "
        f"{cohort.growth_per_year:.1%} a year."
    )
    said = [counted, f"The difference of {gap:+,.1f} kg is made of {parts}.", assumed]
    if not pd.isna(inside := total["months_within_95"]):
        said.append(
            f"It lies within the forecast's 95 % interval in {int(inside)} of {int(total['months'])} months, "
            f"and within that of 80 % in {int(total['months_within_80'])}."
        )
    said.append(
        "Past use says nothing of patients: on its side mix and grams per patient are those of the reference, "
        "and patients what its grams then come to. The cohort's own interval tells of chance among patients, not of "
        "whether turnover and growth are right."
    )
    for names, where in ((found.only_forecast, "history"), (found.only_cohort, "cohort")):
        if names:
            said.append(f"Only in the {where}, and in no total: {', '.join(names)}.")
    return " ".join(said)


def _panels_in_words(found: Comparison) -> str:
    return found.compared[0] if len(found.compared) == 1 else f"{len(found.compared)} panels"
