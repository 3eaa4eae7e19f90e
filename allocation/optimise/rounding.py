"""What whole vials cost against the plan in grams, and why it cannot be more.

After a stage, put together the classes served so far and the products they may take, pool by pool, and part them
where nothing joins them: no class in one part may take a product of another. For a part,

- the plan gave its classes no more than they are due, so plan less given is at most what its patients still lack;
- the plan gave them no more than the part's stock less the reserve planned from it. That stock is now given, held as
  reserve, or still on the shelf (later stages have had nothing yet), so plan less given is also at most what is on
  the shelf, and what is held beyond the planned reserve.

The bound is the smaller of the two, summed over the parts. It needs no word about vial sizes, and it is small because
the offers end only when no vial in reach fits, and patients are many to each product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from allocation.optimise.network import Bools, Ints, Network

__all__ = ["StageRounding", "loss_bound_mg"]


@dataclass(frozen=True, slots=True)
class StageRounding:
    """Plan and vials after a stage.

    Attributes
    ----------
    planned_mg, given_mg
        Of this stage.
    lost_mg
        Planned less given, this stage and all before it together; below 0 where second offers gave more.
    bound_mg
        The most that ``lost_mg`` can be.
    """

    stage: str
    planned_mg: int
    given_mg: int
    lost_mg: int
    bound_mg: int


def loss_bound_mg(
    net: Network, stage: int, *, lacking_mg: Ints, shelf_mg: Ints, held_mg: Ints, reserve_mg: Ints
) -> int:
    """Bound on plan less given after a stage.

    Parameters
    ----------
    lacking_mg
        What the patients of each class still lack, shape (classes,).
    shelf_mg
        What is on the shelf, shape (places, products).
    held_mg, reserve_mg
        Reserve held in vials and planned in grams, shape (pools, products).
    """
    bound = 0
    for number, pool in enumerate(net.pools):
        cls = pool.classes[net.stage[pool.classes] <= stage]
        if not len(cls):
            continue
        sets = net.choices[net.choice[cls]] if len(net.choices) else np.zeros((len(cls), shelf_mg.shape[1]), bool)
        sets = np.where((net.choice[cls] >= 0)[:, None], sets, np.arange(shelf_mg.shape[1]) == net.own[cls][:, None])
        there = shelf_mg[pool.locations].sum(axis=0) + held_mg[number] - reserve_mg[number]
        part_of = _parts(sets)
        for part in np.unique(part_of):
            members = part_of == part
            lacking = int(lacking_mg[cls[members]].sum())
            bound += min(lacking, max(int(there[sets[members].any(axis=0)].sum()), 0))
    return bound


def _parts(sets: Bools) -> Ints:
    """Part of each set: sets that share a product, at first hand or through others, are one part."""
    distinct, kind = np.unique(sets, axis=0, return_inverse=True)
    part = np.arange(len(distinct))
    while True:
        touches = distinct.astype(np.int64) @ distinct.T.astype(np.int64) > 0
        np.fill_diagonal(touches, val=True)
        joined = np.where(touches, part[None, :], len(part)).min(axis=1)
        if np.array_equal(joined, part):
            return part[kind.reshape(-1)].astype(np.int64)
        part = joined
