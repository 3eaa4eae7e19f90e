"""Loading a cohort from a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from allocation.cohort.check import LoadedCohort, check_rows
from allocation.errors import InputError
from allocation.rules import PanelSet, ProductSet, Rulebook
from allocation.tables import of_sheet, read_rows
from allocation.tables.text import encode_series

__all__ = ["LoadedCohort", "check_cohort", "load_cohort"]


def load_cohort(
    path: Path, *, rulebook: Rulebook, panels: PanelSet, products: ProductSet, strict: bool = False
) -> LoadedCohort:
    """Read and check a cohort file (CSV, Parquet or XLSX).

    Parameters
    ----------
    path
        The file, one row a patient.
    rulebook, panels, products
        Which codes are known, and how dosing weights are found.
    strict
        Refuse the file where any row has a fault.

    Raises
    ------
    InputError
        Where the file cannot be read, lacks a required column, has a column named almost like one of ours, or,
        under ``strict``, has any fault.
    """
    table = read_rows(path)
    with of_sheet(table.sheets):
        loaded = check_rows(
            table.columns,
            str(path),
            rows=table.rows,
            rulebook=rulebook,
            panels=panels,
            products=products,
            read_faults=table.faults,
        )
    if strict and loaded.faults:
        raise InputError(loaded.faults)
    return loaded


def check_cohort(
    raw: pd.DataFrame, source: str, *, rulebook: Rulebook, panels: PanelSet, products: ProductSet
) -> LoadedCohort:
    """Check a table of text as a cohort: good rows typed, the others set aside with every reason.

    Parameters
    ----------
    raw
        Text, as :func:`allocation.tables.read_table` gives it; blank is ``""``.
    source
        What to call the table in messages.
    rulebook, panels, products
        As for :func:`load_cohort`.

    Returns
    -------
    LoadedCohort
        Where every row has a fault, ``good`` is empty: whether that is an error is for the caller to say.

    Raises
    ------
    InputError
        Where a required column is missing or a column is named almost like one of ours.
    """
    texts = {str(name): encode_series(raw[name]) for name in raw.columns}
    return check_rows(texts, source, rows=len(raw), rulebook=rulebook, panels=panels, products=products)
