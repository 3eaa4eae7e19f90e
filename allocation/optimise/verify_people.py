"""What the demand table says of each patient, read again for the verifier, and what the patient list gives them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pandas as pd

from allocation.optimise.levers import STRETCH_COLUMN
from allocation.optimise.patients import PatientResult
from allocation.optimise.problem import CLASS_KEYS, class_keys, is_funded
from allocation.optimise.verify_rules import Rules, stage_number
from allocation.quantities import MG_PER_G

__all__ = ["People", "Person", "Vial", "fill_people", "read_people", "vial_totals"]

Vial = tuple[str, str, int]
"""Place, product, size in mg."""


@dataclass(slots=True)
class Person:
    """What the demand table says of one patient, and what the patient list gives."""

    panel: str
    grade: int
    stage: int
    own: str
    allowed: frozenset[str]
    due_mg: int
    funded: bool
    rank: tuple[int, bool, bool, int, float, str]
    route: str
    inside: frozenset[int]
    course_mg: int
    alike: tuple[object, ...]
    stretched: bool = False
    given_mg: int = 0
    told_mg: int = 0
    status: str = ""
    vials: list[tuple[Vial, int]] = field(default_factory=list)

    @property
    def lacking_mg(self) -> int:
        """What is due and not given."""
        return self.due_mg - self.given_mg

    @property
    def switched_mg(self) -> int:
        """What is given as another product than the recorded one."""
        return sum(v[2] * n for v, n in self.vials if self.own not in ("", v[1]))


People = Mapping[str, Person]


def _inside(rules: Rules, indication: str, situation: str) -> frozenset[int]:
    """Fences that a patient is inside, read again from the indication."""
    return frozenset(
        number
        for number, fence in enumerate(rules.fences)
        if fence.indication == indication and fence.situation in ("", situation)
    )


def read_people(rules: Rules, demand: pd.DataFrame, result: PatientResult) -> dict[str, Person]:
    """Everyone who is due anything, by identifier."""
    due = demand[(demand["due_mg"] > 0).to_numpy()]
    keys = class_keys(due)
    overdue = due["days_overdue"].tolist() if "days_overdue" in due else [0] * len(due)
    stretched = due[STRETCH_COLUMN].to_numpy() > 0 if STRETCH_COLUMN in due else [False] * len(due)
    priority = due["priority"].tolist() if "priority" in due else [0] * len(due)
    lottery = dict(zip(result.patients["patient_id"], result.patients["lottery"], strict=True))
    people = {}
    lines = zip(
        due["patient_id"].tolist(),
        due["due_mg"].tolist(),
        overdue,
        zip(priority, stretched, strict=True),
        is_funded(due).tolist(),
        *(due[name].tolist() if name in due else [""] * len(due) for name in ("indication", "situation")),
        (due["course_mg"] if "course_mg" in due else due["due_mg"]).tolist(),
        *(keys[name].tolist() for name in CLASS_KEYS),
        strict=True,
    )
    # Where a panel's courses are counted, those of another size may not have what these could.
    counted = {} if rules.problem.limits is None else rules.problem.limits.infused_courses
    for patient_id, due_mg, days, before, funded, indication, situation, course_mg, *key in lines:
        panel, grade, emergency, route, own, locked, fences = key
        # Where courses are reduced, those who can be stretched are served to a measure of their own.
        apart = bool(before[1]) and rules.reduces(grade)
        people[patient_id] = Person(
            panel=panel,
            grade=grade,
            stage=stage_number(rules.tier, grade, emergency=emergency),
            own=own,
            allowed=rules.allowed(route, own, locked=locked),
            due_mg=due_mg,
            funded=funded,
            rank=(
                *(int(before[0]), bool(before[1]) != rules.tier.stretches_last, not emergency, -int(days)),
                *(float(lottery.get(patient_id, 0.0)), patient_id),
            ),
            route=route,
            inside=_inside(rules, indication, situation),
            course_mg=course_mg,
            alike=(panel, grade, emergency, route, own, locked, fences, due_mg, apart, course_mg * (panel in counted)),
            stretched=bool(before[1]),
        )
    return people


def fill_people(people: People, result: PatientResult) -> None:
    """Add what each is given and what the list says of it."""
    frame = result.patients
    for patient_id, given_g, status in zip(frame["patient_id"], frame["given_g"], frame["status"], strict=True):
        people[patient_id].told_mg, people[patient_id].status = round(given_g * MG_PER_G), status
    names = ("patient_id", "location", "product", "vial_mg", "vials")
    for patient_id, place, product, size, count in zip(*(result.issues[n].tolist() for n in names), strict=True):
        people[patient_id].vials.append(((place, product, size), count))
        people[patient_id].given_mg += size * count


def vial_totals(vials: Iterable[tuple[int, int]], most: int, bits: int = 1) -> int:
    """Totals up to ``most`` that some of the vials make on top of others, as bits of a number."""
    mask = (1 << (most + 1)) - 1
    for size, count in vials:
        left, step = min(count, most // size), 1
        while left:
            used = min(step, left)
            bits |= (bits << (size * used)) & mask
            left, step = left - used, step * 2
    return bits & mask
