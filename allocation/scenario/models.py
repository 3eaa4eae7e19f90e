"""The shape of a scenario: what a run plays out, in numbers that each carry a source.

A scenario file says only how it differs from the one it extends; :mod:`allocation.scenario.load` puts the two
together. Units stand in the names.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.scenario.base import Code, Confidence, Model
from allocation.scenario.disruptions import HasDisruptions
from allocation.scenario.mitigations import HasMitigations

__all__ = ["Assumption", "Controller", "Demand", "LeadTime", "Run", "Scenario", "Source", "Supply"]

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Run(Model):
    """How long and how often, and the day on which week 0 begins.

    With ``precision`` more replications are played, up to ``most_replications``, until the 95 % interval of the mean of
    each outcome named is no wider than the number given, to each side, in the outcome's own unit.
    """

    as_of: date
    weeks: Annotated[int, Field(ge=1, le=1040)]
    replications: Annotated[int, Field(ge=1, le=100_000)]
    seed: Annotated[int, Field(ge=0)]
    precision: dict[Code, Positive] = {}
    most_replications: Annotated[int, Field(ge=1, le=100_000)] = 1000


class LeadTime(Model):
    """Days from a maker sending a delivery out to its being usable; never below 0, counted in whole days."""

    distribution: Literal["gamma"] = "gamma"
    mean: Positive
    sd: NotNegative


class Supply(Model):
    """What makers send out, when it arrives, and what is in stock on day 0."""

    output_share_of_demand: Positive
    dispatch_every_days: Annotated[int, Field(ge=1, le=91)]
    lead_time_days: LeadTime
    opening_cover_weeks: NotNegative
    national_cover_weeks: NotNegative
    highest_cover_weeks: Positive
    shelf_life_left_share: Annotated[float, Field(gt=0, le=1)]
    oldest_shelf_life_left_share: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _ends_meet(self) -> Self:
        if self.oldest_shelf_life_left_share > self.shelf_life_left_share:
            raise ValueError("oldest_shelf_life_left_share must not be above shelf_life_left_share")
        if self.highest_cover_weeks < self.opening_cover_weeks:
            raise ValueError("highest_cover_weeks must not be below opening_cover_weeks")
        return self


class Controller(Model):
    """When the country goes up and down the escalation tiers. Cover is national, in weeks of expected demand."""

    starting_tier: Annotated[int, Field(ge=1, le=4)] = 1
    review_every_weeks: Annotated[int, Field(ge=1)]
    enter_tier_2_below_weeks: NotNegative
    enter_tier_3_below_weeks: NotNegative
    enter_tier_4_below_weeks: NotNegative
    leave_margin_weeks: NotNegative
    decision_lag_weeks: Annotated[int, Field(ge=0)]
    minimum_stay_weeks: Annotated[int, Field(ge=0)]
    product_enter_tier_2_below_weeks: NotNegative = 0.0
    product_share_of_demand: Share = 0.0
    grade_4_weeks_held: NotNegative = 0.0

    @model_validator(mode="after")
    def _thresholds_fall(self) -> Self:
        if not self.enter_tier_2_below_weeks >= self.enter_tier_3_below_weeks >= self.enter_tier_4_below_weeks:
            raise ValueError("the cover at which a tier is entered must fall from tier 2 to tier 4")
        return self


class Demand(Model):
    """Who comes, who goes, and how long an acute patient can wait. Shares are of patients."""

    acute_patience_days: Annotated[int, Field(ge=0)]
    growth_per_year: Annotated[float, Field(gt=-1)]
    turnover_per_year: NotNegative
    overdue_reviews_done_per_week: Share
    review_stop_share: Share


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
    source: tuple[Source, ...] = ()
    assumption: tuple[Assumption, ...] = ()

    @model_validator(mode="after")
    def _sources_are_known(self) -> Self:
        known = {source.id for source in self.source}
        for assumption in self.assumption:
            if assumption.source and assumption.source not in known:
                raise ValueError(f"assumption {assumption.id} names unknown source {assumption.source}")
        return self
