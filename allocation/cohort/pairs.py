"""Checks of a cohort that need more than one column."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from allocation.cohort.cells import Cells, Problem
from allocation.cohort.columns import ROUTES, UNLISTED
from allocation.cohort.faults import FaultBook
from allocation.cohort.plausible import AgeLimits, Plausible, limits_at_age
from allocation.cohort.remedies import nearest
from allocation.quantities import CM_PER_M
from allocation.rules import Entry, ProductSet, Rulebook

__all__ = ["across_columns", "uses_dosing_weight"]

_WEIGHED = ("g_per_kg", "ml_per_kg")
_RULEBOOK_WEIGHTS = ("rulebook", "booking_adjusted", "ideal")


Columns = Mapping[str, Cells]


def across_columns(
    columns: Columns, book: FaultBook, *, rulebook: Rulebook, products: ProductSet, limits: Plausible
) -> None:
    """Add to ``book`` every fault that shows only when columns are read together."""
    _situations(columns, book, rulebook)
    _products(columns, book, products)
    _weights(columns, book, limits)
    _heights(columns, book, rulebook, limits)
    for later, earlier in (
        ("last_dose_date", "start_date"),
        ("next_due_date", "start_date"),
        ("next_due_date", "last_dose_date"),
    ):
        _order_of_dates(columns, book, later=later, earlier=earlier)


def uses_dosing_weight(entry: Entry) -> bool:
    """Whether some regimen of the entry is reckoned from the ideal or dosing weight of the rulebook."""
    return any(r.basis in _WEIGHED and r.weight_basis in _RULEBOOK_WEIGHTS for r in entry.regimen)


def _by_pair(
    first: Cells, second: Cells, judge: Callable[[str, str], Problem | None]
) -> tuple[npt.NDArray[np.bool_], Callable[[int], Problem]]:
    """Judge each distinct pair of texts once: mask of the rows at fault, and what is wrong with a row."""
    width = len(second.text.texts)
    inverse, pairs = pd.factorize(first.text.codes.astype(np.int64) * width + second.text.codes)
    problems: dict[int, Problem] = {}
    for place, pair in enumerate(pairs.tolist()):
        problem = judge(str(first.text.texts[pair // width]), str(second.text.texts[pair % width]))
        if problem is not None:
            problems[place] = problem
    wrong = np.zeros(len(pairs), dtype=bool)
    wrong[list(problems)] = True
    return wrong[inverse], lambda row: problems[int(inverse[row])]


def _situations(columns: Columns, book: FaultBook, rulebook: Rulebook) -> None:
    indication, situation = columns["indication"], columns["situation"]
    every = tuple(dict.fromkeys(entry.situation for entry in rulebook.entry if entry.situation))
    listed = {entry.indication for entry in rulebook.entry}

    def judge(name: str, case: str) -> Problem | None:
        cases = rulebook.situations(name)
        if name not in listed:
            return _unknown_case(name, case, every)
        if not cases:
            return Problem("a blank", f"{name} has no situations; leave it blank.") if case else None
        if case in cases:
            return None
        told = f"one of {', '.join(cases)}"
        if not case:
            return Problem(told, f"{name} has several situations; say which.")
        near = nearest(case, cases)
        return Problem(told, f"The nearest: {', '.join(near)}." if near else f"These are the situations of {name}.")

    wrong, problem = _by_pair(indication, situation, judge)
    book.add(wrong, "situation", lambda row: (situation.at(row), problem(row)))


def _unknown_case(indication: str, case: str, every: tuple[str, ...]) -> Problem | None:
    """A situation whose indication is not listed, or not known and so a fault of its own."""
    if indication == UNLISTED and case:
        return Problem("a blank", f"{UNLISTED} has no situations; leave it blank.")
    if not case or case in every:
        return None
    near = nearest(case, every)
    return Problem("a situation of the rulebook", f"The nearest: {', '.join(near)}." if near else "Check its spelling.")


def _products(columns: Columns, book: FaultBook, products: ProductSet) -> None:
    product, route = columns["product"], columns["route"]

    def judge(code: str, given: str) -> Problem | None:
        known = products.by_code.get(code)
        by = given or ROUTES[0]
        if known is None or by not in ROUTES or by in known.routes:
            return None
        can = " or ".join(known.routes)
        blank = "" if given else " (a blank route counts as IV)"
        return Problem(f"a product given by {by}{blank}", f"{code} is given by {can}: correct route or product.")

    wrong, problem = _by_pair(product, route, judge)
    book.add(wrong, "product", lambda row: (product.at(row), problem(row)))


def _weights(columns: Columns, book: FaultBook, limits: Plausible) -> None:
    def remedy(_value: float, _low: float, _high: float) -> str:
        return "Check the weight, its unit and the age."

    _within_limits_at_age(columns, book, "weight_kg", limits.weight_kg, remedy)


def _heights(columns: Columns, book: FaultBook, rulebook: Rulebook, limits: Plausible) -> None:
    def remedy(value: float, low: float, high: float) -> str:
        if low <= value * CM_PER_M <= high:
            return "It looks like metres; write it in cm."
        return "Check the height, its unit and the age."

    _within_limits_at_age(columns, book, "height_cm", limits.height_cm, remedy)
    age_years = columns["age_years"].by_row
    child = rulebook.dosing.child
    by_height = child.basis == "ideal" and child.method == "table_by_height"
    # Comparing NaN is false, so a row whose age is not known asks for nothing.
    needed = (age_years >= 0) if by_height else (age_years >= child.below_age_years)
    needed &= columns["height_cm"].is_blank & _weighed(columns["indication"], columns["situation"], rulebook)
    wanted = Problem("a height in cm", "The dosing weight is reckoned from it.")
    book.add(needed, "height_cm", lambda _row: ("", wanted))


def _within_limits_at_age(
    columns: Columns,
    book: FaultBook,
    name: str,
    bands: tuple[AgeLimits, ...],
    remedy: Callable[[float, float, float], str],
) -> None:
    cells = columns[name]
    values = cells.by_row
    lows, highs = limits_at_age(bands, columns["age_years"].by_row)

    def tell(row: int) -> tuple[str, Problem]:
        low, high = float(lows[row]), float(highs[row])
        expected = f"a number from {low:g} to {high:g} {cells.spec.unit} at this age"
        return cells.at(row), Problem(expected, remedy(float(values[row]), low, high))

    book.add((values < lows) | (values > highs), name, tell)


def _weighed(indication: Cells, situation: Cells, rulebook: Rulebook) -> npt.NDArray[np.bool_]:
    """Rows whose regimens are reckoned from the dosing weight, or might be while their code is not known."""

    def judge(name: str, case: str) -> Problem | None:
        entry = rulebook.find(name, case)
        uses = name != UNLISTED if entry is None else uses_dosing_weight(entry)
        return Problem("a height in cm", "") if uses else None

    return _by_pair(indication, situation, judge)[0]


def _order_of_dates(columns: Columns, book: FaultBook, *, later: str, earlier: str) -> None:
    cells = columns[later]

    def tell(row: int) -> tuple[str, Problem]:
        limit = columns[earlier].at(row)
        return cells.at(row), Problem(f"a date on or after {earlier}, {limit}", "Correct one of the two.")

    book.add(cells.by_row < columns[earlier].by_row, later, tell)
