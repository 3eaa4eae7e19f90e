"""Cohort columns as NumPy arrays: codes instead of text, days instead of dates.

Text columns may be plain strings, pandas strings or categories; a missing cell reads as a blank.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.rules.models import Rulebook, entry_key

__all__ = [
    "NANOSECONDS_PER_DAY",
    "UNLISTED",
    "Dates",
    "Facts",
    "blocks",
    "categorical",
    "coded",
    "codes_of",
    "day_of",
    "days_of",
    "entries_of",
    "from_codes",
    "is_value",
    "looked_up",
    "need_columns",
    "present",
    "rows_of_each",
]

UNLISTED = "unlisted"
"""Indication code of whatever the criteria do not list."""

_BLOCK_ROWS = 131_072
"""Rows worked on at a time: few enough for the processor's cache, enough not to be all overhead."""

_NANOSECONDS = np.dtype("datetime64[ns]")
NANOSECONDS_PER_DAY = np.timedelta64(1, "D").astype("timedelta64[ns]").astype(np.int64)
_NO_ENTRY = -2
"""Place of what is neither an entry nor unlisted."""

_NO_CODE = -2
"""No code of any row, for a text that no category is."""

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


def blocks(rows: int) -> Iterator[slice]:
    """Slices that cut so many rows into blocks, in order; what is reckoned block by block stays in the fast memory."""
    for start in range(0, rows, _BLOCK_ROWS):
        yield slice(start, min(start + _BLOCK_ROWS, rows))


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


@dataclass(frozen=True, slots=True)
class Facts:
    """A text column made ready to be asked, block by block, where it holds one text: codes, and the one looked for."""

    values: npt.NDArray[np.generic]
    wanted: str | int

    @classmethod
    def of(cls, column: pd.Series, text: str) -> Self:
        """Where the column holds the text."""
        if not isinstance(column.dtype, pd.CategoricalDtype):
            return cls(column.to_numpy(dtype=object), text)
        place = int(column.cat.categories.get_indexer(pd.Index([text], dtype=object))[0])
        return cls(column.cat.codes.to_numpy(), place if place >= 0 else _NO_CODE)

    @property
    def by_code(self) -> bool:
        """Whether the column holds codes, which are many times faster to compare than text."""
        return isinstance(self.wanted, int)

    def hold(self, rows: slice | npt.NDArray[np.intp]) -> Bools:
        """Whether each of these rows holds the text."""
        return np.asarray(self.values[rows] == self.wanted, dtype=bool)


@dataclass(frozen=True, slots=True)
class Dates:
    """A column of dates made ready to be asked, block by block; a missing date is on neither side of any day."""

    nanoseconds: Ints

    @classmethod
    def of(cls, column: pd.Series) -> Self:
        """The dates of a column."""
        dates = column.to_numpy()
        if dates.dtype != _NANOSECONDS:
            dates = column.to_numpy(dtype=_NANOSECONDS)
        return cls(dates.view(np.int64))

    def missing(self, rows: slice) -> Bools:
        """Whether each of these rows has no date."""
        return np.asarray(self.nanoseconds[rows] == _NO_DATE, dtype=bool)

    def since(self, day: int, rows: slice) -> Bools:
        """Whether each of these rows is dated on a day or later; days are counted as by :func:`day_of`."""
        return np.asarray(self.nanoseconds[rows] >= day * NANOSECONDS_PER_DAY, dtype=bool)

    def until(self, day: int, rows: slice) -> Bools:
        """Whether each of these rows is dated on a day or earlier."""
        return ~(self.since(day + 1, rows) | self.missing(rows))


def looked_up(tables: Sequence[npt.NDArray[Any]], places: npt.NDArray[np.integer[Any]]) -> list[npt.NDArray[Any]]:
    """For each table its values at these places, all in one walk over them."""
    found = [np.empty(len(places), dtype=table.dtype) for table in tables]
    for part in blocks(len(places)):
        here = places[part].astype(np.intp)
        for table, values in zip(tables, found, strict=True):
            values[part] = table[here]
    return found


def coded(texts: Sequence[str]) -> tuple[npt.NDArray[np.integer[Any]], list[str]]:
    """The code of each text, and the categories they count: each text once, in alphabetical order.

    So that sorting and grouping by a column of these categories is sorting and grouping by its text.
    """
    categories = sorted(set(texts))
    place_of = {text: place for place, text in enumerate(categories)}
    # The type that pandas itself takes for so many categories; any other it would convert again.
    return np.array([place_of[text] for text in texts], dtype=np.min_scalar_type(-max(len(categories), 1))), categories


def categorical(codes: npt.NDArray[np.integer[Any]], categories: Sequence[str]) -> pd.Categorical:
    """A text column out of the codes and categories of :func:`coded`; the codes are not copied."""
    dtype = pd.CategoricalDtype(pd.Index(categories, dtype=object))
    return pd.Categorical.from_codes(codes, dtype=dtype, validate=False)


def from_codes(texts: Sequence[str], codes: npt.NDArray[np.integer[Any]]) -> pd.Categorical:
    """A text column: for each row a place in ``texts``, where a text may stand more than once."""
    table, categories = coded(texts)
    return categorical(looked_up([table], codes)[0], categories)


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
    return counted // NANOSECONDS_PER_DAY, counted != _NO_DATE


def entries_of(rulebook: Rulebook, frame: pd.DataFrame) -> Ints:
    """For each row the place of its entry in ``rulebook.entry``, -1 for ``unlisted``; of several dated ones the newest.

    Raises
    ------
    InputError
        Where an indication and situation stand neither in the rulebook nor are ``unlisted``; one fault for each
        combination, with the row it is first seen in.
    """
    need_columns(frame, ("indication", "situation"), "cohort")
    indications, names = _codes_as_they_are(frame["indication"])
    situations, details = _codes_as_they_are(frame["situation"])
    of_pair = np.full(max(len(names) * len(details), 1), _NO_ENTRY, dtype=np.int64)
    name_at, detail_at = ({text: place for place, text in enumerate(texts)} for texts in (names, details))
    if UNLISTED in name_at:
        first = name_at[UNLISTED] * len(details)
        of_pair[first : first + len(details)] = -1
    for place in sorted(range(len(rulebook.entry)), key=lambda place: rulebook.entry[place].span):
        entry = rulebook.entry[place]
        if entry.indication in name_at and entry.situation in detail_at:
            of_pair[name_at[entry.indication] * len(details) + detail_at[entry.situation]] = place
    entries = np.empty(len(frame), dtype=np.int64)
    for part in blocks(len(frame)):
        entries[part] = of_pair[indications[part].astype(np.int64) * len(details) + situations[part]]
    if entries.min(initial=0) == _NO_ENTRY:
        _refuse_unknown(rulebook, frame, np.flatnonzero(entries == _NO_ENTRY))
    return entries


def _codes_as_they_are(column: pd.Series) -> tuple[npt.NDArray[np.integer[Any]], list[str]]:
    """As :func:`codes_of`, but in the type in which the column keeps them, and not copied where nothing is missing."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        if not codes.size or codes.min() >= 0:
            return codes, [str(text) for text in column.cat.categories]
    return codes_of(column)


def _refuse_unknown(rulebook: Rulebook, frame: pd.DataFrame, rows: npt.NDArray[np.intp]) -> None:
    faults: dict[str, Fault] = {}
    indications, names = codes_of(frame["indication"])
    situations, details = codes_of(frame["situation"])
    expected = f"a code of the rulebook {rulebook.id}, or {UNLISTED}"
    for row, indication, situation in zip(
        rows.tolist(), indications[rows].tolist(), situations[rows].tolist(), strict=True
    ):
        key = entry_key(names[indication], details[situation])
        if key not in faults:
            faults[key] = Fault("cohort", expected, row=row + 2, column="indication", value=key)
    raise InputError(list(faults.values()))
