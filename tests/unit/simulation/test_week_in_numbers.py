"""The week's classes are numbered without sorting, as sorting would number them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from allocation.simulation.allocate import _numbered


@given(st.lists(st.integers(0, 40), max_size=60))
def test_codes_are_numbered_as_unique_numbers_them(values: list[int]) -> None:
    codes = np.array(values, dtype=np.int64)
    first, number = _numbered(codes)
    _, first_wanted, wanted = np.unique(codes, return_index=True, return_inverse=True)
    assert first.tolist() == first_wanted.tolist()
    assert number.tolist() == wanted.tolist()
