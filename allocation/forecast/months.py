"""Calendar months: their one spelling ``YYYY-MM``, their order and their days."""

from __future__ import annotations

import calendar
import re

import numpy as np
import numpy.typing as npt

from allocation.quantities import DAYS_PER_YEAR

__all__ = ["DAYS_PER_MONTH", "days_in", "month_range", "month_text", "ordinal"]

DAYS_PER_MONTH = DAYS_PER_YEAR / 12
_MONTH = re.compile(r"(\d{4})-?(0[1-9]|1[0-2])(?:-01)?")


def month_text(text: str) -> str | None:
    """``YYYY-MM`` for ``YYYY-MM``, ``YYYYMM`` or the first day of a month; None for anything else.

    >>> month_text("202504")
    '2025-04'
    """
    found = _MONTH.fullmatch(text.strip())
    return f"{found[1]}-{found[2]}" if found else None


def ordinal(month: str) -> int:
    """Number of a month, counted so that the next month is one more."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def month_range(first: str, count: int) -> tuple[str, ...]:
    """So many months, in order."""
    start = ordinal(first)
    return tuple(f"{number // 12:04d}-{number % 12 + 1:02d}" for number in range(start, start + count))


def days_in(months: tuple[str, ...]) -> npt.NDArray[np.float64]:
    """Days of each month."""
    return np.array([calendar.monthrange(int(m[:4]), int(m[5:7]))[1] for m in months], dtype=np.float64)
