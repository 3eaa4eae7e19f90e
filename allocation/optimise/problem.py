"""What is to be allocated: who is due what, which stock is there, and what the tier allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.errors import Fault, InputError
from allocation.optimise.coded import BLANK, Coded, Codes, OptionalTable, Table, coded, held
from allocation.optimise.levers import STRETCH_COLUMN
from allocation.optimise.side_limits import SideLimits
from allocation.rules import NATIONAL, PanelSet, ProductSet
from allocation.rules.supply import Tier

__all__ = ["CLASS_COLUMNS", "CLASS_KEYS", "Problem", "build_problem", "class_keys", "is_funded"]

Ints = npt.NDArray[np.int64]

CLASS_KEYS = ("panel", "grade", "emergency", "route", "product", "locked", "fences")
"""What tells one demand class from another."""

CLASS_COLUMNS = ("class_id", *CLASS_KEYS[:-1], "patients", "due_mg")
"""Columns that demand classes must have; ``fences`` is blank for all where there is no such column."""

STOCK_COLUMNS = ("location", "product", "mg")
ROUTES = ("IV", "SC", "IM")
_HIGHEST_GRADE = 4
# Sums of milligrams stay below this, so that they are exact as 64-bit integers and, in grams, as floats.
_MOST_MG = 2**50


@dataclass(frozen=True, eq=False, kw_only=True)
class Problem:
    """One allocation to be made.

    Demand, stock and reserve may be given as frames or as :class:`~allocation.optimise.coded.Coded`; they are read as
    frames.

    Attributes
    ----------
    tier
        What may be done.
    panels, region_of
        Panel codes in order, and the region of each.
    products
        All products known.
    classes
        Demand, one row a class: ``class_id`` (int, single), ``panel``, ``grade`` (0 to 4, 0 for ungraded),
        ``emergency`` (bool), ``route`` (IV, SC, IM), ``product`` (current one, ``""`` for none), ``locked`` (bool:
        takes no other product), ``patients``, ``due_mg`` (milligrams, 0 or more). Where side limits are given also
        ``fences`` (numbers of the fences the class is inside, joined by spaces) and ``courses`` (whole courses due; a
        part of a class has its part of them).
        Where the tier stretches intervals also ``stretch_mg``: milligrams due to who can be late within the limit.
    stock
        What is usable now: ``location`` (panel code or ``NATIONAL``), ``product``, ``mg``.
    reserve_mg
        Emergency reserve to hold: ``pool`` (panel, region or ``NATIONAL``, as the tier pools stock) and ``mg``; None
        for none.
    limits
        Side limits beside the tier; None for none.

    Raises
    ------
    InputError
        Where a column is missing, a code is unknown, an amount is negative or missing, or a ``class_id`` repeats.
    """

    tier: Tier
    panels: tuple[str, ...]
    region_of: tuple[str, ...]
    products: ProductSet
    classes: Table = Table()
    stock: Table = Table()
    reserve_mg: OptionalTable = OptionalTable()
    limits: SideLimits | None = None

    def __post_init__(self) -> None:
        classes, stock = held(self, "classes"), held(self, "stock")
        faults = [
            *_missing_columns("demand classes", classes, CLASS_COLUMNS),
            *_missing_columns("stock", stock, STOCK_COLUMNS),
        ]
        if self.limits is not None:
            faults += _missing_columns("demand classes", classes, ("fences", "courses"))
        if faults:
            raise InputError(faults)
        for name, known in self._class_codes.items():
            faults += _unknown("demand classes", classes, name, known, blank=name == "product")
        for name, known in self._stock_codes.items():
            faults += _unknown("stock", stock, name, known)
        faults += _not_amounts("demand classes", classes, "due_mg")
        faults += _not_amounts("stock", stock, "mg")
        grades = classes["grade"]
        if not ((grades >= 0) & (grades <= _HIGHEST_GRADE)).all():
            faults.append(Fault("demand classes", "grades from 0 (ungraded) to 4", column="grade"))
        if len(pd.unique(classes["class_id"])) < len(classes["class_id"]):
            faults.append(Fault("demand classes", "each class once", column="class_id"))
        reserve = held(self, "reserve_mg")
        if reserve is not None:
            faults += _not_amounts("reserve", reserve, "mg")
            faults += _unknown("reserve", reserve, "pool", self.pools)
        if faults:
            raise InputError(faults)

    @property
    def _class_codes(self) -> Codes:
        return {"panel": self.panels, "route": ROUTES, "product": tuple(self.products.by_code)}

    @property
    def _stock_codes(self) -> Codes:
        return {"location": (*self.panels, NATIONAL), "product": tuple(self.products.by_code)}

    @property
    def coded_classes(self) -> Coded:
        """The demand classes, their codes as places among the panels, :data:`ROUTES` and the products."""
        return coded(self, "classes", self._class_codes)

    @property
    def coded_stock(self) -> Coded:
        """The stock, its codes as places among the panels with ``NATIONAL`` last, and the products."""
        return coded(self, "stock", self._stock_codes)

    @property
    def reserve_by_pool(self) -> Ints:
        """Milligrams of reserve that each pool is to hold, shape (pools,)."""
        total = np.zeros(len(self.pools), dtype=np.int64)
        if held(self, "reserve_mg") is not None:
            reserve = coded(self, "reserve_mg", {"pool": self.pools})
            np.add.at(total, reserve["pool"], reserve["mg"].astype(np.int64))
        return total

    @property
    def pools(self) -> tuple[str, ...]:
        """Names of the pools within which stock may be shared at this tier."""
        if self.tier.stock_reach == "panel":
            return self.panels
        if self.tier.stock_reach == "region":
            return tuple(dict.fromkeys(self.region_of))
        return (NATIONAL,)


def _missing_columns(source: str, table: pd.DataFrame | Coded, columns: tuple[str, ...]) -> list[Fault]:
    return [Fault(source, "this column", column=name) for name in columns if name not in table.columns]


def _unknown(
    source: str, table: pd.DataFrame | Coded, column: str, known: tuple[str, ...], *, blank: bool = False
) -> list[Fault]:
    if isinstance(table, Coded) and table.codes.get(column) == known:
        at = table[column]
        outside = (at < (BLANK if blank else 0)) | (at >= len(known))
        found = set(at[outside].tolist())
    else:
        values = (table.frame if isinstance(table, Coded) else table)[column]
        found = set(values.unique()) - {*known, *([""] if blank else [])}
    return [Fault(source, "a known code", column=column, value=str(value)) for value in sorted(map(str, found))]


def _not_amounts(source: str, table: pd.DataFrame | Coded, column: str) -> list[Fault]:
    values = table[column]
    if not pd.api.types.is_integer_dtype(values.dtype) and len(values):
        return [Fault(source, "whole milligrams", column=column, value=str(values.dtype))]
    if len(values) and (pd.isna(values).any() or int(values.min()) < 0 or float(values.sum()) > _MOST_MG):
        return [Fault(source, "milligrams of 0 or more, none missing", column=column)]
    return []


def is_funded(demand: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows of a demand table may be served at all.

    The column ``funded`` says so where there is one. Otherwise a patient is funded unless ``commissioned`` is ``no``
    or the panel has declined.
    """
    if "funded" in demand.columns:
        return _as_bool(demand["funded"])
    funded = np.ones(len(demand), dtype=np.bool_)
    if "commissioned" in demand.columns:
        funded &= (demand["commissioned"] != "no").to_numpy()
    if "panel_decision" in demand.columns:
        funded &= (demand["panel_decision"] != "declined").to_numpy()
    return funded


def _as_bool(values: pd.Series) -> npt.NDArray[np.bool_]:
    if values.dtype == np.bool_:
        return values.to_numpy()
    return (values.isin([True, "yes"])).to_numpy(dtype=np.bool_)


def class_keys(demand: pd.DataFrame) -> pd.DataFrame:
    """The columns of :data:`CLASS_KEYS` for every row of a demand table, in their plain types, same index.

    A missing grade becomes 0; ``emergency`` and ``locked`` are False where there is no such column.
    """
    nobody = pd.Series(np.zeros(len(demand), dtype=np.bool_), index=demand.index)
    flags = {
        name: pd.Series(_as_bool(demand[name]), index=demand.index) if name in demand.columns else nobody
        for name in ("emergency", "locked")
    }
    return pd.DataFrame(
        {
            "panel": demand["panel"],
            "grade": demand["grade"].fillna(0).astype(np.int64),
            "emergency": flags["emergency"],
            "route": demand["route"],
            "product": demand["product"],
            "locked": flags["locked"],
            "fences": demand["fences"] if "fences" in demand.columns else "",
        }
    )


def build_problem(
    demand: pd.DataFrame,
    stock: pd.DataFrame,
    *,
    tier: Tier,
    panels: PanelSet,
    products: ProductSet,
    reserve: pd.DataFrame | None = None,
    limits: SideLimits | None = None,
) -> Problem:
    """Aggregate patients to demand classes and vials to milligrams.

    Parameters
    ----------
    demand
        One row a patient, as ``allocation.cohort.demand.demand_table`` makes it: ``panel``, ``grade``, ``route``,
        ``product``, ``due_mg`` and, where there, ``emergency``, ``locked``, ``funded`` (or ``commissioned`` and
        ``panel_decision``). A column ``patients`` makes a row stand for so many patients, their ``due_mg`` together.
    stock
        ``location``, ``product`` and either ``mg``, or ``vial_mg`` and ``vials``.
    reserve
        ``pool`` and ``mg``, as :func:`allocation.optimise.reserve.emergency_reserve` makes it.
    limits
        Side limits; ``demand`` is then marked by :func:`allocation.optimise.side_limits.mark_patients`.

    Returns
    -------
    Problem
        Without anybody who is not funded or is due nothing. The order of the rows given does not matter.

    Raises
    ------
    InputError
        As :class:`Problem` does.
    """
    due = demand.loc[is_funded(demand) & (demand["due_mg"] > 0).to_numpy()]
    rows = class_keys(due).assign(
        patients=due["patients"].to_numpy(dtype=np.int64) if "patients" in due.columns else np.int64(1),
        due_mg=due["due_mg"].to_numpy(dtype=np.int64),
    )
    sums = ["patients", "due_mg"]
    if limits is not None:
        rows["courses"] = _courses(due)
        sums.append("courses")
    if STRETCH_COLUMN in due.columns:
        rows["stretch_mg"] = np.where((due[STRETCH_COLUMN] > 0).to_numpy(), rows["due_mg"].to_numpy(), 0)
        sums.append("stretch_mg")
    place = {code: index for index, code in enumerate(panels.by_code)}
    classes = rows.groupby(list(CLASS_KEYS), sort=True, as_index=False)[sums].sum()
    order = np.lexsort((-classes["grade"].to_numpy(), classes["panel"].map(place).fillna(-1).to_numpy()))
    classes = classes.iloc[order].reset_index(drop=True)
    classes.insert(0, "class_id", np.arange(len(classes), dtype=np.int64))
    if "mg" not in stock.columns:
        stock = stock.assign(mg=stock["vial_mg"].astype(np.int64) * stock["vials"].astype(np.int64))
    usable = stock.groupby(["location", "product"], sort=True)["mg"].sum().reset_index()
    return Problem(
        tier=tier,
        panels=tuple(panels.by_code),
        region_of=tuple(panel.region for panel in panels.panel),
        products=products,
        classes=classes,
        stock=usable.assign(mg=usable["mg"].to_numpy(dtype=np.int64)),
        reserve_mg=reserve,
        limits=limits,
    )


def _courses(due: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Courses that each row is due: one where the table does not say how large a course is."""
    course_mg = due["course_mg"] if "course_mg" in due.columns else due["due_mg"]
    due_mg, each = due["due_mg"].to_numpy(dtype=np.int64), np.maximum(course_mg.to_numpy(dtype=np.int64), 1)
    courses: npt.NDArray[np.int64] = -(-due_mg // each)
    return courses
