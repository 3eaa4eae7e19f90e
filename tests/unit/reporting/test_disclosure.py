"""What a shared table may say about few people."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.reporting.disclosure import HIDDEN, is_national, protect, shared_count, shared_grams
from allocation.rules import load_panels


@pytest.mark.parametrize(
    ("value", "national", "expected"),
    [
        (0, False, 0),
        (0.2, False, HIDDEN),
        (1, False, HIDDEN),
        (7, False, HIDDEN),
        (7.49, False, HIDDEN),
        (7.5, False, 10),
        (8, False, 10),
        (12, False, 10),
        (12.5, False, 15),
        (13, False, 15),
        (1234.4, False, 1235),
        (3, True, HIDDEN),
        (8, True, 8),
        (1234.4, True, 1234),
    ],
)
def test_counts_are_hidden_from_1_to_7_and_rounded_below_national_level(value, national, expected):
    assert shared_count(float(value), national=national) == expected


@given(st.floats(0, 1e7), st.booleans())
def test_no_shared_count_is_ever_between_1_and_7(value, national):
    shared = shared_count(value, national=national)
    assert shared in {HIDDEN, 0} or shared >= 8
    if not national and shared != HIDDEN:
        assert shared % 5 == 0
        assert abs(shared - value) <= 2.5


def test_nan_stays_missing():
    assert math.isnan(shared_count(math.nan))
    assert math.isnan(shared_grams(math.nan))


def test_grams_follow_the_count_behind_them():
    assert shared_grams(340.0, hidden=True) == HIDDEN
    assert shared_grams(0.0, hidden=True) == 0
    assert shared_grams(340.0) == 300
    assert shared_grams(340.0, national=True) == 340


def _frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "panel": ["A", "B", "C"],
            "patients": [212, 33, 5],
            "late": [3, 13, 2],
            "unmet_g": [90.0, 1_260.0, 55.0],
            "wait_days": [1.2, 3.4, 9.0],
            "late_share": [3 / 212, 13 / 33, 2 / 5],
        }
    )


def _protected(**changes: object) -> pd.DataFrame:
    settings = {
        "counts": ("patients", "late"),
        "grams": {"unmet_g": ("patients", "late")},
        "resting": {"wait_days": ("late",)},
        "shares": {"late_share": ("late", "patients")},
    }
    return protect(_frame(), **{**settings, **changes})


def test_a_table_is_protected_as_a_whole():
    shared = _protected()
    assert shared["patients"].tolist() == [210, 35, HIDDEN]
    assert shared["late"].tolist() == [HIDDEN, 15, HIDDEN]
    assert shared["unmet_g"].tolist() == [HIDDEN, 1_300, HIDDEN]
    assert shared["wait_days"].tolist() == [HIDDEN, 3.4, HIDDEN]
    # From the rounded counts, so the exact ones cannot be had back from the percentage.
    assert shared["late_share"].tolist() == [HIDDEN, 15 / 35, HIDDEN]


def test_one_hidden_part_takes_exactness_from_all_national_counts():
    """A national total less its exact parts would give the hidden one."""
    assert _protected(national=True)["patients"].tolist() == [210, 35, HIDDEN]
    large = _frame().iloc[[1]]
    exact = protect(large, counts=("patients", "late"), grams={"unmet_g": ("late",)}, national=True)
    assert exact[["patients", "late", "unmet_g"]].iloc[0].tolist() == [33, 13, 1_260]


def test_the_table_given_is_left_as_it_was():
    frame = _frame()
    protect(frame, counts=("patients", "late"))
    pd.testing.assert_frame_equal(frame, _frame())


def test_national_means_every_panel():
    codes = list(load_panels().by_code)
    assert is_national([*codes, "EXTRA"])
    assert not is_national(codes[1:])
