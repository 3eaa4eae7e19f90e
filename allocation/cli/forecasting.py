"""Command ``forecast``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from allocation.cli.options import Panels, Products, Rulebook, Strict, as_date, keep_inputs, needs
from allocation.cli.shown import say, say_set_aside, shown
from allocation.errors import Fault, InputError

__all__ = ["add_to"]


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(
        "forecast",
        epilog=(
            "Examples: igalloc forecast history --make-sample; igalloc forecast history/data --trusts "
            "history/trusts.csv --horizon-months 18 --backtest --out reports/ahead"
        ),
    )(forecast)


@shown
def forecast(
    history: Annotated[
        list[Path],
        typer.Argument(
            metavar="HISTORY...",
            help="Files, or a folder of them: NHSBSA Secondary Care Medicines Data as downloaded, or month, panel, "
            "grams[, group]. CSV, Parquet or XLSX.",
        ),
    ],
    *,
    horizon_months: Annotated[int, typer.Option("--horizon-months", metavar="H", help="Months ahead, 1 to 60.")] = 18,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for the result.")] = None,
    trusts: Annotated[
        Path | None,
        typer.Option(
            "--trusts", metavar="FILE", help="Map with trust, panel and, for merged trusts, successor (ODS codes)."
        ),
    ] = None,
    backtest: Annotated[
        bool, typer.Option("--backtest", help="Try the models on the past; choose by it, and put intervals right.")
    ] = False,
    model: Annotated[
        str | None, typer.Option("--model", metavar="NAME", help="AutoETS, AutoTheta or SeasonalNaive; else chosen.")
    ] = None,
    breaks: Annotated[
        str, typer.Option("--breaks", metavar="keep|adjust", help="What to do with outliers and level shifts found.")
    ] = "keep",
    cohort: Annotated[
        Path | None,
        typer.Option("--cohort", metavar="FILE", help="Compare with what a cohort needs: CSV, Parquet or XLSX."),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option("--as-of", metavar="DATE", help="The day the cohort stands on; else the first day forecast."),
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", metavar="NAME|FILE", help="Whose turnover and growth the cohort has; or baseline."),
    ] = None,
    rulebook: Rulebook = "nhs",
    products: Products = None,
    panels: Panels = None,
    strict: Strict = False,
    make_sample: Annotated[
        bool,
        typer.Option("--make-sample", help="Write a synthetic history into the folder HISTORY instead, and stop."),
    ] = False,
) -> None:
    """Forecast demand by panel, product group and nation, with intervals; with a cohort, compare it with its need."""
    if make_sample:
        _make_sample(history)
        return
    if out is None:
        raise InputError(Fault("--out", "a folder for the result", remedy="For example --out reports/ahead."))
    if breaks not in ("keep", "adjust"):
        raise InputError(Fault("--breaks", "keep or adjust", value=breaks))
    only_cohort: dict[str, object] = {"--as-of": as_of, "--scenario": scenario, "--strict": strict or None}
    only_cohort |= {"--panels": panels, "--products": products}
    for option, value in only_cohort.items():
        needs(option, given=value is not None, other="--cohort", there=cohort is not None)
    sources = dict(enumerate(history, 1))
    own = {"--trusts": trusts, "--cohort": cohort, "--panels": panels, "--products": products}
    keep_inputs({**own, **{f"HISTORY {place}": path for place, path in sources.items()}}, {"--out": out})
    from allocation.workflow.forecasting import forecast_demand
    from allocation.workflow.forecasting_cohort import CohortSide
    from allocation.workflow.rules_in_use import load_rules

    side = None
    if cohort is not None:
        day = as_date(as_of) if as_of is not None else None
        rules = load_rules(rulebook=rulebook, products=products, panels=panels)
        side = CohortSide(cohort, day, scenario or "baseline", strict, rules)
    shown_at = -1

    def progress(words: str, done: int, total: int) -> None:
        nonlocal shown_at
        tenth = done * 10 // total
        if tenth != shown_at:
            shown_at = tenth
            say(f"{words}: {done} of {total} fits done")

    say("reading the history")
    result = forecast_demand(
        list(history),
        trusts=trusts,
        horizon_months=horizon_months,
        model=model,
        with_backtest=backtest,
        adjust_breaks=breaks == "adjust",
        out=out,
        progress=progress,
        cohort=side,
    )
    sys.stdout.write(result.findings + "\n")
    if result.notes:
        say(f"{result.notes} notes on the data are in {out / 'data_notes.csv'}.")
    say(f"Written to {out}.")
    if result.cohort is not None:
        say_set_aside(result.cohort.faults, len(result.cohort.rejects), out)


def _make_sample(history: list[Path]) -> None:
    from allocation.workflow.forecasting import sample_history

    if len(history) != 1:
        raise InputError(Fault("HISTORY", "one folder for the sample", value=str(len(history))))
    data, trusts = sample_history(history[0], months=60, panels=4, seed=1)
    say("This history is synthetic; it holds no real data.")
    sys.stdout.write(f"{data}\n{trusts}\n")
    say(f"To forecast from it: igalloc forecast {data} --trusts {trusts} --out ahead")
