"""Cohort columns as NumPy arrays: codes instead of text, days instead of dates.

Text columns may be plain strings, pandas strings or categories; a missing cell reads as a blank.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.rules.models import Rulebook, entry_key

__all__ = [
    "UNLISTED",
    "codes_of",
    "day_of",
    "days_of",
    "entries_of",
    "is_value",
    "need_columns",
    "present",
    "rows_of_each",
]

UNLISTED = "unlisted"
"""Indication code of whatever the criteria do not list."""

_NANOSECONDS = np.dtype("datetime64[ns]")
_NANOSECONDS_PER_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]").astype(np.int64)
_NO_DATE = np.iinfo(np.int64).min

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def need_columns(frame: pd.DataFrame, columns: Iterable[str], source: str) -> None:
    """Refuse a frame that lacks columns.

    Raises
    ------
    InputError
        With one fault for each missing column.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError([Fault(source, "this column", column=column) for column in missing])


def codes_of(column: pd.Series) -> tuple[Ints, list[str]]:
    """Text as codes: for each row a place in the list of texts, which are in order of first appearance or category."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy().astype(np.int64)
        texts = [str(text) for text in column.cat.categories]
    else:
        found, values = pd.factorize(column.to_numpy(dtype=object))
        codes, texts = found.astype(np.int64, copy=False), [str(text) for text in values]
    if codes.size and codes.min() < 0:
        codes = np.where(codes < 0, len(texts), codes)
        texts.append("")
    return codes, texts


def is_value(column: pd.Series, text: str, rows: npt.NDArray[np.intp] | None = None) -> Bools:
    """Whether each cell (of ``rows`` only, where given) holds the text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        wanted = column.cat.categories.get_indexer(pd.Index([text], dtype=object))[0]
        chosen = codes if rows is None else codes[rows]
        return np.asarray((chosen == wanted) & (chosen >= 0))
    values = column.to_numpy(dtype=object)
    return np.asarray((values if rows is None else values[rows]) == text, dtype=bool)


def rows_of_each(codes: Ints, groups: int) -> list[npt.NDArray[np.intp]]:
    """Rows of each code from 0 to ``groups`` - 1, ascending; a negative code belongs to none."""
    # Two bytes are sorted by radix, many times faster than eight.
    narrow = codes.astype(np.int16) if groups <= np.iinfo(np.int16).max else codes
    order = np.argsort(narrow, kind="stable")
    ends = np.cumsum(np.bincount(codes + 1, minlength=groups + 1)[: groups + 1])
    return [order[start:end] for start, end in pairwise(ends.tolist())]


def present(codes: Ints) -> list[int]:
    """The codes that occur, ascending; none may be negative. For small codes, several times faster than sorting."""
    return np.flatnonzero(np.bincount(codes)).tolist()


def day_of(when: date) -> int:
    """A date as a day number, counted as :func:`days_of` counts; a time of day is left out."""
    return int(np.datetime64(when, "D").astype(np.int64))


def days_of(column: pd.Series) -> tuple[Ints, Bools]:
    """Dates as day numbers, and where there is one. The number of a missing date means nothing."""
    dates = column.to_numpy()
    if dates.dtype != _NANOSECONDS:
        dates = column.to_numpy(dtype=_NANOSECONDS)
    # Dividing the numbers is several times faster than converting the dates.
    counted = dates.view(np.int64)
    return counted // _NANOSECONDS_PER_DAY, counted != _NO_DATE


def entries_of(rulebook: Rulebook, frame: pd.DataFrame) -> Ints:
    """For each row the place of its entry in ``rulebook.entry``, -1 for ``unlisted``; of several dated ones the newest.

    Raises
    ------
    InputError
        Where an indication and situation stand neither in the rulebook nor are ``unlisted``; one fault for each
        combination, with the row it is first seen in.
    """
    need_columns(frame, ("indication", "situation"), "cohort")
    oldest_first = sorted(range(len(rulebook.entry)), key=lambda place: rulebook.entry[place].span)
    places = {rulebook.entry[place].key: place for place in oldest_first}
    indications, names = codes_of(frame["indication"])
    situations, details = codes_of(frame["situation"])
    pairs = indications * max(len(details), 1) + situations
    found = np.full(max(len(names) * len(details), 1), -1, dtype=np.int64)
    faults = []
    for pair in present(pairs):
        indication, situation = names[pair // len(details)], details[pair % len(details)]
        key = entry_key(indication, situation)
        if key in places:
            found[pair] = places[key]
        elif indication != UNLISTED:
            row = int(np.argmax(pairs == pair)) + 2
            expected = f"a code of the rulebook {rulebook.id}, or {UNLISTED}"
            faults.append(Fault("cohort", expected, row=row, column="indication", value=key))
    if faults:
        raise InputError(sorted(faults, key=lambda fault: fault.row or 0))
    entries: Ints = found[pairs]
    return entries
