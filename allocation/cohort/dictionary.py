"""The data dictionary of a cohort file, made from the same tables that check it."""

from __future__ import annotations

import pandas as pd

from allocation.cohort.columns import OPTIONAL, SPECS, YES_NO, ColumnSpec
from allocation.cohort.plausible import AgeLimits, Plausible, load_plausible
from allocation.cohort.schema import allowed_codes
from allocation.rules import PanelSet, ProductSet, Rulebook, load_panels, load_products

__all__ = ["DICTIONARY_COLUMNS", "data_dictionary"]

DICTIONARY_COLUMNS = ("column", "required", "type", "unit", "allowed", "meaning", "source")

_TYPES = {"text": "text", "code": "code", "number": "number", "date": "date YYYY-MM-DD", "flag": "yes/no"}
_REQUIRED_WHERE = {
    "situation": "where the indication has several",
    "height_cm": "where the dosing weight uses it",
}
_PROPOSED = "Limits against slips, proposed (cohort/data/plausible.toml)"


def data_dictionary(
    rulebook: Rulebook, *, panels: PanelSet | None = None, products: ProductSet | None = None
) -> pd.DataFrame:
    """One row for each column of a cohort file.

    Parameters
    ----------
    rulebook
        Names the indications and situations.
    panels, products
        Those that come with igalloc where not given.

    Returns
    -------
    DataFrame
        Text columns ``column``, ``required``, ``type``, ``unit``, ``allowed``, ``meaning``, ``source``.
    """
    known = allowed_codes(rulebook=rulebook, panels=panels or load_panels(), products=products or load_products())
    limits = load_plausible()
    known["situation"] = tuple(f"{entry.indication}/{entry.situation}" for entry in rulebook.entry if entry.situation)
    rows = [
        (
            spec.name,
            _REQUIRED_WHERE.get(spec.name, "yes" if spec.required else "no"),
            _TYPES[spec.kind],
            spec.unit,
            _allowed(spec, known, limits),
            spec.meaning,
            _source(spec, rulebook),
        )
        for spec in (*SPECS, *OPTIONAL)
    ]
    return pd.DataFrame(rows, columns=list(DICTIONARY_COLUMNS), dtype=object)


def _allowed(spec: ColumnSpec, known: dict[str, tuple[str, ...]], limits: Plausible) -> str:
    if spec.kind == "flag":
        return "; ".join(YES_NO)
    if spec.kind == "code":
        return "; ".join(known[spec.name])
    if spec.kind == "date":
        return f"{limits.dates.first} to {limits.dates.last}"
    if spec.name == "patient_id":
        return "any text but an NHS number, single in the file"
    if spec.kind == "text":
        return "any text"
    limit = getattr(limits, spec.name)
    if isinstance(limit, tuple):
        return "; ".join(_band(band) for band in limit)
    return str(limit).removeprefix("a number ")


def _band(band: AgeLimits) -> str:
    ages = f"age {band.from_:g} to under {band.below:g}" if band.below is not None else f"age {band.from_:g} and over"
    return f"{ages}: {band.low:g} to {band.high:g}"


def _source(spec: ColumnSpec, rulebook: Rulebook) -> str:
    if spec in OPTIONAL:
        return "igalloc cohort file"
    if spec.kind == "flag" or spec.name in ("indication", "situation"):
        return f"{rulebook.document}, rulebook {rulebook.id} {rulebook.version}"
    if spec.kind in ("number", "date"):
        return _PROPOSED
    return {
        "panel": "Panels in use (rules/data/panels.toml)",
        "product": "Products in use (rules/data/products.toml)",
    }.get(spec.name, "igalloc cohort file")
