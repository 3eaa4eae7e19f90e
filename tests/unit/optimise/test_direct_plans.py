"""What is proven best without a solver is what the solver finds."""

from __future__ import annotations

import random

import numpy as np
import pytest

from allocation.optimise.direct import exact_ration, serve_everyone, settle_alone, without_solver
from allocation.optimise.network import index_problem
from allocation.optimise.priority import ration_by_program, whole_shares
from allocation.optimise.solvers import open_session
from allocation.optimise.sourcing import source_by_program

HIGHS = open_session("highs")


def switched_mg(net, supplies):
    own = net.own[supplies.classes]
    return int(supplies.mg[(own >= 0) & (own != supplies.product)].sum())


def rerouted_mg(net, supplies):
    choice = net.choice[supplies.classes]
    free = (choice >= 0) & (net.own[supplies.classes] != supplies.product)
    other = ~net.by_route[net.choice_route[choice[free]], supplies.product[free]]
    return int(supplies.mg[free][other].sum())


def random_case(small, seed, tier, plenty):
    rng = random.Random(seed)
    demand = small.patients(
        *(
            {
                "due_g": rng.randint(1, 40) / 2,
                "panel": rng.choice(["P1", "P2"]),
                "grade": rng.randint(0, 4),
                "emergency": rng.random() < 0.2,
                **rng.choice(
                    [
                        {"product": "privigen_10"},
                        {"product": "octagam_10"},
                        {"product": ""},
                        {"product": "hizentra_20", "route": "SC"},
                        {"product": "", "route": "SC"},
                    ]
                ),
            }
            for _ in range(rng.randint(1, 8))
        )
    )
    stock = small.grams(
        *(
            (p, c, rng.randint(0, plenty))
            for p in ("P1", "P2", "NATIONAL")
            for c in ("privigen_10", "octagam_10", "hizentra_20")
        )
    )
    return small.problem(demand, stock, tier, reserve=[("North", 3.0)] if tier == 3 else [])


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
@pytest.mark.parametrize("plenty", [10, 40, 120])
def test_equal_to_the_program(small, tier, plenty):
    direct = 0
    for seed in range(25):
        net = index_problem(random_case(small, seed, tier, plenty))
        for pool in net.pools:
            found = without_solver(net, pool)
            if found is None or not len(pool.classes):
                continue
            direct += 1
            ration, supplies = found
            proven = ration_by_program(net, pool, HIGHS)
            assert [(s.due_mg, s.served_mg) for s in ration.stages] == [
                (s.due_mg, pytest.approx(s.served_mg, abs=1e-3)) for s in proven.stages
            ]
            assert [s.least_fill for s in ration.stages] == pytest.approx([s.least_fill for s in proven.stages])
            assert np.array_equal(ration.cell_mg, proven.cell_mg)
            assert ration.reserve_mg == proven.reserve_mg
            assert supplies.mg.sum() == proven.cell_mg.sum()
            sourced = source_by_program(net, pool, proven, HIGHS)
            assert switched_mg(net, supplies) == switched_mg(net, sourced)
            assert rerouted_mg(net, supplies) == rerouted_mg(net, sourced)
    assert direct >= (5 if tier < 3 or plenty > 40 else 1)


def test_no_switch_is_made_where_moving_could_avoid_it(small):
    demand = small.patients({"due_g": 10})
    stock = small.grams(("P1", "octagam_10", 10), ("P2", "privigen_10", 10))
    net = index_problem(small.problem(demand, stock, 3))
    assert serve_everyone(net, net.pools[0]) is None
    net = index_problem(small.problem(demand, stock, 2))
    assert serve_everyone(net, net.pools[0]) is None, "the whole course is more than a quarter of what is due"
    more = small.patients({"due_g": 10}, {"due_g": 30, "product": "octagam_10"})
    net = index_problem(small.problem(more, small.grams(("P1", "octagam_10", 40)), 2))
    supplies = serve_everyone(net, net.pools[0])
    assert supplies is not None
    assert switched_mg(net, supplies) == 10_000


def test_a_reserve_that_is_not_there_needs_the_program(small):
    stock = small.grams(("P1", "privigen_10", 12))
    for reserve, alone in ((2, True), (3, False)):
        net = index_problem(small.problem(small.patients({"due_g": 10}), stock, 3, reserve=[("North", reserve)]))
        assert (serve_everyone(net, net.pools[0]) is not None) == alone


def test_a_cell_of_several_classes_served_in_part_needs_the_program(small):
    """Its milligrams are proven, but even shares would switch the first class, and the second needs no switch."""
    demand = small.patients({"due_g": 10, "panel": "P3"}, {"due_g": 10, "panel": "P3", "product": ""})
    net = index_problem(small.problem(demand, small.grams(("P3", "octagam_10", 10)), 3))
    ration = exact_ration(net, net.pools[1])
    assert ration.cell_mg.tolist() == [10_000]
    assert settle_alone(net, net.pools[1], ration) is None


def test_settled_classes_get_products_in_order_of_their_stage(small):
    demand = small.patients({"due_g": 10, "emergency": True, "grade": 4}, {"due_g": 30})
    stock = small.grams(("P1", "privigen_10", 12), ("P1", "octagam_10", 10))
    net = index_problem(small.problem(demand, stock, 2))
    ration = ration_by_program(net, net.pools[0], HIGHS)
    supplies = settle_alone(net, net.pools[0], ration)
    assert supplies is not None
    lines = zip(supplies.classes.tolist(), supplies.product.tolist(), supplies.mg.tolist(), strict=True)
    assert sorted(lines) == [(0, 0, 10_000), (1, 0, 2_000), (1, 1, 10_000)]


def test_shares_are_exact():
    due = np.array([1, 2, 3, 10**15], dtype=np.int64)
    assert whole_shares(10**15 + 6, due, np.zeros(4)).tolist() == due.tolist()
    third = np.array([10, 10, 10], dtype=np.int64)
    assert whole_shares(10, third, np.zeros(3)).tolist() == [3, 3, 3]
    assert whole_shares(7.5, third[:2], np.array([3.75, 3.9999999999])).tolist() == [3, 4], "no whole number: floats"
