"""NHSBSA Secondary Care Medicines Data, as published, to grams of normal immunoglobulin by month, trust and group.

Corrections are negative rows and net off. A month that comes in a provisional and in a finalised file is taken
from the finalised one. What is left out is counted by name, never dropped in silence.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.forecast.medicines import group_of, kind_of, preparation
from allocation.forecast.months import month_text
from allocation.forecast.settings import Settings
from allocation.forecast.stream import Piece, header_of, pieces, without_blank
from allocation.quantities import MG_PER_G

__all__ = ["NOT_KNOWN", "SPECIFIC", "PublishedData", "is_published_layout", "load_published"]

Status = Literal["finalised", "provisional", ""]

_MONTH, _TRUST, _NAME, _UNIT = "YEAR_MONTH", "ODS_CODE", "VMP_PRODUCT_NAME", "UNIT_OF_MEASURE_NAME"
_QUANTITIES = ("TOTAL_QUANITY_IN_VMP_UNIT", "TOTAL_QUANTITY_IN_VMP_UNIT")
_LARGEST_FAULTS = 50
SPECIFIC = "a specific immunoglobulin"
NOT_KNOWN = "not known to be normal immunoglobulin"
_WORTH_MORE = 3


@dataclass(slots=True)
class _File:
    """What one file held."""

    path: Path
    status: Status
    mg: dict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    seen: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    negative_rows: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    counted: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class PublishedData:
    """What the files hold together.

    Attributes
    ----------
    grams
        ``month``, ``trust`` (as published), ``group``, ``grams``, net of corrections.
    reported
        Trusts that have any row at all, by month.
    status
        ``finalised``, ``provisional`` or blank, by month.
    medicines
        ``product``, ``counted`` (yes/no), ``why``, ``rows``: every immunoglobulin met.
    superseded
        Months whose provisional file gave way to a finalised one.
    negative_rows
        Number of correction rows netted off.
    """

    grams: pd.DataFrame
    reported: dict[str, set[str]]
    status: dict[str, Status]
    medicines: pd.DataFrame
    superseded: tuple[str, ...]
    negative_rows: int


def is_published_layout(names: list[str]) -> bool:
    """Whether a header is that of the published data."""
    return _NAME in names or _MONTH in names


def load_published(paths: list[Path], settings: Settings) -> PublishedData:
    """Read files of one or many months.

    Raises
    ------
    InputError
        Where a column is missing, a counted row has no month, trust, quantity or strength that can be read, or a
        month comes in two files of the same standing.
    """
    files = [_read(path, settings) for path in paths]
    chosen, superseded = _one_file_a_month(files)
    rows = [
        (month, trust, group, mg / MG_PER_G)
        for month, file in sorted(chosen.items())
        for (at, trust, group), mg in sorted(file.mg.items())
        if at == month
    ]
    if not rows:
        names = ", ".join(path.name for path in paths[:_WORTH_MORE])
        remedy = "No medicine name holds 'normal immunoglobulin'; check that these are the medicines files."
        raise InputError(Fault(names, "rows of human normal immunoglobulin", column=_NAME, remedy=remedy))
    left_out: Counter[tuple[str, str]] = Counter()
    counted: Counter[str] = Counter()
    for file in files:
        left_out.update(file.left_out)
        counted.update(file.counted)
    medicines = [(name, "yes", "normal immunoglobulin", n) for name, n in sorted(counted.items())]
    medicines += [(name, "no", why, n) for (name, why), n in sorted(left_out.items())]
    return PublishedData(
        pd.DataFrame(rows, columns=["month", "trust", "group", "grams"]),
        {month: file.seen[month] for month, file in chosen.items()},
        {month: file.status for month, file in chosen.items()},
        pd.DataFrame(medicines, columns=["product", "counted", "why", "rows"]),
        superseded,
        sum(file.negative_rows[month] for month, file in chosen.items()),
    )


def _one_file_a_month(files: list[_File]) -> tuple[dict[str, _File], tuple[str, ...]]:
    """The file each month is taken from, and the months in which one gave way."""
    holders: dict[str, list[_File]] = defaultdict(list)
    for file in files:
        for month in file.seen:
            holders[month].append(file)
    chosen: dict[str, _File] = {}
    superseded: list[str] = []
    faults: list[Fault] = []
    for month, held in sorted(holders.items()):
        final = [file for file in held if file.status == "finalised"]
        clear = len(held) == 1 or (len(final) == 1 and all(f.status == "provisional" for f in held if f not in final))
        if not clear:
            names = ", ".join(sorted(file.path.name for file in held))
            remedy = "Leave one out, or name them ..._final_... and ..._provisional_... as the publisher does."
            faults.append(
                Fault(
                    names,
                    "each month in one file, or in one provisional and one finalised",
                    column=_MONTH,
                    value=month,
                    remedy=remedy,
                )
            )
            continue
        chosen[month] = (final or held)[0]
        if len(held) > 1:
            superseded.append(month)
    if faults:
        raise InputError(faults)
    return chosen, tuple(superseded)


def _status_of(path: Path, settings: Settings) -> Status:
    name = path.stem
    if re.search(settings.status.provisional, name, re.IGNORECASE):
        return "provisional"
    return "finalised" if re.search(settings.status.finalised, name, re.IGNORECASE) else ""


def _read(path: Path, settings: Settings) -> _File:
    names = header_of(path)
    quantity = next((name for name in _QUANTITIES if name in names), None)
    missing = [name for name in (_MONTH, _TRUST, _NAME, _UNIT) if name not in names]
    if quantity is None:
        missing.append(_QUANTITIES[0])
    if missing or quantity is None:
        remedy = f"The file has {', '.join(names)}. Download it again, or give month, panel, grams."
        raise InputError([Fault(str(path), "this column", row=1, column=name, remedy=remedy) for name in missing])
    file = _File(path, _status_of(path, settings))
    faults: list[Fault] = []
    rows = 0
    months: dict[str, str] = {}
    for whole in pieces(path, (_MONTH, _TRUST, _NAME, _UNIT, quantity)):
        piece = without_blank(whole)
        rows += len(piece.rows)
        _note_trusts(piece, file, months, faults)
        _count(piece, quantity, file, settings, faults)
        if len(faults) > _LARGEST_FAULTS:
            break
    if faults:
        raise InputError(faults)
    if not rows:
        raise InputError(Fault(str(path), "at least one row below the header", remedy="Only the header is there."))
    return file


def _note_trusts(piece: Piece, file: _File, months: dict[str, str], faults: list[Fault]) -> None:
    """Which trusts have rows in which months, told by distinct values since there are few."""
    month, trust = (piece.columns[name].dictionary_encode() for name in (_MONTH, _TRUST))
    texts, codes = month.dictionary.to_pylist(), trust.dictionary.to_pylist()
    where = np.asarray(month.indices)
    for position, text in enumerate(texts):
        found = month_text(text)
        if found is None:
            row = int(piece.rows[int(np.argmax(where == position))])
            faults.append(Fault(str(file.path), "a month as YYYY-MM or YYYYMM", row=row, column=_MONTH, value=text))
        else:
            months[text] = found
    if faults:
        return
    width = max(len(codes), 1)
    for pair in np.unique(where.astype(np.int64) * width + np.asarray(trust.indices)):
        code = codes[int(pair) % width].strip().upper()
        if code:
            file.seen[months[texts[int(pair) // width]]].add(code)


def _count(piece: Piece, quantity: str, file: _File, settings: Settings, faults: list[Fault]) -> None:
    import pyarrow.compute as pc

    name = piece.columns[_NAME].dictionary_encode()
    texts = [text.strip() for text in name.dictionary.to_pylist()]
    kinds = [kind_of(text, settings.medicines) for text in texts]
    if all(kind == "other" for kind in kinds):
        return
    codes = np.asarray(name.indices)
    kept = np.flatnonzero(np.array([kind != "other" for kind in kinds])[codes])
    cells = {column: pc.take(piece.columns[column], kept).to_pylist() for column in (_MONTH, _TRUST, _UNIT, quantity)}
    for place, at in enumerate(kept.tolist()):
        text, kind = texts[codes[at]], kinds[codes[at]]
        if kind != "normal":
            why = SPECIFIC if kind == "specific" else NOT_KNOWN
            file.left_out[text, why] += 1
            continue
        row = {column: str(values[place]).strip() for column, values in cells.items()}
        _add(row, text, int(piece.rows[at]), quantity=quantity, file=file, settings=settings, faults=faults)


def _add(
    cells: dict[str, Any], name: str, row: int, *, quantity: str, file: _File, settings: Settings, faults: list[Fault]
) -> None:
    source = str(file.path)
    month = month_text(cells[_MONTH])
    amount = _number(cells[quantity])
    strength = preparation(name)
    grams_per_unit = strength.grams_in(cells[_UNIT], settings.medicines)
    if not cells[_TRUST]:
        faults.append(Fault(source, "a trust's ODS code", row=row, column=_TRUST))
    if amount is None:
        faults.append(Fault(source, "a number", row=row, column=quantity, value=cells[quantity]))
    if grams_per_unit is None:
        remedy = (
            "Units known are vials and other containers, ml and grams; the name must give a strength such as 8g/40ml."
        )
        value = f"{name} in {cells[_UNIT] or 'no unit'}"
        faults.append(
            Fault(source, "a name and a unit that give grams", row=row, column=_UNIT, value=value, remedy=remedy)
        )
    if month is None or amount is None or grams_per_unit is None or not cells[_TRUST]:
        return
    if amount < 0:
        file.negative_rows[month] += 1
    file.counted[name] += 1
    group = group_of(name, strength, settings.group)
    file.mg[month, cells[_TRUST].upper(), group] += amount * grams_per_unit * MG_PER_G


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", ""))
    except ValueError:
        return None
    return value if math.isfinite(value) else None
