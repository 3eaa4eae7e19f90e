"""What can be done about a shortage, as a scenario plays it: one model a kind.

Each says only what it changes in supply or demand, and by how much. What it costs patients otherwise (clinic hours,
worse control of an illness) is not modelled; an assumption of the scenario must say so.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from allocation.scenario.base import Code, CoverWeeks, Model, Ratio
from allocation.scenario.happening import Happening, Share, Week, Weeks, lasting, percent

__all__ = [
    "ContingencyStockRelease",
    "DoseOptimisation",
    "Grade1Suspension",
    "HasMitigations",
    "IntervalStretch",
    "Mitigation",
    "NewSupplier",
    "PlasmaExchange",
    "ReviewDrive",
    "TitrationTrial",
    "UkPlasma",
    "VialRounding",
    "Weaning",
]

Grades = Annotated[tuple[Annotated[int, Field(ge=0, le=4)], ...], Field(min_length=1)]
Indications = Annotated[tuple[Code, ...], Field(min_length=1)]


class ContingencyStockRelease(Happening):
    """Stock from outside the model is sent to panels, evenly over these weeks, with the usual lead time.

    ``cover_weeks`` is its amount in weeks of national use at the start; it is of ``products``, or of all as they are
    used. No fall of output touches it. What panels have no room for is offered again until these weeks are over.
    """

    kind: Literal["contingency_stock_release"]
    weeks: Weeks
    cover_weeks: Annotated[CoverWeeks, Field(gt=0)]
    products: tuple[Code, ...] = ()

    @property
    def size(self) -> float:
        """Weeks of national use released."""
        return self.cover_weeks

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or f"Contingency stock for {self.cover_weeks:g} weeks of use released {lasting(self.weeks)}"


class NewSupplier(Happening):
    """More of some products comes on the market and grows to its full amount over ``ramp_weeks``.

    ``fraction`` is its output over all that makers contract. Panels take it by what they use of the route. Patients on
    another product are given it only where a tier allows a switch.
    """

    kind: Literal["new_supplier"]
    weeks: Weeks | None = None
    products: tuple[Code, ...] = Field(min_length=1)
    fraction: Ratio
    ramp_weeks: Week = 0

    @property
    def size(self) -> float:
        """Share of all contracted output that comes on top."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return (
            self.text or f"New supply of {', '.join(self.products)}: {percent(self.fraction)} of all contracted output"
        )


class UkPlasma(Happening):
    """A share of all output is made of plasma from the United Kingdom, growing to ``fraction`` over ``ramp_weeks``.

    ``added`` of it comes on top of what makers contract; the rest takes the place of imported plasma. No fall of plasma
    collection elsewhere touches it.
    """

    kind: Literal["uk_plasma"]
    weeks: Weeks | None = None
    fraction: Share
    ramp_weeks: Week = 0
    added: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def size(self) -> float:
        """Share of contracted output made of it."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or (
            f"Plasma from the United Kingdom meets {percent(self.fraction)} of contracts after {self.ramp_weeks} weeks"
        )


class ReviewDrive(Happening):
    """While it lasts, this share of the overdue annual reviews is caught up each week."""

    kind: Literal["review_drive"]
    weeks: Weeks
    done_per_week: Share

    @property
    def size(self) -> float:
        """Share of overdue reviews done each week."""
        return self.done_per_week

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or f"{percent(self.done_per_week)} of overdue reviews done each week {lasting(self.weeks)}"


class Grade1Suspension(Happening):
    """Grade 1 gets nothing while it lasts, whatever the tier."""

    kind: Literal["grade_1_suspension"]
    weeks: Weeks

    @property
    def size(self) -> None:
        """It has none: all of grade 1 waits."""

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self.text or f"Grade 1 suspended {lasting(self.weeks)}"


class IntervalStretch(Happening):
    """After a course given while it lasts, long-term patients of these grades wait longer for the next."""

    kind: Literal["interval_stretch"]
    weeks: Weeks
    fraction: Ratio
    grades: Grades

    @property
    def size(self) -> float:
        """Share by which intervals grow."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        who = " and ".join(str(grade) for grade in self.grades)
        return self.text or f"Intervals of grade {who} {percent(self.fraction)} longer {lasting(self.weeks)}"


class _SmallerCourse(Happening):
    """Courses of long-term patients that fall due while it lasts are smaller, in whole smallest vials.

    It reaches ``patients_share`` of those with one of ``indications`` (of all where none is named), drawn once.
    """

    weeks: Weeks | None = None
    fraction: Annotated[float, Field(gt=0, lt=1)]
    patients_share: Share = 1.0
    indications: tuple[Code, ...] = ()

    @property
    def size(self) -> float:
        """Share by which courses shrink."""
        return self.fraction

    def _told(self, what: str) -> str:
        who = f" for {percent(self.patients_share)} of patients" if self.patients_share < 1 else ""
        of = f" with {', '.join(self.indications)}" if self.indications else ""
        return self.text or f"{what}: courses {percent(self.fraction)} smaller{who}{of}"


class VialRounding(_SmallerCourse):
    """Doses are rounded to whole vials downwards; the size is the mean saving, which has to be cited."""

    kind: Literal["vial_rounding"]

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self._told("Rounding to whole vials")


class DoseOptimisation(_SmallerCourse):
    """Doses are titrated to the least that works."""

    kind: Literal["dose_optimisation"]

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        return self._told("Dose optimisation")


class TitrationTrial(Happening):
    """A share of long-term patients with these indications tries a smaller dose, each once.

    Trials begin evenly over ``starting_weeks``. For ``trial_weeks`` a patient's courses are smaller by ``fraction``, in
    whole smallest vials. Then ``back_share`` of them return to the old dose, ``stop_share`` are found to need no more
    and stop, and the others keep the smaller dose.
    """

    kind: Literal["titration_trial"]
    starting_weeks: Weeks
    trial_weeks: Weeks
    patients_share: Share
    fraction: Annotated[float, Field(gt=0, lt=1)]
    back_share: Annotated[float, Field(ge=0, le=1)]
    stop_share: Annotated[float, Field(ge=0, le=1)]
    indications: Indications

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.back_share + self.stop_share > 1:
            raise ValueError("back_share and stop_share together must not be above 1")
        return self

    @property
    def weeks(self) -> None:
        """It has no end: who keeps the smaller dose keeps it."""

    @property
    def size(self) -> float:
        """Share by which courses shrink in a trial."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        who = ", ".join(self.indications)
        return self.text or (
            f"Titration trials for {percent(self.patients_share)} of patients with {who}: "
            f"courses {percent(self.fraction)} smaller for {self.trial_weeks} weeks"
        )


class Weaning(Happening):
    """A share of the long-term patients with these indications is found to need no more; they stop over these weeks."""

    kind: Literal["weaning"]
    weeks: Weeks
    fraction: Share
    indications: Indications

    @property
    def size(self) -> float:
        """Share of these patients who stop."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        who = ", ".join(self.indications)
        return self.text or f"Weaning: {percent(self.fraction)} of patients with {who} stop within {self.weeks} weeks"


class PlasmaExchange(Happening):
    """A share of acute patients with these indications is treated by plasma exchange and needs no immunoglobulin."""

    kind: Literal["plasma_exchange"]
    weeks: Weeks
    fraction: Share
    indications: Indications

    @property
    def size(self) -> float:
        """Share of these patients so treated."""
        return self.fraction

    def describe(self) -> str:
        """One sentence for a chart or a log."""
        who = ", ".join(self.indications)
        return self.text or f"Plasma exchange for {percent(self.fraction)} of acute {who} {lasting(self.weeks)}"


Mitigation = Annotated[
    ContingencyStockRelease
    | NewSupplier
    | UkPlasma
    | ReviewDrive
    | Grade1Suspension
    | IntervalStretch
    | VialRounding
    | DoseOptimisation
    | TitrationTrial
    | Weaning
    | PlasmaExchange,
    Field(discriminator="kind"),
]


class HasMitigations(Model):
    """Part of a scenario that lists what is done about a shortage, in any order."""

    mitigation: tuple[Mitigation, ...] = ()
