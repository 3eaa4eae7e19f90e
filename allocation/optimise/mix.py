"""Patients as they are served, and what the planned mix of levers means for each of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from allocation.optimise.network import Network
from allocation.optimise.shelf import Drawn

__all__ = ["Aim", "Patient", "PlannedMix", "least_mg", "vials_worth", "without"]


@dataclass(slots=True)
class Patient:
    """One patient who may be served: class ``c`` of the network, and ``rank``, the place in the order of a cell."""

    row: int
    c: int
    grade: int
    due_mg: int
    rank: tuple[int, bool, bool, int, float, str]
    course_mg: int = 0
    drawn: list[Drawn] = field(default_factory=list)
    given_mg: int = 0
    reason: str = ""
    change: str = ""
    stretch: bool = False


def least_mg(net: Network, grade: int, due_mg: int) -> int:
    """The least that may be given in place of a whole course.

    A grade that the tier lets be reduced gets at least the tier's smallest share. One that may only wait gets a whole
    course or nothing. One that may neither be reduced nor wait gets whatever there is. Ungraded patients, who come
    after grade 1, are dealt with as grade 1 is.
    """
    tier = net.problem.tier
    grade = max(grade, 1)
    if grade in tier.reduce_grades:
        # Down to the milligram, so that half of an odd number does not ask for more than half.
        return max(1, math.ceil(round(due_mg * tier.smallest_share(grade), 6)))
    return due_mg if grade in tier.defer_grades else 1


@dataclass(frozen=True, slots=True)
class Aim:
    """What the mix foresees for a patient: whether anything, how much, and the least of it that counts as served."""

    planned: bool
    mg: int
    least_mg: int


class PlannedMix:
    """The planned mix of levers, for each class and then for its patients.

    Attributes
    ----------
    given_mg
        Planned for each class.
    """

    def __init__(self, net: Network, table: pd.DataFrame) -> None:
        if net.levers is None:
            raise ValueError("a plan with a mix of levers needs a tier that orders them")
        self.net, self._levers = net, net.levers
        class_of = {class_id: c for c, class_id in enumerate(net.class_id.tolist())}
        columns = (table["class_id"].tolist(), table["given_mg"].tolist())
        self.given_mg = {class_of[class_id]: mg for class_id, mg in zip(*columns, strict=True)}

    def reduces(self, classes: Iterable[int]) -> bool:
        """Whether in any of the classes courses are reduced before another lever is used."""
        return any(part.least_mg < part.due_mg for c in set(classes) for part in self._levers.parts(c))

    def aims(self, patients: Sequence[Patient]) -> dict[int, Aim]:
        """What is foreseen for each patient, by row.

        Those of a part of a class are served in their order as far as the courses planned for it go, all to the same
        share of the course. The course that the plan does not make whole is left to what vials leave over.
        """
        members: dict[tuple[int, bool], list[Patient]] = {}
        for patient in sorted(patients, key=lambda patient: patient.rank):
            members.setdefault((patient.c, patient.stretch), []).append(patient)
        aims: dict[int, Aim] = {}
        for c in {patient.c for patient in patients}:
            for part, mg, courses_mg in self._levers.filled(c, self.given_mg[c]):
                reached = 0
                for patient in members.get((c, part.lever == "stretch"), []):
                    reached += patient.due_mg
                    least = least_mg(self.net, patient.grade, patient.due_mg)
                    least = least if part.least_mg < part.due_mg else patient.due_mg
                    share = patient.due_mg * mg // courses_mg if courses_mg else 0
                    aims[patient.row] = Aim(0 < reached <= courses_mg, max(least, share), least)
        return aims


def vials_worth(drawn: Sequence[Drawn], low_mg: int, high_mg: int) -> list[Drawn]:
    """Some of the vials that come to as little as may be within two bounds; nothing where none do."""
    made: dict[int, tuple[int, ...]] = {0: ()}
    for part in drawn:
        for total, counts in list(made.items()):
            for vials in range(part.vials + 1):
                more = total + part.vial_mg * vials
                if more <= high_mg and (vials == 0 or more not in made):
                    made[more] = (*counts, vials)
    worth = min((total for total in made if low_mg <= total), default=0)
    return (
        [replace(part, vials=vials) for part, vials in zip(drawn, made[worth], strict=True) if vials] if worth else []
    )


def without(drawn: Sequence[Drawn], taken: Sequence[Drawn]) -> list[Drawn]:
    """What is left when some of the vials are given away."""
    left = list(drawn)
    for part in taken:
        at = next(n for n, one in enumerate(left) if replace(one, vials=part.vials) == part and one.vials >= part.vials)
        left[at] = replace(left[at], vials=left[at].vials - part.vials)
    return [part for part in left if part.vials]
