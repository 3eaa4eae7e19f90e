"""What a tier allows, read again from its data for the verifier. No code is shared with what makes plans."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from allocation.optimise.problem import Problem
from allocation.optimise.side_limits import Fence
from allocation.rules import NATIONAL
from allocation.rules.supply import Stage, Tier

__all__ = ["Amounts", "DemandClass", "Rules", "fences_of", "stage_number", "sums_of"]

_DIGITS = 6

Amounts = Mapping[tuple[Any, ...], int]
"""Milligrams by the columns of a frame."""


@dataclass(frozen=True, slots=True)
class DemandClass:
    """A demand class as the verifier sees it."""

    id: int
    panel: str
    grade: int
    own: str
    allowed: frozenset[str]
    stage: int
    cell: tuple[object, ...]
    due_mg: int
    route: str = ""
    inside: frozenset[int] = frozenset()
    courses: float = 0
    stretch_mg: int = 0


class Rules:
    """What a problem's tier allows, worked out from its data."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.tier = problem, problem.tier
        self.region = dict(zip(problem.panels, problem.region_of, strict=True))
        self.routes = {product.code: frozenset(product.routes) for product in problem.products.product}
        self.stock: Amounts = sums_of(problem.stock, ("location", "product"))
        self.classes = {int(line["class_id"]): self._class(line) for line in problem.classes.to_dict("records")}
        self.reserve: dict[str, int] = defaultdict(int)
        if problem.reserve_mg is not None:
            for pool, mg in zip(problem.reserve_mg["pool"], problem.reserve_mg["mg"], strict=True):
                self.reserve[pool] += int(mg)
        self.pools: dict[str, list[str]] = defaultdict(list)
        for panel in problem.panels:
            self.pools[self.pool_of(panel)].append(panel)
        if self.tier.stock_reach == "national":
            self.pools[NATIONAL].append(NATIONAL)
        due: dict[str, int] = defaultdict(int)
        for item in self.classes.values():
            due[item.panel] += item.due_mg
        limits = problem.limits
        self.fences: tuple[Fence, ...] = () if limits is None else limits.fences
        share = self.tier.switch_capacity
        limit = {} if share is None else {panel: int(due[panel] * share) for panel in problem.panels}
        if limits is not None:
            limit |= {panel: int(due[panel] * part) for panel, part in limits.switch_share.items()}
            limit |= limits.switch_mg
        self.switch_limit = self._all_panels(limit) if limit else None

    def _all_panels(self, limit: Mapping[str, int]) -> dict[str, int]:
        """Limits on switching, with more than there is for panels that have none."""
        everything = sum(self.stock.values())
        return {panel: limit.get(panel, everything) for panel in self.problem.panels}

    def limited(self, pool: str) -> bool:
        """Whether side limits other than on switching hold in a pool."""
        limits, places = self.problem.limits, self.pools[pool]
        if limits is None:
            return False
        apart = [*limits.into_mg, *limits.out_of_mg] if len(places) > 1 else []
        fenced = [place for fence in limits.fences for place in fence.mg]
        return bool(set(places) & {*apart, *fenced, *limits.infused_mg, *limits.infused_courses})

    def reduces(self, grade: int) -> bool:
        """Whether courses of a grade are reduced before something else is done to it."""
        tier, treated_as = self.tier, grade or 1
        if treated_as not in tier.reduce_grades or "reduce" not in tier.lever_order:
            return False
        never_waits = treated_as not in tier.defer_grades
        return never_waits or tier.reduces_before("defer") or tier.reduces_before("stretch")

    def least_mg(self, grade: int, due_mg: int) -> int:
        """The least that may be given in place of a whole course."""
        treated_as = grade or 1
        if treated_as in self.tier.reduce_grades:
            return max(math.ceil(round(self.tier.smallest_share(treated_as) * due_mg, _DIGITS)), 1)
        return due_mg if treated_as in self.tier.defer_grades else 1

    def fenced(self, place: str, product: str) -> bool:
        """Whether some of a product at a place lies inside a fence."""
        return any(fence.product == product and fence.mg.get(place) for fence in self.fences)

    def infuses(self, item: DemandClass, product: str) -> bool:
        """Whether a product for a class goes into a vein."""
        routes = self.routes[product]
        return "IV" in routes and (item.route == "IV" or item.route not in routes)

    def _class(self, line: Mapping[Any, Any]) -> DemandClass:
        grade, panel, own = int(line["grade"]), line["panel"], line["product"]
        own_stage = line.get("stage")
        by_tier = stage_number(self.tier, grade, emergency=bool(line["emergency"]))
        stage = by_tier if own_stage is None else int(own_stage)
        fair = self.tier.stage[stage].fair_between if stage >= 0 else "panels"
        return DemandClass(
            id=int(line["class_id"]),
            panel=panel,
            grade=grade,
            own=own,
            allowed=self.allowed(line["route"], own, locked=bool(line["locked"])),
            stage=stage,
            cell=(stage, panel) if fair == "panels" else (stage, panel, line["class_id"]),
            due_mg=int(line["due_mg"]),
            route=line["route"],
            inside=fences_of(line.get("fences", "")),
            courses=float(line.get("courses", 0)),
            stretch_mg=int(line.get("stretch_mg", 0)),
        )

    def allowed(self, route: str, own: str, *, locked: bool) -> frozenset[str]:
        """Products that a patient may be given."""
        reach = self.tier.product_reach
        if own and (locked or reach == "same"):
            return frozenset({own})
        wanted = {"IV", "SC"} if reach == "any_route" and route in ("IV", "SC") else {route}
        fitting = {code for code, routes in self.routes.items() if routes & wanted}
        return frozenset(fitting | ({own} if own else set()))

    def pool_of(self, panel: str) -> str:
        """Pool that a panel draws on."""
        return {"panel": panel, "region": self.region[panel], "national": NATIONAL}[self.tier.stock_reach]

    def in_reach(self, location: str, panel: str) -> bool:
        """Whether stock at a place may serve a panel's patients."""
        return location in self.pools[self.pool_of(panel)]


def fences_of(text: str) -> frozenset[int]:
    """Numbers of the fences that a class or patient is inside."""
    return frozenset(int(number) for number in text.split())


def stage_number(tier: Tier, grade: int, *, emergency: bool) -> int:
    """Stage that serves a grade; -1 where no stage does."""
    return next((n for n, stage in enumerate(tier.stage) if _serves(stage, grade, emergency=emergency)), -1)


def _serves(stage: Stage, grade: int, *, emergency: bool) -> bool:
    named = grade in stage.grades or (grade == 0 and stage.include_ungraded)
    if not stage.emergencies_only:
        return named
    return emergency and (named or not (stage.grades or stage.include_ungraded))


def sums_of(frame: pd.DataFrame, keys: tuple[str, ...]) -> dict[tuple[Any, ...], int]:
    """Milligrams of a frame summed by some of its columns."""
    sums: dict[tuple[Any, ...], int] = defaultdict(int)
    for *key, mg in zip(*(frame[name].tolist() for name in (*keys, "mg")), strict=True):
        sums[tuple(key)] += mg
    return sums
