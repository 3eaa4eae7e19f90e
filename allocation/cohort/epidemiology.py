"""Loading the epidemiology, and the checks that span several of its tables."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import get_args

from allocation.cohort.epidemiology_models import (
    AdultBody,
    AgeComponent,
    Ages,
    Body,
    Decision,
    Epidemiology,
    Interval,
    Line,
    Mix,
    Season,
    Setting,
    Spread,
    Target,
)
from allocation.errors import Fault, InputError
from allocation.resources import package_data
from allocation.rules.load import parse, read_toml

__all__ = [
    "AdultBody",
    "AgeComponent",
    "Ages",
    "Body",
    "Decision",
    "Epidemiology",
    "Interval",
    "Line",
    "Mix",
    "Season",
    "Setting",
    "Spread",
    "Target",
    "load_epidemiology",
]

_ALWAYS_NEEDED = ("subcutaneous", "facilitated")


@lru_cache(maxsize=4)
def load_epidemiology(path: Path | None = None) -> Epidemiology:
    """The epidemiology that comes with igalloc, or that of a file.

    Raises
    ------
    InputError
        Where the file cannot be read, has an unknown or missing key, names something it does not define, or
        holds shares that do not sum to one. Each fault names the file, the key and, in a line, its code.
    """
    place = path or package_data("cohort", "data", "england.toml")
    text_rows = _rows_of_lines(place)
    data = read_toml(place)
    try:
        found = parse(Epidemiology, data, place.name)
    except InputError as error:
        raise InputError([_with_row(fault, text_rows, data.get("line")) for fault in error.faults]) from None
    faults = [_with_row(fault, text_rows, data["line"]) for fault in _cross_faults(found, place.name)]
    if faults:
        raise InputError(faults)
    return found


def _rows_of_lines(path: Path) -> list[int]:
    # tomllib keeps no positions, and "line 37 of 60" is no help in a file of a thousand rows.
    try:
        rows = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return [number for number, row in enumerate(rows, start=1) if row.strip().startswith("[[line]]")]


def _with_row(fault: Fault, rows: list[int], lines: object) -> Fault:
    place = re.match(r"line\.(\d+)\.?(.*)", fault.column)
    if place is None or not isinstance(lines, list):
        return fault
    number = int(place[1])
    code = lines[number].get("code", "") if isinstance(lines[number], dict) else ""
    row = rows[number] if number < len(rows) else None
    column = ".".join(part for part in (f"line {code}".strip(), place[2]) if part)
    return Fault(fault.source, fault.expected, row=row, column=column, value=fault.value, remedy=fault.remedy)


def _cross_faults(found: Epidemiology, source: str) -> list[Fault]:
    faults = [
        Fault(source, f"one of {', '.join(sorted(known))}", column=key, value=name)
        for key, name, known in _names_used(found)
        if name not in known
    ]
    missing = {
        **{table: _keys_of(table) - set(getattr(found, table)) for table in ("setting", "decision", "products")},
        "interval": set(_ALWAYS_NEEDED) - set(found.interval),
        "season": {"flat"} - set(found.season),
    }
    faults += [
        Fault(source, f"a table [{key}.{name}]", column=key) for key, names in missing.items() for name in sorted(names)
    ]
    counts = Counter(line.code for line in found.line)
    faults += [
        Fault(source, "each code once", column=f"line.{number}.code", value=line.code)
        for number, line in enumerate(found.line)
        if counts[line.code] > 1
    ]
    total = sum(line.patients for line in found.line)
    if abs(total - found.national.patients) > found.national.tolerance * found.national.patients:
        faults.append(
            Fault(
                source,
                f"the lines' patients to come to national.patients ({found.national.patients:,.0f}) within "
                f"{found.national.tolerance:.0%}",
                column="line",
                value=f"{total:,.0f}",
            )
        )
    return faults


def _keys_of(table: str) -> set[str]:
    """Keys that the model names for a table."""
    keys, _ = get_args(Epidemiology.model_fields[table].annotation)
    return set(get_args(keys))


def _names_used(found: Epidemiology) -> list[tuple[str, str, set[str]]]:
    sources = set(found.source)
    used = [("national.source", found.national.source, sources), ("body.source", found.body.source, sources)]
    used += [("body.male.spread_source", found.body.male.spread_source, sources)]
    used += [("body.female.spread_source", found.body.female.spread_source, sources)]
    used += [("body.child.source", found.body.child.source, sources)]
    tables = ("setting", "decision", "products", "interval", "spread", "season", "age")
    used += [
        (f"{table}.{name}.source", entry.source, sources)
        for table in tables
        for name, entry in getattr(found, table).items()
    ]
    groups = {target.group for target in found.target}
    for number, line in enumerate(found.line):
        key = f"line.{number}"
        used += [(f"{key}.group", line.group, groups), (f"{key}.patients_source", line.patients_source, sources)]
        used += [(f"{key}.age", line.age, set(found.age)), (f"{key}.season", line.season, set(found.season))]
        used += [
            (f"{key}.{name}", given, sources)
            for name in ("courses_source", "sc_source")
            if (given := getattr(line, name)) is not None
        ]
        if line.interval is not None and line.spread is not None and line.dose_source is not None:
            used += [(f"{key}.interval", line.interval, set(found.interval))]
            used += [(f"{key}.spread", line.spread, set(found.spread))]
            used += [(f"{key}.dose_source", line.dose_source, sources)]
    return used
