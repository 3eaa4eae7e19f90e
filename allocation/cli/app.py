"""The command-line application and its entry point."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from allocation import __version__
from allocation.cli import (
    allocating,
    assumptions,
    cohorts,
    comparing,
    criteria,
    forecasting,
    one_patient,
    runs,
    studies,
    templates,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="igalloc",
    help=(
        "Prioritise and allocate immunoglobulin in a shortage, and rehearse the shortage first.\n\n"
        "A planning tool, not a clinical decision tool."
    ),
    epilog="Example: igalloc simulate uk_2021_output_fall --out reports/demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(asked: bool) -> None:  # noqa: FBT001 - the option's own value
    if asked:
        sys.stdout.write(f"igalloc {__version__}\n")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Take the options that come before a command."""


criteria.add_to(app)
assumptions.add_to(app)
one_patient.add_to(app)
cohorts.add_to(app)
allocating.add_to(app)
runs.add_to(app)
comparing.add_to(app)
studies.add_to(app)
forecasting.add_to(app)
templates.add_to(app)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Returns
    -------
    int
        0 done; 2 bad input or usage; 1 no result by a fault of ours; 130 stopped from the keyboard.
    """
    # A program started without a terminal or a pipe may have no channel to speak on; it works all the same.
    sys.stdout = sys.stdout or io.StringIO()
    sys.stderr = sys.stderr or io.StringIO()
    for channel in (sys.stdout, sys.stderr):
        # A Windows console may still speak an older code page; what we print is UTF-8 and must not fail there.
        if hasattr(channel, "reconfigure"):
            channel.reconfigure(encoding="utf-8", errors="replace")
    os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        app(args=arguments, prog_name="igalloc")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    return 0
