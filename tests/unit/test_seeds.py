"""Named random streams: stable, apart from each other, and unmoved by draws elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from allocation.seeds import stream


def test_a_stream_is_the_same_on_every_machine() -> None:
    # Philox and SHA-256 are fixed by their definitions; these numbers may never change.
    assert stream(1, "replication", 3, "acute arrivals").integers(0, 1000, 4).tolist() == PINNED


PINNED = [933, 370, 27, 960]


@pytest.mark.parametrize(
    ("one", "other"),
    [((1, "a"), (2, "a")), ((1, "a", "b"), (1, "ab")), ((1, 1), (1, "1")), ((1, "a", "b"), (1, "b", "a"))],
)
def test_different_paths_give_different_streams(one: tuple, other: tuple) -> None:
    assert not np.array_equal(stream(*one).random(8), stream(*other).random(8))


def test_drawing_from_one_stream_leaves_another_alone() -> None:
    expected = stream(5, "b").random(3)
    stream(5, "a").random(1000)
    assert np.array_equal(stream(5, "b").random(3), expected)


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="0 or more"):
        stream(-1, "a")
