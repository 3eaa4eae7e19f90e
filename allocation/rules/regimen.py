"""One way to give immunoglobulin: how much, by what route, over how many days, how often, and when to stop."""

from __future__ import annotations

from itertools import pairwise
from math import inf, isclose
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from allocation.rules.base import Code, Model, Positive, Source

__all__ = ["AgeBand", "Band", "ProductVolume", "Regimen", "ages_meet"]

Count = Annotated[int, Field(ge=1)]
_WEEKS_OF_THE_CEILING = 4


class Band(Model):
    """A fixed amount for those from ``from_`` (included) to ``below`` (left out), in years or in kg.

    ``equivalent_iu`` is what the amount carries of a specific antibody, where the source reckons by it.
    """

    from_: float = Field(default=0.0, ge=0, alias="from")
    below: float | None = None
    dose: Positive
    equivalent_iu: Positive | None = None
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class AgeBand(Band):
    """A band by age in years; kept apart from weight bands by name."""


class ProductVolume(Model):
    """Volume of one brand that makes up the dose: ``volume_ml`` has one for each band, in their order.

    ``brand`` is as printed; ``product`` is its code in the product list, blank where it is not there.
    """

    brand: str
    product: Code | Literal[""] = ""
    concentration_g_per_ml: Positive
    volume_ml: Annotated[tuple[Positive, ...], Field(min_length=1)]


class Regimen(Model):
    """One way the source says to give immunoglobulin.

    ``basis`` gives the unit of ``dose_low``, ``dose_high`` and ``dose_use``:

    ========================  =====================================================================
    ``g_per_kg``              grams for each kg of the weight named by ``weight_basis``
    ``g``                     grams, whatever the weight
    ``g_by_age``              grams by ``bands`` of age in years
    ``g_by_weight``           grams by ``bands`` of actual weight in kg
    ``ml_per_kg``             ml for each kg; ``concentration_g_per_ml`` turns it into grams
    ``iu``                    units of a specific immunoglobulin: no grams of ours
    ========================  =====================================================================

    ``per`` says whether the amount is for the whole course, for each of ``days_use`` days, or for each of
    ``doses_per_day`` doses on each of them. Where the days of one course differ, ``doses_by_day`` has them all. A
    course is repeated ``courses_use`` times (None: for as long as it helps), ``interval_weeks_use`` apart.
    ``default_for`` names the phases in which this is the regimen used when a patient's own is not recorded.

    ``weight_basis`` is ``rulebook`` (the dosing weight), ``actual``, ``ideal``, ``booking`` (actual weight at the
    first visit of a pregnancy) or ``booking_adjusted`` (dosing weight at that visit).
    """

    id: Code
    purpose: Literal["single", "induction", "loading", "maintenance", "trial", "prophylaxis", "repeat"]
    default_for: tuple[Literal["start", "ongoing"], ...] = ()
    route: Literal["IV", "SC", "IM", "ORAL"] = "IV"
    basis: Literal["g_per_kg", "g", "g_by_age", "g_by_weight", "ml_per_kg", "iu"]
    dose_low: Positive | None = None
    dose_high: Positive | None = None
    dose_use: Positive | None = None
    bands: tuple[Band, ...] = ()
    product_volume: tuple[ProductVolume, ...] = ()
    per: Literal["course", "day", "dose"] = "course"
    doses_per_day: Count = 1
    doses_by_day: tuple[Positive, ...] = ()
    weight_basis: Literal["rulebook", "actual", "booking", "booking_adjusted", "ideal"] = "rulebook"
    concentration_g_per_ml: Positive | None = None
    cap_g_per_course: Positive | None = None
    cap_g_per_week: Positive | None = None
    cap_g_per_day: Positive | None = None
    max_g_per_kg_per_day: Positive | None = None
    max_g_per_kg_per_4_weeks: Positive | None = None
    max_g_per_kg_in_all: Positive | None = None
    days_low: Count | None = None
    days_high: Count | None = None
    days_use: Count = 1
    hours_low: Positive | None = None
    hours_high: Positive | None = None
    courses_low: Count | None = None
    courses_high: Count | None = None
    courses_use: Count | None = 1
    open_ended: bool = False
    throughout_pregnancy: bool = False
    after_each_plasma_exchange: bool = False
    interval_weeks_low: Positive | None = None
    interval_weeks_high: Positive | None = None
    interval_weeks_use: Positive | None = None
    cycles_to_judge_low: Count | None = None
    cycles_to_judge_high: Count | None = None
    months_to_judge_low: Positive | None = None
    months_to_judge_high: Positive | None = None
    weaning: tuple[Literal["dose", "interval"], ...] = ()
    gestation_weeks: tuple[int, ...] = ()
    weekly_from_gestation_week: int | None = None
    until_gestation_week: int | None = None
    age_from_years: float | None = None
    age_below_years: float | None = None
    when: str = ""
    stop_rule: str = ""
    note: str = ""
    assumption: str = ""
    source: Source | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        banded = self.basis in ("g_by_age", "g_by_weight")
        if banded != bool(self.bands):
            raise ValueError(f"basis {self.basis} and bands do not fit: bands go with g_by_age and g_by_weight only")
        if not banded and self.dose_use is None:
            raise ValueError("dose_use is needed unless the dose comes in bands")
        if self.basis == "ml_per_kg" and self.concentration_g_per_ml is None:
            raise ValueError("ml_per_kg needs concentration_g_per_ml")
        if self.doses_per_day > 1 and self.per != "dose":
            raise ValueError('doses_per_day goes with per = "dose" only')
        repeats = self.open_ended or (self.courses_use or 1) > 1
        timed = self.gestation_weeks or self.weekly_from_gestation_week or self.after_each_plasma_exchange
        if repeats and self.interval_weeks_use is None and not timed:
            raise ValueError("a repeated course needs interval_weeks_use or a gestation schedule")
        edges = [(band.from_, band.below) for band in self.bands]
        for (_, below), (start, _) in pairwise(edges):
            if below != start:
                raise ValueError("bands must follow each other without gap or overlap")
        return self

    @model_validator(mode="after")
    def _ranges_are_ranges(self) -> Self:
        for name in ("dose", "days", "hours", "courses", "interval_weeks", "cycles_to_judge", "months_to_judge"):
            low, high, use = (getattr(self, f"{name}_{end}", None) for end in ("low", "high", "use"))
            if low is not None and high is not None and low > high:
                raise ValueError(f"{name}_low is above {name}_high")
            if use is not None and ((low is not None and use < low) or (high is not None and use > high)):
                raise ValueError(f"{name}_use lies outside {name}_low to {name}_high")
        return self

    @model_validator(mode="after")
    def _volumes_make_the_dose(self) -> Self:
        doses = [band.dose for band in self.bands] or ([self.dose_use] if self.basis == "g" and self.dose_use else [])
        for brand in self.product_volume:
            grams = [volume * brand.concentration_g_per_ml for volume in brand.volume_ml]
            if len(grams) != len(doses) or not all(map(isclose, grams, doses)):
                told = ", ".join(f"{amount:g} g" for amount in grams)
                raise ValueError(f"the volumes of {brand.brand} come to {told}, which is not the dose")
        return self

    @model_validator(mode="after")
    def _days_add_up(self) -> Self:
        days = self.doses_by_day
        if days and (self.per != "course" or len(days) != self.days_use or not isclose(sum(days), self.dose_use or 0)):
            raise ValueError("doses_by_day must have days_use doses that add up to dose_use of one course")
        return self

    @model_validator(mode="after")
    def _keeps_its_own_limits(self) -> Self:
        # A limit for each kg can be judged here; a cap in grams depends on the patient and is applied to the dose.
        dose = self.dose_use or 0.0
        in_a_day = max(self.doses_by_day, default=dose if self.per != "course" else dose / self.days_use)
        course = dose if self.per == "course" else dose * self.days_use
        every = min(1.0, (self.interval_weeks_use or inf) / _WEEKS_OF_THE_CEILING)
        for name, given in (
            ("max_g_per_kg_per_day", in_a_day),
            ("max_g_per_kg_per_4_weeks", course / every),
            ("max_g_per_kg_in_all", course * (self.courses_use or 1)),
        ):
            limit = getattr(self, name)
            if limit is not None and self.basis != "g_per_kg":
                raise ValueError(f"{name} goes with basis g_per_kg only")
            if limit is not None and given > limit * (1 + 1e-9):
                raise ValueError(f"dose_use comes to {given:g} g/kg, above {name} {limit:g}")
        return self

    def covers_age(self, age_years: float) -> bool:
        """Whether the regimen is meant for this age."""
        above = self.age_from_years is None or age_years >= self.age_from_years
        return above and (self.age_below_years is None or age_years < self.age_below_years)


def ages_meet(regimens: tuple[Regimen, ...]) -> bool:
    """Whether the age ranges follow each other from birth upwards without gap or overlap."""
    ranges = sorted(
        (r.age_from_years or 0.0, inf if r.age_below_years is None else r.age_below_years) for r in regimens
    )
    edges = [0.0, *(edge for pair in ranges for edge in pair), inf]
    return all(edges[i] == edges[i + 1] for i in range(0, len(edges), 2))
