"""A flow and what could still be changed about it, for the verifier.

An arc with room left can carry more; an arc that carries something can carry less. A flow can be improved in some way
exactly if such changes, put end to end, lead from where something is to be had to where it is wanted. Nothing here is
shared with the programs, which know nothing of this file.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["Residual", "ResidualBuilder"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_FAR = np.int64(2**60)


class ResidualBuilder:
    """Collects nodes by name, and arcs with capacity, flow and cost."""

    def __init__(self) -> None:
        self._node: dict[tuple[object, ...], int] = {}
        self._arcs: dict[tuple[int, int], list[int]] = {}

    def node(self, *name: object) -> int:
        """Number of a node, made when first named."""
        return self._node.setdefault(name, len(self._node))

    def has(self, *name: object) -> bool:
        """Whether there is such a node."""
        return name in self._node

    def arc(self, tail: int, head: int, *, flow: int, capacity: int | None, cost: int = 0) -> None:
        """Add flow to an arc. Capacity None is no limit."""
        entry = self._arcs.setdefault((tail, head), [0, -1 if capacity is None else capacity, cost])
        entry[0] += flow

    def residual(self, tolerance: int) -> Residual:
        """Changes of more than a tolerance that each arc allows."""
        tails, heads, costs = [], [], []
        for (tail, head), (flow, capacity, cost) in self._arcs.items():
            if capacity < 0 or capacity - flow > tolerance:
                tails.append(tail)
                heads.append(head)
                costs.append(cost)
            if flow > tolerance:
                tails.append(head)
                heads.append(tail)
                costs.append(-cost)
        as_ints = (np.array(values, dtype=np.int64) for values in (tails, heads, costs))
        return Residual(*as_ints, nodes=len(self._node))


class Residual:
    """Arcs along which a flow can be changed, and the cost of each."""

    def __init__(self, tail: Ints, head: Ints, cost: Ints, *, nodes: int) -> None:
        self.tail, self.head, self.cost, self.nodes = tail, head, cost, nodes

    def free_arcs(self, arcs: Bools) -> Bools | None:
        """Those of some arcs that may lie on circles of no cost; None where a circle of them lowers the cost.

        With each node at its least distance, an arc that costs more than the difference lies on no such circle.
        """
        distance = self._relaxed(np.zeros(self.nodes, dtype=np.int64), backward=False, arcs=arcs)
        if distance is None:
            return None
        free: Bools = arcs & (self.cost + distance[self.tail] - distance[self.head] == 0)
        return free

    def reach(self, start: int, *, backward: bool = False) -> Bools:
        """Nodes that a change can lead to from ``start``; backward: from which it can lead to ``start``."""
        tail, head = (self.head, self.tail) if backward else (self.tail, self.head)
        reached = np.zeros(self.nodes, dtype=np.bool_)
        reached[start] = True
        while True:
            new = head[reached[tail] & ~reached[head]]
            if not len(new):
                return reached
            reached[new] = True

    def distance(self, start: int, *, backward: bool = False) -> Ints | None:
        """Least cost of a change from ``start`` to each node (or to it); None where costs fall in a circle."""
        first = np.full(self.nodes, _FAR)
        first[start] = 0
        return self._relaxed(first, backward=backward)

    def _relaxed(self, distance: Ints, *, backward: bool, arcs: Bools | None = None) -> Ints | None:
        ends = (self.head, self.tail) if backward else (self.tail, self.head)
        tail, head, cost = (*ends, self.cost) if arcs is None else (ends[0][arcs], ends[1][arcs], self.cost[arcs])
        for _ in range(self.nodes + 1):
            offered = np.where(distance[tail] < _FAR, distance[tail] + cost, _FAR)
            better = distance.copy()
            np.minimum.at(better, head, offered)
            if np.array_equal(better, distance):
                return distance
            distance = better
        return None
