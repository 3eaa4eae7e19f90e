"""Every panel the same grams short, none below nothing."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.optimise.policies.base import Case, Policy, Round, award_panels
from allocation.optimise.policies.rationing import equal_losses

__all__ = ["EqualLosses"]


class EqualLosses(Policy):
    """Every panel the same grams short, none below nothing; inside a panel, the order of the tier."""

    name = "equal_losses"
    title = "Constrained equal losses"
    rule = "panels share the shortfall equally, none below nothing, and inside a panel the order of the tier holds"

    def rounds(self, case: Case) -> Sequence[Round]:
        """One round: equal losses between the panels of each pool of stock."""
        awards = award_panels(case, lambda claims, estate, _: equal_losses(claims, estate))
        return (Round("equal losses between panels", awards, "panels"),)
