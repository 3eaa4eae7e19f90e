"""The sheets that every workbook ends with: assumptions, sources, notes, columns and the manifest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from allocation.reporting.blocks import Section, Table
from allocation.reporting.disclosure import NOTE
from allocation.reporting.shared_parts import assumptions_section, manifest_section
from allocation.reporting.workbook.looks import UNITS
from allocation.reporting.workbook.model import Field, Sheet, Tone, Workbook, code_sheet, text_sheet

__all__ = ["GRADE", "PANEL", "SERVED", "assumption_sheets", "finished", "run_facts", "served"]

GRADE = Field("grade_name", "Grade", "Grade of the patients: 4 depends most on immunoglobulin and is served first.")
PANEL = Field("panel_name", "Panel", "Sub-regional panel that decides on the patients, with its code.", roomy=True)

SERVED: dict[str, Tone] = {"In full": "good", "In part": "part", "Not at all": "bad", "Hidden": "quiet"}
"""How a share given reads, and its colour."""

_FULL = 1 - 1e-9
_BLANK = "A blank cell means that there is no value. A percentage is kept as a fraction of 1 and shown as a percentage."


def served(share: object) -> str:
    """A share given in words, so that colour never stands alone; blank where nothing was due."""
    if isinstance(share, str):
        return "Hidden"
    value = float(share)  # type: ignore[arg-type]
    if math.isnan(value):
        return ""
    return "In full" if value >= _FULL else "In part" if value > 1e-9 else "Not at all"


def run_facts(manifest: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """What the manifest says first: program, rulebook, seed and the files behind the run."""
    inputs = manifest.get("inputs", {})
    files = [f"{name}: {item.get('file')}" for name, item in inputs.items() if isinstance(item, Mapping)]
    pairs = (
        ("Made by", f"{manifest.get('program', 'igalloc')} {manifest.get('version', '')}".strip()),
        ("Rulebook", str(manifest.get("rulebook") or "")),
        ("Seed", "" if manifest.get("seed") is None else str(manifest["seed"])),
        ("Input files", ", ".join(files) if len(files) <= 4 else f"{len(files)} files, named in the sheet Manifest"),
    )
    return tuple((name, value) for name, value in pairs if value and value != "none")


def assumption_sheets(assumptions: list[Mapping[str, Any]], sources: list[Any]) -> tuple[Sheet, ...]:
    """Assumptions with source and confidence, and the list of sources."""
    tables = {part.key: part for part in assumptions_section(assumptions, sources, ()).parts if isinstance(part, Table)}
    made = []
    if "assumptions" in tables:
        made.append(
            text_sheet(
                tables["assumptions"],
                name="Assumptions",
                what="What was assumed, with source and how far it can be trusted",
                meanings=(
                    "Number of the assumption.",
                    "What it is about.",
                    "What the run takes for granted.",
                    "Where it comes from.",
                    "How far it can be trusted: F read, F* second hand, D worked out, M from memory, P our proposal.",
                ),
            )
        )
    if "sources" in tables:
        numbered = len(tables["sources"].columns) > 1
        meanings = (*(("Number of the source.",) if numbered else ()), "Document and the place read.")
        made.append(text_sheet(tables["sources"], name="Sources", what="Documents read", meanings=meanings))
    return tuple(made)


def finished(
    book: Workbook, *, manifest: Mapping[str, Any], limits: Iterable[str], words: Iterable[str] = ()
) -> Workbook:
    """A workbook with its notes, the meaning of every column, and the manifest.

    Parameters
    ----------
    limits
        What the numbers cannot say.
    words
        Other remarks of the run.
    """
    record: Section = manifest_section(manifest, shared=book.shared, changed=book.changed)
    notes: list[tuple[str, ...]] = [("Sharing", NOTE)] if book.shared else []
    notes += [("Limits", text) for text in limits]
    notes += [("Run", text.replace("this page", "this workbook")) for text in (*words, *record.words)]
    notes += [(sheet.name, sheet.note) for sheet in book.sheets if sheet.note]
    notes += [("Cells", _BLANK)]
    book = book.with_sheets(
        code_sheet(
            "Notes",
            "What a reader must know of these numbers",
            (("about", "About", "The sheet or matter the note is about."), ("note", "Note", "What must be known.")),
            notes,
        )
    )
    columns: list[tuple[str, ...]] = [
        (sheet.name, field.label, UNITS[field.kind], field.meaning) for sheet in book.sheets for field in sheet.fields
    ]
    table = next(part for part in record.parts if isinstance(part, Table) and part.key == "manifest")
    return book.with_sheets(
        code_sheet(
            "Columns",
            "What each column of each sheet holds, and its unit",
            (
                ("sheet", "Sheet", "Name of the sheet."),
                ("column", "Column", "Heading of the column."),
                ("kind", "Unit or kind", "Unit of the numbers, or what the cells hold."),
                ("meaning", "What it holds", "Meaning of the column."),
            ),
            columns,
        ),
        text_sheet(
            table,
            name="Manifest",
            what="Inputs with their hashes, options, seed and versions: enough to repeat the run",
            meanings=("Entry of the run's record.", "Its value."),
        ),
    )
