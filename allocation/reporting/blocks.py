"""The pieces a page is made of, as values: sentences, tables, charts and sections of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from allocation.reporting.style import WIDE, Size
from allocation.reporting.svg import Drawing, both_sizes
from allocation.reporting.words import HIDDEN

__all__ = ["Cell", "Chart", "Column", "Page", "Section", "Table", "chart", "rows_of_mapping", "table"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table to be made from a frame.

    Attributes
    ----------
    key, label
        Column of the frame, and its heading with the unit.
    text
        Turns a value into what is shown; None shows text as it is.
    counts_people
        Marks a count of patients, so that what is shared can be checked.
    roomy
        Whether it holds sentences, which need width on a phone.
    """

    key: str
    label: str
    text: Callable[[object], str] | None = None
    counts_people: bool = False
    roomy: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell as shown."""

    text: str
    numeric: bool = False
    people: bool = False
    roomy: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table as shown.

    Attributes
    ----------
    key, caption, columns, rows, note
        Id on the page, heading, columns, cells as text, and a remark below.
    heads
        How many cells at the start of each row are its headings.
    folded
        Whether it starts closed; None leaves that to its length.
    """

    key: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    heads: int = 1
    folded: bool | None = None

    @property
    def hides(self) -> bool:
        """Whether any cell was taken out."""
        return any(cell.text == HIDDEN for row in self.rows for cell in row)


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart in both sizes, with the finding above it and the table behind it."""

    key: str
    finding: str
    wide: str
    narrow: str
    caption: str
    data: Table | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page under a heading. ``parts`` are charts and tables in order, ``words`` come before them."""

    key: str
    title: str
    words: tuple[str, ...] = ()
    parts: tuple[Chart | Table, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A whole page before it is HTML.

    ``stale`` says what has changed since the run, beyond its own files; ``layout`` is a class of the style sheet.
    """

    title: str
    kind: str
    about: str
    facts: tuple[tuple[str, str], ...]
    headlines: tuple[str, ...]
    lead: Chart | None
    sections: tuple[Section, ...]
    shared: bool
    changed: tuple[str, ...] = field(default=())
    stale: tuple[str, ...] = field(default=())
    layout: str = ""


def table(
    frame: pd.DataFrame, columns: Sequence[Column], *, key: str, caption: str, note: str = "", heads: int = 1
) -> Table:
    """A table from a frame, a row for each row."""
    rows = []
    for record in frame[[column.key for column in columns]].itertuples(index=False, name=None):
        cells = [
            Cell(
                column.text(value) if column.text else str(value),
                numeric=column.text is not None,
                people=column.counts_people,
                roomy=column.roomy,
            )
            for column, value in zip(columns, record, strict=True)
        ]
        rows.append(tuple(cells))
    return Table(key=key, caption=caption, columns=tuple(columns), rows=tuple(rows), note=note, heads=heads)


def chart(
    draw: Drawing,
    *,
    key: str,
    finding: str,
    description: str,
    caption: str,
    data: Table | None = None,
    desk: Size = WIDE,
) -> Chart:
    """A chart in both sizes; ``finding`` is its heading, ``description`` is what a listener is told of it."""
    wide, narrow = both_sizes(draw, key=key, title=finding, description=description, desk=desk)
    return Chart(key=key, finding=finding, wide=wide, narrow=narrow, caption=caption, data=data)


def rows_of_mapping(value: Mapping[str, Any], *, key: str, caption: str, head: str, body: str) -> Table:
    """A table of two columns from nested settings, one row for each leaf, named by its path."""
    rows = [(Cell(name), Cell(text, roomy=True)) for name, text in _leaves(value, ())]
    return Table(key=key, caption=caption, columns=(Column("name", head), Column("value", body)), rows=tuple(rows))


def _leaves(value: object, path: tuple[str, ...]) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [leaf for name in sorted(value, key=str) for leaf in _leaves(value[name], (*path, str(name)))]
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        return [leaf for place, item in enumerate(value, 1) for leaf in _leaves(item, (*path, str(place)))]
    if isinstance(value, list | tuple):
        shown = ", ".join(str(item) for item in value) or "none"
    elif value is None or value in ("", {}):
        shown = "not set"
    elif isinstance(value, bool):
        shown = "yes" if value else "no"
    else:
        shown = str(value)
    return [(" · ".join(path), shown)]
