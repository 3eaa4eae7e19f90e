"""The shape of the supply side: products, panels and the escalation tiers."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.quantities import to_mg
from allocation.rules.models import Code, Confidence, Grade, Model, Positive, Source

__all__ = ["NATIONAL", "Lever", "Panel", "PanelSet", "Product", "ProductSet", "Stage", "Tier", "TierSet"]

NATIONAL = "NATIONAL"
"""Location code of stock that no panel holds."""

Route = Literal["IV", "SC", "IM"]


class Product(Model):
    """One brand in one concentration."""

    code: Code
    name: str
    maker: str
    route: Route
    also_routes: tuple[Route, ...] = ()
    facilitated: bool = False
    concentration_g_per_ml: Positive
    vial_g: tuple[Positive, ...] = Field(min_length=1)
    shelf_life_months: Positive
    storage: str = ""
    confidence_vials: Confidence
    confidence_shelf_life: Confidence
    source: Source

    @property
    def routes(self) -> tuple[str, ...]:
        """Routes it may be given by, its usual one first."""
        return (self.route, *self.also_routes)

    @property
    def vial_mg(self) -> tuple[int, ...]:
        """Vial sizes in mg, smallest first."""
        return tuple(sorted(to_mg(size) for size in self.vial_g))


class ProductSet(Model):
    """All products known to a run."""

    product: tuple[Product, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _codes_are_single(self) -> Self:
        codes = [product.code for product in self.product]
        if len(set(codes)) != len(codes):
            raise ValueError("product codes repeat")
        return self

    @cached_property
    def by_code(self) -> dict[str, Product]:
        """Products by code, in the order of the file."""
        return {product.code: product for product in self.product}


class Panel(Model):
    """One sub-regional immunoglobulin assessment panel."""

    code: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_-]*$")]
    name: str
    region: str
    population: Annotated[int, Field(gt=0)]
    trusts: Annotated[int, Field(ge=1)]
    use_index: Positive = 1.0


class PanelSet(Model):
    """All panels known to a run. ``use_index`` is use a head against the national mean of 1."""

    source: tuple[Source, ...] = ()
    panel: tuple[Panel, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _codes_are_single(self) -> Self:
        codes = [panel.code for panel in self.panel]
        if len(set(codes)) != len(codes):
            raise ValueError("panel codes repeat")
        if NATIONAL in codes:
            raise ValueError(f"{NATIONAL} is a location of stock, not a panel")
        return self

    @cached_property
    def by_code(self) -> dict[str, Panel]:
        """Panels by code, in the order of the file."""
        return {panel.code: panel for panel in self.panel}

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions in order of first appearance."""
        return tuple(dict.fromkeys(panel.region for panel in self.panel))


class Stage(Model):
    """One step of who goes first: everyone in it is served as fully as stock allows before the next."""

    name: str
    emergencies_only: bool = False
    grades: tuple[Grade, ...] = ()
    include_ungraded: bool = False
    fair_between: Literal["panels", "classes"] = "panels"


class Lever(Model):
    """How far the treatment of one grade may be stretched, reduced or put off when stock falls short.

    ``longest_stretch_share``: how much longer than its interval a patient may wait between courses, as a share of it.
    ``smallest_reduced_share``: the least of a course that may be given in its place. ``longest_wait_weeks``: how long a
    look-ahead may let what is due wait. What is not said is as the tier says it (reducing), or not done.
    """

    grade: Grade
    longest_stretch_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    smallest_reduced_share: Annotated[float, Field(gt=0, le=1)] | None = None
    longest_wait_weeks: Annotated[int, Field(ge=0)] | None = None
    source: Source | None = None
    assumption: str = ""

    @model_validator(mode="after")
    def _is_accounted_for(self) -> Self:
        if self.source is None and not self.assumption:
            raise ValueError("a source, or an assumption in words")
        return self


LeverName = Literal["stretch", "reduce", "defer"]


class Tier(Model):
    """What may be done at one tier of escalation.

    ``stock_reach``: whose stock may serve a patient. ``product_reach``: which products may. ``switch_capacity``:
    share of a panel's grams due that may be given as another product than the patient's own (None: no limit).
    ``defer_grades``, ``reduce_grades``, ``suspend_grades``: what may be done to whom when stock falls short. A
    suspended grade is served from what is left when all above it are served; who then gets nothing is suspended.
    ``lever``: limits of these for single grades. ``lever_order``: which of them is used up before the next; without it
    whole courses are given first, and who then gets part of one is a matter of what is left.
    ``mixed_product_grades``: whose course may be made of several products where no single one makes it; anybody else is
    given one product.
    ``reserve_quantile``: quantile of acute grade 4 demand over the replenishment lead time held back (0: none).
    ``reserve_weeks``: that lead time in weeks.
    """

    tier: Annotated[int, Field(ge=1, le=4)]
    name: str
    stock_reach: Literal["panel", "region", "national"]
    product_reach: Literal["same", "same_route", "any_route"]
    switch_capacity: Annotated[float, Field(ge=0, le=1)] | None = None
    defer_grades: tuple[Grade, ...] = ()
    reduce_grades: tuple[Grade, ...] = ()
    suspend_grades: tuple[Grade, ...] = ()
    smallest_reduced_share: Annotated[float, Field(gt=0, le=1)] = 1.0
    mixed_product_grades: tuple[Grade, ...] = ()
    reserve_quantile: Annotated[float, Field(ge=0, lt=1)] = 0.0
    reserve_weeks: Annotated[float, Field(ge=0)] = 0.0
    lever: tuple[Lever, ...] = ()
    lever_order: tuple[LeverName, ...] = ()
    stage: tuple[Stage, ...] = Field(min_length=1)
    source: Source
    assumption: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _levers_are_single(self) -> Self:
        grades = [lever.grade for lever in self.lever]
        if len(set(grades)) != len(grades):
            raise ValueError("a grade has two levers")
        if len(set(self.lever_order)) != len(self.lever_order):
            raise ValueError("lever_order names a lever twice")
        return self

    def lever_of(self, grade: int) -> Lever | None:
        """The lever of a grade, where it has one."""
        return next((lever for lever in self.lever if lever.grade == grade), None)

    def smallest_share(self, grade: int) -> float:
        """The least share of a course that may be given to a grade that may be reduced."""
        lever = self.lever_of(grade)
        share = None if lever is None else lever.smallest_reduced_share
        return self.smallest_reduced_share if share is None else share

    def mixes_products(self, grade: int) -> bool:
        """Whether somebody of a grade may be given several products at once; the ungraded are dealt with as grade 1."""
        return max(grade, 1) in self.mixed_product_grades

    @property
    def levers_spared(self) -> tuple[LeverName, ...]:
        """Levers from the one to be spared most to the one used up first; empty where the tier sets no order.

        Putting off is always there, last where the order does not name it. A lever not named is not planned with.
        """
        order = self.lever_order
        return tuple(reversed(order if "defer" in order or not order else (*order, "defer")))

    def reduces_before(self, lever: LeverName) -> bool:
        """Whether courses are reduced as far as may be before another lever is used."""
        spared = self.levers_spared
        return "reduce" in spared and lever in spared and spared.index(lever) < spared.index("reduce")

    @property
    def stretches_last(self) -> bool:
        """Whether putting off is used up before intervals are stretched."""
        spared = self.levers_spared
        return "stretch" in spared and spared.index("stretch") < spared.index("defer")

    @property
    def reduces_first(self) -> bool:
        """Whether courses are reduced as far as may be before any is put off."""
        return self.reduces_before("defer")


class TierSet(Model):
    """The four tiers."""

    tier: tuple[Tier, ...]

    @model_validator(mode="after")
    def _all_four(self) -> Self:
        if [tier.tier for tier in self.tier] != [1, 2, 3, 4]:
            raise ValueError("tiers 1, 2, 3 and 4 are needed, in this order")
        return self

    def of(self, number: int) -> Tier:
        """The regime of a tier, 1 to 4."""
        return self.tier[number - 1]
