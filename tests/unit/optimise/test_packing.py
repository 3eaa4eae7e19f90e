"""Whole vials for several courses at once."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from allocation.optimise.packing import most_made, packed


def makes(vials) -> int:
    return sum(size * count for size, count in vials.items())


def test_large_vials_go_where_only_they_are_needed():
    # The 25 g course can do without the 20 g vial only if it takes all the small ones.
    found = packed([20_000, 25_000], {20_000: 1, 5_000: 5})
    assert [makes(vials) for vials in found] == [20_000, 25_000]


def test_what_was_taken_first_is_given_up_where_the_rest_needs_it():
    # 6 g as 5 + 1 leaves 4 g without vials; as 2 + 2 + 2 it does not.
    assert packed([6_000, 5_000, 1_000], {5_000: 1, 2_000: 3, 1_000: 1}) == [{2_000: 3}, {5_000: 1}, {1_000: 1}]


def test_no_need_takes_no_vials():
    assert packed([], {5_000: 1}) == []


def test_where_there_is_no_way_nothing_is_given():
    assert packed([5_000, 5_000], {10_000: 1, 5_000: 1}) is None


def test_a_search_that_would_not_end_is_given_up():
    """Odd needs and even vials: no way, and far too many to try them all."""
    assert packed([99_001] * 30, dict.fromkeys(range(2000, 30000, 2000), 60)) is None


@st.composite
def shelves(draw):
    vials = draw(st.dictionaries(st.sampled_from((1_000, 1_650, 2_000, 2_500, 5_000)), st.integers(1, 3), min_size=1))
    needs = draw(st.lists(st.integers(1, 9).map(lambda halves: halves * 500 + 500), min_size=1, max_size=3))
    return needs, vials


@given(shelves())
def test_a_way_is_found_where_there_is_one(case):
    needs, vials = case
    found = packed(needs, vials)
    ways = [
        [counts for counts in product(*(range(n + 1) for n in vials.values())) if sized(counts, vials) == need]
        for need in needs
    ]
    possible = any(fits(deal, vials) for deal in product(*ways))
    assert (found is not None) == possible
    if found is not None:
        assert [makes(one) for one in found] == needs
        assert all(sum(one.get(size, 0) for one in found) <= count for size, count in vials.items())


def sized(counts, vials) -> int:
    return sum(size * count for size, count in zip(vials, counts, strict=True))


def fits(deal, vials) -> bool:
    return all(sum(counts[at] for counts in deal) <= there for at, there in enumerate(vials.values()))


@pytest.mark.parametrize(
    ("most", "sizes", "made"),
    [(9_000, (2_000, 5_000), 9_000), (3_000, (2_000, 5_000), 2_000), (1_000, (2_000,), 0), (5_000, (), 0)],
)
def test_the_most_that_sizes_make(most, sizes, made):
    assert most_made(most, sizes) == made
