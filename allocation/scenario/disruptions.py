"""What can go wrong, or right again, with supply and demand: one model a kind."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.scenario.base import Code, Model, PositiveDays, Ratio
from allocation.scenario.happening import Happening, Share, Weeks, Weight, lasting, percent

__all__ = [
    "BatchRecall",
    "DemandSurge",
    "Disruption",
    "HasDisruptions",
    "ImportDelay",
    "NewIndication",
    "OutputCut",
    "OutputRise",
    "PlasmaFall",
    "ProductSwitchLimit",
    "QualityHold",
    "SupplierWithdrawal",
    "SupplyFailures",
]


class OutputCut(Happening):
    """All makers together send out a fraction less of what they contracted.

    The weights make it uneven: a product's cut is the fraction times its weight over the mean weight of all
    grams contracted, so the whole stays at ``fraction``. A product's weight is that of ``weight_by_product``
    times that of ``weight_by_maker``, each 1 where not named. No product loses more than all of its output; what
    is over then falls on the others.
    """

    kind: Literal["output_cut"]
    weeks: Weeks
    fraction: Share
    weight_by_product: dict[str, Weight] = {}
    weight_by_maker: dict[str, Weight] = {}

    @property
    def size(self) -> float:
        """Share of all contracted output lost."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        uneven = ", uneven by product" if self.weight_by_product or self.weight_by_maker else ""
        return self.text or f"Output of all makers down by {percent(self.fraction)} {lasting(self.weeks)}{uneven}"


class OutputRise(Happening):
    """All makers together send out a fraction more than they contracted; weights as for :class:`OutputCut`."""

    kind: Literal["output_rise"]
    weeks: Weeks
    fraction: Ratio
    weight_by_product: dict[str, Weight] = {}
    weight_by_maker: dict[str, Weight] = {}

    @property
    def size(self) -> float:
        """Share of all contracted output gained."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or f"Output of all makers up by {percent(self.fraction)} {lasting(self.weeks)}"


class SupplierWithdrawal(Happening):
    """One maker leaves or sends out a fraction less, or only some products; for good where ``weeks`` is not given."""

    kind: Literal["supplier_withdrawal"]
    maker: str
    products: tuple[Code, ...] = ()
    weeks: Weeks | None = None
    fraction: Share = 1.0

    @property
    def size(self) -> float:
        """Share of the maker's output of these products lost."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        what = f"{self.maker} ({', '.join(self.products)})" if self.products else self.maker
        less = "nothing" if self.fraction == 1 else f"{percent(self.fraction)} less"
        return self.text or f"{what} supplies {less} {'from now on' if self.weeks is None else lasting(self.weeks)}"


class SupplyFailures(Happening):
    """One maker fails and recovers by chance from week to week while it lasts, and sends out nothing while down.

    Each week a maker that is up fails, and one that is down recovers, with these probabilities; in the first week it is
    down with the chance it has in the long run.
    """

    kind: Literal["supply_failures"]
    weeks: Weeks
    maker: str
    fails_per_week: Share
    recovers_per_week: Share

    @property
    def size(self) -> float:
        """Share of weeks in which the maker sends out nothing, in the long run."""
        return self.fails_per_week / (self.fails_per_week + self.recovers_per_week)

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or f"{self.maker} fails by chance, {percent(self.size)} of the time, {lasting(self.weeks)}"


class BatchRecall(Happening):
    """A share of all batches of some products, in stock and on the road, must be destroyed."""

    kind: Literal["batch_recall"]
    products: tuple[Code, ...] = Field(min_length=1)
    fraction: Share = 1.0

    @property
    def weeks(self) -> int:
        """Weeks it lasts: the destruction is one event."""
        return 1

    @property
    def size(self) -> float:
        """Share of the products' stock destroyed."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or f"Recall: {percent(self.fraction)} of all stock of {', '.join(self.products)} destroyed"


class ImportDelay(Happening):
    """What is sent out while it lasts takes longer to arrive; of all makers where none is named."""

    kind: Literal["import_delay"]
    weeks: Weeks
    extra_days: PositiveDays
    makers: tuple[str, ...] = ()

    @property
    def size(self) -> float:
        """Days added to the lead time."""
        return self.extra_days

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        whose = ", ".join(self.makers) if self.makers else "all makers"
        return self.text or f"Deliveries of {whose} take {self.extra_days:g} days longer {lasting(self.weeks)}"


class DemandSurge(Happening):
    """A fraction more acute patients while it lasts; with ``applies_to = "all"`` long-term patients too.

    Long-term patients come on top of those there are: over the weeks of the surge, evenly, as many new ones start
    as ``fraction`` of the patients at the start of the run, and they stay.
    """

    kind: Literal["demand_surge"]
    weeks: Weeks
    fraction: Ratio
    applies_to: Literal["acute", "all"] = "acute"

    @property
    def size(self) -> float:
        """Share by which demand rises."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        who = "acute patients" if self.applies_to == "acute" else "acute and new long-term patients"
        return self.text or f"{percent(self.fraction)} more {who} {lasting(self.weeks)}"


class PlasmaFall(Happening):
    """Less plasma is collected; makers send out less when what was collected then would have been ready.

    The fall of output starts ``arrives_after_weeks`` after ``start_week`` and lasts as long as that of collection.
    Output from plasma of the United Kingdom does not fall with it. Weights as for :class:`OutputCut`.
    """

    kind: Literal["plasma_fall"]
    weeks: Weeks
    fraction: Share
    arrives_after_weeks: Weeks
    weight_by_product: dict[str, Weight] = {}
    weight_by_maker: dict[str, Weight] = {}

    @property
    def from_week(self) -> int:
        """Week in which output begins to fall."""
        return self.start_week + self.arrives_after_weeks

    @property
    def size(self) -> float:
        """Share of all contracted output lost."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or (
            f"Plasma collection down by {percent(self.fraction)} {lasting(self.weeks)}, "
            f"felt {self.arrives_after_weeks} weeks later"
        )


class NewIndication(Happening):
    """A new group of long-term patients begins treatment, evenly over these weeks, and stays.

    There are ``fraction`` as many as all long-term patients at the start of the run. Each has the regimen of a
    patient drawn from those with the indication ``like``, and ``grade``; they are counted under that indication.
    """

    kind: Literal["new_indication"]
    weeks: Weeks
    fraction: Ratio
    like: Code
    grade: Annotated[int, Field(ge=0, le=4)]

    @property
    def size(self) -> float:
        """New patients as a share of all at the start."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or (
            f"New indication of grade {self.grade}, treated like {self.like}: "
            f"{percent(self.fraction)} more patients within {self.weeks} weeks"
        )


class QualityHold(Happening):
    """A share of the stock of some products, and of what is on the road, may not be used until the hold ends.

    What expires meanwhile is lost. The makers' output goes on; a pause of it is a supplier withdrawal with weeks.
    """

    kind: Literal["quality_hold"]
    weeks: Weeks
    products: tuple[Code, ...] = Field(min_length=1)
    fraction: Share = 1.0

    @property
    def size(self) -> float:
        """Share of the products' stock held."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        what = ", ".join(self.products)
        return self.text or f"Quality hold: {percent(self.fraction)} of all stock of {what} {lasting(self.weeks)}"


class ProductSwitchLimit(Happening):
    """No tier allows more than this share of a panel's grams due to be given as another product than the own."""

    kind: Literal["product_switch_limit"]
    weeks: Weeks
    fraction: Annotated[float, Field(ge=0, le=1)]

    @property
    def size(self) -> float:
        """Share of the grams due that may be switched."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or f"At most {percent(self.fraction)} of grams due may be switched {lasting(self.weeks)}"


Disruption = Annotated[
    OutputCut
    | OutputRise
    | PlasmaFall
    | SupplierWithdrawal
    | SupplyFailures
    | BatchRecall
    | QualityHold
    | ImportDelay
    | DemandSurge
    | NewIndication
    | ProductSwitchLimit,
    Field(discriminator="kind"),
]


class HasDisruptions(Model):
    """Part of a scenario that lists what happens, in any order."""

    disruption: tuple[Disruption, ...] = ()

    @model_validator(mode="after")
    def _weights_leave_something(self) -> Self:
        for one in self.disruption:
            if isinstance(one, OutputCut | OutputRise | PlasmaFall):
                for name in ("weight_by_product", "weight_by_maker"):
                    weights = getattr(one, name)
                    if weights and not any(weights.values()):
                        raise ValueError(f"{name} of {one.kind} must not all be 0")
        return self
