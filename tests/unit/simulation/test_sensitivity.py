"""Sensitivity against functions whose effects and indices are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from allocation.errors import InputError
from allocation.simulation.demand import Floats
from allocation.simulation.sensitivity import Range, one_at_a_time, paired, sobol, sobol_runs


def test_the_luck_common_to_both_cancels_out() -> None:
    luck = np.array([0.0, 10.0, -7.0, 3.0])
    told = paired(5.0 + luck, 3.0 + luck)
    assert (told["mean"], told["low"], told["high"]) == (2.0, 2.0, 2.0)


def test_replications_without_a_value_are_left_out_and_counted() -> None:
    told = paired(np.array([1.0, np.nan, 3.0]), np.array([0.0, 0.0, np.nan]))
    assert told == {"mean": 1.0, "low": None, "high": None, "replications": 1}


def test_the_largest_swing_comes_first() -> None:
    ranges = [Range("weak", 1.0, 0.0, 2.0), Range("strong", 1.0, 0.0, 2.0)]
    base = {"cost": np.array([10.0, 12.0])}
    ends = {
        ("weak", "low"): {"cost": np.array([9.0, 11.0])},
        ("weak", "high"): {"cost": np.array([10.0, 12.0])},
        ("strong", "low"): {"cost": np.array([15.0, 19.0])},
        ("strong", "high"): {"cost": np.array([8.0, 10.0])},
    }
    table = one_at_a_time(ranges, base, ends, ["cost"])
    assert table["key"].tolist() == ["strong", "strong", "weak", "weak"]
    assert table["end"].tolist() == ["low", "high", "low", "high"]
    assert table["difference"].tolist() == [6.0, -2.0, -1.0, 0.0]
    assert table["swing"].tolist() == [8.0, 8.0, 1.0, 1.0]


def ishigami(settings: Floats) -> Floats:
    x, y, z = settings.T
    return (np.sin(x) + 7 * np.sin(y) ** 2 + 0.1 * z**4 * np.sin(x))[None]


def test_sobols_indices_of_ishigamis_function() -> None:
    # Indices by the integrals of the function: 0.314, 0.442, 0 and 0.558, 0.442, 0.244 (Ishigami and Homma 1990).
    ranges = [Range(key, 0.0, -np.pi, np.pi) for key in ("x", "y", "z")]
    table = sobol(ranges, ishigami, ["f"], samples=4096, seed=1).set_index("key")
    assert table["first_order"].to_dict() == pytest.approx({"x": 0.314, "y": 0.442, "z": 0.0}, abs=0.02)
    assert table["total"].to_dict() == pytest.approx({"x": 0.558, "y": 0.442, "z": 0.244}, abs=0.02)
    assert table.index.tolist() == ["x", "y", "z"]
    for index in ("first_order", "total"):
        assert (table[f"{index}_low"] <= table[index]).all()
        assert (table[index] <= table[f"{index}_high"]).all()


def test_the_same_seed_gives_the_same_indices_and_another_does_not() -> None:
    ranges = [Range(key, 0.0, -1.0, 1.0) for key in ("x", "y", "z")]
    first, again, other = (sobol(ranges, ishigami, ["f"], samples=32, seed=seed) for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not first["total"].equals(other["total"])


def test_every_setting_asked_for_lies_in_its_range() -> None:
    seen: list[Floats] = []

    def watched(settings: Floats) -> Floats:
        seen.append(settings)
        return settings.sum(axis=1)[None]

    ranges = [Range("a", 0.0, 2.0, 3.0), Range("b", 0.0, -5.0, -4.0)]
    sobol(ranges, watched, ["f"], samples=16, seed=1)
    assert len(seen) == 1
    assert len(seen[0]) == sobol_runs(16, 2)
    assert (seen[0] >= [2.0, -5.0]).all()
    assert (seen[0] <= [3.0, -4.0]).all()


def test_an_outcome_that_does_not_vary_has_no_indices() -> None:
    table = sobol([Range("a", 0, 0, 1)], lambda settings: np.ones((1, len(settings))), ["f"], samples=8, seed=1)
    assert table[["first_order", "total"]].isna().all(axis=None)


@pytest.mark.parametrize("samples", [0, 1, 3, 48, 2**20])
def test_samples_must_be_a_power_of_two(samples: int) -> None:
    with pytest.raises(InputError, match="power of 2"):
        sobol([Range("a", 0, 0, 1)], ishigami, ["f"], samples=samples, seed=1)
