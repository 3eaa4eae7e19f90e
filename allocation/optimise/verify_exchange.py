"""Checking, without a solver, that nobody goes short whom a single exchange of products would have helped.

Where the vials were dealt anew to the end, it must not be that somebody who goes short could be given more of a product
if one other patient gave its vials up and had the same grams of another product that is left. The program also looks
for exchanges between several patients and for other ways to share the vials of a product; those are not tried here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from allocation.optimise.patients import PatientResult
from allocation.optimise.verify_people import People, Person, vial_totals
from allocation.optimise.verify_rules import Rules

__all__ = ["exchange_broken"]

_Lot = list[tuple[int, int]]
"""Sizes in mg, and vials of each."""


def exchange_broken(rules: Rules, people: People, result: PatientResult) -> list[str]:
    """Pools that were searched to the end, and where an exchange would give somebody more."""
    broken = []
    searched = set(result.rearranged.searched)
    members: dict[str, list[Person]] = defaultdict(list)
    for person in people.values():
        if person.funded and person.stage >= 0 and (pool := rules.pool_of(person.panel)) in searched:
            members[pool].append(person)
    left: dict[str, dict[str, _Lot]] = defaultdict(lambda: defaultdict(list))
    names = ("location", "product", "vial_mg", "vials")
    pool_of = {place: name for name, places in rules.pools.items() for place in places}
    for place, product, size, count in zip(*(result.left[name].tolist() for name in names), strict=True):
        if place in pool_of:
            left[pool_of[place]][product].append((size, count))
    for pool, found in members.items():
        there = _Pool(rules, found, left[pool])
        helped = sum(1 for person in _kinds(found) if there.helped(person))
        if helped:
            broken.append(f"{helped} kinds of patients in {pool}")
    return broken


def _kinds(people: Sequence[Person]) -> Iterator[Person]:
    """One of each kind that goes short; who has several products is left out."""
    seen = set()
    for person in people:
        held = frozenset(product for (_, product, _), _ in person.vials)
        kind = (person.panel, person.grade, person.own, person.allowed, person.due_mg, person.given_mg, held)
        if person.lacking_mg and len(held) <= 1 and kind not in seen:
            seen.add(kind)
            yield person


def _lot(person: Person) -> _Lot:
    return [(size, count) for (_, _, size), count in person.vials]


def _product(person: Person) -> str:
    """The one product of a person; blank for none or several."""
    held = {product for (_, product, _), _ in person.vials}
    return held.pop() if len(held) == 1 else ""


class _Pool:
    """Patients of a pool, what is left in it, and what each panel has switched."""

    def __init__(self, rules: Rules, people: Sequence[Person], left: Mapping[str, _Lot]) -> None:
        self._rules, self._left = rules, left
        self._left_mg = {product: sum(size * count for size, count in lot) for product, lot in left.items()}
        self._most_left_mg = sum(sorted(self._left_mg.values())[-2:])
        self._having: dict[str, list[Person]] = defaultdict(list)
        self._switched: dict[str, int] = defaultdict(int)
        for person in people:
            self._switched[person.panel] += person.switched_mg
            if product := _product(person):
                self._having[product].append(person)

    def helped(self, person: Person) -> bool:
        """Whether a person could be given more of some product, were another given something else that is left."""
        least = max(self._rules.least_mg(person.grade, person.due_mg), person.given_mg + 1)
        # Whoever changes takes from what is left of one product, and the person from what is left of another.
        if self._most_left_mg + person.given_mg < least:
            return False
        return any(
            self._makes(person, least, product, other)
            for product in sorted(person.allowed)
            for other in self._having.get(product, ())
            # Those of earlier stages may have had to keep what they have.
            if other is not person and other.stage >= person.stage
        )

    def _makes(self, person: Person, least: int, product: str, other: Person) -> bool:
        """Whether it helps that another gives up a product."""
        mine, my_lot = _product(person), _lot(person)
        lot = [*self._left.get(product, []), *_lot(other), *(my_lot if mine == product else [])]
        for instead in sorted(other.allowed - {product}):
            if self._left_mg.get(product, 0) + self._left_mg.get(instead, 0) + person.given_mg < least:
                continue
            there = [*self._left.get(instead, []), *(my_lot if mine == instead else [])]
            room_mg = self._room_mg(person, product, other, instead)
            if (
                room_mg >= least
                and vial_totals(there, other.given_mg) >> other.given_mg
                and vial_totals(lot, room_mg).bit_length() > least
            ):
                return True
        return False

    def _room_mg(self, person: Person, product: str, other: Person, instead: str) -> int:
        """The most of a product that a person may have when another has something else; below 0 for no way."""
        limit = self._rules.switch_limit
        if limit is None:
            return person.due_mg
        used = {panel: self._switched[panel] for panel in (person.panel, other.panel)}
        used[person.panel] -= person.switched_mg
        used[other.panel] -= other.switched_mg
        used[other.panel] += other.given_mg if other.own not in ("", instead) else 0
        if any(mg > limit[panel] for panel, mg in used.items()):
            return -1
        return (
            person.due_mg
            if person.own in ("", product)
            else min(person.due_mg, limit[person.panel] - used[person.panel])
        )
