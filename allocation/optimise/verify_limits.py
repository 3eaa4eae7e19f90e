"""Side limits checked from first principles, and what a plan within them leaves no room for.

With limits across products what can be delivered is no flow any more, so paths of changes prove nothing by themselves.
Here every single exchange is tried instead: grams from the shelf to a class that lacks them, or from one class to
another, weighed against every limit they touch. An exchange that keeps all limits and serves an earlier stage, or a
lower share, shows a fault; chains of several exchanges are not tried, and the check says so. Where deliveries are
limited, what lies at a place inside fences that a class is outside of counts as not there for it, used or not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, combinations

from allocation.optimise.verify_rules import Amounts, DemandClass, Rules

__all__ = ["Exchange", "fence_broken", "limits_broken"]

Key = tuple[object, ...]
# What rounding down line by line may leave unused anywhere, in milligrams and in courses.
_SPARE_MG = 1000
_SPARE_COURSES = 0.05
_ROUNDING_COURSES = 1e-6
# Beyond so many fences around one product only single ones and all together are looked at.
_MOST_SUBSETS = 8


def fence_sets(rules: Rules, product: str) -> list[frozenset[int]]:
    """Sets of fences around a product: those inside only these may use what lies outside of all the others."""
    fences = [n for n, fence in enumerate(rules.fences) if fence.product == product]
    if len(fences) > _MOST_SUBSETS:
        return [frozenset(), *(frozenset(fences) - {n} for n in fences)]
    subsets = chain.from_iterable(combinations(fences, size) for size in range(len(fences)))
    return [frozenset(subset) for subset in subsets]


def fence_broken(
    rules: Rules, used: Mapping[tuple[str, frozenset[int]], int], places: Iterable[str], where: str
) -> list[str]:
    """Products of which those outside a fence have more than lies outside of it.

    Parameters
    ----------
    used
        Milligrams by product and the fences that the user is inside.
    places
        Places whose stock it came from.
    """
    broken = []
    for product in {fence.product for fence in rules.fences}:
        inside = list(places)
        stock = sum(rules.stock.get((place, product), 0) for place in inside)
        for allowed in fence_sets(rules, product):
            kept = _fenced(rules, product, allowed, inside)
            out = sum(mg for (p, member), mg in used.items() if p == product and not member & _of(rules, p) - allowed)
            if kept and out > stock - kept:
                broken.append(f"{product} {where}")
                break
    return broken


def _of(rules: Rules, product: str) -> frozenset[int]:
    return frozenset(n for n, fence in enumerate(rules.fences) if fence.product == product)


def _fenced(rules: Rules, product: str, allowed: frozenset[int], places: Iterable[str]) -> int:
    """Milligrams inside fences other than those allowed."""
    others = [f for n, f in enumerate(rules.fences) if f.product == product and n not in allowed]
    return sum(fence.mg.get(place, 0) for place in places for fence in others)


def limits_broken(rules: Rules, flows: Amounts, infused_mg: Amounts, courses: Mapping[str, float]) -> list[str]:
    """Panels and places at which more is brought, sent or infused than may be.

    Parameters
    ----------
    flows
        Milligrams by (place, panel, product).
    infused_mg, courses
        Milligrams by (panel,), and courses by panel.
    """
    limits = rules.problem.limits
    if limits is None:
        return []
    into: dict[str, int] = defaultdict(int)
    out_of: dict[str, int] = defaultdict(int)
    for (place, panel, _), mg in flows.items():
        if place != panel:
            into[panel] += mg
            out_of[place] += mg
    broken = [f"into {panel}" for panel, most in limits.into_mg.items() if into[panel] > most]
    broken += [f"out of {place}" for place, most in limits.out_of_mg.items() if out_of[place] > most]
    broken += [f"infused at {p}" for p, most in limits.infused_mg.items() if infused_mg.get((p,), 0) > most]
    return broken + [
        f"courses at {p}" for p, most in limits.infused_courses.items() if courses.get(p, 0) > most + _ROUNDING_COURSES
    ]


class Exchange:
    """Exchanges that the plan of one pool leaves open.

    Parameters
    ----------
    given, flows, held
        Milligrams by (class, product), by (place, panel, product), and by (pool, product).
    """

    def __init__(self, rules: Rules, pool: str, given: Amounts, flows: Amounts, held: Amounts) -> None:
        self.rules, self.pool, self.places = rules, pool, rules.pools[pool]
        here = set(self.places)
        self.classes = [c for c in rules.classes.values() if c.panel in here and c.stage >= 0 and c.due_mg > 0]
        mine = {c.id for c in self.classes}
        self.given: dict[int, dict[str, int]] = defaultdict(dict)
        for (class_id, product), mg in given.items():
            if class_id in mine and mg:
                self.given[class_id][product] = mg
        self.held = {product: mg for (name, product), mg in held.items() if name == pool and mg}
        self.flows = {key: mg for key, mg in flows.items() if key[1] in here}
        self.left: dict[tuple[str, str], int] = {
            (place, product): mg for (place, product), mg in rules.stock.items() if place in here
        }
        self.sources: dict[tuple[str, str], list[str]] = defaultdict(list)
        for (place, panel, product), mg in self.flows.items():
            self.left[place, product] = self.left.get((place, product), 0) - mg
            if mg > _SPARE_MG:
                self.sources[panel, product].append(place)
        self.cell_mg: dict[Key, int] = defaultdict(int)
        self.cell_due: dict[Key, int] = defaultdict(int)
        for c in self.classes:
            self.cell_mg[c.cell] += sum(self.given[c.id].values())
            self.cell_due[c.cell] += c.due_mg
        self.slack = self._slack()
        limits = rules.problem.limits
        # Without such limits stock lies where it is wanted, and the sums over the pool say all.
        self.bound = limits is not None and any(place in here for place in (*limits.into_mg, *limits.out_of_mg))

    def _slack(self) -> dict[Key, float]:
        """What is left of every limit, less what rounding may leave."""
        slack: dict[Key, float] = {}
        limits = self.rules.problem.limits
        if limits is None:
            return slack
        of_kind: dict[str, Mapping[str, int]] = {
            "into": limits.into_mg,
            "out": limits.out_of_mg,
            "vein": limits.infused_mg,
            "chairs": limits.infused_courses,
            "switch": self.rules.switch_limit or {},
        }
        for kind, of in of_kind.items():
            for place, most in of.items():
                slack[kind, place] = most - (_SPARE_COURSES if kind == "chairs" else _SPARE_MG)
        for product in {fence.product for fence in self.rules.fences}:
            stock = sum(self.rules.stock.get((place, product), 0) for place in self.places)
            for allowed in fence_sets(self.rules, product):
                fenced = _fenced(self.rules, product, allowed, self.places)
                slack["fence", product, allowed] = stock - fenced - self.held.get(product, 0) - _SPARE_MG
        for key, used in self._used():
            if key in slack:
                slack[key] -= used
        return slack

    def _used(self) -> Iterator[tuple[Key, float]]:
        """What the plan uses of each limit, line by line."""
        for c in self.classes:
            for product, mg in self.given[c.id].items():
                yield from ((key, mg * each) for key, each in self._use(c, product).items())
        for (place, panel, _), mg in self.flows.items():
            yield from ((way, mg) for way in self._way(place, panel))

    def _use(self, c: DemandClass, product: str) -> dict[Key, float]:
        """Limits touched by each milligram of a product for a class."""
        use: dict[Key, float] = {}
        if self.rules.infuses(c, product):
            use["vein", c.panel] = 1
            use["chairs", c.panel] = c.courses / c.due_mg
        if c.own not in ("", product):
            use["switch", c.panel] = 1
        fences = _of(self.rules, product)
        for allowed in fence_sets(self.rules, product) if fences else ():
            if not c.inside & fences - allowed:
                use["fence", product, allowed] = 1
        return use

    def _holds(self, more: Mapping[Key, float], less: Mapping[Key, float]) -> bool:
        """Whether a change keeps every limit."""
        return all(amount <= less.get(key, 0) or self.slack.get(key, math.inf) > 0 for key, amount in more.items())

    def _way(self, place: str, panel: str) -> dict[Key, float]:
        return {} if place == panel else {("into", panel): 1, ("out", place): 1}

    def _free(self, c: DemandClass, product: str) -> dict[str, int]:
        """Milligrams of a product that nobody has and the class is not fenced off from, by place."""
        free = {place: self.left.get((place, product), 0) for place in self.places}
        if not self.bound:
            return free
        return {place: mg - _fenced(self.rules, product, c.inside, (place,)) for place, mg in free.items()}

    def _from_shelf(self, c: DemandClass, *, held: bool) -> bool:
        """Whether a class could have something that nobody has."""
        for product in c.allowed:
            reserved = 0 if held else self.held.get(product, 0)
            free = self._free(c, product)
            if sum(free.values()) - reserved <= _SPARE_MG:
                continue
            use = self._use(c, product)
            if any(
                mg > _SPARE_MG and self._holds({**use, **self._way(place, c.panel)}, {}) for place, mg in free.items()
            ):
                return True
        return False

    def _from_class(self, c: DemandClass, other: DemandClass) -> bool:
        """Whether a class could have something that another one has."""
        for product, mg in self.given[other.id].items():
            if mg <= _SPARE_MG or product not in c.allowed:
                continue
            if self.bound and other.inside & _of(self.rules, product) - c.inside:
                continue
            more, less = self._use(c, product), self._use(other, product)
            if c.panel == other.panel:
                if self._holds(more, less):
                    return True
                continue
            for place in self.sources[other.panel, product]:
                more_way = {**more, **self._way(place, c.panel)}
                less_way = {**less, **self._way(place, other.panel)}
                if self._holds(more_way, less_way):
                    return True
        return False

    def not_fully_served(self) -> list[str]:
        """Stages of which some class could be served more, from the shelf or from later stages."""
        broken = []
        for stage, rule in enumerate(self.rules.tier.stage):
            lacking = [c for c in self._lacking() if c.stage == stage]
            later = [c for c in self.classes if c.stage > stage and self.given[c.id]]
            if any(self._from_shelf(c, held=stage == 0) for c in lacking) or any(
                self._from_class(c, other) for c in lacking for other in later
            ):
                broken.append(f"{rule.name} in {self.pool}")
        return broken

    def unfair(self) -> list[str]:
        """Stages in which some class could be served more at the cost of one whose cell has a higher share."""
        broken = []
        for stage, rule in enumerate(self.rules.tier.stage):
            lacking = [c for c in self._lacking() if c.stage == stage]
            same = [c for c in self.classes if c.stage == stage and self.given[c.id]]
            if any(self._better(other.cell, c.cell) and self._from_class(c, other) for c in lacking for other in same):
                broken.append(f"{rule.name} in {self.pool}")
        return broken

    def costly(self) -> tuple[list[str], list[str]]:
        """Nothing of levers, which exchanges do not show; and switches where the recorded product lies unused."""
        broken = []
        for c in self.classes:
            reserved = self.held.get(c.own, 0)
            switched = [p for p, mg in self.given[c.id].items() if c.own not in ("", p) and mg > _SPARE_MG]
            free = self._free(c, c.own)
            if not switched or sum(free.values()) - reserved <= _SPARE_MG:
                continue
            more = self._use(c, c.own)
            for product in switched:
                less = self._use(c, product)
                if any(
                    mg > _SPARE_MG and self._holds({**more, **self._way(place, c.panel)}, less)
                    for place, mg in free.items()
                ):
                    broken.append(self.pool)
                    break
        return [], broken[:1]

    def _lacking(self) -> Iterator[DemandClass]:
        for c in self.classes:
            if c.due_mg - sum(self.given[c.id].values()) > _SPARE_MG:
                yield c

    def _better(self, high: Key, low: Key) -> bool:
        """Whether a cell's share is higher by more than rounding."""
        most = (self.cell_mg[high] - _SPARE_MG) * self.cell_due[low]
        return most > (self.cell_mg[low] + _SPARE_MG) * self.cell_due[high]
