"""Shares proven by cuts and by heaps, on cases small enough to check by hand."""

from __future__ import annotations

import numpy as np
import pytest

from allocation.optimise.direct import exact_ration, settle_alone
from allocation.optimise.flow import ration_by_cuts
from allocation.optimise.flow_many import ration_many
from allocation.optimise.flow_panel import ration_panels
from allocation.optimise.network import index_problem
from allocation.optimise.priority import ration_by_program
from allocation.optimise.program import solve
from allocation.optimise.solvers import open_session
from allocation.optimise.sourcing import source_by_program
from allocation.rules import load_tiers

HIGHS = open_session("highs")


def ration_of(small, demand, stock, tier, **more):
    net = index_problem(small.problem(demand, stock, tier, **more))
    pool = next(pool for pool in net.pools if len(pool.classes))
    return net, pool


def test_shares_rise_together_until_a_product_ends(small):
    """P1 can take Privigen alone (its patient is locked); 6 g of it for 12 g. The other 10 g go to P2's 16 g."""
    demand = small.patients(
        {"due_g": 12, "locked": True}, {"due_g": 16, "panel": "P2", "product": "octagam_10", "locked": True}
    )
    stock = small.grams(("P1", "privigen_10", 6), ("P2", "octagam_10", 10))
    net, pool = ration_of(small, demand, stock, 3)
    ration = ration_by_cuts(net, pool)
    assert ration.cell_mg.tolist() == [6000, 10000]
    grade_3 = ration.stages[1]
    assert (grade_3.due_mg, grade_3.served_mg, grade_3.least_fill) == (28000, 16000, 0.5)


def test_earlier_stages_count_with_all_they_are_due(small):
    """Grade 4 is short, so whatever it shares, nothing it could use is left to grade 3; subcutaneous stock is."""
    demand = small.patients(
        {"due_g": 30, "grade": 4},
        {"due_g": 30, "grade": 4, "panel": "P2"},
        {"due_g": 10, "grade": 3},
        {"due_g": 10, "grade": 3, "route": "SC", "product": "hizentra_20"},
    )
    stock = small.grams(("P1", "privigen_10", 25), ("P2", "hizentra_20", 4))
    net, pool = ration_of(small, demand, stock, 3)
    ration = ration_by_cuts(net, pool)
    assert ration.cell_mg.tolist() == [12500, 12500, 4000]
    assert [stage.served_mg for stage in ration.stages[:2]] == [25000, 4000]


def test_the_reserve_is_held_before_the_second_stage(small):
    demand = small.patients({"due_g": 10, "grade": 4}, {"due_g": 20, "grade": 3})
    net, pool = ration_of(small, demand, small.grams(("P1", "privigen_10", 18)), 3, reserve=[("North", 5)])
    ration = ration_by_cuts(net, pool)
    assert (ration.cell_mg.tolist(), ration.reserve_mg) == ([10000, 3000], 5000)


def test_what_nobody_may_take_gives_no_share(small):
    demand = small.patients({"due_g": 10, "product": "subgam_16", "route": "SC", "locked": True}, {"due_g": 10})
    net, pool = ration_of(small, demand, small.grams(("P1", "privigen_10", 10)), 1)
    for ration in (ration_by_cuts(net, pool), *ration_panels(net, [pool])):
        assert sorted(ration.cell_mg.tolist()) == [0, 10000]
        assert ration.stages[1].least_fill == 0.0


def test_a_limit_on_switching_can_make_the_fairest_share_less_even(small):
    """40 g of Octagam, all due Privigen but 20 g; a quarter of 60 g may be switched: 15 g of the 40 g."""
    demand = small.patients({"due_g": 40}, {"due_g": 20, "product": "octagam_10"})
    net, pool = ration_of(small, demand, small.grams(("P1", "octagam_10", 40)), 2)
    (ration,) = ration_panels(net, [pool])
    assert dict(zip(net.own[pool.classes].tolist(), ration.cell_mg.tolist(), strict=True)) == {0: 15000, 1: 20000}
    assert ration_by_cuts(net, pool) is None
    assert ration_many(net, [pool]) == [None]


def test_two_heaps_share_one_limit_on_switching(small):
    """What may be switched is one number for both heaps, so the deliverable amounts are no polymatroid.

    Octagam and Subgam patients have no stock of their own and need 20 g of switches each; a quarter of 80 g is 20 g.
    Privigen is there for its own 20 g and no more, Hizentra for its own and 20 g. A switch to Privigen takes from its
    own patients, one to Hizentra serves more: all 20 g go there, though shares alone would have split them.
    """
    demand = small.patients(
        {"due_g": 20},
        {"due_g": 20, "product": "octagam_10"},
        {"due_g": 20, "route": "SC", "product": "hizentra_20"},
        {"due_g": 20, "route": "SC", "product": "subgam_16"},
    )
    net, pool = ration_of(small, demand, small.grams(("P1", "privigen_10", 20), ("P1", "hizentra_20", 40)), 2)
    (ration,) = ration_panels(net, [pool])
    check = ration_by_program(net, pool, HIGHS)
    assert ration.cell_mg.tolist() == check.cell_mg.tolist() == [20000, 0, 20000, 20000]


def test_heaps_that_share_a_product_are_left_to_the_program(small):
    """Subgam may be given into the muscle and under the skin, and both patients would have to switch to it."""
    demand = small.patients(
        {"due_g": 10, "route": "IM", "product": "privigen_10"},
        {"due_g": 10, "route": "SC", "product": "hizentra_20"},
    )
    stock = small.grams(("P1", "subgam_16", 8), ("P1", "hizentra_20", 5))
    net, pool = ration_of(small, demand, stock, 2)
    assert exact_ration(net, pool) is None
    assert solve(net.problem).parts == (2, 1)


def test_many_panels_are_filled_as_one_is(small):
    rng = np.random.default_rng(7)
    rows = [
        {
            "due_g": float(rng.integers(1, 60)),
            "panel": f"P{rng.integers(1, 4)}",
            "emergency": bool(rng.random() < 0.2),
            "product": str(rng.choice(["", "privigen_10", "octagam_10", "subgam_16"])),
            "route": str(rng.choice(["IV", "SC", "IM"])),
        }
        for _ in range(60)
    ]
    stock = small.grams(
        *((f"P{n}", code, 80) for n in (1, 2, 3) for code in ("privigen_10", "octagam_10", "hizentra_20"))
    )
    net = index_problem(small.problem(small.patients(*rows), stock, 1))
    many, alone = ration_many(net, net.pools), ration_panels(net, net.pools)
    for one, other in zip(many, alone, strict=True):
        assert one is not None
        assert one.cell_mg.tolist() == other.cell_mg.tolist()
        assert [stage.served_mg for stage in one.stages] == [stage.served_mg for stage in other.stages]
        assert [stage.least_fill for stage in one.stages] == [stage.least_fill for stage in other.stages]


@pytest.mark.parametrize("tier", [1, 2])
def test_products_follow_from_the_settled_milligrams(small, tier):
    demand = small.patients({"due_g": 30}, {"due_g": 10, "product": "octagam_10"}, {"due_g": 8, "product": ""})
    stock = small.grams(("P1", "privigen_10", 20), ("P1", "octagam_10", 16))
    net, pool = ration_of(small, demand, stock, tier)
    ours, check = exact_ration(net, pool), ration_by_program(net, pool, HIGHS)
    assert ours.cell_mg.tolist() == check.cell_mg.tolist()
    settled = settle_alone(net, pool, check)
    sourced = source_by_program(net, pool, ours, HIGHS)
    assert int(settled.mg.sum()) == int(sourced.mg.sum()) == int(ours.cell_mg.sum())


def test_too_many_nodes_are_left_to_the_program(small, monkeypatch):
    """All cuts of so many nodes are not listed."""
    monkeypatch.setattr("allocation.optimise.flow._MOST_NODES", 1)
    demand = small.patients({"due_g": 10}, {"due_g": 10, "route": "SC", "product": "hizentra_20"})
    stock = small.grams(
        *((p, c, 3) for p in ("P1", "P2") for c in ("privigen_10", "octagam_10", "hizentra_20", "subgam_16"))
    )
    net, pool = ration_of(small, demand, stock, load_tiers().of(3))
    assert ration_by_cuts(net, pool) is None
    assert solve(net.problem).programs >= 2
