"""Offering vials to one patient: what may be drawn, from where, and how much of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from allocation.optimise.network import NONE, UNLIMITED, Bools, Ints, Network, Pool
from allocation.optimise.shelf import Drawn, Shelf, drawn_mg
from allocation.optimise.side_limits import SideLimits
from allocation.rules import NATIONAL

__all__ = ["Offers"]

_UNLIMITED = 2**62


class Offers:
    """What each class may still be given.

    Parameters
    ----------
    net
        Who may draw on what.
    flows
        The plan's: ``from_location``, ``panel``, ``product``, ``mg``.
    shelf
        The vials; what is given is taken off it.

    Attributes
    ----------
    switch_left_mg
        What each panel may still give as another product.
    held_once
        Whether a place held any of a product before anything was given or kept, shape (places, products).
    promised_mg
        What later stages are planned to have, shape (pools, products). It is offered last, not withheld.
    """

    def __init__(self, net: Network, flows: pd.DataFrame, shelf: Shelf) -> None:
        self.net, self.shelf = net, shelf
        self.held_once: Bools = net.stock_mg > 0
        limit = net.switch_limit_mg
        self.switch_left_mg = [_UNLIMITED] * net.n_panels if limit is None else limit.tolist()
        self._pool_of = {int(panel): pool for pool in net.pools for panel in pool.panels}
        self._number = {pool.name: number for number, pool in enumerate(net.pools)}
        self.promised_mg: Ints = np.zeros((len(net.pools), net.stock_mg.shape[1]), dtype=np.int64)
        self._panel, self._own, self._choice = net.panel.tolist(), net.own.tolist(), net.choice.tolist()
        tier = net.problem.tier
        self._mixes: list[bool] = [tier.mixes_products(grade) for grade in net.grade.tolist()]
        self._places: dict[int, list[int]] = {}
        self._products: dict[int, list[int]] = {}
        # Until something is put back, vials only go, and so does room to switch: what could not be made once never can.
        self._refused: set[tuple[int, ...]] = set()
        self._left: dict[int, list[int]] = {}
        self._left_after = -1
        place_of = {code: place for place, code in enumerate((*net.problem.panels, NATIONAL))}
        product_of = {code: place for place, code in enumerate(net.product_codes)}
        self._planned: dict[tuple[int, int], dict[int, int]] = {}
        columns = (flows[name].tolist() for name in ("from_location", "panel", "product", "mg"))
        for source, panel, product, mg in zip(*columns, strict=True):
            sources = self._planned.setdefault((place_of[panel], product_of[product]), {})
            sources[place_of[source]] = mg

    def pool_of(self, c: int) -> Pool:
        """Pool of a class."""
        return self._pool_of[self._panel[c]]

    def places(self, c: int) -> list[int]:
        """Places a class may draw on: the own panel, stock that no panel holds, the own region, others."""
        panel = self._panel[c]
        if panel not in self._places:
            region = self.net.problem.region_of
            rank = {self.net.n_panels: 1, panel: 0}
            self._places[panel] = sorted(
                self._pool_of[panel].locations.tolist(),
                key=lambda place: (
                    rank.get(place, 2 if place < len(region) and region[place] == region[panel] else 3),
                    place,
                ),
            )
        return self._places[panel]

    def products(self, c: int) -> list[int]:
        """Products a class may take, its own first."""
        if c not in self._products:
            own, choice = self._own[c], self._choice[c]
            others = [] if choice == NONE else [int(p) for p in self.net.choices[choice].nonzero()[0] if p != own]
            self._products[c] = others if own == NONE else [own, *others]
        return self._products[c]

    def _by_plenty(self, c: int) -> list[int]:
        """Products a class may take: its own, then those of which the most is not promised to later stages."""
        in_reach = self.shelf.mg[self.places(c)].sum(axis=0)
        spare = (in_reach - self.promised_mg[self._number[self.pool_of(c).name]]).tolist()
        own = self._own[c]
        return sorted(self.products(c), key=lambda product: (product != own, -spare[product], product))

    def planned_from(self, place: int, product: int) -> int:
        """What the plan still sends from a place of a product."""
        return sum(sources.get(place, 0) for (_, p), sources in self._planned.items() if p == product)

    def left_mg(self, c: int) -> int:
        """Milligrams that a class may draw on, vial sizes aside."""
        return sum(self.left_of(c))

    def left_of(self, c: int) -> list[int]:
        """The same by product, in the order of :meth:`products`."""
        if self._left_after != self.shelf.draws:
            self._left, self._left_after = {}, self.shelf.draws
        if c not in self._left:
            self._left[c] = self.shelf.mg[self.places(c)][:, self.products(c)].sum(axis=0).tolist()
        return self._left[c]

    def limits_left(self) -> SideLimits | None:
        """What is left of every limit, for an allocation that goes on from here; None where there is none."""
        quota = self._switch_left()
        return SideLimits(switch_mg=quota) if quota else None

    def _switch_left(self) -> dict[str, int]:
        limit = self.net.switch_limit_mg
        limits = () if limit is None else limit.tolist()
        panels = zip(self.net.problem.panels, limits, self.switch_left_mg, strict=False)
        return {panel: left for panel, most, left in panels if most < UNLIMITED}

    def meet(self, c: int, course_mg: int, drawn: Sequence[Drawn] = ()) -> None:
        """Say how large one course is of the patient who is offered something next, and what that one has already."""

    def may_hold(self, place: int, product: int, wanted_mg: int) -> int:
        """How much of what is wanted for the reserve may be held at a place: stock inside a fence may not."""
        del place, product
        return wanted_mg

    def bound_by(self, c: int, missing_mg: int, of: int = NONE) -> tuple[str, str]:
        """The side limits that a class ran into, and what would change them; blank here, where there are none."""
        del c, missing_mg, of
        return "", ""

    def counts_courses(self, c: int) -> bool:
        """Whether a panel's courses are counted, so that those of another size may not have what a patient could."""
        del c
        return False

    def also_needed(self, c: int, missing_mg: int) -> str:
        """What more stock would need besides, to be given; blank here, where there are no limits."""
        del c, missing_mg
        return ""

    def _may_give(self, c: int, product: int) -> int:
        """Milligrams of a product that the limit on switching lets a class have."""
        own = self._own[c]
        return _UNLIMITED if own in (NONE, product) else self.switch_left_mg[self._panel[c]]

    def draw(self, c: int, sources: Sequence[tuple[int, int]], vials: dict[int, int]) -> list[Drawn]:
        """Take vials for somebody of a class, from the first source that has them."""
        drawn = self.shelf.draw(sources, vials)
        own = self._own[c]
        if own != NONE:
            self.switch_left_mg[self._panel[c]] -= drawn_mg(part for part in drawn if part.product != own)
        return drawn

    def take_back(self, c: int, drawn: Sequence[Drawn]) -> None:
        """Put back what somebody of a class was given: not within side limits, which it does not give back."""
        self.shelf.put_back(drawn)
        own = self._own[c]
        if own != NONE:
            self.switch_left_mg[self._panel[c]] += drawn_mg(part for part in drawn if part.product != own)
        self._refused.clear()

    def planned(self, c: int, product: int, need_mg: int) -> list[Drawn]:
        """A whole course of a product from the places and within the grams that the plan foresaw, or nothing."""
        sources = self._planned.get((self._panel[c], product), {})
        if need_mg > self._may_give(c, product) or sum(sources.values()) < need_mg:
            return []
        order = [place for place in self.places(c) if place in sources]
        for place in order:
            if sources[place] >= need_mg:
                vials = self.shelf.best(place, product, need_mg)
                if _sum(vials) == need_mg:
                    sources[place] -= need_mg
                    return self.draw(c, [(place, product)], vials)
        parts, missing = [], need_mg
        for place in order:
            vials = self.shelf.best(place, product, min(missing, sources[place]))
            parts.append((place, vials))
            missing -= _sum(vials)
        if missing:
            return []
        drawn = []
        for place, vials in parts:
            sources[place] -= _sum(vials)
            drawn += self.draw(c, [(place, product)], vials)
        return drawn

    def whole(self, c: int, need_mg: int) -> list[Drawn]:
        """A whole course of one product from anywhere in reach, from one place if possible, or nothing."""
        kind = (self._panel[c], self._own[c], self._choice[c], need_mg)
        if kind in self._refused:
            return []
        places = self.places(c)
        there = self.shelf.mg[places]
        in_reach = there.sum(axis=0)
        for product in self._by_plenty(c):
            if in_reach[product] < need_mg or need_mg > self._may_give(c, product):
                continue
            for place, mg in zip(places, there[:, product].tolist(), strict=True):
                if mg >= need_mg:
                    vials = self.shelf.best(place, product, need_mg)
                    if _sum(vials) == need_mg:
                        return self.draw(c, [(place, product)], vials)
            sources = [(place, product) for place, mg in zip(places, there[:, product].tolist(), strict=True) if mg]
            vials = self.shelf.best_of(sources, need_mg)
            if _sum(vials) == need_mg:
                return self.draw(c, sources, vials)
        self._refused.add(kind)
        return []

    def mixes(self, c: int) -> bool:
        """Whether those of a class may be given several products at once."""
        return self._mixes[c]

    def part(self, c: int, need_mg: int, least_mg: int, *, of: int = NONE) -> list[Drawn]:
        """The most of a course that vials in reach make, if that is the least allowed or more.

        Of one product, or of several where the tier lets the grade have these and they make more; ``of`` names the only
        product asked for. The most that can be made only falls as vials go, so nobody is given less than somebody of
        the same need who comes later.
        """
        own = self._own[c]
        kind = (self._panel[c], own, self._choice[c], need_mg, least_mg, self.mixes(c), of)
        if kind in self._refused or self.left_mg(c) < least_mg:
            return []
        by_product = {product: self._sources(c, product) for product in self._by_plenty(c) if of in (NONE, product)}
        if of != NONE or not self.mixes(c):
            return self._part_of_one(c, by_product, need_mg, least_mg, kind)
        limit = min(self._may_give(c, NONE), need_mg)
        mine = by_product.get(own, []) if limit < need_mg else []
        others = [source for product, found in by_product.items() if not mine or product != own for source in found]
        from_mine, from_others = self._split(mine, others, need_mg, limit)
        if from_mine + from_others < least_mg:
            self._refused.add(kind)
            return []
        for product, found in by_product.items():
            vials = self.shelf.best_of(found, min(need_mg, self._may_give(c, product)))
            if _sum(vials) == from_mine + from_others:
                return self.draw(c, found, vials)
        drawn = self.draw(c, mine, self.shelf.best_of(mine, from_mine))
        return drawn + self.draw(c, others, self.shelf.best_of(others, from_others))

    def _part_of_one(
        self,
        c: int,
        by_product: Mapping[int, Sequence[tuple[int, int]]],
        need_mg: int,
        least_mg: int,
        kind: tuple[int, ...],
    ) -> list[Drawn]:
        """The most that a single product makes: the own one, then the most plentiful, where several make as much."""
        most, best = least_mg - 1, None
        for product, sources in by_product.items():
            vials = self.shelf.best_of(sources, min(need_mg, self._may_give(c, product)))
            if _sum(vials) > most:
                most, best = _sum(vials), (sources, vials)
                if most == need_mg:
                    break
        if best is None:
            self._refused.add(kind)
            return []
        return self.draw(c, *best)

    def _split(
        self, mine: list[tuple[int, int]], others: list[tuple[int, int]], need_mg: int, limit_mg: int
    ) -> tuple[int, int]:
        """Milligrams from one group of sources and from another, which is limited, that together give most."""
        if not mine:
            return 0, _sum(self.shelf.best_of(others, limit_mg))
        best = (0, 0)
        tried = limit_mg
        while True:
            second = _sum(self.shelf.best_of(others, tried))
            first = _sum(self.shelf.best_of(mine, need_mg - second))
            if first + second > sum(best):
                best = (first, second)
            if not second or first + second == need_mg:
                return best
            tried = second - 1

    def _sources(self, c: int, product: int) -> list[tuple[int, int]]:
        return [(place, product) for place in self.places(c) if self.shelf.counts(place, product)]


def _sum(vials: dict[int, int]) -> int:
    return sum(size * count for size, count in vials.items())
