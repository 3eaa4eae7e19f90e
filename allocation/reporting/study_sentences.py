"""The answers of studies in sentences: where a scenario breaks, and which inputs matter."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from allocation.reporting.frames import records
from allocation.reporting.words import joined, number, plural

__all__ = ["breaking_headlines", "sensitivity_headlines"]

_DIGITS = 4
_MOST_KEYS = 3


def breaking_headlines(summary: Mapping[str, Any], points: pd.DataFrame) -> tuple[str, ...]:
    """Where the scenario breaks, what that means, and how far the search can be trusted.

    Parameters
    ----------
    summary
        Of a folder of ``igalloc breaking-point``: ``vary``, ``outcome``, ``limit``, ``share_of_replications``,
        ``replications``, ``contradictions``.
    points
        ``second_value``, ``status``, ``holds_at``, ``breaks_at``.
    """
    first = summary["vary"][0]
    said = []
    for row in records(points):
        second = row["second_value"]
        at = "" if math.isnan(second) else f"With “{summary['vary'][1]['label']}” at {_plain(second)}: "
        said.append(at + _point(row, first, upper=not at))
    outcome, limit = summary["outcome"], summary["limit"]
    unit = "" if outcome["unit"] == "tier" else f" {outcome['unit']}"
    share = summary["share_of_replications"]
    said.append(
        f"A replication breaks where “{outcome['label'].lower()}” is {limit['side']} {_plain(limit['number'])}{unit}; "
        f"the scenario breaks where at least {_plain(100 * share)}% of "
        f"{plural(summary['replications'], 'replication')} do."
    )
    if summary["contradictions"]:
        said.append(
            f"In {plural(summary['contradictions'], 'case')} a replication broke at a smaller shock and held at a "
            f"larger one, so “{first['label']}” does not act in one direction only; see every size tried."
        )
    return tuple(said)


def _point(row: Mapping[str, Any], first: Mapping[str, Any], *, upper: bool) -> str:
    label = f"“{first['label']}”"
    span = f"between {_plain(first['low'])} and {_plain(first['high'])}"
    if row["status"] == "never":
        text = f"the scenario does not break with {label} {span}."
    elif row["status"] == "already":
        text = f"the scenario breaks at both ends of the range of {label}, {span}; look outside it."
    else:
        text = f"the scenario breaks with {label} at {_plain(row['breaks_at'])} and holds at {_plain(row['holds_at'])}"
        text += f" (as written it is {_plain(first['base'])})."
    return text[0].upper() + text[1:] if upper else text


def sensitivity_headlines(summary: Mapping[str, Any], table: pd.DataFrame) -> tuple[str, ...]:
    """Which inputs move each outcome most.

    Parameters
    ----------
    summary
        Of a folder of ``igalloc sensitivity``: ``method``, ``outcomes``, ``vary``, ``left_out``, ``replications``.
    table
        Its ``sensitivity.csv``.
    """
    one_way = summary["method"] == "one_way"
    labels = {one["key"]: one["label"] for one in summary["vary"]}
    said = []
    for outcome in summary["outcomes"]:
        part = table[table["outcome"] == outcome["name"]]
        said.append(_one_way(outcome, part, labels) if one_way else _sobol(outcome, part, labels))
    turned = plural(len(summary["vary"]), "input")
    how = "one at a time, the others as they are" if one_way else "all at once, evenly over their ranges"
    said.append(
        f"{turned} turned {how}; {plural(summary['replications'], 'replication')} of each scenario, on the same luck."
    )
    if summary["left_out"]:
        said.append(f"Not turned, as the scenario allows no such range: {joined(summary['left_out'])}.")
    return tuple(said)


def _one_way(outcome: Mapping[str, Any], part: pd.DataFrame, labels: Mapping[str, str]) -> str:
    label = outcome["label"]
    largest = [key for key in part["key"].unique() if part.loc[part["key"] == key, "swing"].iloc[0] > 0]
    if not largest:
        return f"{label}: none of the inputs turned changes it."
    first, *others = largest[:_MOST_KEYS]
    unit = "" if outcome["unit"] in ("tier", "week") else f" {outcome['unit']}"
    ends = [
        f"{_signed(row['difference'])}{unit} at {_plain(row['value'])}" for row in records(part[part["key"] == first])
    ]
    then = f"; then with {joined([f'“{labels[key]}”' for key in others])}" if others else ""
    return f"{label} changes most with “{labels[first]}” ({', '.join(ends)}){then}."


def _sobol(outcome: Mapping[str, Any], part: pd.DataFrame, labels: Mapping[str, str]) -> str:
    known = part.dropna(subset=["total"])
    if known.empty:
        return f"{outcome['label']}: it does not vary over these ranges, or some replications have no value."
    told = [
        f"“{labels[row['key']]}” ({number(100 * max(row['total'], 0.0), 0)}%)"
        for row in records(known.sort_values("total", ascending=False).head(_MOST_KEYS))
    ]
    return f"{outcome['label']}: the largest shares of its variance, interplay included, are due to {joined(told)}."


def _signed(value: float) -> str:
    return "no value" if math.isnan(value) else f"{value:+.3g}".replace("-", "−")


def _plain(value: float) -> str:
    return f"{value:.{_DIGITS}g}"
