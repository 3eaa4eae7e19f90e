"""Who is served how far: stage after stage, and inside a stage the worst served first.

One pool of stock at a time. Where the grams lie within the pool does not matter here, since stock may move anywhere
in it; which product a class is given matters only where switching is limited. So the program has one variable for
each cell and set of products, not one for each place, panel, product and class.

For each stage of the tier, in order:

1. serve as many of the stage's grams as the stages before leave;
2. raise the least fill rate of the stage's cells as far as it goes. A cell whose fairness row then has a dual above
   zero cannot rise in any optimum (complementary slackness), so it is settled there; repeat with the others. This is
   the full leximin order, not the least rate alone.

The reserve is filled after the first stage.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

from allocation.errors import SolverError
from allocation.optimise.linear import INFINITY, LinearProgram, OpenSession, Row, Session, Solution
from allocation.optimise.network import Bools, Floats, Ints, Network, Pool
from allocation.quantities import MG_PER_G

__all__ = [
    "Columns",
    "Ration",
    "StageResult",
    "Units",
    "fair_shares",
    "pin",
    "ration_by_program",
    "ration_units",
    "whole_shares",
]

# A dual below this share of the largest one is taken for rounding; true ones are far apart (they are about one
# over the grams of a bottleneck).
_DUAL_SHARE = 1e-6
# Milligrams: how far from a whole number a total may be and still be that number.
_WHOLE_MG = 1e-3
# Milligrams: what a total may miss and still count as reached.
_REACHED_MG = 1e-3
# Milligrams: levels that differ by less for every unit are one level. Well below a milligram shared by all cells, so
# whole milligrams that come of it still fit: what limits them is whole too.
_SAME_LEVEL_MG = 1e-3
# Grams: how far a settled amount may move in later solves, so that rounding never makes them infeasible.
_PLAY_G = 1e-8
_ROUNDING_MG = 1e-6


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage of a pool came to: milligrams due and served, and its least fill rate (1 where nothing is due)."""

    due_mg: float
    served_mg: float
    least_fill: float


@dataclass(slots=True, eq=False)
class Ration:
    """Milligrams planned for each cell of a pool, and for its reserve.

    Attributes
    ----------
    cells, cell_mg
        Cells of the pool (indices of the network) and whole milligrams for each.
    stages
        One for each stage of the tier.
    programs
        How many linear programs it took.
    """

    cells: Ints
    cell_mg: Ints
    stages: list[StageResult]
    reserve_mg: int = 0
    programs: int = 0


@dataclass(slots=True, eq=False)
class Columns:
    """Where things are in the program: one column a unit, the level of fairness, the reserve.

    ``play_g`` is how far, in grams, a settled amount may move in later solves, so that rounding never makes them
    infeasible.
    """

    unit: Ints
    level: int
    reserve: int
    program: LinearProgram = field(default_factory=LinearProgram)
    play_g: float = _PLAY_G


def ration_by_program(net: Network, pool: Pool, open_session: OpenSession) -> Ration:
    """Solve a pool's stages one after the other.

    Raises
    ------
    SolverError
        Where a stage has no proven optimum.

    Notes
    -----
    Where a stage is fair between classes, those of a panel that draw on the same products have the same feasible
    shares, so in the one leximin optimum they have the same share; they are one unit of the program.
    """
    cls = pool.classes
    nodes = _nodes(net, pool)
    limited = net.switch_limit_mg is not None and bool((net.choice[cls] >= 0).any())
    alike = nodes.of_class * (nodes.of_own.max(initial=0) + 1) + nodes.of_own * limited
    alike = np.where(net.by_class[net.stage[cls]], alike + 1, 0)
    kinds, local = np.unique(
        np.stack([net.stage[cls], net.panel[cls], alike, (net.own[cls] >= 0) & limited & (alike > 0)]),
        axis=1,
        return_inverse=True,
    )
    local = local.reshape(-1)
    unit_mg = np.bincount(local, weights=net.due_mg[cls], minlength=kinds.shape[1]).astype(np.int64)
    columns = _build(net, pool, local, unit_mg, nodes)
    cells, first = np.unique(net.cell[cls], return_index=True)
    units = Units(stage=kinds[0], due_mg=unit_mg, cells=cells, of_cell=local[first])
    return ration_units(net, pool, units, columns, open_session(columns.program))


@dataclass(frozen=True, slots=True, eq=False)
class Units:
    """Units of a program: stage and milligrams due of each; the cells of the pool, and the unit each belongs to."""

    stage: Ints
    due_mg: Ints
    cells: Ints
    of_cell: Ints


def ration_units(net: Network, pool: Pool, units: Units, columns: Columns, session: Session) -> Ration:
    """Serve the stages of a program of units one after the other; its columns are left fixed where they came out.

    Raises
    ------
    SolverError
        Where a stage has no proven optimum.
    """
    counting = _Counting(session)
    ration = Ration(units.cells, np.zeros(len(units.cells), dtype=np.int64), [])
    shares = _Shares(units.of_cell, net.cell_due_mg[units.cells], ration.cell_mg)
    for number in range(len(net.stages)):
        members = np.flatnonzero(units.stage == number)
        ration.stages.append(_stage(counting, columns, members, units.due_mg, shares))
        if number == 0 and pool.reserve_mg:
            held = counting.minimise([columns.reserve], [-1.0]).x[columns.reserve]
            ration.reserve_mg = int(np.floor(held * MG_PER_G + _WHOLE_MG))
            pin(counting, [columns.reserve], np.array([held]), columns.play_g)
    ration.programs = counting.solved
    return ration


@dataclass(frozen=True, slots=True, eq=False)
class _Shares:
    """Cells of a pool: the unit each belongs to, milligrams due, and milligrams planned (written as stages end)."""

    unit: Ints
    due_mg: Ints
    planned_mg: Ints

    def share_out(self, units: Ints, total_mg: float, level: float) -> float:
        """Give the cells of units that have one level their even share, in whole milligrams rounded down.

        Returns
        -------
        float
            Their share of what is due: exact where they have a whole number of milligrams together, else ``level``.
        """
        at = np.flatnonzero(np.isin(self.unit, units))
        due = self.due_mg[at]
        self.planned_mg[at] = whole_shares(total_mg, due, (level * due).astype(np.float64))
        whole = round(total_mg)
        return whole / int(due.sum()) if abs(total_mg - whole) <= _WHOLE_MG else level


class _Counting:
    """A session that counts its solves."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.solved = 0
        self.bound = session.bound
        self.add_rows = session.add_rows
        self.free = session.free

    def minimise(self, columns: object, costs: object) -> Solution:
        self.solved += 1
        return self.session.minimise(columns, costs)  # type: ignore[arg-type]


def _stage(session: _Counting, columns: Columns, members: Ints, unit_mg: Ints, shares: _Shares) -> StageResult:
    """Serve one stage, fix its columns, and write its cells' milligrams."""
    if not len(members):
        return StageResult(0, 0, 1.0)
    at, due_g = columns.unit[members], unit_mg[members] / MG_PER_G
    total_mg = int(unit_mg[members].sum())
    x = session.minimise(at, np.full(len(at), -1.0)).x[at]
    served_mg = float(x.sum()) * MG_PER_G
    if abs(served_mg - round(served_mg)) <= _WHOLE_MG:
        served_mg = float(round(served_mg))
    if served_mg >= total_mg - _REACHED_MG:
        session.bound(at, due_g - (columns.play_g if columns.play_g > _PLAY_G else 0.0), due_g)
        shares.share_out(members, total_mg, 1.0)
        return StageResult(total_mg, total_mg, 1.0)
    if served_mg <= _REACHED_MG:
        session.bound(at, np.zeros(len(at)), np.zeros(len(at)))
        return StageResult(total_mg, 0, 0.0)
    if len(members) == 1:
        pin(session, at, x, columns.play_g)
        shares.share_out(members, served_mg, served_mg / total_mg)
        return StageResult(total_mg, served_mg, served_mg / total_mg)
    total_row = session.add_rows([Row(at.tolist(), [1.0] * len(at), float(x.sum()) - columns.play_g, INFINITY)])
    x, level = fair_shares(session, columns, at, due_g)
    session.free(total_row)
    order = np.argsort(level, kind="stable")
    # Units settled at one level share a whole number of milligrams where stock alone limits them (the rank function
    # of the network is integral), so their rate is recovered as an exact fraction and no float decides a milligram.
    apart = np.diff(level[order]) * np.maximum(due_g[order[1:]], due_g[order[:-1]]) * MG_PER_G > _SAME_LEVEL_MG
    groups = np.split(order, np.flatnonzero(apart) + 1)
    rates = [
        shares.share_out(members[group], float(x[group].sum()) * MG_PER_G, float(level[group].mean()))
        for group in groups
    ]
    return StageResult(total_mg, served_mg, min(rates))


def pin(session: Session, at: Ints | list[int], x: Floats, play_g: float) -> None:
    """Keep columns where they came out, but for the play that rounding needs."""
    session.bound(at, np.maximum(x - play_g, 0.0), x + play_g)


def fair_shares(session: Session, columns: Columns, at: Ints, due_g: Floats) -> tuple[Floats, Floats]:
    """Grams and fill rate of units in the leximin optimum, shape (units,); their columns are fixed there.

    Parameters
    ----------
    session
        In which what the units get together is held already.
    at, due_g
        Columns of the units and grams due, shape (units,).

    Raises
    ------
    SolverError
        Where a step has no proven optimum.
    """
    level_column = columns.level
    rows = session.add_rows(
        [Row([int(c), level_column], [1.0, -g], 0.0, INFINITY) for c, g in zip(at, due_g, strict=True)]
    )
    grams, level = np.zeros(len(at)), np.zeros(len(at))
    unsettled = np.ones(len(at), dtype=np.bool_)
    while unsettled.any():
        solution = session.minimise([level_column], [-1.0])
        x, least = solution.x[at], float(solution.x[level_column])
        duals = np.abs(solution.row_dual[rows]) * unsettled
        even = least * due_g
        if (np.abs(x - even)[unsettled] * MG_PER_G <= _REACHED_MG).all():
            # All that the stage can have is used and shared evenly, so nobody rises unless another falls.
            settled = unsettled.copy()
        else:
            settled = duals > _DUAL_SHARE * duals.max()
        if not settled.any():
            raise SolverError("the fairness step found no cell at its limit, though some are below what is due")
        grams[settled], level[settled] = x[settled], least
        pin(session, at[settled], x[settled], columns.play_g)
        session.free(rows[settled])
        unsettled &= ~settled
    return grams, level


def whole_shares(total_mg: float, due_mg: Ints, near_mg: Floats) -> Ints:
    """The same share of each amount due, in whole milligrams rounded down, at most the amount due.

    Parameters
    ----------
    total_mg
        What is shared out.
    near_mg
        The shares in floating point, used where ``total_mg`` is not a whole number.
    """
    whole = round(total_mg)
    all_due = int(due_mg.sum())
    if abs(total_mg - whole) > _WHOLE_MG:
        return np.minimum(_floor(near_mg), due_mg)
    rate = Fraction(min(whole, all_due), all_due)
    return np.array([int(mg) * rate.numerator // rate.denominator for mg in due_mg], dtype=np.int64)


def _floor(mg: Floats) -> Ints:
    return np.floor(mg + _ROUNDING_MG).astype(np.int64)


def _build(net: Network, pool: Pool, local: Ints, due_mg: Ints, nodes: _Nodes) -> Columns:
    """The program of a pool. Amounts are grams."""
    program = LinearProgram()
    columns = Columns(program.add_columns(due_mg / MG_PER_G), 0, 0, program)
    columns.level = int(program.add_columns([1.0])[0])
    columns.reserve = int(program.add_columns([pool.reserve_mg / MG_PER_G])[0])
    drawn: list[list[int]] = [[] for _ in range(len(nodes.sets))]
    if net.switch_limit_mg is not None and (net.choice[pool.classes] >= 0).any():
        _limited_items(net, pool, local, nodes, columns, drawn, net.switch_limit_mg)
    else:
        _plain_items(net, pool, local, nodes, columns, drawn)
    if pool.reserve_mg:
        drawn[nodes.reserve].append(columns.reserve)
    _supply(program, nodes.sets, drawn, net.stock_mg[pool.locations].sum(axis=0) / MG_PER_G)
    return columns


@dataclass(frozen=True, slots=True, eq=False)
class _Nodes:
    """Sets of products that something draws on: node of each class, of its own product alone, and of the reserve."""

    of_class: Ints
    of_own: Ints
    reserve: int
    sets: Bools


def _nodes(net: Network, pool: Pool) -> _Nodes:
    choice, own = net.choice[pool.classes], np.maximum(net.own[pool.classes], 0)
    every = np.vstack([net.choices, np.eye(net.stock_mg.shape[1], dtype=np.bool_), net.reserve_choice[None, :]])
    # Routes with the same products draw on the same node.
    sets, merged = np.unique(every, axis=0, return_inverse=True)
    merged = merged.reshape(-1).astype(np.int64)
    of_own = merged[len(net.choices) + own]
    return _Nodes(np.where(choice >= 0, merged[choice], of_own), of_own, int(merged[-1]), sets)


def _plain_items(
    net: Network, pool: Pool, local: Ints, nodes: _Nodes, columns: Columns, drawn: list[list[int]]
) -> None:
    """Without a limit on switching: what each cell draws from each node."""
    program, cls = columns.program, pool.classes
    pairs, item = np.unique(np.stack([local, nodes.of_class]), axis=1, return_inverse=True)
    high = np.bincount(item.reshape(-1), weights=net.due_mg[cls], minlength=pairs.shape[1]) / MG_PER_G
    items_of = np.bincount(pairs[0], minlength=len(columns.unit))
    parts: dict[int, list[int]] = {}
    for cell, node, grams in zip(pairs[0].tolist(), pairs[1].tolist(), high.tolist(), strict=True):
        column = int(columns.unit[cell])
        if items_of[cell] > 1:
            column = int(program.add_columns([grams])[0])
            parts.setdefault(cell, []).append(column)
        drawn[node].append(column)
    for cell, members in parts.items():
        _sum_row(program, members, int(columns.unit[cell]))


def _limited_items(
    net: Network,
    pool: Pool,
    local: Ints,
    nodes: _Nodes,
    columns: Columns,
    drawn: list[list[int]],
    limit_mg: Ints,
) -> None:
    """With a limit on switching: what each unit draws of its classes' own products, and of others."""
    program, cls = columns.program, pool.classes
    may_switch = (net.own[cls] >= 0) & (net.choice[cls] >= 0)
    kinds, kind = np.unique(
        np.stack([local, nodes.of_class, nodes.of_own * may_switch, may_switch, net.panel[cls]]),
        axis=1,
        return_inverse=True,
    )
    high_mg = np.bincount(kind.reshape(-1), weights=net.due_mg[cls], minlength=kinds.shape[1])
    switched: dict[int, list[int]] = {}
    parts: dict[int, list[int]] = {}
    for (unit, node, own, switches, panel), high in zip(kinds.T.tolist(), high_mg.tolist(), strict=True):
        due_g = high / MG_PER_G
        mine = program.add_columns([due_g] * (1 + switches)).tolist()
        drawn[node].append(mine[0])
        if switches:
            drawn[own].append(mine[1])
            program.add_row(mine, [1.0, 1.0], low=-INFINITY, high=due_g)
            switched.setdefault(panel, []).append(mine[0])
        parts.setdefault(unit, []).extend(mine)
    for unit, members in parts.items():
        _sum_row(program, members, int(columns.unit[unit]))
    for panel, members in switched.items():
        program.add_row(members, [1.0] * len(members), low=-INFINITY, high=float(limit_mg[panel]) / MG_PER_G)


def _sum_row(program: LinearProgram, members: list[int], total: int) -> None:
    program.add_row([*members, total], [1.0] * len(members) + [-1.0], low=0.0, high=0.0)


def _supply(program: LinearProgram, sets: Bools, drawn: list[list[int]], stock_g: Floats) -> None:
    """Stock feeds nodes; products that feed the same nodes are one."""
    used = [node for node, columns in enumerate(drawn) if columns]
    feeds = sets[used].T & (stock_g > 0)[:, None]
    kinds, kind = np.unique(feeds, axis=0, return_inverse=True)
    grams = np.bincount(kind.reshape(-1), weights=stock_g, minlength=len(kinds))
    direct_g = np.zeros(len(used))
    flows: list[list[int]] = [[] for _ in used]
    for reach, available in zip(kinds, grams.tolist(), strict=True):
        fed = np.flatnonzero(reach).tolist()
        if len(fed) == 1:
            direct_g[fed[0]] += available
        elif fed:
            sent = program.add_columns([available] * len(fed)).tolist()
            program.add_row(sent, [1.0] * len(sent), low=-INFINITY, high=available)
            for node, column in zip(fed, sent, strict=True):
                flows[node].append(column)
    for place, node in enumerate(used):
        values = [1.0] * len(drawn[node]) + [-1.0] * len(flows[place])
        program.add_row([*drawn[node], *flows[place]], values, low=-INFINITY, high=float(direct_g[place]))
