"""The program of a pool in which limits across products hold: fences, deliveries, infusion, quotas for switching.

Such limits are no part of a flow, so where grams lie and which product each class is given must be settled together
with who is served. One program has it all, in grams: what each group of classes is given of each lot (a product's open
stock, or what of it lies inside a fence); what each panel uses of its own stock of a lot, and what is brought to it;
what each place sends. It is solved for the stages as in :mod:`allocation.optimise.priority`, then for the levers where
the tier orders them (:mod:`allocation.optimise.lever_program`), then for the fewest grams switched, moved, and given by
another route, in this order, and a fixed tie-break.

Amounts need not come out as whole milligrams. They are rounded down, line by line; what then does not arrive is not
given.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from allocation.optimise.lever_program import LeverColumns
from allocation.optimise.linear import INFINITY, LinearProgram, OpenSession, Row, Session
from allocation.optimise.network import NONE, UNLIMITED, Bools, Floats, Ints, Network, Pool, SideRows
from allocation.optimise.priority import Columns, Ration, Units, ration_units
from allocation.optimise.sourcing import Supplies, tie_break
from allocation.quantities import MG_PER_G

__all__ = ["LimitedProgram", "lots_of", "solve_limited"]

_LOCK_G = 2e-6
# Grams, as for the cells of smaller programs, but above what a solver lets a sum of many columns be off.
_PLAY_G = 1e-6
_WHOLE_MG = 5e-3


def solve_limited(net: Network, pool: Pool, open_session: OpenSession) -> tuple[Ration, Supplies]:
    """Shares, products and flows of a pool with side limits.

    Raises
    ------
    SolverError
        Where a program has no proven optimum.
    """
    if net.rows is None:
        raise ValueError("a network without side limits has shorter ways")
    build = LimitedProgram(net, pool, net.rows)
    session = open_session(build.program)
    ration = ration_units(net, pool, build.units, build.columns, session)
    x, solved = _settled(session, build)
    supplies = build.read(x)
    return ration, replace(supplies, programs=solved)


def _settled(session: Session, build: LimitedProgram) -> tuple[Floats, int]:
    everything = np.arange(len(build.program.high))
    objectives = build.objectives()
    x = np.zeros(0)
    for number, cost in enumerate(objectives):
        solution = session.minimise(everything, cost)
        x = solution.x
        named = np.flatnonzero(cost)
        if number + 1 < len(objectives) and len(named):
            session.add_rows([Row(named.tolist(), cost[named].tolist(), -INFINITY, solution.objective + _LOCK_G)])
    return x, len(objectives)


def lots_of(net: Network, pool: Pool, rows: SideRows) -> Ints:
    """Milligrams of each lot at each place of a pool, shape (products + fences, places): open stock, then fences."""
    fenced = rows.fence_mg[:, pool.locations]
    open_mg = net.stock_mg[pool.locations].T.copy()
    np.subtract.at(open_mg, rows.fence_product, fenced)
    return np.vstack([open_mg, fenced])


class LimitedProgram:
    """The program of a pool, and how to read its solution. Amounts are grams.

    Attributes
    ----------
    lots, lot_product, lot_fence, lot_mg
        Lots of :func:`lots_of` that are anywhere in the pool, the product of each, its fence (-1 for open stock), and
        milligrams at each place, shape (lots, places).
    stock_rows
        For each lot and place where there is any, in this order, its row: what is used, sent and held of it.
    """

    def __init__(self, net: Network, pool: Pool, rows: SideRows) -> None:
        self.net, self.pool, self.rows, self.program = net, pool, rows, LinearProgram()
        cls = pool.classes
        self._lots()
        member = rows.member[cls] if rows.member.size else np.zeros((len(cls), 0), dtype=np.bool_)
        bits = member @ (1 << np.arange(member.shape[1], dtype=np.int64)) if member.size else np.zeros(len(cls))
        counted = rows.infused_courses[net.panel[cls]] < UNLIMITED
        _, vein = np.unique(rows.infuses[cls], axis=0, return_inverse=True)
        # Where courses are counted each class is a group of its own, since its courses have a size of their own; where
        # levers are ordered too, since its patients can be stretched and reduced in their own way.
        alone = np.where(counted | (net.levers is not None), np.arange(len(cls)) + 1, 0)
        key = np.stack([net.cell[cls], net.choice[cls], net.own[cls], bits.astype(np.int64), vein.reshape(-1), alone])
        _, first, group = np.unique(key, axis=1, return_index=True, return_inverse=True)
        self.group_of: Ints = group.reshape(-1).astype(np.int64)
        self.first = cls[first]
        self.due_mg = np.bincount(self.group_of, weights=net.due_mg[cls], minlength=len(first)).astype(np.int64)
        self._columns()
        self._supply_rows()
        self._limit_rows()
        self.levers: LeverColumns | None = None
        if net.levers is not None:
            self.levers = LeverColumns(self.program, net.levers, net.stage, [(self.first[self.group], self.gives)])

    def _lots(self) -> None:
        products, fences = self.net.stock_mg.shape[1], len(self.rows.fence_product)
        every = lots_of(self.net, self.pool, self.rows)
        product = np.concatenate([np.arange(products), self.rows.fence_product])
        fence = np.concatenate([np.full(products, NONE), np.arange(fences)])
        there = self.lots = np.flatnonzero(every.any(axis=1))
        self.lot_product, self.lot_fence, self.lot_mg = product[there], fence[there], every[there]

    def _takes(self) -> Bools:
        """Which group may take which lot, shape (groups, lots)."""
        net, of = self.net, self.first
        products = np.arange(net.stock_mg.shape[1])
        allowed = np.array(
            [net.choices[h] if h >= 0 else products == o for h, o in zip(net.choice[of], net.own[of], strict=True)],
            dtype=np.bool_,
        ).reshape(len(of), len(products))
        inside = np.hstack([self.rows.member[of], np.ones((len(of), 1), dtype=np.bool_)])
        # The last column stands for no fence, which the index -1 finds.
        return allowed[:, self.lot_product] & inside[:, self.lot_fence]

    def _columns(self) -> None:
        net, program = self.net, self.program
        cells, cell_of = np.unique(net.cell[self.first], return_inverse=True)
        cell_of = cell_of.reshape(-1)
        due_mg = net.cell_due_mg[cells]
        self.columns = Columns(program.add_columns(due_mg / MG_PER_G), 0, 0, program, _PLAY_G)
        self.columns.level = int(program.add_columns([1.0])[0])
        self.columns.reserve = int(program.add_columns([self.pool.reserve_mg / MG_PER_G])[0])
        self.units = Units(net.cell_stage[cells], due_mg, cells, np.arange(len(cells)))
        takes = self._takes()
        self.group, self.lot = np.nonzero(takes)
        most = np.minimum(self.due_mg[self.group], self.lot_mg[self.lot].sum(axis=1))
        self.gives = program.add_columns(most / MG_PER_G)
        for number, total in enumerate(self.columns.unit.tolist()):
            mine = self.gives[cell_of[self.group] == number].tolist()
            program.add_row([*mine, total], [1.0] * len(mine) + [-1.0], low=0.0, high=0.0)
        for number in np.flatnonzero(np.bincount(self.group, minlength=len(self.first)) > 1).tolist():
            mine = self.gives[self.group == number].tolist()
            program.add_row(mine, [1.0] * len(mine), low=-INFINITY, high=self.due_mg[number] / MG_PER_G)

    def _supply_rows(self) -> None:
        """Lots at panels, what is brought and sent, and the reserve."""
        net, pool, program = self.net, self.pool, self.program
        panel = net.panel[self.first][self.group]
        nodes, node = np.unique(np.stack([panel, self.lot]), axis=1, return_inverse=True)
        node = node.reshape(-1)
        self.node_panel, self.node_lot = nodes
        place_of = np.full(net.n_panels + 1, NONE)
        place_of[pool.locations] = np.arange(len(pool.locations))
        self.node_place = place_of[self.node_panel]
        own_mg = self.lot_mg[self.node_lot, self.node_place]
        self.uses = program.add_columns(own_mg / MG_PER_G)
        elsewhere = self.lot_mg[self.node_lot].sum(axis=1) - own_mg
        self.brings = program.add_columns(elsewhere / MG_PER_G)
        for number in range(nodes.shape[1]):
            mine = self.gives[node == number].tolist()
            columns = [*mine, int(self.uses[number]), int(self.brings[number])]
            program.add_row(columns, [1.0] * len(mine) + [-1.0, -1.0], low=0.0, high=0.0)
        self.send_lot, self.send_place = np.nonzero(self.lot_mg)
        sent_mg = self.lot_mg[self.send_lot, self.send_place]
        self.sends = program.add_columns(sent_mg * (len(pool.locations) > 1) / MG_PER_G)
        for lot in range(len(self.lot_mg)):
            out = self.sends[self.send_lot == lot].tolist()
            into = self.brings[self.node_lot == lot].tolist()
            program.add_row([*out, *into], [1.0] * len(out) + [-1.0] * len(into), low=0.0, high=0.0)
        held = (self.lot_fence[self.send_lot] == NONE) & net.reserve_choice[self.lot_product[self.send_lot]]
        self.holds = program.add_columns(np.where(held & (pool.reserve_mg > 0), sent_mg, 0) / MG_PER_G)
        self.stock_rows: list[int] = []
        at = {(int(lot), int(place)): n for n, (lot, place) in enumerate(zip(*np.nonzero(self.lot_mg), strict=True))}
        for (lot, place), number in at.items():
            using = self.uses[(self.node_lot == lot) & (self.node_place == place)].tolist()
            columns = [*using, int(self.sends[number]), int(self.holds[number])]
            self.stock_rows.append(len(program.blocks))
            program.add_row(columns, [1.0] * len(columns), low=-INFINITY, high=float(sent_mg[number]) / MG_PER_G)
        program.add_row(
            [*self.holds.tolist(), self.columns.reserve], [1.0] * len(self.holds) + [-1.0], low=0.0, high=0.0
        )

    def _limit_rows(self) -> None:
        net, rows = self.net, self.rows
        of = self.first[self.group]
        panel, product = net.panel[of], self.lot_product[self.lot]
        infused = rows.infuses[of, product]
        own = net.own[of]
        self.switched: Bools = (own >= 0) & (own != product)
        rate = rows.courses[of] * MG_PER_G / np.maximum(net.due_mg[of], 1)
        grams = np.ones(len(of))
        for number in self.pool.panels.tolist():
            here = panel == number
            self._at_most(self.gives[here & infused], grams[here & infused], rows.infused_mg[number] / MG_PER_G)
            self._at_most(self.gives[here & infused], rate[here & infused], float(rows.infused_courses[number]))
            self._at_most(self.brings[self.node_panel == number], np.ones(0), rows.into_mg[number] / MG_PER_G)
            if net.switch_limit_mg is not None:
                limit = net.switch_limit_mg[number] / MG_PER_G
                self._at_most(self.gives[here & self.switched], grams[here & self.switched], limit)
        for at, place in enumerate(self.pool.locations.tolist()):
            self._at_most(self.sends[self.send_place == at], np.ones(0), rows.out_of_mg[place] / MG_PER_G)

    def _at_most(self, columns: Ints, values: Floats, high: float) -> None:
        if len(columns) and high < UNLIMITED / MG_PER_G:
            weights = values.tolist() if len(values) else [1.0] * len(columns)
            self.program.add_limit(columns.tolist(), weights, high)

    def objectives(self) -> list[Floats]:
        """Costs of the columns for each aim after the stages."""
        net, size = self.net, len(self.program.high)
        switched, moved, routed = np.zeros(size), np.zeros(size), np.zeros(size)
        switched[self.gives[self.switched]] = 1.0
        moved[self.brings] = 1.0
        of = self.first[self.group]
        other = self.switched | (net.own[of] < 0)
        other &= net.choice[of] >= 0
        route = net.choice_route[net.choice[of[other]]]
        other[other] = ~net.by_route[route, self.lot_product[self.lot[other]]]
        routed[self.gives[other]] = 1.0
        first = [] if self.levers is None else self.levers.objectives(size)
        return [*first, switched, moved, routed + tie_break(size) / (4 * size)]

    def read(self, x: Floats) -> Supplies:
        """Whole milligrams of each class and product, and the flows that bring them."""
        net = self.net
        mg = np.floor(x * MG_PER_G + _WHOLE_MG).astype(np.int64)
        lines = self._class_lines(mg[self.gives])
        need: dict[tuple[int, int], int] = {}
        for (c, lot), amount in lines.items():
            at = (int(net.panel[c]), lot)
            need[at] = need.get(at, 0) + amount
        flows, missing = self._flows(need, mg)
        for (panel, lot), short in missing.items():
            left = short
            for c, taken in sorted(lines, key=lambda line: (-int(net.stage[line[0]]), line)):
                if left and taken == lot and net.panel[c] == panel:
                    part = min(lines[c, taken], left)
                    lines[c, taken] -= part
                    left -= part
        given: dict[tuple[int, int], int] = {}
        for (c, lot), amount in lines.items():
            if amount:
                key = (c, int(self.lot_product[lot]))
                given[key] = given.get(key, 0) + amount
        reserve = np.zeros(net.stock_mg.shape[1], dtype=np.int64)
        np.add.at(reserve, self.lot_product[self.send_lot], mg[self.holds])
        keys = np.array(sorted(given), dtype=np.int64).reshape(-1, 2)
        amounts = np.array([given[c, p] for c, p in sorted(given)], dtype=np.int64)
        return Supplies(keys[:, 0], keys[:, 1], amounts, reserve, flows=flows)

    def _class_lines(self, mg: Ints) -> dict[tuple[int, int], int]:
        """Milligrams by class and lot: each group's, to its classes in order."""
        lines: dict[tuple[int, int], int] = {}
        left = self.net.due_mg[self.pool.classes].copy()
        members = [np.flatnonzero(self.group_of == group) for group in range(len(self.first))]
        for group, lot, amount in zip(self.group.tolist(), self.lot.tolist(), mg.tolist(), strict=True):
            share = amount
            for place in members[group].tolist():
                part = min(share, int(left[place]))
                if part:
                    lines[int(self.pool.classes[place]), lot] = part
                    left[place] -= part
                    share -= part
        return lines

    def _flows(
        self, need: dict[tuple[int, int], int], mg: Ints
    ) -> tuple[tuple[tuple[int, int, int, int], ...], dict[tuple[int, int], int]]:
        """What each panel needs of a lot from its own stock, then from the places that send it; and what is missing."""
        total: dict[tuple[int, int, int], int] = {}
        sent = {
            (int(lot), int(place)): int(amount)
            for lot, place, amount in zip(self.send_lot, self.send_place, mg[self.sends], strict=True)
        }
        missing: dict[tuple[int, int], int] = {}
        ends = zip(self.node_panel.tolist(), self.node_lot.tolist(), mg[self.uses], mg[self.brings], strict=True)
        for panel, lot, used, brought in ends:
            wanted = need.get((panel, lot), 0)
            product = int(self.lot_product[lot])
            own = min(wanted, int(used))
            if own:
                total[panel, panel, product] = total.get((panel, panel, product), 0) + own
            left, allowed = wanted - own, int(brought)
            for at, place in enumerate(self.pool.locations.tolist()):
                part = min(left, allowed, sent.get((lot, at), 0)) if place != panel else 0
                if part:
                    total[place, panel, product] = total.get((place, panel, product), 0) + part
                    sent[lot, at] -= part
                    left, allowed = left - part, allowed - part
            if left:
                missing[panel, lot] = left
        return tuple((*key, amount) for key, amount in sorted(total.items())), missing
