"""Writing a run: Parquet with a fixed schema, JSON with one spelling. The same results give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from allocation.quantities import DAYS_PER_WEEK, MG_PER_G
from allocation.records import canonical_json, write_text_atomic
from allocation.rules import NATIONAL
from allocation.simulation.consequences import consequence_labels
from allocation.simulation.cover import GRADES_DOWN
from allocation.simulation.outcomes import OUTCOMES
from allocation.simulation.record import MEASURES
from allocation.simulation.results import ReplicationResult, RunHead, RunResults, summary
from allocation.simulation.stock_outs import NEVER

__all__ = ["CONSEQUENCES_FILE", "FILES", "PART_FILES", "join_parts", "write_part", "write_run"]

FILES = (
    "weeks.parquet",
    "national.parquet",
    "product_cover.parquet",
    "outcomes.parquet",
    "affected.parquet",
    "stock_outs.parquet",
    "summary.json",
    "events.parquet",
    "resolved.json",
)
"""Files of a run, but for its manifest."""

PART_FILES = (
    "weeks.parquet",
    "national.parquet",
    "product_cover.parquet",
    "outcomes.parquet",
    "affected.parquet",
    "stock_outs.parquet",
    "events.parquet",
)
"""Files of one replication; only the first one's events are kept."""

CONSEQUENCES_FILE = "consequences.parquet"
"""One more of a run and of a replication, where the scenario asks for consequences."""

_WEEKS = pa.schema(
    [
        ("replication", pa.int32()),
        ("week", pa.int32()),
        ("panel", pa.string()),
        ("grade", pa.int8()),
        ("product", pa.string()),
        *((f"{measure}_g", pa.float64()) for measure in MEASURES),
    ]
)
_COUNTED = ("reviews_overdue", "stopped", "died", "lost_waiting")
"""Patients counted in a week, as the national week names them."""
_NATIONAL = pa.schema(
    [
        ("replication", pa.int32()),
        ("week", pa.int32()),
        ("tier", pa.int8()),
        ("cover_weeks", pa.float64()),
        ("stock_g", pa.float64()),
        ("demand_g", pa.float64()),
        *((f"cover_grade_{grade}_weeks", pa.float64()) for grade in GRADES_DOWN),
        *((name, pa.int64()) for name in _COUNTED),
    ]
)
_PRODUCT_COVER = pa.schema(
    [
        ("replication", pa.int32()),
        ("week", pa.int32()),
        ("product", pa.string()),
        ("stock_g", pa.float64()),
        ("use_g", pa.float64()),
        ("cover_weeks", pa.float64()),
    ]
)
_OUTCOMES = pa.schema([("replication", pa.int32()), *((name, pa.float64()) for name in OUTCOMES)])
_AFFECTED = pa.schema(
    [
        ("replication", pa.int32()),
        ("panel", pa.string()),
        ("indication", pa.string()),
        ("situation", pa.string()),
        ("grade", pa.int8()),
        ("patients", pa.int64()),
        ("patients_late", pa.int64()),
        ("patients_reduced", pa.int64()),
        ("patients_interrupted", pa.int64()),
        ("days_late_total", pa.int64()),
        ("deferred_g_weeks", pa.float64()),
        ("unmet_g", pa.float64()),
    ]
)
_STOCK_OUTS = pa.schema(
    [
        ("replication", pa.int32()),
        ("product", pa.string()),
        ("first_panel_week", pa.int32()),
        ("first_week", pa.int32()),
        ("panel_weeks", pa.int32()),
    ]
)
_EVENTS = pa.schema(
    [
        ("day", pa.float64()),
        ("week", pa.int32()),
        ("kind", pa.string()),
        ("place", pa.string()),
        ("product", pa.string()),
        ("amount_g", pa.float64()),
        ("text", pa.string()),
    ]
)
_GROUP_ROWS = 1 << 13
_SCHEMAS = dict(
    zip(PART_FILES, (_WEEKS, _NATIONAL, _PRODUCT_COVER, _OUTCOMES, _AFFECTED, _STOCK_OUTS, _EVENTS), strict=True)
)


def _schemas(head: RunHead) -> dict[str, Any]:
    """The tables of a run: those of all, and that of consequences where they are asked for."""
    if not head.scenario.consequences.enabled:
        return _SCHEMAS
    columns = [("replication", pa.int32()), *((name, pa.float64()) for name in consequence_labels())]
    return {**_SCHEMAS, CONSEQUENCES_FILE: pa.schema(columns)}


def write_run(results: RunResults, folder: Path) -> None:
    """Write the files of :data:`FILES` into a folder that exists.

    Raises
    ------
    InputError
        Where a file cannot be written.
    """
    _write_tables(results, results.replications, folder)
    reckoned = _read_consequences(folder) if results.scenario.consequences.enabled else None
    _write_records(results, results.outcomes, folder, precision=None, consequences=reckoned)


def write_part(head: RunHead, part: ReplicationResult, folder: Path) -> None:
    """Write the files of :data:`PART_FILES` of one replication into a folder that exists."""
    _write_tables(head, (part,), folder)


def join_parts(
    head: RunHead,
    parts: Sequence[Path],
    folder: Path,
    *,
    precision: Mapping[str, object] | None = None,
    verification: Mapping[str, object] | None = None,
) -> None:
    """Write the files of :data:`FILES` from folders of :func:`write_part`, in the order given.

    The bytes are those of :func:`write_run` with the same replications. As many replications are in memory at a time as
    make a group of rows; of each only its outcomes stay, eight bytes a number, as quantiles need all of them at once.
    """
    for name, schema in _schemas(head).items():
        found = [part / name for part in parts]
        if name in ("outcomes.parquet", CONSEQUENCES_FILE):
            _write(folder / name, schema, [_stacked(schema, found)])
            continue
        if name == "events.parquet":
            found = [path for path in found if pq.read_metadata(path).num_rows]
        _write(folder / name, schema, map(_table, found))
    outcomes = _table(folder / "outcomes.parquet")
    values = {name: outcomes.column(name).to_numpy(zero_copy_only=False) for name in OUTCOMES}
    reckoned = _read_consequences(folder) if head.scenario.consequences.enabled else None
    _write_records(head, values, folder, precision=precision, verification=verification, consequences=reckoned)


def _write_tables(head: RunHead, parts: Sequence[ReplicationResult], folder: Path) -> None:
    columns: dict[str, Iterable[Mapping[str, object]]] = {
        "weeks.parquet": (_weeks(head, part) for part in parts),
        "national.parquet": (_national(part) for part in parts),
        "product_cover.parquet": (_product_cover(head, part) for part in parts),
        "outcomes.parquet": [_outcomes(parts)],
        "affected.parquet": (_affected(head, part) for part in parts),
        "stock_outs.parquet": (_stock_outs(head, part) for part in parts),
        "events.parquet": (_events(part) for part in parts if part.replication == 0),
        CONSEQUENCES_FILE: [_consequences(parts)],
    }
    for name, schema in _schemas(head).items():
        _write(folder / name, schema, (pa.table(dict(one), schema=schema) for one in columns[name]))


def _write_records(
    head: RunHead,
    outcomes: Mapping[str, npt.NDArray[np.float64]],
    folder: Path,
    *,
    precision: Mapping[str, object] | None,
    verification: Mapping[str, object] | None = None,
    consequences: Mapping[str, npt.NDArray[np.float64]] | None = None,
) -> None:
    told = summary(head, outcomes, precision=precision, verification=verification, consequences=consequences)
    write_text_atomic(folder / "summary.json", canonical_json(told))
    write_text_atomic(folder / "resolved.json", canonical_json(head.scenario.record()))


def _write(path: Path, schema: pa.Schema, tables: Iterable[Any]) -> None:
    # Whole replications a row group, so that a reader can take some of many without reading all; of small ones several,
    # as a writer keeps some 20 kB of each group until it closes the file.
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for group in _grouped(tables):
            writer.write_table(pa.concat_tables(group).combine_chunks())


def _grouped(tables: Iterable[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    for table in tables:
        group.append(table)
        if sum(one.num_rows for one in group) >= _GROUP_ROWS:
            yield group
            group = []
    if group:
        yield group


def _table(path: Path) -> Any:
    # Threads, of which each keeps memory of its own, gain nothing with tables as small as these.
    with pq.ParquetFile(path) as file:
        return file.read(use_threads=False)


def _stacked(schema: pa.Schema, paths: Sequence[Path]) -> Any:
    """Tables of one row each in one; kept as tables they would take a hundred times the memory of their numbers."""
    numbers = np.empty((len(paths), len(schema)))
    for row, path in enumerate(paths):
        numbers[row] = [np.nan if value is None else value for value in _table(path).to_pylist()[0].values()]
    columns = (pa.array(column, from_pandas=True) for column in numbers.T)
    return pa.table([column.cast(field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def _names(codes: npt.NDArray[np.integer], *names: str) -> npt.NDArray[np.object_]:
    found: npt.NDArray[np.object_] = np.array(names, dtype=object)[codes]
    return found


def _weeks(results: RunHead, part: ReplicationResult) -> Mapping[str, object]:
    weeks, places = part.weeks, results.places
    grams = {f"{measure}_g": weeks.mg[:, column] / MG_PER_G for column, measure in enumerate(MEASURES)}
    return {
        "replication": np.full(len(weeks.week), part.replication, dtype=np.int32),
        "week": weeks.week,
        "panel": _names(weeks.panel, *places.panels, NATIONAL),
        "grade": weeks.grade,
        "product": _names(weeks.product, *places.products, ""),
        **grams,
    }


def _national(part: ReplicationResult) -> Mapping[str, object]:
    weeks = part.national
    return {
        "replication": np.full(len(weeks), part.replication, dtype=np.int32),
        "week": np.arange(len(weeks), dtype=np.int32),
        "tier": np.array([week.tier for week in weeks], dtype=np.int8),
        "cover_weeks": np.array([week.cover_weeks for week in weeks]),
        "stock_g": np.array([week.stock_mg for week in weeks]) / MG_PER_G,
        "demand_g": np.array([week.demand_mg for week in weeks]) / MG_PER_G,
        **{
            f"cover_grade_{grade}_weeks": np.array([week.grade_cover_weeks[place] for week in weeks])
            for place, grade in enumerate(GRADES_DOWN)
        },
        **{name: np.array([getattr(week, name) for week in weeks], dtype=np.int64) for name in _COUNTED},
    }


def _product_cover(results: RunHead, part: ReplicationResult) -> Mapping[str, object]:
    stock, use = (
        np.array([getattr(week, name) for week in part.national]) for name in ("product_stock_mg", "product_use_mg")
    )
    in_use = use > 0
    week, product = np.nonzero(in_use)
    stock_g, use_g = stock[in_use] / MG_PER_G, use[in_use] / MG_PER_G
    return {
        "replication": np.full(len(week), part.replication, dtype=np.int32),
        "week": week.astype(np.int32),
        "product": _names(product, *results.places.products),
        "stock_g": stock_g,
        "use_g": use_g,
        "cover_weeks": stock_g / use_g,
    }


def _outcomes(parts: Sequence[ReplicationResult]) -> Mapping[str, object]:
    numbers = np.array([part.replication for part in parts], dtype=np.int32)
    # Missing rather than NaN: a tier never reached has no first week.
    values = {
        name: pa.array([part.outcomes[name] for part in parts], pa.float64(), from_pandas=True) for name in OUTCOMES
    }
    return {"replication": numbers, **values}


def _affected(results: RunHead, part: ReplicationResult) -> Mapping[str, object]:
    affected, places = part.affected, results.places
    return {
        "replication": np.full(len(affected.panel), part.replication, dtype=np.int32),
        "panel": _names(affected.panel, *places.panels),
        "indication": _names(affected.entry, *(indication for indication, _ in places.entries)),
        "situation": _names(affected.entry, *(situation for _, situation in places.entries)),
        "grade": affected.grade.astype(np.int8),
        "patients": affected.patients,
        "patients_late": affected.patients_late,
        "patients_reduced": affected.patients_reduced,
        "patients_interrupted": affected.patients_interrupted,
        "days_late_total": affected.days_late_total,
        "deferred_g_weeks": affected.deferred_mg_weeks / MG_PER_G,
        "unmet_g": affected.unmet_mg / MG_PER_G,
    }


def _stock_outs(results: RunHead, part: ReplicationResult) -> Mapping[str, object]:
    outs = part.stock_outs
    used = np.flatnonzero(outs.in_use)

    def week(first: npt.NDArray[np.int64]) -> Any:
        # Missing where it never happened.
        return pa.array(first[used], pa.int32(), mask=first[used] == NEVER)

    return {
        "replication": np.full(len(used), part.replication, dtype=np.int32),
        "product": _names(used, *results.places.products),
        "first_panel_week": week(outs.first_panel_week),
        "first_week": week(outs.first_week),
        "panel_weeks": outs.panel_weeks[used].astype(np.int32),
    }


def _consequences(parts: Sequence[ReplicationResult]) -> Mapping[str, object]:
    known = [(part.replication, part.consequences) for part in parts if part.consequences is not None]
    values = {
        name: pa.array([told[name] for _, told in known], pa.float64(), from_pandas=True)
        for name in consequence_labels()
    }
    return {"replication": np.array([number for number, _ in known], dtype=np.int32), **values}


def _read_consequences(folder: Path) -> dict[str, npt.NDArray[np.float64]]:
    table = _table(folder / CONSEQUENCES_FILE)
    return {name: table.column(name).to_numpy(zero_copy_only=False) for name in consequence_labels()}


def _events(part: ReplicationResult) -> Mapping[str, object]:
    events = part.events
    return {
        "day": np.array([event.day for event in events], dtype=np.float64),
        "week": np.array([event.day // DAYS_PER_WEEK for event in events], dtype=np.int32),
        "kind": [event.kind for event in events],
        "place": [event.place for event in events],
        "product": [event.product for event in events],
        "amount_g": np.array([event.amount_g for event in events], dtype=np.float64),
        "text": [event.text for event in events],
    }
