"""Commands that play a scenario with other numbers: ``breaking-point`` and ``sensitivity``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from allocation.cli.options import (
    CohortToPlay,
    Panels,
    Products,
    Rejects,
    Rulebook,
    RunFolder,
    Scenario,
    SeedToPlay,
    Strict,
    Tiers,
    WeeksToPlay,
    Workers,
    keep_inputs,
    needs,
    one_of,
)
from allocation.cli.shown import end_run, shown
from allocation.errors import Fault, InputError

if TYPE_CHECKING:
    from allocation.workflow.study_parts import StudyDone

__all__ = ["add_to"]

_STEPS, _SWING, _SAMPLES = 5, 0.2, 32
"""What the options are that the user left out."""

Replications = Annotated[
    int | None, typer.Option("--replications", min=1, help="Of each scenario played; else the scenario's.")
]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        "breaking-point",
        epilog=(
            "Example: igalloc breaking-point uk_2021_output_fall --vary disruption.0.fraction --range 0.1:0.6 "
            "--replications 10 --out reports/breaking"
        ),
    )(breaking_point)
    app.command(
        "sensitivity",
        epilog=(
            "Example: igalloc sensitivity uk_2021_output_fall --vary supply.opening_cover_weeks=2:6 "
            "--vary disruption.0.fraction=0.1:0.2 --replications 10 --out reports/sensitivity"
        ),
    )(sensitivity)


@shown
def breaking_point(
    scenario: Scenario,
    *,
    vary: Annotated[
        list[str],
        typer.Option("--vary", metavar="KEY", help="Number of the scenario to turn; a second one makes a map."),
    ],
    range_: Annotated[
        list[str], typer.Option("--range", metavar="LOW:HIGH", help="Where to search, one for each --vary.")
    ],
    out: RunFolder,
    steps: Annotated[
        int | None, typer.Option("--steps", min=2, help="Values of the second key, for a map; 5 if left out.")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option("--tolerance", help="How near, in the key's unit; else 1/64 of the range."),
    ] = None,
    outcome: Annotated[
        str, typer.Option("--outcome", metavar="NAME", help="What must not happen is told by this outcome.")
    ] = "fill_grade_4_percent",
    below: Annotated[
        float | None, typer.Option("--below", help="Broken below this; 99.9 for the outcome left out.")
    ] = None,
    above: Annotated[float | None, typer.Option("--above", help="Broken above this.")] = None,
    share: Annotated[
        float, typer.Option("--share", metavar="SHARE", help="Of the replications that must break.")
    ] = 0.5,
    cohort: CohortToPlay = None,
    replications: Replications = None,
    weeks: WeeksToPlay = None,
    seed: SeedToPlay = None,
    workers: Workers = 1,
    rejects: Rejects = None,
    strict: Strict = False,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
    tiers: Tiers = None,
) -> None:
    """Find the smallest shock that leaves grade 4 unmet, on the same patients and luck throughout."""
    from allocation.cli.progress import scenario_bar
    from allocation.workflow.breaking import breaking_point as search
    from allocation.workflow.rules_in_use import load_rules

    needs("--steps", given=steps is not None, other="a second --vary", there=len(vary) > 1)
    own = {"--cohort": cohort, "--panels": panels, "--products": products, "--tiers": tiers}
    keep_inputs(own, {"--out": out, "--rejects": rejects})
    with scenario_bar() as progress:
        done = search(
            scenario,
            vary=vary,
            ranges=range_,
            steps=_STEPS if steps is None else steps,
            tolerance=tolerance,
            outcome=outcome,
            below=below,
            above=above,
            share=share,
            cohort=cohort,
            replications=replications,
            weeks=weeks,
            seed=seed,
            workers=workers,
            strict=strict,
            out=out,
            progress=progress,
            rules=load_rules(rulebook=rulebook, products=products, panels=panels, tiers=tiers),
        )
    _end(done, out, rejects)


@shown
def sensitivity(
    scenario: Scenario,
    *,
    out: RunFolder,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            "--vary",
            metavar="KEY=LOW:HIGH",
            help="Number to turn, and between what; may be repeated. Left out: every number marked as a proposal.",
        ),
    ] = None,
    swing: Annotated[
        float | None,
        typer.Option("--swing", help="Share of each number to either side, where --vary is left out; else 0.2."),
    ] = None,
    method: Annotated[
        str, typer.Option("--method", metavar="one_way|sobol", help="One at a time, or all at once by Sobol's indices.")
    ] = "one_way",
    samples: Annotated[
        int | None,
        typer.Option("--samples", help="For sobol, a power of 2, else 32; plays samples x (numbers + 2) scenarios."),
    ] = None,
    outcome: Annotated[
        list[str] | None, typer.Option("--outcome", metavar="NAME", help="What to look at; may be repeated.")
    ] = None,
    cohort: CohortToPlay = None,
    replications: Replications = None,
    weeks: WeeksToPlay = None,
    seed: SeedToPlay = None,
    workers: Workers = 1,
    rejects: Rejects = None,
    strict: Strict = False,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
    tiers: Tiers = None,
) -> None:
    """Find which of a scenario's inputs matter, on the same patients and luck throughout."""
    from allocation.cli.progress import replication_bar
    from allocation.workflow.rules_in_use import load_rules
    from allocation.workflow.sensitivity import sensitivity as turn

    one_of("--method", method, ("one_way", "sobol"))
    needs("--samples", given=samples is not None, other="--method sobol", there=method == "sobol")
    if swing is not None and vary:
        raise InputError(Fault("--swing", "no --vary beside it", remedy="Ranges that are named need no swing."))
    own = {"--cohort": cohort, "--panels": panels, "--products": products, "--tiers": tiers}
    keep_inputs(own, {"--out": out, "--rejects": rejects})
    with replication_bar() as progress:
        done = turn(
            scenario,
            vary=vary or (),
            swing=_SWING if swing is None else swing,
            method=method,
            samples=_SAMPLES if samples is None else samples,
            outcomes=outcome or (),
            cohort=cohort,
            replications=replications,
            weeks=weeks,
            seed=seed,
            workers=workers,
            strict=strict,
            out=out,
            progress=progress,
            rules=load_rules(rulebook=rulebook, products=products, panels=panels, tiers=tiers),
        )
    _end(done, out, rejects)


def _end(done: StudyDone, out: Path, rejects: Path | None) -> None:
    for line in done.headlines:
        sys.stdout.write(line + "\n")
    read = done.read
    end_run(read.faults, len(read.rejects), out=out, cohort_rejects=read.rejects, rejects=rejects)
