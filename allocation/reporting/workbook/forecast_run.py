"""The workbook of a demand forecast: the forecast with its intervals, the history, the back-test and the data notes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from allocation.errors import Fault, InputError
from allocation.reporting.disclosure import shared_grams
from allocation.reporting.load import changed_outputs
from allocation.reporting.words import panel_name
from allocation.reporting.workbook.common import finished, run_facts
from allocation.reporting.workbook.model import Field, Sheet, Workbook
from allocation.tables import read_table

__all__ = ["forecast_workbook"]

_MONTH = Field("month", "Month", "First day of the month.", "date")
_LEVEL = Field("level", "Level", "Whether the row is the nation, a group, a panel, or a panel and group.")
_PANEL = Field("panel_name", "Panel", "Panel of the trusts; UNMAPPED for trusts on no map; blank for all.", roomy=True)
_GROUP = Field("group", "Group", "Way of giving, or the group in the history; blank for all.")
_MODEL = Field("model", "Model", "Statistical model.")
_LIMITS = (
    "An interval speaks of what the past has shown. A new indication, a recall or a change of criteria is not in it.",
    "Forecasts of panels, groups and the nation add up.",
)
_ANSWERS = 3  # sentences of the findings that answer the question; the others say how far to trust them
_YEAR_MONTH = re.compile(r"\d{4}-\d{2}")


def forecast_workbook(folder: Path, *, share: bool) -> Workbook:
    """Everything the workbook of a forecast holds.

    Parameters
    ----------
    share
        Round grams below national level and leave out the notes on single trusts.

    Raises
    ------
    InputError
        Where a file of the run is missing or is not what a forecast writes.
    """
    record = _record(folder / "manifest.json")
    options = record.get("options", {})
    findings = re.split(r"(?<=[.)])\s+(?=[A-Z\d])", _text(folder / "findings.txt").strip())
    said = tuple(part.strip() for part in findings if part.strip())
    sheets = [_forecast(folder, share=share), _history(folder, share=share), _breaks(folder)]
    if (folder / "backtest.csv").is_file():
        sheets += [_backtest(folder), _backtest_series(folder)]
    if not share:
        sheets += [_notes(folder)]
        if (folder / "medicines.csv").is_file():
            sheets += [_medicines(folder)]
    months = sheets[0].frame["month"]
    book = Workbook(
        title="Forecast of demand",
        kind="Forecast of demand" + (", shared version" if share else ""),
        about=f"{options.get('horizon_months', '')} months ahead, by panel and group.".lstrip(),
        answer=said[:_ANSWERS],
        facts=(
            ("As of", f"{sheets[1].frame['month'].max():%Y-%m}, the last month of the history"),
            ("Forecast", f"{months.min():%Y-%m} to {months.max():%Y-%m}"),
            ("Model", str(record.get("forecast", {}).get("model", ""))),
            *run_facts(record),
        ),
        sheets=(),
        shared=share,
        changed=changed_outputs(folder, record),
    ).with_sheets(*sheets)
    return finished(book, manifest=record, limits=_LIMITS, words=said[_ANSWERS:])


def _record(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise InputError(Fault(str(path), "the record of a run, as JSON")) from None
    return value if isinstance(value, dict) else {}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=f"{error.strerror or error}.")) from None


def _table(path: Path, *, numbers: Iterable[str], months: Iterable[str] = ("month",)) -> pd.DataFrame:
    """A table of the run with numbers and months typed, and panels named; only its header where it has no rows."""
    try:
        frame = read_table(path)
    except InputError:
        if path.is_file() and len(path.read_text(encoding="utf-8").splitlines()) == 1:
            return pd.DataFrame(columns=[*_text(path).strip().split(","), "panel_name"], dtype=object)
        raise
    for name in (*numbers, *months):
        if name not in frame:
            raise InputError(Fault(str(path), "this column", column=name))
    for name in numbers:
        frame[name] = pd.to_numeric(frame[name].replace("", None), errors="coerce")
    for name in months:
        frame[name] = pd.Series([_month(text) for text in frame[name]], index=frame.index, dtype=object)
    if "panel" in frame:
        frame["panel_name"] = [panel_name(code) if code else "" for code in frame["panel"]]
    return frame


def _month(text: str) -> date | str:
    return date(int(text[:4]), int(text[5:]), 1) if _YEAR_MONTH.fullmatch(text) else text


def _rounded(frame: pd.DataFrame, names: Iterable[str], *, share: bool) -> pd.DataFrame:
    """Grams below national level as they may be shared."""
    if not share:
        return frame
    national = (frame["level"] == "nation").tolist() if "level" in frame else [False] * len(frame)
    return frame.assign(
        **{
            name: [
                shared_grams(float(value), national=exact) for value, exact in zip(frame[name], national, strict=True)
            ]
            for name in names
        }
    )


def _forecast(folder: Path, *, share: bool) -> Sheet:
    ends = ("low_80", "high_80", "low_95", "high_95")
    frame = _rounded(_table(folder / "forecast.csv", numbers=("grams", *ends)), ("grams", *ends), share=share)
    bounds = (
        Field(
            name,
            f"{end}, {share_of}% (g)",
            f"{end} of the interval that holds {share_of} months in 100.",
            "grams",
            digits=0,
        )
        for name, end, share_of in (
            ("low_80", "Low", 80),
            ("high_80", "High", 80),
            ("low_95", "Low", 95),
            ("high_95", "High", 95),
        )
    )
    fields = (
        _MONTH,
        _LEVEL,
        _PANEL,
        _GROUP,
        Field("grams", "Forecast (g)", "Mean forecast of the grams used in the month.", "grams", digits=0),
        *bounds,
        _MODEL,
        Field("interval", "Interval", "conformal where the intervals were corrected by their past misses, else model."),
    )
    return Sheet("Forecast", "Grams forecast by month, at every level", fields, frame, heads=4)


def _history(folder: Path, *, share: bool) -> Sheet:
    frame = _rounded(
        _table(folder / "history.csv", numbers=("grams", "days", "grams_per_day")), ("grams",), share=share
    )
    daily = Field("grams_per_day", "Used a day (g)", "Grams divided by the days of the month.", "grams", digits=1)
    fields = (
        _MONTH,
        _PANEL,
        _GROUP,
        Field("grams", "Used (g)", "Grams used in the month, corrections netted off.", "grams", digits=0),
        Field("days", "Days", "Days of the month.", "whole"),
        *(() if share else (daily,)),
        Field("filled", "Filled in", "yes where the month was missing and was filled in."),
        Field("provisional", "Provisional", "yes where the month is not final yet."),
    )
    return Sheet("History", "Grams used by month, panel and group", fields, frame, heads=3)


def _breaks(folder: Path) -> Sheet:
    frame = _table(folder / "breaks.csv", numbers=("months", "change_share"), months=("first_month",))
    fields = (
        _LEVEL,
        _PANEL,
        _GROUP,
        Field("kind", "Kind", "Outlying months, or a level that shifted for good."),
        Field("first_month", "First month", "First day of the month in which it begins.", "date"),
        Field("months", "Months", "How many months it lasts.", "whole"),
        Field("change_share", "Change (%)", "Change against what was expected.", "share"),
        Field("handled", "Taken out", "yes where it was taken out before the forecast."),
    )
    return Sheet("Breaks", "Months and shifts that stand out from a series", fields, frame, heads=3)


def _backtest(folder: Path) -> Sheet:
    frame = _table(folder / "backtest.csv", numbers=[name for name, _, _ in _SCORES] + ["series"], months=())
    fields = (_MODEL, _LEVEL, Field("series", "Series", "How many series.", "whole"), *_scores())
    return Sheet("Back-test", "How each model would have done on the past", (*fields, _LOSES), frame, heads=2)


def _backtest_series(folder: Path) -> Sheet:
    numbers = [name for name, _, _ in _SCORES if not name.endswith("_corrected")]
    frame = _table(folder / "backtest_series.csv", numbers=numbers, months=())
    fields = (_MODEL, _LEVEL, _PANEL, _GROUP, *(field for field in _scores() if field.key in numbers), _LOSES)
    return Sheet("Back-test by series", "How each model would have done on each series", fields, frame, heads=4)


_LOSES = Field("loses_to_naive", "Loses to naive", "yes where repeating last year's month would have done better.")
_SCORES = (
    ("mase", "Scaled error", "Mean absolute scaled error: below 1 is better than repeating last year's month."),
    ("wape", "Error (% of grams)", "Sum of errors as a share of the grams used."),
    ("coverage_80", "Held by 80% interval", "Share of months that lay in the 80% interval of the model."),
    ("coverage_95", "Held by 95% interval", "Share of months that lay in the 95% interval of the model."),
    ("width_80", "Width of 80% interval", "Mean width as a share of the grams used."),
    ("width_95", "Width of 95% interval", "Mean width as a share of the grams used."),
    ("coverage_80_corrected", "Held by 80%, corrected", "The same after the correction by past misses."),
    ("coverage_95_corrected", "Held by 95%, corrected", "The same after the correction by past misses."),
)


def _scores() -> tuple[Field, ...]:
    return tuple(
        Field(name, label, meaning, "number" if name == "mase" else "share", digits=2)
        for name, label, meaning in _SCORES
    )


def _notes(folder: Path) -> Sheet:
    frame = _table(folder / "data_notes.csv", numbers=("months",), months=("first_month", "last_month"))
    fields = (
        Field("kind", "Kind", "What is wrong or special."),
        Field("name", "Name", "Trust, file or month it is about."),
        Field("first_month", "First month", "First day of the first month.", "date"),
        Field("last_month", "Last month", "First day of the last month.", "date"),
        Field("months", "Months", "How many months.", "whole"),
        Field("text", "Note", "In words.", roomy=True),
    )
    return Sheet("Data notes", "What is known to be wrong or special in the history", fields, frame, heads=2)


def _medicines(folder: Path) -> Sheet:
    frame = _table(folder / "medicines.csv", numbers=("rows",), months=())
    fields = (
        Field("product", "Medicine", "Name as published.", roomy=True),
        Field("counted", "Counted", "yes where its grams are in the history."),
        Field("why", "Why", "Why it is counted or not.", roomy=True),
        Field("rows", "Rows", "Rows of the published files.", "whole"),
    )
    return Sheet("Medicines", "Medicines met in the published files, counted or not", fields, frame)
