"""Vials in stock, counted, and drawn with the earliest expiry first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from allocation.dosing import vials_from_stock
from allocation.errors import VerificationError
from allocation.optimise.network import Ints
from allocation.rules import NATIONAL

__all__ = ["Drawn", "Shelf", "Vials", "best_of", "drawn_mg"]

Vials = dict[int, int]
"""Vials by size in mg."""

_Batch = tuple[np.datetime64 | None, int]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Vials of one batch: place and product by index, size, number, expiry (NaT as ``None``)."""

    place: int
    product: int
    vial_mg: int
    vials: int
    expiry: np.datetime64 | None


def drawn_mg(drawn: Iterable[Drawn]) -> int:
    """Milligrams of what was drawn."""
    return sum(part.vial_mg * part.vials for part in drawn)


class Shelf:
    """Stock by place, product, vial size and expiry.

    Parameters
    ----------
    stock
        ``location``, ``product``, ``vial_mg``, ``vials`` and, where known, ``expiry_date``.
    panels, products
        Codes in the order of the indices; stock that no panel holds has the place after the last panel.

    Attributes
    ----------
    mg
        Milligrams left, shape (places, products).
    draws
        How often vials were taken: as long as it stays the same, nothing on the shelf has changed.
    """

    def __init__(self, stock: pd.DataFrame, *, panels: Sequence[str], products: Sequence[str]) -> None:
        place_of = {code: place for place, code in enumerate((*panels, NATIONAL))}
        product_of = {code: place for place, code in enumerate(products)}
        self.mg: Ints = np.zeros((len(place_of), len(product_of)), dtype=np.int64)
        self.draws = 0
        self._counts: dict[tuple[int, int], Vials] = {}
        self._batches: dict[tuple[int, int, int], list[_Batch]] = {}
        expiry = stock["expiry_date"] if "expiry_date" in stock.columns else pd.Series(pd.NaT, index=stock.index)
        when = expiry.to_numpy(dtype="datetime64[ns]")
        columns = (stock[name].tolist() for name in ("location", "product", "vial_mg", "vials"))
        for place_code, product_code, vial_mg, vials, day in zip(*columns, when, strict=True):
            if vials:
                place, product = place_of[place_code], product_of[product_code]
                counts = self._counts.setdefault((place, product), {})
                counts[vial_mg] = counts.get(vial_mg, 0) + vials
                self.mg[place, product] += vial_mg * vials
                dated = None if np.isnat(day) else day
                self._batches.setdefault((place, product, vial_mg), []).append((dated, vials))
        for batches in self._batches.values():
            batches[:] = _latest_first(batches)

    def counts(self, place: int, product: int) -> Mapping[int, int]:
        """Vials of a product at a place by size in mg."""
        return self._counts.get((place, product), {})

    def best(self, place: int, product: int, target_mg: int) -> Vials:
        """Vials at one place that come nearest to a target from below."""
        return best_of(target_mg, self._counts.get((place, product), {}))

    def best_of(self, sources: Sequence[tuple[int, int]], target_mg: int) -> Vials:
        """Vials of several places and products together that come nearest to a target from below."""
        return best_of(target_mg, self.together(sources))

    def together(self, sources: Sequence[tuple[int, int]]) -> Vials:
        """Vials of several places and products by size in mg."""
        found: Vials = {}
        for source in sources:
            for size, count in self._counts.get(source, {}).items():
                found[size] = found.get(size, 0) + count
        return found

    def draw(self, sources: Sequence[tuple[int, int]], vials: Mapping[int, int], *, last: bool = False) -> list[Drawn]:
        """Take vials, from the first (place, product) that has them, earliest expiry first, or last.

        Raises
        ------
        VerificationError
            Where there are not that many.
        """
        drawn = []
        for size, wanted in vials.items():
            left = wanted
            for place, product in sources:
                there = self._counts.get((place, product), {}).get(size, 0)
                taken = min(there, left)
                if taken:
                    drawn += self._take(place, product, size, taken, last=last)
                    left -= taken
            if left:
                raise VerificationError(f"{wanted} vials of {size} mg were drawn where there are {wanted - left}")
        return drawn

    def _take(self, place: int, product: int, size: int, count: int, *, last: bool) -> list[Drawn]:
        self.draws += 1
        counts = self._counts[place, product]
        counts[size] -= count
        if not counts[size]:
            del counts[size]
        self.mg[place, product] -= size * count
        batches = self._batches[place, product, size]
        drawn = []
        while count:
            expiry, held = batches.pop(0 if last else -1)
            used = min(held, count)
            drawn.append(Drawn(place, product, size, used, expiry))
            count -= used
            if held > used:
                batches.insert(0 if last else len(batches), (expiry, held - used))
        return drawn

    def put_back(self, drawn: Iterable[Drawn]) -> None:
        """Put back what was drawn."""
        self.draws += 1
        for part in drawn:
            counts = self._counts.setdefault((part.place, part.product), {})
            counts[part.vial_mg] = counts.get(part.vial_mg, 0) + part.vials
            self.mg[part.place, part.product] += part.vial_mg * part.vials
            batches = self._batches.setdefault((part.place, part.product, part.vial_mg), [])
            batches[:] = _latest_first([*batches, (part.expiry, part.vials)])

    def left(self) -> list[Drawn]:
        """All that is left, by place, product and size, earliest expiry first."""
        return [
            Drawn(*key, count, expiry)
            for key in sorted(self._batches)
            for expiry, count in reversed(self._batches[key])
        ]


def best_of(target_mg: int, counts: Mapping[int, int]) -> Vials:
    """Vials of those there are that come nearest to a target from below."""
    # More vials of a size than the target holds make no difference, so the same question comes up often.
    useful = tuple((size, min(count, target_mg // size)) for size, count in counts.items() if size <= target_mg)
    return dict(_best_vials(target_mg, useful)) if useful else {}


@lru_cache(maxsize=1 << 16)
def _best_vials(target_mg: int, counts: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return tuple(vials_from_stock(target_mg, dict(counts)).items())


def _latest_first(batches: Iterable[_Batch]) -> list[_Batch]:
    """Latest first, and no known expiry before all: batches are drawn from the end."""
    return sorted(batches, key=lambda batch: (batch[0] is not None, -_ordinal(batch[0])))


def _ordinal(day: np.datetime64 | None) -> int:
    return 0 if day is None else int(day.astype("datetime64[D]").astype(np.int64))
