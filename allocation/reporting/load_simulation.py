"""Reading the folder of a simulation into values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from allocation.errors import Fault, InputError
from allocation.reporting.batches import by_batches, columns_there, sums, told_if_unreadable

__all__ = [
    "SimulationRun",
    "load_simulation",
    "national_weeks",
    "panel_sums",
    "panel_weeks",
    "people",
    "people_sums",
]

_GRAMS = ("due_g", "issued_g", "deferred_g", "unmet_g")
_WEEKS = ("replication", "week", "panel", "grade", *_GRAMS)
_NATIONAL = ("replication", "week", "tier", "cover_weeks", "stock_g", "demand_g")
_COUNTS = ("patients", "patients_late", "days_late_total", "deferred_g_weeks", "unmet_g")
_AFFECTED = ("replication", "panel", "indication", "situation", "grade", *_COUNTS)
_STOCK_OUTS = ("replication", "product", "first_panel_week", "first_week", "panel_weeks")
_END = "deferred_end_g"


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
        Grams by replication, week and grade; ``deferred_g`` is the backlog at the end of the week.
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


def load_simulation(
    folder: Path, *, summary: Mapping[str, Any], manifest: Mapping[str, Any], changed: tuple[str, ...]
) -> SimulationRun:
    """The run in a folder that holds a simulation.

    Parameters
    ----------
    summary, manifest, changed
        As they stay in the run.

    Raises
    ------
    InputError
        Where a table is missing, unreadable or short of a column, or has two rows for one week.
    """
    weekly, panels = _weeks(folder, last_week=int(summary["weeks"]) - 1)
    path = folder / "national.parquet"
    national = _checked(path, _whole(path, _NATIONAL))
    by_panel, by_indication = _affected(folder)
    outs = folder / "stock_outs.parquet"
    return SimulationRun(
        summary=summary,
        manifest=manifest,
        changed=changed,
        weekly=weekly,
        panels=panels,
        national=national,
        outcomes=_whole(folder / "outcomes.parquet", ()),
        affected=by_panel,
        affected_by_indication=by_indication,
        stock_outs=_whole(outs, _STOCK_OUTS) if outs.is_file() else None,
    )


def national_weeks(folders: Sequence[Path]) -> Iterator[pd.DataFrame]:
    """Rows of ``national.parquet`` of folders, whole replications and some at a time.

    Raises
    ------
    InputError
        As :func:`load_simulation`.
    """
    paths = [folder / "national.parquet" for folder in folders]
    rest: pd.DataFrame | None = None
    for frame in by_batches(paths, _NATIONAL):
        joined = frame if rest is None else pd.concat([rest, frame], ignore_index=True)
        # A batch ends with a row group, which need not end with a replication in a file that others have written anew.
        last = joined["replication"] == joined["replication"].iloc[-1]
        rest = joined[last]
        if not last.all():
            yield _checked(paths[0], joined[~last])
    yield _checked(paths[0], rest)


def _checked(path: Path, national: pd.DataFrame | None) -> pd.DataFrame:
    if national is None or national.empty:
        raise InputError(Fault(str(path), "at least one week"))
    if national.duplicated(["replication", "week"]).any():
        raise InputError(Fault(str(path), "one row for each replication and week"))
    return national


def panel_weeks(folders: Iterable[Path], *, last_week: int) -> Iterator[pd.DataFrame]:
    """Rows of ``weeks.parquet`` of folders, some at a time; ``deferred_end_g`` is the backlog of the last week only.

    Raises
    ------
    InputError
        As :func:`load_simulation`.
    """
    for frame in by_batches((folder / "weeks.parquet" for folder in folders), _WEEKS, texts=["panel"]):
        frame[_END] = frame["deferred_g"].where(frame["week"] == last_week, 0.0)
        yield frame


def panel_sums(weeks: pd.DataFrame) -> pd.DataFrame:
    """What :attr:`SimulationRun.panels` has of rows of :func:`panel_weeks`."""
    found = sums(weeks, ["replication", "panel", "grade"], [*_GRAMS, _END])
    return found.rename(columns={"deferred_g": "deferred_g_weeks"})


def people(folders: Iterable[Path]) -> Iterator[pd.DataFrame]:
    """Rows of ``affected.parquet`` of folders, some at a time.

    Raises
    ------
    InputError
        As :func:`load_simulation`.
    """
    return by_batches((folder / "affected.parquet" for folder in folders), _AFFECTED, texts=_AFFECTED[1:4])


def people_sums(affected: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """What :attr:`SimulationRun.affected` has of rows of :func:`people`, or the same by other keys."""
    return sums(affected, [*keys, "replication"], list(_COUNTS))


def _weeks(folder: Path, *, last_week: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sums of ``weeks.parquet``."""
    by_week: list[pd.DataFrame] = []
    by_panel: list[pd.DataFrame] = []
    keys = ["replication", "week", "grade"]
    for frame in panel_weeks([folder], last_week=last_week):
        by_week.append(sums(frame, keys, list(_GRAMS)))
        by_panel.append(panel_sums(frame))
    grams = ["due_g", "issued_g", "deferred_g_weeks", "unmet_g", _END]
    return _joined(by_week, keys, list(_GRAMS)), _joined(by_panel, ["replication", "panel", "grade"], grams)


def _affected(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sums of ``affected.parquet``."""
    by_panel: list[pd.DataFrame] = []
    by_indication: list[pd.DataFrame] = []
    for frame in people([folder]):
        by_panel.append(people_sums(frame, ["panel", "grade"]))
        by_indication.append(people_sums(frame, ["indication", "situation"]))
    return (
        _joined(by_panel, ["panel", "grade", "replication"], list(_COUNTS)),
        _joined(by_indication, ["indication", "situation", "replication"], list(_COUNTS)),
    )


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


def _whole(path: Path, wanted: tuple[str, ...]) -> pd.DataFrame:
    with told_if_unreadable(path):
        frame = pd.read_parquet(path)
    columns_there(path, frame.columns, wanted)
    return frame
