"""The command ``criteria``: a rulebook as a table, one row of it in full, its rulings, or its general statements."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from allocation.cli.options import Rulebook, as_date, one_of
from allocation.cli.shown import say, shown
from allocation.errors import Fault, InputError

if TYPE_CHECKING:
    import pandas as pd

    from allocation.workflow.rules_in_use import RulesInUse

__all__ = ["add_to"]

_FORMATS = ("table", "csv", "json", "xlsx")
_SHOWN = {
    "grades": ("code", "base_grade", "highest_grade", "term", "title"),
    "categories": ("code", "category", "strength", "term", "title"),
}
_PATHWAY = ("rule", "status", "when")
_WIDTH = 110
"""Columns of text that a sentence is broken at."""


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        "criteria",
        epilog=(
            "Examples: igalloc criteria myasthenia_gravis/crisis; igalloc criteria --grade 4 --specialty neurology; "
            "igalloc criteria --rulebook prairie --category do_not_do --out criteria.xlsx; "
            "igalloc criteria --assumptions"
        ),
    )(criteria)


@shown
def criteria(
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="indication or indication/situation")] = None,
    *,
    rulebook: Rulebook = "nhs",
    grade: Annotated[
        list[int] | None,
        typer.Option("--grade", metavar="1..4", help="Rows with this base grade, or raised to it. May be repeated."),
    ] = None,
    category: Annotated[
        list[str] | None,
        typer.Option("--category", metavar="do|do_not_know|do_not_do", help="Rows of this category. May be repeated."),
    ] = None,
    specialty: Annotated[
        list[str] | None,
        typer.Option("--specialty", metavar="NAME", help="neurology, haematology ... May be repeated."),
    ] = None,
    search: Annotated[
        str, typer.Option("--search", metavar="TEXT", help="Words in the code, title, other names or notes.")
    ] = "",
    as_of: Annotated[
        str | None, typer.Option("--as-of", metavar="DATE", help="Only what is in force on this day, YYYY-MM-DD.")
    ] = None,
    assumptions: Annotated[
        bool, typer.Option("--assumptions", help="Instead: every assumption and source conflict with its ruling.")
    ] = False,
    pathway: Annotated[
        bool, typer.Option("--pathway", help="Instead: the rules by which a patient stands with the panel.")
    ] = False,
    general: Annotated[
        bool, typer.Option("--general", help="Instead: what the rulebook says of every patient.")
    ] = False,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="table|csv|json|xlsx", help="How to print or write it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write to this file, by its suffix: CSV, JSON or XLSX.")
    ] = None,
) -> None:
    """List the rulebook, one row per indication and situation, or show everything about one."""
    from allocation.workflow import criteria as rules_told
    from allocation.workflow.rules_in_use import load_rules

    form = _form(format_, out)
    filters = {"--grade": grade, "--category": category, "--specialty": specialty, "--search": search or None}
    given = [option for option, value in (*filters.items(), ("--as-of", as_of)) if value is not None]
    asked = {"CODE": code, "--assumptions": assumptions, "--pathway": pathway, "--general": general}
    uses = [name for name, used in asked.items() if used]
    _check_use(uses, [option for option in given if (uses, option) != (["CODE"], "--as-of")])
    day = None if as_of is None else as_date(as_of)
    rules = load_rules(rulebook=rulebook)
    told: pd.DataFrame | dict[str, Any]
    if code is not None:
        told = rules_told.criterion(code, rules if day is None else rules.on(day))
    elif general:
        told = rules_told.general(rules)
    elif assumptions:
        told = rules_told.assumptions(rules)
    elif pathway:
        told = rules_told.pathway(rules)
    else:
        told = rules_told.criteria(
            rules, grades=grade or (), categories=category or (), specialties=specialty or (), search=search, as_of=day
        )
    if out is not None:
        rules_told.export(told, out)
        what = "Everything asked for" if isinstance(told, dict) else f"{len(told)} rows"
        say(f"{what} written to {out}")
    elif form == "json":
        sys.stdout.write(rules_told.as_json(told))
    elif isinstance(told, dict):
        sys.stdout.write(_as_outline(told))
    elif form == "csv":
        sys.stdout.write(told.to_csv(index=False, lineterminator="\n"))
    elif assumptions:
        sys.stdout.write(_as_paragraphs(told))
    elif pathway:
        sys.stdout.write(_as_columns(told[list(_PATHWAY)].astype(str).to_numpy().tolist(), list(_PATHWAY)))
    else:
        _print_list(told, rules, given)


def _form(format_: str | None, out: Path | None) -> str:
    """Form of the output; the suffix of a file and the format asked for must not say different things."""
    if format_ is not None:
        one_of("--format", format_, _FORMATS)
    if out is None:
        if format_ == "xlsx":
            raise InputError(Fault("--format", "--out FILE as well", value="xlsx", remedy="A workbook is not printed."))
        return format_ or "table"
    by_suffix = out.suffix.lower().lstrip(".")
    if format_ not in (None, by_suffix):
        raise InputError(Fault("--out", f"a file ending in .{format_}, as --format says", value=str(out)))
    return by_suffix


def _check_use(uses: list[str], filters: list[str]) -> None:
    """Refuse what would be left out in silence: two things asked for at once, or a filter of the list with neither."""
    if len(uses) > 1:
        raise InputError(Fault(uses[1], f"nothing: {uses[0]} was asked for", remedy="Ask for one at a time."))
    if uses and filters:
        raise InputError([Fault(option, f"nothing: it filters the list, not {uses[0]}") for option in filters])


def _print_list(table: pd.DataFrame, rules: RulesInUse, filters: list[str]) -> None:
    columns = list(_SHOWN[rules.rulebook.kind])
    # Dates are shown where there are any: they are what tells two rows of one code apart.
    columns[-1:-1] = [name for name in ("effective_from", "effective_until") if (table[name] != "").any()]
    sys.stdout.write(_as_columns(table[columns].astype(str).to_numpy().tolist(), columns))
    total = len(rules.rulebook.entry)
    regimens = sum(len(entry.regimen) for entry in rules.rulebook.entry)
    say(f"{len(table)} of {total} rows." if filters else f"{total} rows with {regimens} regimens.")


def _as_paragraphs(table: pd.DataFrame) -> str:
    """Rulings as text: too long for columns."""
    import textwrap

    parts = []
    for row in table.itertuples(index=False):
        lines = [f"{row.id}  {row.title} ({row.kind})"]
        touched = "no single row" if not row.entries else row.codes
        for label, text in (("Open", row.open_point), ("Ruling", row.ruling), ("Touches", touched)):
            lines.append(textwrap.fill(f"{label}: {text}", _WIDTH, initial_indent="  ", subsequent_indent="    "))
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _as_columns(rows: list[list[str]], header: list[str]) -> str:
    widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in [header, *rows]
    ]
    return "\n".join(lines) + "\n"


def _as_outline(value: Any, depth: int = 0) -> str:
    pad = "  " * depth
    if isinstance(value, dict):
        lines = []
        for key, item in value.items():
            if item in (None, "", [], (), {}):
                continue
            nested = isinstance(item, dict | list | tuple)
            lines.append(f"{pad}{key}:\n{_as_outline(item, depth + 1)}" if nested else f"{pad}{key}: {item}\n")
        return "".join(lines)
    if isinstance(value, list | tuple):
        if all(isinstance(item, int | float) for item in value):
            return f"{pad}{', '.join(f'{item:g}' for item in value)}\n"
        parts = []
        for item in value:
            text = _as_outline(item, depth + 1)
            parts.append(f"{pad}- {text.lstrip()}" if isinstance(item, dict | list | tuple) else f"{pad}- {item}\n")
        return "".join(parts)
    return f"{pad}{value}\n"
