"""Reading the folder of a forecast into values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from allocation.errors import Fault, InputError
from allocation.reporting.load import changed_outputs

__all__ = ["ForecastRun", "is_forecast", "load_forecast"]

_BANDS = ("low_80", "high_80", "low_95", "high_95")
_SCORES = ("mase", "wape", "coverage_80", "coverage_95", "coverage_80_corrected", "coverage_95_corrected")
_PARTS = ("growth_g", "patients_g", "mix_g", "dose_g")


@dataclass(frozen=True, slots=True)
class ForecastRun:
    """What a forecast left in its folder.

    Attributes
    ----------
    findings
        Its findings, a paragraph for the forecast and, with a cohort, one for the comparison.
    manifest, changed
        ``manifest.json``, and outputs that no longer are what the run wrote.
    history, forecast, breaks, notes
        The tables ``history``, ``forecast``, ``breaks`` and ``data_notes``; grams.
    backtest
        The table of that name; None where the models were not tried on the past.
    comparison, groups, bottom_up
        What a cohort needs beside the forecast; None without a cohort.
    """

    findings: tuple[str, ...]
    manifest: Mapping[str, Any]
    changed: tuple[str, ...]
    history: pd.DataFrame
    forecast: pd.DataFrame
    breaks: pd.DataFrame
    notes: pd.DataFrame
    backtest: pd.DataFrame | None
    comparison: pd.DataFrame | None
    groups: pd.DataFrame | None
    bottom_up: pd.DataFrame | None


def is_forecast(folder: Path) -> bool:
    """Whether a folder is what ``igalloc forecast`` wrote, by its manifest."""
    try:
        record = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(record, dict) and record.get("command") == "forecast"


def load_forecast(folder: Path) -> ForecastRun:
    """The forecast in a folder.

    Raises
    ------
    InputError
        Where a file is missing, unreadable, short of a column, or holds a word where a number belongs.
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    try:
        said = (folder / "findings.txt").read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(Fault(str(folder / "findings.txt"), "a readable file", remedy=f"{error}.")) from None
    forecast = _table(folder / "forecast.csv", ("month", "level", "panel", "group"), ("grams", *_BANDS))
    history = _table(folder / "history.csv", ("month", "panel", "group", "filled", "provisional"), ("grams", "days"))
    if history.empty or not forecast["level"].eq("nation").any():
        raise InputError(Fault(str(folder), "a forecast with a history and a row for the nation"))
    with_cohort = (folder / "comparison.csv").is_file()
    return ForecastRun(
        findings=tuple(part.strip() for part in said.split("\n\n") if part.strip()),
        manifest=manifest,
        changed=changed_outputs(folder, manifest),
        history=history,
        forecast=forecast,
        breaks=_table(
            folder / "breaks.csv",
            ("level", "panel", "group", "kind", "first_month", "handled"),
            ("months", "change_share"),
        ),
        notes=_table(folder / "data_notes.csv", ("kind", "name", "first_month", "last_month", "text"), ("months",)),
        backtest=_table(folder / "backtest.csv", ("model", "level", "loses_to_naive"), _SCORES)
        if (folder / "backtest.csv").is_file()
        else None,
        comparison=_table(
            folder / "comparison.csv",
            ("panel", "from_month", "to_month"),
            ("top_down_g", "bottom_up_g", "difference_g", *_PARTS),
        )
        if with_cohort
        else None,
        groups=_table(
            folder / "comparison_groups.csv",
            ("group",),
            ("patients", "share", "grams_per_patient_year", "reference_share", "reference_grams_per_patient_year"),
        )
        if with_cohort
        else None,
        bottom_up=_table(folder / "bottom_up.csv", ("month", "level", "panel"), ("grams", "top_down_g", *_BANDS))
        if with_cohort
        else None,
    )


def _table(path: Path, texts: Iterable[str], numbers: Iterable[str]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=f"{error.strerror or error}.")) from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(Fault(str(path), "a CSV file in UTF-8", remedy=f"The reader says: {error}.")) from None
    named = tuple(numbers)
    faults = [Fault(str(path), "this column", column=name) for name in (*texts, *named) if name not in frame.columns]
    if faults:
        raise InputError(faults)
    for name in named:
        values = pd.to_numeric(frame[name].replace("", "nan"), errors="coerce")
        bad = frame.index[values.isna() & frame[name].ne("")]
        if len(bad):
            row = int(bad[0])
            raise InputError(Fault(str(path), "a number", row=row + 2, column=name, value=str(frame[name].iloc[row])))
        frame[name] = values.astype("float64")
    return frame
