"""A course over several days."""

from __future__ import annotations

import pytest

from allocation.dosing import daily_limit_mg, fewest_days, split_days
from allocation.errors import InputError

COMMON = (5000, 10000, 20000)
OCTAGAM = (2000, 5000, 6000, 10000, 20000)


def amounts(days: list[dict[int, int]]) -> list[int]:
    return [sum(size * count for size, count in day.items()) for day in days]


@pytest.mark.parametrize(
    ("total", "days", "sizes", "expected"),
    [
        (145_000, 5, COMMON, [30_000] * 4 + [25_000]),
        (145_000, 1, COMMON, [145_000]),
        (10_000, 3, COMMON, [5_000, 5_000, 0]),
        (0, 2, COMMON, [0, 0]),
        (9_000, 3, OCTAGAM, [5_000, 2_000, 2_000]),
        (13_000, 3, OCTAGAM, [5_000, 4_000, 4_000]),
        (60_000, 2, (40_000, 20_000), [40_000, 20_000]),
        (21_000, 2, (1_000, 4_000), [11_000, 10_000]),
        (84_850, 3, (1_000, 1_650), [28_300, 28_300, 28_250]),
    ],
)
def test_as_even_as_whole_vials_allow(total, days, sizes, expected) -> None:
    assert amounts(split_days(total, days, sizes)) == expected


def test_each_day_takes_the_fewest_vials() -> None:
    assert split_days(145_000, 5, COMMON)[0] == {20_000: 1, 10_000: 1}
    assert split_days(145_000, 5, COMMON)[-1] == {20_000: 1, 5_000: 1}


def test_daily_maximum() -> None:
    assert amounts(split_days(145_000, 5, COMMON, max_daily_mg=30_000))[0] == 30_000
    with pytest.raises(InputError, match="30 g"):
        split_days(155_000, 5, COMMON, max_daily_mg=30_000)
    with pytest.raises(InputError, match="more days"):
        split_days(145_000, 5, COMMON, max_daily_mg=29_999)


def test_no_split_where_a_single_vial_is_above_the_daily_maximum() -> None:
    """20 g in vials of 5 and 20 g could be 10 and 10, but 12 g in vials of 4 and 5 g at most 6 g a day could not."""
    assert amounts(split_days(20_000, 2, (5_000, 20_000), max_daily_mg=10_000)) == [10_000, 10_000]
    with pytest.raises(InputError, match="6 g"):
        split_days(12_000, 2, (4_000, 5_000), max_daily_mg=6_000)
    with pytest.raises(InputError, match="7 g"):
        split_days(13_000, 2, (4_000, 5_000), max_daily_mg=7_000)


def test_course_that_vials_do_not_make_is_refused() -> None:
    with pytest.raises(InputError, match="whole vials"):
        split_days(147_000, 5, COMMON)
    with pytest.raises(InputError, match="days"):
        split_days(145_000, 0, COMMON)


def test_a_cached_split_cannot_be_spoilt_by_its_reader() -> None:
    split_days(145_000, 5, COMMON)[0].clear()
    assert amounts(split_days(145_000, 5, COMMON))[0] == 30_000


@pytest.mark.parametrize(
    ("g_per_kg", "kg", "cap", "limit"),
    [
        (1.0, 73.2096, None, 73_209),
        (1.0, 80.0, None, 80_000),
        (0.1, 30.0, None, 3_000),
        (1.0, 80.0, 60.0, 60_000),
        (None, 80.0, 60.0, 60_000),
        (None, 80.0, None, None),
        (1.0, 40.0, 60.0, 40_000),
    ],
)
def test_limit_of_a_day(g_per_kg, kg, cap, limit) -> None:
    assert daily_limit_mg(g_per_kg, dosing_kg=kg, cap_g_per_day=cap) == limit


@pytest.mark.parametrize(
    ("total", "days", "limit", "enough"),
    [
        (145_000, 2, None, 2),
        (145_000, 2, 75_000, 2),
        (145_000, 2, 74_999, 3),
        (145_000, 2, 50_000, 3),
        (145_000, 4, 73_000, 4),
        (145_000, 1, 5_000, 29),
        (145_000, 1, 4_999, None),
        (0, 1, 1, 1),
    ],
)
def test_fewest_days_that_keep_to_a_maximum(total, days, limit, enough) -> None:
    found = fewest_days(total, days, COMMON, max_daily_mg=limit)
    assert found == enough
    if found and limit:
        assert max(amounts(split_days(total, found, COMMON, max_daily_mg=limit))) <= limit
