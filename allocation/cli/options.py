"""Options that several commands share, so that each is spelt and explained once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from allocation.errors import Fault, InputError

__all__ = [
    "AsOf",
    "Cohort",
    "CohortToPlay",
    "MostReplications",
    "Panels",
    "Products",
    "Rejects",
    "Resume",
    "Rulebook",
    "RunFolder",
    "Scenario",
    "Seed",
    "SeedToPlay",
    "Strict",
    "Tiers",
    "WeeksToPlay",
    "Workers",
    "as_date",
    "keep_inputs",
    "needs",
    "one_of",
    "sizes_of",
]

_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(2199, 12, 31)
"""Days outside are slips of the keyboard, and dates in nanoseconds would not hold the years around them."""


def as_date(text: str, option: str = "--as-of") -> date:
    """An ISO date from the command line.

    Raises
    ------
    InputError
        Where it is anything else; 01/02/2026 means two days, so it is not guessed.
    """
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise InputError(Fault(option, "a date as YYYY-MM-DD, for example 2026-11-01", value=text)) from None
    if not _FIRST_DAY <= day <= _LAST_DAY:
        raise InputError(Fault(option, f"a date from {_FIRST_DAY} to {_LAST_DAY}", value=text))
    return day


def one_of(option: str, value: str, allowed: tuple[str, ...]) -> None:
    """Refuse a value that is not among the allowed.

    Raises
    ------
    InputError
        With the values that are.
    """
    if value not in allowed:
        raise InputError(Fault(option, f"one of {', '.join(allowed)}", value=value))


def keep_inputs(inputs: Mapping[str, Path | None], outputs: Mapping[str, Path | None]) -> None:
    """Refuse to write over a file that is read, into a folder that is replaced with it, or to one place twice.

    Parameters
    ----------
    inputs, outputs
        Files and folders by the option they came by; None where the option was left out.

    Raises
    ------
    InputError
        With the output that would destroy something.
    """
    taken = {path.resolve(): option for option, path in inputs.items() if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        place = path.resolve()
        for other, of in taken.items():
            if other == place or place in other.parents:
                remedy = "It would be written over; name another."
                raise InputError(Fault(option, f"another place than that of {of}", value=str(path), remedy=remedy))
        taken[place] = option


def needs(option: str, *, given: bool, other: str, there: bool) -> None:
    """Refuse an option that would be left out in silence, for want of another.

    Raises
    ------
    InputError
        Where it was given and the other was not.
    """
    if given and not there:
        raise InputError(Fault(option, f"{other} beside it", remedy=f"Without {other} it changes nothing."))


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
Scenario = Annotated[str, typer.Argument(metavar="SCENARIO", help="A scenario of the library by name, or a TOML file.")]
RunFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the result.")]
CohortToPlay = Annotated[
    Path | None, typer.Option("--cohort", metavar="FILE", help="Cohort file; left out, the national one.")
]
WeeksToPlay = Annotated[int | None, typer.Option("--weeks", min=1, help="Weeks to simulate; else the scenario's.")]
SeedToPlay = Annotated[int | None, typer.Option("--seed", min=0, help="Else the scenario's.")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="Processes; the result is the same for any number.")]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where an earlier run to this --out ended; keep what is done at Ctrl-C."),
]
MostReplications = Annotated[
    int | None, typer.Option("--most-replications", min=1, help="Never more than so many for --precision.")
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
