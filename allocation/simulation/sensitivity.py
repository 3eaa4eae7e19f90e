"""Which inputs matter: one number turned at a time, or all at once by Sobol's indices.

One at a time, each number is set to the low and the high end of its range while the others stay; the difference to
the scenario as it stands is taken replication by replication, on the same patients and luck, so chance that strikes
both alike cancels out. Sobol's indices share the variance of an outcome's mean out among the numbers, drawn uniformly
from their ranges: the first-order index is what a number explains alone, the total index what it explains together
with the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.seeds import stream
from allocation.simulation.demand import Floats
from allocation.simulation.statistics import CONFIDENCE, interval
from allocation.simulation.variants import Outcomes

__all__ = ["Range", "one_at_a_time", "paired", "sobol", "sobol_runs"]

_MOST_SAMPLES = 2**14
_RESAMPLES = 499


@dataclass(frozen=True, slots=True)
class Range:
    """A key of the scenario, the number it has, and the ends between which it is turned."""

    key: str
    base: float
    low: float
    high: float


def paired(changed: Floats, base: Floats) -> dict[str, float | int | None]:
    """Mean difference to the base over replications that have both values, with Student's interval.

    Keys ``mean``, ``low``, ``high`` and ``replications``; None where too few replications have a value.
    """
    found = interval(np.asarray(changed) - np.asarray(base))
    return {"mean": found.mean, "low": found.low, "high": found.high, "replications": found.replications}


def one_at_a_time(
    ranges: Sequence[Range], base: Outcomes, ends: Mapping[tuple[str, str], Outcomes], outcomes: Sequence[str]
) -> pd.DataFrame:
    """The effect of each number on each outcome.

    Parameters
    ----------
    base
        Outcomes of the scenario as it stands.
    ends
        Outcomes by key and end, ``"low"`` or ``"high"``.
    outcomes
        Names of the outcomes to tell of.

    Returns
    -------
    DataFrame
        ``outcome``, ``key``, ``end``, ``value``, ``base_value``, ``difference``, ``low``, ``high`` (95 % interval of
        the difference), ``replications``, ``swing`` (largest less smallest mean of the key, the base among them); for
        each outcome the key of the largest swing first.
    """
    rows = []
    for name in outcomes:
        for one in ranges:
            told = {end: paired(ends[one.key, end][name], base[name]) for end in ("low", "high")}
            means = [0.0, *(float(part["mean"]) for part in told.values() if part["mean"] is not None)]
            for end, value in (("low", one.low), ("high", one.high)):
                part = told[end]
                rows.append(
                    {
                        "outcome": name,
                        "key": one.key,
                        "end": end,
                        "value": value,
                        "base_value": one.base,
                        "difference": part["mean"],
                        "low": part["low"],
                        "high": part["high"],
                        "replications": part["replications"],
                        "swing": max(means) - min(means),
                    }
                )
    table = pd.DataFrame(rows).astype({"difference": "float64", "low": "float64", "high": "float64"})
    place = {name: number for number, name in enumerate(outcomes)}
    order = np.lexsort((table.index, table["key"], -table["swing"], table["outcome"].map(place)))
    return table.iloc[order].reset_index(drop=True)


def sobol_runs(samples: int, numbers: int) -> int:
    """How many scenarios :func:`sobol` plays."""
    return samples * (numbers + 2)


def sobol(
    ranges: Sequence[Range],
    means_at: Callable[[Floats], Floats],
    outcomes: Sequence[str],
    *,
    samples: int,
    seed: int,
) -> pd.DataFrame:
    """Sobol's first-order and total indices, with bootstrap intervals.

    Parameters
    ----------
    means_at
        Mean of each outcome at each setting: shape (settings, numbers) to (outcomes, settings). All settings come at
        once.
    samples
        A power of 2. Plays ``samples`` times (numbers + 2) settings.

    Returns
    -------
    DataFrame
        ``outcome``, ``key``, ``first_order``, ``first_order_low``, ``first_order_high``, ``total``, ``total_low``,
        ``total_high``; indices are missing where the outcome does not vary. The largest total first.

    Raises
    ------
    InputError
        Where ``samples`` is no power of 2 or too large.

    Notes
    -----
    Sampled by Sobol's sequence and estimated as in Saltelli et al., Computer Physics Communications 2010;181:259-70,
    by ``scipy.stats.sobol_indices``.
    """
    from scipy import stats

    if not 2 <= samples <= _MOST_SAMPLES or samples & (samples - 1):
        raise InputError(Fault("--samples", f"a power of 2 from 2 to {_MOST_SAMPLES}", value=str(samples)))
    low = np.array([one.low for one in ranges])
    width = np.array([one.high for one in ranges]) - low
    rng = stream(seed, "sobol sequence")
    a, b = np.split(stats.qmc.Sobol(2 * len(ranges), rng=rng).random(samples), 2, axis=1)
    mixed = np.stack([np.where(np.arange(len(ranges)) == place, b, a) for place in range(len(ranges))])
    found = means_at(np.concatenate([a, b, *mixed]) * width + low)
    frames = []
    for place, name in enumerate(outcomes):
        at = found[place].reshape(len(ranges) + 2, samples)
        told = _indices(at, stream(seed, "sobol bootstrap", name))
        frames.append(pd.DataFrame({"outcome": name, "key": [one.key for one in ranges], **told}))
    table = pd.concat(frames, ignore_index=True)
    place_of = {name: number for number, name in enumerate(outcomes)}
    order = np.lexsort((table["key"], -table["total"].fillna(-np.inf), table["outcome"].map(place_of)))
    return table.iloc[order].reset_index(drop=True)


def _indices(at: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Indices of one outcome and their percentile intervals; NaN where the outcome does not vary or is missing.

    Parameters
    ----------
    at
        Shape (numbers + 2, samples): at both independent samples, then with each number in turn of the second.
    """
    from scipy.stats import sobol_indices

    names = [f"{index}{end}" for index in ("first_order", "total") for end in ("", "_low", "_high")]
    if not np.isfinite(at).all() or np.ptp(at[:2]) == 0:
        return {name: np.full(len(at) - 2, np.nan) for name in names}

    def estimated(drawn: npt.NDArray[np.int64]) -> Floats:
        part = at[:, drawn]
        if np.ptp(part[:2]) == 0:
            return np.full((2, len(at) - 2), np.nan)
        result = sobol_indices(
            func={"f_A": part[None, 0], "f_B": part[None, 1], "f_AB": part[2:, None]}, n=part.shape[1]
        )
        return np.stack([result.first_order.reshape(-1), result.total_order.reshape(-1)])

    samples = at.shape[1]
    best = estimated(np.arange(samples))
    # Ours rather than SciPy's own bootstrap, which takes no seed.
    draws = rng.integers(0, samples, size=(_RESAMPLES, samples))
    again = np.stack([estimated(drawn) for drawn in draws])
    tail = (1 - CONFIDENCE) / 2
    low, high = np.nanquantile(again, [tail, 1 - tail], axis=0)
    columns = (best[0], low[0], high[0], best[1], low[1], high[1])
    return dict(zip(names, columns, strict=True))
