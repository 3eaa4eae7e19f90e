"""Whole vials for several courses at once, each made to the milligram."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from allocation.dosing.vials import round_to_vials
from allocation.optimise.shelf import Vials
from allocation.quantities import MG_PER_G

__all__ = ["most_made", "packed"]

# Steps, not seconds, so that the answer is the same on every machine. Courses that can be packed take a few hundred.
_STEPS = 50_000


def packed(needs_mg: Sequence[int], vials: Mapping[int, int]) -> list[Vials] | None:
    """Vials for each need, none used twice; None where no way was found.

    Parameters
    ----------
    needs_mg
        What each course must come to.
    vials
        Number of vials by size in mg.

    Notes
    -----
    The largest need first, each in the largest vials first, going back where the rest then cannot be made. What was
    tried in vain is remembered. The search is complete but for a limit on its steps.

    >>> packed([5000, 10000], {5000: 1, 10000: 1})
    [{5000: 1}, {10000: 1}]
    >>> packed([5000, 5000], {10000: 1}) is None
    True
    """
    search = _Search(vials)
    order = sorted(range(len(needs_mg)), key=lambda place: (-needs_mg[place], place))
    found = search.fill([needs_mg[place] for place in order])
    if found is None:
        return None
    return [dict(vials) for _, vials in sorted(zip(order, found, strict=True), key=lambda item: item[0])]


class _Search:
    """Depth-first through the ways of making one need after the other."""

    def __init__(self, vials: Mapping[int, int]) -> None:
        self._sizes = sorted((size for size, count in vials.items() if count > 0), reverse=True)
        self._counts = [vials[size] for size in self._sizes]
        self._in_vain: set[tuple[int, ...]] = set()
        self._steps = 0

    def fill(self, needs_mg: Sequence[int]) -> list[Vials] | None:
        """Vials for needs in falling order."""
        if not needs_mg:
            return []
        state = (len(needs_mg), *self._counts)
        if state in self._in_vain:
            return None
        for used in self._ways(needs_mg[0], 0):
            self._take(used, -1)
            rest = self.fill(needs_mg[1:])
            if rest is not None:
                return [{size: count for size, count in zip(self._sizes, used, strict=True) if count}, *rest]
            self._take(used, 1)
            if self._steps > _STEPS:
                return None
        self._in_vain.add(state)
        return None

    def _take(self, used: Sequence[int], sign: int) -> None:
        for place, count in enumerate(used):
            self._counts[place] += sign * count

    def _ways(self, need_mg: int, place: int) -> Iterator[tuple[int, ...]]:
        """Ways of making a need of the sizes from a place on, as a number for each size."""
        self._steps += 1
        left = len(self._sizes) - place
        if not need_mg:
            yield (0,) * left
        elif left and self._steps <= _STEPS:
            size = self._sizes[place]
            for count in range(min(self._counts[place], need_mg // size), -1, -1):
                for rest in self._ways(need_mg - count * size, place + 1):
                    yield (count, *rest)


@lru_cache(maxsize=1 << 16)
def most_made(most_mg: int, sizes: tuple[int, ...]) -> int:
    """The most up to a limit that vials of some sizes make, however many there are of each.

    >>> most_made(9000, (2000, 5000)), most_made(3000, ())
    (9000, 0)
    """
    return int(round_to_vials(most_mg / MG_PER_G, sizes)[0]) if sizes else 0
