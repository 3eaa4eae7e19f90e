"""JSON Schemas of a rulebook's files, made from the models, for editors that check a file while it is written.

``python -m allocation.rules.schema`` writes them beside the models again after a model has changed::

    rulebook.schema.json   for rulebook.toml, the head
    entries.schema.json    for every other file, which holds entries only
    tiers.schema.json      for the tiers
    limits.schema.json     for the side limits of an allocation

They say what a single key may be. What several keys must agree on (defaults, dates, codes) the loader checks.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import Field

from allocation.records import write_text_atomic
from allocation.resources import package_data
from allocation.rules.base import Model
from allocation.rules.limits import LimitSet
from allocation.rules.models import Entry, Rulebook
from allocation.rules.supply import TierSet

__all__ = ["ENTRIES_SCHEMA", "HEAD_SCHEMA", "LIMITS_SCHEMA", "TIERS_SCHEMA", "schema_texts", "write_schemas"]

HEAD_SCHEMA = "rulebook.schema.json"
ENTRIES_SCHEMA = "entries.schema.json"
TIERS_SCHEMA = "tiers.schema.json"
LIMITS_SCHEMA = "limits.schema.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class EntriesFile(Model):
    """A file of a rulebook that holds entries only."""

    entry: tuple[Entry, ...] = Field(min_length=1)


def schema_texts() -> dict[str, str]:
    """Text of each schema, by file name; the same models give the same text."""
    head: dict[str, Any] = Rulebook.model_json_schema(by_alias=True)
    # Entries stand in files of their own; the loader refuses them in the head.
    del head["properties"]["entry"]
    used = _reached(head)
    head["$defs"] = {name: model for name, model in head["$defs"].items() if name in used}
    made = {
        HEAD_SCHEMA: head,
        ENTRIES_SCHEMA: EntriesFile.model_json_schema(by_alias=True),
        TIERS_SCHEMA: TierSet.model_json_schema(by_alias=True),
        LIMITS_SCHEMA: LimitSet.model_json_schema(by_alias=True),
    }
    return {name: _text(schema) for name, schema in made.items()}


def write_schemas(folder: Path) -> tuple[Path, ...]:
    """Write the schemas into a folder.

    Raises
    ------
    InputError
        Where it cannot be written to.
    """
    written = []
    for name, text in schema_texts().items():
        write_text_atomic(folder / name, text)
        written.append(folder / name)
    return tuple(written)


def _text(schema: dict[str, Any]) -> str:
    return json.dumps({"$schema": _DIALECT, **schema}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _reached(schema: dict[str, Any]) -> set[str]:
    """Names of the definitions that a schema refers to, by way of others too."""
    found: set[str] = set()
    waiting: list[Any] = [{key: value for key, value in schema.items() if key != "$defs"}]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = str(part.get("$ref", "")).removeprefix("#/$defs/")
            if name and name not in found:
                found.add(name)
                waiting.append(schema["$defs"][name])
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return found


if __name__ == "__main__":
    for path in write_schemas(package_data("rules")):
        sys.stdout.write(f"{path}\n")
