"""The emergency reserve: how much to hold back for acute grade 4 patients who have not come yet."""

from __future__ import annotations

import numpy as np
import pandas as pd

from allocation.optimise.network import Floats, Ints
from allocation.optimise.problem import is_funded
from allocation.rules import NATIONAL, PanelSet
from allocation.rules.supply import Tier

__all__ = ["compound_poisson_quantile_mg", "emergency_reserve"]

_GRADE = 4
# Steps of the grid on which the distribution is reckoned, and how far above the mean it goes, in standard deviations.
_STEPS = 4096
_DEVIATIONS = 12
_LOWEST_PROBABILITY = 1e-300


def emergency_reserve(demand: pd.DataFrame, tier: Tier, panels: PanelSet, *, weeks: float) -> pd.DataFrame:
    """Milligrams to hold in each pool.

    Parameters
    ----------
    demand
        A demand table of one horizon; its funded acute grade 4 rows tell how often such courses come and how large
        they are.
    tier
        Gives the quantile, the replenishment lead time it covers (``reserve_weeks``), and the pools.
    weeks
        Length of the demand table's horizon, more than 0.

    Returns
    -------
    DataFrame
        ``pool`` and ``mg``; pools that need none are left out, so it is empty where the tier holds no reserve.

    Notes
    -----
    Courses come at random at the rate seen (``n / weeks`` a week), each as large as one of those seen with equal
    chance, so the grams of ``reserve_weeks`` are compound Poisson. The reserve is the least amount that they do not
    exceed with the tier's quantile as probability; see :func:`compound_poisson_quantile_mg`. A pool in which no such
    course was seen holds nothing: nothing is known to size it by.
    """
    nothing = pd.DataFrame({"pool": pd.Series(dtype=object), "mg": pd.Series(dtype=np.int64)})
    if tier.reserve_quantile <= 0 or tier.reserve_weeks <= 0:
        return nothing
    if not weeks > 0:
        raise ValueError(f"the horizon must be more than 0 weeks, not {weeks}")
    acute = demand["acute"].to_numpy(dtype=np.bool_) if "acute" in demand.columns else np.zeros(len(demand), np.bool_)
    grade = demand["grade"].fillna(0).to_numpy(dtype=np.int64)
    rows = demand[acute & (grade == _GRADE) & is_funded(demand) & (demand["due_mg"] > 0).to_numpy()]
    names = {code: _pool_of(tier, code, panel.region) for code, panel in panels.by_code.items()}
    pool = rows["panel"].map(names).to_numpy()
    course_mg = rows["due_mg"].to_numpy(dtype=np.int64)
    lines = []
    for name in dict.fromkeys(names.values()):
        seen = course_mg[pool == name]
        mean_courses = len(seen) * tier.reserve_weeks / weeks
        mg = compound_poisson_quantile_mg(seen, mean_courses=mean_courses, quantile=tier.reserve_quantile)
        if mg:
            lines.append((name, mg))
    return pd.DataFrame(lines, columns=["pool", "mg"]).astype({"mg": np.int64}) if lines else nothing


def _pool_of(tier: Tier, panel: str, region: str) -> str:
    return {"panel": panel, "region": region, "national": NATIONAL}[tier.stock_reach]


def compound_poisson_quantile_mg(course_mg: Ints, *, mean_courses: float, quantile: float) -> int:
    """Quantile of the total of a Poisson number of courses, each one of those given with equal chance.

    Parameters
    ----------
    course_mg
        Sizes of courses, more than 0.
    mean_courses
        Mean number of courses.
    quantile
        Probability, 0 to below 1, that the result is not exceeded.

    Returns
    -------
    int
        Milligrams, 0 where no course is given or nothing comes with that probability.

    Notes
    -----
    Sizes go up to the next point of a grid (their greatest common divisor, or wider where that makes the grid too
    long, so the result errs to the safe side by less than a step a course), and the distribution follows from Panjer's
    recursion for the compound Poisson:
    ``p(0) = exp(-m)``, ``p(s) = m / s * sum over k of k f(k) p(s - k)``
    with ``f`` the share of courses of ``k`` steps. It is exact and needs no random numbers. Where ``exp(-m)`` is too
    small for a float the normal approximation ``m E[X] + z sqrt(m E[X^2])`` is used, good for such numbers.

    >>> compound_poisson_quantile_mg(np.array([1000]), mean_courses=1.0, quantile=0.95)
    3000
    """
    if not len(course_mg) or mean_courses <= 0 or quantile <= 0:
        return 0
    sizes = course_mg.astype(np.float64)
    mean = mean_courses * float(sizes.mean())
    deviation = float(np.sqrt(mean_courses * float((sizes**2).mean())))
    if np.exp(-mean_courses) < _LOWEST_PROBABILITY:
        from statistics import NormalDist

        return int(np.ceil(mean + NormalDist().inv_cdf(quantile) * deviation))
    most = mean + _DEVIATIONS * deviation + float(sizes.max())
    divisor = int(np.gcd.reduce(course_mg))
    step = divisor * max(1, int(np.ceil(most / divisor / _STEPS)))
    steps = -(-course_mg // step)
    share = np.bincount(steps) / len(steps)
    chance = _panjer(share, mean_courses, int(np.ceil(most / step)) + 1)
    reached = np.searchsorted(np.cumsum(chance), quantile)
    return int(reached) * step


def _panjer(share: Floats, mean_courses: float, length: int) -> Floats:
    weighted = mean_courses * np.arange(len(share)) * share
    chance = np.zeros(length)
    chance[0] = np.exp(-mean_courses)
    for total in range(1, length):
        reach = min(total, len(share) - 1)
        chance[total] = float(weighted[1 : reach + 1] @ chance[total - reach : total][::-1]) / total
    return chance
