"""The forecast a scenario's demand follows: a folder that ``igalloc forecast`` left, or one table of that form."""

from __future__ import annotations

import calendar
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.tables import read_table

__all__ = ["DemandForecast", "demand_forecast_files", "load_demand_forecast", "month_number"]

Floats = npt.NDArray[np.float64]

_TABLE, _HISTORY = "forecast.csv", "history.csv"
_ENDS = ("low_95", "low_80", "high_80", "high_95")
_COLUMNS = ("month", "level", "panel", "grams", *_ENDS)
_REMEDY = "Name a folder that igalloc forecast wrote, or its forecast.csv."
_MONTHS = 12
_MOST_FAULTS = 20


@dataclass(frozen=True, slots=True)
class DemandForecast:
    """Grams a day that each panel is forecast to use, and the ends of the intervals.

    Attributes
    ----------
    source
        The table's file name, for messages.
    panels
        Codes, n of them.
    first_month
        First month forecast, counted as :func:`month_number` does.
    mean
        Shape (n, months).
    ends
        Lower end at 95 %, at 80 %, upper end at 80 %, at 95 %: shape (4, n, months).
    before
        The months known before the first one forecast, shape (n, months known); none for a table without history.
    common
        Share of each panel's variance that all panels have in common, so that their sum is as uncertain as the nation.
    """

    source: str
    panels: tuple[str, ...]
    first_month: int
    mean: Floats
    ends: Floats
    before: Floats
    common: float


def demand_forecast_files(place: str) -> dict[str, Path]:
    """Files behind ``demand.forecast``, by what they are to a run; none where it is blank.

    Parameters
    ----------
    place
        The key's value in a loaded scenario: a folder or a table.

    Raises
    ------
    InputError
        Where there is no such folder or file.
    """
    if not place:
        return {}
    path = Path(place)
    table = path / _TABLE if path.is_dir() else path
    if not table.is_file():
        raise InputError(
            Fault(str(table), "the table of a forecast", column="demand.forecast", remedy=f"It is not there. {_REMEDY}")
        )
    found = {"demand forecast": table}
    history = path / _HISTORY
    if path.is_dir() and history.is_file():
        found["demand history"] = history
    return found


def load_demand_forecast(place: str) -> DemandForecast | None:
    """The forecast of ``demand.forecast``, None where it is blank.

    Raises
    ------
    InputError
        Where a file is missing, a column is missing, a cell cannot be read, or a panel lacks a month.
    """
    files = demand_forecast_files(place)
    if not files:
        return None
    table = files["demand forecast"]
    cells = _cells(table)
    own = cells[cells["level"] == "panel"]
    nation = cells[cells["level"] == "nation"]
    if own.empty:
        # A history of one panel is the nation, so the panel has no row of its own.
        names = sorted(set(cells["panel"]) - {""})
        if len(names) != 1 or nation.empty:
            raise InputError(Fault(str(table), "rows of the level panel", column="level", remedy=_REMEDY))
        own = nation.assign(panel=names[0])
    first, panels, values = _grid(own, table)
    mean, ends = values[0], values[1:]
    if nation.empty:
        common = 1.0
    else:
        start, _, whole = _grid(nation, table)
        if start != first or whole.shape[2] != values.shape[2]:
            raise InputError(Fault(str(table), "the months of the panels for the nation too", column="month"))
        common = _common(_deviation(values), _deviation(whole)[0])
    history = files.get("demand history")
    before = _before(history, panels, first) if history is not None else np.zeros((len(panels), 0))
    return DemandForecast(table.name, panels, first, mean, ends, before, common)


def month_number(year: int, month: int) -> int:
    """Number of a month, counted so that the next month is one more."""
    return year * _MONTHS + month - 1


def _cells(path: Path) -> pd.DataFrame:
    frame = read_table(path)
    source = str(path)
    missing = [name for name in _COLUMNS if name not in frame.columns]
    if missing:
        raise InputError([Fault(source, "this column", row=1, column=name, remedy=_REMEDY) for name in missing])
    faults: list[Fault] = []
    months: list[int] = []
    numbers: dict[str, list[float]] = {name: [] for name in ("grams", *_ENDS)}
    for row, cells in enumerate(frame[list(_COLUMNS)].itertuples(index=False), 2):
        texts = dict(zip(_COLUMNS, map(str, cells), strict=True))
        number = _month(texts["month"])
        if number is None:
            faults.append(Fault(source, "a month as YYYY-MM", row=row, column="month", value=texts["month"]))
        months.append(number or 0)
        for name, kept in numbers.items():
            value = _number(texts[name])
            if value is None:
                faults.append(Fault(source, "grams of 0 or more", row=row, column=name, value=texts[name]))
            kept.append(value or 0.0)
        in_order = [numbers[name][-1] for name in ("low_95", "low_80", "grams", "high_80", "high_95")]
        if in_order != sorted(in_order):
            remedy = "Low ends must not be above the grams, nor high ends below; 95 % must hold 80 %."
            faults.append(Fault(source, "an interval around the grams", row=row, column="grams", remedy=remedy))
        if len(faults) >= _MOST_FAULTS:
            break
    if faults:
        raise InputError(faults)
    return pd.DataFrame({"month": months, "level": frame["level"], "panel": frame["panel"], **numbers})


def _grid(cells: pd.DataFrame, path: Path) -> tuple[int, tuple[str, ...], Floats]:
    """First month, panels, and grams a day of mean and ends: shape (5, panels, months)."""
    panels = tuple(sorted(set(cells["panel"])))
    first, last = int(cells["month"].min()), int(cells["month"].max())
    place = {panel: i for i, panel in enumerate(panels)}
    values = np.full((1 + len(_ENDS), len(panels), last - first + 1), np.nan)
    twice = cells[cells.duplicated(["panel", "month"])]
    if len(twice):
        value = f"{twice['panel'].iloc[0]} {_text(int(twice['month'].iloc[0]))}".strip()
        raise InputError(Fault(str(path), "each month of a panel once", column="month", value=value))
    rows = [place[panel] for panel in cells["panel"]]
    columns = cells["month"].to_numpy() - first
    days = np.array([calendar.monthrange(*_year_month(month))[1] for month in cells["month"]])
    for i, name in enumerate(("grams", *_ENDS)):
        values[i, rows, columns] = cells[name].to_numpy() / days
    gaps = np.argwhere(np.isnan(values[0]))
    if len(gaps):
        panel, month = panels[gaps[0][0]], _text(first + int(gaps[0][1]))
        raise InputError(
            Fault(str(path), f"every month from {_text(first)} to {_text(last)}", column="month",
                  value=f"none for {panel} in {month}", remedy="Each panel needs the same months, without a gap.")
        )  # fmt: skip
    return first, panels, values


def _year_month(number: int) -> tuple[int, int]:
    """Year and month of a month's number."""
    return number // _MONTHS, number % _MONTHS + 1


def _text(number: int) -> str:
    year, month = _year_month(number)
    return f"{year:04d}-{month:02d}"


def _month(text: str) -> int | None:
    year, dash, month = text.partition("-")
    if not (dash and len(year) == 4 and len(month) == 2 and (year + month).isascii() and (year + month).isdigit()):
        return None
    return month_number(int(year), int(month)) if 1 <= int(month) <= _MONTHS and int(year) > 0 else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _deviation(values: Floats) -> Floats:
    """Half of the 80 % interval, shape (panels, months)."""
    return np.asarray((values[3] - values[2]) / 2)


def _common(panels: Floats, nation: Floats) -> float:
    """Correlation between panels with which their sum is as uncertain as the nation's own forecast."""
    alone = float((panels**2).sum())
    together = float((panels.sum(axis=0) ** 2).sum())
    if together <= alone:
        return 1.0
    return float(np.clip(((nation**2).sum() - alone) / (together - alone), 0.0, 1.0))


def _before(path: Path, panels: tuple[str, ...], first: int) -> Floats:
    """Grams a day of the months known, shape (panels, months); none where the table ends too early or has gaps."""
    frame = read_table(path)
    missing = [name for name in ("month", "panel", "grams") if name not in frame.columns]
    if missing:
        raise InputError([Fault(str(path), "this column", row=1, column=name, remedy=_REMEDY) for name in missing])
    faults = []
    sums: dict[tuple[str, int], float] = {}
    for row, (text, panel, grams) in enumerate(zip(frame["month"], frame["panel"], frame["grams"], strict=True), 2):
        number = _month(text)
        try:
            value = float(grams)
        except ValueError:
            value = math.nan
        if number is None or not math.isfinite(value):
            faults.append(Fault(str(path), "a month as YYYY-MM and grams", row=row, value=f"{text}, {grams}"))
            continue
        sums[panel, number] = sums.get((panel, number), 0.0) + value
    if faults:
        raise InputError(faults[:_MOST_FAULTS])
    begins = min((number for _, number in sums), default=first)
    months = range(begins, first)
    days = np.array([calendar.monthrange(*_year_month(month))[1] for month in months])
    found = np.array([[sums.get((panel, month), math.nan) for month in months] for panel in panels])
    found = found.reshape(len(panels), len(days)) / days
    return np.zeros((len(panels), 0)) if np.isnan(found).any() else found
