"""What a rulebook says about every patient, beyond its rows: figures in fields with units, the rest in short notes."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from allocation.rules.base import Fraction, Model, Positive

__all__ = [
    "FollowUp",
    "GeneralStatements",
    "MaximumDose",
    "Pregnancy",
    "Statement",
    "WeaningByDose",
    "WeaningByInterval",
    "WeaningOff",
]

Count = Annotated[int, Field(ge=1)]
Notes = Annotated[tuple[str, ...], Field(min_length=1)]


class Statement(Model):
    """One general statement: where it stands and what it says, in our own words."""

    section: str
    notes: Notes
    revision: str = ""


class MaximumDose(Statement):
    """Most that is given in a day: usually, at the most, and as one infusion instead of a course over days."""

    usual_g_per_kg_per_day: Positive
    exceptional_g_per_kg_per_day: Positive
    single_infusion_g_per_kg: Positive
    single_infusion_replaces_g_per_kg: Positive
    single_infusion_replaces_days: Count

    @model_validator(mode="after")
    def _steps_rise(self) -> Self:
        if not self.usual_g_per_kg_per_day < self.single_infusion_g_per_kg <= self.exceptional_g_per_kg_per_day:
            raise ValueError("the usual, the single and the exceptional maximum must rise in this order")
        return self


class Pregnancy(Statement):
    """Dosing in pregnancy."""

    immunodeficiency_check_every_months: Positive


class FollowUp(Statement):
    """When the effect of long-term treatment is assessed, in months after its start."""

    first_from_months: Positive
    first_to_months: Positive
    first_at_latest_months: Positive
    then_every_months: Positive

    @model_validator(mode="after")
    def _dates_follow(self) -> Self:
        if not self.first_from_months <= self.first_to_months <= self.first_at_latest_months:
            raise ValueError("the first assessment must lie between its earliest and its latest month")
        return self


class WeaningByDose(Statement):
    """Less at each step: monthly dose cut by a fraction and rounded down, held, then cut again."""

    cut_low: Fraction
    cut_high: Fraction
    round_down_to_g: Positive
    hold_months_low: Positive
    hold_months_high: Positive
    stop_below_g_per_kg_per_month: Positive

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> Self:
        if self.cut_low > self.cut_high or self.hold_months_low > self.hold_months_high:
            raise ValueError("a low end is above its high end")
        return self


class WeaningByInterval(Statement):
    """Longer between courses at each step, the dose of a course kept."""

    interval_weeks: Annotated[tuple[Positive, ...], Field(min_length=2)]
    hold_months: Positive
    stop_after_longest_intervals: Count

    @model_validator(mode="after")
    def _intervals_rise(self) -> Self:
        if any(later <= earlier for earlier, later in pairwise(self.interval_weeks)):
            raise ValueError("interval_weeks must rise")
        return self


class WeaningOff(Statement):
    """Stopping, or finding the least that keeps the effect."""

    by_dose: WeaningByDose
    by_interval: WeaningByInterval


class GeneralStatements(Model):
    """All of them. Dosing weight and rounding have their figures in ``[dosing]``."""

    specialist_assessment: Statement
    dosing: Statement
    dosing_weight: Statement
    maximum_dose: MaximumDose
    maintenance: Statement
    pregnancy: Pregnancy
    subcutaneous: Statement
    follow_up: FollowUp
    weaning: WeaningOff
    off_guideline: Statement
    combination: Statement
    vaccination: Statement
    adverse_effects: Statement
