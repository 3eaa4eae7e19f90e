"""From text to values: numbers and dates of a cohort file, by distinct value, with what is wrong and the remedy."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt

from allocation.cohort.columns import ColumnSpec
from allocation.tables.text import Encoded

__all__ = ["Cells", "Parsed", "Problem", "parse"]

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+(,[0-9]+)+(\.[0-9]+)?")
_WITH_UNIT = re.compile(r"([+-]?[0-9.,]+)\s*[^\W\d_].*")
_NO_NUMBER = {"nan", "na", "n/a", "none", "null", "-", "?", "unknown", "inf", "-inf", "infinity"}
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY_MONTH = re.compile(r"[0-9]{1,2}[/.-][0-9]{1,2}[/.-]([0-9]{2}|[0-9]{4})")
_SERIAL = re.compile(r"[0-9]{5}")
# pandas holds dates from 1677 to 2262; a date beyond is moved to the edge, where it is still out of our limits.
_EDGES = (date(1678, 1, 1), date(2262, 1, 1))


@dataclass(frozen=True, slots=True)
class Problem:
    """What was expected in place of a text, and what to do about it."""

    expected: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """Values of the distinct texts of a column.

    Attributes
    ----------
    values
        float64 (NaN where blank or wrong), datetime64[ns] (NaT) or ``str`` objects, shape (distinct,).
    problems
        What is wrong, by position.
    """

    values: npt.NDArray[Any]
    problems: dict[int, Problem]


@dataclass(frozen=True, slots=True)
class Cells:
    """One column while it is checked.

    Attributes
    ----------
    text
        Texts by row.
    values
        Values of the distinct texts, as in :class:`Parsed`.
    sound
        Which distinct texts are there and right, shape (distinct,).
    """

    spec: ColumnSpec
    text: Encoded
    values: npt.NDArray[Any]
    sound: npt.NDArray[np.bool_]

    @property
    def is_sound(self) -> npt.NDArray[np.bool_]:
        """Rows whose value is there and right."""
        return np.asarray(self.sound[self.text.codes], dtype=bool)

    @property
    def is_blank(self) -> npt.NDArray[np.bool_]:
        """Rows without a value."""
        return self.text.is_text("")

    @property
    def by_row(self) -> npt.NDArray[Any]:
        """Values by row; what is not sound is NaN or NaT, or the text as it stands."""
        values = self.values
        if self.spec.kind in ("number", "date"):
            values = np.where(self.sound, values, np.array("NaT" if self.spec.kind == "date" else np.nan, values.dtype))
        return np.asarray(values[self.text.codes])

    def at(self, row: int) -> str:
        """Text of a row."""
        return str(self.text.texts[self.text.codes[row]])


def parse(kind: str, texts: npt.NDArray[np.object_], *, unit: str = "") -> Parsed:
    """Values of distinct texts of a column of some kind; text, codes and flags stay as they are."""
    if kind == "number":
        return _numbers(texts, unit)
    if kind == "date":
        return _dates(texts)
    return Parsed(texts, {})


def _numbers(texts: npt.NDArray[np.object_], unit: str) -> Parsed:
    problems: dict[int, Problem] = {}
    values = np.full(len(texts), np.nan)
    for position, text in enumerate(texts.tolist()):
        if _NUMBER.fullmatch(text):
            values[position] = float(text)
        elif text:
            problems[position] = Problem(f"a number of {unit}", _number_remedy(text, unit))
    return Parsed(values, problems)


def _number_remedy(text: str, unit: str) -> str:
    if _COMMA.fullmatch(text):
        return "Write a point for decimals and no mark for thousands, for example 70.5."
    if text.casefold() in _NO_NUMBER:
        return "Write the number, or leave the cell blank where it may be."
    if _WITH_UNIT.fullmatch(text):
        return f"Write the number alone; the unit is always {unit}."
    return "Write the number in plain digits, for example 70.5."


def _dates(texts: npt.NDArray[np.object_]) -> Parsed:
    problems: dict[int, Problem] = {}
    days = np.full(len(texts), np.datetime64("NaT"), dtype="datetime64[D]")
    for position, text in enumerate(texts.tolist()):
        if not text:
            continue
        found = _iso_date(text)
        if found is None:
            problems[position] = Problem("a date as YYYY-MM-DD", _date_remedy(text))
        else:
            days[position] = min(max(found, _EDGES[0]), _EDGES[1])
    return Parsed(days.astype("datetime64[ns]"), problems)


def _iso_date(text: str) -> date | None:
    if not _ISO.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _date_remedy(text: str) -> str:
    shapes: tuple[tuple[Callable[[str], object], str], ...] = (
        (_ISO.fullmatch, "There is no such day in the calendar."),
        (
            _DAY_MONTH.fullmatch,
            "In this form nothing tells day from month for certain; write the year first, for example 2026-02-13.",
        ),
        (
            _SERIAL.fullmatch,
            "It looks like a spreadsheet's day number; format the column as yyyy-mm-dd and save again.",
        ),
        (lambda found: _iso_date(found[:10]), "Write the day alone, without the time."),
    )
    for matches, remedy in shapes:
        if matches(text):
            return remedy
    return "Write it like 2026-02-13."
