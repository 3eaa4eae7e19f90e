"""Options that several commands share, so that each is spelt and explained once."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from allocation.errors import Fault, InputError

__all__ = [
    "AsOf",
    "Cohort",
    "Panels",
    "Products",
    "Rejects",
    "Rulebook",
    "Seed",
    "Strict",
    "Tiers",
    "as_date",
    "one_of",
    "sizes_of",
]


def as_date(text: str, option: str = "--as-of") -> date:
    """An ISO date from the command line.

    Raises
    ------
    InputError
        Where it is anything else; 01/02/2026 means two days, so it is not guessed.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(Fault(option, "a date as YYYY-MM-DD, for example 2026-11-01", value=text)) from None


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not among the allowed.

    Raises
    ------
    InputError
        With the values that are.
    """
    if value not in allowed:
        raise InputError(Fault(option, f"one of {', '.join(allowed)}", value=value))


AsOf = Annotated[str, typer.Option("--as-of", metavar="DATE", help="The day the answer is for, YYYY-MM-DD.")]
Cohort = Annotated[Path, typer.Option("--cohort", metavar="FILE", help="Cohort: CSV, Parquet or XLSX.")]
Rejects = Annotated[
    Path | None,
    typer.Option(
        "--rejects",
        metavar="FILE",
        help="Where rows that cannot be used go, with reasons. Naming it says you expect some: exit code 0.",
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at any bad row; write nothing.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random draw.")]
Rulebook = Annotated[
    str, typer.Option("--rulebook", metavar="NAME|DIR", help="nhs, prairie, or a folder with a rulebook.")
]
Products = Annotated[
    Path | None, typer.Option("--products", metavar="FILE", help="TOML with products of your own, besides ours.")
]
Panels = Annotated[
    Path | None, typer.Option("--panels", metavar="FILE", help="TOML with panels of your own, besides the national 21.")
]
Tiers = Annotated[
    Path | None, typer.Option("--tiers", metavar="FILE", help="TOML with what each tier allows, in place of ours.")
]


def sizes_of(given: list[str] | None) -> dict[str, float] | None:
    """Half width by outcome, from ``OUTCOME=SIZE`` of the command line.

    Raises
    ------
    InputError
        Where it is written otherwise.
    """
    if not given:
        return None
    sizes = {}
    for text in given:
        name, _, size = text.partition("=")
        try:
            sizes[name.strip()] = float(size)
        except ValueError:
            raise InputError(
                Fault("--precision", "OUTCOME=SIZE, for example fill_grade_4_percent=0.1", value=text)
            ) from None
    return sizes
