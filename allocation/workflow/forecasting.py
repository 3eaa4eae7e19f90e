"""Forecast demand from a history and leave a run folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from allocation.errors import Fault, InputError
from allocation.forecast import (
    MODELS,
    Backtest,
    Forecast,
    History,
    backtest,
    findings,
    forecast,
    load_history,
    load_settings,
)
from allocation.forecast.bottom_up import BottomUp
from allocation.forecast.decompose import ALL
from allocation.forecast.frames import breaks_frame, forecast_frame, history_frame, notes_frame
from allocation.forecast.hierarchy import METHOD
from allocation.forecast.history import history_files
from allocation.forecast.months import month_range
from allocation.quantities import G_PER_KG
from allocation.records import manifest, new_folder, write_text_atomic
from allocation.reporting.charts_forecast import Fan, fan_svg, panels_svg
from allocation.tables import write_table
from allocation.workflow.cohorts import CohortRead
from allocation.workflow.forecasting_cohort import CohortSide, cohort_demand, write_comparison
from allocation.workflow.run_folder import outputs_of, write_json

__all__ = ["ForecastDone", "forecast_demand", "sample_history"]

Progress = Callable[[str, int, int], None]
_LONGEST_HORIZON = 60
_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class ForecastDone:
    """What was found, in words, where the data fell short, and how the cohort was read if there was one."""

    findings: str
    notes: int
    cohort: CohortRead | None = None


def sample_history(folder: Path, *, months: int, panels: int, seed: int) -> tuple[Path, Path]:
    """Write a synthetic history in the published layout; folder of its files, and its trust map.

    Raises
    ------
    InputError
        Where the folder holds something already.
    """
    from allocation.forecast import write_sample

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        remedy = "Name another; nothing was written."
        raise InputError(Fault(str(folder), "a new or empty folder", remedy=remedy))
    made = write_sample(folder, months=months, panels=panels, seed=seed)
    return made.folder, made.trusts


def forecast_demand(
    paths: list[Path],
    *,
    trusts: Path | None,
    horizon_months: int,
    model: str | None,
    with_backtest: bool,
    adjust_breaks: bool,
    out: Path,
    progress: Progress | None = None,
    cohort: CohortSide | None = None,
) -> ForecastDone:
    """Forecast ``paths`` and write ``out`` as one step at the end.

    With a ``cohort`` its demand is reckoned for the same months and set beside the forecast.

    Raises
    ------
    InputError
        Where the history, the map, the cohort or an option cannot be used, statsforecast is missing, or ``out`` holds
        something that is no run of ours.
    """
    _check(horizon_months, model)
    settings = load_settings()
    history = load_history(paths, trusts=trusts, settings=settings)
    ahead = month_range(history.months[-1], horizon_months + 1)[1:]
    # Read before the models are fitted, which takes longer: a fault of the cohort is told at once.
    needed, read = cohort_demand(cohort, ahead) if cohort is not None else (None, None)

    def report(words: str) -> Callable[[int, int], None]:
        return lambda done, total: progress(words, done, total) if progress is not None else None

    with new_folder(out) as folder:
        tried = (
            backtest(
                history, horizon_months=horizon_months, adjust_breaks=adjust_breaks, settings=settings,
                progress=report("back-test"),
            )
            if with_backtest
            else None
        )  # fmt: skip
        chosen = model or (tried.chosen if tried else MODELS[0])
        made = forecast(
            history, model=chosen, horizon_months=horizon_months, adjust_breaks=adjust_breaks, settings=settings,
            factors=tried.factors[chosen] if tried else None,
        )  # fmt: skip
        said = findings(history, made, tried, adjust_breaks=adjust_breaks)
        fans = _write(folder, history, made, tried, said=said, adjust_breaks=adjust_breaks)
        if needed is not None:
            said = f"{said}\n\n{write_comparison(folder, history, made, needed, fans)}"
        if read is not None and len(read.rejects):
            write_table(read.rejects, folder / "rejects.csv")
        write_text_atomic(folder / "findings.txt", said + "\n")
        inputs = {f"history {i:03d}": path for i, path in enumerate(history_files(paths), 1)}
        record = manifest(
            command="forecast",
            inputs={**inputs, **({"trusts": trusts} if trusts else {}), **_cohort_inputs(cohort)},
            options={
                "horizon_months": horizon_months,
                "model": model or "chosen by igalloc",
                "backtest": with_backtest,
                "breaks": "adjust" if adjust_breaks else "keep",
                **_cohort_options(cohort, needed),
            },
            seed=None,
            rulebook=f"{cohort.rules.rulebook.id} {cohort.rules.rulebook.version}" if cohort else "none",
            extra={
                "forecast": {
                    "model": chosen,
                    "reconciliation": METHOD,
                    "interval_factors": {f"{level}, {share} %": f for (level, share), f in made.factors.items()},
                    "statsforecast": _version("statsforecast"),
                },
                "outputs": outputs_of(folder),
            },
        )
        write_json(folder / "manifest.json", record)
    return ForecastDone(said, len(history.notes), read)


def _cohort_inputs(cohort: CohortSide | None) -> dict[str, Path]:
    if cohort is None:
        return {}
    scenario = Path(cohort.scenario)
    own = {"scenario": scenario} if scenario.suffix == ".toml" and scenario.is_file() else {}
    return {"cohort": cohort.path, **own, **cohort.rules.own_files}


def _cohort_options(cohort: CohortSide | None, needed: BottomUp | None) -> dict[str, object]:
    if cohort is None or needed is None:
        return {}
    return {
        "as_of": needed.as_of,
        "scenario": Path(cohort.scenario).stem,
        "leaving_per_year": needed.leaving_per_year,
        "growth_per_year": needed.growth_per_year,
        "strict": cohort.strict,
    }


def _check(horizon_months: int, model: str | None) -> None:
    if not 1 <= horizon_months <= _LONGEST_HORIZON:
        expected = f"whole months from 1 to {_LONGEST_HORIZON}"
        raise InputError(Fault("--horizon-months", expected, value=str(horizon_months)))
    if model is not None and model not in MODELS:
        raise InputError(Fault("--model", f"one of {', '.join(MODELS)}", value=model))


def _write(
    folder: Path, history: History, made: Forecast, tried: Backtest | None, *, said: str, adjust_breaks: bool
) -> dict[str, Fan]:
    """Tables and charts of the forecast alone; the fans by panel, and of the nation."""
    write_table(history_frame(history), folder / "history.csv")
    write_table(forecast_frame(made), folder / "forecast.csv")
    write_table(breaks_frame(history, made, handled=adjust_breaks), folder / "breaks.csv")
    write_table(notes_frame(history), folder / "data_notes.csv")
    if history.medicines is not None:
        write_table(history.medicines, folder / "medicines.csv")
    if tried is not None:
        write_table(tried.summary.round(_DECIMALS), folder / "backtest.csv")
        write_table(tried.series.round(_DECIMALS), folder / "backtest_series.csv")
    nation = _fan(history, made, 0)
    for name, text in zip(("nation", "nation_narrow"), fan_svg(nation, description=said), strict=True):
        write_text_atomic(folder / f"{name}.svg", text + "\n")
    panels = [_fan(history, made, i) for i, node in enumerate(made.hierarchy.nodes) if node.level == "panel"]
    if panels:
        words = "; ".join(
            f"{one.name}: {one.history[-12:].sum():,.0f} kg in the last twelve months, "
            f"then {one.mean[-1]:,.1f} kg a month"
            for one in panels
        )
        for name, text in zip(("panels", "panels_narrow"), panels_svg(panels, description=f"{words}."), strict=True):
            write_text_atomic(folder / f"{name}.svg", text + "\n")
    by_panel = {one.name: one for one in panels} or {history.labels[0][0]: nation}
    return {ALL: nation, **by_panel}


def _fan(history: History, made: Forecast, place: int) -> Fan:
    node, parts = made.hierarchy.nodes[place], made.hierarchy.sums[place]
    outlying = np.zeros(len(history.months), dtype=bool)
    for one in made.breaks[place]:
        if one.kind == "outlier":
            outlying[one.start : one.start + one.months] = True
    return Fan(
        name=node.name,
        first_month=history.months[0],
        history=history.grams @ parts / G_PER_KG,
        filled=(history.filled & (parts > 0)).any(axis=1),
        outlying=outlying,
        shifts=tuple(one.start for one in made.breaks[place] if one.kind == "level shift"),
        mean=made.mean[place] / G_PER_KG,
        low=made.low[place] / G_PER_KG,
        high=made.high[place] / G_PER_KG,
    )


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "not installed"
