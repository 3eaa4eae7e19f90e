"""How a rulebook finds the weight a dose is reckoned from, and how it rounds."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.quantities import CM_PER_INCH
from allocation.rules.base import Model, Positive, Source

__all__ = ["AdultWeightRule", "ChildWeightRule", "DosingRules", "MeanWeight"]


class AdultWeightRule(Model):
    """Ideal weight = base + slope × (height − reference height); dosing weight between ideal and actual.

    The slope is given for each cm or for each inch, as the document prints it. From ``bmi_flag_kg_m2`` on, a dose
    carries a note that it rests on the formula (None: no such note).
    """

    base_kg_male: Positive
    base_kg_female: Positive
    slope_kg_per_cm: Positive | None = None
    slope_kg_per_inch: Positive | None = None
    reference_height_cm: Positive
    adjustment_fraction: Annotated[float, Field(ge=0, le=1)]
    height_range_low_cm: Positive
    bmi_flag_kg_m2: Positive | None = None
    source: Source

    @model_validator(mode="after")
    def _one_slope(self) -> Self:
        if (self.slope_kg_per_cm is None) == (self.slope_kg_per_inch is None):
            raise ValueError("exactly one of slope_kg_per_cm and slope_kg_per_inch is needed")
        return self

    @property
    def slope(self) -> tuple[float, float]:
        """Kilograms for each step of height, and the cm of one step."""
        if self.slope_kg_per_inch is not None:
            return self.slope_kg_per_inch, CM_PER_INCH
        return self.slope_kg_per_cm or 0.0, 1.0


class MeanWeight(Model):
    """One row of the table of children's mean weight and height by age."""

    age_years: Annotated[float, Field(ge=0)]
    sex: Literal["M", "F", ""] = ""
    weight_kg: Positive
    height_cm: Positive


class ChildWeightRule(Model):
    """How a child's dosing weight is found."""

    basis: Literal["ideal", "actual"]
    method: Literal["table_by_age", "table_by_height"] = "table_by_age"
    below_age_years: Positive
    mean_weight: tuple[MeanWeight, ...] = ()
    source: Source


class DosingRules(Model):
    """Weights and rounding of a rulebook."""

    rounding: Literal["down", "nearest"]
    max_g_per_kg_per_day: Positive | None = None
    vial_g_if_unnamed: tuple[Positive, ...] = ()
    adult: AdultWeightRule
    child: ChildWeightRule
