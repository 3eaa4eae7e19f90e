"""A workbook to bytes: the same workbook gives the same bytes, and no cell is ever a formula.

Text goes in as text whatever it begins with; what a spreadsheet would take for a formula if somebody typed it is
marked as text for good, so that it stays text when the cell is edited.
"""

from __future__ import annotations

import math
from datetime import date, datetime
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.reporting.workbook.looks import DATE_FORMAT, digits_of, look
from allocation.reporting.workbook.model import Field, Line, Sheet, Tone, Workbook
from allocation.tables.text import cell_text

__all__ = ["CREATED", "FONT", "PLANNING", "Pen", "height_of", "lines_of", "new_book", "print_setup", "workbook_bytes"]

PLANNING = "A planning tool, not a clinical decision tool."
CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - a fixed mark, so that the bytes do not depend on the day
FONT = {"font_name": "Arial", "font_size": 12}

_INK, _BLUE = "#1A1A1A", "#12436D"
_TONES: dict[Tone, tuple[str, str]] = {
    "good": ("#D3EDE9", "#0B3B36"),
    "part": ("#FDE6D3", "#5A2B00"),
    "bad": ("#F3D9E4", "#5A0F37"),
    "quiet": ("#E4E8EE", _INK),
}
_RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "%")
_MOST_ROWS, _MOST_TEXT = 1_048_575, 32_767
_NARROWEST, _ROOMY = 9, 70
_SENTENCE = 1.25  # characters of a sentence in the width of a digit
_LINE_POINTS = 15.75
_COVER = (26, 100)
_ANSWER = 1.35  # bold 14 points against 12
_LEFT: dict[str, object] = {"align": "left", "indent": 1}
_RULE: dict[str, object] = {"bottom": 1, "bottom_color": "#D0D4DA"}
_A4 = 9
_MOST_LINES = 25  # a row may be no higher than 409 points


def new_book(buffer: BytesIO) -> Any:
    """A workbook to write into ``buffer``, in which no text becomes a formula, a link or a number."""
    import xlsxwriter

    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        # The usual font of the file is what widths are told in, so it is the one the cells have. The library adds to
        # what it is given, so it gets a copy.
        "default_format_properties": dict(FONT),
        "default_column_width": 80,
    }
    return xlsxwriter.Workbook(buffer, options)


class Pen:
    """Formats of one workbook, each made once, in the order in which they are first used."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self._made: dict[tuple[tuple[str, object], ...], Any] = {}

    def format(self, **settings: object) -> Any:
        """The format with these settings on top of the usual ones."""
        key = tuple(sorted(settings.items()))
        if key not in self._made:
            usual = {**FONT, "valign": "top", "font_color": _INK}
            self._made[key] = self._book.add_format({**usual, **settings})
        return self._made[key]

    def text(self, text: str, **settings: object) -> Any:
        """The format of a text, marked as text for good where a spreadsheet could take it for a formula."""
        return self.format(**settings, **({"quote_prefix": True} if text.startswith(_RISKY) else {}))

    def rule(self, tone: Tone) -> Any:
        """What a conditional format changes: colours and nothing else."""
        background, ink = _TONES[tone]
        return self._book.add_format({"bg_color": background, "font_color": ink})

    @property
    def header(self) -> Any:
        """The format of the first row of a table."""
        return self.heading()

    def heading(self, **settings: object) -> Any:
        """The format of a heading, with other settings where named."""
        usual = {"bold": True, "bg_color": _BLUE, "font_color": "#FFFFFF", "text_wrap": True, "border": 1}
        return self.format(**{**usual, **settings})


def workbook_bytes(book: Workbook) -> bytes:
    """The file.

    Raises
    ------
    InputError
        Where a table is too long for a sheet, or a text for a cell.
    """
    for sheet in book.sheets:
        _check_fits(sheet)
    buffer = BytesIO()
    with new_book(buffer) as made:
        made.set_properties(
            {"title": book.title, "subject": book.kind, "comments": PLANNING, "author": "", "created": CREATED}
        )
        pen = Pen(made)
        _cover(made.add_worksheet("Cover"), pen, book)
        for place, sheet in enumerate(book.sheets, 1):
            _table(made.add_worksheet(sheet.name), pen, sheet, number=place, shared=book.shared)
    return buffer.getvalue()


def _check_fits(sheet: Sheet) -> None:
    source = f"sheet {sheet.name}"
    if len(sheet.frame) > _MOST_ROWS:
        remedy = "Use the CSV and Parquet files of the run."
        raise InputError(Fault(source, f"at most {_MOST_ROWS} rows", value=f"{len(sheet.frame)} rows", remedy=remedy))
    for field in sheet.fields:
        if field.kind == "text":
            for row, value in enumerate(sheet.frame[field.key]):
                if isinstance(value, str) and len(value) > _MOST_TEXT:
                    expected = f"at most {_MOST_TEXT} characters in a cell"
                    raise InputError(Fault(source, expected, row=row + 2, column=field.label))


def _cover(sheet: Any, pen: Pen, book: Workbook) -> None:
    sheet.hide_gridlines(2)
    for place, width in enumerate(_COVER):
        sheet.set_column(place, place, width, pen.format())
    sheet.write_string(0, 0, book.title, pen.text(book.title, bold=True, font_size=20, font_color=_BLUE))
    sheet.set_row(0, 30)
    lines = _cover_lines(book)
    for row, line in enumerate(lines, 1):
        style: dict[str, object] = {"text_wrap": True}
        if line.tone:
            style |= {"bg_color": _TONES[line.tone][0], "font_color": _TONES[line.tone][1]}
        if line.label == "Answer":
            style |= {"font_size": 14, "bold": True}
        sheet.write_string(row, 0, line.label, pen.format(bold=True))
        sheet.write_string(row, 1, line.text, pen.text(line.text, **style))
        larger = _ANSWER if line.label == "Answer" else 1.0
        sheet.set_row(row, height_of(lines_of(line.text, _COVER[1] / larger)) * larger)
    link = pen.format(underline=1, font_color="#0B3D91")
    for row, table in enumerate(book.sheets, len(lines) + 1):
        rows = f"{len(table.frame):,} {'row' if len(table.frame) == 1 else 'rows'}"
        said = f"{table.what} ({rows})"
        sheet.write_url(row, 0, f"internal:'{table.name}'!A1", link, f"Sheet: {table.name}")
        sheet.write_string(row, 1, said, pen.format(text_wrap=True))
        sheet.set_row(row, height_of(lines_of(said, _COVER[1])))
    print_setup(sheet, wide=False)


def _cover_lines(book: Workbook) -> list[Line]:
    lines = [Line("Kind", book.kind)]
    if book.about:
        lines.append(Line("About", book.about))
    lines += [Line("Answer", sentence) for sentence in book.answer]
    lines += [Line("Caution", f"{PLANNING} Every decision about a patient stays with the clinician and the panel.")]
    if book.shared:
        lines.append(Line("Version", "Shared: small counts are hidden, as the sheet Notes says.", "quiet"))
    else:
        lines.append(
            Line(
                "Version",
                "Internal: small counts are shown. Do not send it outside; --share makes a version for that.",
                "part",
            )
        )
    if book.changed:
        lines.append(Line("Stale", f"Not as the run wrote them: {', '.join(book.changed)}. Run it again.", "bad"))
    lines += [Line(name, value) for name, value in book.facts]
    return lines


def _table(sheet: Any, pen: Pen, table: Sheet, *, number: int, shared: bool) -> None:
    rows = len(table.frame)
    columns = []
    lines = np.ones(rows + 1, dtype=np.int64)
    for place, field in enumerate(table.fields):
        texts = _column(sheet, pen, table, place, shared=shared)
        width = _width(field, max(map(len, texts), default=0))
        sheet.set_column(place, place, width, pen.format())
        lines = np.maximum(lines, [lines_of(field.label, width - 3), *(lines_of(text, width - 1) for text in texts)])
        columns.append({"header": field.label, "header_format": pen.header})
        size = {"width": 280, "height": 24 * (2 + len(field.meaning) // 36)}
        sheet.write_comment(0, place, field.meaning, {**size, "font_name": "Arial", "font_size": 10})
        if field.tones:
            _tones(sheet, pen, field, place, rows)
    name = f"table_{number:02d}"
    last = len(table.fields) - 1
    sheet.add_table(0, 0, rows, last, {"name": name, "columns": columns, "style": "Table Style Light 1"})
    for row, count in enumerate(lines.tolist()):
        if row == 0 or count > 1:
            sheet.set_row(row, height_of(count) + (4 if row == 0 else 0))
    sheet.set_default_row(height_of(1))
    sheet.freeze_panes(1, table.heads)
    sheet.repeat_rows(0)
    print_setup(sheet, wide=True)


def lines_of(text: str, width: float) -> int:
    """How many lines a text takes in a column of this width, words kept whole."""
    room = max(int(width * _SENTENCE), 1)
    if len(text) <= room:
        return 1
    lines, used = 1, 0
    for word in text.split(" "):
        long = len(word)
        if used and used + 1 + long > room:
            lines, used = lines + 1, 0
        lines += max((long - 1) // room, 0)
        used += long + (1 if used else 0)
    return lines


def height_of(lines: int) -> float:
    """Height of a row of so many lines, in points."""
    return _LINE_POINTS * min(lines, _MOST_LINES) + 1.5


def _tones(sheet: Any, pen: Pen, field: Field, place: int, rows: int) -> None:
    for text, tone in (field.tones or {}).items():
        rule = {"type": "cell", "criteria": "==", "value": f'"{text}"', "format": pen.rule(tone)}
        sheet.conditional_format(1, place, rows, place, rule)


def _column(sheet: Any, pen: Pen, table: Sheet, place: int, *, shared: bool) -> list[str]:
    """Write the values of a column; return them as a person sees them."""
    field = table.fields[place]
    values = table.frame[field.key].tolist()
    units = table.frame["unit"].astype(str).tolist() if field.kind == "by_unit" else [""] * len(values)
    digits = _digits(table, field)
    texts = [
        _cell(sheet, pen, field, row, place, value, digits=digits, unit=unit, shared=shared)
        for row, (value, unit) in enumerate(zip(values, units, strict=True), 1)
    ]
    if field.kind == "text" and values:
        sheet.ignore_errors({"number_stored_as_text": _range(place, len(values))})
    return texts


def _digits(table: Sheet, field: Field) -> int:
    """Decimals of a column; columns of grams side by side have as many as each other."""
    if field.kind == "grams" and field.digits is None:
        return max(digits_of(one, table.frame) for one in table.fields if one.kind == "grams" and one.digits is None)
    return digits_of(field, table.frame) if field.kind in ("grams", "number") else 0


def _cell(
    sheet: Any,
    pen: Pen,
    field: Field,
    row: int,
    place: int,
    value: object,
    *,
    digits: int,
    unit: str,
    shared: bool,
) -> str:
    style: dict[str, object] = dict(_RULE)
    if value is pd.NaT:
        value = None
    if isinstance(value, date):
        day = datetime(value.year, value.month, value.day)  # noqa: DTZ001
        sheet.write_datetime(row, place, day, pen.format(**style, **_LEFT, num_format=DATE_FORMAT))
        return day.date().isoformat()
    if isinstance(value, int | float | np.number) and not isinstance(value, bool) and field.kind != "text":
        if math.isfinite(value):
            shape = look(field, float(value), digits=digits, unit=unit)
            kept = shape.rounded if shared else float(value)
            sheet.write_number(row, place, kept, pen.format(**style, num_format=shape.pattern, align="right"))
            return shape.text
        value = None if math.isnan(value) else "no limit"
    text = cell_text(value)
    if text:
        style |= _LEFT if field.kind == "text" else {"align": "right"}
        style |= {"text_wrap": True} if len(text) > _NARROWEST else {}
        sheet.write_string(row, place, text, pen.text(text, **style))
    else:
        sheet.write_blank(row, place, None, pen.format(**style))
    return text


def _width(field: Field, longest: int) -> float:
    """Width in characters: of the values up to a limit, and never less than the longest word of the heading."""
    heading = max(map(len, field.label.split())) + 4
    most = _ROOMY if field.roomy else field.most
    return float(max(_NARROWEST, heading, min(longest + 2, most)))


def _range(place: int, rows: int) -> str:
    from xlsxwriter.utility import xl_range

    return str(xl_range(1, place, rows, place))


def print_setup(sheet: Any, *, wide: bool) -> None:
    """A4, one page wide, with the sheet's name and page numbers at the foot."""
    sheet.set_paper(_A4)
    if wide:
        sheet.set_landscape()
    sheet.fit_to_pages(1, 0)
    sheet.set_footer(f"&L{PLANNING}&C&A&RPage &P of &N")
