"""Figures of dosing that no rulebook prints: read from ``data/parameters.toml``, each with its source.

What a rulebook does print (weights, rounding, regimens, weaning) stays in the rulebook.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from allocation.resources import package_data
from allocation.rules.base import Code, EntryCode, Model, Positive, Source
from allocation.rules.general import GeneralStatements, WeaningOff
from allocation.rules.load import RULEBOOKS, parse, read_toml
from allocation.rules.models import Rulebook

__all__ = ["ChildBmi", "DosingParameters", "Stop", "Trough", "WeightNote", "load_parameters", "weaning_of"]

_WITH_WEANING = "prairie"

Count = Annotated[int, Field(ge=1)]


class Month(Model):
    """Weeks of a month of treatment."""

    weeks: Positive
    source: Source


class Neonate(Model):
    """Age in days below which a child is a newborn."""

    below_days: Count
    source: Source


class PregnancyTerm(Model):
    """Last week of a pregnancy where no other is printed."""

    term_weeks: Count
    source: Source


class PregnancyRows(Model):
    """Rows of the criteria that are about a pregnancy though no regimen of theirs says so."""

    entries: tuple[EntryCode, ...]
    source: Source


class Subcutaneous(Model):
    """Grams given subcutaneously for each gram intravenously, over the same weeks."""

    sc_g_per_iv_g: Positive
    source: Source


class Trough(Model):
    """How far a trough level rises with the dose, and for which intervals that was measured."""

    gain_g_per_l: Positive
    per_mg_per_kg: Positive
    interval_weeks_low: Positive
    interval_weeks_high: Positive
    source: Source


class WeightNote(Model):
    """A code of the column ``weight_note`` and the warning it calls for (blank: none)."""

    code: Code
    warning: str
    text: str


class BmiRow(Model):
    """Median body mass index at one age."""

    age_years: Positive
    male_kg_m2: Positive
    female_kg_m2: Positive


class ChildBmi(Model):
    """Median body mass index by age."""

    row: Annotated[tuple[BmiRow, ...], Field(min_length=2)]
    source: Source

    @model_validator(mode="after")
    def _ages_rise(self) -> Self:
        if any(later.age_years <= earlier.age_years for earlier, later in pairwise(self.row)):
            raise ValueError("the ages must rise")
        return self


class Stop(Model):
    """When treatment of one row ends: after courses without benefit, or after a number of courses in any case."""

    rulebook: Code
    entry: EntryCode
    without_benefit_after_courses: Count | None = None
    most_courses: Count | None = None
    source: Source

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.without_benefit_after_courses is None and self.most_courses is None:
            raise ValueError("without_benefit_after_courses or most_courses is needed")
        return self


class DosingParameters(Model):
    """All of them."""

    month: Month
    neonate: Neonate
    pregnancy: PregnancyTerm
    pregnancy_rows: PregnancyRows
    subcutaneous: Subcutaneous
    trough: Trough
    weight_note: tuple[WeightNote, ...]
    child_bmi: ChildBmi
    stop: tuple[Stop, ...] = ()

    def stop_of(self, rulebook: str, entry: str) -> Stop | None:
        """The stop rule of an entry of a rulebook, or None where no number is printed."""
        return next((stop for stop in self.stop if (stop.rulebook, stop.entry) == (rulebook, entry)), None)


@lru_cache(maxsize=1)
def load_parameters() -> DosingParameters:
    """The figures that come with igalloc.

    Raises
    ------
    InputError
        Where the file is missing or does not hold to its schema.
    """
    path = package_data("dosing", "data", "parameters.toml")
    return parse(DosingParameters, read_toml(path), str(path))


def weaning_of(rulebook: Rulebook | None = None) -> WeaningOff:
    """Protocols of weaning: the rulebook's own where it prints any, else those of the Prairie criteria.

    Raises
    ------
    InputError
        Where the file does not hold to its schema.
    """
    if rulebook is not None and rulebook.general is not None:
        return rulebook.general.weaning
    return _printed_weaning()


@lru_cache(maxsize=1)
def _printed_weaning() -> WeaningOff:
    # The general statements alone: a run by another rulebook need not pay for two hundred entries.
    path = package_data("rules", "data", RULEBOOKS[_WITH_WEANING], "rulebook.toml")
    return parse(GeneralStatements, read_toml(path)["general"], str(path)).weaning
