"""Grams and milligrams."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from allocation.quantities import to_g, to_mg


@given(st.integers(-(10**9), 10**9))
def test_whole_milligrams_survive_the_round_trip(milligrams: int) -> None:
    assert to_mg(to_g(milligrams)) == milligrams


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20))
def test_an_array_is_converted_as_its_elements_are(grams: list[float]) -> None:
    assert to_mg(np.array(grams)).tolist() == [to_mg(value) for value in grams]


def test_a_vial_of_1_65_g_is_exact() -> None:
    assert to_mg(1.65) == 1650
    assert to_g(np.array([1650, 145_000])).tolist() == [1.65, 145.0]
