"""From a cohort to a world: patients graded and dosed once, acute arrivals from the epidemiology."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from allocation.cohort.acute import AcuteModel, acute_model, draw_acute, scale_of
from allocation.cohort.demand import demand_table
from allocation.cohort.epidemiology import Epidemiology
from allocation.errors import Fault, InputError
from allocation.grading import annual_reviews, grade_cohort
from allocation.quantities import DAYS_PER_YEAR
from allocation.rules import PanelSet, ProductSet, Rulebook, TierSet
from allocation.scenario import Scenario, load_demand_forecast
from allocation.simulation.demand import Floats, Ints, Places, people_of
from allocation.simulation.world import Solver, World, build_world

__all__ = ["EpidemiologyArrivals", "prepare"]


@dataclass(frozen=True, slots=True)
class EpidemiologyArrivals:
    """Acute patients as the epidemiology expects them, graded and dosed by the rulebook.

    Attributes
    ----------
    model
        Rates and attributes.
    scale
        Size of the cohort against the country's, by panel; 0 for panels without patients in the cohort.
    as_of
        Day 0.
    """

    model: AcuteModel
    scale: Floats
    rulebook: Rulebook
    products: ProductSet
    as_of: date

    @property
    def keys(self) -> tuple[tuple[str, str], ...]:
        """Indication and situation of each line."""
        return tuple(zip(self.model.indication.tolist(), self.model.situation.tolist(), strict=True))

    def rate_per_day(self, days: int) -> Floats:
        """Expected arrivals, shape (days, lines, panels)."""
        months = np.array([(self.as_of + timedelta(days=day)).month - 1 for day in range(days)], dtype=np.int64)
        yearly = self.model.rate_per_year * self.scale
        rate: Floats = self.model.month_factor.T[months][:, :, None] * yearly[None] / DAYS_PER_YEAR
        return rate

    def draw(self, rng: np.random.Generator, line: Ints, panel: Ints) -> pd.DataFrame:
        """Patients of these lines and panels; one whom nobody would fund or dose is due 0 mg."""
        drawn = draw_acute(rng=rng, entry_index=line, panel_index=panel, model=self.model)
        graded = grade_cohort(self.rulebook, drawn, self.as_of)
        table = demand_table(graded, rulebook=self.rulebook, products=self.products, as_of=self.as_of, weeks=1.0)
        return table.assign(course_mg=np.where(table["funded"], table["course_mg"], 0))


def prepare(
    scenario: Scenario,
    cohort: pd.DataFrame,
    *,
    rulebook: Rulebook,
    panels: PanelSet,
    products: ProductSet,
    tiers: TierSet,
    epidemiology: Epidemiology,
    as_of: date | None = None,
    solver: Solver = "highs",
) -> World:
    """Everything the replications share, from a scenario and a cohort frame.

    Parameters
    ----------
    cohort
        A cohort frame, not yet graded. Its short-term rows only say who is there on the day; arrivals drawn from
        ``epidemiology``, scaled to the number of long-term patients, take their place.
    as_of
        Day 0; the scenario's where None.

    Raises
    ------
    InputError
        Where the cohort has no long-term patient who is funded and has a known dose, or a disruption names an
        unknown product or maker.
    """
    day_0 = as_of or scenario.run.as_of
    graded = grade_cohort(rulebook, cohort, day_0)
    reviews = annual_reviews(rulebook, cohort, day_0)
    table = demand_table(graded, rulebook=rulebook, products=products, as_of=day_0, weeks=1.0)
    table = table.assign(**{str(name): column for name, column in reviews.items()})
    lasting, funded = ~table["acute"], table["funded"]
    dosed = table["course_mg"] > 0
    counts = {
        "long_term": int((lasting & funded & dosed).sum()),
        "short_term_replaced_by_arrivals": int((~lasting).sum()),
        "left_out_not_funded": int((lasting & ~funded).sum()),
        "left_out_dose_unknown": int((lasting & funded & ~dosed).sum()),
    }
    table = table[(lasting & funded & dosed).to_numpy()]
    if table.empty:
        raise InputError(
            Fault(
                "cohort",
                "at least one long-term patient who is funded and whose dose is known",
                remedy="Long-term patients have an interval, or an indication that the rulebook treats for long.",
            )
        )
    model = acute_model(epidemiology, rulebook, panels)
    here = np.isin(np.array(model.panels), table["panel"].unique()).astype(np.float64)
    source = EpidemiologyArrivals(
        model=model,
        scale=here * scale_of(cohort, epidemiology, panels),
        rulebook=rulebook,
        products=products,
        as_of=day_0,
    )
    pairs = zip(table["indication"], table["situation"], strict=True)
    places = Places(
        panels=tuple(panels.by_code),
        products=tuple(products.by_code),
        entries=tuple(sorted({*pairs, *source.keys})),
    )
    return build_world(
        scenario,
        start=people_of(table, places, as_of=pd.Timestamp(day_0), acute=False),
        acute=source,
        places=places,
        panels=panels,
        products=products,
        tiers=tiers,
        solver=solver,
        counts=counts,
        # Read here and not by each caller, so that no use case can play a scenario without the forecast it names.
        forecast=load_demand_forecast(scenario.demand.forecast),
    )
