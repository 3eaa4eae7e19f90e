"""A cohort's demand over the months of a forecast, and the two side by side in a run folder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from allocation.errors import Fault, InputError
from allocation.forecast import Forecast, History
from allocation.forecast.bottom_up import BottomUp, bottom_up, reference_of
from allocation.forecast.decompose import ALL, PARTS, Comparison, compare
from allocation.forecast.findings import cohort_findings
from allocation.quantities import G_PER_KG
from allocation.records import write_text_atomic
from allocation.reporting.charts_forecast import Fan, fan_svg, panels_svg, parts_svg
from allocation.tables import write_table
from allocation.workflow.cohorts import CohortRead, demand_of, read
from allocation.workflow.rules_in_use import RulesInUse

__all__ = ["CohortSide", "cohort_demand", "write_comparison"]


@dataclass(frozen=True, slots=True)
class CohortSide:
    """Which cohort a forecast is compared with, and by what assumptions.

    Attributes
    ----------
    path
        The cohort file.
    as_of
        Day on which it stands; None for the first day forecast.
    scenario
        Name or file of the scenario whose turnover and growth are used.
    strict
        Whether a bad row stops the run.
    """

    path: Path
    as_of: date | None
    scenario: str
    strict: bool
    rules: RulesInUse


def cohort_demand(side: CohortSide, months: tuple[str, ...]) -> tuple[BottomUp, CohortRead]:
    """Read, grade and dose a cohort, and reckon what it needs in each month.

    Raises
    ------
    InputError
        Where the cohort or the scenario cannot be used, or the cohort stands on a day after the last month.
    """
    from allocation.cohort.epidemiology import load_epidemiology
    from allocation.scenario import load_scenario
    from allocation.simulation import prepare

    as_of = side.as_of or date(int(months[0][:4]), int(months[0][5:7]), 1)
    if f"{as_of:%Y-%m}" > months[-1]:
        expected = f"a day not after the last month forecast, {months[-1]}"
        raise InputError(Fault("--as-of", expected, value=f"{as_of:%Y-%m-%d}"))
    found = read(side.path, strict=side.strict, rules=side.rules)
    found, _ = demand_of(found, as_of=as_of, weeks=1.0, strict=side.strict, rules=side.rules)
    named = load_scenario(side.scenario)
    # What a scenario says of supply and of shortages has no bearing on what patients need.
    demand = named.demand.model_copy(update={"forecast": ""})
    scenario = named.model_copy(update={"demand": demand, "disruption": (), "mitigation": ()})
    epidemiology = load_epidemiology()
    world = prepare(
        scenario, found.good, rulebook=side.rules.rulebook, panels=side.rules.panels, products=side.rules.products,
        tiers=side.rules.tiers, epidemiology=epidemiology, as_of=as_of,
    )  # fmt: skip
    made = bottom_up(
        world.start, places=world.places, acute=world.acute, demand=demand, reference=reference_of(epidemiology),
        as_of=as_of, months=months,
    )  # fmt: skip
    return made, found


def write_comparison(folder: Path, history: History, made: Forecast, cohort: BottomUp, fans: dict[str, Fan]) -> str:
    """Write tables and charts of the two side by side; return what they say in a few sentences.

    Parameters
    ----------
    fans
        Charts of the forecast alone by panel, and of the nation under :data:`allocation.forecast.decompose.ALL`.
    """
    from allocation.cohort.epidemiology import load_epidemiology

    found = compare(history, made, cohort, reference_of(load_epidemiology()))
    said = cohort_findings(found, cohort)
    write_table(found.months, folder / "bottom_up.csv")
    write_table(found.panels, folder / "comparison.csv")
    write_table(found.groups, folder / "comparison_groups.csv")
    rows = [cohort.panels.index(name) for name in found.compared]
    low, high = cohort.interval()
    charts = {"comparison": fan_svg(_together(fans, found, cohort, rows), description=said)}
    panels = [
        fans[name].beside(cohort.mean[at] / G_PER_KG, low[1, at] / G_PER_KG, high[1, at] / G_PER_KG)
        for name, at in zip(found.compared, rows, strict=True)
        if name in fans
    ]
    if panels:
        charts["comparison_panels"] = panels_svg(panels, description=said)
    total = found.panels.loc[found.panels["panel"] == ALL].iloc[0]
    bars = [(part, float(total[f"{part}_g"]) / G_PER_KG) for part in PARTS]
    charts["comparison_parts"] = parts_svg(bars, total=float(total["difference_g"]) / G_PER_KG, description=said)
    for name, (wide, narrow) in charts.items():
        write_text_atomic(folder / f"{name}.svg", wide + "\n")
        write_text_atomic(folder / f"{name}_narrow.svg", narrow + "\n")
    return said


def _together(fans: dict[str, Fan], found: Comparison, cohort: BottomUp, rows: list[int]) -> Fan:
    """The nation; where some panels are on one side alone, the sum of the others, whose interval is not known."""
    low, high = cohort.interval(rows)
    own = {"mean": cohort.mean[rows].sum(axis=0) / G_PER_KG, "low": low[1] / G_PER_KG, "high": high[1] / G_PER_KG}
    if not found.only_forecast:
        return fans[ALL].beside(**own)
    chosen = [fans[name] for name in found.compared]
    mean = np.sum([fan.mean for fan in chosen], axis=0)
    first = chosen[0]
    return Fan(
        name=f"{len(chosen)} panels in both" if len(chosen) > 1 else first.name,
        first_month=first.first_month,
        history=np.sum([fan.history for fan in chosen], axis=0),
        filled=np.any([fan.filled for fan in chosen], axis=0),
        outlying=np.zeros(len(first.history), dtype=bool),
        shifts=(),
        mean=mean,
        low=np.stack([mean, mean]),
        high=np.stack([mean, mean]),
    ).beside(**own)
