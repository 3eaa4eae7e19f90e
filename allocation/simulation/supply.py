"""The supply side: expected use, opening stock, what disruptions do to output, and how a dispatch is shared out."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from allocation.errors import Fault, InputError
from allocation.quantities import DAYS_PER_YEAR
from allocation.rules import ProductSet
from allocation.scenario import (
    LeadTime,
    OutputCut,
    OutputRise,
    PlasmaFall,
    Scenario,
    SupplierWithdrawal,
)
from allocation.simulation.demand import NO_PRODUCT, ROUTES, Bools, Floats, Ints, People

__all__ = [
    "Batches",
    "can_give",
    "check_names",
    "largest_course",
    "lead_days",
    "opening_batches",
    "output_factor",
    "share_out",
    "shelf_life_days",
    "tied_use",
    "uneven",
    "untied_use",
]

_OPENING_BATCHES = 4
"""Batches that the opening stock of a place and product is split into, from the oldest to the freshest."""


@dataclass(frozen=True, slots=True)
class Batches:
    """Opening stock, one element a batch."""

    place: Ints
    product: Ints
    mg: Ints
    expiry_day: Ints


def check_names(
    scenario: Scenario,
    products: ProductSet,
    *,
    entries: Sequence[tuple[str, str]] = (),
    alike: Sequence[str] = (),
) -> None:
    """Refuse a scenario that names a product, a maker or an indication we do not know.

    Parameters
    ----------
    entries
        Indication and situation of all who may come.
    alike
        Indications of long-term patients at the start, whom a new indication may be like.

    Raises
    ------
    InputError
        With the names nearest to each unknown one.
    """
    codes = tuple(products.by_code)
    makers = tuple(dict.fromkeys(product.maker for product in products.product))
    indications = tuple(sorted({indication for indication, _ in entries}))
    known = {
        "weight_by_product": ("a known product code", codes),
        "products": ("a known product code", codes),
        "product": ("a known product code", codes),
        "weight_by_maker": ("a known maker", makers),
        "maker": ("a known maker", makers),
        "makers": ("a known maker", makers),
        "like": ("an indication of a long-term patient of the cohort", tuple(alike)),
        "indications": ("an indication of the cohort or of acute patients", indications),
    }
    faults = []
    listed = {
        "disruption": scenario.disruption,
        "mitigation": scenario.mitigation,
        "supply.maker": scenario.supply.maker,
        "controller.product": scenario.controller.product,
    }
    for role, every in listed.items():
        for number, one in enumerate(every):
            for key, (expected, right) in known.items():
                named = getattr(one, key, ())
                for name in (named,) if isinstance(named, str) else named:
                    if name not in right:
                        near = difflib.get_close_matches(name, right, n=3) or right
                        faults.append(
                            Fault(
                                f"scenario {scenario.name}",
                                expected,
                                column=f"{role}.{number}.{key}",
                                value=name,
                                remedy=f"Did you mean {' or '.join(near)}?",
                            )
                        )
    if faults:
        raise InputError(faults)


def tied_use(people: People, weekly_mg: Floats, panels: int, products: int) -> Floats:
    """Milligrams a week of patients with a product of their own, shape (panels, products)."""
    tied = people.product != NO_PRODUCT
    cell = people.panel[tied] * products + people.product[tied]
    use: Floats = np.bincount(cell, weekly_mg[tied], panels * products).astype(np.float64)
    return use.reshape(panels, products)


def untied_use(people: People, acute_mg: Floats, products: ProductSet) -> Floats:
    """Milligrams a week that each panel is expected to use of each product for patients without one of their own.

    Parameters
    ----------
    people
        Long-term patients at the start.
    acute_mg
        Expected milligrams a week for acute patients, shape (panels, routes).

    Notes
    -----
    It is spread over the route's products as the panel uses them for the others; as the country does where the panel
    uses none of the route; evenly where nobody does.
    """
    free = acute_mg.copy()
    tied = people.product != NO_PRODUCT
    weekly = people.weekly_mg
    use = tied_use(people, weekly, len(free), len(products.product))
    np.add.at(free, (people.panel[~tied], people.route[~tied]), weekly[~tied])
    spread = np.zeros_like(use)
    for route, of_route in enumerate(can_give(products)):
        if not of_route.any():
            continue
        own = use[:, of_route]
        national = own.sum(axis=0)
        fallback = national / national.sum() if national.sum() > 0 else np.full(len(national), 1 / len(national))
        total = own.sum(axis=1, keepdims=True)
        share = np.where(total > 0, own / np.where(total > 0, total, 1), fallback)
        spread[:, of_route] += free[:, [route]] * share
    return spread


def can_give(products: ProductSet) -> Bools:
    """Which products may be given by which route, shape (routes, products)."""
    return np.array([[route in product.routes for product in products.product] for route in ROUTES])


def opening_batches(use_mg: Floats, largest_mg: Floats, scenario: Scenario, products: ProductSet) -> Batches:
    """Stock on day 0: cover times expected use and the largest course besides, in whole smallest vials, rounded up.

    Without the one course a cell with a handful of patients would start unable to treat the first of them.

    Parameters
    ----------
    use_mg, largest_mg
        Expected use a week and :func:`largest_course`, shape (panels, products).
    """
    supply = scenario.supply
    cover = np.vstack([use_mg * supply.opening_cover_weeks, use_mg.sum(axis=0) * supply.national_cover_weeks])
    if supply.opening_cover_weeks > 0:
        cover[:-1] += largest_mg
    vial = np.array([product.vial_mg[0] for product in products.product], dtype=np.float64)
    vials = np.ceil(cover / vial)
    life = shelf_life_days(products)
    left = np.linspace(supply.oldest_shelf_life_left_share, supply.shelf_life_left_share, _OPENING_BATCHES)
    place, product, mg, expiry = [], [], [], []
    for cell_place, cell_product in np.argwhere(vials > 0).tolist():
        number = int(vials[cell_place, cell_product])
        for batch, share in enumerate(left):
            part = (number * (batch + 1)) // _OPENING_BATCHES - (number * batch) // _OPENING_BATCHES
            if part:
                place.append(cell_place)
                product.append(cell_product)
                mg.append(part * int(vial[cell_product]))
                expiry.append(int(life[cell_product] * share))
    return Batches(*(np.array(column, dtype=np.int64) for column in (place, product, mg, expiry)))


def largest_course(people: People, use_mg: Floats, acute_mg: Floats, products: ProductSet) -> Floats:
    """Milligrams of the largest course that may be asked of each panel's stock of a product, shape (panels, products).

    Parameters
    ----------
    people
        Long-term patients at the start.
    use_mg
        Expected use a week, shape (panels, products).
    acute_mg
        Largest course of an acute patient expected at each panel, shape (panels, routes).

    Notes
    -----
    A course for a patient without a product of their own may be made of any product of the route. Each panel keeps it
    of the one that it uses most.
    """
    largest = np.zeros_like(use_mg)
    untied_mg = acute_mg.copy()
    tied = people.product != NO_PRODUCT
    course_mg = people.course_mg.astype(np.float64)
    np.maximum.at(largest, (people.panel[tied], people.product[tied]), course_mg[tied])
    np.maximum.at(untied_mg, (people.panel[~tied], people.route[~tied]), course_mg[~tied])
    every = np.arange(len(use_mg))
    for route, of_route in enumerate(can_give(products)):
        if of_route.any():
            most = np.where(of_route, use_mg, -1.0).argmax(axis=1)
            np.maximum.at(largest, (every, most), untied_mg[:, route])
    return largest


def shelf_life_days(products: ProductSet) -> Floats:
    """Days from making to expiry, by product."""
    return np.array([product.shelf_life_months * DAYS_PER_YEAR / 12 for product in products.product])


def uneven(fraction: float, weight: Floats, contract_mg: Floats, *, most: float = np.inf) -> Floats:
    """Change of each product so that all together change by ``fraction``, in proportion to the weights.

    No product changes by more than ``most``; what that leaves over falls on the others by their weights. Where
    all with a weight are at ``most``, the whole falls short of ``fraction``.
    """
    change = np.zeros(len(contract_mg))
    free = (weight > 0) & (contract_mg > 0)
    wanted = fraction * contract_mg.sum()
    while free.any():
        left = wanted - (change[~free] * contract_mg[~free]).sum()
        trial = left * weight / (weight[free] * contract_mg[free]).sum()
        over = free & (trial > most)
        if not over.any():
            change[free] = trial[free]
            break
        change[over] = most
        free &= ~over
    return change


def output_factor(one: object, contract_mg: Floats, products: ProductSet) -> Floats | None:
    """What a disruption multiplies each product's output by while it lasts; None where it leaves output alone."""
    makers = [product.maker for product in products.product]
    codes = list(products.by_code)
    if isinstance(one, OutputCut | OutputRise | PlasmaFall):
        weight = np.array(
            [
                one.weight_by_product.get(code, 1.0) * one.weight_by_maker.get(maker, 1.0)
                for code, maker in zip(codes, makers, strict=True)
            ]
        )
        if isinstance(one, OutputCut | PlasmaFall):
            return 1.0 - uneven(one.fraction, weight, contract_mg, most=1.0)
        return 1.0 + uneven(one.fraction, weight, contract_mg)
    if isinstance(one, SupplierWithdrawal):
        named = one.products or tuple(codes)
        gone = [maker == one.maker and code in named for code, maker in zip(codes, makers, strict=True)]
        return np.where(gone, 1.0 - one.fraction, 1.0)
    return None


def share_out(output_mg: float, share: Floats, room_mg: Floats) -> Ints:
    """Whole milligrams of one product for each panel: by contract share, none beyond the room it has left.

    What one panel has no room for is offered to the others by their shares. What none has room for is not sent.
    """
    sent: Floats = np.zeros(len(share), dtype=np.float64)
    left = float(output_mg)
    room_mg = np.maximum(room_mg, 0)
    open_ = (room_mg > 0) & (share > 0)
    while left > 1 and open_.any():
        offer = left * share * open_ / share[open_].sum()
        taken = np.minimum(offer, room_mg - sent)
        sent = np.asarray(sent + taken, dtype=np.float64)
        left -= float(taken.sum())
        open_ &= room_mg - sent > 1
        if not (taken < offer).any():
            break
    return np.floor(sent).astype(np.int64)


def lead_days(lead_time: LeadTime, uniform: Floats) -> Ints:
    """Whole days to arrival for uniform draws, by the inverse of the distribution.

    By the inverse, so that a longer mean makes every delivery of a run later and never swaps luck between them.
    """
    days: Floats
    kind, mean, sd = lead_time.distribution, lead_time.mean, lead_time.sd
    if kind == "empirical":
        observed = np.sort(np.array(lead_time.days, dtype=np.float64))
        days = observed[(uniform * len(observed)).astype(np.int64)]
    elif kind == "triangular":
        low, high, peak = lead_time.low or 0.0, lead_time.high or 0.0, lead_time.peak
        left = (peak - low) / (high - low)
        rising = low + (high - low) * np.sqrt(uniform * left)
        falling = high - (high - low) * np.sqrt((1 - uniform) * (1 - left))
        days = np.asarray(np.where(uniform < left, rising, falling), dtype=np.float64)
    elif kind == "fixed" or sd == 0:
        return np.full(len(uniform), round(mean), dtype=np.int64)
    elif kind == "lognormal":
        from scipy.special import ndtri

        spread = np.log1p((sd / mean) ** 2)
        # A draw of 0 is infinitely far out, and arrives at once.
        days = np.asarray(mean * np.exp(np.sqrt(spread) * ndtri(uniform) - spread / 2), dtype=np.float64)
    else:
        from scipy.special import gammaincinv

        shape = (mean / sd) ** 2
        days = np.asarray(gammaincinv(shape, uniform), dtype=np.float64) * (sd**2 / mean)
    return np.asarray(np.rint(days), dtype=np.int64)
