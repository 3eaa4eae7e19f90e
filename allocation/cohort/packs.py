"""Courses in the vials of a product, and the product whose vials waste least of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.guideline import Guideline
from allocation.cohort.in_use import cycle_weeks_of
from allocation.dosing import round_to_vials
from allocation.dosing.equivalence import equivalent_g
from allocation.dosing.vials import Rounding, round_each
from allocation.grading import codes_of, is_value, rows_of_each
from allocation.rules import ProductSet, Regimen, Rulebook
from allocation.rules.supply import Product

__all__ = ["PackPolicy", "Packed", "Pieces", "best_packs", "in_vials"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
PackPolicy = Literal["same_route", "any_route", "none"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Courses of n patients before vials: grams, interval (NaN for none), and place of the vial sizes in a list."""

    dose_g: Floats
    interval_weeks: Floats
    vials: Ints
    sizes: tuple[tuple[int, ...], ...]

    def take(self, rows: npt.NDArray[np.intp]) -> Pieces:
        """Some of the patients."""
        return Pieces(self.dose_g[rows], self.interval_weeks[rows], self.vials[rows], self.sizes)

    def rows_by_vials(self) -> list[tuple[npt.NDArray[np.intp], tuple[int, ...]]]:
        """Rows of each set of vial sizes."""
        return list(zip(rows_of_each(self.vials, len(self.sizes)), self.sizes, strict=True))


@dataclass(frozen=True, slots=True)
class Packed:
    """Courses in the best packs, and the product where it changes (blank where it stays)."""

    pieces: Pieces
    product: npt.NDArray[np.object_]


def in_vials(pieces: Pieces, rounding: Rounding) -> Ints:
    """Whole-vial milligrams of each course; the smallest vial at least where there is a course at all."""
    smallest = np.array([min(vial_mg) for vial_mg in pieces.sizes], dtype=np.int64)[pieces.vials]
    whole = np.maximum(round_each(pieces.dose_g, pieces.vials, pieces.sizes, rounding), smallest)
    return np.where(pieces.dose_g > 0, whole, 0)


def best_packs(
    graded: pd.DataFrame,
    guideline: Guideline,
    own: Pieces,
    *,
    rulebook: Rulebook,
    products: ProductSet,
    policy: PackPolicy,
) -> Packed:
    """For each patient the product that uses the fewest milligrams a week for the same dose; the own one if none does.

    A facilitated product stands in for a facilitated one only. By any route, products of the other route come in where
    the criteria print an open-ended regimen by it for the condition, at its interval and gram for gram.
    """
    product = np.full(len(graded), "", dtype=object)
    if policy == "none":
        return Packed(own, product)
    best = _Best(
        own.dose_g.copy(),
        own.interval_weeks.copy(),
        own.vials.copy(),
        list(own.sizes),
        product,
        _rate(own, in_vials(own, "up")),
    )
    routes, names = codes_of(graded["route"])
    facilitated = np.zeros(len(graded), dtype=bool)
    for candidate in products.product:
        if candidate.facilitated:
            facilitated |= is_value(graded["product"], candidate.code)
    for place, rows in enumerate(rows_of_each(routes, len(names))):
        for kind in (False, True):
            some = rows[facilitated[rows] == kind]
            offered = [p for p in products.product if names[place] in p.routes and p.facilitated == kind]
            best.offer(some, own.dose_g[some], own.interval_weeks[some], offered)
    if policy == "any_route":
        other_routes = _other_route(rulebook)
        for regimen, rows in zip(
            guideline.regimens, rows_of_each(guideline.regimen, len(guideline.regimens)), strict=True
        ):
            other = other_routes.get(id(regimen))
            some = rows[~np.isnan(own.interval_weeks[rows]) & is_value(graded["route"], regimen.route, rows)]
            if other is None or not some.size:
                continue
            weeks = np.full(some.size, cycle_weeks_of(other))
            dose = equivalent_g(
                own.dose_g[some],
                from_weeks=own.interval_weeks[some],
                to_weeks=weeks,
                from_route=regimen.route,
                to_route=other.route,
            )
            offered = [p for p in products.product if p.route == other.route and not p.facilitated]
            best.offer(some, dose, weeks, offered)
    return Packed(Pieces(best.dose_g, best.interval_weeks, best.vials, tuple(best.sizes)), best.product)


@dataclass(frozen=True, slots=True)
class _Best:
    """The best offer so far of each patient."""

    dose_g: Floats
    interval_weeks: Floats
    vials: Ints
    sizes: list[tuple[int, ...]]
    product: npt.NDArray[np.object_]
    rate: Floats

    def offer(self, rows: npt.NDArray[np.intp], dose_g: Floats, weeks: Floats, offered: Iterable[Product]) -> None:
        """Take a product over where it uses less; of several that use as little, the first of the product file."""
        for candidate in offered:
            if candidate.vial_mg not in self.sizes:
                self.sizes.append(candidate.vial_mg)
            place = self.sizes.index(candidate.vial_mg)
            rate = _whole(dose_g, candidate.vial_mg, "up") / np.where(np.isnan(weeks), 1.0, weeks)
            # A ratio of whole milligrams differs by far more than this where it differs at all.
            better = rate < self.rate[rows] * (1 - 1e-12)
            taken = rows[better]
            self.dose_g[taken], self.interval_weeks[taken] = dose_g[better], weeks[better]
            self.vials[taken], self.product[taken], self.rate[taken] = place, candidate.code, rate[better]


def _rate(pieces: Pieces, course_mg: Ints) -> Floats:
    return np.asarray(course_mg / np.where(np.isnan(pieces.interval_weeks), 1.0, pieces.interval_weeks))


def _whole(grams: Floats, vial_mg: tuple[int, ...], rounding: Rounding) -> Ints:
    return np.where(grams > 0, np.maximum(round_to_vials(grams, vial_mg, rounding), min(vial_mg)), 0)


def _other_route(rulebook: Rulebook) -> dict[int, Regimen]:
    """For each open-ended regimen, by identity, one of the same entry given subcutaneously instead of intravenously."""
    found = {}
    for entry in rulebook.entry:
        lasting = [regimen for regimen in entry.regimen if regimen.open_ended and regimen.route in ("IV", "SC")]
        for regimen in lasting:
            others = [other for other in lasting if other.route != regimen.route]
            if others:
                found[id(regimen)] = others[0]
    return found
