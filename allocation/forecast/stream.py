"""Large tables in pieces: only the columns asked for, with the row of every value as a person sees it.

A month of published data has about 300,000 rows of which a few hundred count, so nothing is held but a piece.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from allocation.errors import Fault, InputError
from allocation.tables import read_table

__all__ = ["Piece", "header_of", "pieces", "without_blank"]

_BLOCK_BYTES = 1 << 23
_BATCH_ROWS = 1 << 17
_NOT_UTF_8 = "In Excel choose Save As, CSV UTF-8 (comma delimited)."


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a file.

    Attributes
    ----------
    columns
        Arrow arrays of text by column.
    rows
        Row of each as a spreadsheet counts it (the header is row 1), shape (rows,).
    """

    columns: dict[str, Any]
    rows: npt.NDArray[np.int64]


def header_of(path: Path) -> list[str]:
    """Column names of a CSV, Parquet or XLSX file.

    Raises
    ------
    InputError
        Where the file is missing, empty, of another kind, or names a column twice.
    """
    source = str(path)
    if not path.is_file() or path.suffix.lower() not in {".csv", ".parquet"}:
        return [str(name) for name in read_table(path).columns]
    names = _csv_header(path) if path.suffix.lower() == ".csv" else _parquet_header(path)
    if not any(names):
        raise InputError(
            Fault(source, "column names in the first row", row=1, remedy="The file or its first row is blank.")
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise InputError(Fault(source, "each column once", row=1, column=twice[0], remedy="Rename or remove one."))
    return names


def pieces(path: Path, columns: tuple[str, ...]) -> Iterator[Piece]:
    """Rows of a file, piece by piece.

    Raises
    ------
    InputError
        Where it cannot be read, is not UTF-8, or a row has more or fewer values than the header.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        yield from _csv_pieces(path, columns)
    elif suffix == ".parquet":
        yield from _parquet_pieces(path, columns)
    else:
        import pyarrow as pa

        frame = read_table(path)
        yield Piece({name: pa.array(frame[name].tolist(), pa.string()) for name in columns}, _rows(2, len(frame)))


def without_blank(piece: Piece) -> Piece:
    """The piece without rows that are blank in every column."""
    import pyarrow as pa
    import pyarrow.compute as pc

    blank = np.ones(len(piece.rows), dtype=bool)
    for values in piece.columns.values():
        blank &= np.asarray(pc.equal(values, ""))
        if not blank.any():
            return piece
    kept = pa.array(np.flatnonzero(~blank))
    return Piece({name: values.take(kept) for name, values in piece.columns.items()}, piece.rows[~blank])


def _rows(first: int, count: int) -> npt.NDArray[np.int64]:
    return np.arange(first, first + count, dtype=np.int64)


def _csv_header(path: Path) -> list[str]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            names = next(csv.reader(file), [])
    except (UnicodeDecodeError, csv.Error):
        raise InputError(Fault(str(path), "text in UTF-8", row=1, remedy=_NOT_UTF_8)) from None
    if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
        raise InputError(Fault(str(path), "values separated by commas", row=1, value=names[0], remedy=_NOT_UTF_8))
    return [name.strip() for name in names]


def _parquet_header(path: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return [str(name).strip() for name in file.schema_arrow.names]
    except (pa.ArrowException, OSError) as error:
        remedy = f"It may be damaged or cut short. The reader says: {str(error).splitlines()[0]}"
        raise InputError(Fault(str(path), "a whole Parquet file", remedy=remedy)) from None


def _csv_pieces(path: Path, columns: tuple[str, ...]) -> Iterator[Piece]:
    import pyarrow as pa
    import pyarrow.csv as arrow_csv

    names = header_of(path)
    labels = [str(position) for position in range(len(names))]
    wanted = {name: labels[names.index(name)] for name in columns}
    ragged: list[tuple[int, list[str]]] = []

    def set_aside(row: Any) -> str:
        ragged.append((row.number, next(csv.reader(io.StringIO(row.text, newline="")), [])))
        return "skip"

    try:
        with arrow_csv.open_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                column_names=labels, skip_rows_after_names=1, use_threads=False, block_size=_BLOCK_BYTES
            ),
            parse_options=arrow_csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=set_aside
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(labels, pa.string()),
                include_columns=list(wanted.values()),
                strings_can_be_null=False,
            ),
        ) as reader:
            done = 0
            for batch in reader:
                rows = _file_rows(done, batch.num_rows, [number for number, _ in ragged])
                done += batch.num_rows
                yield Piece({name: batch.column(label) for name, label in wanted.items()}, rows)
    except pa.ArrowInvalid as error:
        said = str(error).splitlines()[0]
        remedy = _NOT_UTF_8 if "UTF8" in said.upper() else f"The reader says: {said}"
        raise InputError(Fault(str(path), "a CSV file in UTF-8", remedy=remedy)) from None
    faults = [
        Fault(
            str(path),
            f"{len(names)} values, as in the header",
            row=number,
            value=f"{len(cells)} values",
            remedy="Look for a comma too many or too few, or download the file again.",
        )
        for number, cells in ragged
        if any(cell.strip() for cell in cells)
    ]
    if faults:
        raise InputError(faults)


def _file_rows(done: int, count: int, skipped: list[int]) -> npt.NDArray[np.int64]:
    """Rows of the file for rows that were kept, counting those that were left out between them."""
    rows = _rows(done + 2, count)
    for number in sorted(skipped):
        rows[rows >= number] += 1
    return rows


def _parquet_pieces(path: Path, columns: tuple[str, ...]) -> Iterator[Piece]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            stored = {str(name).strip(): name for name in file.schema_arrow.names}
            done = 0
            for batch in file.iter_batches(_BATCH_ROWS, columns=[stored[name] for name in columns]):
                arrays = {name: _as_text(batch.column(stored[name])) for name in columns}
                yield Piece(arrays, _rows(done + 2, batch.num_rows))
                done += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        remedy = f"It may be damaged or cut short. The reader says: {str(error).splitlines()[0]}"
        raise InputError(Fault(str(path), "a whole Parquet file", remedy=remedy)) from None


def _as_text(values: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date(values.type) or pa.types.is_timestamp(values.type):
        values = pc.strftime(values, format="%Y-%m-%d")
    return pc.fill_null(values.cast(pa.string()), "")
