"""The shape of a scenario: what a run plays out, in numbers that each carry a source.

A scenario file says only how it differs from the one it extends; :mod:`allocation.scenario.load` puts the two
together. Units stand in the names.
"""

from __future__ import annotations

from datetime import date
from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from allocation.scenario.base import Code, Confidence, CoverWeeks, Model, PerYear, RunWeek, RunWeeks
from allocation.scenario.disruptions import HasDisruptions
from allocation.scenario.mitigations import HasMitigations
from allocation.scenario.supply import Panels, Supply

__all__ = [
    "Assumption",
    "Consequences",
    "Controller",
    "Demand",
    "GradeCover",
    "ProductThresholds",
    "Run",
    "Scenario",
    "Source",
    "Thresholds",
]

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Run(Model):
    """How long and how often, the day on which week 0 begins, and the policy that says who goes first.

    With ``precision`` more replications are played, up to ``most_replications``, until the 95 % interval of the mean of
    each outcome named is no wider than the number given, to each side, in the outcome's own unit.
    """

    as_of: Annotated[date, Field(ge=date(1900, 1, 1), le=date(2199, 12, 31))]
    weeks: Annotated[int, Field(ge=1, le=1040)]
    replications: Annotated[int, Field(ge=1, le=100_000)]
    seed: Annotated[int, Field(ge=0)]
    policy: Annotated[str, Field(min_length=1)] = "grade_order"
    precision: dict[Code, Positive] = {}
    most_replications: Annotated[int, Field(ge=1, le=100_000)] = 1000


def _falling(*weeks: float) -> None:
    in_use = [one for one in weeks if one]
    if in_use != sorted(in_use, reverse=True):
        raise ValueError(
            "the cover at which a tier is entered must fall from tier 2 to tier 4, but for those never entered"
        )


class Thresholds(Model):
    """Weeks of cover below which a tier is called for; 0 for never."""

    enter_tier_2_below_weeks: CoverWeeks = 0.0
    enter_tier_3_below_weeks: CoverWeeks = 0.0
    enter_tier_4_below_weeks: CoverWeeks = 0.0

    @model_validator(mode="after")
    def _thresholds_fall(self) -> Self:
        _falling(self.enter_tier_2_below_weeks, self.enter_tier_3_below_weeks, self.enter_tier_4_below_weeks)
        return self


class ProductThresholds(Thresholds):
    """Thresholds of one product's own cover, in place of those of all products, whatever its share of demand."""

    product: Code


class GradeCover(Model):
    """Thresholds of cover by grade: all usable stock over the weekly demand of the grades from 4 down."""

    grade_4: Thresholds = Thresholds()
    grades_4_to_3: Thresholds = Thresholds()
    grades_4_to_2: Thresholds = Thresholds()
    grades_4_to_1: Thresholds = Thresholds()


class Controller(Model):
    """When the country goes up and down the escalation tiers. Cover is national, in weeks of expected demand.

    ``product_…`` are thresholds of each product's own cover, for those that meet ``product_share_of_demand``.
    """

    starting_tier: Annotated[int, Field(ge=1, le=4)] = 1
    review_every_weeks: RunWeeks
    enter_tier_2_below_weeks: CoverWeeks
    enter_tier_3_below_weeks: CoverWeeks
    enter_tier_4_below_weeks: CoverWeeks
    leave_margin_weeks: CoverWeeks
    decision_lag_weeks: RunWeek
    minimum_stay_weeks: RunWeek
    backlog_share_in_recovery: Share = 1.0
    product_enter_tier_2_below_weeks: CoverWeeks = 0.0
    product_enter_tier_3_below_weeks: CoverWeeks = 0.0
    product_enter_tier_4_below_weeks: CoverWeeks = 0.0
    product_share_of_demand: Share = 0.0
    grade_4_weeks_held: CoverWeeks = 0.0
    grade_cover: GradeCover = GradeCover()
    product: tuple[ProductThresholds, ...] = ()

    @model_validator(mode="after")
    def _thresholds_fall(self) -> Self:
        if not self.enter_tier_2_below_weeks >= self.enter_tier_3_below_weeks >= self.enter_tier_4_below_weeks:
            raise ValueError("the cover at which a tier is entered must fall from tier 2 to tier 4")
        _falling(
            self.product_enter_tier_2_below_weeks,
            self.product_enter_tier_3_below_weeks,
            self.product_enter_tier_4_below_weeks,
        )
        named = [one.product for one in self.product]
        if len(set(named)) < len(named):
            raise ValueError("a product may have one table of thresholds")
        return self


class Demand(Model):
    """Who comes, who goes, and how long an acute patient can wait. Shares are of patients."""

    acute_patience_days: Annotated[int, Field(ge=0, le=3650)]
    growth_per_year: Annotated[float, Field(gt=-1, le=10)]
    turnover_per_year: PerYear
    deaths_per_year: PerYear = 0.0
    overdue_reviews_done_per_week: Share
    reviews_on_time_share: Share = 1.0
    review_stop_share: Share
    forecast: str = ""
    forecast_level: Literal["cohort", "forecast"] = "cohort"

    @model_validator(mode="after")
    def _grows_once(self) -> Self:
        if self.forecast and self.growth_per_year:
            raise ValueError("growth_per_year must be 0 where a forecast is followed, which has growth of its own")
        return self


class Consequences(Model):
    """Whether what waiting may mean for infections and relapses is reckoned besides; it changes nothing else."""

    enabled: bool = False


class Source(Model):
    """Where a figure was read."""

    id: Annotated[str, Field(pattern=r"^[A-Z]{1,4}[0-9]{2,3}$")]
    document: str
    section: str = ""
    confidence: Confidence


class Assumption(Model):
    """A figure or a simplification that a reader must know of, and the keys of the scenario it stands behind."""

    id: Annotated[str, Field(pattern=r"^[A-Z]{1,4}[0-9]{2,3}$")]
    title: str
    text: str
    source: str = ""
    confidence: Confidence
    keys: tuple[str, ...] = ()


class Scenario(HasDisruptions, HasMitigations):
    """A whole scenario, resolved: everything that decides a run except patients and rules."""

    name: Code
    title: Annotated[str, Field(min_length=1)]
    description: str = ""
    extends: str = ""
    run: Run
    supply: Supply
    controller: Controller
    demand: Demand
    panels: Panels = Panels()
    consequences: Consequences = Consequences()
    source: tuple[Source, ...] = ()
    assumption: tuple[Assumption, ...] = ()

    @model_validator(mode="after")
    def _sources_are_known(self) -> Self:
        known = {source.id for source in self.source}
        for assumption in self.assumption:
            if assumption.source and assumption.source not in known:
                raise ValueError(f"assumption {assumption.id} names unknown source {assumption.source}")
        return self

    def record(self) -> dict[str, Any]:
        """The scenario as plain values for a file: of the place of a forecast only the name, as places differ."""
        data = self.model_dump()
        data["demand"]["forecast"] = PurePath(self.demand.forecast).name
        return data
