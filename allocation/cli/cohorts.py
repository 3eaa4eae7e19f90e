"""Commands about cohort files: ``cohort generate``, ``cohort check``, ``grade`` and ``stock make``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from allocation.cli.exits import BAD_INPUT
from allocation.cli.options import AsOf, Cohort, Panels, Products, Rejects, Rulebook, Seed, Strict, as_date, keep_inputs
from allocation.cli.shown import say, say_faults, say_set_aside, shown

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    cohort = typer.Typer(
        help="Make a synthetic cohort, or check a real one.",
        epilog="Example: igalloc cohort check cohort.csv",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    cohort.command(
        "generate",
        epilog="Example: igalloc cohort generate --patients 500 --seed 7 --as-of 2026-11-01 --out cohort.csv",
    )(generate)
    cohort.command("check", epilog="Example: igalloc cohort check cohort.csv --rejects rejects.csv")(check)
    app.add_typer(cohort, name="cohort")
    app.command("grade", epilog="Example: igalloc grade cohort.csv --as-of 2026-11-01 --out graded.csv")(grade)
    stock = typer.Typer(
        help="Make a synthetic stock file.",
        epilog="Example: igalloc stock make --cohort cohort.csv --as-of 2026-11-01 --out stock.csv",
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    stock.command(
        "make",
        epilog="Example: igalloc stock make --cohort cohort.csv --share 0.6 --as-of 2026-11-01 --out stock.csv",
    )(make_stock)
    app.add_typer(stock, name="stock")


@shown
def generate(
    *,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="CSV, Parquet or XLSX, by its suffix.")],
    as_of: AsOf,
    patients: Annotated[
        int | None, typer.Option("--patients", help="Rows of the file; left out, the national cohort.")
    ] = None,
    seed: Seed = 1,
    review_share: Annotated[
        float | None, typer.Option("--review-share", help="Share of long-term patients with an annual review.")
    ] = None,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
) -> None:
    """Write a synthetic cohort calibrated to published national figures."""
    from allocation.workflow.cohorts import generate as make
    from allocation.workflow.rules_in_use import load_rules

    rows = make(
        patients=patients,
        seed=seed,
        as_of=as_date(as_of),
        out=out,
        review_share=review_share,
        rules=load_rules(rulebook=rulebook, products=products, panels=panels),
    )
    say(f"{rows:,} synthetic patients written to {out}")


@shown
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Cohort: CSV, Parquet or XLSX.")],
    rejects: Rejects = None,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
) -> None:
    """Name every fault of a cohort file. The exit code is 2 where there is one."""
    from allocation.workflow.cohorts import check as look
    from allocation.workflow.rules_in_use import load_rules

    keep_inputs({"FILE": file, "--panels": panels, "--products": products}, {"--rejects": rejects})
    found = look(file, rejects=rejects, rules=load_rules(rulebook=rulebook, products=products, panels=panels))
    say_faults(found.faults)
    sys.stdout.write(
        f"{len(found.good)} good rows, {len(found.rejects)} bad rows, {len(found.faults)} faults in {file}\n"
    )
    if found.faults:
        raise typer.Exit(BAD_INPUT)


@shown
def grade(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Cohort: CSV, Parquet or XLSX.")],
    *,
    as_of: AsOf,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where the graded cohort goes.")],
    rejects: Rejects = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print how many patients each reason applies to.")] = False,
    strict: Strict = False,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
) -> None:
    """Grade every patient 4 to 1, with the reason."""
    from allocation.workflow.cohorts import grade as grade_file
    from allocation.workflow.rules_in_use import load_rules

    own = {"FILE": file, "--panels": panels, "--products": products}
    keep_inputs(own, {"--out": out, "--rejects": rejects})
    result = grade_file(
        file,
        as_of=as_date(as_of),
        out=out,
        rejects=rejects,
        strict=strict,
        rules=load_rules(rulebook=rulebook, products=products, panels=panels),
    )
    counts = result.graded["grade"].value_counts(dropna=False)
    told = ", ".join(f"grade {number} {int(counts.get(number, 0)):,}" for number in (4, 3, 2, 1))
    ungraded = int(result.graded["grade"].isna().sum())
    say(f"{len(result.graded):,} patients graded: {told}, no grade {ungraded:,}. Written to {out}")
    if explain:
        reasons = result.graded["reason"].astype(str).value_counts().sort_index()
        reasons = reasons.sort_values(ascending=False, kind="stable")
        for reason, patients in reasons.items():
            sys.stdout.write(f"{patients:>7}  {reason}\n")
    say_set_aside(result.read.faults, len(result.read.rejects), result.rejects_path, expected=rejects is not None)


@shown
def make_stock(
    *,
    cohort: Cohort,
    as_of: AsOf,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="CSV, Parquet or XLSX, by its suffix.")],
    share: Annotated[float, typer.Option("--share", min=0.0, help="Stock as a share of the demand due.")] = 1.0,
    weeks: Annotated[float, typer.Option("--weeks", help="Weeks of demand the stock is measured by.")] = 4,
    seed: Seed = 1,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
) -> None:
    """Write a synthetic stock file sized by a cohort's demand: a share of 0.6 is a shortage of 40 %."""
    from allocation.workflow.allocating import make_stock as make
    from allocation.workflow.rules_in_use import load_rules

    keep_inputs({"--cohort": cohort, "--panels": panels, "--products": products}, {"--out": out})
    made = make(
        cohort=cohort,
        as_of=as_date(as_of),
        out=out,
        share=share,
        weeks=weeks,
        seed=seed,
        rules=load_rules(rulebook=rulebook, products=products, panels=panels),
    )
    say(f"{made.lines:,} lines of stock, {made.grams:,.0f} g, written to {out}")
    say_set_aside(made.read.faults, len(made.read.rejects), None)
