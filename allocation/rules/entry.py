"""One row of the criteria: an indication in one situation, with its grade or category, its regimens and its dates."""

from __future__ import annotations

import re
from datetime import date
from math import isnan
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from allocation.errors import Fault, InputError
from allocation.rules.base import Code, Confidence, EntryCode, Grade, Model, Positive
from allocation.rules.regimen import Regimen, ages_meet

__all__ = [
    "CONDITIONS",
    "FLAGS",
    "STRENGTHS",
    "Approval",
    "Assumption",
    "Category",
    "Entry",
    "PriorApproval",
    "Strength",
    "Upgrade",
    "entry_key",
    "evidence_words",
]

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


def evidence_words(text: str) -> list[str]:
    """Codes that one evidence source is made of: ``EO (GDG-SR)`` has EO, GDG and SR."""
    return re.findall(r"\w+", text)


class Assumption(Model):
    """Something the source leaves open, and how we ruled. Printed with every report."""

    id: Annotated[str, Field(pattern=r"^[A-Z]{1,4}[0-9]{2,3}$")]
    title: str
    open_point: str
    ruling: str
    kind: Literal["assumption", "source_conflict", "setting"] = "assumption"
    confidence: Confidence = "P"
    """What the ruling rests on: ours unless it says else."""


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


Category = Literal["do", "do_not_know", "do_not_do"]
Strength = Literal["recommended", "may_be_considered", "insufficient_evidence", "discouraged", "not_recommended"]

STRENGTHS: dict[Category, tuple[Strength, ...]] = {
    "do": ("recommended", "may_be_considered"),
    "do_not_know": ("may_be_considered", "insufficient_evidence", "discouraged"),
    "do_not_do": ("not_recommended",),
}
"""Wordings a recommendation of each category may have, the stronger first."""


class Entry(Model):
    """One row of the criteria: an indication in one situation.

    A row is either graded (``base_grade``, ``prior_approval`` and what may raise the grade) or categorised
    (``category``, its wording in ``strength``, and the ``evidence`` it rests on); the rest serves both.
    """

    indication: Code
    situation: Code | Literal[""] = ""
    title: str
    also_called: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    specialty: Literal[
        "dermatology",
        "haematology",
        "immunology",
        "infectious_diseases",
        "transplant",
        "neurology",
        "rheumatology",
        "other",
    ]
    section: str
    # The fields that tell the two kinds apart come before those whose checks read them.
    category: Category | None = None
    strength: Strength | None = Field(default=None, validate_default=True)
    base_grade: Grade | None = Field(default=None, validate_default=True)
    upgrade: tuple[Upgrade, ...] = ()
    prior_approval: PriorApproval | None = Field(default=None, validate_default=True)
    term: Literal["short", "long", "either"] | None = Field(default=None, validate_default=True)
    evidence: tuple[str, ...] = ()
    revision: str = ""
    alternatives: tuple[str, ...] = ()
    selection: tuple[str, ...] = ()
    exclusion: tuple[str, ...] = ()
    outcome_measures: tuple[str, ...] = ()
    review: tuple[str, ...] = ()
    review_first_by_months: Positive | None = None
    review_every_months: Positive | None = None
    # How long a patient counts as starting; the rulebook's setting where not given.
    initiation_weeks: Positive | None = None
    harms: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    see: tuple[EntryCode, ...] = ()
    assumptions: tuple[str, ...] = ()
    effective_from: date | None = None
    effective_until: date | None = None
    no_regimen_because: Literal["dose_not_established", "dose_of_another_entry", "none_printed"] | None = None
    regimen: tuple[Regimen, ...] = Field(default=(), validate_default=True)

    @property
    def key(self) -> str:
        """``indication`` or ``indication/situation``."""
        return entry_key(self.indication, self.situation)

    @property
    def assumption_ids(self) -> tuple[str, ...]:
        """Ids of every assumption that the entry, a regimen or an upgrade of it names, in alphabetical order."""
        by_regimen = {regimen.assumption for regimen in self.regimen}
        by_upgrade = {upgrade.assumption for upgrade in self.upgrade}
        return tuple(sorted({*self.assumptions, *by_regimen, *by_upgrade} - {""}))

    @property
    def span(self) -> tuple[date, date]:
        """First and last day on which it is in force, without end where none is given."""
        return self.effective_from or date.min, self.effective_until or date.max

    def in_force(self, as_of: date) -> bool:
        """Whether it holds on this day; both of its dates are included."""
        first, last = self.span
        return first <= as_of <= last

    @property
    def graded(self) -> tuple[int, PriorApproval]:
        """Base grade and prior approval.

        Raises
        ------
        InputError
            Where the entry has a category instead.
        """
        if self.base_grade is None or self.prior_approval is None:
            raise InputError(Fault("the rulebook", "an entry with a grade", value=self.key))
        return self.base_grade, self.prior_approval

    @field_validator("base_grade", "prior_approval", "term", "regimen")
    @classmethod
    def _a_graded_row_has_it(cls, value: object, info: ValidationInfo) -> object:
        wanting = value is None or value == ()
        if wanting and info.data.get("category") is None:
            number = "at least 1 item is needed" if info.field_name == "regimen" else "it is needed"
            raise ValueError(f"{number}, unless the entry has a category")
        if not wanting and info.field_name in ("base_grade", "prior_approval") and info.data.get("category"):
            raise ValueError("an entry with a category has none")
        return value

    @field_validator("strength")
    @classmethod
    def _strength_fits_the_category(cls, value: Strength | None, info: ValidationInfo) -> Strength | None:
        category: Category | None = info.data.get("category")
        allowed = STRENGTHS[category] if category else ()
        if value not in (allowed or (None,)):
            raise ValueError(f"an entry of category {category} has one of {', '.join(allowed) or 'none'}")
        return value

    @model_validator(mode="after")
    def _dates_follow(self) -> Self:
        first, last = self.span
        if first > last:
            raise ValueError("effective_until lies before effective_from")
        return self

    @model_validator(mode="after")
    def _defaults_are_single(self) -> Self:
        ids = [regimen.id for regimen in self.regimen]
        if len(set(ids)) != len(ids):
            raise ValueError("regimen ids repeat within the entry")
        for phase in ("start", "ongoing"):
            defaults = self._flagged(phase)
            needed = self.category is None and (phase == "start" or self.term != "short")
            if (needed and not defaults) or (defaults and not ages_meet(defaults)):
                raise ValueError(
                    f"exactly one regimen must be the default for {phase!r}, or several whose ages follow each other "
                    f"from birth without gap or overlap; found {len(defaults)}"
                )
        for upgrade in self.upgrade:
            if self.base_grade is None or upgrade.to <= self.base_grade:
                raise ValueError(f"an upgrade to {upgrade.to} does not raise base grade {self.base_grade}")
        return self

    @model_validator(mode="after")
    def _a_category_is_told_in_full(self) -> Self:
        if self.category is None:
            return self
        if not self.evidence:
            raise ValueError("an entry with a category names its evidence")
        if self.category == "do_not_do":
            if self.regimen or self.no_regimen_because:
                raise ValueError("what is not to be done has no regimen and needs no reason for it")
        elif bool(self.regimen) == bool(self.no_regimen_because):
            raise ValueError("either a regimen or no_regimen_because is needed, and not both")
        if bool(self.regimen) != bool(self.term):
            raise ValueError("term goes with regimens")
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

        Raises
        ------
        InputError
            Where the entry has no default, which only one with a category may.
        """
        defaults = self.default_regimens(phase)
        if not defaults:
            raise InputError(Fault("the rulebook", f"a default regimen for {phase!r}", value=self.key))
        if age_years is None or isnan(age_years):
            return defaults[0]
        return next((regimen for regimen in defaults if regimen.covers_age(age_years)), defaults[0])
