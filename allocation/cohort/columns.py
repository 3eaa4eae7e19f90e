"""The columns of a cohort file: order, kind, unit and meaning. The data dictionary is made from this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from allocation.rules import FLAGS

__all__ = [
    "COLUMNS",
    "DATES",
    "DECISIONS",
    "NUMBERS",
    "OPTIONAL",
    "REQUIRED",
    "ROUTES",
    "SEXES",
    "SPECS",
    "UNLISTED",
    "ColumnSpec",
]

Kind = Literal["text", "code", "number", "date", "flag"]

UNLISTED = "unlisted"
"""Indication code of everything that the rulebook does not list."""

SEXES = ("F", "M")
ROUTES = ("IV", "SC", "IM")
DECISIONS = ("approved", "pending", "declined")
YES_NO = ("yes", "no")


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """One column of a cohort file.

    Attributes
    ----------
    kind
        ``text`` (free), ``code`` (one of a set), ``number``, ``date`` (ISO) or ``flag`` (yes, no or blank).
    meaning
        What it says about the patient.
    required
        Whether the column must be there and filled in every row.
    unit
        Unit of a number.
    """

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    unit: str = ""


_FLAG_MEANINGS = {
    "ig_dependent": "Life or function depends on immunoglobulin, as the panel has judged",
    "ongoing_need_proven": "Shown, by a trial off treatment or otherwise, still to need it",
    "alternatives_exhausted": "Other treatments have failed, are not tolerated or may not be given",
    "plex_unavailable": "Plasma exchange cannot be had in time or may not be given",
    "platelet_refractory": "Does not respond to platelet transfusion",
    "bleeding": "Bleeding now",
    "life_threatening": "The condition threatens life now",
    "acute_emergency": "Treatment cannot wait for the next allocation",
    "status_epilepticus": "In status epilepticus",
    "transfusion_dependent": "Depends on transfusion of red cells",
    "steroid_refractory": "Does not respond to steroids",
    "ifr_approved": "An individual funding request has been approved",
    "clinical_trial": "Treated within a clinical trial",
}

SPECS: tuple[ColumnSpec, ...] = (
    ColumnSpec("patient_id", "text", "Pseudonym, single in the file; an NHS number is refused", required=True),
    ColumnSpec("panel", "code", "Panel that decides on the patient", required=True),
    ColumnSpec("trust", "text", "Trust that treats the patient"),
    ColumnSpec("indication", "code", "Why the patient is treated", required=True),
    ColumnSpec("situation", "code", "Which case of the indication; needed where the rulebook tells several apart"),
    ColumnSpec("age_years", "number", "Age", required=True, unit="years"),
    ColumnSpec("sex", "code", "Sex used by the formula for ideal weight", required=True),
    ColumnSpec("height_cm", "number", "Height; needed where the dosing weight uses it", unit="cm"),
    ColumnSpec("weight_kg", "number", "Actual weight", required=True, unit="kg"),
    ColumnSpec("route", "code", "How it is given; IV where blank"),
    ColumnSpec("product", "code", "Product the patient has now"),
    ColumnSpec("dose_g", "number", "Grams of one course as given now; the rulebook's regimen where blank", unit="g"),
    ColumnSpec("interval_weeks", "number", "Weeks from one course to the next as given now", unit="weeks"),
    ColumnSpec("start_date", "date", "First treatment"),
    ColumnSpec("last_review_date", "date", "Last annual review"),
    ColumnSpec("last_dose_date", "date", "Last course given"),
    ColumnSpec("next_due_date", "date", "When the next course is due"),
    ColumnSpec("panel_decision", "code", "What the panel decided on the start of treatment"),
    *(ColumnSpec(flag, "flag", _FLAG_MEANINGS[flag]) for flag in FLAGS),
)
"""Every column, in the order in which they are written."""

OPTIONAL: tuple[ColumnSpec, ...] = (
    ColumnSpec("locked", "flag", "Takes no other product than the present one: intolerance, or therapy at home"),
)
"""Columns that a file may have besides; checked where there, passed on as they are, and never added."""

COLUMNS: tuple[str, ...] = tuple(spec.name for spec in SPECS)
REQUIRED: tuple[str, ...] = tuple(spec.name for spec in SPECS if spec.required)
NUMBERS: tuple[str, ...] = tuple(spec.name for spec in SPECS if spec.kind == "number")
DATES: tuple[str, ...] = tuple(spec.name for spec in SPECS if spec.kind == "date")
