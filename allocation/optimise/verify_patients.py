"""Checking whole vials for patients from first principles."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import pandas as pd

from allocation.optimise.certificate import Check, check
from allocation.optimise.patients import PatientResult
from allocation.optimise.problem import CLASS_KEYS, Problem, class_keys, is_funded
from allocation.optimise.verify_rules import Rules, stage_number
from allocation.quantities import MG_PER_G

__all__ = ["verify_patients"]

Vial = tuple[str, str, int]
"""Place, product, size in mg."""

_REDUCED_TO = 6


@dataclass(slots=True)
class _Person:
    """What the demand table says of one patient, and what the patient list gives."""

    panel: str
    grade: int
    stage: int
    own: str
    allowed: frozenset[str]
    due_mg: int
    funded: bool
    rank: tuple[bool, int, float, str]
    alike: tuple[object, ...]
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


People = Mapping[str, _Person]


def verify_patients(problem: Problem, demand: pd.DataFrame, stock: pd.DataFrame, result: PatientResult) -> list[Check]:
    """Every check of a patient list.

    Parameters
    ----------
    demand, stock
        What :func:`allocation.optimise.patients.serve_patients` was given.
    """
    rules = Rules(problem)
    people = _people(rules, demand, result)
    listed = check("patients: everyone who is due is listed once", _listed_broken(people, result), "nobody is missing")
    if not listed.ok:
        return [listed]
    _fill(people, result)
    served = [person for person in people.values() if person.vials]
    found: tuple[tuple[str, list[str]], ...] = (
        ("patients: every vial of the stock is given, held or left", _vials_broken(stock, result)),
        ("patients: earliest expiry is given first", _expiry_broken(result)),
        ("patients: given is what the vials hold, at most what is due", _sums_broken(people)),
        ("patients: status says what was given", _status_broken(rules, people)),
        ("patients: products allowed by the tier", _products_broken(served)),
        ("patients: vials only from within reach", _reach_broken(rules, served)),
        ("patients: switching within its limit", _switch_broken(rules, served)),
        ("patients: nobody waits for what a later stage has", _priority_broken(rules, people, result)),
        ("patients: longest overdue first, then the lottery", _order_broken(people)),
        ("patients: reserve held as far as it was there", _reserve_broken(rules, people, result)),
        ("patients: rounding loss within its bound", _rounding_broken(people, result)),
    )
    return [listed, *(check(name, broken, f"{len(people)} patients") for name, broken in found)]


def _people(rules: Rules, demand: pd.DataFrame, result: PatientResult) -> dict[str, _Person]:
    due = demand[(demand["due_mg"] > 0).to_numpy()]
    keys = class_keys(due)
    overdue = due["days_overdue"].tolist() if "days_overdue" in due else [0] * len(due)
    lottery = dict(zip(result.patients["patient_id"], result.patients["lottery"], strict=True))
    people = {}
    lines = zip(
        due["patient_id"].tolist(),
        due["due_mg"].tolist(),
        overdue,
        is_funded(due).tolist(),
        *(keys[name].tolist() for name in CLASS_KEYS),
        strict=True,
    )
    for patient_id, due_mg, days, funded, panel, grade, emergency, route, own, locked in lines:
        people[patient_id] = _Person(
            panel=panel,
            grade=grade,
            stage=stage_number(rules.tier, grade, emergency=emergency),
            own=own,
            allowed=rules.allowed(route, own, locked=locked),
            due_mg=due_mg,
            funded=funded,
            rank=(not emergency, -int(days), float(lottery.get(patient_id, 0.0)), patient_id),
            alike=(panel, grade, emergency, route, own, locked, due_mg),
        )
    return people


def _listed_broken(people: People, result: PatientResult) -> list[str]:
    listed = result.patients["patient_id"]
    broken = ["a patient is listed twice"] if listed.duplicated().any() else []
    if set(listed) != set(people):
        broken.append(f"{len(set(people) - set(listed))} missing, {len(set(listed) - set(people))} too many")
    if not set(result.issues["patient_id"]) <= set(people):
        broken.append("vials are given to somebody unknown")
    return broken


def _fill(people: People, result: PatientResult) -> None:
    frame = result.patients
    for patient_id, given_g, status in zip(frame["patient_id"], frame["given_g"], frame["status"], strict=True):
        people[patient_id].told_mg, people[patient_id].status = round(given_g * MG_PER_G), status
    names = ("patient_id", "location", "product", "vial_mg", "vials")
    for patient_id, place, product, size, count in zip(*(result.issues[n].tolist() for n in names), strict=True):
        people[patient_id].vials.append(((place, product, size), count))
        people[patient_id].given_mg += size * count


def _batches(frame: pd.DataFrame) -> dict[tuple[object, ...], int]:
    """Vials by place, product, size and expiry (as text, empty where unknown)."""
    counted: dict[tuple[object, ...], int] = defaultdict(int)
    expiry = frame["expiry_date"] if "expiry_date" in frame else pd.Series(pd.NaT, index=frame.index)
    days = expiry.astype(str).replace("NaT", "").tolist()
    names = ("location", "product", "vial_mg", "vials")
    for place, product, size, count, day in zip(*(frame[name].tolist() for name in names), days, strict=True):
        counted[place, product, size, day] += count
    return counted


def _vials_broken(stock: pd.DataFrame, result: PatientResult) -> list[str]:
    balance = _batches(stock)
    for frame in (result.issues, result.held, result.left):
        for batch, count in _batches(frame).items():
            balance[batch] = balance.get(batch, 0) - count
            if count < 0:
                return ["a negative number of vials"]
    return [f"{batch[1]} of {batch[2]} mg at {batch[0]}" for batch, count in balance.items() if count]


def _expiry_broken(result: PatientResult) -> list[str]:
    last: dict[tuple[object, ...], str] = {}
    for (place, product, size, day), count in _batches(result.issues).items():
        if count:
            # Vials without a date come after all others.
            last[place, product, size] = max(last.get((place, product, size), ""), str(day) or "9999")
    broken = []
    for (place, product, size, day), count in _batches(result.left).items():
        if count and (str(day) or "9999") < last.get((place, product, size), ""):
            broken.append(f"{product} of {size} mg at {place}")
    return broken


def _sums_broken(people: People) -> list[str]:
    wrong = sum(person.given_mg != person.told_mg for person in people.values())
    above = sum(person.given_mg > person.due_mg for person in people.values())
    return [f"{wrong} differ"] * bool(wrong) + [f"{above} above what is due"] * bool(above)


def _status_broken(rules: Rules, people: People) -> list[str]:
    wrong = sum(person.status != _status_of(rules, person) for person in people.values())
    short = sum(
        person.status == "reduced" and person.given_mg < _least(rules, person.grade, person.due_mg)
        for person in people.values()
    )
    return [f"{wrong} wrong"] * bool(wrong) + [f"{short} reduced further than the tier allows"] * bool(short)


def _status_of(rules: Rules, person: _Person) -> str:
    if not person.funded:
        return "not_funded" if not person.given_mg else "given though not funded"
    if person.given_mg == person.due_mg:
        return "treated"
    if person.given_mg:
        return "reduced"
    return "suspended" if person.grade in rules.tier.suspend_grades else "deferred"


def _least(rules: Rules, grade: int, due_mg: int) -> int:
    """The least that may be given in place of a whole course."""
    treated_as = grade or 1
    if treated_as in rules.tier.reduce_grades:
        return max(math.ceil(round(rules.tier.smallest_reduced_share * due_mg, _REDUCED_TO)), 1)
    return due_mg if treated_as in rules.tier.defer_grades else 1


def _products_broken(served: Iterable[_Person]) -> list[str]:
    wrong = [v[1] for person in served for v, _ in person.vials if v[1] not in person.allowed]
    return [f"{product} where it is not allowed" for product in wrong]


def _reach_broken(rules: Rules, served: Iterable[_Person]) -> list[str]:
    return [
        f"{v[0]} to {person.panel}"
        for person in served
        for v, _ in person.vials
        if not rules.in_reach(v[0], person.panel)
    ]


def _switched(served: Iterable[_Person]) -> dict[str, int]:
    total: dict[str, int] = defaultdict(int)
    for person in served:
        total[person.panel] += person.switched_mg
    return total


def _switch_broken(rules: Rules, served: Iterable[_Person]) -> list[str]:
    limit = rules.switch_limit
    return [] if limit is None else [panel for panel, mg in _switched(served).items() if mg > limit[panel]]


def _priority_broken(rules: Rules, people: People, result: PatientResult) -> list[str]:
    """Stages of whom somebody could use what is left, or what later stages were given."""
    broken = []
    staged = [person for person in people.values() if person.funded and person.stage >= 0]
    pool_of = {place: name for name, places in rules.pools.items() for place in places}
    for stage, rule in enumerate(rules.tier.stage):
        free: dict[str, dict[tuple[str, int], int]] = defaultdict(lambda: defaultdict(int))
        sources = [result.left] if stage else [result.left, result.held]
        for frame in sources:
            for (place, product, size, _), count in _batches(frame).items():
                if place in pool_of:
                    free[pool_of[str(place)]][str(product), int(str(size))] += count
        later = [person for person in staged if person.stage > stage]
        for person in later:
            for (place, product, size), count in person.vials:
                if place in pool_of:
                    free[pool_of[place]][product, size] += count
        switched = _switched(person for person in staged if person.stage <= stage)
        waiting = [person for person in staged if person.stage == stage and person.lacking_mg]
        pools = {person.panel: rules.pool_of(person.panel) for person in waiting}
        could = sum(_could_use(rules, person, free[pools[person.panel]], switched) for person in waiting)
        if could:
            broken.append(f"{could} of {rule.name}")
    return broken


def _could_use(rules: Rules, person: _Person, free: Mapping[tuple[str, int], int], switched: Mapping[str, int]) -> bool:
    limit = rules.switch_limit
    room = person.lacking_mg if limit is None else limit[person.panel] - switched.get(person.panel, 0)
    own = [(size, n) for (p, size), n in free.items() if n and p == person.own and size <= person.lacking_mg]
    others = [
        (size, n)
        for (product, size), n in free.items()
        if n and product in person.allowed and product != person.own and size <= person.lacking_mg
    ]
    if person.own:
        others = [(size, n) for size, n in others if size <= room]
    if person.given_mg:
        return bool(own or others)
    least = _least(rules, person.grade, person.due_mg)
    if sum(size * n for size, n in own + others) < least:
        return False
    most_other = person.due_mg if not person.own else min(room, person.due_mg)
    return _totals(own, person.due_mg, _totals(others, most_other)).bit_length() - 1 >= least


def _totals(vials: Iterable[tuple[int, int]], most: int, bits: int = 1) -> int:
    """Totals up to ``most`` that some of the vials make on top of others, as bits of a number."""
    mask = (1 << (most + 1)) - 1
    for size, count in vials:
        left, step = min(count, most // size), 1
        while left:
            used = min(step, left)
            bits |= (bits << (size * used)) & mask
            left, step = left - used, step * 2
    return bits & mask


def _order_broken(people: People) -> list[str]:
    """Of patients alike in all but how long they have waited, those who come first get no less."""
    groups: dict[tuple[object, ...], list[_Person]] = defaultdict(list)
    for person in people.values():
        if person.funded:
            groups[person.alike].append(person)
    wrong = 0
    for group in groups.values():
        given = [person.given_mg for person in sorted(group, key=lambda person: person.rank)]
        wrong += any(later > earlier for earlier, later in pairwise(given))
    return [f"{wrong} groups out of order"] * bool(wrong)


def _reserve_broken(rules: Rules, people: People, result: PatientResult) -> list[str]:
    broken = []
    held: dict[str, int] = defaultdict(int)
    names = ("pool", "location", "product", "vial_mg", "vials")
    for pool, place, product, size, count in zip(*(result.held[n].tolist() for n in names), strict=True):
        held[pool] += size * count
        if place not in rules.pools[pool] or "IV" not in rules.routes[product]:
            broken.append(f"{product} of {place} held for {pool}")
    for pool, wanted in rules.reserve.items():
        if held[pool] >= wanted:
            continue
        left = [(str(p), n) for (at, p, _, _), n in _batches(result.left).items() if at in rules.pools[pool]]
        left += [
            (v[1], n)
            for person in people.values()
            if person.stage > 0
            for v, n in person.vials
            if v[0] in rules.pools[pool]
        ]
        if any(n and "IV" in rules.routes[product] for product, n in left):
            broken.append(f"{pool} holds {held[pool]} mg of {wanted} mg though more was there")
    return broken


def _rounding_broken(people: People, result: PatientResult) -> list[str]:
    broken = []
    lost = 0
    for stage, told in enumerate(result.rounding):
        given = sum(person.given_mg for person in people.values() if person.funded and person.stage == stage)
        lost += told.planned_mg - given
        if told.given_mg != given or told.lost_mg != lost:
            broken.append(f"{told.stage} is told wrongly")
        if lost > told.bound_mg:
            broken.append(f"{told.stage} loses {lost} mg, more than {told.bound_mg} mg")
    return broken
