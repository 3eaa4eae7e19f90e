"""The simple history: ``month, panel, grams`` and, where wanted, ``group``."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from allocation.errors import Fault, InputError
from allocation.forecast.months import month_text
from allocation.tables import read_table

__all__ = ["load_simple"]

_NEEDED = ("month", "panel", "grams")


def load_simple(paths: list[Path]) -> pd.DataFrame:
    """Cells ``month, panel, group, grams`` of the files together.

    Raises
    ------
    InputError
        Where a column is missing, a value cannot be read, grams are negative, or a month of a panel comes twice.
    """
    faults: list[Fault] = []
    seen: dict[tuple[str, str, str], str] = {}
    cells: list[tuple[str, str, str, float]] = []
    for path in paths:
        frame = read_table(path)
        source = str(path)
        missing = [name for name in _NEEDED if name not in frame.columns]
        if missing:
            remedy = (
                "A history has month, panel, grams and, where wanted, group; or it is the NHSBSA file as downloaded."
            )
            raise InputError([Fault(source, "this column", row=1, column=name, remedy=remedy) for name in missing])
        groups = frame["group"] if "group" in frame.columns else [""] * len(frame)
        values = zip(frame["month"], frame["panel"], groups, frame["grams"], strict=True)
        for row, (month_cell, panel, group, grams_cell) in enumerate(values, 2):
            found = _row_faults(source, row, month=month_cell, panel=panel, grams=grams_cell)
            if found:
                faults += found
                continue
            key = (month_text(month_cell) or "", panel, group)
            if key in seen:
                remedy = f"It is also in {seen[key]}; leave one out, or add them up."
                value = ", ".join(part for part in key if part)
                faults.append(
                    Fault(
                        source,
                        "each month of a panel and group once",
                        row=row,
                        column="month",
                        value=value,
                        remedy=remedy,
                    )
                )
                continue
            seen[key] = f"{path.name}, row {row}"
            cells.append((*key, float(grams_cell)))
    if faults:
        raise InputError(faults)
    return pd.DataFrame(cells, columns=["month", "panel", "group", "grams"])


def _row_faults(source: str, row: int, *, month: str, panel: str, grams: str) -> list[Fault]:
    faults = []
    if month_text(month) is None:
        faults.append(Fault(source, "a month as YYYY-MM", row=row, column="month", value=month))
    if not panel:
        faults.append(Fault(source, "a panel's code", row=row, column="panel"))
    try:
        amount = float(grams)
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount):
        remedy = "Plain digits without a unit or a thousands separator."
        faults.append(Fault(source, "grams as a number", row=row, column="grams", value=grams, remedy=remedy))
    elif amount < 0:
        remedy = "Net corrections off within the month they belong to."
        faults.append(Fault(source, "grams of 0 or more", row=row, column="grams", value=grams, remedy=remedy))
    return faults
