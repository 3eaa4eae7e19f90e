"""Everybody the same share of what is due."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.optimise.policies.base import Case, Policy, Round, award_rows
from allocation.optimise.policies.rationing import pro_rata

__all__ = ["ProRata"]


class ProRata(Policy):
    """The same share of what is due for everybody, whatever the grade."""

    name = "pro_rata"
    title = "Pro rata"
    rule = "everybody is planned the same share of what is due, whatever the grade"

    def rounds(self, case: Case) -> Sequence[Round]:
        """One round: the stock in reach, shared in proportion to what is due."""
        awards = award_rows(case, lambda claims, estate, _: pro_rata(claims, estate))
        return (Round("the same share of what is due", awards, "classes"),)
