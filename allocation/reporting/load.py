"""Reading a run folder into values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.records import sha256_of
from allocation.reporting.batches import columns_there
from allocation.reporting.load_simulation import SimulationRun, load_simulation

__all__ = ["AllocationRun", "SimulationRun", "StudyRun", "changed_outputs", "load_run", "run_head"]

_PATIENTS = ("patient_id", "panel", "grade", "due_g", "given_g", "status", "product", "from_location", "reason")
_PANELS = ("panel", "grade", "patients", "due_g", "planned_g", "given_g", "unmet_g", "fill_rate")
_FLOWS = ("from_location", "panel", "product", "grams")
_SHADOW = ("panel", "product", "grade", "grams_per_kg")
_COHORT = (
    *("panel", "grade", "patients", "patients_due", "reviews_overdue", "overdue_due"),
    *("overdue_due_g", "overdue_given_g"),
)
_SHELVES = ("location", "stock_g", "weekly_g", "cover_weeks")
_PAIRED = ("policy", "against", "label", "unit", "clear")
_STUDIES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "comparison": {
        "differences": (*_PAIRED, "outcome"),
        "by_grade": (*_PAIRED, "measure"),
        "by_panel": (*_PAIRED, "measure", "panel"),
        "levels": ("policy", "group", "key", "measure", "label", "unit"),
    },
    "breaking_point": {"breaking_points": ("status",), "tried": ()},
    "sensitivity": {"sensitivity": ("outcome", "key", "end")},
}
"""Tables of each kind of study, and which of their columns hold text; all others hold numbers."""


@dataclass(frozen=True, slots=True)
class AllocationRun:
    """What one allocation left in its folder. ``patients`` is shown row by row on a panel's internal page only.

    ``cohort`` and ``shelves`` are its ``panel_cohort.csv`` and ``panel_stock.csv``; None in a run that is older.
    """

    result: Mapping[str, Any]
    manifest: Mapping[str, Any]
    changed: tuple[str, ...]
    patients: pd.DataFrame
    panels: pd.DataFrame
    flows: pd.DataFrame
    shadow_prices: pd.DataFrame
    cohort: pd.DataFrame | None = None
    shelves: pd.DataFrame | None = None


@dataclass(frozen=True, slots=True)
class StudyRun:
    """What a study of a scenario left in its folder: a comparison, a breaking point or a sensitivity analysis.

    ``tables`` holds its tables by the name of their file, without the ending.
    """

    kind: str
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    changed: tuple[str, ...]
    tables: Mapping[str, pd.DataFrame]


def load_run(folder: Path) -> SimulationRun | AllocationRun | StudyRun:
    """The run in a folder.

    Parameters
    ----------
    folder
        What ``simulate`` or ``allocate`` wrote.

    Raises
    ------
    InputError
        Where the folder is no run folder, or a file is missing, unreadable or short of a column.
    """
    kind, head = run_head(folder)
    if kind in _STUDIES:
        return _study(folder, head, kind)
    manifest = _json(folder / "manifest.json")
    changed = changed_outputs(folder, manifest)
    if kind == "simulation":
        return load_simulation(folder, summary=head, manifest=manifest, changed=changed)
    return _allocation(folder, head, manifest, changed)


def run_head(folder: Path) -> tuple[str, dict[str, Any]]:
    """What kind of run is in a folder, and its ``summary.json``, or the ``result.json`` of an allocation.

    Raises
    ------
    InputError
        Where the folder is no run folder, or the file is unreadable or short of a key.
    """
    if not folder.is_dir():
        raise InputError(Fault(str(folder), "the folder of a run", remedy="Give the folder named by --out."))
    for name, kinds in (("summary.json", ("simulation", *_STUDIES)), ("result.json", ("allocation",))):
        path = folder / name
        if path.is_file():
            head = _json(path)
            kind = str(head.get("kind", ""))
            if kind not in kinds:
                raise InputError(Fault(str(path), f"one of {', '.join(kinds)}", column="kind", value=kind))
            if kind == "simulation":
                _keys(path, head, ("title", "weeks", "replications", "outcomes"))
            return kind, head
    remedy = "Give the folder that igalloc simulate, allocate, compare, breaking-point, sensitivity or forecast wrote."
    expected = "the folder of a run, with summary.json, result.json or a manifest that says forecast"
    raise InputError(Fault(str(folder), expected, remedy=remedy))


def changed_outputs(folder: Path, manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the files that are missing or differ from the hash the run noted for them, sorted.

    A manifest without ``outputs`` says nothing about them, so nothing can be found changed.
    """
    noted = manifest.get("outputs", {})
    if not isinstance(noted, Mapping):
        return ()
    changed = []
    for name, digest in sorted(noted.items()):
        path = folder / name
        if not path.is_file():
            changed.append(f"{name} (missing)")
        elif sha256_of(path) != digest:
            changed.append(name)
    return tuple(changed)


def _allocation(
    folder: Path, result: dict[str, Any], manifest: dict[str, Any], changed: tuple[str, ...]
) -> AllocationRun:
    return AllocationRun(
        result=result,
        manifest=manifest,
        changed=changed,
        patients=_csv(folder / "patients.csv", _PATIENTS, ("due_g", "given_g")),
        panels=_csv(folder / "panels.csv", _PANELS, _PANELS[2:]),
        flows=_csv(folder / "flows.csv", _FLOWS, ("grams",)),
        shadow_prices=_csv(folder / "shadow_prices.csv", _SHADOW, ("grams_per_kg",)),
        cohort=_if_there(folder / "panel_cohort.csv", _COHORT, _COHORT[2:]),
        shelves=_if_there(folder / "panel_stock.csv", _SHELVES, _SHELVES[1:]),
    )


def _if_there(path: Path, wanted: tuple[str, ...], numeric: tuple[str, ...]) -> pd.DataFrame | None:
    return _csv(path, wanted, numeric) if path.is_file() else None


def _study(folder: Path, summary: dict[str, Any], kind: str) -> StudyRun:
    _keys(folder / "summary.json", summary, ("title", "scenario", "weeks", "replications", "cohort", "seed"))
    manifest = _json(folder / "manifest.json")
    tables = {name: _study_table(folder / f"{name}.csv", texts) for name, texts in _STUDIES[kind].items()}
    return StudyRun(kind, summary, manifest, changed_outputs(folder, manifest), tables)


def _study_table(path: Path, texts: tuple[str, ...]) -> pd.DataFrame:
    frame = _csv(path, (), ())
    numbers = tuple(str(name) for name in frame.columns if name not in texts)
    faults = _to_numbers(path, frame, numbers)
    if faults:
        raise InputError(faults)
    return frame


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=f"{error.strerror or error}.")) from None
    except ValueError as error:
        raise InputError(Fault(str(path), "JSON in UTF-8", remedy=f"The reader says: {error}.")) from None
    if not isinstance(value, dict):
        raise InputError(Fault(str(path), "a JSON object"))
    return value


def _keys(path: Path, value: Mapping[str, Any], wanted: Iterable[str]) -> None:
    missing = [Fault(str(path), "this key", column=key) for key in wanted if key not in value]
    if missing:
        raise InputError(missing)


def _csv(path: Path, wanted: tuple[str, ...], numeric: tuple[str, ...]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=f"{error.strerror or error}.")) from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(Fault(str(path), "a CSV file in UTF-8", remedy=f"The reader says: {error}.")) from None
    columns_there(path, frame.columns, wanted)
    faults = _to_numbers(path, frame, numeric)
    if "grade" in wanted:
        grades = pd.to_numeric(frame["grade"].replace("", "0"), errors="coerce")
        for row in np.flatnonzero(~grades.isin((0, 1, 2, 3, 4)))[:1]:
            value = str(frame["grade"].iloc[row])
            faults.append(
                Fault(str(path), "a grade from 1 to 4 or blank", row=int(row) + 2, column="grade", value=value)
            )
        if not faults:
            frame["grade"] = grades.astype("int8")
    if faults:
        raise InputError(faults)
    return frame


def _to_numbers(path: Path, frame: pd.DataFrame, names: Iterable[str]) -> list[Fault]:
    """Make columns of text numbers, NaN for blanks; the first cell of each that is no number is a fault."""
    faults: list[Fault] = []
    for name in names:
        values = pd.to_numeric(frame[name].replace("", "nan"), errors="coerce")
        bad = np.flatnonzero(values.isna() & frame[name].ne(""))[:1].tolist()
        faults.extend(
            Fault(str(path), "a number", row=row + 2, column=name, value=str(frame[name].iloc[row])) for row in bad
        )
        frame[name] = values
    return faults
