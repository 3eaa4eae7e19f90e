"""Checking a cohort: every fault of every row, and the good rows typed.

Each column is checked by its distinct values, against the pandera schema of the cohort frame; what needs two columns
follows. So millions of rows cost little more than reading them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.cells import Cells, Parsed, Problem, parse
from allocation.cohort.faults import FaultBook
from allocation.cohort.nhs_number import MASKED, are_nhs_numbers
from allocation.cohort.pairs import across_columns
from allocation.cohort.plausible import load_plausible
from allocation.cohort.remedies import code_remedy, near_column
from allocation.cohort.schema import (
    COLUMNS,
    OPTIONAL,
    REQUIRED,
    SPECS,
    ColumnSpec,
    allowed_codes,
    blank_column,
    cohort_schema,
    finished,
)
from allocation.errors import Fault, InputError
from allocation.rules import PanelSet, ProductSet, Rulebook
from allocation.tables.text import Encoded

__all__ = ["LoadedCohort", "check_rows"]

_OTHER_ROWS_TOLD = 3


@dataclass(frozen=True, slots=True)
class LoadedCohort:
    """A cohort after its checks.

    Attributes
    ----------
    good
        Cohort frame of the rows without a fault, in the order of the file; index 0..n-1.
    rejects
        Text of the rows with a fault as it was read, and ``row`` (as a person counts) and ``reasons``. An NHS number
        is masked.
    faults
        Every fault, by row and column.
    rows
        Rows of the file, good and set aside.
    """

    good: pd.DataFrame
    rejects: pd.DataFrame
    faults: tuple[Fault, ...]
    rows: int


def check_rows(
    texts: dict[str, Encoded],
    source: str,
    *,
    rows: int,
    rulebook: Rulebook,
    panels: PanelSet,
    products: ProductSet,
    read_faults: tuple[Fault, ...] = (),
) -> LoadedCohort:
    """Check columns of text as a cohort; see :func:`allocation.cohort.load.check_cohort`."""
    _check_header(list(texts), source)
    book = FaultBook(source, rows, (*COLUMNS, *(spec.name for spec in OPTIONAL)))
    book.add_read(read_faults)
    book.close(_blank_rows(texts, rows), Problem("a patient", "The row is blank; delete it."))

    codes = allowed_codes(rulebook=rulebook, panels=panels, products=products)
    schema = cohort_schema(rulebook=rulebook, panels=panels, products=products)
    columns: dict[str, Cells] = {}
    for spec in (*SPECS, *(one for one in OPTIONAL if one.name in texts)):
        text = texts.get(spec.name) or Encoded(np.zeros(rows, dtype=np.int8), np.array([""], dtype=object))
        parsed = parse(spec.kind, text.texts, unit=spec.unit)
        problems = dict(parsed.problems)
        # A situation is judged against its own indication, with the other pairs of columns.
        if spec.name not in ("patient_id", "situation"):
            known = codes.get(spec.name, ())
            problems |= _schema_problems(schema, spec, text.texts, parsed, known=known, rulebook=rulebook)
        judged = _judged(spec, text, parsed, problems, book)
        if spec not in OPTIONAL:
            columns[spec.name] = judged
    identifiers = _check_patient_ids(columns["patient_id"], book)
    across_columns(columns, book, rulebook=rulebook, products=products, limits=load_plausible())
    return _parted(rows, texts, columns, book, identifiers)


def _check_header(names: list[str], source: str) -> None:
    present = frozenset(names)
    meant = {name: near_column(name, COLUMNS, present=present) for name in names if name not in COLUMNS}
    near = {name: column for name, column in meant.items() if column is not None}
    faults = [
        Fault(
            source,
            f"the column name {column}",
            row=1,
            column=name,
            remedy=f"Rename {name} to {column} if it holds that, or give it a name less like it.",
        )
        for name, column in near.items()
    ]
    faults += [
        Fault(source, "this column in the file", row=1, column=name, remedy="Add it; it must be filled in every row.")
        for name in REQUIRED
        if name not in present and name not in near.values()
    ]
    if faults:
        raise InputError(faults)


def _blank_rows(texts: dict[str, Encoded], rows: int) -> npt.NDArray[np.bool_]:
    blank = np.ones(rows, dtype=bool)
    for text in texts.values():
        if not blank.any():
            break
        blank &= text.is_text("")
    return blank


def _schema_problems(
    schema: Any,
    spec: ColumnSpec,
    texts: npt.NDArray[np.object_],
    parsed: Parsed,
    *,
    known: tuple[str, ...],
    rulebook: Rulebook,
) -> dict[int, Problem]:
    """Problems of the distinct values by the schema of this column, told as expected and remedy."""
    import pandera.errors

    asked = np.array([bool(text) and i not in parsed.problems for i, text in enumerate(texts)], dtype=bool)
    if not schema.columns[spec.name].checks or not asked.any():
        return {}
    # The position in the list of distinct values is the index, so that a failure tells where it belongs.
    values = pd.Series(parsed.values[asked], index=np.flatnonzero(asked), name=spec.name)
    try:
        schema.columns[spec.name].validate(values.to_frame(), lazy=True)
    except pandera.errors.SchemaErrors as error:
        failed = error.failure_cases[["index", "check"]].itertuples(index=False, name=None)
        remedy = _remedy_for(spec, known, rulebook)
        return {int(index): Problem(str(expected), remedy(str(texts[int(index)]))) for index, expected in failed}
    return {}


def _remedy_for(spec: ColumnSpec, known: tuple[str, ...], rulebook: Rulebook) -> Callable[[str], str]:
    if spec.kind in ("number", "date"):
        return lambda _text: f"Check the number; it is taken in {spec.unit}." if spec.unit else "Check the year."
    return lambda text: code_remedy(spec.name, text, known=known, rulebook=rulebook, flag=spec.kind == "flag")


def _judged(spec: ColumnSpec, text: Encoded, parsed: Parsed, problems: dict[int, Problem], book: FaultBook) -> Cells:
    sound = text.texts != ""
    sound[list(problems)] = False
    cells = Cells(spec, text, parsed.values, np.asarray(sound, dtype=bool))
    if problems:
        wrong = np.zeros(len(text.texts), dtype=bool)
        wrong[list(problems)] = True
        book.add(wrong[text.codes], spec.name, lambda row: (cells.at(row), problems[int(text.codes[row])]))
    if spec.required:
        missing = Problem("a value", f"The column {spec.name} must be filled in every row.")
        book.add(cells.is_blank, spec.name, lambda _row: ("", missing))
    return cells


def _check_patient_ids(cells: Cells, book: FaultBook) -> npt.NDArray[np.bool_]:
    """Refuse NHS numbers and repeated pseudonyms; return the rows that hold an NHS number."""
    identifiers = are_nhs_numbers(cells.text.texts)[cells.text.codes]
    expected = "a pseudonym, not an NHS number"
    remedy = "Replace it by a pseudonym that is not ten digits; the number is not shown here."
    book.add(identifiers, "patient_id", lambda _row: (MASKED, Problem(expected, remedy)))

    counted = np.where(book.closed | cells.is_blank, -1, cells.text.codes)
    counts = np.bincount(counted[counted >= 0], minlength=len(cells.text.texts))
    repeated = (counted >= 0) & (counts[cells.text.codes] > 1)
    rows_of: dict[int, list[int]] = {}
    for row in np.flatnonzero(repeated).tolist():
        rows_of.setdefault(int(cells.text.codes[row]), []).append(row)

    def tell(row: int) -> tuple[str, Problem]:
        others = [
            str(other + 2) for other in rows_of[int(cells.text.codes[row])][: _OTHER_ROWS_TOLD + 1] if other != row
        ]
        rows = ", ".join(others[:_OTHER_ROWS_TOLD])
        remedy = f"Also in row {rows}; nothing tells which is right, so all are set aside. Keep one."
        return (MASKED if identifiers[row] else cells.at(row), Problem("a patient_id that stands once", remedy))

    book.add(repeated, "patient_id", tell)
    return np.asarray(identifiers, dtype=bool)


def _parted(
    rows: int,
    texts: dict[str, Encoded],
    columns: dict[str, Cells],
    book: FaultBook,
    identifiers: npt.NDArray[np.bool_],
) -> LoadedCohort:
    reasons = book.reasons()
    bad = np.zeros(rows, dtype=bool)
    bad[list(reasons)] = True
    count = rows - len(reasons)
    kept: slice | npt.NDArray[np.int64] = np.flatnonzero(~bad) if reasons else slice(None)
    good: dict[str, Any] = {}
    for spec in SPECS:
        cells = columns[spec.name]
        if spec.name in texts:
            good[spec.name] = finished(spec, cells.values)[cells.text.codes[kept]]
        else:
            good[spec.name] = blank_column(spec, count)
    good |= {name: text.texts[text.codes[kept]] for name, text in texts.items() if name not in good}

    aside = np.flatnonzero(bad)
    rejects: dict[str, Any] = {name: text.texts[text.codes[aside]] for name, text in texts.items()}
    rejects["patient_id"] = np.where(identifiers[aside], MASKED, rejects["patient_id"]).astype(object)
    rejects["row"] = aside + 2
    rejects["reasons"] = np.array([reasons[position] for position in aside.tolist()], dtype=object)
    return LoadedCohort(
        good=pd.DataFrame(good, index=pd.RangeIndex(count), copy=False),
        rejects=pd.DataFrame(rejects, index=pd.RangeIndex(len(aside))),
        faults=book.in_order(),
        rows=rows,
    )
