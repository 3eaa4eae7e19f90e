"""The tables that a forecast leaves behind."""

from __future__ import annotations

from dataclasses import astuple, fields

import numpy as np
import pandas as pd

from allocation.forecast.history import History, Note
from allocation.forecast.models import LEVELS
from allocation.forecast.project import Forecast

__all__ = ["breaks_frame", "forecast_frame", "history_frame", "notes_frame"]


def history_frame(history: History) -> pd.DataFrame:
    """``month, panel, group, grams, days, grams_per_day, filled, provisional``, one row for each month and series."""
    count, series = history.grams.shape
    days = np.repeat(history.days, series)
    grams = history.grams.ravel()
    return pd.DataFrame(
        {
            "month": np.repeat(np.array(history.months, dtype=object), series),
            "panel": [panel for panel, _ in history.labels] * count,
            "group": [group for _, group in history.labels] * count,
            "grams": np.round(grams, 3),
            "days": days.astype(int),
            "grams_per_day": np.round(grams / days, 3),
            "filled": history.filled.ravel(),
            "provisional": np.repeat([month in history.provisional for month in history.months], series),
        }
    )


def forecast_frame(forecast: Forecast) -> pd.DataFrame:
    """``month, level, panel, group, model, grams, low_80, high_80, low_95, high_95, interval``."""
    parts = []
    for i, node in enumerate(forecast.hierarchy.nodes):
        corrected = any((node.level, level) in forecast.factors for level in LEVELS)
        part: dict[str, object] = {
            "month": list(forecast.months), "level": node.level, "panel": node.panel, "group": node.group,
            "model": forecast.model, "grams": forecast.mean[i],
        }  # fmt: skip
        for j, level in enumerate(LEVELS):
            part[f"low_{level}"] = forecast.low[i, j]
            part[f"high_{level}"] = forecast.high[i, j]
        part["interval"] = "conformal" if corrected else "model"
        parts.append(pd.DataFrame(part))
    return pd.concat(parts, ignore_index=True)


def breaks_frame(history: History, forecast: Forecast, *, handled: bool) -> pd.DataFrame:
    """``level, panel, group, kind, first_month, months, change_share, handled``: every break found."""
    rows = [
        (
            node.level,
            node.panel,
            node.group,
            one.kind,
            history.months[one.start],
            one.months,
            round(one.share, 4),
            handled,
        )
        for node, breaks in zip(forecast.hierarchy.nodes, forecast.breaks, strict=True)
        for one in breaks
    ]
    names = ["level", "panel", "group", "kind", "first_month", "months", "change_share", "handled"]
    return pd.DataFrame(rows, columns=names)


def notes_frame(history: History) -> pd.DataFrame:
    """``kind, name, first_month, last_month, months, text``: what is known to be wrong or special in the data."""
    return pd.DataFrame([astuple(note) for note in history.notes], columns=[field.name for field in fields(Note)])
