"""One course over several days, each day in whole vials."""

from __future__ import annotations

import heapq
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from allocation.dosing.vials import Makeable, fewest_vials, in_grams, makeable
from allocation.errors import Fault, InputError

__all__ = ["split_days"]


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
