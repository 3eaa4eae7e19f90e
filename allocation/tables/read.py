"""Reading a table: what kind of file it is, and what every kind must be once it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.tables.text import Encoded

__all__ = ["SUFFIXES", "RawTable", "of_sheet", "read_rows", "read_table"]

SUFFIXES = (".csv", ".parquet", ".xlsx")
"""Kinds of file a table may be in."""

_FIRST_BYTES = {
    b"PK\x03\x04": (
        ".xlsx",
        "an Excel workbook or another zip archive",
        "If it is a workbook, rename it to end in .xlsx.",
    ),
    b"PAR1": (".parquet", "a Parquet file", "Rename it to end in .parquet."),
    b"\xd0\xcf\x11\xe0": (
        "",
        "an old Excel file (.xls) or a workbook with a password",
        "Open it in Excel and save it without a password as .xlsx or as CSV UTF-8.",
    ),
}


@dataclass(frozen=True, slots=True)
class RawTable:
    """A file's rows as text, and the rows that could not be read as the header promises.

    Attributes
    ----------
    columns
        Every column by name, every cell stripped and blank as ``""``. Rows with a fault are in them too.
    rows
        Number of rows; position + 2 is the row a person sees.
    faults
        One for each row (and cell) that could not be read whole, each with its ``row``.
    sheets
        Of a workbook the sheet that was read, then the others it was chosen from.
    """

    columns: dict[str, Encoded]
    rows: int
    faults: tuple[Fault, ...]
    sheets: tuple[str, ...] = ()

    def frame(self) -> pd.DataFrame:
        """The rows as a frame of ``str`` with index 0..n-1."""
        data = {name: column.objects() for name, column in self.columns.items()}
        return pd.DataFrame(data, index=pd.RangeIndex(self.rows), copy=False)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the reader of one kind of file hands over: header names, columns in their order, faults of rows."""

    header: list[str]
    columns: list[Encoded]
    faults: tuple[Fault, ...] = ()
    sheets: tuple[str, ...] = ()


def read_table(path: Path, *, sheet: str | None = None) -> pd.DataFrame:
    """Table in a CSV (UTF-8), Parquet or XLSX file, every cell as text.

    Parameters
    ----------
    path
        The file; its suffix says which kind it is.
    sheet
        Name of the worksheet, XLSX only; the first visible one otherwise.

    Returns
    -------
    DataFrame
        Every cell ``str``, stripped, blank as ``""``; dates as ISO text, whole numbers without ``.0``, true and
        false as ``yes`` and ``no``. Index 0..n-1; blank rows at the end are left out.

    Raises
    ------
    InputError
        Where the file is missing, empty, of another kind than its suffix says, not UTF-8, without rows, or has
        columns without a name or of the same name, or rows with more or fewer values than the header.
    """
    table = read_rows(path, sheet=sheet)
    if table.faults:
        raise InputError(table.faults)
    return table.frame()


def read_rows(path: Path, *, sheet: str | None = None) -> RawTable:
    """As :func:`read_table`, but by distinct values, and rows that cannot be read whole do not stop the others.

    Raises
    ------
    InputError
        As :func:`read_table`, save for faults of single rows.
    """
    reader = _reader_for(path)
    if sheet is not None and path.suffix.lower() != ".xlsx":
        raise InputError(Fault(str(path), "a workbook (.xlsx) where a sheet is named", value=sheet))
    try:
        parts = reader(path, sheet)
    except OSError as error:
        remedy = f"The system says: {error.strerror or error}. If it is open in another program, close it there."
        raise InputError(Fault(str(path), "a file that can be read", remedy=remedy)) from None
    with of_sheet(parts.sheets):
        return _checked(parts, str(path))


@contextmanager
def of_sheet(sheets: tuple[str, ...]) -> Iterator[None]:
    """Let faults of a whole table say which sheet of a workbook it was, for the table may stand on another.

    Parameters
    ----------
    sheets
        As :class:`RawTable` has them.
    """
    try:
        yield
    except InputError as error:
        if not sheets[1:]:
            raise
        read, *others = sheets
        named = ", ".join(map(repr, others))
        words = f"The first sheet, {read!r}, was read (others: {named}); put the sheet with the table first."
        raise InputError(
            replace(fault, remedy=f"{fault.remedy} {words}".strip()) if fault.row in (None, 1) else fault
            for fault in error.faults
        ) from None


def _reader_for(path: Path) -> Callable[[Path, str | None], Parts]:
    source = str(path)
    if path.is_dir():
        raise InputError(Fault(source, "a file", remedy="This is a folder; name the file in it."))
    if not path.is_file():
        raise InputError(Fault(source, "a file that exists", remedy="Check its name and folder."))
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        remedy = "Save the table as CSV UTF-8 or as an Excel workbook (.xlsx)."
        raise InputError(Fault(source, f"a file ending in {', '.join(SUFFIXES)}", value=path.suffix, remedy=remedy))
    with path.open("rb") as file:
        head = file.read(4)
    if not head:
        raise InputError(Fault(source, "a table with a header row", remedy="The file is empty."))
    kind, found, remedy = next((told for mark, told in _FIRST_BYTES.items() if head.startswith(mark)), (".csv", "", ""))
    if kind != suffix:
        wanted = {".csv": "CSV text", ".parquet": "a Parquet file", ".xlsx": "an Excel workbook"}[suffix]
        raise InputError(
            Fault(
                source,
                f"{wanted}, as its name says",
                remedy=f"It holds {found}. {remedy}" if found else "It does not; check how it was saved.",
            )
        )
    readers: Mapping[str, Callable[[Path, str | None], Parts]] = {
        ".csv": _read_csv,
        ".parquet": _read_parquet,
        ".xlsx": _read_xlsx,
    }
    return readers[suffix]


def _read_csv(path: Path, _sheet: str | None) -> Parts:
    from allocation.tables.csv_file import csv_parts

    return Parts(*csv_parts(path))


def _read_parquet(path: Path, _sheet: str | None) -> Parts:
    from allocation.tables.parquet_file import parquet_parts

    return Parts(*parquet_parts(path))


def _read_xlsx(path: Path, sheet: str | None) -> Parts:
    from allocation.tables.xlsx_file import xlsx_parts

    return Parts(*xlsx_parts(path, sheet))


def _checked(parts: Parts, source: str) -> RawTable:
    """Header and rows as every table must have them: names single and not blank, at least one row."""
    header = [name.strip() for name in parts.header]
    if not any(header):
        raise InputError(Fault(source, "column names in the first row", row=1, remedy="The first row is blank."))
    faults: list[Fault] = []
    kept: list[int] = []
    filled_rows = 0
    for position, (name, column) in enumerate(zip(header, parts.columns, strict=True)):
        last = _last_filled(column)
        if name or last:
            kept.append(position)
        if last and not name:
            remedy = f"Column {position + 1} holds values but has no name in the first row."
            faults.append(Fault(source, "a name for every column", row=1, remedy=remedy))
        filled_rows = max(filled_rows, last)
    names = [header[position] for position in kept]
    twice = sorted({name for name in names if name and names.count(name) > 1})
    remedy = "Rename or remove all but one."
    faults += [Fault(source, "one column of this name", row=1, column=name, remedy=remedy) for name in twice]
    if not faults and not filled_rows and not parts.faults:
        faults.append(Fault(source, "at least one row below the header", remedy="Only the header is there."))
    if faults:
        raise InputError(faults)
    rows = max([filled_rows, *(fault.row - 1 for fault in parts.faults if fault.row is not None)])
    columns = {header[position]: _first_rows(parts.columns[position], rows) for position in kept}
    return RawTable(columns, rows, parts.faults, parts.sheets)


def _last_filled(column: Encoded) -> int:
    """One more than the position of the last value that is not blank; 0 where all are."""
    where = np.flatnonzero(~column.is_text(""))
    return int(where[-1]) + 1 if len(where) else 0


def _first_rows(column: Encoded, rows: int) -> Encoded:
    return column if rows == len(column.codes) else Encoded(column.codes[:rows], column.texts)
