"""Templates of a cohort and a stock file, made from the same tables that check what is loaded."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from allocation.errors import Fault, InputError
from allocation.workflow.rules_in_use import RulesInUse

if TYPE_CHECKING:
    from allocation.cohort.columns import ColumnSpec
    from allocation.cohort.plausible import Plausible
    from allocation.reporting.workbook.template import Choice, Filled, FilledColumn

__all__ = ["cohort_template", "stock_template", "write_template"]

_EXAMPLE_DAY = date(2028, 6, 30)
_STEPS = (
    (
        "1. Fill the first sheet, one {thing} a row, from row 2 down without a blank row between. Leave the headings "
        "as they are; rows you do not need stay empty."
    ),
    (
        "2. Codes are offered as lists. The sheet Lists says what each one means, the sheet Columns what each column "
        "takes. Headings in dark red must be filled in every row; point at a heading to read its note."
    ),
    "3. Copied cells are not checked by the spreadsheet. {check}",
    "4. Save as .xlsx, without a password. Only the first sheet is read.",
)
_LATEST = date(2199, 12, 31)
_EARLIEST = date(2000, 1, 1)


def write_template(template: Filled, out: Path) -> None:
    """Write a template to a file that is not there yet.

    Raises
    ------
    InputError
        Where the name does not end in .xlsx, the file is there already, or it cannot be written.
    """
    from allocation.records import atomic_path
    from allocation.reporting.workbook.template import template_bytes

    if out.suffix.lower() != ".xlsx":
        raise InputError(Fault("--out", "a file ending in .xlsx", value=str(out)))
    if out.exists():
        remedy = "It may have been filled in, so it is left alone; name another file."
        raise InputError(Fault("--out", "a new file", value=str(out), remedy=remedy))
    made = template_bytes(template)
    with atomic_path(out) as part:
        part.write_bytes(made)


def cohort_template(rules: RulesInUse) -> Filled:
    """The template of a cohort file for these rules."""
    from allocation.cohort.columns import SPECS, YES_NO
    from allocation.cohort.dictionary import data_dictionary
    from allocation.cohort.plausible import load_plausible
    from allocation.cohort.schema import allowed_codes
    from allocation.reporting.workbook.template import Choice, Filled

    known = allowed_codes(rulebook=rules.rulebook, panels=rules.panels, products=rules.products)
    titles = {entry.indication: entry.title for entry in reversed(rules.rulebook.entry)}
    products = {code: f"{item.name}, {item.maker}" for code, item in rules.products.by_code.items()}
    panels = {code: panel.name for code, panel in rules.panels.by_code.items()}
    meanings = {"indication": titles, "product": products, "panel": panels}
    lists = {
        name: tuple(Choice(code, meanings.get(name, {}).get(code, "")) for code in codes)
        for name, codes in known.items()
        if name != "situation"
    }
    lists["situation"] = _situations(rules)
    lists["yes_no"] = tuple(Choice(code) for code in YES_NO)
    dictionary = data_dictionary(rules.rulebook, panels=rules.panels, products=rules.products).set_index("column")
    limits = load_plausible()
    columns = tuple(_cohort_column(spec, limits, required=str(dictionary.loc[spec.name, "required"])) for spec in SPECS)
    check = "igalloc cohort check FILE names every fault there is, by row and column."
    return Filled(
        title="Cohort: template to fill in",
        sheet="Cohort",
        columns=columns,
        lists=lists,
        example=_example_patients(),
        steps=tuple(step.format(thing="patient", check=check) for step in _STEPS),
    )


def _situations(rules: RulesInUse) -> tuple[Choice, ...]:
    """Situations, those of one indication side by side as the drop-down list needs them."""
    from allocation.reporting.workbook.template import Choice

    entries = [entry for entry in rules.rulebook.entry if entry.situation]
    order = list(dict.fromkeys(entry.indication for entry in entries))
    entries.sort(key=lambda entry: order.index(entry.indication))
    return tuple(Choice(entry.situation, entry.title, entry.indication) for entry in entries)


def _cohort_column(spec: ColumnSpec, limits: Plausible, *, required: str) -> FilledColumn:
    from allocation.cohort.plausible import Limits
    from allocation.reporting.workbook.template import FilledColumn

    needed = "" if required == "no" else required
    if spec.kind == "flag":
        return FilledColumn(spec.name, "list", spec.meaning, "yes, no or blank", needed, choices="yes_no")
    if spec.kind == "code":
        under = "indication" if spec.name == "situation" else ""
        expected = "a situation of the indication in this row" if under else "a code of the sheet Lists"
        return FilledColumn(spec.name, "list", spec.meaning, expected, needed, choices=spec.name, under=under)
    if spec.kind == "date":
        days = limits.dates
        return FilledColumn(spec.name, "date", spec.meaning, str(days), needed, low=days.first, high=days.last)
    if spec.kind == "number":
        limit = getattr(limits, spec.name)
        if isinstance(limit, Limits):
            low = limit.above if limit.low is None else limit.low
            return FilledColumn(spec.name, "number", spec.meaning, str(limit), needed, spec.unit, low=low,
                                high=limit.high, above=limit.above is not None)  # fmt: skip
        least, most = min(band.low for band in limit), max(band.high for band in limit)
        expected = f"a number from {least:g} to {most:g} {spec.unit}, closer by age"
        return FilledColumn(spec.name, "number", spec.meaning, expected, needed, spec.unit, low=least, high=most)
    single = spec.name == "patient_id"
    expected = "a pseudonym that no other row has" if single else "any text"
    return FilledColumn(spec.name, "text", spec.meaning, expected, needed, single=single)


def _example_patients() -> tuple[dict[str, object], ...]:
    """Three synthetic patients unlike each other: by vein, under the skin, and one with a situation."""
    from allocation.cohort.schema import typed
    from allocation.resources import SAMPLE_COHORT, bundled
    from allocation.tables import read_table

    path = bundled(SAMPLE_COHORT)
    if path is None:
        return ()
    cohort = typed(read_table(path))
    regular = cohort["dose_g"].notna() & cohort["last_review_date"].notna()
    wanted = [regular & (cohort["route"] == "IV"), regular & (cohort["route"] == "SC"), cohort["situation"] != ""]
    rows = [cohort[mask].iloc[0] for mask in wanted if mask.any()]
    return tuple({str(name): _plain(value) for name, value in row.items()} for row in rows)


def _plain(value: object) -> object:
    import pandas as pd

    if isinstance(value, pd.Timestamp):
        return value.date()
    return None if not isinstance(value, str) and pd.isna(value) else value  # type: ignore[call-overload]


def stock_template(rules: RulesInUse) -> Filled:
    """The template of a stock file for these products and panels."""
    from allocation.reporting.workbook.template import Choice, Filled, FilledColumn
    from allocation.rules import NATIONAL

    codes = rules.products.by_code
    lists = {
        "location": (
            *(Choice(code, panel.name) for code, panel in rules.panels.by_code.items()),
            Choice(NATIONAL, "Stock that no panel holds"),
        ),
        "product": tuple(Choice(code, f"{item.name}, {item.maker}") for code, item in codes.items()),
        "vial_g": tuple(Choice(size, "", code) for code, item in codes.items() for size in sorted(item.vial_g)),
    }
    days = f"a date from {_EARLIEST} to {_LATEST}"
    columns = (
        FilledColumn("location", "list", "Where the vials lie: a panel, or NATIONAL for stock that no panel holds",
                     "a code of the sheet Lists", "yes", choices="location"),
        FilledColumn("product", "list", "Brand and concentration", "a code of the sheet Lists", "yes",
                     choices="product"),
        FilledColumn("vial_g", "list", "Grams in one vial", "a vial size of the product in this row", "yes", "g",
                     choices="vial_g", under="product"),
        FilledColumn("vials", "whole", "Whole vials of this size", "a whole number, 0 or more", "yes", "vials",
                     low=0, high=10**8),
        FilledColumn("expiry_date", "date", "Last day on which they may be used", days, low=_EARLIEST, high=_LATEST),
        FilledColumn("available_from", "date", "Day of a known delivery; blank for stock that is there now", days,
                     low=_EARLIEST, high=_LATEST),
    )  # fmt: skip
    first, place = next(iter(codes.values())), next(iter(rules.panels.by_code))
    size = max(first.vial_g)
    example = tuple(
        {"location": where, "product": first.code, "vial_g": size, "vials": vials, "expiry_date": _EXAMPLE_DAY}
        for where, vials in ((place, 12), (NATIONAL, 40))
    )
    check = "igalloc allocate names every fault there is, by row and column."
    return Filled(
        title="Stock: template to fill in",
        sheet="Stock",
        columns=columns,
        lists=lists,
        example=example,
        steps=tuple(step.format(thing="product, size and place", check=check) for step in _STEPS),
    )
