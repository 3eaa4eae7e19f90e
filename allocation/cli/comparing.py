"""The command ``compare``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from allocation.cli.options import (
    CohortToPlay,
    MostReplications,
    Panels,
    Products,
    Rejects,
    Resume,
    Rulebook,
    RunFolder,
    Scenario,
    SeedToPlay,
    Strict,
    Tiers,
    WeeksToPlay,
    Workers,
    keep_inputs,
    sizes_of,
)
from allocation.cli.shown import end_run, shown

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        "compare",
        epilog=(
            "Example: igalloc compare uk_2021_output_fall --policies grade_order,pro_rata --replications 20 "
            "--out reports/policies"
        ),
    )(compare)


@shown
def compare(
    scenario: Scenario,
    *,
    policies: Annotated[
        str,
        typer.Option(
            "--policies",
            metavar="A,B[,C]",
            help="Policies; the others are compared with the first. See igalloc allocate --list-policies.",
        ),
    ],
    out: RunFolder,
    cohort: CohortToPlay = None,
    replications: Annotated[
        int | None, typer.Option("--replications", min=1, help="Of each policy; else the scenario's.")
    ] = None,
    weeks: WeeksToPlay = None,
    seed: SeedToPlay = None,
    workers: Workers = 1,
    resume: Resume = False,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="OUTCOME=SIZE",
            help="More replications until the 95 % interval of the difference is this narrow to each side.",
        ),
    ] = None,
    most_replications: MostReplications = None,
    rejects: Rejects = None,
    strict: Strict = False,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
    tiers: Tiers = None,
) -> None:
    """Play a scenario under several policies, on the same patients and the same luck, and tell the differences."""
    from allocation.cli.progress import replication_bar
    from allocation.workflow.comparing import compare as play
    from allocation.workflow.rules_in_use import load_rules

    own = {"--cohort": cohort, "--panels": panels, "--products": products, "--tiers": tiers}
    keep_inputs(own, {"--out": out, "--rejects": rejects})
    with replication_bar() as progress:
        done = play(
            scenario,
            policies=policies.split(","),
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
            precision=sizes_of(precision),
            most_replications=most_replications,
        )
    for line in done.headlines:
        sys.stdout.write(line + "\n")
    read = done.read
    end_run(read.faults, len(read.rejects), out=out, cohort_rejects=read.rejects, rejects=rejects)
