"""CSV files to columns of text.

Arrow's reader tells every row with too many or too few values apart, where pandas would take the first of them
for row labels or fill it up in silence.
"""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from allocation.errors import Fault, InputError
from allocation.tables.text import Encoded, encode, encode_series

__all__ = ["csv_parts"]

_CHUNK_BYTES = 1 << 22
_BLOCK_BYTES = 1 << 24
_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "upright bars"}
_SAVE_AS = "In Excel choose Save As, CSV UTF-8 (comma delimited)."


@dataclass(frozen=True, slots=True)
class _Scan:
    """What one pass over the bytes tells: lines, and quotation marks."""

    lines: int
    quotes: int


def csv_parts(path: Path) -> tuple[list[str], list[Encoded], tuple[Fault, ...]]:
    """Header, columns and faults of a comma-separated file in UTF-8.

    Returns
    -------
    tuple
        Column names; columns in the same order; one fault for each row with more or fewer values than the header.
        Such a row stays in its place, cut or filled up with blanks.

    Raises
    ------
    InputError
        Where the bytes are not UTF-8 text, another delimiter is used, or a quotation mark is never closed.
    """
    source = str(path)
    scan = _scan(path, source)
    header = _header(path, source)
    columns, ragged = _read(path, source, width=len(header))
    rows = len(columns[0].codes) + len(ragged)
    if scan.quotes and (scan.quotes % 2 or scan.lines > rows + 1):
        _check_quotes(path, source)
    if ragged:
        columns = [_with_rows(column, i, ragged) for i, column in enumerate(columns)]
    faults = [
        Fault(
            source,
            f"{len(header)} values, as in the header",
            row=position + 2,
            value=f"{len(cells)} values",
            remedy="Look for a comma too many or too few; a value that holds a comma needs quotation marks.",
        )
        for position, cells in ragged
        if any(cells)
    ]
    return header, columns, tuple(faults)


def _scan(path: Path, source: str) -> _Scan:
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = quotes = 0
    last = b""
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            if not last and chunk.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(Fault(source, "text in UTF-8", value="UTF-16", remedy=_SAVE_AS))
            if b"\0" in chunk:
                row = lines + chunk[: chunk.index(b"\0")].count(b"\n") + 1
                remedy = f"The file holds NUL bytes: it is damaged or not plain UTF-8 text. {_SAVE_AS}"
                raise InputError(Fault(source, "text in UTF-8", row=row, remedy=remedy))
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                row = lines + chunk[: error.start].count(b"\n") + 1
                raise InputError(Fault(source, "text in UTF-8", row=row, remedy=_SAVE_AS)) from None
            lines += chunk.count(b"\n")
            quotes += chunk.count(b'"')
            last = chunk
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        raise InputError(Fault(source, "text in UTF-8", row=lines + 1, remedy="The file is cut short.")) from None
    return _Scan(lines + (not last.endswith(b"\n")), quotes)


def _header(path: Path, source: str) -> list[str]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            records = csv.reader(file)
            header = next(records, [])
            more = next(records, None) is not None
        except csv.Error as error:
            raise InputError(Fault(source, "a header row of column names", row=1, remedy=f"{error}.")) from None
    if not any(name.strip() for name in header):
        raise InputError(Fault(source, "column names in the first row", row=1, remedy="The first row is blank."))
    if len(header) == 1:
        for delimiter, name in _OTHER_DELIMITERS.items():
            if delimiter in header[0]:
                remedy = f"This file is separated by {name}. {_SAVE_AS}"
                raise InputError(Fault(source, "values separated by commas", row=1, value=delimiter, remedy=remedy))
    if not more:
        raise InputError(Fault(source, "at least one row below the header", remedy="Only the header is there."))
    return header


def _read(path: Path, source: str, *, width: int) -> tuple[list[Encoded], list[tuple[int, list[str]]]]:
    """Columns of the rows that fit the header, and position and values of those that do not."""
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    ragged: list[tuple[int, list[str]]] = []

    def set_aside(row: Any) -> str:
        cells = next(csv.reader(io.StringIO(row.text, newline="")), [])
        ragged.append((row.number - 2, [cell.strip() for cell in cells]))
        return "skip"

    names = [str(position) for position in range(width)]
    try:
        table = arrow_csv.read_csv(
            path,
            # Row numbers are known only when one thread reads.
            read_options=arrow_csv.ReadOptions(
                column_names=names, skip_rows_after_names=1, use_threads=False, block_size=_BLOCK_BYTES
            ),
            parse_options=arrow_csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=set_aside
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        _check_quotes(path, source)
        raise InputError(Fault(source, "a CSV file", remedy=f"The reader says: {error}.")) from None
    return [encode(table.column(name), source=source, column="") for name in names], ragged


def _check_quotes(path: Path, source: str) -> None:
    """Refuse a quotation mark that is never closed: it swallows the rows after it."""
    row = 0
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for _ in csv.reader(file, strict=True):
                row += 1
        except csv.Error:
            remedy = "Look for a quotation mark without its partner in this row; inside a quoted value it is doubled."
            raise InputError(Fault(source, "quotation marks in pairs", row=row + 1, remedy=remedy)) from None


def _with_rows(column: Encoded, position: int, ragged: list[tuple[int, list[str]]]) -> Encoded:
    extra = [cells[position] if position < len(cells) else "" for _, cells in ragged]
    # ``np.insert`` counts places in the array as it was, before any of the rows went in.
    places = [row - before for before, (row, _) in enumerate(ragged)]
    texts = np.array([*column.texts, *extra], dtype=object)
    codes = np.insert(column.codes, places, len(column.texts) + np.arange(len(extra)))
    return encode_series(texts[codes])
