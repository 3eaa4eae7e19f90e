"""Whole vials: which totals they make, the fewest for a total, and the best out of a stock.

Everything is reckoned in whole milligrams, internally in units of the greatest common divisor of the sizes. What
whole vials make is not simply every multiple of the smallest one (2 and 5 g make 2, 4, 5, 6, ... but never 3), so
it is tabulated. From ``(smallest - 1) x (largest - 1)`` units on, every total can be made (Schur's bound on the
Frobenius number), so no table is ever longer than that, whatever the dose.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, TypeVar, get_args

import numpy as np
import numpy.typing as npt

from allocation.errors import Fault, InputError
from allocation.quantities import MG_PER_G, to_mg

__all__ = [
    "Makeable",
    "Rounding",
    "check_sizes",
    "fewest_vials",
    "in_grams",
    "makeable",
    "round_each",
    "round_to_vials",
    "vials_from_stock",
]

Ints = npt.NDArray[np.int64]
Scalar = TypeVar("Scalar", bound=np.generic)
Rounding = Literal["down", "nearest", "up"]

# Beyond this a float no longer tells one milligram from the next.
_MOST_MG = 2**53
_NEVER = np.int64(2**40)


class Makeable:
    """The totals that whole vials of some sizes make.

    Parameters
    ----------
    sizes_mg
        Vial sizes, ascending, each once.
    """

    __slots__ = ("_around", "_totals", "all_from", "sizes_mg", "sizes_units", "unit_mg")

    def __init__(self, sizes_mg: tuple[int, ...]) -> None:
        self.sizes_mg = sizes_mg
        self.unit_mg = math.gcd(*sizes_mg)
        self.sizes_units = tuple(size // self.unit_mg for size in sizes_mg)
        self.all_from = (self.sizes_units[0] - 1) * (self.sizes_units[-1] - 1)
        """Units from which on every total can be made."""
        self._totals: Ints = np.zeros(1, dtype=np.int64)
        self._around: tuple[Ints, Ints] = (np.zeros(0, dtype=np.int64),) * 2

    def totals(self, up_to: int) -> Ints:
        """Totals in units, ascending from 0, at least as far as the first one above ``up_to`` or ``all_from``."""
        needed = min(up_to, self.all_from) + self.sizes_units[0]
        if self._totals[-1] < needed:
            # Doubling keeps the number of rebuilds small, however the demands come in.
            self._totals = np.flatnonzero(_reached(self.sizes_units, 2 * needed)).astype(np.int64)
        return self._totals

    def tables(self, up_to: int) -> tuple[Ints, Ints]:
        """Greatest total not above, and least total above, each number of units from 0 on.

        They go at least as far as ``up_to`` or ``all_from``, whichever comes first.
        """
        last = min(up_to, self.all_from)
        if self._around[0].size <= last:
            totals = self.totals(last)
            # A total is the answer from its own number of units to just before the next total.
            reach = np.diff(totals)
            self._around = np.repeat(totals[:-1], reach), np.repeat(totals[1:], reach)
        return self._around

    def around(self, units: Ints) -> tuple[Ints, Ints]:
        """Greatest total not above each number of units, and the least total above it."""
        below, above = self.tables(int(units.max(initial=0)))
        place = np.minimum(units, self.all_from)
        beyond = units >= self.all_from
        return np.where(beyond, units, below[place]), np.where(beyond, units + 1, above[place])


@lru_cache(maxsize=256)
def makeable(vial_mg: tuple[int, ...]) -> Makeable:
    """Totals that vials of these sizes make; sizes in any order.

    Raises
    ------
    InputError
        Where there is no size, or one is not a whole number of mg above 0.
    """
    return Makeable(check_sizes(vial_mg))


def check_sizes(vial_mg: tuple[int, ...]) -> tuple[int, ...]:
    """Vial sizes in mg, ascending, each once.

    Raises
    ------
    InputError
        Where there is no size, or one is not a whole number of mg above 0.
    """
    if not vial_mg or any(size != int(size) or size <= 0 for size in vial_mg):
        found = ", ".join(str(size) for size in vial_mg)
        raise InputError(Fault("vial sizes", "at least one whole number of mg above 0", value=found))
    return tuple(sorted({int(size) for size in vial_mg}))


def round_to_vials(exact_g: npt.ArrayLike, vial_mg: tuple[int, ...], rounding: Rounding = "down") -> Ints:
    """Milligrams that whole vials make, near an exact dose.

    Parameters
    ----------
    exact_g
        Exact doses, shape (n,) or a scalar (an array of size 1).
    vial_mg
        Vial sizes.
    rounding
        ``"down"``: the greatest total not above the dose; ``"nearest"``: the closest total, the lower of two as close;
        ``"up"``: the least total not below it, which is what is opened where part of a vial is thrown away.

    Returns
    -------
    ndarray
        Milligrams, shape (n,), whole numbers. 0 where rounding down finds no vial small enough.

    Raises
    ------
    InputError
        Where a dose is negative, missing or not finite, or ``rounding`` is none of the words.

    Notes
    -----
    The dose goes to its nearest whole milligram first. Without that, 145 g reckoned in binary as 144.99999999999997
    would fall by a whole vial.

    >>> round_to_vials([146.4, 164.56], (5000, 10000, 20000)).tolist()
    [145000, 160000]
    """
    return round_each(exact_g, np.int64(0), (tuple(vial_mg),), rounding)


def round_each(
    exact_g: npt.ArrayLike,
    which: npt.NDArray[np.int64] | np.int64,
    vial_mg: Sequence[tuple[int, ...]],
    rounding: Rounding = "down",
) -> Ints:
    """Whole-vial milligrams near exact doses, each in vials of its own: :func:`round_to_vials` for many products.

    Parameters
    ----------
    exact_g
        Exact doses, shape (n,).
    which
        For each dose the place of its vial sizes in ``vial_mg``, shape (n,); or one place for all.

    Raises
    ------
    InputError
        As :func:`round_to_vials`.
    """
    if rounding not in get_args(Rounding):
        raise InputError(Fault("dose", "down, nearest or up", column="rounding", value=str(rounding)))
    grams = np.atleast_1d(np.asarray(exact_g, dtype=np.float64))
    fits = (grams >= 0) & (grams < _MOST_MG / MG_PER_G)
    if not fits.all():
        raise InputError(Fault("dose", "grams of 0 or more", column="exact_g", value=str(grams[~fits][0])))
    if not grams.size:
        return np.zeros(0, dtype=np.int64)
    exact_mg = to_mg(grams)
    sets = [makeable(sizes) for sizes in vial_mg]
    unit = np.array([sizes.unit_mg for sizes in sets], dtype=np.int64)[which]
    all_from = np.array([sizes.all_from for sizes in sets], dtype=np.int64)[which]
    units = _whole_units(exact_mg, unit)
    tables = [sizes.tables(int(units.max(initial=0))) for sizes in sets]
    first = np.cumsum([0, *(below.size for below, _ in tables)])[:-1][which]
    # The last place of a table may lie before `all_from`, but never before the most units of this call.
    place = first + np.minimum(units, all_from)
    beyond = units >= all_from
    low_mg = np.where(beyond, units, np.concatenate([below for below, _ in tables])[place]) * unit
    if rounding == "down":
        return low_mg
    high_mg = np.where(beyond, units + 1, np.concatenate([above for _, above in tables])[place]) * unit
    if rounding == "up":
        return np.where(low_mg == exact_mg, low_mg, high_mg)
    return np.where(high_mg - exact_mg < exact_mg - low_mg, high_mg, low_mg)


def _whole_units(exact_mg: Ints, unit_mg: npt.NDArray[np.int64] | np.int64) -> Ints:
    # Half as many bits are divided several times faster.
    if exact_mg.max(initial=0) <= np.iinfo(np.uint32).max >= np.max(unit_mg):
        return (exact_mg.astype(np.uint32) // np.asarray(unit_mg).astype(np.uint32)).astype(np.int64)
    units: Ints = exact_mg // unit_mg
    return units


def fewest_vials(total_mg: int, vial_mg: tuple[int, ...]) -> dict[int, int]:
    """The fewest vials that make a total exactly; of several ways, the one with the larger vials.

    Returns
    -------
    dict
        Vial size in mg to number of vials, larger sizes first; empty for a total of 0.

    Raises
    ------
    InputError
        Where whole vials of these sizes do not make the total.

    >>> fewest_vials(145_000, (5000, 10000, 20000))
    {20000: 7, 5000: 1}
    """
    return dict(_fewest(int(total_mg), makeable(tuple(vial_mg)).sizes_mg))


def vials_from_stock(target_mg: int, available: Mapping[int, int]) -> dict[int, int]:
    """The best course out of vials actually there.

    Parameters
    ----------
    target_mg
        What is wanted, and never exceeded.
    available
        Vial size in mg to number of vials in stock.

    Returns
    -------
    dict
        Vial size in mg to number of vials, larger sizes first: the most grams, then the fewest vials, then the larger
        vials. Sizes not used are left out.

    Raises
    ------
    InputError
        Where a size is not above 0 or a number of vials is negative.
    """
    if any(count < 0 for count in available.values()):
        raise InputError(Fault("stock", "0 vials or more", value=str(min(available.values()))))
    usable = [size for size in check_sizes(tuple(available)) if size <= target_mg] if available else []
    stock = {size: min(int(available[size]), int(target_mg) // size) for size in usable if available[size]}
    if not stock:
        return {}
    sizes = makeable(tuple(stock))
    low, _ = sizes.around(np.array([target_mg // sizes.unit_mg], dtype=np.int64))
    wish = fewest_vials(int(low[0]) * sizes.unit_mg, sizes.sizes_mg)
    if all(count <= stock[size] for size, count in wish.items()):
        return wish
    return _bounded_best(target_mg, stock)


def in_grams(milligrams: int) -> str:
    """Milligrams written in grams without trailing zeros.

    >>> in_grams(16_650), in_grams(145_000)
    ('16.65', '145')
    """
    return f"{milligrams / MG_PER_G:.3f}".rstrip("0").rstrip(".")


def _reached(sizes_units: tuple[int, ...], up_to: int) -> npt.NDArray[np.bool_]:
    reached = np.zeros(up_to + 1, dtype=bool)
    reached[0] = True
    for size in sizes_units:
        # One column for each remainder: whatever is reached stays reached further down its column.
        columns = _in_columns(reached, size, fill=False)
        reached = np.logical_or.accumulate(columns, axis=0).reshape(-1)[: up_to + 1]
    return reached


def _in_columns(values: npt.NDArray[Scalar], width: int, *, fill: bool | np.int64) -> npt.NDArray[Scalar]:
    rows = -(-values.size // width)
    padded = np.full(rows * width, fill, dtype=values.dtype)
    padded[: values.size] = values
    return padded.reshape(rows, width)


@lru_cache(maxsize=64)
def _fewest_table(sizes_units: tuple[int, ...], up_to: int) -> Ints:
    """Fewest vials for each total of 0 to ``up_to`` units; ``_NEVER`` or more where none make it."""
    fewest = np.full(up_to + 1, _NEVER, dtype=np.int64)
    fewest[0] = 0
    for size in sizes_units:
        columns = _in_columns(fewest, size, fill=_NEVER)
        used = np.arange(columns.shape[0], dtype=np.int64)[:, None]
        fewest = (np.minimum.accumulate(columns - used, axis=0) + used).reshape(-1)[: up_to + 1]
    return fewest


@lru_cache(maxsize=65_536)
def _fewest(total_mg: int, sizes_mg: tuple[int, ...]) -> tuple[tuple[int, int], ...]:
    sizes = makeable(sizes_mg)
    units, odd_mg = divmod(total_mg, sizes.unit_mg)
    largest = sizes.sizes_units[-1]
    # Any `largest` other vials hold some that sum to a multiple of the largest and can be swapped for fewer of it.
    # So the fewest ways never hold that many others, and what lies above them is the largest vial alone.
    others_at_most = largest * (sizes.sizes_units[-2] if len(sizes.sizes_units) > 1 else 0)
    whole = max(0, (units - others_at_most) // largest)
    rest = units - whole * largest
    if total_mg < 0 or odd_mg:
        raise _not_makeable(total_mg, sizes_mg)
    table = _fewest_table(sizes.sizes_units, 1 << max(rest, 1).bit_length())
    if table[rest] >= _NEVER:
        raise _not_makeable(total_mg, sizes_mg)
    counts = {largest: whole} if whole else {}
    for size in reversed(sizes.sizes_units):
        while rest >= size and table[rest - size] == table[rest] - 1:
            counts[size] = counts.get(size, 0) + 1
            rest -= size
    return tuple((size * sizes.unit_mg, count) for size, count in counts.items())


def _not_makeable(total_mg: int, sizes_mg: tuple[int, ...]) -> InputError:
    listed = ", ".join(in_grams(size) for size in sizes_mg)
    return InputError(
        Fault(
            "whole vials",
            f"a total that vials of {listed} g make",
            column="course",
            value=f"{in_grams(total_mg)} g",
            remedy="Round it to whole vials first.",
        )
    )


def _bounded_best(target_mg: int, stock: Mapping[int, int]) -> dict[int, int]:
    unit = math.gcd(*stock)
    top = min(target_mg, sum(size * count for size, count in stock.items())) // unit
    layers = [np.full(top + 1, _NEVER, dtype=np.int64)]
    layers[0][0] = 0
    for size, count in stock.items():
        fewest = layers[-1]
        left, batch = count, 1
        # Batches of 1, 2, 4, ... vials make every number of vials up to the count with few passes.
        while left:
            taken = min(batch, left)
            step = taken * (size // unit)
            if step <= top:
                fewest = np.concatenate((fewest[:step], np.minimum(fewest[step:], fewest[:-step] + taken)))
            left, batch = left - taken, batch * 2
        layers.append(fewest)
    total = int(np.flatnonzero(layers[-1] < _NEVER)[-1])
    chosen: dict[int, int] = {}
    for layer, size in zip(range(len(stock), 0, -1), reversed(stock), strict=True):
        step, fewest, without = size // unit, layers[layer], layers[layer - 1]
        for count in range(min(stock[size], total // step), -1, -1):
            if without[total - count * step] + count == fewest[total]:
                if count:
                    chosen[size] = count
                total -= count * step
                break
    return chosen
