"""Who counts as one in the program over weeks, and the ways in which each may be served.

Classes that share a cell, a grade and the products they may take are one group. Where a panel may not switch or infuse
as it likes, what a group is given is told apart by ways: its own product, others by the vein, others not by the vein;
there groups also share their own product, and where courses are counted each class is a group of its own. Panels
without such limits need no ways, and share the stock of a pool as one; so the program stays small where nothing is
limited.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from allocation.optimise.horizon.problem import HorizonProblem
from allocation.optimise.network import NONE, Bools, Floats, Ints, Network, Pool
from allocation.optimise.problem import CLASS_KEYS, class_keys
from allocation.quantities import MG_PER_G

__all__ = ["Groups", "allowed_products", "class_of_patients", "fences_in", "group_classes"]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Groups of a pool.

    Attributes
    ----------
    kind_product, kind_fence
        Kinds of stock: each product open (fence -1), then what lies inside each fence of the pool.
    sets
        Sets of kinds that somebody may be given, shape (sets, kinds).
    group_of
        Group of each class of the pool.
    cell, grade, panel, spot
        Of each group; a spot is a place with a limit on deliveries, or all others together.
    way_set, way_switched, way_infused
        Set of kinds of each way of each group (-1 for no such way), and whether what is given so counts as switched,
        and as infused where that is limited, shape (groups, 3). The first way is always there.
    due_mg
        Shape (groups, weeks).
    courses_per_g
        Courses that a gram stands for, shape (groups,).
    spot_of
        Spot of each place, shape (panels + 1,).
    """

    kind_product: Ints
    kind_fence: Ints
    sets: Bools
    group_of: Ints
    cell: Ints
    grade: Ints
    panel: Ints
    spot: Ints
    way_set: Ints
    way_switched: Bools
    way_infused: Bools
    due_mg: Ints
    courses_per_g: Floats
    spot_of: Ints

    @property
    def several(self) -> Bools:
        """Groups with more ways than one."""
        more: Bools = (self.way_set >= 0).sum(axis=1) > 1
        return more


def group_classes(horizon: HorizonProblem, net: Network, pool: Pool) -> Groups:
    """The groups of a pool."""
    cls, limits = pool.classes, horizon.limits
    panel, own = net.panel[cls], net.own[cls]
    allowed = allowed_products(net, cls)
    fences = fences_in(net, pool)
    splits = limits.switching[panel] & (own >= 0) & (net.choice[cls] >= 0) & (allowed.sum(axis=1) > 1)
    infusing = limits.infusing[panel]
    by_vein = _by_vein(net, cls)
    mine = np.eye(allowed.shape[1], dtype=np.bool_)[np.maximum(own, 0)] & splits[:, None]
    masks = np.stack(
        [np.where(infusing[:, None], allowed & by_vein, allowed), allowed & ~by_vein & infusing[:, None], mine]
    )
    if len(fences) and net.rows is not None:
        inside = masks[:, :, net.rows.fence_product[fences]] & net.rows.member[np.ix_(cls, fences)][None]
        masks = np.concatenate([masks, inside], axis=2)
    there: Bools = np.any(masks, axis=2)
    there[0] = True
    sets, found = np.unique(masks[there], axis=0, return_inverse=True)
    ways = np.full(there.shape, NONE, dtype=np.int64)
    ways[there] = found.reshape(-1)
    own_infused = infusing & by_vein[np.arange(len(cls)), np.maximum(own, 0)] & there[2]
    alone = np.where(limits.counted[panel], np.arange(len(cls)) + 1, 0)
    key = np.stack([net.cell[cls], *ways, own_infused, net.grade[cls], alone])
    kinds, first, of = np.unique(key, axis=1, return_index=True, return_inverse=True)
    group_of = of.reshape(-1).astype(np.int64)
    row_of = {class_id: row for row, class_id in enumerate(horizon.total.classes["class_id"].tolist())}
    rows = np.array([row_of[class_id] for class_id in net.class_id[cls].tolist()], dtype=np.int64)
    due_mg = np.zeros((kinds.shape[1], horizon.weeks), dtype=np.int64)
    np.add.at(due_mg, group_of, horizon.due_mg[rows])
    courses = np.zeros(len(cls)) if net.rows is None else net.rows.courses[cls]
    rate = courses * MG_PER_G / np.maximum(net.due_mg[cls], 1)
    spot_of = limits.spots(pool)
    products = np.arange(allowed.shape[1])
    fenced = fences if net.rows is None else net.rows.fence_product[fences]
    other = kinds[3] >= 0
    return Groups(
        kind_product=np.concatenate([products, fenced]),
        kind_fence=np.concatenate([np.full(len(products), NONE), fences]),
        sets=sets,
        group_of=group_of,
        cell=kinds[0],
        grade=kinds[5],
        panel=panel[first],
        spot=spot_of[panel[first]],
        way_set=kinds[1:4].T,
        way_switched=np.stack([other, other, np.zeros_like(other)], axis=1),
        way_infused=np.stack([infusing[first], np.zeros_like(other), kinds[4] > 0], axis=1),
        due_mg=due_mg,
        courses_per_g=rate[first],
        spot_of=spot_of,
    )


def allowed_products(net: Network, cls: Ints) -> Bools:
    """Products that each class may take, shape (classes, products)."""
    products = np.arange(net.stock_mg.shape[1])
    return np.array(
        [net.choices[h] if h >= 0 else products == o for h, o in zip(net.choice[cls], net.own[cls], strict=True)],
        dtype=np.bool_,
    ).reshape(len(cls), len(products))


def _by_vein(net: Network, cls: Ints) -> Bools:
    if net.rows is None:
        return np.zeros((len(cls), net.stock_mg.shape[1]), dtype=np.bool_)
    by_vein: Bools = net.rows.infuses[cls]
    return by_vein


def fences_in(net: Network, pool: Pool) -> Ints:
    """Numbers of the fences with stock in a pool."""
    if net.rows is None:
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(net.rows.fence_mg[:, pool.locations].any(axis=1)).astype(np.int64)


def class_of_patients(net: Network, demand: pd.DataFrame) -> dict[str, int]:
    """Class of the network of each patient of a demand table; ``NONE`` for those who are in none."""
    rows, names = demand.reset_index(drop=True), list(CLASS_KEYS)
    keyed = class_keys(rows).merge(net.problem.classes[[*names, "class_id"]], on=names, how="left")
    place = {class_id: c for c, class_id in enumerate(net.class_id.tolist())}
    told = zip(rows["patient_id"].tolist(), keyed["class_id"].tolist(), strict=True)
    return {patient: place.get(class_id, NONE) for patient, class_id in told}
