"""Whose course fell due first."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.optimise.policies.base import Case, Policy, Round, in_order
from allocation.quantities import DAYS_PER_WEEK

__all__ = ["FirstCome"]


class FirstCome(Policy):
    """Courses in the order in which they fell due, week by week, whatever the grade."""

    name = "first_come"
    title = "First come, first served"
    rule = "whose course fell due in an earlier week goes first, whatever the grade"
    uses_estate = False

    def rounds(self, case: Case) -> Sequence[Round]:
        """A round for each week overdue, the longest first."""
        weeks = case.ints("days_overdue") // DAYS_PER_WEEK
        return in_order(case, -weeks, lambda row: _words(int(weeks[row])))


def _words(weeks: int) -> str:
    if not weeks:
        return "due now, or less than a week overdue"
    return f"{weeks} week{'s' if weeks > 1 else ''} overdue"
