"""A workbook as a value: a cover and sheets, each a frame with what its columns mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd

from allocation.reporting.blocks import Table
from allocation.reporting.disclosure import is_hidden

__all__ = ["Field", "Kind", "Line", "Sheet", "Tone", "Workbook", "code_sheet", "in_kilograms", "text_sheet"]

Kind = Literal["text", "count", "whole", "grams", "kilograms", "share", "days", "weeks", "number", "date", "by_unit"]
Tone = Literal["good", "part", "bad", "quiet"]


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a sheet.

    Attributes
    ----------
    key, label
        Column of the frame, and its heading with the unit.
    meaning
        What it holds, for the note on its heading and for the sheet of columns.
    kind
        How its values are kept and shown: ``share`` is a fraction of 1 shown as a percentage, ``count`` a number of
        people that may be a mean, ``by_unit`` follows the text in the row's ``unit`` column.
    digits
        Decimals of ``grams`` and ``number``; None takes as many as the values have, up to three.
    tones
        Colours by text; the text always stands in the cell too.
    roomy
        Whether it holds sentences.
    most
        Widest the column gets, in characters; longer text goes on in a new line.
    """

    key: str
    label: str
    meaning: str
    kind: Kind = "text"
    digits: int | None = None
    tones: Mapping[str, Tone] | None = None
    roomy: bool = False
    most: int = 30

    @property
    def counts_people(self) -> bool:
        """Whether it is a number of people, so that what is shared can be checked."""
        return self.kind == "count"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One tidy table.

    Attributes
    ----------
    name
        Of the sheet, at most 31 characters.
    what
        What the table holds, in one sentence.
    fields, frame
        Columns in their order, and the rows.
    heads
        How many columns at the start stay in view.
    note
        What a reader must know of the numbers.
    """

    name: str
    what: str
    fields: tuple[Field, ...]
    frame: pd.DataFrame
    heads: int = 1
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the cover: what it is about, and what is said."""

    label: str
    text: str
    tone: Tone | None = None


@dataclass(frozen=True, slots=True)
class Workbook:
    """A whole workbook before it is bytes.

    Attributes
    ----------
    title, about
        What it is, and what was asked.
    answer
        The same sentences as the report opens with.
    facts
        What the run was, as names and values.
    sheets, notes
        Tables in their order; what a reader must know besides the notes of the sheets.
    shared
        Whether small counts are hidden: numbers are then kept as they are shown, with no more decimals.
    changed
        Files that no longer are what the run wrote.
    """

    title: str
    kind: str
    about: str
    answer: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sheets: tuple[Sheet, ...]
    notes: tuple[str, ...] = ()
    shared: bool = False
    changed: tuple[str, ...] = field(default=())

    def with_sheets(self, *more: Sheet) -> Workbook:
        """The same with sheets at the end; those without a row are left out."""
        return replace(self, sheets=(*self.sheets, *(sheet for sheet in more if len(sheet.frame))))


def in_kilograms(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The same with columns of grams (``*_g``) as kilograms (``*_kg``); what is hidden stays hidden."""
    added = {
        f"{name.removesuffix('_g')}_kg": pd.Series(
            [value if is_hidden(value) else float(value) / 1000 for value in frame[name]],
            index=frame.index,
            dtype=object,
        )
        for name in columns
    }
    return frame.assign(**added)


def text_sheet(table: Table, *, name: str, what: str, meanings: tuple[str, ...]) -> Sheet:
    """A sheet from a table of the page that holds text only; ``meanings`` go by column."""
    keys = [column.key for column in table.columns]
    fields = tuple(
        Field(column.key, column.label, meaning, roomy=column.roomy or any(row[place].roomy for row in table.rows))
        for place, (column, meaning) in enumerate(zip(table.columns, meanings, strict=True))
    )
    frame = pd.DataFrame([[cell.text for cell in row] for row in table.rows], columns=keys, dtype=object)
    return Sheet(name, what, fields, frame, heads=min(table.heads, len(keys) - 1), note=table.note)


def code_sheet(name: str, what: str, columns: tuple[tuple[str, str, str], ...], rows: list[tuple[str, ...]]) -> Sheet:
    """A sheet of plain text from ``(key, heading, meaning)`` and rows."""
    fields = tuple(Field(key, label, meaning, roomy=place > 0) for place, (key, label, meaning) in enumerate(columns))
    frame = pd.DataFrame(rows, columns=[key for key, _, _ in columns], dtype=object)
    return Sheet(name, what, fields, frame)
