"""What cuts and heaps prove is what the program finds: every stage's objective, every share, every gram.

The number of random instances is small here and can be raised: ``IGALLOC_INSTANCES=10000``.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from allocation.optimise.direct import exact_rations
from allocation.optimise.flow import floor_shares
from allocation.optimise.network import index_problem
from allocation.optimise.plan import Plan
from allocation.optimise.priority import ration_by_program
from allocation.optimise.problem import Problem
from allocation.optimise.program import solve
from allocation.optimise.solvers import open_session
from allocation.optimise.verify import verify
from allocation.rules import NATIONAL, ProductSet, load_products, load_tiers
from allocation.rules.supply import Tier

CODES = ("privigen_10", "octagam_10", "panzyga_10", "hizentra_20", "cuvitru_20", "subgam_16")
PANELS = ("P1", "P2", "P3", "P4")
REGIONS = ("North", "North", "South", "South")
TIERS = load_tiers()
KEYS = ["panel", "grade", "emergency", "route", "product", "locked"]
ALWAYS = int(os.environ.get("IGALLOC_INSTANCES", "200"))
SLOWLY = int(os.environ.get("IGALLOC_INSTANCES", "1200"))
BY_CBC = 40
EACH = 11


def regimes() -> list[Tier]:
    """The four tiers, each twice, and others that a planner could write."""
    one, two, three, four = TIERS.tier
    by_class = tuple(stage.model_copy(update={"fair_between": "classes"}) for stage in three.stage)
    return [
        *(one, two, three, four) * 2,
        two.model_copy(update={"switch_capacity": 0.05}),
        two.model_copy(update={"stage": by_class}),
        two.model_copy(update={"stage": by_class, "switch_capacity": 0.1, "product_reach": "any_route"}),
        three.model_copy(update={"stage": by_class}),
        four.model_copy(update={"product_reach": "same"}),
        one.model_copy(update={"stage": three.stage}),
        two.model_copy(update={"stock_reach": "region"}),
    ]


REGIMES = regimes()


def instance(seed: int) -> Problem:
    """A random problem; the seed decides what is special about it."""
    rng = random.Random(seed)
    tier = REGIMES[seed % len(REGIMES)]
    panels = PANELS[: rng.choice((1, 2, 3, 4))]
    codes = CODES[: rng.choice((1, 3, 6, 6))]
    kind = rng.choice(("mixed", "mixed", "mixed", "flexible", "locked", "no demand", "no stock", "emergencies"))
    unit = rng.choice((500, 500, 1, 977))
    rows: dict[tuple[object, ...], int] = {}
    for _ in range(0 if kind == "no demand" else rng.randint(1, 24)):
        key = (
            rng.choice(panels),
            rng.randint(0, 4),
            kind == "emergencies" or rng.random() < 0.2,
            rng.choice(("IV", "IV", "IV", "SC", "SC", "IM")),
            "" if kind == "flexible" else rng.choice(codes if kind == "locked" else ("", *codes)),
            kind == "locked" or (kind == "mixed" and rng.random() < 0.2),
        )
        rows[key] = rows.get(key, 0) + rng.randint(0, 40) * unit
    classes = pd.DataFrame([(*key, mg) for key, mg in rows.items()], columns=[*KEYS, "due_mg"])
    classes = classes.astype({"grade": "int64", "emergency": bool, "locked": bool, "due_mg": "int64"})
    classes.insert(0, "class_id", np.arange(len(classes)))
    classes["patients"] = 1
    plenty = rng.choice((10, 30, 60, 120))
    shelf: dict[tuple[str, str], int] = {}
    for _ in range(0 if kind == "no stock" else rng.randint(1, 14)):
        place = rng.choice((*panels, *panels, NATIONAL)), rng.choice(codes)
        shelf[place] = shelf.get(place, 0) + rng.randint(0, plenty) * unit
    stock = pd.DataFrame([(*place, mg) for place, mg in shelf.items()], columns=["location", "product", "mg"])
    held = None
    if tier.reserve_quantile and rng.random() < 0.5:
        pools = dict.fromkeys(REGIONS) if tier.stock_reach == "region" else (NATIONAL,)
        held = pd.DataFrame({"pool": list(pools), "mg": [rng.randint(0, 30) * unit] * len(pools)})
    return Problem(
        tier=tier,
        panels=PANELS,
        region_of=REGIONS,
        products=ProductSet(product=tuple(load_products().by_code[code] for code in CODES)),
        classes=classes,
        stock=stock.astype({"mg": "int64"}),
        reserve_mg=held,
    )


def assert_same(ours: Plan, check: Plan) -> None:
    assert [item.name for item in ours.objectives] == [item.name for item in check.objectives]
    found, expected = ([item.value for item in plan.objectives] for plan in (ours, check))
    assert found == pytest.approx(expected, abs=1e-6, rel=1e-9)
    for name in ("cells", "given", "flows", "reserve"):
        pd.testing.assert_frame_equal(getattr(ours, name), getattr(check, name))


def compared(seeds: range, solver: str = "highs") -> Counter[str]:
    """Hold the plans of random instances against the staged program; count the pools that were proven."""
    count: Counter[str] = Counter()
    for seed in seeds:
        problem = instance(seed)
        ours = solve(problem)
        net = index_problem(problem)
        asked = [pool for pool in net.pools if len(pool.classes)]
        proven = sum(ration is not None for ration in exact_rations(net, asked))
        count.update(pools=len(asked), proven=proven, instances=1)
        assert_same(ours, solve(problem, solver=solver, by_program=True))  # type: ignore[arg-type]
    return count


def test_random_instances_are_solved_as_by_the_program():
    count = compared(range(ALWAYS))
    assert count["proven"] > 0.7 * count["pools"]


@pytest.mark.slow
def test_many_random_instances_are_solved_as_by_the_program():
    count = compared(range(100_000, 100_000 + SLOWLY))
    print(dict(count))
    assert count["proven"] > 0.7 * count["pools"]


@pytest.mark.slow
def test_random_instances_are_solved_as_by_cbc():
    """CBC writes eight digits, so its program serves as a check where amounts are few milligrams."""
    compared(range(500_000, 500_000 + BY_CBC), solver="cbc")


def test_every_shipped_tier_is_proven_without_the_program():
    """But where a switch limit meets products that only some of those switching may take."""
    declined: Counter[int] = Counter()
    for seed in range(len(REGIMES) * 20):
        problem = instance(seed)
        net = index_problem(problem)
        asked = [pool for pool in net.pools if len(pool.classes)]
        declined[seed % len(REGIMES)] += sum(ration is None for ration in exact_rations(net, asked))
    assert [declined[number] for number in (0, 2, 3, 4, 6, 7)] == [0] * 6


def test_limits_across_products_and_places_are_left_to_the_program():
    shared = REGIMES[-1]
    assert shared.switch_capacity is not None
    for seed in range(len(REGIMES) - 1, 20 * len(REGIMES), len(REGIMES)):
        net = index_problem(instance(seed))
        may_switch = [pool for pool in net.pools if (net.choice[pool.classes] >= 0).any()]
        assert exact_rations(net, may_switch) == [None] * len(may_switch)


amounts = st.integers(0, 12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(
        st.tuples(st.sampled_from(PANELS[:2]), st.sampled_from((4, 3)), st.sampled_from(CODES), st.booleans(), amounts)
    ),
    st.lists(st.tuples(st.sampled_from(PANELS[:2]), st.sampled_from(CODES), amounts), max_size=6),
    st.sampled_from(TIERS.tier),
)
def test_shares_are_those_of_the_program(rows, stock, tier):
    lines: dict[tuple[object, ...], int] = {}
    for panel, grade, code, locked, mg in rows:
        key = (panel, grade, False, "SC" if code in CODES[3:] else "IV", code, locked)
        lines[key] = lines.get(key, 0) + mg
    classes = pd.DataFrame([(*key, mg) for key, mg in lines.items()], columns=[*KEYS, "due_mg"])
    classes = classes.astype({"grade": "int64", "emergency": bool, "locked": bool, "due_mg": "int64"})
    classes.insert(0, "class_id", np.arange(len(classes)))
    shelf = pd.DataFrame(stock, columns=["location", "product", "mg"]).astype({"mg": "int64"})
    problem = replace(instance(0), tier=tier, classes=classes.assign(patients=1), stock=shelf)
    net = index_problem(problem)
    asked = [pool for pool in net.pools if len(pool.classes)]
    for pool, ration in zip(asked, exact_rations(net, asked), strict=True):
        check = ration_by_program(net, pool, open_session("highs"))
        if ration is not None:
            assert ration.cell_mg.tolist() == check.cell_mg.tolist()
            for found, expected in zip(ration.stages, check.stages, strict=True):
                assert found.due_mg == expected.due_mg
                assert found.served_mg == pytest.approx(expected.served_mg, abs=1e-6)
                assert found.least_fill == pytest.approx(expected.least_fill, abs=1e-9)


def test_a_share_worked_by_hand():
    """7 g, 11 g and 13 g due, 10 g there: 10/31 each, rounded down to the milligram; and so where 64 bits do not do."""
    due = np.array([7000, 11000, 13000])
    assert floor_shares(due, 10_000, 31_000).tolist() == [2258, 3548, 4193]
    large = np.array([2**40, 2**41 + 1])
    assert floor_shares(large, 2**41, 2**41 + 2**40 + 1).tolist() == [
        int(Fraction(int(mg) * 2**41, 2**41 + 2**40 + 1)) for mg in large
    ]


FOURTEEN = (
    *("privigen_10", "octagam_5", "octagam_10", "panzyga_10", "gammaplex_5", "gammaplex_10", "gamunex_10"),
    *("intratect_5", "intratect_10", "kiovig_10", "hizentra_20", "cuvitru_20", "xembify_20", "subgam_16"),
)


def many_panels(number: int) -> Problem:
    """500 panels x 4 grades x 14 products at a tier, with stock of uneven plenty and, where the tier has one, a
    reserve."""
    rng = np.random.default_rng(number)
    panels = tuple(f"P{place:03}" for place in range(500))
    regions = tuple(f"R{place // 50}" for place in range(500))
    at = [part.ravel() for part in np.meshgrid(range(500), (4, 3, 2, 1), range(len(FOURTEEN)), indexing="ij")]
    products = ProductSet(product=tuple(load_products().by_code[code] for code in FOURTEEN))
    classes = pd.DataFrame(
        {
            "class_id": np.arange(len(at[0])),
            "panel": np.array(panels, dtype=object)[at[0]],
            "grade": at[1],
            "emergency": (at[1] == 4) & (rng.random(len(at[0])) < 0.1),
            "route": np.array([product.route for product in products.product], dtype=object)[at[2]],
            "product": np.array(FOURTEEN, dtype=object)[at[2]],
            "locked": rng.random(len(at[0])) < 0.1,
            "patients": 1,
            "due_mg": rng.integers(0, 60, len(at[0])) * 5000,
        }
    )
    stock = classes.groupby(["panel", "product"], as_index=False)["due_mg"].sum()
    stock["mg"] = (stock["due_mg"] * 0.7 * rng.uniform(0.2, 1.2, len(stock))).astype("int64")
    tier = TIERS.of(number)
    pools = {"panel": (), "region": tuple(dict.fromkeys(regions)), "national": (NATIONAL,)}[tier.stock_reach]
    return Problem(
        tier=tier,
        panels=panels,
        region_of=regions,
        products=products,
        classes=classes,
        stock=stock.rename(columns={"panel": "location"})[["location", "product", "mg"]],
        reserve_mg=pd.DataFrame({"pool": list(pools), "mg": [500_000] * len(pools)}) if pools else None,
    )


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_500_panels_are_shared_out_as_by_the_program(number):
    """Every share the program's, and the whole plan verified. Of 500 small pools each eleventh is compared."""
    problem = many_panels(number)
    net = index_problem(problem)
    rations = exact_rations(net, net.pools)
    compared = list(zip(net.pools, rations, strict=True))[:: 1 if len(net.pools) < EACH else EACH]
    for pool, ration in compared:
        assert ration is not None
        assert ration.cell_mg.tolist() == ration_by_program(net, pool, open_session("highs")).cell_mg.tolist()
    verify(problem, solve(problem)).raise_if_failed()
