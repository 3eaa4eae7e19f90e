"""Parts of a simulation's page that some runs have: which products ran out, and what waiting may do to health."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from allocation.reporting.blocks import Column, Section, Table, table
from allocation.reporting.disclosure import HIDDEN, is_hidden, shared_count
from allocation.reporting.load import SimulationRun
from allocation.reporting.shared_parts import CONFIDENCE
from allocation.reporting.words import NO_VALUE, count, joined, number, plural, times, whole

__all__ = ["more_sections"]

_COUNTED = ("patients", "pneumonias", "infections", "patient-weeks", "patient-years")
"""Units that count people, or what befalls them."""

_NUMBERS = ("mean", "low", "high", "p05", "p95")
_FIRST_NAMED = 3
_ORDER = (
    "replacement",
    "mean_trough",
    "trough_fall",
    "pneumonias",
    "infections",
    "neuropathy",
    "weeks_without",
    "relapses_expected",
)


def more_sections(run: SimulationRun, *, share: bool, national: bool) -> tuple[Section, ...]:
    """The sections that a run has something to say in."""
    sections = []
    if run.stock_outs is not None and len(run.stock_outs):
        sections.append(_stock_outs(run.stock_outs, replications=len(run.replications)))
    reckoned = run.summary.get("consequences")
    if isinstance(reckoned, Mapping) and isinstance(reckoned.get("outcomes"), Mapping):
        sections.append(_consequences(reckoned, share=share, national=national))
    return tuple(sections)


def _stock_outs(rows: pd.DataFrame, *, replications: int) -> Section:
    """By product: how often it ran out, when first, and for how long; no people stand behind it."""
    grouped = rows.groupby("product", sort=True)
    frame = pd.DataFrame(
        {
            "panels": grouped["first_panel_week"].count(),
            "nation": grouped["first_week"].count(),
            "first_panel": grouped["first_panel_week"].median(),
            "first_nation": grouped["first_week"].median(),
            "panel_weeks": grouped["panel_weeks"].mean(),
        }
    ).reset_index()
    frame = frame[frame["panels"] > 0]
    key, title = "stock-outs-section", "Which products run out"
    if frame.empty:
        return Section(key=key, title=title, words=("No product runs out at a panel that uses it.",))
    frame = frame.sort_values(
        ["nation", "panels", "panel_weeks", "product"], ascending=[False, False, False, True], ignore_index=True
    )
    everywhere = frame[frame["nation"] > 0]
    if everywhere.empty:
        said = "No product runs out in all the country; shelves of single panels do."
    else:
        named = [
            f"{product} (in {times(int(hits), replications)}, first in week {number(week, 0)} at the median)"
            for product, hits, week in everywhere[["product", "nation", "first_nation"]]
            .head(_FIRST_NAMED)
            .itertuples(index=False, name=None)
        ]
        rest = len(everywhere) - len(named)
        said = f"Out in all the country: {joined([*named, *([f'{rest} more'] if rest > 0 else [])])}."
    of = f"of {replications}"
    columns = [
        Column("product", "Product"),
        Column("nation", f"Replications out everywhere, {of}", whole),
        Column("first_nation", "First week everywhere, median", whole),
        Column("panels", f"Replications out at some panel, {of}", whole),
        Column("first_panel", "First week at some panel, median", whole),
        Column("panel_weeks", "Weeks out, summed over panels, mean", number),
    ]
    note = "Out: less than the smallest vial is left after a week's courses, where the product is in use."
    made = table(frame, columns, key="stock-outs", caption="Products that run out", note=note)
    return Section(key=key, title=title, words=(said,), parts=(made,))


def _consequences(reckoned: Mapping[str, Any], *, share: bool, national: bool) -> Section:
    outcomes = reckoned["outcomes"]
    frame = pd.DataFrame(
        [
            {name: outcome.get(name) for name in ("label", "unit", *_NUMBERS)}
            for _, outcome in sorted(outcomes.items(), key=_place)
            if isinstance(outcome, Mapping)
        ]
    )
    frame[list(_NUMBERS)] = frame[list(_NUMBERS)].astype("float64").astype(object)
    counted = frame["unit"].isin(_COUNTED)
    if share:
        # As in any table: once one is hidden, all are rounded, or it might be had from the others.
        means = frame.loc[counted, "mean"].astype("float64")
        exact = national and not any(is_hidden(shared_count(mean)) for mean in means)
        rows = []
        for values, people in zip(frame[list(_NUMBERS)].to_numpy(), counted, strict=True):
            shared = [shared_count(float(value), national=exact) for value in values] if people else list(values)
            rows.append([HIDDEN] * len(shared) if is_hidden(shared[0]) else shared)
        frame[list(_NUMBERS)] = pd.DataFrame(rows, columns=list(_NUMBERS), index=frame.index, dtype=object)
    for name in _NUMBERS:
        frame[name] = [(count if people else _four)(value) for value, people in zip(frame[name], counted, strict=True)]
    columns = [
        Column("label", "Expected in the cohort", roomy=True),
        Column("unit", "Unit"),
        Column("mean", "Mean", str),
        Column("low", "Low", str),
        Column("high", "High", str),
        Column("p05", "5%", str),
        Column("p95", "95%", str),
    ]
    note = (
        "Low and high are the ends of the interval of the mean; 5% and 95% of the replications, which draw the numbers "
        "below anew, hold how unsure those are."
    )
    made = table(frame, columns, key="consequences", caption="Infections and relapses expected", note=note)
    rows_shown = tuple(
        tuple(replace(cell, people=people and place > 1) for place, cell in enumerate(row))
        for row, people in zip(made.rows, counted, strict=True)
    )
    made = replace(made, rows=rows_shown)
    words = (str(reckoned.get("caveat", "")),)
    parts = (made, *_parameters(reckoned.get("parameters")))
    return Section(key="consequences-section", title="What waiting may do to health", words=words, parts=parts)


def _place(item: tuple[str, object]) -> tuple[int, str]:
    """Infections before relapses, and each after what it rests on; the file has them by name."""
    starts = [place for place, start in enumerate(_ORDER) if item[0].startswith(start)]
    return (starts[0] if starts else len(_ORDER), item[0])


def _four(value: object) -> str:
    if is_hidden(value):
        return HIDDEN
    amount = float(value)  # type: ignore[arg-type]
    return NO_VALUE if np.isnan(amount) else number(amount, 0 if abs(amount) >= 100 else 2)


def _parameters(found: object) -> tuple[Table, ...]:
    items = [item for item in found if isinstance(item, Mapping)] if isinstance(found, list | tuple) else []
    if not items:
        return ()
    frame = pd.DataFrame(
        [
            {
                "label": str(item.get("label", item.get("name", ""))),
                "unit": str(item.get("unit", "")),
                "drawn": _drawn(item),
                "source": _source(item.get("source")),
                "confidence": CONFIDENCE.get(str(item.get("confidence", "")), str(item.get("confidence", ""))),
            }
            for item in items
        ]
    )
    columns = [
        Column("label", "Number", roomy=True),
        Column("unit", "Unit"),
        Column("drawn", "Range, and the middle"),
        Column("source", "Source", roomy=True),
        Column("confidence", "Confidence", roomy=True),
    ]
    caption = f"{plural(len(items), 'number')} that these rest on"
    return (table(frame, columns, key="consequence-numbers", caption=caption),)


def _drawn(item: Mapping[str, Any]) -> str:
    low, mode, high = (item.get(name) for name in ("low", "mode", "high"))
    mode = item.get("value", mode) if mode is None else mode
    if low is None or high is None:
        return NO_VALUE if mode is None else f"{mode:g}"
    if low == high:
        return f"{low:g}"
    return f"{low:g} to {high:g}" + ("" if mode is None else f", {mode:g}")


def _source(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(str(value[name]) for name in ("document", "section", "note") if value.get(name)) or NO_VALUE
    if isinstance(value, list | tuple):
        return "; ".join(_source(item) for item in value)
    return str(value or NO_VALUE)
