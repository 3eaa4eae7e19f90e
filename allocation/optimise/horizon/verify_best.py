"""That a look-ahead is best: no chain of changes serves an earlier stage more, evens shares, or saves waiting.

The plan of a pool is a flow: from batches through the weeks in which they are used, and those who may take them, to
what each group is due in each week, and its cell. Where nothing is limited and no reserve is held this is exact:

- a stage is served as far as it can be, if no change leads from stock (that of later stages too) to what it lacks;
- its shares are leximin, if no change leads from a cell with a higher share to one with a lower;
- waiting is least, stage by stage, then use is soonest, then expiry earliest, if no circle of changes lowers the cost
  of one without raising that of one before it.

A reserve held from week to week, and limits, are no flow. There only changes count that leave as it is what each limit
has been used for, and how much of what the reserve may hold is used in each week. So what is found is wrong all the
same, but chains across those are not tried; single exchanges (:mod:`allocation.optimise.horizon.verify_limits`) are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from allocation.optimise.horizon.plan import HorizonPlan
from allocation.optimise.horizon.verify_limits import Batch, Key, Weeks
from allocation.optimise.residual import Bools, Residual, ResidualBuilder

__all__ = ["best_broken", "expiry_broken"]

# Each line is rounded down to a milligram; a tenth of a gram more for the tolerance of solvers.
_SPARE_MG = 100

Touch = frozenset[tuple[Key, float]]
"""What each milligram of a use takes of which limits."""
Cell = tuple[object, ...]
_AIMS = ("waiting", "use", "expiry")


def best_broken(weeks: Weeks, plan: HorizonPlan) -> dict[str, list[str]]:
    """What could be changed for the better, pool by pool: ``stages``, ``shares``, and the aims after them."""
    broken: dict[str, list[str]] = {name: [] for name in ("stages", "shares", *_AIMS)}
    for pool in plan.groups["pool"].unique().tolist():
        flows = _Flows(weeks, plan, pool)
        for stage, rule in enumerate(weeks.rules.tier.stage):
            more, fairer = flows.could_improve(stage)
            broken["stages"] += [f"{rule.name} in {pool}"] * more
            broken["shares"] += [f"{rule.name} in {pool}"] * fairer
        aim = flows.costly()
        if aim:
            broken[aim].append(str(pool))
    return broken


def expiry_broken(weeks: Weeks, plan: HorizonPlan) -> list[str]:
    """Uses for which stock of the same kind at the same place lies unused that goes off sooner."""
    left: dict[Batch, int] = defaultdict(int)
    for batch, mg in weeks.stock():
        left[batch] += mg
    for batch, _, _, mg in weeks.uses(plan):
        left[batch] -= mg
    idle: dict[tuple[str, str, int], list[Batch]] = defaultdict(list)
    for batch, mg in left.items():
        if mg > _SPARE_MG:
            idle[batch.location, batch.product, batch.fence].append(batch)
    return [
        f"{batch.product} of {batch.location} in week {week}"
        for batch, week, _, mg in weeks.uses(plan)
        if mg > _SPARE_MG
        and any(
            other.until_week < batch.until_week and other.from_week <= week <= other.until_week
            for other in idle[batch.location, batch.product, batch.fence]
        )
    ]


class _Flows:
    """The plan of one pool as a flow."""

    def __init__(self, weeks: Weeks, plan: HorizonPlan, pool: str) -> None:
        self.weeks, rules = weeks, weeks.rules
        here = set(rules.pools[pool])
        self.stock = [(batch, mg) for batch, mg in weeks.stock() if batch.location in here]
        self.limited = any(place in here for _, place, _ in weeks.limit) or any(b.fence >= 0 for b, _ in self.stock)
        self.reserve = rules.reserve[pool] > 0
        self.groups = {g: about for g, about in weeks.groups.items() if about.pool == pool and about.stage >= 0}
        self.uses = [use for use in weeks.uses(plan) if use[2] in self.groups]
        self.due: dict[tuple[int, int], int] = defaultdict(int)
        for group, week, mg in plan.due[["group", "due_week", "mg"]].itertuples(index=False, name=None):
            if group in self.groups:
                self.due[group, week] += mg
        self.served: dict[tuple[int, int, int], int] = defaultdict(int)
        for group, due, week, mg in plan.served[["group", "due_week", "week", "mg"]].itertuples(index=False, name=None):
            if group in self.groups:
                self.served[group, due, week] += mg
        self.cell: dict[int, Cell] = {g: about.members[0].cell for g, about in self.groups.items()}
        self.cell_due: dict[Cell, int] = defaultdict(int)
        self.cell_mg: dict[Cell, int] = defaultdict(int)
        for (group, _), mg in self.due.items():
            self.cell_due[self.cell[group]] += mg
        for (group, _, _), mg in self.served.items():
            self.cell_mg[self.cell[group]] += mg
        self.tolerance = len(self.uses) + len(self.served) + _SPARE_MG
        self._takers: dict[tuple[Batch, Touch, int], list[int]] = {}
        self._touched: dict[tuple[int, str, str, int], Touch] = {}

    def _kind(self, batch: Batch) -> Batch:
        # Without limits it makes no difference where in the pool stock lies.
        return batch if self.limited else replace(batch, location="")

    def _touch(self, group: int, batch: Batch, week: int) -> Touch:
        if not self.limited:
            return frozenset()
        key = (group, batch.product, batch.location, week // self.weeks.horizon.first)
        if key not in self._touched:
            touched = self.weeks.touches(self.groups[group], batch.product, batch.location, week)
            self._touched[key] = frozenset(touched.items())
        return self._touched[key]

    def could_improve(self, stage: int) -> tuple[bool, bool]:
        """Whether a stage could be served more, and whether its shares could be more even."""
        cells = [cell for cell in self.cell_due if cell[0] == stage and self.cell_due[cell]]
        low = [cell for cell in cells if self.cell_due[cell] - self.cell_mg[cell] > self.tolerance]
        if not low:
            return False, False
        graph = self._graph(lambda *_: 0, lambda _: 0, stage)
        residual = graph.residual(self.tolerance)
        more = residual.reach(graph.node("stock"))
        fairer = False
        for cell in low:
            higher = [other for other in cells if self._better(other, cell)]
            if higher:
                reached = residual.reach(graph.node("cell", *cell), backward=True)
                fairer |= any(reached[graph.node("cell", *other)] for other in higher)
        return any(more[graph.node("cell", *cell)] for cell in low), fairer

    def _better(self, high: Cell, low: Cell) -> bool:
        above, below = self.cell_mg[high] - self.tolerance, self.cell_mg[low] + self.tolerance
        return above * self.cell_due[low] > below * self.cell_due[high]

    def costly(self) -> str:
        """The first aim of which less would do, the cells' grams kept; blank where there is none."""
        lines = sorted({self._line(*key) for key in self._keys()})
        # One graph for all aims: an arc's cost is a number of what it stands for, and each aim says what that costs.
        code: dict[tuple[int, ...], int] = {name: n for n, name in enumerate(lines, start=1)}
        weeks = range(self.weeks.horizon.weeks)
        code |= {(week,): n for n, week in enumerate(weeks, start=len(code) + 1)}
        graph = self._graph(lambda *key: code[self._line(*key)], lambda batch: code[(batch.until_week,)])
        residual = graph.residual(self.tolerance)
        names = [(), *code]
        aims: list[tuple[str, list[int]]] = [
            ("waiting", [name[1] if len(name) == 3 and name[0] == stage else 0 for name in names])
            for stage in sorted({about.stage for about in self.groups.values()})
        ]
        aims.append(("use", [name[2] if len(name) == 3 else 0 for name in names]))
        aims.append(("expiry", [name[0] if len(name) == 1 else 0 for name in names]))
        open_arcs: Bools = np.ones(len(residual.cost), dtype=np.bool_)
        for aim, costs in aims:
            cost = np.sign(residual.cost) * np.array(costs, dtype=np.int64)[np.abs(residual.cost)]
            arcs = Residual(residual.tail, residual.head, cost, nodes=residual.nodes)
            free = arcs.free_arcs(open_arcs)
            if free is None:
                return aim
            open_arcs = free
        return ""

    def _keys(self) -> Iterator[tuple[int, int, int]]:
        """Group, due week and week of all that may be served."""
        for group, due in self.due:
            for week in range(due, min(due + self.groups[group].wait_weeks, self.weeks.horizon.weeks - 1) + 1):
                yield group, due, week

    def _line(self, group: int, due: int, week: int) -> tuple[int, int, int]:
        """Stage, weeks of waiting, and week."""
        return self.groups[group].stage, week - due, week

    def _graph(
        self,
        line_cost: Callable[[int, int, int], int],
        batch_cost: Callable[[Batch], int],
        last_stage: int | None = None,
    ) -> ResidualBuilder:
        """Stages up to one, what later ones use counting as unused. The same nodes and arcs whatever the costs."""
        graph = ResidualBuilder()
        groups = [g for g, about in self.groups.items() if last_stage is None or about.stage <= last_stage]
        mine = set(groups)
        self._stock_arcs(graph, mine, batch_cost, keep_reserve=self.reserve and last_stage != 0)
        total: dict[tuple[int, int], int] = defaultdict(int)
        for group, due, week in self._keys():
            if group in mine:
                flow = self.served.get((group, due, week), 0)
                total[group, due] += flow
                take, line = graph.node("take", group, week), graph.node("line", group, due)
                graph.arc(take, line, flow=flow, capacity=None, cost=line_cost(group, due, week))
        for (group, due), mg in total.items():
            cell = graph.node("cell", *self.cell[group])
            graph.arc(graph.node("line", group, due), cell, flow=mg, capacity=self.due[group, due])
        return graph

    def _stock_arcs(
        self, graph: ResidualBuilder, mine: set[int], batch_cost: Callable[[Batch], int], *, keep_reserve: bool
    ) -> None:
        """From stock to those who take it, through batches, what each limit is used for, and weeks."""
        there: dict[Batch, int] = defaultdict(int)
        for batch, mg in self.stock:
            there[self._kind(batch)] += mg
        totals: dict[tuple[object, ...], list[int]] = defaultdict(lambda: [0, 0])
        for batch, week, group, mg in self.uses:
            kind, touch = self._kind(batch), self._touch(group, batch, week)
            for key in ((kind,), (kind, touch), (kind, touch, week), (kind, touch, week, self._hub(group))):
                totals[key][0] += mg * (group in mine)
                totals[key][1] += mg
        source = graph.node("stock")
        for kind, mg in there.items():
            graph.arc(source, graph.node("batch", kind), flow=totals[(kind,)][0], capacity=mg, cost=batch_cost(kind))
        for kind, touch in self._ways(there):
            fixed = keep_reserve and kind.fence < 0 and "IV" in self.weeks.rules.routes[kind.product]
            way = graph.node("way", kind, touch)
            self._tie(graph, graph.node("batch", kind), way, totals[kind, touch], fixed=bool(touch))
            for week in self._weeks_of(kind, touch):
                lot = graph.node("lot", kind, touch, week)
                self._tie(graph, way, lot, totals[kind, touch, week], fixed=fixed)
                for hub in self._hubs(kind, touch, week, mine):
                    flow = totals[kind, touch, week, hub][0]
                    graph.arc(lot, graph.node("hub", hub, week), flow=flow, capacity=None)
        takes: dict[tuple[int, int], int] = defaultdict(int)
        for _, week, group, mg in self.uses:
            takes[group, week] += mg
        for group in sorted(mine):
            for week in range(self.weeks.horizon.weeks):
                hub, take = graph.node("hub", self._hub(group), week), graph.node("take", group, week)
                graph.arc(hub, take, flow=takes.get((group, week), 0), capacity=None)

    @staticmethod
    def _tie(graph: ResidualBuilder, tail: int, head: int, flows: list[int], *, fixed: bool) -> None:
        """An arc; or, where what goes through it is to stay as it is, only what later stages have of it is there."""
        mine, every = flows
        if fixed:
            graph.arc(graph.node("stock"), head, flow=0, capacity=every - mine)
        else:
            graph.arc(tail, head, flow=mine, capacity=None)

    def _hub(self, group: int) -> object:
        return group if self.limited else self.groups[group].allowed

    def _ways(self, there: dict[Batch, int]) -> Iterator[tuple[Batch, Touch]]:
        if not self.limited:
            yield from ((kind, frozenset()) for kind in there)
            return
        yield from dict.fromkeys((batch, self._touch(group, batch, week)) for batch, week, group, _ in self.uses)

    def _weeks_of(self, kind: Batch, touch: Touch) -> Iterator[int]:
        first = self.weeks.horizon.first
        blocks = {key[2] for key, _ in touch}
        for week in range(kind.from_week, kind.until_week + 1):
            if not blocks or week // first in blocks:
                yield week

    def _hubs(self, kind: Batch, touch: Touch, week: int, mine: set[int]) -> list[object]:
        """Who may take of a lot."""
        if not self.limited:
            sets = dict.fromkeys(self.groups[group].allowed for group in sorted(mine))
            return [allowed for allowed in sets if kind.product in allowed]
        key = (kind, touch, week // self.weeks.horizon.first)
        if key not in self._takers:
            self._takers[key] = [
                group
                for group, about in sorted(self.groups.items())
                if self._touch(group, kind, week) == touch and self.weeks.may_have(about, kind)
            ]
        return [group for group in self._takers[key] if group in mine]
