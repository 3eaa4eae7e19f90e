"""Writing a table: the same frame gives the same bytes each time, and a file is there whole or not at all.

CSV cells are written as they are. A text that begins with ``=``, ``+``, ``-`` or ``@`` is therefore kept, and a
spreadsheet that opens the CSV may take it for a formula; a workbook written here never does.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.records import atomic_path
from allocation.tables.read import SUFFIXES
from allocation.tables.text import cell_text, text_frame

__all__ = ["write_table"]

_XLSX_ROWS = 1_048_576
_XLSX_CELL = 32_767
_XLSX_CREATED = datetime(2000, 1, 1)  # noqa: DTZ001 - a fixed mark, so that the bytes do not depend on the day
_WIDEST = 60
_SAMPLE_ROWS = 1_000


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table to a CSV, Parquet or XLSX file; the index is left out.

    CSV and XLSX spell values as :func:`allocation.tables.read_table` gives them back, Parquet keeps types.

    Parameters
    ----------
    frame
        The table; column names must be single.
    path
        Where to, by suffix; folders on the way are made.

    Raises
    ------
    InputError
        Where the suffix is another, the place cannot be written, or the table is too large for a worksheet.
    ValueError
        Where two columns have the same name.
    """
    names = [str(name) for name in frame.columns]
    if len(set(names)) != len(names):
        raise ValueError(f"columns of the same name: {', '.join(sorted(n for n in set(names) if names.count(n) > 1))}")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        remedy = "End the name of the file in one of them."
        raise InputError(Fault(str(path), f"a file ending in {', '.join(SUFFIXES)}", value=path.suffix, remedy=remedy))
    if suffix == ".xlsx":
        _check_fits(frame, str(path))
    with atomic_path(path) as part:
        if suffix == ".csv":
            text_frame(frame).to_csv(part, index=False, lineterminator="\n", encoding="utf-8")
        elif suffix == ".parquet":
            _write_parquet(frame, part)
        else:
            _write_xlsx(frame, part)


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    # pandas notes its own version in the metadata, which would change the bytes with it.
    pq.write_table(table.replace_schema_metadata(None), path, compression="zstd", write_page_checksum=True)


def _check_fits(frame: pd.DataFrame, source: str) -> None:
    remedy = "Write CSV or Parquet instead."
    if len(frame) >= _XLSX_ROWS:
        expected = f"at most {_XLSX_ROWS - 1} rows in a worksheet"
        raise InputError(Fault(source, expected, value=f"{len(frame)} rows", remedy=remedy))
    for name in frame.columns:
        if (
            frame[name].dtype == object
            and frame[name].map(lambda cell: len(cell) if isinstance(cell, str) else 0).max() > _XLSX_CELL
        ):
            expected = f"at most {_XLSX_CELL} characters in a cell"
            raise InputError(Fault(source, expected, column=str(name), remedy=remedy))


def _write_xlsx(frame: pd.DataFrame, path: Path) -> None:
    import xlsxwriter

    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(str(path), options) as book:
        book.set_properties({"created": _XLSX_CREATED})
        sheet = book.add_worksheet("table")
        bold = book.add_format({"bold": True})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.freeze_panes(1, 0)
        for position, name in enumerate(frame.columns):
            sheet.write_string(0, position, str(name), bold)
            values = frame[name].tolist()
            for row, value in enumerate(values, start=1):
                _write_cell(sheet, row, position, value, day)
            longest = max(map(len, map(cell_text, values[:_SAMPLE_ROWS])), default=0)
            sheet.set_column(position, position, min(max(longest, len(str(name))) + 2, _WIDEST))


class _Exact(float):
    """A number that writes all its digits where XlsxWriter asks for 16."""

    def __format__(self, spec: str) -> str:
        return repr(float(self))


def _write_cell(sheet: Any, row: int, column: int, value: object, day: Any) -> None:
    if isinstance(value, bool | np.bool_):
        sheet.write_boolean(row, column, bool(value))
    elif isinstance(value, int | float | np.number) and np.isfinite(value):
        sheet.write_number(row, column, _Exact(value) if isinstance(value, float | np.floating) else value)
    elif isinstance(value, date) and cell_text(value) == value.isoformat()[:10] and value.year >= 1900:
        sheet.write_datetime(row, column, datetime(value.year, value.month, value.day), day)  # noqa: DTZ001
    elif text := cell_text(value):
        sheet.write_string(row, column, text)
