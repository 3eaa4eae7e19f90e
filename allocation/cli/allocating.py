"""The command ``allocate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from allocation.cli.options import (
    AsOf,
    Cohort,
    Panels,
    Products,
    Rejects,
    Rulebook,
    Seed,
    Strict,
    Tiers,
    as_date,
    keep_inputs,
)
from allocation.cli.shown import end_run, say, say_notices, shown

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        "allocate",
        epilog=(
            "Example: igalloc allocate --cohort cohort.csv --stock stock.csv --tier 3 --as-of 2026-11-01 "
            "--out reports/tier3"
        ),
    )(allocate)


@shown
def _list_policies(asked: bool) -> None:  # noqa: FBT001 - the option's own value
    """Write every policy that can be used, with its package and rule."""
    if asked:
        from allocation.workflow.allocating import describe_policies

        for name, package, rule in describe_policies():
            sys.stdout.write(f"{name:<20}  {package}\n{'':<20}  {rule}\n")
        raise typer.Exit


@shown
def allocate(
    *,
    cohort: Cohort,
    stock: Annotated[Path, typer.Option("--stock", metavar="FILE", help="Stock: CSV, Parquet or XLSX.")],
    tier: Annotated[
        int, typer.Option("--tier", metavar="1..4", help="Tier of escalation: how serious the shortage is.")
    ],
    as_of: AsOf,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the result.")],
    weeks: Annotated[float, typer.Option("--weeks", help="Weeks of demand to serve.")] = 4,
    policy: Annotated[
        str, typer.Option("--policy", metavar="NAME", help="Who goes first; --list-policies shows the names.")
    ] = "grade_order",
    solver: Annotated[str, typer.Option("--solver", metavar="highs|cbc", help="Solver of the program.")] = "highs",
    list_policies: Annotated[  # noqa: ARG001 - its callback does it
        bool,
        typer.Option("--list-policies", callback=_list_policies, is_eager=True, help="List the policies and stop."),
    ] = False,
    seed: Seed = 1,
    horizon_weeks: Annotated[
        int | None,
        typer.Option("--horizon-weeks", metavar="H", help="Look ahead so many weeks, to deliveries and expiry."),
    ] = None,
    limits: Annotated[
        Path | None,
        typer.Option("--limits", metavar="FILE", help="TOML with side limits: deliveries, quotas, chairs, fences."),
    ] = None,
    rejects: Rejects = None,
    strict: Strict = False,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
    tiers: Tiers = None,
) -> None:
    """Share a stock between the patients of a cohort at one tier, in whole vials, each with a reason."""
    from allocation.cli.progress import running_step
    from allocation.workflow.allocating import allocate as share_out
    from allocation.workflow.rules_in_use import load_rules

    own = {"--cohort": cohort, "--stock": stock, "--limits": limits, "--panels": panels, "--products": products}
    keep_inputs({**own, "--tiers": tiers}, {"--out": out, "--rejects": rejects})
    with running_step() as step:
        result = share_out(
            cohort=cohort,
            stock=stock,
            tier=tier,
            as_of=as_date(as_of),
            weeks=weeks,
            policy=policy,
            solver=solver,
            seed=seed,
            strict=strict,
            out=out,
            limits=limits,
            horizon_weeks=horizon_weeks,
            step=step,
            rules=load_rules(rulebook=rulebook, products=products, panels=panels, tiers=tiers),
        )
    for line in result.headlines:
        say(line)
    say_notices(result.notices)
    end_run(
        result.faults,
        result.rows_set_aside,
        limits=result.limits_set_aside,
        out=out,
        cohort_rejects=result.read.rejects,
        rejects=rejects,
    )
