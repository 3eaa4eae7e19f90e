"""Dealing vials anew: who goes short is given more, while others have other vials or another product of the same grams.

The offers go one by one, so what is left may be too little of each product for anybody, though together it would make
a course: somebody of several could take another product, and those who share a product the vials in another way. The
small integer program of :mod:`allocation.optimise.exchange` finds out, for one patient of a stage after the other in
the order of the offers. Nobody is given less than before.

What may be rearranged together is a *part*: the products that the patient may be given, those that whoever has one of
them may be given, and so on. In a small part anyone may be given another product; in a larger one, one patient for each
who asks, else the program takes long; in a still larger one nothing is tried, as little is left over there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from allocation.errors import SolverError
from allocation.optimise.exchange import Exchange, Found, Group, most_by_exchange
from allocation.optimise.linear import OpenSession
from allocation.optimise.mix import Patient, least_mg
from allocation.optimise.network import NONE
from allocation.optimise.offers import Offers
from allocation.optimise.packing import packed
from allocation.optimise.shelf import Drawn, Vials, drawn_mg

__all__ = ["Rearranged", "Rearranging"]

# Sizes of parts, by what they bring and take: "Vials dealt anew" in tests/benchmark/README.md.
_ANYONE = 20
_ONE = 80

_Kind = tuple[int, int, int]
_Deal = dict[int, list[tuple[Patient, Vials]]]
_Dealt = list[tuple[Patient, list[Drawn]]]


@dataclass(slots=True)
class Rearranged:
    """What came of it.

    Attributes
    ----------
    asked
        Questions put to the program.
    given_more
        How often a patient was given more.
    more_mg
        How much more, all together.
    unproven
        Questions whose answer was not proven, or proven and not packed into whole vials.
    searched
        Pools in which every question was asked and answered.
    """

    asked: int = 0
    given_more: int = 0
    more_mg: int = 0
    unproven: int = 0
    searched: tuple[str, ...] = ()

    def with_those_of(self, other: Rearranged) -> Rearranged:
        """Both together; a pool is searched where it is in both."""
        return Rearranged(
            asked=self.asked + other.asked,
            given_more=self.given_more + other.given_more,
            more_mg=self.more_mg + other.more_mg,
            unproven=self.unproven + other.unproven,
            searched=tuple(pool for pool in self.searched if pool in other.searched),
        )


@dataclass(slots=True)
class _Part:
    """Products that hang together, and the patients who have them and may be given others."""

    products: list[int]
    members: list[Patient]


@dataclass(slots=True)
class Rearranging:
    """Asks the program and deals the vials anew.

    Attributes
    ----------
    offers
        Vials left and limits on switching; both are kept up to date.
    told
        What came of it so far.
    stopped
        Whether nothing is dealt anew any more.
    """

    offers: Offers
    opener: OpenSession
    told: Rearranged = field(default_factory=Rearranged)
    stopped: bool = False
    _never: set[_Kind] = field(default_factory=set)
    _not_now: set[_Kind] = field(default_factory=set)
    _passed_by: set[str] = field(default_factory=set)
    # Parts of one pool by the products asked for, and who has what: as long as nothing is drawn.
    _parts_of: tuple[str, int] = ("", -1)
    _parts: dict[tuple[int, ...], _Part] = field(default_factory=dict)
    _having: dict[tuple[int, int], list[Patient]] = field(default_factory=dict)

    def finish(self) -> Rearranged:
        """What came of it, with the pools that were searched to the end."""
        pools = (pool.name for pool in self.offers.net.pools if not self.offers.net.limited_by_rows(pool))
        self.told.searched = () if self.stopped else tuple(pool for pool in pools if pool not in self._passed_by)
        return self.told

    def stop(self) -> None:
        """Deal nothing anew from here on."""
        self.stopped = True

    def begin(self) -> None:
        """Begin with the patients of another stage."""
        self._never.clear()
        self._not_now.clear()
        self._parts_of = ("", -1)

    def more_for(self, patient: Patient, others: Sequence[Patient]) -> _Dealt:
        """What everybody has when a patient is given as much as can be; nothing where that is no more than now.

        Parameters
        ----------
        patient
            Somebody who goes short.
        others
            Those of the pool whose vials may be dealt anew, the patient among them or not. Who has several products
            keeps the vials.

        Returns
        -------
        list
            The patient and everybody whose vials are others now, with the vials. They are taken off the shelf.
        """
        kind = (patient.c, patient.due_mg, patient.given_mg)
        if kind in self._never or kind in self._not_now:
            return []
        net, pool = self.offers.net, self.offers.pool_of(patient.c)
        part = self._part(patient, others)
        left_mg = int(self.offers.shelf.mg[pool.locations][:, part.products].sum())
        least = max(least_mg(net, patient.grade, patient.due_mg), patient.given_mg + 1)
        if left_mg + patient.given_mg < least:
            self._never.add(kind)
            return []
        members = part.members if len(part.members) > _ONE + 1 else [one for one in part.members if one is not patient]
        if len(members) > _ONE:
            self._not_now.add(kind)
            self._passed_by.add(pool.name)
            return []
        free = len(members) <= _ANYONE
        asked, groups = self._question(patient, part.products, members, least, most_changed=None if free else 1)
        self.told.asked += 1
        try:
            found = most_by_exchange(asked, self.opener)
        except SolverError:
            return self._not_proven(kind, pool.name)
        if found is None:
            # Others only ever come to have more, so what could not be made once never can: unless only few may be
            # changed, or patients of another part may come to leave more of the limit on switching.
            (self._never if free and not asked.switch_mg else self._not_now).add(kind)
            return []
        deal = self._packed(patient, found, groups)
        if deal is None:
            return self._not_proven(kind, pool.name)
        self.told.given_more += 1
        self.told.more_mg += found.mg - patient.given_mg
        self._not_now.clear()
        if patient.drawn and _only_product(patient) is None:
            # Vials of several products were nobody else's to have, and now are.
            self._never.clear()
        return self._dealt(patient, deal)

    def _not_proven(self, kind: _Kind, pool: str) -> _Dealt:
        self.told.unproven += 1
        self._never.add(kind)
        self._passed_by.add(pool)
        return []

    def _part(self, patient: Patient, others: Sequence[Patient]) -> _Part:
        """The part of a patient, who is a member of it where something was given."""
        draws, pool = self.offers.shelf.draws, self.offers.pool_of(patient.c).name
        if (pool, draws) != self._parts_of:
            self._parts, self._parts_of = {}, (pool, draws)
            self._having = {}
            for other in others:
                if (product := _only_product(other)) is not None:
                    self._having.setdefault((other.c, product), []).append(other)
        wanted = tuple(self.offers.products(patient.c))
        if wanted not in self._parts:
            products, grown = set(wanted), True
            while grown:
                held = {c for c, product in self._having if product in products}
                more = {product for c in held for product in self.offers.products(c)}
                grown = not more <= products
                products |= more
            members = [one for (_, product), of in self._having.items() if product in products for one in of]
            self._parts[wanted] = _Part(sorted(products), members)
        return self._parts[wanted]

    def _question(
        self,
        patient: Patient,
        products: Sequence[int],
        members: Sequence[Patient],
        least: int,
        *,
        most_changed: int | None,
    ) -> tuple[Exchange, list[list[Patient]]]:
        """The question, and the patients of each of its groups, the first in the order first."""
        net, offers = self.offers.net, self.offers
        limited = net.switch_limit_mg is not None
        alike: dict[tuple[int, int, tuple[int, ...], int], list[Patient]] = {}
        for member in sorted(members, key=lambda member: member.rank):
            panel = int(net.panel[member.c]) if limited else 0
            key = (panel, int(net.own[member.c]), tuple(offers.products(member.c)), member.given_mg)
            alike.setdefault(key, []).append(member)
        keys = sorted(alike)
        groups = tuple(Group(*key, now=_counted(alike[key])) for key in keys)
        asks_at = int(net.panel[patient.c]) if limited else 0
        own = int(net.own[patient.c])
        vials = {product: self._left(patient, product) for product in products}
        switched = {asks_at: _switched_mg(own, patient.drawn)}
        for product, there in vials.items():
            _add(there, product, [*members, patient])
        for key in keys:
            for member in alike[key]:
                switched[key[0]] = switched.get(key[0], 0) + _switched_mg(key[1], member.drawn)
        asked = Exchange(
            *(asks_at, own, tuple(offers.products(patient.c))),
            least_mg=least,
            due_mg=patient.due_mg,
            groups=groups,
            vials=vials,
            switch_mg={panel: mg + offers.switch_left_mg[panel] for panel, mg in switched.items()} if limited else {},
            most_changed=most_changed,
        )
        return asked, [alike[key] for key in keys]

    def _left(self, patient: Patient, product: int) -> Vials:
        """Vials of a product left in the pool."""
        return self.offers.shelf.together([(place, product) for place in self.offers.places(patient.c)])

    def _packed(self, patient: Patient, found: Found, groups: Sequence[Sequence[Patient]]) -> _Deal | None:
        """Vials for the patient and for whoever must be given others, by product; None where they cannot be packed."""
        need = {member.row: member.given_mg for group in groups for member in group} | {patient.row: found.mg}
        moves = _Moves.of(found, groups)
        moves.coming.setdefault(found.product, []).append(patient)
        deal: _Deal = {}
        for product, coming in sorted(moves.coming.items()):
            vials = self._left(patient, product)
            _add(vials, product, [patient, *moves.going.get(product, [])])
            served = coming
            made = packed([need[one.row] for one in served], vials)
            if made is None:
                # Those who keep the product may have to share its vials in another way.
                staying = moves.staying.get(product, [])
                _add(vials, product, staying)
                served = [*coming, *staying]
                made = packed([need[one.row] for one in served], vials)
            if made is None:
                return None
            deal[product] = list(zip(served, made, strict=True))
        return deal

    def _dealt(self, patient: Patient, deal: _Deal) -> _Dealt:
        """Put back the vials of all concerned and draw the new ones, those of each one's own panel first."""
        offers = self.offers
        for lots in deal.values():
            for one, _ in lots:
                offers.take_back(one.c, one.drawn)
        new: dict[int, tuple[Patient, list[Drawn]]] = {}
        for product, lots in deal.items():
            missing = [dict(vials) for _, vials in lots]
            for near in (True, False):
                for (one, _), vials in zip(lots, missing, strict=True):
                    places = offers.places(one.c)
                    drawn = self._drawn(one, product, places[:1] if near else places, vials)
                    new.setdefault(one.row, (one, []))[1].extend(drawn)
        # The patient last: everybody else has the grams they had.
        return sorted(new.values(), key=lambda item: (item[0] is patient, item[0].rank))

    def _drawn(self, patient: Patient, product: int, places: Sequence[int], vials: Vials) -> list[Drawn]:
        """Draw what some places have of the vials that a patient still misses, and count it off."""
        sources = [(place, product) for place in places]
        there = self.offers.shelf.together(sources)
        now = {size: min(count, there.get(size, 0)) for size, count in vials.items()}
        for size, count in now.items():
            vials[size] -= count
        return self.offers.draw(patient.c, sources, now)


@dataclass(slots=True)
class _Moves:
    """Who comes to a product, who leaves it and who stays, the first in the order staying first."""

    coming: dict[int, list[Patient]] = field(default_factory=dict)
    going: dict[int, list[Patient]] = field(default_factory=dict)
    staying: dict[int, list[Patient]] = field(default_factory=dict)

    @classmethod
    def of(cls, found: Found, groups: Sequence[Sequence[Patient]]) -> _Moves:
        """Moves from what each member of the groups has to what was found."""
        moves = cls()
        for group, after in zip(groups, found.after, strict=True):
            room, moving = dict(after), []
            for member in group:
                product = member.drawn[0].product
                stays = room.get(product, 0) > 0
                (moves.staying if stays else moves.going).setdefault(product, []).append(member)
                if stays:
                    room[product] -= 1
                else:
                    moving.append(member)
            to = [product for product in sorted(room) for _ in range(room[product])]
            for product, member in zip(to, moving, strict=True):
                moves.coming.setdefault(product, []).append(member)
        return moves


def _only_product(patient: Patient) -> int | None:
    """The one product that a patient has; None for none or several."""
    products = {drawn.product for drawn in patient.drawn}
    return products.pop() if len(products) == 1 else None


def _counted(patients: Sequence[Patient]) -> dict[int, int]:
    """Patients by the product they have."""
    counted: dict[int, int] = {}
    for patient in patients:
        product = patient.drawn[0].product
        counted[product] = counted.get(product, 0) + 1
    return counted


def _switched_mg(own: int, drawn: Sequence[Drawn]) -> int:
    return 0 if own == NONE else drawn_mg(part for part in drawn if part.product != own)


def _add(vials: Vials, product: int, patients: Sequence[Patient]) -> None:
    """Add what patients have of a product."""
    for patient in patients:
        for drawn in patient.drawn:
            if drawn.product == product:
                vials[drawn.vial_mg] = vials.get(drawn.vial_mg, 0) + drawn.vials
