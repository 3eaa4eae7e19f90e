"""Which product each class is given and where it comes from, once the priorities have said how much.

With each cell's milligrams settled, what is left is a flow of one kind of goods: stock of a product in a place, to the
product at a panel (directly, or through the pool, which is a move), to cells (directly for their own product, or
through a hub of the panel, which is a switch). Amounts are whole milligrams, so every vertex of the program is whole
too, and HiGHS and CBC find the same milligrams. Where the tier orders its levers, they come first
(:mod:`allocation.optimise.lever_program`). From one week of a simulation to the next the solver is kept, emptied, but
nothing of its last answer: so many patients fall due or are served that starting from last week's basis, or from the
columns last week used, takes longer than starting from nothing (``tests/benchmark/bench_week_to_week.py``).

The order fewest switched, then fewest moved, then fewest given by another route, then a fixed tie-break, is put
into one set of costs. Two flows differ by simple cycles. A cycle passes a pool's product at most once, so it holds
at most two moves a product; it passes a hub at most once, so at most two changes of route a hub; and it has at most
as many arcs as bounded below. With each cost above the most that all later ones can gain on a cycle, the cheapest
flow is the lexicographic optimum. Where the tie-break leaves no second one (every reduced cost outside the basis is at
least a step of it, as in each program of two simulated years and of up to 500 panels that was looked at), which
milligrams are found does not depend on where the simplex starts or how it steps. Limits on switching in a pool of
several panels break the argument (the constraint matrix is no network any more); there the objectives are taken one
after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocation.optimise.lever_program import SplitColumns
from allocation.optimise.linear import INFINITY, LinearProgram, OpenSession, Row, RowBlock
from allocation.optimise.matching import match, share_in_order
from allocation.optimise.network import Bools, Floats, Ints, Network, Pool
from allocation.optimise.priority import Ration
from allocation.quantities import MG_PER_G

__all__ = ["Supplies", "source_by_program", "tie_break"]

# Milligrams: a solution nearer than this to whole numbers is whole.
_WHOLE_MG = 1e-2
_ROUNDING_MG = 1e-6
_LOCK_G = 1e-6
_TIE_STEPS = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class Supplies:
    """Who is given what: class, product and milligrams, one element a line; and the reserve by product.

    ``flows`` says where it comes from (place, panel, product, milligrams) where limits on deliveries leave no other
    way open; without it own stock goes first, then what is nearest.
    """

    classes: Ints
    product: Ints
    mg: Ints
    reserve_mg: Ints
    programs: int = 0
    flows: tuple[tuple[int, int, int, int], ...] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """Columns of one kind. ``of`` is the column (counted within the block) of each class in ``classes``."""

    classes: Ints
    of: Ints
    keys: Ints
    high_mg: Ints
    columns: Ints


def source_by_program(net: Network, pool: Pool, ration: Ration, open_session: OpenSession) -> Supplies:
    """Give a pool's cells what they were rationed, with the fewest switches, then moves.

    Raises
    ------
    SolverError
        Where there is no proven optimum.
    """
    build = _Build(net, pool, ration)
    session = open_session(build.program)
    everything = np.arange(len(build.program.high))
    objectives = build.objectives()
    for number, cost in enumerate(objectives):
        solution = session.minimise(everything, cost)
        if number + 1 < len(objectives):
            named = np.flatnonzero(cost)
            high = solution.objective + _LOCK_G
            session.add_rows([Row(named.tolist(), cost[named].tolist(), -INFINITY, high)])
    return build.read(solution.x, programs=len(objectives))


class _Build:
    """The program of a pool, and how to read its solution. Amounts are grams.

    Cells served in full are one group a panel; any other cell is a group of its own. So the program has columns for
    each group and product, not for each class.
    """

    def __init__(self, net: Network, pool: Pool, ration: Ration) -> None:
        self.net, self.pool, self.program = net, pool, LinearProgram()
        place = np.searchsorted(ration.cells, net.cell[pool.classes])
        served = ration.cell_mg[place] > 0
        self.classes, place = pool.classes[served], place[served]
        self.cell_mg = ration.cell_mg
        alone = np.bincount(place, minlength=len(self.cell_mg))[place] == 1
        # A class that is a cell by itself has its grams settled: it is served in full what it is rationed.
        self.due = np.where(alone, self.cell_mg[place], net.due_mg[self.classes])
        self.own, self.choice = net.own[self.classes], net.choice[self.classes]
        self.panel = net.panel[self.classes]
        self.full = alone | (self.cell_mg[place] == net.cell_due_mg[ration.cells[place]])
        self.group = np.where(self.full, self.panel, net.n_panels + place)
        self.panel_of_group = np.arange(net.n_panels + len(self.cell_mg))
        self.panel_of_group[self.group] = self.panel
        self.reserve_mg = ration.reserve_mg
        self.n_products = net.stock_mg.shape[1]
        self.n_choices = max(len(net.choices), 1)
        self.pool_mg = net.stock_mg[pool.locations].sum(axis=0)
        self.several = len(pool.locations) > 1
        self._columns()
        self._rows()
        self.levers = self._levers()
        # Levers may want more switches than the fewest, so the limit binds there by itself.
        self.limited = net.switch_limit_mg is not None and (self.several or self.levers is not None)
        if self.limited:
            self._limit_rows()

    def _levers(self) -> SplitColumns | None:
        """Each class of a cell served in part by itself, where the tier says in which order its levers are used."""
        levers, part = self.net.levers, ~self.full
        if levers is None or not part.any():
            return None
        shared = []
        for block in (self.same, self.lock, self.switch, self.open):
            mine = part[block.classes]
            shared.append((block.classes[mine], block.columns[block.of[mine]]))
        return SplitColumns(self.program, levers, self.net.stage, self.classes, shared)

    def _block(self, members: Bools, key: Ints) -> _Block:
        classes = np.flatnonzero(members)
        keys, of = np.unique(key[classes], return_inverse=True)
        of = of.reshape(-1).astype(np.int64)
        high_mg = np.bincount(of, weights=self.due[classes], minlength=len(keys)).astype(np.int64)
        return _Block(classes, of, keys, high_mg, self.program.add_columns(high_mg / MG_PER_G))

    def _columns(self) -> None:
        choosing, has_own, part = self.choice >= 0, self.own >= 0, ~self.full
        path = self.group * self.n_choices + self.choice
        self.same = self._block(choosing & has_own, path * self.n_products + self.own)
        self.lock = self._block(~choosing & part, self.group * self.n_products + self.own)
        self.switch = self._block(choosing & has_own & part, path)
        self.open = self._block(choosing & ~has_own & part, path)
        hub = self.panel * self.n_choices + self.choice
        self.hubs, hub_of = np.unique(hub[choosing], return_inverse=True)
        self.hub_of = np.full(len(hub), -1, dtype=np.int64)
        self.hub_of[choosing] = hub_of.reshape(-1)
        may = self.net.choices[self.hubs % self.n_choices] if len(self.hubs) else np.zeros((0, self.n_products), bool)
        self.into, self.into_product = (part.astype(np.int64) for part in np.nonzero(may & (self.pool_mg > 0)))
        self.into_columns = self.program.add_columns(self.pool_mg[self.into_product] / MG_PER_G)
        held_mg = np.where(self.net.reserve_choice, self.pool_mg, 0) if self.reserve_mg else self.pool_mg[:0]
        self.held_columns = self.program.add_columns(held_mg / MG_PER_G)

    def _uses(self) -> tuple[Ints, Ints, Ints]:
        """Columns that use a product at a panel: column, panel, product."""
        same_group, same_product = np.divmod(self.same.keys, self.n_products)
        lock_group, lock_product = np.divmod(self.lock.keys, self.n_products)
        panels = (
            self._panel_of(same_group // self.n_choices),
            self._panel_of(lock_group),
            self.hubs[self.into] // self.n_choices,
        )
        products = (same_product, lock_product, self.into_product)
        columns = (self.same.columns, self.lock.columns, self.into_columns)
        return np.concatenate(columns), np.concatenate(panels), np.concatenate(products)

    def _panel_of(self, group: Ints) -> Ints:
        """Panel of each group."""
        return self.panel_of_group[group]

    def _rows(self) -> None:
        fixed = self.full & (self.choice < 0)
        promised = np.zeros((self.net.n_panels, self.n_products), dtype=np.int64)
        np.add.at(promised, (self.panel[fixed], self.own[fixed]), self.due[fixed])
        columns, panels, products = self._uses()
        at, use = np.unique(panels * self.n_products + products, return_inverse=True)
        use = use.reshape(-1)
        at_panel, at_product = np.divmod(at, self.n_products)
        spare_mg = self.net.stock_mg[at_panel, at_product] - promised[at_panel, at_product]
        ones = np.ones(len(columns))
        self.moved_columns = self.program.add_columns(self.pool_mg[at_product[: len(at) * self.several]] / MG_PER_G)
        if self.several:
            row, column = np.concatenate([use, np.arange(len(at))]), np.concatenate([columns, self.moved_columns])
            self._put(row, column, np.concatenate([ones, -np.ones(len(at))]), high=spare_mg)
        else:
            self._put(use, columns, ones, high=spare_mg)
        if self.several or self.reserve_mg:
            held = np.arange(len(self.held_columns))
            row, column = np.concatenate([products, held]), np.concatenate([columns, self.held_columns])
            self._put(row, column, np.ones(len(row)), high=self.pool_mg - promised[self.pool.panels].sum(axis=0))
        if self.reserve_mg:
            held, amount = np.zeros(len(self.held_columns), dtype=np.int64), np.array([self.reserve_mg])
            self._put(held, self.held_columns, np.ones(len(held)), low=amount, high=amount)
        self._hub_rows()
        self._cell_rows()

    def _hub_rows(self) -> None:
        """Into a hub goes what those served in full are not given of their own product, and what others switch to."""
        choosing = self.full & (self.choice >= 0)
        need = np.bincount(self.hub_of[choosing], weights=self.due[choosing], minlength=len(self.hubs))
        same, whole = self._hub_of_block(self.same)
        row = np.concatenate([self.into, same[whole], *(self._hub_of_block(b)[0] for b in (self.switch, self.open))])
        column = np.concatenate([self.into_columns, self.same.columns[whole], self.switch.columns, self.open.columns])
        value = np.ones(len(row))
        value[len(self.into) + int(whole.sum()) :] = -1.0
        self._put(row, column, value, low=need, high=need)

    def _hub_of_block(self, block: _Block) -> tuple[Ints, Bools]:
        """Hub of each column of a block, and whether it is of cells served in full."""
        hub, whole = np.zeros(len(block.keys), dtype=np.int64), np.zeros(len(block.keys), dtype=np.bool_)
        hub[block.of], whole[block.of] = self.hub_of[block.classes], self.full[block.classes]
        return hub, whole

    def _cell_rows(self) -> None:
        """A cell served in part is given what was rationed, and no class in it more than its due."""
        blocks = (self.same, self.lock, self.switch, self.open)
        row = np.concatenate([self._group_of(block) for block in blocks]) - self.net.n_panels
        column = np.concatenate([block.columns for block in blocks])
        part = row >= 0
        self._put(row[part], column[part], np.ones(int(part.sum())), low=self.cell_mg, high=self.cell_mg)
        path = self.same.keys // self.n_products
        found = np.searchsorted(self.switch.keys, path)
        part = self._group_of(self.same) >= self.net.n_panels
        row = np.concatenate([np.arange(len(self.switch.keys)), found[part]])
        column = np.concatenate([self.switch.columns, self.same.columns[part]])
        self._put(row, column, np.ones(len(row)), high=self.switch.high_mg)

    def _group_of(self, block: _Block) -> Ints:
        group = np.zeros(len(block.keys), dtype=np.int64)
        group[block.of] = self.group[block.classes]
        return group

    def _limit_rows(self) -> None:
        panel_of, limit_mg = self._panel_of, self.net.switch_limit_mg
        if limit_mg is None:
            return
        _, whole = self._hub_of_block(self.same)
        same = panel_of(self._group_of(self.same))[whole]
        switch = panel_of(self._group_of(self.switch))
        column = np.concatenate([self.same.columns[whole], self.switch.columns])
        value = np.concatenate([-np.ones(len(same)), np.ones(len(switch))])
        due = np.bincount(same, weights=self.same.high_mg[whole], minlength=self.net.n_panels)
        self._put(np.concatenate([same, switch]), column, value, high=limit_mg - due)

    def _put(
        self, row: Ints, column: Ints, value: Floats, *, high: Ints | Floats, low: Ints | Floats | None = None
    ) -> None:
        """Add rows given by coordinates; bounds in milligrams, one for each row number. Rows without entries go."""
        if not len(row):
            return
        order = np.argsort(row, kind="stable")
        sorted_row = row[order]
        starts = np.flatnonzero(np.append(True, sorted_row[1:] != sorted_row[:-1]))
        numbers = sorted_row[starts]
        low_g = np.full(len(numbers), -INFINITY) if low is None else low[numbers] / MG_PER_G
        lengths = np.diff(np.append(starts, len(order)))
        self.program.add_rows(RowBlock(lengths, column[order], value[order], low_g, high[numbers] / MG_PER_G))

    def objectives(self) -> list[Floats]:
        """Costs of the columns: the levers', then one set for all objectives in a network, or each alone."""
        size = len(self.program.high)
        first = [] if self.levers is None else self.levers.objectives(size)
        switched, moved, routed = np.zeros(size), np.zeros(size), np.zeros(size)
        _, whole = self._hub_of_block(self.same)
        switched[self.same.columns[whole]] = -1.0
        switched[self.switch.columns] = 1.0
        moved[self.moved_columns] = 1.0
        routed[self.into_columns] = self._other_route()
        tie = tie_break(size)
        if self.limited:
            return [*first, switched, moved, routed + tie / (4 * size)]
        hubs = len(self.hubs)
        arcs = 2.0 * (self.n_products + 2 + 2 * hubs + len(self.cell_mg) + len(self.switch.keys) + len(self.open.keys))
        if self.levers is not None:
            arcs += 4.0 * self.levers.nodes
        per_route = arcs + 1
        per_move = per_route * 2 * hubs + arcs + 1
        per_switch = per_move * 2 * self.n_products + per_route * 2 * hubs + arcs + 1
        one: Floats = per_switch * switched + per_move * moved + per_route * routed + tie
        return [*first, one]

    def _other_route(self) -> Floats:
        """1 for each product given into a hub by a route that the hub's classes are not on."""
        route = self.net.choice_route[self.hubs[self.into] % self.n_choices]
        other: Floats = (~self.net.by_route[route, self.into_product]).astype(np.float64)
        return other

    def read(self, x: Floats, *, programs: int) -> Supplies:
        """Milligrams of each class and product."""
        mg = np.rint(x * MG_PER_G).astype(np.int64)
        if np.abs(x * MG_PER_G - mg).max(initial=0.0) > _WHOLE_MG:
            mg = np.floor(x * MG_PER_G + _ROUNDING_MG).astype(np.int64)
        own_mg = np.where(self.full & (self.choice < 0), self.due, 0)
        for block in (self.same, self.lock):
            own_mg[block.classes] = share_in_order(block.of, mg[block.columns], self.due[block.classes])
        other_mg = np.where(self.full & (self.choice >= 0), self.due - own_mg, 0)
        for block in (self.switch, self.open):
            left = self.due[block.classes] - own_mg[block.classes]
            other_mg[block.classes] = share_in_order(block.of, mg[block.columns], left)
        if self.levers is not None:
            for shared, into in enumerate((own_mg, own_mg, other_mg, other_mg)):
                self.levers.read(shared, mg, into)
        to = np.flatnonzero(other_mg)
        line, source, other = match(self.hub_of[to], other_mg[to], self.into, mg[self.into_columns])
        mine = np.flatnonzero(own_mg)
        reserve = np.zeros(self.n_products, dtype=np.int64)
        reserve[: len(self.held_columns)] = mg[self.held_columns]
        return Supplies(
            classes=self.classes[np.concatenate([mine, to[line]])],
            product=np.concatenate([self.own[mine], self.into_product[source]]),
            mg=np.concatenate([own_mg[mine], other]),
            reserve_mg=reserve,
            programs=programs,
        )


def tie_break(size: int) -> Floats:
    """A fixed cost from 0 to just under 1 for each column, scattered so that no two flows cost the same."""
    state = (np.arange(1, size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)).astype(np.uint64)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    state ^= state >> np.uint64(31)
    tie: Floats = (state % np.uint64(_TIE_STEPS)).astype(np.float64) / _TIE_STEPS
    return tie
