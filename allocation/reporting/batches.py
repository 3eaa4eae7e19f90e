"""The long tables of a run, some rows at a time, and their sums by group."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError

__all__ = ["RunningSums", "by_batches", "columns_there", "sums", "told_if_unreadable"]

_BATCH_ROWS = 1 << 13
"""Rows in memory at a time, or those of one row group where it has more."""


def by_batches(paths: Iterable[Path], wanted: Sequence[str], texts: Sequence[str] = ()) -> Iterator[pd.DataFrame]:
    """Row groups, each of whole replications, as many at a time as make a batch.

    Parameters
    ----------
    paths
        Parquet files, read one after the other as if they were one.
    wanted
        Columns.
    texts
        Those of them that hold text; they come as categories.

    Raises
    ------
    InputError
        Where a file is missing, unreadable or short of a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found: list[Any] = []
    rows = 0
    for path in paths:
        with told_if_unreadable(path), pq.ParquetFile(path, read_dictionary=list(texts)) as file:
            columns_there(path, file.schema_arrow.names, wanted)
            for number in range(file.num_row_groups):
                # Threads gain nothing with groups as small as these, and each keeps memory of its own.
                found.append(file.read_row_group(number, columns=list(wanted), use_threads=False))
                rows += found[-1].num_rows
                if rows >= _BATCH_ROWS:
                    yield pa.concat_tables(found).to_pandas(use_threads=False)
                    found, rows = [], 0
    if rows:
        yield pa.concat_tables(found).to_pandas(use_threads=False)


def columns_there(path: Path, present: Iterable[str], wanted: Iterable[str]) -> None:
    """Refuse a table that is short of a column.

    Raises
    ------
    InputError
        Naming each column that is missing.
    """
    there = set(present)
    missing = [Fault(str(path), "this column", column=name) for name in wanted if name not in there]
    if missing:
        raise InputError(missing)


@contextmanager
def told_if_unreadable(path: Path) -> Iterator[None]:
    """Say in a sentence why a Parquet file cannot be read.

    Raises
    ------
    InputError
        In place of the reader's error.
    """
    import pyarrow as pa

    try:
        yield
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=f"{error.strerror or 'It is damaged'}.")) from None
    except pa.ArrowException as error:
        raise InputError(Fault(str(path), "a Parquet file", remedy=f"The reader says: {error}")) from None


def sums(frame: pd.DataFrame, keys: list[str], values: list[str]) -> pd.DataFrame:
    """Sums of values by keys, sorted by these; keys that are categories become text."""
    summed = frame.groupby(keys, observed=True, sort=False)[values].sum().reset_index()
    for name in keys:
        if isinstance(summed[name].dtype, pd.CategoricalDtype):
            summed[name] = summed[name].astype(str)
    return summed.sort_values(keys, ignore_index=True)


class RunningSums:
    """Sums of values by a key over frames that come one after the other, none of which is kept.

    They are the same to the last bit as pandas' sums over all rows at once: what rounding takes from a sum is carried
    on to the next row (Kahan).

    Parameters
    ----------
    key
        Column of whole numbers.
    values
        Columns of numbers; no value may be missing.
    """

    def __init__(self, key: str, values: Sequence[str]) -> None:
        self.key = key
        self.values = list(values)
        self._sums: dict[int, npt.NDArray[np.float64]] = {}
        self._lost: dict[int, npt.NDArray[np.float64]] = {}

    def add(self, frame: pd.DataFrame) -> None:
        """Add the rows of a frame, from the top down."""
        numbers = frame[self.values].to_numpy(dtype=np.float64)
        for key, row in zip(frame[self.key].tolist(), numbers, strict=True):
            if key not in self._sums:
                self._sums[key], self._lost[key] = np.zeros(len(row)), np.zeros(len(row))
            before = self._sums[key]
            more = row - self._lost[key]
            after = before + more
            self._sums[key], self._lost[key] = after, (after - before) - more

    def frame(self) -> pd.DataFrame:
        """The sums so far, the key as index, ascending."""
        index = pd.Index(sorted(self._sums), name=self.key, dtype="int64")
        numbers = np.array([self._sums[key] for key in index], dtype=np.float64)
        return pd.DataFrame(numbers.reshape(len(index), len(self.values)), index=index, columns=self.values)
