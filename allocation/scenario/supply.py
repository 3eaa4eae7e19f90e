"""What a scenario says of makers, deliveries and orders, and of the places where patients are treated."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.scenario.base import CoverWeeks, Days, Grams, Model, PositiveDays

__all__ = ["Hours", "LeadTime", "MakerSupply", "Panels", "PartialDeliveries", "Replenishment", "Supply"]

Share = Annotated[float, Field(ge=0, le=1)]
AsGoodAsUnlimited = Annotated[float, Field(gt=0, le=1e6)]
"""So high that it never binds, in a scenario that leaves a limit out."""
_LEAST_LOAD = 0.01
_MOST_HOURS = 1000


class LeadTime(Model):
    """Days from a maker sending a delivery out to its being usable; never below 0, counted in whole days.

    ``gamma`` and ``lognormal`` have ``mean`` and ``sd`` (``sd`` 0 is the mean always); ``fixed`` is always ``mean``;
    ``triangular`` has ``mean`` and lies from ``low`` to ``high``; ``empirical`` takes each of the ``days`` observed as
    often. A number that the distribution does not have is left aside, as a scenario keeps those of the one it extends.
    """

    distribution: Literal["gamma", "lognormal", "fixed", "triangular", "empirical"] = "gamma"
    mean: PositiveDays
    sd: Days
    low: Days | None = None
    high: Days | None = None
    days: tuple[Days, ...] = ()

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Self:
        if self.distribution == "empirical" and not any(self.days):
            raise ValueError("empirical needs days, the lead times observed, of which some are above 0")
        if self.distribution == "triangular":
            if self.low is None or self.high is None or self.low >= self.high:
                raise ValueError("triangular needs low and high, low below high")
            if not self.low <= self.peak <= self.high:
                third = (self.high - self.low) / 3
                raise ValueError(
                    f"the mean of a triangular distribution from {self.low:g} to {self.high:g} lies between "
                    f"{self.low + third:g} and {self.high - third:g}"
                )
        return self

    @property
    def peak(self) -> float:
        """Peak of a triangular distribution with this mean."""
        return 3 * self.mean - (self.low or 0.0) - (self.high or 0.0)

    @property
    def expected(self) -> float:
        """Days that a delivery takes on average."""
        return sum(self.days) / len(self.days) if self.distribution == "empirical" else self.mean


class PartialDeliveries(Model):
    """Some deliveries come in two parts. What is missing from the first comes later, to the milligram.

    ``probability`` is that of a delivery to a panel; the first part holds a share drawn evenly from ``first_share_low``
    to ``first_share_high``, and the rest takes ``rest_days`` longer, at least a day.
    """

    probability: Share = 0.0
    first_share_low: Share = 0.5
    first_share_high: Share = 0.5
    rest_days: LeadTime = LeadTime(mean=7.0, sd=0.0)

    @model_validator(mode="after")
    def _low_is_low(self) -> Self:
        if self.first_share_low > self.first_share_high:
            raise ValueError("first_share_low must not be above first_share_high")
        return self


class Replenishment(Model):
    """How much of what makers could send a panel takes at each dispatch.

    ``contract_push``: its share of the contract, until it holds ``highest_cover_weeks``. ``order_up_to``: what brings
    stock and what is on the road, less what is owed to patients, up to a level. ``s_S``: the same, but only once that
    position is below ``reorder_below``. Levels are of each product at each panel: weeks of its use now and one largest
    course besides, or grams.
    """

    policy: Literal["contract_push", "order_up_to", "s_S"] = "contract_push"
    up_to_weeks: CoverWeeks = 0.0
    up_to_g: Grams = 0.0
    reorder_below_weeks: CoverWeeks = 0.0
    reorder_below_g: Grams = 0.0

    @model_validator(mode="after")
    def _levels_fit(self) -> Self:
        up_to, below = (self.up_to_weeks, self.up_to_g), (self.reorder_below_weeks, self.reorder_below_g)
        if self.policy == "contract_push":
            if any((*up_to, *below)):
                raise ValueError("levels are for order_up_to and s_S; contract_push has none")
            return self
        if bool(up_to[0]) == bool(up_to[1]):
            raise ValueError(f"{self.policy} needs up_to_weeks or up_to_g, and not both")
        if self.policy == "order_up_to":
            if any(below):
                raise ValueError("reorder_below_weeks and reorder_below_g are for s_S only")
        elif bool(below[0]) == bool(below[1]) or bool(below[0]) != bool(up_to[0]):
            raise ValueError("s_S needs reorder_below_weeks with up_to_weeks, or reorder_below_g with up_to_g")
        elif sum(below) > sum(up_to):
            raise ValueError("the level to reorder below must not be above the one to order up to")
        return self


class MakerSupply(Model):
    """What one maker has of its own, in place of what is said of all; None for as all others."""

    maker: str
    output_share_of_demand: AsGoodAsUnlimited | None = None
    lead_time_days: LeadTime | None = None


class Supply(Model):
    """What makers send out, when it arrives, what is taken of it, and what is in stock on day 0."""

    output_share_of_demand: AsGoodAsUnlimited
    dispatch_every_days: Annotated[int, Field(ge=1, le=91)]
    lead_time_days: LeadTime
    opening_cover_weeks: CoverWeeks
    national_cover_weeks: CoverWeeks
    highest_cover_weeks: AsGoodAsUnlimited
    shelf_life_left_share: Annotated[float, Field(gt=0, le=1)]
    oldest_shelf_life_left_share: Annotated[float, Field(gt=0, le=1)]
    replenishment: Replenishment = Replenishment()
    partial_deliveries: PartialDeliveries = PartialDeliveries()
    maker: tuple[MakerSupply, ...] = ()

    @model_validator(mode="after")
    def _ends_meet(self) -> Self:
        named = [one.maker for one in self.maker]
        if len(set(named)) < len(named):
            raise ValueError("a maker may have one table of its own")
        if self.oldest_shelf_life_left_share > self.shelf_life_left_share:
            raise ValueError("oldest_shelf_life_left_share must not be above shelf_life_left_share")
        if self.highest_cover_weeks < self.opening_cover_weeks:
            raise ValueError("highest_cover_weeks must not be below opening_cover_weeks")
        return self

    def output_share_of(self, maker: str) -> float:
        """What a maker contracts, over expected demand for its products at the start."""
        own = next((one.output_share_of_demand for one in self.maker if one.maker == maker), None)
        return self.output_share_of_demand if own is None else own

    def lead_time_of(self, maker: str) -> LeadTime:
        """How long deliveries of a maker take."""
        own = next((one.lead_time_days for one in self.maker if one.maker == maker), None)
        return self.lead_time_days if own is None else own


class Hours(Model):
    """Hours a chair is taken by one course."""

    distribution: Literal["gamma"] = "gamma"
    mean: Annotated[float, Field(gt=0, le=_MOST_HOURS)]
    sd: Annotated[float, Field(ge=0, le=_MOST_HOURS)]


class Panels(Model):
    """Infusion chairs, where they are modelled: with neither number, nobody waits for one.

    ``infusion_chairs`` is of all panels together. With ``infusion_chair_load`` there are as many as expected
    intravenous courses keep busy for that share of the time they are open.
    """

    infusion_chairs: Annotated[int, Field(ge=0, le=100_000)] = 0
    infusion_chair_load: Annotated[float, Field(ge=0, le=1)] = 0.0
    infusion_hours: Hours = Hours(mean=6.0, sd=4.0)
    infusion_chair_hours_per_day: Annotated[float, Field(gt=0, le=24)] = 10.0

    @model_validator(mode="after")
    def _counted_once(self) -> Self:
        if self.infusion_chairs and self.infusion_chair_load:
            raise ValueError("infusion_chairs or infusion_chair_load, not both")
        if 0 < self.infusion_chair_load < _LEAST_LOAD:
            raise ValueError(f"an infusion_chair_load of 0, for chairs that are not modelled, or {_LEAST_LOAD} or more")
        return self

    @property
    def chairs_modelled(self) -> bool:
        """Whether patients may wait for a chair."""
        return bool(self.infusion_chairs or self.infusion_chair_load)
