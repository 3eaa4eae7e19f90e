"""Parquet files to columns of text."""

from __future__ import annotations

from pathlib import Path

from allocation.errors import Fault, InputError
from allocation.tables.text import Encoded, encode

__all__ = ["parquet_parts"]


def parquet_parts(path: Path) -> tuple[list[str], list[Encoded]]:
    """Names and columns of a Parquet file.

    Raises
    ------
    InputError
        Where the file is damaged or holds columns that are no plain cells.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = str(path)
    try:
        with pq.ParquetFile(path) as file:
            texts = [field.name for field in file.schema_arrow if pa.types.is_string(field.type)]
        with pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        remedy = f"It may be damaged or cut short; write it again. The reader says: {str(error).splitlines()[0]}"
        raise InputError(Fault(source, "a whole Parquet file", remedy=remedy)) from None
    names = list(table.column_names)
    return names, [encode(table.column(i), source=source, column=name) for i, name in enumerate(names)]
