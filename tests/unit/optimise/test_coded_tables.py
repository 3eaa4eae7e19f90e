"""Tables given as numbers and as frames are the same tables."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.optimise import Problem, solve
from allocation.optimise.coded import BLANK, Coded, OptionalTable, Table, coded, held
from allocation.optimise.network import index_problem
from allocation.optimise.problem import ROUTES
from allocation.rules import NATIONAL, load_products, load_tiers

PANELS, PRODUCTS = ("P1", "P2"), load_products()
CODES = tuple(PRODUCTS.by_code)
LETTERS = {"letter": ("a", "b", "c")}


@dataclass(frozen=True, eq=False, kw_only=True)
class Box:
    table: Table = Table()
    other: OptionalTable = OptionalTable()


def numbers() -> Coded:
    return Coded({"letter": np.array([2, BLANK, 0]), "mg": np.array([5, 6, 7])}, LETTERS)


def test_frame_and_numbers_are_made_of_each_other() -> None:
    table = numbers()
    assert table.frame["letter"].tolist() == ["c", "", "a"]
    assert table.frame is table.frame
    back = Coded.of(table.frame, LETTERS)
    assert back["letter"].tolist() == [2, BLANK, 0]
    assert back["mg"].tolist() == [5, 6, 7]
    assert Coded.of(table.frame.iloc[:0], LETTERS).frame.empty


def test_a_field_is_read_as_a_frame_and_keeps_what_it_was_given() -> None:
    table = numbers()
    box = Box(table=table)
    assert held(box, "table") is table
    assert coded(box, "table", LETTERS) is table
    assert box.table is table.frame
    assert box.other is None
    both = replace(box, table=table.frame, other=table)
    assert both.other is table.frame
    assert coded(both, "table", LETTERS)["letter"].tolist() == [2, BLANK, 0]
    with pytest.raises(TypeError, match="table"):
        Box()  # type: ignore[call-arg, unused-ignore]


def test_numbers_among_other_codes_are_looked_up() -> None:
    box = Box(table=numbers())
    assert coded(box, "table", {"letter": ("c", "b", "a")})["letter"].tolist() == [0, BLANK, 2]
    with pytest.raises(KeyError, match="c"):
        coded(box, "table", {"letter": ("a", "b")})


def problem(rng: np.random.Generator, tier: int, **changes: dict[str, object]) -> Problem:
    n = 12
    classes: dict[str, object] = {
        "class_id": rng.permutation(n),
        "panel": rng.integers(0, len(PANELS), n),
        "grade": rng.integers(0, 5, n),
        "emergency": rng.random(n) < 0.2,
        "route": np.zeros(n, dtype=np.int64),
        "product": rng.integers(-1, 3, n),
        "locked": np.zeros(n, dtype=np.bool_),
        "patients": np.ones(n, dtype=np.int64),
        "due_mg": rng.integers(1, 50, n) * 1000,
    }
    stock = {"location": np.array([0, 1, 2, 2]), "product": np.array([0, 1, 0, 2]), "mg": rng.integers(1, 90, 4) * 1000}
    return Problem(
        tier=load_tiers().of(tier),
        panels=PANELS,
        region_of=("R", "R"),
        products=PRODUCTS,
        classes=Coded(
            {**classes, **changes.get("classes", {})},  # type: ignore[dict-item]
            {"panel": PANELS, "route": ROUTES, "product": CODES},
        ),
        stock=Coded({**stock, **changes.get("stock", {})}, {"location": (*PANELS, NATIONAL), "product": CODES}),  # type: ignore[dict-item]
    )


@pytest.mark.parametrize("tier", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_a_problem_in_numbers_is_the_problem_in_frames(tier: int, seed: int) -> None:
    one = problem(np.random.default_rng(seed), tier)
    read = one.reserve_mg is None and isinstance(held(one, "classes"), Coded)
    assert read
    pool = one.pools[0]
    one = replace(one, reserve_mg=Coded({"pool": np.array([0]), "mg": np.array([3000])}, {"pool": one.pools}))
    other = replace(one, reserve_mg=pd.DataFrame({"pool": [pool], "mg": [3000]}), classes=one.classes, stock=one.stock)
    assert isinstance(held(other, "classes"), pd.DataFrame)
    first, second = index_problem(one), index_problem(other)
    for name in ("class_id", "panel", "grade", "stage", "own", "due_mg", "cell", "choice", "stock_mg"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    assert [pool.reserve_mg for pool in first.pools] == [pool.reserve_mg for pool in second.pools]
    left, right = solve(one), solve(other)
    for name in ("given", "flows", "reserve", "cells"):
        pd.testing.assert_frame_equal(getattr(left, name), getattr(right, name))
    assert left.objectives == right.objectives


@pytest.mark.parametrize(
    ("table", "column", "values", "match"),
    [
        ("classes", "panel", np.full(12, 2), "panel"),
        ("classes", "panel", np.full(12, BLANK), "panel"),
        ("classes", "product", np.full(12, -2), "product"),
        ("classes", "due_mg", np.full(12, -1), "due_mg"),
        ("classes", "grade", np.full(12, 5), "grade"),
        ("classes", "class_id", np.zeros(12, dtype=np.int64), "class_id"),
        ("stock", "location", np.full(4, 3), "location"),
        ("stock", "mg", np.full(4, 0.5), "mg"),
    ],
)
def test_numbers_are_checked_as_frames_are(table: str, column: str, values: np.ndarray, match: str) -> None:
    with pytest.raises(InputError, match=match):
        problem(np.random.default_rng(0), 3, **{table: {column: values}})


def test_codes_of_other_panels_are_told() -> None:
    good = problem(np.random.default_rng(0), 3)
    foreign = Coded(dict(held(good, "classes").columns), {"panel": ("X1", "P2"), "route": ROUTES, "product": CODES})
    with pytest.raises(InputError, match="X1"):
        replace(good, classes=foreign)
