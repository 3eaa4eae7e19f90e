"""Numbers and codes as people read them.

Percentages never round up to 100 % or down to 0 % unless they are exactly that, because "100 % of grade 4"
is a promise.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from allocation.errors import InputError
from allocation.rules import load_panels, load_rulebook
from allocation.rules.models import entry_key

__all__ = [
    "GRADE_ORDER",
    "HIDDEN",
    "NO_VALUE",
    "count",
    "days",
    "grade_name",
    "grams",
    "indication_name",
    "joined",
    "kilograms",
    "number",
    "panel_name",
    "percent",
    "plural",
    "times",
    "whole",
    "whole_percent",
    "words_of",
]

HIDDEN = "*"
"""Stands for a value that disclosure control took out."""

NO_VALUE = "–"

GRADE_ORDER = (4, 3, 2, 1, 0)
"""Grades in the order they are served; 0 is ungraded."""

_WHOLE = 1e-9
_G_PER_KG = 1000.0


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _as_float(value: object) -> float:
    return float(value)  # type: ignore[arg-type]


def number(value: object, digits: int = 1) -> str:
    """A plain number with thousands separators.

    >>> number(12345.678)
    '12,345.7'
    """
    if value == HIDDEN:
        return HIDDEN
    if _missing(value):
        return NO_VALUE
    if math.isinf(_as_float(value)):
        return "no limit"
    text = f"{_as_float(value):,.{digits}f}"
    return text.lstrip("-") if not text.strip("-0.,") else text.replace("-", "\u2212")


def count(value: object) -> str:
    """How many people: whole when whole or above ten, else one decimal, since it may be a mean.

    >>> count(2345.4), count(3.25), count(3.0)
    ('2,345', '3.2', '3')
    """
    if value == HIDDEN or _missing(value):
        return number(value)
    exact = _as_float(value)
    whole = abs(exact - round(exact)) < _WHOLE or abs(exact) >= 10
    if 0 < exact < 0.05:
        return "under 0.1"
    return number(exact, 0 if whole else 1)


def percent(value: object, digits: int = 1) -> str:
    """A share as a percentage, with more decimals where fewer would claim all or nothing.

    >>> percent(0.5), percent(1.0), percent(0.99981), percent(0.9999999)
    ('50.0%', '100%', '99.98%', 'more than 99.99%')
    """
    if value == HIDDEN or _missing(value):
        return number(value)
    share = _as_float(value)
    if abs(share) < _WHOLE:
        return "0%"
    if abs(share - 1) < _WHOLE:
        return "100%"
    for places in range(digits, max(digits, 2) + 1):
        text = f"{share * 100:.{places}f}"
        if float(text) not in (0.0, 100.0):
            return f"{text}%".replace("-", "\u2212")
    return "more than 99.99%" if share > 0.5 else "under 0.01%"


def whole(value: object) -> str:
    """A number without decimals."""
    return number(value, 0)


def whole_percent(value: object) -> str:
    """A percentage without decimals, but for those that would claim all or nothing."""
    return percent(value, 0)


def grams(value: object) -> str:
    """Grams in the unit that reads best.

    >>> grams(850), grams(54321), grams(5_432_100)
    ('850 g', '54.3 kg', '5,432 kg')
    """
    if value == HIDDEN or _missing(value):
        return number(value)
    exact = _as_float(value)
    if abs(exact) < 10 * _G_PER_KG:
        return f"{number(exact, 0)} g"
    return f"{number(exact / _G_PER_KG, 1 if abs(exact) < 1000 * _G_PER_KG else 0)} kg"


def kilograms(value: object) -> str:
    """Grams as a bare number of kilograms, for a column whose heading says kg."""
    if value == HIDDEN or _missing(value):
        return number(value)
    exact = _as_float(value)
    if 0 < exact < 50:
        return "under 0.1"
    return number(exact / _G_PER_KG, 1)


def days(value: object) -> str:
    """Days with one decimal below ten and none above."""
    if value == HIDDEN or _missing(value):
        return number(value)
    exact = _as_float(value)
    if 0 < exact < 0.05:
        return "under 0.1"
    return number(exact, 0 if exact >= 10 or abs(exact) < _WHOLE else 1)


def plural(amount: float, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> plural(1, "week"), plural(3, "week")
    ('1 week', '3 weeks')
    """
    noun = one if amount == 1 else many or f"{one}s"
    return f"{number(amount, 0)} {noun}"


def times(hits: int, of: int, noun: str = "replication") -> str:
    """How often something happened; "every" only when it is all of more than one.

    >>> times(20, 20), times(3, 20), times(0, 20), times(1, 1)
    ('all 20 replications', '3 of 20 replications', 'none of 20 replications', 'the one replication')
    """
    if of == 1:
        return f"the one {noun}" if hits else f"no {noun}"
    if hits == of:
        return f"both {noun}s" if of == 2 else f"all {of} {noun}s"
    return f"{'none' if hits == 0 else hits} of {of} {noun}s"


def joined(parts: list[str], last: str = "and") -> str:
    """A list in a sentence.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {last} {parts[-1]}"


def words_of(code: str) -> str:
    """A code as words: ``first_come`` as "First come".

    >>> words_of("supplier_withdrawal")
    'Supplier withdrawal'
    """
    text = re.sub(r"[_\s]+", " ", code).strip()
    return text[:1].upper() + text[1:]


def grade_name(grade: int) -> str:
    """Name of a grade; 0 is ungraded."""
    return f"Grade {grade}" if grade else "Ungraded"


@lru_cache(maxsize=2)
def _titles(rulebook: str) -> dict[str, str]:
    # A label only: a run made with a user's own rulebook still has readable codes.
    try:
        return {entry.key: entry.title for entry in load_rulebook(rulebook).entry}
    except InputError:
        return {}


def indication_name(indication: str, situation: str = "") -> str:
    """Title of an indication and situation in the NHS rulebook, or its code in words."""
    key = entry_key(indication, situation)
    title = _titles("nhs").get(key)
    if title:
        return title
    return f"{words_of(indication)}, {words_of(situation).lower()}" if situation else words_of(indication)


def panel_name(code: str) -> str:
    """A panel's code with its label where we know one."""
    panel = load_panels().by_code.get(code)
    return f"{code} {panel.name}" if panel else code
