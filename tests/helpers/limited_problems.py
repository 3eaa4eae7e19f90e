"""Small random problems within side limits: what hypothesis draws, and the problem that it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from allocation.optimise.problem import Problem
from allocation.optimise.side_limits import Fence, SideLimits
from allocation.rules import NATIONAL, ProductSet, load_products
from allocation.rules.supply import Tier

PANELS = ("P1", "P2", "P3")
REGIONS = ("North", "North", "South")
PLACES = (*PANELS, NATIONAL)
KEYS = ("panel", "grade", "route", "product", "locked", "fences")
IN_GRAMS = ("into", "out_of", "switch", "infused")
NO_LIMITS: Mapping[str, Any] = {**{name: {} for name in (*IN_GRAMS, "courses")}, "fences": []}

Rows = Sequence[tuple[Any, ...]]


def any_rows(codes: Sequence[str], *graded: SearchStrategy[Any]) -> SearchStrategy[Rows]:
    """Rows of demand: the panel, ``graded``, the other keys and units due."""
    return st.lists(
        st.tuples(
            st.sampled_from(PANELS),
            *graded,
            st.sampled_from(("IV", "IV", "SC")),
            st.sampled_from(("", *codes)),
            st.sampled_from((False, False, True)),
            st.sampled_from(("", "", "0", "1", "0 1")),
            st.integers(1, 30),
        ),
        min_size=1,
        max_size=8,
    )


def any_stock(codes: Sequence[str], *, most: int, rows: int) -> SearchStrategy[Rows]:
    """Rows of stock: place, product and units."""
    return st.lists(
        st.tuples(st.sampled_from(PLACES), st.sampled_from(codes), st.integers(1, most)), min_size=1, max_size=rows
    )


def any_limits(codes: Sequence[str], *, counted: int) -> SearchStrategy[dict[str, Any]]:
    """Limits in units, of infused courses at so many panels, and two fences in percent of the stock left open."""
    amount = st.integers(0, 30)
    return st.fixed_dictionaries(
        {
            "into": st.dictionaries(st.sampled_from(PANELS), amount, max_size=2),
            "out_of": st.dictionaries(st.sampled_from(PLACES), amount, max_size=2),
            "switch": st.dictionaries(st.sampled_from(PANELS), amount, max_size=1),
            "infused": st.dictionaries(st.sampled_from(PANELS), amount, max_size=2),
            "courses": st.dictionaries(st.sampled_from(PANELS), st.integers(0, 4), max_size=counted),
            "fences": st.lists(st.tuples(st.sampled_from(codes), st.integers(0, 100)), min_size=2, max_size=2),
        }
    )


def products_of(codes: Sequence[str]) -> ProductSet:
    """Products by their codes."""
    return ProductSet(product=tuple(load_products().by_code[code] for code in codes))


def limited_problem(
    rows: Rows,
    stock: Rows,
    tier: Tier,
    *,
    products: ProductSet,
    unit_mg: int,
    keys: Sequence[str] = KEYS,
    limits: Mapping[str, Any] | None = None,
    reserve_mg: pd.DataFrame | None = None,
) -> Problem:
    """The problem of drawn rows. Without limits nobody is inside a fence; without the key nobody is an emergency."""
    frame = pd.DataFrame(rows, columns=[*keys, "units"])
    if limits is None:
        frame["fences"] = ""
    frame = frame.groupby(list(keys), as_index=False)[["units"]].sum()
    if "emergency" not in keys:
        frame["emergency"] = False
    frame = frame.assign(
        class_id=np.arange(len(frame)), patients=1, due_mg=frame["units"] * unit_mg, courses=1 + frame["units"] % 3
    )
    there = pd.DataFrame(stock, columns=["location", "product", "mg"]).assign(mg=lambda f: f["mg"] * unit_mg)
    there = there.groupby(["location", "product"], as_index=False)[["mg"]].sum()
    return Problem(
        tier=tier,
        panels=PANELS,
        region_of=REGIONS,
        products=products,
        classes=frame,
        stock=there,
        reserve_mg=reserve_mg,
        limits=None if limits is None else _side_limits(limits, there, unit_mg),
    )


def _side_limits(limits: Mapping[str, Any], there: pd.DataFrame, unit_mg: int) -> SideLimits:
    free = {(place, product): mg for place, product, mg in there.itertuples(index=False, name=None)}
    fences = []
    for product, percent in limits["fences"]:
        mg = {place: free.get((place, product), 0) * percent // 100 for place in PLACES}
        for place, part in mg.items():
            free[place, product] = free.get((place, product), 0) - part
        fences.append(Fence(product, "cidp", "", {place: part for place, part in mg.items() if part}))
    mg_of = {name: {place: units * unit_mg for place, units in limits[name].items()} for name in IN_GRAMS}
    return SideLimits(
        into_mg=mg_of["into"],
        out_of_mg=mg_of["out_of"],
        switch_mg=mg_of["switch"],
        infused_mg=mg_of["infused"],
        infused_courses=limits["courses"],
        fences=tuple(fences),
    )
