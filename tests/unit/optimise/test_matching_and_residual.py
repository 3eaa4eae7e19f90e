"""Sharing out in order, joining two sides, and what can be changed about a flow."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from allocation.optimise.matching import match, share_in_order
from allocation.optimise.residual import ResidualBuilder

amounts = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=8)


def ints(values):
    return np.array(values, dtype=np.int64)


@given(amounts, st.lists(st.integers(0, 20), min_size=4, max_size=4))
def test_first_come_first_served(wants, totals):
    group, wanted = ints([g for g, _ in wants]), ints([w for _, w in wants])
    got = share_in_order(group, ints(totals), wanted)
    left = list(totals)
    for (g, want), had in zip(wants, got.tolist(), strict=True):
        assert had == min(want, left[g])
        left[g] -= had


@given(amounts, amounts)
def test_joins_use_up_the_smaller_side_of_each_group(left, right):
    columns = [ints([row[n] for row in side]) for side in (left, right) for n in (0, 1)]
    i, j, joined = match(*columns)
    assert (joined > 0).all()
    for g in range(4):
        used = sum(mg for a, mg in zip(i.tolist(), joined.tolist(), strict=True) if left[a][0] == g)
        assert used == min(sum(mg for h, mg in side if h == g) for side in (left, right))
    for side, at in ((left, i), (right, j)):
        for place in range(len(side)):
            assert int(joined[at == place].sum()) <= side[place][1]
    assert all(left[a][0] == right[b][0] for a, b in zip(i.tolist(), j.tolist(), strict=True))


def test_changes_follow_room_left_and_flow_there():
    graph = ResidualBuilder()
    a, b, c = (graph.node(name) for name in "abc")
    graph.arc(a, b, flow=3, capacity=3)
    graph.arc(b, c, flow=3, capacity=None)
    residual = graph.residual(tolerance=0)
    assert residual.reach(a).tolist() == [True, False, False]
    assert residual.reach(c).tolist() == [True, True, True], "what flows can be taken back"
    assert residual.reach(a, backward=True).tolist() == [True, True, True]
    assert graph.residual(tolerance=3).reach(c).tolist() == [False, False, True], "too little to count"


def test_costs_of_changes():
    graph = ResidualBuilder()
    a, b, c = (graph.node(name) for name in "abc")
    graph.arc(a, b, flow=1, capacity=None, cost=5)
    graph.arc(b, c, flow=1, capacity=None, cost=1)
    residual = graph.residual(tolerance=0)
    assert residual.distance(a).tolist() == [0, 5, 6]
    assert residual.distance(c, backward=True).tolist() == [6, 1, 0]
    assert residual.free_arcs(residual.cost == residual.cost) is not None
    graph.arc(a, c, flow=0, capacity=9, cost=2)
    dear = graph.residual(tolerance=0)
    assert dear.free_arcs(dear.cost == dear.cost) is None, "six going round cost less on the direct way"
    assert dear.distance(a) is None
