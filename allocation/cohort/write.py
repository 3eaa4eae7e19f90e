"""Writing a cohort, plain or graded, so that loading it gives the same frame back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from allocation.cohort.columns import DATES
from allocation.tables import write_table

__all__ = ["write_cohort", "write_rejects"]


def write_cohort(frame: pd.DataFrame, path: Path) -> None:
    """Write a cohort frame as CSV, Parquet or XLSX; the same frame gives the same bytes.

    Dates are written as ISO text, as days (Parquet) or as date cells (XLSX); numbers with the fewest digits that give
    the same number back.

    Parameters
    ----------
    frame
        Cohort frame, with any further columns such as those of grading.
    path
        Where to, by suffix.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    if path.suffix.lower() == ".parquet":
        import pyarrow as pa

        day = pd.ArrowDtype(pa.date32())
        dates = {name: frame[name].astype(day) for name in DATES if name in frame}
        frame = frame.assign(**dates)
    write_table(frame, path)


def write_rejects(rejects: pd.DataFrame, path: Path) -> None:
    """Write the rows set aside as they were read, with ``row`` and ``reasons``.

    Raises
    ------
    InputError
        Where the file cannot be written.
    """
    write_table(rejects, path)
