"""Shares of what is due that stand to each other as weights of the grades."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from allocation.optimise.policies.base import Case, Ints, Policy, Round, award_rows
from allocation.optimise.policies.figures import grade_weights
from allocation.optimise.policies.rationing import equal_awards

__all__ = ["Weighted"]


class Weighted(Policy):
    """Every grade gets something, the higher ones a larger share of what they are due."""

    name = "weighted"
    title = "Weighted by grade"
    rule = "shares of what is due stand to each other as the weights of the grades, up to all that is due"

    def rounds(self, case: Case) -> Sequence[Round]:
        """One round: awards in proportion to weight times grams due, at most what is due."""
        figures = grade_weights()
        weight = np.array([figures.of(grade) for grade in range(5)], dtype=np.int64)[case.ints("grade")]
        due = case.ints("due_mg")

        def share(claims: Sequence[int], estate: int, rows: Ints) -> list[Fraction]:
            return equal_awards(claims, estate, [int(weight[row]) * int(due[row]) for row in rows])

        return (Round("shares by weight of the grade", award_rows(case, share), "classes"),)

    def assumptions(self) -> tuple[str, ...]:
        """The weights are a proposal."""
        return grade_weights().assumptions()
