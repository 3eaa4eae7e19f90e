"""Worksheets to columns of text.

The reader gives a blank for a cell that shows an error (``#N/A``) and for a formula that was never calculated.
A blank means something in our tables, so such cells are looked for in the sheet itself and reported.
"""

from __future__ import annotations

import html
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from allocation.errors import Fault, InputError
from allocation.tables.text import Encoded, cell_text, encode_series

__all__ = ["xlsx_parts"]

_CELL = re.compile(rb"<(?:\w+:)?c ([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_FILLED = re.compile(rb"<(?:\w+:)?v[^>]*>[^<]")
_FORMULA = re.compile(rb"<(?:\w+:)?f[ />]")
_REFERENCE = re.compile(rb'\br="([A-Z]+)([0-9]+)"')
_LETTERS = 26


def xlsx_parts(path: Path, sheet: str | None) -> tuple[list[str], list[Encoded], tuple[Fault, ...], tuple[str, ...]]:
    """Header, columns and faults of one worksheet, and the sheets it was chosen from, itself the first.

    Raises
    ------
    InputError
        Where the workbook is damaged or protected by a password, or has no such sheet.
    """
    import python_calamine as calamine

    source = str(path)
    try:
        with calamine.CalamineWorkbook.from_path(str(path)) as book:
            name, *others = _choose(book, sheet, source)
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        hollow = _hollow_cells(path, name)
    except (calamine.CalamineError, zipfile.BadZipFile, KeyError) as error:
        remedy = f"Open it in Excel and save it again as .xlsx without a password. The reader says: {error}."
        raise InputError(Fault(source, "an Excel workbook", remedy=remedy)) from None
    if not rows:
        raise InputError(Fault(source, "a table with a header row", remedy=f"The sheet {name!r} is empty."))
    header = [_text(value) for value in rows[0]]
    cells = np.array([[_text(value) for value in row] for row in rows[1:]], dtype=object).reshape(-1, len(header))
    columns = [encode_series(cells[:, position]) for position in range(len(header))]
    faults = [
        Fault(source, "a value", row=row, column=header[column] if column < len(header) else "", remedy=remedy)
        for row, column, remedy in hollow
    ]
    in_header = [fault for fault in faults if fault.row == 1]
    if in_header:
        raise InputError(in_header)
    return header, columns, tuple(faults), (name, *others)


def _text(value: object) -> str:
    try:
        return cell_text(value)
    except TypeError:  # a time of day or a length of time
        return str(value)


def _choose(book: Any, sheet: str | None, source: str) -> list[str]:
    """The sheet to read and, where nobody named it, the others that are shown."""
    names: list[str] = list(book.sheet_names)
    if sheet is not None:
        if sheet not in names:
            remedy = f"The workbook has: {', '.join(names)}."
            raise InputError(Fault(source, "a sheet of the workbook", value=sheet, remedy=remedy))
        return [sheet]
    shown = [str(meta.name) for meta in book.sheets_metadata if _is_shown(meta)]
    if not (shown or names):
        raise InputError(Fault(source, "a workbook with a sheet"))
    return shown or names[:1]


def _is_shown(meta: Any) -> bool:
    return str(meta.visible).endswith("Visible") and str(meta.typ).endswith("WorkSheet")


def _hollow_cells(path: Path, sheet: str) -> list[tuple[int, int, str]]:
    """Row (from 1), column (from 0) and remedy of every cell whose blank is no blank."""
    xml = _sheet_xml(path, sheet)
    if b't="e"' not in xml and not _FORMULA.search(xml):
        return []
    found = []
    for attributes, body in _CELL.findall(xml):
        if b't="e"' in attributes:
            remedy = "The cell shows an error, such as #N/A; correct it or clear the cell."
        elif b't="str"' not in attributes and _FORMULA.search(body) and not _FILLED.search(body):
            remedy = "The formula has never been calculated; open the workbook in Excel, save it and try again."
        else:
            continue
        reference = _REFERENCE.search(attributes)
        if reference is not None:
            found.append((int(reference[2]), _column_of(reference[1].decode()), remedy))
    return found


def _column_of(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * _LETTERS + ord(letter) - ord("A") + 1
    return number - 1


def _sheet_xml(path: Path, sheet: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        targets = {
            _attribute(tag, "Id"): _attribute(tag, "Target")
            for tag in _tags(archive.read("xl/_rels/workbook.xml.rels"), "Relationship")
        }
        for tag in _tags(archive.read("xl/workbook.xml"), "sheet"):
            if html.unescape(_attribute(tag, "name")) == sheet:
                target = targets[_attribute(tag, "id")]
                return archive.read(target.lstrip("/") if target.startswith("/") else f"xl/{target}")
    return b""


def _tags(xml: bytes, name: str) -> list[str]:
    return re.findall(rf"<(?:\w+:)?{name} [^>]*>", xml.decode("utf-8"))


def _attribute(tag: str, name: str) -> str:
    found = re.search(rf"""[\s:]{name}=(?:"([^"]*)"|'([^']*)')""", tag)
    return (found[1] or found[2] or "") if found else ""
