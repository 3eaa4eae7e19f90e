"""Commands about run folders: ``simulate`` and ``report``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from allocation.cli.options import Panels, Products, Rejects, Rulebook, Strict, Tiers
from allocation.cli.shown import end_run, shown
from allocation.errors import Fault, InputError

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        "simulate", epilog="Example: igalloc simulate uk_2021_output_fall --replications 20 --out reports/demo"
    )(simulate)
    app.command("report", epilog="Example: igalloc report reports/demo")(report)


@shown
def simulate(
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="A scenario of the library by name, or a TOML file.")
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the result.")] = None,
    cohort: Annotated[
        Path | None, typer.Option("--cohort", metavar="FILE", help="Cohort file; left out, the national one.")
    ] = None,
    replications: Annotated[int | None, typer.Option("--replications", min=1, help="Else the scenario's.")] = None,
    weeks: Annotated[int | None, typer.Option("--weeks", min=1, help="Weeks to simulate; else the scenario's.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Else the scenario's.")] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=1, help="Processes; the result is the same for any number.")
    ] = 1,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on where an earlier run to this --out ended; keep what is done at Ctrl-C."),
    ] = False,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="OUTCOME=SIZE",
            help="More replications until the outcome's 95 % interval is this narrow to each side; may be repeated.",
        ),
    ] = None,
    most_replications: Annotated[
        int | None, typer.Option("--most-replications", min=1, help="Never more than so many for --precision.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List the scenarios of the library and stop.")] = False,
    rejects: Rejects = None,
    strict: Strict = False,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
    tiers: Tiers = None,
) -> None:
    """Play a supply disruption out many times over, week by week."""
    from allocation.workflow.simulating import describe_library

    if list_:
        for name, title, sentence in describe_library():
            sys.stdout.write(f"{name:<28}  {title}\n{'':<28}  {sentence}\n")
        return
    if scenario is None:
        raise InputError(Fault("SCENARIO", "a scenario's name or file", remedy="igalloc simulate --list shows them."))
    if out is None:
        raise InputError(Fault("--out", "a folder for the result", remedy="For example --out reports/demo."))
    from allocation.cli.progress import replication_bar
    from allocation.workflow.rules_in_use import load_rules
    from allocation.workflow.simulating import simulate as play

    with replication_bar() as progress:
        result = play(
            scenario,
            cohort=cohort,
            replications=replications,
            weeks=weeks,
            seed=seed,
            workers=workers,
            strict=strict,
            out=out,
            progress=progress,
            rules=load_rules(rulebook=rulebook, products=products, panels=panels, tiers=tiers),
            resume=resume,
            precision=_sizes(precision),
            most_replications=most_replications,
        )
    for line in result.headlines:
        sys.stdout.write(line + "\n")
    read = result.read
    end_run(read.faults, len(read.rejects), out=out, cohort_rejects=read.rejects, rejects=rejects)


def _sizes(given: list[str] | None) -> dict[str, float] | None:
    """Half width by outcome, from the command line."""
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


@shown
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of an allocation or a simulation.")],
    formats: Annotated[
        str, typer.Option("--format", metavar="html,svg", help="html: one page; svg: each chart as a file.")
    ] = "html",
    share: Annotated[bool, typer.Option("--share", help="Hide small counts, for sharing outside.")] = False,
) -> None:
    """Write the report of a run: one HTML page that needs nothing else."""
    from allocation.workflow.reporting import report as make

    for path in make(folder, formats=formats, share=share):
        sys.stdout.write(f"{path}\n")
