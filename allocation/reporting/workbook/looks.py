"""How a value stands in a cell: the number kept, its format with the unit, and the text a person sees.

Percentages and counts follow the rules of the page: nothing rounds up to 100 % or down to 0 % that is not exactly that.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.reporting.simulation_measures import counts_people, is_share
from allocation.reporting.workbook.model import Field

__all__ = ["DATE_FORMAT", "UNITS", "Look", "digits_of", "look"]

DATE_FORMAT = "yyyy-mm-dd"
UNITS = {
    "count": "patients",
    "grams": "g",
    "kilograms": "kg",
    "share": "%",
    "days": "days",
    "weeks": "weeks",
    "date": "date",
    "text": "text",
    "whole": "whole number",
    "number": "number",
    "by_unit": "as the column Unit says",
}
"""Unit of each kind, for the sheet of columns."""

_SUFFIX = {"grams": " g", "kilograms": " kg", "days": " days", "weeks": " weeks"}
_MOST_DIGITS = 3
_NEAR = 1e-9


@dataclass(frozen=True, slots=True)
class Look:
    """A number as kept when it is shared, its format, and its text."""

    rounded: float
    pattern: str
    text: str


def digits_of(field: Field, frame: pd.DataFrame) -> int:
    """Decimals of a column: those asked for, or as many as its values have, up to three."""
    if field.digits is not None:
        return field.digits
    values = pd.to_numeric(frame[field.key], errors="coerce").dropna().to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    for digits in range(_MOST_DIGITS):
        if np.all(np.abs(values - np.round(values, digits)) < _NEAR):
            return digits
    return 1 if len(values) and np.any(np.abs(values - np.round(values, _MOST_DIGITS)) > _NEAR) else _MOST_DIGITS


def look(field: Field, value: float, *, digits: int, unit: str = "") -> Look:
    """How one number of a column stands in its cell.

    >>> look(Field("a", "A", "", "share"), 0.99996, digits=0).text
    'more than 99.99%'
    >>> look(Field("a", "A", "", "grams"), 1234.5, digits=1).text
    '1,234.5 g'
    """
    kind = field.kind
    if kind == "by_unit":
        return _by_unit(value, unit)
    if kind == "share":
        return _share(value, 100.0)
    if kind == "count":
        return _count(value)
    if kind in ("days", "weeks"):
        whole = abs(value) < _NEAR or (kind == "days" and abs(value) >= 10)
        return _plain(value, 0 if whole else 1, _SUFFIX[kind])
    if kind == "kilograms":
        small = 0 < value < 0.05
        return Look(0.05, '"under 0.1 kg"', "under 0.1 kg") if small else _plain(value, 1, " kg")
    if kind == "whole":
        return _plain(value, 0, "")
    return _plain(value, digits, _SUFFIX.get(kind, ""))


def _plain(value: float, digits: int, suffix: str) -> Look:
    pattern = "#,##0" + ("." + "0" * digits if digits else "") + (f'"{suffix}"' if suffix else "")
    rounded = round(value, digits) + 0.0
    return Look(rounded, pattern, f"{rounded:,.{digits}f}{suffix}")


def _count(value: float) -> Look:
    whole = abs(value - round(value)) < _NEAR or abs(value) >= 10
    if 0 < value < 0.05:
        return Look(0.05, '"under 0.1"', "under 0.1")
    return _plain(value, 0 if whole else 1, "")


def _share(value: float, all_of_it: float) -> Look:
    """A share, as a fraction of 1 (``all_of_it`` 100) or already in per cent (``all_of_it`` 1)."""
    per_cent = value * all_of_it
    sign = "%" if all_of_it > 1 else '"%"'
    if abs(per_cent) < _NEAR or abs(per_cent - 100) < _NEAR * 100:
        return Look(round(per_cent) / all_of_it, f"0{sign}", f"{round(per_cent)}%")
    for digits in (1, 2):
        text = f"{per_cent:.{digits}f}"
        if float(text) not in (0.0, 100.0):
            return Look(float(text) / all_of_it, f"0.{'0' * digits}{sign}", f"{text}%")
    high = per_cent > 50
    text = "more than 99.99%" if high else "under 0.01%"
    return Look((99.99 if high else 0.01) / all_of_it, f'"{text}"', text)


def _by_unit(value: float, unit: str) -> Look:
    name = unit.strip().lower()
    if counts_people(name):
        return _count(value)
    if is_share(name):
        return _share(value, 1.0 if name in ("%", "percent", "per cent") else 100.0)
    size = abs(value)
    digits = 0 if size >= 100 or math.isclose(size, round(size)) else 1 if size >= 10 else 2
    return _plain(value, digits, f" {unit}" if unit and unit.replace(" ", "").isalpha() else "")
