"""Offers of vials where side limits hold: each draw is weighed against the fences, deliveries and infusion left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from allocation.dosing.vials import in_grams
from allocation.optimise.network import NONE, UNLIMITED, Ints, Network, SideRows
from allocation.optimise.offers import Offers
from allocation.optimise.shelf import Drawn, Shelf
from allocation.optimise.side_limits import SideLimits
from allocation.rules import NATIONAL

__all__ = ["LimitedOffers", "make_offers"]

Source = tuple[int, int]


@dataclass(slots=True)
class _Gathered:
    """Vials chosen for one patient, source by source, and what they come to."""

    parts: list[tuple[Source, dict[int, int]]] = field(default_factory=list)
    total_mg: int = 0


class LimitedOffers(Offers):
    """What each class may still be given within side limits.

    Sources are taken in order, each as far as its limits go. So that nobody is given less than somebody of the same
    need who comes later, a part of a course is never more than the last one of its kind.

    Attributes
    ----------
    into_left_mg, out_left_mg, infused_left_mg, courses_left
        What is left of the limits, by panel or place.
    fence_left_mg
        What is left inside each fence, by fence and place. Those inside draw on it first.
    """

    def __init__(self, net: Network, rows: SideRows, flows: pd.DataFrame, shelf: Shelf) -> None:
        super().__init__(net, flows, shelf)
        self.rows = rows
        self.into_left_mg: list[int] = rows.into_mg.tolist()
        self.out_left_mg: list[int] = rows.out_of_mg.tolist()
        self.infused_left_mg: list[int] = rows.infused_mg.tolist()
        self.courses_left: list[int] = rows.infused_courses.tolist()
        self.fence_left_mg: list[list[int]] = rows.fence_mg.tolist()
        self._course_mg = 1
        self._infused_mg = 0
        self._parts: dict[tuple[int, ...], int] = {}

    def meet(self, c: int, course_mg: int, drawn: Sequence[Drawn] = ()) -> None:
        """Say how large one course is of the patient who is offered something next, and what that one has already."""
        self._course_mg = max(course_mg, 1)
        self._infused_mg = sum(part.vial_mg * part.vials for part in drawn if self.rows.infuses[c, part.product])

    def counts_courses(self, c: int) -> bool:
        """Whether a panel's courses are counted, so that those of another size may not have what a patient could."""
        return bool(self.rows.infused_courses[self.net.panel[c]] < UNLIMITED)

    def _room_mg(self, panel: int) -> int:
        """What the courses that a panel can still infuse leave open for this patient, one begun among them."""
        begun = _courses(self._infused_mg, self._course_mg)
        return (self.courses_left[panel] + begun) * self._course_mg - self._infused_mg

    def limits_left(self) -> SideLimits | None:
        """What is left of every limit, fences among them."""
        problem = self.net.problem
        panels, places = problem.panels, (*problem.panels, NATIONAL)
        fences = () if problem.limits is None else problem.limits.fences

        def told(names: Sequence[str], limit: Ints, left: Sequence[int]) -> dict[str, int]:
            told = zip(names, limit.tolist(), left, strict=True)
            return {name: amount for name, most, amount in told if most < UNLIMITED}

        rows = self.rows
        return SideLimits(
            into_mg=told(panels, rows.into_mg, self.into_left_mg),
            out_of_mg=told(places, rows.out_of_mg, self.out_left_mg),
            switch_mg=self._switch_left(),
            infused_mg=told(panels, rows.infused_mg, self.infused_left_mg),
            infused_courses=told(panels, rows.infused_courses, self.courses_left),
            fences=tuple(
                replace(fence, mg={place: mg for place, mg in zip(places, left, strict=True) if mg})
                for fence, left in zip(fences, self.fence_left_mg, strict=True)
            ),
        )

    def _limited(self, c: int) -> bool:
        return self.net.limited_by_rows(self.pool_of(c))

    def outside_mg(self, c: int, place: int, product: int) -> int:
        """Milligrams at a place that lie in no fence which a class is outside of."""
        fences = [f for f, fenced in enumerate(self.rows.fence_product) if fenced == product]
        shut = sum(self.fence_left_mg[f][place] for f in fences if c == NONE or not self.rows.member[c, f])
        return max(int(self.shelf.mg[place, product]) - shut, 0)

    def may_hold(self, place: int, product: int, wanted_mg: int) -> int:
        """What lies in no fence, as far as it is wanted."""
        return min(wanted_mg, self.outside_mg(NONE, place, product))

    def planned(self, c: int, product: int, need_mg: int) -> list[Drawn]:
        """A whole course from the places and within the grams that the plan foresaw, or nothing."""
        if not self._limited(c):
            return super().planned(c, product, need_mg)
        foreseen = self._planned.get((int(self.net.panel[c]), product), {})
        order = [(place, product) for place in self.places(c) if place in foreseen]
        at_most = {(place, product): mg for place, mg in foreseen.items()}
        for sources in (*([source] for source in order), order):
            found = self._gather(c, need_mg, sources, at_most)
            if found.total_mg == need_mg:
                for (place, _), vials in found.parts:
                    foreseen[place] -= _sum(vials)
                return self._commit(c, found)
        return []

    def whole(self, c: int, need_mg: int) -> list[Drawn]:
        """A whole course of one product, from one place if possible, or nothing."""
        if not self._limited(c):
            return super().whole(c, need_mg)
        for product in self._by_plenty(c):
            order = self._sources(c, product)
            for sources in (*([source] for source in order), order):
                found = self._gather(c, need_mg, sources)
                if found.total_mg == need_mg:
                    return self._commit(c, found)
        return []

    def part(self, c: int, need_mg: int, least_mg: int, *, of: int = NONE) -> list[Drawn]:
        """The most of a course that some order of sources makes, if that is the least allowed or more."""
        if not self._limited(c):
            return super().part(c, need_mg, least_mg, of=of)
        by_product = [self._sources(c, product) for product in self._by_plenty(c) if of in (NONE, product)]
        every = [source for sources in by_product for source in sources]
        orders = [*([source] for source in every), *by_product, *([every] if self.mixes(c) else [])]
        kind: tuple[int, ...] = (c, need_mg, least_mg, of)
        if self.counts_courses(c):
            kind += (self._course_mg, self._infused_mg)
        wanted = min(need_mg, self._parts.get(kind, need_mg))
        best = _Gathered()
        for sources in orders:
            found = self._gather(c, wanted, sources)
            if found.total_mg > best.total_mg:
                best = found
        self._parts[kind] = best.total_mg
        return self._commit(c, best) if best.total_mg >= max(least_mg, 1) else []

    def _gather(
        self, c: int, need_mg: int, sources: Sequence[Source], at_most: Mapping[Source, int] | None = None
    ) -> _Gathered:
        """The most that sources in their order make of a need, all limits kept."""
        panel, own = int(self.net.panel[c]), int(self.net.own[c])
        into, vein = self.into_left_mg[panel], self.infused_left_mg[panel]
        vein = min(vein, self._room_mg(panel))
        other, out_of = self.switch_left_mg[panel], {place: self.out_left_mg[place] for place, _ in sources}
        found = _Gathered()
        for place, product in sources:
            most = min(need_mg - found.total_mg, self.outside_mg(c, place, product))
            if at_most is not None:
                most = min(most, at_most[place, product])
            away, infused = place != panel, bool(self.rows.infuses[c, product])
            switched = own not in (NONE, product)
            most = min(most, into, out_of[place]) if away else most
            most = min(most, vein) if infused else most
            most = min(most, other) if switched else most
            vials = self.shelf.best(place, product, most)
            mg = _sum(vials)
            if mg:
                found.parts.append(((place, product), vials))
                found.total_mg += mg
                into, vein, other = into - mg * away, vein - mg * infused, other - mg * switched
                out_of[place] -= mg * away
        return found

    def _commit(self, c: int, found: _Gathered) -> list[Drawn]:
        panel = int(self.net.panel[c])
        drawn: list[Drawn] = []
        infused = 0
        for (place, product), vials in found.parts:
            mg = _sum(vials)
            drawn += self.draw(c, [(place, product)], vials)
            if place != panel:
                self.into_left_mg[panel] -= mg
                self.out_left_mg[place] -= mg
            infused += mg * bool(self.rows.infuses[c, product])
            left = mg
            for fence, fenced in enumerate(self.rows.fence_product.tolist()):
                if fenced == product and self.rows.member[c, fence]:
                    part = min(left, self.fence_left_mg[fence][place])
                    self.fence_left_mg[fence][place] -= part
                    left -= part
        self.infused_left_mg[panel] -= infused
        begun = _courses(self._infused_mg, self._course_mg)
        self.courses_left[panel] -= _courses(self._infused_mg + infused, self._course_mg) - begun
        return drawn

    def left_of(self, c: int) -> list[int]:
        """Milligrams of each product that a class may draw on, without what is fenced off from it."""
        if not self._limited(c):
            return super().left_of(c)
        return [sum(self.outside_mg(c, place, product) for place in self.places(c)) for product in self.products(c)]

    def bound_by(self, c: int, missing_mg: int, of: int = NONE) -> tuple[str, str]:
        """The side limits that stand between a class and stock that would do, and what would change them.

        Both blank where none does: where there is not enough stock, it is stock that binds. ``of`` is the only product
        that would do; ``NONE`` where that is open.
        """
        if not self._limited(c):
            return "", ""
        panel = int(self.net.panel[c])
        code = self.net.problem.panels[panel]
        products = self.products(c) if of == NONE else [of]
        stock = {(p, q): self.outside_mg(c, p, q) for q in products for p in self.places(c)}
        found: list[tuple[str, str]] = []
        if self._most_mg(c, stock) < missing_mg:
            stock = {(p, q): int(self.shelf.mg[p, q]) for p, q in stock}
            if self._most_mg(c, stock) < missing_mg:
                return "", ""
            found.append(self._fence_words(c))
        found += self._infusion_words(c, missing_mg, stock)
        here = self._most_mg(c, {key: mg for key, mg in stock.items() if key[0] == panel})
        if here < missing_mg and self.into_left_mg[panel] < missing_mg - here:
            most = int(self.rows.into_mg[panel])
            more = in_grams(missing_mg - here - self.into_left_mg[panel])
            cause = f"deliveries into {code} have reached their limit of {in_grams(most)} g"
            found.append((cause, f"{more} g more delivered into {code}"))
        free = {(p, q): mg if p == panel else min(mg, self.out_left_mg[p]) for (p, q), mg in stock.items()}
        if self._most_mg(c, free) < missing_mg:
            places = (*self.net.problem.panels, NATIONAL)
            names = ", ".join(sorted({places[p] for (p, q), mg in stock.items() if free[p, q] < mg}))
            found.append((f"what is left at {names} may not leave it", f"more sent out of {names}"))
        causes, changes = zip(*found, strict=True) if found else ((), ())
        return " and ".join(causes), " and ".join(changes)

    def also_needed(self, c: int, missing_mg: int) -> str:
        """What stock at the own panel would need besides, to be given; blank where nothing."""
        if not self._limited(c):
            return ""
        panel = int(self.net.panel[c])
        stock = {(panel, product): missing_mg for product in self.products(c)}
        return " and ".join(change for _, change in self._infusion_words(c, missing_mg, stock))

    def _infusion_words(self, c: int, missing_mg: int, stock: Mapping[Source, int]) -> list[tuple[str, str]]:
        """What binds where the stock that would do can only be infused."""
        panel = int(self.net.panel[c])
        code = self.net.problem.panels[panel]
        if self._most_mg(c, {key: mg for key, mg in stock.items() if not self.rows.infuses[c, key[1]]}) >= missing_mg:
            return []
        found = []
        if self._room_mg(panel) < missing_mg:
            most, more = int(self.rows.infused_courses[panel]), missing_mg - self._room_mg(panel)
            courses = _courses(more, self._course_mg)
            room = f"room for {'one more course' if courses == 1 else f'{courses} more courses'} at {code}"
            found.append((f"{code} has used up the {most} courses it can infuse", room))
        if self.infused_left_mg[panel] < missing_mg:
            most, more = int(self.rows.infused_mg[panel]), missing_mg - self.infused_left_mg[panel]
            cause = f"{code} has used up the {in_grams(most)} g it can infuse"
            found.append((cause, f"room to infuse {in_grams(more)} g more at {code}"))
        return found

    def _most_mg(self, c: int, stock: Mapping[Source, int]) -> int:
        """The most that a patient of a class could be given of stock: of one product, or of several where mixed."""
        by_product: dict[int, int] = {}
        for (_, product), mg in stock.items():
            by_product[product] = by_product.get(product, 0) + mg
        return sum(by_product.values()) if self.mixes(c) else max(by_product.values(), default=0)

    def _fence_words(self, c: int) -> tuple[str, str]:
        fences = self.net.problem.limits.fences if self.net.problem.limits is not None else ()
        shut = [
            fence
            for number, fence in enumerate(fences)
            if not self.rows.member[c, number]
            and self.net.product_codes.index(fence.product) in self.products(c)
            and any(self.fence_left_mg[number][place] for place in self.places(c))
        ]
        products = ", ".join(dict.fromkeys(fence.product for fence in shut))
        whose = ", ".join(dict.fromkeys(fence.whose for fence in shut))
        return f"what is left of {products} is ring-fenced for {whose}", f"a smaller ring-fence of {products}"


def make_offers(net: Network, flows: pd.DataFrame, shelf: Shelf) -> Offers:
    """Offers for a network, with side limits where it has them."""
    return Offers(net, flows, shelf) if net.rows is None else LimitedOffers(net, net.rows, flows, shelf)


def _courses(mg: int, course_mg: int) -> int:
    """Courses that milligrams stand for, a part of one counted as one."""
    return -(-mg // course_mg)


def _sum(vials: Mapping[int, int]) -> int:
    return sum(size * count for size, count in vials.items())
