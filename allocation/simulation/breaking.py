"""The breaking point: the smallest shock that brings about what must not happen, by bisection.

Every size tried meets the same patients and the same luck. A scenario *breaks* at a size where at least a stated
share of its replications breaks. Bisection rests on one thing, that a larger shock does not mend what a smaller one
broke; every pair of sizes tried that says otherwise is counted and told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from allocation.simulation.demand import Bools
from allocation.simulation.statistics import CONFIDENCE

__all__ = ["BreakingPoint", "Tried", "find_breaking_point", "share_interval"]

Status = Literal["found", "never", "already"]


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """One size tried: the number, and which replications broke."""

    value: float
    broken: Bools

    @property
    def share(self) -> float:
        """Share of the replications that broke."""
        return float(self.broken.mean())


@dataclass(frozen=True, slots=True, eq=False)
class BreakingPoint:
    """Where a scenario breaks.

    Attributes
    ----------
    status
        ``found``; ``never`` where the scenario holds at both ends of the range; ``already`` where it breaks at both.
    holds_at, breaks_at
        The nearest sizes tried at which it holds and breaks; None where there is none.
    tried
        Every size tried, in rising order.
    contradictions
        Pairs of a replication and two sizes tried at which the larger shock mended what the smaller one broke.
    """

    status: Status
    holds_at: float | None
    breaks_at: float | None
    tried: tuple[Tried, ...]
    contradictions: int


def find_breaking_point(
    broken_at: Callable[[float], Bools],
    *,
    low: float,
    high: float,
    tolerance: float,
    share: float = 0.5,
    whole: bool = False,
) -> BreakingPoint:
    """Search between two sizes, whichever of them is the worse.

    Parameters
    ----------
    broken_at
        Which replications break at a size, shape (replications,); always the same number of them.
    tolerance
        The two sizes told lie no further apart.
    share
        Share of replications, above 0 and up to 1, from which on the scenario counts as broken.
    whole
        Whether only whole numbers may be tried.

    Notes
    -----
    Takes two evaluations and one more for each halving: about log2 of (high - low) / tolerance.
    """
    tried: dict[float, Tried] = {}

    def breaks(value: float) -> bool:
        if value not in tried:
            tried[value] = Tried(value, broken_at(value))
        return tried[value].share >= share

    at_low, at_high = breaks(low), breaks(high)
    if at_low == at_high:
        rising = True
        status: Status = "already" if at_low else "never"
        holds, worse = (None, low) if at_low else (high, None)
        return BreakingPoint(status, holds, worse, _sorted(tried), _contradictions(tried, rising=rising))
    rising = at_high
    sound, broken = (low, high) if rising else (high, low)
    while abs(broken - sound) > max(tolerance, 1.0 if whole else 0.0):
        middle = (sound + broken) / 2
        if whole:
            # Towards the sound end, so that it never is the broken one again.
            middle = float(np.floor(middle) if rising else np.ceil(middle))
        if middle in (sound, broken):
            break
        if breaks(middle):
            broken = middle
        else:
            sound = middle
    return BreakingPoint("found", sound, broken, _sorted(tried), _contradictions(tried, rising=rising))


def share_interval(broken: int, replications: int, *, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's interval of the share that breaks."""
    from scipy.stats import binomtest

    found = binomtest(broken, replications).proportion_ci(confidence_level=confidence, method="wilson")
    return float(found.low), float(found.high)


def _sorted(tried: dict[float, Tried]) -> tuple[Tried, ...]:
    return tuple(tried[value] for value in sorted(tried))


def _contradictions(tried: dict[float, Tried], *, rising: bool) -> int:
    by_size = [tried[value].broken for value in sorted(tried, reverse=not rising)]
    return sum(
        int((smaller & ~larger).sum()) for place, smaller in enumerate(by_size) for larger in by_size[place + 1 :]
    )
