"""Reading a run folder into values: the only place of this floor that opens one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.records import sha256_of

__all__ = ["AllocationRun", "SimulationRun", "StudyRun", "changed_outputs", "load_run"]

_GRAMS = ("due_g", "issued_g", "deferred_g", "unmet_g")
_WEEKS = ("replication", "week", "panel", "grade", *_GRAMS)
_NATIONAL = ("replication", "week", "tier", "cover_weeks", "stock_g", "demand_g")
_COUNTS = ("patients", "patients_late", "days_late_total", "deferred_g_weeks", "unmet_g")
_AFFECTED = ("replication", "panel", "indication", "situation", "grade", *_COUNTS)
_STOCK_OUTS = ("replication", "product", "first_panel_week", "first_week", "panel_weeks")
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
_BATCH_ROWS = 1 << 16
"""Rows in memory at a time."""


@dataclass(frozen=True, slots=True)
class SimulationRun:
    """What a simulation left in its folder, summed to what a report needs.

    Attributes
    ----------
    summary, manifest
        ``summary.json`` and ``manifest.json``.
    changed
        Outputs that no longer are what the run wrote.
    weekly
        Grams by replication, week and grade; ``deferred_g`` is the backlog at the end of the week. No rows where they
        were not asked for.
    panels
        Grams by replication, panel and grade over the whole run; ``deferred_g_weeks`` is the backlog summed over
        weeks and ``deferred_end_g`` the backlog of the last week.
    national, outcomes
        The files of the same names.
    affected, affected_by_indication
        The counts of the file of that name by panel and grade, and by indication and situation, each by replication.
    stock_outs
        The file of that name; None in a run that is older.
    """

    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    changed: tuple[str, ...]
    weekly: pd.DataFrame
    panels: pd.DataFrame
    national: pd.DataFrame
    outcomes: pd.DataFrame
    affected: pd.DataFrame
    affected_by_indication: pd.DataFrame
    stock_outs: pd.DataFrame | None = None

    @property
    def replications(self) -> tuple[int, ...]:
        """Numbers of the replications, ascending."""
        return tuple(sorted(int(value) for value in self.national["replication"].unique()))


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


def load_run(folder: Path, *, weekly: bool = True) -> SimulationRun | AllocationRun | StudyRun:
    """The run in a folder.

    Parameters
    ----------
    folder
        What ``simulate`` or ``allocate`` wrote.
    weekly
        Whether the weeks of each replication are wanted, which are most of what a long simulation takes in memory.

    Raises
    ------
    InputError
        Where the folder is no run folder, or a file is missing, unreadable or short of a column.
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
            if kind in _STUDIES:
                return _study(folder, head, kind)
            return _simulation(folder, head, with_weeks=weekly) if kind == "simulation" else _allocation(folder, head)
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


def _simulation(folder: Path, summary: dict[str, Any], *, with_weeks: bool) -> SimulationRun:
    _keys(folder / "summary.json", summary, ("title", "weeks", "replications", "outcomes"))
    manifest = _json(folder / "manifest.json")
    weekly, panels = _weeks(folder / "weeks.parquet", last_week=int(summary["weeks"]) - 1, with_weeks=with_weeks)
    national = _parquet(folder / "national.parquet", _NATIONAL)
    if national.empty:
        raise InputError(Fault(str(folder / "national.parquet"), "at least one week"))
    if national.duplicated(["replication", "week"]).any():
        raise InputError(Fault(str(folder / "national.parquet"), "one row for each replication and week"))
    by_panel, by_indication = _affected(folder / "affected.parquet")
    return SimulationRun(
        summary=summary,
        manifest=manifest,
        changed=changed_outputs(folder, manifest),
        weekly=weekly,
        panels=panels,
        national=national,
        outcomes=_parquet(folder / "outcomes.parquet", ()),
        affected=by_panel,
        affected_by_indication=by_indication,
        stock_outs=_parquet(outs, _STOCK_OUTS) if (outs := folder / "stock_outs.parquet").is_file() else None,
    )


def _allocation(folder: Path, result: dict[str, Any]) -> AllocationRun:
    manifest = _json(folder / "manifest.json")
    return AllocationRun(
        result=result,
        manifest=manifest,
        changed=changed_outputs(folder, manifest),
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


def _columns(path: Path, present: Iterable[str], wanted: Iterable[str]) -> None:
    there = set(present)
    missing = [Fault(str(path), "this column", column=name) for name in wanted if name not in there]
    if missing:
        raise InputError(missing)


def _parquet(path: Path, wanted: tuple[str, ...]) -> pd.DataFrame:
    with _told_if_unreadable(path):
        frame = pd.read_parquet(path)
    _columns(path, frame.columns, wanted)
    return frame


@contextmanager
def _told_if_unreadable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=f"{error.strerror or 'It is damaged'}.")) from None
    except pa.ArrowException as error:
        raise InputError(Fault(str(path), "a Parquet file", remedy=f"The reader says: {error}")) from None


def _csv(path: Path, wanted: tuple[str, ...], numeric: tuple[str, ...]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=f"{error.strerror or error}.")) from None
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError(Fault(str(path), "a CSV file in UTF-8", remedy=f"The reader says: {error}.")) from None
    _columns(path, frame.columns, wanted)
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


def _weeks(path: Path, *, last_week: int, with_weeks: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sums of ``weeks.parquet``, the first without rows unless asked for."""
    by_week: list[pd.DataFrame] = []
    by_panel: list[pd.DataFrame] = []
    week_keys, panel_keys = ["replication", "week", "grade"], ["replication", "panel", "grade"]
    for frame in _by_batches(path, _WEEKS, texts=["panel"]):
        if with_weeks:
            by_week.append(_sums(frame, week_keys, list(_GRAMS)))
        frame["deferred_end_g"] = frame["deferred_g"].where(frame["week"] == last_week, 0.0)
        by_panel.append(_sums(frame, panel_keys, [*_GRAMS, "deferred_end_g"]))
    weekly = _joined(by_week, week_keys, list(_GRAMS))
    panels = _joined(by_panel, panel_keys, [*_GRAMS, "deferred_end_g"])
    return weekly, panels.rename(columns={"deferred_g": "deferred_g_weeks"})


def _affected(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sums of ``affected.parquet``."""
    both = ["panel", "grade", "replication"], ["indication", "situation", "replication"]
    parts: tuple[list[pd.DataFrame], list[pd.DataFrame]] = ([], [])
    for frame in _by_batches(path, _AFFECTED, texts=["panel", "indication", "situation"]):
        for keys, part in zip(both, parts, strict=True):
            part.append(_sums(frame, keys, list(_COUNTS)))
    by_panel, by_indication = (_joined(part, keys, list(_COUNTS)) for keys, part in zip(both, parts, strict=True))
    return by_panel, by_indication


def _by_batches(path: Path, wanted: tuple[str, ...], texts: list[str]) -> Iterator[pd.DataFrame]:
    """Row groups, of which a run writes one for each replication, as many at a time as make a batch."""
    import pyarrow.parquet as pq

    with _told_if_unreadable(path), pq.ParquetFile(path, read_dictionary=texts) as file:
        _columns(path, file.schema_arrow.names, wanted)
        groups: list[int] = []
        rows = 0
        for number in range(file.num_row_groups):
            groups.append(number)
            rows += file.metadata.row_group(number).num_rows
            if rows >= _BATCH_ROWS or number == file.num_row_groups - 1:
                yield file.read_row_groups(groups, columns=list(wanted)).to_pandas()
                groups, rows = [], 0


def _sums(frame: pd.DataFrame, keys: list[str], values: list[str]) -> pd.DataFrame:
    summed = frame.groupby(keys, observed=True, sort=False)[values].sum().reset_index()
    for name in keys:
        if isinstance(summed[name].dtype, pd.CategoricalDtype):
            summed[name] = summed[name].astype(str)
    return summed.sort_values(keys, ignore_index=True)


def _joined(parts: list[pd.DataFrame], keys: list[str], values: list[str]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame({name: pd.Series(dtype=str if name == "panel" else "int64") for name in keys}).assign(
            **{name: pd.Series(dtype="float64") for name in values}
        )
    whole = pd.concat(parts, ignore_index=True)
    ends = [(part[keys[0]].iloc[0], part[keys[0]].iloc[-1]) for part in parts if len(part)]
    if all(before < after for (_, before), (after, _) in pairwise(ends)):
        # Whole replications one after the other have nothing in common and stand in order already.
        return whole
    return whole.groupby(keys, sort=True)[values].sum().reset_index()
