"""The command ``assumptions``: what all of igalloc rests on, in one list."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.cli.options import one_of
from allocation.cli.shown import say, shown
from allocation.errors import Fault, InputError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["add_to"]

_FORMATS = ("table", "csv", "json")
_WIDTH = 110
"""Columns of text that a sentence is broken at."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command("assumptions", epilog="Example: igalloc assumptions --area tiers --out assumptions.xlsx")(assumptions)


@shown
def assumptions(
    *,
    area: Annotated[
        list[str] | None, typer.Option("--area", metavar="NAME", help="Only these areas; may be repeated.")
    ] = None,
    confidence: Annotated[
        list[str] | None,
        typer.Option("--confidence", metavar="F|F*|D|M|P", help="Only lines of these codes; may be repeated."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option("--format", metavar="table|csv|json", help="How to print it, else table; --out has its suffix."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write to this file, by its suffix: CSV, JSON or XLSX.")
    ] = None,
) -> None:
    """List every assumption of the rules, the data and the scenarios, with its source and how sure it is."""
    from allocation.workflow.assumptions_log import AREAS, assumptions_log
    from allocation.workflow.criteria import as_json, export

    if format_ is not None:
        one_of("--format", format_, _FORMATS)
        if out is not None and out.suffix.lower() != f".{format_}":
            raise InputError(Fault("--out", f"a file ending in .{format_}, as --format says", value=str(out)))
    for name in area or ():
        one_of("--area", name, tuple(AREAS))
    table = assumptions_log()
    for code in confidence or ():
        one_of("--confidence", code, tuple(sorted(set(table["confidence"]))))
    chosen = table[table["area"].isin(area or AREAS) & table["confidence"].isin(confidence or table["confidence"])]
    if chosen.empty:
        raise InputError(Fault("--confidence", "a code that some line has", value=", ".join(confidence or ())))
    if out is not None:
        export(chosen, out)
        say(f"{len(chosen)} assumptions written to {out}")
    elif format_ == "json":
        sys.stdout.write(as_json(chosen))
    elif format_ == "csv":
        sys.stdout.write(chosen.to_csv(index=False, lineterminator="\n"))
    else:
        sys.stdout.write(_as_paragraphs(chosen))
        say(f"{len(chosen)} of {len(table)} assumptions.")


def _as_paragraphs(table: pd.DataFrame) -> str:
    """Assumptions as text: too long for columns."""
    import textwrap

    parts = []
    for row in table.to_dict(orient="records"):
        source = "; ".join(part for part in (row["document"], row["section"]) if part)
        lines = [f"{row['id']}  {row['title']} [{row['confidence']}]"]
        place = f"{row['file']}: {row['key']}"
        for label, text in (("Assumed", row["text"]), ("Source", source), ("Stands in", place)):
            lines.append(textwrap.fill(f"{label}: {text}", _WIDTH, initial_indent="  ", subsequent_indent="    "))
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
