"""The cohort frame: its columns and types, and the checks that need one column only.

A cohort frame has the columns of :data:`COLUMNS` in their order, then any other columns as ``str``. Text, codes and
flags are ``str`` objects with ``""`` for blank; numbers are float64 with NaN; dates are datetime64[ns] with NaT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.cells import parse
from allocation.cohort.columns import (
    COLUMNS,
    DATES,
    DECISIONS,
    NUMBERS,
    OPTIONAL,
    REQUIRED,
    ROUTES,
    SEXES,
    SPECS,
    UNLISTED,
    YES_NO,
    ColumnSpec,
)
from allocation.cohort.plausible import Limits, Plausible, load_plausible
from allocation.rules import PanelSet, ProductSet, Rulebook
from allocation.tables.text import encode_series

if TYPE_CHECKING:
    import pandera.pandas as pa

__all__ = [
    "COLUMNS",
    "DATES",
    "NUMBERS",
    "OPTIONAL",
    "REQUIRED",
    "SPECS",
    "UNLISTED",
    "ColumnSpec",
    "allowed_codes",
    "cohort_schema",
    "default_route",
    "empty_frame",
    "typed",
]

_DTYPES = {"number": "float64", "date": "datetime64[ns]", "text": "object", "code": "object", "flag": "object"}


def empty_frame() -> pd.DataFrame:
    """A cohort frame without patients."""
    return pd.DataFrame({spec.name: pd.Series(dtype=_DTYPES[spec.kind]) for spec in SPECS})


def default_route() -> str:
    """Route of a patient whose route is blank."""
    return ROUTES[0]


def typed(raw: pd.DataFrame) -> pd.DataFrame:
    """The cohort frame of a table of text that has been checked.

    Parameters
    ----------
    raw
        Text, as :func:`allocation.tables.read_table` gives it. A column that is absent counts as blank.

    Raises
    ------
    ValueError
        Where a number or date cannot be read: the text was not checked.
    """
    columns: dict[str, Any] = {}
    for spec in SPECS:
        if spec.name not in raw:
            columns[spec.name] = blank_column(spec, len(raw))
            continue
        cells = encode_series(raw[spec.name])
        parsed = parse(spec.kind, cells.texts, unit=spec.unit)
        if parsed.problems:
            wrong = cells.texts[min(parsed.problems)]
            raise ValueError(f"{spec.name}: {wrong!r} is no {spec.kind}; check the text before it is typed")
        columns[spec.name] = finished(spec, parsed.values)[cells.codes]
    for name in raw.columns:
        if name not in columns:
            columns[str(name)] = encode_series(raw[name]).objects()
    return pd.DataFrame(columns, index=pd.RangeIndex(len(raw)))


def finished(spec: ColumnSpec, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Distinct values as they stand in a cohort frame: a blank route becomes the usual one."""
    if spec.name == "route":
        return np.where(values == "", default_route(), values).astype(object)
    return values


def blank_column(spec: ColumnSpec, rows: int) -> npt.NDArray[Any]:
    """A column of a cohort frame for which the file has none."""
    blank = {"number": np.nan, "date": np.datetime64("NaT"), "route": default_route()}
    return np.full(rows, blank.get(spec.name, blank.get(spec.kind, "")), dtype=_DTYPES[spec.kind])


def allowed_codes(*, rulebook: Rulebook, panels: PanelSet, products: ProductSet) -> dict[str, tuple[str, ...]]:
    """Codes each column of codes may hold, in the order of their files; for ``situation`` those of all indications."""
    return {
        "panel": tuple(panels.by_code),
        "indication": (*dict.fromkeys(entry.indication for entry in rulebook.entry), UNLISTED),
        "situation": tuple(dict.fromkeys(entry.situation for entry in rulebook.entry if entry.situation)),
        "sex": SEXES,
        "route": ROUTES,
        "product": tuple(products.by_code),
        "panel_decision": DECISIONS,
    }


def cohort_schema(
    *, rulebook: Rulebook, panels: PanelSet, products: ProductSet, plausible: Plausible | None = None
) -> pa.DataFrameSchema:
    """Pandera schema of a cohort frame: types, codes, ranges, and patients told apart.

    The ``error`` of each check says what was expected. Checks across columns are those of
    :func:`allocation.cohort.load.check_cohort`.
    """
    # Half a second of imports, so only where a cohort is checked.
    import pandera.pandas as pa

    limits = plausible or load_plausible()
    codes = allowed_codes(rulebook=rulebook, panels=panels, products=products)
    columns = {}
    for spec in (*SPECS, *OPTIONAL):
        checks = _checks(spec, codes, limits)
        unique = spec.name == "patient_id"
        columns[spec.name] = pa.Column(
            _DTYPES[spec.kind],
            checks,
            nullable=spec.kind in ("number", "date"),
            unique=unique,
            name=spec.name,
            required=spec not in OPTIONAL,
        )
    return pa.DataFrameSchema(columns, strict=False)


def _checks(spec: ColumnSpec, codes: dict[str, tuple[str, ...]], limits: Plausible) -> list[pa.Check]:
    import pandera.pandas as pa

    if spec.kind == "flag":
        return [pa.Check.isin(("", *YES_NO), error="yes, no or blank")]
    if spec.kind == "code":
        known = codes[spec.name]
        blank = () if spec.required or spec.name == "route" else ("",)
        return [pa.Check.isin((*known, *blank), error=_one_of(spec.name, known))]
    if spec.kind == "date":
        first, last = pd.Timestamp(limits.dates.first), pd.Timestamp(limits.dates.last)
        return [pa.Check.in_range(first, last, error=str(limits.dates))]
    if spec.name in ("age_years", "dose_g", "interval_weeks"):
        return [_range(getattr(limits, spec.name))]
    if spec.name == "patient_id":
        return [pa.Check.str_length(min_value=1, error="a pseudonym")]
    return []


def _range(limits: Limits) -> pa.Check:
    import pandera.pandas as pa

    if limits.above is not None:
        return pa.Check.in_range(limits.above, limits.high, include_min=False, error=str(limits))
    return pa.Check.in_range(limits.low, limits.high, error=str(limits))


def _one_of(name: str, known: tuple[str, ...]) -> str:
    """Short sets are spelt out; of long ones the message names the nearest codes instead."""
    few = 4
    return f"one of {', '.join(known)}" if len(known) <= few else f"a code of the {name}s in use"
