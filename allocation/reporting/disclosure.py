"""Disclosure control: what a page meant for others may say about few people.

The rule for English hospital data: a count from 1 to 7 is replaced by ``*``; below national level every
other count is rounded to the nearest 5; a percentage comes from the rounded counts; grams are hidden where
the count behind them is. Simulated counts are means over replications, so a mean between 0 and 7.5 is small
too. Grams below national level are rounded as well, or a hidden cell could be had back by subtraction from
a total. Used at the edge only: nothing inside a run folder is changed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import pandas as pd

from allocation.reporting.words import HIDDEN
from allocation.rules import load_panels

__all__ = ["HIDDEN", "NOTE", "is_hidden", "is_national", "protect", "shared_count", "shared_grams", "shown"]

_LARGEST_HIDDEN = 7
_COUNT_STEP = 5
_GRAM_STEP = 100.0

NOTE = (
    "Prepared for sharing: counts from 1 to 7 are shown as *, other counts below national level are rounded to the "
    "nearest 5, percentages come from the rounded counts, grams below national level are rounded to the nearest "
    "100 g, and grams, days and percentages are hidden where the count behind them is."
)


def is_hidden(value: object) -> bool:
    """Whether a value was taken out."""
    return isinstance(value, str) and value == HIDDEN


def is_national(panels: Iterable[str]) -> bool:
    """Whether these panels are the whole of England: every built-in panel is among them."""
    return set(load_panels().by_code) <= set(panels)


def _rounded(value: float, step: float) -> float:
    return step * math.floor(value / step + 0.5)


def shared_count(value: float | str, *, national: bool = False) -> float | str:
    """A count of people as it may be shared.

    >>> shared_count(3), shared_count(0), shared_count(12), shared_count(12, national=True)
    ('*', 0.0, 10.0, 12.0)
    """
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return value
    if 0 < value < _LARGEST_HIDDEN + 0.5:
        return HIDDEN
    return _rounded(value, 1 if national else _COUNT_STEP)


def shared_grams(value: float | str, *, hidden: bool = False, national: bool = False) -> float | str:
    """Grams as they may be shared: hidden with the count behind them, rounded below national level."""
    if isinstance(value, str) or (hidden and value != 0):
        return HIDDEN
    if math.isnan(value) or national:
        return value
    return _rounded(value, _GRAM_STEP)


def shown(frame: pd.DataFrame, column: str) -> pd.Series[float]:
    """A column as numbers, NaN where it is hidden."""
    return pd.to_numeric(frame[column], errors="coerce").astype("float64")


def protect(
    frame: pd.DataFrame,
    *,
    counts: Iterable[str],
    grams: Mapping[str, tuple[str, ...]] | None = None,
    resting: Mapping[str, tuple[str, ...]] | None = None,
    shares: Mapping[str, tuple[str, str]] | None = None,
    national: bool = False,
) -> pd.DataFrame:
    """A table as it may be shared.

    Parameters
    ----------
    frame
        One row for each group of people; counts as numbers.
    counts
        Columns that count people.
    grams
        Columns of grams, each with the counts it rests on: hidden where one of those is, else rounded.
    resting
        Other columns, with the counts they rest on: hidden where one of those is, and never rounded.
    shares
        Columns that are one count divided by another, worked out again from the counts as shared.
    national
        Whether the rows are whole-of-England figures. A part that must be hidden could be had back from the
        exact others, so all are rounded as soon as one is hidden.

    Returns
    -------
    DataFrame
        The same rows; a hidden cell holds ``*``.
    """
    result = frame.copy()
    names = tuple(counts)
    small = {name: (frame[name] > 0) & (frame[name] < _LARGEST_HIDDEN + 0.5) for name in names}
    exact = national and not any(bool(flags.any()) for flags in small.values())
    for name in names:
        result[name] = pd.Series(
            [shared_count(float(value), national=exact) for value in frame[name]], index=frame.index, dtype=object
        )
    for column, behind in (grams or {}).items():
        hide = _any_small(small, behind, frame.index)
        result[column] = pd.Series(
            [
                shared_grams(float(value), hidden=bool(flag), national=exact)
                for value, flag in zip(frame[column], hide, strict=True)
            ],
            index=frame.index,
            dtype=object,
        )
    for column, behind in (resting or {}).items():
        hide = _any_small(small, behind, frame.index)
        result[column] = frame[column].astype(object).mask(hide & frame[column].ne(0), HIDDEN)
    for column, (part, whole) in (shares or {}).items():
        result[column] = pd.Series(
            [_share(a, b) for a, b in zip(result[part], result[whole], strict=True)], index=frame.index, dtype=object
        )
    return result


def _any_small(small: Mapping[str, pd.Series[bool]], behind: tuple[str, ...], index: pd.Index) -> pd.Series[bool]:
    flags = pd.Series(data=False, index=index, dtype=bool)
    for name in behind:
        flags |= small[name]
    return flags


def _share(part: object, whole: object) -> float | str:
    if is_hidden(part) or is_hidden(whole):
        return HIDDEN
    below = float(whole)  # type: ignore[arg-type]
    return float(part) / below if below else math.nan  # type: ignore[arg-type]
