"""Reading rules from TOML. The only place on this floor that opens files."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from allocation.errors import Fault, InputError, expected_by
from allocation.resources import package_data
from allocation.rules.models import Rulebook, entry_key, first_overlap
from allocation.rules.supply import PanelSet, ProductSet, TierSet

__all__ = ["RULEBOOKS", "load_panels", "load_products", "load_rulebook", "load_tiers", "parse", "read_toml"]

RULEBOOKS = {"nhs": "nhs_2021", "prairie": "prairie_2022"}
"""Rulebooks that come with igalloc, by the name used on the command line."""

Parsed = TypeVar("Parsed", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Contents of a TOML file.

    Raises
    ------
    InputError
        Where the file is missing, is not UTF-8, or is not TOML (a key given twice is not).
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=error.strerror or str(error))) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(Fault(str(path), "a TOML file in UTF-8", remedy=f"The reader says: {error}.")) from None


def parse(model: type[Parsed], data: dict[str, Any], source: str) -> Parsed:
    """Check data against a model, naming file and key of every fault.

    Raises
    ------
    InputError
        With one fault for each key that is wrong, missing or unknown.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        faults = []
        for item in error.errors():
            key = ".".join(str(part) for part in item["loc"])
            unknown = item["type"] == "extra_forbidden"
            faults.append(
                Fault(
                    source,
                    "no such key" if unknown else expected_by(item),
                    column=key,
                    value="" if isinstance(item["input"], dict | list | tuple) else str(item["input"]),
                    remedy="Check its spelling." if unknown else "",
                )
            )
        raise InputError(faults) from None


@lru_cache(maxsize=8)
def load_rulebook(name: str = "nhs") -> Rulebook:
    """A rulebook by name, or from a folder of TOML files.

    The folder holds ``rulebook.toml`` (settings, dosing, assumptions) and any number of other files whose
    ``[[entry]]`` tables are joined in the order of the file names.
    """
    folder = package_data("rules", "data", RULEBOOKS[name]) if name in RULEBOOKS else Path(name)
    if not (folder / "rulebook.toml").is_file():
        raise InputError(
            Fault(
                "--rulebook",
                f"one of {', '.join(sorted(RULEBOOKS))} or a folder that holds rulebook.toml",
                value=name,
            )
        )
    head = read_toml(folder / "rulebook.toml")
    if "entry" in head:
        raise InputError(Fault(str(folder / "rulebook.toml"), "entries in files of their own", column="entry"))
    entries: list[Any] = []
    origin: list[Path] = []
    for path in sorted(folder.glob("*.toml")):
        if path.name == "rulebook.toml":
            continue
        body = read_toml(path)
        unknown = sorted(set(body) - {"entry"})
        if unknown:
            raise InputError([Fault(str(path), "only [[entry]] tables", column=key) for key in unknown])
        found = body.get("entry", [])
        if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
            raise InputError(Fault(str(path), "only [[entry]] tables", column="entry"))
        entries.extend(found)
        origin.extend([path] * (len(entries) - len(origin)))
    try:
        rulebook = parse(Rulebook, {**head, "entry": _told_apart(entries, origin)}, str(folder / "rulebook.toml"))
    except InputError as error:
        raise InputError([_in_its_file(fault, entries, origin) for fault in error.faults]) from None
    return rulebook


def _told_apart(entries: list[Any], origin: list[Path]) -> list[Any]:
    """The entries, refused by file and code where two of one code are in force on the same day.

    Dates that are none, or in the wrong order, are left to the model, which names them.
    """
    places: dict[str, list[int]] = {}
    for place, entry in enumerate(entries):
        places.setdefault(_code_of(entry, place), []).append(place)
    faults = []
    for code, found in places.items():
        spans = [_span_of(entries[place]) for place in found]
        at = first_overlap([span for span in spans if span is not None]) if None not in spans else None
        if at is not None:
            source = str(origin[found[at]])
            remedy = "Give each of them effective_from and effective_until, so that no day has two."
            faults.append(Fault(source, "a code that does not stand more than once", column=code, remedy=remedy))
    if faults:
        raise InputError(faults)
    return entries


def _code_of(entry: dict[str, Any], place: int) -> str:
    return entry_key(str(entry.get("indication", f"entry {place}")), str(entry.get("situation", "")))


def _span_of(entry: dict[str, Any]) -> tuple[date, date] | None:
    first, last = entry.get("effective_from", date.min), entry.get("effective_until", date.max)
    return (first, last) if type(first) is date and type(last) is date else None


def _in_its_file(fault: Fault, entries: list[Any], origin: list[Path]) -> Fault:
    """A fault in an entry by the file it stands in and by its code, instead of by its place among all entries."""
    at = fault.column.split(".")
    if at[0] != "entry" or len(at) == 1:
        return fault
    entry, rest = entries[int(at[1])], at[2:]
    code = _code_of(entry, int(at[1]))
    return replace(fault, source=str(origin[int(at[1])]), column=".".join([code, *rest]))


@lru_cache(maxsize=8)
def load_products(extra: Path | None = None) -> ProductSet:
    """The products that come with igalloc, and those of a file of the user's besides."""
    return _with_extra(ProductSet, "products.toml", "product", extra)


@lru_cache(maxsize=8)
def load_panels(replacement: Path | None = None) -> PanelSet:
    """The 21 national panels and, where a file is given, the user's panels besides."""
    return _with_extra(PanelSet, "panels.toml", "panel", replacement)


@lru_cache(maxsize=8)
def load_tiers(path: Path | None = None) -> TierSet:
    """The tier regimes, ours or those of a file."""
    source = path or package_data("rules", "data", "tiers.toml")
    return parse(TierSet, read_toml(source), str(source))


def _with_extra(model: type[Parsed], name: str, key: str, extra: Path | None) -> Parsed:
    ours = package_data("rules", "data", name)
    data = read_toml(ours)
    if extra is None:
        return parse(model, data, str(ours))
    theirs = parse(model, read_toml(extra), str(extra))
    return parse(model, {**data, key: [*data[key], *theirs.model_dump(by_alias=True)[key]]}, str(extra))
