"""The shape of the rules: what a rulebook, a product list, a panel list and the tiers may say.

Every model forbids unknown keys, so a misspelt key is an error and never a rule that silently does
nothing. All are frozen. Units stand in the names.
"""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from math import inf, isnan
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "CONDITIONS",
    "AdultWeightRule",
    "AgeBand",
    "Assumption",
    "Band",
    "ChildWeightRule",
    "Confidence",
    "DosingRules",
    "Entry",
    "MeanWeight",
    "Model",
    "PriorApproval",
    "Regimen",
    "Rulebook",
    "Settings",
    "Source",
    "Upgrade",
    "entry_key",
]

Confidence = Literal["F", "F*", "D", "M", "P"]
Grade = Annotated[int, Field(ge=1, le=4)]
Positive = Annotated[float, Field(gt=0)]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]

FLAGS = (
    "ig_dependent",
    "ongoing_need_proven",
    "alternatives_exhausted",
    "plex_unavailable",
    "platelet_refractory",
    "bleeding",
    "life_threatening",
    "acute_emergency",
    "status_epilepticus",
    "transfusion_dependent",
    "steroid_refractory",
    "ifr_approved",
    "clinical_trial",
)
"""The yes/no columns of a cohort file."""

CONDITIONS = (*FLAGS, "annual_review_complete")
"""What an upgrade may ask: any flag, and whether the annual review counts on the as-of date."""


def entry_key(indication: str, situation: str = "") -> str:
    """Code of one row of the criteria: ``indication`` or ``indication/situation``."""
    return f"{indication}/{situation}" if situation else indication


class Model(BaseModel):
    """Frozen, and strict about its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Source(Model):
    """Where a figure or a rule was read."""

    document: str
    section: str = ""
    confidence: Confidence = "F"
    note: str = ""


class Assumption(Model):
    """Something the source leaves open, and how we ruled. Printed with every report."""

    id: Annotated[str, Field(pattern=r"^[A-Z]{1,4}[0-9]{2,3}$")]
    title: str
    open_point: str
    ruling: str
    kind: Literal["assumption", "source_conflict", "setting"] = "assumption"


class Upgrade(Model):
    """A rule that raises the base grade: all of ``all_of`` and, where given, one of ``any_of``."""

    to: Grade
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    reason: str
    assumption: str = ""

    @model_validator(mode="after")
    def _conditions_are_known(self) -> Self:
        named = (*self.all_of, *self.any_of)
        if not named:
            raise ValueError("an upgrade needs a condition in all_of or any_of")
        unknown = sorted(set(named) - set(CONDITIONS))
        if unknown:
            raise ValueError(f"unknown condition {', '.join(unknown)}; known: {', '.join(CONDITIONS)}")
        return self


Approval = Literal["required", "not_required", "retrospective"]


class PriorApproval(Model):
    """Whether the panel must agree beforehand, at the start and once treatment is ongoing."""

    start: Approval
    ongoing: Approval
    note: str = ""


class Band(Model):
    """A fixed amount for those from ``from_`` (included) to ``below`` (left out), in years or in kg."""

    from_: float = Field(default=0.0, ge=0, alias="from")
    below: float | None = None
    dose: Positive
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class AgeBand(Band):
    """A band by age in years; kept apart from weight bands by name."""


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

    ``per`` says whether the amount is for the whole course or for each of ``days_use`` days. A course is
    repeated ``courses_use`` times (None: for as long as it helps), ``interval_weeks_use`` apart.
    ``default_for`` names the phases in which this is the regimen used when a patient's own is not recorded.
    """

    id: Code
    purpose: Literal["single", "induction", "loading", "maintenance", "trial", "prophylaxis", "repeat"]
    default_for: tuple[Literal["start", "ongoing"], ...] = ()
    route: Literal["IV", "SC", "IM"] = "IV"
    basis: Literal["g_per_kg", "g", "g_by_age", "g_by_weight", "ml_per_kg", "iu"]
    dose_low: Positive | None = None
    dose_high: Positive | None = None
    dose_use: Positive | None = None
    bands: tuple[Band, ...] = ()
    per: Literal["course", "day"] = "course"
    weight_basis: Literal["rulebook", "actual", "booking", "ideal"] = "rulebook"
    concentration_g_per_ml: Positive | None = None
    cap_g_per_course: Positive | None = None
    cap_g_per_week: Positive | None = None
    days_low: Annotated[int, Field(ge=1)] | None = None
    days_high: Annotated[int, Field(ge=1)] | None = None
    days_use: Annotated[int, Field(ge=1)] = 1
    courses_low: Annotated[int, Field(ge=1)] | None = None
    courses_high: Annotated[int, Field(ge=1)] | None = None
    courses_use: Annotated[int, Field(ge=1)] | None = 1
    open_ended: bool = False
    interval_weeks_low: Positive | None = None
    interval_weeks_high: Positive | None = None
    interval_weeks_use: Positive | None = None
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
        for name in ("dose", "days", "courses", "interval_weeks"):
            low, high, use = (getattr(self, f"{name}_{end}") for end in ("low", "high", "use"))
            if low is not None and high is not None and low > high:
                raise ValueError(f"{name}_low is above {name}_high")
            if use is not None and ((low is not None and use < low) or (high is not None and use > high)):
                raise ValueError(f"{name}_use lies outside {name}_low to {name}_high")
        repeats = self.open_ended or (self.courses_use or 1) > 1
        if (
            repeats
            and self.interval_weeks_use is None
            and not (self.gestation_weeks or self.weekly_from_gestation_week)
        ):
            raise ValueError("a repeated course needs interval_weeks_use or a gestation schedule")
        edges = [(band.from_, band.below) for band in self.bands]
        for (_, below), (start, _) in pairwise(edges):
            if below != start:
                raise ValueError("bands must follow each other without gap or overlap")
        return self

    def covers_age(self, age_years: float) -> bool:
        """Whether the regimen is meant for this age."""
        above = self.age_from_years is None or age_years >= self.age_from_years
        return above and (self.age_below_years is None or age_years < self.age_below_years)


def _ages_meet(regimens: tuple[Regimen, ...]) -> bool:
    """Whether the age ranges follow each other from birth upwards without gap or overlap."""
    ranges = sorted(
        (r.age_from_years or 0.0, inf if r.age_below_years is None else r.age_below_years) for r in regimens
    )
    edges = [0.0, *(edge for pair in ranges for edge in pair), inf]
    return all(edges[i] == edges[i + 1] for i in range(0, len(edges), 2))


class Entry(Model):
    """One row of the criteria: an indication in one situation."""

    indication: Code
    situation: Code | Literal[""] = ""
    title: str
    specialty: Literal["immunology", "haematology", "neurology", "infectious_diseases", "other"]
    section: str
    term: Literal["short", "long", "either"]
    base_grade: Grade
    upgrade: tuple[Upgrade, ...] = ()
    prior_approval: PriorApproval
    alternatives: tuple[str, ...] = ()
    selection: tuple[str, ...] = ()
    exclusion: tuple[str, ...] = ()
    outcome_measures: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    effective_from: date | None = None
    effective_until: date | None = None
    regimen: tuple[Regimen, ...] = Field(min_length=1)

    @property
    def key(self) -> str:
        """``indication`` or ``indication/situation``."""
        return entry_key(self.indication, self.situation)

    @model_validator(mode="after")
    def _defaults_are_single(self) -> Self:
        ids = [regimen.id for regimen in self.regimen]
        if len(set(ids)) != len(ids):
            raise ValueError("regimen ids repeat within the entry")
        for phase in ("start", "ongoing"):
            defaults = self._flagged(phase)
            needed = phase == "start" or self.term != "short"
            if (needed and not defaults) or (defaults and not _ages_meet(defaults)):
                raise ValueError(
                    f"exactly one regimen must be the default for {phase!r}, or several whose ages follow each other "
                    f"from birth without gap or overlap; found {len(defaults)}"
                )
        for upgrade in self.upgrade:
            if upgrade.to <= self.base_grade:
                raise ValueError(f"an upgrade to {upgrade.to} does not raise base grade {self.base_grade}")
        return self

    def _flagged(self, phase: str) -> tuple[Regimen, ...]:
        return tuple(regimen for regimen in self.regimen if phase in regimen.default_for)

    def default_regimens(self, phase: Literal["start", "ongoing"]) -> tuple[Regimen, ...]:
        """Every default of a phase: one, or several for ages that follow each other without gap or overlap."""
        return self._flagged(phase) or self._flagged("start")

    def default_regimen(self, phase: Literal["start", "ongoing"], age_years: float | None = None) -> Regimen:
        """The regimen used when a patient's own is not recorded; short-term entries have one for both phases.

        Parameters
        ----------
        phase
            ``start`` or ``ongoing``.
        age_years
            Age of the patient. Without it (None or not a number) an entry whose default depends on age answers
            with the one written first, the adult's.
        """
        defaults = self.default_regimens(phase)
        if age_years is None or isnan(age_years):
            return defaults[0]
        return next((regimen for regimen in defaults if regimen.covers_age(age_years)), defaults[0])


class AdultWeightRule(Model):
    """Ideal weight = base + slope × (height − reference height); dosing weight between ideal and actual.

    From ``bmi_flag_kg_m2`` on, a dose carries a note that it rests on the formula (None: no such note).
    """

    base_kg_male: Positive
    base_kg_female: Positive
    slope_kg_per_cm: Positive
    reference_height_cm: Positive
    adjustment_fraction: Annotated[float, Field(ge=0, le=1)]
    height_range_low_cm: Positive
    bmi_flag_kg_m2: Positive | None = None
    source: Source


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


class Settings(Model):
    """Dates and thresholds that the plan leaves to be set."""

    review_valid_days: Annotated[int, Field(ge=1)]
    first_year_counts_if_approved: bool
    initiation_weeks: Positive


class Rulebook(Model):
    """A whole rulebook."""

    id: Code
    title: str
    version: str
    document: str
    effective_from: date
    settings: Settings
    dosing: DosingRules
    assumption: tuple[Assumption, ...] = ()
    entry: tuple[Entry, ...] = ()

    @model_validator(mode="after")
    def _codes_are_single(self) -> Self:
        keys = [entry.key for entry in self.entry]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueError(f"these codes stand more than once: {', '.join(twice)}")
        known = {assumption.id for assumption in self.assumption}
        for entry in self.entry:
            named = {*entry.assumptions, *(r.assumption for r in entry.regimen), *(u.assumption for u in entry.upgrade)}
            missing = sorted(named - known - {""})
            if missing:
                raise ValueError(f"{entry.key} names unknown assumption {', '.join(missing)}")
        plain = {entry.indication for entry in self.entry if not entry.situation}
        split = {entry.indication for entry in self.entry if entry.situation}
        if plain & split:
            raise ValueError(f"with and without situation: {', '.join(sorted(plain & split))}")
        return self

    def find(self, indication: str, situation: str = "") -> Entry | None:
        """The entry of a code, or None where it is not listed."""
        key = entry_key(indication, situation)
        return next((entry for entry in self.entry if entry.key == key), None)

    def situations(self, indication: str) -> tuple[str, ...]:
        """The situations an indication is split into; empty where it has none or is not listed."""
        return tuple(e.situation for e in self.entry if e.indication == indication and e.situation)
