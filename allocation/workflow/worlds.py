"""A scenario and a cohort made ready to be played, for every use case that plays one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.resources import NATIONAL_COHORT, SAMPLE_COHORT, bundled
from allocation.workflow.cohorts import CohortRead, demand_of, read
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    from allocation.scenario import Scenario
    from allocation.simulation import World

__all__ = ["Ready", "default_cohort", "input_files", "make_ready"]


@dataclass(frozen=True, slots=True)
class Ready:
    """The world of a scenario, the cohort behind it, and what of the cohort was set aside."""

    world: World
    read: CohortRead
    cohort: Path


def default_cohort() -> Path:
    """The national cohort where it is at hand, else the sample that every installation carries.

    Raises
    ------
    InputError
        Where neither is found, which means that the installation is broken.
    """
    path = bundled(NATIONAL_COHORT) or bundled(SAMPLE_COHORT)
    if path is None:
        raise InputError(Fault("--cohort", "a cohort file", remedy="This installation carries none; name one."))
    return path


def make_ready(scenario: Scenario, *, cohort: Path | None, strict: bool, rules: RulesInUse) -> Ready:
    """Read a cohort and put it into a scenario's world.

    Raises
    ------
    InputError
        Where the cohort cannot be used, or the scenario names what does not exist.
    """
    from allocation.cohort.epidemiology import load_epidemiology
    from allocation.simulation import prepare

    path = cohort or default_cohort()
    found = read(path, strict=strict, rules=rules)
    found, _ = demand_of(found, as_of=scenario.run.as_of, weeks=1.0, strict=strict, rules=rules)
    world = prepare(
        scenario,
        found.good,
        rulebook=rules.rulebook,
        panels=rules.panels,
        products=rules.products,
        tiers=rules.tiers,
        epidemiology=load_epidemiology(),
    )
    return Ready(world, found, path)


def input_files(scenario: str, cohort: Path, rules: RulesInUse) -> dict[str, Path]:
    """Files a run is made from, for its manifest: the scenario's own if it is the user's, and those of a forecast."""
    from allocation.scenario import demand_forecast_files, load_scenario

    path = Path(scenario)
    own = {"scenario": path} if path.suffix == ".toml" and path.is_file() else {}
    forecast = demand_forecast_files(load_scenario(scenario).demand.forecast)
    return {"cohort": cohort, **own, **forecast, **rules.own_files}
