"""What a forecast says, in a paragraph."""

from __future__ import annotations

from allocation.forecast.backtest import Backtest
from allocation.forecast.breaks import Break
from allocation.forecast.hierarchy import METHOD
from allocation.forecast.history import History
from allocation.forecast.project import Forecast
from allocation.forecast.scmd import NOT_KNOWN
from allocation.quantities import G_PER_KG

__all__ = ["findings"]

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
