"""Reading scenarios: a file, and the one it extends. The only place of this package that opens files.

Tables are merged key by key, a value of the extending file winning. The lists of disruptions and of mitigations are
each replaced as a whole; sources and assumptions are joined by their id, so a scenario keeps those it does not
restate.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from allocation.errors import Fault, InputError, expected_by
from allocation.resources import scenario_names, scenario_path
from allocation.scenario.models import Scenario

__all__ = ["load_scenario", "with_run"]

_JOINED = ("source", "assumption")
_OWN = ("name", "title")


def load_scenario(name_or_path: str | Path) -> Scenario:
    """A scenario of the library by name, or of a TOML file, with all it extends filled in.

    Raises
    ------
    InputError
        Where there is no such scenario (near names are told), a file cannot be read, scenarios extend each other
        in a ring, or a key is unknown, missing or wrong (file and key are told).
    """
    chain = _chain(_locate(str(name_or_path), "SCENARIO", None))
    faults = [fault for path, data in chain for fault in _unknown_keys(data, Scenario, str(path), "")]
    faults += [
        Fault(str(path), "a value in every scenario file", column=key)
        for path, data in chain
        for key in _OWN
        if key not in data
    ]
    if faults:
        raise InputError(faults)
    merged: dict[str, Any] = {}
    for _, data in reversed(chain):
        merged = _merge(merged, data)
    _place_forecast(merged, chain)
    try:
        return Scenario.model_validate(merged)
    except ValidationError as error:
        raise InputError([_fault(item, chain) for item in error.errors()]) from None


def _place_forecast(merged: dict[str, Any], chain: list[tuple[Path, dict[str, Any]]]) -> None:
    """A forecast lies where the file that names it says, so its place is told from that file's folder."""
    key = ("demand", "forecast")
    path = next((path for path, data in chain if _has(data, key)), None)
    if path is not None and isinstance(named := merged["demand"]["forecast"], str) and named.strip():
        merged["demand"] = {**merged["demand"], "forecast": str(path.parent / named.strip())}


def with_run(
    scenario: Scenario,
    *,
    weeks: int | None = None,
    replications: int | None = None,
    seed: int | None = None,
    policy: str | None = None,
    precision: Mapping[str, float] | None = None,
    most_replications: int | None = None,
    consequences: bool = False,
) -> Scenario:
    """The scenario with other settings of its run; None leaves one as it is, ``consequences`` asks for them besides.

    Raises
    ------
    InputError
        Where a value is out of range.
    """
    given: dict[str, object] = {
        "weeks": weeks,
        "replications": replications,
        "seed": seed,
        "policy": policy,
        "precision": precision,
        "most_replications": most_replications,
    }
    changed = {key: value for key, value in given.items() if value is not None}
    data = scenario.model_dump()
    data["run"] |= changed
    data["consequences"]["enabled"] |= consequences
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise InputError(
            [
                Fault(_option(item["loc"], scenario.name), expected_by(item), value=str(item["input"]))
                for item in error.errors()
            ]
        ) from None


def _option(location: tuple[str | int, ...], otherwise: str) -> str:
    if len(location) < 2:
        return otherwise
    # A key of the precision asked for is told with the option it came by.
    return f"--{str(location[1]).replace('_', '-')}" + "".join(f" {part}" for part in location[2:])


def _locate(name: str, named_in: str, beside: Path | None) -> Path:
    if name.endswith(".toml") or "/" in name or "\\" in name:
        path = Path(name) if beside is None else beside / name
        if path.is_file():
            return path
        why = "This is a folder." if path.is_dir() else "There is no such file."
        raise InputError(Fault(str(path), "a scenario file", remedy=why))
    path_in_library = scenario_path(name)
    if path_in_library is not None:
        return path_in_library
    raise InputError(
        Fault(
            named_in,
            "the name of a scenario of the library or a TOML file",
            value=name,
            remedy=_near(name, scenario_names(), "The library has"),
        )
    )


def _near(word: str, known: tuple[str, ...], otherwise: str) -> str:
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    return f"{otherwise}: {', '.join(known)}." if known else ""


def _chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The file and those it extends, the farthest last."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    seen: list[Path] = []
    while True:
        real = path.resolve()
        if real in seen:
            names = " extends ".join(step.stem for step in [*seen[seen.index(real) :], real])
            raise InputError(Fault(str(chain[-1][0]), "no ring of scenarios", column="extends", value=names))
        seen.append(real)
        data = _read(path)
        chain.append((path, data))
        base = data.get("extends", "")
        if not isinstance(base, str):
            raise InputError(Fault(str(path), "the name or file of a scenario", column="extends", value=str(base)))
        if not base:
            return chain
        path = _locate(base, f"{path}, extends", path.parent)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(Fault(str(path), "a readable file", remedy=error.strerror or str(error))) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(Fault(str(path), "a TOML file in UTF-8", remedy=f"The reader says: {error}.")) from None


def _merge(base: Mapping[str, Any], over: Mapping[str, Any], *, top: bool = True) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if top and key in _JOINED and isinstance(value, list) and isinstance(old, list):
            merged[key] = _join(old, value)
        elif isinstance(value, dict) and isinstance(old, dict):
            merged[key] = _merge(old, value, top=False)
        else:
            merged[key] = value
    return merged


def _join(old: list[Any], new: list[Any]) -> list[Any]:
    def identity(item: object, place: object) -> object:
        return item.get("id", place) if isinstance(item, dict) else place

    joined = {identity(item, ("old", place)): item for place, item in enumerate(old)}
    joined |= {identity(item, ("new", place)): item for place, item in enumerate(new)}
    return list(joined.values())


def _unknown_keys(value: object, hint: object, source: str, prefix: str) -> Iterator[Fault]:
    """Keys of raw data that the models do not have, each with the known ones nearest to it.

    pydantic would report them too, but only after merging, when the file they stand in is lost.
    """
    if isinstance(value, list | tuple):
        for place, item in enumerate(value):
            yield from _unknown_keys(item, hint, source, f"{prefix}{place}.")
        return
    if not isinstance(value, dict):
        return
    model = _model_for(hint, value)
    if model is None:
        return
    for key, inner in value.items():
        field = model.model_fields.get(key)
        if field is None:
            remedy = _near(key, tuple(model.model_fields), "Known here")
            yield Fault(source, "one of the keys that scenarios have here", column=prefix + key, remedy=remedy)
        else:
            yield from _unknown_keys(inner, field.annotation, source, f"{prefix}{key}.")


def _model_for(hint: object, value: Mapping[str, Any]) -> type[BaseModel] | None:
    """The model a table is read as; of several, the one whose ``kind`` the table names."""
    models = [
        model for model in _models_in(hint) if "kind" not in model.model_fields or _kind(model) == value.get("kind")
    ]
    return models[0] if len(models) == 1 else None


def _models_in(hint: object) -> list[type[BaseModel]]:
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return [hint]
    origin = get_origin(hint)
    if origin is Annotated:
        return _models_in(get_args(hint)[0])
    if origin in (tuple, Union, UnionType):
        return [model for part in get_args(hint) for model in _models_in(part)]
    return []


def _kind(model: type[BaseModel]) -> object:
    return get_args(model.model_fields["kind"].annotation)[0]


def _fault(item: Any, chain: list[tuple[Path, dict[str, Any]]]) -> Fault:
    """A fault of the merged scenario, laid at the file that set the key last."""
    location = tuple(part for part in item["loc"] if not (isinstance(part, str) and part in _KINDS))
    source = next((str(path) for path, data in chain if _has(data, location)), str(chain[0][0]))
    shown = item["input"]
    if item["type"] in {"union_tag_invalid", "union_tag_not_found"}:
        kind, kinds = str(item["ctx"].get("tag", "")), tuple(sorted(map(str, _KINDS_OF[str(location[0])])))
        column = ".".join(str(part) for part in (*location, "kind"))
        return Fault(
            source, f"a kind of {location[0]}", column=column, value=kind, remedy=_near(kind, kinds, "Kinds are")
        )
    return Fault(
        source,
        expected_by(item),
        column=".".join(str(part) for part in location),
        value="" if isinstance(shown, dict | list | tuple) else str(shown),
    )


def _has(data: Any, location: tuple[str | int, ...]) -> bool:
    for part in location:
        if isinstance(data, dict):
            known = part in data
        else:
            known = isinstance(data, list) and isinstance(part, int) and part < len(data)
        if not known:
            return False
        data = data[part]
    return True


_KINDS_OF = {
    part: frozenset(_kind(model) for model in _models_in(Scenario.model_fields[part].annotation))
    for part in ("disruption", "mitigation")
}
_KINDS = frozenset().union(*_KINDS_OF.values())
