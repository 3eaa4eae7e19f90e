"""Whole vials: totals, the fewest, and the best out of a stock."""

from __future__ import annotations

import numpy as np
import pytest

from allocation.dosing import fewest_vials, round_to_vials, vials_from_stock
from allocation.dosing.vials import Makeable, in_grams
from allocation.errors import InputError

COMMON = (5000, 10000, 20000)
OCTAGAM = (2000, 5000, 6000, 10000, 20000)
CUTAQUIG = (1000, 1650, 2000, 3300, 4000, 8000)


@pytest.mark.parametrize(
    ("exact", "vials", "down", "nearest"),
    [
        (146.4192, COMMON, 145_000, 145_000),
        (147.5, COMMON, 145_000, 145_000),
        (147.5001, COMMON, 145_000, 145_000),
        (147.501, COMMON, 145_000, 150_000),
        (4.999, COMMON, 0, 5_000),
        (2.5, COMMON, 0, 0),
        (0, COMMON, 0, 0),
        (3.9, OCTAGAM, 2_000, 4_000),
        (1.0, OCTAGAM, 0, 0),
        (2.3, CUTAQUIG, 2_000, 2_000),
        (2.7, CUTAQUIG, 2_650, 2_650),
        (3.25, CUTAQUIG, 3_000, 3_300),
        (164.56, (40_000,), 160_000, 160_000),
    ],
)
def test_rounding(exact, vials, down, nearest) -> None:
    assert round_to_vials(exact, vials, "down").tolist() == [down]
    assert round_to_vials(exact, vials, "nearest").tolist() == [nearest]


def test_a_binary_hair_below_a_vial_does_not_cost_a_vial() -> None:
    almost = 145 - 2e-14
    assert almost < 145
    assert round_to_vials([almost, 144.9994, 144.9996], COMMON).tolist() == [145_000, 140_000, 145_000]


def test_sizes_in_any_order_and_twice() -> None:
    assert round_to_vials(17.0, (10_000, 5_000, 10_000)).tolist() == [15_000]


@pytest.mark.parametrize("sizes", [(7, 11), (4, 9, 15), (20, 33, 40, 66, 80, 160), (1, 5), (3,)])
def test_totals_agree_with_counting_them_one_by_one(sizes) -> None:
    """Far beyond the bound too, where no table is kept."""
    top = 3 * sizes[0] * sizes[-1]
    reached = {0}
    for total in range(1, top + 2 * sizes[-1]):
        if any(total - size in reached for size in sizes):
            reached.add(total)
    asked = np.arange(top)
    down = round_to_vials(asked / 1000, sizes, "down")
    nearest = round_to_vials(asked / 1000, sizes, "nearest")
    for total in range(top):
        below = next(t for t in range(total, -1, -1) if t in reached)
        above = next(t for t in range(total + 1, top + 2 * sizes[-1]) if t in reached)
        assert down[total] == below
        assert nearest[total] == (above if above - total < total - below else below)


def test_a_dose_beyond_any_table_costs_no_table() -> None:
    sizes = Makeable((1000, 1650))
    low, high = sizes.around(np.array([10**15]))
    assert (low[0], high[0]) == (10**15, 10**15 + 1)
    assert sizes.totals(10**15).size < 5000


@pytest.mark.parametrize("wrong", [np.nan, -0.001, np.inf, 1e300])
def test_a_dose_that_is_no_dose_is_refused(wrong) -> None:
    with pytest.raises(InputError, match="exact_g"):
        round_to_vials([1.0, wrong], COMMON)


@pytest.mark.parametrize("sizes", [(), (0,), (-5000,), (2500.5,)])
def test_sizes_that_are_no_sizes_are_refused(sizes) -> None:
    with pytest.raises(InputError, match="vial sizes"):
        round_to_vials(1.0, sizes)


def test_an_unknown_rounding_is_refused() -> None:
    with pytest.raises(InputError, match="down, nearest or up"):
        round_to_vials(1.0, COMMON, "sideways")


@pytest.mark.parametrize(
    ("total", "sizes", "expected"),
    [
        (145_000, COMMON, {20_000: 7, 5_000: 1}),
        (0, COMMON, {}),
        (12_000, OCTAGAM, {10_000: 1, 2_000: 1}),
        (8_000, OCTAGAM, {6_000: 1, 2_000: 1}),
        (9_000, OCTAGAM, {5_000: 1, 2_000: 2}),
        (6_000, (1_000, 3_000, 4_000), {3_000: 2}),
        (10_000, (2_500, 5_000, 7_500), {7_500: 1, 2_500: 1}),
        (2_000_000_000, (3_000, 7_000), {7_000: 285_714, 2_000: 0}),
    ],
)
def test_fewest_vials(total, sizes, expected) -> None:
    found = fewest_vials(total, sizes)
    assert sum(size * count for size, count in found.items()) == total
    assert list(found) == sorted(found, reverse=True)
    if total < 1_000_000:
        assert found == expected
    else:
        assert sum(found.values()) == 285_712 + 4


@pytest.mark.parametrize(("total", "sizes"), [(3_000, (2_000, 5_000)), (5_500, COMMON), (-5_000, COMMON)])
def test_a_total_that_vials_do_not_make_is_refused(total, sizes) -> None:
    with pytest.raises(InputError, match="whole vials"):
        fewest_vials(total, sizes)


@pytest.mark.parametrize(
    ("target", "stock", "expected"),
    [
        (145_000, {5_000: 100, 10_000: 100, 20_000: 100}, {20_000: 7, 5_000: 1}),
        (145_000, {20_000: 3, 10_000: 100}, {20_000: 3, 10_000: 8}),
        (30_000, {20_000: 1, 5_000: 1}, {20_000: 1, 5_000: 1}),
        (30_000, {20_000: 2}, {20_000: 1}),
        (12_000, {10_000: 1, 6_000: 2}, {6_000: 2}),
        (30_000, {}, {}),
        (30_000, {5_000: 0}, {}),
        (4_999, {5_000: 3}, {}),
        (0, {5_000: 3}, {}),
        (10_000, {10_000: 1, 5_000: 2}, {10_000: 1}),
        (10_000, {10_000: 0, 5_000: 2}, {5_000: 2}),
    ],
)
def test_vials_from_stock(target, stock, expected) -> None:
    assert vials_from_stock(target, stock) == expected


def test_the_stock_may_count_in_numpy() -> None:
    found = vials_from_stock(np.int64(30_000), {np.int64(20_000): np.int64(2), np.int64(5_000): np.int64(1)})
    assert found == {20_000: 1, 5_000: 1}
    assert all(type(each) is int for pair in found.items() for each in pair)


def test_a_negative_stock_is_refused() -> None:
    with pytest.raises(InputError, match="stock"):
        vials_from_stock(10_000, {5_000: -1})


def test_grams_in_words() -> None:
    assert [in_grams(size) for size in (0, 750, 1_650, 2_500, 145_000, 1_234_567)] == [
        "0", "0.75", "1.65", "2.5", "145", "1234.567",
    ]  # fmt: skip
