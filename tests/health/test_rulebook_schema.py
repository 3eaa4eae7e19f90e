"""The JSON Schemas of a rulebook: current, and true of the rulebooks that come with igalloc."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from allocation.resources import package_data
from allocation.rules.schema import ENTRIES_SCHEMA, HEAD_SCHEMA, schema_texts, write_schemas

FILES = sorted(package_data("rules", "data").glob("*_20*/*.toml"))
TYPES = {"object": dict, "array": list, "string": str, "number": int | float, "integer": int, "boolean": bool}
KNOWN = {
    *("$defs", "$schema", "$ref", "title", "description", "default", "format", "type", "properties", "required"),
    *("additionalProperties", "items", "minItems", "anyOf", "enum", "const", "pattern"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}


def wrong_scalar(value: Any, schema: dict[str, Any], at: str) -> Iterator[str]:
    """Where a single value is none of those allowed, by the keywords on text and numbers."""
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        yield f"{at}: not allowed"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{at}: another pattern"
    if isinstance(value, int | float) and (
        value < schema.get("minimum", value)
        or value > schema.get("maximum", value)
        or value <= schema.get("exclusiveMinimum", value - 1)
        or value >= schema.get("exclusiveMaximum", value + 1)
    ):
        yield f"{at}: out of range"


def wrong(value: Any, schema: dict[str, Any], root: dict[str, Any], at: str = "") -> Iterator[str]:
    """Where a value does not hold to a schema, for the keywords that our schemas use."""
    assert set(schema) <= KNOWN, f"a keyword this test does not judge: {set(schema) - KNOWN}"
    if "$ref" in schema:
        yield from wrong(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, at)
    if "anyOf" in schema and all(any(wrong(value, choice, root, at)) for choice in schema["anyOf"]):
        yield f"{at}: none of the choices"
    kind = schema.get("type")
    if kind == "null" or (kind and (not isinstance(value, TYPES[kind]) or (value is True and kind != "boolean"))):
        yield f"{at}: not {kind}"
        return
    yield from wrong_scalar(value, schema, at)
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{at}: too few"
        for place, item in enumerate(value):
            yield from wrong(item, schema.get("items", {}), root, f"{at}[{place}]")
    if isinstance(value, dict):
        properties, other = schema.get("properties", {}), schema.get("additionalProperties", True)
        yield from (f"{at}: {key} is missing" for key in schema.get("required", ()) if key not in value)
        for key, item in value.items():
            if key in properties:
                yield from wrong(item, properties[key], root, f"{at}.{key}")
            elif other is False:
                yield f"{at}: no such key as {key}"
            elif isinstance(other, dict):
                yield from wrong(item, other, root, f"{at}.{key}")


def plain(value: Any) -> Any:
    """TOML as JSON has it: dates are text."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, date) else value


def schema_of(path: Path) -> dict[str, Any]:
    name = HEAD_SCHEMA if path.name == "rulebook.toml" else ENTRIES_SCHEMA
    schema: dict[str, Any] = json.loads(package_data("rules", name).read_text(encoding="utf-8"))
    return schema


def faults(path: Path, text: str) -> list[str]:
    schema = schema_of(path)
    return list(wrong(plain(tomllib.loads(text)), schema, schema))


def test_the_committed_schemas_are_those_of_the_models() -> None:
    for name, text in schema_texts().items():
        committed = package_data("rules", name).read_text(encoding="utf-8")
        assert committed == text, f"{name} is out of date: python -m allocation.rules.schema"


def test_writing_them_gives_the_same_bytes(tmp_path: Path) -> None:
    for path in write_schemas(tmp_path):
        assert path.read_bytes() == package_data("rules", path.name).read_bytes()


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_our_rulebooks_hold_to_them(path: Path) -> None:
    assert faults(path, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_an_editor_finds_the_schema_by_the_first_line_of_each_file(path: Path) -> None:
    name = HEAD_SCHEMA if path.name == "rulebook.toml" else ENTRIES_SCHEMA
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"#:schema ../../{name}"
    assert (path.parent / first.removeprefix("#:schema ")).resolve() == package_data("rules", name).resolve()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("neurology.toml", "base_grade = 2", "base_grad = 2"),
        ("neurology.toml", "base_grade = 2", "base_grade = 5"),
        ("neurology.toml", 'basis = "g_per_kg"', 'basis = "g_kg"'),
        ("neurology.toml", 'indication = "gbs"', 'indication = "GBS"'),
        ("neurology.toml", "days_low = 2", 'days_low = "two"'),
        ("rulebook.toml", 'rounding = "down"', 'rounding = "up"'),
        ("rulebook.toml", 'status = "declined"', 'state = "declined"'),
        ("rulebook.toml", "review_valid_days = 365", "review_valid_days = 0"),
    ],
)
def test_a_slip_breaks_them(file: str, old: str, new: str) -> None:
    path = package_data("rules", "data", "nhs_2021", file)
    text = path.read_text(encoding="utf-8")
    assert old in text
    assert faults(path, text.replace(old, new, 1)) != []
