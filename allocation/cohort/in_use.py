"""Which regimen of the rulebook, and which vials, each patient of a cohort goes by."""

from __future__ import annotations

from datetime import date
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.grading import Dates, Initiation, blocks, codes_of, entries_of, looked_up, present
from allocation.rules import Entry, ProductSet, Regimen, Rulebook

__all__ = ["cycle_weeks_of", "most_courses_of", "regimens_in_use", "route_vials", "vials_in_use"]

Ints = npt.NDArray[np.int64]


def regimens_in_use(rulebook: Rulebook, graded: pd.DataFrame, *, as_of: date) -> tuple[Ints, list[Regimen]]:
    """For each row the place of the rulebook's regimen for its phase in a list, -1 for unlisted; and the list."""
    rulebook = rulebook.on(as_of)
    entries = entries_of(rulebook, graded)
    starts = Dates.of(graded["start_date"])
    doses, intervals = (graded[name].to_numpy(np.float64) for name in ("dose_g", "interval_weeks"))
    long_term = np.array([*(entry.term == "long" for entry in rulebook.entry), False])
    routes, names = codes_of(graded["route"])
    initiation = Initiation.of(rulebook, as_of)
    # One is added so that unlisted, which is -1, makes no negative code.
    most = 2 * (len(rulebook.entry) + 1) * max(len(names), 1)
    cases = np.empty(len(graded), dtype=np.int64)
    for part in blocks(len(graded)):
        entry = entries[part]
        has_dose, has_interval = ~np.isnan(doses[part]), ~np.isnan(intervals[part])
        undated = starts.missing(part)
        ongoing = undated & (has_interval | (long_term[entry] & ~has_dose))
        ongoing |= ~(initiation.under_way(starts, entry, part) | undated)
        cases[part] = ((entry + 1) * 2 + ongoing) * max(len(names), 1) + routes[part]

    regimens: list[Regimen] = []
    first_of = np.full(most, -1, dtype=np.int64)
    by_age: dict[int, tuple[Regimen, ...]] = {}
    for case in present(cases):
        place, phase = divmod(case // len(names), 2)
        if place == 0:
            continue
        chosen = _regimens_of(rulebook.entry[place - 1], "ongoing" if phase else "start", names[case % len(names)])
        first_of[case] = len(regimens)
        regimens.extend(chosen)
        if len(chosen) > 1:
            by_age[case] = chosen
    in_use = np.empty(len(graded), dtype=np.int64)
    depends_on_age = np.zeros(most, dtype=bool)
    depends_on_age[list(by_age)] = True
    ages = graded["age_years"].to_numpy(dtype=np.float64)
    for part in blocks(len(graded)):
        found = first_of[cases[part]]
        some = np.flatnonzero(depends_on_age[cases[part]])
        here, age = cases[part][some], ages[part]
        for case, chosen in by_age.items():
            rows = some[here == case]
            # Backwards, so that of several that fit the first one written is taken; where none fits it stands as well.
            for place in range(len(chosen) - 1, -1, -1):
                low, below = chosen[place].age_from_years or 0.0, chosen[place].age_below_years or np.inf
                found[rows[(age[rows] >= low) & (age[rows] < below)]] = first_of[case] + place
        in_use[part] = found
    return in_use, regimens


def _regimens_of(entry: Entry, phase: Literal["start", "ongoing"], route: str) -> tuple[Regimen, ...]:
    """Default regimens of a phase; for another route the entry's only regimen by that route, where it has just one."""
    defaults = entry.default_regimens(phase)
    if any(regimen.route == route for regimen in defaults):
        return defaults
    others = tuple(
        regimen
        for regimen in entry.regimen
        if regimen.route == route and regimen.basis != "iu" and not regimen.default_for
    )
    return others if len(others) == 1 else defaults


def cycle_weeks_of(regimen: Regimen) -> float:
    """Weeks between courses of a regimen, NaN for a single course."""
    if not _is_repeated(regimen):
        return np.nan
    if regimen.interval_weeks_use is not None:
        return regimen.interval_weeks_use
    return 1.0 if regimen.weekly_from_gestation_week is not None else np.nan


def most_courses_of(regimen: Regimen) -> float:
    """Courses of a regimen at the most, infinite where it is open-ended."""
    return np.inf if regimen.open_ended or regimen.courses_use is None else float(regimen.courses_use)


def _is_repeated(regimen: Regimen) -> bool:
    return regimen.open_ended or regimen.courses_use is None or regimen.courses_use > 1


def vials_in_use(graded: pd.DataFrame, products: ProductSet) -> tuple[Ints, list[tuple[int, ...]]]:
    """For each row the place of its vial sizes in a list of the sizes in use; and the list, in mg.

    Raises
    ------
    InputError
        Where a product is not known.
    """
    codes, names = codes_of(graded["product"])
    routes, route_names = codes_of(graded["route"])
    pairs = np.empty(len(graded), dtype=np.int64)
    for part in blocks(len(graded)):
        pairs[part] = codes[part] * max(len(route_names), 1) + routes[part]
    sizes: dict[tuple[int, ...], int] = {}
    found = np.zeros(max(len(names) * len(route_names), 1), dtype=np.int64)
    for pair in present(pairs):
        code, route = names[pair // len(route_names)], route_names[pair % len(route_names)]
        if code and code not in products.by_code:
            row = int(np.argmax(pairs == pair)) + 2
            raise InputError(Fault("cohort", "a product code in use", row=row, column="product", value=code))
        vial_mg = products.by_code[code].vial_mg if code else route_vials(products, route)
        found[pair] = sizes.setdefault(vial_mg, len(sizes))
    return looked_up([found], pairs)[0], list(sizes)


def route_vials(products: ProductSet, route: str) -> tuple[int, ...]:
    """Vial sizes in mg used for a route where no product is recorded.

    They are those of the first product of the file whose usual route it is, else of the first that may also be given
    that way: the order of the product file decides, so a planner can change it.

    Raises
    ------
    InputError
        Where no product has the route.
    """
    usual = [product for product in products.product if product.route == route]
    possible = usual or [product for product in products.product if route in product.routes]
    if not possible:
        raise InputError(Fault("products", f"a product given {route}", column="route", value=route))
    return possible[0].vial_mg
