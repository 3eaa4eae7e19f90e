"""Every panel the share of the stock that it has been using."""

from __future__ import annotations

from collections.abc import Sequence

from allocation.optimise.policies.base import Case, Policy, Round, award_panels
from allocation.optimise.policies.rationing import equal_awards

__all__ = ["HistoricalShare"]


class HistoricalShare(Policy):
    """Stock goes to panels as their long-term patients have been using it; inside a panel, the order of the tier."""

    name = "historical_share"
    title = "Historical share"
    rule = "every panel is planned its usual share of the stock, and inside a panel the order of the tier holds"

    def rounds(self, case: Case) -> Sequence[Round]:
        """One round: what a panel does not need of its share goes to the others in the same proportion."""
        usual = {code: round(mg) for code, mg in case.usual_mg.items()}
        awards = award_panels(
            case, lambda claims, estate, panels: equal_awards(claims, estate, [usual.get(str(c), 0) for c in panels])
        )
        return (Round("each panel's usual share", awards, "panels"),)

    def assumptions(self) -> tuple[str, ...]:
        """What stands for history."""
        return (
            "A panel's usual use is what its long-term patients are on, in grams a week; past issues are not read.",
        )
