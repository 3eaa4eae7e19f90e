"""The shape of the rules: what a rulebook, a product list, a panel list and the tiers may say.

Every model forbids unknown keys, so a misspelt key is an error and never a rule that silently does
nothing. All are frozen. Units stand in the names.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from allocation.errors import Fault, InputError
from allocation.rules.base import Code, Confidence, EntryCode, Grade, Model, Positive, Source
from allocation.rules.dosing import AdultWeightRule, ChildWeightRule, DosingRules, MeanWeight
from allocation.rules.entry import (
    CONDITIONS,
    FLAGS,
    STRENGTHS,
    Assumption,
    Category,
    Entry,
    PriorApproval,
    Strength,
    Upgrade,
    entry_key,
    evidence_words,
)
from allocation.rules.general import GeneralStatements
from allocation.rules.pathway import PanelRule, Pathway
from allocation.rules.regimen import AgeBand, Band, ProductVolume, Regimen

__all__ = [
    "CONDITIONS",
    "FLAGS",
    "STRENGTHS",
    "AdultWeightRule",
    "AgeBand",
    "Assumption",
    "Band",
    "Category",
    "ChildWeightRule",
    "Code",
    "Confidence",
    "CrossReference",
    "DosingRules",
    "Entry",
    "Grade",
    "MeanWeight",
    "Model",
    "PanelRule",
    "Positive",
    "PriorApproval",
    "ProductVolume",
    "Regimen",
    "Rulebook",
    "Settings",
    "Source",
    "Strength",
    "Upgrade",
    "entry_key",
    "evidence_words",
    "first_overlap",
]


class Settings(Model):
    """Dates and thresholds that a plan which grades leaves to be set."""

    review_valid_days: Annotated[int, Field(ge=1)]
    first_year_counts_if_approved: bool
    initiation_weeks: Positive


class CrossReference(Model):
    """A name the document lists only to send the reader elsewhere."""

    name: str
    includes: tuple[str, ...] = ()
    see: Annotated[tuple[EntryCode, ...], Field(min_length=1)]
    section: str


class Rulebook(Model):
    """A whole rulebook, of grades or of categories.

    ``evidence_code`` explains each word of the evidence codes of the entries. Only a rulebook of grades has settings,
    and may have ``panel_rule``: how a patient stands with the panel.
    """

    id: Code
    title: str
    kind: Literal["grades", "categories"] = "grades"
    version: str
    document: str
    effective_from: date
    panel_rule: Pathway = ()
    grading_settings: Settings | None = Field(default=None, alias="settings", validate_default=True)
    dosing: DosingRules
    general: GeneralStatements | None = None
    evidence_code: dict[str, str] = {}
    assumption: tuple[Assumption, ...] = ()
    cross_reference: tuple[CrossReference, ...] = ()
    entry: tuple[Entry, ...] = ()

    @property
    def settings(self) -> Settings:
        """Settings of a rulebook that grades.

        Raises
        ------
        InputError
            Where it does not.
        """
        if self.grading_settings is None:
            remedy = "Grade by the NHS plan, or by a rulebook of your own of kind grades."
            expected = "a rulebook that grades: this rulebook does not grade"
            raise InputError(Fault("--rulebook", expected, value=self.id, remedy=remedy))
        return self.grading_settings

    @field_validator("grading_settings")
    @classmethod
    def _settings_go_with_grades(cls, value: Settings | None, info: ValidationInfo) -> Settings | None:
        if (value is not None) != (info.data.get("kind") == "grades"):
            raise ValueError("settings go with kind 'grades', and with no other")
        return value

    @model_validator(mode="after")
    def _entries_are_of_its_kind(self) -> Self:
        wrong = [entry.key for entry in self.entry if (entry.category is None) != (self.kind == "grades")]
        if wrong:
            has = "a base grade" if self.kind == "grades" else "a category"
            raise ValueError(f"in a rulebook of {self.kind} each entry has {has}; not so {', '.join(wrong)}")
        return self

    @model_validator(mode="after")
    def _codes_are_single(self) -> Self:
        spans: dict[str, list[tuple[date, date]]] = {}
        for entry in self.entry:
            spans.setdefault(entry.key, []).append(entry.span)
        twice = sorted(key for key, dates in spans.items() if first_overlap(dates) is not None)
        if twice:
            raise ValueError(f"these codes stand more than once: {', '.join(twice)}")
        plain = {entry.indication for entry in self.entry if not entry.situation}
        split = {entry.indication for entry in self.entry if entry.situation}
        if plain & split:
            raise ValueError(f"with and without situation: {', '.join(sorted(plain & split))}")
        return self

    @model_validator(mode="after")
    def _what_is_named_is_there(self) -> Self:
        assumptions = {assumption.id for assumption in self.assumption}
        codes = {code for entry in self.entry for code in (entry.key, entry.indication)}
        for entry in self.entry:
            named = {*entry.assumptions, *(r.assumption for r in entry.regimen), *(u.assumption for u in entry.upgrade)}
            _all_known(named - {""}, assumptions, f"{entry.key} names unknown assumption")
            _all_known(set(entry.see), codes, f"{entry.key} refers to unknown code")
            words = {word for text in entry.evidence for word in evidence_words(text)}
            _all_known(words, self.evidence_code, f"{entry.key} names unknown evidence code")
        for rule in self.panel_rule:
            _all_known({rule.assumption} - {""}, assumptions, f"panel rule {rule.status} names unknown assumption")
        for reference in self.cross_reference:
            _all_known(set(reference.see), codes, f"{reference.name} refers to unknown code")
        return self

    def find(self, indication: str, situation: str = "") -> Entry | None:
        """The entry of a code, the newest where it has several of different dates; None where it is not listed."""
        return max(self.dated(entry_key(indication, situation)), key=lambda entry: entry.span, default=None)

    def dated(self, key: str) -> tuple[Entry, ...]:
        """Every entry of a code, in the order of the files; more than one only where their dates differ."""
        return tuple(entry for entry in self.entry if entry.key == key)

    def on(self, as_of: date) -> Self:
        """The rulebook of one day: of each code the entry then in force.

        A code with none in force keeps the last one that ended, else the first one to come, so that whoever asks for
        it is told that it is listed and not in force.
        """
        chosen: dict[str, Entry] = {}
        for entry in self.entry:
            rival = chosen.get(entry.key)
            if rival is None or _nearness(entry, as_of) < _nearness(rival, as_of):
                chosen[entry.key] = entry
        if len(chosen) == len(self.entry):
            return self
        return self.model_copy(update={"entry": tuple(chosen.values())})

    def situations(self, indication: str) -> tuple[str, ...]:
        """The situations an indication is split into; empty where it has none or is not listed."""
        found = (e.situation for e in self.entry if e.indication == indication and e.situation)
        return tuple(dict.fromkeys(found))


def first_overlap(spans: Sequence[tuple[date, date]]) -> int | None:
    """Where two spans share a day, the place of the one written later; None where no two do."""
    order = sorted(range(len(spans)), key=lambda place: spans[place])
    for earlier, later in pairwise(order):
        if spans[later][0] <= spans[earlier][1]:
            return max(earlier, later)
    return None


def _nearness(entry: Entry, as_of: date) -> tuple[int, int]:
    """Sorts entries of one code: in force, then ended (the latest first), then to come (the earliest first)."""
    first, last = entry.span
    if entry.in_force(as_of):
        return 0, 0
    return (1, -last.toordinal()) if last < as_of else (2, first.toordinal())


def _all_known(named: set[str], known: Container[str], complaint: str) -> None:
    unknown = sorted(name for name in named if name not in known)
    if unknown:
        raise ValueError(f"{complaint} {', '.join(unknown)}")
