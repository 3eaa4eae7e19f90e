"""What can go wrong, or right again, with supply and demand: one model a kind.

Weeks count from 0, the first week of the run. A disruption starts on the first day of ``start_week`` and ends
before the first day of ``start_week + weeks``.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.scenario.base import Code, Model

__all__ = [
    "BatchRecall",
    "DemandSurge",
    "Disruption",
    "HasDisruptions",
    "ImportDelay",
    "OutputCut",
    "OutputRise",
    "SupplierWithdrawal",
]

Week = Annotated[int, Field(ge=0)]
Weeks = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(ge=0)]


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def _lasting(weeks: int) -> str:
    return f"for {weeks} week{'' if weeks == 1 else 's'}"


class _Common(Model):
    start_week: Week
    text: str = ""


class OutputCut(_Common):
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
        return self.text or f"Output of all makers down by {_percent(self.fraction)} {_lasting(self.weeks)}{uneven}"


class OutputRise(_Common):
    """All makers together send out a fraction more than they contracted; weights as for :class:`OutputCut`."""

    kind: Literal["output_rise"]
    weeks: Weeks
    fraction: Annotated[float, Field(gt=0)]
    weight_by_product: dict[str, Weight] = {}
    weight_by_maker: dict[str, Weight] = {}

    @property
    def size(self) -> float:
        """Share of all contracted output gained."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or f"Output of all makers up by {_percent(self.fraction)} {_lasting(self.weeks)}"


class SupplierWithdrawal(_Common):
    """One maker, or some of its products, leaves; for good where ``weeks`` is not given."""

    kind: Literal["supplier_withdrawal"]
    maker: str
    products: tuple[Code, ...] = ()
    weeks: Weeks | None = None

    @property
    def size(self) -> float:
        """Share of the maker's output of these products lost: all of it."""
        return 1.0

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        what = f"{self.maker} ({', '.join(self.products)})" if self.products else self.maker
        return self.text or f"{what} supplies nothing {'from now on' if self.weeks is None else _lasting(self.weeks)}"


class BatchRecall(_Common):
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
        return self.text or f"Recall: {_percent(self.fraction)} of all stock of {', '.join(self.products)} destroyed"


class ImportDelay(_Common):
    """What is sent out while it lasts takes longer to arrive; of all makers where none is named."""

    kind: Literal["import_delay"]
    weeks: Weeks
    extra_days: Annotated[float, Field(gt=0)]
    makers: tuple[str, ...] = ()

    @property
    def size(self) -> float:
        """Days added to the lead time."""
        return self.extra_days

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        whose = ", ".join(self.makers) if self.makers else "all makers"
        return self.text or f"Deliveries of {whose} take {self.extra_days:g} days longer {_lasting(self.weeks)}"


class DemandSurge(_Common):
    """A fraction more acute patients while it lasts; with ``applies_to = "all"`` long-term patients too.

    Long-term patients come on top of those there are: over the weeks of the surge, evenly, as many new ones start
    as ``fraction`` of the patients at the start of the run, and they stay.
    """

    kind: Literal["demand_surge"]
    weeks: Weeks
    fraction: Annotated[float, Field(gt=0)]
    applies_to: Literal["acute", "all"] = "acute"

    @property
    def size(self) -> float:
        """Share by which demand rises."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        who = "acute patients" if self.applies_to == "acute" else "acute and new long-term patients"
        return self.text or f"{_percent(self.fraction)} more {who} {_lasting(self.weeks)}"


Disruption = Annotated[
    OutputCut | OutputRise | SupplierWithdrawal | BatchRecall | ImportDelay | DemandSurge,
    Field(discriminator="kind"),
]


class HasDisruptions(Model):
    """Part of a scenario that lists what happens, in any order."""

    disruption: tuple[Disruption, ...] = ()

    @model_validator(mode="after")
    def _weights_leave_something(self) -> Self:
        for one in self.disruption:
            if isinstance(one, OutputCut | OutputRise):
                for name in ("weight_by_product", "weight_by_maker"):
                    weights = getattr(one, name)
                    if weights and not any(weights.values()):
                        raise ValueError(f"{name} of {one.kind} must not all be 0")
        return self
