"""Sharing whole milligrams out in order, exactly."""

from __future__ import annotations

import numpy as np

from allocation.optimise.network import Ints

__all__ = ["match", "share_in_order"]


def share_in_order(group: Ints, total: Ints, wanted: Ints) -> Ints:
    """Give each what it wants, first come first served, until its group's total is used up.

    Parameters
    ----------
    group
        Group of each, shape (n,).
    total
        What each group has, shape (groups,).
    wanted
        What each wants, shape (n,).

    Returns
    -------
    ndarray
        What each gets, shape (n,).

    >>> share_in_order(np.array([0, 1, 0]), np.array([5, 1]), np.array([4, 3, 4])).tolist()
    [4, 1, 1]
    """
    before = _before(group, wanted, len(total))
    got: Ints = np.clip(total[group] - before, 0, wanted)
    return got


def match(left: Ints, left_mg: Ints, right: Ints, right_mg: Ints) -> tuple[Ints, Ints, Ints]:
    """Join amounts on the left to amounts on the right of the same group, each side in its order.

    Returns
    -------
    tuple of ndarray
        Index on the left, index on the right and amount of each join. What one side has too much of is left over.

    >>> [part.tolist() for part in match(np.array([0, 0]), np.array([3, 4]), np.array([0, 0]), np.array([5, 2]))]
    [[0, 1, 1], [0, 0, 1], [3, 2, 2]]
    """
    groups = int(max(left.max(initial=-1), right.max(initial=-1))) + 1
    have_left = np.bincount(left, weights=left_mg, minlength=groups)
    have_right = np.bincount(right, weights=right_mg, minlength=groups)
    ends = np.cumsum(np.maximum(have_left, have_right)).astype(np.int64)
    begin = np.concatenate([np.zeros(1, dtype=np.int64), ends])[:-1]
    at_left, start_left, end_left = _intervals(left, left_mg, begin)
    at_right, start_right, end_right = _intervals(right, right_mg, begin)
    edges = np.unique(np.concatenate([start_left, end_left, start_right, end_right]))
    if not len(start_left) or not len(start_right):
        nothing = np.zeros(0, dtype=np.int64)
        return nothing, nothing, nothing
    here, width = edges[:-1], np.diff(edges)
    i = np.maximum(np.searchsorted(start_left, here, side="right") - 1, 0)
    j = np.maximum(np.searchsorted(start_right, here, side="right") - 1, 0)
    inside = (here >= start_left[i]) & (here < end_left[i]) & (here >= start_right[j]) & (here < end_right[j])
    return at_left[i[inside]], at_right[j[inside]], width[inside]


def _before(group: Ints, amount: Ints, groups: int) -> Ints:
    """What those earlier in the same group add up to."""
    order = np.argsort(group, kind="stable")
    running = np.cumsum(amount[order]) - amount[order]
    size = np.bincount(group, minlength=groups)
    starts = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(size)])[:-1]
    base = np.zeros(groups, dtype=np.int64)
    full = size > 0
    base[full] = running[starts[full]]
    before = np.empty(len(group), dtype=np.int64)
    before[order] = running - base[group[order]]
    return before


def _intervals(group: Ints, amount: Ints, begin: Ints) -> tuple[Ints, Ints, Ints]:
    """Place each amount on a line on which every group has its own stretch; empty amounts go."""
    start = begin[group] + _before(group, amount, len(begin)) if len(group) else group
    kept = np.flatnonzero(amount > 0)
    kept = kept[np.argsort(start[kept], kind="stable")]
    return kept, start[kept], start[kept] + amount[kept]
