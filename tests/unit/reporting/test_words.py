"""Numbers as people read them."""

from __future__ import annotations

import doctest
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.reporting import style, words


def test_the_examples_in_the_docstrings_hold():
    for module in (words, style):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


@given(st.floats(1e-6, 1 - 1e-6), st.integers(0, 3))
def test_a_percentage_never_claims_all_or_nothing_by_rounding(share, digits):
    said = words.percent(share, digits)
    assert said not in {"0%", "100%"}
    assert not said.startswith(("0.0%", "100.0"))


def test_how_often():
    assert words.times(2, 2) == "both replications"
    assert words.times(1, 2) == "1 of 2 replications"
    assert words.times(0, 1) == "no replication"


def test_hidden_and_missing_values_are_told_apart():
    for shown in (words.number, words.count, words.percent, words.grams, words.kilograms, words.days):
        assert shown("*") == "*"
        assert shown(math.nan) == words.NO_VALUE
        assert shown(None) == words.NO_VALUE


@pytest.mark.parametrize(("value", "said"), [(0.0, "0"), (0.01, "under 0.1"), (3.25, "3.2"), (13.4, "13")])
def test_counts_that_are_means(value, said):
    assert words.count(value) == said


def test_small_amounts_are_not_shown_as_nothing():
    assert words.kilograms(20.0) == "under 0.1"
    assert words.kilograms(0.0) == "0.0"
    assert words.days(0.01) == "under 0.1"


def test_a_loss_keeps_its_sign():
    assert words.percent(-0.22) == "\u221222.0%"
    assert words.number(-1234.5) == "\u22121,234.5"


def test_names_of_codes():
    assert words.indication_name("not_in_any_rulebook", "some_case") == "Not in any rulebook, some case"
    assert words.panel_name("SRIAP01").startswith("SRIAP01 ")
    assert words.panel_name("NORTHSEA") == "NORTHSEA"
    assert words.grade_name(0) == "Ungraded"
