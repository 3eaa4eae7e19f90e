"""Small worlds to play: a scenario with a few keys changed, and a cohort that is made once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

from allocation.cohort.epidemiology import load_epidemiology
from allocation.cohort.generate import generate_cohort
from allocation.rules import PanelSet, load_panels, load_products, load_rulebook, load_tiers
from allocation.scenario import Scenario, load_scenario
from allocation.simulation import World, prepare

AS_OF = date(2026, 11, 1)
DEEP = {"kind": "output_cut", "start_week": 1, "weeks": 30, "fraction": 0.4}

Make = Callable[..., World]


def world_maker(*, patients: int, panels: int, weeks: int, replications: int) -> Make:
    """What makes worlds of so many patients in the first so many panels.

    It takes a scenario, or its name, and by keyword the weeks of the run and what is changed: a list in place of the
    scenario's, or keys of one of its parts.
    """
    every = load_panels()
    given: dict[str, Any] = {
        "rulebook": load_rulebook(),
        "panels": PanelSet(source=every.source, panel=every.panel[:panels]),
        "products": load_products(),
        "epidemiology": load_epidemiology(),
    }
    cohort = generate_cohort(patients=patients, seed=7, as_of=AS_OF, **given)
    usual = {"weeks": weeks, "replications": replications}

    def make(scenario: str | Scenario = "baseline", *, weeks: int | None = None, **changes: Any) -> World:
        data = (load_scenario(scenario) if isinstance(scenario, str) else scenario).model_dump()
        data["run"] |= usual if weeks is None else {**usual, "weeks": weeks}
        for part, value in changes.items():
            data[part] = value if isinstance(value, list) else data[part] | value
        return prepare(Scenario.model_validate(data), cohort, tiers=load_tiers(), **given)

    return make
