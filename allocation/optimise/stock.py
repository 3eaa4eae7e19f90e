"""Stock files: what is in stock where, in which vials; and stock made up for rehearsals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from allocation.cohort.cells import parse
from allocation.cohort.remedies import near_column, nearest
from allocation.dosing import fewest_vials, round_to_vials
from allocation.errors import Fault, InputError
from allocation.optimise.problem import ROUTES, is_funded
from allocation.quantities import DAYS_PER_YEAR, MG_PER_G, to_mg
from allocation.rules import NATIONAL, PanelSet, ProductSet
from allocation.rules.supply import Product
from allocation.seeds import stream
from allocation.tables import of_sheet, read_rows

__all__ = ["STOCK_FILE_COLUMNS", "LoadedStock", "check_stock", "load_stock", "make_stock"]

STOCK_FILE_COLUMNS = ("location", "product", "vial_g", "vials", "expiry_date", "available_from")
"""Columns of a stock file; the last two may be absent or blank."""

_REQUIRED = STOCK_FILE_COLUMNS[:4]
_HEADER_ROWS = 2
# More than the world makes in a year; a larger number is a slip of the keyboard.
_MOST_VIALS = 10**8
_CARRY_MG = 1e-6
_GOLDEN = (5**0.5 - 1) / 2
_BATCHES = 2
_DAYS_PER_MONTH = DAYS_PER_YEAR / 12


@dataclass(frozen=True, slots=True, eq=False)
class LoadedStock:
    """A stock file, checked.

    Attributes
    ----------
    good
        Usable now: ``location``, ``product``, ``vial_mg`` (int64), ``vials`` (int64), ``expiry_date``
        (datetime64, NaT where none is given).
    deliveries
        Rows available only after the as-of date: the same columns and ``available_from``. They are sound, but nothing
        of them can be given now.
    rejects
        Rows set aside, as they stood, with ``row`` and ``reasons``.
    faults
        Why, in the order of the file.
    rows
        Rows read.
    """

    good: pd.DataFrame
    deliveries: pd.DataFrame
    rejects: pd.DataFrame
    faults: tuple[Fault, ...]
    rows: int


def load_stock(path: Path, *, products: ProductSet, panels: PanelSet, as_of: date) -> LoadedStock:
    """Read and check a stock file (CSV, Parquet or XLSX).

    Raises
    ------
    InputError
        Where the file cannot be read or lacks a column. A bad row is set aside and stops nothing.
    """
    table = read_rows(path)
    with of_sheet(table.sheets):
        return check_stock(
            table.frame(), str(path), products=products, panels=panels, as_of=as_of, read_faults=table.faults
        )


def check_stock(
    raw: pd.DataFrame,
    source: str,
    *,
    products: ProductSet,
    panels: PanelSet,
    as_of: date,
    read_faults: Iterable[Fault] = (),
) -> LoadedStock:
    """Check a table of text as stock.

    Parameters
    ----------
    raw
        Text; blank is ``""``. Index 0..n-1.
    source
        What to call the table in messages.
    as_of
        Stock that expires before this day is set aside; stock that comes after it is a delivery.
    read_faults
        Faults met while reading, each with its row.

    Raises
    ------
    InputError
        Where a required column is missing.
    """
    raw = raw.reset_index(drop=True)
    _need_columns(raw, source)
    check = _Check(raw, source, products=products, panels=panels, as_of=as_of)
    faults: dict[int, list[Fault]] = {}
    for fault in read_faults:
        faults.setdefault((fault.row or _HEADER_ROWS) - _HEADER_ROWS, []).append(fault)
    for row in range(len(raw)):
        if row not in faults and (said := check.codes(row) or check.amounts(row)):
            faults[row] = said
    sound = np.array([row not in faults for row in range(len(raw))], dtype=np.bool_)
    rows = np.flatnonzero(sound)
    good = pd.DataFrame(
        {
            "location": [check.texts["location"][row] for row in rows],
            "product": [check.texts["product"][row] for row in rows],
            "vial_mg": to_mg(check.values["vial_g"][rows].astype(np.float64)),
            "vials": check.values["vials"][rows].astype(np.int64),
            "expiry_date": check.values["expiry_date"][rows],
            "available_from": check.values["available_from"][rows],
        }
    )
    later = (good["available_from"] > np.datetime64(as_of)).to_numpy()
    ordered = [(row, faults[row]) for row in sorted(faults) if row < len(raw)]
    rejects = raw.iloc[[row for row, _ in ordered]].assign(
        row=[row + _HEADER_ROWS for row, _ in ordered],
        reasons=["; ".join(_reason(fault) for fault in said) for _, said in ordered],
    )
    return LoadedStock(
        good=good[~later].drop(columns="available_from").reset_index(drop=True),
        deliveries=good[later].reset_index(drop=True),
        rejects=rejects.reset_index(drop=True),
        faults=tuple(fault for row in sorted(faults) for fault in faults[row]),
        rows=len(raw),
    )


def _reason(fault: Fault) -> str:
    found = f"{fault.column} {fault.value!r}: " if fault.column else ""
    return f"{found}expected {fault.expected}"


class _Check:
    """Texts and values of a stock table, and what is wrong with a row."""

    def __init__(self, raw: pd.DataFrame, source: str, *, products: ProductSet, panels: PanelSet, as_of: date) -> None:
        self.source, self.products, self.as_of = source, products, as_of
        self.places = (*panels.by_code, NATIONAL)
        self.texts = {name: raw[name].tolist() if name in raw else [""] * len(raw) for name in STOCK_FILE_COLUMNS}
        kinds = {"vial_g": "number", "vials": "number", "expiry_date": "date", "available_from": "date"}
        parsed = {name: parse(kind, np.array(self.texts[name], dtype=object)) for name, kind in kinds.items()}
        self.values = {name: column.values for name, column in parsed.items()}
        self.problems = {name: column.problems for name, column in parsed.items()}

    def _fault(self, row: int, column: str, expected: str, remedy: str = "") -> Fault:
        value = self.texts[column][row]
        return Fault(self.source, expected, row=row + _HEADER_ROWS, column=column, value=value, remedy=remedy)

    def codes(self, row: int) -> list[Fault]:
        """Blanks, unknown codes, and what is no number or date."""
        faults = [self._fault(row, n, "a value in every row") for n in _REQUIRED if not self.texts[n][row]]
        for name, known in (("location", self.places), ("product", tuple(self.products.by_code))):
            text = self.texts[name][row]
            if text and text not in known:
                faults.append(self._fault(row, name, f"a known {name}", _remedy(name, text, known)))
        for name, problems in self.problems.items():
            if row in problems:
                expected = {"vial_g": "a number of grams", "vials": "a number of vials"}.get(
                    name, problems[row].expected
                )
                faults.append(self._fault(row, name, expected, problems[row].remedy))
        return faults

    def amounts(self, row: int) -> list[Fault]:
        """Vial sizes the product does not have, numbers of vials that cannot be, and stock gone off."""
        faults = []
        product = self.products.by_code[self.texts["product"][row]]
        if to_mg(float(self.values["vial_g"][row])) not in product.vial_mg:
            sizes = ", ".join(f"{size:g}" for size in sorted(product.vial_g))
            faults.append(self._fault(row, "vial_g", f"a vial size of {product.code} ({sizes} g)"))
        vials = float(self.values["vials"][row])
        if not (0 <= vials <= _MOST_VIALS and vials.is_integer()):
            expected = f"a whole number of vials from 0 to {_MOST_VIALS:,}"
            faults.append(self._fault(row, "vials", expected, "Count whole vials only."))
        expiry, comes = self.values["expiry_date"][row], self.values["available_from"][row]
        if expiry < np.datetime64(self.as_of):
            expected = f"stock that can still be used on {self.as_of.isoformat()}"
            faults.append(self._fault(row, "expiry_date", expected, "It is left out of the allocation."))
        elif expiry < comes:
            expected = f"a day on or after available_from, {comes.astype('datetime64[D]')}"
            remedy = "A delivery cannot go off before it comes: correct one of the two dates."
            faults.append(self._fault(row, "expiry_date", expected, remedy))
        return faults


def _need_columns(raw: pd.DataFrame, source: str) -> None:
    faults = []
    present = frozenset(map(str, raw.columns))
    for name in _REQUIRED:
        if name not in present:
            alike = [c for c in present if near_column(c, (name,), present=present) == name]
            remedy = f"Rename {alike[0]} to {name}." if alike else ""
            faults.append(Fault(source, "this column", row=1, column=name, remedy=remedy))
    if faults:
        raise InputError(faults)


def _remedy(column: str, text: str, known: tuple[str, ...]) -> str:
    near = nearest(text, known)
    more = {
        "location": f"Write a panel code, or {NATIONAL} for stock that no panel holds. Others come with --panels FILE.",
        "product": "Other products come with --products FILE.",
    }
    return (f"The nearest: {', '.join(near)}. " if near else "") + more[column]


def make_stock(
    demand: pd.DataFrame,
    *,
    products: ProductSet,
    panels: PanelSet,
    share: float,
    seed: int,
    as_of: date,
    national_share: float = 0.0,
) -> pd.DataFrame:
    """Made-up stock: a share of what is due, of each product at each panel, in whole vials.

    Parameters
    ----------
    demand
        A demand table. Patients without a product are given products of their route as the others of the route have
        them.
    share
        Stock as a share of the grams due and funded, 0 or more.
    national_share
        Part of it, 0 to 1, that no panel holds.
    seed, as_of
        Expiry dates are drawn over the shelf life of the product, counted from this day.

    Returns
    -------
    DataFrame
        Rows of a stock file. Vials come in the sizes that the courses due take, and the rest in the fewest; what does
        not make a vial is carried to the next place, so a product's total is short by less than its smallest vial.

    Raises
    ------
    InputError
        Where a share is out of its range.
    """
    if not 0 <= share < np.inf or not 0 <= national_share <= 1:
        raise InputError(Fault("--share", "a share of 0 or more, and a national share from 0 to 1", value=str(share)))
    courses = _courses(demand, products)
    due_mg = _due_by_product(courses, products=products, panels=panels)
    needed = _vials_needed(courses, products=products, panels=panels)
    rng = stream(seed, "synthetic stock")
    rows: list[tuple[str, str, float, int, str, str]] = []
    for column, product in enumerate(products.product):
        at_panels = due_mg[:, column] * (share * (1 - national_share))
        targets = [*at_panels.tolist(), float(due_mg[:, column].sum()) * share * national_share]
        left = 0.0
        for place, target in zip((*panels.by_code, NATIONAL), targets, strict=True):
            left += target
            part = share * (national_share if place == NATIONAL else 1 - national_share)
            wanted = {size: int(count * part + _CARRY_MG) for size, count in needed[place, product.code].items()}
            for size, count in _vials_of(int(left + _CARRY_MG), product, wanted).items():
                left -= size * count
                expiries = _expiries(rng, product, count, as_of)
                rows += [(place, product.code, size / MG_PER_G, n, day, "") for day, n in expiries]
    return pd.DataFrame(rows, columns=list(STOCK_FILE_COLUMNS)).astype({"vial_g": np.float64, "vials": np.int64})


def _courses(demand: pd.DataFrame, products: ProductSet) -> pd.DataFrame:
    """Funded courses due, each with a product: ``panel``, ``product``, ``course_mg``, ``due_mg``.

    Who has no product on record is given one of the route, so that each product has the share that it has among those
    on record; a course is never split between products, or no vial might fit it.
    """
    rows = demand[is_funded(demand) & (demand["due_mg"] > 0).to_numpy()].sort_values(["panel", "patient_id"])
    product = rows["product"].to_numpy(dtype=object).copy()
    codes = np.array(list(products.by_code), dtype=object)
    mix = rows.groupby("product")["due_mg"].sum().reindex(codes).fillna(0.0).to_numpy(dtype=np.float64)
    for route in ROUTES:
        fits = np.array([route in item.routes for item in products.product])
        weights = mix * fits if (mix * fits).any() else fits.astype(np.float64)
        there = np.flatnonzero((product == "") & (rows["route"] == route).to_numpy())
        if fits.any() and len(there):
            # Steps of the golden ratio visit each product in proportion, wherever one begins.
            at = ((np.arange(len(there)) + 0.5) * _GOLDEN) % 1.0
            product[there] = codes[np.searchsorted(np.cumsum(weights) / weights.sum(), at, side="right")]
    found = rows[["panel", "course_mg", "due_mg"]].assign(product=product)
    return found[found["product"] != ""]


def _due_by_product(courses: pd.DataFrame, *, products: ProductSet, panels: PanelSet) -> np.ndarray[Any, Any]:
    """Milligrams due of each product at each panel, shape (panels, products)."""
    table = courses.pivot_table(index="panel", columns="product", values="due_mg", aggfunc="sum", fill_value=0)
    whole = table.reindex(index=list(panels.by_code), columns=list(products.by_code), fill_value=0)
    return whole.to_numpy(dtype=np.float64)


def _vials_needed(
    courses: pd.DataFrame, *, products: ProductSet, panels: PanelSet
) -> dict[tuple[str, str], dict[int, int]]:
    """Vials of each size that the courses due of a product take at each panel, and over all at ``NATIONAL``."""
    places = (*panels.by_code, NATIONAL)
    needed: dict[tuple[str, str], dict[int, int]] = {(place, code): {} for place in places for code in products.by_code}
    sums = courses.groupby(["panel", "product", "course_mg"], sort=True, as_index=False)["due_mg"].sum()
    for panel, code, course_mg, due_mg in sums.itertuples(index=False, name=None):
        sizes = products.by_code[code].vial_mg
        # A course taken from the route's usual sizes need not be one that this product's vials make.
        whole_mg = int(round_to_vials(course_mg / MG_PER_G, sizes)[0])
        for size, count in fewest_vials(whole_mg, sizes).items():
            for place in (panel, NATIONAL):
                vials = needed[place, code]
                vials[size] = vials.get(size, 0) + count * round(due_mg / course_mg)
    return needed


def _vials_of(target_mg: int, product: Product, wanted: Mapping[int, int]) -> dict[int, int]:
    """Vials that come to at most a target: what is wanted of each size, and the rest in large ones first."""
    vials = dict.fromkeys(reversed(product.vial_mg), 0)
    left = target_mg
    for size in vials:
        vials[size] = min(wanted.get(size, 0), left // size)
        left -= vials[size] * size
    for size in vials:
        vials[size] += left // size
        left %= size
    return {size: count for size, count in vials.items() if count}


def _expiries(rng: np.random.Generator, product: Product, count: int, as_of: date) -> list[tuple[str, int]]:
    """Expiry dates and how many vials have each, earliest first."""
    life_days = int(product.shelf_life_months * _DAYS_PER_MONTH)
    days = sorted(rng.integers(1, life_days + 1, size=_BATCHES).tolist())
    share = count // _BATCHES
    counts = [share] * (_BATCHES - 1) + [count - share * (_BATCHES - 1)]
    return [((as_of + timedelta(days=day)).isoformat(), n) for day, n in zip(days, counts, strict=True) if n]
