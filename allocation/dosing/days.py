"""One course over several days, each day in whole vials."""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from allocation.dosing.vials import Makeable, fewest_vials, in_grams, makeable
from allocation.errors import Fault, InputError
from allocation.quantities import MG_PER_G

__all__ = ["daily_limit_mg", "daily_limits_mg", "fewest_days", "split_as_printed", "split_days"]

# Nothing is given over more days than this; the search for days enough ends there.
_MOST_DAYS = 366


def split_days(
    total_mg: int, days: int, vial_mg: tuple[int, ...], *, max_daily_mg: int | None = None
) -> list[dict[int, int]]:
    """Vials for each day of a course, as even as whole vials allow, larger days first.

    Parameters
    ----------
    total_mg
        The course; whole vials must make it.
    days
        Number of days.
    vial_mg
        Vial sizes. Each day takes the fewest vials for its amount, so the vials of the course may be chosen anew.
    max_daily_mg
        Most for one day; None for no limit.

    Returns
    -------
    list of dict
        One entry for each day: vial size in mg to number of vials. The days sum to the course exactly. The largest and
        the smallest day differ by as little as any split into whole vials allows; among such splits the days lie as
        close together as they can (least sum of squares). A day may be empty where there are fewer vials than days.

    Raises
    ------
    InputError
        Where whole vials do not make the course, ``days`` is below 1, or no split keeps to ``max_daily_mg``.

    >>> [sum(size * n for size, n in day.items()) // 1000 for day in split_days(145_000, 5, (5000, 10000, 20000))]
    [30, 30, 30, 30, 25]
    """
    if days < 1:
        raise InputError(Fault("course", "1 day or more", column="days", value=str(days)))
    sizes = makeable(tuple(vial_mg))
    fewest_vials(total_mg, sizes.sizes_mg)  # refuses a course that whole vials do not make
    amounts = _even_amounts(total_mg, days, sizes.sizes_mg, total_mg if max_daily_mg is None else max_daily_mg)
    if not amounts:
        raise InputError(
            Fault(
                "course",
                f"days enough to keep each day at or below {in_grams(max_daily_mg or 0)} g in whole vials",
                column="days",
                value=str(days),
                remedy="Give the course over more days.",
            )
        )
    return [fewest_vials(amount, sizes.sizes_mg) for amount in amounts]


def split_as_printed(total_mg: int, doses: Sequence[float], vial_mg: tuple[int, ...]) -> list[dict[int, int]]:
    """Vials for each day of a course whose days are printed with doses of their own, such as 1, 0.5 and 0.5 g/kg.

    Each day in turn comes as near to its part as whole vials allow without passing it, where the days after it can
    still make up the rest; the last one takes what is left.

    Raises
    ------
    InputError
        Where whole vials do not make the course.

    >>> [sum(size * n for size, n in day.items()) for day in split_as_printed(145_000, (1, 0.5, 0.5), (5000, 10000))]
    [70000, 35000, 40000]
    """
    sizes = makeable(tuple(vial_mg))
    fewest_vials(total_mg, sizes.sizes_mg)
    amounts, left, share = [], total_mg, sum(doses)
    for dose in doses[:-1]:
        most = math.floor((left * dose / share + 1e-6) / sizes.unit_mg) * sizes.unit_mg
        # Nothing on this day and the rest later is always possible, so the search ends.
        tried = range(most, -1, -sizes.unit_mg)
        amount = next(mg for mg in tried if _is_makeable(mg, sizes) and _is_makeable(left - mg, sizes))
        amounts.append(amount)
        left, share = left - amount, share - dose
    return [fewest_vials(amount, sizes.sizes_mg) for amount in (*amounts, left)]


def _is_makeable(total_mg: int, sizes: Makeable) -> bool:
    below, _ = sizes.around(np.array([total_mg // sizes.unit_mg]))
    return bool(below[0] * sizes.unit_mg == total_mg)


def daily_limit_mg(
    max_g_per_kg_per_day: float | None, *, dosing_kg: float, cap_g_per_day: float | None = None
) -> int | None:
    """Most milligrams for one day by limits for each kg and in grams; None where there is neither.

    >>> daily_limit_mg(1.0, dosing_kg=73.2096)
    73209
    """
    each, cap = (math.nan if limit is None else limit for limit in (max_g_per_kg_per_day, cap_g_per_day))
    limit = int(daily_limits_mg(np.array([each]), dosing_kg=np.array([dosing_kg]), cap_g_per_day=np.array([cap]))[0])
    return None if limit < 0 else limit


def daily_limits_mg(
    max_g_per_kg_per_day: npt.NDArray[np.float64],
    *,
    dosing_kg: npt.NDArray[np.float64],
    cap_g_per_day: npt.NDArray[np.float64],
) -> npt.NDArray[np.int64]:
    """The same for many patients, shape (n,); NaN for no limit, and -1 in the answer where there is none."""
    least_g = np.fmin(max_g_per_kg_per_day * dosing_kg, cap_g_per_day)
    # A dose of exactly the limit must pass although its product may fall short by the last binary digit.
    return np.where(np.isnan(least_g), -1, np.floor(least_g * MG_PER_G + 1e-6)).astype(np.int64)


def fewest_days(total_mg: int, days: int, vial_mg: tuple[int, ...], *, max_daily_mg: int | None = None) -> int | None:
    """The least number of days from ``days`` on that keeps every day at or below a maximum in whole vials.

    Returns
    -------
    int or None
        ``days`` itself without a maximum; None where no number of days does, as when the smallest vial holds more.
    """
    if max_daily_mg is None or total_mg == 0:
        return days
    if max_daily_mg < min(vial_mg):
        return None
    sizes = makeable(tuple(vial_mg)).sizes_mg
    first = max(days, -(-total_mg // max_daily_mg))
    return next((n for n in range(first, _MOST_DAYS + 1) if _even_amounts(total_mg, n, sizes, max_daily_mg)), None)


@lru_cache(maxsize=16_384)
def _even_amounts(total_mg: int, days: int, sizes_mg: tuple[int, ...], most_mg: int) -> tuple[int, ...]:
    """Amounts for each day in mg, larger first; empty where ``most_mg`` leaves no split."""
    sizes = makeable(sizes_mg)
    total, most = total_mg // sizes.unit_mg, most_mg // sizes.unit_mg
    low, extra = divmod(total, days)
    if low >= sizes.all_from:
        even = (low + 1,) * extra + (low,) * (days - extra)
        return tuple(amount * sizes.unit_mg for amount in even) if even[0] <= most else ()
    window = _narrowest_window(sizes, total=total, days=days, most=most)
    return tuple(amount * sizes.unit_mg for amount in _closest(window, total=total, days=days))


def _narrowest_window(sizes: Makeable, *, total: int, days: int, most: int) -> tuple[int, ...]:
    """Makeable amounts between the smallest and the largest day of the most even split; empty where none is."""
    totals = sizes.totals(total)
    if totals[-1] < total:
        totals = np.concatenate((totals, np.arange(totals[-1] + 1, total + 1)))
    totals = totals[totals <= total]
    below = int(np.searchsorted(totals, total // days, side="right")) - 1
    above = int(np.searchsorted(totals, -(-total // days), side="left"))
    # Windows are tried from the narrowest on; each that fails passes its place to the two next wider ones.
    waiting = [(int(totals[above] - totals[below]), -below, above)]
    seen = {(below, above)}
    while waiting:
        _, minus_low, high = heapq.heappop(waiting)
        low = -minus_low
        window = tuple(int(amount) for amount in totals[low : high + 1])
        if window[-1] <= most and _can_sum(window, total=total, days=days):
            return window
        for next_low, next_high in ((low - 1, high), (low, high + 1)):
            inside = next_low >= 0 and next_high < totals.size
            if inside and (next_low, next_high) not in seen and totals[next_high] <= most:
                seen.add((next_low, next_high))
                heapq.heappush(waiting, (int(totals[next_high] - totals[next_low]), -next_low, next_high))
    return ()


def _can_sum(window: tuple[int, ...], *, total: int, days: int) -> bool:
    """Whether ``days`` amounts out of the window, repeats allowed, sum to the total."""
    target = total - days * window[0]
    # Bit i of `sums` stands for a sum of i above the smallest amount every day.
    within = (1 << (target + 1)) - 1
    sums = 1
    for _ in range(days):
        more = 0
        for amount in window:
            more |= sums << (amount - window[0])
        sums = more & within
    return bool(sums >> target & 1)


def _closest(window: tuple[int, ...], *, total: int, days: int) -> tuple[int, ...]:
    """Amounts out of the window that sum to the total with the least sum of squares, larger first."""
    if not window:
        return ()
    target = total - days * window[0]
    steps = [amount - window[0] for amount in window]
    never = float("inf")
    costs: list[npt.NDArray[np.float64]] = [np.full(target + 1, never)]
    costs[0][0] = 0.0
    for _ in range(days):
        cost = np.full(target + 1, never)
        for amount, step in zip(window, steps, strict=True):
            if step <= target:
                np.minimum(cost[step:], costs[-1][: target + 1 - step] + float(amount) ** 2, out=cost[step:])
        costs.append(cost)
    amounts = []
    for day in range(days, 0, -1):
        for amount, step in zip(reversed(window), reversed(steps), strict=True):
            if step <= target and costs[day - 1][target - step] + float(amount) ** 2 == costs[day][target]:
                amounts.append(amount)
                target -= step
                break
    return tuple(sorted(amounts, reverse=True))
