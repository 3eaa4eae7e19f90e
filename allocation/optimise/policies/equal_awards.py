"""Every panel the same grams, at most what its patients are due."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.optimise.policies.base import Case, Policy, Round, award_panels
from allocation.optimise.policies.rationing import equal_awards

__all__ = ["EqualAwards"]


class EqualAwards(Policy):
    """Every panel the same grams, at most what its patients are due; inside a panel, the order of the tier."""

    name = "equal_awards"
    title = "Constrained equal awards"
    rule = "panels share the stock equally, none above its claim, and inside a panel the order of the tier holds"

    def rounds(self, case: Case) -> Sequence[Round]:
        """One round: equal awards between the panels of each pool of stock."""
        awards = award_panels(case, lambda claims, estate, _: equal_awards(claims, estate))
        return (Round("equal awards between panels", awards, "panels"),)
