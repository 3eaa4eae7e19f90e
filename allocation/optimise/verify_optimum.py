"""That a plan is best, shown by the changes it leaves no room for. Told in :mod:`allocation.optimise.verify_plan`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import partial

import numpy as np

from allocation.optimise.residual import Bools, Residual, ResidualBuilder
from allocation.optimise.verify_levers import lever_levels, levers_planned, pieces, scale
from allocation.optimise.verify_rules import Amounts, DemandClass, Rules

__all__ = ["Proof"]

Level = tuple[int, str]
"""A stage and a lever."""

# Shares are rounded down to whole milligrams, so each cell may leave less than one; two more for good measure.
_SPARE_MG = 2


class Proof:
    """What could be changed about the plan of one pool.

    Parameters
    ----------
    given, flows, held
        Milligrams by (class, product), by (place, panel, product), and by (pool, product).
    """

    def __init__(self, rules: Rules, pool: str, given: Amounts, flows: Amounts, held: Amounts) -> None:
        self.rules, self.pool = rules, pool
        self.places = rules.pools[pool]
        here = set(self.places)
        self.classes = [c for c in rules.classes.values() if c.panel in here and c.stage >= 0 and c.due_mg > 0]
        mine = {c.id for c in self.classes}
        self.given: dict[int, dict[str, int]] = defaultdict(dict)
        for (class_id, product), mg in given.items():
            if class_id in mine:
                self.given[class_id][product] = mg
        self.flows = {key: mg for key, mg in flows.items() if key[1] in here}
        self.held = {product: mg for (name, product), mg in held.items() if name == pool}
        self.total = {c.id: sum(self.given[c.id].values()) for c in self.classes}
        self.cell_mg: dict[tuple[object, ...], int] = defaultdict(int)
        self.cell_due: dict[tuple[object, ...], int] = defaultdict(int)
        for c in self.classes:
            self.cell_mg[c.cell] += self.total[c.id]
            self.cell_due[c.cell] += c.due_mg
        self.tolerance = len(self.cell_mg) + _SPARE_MG
        part = [cell for cell, mg in self.cell_mg.items() if 0 < mg < self.cell_due[cell]]
        self.levers = lever_levels(rules, part) if levers_planned(rules.problem) else []
        self.stock: dict[str, int] = defaultdict(int)
        for (place, product), mg in rules.stock.items():
            if place in here:
                self.stock[product] += mg

    def not_fully_served(self) -> list[str]:
        """Stages that could be served more, and a reserve that could be larger."""
        broken = []
        for stage in range(len(self.rules.tier.stage)):
            lacking = [cell for cell in self.cell_due if cell[0] == stage and self.cell_mg[cell] < self.cell_due[cell]]
            short = stage == 0 and sum(self.held.values()) < self.rules.reserve.get(self.pool, 0)
            if not lacking and not short:
                continue
            graph, residual, tight = self._pooled(stage, reserve=stage > 0)
            reached = _within(residual, graph.node("stock"), tight=tight, backward=False)
            if any(reached[graph.node("cell", *cell)] for cell in lacking):
                broken.append(f"{self.rules.tier.stage[stage].name} in {self.pool}")
            if short:
                graph, residual, tight = self._pooled(stage, reserve=True)
                reached = _within(residual, graph.node("stock"), tight=tight, backward=False)
                if reached[graph.node("reserve")]:
                    broken.append(f"the reserve of {self.pool}")
        return broken

    def unfair(self) -> list[str]:
        """Stages in which a cell could be raised at the cost of one with a higher share."""
        broken = []
        for stage in range(len(self.rules.tier.stage)):
            cells = [cell for cell in self.cell_due if cell[0] == stage]
            if any(self._could_rise(stage, cells)):
                broken.append(f"{self.rules.tier.stage[stage].name} in {self.pool}")
        return broken

    def _could_rise(self, stage: int, cells: list[tuple[object, ...]]) -> list[bool]:
        better = self._better
        worse_off = [low for low in cells if self.cell_mg[low] < self.cell_due[low]]
        worse_off = [low for low in worse_off if any(better(high, low) for high in cells)]
        if not worse_off:
            return []
        graph, residual, tight = self._pooled(stage, reserve=stage > 0)
        found = []
        for low in worse_off:
            reached = _within(residual, graph.node("cell", *low), tight=tight, backward=True)
            found.append(any(better(high, low) and reached[graph.node("cell", *high)] for high in cells))
        return found

    def _better(self, high: tuple[object, ...], low: tuple[object, ...]) -> bool:
        """Whether a cell's share is higher by more than rounding: it still is when a milligram changes hands."""
        return (self.cell_mg[high] - 1) * self.cell_due[low] > (self.cell_mg[low] + 1) * self.cell_due[high]

    def _pooled(self, stage: int, *, reserve: bool) -> tuple[ResidualBuilder, Residual, bool]:
        """Stages up to one, fed from the pool's stock as one heap a product; and whether switching is at its limit."""
        graph = ResidualBuilder()
        classes = [c for c in self.classes if c.stage <= stage]
        tight = self._tight(classes)
        used: dict[str, int] = defaultdict(int)
        for c in classes:
            self._class_arcs(graph, c, lambda product: graph.node("heap", product), closed=tight)
            for product, mg in self.given[c.id].items():
                used[product] += mg
        if reserve:
            # A node even where no product may be held.
            kept = graph.node("reserve")
            for product in self.rules.routes:
                if "IV" in self.rules.routes[product]:
                    mg = self.held.get(product, 0)
                    graph.arc(graph.node("heap", product), kept, flow=mg, capacity=None)
                    used[product] += mg
        source = graph.node("stock")
        for product, mg in self.stock.items():
            graph.arc(source, graph.node("heap", product), flow=used[product], capacity=mg)
        return graph, graph.residual(self.tolerance), bool(tight) and len(self.places) == 1

    def _tight(self, classes: list[DemandClass]) -> frozenset[str]:
        """Panels that have used up what they may switch."""
        limit = self.rules.switch_limit
        if limit is None:
            return frozenset()
        switched = dict.fromkeys((c.panel for c in classes), 0)
        for c in classes:
            switched[c.panel] += sum(mg for product, mg in self.given[c.id].items() if c.own not in ("", product))
        return frozenset(panel for panel, mg in switched.items() if limit[panel] - mg <= self.tolerance)

    def _class_arcs(
        self,
        graph: ResidualBuilder,
        c: DemandClass,
        node_of: Callable[[str], int],
        *,
        closed: frozenset[str],
        hub_of: str = "",
        cost: int = 1,
        level: Level | None = None,
    ) -> None:
        """A class, what it may be given, and its cell. Of panels ``closed`` and sharing stock, no more is switched."""
        at, placed = graph.node("class", c.id), bool(hub_of)
        if placed and self.levers:
            self._lever_arcs(graph, c, level)
        else:
            graph.arc(at, graph.node("cell", *c.cell), flow=self.total[c.id], capacity=c.due_mg)
        given = self.given[c.id]
        if c.own:
            graph.arc(node_of(c.own), at, flow=given.get(c.own, 0), capacity=None)
        if c.allowed == {c.own}:
            return
        others = {product: mg for product, mg in given.items() if product != c.own}
        hub = graph.node("hub", hub_of, c.allowed)
        switched = sum(others.values())
        shared = len(self.places) > 1 or bool(placed and self.levers)
        shut = bool(c.own) and c.panel in closed and shared
        graph.arc(hub, at, flow=switched, capacity=switched if shut else None, cost=cost if c.own else 0)
        for product in c.allowed:
            graph.arc(node_of(product), hub, flow=others.get(product, 0), capacity=None)

    def _lever_arcs(self, graph: ResidualBuilder, c: DemandClass, level: Level | None) -> None:
        """From a class to its cell through what its milligrams do, side by side."""
        left, steps = self.total[c.id], scale(self.rules)
        for number, (most, costs) in enumerate(pieces(self.rules, c)):
            flow = min(left, most)
            left -= flow
            piece = graph.node("piece", c.id, number)
            named = level is not None and level[0] == c.stage
            cost = int(costs.get(level[1], 0) * steps) if level is not None and named else 0
            graph.arc(graph.node("class", c.id), piece, flow=flow, capacity=most, cost=cost)
            graph.arc(piece, graph.node("cell", *c.cell), flow=flow, capacity=None)

    def costly(self) -> tuple[list[str], list[str]]:
        """Whether levers could be used less, with every cell's grams kept; and with that switches, or else moves."""
        # Only where panels with limits share stock may amounts be no whole milligrams before rounding.
        tight = self._tight(self.classes)
        tolerance = self.tolerance if self.levers or (tight and len(self.places) > 1) else 0
        open_arcs: Bools | None = None
        for level in (*self.levers, None):
            residual = self._placed(tight, level).residual(tolerance)
            every = np.ones(len(residual.cost), dtype=np.bool_) if open_arcs is None else open_arcs
            open_arcs = residual.free_arcs(every)
            if open_arcs is None:
                return ([], [self.pool]) if level is None else ([self.pool], [])
        return [], []

    def _placed(self, tight: frozenset[str], level: Level | None) -> ResidualBuilder:
        """The plan as a flow from places to cells, with the costs of one use of a lever, or of switches and moves.

        The same nodes and arcs in the same order, whatever the costs.
        """
        graph = ResidualBuilder()
        switch_cost, move_cost = (2 * len(self.rules.routes) + 1, 1) if level is None else (0, 0)
        for c in self.classes:
            self._class_arcs(
                graph,
                c,
                partial(graph.node, "at", c.panel),
                closed=tight,
                hub_of=c.panel,
                cost=switch_cost,
                level=level,
            )
        source, out = graph.node("stock"), dict[tuple[str, str], int]()
        for (place, panel, product), mg in self.flows.items():
            out[place, product] = out.get((place, product), 0) + mg
            at, to = graph.node("from", place, product), graph.node("at", panel, product)
            if place == panel:
                graph.arc(at, to, flow=mg, capacity=None)
            else:
                graph.arc(at, graph.node("way", product), flow=mg, capacity=None)
                graph.arc(graph.node("way", product), to, flow=mg, capacity=None, cost=move_cost)
        self._reserve_arcs(graph, out)
        for (place, product), mg in self.rules.stock.items():
            if place not in self.places or not mg:
                continue
            at, way = graph.node("from", place, product), graph.node("way", product)
            graph.arc(source, at, flow=out.get((place, product), 0), capacity=mg)
            graph.arc(at, way, flow=0, capacity=None)
            for panel in self.places:
                if graph.has("at", panel, product):
                    to = graph.node("at", panel, product)
                    graph.arc(way, to, flow=0, capacity=None, cost=move_cost)
                    if panel == place:
                        graph.arc(at, to, flow=0, capacity=None)
        return graph

    def _reserve_arcs(self, graph: ResidualBuilder, out: dict[tuple[str, str], int]) -> None:
        """The reserve lies where stock is left."""
        for product, mg in self.held.items():
            left = mg
            for place in self.places:
                there = self.rules.stock.get((place, product), 0) - out.get((place, product), 0)
                taken = min(there, left)
                if taken > 0:
                    out[place, product] = out.get((place, product), 0) + taken
                    way = graph.node("way", product)
                    graph.arc(graph.node("from", place, product), way, flow=taken, capacity=None)
                    graph.arc(way, graph.node("reserve"), flow=taken, capacity=None)
                    left -= taken
        if self.held:
            for product in {p for (place, p) in self.rules.stock if place in self.places}:
                if "IV" in self.rules.routes[product]:
                    graph.arc(graph.node("way", product), graph.node("reserve"), flow=0, capacity=None)


def _within(residual: Residual, start: int, *, tight: bool, backward: bool) -> Bools:
    """Nodes that changes lead to; where switching is at its limit, only changes that do not add to it.

    Should changes alone lower what is switched, there is room again, and any change counts.
    """
    reached = residual.reach(start, backward=backward)
    if not tight:
        return reached
    distance = residual.distance(start, backward=backward)
    return reached if distance is None else reached & (distance <= 0)
