"""Commands about run folders: ``simulate`` and ``report``."""

from __future__ import annotations

import sys
from pathlib import Path
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
    SeedToPlay,
    Strict,
    Tiers,
    WeeksToPlay,
    keep_inputs,
    needs,
    sizes_of,
)
from allocation.cli.shown import end_run, say, shown
from allocation.errors import Fault, InputError

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        "simulate", epilog="Example: igalloc simulate uk_2021_output_fall --replications 20 --out reports/demo"
    )(simulate)
    app.command("report", epilog="Example: igalloc report reports/demo --format html,pdf,xlsx")(report)


@shown
def simulate(
    scenario: Annotated[
        str | None, typer.Argument(metavar="SCENARIO", help="A scenario of the library by name, or a TOML file.")
    ] = None,
    *,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the result.")] = None,
    cohort: CohortToPlay = None,
    replications: Annotated[int | None, typer.Option("--replications", min=1, help="Else the scenario's.")] = None,
    weeks: WeeksToPlay = None,
    seed: SeedToPlay = None,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, help="Processes, 1 if left out; the result is the same.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="ADDRESS",
            help="Dask scheduler, as tcp://host:port; instead of --workers, same result.",
        ),
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option("--policy", metavar="NAME", help="Who goes first; else the scenario's."),
    ] = None,
    resume: Resume = False,
    precision: Annotated[
        list[str] | None,
        typer.Option(
            "--precision",
            metavar="OUTCOME=SIZE",
            help="More replications until the outcome's 95 % interval is this narrow to each side; may be repeated.",
        ),
    ] = None,
    most_replications: MostReplications = None,
    consequences: Annotated[
        bool,
        typer.Option("--consequences", help="Reckon infections and relapses expected from waiting, for the cohort."),
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check the first replication's weekly plans without the solver, too.")
    ] = False,
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
    own = {"--cohort": cohort, "--panels": panels, "--products": products, "--tiers": tiers}
    keep_inputs(own, {"--out": out, "--rejects": rejects})
    if cluster is not None:
        _check_cluster(cluster, workers)
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
            workers=workers or 1,
            cluster=cluster,
            verify=verify,
            policy=policy,
            strict=strict,
            out=out,
            progress=progress,
            rules=load_rules(rulebook=rulebook, products=products, panels=panels, tiers=tiers),
            resume=resume,
            precision=sizes_of(precision),
            consequences=consequences,
            most_replications=most_replications,
        )
    for line in result.headlines:
        sys.stdout.write(line + "\n")
    read = result.read
    end_run(read.faults, len(read.rejects), out=out, cohort_rejects=read.rejects, rejects=rejects)


def _check_cluster(cluster: str, workers: int | None) -> None:
    from allocation.simulation.cluster import check_cluster, crosses_network_in_clear

    if workers is not None:
        raise InputError(
            Fault("--cluster", "either --cluster or --workers", remedy="A cluster has the workers started for it.")
        )
    check_cluster(cluster)
    if crosses_network_in_clear(cluster):
        say(f"igalloc: rows on patients go to {cluster} unencrypted; on a network that others use, start it as tls://.")


@shown
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a run.")],
    formats: Annotated[
        str,
        typer.Option(
            "--format",
            metavar="html,pdf,xlsx,svg",
            help="html: one page; pdf: the page printed by a browser on this machine; xlsx: a workbook; svg: each "
            "chart as a file.",
        ),
    ] = "html",
    share: Annotated[bool, typer.Option("--share", help="Hide small counts, for sharing outside.")] = False,
    panel: Annotated[
        str | None,
        typer.Option("--panel", metavar="CODE|all", help="One page on a panel of an allocation; all: one on each."),
    ] = None,
    check: Annotated[
        list[Path] | None,
        typer.Option("--check", metavar="FILE", help="Input of the run: mark the page if it has changed; repeatable."),
    ] = None,
    cohort: Annotated[
        Path | None,
        typer.Option("--cohort", metavar="FILE", help="Cohort of an allocation: the report adds what could be freed."),
    ] = None,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
) -> None:
    """Write the report of a run: one HTML page that needs nothing else, a PDF, a workbook, or the charts."""
    from allocation.workflow.reporting import report as make
    from allocation.workflow.rules_in_use import load_rules

    for option, value in (("--products", products), ("--panels", panels)):
        needs(option, given=value is not None, other="--cohort", there=cohort is not None)
    rules = load_rules(rulebook=rulebook, products=products, panels=panels) if cohort is not None else None
    written = make(
        folder, formats=formats, share=share, panel=panel, cohort=cohort, rules=rules, checks=tuple(check or ())
    )
    for path in written:
        sys.stdout.write(f"{path}\n")
