"""The plan: whole milligrams for each class and product, and where they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.optimise.coded import Coded, Table
from allocation.optimise.lever_program import lever_values, mix_table
from allocation.optimise.matching import match
from allocation.optimise.network import Ints, Network
from allocation.optimise.priority import StageResult
from allocation.optimise.sourcing import Supplies
from allocation.quantities import MG_PER_G
from allocation.rules import NATIONAL

__all__ = ["Plan", "StageValue", "make_plan"]


@dataclass(frozen=True, slots=True)
class StageValue:
    """One objective and what it came to, in the unit that its name says."""

    name: str
    value: float


@dataclass(frozen=True, eq=False, kw_only=True)
class Plan:
    """An optimal allocation in whole milligrams.

    Its tables are frames, made when they are read; :func:`~allocation.optimise.coded.coded` gives them as numbers.

    Attributes
    ----------
    given
        ``class_id``, ``product``, ``mg``: more than 0; sorted.
    flows
        ``from_location``, ``panel``, ``product``, ``mg``: more than 0. What a panel takes from its own stock is among
        them.
    reserve
        ``pool``, ``product``, ``mg``: what is held back.
    cells
        ``stage``, ``panel``, ``due_mg``, ``planned_mg``: the units between which a stage is fair, and what each gets.
    objectives
        In the order in which they were optimised.
    switched_mg, moved_mg, rerouted_mg
        Given as another product than the recorded one; given from another place; given by another route.
    solver
        Its name and version; ``"none needed"`` where no program was solved.
    parts
        How many pools were proven best without a solver, and how many were solved by it.
    programs
        Linear programs solved.
    seconds
        Wall time. Differs from run to run, so it belongs in no file that is compared by bytes.
    levers
        The planned mix of levers by class, as :data:`allocation.optimise.lever_program.LEVER_COLUMNS` says; None where
        the tier, or a policy, leaves no order of levers.
    pool_stages
        What each stage of each pool came to, before cells' shares are rounded down.
    """

    given: Table = Table()
    flows: Table = Table()
    reserve: Table = Table()
    cells: Table = Table()
    objectives: tuple[StageValue, ...]
    switched_mg: int
    moved_mg: int
    rerouted_mg: int
    solver: str
    parts: tuple[int, int]
    programs: int
    seconds: float
    levers: pd.DataFrame | None = None
    pool_stages: tuple[tuple[StageResult, ...], ...] = ()


def make_plan(
    net: Network,
    cell_mg: Ints,
    results: Sequence[Sequence[StageResult]],
    supplies: Sequence[Supplies],
    *,
    solver: str,
    parts: tuple[int, int],
    seconds: float,
) -> Plan:
    """Join the pools' results.

    Parameters
    ----------
    cell_mg
        Planned for each cell, shape (cells,).
    results, supplies
        One element a pool.
    """
    classes = np.concatenate([part.classes for part in supplies])
    product = np.concatenate([part.product for part in supplies])
    mg = np.concatenate([part.mg for part in supplies])
    key, at = np.unique(net.class_id[classes] * net.stock_mg.shape[1] + product, return_inverse=True)
    total = np.bincount(at.reshape(-1), weights=mg, minlength=len(key)).astype(np.int64)
    at_class, at_product = np.divmod(key, net.stock_mg.shape[1])
    products = {"product": net.product_codes}
    panels = {"panel": net.problem.panels}
    use = np.zeros((net.n_panels, net.stock_mg.shape[1]), dtype=np.int64)
    standing = np.repeat([part.flows is not None for part in supplies], [len(part.mg) for part in supplies])
    np.add.at(use, (net.panel[classes[~standing]], product[~standing]), mg[~standing])
    flows, moved_mg = _flows(net, use, [line for part in supplies for line in part.flows or ()])
    switched_mg = int(mg[(net.own[classes] >= 0) & (net.own[classes] != product)].sum())
    choice = net.choice[classes]
    other_route = (choice >= 0) & (net.own[classes] != product)
    other_route[other_route] = ~net.by_route[net.choice_route[choice[other_route]], product[other_route]]
    rerouted_mg = int(mg[other_route].sum())
    reserve = np.array([part.reserve_mg for part in supplies], dtype=np.int64).reshape(len(supplies), -1)
    holding, of_product = np.nonzero(reserve)
    cells = {
        "stage": net.cell_stage,
        "panel": net.cell_panel,
        "due_mg": net.cell_due_mg,
        "planned_mg": cell_mg,
    }
    levers = mix_table(net, np.bincount(classes, weights=mg, minlength=len(net.due_mg)).astype(np.int64))
    return Plan(
        given=Coded({"class_id": at_class, "product": at_product, "mg": total}, products),
        flows=Coded(flows, {"from_location": (*net.problem.panels, NATIONAL), **panels, **products}),
        reserve=Coded(
            {"pool": holding, "product": of_product, "mg": reserve[holding, of_product]},
            {"pool": tuple(pool.name for pool in net.pools), **products},
        ),
        cells=Coded(cells, panels),
        objectives=(
            *_objectives(net, results, int(reserve.sum())),
            *(StageValue(*value) for value in ([] if levers is None else lever_values(net, levers))),
            StageValue("given as another product, g", switched_mg / MG_PER_G),
            StageValue("given from another place, g", moved_mg / MG_PER_G),
            StageValue("given by another route, g", rerouted_mg / MG_PER_G),
        ),
        switched_mg=switched_mg,
        moved_mg=moved_mg,
        rerouted_mg=rerouted_mg,
        solver=solver,
        parts=parts,
        programs=sum(part.programs for part in supplies),
        seconds=seconds,
        levers=levers,
        pool_stages=tuple(tuple(stages) for stages in results),
    )


def _objectives(net: Network, results: Sequence[Sequence[StageResult]], held: int) -> list[StageValue]:
    """Of the stages and the reserve."""
    values = []
    wanted = sum(pool.reserve_mg for pool in net.pools)
    for number, stage in enumerate(net.stages):
        of_pools = [result[number] for result in results]
        unmet = sum(result.due_mg - result.served_mg for result in of_pools)
        values.append(StageValue(f"{stage.name}: unmet, g", float(unmet) / MG_PER_G))
        least = min((result.least_fill for result in of_pools), default=1.0)
        values.append(StageValue(f"{stage.name}: least share served", float(least)))
        if number == 0 and wanted:
            values.append(StageValue("emergency reserve: not held, g", (wanted - held) / MG_PER_G))
    return values


def _flows(net: Network, use: Ints, settled: Sequence[tuple[int, int, int, int]] = ()) -> tuple[dict[str, Ints], int]:
    """Where what each panel uses comes from, and how much of it is moved; ``settled`` are flows that stand already.

    Own stock first; then stock that no panel holds, then panels of the same region, then others, each in order.
    """
    n_panels, products = net.n_panels, net.stock_mg.shape[1]
    own = np.minimum(use, net.stock_mg[:n_panels])
    panel, product = np.nonzero(own)
    parts = [np.array(settled, dtype=np.int64).reshape(len(settled), 4).T]
    parts.append(np.stack([panel, panel, product, own[panel, product]]))
    missing, left = use - own, net.stock_mg.copy()
    left[:n_panels] -= own
    moved = sum(mg for source, n, _, mg in settled if source != n)
    for asking, giving in _rings(net) if missing.any() else ():
        # A panel that lacks a product has none left, nor has a ring gone through: so both may stay in the next.
        to, what = np.nonzero(np.where(asking[:, None] >= 0, missing, 0))
        source, there = np.nonzero(np.where(giving[:, None] >= 0, left, 0))
        groups = asking[to] * products + what, giving[source] * products + there
        i, j, mg = match(groups[0], missing[to, what], groups[1], left[source, there])
        np.subtract.at(missing, (to[i], what[i]), mg)
        np.subtract.at(left, (source[j], there[j]), mg)
        parts.append(np.stack([source[j], to[i], what[i], mg]))
        moved += int(mg.sum())
    source, to, code, mg = np.concatenate(parts, axis=1)
    order = np.lexsort((source, code, to))
    return {"from_location": source[order], "panel": to[order], "product": code[order], "mg": mg[order]}, moved


def _rings(net: Network) -> Iterator[tuple[Ints, Ints]]:
    """Who comes to a panel's aid first, next and last: two arrays of numbers, -1 for nobody.

    The places whose number (in the second, shape (places,)) is that of a panel (in the first, shape (panels,)) help it.
    """
    n_panels = net.n_panels
    pool = np.full(n_panels + 1, -1, dtype=np.int64)
    for number, one in enumerate(net.pools):
        pool[one.locations] = number
    regions = {name: number for number, name in enumerate(dict.fromkeys(net.problem.region_of))}
    region = np.array([regions[name] for name in net.problem.region_of], dtype=np.int64)
    region += pool[:n_panels] * len(regions)
    panels = np.append(pool[:n_panels], -1)
    national = np.full(n_panels + 1, -1, dtype=np.int64)
    national[n_panels] = pool[n_panels]
    yield pool[:n_panels], national
    yield region, np.append(region, -1)
    yield pool[:n_panels], panels
