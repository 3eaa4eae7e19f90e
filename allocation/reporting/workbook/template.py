"""A workbook to be filled in and loaded back: the first sheet takes the rows, the others help.

What is typed is checked by the spreadsheet as far as it can; the loader checks everything again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from io import BytesIO
from typing import Any, Literal

from allocation.reporting.workbook.looks import DATE_FORMAT
from allocation.reporting.workbook.write import CREATED, FONT, PLANNING, Pen, height_of, lines_of, new_book, print_setup
from allocation.tables.text import cell_text

__all__ = ["ROWS", "Choice", "Filled", "FilledColumn", "template_bytes"]

ROWS = 20_000
"""Rows of the first sheet in which entries are checked."""

_LISTS, _COLUMNS, _EXAMPLE, _HELP = "Lists", "Columns", "Example", "How to fill it in"
_CODE_COLUMN, _MEANING_WIDTH = "D", 70
_WIDTHS = {"date": 15, "number": 14, "whole": 12, "text": 20, "list": 24}
_STEP_WIDTH = 76


@dataclass(frozen=True, slots=True)
class Choice:
    """One entry of a drop-down list: its code, what it means, and the code of another column it belongs to."""

    code: str | float
    meaning: str = ""
    under: str = ""


@dataclass(frozen=True, slots=True)
class FilledColumn:
    """One column to be filled in.

    Attributes
    ----------
    name
        Heading, as the loader wants it.
    kind
        ``list`` offers the list of ``choices``; with ``under`` only those that go with the row's entry there.
    meaning, expected
        What it holds, and what is taken.
    required
        Where it must be filled, in words; blank where it may stay empty.
    low, high
        Bounds of numbers and dates, included unless ``above`` leaves the lower one out.
    single
        Whether no two rows may hold the same.
    """

    name: str
    kind: Literal["text", "list", "number", "whole", "date"]
    meaning: str
    expected: str
    required: str = ""
    unit: str = ""
    choices: str = ""
    under: str = ""
    low: float | date | None = None
    high: float | date | None = None
    above: bool = False
    single: bool = False


@dataclass(frozen=True, slots=True)
class Filled:
    """A template: title, name of the sheet to fill, columns, lists by name, example rows and steps in words."""

    title: str
    sheet: str
    columns: tuple[FilledColumn, ...]
    lists: Mapping[str, tuple[Choice, ...]]
    example: tuple[Mapping[str, object], ...]
    steps: tuple[str, ...]


def template_bytes(template: Filled) -> bytes:
    """The file; the same template gives the same bytes."""
    buffer = BytesIO()
    with new_book(buffer) as book:
        book.set_properties({"title": template.title, "comments": PLANNING, "author": "", "created": CREATED})
        pen = Pen(book)
        sheet = book.add_worksheet(template.sheet)
        example = book.add_worksheet(_EXAMPLE)
        steps = book.add_worksheet(_HELP)
        columns = book.add_worksheet(_COLUMNS)
        lists = book.add_worksheet(_LISTS)
        rows_of = _lists(book, lists, pen, template)
        _entry(sheet, pen, template, rows_of)
        _example(example, pen, template)
        _steps(steps, pen, template)
        _columns(columns, pen, template)
        for one in (sheet, example, columns, lists):
            one.repeat_rows(0)
            print_setup(one, wide=True)
        print_setup(steps, wide=False)
        sheet.activate()
    return buffer.getvalue()


def _lists(book: Any, sheet: Any, pen: Pen, template: Filled) -> dict[str, tuple[int, int]]:
    """Every list below the other in one table; a name for each, and its first and last row as a person counts."""
    heads = ("List", "Goes with", "What it means", "Code")
    rows: list[tuple[str, str, str, str | float]] = []
    found: dict[str, tuple[int, int]] = {}
    for name, choices in template.lists.items():
        found[name] = (len(rows) + 2, len(rows) + 1 + len(choices))
        rows += [(name, item.under, item.meaning, item.code) for item in choices]
        first, last = found[name]
        book.define_name(f"list_{name}", f"={_LISTS}!${_CODE_COLUMN}${first}:${_CODE_COLUMN}${last}")
    _plain_table(sheet, pen, heads, rows, widths=(18, 34, 70, 30), name="lists")
    return found


def _plain_table(
    sheet: Any, pen: Pen, heads: tuple[str, ...], rows: list[Any], *, widths: tuple[int, ...], name: str
) -> None:
    for place, width in enumerate(widths):
        sheet.set_column(place, place, width, pen.format())
    for row, values in enumerate(rows, 1):
        longest = 1
        for place, value in enumerate(values):
            if isinstance(value, int | float):
                sheet.write_number(row, place, value, pen.format(align="left", indent=1))
            elif value:
                sheet.write_string(row, place, value, pen.text(value, text_wrap=True, indent=1))
                longest = max(longest, lines_of(value, widths[place]))
        sheet.set_row(row, height_of(longest))
    columns = [{"header": head, "header_format": pen.header} for head in heads]
    table = {"name": name, "columns": columns, "style": "Table Style Light 1"}
    sheet.add_table(0, 0, len(rows), len(heads) - 1, table)
    sheet.freeze_panes(1, 0)


def _header(sheet: Any, pen: Pen, template: Filled) -> None:
    for place, column in enumerate(template.columns):
        style: dict[str, object] = {"bg_color": "#801650"} if column.required == "yes" else {}
        sheet.write_string(0, place, column.name, pen.heading(**style))
        note = _note(column)
        size = {"width": 300, "height": 24 * (2 + len(note) // 36)}
        sheet.write_comment(0, place, note, {**size, "font_name": FONT["font_name"], "font_size": 10})
        sheet.set_column(
            place, place, max(_WIDTHS[column.kind], len(column.name) + 4), pen.format(locked=False, **_shape(column))
        )
    sheet.freeze_panes(1, 1)


def _note(column: FilledColumn) -> str:
    must = {"yes": " Must be filled.", "": " May stay blank."}.get(column.required, f" Needed {column.required}.")
    return f"{column.meaning}. {column.expected[:1].upper()}{column.expected[1:]}.{must}"


def _shape(column: FilledColumn) -> dict[str, object]:
    formats = {"date": DATE_FORMAT, "text": "@", "whole": "0"}
    return {"num_format": formats[column.kind]} if column.kind in formats else {}


def _entry(sheet: Any, pen: Pen, template: Filled, rows_of: Mapping[str, tuple[int, int]]) -> None:
    _header(sheet, pen, template)
    names = [column.name for column in template.columns]
    for place, column in enumerate(template.columns):
        rule = _rule(column, place, names, rows_of)
        if rule is not None:
            title = f"{column.name}"[:32]
            told = {"error_title": title, "error_message": f"Expected {column.expected}."[:255], "error_type": "stop"}
            sheet.data_validation(1, place, ROWS, place, {**rule, **told, "ignore_blank": True})
    sheet.autofilter(0, 0, ROWS, len(names) - 1)
    # No password: it keeps a slip of the hand from the header, and nobody out.
    sheet.protect(
        "",
        {
            "format_cells": True,
            "format_columns": True,
            "format_rows": True,
            "insert_rows": True,
            "delete_rows": True,
            "sort": True,
            "autofilter": True,
        },
    )


def _rule(
    column: FilledColumn, place: int, names: list[str], rows_of: Mapping[str, tuple[int, int]]
) -> dict[str, object] | None:
    from xlsxwriter.utility import xl_col_to_name

    here = xl_col_to_name(place)
    if column.single:
        formula = f"=COUNTIF(${here}$2:${here}${ROWS + 1},{here}2)=1"
        return {"validate": "custom", "value": formula}
    if column.kind == "list" and column.under:
        first, last = rows_of[column.choices]
        other = f"${xl_col_to_name(names.index(column.under))}2"
        under = f"{_LISTS}!$B${first}:$B${last}"
        found = f"OFFSET({_LISTS}!${_CODE_COLUMN}${first},MATCH({other},{under},0)-1,0,COUNTIF({under},{other}),1)"
        return {"validate": "list", "source": f"={found}"}
    if column.kind == "list":
        return {"validate": "list", "source": f"=list_{column.choices}"}
    if column.low is None or column.high is None:
        return None
    kind = {"number": "decimal", "whole": "integer", "date": "date"}[column.kind]
    low, high = (_moment(end) for end in (column.low, column.high))
    if column.above:
        # A spreadsheet has no bound that is left out on one side only, so it is told as a formula.
        return {"validate": "custom", "value": f"=AND(ISNUMBER({here}2),{here}2>{low},{here}2<={high})"}
    return {"validate": kind, "criteria": "between", "minimum": low, "maximum": high}


def _moment(value: float | date) -> Any:
    return datetime(value.year, value.month, value.day) if isinstance(value, date) else value  # noqa: DTZ001


def _example(sheet: Any, pen: Pen, template: Filled) -> None:
    _header(sheet, pen, template)
    for row, record in enumerate(template.example, 1):
        for place, column in enumerate(template.columns):
            value = record.get(column.name)
            if isinstance(value, date):
                day = datetime(value.year, value.month, value.day)  # noqa: DTZ001
                sheet.write_datetime(row, place, day, pen.format(num_format=DATE_FORMAT))
            elif isinstance(value, int | float):
                sheet.write_number(row, place, value, pen.format())
            elif text := cell_text(value):
                sheet.write_string(row, place, text, pen.text(text))


def _steps(sheet: Any, pen: Pen, template: Filled) -> None:
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, _STEP_WIDTH, pen.format(text_wrap=True))
    sheet.set_row(0, 30)
    sheet.write_string(0, 0, template.title, pen.format(bold=True, font_size=20, font_color="#12436D"))
    for row, step in enumerate((*template.steps, PLANNING), 1):
        sheet.write_string(row, 0, step, pen.text(step, text_wrap=True))
        sheet.set_row(row, height_of(lines_of(step, _STEP_WIDTH)) + 4)


def _columns(sheet: Any, pen: Pen, template: Filled) -> None:
    heads = ("Column", "Must be filled", "Unit", "What it holds", "What is taken")
    rows = [(c.name, c.required or "no", c.unit, c.meaning, c.expected) for c in template.columns]
    _plain_table(sheet, pen, heads, rows, widths=(26, 24, 12, 60, _MEANING_WIDTH), name="columns")
