"""The stock ledger: every milligram in, out, gone off or destroyed, by place, product and batch.

A batch is told by its expiry day. What leaves is taken from the batch that expires first.
"""

from __future__ import annotations

from bisect import insort

import numpy as np
import numpy.typing as npt

from allocation.errors import VerificationError

__all__ = ["Ledger"]

Milligrams = npt.NDArray[np.int64]

_NEVER = np.iinfo(np.int64).max


class Ledger:
    """Stock of all places.

    Parameters
    ----------
    places, products
        How many there are; both are told by index.

    Attributes
    ----------
    usable
        Milligrams in stock now, shape (places, products). Read it; change it by the methods only.
    opening, delivered, issued, expired, destroyed
        Running totals in milligrams, of the same shape.
    on_hold
        Milligrams in stock that may not be used now, of the same shape.
    """

    def __init__(self, places: int, products: int) -> None:
        shape = (places, products)
        self.usable: Milligrams = np.zeros(shape, dtype=np.int64)
        self.opening: Milligrams = np.zeros(shape, dtype=np.int64)
        self.delivered: Milligrams = np.zeros(shape, dtype=np.int64)
        self.issued: Milligrams = np.zeros(shape, dtype=np.int64)
        self.expired: Milligrams = np.zeros(shape, dtype=np.int64)
        self.destroyed: Milligrams = np.zeros(shape, dtype=np.int64)
        self.on_hold: Milligrams = np.zeros(shape, dtype=np.int64)
        self._held: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        self._batches: list[list[list[tuple[int, int]]]] = [[[] for _ in range(products)] for _ in range(places)]
        self._first_expiry: Milligrams = np.full(shape, _NEVER, dtype=np.int64)

    def open_with(self, place: int, product: int, *, expiry_day: int, mg: int) -> None:
        """Put a batch in stock at the start."""
        self._put(place, product, expiry_day, mg)
        self.opening[place, product] += mg

    def receive(self, place: int, product: int, *, expiry_day: int, mg: int, destroyed_mg: int = 0) -> None:
        """Put a delivered batch in stock, but for what of it has to be destroyed on arrival."""
        if not 0 <= destroyed_mg <= mg:
            raise VerificationError(f"{destroyed_mg} mg destroyed of {mg} mg delivered")
        self._put(place, product, expiry_day, mg - destroyed_mg)
        self.delivered[place, product] += mg
        self.destroyed[place, product] += destroyed_mg

    def receive_all(self, mg: Milligrams, expiry_day: Milligrams) -> None:
        """Put delivered batches in stock, shape (panels, products) and (products,); see :meth:`receive`."""
        if (mg < 0).any():
            raise VerificationError(f"a batch of {mg.min()} mg was put in stock")
        place, product = np.nonzero(mg)
        expiry = expiry_day[product]
        columns = (place.tolist(), product.tolist(), expiry.tolist(), mg[place, product].tolist())
        for row, column, last_day, amount in zip(*columns, strict=True):
            insort(self._batches[row][column], (last_day, amount))
        self._first_expiry[place, product] = np.minimum(self._first_expiry[place, product], expiry)
        self.usable[: len(mg)] += mg
        self.delivered[: len(mg)] += mg

    def issue(self, place: int, product: int, mg: int) -> None:
        """Take grams out for patients, first expiry first.

        Raises
        ------
        VerificationError
            Where there is not that much, or the amount is negative.
        """
        there = int(self.usable[place, product])
        if not 0 <= mg <= there:
            raise VerificationError(f"{mg} mg issued where {there} mg are in stock")
        self._take(place, product, mg)
        self.usable[place, product] -= mg
        self.issued[place, product] += mg

    def issue_all(self, mg: Milligrams) -> None:
        """Take grams out at many places, shape (places, products); see :meth:`issue`."""
        wrong = (mg < 0) | (mg > self.usable)
        if wrong.any():
            raise VerificationError(f"{mg[wrong][0]} mg issued where {self.usable[wrong][0]} mg are in stock")
        place, product = np.nonzero(mg)
        for cell in zip(place.tolist(), product.tolist(), mg[place, product].tolist(), strict=True):
            self._take(*cell)
        self.usable -= mg
        self.issued += mg

    def _take(self, place: int, product: int, mg: int) -> None:
        batches = self._batches[place][product]
        left, emptied = mg, 0
        while left:
            expiry_day, held = batches[emptied]
            if held > left:
                batches[emptied] = (expiry_day, held - left)
                break
            left -= held
            emptied += 1
        if emptied:
            del batches[:emptied]
            self._first_expiry[place, product] = batches[0][0] if batches else _NEVER

    def expire(self, day: int) -> list[tuple[int, int, int]]:
        """Remove every batch whose expiry day has come.

        Returns
        -------
        list of (place, product, mg)
        """
        gone: list[tuple[int, int, int]] = []
        for place, product in np.argwhere(self._first_expiry <= day).tolist():
            batches = self._batches[place][product]
            mg = 0
            while batches and batches[0][0] <= day:
                mg += batches.pop(0)[1]
            self._settle(place, product, -mg)
            self.expired[place, product] += mg
            gone.append((place, product, mg))
        return gone

    def destroy(self, place: int, product: int, share: float) -> int:
        """Destroy a share of every batch of a product at a place, also of those on hold; return how many milligrams.

        Whole milligrams of each batch, rounded up.
        """
        kept, mg = _without(self._batches[place][product], share)
        self._batches[place][product] = kept
        self._settle(place, product, -mg)
        for key in [key for key in self._held if key[1:] == (place, product)]:
            self._held[key], gone = _without(self._held[key], share)
            self.on_hold[place, product] -= gone
            mg += gone
        self.destroyed[place, product] += mg
        return mg

    def hold(self, number: int, place: int, product: int, share: float) -> int:
        """Put a share of every batch aside, in whole milligrams rounded up, under a number; return how many."""
        batches = self._batches[place][product]
        aside = [(expiry_day, min(held, int(np.ceil(held * share)))) for expiry_day, held in batches]
        kept = [(day, held - put) for (day, held), (_, put) in zip(batches, aside, strict=True)]
        mg = sum(put for _, put in aside)
        self._batches[place][product] = [batch for batch in kept if batch[1]]
        self._settle(place, product, -mg)
        self.on_hold[place, product] += mg
        self._held.setdefault((number, place, product), []).extend(aside)
        return mg

    def receive_on_hold(self, number: int, place: int, product: int, *, expiry_day: int, mg: int) -> None:
        """Put a delivered batch aside under a number."""
        if mg:
            self._held.setdefault((number, place, product), []).append((expiry_day, mg))
            self.on_hold[place, product] += mg
            self.delivered[place, product] += mg

    def release(self, number: int) -> list[tuple[int, int, int]]:
        """Make usable again what was put aside under a number.

        Returns
        -------
        list of (place, product, mg)
        """
        freed: list[tuple[int, int, int]] = []
        for key in sorted(key for key in self._held if key[0] == number):
            _, place, product = key
            for expiry_day, mg in self._held.pop(key):
                self._put(place, product, expiry_day, mg)
                self.on_hold[place, product] -= mg
                freed.append((place, product, mg))
        return freed

    def check(self) -> None:
        """Prove that opening + delivered = issued + expired + destroyed + on hold + closing, to the milligram.

        Raises
        ------
        VerificationError
            Where it does not hold, or the batches do not add up to the stock, usable and on hold.
        """
        batches = np.array([[sum(mg for _, mg in cell) for cell in row] for row in self._batches], dtype=np.int64)
        held = np.zeros_like(self.on_hold)
        for (_, place, product), aside in self._held.items():
            held[place, product] += sum(mg for _, mg in aside)
        came = self.opening + self.delivered
        went = self.issued + self.expired + self.destroyed + self.on_hold
        balances = np.array_equal(came, went + self.usable)
        if not balances or not np.array_equal(batches, self.usable) or not np.array_equal(held, self.on_hold):
            raise VerificationError("the stock ledger does not balance")

    def _put(self, place: int, product: int, expiry_day: int, mg: int) -> None:
        if mg < 0:
            raise VerificationError(f"a batch of {mg} mg was put in stock")
        if mg:
            insort(self._batches[place][product], (expiry_day, mg))
            self._settle(place, product, mg)

    def _settle(self, place: int, product: int, change_mg: int) -> None:
        self.usable[place, product] += change_mg
        batches = self._batches[place][product]
        self._first_expiry[place, product] = batches[0][0] if batches else _NEVER


def _without(batches: list[tuple[int, int]], share: float) -> tuple[list[tuple[int, int]], int]:
    """Batches less a share of each, and the milligrams taken off."""
    kept = [(expiry_day, held - min(held, int(np.ceil(held * share)))) for expiry_day, held in batches]
    mg = sum(held for _, held in batches) - sum(held for _, held in kept)
    return [batch for batch in kept if batch[1]], mg
